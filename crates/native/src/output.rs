//! Text for standard error, without memory of its own.

use crate::gate::{self, errno};
use core::fmt;

/// Writes all bytes; gives up when nobody can take them.
pub fn write_all(file: i32, mut bytes: &[u8]) -> Result<(), i32> {
    while !bytes.is_empty() {
        match gate::write(file, bytes) {
            Ok(0) => return Err(errno::EIO),
            Ok(n) => bytes = bytes.get(n..).unwrap_or(&[]),
            Err(errno::EINTR) => {}
            Err(errno::EAGAIN) => gate::yield_now(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A buffer on the stack before standard error.
pub struct Stderr {
    buffer: [u8; 1024],
    len: usize,
}

impl Stderr {
    /// Empty.
    pub fn new() -> Self {
        Stderr {
            buffer: [0; 1024],
            len: 0,
        }
    }

    /// Writes what is in the buffer.
    pub fn flush(&mut self) {
        // Nobody is left to be told that it cannot be written.
        let _ = write_all(2, self.buffer.get(..self.len).unwrap_or(&[]));
        self.len = 0;
    }
}

impl fmt::Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.len == self.buffer.len() {
                self.flush();
            }
            if let Some(place) = self.buffer.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}
