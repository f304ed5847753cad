//! What the engine did, and when: a ring of typed events, for trace viewers.
//!
//! ```text
//!   program threads, compiler thread --record--> ring of N events, the oldest dropped and counted
//!                                                  |  at the end, or on request
//!                                                  v
//!                                                JSON for Perfetto, chrome://tracing, speedscope     (chrome)
//! ```
//!
//! - An event is a few words without any text: functions go by number, and get their names when the trace is written.
//! - Recording takes a lock for the time of one copy. The ring's memory is allocated once, at the start.
//! - Times are nanoseconds since the trace began. What has a duration is recorded when it ends, with its start.

mod chrome;
pub(crate) mod perf;

use crate::profile::Tier;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How a compile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The code was published.
    Published,
    /// LLVM or the linker refused; the old code stays.
    Failed,
}

/// What happened; `function` is the function's number in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A function was compiled; the event's time is the start.
    Compile {
        /// Which.
        function: u32,
        /// For which tier.
        tier: Tier,
        /// How long it took, linking included.
        duration_ns: u64,
        /// Processor time of the thread that compiled: what it costs, whatever else the machine does.
        cpu_ns: u64,
        /// Machine code it gave.
        bytes: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// A function was hot enough to ask for a tier, or one of its loops for code that takes it over. It has one request in
    /// flight at a time: the next event of this kind comes after a compile, or after code was found that was there already.
    Request {
        /// Which.
        function: u32,
        /// The tier wanted.
        tier: Tier,
        /// Calls and weighted back-edges that justify it.
        heat: u64,
    },
    /// The slot of a function was pointed at other code.
    Swap {
        /// Which.
        function: u32,
        /// The tier of the new code.
        tier: Tier,
    },
    /// A thread went on in faster code in the middle of a loop.
    Osr {
        /// Which.
        function: u32,
        /// From the code of this tier.
        from: Tier,
        /// To the code of this tier.
        to: Tier,
    },
    /// A guard failed often enough to be noticed.
    GuardMiss {
        /// Which.
        function: u32,
        /// The variant made last, counted from 0 as in the profile: that is what calls missed.
        variant: u32,
    },
    /// Code was dropped to stay within the limit of code memory.
    Evict {
        /// Which.
        function: u32,
        /// The tier of the code dropped.
        tier: Tier,
        /// Its size.
        bytes: u64,
    },
    /// Code memory that nobody can be executing any more was given back.
    Free {
        /// Which.
        function: u32,
        /// The tier of the code.
        tier: Tier,
        /// Its size.
        bytes: u64,
    },
    /// A program thread was kept from running the program; the event's time is the start.
    Pause {
        /// Whose code it waited for.
        function: u32,
        /// What it waited for.
        why: Wait,
        /// For how long.
        duration_ns: u64,
    },
    /// A stage of the engine's work, such as reading the program; the event's time is the start.
    Phase {
        /// Its name.
        name: &'static str,
        /// How long it took.
        duration_ns: u64,
    },
    /// Code memory in use from now on.
    CodeMemory {
        /// All units together.
        bytes: u64,
    },
}

/// What a program thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// LLVM: for a function or a call that the interpreter cannot express, or in a mode that runs nothing before it is
    /// compiled.
    Compile,
    /// The decoded form of a function that is called for the first time.
    Decode,
    /// Code of an earlier run, linked when it is first needed.
    Link,
}

impl Wait {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Wait::Compile => "compile",
            Wait::Decode => "decode",
            Wait::Link => "link",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Nanoseconds since the trace began.
    pub at_ns: u64,
    /// The thread it happened on: see [`thread_number`].
    pub thread: u32,
    /// What.
    pub kind: EventKind,
}

/// A small number for the calling thread, from 1 in the order in which threads first ask.
pub fn thread_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    thread_local!(static NUMBER: Cell<u32> = const { Cell::new(0) });
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Relaxed));
        }
        number.get()
    })
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Event>,
    dropped: u64,
    threads: BTreeMap<u32, String>,
}

/// The latest events of a run.
#[derive(Debug)]
pub struct Trace {
    start: Instant,
    capacity: usize,
    longest_pause_ns: AtomicU64,
    ring: Mutex<Ring>,
}

impl Trace {
    /// Keeps the last `capacity` events (at most 48 bytes each); 0 keeps none.
    pub fn new(capacity: usize) -> Trace {
        let ring = Ring {
            events: VecDeque::with_capacity(capacity),
            ..Ring::default()
        };
        Trace {
            start: Instant::now(),
            capacity,
            longest_pause_ns: AtomicU64::new(0),
            ring: Mutex::new(ring),
        }
    }

    /// A ring is whole after every statement: a thread that panicked left nothing half done.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nanoseconds since the trace began.
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Whether events are kept at all.
    pub fn is_on(&self) -> bool {
        self.capacity > 0
    }

    /// Something happened just now on this thread.
    pub fn record(&self, kind: EventKind) {
        if self.is_on() {
            self.record_at(self.now_ns(), kind);
        } else if let EventKind::Pause { duration_ns, .. } = kind {
            self.longest_pause_ns.fetch_max(duration_ns, Relaxed);
        }
    }

    /// Something happened on this thread, or began, at `at_ns` of [`Trace::now_ns`].
    pub fn record_at(&self, at_ns: u64, kind: EventKind) {
        if let EventKind::Pause { duration_ns, .. } = kind {
            self.longest_pause_ns.fetch_max(duration_ns, Relaxed);
        }
        if self.capacity == 0 {
            return;
        }
        let event = Event {
            at_ns,
            thread: thread_number(),
            kind,
        };
        let mut ring = self.ring();
        if ring.events.len() == self.capacity {
            ring.events.pop_front();
            ring.dropped += 1;
        }
        ring.events.push_back(event);
    }

    /// Names the calling thread in what is written.
    pub fn name_thread(&self, name: &str) {
        self.ring().threads.insert(thread_number(), name.to_owned());
    }

    /// The events kept, in the order in which they were recorded.
    pub fn events(&self) -> Vec<Event> {
        self.ring().events.iter().copied().collect()
    }

    /// Events that the ring had no room to keep.
    pub fn dropped(&self) -> u64 {
        self.ring().dropped
    }

    /// The longest [`EventKind::Pause`] so far in nanoseconds, whether it was kept or not.
    pub fn longest_pause_ns(&self) -> u64 {
        self.longest_pause_ns.load(Relaxed)
    }
}

impl EventKind {
    /// How long it took, for what has a start and an end.
    pub fn duration_ns(&self) -> Option<u64> {
        match *self {
            EventKind::Compile { duration_ns, .. }
            | EventKind::Pause { duration_ns, .. }
            | EventKind::Phase { duration_ns, .. } => Some(duration_ns),
            _ => None,
        }
    }

    /// The function it is about.
    pub fn function(&self) -> Option<u32> {
        match *self {
            EventKind::Compile { function, .. }
            | EventKind::Request { function, .. }
            | EventKind::Swap { function, .. }
            | EventKind::Osr { function, .. }
            | EventKind::GuardMiss { function, .. }
            | EventKind::Evict { function, .. }
            | EventKind::Free { function, .. }
            | EventKind::Pause { function, .. } => Some(function),
            EventKind::Phase { .. } | EventKind::CodeMemory { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn events_are_small() {
        assert!(size_of::<Event>() <= 48);
    }

    #[test]
    fn the_oldest_are_dropped_and_counted() {
        let trace = Trace::new(3);
        (0..10).for_each(|i| trace.record_at(i, EventKind::CodeMemory { bytes: i }));
        let kept: Vec<u64> = trace.events().iter().map(|e| e.at_ns).collect();
        assert_eq!((kept, trace.dropped()), (vec![7, 8, 9], 7));
    }

    #[test]
    fn a_pause_is_remembered_after_it_was_dropped() {
        for trace in [Trace::new(0), Trace::new(1)] {
            trace.record(EventKind::Pause {
                function: 0,
                why: Wait::Compile,
                duration_ns: 900,
            });
            trace.record(EventKind::Pause {
                function: 0,
                why: Wait::Compile,
                duration_ns: 5,
            });
            assert_eq!(trace.longest_pause_ns(), 900);
        }
    }

    #[test]
    fn threads_record_side_by_side() {
        let trace = Trace::new(100_000);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..5_000).for_each(|_| trace.record(EventKind::CodeMemory { bytes: 1 }))
                });
            }
        });
        assert_eq!((trace.events().len(), trace.dropped()), (20_000, 0));
        let threads: std::collections::BTreeSet<u32> =
            trace.events().iter().map(|e| e.thread).collect();
        assert_eq!(threads.len(), 4);
    }
}
