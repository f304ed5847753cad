// Closures: captured by reference and value, boxed, returned, stored in tables, recursive, as callbacks of C.
#![no_std]
#![no_main]
include!("support.rs");
use core::ffi::c_void;

extern "C" {
    fn qsort(base: *mut c_void, n: usize, size: usize, f: extern "C" fn(*const c_void, *const c_void) -> i32);
    fn snprintf(out: *mut u8, n: usize, format: *const u8, ...) -> i32;
    fn strtol(s: *const u8, end: *mut *mut u8, base: i32) -> i64;
}
fn adder(k: i32) -> impl Fn(i32) -> i32 {
    move |x| x + k
}
fn counter() -> Box<dyn FnMut() -> u32> {
    let mut n = 0;
    Box::new(move || {
        n += 1;
        n * n
    })
}
fn compose<A, B, C>(f: impl Fn(A) -> B, g: impl Fn(B) -> C) -> impl Fn(A) -> C {
    move |x| g(f(x))
}
fn times(n: u32, f: &mut dyn FnMut(u32)) {
    for i in 0..n {
        f(i);
    }
}
fn fix(f: &dyn Fn(&dyn Fn(u64) -> u64, u64) -> u64, n: u64) -> u64 {
    f(&|m| fix(f, m), n)
}
extern "C" fn descending(a: *const c_void, b: *const c_void) -> i32 {
    let (a, b) = unsafe { (*(a as *const i16), *(b as *const i16)) };
    i32::from(b) - i32::from(a)
}
fn apply_all(fs: &[fn(f64) -> f64], x: f64) -> f64 {
    fs.iter().fold(x, |x, f| f(x))
}
fn half(x: f64) -> f64 {
    x / 2.0
}
fn run() -> i32 {
    let (add5, double) = (adder(5), |x: i32| x * 2);
    let both = compose(&add5, compose(double, |x| format!("<{x}>")));
    println!("{} {} {}", add5(10), both(1), both(-30));
    let mut next = counter();
    print!("{} {} {}\n", next(), next(), next());
    let (mut sum, mut log) = (0, Vec::new());
    times(6, &mut |i| {
        sum += i * 10;
        if i % 2 == 1 {
            log.push(sum);
        }
    });
    println!("{sum} {log:?}");
    let text = String::from("owned");
    let consume = move || text.len() + text.capacity().min(0);
    println!("{}", consume());
    println!("{} {}", fix(&|me, n| if n < 2 { n } else { me(n - 1) + me(n - 2) }, 15), fix(&|me, n| if n == 0 { 1 } else { n * me(n - 1) }, 12));
    let table: [(&str, Box<dyn Fn(i64, i64) -> Option<i64>>); 4] = [
        ("+", Box::new(|a, b| a.checked_add(b))),
        ("*", Box::new(|a, b| a.checked_mul(b))),
        ("/", Box::new(|a, b| a.checked_div(b))),
        ("^", Box::new(|a, b| u32::try_from(b).ok().and_then(|b| a.checked_pow(b)))),
    ];
    for (a, b) in [(7, 3), (i64::MAX, 2), (-9, 0), (10, 18)] {
        for (name, f) in &table {
            print!("{a}{name}{b}={:?} ", f(a, b));
        }
        println!();
    }
    let mut v: Vec<i16> = (0..40).map(|i| (i * 37 % 101 - 50) as i16).collect();
    unsafe { qsort(v.as_mut_ptr().cast(), v.len(), 2, descending) };
    println!("{:?} {}", &v[..5], v.windows(2).all(|w| w[0] >= w[1]));
    println!("{}", apply_all(&[half, f64::abs, |x| x + 0.25, half], -7.0));
    let mut out = [0_u8; 64];
    let n = unsafe { snprintf(out.as_mut_ptr(), 64, c"%d|%.3f|%s|%lld".as_ptr().cast(), -5_i32, 2.5_f64, c"text".as_ptr(), 1_i64 << 40) };
    println!("{n} {}", core::str::from_utf8(&out[..n as usize]).unwrap());
    println!("{}", unsafe { strtol(c"  -0x2A rest".as_ptr().cast(), core::ptr::null_mut(), 0) });
    0
}
