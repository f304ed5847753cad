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
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

/// Adds the functions of a unit to the map.
///
/// # Errors
/// The file cannot be read or written.
pub(crate) fn add(map: &Path, unit: &Unit, tier: Tier) -> std::io::Result<()> {
    let mut lines = match std::fs::read_to_string(map) {
        Ok(old) => outside(&old, &unit.range()),
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
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

/// The lines of functions that do not start in a range of addresses.
fn outside(map: &str, range: &Range<usize>) -> String {
    let stays = |line: &&str| {
        let start = line.split(' ').next().unwrap_or_default();
        usize::from_str_radix(start, 16).is_ok_and(|start| !range.contains(&start))
    };
    map.split_inclusive('\n').filter(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_memory_that_is_used_again_leaves_the_map() {
        let map = "fff 10 before [O0]\n1000 10 first [O0]\n1ff0 10 last [O1]\n2000 8 after [O3]\n";
        assert_eq!(
            outside(map, &(0x1000..0x2000)),
            "fff 10 before [O0]\n2000 8 after [O3]\n"
        );
    }
}
