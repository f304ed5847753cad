//! Where the bytes of a model come from: a file, a disk, a slice in a test.

use alloc::string::String;
use alloc::vec::Vec;
use thiserror::Error;

use crate::ModelError;

/// Random access to the bytes of one file.
///
/// Reads go straight into the caller's buffer; an implementation keeps no copy of the file.
pub trait Source {
    /// Length of the file in bytes.
    fn len(&self) -> u64;

    /// Fills the whole of `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`ReadError`] if the range is not inside the file or the device fails.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        (**self).read_at(offset, buf)
    }
}

/// A read that did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The range lies (partly) behind the end of the file: the file is truncated.
    #[error(
        "reading {wanted} bytes at offset {offset} goes beyond the end of the file ({len} bytes): \
         the file is truncated; fetch it again"
    )]
    OutOfRange {
        /// First byte of the range.
        offset: u64,
        /// Bytes asked for.
        wanted: u64,
        /// Length of the file in bytes.
        len: u64,
    },
    /// The device or the file system reported an error.
    #[error("reading {wanted} bytes at offset {offset} failed with error {code}")]
    Device {
        /// First byte of the range.
        offset: u64,
        /// Bytes asked for.
        wanted: u64,
        /// Error code of the platform (a positive errno).
        code: i64,
    },
}

/// A file that is already in memory.
#[derive(Debug, Clone, Copy)]
pub struct SliceSource<'a>(pub &'a [u8]);

impl Source for SliceSource<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.0.get(start..start.checked_add(buf.len())?))
            .ok_or(ReadError::OutOfRange {
                offset,
                wanted: buf.len() as u64,
                len: self.len(),
            })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

/// Bytes read ahead at a time: metadata is many tiny fields.
const WINDOW_BYTES: usize = 64 * 1024;

/// Reads little-endian fields one after the other through a window over a [`Source`].
pub(crate) struct Cursor<'a, S: ?Sized> {
    source: &'a S,
    len: u64,
    /// File offset of the next byte.
    offset: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl<'a, S: Source + ?Sized> Cursor<'a, S> {
    pub fn new(source: &'a S) -> Self {
        Cursor {
            source,
            len: source.len(),
            offset: 0,
            window: Vec::new(),
            window_start: 0,
        }
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes between here and the end of the file.
    pub fn remaining(&self) -> u64 {
        self.len - self.offset
    }

    /// Moves over `bytes` bytes.
    pub fn skip(&mut self, bytes: u64, what: &'static str) -> Result<(), ModelError> {
        self.check(bytes, what)?;
        self.offset += bytes;
        Ok(())
    }

    /// Fails unless `bytes` more bytes are in the file.
    pub fn check(&self, bytes: u64, what: &'static str) -> Result<(), ModelError> {
        if bytes > self.remaining() {
            return Err(ModelError::Truncated {
                what,
                offset: self.offset,
                wanted: bytes,
                left: self.remaining(),
            });
        }
        Ok(())
    }

    /// Fills `out` with the next bytes.
    pub fn read(&mut self, out: &mut [u8], what: &'static str) -> Result<(), ModelError> {
        self.check(out.len() as u64, what)?;
        if out.len() >= WINDOW_BYTES {
            self.source.read_at(self.offset, out)?;
            self.offset += out.len() as u64;
            return Ok(());
        }
        let inside = self.offset >= self.window_start
            && self.offset + out.len() as u64 <= self.window_start + self.window.len() as u64;
        if !inside {
            let bytes = self.remaining().min(WINDOW_BYTES as u64) as usize;
            self.window.clear();
            self.window
                .try_reserve_exact(bytes)
                .map_err(|_| ModelError::OutOfMemory { bytes })?;
            self.window.resize(bytes, 0);
            self.source.read_at(self.offset, &mut self.window)?;
            self.window_start = self.offset;
        }
        let start = (self.offset - self.window_start) as usize;
        out.copy_from_slice(&self.window[start..start + out.len()]);
        self.offset += out.len() as u64;
        Ok(())
    }

    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ModelError> {
        let mut bytes = [0; N];
        self.read(&mut bytes, what)?;
        Ok(bytes)
    }

    pub fn u32(&mut self, what: &'static str) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub fn u64(&mut self, what: &'static str) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// Appends the next `bytes` bytes to `out`. The length is checked against the file first.
    pub fn append(
        &mut self,
        bytes: u64,
        out: &mut Vec<u8>,
        what: &'static str,
    ) -> Result<(), ModelError> {
        self.check(bytes, what)?;
        let bytes =
            usize::try_from(bytes).map_err(|_| ModelError::OutOfMemory { bytes: usize::MAX })?;
        let start = out.len();
        out.try_reserve(bytes)
            .map_err(|_| ModelError::OutOfMemory { bytes })?;
        out.resize(start + bytes, 0);
        self.read(&mut out[start..], what)
    }

    /// A GGUF string: a 64-bit length, then the bytes; must be UTF-8 and at most `max` bytes.
    pub fn string(&mut self, max: u64, what: &'static str) -> Result<String, ModelError> {
        let offset = self.offset;
        let bytes = self.u64(what)?;
        if bytes > max {
            return Err(ModelError::TooLong {
                what,
                offset,
                found: bytes,
                max,
            });
        }
        let mut text = Vec::new();
        self.append(bytes, &mut text, what)?;
        String::from_utf8(text).map_err(|_| ModelError::NotText { what, offset })
    }
}
