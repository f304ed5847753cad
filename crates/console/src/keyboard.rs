//! PS/2 scan codes (set 1, as the i8042 hands them out) to terminal bytes.

use pc_keyboard::layouts::Us104Key;
use pc_keyboard::{
    DecodedKey, EventDecoder, HandleControl, KeyCode, KeyState, ScancodeSet, ScancodeSet1,
};

/// The bytes that a terminal sends for one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodedKey {
    bytes: [u8; 6],
    len: u8,
}

impl EncodedKey {
    fn text(bytes: &[u8]) -> Self {
        let mut key = Self::default();
        let len = bytes.len().min(key.bytes.len());
        key.bytes[..len].copy_from_slice(&bytes[..len]);
        key.len = len as u8;
        key
    }

    /// The bytes; empty for a key that types nothing.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// State of the keyboard: shift, control, caps lock, half-received codes. Layout: US, 104 keys.
pub struct KeyboardDecoder {
    codes: ScancodeSet1,
    events: EventDecoder<Us104Key>,
    control: bool,
}

impl KeyboardDecoder {
    /// A keyboard with no key held.
    pub fn new() -> Self {
        Self {
            codes: ScancodeSet1::new(),
            events: EventDecoder::new(Us104Key, HandleControl::MapLettersToUnicode),
            control: false,
        }
    }

    /// Takes one byte from the controller's data port; gives the bytes that the key types.
    ///
    /// A code that is not in the set is dropped, and the next one starts afresh.
    pub fn push(&mut self, code: u8) -> EncodedKey {
        let Ok(Some(event)) = self.codes.advance_state(code) else {
            return EncodedKey::default();
        };
        if matches!(event.code, KeyCode::LControl | KeyCode::RControl) {
            self.control = event.state == KeyState::Down;
        }
        match self.events.process_keyevent(event) {
            Some(DecodedKey::Unicode(c)) => match c {
                '\n' => EncodedKey::text(b"\r"),
                '\u{8}' => EncodedKey::text(b"\x7f"),
                // The layout types DEL for the Delete key; a terminal sends a sequence for it.
                '\u{7f}' => EncodedKey::text(b"\x1b[3~"),
                c => EncodedKey::text(c.encode_utf8(&mut [0; 4]).as_bytes()),
            },
            Some(DecodedKey::RawKey(code)) => EncodedKey::text(match code {
                KeyCode::ArrowUp => b"\x1b[A",
                KeyCode::ArrowDown => b"\x1b[B",
                KeyCode::ArrowRight if self.control => b"\x1b[1;5C",
                KeyCode::ArrowLeft if self.control => b"\x1b[1;5D",
                KeyCode::ArrowRight => b"\x1b[C",
                KeyCode::ArrowLeft => b"\x1b[D",
                KeyCode::Home => b"\x1b[H",
                KeyCode::End => b"\x1b[F",
                KeyCode::Insert => b"\x1b[2~",
                KeyCode::Delete => b"\x1b[3~",
                KeyCode::PageUp => b"\x1b[5~",
                KeyCode::PageDown => b"\x1b[6~",
                _ => b"",
            }),
            None => EncodedKey::default(),
        }
    }
}

impl Default for KeyboardDecoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn typed(codes: &[u8]) -> Vec<u8> {
        let mut keyboard = KeyboardDecoder::new();
        codes
            .iter()
            .flat_map(|&code| keyboard.push(code).as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn letters_shift_and_release() {
        // h, shift down, i, shift up, i; releases type nothing.
        assert_eq!(
            typed(&[0x23, 0xA3, 0x2A, 0x17, 0x97, 0xAA, 0x17, 0x97]),
            b"hIi"
        );
    }

    #[test]
    fn control_keys() {
        assert_eq!(typed(&[0x1D, 0x2E, 0xAE, 0x9D]), b"\x03", "Ctrl-C");
        assert_eq!(typed(&[0x1D, 0x16, 0x96, 0x9D]), b"\x15", "Ctrl-U");
        assert_eq!(
            typed(&[0x1C, 0x0E, 0x0F]),
            b"\r\x7f\t",
            "Enter, Backspace, Tab"
        );
    }

    #[test]
    fn extended_keys_become_sequences() {
        assert_eq!(typed(&[0xE0, 0x48, 0xE0, 0xC8]), b"\x1b[A");
        assert_eq!(typed(&[0xE0, 0x53]), b"\x1b[3~");
        assert_eq!(typed(&[0xE0, 0x47, 0xE0, 0x4F]), b"\x1b[H\x1b[F");
        assert_eq!(typed(&[0x1D, 0xE0, 0x4D]), b"\x1b[1;5C");
    }

    #[test]
    fn caps_lock_stays() {
        assert_eq!(typed(&[0x3A, 0xBA, 0x1E, 0x9E, 0x3A, 0xBA, 0x1E]), b"Aa");
    }

    #[test]
    fn unknown_codes_do_not_stick() {
        let mut keyboard = KeyboardDecoder::new();
        for code in 0..=255 {
            keyboard.push(code);
        }
        let mut fresh = KeyboardDecoder::new();
        fresh.push(0xFF);
        assert_eq!(fresh.push(0x23).as_bytes(), b"h");
    }
}
