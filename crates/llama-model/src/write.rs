//! Writes GGUF v3 files: for generated models and tests of the parser.
//!
//! A [`GgufWriter`] collects keys and tensor records; [`GgufWriter::head`] is everything before
//! the data. The caller then writes the tensors in the order they were declared, each padded to
//! [`ALIGNMENT`] bytes, so that a file may be larger than memory.

pub mod synthetic;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::{TensorFormat, gguf};

/// Tensors start at multiples of this.
pub const ALIGNMENT: u64 = 32;

/// Collects the head of a GGUF file.
#[derive(Debug, Clone, Default)]
pub struct GgufWriter {
    pairs: Vec<u8>,
    n_pairs: u64,
    tensors: Vec<(String, Vec<usize>, TensorFormat)>,
}

impl GgufWriter {
    /// A file without keys or tensors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn string(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }

    /// Adds a key with a value that is already encoded.
    pub fn raw(&mut self, key: &str, kind: u32, value: &[u8]) -> &mut Self {
        Self::string(&mut self.pairs, key);
        self.pairs.extend(kind.to_le_bytes());
        self.pairs.extend(value);
        self.n_pairs += 1;
        self
    }

    /// Adds a string.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        let mut bytes = Vec::new();
        Self::string(&mut bytes, value);
        self.raw(key, 8, &bytes)
    }

    /// Adds a number.
    pub fn u32(&mut self, key: &str, value: u32) -> &mut Self {
        self.raw(key, 4, &value.to_le_bytes())
    }

    /// Adds a floating-point number.
    pub fn f32(&mut self, key: &str, value: f32) -> &mut Self {
        self.raw(key, 6, &value.to_le_bytes())
    }

    /// Adds a truth value.
    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, 7, &[u8::from(value)])
    }

    fn array(&mut self, key: &str, kind: u32, count: usize, elements: &[u8]) -> &mut Self {
        let mut bytes = Vec::with_capacity(elements.len() + 12);
        bytes.extend(kind.to_le_bytes());
        bytes.extend((count as u64).to_le_bytes());
        bytes.extend(elements);
        self.raw(key, 9, &bytes)
    }

    /// Adds an array of strings.
    pub fn texts<T: AsRef<str>>(&mut self, key: &str, values: &[T]) -> &mut Self {
        let mut bytes = Vec::new();
        values
            .iter()
            .for_each(|text| Self::string(&mut bytes, text.as_ref()));
        self.array(key, 8, values.len(), &bytes)
    }

    /// Adds an array of signed numbers.
    pub fn i32s(&mut self, key: &str, values: &[i32]) -> &mut Self {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.array(key, 5, values.len(), &bytes)
    }

    /// Adds an array of floating-point numbers.
    pub fn f32s(&mut self, key: &str, values: &[f32]) -> &mut Self {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.array(key, 6, values.len(), &bytes)
    }

    /// Declares a tensor (ne0 first); its rows must be whole blocks.
    pub fn tensor(&mut self, name: &str, shape: &[usize], format: TensorFormat) -> &mut Self {
        self.tensors
            .push((name.to_string(), shape.to_vec(), format));
        self
    }

    /// Length of a tensor in bytes, without padding.
    #[must_use]
    pub fn tensor_bytes(shape: &[usize], format: TensorFormat) -> u64 {
        let (Some(&columns), rows) = (shape.first(), shape.iter().skip(1).product::<usize>())
        else {
            return 0;
        };
        format.row_bytes(columns).unwrap_or(0) as u64 * rows as u64
    }

    /// The declared tensors, in order: name, shape, format.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize], TensorFormat)> {
        self.tensors
            .iter()
            .map(|(name, shape, format)| (name.as_str(), shape.as_slice(), *format))
    }

    /// Everything before the data, padded to [`ALIGNMENT`].
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(gguf::MAGIC);
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend(self.n_pairs.to_le_bytes());
        out.extend(&self.pairs);
        let mut offset = 0u64;
        for (name, shape, format) in &self.tensors {
            Self::string(&mut out, name);
            out.extend((shape.len() as u32).to_le_bytes());
            shape
                .iter()
                .for_each(|&length| out.extend((length as u64).to_le_bytes()));
            out.extend(format.gguf_number().to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += Self::tensor_bytes(shape, *format).next_multiple_of(ALIGNMENT);
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
        out
    }

    /// The whole file; `fill` gives each tensor's bytes.
    #[must_use]
    pub fn file(&self, mut fill: impl FnMut(&str, &mut [u8])) -> Vec<u8> {
        let mut out = self.head();
        for (name, shape, format) in self.tensors() {
            let start = out.len();
            let bytes = Self::tensor_bytes(shape, format) as usize;
            out.resize(start + bytes, 0);
            fill(name, &mut out[start..]);
            out.resize(start + bytes.next_multiple_of(ALIGNMENT as usize), 0);
        }
        out
    }
}
