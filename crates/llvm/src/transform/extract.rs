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
        declare: *const *const c_char,
        declare_lengths: *const usize,
        declares: usize,
    ) -> LLVMModuleRef;
}

/// Pointers to and lengths of names.
struct Names {
    pointers: Vec<*const c_char>,
    lengths: Vec<usize>,
}

impl Names {
    /// The order does not matter: C++ sorts what it finds by them.
    fn of(names: &HashSet<&str>) -> Self {
        Names {
            pointers: names.iter().map(|n| n.as_ptr().cast()).collect(),
            lengths: names.iter().map(|n| n.len()).collect(),
        }
    }
}

impl<'c> Module<'c> {
    /// A part of the program in which only the functions of `define` are defined. Those of `copies`, and constant
    /// variables, keep what they are as `available_externally`, to be inlined and folded; all else that these refer to is a
    /// declaration, and nothing else is there: so a part costs what it holds, however large the program is.
    ///
    /// Everything is visible under its name. Variables of the program are near (`dso_local`); functions are called through
    /// their entry in the global offset table (`nonlazybind`), which the linker makes their slot.
    pub fn extract(&self, define: &HashSet<&str>, copies: &HashSet<&str>) -> Module<'c> {
        self.extract_beside(define, copies, &HashSet::new())
    }

    /// The same, with declarations of further functions, which may be called later on.
    pub fn extract_beside(
        &self,
        define: &HashSet<&str>,
        copies: &HashSet<&str>,
        declare: &HashSet<&str>,
    ) -> Module<'c> {
        let [define, copies, declare] = [define, copies, declare].map(Names::of);
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
                declare.pointers.as_ptr(),
                declare.lengths.as_ptr(),
                declare.pointers.len(),
            )
        };
        Module::from_raw(raw, self.context())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Context;

    const PROGRAM: &str = r#"
@text = private constant [3 x i8] c"hi\00"
@list = internal constant [2 x ptr] [ptr @text, ptr @listed]
@state = internal global i32 7
@unrelated = internal constant [4 x i8] c"no!\00"
@outside = extern_weak global i32
@second = alias i32 (i32), ptr @other
define i32 @f(i32 %x) personality ptr @handler {
  %p = getelementptr [2 x ptr], ptr @list, i64 0, i64 1
  %a = load i32, ptr @state
  %b = call i32 @small(i32 %a)
  %c = call i32 @second(i32 %b)
  %d = call i32 @llvm.ctpop.i32(i32 %c)
  %m = icmp eq ptr @outside, null
  %e = zext i1 %m to i32
  %s = add i32 %d, %e
  ret i32 %s
}
define internal i32 @small(i32 %x) personality ptr @handler {
  %y = load i32, ptr @state
  ret i32 %y
}
define hidden i32 @other(i32 %x) { ret i32 %x }
define i32 @listed(i32 %x) personality ptr @handler { ret i32 1 }
define i32 @never(i32 %x) { ret i32 ptrtoint (ptr @unrelated to i32) }
define i32 @called_later(i32 %x) { ret i32 2 }
declare i32 @handler(...)
declare i32 @llvm.ctpop.i32(i32)
"#;

    #[test]
    fn a_part_holds_what_it_refers_to_and_nothing_else() {
        let context = Context::new();
        let program = Module::from_ir(&context, "m", PROGRAM).unwrap();
        let before = program.to_ir();
        let part = program.extract_beside(
            &HashSet::from(["f"]),
            &HashSet::from(["small"]),
            &HashSet::from(["called_later", "not there"]),
        );
        part.verify().unwrap();
        assert_eq!(program.to_ir(), before, "the program changed");
        let text = part.to_ir();
        for wanted in [
            "define i32 @f(i32 %x) personality ptr @handler",
            "define available_externally i32 @small(i32 %x) #",
            "declare i32 @second(i32)",
            "declare i32 @listed(i32) #",
            "declare i32 @called_later(i32) #",
            "declare i32 @handler(...)",
            "@text = available_externally dso_local constant [3 x i8] c\"hi\\00\"",
            "@list = available_externally dso_local constant [2 x ptr] [ptr @text, ptr @listed]",
            "@state = external dso_local global i32",
            "@outside = extern_weak global i32",
        ] {
            assert!(text.contains(wanted), "{wanted} in:\n{text}");
        }
        for unwanted in ["@unrelated", "@never", "@other", "not there"] {
            assert!(!text.contains(unwanted), "{unwanted} in:\n{text}");
        }
        assert!(text.contains("nonlazybind"), "{text}");
    }

    #[test]
    fn a_part_is_the_same_each_time() {
        let context = Context::new();
        let program = Module::from_ir(&context, "m", PROGRAM).unwrap();
        let all = ["f", "small", "other", "listed", "never"];
        let part = || {
            let copies = HashSet::from(all);
            program.extract(&HashSet::from(["f"]), &copies).to_ir()
        };
        let first = part();
        assert!((0..8).all(|_| part() == first));
    }
}
