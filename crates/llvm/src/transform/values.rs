//! Hooks by which unoptimised code tells what it is called with and what it calls.
//!
//! ```text
//!  f(i32 %n, double %x, ptr %p) {                f(i32 %n, double %x, ptr %p) {
//!                                                  args_hook(id, {zext %n, %p}, 2)
//!    ...                               ==>         ...
//!    call %p(...)                                  call_hook(id, 0, %p)
//!  }                                               call %p(...)
//! ```

use super::{body, done};
use crate::error::Error;
use crate::module::Module;
use llvm_sys::prelude::LLVMValueRef;
use std::ffi::c_char;

unsafe extern "C" {
    fn bareflow_hook_values(
        function: LLVMValueRef,
        id: u64,
        args_hook: *const c_char,
        args_length: usize,
        call_hook: *const c_char,
        call_length: usize,
    ) -> *mut c_char;
}

impl Module<'_> {
    /// At the start of a function, calls `void args_hook(i64 id, ptr words, i64 n)` with its integer parameters of at most
    /// 64 bits (zero-extended) and its pointer parameters in their order, other parameters left out; not at all if it has
    /// none. Before each indirect call, calls `void call_hook(i64 id, i64 site, ptr target)`; sites are
    /// numbered as for [`Module::promote_call`].
    ///
    /// Adds a static `alloca`: whatever numbers values comes before. Fails if there is no such function or the name of a
    /// hook stands for something else.
    pub fn hook_values(
        &mut self,
        function: &str,
        id: u64,
        args_hook: &str,
        call_hook: &str,
    ) -> Result<(), Error> {
        let f = body(self, function)?;
        // SAFETY: the function is alive and no handle into it is; pointers and lengths describe names that live during the
        // call.
        let message = unsafe {
            bareflow_hook_values(
                f,
                id,
                args_hook.as_ptr().cast(),
                args_hook.len(),
                call_hook.as_ptr().cast(),
                call_hook.len(),
            )
        };
        done(message, "record the values of", function)
    }
}
