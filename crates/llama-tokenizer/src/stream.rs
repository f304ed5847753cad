//! Bytes that arrive in pieces, given out as whole UTF-8 characters.

use alloc::string::String;
use alloc::vec::Vec;

/// Holds back the beginning of a character until its rest arrives; what can never become a
/// character is given out as U+FFFD.
#[derive(Debug, Clone, Default)]
pub struct Utf8Stream {
    pending: Vec<u8>,
}

impl Utf8Stream {
    /// An empty stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes more bytes and returns the characters that are complete.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend(bytes);
        let mut out = String::new();
        let mut chunks = self.pending.utf8_chunks().peekable();
        let mut keep = 0;
        while let Some(chunk) = chunks.next() {
            out.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && is_beginning(invalid) {
                keep = invalid.len();
            } else if !invalid.is_empty() {
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.pending.drain(..self.pending.len() - keep);
        out
    }

    /// Ends the stream: U+FFFD if a character was left unfinished.
    pub fn finish(&mut self) -> String {
        let unfinished = !self.pending.is_empty();
        self.pending.clear();
        if unfinished {
            String::from(char::REPLACEMENT_CHARACTER)
        } else {
            String::new()
        }
    }
}

/// Whether more bytes could make a character of this.
fn is_beginning(bytes: &[u8]) -> bool {
    match core::str::from_utf8(bytes) {
        Ok(_) => false,
        Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_by_byte_is_the_same_text() {
        let text = "añ漢字🦙.";
        let mut stream = Utf8Stream::new();
        let mut out = String::new();
        for byte in text.bytes() {
            out.push_str(&stream.push(&[byte]));
        }
        out.push_str(&stream.finish());
        assert_eq!(out, text);
        assert_eq!(Utf8Stream::new().push(&text.as_bytes()[..5]), "añ");
    }

    #[test]
    fn broken_characters_are_replaced_once() {
        let mut stream = Utf8Stream::new();
        assert_eq!(stream.push(b"\xF0\x9F\xA6"), "");
        assert_eq!(stream.push(b"x\xFFy"), "\u{FFFD}x\u{FFFD}y");
        assert_eq!(stream.push(b"\xE6"), "");
        assert_eq!(stream.finish(), "\u{FFFD}");
        assert_eq!(stream.finish(), "");
    }
}
