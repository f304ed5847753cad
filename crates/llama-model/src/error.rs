//! What can be wrong with a model file, and what to do about it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use thiserror::Error;

use crate::{ReadError, TensorFormat};

/// Most of a name from a file that a message repeats, in characters.
const QUOTED: usize = 64;

/// A name from the file as it may stand in a message: a damaged one is long, or would move the console's cursor.
fn quoted(name: &str) -> String {
    let mut quoted: String = name
        .chars()
        .take(QUOTED)
        .flat_map(char::escape_debug)
        .collect();
    if name.chars().nth(QUOTED).is_some() {
        quoted.push_str("...");
    }
    quoted
}

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
    #[error("the model has no tensor `{name}`: it is incomplete or of another architecture", name = quoted(.name))]
    MissingTensor {
        /// The name looked for.
        name: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor `{name}` has shape {found:?}, the configuration needs {expected:?}", name = quoted(.name))]
    TensorShape {
        /// The tensor.
        name: String,
        /// Its shape in the file, ne0 first.
        found: Vec<usize>,
        /// The shape that fits the configuration.
        expected: Vec<usize>,
    },
    /// Two tensors have one name.
    #[error("tensor `{name}` is in the file twice: the file is damaged", name = quoted(.name))]
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
    /// Neither GGUF nor llama2.c.
    #[error(
        "this is not a model we know: it begins with the bytes {magic:02x?}; \
         expected a GGUF file (47 47 55 46) or a llama2.c file whose length fits its header"
    )]
    NotAModel {
        /// First four bytes.
        magic: [u8; 4],
    },
    /// A GGUF file of another version.
    #[error(
        "GGUF version {found} is not supported, only 2 and 3: convert the model again with a current llama.cpp"
    )]
    Version {
        /// The version found.
        found: u32,
    },
    /// A GGUF file for big-endian machines.
    #[error(
        "this GGUF file is big-endian; fetch the little-endian one, or convert it with gguf_convert_endian.py"
    )]
    BigEndian,
    /// One of llama2.c's newer formats.
    #[error(
        "llama2.c files of version 1 and 2 (magic ak42) are not supported: export the model with \
         `export.py --version 0`"
    )]
    Llama2cVersion,
    /// Something is wrong with the value of a key.
    #[error("key `{key}`: {error}", key = quoted(.key))]
    InKey {
        /// The key.
        key: String,
        /// What is wrong.
        error: Box<ModelError>,
    },
    /// A key is in the file twice.
    #[error("key `{key}` is in the file twice: the file is damaged", key = quoted(.key))]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key that must be there is not.
    #[error("the file has no key `{key}`: it is incomplete or not a language model")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A value has a type it must not have.
    #[error("key `{key}` is {found}, expected {expected}", key = quoted(.key))]
    WrongType {
        /// The key.
        key: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A type number that GGUF does not define.
    #[error(
        "type number {found} at offset {offset} is not one of GGUF's that can stand here: the file is damaged"
    )]
    UnknownType {
        /// The number.
        found: u32,
        /// Where it is.
        offset: u64,
    },
    /// `general.alignment` is not a power of two.
    #[error("general.alignment is {found}, expected a power of two: the file is damaged")]
    Alignment {
        /// Its value.
        found: u64,
    },
    /// A tensor has no or more than four dimensions, an empty one, or more numbers than can be addressed.
    #[error(
        "tensor `{name}` (record at offset {record_offset}) has an impossible shape: the file is damaged",
        name = quoted(.name)
    )]
    BadShape {
        /// The tensor.
        name: String,
        /// Where its record is.
        record_offset: u64,
    },
    /// A tensor is stored in a format we do not read.
    #[error(
        "tensor `{name}` is stored as {ggml_name} (number {number}); supported are F32, F16, Q8_0, \
         Q4_0, Q4_1 and Q6_K: requantise the model, for example `llama-quantize model.gguf out.gguf Q4_0`",
        name = quoted(.name)
    )]
    UnsupportedFormat {
        /// The tensor.
        name: String,
        /// Number of the format in the file.
        number: u32,
        /// What ggml calls it.
        ggml_name: &'static str,
    },
    /// A row is not a whole number of blocks.
    #[error(
        "tensor `{name}`: rows of {columns} numbers cannot be stored as {format}: the file is damaged",
        name = quoted(.name)
    )]
    PartialBlock {
        /// The tensor.
        name: String,
        /// Its format.
        format: TensorFormat,
        /// Length of its rows.
        columns: usize,
    },
    /// A tensor does not start at a multiple of the alignment.
    #[error(
        "tensor `{name}` starts at {offset} of the data, not a multiple of {alignment}: the file is damaged",
        name = quoted(.name)
    )]
    Misaligned {
        /// The tensor.
        name: String,
        /// Its offset from the start of the data.
        offset: u64,
        /// The alignment of the file.
        alignment: u64,
    },
    /// A tensor goes beyond the end of the file.
    #[error(
        "tensor `{name}` (record at offset {record_offset}) needs {bytes} bytes at {offset} of the \
         data, which has {data_bytes}: the file is truncated; fetch it again",
        name = quoted(.name)
    )]
    TensorOutside {
        /// The tensor.
        name: String,
        /// Where its record is.
        record_offset: u64,
        /// Its offset from the start of the data.
        offset: u64,
        /// Its length in bytes.
        bytes: u64,
        /// Bytes of data in the file.
        data_bytes: u64,
    },
    /// The tensors together are longer than the data.
    #[error(
        "with tensor `{name}` the tensors need {total} bytes but the data has {data_bytes}: \
         they overlap, the file is damaged",
        name = quoted(.name)
    )]
    TensorsOverlap {
        /// The tensor at which it was noticed.
        name: String,
        /// Bytes up to and including it.
        total: u64,
        /// Bytes of data in the file.
        data_bytes: u64,
    },
    /// A tensor that a Llama network does not have.
    #[error(
        "the model has a tensor `{name}` that the llama architecture as supported here does not use \
         (biases and experts are not supported)",
        name = quoted(.name)
    )]
    UnexpectedTensor {
        /// The tensor.
        name: String,
    },
    /// A norm that is not F32.
    #[error("tensor `{name}` is stored as {found}; norms must be F32, as llama.cpp writes them", name = quoted(.name))]
    NormFormat {
        /// The tensor.
        name: String,
        /// Its format.
        found: TensorFormat,
    },
    /// Another architecture.
    #[error(
        "the model's architecture is `{found}`; supported is `llama` (Llama, TinyLlama, SmolLM2, Mistral)",
        found = quoted(.found)
    )]
    Architecture {
        /// `general.architecture`.
        found: String,
    },
    /// A mixture of experts.
    #[error("the model is a mixture of experts, which is not supported: use a dense Llama model")]
    Experts,
    /// A tokenizer we do not have.
    #[error(
        "tokenizer `{found}` is not supported; supported are `llama` (SentencePiece) and `gpt2` (byte-level BPE)",
        found = quoted(.found)
    )]
    UnsupportedTokenizer {
        /// `tokenizer.ggml.model`.
        found: String,
    },
    /// A stretching of positions we do not have.
    #[error(
        "rope scaling `{found}` is not supported; supported are none, linear, and Llama 3's factors \
         (tensor rope_freqs.weight)",
        found = quoted(.found)
    )]
    RopeScaling {
        /// `llama.rope.scaling.type`.
        found: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::string::ToString;

    #[test]
    fn names_of_damaged_files_stay_short_and_printable() {
        let key = "a\u{1b}[2J\n".to_owned() + &"\u{0}".repeat(10_000);
        let error = ModelError::InKey {
            key: key.clone(),
            error: Box::new(ModelError::BadFloat {
                what: "theta",
                found: 0.0,
            }),
        };
        let text = error.to_string();
        assert!(text.starts_with("key `a\\u{1b}[2J\\n\\0") && text.contains("...`: theta is 0"));
        assert!(
            text.len() < 500 && !text.contains(char::is_control),
            "{text}"
        );
        for error in [
            ModelError::DuplicateTensor { name: key.clone() },
            ModelError::DuplicateKey { key: key.clone() },
            ModelError::Architecture { found: key.clone() },
            ModelError::UnsupportedTokenizer { found: key },
        ] {
            assert!(error.to_string().len() < 500, "{error}");
        }
        let plain = ModelError::MissingTensor {
            name: "blk.0.attn_q.weight".to_owned(),
        };
        assert!(plain.to_string().contains("`blk.0.attn_q.weight`"));
    }
}
