//! Files, for reading.

use core::fmt;

use crate::sys;

/// Why a file could not be opened or read: an error number as Linux has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileError {
    /// The error number, positive (`ENOENT` is 2).
    pub errno: i64,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.errno {
            2 => "no such file",
            5 => "the disk reported an error",
            9 => "not an open file",
            13 => "permission denied",
            20 => "a part of the path is not a folder",
            21 => "it is a folder, not a file",
            22 => "an argument makes no sense",
            24 => "too many open files",
            _ => return write!(f, "error {}", self.errno),
        };
        write!(f, "{what} (error {})", self.errno)
    }
}

impl core::error::Error for FileError {}

fn check(value: i64) -> Result<u64, FileError> {
    u64::try_from(value).map_err(|_| FileError {
        errno: value.saturating_neg(),
    })
}

/// An open file; closed when dropped.
#[derive(Debug)]
pub struct File {
    handle: i64,
    len: u64,
}

impl File {
    /// Opens the file at `path` for reading.
    ///
    /// # Errors
    /// [`FileError`] with the machine's error number.
    pub fn open(path: &str) -> Result<File, FileError> {
        // SAFETY: the pointer and length are of one slice.
        let handle = unsafe { sys::bf_file_open(path.as_ptr(), path.len()) };
        check(handle)?;
        let mut file = File { handle, len: 0 };
        // SAFETY: takes any handle.
        file.len = check(unsafe { sys::bf_file_size(handle) })?;
        Ok(file)
    }

    /// Length in bytes when it was opened.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it had no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads bytes from `offset` on: as many as fit, fewer only at the end of the file.
    ///
    /// # Errors
    /// [`FileError`] with the machine's error number.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        let mut done = 0;
        while done < buffer.len() {
            let rest = &mut buffer[done..];
            // SAFETY: the pointer and length are of one writable slice; takes any handle.
            let n = unsafe {
                sys::bf_file_read(
                    self.handle,
                    offset.saturating_add(done as u64),
                    rest.as_mut_ptr(),
                    rest.len(),
                )
            };
            match check(n)? {
                0 => break,
                n => done += (n as usize).min(rest.len()),
            }
        }
        Ok(done)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: takes any handle; this one is ours and not used again.
        unsafe { sys::bf_file_close(self.handle) };
    }
}
