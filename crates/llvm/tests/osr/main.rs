//! On-stack replacement from IR text to running code: leave a loop at any of its polls, go on elsewhere, same result.

mod harness;
mod memory;
mod polls;
mod refusals;
mod shapes;
