//! Trace ring: the last events of the kernel, printed when it fails.

use crate::sync::Mutex;

const EVENTS: usize = 64;

#[derive(Clone, Copy)]
struct Event {
    what: &'static str,
    value: u64,
    at_ns: u64,
}

struct Ring {
    events: [Event; EVENTS],
    /// Events ever written; the newest is at `written - 1`.
    written: usize,
}

static RING: Mutex<Ring> =
    Mutex::new(Ring { events: [Event { what: "", value: 0, at_ns: 0 }; EVENTS], written: 0 });

/// Notes an event: a fixed text and one number.
pub fn event(what: &'static str, value: u64, at_ns: u64) {
    let mut ring = RING.lock();
    let slot = ring.written % EVENTS;
    ring.events[slot] = Event { what, value, at_ns };
    ring.written += 1;
}

/// Notes an event now.
pub fn now(what: &'static str, value: u64) {
    event(what, value, crate::time::now_ns());
}

/// Prints the newest `count` events, oldest first. Prints nothing if the ring is in use.
pub fn print(count: usize) {
    let Some(ring) = RING.try_lock() else {
        return;
    };
    let first = ring.written.saturating_sub(count.min(EVENTS));
    for index in first..ring.written {
        let event = ring.events[index % EVENTS];
        let (us, value) = (event.at_ns / 1000, event.value);
        crate::error!("  {:>6}.{:03} ms  {} {value:#x}", us / 1000, us % 1000, event.what);
    }
}
