//! Block devices, partitions and FAT volumes.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod block;
pub mod fat;
pub mod partition;
