//! Addresses, loads, stores, stack variables, atomics, fields.

use super::analysis::Address;
use super::{Decoder, Reason};
use crate::interp::code::{AtomicIns, AtomicKind, VectorOp};
use crate::interp::constants::step;
use crate::interp::op::Op;
use crate::interp::shape::{Lane, Shape, mask};
use llvm::ir::{AtomicOp, Opcode, TypeKind, Value};

/// Where a load or store goes.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Byte of the frame's stack variables.
    Frame(i64),
    /// r[base] + offset
    Base(i16, i64),
    /// r[base] + r[index] * scale + offset
    Indexed {
        base: i16,
        index: i16,
        scale: i32,
        offset: i32,
    },
}

impl<'m> Decoder<'_, '_, 'm> {
    fn place(&mut self, pointer: Value<'m>) -> Result<Place, Reason> {
        if let Some(at) = self.ir.variables.get(&pointer) {
            return Ok(Place::Frame(*at as i64));
        }
        let Some(Address {
            base,
            index,
            offset,
        }) = self.ir.addresses.get(&pointer).copied()
        else {
            return Ok(Place::Base(self.operand(pointer)?, 0));
        };
        match (index, self.ir.variables.get(&base)) {
            (None, Some(at)) => Ok(Place::Frame(*at as i64 + offset)),
            (None, None) => Ok(Place::Base(self.operand(base)?, offset)),
            (Some((index, scale)), _) => Ok(Place::Indexed {
                base: self.operand(base)?,
                index: self.operand(index)?,
                scale,
                offset: i32::try_from(offset).map_err(|_| "offset of more than 31 bits")?,
            }),
        }
    }

    /// Emits a load or store of 1, 2, 4 or 8 bytes; `value` is its destination or source.
    fn access(&mut self, place: Place, bytes: u32, store: bool, value: i16) -> Result<(), Reason> {
        let size = match bytes {
            1 => 0,
            2 => 1,
            4 => 2,
            8 => 3,
            _ => return Err(format!("access of {bytes} bytes at once")),
        };
        let pick = |ops: [Op; 4]| ops[size];
        match (place, store) {
            (Place::Frame(at), false) => {
                let i = self.emit(
                    pick([Op::LdF8, Op::LdF16, Op::LdF32, Op::LdF64]),
                    value,
                    0,
                    0,
                    at,
                );
                self.frame_fixes.push(i);
            }
            (Place::Frame(at), true) => {
                let i = self.emit(
                    pick([Op::StF8, Op::StF16, Op::StF32, Op::StF64]),
                    0,
                    value,
                    0,
                    at,
                );
                self.frame_fixes.push(i);
            }
            (Place::Base(base, offset), false) => {
                self.emit(
                    pick([Op::Ld8, Op::Ld16, Op::Ld32, Op::Ld64]),
                    value,
                    base,
                    0,
                    offset,
                );
            }
            (Place::Base(base, offset), true) => {
                self.emit(
                    pick([Op::St8, Op::St16, Op::St32, Op::St64]),
                    base,
                    value,
                    0,
                    offset,
                );
            }
            (
                Place::Indexed {
                    base,
                    index,
                    scale,
                    offset,
                },
                false,
            ) => {
                let imm = i64::from(scale as u32) | i64::from(offset) << 32;
                self.emit(
                    pick([Op::LdX8, Op::LdX16, Op::LdX32, Op::LdX64]),
                    value,
                    base,
                    index,
                    imm,
                );
            }
            (
                Place::Indexed {
                    base,
                    index,
                    scale,
                    offset,
                },
                true,
            ) => {
                let imm = i64::from(scale as u32) | i64::from(offset) << 32;
                self.emit(
                    pick([Op::StX8, Op::StX16, Op::StX32, Op::StX64]),
                    base,
                    value,
                    index,
                    imm,
                );
            }
        }
        Ok(())
    }

    /// A pointer operand as a slot.
    fn pointer(&mut self, v: Value<'m>) -> Result<i16, Reason> {
        self.operand(v)
    }

    pub(super) fn load(&mut self, v: Value<'m>) -> Result<(), Reason> {
        let pointer = v.operand(0).ok_or("load without address")?;
        let shape = self.shape(v)?;
        let d = self.dst(v)?;
        if v.is_atomic() {
            return self.atomic_access(AtomicKind::Load, shape, d, pointer);
        }
        match shape {
            Shape::Void => Ok(()),
            s if s.is_scalar() => {
                let bytes = s.scalar_store_bytes();
                if matches!(bytes, 1 | 2 | 4 | 8) {
                    let place = self.place(pointer)?;
                    self.access(place, bytes, false, d)?;
                } else {
                    let p = self.pointer(pointer)?;
                    self.emit(Op::LdB, d, p, bytes as i16, 0);
                }
                if let Shape::Int(w) = s
                    && w != bytes * 8
                {
                    self.emit(Op::AndI, d, d, 0, mask(w) as i64);
                }
                Ok(())
            }
            Shape::Wide(w) => {
                let p = self.pointer(pointer)?;
                if w % 8 != 0 {
                    return Err(format!("i{w} in memory"));
                }
                self.emit(Op::Zero, d, 0, 0, 2);
                self.emit(Op::LdB, d, p, (w / 8) as i16, 0);
                Ok(())
            }
            Shape::Vector {
                element: Lane::Int(1),
                len,
            } => {
                let p = self.pointer(pointer)?;
                let t = self.slots.fresh(2)?;
                if len > 128 {
                    return Err("mask of more than 128 bits in memory".into());
                }
                self.emit(Op::Zero, t, 0, 0, 2);
                self.emit(Op::LdB, t, p, len.div_ceil(8) as i16, 0);
                self.vector(VectorOp::Unpack { len }, d, t, 0);
                Ok(())
            }
            s => {
                let p = self.pointer(pointer)?;
                self.emit(Op::LdB, d, p, s.bytes() as i16, 0);
                Ok(())
            }
        }
    }

    pub(super) fn store(&mut self, v: Value<'m>) -> Result<(), Reason> {
        let (Some(value), Some(pointer)) = (v.operand(0), v.operand(1)) else {
            return Err("store without operands".into());
        };
        let shape = self.shape(value)?;
        if v.is_atomic() {
            let b = self.operand(value)?;
            return self.atomic_access(AtomicKind::Store, shape, b, pointer);
        }
        let b = self.operand(value)?;
        match shape {
            Shape::Void => Ok(()),
            s if s.is_scalar() && matches!(s.scalar_store_bytes(), 1 | 2 | 4 | 8) => {
                let place = self.place(pointer)?;
                self.access(place, s.scalar_store_bytes(), true, b)
            }
            Shape::Vector {
                element: Lane::Int(1),
                len,
            } => {
                if len > 128 {
                    return Err("mask of more than 128 bits in memory".into());
                }
                let p = self.pointer(pointer)?;
                let t = self.slots.fresh(2)?;
                self.vector(VectorOp::Pack { len }, t, b, 0);
                self.emit(Op::StB, p, t, len.div_ceil(8) as i16, 0);
                Ok(())
            }
            s => {
                let bytes = match s {
                    Shape::Wide(w) if w % 8 != 0 => return Err(format!("i{w} in memory")),
                    Shape::Wide(w) => u64::from(w / 8),
                    s if s.is_scalar() => s.scalar_store_bytes().into(),
                    s => s.bytes(),
                };
                let p = self.pointer(pointer)?;
                self.emit(Op::StB, p, b, bytes as i16, 0);
                Ok(())
            }
        }
    }

    pub(super) fn alloca(&mut self, v: Value<'m>) -> Result<(), Reason> {
        let d = self.dst(v)?;
        if let Some(at) = self.ir.variables.get(&v) {
            let i = self.emit(Op::Lea, d, 0, 0, *at as i64);
            self.frame_fixes.push(i);
            return Ok(());
        }
        let ty = v.allocated_type().ok_or("stack variable without type")?;
        let align = u64::from(v.align()).max(self.layout.align(ty));
        let size = self.layout.alloc_size(ty);
        let count = v.operand(0).ok_or("stack variable without count")?;
        let bytes = match self.immediate(count) {
            Some(n) => self.constant(n.saturating_mul(size))?,
            None => {
                let (n, t) = (self.operand(count)?, self.temporary(0)?);
                self.emit(Op::Mul64I, t, n, 0, size as i64);
                t
            }
        };
        self.emit(Op::Alloca, d, bytes, 0, align as i64);
        Ok(())
    }

    /// r[d] = address of `bytes` of the frame, fixed for the whole call.
    pub(super) fn frame_address(&mut self, d: i16, at: u64) {
        let i = self.emit(Op::Lea, d, 0, 0, at as i64);
        self.frame_fixes.push(i);
    }

    /// Stores a slot to a byte of the frame's variables.
    pub(super) fn store_in_frame(&mut self, at: u64, slot: i16) {
        let i = self.emit(Op::StF64, 0, slot, 0, at as i64);
        self.frame_fixes.push(i);
    }

    pub(super) fn gep(&mut self, v: Value<'m>) -> Result<(), Reason> {
        let d = self.dst(v)?;
        if v.ty().kind() == TypeKind::Vector {
            return self.vector_gep(v, d);
        }
        if let Some(a) = self.ir.address_of(v, self.layout) {
            let base = self.operand(a.base)?;
            match a.index {
                None => self.emit(Op::Add64I, d, base, 0, a.offset),
                Some((index, scale)) => {
                    let index = self.operand(index)?;
                    let imm = i64::from(scale as u32) | a.offset << 32;
                    self.emit(Op::LeaX, d, base, index, imm)
                }
            };
            return Ok(());
        }
        // One index after the other; the result's slots are not an operand's (see `slots`).
        let mut at = self.operand(v.operand(0).ok_or("address without base")?)?;
        let mut ty = v.gep_type().ok_or("address without type")?;
        for i in 1..v.operand_count() {
            let index = v.operand(i).ok_or("address without index")?;
            let width = match index.ty().kind() {
                TypeKind::Int(w @ 1..=64) => w,
                _ => return Err("index that is no integer of at most 64 bits".into()),
            };
            let no_step = || "index that leads nowhere".to_owned();
            if let Some(n) = self.signed_immediate(index, width) {
                let (bytes, next) = step(self.layout, ty, i == 1, n).ok_or_else(no_step)?;
                ty = next;
                if bytes != 0 || i == 1 {
                    self.emit(Op::Add64I, d, at, 0, bytes);
                    at = d;
                }
            } else {
                let (scale, next) = step(self.layout, ty, i == 1, 1).ok_or_else(no_step)?;
                ty = next;
                let mut n = self.sign_extended(index, width, 0)?;
                let mut scale = scale;
                if i32::try_from(scale).is_err() {
                    let t = self.temporary(1)?;
                    self.emit(Op::Mul64I, t, n, 0, scale);
                    (n, scale) = (t, 1);
                }
                self.emit(Op::LeaX, d, at, n, i64::from(scale as u32));
                at = d;
            }
        }
        if at != d {
            self.emit(Op::Mov, d, at, 0, 0);
        }
        Ok(())
    }

    fn atomic_access(
        &mut self,
        kind: AtomicKind,
        shape: Shape,
        value: i16,
        pointer: Value<'m>,
    ) -> Result<(), Reason> {
        let op = self.atomic_op(kind, shape)?;
        let p = self.pointer(pointer)?;
        self.code.atomics.push(op);
        let index = self.code.atomics.len() as i64 - 1;
        match kind {
            AtomicKind::Store => self.emit(Op::Atomic, p, value, 0, index),
            _ => self.emit(Op::Atomic, value, p, 0, index),
        };
        Ok(())
    }

    fn atomic_op(&self, kind: AtomicKind, shape: Shape) -> Result<AtomicIns, Reason> {
        let lane = Self::lane(shape).filter(|l| *l != Lane::Int(1));
        let lane = match (lane, shape) {
            (Some(lane), _) => lane,
            (None, Shape::Int(1)) if matches!(kind, AtomicKind::Load | AtomicKind::Store) => {
                Lane::Int(8)
            }
            _ => return Err("atomic access that is not of 1, 2, 4 or 8 bytes".into()),
        };
        Ok(AtomicIns {
            kind,
            bytes: lane.bytes(),
            lane,
        })
    }

    pub(super) fn atomic(&mut self, v: Value<'m>, op: Opcode) -> Result<(), Reason> {
        let operand = |i| v.operand(i).ok_or("atomic operation without operand");
        let (ins, a, b, c) = match op {
            Opcode::Fence => {
                let ins = AtomicIns {
                    kind: AtomicKind::Fence,
                    bytes: 8,
                    lane: Lane::Int(64),
                };
                (ins, 0, 0, 0)
            }
            Opcode::AtomicRmw => {
                let rmw = v.atomic_op().filter(|o| *o != AtomicOp::Other);
                let rmw = rmw.ok_or("atomic operation of a rare kind")?;
                let ins = self.atomic_op(AtomicKind::Rmw(rmw), self.shape(v)?)?;
                (
                    ins,
                    self.dst(v)?,
                    self.pointer(operand(0)?)?,
                    self.operand(operand(1)?)?,
                )
            }
            _ => {
                let expected = operand(1)?;
                let new = self.operand(operand(2)?)?;
                let flag = self.layout.field_offset(v.ty(), 1) as u32;
                let kind = AtomicKind::CmpXchg { new, flag };
                let ins = self.atomic_op(kind, self.shape(expected)?)?;
                (
                    ins,
                    self.dst(v)?,
                    self.pointer(operand(0)?)?,
                    self.operand(expected)?,
                )
            }
        };
        self.code.atomics.push(ins);
        self.emit(Op::Atomic, a, b, c, self.code.atomics.len() as i64 - 1);
        Ok(())
    }

    /// `extractvalue` and `insertvalue`: aggregates lie in slots as in memory.
    pub(super) fn field(&mut self, v: Value<'m>, op: Opcode) -> Result<(), Reason> {
        let aggregate = v.operand(0).ok_or("aggregate missing")?;
        let mut ty = aggregate.ty();
        let mut offset = 0_u64;
        for i in v.indices() {
            let (bytes, next) =
                step(self.layout, ty, false, i.into()).ok_or("field that does not exist")?;
            offset += bytes as u64;
            ty = next;
        }
        let shape = Shape::of(ty, self.layout).ok_or_else(|| format!("field of type {ty}"))?;
        let d = self.dst(v)?;
        let whole = self.operand(aggregate)?;
        let bytes = match shape {
            s if s.is_scalar() => u64::from(s.scalar_store_bytes()),
            Shape::Wide(w) => u64::from(w.div_ceil(8)),
            s => s.bytes(),
        };
        if bytes == 0 {
            if op == Opcode::InsertValue {
                let s = self.shape(v)?;
                self.copy(d, whole, s);
            }
            return Ok(());
        }
        let single = shape.is_scalar() && matches!(bytes, 1 | 2 | 4 | 8);
        if op == Opcode::ExtractValue {
            let at = i64::from(whole) * 8 + offset as i64;
            if single {
                let op =
                    [Op::LdF8, Op::LdF16, Op::LdF32, Op::LdF64][bytes.trailing_zeros() as usize];
                self.emit(op, d, 0, 0, at);
            } else {
                let t = self.temporary(0)?;
                self.emit(Op::Lea, t, 0, 0, at);
                if shape.slots() == 2 {
                    self.emit(Op::Zero, d, 0, 0, 2);
                }
                self.emit(Op::LdB, d, t, bytes as i16, 0);
            }
            if let Shape::Int(w) = shape
                && u64::from(w) != bytes * 8
            {
                self.emit(Op::AndI, d, d, 0, mask(w) as i64);
            }
            return Ok(());
        }
        let value = self.operand(v.operand(1).ok_or("value missing")?)?;
        let s = self.shape(v)?;
        self.copy(d, whole, s);
        let at = i64::from(d) * 8 + offset as i64;
        if single {
            let op = [Op::StF8, Op::StF16, Op::StF32, Op::StF64][bytes.trailing_zeros() as usize];
            self.emit(op, 0, value, 0, at);
        } else {
            let t = self.temporary(0)?;
            self.emit(Op::Lea, t, 0, 0, at);
            self.emit(Op::StB, t, value, bytes as i16, 0);
        }
        Ok(())
    }
}
