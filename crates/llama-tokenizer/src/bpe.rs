//! Byte-level BPE: GPT-2's algorithm, merges by rank.
//!
//! Tokens are written in an alphabet of 256 printable characters, one per byte. A word starts as
//! its bytes; the pair with the best rank, leftmost first, is merged until no pair is left that
//! may be. Pairs wait in a heap, symbols are a doubly linked list: a word of n bytes costs
//! O(n log n), so that a text without spaces is no trap.

use alloc::collections::BinaryHeap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::hash::BuildHasher;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use llama_model::Vocabulary;

use crate::lookup::Lookup;
use crate::pre::PreTokenizer;

/// The character that stands for a byte: itself if it prints in Latin-1, else one from U+0100 on
/// (`bytes_to_unicode` of GPT-2).
fn char_of(byte: u8) -> char {
    let shifted = match byte {
        0x00..=0x20 => u32::from(byte),
        0x7F..=0xA0 => u32::from(byte) - 0x7F + 0x21,
        0xAD => 0x43,
        _ => return char::from(byte),
    };
    char::from_u32(0x100 + shifted).unwrap_or('\u{FFFD}')
}

/// The byte a character stands for.
fn byte_of(character: char) -> Option<u8> {
    let byte = match u32::from(character) {
        code @ 0x100..=0x120 => code - 0x100,
        code @ 0x121..=0x142 => code - 0x121 + 0x7F,
        0x143 => 0xAD,
        code => code,
    };
    u8::try_from(byte)
        .ok()
        .filter(|&byte| char_of(byte) == character)
}

/// Appends the bytes that a token's text stands for; other characters are themselves.
pub fn decode(text: &str, out: &mut Vec<u8>) {
    for character in text.chars() {
        match byte_of(character) {
            Some(byte) => out.push(byte),
            None => out.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Merge {
    left: u32,
    right: u32,
    /// The most important merge has rank 0.
    rank: u32,
    merged: u32,
}

/// A prepared vocabulary.
#[derive(Debug, Clone)]
pub struct Bpe {
    pre: PreTokenizer,
    merges: HashTable<Merge>,
    /// Id of each byte. A byte without a token has an id behind the vocabulary: it can be merged,
    /// but if it is left over it is dropped, as llama.cpp does.
    bytes: Vec<u32>,
    vocab_size: u32,
}

fn hash(left: u32, right: u32) -> u64 {
    FixedState::default().hash_one((left, right))
}

impl Bpe {
    #[inline(never)] // as `Lookup::new`
    pub fn new(vocabulary: &Vocabulary, lookup: &Lookup, pre: PreTokenizer) -> Self {
        let tokens = &vocabulary.tokens;
        let vocab_size = tokens.len() as u32;
        let find = |text: &str| {
            lookup.find(tokens, text).or_else(|| {
                let mut characters = text.chars();
                let byte = byte_of(characters.next()?)?;
                characters
                    .next()
                    .is_none()
                    .then_some(vocab_size + u32::from(byte))
            })
        };
        let bytes = (0..=u8::MAX)
            .map(|byte| find(char_of(byte).encode_utf8(&mut [0; 4])).unwrap_or(vocab_size))
            .collect();
        let mut merges = HashTable::with_capacity(vocabulary.merges.len());
        for (rank, line) in vocabulary.merges.iter().enumerate() {
            // The alphabet has no space: a space byte is written as U+0120.
            let Some((left, right)) = line.split_once(' ') else {
                continue;
            };
            let joined = [left, right].concat();
            let (Some(left), Some(right), Some(merged)) =
                (find(left), find(right), lookup.find(tokens, &joined))
            else {
                continue;
            };
            let merge = Merge {
                left,
                right,
                rank: rank as u32,
                merged,
            };
            let entry = merges.entry(
                hash(left, right),
                |other: &Merge| (other.left, other.right) == (left, right),
                |other| hash(other.left, other.right),
            );
            entry.or_insert(merge);
        }
        Bpe {
            pre,
            merges,
            bytes,
            vocab_size,
        }
    }

    /// Appends the tokens of `text`.
    pub fn encode(&self, vocabulary: &Vocabulary, lookup: &Lookup, text: &str, out: &mut Vec<u32>) {
        let mut mapped = String::new();
        self.pre.split(text, |word| {
            // Llama 3: a word that is a token as it is needs no merging.
            if self.pre == PreTokenizer::LlamaBpe {
                mapped.clear();
                mapped.extend(word.bytes().map(char_of));
                if let Some(id) = lookup.find(&vocabulary.tokens, &mapped) {
                    out.push(id);
                    return;
                }
            }
            self.encode_word(word.as_bytes(), out);
        });
    }

    fn encode_word(&self, word: &[u8], out: &mut Vec<u32>) {
        let mut symbols: Vec<Symbol> = word
            .iter()
            .enumerate()
            .map(|(at, &byte)| Symbol {
                id: self.bytes[usize::from(byte)],
                previous: at.wrapping_sub(1),
                next: at + 1,
            })
            .collect();
        let mut pairs = BinaryHeap::new();
        let consider = |symbols: &[Symbol], left: usize, pairs: &mut BinaryHeap<_>| {
            let Some(first) = symbols.get(left) else {
                return;
            };
            let Some(second) = symbols.get(first.next) else {
                return;
            };
            if let Some(merge) = self.merge(first.id, second.id) {
                pairs.push(Reverse((
                    merge.rank,
                    left,
                    merge.left,
                    merge.right,
                    merge.merged,
                )));
            }
        };
        for left in 0..symbols.len() {
            consider(&symbols, left, &mut pairs);
        }
        while let Some(Reverse((_, left, left_id, right_id, merged))) = pairs.pop() {
            let right = symbols[left].next;
            // Either side may have been merged with another since the pair was pushed.
            let still = symbols[left].id == left_id
                && symbols
                    .get(right)
                    .is_some_and(|symbol| symbol.id == right_id);
            if !still {
                continue;
            }
            let after = symbols[right].next;
            symbols[left].id = merged;
            symbols[left].next = after;
            symbols[right].id = GONE;
            if let Some(symbol) = symbols.get_mut(after) {
                symbol.previous = left;
            }
            consider(&symbols, symbols[left].previous, &mut pairs);
            consider(&symbols, left, &mut pairs);
        }
        let mut at = 0;
        while let Some(symbol) = symbols.get(at) {
            if symbol.id < self.vocab_size {
                out.push(symbol.id);
            }
            at = symbol.next;
        }
    }

    fn merge(&self, left: u32, right: u32) -> Option<&Merge> {
        self.merges.find(hash(left, right), |merge| {
            (merge.left, merge.right) == (left, right)
        })
    }
}

/// Id of a symbol that has become part of the one before it.
const GONE: u32 = u32::MAX;

/// A piece of a word; `previous` and `next` are indices, beyond the ends of the list for none.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    id: u32,
    previous: usize,
    next: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_a_bijection() {
        let mut seen = Vec::new();
        for byte in 0..=u8::MAX {
            let character = char_of(byte);
            assert!(
                !character.is_whitespace() && !character.is_control(),
                "{byte:#x}"
            );
            assert_eq!(byte_of(character), Some(byte));
            seen.push(character);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 256);
        // From GPT-2's vocabulary.
        assert_eq!(
            (char_of(b' '), char_of(b'\n'), char_of(0xAD)),
            ('Ġ', 'Ċ', 'Ń')
        );
        assert_eq!(byte_of('漢'), None);
    }
}
