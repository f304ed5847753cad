//! Promotion by calls, modes, and what is said of some functions only.

use super::support::*;
use engine::Level;
use engine::profile::Tier;
use engine::tier::{Config, Dump, Mode, Override};
use engine::trace::{EventKind, Outcome};

#[test]
fn calls_promote_at_their_thresholds() {
    let engine = start(ADD, at_once(), &[]);
    let steps = [
        (9, Tier::Interp),
        (10, Tier::O0),
        (98, Tier::O0),
        (100, Tier::O1),
        (998, Tier::O1),
        (1_000, Tier::O2),
        (9_998, Tier::O2),
        (10_000, Tier::O3),
    ];
    let mut done = 0;
    for (calls, tier) in steps {
        while done < calls {
            assert_eq!(call(&engine, "f", done), done + 7);
            done += 1;
        }
        let f = report(&engine, "f");
        assert_eq!(f.tier, tier, "{calls} calls");
        // The call in which the first code came is seen by both.
        assert!(
            (calls..=calls + 1).contains(&(f.calls as i64)),
            "{}",
            f.calls
        );
    }
}

#[test]
fn the_report_tells_what_each_tier_cost_and_why() {
    let engine = start(ADD, at_once(), &[]);
    assert_eq!(report(&engine, "f").state, "never called");
    (0..10_000).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    let f = report(&engine, "f");
    let compiled: Vec<_> = f.tiers.iter().filter(|t| t.compiles > 0).collect();
    let tiers: Vec<Tier> = compiled.iter().map(|t| t.tier).collect();
    assert_eq!(tiers, [Tier::O0, Tier::O1, Tier::O2, Tier::O3]);
    assert!(compiled.iter().all(|t| t.compiles == 1 && t.compile_ns > 0));
    let reached: Vec<u64> = compiled.iter().map(|t| t.reached_ns.unwrap()).collect();
    assert!(reached.is_sorted(), "{reached:?}");
    // Only the last code is in memory.
    let bytes: Vec<bool> = compiled.iter().map(|t| t.code_bytes > 0).collect();
    assert_eq!(bytes, [false, false, false, true]);
    assert!(f.state.starts_with("hot"), "{}", f.state);
    let text = engine.report().to_text(Default::default());
    assert!(text.contains("f") && text.contains("O3"), "{text}");
}

/// Where the call of a host function in `where` returns to.
const WHERE: &str = "
declare i64 @caller()
define i64 @where(i64 %x) {
  %at = notail call i64 @caller()
  ret i64 %at
}
";

fn where_it_runs(engine: &engine::tier::Engine) -> Option<String> {
    place(engine, call(engine, "where", 0) as usize)
}

#[test]
fn calls_run_in_the_code_that_is_reported() {
    let engine = start(
        WHERE,
        at_once(),
        &[("caller", caller as *const () as usize)],
    );
    assert_eq!(where_it_runs(&engine), None);
    (0..10).for_each(|_| _ = call(&engine, "where", 0));
    for tier in [Tier::O0, Tier::O1, Tier::O2, Tier::O3] {
        while report(&engine, "where").tier < tier {
            call(&engine, "where", 0);
        }
        assert_eq!(where_it_runs(&engine).as_deref(), Some("where"), "{tier}");
    }
}

#[test]
fn a_recursion_climbs_within_one_call() {
    let scratch = Scratch::new();
    let config = Config {
        dump: Some(Dump {
            folder: scratch.path().into(),
            pattern: "fib".into(),
        }),
        ..at_once()
    };
    let ir = c("
        long caller(void);
        long last;
        long fib(long n) { if (n < 2) { last = caller(); return n; } return fib(n - 1) + fib(n - 2); }
        long where(long x) { return last; }
    ");
    let engine = start(&ir, config, &[("caller", caller as *const () as usize)]);
    (0..12).for_each(|_| assert_eq!(call(&engine, "fib", 1), 1));
    assert_eq!(report(&engine, "fib").tier, Tier::O0);
    // All calls but this one are the function's own, 22,000 of them.
    assert_eq!(call(&engine, "fib", 20), 6765);
    assert_eq!(report(&engine, "fib").tier, Tier::O3);
    let last = call(&engine, "where", 0) as usize;
    assert_eq!(place(&engine, last).as_deref(), Some("fib"));
    // Through the slot on the way, straight at the top.
    for (tier, through_slot) in [("O0", true), ("O1", true), ("O2", true), ("O3", false)] {
        let assembly = scratch.read(&format!("fib.{tier}.s"));
        // The function's own slot: its counter's name ends like this, too.
        let mut words = assembly.split(|c: char| !c.is_alphanumeric() && !"@._$".contains(c));
        assert!(
            words.any(|w| w == "fib@GOTPCREL") == through_slot,
            "{tier}: {assembly}"
        );
        assert!(through_slot || assembly.contains("fib@PLT"), "{assembly}");
    }
}

#[test]
fn the_interpreter_only_means_that_nothing_is_compiled() {
    let config = Config {
        mode: Mode::Interpret,
        ..at_once()
    };
    let engine = start(&format!("{ADD}{SPIN}"), config, &[]);
    (0..20_000).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    assert_eq!(call(&engine, "spin", 1_500_000), spun(1_500_000));
    for name in ["f", "spin"] {
        let f = report(&engine, name);
        assert_eq!((f.tier, f.osr_entries), (Tier::Interp, 0));
        let is_compile =
            |k: &EventKind| matches!(k, EventKind::Compile { .. } | EventKind::Request { .. });
        assert!(!events(&engine, name).iter().any(is_compile));
    }
    assert_eq!(report(&engine, "f").calls, 20_000);
}

#[test]
fn a_fixed_level_is_there_before_the_first_call_ends() {
    for level in Level::ALL {
        let config = Config {
            mode: Mode::Fixed(level),
            ..Config::default()
        };
        let engine = start(WHERE, config, &[("caller", caller as *const () as usize)]);
        call(&engine, "where", 0);
        assert_eq!(report(&engine, "where").tier, Tier::from(level));
        for _ in 0..2_000 {
            assert_eq!(where_it_runs(&engine).as_deref(), Some("where"));
        }
        settle(&engine);
        assert_eq!(compiles(&engine, "where"), 1, "{level}");
        assert_eq!(report(&engine, "where").tier, Tier::from(level));
    }
}

#[test]
fn some_functions_have_rules_of_their_own() {
    let mut program = String::new();
    for name in ["hot_a", "hot_b", "cold", "slow", "other"] {
        program += &ADD.replace("@f", &format!("@{name}"));
    }
    let rule = |pattern: &str, mode, thresholds| Override {
        pattern: pattern.into(),
        mode,
        thresholds,
    };
    let config = Config {
        overrides: vec![
            rule("hot_*", Some(Mode::Fixed(Level::O2)), None),
            rule("cold", Some(Mode::Interpret), None),
            rule("slow", None, Some(calls([50, 60, NEVER, NEVER]))),
            rule("*ow", Some(Mode::Interpret), None),
        ],
        ..at_once()
    };
    let engine = start(&program, config, &[]);
    let tiers = |calls: i64| {
        let names = ["hot_a", "hot_b", "cold", "slow", "other"];
        names.map(|name| {
            (0..calls).for_each(|x| assert_eq!(call(&engine, name, x), x + 7));
            report(&engine, name).tier
        })
    };
    use Tier::*;
    assert_eq!(tiers(1), [O2, O2, Interp, Interp, Interp]);
    assert_eq!(tiers(48), [O2, O2, Interp, Interp, O0]);
    assert_eq!(tiers(1), [O2, O2, Interp, O0, O0]);
    assert_eq!(tiers(10), [O2, O2, Interp, O1, O0]);
    assert_eq!(tiers(2_000), [O2, O2, Interp, O1, O2]);
}

#[test]
fn thresholds_of_some_functions_outlive_those_of_all() {
    let program = ["slow", "other"].map(|n| ADD.replace("@f", &format!("@{n}")));
    let config = Config {
        overrides: vec![Override {
            pattern: "sl*".into(),
            mode: None,
            thresholds: Some(calls([50, 60, NEVER, NEVER])),
        }],
        ..at_once()
    };
    let engine = start(&program.concat(), config, &[]);
    let run = |count: i64| {
        ["slow", "other"].map(|name| {
            (0..count).for_each(|x| assert_eq!(call(&engine, name, x), x + 7));
            report(&engine, name).tier
        })
    };
    use Tier::*;
    assert_eq!(run(5), [Interp, Interp]);
    // Both would be at O1 by these.
    engine.set_thresholds(calls([2, 4, NEVER, NEVER]));
    assert_eq!(run(10), [Interp, O1]);
    assert_eq!(run(36), [O0, O1]);
    assert_eq!(run(20), [O1, O1]);
    // Nor do higher ones hold it back.
    engine.set_thresholds(calls([NEVER; 4]));
    assert_eq!(run(1_000), [O1, O1]);
}

#[test]
fn a_compiler_beside_the_program_gets_there_too() {
    let engine = start(ADD, Config::default(), &[]);
    until("f is at O3", || {
        (0..1_000).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
        report(&engine, "f").tier == Tier::O3
    });
}

#[test]
fn code_can_be_asked_for() {
    let config = Config {
        mode: Mode::Interpret,
        ..Config::default()
    };
    let engine = start(ADD, config, &[]);
    for level in [Level::O1, Level::O3] {
        engine.recompile("f", level).unwrap();
        assert_eq!(report(&engine, "f").tier, Tier::from(level));
        assert_eq!(call(&engine, "f", 1), 8);
    }
    let error = engine.recompile("g", Level::O1).unwrap_err().to_string();
    assert!(error.contains('g'), "{error}");
}

#[test]
fn swaps_follow_compiles_that_succeeded() {
    let engine = start(ADD, at_once(), &[]);
    (0..10_000).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    let events = events(&engine, "f");
    let asked: Vec<Tier> = events
        .iter()
        .filter_map(|k| match k {
            EventKind::Request { tier, .. } => Some(*tier),
            _ => None,
        })
        .collect();
    let swapped: Vec<Tier> = events
        .iter()
        .filter_map(|k| match k {
            EventKind::Swap { tier, .. } => Some(*tier),
            _ => None,
        })
        .collect();
    let compiled: Vec<Tier> = events
        .iter()
        .filter_map(|k| match k {
            EventKind::Compile {
                tier,
                outcome: Outcome::Published,
                ..
            } => Some(*tier),
            _ => None,
        })
        .collect();
    let all = [Tier::O0, Tier::O1, Tier::O2, Tier::O3];
    assert_eq!(
        (&asked[..], &swapped[..], &compiled[..]),
        (&all[..], &all[..], &all[..])
    );
}
