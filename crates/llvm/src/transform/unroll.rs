//! Loops whose iterations are expensive to count are not unrolled.

use super::body;
use crate::error::Error;
use crate::module::Module;
use llvm_sys::prelude::LLVMValueRef;

unsafe extern "C" {
    fn bareflow_spare_unrolling(function: LLVMValueRef);
}

impl Module<'_> {
    /// Forbids unrolling at run time for the function's innermost loops whose trip count needs a division by something
    /// unknown. LLVM leaves them alone by itself, but not where a profile says that they go round often: the division
    /// before each run of a sieve's inner loop then costs more than unrolling gains.
    ///
    /// # Errors
    /// No such function here.
    pub fn spare_expensive_unrolling(&mut self, function: &str) -> Result<(), Error> {
        let raw = body(self, function)?;
        // SAFETY: the function is alive; metadata of its loops changes, and no handle refers to it.
        unsafe { bareflow_spare_unrolling(raw) }
        Ok(())
    }
}
