//! From the machine's last word to the exit code of `bareflow run`, and what to tell the person.
//!
//! The kernel writes a value `v` to QEMU's `isa-debug-exit`; QEMU ends with `(v << 1) | 1` (ARCHITECTURE.md, "Exit").

use formats::exit::Reason;

use crate::console::End;

/// Added to the kernel's value for the exit codes 112 to 116, and 119.
const MACHINE_FAILED: u8 = 0x60;

/// Exit code when QEMU itself failed.
pub const QEMU_FAILED: u8 = 117;
/// Exit code when the machine reset or powered off without a last word.
pub const NO_LAST_WORD: u8 = 118;
/// Exit code when the time limit passed, as `timeout` has it.
pub const TIMED_OUT: u8 = 124;
/// Exit code when a person ended it, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// What to do with the end of a machine.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Exit code for this process.
    pub code: u8,
    /// What happened, unless the program simply ended.
    pub message: Option<String>,
}

impl Verdict {
    fn bad(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }
}

/// Judges how an attached machine ended.
pub fn of_end(end: &End) -> Verdict {
    match end {
        End::Interrupted => Verdict::bad(INTERRUPTED, "ended by Ctrl-C or a signal"),
        End::TimedOut => Verdict::bad(TIMED_OUT, "ended: --timeout passed"),
        End::Exited(status) => match status.code() {
            Some(code) => of_qemu(code),
            None => Verdict::bad(QEMU_FAILED, format!("QEMU was ended ({status})")),
        },
    }
}

/// Judges QEMU's exit code.
pub fn of_qemu(code: i32) -> Verdict {
    let Some(reason) = Reason::from_qemu_status(code) else {
        return if code == 0 {
            Verdict::bad(
                NO_LAST_WORD,
                "the machine reset or powered off without a last word; try --verbose",
            )
        } else {
            Verdict::bad(
                QEMU_FAILED,
                format!("QEMU failed with code {code}; its message is above"),
            )
        };
    };
    let advice = match reason {
        Reason::Program(code) => {
            return Verdict {
                code,
                message: None,
            };
        }
        Reason::BadPayload => "; build the image again with `bareflow build` or `bareflow llm`",
        Reason::OutOfMemory => "; give it more with --memory",
        Reason::BootLoader => "; its message is above",
        Reason::KernelPanic
        | Reason::KernelException
        | Reason::PayloadException
        | Reason::Stuck => "",
    };
    Verdict::bad(MACHINE_FAILED + reason.value(), format!("{reason}{advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qemu_code(value: i32) -> i32 {
        (value << 1) | 1
    }

    #[test]
    fn the_programs_own_code_comes_through() {
        for code in [0u8, 1, 3, 63] {
            let verdict = of_qemu(qemu_code(0x40 + i32::from(code)));
            assert_eq!(
                verdict,
                Verdict {
                    code,
                    message: None
                }
            );
        }
    }

    #[test]
    fn failures_of_the_machine_are_told_apart() {
        let codes: Vec<u8> = (0x10..=0x14).map(|v| of_qemu(qemu_code(v)).code).collect();
        assert_eq!(codes, [112, 113, 114, 115, 116]);
        assert_eq!(of_qemu(1).code, QEMU_FAILED);
        assert_eq!(of_qemu(0).code, NO_LAST_WORD);
        assert_eq!(of_qemu(qemu_code(0x30)).code, QEMU_FAILED);
    }
}
