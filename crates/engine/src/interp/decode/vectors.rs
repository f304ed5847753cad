//! Vectors.

use super::{Decoder, Reason};
use crate::interp::code::{LaneFn, LaneOp, VectorOp};
use crate::interp::constants::step;
use crate::interp::lanes::{self, F1, F2, F3};
use crate::interp::op::Op;
use crate::interp::shape::{Lane, Shape, mask};
use llvm::ir::{Constant, Opcode, TypeKind, Value};

impl<'m> Decoder<'_, '_, 'm> {
    pub(super) fn vector(&mut self, op: VectorOp, a: i16, b: i16, c: i16) {
        self.code.vectors.push(op);
        self.emit(Op::Vector, a, b, c, self.code.vectors.len() as i64 - 1);
    }

    fn lanes(&mut self, f: LaneFn, slots: (i16, i16, i16, i16), from: Lane, to: Lane, len: u32) {
        let (d, a, b, third) = slots;
        self.code.lanes.push(LaneOp {
            f,
            third,
            in_bytes: from.bytes() as u8,
            out_bytes: to.bytes() as u8,
            len: len as u16,
            out_mask: mask(to.bits()),
        });
        self.emit(Op::Lanes, d, a, b, self.code.lanes.len() as i64 - 1);
    }

    pub(super) fn map1(&mut self, d: i16, a: i16, f: F1, from: Lane, to: Lane, len: u32) {
        self.lanes(LaneFn::One(f), (d, a, a, a), from, to, len);
    }

    #[allow(clippy::too_many_arguments)] // two operands, their type and the result's
    pub(super) fn map2(&mut self, d: i16, a: i16, b: i16, f: F2, from: Lane, to: Lane, len: u32) {
        self.lanes(LaneFn::Two(f), (d, a, b, a), from, to, len);
    }

    pub(super) fn map3(&mut self, d: i16, x: (i16, i16, i16), f: F3, lane: Lane, len: u32) {
        self.lanes(LaneFn::Three(f), (d, x.0, x.1, x.2), lane, lane, len);
    }

    pub(super) fn vector_computation(
        &mut self,
        v: Value<'m>,
        op: Opcode,
        x: Value<'m>,
        from: Shape,
        to: Shape,
    ) -> Result<(), Reason> {
        let d = self.dst(v)?;
        let unknown = || format!("operation on {}", x.ty());
        if op == Opcode::Freeze {
            let a = self.operand(x)?;
            self.copy(d, a, to);
            return Ok(());
        }
        if op == Opcode::BitCast {
            return self.vector_cast(d, x, from, to);
        }
        let (Shape::Vector { element, len }, Shape::Vector { element: out, .. }) = (from, to)
        else {
            return Err(unknown());
        };
        let a = self.operand(x)?;
        let two = match op {
            Opcode::ICmp => v
                .int_predicate()
                .and_then(|p| lanes::int_compare(p, element.bits())),
            Opcode::FCmp => v
                .float_predicate()
                .and_then(|p| lanes::float_compare(p, element)),
            _ => match element {
                Lane::Int(w) => lanes::int_op(op, w),
                _ => lanes::float_op(op, element),
            },
        };
        if let Some(f) = two {
            let b = self.operand(v.operand(1).ok_or_else(unknown)?)?;
            self.map2(d, a, b, f, element, out, len);
            return Ok(());
        }
        let f = match op {
            Opcode::FNeg => lanes::fneg(element),
            _ => lanes::convert(op, element, out),
        };
        self.map1(d, a, f.ok_or_else(unknown)?, element, out, len);
        Ok(())
    }

    /// Masks are packed into bits and unpacked; everything else lies in slots as in memory.
    fn vector_cast(&mut self, d: i16, x: Value<'m>, from: Shape, to: Shape) -> Result<(), Reason> {
        let masks = |s| match s {
            Shape::Vector {
                element: Lane::Int(1),
                len,
            } => Some(len),
            _ => None,
        };
        match (masks(from), masks(to)) {
            (Some(len), None) if len <= 128 => {
                let a = self.operand(x)?;
                self.vector(VectorOp::Pack { len }, d, a, 0);
                Ok(())
            }
            (None, Some(len)) if len <= 128 => {
                let a = self.operand(x)?;
                self.vector(VectorOp::Unpack { len }, d, a, 0);
                Ok(())
            }
            (Some(_), None) | (None, Some(_)) => Err("cast of more than 128 mask bits".into()),
            _ => self.bit_cast(d, x, from, to),
        }
    }

    pub(super) fn vector_select(
        &mut self,
        v: Value<'m>,
        condition: Value<'m>,
        yes: Value<'m>,
        no: Value<'m>,
        shape: Shape,
    ) -> Result<(), Reason> {
        let Shape::Vector { element, len } = shape else {
            return Err("select of lanes of no vector".into());
        };
        let (d, c) = (self.dst(v)?, self.operand(condition)?);
        let (a, other) = (self.operand(yes)?, self.operand(no)?);
        self.vector(
            VectorOp::Select {
                bytes: element.bytes() as u8,
                len,
                other,
            },
            d,
            c,
            a,
        );
        Ok(())
    }

    pub(super) fn elements(&mut self, v: Value<'m>, op: Opcode) -> Result<(), Reason> {
        let x = v.operand(0).ok_or("vector missing")?;
        let shape = self.shape(x)?;
        let Shape::Vector { element, len } = shape else {
            return Err("no vector".into());
        };
        let bytes = element.bytes() as u8;
        let d = self.dst(v)?;
        let a = self.operand(x)?;
        let operand = |i| v.operand(i).ok_or("operand missing");
        match op {
            Opcode::ExtractElement => {
                let index = self.operand(operand(1)?)?;
                self.vector(VectorOp::Extract { bytes, len }, d, a, index);
            }
            Opcode::InsertElement => {
                let value = self.operand(operand(1)?)?;
                let index = self.operand(operand(2)?)?;
                let slots = shape.slots() as u16;
                self.vector(
                    VectorOp::Insert {
                        bytes,
                        len,
                        value,
                        slots,
                    },
                    d,
                    a,
                    index,
                );
            }
            _ => {
                let b = self.operand(operand(1)?)?;
                let mask = v.shuffle_mask();
                let mask = mask
                    .into_iter()
                    .map(|m| m.map_or(-1, |m| m as i32))
                    .collect();
                self.vector(VectorOp::Shuffle { bytes, len, mask }, d, a, b);
            }
        }
        Ok(())
    }

    pub(super) fn reduce(&mut self, v: Value<'m>, d: i16, name: &str) -> Result<(), Reason> {
        let args = v.args();
        let unknown = || format!("intrinsic {name}");
        let x = *args.last().ok_or_else(unknown)?;
        let Shape::Vector { element, len } = self.shape(x)? else {
            return Err(unknown());
        };
        let kind = name.trim_start_matches("vector.reduce.");
        let w = element.bits();
        let f = match kind {
            "add" => lanes::int_op(Opcode::Add, w),
            "mul" => lanes::int_op(Opcode::Mul, w),
            "and" => lanes::int_op(Opcode::And, w),
            "or" => lanes::int_op(Opcode::Or, w),
            "xor" => lanes::int_op(Opcode::Xor, w),
            "smax" | "smin" | "umax" | "umin" => lanes::intrinsic2(kind, element),
            "fadd" => lanes::float_op(Opcode::FAdd, element),
            "fmul" => lanes::float_op(Opcode::FMul, element),
            "fmax" => lanes::intrinsic2("maxnum", element),
            "fmin" => lanes::intrinsic2("minnum", element),
            "fmaximum" => lanes::intrinsic2("maximum", element),
            "fminimum" => lanes::intrinsic2("minimum", element),
            _ => None,
        };
        let f = f.ok_or_else(unknown)?;
        let start = match args.as_slice() {
            [start, _] => Some(self.operand(*start)?),
            _ => None,
        };
        let a = self.operand(x)?;
        let bytes = element.bytes() as u8;
        self.vector(
            VectorOp::Reduce {
                f,
                bytes,
                len,
                start,
            },
            d,
            a,
            0,
        );
        Ok(())
    }

    /// Loads and stores of some lanes. LLVM 22: `(pointer, mask, passthru)` and `(value, pointer, mask)`, with the
    /// alignment as an attribute; older bitcode has the alignment as an operand and is upgraded by the reader.
    pub(super) fn masked(&mut self, v: Value<'m>, name: &str) -> Result<(), Reason> {
        let args = v.args();
        let arg = |i: usize| {
            args.get(i)
                .copied()
                .ok_or("masked access lacks an argument")
        };
        let is_mask = |v: Value<'m>| {
            v.ty()
                .element()
                .is_some_and(|e| e.kind() == TypeKind::Int(1))
        };
        let store = matches!(name, "masked.store" | "masked.scatter");
        let (value, pointer) = if store {
            (arg(0)?, arg(1)?)
        } else {
            (v, arg(0)?)
        };
        let Shape::Vector { element, len } = self.shape(value)? else {
            return Err(format!("intrinsic {name}"));
        };
        let rest = if store { &args[2..] } else { &args[1..] };
        let at = rest
            .iter()
            .position(|a| is_mask(*a))
            .ok_or("masked access without mask")?;
        let lanes_mask = self.operand(rest[at])?;
        let p = self.operand(pointer)?;
        let bytes = element.bytes() as u8;
        if store {
            let a = self.operand(value)?;
            let op = if name == "masked.store" {
                VectorOp::MaskedStore { bytes, len }
            } else {
                VectorOp::Scatter { bytes, len }
            };
            self.vector(op, a, p, lanes_mask);
            return Ok(());
        }
        let other = self.operand(*rest.get(at + 1).ok_or("masked load without default")?)?;
        let op = match name {
            "masked.load" => VectorOp::MaskedLoad { bytes, len, other },
            "masked.gather" => VectorOp::Gather { bytes, len, other },
            _ => return Err(format!("intrinsic {name}")),
        };
        let d = self.dst(v)?;
        self.vector(op, d, p, lanes_mask);
        Ok(())
    }

    /// Addresses lane by lane, one index after the other. The result's slots are not an operand's.
    pub(super) fn vector_gep(&mut self, v: Value<'m>, d: i16) -> Result<(), Reason> {
        let Shape::Vector { len, .. } = self.shape(v)? else {
            return Err("no vector".into());
        };
        let base = v.operand(0).ok_or("address without base")?;
        let mut vector_base = base.ty().kind() == TypeKind::Vector;
        let mut at = self.operand(base)?;
        let mut ty = v.gep_type().ok_or("address without type")?;
        for i in 1..v.operand_count() {
            let index = v.operand(i).ok_or("address without index")?;
            let no_step = || "index that leads nowhere".to_owned();
            let number = match index.constant() {
                Some(Constant::Int(_) | Constant::Zero)
                    if index.ty().kind() != TypeKind::Vector =>
                {
                    Some(self.env.addresses.signed(index)?)
                }
                _ => None,
            };
            let op = if let Some(n) = number {
                let (offset, next) = step(self.layout, ty, i == 1, n).ok_or_else(no_step)?;
                ty = next;
                (
                    VectorOp::Address {
                        len,
                        scale: 0,
                        offset,
                        vector_base,
                        index: None,
                        splat: true,
                    },
                    at,
                )
            } else {
                let (scale, next) = match ty.kind() {
                    TypeKind::Struct if i > 1 => return Err("field by vector".into()),
                    _ => step(self.layout, ty, i == 1, 1).ok_or_else(no_step)?,
                };
                ty = next;
                let (lane, splat) = match self.shape(index)? {
                    Shape::Vector { element, .. } => (element, false),
                    s => (Self::lane(s).ok_or("index of such a type")?, true),
                };
                let slot = self.operand(index)?;
                let index = Some(lane);
                (
                    VectorOp::Address {
                        len,
                        scale,
                        offset: 0,
                        vector_base,
                        index,
                        splat,
                    },
                    slot,
                )
            };
            self.vector(op.0, d, at, op.1);
            (at, vector_base) = (d, true);
        }
        Ok(())
    }
}
