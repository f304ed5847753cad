//! Areas: bytes of fixed number that are written in place, such as a preallocated file.
//!
//! Everything that is kept from boot to boot lies in files that the image builder made: in one piece, never resized. Writing inside
//! one changes neither table nor directory of the volume, so an area behaves like a small disk: what was written before a
//! [`flush`](Area::flush) survives a power cut; what was written after it may be there, in part, in any order, or not.
//!
//! | area | over |
//! |---|---|
//! | [`MemoryArea`] | memory |
//! | [`BlockArea`] | sectors of a block device |
//! | [`VolumeArea`] | an open file of a mounted volume |
//! | `FileArea` (feature `std`) | a file of the system, or some bytes of it (a file inside an image) |

use crate::block::{BlockDevice, BlockError, SECTOR};
use crate::fat::{FatError, File, Volume};
use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "std")]
mod file;
#[cfg(feature = "std")]
pub use file::{FileArea, OpenError};

/// Bytes of fixed number.
pub trait Area {
    /// How many. It does not change.
    fn bytes(&self) -> u64;

    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// [`AreaError::OutOfRange`], or what the device reports.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), AreaError>;

    /// Writes `data` at `offset`; both are multiples of 512 bytes. Not safe from a power cut until the next
    /// [`flush`](Self::flush) returned.
    ///
    /// # Errors
    /// [`AreaError::OutOfRange`], [`AreaError::Misaligned`], [`AreaError::ReadOnly`], or what the device reports.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), AreaError>;

    /// Returns once everything written before is safe from a power cut.
    ///
    /// # Errors
    /// What the device reports.
    fn flush(&mut self) -> Result<(), AreaError>;
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AreaError {
    /// The request ends behind the area.
    OutOfRange {
        /// Offset asked for.
        offset: u64,
        /// Bytes asked for.
        bytes: u64,
        /// Bytes there are.
        area: u64,
    },
    /// A write that is not made of whole sectors.
    Misaligned {
        /// Its offset.
        offset: u64,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A write to an area that was opened for reading.
    ReadOnly,
    /// The device reported an error.
    Block(BlockError),
    /// The volume reported an error.
    Volume(FatError),
    /// A file that does not lie in one piece.
    Scattered {
        /// In how many pieces it lies.
        pieces: usize,
    },
    /// The operating system reported an error.
    System {
        /// Its number (errno); 0 if it has none.
        code: i32,
    },
}

impl fmt::Display for AreaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange {
                offset,
                bytes,
                area,
            } => write!(
                f,
                "{bytes} bytes at {offset} end behind the area of {area} bytes"
            ),
            Self::Misaligned { offset, bytes } => write!(
                f,
                "a write of {bytes} bytes at {offset} is not made of whole sectors of {SECTOR} bytes"
            ),
            Self::ReadOnly => write!(f, "a write to an area that was opened for reading only"),
            Self::Block(error) => error.fmt(f),
            Self::Volume(error) => error.fmt(f),
            Self::Scattered { pieces } => write!(
                f,
                "the file lies in {pieces} pieces, 1 expected; build the image again"
            ),
            Self::System { code } => write!(f, "the system reported error {code}"),
        }
    }
}

impl core::error::Error for AreaError {}

impl From<BlockError> for AreaError {
    fn from(error: BlockError) -> Self {
        Self::Block(error)
    }
}

impl From<FatError> for AreaError {
    fn from(error: FatError) -> Self {
        Self::Volume(error)
    }
}

/// Checks a request against the size of an area.
///
/// # Errors
/// [`AreaError::OutOfRange`].
pub fn check_range(offset: u64, bytes: usize, area: u64) -> Result<(), AreaError> {
    let bytes = bytes as u64;
    match offset.checked_add(bytes) {
        Some(end) if end <= area => Ok(()),
        _ => Err(AreaError::OutOfRange {
            offset,
            bytes,
            area,
        }),
    }
}

/// Checks a write against the size of an area, and that it is made of whole sectors.
///
/// # Errors
/// [`AreaError::OutOfRange`], [`AreaError::Misaligned`].
pub fn check_write(offset: u64, bytes: usize, area: u64) -> Result<(), AreaError> {
    if !offset.is_multiple_of(SECTOR as u64) || !bytes.is_multiple_of(SECTOR) {
        let bytes = bytes as u64;
        return Err(AreaError::Misaligned { offset, bytes });
    }
    check_range(offset, bytes, area)
}

impl<A: Area + ?Sized> Area for &mut A {
    fn bytes(&self) -> u64 {
        (**self).bytes()
    }
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), AreaError> {
        (**self).read_at(offset, buf)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), AreaError> {
        (**self).write_at(offset, data)
    }
    fn flush(&mut self) -> Result<(), AreaError> {
        (**self).flush()
    }
}

impl<A: Area + ?Sized> Area for alloc::boxed::Box<A> {
    fn bytes(&self) -> u64 {
        (**self).bytes()
    }
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), AreaError> {
        (**self).read_at(offset, buf)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), AreaError> {
        (**self).write_at(offset, data)
    }
    fn flush(&mut self) -> Result<(), AreaError> {
        (**self).flush()
    }
}

/// Memory as an area.
#[derive(Clone, Debug, Default)]
pub struct MemoryArea {
    memory: Vec<u8>,
}

impl MemoryArea {
    /// So many zeroes.
    pub fn new(bytes: usize) -> Self {
        Self {
            memory: alloc::vec![0; bytes],
        }
    }

    /// With this content.
    pub fn from_bytes(memory: Vec<u8>) -> Self {
        Self { memory }
    }

    /// What is in it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.memory
    }

    /// What is in it.
    pub fn into_bytes(self) -> Vec<u8> {
        self.memory
    }
}

impl Area for MemoryArea {
    fn bytes(&self) -> u64 {
        self.memory.len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), AreaError> {
        check_range(offset, buf.len(), self.bytes())?;
        buf.copy_from_slice(&self.memory[offset as usize..][..buf.len()]);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), AreaError> {
        check_write(offset, data.len(), self.bytes())?;
        self.memory[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), AreaError> {
        Ok(())
    }
}

/// Consecutive sectors of a block device as an area.
#[derive(Debug)]
pub struct BlockArea<D> {
    device: D,
    start: u64,
    bytes: u64,
}

impl<D: BlockDevice> BlockArea<D> {
    /// The `bytes` bytes of `device` from sector `start` on.
    ///
    /// # Errors
    /// [`AreaError::Block`] if the device ends before.
    pub fn new(device: D, start: u64, bytes: u64) -> Result<Self, AreaError> {
        let sectors = bytes.div_ceil(SECTOR as u64);
        let sector_count = device.sector_count();
        match start.checked_add(sectors) {
            Some(end) if end <= sector_count => Ok(Self {
                device,
                start,
                bytes,
            }),
            _ => Err(AreaError::Block(BlockError::OutOfRange {
                lba: start,
                sectors,
                sector_count,
            })),
        }
    }

    /// The whole device.
    pub fn into_inner(self) -> D {
        self.device
    }
}

impl<D: BlockDevice> Area for BlockArea<D> {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), AreaError> {
        check_range(offset, buf.len(), self.bytes)?;
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let lba = self.start + at / SECTOR as u64;
            let inside = (at % SECTOR as u64) as usize;
            let left = buf.len() - done;
            let whole = left / SECTOR * SECTOR;
            if inside == 0 && whole > 0 {
                self.device.read(lba, &mut buf[done..done + whole])?;
                done += whole;
                continue;
            }
            let mut sector = [0; SECTOR];
            self.device.read(lba, &mut sector)?;
            let part = left.min(SECTOR - inside);
            buf[done..done + part].copy_from_slice(&sector[inside..inside + part]);
            done += part;
        }
        Ok(())
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), AreaError> {
        check_write(offset, data.len(), self.bytes)?;
        Ok(self
            .device
            .write(self.start + offset / SECTOR as u64, data)?)
    }

    fn flush(&mut self) -> Result<(), AreaError> {
        Ok(self.device.flush()?)
    }
}

/// Where a file that lies in one piece begins on its volume, and its size: `(bytes, bytes)`. With it the file can be an area
/// without its volume.
///
/// # Errors
/// [`AreaError::Volume`], [`AreaError::Scattered`].
pub fn locate<D: BlockDevice>(volume: &mut Volume<D>, path: &str) -> Result<(u64, u64), AreaError> {
    let file = volume.open(path)?;
    let bytes = volume.file_bytes(&file)?.into();
    match volume.runs(&file)?[..] {
        [] => Ok((0, bytes)),
        [run] => Ok((run.lba * SECTOR as u64, bytes)),
        ref runs => Err(AreaError::Scattered { pieces: runs.len() }),
    }
}

/// An open file of a mounted volume as an area.
pub struct VolumeArea<'a, D> {
    volume: &'a mut Volume<D>,
    file: File,
    bytes: u64,
}

impl<'a, D: BlockDevice> VolumeArea<'a, D> {
    /// The file at `path`.
    ///
    /// # Errors
    /// [`AreaError::Volume`] if it cannot be opened.
    pub fn open(volume: &'a mut Volume<D>, path: &str) -> Result<Self, AreaError> {
        let file = volume.open(path)?;
        let bytes = volume.file_bytes(&file)?.into();
        Ok(Self {
            volume,
            file,
            bytes,
        })
    }
}

impl<D: BlockDevice> Area for VolumeArea<'_, D> {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), AreaError> {
        check_range(offset, buf.len(), self.bytes)?;
        self.volume.read_at(&self.file, offset, buf)?;
        Ok(())
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), AreaError> {
        check_write(offset, data.len(), self.bytes)?;
        Ok(self.volume.write_at(&self.file, offset, data)?)
    }

    fn flush(&mut self) -> Result<(), AreaError> {
        Ok(self.volume.device_mut().flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::MemoryDevice;
    use crate::fat::FormatOptions;

    /// What every area must do: `area` has 4,096 zeroes.
    fn behaves(mut area: impl Area) {
        assert_eq!(area.bytes(), 4096);
        area.write_at(512, &[7; 1024]).unwrap();
        area.write_at(4096 - 512, &[9; 512]).unwrap();
        area.flush().unwrap();
        let mut all = [1; 4096];
        area.read_at(0, &mut all).unwrap();
        let place = |i: usize| match i {
            512..1536 => 7,
            3584.. => 9,
            _ => 0,
        };
        assert!(all.iter().enumerate().all(|(i, &byte)| byte == place(i)));
        let mut part = [1; 1200];
        area.read_at(500, &mut part).unwrap();
        assert_eq!(part, all[500..1700]);
        for (offset, bytes) in [(4096, 512), (3584, 1024), (u64::MAX - 511, 512)] {
            let error = area.write_at(offset, &part[..bytes.min(512)]).err();
            let read = area.read_at(offset, &mut all[..bytes]);
            if offset != 3584 {
                assert!(matches!(error, Some(AreaError::OutOfRange { .. })));
            }
            assert!(matches!(read, Err(AreaError::OutOfRange { .. })));
        }
        for (offset, bytes) in [(1, 512), (0, 511)] {
            let error = area.write_at(offset, &part[..bytes]);
            assert!(matches!(error, Err(AreaError::Misaligned { .. })));
        }
    }

    #[test]
    fn memory_is_an_area() {
        behaves(MemoryArea::new(4096));
    }

    #[test]
    fn sectors_are_an_area() {
        let mut device = MemoryDevice::new(20);
        behaves(BlockArea::new(&mut device, 11, 4096).unwrap());
        assert!(BlockArea::new(&mut device, 13, 4096).is_err());
        let bytes = device.into_bytes();
        assert_eq!(bytes[12 * SECTOR], 7);
        assert_eq!(bytes[19 * SECTOR..], [0; SECTOR]);
    }

    #[test]
    fn a_file_of_a_volume_is_an_area() {
        let device = MemoryDevice::new(10_000);
        let mut volume = Volume::format(device, &FormatOptions::default()).unwrap();
        volume.create_contiguous("/area", 4096).unwrap();
        behaves(VolumeArea::open(&mut volume, "/area").unwrap());
        let (start, bytes) = locate(&mut volume, "/area").unwrap();
        assert_eq!(bytes, 4096);
        let mut sector = [0; SECTOR];
        let lba = start / SECTOR as u64;
        volume.device_mut().read(lba + 1, &mut sector).unwrap();
        assert_eq!(sector, [7; SECTOR]);
        let one = volume.create("/one").unwrap();
        let two = volume.create("/two").unwrap();
        for at in [0, 100_000] {
            volume.write_at(&one, at, &[1; 100_000]).unwrap();
            volume.write_at(&two, at, &[2; 100_000]).unwrap();
        }
        let scattered = AreaError::Scattered { pieces: 2 };
        assert_eq!(locate(&mut volume, "/one"), Err(scattered));
        assert!(VolumeArea::open(&mut volume, "/other").is_err());
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_file_and_a_part_of_one_are_areas() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("area");
        std::fs::write(&path, [0; 4096]).unwrap();
        behaves(FileArea::open(&path, true).unwrap());
        std::fs::write(&path, [0; 6000]).unwrap();
        behaves(FileArea::range(&path, 1024, 4096, true).unwrap());
        let whole = std::fs::read(&path).unwrap();
        assert_eq!((whole.len(), whole[1536], whole[1535]), (6000, 7, 0));
        assert!(FileArea::range(&path, 2048, 4096, false).is_err());
        let mut read_only = FileArea::open(&path, false).unwrap();
        assert_eq!(read_only.write_at(0, &[0; 512]), Err(AreaError::ReadOnly));
        let missing = FileArea::open(&folder.path().join("nothing"), true).err();
        assert!(std::format!("{}", missing.unwrap()).contains("nothing"));
    }
}
