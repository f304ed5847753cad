//! Why a program could not be run.

use std::path::PathBuf;

/// Every variant names the file or symbol it is about, and what would help.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file whose ending says nothing.
    #[error("{}: unknown kind of file: expected .bc, .ll, .c, .cpp, .cc or .cxx", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// The compiler did not start.
    #[error("{}: cannot start {compiler}: {source}; install the package clang-22", path.display())]
    NoCompiler {
        /// The source.
        path: PathBuf,
        /// Its name.
        compiler: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The compiler refused; it has said why.
    #[error("{} does not compile: the messages of {compiler} are above", path.display())]
    Compiler {
        /// The source.
        path: PathBuf,
        /// Its name.
        compiler: &'static str,
    },
    /// The header of the engine cannot be written for the compiler.
    #[error("{}: cannot write jit_runtime.h for the compiler: {source}", path.display())]
    Header {
        /// The folder for scratch files.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// LLVM cannot read a file, or it breaks the rules of LLVM IR.
    #[error("{}: {error}", path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// LLVM's reason.
        error: llvm::Error,
    },
    /// Compiled for another kind of machine.
    #[error("{} is for {triple}, expected IR for x86-64 Linux (x86_64-unknown-linux-gnu)", path.display())]
    Triple {
        /// The file.
        path: PathBuf,
        /// The triple it carries.
        triple: String,
    },
    /// There is nothing to start.
    #[error(
        "the program has no main: one of the files must define `int main(int argc, char **argv)`"
    )]
    NoMain,
    /// Symbols nobody defines.
    #[error(
        "no file of the program and no library defines {}; name a file that does, or a library with -l{}",
        symbols.join(", "),
        advice(symbols)
    )]
    Unresolved {
        /// All of them.
        symbols: Vec<String>,
    },
    /// A library that cannot be loaded.
    #[error("-l {name}: cannot load the library: {message}")]
    Library {
        /// As it was named.
        name: String,
        /// The dynamic linker's reason.
        message: String,
    },
    /// An argument that cannot be passed on.
    #[error("argument {argument:?} holds a NUL byte, which no program can be given")]
    Argument {
        /// It.
        argument: String,
    },
    /// A constructor or destructor without a body.
    #[error("{list} names {function}, which the program does not define")]
    Constructor {
        /// `llvm.global_ctors` or `llvm.global_dtors`.
        list: &'static str,
        /// The function.
        function: String,
    },
    /// A constructor or destructor that the engine dropped.
    #[error(
        "the engine has no address for {function}, which is to run before or after main; this is a bug of the engine"
    )]
    Lost {
        /// The function.
        function: String,
    },
    /// The engine refused the program.
    #[error("{0}")]
    Engine(#[from] engine::Error),
    /// An option asks for what cannot be done.
    #[error("{0}")]
    Options(#[from] engine_options::Error),
}

/// What else helps against missing symbols.
fn advice(symbols: &[String]) -> &'static str {
    let is_ours = |s: &String| s.starts_with("jit_") || s.starts_with("bf_");
    match symbols.iter().any(is_ours) {
        true => {
            "; functions of BareFlow's runtime are there in an image: bareflow build, then bareflow run --hosted"
        }
        false => "",
    }
}
