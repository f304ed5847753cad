//! Repacked products against plain loops over the blocks as the file has them.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use guest::simd::{f16_from_f32, f16_to_f32};
use llama_model::{SliceSource, TensorFormat, TensorInfo};

use crate::{Activations, Matrix, MatrixError, multiply};

/// Repeatable numbers (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn float(&mut self) -> f32 {
        (self.next() % 20_001) as f32 / 10_000.0 - 1.0
    }

    /// A block of the format with sensible scales and any quants.
    fn block(&mut self, format: TensorFormat) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..format.block_bytes())
            .map(|_| self.next() as u8)
            .collect();
        let scale = f16_from_f32(self.float() / 16.0).to_le_bytes();
        let min = f16_from_f32(self.float()).to_le_bytes();
        match format {
            TensorFormat::F32 => bytes.copy_from_slice(&self.float().to_le_bytes()),
            TensorFormat::F16 => bytes.copy_from_slice(&min),
            TensorFormat::Q8_0 | TensorFormat::Q4_0 => bytes[..2].copy_from_slice(&scale),
            TensorFormat::Q4_1 => {
                bytes[..2].copy_from_slice(&scale);
                bytes[2..4].copy_from_slice(&min);
            }
            TensorFormat::Q6_K => bytes[208..].copy_from_slice(&scale),
        }
        bytes
    }
}

/// A tensor as a file would have it.
struct File {
    info: TensorInfo,
    bytes: Vec<u8>,
}

impl File {
    fn new(format: TensorFormat, rows: usize, columns: usize, seed: u64) -> Self {
        let mut random = Random(seed | 1);
        let blocks = rows * columns / format.block_len();
        let mut bytes = vec![0xAA; 7];
        (0..blocks).for_each(|_| bytes.extend(random.block(format)));
        let info = TensorInfo {
            name: String::from("test"),
            shape: vec![columns, rows],
            format,
            offset: 7,
            bytes: bytes.len() as u64 - 7,
        };
        File { info, bytes }
    }

    fn load(&self) -> Matrix {
        Matrix::load(&SliceSource(&self.bytes), &self.info, 2, &mut Vec::new()).unwrap()
    }

    fn blocks(&self, row: usize) -> impl Iterator<Item = &[u8]> {
        let bytes = self.info.row_bytes();
        self.bytes[7 + row * bytes..][..bytes].chunks_exact(self.info.format.block_bytes())
    }
}

fn half(bytes: &[u8]) -> f32 {
    f16_to_f32(u16::from_le_bytes([bytes[0], bytes[1]]))
}

/// Quants of a block, as whole numbers.
fn quants(format: TensorFormat, block: &[u8]) -> Vec<i32> {
    match format {
        TensorFormat::Q8_0 => block[2..].iter().map(|q| i32::from(*q as i8)).collect(),
        TensorFormat::Q4_0 | TensorFormat::Q4_1 => {
            let q = &block[block.len() - 16..];
            let low = q.iter().map(|q| i32::from(q & 15));
            let all = low.chain(q.iter().map(|q| i32::from(q >> 4)));
            let bias = if format == TensorFormat::Q4_0 { 8 } else { 0 };
            all.map(|q| q - bias).collect()
        }
        TensorFormat::Q6_K => {
            // ggml's dequantize_row_q6_K, word for word.
            let mut out = vec![0; 256];
            for n in 0..2 {
                let (ql, qh) = (&block[64 * n..], &block[128 + 32 * n..]);
                for l in 0..32 {
                    let number = |low: u8, high: u8| i32::from(low & 15 | (high & 3) << 4) - 32;
                    out[128 * n + l] = number(ql[l], qh[l]);
                    out[128 * n + l + 32] = number(ql[l + 32], qh[l] >> 2);
                    out[128 * n + l + 64] = number(ql[l] >> 4, qh[l] >> 4);
                    out[128 * n + l + 96] = number(ql[l + 32] >> 4, qh[l] >> 6);
                }
            }
            out
        }
        TensorFormat::F32 | TensorFormat::F16 => Vec::new(),
    }
}

/// The weights of a block as floats.
fn decode(format: TensorFormat, block: &[u8]) -> Vec<f32> {
    let q = quants(format, block);
    let q = q.iter().map(|q| *q as f32);
    match format {
        TensorFormat::F32 => vec![f32::from_le_bytes(block.try_into().unwrap())],
        TensorFormat::F16 => vec![half(block)],
        TensorFormat::Q8_0 | TensorFormat::Q4_0 => q.map(|q| q * half(block)).collect(),
        TensorFormat::Q4_1 => q.map(|q| q * half(block) + half(&block[2..])).collect(),
        TensorFormat::Q6_K => {
            let scale = |i: usize| half(&block[208..]) * f32::from(block[192 + i / 16] as i8);
            q.enumerate().map(|(i, q)| scale(i) * q).collect()
        }
    }
}

/// 32 numbers in 16 bits, and the value of 1.
fn encode(x: &[f32]) -> (Vec<i32>, f32) {
    let largest = x.iter().fold(0.0f32, |a, x| a.max(x.abs()));
    let factor = if largest == 0.0 {
        0.0
    } else {
        32_512.0 / largest
    };
    // Rounded to the nearest whole number, to even between two.
    let nearest = |x: &f32| (x * factor + 12_582_912.0 - 12_582_912.0) as i32;
    (x.iter().map(nearest).collect(), largest / 32_512.0)
}

/// The product of a row with `x` in the documented order.
fn reference(file: &File, row: usize, x: &[f32]) -> f32 {
    let format = file.info.format;
    let mut sum = 0.0f32;
    for (block, x) in file.blocks(row).zip(x.chunks(format.block_len())) {
        let q = quants(format, block);
        if q.is_empty() {
            sum += decode(format, block)[0] * x[0];
            continue;
        }
        for (k, (q, x)) in q.chunks(32).zip(x.chunks(32)).enumerate() {
            let (x, d) = encode(x);
            let dot = |range: core::ops::Range<usize>| -> f32 {
                let terms = range.map(|i| q[i] * x[i]);
                terms.sum::<i32>() as f32
            };
            sum += match format {
                TensorFormat::Q6_K => {
                    let factor = |i: usize| f32::from(block[192 + 2 * k + i] as i8);
                    let parts = factor(0) * dot(0..16) + factor(1) * dot(16..32);
                    (half(&block[208..]) * d) * parts
                }
                TensorFormat::Q4_1 => {
                    let total: i32 = x.iter().sum();
                    (half(block) * d) * dot(0..32) + half(&block[2..]) * (d * total as f32)
                }
                _ => (half(block) * d) * dot(0..32),
            };
        }
    }
    sum
}

fn activations(len: usize, columns: usize, seed: u64) -> Activations {
    let mut random = Random(seed | 1);
    let mut x = Activations::new();
    x.fill(len, columns).fill_with(|| random.float() * 3.0);
    x
}

#[test]
fn rows_decode_to_their_weights() {
    for format in TensorFormat::ALL {
        let file = File::new(format, 35, 512, 77);
        let matrix = file.load();
        let mut out = vec![0.0; 512];
        for row in 0..35 {
            matrix.row(row, &mut out);
            let expected: Vec<f32> = file.blocks(row).flat_map(|b| decode(format, b)).collect();
            assert_eq!(out, expected, "{format} row {row}");
        }
    }
}

#[test]
fn products_equal_the_plain_ones_bit_for_bit() {
    for format in TensorFormat::ALL {
        for rows in [1, 15, 16, 17, 33, 100] {
            let file = File::new(format, rows, 512, rows as u64);
            let matrix = file.load();
            for (columns, threads) in [(1, 1), (1, 2), (3, 3), (5, 4), (8, 2), (13, 1), (17, 3)] {
                let mut x = activations(512, columns, 5);
                let mut out = vec![f32::NAN; rows * columns];
                multiply(threads, [&matrix], &mut x, [&mut out]);
                for c in 0..columns {
                    for row in 0..rows {
                        let expected = reference(&file, row, &x.values()[512 * c..][..512]);
                        let found = out[c * rows + row];
                        assert_eq!(
                            found.to_bits(),
                            expected.to_bits(),
                            "{format} {rows} rows, {columns} columns, {threads} threads: \
                             row {row} column {c} is {found}, expected {expected}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn products_are_close_to_exact_ones() {
    for format in TensorFormat::ALL {
        let file = File::new(format, 16, 1024, 3);
        let mut x = activations(1024, 1, 9);
        let mut out = vec![0.0; 16];
        multiply(1, [&file.load()], &mut x, [&mut out]);
        for (row, found) in out.iter().enumerate() {
            let weights: Vec<f32> = file.blocks(row).flat_map(|b| decode(format, b)).collect();
            let terms = weights
                .iter()
                .zip(x.values())
                .map(|(w, x)| f64::from(*w) * f64::from(*x));
            let (exact, size) = terms.fold((0.0, 0.0), |(s, a), t| (s + t, a + t.abs()));
            let error = (f64::from(*found) - exact).abs();
            assert!(
                error < 1e-5 * size,
                "{format}: {found} instead of {exact} (of {size})"
            );
        }
    }
}

#[test]
fn several_matrices_share_one_region() {
    let (a, b) = (
        File::new(TensorFormat::Q4_1, 40, 256, 1),
        File::new(TensorFormat::Q6_K, 19, 256, 2),
    );
    let mut x = activations(256, 2, 3);
    let (mut out_a, mut out_b) = (vec![0.0; 80], vec![0.0; 38]);
    multiply(2, [&a.load(), &b.load()], &mut x, [&mut out_a, &mut out_b]);
    for c in 0..2 {
        let x = &x.values()[256 * c..][..256];
        (0..40).for_each(|r| assert_eq!(out_a[40 * c + r], reference(&a, r, x)));
        (0..19).for_each(|r| assert_eq!(out_b[19 * c + r], reference(&b, r, x)));
    }
}

#[test]
fn zeros_and_new_numbers_are_encoded_again() {
    let file = File::new(TensorFormat::Q4_1, 16, 64, 4);
    let matrix = file.load();
    let mut x = activations(64, 1, 8);
    let mut out = vec![0.0; 16];
    multiply(1, [&matrix], &mut x, [&mut out]);
    assert!(out.iter().any(|x| *x != 0.0));
    x.fill(64, 1).fill(0.0);
    multiply(1, [&matrix], &mut x, [&mut out]);
    assert!(out.iter().all(|x| *x == 0.0));
}

#[test]
fn repacking_takes_the_bytes_of_the_file() {
    for format in TensorFormat::ALL {
        let file = File::new(format, 64, 2048, 4);
        assert_eq!(file.load().bytes() as u64, file.info.bytes, "{format}");
    }
}

#[test]
fn damaged_records_are_errors() {
    let mut file = File::new(TensorFormat::Q4_1, 16, 64, 4);
    file.info.bytes -= 1;
    let load = |f: &File| {
        Matrix::load(&SliceSource(&f.bytes), &f.info, 1, &mut Vec::new())
            .map(|_| ())
            .unwrap_err()
    };
    assert!(matches!(load(&file), MatrixError::Shape { .. }));
    file.info.bytes += 1;
    file.info.offset += 1;
    assert!(matches!(load(&file), MatrixError::Read { .. }));
    file.info.shape = vec![33, 16];
    assert!(matches!(load(&file), MatrixError::Shape { .. }));
    file.info.shape = vec![1 << 40, 1 << 20];
    file.info.bytes = (1 << 60) / 32 * 20;
    assert!(matches!(
        load(&file),
        MatrixError::OutOfMemory { .. } | MatrixError::Shape { .. }
    ));
}

/// What lies beside the rows of the last group is zero, whatever the memory held before.
#[test]
fn rows_that_are_missing_are_zero() {
    let matrix = File::new(TensorFormat::F32, 19, 32, 3).load();
    let group = &matrix.data[matrix.data.len() / 2..];
    for vector in group.as_chunks::<64>().0 {
        assert!(vector[..12].iter().any(|byte| *byte != 0));
        assert_eq!(vector[12..], [0; 52]);
    }
}
