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
use rustc_hash::FxHashMap;
use std::ops::Range;

/// The assignment.
pub(super) struct Slots<'m> {
    pub of: FxHashMap<Value<'m>, i16>,
    /// Words given out so far.
    pub words: usize,
    /// Bytes of stack variables behind the slots.
    pub variable_bytes: usize,
    /// Slot of the hidden parameter of a variadic function.
    pub hidden: Option<i16>,
    /// Loop headers (block indices) with what is alive there.
    pub loops: Vec<(usize, Vec<LiveValue>)>,
}

/// Sets of small numbers, one beside the other.
struct Bits {
    /// Words of a set.
    words: usize,
    bits: Vec<u64>,
}

impl Bits {
    /// `sets` empty sets of numbers below `n`.
    fn new(sets: usize, n: usize) -> Self {
        let words = n.div_ceil(64);
        Bits {
            words,
            bits: vec![0; sets * words],
        }
    }

    fn set(&self, set: usize) -> &[u64] {
        &self.bits[set * self.words..][..self.words]
    }

    fn set_mut(&mut self, set: usize) -> &mut [u64] {
        &mut self.bits[set * self.words..][..self.words]
    }
}

fn insert(set: &mut [u64], i: usize) {
    set[i / 64] |= 1 << (i % 64);
}

fn remove(set: &mut [u64], i: usize) {
    set[i / 64] &= !(1 << (i % 64));
}

fn contains(set: &[u64], i: usize) -> bool {
    set[i / 64] >> (i % 64) & 1 != 0
}

fn add(set: &mut [u64], other: &[u64]) {
    set.iter_mut().zip(other).for_each(|(a, b)| *a |= b);
}

fn members(set: &[u64]) -> impl Iterator<Item = usize> + '_ {
    set.iter().enumerate().flat_map(|(w, bits)| {
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

/// An instruction that reads or makes values, other than a phi.
struct Step<'m> {
    instruction: Value<'m>,
    /// Number of what it makes.
    makes: Option<usize>,
    /// Numbers of what it reads, in [`Lifetimes::reads`].
    reads: Range<usize>,
}

/// Lifetimes of values, by number.
struct Lifetimes<'m> {
    values: Vec<Value<'m>>,
    number: FxHashMap<Value<'m>, usize>,
    /// Of each block: its phis, by number, and what follows them.
    phis: Vec<Vec<usize>>,
    steps: Vec<Vec<Step<'m>>>,
    reads: Vec<usize>,
    live_in: Bits,
    live_out: Bits,
}

impl<'m> Lifetimes<'m> {
    fn of(ir: &Analysis<'m>) -> Self {
        let needed = |v: &Value<'m>| !ir.skipped.contains(v);
        let made = ir.instructions.iter().flatten().copied();
        let made = made.filter(|v| needed(v) && v.ty().kind() != TypeKind::Void);
        let values: Vec<Value<'m>> = ir.params.iter().copied().chain(made).collect();
        let number: FxHashMap<_, _> = values.iter().enumerate().map(|(i, v)| (*v, i)).collect();
        let (n, count) = (values.len(), ir.blocks.len());
        let mut all = Lifetimes {
            values,
            number,
            phis: Vec::with_capacity(count),
            steps: Vec::with_capacity(count),
            reads: Vec::new(),
            live_in: Bits::new(count, n),
            live_out: Bits::new(count, n),
        };
        let mut made = Bits::new(count, n);
        let mut successors: Vec<Vec<usize>> = Vec::with_capacity(count);
        let mut operands = Vec::new();
        for (b, list) in ir.instructions.iter().enumerate() {
            let (mut phis, mut steps) = (Vec::new(), Vec::with_capacity(list.len()));
            for v in list.iter().copied().filter(needed) {
                let makes = all.number.get(&v).copied();
                if v.opcode() == Some(Opcode::Phi) {
                    phis.extend(makes);
                    for (value, from) in v.incoming() {
                        if let (Some(i), Some(p)) =
                            (all.number.get(&value), ir.block_index.get(&from))
                        {
                            insert(all.live_out.set_mut(*p), *i);
                        }
                    }
                } else {
                    let start = all.reads.len();
                    operands.clear();
                    ir.reads(v, &mut operands);
                    for i in operands.iter().filter_map(|r| all.number.get(r).copied()) {
                        all.reads.push(i);
                        if !contains(made.set(b), i) {
                            insert(all.live_in.set_mut(b), i);
                        }
                    }
                    steps.push(Step {
                        instruction: v,
                        makes,
                        reads: start..all.reads.len(),
                    });
                }
                if let Some(i) = makes {
                    insert(made.set_mut(b), i);
                }
            }
            all.phis.push(phis);
            all.steps.push(steps);
            let targets = list.last().map(|t| t.successors()).unwrap_or_default();
            let targets = targets.iter().filter_map(|s| ir.block_index.get(s));
            successors.push(targets.copied().collect());
        }
        // live out = what phis behind read, or what is live into a successor; live in = read first, or out and not made.
        let mut changed = true;
        while changed {
            changed = false;
            for b in (0..count).rev() {
                for s in &successors[b] {
                    add(all.live_out.set_mut(b), all.live_in.set(*s));
                }
                let through = all.live_out.set(b).iter().zip(made.set(b));
                for (word, (out, made)) in all.live_in.set_mut(b).iter_mut().zip(through) {
                    let new = *word | out & !made;
                    changed |= new != *word;
                    *word = new;
                }
            }
        }
        all
    }

    /// Which candidates are alive together.
    fn interference(
        &self,
        ir: &Analysis<'m>,
        layout: Layout<'m>,
        candidates: &Candidates,
    ) -> Together {
        let mut together = Together(Bits::new(candidates.count, candidates.count));
        let mut live = vec![0; together.0.words];
        let of = |number: usize| candidates.of(number);
        for (b, steps) in self.steps.iter().enumerate() {
            live.fill(0);
            members(self.live_out.set(b))
                .filter_map(of)
                .for_each(|c| insert(&mut live, c));
            for step in steps.iter().rev() {
                let reads = || self.reads[step.reads.clone()].iter().filter_map(|r| of(*r));
                if let Some(d) = step.makes.and_then(of) {
                    let v = step.instruction;
                    if !reads_first(v, ir) {
                        reads().for_each(|r| insert(&mut live, r));
                    }
                    remove(&mut live, d);
                    // A copy and its source hold the same: they may share slots while both are alive.
                    let source = copied(v, layout).and_then(|s| of(*self.number.get(&s)?));
                    match source.filter(|s| contains(&live, *s)) {
                        Some(s) => {
                            remove(&mut live, s);
                            together.meet(d, &live);
                            insert(&mut live, s);
                        }
                        None => together.meet(d, &live),
                    }
                }
                reads().for_each(|r| insert(&mut live, r));
            }
            // All at once; one that nobody reads is written all the same.
            let phis = || self.phis[b].iter().filter_map(|p| of(*p));
            phis().for_each(|p| insert(&mut live, p));
            phis().for_each(|p| together.meet(p, &live));
            if b == 0 {
                let params = || (0..ir.params.len()).filter_map(of);
                params().for_each(|p| insert(&mut live, p));
                params().for_each(|p| together.meet(p, &live));
            }
        }
        together
    }
}

/// Values that may share slots with others, numbered among themselves.
struct Candidates {
    /// By number of the value; [`Candidates::NONE`] for the others.
    numbers: Vec<u32>,
    count: usize,
}

impl Candidates {
    const NONE: u32 = u32::MAX;

    fn insert(&mut self, value: usize) {
        if self.numbers[value] == Self::NONE {
            self.numbers[value] = self.count as u32;
            self.count += 1;
        }
    }

    fn of(&self, value: usize) -> Option<usize> {
        let number = self.numbers[value];
        (number != Self::NONE).then_some(number as usize)
    }
}

/// Candidates that are alive together: of each, those alive where it is made.
struct Together(Bits);

impl Together {
    fn meet(&mut self, made: usize, live: &[u64]) {
        add(self.0.set_mut(made), live);
    }

    fn has(&self, a: usize, b: usize) -> bool {
        contains(self.0.set(a), b) || contains(self.0.set(b), a)
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

/// Above this many candidates no lifetimes are compared: the table of pairs would take too much memory.
const MOST_CANDIDATES: usize = 4000;

impl<'m> Slots<'m> {
    pub fn assign(ir: &Analysis<'m>, layout: Layout<'m>) -> Result<Self, Reason> {
        let mut slots = Slots {
            of: FxHashMap::default(),
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
        slots.of.reserve(lives.values.len());
        let mut classes = coalesce(ir, &lives, layout);
        // Parameters first: their slots are fixed.
        let mut by_class: FxHashMap<usize, i16> = FxHashMap::default();
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
        let all = ir.params.iter().chain(ir.instructions.iter().flatten());
        let numbers: FxHashMap<Value<'m>, u32> = all.copied().zip(0..).collect();
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
                let live: Vec<LiveValue> = members(lives.live_in.set(b))
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
    let mut candidates = Candidates {
        numbers: vec![Candidates::NONE; n],
        count: 0,
    };
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
                    candidates.insert(*p);
                    candidates.insert(*i);
                }
            }
        }
    }
    for v in &lives.values {
        if let (Some(d), Some(from)) = (lives.number.get(v), copied(*v, layout))
            && let Some(i) = lives.number.get(&from)
        {
            wishes.push((false, *d, *i));
            candidates.insert(*d);
            candidates.insert(*i);
        }
    }
    if wishes.is_empty() || candidates.count > MOST_CANDIDATES {
        return classes;
    }
    ir.params
        .iter()
        .filter_map(|p| lives.number.get(p))
        .for_each(|p| candidates.insert(*p));
    let together = lives.interference(ir, layout, &candidates);
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
        let meet = |x: usize, y: usize| match (candidates.of(x), candidates.of(y)) {
            (Some(x), Some(y)) => together.has(x, y),
            _ => false,
        };
        let apart =
            (classes.members[a].iter()).all(|x| classes.members[b].iter().all(|y| !meet(*x, *y)));
        if apart {
            let moved = std::mem::take(&mut classes.members[b]);
            classes.members[a].extend(moved);
            classes.parent[b] = a;
        }
    }
    classes
}
