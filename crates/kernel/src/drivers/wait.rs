//! Waiting for hardware, never for ever.

use core::sync::atomic::{AtomicU64, Ordering};

use spin::relax::RelaxStrategy;

/// Until the TSC is calibrated: faster than any TSC, so that a timeout is never too short.
const UNCALIBRATED_HZ: u64 = 5_000_000_000;

static TSC_HZ: AtomicU64 = AtomicU64::new(UNCALIBRATED_HZ);

/// Tells the frequency of the TSC, in Hz. Zero is ignored.
pub fn set_tsc_hz(hz: u64) {
    if hz > 0 {
        TSC_HZ.store(hz, Ordering::Relaxed);
    }
}

/// The time-stamp counter.
pub fn cycles() -> u64 {
    // SAFETY: RDTSC exists on every x86-64 processor and touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// A moment after which waiting is given up.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: u64,
    cycles: u64,
}

impl Deadline {
    /// So many milliseconds from now (up to a few times more until the TSC is calibrated).
    pub fn after_ms(ms: u64) -> Self {
        Self {
            start: cycles(),
            cycles: TSC_HZ.load(Ordering::Relaxed) / 1000 * ms,
        }
    }

    /// Whether the time is up.
    pub fn is_over(&self) -> bool {
        // Another CPU's counter may be slightly behind: that is "no time passed", not "ages ago".
        (cycles().wrapping_sub(self.start) as i64) > self.cycles as i64
    }
}

/// One turn of a waiting loop: answers what other CPUs may be waiting for.
pub fn relax() {
    crate::sync::Answer::relax();
}

/// Waits until `condition` holds; `false` if it did not within `ms` milliseconds.
pub fn wait_for(ms: u64, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Deadline::after_ms(ms);
    while !condition() {
        if deadline.is_over() {
            return condition();
        }
        relax();
    }
    true
}
