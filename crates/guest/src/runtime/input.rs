//! Keys, one by one.
//!
//! The machine has one terminal: what is typed on its keyboard and what comes over its serial line are one stream. Keys
//! that are no characters arrive as a terminal sends them (`ESC [ A` is the cursor key up).

use crate::sys;
use core::fmt;

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputError {
    /// There will be no more: the end of a file or pipe.
    Ended,
    /// Ctrl-C ended the wait; [`interrupted`](crate::interrupted) is true once.
    Interrupted,
    /// Nothing was typed yet.
    Nothing,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InputError::Ended => "there is no more input",
            InputError::Interrupted => "Ctrl-C ended the wait for a key",
            InputError::Nothing => "no key was pressed",
        })
    }
}

impl core::error::Error for InputError {}

fn key(timeout_ns: u64) -> Result<u8, InputError> {
    const TIMED_OUT: i64 = -11;
    const INTERRUPTED: i64 = -4;
    // SAFETY: takes any number.
    let key = unsafe { sys::bf_console_key(timeout_ns) };
    match u8::try_from(key) {
        Ok(key) => Ok(key),
        Err(_) if key == TIMED_OUT => Err(InputError::Nothing),
        Err(_) if key == INTERRUPTED => Err(InputError::Interrupted),
        Err(_) => Err(InputError::Ended),
    }
}

/// Waits for a key and gives its byte; it is not shown.
///
/// # Errors
/// [`InputError::Ended`], [`InputError::Interrupted`].
pub fn keyboard_getchar() -> Result<u8, InputError> {
    key(u64::MAX)
}

/// A key that was pressed already, or is within so many nanoseconds.
///
/// # Errors
/// [`InputError::Nothing`], [`InputError::Ended`], [`InputError::Interrupted`].
pub fn keyboard_poll(timeout_ns: u64) -> Result<u8, InputError> {
    key(timeout_ns.min(u64::MAX - 1))
}

/// Waits for a byte from the serial line; it is not sent back.
///
/// # Errors
/// [`InputError::Ended`], [`InputError::Interrupted`].
pub fn serial_getchar() -> Result<u8, InputError> {
    key(u64::MAX)
}
