//! Files of the machine's volume, for reading.

use crate::abi;
use core::fmt;

/// An error of the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileError {
    /// Linux error number, positive (2: no such file, 5: the device failed).
    pub errno: i64,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno {
            2 => f.write_str("there is no such file on the disk"),
            5 => f.write_str("the disk reported an error"),
            12 => f.write_str("there is not enough memory"),
            21 => f.write_str("it is a directory"),
            22 => f.write_str("that is not a valid name"),
            n => write!(f, "error {n}"),
        }
    }
}

impl core::error::Error for FileError {}

/// An open file; closed when dropped.
#[derive(Debug)]
pub struct File {
    handle: i64,
    len: u64,
}

fn checked(result: i64) -> Result<u64, FileError> {
    u64::try_from(result).map_err(|_| FileError {
        errno: result.saturating_neg(),
    })
}

impl File {
    /// Opens the file at `path` (absolute, `/` between names).
    ///
    /// # Errors
    /// [`FileError`] if there is none or the volume cannot be read.
    pub fn open(path: &str) -> Result<Self, FileError> {
        // SAFETY: pointer and length are those of a string.
        let handle = unsafe { abi::bf_file_open(path.as_ptr(), path.len()) };
        checked(handle)?;
        let mut file = File { handle, len: 0 };
        // SAFETY: the handle is open.
        file.len = checked(unsafe { abi::bf_file_size(handle) })?;
        Ok(file)
    }

    /// Length in bytes when it was opened.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads at `offset` into `buf`; how many bytes, less than asked for only at the end.
    ///
    /// # Errors
    /// [`FileError`] if the device fails.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, FileError> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(done as u64);
            // SAFETY: pointer and length are those of a slice; the handle is open.
            let read = unsafe { abi::bf_file_read(self.handle, at, rest.as_mut_ptr(), rest.len()) };
            match checked(read)? {
                0 => break,
                n => done += n as usize,
            }
        }
        Ok(done)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used after this.
        unsafe { abi::bf_file_close(self.handle) }
    }
}
