//! Makes what clang -O0 writes worth interpreting and compiling.

use crate::module::Module;
use llvm_sys::prelude::LLVMModuleRef;

unsafe extern "C" {
    fn bareflow_prepare(module: LLVMModuleRef);
}

impl Module<'_> {
    /// For whole programs, before parts are taken out of them: drops `optnone`, and `noinline` where it stands with it
    /// (clang -O0 writes both on every function, and passes leave such functions alone); says what aliases stand for
    /// wherever they are used; keeps loops in which the stack grows from being vectorised; drops the ban on unrolling that
    /// clang -O1 puts on every loop.
    pub fn prepare(&mut self) {
        // SAFETY: the module is alive; it is borrowed mutably, so no handle refers to what changes.
        unsafe { bareflow_prepare(self.raw()) }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Context, Module};

    fn prepared(text: &str) -> String {
        let context = Context::new();
        let mut module = Module::from_ir(&context, "t", text).unwrap();
        module.prepare();
        module.verify().unwrap();
        module.to_ir()
    }

    #[test]
    fn things_have_one_name() {
        let ir = prepared(
            "@x = global i32 0
@y = alias i32, ptr @x
@z = alias i32, ptr @y
@list = global [2 x ptr] [ptr @y, ptr @z]
define i1 @f() {
  %same = icmp eq ptr @z, @x
  ret i1 %same
}",
        );
        assert!(ir.contains("[ptr @x, ptr @x]"), "{ir}");
        assert!(ir.contains("icmp eq ptr @x, @x"), "{ir}");
        assert!(ir.contains("@y = alias i32, ptr @x"), "{ir}");
    }

    #[test]
    fn loops_in_which_the_stack_grows_are_marked() {
        let body = |alloca: &str| {
            format!(
                "define void @f(i32 %n) optnone noinline {{
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %j, %loop ]
  {alloca}
  %j = add i32 %i, 1
  %more = icmp slt i32 %j, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}}"
            )
        };
        let ir = prepared(&body("%p = alloca [16 x i8]"));
        assert!(
            ir.contains("!\"llvm.loop.vectorize.enable\", i32 0"),
            "{ir}"
        );
        assert!(!ir.contains("optnone") && !ir.contains("noinline"), "{ir}");
        assert!(!prepared(&body("")).contains("llvm.loop"));
    }

    #[test]
    fn loops_may_be_unrolled_whatever_the_front_end_says() {
        let ir = prepared(
            "define void @f(i32 %n) {
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %j, %loop ]
  %j = add i32 %i, 1
  %more = icmp slt i32 %j, %n
  br i1 %more, label %loop, label %end, !llvm.loop !0
end:
  ret void
}
!0 = distinct !{!0, !1, !2}
!1 = !{!\"llvm.loop.mustprogress\"}
!2 = !{!\"llvm.loop.unroll.disable\"}",
        );
        assert!(!ir.contains("unroll.disable"), "{ir}");
        assert!(ir.contains("llvm.loop.mustprogress"), "{ir}");
    }
}
