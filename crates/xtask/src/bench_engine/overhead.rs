//! What counting and profiling cost: beside runs without.
//!
//! ```text
//!   steady state   the program as it runs by default      beside the same with `--no-profile`: O3 counts nothing in any case
//!   O1, O2         programs that climb so far and stay    beside code forced to that tier with `--no-profile`, which has no
//!                                                          counter of calls and asks in no loop whether better code is there
//! ```

use anyhow::Result;

use super::player::{Player, rounds};
use super::programs::{Build, Programs};
use super::table::{Bar, Table, geometric_mean, median};
use crate::paths::Paths;

/// A tier that code stays in, and how it is measured.
struct Mode {
    name: &'static str,
    /// Programs climb by heat as they do by default, but no further: a forced tier is made without what climbing needs.
    /// Nothing is specialised: what profiling gains is another figure.
    with: &'static [&'static str],
    /// The same without profiling and counters.
    without: &'static [&'static str],
    /// Most percent that they may cost.
    bar: f64,
}

const MODES: [Mode; 3] = [
    Mode {
        name: "steady state",
        with: &["--no-specialise"],
        without: &["--no-specialise", "--no-profile"],
        bar: 1.0,
    },
    Mode {
        name: "O1",
        with: &[
            "--thresholds=10,100,9999999999999,9999999999999",
            "--loop-thresholds=1000,10000,9999999999999,9999999999999",
            "--no-osr",
            "--no-specialise",
        ],
        without: &["--tier=O1", "--no-profile", "--no-specialise"],
        bar: 5.0,
    },
    Mode {
        name: "O2",
        with: &[
            "--thresholds=10,100,1000,9999999999999",
            "--loop-thresholds=1000,10000,100000,9999999999999",
            "--no-osr",
            "--no-specialise",
        ],
        without: &["--tier=O2", "--no-profile", "--no-specialise"],
        bar: 5.0,
    },
];
/// With 28 kernels in three modes, twice each: all of it takes some minutes.
const ROUNDS: usize = 16;
const TURN_MS: u64 = 20;
/// Least each warms up, and most, in milliseconds.
const WARM_MS: (u64, u64) = (800, 2500);

/// All kernels in each mode.
pub fn bench(_: &Paths, programs: &Programs, table: &mut Table) -> Result<()> {
    println!(
        "\ncost of profiling and counters, percent of time, medians of {ROUNDS} pairs of turns of {TURN_MS} ms:\n{:14} {:>12} {:>12} {:>12}",
        "kernel", MODES[0].name, MODES[1].name, MODES[2].name
    );
    let mut all: [Vec<f64>; MODES.len()] = Default::default();
    for name in programs.names("steady")? {
        let bitcode = programs.make(&format!("steady/{name}"), Build::Bitcode)?;
        print!("{name:14}");
        for (mode, ratios) in MODES.iter().zip(&mut all) {
            let mut pair = [
                Player::start(programs.exec(&bitcode, mode.with))?,
                Player::start(programs.exec(&bitcode, mode.without))?,
            ];
            match measure(&mut pair) {
                Ok(ratio) => {
                    print!(" {:12.2}", (ratio - 1.0) * 100.0);
                    let what = format!("{name}: profiling in {}", mode.name);
                    table.add("overhead", what, (ratio - 1.0) * 100.0, "%", Bar::None);
                    ratios.push(ratio);
                }
                Err(error) => {
                    print!(" {:>12}", "failed");
                    table.failed("overhead", &format!("{name}, {}: {error:#}", mode.name));
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
            mode.name,
            ratios.len()
        );
        table.add(
            "overhead",
            what,
            percent(median(ratios)),
            "%",
            Bar::Most(mode.bar),
        );
        let what = format!("profiling in {}, geometric mean", mode.name);
        table.add(
            "overhead",
            what,
            percent(geometric_mean(ratios)),
            "%",
            Bar::Most(mode.bar),
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
