//! Why an engine of a program's own refused something.

use crate::memory::MemoryError;

/// Every variant names what it is about, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no module.
    #[error(
        "module {module}: its {bytes} bytes begin with {found}; expected LLVM bitcode (BC C0 DE) or an LLBC container"
    )]
    NoModule {
        /// The name it was loaded by.
        module: String,
        /// How many bytes there are.
        bytes: usize,
        /// The first of them, in hexadecimal.
        found: String,
    },
    /// The module is damaged, for another machine, or needs what is not there.
    #[error("{0}")]
    Module(crate::Error),
    /// The limit of memory is reached.
    #[error(
        "the limit of the engine's memory is reached: {needed} bytes more asked for {what}, {used} of {limit} in use; unload modules or create the engine with more"
    )]
    Limit {
        /// For what.
        what: String,
        /// Bytes asked for.
        needed: usize,
        /// Bytes in use.
        used: usize,
        /// Bytes there are.
        limit: usize,
    },
    /// A symbol that is there already.
    #[error(
        "module {module} exports {symbol}, which module {other} exports, too; unload that one before"
    )]
    Duplicate {
        /// The module that was refused.
        module: String,
        /// The symbol.
        symbol: String,
        /// The module that has it.
        other: String,
    },
    /// A symbol that was defined with another address.
    #[error("{symbol} was defined before, with another address")]
    Defined {
        /// The symbol.
        symbol: String,
    },
    /// No module has this number.
    #[error("the engine has no module {number}: it was unloaded, or is another engine's")]
    UnknownModule {
        /// The number.
        number: i64,
    },
    /// Another module calls it.
    #[error("module {module} cannot be unloaded before module {by}, which uses {symbol} of it")]
    InUse {
        /// The module.
        module: String,
        /// Who needs it.
        by: String,
        /// For what.
        symbol: String,
    },
    /// No module exports a function of this name.
    #[error("no module of the engine exports a function {name}")]
    UnknownFunction {
        /// The name.
        name: String,
    },
    /// LLVM could not compile it.
    #[error("function {function} was not compiled at {level}: {reason}")]
    Compile {
        /// The function.
        function: String,
        /// The level asked for.
        level: String,
        /// What LLVM says.
        reason: String,
    },
}

impl Error {
    /// `error` as what happened to `what`.
    pub(super) fn of(error: crate::Error, what: &str) -> Self {
        match error {
            crate::Error::Memory(full) => Error::of_memory(full, what),
            other => Error::Module(other),
        }
    }

    /// The same of memory.
    pub(super) fn of_memory(error: MemoryError, what: &str) -> Self {
        match error {
            MemoryError::Full {
                needed,
                used,
                limit,
            } => Error::Limit {
                what: what.to_owned(),
                needed,
                used,
                limit,
            },
            other => Error::Module(other.into()),
        }
    }
}
