//! Countdown at a function's entry.

use super::{body, done};
use crate::error::Error;
use crate::module::Module;
use llvm_sys::prelude::LLVMValueRef;
use std::ffi::c_char;

unsafe extern "C" {
    fn bareflow_add_entry_counter(
        function: LLVMValueRef,
        cell: *const c_char,
        cell_length: usize,
        hook: *const c_char,
        hook_length: usize,
        id: u64,
    ) -> *mut c_char;
}

impl Module<'_> {
    /// Lets the function subtract 1 from `cell` (an outside `i64` near the code) whenever it is entered, and call
    /// `void hook(i64 id)` when it becomes 0. Not atomic: threads may lose counts of each other, and the hook may be
    /// missed. Optimised code needs two instructions for it, and no register: the hook is declared `preserve_allcc`.
    ///
    /// It adds blocks and instructions: numbers of blocks and values are no longer those of the original.
    ///
    /// # Errors
    /// [`Error::NoFunction`] if it has no body here; [`Error::Transform`] if a symbol is something else already. The
    /// function is unchanged then.
    pub fn add_entry_counter(
        &mut self,
        function: &str,
        cell: &str,
        hook: &str,
        id: u64,
    ) -> Result<(), Error> {
        let raw = body(self, function)?;
        // SAFETY: the function belongs to this module, which is borrowed mutably; pointers and lengths describe names that
        // live during the call.
        let message = unsafe {
            bareflow_add_entry_counter(
                raw,
                cell.as_ptr().cast(),
                cell.len(),
                hook.as_ptr().cast(),
                hook.len(),
                id,
            )
        };
        done(message, "count the calls of", function)
    }
}
