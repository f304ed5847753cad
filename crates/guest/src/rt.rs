//! What a real guest needs to be a Rust program: allocator and panic handler.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt::Write;

use crate::{console, sys};

struct Machine;

// SAFETY: `bf_alloc` gives blocks of the size and alignment asked for, or null; `bf_free` takes
// them back with the same layout. Both may be called from any thread.
unsafe impl GlobalAlloc for Machine {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and any power-of-two alignment may be asked for.
        unsafe { sys::bf_alloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller got the block from `alloc` with this layout.
        unsafe { sys::bf_free(ptr, layout.size(), layout.align()) }
    }
}

#[global_allocator]
static MACHINE: Machine = Machine;

/// Exit code of a panic, as Rust's own.
const PANIC_EXIT: i32 = 101;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(console::Console, "\n{info}");
    crate::exit(PANIC_EXIT)
}
