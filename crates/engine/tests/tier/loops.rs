//! Heat of loops, and loops that go on in faster code.

use super::support::*;
use engine::profile::Tier;
use engine::tier::{Config, Engine, Mode, Thresholds};
use engine::trace::EventKind;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// From and to of the loops that moved.
fn moves(engine: &Engine, name: &str) -> Vec<(Tier, Tier)> {
    let of = |k: EventKind| match k {
        EventKind::Osr { from, to, .. } => Some((from, to)),
        _ => None,
    };
    events(engine, name).into_iter().filter_map(of).collect()
}

#[test]
fn loops_promote_a_function_that_is_called_once() {
    let config = Config {
        osr: false,
        ..at_once()
    };
    let steps = [
        (500, Tier::Interp),
        (2_000, Tier::O0),
        (20_000, Tier::O1),
        (200_000, Tier::O2),
        (2_000_000, Tier::O3),
    ];
    for (rounds, tier) in steps {
        let engine = start(SPIN, config.clone(), &[]);
        assert_eq!(call(&engine, "spin", rounds), spun(rounds));
        let f = report(&engine, "spin");
        assert_eq!((f.calls, f.tier), (1, tier), "{rounds} rounds");
    }
}

#[test]
fn a_long_loop_moves_into_compiled_code() {
    let engine = start(SPIN, at_once(), &[]);
    let n = 3_000_000;
    assert_eq!(call(&engine, "spin", n), spun(n));
    let f = report(&engine, "spin");
    assert_eq!((f.calls, f.osr_entries), (1, 1));
    assert_eq!(moves(&engine, "spin"), [(Tier::Interp, Tier::O3)]);
    // It left when it became hot: the rest was not counted.
    assert!(f.back_edges < 300_000, "{}", f.back_edges);
}

#[test]
fn without_replacement_a_loop_stays() {
    let config = Config {
        osr: false,
        ..at_once()
    };
    let engine = start(SPIN, config, &[]);
    let n = 1_200_000;
    assert_eq!(call(&engine, "spin", n), spun(n));
    let f = report(&engine, "spin");
    assert_eq!(f.osr_entries, 0);
    assert_eq!(moves(&engine, "spin"), []);
    // All rounds were the interpreter's.
    assert!(f.back_edges > 1_190_000, "{}", f.back_edges);
}

/// Function called at a level with `n` rounds: its loop has to leave by a poll.
fn leaves_from(tier: Tier) {
    let mut calls = [NEVER; 4];
    calls[tier.index() - 1] = 1;
    let config = Config {
        thresholds: Thresholds {
            calls,
            back_edges: [NEVER, NEVER, 10_000, NEVER],
        },
        ..at_once()
    };
    let engine = start(SPIN, config, &[]);
    assert_eq!(call(&engine, "spin", 3), spun(3));
    assert_eq!(report(&engine, "spin").tier, tier);
    assert_eq!(moves(&engine, "spin"), []);
    // Too short to be hot.
    assert_eq!(call(&engine, "spin", 3_000), spun(3_000));
    assert_eq!(moves(&engine, "spin"), []);
    let n = 400_000;
    assert_eq!(call(&engine, "spin", n), spun(n));
    let moves = moves(&engine, "spin");
    // From the code it was in, though better code for its next call may be there already.
    assert_eq!(moves, [(tier, Tier::O3)]);
    assert_eq!(report(&engine, "spin").osr_entries, 1);
}

#[test]
fn loops_leave_o0_code() {
    leaves_from(Tier::O0);
}

#[test]
fn loops_leave_o1_code() {
    leaves_from(Tier::O1);
}

#[test]
fn loops_of_compiled_code_promote_it() {
    let config = Config {
        thresholds: Thresholds {
            calls: [1, NEVER, NEVER, NEVER],
            back_edges: [NEVER, 20_000, NEVER, NEVER],
        },
        ..at_once()
    };
    let engine = start(SPIN, config, &[]);
    call(&engine, "spin", 3);
    assert_eq!(report(&engine, "spin").tier, Tier::O0);
    assert_eq!(call(&engine, "spin", 60_000), spun(60_000));
    assert_eq!(report(&engine, "spin").tier, Tier::O1);
}

/// Compiles of `spin`, made at O1 in its first call and told to stay there, after `calls` calls of `n` rounds; and bytes of its
/// code before and after them.
fn stays(calls: i64, n: i64) -> (usize, u64, u64) {
    let config = Config {
        osr: false,
        thresholds: Thresholds {
            calls: [NEVER; 4],
            back_edges: [NEVER, 10_000, NEVER, NEVER],
        },
        ..at_once()
    };
    let engine = start(SPIN, config, &[]);
    let bytes = || {
        let f = report(&engine, "spin");
        f.tiers
            .iter()
            .find(|t| t.tier == Tier::O1)
            .unwrap()
            .code_bytes
    };
    assert_eq!(call(&engine, "spin", 20_000), spun(20_000));
    let first = bytes();
    for _ in 0..calls {
        assert_eq!(call(&engine, "spin", n), spun(n));
        settle(&engine);
    }
    assert_eq!(report(&engine, "spin").tier, Tier::O1);
    (compiles(&engine, "spin"), first, bytes())
}

#[test]
fn code_that_stays_is_made_without_polls_once_its_calls_are_known() {
    let (compiles, with, without) = stays(30, 60_000);
    assert_eq!(compiles, 2);
    assert!(without < with, "{without} of {with} bytes");
    // Too few calls, or too few rounds: nothing is known, or gained.
    assert_eq!(stays(7, 400_000).0, 1);
    assert_eq!(stays(30, 10_000).0, 1);
    // Calls that last poll for good: that is looked at once.
    let (compiles, before, after) = stays(30, 2_000_000);
    assert_eq!((compiles, before), (2, after));
}

/// Code that is over soon and better code count no rounds: what a call took in the interpreter and at O0 stands for them.
#[test]
fn rounds_count_where_code_does_not_count_them() {
    let config = Config {
        thresholds: Thresholds {
            calls: [1, 20, 30, NEVER],
            back_edges: [NEVER, NEVER, NEVER, 100_000],
        },
        ..at_once()
    };
    let engine = start(SPIN, config, &[]);
    let calls = |n| (0..n).for_each(|_| assert_eq!(call(&engine, "spin", 100), spun(100)));
    calls(990);
    assert_eq!(report(&engine, "spin").tier, Tier::O2);
    calls(20);
    assert_eq!(report(&engine, "spin").tier, Tier::O3);
}

/// Two loops in a row, the second around a third.
const THREE: &str = "
define i64 @three(i64 %n) {
start:
  br label %first
first:
  %i = phi i64 [ 0, %start ], [ %i2, %first ]
  %x = phi i64 [ 1, %start ], [ %x2, %first ]
  %x2 = mul i64 %x, 3
  %i2 = add i64 %i, 1
  %m1 = icmp slt i64 %i2, %n
  br i1 %m1, label %first, label %outer
outer:
  %j = phi i64 [ 0, %first ], [ %j2, %more ]
  %y = phi i64 [ %x2, %first ], [ %z2, %more ]
  br label %inner
inner:
  %k = phi i64 [ 0, %outer ], [ %k2, %inner ]
  %z = phi i64 [ %y, %outer ], [ %z2, %inner ]
  %z1 = xor i64 %z, %k
  %z2 = add i64 %z1, %j
  %k2 = add i64 %k, 1
  %m3 = icmp slt i64 %k2, %n
  br i1 %m3, label %inner, label %more
more:
  %j2 = add i64 %j, 1
  %m2 = icmp slt i64 %j2, %n
  br i1 %m2, label %outer, label %end
end:
  ret i64 %z2
}
";

fn three(n: i64) -> i64 {
    let mut x = (0..n).fold(1, |x: i64, _| x.wrapping_mul(3));
    for j in 0..n {
        x = (0..n).fold(x, |z, k| (z ^ k).wrapping_add(j));
    }
    x
}

/// At O1 only the outer loop polls, since the inner one is soon over. Its polls count the rounds of both.
#[test]
fn outer_loops_count_rounds_of_inner_ones() {
    let config = Config {
        osr: false,
        thresholds: Thresholds {
            calls: [NEVER, 2, NEVER, NEVER],
            back_edges: [NEVER, NEVER, NEVER, 800_000],
        },
        ..at_once()
    };
    let engine = start(THREE, config, &[]);
    let rounds = |calls: u64| calls * (299 + 299 + 300 * 299);
    let mut made = 0;
    let mut calls = |n: u64| {
        for _ in 0..n {
            assert_eq!(call(&engine, "three", 300), three(300));
        }
        made += n;
        let f = report(&engine, "three");
        (f.tier, f.back_edges as f64 / rounds(made) as f64)
    };
    let (tier, counted) = calls(1);
    assert_eq!(tier, Tier::Interp);
    assert!((0.99..1.01).contains(&counted), "{counted}");
    let (tier, counted) = calls(5);
    assert_eq!(tier, Tier::O1);
    assert!((0.8..1.2).contains(&counted), "{counted}");
    // They are its heat.
    let (tier, _) = calls(4);
    assert_eq!(tier, Tier::O3);
}

/// Of the loops of `three`, forced to be left in code of a tier: block, entries from there, all entries.
fn left(tier: Tier, forced_loops: Option<Vec<(String, u32)>>) -> Vec<(u32, u64, u64)> {
    let mut steps = [NEVER; 4];
    if tier != Tier::Interp {
        steps[..tier.index()].fill(1);
    }
    let config = Config {
        thresholds: calls(steps),
        force_osr: true,
        forced_interval: 2,
        forced_loops,
        ..at_once()
    };
    let engine = start(THREE, config, &[]);
    assert_eq!(call(&engine, "three", 5), three(5));
    let loops = engine.report().loops;
    let count = |l: &engine::profile::LoopReport| {
        assert_eq!((l.function.as_str(), &l.refusal), ("three", &None));
        let from = l.entries[tier.index()];
        (l.block, from, l.entries.iter().sum())
    };
    loops.iter().map(count).collect()
}

#[test]
fn loops_that_are_chosen_are_left_and_no_others() {
    let at = |block| Some(vec![("three".to_owned(), block)]);
    // All of them: the first that is reached, and the rest of the function with it.
    assert_eq!(left(Tier::Interp, None), [(1, 1, 1)]);
    assert_eq!(left(Tier::Interp, at(2)), [(1, 0, 0), (2, 1, 1), (3, 0, 0)]);
    assert_eq!(left(Tier::Interp, at(3)), [(1, 0, 0), (3, 1, 1)]);
    // No block of this number goes round: all do in the interpreter.
    let all = [(1, 0, 0), (2, 0, 0), (3, 0, 0)];
    assert_eq!(left(Tier::Interp, at(4)), all);
    // Compiled code asks at those loops only.
    for tier in [Tier::O0, Tier::O1] {
        assert_eq!(left(tier, None), [(1, 1, 1)]);
        assert_eq!(left(tier, at(2)), [(2, 1, 1)]);
        assert_eq!(left(tier, at(3)), [(3, 1, 1)]);
    }
}

/// What the loop of `main` tells about itself, and what it is waiting for.
static ENGINE: OnceLock<Engine> = OnceLock::new();

extern "C" fn is_enough(at: usize) -> i32 {
    static START: OnceLock<Instant> = OnceLock::new();
    let is_late = START.get_or_init(Instant::now).elapsed() > Duration::from_secs(60);
    let symbol = ENGINE.get().and_then(|engine| place(engine, at));
    (is_late || symbol.is_some_and(|s| s.starts_with("main.osr"))).into()
}

/// `main` goes round until it finds itself in other code; then it gives the sum of 1..=rounds, and the rounds.
const UNTIL_FAST: &str = "
declare i64 @caller()
declare i32 @is_enough(i64)
@rounds = global i64 0
define i64 @main(i64 %x) {
start:
  br label %loop
loop:
  %i = phi i64 [ 1, %start ], [ %i2, %next ]
  %s = phi i64 [ %x, %start ], [ %s2, %next ]
  %s2 = add i64 %s, %i
  %i2 = add i64 %i, 1
  %look = and i64 %i, 1023
  %now = icmp eq i64 %look, 0
  br i1 %now, label %ask, label %next
ask:
  %at = notail call i64 @caller()
  %enough = call i32 @is_enough(i64 %at)
  %stop = icmp ne i32 %enough, 0
  br i1 %stop, label %end, label %next
next:
  br label %loop
end:
  store i64 %i, ptr @rounds
  ret i64 %s2
}
";

#[test]
fn main_moves_while_the_compiler_works_beside_it_and_never_waits() {
    let hosts = [
        ("caller", caller as *const () as usize),
        ("is_enough", is_enough as *const () as usize),
    ];
    let engine = ENGINE.get_or_init(|| start(UNTIL_FAST, Config::default(), &hosts));
    let sum = call(engine, "main", 5);
    let at = engine.address("rounds").unwrap() as *const i64;
    // SAFETY: a variable of the program, which does not run any more.
    let rounds = unsafe { at.read() };
    assert_eq!(sum, 5 + rounds * (rounds + 1) / 2);
    assert_eq!(report(engine, "main").osr_entries, 1);
    assert_eq!(moves(engine, "main").len(), 1);
    settle(engine);
    // Tests beside this one take processors away; `./x bench engine pauses` holds it to a millisecond.
    assert!(engine.trace().longest_pause_ns() < 100_000_000);
    engine.stop();
}

/// Loops within loops, with values that live across them, an early exit, and a variable of the stack.
const NEST: &str = "
long nest(long n) {
    long box[4] = {1, 2, 3, 4}, s = 0;
    double d = 0.5;
    for (long i = 0; i < n; i++) {
        for (long j = 0; j <= i; j++) {
            box[(i + j) & 3] += i ^ j;
            if (box[0] > 1000000) return -s;
            for (int k = 3; k; k--) d = d * 1.25 + (double)(k + j);
        }
        while (d > 1e6) d /= 3;
        s += box[i & 3] + (long)d;
    }
    return s;
}";

#[test]
fn every_loop_can_be_left_at_every_few_rounds() {
    let ir = c(NEST);
    let interpreted = Config {
        mode: Mode::Interpret,
        ..at_once()
    };
    let expected = start(&ir, interpreted, &[]);
    for compilers in [0, 1] {
        let forced = Config {
            force_osr: true,
            compilers,
            thresholds: calls([3, 6, 12, NEVER]),
            ..Config::default()
        };
        let engine = start(&ir, forced, &[]);
        for n in (0..16).chain([40, 200, 300]) {
            let (got, want) = (call(&engine, "nest", n), call(&expected, "nest", n));
            assert_eq!(got, want, "{n} rounds");
        }
        assert!(report(&engine, "nest").osr_entries > 3);
    }
}
