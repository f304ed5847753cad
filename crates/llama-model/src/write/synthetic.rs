//! Models of random weights: every shape and tensor format without a download.
//!
//! Weights are uniform with mean 0 and variance `1 / columns`, so that activations neither vanish
//! nor overflow over many layers. The text such a model writes means nothing, but it is the same
//! for the same seed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::TensorFormat;
use crate::write::GgufWriter;

/// Numbers of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Width of the residual stream.
    pub dim: usize,
    /// Width of the feed-forward network's inside.
    pub hidden_dim: usize,
    /// Transformer layers.
    pub n_layers: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Tokens.
    pub vocab_size: usize,
    /// Positions.
    pub context_length: usize,
}

impl Shape {
    /// TinyLlama-1.1B.
    pub const TINY_LLAMA: Shape = Shape {
        dim: 2048,
        hidden_dim: 5632,
        n_layers: 22,
        n_heads: 32,
        n_kv_heads: 4,
        vocab_size: 32_000,
        context_length: 2048,
    };

    /// Small enough for a test, large enough for a block of every format.
    pub const TINY: Shape = Shape {
        dim: 256,
        hidden_dim: 512,
        n_layers: 2,
        n_heads: 8,
        n_kv_heads: 4,
        vocab_size: 320,
        context_length: 128,
    };
}

/// Adds the keys and tensors of a network: matrices in `matrices`, the embedding in `embedding`,
/// and an output matrix of its own in `output`, or the embedding's if that is `None`.
pub fn declare(
    writer: &mut GgufWriter,
    shape: &Shape,
    matrices: TensorFormat,
    embedding: TensorFormat,
    output: Option<TensorFormat>,
) {
    let &Shape {
        dim,
        hidden_dim,
        n_layers,
        n_heads,
        n_kv_heads,
        vocab_size,
        context_length,
    } = shape;
    let kv_dim = dim / n_heads * n_kv_heads;
    writer
        .text("general.architecture", "llama")
        .text("general.name", "random weights")
        .u32("llama.embedding_length", dim as u32)
        .u32("llama.feed_forward_length", hidden_dim as u32)
        .u32("llama.block_count", n_layers as u32)
        .u32("llama.attention.head_count", n_heads as u32)
        .u32("llama.attention.head_count_kv", n_kv_heads as u32)
        .u32("llama.rope.dimension_count", (dim / n_heads) as u32)
        .u32("llama.context_length", context_length as u32)
        .f32("llama.attention.layer_norm_rms_epsilon", 1e-5)
        .tensor("token_embd.weight", &[dim, vocab_size], embedding);
    for layer in 0..n_layers {
        let mut add = |name: &str, shape: &[usize], format| {
            writer.tensor(&format!("blk.{layer}.{name}.weight"), shape, format);
        };
        add("attn_norm", &[dim], TensorFormat::F32);
        add("attn_q", &[dim, dim], matrices);
        add("attn_k", &[dim, kv_dim], matrices);
        add("attn_v", &[dim, kv_dim], matrices);
        add("attn_output", &[dim, dim], matrices);
        add("ffn_norm", &[dim], TensorFormat::F32);
        add("ffn_gate", &[dim, hidden_dim], matrices);
        add("ffn_up", &[dim, hidden_dim], matrices);
        add("ffn_down", &[hidden_dim, dim], matrices);
    }
    writer.tensor("output_norm.weight", &[dim], TensorFormat::F32);
    if let Some(format) = output {
        writer.tensor("output.weight", &[dim, vocab_size], format);
    }
}

/// Adds a SentencePiece vocabulary of `size` tokens (at least 259): the marks, all bytes, and
/// made-up words.
pub fn declare_vocabulary(writer: &mut GgufWriter, size: usize) {
    let (mut tokens, mut scores, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for id in 0..size {
        let (text, kind) = match id {
            0 => (String::from("<unk>"), 2),
            1 => (String::from("<s>"), 3),
            2 => (String::from("</s>"), 3),
            3..=258 => (format!("<0x{:02X}>", id - 3), 6),
            _ => (word(id - 259), 1),
        };
        tokens.push(text);
        scores.push(-(id as f32));
        kinds.push(kind);
    }
    writer
        .text("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", &tokens)
        .f32s("tokenizer.ggml.scores", &scores)
        .i32s("tokenizer.ggml.token_type", &kinds)
        .u32("tokenizer.ggml.bos_token_id", 1)
        .u32("tokenizer.ggml.eos_token_id", 2)
        .u32("tokenizer.ggml.unknown_token_id", 0);
}

/// `▁`, `a`..`z`, then `▁ba`, `▁be`, ...
fn word(mut index: usize) -> String {
    match index {
        0 => return String::from("\u{2581}"),
        1..=26 => return char::from(b'a' + (index - 1) as u8).into(),
        _ => index -= 27,
    }
    let mut text = String::from("\u{2581}");
    loop {
        text.push(char::from(b"bdfgklmnprstvz"[index % 14]));
        index /= 14;
        text.push(char::from(b"aeiou"[index % 5]));
        index /= 5;
        if index == 0 {
            return text;
        }
    }
}

/// SplitMix64.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// In [-1, 1).
    fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }
}

/// An f16 near `value`, whose magnitude must be below 65504; tiny ones become 0.
fn f16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let exponent = ((bits >> 23) & 0xFF) as i32 - 127 + 15;
    if exponent <= 0 {
        return sign;
    }
    sign | (exponent as u16) << 10 | ((bits >> 13) & 0x3FF) as u16
}

/// Fills `out`, whole rows of `columns` numbers in `format`, with random weights. Rows of norms
/// (names ending in `norm.weight`) are around 1.
pub fn fill(name: &str, format: TensorFormat, columns: usize, seed: u64, out: &mut [u8]) {
    let name_hash = name.bytes().fold(seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    let mut random = Random(name_hash);
    // A uniform number in [-a, a] has the variance a^2 / 3.
    let amplitude = inverse_root(columns as f32 / 3.0);
    let is_norm = name.ends_with("norm.weight");
    for block in out.chunks_exact_mut(format.block_bytes()) {
        match format {
            TensorFormat::F32 => {
                let value = if is_norm {
                    1.0 + random.signed() / 4.0
                } else {
                    random.signed() * amplitude
                };
                block.copy_from_slice(&value.to_le_bytes());
            }
            TensorFormat::F16 => {
                let value = random.signed() * amplitude;
                block.copy_from_slice(&f16_bits(value).to_le_bytes());
            }
            TensorFormat::Q8_0 => {
                block[..2].copy_from_slice(&scale(&mut random, amplitude / 127.0));
                for byte in &mut block[2..] {
                    *byte = (random.next() >> 32) as u8;
                }
            }
            TensorFormat::Q4_0 => {
                block[..2].copy_from_slice(&scale(&mut random, amplitude / 7.0));
                fill_words(&mut random, &mut block[2..]);
                // -8 has no counterpart: without it the mean is 0.
                for byte in &mut block[2..] {
                    *byte |= u8::from(*byte & 0x0F == 0) << 3 | u8::from(*byte >> 4 == 0) << 7;
                }
            }
            TensorFormat::Q4_1 => {
                let step = amplitude / 7.5;
                block[..2].copy_from_slice(&f16_bits(step).to_le_bytes());
                block[2..4].copy_from_slice(&f16_bits(-amplitude).to_le_bytes());
                fill_words(&mut random, &mut block[4..]);
            }
            TensorFormat::Q6_K => {
                fill_words(&mut random, &mut block[..192]);
                for byte in &mut block[192..208] {
                    *byte = 16 + (random.next() >> 60) as u8;
                }
                block[208..].copy_from_slice(&scale(&mut random, amplitude / (32.0 * 24.0)));
            }
        }
    }
}

fn scale(random: &mut Random, value: f32) -> [u8; 2] {
    f16_bits(value * (1.0 + random.signed() / 8.0)).to_le_bytes()
}

fn fill_words(random: &mut Random, out: &mut [u8]) {
    for chunk in out.chunks_mut(8) {
        chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
    }
}

/// `1 / sqrt(value)` by Newton's method: `core` has no square root.
fn inverse_root(value: f32) -> f32 {
    let mut root = f32::from_bits(0x5F37_59DF - (value.to_bits() >> 1));
    for _ in 0..4 {
        root *= 1.5 - 0.5 * value * root * root;
    }
    root
}

/// A whole small model in memory: [`Shape::TINY`] with every matrix in `format`.
#[must_use]
pub fn tiny(format: TensorFormat, tied: bool, seed: u64) -> Vec<u8> {
    let mut writer = GgufWriter::new();
    declare_vocabulary(&mut writer, Shape::TINY.vocab_size);
    declare(
        &mut writer,
        &Shape::TINY,
        format,
        format,
        (!tied).then_some(format),
    );
    let tensors: Vec<(String, TensorFormat, usize)> = writer
        .tensors()
        .map(|(name, shape, format)| (name.into(), format, shape[0]))
        .collect();
    let mut tensors = tensors.iter();
    writer.file(|name, bytes| {
        if let Some((_, format, columns)) = tensors.next() {
            fill(name, *format, *columns, seed, bytes);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Model, SliceSource};

    #[test]
    fn every_format_opens() {
        for format in TensorFormat::ALL {
            for tied in [true, false] {
                let file = tiny(format, tied, 1);
                let model = Model::open(&SliceSource(&file)).unwrap();
                let query = model.layer_tensor(1, "attn_q", &[256, 256]).unwrap();
                assert_eq!(query.format, format);
            }
        }
        assert_eq!(
            tiny(TensorFormat::Q4_0, true, 1),
            tiny(TensorFormat::Q4_0, true, 1)
        );
        assert_ne!(
            tiny(TensorFormat::Q4_0, true, 1),
            tiny(TensorFormat::Q4_0, true, 2)
        );
    }

    #[test]
    fn weights_have_the_promised_spread() {
        let mut bytes = alloc::vec![0; 18 * 4096];
        fill("w", TensorFormat::Q4_0, 2048, 7, &mut bytes);
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        for block in bytes.chunks_exact(18) {
            let bits = u32::from(u16::from_le_bytes([block[0], block[1]]));
            let scale = f32::from_bits((bits << 13) + ((127 - 15) << 23));
            for &byte in &block[2..] {
                for nibble in [byte & 15, byte >> 4] {
                    let value = f64::from(scale * (f32::from(nibble) - 8.0));
                    sum += value;
                    squares += value * value;
                    count += 1.0;
                }
            }
        }
        let spread = squares / count * 2048.0;
        assert!((0.8..1.4).contains(&spread), "{spread}");
        assert!((sum / count).abs() < 0.001 && (inverse_root(4.0) - 0.5).abs() < 1e-6);
    }
}
