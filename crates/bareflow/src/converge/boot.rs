//! One boot of an appliance that is growing: what was measured of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The tiers from below, as the runtime's log counts them.
pub const TIERS: [&str; 5] = ["interp", "O0", "O1", "O2", "O3"];

/// Figures of one boot. What a program does not report is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// Number of the boot, from 1.
    pub number: u32,
    /// What was started: `base`, `evicted` or `native`.
    pub slot: String,
    /// Size of what was started in bytes, as it lies on the disk.
    pub image_bytes: u64,
    /// Kernel's first instruction to the program's first, in milliseconds of the machine's clock.
    pub main_ms: Option<f64>,
    /// Kernel's first instruction to the first token, in milliseconds.
    pub first_token_ms: Option<f64>,
    /// Tokens per second over the whole text.
    pub tokens_per_second: Option<f64>,
    /// Time the compiler worked, in milliseconds.
    pub compile_ms: f64,
    /// Functions and loops that were compiled.
    pub compiles: u64,
    /// Functions in each tier at the end.
    pub tiers: BTreeMap<String, u64>,
    /// Pages of cold code that were asked for.
    pub cold_misses: u64,
    /// Start of the machine to its end, in seconds of the host's clock.
    pub seconds: f64,
    /// What the machine did to itself: evicted, exported, gave a slot up.
    pub events: Vec<String>,
}

impl Boot {
    /// Takes over what the program said of itself as JSON.
    pub fn add_program(&mut self, json: &Value, took: Duration) {
        let timings = &json["timings"];
        self.main_ms = timings["main_at_ms"].as_f64();
        self.first_token_ms = timings["first_token_at_ms"].as_f64();
        self.tokens_per_second = timings["generate_tokens_per_second"].as_f64();
        self.seconds = took.as_secs_f64();
    }

    /// One line for a person who waits.
    pub fn line(&self) -> String {
        let mut line = format!(
            "boot {:>3}  {:<8} {:>9}",
            self.number,
            self.slot,
            size(self.image_bytes)
        );
        if let Some(ms) = self.main_ms {
            line += &format!("  main at {:>7.1} ms", ms);
        }
        if let Some(ms) = self.first_token_ms {
            line += &format!("  first token at {:>6.2} s", ms / 1e3);
        }
        if let Some(rate) = self.tokens_per_second {
            line += &format!("  {rate:>7.2} tokens/s");
        }
        if self.slot != "native" {
            line += &format!(
                "  {:>4} compiles, {:>6.2} s",
                self.compiles,
                self.compile_ms / 1e3
            );
        }
        if self.cold_misses > 0 {
            line += &format!("  {} cold pages", self.cold_misses);
        }
        for event in &self.events {
            line += &format!("\n          {event}");
        }
        line
    }
}

/// Bytes as a person reads them.
pub fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 10_000_000 => format!("{:.1} MB", b as f64 / 1e6),
        b if b >= 1_000_000 => format!("{:.2} MB", b as f64 / 1e6),
        b => format!("{:.0} KB", b as f64 / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_reports_is_taken_over_and_the_rest_is_absent() {
        let json = serde_json::json!({ "timings": {
            "main_at_ms": 61.5, "first_token_at_ms": 2000.0, "generate_tokens_per_second": 3.5 } });
        let mut boot = Boot {
            number: 2,
            slot: "native".into(),
            image_bytes: 912_000,
            ..Boot::default()
        };
        boot.add_program(&json, Duration::from_secs(4));
        assert_eq!(boot.first_token_ms, Some(2000.0));
        let line = boot.line();
        for part in ["native", "912 KB", "61.5 ms", "2.00 s", "3.50 tokens/s"] {
            assert!(line.contains(part), "{line}");
        }
        assert!(!line.contains("compiles"), "{line}");
        boot.add_program(&Value::Null, Duration::ZERO);
        assert_eq!(boot.main_ms, None);
    }
}
