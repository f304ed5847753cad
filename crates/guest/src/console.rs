//! The console: text out, edited lines in.

use alloc::vec::Vec;
use core::fmt;

use crate::sys;

/// Writes bytes as they are.
pub fn write(bytes: &[u8]) {
    // SAFETY: the pointer and length are of one slice.
    unsafe { sys::bf_console_write(bytes.as_ptr(), bytes.len()) }
}

/// What a request for a line gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Text(Vec<u8>),
    /// The user pressed Ctrl-C instead.
    Interrupted,
    /// There is no more input.
    End,
}

/// Bytes asked for at a time.
const CHUNK: usize = 512;

/// Waits for one line of input, however long.
#[must_use]
pub fn read_line() -> Line {
    let mut line = Vec::new();
    let mut chunk = [0; CHUNK];
    loop {
        // SAFETY: the pointer and length are of one writable array.
        let bytes = unsafe { sys::bf_console_read(chunk.as_mut_ptr(), CHUNK) };
        let Ok(n) = usize::try_from(bytes) else {
            return match () {
                () if crate::interrupted() => Line::Interrupted,
                () if line.is_empty() => Line::End,
                () => Line::Text(line),
            };
        };
        line.extend_from_slice(&chunk[..n.min(CHUNK)]);
        // A part that fills the buffer has more behind it.
        if n < CHUNK {
            return Line::Text(line);
        }
    }
}

/// The console as a target of `write!`; it never fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(text.as_bytes());
        Ok(())
    }
}

/// Prints formatted text on the console.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => {{
        let _ = ::core::fmt::Write::write_fmt(&mut $crate::console::Console, ::core::format_args!($($arg)*));
    }};
}

/// Prints formatted text and a newline on the console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arg:tt)*) => {{
        $crate::print!($($arg)*);
        $crate::print!("\n");
    }};
}
