//! Arithmetic, comparisons and conversions of numbers.

use super::{Decoder, Reason};
use crate::interp::code::{LaneFn, LaneOp, WideKind, WideOp};
use crate::interp::lanes::{self, FLOAT_PREDICATES};
use crate::interp::op::Op;
use crate::interp::shape::{Lane, Shape, mask};
use llvm::ir::{FloatPredicate, IntPredicate, Opcode, Value};

/// Forms of an integer operation: 32 bits, 64 bits, both with an immediate; whether the 64-bit form is right for any
/// width, and whether it needs operands with their sign.
type Forms = (Op, Op, Op, Op, bool, bool);

fn forms(op: Opcode) -> Option<Forms> {
    Some(match op {
        Opcode::Add => (Op::Add32, Op::Add64, Op::Add32I, Op::Add64I, false, false),
        Opcode::Sub => (Op::Sub32, Op::Sub64, Op::Add32I, Op::Add64I, false, false),
        Opcode::Mul => (Op::Mul32, Op::Mul64, Op::Mul32I, Op::Mul64I, false, false),
        Opcode::Shl => (Op::Shl32, Op::Shl64, Op::Shl32I, Op::Shl64I, false, false),
        Opcode::And => (Op::And, Op::And, Op::AndI, Op::AndI, true, false),
        Opcode::Or => (Op::Or, Op::Or, Op::OrI, Op::OrI, true, false),
        Opcode::Xor => (Op::Xor, Op::Xor, Op::XorI, Op::XorI, true, false),
        Opcode::LShr => (Op::LShr, Op::LShr, Op::LShrI, Op::LShrI, true, false),
        Opcode::UDiv => (Op::UDiv, Op::UDiv, Op::UDivI, Op::UDivI, true, false),
        Opcode::URem => (Op::URem, Op::URem, Op::URemI, Op::URemI, true, false),
        Opcode::AShr => (
            Op::AShr32,
            Op::AShr64,
            Op::AShr32I,
            Op::AShr64I,
            false,
            true,
        ),
        Opcode::SDiv => (
            Op::SDiv32,
            Op::SDiv64,
            Op::SDiv32I,
            Op::SDiv64I,
            false,
            true,
        ),
        Opcode::SRem => (
            Op::SRem32,
            Op::SRem64,
            Op::SRem32I,
            Op::SRem64I,
            false,
            true,
        ),
        _ => return None,
    })
}

impl<'m> Decoder<'_, '_, 'm> {
    /// A slot for a step in between; there are two.
    pub(super) fn temporary(&mut self, n: usize) -> Result<i16, Reason> {
        if let Some(t) = self.temporaries[n] {
            return Ok(t);
        }
        let t = self.slots.fresh(1)?;
        self.temporaries[n] = Some(t);
        Ok(t)
    }

    /// Operand `v` of `width` bits extended with its sign to 64, in temporary `n` (or a constant).
    pub(super) fn sign_extended(
        &mut self,
        v: Value<'m>,
        width: u32,
        n: usize,
    ) -> Result<i16, Reason> {
        if let Some(number) = self.signed_immediate(v, width) {
            return self.constant(number as u64);
        }
        let from = self.operand(v)?;
        if width == 64 {
            return Ok(from);
        }
        let t = self.temporary(n)?;
        self.emit(Op::Sext, t, from, 0, 64 - i64::from(width));
        Ok(t)
    }

    pub(super) fn computation(&mut self, v: Value<'m>, op: Opcode) -> Result<(), Reason> {
        let x = v.operand(0).ok_or("operation without operand")?;
        let (from, to) = (self.shape(x)?, self.shape(v)?);
        let is_vector = |s| matches!(s, Shape::Vector { .. });
        if op != Opcode::Select && (is_vector(from) || is_vector(to)) {
            return self.vector_computation(v, op, x, from, to);
        }
        match op {
            Opcode::Select => self.select(v, x, to),
            Opcode::Freeze => {
                let (d, s) = (self.dst(v)?, self.operand(x)?);
                self.copy(d, s, to);
                Ok(())
            }
            Opcode::ICmp => self.int_compare(v, x, from),
            Opcode::FCmp => {
                let p = v.float_predicate().ok_or("comparison without predicate")?;
                let y = v.operand(1).ok_or("comparison without operand")?;
                if !matches!(from, Shape::F32 | Shape::F64) {
                    return Err("comparison of such floats".into());
                }
                let (d, a, b) = (self.dst(v)?, self.operand(x)?, self.operand(y)?);
                self.float_compare(d, p, from, a, b);
                Ok(())
            }
            Opcode::FNeg => {
                let op = match from {
                    Shape::F32 => Op::FNeg32,
                    Shape::F64 => Op::FNeg64,
                    _ => return Err("negation of such a float".into()),
                };
                let (d, a) = (self.dst(v)?, self.operand(x)?);
                self.emit(op, d, a, 0, 0);
                Ok(())
            }
            Opcode::FAdd | Opcode::FSub | Opcode::FMul | Opcode::FDiv | Opcode::FRem => {
                self.float_operation(v, op, x, from)
            }
            _ if forms(op).is_some() => {
                let y = v.operand(1).ok_or("operation without operand")?;
                let d = self.dst(v)?;
                match to {
                    Shape::Int(w) => self.int_operation(d, op, w, x, y),
                    Shape::Wide(w) => self.wide(d, WideKind::Binary(op), w, (2, 2), x, Some(y)),
                    _ => Err("integer operation on no integer".into()),
                }
            }
            _ => self.conversion(v, op, x, from, to),
        }
    }

    fn int_operation(
        &mut self,
        d: i16,
        op: Opcode,
        width: u32,
        x: Value<'m>,
        y: Value<'m>,
    ) -> Result<(), Reason> {
        let (op32, op64, imm32, imm64, any, signed) = forms(op).ok_or("no such operation")?;
        let direct = any || width == 64;
        let (plain, with_imm) = if width == 32 && !any {
            (op32, imm32)
        } else {
            (op64, imm64)
        };
        let exact = direct || width == 32;
        // A constant on the left only where it can change places, or of a difference.
        let commutes = matches!(
            op,
            Opcode::Add | Opcode::Mul | Opcode::And | Opcode::Or | Opcode::Xor
        );
        let (x, y) = if commutes && self.immediate(x).is_some() {
            (y, x)
        } else {
            (x, y)
        };
        let extend = signed && !exact;
        let number = if extend && op != Opcode::AShr {
            self.signed_immediate(y, width)
        } else {
            self.immediate(y).map(|n| n as i64)
        };
        // Division by a constant zero is left to the form that checks.
        let a;
        if let (Opcode::Sub, Some(n)) = (op, self.immediate(x)) {
            let b = self.operand(y)?;
            let op = if width == 32 { Op::SubI32 } else { Op::SubI64 };
            self.emit(op, d, b, 0, n as i64);
        } else if let Some(n) = number {
            a = if extend {
                self.sign_extended(x, width, 0)?
            } else {
                self.operand(x)?
            };
            let n = if op == Opcode::Sub {
                n.wrapping_neg()
            } else {
                n
            };
            self.emit(with_imm, d, a, 0, n);
        } else {
            a = if extend {
                self.sign_extended(x, width, 0)?
            } else {
                self.operand(x)?
            };
            let b = if extend && op != Opcode::AShr {
                self.sign_extended(y, width, 1)?
            } else {
                self.operand(y)?
            };
            self.emit(plain, d, a, b, 0);
        }
        if !exact {
            self.emit(Op::AndI, d, d, 0, mask(width) as i64);
        }
        Ok(())
    }

    fn int_compare(&mut self, v: Value<'m>, x: Value<'m>, from: Shape) -> Result<(), Reason> {
        use IntPredicate as P;
        let p = v.int_predicate().ok_or("comparison without predicate")?;
        let y = v.operand(1).ok_or("comparison without operand")?;
        let d = self.dst(v)?;
        let width = match from {
            Shape::Int(w) => w,
            Shape::Wide(w) => return self.wide(d, WideKind::Compare(p), w, (2, 1), x, Some(y)),
            _ => return Err("comparison of no integers".into()),
        };
        let signed = matches!(p, P::Slt | P::Sle | P::Sgt | P::Sge);
        let number = if signed {
            self.signed_immediate(y, width)
        } else {
            self.immediate(y).map(|n| n as i64)
        };
        let extend = signed && width != 32 && width != 64;
        let a = if extend {
            self.sign_extended(x, width, 0)?
        } else {
            self.operand(x)?
        };
        let narrow = width == 32;
        if let Some(n) = number {
            let op = match p {
                P::Eq => Op::EqI,
                P::Ne => Op::NeI,
                P::Ult => Op::UltI,
                P::Ule => Op::UleI,
                P::Ugt => Op::UgtI,
                P::Uge => Op::UgeI,
                P::Slt => {
                    if narrow {
                        Op::Slt32I
                    } else {
                        Op::Slt64I
                    }
                }
                P::Sle => {
                    if narrow {
                        Op::Sle32I
                    } else {
                        Op::Sle64I
                    }
                }
                P::Sgt => {
                    if narrow {
                        Op::Sgt32I
                    } else {
                        Op::Sgt64I
                    }
                }
                P::Sge => {
                    if narrow {
                        Op::Sge32I
                    } else {
                        Op::Sge64I
                    }
                }
            };
            self.emit(op, d, a, 0, n);
            return Ok(());
        }
        let b = if extend {
            self.sign_extended(y, width, 1)?
        } else {
            self.operand(y)?
        };
        let (lt, le) = if narrow {
            (Op::Slt32, Op::Sle32)
        } else {
            (Op::Slt64, Op::Sle64)
        };
        let (op, a, b) = match p {
            P::Eq => (Op::Eq, a, b),
            P::Ne => (Op::Ne, a, b),
            P::Ult => (Op::Ult, a, b),
            P::Ule => (Op::Ule, a, b),
            P::Ugt => (Op::Ult, b, a),
            P::Uge => (Op::Ule, b, a),
            P::Slt => (lt, a, b),
            P::Sle => (le, a, b),
            P::Sgt => (lt, b, a),
            P::Sge => (le, b, a),
        };
        self.emit(op, d, a, b, 0);
        Ok(())
    }

    pub(super) fn float_compare(
        &mut self,
        d: i16,
        p: FloatPredicate,
        shape: Shape,
        a: i16,
        b: i16,
    ) {
        use FloatPredicate as P;
        let double = shape == Shape::F64;
        let pick = |narrow, wide| if double { wide } else { narrow };
        let (op, a, b) = match p {
            P::Oeq => (pick(Op::FOeq32, Op::FOeq64), a, b),
            P::Olt => (pick(Op::FOlt32, Op::FOlt64), a, b),
            P::Ogt => (pick(Op::FOlt32, Op::FOlt64), b, a),
            P::Ole => (pick(Op::FOle32, Op::FOle64), a, b),
            P::Oge => (pick(Op::FOle32, Op::FOle64), b, a),
            _ => (pick(Op::FCmp32, Op::FCmp64), a, b),
        };
        let number = FLOAT_PREDICATES.iter().position(|q| *q == p).unwrap_or(0);
        self.emit(op, d, a, b, number as i64);
    }

    fn float_operation(
        &mut self,
        v: Value<'m>,
        op: Opcode,
        x: Value<'m>,
        shape: Shape,
    ) -> Result<(), Reason> {
        let y = v.operand(1).ok_or("operation without operand")?;
        let (d, a, b) = (self.dst(v)?, self.operand(x)?, self.operand(y)?);
        let fast = match (op, shape) {
            (Opcode::FAdd, Shape::F32) => Op::FAdd32,
            (Opcode::FSub, Shape::F32) => Op::FSub32,
            (Opcode::FMul, Shape::F32) => Op::FMul32,
            (Opcode::FDiv, Shape::F32) => Op::FDiv32,
            (Opcode::FAdd, Shape::F64) => Op::FAdd64,
            (Opcode::FSub, Shape::F64) => Op::FSub64,
            (Opcode::FMul, Shape::F64) => Op::FMul64,
            (Opcode::FDiv, Shape::F64) => Op::FDiv64,
            _ => {
                let lane = Self::lane(shape).ok_or("arithmetic on such floats")?;
                let f = lanes::float_op(op, lane).ok_or("arithmetic on such floats")?;
                self.pure2(d, a, b, f);
                return Ok(());
            }
        };
        self.emit(fast, d, a, b, 0);
        Ok(())
    }

    /// r[d] = f(r[a])
    pub(super) fn pure1(&mut self, d: i16, a: i16, f: lanes::F1) {
        self.emit(Op::Pure1, d, a, 0, f as usize as i64);
    }

    /// r[d] = f(r[a], r[b])
    pub(super) fn pure2(&mut self, d: i16, a: i16, b: i16, f: lanes::F2) {
        self.emit(Op::Pure2, d, a, b, f as usize as i64);
    }

    /// r[d] = f(r[a], r[b], r[c]), cut to `bits`
    pub(super) fn pure3(&mut self, d: i16, a: i16, b: i16, c: i16, f: lanes::F3) {
        let op = LaneOp {
            f: LaneFn::Three(f),
            third: c,
            in_bytes: 8,
            out_bytes: 8,
            len: 0,
            out_mask: u64::MAX,
        };
        self.code.lanes.push(op);
        self.emit(Op::Lanes, d, a, b, self.code.lanes.len() as i64 - 1);
    }

    /// An operation on integers of more than 64 bits; `slots` are those of operands and result.
    pub(super) fn wide(
        &mut self,
        d: i16,
        kind: WideKind,
        width: u32,
        slots: (u8, u8),
        x: Value<'m>,
        y: Option<Value<'m>>,
    ) -> Result<(), Reason> {
        let a = self.operand(x)?;
        let b = match y {
            Some(y) => self.operand(y)?,
            None => a,
        };
        self.code.wides.push(WideOp {
            kind,
            width,
            in_slots: slots.0,
            out_slots: slots.1,
        });
        self.emit(Op::Wide, d, a, b, self.code.wides.len() as i64 - 1);
        Ok(())
    }

    fn select(&mut self, v: Value<'m>, condition: Value<'m>, shape: Shape) -> Result<(), Reason> {
        let (Some(yes), Some(no)) = (v.operand(1), v.operand(2)) else {
            return Err("select without operands".into());
        };
        if let Shape::Vector { .. } = self.shape(condition)? {
            return self.vector_select(v, condition, yes, no, shape);
        }
        let (d, c) = (self.dst(v)?, self.operand(condition)?);
        let (a, b) = (self.operand(yes)?, self.operand(no)?);
        match shape.slots() {
            1 => self.emit(Op::Sel, d, c, a, b.into()),
            n => self.emit(
                Op::SelN,
                d,
                c,
                a,
                i64::from(i32::from(b) as u32) | (n as i64) << 32,
            ),
        };
        Ok(())
    }

    fn conversion(
        &mut self,
        v: Value<'m>,
        op: Opcode,
        x: Value<'m>,
        from: Shape,
        to: Shape,
    ) -> Result<(), Reason> {
        use Opcode as O;
        use Shape as S;
        let d = self.dst(v)?;
        let float = |s: Shape| match s {
            S::F32 => Some(Lane::F32),
            S::F64 => Some(Lane::F64),
            _ => None,
        };
        let signed = matches!(op, O::SExt | O::SiToFp | O::FpToSi);
        match (op, from, to) {
            // To and from more than 64 bits.
            (O::ZExt | O::SExt | O::IntToPtr | O::PtrToInt, S::Int(w), S::Wide(to)) => {
                self.wide(d, WideKind::Extend { from: w, signed }, to, (1, 2), x, None)
            }
            (O::ZExt | O::SExt, S::Wide(w), S::Wide(to)) => {
                self.wide(d, WideKind::Extend { from: w, signed }, to, (2, 2), x, None)
            }
            (O::Trunc | O::IntToPtr, S::Wide(w), S::Int(to)) => {
                self.wide(d, WideKind::Truncate { to }, w, (2, 1), x, None)
            }
            (O::Trunc, S::Wide(w), S::Wide(to)) => {
                self.wide(d, WideKind::Truncate { to }, w, (2, 2), x, None)
            }
            (O::SiToFp | O::UiToFp, S::Wide(w), _) => {
                let lane = float(to).ok_or("conversion to such a float")?;
                self.wide(d, WideKind::ToFloat { lane, signed }, w, (2, 1), x, None)
            }
            (O::FpToSi | O::FpToUi, _, S::Wide(w)) => {
                let lane = float(from).ok_or("conversion of such a float")?;
                self.wide(d, WideKind::FromFloat { lane, signed }, w, (1, 2), x, None)
            }
            // Integers.
            (O::Trunc | O::PtrToInt | O::PtrToAddr | O::IntToPtr, S::Int(w), S::Int(to))
                if to < w =>
            {
                let a = self.operand(x)?;
                self.emit(Op::AndI, d, a, 0, mask(to) as i64);
                Ok(())
            }
            (O::ZExt | O::PtrToInt | O::PtrToAddr | O::IntToPtr, S::Int(_), S::Int(_)) => {
                let a = self.operand(x)?;
                self.copy(d, a, to);
                Ok(())
            }
            (O::SExt, S::Int(32), S::Int(64)) => {
                let a = self.operand(x)?;
                self.emit(Op::Sext32, d, a, 0, 0);
                Ok(())
            }
            (O::SExt, S::Int(w), S::Int(to)) => {
                let a = self.operand(x)?;
                self.emit(Op::Sext, d, a, 0, 64 - i64::from(w));
                if to < 64 {
                    self.emit(Op::AndI, d, d, 0, mask(to) as i64);
                }
                Ok(())
            }
            // Floats.
            (O::FpExt, S::F32, S::F64) => self.convert_by(d, x, Op::FExt),
            (O::FpTrunc, S::F64, S::F32) => self.convert_by(d, x, Op::FTrunc),
            (O::SiToFp, S::Int(32), S::F32) => self.convert_by(d, x, Op::S32ToF32),
            (O::SiToFp, S::Int(32), S::F64) => self.convert_by(d, x, Op::S32ToF64),
            (O::SiToFp, S::Int(w), S::F32 | S::F64) => {
                let a = self.sign_extended(x, w, 0)?;
                let op = if to == S::F32 { Op::SToF32 } else { Op::SToF64 };
                self.emit(op, d, a, 0, 0);
                Ok(())
            }
            (O::UiToFp, S::Int(w), S::F32 | S::F64) if w < 64 => {
                let op = if to == S::F32 { Op::SToF32 } else { Op::SToF64 };
                self.convert_by(d, x, op)
            }
            (O::UiToFp, S::Int(_), S::F32 | S::F64) => {
                let lane = float(to).ok_or("conversion to such a float")?;
                let f = lanes::convert(op, Lane::Int(64), lane).ok_or("no such conversion")?;
                let a = self.operand(x)?;
                self.pure1(d, a, f);
                Ok(())
            }
            (O::FpToSi, S::F64, S::Int(32)) => self.convert_by(d, x, Op::F64ToS32),
            (O::FpToSi, S::F64, S::Int(64)) => self.convert_by(d, x, Op::F64ToS64),
            (O::FpToSi, S::F32, S::Int(32)) => self.convert_by(d, x, Op::F32ToS32),
            (O::FpToSi, S::F32, S::Int(64)) => self.convert_by(d, x, Op::F32ToS64),
            (O::FpToSi | O::FpToUi, S::F32 | S::F64, S::Int(w)) => {
                let lane = float(from).ok_or("conversion of such a float")?;
                // Through 64 bits where the width is odd.
                let target = if matches!(w, 1 | 8 | 16 | 32 | 64) {
                    w
                } else {
                    64
                };
                let f = lanes::convert(op, lane, Lane::Int(target)).ok_or("no such conversion")?;
                let a = self.operand(x)?;
                self.pure1(d, a, f);
                if target != w {
                    self.emit(Op::AndI, d, d, 0, mask(w) as i64);
                }
                Ok(())
            }
            (O::BitCast, _, _) => self.bit_cast(d, x, from, to),
            _ => Err(format!("conversion from {} to {}", x.ty(), v.ty())),
        }
    }

    fn convert_by(&mut self, d: i16, x: Value<'m>, op: Op) -> Result<(), Reason> {
        let a = self.operand(x)?;
        self.emit(op, d, a, 0, 0);
        Ok(())
    }

    /// Same bits: slots are copied, and what lies above them becomes zero.
    pub(super) fn bit_cast(
        &mut self,
        d: i16,
        x: Value<'m>,
        from: Shape,
        to: Shape,
    ) -> Result<(), Reason> {
        let a = self.operand(x)?;
        let bits = match from {
            Shape::Vector { element, len } => element.bits() * len,
            s => s.bits(),
        };
        if let Shape::Aggregate(_) = to {
            return Err("bit cast of an aggregate".into());
        }
        self.copy(d, a, if to.slots() >= from.slots() { from } else { to });
        if to.is_scalar() && bits < 64 {
            self.emit(Op::AndI, d, d, 0, mask(bits) as i64);
        }
        Ok(())
    }
}
