//! `bench warm`: the second boot of a disk beside its first: SmolLM2 on the bare machine under TCG.
//!
//! ```text
//!   each round, on a disk that knows nothing:
//!     boot 1   a text long enough to converge        first token, what was compiled
//!     boot 2   the same text                          first token, pace from the first token on, what was compiled again
//! ```
//!
//! The promise about the first token is judged with a prompt of one token: start-up is what a second boot saves, and reading a
//! prompt is the model's arithmetic, which costs on both boots. A longer prompt is shown beside it.
//!
//! Times are the machine's own clock, from the kernel's first instruction. The steady pace is that of the last tokens of
//! the second boot itself, so that what else the host does meets both sides of the ratio.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::Stdio;

use crate::golden::{self, ids};
use crate::machines::bareflow;
use crate::paths::Paths;
use crate::sh;
use crate::warm::Disk;

/// Rounds unless the caller says otherwise.
const ROUNDS: usize = 3;
/// Least of first-token time on the first boot to that on the second.
const FIRST_BAR: f64 = 5.0;
/// Least of the pace of the first tokens to the steady one.
const PACE_BAR: f64 = 0.9;
/// Tokens of the first boot: enough to converge.
const CLIMB: usize = 192;
/// Tokens of the second boot, and at its start and end those whose pace is compared.
const AGAIN: usize = 64;
const PART: usize = 16;

/// What is measured.
struct Case {
    cpus: &'static str,
    prompt: &'static str,
    /// Whether the first token is judged.
    is_judged: bool,
}

const CASES: [Case; 3] = [
    Case {
        cpus: "2",
        prompt: "1",
        is_judged: true,
    },
    Case {
        cpus: "1",
        prompt: "1",
        is_judged: true,
    },
    Case {
        cpus: "2",
        prompt: "1, 2, 3, 4,",
        is_judged: false,
    },
];

fn boot(paths: &Paths, disk: &Disk, case: &Case, tokens: usize) -> Result<Value> {
    let mut command = bareflow(paths)?;
    command.arg("run").arg(disk.path());
    command.args(["--boot", "pvh", "--accel", "tcg", "--cpus", case.cpus]);
    command.args(["--timeout", "900", "--json", "--prompt", case.prompt]);
    command.args(["-n", &tokens.to_string()]);
    command.args(["--", "--ignore-eos", "--temperature", "0"]);
    let text = sh::output(command.stdin(Stdio::null()))?;
    serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))
}

/// Seconds from the kernel's first instruction to the first token.
fn first_token(found: &Value) -> Result<f64> {
    let ms = found["timings"]["first_token_at_ms"].as_f64();
    Ok(ms.context("the program's JSON has no timings.first_token_at_ms")? / 1e3)
}

/// What the time to the first token consists of.
fn parts(found: &Value) -> String {
    let seconds = |key: &str| found["timings"][key].as_f64().unwrap_or(f64::NAN) / 1e3;
    format!(
        "entry {:.2}, loading {:.2}, prompt {:.2}",
        seconds("main_at_ms"),
        seconds("load_ms"),
        seconds("prompt_ms")
    )
}

/// Pace of the first tokens and of the last, in tokens per second: the median token counts.
fn paces(found: &Value) -> Result<[f64; 2]> {
    let steps = found["timings"]["token_ms"].as_array();
    let steps: Vec<f64> = steps
        .context("the program's JSON has no timings.token_ms")?
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    ensure!(steps.len() >= 2 * PART, "only {} tokens", steps.len());
    let pace = |part: &[f64]| 1e3 * part.len() as f64 / part.iter().sum::<f64>();
    Ok([pace(&steps[..PART]), pace(&steps[steps.len() - PART..])])
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Measures `rounds` times and prints medians and ratios.
///
/// # Errors
/// A boot fails, the texts differ, or a promise is broken.
pub fn bench(paths: &Paths, rounds: Option<usize>) -> Result<()> {
    let rounds = rounds.unwrap_or(ROUNDS);
    let image = golden::smollm2_image(paths)?;
    let mut missed = Vec::new();
    for case in &CASES {
        let cpus = case.cpus;
        let (mut cold, mut warm, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        let (mut recompiles, mut compiles) = (0, [0, 0]);
        for round in 1..=rounds {
            let prompt = case.prompt;
            eprintln!("{cpus} CPU(s), prompt {prompt:?}, round {round} of {rounds}");
            let disk = Disk::copy(paths, &image, "bench")?;
            let first = boot(paths, &disk, case, CLIMB)?;
            let did = disk.last()?;
            let second = boot(paths, &disk, case, AGAIN)?;
            let did_again = disk.last()?;
            let (long, short) = (
                ids(&first["generated_ids"])?,
                ids(&second["generated_ids"])?,
            );
            ensure!(
                long.starts_with(&short),
                "different tokens: {long:?}, {short:?}"
            );
            cold.push(first_token(&first)?);
            warm.push(first_token(&second)?);
            let [start, end] = paces(&second)?;
            shares.push(start / end);
            recompiles += did_again["recompiles"].as_u64().unwrap_or(u64::MAX);
            compiles = [&did, &did_again].map(|d| d["compiles"].as_u64().unwrap_or(0));
            eprintln!(
                "  first token {:.2} s ({}), then {:.2} s ({}); pace {start:.2} then {end:.2} tokens/s",
                cold[round - 1],
                parts(&first),
                warm[round - 1],
                parts(&second),
            );
        }
        let (cold, warm) = (median(&mut cold), median(&mut warm));
        let ratio = cold / warm;
        let promise = match case.is_judged {
            true => format!("promised: at least {FIRST_BAR}"),
            false => "a longer prompt, nothing promised".to_owned(),
        };
        println!(
            "{cpus} CPU(s): first token after {cold:.2} s on the first boot, {warm:.2} s on the second: \
             {ratio:.1} times shorter; {promise}"
        );
        let share = median(&mut shares);
        println!(
            "{cpus} CPU(s): first {PART} tokens of the second boot at {share:.2} of the pace of its last {PART}; \
             promised: at least {PACE_BAR}"
        );
        println!(
            "{cpus} CPU(s): {} compiles on the first boot, {} on the second; unchanged functions compiled again: {recompiles}; \
             promised: none",
            compiles[0], compiles[1]
        );
        if case.is_judged && ratio < FIRST_BAR {
            missed.push(format!("first token on {cpus} CPU(s)"));
        }
        if share < PACE_BAR {
            missed.push(format!("pace on {cpus} CPU(s)"));
        }
        if recompiles > 0 {
            missed.push(format!("recompilation on {cpus} CPU(s)"));
        }
    }
    ensure!(missed.is_empty(), "missed: {}", missed.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_and_end_are_compared() {
        let slow = std::iter::repeat_n(20.0, PART);
        let steps: Vec<f64> = slow.chain(std::iter::repeat_n(10.0, 40)).collect();
        let found =
            serde_json::json!({ "timings": { "token_ms": steps, "first_token_at_ms": 2500 } });
        let [start, end] = paces(&found).unwrap();
        assert!((start / end - 0.5).abs() < 1e-9);
        assert_eq!(first_token(&found).unwrap(), 2.5);
        assert!(median(&mut []).is_nan());
    }
}
