//! Block counters for unoptimised code, and what they counted as LLVM's profile.
//!
//! ```text
//!  O0 code:  count_blocks --> [n x i64] --block counts--> annotate_profile --> !prof branch_weights
//!                                                         summarise_profile -> what is hot and cold in the unit
//! ```
//!
//! A profile belongs to the blocks of the pristine function, in their order. It is put on before anything else changes
//! the function; LLVM keeps it up from there.

use super::{body, done};
use crate::error::Error;
use crate::module::Module;
use llvm_sys::prelude::{LLVMModuleRef, LLVMValueRef};
use std::ffi::c_char;

unsafe extern "C" {
    fn bareflow_number_blocks(function: LLVMValueRef);
    fn bareflow_count_blocks(
        function: LLVMValueRef,
        name: *const c_char,
        length: usize,
    ) -> *mut c_char;
    fn bareflow_annotate(
        function: LLVMValueRef,
        entry: u64,
        counts: *const u64,
        count: usize,
    ) -> *mut c_char;
    fn bareflow_summarise(
        module: LLVMModuleRef,
        entries: *const u64,
        entry_count: usize,
        blocks: *const u64,
        block_count: usize,
    );
}

impl Module<'_> {
    /// Gives each block its number, for [`Module::count_blocks`] to find it when other transformations that refer to
    /// values by number are done. A block that is split keeps its number at its end.
    ///
    /// # Errors
    /// No such function here.
    pub fn number_blocks(&mut self, function: &str) -> Result<(), Error> {
        let f = body(self, function)?;
        // SAFETY: the function is alive; its last instructions get metadata, which no handle refers to.
        unsafe { bareflow_number_blocks(f) }
        Ok(())
    }

    /// Adds 1 to element k of `counters`, an outside `[n x i64]`, whenever block k of the function's n blocks is entered.
    /// Not atomic: threads may lose counts of each other. Blocks are those that have a number, or all of them where
    /// [`Module::number_blocks`] gave none.
    ///
    /// Blocks that can hold no counter (exception dispatch) are not counted. Fails if there is no such function or
    /// `counters` is something else already.
    pub fn count_blocks(&mut self, function: &str, counters: &str) -> Result<(), Error> {
        let f = body(self, function)?;
        // SAFETY: the function is alive and no handle into it is; pointer and length describe the name.
        let message = unsafe { bareflow_count_blocks(f, counters.as_ptr().cast(), counters.len()) };
        done(message, "count the blocks of", function)
    }

    /// Tells LLVM how often the function was called and each of its blocks was entered (in their order).
    ///
    /// Branches get weights as far as the counts tell; a branch that was never reached, or whose edges the counts
    /// leave open, gets none. Counts need not add up exactly. A function whose blocks ran counts as called at least once.
    /// Fails if there is no such function or it has another number of blocks.
    pub fn annotate_profile(
        &mut self,
        function: &str,
        entry_count: u64,
        block_counts: &[u64],
    ) -> Result<(), Error> {
        let f = body(self, function)?;
        // SAFETY: the function is alive; pointer and length describe the counts.
        let message =
            unsafe { bareflow_annotate(f, entry_count, block_counts.as_ptr(), block_counts.len()) };
        done(message, "annotate", function)
    }

    /// Tells LLVM which counts are hot and which are cold: without it, its passes use branch weights but take no function
    /// or block for hot or cold. `entry_counts` are those of all functions of the program known, `block_counts`
    /// those of their other blocks. To be called once for a module.
    pub fn summarise_profile(&mut self, entry_counts: &[u64], block_counts: &[u64]) {
        // SAFETY: the module is alive; pointers and lengths describe the counts.
        unsafe {
            bareflow_summarise(
                self.raw(),
                entry_counts.as_ptr(),
                entry_counts.len(),
                block_counts.as_ptr(),
                block_counts.len(),
            );
        }
    }

    /// Marks a function as rarely called: calls of it are unlikely, and its code goes to a section of its own.
    /// Nothing happens if there is no such function.
    pub fn mark_cold(&mut self, function: &str) {
        if let Some(f) = self.function(function) {
            f.remove_attribute("hot");
            f.remove_attribute("minsize");
            f.set_attribute("cold");
        }
    }
}
