//! `bench engine`: the engine's promises, each measured beside what it is compared with.
//!
//! ```text
//!   crates/engine/bench/*.c --clang--> bitcode ---> bareflow-exec [--tier ...]  \
//!                           \-clang -O3 [-march=native]--> native program        > turns of some ms --> medians, ratios
//! ```
//!
//! All that is compared is compiled from the same source with the same clang, runs in the same minutes and takes turns, so
//! that what else the machine does meets all. Times are processor time of the measured thread wherever waiting for a
//! processor could count as slowness. A promise that is not kept makes the command fail, after all are measured.

mod compile_time;
mod interpreter;
mod main_loop;
mod overhead;
mod pauses;
mod player;
mod programs;
mod steady;
mod swaps;
mod table;
pub use table::{geometric_mean, median};

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::paths::Paths;
use programs::Programs;
use table::Table;

/// What is to be measured, and how.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Name of one bench; all without.
    pub which: Option<String>,
    /// Part of the kernels' names; all without.
    pub kernels: Option<String>,
    /// File for the figures as JSON.
    pub json: Option<PathBuf>,
}

type Bench = fn(&Paths, &Programs, &mut Table) -> Result<()>;

/// Name and function of each, in the order of the promises.
const BENCHES: &[(&str, Bench)] = &[
    ("interpreter", interpreter::bench),
    ("main-loop", main_loop::bench),
    ("steady", steady::bench),
    ("specialise", steady::specialisation),
    ("overhead", overhead::bench),
    ("pauses", pauses::bench),
    ("swaps", swaps::bench),
    ("compile-time", compile_time::bench),
];

/// Measures what was asked for, prints each table as it is ready and all promises at the end.
///
/// # Errors
/// A tool is missing, a program does not run, or a promise is not kept.
pub fn run(paths: &Paths, request: &Request) -> Result<()> {
    let names: Vec<&str> = BENCHES.iter().map(|b| b.0).collect();
    let wanted: Vec<_> = match &request.which {
        None => BENCHES.iter().collect(),
        Some(name) => BENCHES.iter().filter(|b| b.0 == name).collect(),
    };
    if wanted.is_empty() {
        bail!(
            "bench engine has no {:?}; there are: {}",
            request.which.as_deref().unwrap_or_default(),
            names.join(", ")
        );
    }
    if let Some(load) = load().filter(|l| *l > 0.5) {
        eprintln!(
            "the machine is busy (load {load:.1}): what depends on a second processor will look slow"
        );
    }
    let programs = Programs::new(paths, request.kernels.as_deref())?;
    let mut table = Table::default();
    for (name, bench) in wanted {
        // What cannot be measured is a promise not shown; the others are measured all the same.
        if let Err(error) = bench(paths, &programs, &mut table) {
            eprintln!("{name}: {error:#}");
            table.failed(name, &format!("{error:#}"));
        }
    }
    table.print();
    if let Some(file) = &request.json {
        std::fs::write(file, format!("{:#}\n", table.to_json()))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let broken = table.broken();
    ensure!(broken.is_empty(), "not as promised: {}", broken.join("; "));
    Ok(())
}

/// Processes that wanted a processor in the last minute, on average.
fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
