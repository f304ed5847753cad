<<<<<<< HEAD
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
=======
//! Relink data: what the linker knew of `runtime.elf`, for taking it apart later.
//!
//! `runtime.elf` is stripped and has no relocations. `/boot/runtime.link` keeps what is needed to measure which of its
//! functions run, and to lay it out anew. It is read only then. Little endian:
//!
//! ```text
//! 0    magic "LINK", version u32
//! 8    build id of the ELF file (20 bytes, GNU note), reserved u32
//! 32   number of functions, atoms, relocations, names, sources: u32 each, reserved u32
//! 56   four sections: offset u32, stored bytes u32, unpacked bytes u32, CRC-32 of the stored bytes u32
//! 120  CRC-32 of the 120 bytes before, reserved u32
//! 128  the sections
//! ```
//!
//! Sections, in this order; the first is stored as it is, the others are one zstd frame each. Numbers are LEB128
//! unless said otherwise ([`put_number`]).
//!
//! 1. **functions**: start addresses, strictly ascending: the first, then differences. A function's number is its place
//!    here; coverage bitmaps are indexed by it.
//! 2. **atoms**, the pieces that can be moved, by ascending address: gap from the end of the one before (the first:
//!    address), size, `kind | log2(alignment) << 4` (one byte), source. Data and code between atoms is padding.
//! 3. **relocations**, by ascending site: all bytes `difference to the site before << 2 | kind` first (the first:
//!    address), behind them for each the number of the target atom, as signed difference to the target before
//!    (zigzag). Distances within an atom need none and have none. A relocation says *that* a field refers to an atom, not
//!    to which place in it: fields are corrected by how far site and target moved.
//! 4. **names**: the sources (`library<TAB>object`), then the functions' names in order of address, each ended by a
//!    zero byte.
//!
//! CRC-32 is that of IEEE 802.3.
>>>>>>> 8255e7c (Define the layout of relink data)

use crate::calls::BUILD_ID_BYTES;
use alloc::vec::Vec;
use core::fmt;
<<<<<<< HEAD
use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// Path on the volume of the link data of the base image.
pub const PATH: &str = "/boot/runtime.link";
=======
use core::ops::Range;
use crc::{CRC_32_ISO_HDLC, Crc, Table};

>>>>>>> 8255e7c (Define the layout of relink data)
/// The first four bytes.
pub const MAGIC: [u8; 4] = *b"LINK";
/// Version of this layout.
pub const VERSION: u32 = 1;
/// Bytes of the head.
<<<<<<< HEAD
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
=======
pub const HEAD_BYTES: usize = 128;
/// Where the file lies on the volume.
pub const PATH: &str = "/boot/runtime.link";
/// Most functions, atoms or relocations that are looked at.
pub const MAX_ITEMS: u32 = 1 << 22;
/// Most bytes of a section, unpacked.
pub const MAX_SECTION_BYTES: u32 = 64 << 20;

const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);
const SECTIONS: usize = 4;

/// A section of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Start addresses of functions, not compressed.
    Functions = 0,
    /// Atoms.
    Atoms = 1,
    /// Relocations.
    Relocations = 2,
    /// Names of sources and functions.
    Names = 3,
}

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

/// Why relink data was refused.
>>>>>>> 8255e7c (Define the layout of relink data)
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
<<<<<<< HEAD
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
=======
    /// A number of the head is larger than anything that is looked at.
    Head {
        /// Its offset in bytes.
        offset: usize,
        /// Value found.
        found: u32,
    },
    /// A checksum does not fit.
    Checksum {
        /// Number of the section, 4 for the head.
        section: usize,
>>>>>>> 8255e7c (Define the layout of relink data)
        /// Checksum of what is there.
        found: u32,
        /// Checksum that is written down.
        expected: u32,
    },
<<<<<<< HEAD
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
=======
    /// An item of a section cannot be right.
    Item {
        /// The section.
        section: Section,
        /// Number of the item.
        index: usize,
>>>>>>> 8255e7c (Define the layout of relink data)
    },
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
<<<<<<< HEAD
        write!(f, "link data: ")?;
=======
        write!(f, "relink data: ")?;
>>>>>>> 8255e7c (Define the layout of relink data)
        match *self {
            Self::Truncated { needed, found } => {
                write!(f, "{found} bytes found, {needed} needed (file cut off?)")
            }
<<<<<<< HEAD
            Self::Magic { found } => {
                write!(f, "starts with {found:02x?}, 4c 49 4e 4b expected")
            }
            Self::Version { found } => write!(f, "version {found}, {VERSION} expected"),
            Self::Field { field, found } => write!(f, "{field} cannot be {found:#x}"),
            Self::Checksum {
                part,
=======
            Self::Magic { found } => write!(
                f,
                "starts with {found:02x?}, 4c 49 4e 4b expected (not a .link file)"
            ),
            Self::Version { found } => write!(f, "version {found}, {VERSION} expected"),
            Self::Head { offset, found } => {
                write!(f, "{found:#x} at offset {offset} of the head is too large")
            }
            Self::Checksum {
                section,
>>>>>>> 8255e7c (Define the layout of relink data)
                found,
                expected,
            } => write!(
                f,
<<<<<<< HEAD
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
=======
                "checksum of section {section} is {found:08x}, {expected:08x} expected (damaged?)"
            ),
            Self::Item { section, index } => {
                write!(f, "item {index} of section {section:?} is impossible")
            }
>>>>>>> 8255e7c (Define the layout of relink data)
        }
    }
}

impl core::error::Error for LinkError {}

<<<<<<< HEAD
/// Path of the link data of a payload: `link` in place of `evicted` in the file's name (`/bareflow/evicted.1`,
/// `/bareflow/link.1`) or of the ending `elf` (`/boot/runtime.elf`, [`PATH`]), else `.link` behind it.
pub fn path_for(payload: &str) -> alloc::string::String {
    let (folder, name) = payload.rsplit_once('/').unwrap_or(("", payload));
    match (name.strip_prefix("evicted"), payload.strip_suffix(".elf")) {
        (Some(rest), _) => alloc::format!("{folder}/link{rest}"),
        (None, Some(stem)) => alloc::format!("{stem}.link"),
        _ => alloc::format!("{payload}.link"),
    }
=======
/// The head, after all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// GNU build id of the ELF file this belongs to.
    pub build_id: [u8; BUILD_ID_BYTES],
    /// Number of functions.
    pub functions: u32,
    /// Number of atoms.
    pub atoms: u32,
    /// Number of relocations.
    pub relocations: u32,
    /// Number of functions with names: all or none.
    pub names: u32,
    /// Number of sources.
    pub sources: u32,
    sections: [Stored; SECTIONS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stored {
    offset: u32,
    bytes: u32,
    unpacked: u32,
    crc: u32,
>>>>>>> 8255e7c (Define the layout of relink data)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

<<<<<<< HEAD
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
=======
impl Head {
    /// Reads the head, the first [`HEAD_BYTES`] of the file.
    ///
    /// # Errors
    /// [`LinkError`]
    pub fn parse(bytes: &[u8]) -> Result<Self, LinkError> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk().ok_or(LinkError::Truncated {
            needed: HEAD_BYTES as u64,
            found: bytes.len() as u64,
        })?;
>>>>>>> 8255e7c (Define the layout of relink data)
        if head[..4] != MAGIC {
            let mut found = [0; 4];
            found.copy_from_slice(&head[..4]);
            return Err(LinkError::Magic { found });
        }
        let version = u32_at(head, 4);
        if version != VERSION {
            return Err(LinkError::Version { found: version });
        }
<<<<<<< HEAD
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
=======
        let (found, expected) = (CRC.checksum(&head[..120]), u32_at(head, 120));
        if found != expected {
            return Err(LinkError::Checksum {
                section: SECTIONS,
                found,
                expected,
            });
        }
        let limited = |offset: usize, limit: u32| match u32_at(head, offset) {
            found if found > limit => Err(LinkError::Head { offset, found }),
            found => Ok(found),
        };
        let mut build_id = [0; BUILD_ID_BYTES];
        build_id.copy_from_slice(&head[8..28]);
        let mut sections = [Stored::default(); SECTIONS];
        for (index, section) in sections.iter_mut().enumerate() {
            let at = 56 + 16 * index;
            *section = Stored {
                offset: limited(at, u32::MAX / 2)?,
                bytes: limited(at + 4, MAX_SECTION_BYTES)?,
                unpacked: limited(at + 8, MAX_SECTION_BYTES)?,
                crc: u32_at(head, at + 12),
            };
        }
        Ok(Self {
            build_id,
            functions: limited(32, MAX_ITEMS)?,
            atoms: limited(36, MAX_ITEMS)?,
            relocations: limited(40, MAX_ITEMS)?,
            names: limited(44, MAX_ITEMS)?,
            sources: limited(48, MAX_ITEMS)?,
            sections,
        })
    }

    /// Where a section lies in the file.
    pub fn range(&self, section: Section) -> Range<usize> {
        let stored = self.sections[section as usize];
        stored.offset as usize..stored.offset as usize + stored.bytes as usize
    }

    /// Size of a section when unpacked, in bytes.
    pub fn unpacked_bytes(&self, section: Section) -> usize {
        self.sections[section as usize].unpacked as usize
    }

    /// The stored bytes of a section of a whole file, checked.
    ///
    /// # Errors
    /// [`LinkError::Truncated`], [`LinkError::Checksum`]
    pub fn section<'a>(&self, file: &'a [u8], section: Section) -> Result<&'a [u8], LinkError> {
        let range = self.range(section);
        let stored = file.get(range.clone()).ok_or(LinkError::Truncated {
            needed: range.end as u64,
            found: file.len() as u64,
        })?;
        self.check(stored, section)?;
        Ok(stored)
    }

    /// Checks the stored bytes of a section that were read by [`Head::range`].
    ///
    /// # Errors
    /// [`LinkError::Checksum`]
    pub fn check(&self, stored: &[u8], section: Section) -> Result<(), LinkError> {
        let (found, expected) = (CRC.checksum(stored), self.sections[section as usize].crc);
        if found != expected {
            return Err(LinkError::Checksum {
                section: section as usize,
                found,
                expected,
            });
        }
        Ok(())
    }

    /// Start addresses of all functions, strictly ascending, from the stored bytes of [`Section::Functions`]. Ends early
    /// with an error at what is impossible.
    pub fn functions<'a>(
        &self,
        stored: &'a [u8],
    ) -> impl Iterator<Item = Result<u64, LinkError>> + use<'a> {
        let mut rest = stored;
        let mut address = 0u64;
        let mut broken = false;
        (0..self.functions as usize).map_while(move |index| {
            if broken {
                return None;
            }
            let next = take_number(&mut rest)
                .filter(|&difference| difference != 0)
                .and_then(|difference| address.checked_add(difference));
            Some(match next {
                Some(next) => {
                    address = next;
                    Ok(next)
                }
                None => {
                    broken = true;
                    Err(LinkError::Item {
                        section: Section::Functions,
                        index,
                    })
                }
            })
        })
    }

    /// All atoms, from the unpacked [`Section::Atoms`].
    ///
    /// # Errors
    /// [`LinkError::Item`]
    pub fn atoms(&self, unpacked: &[u8]) -> Result<Vec<Atom>, LinkError> {
        let mut rest = unpacked;
        let mut end = 0u64;
        let mut atoms = Vec::new();
        for index in 0..self.atoms as usize {
            let atom = (|| {
                let address = end.checked_add(take_number(&mut rest)?)?;
                let bytes = u32::try_from(take_number(&mut rest)?).ok()?;
                let (&bits, tail) = rest.split_first()?;
                rest = tail;
                let source = u32::try_from(take_number(&mut rest)?).ok()?;
                end = address.checked_add(bytes.into())?;
                Some(Atom {
                    address,
                    bytes,
                    kind: Kind::from_bits(bits & 15)?,
                    align_log2: bits >> 4,
                    source: (source < self.sources).then_some(source)?,
                })
            })();
            atoms.push(atom.ok_or(LinkError::Item {
                section: Section::Atoms,
                index,
            })?);
        }
        Ok(atoms)
    }

    /// All relocations one by one, from the unpacked [`Section::Relocations`]. Ends early with an error at what is
    /// impossible.
    pub fn relocations<'a>(
        &self,
        unpacked: &'a [u8],
    ) -> impl Iterator<Item = Result<Relocation, LinkError>> + use<'a> {
        let count = self.relocations as usize;
        let atoms = i64::from(self.atoms);
        let mut sites = unpacked;
        // The targets start behind as many numbers as there are sites: behind their last bytes.
        let mut targets: &[u8] = &[];
        let mut last_bytes = 0;
        if count > 0 {
            for (at, byte) in unpacked.iter().enumerate() {
                last_bytes += usize::from(byte & 0x80 == 0);
                if last_bytes == count {
                    targets = &unpacked[at + 1..];
                    break;
                }
            }
        }
        let mut site = 0u64;
        let mut target = 0i64;
        let mut broken = false;
        (0..count).map_while(move |index| {
            if broken {
                return None;
            }
            let next = (|| {
                let number = take_number(&mut sites)?;
                site = site.checked_add(number >> 2)?;
                let zigzag = take_number(&mut targets)?;
                let difference = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
                target = target.checked_add(difference)?;
                (0..atoms).contains(&target).then_some(())?;
                Some(Relocation {
                    site,
                    field: Field::from_bits(number & 3)?,
                    target: target as u32,
                })
            })();
            broken = next.is_none();
            Some(next.ok_or(LinkError::Item {
                section: Section::Relocations,
                index,
            }))
        })
    }
}

/// Everything that a file is made of. Items must be in order of address.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// GNU build id of the ELF file.
    pub build_id: [u8; BUILD_ID_BYTES],
    /// Start addresses of functions, strictly ascending.
    pub functions: Vec<u64>,
    /// The functions' names, in the same order.
    pub names: Vec<Vec<u8>>,
    /// Atoms, ascending, apart from each other.
    pub atoms: Vec<Atom>,
    /// Relocations, ascending by site.
    pub relocations: Vec<Relocation>,
    /// Sources: library, tab, object.
    pub sources: Vec<Vec<u8>>,
}

/// Makes the file. `pack` gives a section as one zstd frame.
pub fn encode(contents: &Contents, mut pack: impl FnMut(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut functions = Vec::new();
    let mut last = 0;
    for &start in &contents.functions {
        put_number(&mut functions, start - last);
        last = start;
    }
    let mut atoms = Vec::new();
    let mut end = 0;
    for atom in &contents.atoms {
        put_number(&mut atoms, atom.address - end);
        put_number(&mut atoms, atom.bytes.into());
        atoms.push(atom.kind as u8 | atom.align_log2 << 4);
        put_number(&mut atoms, atom.source.into());
        end = atom.end();
    }
    let mut relocations = Vec::new();
    let mut last = 0;
    for relocation in &contents.relocations {
        put_number(
            &mut relocations,
            (relocation.site - last) << 2 | relocation.field as u64,
        );
        last = relocation.site;
    }
    let mut last = 0;
    for relocation in &contents.relocations {
        let difference = i64::from(relocation.target) - last;
        put_number(
            &mut relocations,
            (difference << 1 ^ difference >> 63) as u64,
        );
        last = i64::from(relocation.target);
    }
    let mut names = Vec::new();
    for name in contents.sources.iter().chain(&contents.names) {
        names.extend(name.iter().filter(|&&byte| byte != 0));
        names.push(0);
    }
    let mut file = Vec::new();
    file.resize(HEAD_BYTES, 0);
    file[..4].copy_from_slice(&MAGIC);
    file[4..8].copy_from_slice(&VERSION.to_le_bytes());
    file[8..28].copy_from_slice(&contents.build_id);
    let counts = [
        contents.functions.len(),
        contents.atoms.len(),
        contents.relocations.len(),
        contents.names.len(),
        contents.sources.len(),
    ];
    for (index, count) in counts.into_iter().enumerate() {
        file[32 + 4 * index..36 + 4 * index].copy_from_slice(&(count as u32).to_le_bytes());
    }
    for (index, unpacked) in [functions, atoms, relocations, names].iter().enumerate() {
        let stored = match index {
            0 => unpacked.clone(),
            _ => pack(unpacked),
        };
        let words = [
            file.len() as u32,
            stored.len() as u32,
            unpacked.len() as u32,
            CRC.checksum(&stored),
        ];
        for (place, word) in words.into_iter().enumerate() {
            let at = 56 + 16 * index + 4 * place;
            file[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        file.extend(stored);
    }
    let crc = CRC.checksum(&file[..120]);
    file[120..124].copy_from_slice(&crc.to_le_bytes());
    file
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
            let content = at + 12 + name.next_multiple_of(4);
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
>>>>>>> 8255e7c (Define the layout of relink data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

<<<<<<< HEAD
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
=======
    fn contents() -> Contents {
        let atom = |address, bytes, kind, source| Atom {
            address,
            bytes,
            kind,
            align_log2: 4,
            source,
        };
        Contents {
            build_id: [5; 20],
            functions: vec![0x1000_0000, 0x1000_0010, 0x1000_2000],
            names: vec![b"_start".to_vec(), b"main".to_vec(), b"f".to_vec()],
            atoms: vec![
                atom(0x1000_0000, 16, Kind::Glue, 1),
                atom(0x1000_0010, 99, Kind::Text, 0),
                atom(0x1000_2000, 7, Kind::Unwind, 0),
            ],
            relocations: vec![
                Relocation {
                    site: 0x1000_0004,
                    field: Field::Absolute64,
                    target: 2,
                },
                Relocation {
                    site: 0x1000_0013,
                    field: Field::Relative32,
                    target: 0,
                },
            ],
            sources: vec![b"LLVMCore\tValue.cpp".to_vec(), b"c\tstart.o".to_vec()],
        }
    }

    fn read(file: &[u8]) -> Result<Contents, LinkError> {
        let head = Head::parse(file)?;
        let names = head.section(file, Section::Names)?;
        let mut names = names.split(|&b| b == 0).map(<[u8]>::to_vec);
        Ok(Contents {
            build_id: head.build_id,
            functions: head
                .functions(head.section(file, Section::Functions)?)
                .collect::<Result<_, _>>()?,
            atoms: head.atoms(head.section(file, Section::Atoms)?)?,
            relocations: head
                .relocations(head.section(file, Section::Relocations)?)
                .collect::<Result<_, _>>()?,
            sources: names.by_ref().take(head.sources as usize).collect(),
            names: names.take(head.names as usize).collect(),
        })
>>>>>>> 8255e7c (Define the layout of relink data)
    }

    #[test]
    fn what_is_written_is_read() {
<<<<<<< HEAD
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
=======
        let expected = contents();
        let file = encode(&expected, <[u8]>::to_vec);
        let found = read(&file).unwrap();
        assert_eq!(found.functions, expected.functions);
        assert_eq!(found.atoms, expected.atoms);
        assert_eq!(found.relocations, expected.relocations);
        assert_eq!(found.names, expected.names);
        assert_eq!(found.sources, expected.sources);
        assert_eq!(found.build_id, expected.build_id);
        assert_eq!(
            read(&encode(&Contents::default(), <[u8]>::to_vec))
                .unwrap()
                .atoms,
            []
>>>>>>> 8255e7c (Define the layout of relink data)
        );
    }

    #[test]
<<<<<<< HEAD
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
=======
    fn every_flipped_bit_and_truncation_is_noticed() {
        let file = encode(&contents(), <[u8]>::to_vec);
        for at in (0..124).chain(HEAD_BYTES..file.len()) {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(read(&damaged).is_err(), "byte {at}");
            assert!(read(&file[..at]).is_err(), "cut at {at}");
>>>>>>> 8255e7c (Define the layout of relink data)
        }
    }

    #[test]
<<<<<<< HEAD
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
=======
    fn numbers_keep_their_value_and_their_limits() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            assert_eq!(take_number(&mut bytes.as_slice()), Some(number));
            assert_eq!(take_number(&mut &bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(take_number(&mut [0xFF; 10].as_slice()), None);
    }

    #[test]
    fn functions_must_ascend() {
        let mut twice = contents();
        twice.functions[1] = twice.functions[0];
        let file = encode(&twice, <[u8]>::to_vec);
        let error = read(&file).unwrap_err();
        let section = Section::Functions;
        assert_eq!(error, LinkError::Item { section, index: 1 });
>>>>>>> 8255e7c (Define the layout of relink data)
    }

    proptest! {
        #[test]
<<<<<<< HEAD
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Index::parse(&bytes, bytes.len() as u64);
            let _ = Functions::parse(&bytes);
=======
        fn arbitrary_sections_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let head = Head::parse(&encode(&contents(), <[u8]>::to_vec)).unwrap();
            let _ = head.atoms(&bytes);
            head.relocations(&bytes).for_each(drop);
            head.functions(&bytes).for_each(drop);
            let _ = build_id(&bytes);
            let _ = Head::parse(&bytes);
>>>>>>> 8255e7c (Define the layout of relink data)
        }
    }
}
