//! The line editor: what a person types until Enter, with history.
//!
//! The echo uses only printable text, backspace, `CSI K` (erase to the end of the line) and line feeds; a
//! terminal on the serial port and [`Screen`](crate::Screen) show the same. Moving the cursor left is done with
//! backspaces, which a terminal does not carry over the start of a wrapped row: there the echo may be off until
//! the next line, the edited text never is.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use crate::keys::Key;
use crate::utf8::columns;

/// Characters in a line at most; further ones ring the bell.
pub const MAX_LINE_CHARS: usize = 16 * 1024;
/// Lines kept in the history.
pub const MAX_HISTORY: usize = 64;

const TAB_COLUMNS: usize = 4;

/// What a key led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The line goes on.
    Pending,
    /// Enter: the line, without its end.
    Line(String),
    /// Ctrl-D on an empty line.
    EndOfInput,
    /// Ctrl-C: the line was thrown away.
    Interrupt,
}

/// A line being edited, and those before it.
#[derive(Debug, Default)]
pub struct LineEditor {
    line: Vec<char>,
    /// Position of the cursor in `line`, `0..=line.len()`.
    cursor: usize,
    history: VecDeque<String>,
    /// Which line of `history` is shown; `history.len()` for the new one.
    shown: usize,
    /// The new line, while one of the history is shown.
    draft: Vec<char>,
}

impl LineEditor {
    /// An empty line, no history.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing has been typed on this line.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// The text typed so far.
    pub fn text(&self) -> String {
        self.line.iter().collect()
    }

    /// Applies one key and appends to `echo` what the terminal must be sent.
    pub fn key(&mut self, key: Key, echo: &mut String) -> Event {
        match key {
            Key::Char(c) => self.insert(c, echo),
            Key::Enter => return Event::Line(self.enter(echo)),
            Key::Interrupt => {
                self.discard();
                echo.push_str("^C\n");
                return Event::Interrupt;
            }
            Key::EndOfInput if self.line.is_empty() => return Event::EndOfInput,
            Key::EndOfInput | Key::Delete => {
                let end = (self.cursor + 1).min(self.line.len());
                self.remove(self.cursor, end, echo);
            }
            Key::Backspace => self.remove(self.cursor.saturating_sub(1), self.cursor, echo),
            Key::KillBefore => self.remove(0, self.cursor, echo),
            Key::KillAfter => self.remove(self.cursor, self.line.len(), echo),
            Key::KillWord => self.remove(self.word_start(), self.cursor, echo),
            Key::Left => self.go_to(self.cursor.saturating_sub(1), echo),
            Key::Right => self.go_to((self.cursor + 1).min(self.line.len()), echo),
            Key::Home => self.go_to(0, echo),
            Key::End => self.go_to(self.line.len(), echo),
            Key::WordLeft => self.go_to(self.word_start(), echo),
            Key::WordRight => self.go_to(self.word_end(), echo),
            Key::Up => self.show(self.shown.checked_sub(1), echo),
            Key::Down => self.show(Some(self.shown + 1), echo),
        }
        Event::Pending
    }

    /// Throws the line away; the history stays.
    pub fn discard(&mut self) {
        self.line.clear();
        self.draft.clear();
        self.cursor = 0;
        self.shown = self.history.len();
    }

    fn insert(&mut self, c: char, echo: &mut String) {
        if self.line.len() >= MAX_LINE_CHARS {
            echo.push('\u{7}');
            return;
        }
        self.line.insert(self.cursor, c);
        self.cursor += 1;
        push_shown(echo, c);
        self.redraw_tail(0, echo);
    }

    fn enter(&mut self, echo: &mut String) -> String {
        self.go_to(self.line.len(), echo);
        echo.push('\n');
        let line = self.text();
        let is_new = !line.trim().is_empty() && self.history.back() != Some(&line);
        if is_new {
            if self.history.len() == MAX_HISTORY {
                self.history.pop_front();
            }
            self.history.push_back(line.clone());
        }
        self.discard();
        line
    }

    /// Removes `line[from..to]`, where `to` is the cursor or `from` is.
    fn remove(&mut self, from: usize, to: usize, echo: &mut String) {
        if from == to {
            return;
        }
        self.go_to(from, echo);
        let erased: usize = self.line[from..to].iter().map(|&c| shown_columns(c)).sum();
        self.line.drain(from..to);
        self.redraw_tail(erased, echo);
    }

    fn go_to(&mut self, to: usize, echo: &mut String) {
        if to < self.cursor {
            let back = self.line[to..self.cursor].iter().map(|&c| shown_columns(c));
            push_back(echo, back.sum());
        } else {
            for &c in &self.line[self.cursor..to] {
                push_shown(echo, c);
            }
        }
        self.cursor = to;
    }

    /// Draws what is behind the cursor, erases `erased` columns behind that, and goes back.
    fn redraw_tail(&self, erased: usize, echo: &mut String) {
        let tail = &self.line[self.cursor..];
        for &c in tail {
            push_shown(echo, c);
        }
        if erased > 0 {
            echo.push_str("\x1b[K");
        }
        push_back(echo, tail.iter().map(|&c| shown_columns(c)).sum());
    }

    fn show(&mut self, which: Option<usize>, echo: &mut String) {
        let Some(which) = which.filter(|&which| which <= self.history.len()) else {
            return;
        };
        if self.shown == self.history.len() {
            self.draft.clone_from(&self.line);
        }
        self.go_to(0, echo);
        let erased = usize::from(!self.line.is_empty());
        self.shown = which;
        self.line = match self.history.get(which) {
            Some(line) => line.chars().collect(),
            None => core::mem::take(&mut self.draft),
        };
        for &c in &self.line {
            push_shown(echo, c);
        }
        self.cursor = self.line.len();
        self.redraw_tail(erased, echo);
    }

    fn word_start(&self) -> usize {
        let before = &self.line[..self.cursor];
        let word_end = before.iter().rposition(|c| !c.is_whitespace());
        let Some(word_end) = word_end else { return 0 };
        let blank = before[..word_end].iter().rposition(|c| c.is_whitespace());
        blank.map_or(0, |at| at + 1)
    }

    fn word_end(&self) -> usize {
        let after = &self.line[self.cursor..];
        let start = after.iter().position(|c| !c.is_whitespace());
        let Some(start) = start else {
            return self.line.len();
        };
        let len = after[start..].iter().position(|c| c.is_whitespace());
        len.map_or(self.line.len(), |len| self.cursor + start + len)
    }
}

/// A tab is shown as blanks of fixed number: its real width would depend on what stands before the line.
fn shown_columns(c: char) -> usize {
    if c == '\t' { TAB_COLUMNS } else { columns(c) }
}

fn push_shown(echo: &mut String, c: char) {
    match c {
        '\t' => echo.extend([' '; TAB_COLUMNS]),
        c => echo.push(c),
    }
}

fn push_back(echo: &mut String, columns: usize) {
    echo.extend(core::iter::repeat_n('\u{8}', columns));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Screen;
    use crate::keys::KeyDecoder;
    use alloc::string::ToString;

    /// A person before a screen: types bytes, sees cells.
    struct Session {
        decoder: KeyDecoder,
        editor: LineEditor,
        screen: Screen,
        events: Vec<Event>,
    }

    impl Session {
        fn new() -> Self {
            Self {
                decoder: KeyDecoder::new(),
                editor: LineEditor::new(),
                screen: Screen::new(),
                events: Vec::new(),
            }
        }

        fn press(mut self, bytes: &str) -> Self {
            let mut keys = Vec::new();
            for byte in bytes.bytes() {
                self.decoder.push(byte, |key| keys.push(key));
            }
            for key in keys {
                let mut echo = String::new();
                let event = self.editor.key(key, &mut echo);
                self.screen.write(echo.as_bytes());
                if event != Event::Pending {
                    self.events.push(event);
                }
            }
            self
        }

        fn seen(&self) -> String {
            self.screen.row_text(self.screen.cursor().0)
        }

        fn check(&self, text: &str, cursor: usize) {
            assert_eq!(self.editor.text(), text);
            assert_eq!(self.seen(), text.trim_end());
            assert_eq!(self.screen.cursor().1, cursor);
        }
    }

    fn line(text: &str) -> Event {
        Event::Line(text.to_string())
    }

    #[test]
    fn typing_and_enter() {
        let session = Session::new().press("hello\r");
        assert_eq!(session.events, [line("hello")]);
        assert_eq!(session.screen.row_text(0), "hello");
        assert_eq!(session.screen.cursor(), (1, 0));
    }

    #[test]
    fn edits_in_the_middle_show_what_they_do() {
        Session::new()
            .press("helo\x1b[D")
            .press("l")
            .check("hello", 4);
        Session::new()
            .press("hexllo\x1b[D\x1b[D\x1b[D\x7f")
            .check("hello", 2);
        Session::new()
            .press("xhello\x1b[H\x1b[3~")
            .check("hello", 0);
        Session::new()
            .press("hello\x1b[H\x1b[F!")
            .check("hello!", 6);
    }

    #[test]
    fn edges_do_nothing() {
        Session::new()
            .press("\x7f\x1b[D\x1b[C\x1b[3~\x15\x17\x0b\x1b[A\x1b[B")
            .check("", 0);
        Session::new().press("a\x1b[C\x1b[3~").check("a", 1);
    }

    #[test]
    fn kills() {
        Session::new()
            .press("one two  three")
            .press("\x17")
            .check("one two  ", 9);
        Session::new()
            .press("one two  ")
            .press("\x17")
            .check("one ", 4);
        Session::new()
            .press("one two\x1b[D\x1b[D\x1b[D\x15")
            .check("two", 0);
        Session::new()
            .press("one two\x1b[1;5D\x0b")
            .check("one ", 4);
    }

    #[test]
    fn words() {
        Session::new()
            .press("one two\x1b[1;5D\x1b[1;5D")
            .check("one two", 0);
        Session::new()
            .press("one two\x1b[H\x1b[1;5C")
            .check("one two", 3);
    }

    #[test]
    fn history_goes_both_ways_and_keeps_the_draft() {
        let session = Session::new().press("first\rsecond\rdra");
        let session = session.press("\x1b[A");
        session.check("second", 6);
        let session = session.press("\x1b[A\x1b[A");
        session.check("first", 5);
        let session = session.press("\x1b[B\x1b[B");
        session.check("dra", 3);
        let session = session.press("\x1b[A\x1b[A!\r");
        assert_eq!(session.events.last(), Some(&line("first!")));
    }

    #[test]
    fn history_keeps_no_repeats_no_blanks_and_is_bounded() {
        let session = Session::new().press("a\ra\r  \r\r");
        assert_eq!(session.editor.history, ["a"]);
        let mut session = Session::new();
        for n in 0..2 * MAX_HISTORY {
            session = session.press(&alloc::format!("{n}\r"));
        }
        assert_eq!(session.editor.history.len(), MAX_HISTORY);
        assert_eq!(
            session.editor.history.back(),
            Some(&(2 * MAX_HISTORY - 1).to_string())
        );
    }

    #[test]
    fn interrupt_and_end_of_input() {
        let session = Session::new().press("abc\x03\x04");
        assert_eq!(session.events, [Event::Interrupt, Event::EndOfInput]);
        Session::new().press("abc\x1b[H\x04").check("bc", 0);
    }

    #[test]
    fn multi_byte_characters_are_one_key() {
        Session::new()
            .press("gr\u{fc}n\u{e9}\x7f")
            .check("gr\u{fc}n", 4);
        let wide = Session::new().press("漢字\x7f");
        assert_eq!(wide.editor.text(), "漢");
    }

    #[test]
    fn long_lines_are_bounded() {
        let mut editor = LineEditor::new();
        let mut echo = String::new();
        for _ in 0..MAX_LINE_CHARS + 10 {
            editor.key(Key::Char('x'), &mut echo);
        }
        assert_eq!(editor.text().len(), MAX_LINE_CHARS);
        assert!(echo.ends_with('\u{7}'));
    }

    proptest::proptest! {
        /// Whatever is typed within one row, the screen shows the editor's text and cursor.
        #[test]
        fn the_screen_never_lies(presses in proptest::collection::vec(0u8..14, 0..70)) {
            let mut session = Session::new();
            for press in presses {
                let bytes = [
                    "a", "b", " ", "c", "\x7f", "\x1b[D", "\x1b[C", "\x1b[H", "\x1b[F", "\x17", "\x0b", "\x1b[3~",
                    "\x1b[1;5D", "\x1b[A",
                ][usize::from(press)];
                session = session.press(bytes);
            }
            let cursor = session.editor.cursor;
            session.check(&session.editor.text(), cursor);
        }
    }
}
