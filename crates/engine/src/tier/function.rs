//! What the engine knows of one guest function beside its counters: which code runs, what was asked for.

use super::config::{Mode, Thresholds};
use super::thrift::Pace;
use crate::Level;
use crate::briefly;
use crate::memory::Unit;
use crate::profile::FunctionProfile;
use llvm::ir::{Constant, Opcode, Type, TypeKind, Value, ValueKind, View};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A parameter of one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Word {
    /// Which parameter.
    pub index: u32,
    /// Its slot in the interpreter.
    pub slot: u32,
    /// Whether it is a pointer.
    pub is_pointer: bool,
}

/// The shape of a function, read once from its IR.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Survey {
    /// Parameters of one word: integers of at most 64 bits and pointers, in their order.
    pub words: Vec<Word>,
    /// Basic blocks.
    pub blocks: usize,
    /// Instructions in them.
    pub instructions: usize,
    /// Calls through a pointer.
    pub indirect_sites: usize,
    /// Whether it looks at the low bits of an address: what it does depends on how its data is aligned.
    pub asks_alignment: bool,
}

/// Surveys every function of the program that has a body.
pub(crate) fn survey(view: View<'_>) -> HashMap<String, Survey> {
    view.functions()
        .into_iter()
        .filter(|f| !f.is_declaration())
        .map(|f| (f.name(), survey_one(f, view)))
        .collect()
}

fn survey_one(f: Value<'_>, view: View<'_>) -> Survey {
    let mut words = Vec::new();
    let mut slot = 0;
    for (index, ty) in f.value_type().params().into_iter().enumerate() {
        let (is_word, is_pointer) = match ty.kind() {
            TypeKind::Int(1..=64) => (true, false),
            TypeKind::Ptr => (true, true),
            _ => (false, false),
        };
        if is_word {
            words.push(Word {
                index: index as u32,
                slot,
                is_pointer,
            });
        }
        slot += slots_of(ty, view);
    }
    let blocks = f.blocks();
    let indirect_sites = blocks
        .iter()
        .flat_map(|b| b.instructions())
        .filter_map(|i| i.callee())
        .filter(|c| matches!(c.kind(), ValueKind::Argument | ValueKind::Instruction))
        .count();
    Survey {
        words,
        blocks: blocks.len(),
        instructions: blocks.iter().map(|b| b.instructions().len()).sum(),
        indirect_sites,
        asks_alignment: blocks
            .iter()
            .flat_map(|b| b.instructions())
            .any(asks_alignment),
    }
}

/// Whether an instruction takes the low bits of an address, or of its distance from something, as C's
/// `(uintptr_t)p & 7` and Rust's `p.align_offset(8)` do.
fn asks_alignment(instruction: Value<'_>) -> bool {
    let least = match instruction.opcode() {
        Some(Opcode::And) => 1,
        Some(Opcode::URem) => 2,
        _ => return false,
    };
    let bits = instruction.operand(1).and_then(Value::constant);
    let is_low = matches!(bits, Some(Constant::Int(n)) if (least..=64).contains(&n));
    let is_address = |v: Value<'_>| {
        v.kind() == ValueKind::Instruction
            && matches!(v.opcode(), Some(Opcode::PtrToInt | Opcode::PtrToAddr))
    };
    let of = |v: Value<'_>| {
        is_address(v)
            || v.kind() == ValueKind::Instruction
                && matches!(v.opcode(), Some(Opcode::Add | Opcode::Sub))
                && (0..2).filter_map(|i| v.operand(i)).any(is_address)
    };
    is_low && instruction.operand(0).is_some_and(of)
}

fn slots_of(ty: Type<'_>, view: View<'_>) -> u32 {
    crate::interp::slots_of(ty, view.layout()).unwrap_or(1) as u32
}

/// Code for one loop header of a function.
pub(crate) enum Osr {
    /// Asked for.
    Wanted,
    /// Ready at this address, in this unit.
    Ready(usize, #[allow(dead_code)] Unit),
    /// It cannot be had.
    Failed,
}

/// Which code a function has.
#[derive(Default)]
pub(crate) struct State {
    /// Level of the code that runs; `None` is the interpreter.
    pub level: Option<Level>,
    /// The code that runs, unless it is the interpreter's or came with the program.
    pub unit: Option<Unit>,
    /// Level asked for and not there yet.
    pub wanted: Option<Level>,
    /// Whether a level was asked for when nothing was compiled any more.
    pub late: bool,
    /// The lowest level that could not be compiled.
    pub failed: Option<Level>,
    /// Whether its last code was dropped to make room.
    pub evicted: bool,
    /// By loop header (block).
    pub osr: HashMap<u32, Osr>,
    /// Whether its variants were taken back because their guards failed too often.
    pub generic: bool,
    /// Guard misses when the code was published.
    pub misses: u64,
    /// Calls when the code was published.
    pub calls: u64,
    /// Whether the code has guarded variants.
    pub is_special: bool,
    /// Whether the code still records arguments, because too few calls were seen when it was compiled.
    pub samples: bool,
    /// Calls when the code was asked for, if loops of it poll.
    pub polls: Option<u64>,
    /// Whether it is to be compiled anew at the level it has.
    pub stale: bool,
    /// Where calls of the code that runs go, probes aside; 0 in the interpreter.
    pub address: usize,
    /// Cycles measured when the function was probed last.
    pub probed: u64,
    /// By loop header, 0 for the function itself: the code that runs, as it is kept for the next run.
    pub kept: BTreeMap<u32, Arc<crate::snapshot::Kept>>,
    /// Those of them that are not linked yet.
    pub waiting: BTreeMap<u32, Arc<crate::snapshot::Kept>>,
    /// Level of the code that an earlier run left.
    pub restored: Option<Level>,
    /// Why the last compile that was asked for gave nothing.
    pub refusal: Option<crate::Error>,
    /// How often it was looked at by the shuffle of tests.
    pub shuffled: u64,
}

/// One guest function.
pub(crate) struct Function {
    pub profile: FunctionProfile,
    pub survey: Survey,
    mode: Mode,
    /// The level it was told to keep: 1 and the level; 0 if there is none.
    pinned: AtomicU8,
    thresholds: Mutex<Thresholds>,
    /// Work of the past, which says little about what comes: see `Shared::cool`.
    pub past: AtomicU64,
    /// What it does these days.
    pub pace: Pace,
    /// Backward jumps that a call takes, in 16ths, where they were counted.
    pub jumps_of_call: AtomicU64,
    /// Executions of basic blocks in earlier runs.
    pub past_blocks: OnceLock<Box<[u64]>>,
    /// Executions of basic blocks in O0 code, which adds to them without care for other threads. Never moved.
    native_blocks: OnceLock<Box<[AtomicU64]>>,
    /// Whether code of an earlier run is not linked yet.
    pub waits: AtomicBool,
    state: Mutex<State>,
}

impl Function {
    pub fn new(
        profile: FunctionProfile,
        survey: Survey,
        mode: Mode,
        thresholds: Thresholds,
    ) -> Self {
        Function {
            profile,
            survey,
            mode,
            pinned: AtomicU8::new(0),
            thresholds: Mutex::new(thresholds),
            past: AtomicU64::new(0),
            pace: Pace::default(),
            jumps_of_call: AtomicU64::new(0),
            past_blocks: OnceLock::new(),
            native_blocks: OnceLock::new(),
            waits: AtomicBool::new(false),
            state: Mutex::new(State::default()),
        }
    }

    /// Which tiers it may have now.
    pub fn mode(&self) -> Mode {
        self.pinned().map_or(self.mode, Mode::Fixed)
    }

    /// The level it was told to keep.
    pub fn pinned(&self) -> Option<Level> {
        let number = self.pinned.load(Relaxed).checked_sub(1)?;
        Level::ALL.get(usize::from(number)).copied()
    }

    /// Has it keep a level, or none from now on; gives what it was told before.
    pub fn pin(&self, level: Option<Level>) -> Option<Level> {
        let before = self.pinned();
        self.pinned.store(level.map_or(0, |l| l as u8 + 1), Relaxed);
        before
    }

    /// The counters of its blocks for O0 code, made at the first use.
    pub fn counters(&self) -> &[AtomicU64] {
        self.native_blocks
            .get_or_init(|| (0..self.survey.blocks).map(|_| AtomicU64::new(0)).collect())
    }

    /// What O0 code counted, if there was some that counts.
    pub fn native_counts(&self) -> Option<&[AtomicU64]> {
        self.native_blocks.get().map(|b| &**b)
    }

    /// Heat at which it climbs.
    pub fn thresholds(&self) -> Thresholds {
        *self
            .thresholds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it climb at other heats from now on.
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        *self
            .thresholds
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = thresholds;
    }

    /// Its state, unless another thread has it.
    pub fn try_state(&self) -> Option<MutexGuard<'_, State>> {
        self.state.try_lock().ok()
    }

    /// Its state, for handlers of faults; `None` if another thread, or this one, has it for long.
    pub fn state_briefly(&self) -> Option<MutexGuard<'_, State>> {
        briefly::lock(&self.state)
    }

    /// Its state, for this thread alone.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
