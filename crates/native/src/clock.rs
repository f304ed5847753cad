//! Time, and numbers that differ.

use crate::gate;
use core::sync::atomic::{AtomicU64, Ordering};

const REALTIME: usize = 0;
const MONOTONIC: usize = 1;
const PROCESS_CPU: usize = 2;

/// Nanoseconds since some moment before the program started. On the machine: since the kernel's entry.
pub fn monotonic_ns() -> u64 {
    gate::clock(MONOTONIC)
}

/// Nanoseconds since 1970-01-01 00:00 UTC.
pub fn unix_ns() -> u64 {
    gate::clock(REALTIME)
}

/// What loading took: on the machine since the kernel's entry, on Linux CPU time of this process.
pub fn since_start_ns(is_machine: bool) -> u64 {
    gate::clock(if is_machine { MONOTONIC } else { PROCESS_CPU })
}

/// Different at each call; not for secrets.
pub fn seed() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    // SplitMix64's finaliser spreads what differs over all bits.
    let mut x =
        gate::random() ^ monotonic_ns().rotate_left(32) ^ call.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_and_seeds_differ() {
        let start = monotonic_ns();
        assert_ne!(seed(), seed());
        while monotonic_ns() == start {}
        assert!(monotonic_ns() > start && since_start_ns(false) > 0);
    }
}
