//! UTF-8 one byte at a time, and how wide a character is on a terminal.

/// Decodes UTF-8 that arrives in pieces. What is not UTF-8 becomes U+FFFD, one per broken sequence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8Decoder {
    /// Continuation bytes still missing.
    missing: u8,
    value: u32,
    /// Smallest value that this length may encode: anything below is overlong.
    least: u32,
}

impl Utf8Decoder {
    /// A decoder between two characters.
    pub const fn new() -> Self {
        Self {
            missing: 0,
            value: 0,
            least: 0,
        }
    }

    /// Whether a character has begun and is not complete.
    pub fn is_pending(&self) -> bool {
        self.missing != 0
    }

    /// Takes one byte and calls `out` for each character it completes (none, one, or U+FFFD and one).
    pub fn push(&mut self, byte: u8, mut out: impl FnMut(char)) {
        if self.missing > 0 {
            if byte & 0xC0 == 0x80 {
                self.value = self.value << 6 | u32::from(byte & 0x3F);
                self.missing -= 1;
                if self.missing == 0 {
                    let whole = char::from_u32(self.value).filter(|_| self.value >= self.least);
                    out(whole.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                return;
            }
            self.missing = 0;
            out(char::REPLACEMENT_CHARACTER);
        }
        (self.missing, self.value, self.least) = match byte {
            0..=0x7F => return out(char::from(byte)),
            0xC2..=0xDF => (1, u32::from(byte & 0x1F), 0x80),
            0xE0..=0xEF => (2, u32::from(byte & 0x0F), 0x800),
            0xF0..=0xF4 => (3, u32::from(byte & 0x07), 0x1_0000),
            _ => return out(char::REPLACEMENT_CHARACTER),
        };
    }
}

/// Columns that a character takes on a terminal: 0 for combining marks, 2 for wide East Asian characters and
/// emoji, 1 for the rest. Ranges after Unicode's `EastAsianWidth.txt`, coarse: a wrong width only misplaces the echo.
pub fn columns(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F | 0x200B..=0x200F | 0x20D0..=0x20FF | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F => {
            0
        }
        0x1100..=0x115F
        | 0x2E80..=0x303E
        | 0x3041..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE4F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1F64F
        | 0x1F680..=0x1F6FF
        | 0x1F900..=0x1F9FF
        | 0x2_0000..=0x3_FFFD => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn decode(bytes: &[u8]) -> String {
        let mut decoder = Utf8Decoder::new();
        let mut text = String::new();
        for &byte in bytes {
            decoder.push(byte, |c| text.push(c));
        }
        text
    }

    #[test]
    fn every_length_is_decoded() {
        assert_eq!(
            decode("a\u{e9}\u{20ac}\u{1f600}z".as_bytes()),
            "a\u{e9}\u{20ac}\u{1f600}z"
        );
    }

    #[test]
    fn broken_sequences_are_replaced_and_do_not_swallow_what_follows() {
        assert_eq!(decode(b"\xC3a"), "\u{fffd}a");
        assert_eq!(decode(b"\xFFa\x80"), "\u{fffd}a\u{fffd}");
        assert_eq!(decode(b"\xE0\x80\x80"), "\u{fffd}", "overlong");
        assert_eq!(decode(b"\xED\xA0\x80"), "\u{fffd}", "surrogate");
        assert_eq!(
            decode(b"\xF4\x90\x80\x80"),
            "\u{fffd}",
            "above the last character"
        );
    }

    proptest::proptest! {
        #[test]
        fn valid_text_is_decoded_as_it_is(text in "\\PC*") {
            proptest::prop_assert_eq!(decode(text.as_bytes()), text);
        }
    }
}
