//! A read-only view of LLVM IR: what an interpreter has to know about a module.
//!
//! [`View`] borrows a module; [`Type`], [`Value`] and [`Block`] are handles of pointer size that borrow the view's
//! module and can be compared and hashed. Nothing here changes IR, except
//! [`name_everything`], [`keep_bodies`] and [`rename_function`].
//!
//! Why calling LLVM here is safe:
//!
//! 1. Every handle was given out by LLVM for a module that is borrowed as long as the handle lives, so it is alive, and
//!    nobody changes the module meanwhile (changing needs `&mut Module`).
//! 2. Accessors that LLVM defines for some kinds of values only are guarded by the kind here: they return `Option` or
//!    an empty list instead of asking LLVM a question it would answer with undefined behaviour.
//! 3. The context is used by one thread at a time: handles are neither `Send` nor `Sync`.

mod constant;
mod extract;
mod instruction;
mod layout;
mod location;
mod types;
mod value;

pub use constant::Constant;
pub use extract::{keep_bodies, rename_function};
pub use instruction::{AtomicOp, FloatPredicate, IntPredicate, Opcode};
pub use layout::Layout;
pub use location::SourceFrame;
pub use types::{Type, TypeKind};
pub use value::{Block, Value, ValueKind};

use crate::module::Module;
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use std::marker::PhantomData;

/// Asks LLVM something about a value, a type or a block that is alive (rules 1 to 3 of [this module](self)).
macro_rules! ask {
    ($e:expr) => {{
        // SAFETY: rules 1 to 3 of the module's documentation: the handle is alive, and of the kind asked about.
        #[allow(unused_unsafe)]
        unsafe {
            $e
        }
    }};
}
pub(crate) use ask;

/// A module, looked at.
#[derive(Clone, Copy)]
pub struct View<'m> {
    raw: LLVMModuleRef,
    module: PhantomData<&'m Module<'m>>,
}

impl<'m> View<'m> {
    /// Looks at a module.
    pub fn new<'c: 'm>(module: &'m Module<'c>) -> Self {
        View {
            raw: module.raw(),
            module: PhantomData,
        }
    }

    /// Sizes and alignments of types.
    pub fn layout(self) -> Layout<'m> {
        Layout::of(self.raw)
    }

    /// All functions: definitions, declarations, intrinsics.
    pub fn functions(self) -> Vec<Value<'m>> {
        list(ask!(LLVMGetFirstFunction(self.raw)), |f| {
            ask!(LLVMGetNextFunction(f))
        })
    }

    /// All variables.
    pub fn variables(self) -> Vec<Value<'m>> {
        list(ask!(LLVMGetFirstGlobal(self.raw)), |g| {
            ask!(LLVMGetNextGlobal(g))
        })
    }

    /// All aliases.
    pub fn aliases(self) -> Vec<Value<'m>> {
        list(ask!(LLVMGetFirstGlobalAlias(self.raw)), |a| {
            ask!(LLVMGetNextGlobalAlias(a))
        })
    }

    /// Whether the module holds assembly text outside of functions.
    pub fn has_module_asm(self) -> bool {
        let mut len = 0;
        ask!(LLVMGetModuleInlineAsm(self.raw, &mut len));
        len != 0
    }
}

fn list<'m>(first: LLVMValueRef, next: impl Fn(LLVMValueRef) -> LLVMValueRef) -> Vec<Value<'m>> {
    let mut all = Vec::new();
    let mut at = first;
    while !at.is_null() {
        all.push(Value::of(at));
        at = next(at);
    }
    all
}

/// Gives every function and variable that has no name one of the form `prefix.N`, so that code compiled apart from the
/// rest can refer to it.
pub fn name_everything(module: &mut Module<'_>, prefix: &str) {
    let view = View::new(module);
    let all: Vec<_> = view
        .functions()
        .into_iter()
        .chain(view.variables())
        .map(|v| v.raw())
        .collect();
    for (n, raw) in all.into_iter().enumerate() {
        if Value::of(raw).name().is_empty() {
            let name = format!("{prefix}.{n}");
            // SAFETY: the module is borrowed mutably and no handle is left; pointer and length describe the name, which
            // LLVM copies.
            unsafe { LLVMSetValueName2(raw, name.as_ptr().cast(), name.len()) }
        }
    }
}
