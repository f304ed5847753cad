//! llama2.c's files: floats behind a header of seven numbers; the tokenizer.
//!
//! ```text
//! i32 dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, context_length
//!     vocab_size < 0: the classifier is a matrix of its own at the end of the file
//! f32 token_embedding (vocab, dim)   attention_norm (layers, dim)
//!     wq (layers, dim, dim)   wk, wv (layers, kv_dim, dim)   wo (layers, dim, dim)
//!     ffn_norm (layers, dim)
//!     w1 (layers, hidden, dim)   w2 (layers, dim, hidden)   w3 (layers, hidden, dim)
//!     final_norm (dim)   two tables of angles (context, head_dim / 2), no longer used
//!     [classifier (vocab, dim)]
//! ```
//!
//! Source: `run.c` and `export.py` (version 0) of karpathy/llama2.c. The file has no magic number,
//! so it is believed only if its length is exactly what its header says.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::metadata::StringTable;
use crate::source::Cursor;
use crate::vocabulary::{TokenKind, Vocabulary, VocabularyKind};
use crate::{ModelConfig, ModelError, RopeScaling, Source, TensorFormat, TensorIndex, TensorInfo};

const HEADER_BYTES: u64 = 28;

/// Longest piece of a tokenizer file.
const MAX_PIECE_BYTES: u32 = 1 << 16;

/// Reads the header of a model and lays out its tensors under GGUF's names.
///
/// # Errors
/// [`ModelError`]; a file that is not of this format gives [`ModelError::NotAModel`].
pub fn parse_model<S: Source + ?Sized>(
    source: &S,
) -> Result<(ModelConfig, TensorIndex), ModelError> {
    let mut cursor = Cursor::new(source);
    let magic = cursor.array("header")?;
    if &magic == b"24ka" {
        return Err(ModelError::Llama2cVersion);
    }
    let mut cursor = Cursor::new(source);
    let mut header = [0i32; 7];
    for field in &mut header {
        *field = cursor.u32("header")? as i32;
    }
    let not_a_model = || ModelError::NotAModel { magic };
    let positive = |field: i32| {
        usize::try_from(field)
            .ok()
            .filter(|&n| n > 0)
            .ok_or_else(not_a_model)
    };
    let [dim, hidden, layers, heads, kv_heads, vocab, context] = header;
    let (dim, n_heads) = (positive(dim)?, positive(heads)?);
    let own_classifier = vocab < 0;
    if !dim.is_multiple_of(n_heads) {
        return Err(not_a_model());
    }
    let config = ModelConfig {
        dim,
        hidden_dim: positive(hidden)?,
        n_layers: positive(layers)?,
        n_heads,
        n_kv_heads: positive(kv_heads)?,
        head_dim: dim / n_heads,
        vocab_size: vocab.unsigned_abs() as usize,
        context_length: positive(context)?,
        rms_eps: 1e-5,
        rope_base: 10_000.0,
        rope_scaling: RopeScaling::None,
        rope_dims: dim / n_heads,
        rope_interleaved: true,
    }
    .validated()
    .map_err(|_| not_a_model())?;

    let expected = layout(&config, own_classifier, |_, _, _| Ok(()))?;
    if expected != Some(source.len()) {
        return Err(not_a_model());
    }
    let mut tensors = TensorIndex::default();
    layout(&config, own_classifier, |name, shape, offset| {
        let numbers: usize = shape.iter().product();
        tensors.insert(TensorInfo {
            name: name.to_string(),
            shape: shape.to_vec(),
            format: TensorFormat::F32,
            offset,
            bytes: numbers as u64 * 4,
        })
    })?;
    Ok((config, tensors))
}

/// Walks over the file's tensors in order, giving name, shape and offset of each to `visit`;
/// returns the length of the file, or `None` if it does not fit 64 bits.
fn layout(
    config: &ModelConfig,
    own_classifier: bool,
    mut visit: impl FnMut(&str, &[usize], u64) -> Result<(), ModelError>,
) -> Result<Option<u64>, ModelError> {
    let ModelConfig {
        dim,
        hidden_dim: hidden,
        vocab_size: vocab,
        ..
    } = *config;
    let kv_dim = config.kv_dim();
    let per_layer: [(&str, &[usize]); 9] = [
        ("attn_norm", &[dim]),
        ("attn_q", &[dim, dim]),
        ("attn_k", &[dim, kv_dim]),
        ("attn_v", &[dim, kv_dim]),
        ("attn_output", &[dim, dim]),
        ("ffn_norm", &[dim]),
        ("ffn_gate", &[dim, hidden]),
        ("ffn_down", &[hidden, dim]),
        ("ffn_up", &[dim, hidden]),
    ];
    let mut offset = Some(HEADER_BYTES);
    let mut place = |name: &str, shape: &[usize]| {
        let Some(start) = offset else { return Ok(()) };
        visit(name, shape, start)?;
        offset = shape
            .iter()
            .try_fold(4u64, |bytes, &length| bytes.checked_mul(length as u64))
            .and_then(|bytes| start.checked_add(bytes));
        Ok::<_, ModelError>(())
    };
    place("token_embd.weight", &[dim, vocab])?;
    for (name, shape) in per_layer {
        for layer in 0..config.n_layers {
            place(&format!("blk.{layer}.{name}.weight"), shape)?;
        }
    }
    place("output_norm.weight", &[dim])?;
    for angles in ["freq_cis_real", "freq_cis_imag"] {
        place(angles, &[config.head_dim / 2, config.context_length])?;
    }
    if own_classifier {
        place("output.weight", &[dim, vocab])?;
    }
    Ok(offset)
}

/// Reads a tokenizer file: `i32` longest piece, then per token `f32` score, `i32` length, bytes.
///
/// Token 0 is "unknown", 1 begins and 2 ends a text, 3 to 258 are the bytes.
///
/// # Errors
/// [`ModelError`] with the offset of what is wrong.
pub fn parse_tokenizer<S: Source + ?Sized>(
    source: &S,
    vocab_size: usize,
) -> Result<Vocabulary, ModelError> {
    let mut cursor = Cursor::new(source);
    cursor.skip(4, "longest piece")?;
    // Every token takes at least eight bytes, so this bounds what is reserved below.
    cursor.check(vocab_size as u64 * 8, "list of pieces")?;
    let mut tokens = StringTable::default();
    let mut scores = Vec::new();
    let mut kinds = vec![];
    for id in 0..vocab_size {
        let score = f32::from_bits(cursor.u32("score")?);
        let offset = cursor.offset();
        let bytes = cursor.u32("length of the piece")?;
        if bytes > MAX_PIECE_BYTES {
            return Err(ModelError::TooLong {
                what: "piece",
                offset,
                found: u64::from(bytes),
                max: u64::from(MAX_PIECE_BYTES),
            });
        }
        let mut piece = Vec::new();
        cursor.append(u64::from(bytes), &mut piece, "piece")?;
        let piece = String::from_utf8(piece).map_err(|_| ModelError::NotText {
            what: "piece",
            offset,
        })?;
        let kind = match id {
            0 => TokenKind::Unknown,
            1 | 2 => TokenKind::Control,
            3..=258 => TokenKind::Byte,
            _ => TokenKind::Normal,
        };
        // The file writes spaces as spaces; SentencePiece, and GGUF, as U+2581.
        let piece = match kind {
            TokenKind::Normal => piece.replace(' ', "\u{2581}"),
            TokenKind::Control => piece.trim().to_string(),
            _ => piece,
        };
        tokens.push(&piece)?;
        scores.push(score);
        kinds.push(kind);
    }
    if cursor.remaining() != 0 {
        return Err(ModelError::Inconsistent {
            what: "the tokenizer file is longer than its tokens: it belongs to a larger vocabulary",
            left: source.len(),
            right: cursor.offset(),
        });
    }
    Ok(Vocabulary {
        kind: VocabularyKind::Llama,
        bos: (vocab_size > 1).then_some(1),
        eos: (vocab_size > 2).then_some(2),
        eot: None,
        unknown: Some(0),
        add_bos: vocab_size > 1,
        add_eos: false,
        add_space_prefix: true,
        tokens,
        scores,
        kinds,
        merges: StringTable::default(),
    })
}
