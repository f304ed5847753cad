//! Time: cycles since the kernel's entry, nanoseconds, and the wall clock.
//!
//! One source: the TSC, whose frequency is found at boot (`calibrate.rs`). CLOCK_MONOTONIC and CLOCK_BOOTTIME count from
//! the first instruction of the kernel; CLOCK_REALTIME adds the battery clock as it was read at boot.

mod calibrate;

pub use calibrate::calibrate;

use crate::cpu::rdtsc;
use core::sync::atomic::{AtomicU64, Ordering};

/// TSC at the kernel's entry.
static ENTRY: AtomicU64 = AtomicU64::new(0);
/// Frequency of the TSC in kHz.
static KHZ: AtomicU64 = AtomicU64::new(1_000_000);
/// Wall clock at the kernel's entry, nanoseconds since 1970.
static WALL_AT_ENTRY: AtomicU64 = AtomicU64::new(0);

/// Notes the TSC of the kernel's entry.
pub fn set_entry(cycles: u64) {
    ENTRY.store(cycles, Ordering::Relaxed);
}

/// Reads the battery clock.
pub fn init_wall_clock() {
    let wall = crate::drivers::rtc::unix_seconds()
        .unwrap_or(0)
        .saturating_mul(1_000_000_000);
    WALL_AT_ENTRY.store(wall.saturating_sub(now_ns()), Ordering::Relaxed);
}

/// Frequency of the TSC in kHz.
pub fn khz() -> u64 {
    KHZ.load(Ordering::Relaxed)
}

/// Nanoseconds for a number of cycles.
pub fn cycles_to_ns(cycles: u64) -> u64 {
    (u128::from(cycles) * 1_000_000 / u128::from(khz())) as u64
}

/// Cycles for a number of nanoseconds.
pub fn ns_to_cycles(ns: u64) -> u64 {
    u64::try_from(u128::from(ns) * u128::from(khz()) / 1_000_000).unwrap_or(u64::MAX)
}

/// Nanoseconds since the kernel's entry.
pub fn now_ns() -> u64 {
    since_entry_ns(rdtsc())
}

/// Nanoseconds from the kernel's entry to a TSC value.
pub fn since_entry_ns(cycles: u64) -> u64 {
    cycles_to_ns(cycles.saturating_sub(ENTRY.load(Ordering::Relaxed)))
}

/// TSC value at which [`now_ns`] will be `ns`; saturates at "never".
pub fn deadline(ns: u64) -> u64 {
    ENTRY
        .load(Ordering::Relaxed)
        .saturating_add(ns_to_cycles(ns))
}

/// Nanoseconds since 1970.
pub fn wall_ns() -> u64 {
    WALL_AT_ENTRY.load(Ordering::Relaxed) + now_ns()
}

/// Wall clock at the kernel's entry in nanoseconds since 1970.
pub fn wall_at_entry_ns() -> u64 {
    WALL_AT_ENTRY.load(Ordering::Relaxed)
}
