//! Which slots hold which values.
//!
//! Every value has slots of its own, except that a phi and what flows into it share theirs where their lifetimes do not
//! overlap: the move at the end of a loop then disappears. Lifetimes are those of the code that will be emitted, not of
//! the IR: an address that is folded into a load is alive as its parts, up to the load.
//!
//! The same goes for values that are only handed on (`zext`, `freeze`, `inttoptr`).
//!
//! Two values interfere when one is defined while the other is alive (Chaitin). All phis of a block are defined at once,
//! at its start, and what flows into them is read at the end of the predecessors.

use super::Reason;
use super::analysis::Analysis;
use crate::interp::code::LiveValue;
use crate::interp::shape::Shape;
use llvm::ir::{Layout, Opcode, TypeKind, Value, ValueKind};
use std::collections::{HashMap, HashSet};

/// The assignment.
pub(super) struct Slots<'m> {
    pub of: HashMap<Value<'m>, i16>,
    /// Words given out so far.
    pub words: usize,
    /// Bytes of stack variables behind the slots.
    pub variable_bytes: usize,
    /// Slot of the hidden parameter of a variadic function.
    pub hidden: Option<i16>,
    /// Loop headers (block indices) with what is alive there.
    pub loops: Vec<(usize, Vec<LiveValue>)>,
}

/// A set of small numbers.
#[derive(Clone, PartialEq, Eq)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(n: usize) -> Self {
        Bits(vec![0; n.div_ceil(64)])
    }

    fn insert(&mut self, i: usize) {
        self.0[i / 64] |= 1 << (i % 64);
    }

    fn remove(&mut self, i: usize) {
        self.0[i / 64] &= !(1 << (i % 64));
    }

    fn contains(&self, i: usize) -> bool {
        self.0[i / 64] >> (i % 64) & 1 != 0
    }

    fn add(&mut self, other: &Bits) {
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a |= b;
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(w, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                (bits != 0).then(|| {
                    let i = bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    w * 64 + i
                })
            })
        })
    }
}

/// Whether the instruction's code reads all operands before it writes its result.
fn reads_first(v: Value<'_>, ir: &Analysis<'_>) -> bool {
    use Opcode as O;
    let Some(op) = v.opcode() else { return false };
    if v.ty().kind() == TypeKind::Vector {
        return false;
    }
    match op {
        O::Add | O::Sub | O::Mul | O::And | O::Or | O::Xor | O::Shl | O::LShr | O::AShr => true,
        O::FAdd | O::FSub | O::FMul | O::FDiv | O::Load | O::ICmp | O::FCmp => true,
        O::Trunc | O::ZExt | O::SExt | O::Select | O::UDiv | O::URem => true,
        O::Gep => ir.addresses.contains_key(&v) || v.operand_count() == 2,
        _ => false,
    }
}

/// The value an instruction only hands on: its slot may be its operand's.
fn copied<'m>(v: Value<'m>, layout: Layout<'m>) -> Option<Value<'m>> {
    use Opcode as O;
    let from = v.operand(0)?;
    if !matches!(from.kind(), ValueKind::Argument | ValueKind::Instruction) {
        return None;
    }
    let (a, b) = (Shape::of(from.ty(), layout)?, Shape::of(v.ty(), layout)?);
    let same = match v.opcode()? {
        O::Freeze => a == b,
        // Numbers are extended with zeros in their slots already.
        O::ZExt | O::PtrToInt | O::PtrToAddr | O::IntToPtr => match (a, b) {
            (Shape::Int(w), Shape::Int(to)) => to >= w,
            _ => false,
        },
        _ => false,
    };
    same.then_some(from)
}

/// Lifetimes of values, by number.
struct Lifetimes<'m> {
    values: Vec<Value<'m>>,
    number: HashMap<Value<'m>, usize>,
    live_in: Vec<Bits>,
    live_out: Vec<Bits>,
}

impl<'m> Lifetimes<'m> {
    fn of(ir: &Analysis<'m>) -> Self {
        let values: Vec<Value<'m>> = ir
            .params
            .iter()
            .copied()
            .chain(
                ir.instructions
                    .iter()
                    .flatten()
                    .copied()
                    .filter(|v| !ir.skipped.contains(v) && v.ty().kind() != TypeKind::Void),
            )
            .collect();
        let number: HashMap<_, _> = values.iter().enumerate().map(|(i, v)| (*v, i)).collect();
        let n = values.len();
        let count = ir.blocks.len();
        let mut uses = vec![Bits::new(n); count];
        let mut defs = vec![Bits::new(n); count];
        let mut phi_uses = vec![Bits::new(n); count];
        for (b, list) in ir.instructions.iter().enumerate() {
            for v in list.iter().filter(|v| !ir.skipped.contains(v)) {
                if v.opcode() == Some(Opcode::Phi) {
                    for (value, from) in v.incoming() {
                        if let (Some(i), Some(p)) = (number.get(&value), ir.block_index.get(&from))
                        {
                            phi_uses[*p].insert(*i);
                        }
                    }
                } else {
                    for r in ir.reads(*v) {
                        if let Some(i) = number.get(&r)
                            && !defs[b].contains(*i)
                        {
                            uses[b].insert(*i);
                        }
                    }
                }
                if let Some(i) = number.get(v) {
                    defs[b].insert(*i);
                }
            }
        }
        let successors: Vec<Vec<usize>> = ir
            .instructions
            .iter()
            .map(|list| {
                list.last()
                    .map(|t| {
                        t.successors()
                            .iter()
                            .filter_map(|s| ir.block_index.get(s).copied())
                            .collect()
                    })
                    .unwrap_or_default()
            })
            .collect();
        let mut live_in = vec![Bits::new(n); count];
        let mut live_out = phi_uses;
        let mut changed = true;
        while changed {
            changed = false;
            for b in (0..count).rev() {
                for s in &successors[b] {
                    let inner = live_in[*s].clone();
                    live_out[b].add(&inner);
                }
                let mut new = live_out[b].clone();
                for (w, d) in new.0.iter_mut().zip(&defs[b].0) {
                    *w &= !d;
                }
                new.add(&uses[b]);
                if new != live_in[b] {
                    live_in[b] = new;
                    changed = true;
                }
            }
        }
        Lifetimes {
            values,
            number,
            live_in,
            live_out,
        }
    }

    /// Pairs of candidates that are alive together.
    fn interference(
        &self,
        ir: &Analysis<'m>,
        layout: Layout<'m>,
        candidate: &Bits,
    ) -> HashSet<(usize, usize)> {
        let mut pairs = HashSet::new();
        let mut meet = |d: usize, live: &Bits| {
            if candidate.contains(d) {
                for o in live.iter().filter(|o| *o != d && candidate.contains(*o)) {
                    pairs.insert((d.min(o), d.max(o)));
                }
            }
        };
        for (b, list) in ir.instructions.iter().enumerate() {
            let mut live = self.live_out[b].clone();
            for v in list.iter().rev().filter(|v| !ir.skipped.contains(v)) {
                if v.opcode() == Some(Opcode::Phi) {
                    continue;
                }
                let reads: Vec<usize> = ir
                    .reads(*v)
                    .iter()
                    .filter_map(|r| self.number.get(r).copied())
                    .collect();
                if let Some(d) = self.number.get(v) {
                    if !reads_first(*v, ir) {
                        reads.iter().for_each(|r| live.insert(*r));
                    }
                    live.remove(*d);
                    // A copy and its source hold the same: they may share slots while both are alive.
                    let source = copied(*v, layout).and_then(|s| self.number.get(&s).copied());
                    match source.filter(|s| live.contains(*s)) {
                        Some(s) => {
                            live.remove(s);
                            meet(*d, &live);
                            live.insert(s);
                        }
                        None => meet(*d, &live),
                    }
                }
                reads.iter().for_each(|r| live.insert(*r));
            }
            let phis: Vec<usize> = list
                .iter()
                .filter(|v| v.opcode() == Some(Opcode::Phi))
                .filter_map(|v| self.number.get(v).copied())
                .collect();
            phis.iter().for_each(|p| live.insert(*p));
            // A phi that nobody reads is written all the same.
            for p in &phis {
                meet(*p, &live);
            }
            if b == 0 {
                let params: Vec<usize> = ir
                    .params
                    .iter()
                    .filter_map(|p| self.number.get(p).copied())
                    .collect();
                params.iter().for_each(|p| live.insert(*p));
                for p in params {
                    meet(p, &live);
                }
            }
        }
        pairs
    }
}

/// Sets of values that share slots.
struct Classes {
    parent: Vec<usize>,
    members: Vec<Vec<usize>>,
}

impl Classes {
    fn find(&mut self, mut i: usize) -> usize {
        while self.parent[i] != i {
            self.parent[i] = self.parent[self.parent[i]];
            i = self.parent[i];
        }
        i
    }
}

/// Above this many candidates no lifetimes are compared: the pairs would take too much memory.
const MOST_CANDIDATES: usize = 4000;

impl<'m> Slots<'m> {
    pub fn assign(ir: &Analysis<'m>, layout: Layout<'m>) -> Result<Self, Reason> {
        let mut slots = Slots {
            of: HashMap::new(),
            words: 0,
            variable_bytes: ir.variable_bytes as usize,
            hidden: None,
            loops: Vec::new(),
        };
        let shape = |v: Value<'m>| {
            Shape::of(v.ty(), layout).ok_or_else(|| format!("value of type {}: {v}", v.ty()))
        };
        for p in &ir.params {
            let at = slots.fresh(shape(*p)?.slots())?;
            slots.of.insert(*p, at);
        }
        if ir.function.value_type().is_variadic() {
            slots.hidden = Some(slots.fresh(1)?);
        }
        let lives = Lifetimes::of(ir);
        let mut classes = coalesce(ir, &lives, layout);
        // Parameters first: their slots are fixed.
        let mut by_class: HashMap<usize, i16> = HashMap::new();
        for p in &ir.params {
            if let (Some(i), Some(at)) = (lives.number.get(p), slots.of.get(p).copied()) {
                by_class.insert(classes.find(*i), at);
            }
        }
        for (i, v) in lives.values.iter().enumerate().skip(ir.params.len()) {
            let class = classes.find(i);
            let at = match by_class.get(&class) {
                Some(at) => *at,
                None => {
                    let words = match v.opcode() {
                        Some(Opcode::LandingPad) => 0,
                        _ => shape(*v)?.slots(),
                    };
                    let at = slots.fresh(words)?;
                    by_class.insert(class, at);
                    at
                }
            };
            slots.of.insert(*v, at);
        }
        slots.loops = slots.loop_heads(ir, &lives, layout);
        Ok(slots)
    }

    /// `n` new slots.
    pub fn fresh(&mut self, n: usize) -> Result<i16, Reason> {
        let at = i16::try_from(self.words)
            .ok()
            .filter(|_| self.words + n < 32_000);
        self.words += n;
        at.ok_or_else(|| "function with more than 32,000 words of values".into())
    }

    /// `bytes` of a new stack variable, as an offset among them.
    pub fn fresh_variable(&mut self, bytes: u64, align: u64) -> u64 {
        let at = (self.variable_bytes as u64).next_multiple_of(align.clamp(8, 16));
        self.variable_bytes = (at + bytes) as usize;
        at
    }

    fn loop_heads(
        &self,
        ir: &Analysis<'m>,
        lives: &Lifetimes<'m>,
        layout: Layout<'m>,
    ) -> Vec<(usize, Vec<LiveValue>)> {
        let mut numbers: HashMap<Value<'m>, u32> = HashMap::new();
        for v in ir.params.iter().chain(ir.instructions.iter().flatten()) {
            numbers.insert(*v, numbers.len() as u32);
        }
        let mut heads: Vec<usize> = ir
            .instructions
            .iter()
            .enumerate()
            .flat_map(|(b, list)| {
                let targets = list.last().map(|t| t.successors()).unwrap_or_default();
                let index = &ir.block_index;
                targets
                    .into_iter()
                    .filter_map(move |s| index.get(&s).copied())
                    .filter(move |s| *s <= b)
            })
            .collect();
        heads.sort_unstable();
        heads.dedup();
        heads
            .into_iter()
            .map(|b| {
                let phis = ir.instructions[b]
                    .iter()
                    .copied()
                    .filter(|v| v.opcode() == Some(Opcode::Phi) && !ir.skipped.contains(v));
                let live: Vec<LiveValue> = lives.live_in[b]
                    .iter()
                    .map(|i| lives.values[i])
                    .chain(phis)
                    .filter_map(|v| {
                        Some(LiveValue {
                            slot: *self.of.get(&v)?,
                            slots: Shape::of(v.ty(), layout)?.slots() as u16,
                            value: *numbers.get(&v)?,
                        })
                    })
                    .collect();
                (b, live)
            })
            .collect()
    }
}

/// Merges phis with what flows into them.
fn coalesce<'m>(ir: &Analysis<'m>, lives: &Lifetimes<'m>, layout: Layout<'m>) -> Classes {
    let n = lives.values.len();
    let mut classes = Classes {
        parent: (0..n).collect(),
        members: (0..n).map(|i| vec![i]).collect(),
    };
    let mut candidate = Bits::new(n);
    // (whether the edge goes back, phi, incoming)
    let mut wishes: Vec<(bool, usize, usize)> = Vec::new();
    for (b, list) in ir.instructions.iter().enumerate() {
        for v in list.iter().filter(|v| v.opcode() == Some(Opcode::Phi)) {
            let Some(p) = lives.number.get(v) else {
                continue;
            };
            for (value, from) in v.incoming() {
                if matches!(value.kind(), ValueKind::Argument | ValueKind::Instruction)
                    && let Some(i) = lives.number.get(&value)
                {
                    let back = ir.block_index.get(&from).is_some_and(|f| *f >= b);
                    wishes.push((back, *p, *i));
                    candidate.insert(*p);
                    candidate.insert(*i);
                }
            }
        }
    }
    for v in &lives.values {
        if let (Some(d), Some(from)) = (lives.number.get(v), copied(*v, layout))
            && let Some(i) = lives.number.get(&from)
        {
            wishes.push((false, *d, *i));
            candidate.insert(*d);
            candidate.insert(*i);
        }
    }
    if wishes.is_empty() || candidate.iter().count() > MOST_CANDIDATES {
        return classes;
    }
    ir.params
        .iter()
        .filter_map(|p| lives.number.get(p))
        .for_each(|p| candidate.insert(*p));
    let pairs = lives.interference(ir, layout, &candidate);
    wishes.sort_by_key(|w| !w.0);
    for (_, p, i) in wishes {
        let (a, b) = (classes.find(p), classes.find(i));
        let same = |x: Value<'m>, y: Value<'m>| {
            x.ty() == y.ty()
                || match (Shape::of(x.ty(), layout), Shape::of(y.ty(), layout)) {
                    (Some(a), Some(b)) => a.is_scalar() && b.is_scalar(),
                    _ => false,
                }
        };
        if a == b || !same(lives.values[p], lives.values[i]) {
            continue;
        }
        let apart = classes.members[a].iter().all(|x| {
            classes.members[b]
                .iter()
                .all(|y| !pairs.contains(&(*x.min(y), *x.max(y))))
        });
        if apart {
            let moved = std::mem::take(&mut classes.members[b]);
            classes.members[a].extend(moved);
            classes.parent[b] = a;
        }
    }
    classes
}
