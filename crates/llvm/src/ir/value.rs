//! Values (arguments, instructions, constants, globals) and basic blocks.

use super::{Type, ask};
use crate::text;
use llvm_sys::LLVMAttributeFunctionIndex;
use llvm_sys::LLVMLinkage;
use llvm_sys::LLVMValueKind as K;
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use std::fmt;
use std::marker::PhantomData;

/// Anything an instruction can use. Equal handles are the same value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Value<'m> {
    raw: LLVMValueRef,
    module: PhantomData<&'m ()>,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// Parameter of a function.
    Argument,
    /// Result of an instruction.
    Instruction,
    /// Function; as an operand: its address.
    Function,
    /// Variable; as an operand: its address.
    Variable,
    /// Second name of a function or a variable.
    Alias,
    /// Any other constant: see [`Value::constant`](super::Constant).
    Constant,
    /// Basic block.
    Block,
    /// Inline assembly.
    InlineAsm,
    /// Metadata.
    Metadata,
    /// Anything else (indirect functions, ...).
    Other,
}

impl<'m> Value<'m> {
    pub(crate) fn of(raw: LLVMValueRef) -> Self {
        Value {
            raw,
            module: PhantomData,
        }
    }

    pub(crate) fn raw(self) -> LLVMValueRef {
        self.raw
    }

    /// A number that tells values apart while the module lives.
    pub fn id(self) -> usize {
        self.raw as usize
    }

    /// What it is.
    pub fn kind(self) -> ValueKind {
        match ask!(LLVMGetValueKind(self.raw)) {
            K::LLVMArgumentValueKind => ValueKind::Argument,
            K::LLVMInstructionValueKind => ValueKind::Instruction,
            K::LLVMFunctionValueKind => ValueKind::Function,
            K::LLVMGlobalVariableValueKind => ValueKind::Variable,
            K::LLVMGlobalAliasValueKind => ValueKind::Alias,
            K::LLVMBasicBlockValueKind => ValueKind::Block,
            K::LLVMInlineAsmValueKind => ValueKind::InlineAsm,
            K::LLVMMetadataAsValueValueKind => ValueKind::Metadata,
            K::LLVMGlobalIFuncValueKind
            | K::LLVMMemoryUseValueKind
            | K::LLVMMemoryDefValueKind
            | K::LLVMMemoryPhiValueKind => ValueKind::Other,
            _ => ValueKind::Constant,
        }
    }

    /// Its type; for functions and variables a pointer.
    pub fn ty(self) -> Type<'m> {
        Type::of(ask!(LLVMTypeOf(self.raw)))
    }

    /// Its name; empty if it has none.
    pub fn name(self) -> String {
        let mut len = 0;
        // SAFETY: the value is alive; pointer and length describe its name.
        unsafe { text::sized(LLVMGetValueName2(self.raw, &mut len), len) }
    }

    /// Number of operands of an instruction or a constant expression.
    pub fn operand_count(self) -> u32 {
        match self.kind() {
            ValueKind::Instruction | ValueKind::Constant => {
                u32::try_from(ask!(LLVMGetNumOperands(self.raw))).unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Operand `index`.
    pub fn operand(self, index: u32) -> Option<Value<'m>> {
        (index < self.operand_count()).then(|| Value::of(ask!(LLVMGetOperand(self.raw, index))))
    }

    fn is_global(self) -> bool {
        matches!(
            self.kind(),
            ValueKind::Function | ValueKind::Variable | ValueKind::Alias
        )
    }

    /// Whether a function or variable has no body or initialiser here.
    pub fn is_declaration(self) -> bool {
        self.is_global() && ask!(LLVMIsDeclaration(self.raw)) != 0
    }

    /// Whether it may be missing: its address is then null.
    pub fn is_extern_weak(self) -> bool {
        self.is_global() && ask!(LLVMGetLinkage(self.raw)) == LLVMLinkage::LLVMExternalWeakLinkage
    }

    /// Whether it is a copy for inlining only; the real one is elsewhere.
    pub fn is_available_externally(self) -> bool {
        self.is_global()
            && ask!(LLVMGetLinkage(self.raw)) == LLVMLinkage::LLVMAvailableExternallyLinkage
    }

    /// Type of what a function or variable holds.
    pub fn value_type(self) -> Type<'m> {
        if self.is_global() {
            Type::of(ask!(LLVMGlobalGetValueType(self.raw)))
        } else {
            self.ty()
        }
    }

    /// Alignment in bytes written at a variable, an `alloca`, a `load` or a `store`; 0 if none is.
    pub fn align(self) -> u32 {
        use super::Opcode as O;
        let known = self.kind() == ValueKind::Variable
            || matches!(
                self.opcode(),
                Some(O::Alloca | O::Load | O::Store | O::AtomicRmw | O::CmpXchg)
            );
        if known {
            ask!(LLVMGetAlignment(self.raw))
        } else {
            0
        }
    }

    /// Initialiser of a variable.
    pub fn initialiser(self) -> Option<Value<'m>> {
        if self.kind() != ValueKind::Variable {
            return None;
        }
        let raw = ask!(LLVMGetInitializer(self.raw));
        (!raw.is_null()).then(|| Value::of(raw))
    }

    /// Whether each thread has a variable of its own.
    pub fn is_thread_local(self) -> bool {
        self.kind() == ValueKind::Variable && ask!(LLVMIsThreadLocal(self.raw)) != 0
    }

    /// Whether a variable is never written.
    pub fn is_constant_variable(self) -> bool {
        self.kind() == ValueKind::Variable && ask!(LLVMIsGlobalConstant(self.raw)) != 0
    }

    /// What an alias stands for.
    pub fn aliasee(self) -> Option<Value<'m>> {
        (self.kind() == ValueKind::Alias).then(|| Value::of(ask!(LLVMAliasGetAliasee(self.raw))))
    }

    /// Whether a function is one of LLVM's intrinsics.
    pub fn is_intrinsic(self) -> bool {
        self.kind() == ValueKind::Function && ask!(LLVMGetIntrinsicID(self.raw)) != 0
    }

    /// Parameters of a function.
    pub fn params(self) -> Vec<Value<'m>> {
        if self.kind() != ValueKind::Function {
            return Vec::new();
        }
        (0..ask!(LLVMCountParams(self.raw)))
            .map(|i| Value::of(ask!(LLVMGetParam(self.raw, i))))
            .collect()
    }

    /// Blocks of a function, entry first.
    pub fn blocks(self) -> Vec<Block<'m>> {
        let mut all = Vec::new();
        if self.kind() == ValueKind::Function {
            let mut at = ask!(LLVMGetFirstBasicBlock(self.raw));
            while !at.is_null() {
                all.push(Block::of(at));
                at = ask!(LLVMGetNextBasicBlock(at));
            }
        }
        all
    }

    /// Calling convention of a function or a call, in LLVM's numbering: 0 is C.
    pub fn call_conv(self) -> u32 {
        match self.kind() {
            ValueKind::Function => ask!(LLVMGetFunctionCallConv(self.raw)),
            ValueKind::Instruction if self.is_call() => ask!(LLVMGetInstructionCallConv(self.raw)),
            _ => 0,
        }
    }

    /// The enum or type attribute `name` at attribute index `at` (0 result, 1.. parameters) of a function or a call.
    fn attribute(self, at: u32, name: &str) -> Option<LLVMAttributeRef> {
        // SAFETY: pointer and length describe `name`; the rest as `ask` says.
        let raw = unsafe {
            let kind = LLVMGetEnumAttributeKindForName(name.as_ptr().cast(), name.len());
            if kind == 0 {
                return None;
            }
            match self.kind() {
                ValueKind::Function => LLVMGetEnumAttributeAtIndex(self.raw, at, kind),
                ValueKind::Instruction if self.is_call() => {
                    LLVMGetCallSiteEnumAttribute(self.raw, at, kind)
                }
                _ => return None,
            }
        };
        (!raw.is_null()).then_some(raw)
    }

    /// Whether parameter `index` of a function or a call has the attribute.
    pub fn param_has(self, index: u32, name: &str) -> bool {
        self.attribute(index + 1, name).is_some()
    }

    /// Whether the result of a function or a call has the attribute.
    pub fn result_has(self, name: &str) -> bool {
        self.attribute(0, name).is_some()
    }

    /// Whether the function or the call itself has the attribute.
    pub fn has(self, name: &str) -> bool {
        self.attribute(LLVMAttributeFunctionIndex, name).is_some()
    }

    /// Type of a type attribute such as `byval` or `sret` at parameter `index`.
    pub fn param_type(self, index: u32, name: &str) -> Option<Type<'m>> {
        let raw = self.attribute(index + 1, name)?;
        (ask!(LLVMIsTypeAttribute(raw)) != 0)
            .then(|| Type::of(ask!(LLVMGetTypeAttributeValue(raw))))
    }

    /// Number of an attribute such as `align` at parameter `index`.
    pub fn param_number(self, index: u32, name: &str) -> Option<u64> {
        let raw = self.attribute(index + 1, name)?;
        (ask!(LLVMIsEnumAttribute(raw)) != 0).then(|| ask!(LLVMGetEnumAttributeValue(raw)))
    }

    /// All uses by instructions and constants.
    pub fn users(self) -> Vec<Value<'m>> {
        let mut all = Vec::new();
        let mut at = ask!(LLVMGetFirstUse(self.raw));
        while !at.is_null() {
            all.push(Value::of(ask!(LLVMGetUser(at))));
            at = ask!(LLVMGetNextUse(at));
        }
        all
    }
}

/// As IR text.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the string is ours to take.
        f.write_str(unsafe { text::taken(LLVMPrintValueToString(self.raw)) }.trim())
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A basic block.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block<'m> {
    raw: LLVMBasicBlockRef,
    module: PhantomData<&'m ()>,
}

impl<'m> Block<'m> {
    pub(super) fn of(raw: LLVMBasicBlockRef) -> Self {
        Block {
            raw,
            module: PhantomData,
        }
    }

    /// Its instructions in order; the last one is the terminator.
    pub fn instructions(self) -> Vec<Value<'m>> {
        let mut all = Vec::new();
        let mut at = ask!(LLVMGetFirstInstruction(self.raw));
        while !at.is_null() {
            all.push(Value::of(at));
            at = ask!(LLVMGetNextInstruction(at));
        }
        all
    }
}
