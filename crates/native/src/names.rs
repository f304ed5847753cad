//! Which function an address lies in: the table the linker puts into the program.
//!
//! ```text
//!   count                 u32
//!   offsets               u32 x count        from the start of the code, ascending
//!   names                 u32 x count        offsets of the names, from the start of the text
//!   text                  names, each with its length before it (u16)
//! ```
//!
//! All little endian. The linker defines `bareflow_names`, `bareflow_names_end`, `bareflow_code`, `bareflow_code_end`.

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
        pub static bareflow_names: u8;
        pub static bareflow_names_end: u8;
        pub static bareflow_code: u8;
        pub static bareflow_code_end: u8;
    }
}

/// The function of the program that `address` lies in, and the offset in it.
#[cfg(feature = "freestanding")]
pub fn locate(address: usize) -> Option<(&'static str, usize)> {
    use linked::*;
    // SAFETY: the linker puts both symbols around one table of bytes that nobody writes.
    let table = unsafe {
        let start = &raw const bareflow_names;
        let len = (&raw const bareflow_names_end as usize).saturating_sub(start as usize);
        core::slice::from_raw_parts(start, len)
    };
    let (start, end) = (
        &raw const bareflow_code as usize,
        &raw const bareflow_code_end as usize,
    );
    (start..end)
        .contains(&address)
        .then(|| Names::new(table).find(address - start))
        .flatten()
}

/// Only our linker makes the table.
#[cfg(not(feature = "freestanding"))]
pub fn locate(_address: usize) -> Option<(&'static str, usize)> {
    None
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
