//! What can be looked at: IR and assembly of each tier, the trace, the profile.

use super::support::*;
use engine::profile::ProfileReport;
use engine::tier::{Config, Dump, Thresholds};
use serde_json::Value;
use std::process::Command;

#[test]
fn ir_and_assembly_are_written_for_each_function_and_tier() {
    let scratch = Scratch::new();
    let config = Config {
        thresholds: Thresholds {
            calls: [2, 4, 8, 16],
            back_edges: [NEVER; 4],
        },
        dump: Some(Dump {
            folder: scratch.path().into(),
            pattern: "f*".into(),
        }),
        ..at_once()
    };
    let program = ["f", "f2", "g"].map(|n| ADD.replace("@f", &format!("@{n}")));
    let engine = start(&program.concat(), config, &[]);
    for x in 0..20 {
        for name in ["f", "f2", "g"] {
            assert_eq!(call(&engine, name, x), x + 7);
        }
    }
    let mut expected = Vec::new();
    for name in ["f", "f2"] {
        for tier in ["O0", "O1", "O2", "O3"] {
            expected.extend(["ll", "s"].map(|e| format!("{name}.{tier}.{e}")));
        }
    }
    expected.sort();
    assert_eq!(scratch.files(), expected);
    for name in ["f", "f2"] {
        for tier in ["O0", "O1", "O2", "O3"] {
            let ir = scratch.read(&format!("{name}.{tier}.ll"));
            assert!(ir.contains(&format!("@{name}(")), "{ir}");
            // What was written is what LLVM reads.
            let file = scratch.path().join(format!("{name}.{tier}.ll"));
            let checked = Command::new("clang-22")
                .args(["-w", "-x", "ir", "-c", "-o", "/dev/null"])
                .arg(file)
                .status();
            assert!(checked.unwrap().success());
            let assembly = scratch.read(&format!("{name}.{tier}.s"));
            assert!(assembly.contains(&format!("\n{name}:")), "{assembly}");
            assert!(assembly.contains("ret"), "{assembly}");
        }
    }
}

#[test]
fn loops_entered_in_their_middle_are_written_too() {
    let scratch = Scratch::new();
    let config = Config {
        dump: Some(Dump {
            folder: scratch.path().into(),
            pattern: "*.osr.*".into(),
        }),
        ..at_once()
    };
    let engine = start(SPIN, config, &[]);
    assert_eq!(call(&engine, "spin", 300_000), spun(300_000));
    assert_eq!(scratch.files(), ["spin.osr.1.O3.ll", "spin.osr.1.O3.s"]);
}

#[test]
fn a_folder_that_is_not_there_stops_nothing() {
    let config = Config {
        dump: Some(Dump {
            folder: "/nonexistent/folder".into(),
            pattern: "*".into(),
        }),
        ..at_once()
    };
    let engine = start(ADD, config, &[]);
    (0..20).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    assert_eq!(compiles(&engine, "f"), 1);
}

#[test]
fn the_trace_is_what_viewers_read() {
    let engine = start(&format!("{ADD}{SPIN}"), at_once(), &[]);
    (0..10_000).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    assert_eq!(call(&engine, "spin", 300_000), spun(300_000));
    settle(&engine);
    let json: Value = serde_json::from_str(&engine.trace_json()).unwrap();
    let all = json["traceEvents"].as_array().unwrap();
    let of =
        |category: &str| -> Vec<&Value> { all.iter().filter(|e| e["cat"] == category).collect() };
    let names = |category: &str| -> Vec<&str> {
        of(category)
            .iter()
            .map(|e| e["name"].as_str().unwrap())
            .collect()
    };
    for tier in ["O0", "O1", "O2", "O3"] {
        assert!(names("compile").contains(&&*format!("f {tier}")));
        assert!(names("swap").contains(&&*format!("swap f {tier}")));
        assert!(names("request").contains(&&*format!("request f {tier}")));
    }
    assert_eq!(names("osr"), ["osr spin O3"]);
    assert_eq!(names("phase"), ["read the program"]);
    assert!(!of("pause").is_empty());
    // In the order of time, as they came from a clock that does not go back.
    let times: Vec<f64> = all.iter().filter_map(|e| e["ts"].as_f64()).collect();
    assert!(times.is_sorted() && times.len() > 20);
    let end = engine.trace().now_ns() as f64 / 1000.0;
    assert!(times.iter().all(|t| (0.0..=end).contains(t)));
    // Each swap comes when its compile began, or later; compiles are the compiler's.
    let at = |name: &str| {
        let event = all.iter().find(|e| e["name"] == name).unwrap();
        (event["ts"].as_f64().unwrap(), event["tid"].as_u64())
    };
    let named = |e: &&Value| e["name"] == "thread_name" && e["args"]["name"] == "compiler";
    let compiler = all.iter().find(named).unwrap()["tid"].as_u64();
    for tier in ["O0", "O1", "O2"] {
        let (request, thread) = at(&format!("request f {tier}"));
        let (compile, made_by) = at(&format!("f {tier}"));
        let (swap, _) = at(&format!("swap f {tier}"));
        assert!(
            request <= compile && compile <= swap,
            "{request} {compile} {swap}"
        );
        assert_eq!(made_by, compiler);
        assert_ne!(thread, compiler);
    }
}

#[test]
fn a_trace_that_is_off_keeps_nothing_and_the_report_stays() {
    let config = Config {
        trace_events: 0,
        ..at_once()
    };
    let engine = start(ADD, config, &[]);
    (0..200).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    assert_eq!(engine.trace().events(), []);
    assert!(report(&engine, "f").calls >= 200);
    assert_eq!(
        report(&engine, "f")
            .tiers
            .iter()
            .map(|t| t.compiles)
            .sum::<u32>(),
        2
    );
}

#[test]
fn the_profile_is_read_back() {
    let engine = start(&format!("{ADD}{SPIN}"), at_once(), &[]);
    (0..200).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    let report = engine.report();
    let again = ProfileReport::from_json(&report.to_json()).unwrap();
    assert_eq!(again, report);
    assert_eq!((report.totals.functions, report.totals.never_ran), (2, 1));
    assert_eq!(report.totals.compiles, 2);
}

#[test]
fn blocks_that_ran_are_known() {
    let ir = c(
        "long f(long x) { long s = 0; if (x > 5) for (long i = 0; i < x; i++) s += i; else s = x - 1; return s; }",
    );
    let engine = start(&ir, at_once(), &[]);
    (0..5).for_each(|x| assert_eq!(call(&engine, "f", x), x - 1));
    let blocks = report(&engine, "f").blocks;
    assert_eq!(blocks[0], 5);
    assert!(blocks.contains(&0), "{blocks:?}");
    assert_eq!(call(&engine, "f", 9), 36);
    assert!(report(&engine, "f").blocks_reached() > blocks.iter().filter(|n| **n > 0).count());
}

#[test]
fn blocks_that_ran_in_o0_code_only_are_known_and_counted() {
    let ir = c(
        "long f(long x) { long s = 0; if (x > 5) for (long i = 0; i < x; i++) s += i; else s = x - 1; return s; }",
    );
    let config = Config {
        thresholds: calls([3, NEVER, NEVER, NEVER]),
        ..at_once()
    };
    let engine = start(&ir, config, &[]);
    (0..5).for_each(|x| assert_eq!(call(&engine, "f", x), x - 1));
    assert_eq!(report(&engine, "f").tier, engine::profile::Tier::O0);
    let before = report(&engine, "f").blocks;
    assert_eq!(before[0], 5, "{before:?}");
    // The loop runs in O0 code for the first time: 4 calls of 9 rounds each.
    (0..4).for_each(|_| assert_eq!(call(&engine, "f", 9), 36));
    let after = report(&engine, "f").blocks;
    assert_eq!(after[0], 9, "{after:?}");
    let fresh = before
        .iter()
        .zip(&after)
        .filter(|(b, a)| **b == 0 && **a > 0);
    let counts: Vec<u64> = fresh.map(|(_, a)| *a).collect();
    assert!(
        counts.contains(&36) && counts.iter().all(|n| [4, 36, 40].contains(n)),
        "{after:?}"
    );
}

/// Both ways out of `left` and of `right` lead where the other's lead, too.
const CROSSING: &str = "
define i64 @f(i64 %x) {
start:
  %a = and i64 %x, 1
  %is_odd = icmp eq i64 %a, 1
  br i1 %is_odd, label %left, label %right
left:
  %b = icmp slt i64 %x, 30
  br i1 %b, label %low, label %high
right:
  %c = icmp slt i64 %x, 10
  br i1 %c, label %low, label %high
low:
  switch i64 %x, label %other [ i64 3, label %high i64 4, label %other i64 5, label %five ]
five:
  ret i64 5
other:
  ret i64 1
high:
  ret i64 2
}
";

#[test]
fn what_branches_did_is_known() {
    // In the interpreter, and where O0 code went on after 50 calls.
    for threshold in [NEVER, 50] {
        let config = Config {
            thresholds: calls([threshold, NEVER, NEVER, NEVER]),
            ..at_once()
        };
        let engine = start(CROSSING, config, &[]);
        for round in 0..2 {
            for x in 0..100 {
                let low = x < if x & 1 == 1 { 30 } else { 10 };
                let expected = match x {
                    5 => 5,
                    3 => 2,
                    _ => 1 + i64::from(!low),
                };
                assert_eq!(call(&engine, "f", x), expected, "{x} in round {round}");
            }
        }
        let f = report(&engine, "f");
        let taken: Vec<Option<&[u64]>> = f.branches.iter().map(|b| b.taken.as_deref()).collect();
        // 15 odd numbers below 30, 5 even ones below 10, in each round; O0 code counts no ways, and nothing is guessed.
        let rest: [Option<&[u64]>; 2] = match threshold {
            NEVER => [Some(&[30, 70]), Some(&[10, 90])],
            _ => [None, None],
        };
        assert_eq!(taken[0], Some(&[100, 100][..]));
        assert_eq!(taken[1..], rest, "{:?}", f.branches);
        let text = engine.report().to_text(engine::profile::TextOptions {
            functions: 1,
            details: true,
        });
        assert!(text.contains("branch in block 0, 200 times: to "), "{text}");
    }
}

#[test]
fn blocks_are_counted_where_nothing_climbs() {
    let ir = c(
        "long f(long x) { long s = 0; if (x > 5) for (long i = 0; i < x; i++) s += i; else s = x - 1; return s; }",
    );
    for mode in ["interp", "O0"] {
        let config = Config {
            mode: mode.parse().unwrap(),
            ..Config::default()
        };
        let engine = start(&ir, config, &[]);
        (0..5).for_each(|x| assert_eq!(call(&engine, "f", x), x - 1));
        let f = report(&engine, "f");
        assert_eq!((f.tier.name(), f.blocks[0]), (mode, 5), "{:?}", f.blocks);
        assert!(f.blocks_reached() < f.blocks.len(), "{:?}", f.blocks);
        assert_eq!(call(&engine, "f", 9), 36);
        assert!(report(&engine, "f").blocks_reached() > f.blocks_reached());
    }
}

#[test]
fn nothing_is_measured_where_nothing_was_asked_for() {
    let config = Config {
        profile: false,
        ..at_once()
    };
    let engine = start(ADD, config, &[]);
    (0..1_000).for_each(|x| assert_eq!(call(&engine, "f", x), x + 7));
    let f = report(&engine, "f");
    // Tiers need calls; values and blocks are for the profile.
    assert!(f.calls >= 1_000);
    assert_eq!(f.tier.name(), "O2");
    assert_eq!(f.arguments[0].values.total, 0);
    assert!(f.blocks.iter().all(|n| *n == 0));
}
