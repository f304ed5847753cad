//! Time.

use crate::sys;

/// Nanoseconds since some moment before the program started; never goes back.
#[must_use]
pub fn now_ns() -> u64 {
    // SAFETY: takes nothing.
    unsafe { sys::bf_time_ns() }
}
