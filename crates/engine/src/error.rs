//! Why a program was refused or could not be compiled.

/// Every variant names the module or symbol it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The container is broken.
    #[error("module {module}: {error}")]
    Container {
        /// File or name it was loaded from.
        module: String,
        /// What is wrong with it.
        error: formats::llbc::Error,
    },
    /// LLVM cannot read the bitcode, or its verifier rejects it.
    #[error("module {module}: {error}")]
    Module {
        /// Its name.
        module: String,
        /// LLVM's reason.
        error: llvm::Error,
    },
    /// Compiled for another kind of machine.
    #[error(
        "module {module} is for {triple}, expected x86-64 Linux bitcode (target x86_64-unknown-linux-gnu)"
    )]
    Triple {
        /// Its name.
        module: String,
        /// The triple it carries.
        triple: String,
    },
    /// The container's lists do not agree with the bitcode.
    #[error(
        "module {module}: the container lists {symbol} as {listed}, the bitcode does not; rebuild the module"
    )]
    Lists {
        /// Its name.
        module: String,
        /// The symbol.
        symbol: String,
        /// `import` or `export`.
        listed: &'static str,
    },
    /// A symbol is needed that no module and not the host provides.
    #[error(
        "module {module} needs {symbol}, which no module of the program exports and the runtime does not offer"
    )]
    MissingImport {
        /// The module that needs it.
        module: String,
        /// The symbol.
        symbol: String,
    },
    /// Two modules define the same symbol.
    #[error("{symbol} is exported by both {first} and {second}")]
    Duplicate {
        /// The symbol.
        symbol: String,
        /// One module.
        first: String,
        /// The other.
        second: String,
    },
    /// There is nothing to start.
    #[error("no module of the program names an entry symbol; one must define {expected}")]
    NoEntry {
        /// The usual name.
        expected: &'static str,
    },
    /// More than one module claims the entry.
    #[error("both {first} and {second} name an entry symbol; keep one")]
    TwoEntries {
        /// One module.
        first: String,
        /// The other.
        second: String,
    },
    /// No modules were given.
    #[error("the program has no modules")]
    Empty,
    /// A program that makes engines of its own is to be exported.
    #[error(
        "the program calls {symbol} (jit_runtime.h), which needs the engine: it cannot be exported as machine code; run it under the runtime"
    )]
    NeedsEngine {
        /// The function.
        symbol: String,
    },
    /// Not a level.
    #[error("no optimisation level {found:?}: use O0, O1, O2 or O3")]
    Level {
        /// What was asked for.
        found: String,
    },
    /// LLVM failed on the linked program.
    #[error("{0}")]
    Llvm(#[from] llvm::Error),
    /// Code memory could not be had, or a unit not be linked.
    #[error("{0}")]
    Memory(#[from] crate::memory::MemoryError),
    /// A compiled object cannot be read back.
    #[error("compiled code cannot be read: {message}")]
    Object {
        /// The reader's reason.
        message: String,
    },
    /// A compiler thread ended without a result.
    #[error("a compiler thread failed: {message}")]
    Thread {
        /// What is known.
        message: String,
    },
}
