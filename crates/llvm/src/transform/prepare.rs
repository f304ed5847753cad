//! Makes what clang -O0 writes worth interpreting and compiling.

use crate::module::Module;
use llvm_sys::prelude::LLVMModuleRef;

unsafe extern "C" {
    fn bareflow_prepare(module: LLVMModuleRef);
}

impl Module<'_> {
    /// Drops `optnone`, and `noinline` where it stands with it: clang -O0 writes both on every function, and passes leave
    /// such functions alone. Nothing else changes.
    pub fn prepare(&mut self) {
        // SAFETY: the module is alive; attributes of functions change, and no handle refers to them.
        unsafe { bareflow_prepare(self.raw()) }
    }
}
