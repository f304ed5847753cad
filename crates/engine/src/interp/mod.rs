//! Tier 0: an interpreter for LLVM IR.
//!
//! ```text
//!  pristine module --decode at the first call--> Code (16-byte instructions over slots) --run--> results
//!        |                     \__ Unsupported: the function is compiled instead, and called through a thunk
//!        v
//!  Image: variables in memory, an address for each function, thunks and adapters for machine code
//! ```
//!
//! - Every IR value has slots in a frame (`op`); a phi shares them with what flows into it where it can (`decode`).
//! - Memory is the process's own: guest pointers are real pointers, so interpreted and compiled functions share all
//!   data and can call each other (`call`, `bridge`).
//! - Undefined and poison values are zeros; `freeze` copies. Atomics are sequentially consistent whatever they ask for.
//! - Nothing unwinds: an `invoke` is a call. `setjmp` and inline assembly are left to compiled code.
//!
//! `unsafe` is what an interpreter of machine-level code is made of; it is kept in `run`, `call`, `memory`, `vector`,
//! `wide`, `demand`, which owns the IR, and the few lines of `image` that announce functions to machine code.

mod abi;
mod bridge;
mod call;
mod code;
mod constants;
mod decode;
mod demand;
mod entry;
mod image;
mod lanes;
mod lines;
mod memory;
mod op;
mod run;
mod shape;
mod signature;
mod vector;
mod wide;

pub use code::{Code, LiveValue, LoopHead, Unsupported};
pub use entry::FuncEntry;
pub(crate) use entry::Watch;
pub(crate) use image::{CELL, MISSES};
pub use image::{Image, Options, Resolve};
pub(crate) use memory::frame_words;
pub use memory::{has_overflowed, set_stack_size};
pub use run::is_loop;

/// Words a value of this type fills; `None` if it cannot be held.
pub(crate) fn slots_of(ty: llvm::ir::Type<'_>, layout: llvm::ir::Layout<'_>) -> Option<usize> {
    shape::Shape::of(ty, layout).map(shape::Shape::slots)
}

/// Backward jumps are counted in steps of this many.
pub const HEAT_STEP: u32 = 256;
