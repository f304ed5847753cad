//! Instructions that only the processor has: its intrinsics, and inline assembly.
//!
//! Each becomes a call of a thunk that LLVM makes of the one instruction: arguments out of their slots, the instruction,
//! the result into its slots (see `bridge.rs`). What looks at the stack or leaves by another way than it came is not
//! expressed: it would see the thunk's frame.

use super::{Decoder, Reason};
use crate::interp::code::CallSite;
use crate::interp::op::Op;
use crate::interp::shape::Shape;
use crate::interp::signature::{Operation, Signature, Thunk};
use llvm::ir::{TypeKind, Value};
use std::fmt::Write;
use std::sync::atomic::AtomicUsize;

/// Intrinsics that concern the frame of the function they stand in.
const OF_THE_FRAME: [&str; 4] = ["flags", "seh", "int", "cet"];
/// Registers that are the frame, and ways out of it.
const IN_ASSEMBLY: [&str; 9] = [
    "rsp", "esp", "rbp", "ebp", "push", "pop", "call", "ret", "jmp",
];

impl<'m> Decoder<'_, '_, 'm> {
    /// An intrinsic named `llvm.x86.*`.
    pub(super) fn processor_intrinsic(&mut self, v: Value<'m>, name: &str) -> Result<(), Reason> {
        let callee = v.callee().ok_or("call of nothing")?;
        let kind = name.split('.').nth(2).unwrap_or_default();
        if OF_THE_FRAME.contains(&kind) {
            return Err(format!("intrinsic {name}"));
        }
        self.code.is_costly = true;
        let args = v.args();
        let mut literals = Vec::new();
        let mut declaration = format!("declare {} @{name}(", v.ty());
        for (i, arg) in args.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            let _ = write!(declaration, "{comma}{}", arg.ty());
            let is_literal = callee.param_has(i as u32, "immarg");
            literals.push(if is_literal {
                Some(self.immediate(*arg).ok_or("immediate that is none")?)
            } else {
                None
            });
        }
        declaration += ")\n";
        self.operation(
            v,
            Operation {
                callee: format!("@{name}"),
                declaration,
                literals,
            },
        )
    }

    /// Assembly without text is a barrier for the compiler only.
    pub(super) fn inline_asm(&mut self, v: Value<'m>) -> Result<(), Reason> {
        let text = v.callee().map(|c| c.to_string()).unwrap_or_default();
        let empty = text.contains("asm sideeffect \"\"") || text.contains("asm \"\"");
        if empty && v.args().is_empty() && v.ty().kind() == TypeKind::Void {
            return Ok(());
        }
        let refused = || Reason::from("inline assembly that is more than its operands");
        let at = text.find("asm ").ok_or_else(refused)?;
        let callee = &text[at..];
        // What operands in memory are is said at the call; `alignstack` and `unwind` concern the frame.
        let strings = callee.find('"').ok_or_else(refused)?;
        let says = |word: &str| callee[..strings].contains(word);
        let is_plain = !callee.contains('*') && !says("alignstack") && !says("unwind");
        if !is_plain || IN_ASSEMBLY.iter().any(|word| callee.contains(word)) {
            return Err(refused());
        }
        self.operation(
            v,
            Operation {
                callee: callee.to_owned(),
                declaration: String::new(),
                literals: Vec::new(),
            },
        )
    }

    fn operation(&mut self, v: Value<'m>, operation: Operation) -> Result<(), Reason> {
        let ty = v.call_type().ok_or("call without type")?;
        let args = v.args();
        let types: Vec<_> = args.iter().map(|a| a.ty()).collect();
        let signature = Signature::of(v, ty, &types, self.layout)
            .ok_or("argument or result of a type that cannot be held")?;
        let slots = self.arguments(&args, &signature)?;
        let d = match signature.result_shape {
            Shape::Void => 0,
            _ => self.dst(v)?,
        };
        let count = i16::try_from(slots.len()).map_err(|_| "too many arguments")?;
        let text = format!(
            "{} | {} | {:?}",
            signature.full_text(),
            operation.callee,
            operation.literals
        );
        let thunk = self.env.thunks.number(text, || Thunk {
            signature,
            operation: Some(operation),
        });
        let address = self.constant(0)?;
        self.code.sites.push(CallSite {
            callee: address,
            through_pointer: None,
            signature: u32::MAX,
            number: thunk,
            thunk: AtomicUsize::new(0),
        });
        self.emit(Op::CallInd, d, count, 0, self.code.sites.len() as i64 - 1);
        self.pass(&slots);
        Ok(())
    }
}
