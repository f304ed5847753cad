//! Labels, constants and moves.

use super::{Decoder, Reason};
use crate::interp::code::SwitchTable;
use crate::interp::op::Op;
use crate::interp::shape::{Lane, Shape, mask};
use llvm::ir::{Constant, Value, ValueKind};

/// A place to jump to: a block by its index, or an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(pub usize);

/// Where a jump's distance goes once its label has a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fix {
    pub at: usize,
    pub label: Label,
    pub part: Part,
}

/// Which number of an instruction a distance goes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// The whole immediate.
    Whole,
    /// Its low half.
    Low,
    /// Its high half.
    High,
    /// Target `1` of switch table `0`.
    Case(usize, usize),
    /// Default target of a switch table.
    Default(usize),
}

impl<'m> Decoder<'_, '_, 'm> {
    pub(super) fn new_label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Puts a label here.
    pub(super) fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.code.ins.len());
        self.bound_at = self.code.ins.len();
    }

    pub(super) fn fix(&mut self, at: usize, label: Label, part: Part) {
        self.fixes.push(Fix { at, label, part });
    }

    /// Fills in all distances.
    pub(super) fn resolve(&mut self) -> Result<(), Reason> {
        for f in std::mem::take(&mut self.fixes) {
            let to = self.labels[f.label.0].ok_or("jump to nowhere")?;
            let distance = i32::try_from(to as i64 - f.at as i64)
                .map_err(|_| "function of more than 2^31 instructions")?;
            let ins = &mut self.code.ins[f.at];
            match f.part {
                Part::Whole => ins.imm = distance.into(),
                Part::Low => ins.imm = ins.imm & !0xFFFF_FFFF | i64::from(distance as u32),
                Part::High => ins.imm = ins.imm & 0xFFFF_FFFF | i64::from(distance) << 32,
                Part::Case(table, i) => match &mut self.code.switches[table] {
                    SwitchTable::Dense { targets, .. } | SwitchTable::Sparse { targets, .. } => {
                        targets[i] = distance;
                    }
                },
                Part::Default(table) => match &mut self.code.switches[table] {
                    // Dense tables start with the default in every gap.
                    SwitchTable::Dense {
                        targets, default, ..
                    } => {
                        for t in targets.iter_mut().filter(|t| **t == i32::MIN) {
                            *t = distance;
                        }
                        *default = distance;
                    }
                    SwitchTable::Sparse { default, .. } => *default = distance,
                },
            }
        }
        Ok(())
    }

    /// Slot of a constant word.
    pub(super) fn constant(&mut self, word: u64) -> Result<i16, Reason> {
        if let Some(slot) = self.const_slots.get(&word) {
            return Ok(*slot);
        }
        let slot = self.push_constants(&[word])?;
        self.const_slots.insert(word, slot);
        Ok(slot)
    }

    /// Slot of the first of several constant words.
    fn push_constants(&mut self, words: &[u64]) -> Result<i16, Reason> {
        self.consts.extend(words.iter().rev());
        let last = i16::try_from(self.consts.len()).map_err(|_| "too many constants")?;
        Ok(-last)
    }

    /// The number a scalar constant is, if the value is one.
    pub(super) fn immediate(&self, v: Value<'m>) -> Option<u64> {
        if matches!(v.kind(), ValueKind::Argument | ValueKind::Instruction) {
            return None;
        }
        let shape = Shape::of(v.ty(), self.layout)?;
        if !matches!(shape, Shape::Int(_)) {
            return None;
        }
        self.env.addresses.scalar(v).ok().map(|n| n as u64)
    }

    /// First slot of an operand; constants get slots of their own.
    pub(super) fn operand(&mut self, v: Value<'m>) -> Result<i16, Reason> {
        if matches!(v.kind(), ValueKind::Argument | ValueKind::Instruction) {
            return self.dst(v);
        }
        let shape = self.shape(v)?;
        let words = self.words(v, shape)?;
        match words.as_slice() {
            [word] => self.constant(*word),
            [] => self.constant(0),
            _ => {
                if let Some(slot) = self.wide_slots.get(&v) {
                    return Ok(*slot);
                }
                let slot = self.push_constants(&words)?;
                self.wide_slots.insert(v, slot);
                Ok(slot)
            }
        }
    }

    /// A constant as words in slots.
    fn words(&self, v: Value<'m>, shape: Shape) -> Result<Vec<u64>, Reason> {
        let addresses = self.env.addresses;
        Ok(match shape {
            Shape::Void => Vec::new(),
            Shape::Int(_) | Shape::Half | Shape::F32 | Shape::F64 => {
                vec![addresses.scalar(v)? as u64]
            }
            Shape::Wide(_) => {
                let n = addresses.scalar(v)?;
                vec![n as u64, (n >> 64) as u64]
            }
            Shape::Aggregate(bytes) => {
                let mut memory = vec![0; (bytes as usize).next_multiple_of(8)];
                addresses.write(v, &mut memory[..bytes as usize])?;
                to_words(&memory)
            }
            Shape::Vector { element, len } => {
                let n = element.bytes() as usize;
                let mut memory = vec![0; (n * len as usize).next_multiple_of(8)];
                if v.constant() == Some(Constant::Aggregate) {
                    for i in 0..len {
                        let e = v.element(i).ok_or("vector constant without elements")?;
                        let bits = addresses.scalar(e)? as u64 & mask(element.bits());
                        let at = i as usize * n;
                        memory[at..at + n].copy_from_slice(&bits.to_le_bytes()[..n]);
                    }
                } else if !matches!(v.constant(), Some(Constant::Zero | Constant::Undefined)) {
                    return Err(format!("vector constant {v}"));
                }
                to_words(&memory)
            }
        })
    }

    /// r[to] = r[from] for a value of this shape.
    pub(super) fn copy(&mut self, to: i16, from: i16, shape: Shape) {
        match shape.slots() {
            0 => {}
            1 if to != from => {
                self.emit(Op::Mov, to, from, 0, 0);
            }
            n if to != from => {
                self.emit(Op::MovN, to, from, 0, n as i64);
            }
            _ => {}
        }
    }

    /// Signed number of a constant of `width` bits.
    pub(super) fn signed_immediate(&self, v: Value<'m>, width: u32) -> Option<i64> {
        let up = 64 - width.clamp(1, 64);
        self.immediate(v).map(|n| ((n << up) as i64) >> up)
    }

    /// Element type of a scalar, if lane operations know it.
    pub(super) fn lane(shape: Shape) -> Option<Lane> {
        match shape {
            Shape::Int(w @ (1 | 8 | 16 | 32 | 64)) => Some(Lane::Int(w)),
            Shape::F32 => Some(Lane::F32),
            Shape::F64 => Some(Lane::F64),
            _ => None,
        }
    }
}

fn to_words(memory: &[u8]) -> Vec<u64> {
    memory
        .chunks(8)
        .map(|c| {
            let mut word = [0; 8];
            word[..c.len()].copy_from_slice(c);
            u64::from_le_bytes(word)
        })
        .collect()
}
