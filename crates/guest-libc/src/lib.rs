//! The parts of the guest's C library that LLVM-libc does not have: memory, mathematics.
//!
//! ```text
//!   LLVM-libc's sources (entrypoints.txt) --clang-22--+
//!   CORE-MATH's sources (core-math.txt) ----clang-22--+
//!   glue/*.cpp: streams, time, start and end ---------+-- one bitcode file: libc.bc
//!   this crate: heap, functions of double --rustc-----+
//! ```
//!
//! A program takes of it what it refers to, so that copies, comparisons and mathematics are optimised with it.

#![cfg_attr(not(test), no_std)]
#![allow(unsafe_code)]
// Without the C names most of it is called by nobody.
#![cfg_attr(not(feature = "freestanding"), allow(dead_code))]

pub mod heap;
#[cfg(feature = "freestanding")]
mod math;
#[cfg(feature = "freestanding")]
mod memory;

#[cfg(feature = "freestanding")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    memory::report("the C library's memory manager failed: this is a bug of it\n");
    memory::end()
}
