//! SentencePiece: merges by score, bytes for what has no token.
//!
//! Spaces are written as U+2581. A text starts as its characters; of all neighbours whose
//! concatenation is a token the one with the highest score is merged first, leftmost first among
//! equals. Symbols are ranges of the text in a doubly linked list, pairs wait in a heap.
//! A character that is no token in the end becomes one token per byte (`<0xNN>`).

use alloc::collections::BinaryHeap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use llama_model::Vocabulary;

use crate::lookup::Lookup;

/// What a space is written as.
const SPACE: char = '\u{2581}';

/// Appends the bytes that a token's text stands for.
pub fn decode(text: &str, out: &mut Vec<u8>) {
    for (index, part) in text.split(SPACE).enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend(part.as_bytes());
    }
}

/// The byte of a token `<0xNN>`.
pub fn byte_of(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok()
}

fn byte_token(vocabulary: &Vocabulary, lookup: &Lookup, byte: u8) -> Option<u32> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let (high, low) = (
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    );
    let text = [b'<', b'0', b'x', high, low, b'>'];
    lookup.find(&vocabulary.tokens, core::str::from_utf8(&text).ok()?)
}

/// A piece of the text; empty once it is part of the one before it.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    end: usize,
    /// Indices; beyond the ends of the list for none.
    previous: usize,
    next: usize,
}

/// Two neighbours that may be merged.
#[derive(Debug, Clone, Copy)]
struct Pair {
    score: f32,
    left: usize,
    /// End of the pair in the text: another end means that one side has changed since.
    right_start: usize,
    end: usize,
}

impl Ord for Pair {
    /// Greater is merged first: higher score, then further left.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

/// Appends the tokens of `text`, with a space before it if `space_prefix`.
pub fn encode(
    vocabulary: &Vocabulary,
    lookup: &Lookup,
    text: &str,
    space_prefix: bool,
    out: &mut Vec<u32>,
) {
    let mut escaped = String::with_capacity(text.len() + 4);
    if space_prefix {
        escaped.push(SPACE);
    }
    escaped.extend(
        text.chars()
            .map(|character| if character == ' ' { SPACE } else { character }),
    );
    let find = |start, end| lookup.find(&vocabulary.tokens, &escaped[start..end]);

    let mut symbols: Vec<Symbol> = escaped
        .char_indices()
        .enumerate()
        .map(|(index, (start, character))| Symbol {
            start,
            end: start + character.len_utf8(),
            previous: index.wrapping_sub(1),
            next: index + 1,
        })
        .collect();
    let mut pairs = BinaryHeap::new();
    let consider = |symbols: &[Symbol], left: usize, pairs: &mut BinaryHeap<Pair>| {
        let Some(first) = symbols.get(left) else {
            return;
        };
        let Some(second) = symbols.get(first.next) else {
            return;
        };
        if let Some(id) = find(first.start, second.end) {
            let score = vocabulary.scores[id as usize];
            pairs.push(Pair {
                score,
                left,
                right_start: second.start,
                end: second.end,
            });
        }
    };
    for left in 0..symbols.len() {
        consider(&symbols, left, &mut pairs);
    }
    while let Some(pair) = pairs.pop() {
        let left = symbols[pair.left];
        let still = left.start != left.end
            && left.end == pair.right_start
            && symbols
                .get(left.next)
                .is_some_and(|right| right.end == pair.end);
        if !still {
            continue;
        }
        let right = symbols[left.next];
        symbols[left.next].end = right.start;
        symbols[pair.left].end = right.end;
        symbols[pair.left].next = right.next;
        if let Some(after) = symbols.get_mut(right.next) {
            after.previous = pair.left;
        }
        consider(&symbols, left.previous, &mut pairs);
        consider(&symbols, pair.left, &mut pairs);
    }
    let mut at = 0;
    while let Some(symbol) = symbols.get(at) {
        match find(symbol.start, symbol.end) {
            Some(id) => out.push(id),
            None => {
                for &byte in &escaped.as_bytes()[symbol.start..symbol.end] {
                    out.extend(byte_token(vocabulary, lookup, byte).or(vocabulary.unknown));
                }
            }
        }
        at = symbol.next;
    }
}
