// What every Rust program of the corpus includes: an allocator and output over the C library, a panic that ends with 101.
//
// No `std`: `core` and `alloc` are in the bitcode, the C library is that of the process.
extern crate alloc;
#[allow(unused_imports)]
use alloc::{borrow::ToOwned, boxed::Box, format, string::String, string::ToString, vec, vec::Vec};
use core::alloc::{GlobalAlloc, Layout};
use core::fmt::{self, Write as _};

extern "C" {
    fn aligned_alloc(align: usize, size: usize) -> *mut u8;
    fn free(p: *mut u8);
    fn exit(code: i32) -> !;
    fn write(fd: i32, p: *const u8, n: usize) -> isize;
}
struct CAllocator;
unsafe impl GlobalAlloc for CAllocator {
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        let align = l.align().max(16);
        aligned_alloc(align, (l.size() + align - 1) / align * align)
    }
    unsafe fn dealloc(&self, p: *mut u8, _: Layout) {
        free(p)
    }
}
#[global_allocator]
static ALLOCATOR: CAllocator = CAllocator;

// Nothing unwinds, but prebuilt code names the function that would be asked.
#[no_mangle]
extern "C" fn rust_eh_personality() {}

#[panic_handler]
fn panicked(info: &core::panic::PanicInfo) -> ! {
    let line = info.location().map_or(0, |l| l.line());
    say(format_args!("panic at line {line}: {}\n", info.message()));
    unsafe { exit(101) }
}

struct Out;
impl fmt::Write for Out {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let mut rest = s.as_bytes();
        while !rest.is_empty() {
            let n = unsafe { write(1, rest.as_ptr(), rest.len()) };
            rest = &rest[usize::try_from(n).map_err(|_| fmt::Error)?..];
        }
        Ok(())
    }
}
fn say(text: fmt::Arguments) {
    let mut line = String::new();
    let _ = line.write_fmt(text);
    let _ = Out.write_str(&line);
}
#[allow(unused_macros)]
macro_rules! print { ($($t:tt)*) => { say(format_args!($($t)*)) } }
#[allow(unused_macros)]
macro_rules! println {
    () => { say(format_args!("\n")) };
    ($($t:tt)*) => { say(format_args!("{}\n", format_args!($($t)*))) }
}

/// Numbers that look random, the same in every run.
#[allow(dead_code)]
#[derive(Clone)]
struct Rng(u64);
#[allow(dead_code)]
impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

#[no_mangle]
extern "C" fn main(_argc: i32, _argv: *const *const u8) -> i32 {
    run()
}
