//! Indirect calls that compare their target with what it was before, and call that directly.
//!
//! ```text
//!  call %p(...)    ==>    if (%p == @likely) call @likely(...)     can be inlined
//!                         else               call %p(...)
//! ```

use super::{body, done};
use crate::error::Error;
use crate::module::Module;
use llvm_sys::prelude::LLVMValueRef;
use std::ffi::c_char;

unsafe extern "C" {
    fn bareflow_promote(
        function: LLVMValueRef,
        site: u32,
        names: *const *const c_char,
        lengths: *const usize,
        counts: *const u64,
        targets: usize,
        total: u64,
        promoted: *mut usize,
    ) -> *mut c_char;
}

impl Module<'_> {
    /// Makes indirect call number `site` of a function try `targets` (name, times seen) in that order before it calls
    /// through the pointer; `total` is how often it ran. Returns how many targets are called directly now: one whose
    /// type or calling convention does not fit the call is left out.
    ///
    /// Sites are counted in the order of the IR from 0: calls and invokes whose callee is neither a constant nor
    /// assembly. Their numbers stay the same. A callee that the module lacks is declared (`nonlazybind`).
    /// Fails if there is no such function or site.
    pub fn promote_call(
        &mut self,
        function: &str,
        site: u32,
        targets: &[(&str, u64)],
        total: u64,
    ) -> Result<usize, Error> {
        let f = body(self, function)?;
        let names: Vec<*const c_char> = targets.iter().map(|t| t.0.as_ptr().cast()).collect();
        let lengths: Vec<usize> = targets.iter().map(|t| t.0.len()).collect();
        let counts: Vec<u64> = targets.iter().map(|t| t.1).collect();
        let mut promoted = 0;
        // SAFETY: the function is alive and no handle into it is; the three arrays have `targets.len()` elements, pointers
        // and lengths describing names that live during the call.
        let message = unsafe {
            bareflow_promote(
                f,
                site,
                names.as_ptr(),
                lengths.as_ptr(),
                counts.as_ptr(),
                targets.len(),
                total,
                &mut promoted,
            )
        };
        done(message, "promote a call of", function).map(|()| promoted)
    }
}
