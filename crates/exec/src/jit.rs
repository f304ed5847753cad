//! What a program may ask of the engine that runs it: the first part of `jit_runtime.h`.
//!
//! Engines of the program's own, the second part, are the runtime's: such a program is built into an image.
//!
//! SAFETY of this file: names are strings with a NUL at their end, by the header.
#![allow(unsafe_code)]

use crate::process;
use engine::Level;
use engine::profile::{CyclesReport, regions};
use engine::tier::Thresholds;
use std::ffi::{CStr, c_char, c_int};

/// The header, for programs that are compiled here.
pub const HEADER: &str = include_str!("../../guest/include/jit_runtime.h");

/// The answers of `jit_get_optimization_level` that are no level.
const INTERPRETED: c_int = -1;
const UNKNOWN: c_int = -2;
const EINVAL: c_int = 22;
/// Backward jumps that count as much as one call.
const BACK_EDGES: u64 = 100;

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

/// What was measured of a region.
fn region(name: &str) -> Option<CyclesReport> {
    let mut all = regions::reports().into_iter();
    all.find(|r| r.name == name)?.cycles
}

unsafe extern "C" fn jit_get_call_count(name: *const c_char) -> u64 {
    // SAFETY: see the head of the file.
    let name = unsafe { text(name) };
    match process::engine().and_then(|engine| engine.function(name)) {
        Some(function) => function.calls,
        None => region(name).map_or(0, |cycles| cycles.samples),
    }
}

unsafe extern "C" fn jit_get_avg_cycles(name: *const c_char) -> u64 {
    // SAFETY: see the head of the file.
    let name = unsafe { text(name) };
    let cycles = match process::engine().and_then(|engine| engine.function(name)) {
        Some(function) => function.cycles,
        None => region(name),
    };
    cycles.map_or(0, |cycles| cycles.average())
}

extern "C" fn jit_optimize_hot_functions() -> c_int {
    process::engine().map_or(0, |engine| engine.optimise_hot() as c_int)
}

extern "C" fn jit_set_threshold(warm: u64, hot: u64, very_hot: u64) -> c_int {
    if warm == 0 || warm > hot || hot > very_hot {
        return -EINVAL;
    }
    let calls = [(warm / 10).max(1), warm, hot, very_hot];
    if let Some(engine) = process::engine() {
        engine.set_thresholds(Thresholds {
            calls,
            back_edges: calls.map(|calls| calls.saturating_mul(BACK_EDGES)),
        });
    }
    0
}

unsafe extern "C" fn jit_get_optimization_level(name: *const c_char) -> c_int {
    // SAFETY: see the head of the file.
    let name = unsafe { text(name) };
    match process::engine().and_then(|engine| engine.function(name)) {
        Some(function) => function
            .level
            .map_or(INTERPRETED, |level: Level| level as c_int),
        None => UNKNOWN,
    }
}
