//! NAME: a program that is a machine of its own.
//!
//!     bareflow build NAME -o NAME.img
//!     bareflow run NAME.img                in QEMU
//!     bareflow run NAME.img --hosted       as a Linux process

#![no_std]

extern crate alloc;

use alloc::string::String;
use guest::runtime::{Color, cpu_count, vga_set_color};

guest::entry!(main);

fn main() -> i32 {
    vga_set_color(Color::LightGreen, Color::Black);
    guest::print!("Hello from NAME");
    for argument in guest::args::all() {
        guest::print!(" to {}", String::from_utf8_lossy(argument));
    }
    vga_set_color(Color::LightGrey, Color::Black);
    guest::println!(", on {} CPU(s)", cpu_count());
    0
}
