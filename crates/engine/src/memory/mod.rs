//! Code memory of the tiers: one near region, a linker for units, safe freeing.
//!
//! ```text
//!  object (ELF, from LLVM) --link--> Unit --store its address in the slot--> called
//!                                     |  a better unit is published in its place
//!                                     v
//!                              retire --every thread has acknowledged--> pages free
//! ```
//!
//! Why not JITLink here: the word a call of a guest function goes through must be the function's slot, units are freed one
//! by one, there is a limit, everything must be within reach of everything, and linking must not cost milliseconds.

mod budget;
mod debug;
mod elf;
mod error;
mod link;
mod pages;
mod protocol;
mod reclaim;
mod region;
mod stack;
mod sync;
mod unit;

pub use budget::{Budget, Charge};
pub(crate) use debug::Debug;
pub use debug::SourceFrame;
pub use error::MemoryError;
pub use link::{Symbol, Symbols, link};
pub use reclaim::{Freed, Guard, Reclaimer};
pub use region::{Cell, Region, RegionConfig};
pub use unit::{Unit, UnitFunction, install, install_at};
