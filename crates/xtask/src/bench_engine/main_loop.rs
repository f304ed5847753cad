//! Programs whose main is one long loop: how soon on-stack replacement makes them fast.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use super::programs::{Build, Programs};
use super::table::{Bar, Table, median};
use crate::paths::Paths;
use crate::sh;
use std::process::Command;

/// Least share of the speed of `clang -O2 -march=native` from the first second on.
const BAR: f64 = 0.9;
/// `SLICE_NS` of `progress.h`.
const SLICE_MS: u64 = 25;
const RUN_MS: u64 = 2000;
const ROUNDS: usize = 5;

/// Units of work and the processor time they took, for each slice of time since the program was started.
type Slices = Vec<(u64, f64, f64)>;

/// Every main.
pub fn bench(_: &Paths, programs: &Programs, table: &mut Table) -> Result<()> {
    println!(
        "\nmain is one loop: speed against clang -O2 -march=native, medians of {ROUNDS} runs in turns:\n{:14} {:>14} {:>12} {:>12} {:>12} {:>16}",
        "program", "at 250 ms", "at 500 ms", "at 1 s", "1 to 2 s", "90 % after ms"
    );
    let mut worst = f64::MAX;
    for name in programs.names("mains")? {
        let source = format!("mains/{name}");
        let bitcode = programs.make(&source, Build::Bitcode)?;
        let native = programs.make(&source, Build::NativeO2)?;
        let mut runs: Vec<[f64; 5]> = Vec::new();
        for _ in 0..ROUNDS {
            let mut command = programs.exec(&bitcode, &["--"]);
            let ours = slices(&mut command)?;
            let theirs = slices(&mut Command::new(&native))?;
            let full = speed(&theirs, 500, RUN_MS);
            let ratio = |from, to| speed(&ours, from, to) / full;
            let reached = (0..RUN_MS / SLICE_MS).map(|i| i * SLICE_MS).find(|at| {
                // Once there, it stays: one slice more would not do.
                ratio(*at, at + 4 * SLICE_MS) >= BAR
            });
            runs.push([
                ratio(250, 300),
                ratio(500, 550),
                ratio(1000, 1100),
                ratio(1000, RUN_MS),
                reached.map_or(f64::INFINITY, |ms| ms as f64),
            ]);
        }
        let [early, half, second, after, reached] =
            [0, 1, 2, 3, 4].map(|i| median(&runs.iter().map(|r| r[i]).collect::<Vec<_>>()));
        println!("{name:14} {early:14.2} {half:12.2} {second:12.2} {after:12.2} {reached:16.0}");
        table.add(
            "main-loop",
            format!("{name}: speed after the first second"),
            after,
            "",
            Bar::None,
        );
        table.add(
            "main-loop",
            format!("{name}: 90 % reached"),
            reached,
            "ms",
            Bar::Most(1000.0),
        );
        worst = worst.min(second);
    }
    let what = "worst speed after one second against clang -O2 -march=native";
    table.add("main-loop", what, worst, "", Bar::Least(BAR));
    Ok(())
}

/// Runs a program of `progress.h`.
fn slices(command: &mut Command) -> Result<Slices> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or(Duration::ZERO).as_nanos().to_string();
    let text = sh::output(command.args([now, RUN_MS.to_string()]))?;
    let mut slices = Vec::new();
    for line in text.lines() {
        let words: Option<Vec<f64>> = line.split(' ').map(|w| w.parse().ok()).collect();
        let words = words.filter(|w| w.len() == 3);
        let words = words.with_context(|| format!("{line:?} is no SLICE UNITS NANOSECONDS"))?;
        slices.push((words[0] as u64 * SLICE_MS, words[1], words[2]));
    }
    ensure!(!slices.is_empty(), "{} said nothing", sh::display(command));
    Ok(slices)
}

/// Units for each nanosecond of processor time in the slices that begin in a span of milliseconds.
fn speed(slices: &Slices, from: u64, to: u64) -> f64 {
    let inside = slices.iter().filter(|s| s.0 >= from && s.0 < to);
    let (units, spent) = inside.fold((0.0, 0.0), |(u, t), s| (u + s.1, t + s.2));
    if spent == 0.0 { 0.0 } else { units / spent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_of_the_slices_that_begin_in_the_span() {
        let slices = vec![(0, 1.0, 100.0), (25, 8.0, 100.0), (50, 8.0, 300.0)];
        assert_eq!(speed(&slices, 0, 25), 0.01);
        assert_eq!(speed(&slices, 25, 75), 0.04);
        assert_eq!(speed(&slices, 100, 200), 0.0);
    }

    #[test]
    fn slices_are_read_and_nonsense_is_refused() {
        let run = |script: &str| slices(Command::new("sh").args(["-c", script]));
        assert_eq!(run("echo 2 5 100").unwrap(), [(50, 5.0, 100.0)]);
        assert!(run("echo 2 5").is_err() && run("true").is_err() && run("exit 1").is_err());
    }
}
