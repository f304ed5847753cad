// Atomics of core, threads by the C library, a spin lock, a lock-free stack, once cells, fences.
#![no_std]
#![no_main]
include!("support.rs");
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{fence, AtomicBool, AtomicI16, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicU8, AtomicUsize, Ordering::*};

extern "C" {
    fn pthread_create(t: *mut u64, attributes: *const c_void, f: extern "C" fn(*mut c_void) -> *mut c_void, argument: *mut c_void) -> i32;
    fn pthread_join(t: u64, result: *mut *mut c_void) -> i32;
}
struct Lock<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}
unsafe impl<T> Sync for Lock<T> {}
impl<T> Lock<T> {
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        while self.held.compare_exchange_weak(false, true, Acquire, Relaxed).is_err() {
            core::hint::spin_loop();
        }
        let r = f(unsafe { &mut *self.value.get() });
        self.held.store(false, Release);
        r
    }
}
struct Node {
    value: u64,
    next: *mut Node,
}
static STACK: AtomicPtr<Node> = AtomicPtr::new(ptr::null_mut());
static TABLE: Lock<[u64; 8]> = Lock { held: AtomicBool::new(false), value: UnsafeCell::new([0; 8]) };
static COUNT: AtomicU64 = AtomicU64::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
fn push(value: u64) {
    let node = Box::into_raw(Box::new(Node { value, next: ptr::null_mut() }));
    let mut head = STACK.load(Relaxed);
    loop {
        unsafe { (*node).next = head };
        match STACK.compare_exchange_weak(head, node, Release, Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}
extern "C" fn work(argument: *mut c_void) -> *mut c_void {
    let id = argument as u64;
    for i in 0..200 {
        COUNT.fetch_add(id, SeqCst);
        TABLE.with(|t| t[(i % 8) as usize] += id * i);
        MOST.fetch_max((id * i) as usize, Relaxed);
        if i % 20 == 0 {
            push(id * 1000 + i);
        }
    }
    (id * 7) as *mut c_void
}
fn run() -> i32 {
    let mut threads = [0_u64; 3];
    for (i, t) in threads.iter_mut().enumerate() {
        assert_eq!(unsafe { pthread_create(t, ptr::null(), work, (i + 1) as *mut c_void) }, 0);
    }
    let mut results = Vec::new();
    for t in threads {
        let mut r = ptr::null_mut();
        unsafe { pthread_join(t, &mut r) };
        results.push(r as u64);
    }
    fence(SeqCst);
    println!("{results:?} {} {} {:?}", COUNT.load(SeqCst), MOST.load(Relaxed), TABLE.with(|t| *t));
    let (mut n, mut sum) = (0, 0);
    let mut at = STACK.swap(ptr::null_mut(), AcqRel);
    while !at.is_null() {
        let node = unsafe { Box::from_raw(at) };
        (n, sum, at) = (n + 1, sum + node.value, node.next);
    }
    println!("{n} {sum}");
    let (a, b, c, d) = (AtomicU8::new(250), AtomicI16::new(-5), AtomicI64::new(i64::MAX), AtomicU32::new(0xF0F0));
    for i in 0..20_u8 {
        a.fetch_add(i, Relaxed);
        b.fetch_sub(i16::from(i) * 1000 % 777, AcqRel);
        c.fetch_xor(i64::from(i) << i, SeqCst);
        d.fetch_nand(u32::from(i) * 0x1111, SeqCst);
        b.fetch_min(i16::from(i) - 10, Relaxed);
        let _ = a.compare_exchange(i, 99, SeqCst, Relaxed);
        let _ = c.fetch_update(SeqCst, Relaxed, |x| (x % 3 == 0).then_some(x / 3));
        d.fetch_or(1 << i, Release);
        d.fetch_and(0xFFFF_FF0F, Acquire);
    }
    println!("{} {} {} {:x} {:?}", a.into_inner(), b.into_inner(), c.into_inner(), d.load(SeqCst), AtomicBool::new(true).swap(false, SeqCst));
    0
}
