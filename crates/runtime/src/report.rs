//! What the runtime says of itself: one line of progress, one line of timings.

use engine::{Progress, Timings};
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Tells on standard error what takes long. Says nothing when quiet.
pub struct Reporter {
    quiet: bool,
    /// Whether a line can be overwritten.
    terminal: bool,
}

impl Reporter {
    /// `quiet` says nothing at all.
    pub fn new(quiet: bool) -> Self {
        Reporter {
            quiet,
            terminal: std::io::stderr().is_terminal() && !crate::platform::is_machine(),
        }
    }

    /// Shows a stage of the engine. Only where the line can be taken back: logs want results.
    pub fn stage(&self, progress: Progress<'_>) {
        if self.quiet || !self.terminal {
            return;
        }
        let text = match progress {
            Progress::Reading {
                module,
                index,
                total,
            } => format!("reading {module} ({}/{total})", index + 1),
            Progress::Linking => "linking".to_owned(),
            Progress::Optimising { functions } => format!("optimising {functions} functions"),
            Progress::Generating { functions } => {
                format!("generating code for {functions} functions")
            }
        };
        let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
    }

    /// Takes the last stage back.
    pub fn done(&self) {
        if !self.quiet && self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Milliseconds with three decimals.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The line of `--timings`. All times in milliseconds.
pub fn timings_line(
    level: engine::Level,
    start_to_main: Duration,
    files: Duration,
    timings: &Timings,
    main_to_entry: Duration,
    code_bytes: usize,
    functions: usize,
) -> String {
    serde_json::json!({ "timings_ms": {
        "machine": crate::platform::is_machine(),
        "level": level.to_string(),
        "start_to_main": ms(start_to_main),
        "files": ms(files),
        "read": ms(timings.read),
        "verify": ms(timings.verify),
        "link": ms(timings.link),
        "optimise": ms(timings.optimise),
        "codegen": ms(timings.codegen),
        "load": ms(timings.load),
        "main_to_entry": ms(main_to_entry),
    }, "code_bytes": code_bytes, "functions": functions })
    .to_string()
}
