//! The host command as a library: images, machines, and what the commands do.

#![forbid(unsafe_code)]

mod accel;
mod artifacts;
pub mod cli;
pub mod console;
mod error;
pub mod guest;
pub mod llm;
pub mod qemu;

pub use accel::{Choice, probe};
pub use artifacts::Artifacts;
pub use error::Error;
