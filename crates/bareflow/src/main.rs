//! The host command: builds, runs and inspects machines.
#![forbid(unsafe_code)]

fn main() {}
