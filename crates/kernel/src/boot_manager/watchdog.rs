//! The watchdog: a slot on trial that gives no sign of success in time is a slot that hangs.
//!
//! It is looked at by every timer interrupt of every processor, so it sees programs that spin or wait for ever, and a
//! processor that hangs as long as another one lives. Where the machine has a heartbeat (`cpu::heartbeat`), a first
//! processor that has switched interrupts off is seen, too, in the program or in the kernel.

use super::fail;
use crate::cpu::trap::Frame;
use crate::cpu::{heartbeat, percpu, rdtsc};
use crate::{console, power, time};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use formats::slots::Reason;

const NEVER: u64 = u64::MAX;

static DEADLINE: AtomicU64 = AtomicU64::new(NEVER);
static HAS_HEARTBEAT: AtomicBool = AtomicBool::new(false);
/// So long after the deadline timer interrupts must have been switched off.
const GRACE_NS: u64 = 1_000_000_000;

static SECONDS: AtomicU32 = AtomicU32::new(0);

/// Waits so many seconds from now on; 0: for ever.
pub fn start(seconds: u32) {
    SECONDS.store(seconds, Ordering::Relaxed);
    DEADLINE.store(end(), Ordering::SeqCst);
    if seconds != 0 {
        HAS_HEARTBEAT.store(true, Ordering::SeqCst);
        heartbeat::start(percpu::this().apic_id);
    }
}

fn end() -> u64 {
    match SECONDS.load(Ordering::Relaxed) {
        0 => NEVER,
        seconds => rdtsc() + time::ns_to_cycles(u64::from(seconds) * 1_000_000_000),
    }
}

/// The program waits for somebody else: that takes as long as it takes.
pub fn suspend() {
    if crate::ALL_STAGES {
        DEADLINE.store(NEVER, Ordering::SeqCst);
    }
}

/// It goes on, with all its time.
pub fn resume() {
    if super::is_on_trial() {
        DEADLINE.store(end(), Ordering::SeqCst);
    }
}

/// There is nothing to watch any more.
pub fn stop() {
    DEADLINE.store(NEVER, Ordering::SeqCst);
    if HAS_HEARTBEAT.load(Ordering::SeqCst) {
        heartbeat::stop();
    }
}

/// A non-maskable interrupt; true if it is the heartbeat.
pub fn nmi(frame: &Frame) -> bool {
    if !crate::ALL_STAGES || !HAS_HEARTBEAT.load(Ordering::SeqCst) {
        return false;
    }
    let deadline = DEADLINE.load(Ordering::Relaxed);
    let is_late = deadline != NEVER && rdtsc() > deadline + time::ns_to_cycles(GRACE_NS);
    if is_late && DEADLINE.swap(NEVER, Ordering::SeqCst) != NEVER {
        let seconds = SECONDS.load(Ordering::Relaxed);
        if frame.is_payload() {
            fail(Reason::Hung { seconds });
        }
        // The kernel itself, with who knows which locks: no disk. The try is paid for.
        console::begin_panic();
        crate::error!("boot: the kernel hangs; the machine starts again");
        power::reset();
    }
    true
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
