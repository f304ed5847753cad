//! Gives thread-local variables the form that libgcc calls emulated.
//!
//! The variable becomes a control block, and where its address was, `__emutls_get_address(block)` is called. Libgcc makes
//! each thread's copy at its first use and frees it when the thread ends. No code then depends on the thread pointer's
//! layout, which is the dynamic linker's: interpreted and compiled code meet in the same copies.

use super::done;
use crate::error::Error;
use crate::module::Module;
use llvm_sys::prelude::LLVMModuleRef;
use std::ffi::c_char;

unsafe extern "C" {
    fn bareflow_emulate_tls(module: LLVMModuleRef) -> *mut c_char;
}

impl Module<'_> {
    /// Lowers every thread-local variable that the module defines; those it only declares stay.
    ///
    /// For whole programs: modules that share a variable are linked first.
    ///
    /// # Errors
    /// The module has something else by the name `__emutls_get_address`.
    pub fn emulate_thread_locals(&mut self) -> Result<(), Error> {
        // SAFETY: the module is alive and borrowed mutably: no handle refers to what is replaced.
        let message = unsafe { bareflow_emulate_tls(self.raw()) };
        done(message, "call", "__emutls_get_address")
    }
}

#[cfg(test)]
mod tests {
    use crate::{Context, Module};

    fn lowered(text: &str) -> String {
        let context = Context::new();
        let mut module = Module::from_ir(&context, "t", text).unwrap();
        module.verify().unwrap();
        module.emulate_thread_locals().unwrap();
        module.verify().unwrap();
        module.to_ir()
    }

    #[test]
    fn every_use_becomes_a_call() {
        let ir = lowered(
            "@x = internal thread_local global i32 5, align 4
@z = thread_local global [4 x i64] zeroinitializer, align 32
@a = alias i32, ptr @x
@llvm.used = appending global [1 x ptr] [ptr @x], section \"llvm.metadata\"
declare ptr @llvm.threadlocal.address.p0(ptr)
define i64 @f(i1 %c) {
entry:
  %p = call ptr @llvm.threadlocal.address.p0(ptr @x)
  store i32 1, ptr %p
  br i1 %c, label %then, label %end
then:
  store i64 ptrtoint (ptr getelementptr (i64, ptr @z, i64 2) to i64), ptr @z
  br label %end
end:
  %q = phi ptr [ @z, %then ], [ getelementptr (i8, ptr @z, i64 8), %entry ]
  %v = load i64, ptr %q
  %w = load i32, ptr @a
  %e = zext i32 %w to i64
  %s = add i64 %v, %e
  ret i64 %s
}",
        );
        assert!(
            !ir.contains("thread_local") && !ir.contains("threadlocal.address(ptr @"),
            "{ir}"
        );
        assert!(
            ir.contains("@__emutls_t.x = internal constant i32 5"),
            "{ir}"
        );
        assert!(!ir.contains("__emutls_t.z"), "{ir}");
        assert!(
            ir.contains("@__emutls_v.z = internal global { i64, i64, ptr, ptr } { i64 32, i64 32, ptr null, ptr null }"),
            "{ir}"
        );
        let calls = ir.matches("call nonnull align 4 ptr @__emutls_get_address(ptr @__emutls_v.x)");
        assert_eq!(calls.count(), 2, "{ir}");
    }

    #[test]
    fn other_programs_stay_as_they_are() {
        let text = "@e = external thread_local global i32
@g = global i32 0
define ptr @f() {
  ret ptr @g
}";
        let ir = lowered(text);
        assert!(ir.contains("@e = external thread_local"), "{ir}");
        assert!(!ir.contains("__emutls"), "{ir}");
    }

    #[test]
    fn a_name_that_is_taken_is_refused() {
        let text = "@x = thread_local global i32 0
@__emutls_get_address = global i32 0";
        let context = Context::new();
        let mut module = Module::from_ir(&context, "t", text).unwrap();
        let error = module.emulate_thread_locals().unwrap_err().to_string();
        assert!(error.contains("__emutls_get_address"), "{error}");
    }
}
