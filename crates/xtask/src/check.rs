//! Formatting, lints and licences: what `./x check` says yes or no to.

use anyhow::Result;

use crate::build::{self, TARGET};
use crate::licences;
use crate::paths::Paths;
use crate::sh::{cargo, run, step};

/// Packages that only make sense with the kernel's flags.
const KERNEL: [&str; 1] = ["kernel"];

/// Runs all checks; the first that fails ends it.
pub fn all(paths: &Paths) -> Result<()> {
    step("rustfmt", false, || {
        run(cargo(&paths.root).args(["fmt", "--all", "--check"]))
    })?;
    step("licences", false, || licences::check(paths))?;
    step("clippy, host", false, || {
        let mut command = cargo(&paths.root);
        command.args(["clippy", "--quiet", "--workspace", "--all-targets"]);
        for package in KERNEL {
            command.args(["--exclude", package]);
        }
        run(command.args(["--", "-D", "warnings"]))
    })?;
    step("clippy, kernel", false, || {
        let mut command = cargo(&paths.root);
        command
            .args([
                "clippy",
                "--quiet",
                "--release",
                "-p",
                "kernel",
                "--target",
                TARGET,
            ])
            .arg("--target-dir")
            .arg(paths.separate_target("kernel"))
            .env("RUSTFLAGS", build::KERNEL_FLAGS);
        run(command.args(["--", "-D", "warnings"]))
    })?;
    println!("check: all good");
    Ok(())
}
