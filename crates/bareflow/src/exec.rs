//! `bareflow exec`: one program under the engine, as a Linux process; this process becomes it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::cli::ExecArgs;
use crate::{Artifacts, Error};

/// The artefact that does the work: this command is not linked with LLVM.
const PROGRAM: &str = "bareflow-exec";

/// Replaces this process, so that input and output, signals and exit code are the program's own.
///
/// # Errors
/// The artefact has not been built, or does not start. Otherwise there is no way back.
pub fn exec(args: &ExecArgs, artifacts: &Artifacts) -> Result<u8, Error> {
    let program = artifacts.path(PROGRAM)?;
    let error = Command::new(&program).args(&args.arguments).exec();
    Err(Error::io("start", program, error))
}
