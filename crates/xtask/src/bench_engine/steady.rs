//! Steady state: warm code of the engine beside what clang makes ahead of time.

use anyhow::Result;

use super::player::{Player, rounds};
use super::programs::{Build, Programs};
use super::table::{Bar, Table, geometric_mean};
use crate::paths::Paths;
use std::process::Command;

/// Least geometric mean of speed against `clang -O3 -march=native`.
const NATIVE_BAR: f64 = 1.0;
/// Least geometric mean of speed against `clang -O3` for baseline x86-64, on the kernels that vectorise.
const BASELINE_BAR: f64 = 2.0;
/// Kernels whose loops clang vectorises.
const VECTORISE: &[&str] = &[
    "bitset",
    "blur",
    "dot_i8",
    "hash_lanes",
    "matmul_f32",
    "quantise",
    "saxpy",
    "stencil",
];
/// Kernels that specialisation is for.
const SPECIALISE: &[&str] = &["matmul_shape", "qsort", "quicksort", "small_copies"];
/// Least the engine warms up, and most, in milliseconds.
pub const WARM_MS: (u64, u64) = (1500, 6000);
const ROUNDS: usize = 12;
const TURN_MS: u64 = 40;

/// All kernels: engine, native, baseline.
pub fn bench(_: &Paths, programs: &Programs, table: &mut Table) -> Result<()> {
    println!(
        "\nsteady state, microseconds for a unit of work, medians of {ROUNDS} turns of {TURN_MS} ms:\n{:14} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "kernel", "engine", "-O3 native", "-O3 base", "x native", "x base"
    );
    let (mut native, mut baseline) = (Vec::new(), Vec::new());
    for name in programs.names("steady")? {
        let source = format!("steady/{name}");
        let mut players = vec![
            Player::start(programs.exec(&programs.make(&source, Build::Bitcode)?, &[]))?,
            Player::start(Command::new(programs.make(&source, Build::Native)?))?,
            Player::start(Command::new(programs.make(&source, Build::Baseline)?))?,
        ];
        if let Err(error) = measure(&mut players) {
            println!("{name:14} {error:#}");
            table.failed("steady", &format!("{name}: {error:#}"));
            continue;
        }
        let [ours, fast, plain] = [0, 1, 2].map(|i| players[i].time());
        println!(
            "{name:14} {:10.2} {:10.2} {:10.2} {:10.2} {:10.2}{}",
            ours / 1e3,
            fast / 1e3,
            plain / 1e3,
            fast / ours,
            plain / ours,
            if VECTORISE.contains(&name.as_str()) {
                "  vectorises"
            } else {
                ""
            }
        );
        table.add(
            "steady",
            format!("{name}: speed against clang -O3 -march=native"),
            fast / ours,
            "",
            Bar::None,
        );
        native.push(fast / ours);
        if VECTORISE.contains(&name.as_str()) {
            table.add(
                "steady",
                format!("{name}: speed against clang -O3"),
                plain / ours,
                "",
                Bar::None,
            );
            baseline.push(plain / ours);
        }
    }
    let what = format!(
        "speed against clang -O3 -march=native, {} kernels",
        native.len()
    );
    table.add(
        "steady",
        what,
        geometric_mean(&native),
        "",
        Bar::Least(NATIVE_BAR),
    );
    if !baseline.is_empty() {
        let what = format!(
            "speed against clang -O3, the {} that vectorise",
            baseline.len()
        );
        table.add(
            "steady",
            what,
            geometric_mean(&baseline),
            "",
            Bar::Least(BASELINE_BAR),
        );
    }
    Ok(())
}

/// What specialisation brings: with, without, native.
pub fn specialisation(_: &Paths, programs: &Programs, table: &mut Table) -> Result<()> {
    println!(
        "\nspecialisation, microseconds for a unit of work:\n{:14} {:>10} {:>10} {:>10} {:>12} {:>10}",
        "kernel", "with", "without", "-O3 native", "x without", "x native"
    );
    let names = programs.names("steady")?;
    for name in names.iter().filter(|n| SPECIALISE.contains(&n.as_str())) {
        let source = format!("steady/{name}");
        let bitcode = programs.make(&source, Build::Bitcode)?;
        let mut players = vec![
            Player::start(programs.exec(&bitcode, &[]))?,
            Player::start(Command::new(programs.make(&source, Build::Native)?))?,
            Player::start(programs.exec(&bitcode, &["--no-specialise"]))?,
        ];
        players[2].warm_up(WARM_MS.0, WARM_MS.1)?;
        measure(&mut players)?;
        let [with, native, without] = [0, 1, 2].map(|i| players[i].time());
        println!(
            "{name:14} {:10.2} {:10.2} {:10.2} {:12.2} {:10.2}",
            with / 1e3,
            without / 1e3,
            native / 1e3,
            without / with,
            native / with
        );
        // It must pay: the figure has no bar of its own beyond being a gain.
        table.add(
            "specialise",
            format!("{name}: speed with, against without"),
            without / with,
            "",
            Bar::Least(1.0),
        );
    }
    Ok(())
}

/// The first player is the engine, which has to warm up.
fn measure(players: &mut [Player]) -> Result<()> {
    for (i, player) in players.iter_mut().enumerate() {
        let (least, most) = if i == 0 { WARM_MS } else { (20, 20) };
        player.warm_up(least, most)?;
    }
    rounds(players, ROUNDS, TURN_MS)
}
