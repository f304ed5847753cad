//! The engine as the guest sees it: the functions of `jit_runtime.h`.
//!
//! SAFETY of this file: names are strings with a NUL at their end, by the header; a program that passes others breaks its own
//! memory.

use super::call;
use engine::Level;
use engine::introspection;
use engine::profile::regions;
use engine::tier::Thresholds;
use std::ffi::{CStr, c_char, c_int};
use std::sync::{Mutex, PoisonError};

const EINVAL: c_int = 22;

/// What the program set, for engines it makes.
static THRESHOLDS: Mutex<Option<Thresholds>> = Mutex::new(None);

/// Heat at which functions climb.
pub fn thresholds() -> Thresholds {
    let set = THRESHOLDS.lock().unwrap_or_else(PoisonError::into_inner);
    set.unwrap_or_default()
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

pub unsafe extern "C" fn jit_get_call_count(name: *const c_char) -> u64 {
    // SAFETY: see the head of the file.
    introspection::calls(call::engine(), unsafe { text(name) })
}

pub unsafe extern "C" fn jit_get_avg_cycles(name: *const c_char) -> u64 {
    // SAFETY: see the head of the file.
    introspection::average_cycles(call::engine(), unsafe { text(name) })
}

pub extern "C" fn jit_optimize_hot_functions() -> c_int {
    call::engine().map_or(0, |engine| engine.optimise_hot() as c_int)
}

pub extern "C" fn jit_set_threshold(warm: u64, hot: u64, very_hot: u64) -> c_int {
    let Some(thresholds) = introspection::thresholds(warm, hot, very_hot) else {
        return -EINVAL;
    };
    *THRESHOLDS.lock().unwrap_or_else(PoisonError::into_inner) = Some(thresholds);
    if let Some(engine) = call::engine() {
        engine.set_thresholds(thresholds);
    }
    0
}

pub unsafe extern "C" fn jit_get_optimization_level(name: *const c_char) -> c_int {
    // SAFETY: see the head of the file.
    let name = unsafe { text(name) };
    // Compiled ahead: nothing is interpreted.
    call::engine().map_or(Level::O3 as c_int, |engine| {
        introspection::level(engine, name)
    })
}
