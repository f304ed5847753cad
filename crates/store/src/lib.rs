//! Block devices, partitions, FAT volumes, and what survives power cuts on them.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod area;
pub mod block;
pub mod fat;
pub mod partition;
pub mod records;
pub mod slots;
