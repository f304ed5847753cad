//! The host command as a library: images, machines, and what the commands do.

#![forbid(unsafe_code)]

mod accel;
mod artifacts;
pub mod cli;
pub mod console;
pub mod contents;
pub mod converge;
mod error;
pub mod eval;
pub mod exec;
pub mod export;
pub mod guest;
pub mod image;
pub mod inspect;
pub mod llm;
pub mod make;
pub mod project;
pub mod qemu;
pub mod run;
pub mod shrink;
pub mod stop;
pub mod verdict;

pub use accel::{Choice, probe};
pub use artifacts::Artifacts;
pub use error::Error;
