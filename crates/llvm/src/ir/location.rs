//! Source lines of instructions, from debug information.

use super::Value;
use crate::module::Module;
use crate::text;
use llvm_sys::core::LLVMGetNamedMetadataNumOperands;
use llvm_sys::prelude::LLVMValueRef;
use std::ffi::{c_char, c_void};

unsafe extern "C" {
    fn bareflow_source_frames(
        instruction: LLVMValueRef,
        context: *mut c_void,
        visit: unsafe extern "C" fn(*mut c_void, *const c_char, usize, *const c_char, usize, u32),
    );
}

/// Where an instruction comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFrame {
    /// The function it was written in, mangled where there is such a name.
    pub function: String,
    /// Path of the source file, as the compiler was given it.
    pub file: String,
    /// Line, from 1 on; 0 if the compiler made it up.
    pub line: u32,
}

unsafe extern "C" fn add(
    context: *mut c_void,
    function: *const c_char,
    function_len: usize,
    file: *const c_char,
    file_len: usize,
    line: u32,
) {
    // SAFETY: `context` is the list that `source_frames` passed, which it does not touch meanwhile; pointers and lengths
    // describe LLVM's texts.
    unsafe {
        let list = &mut *context.cast::<Vec<SourceFrame>>();
        list.push(SourceFrame {
            function: text::sized(function, function_len),
            file: text::sized(file, file_len),
            line,
        });
    }
}

impl Value<'_> {
    /// Where an instruction comes from, then the calls through which it was inlined, innermost first. Empty without debug
    /// information.
    pub fn source_frames(self) -> Vec<SourceFrame> {
        let mut list = Vec::new();
        // SAFETY: the value is alive; `add` gets the list back.
        unsafe { bareflow_source_frames(self.raw(), (&raw mut list).cast(), add) }
        list
    }
}

impl Module<'_> {
    /// Whether some of it was compiled with debug information.
    pub fn has_debug_information(&self) -> bool {
        // SAFETY: the module is alive; the name ends in NUL.
        unsafe { LLVMGetNamedMetadataNumOperands(self.raw(), c"llvm.dbg.cu".as_ptr()) > 0 }
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::View;
    use crate::{Context, Module};

    #[test]
    fn instructions_tell_their_lines_and_what_inlined_them() {
        let context = Context::new();
        let module = Module::from_ir(
            &context,
            "t",
            "define i32 @f(i32 %x) !dbg !5 {
  %a = add i32 %x, 1, !dbg !8
  %b = add i32 %a, 1
  ret i32 %b, !dbg !7
}
!llvm.dbg.cu = !{!0}
!llvm.module.flags = !{!2}
!0 = distinct !DICompileUnit(language: DW_LANG_C11, file: !1, emissionKind: LineTablesOnly)
!1 = !DIFile(filename: \"dir/a.c\", directory: \".\")
!2 = !{i32 2, !\"Debug Info Version\", i32 3}
!3 = !DISubroutineType(types: !4)
!4 = !{}
!5 = distinct !DISubprogram(name: \"f\", scope: !1, file: !1, line: 1, type: !3, unit: !0)
!6 = distinct !DISubprogram(name: \"g\", linkageName: \"_g\", scope: !1, file: !1, line: 9, type: !3, unit: !0)
!7 = !DILocation(line: 3, scope: !5)
!8 = !DILocation(line: 12, scope: !6, inlinedAt: !7)",
        )
        .unwrap();
        assert!(module.has_debug_information());
        let view = View::new(&module);
        let f = view.functions()[0];
        let lines: Vec<Vec<(String, u32)>> = f
            .blocks()
            .into_iter()
            .flat_map(|b| b.instructions())
            .map(|i| i.source_frames())
            .map(|list| list.into_iter().map(|s| (s.function, s.line)).collect())
            .collect();
        let at = |name: &str, line| (name.to_owned(), line);
        assert_eq!(lines[0], [at("_g", 12), at("f", 3)]);
        assert!(lines[1].is_empty());
        assert_eq!(lines[2], [at("f", 3)]);
    }
}
