//! Matrices in block formats, repacked for vectors, and their products.
//!
//! ```text
//!   file: rows of blocks --Matrix::load--> groups of 16 rows, one row a lane     (layout)
//!   x: f32 columns --Activations--> signed bytes with a scale per block          (activations)
//!   Matrix x Activations --multiply--> f32, row ranges on all threads            (product)
//! ```
//!
//! A product has one order of additions, whatever the vector width, the number of threads or of
//! columns: within a block of 32 (or 256) numbers the sum is one of integers and exact; blocks are
//! added in sequence, each row in a lane of its own. So a token's result is the same bits whether it
//! comes alone or in a batch.
//!
//! The numbers are those of ggml's: activations are rounded to bytes block by block with an f16
//! scale (`Q8_0`, `Q8_1`), for `Q6_K` in blocks of 256 with an f32 scale (`Q8_K`).

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod activations;
mod layout;
mod matrix;
mod product;
#[cfg(test)]
mod tests;

pub use activations::{Activations, Encoding};
pub use layout::GROUP_ROWS;
pub use matrix::{Matrix, MatrixError};
pub use product::multiply;
