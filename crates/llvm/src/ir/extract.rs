//! Takes some functions out of a program, to be compiled apart from the rest.

use super::{TypeKind, Value, ValueKind, View};
use crate::module::Module;
use llvm_sys::core::*;
use llvm_sys::{LLVMLinkage, LLVMVisibility};
use std::collections::HashSet;

/// Leaves bodies to the functions named only. Everything else becomes a declaration that whoever links the result must
/// define under its name; nothing stays internal.
///
/// Declarations are new values: an old one may be marked as near (`dso_local`), which the C API cannot take back, and
/// code would then reach it by a 32-bit distance.
pub fn keep_bodies(module: &mut Module<'_>, names: &HashSet<&str>) -> Result<(), crate::Error> {
    let raw_module = module.raw();
    let view = View::new(module);
    let lists = |v: &Value<'_>| v.name().starts_with("llvm.");
    // What stays in the lists of constructors and used symbols would keep bodies alive.
    let mut gone: Vec<_> = view
        .variables()
        .into_iter()
        .filter(lists)
        .map(|v| v.raw())
        .collect();
    let all: Vec<_> = view
        .aliases()
        .into_iter()
        .chain(view.functions())
        .chain(view.variables())
        .filter(|v| !v.is_declaration() && !lists(v))
        .map(|v| v.raw())
        .collect();
    for raw in all {
        let v = Value::of(raw);
        let name = v.name();
        let ty = v.value_type();
        let is_function = ty.kind() == TypeKind::Function;
        // SAFETY: the module is borrowed mutably and no handle of `raw` is used after its replacement; the new value
        // has the same type and takes over all uses and the name.
        unsafe {
            if v.kind() == ValueKind::Function && names.contains(name.as_str()) {
                LLVMSetLinkage(raw, LLVMLinkage::LLVMExternalLinkage);
                LLVMSetVisibility(raw, LLVMVisibility::LLVMDefaultVisibility);
                continue;
            }
            let new = if is_function {
                let new = LLVMAddFunction(raw_module, c"".as_ptr(), ty.raw());
                LLVMSetFunctionCallConv(new, v.call_conv());
                new
            } else {
                let new = LLVMAddGlobal(raw_module, ty.raw(), c"".as_ptr());
                LLVMSetAlignment(new, v.align());
                LLVMSetThreadLocal(new, v.is_thread_local().into());
                new
            };
            LLVMReplaceAllUsesWith(raw, new);
            LLVMSetValueName2(raw, c"".as_ptr(), 0);
            LLVMSetValueName2(new, name.as_ptr().cast(), name.len());
            LLVMSetLinkage(raw, LLVMLinkage::LLVMInternalLinkage);
        }
        gone.push(raw);
    }
    for raw in gone {
        // SAFETY: a list nobody uses, or replaced above; `globaldce` removes the rest.
        unsafe {
            if Value::of(raw).kind() == ValueKind::Variable && LLVMGetFirstUse(raw).is_null() {
                LLVMDeleteGlobal(raw);
            }
        }
    }
    module.run_passes("globaldce", None)
}

/// Gives the function `from` another name, if there is one.
pub fn rename_function(module: &mut Module<'_>, from: &str, to: &str) {
    let raw_module = module.raw();
    // SAFETY: the module is borrowed mutably and no handle is left; pointers and lengths describe the names, which LLVM
    // copies.
    unsafe {
        let raw = LLVMGetNamedFunctionWithLength(raw_module, from.as_ptr().cast(), from.len());
        if !raw.is_null() {
            LLVMSetValueName2(raw, to.as_ptr().cast(), to.len());
        }
    }
}
