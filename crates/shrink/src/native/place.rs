//! Where everything goes: order of sections, addresses, the table of addresses (GOT), headers.

use super::read::{Input, Kind, Section, Target};
use super::{Error, Facts, IMAGE_BASE, NOTE_OWNER, NOTE_TYPE, PAGE, SourceLines, lines, names};
use object::elf;
use std::collections::HashMap;

/// Largest program: all of it must be reachable with 31 bits.
const MOST: u64 = 1 << 30;
/// ELF header and program headers: constants, code, data, note, stack.
pub const HEADERS: u64 = 64 + SEGMENTS as u64 * 56;
/// Program headers.
pub const SEGMENTS: usize = 5;

/// A part of the file that is loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Range {
    /// Address of the first byte; its distance from [`IMAGE_BASE`] is its place in the file.
    pub address: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes in memory.
    pub memory_bytes: u64,
}

/// Where everything goes.
pub struct Layout {
    /// By section: its address, if it is in the program.
    pub addresses: Vec<Option<u64>>,
    /// The note with its header.
    pub note: (u64, Vec<u8>),
    /// The table of names.
    pub names: (u64, Vec<u8>),
    /// The table of source lines.
    pub lines: (u64, Vec<u8>),
    /// The table of addresses: where it is, and by what it refers to, its entries.
    pub got: (u64, HashMap<Target, u64>),
    /// Constants, code, data.
    pub ranges: [Range; 3],
    /// Functions with a name.
    pub functions: usize,
}

/// Order of code by the names LLVM gives sections of hot and of cold functions.
fn rank(name: &str) -> u8 {
    if name.starts_with(".text.hot") {
        0
    } else if name.starts_with(".text.unlikely") {
        2
    } else {
        1
    }
}

/// Whether the relocation needs an entry in the table of addresses.
pub fn wants_got(kind: u32) -> bool {
    [
        elf::R_X86_64_GOTPCREL,
        elf::R_X86_64_GOTPCRELX,
        elf::R_X86_64_REX_GOTPCRELX,
    ]
    .iter()
    .any(|k| k.0 == kind)
}

/// What an entry of the table of addresses is found by: the place, or the name of what the linker defines.
pub fn key(input: &Input<'_>, target: &Target) -> Target {
    match input.target(target) {
        Some(place) => Target::Place(place),
        None => target.clone(),
    }
}

/// The note with its header: sizes, type, owner, content, each a multiple of 4 bytes.
fn note(facts: &Facts) -> Vec<u8> {
    let content = facts.to_bytes();
    let mut out = Vec::new();
    out.extend((NOTE_OWNER.len() as u32 + 1).to_le_bytes());
    out.extend((content.len() as u32).to_le_bytes());
    out.extend(NOTE_TYPE.to_le_bytes());
    out.extend(NOTE_OWNER);
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(content);
    out
}

/// Lays things out one after the other.
struct Cursor(u64);

impl Cursor {
    fn take(&mut self, size: u64, align: u64) -> Result<u64, Error> {
        let start = self.0.next_multiple_of(align);
        self.0 = start + size;
        let bytes = self.0 - IMAGE_BASE;
        match bytes <= MOST {
            true => Ok(start),
            false => Err(Error::TooLarge { bytes, most: MOST }),
        }
    }

    fn page(&mut self) -> u64 {
        self.0 = self.0.next_multiple_of(PAGE);
        self.0
    }
}

/// Decides where everything goes.
///
/// # Errors
/// A program that is too large.
pub fn place(
    input: &Input<'_>,
    reached: &[bool],
    facts: &Facts,
    source: SourceLines,
) -> Result<Layout, Error> {
    let of_kind = |kind: Kind| {
        let mut list: Vec<(usize, &Section<'_>)> = input
            .sections
            .iter()
            .enumerate()
            .filter(|(i, s)| reached[*i] && s.kind == kind)
            .collect();
        if kind == Kind::Code {
            list.sort_by(|(i, a), (j, b)| {
                let hot = |s: &Section<'_>| (rank(&s.name) == 0).then(|| s.name.clone());
                (rank(&a.name), hot(a), i).cmp(&(rank(&b.name), hot(b), j))
            });
        }
        list
    };
    let mut addresses = vec![None; input.sections.len()];
    let put = |cursor: &mut Cursor, kind: Kind, addresses: &mut Vec<Option<u64>>| {
        for (i, section) in of_kind(kind) {
            addresses[i] = Some(cursor.take(section.size, section.align)?);
        }
        Ok::<_, Error>(())
    };
    let mut cursor = Cursor(IMAGE_BASE + HEADERS);

    // Offsets in the code do not depend on where it starts: a page. So the names can come before it.
    let mut code = Cursor(IMAGE_BASE);
    put(&mut code, Kind::Code, &mut addresses)?;
    let mut functions: Vec<(u64, &str)> = of_kind(Kind::Code)
        .into_iter()
        .flat_map(|(i, section)| {
            let start = addresses[i].unwrap_or(IMAGE_BASE) - IMAGE_BASE;
            section
                .functions
                .iter()
                .map(move |(offset, name)| (start + offset, name.as_str()))
        })
        .collect();
    functions.sort();
    functions.dedup_by_key(|f| f.0);
    let table = names::table(&functions);
    let line_table = match source {
        SourceLines::Kept => lines::table(input, &addresses, IMAGE_BASE..code.0),
        SourceLines::LeftOut => Vec::new(),
    };

    let note = note(facts);
    let note_at = cursor.take(note.len() as u64, 4)?;
    put(&mut cursor, Kind::Constant, &mut addresses)?;
    let mut got = HashMap::new();
    let wanted = input
        .sections
        .iter()
        .zip(reached)
        .filter(|(_, reached)| **reached)
        .flat_map(|(s, _)| &s.relocations)
        .filter(|r| wants_got(r.kind))
        .map(|r| key(input, &r.target));
    for target in wanted {
        let next = got.len() as u64;
        got.entry(target).or_insert(next);
    }
    let got_at = cursor.take(got.len() as u64 * 8, 8)?;
    let names_at = cursor.take(table.len() as u64, 4)?;
    let lines_at = cursor.take(line_table.len() as u64, 1)?;
    let range = |start: u64, end: u64| Range {
        address: start,
        file_bytes: end - start,
        memory_bytes: end - start,
    };
    let constants = range(IMAGE_BASE, cursor.0);

    let start = cursor.page();
    put(&mut cursor, Kind::Code, &mut addresses)?;
    let code = range(start, cursor.0);

    let start = cursor.page();
    put(&mut cursor, Kind::Data, &mut addresses)?;
    let end = cursor.0;
    put(&mut cursor, Kind::Zeroed, &mut addresses)?;
    let mut data = range(start, end);
    data.memory_bytes = cursor.0 - start;
    Ok(Layout {
        addresses,
        note: (note_at, note),
        names: (names_at, table),
        lines: (lines_at, line_table),
        got: (got_at, got),
        ranges: [constants, code, data],
        functions: functions.len(),
    })
}
