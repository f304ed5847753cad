//! Speed of the interpreter beside lli and clang.
//!
//! `cargo run --release -p engine --example interp_bench` (the example `exec` must be built beside it). Each kernel of
//! `tests/kernels` is compiled once to bitcode at -O1 and run by all three; runs take turns, the best of each counts, and
//! the time of a run without repetitions is taken off. Times are processor time in user mode: other work on the machine
//! counts for little.
#![allow(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};

/// `struct rusage`: two `struct timeval` and fourteen counters.
#[repr(C)]
struct Usage {
    user_s: i64,
    user_us: i64,
    rest: [i64; 16],
}

unsafe extern "C" {
    fn getrusage(who: i32, usage: *mut Usage) -> i32;
}

/// Seconds of user time of all processes waited for so far.
fn user_time() -> f64 {
    let mut usage = Usage {
        user_s: 0,
        user_us: 0,
        rest: [0; 16],
    };
    // SAFETY: RUSAGE_CHILDREN is -1; the structure has the size the C library writes.
    unsafe { getrusage(-1, &mut usage) };
    let _ = usage.rest;
    usage.user_s as f64 + usage.user_us as f64 * 1e-6
}

/// Kernel, repetitions for lli, factor for the interpreter, factor again for machine code.
const KERNELS: &[(&str, u32, u32, u32)] = &[
    ("fib", 40, 25, 10),
    ("sieve", 6, 25, 10),
    ("matmul", 4, 25, 10),
    ("nbody", 3, 25, 10),
    ("hash", 40, 25, 10),
];
const ROUNDS: usize = 3;

fn seconds(command: &[String], n: u32) -> f64 {
    let start = user_time();
    let status = Command::new(&command[0])
        .args(&command[1..])
        .arg(n.to_string())
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(s) if s.success() => user_time() - start,
        other => {
            eprintln!("error: {} failed: {other:?}", command.join(" "));
            exit(1)
        }
    }
}

fn tool(name: &str, args: &[&str]) {
    match Command::new(name).args(args).status() {
        Ok(s) if s.success() => {}
        other => {
            eprintln!("error: {name} {}: {other:?}", args.join(" "));
            exit(1)
        }
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn main() {
    let exec = std::env::current_exe()
        .ok()
        .and_then(|p| Some(p.parent()?.join("exec")));
    let Some(exec) = exec.filter(|e| e.exists()) else {
        eprintln!(
            "error: build the example `exec` first: cargo build --release -p engine --example exec"
        );
        exit(1)
    };
    let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/kernels");
    let scratch = std::env::temp_dir().join(format!("interp_bench.{}", std::process::id()));
    if let Err(e) = std::fs::create_dir_all(&scratch) {
        eprintln!("error: {}: {e}", scratch.display());
        exit(1)
    }
    println!(
        "{:8} {:>14} {:>14} {:>14} {:>10} {:>12}",
        "kernel", "lli", "interpreter", "clang -O1", "x lli", "x clang"
    );
    let (mut faster, mut slower) = (Vec::new(), Vec::new());
    for (name, lli_n, up, again) in KERNELS {
        let source = text(&sources.join(format!("{name}.c")));
        let bitcode = text(&scratch.join(format!("{name}.bc")));
        let native = text(&scratch.join(name));
        let flags = [
            "-O1",
            "-fno-vectorize",
            "-fno-slp-vectorize",
            "-fno-math-errno",
            "-ffp-contract=off",
        ];
        tool(
            "clang-22",
            &[&flags[..], &["-emit-llvm", "-c", &source, "-o", &bitcode]].concat(),
        );
        tool(
            "clang-22",
            &[&flags[..], &[&source, "-o", &native, "-lm"]].concat(),
        );
        let runs = [
            (
                vec![
                    "lli-22".to_owned(),
                    "--force-interpreter".to_owned(),
                    bitcode.clone(),
                ],
                *lli_n,
            ),
            (vec![text(&exec), bitcode.clone()], lli_n * up),
            (vec![native.clone()], lli_n * up * again),
        ];
        let mut best = [f64::MAX; 3];
        let mut empty = [f64::MAX; 3];
        for _ in 0..ROUNDS {
            for (i, (command, n)) in runs.iter().enumerate() {
                empty[i] = empty[i].min(seconds(command, 0));
                best[i] = best[i].min(seconds(command, *n));
            }
        }
        let one: Vec<f64> = (0..3)
            .map(|i| (best[i] - empty[i]).max(1e-6) / f64::from(runs[i].1))
            .collect();
        faster.push(one[0] / one[1]);
        slower.push(one[1] / one[2]);
        println!(
            "{name:8} {:>11.1} us {:>11.2} us {:>11.3} us {:>10.1} {:>12.1}",
            one[0] * 1e6,
            one[1] * 1e6,
            one[2] * 1e6,
            one[0] / one[1],
            one[1] / one[2]
        );
    }
    faster.sort_by(f64::total_cmp);
    let mean = (slower.iter().map(|s| s.ln()).sum::<f64>() / slower.len() as f64).exp();
    println!(
        "faster than lli: {:.1} times (median)",
        faster[faster.len() / 2]
    );
    println!("slower than clang -O1 -fno-vectorize: {mean:.1} times (geometric mean)");
    let _ = std::fs::remove_dir_all(&scratch);
}
