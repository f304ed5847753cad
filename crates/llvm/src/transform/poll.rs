//! Polls in loops: quickly compiled code leaves for better code in mid-loop.

use super::osr::OsrValue;
use super::{body, done};
use crate::error::Error;
use crate::module::Module;
use llvm_sys::prelude::LLVMValueRef;
use std::ffi::c_char;

/// A loop that polls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollLoop {
    /// Index of the header among the function's blocks.
    pub header: u32,
    /// What the hook is told.
    pub id: u64,
    /// Values that are handed over where the loop is left.
    pub live: Vec<OsrValue>,
    /// Bytes of the buffer they are stored to.
    pub buffer_bytes: u32,
    /// Rounds that one of it stands for, at least 1: those of loops in it that do not poll are estimated.
    pub rounds: u32,
}

/// As in `poll.cpp`.
#[repr(C)]
struct RawLoop {
    header: u32,
    buffer_bytes: u32,
    id: u64,
    rounds: u32,
    live: *const OsrValue,
    live_count: usize,
}

unsafe extern "C" {
    fn bareflow_add_polls(
        function: LLVMValueRef,
        loops: *const RawLoop,
        count: usize,
        hook: *const c_char,
        hook_length: usize,
        interval: u32,
    ) -> *mut c_char;
}

impl Module<'_> {
    /// Lets the function call `ptr hook(i64 id)` where `loops` go round, each time one activation did `interval` rounds.
    /// If the hook returns a function, made by [`Module::make_osr_entry`] for the same values, that one is called to run
    /// the rest with a buffer of the live values (aligned to 16 bytes), and its result is the function's. The hook must not
    /// touch memory that the program reads or writes: loops keep such values in registers while it is called. It is declared
    /// `preserve_allcc` and has to keep these registers, which costs the loop less than an ordinary call.
    ///
    /// Numbers of blocks and values are those before the call: add the polls of a function all at once, and before
    /// anything else is added to it.
    ///
    /// # Errors
    /// [`Error::NoFunction`] if it has no body here; [`Error::Transform`] if it cannot be left in a loop, or a header or a
    /// value is not what the list says. The function is unchanged then.
    pub fn add_polls(
        &mut self,
        function: &str,
        loops: &[PollLoop],
        hook: &str,
        interval: u32,
    ) -> Result<(), Error> {
        let raw = body(self, function)?;
        let list: Vec<RawLoop> = loops
            .iter()
            .map(|l| RawLoop {
                header: l.header,
                buffer_bytes: l.buffer_bytes,
                id: l.id,
                rounds: l.rounds,
                live: l.live.as_ptr(),
                live_count: l.live.len(),
            })
            .collect();
        // SAFETY: the function belongs to this module, which is borrowed mutably; pointers and lengths describe lists and
        // a name that live during the call.
        let message = unsafe {
            bareflow_add_polls(
                raw,
                list.as_ptr(),
                list.len(),
                hook.as_ptr().cast(),
                hook.len(),
                interval,
            )
        };
        done(message, "add polls to", function)
    }
}
