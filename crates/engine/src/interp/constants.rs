//! Constants of IR as bytes: initialisers of variables, and operands.

use llvm::ir::{Constant, Layout, Opcode, Type, TypeKind, Value, ValueKind};
use rustc_hash::FxHashMap;

/// Addresses of functions and variables.
pub(crate) struct Addresses<'m> {
    pub layout: Layout<'m>,
    pub of: FxHashMap<Value<'m>, u64>,
}

/// Why a constant has no value.
pub(crate) type Reason = String;

impl<'m> Addresses<'m> {
    /// Address of a function, a variable or an alias.
    pub fn address(&self, v: Value<'m>) -> Result<u64, Reason> {
        if let Some(a) = self.of.get(&v) {
            return Ok(*a);
        }
        match v.aliasee() {
            Some(target) => Ok(self.scalar(target)? as u64),
            None if v.is_extern_weak() => Ok(0),
            None if v.is_thread_local() => Err(format!("{} is thread-local", v.name())),
            None => Err(format!("symbol {} is not defined anywhere", v.name())),
        }
    }

    /// Value of a constant that is one number.
    pub fn scalar(&self, v: Value<'m>) -> Result<u128, Reason> {
        if matches!(
            v.kind(),
            ValueKind::Function | ValueKind::Variable | ValueKind::Alias
        ) {
            return Ok(self.address(v)?.into());
        }
        match v.constant() {
            Some(Constant::Int(n)) => Ok(n),
            Some(Constant::Float(bits)) => Ok(bits.into()),
            Some(Constant::Zero | Constant::Undefined) => Ok(0),
            Some(Constant::Expr(op)) => self.expression(v, op),
            _ => Err(format!("constant {v} has no form here")),
        }
    }

    fn expression(&self, v: Value<'m>, op: Opcode) -> Result<u128, Reason> {
        let operand = |i| {
            let o = v
                .operand(i)
                .ok_or_else(|| format!("constant {v} lacks operand {i}"))?;
            self.scalar(o)
        };
        let cut = |x: u128| match v.ty().kind() {
            TypeKind::Int(w) if w < 128 => x & ((1 << w) - 1),
            _ => x,
        };
        Ok(match op {
            Opcode::Gep => u128::from(self.gep(v)?),
            Opcode::PtrToInt
            | Opcode::PtrToAddr
            | Opcode::IntToPtr
            | Opcode::BitCast
            | Opcode::Trunc
            | Opcode::ZExt => cut(operand(0)?),
            Opcode::Add => cut(operand(0)?.wrapping_add(operand(1)?)),
            Opcode::Sub => cut(operand(0)?.wrapping_sub(operand(1)?)),
            Opcode::Xor => cut(operand(0)? ^ operand(1)?),
            _ => return Err(format!("constant expression {v}")),
        })
    }

    fn gep(&self, v: Value<'m>) -> Result<u64, Reason> {
        let lacks = || format!("constant {v} is no address");
        let mut address = self.scalar(v.operand(0).ok_or_else(lacks)?)? as u64;
        let mut ty = v.gep_type().ok_or_else(lacks)?;
        for i in 1..v.operand_count() {
            let index = v.operand(i).ok_or_else(lacks)?;
            let number = self.signed(index)?;
            let (offset, next) = step(self.layout, ty, i == 1, number).ok_or_else(lacks)?;
            address = address.wrapping_add_signed(offset);
            ty = next;
        }
        Ok(address)
    }

    /// Value of an integer constant of at most 64 bits, with its sign.
    pub fn signed(&self, v: Value<'m>) -> Result<i64, Reason> {
        let n = self.scalar(v)?;
        Ok(match v.ty().kind() {
            TypeKind::Int(w) if w < 64 => ((n as i64) << (64 - w)) >> (64 - w),
            _ => n as i64,
        })
    }

    /// Writes a constant as it lies in memory. `out` is zero before and has the type's allocation size.
    pub fn write(&self, v: Value<'m>, out: &mut [u8]) -> Result<(), Reason> {
        let ty = v.ty();
        if let Some(data) = v.raw_data() {
            let n = data.len().min(out.len());
            out[..n].copy_from_slice(&data[..n]);
            return Ok(());
        }
        match v.constant() {
            Some(Constant::Zero | Constant::Undefined) => return Ok(()),
            Some(Constant::Aggregate) => {}
            known => {
                let words = match known {
                    Some(Constant::Other) => v.words(),
                    _ => Vec::new(),
                };
                let bytes: Vec<u8> = if words.is_empty() {
                    self.scalar(v)?.to_le_bytes().into()
                } else {
                    words.into_iter().flat_map(u64::to_le_bytes).collect()
                };
                let n = self.layout.store_size(ty) as usize;
                if n > bytes.len() || n > out.len() {
                    return Err(format!("constant of {n} bytes: {v}"));
                }
                out[..n].copy_from_slice(&bytes[..n]);
                return Ok(());
            }
        }
        let short = || format!("constant {v} is larger than its type");
        match ty.kind() {
            TypeKind::Struct => {
                for i in 0..ty.field_count() {
                    let (Some(field), Some(field_ty)) = (v.element(i), ty.field(i)) else {
                        return Err(short());
                    };
                    let at = self.layout.field_offset(ty, i) as usize;
                    let size = self.layout.alloc_size(field_ty) as usize;
                    let end = (at + size).min(out.len());
                    self.write(field, out.get_mut(at..end).ok_or_else(short)?)?;
                }
            }
            _ => {
                let element = ty.element().ok_or_else(short)?;
                let bits = self.layout.bits(element);
                if ty.kind() == TypeKind::Vector && !bits.is_multiple_of(8) {
                    // One after the other, bit by bit.
                    for i in 0..ty.len() {
                        let e = self.scalar(v.element(i as u32).ok_or_else(short)?)?;
                        for bit in (0..bits).filter(|b| e >> b & 1 != 0) {
                            let at = (i * bits + bit) as usize;
                            *out.get_mut(at / 8).ok_or_else(short)? |= 1 << (at % 8);
                        }
                    }
                    return Ok(());
                }
                let size = self.layout.alloc_size(element) as usize;
                for i in 0..ty.len() as usize {
                    let e = v.element(i as u32).ok_or_else(short)?;
                    let part = out.get_mut(i * size..(i + 1) * size).ok_or_else(short)?;
                    self.write(e, part)?;
                }
            }
        }
        Ok(())
    }
}

/// One index of an address computation: how far it goes for `index`, and into which type. `None` if there is none.
pub(crate) fn step<'m>(
    layout: Layout<'m>,
    ty: Type<'m>,
    first: bool,
    index: i64,
) -> Option<(i64, Type<'m>)> {
    if first {
        return Some((index.wrapping_mul(layout.alloc_size(ty) as i64), ty));
    }
    if ty.kind() == TypeKind::Struct {
        let i = u32::try_from(index).ok()?;
        return Some((layout.field_offset(ty, i) as i64, ty.field(i)?));
    }
    let element = ty.element()?;
    Some((
        index.wrapping_mul(layout.alloc_size(element) as i64),
        element,
    ))
}
