//! What the guest calls and what only the platform knows; all of this crate's `unsafe` is here.
//!
//! `api` is the guest interface, `pool` and `threads` its threads, `devices` keys, serial line and sleep, `fault` what happens when a guest faults, `clock` where time
//! starts, `memory` large allocations, `call` the step into compiled code, `machine` what the bare machine's kernel
//! measured, `build` which build this is, `watch` what the program's output tells, `jit` the engine as
//! the guest sees it, `embed` engines of the guest's own,
//! `regions` stretches it marks, `progress` the watchdog.

#![allow(unsafe_code)]

pub mod api;
pub mod build;
pub mod call;
pub mod clock;
pub mod devices;
pub mod embed;
pub mod fault;
pub mod interrupt;
pub mod jit;
pub mod machine;
pub mod memory;
pub mod pool;
pub mod progress;
mod regions;
pub mod threads;
pub mod watch;

/// Handlers of faults need memory whatever state the usual allocator is in.
#[global_allocator]
static ALLOCATOR: fault::spare::Allocator = fault::spare::Allocator::new();

/// Whether this is the bare machine. Everything else is found out by asking the system, which answers alike.
pub fn is_machine() -> bool {
    std::env::var_os("BAREFLOW_MACHINE").is_some()
}
