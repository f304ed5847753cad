//! Allocator and panic handler of a guest on its machine.

use crate::abi;
use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

/// Memory from the machine.
struct MachineMemory;

// SAFETY: `bf_alloc` returns null or fresh memory of that size and alignment, and `bf_free` gets
// what was allocated with the same layout; neither unwinds.
unsafe impl GlobalAlloc for MachineMemory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and a power of two as alignment are allowed.
        unsafe { abi::bf_alloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller passes what `alloc` returned for this layout.
        unsafe { abi::bf_free(ptr, layout.size(), layout.align()) }
    }
}

#[global_allocator]
static MEMORY: MachineMemory = MachineMemory;

/// Exit code of a program that panicked, as std has it.
const PANICKED: i32 = 101;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    crate::println!("\n{info}");
    crate::exit(PANICKED)
}
