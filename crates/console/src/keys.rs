//! Bytes of a terminal to keys: UTF-8, control characters, escape sequences.
//!
//! Understood: what xterm, the Linux console and QEMU's serial port send for the editing keys (ECMA-48 `CSI` and
//! `SS3` sequences). Other sequences are swallowed whole, so that an unknown key types nothing.

use crate::utf8::Utf8Decoder;

/// One key, as the line editor sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character to insert.
    Char(char),
    /// End of the line (CR, LF or both together).
    Enter,
    /// Deletes to the left.
    Backspace,
    /// Deletes under the cursor.
    Delete,
    /// One character to the left.
    Left,
    /// One character to the right.
    Right,
    /// The line before in the history.
    Up,
    /// The line after in the history.
    Down,
    /// Start of the line (Home, Ctrl-A).
    Home,
    /// End of the line (End, Ctrl-E).
    End,
    /// One word to the left (Ctrl-Left, Alt-B).
    WordLeft,
    /// One word to the right (Ctrl-Right, Alt-F).
    WordRight,
    /// Deletes everything before the cursor (Ctrl-U).
    KillBefore,
    /// Deletes everything from the cursor on (Ctrl-K).
    KillAfter,
    /// Deletes the word before the cursor (Ctrl-W).
    KillWord,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOfInput,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// Behind `ESC [`: first and last parameter so far.
    Csi {
        first: u16,
        last: u16,
    },
    /// Behind `ESC O`.
    Ss3,
}

/// Turns bytes into keys. Sequences may arrive in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyDecoder {
    state: State,
    utf8: Utf8Decoder,
    after_cr: bool,
}

impl KeyDecoder {
    /// A decoder between two keys.
    pub const fn new() -> Self {
        Self {
            state: State::Ground,
            utf8: Utf8Decoder::new(),
            after_cr: false,
        }
    }

    /// Takes one byte and calls `out` for each key it completes.
    pub fn push(&mut self, byte: u8, mut out: impl FnMut(Key)) {
        let after_cr = core::mem::take(&mut self.after_cr);
        match self.state {
            State::Ground => self.ground(byte, after_cr, &mut out),
            State::Escape => {
                self.state = State::Ground;
                match byte {
                    b'[' => self.state = State::Csi { first: 0, last: 0 },
                    b'O' => self.state = State::Ss3,
                    0x1B => self.state = State::Escape,
                    b'b' => out(Key::WordLeft),
                    b'f' => out(Key::WordRight),
                    0x7F | 0x08 => out(Key::KillWord),
                    // A control character never belongs to a sequence: Escape, then Ctrl-C, is Ctrl-C.
                    0..=0x1F => self.ground(byte, false, &mut out),
                    _ => {}
                }
            }
            State::Csi { first, last } => match byte {
                b'0'..=b'9' => {
                    let last = last
                        .saturating_mul(10)
                        .saturating_add(u16::from(byte - b'0'));
                    self.state = State::Csi { first, last };
                }
                b';' => {
                    let first = if first == 0 { last } else { first };
                    self.state = State::Csi { first, last: 0 };
                }
                0x20..=0x3F => {}
                0x40..=0x7E => {
                    self.state = State::Ground;
                    if let Some(key) = csi_key(byte, first, last) {
                        out(key);
                    }
                }
                _ => {
                    self.state = State::Ground;
                    self.ground(byte, false, &mut out);
                }
            },
            State::Ss3 => {
                self.state = State::Ground;
                if let Some(key) = csi_key(byte, 0, 0) {
                    out(key);
                }
            }
        }
    }

    fn ground(&mut self, byte: u8, after_cr: bool, out: &mut impl FnMut(Key)) {
        if byte < 0x20 && self.utf8.is_pending() {
            self.utf8 = Utf8Decoder::new();
            out(Key::Char(char::REPLACEMENT_CHARACTER));
        }
        match byte {
            b'\r' => {
                self.after_cr = true;
                out(Key::Enter);
            }
            b'\n' if after_cr => {}
            b'\n' => out(Key::Enter),
            0x01 => out(Key::Home),
            0x02 => out(Key::Left),
            0x03 => out(Key::Interrupt),
            0x04 => out(Key::EndOfInput),
            0x05 => out(Key::End),
            0x06 => out(Key::Right),
            0x08 | 0x7F => out(Key::Backspace),
            b'\t' => out(Key::Char('\t')),
            0x0B => out(Key::KillAfter),
            0x0E => out(Key::Down),
            0x10 => out(Key::Up),
            0x15 => out(Key::KillBefore),
            0x17 => out(Key::KillWord),
            0x1B => self.state = State::Escape,
            0..=0x1F => {}
            _ => self.utf8.push(byte, |c| {
                // C1 control characters type nothing.
                if !matches!(c, '\u{80}'..='\u{9f}') {
                    out(Key::Char(c));
                }
            }),
        }
    }
}

/// The key of `CSI first ; last final`; `last` is the modifier where there are two parameters.
fn csi_key(last_byte: u8, first: u16, last: u16) -> Option<Key> {
    let with_control = first != 0 && matches!(last, 3 | 5);
    Some(match last_byte {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if with_control => Key::WordRight,
        b'D' if with_control => Key::WordLeft,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'M' => Key::Enter,
        b'~' => match if first == 0 { last } else { first } {
            1 | 7 => Key::Home,
            3 => Key::Delete,
            4 | 8 => Key::End,
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = KeyDecoder::new();
        let mut keys = Vec::new();
        for &byte in bytes {
            decoder.push(byte, |key| keys.push(key));
        }
        keys
    }

    #[test]
    fn one_enter_for_each_kind_of_line_end() {
        use Key::{Char, Enter};
        assert_eq!(
            keys(b"a\rb\nc\r\nd"),
            [
                Char('a'),
                Enter,
                Char('b'),
                Enter,
                Char('c'),
                Enter,
                Char('d')
            ]
        );
        assert_eq!(keys(b"\n\n\r\r"), [Enter; 4]);
    }

    #[test]
    fn editing_keys_of_xterm_and_the_linux_console() {
        assert_eq!(
            keys(b"\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F"),
            [
                Key::Up,
                Key::Down,
                Key::Right,
                Key::Left,
                Key::Home,
                Key::End
            ]
        );
        assert_eq!(
            keys(b"\x1bOH\x1bOF\x1b[1~\x1b[4~\x1b[3~"),
            [Key::Home, Key::End, Key::Home, Key::End, Key::Delete]
        );
        assert_eq!(
            keys(b"\x1b[1;5C\x1b[1;5D\x1b[1;2C"),
            [Key::WordRight, Key::WordLeft, Key::Right]
        );
    }

    #[test]
    fn unknown_sequences_type_nothing() {
        assert_eq!(
            keys(b"\x1b[15~\x1b[?25hx\x1b[200~y\x1bZz"),
            [Key::Char('x'), Key::Char('y'), Key::Char('z')]
        );
    }

    #[test]
    fn ctrl_c_gets_through_a_broken_sequence() {
        assert_eq!(keys(b"\x1b\x03"), [Key::Interrupt]);
        assert_eq!(keys(b"\x1b[12\x03"), [Key::Interrupt]);
        assert_eq!(
            keys(b"\xe2\x82\x03"),
            [Key::Char(char::REPLACEMENT_CHARACTER), Key::Interrupt]
        );
    }

    #[test]
    fn multi_byte_characters() {
        assert_eq!(
            keys("é漢😀".as_bytes()),
            [Key::Char('é'), Key::Char('漢'), Key::Char('😀')]
        );
    }
}
