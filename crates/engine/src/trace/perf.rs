//! Names of compiled code for Linux's `perf`: one line for each function that is linked, in its map of a process.
//!
//! ```text
//!   7f3a5c001040 2f3 quick_sort [O3]        address and bytes in hexadecimal, symbol, tier
//! ```
//!
//! Code memory that is used again has the name of who used it last: what was there before leaves the map.
//!
//! Source: tools/perf/Documentation/jit-interface.txt of Linux.

use crate::memory::Unit;
use crate::profile::Tier;
use std::fmt::Write as _;
use std::path::Path;

/// Adds the functions of a unit to the map.
///
/// # Errors
/// The file cannot be read or written.
pub(crate) fn add(map: &Path, unit: &Unit, tier: Tier) -> std::io::Result<()> {
    let range = unit.range();
    let stays = |line: &&str| {
        let start = line.split(' ').next().unwrap_or_default();
        usize::from_str_radix(start, 16).is_ok_and(|start| !range.contains(&start))
    };
    let mut lines = String::new();
    if map.exists() {
        for line in std::fs::read_to_string(map)?.lines().filter(stays) {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    for f in unit.functions() {
        // Writing into a string cannot fail.
        let _ = writeln!(
            lines,
            "{:x} {:x} {} [{}]",
            f.address,
            f.size,
            f.name,
            tier.name()
        );
    }
    std::fs::write(map, lines)
}
