//! Cutting marks such as `<|im_start|>` out of a text.

use alloc::vec;
use alloc::vec::Vec;
use llama_model::{TokenKind, Vocabulary};

use crate::Marks;

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text to be tokenized; not empty.
    Text(&'a str),
    /// A mark.
    Token(u32),
}

/// The ids that are matched as a whole, longest text first.
#[derive(Debug, Clone)]
pub struct Specials {
    ids: Vec<u32>,
}

impl Specials {
    #[inline(never)] // as `Lookup::new`
    pub fn new(vocabulary: &Vocabulary) -> Self {
        let is_special = |kind| {
            matches!(
                kind,
                TokenKind::Control | TokenKind::UserDefined | TokenKind::Unknown
            )
        };
        let mut ids: Vec<u32> = (0..vocabulary.tokens.len())
            .filter(|&id| is_special(vocabulary.kinds[id]))
            .filter(|&id| !vocabulary.tokens.get(id).is_empty())
            .map(|id| id as u32)
            .collect();
        // Stable: of equally long texts the smaller id is tried first.
        ids.sort_by_key(|&id| core::cmp::Reverse(vocabulary.tokens.get(id as usize).len()));
        Specials { ids }
    }

    /// Cuts `text`. User-defined tokens are always matched, control tokens only on request.
    pub fn cut<'a>(&self, vocabulary: &Vocabulary, text: &'a str, marks: Marks) -> Vec<Piece<'a>> {
        let mut pieces = vec![];
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        for &id in &self.ids {
            let user_defined = vocabulary.kinds[id as usize] == TokenKind::UserDefined;
            let mark = vocabulary.tokens.get(id as usize);
            if (marks == Marks::AsText && !user_defined) || !text.contains(mark) {
                continue;
            }
            let before = core::mem::take(&mut pieces);
            for piece in before {
                match piece {
                    Piece::Token(_) => pieces.push(piece),
                    Piece::Text(text) => {
                        for (index, part) in text.split(mark).enumerate() {
                            if index > 0 {
                                pieces.push(Piece::Token(id));
                            }
                            if !part.is_empty() {
                                pieces.push(Piece::Text(part));
                            }
                        }
                    }
                }
            }
        }
        pieces
    }
}
