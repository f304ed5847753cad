//! Columns of activations, encoded as the formats of weights need them.

use alloc::vec::Vec;

use guest::simd::{LANES, Simd, Task, Words, cut, dispatch};

/// How activations are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    F32,
    /// Blocks of 32 numbers of 16 bits with an f32 scale.
    Blocks,
}

/// Size of the largest number of a block, encoded: it still has a signed high byte and room for the
/// low one's sign.
const LARGEST: f32 = 32_512.0;

/// 32 encoded activations.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Block {
    /// The numbers, cut into bytes.
    pub words: Words,
    /// Value of 1.
    pub scale: f32,
    /// Sums of the first and of the last 16 numbers.
    pub counts: [i32; 2],
}

impl Block {
    /// Sum of the numbers.
    #[inline(always)]
    pub fn count(&self) -> i32 {
        self.counts[0] + self.counts[1]
    }
}

/// `columns` vectors of `len` numbers, one after the other: `f32`, and encoded when asked for.
#[derive(Debug, Default)]
pub struct Activations {
    len: usize,
    columns: usize,
    values: Vec<f32>, // (columns, len)
    encoded: bool,
    pub(crate) blocks: Vec<Block>, // (columns, len / 32)
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
        self.encoded = false;
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
        if encoding == Encoding::Blocks && !self.encoded {
            let blocks = self.values.len() / 32;
            self.blocks.resize(blocks, Block::default());
            dispatch(Encode(&self.values, &mut self.blocks));
            self.encoded = true;
        }
    }
}

/// Added to a number below 2^22 in size, it rounds it to a whole one, to even between two, and
/// leaves that in the low bits: 1.5 * 2^23, whose own low 16 bits are zero.
const ROUND: f32 = 12_582_912.0;

struct Encode<'a>(&'a [f32], &'a mut [Block]);

impl Task for Encode<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (blocks, _) = self.0.as_chunks::<32>();
        let zero = s.splat(0.0);
        for (x, block) in blocks.iter().zip(self.1) {
            let mut sizes = zero;
            for x in x.as_chunks::<LANES>().0 {
                let x = s.load(x);
                sizes = s.max(s.max(x, s.sub(zero, x)), sizes);
            }
            let largest = s.largest(sizes);
            let factor = if largest > 0.0 {
                LARGEST / largest
            } else {
                0.0
            };
            let (mut numbers, mut counts) = ([0; 32], [0; 2]);
            for i in 0..32 {
                numbers[i] = (x[i] * factor + ROUND).to_bits() as i16;
            }
            for i in 0..16 {
                counts[0] += i32::from(numbers[i]);
                counts[1] += i32::from(numbers[16 + i]);
            }
            *block = Block {
                words: cut(&numbers),
                scale: largest / LARGEST,
                counts,
            };
        }
    }
}
