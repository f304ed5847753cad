//! Which function and source line an address lies in: the tables the linker puts into the program.
//!
//! ```text
//!   count                 u32
//!   offsets               u32 x count        from the start of the code, ascending
//!   names                 u32 x count        offsets of the names, from the start of the text
//!   text                  names, each with its length before it (u16)
//! ```
//!
//! All little endian. That of source lines is `formats::lines`; it is empty where the program was exported without. The
//! linker defines `bareflow_names`, `bareflow_lines`, `bareflow_code` and their ends, `bareflow_names_end` and so on.

use formats::lines::{Frame, Lines};

/// Reads the table.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    table: &'a [u8],
}

fn word(bytes: &[u8], index: usize) -> Option<usize> {
    let at = index.checked_mul(4)?;
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?) as usize)
}

impl<'a> Names<'a> {
    /// Nothing is checked yet; a damaged table finds nothing.
    pub fn new(table: &'a [u8]) -> Self {
        Names { table }
    }

    /// The function that begins at or before `offset` bytes of the code, and the offset in it.
    pub fn find(&self, offset: usize) -> Option<(&'a str, usize)> {
        let count = word(self.table, 0)?;
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if word(self.table, 1 + middle)? <= offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let index = low.checked_sub(1)?;
        let start = word(self.table, 1 + index)?;
        let text = self.table.get(count.checked_mul(8)?.checked_add(4)?..)?;
        let name = text.get(word(self.table, 1 + count + index)?..)?;
        let len = u16::from_le_bytes(name.get(..2)?.try_into().ok()?);
        let name = name.get(2..)?.get(..len.into())?;
        Some((core::str::from_utf8(name).ok()?, offset - start))
    }
}

#[cfg(feature = "freestanding")]
mod linked {
    unsafe extern "C" {
        static bareflow_names: u8;
        static bareflow_names_end: u8;
        static bareflow_lines: u8;
        static bareflow_lines_end: u8;
        static bareflow_code: u8;
        static bareflow_code_end: u8;
    }

    fn table(start: *const u8, end: *const u8) -> &'static [u8] {
        let len = end.addr().saturating_sub(start.addr());
        // SAFETY: the linker puts both symbols around one table of bytes that nobody writes.
        unsafe { core::slice::from_raw_parts(start, len) }
    }

    pub fn names() -> &'static [u8] {
        table(&raw const bareflow_names, &raw const bareflow_names_end)
    }

    pub fn lines() -> &'static [u8] {
        table(&raw const bareflow_lines, &raw const bareflow_lines_end)
    }

    pub fn code() -> core::ops::Range<usize> {
        (&raw const bareflow_code).addr()..(&raw const bareflow_code_end).addr()
    }
}

/// Only our linker makes the tables.
#[cfg(not(feature = "freestanding"))]
mod linked {
    pub fn names() -> &'static [u8] {
        &[]
    }

    pub fn lines() -> &'static [u8] {
        &[]
    }

    pub fn code() -> core::ops::Range<usize> {
        0..0
    }
}

/// A place in the program's code.
#[derive(Clone, Copy)]
pub struct Place {
    /// The function, by its symbol.
    pub function: &'static str,
    /// Bytes from its start.
    pub offset: usize,
    /// Bytes from the start of all code.
    in_code: usize,
}

impl Place {
    /// What is at `address`.
    pub fn at(address: usize) -> Option<Self> {
        let code = linked::code();
        if !code.contains(&address) {
            return None;
        }
        let in_code = address - code.start;
        let (function, offset) = Names::new(linked::names()).find(in_code)?;
        Some(Place {
            function,
            offset,
            in_code,
        })
    }

    /// Its source lines, what was inlined first; none where they are not known.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'static>> {
        Lines::new(linked::lines()).frames(self.in_code as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(functions: &[(u32, &str)]) -> Vec<u8> {
        let mut out = (functions.len() as u32).to_le_bytes().to_vec();
        let (mut names, mut text) = (Vec::new(), Vec::new());
        for (offset, name) in functions {
            out.extend(offset.to_le_bytes());
            names.extend((text.len() as u32).to_le_bytes());
            text.extend((name.len() as u16).to_le_bytes());
            text.extend(name.as_bytes());
        }
        [out, names, text].concat()
    }

    #[test]
    fn addresses_have_names() {
        let bytes = table(&[(0, "a"), (16, "bb"), (64, "ccc")]);
        let names = Names::new(&bytes);
        assert_eq!(names.find(0), Some(("a", 0)));
        assert_eq!(names.find(15), Some(("a", 15)));
        assert_eq!(names.find(16), Some(("bb", 0)));
        assert_eq!(names.find(1000), Some(("ccc", 936)));
        assert_eq!(Names::new(&table(&[(4, "x")])).find(3), None);
    }

    #[test]
    fn damaged_tables_find_nothing() {
        let bytes = table(&[(0, "a"), (16, "bb")]);
        for len in 0..bytes.len() {
            let _ = Names::new(&bytes[..len]).find(20);
        }
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] = 0xFF;
            let _ = Names::new(&damaged).find(20);
        }
        assert_eq!(Names::new(&[]).find(0), None);
    }
}
