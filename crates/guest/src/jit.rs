//! The engine that runs the program, and engines of its own: `jit_runtime.h`, with the same names.
//!
//! Names of functions are symbols: of Rust functions those that are exported unmangled (`#[unsafe(no_mangle)]`) are known.
//! In an exported program there is no engine: everything is compiled at O3, counts and cycles are 0. With the feature `host`
//! the program is ordinary machine code, and it is the same.

mod engine;

use core::ffi::CStr;
use core::fmt;

use crate::sys;
pub use engine::*;

/// How far a function got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OptimizationLevel {
    /// No machine code yet.
    Interpreted,
    /// Compiled, at 0 to 3.
    Compiled(u8),
}

/// Thresholds that are not in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThresholdError;

impl fmt::Display for ThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("thresholds must be 1 <= warm <= hot <= very hot")
    }
}

impl core::error::Error for ThresholdError {}

/// Begins a region on this thread: a stretch of the program whose duration is measured. Regions nest (up to 64 deep); a program
/// has at most 256 names, further ones are ignored. A pass costs some 20 cycles (names of up to 31 bytes): the first 64 of a thread
/// are timed, and all while the last timed one, or their average, takes 2,000 cycles or more; of shorter ones one in 16, at random.
pub fn jit_profile_begin(region: &CStr) {
    // SAFETY: a string with its NUL.
    unsafe { sys::jit_profile_begin(region.as_ptr()) }
}

/// Ends it. Regions that were begun in it and not ended are given up; one that is not open is ignored.
pub fn jit_profile_end(region: &CStr) {
    // SAFETY: a string with its NUL.
    unsafe { sys::jit_profile_end(region.as_ptr()) }
}

/// Calls of a function, or times that a region was run through (each is counted); 0 for other names. Code of O3 does not count its calls, nor are
/// those counted that were inlined into their callers.
#[must_use]
pub fn jit_get_call_count(name: &CStr) -> u64 {
    // SAFETY: a string with its NUL.
    unsafe { sys::jit_get_call_count(name.as_ptr()) }
}

/// Mean duration of a function's calls, or of a region, in cycles of the time-stamp counter; 0 where nothing was measured. Of
/// regions it is an estimate from the passes that were timed.
#[must_use]
pub fn jit_get_avg_cycles(name: &CStr) -> u64 {
    // SAFETY: a string with its NUL.
    unsafe { sys::jit_get_avg_cycles(name.as_ptr()) }
}

/// Compiles every function at O3 that was called as often as O2 asks for and is below O3, and waits for it; gives the number of
/// functions that got there. What cannot be compiled keeps the code it has.
pub fn jit_optimize_hot_functions() -> usize {
    // SAFETY: takes nothing.
    usize::try_from(unsafe { sys::jit_optimize_hot_functions() }).unwrap_or(0)
}

/// Has functions be compiled at O1 after so many calls, at O2 and at O3; at O0 after a tenth of the first. A hundred backward jumps
/// of loops count as one call. Functions that were given thresholds by name (`--function`) keep theirs.
///
/// # Errors
/// [`ThresholdError`]; nothing changed.
pub fn jit_set_threshold(warm: u64, hot: u64, very_hot: u64) -> Result<(), ThresholdError> {
    // SAFETY: takes any numbers.
    match unsafe { sys::jit_set_threshold(warm, hot, very_hot) } {
        0 => Ok(()),
        _ => Err(ThresholdError),
    }
}

/// Level of the code that a function has now; `None`: the program has no function of this name.
#[must_use]
pub fn jit_get_optimization_level(name: &CStr) -> Option<OptimizationLevel> {
    // SAFETY: a string with its NUL.
    match unsafe { sys::jit_get_optimization_level(name.as_ptr()) } {
        -1 => Some(OptimizationLevel::Interpreted),
        level => u8::try_from(level).ok().map(OptimizationLevel::Compiled),
    }
}
