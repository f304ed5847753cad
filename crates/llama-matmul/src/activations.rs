//! Columns of activations, encoded as the formats of weights need them.

use alloc::vec::Vec;

use guest::simd::{LANES, Simd, Task, Words, dispatch, f16_from_f32, f16_to_f32};

/// How activations are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    F32,
    /// ggml's `Q8_0` and `Q8_1`: blocks of 32 signed bytes, a scale rounded to f16, and the sum.
    Q8,
    /// ggml's `Q8_K`: blocks of 256 signed bytes, an f32 scale, and sums of 16.
    Q8K,
}

/// `columns` vectors of `len` numbers, one after the other: `f32`, and the encodings asked for.
#[derive(Debug, Default)]
pub struct Activations {
    len: usize,
    columns: usize,
    values: Vec<f32>, // (columns, len)
    q8: Option<()>,
    q8k: Option<()>,
    pub(crate) words: Vec<Words>,   // (columns, len / 32)
    pub(crate) scales: Vec<f32>,    // (columns, len / 32)
    pub(crate) sums: Vec<f32>,      // (columns, len / 32): scale times sum of the bytes, f16
    pub(crate) counts: Vec<i32>,    // (columns, len / 32): sum of the bytes
    pub(crate) words_k: Vec<Words>, // (columns, len / 32)
    pub(crate) scales_k: Vec<f32>,  // (columns, len / 256)
    pub(crate) counts_k: Vec<i32>,  // (columns, len / 16)
}

impl Activations {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for `columns` vectors of `len` numbers and gives them out to be written; what was
    /// encoded before is void.
    pub fn fill(&mut self, len: usize, columns: usize) -> &mut [f32] {
        (self.len, self.columns) = (len, columns);
        (self.q8, self.q8k) = (None, None);
        self.values.resize(len * columns, 0.0);
        &mut self.values
    }

    /// Numbers of a vector.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Vectors.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The numbers as they were written, `(columns, len)`.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Encodes all columns, if that has not been done since [`fill`](Self::fill).
    ///
    /// Vectors whose length is not a whole number of blocks cannot be encoded; no matrix of a
    /// format with blocks can have such rows.
    pub fn encode(&mut self, encoding: Encoding) {
        match encoding {
            Encoding::F32 => {}
            Encoding::Q8 if self.q8.is_none() => {
                let blocks = self.values.len() / 32;
                self.words.resize(blocks, [0; 8]);
                self.scales.resize(blocks, 0.0);
                self.sums.resize(blocks, 0.0);
                self.counts.resize(blocks, 0);
                dispatch(EncodeQ8(self));
                self.q8 = Some(());
            }
            Encoding::Q8K if self.q8k.is_none() => {
                self.words_k.resize(self.values.len() / 32, [0; 8]);
                self.scales_k.resize(self.values.len() / 256, 0.0);
                self.counts_k.resize(self.values.len() / 16, 0);
                self.encode_q8k();
                self.q8k = Some(());
            }
            Encoding::Q8 | Encoding::Q8K => {}
        }
    }

    /// As ggml's `quantize_row_q8_K`: the number of largest size, with its sign, becomes -127.
    fn encode_q8k(&mut self) {
        let (blocks, _) = self.values.as_chunks::<256>();
        for (b, x) in blocks.iter().enumerate() {
            let mut largest = 0.0f32;
            for x in x {
                if x.abs() > largest.abs() {
                    largest = *x;
                }
            }
            let factor = if largest == 0.0 {
                0.0
            } else {
                -127.0 / largest
            };
            self.scales_k[b] = if largest == 0.0 { 0.0 } else { 1.0 / factor };
            for (k, x) in x.as_chunks::<32>().0.iter().enumerate() {
                let words = round(x, factor);
                self.counts_k[16 * b + 2 * k] = count(&words[..4]);
                self.counts_k[16 * b + 2 * k + 1] = count(&words[4..]);
                self.words_k[8 * b + k] = words;
            }
        }
    }
}

/// Added to a number below 2^22 in size, it rounds it to a whole one, to even between two, and
/// leaves that in the low bits: 1.5 * 2^23, whose own low byte is zero.
const ROUND: f32 = 12_582_912.0;

/// `x * factor` as signed bytes.
#[inline(always)]
fn round(x: &[f32; 32], factor: f32) -> Words {
    let mut words = [0; 8];
    for (word, x) in words.iter_mut().zip(x.as_chunks::<4>().0) {
        *word = i32::from_le_bytes(x.map(|x| (x * factor + ROUND).to_bits() as u8));
    }
    words
}

/// Sum of signed bytes.
#[inline(always)]
fn count(words: &[i32]) -> i32 {
    let bytes = words.iter().flat_map(|w| w.to_le_bytes());
    bytes.map(|b| i32::from(b as i8)).sum()
}

struct EncodeQ8<'a>(&'a mut Activations);

impl Task for EncodeQ8<'_> {
    type Output = ();

    /// As ggml's `quantize_row_q8_1` for x86: scale `largest / 127`, rounding to nearest even.
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let a = self.0;
        let (blocks, _) = a.values.as_chunks::<32>();
        let zero = s.splat(0.0);
        for (b, x) in blocks.iter().enumerate() {
            let mut sizes = zero;
            for x in x.as_chunks::<LANES>().0 {
                let x = s.load(x);
                sizes = s.max(s.max(x, s.sub(zero, x)), sizes);
            }
            let largest = s.largest(sizes);
            let d = largest / 127.0;
            let factor = if largest > 0.0 { 127.0 / largest } else { 0.0 };
            let words = round(x, factor);
            let count = count(&words);
            a.words[b] = words;
            a.counts[b] = count;
            a.scales[b] = f16_to_f32(f16_from_f32(d));
            a.sums[b] = f16_to_f32(f16_from_f32(count as f32 * d));
        }
    }
}
