//! From a function's IR to the interpreter's instructions.
//!
//! 1. `analysis`: which values are never needed on their own: address computations that become part of a load or store,
//!    comparisons that become part of a branch, stack variables that are only loaded and stored.
//! 2. `slots`: every other value gets slots; a phi shares its slots with the values that flow into it wherever their
//!    lifetimes allow, so that most loops need no moves.
//! 3. Emission, block by block in the order of the IR: `scalar`, `memory`, `flow`, `calls`, `intrinsics`, `vectors`.
//!
//! What the interpreter cannot express ends decoding with [`Unsupported`]: the function is then compiled instead.

mod analysis;
mod calls;
mod emit;
mod flow;
mod intrinsics;
mod memory;
mod operation;
mod scalar;
mod slots;
mod vectors;

use super::code::{Code, Unsupported};
use super::constants::Addresses;
use super::entry::FuncEntry;
use super::lines::Lines;
use super::op::{Ins, Op};
use super::shape::Shape;
use super::signature::{Numbering, Signature, Thunk};
use crate::profile::branches::open;
use analysis::Analysis;
use emit::Label;
use llvm::ir::{Block, Layout, Opcode, Value};
use rustc_hash::FxHashMap;
use slots::Slots;
use std::sync::atomic::AtomicU64;

/// What decoding needs to know of the program around a function.
pub(crate) struct Env<'e, 'm> {
    pub layout: Layout<'m>,
    pub addresses: &'e Addresses<'m>,
    /// Functions the interpreter can call, by number.
    pub numbers: &'e FxHashMap<Value<'m>, u32>,
    pub entries: &'e [Box<FuncEntry>],
    /// Types of functions, by what calls must have in common.
    pub types: &'e mut Numbering<Signature>,
    /// Types of calls of machine code.
    pub thunks: &'e mut Numbering<Thunk>,
    /// Whether executions of basic blocks are counted.
    pub count_blocks: bool,
    /// Whether the program has debug information.
    pub lines: bool,
}

impl<'e, 'm> Env<'e, 'm> {
    fn entry(&self, function: Value<'m>) -> Option<&'e FuncEntry> {
        let number = *self.numbers.get(&function)?;
        self.entries.get(number as usize).map(|e| &**e)
    }
}

/// Why an instruction cannot be expressed.
pub(crate) type Reason = String;

/// The state of decoding one function.
pub(super) struct Decoder<'d, 'e, 'm> {
    env: &'d mut Env<'e, 'm>,
    layout: Layout<'m>,
    ir: Analysis<'m>,
    slots: Slots<'m>,
    code: Code,
    /// Constants, last first: number `k` is in slot `-(k + 1)`.
    consts: Vec<u64>,
    const_slots: FxHashMap<u64, i16>,
    /// Constants of more than one word.
    wide_slots: FxHashMap<Value<'m>, i16>,
    /// Place of the label bound last: instructions before it must not be merged with what follows.
    bound_at: usize,
    /// Slots for steps in between.
    temporaries: [Option<i16>; 2],
    labels: Vec<Option<usize>>,
    fixes: Vec<emit::Fix>,
    /// Instructions whose immediate counts from the start of the stack variables.
    frame_fixes: Vec<usize>,
    /// Edges with moves, to be emitted after the terminator: label, from, to.
    edges: Vec<(Label, Block<'m>, Block<'m>)>,
    hidden: Option<i16>,
    /// Calls through pointers so far.
    pointer_calls: u32,
}

/// Decodes a function with a body.
pub(crate) fn decode<'m>(env: &mut Env<'_, 'm>, function: Value<'m>) -> Result<Code, Unsupported> {
    let name = function.name();
    let unsupported = |instruction: String, reason: Reason| Unsupported {
        function: name.clone(),
        instruction,
        reason,
    };
    let layout = env.layout;
    let ir = Analysis::of(function, layout).map_err(|(at, reason)| {
        unsupported(at.map_or_else(String::new, |v| v.to_string()), reason)
    })?;
    let slots = Slots::assign(&ir, layout).map_err(|reason| unsupported(String::new(), reason))?;
    let code = Code {
        name: name.clone(),
        ins: Vec::new(),
        consts: Vec::new(),
        frame_bytes: 0,
        lanes: Vec::new(),
        wides: Vec::new(),
        atomics: Vec::new(),
        vectors: Vec::new(),
        overflows: Vec::new(),
        switches: Vec::new(),
        sites: Vec::new(),
        counts: Vec::new(),
        successors: Vec::new(),
        ways: Vec::new(),
        loops: Vec::new(),
        back_edges: AtomicU64::new(0),
        heat_step: crate::interp::HEAT_STEP,
        is_costly: false,
        result_words: function
            .value_type()
            .result()
            .and_then(|ty| Shape::of(ty, layout))
            .map_or(0, Shape::slots),
        entry: 0,
        lines: Lines::default(),
    };
    let labels = vec![None; ir.blocks.len()];
    let hidden = slots.hidden;
    let mut decoder = Decoder {
        env,
        layout,
        ir,
        slots,
        code,
        consts: Vec::new(),
        const_slots: FxHashMap::default(),
        wide_slots: FxHashMap::default(),
        bound_at: 0,
        temporaries: [None; 2],
        labels,
        fixes: Vec::new(),
        frame_fixes: Vec::new(),
        edges: Vec::new(),
        hidden,
        pointer_calls: 0,
    };
    decoder.function().map_err(|(at, reason)| {
        unsupported(at.map_or_else(String::new, |v| v.to_string()), reason)
    })?;
    decoder
        .finish()
        .map_err(|reason| unsupported(String::new(), reason))
}

type At<'m> = (Option<Value<'m>>, Reason);

impl<'m> Decoder<'_, '_, 'm> {
    /// Makes room for the counts of blocks, and of the ways that they do not tell.
    fn make_counters(&mut self) -> Result<(), At<'m>> {
        for b in 0..self.ir.blocks.len() {
            let end = self.ir.instructions[b].last().copied();
            let to = end.map(Value::successors).unwrap_or_default();
            let to: Result<Box<[u32]>, Reason> = (to.into_iter())
                .map(|block| Ok(self.block(block)? as u32))
                .collect();
            self.code.successors.push(to.map_err(|why| (end, why))?);
        }
        self.code.ways = open(&self.code.successors);
        let all = self.code.successors.len() + self.code.ways.len();
        self.code.counts = (0..all).map(|_| AtomicU64::new(0)).collect();
        Ok(())
    }

    /// The counter of a way, if it has one.
    fn counter(&self, from: usize, to: usize) -> Option<usize> {
        let way = (from as u32, to as u32);
        let at = self.code.ways.iter().position(|w| *w == way)?;
        Some(self.code.successors.len() + at)
    }

    fn function(&mut self) -> Result<(), At<'m>> {
        if self.env.count_blocks {
            self.make_counters()?;
        }
        for b in 0..self.ir.blocks.len() {
            self.bind(Label(b));
            if self.env.count_blocks {
                self.emit(Op::Count, 0, 0, 0, b as i64);
            }
            for k in 0..self.ir.instructions[b].len() {
                let v = self.ir.instructions[b][k];
                if self.env.lines {
                    self.code.lines.begin(self.code.ins.len(), v);
                }
                self.instruction(v, b).map_err(|reason| (Some(v), reason))?;
            }
        }
        Ok(())
    }

    fn instruction(&mut self, v: Value<'m>, block: usize) -> Result<(), Reason> {
        let Some(op) = v.opcode() else {
            return Err("no instruction".into());
        };
        if self.ir.skipped.contains(&v) {
            return Ok(());
        }
        match op {
            Opcode::Phi => Ok(()),
            Opcode::Ret | Opcode::Br | Opcode::Switch | Opcode::Unreachable | Opcode::Resume => {
                self.terminator(v, op, block)
            }
            Opcode::Call | Opcode::Invoke => self.call(v, block),
            Opcode::Alloca => self.alloca(v),
            Opcode::Load => self.load(v),
            Opcode::Store => self.store(v),
            Opcode::Gep => self.gep(v),
            Opcode::Fence | Opcode::CmpXchg | Opcode::AtomicRmw => self.atomic(v, op),
            Opcode::ExtractElement | Opcode::InsertElement | Opcode::ShuffleVector => {
                self.elements(v, op)
            }
            Opcode::ExtractValue | Opcode::InsertValue => self.field(v, op),
            Opcode::VaArg => self.va_arg(v),
            // Nothing unwinds in a guest: a handler is never reached.
            Opcode::LandingPad => Ok(()),
            Opcode::Other => Err("instruction of a kind the interpreter does not have".into()),
            _ => self.computation(v, op),
        }
    }

    /// Shape of a value, which must have one.
    fn shape(&self, v: Value<'m>) -> Result<Shape, Reason> {
        Shape::of(v.ty(), self.layout).ok_or_else(|| format!("value of type {}", v.ty()))
    }

    /// First slot of an instruction's result.
    fn dst(&self, v: Value<'m>) -> Result<i16, Reason> {
        self.slots
            .of
            .get(&v)
            .copied()
            .ok_or_else(|| format!("no slot for {v}"))
    }

    fn finish(mut self) -> Result<Code, Reason> {
        let variables = self.slots.words.next_multiple_of(2) * 8;
        for at in std::mem::take(&mut self.frame_fixes) {
            self.code.ins[at].imm += variables as i64;
        }
        self.resolve()?;
        self.code.frame_bytes = (variables + self.slots.variable_bytes).next_multiple_of(16);
        self.consts.reverse();
        self.code.lines.finish();
        self.code.consts = self.consts;
        let mut places: Vec<(u32, u32)> = self
            .ir
            .instructions
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(n, v)| {
                let at = *self.ir.variables.get(v)? as usize + variables;
                let value = self.ir.params.len() + n;
                Some((at as u32, value as u32))
            })
            .collect();
        places.sort_unstable();
        for (block, live) in &self.slots.loops {
            let at = self.labels[*block].ok_or("loop header without a place")? as u32;
            self.code.loops.push(super::code::LoopHead {
                block: *block as u32,
                at,
                live: live.clone(),
                variables: places.clone(),
            });
        }
        Ok(self.code)
    }

    fn emit(&mut self, op: Op, a: i16, b: i16, c: i16, imm: i64) -> usize {
        self.code.ins.push(Ins { op, a, b, c, imm });
        self.code.ins.len() - 1
    }
}
