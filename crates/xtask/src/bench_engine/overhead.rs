//! What counting and profiling cost: the same runs with `--no-profile`.

use anyhow::Result;

use super::player::{Player, rounds};
use super::programs::{Build, Programs};
use super::table::{Bar, Table, geometric_mean, median};
use crate::paths::Paths;

/// A tier that code stays in, the options for it, and most percent that profiling may cost there.
///
/// Programs climb by heat as they always do, but no further: a forced tier would be made without the counters that climbing
/// needs. Nothing is specialised: what profiling gains is another figure.
const MODES: &[(&str, &[&str], f64)] = &[
    ("steady state", &["--no-specialise"], 1.0),
    (
        "O1",
        &[
            "--thresholds=1,9,9999999999999,9999999999999",
            "--loop-thresholds=1,9,9999999999999,9999999999999",
            "--no-osr",
        ],
        5.0,
    ),
    (
        "O2",
        &[
            "--thresholds=1,9,99,9999999999999",
            "--loop-thresholds=1,9,99,9999999999999",
            "--no-osr",
            "--no-specialise",
        ],
        5.0,
    ),
];
/// With 28 kernels in three modes, twice each: all of it takes some minutes.
const ROUNDS: usize = 15;
const TURN_MS: u64 = 20;
/// Least each warms up, and most, in milliseconds.
const WARM_MS: (u64, u64) = (800, 2500);

/// All kernels in each mode.
pub fn bench(_: &Paths, programs: &Programs, table: &mut Table) -> Result<()> {
    println!(
        "\ncost of profiling and counters, percent of time, medians of {ROUNDS} pairs of turns of {TURN_MS} ms:\n{:14} {:>12} {:>12} {:>12}",
        "kernel", MODES[0].0, MODES[1].0, MODES[2].0
    );
    let mut all: [Vec<f64>; MODES.len()] = Default::default();
    for name in programs.names("steady")? {
        let bitcode = programs.make(&format!("steady/{name}"), Build::Bitcode)?;
        print!("{name:14}");
        for (mode, ratios) in MODES.iter().zip(&mut all) {
            let mut pair = [
                Player::start(programs.exec(&bitcode, mode.1))?,
                Player::start(programs.exec(&bitcode, &[mode.1, &["--no-profile"]].concat()))?,
            ];
            match measure(&mut pair) {
                Ok(ratio) => {
                    print!(" {:12.2}", (ratio - 1.0) * 100.0);
                    let what = format!("{name}: profiling in {}", mode.0);
                    table.add("overhead", what, (ratio - 1.0) * 100.0, "%", Bar::None);
                    ratios.push(ratio);
                }
                Err(error) => {
                    print!(" {:>12}", "failed");
                    table.failed("overhead", &format!("{name}, {}: {error:#}", mode.0));
                }
            }
        }
        println!();
    }
    for (mode, ratios) in MODES.iter().zip(&all) {
        // Code made with a profile differs, for better or worse: the median is not moved by the few kernels it matters to.
        let percent = |ratio: f64| (ratio - 1.0) * 100.0;
        let what = format!(
            "profiling in {}, median of {} kernels",
            mode.0,
            ratios.len()
        );
        table.add(
            "overhead",
            what,
            percent(median(ratios)),
            "%",
            Bar::Most(mode.2),
        );
        let what = format!("profiling in {}, geometric mean", mode.0);
        table.add(
            "overhead",
            what,
            percent(geometric_mean(ratios)),
            "%",
            Bar::Most(mode.2),
        );
    }
    Ok(())
}

/// Time with profiling over time without: the median over neighbouring turns.
fn measure(pair: &mut [Player; 2]) -> Result<f64> {
    for player in pair.iter_mut() {
        player.warm_up(WARM_MS.0, WARM_MS.1)?;
    }
    rounds(pair, ROUNDS, TURN_MS)?;
    let ratios: Vec<f64> = pair[0]
        .times()
        .iter()
        .zip(pair[1].times())
        .map(|(a, b)| a / b)
        .collect();
    Ok(median(&ratios))
}
