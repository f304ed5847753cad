// What Rust code does: trait objects, closures, sorting, collections, formatting, 128-bit integers, UTF-8.
//
// Freestanding but for the C library's malloc and write; `core` and `alloc` are in the bitcode.
#![no_std]
#![no_main]
extern crate alloc;
use alloc::{boxed::Box, collections::BTreeMap, format, string::String, vec::Vec};
use core::alloc::{GlobalAlloc, Layout};
use core::fmt::{self, Write};
extern "C" {
    fn malloc(n: usize) -> *mut u8;
    fn free(p: *mut u8);
    fn abort() -> !;
    fn write(fd: i32, p: *const u8, n: usize) -> isize;
}
struct A;
unsafe impl GlobalAlloc for A {
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        malloc(l.size())
    }
    unsafe fn dealloc(&self, p: *mut u8, _: Layout) {
        free(p)
    }
}
#[global_allocator]
static G: A = A;
// Nothing unwinds, but prebuilt code names the function that would be asked.
#[no_mangle]
extern "C" fn rust_eh_personality() {}
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    unsafe { abort() }
}
struct Out;
impl Write for Out {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        unsafe {
            write(1, s.as_ptr(), s.len());
        }
        Ok(())
    }
}
trait Shape {
    fn area(&self) -> f64;
    fn name(&self) -> String {
        String::from("shape")
    }
}
struct Sq(f64);
struct Ci {
    r: f32,
}
impl Shape for Sq {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}
impl Shape for Ci {
    fn area(&self) -> f64 {
        3.14159 * (self.r as f64) * (self.r as f64)
    }
    fn name(&self) -> String {
        format!("circle({})", self.r)
    }
}
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum E {
    A(u8),
    B { x: i64, y: Option<Box<E>> },
    C(String, [u16; 3]),
    D,
}
#[no_mangle]
pub extern "C" fn main(_c: i32, _v: *const *const u8) -> i32 {
    let mut o = Out;
    let shapes: Vec<Box<dyn Shape>> = alloc::vec![Box::new(Sq(2.5)), Box::new(Ci { r: 1.5 })];
    for s in &shapes {
        let _ = writeln!(o, "{} {:.3}", s.name(), s.area());
    }
    let mut v: Vec<u32> = (0..300u32)
        .map(|i| i.wrapping_mul(2654435761) >> 7)
        .collect();
    v.sort_unstable();
    let _ = writeln!(
        o,
        "{:?} {}",
        &v[..5],
        v.iter().map(|x| *x as u64).sum::<u64>()
    );
    v.sort_by_key(|x| x % 97);
    let _ = writeln!(o, "{:?}", &v[100..108]);
    let mut m = BTreeMap::new();
    for w in "the quick brown fox jumps over the lazy dog the end".split(' ') {
        *m.entry(w).or_insert(0) += 1;
    }
    let _ = writeln!(o, "{:?}", m);
    let e = E::B {
        x: -5,
        y: Some(Box::new(E::C("hé\n".into(), [1, 2, 65535]))),
    };
    let _ = writeln!(o, "{:?} {:#?} {}", e, E::A(3), e < E::D);
    let mut h: u128 = 0xcbf29ce484222325;
    for b in b"hello world" {
        h = (h ^ *b as u128).wrapping_mul(0x1000000000000000000013b);
    }
    let _ = writeln!(
        o,
        "{:x} {} {:?} {:e}",
        h,
        i128::MIN / 3,
        f32::MIN_POSITIVE,
        1234.5678f64
    );
    let _ = writeln!(
        o,
        "{:?} {:?}",
        "42x".parse::<i32>().is_err(),
        "3.25e-3".parse::<f64>()
    );
    let s: String = "ΑΒΓ straße"
        .chars()
        .rev()
        .flat_map(|c| c.to_uppercase())
        .collect();
    let _ = writeln!(
        o,
        "{s} {:>10}|{:<8}|{:^9}|{:+08.2}",
        "r", "l", "mid", 3.14159
    );
    let c = 200u8.checked_add(100);
    let sat = i16::MAX.saturating_add(5);
    let (w, f) = 5i32.overflowing_sub(i32::MIN);
    let _ = writeln!(
        o,
        "{:?} {} {} {} {}",
        c,
        sat,
        w,
        f,
        u64::MAX.leading_zeros() + 40u64.trailing_zeros()
    );
    let x: Vec<f32> = (1..50).map(|i| (i as f32) * 0.37).collect();
    let d: f32 = x.iter().zip(x.iter().rev()).map(|(a, b)| a * b).sum();
    let _ = writeln!(o, "{d} {} {}", (d as i32), (1e20f64 as u32));
    (v.len() % 256) as i32
}
