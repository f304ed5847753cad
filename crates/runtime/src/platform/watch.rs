//! What a program's output tells of it: when it first said something, and the figures language models report.

use super::clock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What was seen so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seen {
    /// The monotonic clock at the first output.
    pub first_output: Option<Duration>,
    /// When the first token was there, as the program says, in milliseconds of its clock.
    pub first_token_ms: Option<f64>,
    /// Tokens per second, as the program says.
    pub tokens_per_second: Option<f64>,
}

static FIRST: AtomicU64 = AtomicU64::new(0);
static FIGURES: Mutex<(Option<f64>, Option<f64>)> = Mutex::new((None, None));

/// The number behind a key of JSON.
fn number(text: &[u8], key: &[u8]) -> Option<f64> {
    let at = text.windows(key.len()).position(|w| w == key)? + key.len();
    let rest = &text[at..];
    let is_part = |b: &u8| b.is_ascii_digit() || b".-+eE".contains(b);
    let end = rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

/// Looks at what the program writes.
pub fn output(text: &[u8]) {
    if FIRST.load(Relaxed) == 0 && !text.is_empty() {
        let now = (clock::monotonic().as_nanos() as u64).max(1);
        let _ = FIRST.compare_exchange(0, now, Relaxed, Relaxed);
    }
    // A report is one write of one line.
    if text.first() == Some(&b'{') {
        let first = number(text, b"\"first_token_at_ms\":");
        let pace = number(text, b"\"generate_tokens_per_second\":");
        if let (true, Ok(mut figures)) = (first.or(pace).is_some(), FIGURES.lock()) {
            *figures = (first, pace);
        }
    }
}

/// What was seen so far.
pub fn seen() -> Seen {
    let first = FIRST.load(Relaxed);
    let (first_token_ms, tokens_per_second) = FIGURES.lock().map_or((None, None), |f| *f);
    Seen {
        first_output: (first != 0).then(|| Duration::from_nanos(first)),
        first_token_ms,
        tokens_per_second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_a_report_and_nowhere_else() {
        assert_eq!(seen(), Seen::default());
        output(b"");
        assert_eq!(seen().first_output, None);
        output(b"tell me \"generate_tokens_per_second\":5");
        assert!(seen().first_output.is_some() && seen().tokens_per_second.is_none());
        output(b"{\"a\":[1],\"generate_tokens_per_second\":12.5,\"first_token_at_ms\":1e3}\n");
        assert_eq!(seen().tokens_per_second, Some(12.5));
        assert_eq!(seen().first_token_ms, Some(1000.0));
        output(b"{\"generate_tokens_per_second\":x}");
        assert_eq!(seen().tokens_per_second, Some(12.5));
    }
}
