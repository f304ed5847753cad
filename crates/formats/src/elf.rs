//! Payload ELF: parsing what the kernel loads, believing nothing.
//!
//! A payload is a static x86-64 ELF executable. [`Executable::parse`] turns the first bytes of a file into a type whose
//! holder may rely on this:
//!
//! - it is ELF64, little endian, x86-64, ET_EXEC, without an interpreter;
//! - every segment lies in the file, is not larger there than in memory, ends below [`USER_END`], and starts at
//!   [`USER_START`] or above;
//! - segments ascend and do not share a page; none is writable and executable;
//! - a cold segment (`formats::cold`) is page aligned, in memory and counted from the first cold byte of the file, and
//!   is not writable; whether its content is there is for [`Executable::check_cold`], since it may be in another file;
//! - the entry point lies in an executable segment, and there is one;
//! - the program headers are in memory at [`Executable::headers_address`] if that is not `None`.
//!
//! Source: System V ABI, generic part, chapters 4 and 5; AMD64 supplement.

use crate::calls::BUILD_ID_BYTES;
use crate::cold::PF_COLD;
use alloc::vec::Vec;
use core::fmt;

/// Lowest address of a segment: a null pointer with an offset stays a fault.
pub const USER_START: u64 = 0x1_0000;
/// Segments end at or below.
pub const USER_END: u64 = 0x7000_0000_0000;
/// Bytes of the file header.
pub const HEADER_BYTES: usize = 64;
/// Bytes of a program header.
pub const PROGRAM_HEADER_BYTES: usize = 56;
/// Most program headers that are looked at.
pub const MAX_PROGRAM_HEADERS: usize = 64;
/// So many bytes from the start of the file are enough for [`Executable::parse`] if the program headers
/// follow the file header, as every linker places them. Notes are found if they lie in there, too.
pub const HEAD_BYTES: usize = PAGE as usize;
const PAGE: u64 = 4096;
const _: () = assert!(HEADER_BYTES + MAX_PROGRAM_HEADERS * PROGRAM_HEADER_BYTES <= HEAD_BYTES);

/// Protection of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Can be read.
    pub read: bool,
    /// Can be written.
    pub write: bool,
    /// Can be executed.
    pub execute: bool,
}

/// A part of the file that is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Virtual address of the first byte.
    pub address: u64,
    /// Size in memory in bytes; what the file does not fill is zero.
    pub memory_bytes: u64,
    /// Where it starts in the file.
    pub file_offset: u64,
    /// Size in the file in bytes.
    pub file_bytes: u64,
    /// Protection.
    pub protection: Protection,
    /// Its pages are read one by one when they are touched (`formats::cold`).
    pub cold: bool,
}

impl Segment {
    /// First address behind the segment.
    pub fn end(&self) -> u64 {
        self.address + self.memory_bytes
    }
}

/// A payload that passed all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    /// Address of the first instruction.
    pub entry: u64,
    /// What to load, ascending.
    pub segments: Vec<Segment>,
    /// Address of the program headers in memory, for AT_PHDR.
    pub headers_address: Option<u64>,
    /// Number of program headers.
    pub header_count: u16,
    /// GNU build id, filled up with zeroes; `None` if there is no such note in the first [`HEAD_BYTES`].
    pub build_id: Option<[u8; BUILD_ID_BYTES]>,
}

/// Why a payload was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// The file ends before its headers do.
    Truncated {
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// Does not start with 7F 'E' 'L' 'F'.
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A field of the file header has a value that is not supported.
    Header {
        /// Name of the field in the ELF specification.
        field: &'static str,
        /// Value found.
        found: u64,
        /// Value expected.
        expected: u64,
    },
    /// More than [`MAX_PROGRAM_HEADERS`] program headers.
    TooManyHeaders {
        /// Number found.
        found: u16,
    },
    /// Asks for a dynamic linker.
    Dynamic,
    /// A segment does not lie in the file.
    SegmentOutsideFile {
        /// Number of the program header.
        index: usize,
        /// Where the segment starts in the file.
        offset: u64,
        /// Its bytes in the file.
        bytes: u64,
        /// Size of the file.
        file: u64,
    },
    /// A segment is larger in the file than in memory.
    SegmentSizes {
        /// Number of the program header.
        index: usize,
        /// Bytes in the file.
        file: u64,
        /// Bytes in memory.
        memory: u64,
    },
    /// A segment lies outside [`USER_START`]..[`USER_END`].
    SegmentAddress {
        /// Number of the program header.
        index: usize,
        /// Its address.
        address: u64,
        /// Its size in memory.
        bytes: u64,
    },
    /// A segment does not come after the previous one, or shares a page with it.
    SegmentOverlap {
        /// Number of the program header.
        index: usize,
        /// Its address.
        address: u64,
        /// End of the one before.
        previous_end: u64,
    },
    /// A segment that is writable and executable.
    WritableCode {
        /// Number of the program header.
        index: usize,
    },
    /// A cold segment that is writable or not page aligned.
    Cold {
        /// Number of the program header.
        index: usize,
        /// Its address.
        address: u64,
        /// Where it starts in the file.
        offset: u64,
    },
    /// Nothing to load.
    NoSegments,
    /// The entry point is in no executable segment.
    Entry {
        /// The entry point.
        address: u64,
    },
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "payload ELF: ")?;
        match *self {
            Self::Truncated { needed, found } => {
                write!(
                    f,
                    "{found} bytes found, {needed} needed for the headers (file cut off?)"
                )
            }
            Self::Magic { found } => {
                write!(
                    f,
                    "starts with {found:02x?}, 7f 45 4c 46 expected (not an ELF file)"
                )
            }
            Self::Header {
                field,
                found,
                expected,
            } => write!(
                f,
                "{field} is {found:#x}, {expected:#x} expected (link it static, no PIE, for x86-64)"
            ),
            Self::TooManyHeaders { found } => {
                write!(
                    f,
                    "{found} program headers, at most {MAX_PROGRAM_HEADERS} expected"
                )
            }
            Self::Dynamic => write!(f, "asks for a dynamic linker (link it static)"),
            Self::SegmentOutsideFile {
                index,
                offset,
                bytes,
                file,
            } => write!(
                f,
                "segment {index} takes {bytes} bytes at offset {offset} of a file of {file} bytes (file cut off?)"
            ),
            Self::SegmentSizes {
                index,
                file,
                memory,
            } => {
                write!(
                    f,
                    "segment {index} has {file} bytes in the file but {memory} in memory"
                )
            }
            Self::SegmentAddress {
                index,
                address,
                bytes,
            } => write!(
                f,
                "segment {index} at {address:#x} ({bytes} bytes) lies outside {USER_START:#x}..{USER_END:#x}"
            ),
            Self::SegmentOverlap {
                index,
                address,
                previous_end,
            } => write!(
                f,
                "segment {index} at {address:#x} starts in a page of the one before, which ends at {previous_end:#x}"
            ),
            Self::WritableCode { index } => {
                write!(
                    f,
                    "segment {index} is writable and executable (split it: ld -z separate-code)"
                )
            }
            Self::Cold {
                index,
                address,
                offset,
            } => write!(
                f,
                "cold segment {index} at {address:#x}, offset {offset:#x} of the file, is writable or not page aligned"
            ),
            Self::NoSegments => write!(f, "no segment to load"),
            Self::Entry { address } => {
                write!(
                    f,
                    "the entry point {address:#x} lies in no executable segment"
                )
            }
        }
    }
}

impl core::error::Error for ElfError {}

fn le<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&bytes[at..at + N]);
    value
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(le(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(le(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(le(bytes, at))
}

const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;

impl Executable {
    /// Parses the head of a payload: `head` are the first bytes of a file of `file_bytes` bytes,
    /// [`HEAD_BYTES`] of them or the whole file.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(head: &[u8], file_bytes: u64) -> Result<Self, ElfError> {
        let found = head.len() as u64;
        if head.len() < HEADER_BYTES {
            return Err(ElfError::Truncated {
                needed: HEADER_BYTES as u64,
                found,
            });
        }
        if head[..4] != *b"\x7fELF" {
            return Err(ElfError::Magic { found: le(head, 0) });
        }
        let fields = [
            ("e_ident[EI_CLASS]", u64::from(head[4]), 2),
            ("e_ident[EI_DATA]", u64::from(head[5]), 1),
            ("e_ident[EI_VERSION]", u64::from(head[6]), 1),
            ("e_type", u64::from(u16_at(head, 16)), 2),
            ("e_machine", u64::from(u16_at(head, 18)), 62),
            (
                "e_phentsize",
                u64::from(u16_at(head, 54)),
                PROGRAM_HEADER_BYTES as u64,
            ),
        ];
        for (field, found, expected) in fields {
            if found != expected {
                return Err(ElfError::Header {
                    field,
                    found,
                    expected,
                });
            }
        }
        let entry = u64_at(head, 24);
        let table_offset = u64_at(head, 32);
        let header_count = u16_at(head, 56);
        if usize::from(header_count) > MAX_PROGRAM_HEADERS {
            return Err(ElfError::TooManyHeaders {
                found: header_count,
            });
        }
        let table_bytes = usize::from(header_count) * PROGRAM_HEADER_BYTES;
        let needed = table_offset.saturating_add(table_bytes as u64);
        if needed > found {
            return Err(ElfError::Truncated { needed, found });
        }
        let table = &head[table_offset as usize..needed as usize];
        let segments = parse_segments(table, file_bytes)?;
        let runs = |segment: &&Segment| segment.protection.execute;
        if !segments
            .iter()
            .filter(runs)
            .any(|s| (s.address..s.end()).contains(&entry))
        {
            return Err(ElfError::Entry { address: entry });
        }
        let headers_address = segments.iter().find_map(|segment| {
            let inside = table_offset.checked_sub(segment.file_offset)?;
            let ends = inside.checked_add(table_bytes as u64)? <= segment.file_bytes;
            ends.then_some(segment.address + inside)
        });
        Ok(Self {
            entry,
            segments,
            headers_address,
            header_count,
            build_id: build_id(head, table),
        })
    }

    /// Where the content of the cold segments starts in the file; `None` if there are none.
    pub fn cold_offset(&self) -> Option<u64> {
        let cold = self.segments.iter().filter(|segment| segment.cold);
        cold.map(|segment| segment.file_offset).min()
    }

    /// Checks that the content of all cold segments lies within `bytes` from [`Executable::cold_offset`] on.
    ///
    /// # Errors
    /// [`ElfError::SegmentOutsideFile`], with places counted from there.
    pub fn check_cold(&self, bytes: u64) -> Result<(), ElfError> {
        let base = self.cold_offset().unwrap_or(0);
        for (index, segment) in self.segments.iter().enumerate() {
            let offset = segment.file_offset.wrapping_sub(base);
            if segment.cold && offset + segment.file_bytes > bytes {
                return Err(ElfError::SegmentOutsideFile {
                    index,
                    offset,
                    bytes: segment.file_bytes,
                    file: bytes,
                });
            }
        }
        Ok(())
    }

    /// First address behind all segments: where the heap starts.
    pub fn end(&self) -> u64 {
        self.segments.last().map_or(USER_START, Segment::end)
    }
}

fn parse_segments(table: &[u8], file_bytes: u64) -> Result<Vec<Segment>, ElfError> {
    let mut segments: Vec<Segment> = Vec::new();
    for (index, header) in table.chunks_exact(PROGRAM_HEADER_BYTES).enumerate() {
        match u32_at(header, 0) {
            PT_LOAD => {}
            PT_INTERP => return Err(ElfError::Dynamic),
            _ => continue,
        }
        let flags = u32_at(header, 4);
        let segment = Segment {
            file_offset: u64_at(header, 8),
            address: u64_at(header, 16),
            file_bytes: u64_at(header, 32),
            memory_bytes: u64_at(header, 40),
            protection: Protection {
                execute: flags & 1 != 0,
                write: flags & 2 != 0,
                read: flags & 4 != 0,
            },
            cold: flags & PF_COLD != 0,
        };
        if segment.memory_bytes == 0 && segment.file_bytes == 0 {
            continue;
        }
        let Segment {
            file_offset: offset,
            file_bytes: bytes,
            address,
            ..
        } = segment;
        let end = offset.checked_add(bytes);
        if end.is_none_or(|end| end > file_bytes && !segment.cold) {
            return Err(ElfError::SegmentOutsideFile {
                index,
                offset,
                bytes,
                file: file_bytes,
            });
        }
        if bytes > segment.memory_bytes {
            return Err(ElfError::SegmentSizes {
                index,
                file: bytes,
                memory: segment.memory_bytes,
            });
        }
        let bytes = segment.memory_bytes;
        let ends = address
            .checked_add(bytes)
            .is_some_and(|end| end <= USER_END);
        if address < USER_START || !ends {
            return Err(ElfError::SegmentAddress {
                index,
                address,
                bytes,
            });
        }
        if let Some(previous) = segments.last() {
            let previous_end = previous.end();
            if address / PAGE < previous_end.div_ceil(PAGE) {
                return Err(ElfError::SegmentOverlap {
                    index,
                    address,
                    previous_end,
                });
            }
        }
        if segment.protection.write && segment.protection.execute {
            return Err(ElfError::WritableCode { index });
        }
        if segment.cold && (segment.protection.write || !address.is_multiple_of(PAGE)) {
            return Err(ElfError::Cold {
                index,
                address,
                offset,
            });
        }
        segments.push(segment);
    }
    if segments.is_empty() {
        return Err(ElfError::NoSegments);
    }
    let cold = segments.iter().filter(|segment| segment.cold);
    let base = cold.map(|segment| segment.file_offset).min().unwrap_or(0);
    for (index, segment) in segments.iter().enumerate() {
        if segment.cold && !(segment.file_offset - base).is_multiple_of(PAGE) {
            return Err(ElfError::Cold {
                index,
                address: segment.address,
                offset: segment.file_offset,
            });
        }
    }
    Ok(segments)
}

/// The GNU build id among the notes that lie in `head`.
fn build_id(head: &[u8], table: &[u8]) -> Option<[u8; BUILD_ID_BYTES]> {
    let notes = |header: &[u8]| {
        let start = usize::try_from(u64_at(header, 8)).ok()?;
        let end = start.checked_add(usize::try_from(u64_at(header, 32)).ok()?)?;
        head.get(start..end)
    };
    table
        .chunks_exact(PROGRAM_HEADER_BYTES)
        .filter(|header| u32_at(header, 0) == PT_NOTE)
        .filter_map(notes)
        .find_map(build_id_of_notes)
}

/// Notes (generic ABI, chapter 5): sizes of name and descriptor, type, name, descriptor; the last two fill 4-byte words.
fn build_id_of_notes(mut notes: &[u8]) -> Option<[u8; BUILD_ID_BYTES]> {
    const NT_GNU_BUILD_ID: u32 = 3;
    loop {
        let head = notes.get(..12)?;
        let name_bytes = u32_at(head, 0) as usize;
        let bytes = u32_at(head, 4) as usize;
        let at = 12 + name_bytes.checked_next_multiple_of(4)?;
        let end = at.checked_add(bytes)?;
        let (name, content) = (notes.get(12..12 + name_bytes)?, notes.get(at..end)?);
        if name == b"GNU\0" && u32_at(head, 8) == NT_GNU_BUILD_ID {
            let mut id = [0; BUILD_ID_BYTES];
            let kept = bytes.min(BUILD_ID_BYTES);
            id[..kept].copy_from_slice(&content[..kept]);
            return Some(id);
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    const FILE_BYTES: u64 = 0x5000;

    /// A payload with a code segment (headers inside) and a data segment.
    fn valid() -> Vec<u8> {
        let mut elf = vec![0u8; HEADER_BYTES + 2 * PROGRAM_HEADER_BYTES];
        elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        put(&mut elf, 16, &2u16.to_le_bytes());
        put(&mut elf, 18, &62u16.to_le_bytes());
        put(&mut elf, 24, &0x40_0100u64.to_le_bytes());
        put(&mut elf, 32, &64u64.to_le_bytes());
        put(&mut elf, 54, &56u16.to_le_bytes());
        put(&mut elf, 56, &2u16.to_le_bytes());
        segment(&mut elf, 0, 5, 0, 0x40_0000, 0x2000, 0x2000);
        segment(&mut elf, 1, 6, 0x2000, 0x40_2000, 0x1000, 0x9000);
        elf
    }

    fn put(elf: &mut [u8], at: usize, bytes: &[u8]) {
        elf[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn segment(
        elf: &mut [u8],
        index: usize,
        flags: u32,
        offset: u64,
        address: u64,
        file: u64,
        memory: u64,
    ) {
        let at = HEADER_BYTES + index * PROGRAM_HEADER_BYTES;
        put(elf, at, &PT_LOAD.to_le_bytes());
        put(elf, at + 4, &flags.to_le_bytes());
        for (field, value) in [(8, offset), (16, address), (32, file), (40, memory)] {
            put(elf, at + field, &value.to_le_bytes());
        }
    }

    #[test]
    fn a_valid_payload_is_understood() {
        let elf = Executable::parse(&valid(), FILE_BYTES).unwrap();
        assert_eq!(elf.entry, 0x40_0100);
        assert_eq!(elf.headers_address, Some(0x40_0040));
        assert_eq!(elf.segments.len(), 2);
        assert_eq!(elf.end(), 0x40_B000);
        assert!(elf.segments[0].protection.execute && !elf.segments[0].protection.write);
    }

    #[test]
    fn every_truncation_is_refused() {
        let elf = valid();
        for length in 0..elf.len() {
            let result = Executable::parse(&elf[..length], FILE_BYTES);
            assert!(
                matches!(result, Err(ElfError::Truncated { .. })),
                "{length}: {result:?}"
            );
        }
        let cut = Executable::parse(&elf, 0x2FFF);
        assert!(
            matches!(cut, Err(ElfError::SegmentOutsideFile { index: 1, .. })),
            "{cut:?}"
        );
    }

    #[test]
    fn header_fields_are_checked() {
        for (at, field) in [
            (4, "e_ident[EI_CLASS]"),
            (5, "e_ident[EI_DATA]"),
            (6, "e_ident[EI_VERSION]"),
            (16, "e_type"),
            (18, "e_machine"),
            (54, "e_phentsize"),
        ] {
            let mut elf = valid();
            elf[at] ^= 0x40;
            match Executable::parse(&elf, FILE_BYTES) {
                Err(ElfError::Header { field: found, .. }) => assert_eq!(found, field),
                other => panic!("{field}: {other:?}"),
            }
        }
        let mut elf = valid();
        elf[0] = 0;
        assert!(matches!(
            Executable::parse(&elf, FILE_BYTES),
            Err(ElfError::Magic { .. })
        ));
        let mut elf = valid();
        put(&mut elf, 56, &65u16.to_le_bytes());
        let many = Executable::parse(&elf, FILE_BYTES);
        assert_eq!(many, Err(ElfError::TooManyHeaders { found: 65 }));
    }

    #[test]
    fn hostile_segments_are_refused() {
        type Case = (&'static str, u32, u64, u64, u64, u64, fn(&ElfError) -> bool);
        let cases: [Case; 7] = [
            ("wraps in the file", 6, u64::MAX, 0x40_2000, 2, 2, |e| {
                matches!(e, ElfError::SegmentOutsideFile { .. })
            }),
            ("wraps in memory", 6, 0, 0x40_2000, 0, u64::MAX, |e| {
                matches!(e, ElfError::SegmentAddress { .. })
            }),
            ("in the kernel", 6, 0, 0xFFFF_8000_0000_0000, 0, 1, |e| {
                matches!(e, ElfError::SegmentAddress { .. })
            }),
            ("at null", 6, 0, 0, 0, 1, |e| {
                matches!(e, ElfError::SegmentAddress { .. })
            }),
            ("over the first", 6, 0, 0x40_1FFF, 0, 0x2000, |e| {
                matches!(e, ElfError::SegmentOverlap { .. })
            }),
            ("larger in the file", 6, 0, 0x40_2000, 2, 1, |e| {
                matches!(e, ElfError::SegmentSizes { .. })
            }),
            ("writable code", 7, 0, 0x40_2000, 1, 1, |e| {
                matches!(e, ElfError::WritableCode { index: 1 })
            }),
        ];
        for (name, flags, offset, address, file, memory, expected) in cases {
            let mut elf = valid();
            segment(&mut elf, 1, flags, offset, address, file, memory);
            let error = Executable::parse(&elf, FILE_BYTES).expect_err(name);
            assert!(expected(&error), "{name}: {error}");
        }
    }

    #[test]
    fn the_entry_must_be_code() {
        for entry in [0, 0x40_2000, 0x50_0000u64] {
            let mut elf = valid();
            put(&mut elf, 24, &entry.to_le_bytes());
            let result = Executable::parse(&elf, FILE_BYTES);
            assert_eq!(result, Err(ElfError::Entry { address: entry }));
        }
    }

    /// A valid payload whose second segment is cold, with its content at `offset`.
    fn evicted(flags: u32, offset: u64, address: u64) -> Vec<u8> {
        let mut elf = valid();
        segment(
            &mut elf,
            1,
            flags | PF_COLD,
            offset,
            address,
            0x3000,
            0x3000,
        );
        elf
    }

    #[test]
    fn cold_segments_may_lie_behind_the_file() {
        let elf = Executable::parse(&evicted(5, 0x8000, 0x40_2000), FILE_BYTES).unwrap();
        assert!(elf.segments[1].cold && !elf.segments[0].cold);
        assert_eq!(elf.cold_offset(), Some(0x8000));
        assert_eq!(elf.check_cold(0x3000), Ok(()));
        let cut = elf.check_cold(0x2FFF);
        assert!(matches!(
            cut,
            Err(ElfError::SegmentOutsideFile {
                index: 1,
                offset: 0,
                ..
            })
        ));
        let hot = Executable::parse(&valid(), FILE_BYTES).unwrap();
        assert_eq!((hot.cold_offset(), hot.check_cold(0)), (None, Ok(())));
    }

    #[test]
    fn cold_segments_are_constant_and_page_aligned() {
        for (flags, offset, address) in [
            (6, 0x8000, 0x40_2000),
            (4, 0x8000, 0x40_2010),
            (4, u64::MAX, 0x40_2000),
        ] {
            let elf = evicted(flags, offset, address);
            assert!(
                Executable::parse(&elf, FILE_BYTES).is_err(),
                "{flags} {offset:#x} {address:#x}"
            );
        }
        // Two cold segments, one of them in the middle of a page of the content.
        let mut elf = evicted(4, 0x8000, 0x40_2000);
        segment(&mut elf, 0, 5 | PF_COLD, 0x7008, 0x40_0000, 0x1000, 0x2000);
        let found = Executable::parse(&elf, FILE_BYTES);
        assert!(
            matches!(found, Err(ElfError::Cold { index: 1, .. })),
            "{found:?}"
        );
    }

    #[test]
    fn the_build_id_is_found_among_the_notes() {
        let with = |notes: &[u8]| {
            let mut elf = valid();
            let at = elf.len() as u64 + PROGRAM_HEADER_BYTES as u64;
            elf.resize(elf.len() + PROGRAM_HEADER_BYTES, 0);
            put(&mut elf, 56, &3u16.to_le_bytes());
            segment(&mut elf, 2, 4, at, 0x40_0000 + at, notes.len() as u64, 0);
            let header = HEADER_BYTES + 2 * PROGRAM_HEADER_BYTES;
            put(&mut elf, header, &PT_NOTE.to_le_bytes());
            elf.extend_from_slice(notes);
            Executable::parse(&elf, FILE_BYTES).unwrap().build_id
        };
        let abi = b"\x04\0\0\0\x05\0\0\0\x01\0\0\0GNU\0abcde\0\0\0";
        let id = b"\x04\0\0\0\x08\0\0\0\x03\0\0\0GNU\x00BUILD-ID";
        let mut expected = [0; BUILD_ID_BYTES];
        expected[..8].copy_from_slice(b"BUILD-ID");
        assert_eq!(with(&[&abi[..], id].concat()), Some(expected));
        assert_eq!(with(abi), None);
        assert_eq!(with(&id[..23]), None);
        assert_eq!(
            with(b"\xff\xff\xff\xff\xff\xff\xff\xff\x03\0\0\0GNU\0"),
            None
        );
        assert_eq!(
            Executable::parse(&valid(), FILE_BYTES).unwrap().build_id,
            None
        );
    }

    #[test]
    fn dynamic_and_empty_files_are_refused() {
        let mut elf = valid();
        put(
            &mut elf,
            HEADER_BYTES + PROGRAM_HEADER_BYTES,
            &PT_INTERP.to_le_bytes(),
        );
        assert_eq!(Executable::parse(&elf, FILE_BYTES), Err(ElfError::Dynamic));
        put(&mut elf, 56, &0u16.to_le_bytes());
        assert_eq!(
            Executable::parse(&elf, FILE_BYTES),
            Err(ElfError::NoSegments)
        );
    }

    proptest! {
        #[test]
        fn whatever_passes_keeps_the_promises(
            changes in proptest::collection::vec((0usize..176, any::<u8>()), 0..12),
            file_bytes in 0u64..0x8000,
        ) {
            let mut bytes = valid();
            for (at, value) in changes {
                bytes[at] = value;
            }
            if let Ok(elf) = Executable::parse(&bytes, file_bytes) {
                let mut last = 0;
                for segment in &elf.segments {
                    prop_assert!(segment.address >= USER_START && segment.end() <= USER_END);
                    prop_assert!(segment.file_offset + segment.file_bytes <= file_bytes);
                    prop_assert!(segment.file_bytes <= segment.memory_bytes);
                    prop_assert!(segment.address / PAGE >= last);
                    last = segment.end().div_ceil(PAGE);
                    prop_assert!(!(segment.protection.write && segment.protection.execute));
                }
                prop_assert!(elf.segments.iter().any(
                    |s| s.protection.execute && (s.address..s.end()).contains(&elf.entry)));
            }
        }
    }
}
