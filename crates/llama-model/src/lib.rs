//! Model files: GGUF v3 and llama2.c, configuration, tensor index, vocabulary.
//!
//! Data flows one way: bytes behind a [`Source`] are parsed into key/value pairs and tensor
//! records ([`gguf`], [`llama2c`]), validated, and come out as a [`Model`]: a [`ModelConfig`]
//! whose numbers agree with each other and with the tensors, and a [`TensorIndex`] in which every
//! tensor lies inside the file. Weights are not read here: `llama-matmul` streams them from the
//! same [`Source`].
//!
//! Nothing in the file is believed: every length is checked against the file before memory is
//! asked for, so that no file, however damaged, makes the parser use more memory than a small
//! multiple of the file's own size, or panic.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod config;
mod error;
pub mod gguf;
pub mod llama2c;
mod metadata;
mod model;
mod source;
mod tensor;
mod vocabulary;
#[cfg(feature = "write")]
pub mod write;

pub use config::{ModelConfig, RopeScaling};
pub use error::ModelError;
pub use metadata::{Metadata, NumberKind, Numbers, StringTable, Value};
pub use model::{FileFormat, Model, OUTPUT, OUTPUT_NORM, ROPE_FACTORS, TOKEN_EMBEDDING};
pub use source::{ReadError, SliceSource, Source};
pub use tensor::{TensorFormat, TensorIndex, TensorInfo};
pub use vocabulary::{TokenKind, Vocabulary, VocabularyKind};
