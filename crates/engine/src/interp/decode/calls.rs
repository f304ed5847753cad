//! Calls, and variadic arguments.
//!
//! Arguments are laid out once and suit both kinds of callee. For a variadic call: fixed arguments, the address of a
//! `va_list`, variadic arguments. An interpreted callee takes the first two; machine code the first and the last. The
//! list says that all registers are used up, so that everything is found in its overflow area, where arguments lie as
//! the System V ABI has them on the stack.

use super::{Decoder, Reason};
use crate::interp::code::{CallSite, entry_imm};
use crate::interp::op::{ARGS, Ins, Op};
use crate::interp::shape::Shape;
use crate::interp::signature::{Signature, Thunk};
use llvm::ir::{Opcode, Value, ValueKind};
use std::sync::atomic::AtomicUsize;

impl<'m> Decoder<'_, '_, 'm> {
    pub(super) fn call(&mut self, v: Value<'m>, block: usize) -> Result<(), Reason> {
        let callee = v.callee().ok_or("call of nothing")?;
        if callee.kind() == ValueKind::InlineAsm {
            self.inline_asm(v)?;
        } else if callee.is_intrinsic() {
            self.intrinsic(v, &callee.name())?;
        } else {
            self.plain_call(v, callee)?;
        }
        if v.opcode() == Some(Opcode::Invoke) {
            // Nothing unwinds in a guest.
            let to = *v.successors().first().ok_or("invoke without destination")?;
            self.go(block, to)?;
        }
        Ok(())
    }

    fn plain_call(&mut self, v: Value<'m>, callee: Value<'m>) -> Result<(), Reason> {
        if callee.has("returns_twice") || v.has("returns_twice") {
            return Err("call that returns twice".into());
        }
        if v.bundle_count() > 0 {
            return Err("call with operand bundles".into());
        }
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
        let number = self
            .env
            .types
            .number(signature.fixed_text(), || signature.clone());
        if let Some(entry) = self.env.entry(callee)
            && entry.signature == number
            && !signature.variadic
        {
            self.emit(Op::Call, d, count, 0, entry_imm(entry));
        } else {
            let address = self.operand(callee)?;
            // A void function that gives something all the same writes to a slot nobody reads.
            let thunk = self
                .env
                .thunks
                .number(signature.full_text(), || Thunk::of_call(&signature));
            let through_pointer =
                matches!(callee.kind(), ValueKind::Argument | ValueKind::Instruction).then(|| {
                    self.pointer_calls += 1;
                    self.pointer_calls - 1
                });
            self.code.sites.push(CallSite {
                callee: address,
                through_pointer,
                signature: number,
                number: thunk,
                thunk: AtomicUsize::new(0),
            });
            self.emit(Op::CallInd, d, count, 0, self.code.sites.len() as i64 - 1);
        }
        self.pass(&slots);
        Ok(())
    }

    /// The arguments' slots, behind the call.
    pub(super) fn pass(&mut self, slots: &[i16]) {
        for some in slots.chunks(ARGS) {
            self.code.ins.push(Ins::args(some));
        }
        self.bound_at = self.code.ins.len();
    }

    /// Slots of all arguments in the order they are passed.
    pub(super) fn arguments(
        &mut self,
        args: &[Value<'m>],
        s: &Signature,
    ) -> Result<Vec<i16>, Reason> {
        let mut slots = Vec::new();
        let mut variadic = Vec::new();
        for (i, (arg, param)) in args.iter().zip(&s.params).enumerate() {
            let mut slot = self.operand(*arg)?;
            if let Some((bytes, align)) = param.by_value {
                if align > 16 {
                    return Err(format!("argument by value aligned to {align} bytes"));
                }
                // The callee gets a copy of its own.
                let at = self.slots.fresh_variable(bytes, align);
                let copy = self.slots.fresh(1)?;
                self.frame_address(copy, at);
                self.emit(Op::MemCpyI, copy, slot, 0, bytes as i64);
                slot = copy;
            }
            let words = (0..param.shape.slots() as i16).map(|k| slot + k);
            if i < s.fixed {
                slots.extend(words);
            } else {
                variadic.push((slot, param.clone()));
            }
        }
        if !s.variadic {
            return Ok(slots);
        }
        let list = self.variadic_list(&variadic)?;
        slots.push(list);
        for (slot, param) in &variadic {
            slots.extend((0..param.shape.slots() as i16).map(|k| slot + k));
        }
        Ok(slots)
    }

    /// Builds a `va_list` over the arguments in the frame; gives the slot of its address.
    fn variadic_list(
        &mut self,
        args: &[(i16, crate::interp::signature::Param)],
    ) -> Result<i16, Reason> {
        // Offsets of arguments in the overflow area.
        let mut at = 0_u64;
        let mut places = Vec::new();
        for (_, p) in args {
            let (bytes, align) = p.by_value.unwrap_or((p.shape.slots() as u64 * 8, p.align));
            if align > 16 {
                return Err("variadic argument aligned to more than 16 bytes".into());
            }
            at = at.next_multiple_of(align.max(8));
            places.push(at);
            at += bytes;
        }
        let area = self.slots.fresh_variable(32 + at, 16);
        let (list, t) = (self.slots.fresh(1)?, self.temporary(0)?);
        for ((slot, p), place) in args.iter().zip(places) {
            let to = area + 32 + place;
            if let Some((bytes, _)) = p.by_value {
                self.frame_address(t, to);
                self.emit(Op::MemCpyI, t, *slot, 0, bytes as i64);
            } else {
                for k in 0..p.shape.slots() {
                    self.store_in_frame(to + k as u64 * 8, slot + k as i16);
                }
            }
        }
        let used_up = self.constant(48 | 176 << 32)?;
        self.store_in_frame(area, used_up);
        self.frame_address(t, area + 32);
        self.store_in_frame(area + 8, t);
        let zero = self.constant(0)?;
        self.store_in_frame(area + 16, zero);
        self.frame_address(list, area);
        Ok(list)
    }

    /// The instruction `va_arg`: numbers of at most 64 bits.
    pub(super) fn va_arg(&mut self, v: Value<'m>) -> Result<(), Reason> {
        let list = self.operand(v.operand(0).ok_or("va_arg without list")?)?;
        let d = self.dst(v)?;
        let (float, width) = match self.shape(v)? {
            Shape::Int(w) => (false, w),
            Shape::F64 => (true, 64),
            _ => return Err("va_arg of such a type".into()),
        };
        self.emit(Op::VaArg, d, list, 0, float.into());
        if width < 64 {
            self.emit(Op::AndI, d, d, 0, crate::interp::shape::mask(width) as i64);
        }
        Ok(())
    }

    pub(super) fn va_start(&mut self, v: Value<'m>) -> Result<(), Reason> {
        let list = v.args().first().copied().ok_or("va_start without list")?;
        let to = self.operand(list)?;
        let from = self
            .hidden
            .ok_or("va_start in a function that is not variadic")?;
        self.emit(Op::VaCopy, to, from, 0, 0);
        Ok(())
    }
}
