//! Guest program: Llama-family language models.
//!
//! ```text
//! arguments -> options -> load (file -> model, tokenizer, transformer)
//!                      -> session: feed tokens, sample, stream text
//!                           complete | chat | evaluate
//! ```
//!
//! The network itself is in `transformer`, on one screen; its parts are crates of their own
//! (`llama-matmul`, `llama-attention`, `llama-feedforward`, `llama-norm`), so that each becomes a
//! bitcode module of its own.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod error;
pub mod evaluate;
pub mod guest_machine;
pub mod json;
pub mod load;
pub mod machine;
pub mod options;
pub mod program;
pub mod session;
pub mod transformer;

use alloc::string::String;
use alloc::vec::Vec;

guest::entry!(main);

/// Runs the program on the machine it was started on; returns its exit code.
fn main() -> i32 {
    let arguments: Vec<String> = guest::args::all()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    program::run(&guest_machine::Guest, &arguments)
}
