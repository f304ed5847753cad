//! `bench runtime`: what a call of the runtime and a pass through a region cost compiled code, hosted.

use std::collections::HashMap;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::machines::bareflow;
use crate::paths::Paths;
use crate::sh;

/// Most cycles of a call of the runtime beyond those of a call of a function of the program that does the same.
const CALL_BAR: f64 = 2.0;
/// Most cycles of a pass through a region of the program's own, its begin and its end, the loop around it included.
const REGION_BAR: f64 = 25.0;
/// Runs, of which the medians count.
const RUNS: usize = 5;

/// Cycles of a round by the loop's name.
fn measure(paths: &Paths, image: &std::path::Path) -> Result<HashMap<String, f64>> {
    let mut run = bareflow(paths)?;
    run.arg("run").arg(image).args(["--hosted", "--cpus", "1"]);
    let done = run.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&done.stdout);
    ensure!(
        done.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let mut cycles = HashMap::new();
    for line in text.lines() {
        let (name, figure) = line.split_once(' ').context("a line without a figure")?;
        cycles.insert(name.to_owned(), figure.parse()?);
    }
    Ok(cycles)
}

/// Measures and judges.
pub fn bench(paths: &Paths) -> Result<()> {
    let image = paths.scratch("images")?.join("bench-runtime.img");
    let source = paths.root.join("crates/xtask/src/bench_runtime/calls.c");
    let mut build = bareflow(paths)?;
    build.arg("build").arg(source).args(["--store", "0", "-o"]);
    sh::output(build.arg(&image))?;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(measure(paths, &image)?);
    }
    let median = |more: &dyn Fn(&HashMap<String, f64>) -> Option<f64>| {
        let mut all: Vec<f64> = runs.iter().filter_map(more).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    };
    let of = |name: &'static str| median(&|run| run.get(name).copied());
    let beyond = |name: &'static str, base: &'static str| {
        median(&|run| Some(run.get(name)? - run.get(base)?))
    };
    let why = "the bench did not measure it";
    let call = beyond("runtime", "direct").context(why)?;
    println!(
        "a call of the runtime: {:.2} cycles, of the program's own function {:.2}, of an empty round {:.2}: {call:.2} more (bar {CALL_BAR})",
        of("runtime").context(why)?,
        of("direct").context(why)?,
        of("empty").context(why)?,
    );
    let region = of("region").context(why)?;
    println!(
        "a pass through a short region: {region:.1} cycles, two readings of the time-stamp counter alone {:.1} (bar {REGION_BAR})",
        of("clock").context(why)?,
    );
    ensure!(call <= CALL_BAR, "a call costs {call:.2} cycles more");
    ensure!(
        region <= REGION_BAR,
        "a pass through a region costs {region:.1} cycles"
    );
    println!("runtime: as promised");
    Ok(())
}
