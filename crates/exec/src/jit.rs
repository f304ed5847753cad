//! What a program may ask of the engine that runs it: the first part of `jit_runtime.h`.
//!
//! Engines of the program's own, the second part, are the runtime's: such a program is built into an image.
//!
//! SAFETY of this file: names are strings with a NUL at their end, by the header.
#![allow(unsafe_code)]

use crate::process;
use engine::introspection;
use std::ffi::{CStr, c_char, c_int};

/// The header, for programs that are compiled here.
pub const HEADER: &str = include_str!("../../guest/include/jit_runtime.h");

/// The answer of `jit_get_optimization_level` before there is an engine.
const UNKNOWN: c_int = -2;
const EINVAL: c_int = 22;

/// Address of the function of that name.
pub fn address(name: &str) -> Option<usize> {
    let function = match name {
        "jit_profile_begin" => return engine::tier::service("profile_begin"),
        "jit_profile_end" => return engine::tier::service("profile_end"),
        "jit_get_call_count" => jit_get_call_count as *const (),
        "jit_get_avg_cycles" => jit_get_avg_cycles as *const (),
        "jit_optimize_hot_functions" => jit_optimize_hot_functions as *const (),
        "jit_set_threshold" => jit_set_threshold as *const (),
        "jit_get_optimization_level" => jit_get_optimization_level as *const (),
        _ => return None,
    };
    Some(function.expose_provenance())
}

/// # Safety
/// As said at the head of the file; or null.
unsafe fn text<'a>(name: *const c_char) -> &'a str {
    if name.is_null() {
        return "";
    }
    // SAFETY: as the caller promised.
    unsafe { CStr::from_ptr(name) }.to_str().unwrap_or("")
}

unsafe extern "C" fn jit_get_call_count(name: *const c_char) -> u64 {
    // SAFETY: see the head of the file.
    introspection::calls(process::engine(), unsafe { text(name) })
}

unsafe extern "C" fn jit_get_avg_cycles(name: *const c_char) -> u64 {
    // SAFETY: see the head of the file.
    introspection::average_cycles(process::engine(), unsafe { text(name) })
}

extern "C" fn jit_optimize_hot_functions() -> c_int {
    process::engine().map_or(0, |engine| engine.optimise_hot() as c_int)
}

extern "C" fn jit_set_threshold(warm: u64, hot: u64, very_hot: u64) -> c_int {
    let Some(thresholds) = introspection::thresholds(warm, hot, very_hot) else {
        return -EINVAL;
    };
    if let Some(engine) = process::engine() {
        engine.set_thresholds(thresholds);
    }
    0
}

unsafe extern "C" fn jit_get_optimization_level(name: *const c_char) -> c_int {
    // SAFETY: see the head of the file.
    let name = unsafe { text(name) };
    process::engine().map_or(UNKNOWN, |engine| introspection::level(engine, name))
}
