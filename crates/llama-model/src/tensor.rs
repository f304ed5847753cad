//! Tensors as the file describes them: name, shape, block format, place.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::ModelError;

/// How the numbers of a tensor are stored. Block layouts: `llama-matmul`, and `ggml-common.h` of
/// ggml, which defined them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types)] // the names ggml gave them
pub enum TensorFormat {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// 32 signed bytes and one f16 scale.
    Q8_0,
    /// 32 nibbles minus 8 and one f16 scale.
    Q4_0,
    /// 32 nibbles, one f16 scale and one f16 minimum.
    Q4_1,
    /// 256 six-bit numbers minus 32, 16 signed 8-bit scales, one f16 scale.
    Q6_K,
}

impl TensorFormat {
    /// Every format there is.
    pub const ALL: [TensorFormat; 6] = [
        Self::F32,
        Self::F16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q6_K,
    ];

    /// The format with this number in a GGUF file (`enum ggml_type`), if we read it.
    #[must_use]
    pub fn from_gguf(number: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.gguf_number() == number)
    }

    /// Its number in a GGUF file (`enum ggml_type`).
    #[must_use]
    pub const fn gguf_number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q8_0 => 8,
            Self::Q6_K => 14,
        }
    }

    /// Numbers per block.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => 32,
            Self::Q6_K => 256,
        }
    }

    /// Bytes per block.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Q8_0 => 2 + 32,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q6_K => 128 + 64 + 16 + 2,
        }
    }

    /// Bytes of a row of `len` numbers, or `None` if `len` is not a whole number of blocks or the
    /// result does not fit.
    #[must_use]
    pub const fn row_bytes(self, len: usize) -> Option<usize> {
        if !len.is_multiple_of(self.block_len()) {
            return None;
        }
        (len / self.block_len()).checked_mul(self.block_bytes())
    }

    /// Its name, as ggml writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q6_K => "Q6_K",
        }
    }
}

impl fmt::Display for TensorFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One tensor of the file. Holding one from a [`TensorIndex`] guarantees: `shape` has 1 to 4
/// entries, none of them zero; `shape[0]` is a whole number of blocks; `bytes` is exactly what the
/// shape and format need; `offset + bytes` is inside the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name, in GGUF's terms (`blk.0.attn_q.weight`).
    pub name: String,
    /// Lengths of the dimensions; `shape[0]` (ne0) varies fastest: a row of a matrix has
    /// `shape[0]` columns, and there are `shape[1]` rows.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub format: TensorFormat,
    /// First byte, from the start of the file.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
}

impl TensorInfo {
    /// Numbers in one row (ne0).
    #[must_use]
    pub fn columns(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Rows: the product of all dimensions but the first.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Bytes of one row as stored.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.format.row_bytes(self.columns()).unwrap_or(0)
    }
}

/// The tensors of a file by name.
#[derive(Debug, Clone, Default)]
pub struct TensorIndex {
    tensors: BTreeMap<String, TensorInfo>,
}

impl TensorIndex {
    pub(crate) fn insert(&mut self, info: TensorInfo) -> Result<(), ModelError> {
        if self.tensors.contains_key(&info.name) {
            return Err(ModelError::DuplicateTensor { name: info.name });
        }
        self.tensors.insert(info.name.clone(), info);
        Ok(())
    }

    /// The tensor called `name`, if the file has it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// The tensor called `name`, which must have this shape (ne0 first).
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`] or [`ModelError::TensorShape`].
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&TensorInfo, ModelError> {
        let info = self
            .find(name)
            .ok_or_else(|| ModelError::MissingTensor { name: name.into() })?;
        if info.shape != shape {
            return Err(ModelError::TensorShape {
                name: name.into(),
                found: info.shape.clone(),
                expected: shape.into(),
            });
        }
        Ok(info)
    }

    /// All tensors, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &TensorInfo> {
        self.tensors.values()
    }

    /// Number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Bytes of all tensors together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.iter().map(|tensor| tensor.bytes).sum()
    }
}
