//! Sizes, alignments and offsets as a module's data layout defines them.

use super::{Type, ask};
use llvm_sys::prelude::*;
use llvm_sys::target::*;
use std::marker::PhantomData;

/// The data layout of a module. All sizes are in bytes unless said otherwise.
#[derive(Clone, Copy)]
pub struct Layout<'m> {
    raw: LLVMTargetDataRef,
    module: PhantomData<&'m ()>,
}

impl<'m> Layout<'m> {
    pub(super) fn of(module: LLVMModuleRef) -> Self {
        Layout {
            raw: ask!(LLVMGetModuleDataLayout(module)),
            module: PhantomData,
        }
    }

    /// Width of a sized type in bits.
    pub fn bits(self, ty: Type<'m>) -> u64 {
        if ty.is_sized() {
            ask!(LLVMSizeOfTypeInBits(self.raw, ty.raw()))
        } else {
            0
        }
    }

    /// Distance of two neighbours in an array.
    pub fn alloc_size(self, ty: Type<'m>) -> u64 {
        if ty.is_sized() {
            ask!(LLVMABISizeOfType(self.raw, ty.raw()))
        } else {
            0
        }
    }

    /// Bytes a store writes.
    pub fn store_size(self, ty: Type<'m>) -> u64 {
        if ty.is_sized() {
            ask!(LLVMStoreSizeOfType(self.raw, ty.raw()))
        } else {
            0
        }
    }

    /// Alignment the ABI asks for, at least 1.
    pub fn align(self, ty: Type<'m>) -> u64 {
        if ty.is_sized() {
            u64::from(ask!(LLVMABIAlignmentOfType(self.raw, ty.raw()))).max(1)
        } else {
            1
        }
    }

    /// Offset of field `index` of a struct.
    pub fn field_offset(self, ty: Type<'m>, index: u32) -> u64 {
        if index < ty.field_count() {
            ask!(LLVMOffsetOfElement(self.raw, ty.raw(), index))
        } else {
            0
        }
    }
}
