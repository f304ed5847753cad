//! Integers of more than 64 bits, and arithmetic that tells of overflow.
#![allow(unsafe_code)]

use super::code::{OverflowOp, WideKind, WideOp};
use super::memory;
use super::op::Ins;
use super::shape::Lane;
use llvm::ir::{IntPredicate, Opcode};

fn cut(x: u128, width: u32) -> u128 {
    if width >= 128 {
        x
    } else {
        x & ((1 << width) - 1)
    }
}

fn signed(x: u128, width: u32) -> i128 {
    let up = 128 - width.clamp(1, 128);
    ((x << up) as i128) >> up
}

fn compare(p: IntPredicate, x: u128, y: u128, width: u32) -> bool {
    let (sx, sy) = (signed(x, width), signed(y, width));
    match p {
        IntPredicate::Eq => x == y,
        IntPredicate::Ne => x != y,
        IntPredicate::Ugt => x > y,
        IntPredicate::Uge => x >= y,
        IntPredicate::Ult => x < y,
        IntPredicate::Ule => x <= y,
        IntPredicate::Sgt => sx > sy,
        IntPredicate::Sge => sx >= sy,
        IntPredicate::Slt => sx < sy,
        IntPredicate::Sle => sx <= sy,
    }
}

fn binary(op: Opcode, x: u128, y: u128, width: u32) -> u128 {
    let (sx, sy) = (signed(x, width), signed(y, width));
    let shift = y.min(127) as u32;
    match op {
        Opcode::Add => x.wrapping_add(y),
        Opcode::Sub => x.wrapping_sub(y),
        Opcode::Mul => x.wrapping_mul(y),
        Opcode::And => x & y,
        Opcode::Or => x | y,
        Opcode::Xor => x ^ y,
        Opcode::Shl => x << shift,
        Opcode::LShr => x >> shift,
        Opcode::AShr => (sx >> shift) as u128,
        _ if y == 0 => memory::divide_error(),
        Opcode::UDiv => x / y,
        Opcode::URem => x % y,
        Opcode::SDiv => sx.wrapping_div(sy) as u128,
        _ => sx.wrapping_rem(sy) as u128,
    }
}

fn float_of(bits: u128, lane: Lane) -> f64 {
    match lane {
        Lane::F32 => f32::from_bits(bits as u32).into(),
        _ => f64::from_bits(bits as u64),
    }
}

/// What a wide operation gives. Operands and result are extended with zeros.
pub(crate) fn apply(op: &WideOp, x: u128, y: u128) -> u128 {
    let w = op.width;
    let result = match op.kind {
        WideKind::Binary(o) => binary(o, x, y, w),
        WideKind::Compare(p) => return compare(p, x, y, w).into(),
        WideKind::Extend {
            from,
            signed: false,
        } => cut(x, from),
        WideKind::Extend { from, signed: true } => signed(x, from) as u128,
        WideKind::Truncate { to } => return cut(x, to),
        WideKind::FromFloat { lane, signed: true } => float_of(x, lane) as i128 as u128,
        WideKind::FromFloat {
            lane,
            signed: false,
        } => float_of(x, lane) as u128,
        WideKind::ToFloat { lane, signed: s } => {
            return match (lane, s) {
                (Lane::F32, true) => (signed(x, w) as f32).to_bits().into(),
                (Lane::F32, false) => (x as f32).to_bits().into(),
                (_, true) => (signed(x, w) as f64).to_bits().into(),
                (_, false) => (x as f64).to_bits().into(),
            };
        }
        WideKind::Ctpop => x.count_ones().into(),
        WideKind::Ctlz => (x.leading_zeros() - (128 - w)).into(),
        WideKind::Cttz => x.trailing_zeros().min(w).into(),
        WideKind::Bswap => x.swap_bytes() >> (128 - w),
        WideKind::Bitreverse => x.reverse_bits() >> (128 - w),
        WideKind::Abs => signed(x, w).wrapping_abs() as u128,
        WideKind::SMax => signed(x, w).max(signed(y, w)) as u128,
        WideKind::SMin => signed(x, w).min(signed(y, w)) as u128,
        WideKind::UMax => x.max(y),
        WideKind::UMin => x.min(y),
    };
    cut(result, w)
}

/// Reads a value of one or two slots.
///
/// # Safety
/// They lie in the frame.
unsafe fn get(fp: *mut u64, slot: i16, slots: u8) -> u128 {
    // SAFETY: as the caller promised.
    unsafe {
        let p = fp.offset(slot.into());
        let low = u128::from(p.read());
        if slots == 2 {
            low | u128::from(p.add(1).read()) << 64
        } else {
            low
        }
    }
}

/// Writes a value of one or two slots.
///
/// # Safety
/// They lie in the frame.
unsafe fn put(fp: *mut u64, slot: i16, slots: u8, x: u128) {
    // SAFETY: as the caller promised.
    unsafe {
        let p = fp.offset(slot.into());
        p.write(x as u64);
        if slots == 2 {
            p.add(1).write((x >> 64) as u64);
        }
    }
}

/// Executes a wide operation.
///
/// # Safety
/// The decoder made `ins` for the frame at `fp`.
pub(crate) unsafe fn step(op: &WideOp, fp: *mut u64, ins: &Ins) {
    // SAFETY: the decoder keeps slots inside the frame.
    unsafe {
        let (x, y) = (get(fp, ins.b, op.in_slots), get(fp, ins.c, op.in_slots));
        put(fp, ins.a, op.out_slots, apply(op, x, y));
    }
}

/// Result and overflow of an operation at `width` bits.
pub(crate) fn overflowing(op: &OverflowOp, x: u128, y: u128) -> (u128, bool) {
    let w = op.width;
    let (exact, overflowed) = if op.signed {
        let (x, y) = (signed(x, w), signed(y, w));
        let (r, o) = match op.op {
            Opcode::Add => x.overflowing_add(y),
            Opcode::Sub => x.overflowing_sub(y),
            _ => x.overflowing_mul(y),
        };
        (r as u128, o || signed(r as u128, w) != r)
    } else {
        let (r, o) = match op.op {
            Opcode::Add => x.overflowing_add(y),
            Opcode::Sub => x.overflowing_sub(y),
            _ => x.overflowing_mul(y),
        };
        (r, o || cut(r, w) != r)
    };
    (cut(exact, w), overflowed)
}

/// Executes an operation with an overflow flag.
///
/// # Safety
/// The decoder made `ins` for the frame at `fp`.
pub(crate) unsafe fn overflow(op: &OverflowOp, fp: *mut u64, ins: &Ins) {
    let slots = if op.width > 64 { 2 } else { 1 };
    // SAFETY: the decoder keeps slots inside the frame; the flag's byte is inside the result.
    unsafe {
        let (x, y) = (get(fp, ins.b, slots), get(fp, ins.c, slots));
        let (r, overflowed) = overflowing(op, x, y);
        let to = fp.offset(ins.a.into()).cast::<u8>();
        let bytes = op.width.div_ceil(8) as usize;
        to.copy_from_nonoverlapping(r.to_le_bytes().as_ptr(), bytes);
        to.add(op.flag as usize).write(overflowed.into());
    }
}
