//! How long a program stands still while its functions are compiled.

use anyhow::{Context, Result};
use serde_json::Value;

use super::programs::{Build, Programs};
use super::table::{Bar, Table};
use crate::paths::Paths;
use crate::sh;
use std::process::Command;

/// Most milliseconds.
const BAR_MS: f64 = 1.0;
const RUN_MS: &str = "3000";
const ROUNDS: usize = 3;

/// The engine's own longest pauses, from its trace, and what the program notices.
pub fn bench(_: &Paths, programs: &Programs, table: &mut Table) -> Result<()> {
    let bitcode = programs.make("pause", Build::Bitcode)?;
    let native = programs.make("pause", Build::Native)?;
    let trace = programs.scratch("pause.trace.json");
    let option = format!("--trace={}", trace.display());
    let (mut traced, mut others) = (0.0_f64, 0.0_f64);
    let (mut noticed, mut without) = (0.0_f64, 0.0_f64);
    let mut compiles = 0;
    for _ in 0..ROUNDS {
        let ours = gap_ms(programs.exec(&bitcode, &[&option, "--", RUN_MS]))?;
        let mut plain = Command::new(&native);
        plain.arg(RUN_MS);
        noticed = noticed.max(ours);
        without = without.max(gap_ms(plain)?);
        let text = std::fs::read_to_string(&trace)
            .with_context(|| format!("cannot read {}", trace.display()))?;
        let json: Value = serde_json::from_str(&text).context("the trace is no JSON")?;
        let events = json["traceEvents"]
            .as_array()
            .context("no traceEvents in the trace")?;
        let named = |word: &str| {
            let word = word.to_owned();
            events.iter().filter(move |e| {
                let name = e["name"].as_str().unwrap_or_default();
                let kind = e["cat"].as_str().unwrap_or_default();
                name.starts_with(&word) || kind == word
            })
        };
        compiles += named("compile").count();
        for event in named("pause") {
            let ms = event["dur"].as_f64().context("a pause without end")? / 1e3;
            match event["args"]["waited_for"].as_str() {
                Some("compile") => traced = traced.max(ms),
                _ => others = others.max(ms),
            }
        }
    }
    println!(
        "\npauses of the program's thread, longest in {ROUNDS} runs with {compiles} compiles: by the trace {traced:.3} ms for \
         code, {others:.3} ms for a function's decoded form; seen by the program {noticed:.3} ms, natively {without:.3} ms"
    );
    table.add(
        "pauses",
        "longest pause for a compile, by the trace",
        traced,
        "ms",
        Bar::Most(BAR_MS),
    );
    table.add(
        "pauses",
        "longest pause for a function's decoded form, by the trace",
        others,
        "ms",
        Bar::None,
    );
    table.add(
        "pauses",
        "longest gap the program notices",
        noticed,
        "ms",
        Bar::Most(BAR_MS),
    );
    table.add(
        "pauses",
        "longest gap of the native program",
        without,
        "ms",
        Bar::None,
    );
    Ok(())
}

/// Runs `pause.c`: the longest gap in milliseconds.
fn gap_ms(mut command: Command) -> Result<f64> {
    let text = sh::output(&mut command)?;
    let first = text.split_whitespace().next().unwrap_or_default();
    let ns: f64 = first
        .parse()
        .with_context(|| format!("{text:?} is no line of pause.c"))?;
    Ok(ns / 1e6)
}
