//! A small valid model to damage.
#![allow(dead_code)] // each test file uses its own part

use llama_model::TensorFormat::{self, F32};
use llama_model::write::GgufWriter;

pub const DIM: usize = 64;
pub const HIDDEN: usize = 96;
pub const KV_DIM: usize = 32;
pub const VOCAB: usize = 20;
pub const LAYERS: usize = 2;

/// Keys of a valid model of `LAYERS` layers with a SentencePiece vocabulary.
pub fn keys() -> GgufWriter {
    let mut writer = GgufWriter::new();
    writer
        .text("general.architecture", "llama")
        .text("general.name", "tiny")
        .u32("llama.embedding_length", DIM as u32)
        .u32("llama.feed_forward_length", HIDDEN as u32)
        .u32("llama.block_count", LAYERS as u32)
        .u32("llama.attention.head_count", 4)
        .u32("llama.attention.head_count_kv", 2)
        .u32("llama.context_length", 128)
        .f32("llama.attention.layer_norm_rms_epsilon", 1e-5)
        .text("tokenizer.ggml.model", "llama")
        .texts(
            "tokenizer.ggml.tokens",
            &(0..VOCAB).map(|i| format!("t{i}")).collect::<Vec<_>>(),
        )
        .f32s("tokenizer.ggml.scores", &[0.0; VOCAB])
        .i32s("tokenizer.ggml.token_type", &[1; VOCAB])
        .texts("general.languages", &["en", "de"]);
    writer
}

/// Declares all tensors of the model, matrices in `format`.
pub fn declare(writer: &mut GgufWriter, format: TensorFormat) {
    writer.tensor("token_embd.weight", &[DIM, VOCAB], format);
    for layer in 0..LAYERS {
        let mut add = |name: &str, shape: &[usize], format| {
            writer.tensor(&format!("blk.{layer}.{name}.weight"), shape, format);
        };
        add("attn_norm", &[DIM], F32);
        add("attn_q", &[DIM, DIM], format);
        add("attn_k", &[DIM, KV_DIM], format);
        add("attn_v", &[DIM, KV_DIM], format);
        add("attn_output", &[DIM, DIM], format);
        add("ffn_norm", &[DIM], F32);
        add("ffn_gate", &[DIM, HIDDEN], format);
        add("ffn_up", &[DIM, HIDDEN], format);
        add("ffn_down", &[HIDDEN, DIM], format);
    }
    writer.tensor("output_norm.weight", &[DIM], F32);
}

/// A whole valid file.
pub fn file() -> Vec<u8> {
    let mut writer = keys();
    declare(&mut writer, TensorFormat::Q4_0);
    writer.file(|_, _| {})
}
