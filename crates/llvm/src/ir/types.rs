//! Types of IR values.

use super::ask;
use llvm_sys::LLVMTypeKind as K;
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use std::fmt;
use std::marker::PhantomData;

/// A type. Types are unique in their context: equal handles are equal types.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Type<'m> {
    raw: LLVMTypeRef,
    module: PhantomData<&'m ()>,
}

/// What a type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// No value.
    Void,
    /// Integer of this many bits.
    Int(u32),
    /// IEEE binary16.
    Half,
    /// The upper half of an IEEE binary32.
    BFloat,
    /// IEEE binary32.
    Float,
    /// IEEE binary64.
    Double,
    /// The x87 80-bit format.
    X86Fp80,
    /// IEEE binary128.
    Fp128,
    /// Pointer in address space 0.
    Ptr,
    /// Struct.
    Struct,
    /// Array.
    Array,
    /// Vector of fixed length.
    Vector,
    /// Function.
    Function,
    /// Metadata: an operand of intrinsics that compute nothing.
    Metadata,
    /// Everything else (labels, tokens, scalable vectors, pointers in other address spaces, ...).
    Other,
}

impl<'m> Type<'m> {
    pub(super) fn of(raw: LLVMTypeRef) -> Self {
        Type {
            raw,
            module: PhantomData,
        }
    }

    pub(super) fn raw(self) -> LLVMTypeRef {
        self.raw
    }

    /// What it is.
    pub fn kind(self) -> TypeKind {
        match ask!(LLVMGetTypeKind(self.raw)) {
            K::LLVMVoidTypeKind => TypeKind::Void,
            K::LLVMIntegerTypeKind => TypeKind::Int(ask!(LLVMGetIntTypeWidth(self.raw))),
            K::LLVMHalfTypeKind => TypeKind::Half,
            K::LLVMBFloatTypeKind => TypeKind::BFloat,
            K::LLVMFloatTypeKind => TypeKind::Float,
            K::LLVMDoubleTypeKind => TypeKind::Double,
            K::LLVMX86_FP80TypeKind => TypeKind::X86Fp80,
            K::LLVMFP128TypeKind => TypeKind::Fp128,
            K::LLVMPointerTypeKind if ask!(LLVMGetPointerAddressSpace(self.raw)) == 0 => {
                TypeKind::Ptr
            }
            K::LLVMStructTypeKind => TypeKind::Struct,
            K::LLVMArrayTypeKind => TypeKind::Array,
            K::LLVMVectorTypeKind => TypeKind::Vector,
            K::LLVMFunctionTypeKind => TypeKind::Function,
            K::LLVMMetadataTypeKind => TypeKind::Metadata,
            _ => TypeKind::Other,
        }
    }

    /// Whether values of it have a size.
    pub fn is_sized(self) -> bool {
        ask!(LLVMTypeIsSized(self.raw)) != 0
    }

    /// Number of fields of a struct; 0 for anything else.
    pub fn field_count(self) -> u32 {
        if self.kind() == TypeKind::Struct {
            ask!(LLVMCountStructElementTypes(self.raw))
        } else {
            0
        }
    }

    /// Field `index` of a struct.
    pub fn field(self, index: u32) -> Option<Type<'m>> {
        (index < self.field_count())
            .then(|| Type::of(ask!(LLVMStructGetTypeAtIndex(self.raw, index))))
    }

    /// Whether a struct has no padding.
    pub fn is_packed(self) -> bool {
        self.kind() == TypeKind::Struct && ask!(LLVMIsPackedStruct(self.raw)) != 0
    }

    /// Element type of an array or a vector.
    pub fn element(self) -> Option<Type<'m>> {
        matches!(self.kind(), TypeKind::Array | TypeKind::Vector)
            .then(|| Type::of(ask!(LLVMGetElementType(self.raw))))
    }

    /// Number of elements of an array or a vector; 0 for anything else.
    pub fn len(self) -> u64 {
        match self.kind() {
            TypeKind::Array => ask!(LLVMGetArrayLength2(self.raw)),
            TypeKind::Vector => u64::from(ask!(LLVMGetVectorSize(self.raw))),
            _ => 0,
        }
    }

    /// Whether [`Type::len`] is 0.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Result of a function type.
    pub fn result(self) -> Option<Type<'m>> {
        (self.kind() == TypeKind::Function).then(|| Type::of(ask!(LLVMGetReturnType(self.raw))))
    }

    /// Fixed parameters of a function type.
    pub fn params(self) -> Vec<Type<'m>> {
        if self.kind() != TypeKind::Function {
            return Vec::new();
        }
        let mut raw = vec![std::ptr::null_mut(); ask!(LLVMCountParamTypes(self.raw)) as usize];
        ask!(LLVMGetParamTypes(self.raw, raw.as_mut_ptr()));
        raw.into_iter().map(Type::of).collect()
    }

    /// Whether a function type takes more arguments than its parameters.
    pub fn is_variadic(self) -> bool {
        self.kind() == TypeKind::Function && ask!(LLVMIsFunctionVarArg(self.raw)) != 0
    }
}

/// As IR text, with the fields of named structs written out.
impl fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            TypeKind::Struct => {
                let fields: Vec<String> = (0..self.field_count())
                    .filter_map(|i| self.field(i))
                    .map(|t| t.to_string())
                    .collect();
                let text = format!("{{ {} }}", fields.join(", "));
                if self.is_packed() {
                    write!(f, "<{text}>")
                } else {
                    f.write_str(&text)
                }
            }
            TypeKind::Array => match self.element() {
                Some(e) => write!(f, "[{} x {e}]", self.len()),
                None => Ok(()),
            },
            TypeKind::Vector => match self.element() {
                Some(e) => write!(f, "<{} x {e}>", self.len()),
                None => Ok(()),
            },
            // SAFETY: the string is ours to take.
            _ => f.write_str(&unsafe { crate::text::taken(LLVMPrintTypeToString(self.raw)) }),
        }
    }
}

impl fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
