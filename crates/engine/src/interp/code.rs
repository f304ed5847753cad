//! A decoded function, and the tables its rarer instructions refer to.

use super::entry::FuncEntry;
use super::lanes::{F1, F2, F3};
use super::lines::Lines;
use super::op::{Ins, Op};
use super::shape::Lane;
use crate::memory::SourceFrame;
use llvm::ir::{AtomicOp, IntPredicate, Opcode};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Why a function must be compiled instead of interpreted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("function {function} cannot be interpreted: {reason}; instruction: {instruction}")]
pub struct Unsupported {
    /// The function.
    pub function: String,
    /// The first instruction that stands in the way, as IR text.
    pub instruction: String,
    /// What about it.
    pub reason: String,
}

/// What runs instead of such a function until it has climbed.
#[derive(Debug, Clone)]
pub struct Makeshift {
    /// Why, and which function.
    pub why: Unsupported,
    /// Processor time that compiling it took, in nanoseconds.
    pub cpu_ns: u64,
    /// Its machine code, in bytes.
    pub bytes: u64,
}

/// A function in the interpreter's form. Nothing in it refers to LLVM any more.
#[derive(Debug)]
pub struct Code {
    pub(crate) name: String,
    pub(crate) ins: Vec<Ins>,
    /// Copied below the frame pointer at each call, in the order of memory.
    pub(crate) consts: Vec<u64>,
    /// Bytes of a frame above its frame pointer, a multiple of 16.
    pub(crate) frame_bytes: usize,
    pub(crate) lanes: Vec<LaneOp>,
    pub(crate) wides: Vec<WideOp>,
    pub(crate) atomics: Vec<AtomicIns>,
    pub(crate) vectors: Vec<VectorOp>,
    pub(crate) overflows: Vec<OverflowOp>,
    pub(crate) switches: Vec<SwitchTable>,
    pub(crate) sites: Vec<CallSite>,
    /// Executions of each basic block, if they are counted, and then those of the ways in `ways`.
    pub(crate) counts: Vec<AtomicU64>,
    /// The blocks that each block leads to, if they are counted.
    pub(crate) successors: Vec<Box<[u32]>>,
    /// Ways from a block to another that the counts of the blocks do not tell.
    pub(crate) ways: Vec<(u32, u32)>,
    pub(crate) loops: Vec<LoopHead>,
    /// Backward jumps, in steps.
    pub(crate) back_edges: AtomicU64,
    /// Backward jumps in a step, at least 1.
    pub(crate) heat_step: u32,
    /// Whether it has instructions of the processor that are executed one by one: compiled, it is faster by far.
    pub(crate) is_costly: bool,
    /// Words of the result.
    pub(crate) result_words: usize,
    /// Address of the function's entry.
    pub(crate) entry: usize,
    /// Source lines, if the program has debug information.
    pub(crate) lines: Lines,
}

/// A loop header: where on-stack replacement can leave the interpreter.
#[derive(Debug, Clone)]
pub struct LoopHead {
    /// Index of the basic block in the function.
    pub block: u32,
    /// Index of its first instruction.
    pub at: u32,
    /// Values that are alive there, the block's phis included: where they lie, and which they are.
    pub live: Vec<LiveValue>,
    /// Stack variables with a fixed place: byte of the frame, and which value they are.
    pub variables: Vec<(u32, u32)>,
}

impl LoopHead {
    /// Words of the buffer that hands the loop over: the live values one after another, then the addresses of variables.
    pub fn buffer_words(&self) -> usize {
        let live: usize = self.live.iter().map(|v| usize::from(v.slots)).sum();
        live + self.variables.len()
    }

    /// The same with each value's offset: (number of the value, byte of the buffer).
    pub fn buffer_layout(&self) -> Vec<(u32, u32)> {
        let mut word = 0;
        let mut layout = Vec::new();
        for v in &self.live {
            layout.push((v.value, word * 8));
            word += u32::from(v.slots);
        }
        for (_, value) in &self.variables {
            layout.push((*value, word * 8));
            word += 1;
        }
        layout
    }
}

/// A value that is alive at a loop header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveValue {
    /// First slot, counted in words from the frame pointer.
    pub slot: i16,
    /// Number of slots.
    pub slots: u16,
    /// Which value: parameters are counted first, then all instructions of the function in order.
    pub value: u32,
}

impl Code {
    /// The function's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `address` is that of one of its instructions.
    pub(crate) fn is_at(&self, address: usize) -> bool {
        let ins = self.ins.as_ptr_range();
        (ins.start.addr()..ins.end.addr()).contains(&address)
    }

    /// Number of the instruction that runs while `address` is in a register: the loop may be past what it executes.
    pub(crate) fn number_at(&self, address: usize) -> usize {
        let number = (address - self.ins.as_ptr().addr()) / size_of::<Ins>();
        let is_quiet = |ins: &Ins| !can_fault(ins.op);
        match number.checked_sub(1) {
            Some(before)
                if self.ins.get(number).is_none_or(is_quiet)
                    && self.ins.get(before).is_some_and(|ins| !is_quiet(ins)) =>
            {
                before
            }
            _ => number,
        }
    }

    /// Calls `visit` with the source lines of an instruction.
    pub(crate) fn source_frames(&self, number: usize, visit: &mut dyn FnMut(&[SourceFrame<'_>])) {
        self.lines.frames(number, visit);
    }

    /// Number of the interpreter's instructions.
    pub fn len(&self) -> usize {
        self.ins.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ins.is_empty()
    }

    /// Bytes of a frame.
    pub fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// Executions of each basic block, in the order of the IR; empty unless they were asked for.
    pub fn block_counts(&self) -> Vec<u64> {
        let blocks = self.counts.iter().take(self.successors.len());
        blocks.map(|c| c.load(Relaxed)).collect()
    }

    /// The blocks that each block leads to; empty unless blocks are counted.
    pub(crate) fn successors(&self) -> &[Box<[u32]>] {
        &self.successors
    }

    /// How often the ways were taken that the counts of the blocks do not tell.
    pub(crate) fn way_counts(&self) -> impl Iterator<Item = ((u32, u32), u64)> {
        let counts = self.counts.iter().skip(self.successors.len());
        let counts = counts.map(|c| c.load(Relaxed));
        self.ways.iter().copied().zip(counts)
    }

    /// Loop headers with the values alive there.
    pub fn loops(&self) -> &[LoopHead] {
        &self.loops
    }

    /// Whether it should leave the interpreter as soon as it can, whatever its heat.
    pub fn is_costly(&self) -> bool {
        self.is_costly
    }

    /// The instructions as text, one a line.
    pub fn dump(&self) -> String {
        let mut text = format!(
            "{}: frame {} bytes, {} constants\n",
            self.name,
            self.frame_bytes,
            self.consts.len()
        );
        for (i, ins) in self.ins.iter().enumerate() {
            let (lo, hi) = (ins.imm as i32, (ins.imm >> 32) as i32);
            text += &format!(
                "{i:5} {:?} {} {} {} {:#x} ({lo}, {hi})\n",
                ins.op, ins.a, ins.b, ins.c, ins.imm
            );
        }
        text
    }
}

/// Whether an instruction may end in an exception of the processor.
fn can_fault(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        UDiv | URem
            | SDiv32
            | SDiv64
            | SRem32
            | SRem64
            | UDivI
            | URemI
            | SDiv32I
            | SDiv64I
            | SRem32I
            | SRem64I
            | Ld8
            | Ld16
            | Ld32
            | Ld64
            | LdX8
            | LdX16
            | LdX32
            | LdX64
            | LdB
            | St8
            | St16
            | St32
            | St64
            | StX8
            | StX16
            | StX32
            | StX64
            | StB
            | MemCpy
            | MemMove
            | MemSet
            | MemCpyI
            | Call
            | CallInd
            | VaCopy
            | VaArg
            | Pure2
            | Lanes
            | Wide
            | Atomic
            | Vector
            | Trap
            | Args
    )
}

/// A function on numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LaneFn {
    One(F1),
    Two(F2),
    Three(F3),
}

/// A function applied to each lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneOp {
    pub f: LaneFn,
    /// Slot of the third operand.
    pub third: i16,
    pub in_bytes: u8,
    pub out_bytes: u8,
    pub len: u16,
    /// Bits of a result that count.
    pub out_mask: u64,
}

/// An operation on integers of more than 64 bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WideOp {
    pub kind: WideKind,
    /// Bits of the wide operand or result.
    pub width: u32,
    /// Slots of the operands and of the result.
    pub in_slots: u8,
    pub out_slots: u8,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum WideKind {
    Binary(Opcode),
    Compare(IntPredicate),
    Extend { from: u32, signed: bool },
    Truncate { to: u32 },
    FromFloat { lane: Lane, signed: bool },
    ToFloat { lane: Lane, signed: bool },
    Ctpop,
    Ctlz,
    Cttz,
    Bswap,
    Bitreverse,
    Abs,
    SMax,
    SMin,
    UMax,
    UMin,
}

/// An atomic operation of 1, 2, 4 or 8 bytes, always sequentially consistent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtomicIns {
    pub kind: AtomicKind,
    pub bytes: u32,
    /// Type of the operand.
    pub lane: Lane,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum AtomicKind {
    /// r[a] = [r[b]]
    Load,
    /// [r[a]] = r[b]
    Store,
    /// r[a] = [r[b]]; [r[b]] = r[a] op r[c]
    Rmw(AtomicOp),
    /// r[a..] = {old, success}; address r[b], expected r[c], new value in slot `new`
    CmpXchg { new: i16, flag: u32 },
    /// Nothing but the order
    Fence,
}

/// An operation on vectors that is not lane by lane.
#[derive(Debug)]
pub(crate) enum VectorOp {
    /// r[a] = lane r[c] of r[b]
    Extract { bytes: u8, len: u32 },
    /// r[a] = r[b] with lane r[c] replaced by r[value]
    Insert {
        bytes: u8,
        len: u32,
        value: i16,
        slots: u16,
    },
    /// r[a] = lanes of r[b] and r[c] by index; -1 is zero
    Shuffle { bytes: u8, len: u32, mask: Vec<i32> },
    /// r[a] = lanes of r[c] or r[other] by the mask r[b]
    Select { bytes: u8, len: u32, other: i16 },
    /// r[a] = bits of the mask r[b]
    Pack { len: u32 },
    /// r[a] = mask with the bits r[b]
    Unpack { len: u32 },
    /// r[a] = f(..f(start, lane 0).., last lane) of r[b]; without a start lane 0 is it
    Reduce {
        f: F2,
        bytes: u8,
        len: u32,
        start: Option<i16>,
    },
    /// r[a] = lanes at address r[b] where the mask r[c] is set, else of r[other]
    MaskedLoad { bytes: u8, len: u32, other: i16 },
    /// lanes of r[a] to address r[b] where the mask r[c] is set
    MaskedStore { bytes: u8, len: u32 },
    /// r[a] = lanes at the addresses r[b] where the mask r[c] is set, else of r[other]
    Gather { bytes: u8, len: u32, other: i16 },
    /// lanes of r[a] to the addresses r[b] where the mask r[c] is set
    Scatter { bytes: u8, len: u32 },
    /// lane i of r[a] = r[b] + lane i of r[c] * scale + offset; operands may be vectors
    Address {
        len: u32,
        scale: i64,
        offset: i64,
        vector_base: bool,
        index: Option<Lane>,
        splat: bool,
    },
}

/// An operation that tells whether it overflowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverflowOp {
    pub op: Opcode,
    pub signed: bool,
    pub width: u32,
    /// Byte of the result where the flag lies.
    pub flag: u32,
}

/// Targets of a switch, relative to it.
#[derive(Debug)]
pub(crate) enum SwitchTable {
    /// Targets of the values from `first` on.
    Dense {
        first: u64,
        targets: Vec<i32>,
        default: i32,
    },
    /// Values in ascending order with their targets.
    Sparse {
        values: Vec<u64>,
        targets: Vec<i32>,
        default: i32,
    },
}

/// A call through an address.
#[derive(Debug)]
pub(crate) struct CallSite {
    /// Slot of the address.
    pub callee: i16,
    /// Which of the function's calls through a pointer it is, if it is one.
    pub through_pointer: Option<u32>,
    /// The type called with.
    pub signature: u32,
    /// Number of the thunk that makes the call of machine code.
    pub number: u32,
    /// Its address; 0 before it is used first.
    pub thunk: AtomicUsize,
}

/// A callee, as an immediate holds it.
pub(crate) fn entry_imm(entry: &FuncEntry) -> i64 {
    (&raw const *entry).expose_provenance() as i64
}
