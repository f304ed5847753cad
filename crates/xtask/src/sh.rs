//! Child processes: said when verbose, explained when they fail.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// A `cargo` with a clean environment: what the calling cargo set is taken away.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).stdin(Stdio::null());
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
    ] {
        command.env_remove(name);
    }
    command
}

/// The command as a person would type it.
pub fn display(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Runs a command whose output goes to the terminal.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start: {}", display(command)))?;
    if !status.success() {
        bail!("{status}: {}", display(command));
    }
    Ok(())
}

/// Runs a command and gives back its standard output; its standard error is shown if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let done = command
        .output()
        .with_context(|| format!("cannot start: {}", display(command)))?;
    if !done.status.success() {
        let error = String::from_utf8_lossy(&done.stderr);
        bail!(
            "{}: {}\n{}",
            done.status,
            display(command),
            error.trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Says on standard error what is being done, and how long it took if that was noticeable.
pub fn step<T>(what: &str, quiet: bool, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    if !quiet {
        eprintln!("xtask: {what}");
    }
    let result = work().with_context(|| what.to_owned())?;
    let seconds = start.elapsed().as_secs_f64();
    if !quiet && seconds > 2.0 {
        eprintln!("xtask: {what}: {seconds:.0} s");
    }
    Ok(result)
}
