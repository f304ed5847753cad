//! Pre-tokenizers: how byte-level BPE splits text into words before it merges.
//!
//! Each is defined by a regular expression over Unicode categories; here they are written out by
//! hand, with the alternatives in the order of the expression. `\s` is White_Space, `\p{L}` and
//! `\p{N}` are the general categories L* and N*. `(?!\S)` leaves the last of several spaces to
//! the word that follows.

use alloc::vec::Vec;
use unicode_general_category::{GeneralCategory as G, get_general_category};

/// A rule for splitting words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreTokenizer {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    Gpt2,
    /// `\p{N}` alone, then the pattern of GPT-2 on what is between.
    SmolLm,
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}`
    /// `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    LlamaBpe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

fn class_of(character: char) -> Class {
    if character.is_whitespace() {
        return Class::Space;
    }
    match get_general_category(character) {
        G::UppercaseLetter
        | G::LowercaseLetter
        | G::TitlecaseLetter
        | G::ModifierLetter
        | G::OtherLetter => Class::Letter,
        G::DecimalNumber | G::LetterNumber | G::OtherNumber => Class::Number,
        _ => Class::Other,
    }
}

/// A stretch of text with random access to its characters; behind its end there is nothing.
struct Window<'a>(&'a [(char, Class)]);

impl Window<'_> {
    fn char(&self, at: usize) -> Option<char> {
        self.0.get(at).map(|&(character, _)| character)
    }

    fn is(&self, at: usize, class: Class) -> bool {
        self.0.get(at).is_some_and(|&(_, found)| found == class)
    }

    /// First position from `at` on that is not of `class`.
    fn run(&self, mut at: usize, class: Class) -> usize {
        while self.is(at, class) {
            at += 1;
        }
        at
    }

    fn line_ends(&self, mut at: usize) -> usize {
        while matches!(self.char(at), Some('\r' | '\n')) {
            at += 1;
        }
        at
    }

    /// End of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` at `at`.
    fn contraction(&self, at: usize, fold: impl Fn(char) -> char) -> Option<usize> {
        if self.char(at)? != '\'' {
            return None;
        }
        let first = fold(self.char(at + 1)?);
        if matches!(first, 's' | 't' | 'm' | 'd') {
            return Some(at + 2);
        }
        let second = fold(self.char(at + 2)?);
        matches!((first, second), ('r', 'e') | ('v', 'e') | ('l', 'l')).then_some(at + 3)
    }

    /// ` ?X+` for a class X.
    fn spaced_run(&self, at: usize, class: Class) -> Option<usize> {
        let start = at + usize::from(self.char(at) == Some(' '));
        let end = self.run(start, class);
        (end > start).then_some(end)
    }

    /// `\s+(?!\S)|\s+`
    fn spaces(&self, at: usize) -> Option<usize> {
        let end = self.run(at, Class::Space);
        match end - at {
            0 => None,
            1 => Some(end),
            _ if end < self.0.len() => Some(end - 1),
            _ => Some(end),
        }
    }

    fn gpt2(&self, at: usize) -> Option<usize> {
        self.contraction(at, |character| character)
            .or_else(|| self.spaced_run(at, Class::Letter))
            .or_else(|| self.spaced_run(at, Class::Number))
            .or_else(|| self.spaced_run(at, Class::Other))
            .or_else(|| self.spaces(at))
    }

    fn llama_bpe(&self, at: usize) -> Option<usize> {
        self.contraction(at, |character| character.to_ascii_lowercase())
            .or_else(|| {
                let lead = !matches!(self.char(at), Some('\r' | '\n'))
                    && !self.is(at, Class::Number)
                    && !self.is(at, Class::Letter);
                let start = at + usize::from(lead);
                let end = self.run(start, Class::Letter);
                (end > start).then_some(end)
            })
            .or_else(|| match self.run(at, Class::Number) - at {
                0 => None,
                digits => Some(at + digits.min(3)),
            })
            .or_else(|| {
                self.spaced_run(at, Class::Other)
                    .map(|end| self.line_ends(end))
            })
            .or_else(|| {
                // `\s*[\r\n]+` gives back until the last line end of the run.
                let run = at..self.run(at, Class::Space);
                let last = run
                    .rev()
                    .find(|&at| matches!(self.char(at), Some('\r' | '\n')))?;
                Some(last + 1)
            })
            .or_else(|| self.spaces(at))
    }
}

impl PreTokenizer {
    /// The rule that GGUF calls `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "gpt-2" => Self::Gpt2,
            "smollm" => Self::SmolLm,
            "llama-bpe" | "llama3" | "llama-v3" => Self::LlamaBpe,
            _ => return None,
        })
    }

    /// Calls `word` for each word of `text` in order; together they are the text.
    pub fn split<'a>(self, text: &'a str, mut word: impl FnMut(&'a str)) {
        let characters: Vec<(char, Class)> = text
            .chars()
            .map(|character| (character, class_of(character)))
            .collect();
        let mut rest = text;
        let mut emit = |characters: &[(char, Class)]| {
            let bytes = characters
                .iter()
                .map(|&(character, _)| character.len_utf8())
                .sum();
            let (head, tail) = rest.split_at(bytes);
            rest = tail;
            word(head);
        };
        let mut split_window = |characters: &[(char, Class)], rule: &Rule| {
            let window = Window(characters);
            let mut at = 0;
            while at < characters.len() {
                let end = rule(&window, at).unwrap_or(at + 1);
                emit(&characters[at..end]);
                at = end;
            }
        };
        match self {
            Self::Gpt2 => split_window(&characters, &|window, at| window.gpt2(at)),
            Self::LlamaBpe => split_window(&characters, &|window, at| window.llama_bpe(at)),
            Self::SmolLm => {
                let mut start = 0;
                while start < characters.len() {
                    let number = characters[start].1 == Class::Number;
                    let length = characters[start..]
                        .iter()
                        .position(|&(_, class)| (class == Class::Number) != number)
                        .unwrap_or(characters.len() - start);
                    let part = &characters[start..start + length];
                    if number {
                        split_window(part, &|_, at| Some(at + 1));
                    } else {
                        split_window(part, &|window, at| window.gpt2(at));
                    }
                    start += length;
                }
            }
        }
    }
}

/// Where the word that starts at a position ends.
type Rule<'r> = dyn Fn(&Window<'_>, usize) -> Option<usize> + 'r;

#[cfg(test)]
mod tests {
    use super::*;

    fn words(rule: PreTokenizer, text: &str) -> Vec<&str> {
        let mut words = Vec::new();
        rule.split(text, |word| words.push(word));
        assert_eq!(words.concat(), text);
        words
    }

    #[test]
    fn gpt2() {
        let split = |text| words(PreTokenizer::Gpt2, text);
        assert_eq!(split("Hello  world"), ["Hello", " ", " world"]);
        assert_eq!(
            split("it's we'll 'S"),
            ["it", "'s", " we", "'ll", " '", "S"]
        );
        assert_eq!(split("a 123 !? b"), ["a", " 123", " !?", " b"]);
        assert_eq!(split("x\n\n y   "), ["x", "\n\n", " y", "   "]);
        assert_eq!(split(" \u{a0}x"), [" ", "\u{a0}", "x"]);
        assert_eq!(split("'"), ["'"]);
        assert_eq!(split("e\u{301}"), ["e", "\u{301}"]);
        assert!(split("").is_empty());
    }

    #[test]
    fn smollm() {
        let split = |text| words(PreTokenizer::SmolLm, text);
        assert_eq!(split("In 1969,"), ["In", " ", "1", "9", "6", "9", ","]);
        assert_eq!(split("a  1 b"), ["a", "  ", "1", " b"]);
        assert_eq!(split("½²"), ["½", "²"]);
    }

    #[test]
    fn llama_bpe() {
        let split = |text| words(PreTokenizer::LlamaBpe, text);
        assert_eq!(split("12345 it'S"), ["123", "45", " it", "'S"]);
        assert_eq!(split("a\r\n  \n b"), ["a", "\r\n  \n", " b"]);
        assert_eq!(split("foo(bar);\n\nx"), ["foo", "(bar", ");\n\n", "x"]);
        assert_eq!(split(" \u{3000}漢字 1"), [" ", "\u{3000}漢字", " ", "1"]);
        assert_eq!(split("  x"), [" ", " x"]);
        assert_eq!(split("'re'LL"), ["'re", "'LL"]);
    }
}
