//! The C names of the heap's functions, and what happens when a program uses them wrongly.

use crate::heap::{Fault, Heap, Memory};
use core::ptr;

unsafe extern "C" {
    fn bf_alloc(size: usize, align: usize) -> *mut u8;
    fn bf_free(memory: *mut u8, size: usize, align: usize);
    fn bf_console_write(text: *const u8, length: usize);
    /// Ends the program by a trap, of which is told where it was.
    fn bareflow_heap_fault() -> !;
    fn bf_exit(code: i32) -> !;
    /// Not 0: the heap is checked. The library defines it as 0; a program may define it otherwise.
    static bareflow_heap_checked: i32;
    fn __errno_location() -> *mut i32;
}

const ENOMEM: i32 = 12;
const EINVAL: i32 = 22;
/// Exit code of a program that used the heap wrongly: as of one that aborted.
const ABORTED: i32 = 62;

#[derive(Debug)]
struct Guest;

// SAFETY: what the guest interface promises of the two.
unsafe impl Memory for Guest {
    fn take(size: usize, align: usize) -> *mut u8 {
        // SAFETY: takes numbers.
        unsafe { bf_alloc(size, align) }
    }

    unsafe fn give(memory: *mut u8, size: usize, align: usize) {
        // SAFETY: as the caller promised.
        unsafe { bf_free(memory, size, align) }
    }
}

static HEAP: Heap<Guest> = Heap::new();

fn checked() -> bool {
    // SAFETY: a constant.
    unsafe { bareflow_heap_checked != 0 }
}

/// Prints a message on the console.
pub fn report(text: &str) {
    // SAFETY: a valid string.
    unsafe { bf_console_write(text.as_ptr(), text.len()) }
}

/// Ends the program as `abort` does.
pub fn end() -> ! {
    // SAFETY: takes a number.
    unsafe { bf_exit(ABORTED) }
}

#[cold]
fn fail(fault: Fault) -> ! {
    report(match fault {
        Fault::DoubleFree => "heap: a block is freed a second time\n",
        Fault::NoBlock => {
            "heap: what is freed or resized is no block of the heap, or its header was written over\n"
        }
        Fault::Overflow => "heap: bytes behind the end of a block were written\n",
        Fault::UseAfterFree => "heap: bytes of a freed block were written\n",
    });
    // SAFETY: takes nothing.
    unsafe { bareflow_heap_fault() }
}

fn set_errno(number: i32) {
    // SAFETY: always a valid place.
    unsafe { __errno_location().write(number) }
}

fn or_no_memory(block: *mut u8) -> *mut u8 {
    if block.is_null() {
        set_errno(ENOMEM);
    }
    block
}

#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut u8 {
    or_no_memory(HEAP.allocate(size, 1, checked()))
}

#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
    let Some(bytes) = count.checked_mul(size) else {
        return or_no_memory(ptr::null_mut());
    };
    let block = HEAP.allocate(bytes, 1, checked());
    if !block.is_null() {
        // SAFETY: a fresh block of that size.
        unsafe { block.write_bytes(0, bytes) };
    }
    or_no_memory(block)
}

#[unsafe(no_mangle)]
extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut u8 {
    if !align.is_power_of_two() {
        set_errno(EINVAL);
        return ptr::null_mut();
    }
    or_no_memory(HEAP.allocate(size, align, checked()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free(block: *mut u8) {
    if block.is_null() {
        return;
    }
    // SAFETY: C's contract; what breaks it within the heap's memory is found.
    if let Err(fault) = unsafe { HEAP.free(block, checked()) } {
        fail(fault);
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(block: *mut u8, size: usize) -> *mut u8 {
    if block.is_null() {
        return malloc(size);
    }
    // SAFETY: as for `free`.
    match unsafe { HEAP.resize(block, size, checked()) } {
        Ok(block) => or_no_memory(block),
        Err(fault) => fail(fault),
    }
}
