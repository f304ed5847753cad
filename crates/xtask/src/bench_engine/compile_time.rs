//! How long functions of the llama guest take to compile, tier by tier.

use std::process::Command;

use anyhow::{Context, Result};
use bareflow::Artifacts;
use serde_json::Value;

use super::programs::Programs;
use super::table::{Bar, Table, median};
use crate::build;
use crate::golden;
use crate::paths::Paths;
use crate::sh;

/// Most milliseconds for a function at O3.
const BAR_MS: f64 = 100.0;
/// Tiers of the report.
const TIERS: [&str; 4] = ["O0", "O1", "O2", "O3"];

/// Runs SmolLM2 hosted, and reads what each function cost.
pub fn bench(paths: &Paths, programs: &Programs, table: &mut Table) -> Result<()> {
    build::all(paths, true)?;
    let image = golden::smollm2_image(paths)?;
    let report = programs.scratch("llama.json");
    let mut runtime = Command::new(Artifacts::at(paths.artifacts()).path("runtime.elf")?);
    runtime
        .arg("--disk")
        .arg(&image)
        .arg("--report-json")
        .arg(&report);
    runtime.args([
        "--",
        "--prompt",
        "Once upon a time",
        "-n",
        "128",
        "--ignore-eos",
    ]);
    sh::output(&mut runtime).context("the runtime did not run with --report-json")?;
    let text = std::fs::read_to_string(&report)
        .with_context(|| format!("cannot read {}", report.display()))?;
    let json: Value = serde_json::from_str(&text).context("the report is no JSON")?;
    println!(
        "\ncompile time for a function of the llama guest, milliseconds:\n{:6} {:>10} {:>10} {:>10}  slowest",
        "tier", "functions", "median", "most"
    );
    for tier in TIERS {
        let times = times(&json, tier)?;
        let Some((most, slowest)) = times.iter().max_by(|a, b| a.0.total_cmp(&b.0)) else {
            println!("{tier:6} {:10}", 0);
            continue;
        };
        let middle = median(&times.iter().map(|t| t.0).collect::<Vec<_>>());
        println!(
            "{tier:6} {:10} {middle:10.2} {most:10.2}  {slowest}",
            times.len()
        );
        let bar = if tier == "O3" {
            Bar::Most(BAR_MS)
        } else {
            Bar::None
        };
        table.add(
            "compile-time",
            format!("{tier}: median"),
            middle,
            "ms",
            Bar::None,
        );
        table.add(
            "compile-time",
            format!("{tier}: slowest function"),
            *most,
            "ms",
            bar,
        );
    }
    Ok(())
}

/// Milliseconds for one compile of each function at a tier, with its name.
fn times(report: &Value, tier: &str) -> Result<Vec<(f64, String)>> {
    let functions = report["functions"].as_array();
    let functions = functions.context("the report has no list of functions")?;
    let mut times = Vec::new();
    for function in functions {
        let name = function["name"].as_str().unwrap_or_default();
        for of in function["tiers"].as_array().into_iter().flatten() {
            let compiles = of["compiles"].as_f64().unwrap_or(0.0);
            if of["tier"] == tier && compiles > 0.0 {
                let ns = of["compile_ns"].as_f64();
                let ns = ns.with_context(|| format!("{name} has no compile_ns"))?;
                times.push((ns / compiles / 1e6, name.to_owned()));
            }
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_time_is_for_one_compile_of_the_tier() {
        let report = json!({"functions": [
            {"name": "f", "tiers": [
                {"tier": "O1", "compiles": 1, "compile_ns": 9_000_000},
                {"tier": "O3", "compiles": 2, "compile_ns": 6_000_000}]},
            {"name": "g", "tiers": [{"tier": "O3", "compiles": 0, "compile_ns": 0}]},
            {"name": "h"}]});
        assert_eq!(times(&report, "O3").unwrap(), [(3.0, "f".to_owned())]);
        assert!(times(&json!({}), "O3").is_err());
    }
}
