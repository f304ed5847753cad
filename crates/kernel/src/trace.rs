//! Trace ring and counters: the last events of the kernel, printed when it fails.

use crate::cpu::rdtsc;
use crate::memory::frames;
use crate::sync::Mutex;
use crate::time;
use core::sync::atomic::{AtomicU64, Ordering};

/// Things that are counted, not noted one by one.
pub struct Counters {
    /// System calls.
    pub calls: AtomicU64,
    /// Page faults that found what was promised.
    pub faults: AtomicU64,
    /// Switches from one thread to another.
    pub switches: AtomicU64,
    /// TLB shootdowns sent.
    pub shootdowns: AtomicU64,
    /// Bytes read from the volume by the payload.
    pub bytes_read: AtomicU64,
}

/// The machine's counters.
pub static COUNTERS: Counters = Counters {
    calls: AtomicU64::new(0),
    faults: AtomicU64::new(0),
    switches: AtomicU64::new(0),
    shootdowns: AtomicU64::new(0),
    bytes_read: AtomicU64::new(0),
};

/// Adds to a counter.
pub fn count(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

/// Prints the counters at `log=debug`.
pub fn print_counters() {
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    crate::debug!(
        "counted: {} system calls, {} page faults, {} switches, {} shootdowns, {} MiB read, at most {} MiB in use",
        get(&COUNTERS.calls),
        get(&COUNTERS.faults),
        get(&COUNTERS.switches),
        get(&COUNTERS.shootdowns),
        get(&COUNTERS.bytes_read) >> 20,
        frames::peak() >> 8
    );
}

const EVENTS: usize = 64;

#[derive(Clone, Copy)]
struct Event {
    what: &'static str,
    value: u64,
    at_cycles: u64,
}

struct Ring {
    events: [Event; EVENTS],
    /// Events ever written; the newest is at `written - 1`.
    written: usize,
}

static RING: Mutex<Ring> = Mutex::new(Ring {
    events: [Event {
        what: "",
        value: 0,
        at_cycles: 0,
    }; EVENTS],
    written: 0,
});

/// Notes an event now: a fixed text and one number.
pub fn event(what: &'static str, value: u64) {
    let mut ring = RING.lock();
    let slot = ring.written % EVENTS;
    ring.events[slot] = Event {
        what,
        value,
        at_cycles: rdtsc(),
    };
    ring.written += 1;
}

/// Prints the newest `count` events, oldest first. Prints nothing if the ring is in use.
pub fn print(count: usize) {
    let Some(ring) = RING.try_lock() else {
        return;
    };
    let first = ring.written.saturating_sub(count.min(EVENTS));
    for index in first..ring.written {
        let event = ring.events[index % EVENTS];
        // Converted here: the first events are older than the clock's frequency.
        let (us, value) = (time::since_entry_ns(event.at_cycles) / 1000, event.value);
        crate::error!(
            "  {:>6}.{:03} ms  {} {value:#x}",
            us / 1000,
            us % 1000,
            event.what
        );
    }
}
