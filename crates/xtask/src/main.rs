//! Chores of the repository: build artefacts, boot tests, benches, fuzz.
#![forbid(unsafe_code)]

fn main() {}
