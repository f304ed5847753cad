//! `bench tiers`: SmolLM2 on the bare machine from a cold start, in tiers beside compiled ahead.
//!
//! ```text
//!   round 1..n:   one run in tiers:   first token      beside  everything compiled at O2 first
//!                                     last 32 tokens   beside  everything at O3
//!   each way's best time to the first token, and its best time for each of the last tokens; their ratios
//!   the tokens of all runs must be the same
//! ```
//!
//! The last tokens are at the same positions of the text in both ways: attention costs more the longer the text is.
//! Times are the machine's own clock, which runs from the kernel's first instruction. QEMU translates (TCG), so that
//! compiling costs what it costs on an emulated processor. Runs take turns, so that what else the host does meets all. It
//! only ever slows a token down, by a third for seconds at a time: so each token of a way counts as in its best run.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::golden::{self, Place, generate, ids};
use crate::paths::Paths;

/// Runs of each way unless the caller says otherwise.
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
    /// Seconds to the first token.
    first: Vec<f64>,
    /// Milliseconds of each of the last [`LAST`] tokens, in the run where it took least.
    last: Vec<f64>,
}

impl Way {
    fn new(name: &'static str, options: &'static [&'static str], tokens: usize) -> Self {
        Way {
            place: Place { name, options },
            tokens,
            first: Vec::new(),
            last: Vec::new(),
        }
    }

    fn run(&mut self, paths: &Paths, image: &Path) -> Result<Vec<u64>> {
        let greedy = &["--temperature", "0"];
        let found = generate(paths, image, &self.place, PROMPT, self.tokens, greedy)
            .with_context(|| self.place.name)?;
        let timings = &found["timings"];
        let first = first_token(timings)?;
        self.first.push(first);
        let mut told = format!("first token after {first:.1} s");
        if self.tokens > LAST {
            let last = last_tokens(timings)?;
            told += &format!(
                ", last {LAST} of {} at {:.2} tokens/s",
                self.tokens,
                pace(&last)
            );
            match self.last.is_empty() {
                true => self.last = last,
                false => best_of_each(&mut self.last, &last),
            }
        }
        eprintln!("  {:24} {told}", self.place.name);
        ids(&found["generated_ids"])
    }
}

/// Seconds from the kernel's first instruction to the first token.
fn first_token(timings: &Value) -> Result<f64> {
    let ms = timings["first_token_at_ms"].as_f64();
    Ok(ms.context("the program's JSON has no timings.first_token_at_ms")? / 1e3)
}

/// Milliseconds of each of the last [`LAST`] tokens.
fn last_tokens(timings: &Value) -> Result<Vec<f64>> {
    let steps = timings["token_ms"].as_array();
    let steps = steps.context("the program's JSON has no timings.token_ms")?;
    ensure!(steps.len() >= LAST, "only {} tokens", steps.len());
    let last = steps[steps.len() - LAST..].iter().map(Value::as_f64);
    let last: Option<Vec<f64>> = last.collect();
    last.context("the program's JSON has a time that is no number")
}

/// Tokens per second.
fn pace(milliseconds: &[f64]) -> f64 {
    1e3 * milliseconds.len() as f64 / milliseconds.iter().sum::<f64>()
}

fn best_of_each(best: &mut [f64], run: &[f64]) {
    for (best, new) in best.iter_mut().zip(run) {
        *best = best.min(*new);
    }
}

fn least(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

macro_rules! machine {
    ($cpus:literal, $how:literal, $level:literal) => {
        &[
            "--boot", "pvh", "--accel", "tcg", "--cpus", $cpus, $how, $level,
        ]
    };
}

/// In tiers, everything at O2, everything at O3.
const MACHINES: [(u32, [&[&str]; 3]); 2] = [
    (
        2,
        [
            machine!("2", "--tier", "auto"),
            machine!("2", "--ahead", "O2"),
            machine!("2", "--ahead", "O3"),
        ],
    ),
    (
        1,
        [
            machine!("1", "--tier", "auto"),
            machine!("1", "--ahead", "O2"),
            machine!("1", "--ahead", "O3"),
        ],
    ),
];

/// Measures and prints the best of each way in so many rounds, and ratios.
///
/// # Errors
/// A run that fails, tokens that differ, a promise that is not kept.
pub fn bench(paths: &Paths, rounds: Option<usize>) -> Result<()> {
    let rounds = rounds.unwrap_or(ROUNDS);
    let image = golden::smollm2_image(paths)?;
    let mut missed = Vec::new();
    for (cpus, options) in MACHINES {
        let mut tiers = Way::new("in tiers", options[0], CLIMB + LAST);
        let mut o2 = Way::new("everything at O2 first", options[1], 1);
        let mut o3 = Way::new("everything at O3 first", options[2], CLIMB + LAST);
        for round in 1..=rounds {
            eprintln!("{cpus} CPU(s), round {round} of {rounds}");
            let mut texts = Vec::new();
            for way in [&mut o2, &mut tiers, &mut o3] {
                texts.push(way.run(paths, &image)?);
            }
            let longest = texts.iter().max_by_key(|t| t.len()).cloned();
            let same = |t: &Vec<u64>| longest.as_ref().is_some_and(|l| l.starts_with(t));
            ensure!(texts.iter().all(same), "different tokens: {texts:?}");
        }
        let (slow, fast) = (least(&tiers.first), least(&o2.first));
        let ratio = slow / fast;
        println!(
            "{cpus} CPU(s): first token after {slow:.1} s in tiers, {fast:.1} s with everything at O2 first: \
             ratio {ratio:.2}; promised: at most {FIRST_BAR}"
        );
        if ratio > FIRST_BAR {
            missed.push(format!("first token on {cpus} CPU(s)"));
        }
        let (slow, fast) = (pace(&tiers.last), pace(&o3.last));
        let ratio = slow / fast;
        println!(
            "{cpus} CPU(s): last {LAST} of {} tokens at {slow:.2} tokens/s in tiers, {fast:.2} with everything at O3: \
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
        let last = last_tokens(&timings).unwrap();
        assert!((pace(&last) - 100.0).abs() < 1e-6);
        assert_eq!(first_token(&timings).unwrap(), 2.5);
        assert!(last_tokens(&serde_json::json!({ "token_ms": [1.0] })).is_err());
        assert_eq!(least(&[2.0, 1.0]), 1.0);
    }

    #[test]
    fn each_token_counts_as_in_its_best_run() {
        let mut best = vec![10.0, 30.0];
        best_of_each(&mut best, &[30.0, 10.0]);
        assert!((pace(&best) - 100.0).abs() < 1e-6);
    }
}
