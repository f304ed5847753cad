//! Source lines of a native program: which functions, file and line each piece of its code comes from.
//!
//! The exporter writes the table into the program; the program's fault handler reads it where it lies, without memory of
//! its own. So it is read from its start to its end, and small instead of quick to search.
//!
//! 1. `0..4`: bytes of the texts, `u32`, little endian
//! 2. `4..8`: bytes of the scopes, `u32`, little endian
//! 3. texts: names of functions and files, each with its length in bytes before it; number 0 is the first
//! 4. scopes, of which number 1 is the first. A scope is a function's code from one file, or that of a function that was
//!    inlined at one place of another scope: text of the function (0 is the symbol, whatever that is), text of the file,
//!    how many numbers before it the scope around it has (0: there is none), the line there from which it was called
//! 5. rows to the end, by address: bytes of code since the last row; twice the difference of the line to the last row's,
//!    zigzag, plus 1 if another scope begins, and then the difference of the scopes' numbers, zigzag. A row counts up to
//!    the next one; in scope 0 nothing is known
//!
//! Numbers without a width are LEB128, unsigned; zigzag is 0, -1, 1, -2, ... as 0, 1, 2, 3, ...

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// A function, and the place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its name; empty for the one that the symbol at the address names.
    pub function: &'a str,
    /// Path of the source file.
    pub file: &'a str,
    /// Line in it, from 1 on.
    pub line: u32,
}

const HEAD_BYTES: usize = 8;

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Bytes that are read from their start on.
#[derive(Clone)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.number()?).ok()?;
        let text = self.0.get(..len)?;
        self.0 = self.0.get(len..)?;
        core::str::from_utf8(text).ok()
    }
}

/// A scope as it is written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    function: u64,
    file: u64,
    /// Number of the scope around it, 0 without one.
    parent: u64,
    call_line: u64,
}

/// Reads a table. A damaged one tells less, or what is wrong, and does no other harm.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lines<'a> {
    texts: &'a [u8],
    scopes: &'a [u8],
    rows: &'a [u8],
}

impl<'a> Lines<'a> {
    /// The table in these bytes, all of them; an empty one if there is none.
    #[must_use]
    pub fn new(table: &'a [u8]) -> Self {
        let part = || {
            let word = |at: usize| {
                let word = table.get(at..at + 4)?.try_into().ok()?;
                usize::try_from(u32::from_le_bytes(word)).ok()
            };
            let (texts, rest) = table.get(HEAD_BYTES..)?.split_at_checked(word(0)?)?;
            let (scopes, rows) = rest.split_at_checked(word(4)?)?;
            Some(Lines {
                texts,
                scopes,
                rows,
            })
        };
        part().unwrap_or_default()
    }

    /// Scope and line of the code at `offset`.
    fn row(&self, offset: u64) -> Option<(u64, i64)> {
        let mut rows = Reader(self.rows);
        let (mut at, mut line, mut scope) = (0u64, 0i64, 0i64);
        let mut found = None;
        while let Some(step) = rows.number() {
            at = at.checked_add(step)?;
            if at > offset {
                break;
            }
            let change = rows.number()?;
            line = line.checked_add(unzigzag(change >> 1))?;
            if change & 1 != 0 {
                scope = scope.checked_add(unzigzag(rows.number()?))?;
            }
            found = Some((u64::try_from(scope).ok()?, line));
        }
        found
    }

    fn scope(&self, number: u64) -> Option<Scope> {
        let mut scopes = Reader(self.scopes);
        let mut scope = Scope::default();
        for this in 1..=number {
            let (function, file) = (scopes.number()?, scopes.number()?);
            let distance = scopes.number()?;
            scope = Scope {
                function,
                file,
                parent: if distance == 0 {
                    0
                } else {
                    this.checked_sub(distance)?
                },
                call_line: scopes.number()?,
            };
        }
        (number != 0).then_some(scope)
    }

    fn text(&self, number: u64) -> Option<&'a str> {
        let mut texts = Reader(self.texts);
        for _ in 0..number {
            texts.text()?;
        }
        texts.text()
    }

    /// The functions that the code at `offset`, in bytes from the start of all code, belongs to: what was inlined first,
    /// the one it was inlined into last. None where nothing is known.
    pub fn frames(&self, offset: u64) -> impl Iterator<Item = Frame<'a>> + use<'a> {
        let lines = *self;
        let mut next = lines.row(offset);
        core::iter::from_fn(move || {
            let (number, line) = next.take()?;
            let scope = lines.scope(number)?;
            // Its number is smaller, so this ends; scope 0 is none.
            next = Some((scope.parent, scope.call_line as i64));
            Some(Frame {
                function: lines.text(scope.function)?,
                file: lines.text(scope.file)?,
                line: u32::try_from(line).ok()?,
            })
        })
    }
}

/// Makes a table.
#[derive(Debug, Default)]
pub struct Writer {
    texts: Vec<u8>,
    text_numbers: BTreeMap<String, u64>,
    scopes: Vec<u8>,
    scope_numbers: BTreeMap<Scope, u64>,
    rows: Vec<u8>,
    /// The last row: offset, scope, line.
    last: (u64, u64, i64),
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

impl Writer {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        let mut writer = Writer::default();
        writer.text("");
        writer
    }

    fn text(&mut self, text: &str) -> u64 {
        if let Some(number) = self.text_numbers.get(text) {
            return *number;
        }
        let number = self.text_numbers.len() as u64;
        put(&mut self.texts, text.len() as u64);
        self.texts.extend(text.as_bytes());
        self.text_numbers.insert(text.into(), number);
        number
    }

    fn scope(&mut self, scope: Scope) -> u64 {
        if let Some(number) = self.scope_numbers.get(&scope) {
            return *number;
        }
        let number = self.scope_numbers.len() as u64 + 1;
        let distance = match scope.parent {
            0 => 0,
            parent => number - parent,
        };
        for part in [scope.function, scope.file, distance, scope.call_line] {
            put(&mut self.scopes, part);
        }
        self.scope_numbers.insert(scope, number);
        number
    }

    /// Says where the code from `offset` on comes from, in the order of [`Lines::frames`]; up to the next row. Without
    /// frames, that nobody knows. Rows come by offset; of several at one offset the last counts.
    pub fn row(&mut self, offset: u64, frames: &[Frame<'_>]) {
        let (mut scope, mut call_line) = (0, 0);
        for frame in frames.iter().rev() {
            let (function, file) = (self.text(frame.function), self.text(frame.file));
            scope = self.scope(Scope {
                function,
                file,
                parent: scope,
                call_line,
            });
            call_line = u64::from(frame.line);
        }
        let (at, last_scope, last_line) = self.last;
        let line = if scope == 0 {
            last_line
        } else {
            call_line as i64
        };
        if (scope, line) == (last_scope, last_line) {
            return;
        }
        put(&mut self.rows, offset.saturating_sub(at));
        let is_other = scope != last_scope;
        let change = zigzag(line - last_line) << 1 | u64::from(is_other);
        put(&mut self.rows, change);
        if is_other {
            put(&mut self.rows, zigzag(scope as i64 - last_scope as i64));
        }
        self.last = (offset.max(at), scope, line);
    }

    /// The table; no bytes at all if nothing is known.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let mut out = Vec::new();
        out.extend((self.texts.len() as u32).to_le_bytes());
        out.extend((self.scopes.len() as u32).to_le_bytes());
        [out, self.texts, self.scopes, self.rows].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn frame<'a>(function: &'a str, file: &'a str, line: u32) -> Frame<'a> {
        Frame {
            function,
            file,
            line,
        }
    }

    fn at<'a>(table: &'a [u8], offset: u64) -> Vec<Frame<'a>> {
        Lines::new(table).frames(offset).collect()
    }

    fn sample() -> Vec<u8> {
        let mut writer = Writer::new();
        writer.row(16, &[frame("", "a.c", 100)]);
        writer.row(
            20,
            &[
                frame("in", "b.h", 3),
                frame("mid", "b.h", 7),
                frame("", "a.c", 99),
            ],
        );
        writer.row(24, &[frame("", "a.c", 101)]);
        writer.row(30, &[]);
        writer.row(300, &[frame("", "c.c", u32::MAX)]);
        writer.finish()
    }

    #[test]
    fn code_has_functions_and_lines() {
        let table = sample();
        assert_eq!(at(&table, 15), []);
        assert_eq!(at(&table, 16), [frame("", "a.c", 100)]);
        let inlined = [
            frame("in", "b.h", 3),
            frame("mid", "b.h", 7),
            frame("", "a.c", 99),
        ];
        assert_eq!(at(&table, 20), inlined);
        assert_eq!(at(&table, 23), inlined);
        assert_eq!(at(&table, 29), [frame("", "a.c", 101)]);
        assert_eq!(at(&table, 30), []);
        assert_eq!(at(&table, 299), []);
        assert_eq!(at(&table, u64::MAX), [frame("", "c.c", u32::MAX)]);
    }

    #[test]
    fn rows_that_say_the_same_are_one() {
        let mut writer = Writer::new();
        writer.row(0, &[frame("", "a.c", 5)]);
        let once = writer.rows.len();
        writer.row(9, &[frame("", "a.c", 5)]);
        assert_eq!(writer.rows.len(), once);
        assert_eq!(Writer::new().finish(), []);
        assert_eq!(at(&[], 0), []);
    }

    #[test]
    fn damaged_tables_end() {
        let table = sample();
        for len in 0..table.len() {
            let _ = at(&table[..len], 20);
        }
        for i in 0..table.len() {
            for byte in [0, 1, 0x7F, 0x80, 0xFF] {
                let mut damaged = table.clone();
                damaged[i] = byte;
                assert!(at(&damaged, 25).len() <= 8);
            }
        }
    }

    proptest! {
        /// What was written is read, for every offset.
        #[test]
        fn what_is_written_is_read(
            rows in prop::collection::btree_map(0u64..5000, prop::collection::vec((0usize..6, 0usize..4, 1u32..9000), 0..4), 0..60),
        ) {
            let names = ["", "f", "g", "a::b", "main", "x"];
            let made: BTreeMap<u64, Vec<Frame<'_>>> = rows
                .into_iter()
                .map(|(o, list)| (o, list.into_iter().map(|(f, p, l)| frame(names[f], names[p], l)).collect()))
                .collect();
            let mut writer = Writer::new();
            for (offset, frames) in &made {
                writer.row(*offset, frames);
            }
            let table = writer.finish();
            for offset in 0..5100 {
                let expected = made.range(..=offset).next_back().map_or(vec![], |(_, f)| f.clone());
                prop_assert_eq!(at(&table, offset), expected);
            }
        }
    }
}
