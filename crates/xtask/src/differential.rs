//! The whole corpus of programs in every way the engine runs them, beside machine code.
//!
//! The work is done by the engine's test `differential`, of which `cargo test` runs a part; its `--help` tells the options.

use anyhow::Result;

use crate::paths::Paths;
use crate::sh;

/// Runs it with these arguments; true if no program failed.
pub fn run(paths: &Paths, arguments: &[String]) -> Result<bool> {
    let mut command = sh::cargo(&paths.root);
    command.args([
        "test",
        "--locked",
        "--quiet",
        "--release",
        "-p",
        "engine",
        "--test",
        "differential",
    ]);
    command.args(["--", "--full"]).args(arguments);
    let status = command.status()?;
    Ok(status.success())
}
