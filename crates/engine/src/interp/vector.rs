//! Vectors: lane by lane, whatever the element type.
#![allow(unsafe_code)]

use super::code::{LaneFn, LaneOp, VectorOp};
use super::memory::{read, write};
use super::op::Ins;
use super::shape::Lane;
use std::ptr::with_exposed_provenance_mut;

/// Applies a function to each lane of one, two or three vectors.
///
/// # Safety
/// The decoder made `op` and `ins` for the frame at `fp`.
pub(crate) unsafe fn lanes(op: &LaneOp, fp: *mut u64, ins: &Ins) {
    // SAFETY: the decoder keeps `len` lanes of each operand and the result inside the frame. The result's slots are not
    // an operand's: values have slots of their own while they are alive.
    unsafe {
        let to = fp.offset(ins.a.into()).cast::<u8>();
        let x = fp.offset(ins.b.into()).cast::<u8>();
        let y = fp.offset(ins.c.into()).cast::<u8>();
        let z = fp.offset(op.third.into()).cast::<u8>();
        let (n, m) = (op.in_bytes, op.out_bytes);
        for i in 0..usize::from(op.len) {
            let at = i * usize::from(n);
            let v = match op.f {
                LaneFn::One(f) => f(read(x.add(at), n)),
                LaneFn::Two(f) => f(read(x.add(at), n), read(y.add(at), n)),
                LaneFn::Three(f) => f(read(x.add(at), n), read(y.add(at), n), read(z.add(at), n)),
            };
            write(to.add(i * usize::from(m)), m, v & op.out_mask);
        }
    }
}

/// Executes an operation that is not lane by lane.
///
/// # Safety
/// The decoder made `op` and `ins` for the frame at `fp`; addresses are the guest's.
pub(crate) unsafe fn step(op: &VectorOp, fp: *mut u64, ins: &Ins) {
    // SAFETY: as for `lanes`; addresses in operands are memory the guest may access.
    unsafe {
        let slot = |s: i16| fp.offset(s.into()).cast::<u8>();
        let (a, b, c) = (slot(ins.a), slot(ins.b), slot(ins.c));
        let guest = |x: u64| with_exposed_provenance_mut::<u8>(x as usize);
        match op {
            VectorOp::Extract { bytes, len } => {
                let index = (read(c, 8) % u64::from(*len)) as usize;
                write(a, 8, read(b.add(index * usize::from(*bytes)), *bytes));
            }
            VectorOp::Insert {
                bytes,
                len,
                value,
                slots,
            } => {
                let index = (read(c, 8) % u64::from(*len)) as usize;
                a.copy_from(b, usize::from(*slots) * 8);
                write(
                    a.add(index * usize::from(*bytes)),
                    *bytes,
                    read(slot(*value), 8),
                );
            }
            VectorOp::Shuffle { bytes, len, mask } => {
                let n = usize::from(*bytes);
                for (i, &m) in mask.iter().enumerate() {
                    let v = match u32::try_from(m) {
                        Err(_) => 0,
                        Ok(m) if m < *len => read(b.add(m as usize * n), *bytes),
                        Ok(m) => read(c.add((m - len) as usize * n), *bytes),
                    };
                    write(a.add(i * n), *bytes, v);
                }
            }
            VectorOp::Select { bytes, len, other } => {
                let n = usize::from(*bytes);
                for i in 0..*len as usize {
                    let from = if b.add(i).read() & 1 != 0 {
                        c
                    } else {
                        slot(*other)
                    };
                    write(a.add(i * n), *bytes, read(from.add(i * n), *bytes));
                }
            }
            VectorOp::Pack { len } => {
                let mut bits = 0_u128;
                for i in 0..*len as usize {
                    bits |= u128::from(b.add(i).read() & 1) << i;
                }
                write(a, 8, bits as u64);
                if *len > 64 {
                    write(a.add(8), 8, (bits >> 64) as u64);
                }
            }
            VectorOp::Unpack { len } => {
                let low = read(b, 8);
                let high = if *len > 64 { read(b.add(8), 8) } else { 0 };
                let bits = u128::from(low) | u128::from(high) << 64;
                for i in 0..*len as usize {
                    a.add(i).write((bits >> i) as u8 & 1);
                }
            }
            VectorOp::Reduce {
                f,
                bytes,
                len,
                start,
            } => {
                let n = usize::from(*bytes);
                let (mut acc, first) = match start {
                    Some(s) => (read(slot(*s), 8), 0),
                    None => (read(b, *bytes), 1),
                };
                for i in first..*len as usize {
                    acc = f(acc, read(b.add(i * n), *bytes));
                }
                write(a, 8, acc);
            }
            VectorOp::MaskedLoad { bytes, len, other } => {
                let (n, from) = (usize::from(*bytes), guest(read(b, 8)));
                for i in 0..*len as usize {
                    let p = if c.add(i).read() & 1 != 0 {
                        from
                    } else {
                        slot(*other)
                    };
                    write(a.add(i * n), *bytes, read(p.add(i * n), *bytes));
                }
            }
            VectorOp::MaskedStore { bytes, len } => {
                let (n, to) = (usize::from(*bytes), guest(read(b, 8)));
                for i in (0..*len as usize).filter(|i| c.add(*i).read() & 1 != 0) {
                    write(to.add(i * n), *bytes, read(a.add(i * n), *bytes));
                }
            }
            VectorOp::Gather { bytes, len, other } => {
                let n = usize::from(*bytes);
                for i in 0..*len as usize {
                    let p = if c.add(i).read() & 1 != 0 {
                        guest(read(b.add(i * 8), 8))
                    } else {
                        slot(*other).add(i * n)
                    };
                    write(a.add(i * n), *bytes, read(p, *bytes));
                }
            }
            VectorOp::Scatter { bytes, len } => {
                let n = usize::from(*bytes);
                for i in (0..*len as usize).filter(|i| c.add(*i).read() & 1 != 0) {
                    write(
                        guest(read(b.add(i * 8), 8)),
                        *bytes,
                        read(a.add(i * n), *bytes),
                    );
                }
            }
            VectorOp::Address {
                len,
                scale,
                offset,
                vector_base,
                index,
                splat,
            } => {
                for i in 0..*len as usize {
                    let base = read(if *vector_base { b.add(i * 8) } else { b }, 8);
                    let number = match index {
                        None => 0,
                        Some(lane) => signed_lane(c, *lane, if *splat { 0 } else { i }, *splat),
                    };
                    let v =
                        base.wrapping_add_signed(number.wrapping_mul(*scale).wrapping_add(*offset));
                    write(a.add(i * 8), 8, v);
                }
            }
        }
    }
}

/// An index with its sign: lane `i`, or the scalar in the slot.
///
/// # Safety
/// The lane lies in the frame.
unsafe fn signed_lane(p: *const u8, lane: Lane, i: usize, scalar: bool) -> i64 {
    let bytes = lane.bytes() as u8;
    // SAFETY: as the caller promised.
    let x = unsafe {
        if scalar {
            read(p, 8)
        } else {
            read(p.add(i * usize::from(bytes)), bytes)
        }
    };
    let up = 64 - lane.bits();
    ((x << up) as i64) >> up
}
