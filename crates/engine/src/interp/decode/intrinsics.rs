//! LLVM's intrinsics.

use super::{Decoder, Reason};
use crate::interp::code::{OverflowOp, WideKind};
use crate::interp::lanes;
use crate::interp::op::Op;
use crate::interp::shape::{Lane, Shape, mask};
use llvm::ir::{Opcode, Value};

/// Name without `llvm.` and the types it is overloaded on: `llvm.umax.v4i32` is `umax`.
fn base_name(name: &str) -> String {
    let parts: Vec<&str> = name.trim_start_matches("llvm.").split('.').collect();
    let is_type = |p: &str| {
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        matches!(
            p,
            "f32" | "f64" | "f16" | "bf16" | "f80" | "f128" | "isVoid"
        ) || p.strip_prefix('i').is_some_and(digits)
            || p.strip_prefix('p').is_some_and(digits)
            || (p.starts_with('v') && p[1..].starts_with(|c: char| c.is_ascii_digit()))
            || p.starts_with("sl_")
            || p.starts_with("s_")
    };
    let end = parts
        .iter()
        .skip(1)
        .position(|p| is_type(p))
        .map_or(parts.len(), |i| i + 1);
    parts[..end].join(".")
}

impl<'m> Decoder<'_, '_, 'm> {
    pub(super) fn intrinsic(&mut self, v: Value<'m>, name: &str) -> Result<(), Reason> {
        if name.starts_with("llvm.x86.") {
            return self.processor_intrinsic(v, name);
        }
        let name = base_name(name);
        let args = v.args();
        let arg = |i: usize| args.get(i).copied().ok_or("intrinsic lacks an argument");
        match name.as_str() {
            "memcpy" | "memcpy.inline" | "memmove" | "memset" | "memset.inline" => {
                return self.memory_intrinsic(&name, arg(0)?, arg(1)?, arg(2)?);
            }
            "va_start" => return self.va_start(v),
            "va_copy" => {
                let (to, from) = (self.operand(arg(0)?)?, self.operand(arg(1)?)?);
                self.emit(Op::VaCopy, to, from, 0, 0);
                return Ok(());
            }
            "va_end" | "clear_cache" => return Ok(()),
            "trap" | "ubsantrap" | "debugtrap" => {
                self.emit(Op::Trap, 0, 0, 0, 0);
                return Ok(());
            }
            "stacksave" => {
                let d = self.dst(v)?;
                self.emit(Op::StackSave, d, 0, 0, 0);
                return Ok(());
            }
            "stackrestore" => {
                let a = self.operand(arg(0)?)?;
                self.emit(Op::StackRestore, a, 0, 0, 0);
                return Ok(());
            }
            "masked.store" | "masked.scatter" => return self.masked(v, &name),
            _ => {}
        }
        let shape = self.shape(v)?;
        if shape == Shape::Void {
            return Err(format!("intrinsic {name}"));
        }
        let d = self.dst(v)?;
        match name.as_str() {
            "expect"
            | "expect.with.probability"
            | "launder.invariant.group"
            | "strip.invariant.group"
            | "ssa.copy"
            | "arithmetic.fence"
            | "threadlocal.address" => {
                let from = self.operand(arg(0)?)?;
                self.copy(d, from, shape);
                Ok(())
            }
            "is.constant" => {
                self.emit(Op::Imm, d, 0, 0, 0);
                Ok(())
            }
            "objectsize" => {
                // Nothing is known: the largest size, or 0 where the smallest is asked for.
                let smallest = self.immediate(arg(1)?).is_some_and(|n| n & 1 != 0);
                let width = shape.bits();
                self.emit(
                    Op::Imm,
                    d,
                    0,
                    0,
                    if smallest { 0 } else { mask(width) as i64 },
                );
                Ok(())
            }
            "ptrmask" => {
                let (a, b) = (self.operand(arg(0)?)?, self.operand(arg(1)?)?);
                self.emit(Op::And, d, a, b, 0);
                Ok(())
            }
            "fmuladd" if matches!(shape, Shape::F32 | Shape::F64) => {
                let (a, b) = (self.operand(arg(0)?)?, self.operand(arg(1)?)?);
                let c = self.operand(arg(2)?)?;
                let op = if shape == Shape::F32 {
                    Op::FMulAdd32
                } else {
                    Op::FMulAdd64
                };
                self.emit(op, d, a, b, c.into());
                Ok(())
            }
            "sqrt" if shape == Shape::F64 => {
                let a = self.operand(arg(0)?)?;
                self.emit(Op::FSqrt64, d, a, 0, 0);
                Ok(())
            }
            "fabs" if shape == Shape::F64 => {
                let a = self.operand(arg(0)?)?;
                self.emit(Op::FAbs64, d, a, 0, 0);
                Ok(())
            }
            "is.fpclass" => self.is_class(d, arg(0)?, arg(1)?),
            "powi" => self.powi(d, shape, arg(0)?, arg(1)?),
            "fptosi.sat" | "fptoui.sat" => self.saturating(v, d, &name, arg(0)?, shape),
            "lround" | "llround" | "lrint" | "llrint" => self.rounded(d, &name, arg(0)?, shape),
            "scmp" | "ucmp" => self.three_way(d, &name, arg(0)?, arg(1)?, shape),
            _ if name.ends_with(".with.overflow") => {
                self.with_overflow(v, d, &name, arg(0)?, arg(1)?)
            }
            _ if name.starts_with("vector.reduce.") => self.reduce(v, d, &name),
            _ if name.starts_with("masked.") => self.masked(v, &name),
            _ => self.lane_intrinsic(v, d, &name, shape),
        }
    }

    fn memory_intrinsic(
        &mut self,
        name: &str,
        to: Value<'m>,
        from: Value<'m>,
        len: Value<'m>,
    ) -> Result<(), Reason> {
        let (a, b) = (self.operand(to)?, self.operand(from)?);
        let length = self.immediate(len);
        match (name, length) {
            (_, Some(0)) => {}
            ("memcpy" | "memcpy.inline" | "memmove", Some(n)) => {
                self.emit(Op::MemCpyI, a, b, 0, n as i64);
            }
            ("memcpy" | "memcpy.inline", None) => {
                let c = self.operand(len)?;
                self.emit(Op::MemCpy, a, b, c, 0);
            }
            ("memmove", None) => {
                let c = self.operand(len)?;
                self.emit(Op::MemMove, a, b, c, 0);
            }
            _ => {
                let c = self.operand(len)?;
                self.emit(Op::MemSet, a, b, c, 0);
            }
        }
        Ok(())
    }

    fn is_class(&mut self, d: i16, x: Value<'m>, classes: Value<'m>) -> Result<(), Reason> {
        fn narrow(x: u64, classes: u64) -> u64 {
            lanes::is_class(x & 0xFFFF_FFFF, false, classes).into()
        }
        fn double(x: u64, classes: u64) -> u64 {
            lanes::is_class(x, true, classes).into()
        }
        let f: lanes::F2 = match self.shape(x)? {
            Shape::F32 => narrow,
            Shape::F64 => double,
            _ => return Err("class of such a float".into()),
        };
        let (a, b) = (self.operand(x)?, self.operand(classes)?);
        self.pure2(d, a, b, f);
        Ok(())
    }

    fn powi(&mut self, d: i16, shape: Shape, x: Value<'m>, n: Value<'m>) -> Result<(), Reason> {
        /// As compiler-rt does: squares, and the reciprocal at the end.
        fn double(x: u64, n: u64) -> u64 {
            let (mut a, mut b, mut r) = (f64::from_bits(x), n as i32, 1.0);
            let negative = b < 0;
            loop {
                if b & 1 != 0 {
                    r *= a;
                }
                b /= 2;
                if b == 0 {
                    break;
                }
                a *= a;
            }
            (if negative { 1.0 / r } else { r }).to_bits()
        }
        fn narrow(x: u64, n: u64) -> u64 {
            let (mut a, mut b, mut r) = (f32::from_bits(x as u32), n as i32, 1.0_f32);
            let negative = b < 0;
            loop {
                if b & 1 != 0 {
                    r *= a;
                }
                b /= 2;
                if b == 0 {
                    break;
                }
                a *= a;
            }
            u64::from((if negative { 1.0 / r } else { r }).to_bits())
        }
        let f: lanes::F2 = match (shape, self.shape(n)?) {
            (Shape::F32, Shape::Int(32)) => narrow,
            (Shape::F64, Shape::Int(32)) => double,
            _ => return Err("powi of such types".into()),
        };
        let (a, b) = (self.operand(x)?, self.operand(n)?);
        self.pure2(d, a, b, f);
        Ok(())
    }

    fn saturating(
        &mut self,
        v: Value<'m>,
        d: i16,
        name: &str,
        x: Value<'m>,
        to: Shape,
    ) -> Result<(), Reason> {
        let (from, bits, vector) = match (self.shape(x)?, to) {
            (Shape::Vector { element, len }, Shape::Vector { element: t, .. }) => {
                (element, t.bits(), Some((t, len)))
            }
            (s, Shape::Int(w)) => (Self::lane(s).ok_or("conversion of such a float")?, w, None),
            _ => return Err(format!("conversion to {}", v.ty())),
        };
        let f = lanes::f_to_int_sat(name == "fptoui.sat", from, bits)
            .ok_or("saturating conversion of such widths")?;
        let a = self.operand(x)?;
        match vector {
            Some((t, len)) => self.map1(d, a, f, from, t, len),
            None => self.pure1(d, a, f),
        }
        Ok(())
    }

    fn rounded(&mut self, d: i16, name: &str, x: Value<'m>, to: Shape) -> Result<(), Reason> {
        fn away64(x: u64) -> u64 {
            lanes::to_i64(f64::from_bits(x).round()) as u64
        }
        fn away32(x: u64) -> u64 {
            lanes::to_i64(f32::from_bits(x as u32).round().into()) as u64
        }
        fn even64(x: u64) -> u64 {
            lanes::to_i64(f64::from_bits(x).round_ties_even()) as u64
        }
        fn even32(x: u64) -> u64 {
            lanes::to_i64(f32::from_bits(x as u32).round_ties_even().into()) as u64
        }
        let away = name.ends_with("round");
        let f: lanes::F1 = match (self.shape(x)?, away, to) {
            (Shape::F64, true, Shape::Int(_)) => away64,
            (Shape::F32, true, Shape::Int(_)) => away32,
            (Shape::F64, false, Shape::Int(_)) => even64,
            (Shape::F32, false, Shape::Int(_)) => even32,
            _ => return Err("rounding of such types".into()),
        };
        let a = self.operand(x)?;
        self.pure1(d, a, f);
        if to.bits() < 64 {
            self.emit(Op::AndI, d, d, 0, mask(to.bits()) as i64);
        }
        Ok(())
    }

    fn three_way(
        &mut self,
        d: i16,
        name: &str,
        x: Value<'m>,
        y: Value<'m>,
        to: Shape,
    ) -> Result<(), Reason> {
        let (Shape::Int(w), Shape::Int(bits)) = (self.shape(x)?, to) else {
            return Err("three-way comparison of such types".into());
        };
        let f = lanes::three_way(name, w).ok_or("three-way comparison of such a width")?;
        let (a, b) = (self.operand(x)?, self.operand(y)?);
        self.pure2(d, a, b, f);
        self.emit(Op::AndI, d, d, 0, mask(bits) as i64);
        Ok(())
    }

    fn with_overflow(
        &mut self,
        v: Value<'m>,
        d: i16,
        name: &str,
        x: Value<'m>,
        y: Value<'m>,
    ) -> Result<(), Reason> {
        let width = match self.shape(x)? {
            Shape::Int(w) | Shape::Wide(w) => w,
            _ => return Err("overflow of vectors".into()),
        };
        let op = match name.get(1..4) {
            Some("add") => Opcode::Add,
            Some("sub") => Opcode::Sub,
            Some("mul") => Opcode::Mul,
            _ => return Err(format!("intrinsic {name}")),
        };
        let flag = self.layout.field_offset(v.ty(), 1) as u32;
        let (a, b) = (self.operand(x)?, self.operand(y)?);
        self.code.overflows.push(OverflowOp {
            op,
            signed: name.starts_with('s'),
            width,
            flag,
        });
        self.emit(Op::Overflow, d, a, b, self.code.overflows.len() as i64 - 1);
        Ok(())
    }

    /// Intrinsics that are functions of numbers, on numbers or lane by lane.
    fn lane_intrinsic(
        &mut self,
        v: Value<'m>,
        d: i16,
        name: &str,
        shape: Shape,
    ) -> Result<(), Reason> {
        let args = v.args();
        let unknown = || format!("intrinsic {name} on {}", v.ty());
        let x = *args.first().ok_or_else(unknown)?;
        if let Shape::Wide(w) = self.shape(x)? {
            let kind = match name {
                "ctpop" => WideKind::Ctpop,
                "ctlz" => WideKind::Ctlz,
                "cttz" => WideKind::Cttz,
                "bswap" => WideKind::Bswap,
                "bitreverse" => WideKind::Bitreverse,
                "abs" => WideKind::Abs,
                "smax" => WideKind::SMax,
                "smin" => WideKind::SMin,
                "umax" => WideKind::UMax,
                "umin" => WideKind::UMin,
                _ => return Err(unknown()),
            };
            let second = matches!(name, "smax" | "smin" | "umax" | "umin");
            let y = second.then(|| args.get(1).copied()).flatten();
            return self.wide(d, kind, w, (2, 2), x, y);
        }
        // The second operand of these is a flag about undefined inputs.
        let count = if matches!(name, "ctlz" | "cttz" | "abs") {
            1
        } else {
            args.len()
        };
        let (lane, vector) = match shape {
            Shape::Vector { element, len } => (element, Some(len)),
            Shape::Int(w) if !matches!(w, 1 | 8 | 16 | 32 | 64) => {
                return self.odd_intrinsic(d, name, w, &args[..count]);
            }
            s => (Self::lane(s).ok_or_else(unknown)?, None),
        };
        let slots: Vec<i16> = args[..count]
            .iter()
            .map(|a| self.operand(*a))
            .collect::<Result<_, _>>()?;
        match (slots.as_slice(), vector) {
            ([a], _) => {
                let f = lanes::intrinsic1(name, lane).ok_or_else(unknown)?;
                match vector {
                    Some(len) => self.map1(d, *a, f, lane, lane, len),
                    None => self.pure1(d, *a, f),
                }
            }
            ([a, b], _) => {
                let f = lanes::intrinsic2(name, lane).ok_or_else(unknown)?;
                match vector {
                    Some(len) => self.map2(d, *a, *b, f, lane, lane, len),
                    None => self.pure2(d, *a, *b, f),
                }
            }
            ([a, b, c], _) => {
                let f = lanes::intrinsic3(name, lane).ok_or_else(unknown)?;
                match vector {
                    Some(len) => self.map3(d, (*a, *b, *c), f, lane, len),
                    None => self.pure3(d, *a, *b, *c, f),
                }
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// Integers of odd widths: by the 64-bit form where that is right.
    fn odd_intrinsic(
        &mut self,
        d: i16,
        name: &str,
        width: u32,
        args: &[Value<'m>],
    ) -> Result<(), Reason> {
        let unknown = || format!("intrinsic {name} on i{width}");
        let lane = Lane::Int(64);
        match (name, args) {
            ("ctpop" | "umax" | "umin", [x, rest @ ..]) => {
                let a = self.operand(*x)?;
                match rest.first() {
                    Some(y) => {
                        let b = self.operand(*y)?;
                        let f = lanes::intrinsic2(name, lane).ok_or_else(unknown)?;
                        self.pure2(d, a, b, f);
                    }
                    None => {
                        let f = lanes::intrinsic1(name, lane).ok_or_else(unknown)?;
                        self.pure1(d, a, f);
                    }
                }
                Ok(())
            }
            ("smax" | "smin", [x, y]) => {
                let (a, b) = (
                    self.sign_extended(*x, width, 0)?,
                    self.sign_extended(*y, width, 1)?,
                );
                let f = lanes::intrinsic2(name, lane).ok_or_else(unknown)?;
                self.pure2(d, a, b, f);
                self.emit(Op::AndI, d, d, 0, mask(width) as i64);
                Ok(())
            }
            ("bitreverse", [x]) => {
                let a = self.operand(*x)?;
                self.pure1(d, a, lanes::intrinsic1(name, lane).ok_or_else(unknown)?);
                self.emit(Op::LShrI, d, d, 0, 64 - i64::from(width));
                Ok(())
            }
            ("ctlz", [x]) => {
                // At the upper end of 64 bits, with a one below it as the end of the search.
                let (a, t) = (self.operand(*x)?, self.temporary(0)?);
                self.emit(Op::Shl64I, t, a, 0, 64 - i64::from(width));
                self.emit(Op::OrI, t, t, 0, 1 << (63 - width));
                self.pure1(d, t, lanes::intrinsic1(name, lane).ok_or_else(unknown)?);
                Ok(())
            }
            ("cttz", [x]) => {
                // With a one above it as the end of the search.
                let (a, t) = (self.operand(*x)?, self.temporary(0)?);
                self.emit(Op::OrI, t, a, 0, 1 << width);
                self.pure1(d, t, lanes::intrinsic1(name, lane).ok_or_else(unknown)?);
                Ok(())
            }
            ("abs", [x]) => {
                let a = self.sign_extended(*x, width, 0)?;
                let f = lanes::intrinsic1(name, lane).ok_or_else(unknown)?;
                self.pure1(d, a, f);
                self.emit(Op::AndI, d, d, 0, mask(width) as i64);
                Ok(())
            }
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::base_name;

    #[test]
    fn names_lose_their_types() {
        for (name, base) in [
            ("llvm.umax.i32", "umax"),
            ("llvm.umax.v4i32", "umax"),
            ("llvm.vector.reduce.add.v4i32", "vector.reduce.add"),
            ("llvm.memcpy.p0.p0.i64", "memcpy"),
            ("llvm.sadd.with.overflow.i32", "sadd.with.overflow"),
            ("llvm.va_start.p0", "va_start"),
            ("llvm.trap", "trap"),
            ("llvm.fptosi.sat.i32.f64", "fptosi.sat"),
        ] {
            assert_eq!(base_name(name), base);
        }
    }
}
