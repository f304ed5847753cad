//! Takes some functions out of a program, to be compiled apart from the rest.

use super::{Value, ValueKind, View, ask};
use crate::module::Module;
use llvm_sys::core::*;
use llvm_sys::{LLVMLinkage as L, LLVMVisibility};
use std::collections::HashSet;

/// Leaves bodies to the functions named only. Everything else becomes a declaration that whoever links the result must
/// define under its name; nothing stays internal.
pub fn keep_bodies(module: &mut Module<'_>, names: &HashSet<&str>) -> Result<(), crate::Error> {
    let view = View::new(module);
    let all: Vec<_> = view
        .functions()
        .into_iter()
        .chain(view.variables())
        .chain(view.aliases())
        .map(|v| v.raw())
        .collect();
    for raw in all {
        let v = Value::of(raw);
        let name = v.name();
        if v.is_declaration() || name.starts_with("llvm.") {
            continue;
        }
        let kept = v.kind() == ValueKind::Function && names.contains(name.as_str());
        // SAFETY: the module is borrowed mutably; only linkage and visibility of its own globals change.
        unsafe {
            LLVMSetVisibility(raw, LLVMVisibility::LLVMDefaultVisibility);
            LLVMSetLinkage(
                raw,
                if kept {
                    L::LLVMExternalLinkage
                } else {
                    L::LLVMAvailableExternallyLinkage
                },
            );
        }
    }
    // What stays in the lists of constructors and used symbols would keep bodies alive.
    let lists: Vec<_> = View::new(module)
        .variables()
        .into_iter()
        .filter(|v| v.name().starts_with("llvm."))
        .map(|v| v.raw())
        .collect();
    for raw in lists {
        if ask!(LLVMGetFirstUse(raw)).is_null() {
            // SAFETY: nobody uses the list, and no handle is left.
            unsafe { LLVMDeleteGlobal(raw) }
        }
    }
    module.run_passes("elim-avail-extern,globaldce", None)
}
