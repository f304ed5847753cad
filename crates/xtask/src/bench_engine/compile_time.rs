//! How long functions of the llama guest take to compile, tier by tier.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bareflow::Artifacts;
use serde_json::Value;

use super::programs::Programs;
use super::table::{Bar, Table, median};
use crate::build;
use crate::golden;
use crate::paths::Paths;
use crate::sh;

/// Most milliseconds for one compile at O3.
const BAR_MS: f64 = 100.0;
/// Tiers of the report.
const TIERS: [&str; 4] = ["O0", "O1", "O2", "O3"];
/// Runs, of which each function's best counts. Where somebody else is busy on the same core, all compiles of a run take up to
/// 1.6 times as long, for seconds.
const RUNS: usize = 5;

/// Runs SmolLM2 hosted, and reads from the trace what each compile cost: of whole functions, and of their loops.
///
/// Times are processor time of the compiler's thread: on an idle machine they are what passes, on a busy one what would.
pub fn bench(paths: &Paths, programs: &Programs, table: &mut Table) -> Result<()> {
    build::all(paths, true)?;
    let trace = programs.scratch("llama.trace.json");
    let runs: Result<Vec<Value>> = (0..RUNS).map(|_| run(paths, &trace)).collect();
    let runs = runs?;
    println!(
        "\none compile for the llama guest, milliseconds of processor time, best of {RUNS} runs (most of all: the worst):\n\
         {:6} {:>10} {:>10} {:>10} {:>12}  slowest",
        "tier", "compiles", "median", "most", "most of all"
    );
    let mut optimised = 0;
    for tier in TIERS {
        let times: Result<Vec<_>> = runs.iter().map(|trace| times(trace, tier)).collect();
        let times = times?;
        let of_all = times.iter().flatten().map(|t| t.0).fold(0.0, f64::max);
        let best = best(&times);
        let Some((most, slowest)) = best.iter().max_by(|a, b| a.0.total_cmp(&b.0)) else {
            println!("{tier:6} {:10}", 0);
            continue;
        };
        let middle = median(&best.iter().map(|t| t.0).collect::<Vec<_>>());
        println!(
            "{tier:6} {:10} {middle:10.2} {most:10.2} {of_all:12.2}  {slowest}",
            best.len()
        );
        optimised += if tier == "O3" { best.len() } else { 0 };
        let what = format!("{tier}: median");
        table.add("compile-time", what, middle, "ms", Bar::None);
        let what = format!("{tier}: slowest compile");
        let bar = match tier {
            "O3" => Bar::Most(BAR_MS),
            _ => Bar::None,
        };
        table.add("compile-time", what, *most, "ms", bar);
    }
    ensure!(optimised > 0, "nothing was compiled at O3");
    Ok(())
}

/// The trace of a run that finds no code of an earlier one on its disk.
fn run(paths: &Paths, trace: &Path) -> Result<Value> {
    let image = golden::smollm2_image(paths)?;
    let mut runtime = Command::new(Artifacts::at(paths.artifacts()).path("runtime.elf")?);
    runtime.arg("--disk").arg(&image).arg("--trace").arg(trace);
    runtime.args([
        "--",
        "--prompt",
        "Once upon a time",
        "-n",
        "256",
        "--ignore-eos",
    ]);
    sh::output(&mut runtime).context("the runtime did not run with --trace")?;
    let text = std::fs::read_to_string(trace)
        .with_context(|| format!("cannot read {}", trace.display()))?;
    serde_json::from_str(&text).context("the trace is no JSON")
}

/// The least time of each function, of the runs it was compiled in; in a run the most counts, as for its loops.
fn best(runs: &[Vec<(f64, String)>]) -> Vec<(f64, &str)> {
    let mut best: HashMap<&str, f64> = HashMap::new();
    for run in runs {
        let mut most: HashMap<&str, f64> = HashMap::new();
        for (time, name) in run {
            let entry = most.entry(name).or_default();
            *entry = entry.max(*time);
        }
        for (name, time) in most {
            let entry = best.entry(name).or_insert(time);
            *entry = entry.min(time);
        }
    }
    best.into_iter().map(|(name, time)| (time, name)).collect()
}

/// Milliseconds of each compile that ended well at a tier, with the function's name.
fn times(trace: &Value, tier: &str) -> Result<Vec<(f64, String)>> {
    let events = trace["traceEvents"].as_array();
    let events = events.context("the trace has no list of events")?;
    let compiles = events.iter().filter(|e| {
        e["cat"] == "compile" && e["args"]["tier"] == tier && e["args"]["result"] == "published"
    });
    compiles
        .map(|e| {
            let name = e["args"]["function"].as_str().unwrap_or_default();
            let ns = e["args"]["cpu_ns"].as_f64();
            let ns = ns.with_context(|| format!("the compile of {name} has no cpu_ns"))?;
            Ok((ns / 1e6, name.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_of_the_compiles_of_the_tier_that_ended_well() {
        let compile = |name: &str, tier: &str, ns: u64, result: &str| {
            let args = json!({"function": name, "tier": tier, "cpu_ns": ns, "result": result});
            json!({"cat": "compile", "args": args})
        };
        let trace = json!({"traceEvents": [
            compile("f", "O1", 9_000_000, "published"),
            compile("f", "O3", 3_000_000, "published"),
            compile("g", "O3", 8_000_000, "failed"),
            {"cat": "swap", "args": {"function": "f", "tier": "O3"}},
        ]});
        assert_eq!(times(&trace, "O3").unwrap(), [(3.0, "f".to_owned())]);
        assert!(times(&json!({}), "O3").is_err());
        let bare = json!({"traceEvents": [{"cat": "compile", "args": {"tier": "O3", "result": "published"}}]});
        assert!(times(&bare, "O3").is_err());
    }

    #[test]
    fn the_best_run_of_each_function_counts_with_its_slowest_compile() {
        let run = |all: &[(f64, &str)]| all.iter().map(|(t, n)| (*t, (*n).to_owned())).collect();
        let runs: [Vec<_>; 2] = [
            run(&[(2.0, "f"), (5.0, "f"), (7.0, "g")]),
            run(&[(1.0, "f"), (6.0, "f"), (8.0, "h")]),
        ];
        let mut best = best(&runs);
        best.sort_by_key(|(_, name)| *name);
        assert_eq!(best, [(5.0, "f"), (7.0, "g"), (8.0, "h")]);
    }
}
