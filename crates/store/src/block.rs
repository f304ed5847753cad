//! Block devices: sectors of 512 bytes, read and written by number.
//!
//! One trait for a virtio disk, an image file and a test's memory. Requests may be of any whole number of
//! sectors; large ones are what makes reading fast, so callers hand over the largest run they know of.

use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "std")]
mod file;
#[cfg(feature = "std")]
pub use file::{FileDevice, FileDeviceError};

/// Size of a sector in bytes.
pub const SECTOR: usize = 512;

/// A disk, or a part of one.
pub trait BlockDevice {
    /// Number of sectors. It does not change.
    fn sector_count(&self) -> u64;

    /// Fills `buf`, a whole number of sectors, from sector `lba` on.
    ///
    /// # Errors
    /// [`BlockError::Misaligned`], [`BlockError::OutOfRange`], or what the device reports.
    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError>;

    /// Writes `buf`, a whole number of sectors, from sector `lba` on. It may be lost, torn or reordered by a
    /// power cut until the next [`flush`](Self::flush) returned.
    ///
    /// # Errors
    /// As for [`read`](Self::read), and [`BlockError::ReadOnly`].
    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError>;

    /// Returns once everything written before is safe from a power cut.
    ///
    /// # Errors
    /// What the device reports.
    fn flush(&mut self) -> Result<(), BlockError>;
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// The buffer is not a whole number of sectors.
    Misaligned {
        /// Size of the buffer in bytes.
        bytes: usize,
    },
    /// The request ends behind the device.
    OutOfRange {
        /// First sector asked for.
        lba: u64,
        /// Number of sectors asked for.
        sectors: u64,
        /// Sectors that the device has.
        sector_count: u64,
    },
    /// A write to a device that was opened for reading.
    ReadOnly,
    /// The device reported an error.
    Device {
        /// First sector of the request.
        lba: u64,
        /// Status in the device's own numbering (virtio status, ATA error register, errno).
        code: u32,
    },
    /// The device did not answer in time.
    Timeout {
        /// First sector of the request.
        lba: u64,
    },
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Misaligned { bytes } => {
                write!(
                    f,
                    "disk request of {bytes} bytes is not a whole number of {SECTOR}-byte sectors"
                )
            }
            Self::OutOfRange {
                lba,
                sectors,
                sector_count,
            } => write!(
                f,
                "disk request for {sectors} sectors at {lba} ends behind the device of {sector_count} sectors"
            ),
            Self::ReadOnly => write!(f, "write to a disk that was opened for reading only"),
            Self::Device { lba, code } => {
                write!(
                    f,
                    "the disk reported error {code} for a request at sector {lba}"
                )
            }
            Self::Timeout { lba } => {
                write!(
                    f,
                    "the disk did not answer a request at sector {lba} in time"
                )
            }
        }
    }
}

impl core::error::Error for BlockError {}

/// Checks a request against the size of a device and gives its number of sectors.
///
/// # Errors
/// [`BlockError::Misaligned`] and [`BlockError::OutOfRange`].
pub fn check_request(lba: u64, bytes: usize, sector_count: u64) -> Result<u64, BlockError> {
    if !bytes.is_multiple_of(SECTOR) {
        return Err(BlockError::Misaligned { bytes });
    }
    let sectors = (bytes / SECTOR) as u64;
    match lba.checked_add(sectors) {
        Some(end) if end <= sector_count => Ok(sectors),
        _ => Err(BlockError::OutOfRange {
            lba,
            sectors,
            sector_count,
        }),
    }
}

impl<D: BlockDevice + ?Sized> BlockDevice for &mut D {
    fn sector_count(&self) -> u64 {
        (**self).sector_count()
    }
    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        (**self).read(lba, buf)
    }
    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError> {
        (**self).write(lba, buf)
    }
    fn flush(&mut self) -> Result<(), BlockError> {
        (**self).flush()
    }
}

impl<D: BlockDevice + ?Sized> BlockDevice for alloc::boxed::Box<D> {
    fn sector_count(&self) -> u64 {
        (**self).sector_count()
    }
    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        (**self).read(lba, buf)
    }
    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError> {
        (**self).write(lba, buf)
    }
    fn flush(&mut self) -> Result<(), BlockError> {
        (**self).flush()
    }
}

/// A disk in memory.
#[derive(Clone, Debug)]
pub struct MemoryDevice {
    bytes: Vec<u8>,
}

impl MemoryDevice {
    /// A disk of zeroes.
    pub fn new(sectors: usize) -> Self {
        Self {
            bytes: alloc::vec![0; sectors * SECTOR],
        }
    }

    /// A disk with these contents; a last part that is no whole sector is cut off.
    pub fn from_bytes(mut bytes: Vec<u8>) -> Self {
        bytes.truncate(bytes.len() / SECTOR * SECTOR);
        Self { bytes }
    }

    /// Everything on the disk.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Everything on the disk, to be changed behind the back of whoever uses it.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The contents, without the disk around them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl BlockDevice for MemoryDevice {
    fn sector_count(&self) -> u64 {
        (self.bytes.len() / SECTOR) as u64
    }

    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        check_request(lba, buf.len(), self.sector_count())?;
        let at = lba as usize * SECTOR;
        buf.copy_from_slice(&self.bytes[at..at + buf.len()]);
        Ok(())
    }

    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError> {
        check_request(lba, buf.len(), self.sector_count())?;
        let at = lba as usize * SECTOR;
        self.bytes[at..at + buf.len()].copy_from_slice(buf);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_keeps_what_was_written() {
        let mut disk = MemoryDevice::new(4);
        disk.write(2, &[7; 2 * SECTOR]).unwrap();
        let mut buf = [0; 3 * SECTOR];
        disk.read(1, &mut buf).unwrap();
        assert!(buf[..SECTOR].iter().all(|&b| b == 0) && buf[SECTOR..].iter().all(|&b| b == 7));
    }

    #[test]
    fn requests_are_checked() {
        let mut disk = MemoryDevice::new(4);
        assert_eq!(
            disk.read(0, &mut [0; 100]),
            Err(BlockError::Misaligned { bytes: 100 })
        );
        let range = BlockError::OutOfRange {
            lba: 4,
            sectors: 1,
            sector_count: 4,
        };
        assert_eq!(disk.write(4, &[0; SECTOR]), Err(range));
        assert!(disk.read(u64::MAX, &mut [0; SECTOR]).is_err());
        assert_eq!(disk.read(4, &mut []), Ok(()));
    }
}
