//! The engine: a guest program's bitcode becomes code that runs.
//!
//! ```text
//!  LLBC modules --read, verify, check imports--> one pristine module      (program)
//!        |  features the CPU lacks become traps, bf_cpu_features() a constant, unused code goes
//!        v
//!  optimise at O0..O3 for the CPU found --> 1..n units --> objects         (compile)
//!        |  JITLink, absolute symbols of the host
//!        v
//!  code memory, writable or executable and never both; names of addresses  (code)
//! ```
//!
//! Everything is compiled before the program starts, at one level. The engine knows nothing of files or consoles: it
//! is given bytes, a table of host symbols and a callback for progress.

#![deny(unsafe_code)]

mod briefly;
mod code;
mod compile;
mod cpu;
pub mod embed;
mod error;
pub mod export;
mod heat;
pub mod interp;
pub mod introspection;
pub mod memory;
pub mod profile;
mod program;
pub mod snapshot;
mod symbols;
pub mod tier;
pub mod trace;

pub use code::{Code, HostSymbol};
pub use compile::{Compiled, Level, Options, compile};
pub use cpu::Cpu;
pub use error::Error;
pub use llvm::{Context, SymbolKind};
pub use program::{Program, Source, SourceKind};
pub use symbols::{Located, SymbolTable};

use std::time::Duration;

/// What the engine is doing, for a progress display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Reads and verifies module `index` of `total`.
    Reading {
        /// The module's name.
        module: &'a str,
        /// Counted from 0.
        index: usize,
        /// How many there are.
        total: usize,
    },
    /// Links the modules into one.
    Linking,
    /// Runs the optimisation pipeline over this many functions.
    Optimising {
        /// Functions with a body that the entry can reach.
        functions: usize,
    },
    /// Generates machine code for this many functions.
    Generating {
        /// Functions with a body after inlining.
        functions: usize,
    },
}

/// Wall time of each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Container checks and bitcode reading.
    pub read: Duration,
    /// LLVM's verifier.
    pub verify: Duration,
    /// Joining modules.
    pub link: Duration,
    /// IR passes.
    pub optimise: Duration,
    /// Machine code, all units side by side.
    pub codegen: Duration,
    /// JITLink: placing code, resolving symbols, protecting pages.
    pub load: Duration,
}
