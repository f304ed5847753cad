//! `bareflow-exec`: the process's start, without Rust's.
//!
//! Rust's own start-up ignores SIGPIPE and catches SIGSEGV; the program is to find signals as they were left to this
//! process. So the C library calls `main` here.

#![no_main]
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

// SAFETY: the only function of that name, with the type the C library expects.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    exec::start()
}
