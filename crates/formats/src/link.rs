//! Link data of a payload (`/boot/runtime.link`): what the linker knew.
//!
//! A container of sections. The kernel needs one of them, [`FUNCTIONS`], when it measures coverage; relinking needs
//! all, and owns their layouts. Little endian:
//!
//! 1. head, [`HEAD_BYTES`]: magic `LINK`, version `u32`, number of sections `u32`, GNU build id of the payload it belongs to
//!    (20 bytes, filled up with zeroes), CRC-32 of the table `u32`, CRC-32 of the 36 bytes before `u32`
//! 2. table: for each section kind (4 bytes), packing `u32` (0: as it is, 1: one Zstandard frame), offset in this file
//!    `u64`, stored bytes `u64`, unpacked bytes `u64`, CRC-32 of the stored bytes `u32`, zero `u32`
//! 3. sections
//!
//! Section [`FUNCTIONS`]: number of functions `u32`, zero `u32`, base address `u64`, then for each function address minus
//! base `u32` and size in bytes `u32`; ascending, not overlapping, one entry for an address. Its order numbers the
//! functions for everybody (`formats::calls`). A size may be 0 where nobody knows it.
//!
//! CRC-32 is that of IEEE 802.3. Unpacking is the reader's: this crate knows no compression.

use crate::calls::BUILD_ID_BYTES;
use alloc::vec::Vec;
use core::fmt;
use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// Path on the volume of the link data of the base image.
pub const PATH: &str = "/boot/runtime.link";
/// The first four bytes.
pub const MAGIC: [u8; 4] = *b"LINK";
/// Version of this layout.
pub const VERSION: u32 = 1;
/// Bytes of the head.
pub const HEAD_BYTES: usize = 40;
/// Bytes of an entry of the table.
pub const ENTRY_BYTES: usize = 40;
/// Most sections that are looked at.
pub const MAX_SECTIONS: u32 = 64;
/// So many bytes from the start of the file are enough for [`Index::parse`].
pub const INDEX_BYTES: usize = HEAD_BYTES + MAX_SECTIONS as usize * ENTRY_BYTES;
/// Largest section that is unpacked.
pub const MAX_SECTION_BYTES: u64 = 1 << 30;
/// Kind of the function table.
pub const FUNCTIONS: [u8; 4] = *b"FUNC";

const FUNCTIONS_HEAD: usize = 16;
const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// How a section is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Plain,
    /// One Zstandard frame.
    Zstd,
}

/// Where a section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it holds.
    pub kind: [u8; 4],
    /// How.
    pub packing: Packing,
    /// Offset in the file in bytes.
    pub offset: u64,
    /// Bytes in the file.
    pub stored_bytes: u64,
    /// Bytes when unpacked.
    pub bytes: u64,
    crc: u32,
}

/// Head and table that passed all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Build id of the payload that this belongs to.
    pub build_id: [u8; BUILD_ID_BYTES],
    sections: Vec<Section>,
}

/// Why link data was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// The file ends too early.
    Truncated {
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// Does not start with `LINK`.
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// Written in another layout.
    Version {
        /// Version found.
        found: u32,
    },
    /// A field cannot be right.
    Field {
        /// Its name.
        field: &'static str,
        /// Value found.
        found: u64,
    },
    /// A checksum does not fit.
    Checksum {
        /// `head`, `table` or `section`.
        part: &'static str,
        /// Checksum of what is there.
        found: u32,
        /// Checksum that is written down.
        expected: u32,
    },
    /// No section of this kind.
    NoSection {
        /// Kind wanted.
        kind: [u8; 4],
    },
    /// A section does not unpack to its size.
    Unpacked {
        /// Its kind.
        kind: [u8; 4],
        /// Bytes expected.
        expected: u64,
    },
    /// A function that starts before the one before it ends, or outside 64 bits.
    Function {
        /// Its number.
        index: usize,
        /// Its address.
        address: u64,
    },
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link data: ")?;
        match *self {
            Self::Truncated { needed, found } => {
                write!(f, "{found} bytes found, {needed} needed (file cut off?)")
            }
            Self::Magic { found } => {
                write!(f, "starts with {found:02x?}, 4c 49 4e 4b expected")
            }
            Self::Version { found } => write!(f, "version {found}, {VERSION} expected"),
            Self::Field { field, found } => write!(f, "{field} cannot be {found:#x}"),
            Self::Checksum {
                part,
                found,
                expected,
            } => write!(
                f,
                "checksum of the {part} is {found:08x}, {expected:08x} expected (damaged?)"
            ),
            Self::NoSection { kind } => write!(f, "no section {}", kind.escape_ascii()),
            Self::Unpacked { kind, expected } => write!(
                f,
                "section {} does not unpack to {expected} bytes (damaged?)",
                kind.escape_ascii()
            ),
            Self::Function { index, address } => write!(
                f,
                "function {index} at {address:#x} starts before the one before it ends"
            ),
        }
    }
}

impl core::error::Error for LinkError {}

/// Path of the link data of a payload: `link` in place of `evicted` in the file's name (`/bareflow/evicted.1`,
/// `/bareflow/link.1`) or of the ending `elf` (`/boot/runtime.elf`, [`PATH`]), else `.link` behind it.
pub fn path_for(payload: &str) -> alloc::string::String {
    let (folder, name) = payload.rsplit_once('/').unwrap_or(("", payload));
    match (name.strip_prefix("evicted"), payload.strip_suffix(".elf")) {
        (Some(rest), _) => alloc::format!("{folder}/link{rest}"),
        (None, Some(stem)) => alloc::format!("{stem}.link"),
        _ => alloc::format!("{payload}.link"),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn check(part: &'static str, bytes: &[u8], expected: u32) -> Result<(), LinkError> {
    match CRC.checksum(bytes) {
        found if found == expected => Ok(()),
        found => Err(LinkError::Checksum {
            part,
            found,
            expected,
        }),
    }
}

impl Index {
    /// Reads head and table from the first [`INDEX_BYTES`] of a file of `file_bytes`, or from all of it.
    ///
    /// # Errors
    /// [`LinkError`]
    pub fn parse(bytes: &[u8], file_bytes: u64) -> Result<Self, LinkError> {
        let short = |needed: usize| LinkError::Truncated {
            needed: needed as u64,
            found: bytes.len() as u64,
        };
        let head = bytes.get(..HEAD_BYTES).ok_or(short(HEAD_BYTES))?;
        if head[..4] != MAGIC {
            let mut found = [0; 4];
            found.copy_from_slice(&head[..4]);
            return Err(LinkError::Magic { found });
        }
        let version = u32_at(head, 4);
        if version != VERSION {
            return Err(LinkError::Version { found: version });
        }
        check("head", &head[..36], u32_at(head, 36))?;
        let count = u32_at(head, 8);
        if count > MAX_SECTIONS {
            return Err(LinkError::Field {
                field: "number of sections",
                found: count.into(),
            });
        }
        let needed = HEAD_BYTES + count as usize * ENTRY_BYTES;
        let table = bytes.get(HEAD_BYTES..needed).ok_or(short(needed))?;
        check("table", table, u32_at(head, 32))?;
        let mut build_id = [0; BUILD_ID_BYTES];
        build_id.copy_from_slice(&head[12..32]);
        let sections = table
            .chunks_exact(ENTRY_BYTES)
            .map(|entry| Section::parse(entry, file_bytes));
        Ok(Self {
            build_id,
            sections: sections.collect::<Result<_, _>>()?,
        })
    }

    /// All sections, in the order of the file.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The first section of a kind.
    ///
    /// # Errors
    /// [`LinkError::NoSection`]
    pub fn section(&self, kind: [u8; 4]) -> Result<Section, LinkError> {
        let found = self.sections.iter().find(|section| section.kind == kind);
        found.copied().ok_or(LinkError::NoSection { kind })
    }
}

impl Section {
    fn parse(entry: &[u8], file_bytes: u64) -> Result<Self, LinkError> {
        let mut kind = [0; 4];
        kind.copy_from_slice(&entry[..4]);
        let packing = match u32_at(entry, 4) {
            0 => Packing::Plain,
            1 => Packing::Zstd,
            other => {
                return Err(LinkError::Field {
                    field: "packing",
                    found: other.into(),
                });
            }
        };
        let section = Self {
            kind,
            packing,
            offset: u64_at(entry, 8),
            stored_bytes: u64_at(entry, 16),
            bytes: u64_at(entry, 24),
            crc: u32_at(entry, 32),
        };
        let end = section.offset.checked_add(section.stored_bytes);
        if end.is_none_or(|end| end > file_bytes) {
            return Err(LinkError::Truncated {
                needed: end.unwrap_or(u64::MAX),
                found: file_bytes,
            });
        }
        if section.bytes > MAX_SECTION_BYTES
            || packing == Packing::Plain && section.bytes != section.stored_bytes
        {
            return Err(LinkError::Field {
                field: "size of a section",
                found: section.bytes,
            });
        }
        Ok(section)
    }

    /// Checks the stored bytes and gives the content; `unpack(stored, size)` undoes Zstandard.
    ///
    /// # Errors
    /// [`LinkError::Checksum`], [`LinkError::Unpacked`]
    pub fn open(
        &self,
        stored: Vec<u8>,
        unpack: impl FnOnce(&[u8], usize) -> Option<Vec<u8>>,
    ) -> Result<Vec<u8>, LinkError> {
        check("section", &stored, self.crc)?;
        let content = match self.packing {
            Packing::Plain => Some(stored),
            Packing::Zstd => unpack(&stored, self.bytes as usize),
        };
        content
            .filter(|content| content.len() as u64 == self.bytes)
            .ok_or(LinkError::Unpacked {
                kind: self.kind,
                expected: self.bytes,
            })
    }
}

/// A section to write.
pub struct NewSection<'a> {
    /// What it holds.
    pub kind: [u8; 4],
    /// Its content.
    pub content: &'a [u8],
    /// The same as one Zstandard frame, to store that instead.
    pub packed: Option<Vec<u8>>,
}

/// Makes link data of sections.
///
/// # Errors
/// [`LinkError::Field`]: too many sections, or one that is too large.
pub fn encode(
    build_id: &[u8; BUILD_ID_BYTES],
    sections: &[NewSection<'_>],
) -> Result<Vec<u8>, LinkError> {
    let refuse = |field, found| Err(LinkError::Field { field, found });
    if sections.len() > MAX_SECTIONS as usize {
        return refuse("number of sections", sections.len() as u64);
    }
    let mut table = Vec::new();
    let mut body: Vec<u8> = Vec::new();
    let start = (HEAD_BYTES + sections.len() * ENTRY_BYTES) as u64;
    for section in sections {
        let bytes = section.content.len() as u64;
        if bytes > MAX_SECTION_BYTES {
            return refuse("size of a section", bytes);
        }
        let stored = section.packed.as_deref().unwrap_or(section.content);
        table.extend(section.kind);
        table.extend(u32::from(section.packed.is_some()).to_le_bytes());
        for word in [start + body.len() as u64, stored.len() as u64, bytes] {
            table.extend(word.to_le_bytes());
        }
        table.extend(CRC.checksum(stored).to_le_bytes());
        table.extend([0; 4]);
        body.extend_from_slice(stored);
    }
    let mut file = Vec::new();
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend((sections.len() as u32).to_le_bytes());
    file.extend(build_id);
    file.extend(CRC.checksum(&table).to_le_bytes());
    file.extend(CRC.checksum(&file).to_le_bytes());
    file.extend(table);
    file.extend(body);
    Ok(file)
}

/// The function table: sorted, not overlapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    base: u64,
    entries: Vec<(u32, u32)>, // address - base, bytes
}

impl Functions {
    /// A table of `(address, size in bytes)` in any order. Of several entries for an address the largest is
    /// kept; a size that reaches into the next function is cut.
    ///
    /// # Errors
    /// [`LinkError::Function`]: addresses further than 4 GiB apart.
    pub fn new(mut functions: Vec<(u64, u64)>) -> Result<Self, LinkError> {
        functions.sort_unstable_by_key(|&(address, bytes)| (address, u64::MAX - bytes));
        functions.dedup_by_key(|&mut (address, _)| address);
        let base = functions.first().map_or(0, |&(address, _)| address);
        let mut entries: Vec<(u32, u32)> = Vec::with_capacity(functions.len());
        for (index, &(address, bytes)) in functions.iter().enumerate() {
            let next = functions.get(index + 1).map_or(u64::MAX, |next| next.0);
            let bytes = bytes.min(next - address).min(u64::from(u32::MAX));
            let offset = u32::try_from(address - base)
                .map_err(|_| LinkError::Function { index, address })?;
            entries.push((offset, bytes as u32));
        }
        Ok(Self { base, entries })
    }

    /// Reads the content of a section [`FUNCTIONS`].
    ///
    /// # Errors
    /// [`LinkError::Truncated`], [`LinkError::Function`]
    pub fn parse(content: &[u8]) -> Result<Self, LinkError> {
        let short = |needed: u64| LinkError::Truncated {
            needed,
            found: content.len() as u64,
        };
        let head = content
            .get(..FUNCTIONS_HEAD)
            .ok_or(short(FUNCTIONS_HEAD as u64))?;
        let count = u32_at(head, 0);
        let base = u64_at(head, 8);
        let needed = FUNCTIONS_HEAD as u64 + 8 * u64::from(count);
        let table = usize::try_from(needed)
            .ok()
            .and_then(|needed| content.get(FUNCTIONS_HEAD..needed))
            .ok_or(short(needed))?;
        let entries: Vec<(u32, u32)> = table
            .chunks_exact(8)
            .map(|entry| (u32_at(entry, 0), u32_at(entry, 4)))
            .collect();
        let mut free = 0;
        for (index, &(offset, bytes)) in entries.iter().enumerate() {
            let bad = LinkError::Function {
                index,
                address: base.wrapping_add(offset.into()),
            };
            if u64::from(offset) < free || base.checked_add(free).is_none() {
                return Err(bad);
            }
            // One entry for an address, also where nobody knows the size.
            free = u64::from(offset) + u64::from(bytes.max(1));
            base.checked_add(free).ok_or(bad)?;
        }
        Ok(Self { base, entries })
    }

    /// As a section [`FUNCTIONS`].
    pub fn encode(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(FUNCTIONS_HEAD + 8 * self.entries.len());
        content.extend((self.entries.len() as u64).to_le_bytes());
        content.extend(self.base.to_le_bytes());
        for (offset, bytes) in &self.entries {
            content.extend(offset.to_le_bytes());
            content.extend(bytes.to_le_bytes());
        }
        content
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Address and size in bytes of function `index`.
    pub fn get(&self, index: usize) -> Option<(u64, u64)> {
        let &(offset, bytes) = self.entries.get(index)?;
        Some((self.base + u64::from(offset), bytes.into()))
    }

    /// Number of the function that starts at `address`.
    pub fn starting_at(&self, address: u64) -> Option<usize> {
        let offset = u32::try_from(address.checked_sub(self.base)?).ok()?;
        self.entries
            .binary_search_by_key(&offset, |entry| entry.0)
            .ok()
    }

    /// Numbers of the functions that start in `start..end`.
    pub fn starting_in(&self, start: u64, end: u64) -> core::ops::Range<usize> {
        let first_from = |address: u64| {
            let offset = address.saturating_sub(self.base);
            self.entries
                .partition_point(|entry| u64::from(entry.0) < offset)
        };
        first_from(start)..first_from(end.max(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn functions() -> Functions {
        Functions::new(vec![
            (0x1000_2000, 0),
            (0x1000_0000, 16),
            (0x1000_0010, 0x30),
            (0x1000_0010, 8),
            (0x1000_0020, 1),
        ])
        .unwrap()
    }

    fn file() -> Vec<u8> {
        let content = functions().encode();
        let sections = [
            NewSection {
                kind: *b"NAME",
                content: b"unpacked content",
                packed: Some(b"packed".to_vec()),
            },
            NewSection {
                kind: FUNCTIONS,
                content: &content,
                packed: None,
            },
        ];
        encode(&[7; 20], &sections).unwrap()
    }

    fn read(file: &[u8]) -> Result<Functions, LinkError> {
        let head = &file[..file.len().min(INDEX_BYTES)];
        let section = Index::parse(head, file.len() as u64)?.section(FUNCTIONS)?;
        let stored = file[section.offset as usize..][..section.stored_bytes as usize].to_vec();
        Functions::parse(&section.open(stored, |_, _| None)?)
    }

    #[test]
    fn functions_are_sorted_and_do_not_overlap() {
        let found = functions();
        let all: Vec<_> = (0..found.len()).map(|i| found.get(i).unwrap()).collect();
        let expected = [
            (0x1000_0000, 16),
            (0x1000_0010, 16),
            (0x1000_0020, 1),
            (0x1000_2000, 0),
        ];
        assert_eq!(all, expected);
        assert_eq!(found.starting_at(0x1000_0020), Some(2));
        assert_eq!(found.starting_at(0x1000_0021), None);
        assert_eq!(found.starting_at(0), None);
        assert_eq!(found.starting_at(u64::MAX), None);
        assert_eq!(found.starting_in(0x1000_0001, 0x1000_2000), 1..3);
        assert_eq!(found.starting_in(0, u64::MAX), 0..4);
        assert_eq!(found.starting_in(u64::MAX, 0), 4..4);
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&file()).unwrap(), functions());
        let index = Index::parse(&file(), file().len() as u64).unwrap();
        assert_eq!(index.build_id, [7; 20]);
        let name = index.section(*b"NAME").unwrap();
        let stored = file()[name.offset as usize..][..name.stored_bytes as usize].to_vec();
        let content = name.open(stored.clone(), |packed, size| {
            assert_eq!((packed, size), (&b"packed"[..], 16));
            Some(b"unpacked content".to_vec())
        });
        assert_eq!(content.unwrap(), b"unpacked content");
        assert!(matches!(
            name.open(stored, |_, _| Some(vec![1])),
            Err(LinkError::Unpacked { expected: 16, .. })
        ));
        assert_eq!(
            index.section(*b"ATOM"),
            Err(LinkError::NoSection { kind: *b"ATOM" })
        );
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_noticed() {
        let file = file();
        for at in 0..file.len() {
            // The other section's content is not read here.
            let unread = HEAD_BYTES + 2 * ENTRY_BYTES..HEAD_BYTES + 2 * ENTRY_BYTES + 6;
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (at % 8);
            assert_eq!(read(&damaged).is_err(), !unread.contains(&at), "byte {at}");
            let cut = read(&file[..at]);
            assert!(
                matches!(cut, Err(LinkError::Truncated { .. })),
                "{at}: {cut:?}"
            );
        }
    }

    #[test]
    fn hostile_tables_are_refused() {
        let table = |base: u64, entries: &[(u32, u32)]| {
            Functions {
                base,
                entries: entries.to_vec(),
            }
            .encode()
        };
        assert!(Functions::parse(&table(1, &[(0, 4), (4, 4)])).is_ok());
        for (base, entries) in [
            (1, &[(4, 4), (0, 4)][..]),
            (1, &[(0, 5), (4, 4)]),
            (1, &[(4, 0), (4, 0)]),
            (u64::MAX, &[(0, 1)]),
            (u64::MAX - 4, &[(0, 1), (4, 1)]),
        ] {
            let found = Functions::parse(&table(base, entries));
            assert!(
                matches!(found, Err(LinkError::Function { .. })),
                "{base:#x} {entries:?}"
            );
        }
        let mut many = table(1, &[(0, 4)]);
        many[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(
            Functions::parse(&many),
            Err(LinkError::Truncated { .. })
        ));
    }

    #[test]
    fn link_data_is_found_by_the_payloads_name() {
        assert_eq!(path_for("/boot/runtime.elf"), PATH);
        assert_eq!(path_for("/bareflow/evicted.0"), "/bareflow/link.0");
        assert_eq!(path_for("/app/x"), "/app/x.link");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Index::parse(&bytes, bytes.len() as u64);
            let _ = Functions::parse(&bytes);
        }
    }
}
