//! Matrices in block formats, repacked for vectors, and their products.
//!
//! ```text
//!   file: rows of blocks --Matrix::load--> groups of 16 rows, one row a lane     (layout)
//!   x: f32 columns --Activations--> 16-bit numbers with a scale per block        (activations)
//!   Matrix x Activations --multiply--> f32, row ranges on all threads            (product)
//! ```
//!
//! A product has one order of additions, whatever the vector width, the number of threads or of
//! columns: within a block of 32 numbers the sum is one of integers and exact; blocks are
//! added in sequence, each row in a lane of its own. So a token's result is the same bits whether it
//! comes alone or in a batch.
//!
//! Activations have 16 bits where ggml has 8: rounding them to 8 adds noise that tips close decisions
//! (and that differs between builds of llama.cpp itself), while byte products of twice as many bytes
//! still keep up with the memory that the weights come from.

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
