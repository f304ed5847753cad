//! What can be wrong with a model file, and what to do about it.

use alloc::string::String;
use alloc::vec::Vec;
use thiserror::Error;

use crate::ReadError;

/// Why a file is not a model we can run.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ModelError {
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The machine has too little memory for what the file needs.
    #[error("out of memory: {bytes} bytes could not be had; give the machine more memory")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// A field or payload goes beyond the end of the file.
    #[error(
        "{what} at offset {offset} needs {wanted} bytes but the file has {left} more: \
         the file is truncated or damaged; fetch it again"
    )]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it starts.
        offset: u64,
        /// Bytes it needs.
        wanted: u64,
        /// Bytes left in the file.
        left: u64,
    },
    /// A length field is larger than the format allows.
    #[error(
        "{what} at offset {offset} claims {found} bytes, at most {max} are allowed: the file is damaged"
    )]
    TooLong {
        /// What was being read.
        what: &'static str,
        /// Where its length field is.
        offset: u64,
        /// The length found.
        found: u64,
        /// The length allowed.
        max: u64,
    },
    /// A string is not UTF-8.
    #[error("{what} at offset {offset} is not UTF-8 text: the file is damaged")]
    NotText {
        /// What was being read.
        what: &'static str,
        /// Where its length field is.
        offset: u64,
    },
    /// The file's tensor is not there.
    #[error("the model has no tensor `{name}`: it is incomplete or of another architecture")]
    MissingTensor {
        /// The name looked for.
        name: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor `{name}` has shape {found:?}, the configuration needs {expected:?}")]
    TensorShape {
        /// The tensor.
        name: String,
        /// Its shape in the file, ne0 first.
        found: Vec<usize>,
        /// The shape that fits the configuration.
        expected: Vec<usize>,
    },
    /// Two tensors have one name.
    #[error("tensor `{name}` is in the file twice: the file is damaged")]
    DuplicateTensor {
        /// The name.
        name: String,
    },
    /// A number is outside of what makes sense.
    #[error("{what} is {found}, expected {min} to {max}")]
    BadNumber {
        /// What the number is.
        what: &'static str,
        /// Its value.
        found: u64,
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
    },
    /// A floating-point number is zero, negative, infinite or not a number.
    #[error("{what} is {found}, expected a positive finite number")]
    BadFloat {
        /// What the number is.
        what: &'static str,
        /// Its value.
        found: f32,
    },
    /// Two numbers do not fit together.
    #[error("{what} ({left} and {right})")]
    Inconsistent {
        /// What does not fit.
        what: &'static str,
        /// The first number.
        left: u64,
        /// The second number.
        right: u64,
    },
}
