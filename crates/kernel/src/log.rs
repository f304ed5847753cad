//! What the kernel says: levels, macros, and the text writer behind them.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU8, Ordering};
pub use formats::options::LogLevel;

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Info as u8);

/// Sets how much is said.
pub fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// True if `level` is to be said.
pub fn enabled(level: LogLevel) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        crate::console::write(text.as_bytes());
        Ok(())
    }
}

/// Prints whatever the level.
pub fn print(args: fmt::Arguments<'_>) {
    // A console that cannot print has nobody to tell.
    let _ = Console.write_fmt(args);
}

/// Prints a line at `log=info` and above.
#[macro_export]
macro_rules! info {
    ($($arg:tt)*) => {
        if $crate::log::enabled($crate::log::LogLevel::Info) {
            $crate::log::print(format_args!("{}\n", format_args!($($arg)*)));
        }
    };
}

/// Prints a line at `log=debug`.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)*) => {
        if $crate::log::enabled($crate::log::LogLevel::Debug) {
            $crate::log::print(format_args!("{}\n", format_args!($($arg)*)));
        }
    };
}

/// Prints a line always: what went wrong.
#[macro_export]
macro_rules! error {
    ($($arg:tt)*) => {
        $crate::log::print(format_args!("{}\n", format_args!($($arg)*)))
    };
}
