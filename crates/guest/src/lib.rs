//! The interface a guest program sees: console, memory, files, time, CPUs.
//!
//! A guest is a `no_std` program that ends up as bitcode. What it needs from outside is the short
//! list of C functions in [`abi`]; the runtime (or, after an export, the kernel) defines them, and
//! a call is a plain call. This crate wraps them safely, and gives the program its allocator and
//! its panic handler.
//!
//! A guest defines its entry with [`entry!`]:
//!
//! ```ignore
//! #![no_std]
//! guest::entry!(main);
//!
//! fn main() -> i32 {
//!     guest::println!("hello");
//!     0
//! }
//! ```
//!
//! With the feature `host` the same functions are implemented over std, so that a guest's crates
//! run and are tested as an ordinary process.

#![cfg_attr(not(feature = "host"), no_std)]

extern crate alloc;

pub mod abi;
pub mod args;
pub mod console;
pub mod cpu;
pub mod file;
#[cfg(feature = "host")]
pub mod host;
#[cfg(not(feature = "host"))]
mod machine;
pub mod parallel;
pub mod time;

/// Defines `bf_main`, the symbol at which the machine enters the program, as a call of `$main`,
/// a `fn() -> i32` whose result is the exit code.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// Entry of the program.
        #[unsafe(no_mangle)]
        pub extern "C" fn bf_main() -> i32 {
            let main: fn() -> i32 = $main;
            main()
        }
    };
}

/// Ends the program at once with this exit code.
pub fn exit(code: i32) -> ! {
    // SAFETY: `bf_exit` takes any code and does not return.
    unsafe { abi::bf_exit(code) }
}

/// A number to seed a generator with; different at each call.
#[must_use]
pub fn random_seed() -> u64 {
    // SAFETY: no arguments, no state of ours.
    unsafe { abi::bf_random_seed() }
}

/// Whether the user pressed Ctrl-C since the last call.
#[must_use]
pub fn interrupted() -> bool {
    // SAFETY: no arguments, no state of ours.
    unsafe { abi::bf_interrupted() != 0 }
}
