//! Trace ring: the last events of the kernel, printed when it fails.

use crate::cpu::rdtsc;
use crate::sync::Mutex;
use crate::time;

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
