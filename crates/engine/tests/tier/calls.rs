//! Calls of every kind while the functions change tiers: recursion, variable arguments, pointers, host and back.

use super::support::*;
use engine::Level;
use engine::profile::Tier;
use engine::tier::{Config, Engine, Mode};

/// Every form of running: each must give the same.
fn forms() -> Vec<Config> {
    let low = calls([2, 4, 8, 16]);
    let of = |config: Config| Config {
        thresholds: low,
        ..config
    };
    let mut forms = vec![
        of(at_once()),
        of(Config::default()),
        Config {
            mode: Mode::Interpret,
            ..at_once()
        },
        Config {
            shuffle: Some(7),
            ..at_once()
        },
        Config {
            force_osr: true,
            ..of(at_once())
        },
    ];
    forms.extend([Level::O0, Level::O3].map(|level| Config {
        mode: Mode::Fixed(level),
        ..at_once()
    }));
    forms
}

#[test]
fn recursion() {
    let ir = c("
        long fib(long n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
        long odd(long n);
        long even(long n) { return n ? odd(n - 1) : 1; }
        long odd(long n) { return n ? even(n - 1) : 0; }
        long deep(long n) { long box[3] = {n, n + 1, n + 2}; return n ? deep(n - 1) + box[n % 3] : 0; }
    ");
    let deep = |n: i64| (1..=n).map(|i| i + i % 3).sum::<i64>();
    for config in forms() {
        let engine = start(&ir, config, &[]);
        for round in 0..25 {
            assert_eq!(call(&engine, "fib", 10), 55);
            assert_eq!(call(&engine, "even", round), i64::from(round % 2 == 0));
            assert_eq!(call(&engine, "deep", 50 + round), deep(50 + round));
        }
    }
}

#[test]
fn variable_arguments() {
    let ir = c("
        #include <stdarg.h>
        double sum(int n, ...) {
            va_list all;
            double s = 0;
            va_start(all, n);
            for (int i = 0; i < n; i++) {
                s += va_arg(all, int);
                s += va_arg(all, double);
                s += va_arg(all, long);
            }
            va_end(all);
            return s;
        }
        long run(long k) {
            return sum(4, 1, 0.5, 10l, (int)k, 0.25, 20l, -3, 0.25, 30l, 7, 9.0, 1l << 40) == k + 75 + (1l << 40);
        }
    ");
    for config in forms() {
        let engine = start(&ir, config, &[]);
        let at = engine.address("sum").unwrap();
        // SAFETY: this is its type.
        let sum =
            unsafe { std::mem::transmute::<usize, unsafe extern "C" fn(i32, ...) -> f64>(at) };
        for k in 0..25_i32 {
            assert_eq!(call(&engine, "run", k.into()), 1);
            // SAFETY: three arguments for each of the number.
            let got = engine.call(|| unsafe { sum(2, k, 1.5_f64, 2_i64, -k, 2.5_f64, 3_i64) });
            assert_eq!(got, 9.0);
        }
    }
}

extern "C" fn apply(f: extern "C" fn(i64) -> i64, x: i64) -> i64 {
    f(x) + 1
}

#[test]
fn the_host_calls_back() {
    let ir = c("
        typedef long fn(long);
        long apply(fn *, long);
        long twice(long x) { return 2 * x; }
        long through(long x) { return apply(twice, x) + apply(twice, apply(twice, x)); }
        fn *which(long x) { return twice; }
        long nested(long x) { return x > 0 ? apply(nested, x - 1) : 100; }
    ");
    for config in forms() {
        let engine = start(&ir, config, &[("apply", apply as *const () as usize)]);
        let address = engine.address("twice").unwrap();
        for x in 0..40 {
            assert_eq!(call(&engine, "through", x), 2 * x + 1 + 2 * (2 * x + 1) + 1);
            assert_eq!(call(&engine, "nested", x), 100 + x);
            // A function has one address, whatever its code.
            assert_eq!(call(&engine, "which", 0) as usize, address);
            assert_eq!(call(&engine, "twice", x), 2 * x);
        }
    }
}

#[test]
fn calls_between_tiers_reach_the_newest_code() {
    let ir = c("
        long caller(void);
        long inner(long x) { return caller() + 0 * x; }
        long (*pointer)(long) = inner;
        long direct(long x) { return inner(x); }
        long indirect(long x) { return pointer(x); }
    ");
    // What a tail call returns to is its caller's.
    let ir = ir.replace("= call i64 @caller", "= notail call i64 @caller");
    let config = Config {
        mode: Mode::Interpret,
        ..Config::default()
    };
    let engine = start(&ir, config, &[("caller", caller as *const () as usize)]);
    let ran = |engine: &Engine, name: &str| place(engine, call(engine, name, 1) as usize);
    assert_eq!(
        (ran(&engine, "direct"), ran(&engine, "indirect")),
        (None, None)
    );
    engine.recompile("inner", Level::O0).unwrap();
    let inner = Some("inner".to_owned());
    assert_eq!(ran(&engine, "direct"), inner);
    assert_eq!(ran(&engine, "indirect"), inner);
    engine.recompile("direct", Level::O0).unwrap();
    engine.recompile("indirect", Level::O2).unwrap();
    let first = call(&engine, "direct", 1);
    assert_eq!(first, call(&engine, "indirect", 1));
    engine.recompile("inner", Level::O1).unwrap();
    let second = call(&engine, "direct", 1);
    assert_ne!(first, second);
    assert_eq!(second, call(&engine, "indirect", 1));
    assert_eq!(ran(&engine, "direct"), inner);
    assert_eq!(report(&engine, "inner").tier, Tier::O1);
}

#[test]
fn variables_are_one_for_all_tiers() {
    let ir = c("
        static long counter;
        long up(long x) { return counter += x; }
        long read(long x) { return counter; }
    ");
    for config in forms() {
        let engine = start(&ir, config, &[]);
        for i in 1..60 {
            assert_eq!(call(&engine, "up", 3), 3 * i);
            assert_eq!(call(&engine, "read", 0), 3 * i);
        }
    }
}
