//! What an exported program has beneath it instead of a runtime: `bf_*`, freestanding.
//!
//! ```text
//!   guest bitcode ──┐
//!                   ├── engine::export: one module, O3, one object ── shrink::native ── native.elf
//!   native.llbc  ───┘
//! ```
//!
//! `native.elf` runs as a Linux process and on the bare machine: it makes Linux's system calls, all through one gate
//! (`formats::gate`). The functions do what those of the runtime do (`runtime/src/platform`), without `std`, libc or
//! thread-local storage:
//!
//! - `start`: the first instruction, the auxiliary vector, the way into `bf_main`. `gate`: system calls.
//! - `api`: the guest interface. `arguments`, `files`, `heap`, `clock`, `devices`, `pool`, `threads`, `interrupt`: what is
//!   behind it.
//! - `fault`: a program that faults, named by function and source line (`names`: the tables the linker makes).
//!   `progress`: the watchdog.
//! - `copy`: `memcpy` and its kin, which generated code calls; `numbers`: rounding. Other such helpers
//!   come from `compiler_builtins`.
//!
//! Memory of its own is a few kilobytes of statics, and the heap grows by what the guest asks for.

#![cfg_attr(not(test), no_std)]
#![allow(unsafe_code)]
// Without its start most of it is called by nobody.
#![cfg_attr(not(feature = "freestanding"), allow(dead_code))]

mod api;
mod arguments;
mod clock;
mod copy;
mod cpu;
mod devices;
mod fault;
mod files;
mod gate;
mod heap;
mod interrupt;
mod names;
mod numbers;
mod output;
mod pool;
mod progress;
#[cfg(feature = "freestanding")]
mod start;
mod thread_locals;
mod threads;

/// Exit code of a program that cannot be run.
const EXIT_REFUSED: i32 = 63;

#[cfg(feature = "freestanding")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write;
    let mut out = output::Stderr::new();
    let _ = writeln!(out, "\nerror: bug of the program's support code: {info}");
    out.flush();
    gate::exit(101)
}
