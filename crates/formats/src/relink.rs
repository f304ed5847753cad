//! Relink data: the pieces of a program and what refers to them.
//!
//! `runtime.elf` is stripped and has no relocations. Sections of its link data ([`crate::link`]) keep what is needed to lay
//! it out anew. Numbers are LEB128 ([`put_number`]).
//!
//! - [`ATOMS`]: number of atoms, number of sources; then the atoms, the pieces that can be moved, by ascending address: gap
//!   from the end of the one before (the first: address), size, `kind | log2(alignment) << 4` (one byte), number of the
//!   source. What lies between atoms is padding.
//! - [`RELOCATIONS`]: number of relocations; then for each, by ascending site, `difference to the site before << 2 | field`
//!   (the first: address); then for each the number of the target atom, as signed difference to the target before
//!   (zigzag). Distances within an atom need none and have none. A relocation says *that* a field refers to an
//!   atom, not to which place in it: fields are corrected by how far site and target moved.
//! - [`SOURCES`]: for each source `library<TAB>object`, ended by a zero byte.
//! - [`NAMES`]: for each function of the function table its linker's name, ended by a zero byte.

use crate::calls::BUILD_ID_BYTES;
use alloc::vec::Vec;
use core::fmt;

/// Section of the atoms.
pub const ATOMS: [u8; 4] = *b"ATOM";
/// Section of the relocations.
pub const RELOCATIONS: [u8; 4] = *b"RELO";
/// Section of the sources' names.
pub const SOURCES: [u8; 4] = *b"SRCS";
/// Section of the functions' names.
pub const NAMES: [u8; 4] = *b"NAME";
/// Most atoms or relocations that are looked at.
pub const MAX_ITEMS: u64 = 1 << 22;

/// An item that cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemError {
    /// Its section.
    pub section: [u8; 4],
    /// Its number; that of all items if it is the header that is wrong.
    pub index: usize,
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "relink data: item {} of section {} is impossible (made by another version?)",
            self.index,
            self.section.escape_ascii()
        )
    }
}

impl core::error::Error for ItemError {}

/// What an atom is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Code.
    Text = 0,
    /// Constants.
    Rodata = 1,
    /// A string or constant that the linker merged with equal ones.
    Merged = 2,
    /// Constants that hold addresses; stays where it is.
    Relro = 3,
    /// Variables; stays where it is.
    Data = 4,
    /// Zeroed variables; stays where it is.
    Bss = 5,
    /// Initial content of thread-local variables; stays where it is.
    Tls = 6,
    /// Unwinding tables (`.eh_frame`, `.gcc_except_table`): code never refers to them.
    Unwind = 7,
    /// `.eh_frame_hdr`: the sorted table by which unwinders find `.eh_frame` entries.
    UnwindIndex = 8,
    /// Made by the linker (ELF and program headers, notes, `.rela.dyn`, `.got`); stays where it is.
    Fixed = 9,
    /// Code that must never be cold: the program's first and last instructions, and stubs.
    Glue = 10,
}

impl Kind {
    /// From the low four bits of an atom's byte.
    pub fn from_bits(bits: u8) -> Option<Self> {
        const ALL: [Kind; 11] = [
            Kind::Text,
            Kind::Rodata,
            Kind::Merged,
            Kind::Relro,
            Kind::Data,
            Kind::Bss,
            Kind::Tls,
            Kind::Unwind,
            Kind::UnwindIndex,
            Kind::Fixed,
            Kind::Glue,
        ];
        ALL.get(usize::from(bits)).copied()
    }

    /// Whether it is executed.
    pub fn is_code(self) -> bool {
        matches!(self, Self::Text | Self::Glue)
    }

    /// Whether the relinker may give it another address.
    pub fn moves(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Glue
                | Self::Rodata
                | Self::Merged
                | Self::Unwind
                | Self::UnwindIndex
        )
    }
}

/// A piece of the program that is moved as a whole or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Atom {
    /// Address in the base image.
    pub address: u64,
    /// Size in bytes.
    pub bytes: u32,
    /// What it is.
    pub kind: Kind,
    /// Log2 of the alignment.
    pub align_log2: u8,
    /// Number of the source it came from.
    pub source: u32,
}

impl Atom {
    /// First address behind it.
    pub fn end(&self) -> u64 {
        self.address + u64::from(self.bytes)
    }
}

/// What a relocated field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    /// 32 bits: a distance to the target from a place in the atom of the field.
    Relative32 = 0,
    /// 32 bits: an address.
    Absolute32 = 1,
    /// 64 bits: an address.
    Absolute64 = 2,
}

impl Field {
    /// From the low two bits of a relocation's number.
    pub fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            0 => Some(Self::Relative32),
            1 => Some(Self::Absolute32),
            2 => Some(Self::Absolute64),
            _ => None,
        }
    }

    /// Size in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Relative32 | Self::Absolute32 => 4,
            Self::Absolute64 => 8,
        }
    }
}

/// A field that refers to an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Address of the field in the base image.
    pub site: u64,
    /// What it holds.
    pub field: Field,
    /// Number of the atom it refers to.
    pub target: u32,
}

/// Section [`ATOMS`] of atoms, which must ascend and not overlap.
pub fn encode_atoms(atoms: &[Atom], sources: usize) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, atoms.len() as u64);
    put_number(&mut out, sources as u64);
    let mut end = 0;
    for atom in atoms {
        put_number(&mut out, atom.address - end);
        put_number(&mut out, atom.bytes.into());
        out.push(atom.kind as u8 | atom.align_log2 << 4);
        put_number(&mut out, atom.source.into());
        end = atom.end();
    }
    out
}

/// The atoms of a section [`ATOMS`]: ascending, apart from each other, below 2 GiB.
///
/// # Errors
/// [`ItemError`]
pub fn decode_atoms(content: &[u8]) -> Result<Vec<Atom>, ItemError> {
    let mut rest = content;
    let error = |index| ItemError {
        section: ATOMS,
        index,
    };
    let count = take_number(&mut rest).filter(|&count| count <= MAX_ITEMS);
    let count = count.ok_or(error(usize::MAX))? as usize;
    let sources = take_number(&mut rest).ok_or(error(count))?;
    // An atom takes four bytes at least: no more is believed than is there.
    let mut atoms = Vec::with_capacity(count.min(content.len() / 4));
    let mut end = 0u64;
    for index in 0..count {
        let atom = (|| {
            let address = end.checked_add(take_number(&mut rest)?)?;
            let bytes = u32::try_from(take_number(&mut rest)?).ok()?;
            let (&bits, tail) = rest.split_first()?;
            rest = tail;
            let source = take_number(&mut rest).filter(|&source| source < sources)?;
            end = address.checked_add(bytes.into())?;
            (end < 1 << 31).then_some(Atom {
                address,
                bytes,
                kind: Kind::from_bits(bits & 15)?,
                align_log2: bits >> 4,
                source: u32::try_from(source).ok()?,
            })
        })();
        atoms.push(atom.ok_or(error(index))?);
    }
    Ok(atoms)
}

/// Section [`RELOCATIONS`] of relocations, which must ascend by site.
pub fn encode_relocations(relocations: &[Relocation]) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, relocations.len() as u64);
    let mut last = 0;
    for relocation in relocations {
        let difference = relocation.site - last;
        put_number(&mut out, difference << 2 | relocation.field as u64);
        last = relocation.site;
    }
    let mut last = 0;
    for relocation in relocations {
        let difference = i64::from(relocation.target) - last;
        put_number(&mut out, (difference << 1 ^ difference >> 63) as u64);
        last = i64::from(relocation.target);
    }
    out
}

/// The relocations of a section [`RELOCATIONS`], one by one: ascending by site, targets among `atoms` atoms.
#[derive(Clone, Debug)]
pub struct Relocations<'a> {
    sites: &'a [u8],
    targets: &'a [u8],
    site: u64,
    target: i64,
    atoms: i64,
    index: usize,
    count: usize,
}

impl<'a> Relocations<'a> {
    /// Opens the section.
    ///
    /// # Errors
    /// [`ItemError`]: it ends before its targets begin.
    pub fn new(content: &'a [u8], atoms: usize) -> Result<Self, ItemError> {
        let mut sites = content;
        let count = take_number(&mut sites).filter(|&count| count <= MAX_ITEMS);
        let error = ItemError {
            section: RELOCATIONS,
            index: usize::MAX,
        };
        let count = count.ok_or(error)? as usize;
        // The targets start behind the last byte of as many numbers as there are sites.
        let mut targets = sites;
        if count > 0 {
            let mut ends = sites.iter().enumerate().filter(|(_, byte)| **byte < 0x80);
            let (last, _) = ends.nth(count - 1).ok_or(error)?;
            targets = &sites[last + 1..];
        }
        Ok(Self {
            sites,
            targets,
            site: 0,
            target: 0,
            atoms: atoms as i64,
            index: 0,
            count,
        })
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.count - self.index
    }

    fn take(&mut self) -> Option<Relocation> {
        let number = take_number(&mut self.sites)?;
        self.site = self.site.checked_add(number >> 2)?;
        let zigzag = take_number(&mut self.targets)?;
        let difference = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        self.target = self.target.checked_add(difference)?;
        (0..self.atoms).contains(&self.target).then_some(())?;
        Some(Relocation {
            site: self.site,
            field: Field::from_bits(number & 3)?,
            target: self.target as u32,
        })
    }
}

impl Iterator for Relocations<'_> {
    type Item = Result<Relocation, ItemError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.count {
            return None;
        }
        let index = self.index;
        self.index += 1;
        let relocation = self.take().ok_or(ItemError {
            section: RELOCATIONS,
            index,
        });
        if relocation.is_err() {
            self.index = self.count;
        }
        Some(relocation)
    }
}

/// Section [`SOURCES`] or [`NAMES`].
pub fn encode_names(names: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names {
        out.extend(name.iter().filter(|&&byte| byte != 0));
        out.push(0);
    }
    out
}

/// The names of a section [`SOURCES`] or [`NAMES`].
pub fn decode_names(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ended = content.strip_suffix(&[0]);
    ended
        .into_iter()
        .flat_map(|names| names.split(|&byte| byte == 0))
}

/// Appends a number: LEB128, seven bits a byte, lowest first, the top bit says that more follow.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front; `None` when it does not end, or has more than 64 bits.
pub fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7F);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The GNU build id of an ELF file (64 bit), from its notes in the first bytes of the file.
pub fn build_id(elf: &[u8]) -> Option<[u8; BUILD_ID_BYTES]> {
    const PT_NOTE: u64 = 4;
    const NT_GNU_BUILD_ID: u64 = 3;
    let number = |at: u64, bytes: u64| -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let field = elf.get(at..at.checked_add(bytes as usize)?)?;
        Some(field.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    };
    let (table, count) = (number(32, 8)?, number(56, 2)?);
    for index in 0..count {
        let header = table.checked_add(56 * index)?;
        if number(header, 4)? != PT_NOTE {
            continue;
        }
        let mut at = number(header + 8, 8)?;
        let end = at.checked_add(number(header + 32, 8)?)?;
        while at.checked_add(12)? <= end {
            let (name, desc, kind) = (number(at, 4)?, number(at + 4, 4)?, number(at + 8, 4)?);
            let content = (at + 12).checked_add(name.next_multiple_of(4))?;
            if kind == NT_GNU_BUILD_ID && number(at + 12, 4)? == 0x0055_4E47 {
                let start = usize::try_from(content).ok()?;
                let bytes = (desc as usize).min(BUILD_ID_BYTES);
                let mut id = [0; BUILD_ID_BYTES];
                id[..bytes].copy_from_slice(elf.get(start..start.checked_add(bytes)?)?);
                return Some(id);
            }
            at = content.checked_add(desc.next_multiple_of(4))?;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn atoms() -> Vec<Atom> {
        let atom = |address, bytes, kind, source| Atom {
            address,
            bytes,
            kind,
            align_log2: 4,
            source,
        };
        vec![
            atom(0x1000_0000, 16, Kind::Glue, 1),
            atom(0x1000_0010, 99, Kind::Text, 0),
            atom(0x1000_2000, 7, Kind::Unwind, 0),
        ]
    }

    fn relocations() -> Vec<Relocation> {
        let relocation = |site, field, target| Relocation {
            site,
            field,
            target,
        };
        vec![
            relocation(0x1000_0004, Field::Absolute64, 2),
            relocation(0x1000_0013, Field::Relative32, 0),
            relocation(0x1000_2001, Field::Absolute32, 1),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let read = decode_atoms(&encode_atoms(&atoms(), 2)).unwrap();
        assert_eq!(read, atoms());
        let content = encode_relocations(&relocations());
        let read: Result<Vec<_>, _> = Relocations::new(&content, 3).unwrap().collect();
        assert_eq!(read.unwrap(), relocations());
        let names = vec![b"_start".to_vec(), Vec::new(), b"main".to_vec()];
        let content = encode_names(&names);
        assert!(decode_names(&content).eq(names.iter().map(Vec::as_slice)));
        assert_eq!(decode_names(&[]).count(), 0);
    }

    #[test]
    fn truncations_and_wrong_numbers_are_refused() {
        let content = encode_atoms(&atoms(), 2);
        for end in 0..content.len() {
            assert!(decode_atoms(&content[..end]).is_err(), "{end}");
        }
        assert!(decode_atoms(&encode_atoms(&atoms(), 1)).is_err());
        let content = encode_relocations(&relocations());
        let read = |content: &[u8], atoms| -> Result<Vec<_>, _> {
            Relocations::new(content, atoms)?.collect()
        };
        for end in 0..content.len() {
            assert!(read(&content[..end], 3).is_err(), "{end}");
        }
        assert_eq!(read(&content, 2).unwrap_err().index, 0);
    }

    #[test]
    fn numbers_keep_their_value_and_their_limits() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            assert_eq!(take_number(&mut bytes.as_slice()), Some(number));
            assert_eq!(take_number(&mut &bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(take_number(&mut [0xFF; 10].as_slice()), None);
    }

    proptest! {
        #[test]
        fn arbitrary_sections_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_atoms(&bytes);
            if let Ok(relocations) = Relocations::new(&bytes, 100) {
                relocations.for_each(drop);
            }
            decode_names(&bytes).for_each(drop);
            let _ = build_id(&bytes);
        }
    }
}
