//! Clocks and waiting.

use crate::sys;

/// Nanoseconds since some moment before the program started; never goes back. On the machine: since the kernel's entry.
#[must_use]
pub fn time_ns() -> u64 {
    crate::time::now_ns()
}

/// Nanoseconds since 1970-01-01 00:00 UTC, by the machine's clock; it may be set wrongly.
#[must_use]
pub fn time_unix_ns() -> u64 {
    // SAFETY: takes nothing.
    unsafe { sys::bf_unix_time_ns() }
}

/// Waits at least so long; Ctrl-C ends it early.
pub fn time_sleep_ns(ns: u64) {
    // SAFETY: takes any number.
    unsafe { sys::bf_sleep_ns(ns) }
}
