//! Constants: numbers, data, aggregates, addresses and expressions over them.

use super::{Opcode, TypeKind, Value, ValueKind, ask};
use llvm_sys::LLVMValueKind as K;
use llvm_sys::core::*;
use llvm_sys::prelude::LLVMValueRef;

unsafe extern "C" {
    fn bareflow_constant_words(value: LLVMValueRef, words: *mut u64, room: usize) -> usize;
}

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
    /// Anything else: wide floats and integers ([`Value::words`]), block addresses, ...
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
                let words = self.words();
                let at = |i| u128::from(words.get(i).copied().unwrap_or(0));
                Constant::Int(at(1) << 64 | at(0))
            }
            // A vector of equal integers.
            TypeKind::Vector => Constant::Aggregate,
            _ => Constant::Other,
        }
    }

    fn float(self) -> Constant {
        match self.ty().kind() {
            TypeKind::Half | TypeKind::BFloat | TypeKind::Float | TypeKind::Double => {}
            TypeKind::Vector => return Constant::Aggregate,
            _ => return Constant::Other,
        }
        Constant::Float(self.words().first().copied().unwrap_or(0))
    }

    /// The bits of an integer or a float of any width as words, the lowest first; empty for every other constant.
    pub fn words(self) -> Vec<u64> {
        if self.kind() != ValueKind::Constant {
            return Vec::new();
        }
        let mut words = vec![0; 2];
        loop {
            // SAFETY: the constant is alive; pointer and length describe words that can be written.
            let n = unsafe { bareflow_constant_words(self.raw(), words.as_mut_ptr(), words.len()) };
            let fits = n <= words.len();
            words.resize(n, 0);
            if fits {
                return words;
            }
        }
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

#[cfg(test)]
mod tests {
    use crate::ir::{Constant, View};
    use crate::{Context, Module};

    /// Words, and what the constant is, of the initialiser of `@x`.
    fn of(text: &str) -> (Vec<u64>, Option<Constant>) {
        let context = Context::new();
        let module = Module::from_ir(
            &context,
            "t",
            &format!("@y = global i8 0\n@x = global {text}"),
        )
        .unwrap();
        let variables = View::new(&module).variables();
        let value = variables
            .iter()
            .find(|v| v.name() == "x")
            .unwrap()
            .initialiser()
            .unwrap();
        (value.words(), value.constant())
    }

    #[test]
    fn numbers_have_the_bits_of_their_type() {
        assert_eq!(of("i7 -1"), (vec![127], Some(Constant::Int(127))));
        assert_eq!(
            of("i65 -2"),
            (vec![u64::MAX - 1, 1], Some(Constant::Int((1 << 65) - 2)))
        );
        assert_eq!(of("i192 -1"), (vec![u64::MAX; 3], Some(Constant::Other)));
        assert_eq!(
            of("half 1.0"),
            (vec![0x3c00], Some(Constant::Float(0x3c00)))
        );
        assert_eq!(
            of("bfloat 1.0"),
            (vec![0x3f80], Some(Constant::Float(0x3f80)))
        );
        assert_eq!(
            of("float 0x7FF0000020000000").0,
            of("i32 2139095041").0,
            "a signalling NaN stays what it is"
        );
        assert_eq!(
            of("x86_fp80 0xK3FFF8000000000000000"),
            (vec![1 << 63, 0x3fff], Some(Constant::Other))
        );
        assert_eq!(
            of("fp128 0xL00000000000000003FFF000000000000").0,
            [0, 0x3fff << 48]
        );
    }

    #[test]
    fn what_is_no_number_has_no_words() {
        assert_eq!(of("ptr @y").0, []);
        assert_eq!(of("ptr null").0, []);
        assert_eq!(of("[2 x i8] c\"ab\"").0, []);
    }
}
