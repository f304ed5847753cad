//! The trace as JSON that viewers open: Perfetto, chrome://tracing, speedscope.
//!
//! "Trace Event Format" of the Chromium project, in its JSON object form:
//!
//! ```text
//! { "displayTimeUnit": "ns", "otherData": { "events": .., "dropped": .. }, "traceEvents": [
//!   { "name": .., "cat": .., "ph": "X", "pid": 1, "tid": .., "ts": .., "dur": .., "args": { .. } },  took some time
//!   { .., "ph": "i", "s": "t", .. },                                                   happened, on its thread
//!   { .., "ph": "C", "args": { "bytes": .. } },                                        a value from then on
//!   { "name": "thread_name", "ph": "M", "args": { "name": .. } } ] }                   a name
//! ```
//!
//! `ts` and `dur` are microseconds with fractions. Complete events (`X`) of one thread must nest: Perfetto shows no
//! others.

use super::{Event, EventKind, Outcome, Trace};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

impl Trace {
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

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Published => "published",
            Outcome::Failed => "failed",
        }
    }
}

impl EventKind {
    /// Category, label and arguments in the viewer.
    fn describe(&self, function: &str) -> (&'static str, String, Value) {
        match *self {
            EventKind::Compile {
                tier,
                cpu_ns,
                bytes,
                outcome,
                ..
            } => (
                "compile",
                format!("{function} {tier}"),
                json!({ "tier": tier, "cpu_ns": cpu_ns, "bytes": bytes, "result": outcome.name() }),
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
            EventKind::Pause { why, .. } => (
                "pause",
                format!("pause {function}"),
                json!({ "waited_for": why.name() }),
            ),
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
    use crate::profile::Tier;
    use crate::trace::Wait;
    use crate::trace::thread_number;
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
    fn what_was_dropped_is_said() {
        let trace = Trace::new(3);
        (0..10).for_each(|i| trace.record_at(i, EventKind::CodeMemory { bytes: i }));
        let other = &parse(&trace).0["otherData"];
        assert_eq!(*other, json!({ "events": 3, "dropped": 7 }));
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
                    cpu_ns: 2_000,
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
            "args": { "function": "f\"3\"", "tier": "O2", "bytes": 640, "cpu_ns": 2_000, "result": "published" },
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
                    why: Wait::Link,
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
        let paused = events.iter().find(|e| e["cat"] == "pause").unwrap();
        assert_eq!(paused["args"]["waited_for"], "link");
        assert_eq!(events[9]["args"], json!({ "bytes": 16 }));
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
                why: Wait::Compile,
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
}
