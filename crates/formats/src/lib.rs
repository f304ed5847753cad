//! Every on-disk and in-memory layout that two programs share.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod arguments;
pub mod boot;
pub mod calls;
pub mod checksum;
pub mod cold;
pub mod cpu;
pub mod elf;
pub mod embed;
pub mod exit;
pub mod flud;
pub mod gate;
pub mod lines;
pub mod link;
pub mod llbc;
pub mod options;
#[cfg(feature = "profile")]
pub mod profile;
pub mod program;
pub mod record;
pub mod relink;
pub mod slots;
pub mod snap;
