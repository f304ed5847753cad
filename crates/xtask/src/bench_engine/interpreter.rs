//! Speed of the interpreter beside lli's and beside machine code.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::programs::Programs;
use super::table::{Bar, Table, geometric_mean, median};
use crate::paths::Paths;
use crate::sh;

/// Least times that it is faster than `lli --force-interpreter` (median).
const LLI_BAR: f64 = 10.0;
/// Most times that it is slower than `clang -O1 -fno-vectorize` (geometric mean).
const CLANG_BAR: f64 = 40.0;
/// Kernel of `tests/kernels`, and repetitions for lli.
const KERNELS: &[(&str, u32)] = &[
    ("fib", 40),
    ("sieve", 6),
    ("matmul", 4),
    ("nbody", 3),
    ("hash", 40),
];
/// Repetitions for the interpreter and for machine code, in those for lli.
const FACTORS: [u32; 3] = [1, 25, 1000];
const FLAGS: &[&str] = &[
    "-O1",
    "-fno-vectorize",
    "-fno-slp-vectorize",
    "-fno-math-errno",
    "-ffp-contract=off",
];
const ROUNDS: usize = 3;

/// Runs take turns; the best of each counts, and the time of a run without repetitions is taken off.
pub fn bench(paths: &Paths, programs: &Programs, table: &mut Table) -> Result<()> {
    println!(
        "\ninterpreter, microseconds of processor time for a repetition, best of {ROUNDS} in turns:\n{:14} {:>10} {:>12} {:>10} {:>8} {:>8}",
        "kernel", "lli", "interpreter", "clang -O1", "x lli", "x clang"
    );
    let (mut faster, mut slower) = (Vec::new(), Vec::new());
    for (name, repetitions) in KERNELS {
        let source = paths
            .root
            .join(format!("crates/engine/tests/kernels/{name}.c"));
        let bitcode_flags = [FLAGS, &["-emit-llvm", "-c"]].concat();
        let bitcode = programs.clang(&source, &bitcode_flags, &format!("interpreter-{name}.bc"))?;
        let native = programs.clang(&source, FLAGS, &format!("interpreter-{name}"))?;
        let mut best = [f64::MAX; 3];
        let mut empty = [f64::MAX; 3];
        for _ in 0..ROUNDS {
            for i in 0..3 {
                let run = |n: u32| {
                    let mut command = match i {
                        0 => lli(&bitcode),
                        1 => programs.exec(&bitcode, &["--tier=interp", "--no-profile", "--"]),
                        _ => Command::new(&native),
                    };
                    user_seconds(command.arg(n.to_string()))
                };
                empty[i] = run(0)?.min(empty[i]);
                best[i] = run(repetitions * FACTORS[i])?.min(best[i]);
            }
        }
        let one: Vec<f64> = (0..3)
            .map(|i| (best[i] - empty[i]).max(1e-6) / f64::from(repetitions * FACTORS[i]))
            .collect();
        faster.push(one[0] / one[1]);
        slower.push(one[1] / one[2]);
        println!(
            "{name:14} {:10.1} {:12.2} {:10.3} {:8.1} {:8.1}",
            one[0] * 1e6,
            one[1] * 1e6,
            one[2] * 1e6,
            one[0] / one[1],
            one[1] / one[2]
        );
        table.add(
            "interpreter",
            format!("{name}: faster than lli"),
            one[0] / one[1],
            "times",
            Bar::None,
        );
        table.add(
            "interpreter",
            format!("{name}: slower than clang -O1"),
            one[1] / one[2],
            "times",
            Bar::None,
        );
    }
    let what = "faster than lli --force-interpreter, median";
    table.add(
        "interpreter",
        what,
        median(&faster),
        "times",
        Bar::Least(LLI_BAR),
    );
    let what = "slower than clang -O1 -fno-vectorize, geometric mean";
    table.add(
        "interpreter",
        what,
        geometric_mean(&slower),
        "times",
        Bar::Most(CLANG_BAR),
    );
    Ok(())
}

fn lli(bitcode: &Path) -> Command {
    let mut lli = Command::new("lli-22");
    lli.arg("--force-interpreter").arg(bitcode);
    lli
}

/// Runs a program; seconds of processor time it had in user mode, as the shell knows them.
fn user_seconds(command: &mut Command) -> Result<f64> {
    let mut shell = Command::new("bash");
    shell
        .args(["-c", "TIMEFORMAT=%3U; time \"$@\" >&2", "bash"])
        .arg(command.get_program())
        .args(command.get_args());
    let done = shell.output().context("cannot start bash")?;
    let text = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() {
        bail!("{}: {}\n{text}", done.status, sh::display(command));
    }
    let last = text.lines().last().unwrap_or_default();
    last.parse()
        .with_context(|| format!("bash said {last:?} instead of a time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_user_mode_is_measured_and_a_failure_is_told() {
        let mut busy = Command::new("bash");
        busy.args(["-c", "for ((i = 0; i < 100000; i++)); do :; done"]);
        assert!(user_seconds(&mut busy).unwrap() > 0.01);
        assert!(user_seconds(Command::new("sleep").arg("0.1")).unwrap() < 0.05);
        assert!(user_seconds(&mut Command::new("false")).is_err());
    }
}
