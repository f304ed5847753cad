//! Requests: one at a time for a function, the hottest first, and what failed stays as it was.

use super::support::*;
use engine::Level;
use engine::profile::Tier;
use engine::tier::{Config, Engine};
use engine::trace::{Event, EventKind, Outcome, Wait};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn requests(engine: &Engine, name: &str) -> usize {
    let is = |k: &&EventKind| matches!(k, EventKind::Request { .. });
    events(engine, name).iter().filter(is).count()
}

#[test]
fn a_function_has_one_request_at_a_time() {
    let held = Held::start(ADD, Config::default());
    let engine = &held.engine;
    for x in 0..2_000 {
        assert_eq!(call(engine, "held", x), x / 3);
        assert_eq!(call(engine, "f", x), x + 7);
    }
    assert_eq!(requests(engine, "held"), 1);
    assert_eq!(requests(engine, "f"), 1);
    held.open();
    settle(engine);
    // What was earned meanwhile is given at once: nothing is compiled for tiers that are passed by.
    assert_eq!(report(engine, "f").tier, Tier::O2);
    assert_eq!(compiles(engine, "f"), 1);
    until("held has what it earned", || {
        report(engine, "held").tier == Tier::O2
    });
    for x in -5..5 {
        assert_eq!(call(engine, "held", x), x / 3);
    }
}

#[test]
fn requests_and_compiles_take_turns() {
    let engine = start(ADD, Config::default(), &[]);
    until("f is at O3", || {
        (0..50).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
        report(&engine, "f").tier == Tier::O3
    });
    settle(&engine);
    take_turns(&engine, "f");
}

/// Asserts that the requests of a function and what came of them take turns; gives their number.
fn take_turns(engine: &Engine, name: &str) -> usize {
    let mut asked = false;
    for event in events(engine, name) {
        match event {
            EventKind::Request { .. } => assert!(!std::mem::replace(&mut asked, true)),
            EventKind::Compile { .. } => assert!(std::mem::replace(&mut asked, false)),
            _ => {}
        }
    }
    assert!(!asked, "a request of {name} came to nothing");
    requests(engine, name)
}

/// Two loops, one after the other.
const TWICE: &str = "
long twice(long n) {
    long x = 1;
    for (long i = 0; i < n; i++) x = x * 5 + i;
    for (long i = 0; i < n; i++) x = x * 3 ^ i;
    return x;
}";

fn twice(n: i64) -> i64 {
    let x = (0..n).fold(1, |x: i64, i| x.wrapping_mul(5).wrapping_add(i));
    (0..n).fold(x, |x, i| x.wrapping_mul(3) ^ i)
}

#[test]
fn loops_are_parts_of_their_functions_request() {
    let held = Held::start(&c(TWICE), Config::default());
    let engine = &held.engine;
    // Both loops want code of their own, then the function for its next call.
    assert_eq!(call(engine, "twice", 400_000), twice(400_000));
    for n in 0..20 {
        assert_eq!(call(engine, "twice", n), twice(n));
    }
    assert_eq!(requests(engine, "twice"), 1);
    held.open();
    settle(engine);
    // All came to pass, one after the other: nothing was lost.
    assert!(take_turns(engine, "twice") >= 3);
    let compiled = compiles(engine, "twice");
    let function: u32 = report(engine, "twice")
        .tiers
        .iter()
        .map(|t| t.compiles)
        .sum();
    assert_eq!(
        (compiled - function as usize, report(engine, "twice").tier),
        (2, Tier::O2)
    );
}

#[test]
fn what_is_asked_for_by_name_joins_the_request_in_flight() {
    let held = Held::start(ADD, Config::default());
    let engine = &held.engine;
    (0..200).for_each(|x| assert_eq!(call(engine, "f", x), x + 7));
    let asked = std::thread::scope(|s| {
        let waiter = s.spawn(|| engine.recompile("f", Level::O3));
        until("a thread waits", || engine.is_waited_for());
        let asked = requests(engine, "f");
        held.open();
        waiter.join().unwrap().unwrap();
        asked
    });
    assert_eq!(asked, 1);
    settle(engine);
    assert_eq!(report(engine, "f").tier, Tier::O3);
    take_turns(engine, "f");
}

/// Whether a program thread stood still for this.
fn waits(event: &Event, wanted: Wait) -> bool {
    matches!(event.kind, EventKind::Pause { why, .. } if why == wanted)
}

#[test]
fn what_a_first_call_waits_for_is_traced() {
    // The interpreter knows no `half`.
    let program = format!(
        "{ADD}
        define i64 @of_half(i64 %x) {{
          %v = insertelement <8 x half> zeroinitializer, half 0xH4200, i64 %x
          %w = fadd <8 x half> %v, splat (half 0xH3C00)
          %h = extractelement <8 x half> %w, i64 %x
          %i = fptosi half %h to i64
          ret i64 %i
        }}"
    );
    let engine = start(&program, Config::default(), &[]);
    assert_eq!(call(&engine, "f", 1), 8);
    assert_eq!(call(&engine, "of_half", 1), 4);
    for (name, why) in [("f", Wait::Decode), ("of_half", Wait::Compile)] {
        let id = report(&engine, name).id;
        let events = engine.trace().events();
        let mut own = events.iter().filter(|e| e.kind.function() == Some(id));
        assert!(own.any(|e| waits(e, why)), "{name}: {events:?}");
    }
}

#[test]
fn the_program_goes_on_while_code_is_made() {
    let held = Held::start(&format!("{ADD}{SPIN}"), Config::default());
    let engine = &held.engine;
    (0..20_000).for_each(|x| assert_eq!(call(engine, "f", x), x + 7));
    // Hot enough for other code, which is not there.
    assert_eq!(call(engine, "spin", 300_000), spun(300_000));
    assert_eq!(report(engine, "f").tier, Tier::Interp);
    assert_eq!(report(engine, "spin").osr_entries, 0);
    let is_pause = |e: &Event| waits(e, Wait::Compile);
    assert!(!engine.trace().events().iter().any(is_pause));
    held.open();
    settle(engine);
    assert_eq!(report(engine, "f").tier, Tier::O3);
}

#[test]
fn the_hottest_comes_first() {
    let mut program = String::new();
    for name in ["a", "b", "c", "d"] {
        program += &ADD.replace("@f", &format!("@{name}"));
    }
    let config = Config {
        thresholds: calls([10, 1_000, NEVER, NEVER]),
        ..Config::default()
    };
    let held = Held::start(&program, config);
    let engine = &held.engine;
    // Asked for in another order than that of their heat.
    for (name, count) in [("b", 300), ("d", 20), ("a", 900), ("c", 100)] {
        (0..count).for_each(|x| assert_eq!(call(engine, name, x), x + 7));
    }
    held.open();
    settle(engine);
    let ids: Vec<u32> = ["held", "a", "b", "c", "d"]
        .map(|n| report(engine, n).id)
        .into();
    let order: Vec<u32> = engine
        .trace()
        .events()
        .into_iter()
        .filter_map(|e| match e.kind {
            EventKind::Compile { function, .. } => Some(function),
            _ => None,
        })
        .collect();
    assert_eq!(order, ids);
}

/// An engine that finds the division of wide integers while `allowed`.
fn refusing(allowed: bool, config: Config) -> (Engine, Arc<AtomicBool>) {
    let allowed = Arc::new(AtomicBool::new(allowed));
    let asked = allowed.clone();
    let engine = start_with(&format!("{HELD}{ADD}"), config, move |name| {
        let is_there = name == "__divti3" && asked.load(Ordering::SeqCst);
        is_there.then_some(divide as *const () as usize)
    });
    (engine.unwrap(), allowed)
}

fn failures(engine: &Engine, name: &str) -> usize {
    let is = |k: &&EventKind| {
        matches!(
            k,
            EventKind::Compile {
                outcome: Outcome::Failed,
                ..
            }
        )
    };
    events(engine, name).iter().filter(is).count()
}

#[test]
fn a_function_that_cannot_be_compiled_is_interpreted_and_says_why() {
    let (engine, _) = refusing(false, at_once());
    for x in 0..2_000 {
        assert_eq!(call(&engine, "held", x), x / 3);
        assert_eq!(call(&engine, "f", x), x + 7);
    }
    let held = report(&engine, "held");
    assert_eq!((held.tier, held.calls), (Tier::Interp, 2_000));
    // Once: what failed is not tried again and again.
    assert_eq!(failures(&engine, "held"), 1);
    assert_eq!(engine.report().totals.failures, 1);
    let state = held.state;
    assert!(state.contains("not promoted to O0"), "{state}");
    assert!(state.contains("__divti3"), "{state}");
    // The others go on.
    assert_eq!(report(&engine, "f").tier, Tier::O2);
}

#[test]
fn code_that_cannot_be_replaced_stays() {
    let (engine, allowed) = refusing(true, at_once());
    let run = |n: i64| (0..n).for_each(|x| assert_eq!(call(&engine, "held", x), x / 3));
    run(150);
    assert_eq!(report(&engine, "held").tier, Tier::O1);
    allowed.store(false, Ordering::SeqCst);
    run(1_000);
    let held = report(&engine, "held");
    assert_eq!((held.tier, failures(&engine, "held")), (Tier::O1, 1));
    assert!(held.state.contains("not promoted to O2"), "{}", held.state);
    let error = engine.recompile("held", Level::O3).unwrap_err().to_string();
    assert!(error.contains("__divti3"), "{error}");
    run(100);
    assert_eq!(report(&engine, "held").tier, Tier::O1);
}

#[test]
fn stopping_ends_compiling_and_not_the_program() {
    let engine = start(ADD, at_once(), &[]);
    (0..10).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    engine.stop();
    (0..20_000).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    assert_eq!(report(&engine, "f").tier, Tier::O0);
    assert!(!engine.is_compiling());
}
