//! `bench tiers`: SmolLM2 on the bare machine from a cold start, in tiers beside compiled ahead.
//!
//! ```text
//!   round 1..n:   first token       in tiers                beside  everything compiled at O2 first
//!                 last 32 tokens    of a longer text, tiers beside  everything at O3
//!   medians and their ratios; the tokens of all runs must be the same
//! ```
//!
//! Times are the machine's own clock, which runs from the kernel's first instruction. QEMU translates (TCG), so that
//! compiling costs what it costs on an emulated processor. Runs take turns, so that what else the host does meets all.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::golden::{self, Place, generate, ids};
use crate::paths::Paths;

const ROUNDS: usize = 3;
/// Most of first-token time in tiers to that of everything at O2 (SPECIFICATION.md).
const FIRST_BAR: f64 = 3.0;
/// Least of tokens per second at the end to that of everything at O3 (SPECIFICATION.md).
const LAST_BAR: f64 = 0.95;
/// Tokens whose speed is the final one.
const LAST: usize = 32;
/// Tokens generated before them, in which the program climbs.
const CLIMB: usize = 160;
const PROMPT: &str = "1, 2, 3, 4,";

/// One way of running, and what was measured of it.
struct Way {
    place: Place,
    tokens: usize,
    /// First token in seconds, or tokens per second at the end.
    figures: Vec<f64>,
}

impl Way {
    const fn new(name: &'static str, options: &'static [&'static str], tokens: usize) -> Self {
        Way {
            place: Place { name, options },
            tokens,
            figures: Vec::new(),
        }
    }

    fn run(&mut self, paths: &Paths, image: &Path, figure: Figure) -> Result<Vec<u64>> {
        let found = generate(
            paths,
            image,
            &self.place,
            PROMPT,
            self.tokens,
            &["--temperature", "0"],
        )
        .with_context(|| self.place.name)?;
        self.figures.push(figure(&found["timings"])?);
        ids(&found["generated_ids"])
    }

    fn median(&mut self) -> f64 {
        self.figures.sort_by(f64::total_cmp);
        self.figures
            .get(self.figures.len() / 2)
            .copied()
            .unwrap_or(f64::NAN)
    }
}

type Figure = fn(&Value) -> Result<f64>;

/// Seconds from the kernel's first instruction to the first token.
fn first_token(timings: &Value) -> Result<f64> {
    let ms = timings["first_token_at_ms"].as_f64();
    Ok(ms.context("the program's JSON has no timings.first_token_at_ms")? / 1e3)
}

/// Tokens per second of the last [`LAST`] tokens.
fn last_tokens(timings: &Value) -> Result<f64> {
    let steps = timings["token_ms"].as_array();
    let steps = steps.context("the program's JSON has no timings.token_ms")?;
    ensure!(steps.len() >= LAST, "only {} tokens", steps.len());
    let ms: f64 = steps[steps.len() - LAST..]
        .iter()
        .filter_map(Value::as_f64)
        .sum();
    Ok(1e3 * LAST as f64 / ms)
}

macro_rules! machine {
    ($cpus:literal, $how:literal, $level:literal) => {
        &[
            "--boot", "pvh", "--accel", "tcg", "--cpus", $cpus, $how, $level,
        ]
    };
}

/// Measures and prints medians and ratios.
pub fn bench(paths: &Paths) -> Result<()> {
    let image = golden::smollm2_image(paths)?;
    let mut missed = Vec::new();
    for (cpus, first, last) in [
        (
            1,
            [
                machine!("1", "--tier", "auto"),
                machine!("1", "--ahead", "O2"),
            ],
            [
                machine!("1", "--tier", "auto"),
                machine!("1", "--ahead", "O3"),
            ],
        ),
        (
            2,
            [
                machine!("2", "--tier", "auto"),
                machine!("2", "--ahead", "O2"),
            ],
            [
                machine!("2", "--tier", "auto"),
                machine!("2", "--ahead", "O3"),
            ],
        ),
    ] {
        let mut first = [
            Way::new("in tiers", first[0], 1),
            Way::new("everything at O2 first", first[1], 1),
        ];
        let mut last = [
            Way::new("in tiers", last[0], CLIMB + LAST),
            Way::new("everything at O3", last[1], 1 + LAST),
        ];
        for round in 1..=ROUNDS {
            eprintln!("{cpus} CPU(s), round {round} of {ROUNDS}");
            let mut texts = Vec::new();
            for way in &mut first {
                texts.push(way.run(paths, &image, first_token)?);
            }
            for way in &mut last {
                texts.push(way.run(paths, &image, last_tokens)?);
            }
            let longest = texts.iter().max_by_key(|t| t.len()).cloned();
            let same = |t: &Vec<u64>| longest.as_ref().is_some_and(|l| l.starts_with(t));
            ensure!(texts.iter().all(same), "different tokens: {texts:?}");
        }
        let [tiers, ahead] = first.each_mut().map(Way::median);
        let ratio = tiers / ahead;
        println!(
            "{cpus} CPU(s): first token after {tiers:.1} s in tiers, {ahead:.1} s with everything at O2 first: \
             ratio {ratio:.2}; promised: at most {FIRST_BAR}"
        );
        if ratio > FIRST_BAR {
            missed.push(format!("first token on {cpus} CPU(s)"));
        }
        let [tiers, ahead] = last.each_mut().map(Way::median);
        let ratio = tiers / ahead;
        println!(
            "{cpus} CPU(s): last {LAST} of {} tokens at {tiers:.2} tokens/s in tiers, {ahead:.2} with everything at O3: \
             ratio {ratio:.2}; promised: at least {LAST_BAR}",
            CLIMB + LAST
        );
        if ratio < LAST_BAR {
            missed.push(format!("last tokens on {cpus} CPU(s)"));
        }
    }
    ensure!(missed.is_empty(), "missed: {}", missed.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_alone_is_measured() {
        let slow = std::iter::repeat_n(1000.0, 100);
        let steps: Vec<f64> = slow.chain(std::iter::repeat_n(10.0, LAST)).collect();
        let timings = serde_json::json!({ "token_ms": steps, "first_token_at_ms": 2500.0 });
        assert!((last_tokens(&timings).unwrap() - 100.0).abs() < 1e-6);
        assert_eq!(first_token(&timings).unwrap(), 2.5);
        assert!(last_tokens(&serde_json::json!({ "token_ms": [1.0] })).is_err());
    }
}
