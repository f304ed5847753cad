//! The tokens of a model as its file lists them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::ModelError;
use crate::metadata::{Metadata, StringTable};

/// Which algorithm turns text into the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VocabularyKind {
    /// Byte-level BPE (`tokenizer.ggml.model` = `gpt2`).
    Gpt2 {
        /// Name of the rule that splits text before merging (`tokenizer.ggml.pre`).
        pre_tokenizer: String,
    },
    /// SentencePiece (`tokenizer.ggml.model` = `llama`), and llama2.c's tokenizer files.
    Llama,
}

/// What a token stands for (`tokenizer.ggml.token_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A piece of text.
    Normal,
    /// What text without a token becomes.
    Unknown,
    /// A mark without text: begin, end, role.
    Control,
    /// A piece of text that is matched before anything else.
    UserDefined,
    /// Never produced.
    Unused,
    /// One byte, written `<0xNN>`.
    Byte,
}

/// The tokens of a model. Holding one guarantees: `kinds` and, if not empty, `scores` are as long
/// as `tokens`; every special id is below `tokens.len()`; there is at least one token.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabulary {
    /// Which algorithm.
    pub kind: VocabularyKind,
    /// Text of each token, in the encoding of its algorithm.
    pub tokens: StringTable,
    /// Score of each token (SentencePiece); empty for BPE.
    pub scores: Vec<f32>,
    /// Kind of each token.
    pub kinds: Vec<TokenKind>,
    /// BPE merges `left right`, the first is the most important.
    pub merges: StringTable,
    /// Begin of text.
    pub bos: Option<u32>,
    /// End of text.
    pub eos: Option<u32>,
    /// End of a turn, if it is not `eos`.
    pub eot: Option<u32>,
    /// What text without a token becomes.
    pub unknown: Option<u32>,
    /// Whether a prompt starts with `bos`.
    pub add_bos: bool,
    /// Whether a prompt ends with `eos`.
    pub add_eos: bool,
    /// Whether a space is put before the text (SentencePiece).
    pub add_space_prefix: bool,
}

impl Vocabulary {
    /// Reads the `tokenizer.` keys, taking the large ones out of `metadata`.
    ///
    /// # Errors
    /// [`ModelError`] naming the key that is missing or wrong.
    pub fn from_metadata(metadata: &mut Metadata) -> Result<Self, ModelError> {
        let model = metadata
            .text("tokenizer.ggml.model")?
            .unwrap_or_default()
            .to_string();
        let pre = metadata
            .text("tokenizer.ggml.pre")?
            .unwrap_or_default()
            .to_string();
        let kind = match model.as_str() {
            "gpt2" => VocabularyKind::Gpt2 { pre_tokenizer: pre },
            "llama" => VocabularyKind::Llama,
            "" => {
                return Err(ModelError::MissingKey {
                    key: "tokenizer.ggml.model",
                });
            }
            _ => return Err(ModelError::UnsupportedTokenizer { found: model }),
        };
        let is_bpe = kind != VocabularyKind::Llama;
        let tokens = metadata
            .take_texts("tokenizer.ggml.tokens")?
            .filter(|tokens| !tokens.is_empty())
            .ok_or(ModelError::MissingKey {
                key: "tokenizer.ggml.tokens",
            })?;
        let same_length = |what, found: usize| {
            if found == tokens.len() {
                return Ok(());
            }
            Err(ModelError::Inconsistent {
                what,
                left: found as u64,
                right: tokens.len() as u64,
            })
        };
        let mut kinds = Vec::new();
        reserve(&mut kinds, tokens.len())?;
        match metadata.numbers("tokenizer.ggml.token_type")? {
            None => kinds.resize(tokens.len(), TokenKind::Normal),
            Some(numbers) => {
                same_length("there are not as many token types as tokens", numbers.len())?;
                kinds.extend(numbers.iter().map(|number| match number.as_u64() {
                    Some(2) => TokenKind::Unknown,
                    Some(3) => TokenKind::Control,
                    Some(4) => TokenKind::UserDefined,
                    Some(5) => TokenKind::Unused,
                    Some(6) => TokenKind::Byte,
                    _ => TokenKind::Normal,
                }));
            }
        }
        let mut scores = Vec::new();
        if !is_bpe {
            let numbers =
                metadata
                    .numbers("tokenizer.ggml.scores")?
                    .ok_or(ModelError::MissingKey {
                        key: "tokenizer.ggml.scores",
                    })?;
            same_length("there are not as many scores as tokens", numbers.len())?;
            reserve(&mut scores, tokens.len())?;
            scores.extend(numbers.iter().map(|number| number.as_f32().unwrap_or(0.0)));
        }
        for key in ["tokenizer.ggml.scores", "tokenizer.ggml.token_type"] {
            drop(metadata.take(key));
        }
        let merges = match metadata.take_texts("tokenizer.ggml.merges")? {
            Some(merges) => merges,
            None if is_bpe => {
                return Err(ModelError::MissingKey {
                    key: "tokenizer.ggml.merges",
                });
            }
            None => StringTable::default(),
        };
        let special = |key: &'static str, default: Option<u64>| {
            let id = metadata.u64(key)?.or(default.filter(|_| !is_bpe));
            match id {
                // Some files mark "none" by an id behind the end.
                Some(id) if id < tokens.len() as u64 => Ok(Some(id as u32)),
                _ => Ok::<_, ModelError>(None),
            }
        };
        // Defaults as in llama.cpp (`llama_vocab::impl::load`).
        let bos = special("tokenizer.ggml.bos_token_id", Some(1))?;
        Ok(Vocabulary {
            bos,
            eos: special("tokenizer.ggml.eos_token_id", Some(2))?,
            eot: special("tokenizer.ggml.eot_token_id", None)?,
            unknown: special("tokenizer.ggml.unknown_token_id", Some(0))?,
            add_bos: bos.is_some()
                && metadata.bool("tokenizer.ggml.add_bos_token")?.unwrap_or(
                    !is_bpe
                        || matches!(&kind, VocabularyKind::Gpt2 { pre_tokenizer }
                            if pre_tokenizer == "llama-bpe"),
                ),
            add_eos: metadata
                .bool("tokenizer.ggml.add_eos_token")?
                .unwrap_or(false),
            add_space_prefix: metadata
                .bool("tokenizer.ggml.add_space_prefix")?
                .unwrap_or(!is_bpe),
            kind,
            tokens,
            scores,
            kinds,
            merges,
        })
    }
}

fn reserve<T>(list: &mut Vec<T>, count: usize) -> Result<(), ModelError> {
    list.try_reserve_exact(count)
        .map_err(|_| ModelError::OutOfMemory {
            bytes: count.saturating_mul(size_of::<T>()),
        })
}
