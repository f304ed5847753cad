//! The watchdog: a slot on trial that gives no sign of success in time is a slot that hangs.
//!
//! It is looked at by every timer interrupt of every processor, so it sees programs that spin or wait for ever, and a
//! processor that hangs as long as another one lives.

use super::fail;
use crate::cpu::rdtsc;
use crate::time;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use formats::slots::Reason;

const NEVER: u64 = u64::MAX;

static DEADLINE: AtomicU64 = AtomicU64::new(NEVER);
static SECONDS: AtomicU32 = AtomicU32::new(0);

/// Waits so many seconds from now on; 0: for ever.
pub fn start(seconds: u32) {
    SECONDS.store(seconds, Ordering::Relaxed);
    let end = match seconds {
        0 => NEVER,
        seconds => rdtsc() + time::ns_to_cycles(u64::from(seconds) * 1_000_000_000),
    };
    DEADLINE.store(end, Ordering::SeqCst);
}

/// There is nothing to watch any more.
pub fn stop() {
    DEADLINE.store(NEVER, Ordering::SeqCst);
}

/// A timer interrupt, which found the payload or an idle processor.
pub fn tick() {
    if !crate::ALL_STAGES || rdtsc() < DEADLINE.load(Ordering::Relaxed) {
        return;
    }
    // One processor does it.
    if DEADLINE.swap(NEVER, Ordering::SeqCst) != NEVER {
        fail(Reason::Hung {
            seconds: SECONDS.load(Ordering::Relaxed),
        });
    }
}
