//! Engines that a program makes for itself: limits hold, unloading frees, damaged modules are refused.

use engine::embed::{Error, Host, Instance, LEAST_LIMIT, Statistics};
use engine::memory::Reclaimer;
use engine::tier::Thresholds;
use engine::{Context, Cpu, Level};
use llvm::Module;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const CALLS: &str = "
@counter = global i64 5
define i64 @f(i64 %x) {
  %c = load i64, ptr @counter
  %r = add i64 %x, %c
  ret i64 %r
}
define i64 @through(ptr %p, i64 %x) {
  %r = call i64 %p(i64 %x)
  ret i64 %r
}
define internal i64 @hidden(i64 %x) {
  ret i64 %x
}
define ptr @pointer() {
  ret ptr @hidden
}
";

/// Imports a function and a variable of `CALLS`.
const IMPORTS: &str = "
@counter = external global i64
declare i64 @f(i64)
define double @half(double %x) {
  %r = fmul double %x, 0.5
  ret double %r
}
define i64 @g(i64 %x) {
  %a = call i64 @f(i64 %x)
  %c = load i64, ptr @counter
  %r = mul i64 %a, %c
  ret i64 %r
}
";

/// Tests take turns: one measures what the whole process holds.
fn turn() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bitcode(ir: &str) -> Vec<u8> {
    let context = Context::new();
    let module = Module::from_ir(&context, "test", ir).unwrap();
    module.to_bitcode()
}

fn instance(limit: usize) -> Instance {
    let host = Host {
        cpu: Cpu::detect(),
        features: 0,
        resolve: Arc::new(|_| None),
        reclaimer: Arc::new(Reclaimer::new()),
    };
    Instance::new(host, limit, Thresholds::default())
}

fn call(instance: &Instance, name: &str, x: i64) -> i64 {
    let at = instance.find(name).unwrap();
    // SAFETY: tests name functions of this type.
    let f = unsafe { std::mem::transmute::<usize, extern "C" fn(i64) -> i64>(at) };
    f(x)
}

#[test]
fn modules_find_each_other_and_are_unloaded_in_order() {
    let _turn = turn();
    let engine = instance(8 << 20);
    assert!(matches!(
        engine.load("g", &bitcode(IMPORTS)),
        Err(Error::Module(engine::Error::MissingImport { .. }))
    ));
    let f = engine.load("f", &bitcode(CALLS)).unwrap();
    let g = engine.load("g", &bitcode(IMPORTS)).unwrap();
    assert_eq!(engine.names(), ["f", "g", "half", "pointer", "through"]);
    for level in [None, Some(Level::O0), Some(Level::O3)] {
        engine.recompile("g", level).unwrap();
        assert_eq!(call(&engine, "g", 7), 60);
    }
    assert!(matches!(
        engine.load("again", &bitcode(CALLS)),
        Err(Error::Duplicate { .. })
    ));
    let refused = engine.unload(f).unwrap_err();
    assert!(matches!(&refused, Error::InUse { by, .. } if by == "g"));
    engine.unload(g).unwrap();
    engine.unload(f).unwrap();
    assert_eq!(engine.unload(f), Err(Error::UnknownModule { number: f }));
    let unknown = Error::UnknownFunction { name: "f".into() };
    assert_eq!(engine.find("f"), Err(unknown));
    assert_eq!(engine.statistics().used_bytes, 0);
}

/// The interpreter of one program calls through pointers into another.
#[test]
fn interpreted_calls_go_from_program_to_program() {
    let _turn = turn();
    let (one, two) = (instance(8 << 20), instance(8 << 20));
    one.load("f", &bitcode(CALLS)).unwrap();
    // `half` comes first, so that the types of both programs are numbered differently.
    let doubles = "
        define double @half(double %x) {
          %r = fmul double %x, 0.5
          ret double %r
        }
        define i64 @wide(i64 %x) {
          %r = mul i64 %x, 3
          ret i64 %r
        }";
    two.load("doubles", &bitcode(doubles)).unwrap();
    let through = one.find("through").unwrap();
    // SAFETY: the function has this type.
    let through =
        unsafe { std::mem::transmute::<usize, extern "C" fn(usize, i64) -> i64>(through) };
    for _ in 0..3 {
        assert_eq!(through(two.find("wide").unwrap(), 14), 42);
        assert_eq!(through(one.find("f").unwrap(), 37), 42);
    }
}

#[test]
fn the_limit_holds_for_variables_and_code_and_everything_comes_back() {
    let _turn = turn();
    let engine = instance(LEAST_LIMIT);
    let large = "@large = global [1048576 x i8] zeroinitializer";
    let refused = engine.load("large", &bitcode(large)).unwrap_err();
    assert!(
        matches!(refused, Error::Limit { limit, .. } if limit == LEAST_LIMIT),
        "{refused}"
    );
    assert_eq!(engine.statistics().used_bytes, 0);
    let module = engine.load("f", &bitcode(CALLS)).unwrap();
    let second = engine.load("h", &bitcode("define i64 @h(i64 %x) { ret i64 %x }"));
    assert!(matches!(second, Err(Error::Limit { .. })), "{second:?}");
    let loaded = engine.statistics();
    engine.recompile("f", Some(Level::O2)).unwrap();
    let compiled = engine.statistics();
    assert!(compiled.used_bytes > loaded.used_bytes);
    assert_eq!(compiled.at_level, [2, 0, 0, 1, 0]);
    engine.unload(module).unwrap();
    let Statistics {
        used_bytes,
        most_bytes,
        compiles,
        ..
    } = engine.statistics();
    assert_eq!((used_bytes, compiles), (0, 1));
    assert!(most_bytes <= LEAST_LIMIT);
}

#[test]
fn code_that_finds_no_room_is_refused_and_the_function_goes_on() {
    let _turn = turn();
    let used = {
        let engine = instance(8 << 20);
        engine.load("f", &bitcode(CALLS)).unwrap();
        engine.load("g", &bitcode(IMPORTS)).unwrap();
        engine.statistics().used_bytes
    };
    let engine = instance(used);
    engine.load("f", &bitcode(CALLS)).unwrap();
    engine.load("g", &bitcode(IMPORTS)).unwrap();
    let refused = engine.recompile("g", Some(Level::O1)).unwrap_err();
    assert!(matches!(refused, Error::Limit { .. }), "{refused}");
    assert_eq!(call(&engine, "g", 7), 60);
    assert!(!engine.info("g").unwrap().is_pinned);
}

/// Bytes of memory that the allocator handed out.
fn allocated() -> usize {
    // SAFETY: takes nothing.
    let now = unsafe { libc::mallinfo2() };
    now.uordblks + now.hblkhd
}

#[test]
fn loading_and_unloading_leaves_no_memory_behind() {
    let _turn = turn();
    let engine = instance(8 << 20);
    let code = bitcode(CALLS);
    let round = |level| {
        let module = engine.load("f", &code).unwrap();
        engine.recompile("f", Some(level)).unwrap();
        assert_eq!(call(&engine, "f", 1), 6);
        engine.unload(module).unwrap();
    };
    (0..10).for_each(|n| round(Level::ALL[n % 4]));
    let before = allocated();
    (0..50).for_each(|n| round(Level::ALL[n % 4]));
    let more = allocated().saturating_sub(before);
    // A module that stays costs a quarter of a megabyte at least.
    assert!(more < 4 << 20, "{more} bytes more");
}

#[test]
fn recorded_calls_earn_a_level() {
    let _turn = turn();
    let engine = instance(8 << 20);
    engine.load("f", &bitcode(CALLS)).unwrap();
    (0..999).for_each(|_| engine.record("f", 10).unwrap());
    engine.recompile("f", Some(Level::O0)).unwrap();
    assert!(
        !engine.should_reoptimise("f").unwrap(),
        "it keeps its level"
    );
    assert_eq!(engine.optimise(), Ok(0));
    engine.recompile("f", None).unwrap();
    assert!(engine.should_reoptimise("f").unwrap());
    assert_eq!(engine.optimise(), Ok(1));
    assert_eq!(engine.info("f").unwrap().level, Some(Level::O1));
    engine.record("f", 10).unwrap();
    assert!(engine.should_reoptimise("f").unwrap());
    let recorded = engine.info("f").unwrap().recorded.unwrap();
    assert_eq!((recorded.samples, recorded.total), (1_000, 10_000));
}

#[test]
fn what_is_no_module_is_told_by_its_first_bytes() {
    let _turn = turn();
    let engine = instance(8 << 20);
    for (bytes, told) in [
        (&b""[..], "nothing"),
        (b"\x7fELF", "7F 45 4C 46"),
        (b"B", "42"),
    ] {
        let refused = engine.load("x", bytes).unwrap_err();
        assert!(refused.to_string().contains(told), "{refused}");
    }
    for cut in [b"LLBC".as_slice(), b"BC\xC0\xDE"] {
        assert!(matches!(engine.load("x", cut), Err(Error::Module(_))));
    }
    assert_eq!(engine.statistics().used_bytes, 0);
}
