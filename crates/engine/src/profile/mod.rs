//! What running a program teaches about it.
//!
//! ```text
//!   interpreter, counters in O0..O2 code, probes --atomics--> FunctionProfile     (function, values)
//!                                                                 |  a plain copy
//!                                                                 v
//!                                              FunctionReport --> ProfileReport --> text, JSON
//! ```
//!
//! Whoever counts does it with relaxed atomics, from any thread, and never waits. Whoever reads takes a copy.

pub mod branches;
pub mod cycles;
pub mod function;
pub mod probe;
pub mod regions;
pub mod report;
pub mod text;
pub mod tier;
pub mod values;

pub use cycles::CyclesReport;
pub use function::{FunctionProfile, FunctionReport};
pub use report::{LoopReport, ProfileReport};
pub use text::TextOptions;
pub use tier::Tier;
pub use values::{Alignment, TopValues};
