//! Text to tokens and back: byte-level BPE and SentencePiece.
//!
//! A [`Tokenizer`] is made of the vocabulary a model file carries. Encoding first cuts out special
//! tokens (marks such as `<|im_start|>`), then splits and merges what is between them:
//!
//! ```text
//! text -> [special cut] -> gpt2:  pre-tokenizer's words -> bytes -> merges by rank    (bpe.rs)
//!                       -> llama: characters -> merges by score -> bytes as fallback  (spm.rs)
//! ```
//!
//! Token ids are those of llama.cpp for the same file and text; its `llama-vocab.cpp` and
//! `unicode.cpp` are the reference for every detail.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bpe;
mod lookup;
mod pre;
mod special;
mod spm;
mod stream;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use llama_model::{StringTable, TokenKind, Vocabulary, VocabularyKind};
use thiserror::Error;

pub use pre::PreTokenizer;
pub use stream::Utf8Stream;

use crate::bpe::Bpe;
use crate::lookup::Lookup;
use crate::special::{Piece, Specials};

/// Why a vocabulary cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenizerError {
    /// A rule for splitting words that we do not know.
    #[error(
        "pre-tokenizer `{found}` is not supported; supported are smollm, gpt-2 and llama-bpe \
         (if it is empty, convert the model again with a current llama.cpp)"
    )]
    PreTokenizer {
        /// `tokenizer.ggml.pre`.
        found: String,
    },
}

/// Whether marks such as `<|im_start|>` in the text become their tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// They are text like any other: for what a user types.
    AsText,
    /// They become control tokens: for templates.
    Parse,
}

/// Whether to begin and end with the tokens the model wants there (`add_bos`, `add_eos`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// Only the text.
    Bare,
    /// As the vocabulary says.
    AsModelWants,
}

/// Turns text into tokens and tokens into bytes.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    vocabulary: Vocabulary,
    lookup: Lookup,
    specials: Specials,
    algorithm: Algorithm,
    ends: Vec<u32>,
}

#[derive(Debug, Clone)]
enum Algorithm {
    Bpe(Bpe),
    Spm,
}

/// Marks that end a text or a turn, whatever the file calls its end of text. The same list as
/// llama.cpp's, for the models supported here.
const END_MARKS: [&str; 7] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "</s>",
];

impl Tokenizer {
    /// Prepares a vocabulary.
    ///
    /// # Errors
    /// [`TokenizerError::PreTokenizer`] if it splits words in a way we do not know.
    pub fn new(mut vocabulary: Vocabulary) -> Result<Self, TokenizerError> {
        let lookup = Lookup::new(&vocabulary.tokens);
        let algorithm = match &vocabulary.kind {
            VocabularyKind::Llama => Algorithm::Spm,
            VocabularyKind::Gpt2 { pre_tokenizer } => {
                let pre = PreTokenizer::from_name(pre_tokenizer).ok_or_else(|| {
                    TokenizerError::PreTokenizer {
                        found: pre_tokenizer.to_string(),
                    }
                })?;
                Algorithm::Bpe(Bpe::new(&vocabulary, &lookup, pre))
            }
        };
        // The merges are in their table now.
        vocabulary.merges = StringTable::default();
        let mut ends: Vec<u32> = [vocabulary.eos, vocabulary.eot]
            .into_iter()
            .flatten()
            .collect();
        for mark in END_MARKS {
            if let Some(id) = lookup.find(&vocabulary.tokens, mark)
                && vocabulary.kinds[id as usize] != TokenKind::Normal
            {
                ends.push(id);
            }
        }
        ends.sort_unstable();
        ends.dedup();
        let specials = Specials::new(&vocabulary);
        Ok(Tokenizer {
            vocabulary,
            lookup,
            specials,
            algorithm,
            ends,
        })
    }

    /// What the model file says about its tokens, without the merges.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.vocabulary.tokens.len()
    }

    /// Whether there is no token; never true for a vocabulary from a file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vocabulary.tokens.is_empty()
    }

    /// The token whose text, as it is in the file, is `text`.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<u32> {
        self.lookup.find(&self.vocabulary.tokens, text)
    }

    /// Whether this token ends a text or a turn.
    #[must_use]
    pub fn is_end(&self, id: u32) -> bool {
        self.ends.binary_search(&id).is_ok()
    }

    /// The tokens of `text`.
    #[must_use]
    pub fn encode(&self, text: &str, marks: Marks, ends: Ends) -> Vec<u32> {
        self.encode_parts([(text, marks)], ends)
    }

    /// The tokens of a text given in parts that differ in whether marks in them count. Words may
    /// reach over the border of two parts, as if the text had been given whole.
    pub fn encode_parts<'a>(
        &self,
        parts: impl IntoIterator<Item = (&'a str, Marks)>,
        ends: Ends,
    ) -> Vec<u32> {
        let mut out = Vec::new();
        let wants = ends == Ends::AsModelWants;
        if wants && self.vocabulary.add_bos {
            out.extend(self.vocabulary.bos);
        }
        let mut text = String::new();
        for (part, marks) in parts {
            for piece in self.specials.cut(&self.vocabulary, part, marks) {
                match piece {
                    Piece::Text(piece) => text.push_str(piece),
                    Piece::Token(id) => {
                        self.encode_text(&text, &mut out);
                        text.clear();
                        out.push(id);
                    }
                }
            }
        }
        self.encode_text(&text, &mut out);
        if wants && self.vocabulary.add_eos {
            out.extend(self.vocabulary.eos);
        }
        out
    }

    /// Appends the tokens of a text without marks, which begins the whole or follows a mark.
    fn encode_text(&self, text: &str, out: &mut Vec<u32>) {
        if text.is_empty() {
            return;
        }
        match &self.algorithm {
            Algorithm::Bpe(bpe) => bpe.encode(&self.vocabulary, &self.lookup, text, out),
            Algorithm::Spm => {
                let prefix = self.vocabulary.add_space_prefix;
                spm::encode(&self.vocabulary, &self.lookup, text, prefix, out);
            }
        }
    }

    /// Appends the bytes of token `id` to `out`; control tokens and ids behind the end have none.
    /// One token may be a part of a character: see [`Utf8Stream`].
    pub fn decode(&self, id: u32, out: &mut Vec<u8>) {
        let Some(&kind) = self.vocabulary.kinds.get(id as usize) else {
            return;
        };
        let text = self.vocabulary.tokens.get(id as usize);
        match (kind, &self.algorithm) {
            (TokenKind::Control | TokenKind::Unknown | TokenKind::Unused, _) => {}
            (TokenKind::UserDefined, _) => out.extend(text.as_bytes()),
            (_, Algorithm::Bpe(_)) => bpe::decode(text, out),
            (TokenKind::Byte, Algorithm::Spm) => out.extend(spm::byte_of(text)),
            (TokenKind::Normal, Algorithm::Spm) => spm::decode(text, out),
        }
    }

    /// The text of `ids`, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn text(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::new();
        ids.iter().for_each(|&id| self.decode(id, &mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
