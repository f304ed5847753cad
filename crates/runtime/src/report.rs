//! What the runtime says of itself: one line of progress, one line of timings.

use crate::platform::machine;
use engine::Progress;
use engine::snapshot::Imported;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Tells on standard error what takes long.
pub struct Reporter {
    how: How,
}

/// How it is told.
enum How {
    /// Not at all: logs want results.
    Silent,
    /// On one line of a terminal, which is taken back.
    OneLine,
    /// A line for each step, with the time so far, of work that takes minutes.
    Log { what: &'static str, start: Instant },
}

impl Reporter {
    /// Of the start of a program: only where the line can be taken back. `quiet` says nothing at all.
    pub fn new(quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal() && !crate::platform::is_machine();
        Reporter {
            how: match is_terminal && !quiet {
                true => How::OneLine,
                false => How::Silent,
            },
        }
    }

    /// Of work that nobody may see on a terminal, and that takes minutes on an emulated processor. `what` begins each line.
    pub fn log(quiet: bool, what: &'static str) -> Self {
        let start = Instant::now();
        Reporter {
            how: match quiet {
                true => How::Silent,
                false => How::Log { what, start },
            },
        }
    }

    /// Shows a stage of the engine.
    pub fn stage(&self, progress: Progress<'_>) {
        let text = match progress {
            Progress::Reading { .. } if matches!(self.how, How::Log { .. }) => return,
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
        self.step(&text);
    }

    /// Shows what is done next.
    pub fn step(&self, text: &str) {
        let mut out = std::io::stderr();
        // Whom nobody hears need not speak.
        let _ = match self.how {
            How::Silent => Ok(()),
            How::OneLine => write!(out, "\r\x1b[K{text}"),
            How::Log { what, start } => {
                let seconds = start.elapsed().as_secs_f64();
                writeln!(out, "bareflow: {what}: {text} (after {seconds:.1} s)")
            }
        };
    }

    /// Takes the last stage back.
    pub fn done(&self) {
        if let How::OneLine = self.how {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// What a run took over from earlier ones, behind the engine's report.
pub fn kept_text(imported: &Imported) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "\nFrom earlier runs: the profile of {} functions, code of {} functions and {} loops\n",
        imported.functions, imported.compiled, imported.loops
    );
    for rejected in &imported.rejected {
        let _ = writeln!(
            text,
            "  not taken over: {}: {}",
            rejected.what, rejected.reason
        );
    }
    text
}

/// The same in the engine's report as JSON, under the name `kept`.
pub fn with_kept(json: &str, imported: &Imported) -> String {
    let Ok(mut report) = serde_json::from_str::<serde_json::Value>(json) else {
        return json.to_owned();
    };
    let rejected = imported.rejected.iter();
    let rejected: Vec<_> = rejected
        .map(|r| serde_json::json!({ "what": r.what, "reason": r.reason }))
        .collect();
    report["kept"] = serde_json::json!({
        "functions": imported.functions,
        "compiled": imported.compiled,
        "loops": imported.loops,
        "code_bytes": imported.code_bytes,
        "rejected": rejected,
    });
    report.to_string()
}

/// Milliseconds with three decimals.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The line of `--timings`. On a machine that measures it also tells coverage and cold pages until now. All times in milliseconds; `stages` are named after what was done in them. `code`: bytes of
/// code and number of functions, of programs compiled ahead.
pub fn timings_line(
    how: &str,
    stages: &[(&str, Duration)],
    code: Option<(usize, usize)>,
) -> String {
    let mut timings = serde_json::Map::new();
    timings.insert("machine".into(), crate::platform::is_machine().into());
    timings.insert("how".into(), how.into());
    for (stage, time) in stages {
        timings.insert((*stage).into(), ms(*time).into());
    }
    let mut line = serde_json::json!({ "timings_ms": timings });
    if let Some(coverage) = machine::coverage() {
        line["coverage"] = serde_json::json!({
            "build_id": hex(&coverage.build_id),
            "functions": coverage.function_count,
            "functions_run": machine::count(&coverage.functions),
            "image_start": coverage.image_start,
            "pages": coverage.page_count,
            "pages_touched": machine::count(&coverage.pages),
        });
    }
    if let Some(cold) = machine::cold_misses() {
        line["cold"] = serde_json::json!({
            "misses": cold.misses,
            "pages": cold.pages.len(),
            "read_ms": ms(cold.time),
        });
    }
    if let Some((bytes, functions)) = code {
        line["code_bytes"] = bytes.into();
        line["functions"] = functions.into();
    }
    line.to_string()
}
