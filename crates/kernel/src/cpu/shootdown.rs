//! TLB shootdown: makes every CPU forget a range that was unmapped or restricted.
//!
//! Each shootdown has a number. The sender flushes itself, publishes the number, interrupts the CPUs that
//! run, and waits until each of them has flushed or is idle; an idle CPU flushes before it runs again.
//! Waiting CPUs answer each other (here and in `sync`), so two senders cannot wait for each other.

use super::{idt, lapic, percpu};
use crate::memory::{PAGE, paging};
use crate::trace;
use core::sync::atomic::{AtomicU64, Ordering};

static GENERATION: AtomicU64 = AtomicU64::new(0);
/// Beyond this many pages the whole TLB is dropped.
const FEW_PAGES: usize = 32;

/// Number of the last shootdown.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::SeqCst)
}

/// Makes every CPU forget the range. Returns when none can use an old translation.
pub fn flush(start: usize, end: usize) {
    if (end - start) / PAGE <= FEW_PAGES {
        for page in (start..end).step_by(PAGE) {
            paging::flush_page(page);
        }
    } else {
        paging::flush_all();
    }
    if percpu::count() <= 1 {
        return;
    }
    trace::count(&trace::COUNTERS.shootdowns, 1);
    let number = GENERATION.fetch_add(1, Ordering::SeqCst) + 1;
    let this = percpu::this();
    let others = || percpu::all().filter(|cpu| cpu.index != this.index);
    for cpu in others().filter(|cpu| !cpu.idle.load(Ordering::SeqCst)) {
        lapic::send(cpu.apic_id, idt::SHOOTDOWN);
    }
    for cpu in others() {
        while cpu.flushed.load(Ordering::SeqCst) < number && !cpu.idle.load(Ordering::SeqCst) {
            answer();
            core::hint::spin_loop();
        }
    }
}

/// Flushes this CPU if a shootdown is pending.
#[inline]
pub fn answer() {
    if percpu::count() <= 1 {
        return;
    }
    let this = percpu::this();
    let number = generation();
    if this.flushed.load(Ordering::Relaxed) < number {
        paging::flush_all();
        this.flushed.store(number, Ordering::SeqCst);
    }
}

/// Marks this CPU as running again and catches up with what it missed.
pub fn leave_idle() {
    let this = percpu::this();
    if this.idle.load(Ordering::Relaxed) {
        this.idle.store(false, Ordering::SeqCst);
        answer();
    }
}
