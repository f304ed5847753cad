//! Compiles of a warm start wait until they pay, as does the last step of a first run; what the next run gains by is
//! compiled when a run ends.

#[allow(dead_code)]
#[path = "tier/support.rs"]
mod support;

use engine::profile::Tier;
use engine::snapshot::{Hash, Left, Origin, Snapshot};
use engine::tier::{Config, Engine, Thresholds};

use std::fmt::Write;
use std::time::{Duration, Instant};
use support::*;

const LONG: usize = 3_000;
/// The compile of a function of [`LONG`] instructions at O1 is guessed to take a tenth of this or a little more.
const LATER: Duration = Duration::from_millis(720);

/// `f` with [`LONG`] instructions and no loop.
fn long() -> String {
    let mut ir = "define i64 @f(i64 %x0) {\n".to_owned();
    for i in 0..LONG {
        let (from, to) = (i, i + 1);
        // Nothing that LLVM would fold into one instruction.
        let op = ["add", "mul", "xor"][i % 3];
        writeln!(ir, " %x{to} = {op} i64 %x{from}, {}", 2 * i + 3).unwrap();
    }
    write!(ir, " ret i64 %x{LONG}\n}}\n").unwrap();
    ir
}

fn origin(program: &str) -> Origin {
    Origin {
        source: Hash::of(program.as_bytes()),
        program: Hash::of(program.as_bytes()),
        cpu: 1,
        build: 2,
    }
}

fn take(engine: &Engine, program: &str) -> Snapshot {
    let patience = Duration::from_secs(60);
    engine.snapshot(&origin(program), 1, patience).unwrap()
}

/// An engine with a compiler of its own that keeps its code, going on from a snapshot if there is one.
fn run(program: &str, left: Option<&Snapshot>) -> Engine {
    let engine = start(program, Config::default(), &[]);
    engine.keep_code();
    if let Some(left) = left {
        let left = Left {
            profile: Some(&left.profile),
            code: Some(&left.code),
        };
        let imported = engine.restore(&origin(program), &left);
        assert!(imported.rejected.is_empty() && imported.compiled > 0);
    }
    engine
}

fn calls_of_f(engine: &Engine, n: i64) {
    for x in 0..n {
        call(engine, "f", x);
    }
}

#[test]
fn a_warm_start_compiles_later_what_does_not_pay() {
    let program = long();
    let cold = run(&program, None);
    calls_of_f(&cold, 20);
    settle(&cold);
    assert_eq!(report(&cold, "f").tier, Tier::O0);
    let expected = call(&cold, "f", 12);
    let snapshot = take(&cold, &program);
    drop(cold);

    let start = Instant::now();
    let warm = run(&program, Some(&snapshot));
    calls_of_f(&warm, 100);
    assert!(warm.is_compiling(), "it asked");
    settle(&warm);
    assert!(start.elapsed() >= LATER, "after {:?}", start.elapsed());
    assert_eq!(report(&warm, "f").tier, Tier::O1);
    assert_eq!(call(&warm, "f", 12), expected);
    drop(warm);

    // The end of the run serves what waits.
    let warm = run(&program, Some(&snapshot));
    calls_of_f(&warm, 100);
    warm.compile_the_rest();
    settle(&warm);
    assert_eq!(report(&warm, "f").tier, Tier::O1);
    assert_eq!(call(&warm, "f", 12), expected);
}

#[test]
fn a_first_run_takes_its_time_for_the_last_step() {
    let program = long();
    let config = Config {
        thresholds: Thresholds {
            calls: [10, 20, 30, 40],
            back_edges: [u64::MAX; 4],
        },
        ..Config::default()
    };
    let cold = start(&program, config, &[]);
    calls_of_f(&cold, 35);
    settle(&cold);
    assert_eq!(report(&cold, "f").tier, Tier::O2);
    calls_of_f(&cold, 10);
    settle(&cold);
    // A quarter of the run is for compiles that do not pay; how long this one takes was a guess.
    let f = report(&cold, "f");
    assert_eq!(f.tier, Tier::O3);
    let last = f.tiers.iter().find(|t| t.tier == Tier::O3).unwrap();
    let reached = last.reached_ns.unwrap();
    let took: u64 = f.tiers.iter().map(|t| t.compile_ns).sum();
    assert!(reached > 2 * took, "{reached} ns, compiles took {took} ns");
}

#[test]
fn who_waits_for_a_compile_gets_it_at_once() {
    let program = long();
    let cold = run(&program, None);
    calls_of_f(&cold, 20);
    settle(&cold);
    let snapshot = take(&cold, &program);
    drop(cold);
    let warm = run(&program, Some(&snapshot));
    warm.recompile("f", engine::Level::O1).unwrap();
    assert_eq!(report(&warm, "f").tier, Tier::O1);
}

#[test]
fn what_is_hot_in_a_warm_start_is_compiled_in_it() {
    let cold = run(ADD, None);
    calls_of_f(&cold, 20);
    settle(&cold);
    let snapshot = take(&cold, ADD);
    drop(cold);
    let warm = run(ADD, Some(&snapshot));
    let start = Instant::now();
    while report(&warm, "f").tier < Tier::O3 {
        calls_of_f(&warm, 10_000);
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}

#[test]
fn the_end_of_a_run_compiles_what_each_run_calls_once() {
    let program = format!("{SPIN}{ADD}");
    let cold = run(&program, None);
    // Too few rounds to be taken over while it runs, and more than its compile costs.
    assert_eq!(call(&cold, "spin", 99_000), spun(99_000));
    assert_eq!(call(&cold, "f", 1), 8);
    settle(&cold);
    assert_eq!(report(&cold, "spin").tier, Tier::Interp);
    cold.compile_the_rest();
    settle(&cold);
    assert!(report(&cold, "spin").tier >= Tier::O1);
    // What did next to nothing has none.
    assert_eq!(report(&cold, "f").tier, Tier::Interp);
    let snapshot = take(&cold, &program);
    drop(cold);
    let warm = run(&program, Some(&snapshot));
    assert!(report(&warm, "spin").tier >= Tier::O1);
    assert_eq!(call(&warm, "spin", 99_000), spun(99_000));
}

/// The interpreter has no vectors of halves: what it cannot express is compiled at the first call, in the way of the program.
#[test]
fn the_end_of_a_run_keeps_code_of_what_cannot_be_interpreted() {
    let program = "
        define i64 @f(i64 %x) {
          %v = insertelement <8 x half> zeroinitializer, half 0xH4200, i64 %x
          %w = fadd <8 x half> %v, splat (half 0xH3C00)
          %h = extractelement <8 x half> %w, i64 %x
          %r = fptosi half %h to i64
          ret i64 %r
        }";
    let cold = run(program, None);
    assert_eq!(call(&cold, "f", 3), 4);
    assert_eq!(cold.unsupported().len(), 1);
    cold.compile_the_rest();
    settle(&cold);
    assert!(report(&cold, "f").tier >= Tier::O1);
    let snapshot = take(&cold, program);
    drop(cold);
    let warm = run(program, Some(&snapshot));
    assert_eq!(call(&warm, "f", 5), 4);
    assert_eq!(warm.unsupported().len(), 0);
}
