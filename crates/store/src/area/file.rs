//! A file of the system, or some bytes of it, as an area.

use super::{Area, AreaError, check_range, check_write};
use core::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A file that could not be opened as an area.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

impl OpenError {
    /// True if there is no such file.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot open {}: {}", self.path.display(), self.source)
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Some bytes of a file of the system. Flushing is `fdatasync`.
#[derive(Debug)]
pub struct FileArea {
    file: File,
    start: u64,
    bytes: u64,
    writable: bool,
}

impl FileArea {
    /// The whole file, as long as it is now. It is never resized.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, writable: bool) -> Result<Self, OpenError> {
        let (file, bytes) = open(path, writable)?;
        Ok(Self {
            file,
            start: 0,
            bytes,
            writable,
        })
    }

    /// The `bytes` bytes from `start` on of a file: a file inside an image.
    ///
    /// # Errors
    /// [`OpenError`], also if the file ends before.
    pub fn range(path: &Path, start: u64, bytes: u64, writable: bool) -> Result<Self, OpenError> {
        let (file, whole) = open(path, writable)?;
        if start.checked_add(bytes).is_none_or(|end| end > whole) {
            let what =
                std::format!("it has {whole} bytes, at least {bytes} from {start} on expected");
            return Err(OpenError {
                path: path.into(),
                source: io::Error::new(io::ErrorKind::UnexpectedEof, what),
            });
        }
        Ok(Self {
            file,
            start,
            bytes,
            writable,
        })
    }
}

fn open(path: &Path, writable: bool) -> Result<(File, u64), OpenError> {
    let opened = OpenOptions::new().read(true).write(writable).open(path);
    opened
        .and_then(|file| {
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        })
        .map_err(|source| OpenError {
            path: path.into(),
            source,
        })
}

fn system(error: &io::Error) -> AreaError {
    AreaError::System {
        code: error.raw_os_error().unwrap_or(0),
    }
}

impl Area for FileArea {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), AreaError> {
        check_range(offset, buf.len(), self.bytes)?;
        self.file
            .read_exact_at(buf, self.start + offset)
            .map_err(|e| system(&e))
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), AreaError> {
        if !self.writable {
            return Err(AreaError::ReadOnly);
        }
        check_write(offset, data.len(), self.bytes)?;
        self.file
            .write_all_at(data, self.start + offset)
            .map_err(|e| system(&e))
    }

    fn flush(&mut self) -> Result<(), AreaError> {
        if !self.writable {
            return Ok(());
        }
        self.file.sync_data().map_err(|e| system(&e))
    }
}
