//! The JIT runtime: one static program for Linux and for the bare machine.

fn main() {}
