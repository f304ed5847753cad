//! How repacked weights lie in memory, and how blocks of a file get there.
//!
//! Sixteen rows make a group; rows that are missing in the last one are zero. A group holds the
//! quants of all its blocks, then the scales of all its blocks, and is padded to a cache line:
//!
//! ```text
//!   group: | quants of block 0 | block 1 | ... | scales of block 0 | block 1 | ... | padding |
//!
//!   format  numbers  quants of a block (16 rows)                      scales of a block
//!   F32     1        f32 x 16
//!   F16     1        f16 x 16
//!   Q8_0    32       8 vectors: number 4 g.. of each row, + 128       f16 x 16
//!   Q4_0/1  32       4 vectors: numbers 4 g.. low, 16 + 4 g.. high    f16 x 16 (Q4_1: twice, d then m)
//!   Q6_K    256      8 x (4 vectors of low nibbles, 2 of high bits)   i8 x 16 x 16, f16 x 16
//! ```
//!
//! A vector is 64 bytes: four consecutive numbers of each of the sixteen rows. [`guest::simd`]
//! defines the bits inside. Repacking moves 32-bit words (a transposition) and takes exactly as many
//! bytes as the file's blocks.

use llama_model::TensorFormat;

/// Rows of a group: lanes of a vector.
pub const GROUP_ROWS: usize = 16;

/// Bytes of quants and of scales that sixteen rows of one block take.
pub fn block_bytes(format: TensorFormat) -> (usize, usize) {
    match format {
        TensorFormat::F32 => (64, 0),
        TensorFormat::F16 => (32, 0),
        TensorFormat::Q8_0 => (512, 32),
        TensorFormat::Q4_0 => (256, 32),
        TensorFormat::Q4_1 => (256, 64),
        TensorFormat::Q6_K => (8 * 384, 256 + 32),
    }
}

/// Bytes of a group of rows of `blocks` blocks; `None` if that does not fit.
pub fn group_bytes(format: TensorFormat, blocks: usize) -> Option<usize> {
    let (quants, scales) = block_bytes(format);
    blocks
        .checked_mul(quants + scales)?
        .checked_next_multiple_of(64)
}

/// Copies `N` bytes.
fn copy<const N: usize>(to: &mut [u8], at: usize, from: &[u8]) {
    to[at..at + N].copy_from_slice(&from[..N]);
}

/// Puts one row, as the file has it, into lane `lane` of its group.
pub fn put_row(format: TensorFormat, row: &[u8], lane: usize, group: &mut [u8]) {
    let blocks = row.len() / format.block_bytes();
    let (quant_bytes, scale_bytes) = block_bytes(format);
    let (quants, scales) = group.split_at_mut(blocks * quant_bytes);
    match format {
        TensorFormat::F32 => {
            put_words(row, lane, quants, |number| number);
        }
        TensorFormat::F16 => {
            for (number, to) in row.chunks_exact(2).zip(quants.chunks_exact_mut(32)) {
                copy::<2>(to, 2 * lane, number);
            }
        }
        _ => {
            let from = row.chunks_exact(format.block_bytes());
            let to = quants.chunks_exact_mut(quant_bytes);
            let to = to.zip(scales.chunks_exact_mut(scale_bytes));
            let put = match format {
                TensorFormat::Q8_0 => put_bytes,
                TensorFormat::Q4_0 => put_nibbles::<2>,
                TensorFormat::Q4_1 => put_nibbles::<4>,
                _ => put_super_block,
            };
            for (block, (to, scale)) in from.zip(to) {
                put(block, lane, to, scale);
            }
        }
    }
}

// Blocks of the formats. Each is a function of its own, so that a program compiles those its model has.

/// A block of `Q8_0`.
#[inline(never)]
fn put_bytes(block: &[u8], lane: usize, to: &mut [u8], scale: &mut [u8]) {
    copy::<2>(scale, 2 * lane, block);
    put_words(&block[2..], lane, to, |word| word ^ 0x8080_8080);
}

/// Puts the words of a row into lane `lane` of one vector each, changed by `change`.
#[inline(always)]
fn put_words(row: &[u8], lane: usize, to: &mut [u8], change: impl Fn(u32) -> u32) {
    assert!(lane < GROUP_ROWS);
    let (words, vectors) = (row.as_chunks::<4>().0, to.as_chunks_mut::<64>().0);
    for (word, vector) in words.iter().zip(vectors) {
        let lanes = vector.as_chunks_mut::<4>().0;
        lanes[lane] = change(u32::from_ne_bytes(*word)).to_ne_bytes();
    }
}

/// A block of `Q4_0` (`HEAD` = 2 bytes before the nibbles) or `Q4_1` (4).
#[inline(never)]
fn put_nibbles<const HEAD: usize>(block: &[u8], lane: usize, to: &mut [u8], scale: &mut [u8]) {
    copy::<2>(scale, 2 * lane, block);
    if HEAD == 4 {
        copy::<2>(scale, 32 + 2 * lane, &block[2..]);
    }
    put_words(&block[HEAD..], lane, to, |word| word);
}

/// A block of `Q6_K`.
#[inline(never)]
fn put_super_block(block: &[u8], lane: usize, to: &mut [u8], scale: &mut [u8]) {
    for (k, to) in to.chunks_exact_mut(384).enumerate() {
        put_six_bits(&six_bits(block, k), lane, to);
    }
    for (k, factor) in block[192..208].iter().enumerate() {
        scale[16 * k + lane] = *factor;
    }
    copy::<2>(scale, 256 + 2 * lane, &block[208..]);
}

/// Numbers `32 k..32 k + 32` of a `Q6_K` block of the file, 0..=63.
pub fn six_bits(block: &[u8], k: usize) -> [u8; 32] {
    let (half, quarter) = (k / 4, k % 4);
    let low = &block[64 * half + 32 * (quarter % 2)..][..32];
    let high = &block[128 + 32 * half..][..32];
    let mut numbers = [0; 32];
    for (i, number) in numbers.iter_mut().enumerate() {
        let nibble = low[i] >> (4 * (quarter / 2)) & 15;
        *number = nibble | (high[i] >> (2 * quarter) & 3) << 4;
    }
    numbers
}

/// Puts 32 numbers of six bits into lane `lane` of four vectors of nibbles and two of high bits.
fn put_six_bits(numbers: &[u8; 32], lane: usize, to: &mut [u8]) {
    for g in 0..4 {
        for i in 0..4 {
            let (first, last) = (numbers[4 * g + i], numbers[16 + 4 * g + i]);
            to[64 * g + 4 * lane + i] = first & 15 | last << 4;
            let bits = first >> 4 | (last >> 4) << 2;
            let high = &mut to[256 + 64 * (g / 2) + 4 * lane + i];
            *high = if g % 2 == 0 { bits } else { *high | bits << 4 };
        }
    }
}
