//! Single keys, the serial line, and waiting.
//!
//! A key is read with the terminal in a mode of its own: no lines, no echo. The mode is changed for one read and put back,
//! so that a program that ends in between, or asks for a line next, finds the terminal as it was. Where input is no
//! terminal, keys are its bytes.

use super::interrupt;
use crate::files::Errno;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Answer at the end of input (ENODATA).
pub const NO_DATA: i64 = -61;
/// Answer when time is over (EAGAIN).
const TIMED_OUT: i64 = -(Errno::Again as i64);
/// Answer after Ctrl-C (EINTR).
const INTERRUPTED: i64 = -4;

/// Puts the terminal's mode back.
struct Raw(libc::termios);

impl Raw {
    /// Keys as they come; `None` where input is no terminal.
    fn enter() -> Option<Self> {
        // SAFETY: a zeroed structure is valid; the calls read and write it alone.
        unsafe {
            let mut before: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(0, &mut before) != 0 {
                return None;
            }
            let mut raw = before;
            raw.c_lflag &= !(libc::ICANON | libc::ECHO);
            raw.c_cc[libc::VMIN] = 1;
            raw.c_cc[libc::VTIME] = 0;
            // What was typed ahead stays.
            (libc::tcsetattr(0, libc::TCSANOW, &raw) == 0).then_some(Raw(before))
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: the structure is what the system gave.
        unsafe { libc::tcsetattr(0, libc::TCSANOW, &self.0) };
    }
}

/// Waits for one byte of input: 0 to 255, or a negated error number.
pub fn key(timeout_ns: u64) -> i64 {
    let _raw = Raw::enter();
    let start = Instant::now();
    loop {
        let ready = match timeout_ns {
            u64::MAX => true,
            limit => {
                let passed = start.elapsed().as_nanos() as u64;
                let left = Duration::from_nanos(limit.saturating_sub(passed));
                let left_ms = left.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32;
                let mut wanted = libc::pollfd {
                    fd: 0,
                    events: libc::POLLIN,
                    revents: 0,
                };
                // SAFETY: one valid entry.
                let ready = unsafe { libc::poll(&mut wanted, 1, left_ms) };
                if ready == 0 {
                    return TIMED_OUT;
                }
                ready > 0
            }
        };
        let mut byte = 0u8;
        let got = if ready {
            // SAFETY: reads into one byte.
            unsafe { libc::read(0, (&raw mut byte).cast(), 1) }
        } else {
            -1
        };
        match got {
            1 => return byte.into(),
            0 => return NO_DATA,
            _ if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {
                if interrupt::is_pending() {
                    return INTERRUPTED;
                }
            }
            _ => return NO_DATA,
        }
    }
}

/// The number of the file that is the serial line: on the machine the port alone, hosted standard output.
pub fn serial_line() -> libc::c_int {
    const STDOUT: libc::c_int = 1;
    static LINE: OnceLock<libc::c_int> = OnceLock::new();
    *LINE.get_or_init(|| {
        if !super::is_machine() {
            return STDOUT;
        }
        // SAFETY: a path with its NUL. The file stays open.
        match unsafe { libc::open(c"/dev/ttyS0".as_ptr(), libc::O_WRONLY) } {
            -1 => STDOUT,
            file => file,
        }
    })
}

/// Lets at least so much time pass, unless Ctrl-C comes.
pub fn sleep(ns: u64) {
    let end = Instant::now().checked_add(Duration::from_nanos(ns));
    while !interrupt::is_pending() {
        let left = end.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return;
        }
        // In steps, so that a Ctrl-C between the look and the sleep does not go by unseen.
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}
