//! Several threads in the same functions while their code is replaced.

use super::support::*;
use engine::Level;
use engine::tier::{Config, Engine, Mode};
use engine::trace::EventKind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PROGRAM: &str = "
typedef long fn(long);
long fib(long n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
long up(long x) { return x * 3 + 1; }
long down(long x) { return x / 2; }
long pick(fn *f, long x) { return f(x); }
long collatz(long x) {
    long steps = 0;
    while (x != 1) { x = pick(x & 1 ? up : down, x); steps++; }
    return steps;
}
long mix(long n) {
    unsigned long h = n;
    for (int i = 0; i < 40; i++) h = (h ^ (h >> 7)) * 0x9E3779B97F4A7C15ul + i;
    return h >> 1;
}";

fn fib(n: i64) -> i64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

fn collatz(x: i64) -> i64 {
    let (mut x, mut steps) = (x, 0);
    while x != 1 {
        x = if x % 2 == 1 { x * 3 + 1 } else { x / 2 };
        steps += 1;
    }
    steps
}

fn mix(n: i64) -> i64 {
    let round = |h: u64, i: u64| {
        (h ^ (h >> 7))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(i)
    };
    ((0..40).fold(n as u64, round) >> 1) as i64
}

/// Three threads for a while; gives the number of calls. Each enters the engine for many calls at a time.
fn run(engine: &Engine, time: Duration) -> u64 {
    let names = ["fib", "collatz", "mix"];
    let calls = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for t in 0..3_i64 {
            let calls = &calls;
            scope.spawn(move || {
                let all = names.map(|n| {
                    // SAFETY: their type.
                    unsafe {
                        std::mem::transmute::<usize, extern "C" fn(i64) -> i64>(
                            engine.address(n).unwrap(),
                        )
                    }
                });
                let mut x = 1 + t;
                while start.elapsed() < time {
                    engine.call(|| {
                        for _ in 0..20 {
                            assert_eq!(all[0](x % 12), fib(x % 12));
                            assert_eq!(all[1](x), collatz(x));
                            assert_eq!(all[2](x), mix(x));
                            x = x % 5_000 + 3;
                        }
                    });
                    calls.fetch_add(60, Ordering::Relaxed);
                }
            });
        }
    });
    calls.into_inner()
}

/// Code memory once everything that can be freed is.
fn rest(engine: &Engine) -> u64 {
    settle(engine);
    let mut last = code_memory(engine);
    let mut since = Instant::now();
    until("code memory rests", || {
        let now = code_memory(engine);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_millis(300)
    });
    last
}

fn swaps(engine: &Engine) -> usize {
    let is = |e: &&engine::trace::Event| matches!(e.kind, EventKind::Swap { .. });
    engine.trace().events().iter().filter(is).count()
}

/// Bytes that six functions, their loops and the ways in and out may have.
const ENOUGH: u64 = 256 << 10;

#[test]
fn threads_share_functions_that_climb() {
    let config = Config {
        thresholds: engine::tier::Thresholds {
            calls: [5, 50, 500, 5_000],
            back_edges: [500, 2_000, 10_000, 100_000],
        },
        ..Config::default()
    };
    let engine = start(&c(PROGRAM), config, &[]);
    until("functions climbed", || {
        run(&engine, Duration::from_millis(400));
        swaps(&engine) >= 8
    });
    let bytes = rest(&engine);
    assert!(
        bytes < ENOUGH,
        "{bytes} bytes after {} swaps",
        swaps(&engine)
    );
}

#[test]
fn threads_share_functions_that_change_at_random() {
    for (seed, force_osr) in [(1, false), (2, true)] {
        let config = Config {
            shuffle: Some(seed),
            force_osr,
            trace_events: 1 << 18,
            ..Config::default()
        };
        let engine = start(&c(PROGRAM), config, &[]);
        until("functions changed", || {
            run(&engine, Duration::from_millis(500));
            swaps(&engine) > 10
        });
        let bytes = rest(&engine);
        assert!(
            bytes < ENOUGH,
            "{bytes} bytes after {} swaps",
            swaps(&engine)
        );
    }
}

#[test]
fn two_threads_call_while_a_third_swaps() {
    let config = Config {
        mode: Mode::Interpret,
        trace_events: 1 << 16,
        ..Config::default()
    };
    let engine = start(&c(PROGRAM), config, &[]);
    let done = AtomicBool::new(false);
    let mut after_first = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                run(&engine, Duration::from_millis(100));
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert_eq!(call(&engine, "mix", 99), mix(99));
            }
        });
        let start = Instant::now();
        for level in Level::ALL.into_iter().cycle() {
            for name in ["mix", "up", "pick"] {
                engine.recompile(name, level).unwrap();
            }
            if after_first == 0 && level == Level::O3 {
                after_first = code_memory(&engine);
            }
            if start.elapsed() > Duration::from_millis(800) && swaps(&engine) > 36 {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let (bytes, swaps) = (rest(&engine), swaps(&engine));
    assert!(swaps > 20, "{swaps}");
    assert!(
        bytes <= after_first + (32 << 10),
        "{after_first} bytes, {bytes} after {swaps} swaps"
    );
}

#[test]
fn threads_that_came_late_and_left_early_are_no_matter() {
    let engine = start(ADD, Config::default(), &[]);
    for _ in 0..30 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7)));
            }
        });
    }
    settle(&engine);
    // Counting without locks may lose calls. A count that is stored over the start of the next countdown makes that look
    // run down: the countdowns to O0, O1, O2 and O3 are 10,000 calls together.
    let calls = report(&engine, "f").calls;
    assert!((5_001..=34_000).contains(&calls), "{calls}");
}
