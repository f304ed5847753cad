//! RMSNorm and the elementary functions every module shares.

#![no_std]
#![forbid(unsafe_code)]
