//! Swap under fire: the engine's own bench, run and shown.

use anyhow::Result;

use super::programs::Programs;
use super::table::{Bar, Table};
use crate::paths::Paths;
use crate::sh;

/// Two threads call while a third swaps; the example fails on a wrong result or a leak.
pub fn bench(paths: &Paths, _: &Programs, table: &mut Table) -> Result<()> {
    let mut cargo = sh::cargo(&paths.root);
    cargo.args([
        "run",
        "--release",
        "--quiet",
        "-p",
        "engine",
        "--example",
        "swap_bench",
    ]);
    let text = sh::output(&mut cargo)?;
    println!("\nswap under fire:\n{}", text.trim_end());
    table.add("swaps", "wrong results or leaks", 0.0, "", Bar::Most(0.0));
    Ok(())
}
