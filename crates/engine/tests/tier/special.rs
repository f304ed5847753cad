//! Code for the arguments and targets that were seen, and the way back when others come.

use super::support::*;
use engine::profile::Tier;
use engine::tier::{Config, Dump, Engine};
use engine::trace::EventKind;

/// Sums `n` numbers of a table, each times `n`.
const SUM: &str = "
long table[64] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};
long sum(long n) {
    long s = 0;
    for (long i = 0; i < n; i++) s += table[i & 63] * n;
    return s;
}";

fn sum(n: i64) -> i64 {
    const TABLE: [i64; 16] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3];
    let at = |i: i64| TABLE.get((i & 63) as usize).copied().unwrap_or(0);
    (0..n).map(|i| at(i) * n).sum()
}

fn run(engine: &Engine, n: i64, times: usize) {
    let expected = sum(n);
    (0..times).for_each(|_| assert_eq!(call(engine, "sum", n), expected));
}

fn is_special(engine: &Engine) -> bool {
    let state = report(engine, "sum").state;
    state.contains("for the arguments it is called with")
}

fn dumping(scratch: &Scratch) -> Config {
    Config {
        dump: Some(Dump {
            folder: scratch.path().into(),
            pattern: "*".into(),
        }),
        ..at_once()
    }
}

/// The text of a function's body in dumped IR.
fn body<'t>(ir: &'t str, name: &str) -> &'t str {
    let at = ir
        .find(&format!(" @{name}("))
        .unwrap_or_else(|| panic!("no {name} in {ir}"));
    let end = ir[at..].find("\n}").unwrap();
    &ir[at..at + end]
}

#[test]
fn an_argument_that_repeats_gets_its_own_code() {
    let scratch = Scratch::new();
    let engine = start(&c(SUM), dumping(&scratch), &[]);
    run(&engine, 16, 1_000);
    assert_eq!(report(&engine, "sum").tier, Tier::O2);
    assert!(is_special(&engine), "{}", report(&engine, "sum").state);
    // The guard compares with the constant.
    let ir = scratch.read("sum.O2.ll");
    let text = body(&ir, "sum");
    assert!(text.contains("icmp eq i64 %0, 16"), "{text}");
    // Others run as well.
    for n in [0, 1, 15, 17, 64, 200] {
        run(&engine, n, 5);
    }
    run(&engine, 16, 20);
}

#[test]
fn a_few_values_get_a_variant_each() {
    let scratch = Scratch::new();
    let engine = start(&c(SUM), dumping(&scratch), &[]);
    (0..1_000).for_each(|i| run(&engine, [16, 40][i % 2], 1));
    assert_eq!(report(&engine, "sum").tier, Tier::O2);
    assert!(is_special(&engine), "{}", report(&engine, "sum").state);
    let ir = scratch.read("sum.O2.ll");
    for n in [16, 40] {
        // Compared with, or a case.
        let guards = [format!("icmp eq i64 %0, {n}"), format!("i64 {n}, label")];
        assert!(guards.iter().any(|g| ir.contains(g)), "{ir}");
    }
    for n in [0, 16, 17, 40, 41] {
        run(&engine, n, 20);
    }
    let variants = report(&engine, "sum").variants;
    let last = variants.last().unwrap();
    assert!(
        last.assumes.contains("0 = 16") && last.assumes.contains("0 = 40"),
        "{last:?}"
    );
    assert_eq!((last.hits, last.misses), (40, 60));
}

#[test]
fn without_specialisation_there_is_none() {
    let scratch = Scratch::new();
    let config = Config {
        specialise: false,
        ..dumping(&scratch)
    };
    let engine = start(&c(SUM), config, &[]);
    run(&engine, 16, 1_000);
    assert_eq!(report(&engine, "sum").tier, Tier::O2);
    assert!(!is_special(&engine));
    let ir = scratch.read("sum.O2.ll");
    assert!(!body(&ir, "sum").contains("icmp eq i64 %0, 16"));
}

#[test]
fn arguments_that_vary_get_none() {
    let engine = start(&c(SUM), at_once(), &[]);
    (0..1_000).for_each(|n| run(&engine, n % 50, 1));
    assert_eq!(report(&engine, "sum").tier, Tier::O2);
    assert!(!is_special(&engine), "{}", report(&engine, "sum").state);
}

#[test]
fn guards_that_fail_too_often_take_the_variant_back() {
    let engine = start(&c(SUM), at_once(), &[]);
    run(&engine, 16, 1_100);
    assert!(is_special(&engine));
    let missed = |engine: &Engine| {
        let is = |k: &EventKind| matches!(k, EventKind::GuardMiss { .. });
        events(engine, "sum").iter().any(is)
    };
    // Some misses are no reason.
    run(&engine, 3, 1_000);
    assert!(!missed(&engine));
    until("the variant is taken back", || {
        run(&engine, 3, 20_000);
        missed(&engine)
    });
    until("code for all arguments is there", || {
        !engine.is_compiling() && !is_special(&engine)
    });
    let sum = report(&engine, "sum");
    assert!(sum.tier >= Tier::O2);
    // The variant that was missed is the one made last; its number is that in the report.
    let last = sum.variants.len() as u32 - 1;
    let variant = |k: EventKind| match k {
        EventKind::GuardMiss { variant, .. } => Some(variant),
        _ => None,
    };
    let of: Vec<u32> = events(&engine, "sum")
        .into_iter()
        .filter_map(variant)
        .collect();
    assert_eq!(of, [last]);
    assert!(last > 0, "O2 and O3 each made one");
    run(&engine, 16, 100);
    run(&engine, 3, 100);
    // It stays taken back.
    assert!(!is_special(&engine));
}

/// Calls through a pointer in a loop.
const EACH: &str = "
typedef long fn(long);
long up(long x) { return x + 11; }
long down(long x) { return x - 5; }
fn *const all[2] = {up, down};
fn *now = up;
long each(long n) {
    long x = 0;
    for (long i = 0; i < n; i++) x = now(x);
    return x;
}
long turn(long which) { now = all[which]; return 0; }
";

#[test]
fn a_call_through_a_pointer_becomes_direct() {
    let scratch = Scratch::new();
    let engine = start(&c(EACH), dumping(&scratch), &[]);
    (0..1_000).for_each(|i| assert_eq!(call(&engine, "each", i % 40), 11 * (i % 40)));
    assert_eq!(report(&engine, "each").tier, Tier::O2);
    let ir = scratch.read("each.O2.ll");
    let text = body(&ir, "each");
    // Compared with the target, which came along and is inlined.
    let guard = text.lines().find(|l| l.contains("icmp eq ptr"));
    assert!(guard.is_some_and(|l| l.contains("@up")), "{text}");
    assert!(text.contains(", 11"), "{text}");
    // A new target is called all the same.
    call(&engine, "turn", 1);
    (0..50).for_each(|n| assert_eq!(call(&engine, "each", n), -5 * n));
    call(&engine, "turn", 0);
    (0..50).for_each(|n| assert_eq!(call(&engine, "each", n), 11 * n));
}

#[test]
fn without_specialisation_pointers_stay_pointers() {
    let scratch = Scratch::new();
    let config = Config {
        specialise: false,
        ..dumping(&scratch)
    };
    let engine = start(&c(EACH), config, &[]);
    (0..1_000).for_each(|i| assert_eq!(call(&engine, "each", i % 40), 11 * (i % 40)));
    let ir = scratch.read("each.O2.ll");
    assert!(!body(&ir, "each").contains("@up"));
}

#[test]
fn what_was_seen_is_reported() {
    let engine = start(&c(&format!("{SUM}{EACH}")), at_once(), &[]);
    run(&engine, 16, 30);
    (0..30).for_each(|_| _ = call(&engine, "each", 4));
    let values = &report(&engine, "sum").arguments[0].values;
    assert_eq!(values.top[0].0, 16);
    assert!(values.top[0].1 >= 16);
    let targets = &report(&engine, "each").indirect_sites[0];
    assert_eq!(targets.top[0].0 as usize, engine.address("up").unwrap());
}
