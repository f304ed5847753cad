//! Swap under fire: two threads call a function while its code is replaced.
//!
//! `swap_bench [SWAPS]`, 100,000 by default. Prints code memory before and after, and fails when they differ, a call saw a
//! wrong version or a unit was not freed. The versions were compiled before: what is shown is linking, swapping and freeing.

#[path = "../tests/memory/fire.rs"]
mod fire;
#[path = "../tests/memory/support.rs"]
#[allow(dead_code)]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    let swaps = match std::env::args().nth(1).map(|n| n.parse()) {
        None => 100_000,
        // Versions are of four sizes: so it ends with that of the first.
        Some(Ok(swaps)) => u64::next_multiple_of(swaps, 4),
        Some(Err(_)) => {
            eprintln!("usage: swap_bench [SWAPS]");
            return ExitCode::FAILURE;
        }
    };
    let run = fire::run(swaps);
    let [before, most, after] = run.code.map(|bytes| bytes / 1024);
    println!(
        "{} swaps in {:.2} s ({:.0} a second) under {} calls by two threads",
        run.swaps,
        run.time.as_secs_f64(),
        run.swaps as f64 / run.time.as_secs_f64(),
        run.calls,
    );
    println!(
        "wrong results: {}; units freed: {}, not freed: {}",
        run.wrong, run.freed, run.waiting
    );
    println!("code memory: {before} KiB before, {most} KiB at most, {after} KiB after");
    println!(
        "linking: {:.1} us on average, {:.1} us at most; waited at the limit {} times",
        run.linking.as_secs_f64() * 1e6 / run.swaps as f64,
        run.longest_link.as_secs_f64() * 1e6,
        run.full,
    );
    match (run.wrong, run.waiting) {
        (0, 0) if run.code[0] == run.code[2] => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
