//! What instructions say beside their operands.

use super::{Block, Type, Value, ValueKind, ask};
use llvm_sys::LLVMAtomicRMWBinOp as R;
use llvm_sys::LLVMIntPredicate as I;
use llvm_sys::LLVMOpcode as O;
use llvm_sys::LLVMRealPredicate as F;
use llvm_sys::core::*;

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident = $llvm:ident,)*) => {
        /// Kind of an instruction or of a constant expression.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Opcode {
            $($(#[$doc])* $name,)*
            /// Exception handling and other rarities.
            Other,
        }

        fn of_llvm(op: O) -> Opcode {
            match op {
                $(O::$llvm => Opcode::$name,)*
                _ => Opcode::Other,
            }
        }
    };
}

opcodes! {
    /// Return.
    Ret = LLVMRet,
    /// Branch, with or without a condition.
    Br = LLVMBr,
    /// Multi-way branch.
    Switch = LLVMSwitch,
    /// Call that may unwind.
    Invoke = LLVMInvoke,
    /// Never reached.
    Unreachable = LLVMUnreachable,
    /// Float negation.
    FNeg = LLVMFNeg,
    /// Integer sum.
    Add = LLVMAdd,
    /// Float sum.
    FAdd = LLVMFAdd,
    /// Integer difference.
    Sub = LLVMSub,
    /// Float difference.
    FSub = LLVMFSub,
    /// Integer product.
    Mul = LLVMMul,
    /// Float product.
    FMul = LLVMFMul,
    /// Unsigned quotient.
    UDiv = LLVMUDiv,
    /// Signed quotient.
    SDiv = LLVMSDiv,
    /// Float quotient.
    FDiv = LLVMFDiv,
    /// Unsigned remainder.
    URem = LLVMURem,
    /// Signed remainder.
    SRem = LLVMSRem,
    /// Float remainder.
    FRem = LLVMFRem,
    /// Shift left.
    Shl = LLVMShl,
    /// Logical shift right.
    LShr = LLVMLShr,
    /// Arithmetic shift right.
    AShr = LLVMAShr,
    /// Bitwise and.
    And = LLVMAnd,
    /// Bitwise or.
    Or = LLVMOr,
    /// Bitwise exclusive or.
    Xor = LLVMXor,
    /// Stack memory.
    Alloca = LLVMAlloca,
    /// Read memory.
    Load = LLVMLoad,
    /// Write memory.
    Store = LLVMStore,
    /// Address arithmetic.
    Gep = LLVMGetElementPtr,
    /// Drop upper bits.
    Trunc = LLVMTrunc,
    /// Extend with zeros.
    ZExt = LLVMZExt,
    /// Extend with the sign.
    SExt = LLVMSExt,
    /// Float to unsigned.
    FpToUi = LLVMFPToUI,
    /// Float to signed.
    FpToSi = LLVMFPToSI,
    /// Unsigned to float.
    UiToFp = LLVMUIToFP,
    /// Signed to float.
    SiToFp = LLVMSIToFP,
    /// To a narrower float.
    FpTrunc = LLVMFPTrunc,
    /// To a wider float.
    FpExt = LLVMFPExt,
    /// Address as a number.
    PtrToInt = LLVMPtrToInt,
    /// Address as a number, without exposing it.
    PtrToAddr = LLVMPtrToAddr,
    /// Number as an address.
    IntToPtr = LLVMIntToPtr,
    /// Same bits, other type.
    BitCast = LLVMBitCast,
    /// Integer comparison.
    ICmp = LLVMICmp,
    /// Float comparison.
    FCmp = LLVMFCmp,
    /// Value by predecessor.
    Phi = LLVMPHI,
    /// Call.
    Call = LLVMCall,
    /// One of two values.
    Select = LLVMSelect,
    /// Next variadic argument.
    VaArg = LLVMVAArg,
    /// Element of a vector.
    ExtractElement = LLVMExtractElement,
    /// Vector with one element replaced.
    InsertElement = LLVMInsertElement,
    /// Elements of two vectors by constant indices.
    ShuffleVector = LLVMShuffleVector,
    /// Field of an aggregate.
    ExtractValue = LLVMExtractValue,
    /// Aggregate with one field replaced.
    InsertValue = LLVMInsertValue,
    /// Fixes an undefined value.
    Freeze = LLVMFreeze,
    /// Memory fence.
    Fence = LLVMFence,
    /// Compare and exchange.
    CmpXchg = LLVMAtomicCmpXchg,
    /// Atomic read-modify-write.
    AtomicRmw = LLVMAtomicRMW,
    /// Continues unwinding.
    Resume = LLVMResume,
    /// Start of an exception handler.
    LandingPad = LLVMLandingPad,
}

/// Integer comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are IR's own
pub enum IntPredicate {
    Eq,
    Ne,
    Ugt,
    Uge,
    Ult,
    Ule,
    Sgt,
    Sge,
    Slt,
    Sle,
}

/// Float comparison: `O..` is false, `U..` true if an operand is a NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are IR's own
pub enum FloatPredicate {
    False,
    Oeq,
    Ogt,
    Oge,
    Olt,
    Ole,
    One,
    Ord,
    Uno,
    Ueq,
    Ugt,
    Uge,
    Ult,
    Ule,
    Une,
    True,
}

/// Operation of an `atomicrmw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are IR's own
pub enum AtomicOp {
    Xchg,
    Add,
    Sub,
    And,
    Nand,
    Or,
    Xor,
    Max,
    Min,
    UMax,
    UMin,
    FAdd,
    FSub,
    FMax,
    FMin,
    UIncWrap,
    UDecWrap,
    Other,
}

impl<'m> Value<'m> {
    /// Kind of an instruction.
    pub fn opcode(self) -> Option<Opcode> {
        (self.kind() == ValueKind::Instruction)
            .then(|| of_llvm(ask!(LLVMGetInstructionOpcode(self.raw()))))
    }

    /// Kind of a constant expression.
    pub(super) fn expr_opcode(self) -> Opcode {
        of_llvm(ask!(LLVMGetConstOpcode(self.raw())))
    }

    pub(super) fn is_call(self) -> bool {
        matches!(self.opcode(), Some(Opcode::Call | Opcode::Invoke))
    }

    /// Predicate of an `icmp`.
    pub fn int_predicate(self) -> Option<IntPredicate> {
        (self.opcode() == Some(Opcode::ICmp)).then(|| {
            match ask!(LLVMGetICmpPredicate(self.raw())) {
                I::LLVMIntEQ => IntPredicate::Eq,
                I::LLVMIntNE => IntPredicate::Ne,
                I::LLVMIntUGT => IntPredicate::Ugt,
                I::LLVMIntUGE => IntPredicate::Uge,
                I::LLVMIntULT => IntPredicate::Ult,
                I::LLVMIntULE => IntPredicate::Ule,
                I::LLVMIntSGT => IntPredicate::Sgt,
                I::LLVMIntSGE => IntPredicate::Sge,
                I::LLVMIntSLT => IntPredicate::Slt,
                I::LLVMIntSLE => IntPredicate::Sle,
            }
        })
    }

    /// Predicate of an `fcmp`.
    pub fn float_predicate(self) -> Option<FloatPredicate> {
        use FloatPredicate as P;
        (self.opcode() == Some(Opcode::FCmp)).then(|| {
            match ask!(LLVMGetFCmpPredicate(self.raw())) {
                F::LLVMRealPredicateFalse => P::False,
                F::LLVMRealOEQ => P::Oeq,
                F::LLVMRealOGT => P::Ogt,
                F::LLVMRealOGE => P::Oge,
                F::LLVMRealOLT => P::Olt,
                F::LLVMRealOLE => P::Ole,
                F::LLVMRealONE => P::One,
                F::LLVMRealORD => P::Ord,
                F::LLVMRealUNO => P::Uno,
                F::LLVMRealUEQ => P::Ueq,
                F::LLVMRealUGT => P::Ugt,
                F::LLVMRealUGE => P::Uge,
                F::LLVMRealULT => P::Ult,
                F::LLVMRealULE => P::Ule,
                F::LLVMRealUNE => P::Une,
                F::LLVMRealPredicateTrue => P::True,
            }
        })
    }

    /// Operation of an `atomicrmw`.
    pub fn atomic_op(self) -> Option<AtomicOp> {
        use AtomicOp as A;
        (self.opcode() == Some(Opcode::AtomicRmw)).then(|| {
            match ask!(LLVMGetAtomicRMWBinOp(self.raw())) {
                R::LLVMAtomicRMWBinOpXchg => A::Xchg,
                R::LLVMAtomicRMWBinOpAdd => A::Add,
                R::LLVMAtomicRMWBinOpSub => A::Sub,
                R::LLVMAtomicRMWBinOpAnd => A::And,
                R::LLVMAtomicRMWBinOpNand => A::Nand,
                R::LLVMAtomicRMWBinOpOr => A::Or,
                R::LLVMAtomicRMWBinOpXor => A::Xor,
                R::LLVMAtomicRMWBinOpMax => A::Max,
                R::LLVMAtomicRMWBinOpMin => A::Min,
                R::LLVMAtomicRMWBinOpUMax => A::UMax,
                R::LLVMAtomicRMWBinOpUMin => A::UMin,
                R::LLVMAtomicRMWBinOpFAdd => A::FAdd,
                R::LLVMAtomicRMWBinOpFSub => A::FSub,
                R::LLVMAtomicRMWBinOpFMax => A::FMax,
                R::LLVMAtomicRMWBinOpFMin => A::FMin,
                R::LLVMAtomicRMWBinOpUIncWrap => A::UIncWrap,
                R::LLVMAtomicRMWBinOpUDecWrap => A::UDecWrap,
                _ => A::Other,
            }
        })
    }

    /// Whether a load or store is atomic.
    pub fn is_atomic(self) -> bool {
        matches!(self.opcode(), Some(Opcode::Load | Opcode::Store))
            && ask!(LLVMIsAtomic(self.raw())) != 0
    }

    /// Successors of a terminator: of a conditional branch taken first, of a switch the default first.
    pub fn successors(self) -> Vec<Block<'m>> {
        match self.opcode() {
            Some(Opcode::Br | Opcode::Switch | Opcode::Invoke) => {
                (0..ask!(LLVMGetNumSuccessors(self.raw())))
                    .map(|i| Block::of(ask!(LLVMGetSuccessor(self.raw(), i))))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Condition of a branch that has one; of a switch the value switched on.
    pub fn condition(self) -> Option<Value<'m>> {
        match self.opcode() {
            Some(Opcode::Br) if ask!(LLVMIsConditional(self.raw())) != 0 => {
                Some(Value::of(ask!(LLVMGetCondition(self.raw()))))
            }
            Some(Opcode::Switch) => self.operand(0),
            _ => None,
        }
    }

    /// Value that leads to successor `index` (from 1) of a switch.
    pub fn case(self, index: u32) -> Option<Value<'m>> {
        let in_range = self.opcode() == Some(Opcode::Switch)
            && (1..ask!(LLVMGetNumSuccessors(self.raw()))).contains(&index);
        in_range.then(|| Value::of(ask!(LLVMGetSwitchCaseValue(self.raw(), index))))
    }

    /// Incoming values of a phi with their predecessors.
    pub fn incoming(self) -> Vec<(Value<'m>, Block<'m>)> {
        if self.opcode() != Some(Opcode::Phi) {
            return Vec::new();
        }
        (0..ask!(LLVMCountIncoming(self.raw())))
            .map(|i| {
                let value = Value::of(ask!(LLVMGetIncomingValue(self.raw(), i)));
                (value, Block::of(ask!(LLVMGetIncomingBlock(self.raw(), i))))
            })
            .collect()
    }

    /// Type an `alloca` makes room for.
    pub fn allocated_type(self) -> Option<Type<'m>> {
        (self.opcode() == Some(Opcode::Alloca))
            .then(|| Type::of(ask!(LLVMGetAllocatedType(self.raw()))))
    }

    /// Type a `getelementptr` (instruction or constant) starts from.
    pub fn gep_type(self) -> Option<Type<'m>> {
        let is_gep = match self.kind() {
            ValueKind::Instruction => self.opcode() == Some(Opcode::Gep),
            ValueKind::Constant => {
                matches!(self.constant(), Some(super::Constant::Expr(Opcode::Gep)))
            }
            _ => false,
        };
        is_gep.then(|| Type::of(ask!(LLVMGetGEPSourceElementType(self.raw()))))
    }

    /// What a call calls.
    pub fn callee(self) -> Option<Value<'m>> {
        self.is_call()
            .then(|| Value::of(ask!(LLVMGetCalledValue(self.raw()))))
    }

    /// Function type a call is made with.
    pub fn call_type(self) -> Option<Type<'m>> {
        self.is_call()
            .then(|| Type::of(ask!(LLVMGetCalledFunctionType(self.raw()))))
    }

    /// Arguments of a call.
    pub fn args(self) -> Vec<Value<'m>> {
        if !self.is_call() {
            return Vec::new();
        }
        (0..ask!(LLVMGetNumArgOperands(self.raw())))
            .filter_map(|i| self.operand(i))
            .collect()
    }

    /// Number of operand bundles of a call.
    pub fn bundle_count(self) -> u32 {
        if self.is_call() {
            ask!(LLVMGetNumOperandBundles(self.raw()))
        } else {
            0
        }
    }

    /// Whether a call must reuse the caller's frame (`musttail`).
    pub fn is_must_tail(self) -> bool {
        self.opcode() == Some(Opcode::Call)
            && ask!(LLVMGetTailCallKind(self.raw()))
                == llvm_sys::LLVMTailCallKind::LLVMTailCallKindMustTail
    }

    /// Constant indices of an `extractvalue` or `insertvalue`.
    pub fn indices(self) -> Vec<u32> {
        if !matches!(
            self.opcode(),
            Some(Opcode::ExtractValue | Opcode::InsertValue)
        ) {
            return Vec::new();
        }
        let count = ask!(LLVMGetNumIndices(self.raw())) as usize;
        let start = ask!(LLVMGetIndices(self.raw()));
        // SAFETY: LLVM keeps `count` indices at `start` as long as the instruction lives.
        unsafe { std::slice::from_raw_parts(start, count) }.to_vec()
    }

    /// Mask of a `shufflevector`; `None` where the element does not matter.
    pub fn shuffle_mask(self) -> Vec<Option<u32>> {
        if self.opcode() != Some(Opcode::ShuffleVector) {
            return Vec::new();
        }
        (0..ask!(LLVMGetNumMaskElements(self.raw())))
            .map(|i| u32::try_from(ask!(LLVMGetMaskValue(self.raw(), i))).ok())
            .collect()
    }
}
