//! RMSNorm, and sums in one order.
//!
//! One rule holds for all float arithmetic of the program: **a sum has one order**. It does not
//! depend on vector width, number of threads, batch size or platform, so the same model and seed
//! give the same text everywhere. Long sums run in [`LANES`] partial sums, element `i` in lane
//! `i % LANES`, which are added up at the end in a fixed tree: exactly what a vector unit does, and
//! what a machine without one can do as well. Nothing is contracted to fused multiply-adds.

#![no_std]
#![forbid(unsafe_code)]

mod rms;
mod sum;

pub use rms::rms_norm;
pub use sum::{LANES, sum_lanes, sum_of_squares};
