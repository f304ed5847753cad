//! Time that passes.

use crate::abi;

/// Nanoseconds since some point before the program started; never goes back.
#[must_use]
pub fn now_ns() -> u64 {
    // SAFETY: no arguments, no state of ours.
    unsafe { abi::bf_time_ns() }
}
