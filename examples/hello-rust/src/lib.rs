//! The smallest machine in Rust: greets everyone it was given, in order of the alphabet.

#![no_std]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

guest::entry!(main);

fn main() -> i32 {
    let mut names: Vec<String> =
        guest::args::all().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    names.sort();
    guest::println!("hello {} from Rust", names.join(" and "));
    0
}
