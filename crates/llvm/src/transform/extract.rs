//! Parts of a program, to be compiled apart from the rest.

use crate::module::Module;
use llvm_sys::prelude::LLVMModuleRef;
use std::collections::HashSet;
use std::ffi::c_char;

unsafe extern "C" {
    fn bareflow_extract(
        from: LLVMModuleRef,
        define: *const *const c_char,
        define_lengths: *const usize,
        defines: usize,
        copies: *const *const c_char,
        copy_lengths: *const usize,
        copy_count: usize,
    ) -> LLVMModuleRef;
}

/// Pointers to and lengths of names.
struct Names {
    pointers: Vec<*const c_char>,
    lengths: Vec<usize>,
}

impl Names {
    /// The order does not matter: C++ makes a set of them.
    fn of(names: &HashSet<&str>) -> Self {
        Names {
            pointers: names.iter().map(|n| n.as_ptr().cast()).collect(),
            lengths: names.iter().map(|n| n.len()).collect(),
        }
    }
}

impl<'c> Module<'c> {
    /// A copy of the program in which only the functions of `define` are defined. Those of `copies`, and constant
    /// variables, keep what they are as `available_externally`, to be inlined and folded; all else is a declaration.
    ///
    /// Everything is visible under its name. Variables of the program are near (`dso_local`); functions are called through
    /// their entry in the global offset table (`nonlazybind`), which the linker makes their slot.
    pub fn extract(&self, define: &HashSet<&str>, copies: &HashSet<&str>) -> Module<'c> {
        let (define, copies) = (Names::of(define), Names::of(copies));
        // SAFETY: the module is alive and not changed; pointers and lengths describe names that live during the call; the
        // copy is ours and belongs to the same context.
        let raw = unsafe {
            bareflow_extract(
                self.raw(),
                define.pointers.as_ptr(),
                define.lengths.as_ptr(),
                define.pointers.len(),
                copies.pointers.as_ptr(),
                copies.lengths.as_ptr(),
                copies.pointers.len(),
            )
        };
        Module::from_raw(raw, self.context())
    }
}
