//! Compressed payloads as streams: LZ4 frames and Zstandard.
//!
//! LZ4 frame, little endian (lz4_Frame_format.md, version 1.6.4):
//!
//! 1. magic `0x184D2204`; FLG byte: version 01 in bits 7:6, blocks independent in bit 5, block checksum in
//!    bit 4, content size in bit 3, content checksum in bit 2, dictionary id in bit 0; BD byte: block size in bits 6:4
//! 2. optional content size `u64`, optional dictionary id `u32`, header checksum `u8`
//! 3. blocks: size `u32` (bit 31: stored raw; 0 ends the frame), data, optional checksum `u32`
//!
//! Checksums are skipped: the volume is as trustworthy as they are, and what was unpacked wrongly is no valid ELF.

use super::LoadError;
use crate::linux::file::Disk;
use alloc::vec::Vec;
use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::io::{Error, ErrorKind, Read};
use store::fat::File;

const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4D, 0x18];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Bytes taken from the disk at once.
const CHUNK: usize = 256 << 10;
/// Linked blocks refer to this much of what came before.
const WINDOW: usize = 64 << 10;

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Raw,
    /// One LZ4 frame.
    Lz4,
    /// One Zstandard frame.
    Zstd,
}

/// Tells by the first bytes.
pub fn kind(head: &[u8]) -> Kind {
    match head.first_chunk() {
        Some(&LZ4_MAGIC) => Kind::Lz4,
        Some(&ZSTD_MAGIC) => Kind::Zstd,
        _ => Kind::Raw,
    }
}

/// A stream of unpacked bytes.
pub trait Source {
    /// Reads some bytes, 0 at the end.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, LoadError>;

    /// Reads and forgets `count` bytes, or what there is. Gives how many.
    fn skip(&mut self, count: u64) -> Result<u64, LoadError> {
        let mut scratch = alloc::vec![0; (count as usize).min(CHUNK)];
        let mut done = 0;
        while done < count {
            let most = scratch.len().min((count - done) as usize);
            match self.read(&mut scratch[..most])? {
                0 => break,
                read => done += read as u64,
            }
        }
        Ok(done)
    }
}

/// A file of the volume, read in chunks.
struct Packed<'a> {
    volume: &'a mut Disk,
    file: &'a File,
    offset: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl<'a> Packed<'a> {
    fn new(volume: &'a mut Disk, file: &'a File) -> Self {
        Self {
            volume,
            file,
            offset: 0,
            buffer: Vec::new(),
            at: 0,
        }
    }

    /// Bytes of the chunk that were not taken yet; empty at the end of the file.
    fn rest(&mut self) -> Result<&[u8], LoadError> {
        if self.at == self.buffer.len() {
            self.buffer.resize(CHUNK, 0);
            let read = self
                .volume
                .read_at(self.file, self.offset, &mut self.buffer);
            let count = read.map_err(|error| LoadError::File(error.into()))?;
            self.buffer.truncate(count);
            self.offset += count as u64;
            self.at = 0;
        }
        Ok(&self.buffer[self.at..])
    }

    fn take(&mut self, out: &mut [u8]) -> Result<usize, LoadError> {
        let rest = self.rest()?;
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }

    fn exact(&mut self, out: &mut [u8]) -> Result<(), LoadError> {
        let mut done = 0;
        while done < out.len() {
            match self.take(&mut out[done..])? {
                0 => {
                    return Err(LoadError::Damaged {
                        reason: "it ends too early",
                        offset: self.offset,
                    });
                }
                count => done += count,
            }
        }
        Ok(())
    }

    fn word(&mut self) -> Result<u32, LoadError> {
        let mut bytes = [0; 4];
        self.exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}

/// An LZ4 frame.
pub struct Lz4<'a> {
    packed: Packed<'a>,
    independent: bool,
    block_checksums: bool,
    block_bytes: usize,
    block: Vec<u8>,
    /// Window of earlier bytes, then the block being read.
    unpacked: Vec<u8>,
    at: usize,
    ended: bool,
    total: u64,
}

impl<'a> Lz4<'a> {
    /// Reads the header of the frame.
    pub fn new(volume: &'a mut Disk, file: &'a File) -> Result<Self, LoadError> {
        let mut packed = Packed::new(volume, file);
        packed.word()?;
        let mut descriptor = [0; 2];
        packed.exact(&mut descriptor)?;
        let [flags, block] = descriptor;
        let damaged = |reason| LoadError::Damaged { reason, offset: 0 };
        if flags >> 6 != 1 || flags & 1 != 0 {
            return Err(damaged(
                "LZ4 frame of an unknown version, or with a dictionary",
            ));
        }
        let block_bytes = match block >> 4 & 7 {
            size @ 4..=7 => 1usize << (8 + 2 * size),
            _ => return Err(damaged("LZ4 block size out of range")),
        };
        // Content size and header checksum.
        let mut skipped = [0; 9];
        let count = if flags & 8 != 0 { 9 } else { 1 };
        packed.exact(&mut skipped[..count])?;
        Ok(Self {
            packed,
            independent: flags & 0x20 != 0,
            block_checksums: flags & 0x10 != 0,
            block_bytes,
            block: Vec::new(),
            unpacked: Vec::new(),
            at: 0,
            ended: false,
            total: 0,
        })
    }

    fn next_block(&mut self) -> Result<(), LoadError> {
        let damaged = |reason| LoadError::Damaged {
            reason,
            offset: self.total,
        };
        let size = self.packed.word()?;
        if size == 0 {
            self.ended = true;
            return Ok(());
        }
        let (stored, bytes) = (size >> 31 != 0, (size & 0x7FFF_FFFF) as usize);
        if bytes > self.block_bytes {
            return Err(damaged("LZ4 block larger than the frame allows"));
        }
        self.block.resize(bytes, 0);
        self.packed.exact(&mut self.block)?;
        if self.block_checksums {
            self.packed.word()?;
        }
        let window = if self.independent {
            0
        } else {
            self.unpacked.len().min(WINDOW)
        };
        let cut = self.unpacked.len() - window;
        self.unpacked.copy_within(cut.., 0);
        self.unpacked.resize(window + self.block_bytes, 0);
        let (before, out) = self.unpacked.split_at_mut(window);
        let count = if stored {
            out[..bytes].copy_from_slice(&self.block);
            bytes
        } else if window == 0 {
            decompress_into(&self.block, out)
                .map_err(|_| damaged("LZ4 block cannot be unpacked"))?
        } else {
            decompress_into_with_dict(&self.block, out, before)
                .map_err(|_| damaged("LZ4 block cannot be unpacked"))?
        };
        self.unpacked.truncate(window + count);
        self.at = window;
        self.total += count as u64;
        Ok(())
    }
}

impl Source for Lz4<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, LoadError> {
        while self.at == self.unpacked.len() && !self.ended {
            self.next_block()?;
        }
        let rest = &self.unpacked[self.at..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Read for Packed<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        self.take(out).map_err(|_| Error::from(ErrorKind::Other))
    }
}

/// A Zstandard frame.
pub struct Zstd<'a> {
    decoder: StreamingDecoder<Packed<'a>, ruzstd::decoding::FrameDecoder>,
    total: u64,
}

impl<'a> Zstd<'a> {
    /// Reads the header of the frame.
    pub fn new(volume: &'a mut Disk, file: &'a File) -> Result<Self, LoadError> {
        let decoder = StreamingDecoder::new(Packed::new(volume, file));
        let decoder = decoder.map_err(|error| {
            crate::error!("zstd: {error}");
            LoadError::Damaged {
                reason: "Zstandard header",
                offset: 0,
            }
        })?;
        Ok(Self { decoder, total: 0 })
    }
}

impl Source for Zstd<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, LoadError> {
        let offset = self.total;
        let count = Read::read(&mut self.decoder, out).map_err(|_| LoadError::Damaged {
            reason: "Zstandard block cannot be unpacked",
            offset,
        })?;
        self.total += count as u64;
        Ok(count)
    }
}
