//! Screen and serial line.
//!
//! The screen is a terminal of 80 columns and 25 rows that understands ECMA-48: the kernel's model of the VGA text screen,
//! or hosted the user's own. What is shown on the screen of the machine appears on its serial line, too; `serial_*` writes
//! to the line alone.

use crate::{console, sys};

/// Columns of the screen.
pub const VGA_COLUMNS: usize = 80;
/// Rows of the screen.
pub const VGA_ROWS: usize = 25;

/// The colours of VGA text, by their numbers. A background is one of the first eight: a bright one becomes its dark one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // names say it all
pub enum Color {
    Black = 0,
    Blue = 1,
    Green = 2,
    Cyan = 3,
    Red = 4,
    Magenta = 5,
    Brown = 6,
    LightGrey = 7,
    DarkGrey = 8,
    LightBlue = 9,
    LightGreen = 10,
    LightCyan = 11,
    LightRed = 12,
    LightMagenta = 13,
    Yellow = 14,
    White = 15,
}

/// VGA colour number to that of ECMA-48: red and blue change places.
const ECMA: [u8; 8] = [0, 4, 2, 6, 1, 5, 3, 7];

/// An escape sequence, built without memory.
struct Sequence {
    bytes: [u8; 32],
    len: usize,
}

impl Sequence {
    fn new() -> Self {
        let mut sequence = Sequence {
            bytes: [0; 32],
            len: 0,
        };
        sequence.put(b'\x1b');
        sequence.put(b'[');
        sequence
    }

    fn put(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn number(&mut self, n: usize) {
        if n >= 10 {
            self.number(n / 10);
        }
        self.put(b'0' + (n % 10) as u8);
    }

    fn end(mut self, command: u8) {
        self.put(command);
        console::write(self.bytes.get(..self.len).unwrap_or(&[]));
    }
}

/// Empties the screen, with light grey on black and the cursor at the top left. Cannot fail: without a screen text goes to
/// the serial line alone.
pub fn vga_init() {
    console::write(b"\x1b[0m\x1b[?25h\x1b[2J\x1b[H");
}

/// Empties the screen in the colours that are set; the cursor goes to the top left.
pub fn vga_clear() {
    console::write(b"\x1b[2J\x1b[H");
}

/// Shows text (UTF-8) at the cursor. `\n` begins a new line; behind the last one the screen scrolls.
pub fn vga_puts(text: &str) {
    console::write(text.as_bytes());
}

/// Shows one character at the cursor.
pub fn vga_putc(c: char) {
    console::write(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Colours of the text from now on.
pub fn vga_set_color(foreground: Color, background: Color) {
    set_color(foreground as u8, background as u8);
}

/// By numbers; only the lower four bits count.
pub(super) fn set_color(foreground: u8, background: u8) {
    let ecma = |color: u8| usize::from(ECMA[usize::from(color & 7)]);
    let mut sequence = Sequence::new();
    // 22: not bold, which some terminals show as bright.
    sequence.number(22);
    sequence.put(b';');
    sequence.number(ecma(foreground) + if foreground & 8 == 0 { 30 } else { 90 });
    sequence.put(b';');
    sequence.number(ecma(background) + 40);
    sequence.end(b'm');
}

/// Puts the cursor to a row (0 to 24) and a column (0 to 79); numbers beyond mean the last one.
pub fn vga_set_cursor(row: usize, column: usize) {
    let mut sequence = Sequence::new();
    sequence.number(row.min(VGA_ROWS - 1) + 1);
    sequence.put(b';');
    sequence.number(column.min(VGA_COLUMNS - 1) + 1);
    sequence.end(b'H');
}

/// Shows or hides the cursor.
pub fn vga_show_cursor(shown: bool) {
    console::write(if shown { b"\x1b[?25h" } else { b"\x1b[?25l" });
}

/// Makes the serial line ready: 115,200 baud, 8 data bits, no parity. The kernel has done so before the program starts, so
/// nothing is left to be done; whether a port is there does not matter: without one, text is lost.
pub fn serial_init() {}

/// Writes text to the serial line and not to the screen; hosted to standard output.
pub fn serial_puts(text: &str) {
    serial_write(text.as_bytes());
}

/// Writes one byte to the serial line.
pub fn serial_putc(byte: u8) {
    serial_write(&[byte]);
}

pub(super) fn serial_write(bytes: &[u8]) {
    // SAFETY: the pointer and length are of one slice.
    unsafe { sys::bf_serial_write(bytes.as_ptr(), bytes.len()) }
}
