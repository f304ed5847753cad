//! Code memory: its limit, what goes when it is full, and that nothing stays when the engine goes.

use super::support::*;
use engine::profile::Tier;
use engine::tier::{Config, Engine};
use engine::trace::EventKind;
use std::fmt::Write;

/// `count` functions `f0`.. with some kilobytes of code each.
fn many(count: usize) -> String {
    let mut ir = String::new();
    for k in 0..count {
        let _ = writeln!(ir, "define i64 @f{k}(i64 %x) {{\n %v0 = add i64 %x, {k}");
        for i in 0..150 {
            let op = ["mul", "xor", "add"][i % 3];
            let other = 0x1234_5678_9abc + i * 77 + k;
            let _ = writeln!(ir, " %v{} = {op} i64 %v{i}, {other}", i + 1);
        }
        let _ = writeln!(ir, " ret i64 %v150\n}}");
    }
    ir
}

fn value(k: usize, x: i64) -> i64 {
    (0..150).fold(x + k as i64, |v, i| {
        let other = 0x1234_5678_9abc + i * 77 + k as i64;
        match i % 3 {
            0 => v.wrapping_mul(other),
            1 => v ^ other,
            _ => v.wrapping_add(other),
        }
    })
}

fn evictions(engine: &Engine) -> usize {
    let is = |e: &&engine::trace::Event| matches!(e.kind, EventKind::Evict { .. });
    engine.trace().events().iter().filter(is).count()
}

const FUNCTIONS: usize = 40;
const LIMIT: usize = 96 << 10;

fn small(compilers: usize) -> Config {
    Config {
        code_limit: LIMIT,
        thresholds: calls([3, NEVER, NEVER, NEVER]),
        compilers,
        ..Config::default()
    }
}

fn run_all(engine: &Engine, rounds: i64) {
    for round in 0..rounds {
        for k in 0..FUNCTIONS {
            assert_eq!(
                call(engine, &format!("f{k}"), round),
                value(k, round),
                "f{k}"
            );
        }
    }
}

fn stays_within(engine: &Engine) {
    assert!(evictions(engine) > 0);
    for event in engine.trace().events() {
        if let EventKind::CodeMemory { bytes } = event.kind {
            assert!(bytes <= LIMIT as u64, "{bytes} bytes of {LIMIT}");
        }
    }
    let evicted: Vec<_> = (0..FUNCTIONS)
        .map(|k| report(engine, &format!("f{k}")))
        .filter(|f| f.tier == Tier::Interp)
        .collect();
    assert!(
        !evicted.is_empty() && evicted.len() < FUNCTIONS,
        "{}",
        evicted.len()
    );
    for f in evicted {
        assert!(f.state.contains("limit"), "{}: {}", f.name, f.state);
        assert_eq!(f.code_bytes(), 0, "{}", f.name);
    }
}

#[test]
fn the_coldest_go_when_code_memory_is_full() {
    let engine = start(&many(FUNCTIONS), small(1), &[]);
    // Called in turns: what comes later finds memory full of what came before.
    for _ in 0..6 {
        run_all(&engine, 1);
        settle(&engine);
    }
    stays_within(&engine);
    run_all(&engine, 3);
    assert_eq!(engine.report().totals.failures, 0);
}

#[test]
fn waiting_threads_do_not_keep_what_was_dropped() {
    let engine = start(&many(FUNCTIONS), small(0), &[]);
    run_all(&engine, 6);
    stays_within(&engine);
    // The thread that waits tells that it is not in it: there is room in the end.
    assert_eq!(engine.report().totals.failures, 0);
    let freed = |name: &str| {
        let is = |k: &EventKind| matches!(k, EventKind::Free { tier: Tier::O0, bytes, .. } if *bytes > 0);
        events(&engine, name).iter().filter(|k| is(k)).count()
    };
    let all: usize = (0..FUNCTIONS).map(|k| freed(&format!("f{k}"))).sum();
    assert!(
        all > 0 && all <= evictions(&engine),
        "{all} of {}",
        evictions(&engine)
    );
}

#[test]
fn what_was_dropped_earns_its_code_anew() {
    let engine = start(&many(FUNCTIONS), small(1), &[]);
    for _ in 0..4 {
        run_all(&engine, 1);
        settle(&engine);
    }
    let is_out = |k: &usize| report(&engine, &format!("f{k}")).tier == Tier::Interp;
    let k = (0..FUNCTIONS).find(is_out).unwrap();
    let name = format!("f{k}");
    until("it is compiled again", || {
        (0..500).for_each(|x| assert_eq!(call(&engine, &name, x), value(k, x)));
        report(&engine, &name).tier == Tier::O0
    });
}

#[test]
fn hot_code_is_not_what_goes() {
    let engine = start(&many(FUNCTIONS), small(1), &[]);
    (0..5_000).for_each(|x| assert_eq!(call(&engine, "f7", x), value(7, x)));
    settle(&engine);
    for _ in 0..5 {
        run_all(&engine, 1);
        settle(&engine);
    }
    assert!(evictions(&engine) > 0);
    let is_evict = |k: &EventKind| matches!(k, EventKind::Evict { .. });
    assert!(!events(&engine, "f7").iter().any(is_evict));
    assert_eq!(report(&engine, "f7").tier, Tier::O0);
}

fn went(engine: &Engine, name: &str) -> bool {
    let is_evict = |k: &EventKind| matches!(k, EventKind::Evict { .. });
    events(engine, name).iter().any(is_evict)
}

#[test]
fn neither_is_better_code_nor_that_of_a_loop() {
    let mut config = small(1);
    config.thresholds.calls = [3, 1_000, 2_000, NEVER];
    config.thresholds.back_edges[2] = 100_000;
    let engine = start(&format!("{}{SPIN}", many(FUNCTIONS)), config, &[]);
    // Called once, it is a loop's code all the time.
    assert_eq!(call(&engine, "spin", 8_000_000), spun(8_000_000));
    settle(&engine);
    let spin = report(&engine, "spin");
    assert_eq!((spin.tier, spin.osr_entries), (Tier::Interp, 1));
    (0..5_000).for_each(|x| assert_eq!(call(&engine, "f7", x), value(7, x)));
    settle(&engine);
    assert_eq!(report(&engine, "f7").tier, Tier::O2);
    for _ in 0..5 {
        run_all(&engine, 1);
        settle(&engine);
    }
    assert!(evictions(&engine) > 0);
    assert!(!went(&engine, "f7") && !went(&engine, "spin"));
    assert_eq!(report(&engine, "f7").tier, Tier::O2);
}

/// Address space of this process in bytes.
fn address_space() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').next().unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn a_dropped_engine_leaves_nothing() {
    // Each reserves more than 1 GiB: what stayed would be seen among all the other tests do.
    let config = || Config {
        code_limit: 400 << 20,
        ..at_once()
    };
    let before = address_space();
    for round in 0..24 {
        let engine = start(ADD, config(), &[]);
        (0..12).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
        assert!(report(&engine, "f").tier == Tier::O0, "round {round}");
    }
    let after = address_space();
    assert!(after < before + (16 << 30), "{before} bytes, then {after}");
}

#[test]
fn engines_live_side_by_side() {
    let (a, b) = (start(ADD, at_once(), &[]), start(SPIN, at_once(), &[]));
    for x in 0..200 {
        assert_eq!(call(&a, "f", x), x + 7);
        assert_eq!(call(&b, "spin", x), spun(x));
    }
    drop(a);
    for x in 0..1_000 {
        assert_eq!(call(&b, "spin", x), spun(x));
    }
    assert_eq!(report(&b, "spin").tier, Tier::O2);
}

#[test]
fn an_engine_can_go_while_it_compiles() {
    for _ in 0..4 {
        let engine = start(&many(20), Config::default(), &[]);
        for k in 0..20 {
            (0..120).for_each(|x| assert_eq!(call(&engine, &format!("f{k}"), x), value(k, x)));
        }
        assert!(engine.is_compiling());
    }
}
