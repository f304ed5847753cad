//! Block devices, partitions and FAT volumes.

#![no_std]
#![forbid(unsafe_code)]
