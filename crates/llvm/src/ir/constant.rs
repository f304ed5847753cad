//! Constants: numbers, data, aggregates, addresses and expressions over them.

use super::{Opcode, TypeKind, Value, ValueKind, ask};
use llvm_sys::LLVMValueKind as K;
use llvm_sys::core::*;

/// What a constant that is no function, variable or alias consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constant {
    /// Integer of at most 128 bits; the upper bits are zero.
    Int(u128),
    /// Float: its bits, in a type of at most 64 bits.
    Float(u64),
    /// Null pointer, or zeros of any type.
    Zero,
    /// Undefined or poison.
    Undefined,
    /// Struct, array or vector: see [`Value::elements`].
    Aggregate,
    /// Expression: see [`Value::operand`].
    Expr(Opcode),
    /// Anything else (block addresses, wide floats and integers, ...).
    Other,
}

impl<'m> Value<'m> {
    /// What a constant is; `None` for everything else.
    pub fn constant(self) -> Option<Constant> {
        if self.kind() != ValueKind::Constant {
            return None;
        }
        Some(match ask!(LLVMGetValueKind(self.raw())) {
            K::LLVMConstantIntValueKind => self.int(),
            K::LLVMConstantFPValueKind => self.float(),
            K::LLVMConstantPointerNullValueKind
            | K::LLVMConstantAggregateZeroValueKind
            | K::LLVMConstantTargetNoneValueKind => Constant::Zero,
            K::LLVMUndefValueValueKind | K::LLVMPoisonValueKind => Constant::Undefined,
            K::LLVMConstantArrayValueKind
            | K::LLVMConstantStructValueKind
            | K::LLVMConstantVectorValueKind
            | K::LLVMConstantDataArrayValueKind
            | K::LLVMConstantDataVectorValueKind => Constant::Aggregate,
            K::LLVMConstantExprValueKind => Constant::Expr(self.expr_opcode()),
            _ => Constant::Other,
        })
    }

    fn int(self) -> Constant {
        match self.ty().kind() {
            TypeKind::Int(width) if width <= 64 => {
                Constant::Int(u128::from(ask!(LLVMConstIntGetZExtValue(self.raw()))))
            }
            TypeKind::Int(width) if width <= 128 => {
                // The C API hands out 64 bits; the text has all of them, signed.
                let text = self.to_string();
                match text.rsplit(' ').next().and_then(|t| t.parse::<i128>().ok()) {
                    Some(v) if width == 128 => Constant::Int(v as u128),
                    Some(v) => Constant::Int(v as u128 & ((1 << width) - 1)),
                    None => Constant::Other,
                }
            }
            // A vector of equal integers.
            TypeKind::Vector => Constant::Aggregate,
            _ => Constant::Other,
        }
    }

    fn float(self) -> Constant {
        let width = match self.ty().kind() {
            TypeKind::Half | TypeKind::BFloat => 16,
            TypeKind::Float => 32,
            TypeKind::Double => 64,
            TypeKind::Vector => return Constant::Aggregate,
            _ => return Constant::Other,
        };
        // A bit cast of a constant folds to the integer with its bits: exact for every NaN too.
        let bits = ask!({
            let context = LLVMGetTypeContext(LLVMTypeOf(self.raw()));
            LLVMConstBitCast(self.raw(), LLVMIntTypeInContext(context, width))
        });
        Constant::Float(ask!(LLVMConstIntGetZExtValue(bits)))
    }

    /// Element `index` of a constant struct, array or vector.
    pub fn element(self, index: u32) -> Option<Value<'m>> {
        if self.constant() != Some(Constant::Aggregate) {
            return None;
        }
        let raw = ask!(LLVMGetAggregateElement(self.raw(), index));
        (!raw.is_null()).then(|| Value::of(raw))
    }

    /// Bytes of a constant array of numbers, as they lie in memory.
    pub fn raw_data(self) -> Option<Vec<u8>> {
        if self.kind() != ValueKind::Constant
            || ask!(LLVMGetValueKind(self.raw())) != K::LLVMConstantDataArrayValueKind
        {
            return None;
        }
        let mut len = 0_usize;
        // llvm-sys declares the second parameter, `size_t *`, as a number.
        let out = (&raw mut len).expose_provenance();
        let start = ask!(LLVMGetRawDataValues(self.raw(), out));
        // SAFETY: LLVM keeps `len` bytes at `start` as long as the constant lives.
        Some(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) }.to_vec())
    }
}
