//! The tiered engine from outside: what climbs, what is replaced, what is reported.
//!
//! Programs are IR or C text. Most run with `compilers: 0`, where the thread that asks waits for its code: so it is
//! known in which tier each call runs. What needs a compiler beside the program holds it back by a gate, not by time.
#![allow(unsafe_code)]

#[path = "tier/calls.rs"]
mod calls;
#[path = "tier/climb.rs"]
mod climb;
#[path = "tier/limits.rs"]
mod limits;
#[path = "tier/loops.rs"]
mod loops;
#[path = "tier/optimise.rs"]
mod optimise;
#[path = "tier/queue.rs"]
mod queue;
#[path = "tier/special.rs"]
mod special;
#[path = "tier/support.rs"]
mod support;
#[path = "tier/threads.rs"]
mod threads;
#[path = "tier/told.rs"]
mod told;
#[path = "tier/view.rs"]
mod view;
