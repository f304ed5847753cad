//! Terminators, and the moves that make phis.

use super::emit::{Label, Part};
use super::{Decoder, Reason};
use crate::interp::code::SwitchTable;
use crate::interp::op::Op;
use crate::interp::shape::Shape;
use llvm::ir::{Block, FloatPredicate, IntPredicate, Opcode, Value};

/// A comparison as a jump has it: operation, operands, whether the targets change places.
pub(super) struct Jump {
    op: Op,
    a: i16,
    b: i16,
    swapped: bool,
}

impl<'m> Decoder<'_, '_, 'm> {
    pub(super) fn terminator(&mut self, v: Value<'m>, op: Opcode, at: usize) -> Result<(), Reason> {
        match op {
            Opcode::Ret => self.ret(v)?,
            Opcode::Br => {
                let to = v.successors();
                match (v.condition(), to.as_slice()) {
                    (None, [to]) => self.go(at, *to)?,
                    (Some(c), [yes, no]) if yes == no => {
                        let _ = c;
                        self.go(at, *yes)?;
                    }
                    (Some(c), [yes, no]) => self.branch(c, at, *yes, *no)?,
                    _ => return Err("branch without targets".into()),
                }
            }
            Opcode::Switch => self.switch(v, at)?,
            _ => {
                self.emit(Op::Trap, 0, 0, 0, 0);
            }
        }
        self.edges()
    }

    fn ret(&mut self, v: Value<'m>) -> Result<(), Reason> {
        let Some(value) = v.operand(0) else {
            self.emit(Op::RetVoid, 0, 0, 0, 0);
            return Ok(());
        };
        let slots = self.shape(value)?.slots();
        let from = self.operand(value)?;
        match slots {
            0 => self.emit(Op::RetVoid, 0, 0, 0, 0),
            1 => self.emit(Op::Ret, 0, from, 0, 0),
            n => self.emit(Op::RetN, 0, from, 0, n as i64),
        };
        Ok(())
    }

    pub(super) fn block(&self, b: Block<'m>) -> Result<usize, Reason> {
        self.ir
            .block_index
            .get(&b)
            .copied()
            .ok_or_else(|| "jump out of the function".into())
    }

    /// Jumps to `to` from the end of block `from`, with the moves of that edge.
    pub(super) fn go(&mut self, from: usize, to: Block<'m>) -> Result<(), Reason> {
        let target = self.block(to)?;
        let moves = self.moves(from, to)?;
        self.move_all(moves)?;
        if target == from + 1 {
            return Ok(());
        }
        self.jump(Label(target));
        Ok(())
    }

    /// Jumps; joined with a move that stands before.
    fn jump(&mut self, to: Label) {
        let end = self.code.ins.len();
        let joined = self.code.ins.last().is_some_and(|i| i.op == Op::Mov) && self.bound_at != end;
        let at = if joined {
            self.code.ins[end - 1].op = Op::MovJmp;
            end - 1
        } else {
            self.emit(Op::Jmp, 0, 0, 0, 0)
        };
        self.fix(at, to, Part::Whole);
    }

    /// Where a jump along an edge goes: to the block, or to moves that lead to it, or what counts them.
    fn edge(&mut self, from: usize, to: Block<'m>) -> Result<Label, Reason> {
        let target = self.block(to)?;
        if self.moves(from, to)?.is_empty() && self.counter(from, target).is_none() {
            return Ok(Label(target));
        }
        let source = self.ir.blocks[from];
        if let Some((label, ..)) = self.edges.iter().find(|e| e.1 == source && e.2 == to) {
            return Ok(*label);
        }
        let label = self.new_label();
        self.edges.push((label, source, to));
        Ok(label)
    }

    /// Emits the edges that the terminator asked for.
    fn edges(&mut self) -> Result<(), Reason> {
        for (label, from, to) in std::mem::take(&mut self.edges) {
            self.bind(label);
            let from = self.block(from)?;
            if let Some(counter) = self.counter(from, self.block(to)?) {
                self.emit(Op::Count, 0, 0, 0, counter as i64);
            }
            let moves = self.moves(from, to)?;
            self.move_all(moves)?;
            self.jump(Label(self.block(to)?));
        }
        Ok(())
    }

    fn branch(
        &mut self,
        condition: Value<'m>,
        at: usize,
        yes: Block<'m>,
        no: Block<'m>,
    ) -> Result<(), Reason> {
        let jump = if self.ir.fused.contains(&condition) {
            self.compare_jump(condition)?
        } else {
            Jump {
                op: Op::Br,
                a: self.operand(condition)?,
                b: 0,
                swapped: false,
            }
        };
        let (yes, no) = (self.edge(at, yes)?, self.edge(at, no)?);
        let (low, high) = if jump.swapped { (no, yes) } else { (yes, no) };
        let here = self.emit(jump.op, jump.a, jump.b, 0, 0);
        self.fix(here, low, Part::Low);
        self.fix(here, high, Part::High);
        Ok(())
    }

    fn compare_jump(&mut self, v: Value<'m>) -> Result<Jump, Reason> {
        let (Some(x), Some(y)) = (v.operand(0), v.operand(1)) else {
            return Err("comparison without operands".into());
        };
        let shape = self.shape(x)?;
        if let Some(p) = v.int_predicate() {
            return self.int_jump(p, shape.bits(), x, y);
        }
        let p = v.float_predicate().ok_or("comparison without predicate")?;
        use FloatPredicate as P;
        let (eq, lt, le) = match shape {
            Shape::F32 => (Op::JFOeq32, Op::JFOlt32, Op::JFOle32),
            Shape::F64 => (Op::JFOeq64, Op::JFOlt64, Op::JFOle64),
            _ => return Err("comparison of such floats".into()),
        };
        let (a, b) = (self.operand(x)?, self.operand(y)?);
        let jump = |op, a, b, swapped| Ok(Jump { op, a, b, swapped });
        match p {
            P::Oeq => jump(eq, a, b, false),
            P::Une => jump(eq, a, b, true),
            P::Olt => jump(lt, a, b, false),
            P::Ogt => jump(lt, b, a, false),
            P::Ole => jump(le, a, b, false),
            P::Oge => jump(le, b, a, false),
            P::Uge => jump(lt, a, b, true),
            P::Ule => jump(lt, b, a, true),
            P::Ugt => jump(le, a, b, true),
            P::Ult => jump(le, b, a, true),
            _ => {
                let t = self.temporary(0)?;
                self.float_compare(t, p, shape, a, b);
                jump(Op::Br, t, 0, false)
            }
        }
    }

    fn int_jump(
        &mut self,
        p: IntPredicate,
        width: u32,
        x: Value<'m>,
        y: Value<'m>,
    ) -> Result<Jump, Reason> {
        use IntPredicate as P;
        let signed = matches!(p, P::Slt | P::Sle | P::Sgt | P::Sge);
        let constant = if signed {
            self.signed_immediate(y, width)
        } else {
            self.immediate(y).map(|n| n as i64)
        };
        let small =
            constant.filter(|n| (0..=32767).contains(n) || signed && *n >= -32768 && *n < 0);
        let (mut a, mut b);
        if signed && width != 32 && width != 64 {
            (a, b) = (self.sign_extended(x, width, 0)?, 0);
            if small.is_none() {
                b = self.sign_extended(y, width, 1)?;
            }
        } else {
            a = self.operand(x)?;
            b = if small.is_none() { self.operand(y)? } else { 0 };
        }
        let narrow = width == 32;
        if let Some(n) = small {
            let (op, swapped) = match p {
                P::Eq => (Op::JEqI, false),
                P::Ne => (Op::JEqI, true),
                P::Ult => (Op::JUltI, false),
                P::Uge => (Op::JUltI, true),
                P::Ugt => (Op::JUgtI, false),
                P::Ule => (Op::JUgtI, true),
                P::Slt => (if narrow { Op::JSlt32I } else { Op::JSlt64I }, false),
                P::Sge => (if narrow { Op::JSlt32I } else { Op::JSlt64I }, true),
                P::Sgt => (if narrow { Op::JSgt32I } else { Op::JSgt64I }, false),
                P::Sle => (if narrow { Op::JSgt32I } else { Op::JSgt64I }, true),
            };
            return Ok(Jump {
                op,
                a,
                b: n as i16,
                swapped,
            });
        }
        let slt = if narrow { Op::JSlt32 } else { Op::JSlt64 };
        let (op, swapped, turned) = match p {
            P::Eq => (Op::JEq, false, false),
            P::Ne => (Op::JEq, true, false),
            P::Ult => (Op::JUlt, false, false),
            P::Uge => (Op::JUlt, true, false),
            P::Ugt => (Op::JUlt, false, true),
            P::Ule => (Op::JUlt, true, true),
            P::Slt => (slt, false, false),
            P::Sge => (slt, true, false),
            P::Sgt => (slt, false, true),
            P::Sle => (slt, true, true),
        };
        if turned {
            (a, b) = (b, a);
        }
        Ok(Jump { op, a, b, swapped })
    }

    fn switch(&mut self, v: Value<'m>, at: usize) -> Result<(), Reason> {
        let on = v.condition().ok_or("switch on nothing")?;
        let shape = self.shape(on)?;
        if !shape.is_scalar() {
            return Err("switch on more than 64 bits".into());
        }
        let a = self.operand(on)?;
        let to = v.successors();
        let mut cases = Vec::new();
        for (i, block) in to.iter().enumerate().skip(1) {
            let value = v
                .case(i as u32)
                .and_then(|c| self.immediate(c))
                .ok_or("case without value")?;
            cases.push((value, self.edge(at, *block)?));
        }
        let default = self.edge(at, *to.first().ok_or("switch without default")?)?;
        cases.sort_by_key(|c| c.0);
        let table = self.code.switches.len();
        let here = self.emit(Op::Switch, a, 0, 0, table as i64);
        let span = match (cases.first(), cases.last()) {
            (Some(first), Some(last)) => last.0 - first.0,
            _ => 0,
        };
        if !cases.is_empty() && span < cases.len() as u64 * 4 + 8 {
            let first = cases[0].0;
            // Gaps are marked, and filled once the default has a place.
            let targets = vec![i32::MIN; span as usize + 1];
            self.code.switches.push(SwitchTable::Dense {
                first,
                targets,
                default: 0,
            });
            for (value, label) in cases {
                self.fix(here, label, Part::Case(table, (value - first) as usize));
            }
        } else {
            let values = cases.iter().map(|c| c.0).collect();
            let targets = vec![0; cases.len()];
            self.code.switches.push(SwitchTable::Sparse {
                values,
                targets,
                default: 0,
            });
            for (i, (_, label)) in cases.into_iter().enumerate() {
                self.fix(here, label, Part::Case(table, i));
            }
        }
        self.fix(here, default, Part::Default(table));
        Ok(())
    }

    /// What flows from the end of `from` into the phis of `to`: (to, from, slots).
    fn moves(&mut self, from: usize, to: Block<'m>) -> Result<Vec<(i16, i16, usize)>, Reason> {
        let source = self.ir.blocks[from];
        let target = self.block(to)?;
        let mut moves = Vec::new();
        for k in 0..self.ir.instructions[target].len() {
            let phi = self.ir.instructions[target][k];
            if phi.opcode() != Some(Opcode::Phi) {
                break;
            }
            if self.ir.skipped.contains(&phi) {
                continue;
            }
            let incoming = phi.incoming();
            let value = incoming
                .iter()
                .find(|i| i.1 == source)
                .ok_or("phi without this edge")?
                .0;
            let slots = self.shape(phi)?.slots();
            let (d, s) = (self.dst(phi)?, self.operand(value)?);
            if d != s && slots > 0 {
                moves.push((d, s, slots));
            }
        }
        Ok(moves)
    }

    /// Emits moves that happen at once: a slot is written when nobody has to read it any more; a circle is cut open
    /// with a temporary.
    fn move_all(&mut self, mut moves: Vec<(i16, i16, usize)>) -> Result<(), Reason> {
        while !moves.is_empty() {
            let free = moves
                .iter()
                .position(|m| moves.iter().all(|o| o.1 != m.0 || o == m));
            if let Some(i) = free {
                let (d, s, n) = moves.remove(i);
                self.move_one(d, s, n);
            } else {
                let (d, _, n) = moves[0];
                let t = self.slots.fresh(n)?;
                self.move_one(t, d, n);
                for m in moves.iter_mut().filter(|m| m.1 == d) {
                    m.1 = t;
                }
            }
        }
        Ok(())
    }

    fn move_one(&mut self, d: i16, s: i16, n: usize) {
        if n != 1 {
            self.emit(Op::MovN, d, s, 0, n as i64);
            return;
        }
        let end = self.code.ins.len();
        let bound = self.bound_at == end;
        if let Some(last) = self.code.ins.last_mut()
            && last.op == Op::Mov
            && !bound
        {
            last.op = Op::Mov2;
            last.c = d;
            last.imm = s.into();
            return;
        }
        self.emit(Op::Mov, d, s, 0, 0);
    }
}
