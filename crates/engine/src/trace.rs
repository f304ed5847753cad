//! What the engine did, and when: a ring of typed events, for trace viewers.
//!
//! ```text
//!   program threads, compiler thread --record--> ring of N events, the oldest dropped and counted
//!                                                  |  at the end, or on request
//!                                                  v
//!                          JSON in the Trace Event Format: ui.perfetto.dev, chrome://tracing, speedscope
//! ```
//!
//! - An event is a few words without any text: functions go by number, and get their names when the trace is written.
//! - Recording takes a lock for the time of one copy. The ring's memory is allocated once, at the start.
//! - Times are nanoseconds since the trace began. What has a duration is recorded when it ends, with its start.
//!
//! Format: "Trace Event Format" of the Chromium project (its JSON object form): `X` complete events with `ts` and
//! `dur` in microseconds, `i` instant events with scope `t` (thread), `C` counters, `M` metadata. Complete events of one
//! thread must nest; Perfetto keeps to that.

use crate::profile::Tier;
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
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
    /// It was no longer wanted when it was ready.
    Discarded,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Published => "published",
            Outcome::Failed => "failed",
            Outcome::Discarded => "discarded",
        }
    }
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
        /// Machine code it gave.
        bytes: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// A function was hot enough to ask for a tier.
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
        /// Its variant, counted from 0.
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
        /// Whose counter or guard it was in.
        function: u32,
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

    /// Writes the trace, one event a line; `name` gives the symbol of a function number.
    ///
    /// # Errors
    ///
    /// What `out` says.
    pub fn write_chrome_json(
        &self,
        name: &dyn Fn(u32) -> String,
        mut out: impl Write,
    ) -> io::Result<()> {
        let (mut events, dropped, threads) = {
            let ring = self.ring();
            let events: Vec<Event> = ring.events.iter().copied().collect();
            (events, ring.dropped, ring.threads.clone())
        };
        // What contains comes before what is contained.
        events.sort_by_key(|e| (e.at_ns, std::cmp::Reverse(e.kind.duration_ns())));
        let other = json!({ "events": events.len(), "dropped": dropped });
        write!(
            out,
            "{{\"displayTimeUnit\":\"ns\",\"otherData\":{other},\"traceEvents\":["
        )?;
        write!(
            out,
            "\n{}",
            metadata("process_name", 1, json!({ "name": "BareFlow" }))
        )?;
        for (thread, name) in &threads {
            write!(
                out,
                ",\n{}",
                metadata("thread_name", *thread, json!({ "name": name }))
            )?;
            let order = json!({ "sort_index": thread });
            write!(out, ",\n{}", metadata("thread_sort_index", *thread, order))?;
        }
        for event in &events {
            write!(out, ",\n{}", event.to_json(name))?;
        }
        writeln!(out, "\n]}}")
    }

    /// The trace as text: see [`Trace::write_chrome_json`].
    pub fn to_chrome_json(&self, name: &dyn Fn(u32) -> String) -> String {
        let mut text = Vec::new();
        // Writing to memory does not fail, and JSON is UTF-8.
        let _ = self.write_chrome_json(name, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// The one process of a trace.
const PROCESS: u32 = 1;

fn metadata(what: &str, thread: u32, args: Value) -> Value {
    json!({ "name": what, "ph": "M", "pid": PROCESS, "tid": thread, "args": args })
}

fn microseconds(ns: u64) -> Value {
    json!(ns as f64 / 1000.0)
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

    /// Category, label and arguments in the viewer.
    fn describe(&self, function: &str) -> (&'static str, String, Value) {
        match *self {
            EventKind::Compile {
                tier,
                bytes,
                outcome,
                ..
            } => (
                "compile",
                format!("{function} {tier}"),
                json!({ "tier": tier, "bytes": bytes, "result": outcome.name() }),
            ),
            EventKind::Request { tier, heat, .. } => (
                "request",
                format!("request {function} {tier}"),
                json!({ "tier": tier, "heat": heat }),
            ),
            EventKind::Swap { tier, .. } => (
                "swap",
                format!("swap {function} {tier}"),
                json!({ "tier": tier }),
            ),
            EventKind::Osr { from, to, .. } => (
                "osr",
                format!("osr {function} {to}"),
                json!({ "from": from, "to": to }),
            ),
            EventKind::GuardMiss { variant, .. } => (
                "guard",
                format!("guard miss {function}"),
                json!({ "variant": variant }),
            ),
            EventKind::Evict { tier, bytes, .. } => (
                "evict",
                format!("evict {function} {tier}"),
                json!({ "tier": tier, "bytes": bytes }),
            ),
            EventKind::Free { tier, bytes, .. } => (
                "free",
                format!("free {function} {tier}"),
                json!({ "tier": tier, "bytes": bytes }),
            ),
            EventKind::Pause { .. } => ("pause", format!("pause {function}"), json!({})),
            EventKind::Phase { name, .. } => ("phase", name.to_owned(), json!({})),
            EventKind::CodeMemory { bytes } => (
                "memory",
                "code memory".to_owned(),
                json!({ "bytes": bytes }),
            ),
        }
    }
}

impl Event {
    fn to_json(self, name: &dyn Fn(u32) -> String) -> Value {
        let function = self.kind.function().map(name);
        let (category, label, mut args) = self.kind.describe(function.as_deref().unwrap_or(""));
        if let (Some(function), Value::Object(args)) = (function, &mut args) {
            args.insert("function".to_owned(), function.into());
        }
        let mut event = Map::new();
        event.insert("name".to_owned(), label.into());
        event.insert("cat".to_owned(), category.into());
        event.insert("pid".to_owned(), PROCESS.into());
        event.insert("tid".to_owned(), self.thread.into());
        event.insert("ts".to_owned(), microseconds(self.at_ns));
        match (self.kind.duration_ns(), self.kind) {
            (Some(duration), _) => {
                event.insert("ph".to_owned(), "X".into());
                event.insert("dur".to_owned(), microseconds(duration));
            }
            (None, EventKind::CodeMemory { .. }) => {
                event.insert("ph".to_owned(), "C".into());
            }
            (None, _) => {
                event.insert("ph".to_owned(), "i".into());
                event.insert("s".to_owned(), "t".into());
            }
        }
        event.insert("args".to_owned(), args);
        Value::Object(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn name(function: u32) -> String {
        format!("f\"{function}\"")
    }

    fn parse(trace: &Trace) -> (Value, Vec<Value>) {
        let json: Value = serde_json::from_str(&trace.to_chrome_json(&name)).unwrap();
        let events = json["traceEvents"].as_array().unwrap().clone();
        (json, events)
    }

    #[test]
    fn events_are_small() {
        assert!(size_of::<Event>() <= 48);
    }

    #[test]
    fn an_empty_trace_is_valid() {
        let (json, events) = parse(&Trace::new(0));
        assert_eq!(json["otherData"], json!({ "events": 0, "dropped": 0 }));
        assert_eq!(json["displayTimeUnit"], "ns");
        assert_eq!(events.len(), 1);
        assert_eq!(
            (&events[0]["ph"], &events[0]["args"]["name"]),
            (&json!("M"), &json!("BareFlow"))
        );
    }

    #[test]
    fn a_compile_is_a_complete_event_on_its_thread() {
        let trace = Trace::new(8);
        let compiler = thread::scope(|scope| {
            let work = || {
                trace.name_thread("compiler");
                let kind = EventKind::Compile {
                    function: 3,
                    tier: Tier::O2,
                    duration_ns: 2_500,
                    bytes: 640,
                    outcome: Outcome::Published,
                };
                trace.record_at(1_001, kind);
                thread_number()
            };
            scope.spawn(work).join().unwrap()
        });
        assert_ne!(compiler, thread_number());
        let (_, events) = parse(&trace);
        let thread = events.iter().find(|e| e["name"] == "thread_name").unwrap();
        assert_eq!(thread["args"]["name"], "compiler");
        assert_eq!(thread["tid"], compiler);
        let expected = json!({
            "name": "f\"3\" O2", "cat": "compile", "ph": "X", "pid": 1, "tid": compiler, "ts": 1.001, "dur": 2.5,
            "args": { "function": "f\"3\"", "tier": "O2", "bytes": 640, "result": "published" },
        });
        assert_eq!(events.last(), Some(&expected));
    }

    #[test]
    fn every_other_kind_has_its_form() {
        let trace = Trace::new(64);
        let (function, tier, bytes) = (1, Tier::O0, 16);
        let kinds = [
            (
                EventKind::Request {
                    function,
                    tier,
                    heat: 10,
                },
                "i",
                "request",
            ),
            (EventKind::Swap { function, tier }, "i", "swap"),
            (
                EventKind::Osr {
                    function,
                    from: Tier::Interp,
                    to: tier,
                },
                "i",
                "osr",
            ),
            (
                EventKind::GuardMiss {
                    function,
                    variant: 0,
                },
                "i",
                "guard",
            ),
            (
                EventKind::Evict {
                    function,
                    tier,
                    bytes,
                },
                "i",
                "evict",
            ),
            (
                EventKind::Free {
                    function,
                    tier,
                    bytes,
                },
                "i",
                "free",
            ),
            (
                EventKind::Pause {
                    function,
                    duration_ns: 7,
                },
                "X",
                "pause",
            ),
            (
                EventKind::Phase {
                    name: "read",
                    duration_ns: 9,
                },
                "X",
                "phase",
            ),
            (EventKind::CodeMemory { bytes }, "C", "memory"),
        ];
        kinds
            .iter()
            .enumerate()
            .for_each(|(i, k)| trace.record_at(i as u64, k.0));
        let (_, events) = parse(&trace);
        for (event, (kind, phase, category)) in events[1..].iter().zip(kinds) {
            assert_eq!(
                (&event["ph"], &event["cat"]),
                (&json!(phase), &json!(category))
            );
            assert_eq!(event.get("s").is_some(), phase == "i", "{event}");
            assert_eq!(event.get("dur").is_some(), phase == "X", "{event}");
            assert_eq!(
                event["args"].get("function").is_some(),
                kind.function().is_some()
            );
            assert!(event["ts"].is_number() && event["tid"].is_number());
        }
        assert_eq!(events.len(), 1 + kinds.len());
        assert_eq!(events[3]["args"]["from"], "interp");
        assert_eq!(events[9]["args"], json!({ "bytes": 16 }));
    }

    #[test]
    fn the_oldest_are_dropped_and_counted() {
        let trace = Trace::new(3);
        (0..10).for_each(|i| trace.record_at(i, EventKind::CodeMemory { bytes: i }));
        let kept: Vec<u64> = trace.events().iter().map(|e| e.at_ns).collect();
        assert_eq!((kept, trace.dropped()), (vec![7, 8, 9], 7));
        assert_eq!(
            parse(&trace).0["otherData"],
            json!({ "events": 3, "dropped": 7 })
        );
    }

    #[test]
    fn a_pause_is_remembered_after_it_was_dropped() {
        for trace in [Trace::new(0), Trace::new(1)] {
            trace.record(EventKind::Pause {
                function: 0,
                duration_ns: 900,
            });
            trace.record(EventKind::Pause {
                function: 0,
                duration_ns: 5,
            });
            assert_eq!(trace.longest_pause_ns(), 900);
        }
    }

    #[test]
    fn containing_events_come_first() {
        let trace = Trace::new(4);
        trace.record_at(
            5,
            EventKind::Swap {
                function: 0,
                tier: Tier::O1,
            },
        );
        trace.record_at(
            5,
            EventKind::Pause {
                function: 0,
                duration_ns: 10,
            },
        );
        trace.record_at(
            1,
            EventKind::Phase {
                name: "all",
                duration_ns: 100,
            },
        );
        let order: Vec<Value> = parse(&trace).1[1..]
            .iter()
            .map(|e| e["cat"].clone())
            .collect();
        assert_eq!(order, ["phase", "pause", "swap"]);
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
