//! Figures beside what is promised of them; medians and means.

use serde_json::{Value, json};

/// What is promised of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// It is at least so much.
    Least(f64),
    /// It is at most so much.
    Most(f64),
    /// Nothing: shown for comparison.
    None,
}

impl Bar {
    fn kept(self, seen: f64) -> bool {
        match self {
            Bar::Least(bar) => seen >= bar,
            Bar::Most(bar) => seen <= bar,
            Bar::None => true,
        }
    }
}

#[derive(Debug)]
struct Row {
    bench: String,
    what: String,
    seen: f64,
    unit: &'static str,
    bar: Bar,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    failed: Vec<(String, String)>,
}

impl Table {
    /// Notes a figure.
    pub fn add(
        &mut self,
        bench: &str,
        what: impl Into<String>,
        seen: f64,
        unit: &'static str,
        bar: Bar,
    ) {
        self.rows.push(Row {
            bench: bench.to_owned(),
            what: what.into(),
            seen,
            unit,
            bar,
        });
    }

    /// Notes that something could not be measured.
    pub fn failed(&mut self, bench: &str, why: &str) {
        self.failed.push((bench.to_owned(), why.to_owned()));
    }

    /// What is promised, and whether it is kept; figures without a promise are not repeated.
    pub fn print(&self) {
        println!(
            "\n{:13} {:62} {:>10} {:>16}",
            "bench", "figure", "seen", "promised"
        );
        for row in self.rows.iter().filter(|r| r.bar != Bar::None) {
            let (word, bar) = match row.bar {
                Bar::Least(bar) => ("at least", bar),
                Bar::Most(bar) => ("at most", bar),
                Bar::None => continue,
            };
            println!(
                "{:13} {:62} {:>10} {:>16}  {}",
                row.bench,
                row.what,
                format!("{} {}", short(row.seen), row.unit).trim_end(),
                format!("{word} {}", short(bar)),
                if row.bar.kept(row.seen) {
                    "kept"
                } else {
                    "NOT KEPT"
                }
            );
        }
        for (bench, why) in &self.failed {
            println!(
                "{bench:13} not measured: {}",
                why.lines().next().unwrap_or_default()
            );
        }
    }

    /// Promises that are not kept, and benches that did not run.
    pub fn broken(&self) -> Vec<String> {
        let rows = self.rows.iter().filter(|r| !r.bar.kept(r.seen));
        let rows = rows.map(|r| format!("{}: {} is {}", r.bench, r.what, short(r.seen)));
        rows.chain(self.failed.iter().map(|(b, _)| format!("{b} did not run")))
            .collect()
    }

    /// All figures, also those without a promise.
    pub fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|r| {
            let (least, most) = match r.bar {
                Bar::Least(bar) => (Some(bar), None),
                Bar::Most(bar) => (None, Some(bar)),
                Bar::None => (None, None),
            };
            json!({
                "bench": r.bench, "figure": r.what, "seen": r.seen, "unit": r.unit,
                "at_least": least, "at_most": most, "kept": r.bar.kept(r.seen),
            })
        });
        let failed = self.failed.iter();
        let failed = failed.map(|(bench, why)| json!({"bench": bench, "error": why}));
        json!({"figures": rows.collect::<Vec<_>>(), "failed": failed.collect::<Vec<_>>()})
    }
}

/// Three digits that matter.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// The middle of the values; not a number without any.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The geometric mean; not a number without any.
pub fn geometric_mean(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().map(|v| v.ln()).sum();
    (sum / values.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_kept_at_its_bar_and_broken_beyond_or_without_a_figure() {
        assert!(Bar::Least(1.0).kept(1.0) && !Bar::Least(1.0).kept(0.999));
        assert!(Bar::Most(1.0).kept(1.0) && !Bar::Most(1.0).kept(1.001));
        assert!(!Bar::Least(1.0).kept(f64::NAN) && !Bar::Most(1.0).kept(f64::NAN));
    }

    #[test]
    fn what_did_not_run_counts_as_broken() {
        let mut table = Table::default();
        table.add("a", "speed", 2.0, "", Bar::Least(1.0));
        assert!(table.broken().is_empty());
        table.add("a", "time", 2.0, "ms", Bar::Most(1.0));
        table.failed("b", "no clang");
        assert_eq!(table.broken(), ["a: time is 2.00", "b did not run"]);
        let json = table.to_json();
        assert_eq!(json["figures"][1]["kept"], false);
        assert_eq!(json["failed"][0]["bench"], "b");
    }

    #[test]
    fn means() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert!((geometric_mean(&[1.0, 4.0]) - 2.0).abs() < 1e-12);
        assert!(median(&[]).is_nan() && geometric_mean(&[]).is_nan());
        assert_eq!(short(0.98765), "0.988");
        assert_eq!(short(1234.5), "1234");
    }
}
