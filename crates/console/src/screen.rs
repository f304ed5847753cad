//! Model of an 80x25 text screen: text with escape sequences in, cells out.
//!
//! A cell is what VGA text memory holds: the glyph in the low byte, the attribute (background in bits 7..4,
//! foreground in 3..0) in the high one. The model remembers how far it scrolled and which rows changed since
//! the last [`take_changes`](Screen::take_changes), because writing to video memory is slow.
//!
//! Understood of ECMA-48: `SGR` (16 colours, bold, inverse), `ED`, `EL`, `CUP`, `HVP`, `CUU`, `CUD`, `CUF`, `CUB`, `CHA`,
//! save and restore of the cursor, cursor on and off. Everything else is swallowed whole.

use alloc::string::String;

use crate::cp437::glyph;
use crate::utf8::{Utf8Decoder, columns};

/// Columns.
pub const WIDTH: usize = 80;
/// Rows.
pub const HEIGHT: usize = 25;

const MAX_PARAMETERS: usize = 8;
/// Light grey on black.
const DEFAULT_ATTRIBUTE: u8 = 0x07;
/// ANSI colour number to VGA colour number: red and blue change places.
const VGA_COLOUR: [u8; 8] = [0, 4, 2, 6, 1, 5, 3, 7];

/// What must be drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows that everything moved up; at most [`HEIGHT`].
    pub scrolled: usize,
    /// Bit `n`: row `n`, after the scrolling, differs from what was there.
    pub rows: u32,
    /// The cursor moved or was turned on or off.
    pub cursor: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Ground,
    Escape,
    Csi,
    /// Operating system command (a window title): ends with BEL or `ESC \`.
    Osc,
}

/// An 80x25 screen.
#[derive(Debug)]
pub struct Screen {
    cells: [[u16; WIDTH]; HEIGHT],
    row: usize,
    /// `0..=WIDTH`: at `WIDTH` the next character goes to the next row.
    column: usize,
    attribute: u8,
    inverse: bool,
    cursor_visible: bool,
    saved: (usize, usize),
    state: State,
    parameters: [u16; MAX_PARAMETERS],
    parameter_count: usize,
    private: bool,
    utf8: Utf8Decoder,
    changes: Changes,
}

const BLANK: u16 = cell(b' ', DEFAULT_ATTRIBUTE);

const fn cell(glyph: u8, attribute: u8) -> u16 {
    (attribute as u16) << 8 | glyph as u16
}

impl Screen {
    /// An empty screen, cursor at the top left.
    pub const fn new() -> Self {
        Self {
            cells: [[BLANK; WIDTH]; HEIGHT],
            row: 0,
            column: 0,
            attribute: DEFAULT_ATTRIBUTE,
            inverse: false,
            cursor_visible: true,
            saved: (0, 0),
            state: State::Ground,
            parameters: [0; MAX_PARAMETERS],
            parameter_count: 0,
            private: false,
            utf8: Utf8Decoder::new(),
            changes: Changes {
                scrolled: 0,
                rows: (1 << HEIGHT) - 1,
                cursor: true,
            },
        }
    }

    /// The cells of row `row`, `0..HEIGHT`.
    pub fn row(&self, row: usize) -> &[u16; WIDTH] {
        &self.cells[row]
    }

    /// Text of a row in ASCII, for tests: blanks at the end cut off, other glyphs as their CP437 byte's Latin-1 character.
    pub fn row_text(&self, row: usize) -> String {
        let text: String = self.cells[row].iter().map(|&c| latin1(c as u8)).collect();
        String::from(text.trim_end())
    }

    /// Row and column of the cursor; the column stays on the screen.
    pub fn cursor(&self) -> (usize, usize) {
        (self.row, self.column.min(WIDTH - 1))
    }

    /// Whether the cursor is shown.
    pub fn cursor_visible(&self) -> bool {
        self.cursor_visible
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        core::mem::take(&mut self.changes)
    }

    /// Shows UTF-8 text with escape sequences. A line feed also returns to the first column.
    pub fn write(&mut self, bytes: &[u8]) {
        let mut utf8 = self.utf8;
        for &byte in bytes {
            utf8.push(byte, |c| self.put(c));
        }
        self.utf8 = utf8;
    }

    fn put(&mut self, c: char) {
        self.changes.cursor = true;
        match self.state {
            State::Ground => self.ground(c),
            State::Escape => {
                self.state = State::Ground;
                match c {
                    '[' => {
                        self.state = State::Csi;
                        self.parameters = [0; MAX_PARAMETERS];
                        self.parameter_count = 0;
                        self.private = false;
                    }
                    ']' => self.state = State::Osc,
                    '7' => self.saved = self.cursor(),
                    '8' => (self.row, self.column) = self.saved,
                    'c' => {
                        let utf8 = self.utf8;
                        *self = Self::new();
                        self.utf8 = utf8;
                    }
                    _ => {}
                }
            }
            State::Csi => match c {
                '0'..='9' => {
                    if let Some(value) = self.parameters.get_mut(self.parameter_count) {
                        *value = value
                            .saturating_mul(10)
                            .saturating_add(c as u16 - '0' as u16);
                    }
                }
                ';' | ':' => self.parameter_count = (self.parameter_count + 1).min(MAX_PARAMETERS),
                '?' | '>' | '=' | '<' => self.private = true,
                ' '..='/' => {}
                '@'..='~' => {
                    self.state = State::Ground;
                    self.parameter_count = (self.parameter_count + 1).min(MAX_PARAMETERS);
                    self.control(c);
                }
                _ => {
                    self.state = State::Ground;
                    self.ground(c);
                }
            },
            State::Osc => match c {
                '\u{7}' => self.state = State::Ground,
                '\u{1b}' => self.state = State::Escape,
                _ => {}
            },
        }
    }

    fn ground(&mut self, c: char) {
        match c {
            '\n' => {
                self.column = 0;
                self.line_feed();
            }
            '\r' => self.column = 0,
            // Over the start of a wrapped row a backspace goes up, so that the line editor can erase there.
            '\u{8}' if self.column > 0 => self.column -= 1,
            '\u{8}' if self.row > 0 => (self.row, self.column) = (self.row - 1, WIDTH - 1),
            '\t' => {
                let stop = (self.column / 8 + 1) * 8;
                while self.column < stop.min(WIDTH) {
                    self.glyph(b' ');
                }
            }
            '\u{1b}' => self.state = State::Escape,
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {}
            c => {
                for _ in 0..columns(c) {
                    self.glyph(glyph(c));
                }
            }
        }
    }

    fn glyph(&mut self, glyph: u8) {
        if self.column >= WIDTH {
            self.column = 0;
            self.line_feed();
        }
        let attribute = if self.inverse {
            self.attribute.rotate_left(4)
        } else {
            self.attribute
        };
        self.cells[self.row][self.column] = cell(glyph, attribute);
        self.changes.rows |= 1 << self.row;
        self.column += 1;
    }

    fn line_feed(&mut self) {
        if self.row + 1 < HEIGHT {
            self.row += 1;
            return;
        }
        self.cells.copy_within(1.., 0);
        self.cells[HEIGHT - 1] = [self.blank(); WIDTH];
        self.changes.scrolled = (self.changes.scrolled + 1).min(HEIGHT);
        self.changes.rows = self.changes.rows >> 1 | 1 << (HEIGHT - 1);
    }

    fn blank(&self) -> u16 {
        cell(b' ', self.attribute & 0x70 | DEFAULT_ATTRIBUTE)
    }

    /// Parameter `at`, `default` if absent or zero.
    fn parameter(&self, at: usize, default: usize) -> usize {
        match self.parameters[at] {
            0 => default,
            value => usize::from(value),
        }
    }

    fn control(&mut self, command: char) {
        if self.private {
            if matches!(command, 'h' | 'l') && self.parameters[0] == 25 {
                self.cursor_visible = command == 'h';
            }
            return;
        }
        let (row, column) = self.cursor();
        let first = self.parameter(0, 1);
        match command {
            'm' => self.select_graphics(),
            'A' => self.row = row.saturating_sub(first),
            'B' => self.row = (row + first).min(HEIGHT - 1),
            'C' => self.column = (column + first).min(WIDTH - 1),
            'D' => self.column = column.saturating_sub(first),
            'G' => self.column = first.min(WIDTH) - 1,
            'H' | 'f' => {
                self.row = first.min(HEIGHT) - 1;
                self.column = self.parameter(1, 1).min(WIDTH) - 1;
            }
            's' => self.saved = (row, column),
            'u' => (self.row, self.column) = self.saved,
            'K' => match self.parameters[0] {
                0 if self.column < WIDTH => self.erase(row, column, WIDTH),
                1 => self.erase(row, 0, column + 1),
                2 => self.erase(row, 0, WIDTH),
                _ => {}
            },
            'J' => {
                let (rows, part) = match self.parameters[0] {
                    0 => (row + 1..HEIGHT, column..WIDTH),
                    1 => (0..row, 0..column + 1),
                    2 | 3 => (0..HEIGHT, 0..0),
                    _ => (0..0, 0..0),
                };
                self.erase(row, part.start, part.end);
                for row in rows {
                    self.erase(row, 0, WIDTH);
                }
            }
            _ => {}
        }
    }

    fn erase(&mut self, row: usize, from: usize, to: usize) {
        let blank = self.blank();
        self.cells[row][from..to].fill(blank);
        self.changes.rows |= 1 << row;
    }

    fn select_graphics(&mut self) {
        let mut at = 0;
        while at < self.parameter_count {
            let value = self.parameters[at];
            let colour = |base: u16| VGA_COLOUR[usize::from(value - base) & 7];
            let (background, foreground) = (self.attribute & 0x70, self.attribute & 0x0F);
            match value {
                0 => (self.attribute, self.inverse) = (DEFAULT_ATTRIBUTE, false),
                1 => self.attribute |= 0x08,
                22 => self.attribute &= !0x08,
                7 => self.inverse = true,
                27 => self.inverse = false,
                30..=37 => self.attribute = background | foreground & 0x08 | colour(30),
                39 => self.attribute = background | DEFAULT_ATTRIBUTE,
                40..=47 => self.attribute = colour(40) << 4 | foreground,
                49 => self.attribute = foreground,
                90..=97 => self.attribute = background | 0x08 | colour(90),
                // Bit 7 would blink: a bright background becomes a plain one.
                100..=107 => self.attribute = colour(100) << 4 | foreground,
                // 256 and true colours have parameters of their own, which are no commands.
                38 | 48 => {
                    at += if self.parameters.get(at + 1) == Some(&5) {
                        2
                    } else {
                        4
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

/// CP437 letters that tests look at.
fn latin1(glyph: u8) -> char {
    match glyph {
        0x81 => '\u{fc}',
        0x82 => '\u{e9}',
        byte => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn screen(text: &str) -> Screen {
        let mut screen = Screen::new();
        screen.write(text.as_bytes());
        screen
    }

    #[test]
    fn text_wraps_at_the_last_column_only_when_more_follows() {
        let full = "x".repeat(WIDTH);
        let mut screen = screen(&full);
        assert_eq!(screen.cursor(), (0, WIDTH - 1));
        screen.write(b"\ny");
        assert_eq!(screen.row_text(1), "y", "no empty row after a full one");
        screen.write(format!("\r{full}z").as_bytes());
        assert_eq!(screen.row_text(2), "z");
    }

    #[test]
    fn scrolls_and_reports_it() {
        let mut screen = screen("");
        screen.take_changes();
        for n in 0..HEIGHT + 2 {
            screen.write(format!("line {n}\n").as_bytes());
        }
        assert_eq!(screen.row_text(0), "line 3");
        assert_eq!(screen.row_text(HEIGHT - 2), format!("line {}", HEIGHT + 1));
        assert_eq!(screen.row_text(HEIGHT - 1), "");
        assert_eq!(screen.take_changes().scrolled, 3);
        assert_eq!(screen.take_changes(), Changes::default());
    }

    #[test]
    fn changed_rows_are_those_that_differ_after_scrolling() {
        let mut shown = screen("a\nb\nc");
        let mut memory = [[0; WIDTH]; HEIGHT];
        let mut texts = [
            "\n",
            "xyz",
            "\x1b[5;5Hhere",
            "\n\n\n",
            "\x1b[2J",
            "end\x1b[25;1H\n\n",
        ]
        .iter()
        .cycle();
        for _ in 0..40 {
            let changes = shown.take_changes();
            memory.copy_within(changes.scrolled.., 0);
            for row in (0..HEIGHT).filter(|row| changes.rows >> row & 1 == 1) {
                memory[row] = *shown.row(row);
            }
            assert_eq!(
                memory, shown.cells,
                "what a driver draws is what the model holds"
            );
            shown.write(texts.next().unwrap().as_bytes());
        }
    }

    #[test]
    fn colours() {
        let screen = screen("\x1b[31mr\x1b[1;44mb\x1b[0mn\x1b[7mi\x1b[38;5;200;32mg");
        let attributes: alloc::vec::Vec<u16> = screen.row(0)[..5].iter().map(|c| c >> 8).collect();
        assert_eq!(attributes, [0x04, 0x1C, 0x07, 0x70, 0x20]);
    }

    #[test]
    fn erasing_and_moving() {
        assert_eq!(screen("hello\x1b[3D\x1b[K").row_text(0), "he");
        assert_eq!(screen("hello\x1b[1Gj").row_text(0), "jello");
        assert_eq!(screen("one\ntwo\x1b[2J").row_text(0), "");
        assert_eq!(screen("\x1b[999;999Hx").cursor(), (HEIGHT - 1, WIDTH - 1));
        assert_eq!(screen("ab\x1b7cd\x1b8X").row_text(0), "abXd");
    }

    #[test]
    fn backspace_goes_back_over_a_wrap() {
        let screen = screen(&format!("{}ab\x08\x08\x08", "x".repeat(WIDTH)));
        assert_eq!(screen.cursor(), (0, WIDTH - 1));
    }

    #[test]
    fn unknown_sequences_show_nothing() {
        assert_eq!(
            screen("a\x1b]0;title\x07b\x1b[?2004hc\x1b[5nd\x1b(Be").row_text(0),
            "abcdBe"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_keep_the_cursor_on_the_screen(bytes: alloc::vec::Vec<u8>) {
            let mut screen = Screen::new();
            screen.write(&bytes);
            let (row, column) = screen.cursor();
            proptest::prop_assert!(row < HEIGHT && column < WIDTH);
        }

        #[test]
        fn any_sequences_keep_the_cursor_on_the_screen(text in "(\x1b\\[[0-9;]{0,9}[A-Za-z]|[a-z\n]){0,40}") {
            let mut screen = Screen::new();
            screen.write(text.as_bytes());
            let (row, column) = screen.cursor();
            proptest::prop_assert!(row < HEIGHT && column < WIDTH);
        }
    }
}
