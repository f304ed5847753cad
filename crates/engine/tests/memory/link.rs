//! What LLVM makes at O0 to O3, linked and called.

use super::support::{LEVELS, call, host, names, object, region, unit};
use engine::memory::{Symbol, install_at, link};
use std::cell::Cell;
use std::sync::atomic::Ordering;

extern "C" fn add_hundred(x: i64) -> i64 {
    x + 100
}

fn hundred() -> Symbol {
    host(add_hundred as *const () as usize)
}

#[test]
fn calls_reach_far_host_functions_in_every_form() {
    let ir = "
declare i64 @direct(i64)
declare i64 @loaded(i64) nonlazybind
define i64 @both(i64 %x) {
  %a = call i64 @direct(i64 %x)
  %b = call i64 @loaded(i64 %a)
  ret i64 %b
}
define i64 @tail(i64 %x) {
  %a = tail call i64 @loaded(i64 %x)
  ret i64 %a
}
define i64 @address(i64 %x) {
  ret i64 ptrtoint (ptr @loaded to i64)
}";
    for level in LEVELS {
        let region = region(1 << 20);
        let unit = unit(
            &region,
            ir,
            level,
            &[("direct", hundred()), ("loaded", hundred())],
        );
        assert!(
            !region.reaches(hundred_address()),
            "the host is near: nothing is shown"
        );
        assert_eq!(call(&unit, "both", 1), 201);
        assert_eq!(call(&unit, "tail", 1), 101);
        assert_eq!(call(&unit, "address", 0) as usize, hundred_address());
    }
}

fn hundred_address() -> usize {
    add_hundred as *const () as usize
}

#[test]
fn calls_follow_the_slot() {
    let ir = "
declare i64 @f(i64) nonlazybind
declare i64 @g(i64)
define i64 @call(i64 %x) {
  %a = call i64 @f(i64 %x)
  %b = add i64 %a, 1
  ret i64 %b
}
define i64 @jump(i64 %x) {
  %a = tail call i64 @f(i64 %x)
  ret i64 %a
}
define i64 @thunk(i64 %x) {
  %a = call i64 @g(i64 %x)
  %b = add i64 %a, 1
  ret i64 %b
}
define i64 @address(i64 %x) {
  ret i64 ptrtoint (ptr @f to i64)
}";
    let version = |n: i64| {
        format!(
            "define i64 @f(i64 %x) {{
  %a = add i64 %x, {n}
  ret i64 %a
}}"
        )
    };
    for level in LEVELS {
        let region = region(1 << 20);
        // What guests see as the function's address: a jump through the slot.
        let stub = install_at(&region, 6, |at, code| {
            let distance = region.slot_address(3).wrapping_sub(at + 6) as u32;
            code[..2].copy_from_slice(&[0xff, 0x25]);
            code[2..].copy_from_slice(&distance.to_le_bytes());
        })
        .unwrap();
        let address = stub.range().start;
        let guest = |slot| Symbol::Function {
            address,
            slot: Some(region.slot_address(slot)),
        };
        let user = unit(&region, ir, level, &[("f", guest(3)), ("g", guest(4))]);
        for n in [1000, 2000, 3000] {
            let code = unit(&region, &version(n), level, &[("f", guest(3))]);
            region
                .slot(3)
                .store(code.address("f").unwrap(), Ordering::Release);
            region
                .slot(4)
                .store(code.address("f").unwrap(), Ordering::Release);
            assert_eq!(call(&user, "call", 5), n + 6);
            assert_eq!(call(&user, "jump", 5), n + 5);
            assert_eq!(call(&user, "thunk", 5), n + 6);
            assert_eq!(call(&user, "address", 5) as usize, address);
        }
    }
}

#[test]
fn far_functions_of_the_c_library_are_called() {
    let ir = "
declare double @cos(double) nonlazybind
declare double @pow(double, double)
define i64 @f(i64 %x) {
  %d = sitofp i64 %x to double
  %c = call double @cos(double %d)
  %p = call double @pow(double %d, double 3.0)
  %s = fadd double %c, %p
  %m = fmul double %s, 1.0e6
  %i = fptosi double %m to i64
  ret i64 %i
}";
    unsafe extern "C" {
        safe fn cos(x: f64) -> f64;
        safe fn pow(x: f64, y: f64) -> f64;
    }
    let list = [
        ("cos", host(cos as *const () as usize)),
        ("pow", host(pow as *const () as usize)),
    ];
    for level in LEVELS {
        let unit = unit(&region(1 << 20), ir, level, &list);
        for x in -3..4 {
            let expected = (f64::cos(x as f64) + f64::powi(x as f64, 3)) * 1.0e6;
            assert_eq!(call(&unit, "f", x), expected as i64);
        }
    }
}

#[test]
fn constants_tables_and_jumps_are_placed() {
    // Constant pools of 4 to 32 bytes, a lookup table, a jump table, a table of function pointers.
    let ir = "
@odd = private unnamed_addr constant [5 x i64] [i64 3, i64 1, i64 4, i64 1, i64 5]
@functions = private constant [3 x ptr] [ptr @plus, ptr @times, ptr @minus]
declare void @sink(i64)
define internal i64 @plus(i64 %x) {
  %r = add i64 %x, 7
  ret i64 %r
}
define internal i64 @times(i64 %x) {
  %r = mul i64 %x, 7
  ret i64 %r
}
define internal i64 @minus(i64 %x) {
  %r = sub i64 %x, 7
  ret i64 %r
}
define i64 @table(i64 %x) {
  %i = urem i64 %x, 5
  %p = getelementptr [5 x i64], ptr @odd, i64 0, i64 %i
  %v = load i64, ptr %p
  ret i64 %v
}
define i64 @pointers(i64 %x) {
  %i = urem i64 %x, 3
  %p = getelementptr [3 x ptr], ptr @functions, i64 0, i64 %i
  %f = load ptr, ptr %p
  %v = call i64 %f(i64 %x)
  ret i64 %v
}
define i64 @floats(i64 %x) {
  %d = sitofp i64 %x to double
  %f = sitofp i64 %x to float
  %v = insertelement <4 x double> <double 1.5, double 2.5, double 3.5, double 4.5>, double %d, i32 1
  %w = fmul <4 x double> %v, <double 2.0, double 3.0, double 5.0, double 7.0>
  %s = call double @llvm.vector.reduce.fadd.v4f64(double 0.0, <4 x double> %w)
  %g = fmul float %f, 1.25
  %h = fpext float %g to double
  %t = fadd double %s, %h
  %r = fptosi double %t to i64
  ret i64 %r
}
declare double @llvm.vector.reduce.fadd.v4f64(double, <4 x double>)
define i64 @jumps(i64 %x) {
entry:
  switch i64 %x, label %other [
    i64 0, label %a
    i64 1, label %b
    i64 2, label %c
    i64 3, label %d
    i64 4, label %e
    i64 5, label %f
  ]
a:
  call void @sink(i64 10)
  ret i64 100
b:
  call void @sink(i64 20)
  ret i64 90
c:
  call void @sink(i64 35)
  ret i64 83
d:
  call void @sink(i64 41)
  ret i64 77
e:
  call void @sink(i64 58)
  ret i64 61
f:
  call void @sink(i64 67)
  ret i64 51
other:
  ret i64 -1
}";
    thread_local! {
        static SUNK: Cell<i64> = const { Cell::new(0) };
    }
    extern "C" fn sink(x: i64) {
        SUNK.set(x);
    }
    for level in LEVELS {
        let object = object(ir, level);
        let unit = link(
            &region(1 << 20),
            &object,
            &names(&[("sink", host(sink as *const () as usize))]),
        )
        .unwrap();
        for x in 0..10 {
            assert_eq!(call(&unit, "table", x), [3, 1, 4, 1, 5][x as usize % 5]);
            let expected = [x + 7, x * 7, x - 7][x as usize % 3];
            assert_eq!(call(&unit, "pointers", x), expected);
            let expected = 3.0 + x as f64 * 3.0 + 17.5 + 31.5 + x as f64 * 1.25;
            assert_eq!(call(&unit, "floats", x), expected as i64);
        }
        let jumps = [(10, 100), (20, 90), (35, 83), (41, 77), (58, 61), (67, 51)];
        for (x, (sunk, result)) in jumps.into_iter().enumerate() {
            assert_eq!(call(&unit, "jumps", x as i64), result);
            assert_eq!(SUNK.get(), sunk);
        }
        assert_eq!(call(&unit, "jumps", 6), -1);
    }
}

#[test]
fn guest_variables_are_reached_directly() {
    let ir = "
@v = external dso_local global i64
@w = external global [4 x i64]
define i64 @f(i64 %x) {
  %a = load i64, ptr @v
  %b = add i64 %a, %x
  store i64 %b, ptr @v
  %i = and i64 %x, 3
  %p = getelementptr [4 x i64], ptr @w, i64 0, i64 %i
  store i64 %b, ptr %p
  ret i64 %b
}";
    for level in LEVELS {
        let region = region(1 << 20);
        let (at, bytes) = region.variables();
        assert!(at % 64 == 0 && bytes == 1 << 16);
        let list = [("v", Symbol::Data(at)), ("w", Symbol::Data(at + 64))];
        let unit = unit(&region, ir, level, &list);
        assert_eq!(unit.bytes(), 4096, "only code was expected");
        assert_eq!((call(&unit, "f", 5), call(&unit, "f", 6)), (5, 11));
        // SAFETY: the variables are mapped and nobody changes them now.
        let words = unsafe { std::slice::from_raw_parts(at as *const i64, 12) };
        assert_eq!((words[0], words[9], words[10]), (11, 5, 11));
    }
}

#[test]
fn a_unit_may_have_data_of_its_own() {
    let ir = "
@count = internal global i64 40
@zero = internal global [3000 x i64] zeroinitializer
define i64 @f(i64 %x) {
  %a = load volatile i64, ptr @count
  %b = add i64 %a, %x
  store volatile i64 %b, ptr @count
  %p = getelementptr [3000 x i64], ptr @zero, i64 0, i64 %x
  %z = load volatile i64, ptr %p
  store volatile i64 %b, ptr %p
  %r = add i64 %z, %b
  ret i64 %r
}";
    for level in LEVELS {
        let unit = unit(&region(1 << 20), ir, level, &[]);
        assert_eq!((call(&unit, "f", 2), call(&unit, "f", 2)), (42, 86));
        assert!(unit.writable_bytes() >= 24_008, "{unit:?}");
        assert_eq!(unit.bytes() % 4096, 0);
    }
}

#[test]
fn recursion_within_the_unit_and_through_the_slot() {
    let fib = |name: &str, attribute: &str, base: i64| {
        format!(
            "define i64 @{name}(i64 %n) {attribute} {{
entry:
  %small = icmp slt i64 %n, 2
  br i1 %small, label %yes, label %no
yes:
  %z = mul i64 %n, {base}
  ret i64 %z
no:
  %a = sub i64 %n, 1
  %b = sub i64 %n, 2
  %x = call i64 @{name}(i64 %a)
  %y = call i64 @{name}(i64 %b)
  %s = add i64 %x, %y
  ret i64 %s
}}
"
        )
    };
    for level in LEVELS {
        let region = region(1 << 20);
        let slot = Symbol::Function {
            address: hundred_address(),
            slot: Some(region.slot_address(0)),
        };
        let old = fib("inner", "", 1) + &fib("outer", "nonlazybind noinline", 1);
        let old = unit(&region, &old, level, &[("inner", slot), ("outer", slot)]);
        let new = unit(&region, &fib("outer", "", 1000), level, &[]);
        region
            .slot(0)
            .store(new.address("outer").unwrap(), Ordering::Release);
        // Direct calls stay in the unit; calls through the GOT go where the slot leads.
        assert_eq!(call(&old, "inner", 12), 144);
        assert_eq!(call(&new, "outer", 12), 144_000);
        // From O1 on LLVM makes a loop of one of the two calls.
        let through = call(&old, "outer", 12);
        assert!(
            if level == 0 {
                through == 144_000
            } else {
                through != 144
            },
            "{through}"
        );
        let names: Vec<_> = old.functions().iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["inner", "outer"]);
        assert!(old.functions().iter().all(|f| f.size > 0));
        assert_eq!(old.address("outer"), Some(old.functions()[1].address));
    }
}

#[test]
fn the_address_of_a_published_function_is_the_stub() {
    // Also in the unit that defines it, in code and in data.
    let ir = "
@table = private constant [2 x ptr] [ptr @f, ptr @g]
define i64 @f(i64 %x) {
  ret i64 ptrtoint (ptr @f to i64)
}
define i64 @g(i64 %x) {
  %i = and i64 %x, 1
  %p = getelementptr [2 x ptr], ptr @table, i64 0, i64 %i
  %q = load volatile i64, ptr %p
  ret i64 %q
}";
    for level in LEVELS {
        let region = region(1 << 20);
        let published = |address| Symbol::Function {
            address,
            slot: Some(region.slot_address(0)),
        };
        // Near, as stubs are, and far.
        for address in [region.code_range().start, hundred_address()] {
            let unit = unit(&region, ir, level, &[("f", published(address))]);
            assert_eq!(call(&unit, "f", 0) as usize, address);
            assert_eq!(call(&unit, "g", 0) as usize, address);
            let own = unit.address("g").unwrap();
            assert_eq!(call(&unit, "g", 1) as usize, own, "not published");
        }
    }
}

#[test]
fn weak_symbols_may_be_missing() {
    let ir = "
@gone = extern_weak global i64
declare extern_weak i64 @missing(i64)
define i64 @f(i64 %x) {
  %have = icmp ne ptr @missing, null
  br i1 %have, label %yes, label %no
yes:
  %r = call i64 @missing(i64 %x)
  ret i64 %r
no:
  ret i64 ptrtoint (ptr @gone to i64)
}";
    for level in LEVELS {
        let region = region(1 << 20);
        assert_eq!(call(&unit(&region, ir, level, &[]), "f", 1), 0);
        let unit = unit(&region, ir, level, &[("missing", hundred())]);
        assert_eq!(call(&unit, "f", 1), 101);
    }
}

#[test]
fn objects_at_odd_addresses_are_read() {
    let ir = "define i64 @f(i64 %x) { ret i64 %x }";
    let object = object(ir, 1);
    for skip in 0..8 {
        let mut copy = vec![0; skip];
        copy.extend(&object);
        let unit = link(&region(1 << 20), &copy[skip..], &names(&[])).unwrap();
        assert_eq!(call(&unit, "f", 9), 9);
    }
}
