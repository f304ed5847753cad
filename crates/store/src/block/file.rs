//! A disk that is a file of the host.

use super::{BlockDevice, BlockError, SECTOR, check_request};
use core::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// An image file as a disk.
#[derive(Debug)]
pub struct FileDevice {
    file: File,
    sector_count: u64,
    writable: bool,
}

/// Why an image file could not be opened or created.
#[derive(Debug)]
pub struct FileDeviceError {
    path: PathBuf,
    doing: &'static str,
    source: io::Error,
}

impl fmt::Display for FileDeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} {}: {}",
            self.doing,
            self.path.display(),
            self.source
        )
    }
}

impl core::error::Error for FileDeviceError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl FileDevice {
    /// Opens an image; a last part that is no whole sector is out of reach.
    ///
    /// # Errors
    /// Names the file and what the system said.
    pub fn open(path: impl AsRef<Path>, writable: bool) -> Result<Self, FileDeviceError> {
        let path = path.as_ref();
        let doing = if writable { "open for writing" } else { "open" };
        let error = |source| FileDeviceError {
            path: path.into(),
            doing,
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(writable)
            .open(path)
            .map_err(error)?;
        // A seek and not the metadata: those of a block special file say 0.
        let bytes = io::Seek::seek(&mut &file, io::SeekFrom::End(0)).map_err(error)?;
        Ok(Self {
            file,
            sector_count: bytes / SECTOR as u64,
            writable,
        })
    }

    /// Creates an image of zeroes that occupies no room yet, in place of what was there.
    ///
    /// # Errors
    /// Names the file and what the system said.
    pub fn create(path: impl AsRef<Path>, sectors: u64) -> Result<Self, FileDeviceError> {
        let path = path.as_ref();
        let error = |source| FileDeviceError {
            path: path.into(),
            doing: "create",
            source,
        };
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path);
        Self::from_file(file.map_err(error)?, sectors).map_err(error)
    }

    /// Makes an open file a disk of this many sectors; it is extended or cut.
    ///
    /// # Errors
    /// What the system said.
    pub fn from_file(file: File, sectors: u64) -> io::Result<Self> {
        let bytes = sectors
            .checked_mul(SECTOR as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        file.set_len(bytes)?;
        Ok(Self {
            file,
            sector_count: sectors,
            writable: true,
        })
    }

    /// The file, without the disk around it.
    pub fn into_file(self) -> File {
        self.file
    }
}

fn device_error(lba: u64, error: &io::Error) -> BlockError {
    BlockError::Device {
        lba,
        code: error.raw_os_error().unwrap_or(0) as u32,
    }
}

impl BlockDevice for FileDevice {
    fn sector_count(&self) -> u64 {
        self.sector_count
    }

    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        check_request(lba, buf.len(), self.sector_count)?;
        self.file
            .read_exact_at(buf, lba * SECTOR as u64)
            .map_err(|e| device_error(lba, &e))
    }

    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError> {
        if !self.writable {
            return Err(BlockError::ReadOnly);
        }
        check_request(lba, buf.len(), self.sector_count)?;
        self.file
            .write_all_at(buf, lba * SECTOR as u64)
            .map_err(|e| device_error(lba, &e))
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        if !self.writable {
            return Ok(());
        }
        self.file.sync_data().map_err(|e| device_error(0, &e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        let mut disk = FileDevice::create(&path, 8).unwrap();
        disk.write(7, &[9; SECTOR]).unwrap();
        disk.flush().unwrap();
        let mut again = FileDevice::open(&path, false).unwrap();
        assert_eq!(again.sector_count(), 8);
        let mut buf = [0; SECTOR];
        again.read(7, &mut buf).unwrap();
        assert_eq!(buf, [9; SECTOR]);
        assert_eq!(again.write(0, &buf), Err(BlockError::ReadOnly));
        assert!(again.read(8, &mut buf).is_err());
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = FileDevice::open("/nonexistent/disk.img", false).unwrap_err();
        assert!(std::format!("{error}").contains("/nonexistent/disk.img"));
    }
}
