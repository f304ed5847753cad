//! Calls of every kind through probes.

use super::*;
use crate::profile::cycles::CyclesReport;
use std::arch::{asm, naked_asm};
use std::ffi::{c_char, c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

unsafe extern "C" {
    fn mmap(
        at: *mut c_void,
        len: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        o: i64,
    ) -> *mut c_void;
    fn mprotect(at: *mut c_void, len: usize, prot: c_int) -> c_int;
    fn snprintf(to: *mut c_char, len: usize, format: *const c_char, ...) -> c_int;
}

/// A probe installed in a page of its own.
pub(super) struct Installed {
    probe: Probe,
    pub address: usize,
}

impl Installed {
    pub fn new(target: usize) -> Installed {
        let probe = Probe::new(Arc::new(Cycles::new()), target);
        // SAFETY: a fresh private page (PROT 3: read, write; MAP 0x22: private, anonymous), filled, then made
        // executable (PROT 5), and never unmapped.
        let address = unsafe {
            let page = mmap(std::ptr::null_mut(), 4096, 3, 0x22, -1, 0);
            assert_ne!(page as isize, -1);
            page.cast::<[u8; Probe::CODE_BYTES]>().write(probe.code());
            assert_eq!(mprotect(page, 4096, 5), 0);
            page as usize
        };
        Installed { probe, address }
    }

    fn report(&self) -> CyclesReport {
        self.probe.cycles().report().expect("no call was measured")
    }

    pub fn samples(&self) -> u64 {
        self.probe.cycles().report().map_or(0, |r| r.samples)
    }
}

/// The installed probe as a function of the type of `$f`.
macro_rules! probed {
    ($f:expr => $type:ty) => {{
        let target: $type = $f;
        let installed = Installed::new(target as *const () as usize);
        // SAFETY: the probe's code goes on to a function of this type.
        let call: $type = unsafe { std::mem::transmute(installed.address) };
        (installed, call)
    }};
}

#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C)]
struct Big {
    words: [u64; 5],
    real: f64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C)]
struct Pair<A, B>(A, B);

#[test]
fn arguments_in_registers_and_on_the_stack() {
    type F = extern "C" fn(
        i8,
        i16,
        i32,
        i64,
        *const u8,
        u64,
        u64,
        u64,
        Big,
        Pair<f32, f32>,
        Pair<u64, f64>,
        f32,
        f64,
        f64,
        f64,
        f64,
        f64,
        f64,
        f64,
        f32,
        u8,
    ) -> Big;
    #[rustfmt::skip]
    extern "C" fn f(
        a: i8, b: i16, c: i32, d: i64, e: *const u8, f: u64, g: u64, h: u64, i: Big, j: Pair<f32, f32>,
        k: Pair<u64, f64>, l: f32, m: f64, n: f64, o: f64, p: f64, q: f64, r: f64, s: f64, t: f32, u: u8,
    ) -> Big {
        let words = [
            (a as i64 + b as i64 + c as i64 + d) as u64, e as u64, f ^ g, h + i.words[3], k.0 + u as u64,
        ];
        let real = i.real + f64::from(j.0 - j.1) + k.1 + f64::from(l) + m + n + o + p + q + r + s + f64::from(t);
        Big { words, real }
    }
    let (probe, call) = probed!(f => F);
    let big = Big {
        words: [1, 2, 3, 4, 5],
        real: 0.5,
    };
    let run = |f: F| {
        f(
            -1,
            -2,
            -3,
            -4,
            0x77 as *const u8,
            6,
            7,
            8,
            big,
            Pair(1.5, 2.5),
            Pair(9, 10.5),
            11.0,
            12.0,
            13.0,
            14.0,
            15.0,
            16.0,
            17.0,
            18.0,
            19.0,
            200,
        )
    };
    assert_eq!(run(call), run(f));
    assert_eq!(run(call).words, [(-10i64) as u64, 0x77, 1, 12, 209]);
    assert_eq!(probe.samples(), 2);
}

#[test]
fn results_of_every_class() {
    extern "C" fn words(a: u64) -> Pair<u64, u64> {
        Pair(a, !a)
    }
    extern "C" fn reals(a: f64) -> Pair<f64, f64> {
        Pair(a, -a)
    }
    extern "C" fn mixed(a: u64) -> Pair<u64, f64> {
        Pair(a, a as f64)
    }
    extern "C" fn wide(a: u128) -> u128 {
        !a
    }
    assert_eq!(
        probed!(words => extern "C" fn(u64) -> Pair<u64, u64>).1(5),
        Pair(5, !5)
    );
    assert_eq!(
        probed!(reals => extern "C" fn(f64) -> Pair<f64, f64>).1(5.5),
        Pair(5.5, -5.5)
    );
    assert_eq!(
        probed!(mixed => extern "C" fn(u64) -> Pair<u64, f64>).1(5),
        Pair(5, 5.0)
    );
    assert_eq!(
        probed!(wide => extern "C" fn(u128) -> u128).1(1 << 100),
        !(1 << 100)
    );
}

#[test]
fn variable_arguments() {
    type F = unsafe extern "C" fn(*mut c_char, usize, *const c_char, ...) -> c_int;
    let (probe, call) = probed!(snprintf => F);
    let mut text = [0u8; 64];
    // SAFETY: the buffer is as long as is said, and the arguments are what the format asks for.
    let n = unsafe {
        call(
            text.as_mut_ptr().cast(),
            64,
            c"%d %.2f %s %ld %.1f".as_ptr(),
            1,
            2.5,
            c"x".as_ptr(),
            1i64 << 40,
            9.5,
        )
    };
    assert_eq!(&text[..n as usize], b"1 2.50 x 1099511627776 9.5");
    assert_eq!(probe.samples(), 1);
}

#[test]
fn a_long_double_comes_back() {
    #[unsafe(naked)]
    extern "C" fn pi() {
        naked_asm!("fldpi", "ret")
    }
    let (probe, call) = probed!(pi => extern "C" fn());
    let mut result = 0.0f64;
    // SAFETY: the function leaves one value on the x87 stack, which is taken off.
    unsafe {
        asm!("call {f}", "fstp qword ptr [{to}]", f = in(reg) call, to = in(reg) &mut result, clobber_abi("C"))
    };
    assert_eq!(result, std::f64::consts::PI);
    assert_eq!(probe.samples(), 1);
}

static FIB: AtomicUsize = AtomicUsize::new(0);

extern "C" fn fib(n: u64) -> u64 {
    // SAFETY: the address is that of a probe of this very function.
    let next: extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(FIB.load(Relaxed)) };
    if n < 2 { n } else { next(n - 1) + next(n - 2) }
}

#[test]
fn every_level_of_a_recursion_is_measured() {
    let (probe, call) = probed!(fib => extern "C" fn(u64) -> u64);
    FIB.store(probe.address, Relaxed);
    let before = unmeasured();
    assert_eq!(call(20), 6765);
    assert_eq!(probe.samples() + unmeasured() - before, 21_891);
    assert!(probe.samples() > 21_000, "{}", probe.samples());
    let report = probe.report();
    // The outermost call contains all others; two of its levels already hold more than all leaves.
    assert!(report.max > 1_000 * report.min.max(1) / 10, "{report:?}");
}

static DEEP: AtomicUsize = AtomicUsize::new(0);

extern "C" fn deep(n: u64) -> u64 {
    // SAFETY: the address is that of a probe of this very function.
    let next: extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(DEEP.load(Relaxed)) };
    if n == 0 {
        0
    } else {
        1 + std::hint::black_box(next(n - 1))
    }
}

#[test]
fn deep_nesting_measures_what_fits_and_breaks_nothing() {
    let (probe, call) = probed!(deep => extern "C" fn(u64) -> u64);
    DEEP.store(probe.address, Relaxed);
    let before = unmeasured();
    assert_eq!(call(5_000), 5_000);
    let left_out = unmeasured() - before;
    assert_eq!(probe.samples() + left_out, 5_001);
    assert!(
        (128..=256).contains(&probe.samples()),
        "{}",
        probe.samples()
    );
    // And the table is empty again.
    assert_eq!(call(20), 20);
    assert_eq!(unmeasured() - before, left_out);
}

#[test]
fn threads_have_tables_of_their_own() {
    extern "C" fn f(a: u64, b: f64) -> f64 {
        a as f64 * b
    }
    let (probe, call) = probed!(f => extern "C" fn(u64, f64) -> f64);
    thread::scope(|scope| {
        for t in 0..2u64 {
            scope.spawn(move || {
                for i in 0..50_000 {
                    assert_eq!(call(i + t, 0.5), (i + t) as f64 * 0.5);
                }
            });
        }
    });
    assert_eq!(probe.samples(), 100_000);
    let report = probe.report();
    assert!(report.min <= report.average() && report.average() <= report.max);
}

#[test]
fn targets_change_under_callers() {
    extern "C" fn one() -> u64 {
        1
    }
    extern "C" fn two() -> u64 {
        2
    }
    let (probe, call) = probed!(one => extern "C" fn() -> u64);
    assert_eq!(call(), 1);
    probe.probe.set_target(two as *const () as usize);
    assert_eq!(
        (call(), probe.probe.target()),
        (2, two as *const () as usize)
    );
    assert_eq!(probe.samples(), 2);
}

#[test]
fn times_are_those_of_the_function() {
    extern "C" fn spin(cycles: u64) {
        let start = now();
        while now() - start < cycles {}
    }
    let (probe, call) = probed!(spin => extern "C" fn(u64));
    (0..100).for_each(|_| call(100_000));
    let report = probe.report();
    assert!((90_000..150_000).contains(&report.min), "{report:?}");

    // Ten thousand probed calls inside a probed call hardly show in the outer one.
    extern "C" fn nothing() {}
    extern "C" fn outer(inner: extern "C" fn()) {
        (0..10_000).for_each(|_| inner());
    }
    let (_, inner) = probed!(nothing => extern "C" fn());
    let (plain, call_plain) = probed!(outer => extern "C" fn(extern "C" fn()));
    let (nested, call_nested) = probed!(outer => extern "C" fn(extern "C" fn()));
    (0..20).for_each(|_| (call_plain(nothing), call_nested(inner)).0);
    let (full, seen) = (
        overhead().1,
        nested.report().min.abs_diff(plain.report().min) / 10_000,
    );
    assert!(
        full > 0 && seen < full / 2,
        "{seen} of {full} cycles are left"
    );
}

/// Where `throw` leads to. One for the process: whoever catches has [`CATCHING`].
static CATCH: AtomicUsize = AtomicUsize::new(0);

/// Held by a test for as long as it catches: another one's `throw` would go on on its stack.
static CATCHING: Mutex<()> = Mutex::new(());

fn catching() -> MutexGuard<'static, ()> {
    CATCHING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `f(x)`; comes back when it returns or when `throw` is called in it: what setjmp and longjmp do.
#[unsafe(naked)]
extern "C" fn catch(f: extern "C" fn(u64), x: u64) {
    naked_asm!(
        "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15", "sub rsp, 8",
        "mov [rip + {catch}], rsp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        ".globl bareflow_test_caught",
        "bareflow_test_caught:",
        "add rsp, 8", "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
        "ret",
        catch = sym CATCH,
    )
}

#[unsafe(naked)]
extern "C" fn throw() {
    naked_asm!("mov rsp, [rip + {catch}]", "jmp bareflow_test_caught", catch = sym CATCH)
}

static INNER_THROWER: AtomicUsize = AtomicUsize::new(0);

extern "C" fn thrower(x: u64) {
    // A frame of its own size at each depth: the places left behind differ.
    if x == 0 {
        throw();
    }
    // SAFETY: the address is that of a probe of this very function.
    let next: extern "C" fn(u64) = unsafe { std::mem::transmute(INNER_THROWER.load(Relaxed)) };
    next(x - 1);
    std::hint::black_box(x);
}

#[test]
fn longjmp_leaves_nothing_behind() {
    let _alone = catching();
    let (probe, call) = probed!(thrower => extern "C" fn(u64));
    INNER_THROWER.store(probe.address, Relaxed);
    extern "C" fn f(x: u64) -> u64 {
        x + 1
    }
    let (after, call_after) = probed!(f => extern "C" fn(u64) -> u64);
    let before = unmeasured();
    for i in 0..10_000 {
        catch(call, i % 13);
        assert_eq!(call_after(i), i + 1);
    }
    assert_eq!(probe.samples(), 0, "none of them returned");
    assert_eq!(after.samples() + unmeasured() - before, 10_000);
    assert!(after.samples() > 9_000, "{}", after.samples());
}

/// Calls `f(x)` with `bytes` (a multiple of 16) more on the stack.
#[unsafe(naked)]
extern "C" fn deeper(f: usize, x: u64, bytes: u64) -> u64 {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "sub rsp, rdx",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "mov rsp, rbp",
        "pop rbp",
        "ret",
    )
}

static THROWER: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_full_table_gives_up_what_is_over() {
    let _alone = catching();
    extern "C" fn throw_from(depth: u64) {
        deeper(THROWER.load(Relaxed), 0, 16 * depth);
    }
    extern "C" fn f(x: u64) -> u64 {
        x + 1
    }
    #[inline(never)]
    fn overwrite_the_stack() {
        std::hint::black_box([0u8; 48 << 10]);
    }
    let (probe, _) = probed!(thrower => extern "C" fn(u64));
    THROWER.store(probe.address, Relaxed);
    let (after, _) = probed!(f => extern "C" fn(u64) -> u64);
    // Left behind at two thousand places, the deepest first: they take all notes.
    (0..2000).rev().for_each(|depth| catch(throw_from, depth));
    let before = unmeasured();
    overwrite_the_stack();
    (0..1000).for_each(|depth| assert_eq!(deeper(after.address, depth, 16 * depth), depth + 1));
    assert_eq!((after.samples(), unmeasured() - before), (1000, 0));
}

static TAIL: AtomicUsize = AtomicUsize::new(0);

#[test]
fn tail_calls_return_to_the_first_caller() {
    #[unsafe(naked)]
    extern "C" fn first(_: u64) -> u64 {
        naked_asm!("add rdi, 1", "jmp [rip + {tail}]", tail = sym TAIL)
    }
    extern "C" fn second(x: u64) -> u64 {
        2 * x
    }
    let (one, call) = probed!(first => extern "C" fn(u64) -> u64);
    let (two, _) = probed!(second => extern "C" fn(u64) -> u64);
    TAIL.store(two.address, Relaxed);
    for i in 0..100 {
        assert_eq!(call(i), 2 * (i + 1));
    }
    assert_eq!((one.samples(), two.samples()), (100, 100));
}

/// Calls `f` on the stack that ends at `top`.
#[unsafe(naked)]
extern "C" fn on_stack(f: extern "C" fn(), top: *mut u8) {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "mov rsp, rsi",
        "call rdi",
        "mov rsp, rbp",
        "pop rbp",
        "ret"
    )
}

static OTHER: Mutex<Option<(usize, usize)>> = Mutex::new(None);

#[test]
fn other_stacks_do_not_disturb() {
    extern "C" fn leaf() {}
    /// Calls the probed leaf on the other stack.
    extern "C" fn outer() {
        let (leaf, top) = OTHER.lock().unwrap().unwrap();
        // SAFETY: the address is that of the probed leaf; the stack is alive and aligned.
        let leaf: extern "C" fn() = unsafe { std::mem::transmute(leaf) };
        on_stack(leaf, top as *mut u8);
    }
    let (inside, call_leaf) = probed!(leaf => extern "C" fn());
    let (outside, call) = probed!(outer => extern "C" fn());
    // One above the caller in memory (in its own frame), one below or far away.
    let mut near = [0u128; 4096];
    let mut far = vec![0u128; 4096];
    for stack in [&mut near[..], &mut far[..]] {
        let top = stack.as_mut_ptr_range().end as usize;
        *OTHER.lock().unwrap() = Some((call_leaf as *const () as usize, top));
        (0..1000).for_each(|_| call());
    }
    assert_eq!((inside.samples(), outside.samples()), (2000, 2000));
}

#[test]
fn hidden_return_addresses_can_be_found() {
    extern "C" fn look(place: usize) -> bool {
        // SAFETY: the place of a return address of a caller.
        let seen = unsafe { *(place as *const usize) };
        seen == return_address() && original_return(place).is_some_and(|real| real != seen)
    }
    #[unsafe(naked)]
    extern "C" fn f() -> bool {
        naked_asm!("mov rdi, rsp", "sub rsp, 8", "call {look}", "add rsp, 8", "ret", look = sym look)
    }
    let (_, call) = probed!(f => extern "C" fn() -> bool);
    assert!(call());
    assert_eq!(original_return(0), None);
}
