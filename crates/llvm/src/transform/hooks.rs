//! Hooks that are told an address the linker fills in: code that is kept knows no address of the run it was made in.

use crate::module::Module;
use llvm_sys::prelude::LLVMModuleRef;
use std::ffi::c_char;

unsafe extern "C" {
    fn bareflow_name_hook_ids(
        module: LLVMModuleRef,
        hook: *const c_char,
        hook_length: usize,
        prefix: *const c_char,
        prefix_length: usize,
        suffix: *const c_char,
        suffix_length: usize,
    );
}

impl Module<'_> {
    /// Replaces the number that calls of function `hook` pass first by the address of an outside variable whose name is
    /// `prefix`, the number, `suffix`. Calls that pass no constant stay as they are; without such a function nothing
    /// happens.
    pub fn name_hook_ids(&mut self, hook: &str, prefix: &str, suffix: &str) {
        // SAFETY: the module is alive and borrowed mutably; pointers and lengths describe names that live during the call.
        unsafe {
            bareflow_name_hook_ids(
                self.raw(),
                hook.as_ptr().cast(),
                hook.len(),
                prefix.as_ptr().cast(),
                prefix.len(),
                suffix.as_ptr().cast(),
                suffix.len(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Context, Module};

    #[test]
    fn numbers_become_names_and_all_else_stays() {
        let context = Context::new();
        let text = "
            declare void @hook(i64, i64)
            declare void @other(i64)
            define void @f(i64 %n) {
              call void @hook(i64 7, i64 8)
              call void @hook(i64 7, i64 9)
              call void @hook(i64 %n, i64 1)
              call void @other(i64 7)
              ret void
            }";
        let mut module = Module::from_ir(&context, "m", text).unwrap();
        module.name_hook_ids("nothing", "a", "b");
        module.name_hook_ids("hook", "site.", ".f");
        module.verify().unwrap();
        let ir = module.to_ir();
        let named = ir.matches("ptrtoint (ptr @site.7.f to i64)").count();
        assert_eq!(named, 2, "{ir}");
        assert!(ir.contains("@site.7.f = external global i8"), "{ir}");
        assert!(
            ir.contains("@hook(i64 %") && ir.contains("@other(i64 7)"),
            "{ir}"
        );
    }
}
