//! The console: text out, edited lines in.

use crate::abi;
use core::fmt;

/// Longest line that is read; what goes beyond is dropped.
const LINE_BYTES: usize = 16 << 10;

/// Writes bytes to the console as they are.
pub fn write(bytes: &[u8]) {
    // SAFETY: pointer and length are those of a slice.
    unsafe { abi::bf_console_write(bytes.as_ptr(), bytes.len()) }
}

/// What a request for a line gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Text(alloc::vec::Vec<u8>),
    /// The user pressed Ctrl-C instead.
    Interrupted,
    /// There is no more input.
    End,
}

/// Error number of a call that a signal cut short, as Linux has it.
const EINTR: isize = 4;

/// Waits for one line of input.
#[must_use]
pub fn read_line() -> Line {
    let mut line = alloc::vec![0; LINE_BYTES];
    // SAFETY: pointer and length are those of the vector, which outlives the call.
    let len = unsafe { abi::bf_console_read(line.as_mut_ptr(), line.len()) };
    match usize::try_from(len) {
        Ok(len) => {
            line.truncate(len);
            Line::Text(line)
        }
        Err(_) if len == -EINTR => Line::Interrupted,
        Err(_) => Line::End,
    }
}

/// Formats to the console; used by [`print!`](crate::print).
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(text.as_bytes());
        Ok(())
    }
}

/// Prints to the console.
#[macro_export]
macro_rules! print {
    ($($part:tt)*) => {{
        // The console takes every byte: there is no error to report.
        let _ = core::fmt::Write::write_fmt(&mut $crate::console::Console, format_args!($($part)*));
    }};
}

/// Prints a line to the console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($part:tt)*) => {{ $crate::print!($($part)*); $crate::print!("\n"); }};
}
