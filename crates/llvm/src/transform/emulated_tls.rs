//! Gives thread-local variables the form that libgcc calls emulated.
//!
//! The variable becomes a control block, and where its address was, `__emutls_get_address(block)` is called. Libgcc makes
//! each thread's copy at its first use and frees it when the thread ends. No code then depends on the thread pointer's
//! layout, which is the dynamic linker's: interpreted and compiled code meet in the same copies.
//!
//! A variable that only a library of the host has is asked for by its name, each time, on the thread that wants it.

use super::done;
use crate::error::Error;
use crate::module::Module;
use llvm_sys::prelude::LLVMModuleRef;
use std::ffi::{CStr, c_char};

unsafe extern "C" {
    fn bareflow_emulate_tls(module: LLVMModuleRef, by_name: *const c_char) -> *mut c_char;
}

/// [`Module::THREAD_LOCAL`], for C.
const BY_NAME: &CStr = c"bareflow.thread_local";

impl Module<'_> {
    /// `void *f(const char *name)`: the calling thread's copy of a library's variable. For the host to define.
    pub const THREAD_LOCAL: &'static str = "bareflow.thread_local";

    /// Lowers every thread-local variable: those the module defines to `__emutls_get_address`, those it only declares to
    /// [`Module::THREAD_LOCAL`].
    ///
    /// For whole programs: modules that share a variable are linked first.
    ///
    /// # Errors
    /// The module has something else by the name `__emutls_get_address`, or a variable's initial value is the address of
    /// a thread-local one. The module is then of no use.
    pub fn emulate_thread_locals(&mut self) -> Result<(), Error> {
        // SAFETY: the module is alive and borrowed mutably: no handle refers to what is replaced. The name ends in NUL.
        let message = unsafe { bareflow_emulate_tls(self.raw(), BY_NAME.as_ptr()) };
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
    fn variables_of_libraries_are_asked_for_by_name() {
        let ir = lowered(
            "@e = external thread_local global i32, align 4
define i32 @f() {
  %v = load i32, ptr @e
  ret i32 %v
}",
        );
        assert!(
            ir.contains("@bareflow.thread_local.e = internal constant [2 x i8] c\"e\\00\""),
            "{ir}"
        );
        let call = "call nonnull align 4 ptr @bareflow.thread_local(ptr @bareflow.thread_local.e)";
        assert!(ir.contains(call), "{ir}");
        assert!(!ir.contains("__emutls"), "{ir}");
    }

    #[test]
    fn other_programs_stay_as_they_are() {
        let text = "@g = global i32 0\ndefine ptr @f() {\n  ret ptr @g\n}\n";
        let ir = lowered(text);
        assert!(!ir.contains("emutls") && !ir.contains("bareflow"), "{ir}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, part) in [
            (
                "@x = thread_local global i32 0
@__emutls_get_address = global i32 0",
                "something else by this name",
            ),
            (
                "@x = thread_local global i32 0
@p = global ptr @x",
                "the address of x",
            ),
        ] {
            let context = Context::new();
            let mut module = Module::from_ir(&context, "t", text).unwrap();
            let error = module.emulate_thread_locals().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
