//! A matrix of weights: loaded once, repacked on the way, read row by row or multiplied.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use guest::buffer::Buffer;
use guest::parallel;
use guest::simd::f16_to_f32;
use llama_model::{ReadError, Source, TensorFormat, TensorInfo};
use thiserror::Error;

use crate::activations::Encoding;
use crate::layout::{GROUP_ROWS, block_bytes, group_bytes, put_row};

/// Why a matrix could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MatrixError {
    /// The machine has too little memory.
    #[error(
        "out of memory: tensor `{name}` needs {bytes} bytes; give the machine more memory or take a smaller model"
    )]
    OutOfMemory {
        /// The tensor.
        name: String,
        /// Bytes asked for.
        bytes: usize,
    },
    /// The file could not be read.
    #[error("tensor `{name}`: {error}")]
    Read {
        /// The tensor.
        name: String,
        /// What happened.
        error: ReadError,
    },
    /// The record of the tensor contradicts itself.
    #[error(
        "tensor `{name}` has rows of {columns} numbers and {bytes} bytes in all, which {format} cannot be: the file is damaged"
    )]
    Shape {
        /// The tensor.
        name: String,
        /// Its format.
        format: TensorFormat,
        /// Numbers per row.
        columns: usize,
        /// Bytes in the file.
        bytes: u64,
    },
}

/// Bytes that a thread reads from the file at a time, about.
const READ_BYTES: usize = 1 << 18;

/// Threads that load tensors, each with memory for what it reads; one tensor after the other can use them.
#[derive(Debug)]
pub struct Readers(Vec<Buffer<u8>>);

impl Readers {
    /// So many threads, at least one.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Readers((0..threads.max(1)).map(|_| Buffer::empty()).collect())
    }

    /// Sees to it that each has so many bytes; the error is the number that could not be had.
    fn prepare(&mut self, bytes: usize) -> Result<(), usize> {
        for scratch in self.0.iter_mut().filter(|s| s.len() < bytes) {
            *scratch = Buffer::uncleared(bytes).map_err(|e| e.bytes)?;
        }
        Ok(())
    }
}

/// What one thread loads of a tensor.
struct Part<'a> {
    rows: Range<usize>,
    /// Where they go.
    groups: &'a mut [u8],
    scratch: &'a mut Buffer<u8>,
    read: Result<(), ReadError>,
}

impl Part<'_> {
    fn load<S: Source + ?Sized>(
        &mut self,
        source: &S,
        info: &TensorInfo,
        row_bytes: usize,
        group_bytes: usize,
    ) -> Result<(), ReadError> {
        let sixteen = GROUP_ROWS * row_bytes;
        let at_once = (READ_BYTES / sixteen).max(1);
        let places = self.groups.chunks_mut(at_once * group_bytes);
        for (first, groups) in self.rows.clone().step_by(at_once * GROUP_ROWS).zip(places) {
            let count = (at_once * GROUP_ROWS).min(self.rows.end - first);
            let chunk = &mut self.scratch[..count * row_bytes];
            source.read_at(info.offset + (first * row_bytes) as u64, chunk)?;
            for (rows, group) in chunk
                .chunks(sixteen)
                .zip(groups.chunks_exact_mut(group_bytes))
            {
                for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
                    put_row(info.format, row, lane, group);
                }
            }
        }
        Ok(())
    }
}

/// `rows` x `columns` weights in the layout of [`crate::layout`].
///
/// Invariant: `data` is `rows.div_ceil(16)` groups of `group_bytes` bytes.
#[derive(Debug)]
pub struct Matrix {
    format: TensorFormat,
    rows: usize,
    columns: usize,
    group_bytes: usize,
    pub(crate) data: Buffer<u8>,
}

impl Matrix {
    /// Reads a tensor. Each thread of `readers` reads a part of the rows, some at a time, and puts them in their place, so
    /// that the disk works while others compute.
    ///
    /// # Errors
    /// [`MatrixError`] with the tensor's name.
    pub fn load<S: Source + Sync + ?Sized>(
        source: &S,
        info: &TensorInfo,
        readers: &mut Readers,
    ) -> Result<Self, MatrixError> {
        let shape = || MatrixError::Shape {
            name: info.name.clone(),
            format: info.format,
            columns: info.columns(),
            bytes: info.bytes,
        };
        let memory = |bytes| MatrixError::OutOfMemory {
            name: info.name.clone(),
            bytes,
        };
        let (format, rows, columns) = (info.format, info.rows(), info.columns());
        let row_bytes = format.row_bytes(columns).ok_or_else(shape)?;
        if row_bytes == 0 || (row_bytes as u64).checked_mul(rows as u64) != Some(info.bytes) {
            return Err(shape());
        }
        let group_bytes = group_bytes(format, columns / format.block_len()).ok_or_else(shape)?;
        let bytes = rows.div_ceil(GROUP_ROWS).checked_mul(group_bytes);
        let mut data = Buffer::uncleared(bytes.ok_or_else(shape)?).map_err(|e| memory(e.bytes))?;
        // Every byte of a whole group is written below, but for its padding, which nobody reads.
        if let Some(last) = data.len().checked_sub(group_bytes) {
            data[last..].fill(0);
        }

        let sixteen = GROUP_ROWS * row_bytes;
        let groups_at_once = (READ_BYTES / sixteen).max(1);
        let most = (groups_at_once * sixteen).min(rows * row_bytes);
        readers.prepare(most).map_err(memory)?;
        let threads = readers.0.len().min(rows.div_ceil(GROUP_ROWS)).max(1);
        let mut rest = &mut data[..];
        let mut parts: Vec<Part<'_>> = Vec::new();
        for (index, scratch) in readers.0.iter_mut().take(threads).enumerate() {
            let range = parallel::part(rows, GROUP_ROWS, index, threads);
            let (groups, behind) =
                rest.split_at_mut(range.len().div_ceil(GROUP_ROWS) * group_bytes);
            rest = behind;
            parts.push(Part {
                rows: range,
                groups,
                scratch,
                read: Ok(()),
            });
        }
        parallel::split(threads, 1, &mut parts, |_, parts| {
            for part in parts {
                part.read = part.load(source, info, row_bytes, group_bytes);
            }
        });
        let read = parts.into_iter().try_for_each(|part| part.read);
        read.map_err(|error| MatrixError::Read {
            name: info.name.clone(),
            error,
        })?;
        Ok(Matrix {
            format,
            rows,
            columns,
            group_bytes,
            data,
        })
    }

    /// How the weights are stored.
    #[must_use]
    pub fn format(&self) -> TensorFormat {
        self.format
    }

    /// Rows: length of a result.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns: length of an input.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// How activations must be encoded to be multiplied with it.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        match self.format {
            TensorFormat::F32 | TensorFormat::F16 => Encoding::F32,
            TensorFormat::Q8_0 | TensorFormat::Q4_0 | TensorFormat::Q4_1 | TensorFormat::Q6_K => {
                Encoding::Blocks
            }
        }
    }

    /// Blocks of a row.
    pub(crate) fn blocks(&self) -> usize {
        self.columns / self.format.block_len()
    }

    /// All weights, and where group `index` begins in them.
    pub(crate) fn group(&self, index: usize) -> (&[u8], usize) {
        (&self.data, index * self.group_bytes)
    }

    /// Decodes row `index` into `out` (`columns` numbers): an embedding.
    ///
    /// # Panics
    /// If there is no such row, or `out` has another length.
    pub fn row(&self, index: usize, out: &mut [f32]) {
        assert!(index < self.rows && out.len() == self.columns);
        let (group, lane) = (index / GROUP_ROWS, index % GROUP_ROWS);
        let (quant_bytes, scale_bytes) = block_bytes(self.format);
        let group = &self.data[group * self.group_bytes..][..self.group_bytes];
        let (quants, scales) = group.split_at(self.blocks() * quant_bytes);
        let half =
            |bytes: &[u8], at: usize| f16_to_f32(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let len = self.format.block_len();
        for (b, out) in out.chunks_exact_mut(len).enumerate() {
            let q = &quants[b * quant_bytes..][..quant_bytes];
            let s = &scales[b * scale_bytes..][..scale_bytes];
            match self.format {
                TensorFormat::F32 => {
                    let q = &q[4 * lane..];
                    out[0] = f32::from_le_bytes([q[0], q[1], q[2], q[3]]);
                }
                TensorFormat::F16 => out[0] = half(q, 2 * lane),
                TensorFormat::Q8_0 => {
                    let d = half(s, 2 * lane);
                    for (i, out) in out.iter_mut().enumerate() {
                        let byte = (q[64 * (i / 4) + 4 * lane + i % 4] ^ 0x80) as i8;
                        *out = f32::from(byte) * d;
                    }
                }
                TensorFormat::Q4_0 | TensorFormat::Q4_1 => {
                    let d = half(s, 2 * lane);
                    for i in 0..16 {
                        let byte = q[64 * (i / 4) + 4 * lane + i % 4];
                        let nibbles = [f32::from(byte & 15), f32::from(byte >> 4)];
                        [out[i], out[i + 16]] = match self.format {
                            TensorFormat::Q4_0 => nibbles.map(|q| (q - 8.0) * d),
                            _ => nibbles.map(|q| q * d + half(s, 32 + 2 * lane)),
                        };
                    }
                }
                TensorFormat::Q6_K => {
                    let d = half(s, 256 + 2 * lane);
                    for (i, out) in out.iter_mut().enumerate() {
                        let (q, i16) = (&q[384 * (i / 32)..], i % 16);
                        let (g, last) = (i16 / 4, i / 16 % 2);
                        let at = 4 * lane + i % 4;
                        let low = q[64 * g + at] >> (4 * last) & 15;
                        let high = q[256 + 64 * (g / 2) + at] >> (4 * (g % 2) + 2 * last) & 3;
                        let number = f32::from(low | high << 4) - 32.0;
                        let scale = f32::from(s[16 * (i / 16) + lane] as i8);
                        *out = d * scale * number;
                    }
                }
            }
        }
    }
}
