//! The engine as the guest sees it: the functions of `jit_runtime.h`.
//!
//! SAFETY of this file: names are strings with a NUL at their end, by the header; a program that passes others breaks its own
//! memory.

use super::call;
use engine::Level;
use engine::profile::{CyclesReport, regions};
use engine::tier::Thresholds;
use std::ffi::{CStr, c_char, c_int};
use std::sync::{Mutex, PoisonError};

/// The answers of `jit_get_optimization_level` that are no level.
const INTERPRETED: c_int = -1;
const UNKNOWN: c_int = -2;
const EINVAL: c_int = 22;
/// Backward jumps that count as much as one call.
const BACK_EDGES: u64 = 100;

/// What the program set, for engines it makes.
static THRESHOLDS: Mutex<Option<Thresholds>> = Mutex::new(None);

/// Heat at which functions climb.
pub fn thresholds() -> Thresholds {
    let set = THRESHOLDS.lock().unwrap_or_else(PoisonError::into_inner);
    set.unwrap_or_default()
}

/// A level as the guest sees it.
pub fn number(level: Option<Level>) -> c_int {
    level.map_or(INTERPRETED, |level| level as c_int)
}

/// # Safety
/// As said at the head of the file.
unsafe fn text<'a>(name: *const c_char) -> &'a str {
    if name.is_null() {
        return "";
    }
    // SAFETY: as the caller promised.
    unsafe { CStr::from_ptr(name) }.to_str().unwrap_or("")
}

pub unsafe extern "C" fn jit_profile_begin(region: *const c_char) {
    // SAFETY: see the head of the file.
    if let Some(region) = unsafe { super::regions::of(region) } {
        regions::begin(region);
    }
}

pub unsafe extern "C" fn jit_profile_end(region: *const c_char) {
    let time = regions::end_time();
    // SAFETY: see the head of the file.
    if let Some(region) = unsafe { super::regions::of(region) } {
        regions::end_at(region, time);
    }
}

/// What was measured of a region.
fn region(name: &str) -> Option<CyclesReport> {
    let mut all = regions::reports().into_iter();
    all.find(|r| r.name == name)?.cycles
}

pub unsafe extern "C" fn jit_get_call_count(name: *const c_char) -> u64 {
    // SAFETY: see the head of the file.
    let name = unsafe { text(name) };
    match call::engine().and_then(|engine| engine.function(name)) {
        Some(function) => function.calls,
        None => region(name).map_or(0, |cycles| cycles.samples),
    }
}

pub unsafe extern "C" fn jit_get_avg_cycles(name: *const c_char) -> u64 {
    // SAFETY: see the head of the file.
    let name = unsafe { text(name) };
    let cycles = match call::engine().and_then(|engine| engine.function(name)) {
        Some(function) => function.cycles,
        None => region(name),
    };
    cycles.map_or(0, |cycles| cycles.average())
}

pub extern "C" fn jit_optimize_hot_functions() -> c_int {
    call::engine().map_or(0, |engine| engine.optimise_hot() as c_int)
}

pub extern "C" fn jit_set_threshold(warm: u64, hot: u64, very_hot: u64) -> c_int {
    if warm == 0 || warm > hot || hot > very_hot {
        return -EINVAL;
    }
    let calls = [(warm / 10).max(1), warm, hot, very_hot];
    let thresholds = Thresholds {
        calls,
        back_edges: calls.map(|calls| calls.saturating_mul(BACK_EDGES)),
    };
    *THRESHOLDS.lock().unwrap_or_else(PoisonError::into_inner) = Some(thresholds);
    if let Some(engine) = call::engine() {
        engine.set_thresholds(thresholds);
    }
    0
}

pub unsafe extern "C" fn jit_get_optimization_level(name: *const c_char) -> c_int {
    let Some(engine) = call::engine() else {
        // Compiled ahead: nothing is interpreted.
        return Level::O3 as c_int;
    };
    // SAFETY: see the head of the file.
    match engine.function(unsafe { text(name) }) {
        Some(function) => number(function.level),
        None => UNKNOWN,
    }
}
