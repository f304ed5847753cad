//! Headers of the record store: one sector says what a record is and where its payload lies.
//!
//! The store (`/bareflow/store`, `store::records`) is an area of fixed size:
//!
//! ```text
//!   sector 0 .. HEADERS       one header sector each, in any order; a sector of zeroes is free
//!   the rest, in blocks       payloads: BLOCK bytes a block, in up to MAX_EXTENTS runs of blocks each
//! ```
//!
//! There is nothing else: an area of zeroes is an empty store, and sizes follow from the length of the area
//! ([`Layout`]). A header sector (integers are little-endian, offsets in bytes):
//!
//! 1.  0..4    magic `BFRC`
//! 2.  4..6    version, [`VERSION`]; 6..8 kind ([`kind`])
//! 3.  8..16   key
//! 4. 16..24   generation: larger than that of any record before it
//! 5. 24..32   size of the payload in bytes
//! 6. 32..40   [checksum](crate::checksum) of the payload
//! 7. 40..48   size of the area in bytes, so that a header of another store is none
//! 8. 48..50   zero; 50..52 number of runs; 52..56 zero
//! 9. 56..64   [checksum](crate::checksum) of the sector with this field zero
//! 10. 64..    runs, 8 bytes each: first block `u32`, number of blocks `u32`; then zero
//!
//! Two headers may claim the same block: the one of the higher generation is right, and the other's record is gone.

use crate::checksum::checksum;
use alloc::vec::Vec;
use core::fmt;

/// First four bytes of a header.
pub const MAGIC: [u8; 4] = *b"BFRC";
/// The one version this code writes and reads.
pub const VERSION: u16 = 1;
/// Size of a header in bytes: one sector, which a disk writes whole or not at all.
pub const HEADER_BYTES: usize = 512;
/// Size of a block of payload in bytes.
pub const BLOCK_BYTES: u64 = 4096;
/// Most runs of blocks of one payload.
pub const MAX_EXTENTS: usize = (HEADER_BYTES - EXTENTS) / 8;
/// Smallest area, in bytes.
pub const MIN_AREA_BYTES: u64 = 64 << 10;

const EXTENTS: usize = 64;

/// What records are about. The key tells records of one kind apart.
pub mod kind {
    /// Boot count and the last boot's facts; key 0.
    pub const BOOT: u16 = 1;
    /// The profile of all functions; key 0.
    pub const PROFILE: u16 = 2;
    /// A code set ([`snap`](crate::snap)); key: that of the CPU features.
    pub const CODE: u16 = 3;
    /// Coverage of the runtime; key: the runtime's build.
    pub const COVERAGE: u16 = 4;
    /// The prepared program; key: the program's hash.
    pub const PROGRAM: u16 = 5;
    /// Figures of each boot for the report, as JSON; key 0.
    pub const BOOT_LOG: u16 = 6;
    /// How far the machine has grown, as JSON; key 0.
    pub const GROWTH: u16 = 7;

    /// The name of a kind.
    pub fn name(kind: u16) -> Option<&'static str> {
        NAMES.iter().find(|n| n.0 == kind).map(|n| n.1)
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<u16> {
        NAMES.iter().find(|n| n.1 == name).map(|n| n.0)
    }

    /// All kinds with their names.
    pub const NAMES: [(u16, &str); 7] = [
        (BOOT, "boot"),
        (PROFILE, "profile"),
        (CODE, "code"),
        (COVERAGE, "coverage"),
        (PROGRAM, "program"),
        (BOOT_LOG, "bootlog"),
        (GROWTH, "growth"),
    ];
}

/// How an area of a given size is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Size of the area in bytes.
    pub area_bytes: u64,
    /// Number of header sectors, from the start of the area on.
    pub headers: u32,
    /// Offset of the first block in bytes.
    pub blocks_at: u64,
    /// Number of blocks.
    pub blocks: u32,
}

impl Layout {
    /// The layout of an area: a header for each 64 KiB, 16 to 512 of them.
    ///
    /// # Errors
    /// [`HeaderError::Area`] for one that is too small or has more blocks than 32 bits count.
    pub fn of(area_bytes: u64) -> Result<Self, HeaderError> {
        let wrong = HeaderError::Area { found: area_bytes };
        if area_bytes < MIN_AREA_BYTES {
            return Err(wrong);
        }
        let headers = (area_bytes >> 16).clamp(16, 512) as u32;
        let blocks_at = (u64::from(headers) * HEADER_BYTES as u64).next_multiple_of(BLOCK_BYTES);
        let blocks = u32::try_from((area_bytes - blocks_at) / BLOCK_BYTES).map_err(|_| wrong)?;
        Ok(Self {
            area_bytes,
            headers,
            blocks_at,
            blocks,
        })
    }

    /// Offset of a header in the area, in bytes.
    pub fn header_at(&self, index: u32) -> u64 {
        u64::from(index) * HEADER_BYTES as u64
    }

    /// Offset of a block in the area, in bytes.
    pub fn block_at(&self, block: u32) -> u64 {
        self.blocks_at + u64::from(block) * BLOCK_BYTES
    }
}

/// Consecutive blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first one.
    pub block: u32,
    /// How many.
    pub count: u32,
}

/// A record without its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is about.
    pub kind: u16,
    /// Which one of its kind.
    pub key: u64,
    /// Larger than that of any record before it.
    pub generation: u64,
    /// Size of the payload in bytes.
    pub bytes: u64,
    /// Checksum of the payload.
    pub checksum: u64,
    /// Where the payload lies.
    pub extents: Vec<Extent>,
}

/// Why a header was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// A size that no area has.
    Area {
        /// Size found in bytes.
        found: u64,
    },
    /// The sector is all zero: nothing was ever written there.
    Free,
    /// The first four bytes are not `BFRC`.
    Magic {
        /// Bytes found.
        found: [u8; 4],
    },
    /// The sector does not have its checksum: a write was cut, or it was damaged.
    Checksum {
        /// Checksum of what was found.
        found: u64,
        /// Checksum in the sector.
        expected: u64,
    },
    /// Written by another version of BareFlow.
    Version {
        /// Version found.
        found: u16,
    },
    /// The header of a store of another size.
    OtherArea {
        /// Size in the header, in bytes.
        found: u64,
        /// Size of the area, in bytes.
        expected: u64,
    },
    /// A field that no header has.
    Field {
        /// Which one.
        field: &'static str,
    },
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Area { found } => write!(
                f,
                "a store of {found} bytes found, at least {MIN_AREA_BYTES} expected; build the image with a larger --store"
            ),
            Self::Free => write!(f, "free"),
            Self::Magic { found } => {
                write!(
                    f,
                    "record header: magic {found:02x?} found, \"BFRC\" expected"
                )
            }
            Self::Checksum { found, expected } => write!(
                f,
                "record header: checksum {found:016x} found, {expected:016x} expected; it was not written to its end"
            ),
            Self::Version { found } => write!(
                f,
                "record header: version {found} found, {VERSION} expected; it was written by another BareFlow"
            ),
            Self::OtherArea { found, expected } => write!(
                f,
                "record header: of a store of {found} bytes, {expected} expected"
            ),
            Self::Field { field } => write!(f, "record header: {field} is wrong"),
        }
    }
}

impl core::error::Error for HeaderError {}

fn sector_checksum(sector: &[u8; HEADER_BYTES]) -> u64 {
    let mut copy = *sector;
    copy[56..64].fill(0);
    checksum(&copy)
}

impl Header {
    /// The sector of this header in an area with this layout. Of the runs at most [`MAX_EXTENTS`] are written.
    pub fn encode(&self, layout: &Layout) -> [u8; HEADER_BYTES] {
        let mut sector = [0; HEADER_BYTES];
        let extents = &self.extents[..self.extents.len().min(MAX_EXTENTS)];
        sector[..4].copy_from_slice(&MAGIC);
        sector[4..6].copy_from_slice(&VERSION.to_le_bytes());
        sector[6..8].copy_from_slice(&self.kind.to_le_bytes());
        let words = [
            self.key,
            self.generation,
            self.bytes,
            self.checksum,
            layout.area_bytes,
        ];
        for (i, word) in words.iter().enumerate() {
            sector[8 + i * 8..16 + i * 8].copy_from_slice(&word.to_le_bytes());
        }
        sector[50..52].copy_from_slice(&(extents.len() as u16).to_le_bytes());
        for (extent, place) in extents.iter().zip(sector[EXTENTS..].chunks_exact_mut(8)) {
            place[..4].copy_from_slice(&extent.block.to_le_bytes());
            place[4..].copy_from_slice(&extent.count.to_le_bytes());
        }
        let sum = sector_checksum(&sector);
        sector[56..64].copy_from_slice(&sum.to_le_bytes());
        sector
    }

    /// Reads a header. Of one that is accepted all runs lie inside the area, do not overlap each other and hold exactly the payload.
    ///
    /// # Errors
    /// [`HeaderError::Free`] for zeroes, otherwise the first thing that is wrong.
    pub fn parse(sector: &[u8; HEADER_BYTES], layout: &Layout) -> Result<Self, HeaderError> {
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&sector[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let short = |at: usize| u16::from_le_bytes([sector[at], sector[at + 1]]);
        let magic = [sector[0], sector[1], sector[2], sector[3]];
        if magic != MAGIC {
            return Err(match sector.iter().all(|&byte| byte == 0) {
                true => HeaderError::Free,
                false => HeaderError::Magic { found: magic },
            });
        }
        let (found, expected) = (sector_checksum(sector), word(56));
        if found != expected {
            return Err(HeaderError::Checksum { found, expected });
        }
        let version = short(4);
        if version != VERSION {
            return Err(HeaderError::Version { found: version });
        }
        if word(40) != layout.area_bytes {
            return Err(HeaderError::OtherArea {
                found: word(40),
                expected: layout.area_bytes,
            });
        }
        let wrong = |field| HeaderError::Field { field };
        let runs = short(50) as usize;
        let (generation, bytes) = (word(16), word(24));
        if sector[48..50] != [0; 2] || sector[52..56] != [0; 4] {
            return Err(wrong("a reserved field"));
        }
        // The highest number is never used, so that there is always a next one.
        if generation == 0 || generation == u64::MAX {
            return Err(wrong("the generation"));
        }
        if runs > MAX_EXTENTS || sector[EXTENTS + runs * 8..].iter().any(|&byte| byte != 0) {
            return Err(wrong("the number of runs"));
        }
        let mut extents = Vec::with_capacity(runs);
        let mut total = 0;
        for place in sector[EXTENTS..EXTENTS + runs * 8].chunks_exact(8) {
            let block = u32::from_le_bytes([place[0], place[1], place[2], place[3]]);
            let count = u32::from_le_bytes([place[4], place[5], place[6], place[7]]);
            let new = Extent { block, count };
            let end = u64::from(block) + u64::from(count);
            let overlaps = |old: &Extent| new.overlaps(old);
            if count == 0 || end > u64::from(layout.blocks) || extents.iter().any(overlaps) {
                return Err(wrong("a run of blocks"));
            }
            total += u64::from(count);
            extents.push(new);
        }
        if bytes.div_ceil(BLOCK_BYTES) != total {
            return Err(wrong("the size of the payload"));
        }
        Ok(Self {
            kind: short(6),
            key: word(8),
            generation,
            bytes,
            checksum: word(32),
            extents,
        })
    }
}

impl Extent {
    /// The block behind the last one.
    pub fn end(&self) -> u64 {
        u64::from(self.block) + u64::from(self.count)
    }

    /// True if both have a block in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        u64::from(self.block) < other.end() && u64::from(other.block) < self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    const AREA: u64 = 1 << 20;

    fn sample() -> Header {
        Header {
            kind: kind::CODE,
            key: 0x1234,
            generation: 77,
            bytes: 3 * BLOCK_BYTES - 5,
            checksum: 99,
            extents: vec![Extent { block: 9, count: 1 }, Extent { block: 3, count: 2 }],
        }
    }

    fn signed(at: usize, to: u8) -> Result<Header, HeaderError> {
        let layout = Layout::of(AREA).unwrap();
        let mut sector = sample().encode(&layout);
        sector[at] = to;
        let sum = sector_checksum(&sector);
        sector[56..64].copy_from_slice(&sum.to_le_bytes());
        Header::parse(&sector, &layout)
    }

    #[test]
    fn areas_are_divided() {
        let small = Layout::of(MIN_AREA_BYTES).unwrap();
        assert_eq!(
            (small.headers, small.blocks_at, small.blocks),
            (16, 8192, 14)
        );
        let usual = Layout::of(32 << 20).unwrap();
        assert_eq!((usual.headers, usual.blocks), (512, 8192 - 64));
        assert_eq!(usual.block_at(usual.blocks), 32 << 20);
        assert!(Layout::of(MIN_AREA_BYTES - 1).is_err());
        assert!(Layout::of(u64::MAX).is_err());
    }

    #[test]
    fn a_header_survives() {
        let layout = Layout::of(AREA).unwrap();
        let mut header = sample();
        assert_eq!(
            Header::parse(&header.encode(&layout), &layout),
            Ok(header.clone())
        );
        header.bytes = 0;
        header.extents.clear();
        assert_eq!(Header::parse(&header.encode(&layout), &layout), Ok(header));
    }

    #[test]
    fn each_damage_has_its_own_error() {
        let layout = Layout::of(AREA).unwrap();
        let field = |field| Err(HeaderError::Field { field });
        assert_eq!(signed(0, b'X'), Err(HeaderError::Magic { found: *b"XFRC" }));
        assert_eq!(signed(4, 2), Err(HeaderError::Version { found: 2 }));
        assert!(matches!(signed(43, 9), Err(HeaderError::OtherArea { .. })));
        assert_eq!(signed(48, 2), field("a reserved field"));
        assert_eq!(signed(50, 1), field("the number of runs"));
        assert_eq!(signed(50, 200), field("the number of runs"));
        assert_eq!(signed(50, 3), field("a run of blocks"));
        assert_eq!(signed(67, 1), field("a run of blocks"));
        assert_eq!(signed(64, 4), field("a run of blocks"));
        assert_eq!(
            signed(24, 0),
            Ok(Header {
                bytes: 2 * BLOCK_BYTES + 0xF00,
                ..sample()
            })
        );
        assert_eq!(signed(25, 0), field("the size of the payload"));
        assert_eq!(signed(16, 0), field("the generation"));
        let mut sector = sample().encode(&layout);
        assert_eq!(Header::parse(&[0; 512], &layout), Err(HeaderError::Free));
        sector[100] = 1;
        assert!(matches!(
            Header::parse(&sector, &layout),
            Err(HeaderError::Checksum { .. })
        ));
    }

    #[test]
    fn kinds_have_names() {
        for (number, name) in kind::NAMES {
            assert_eq!(kind::name(number), Some(name));
            assert_eq!(kind::from_name(name), Some(number));
        }
        assert_eq!(kind::name(0), None);
    }

    proptest! {
        #[test]
        fn any_sector_is_safe(changes in proptest::collection::vec((0usize..512, any::<u8>()), 1..20)) {
            let layout = Layout::of(AREA).unwrap();
            let mut sector = sample().encode(&layout);
            for (at, to) in changes {
                sector[at] = to;
            }
            let sum = sector_checksum(&sector);
            sector[56..64].copy_from_slice(&sum.to_le_bytes());
            if let Ok(header) = Header::parse(&sector, &layout) {
                prop_assert_eq!(header.encode(&layout), sector);
            }
        }
    }
}
