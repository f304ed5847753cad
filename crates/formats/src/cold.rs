//! Cold files: what an evicted image left out of memory, in blocks that are read one by one.
//!
//! An evicted payload is one ELF file. The content of its cold segments (`PT_LOAD` with [`PF_COLD`], all page aligned,
//! behind everything else in the file) may be cut off and kept in a file of its own:
//!
//! ```text
//! whole.elf    | headers | hot segments ... | cold segments ...        |   runs anywhere
//!                                           ^ cold_offset: lowest p_offset with PF_COLD
//! evicted.N    | headers | hot segments ... |   usually compressed
//! cold.N       blocks of whole.elf[cold_offset..], below
//! ```
//!
//! The program headers are the same in both: `p_offset - cold_offset` is a place in the content of the cold file.
//!
//! Layout of a cold file, little endian:
//!
//! 1. head, [`HEAD_BYTES`]: magic `COLD`, version `u32`, block size `u32` (a power of two, 4 KiB to 64 KiB), number of
//!    blocks `u32`, content size `u64`, build id of the base image it was made from (20 bytes), CRC-32 of the table
//!    `u32`, CRC-32 of the 48 bytes before `u32`, zeroes
//! 2. table: for each block offset in this file `u32`, stored size `u32`, CRC-32 of the stored bytes `u32`
//! 3. blocks, one after the other. A stored size of the whole block: stored as it is; less: one LZ4 block.
//!
//! The last block is shorter where the content ends. The file may be longer than that (it is preallocated). Unpacking
//! is the reader's: this crate knows no compression.
//!
//! CRC-32 is that of IEEE 802.3.

use crate::calls::BUILD_ID_BYTES;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// Flag of a program header (`p_flags`, in the range left to operating systems): the segment is cold.
pub const PF_COLD: u32 = 0x0010_0000;
/// The first four bytes.
pub const MAGIC: [u8; 4] = *b"COLD";
/// Version of this layout.
pub const VERSION: u32 = 1;
/// Bytes of the head.
pub const HEAD_BYTES: usize = 64;
/// Bytes of an entry of the table.
pub const ENTRY_BYTES: usize = 12;
/// Block size that suits LZ4 and a disk: what [`encode`] is usually given.
pub const BLOCK_BYTES: usize = 16 << 10;
/// Most blocks that are looked at.
pub const MAX_BLOCKS: u32 = 1 << 16;

const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// A cold file's head and table that passed all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    block_bytes: usize,
    content_bytes: u64,
    build_id: [u8; BUILD_ID_BYTES],
    entries: Vec<Entry>,
}

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Offset in the file in bytes.
    pub offset: u32,
    /// Bytes stored; as many as the block has if it is not compressed.
    pub stored_bytes: u32,
    crc: u32,
}

/// Why a cold file, or a block of it, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColdError {
    /// The file ends too early.
    Truncated {
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// Does not start with `COLD`.
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// Written in another layout.
    Version {
        /// Version found.
        found: u32,
    },
    /// A field of the head cannot be right.
    Head {
        /// Name of the field.
        field: &'static str,
        /// Value found.
        found: u64,
    },
    /// A checksum does not fit.
    Checksum {
        /// `head`, `table`, or `block`.
        part: &'static str,
        /// Checksum of what is there.
        found: u32,
        /// Checksum that is written down.
        expected: u32,
    },
    /// The table says something impossible about a block.
    Block {
        /// Its number.
        index: usize,
        /// Its place in the file.
        offset: u32,
        /// Its stored size in bytes.
        stored_bytes: u32,
    },
    /// A block did not unpack to its size.
    Unpacked {
        /// Bytes that came out; 0 if unpacking failed.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
}

impl fmt::Display for ColdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { needed, found } => {
                write!(f, "{found} bytes found, {needed} needed (file cut off?)")
            }
            Self::Magic { found } => write!(
                f,
                "starts with {found:02x?}, 43 4f 4c 44 expected (not a cold file)"
            ),
            Self::Version { found } => write!(f, "version {found}, {VERSION} expected"),
            Self::Head { field, found } => write!(f, "{field} cannot be {found:#x}"),
            Self::Checksum {
                part,
                found,
                expected,
            } => write!(
                f,
                "checksum of the {part} is {found:08x}, {expected:08x} expected (damaged?)"
            ),
            Self::Block {
                index,
                offset,
                stored_bytes,
            } => write!(
                f,
                "block {index} cannot be {stored_bytes} bytes at offset {offset}"
            ),
            Self::Unpacked { found, expected } => {
                write!(
                    f,
                    "a block unpacks to {found} bytes, {expected} expected (damaged?)"
                )
            }
        }
    }
}

impl core::error::Error for ColdError {}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// How many bytes of a cold file [`Index::parse`] wants, told by its head.
///
/// # Errors
/// [`ColdError`]: the head is refused.
pub fn index_bytes(head: &[u8; HEAD_BYTES]) -> Result<usize, ColdError> {
    if head[..4] != MAGIC {
        let mut found = [0; 4];
        found.copy_from_slice(&head[..4]);
        return Err(ColdError::Magic { found });
    }
    let version = u32_at(head, 4);
    if version != VERSION {
        return Err(ColdError::Version { found: version });
    }
    let (found, expected) = (CRC.checksum(&head[..48]), u32_at(head, 48));
    if found != expected {
        return Err(ColdError::Checksum {
            part: "head",
            found,
            expected,
        });
    }
    let refuse = |field, found| Err(ColdError::Head { field, found });
    let block_bytes = u32_at(head, 8);
    if !block_bytes.is_power_of_two() || !(4096..=65_536).contains(&block_bytes) {
        return refuse("block size", block_bytes.into());
    }
    let blocks = u32_at(head, 12);
    let content = u64_at(head, 16);
    if blocks > MAX_BLOCKS {
        return refuse("number of blocks", blocks.into());
    }
    if content.div_ceil(block_bytes.into()) != u64::from(blocks) {
        return refuse("content size", content);
    }
    Ok(HEAD_BYTES + blocks as usize * ENTRY_BYTES)
}

impl Index {
    /// Reads head and table: the first [`index_bytes`] bytes of a file of `file_bytes`.
    ///
    /// # Errors
    /// [`ColdError`]
    pub fn parse(bytes: &[u8], file_bytes: u64) -> Result<Self, ColdError> {
        let short = |needed: usize| ColdError::Truncated {
            needed: needed as u64,
            found: bytes.len() as u64,
        };
        let head = bytes.first_chunk().ok_or(short(HEAD_BYTES))?;
        let needed = index_bytes(head)?;
        let table = bytes.get(HEAD_BYTES..needed).ok_or(short(needed))?;
        let (found, expected) = (CRC.checksum(table), u32_at(head, 44));
        if found != expected {
            return Err(ColdError::Checksum {
                part: "table",
                found,
                expected,
            });
        }
        let mut build_id = [0; BUILD_ID_BYTES];
        build_id.copy_from_slice(&head[24..44]);
        let index = Self {
            block_bytes: u32_at(head, 8) as usize,
            content_bytes: u64_at(head, 16),
            build_id,
            entries: table
                .chunks_exact(ENTRY_BYTES)
                .map(|entry| Entry {
                    offset: u32_at(entry, 0),
                    stored_bytes: u32_at(entry, 4),
                    crc: u32_at(entry, 8),
                })
                .collect(),
        };
        for (number, entry) in index.entries.iter().enumerate() {
            let end = u64::from(entry.offset) + u64::from(entry.stored_bytes);
            if entry.stored_bytes == 0
                || entry.stored_bytes as usize > index.block(number).len()
                || (entry.offset as usize) < needed
            {
                return Err(ColdError::Block {
                    index: number,
                    offset: entry.offset,
                    stored_bytes: entry.stored_bytes,
                });
            }
            if end > file_bytes {
                return Err(ColdError::Truncated {
                    needed: end,
                    found: file_bytes,
                });
            }
        }
        Ok(index)
    }

    /// Size of the content in bytes.
    pub fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// Bytes of a block, of the last one at most.
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Build id of the base image that this was made from.
    pub fn build_id(&self) -> &[u8; BUILD_ID_BYTES] {
        &self.build_id
    }

    /// What block `number` holds of the content. Empty behind the end.
    pub fn block(&self, number: usize) -> Range<usize> {
        let size = self.content_bytes as usize;
        let start = number.saturating_mul(self.block_bytes).min(size);
        start..start.saturating_add(self.block_bytes).min(size)
    }

    /// Where block `number` lies, if it exists.
    pub fn entry(&self, number: usize) -> Option<Entry> {
        self.entries.get(number).copied()
    }

    /// Checks the bytes stored for block `number` and gives the content: `stored` itself, or what `unpack(stored,
    /// out)` made of it in `scratch`.
    ///
    /// # Errors
    /// [`ColdError`]
    pub fn open<'a>(
        &self,
        number: usize,
        stored: &'a [u8],
        scratch: &'a mut [u8],
        unpack: impl FnOnce(&[u8], &mut [u8]) -> Option<usize>,
    ) -> Result<&'a [u8], ColdError> {
        let entry = self.entry(number).ok_or(ColdError::Head {
            field: "number of a block",
            found: number as u64,
        })?;
        let found = CRC.checksum(stored);
        if found != entry.crc {
            return Err(ColdError::Checksum {
                part: "block",
                found,
                expected: entry.crc,
            });
        }
        let expected = self.block(number).len();
        if stored.len() == expected {
            return Ok(stored);
        }
        let unpacked = scratch
            .get_mut(..expected)
            .and_then(|out| unpack(stored, out))
            .unwrap_or(0);
        if unpacked != expected {
            return Err(ColdError::Unpacked {
                found: unpacked,
                expected,
            });
        }
        Ok(&scratch[..expected])
    }
}

/// Makes a cold file. `pack` gives a block as one LZ4 block, or `None` to store it as it is; what does not get
/// smaller is stored as it is, too.
///
/// # Errors
/// [`ColdError::Head`]: a block size that is not allowed, or a file of more than 4 GiB.
pub fn encode(
    content: &[u8],
    build_id: &[u8; BUILD_ID_BYTES],
    block_bytes: usize,
    mut pack: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, ColdError> {
    let refuse = |field, found| Err(ColdError::Head { field, found });
    if !block_bytes.is_power_of_two() || !(4096..=65_536).contains(&block_bytes) {
        return refuse("block size", block_bytes as u64);
    }
    let blocks = content.len().div_ceil(block_bytes);
    if blocks > MAX_BLOCKS as usize {
        return refuse("number of blocks", blocks as u64);
    }
    let mut file = Vec::new();
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend((block_bytes as u32).to_le_bytes());
    file.extend((blocks as u32).to_le_bytes());
    file.extend((content.len() as u64).to_le_bytes());
    file.extend(build_id);
    file.resize(HEAD_BYTES + blocks * ENTRY_BYTES, 0);
    for (number, block) in content.chunks(block_bytes).enumerate() {
        let packed = pack(block).filter(|packed| packed.len() < block.len() && !packed.is_empty());
        let stored = packed.as_deref().unwrap_or(block);
        let words = [file.len() as u32, stored.len() as u32, CRC.checksum(stored)];
        let entry = HEAD_BYTES + number * ENTRY_BYTES;
        for (out, word) in file[entry..entry + ENTRY_BYTES]
            .chunks_exact_mut(4)
            .zip(words)
        {
            out.copy_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(stored);
        if file.len() > u32::MAX as usize {
            return refuse("size of the file", file.len() as u64);
        }
    }
    let table = CRC.checksum(&file[HEAD_BYTES..HEAD_BYTES + blocks * ENTRY_BYTES]);
    file[44..48].copy_from_slice(&table.to_le_bytes());
    let head = CRC.checksum(&file[..48]);
    file[48..52].copy_from_slice(&head.to_le_bytes());
    Ok(file)
}

/// Path of the cold file that belongs to a payload: `cold` in place of `evicted` in the file's name
/// (`/bareflow/evicted.1`, `/bareflow/cold.1`), else `.cold` behind it.
pub fn path_for(payload: &str) -> alloc::string::String {
    let (folder, name) = payload.rsplit_once('/').unwrap_or(("", payload));
    match name.strip_prefix("evicted") {
        Some(rest) => alloc::format!("{folder}/cold{rest}"),
        None => alloc::format!("{payload}.cold"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    /// Runs of one byte as (byte, count): enough to test what is done around compression.
    fn pack(block: &[u8]) -> Option<Vec<u8>> {
        let first = *block.first()?;
        block
            .iter()
            .all(|&byte| byte == first)
            .then(|| vec![first, 0])
    }

    fn unpack(packed: &[u8], out: &mut [u8]) -> Option<usize> {
        out.fill(packed[0]);
        (packed.len() == 2).then_some(out.len())
    }

    fn content() -> Vec<u8> {
        let mut content: Vec<u8> = (0..40_000u32).map(|i| ((i * 7) >> 3) as u8).collect();
        content[4096..8192].fill(9);
        content
    }

    fn read(file: &[u8]) -> Result<Vec<u8>, ColdError> {
        let head = file.first_chunk().ok_or(ColdError::Truncated {
            needed: 64,
            found: file.len() as u64,
        })?;
        let index = Index::parse(
            &file[..index_bytes(head)?.min(file.len())],
            file.len() as u64,
        )?;
        let mut content = Vec::new();
        let mut scratch = vec![0; index.block_bytes()];
        for number in 0.. {
            let Some(entry) = index.entry(number) else {
                break;
            };
            let stored = &file[entry.offset as usize..][..entry.stored_bytes as usize];
            let block = index.open(number, stored, &mut scratch, unpack)?;
            assert_eq!(index.block(number).len(), block.len());
            content.extend_from_slice(block);
        }
        assert_eq!(content.len() as u64, index.content_bytes());
        Ok(content)
    }

    #[test]
    fn what_is_written_is_read() {
        for size in [0, 1, 4095, 4096, 4097, 40_000] {
            let content = &content()[..size];
            let file = encode(content, &[3; 20], 4096, pack).unwrap();
            assert_eq!(read(&file).unwrap(), content);
            // Preallocated files are longer.
            let mut longer = file.clone();
            longer.resize(file.len() + 5000, 0xEE);
            assert_eq!(read(&longer).unwrap(), content);
        }
        let packed = encode(&content(), &[3; 20], 4096, pack).unwrap();
        let plain = encode(&content(), &[3; 20], 4096, |_| None).unwrap();
        assert_eq!(packed.len() + 4094, plain.len());
        assert_eq!(
            encode(&content(), &[0; 20], 5000, pack),
            Err(ColdError::Head {
                field: "block size",
                found: 5000
            })
        );
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let content = content();
        let file = encode(&content, &[3; 20], 4096, pack).unwrap();
        let table_end = HEAD_BYTES + 10 * ENTRY_BYTES;
        for at in (0..52)
            .chain(HEAD_BYTES..table_end)
            .chain((table_end..file.len()).step_by(97))
        {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(read(&damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        let file = encode(&content(), &[3; 20], 4096, pack).unwrap();
        for length in (0..file.len()).step_by(53).chain([file.len() - 1]) {
            let cut = read(&file[..length]);
            assert!(
                matches!(cut, Err(ColdError::Truncated { .. })),
                "{length}: {cut:?}"
            );
        }
    }

    #[test]
    fn impossible_blocks_are_refused() {
        let seal = |file: &mut Vec<u8>| {
            let table = CRC.checksum(&file[HEAD_BYTES..HEAD_BYTES + 10 * ENTRY_BYTES]);
            file[44..48].copy_from_slice(&table.to_le_bytes());
            let head = CRC.checksum(&file[..48]);
            file[48..52].copy_from_slice(&head.to_le_bytes());
        };
        let file = encode(&content(), &[3; 20], 4096, pack).unwrap();
        for (at, value) in [
            (64, 100u32),
            (68, 4097),
            (68, 0),
            (12, u32::MAX),
            (16, 1),
            (8, 0),
        ] {
            let mut hostile = file.clone();
            hostile[at..at + 4].copy_from_slice(&value.to_le_bytes());
            seal(&mut hostile);
            assert!(read(&hostile).is_err(), "{value} at {at}");
        }
    }

    #[test]
    fn the_cold_file_is_found_by_the_payloads_name() {
        assert_eq!(path_for("/bareflow/evicted.1"), "/bareflow/cold.1");
        assert_eq!(path_for("/boot/runtime.elf"), "/boot/runtime.elf.cold");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Index::parse(&bytes, bytes.len() as u64);
            let mut file = encode(&bytes, &[0; 20], 4096, |_| None).unwrap();
            file.truncate(200);
            let _ = read(&file);
        }
    }
}
