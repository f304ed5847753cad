//! What a run leaves for the next: engines that go on where others stopped.

#[allow(dead_code)]
#[path = "tier/support.rs"]
mod support;

use engine::profile::Tier;
use engine::snapshot::{Hash, Imported, Left, Origin, Snapshot};
use engine::tier::Engine;
use engine::trace::{EventKind, Wait};

use std::time::Duration;
use support::*;

/// `f` calls `g`, which is inlined; `h` stands alone.
const THREE: &str = "
define i64 @g(i64 %x) {
  %r = mul i64 %x, 3
  ret i64 %r
}
define i64 @f(i64 %x) {
  %y = call i64 @g(i64 %x)
  %r = add i64 %y, 1
  ret i64 %r
}
define i64 @h(i64 %x) {
  %r = xor i64 %x, 5
  ret i64 %r
}
";

fn origin(program: &str) -> Origin {
    Origin {
        source: Hash::of(program.as_bytes()),
        program: Hash::of(program.as_bytes()),
        cpu: 1,
        build: 2,
    }
}

fn take(engine: &Engine, program: &str) -> Snapshot {
    engine
        .snapshot(&origin(program), 1, Duration::from_secs(60))
        .unwrap()
}

fn left(snapshot: &Snapshot) -> Left<'_> {
    Left {
        profile: Some(&snapshot.profile),
        code: Some(&snapshot.code),
    }
}

/// An engine that keeps its code.
fn first(program: &str) -> Engine {
    let engine = start(program, at_once(), &[]);
    engine.keep_code();
    engine
}

/// An engine that goes on from a snapshot.
fn second(program: &str, from: &Origin, snapshot: &Snapshot) -> (Engine, Imported) {
    let engine = first(program);
    let imported = engine.restore(from, &left(snapshot));
    (engine, imported)
}

fn reasons(imported: &Imported) -> Vec<String> {
    let lines = imported.rejected.iter();
    let mut lines: Vec<String> = lines.map(|r| format!("{}: {}", r.what, r.reason)).collect();
    lines.sort();
    lines
}

fn heat(engine: &Engine, calls: i64) {
    for x in 0..calls {
        assert_eq!(call(engine, "f", x), x * 3 + 1);
        assert_eq!(call(engine, "h", x), x ^ 5);
    }
}

/// What a run of [`THREE`] leaves in which all was hot.
fn left_by_three() -> Snapshot {
    let engine = first(THREE);
    heat(&engine, 10_000);
    take(&engine, THREE)
}

#[test]
fn functions_start_at_the_tier_they_had_and_nothing_is_compiled_again() {
    let engine = first(THREE);
    heat(&engine, 10_000);
    let snapshot = take(&engine, THREE);
    assert!(engine.figures().compiles >= 8);
    drop(engine);
    let (engine, imported) = second(THREE, &origin(THREE), &snapshot);
    assert_eq!(reasons(&imported), [""; 0]);
    assert!(imported.compiled >= 2 && imported.code_bytes > 0);
    for f in ["f", "h"] {
        assert_eq!(report(&engine, f).tier, Tier::O3);
        assert!(report(&engine, f).calls >= 10_000);
    }
    heat(&engine, 1000);
    settle(&engine);
    let figures = engine.figures();
    assert_eq!((figures.compiles, figures.recompiles), (0, 0));
    // And so on.
    let again = take(&engine, THREE);
    assert_eq!(again.code, snapshot.code);
    drop(engine);
    let (engine, imported) = second(THREE, &origin(THREE), &again);
    assert_eq!(reasons(&imported), [""; 0]);
    heat(&engine, 10);
    assert_eq!(engine.figures().compiles, 0);
}

/// Kept code is linked when it is needed, but not so late that a call runs without it.
#[test]
fn threads_that_call_first_all_run_kept_code() {
    let snapshot = left_by_three();
    for _ in 0..20 {
        let (engine, _) = second(THREE, &origin(THREE), &snapshot);
        let before = report(&engine, "h").blocks;
        assert!(before[0] > 0);
        std::thread::scope(|s| {
            for x in 0..4 {
                let engine = &engine;
                s.spawn(move || assert_eq!(call(engine, "h", x), x ^ 5));
            }
        });
        assert_eq!(report(&engine, "h").blocks, before, "it was interpreted");
    }
}

/// What an earlier run called and never compiled is decoded before it is called again, if a processor has nothing to do.
#[test]
fn what_was_called_is_decoded_ahead() {
    let is_alone = std::thread::available_parallelism().is_ok_and(|n| n.get() == 1);
    let engine = first(THREE);
    heat(&engine, 1);
    let snapshot = take(&engine, THREE);
    drop(engine);
    let waits = |engine: &Engine, name: &str| {
        let id = report(engine, name).id;
        let is_own = |kind: EventKind| matches!(kind, EventKind::Pause { function, why: Wait::Decode, .. } if function == id);
        engine.trace().events().iter().any(|e| is_own(e.kind))
    };
    // How long that takes is up to what else the machine does.
    let is_ready_after = |ms| {
        let (engine, _) = second(THREE, &origin(THREE), &snapshot);
        std::thread::sleep(Duration::from_millis(ms));
        heat(&engine, 1);
        !waits(&engine, "f") && !waits(&engine, "h")
    };
    assert!(is_alone || (0..12).any(|n| is_ready_after(5 << n)));
    // Without a memory each first call waits.
    let engine = first(THREE);
    heat(&engine, 1);
    assert!(waits(&engine, "f") && waits(&engine, "h"));
}

/// What nobody calls is linked, too, while a processor has nothing else to do.
#[test]
fn kept_code_is_linked_by_and_by() {
    let snapshot = left_by_three();
    // The way into the interpreter is code, too.
    let bare = first(THREE).figures().code_bytes;
    let (engine, _) = second(THREE, &origin(THREE), &snapshot);
    let start = std::time::Instant::now();
    let is_alone = std::thread::available_parallelism().is_ok_and(|n| n.get() == 1);
    while engine.figures().code_bytes <= bare && !is_alone {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(1));
    }
    heat(&engine, 1);
    assert!(engine.figures().code_bytes > bare);
}

#[test]
fn thresholds_count_over_all_runs() {
    let mut snapshot = None;
    for run in 0..4 {
        let engine = first(ADD);
        if let Some(snapshot) = &snapshot {
            engine.restore(&origin(ADD), &left(snapshot));
        }
        (0..4).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
        let expected = if run < 2 { Tier::Interp } else { Tier::O0 };
        assert_eq!(report(&engine, "f").tier, expected, "run {run}");
        snapshot = Some(take(&engine, ADD));
    }
}

#[test]
fn kept_code_of_low_tiers_still_counts_and_climbs() {
    let engine = first(ADD);
    (0..20).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    let snapshot = take(&engine, ADD);
    drop(engine);
    // Its counter calls a hook with the address of a place in this engine, not in the last one.
    let (engine, _) = second(ADD, &origin(ADD), &snapshot);
    assert_eq!(report(&engine, "f").tier, Tier::O0);
    (0..80).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    assert_eq!(report(&engine, "f").tier, Tier::O1);
    (0..10_000).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    assert_eq!(report(&engine, "f").tier, Tier::O3);
    assert_eq!(engine.figures().recompiles, 0);
}

#[test]
fn loops_go_on_with_the_code_they_had() {
    let engine = first(SPIN);
    // Called again: worth code for its next call, too.
    assert_eq!(call(&engine, "spin", 10), spun(10));
    assert_eq!(call(&engine, "spin", 50_000_000), spun(50_000_000));
    settle(&engine);
    let snapshot = take(&engine, SPIN);
    drop(engine);
    let (engine, imported) = second(SPIN, &origin(SPIN), &snapshot);
    assert_eq!(reasons(&imported), [""; 0]);
    assert_eq!(imported.loops, 1);
    assert_eq!(call(&engine, "spin", 1_000_000), spun(1_000_000));
    settle(&engine);
    // The function itself may have had no code of its own yet.
    let figures = engine.figures();
    assert!(figures.compiles as usize <= 1 - imported.compiled);
    assert_eq!(figures.recompiles, 0);
}

#[test]
fn the_interpreter_enters_the_loop_that_was_kept() {
    let engine = first(SPIN);
    assert_eq!(call(&engine, "spin", 50_000_000), spun(50_000_000));
    settle(&engine);
    let snapshot = take(&engine, SPIN);
    drop(engine);
    let engine = first(SPIN);
    let only_code = Left {
        code: Some(&snapshot.code),
        ..Left::default()
    };
    let imported = engine.restore(&origin(SPIN), &only_code);
    assert_eq!(imported.loops, 1);
    if imported.compiled == 0 {
        assert_eq!(call(&engine, "spin", 50_000_000), spun(50_000_000));
        assert!(report(&engine, "spin").osr_entries >= 1);
    }
}

#[test]
fn a_change_costs_what_changed_and_what_contains_it() {
    let engine = first(THREE);
    heat(&engine, 10_000);
    let snapshot = take(&engine, THREE);
    drop(engine);
    let changed = THREE.replace("mul i64 %x, 3", "mul i64 %x, 4");
    let (engine, imported) = second(&changed, &origin(&changed), &snapshot);
    let reasons = reasons(&imported);
    let code: Vec<&String> = reasons.iter().filter(|r| r.starts_with("code")).collect();
    assert_eq!(
        reasons
            .iter()
            .filter(|r| r.starts_with("profile"))
            .collect::<Vec<_>>(),
        ["profile of g: its IR changed"]
    );
    assert!(
        code.contains(&&"code of f: the IR of g, which it contains, changed".to_owned()),
        "{reasons:?}"
    );
    assert!(code.iter().all(|r| !r.contains("code of h")), "{reasons:?}");
    assert_eq!(report(&engine, "h").tier, Tier::O3);
    assert_eq!(report(&engine, "f").tier, Tier::Interp);
    // Its heat is kept: the first call earns the best code.
    for x in 0..4 {
        assert_eq!(call(&engine, "f", x), x * 4 + 1);
        assert_eq!(call(&engine, "h", x), x ^ 5);
    }
    assert_eq!(report(&engine, "f").tier, Tier::O3);
    assert_eq!(compiles(&engine, "f"), 1);
}

#[test]
fn another_cpu_or_build_costs_the_code_and_not_the_profile() {
    let engine = first(THREE);
    heat(&engine, 10_000);
    let snapshot = take(&engine, THREE);
    drop(engine);
    let here = origin(THREE);
    let program = Hash::of(b"folded for another CPU");
    for (other, word) in [
        (
            Origin {
                cpu: 9,
                program,
                ..here
            },
            "CPU features",
        ),
        (
            Origin {
                build: 9,
                program,
                ..here
            },
            "build",
        ),
    ] {
        let (engine, imported) = second(THREE, &other, &snapshot);
        let reasons = reasons(&imported);
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].contains(word), "{reasons:?}");
        assert_eq!(imported.compiled, 0);
        assert!(imported.functions >= 3);
        assert_eq!(call(&engine, "f", 2), 7);
        assert_eq!(report(&engine, "f").tier, Tier::O3);
    }
}

#[test]
fn damage_is_named_and_costs_no_more_than_it_must() {
    let engine = first(THREE);
    heat(&engine, 1_000);
    let whole = take(&engine, THREE);
    drop(engine);
    let mut some_units = 0;
    for step in 0..60 {
        let mut snapshot = whole.clone();
        let bytes = match step % 3 {
            0 => &mut snapshot.profile,
            _ => &mut snapshot.code,
        };
        let at = bytes.len() * step / 60;
        match step % 4 {
            3 => bytes.truncate(at),
            _ => bytes[at] ^= 0x10,
        }
        let (engine, imported) = second(THREE, &origin(THREE), &snapshot);
        let reasons = reasons(&imported);
        if step % 3 != 0 {
            assert_eq!(reasons.len(), 1, "byte {at}: {reasons:?}");
            some_units += usize::from(imported.compiled > 0);
        }
        heat(&engine, 20);
    }
    assert!(some_units > 0);
}

#[test]
fn specialised_code_and_what_is_known_of_calls_through_pointers_last() {
    let program = "
        define i64 @twice(i64 %x) { \n %r = add i64 %x, %x \n ret i64 %r }
        define i64 @each(ptr %f, i64 %n) noinline {
        start: br label %loop
        loop:
          %i = phi i64 [ 0, %start ], [ %i2, %loop ]
          %s = phi i64 [ 0, %start ], [ %s2, %loop ]
          %y = call i64 %f(i64 %i)
          %s2 = add i64 %s, %y
          %i2 = add i64 %i, 1
          %more = icmp slt i64 %i2, %n
          br i1 %more, label %loop, label %end
        end: ret i64 %s2
        }
        define i64 @f(i64 %n) { \n %r = call i64 @each(ptr @twice, i64 24) \n ret i64 %r }";
    let engine = first(program);
    (0..12_000).for_each(|n| assert_eq!(call(&engine, "f", n), 24 * 23));
    let before = report(&engine, "each");
    assert!(!before.variants.is_empty());
    let snapshot = take(&engine, program);
    drop(engine);
    let (engine, imported) = second(program, &origin(program), &snapshot);
    assert_eq!(reasons(&imported), [""; 0]);
    let after = report(&engine, "each");
    assert_eq!(
        after.variants.last().unwrap().assumes,
        before.variants.last().unwrap().assumes
    );
    assert_eq!(
        after.indirect_sites[0].total,
        before.indirect_sites[0].total
    );
    let twice = engine.address("twice").unwrap() as u64;
    assert_eq!(after.indirect_sites[0].top[0].0, twice);
    (0..100).for_each(|n| assert_eq!(call(&engine, "f", n), 24 * 23));
    assert_eq!(engine.figures().compiles, 0);
}

#[test]
fn a_stopped_engine_says_so() {
    let engine = first(ADD);
    assert_eq!(call(&engine, "f", 1), 8);
    engine.stop();
    let result = engine.snapshot(&origin(ADD), 1, Duration::MAX);
    let error = result.unwrap_err();
    assert!(error.to_string().contains("has ended"), "{error}");
}
