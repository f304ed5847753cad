//! What counting and profiling cost: the same runs with `--no-profile`.

use anyhow::Result;

use super::player::{Player, rounds};
use super::programs::{Build, Programs};
use super::steady::WARM_MS;
use super::table::{Bar, Table, geometric_mean, median};
use crate::paths::Paths;

/// Option, name, and most percent that it may cost.
const MODES: &[(&str, &str, f64)] = &[
    ("--tier=auto", "steady state", 1.0),
    ("--tier=O1", "O1", 5.0),
    ("--tier=O2", "O2", 5.0),
];
const ROUNDS: usize = 21;
const TURN_MS: u64 = 30;

/// All kernels in each mode.
pub fn bench(_: &Paths, programs: &Programs, table: &mut Table) -> Result<()> {
    println!(
        "\ncost of profiling and counters, percent of time, medians of {ROUNDS} pairs of turns of {TURN_MS} ms:\n{:14} {:>12} {:>12} {:>12}",
        "kernel", MODES[0].1, MODES[1].1, MODES[2].1
    );
    let mut all: [Vec<f64>; MODES.len()] = Default::default();
    for name in programs.names("steady")? {
        let bitcode = programs.make(&format!("steady/{name}"), Build::Bitcode)?;
        print!("{name:14}");
        for (mode, ratios) in MODES.iter().zip(&mut all) {
            let mut pair = [
                Player::start(programs.exec(&bitcode, &[mode.0]))?,
                Player::start(programs.exec(&bitcode, &[mode.0, "--no-profile"]))?,
            ];
            match measure(&mut pair, mode.0) {
                Ok(ratio) => {
                    print!(" {:12.2}", (ratio - 1.0) * 100.0);
                    let what = format!("{name}: profiling in {}", mode.1);
                    table.add("overhead", what, (ratio - 1.0) * 100.0, "%", Bar::None);
                    ratios.push(ratio);
                }
                Err(error) => {
                    print!(" {:>12}", "failed");
                    table.failed("overhead", &format!("{name}, {}: {error:#}", mode.1));
                }
            }
        }
        println!();
    }
    for (mode, ratios) in MODES.iter().zip(&all) {
        let what = format!("profiling in {}, {} kernels", mode.1, ratios.len());
        let percent = (geometric_mean(ratios) - 1.0) * 100.0;
        table.add("overhead", what, percent, "%", Bar::Most(mode.2));
    }
    Ok(())
}

/// Time with profiling over time without: the median over neighbouring turns.
fn measure(pair: &mut [Player; 2], mode: &str) -> Result<f64> {
    let (least, most) = if mode == "--tier=auto" {
        WARM_MS
    } else {
        (200, 1000)
    };
    for player in pair.iter_mut() {
        player.warm_up(least, most)?;
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
