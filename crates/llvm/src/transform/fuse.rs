//! Products and sums that may be fused, fused for certain.

use crate::module::Module;
use llvm_sys::prelude::LLVMModuleRef;

unsafe extern "C" {
    fn bareflow_fuse(module: LLVMModuleRef);
}

impl Module<'_> {
    /// Makes every `llvm.fmuladd`, whose product may be rounded or not, an `llvm.fma`, whose product is not. For
    /// processors that have the instruction: all tiers then compute the same.
    pub fn fuse_products(&mut self) {
        // SAFETY: the module is alive; a declaration is replaced by another of the same type, and no handle is left.
        unsafe { bareflow_fuse(self.raw()) }
    }
}
