//! What people are told: failures on standard error, and what the report says of each function.

use super::support::*;
use engine::profile::{ProfileReport, TextOptions, Tier};
use engine::tier::{Config, Engine};
use std::process::Command;

/// Lines that a test of this program writes to standard error when a compile fails.
fn complaints(test: &str) -> Vec<String> {
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .output()
        .unwrap();
    let (out, err) = (&done.stdout, String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{err}");
    assert!(String::from_utf8_lossy(out).contains("1 passed"), "{test}");
    let lines = err
        .lines()
        .filter(|l| l.starts_with("bareflow: compile of"));
    lines.map(str::to_owned).collect()
}

fn details(engine: &Engine) -> String {
    engine.report().to_text(TextOptions {
        functions: 10,
        details: true,
    })
}

#[test]
fn a_failed_compile_is_said_once_on_standard_error() {
    let first = "queue::a_function_that_cannot_be_compiled_is_interpreted_and_says_why";
    let said = complaints(first);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("bareflow: compile of held at O0 failed: "),
        "{said:?}"
    );
    assert!(said[0].contains("__divti3"), "{said:?}");
    assert!(said[0].ends_with("; its old code goes on"), "{said:?}");
    // Two compiles of one function fail there.
    let second = complaints("queue::code_that_cannot_be_replaced_stays");
    assert_eq!(second.len(), 1, "{second:?}");
    assert!(second[0].contains("held at O2 failed"), "{second:?}");
}

/// Divides `n` times what is too wide for machine code without a library.
const WIDE: &str = "
@one = global i128 1
define i64 @wide(i64 %n) {
start:
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %i2, %loop ]
  %w = sext i64 %i to i128
  %one = load i128, ptr @one
  %q = sdiv i128 %w, %one
  %r = trunc i128 %q to i64
  %i2 = add i64 %r, 1
  %more = icmp slt i64 %i2, %n
  br i1 %more, label %loop, label %end
end:
  ret i64 %i2
}
";

#[test]
fn a_loop_that_cannot_be_compiled_is_counted_and_says_why() {
    let engine = start_with(WIDE, at_once(), |_| None).unwrap();
    assert_eq!(call(&engine, "wide", 300_000), 300_000);
    let wide = report(&engine, "wide");
    assert_eq!((wide.tier, wide.osr_entries), (Tier::Interp, 0));
    assert_eq!(engine.report().totals.failures, 1);
    let o3 = wide.tiers.iter().find(|t| t.tier == Tier::O3).unwrap();
    assert_eq!((o3.failures, o3.osr_failures), (0, 1));
    assert_eq!(wide.failed.len(), 1);
    assert_eq!(
        (wide.failed[0].tier, wide.failed[0].block),
        (Tier::O3, Some(1))
    );
    assert!(wide.failed[0].why.contains("__divti3"), "{:?}", wide.failed);
    // Also in a report that is made again.
    for state in [wide.state, report(&engine, "wide").state] {
        assert!(
            state.contains("its loop at block 1 stays where it is"),
            "{state}"
        );
        assert!(state.contains("__divti3"), "{state}");
    }
    assert!(details(&engine).contains("loop at block 1 at O3: "));
}

#[test]
fn a_loop_that_cannot_be_compiled_is_said_once_on_standard_error() {
    let said = complaints("told::a_loop_that_cannot_be_compiled_is_counted_and_says_why");
    assert_eq!(said.len(), 1, "{said:?}");
    let start = "bareflow: compile of wide from its loop at block 1 on at O3 failed: ";
    assert!(said[0].starts_with(start), "{said:?}");
    assert!(said[0].contains("__divti3"), "{said:?}");
}

#[test]
fn code_that_takes_over_at_a_loop_is_part_of_what_a_function_cost() {
    let engine = start(SPIN, at_once(), &[]);
    assert_eq!(call(&engine, "spin", 300_000), spun(300_000));
    let spin = report(&engine, "spin");
    let o3 = spin.tiers.iter().find(|t| t.tier == Tier::O3).unwrap();
    assert_eq!((o3.compiles, o3.osr_compiles), (0, 1));
    assert!(o3.osr_compile_ns > 0 && o3.osr_code_bytes > 0, "{o3:?}");
    assert_eq!(spin.compile_ns(), o3.osr_compile_ns);
    let totals = engine.report().totals;
    assert_eq!((totals.compiles, totals.osr_compiles), (1, 1));
    assert_eq!(totals.compile_ns, o3.osr_compile_ns);
    assert!(totals.code_bytes >= o3.osr_code_bytes);
    let state = &spin.state;
    assert!(
        state.contains("its loop at block 1 runs compiled at O3, entered 1 times"),
        "{state}"
    );
    assert!(
        state.contains(" of 1,000 for O0: its only call so far has no use for it; its loop"),
        "{state}"
    );
    // Nobody counts its rounds there.
    assert!(spin.back_edges_at_least && !spin.calls_at_least);
    let text = details(&engine);
    assert!(
        text.contains("code that takes over at its loops: 1 at O3"),
        "{text}"
    );
}

#[test]
fn calls_from_the_interpreter_into_compiled_code_count_once() {
    let ir = "
define i64 @g(i64 %n) {
start:
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %i2, %loop ]
  %y = call i64 @f(i64 %i)
  %i2 = add i64 %i, 1
  %more = icmp slt i64 %i2, %n
  br i1 %more, label %loop, label %end
end:
  ret i64 %i2
}
";
    for program in [ADD, HALVES.split("define i64 @g").next().unwrap()] {
        let config = Config {
            osr: false,
            ..at_once()
        };
        let engine = start(&format!("{program}{ir}"), config, &[]);
        assert_eq!(call(&engine, "g", 800), 800);
        assert_eq!(report(&engine, "g").tier, Tier::Interp);
        let f = report(&engine, "f");
        assert_eq!((f.calls, f.tier), (800, Tier::O1));
    }
}

/// The interpreter has no vectors of halves: neither inside of a function, nor as a parameter.
const HALVES: &str = "
define i64 @f(i64 %x) {
  %i = and i64 %x, 7
  %v = insertelement <8 x half> zeroinitializer, half 0xH4200, i64 %i
  %w = fadd <8 x half> %v, splat (half 0xH3C00)
  %h = extractelement <8 x half> %w, i64 %i
  %r = fptosi half %h to i64
  ret i64 %r
}
define i64 @g(i64 %x) {
  ret i64 %x
}
";

#[test]
fn what_cannot_be_interpreted_is_counted_named_and_climbs() {
    let engine = start(HALVES, at_once(), &[]);
    assert_eq!(report(&engine, "f").unsupported, None);
    (0..5).for_each(|x| assert_eq!(call(&engine, "f", x), 4));
    let all = engine.report();
    assert_eq!(all.totals.unsupported, 1);
    assert_eq!((all.totals.never_ran, all.totals.compiles), (1, 1));
    let f = report(&engine, "f");
    assert_eq!((f.calls, f.tier), (5, Tier::O1));
    assert!(f.compile_ns() > 0 && f.code_bytes() > 0, "{f:?}");
    assert!(f.tiers.iter().any(|t| t.reached_ns.is_some()), "{f:?}");
    let why = f.unsupported.unwrap();
    assert!(why.contains("<8 x half>"), "{why}");
    assert!(f.state.starts_with("cannot be interpreted"), "{}", f.state);
    assert!(f.state.contains("5 calls of 100, "), "{}", f.state);
    assert!(details(&engine).contains("cannot express 1 functions"));
    assert_eq!(ProfileReport::from_json(&all.to_json()).unwrap(), all);
    // It never gets worse code than it began with, and then climbs as others do.
    (0..94).for_each(|x| assert_eq!(call(&engine, "f", x), 4));
    assert_eq!(compiles(&engine, "f"), 0);
    call(&engine, "f", 0);
    assert_eq!(
        (compiles(&engine, "f"), report(&engine, "f").calls),
        (1, 100)
    );
    (0..1_000).for_each(|x| assert_eq!(call(&engine, "f", x), 4));
    let f = report(&engine, "f");
    assert_eq!((f.tier, f.calls), (Tier::O2, 1_100));
    assert!(f.unsupported.is_some());
}

#[test]
fn what_cannot_be_interpreted_is_compiled_as_was_asked_for() {
    for (mode, tier) in [("interp", Tier::O1), ("O0", Tier::O0), ("O3", Tier::O3)] {
        let config = Config {
            mode: mode.parse().unwrap(),
            ..Config::default()
        };
        let engine = start(HALVES, config, &[]);
        (0..50).for_each(|x| assert_eq!(call(&engine, "f", x), 4));
        let f = report(&engine, "f");
        assert_eq!(f.tier, tier, "{mode}");
        assert_eq!(f.calls, if mode == "O3" { 1 } else { 50 }, "{mode}");
        assert_eq!(f.calls_at_least, mode == "O3");
    }
}

#[test]
fn what_has_no_number_is_named_too() {
    let ir = "
define i64 @taken(<8 x half> %v) {
  %h = extractelement <8 x half> %v, i64 0
  %r = fptosi half %h to i64
  ret i64 %r
}";
    let engine = start(&format!("{HALVES}{ir}"), at_once(), &[]);
    let all = engine.report();
    assert_eq!((all.totals.functions, all.totals.unsupported), (3, 1));
    let taken = report(&engine, "taken");
    assert!(
        taken
            .unsupported
            .unwrap()
            .contains("type that cannot be held")
    );
    assert!(taken.calls_at_least && taken.state.contains("never counted"));
    assert!(details(&engine).contains("taken"));
}

#[test]
fn the_report_says_what_was_reached_and_what_is_missing() {
    let engine = start(ADD, at_once(), &[]);
    let run = |n: i64| (0..n).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    let state = || report(&engine, "f").state;
    run(4);
    assert_eq!(state(), "4 calls of 10, 0 backward jumps of 1,000 for O0");
    run(336);
    let at_o1 =
        "hot: O1 for its calls (100); 340 calls of 1,000, 0 backward jumps of 100,000 for O2";
    assert_eq!(state(), at_o1);
    let f = report(&engine, "f");
    assert!(!f.calls_at_least && !f.back_edges_at_least);
    run(9_660);
    assert_eq!(
        state(),
        "hot: O3 for its calls (10,000); there is no higher tier"
    );
    let f = report(&engine, "f");
    // It has no loops, so none of their rounds were missed.
    assert!(f.calls_at_least && !f.back_edges_at_least);
    let text = engine.report().to_text(TextOptions::default());
    assert!(
        text.contains("10000+") && text.contains("+ at least"),
        "{text}"
    );
}

#[test]
fn the_report_says_that_loops_were_the_reason() {
    let engine = start(SPIN, at_once(), &[]);
    (0..3).for_each(|_| assert_eq!(call(&engine, "spin", 1_500), spun(1_500)));
    let state = report(&engine, "spin").state;
    assert!(
        state.starts_with("hot: O0 for its backward jumps (1,000); 3 calls of 100, "),
        "{state}"
    );
    assert!(
        state.contains(" backward jumps of 10,000 for O1"),
        "{state}"
    );
}

#[test]
fn the_report_says_what_was_asked_for() {
    for (mode, state) in [
        ("interp", "interpreted, as was asked for"),
        ("O1", "O1, as was asked for"),
    ] {
        let config = Config {
            mode: mode.parse().unwrap(),
            ..Config::default()
        };
        let engine = start(ADD, config, &[]);
        assert_eq!(report(&engine, "f").state, "never called");
        (0..3).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
        assert_eq!(report(&engine, "f").state, state);
    }
}

#[test]
fn the_report_says_that_the_last_step_is_held_back() {
    let mut ir = "define i64 @f(i64 %x) {\n %v0 = add i64 %x, 1\n".to_owned();
    for i in 1..1_500 {
        let op = ["mul", "xor", "add"][i % 3];
        ir += &format!(" %v{i} = {op} i64 %v{}, {}\n", i - 1, 77_777 * i);
    }
    ir += " ret i64 %v1499\n}\n";
    let config = Config {
        thresholds: calls([1, 2, 3, NEVER]),
        ..Config::default()
    };
    let engine = start(&ir, config, &[]);
    until("it is at O2", || {
        call(&engine, "f", 1);
        report(&engine, "f").tier == Tier::O2
    });
    engine.set_thresholds(calls([1, 2, 3, 4]));
    // O2 is there long before a quarter of the run would pay for one more compile.
    until("O3 is held back", || {
        call(&engine, "f", 1);
        report(&engine, "f")
            .state
            .contains("O3 is held back: it does not pay yet")
    });
}
