//! Every test of the repository, in suites that can be chosen by a part of their name.
//!
//! | suite | what it tests |
//! |---|---|
//! | `units` | crates that need no LLVM: formats, volumes, models, tokenizers, the host command |
//! | `engine` | LLVM wrapper, engine, runtime, `bareflow exec` |
//! | `libc/...` | the guest's C library beside this system's, see `libc_test.rs` |
//! | `hosted/...` | guest programs as Linux processes, see `guests.rs` |
//! | `native/...` | exported programs as Linux processes, see `native_test.rs` |
//! | `machine/...` | images booted in QEMU, see `machines.rs` |
//! | `golden/...` | language models against golden files, hosted and booted, see `golden.rs` |
//! | `shrink/...` | the runtime laid out anew in every way, see `shrink_test.rs` |
//! | `sqlite/...` | SQLite beside its Linux build, see `sqlite_test.rs` |
//! | `warm/...` | what is remembered from one run of a disk to the next, see `warm.rs` |
//!
//! The last line is `N passed, N failed`, over everything that ran.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::cargo_test::counted;
use crate::golden;
use crate::guide_test;
use crate::libc_test;
use crate::machines;
use crate::native_test;
use crate::paths::Paths;
use crate::sh;
use crate::shrink_test;
use crate::sqlite_test;
use crate::warm;

/// How many tests passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed, and suites that did not even start.
    pub failed: u64,
}

impl Counts {
    /// Adds another suite.
    pub fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Runs a test without a note, says how it ended and counts it.
    pub fn run(&mut self, name: &str, test: impl FnOnce() -> Result<()>) {
        self.run_noted(name, || test().map(|()| String::new()));
    }

    /// Runs a test, says how it ended, with its note, and counts it.
    pub fn run_noted(&mut self, name: &str, test: impl FnOnce() -> Result<String>) {
        let start = Instant::now();
        let result = test();
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(note) => {
                self.passed += 1;
                let space = if note.is_empty() { "" } else { " " };
                println!("test {name} ... ok ({seconds:.1} s){space}{note}");
            }
            Err(error) => {
                self.failed += 1;
                println!("test {name} ... FAILED ({seconds:.1} s)\n  {error:#}");
            }
        }
    }
}

/// Crates with a suite or flags of their own: not among the units.
const NOT_UNITS: [&str; 6] = [
    "kernel",
    "llvm",
    "engine",
    "engine-options",
    "exec",
    "runtime",
];
/// Crates that are linked with LLVM.
const ENGINE: [&str; 5] = ["llvm", "engine", "engine-options", "exec", "runtime"];

/// A suite: its name, and what runs it.
type Suite<'a> = (&'static str, Box<dyn Fn() -> Result<Counts> + 'a>);

/// Runs the suites whose name contains `filter`; true if nothing failed.
pub fn all(paths: &Paths, filter: Option<&str>) -> Result<bool> {
    let named = filter.filter(|f| f.contains('/'));
    let suites: Vec<Suite> = vec![
        ("units", Box::new(|| units(paths, named))),
        ("engine", Box::new(|| engine(paths, named))),
        ("libc", Box::new(|| libc_test::suite(paths, named))),
        ("guide", Box::new(|| guide_test::suite(paths, named))),
        ("hosted", Box::new(|| machines::hosted_suite(paths, named))),
        (
            "native",
            Box::new(|| native_test::hosted_suite(paths, named)),
        ),
        ("machine", Box::new(|| machines::suite(paths, named))),
        ("golden", Box::new(|| golden::suite(paths, named))),
        ("shrink", Box::new(|| shrink_test::suite(paths, named))),
        ("sqlite", Box::new(|| sqlite_test::suite(paths, named))),
        ("warm", Box::new(|| warm::suite(paths, named))),
    ];
    let mut total = Counts::default();
    for (name, suite) in suites {
        // `machine/boot/uefi` names tests inside the suite `machine`.
        let wanted = |f: &str| name.contains(f) || f.starts_with(&format!("{name}/"));
        if filter.is_some_and(|f| !wanted(f)) {
            continue;
        }
        println!("=== {name}");
        let start = Instant::now();
        let counts = suite().unwrap_or_else(|error| {
            println!("{name} could not run: {error:#}");
            Counts {
                passed: 0,
                failed: 1,
            }
        });
        let seconds = start.elapsed().as_secs();
        println!(
            "=== {name}: {} passed, {} failed in {seconds} s",
            counts.passed, counts.failed
        );
        total.add(counts);
    }
    if total == Counts::default() {
        bail!("no test has {:?} in its name", filter.unwrap_or_default());
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(total.failed == 0)
}

/// `cargo test` for the members of the workspace that need nothing special.
fn units(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let mut command = sh::cargo(&paths.root);
    command.args(["test", "--locked", "--no-fail-fast", "--workspace"]);
    for package in NOT_UNITS {
        command.args(["--exclude", package]);
    }
    counted(named(&mut command, filter))
}

/// `cargo test` for some packages.
fn engine(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let mut command = sh::cargo(&paths.root);
    command.args(["test", "--locked", "--no-fail-fast"]);
    for package in ENGINE {
        command.args(["-p", package]);
    }
    counted(named(&mut command, filter))
}

/// Of `cargo test` only what is named behind the suite: `engine/NAME`.
fn named<'c>(command: &'c mut Command, filter: Option<&str>) -> &'c mut Command {
    if let Some((_, name)) = filter.and_then(|f| f.split_once('/')) {
        command.args(["--", name]);
    }
    command
}
