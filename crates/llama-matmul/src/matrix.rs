//! A matrix of weights: loaded once, repacked on the way, read row by row or multiplied.

use alloc::string::String;
use alloc::vec::Vec;

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

/// Bytes read from the file at a time, about.
const READ_BYTES: usize = 1 << 20;

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
    /// Reads a tensor, a megabyte at a time, into `scratch`, which the next tensor can use as well; `threads` threads put
    /// what was read in its place.
    ///
    /// One thread reads. When all did, they waited in turns for the disk, on processors that the device needs under an
    /// emulator: loading took more than twice as long.
    ///
    /// # Errors
    /// [`MatrixError`] with the tensor's name.
    pub fn load<S: Source + ?Sized>(
        source: &S,
        info: &TensorInfo,
        threads: usize,
        scratch: &mut Vec<u8>,
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

        let groups_at_once = (READ_BYTES / (row_bytes * GROUP_ROWS)).max(1);
        let rows_at_once = (groups_at_once * GROUP_ROWS).min(rows).max(1);
        let chunk_bytes = rows_at_once * row_bytes;
        if let Some(more) = chunk_bytes.checked_sub(scratch.len()) {
            scratch
                .try_reserve_exact(more)
                .map_err(|_| memory(chunk_bytes))?;
            scratch.resize(chunk_bytes, 0);
        }
        let places = data.chunks_mut(groups_at_once * group_bytes);
        for (first, groups) in (0..rows).step_by(rows_at_once).zip(places) {
            let count = rows_at_once.min(rows - first);
            let chunk = &mut scratch[..count * row_bytes];
            source
                .read_at(info.offset + (first * row_bytes) as u64, chunk)
                .map_err(|error| MatrixError::Read {
                    name: info.name.clone(),
                    error,
                })?;
            let chunk = &*chunk;
            parallel::split(threads, group_bytes, groups, |range, groups| {
                let sixteen = GROUP_ROWS * row_bytes;
                let from = chunk[range.start / group_bytes * sixteen..].chunks(sixteen);
                for (rows, group) in from.zip(groups.chunks_exact_mut(group_bytes)) {
                    for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
                        put_row(format, row, lane, group);
                    }
                }
            });
        }
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
