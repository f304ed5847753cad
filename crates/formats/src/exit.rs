//! Exit codes: how a machine tells the host why it ended.
//!
//! The kernel writes a value `v` to the port of QEMU's `isa-debug-exit`; QEMU then exits with `(v << 1) | 1`, which is
//! never 0 and, for our values, never a code that QEMU itself uses (it exits with 1 on its own errors).
//!
//! | `v` | reason |
//! |---|---|
//! | 0x10 | kernel panic |
//! | 0x11 | CPU exception in the kernel |
//! | 0x12 | CPU exception in the payload |
//! | 0x13 | no payload, or a broken one |
//! | 0x14 | not enough memory to boot |
//! | 0x15 | the boot sector or stage 2 gave up (crates/boot) |
//! | 0x17 | the program made no progress (`--watchdog`) |
//! | 0x40..=0x7E | program exit code 0..=62 |
//! | 0x7F | program exit code 63 or larger |

use core::fmt;

/// Port of `isa-debug-exit` (`iobase=0xf4,iosize=4`).
pub const DEBUG_EXIT_PORT: u16 = 0xF4;

const PROGRAM: u8 = 0x40;
const LARGEST: u8 = 63;

/// Exit code with which the runtime ends after a CPU exception in the guest program, when it has reported it.
pub const FAULT_CODE: u8 = 114;

/// Exit code with which the runtime ends a program that made no progress for as long as `--watchdog` says.
pub const STUCK_CODE: u8 = 119;

/// Why a machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The program ended with this code.
    Program(u8),
    /// The kernel panicked.
    KernelPanic,
    /// A CPU exception in the kernel.
    KernelException,
    /// A CPU exception in the payload that no handler took.
    PayloadException,
    /// No payload, or a broken one.
    BadPayload,
    /// Not enough memory to boot.
    OutOfMemory,
    /// The boot sector or stage 2 gave up: it has printed why.
    BootLoader,
    /// The program made no progress.
    Stuck,
}

impl Reason {
    /// The reason when the payload ended with an exit code: [`FAULT_CODE`] tells of an exception, [`STUCK_CODE`] of the
    /// watchdog, others are its own.
    pub fn of_payload(code: u8) -> Self {
        match code {
            FAULT_CODE => Self::PayloadException,
            STUCK_CODE => Self::Stuck,
            code => Self::Program(code),
        }
    }

    /// The value for the debug-exit port. Program codes from 63 on share one value.
    pub fn value(self) -> u8 {
        match self {
            Self::Program(code) => PROGRAM + code.min(LARGEST),
            Self::KernelPanic => 0x10,
            Self::KernelException => 0x11,
            Self::PayloadException => 0x12,
            Self::BadPayload => 0x13,
            Self::OutOfMemory => 0x14,
            Self::BootLoader => 0x15,
            Self::Stuck => 0x17,
        }
    }

    /// The reason for a value of the port; `None` for a value that no kernel of ours writes.
    pub fn from_value(value: u32) -> Option<Self> {
        Some(match value {
            0x10 => Self::KernelPanic,
            0x11 => Self::KernelException,
            0x12 => Self::PayloadException,
            0x13 => Self::BadPayload,
            0x14 => Self::OutOfMemory,
            0x15 => Self::BootLoader,
            0x17 => Self::Stuck,
            0x40..=0x7F => Self::Program(value as u8 - PROGRAM),
            _ => return None,
        })
    }

    /// The reason for the exit status of QEMU; `None` if QEMU ended by itself.
    pub fn from_qemu_status(status: i32) -> Option<Self> {
        let status = u32::try_from(status).ok()?;
        if status & 1 == 0 {
            return None;
        }
        Self::from_value(status >> 1)
    }

    /// Exit status of QEMU for this reason.
    pub fn qemu_status(self) -> i32 {
        i32::from(self.value()) << 1 | 1
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(LARGEST) => write!(f, "the program ended with code {LARGEST} or larger"),
            Self::Program(code) => write!(f, "the program ended with code {code}"),
            Self::KernelPanic => write!(f, "the kernel panicked"),
            Self::KernelException => write!(f, "a CPU exception in the kernel"),
            Self::PayloadException => write!(f, "a CPU exception in the payload"),
            Self::BadPayload => write!(f, "no payload on the disk, or a broken one"),
            Self::OutOfMemory => write!(f, "not enough memory to boot"),
            Self::BootLoader => write!(f, "the boot loader gave up"),
            Self::Stuck => write!(f, "the program made no progress"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_report_of_an_exception_is_one() {
        assert_eq!(Reason::of_payload(FAULT_CODE), Reason::PayloadException);
        assert_eq!(Reason::of_payload(7), Reason::Program(7));
    }

    #[test]
    fn every_reason_survives_qemu() {
        let failures = [
            Reason::KernelPanic,
            Reason::KernelException,
            Reason::PayloadException,
            Reason::BadPayload,
            Reason::OutOfMemory,
            Reason::BootLoader,
        ];
        let programs = (0..=LARGEST).map(Reason::Program);
        for reason in failures.into_iter().chain(programs) {
            let status = reason.qemu_status();
            assert!(
                status != 0 && status != 1 && status <= 255,
                "{reason}: {status}"
            );
            assert_eq!(Reason::from_qemu_status(status), Some(reason));
        }
    }

    #[test]
    fn large_codes_are_one() {
        assert_eq!(Reason::Program(130).value(), 0x7F);
        assert_eq!(Reason::from_value(0x7F), Some(Reason::Program(63)));
    }

    #[test]
    fn what_qemu_says_itself_is_no_reason() {
        for status in [0, 1, 2, -1, 124] {
            assert_eq!(Reason::from_qemu_status(status), None, "{status}");
        }
    }
}
