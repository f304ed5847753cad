//! Single keys, the serial line, and waiting.
//!
//! As in the runtime (`runtime/src/platform/devices.rs`): the terminal's mode is changed for one read and put back.

use crate::gate::{self, Terminal, errno, flags};
use crate::{clock, interrupt};
use core::sync::atomic::{AtomicI32, Ordering};

const STDIN: i32 = 0;
const STDOUT: i32 = 1;

/// Waits for one byte of input.
///
/// # Errors
/// EAGAIN after `timeout_ns` (`u64::MAX`: never), EINTR after Ctrl-C, ENODATA at the end of input.
pub fn key(timeout_ns: u64) -> Result<u8, i32> {
    let before = Terminal::of(STDIN);
    if let Ok(mode) = &before {
        mode.raw().set(STDIN);
    }
    let key = wait_for_byte(timeout_ns);
    if let Ok(mode) = &before {
        mode.set(STDIN);
    }
    key
}

fn wait_for_byte(timeout_ns: u64) -> Result<u8, i32> {
    let end = clock::monotonic_ns().saturating_add(timeout_ns);
    loop {
        if timeout_ns != u64::MAX {
            let left = end.saturating_sub(clock::monotonic_ns());
            let ms = left.div_ceil(1_000_000).min(i32::MAX as u64) as i32;
            match gate::wait_readable(STDIN, ms) {
                Ok(0) => return Err(errno::EAGAIN),
                Err(errno::EINTR) if interrupt::is_pending() => return Err(errno::EINTR),
                Err(errno::EINTR) => continue,
                _ => {}
            }
        }
        let mut byte = [0];
        match gate::read(STDIN, &mut byte) {
            Ok(1) => return Ok(byte[0]),
            Err(errno::EINTR) if interrupt::is_pending() => return Err(errno::EINTR),
            Err(errno::EINTR) => {}
            _ => return Err(errno::ENODATA),
        }
    }
}

/// The number of the file that is the serial line: on the machine the port alone, hosted standard output.
pub fn serial_line(is_machine: bool) -> i32 {
    /// Not looked for yet.
    const UNKNOWN: i32 = -1;
    static LINE: AtomicI32 = AtomicI32::new(UNKNOWN);
    match LINE.load(Ordering::Relaxed) {
        UNKNOWN => {
            let line = match is_machine {
                true => gate::open(c"/dev/ttyS0", flags::WRITE).map_or(STDOUT, |file| file as i32),
                false => STDOUT,
            };
            // Two threads at once open it twice, which does no harm.
            LINE.store(line, Ordering::Relaxed);
            line
        }
        line => line,
    }
}

/// Lets at least so much time pass, unless Ctrl-C comes.
pub fn sleep(ns: u64) {
    const STEP: u64 = 100_000_000;
    let end = clock::monotonic_ns().saturating_add(ns);
    while !interrupt::is_pending() {
        let left = end.saturating_sub(clock::monotonic_ns());
        if left == 0 {
            return;
        }
        // In steps, so that a Ctrl-C between the look and the sleep does not go by unseen.
        gate::sleep(left.min(STEP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_takes_its_time() {
        let start = clock::monotonic_ns();
        sleep(2_000_000);
        assert!(clock::monotonic_ns() - start >= 2_000_000);
        assert_eq!(serial_line(false), STDOUT);
    }
}
