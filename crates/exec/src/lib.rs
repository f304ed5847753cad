//! Runs one program under the engine as a Linux process, as `lli` does.
//!
//! ```text
//!  .c .cpp --clang--\
//!  .bc .ll ----------+--> one module --check: main, symbols--> engine --> constructors, main(argc, argv, envp), exit
//!  -l LIBRARY, libc, libm --dlsym--/                                          \--> report and trace
//! ```
//!
//! The program shares this process with the engine: its standard input and output, its working directory, its signals and
//! its exit code are the process's own. What it does not define is looked up in the C library this process runs with.

#![deny(unsafe_code)]

mod cli;
mod compiler;
mod error;
mod host;
mod jit;
mod process;
mod program;
mod session;
mod symbols;

use cli::Options;
use error::Error;
use session::Session;
use std::convert::Infallible;

/// Exit code of a program that cannot be run: the same as that of the runtime.
const EXIT_REFUSED: i32 = 63;

/// Runs the program that the process's arguments name. Comes back only with the exit code of a program that did not start.
pub fn start() -> i32 {
    match run(&cli::parse()) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("bareflow exec: {error}");
            EXIT_REFUSED
        }
    }
}

/// Address of what the program may use without defining it.
fn offered(name: &str) -> Option<usize> {
    symbols::resolve(name).or_else(|| engine::tier::service(name))
}

fn run(options: &Options) -> Result<Infallible, Error> {
    let config = options.engine.config()?;
    let outputs = options.engine.outputs()?;
    symbols::open_libraries(&options.libraries, program::needs_cpp(&options.files))?;
    let session = {
        let context = llvm::Context::new();
        let mut module = program::load(&context, options)?;
        let plan = program::check(&mut module, &offered)?;
        process::without_signals(|| Session::start(&mut module, &plan, config, outputs))?
    };
    process::hand_over(session, options.arguments())
}
