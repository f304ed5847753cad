//! Objects made by LLVM, linked into code memory and called.

#[path = "memory/fire.rs"]
mod fire;
#[path = "memory/support.rs"]
mod support;

use engine::memory::{Symbol, install_at};
use std::sync::atomic::Ordering;
use support::{LEVELS, call, host, region, unit};

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
fn swaps_under_fire_are_seen_whole_and_leave_nothing() {
    // The example swap_bench does 100,000.
    let run = fire::run(4000);
    assert_eq!(run.wrong, 0, "{run:?}");
    assert_eq!((run.freed, run.waiting), (run.swaps, 0), "{run:?}");
    // 4000 swaps end at the size of table the first version had.
    assert_eq!(run.code[0], run.code[2], "{run:?}");
    assert!(run.calls > 0, "{run:?}");
}
