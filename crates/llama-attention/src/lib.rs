//! Attention: rotary positions, KV cache, softmax.
//!
//! ```text
//!   q, k --Rope::rotate--> k, v --KvCache::write--> f16, laid out for vectors
//!   q x keys -> scores -> softmax -> sum of values    (attend, heads on all threads)
//! ```
//!
//! Every sum has one order: a score is summed over the dimensions in sequence, with sixteen
//! positions in the lanes; the values are summed over the positions in sequence, with sixteen
//! dimensions in the lanes. Neither depends on vector width, threads or batch.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod attend;
mod cache;
mod rope;
#[cfg(test)]
mod tests;

pub use attend::attend;
pub use cache::{CHUNK_POSITIONS, KvCache, Shape};
pub use rope::Rope;
