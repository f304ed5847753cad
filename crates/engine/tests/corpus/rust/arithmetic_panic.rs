// Overflow is checked in the arithmetic of all widths: the sum that does not fit ends the program.
#![no_std]
#![no_main]
include!("support.rs");

fn factorial(n: i16) -> i16 {
    if n < 2 { 1 } else { n * factorial(n - 1) }
}
fn triangle(n: u8) -> u8 {
    (1..=n).sum()
}
fn run() -> i32 {
    for n in 1..8 {
        println!("{n}: {} {}", factorial(n), triangle(n as u8 * 3));
    }
    println!("{}", triangle(22));
    println!("{}", factorial(8));
    0
}
