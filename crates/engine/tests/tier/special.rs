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

/// Sums bytes: up to a boundary one by one, then by words. `step` looks at no alignment.
const BYTES: &str = "
_Alignas(64) unsigned char bytes[4096];
long sum(const unsigned char *p, long n) {
    unsigned long s = 0;
    while (n > 0 && ((unsigned long)p & 7)) { s += *p++; n--; }
    while (n >= 8) { s += *(const unsigned long *)p; p += 8; n -= 8; }
    while (n > 0) { s += *p++; n--; }
    return s;
}
long step(const unsigned char *p, long n) {
    unsigned long s = 0;
    for (long i = 0; i < n; i++) s += p[i] * 3;
    return s;
}
long fill(long n) { for (long i = 0; i < 4096; i++) bytes[i] = i; return 0; }
";

/// Calls `sum` or `step` with the address `x >> 8` of the bytes and the length `x & 255`.
fn of_bytes(engine: &Engine, name: &str, x: i64) -> i64 {
    let at = engine.address("bytes").unwrap() + (x >> 8) as usize;
    let f = engine.address(name).unwrap();
    // SAFETY: both have this type, and the bytes are 4096.
    let f = unsafe { std::mem::transmute::<usize, extern "C" fn(usize, i64) -> i64>(f) };
    engine.call(|| f(at, x & 255))
}

fn summed(x: i64) -> i64 {
    let (mut at, mut n) = (x >> 8, x & 255);
    let mut s = 0_i64;
    let mut byte = |at: i64| s = s.wrapping_add(at & 255);
    while n > 0 && at & 7 != 0 {
        byte(at);
        (at, n) = (at + 1, n - 1);
    }
    let mut words = 0_i64;
    while n >= 8 {
        let word: [u8; 8] = std::array::from_fn(|i| (at as usize + i) as u8);
        words = words.wrapping_add(i64::from_le_bytes(word));
        (at, n) = (at + 8, n - 8);
    }
    while n > 0 {
        byte(at);
        (at, n) = (at + 1, n - 1);
    }
    s.wrapping_add(words)
}

fn stepped(x: i64) -> i64 {
    (0..x & 255).map(|i| (((x >> 8) + i) & 255) * 3).sum()
}

fn assumes(engine: &Engine, name: &str) -> Option<String> {
    let variants = report(engine, name).variants;
    variants.last().map(|v| v.assumes.clone())
}

#[test]
fn an_alignment_that_the_function_asks_for_gets_its_own_code() {
    let scratch = Scratch::new();
    let engine = start(&c(BYTES), dumping(&scratch), &[]);
    call(&engine, "fill", 0);
    // Multiples of 32, of many lengths.
    let x = |i: i64| (i % 7 * 32) << 8 | (i % 90);
    for i in 0..1_000 {
        assert_eq!(of_bytes(&engine, "sum", x(i)), summed(x(i)));
        assert_eq!(of_bytes(&engine, "step", x(i)), stepped(x(i)));
    }
    assert_eq!(report(&engine, "sum").tier, Tier::O2);
    assert_eq!(assumes(&engine, "sum").as_deref(), Some("align(0) >= 32"));
    // The guard looks at the low bits. What they are is no question behind it: that is left for other pointers.
    let ir = scratch.read("sum.O2.ll");
    let asks = |text: &str, bits: &str| {
        let mut lines = text.lines();
        lines.any(|l| l.contains("= and i64") && l.ends_with(bits))
    };
    let variant = body(&ir, "sum");
    assert!(asks(variant, ", 31") && !asks(variant, ", 7"), "{ir}");
    let (_, generic) = ir.rsplit_once(" @sum.generic(").unwrap();
    assert!(asks(generic, ", 7"), "{ir}");
    // Other addresses go the other way.
    let misses = |engine: &Engine| report(engine, "sum").variants.last().unwrap().misses;
    assert_eq!(misses(&engine), 0);
    for at in 0..70 {
        let x = at << 8 | 50;
        assert_eq!(of_bytes(&engine, "sum", x), summed(x));
    }
    assert_eq!(misses(&engine), 70 - 3);
    // Who does not ask gets none: it would be the same code.
    assert_eq!(report(&engine, "step").tier, Tier::O2);
    assert_eq!(assumes(&engine, "step"), None);
}

#[test]
fn an_alignment_comes_along_with_a_constant() {
    let scratch = Scratch::new();
    let engine = start(&c(BYTES), dumping(&scratch), &[]);
    call(&engine, "fill", 0);
    for i in 0..1_000 {
        let x = (i % 7 * 16) << 8 | 24;
        assert_eq!(of_bytes(&engine, "step", x), stepped(x));
    }
    let assumed = assumes(&engine, "step").unwrap();
    assert!(
        assumed.contains("1 = 24") && assumed.contains("align(0) >= 16"),
        "{assumed}"
    );
    let ir = scratch.read("step.O2.ll");
    assert!(ir.contains("align 16"), "{ir}");
    // Neither alone is enough for its code.
    for x in [16 << 8 | 24, 17 << 8 | 24, 16 << 8 | 25, 3 << 8 | 9] {
        assert_eq!(of_bytes(&engine, "step", x), stepped(x));
    }
    assert_eq!(report(&engine, "step").variants.last().unwrap().misses, 3);
}
