//! The interface a guest program sees: console, files, time, CPUs, vectors.
//!
//! A guest is `no_std` Rust (or C) compiled to LLVM bitcode. It calls its machine by the plain C
//! functions of [`sys`], which the runtime resolves; the modules here wrap them so that programs
//! need no `unsafe`. In a real guest this crate is also the global allocator and the panic
//! handler. With the feature `host` the same functions are implemented on `std`, so that a guest
//! runs as an ordinary program and is tested like one; panics and memory are `std`'s then.
//!
//! The contract is ARCHITECTURE.md, "Guest interface". A guest defines its entry with [`entry!`]:
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

#![no_std]

extern crate alloc;
#[cfg(any(feature = "host", test))]
extern crate std;

pub mod args;
pub mod buffer;
pub mod console;
pub mod cpu;
pub mod file;
#[cfg(any(feature = "host", test))]
pub mod host;
pub mod jit;
pub mod parallel;
#[cfg(not(any(feature = "host", test)))]
mod rt;
pub mod runtime;
pub mod simd;
pub mod time;

/// The raw functions of the machine, by the names and types of the contract.
#[cfg(not(any(feature = "host", test)))]
pub mod sys;
#[cfg(any(feature = "host", test))]
pub use host::sys;

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
    // SAFETY: takes any code.
    unsafe { sys::bf_exit(code) }
}

/// A number to seed a generator with; different at each call, not for secrets.
#[must_use]
pub fn random_seed() -> u64 {
    // SAFETY: takes nothing.
    unsafe { sys::bf_random_seed() }
}

/// Whether the user pressed Ctrl-C since the last call.
#[must_use]
pub fn interrupted() -> bool {
    // SAFETY: takes nothing.
    unsafe { sys::bf_interrupted() != 0 }
}
