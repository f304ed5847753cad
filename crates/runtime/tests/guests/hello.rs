//! A guest in Rust with `core` and `alloc` inside: formatting, sorting, a map, a panic.

#![no_std]
extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};

unsafe extern "C" {
    fn bf_console_write(text: *const u8, len: usize);
    fn bf_alloc(size: usize, align: usize) -> *mut u8;
    fn bf_free(block: *mut u8, size: usize, align: usize);
    fn bf_arg_count() -> usize;
    fn bf_exit(code: i32) -> !;
}

struct Machine;

// SAFETY: the host's functions keep the allocator's contract.
unsafe impl GlobalAlloc for Machine {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and alignment may be asked for.
        unsafe { bf_alloc(layout.size(), layout.align()) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc`.
        unsafe { bf_free(block, layout.size(), layout.align()) }
    }
}

#[global_allocator]
static MACHINE: Machine = Machine;

fn print(text: &str) {
    // SAFETY: pointer and length of one string.
    unsafe { bf_console_write(text.as_ptr(), text.len()) }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    print(&alloc::format!("panic: {}\n", info.message()));
    // SAFETY: ends the program.
    unsafe { bf_exit(11) }
}

#[unsafe(no_mangle)]
pub extern "C" fn bf_main() -> i32 {
    let mut values: Vec<f32> = (0..40u32).map(|i| (i * 37 % 41) as f32 / 8.0 - 2.0).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    print(&alloc::format!("{:?}\n", &values[..5]));
    let words: BTreeMap<String, usize> =
        "to be or not to be".split(' ').fold(BTreeMap::new(), |mut m, w| {
            *m.entry(w.into()).or_default() += 1;
            m
        });
    print(&alloc::format!("{words:?} {:e} {:?}\n", 1.0e-7f64 / 3.0, "12x".parse::<u32>()));
    // SAFETY: takes nothing.
    let arguments = unsafe { bf_arg_count() };
    if arguments > 0 {
        let _ = core::hint::black_box(values)[arguments + 100];
    }
    23
}
