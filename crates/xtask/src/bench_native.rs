//! `bench native`: an exported program beside the runtime that compiled the same program ahead; sizes; start.
//!
//! ```text
//!   SmolLM2's image --export, trained--> native.elf, final.img
//!   round 1..n:  runtime --ahead O3, native; 1 thread and 2 threads      medians and their ratios
//!   stories260K's machine under TCG, PVH: entry to main, golden tokens
//! ```
//!
//! `--ahead O3` makes for each CPU what rustc's LLVM would make at `-O3 -march=native` of the same guest, ahead of time.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use bareflow::Artifacts;
use bareflow::qemu::{Boot, Machine};
use serde_json::Value;

use crate::bench;
use crate::golden::{self, Place};
use crate::machines::Image;
use crate::native_test;
use crate::paths::Paths;
use crate::sh;

/// Least ratio of the native program's speed to that of the program compiled ahead (SPECIFICATION.md).
const SPEED_BAR: f64 = 0.98;
/// Most milliseconds from the kernel's entry to the program's `main` under TCG by PVH.
const START_BAR_MS: f64 = 30.0;
/// Rounds whose median is taken, unless the caller says otherwise.
const ROUNDS: usize = 9;
/// Tokens of the prompt, and tokens generated.
const PROMPT: usize = 96;
const GENERATED: usize = 96;
/// The machine of the TCG figures.
const PVH: Place = Place {
    name: "pvh",
    options: &["--boot", "pvh", "--accel", "tcg", "--cpu", "max"],
};

/// Tokens per second of the runs of one program.
#[derive(Default)]
struct Speeds {
    prompt: Vec<f64>,
    generate: Vec<f64>,
    texts: Vec<Vec<u64>>,
}

/// Measures and judges.
pub fn bench(paths: &Paths, rounds: Option<usize>) -> Result<()> {
    let mut broken = Vec::new();
    sizes(paths, &mut broken)?;
    start(paths, &mut broken)?;
    speed(paths, rounds.unwrap_or(ROUNDS), &mut broken)?;
    ensure!(broken.is_empty(), "not as promised: {}", broken.join("; "));
    println!("native: as promised");
    Ok(())
}

fn bytes(path: &Path) -> Result<u64> {
    let about = path.metadata();
    Ok(about
        .with_context(|| format!("cannot look at {}", path.display()))?
        .len())
}

/// Sizes of the language-model program.
fn sizes(paths: &Paths, broken: &mut Vec<String>) -> Result<()> {
    let image = golden::smollm2_image(paths)?;
    let native = native_test::export(paths, &image, "native-smollm2.elf", &["--train", "The sea"])?;
    let machine = native_test::export(paths, &image, "final-smollm2.elf", &["--train", "The sea"])?;
    let (program, all) = (bytes(&native)?, bytes(&machine)?);
    println!(
        "native sizes: program {program} bytes, kernel {} bytes, together {all} bytes; promised: at most {}",
        all.saturating_sub(program),
        bareflow::export::MAX_FINAL_BYTES
    );
    if all > bareflow::export::MAX_FINAL_BYTES as u64 {
        broken.push(format!("{all} bytes"));
    }
    Ok(())
}

/// Entry to `main`, and the golden tokens, on the bare machine.
fn start(paths: &Paths, broken: &mut Vec<String>) -> Result<()> {
    let disk = native_test::stories_disk(paths)?;
    let note = golden::stories_exact(paths, &disk, &PVH)?;
    println!("native on the machine (TCG): the golden tokens of stories260K {note}");
    let image = Image::open(disk)?;
    let machine = Machine {
        boot: Boot::Pvh,
        memory_mib: 256,
        arguments: ["--timings", "--", "-n", "1", "--prompt", "Once"]
            .map(String::from)
            .to_vec(),
        ..Machine::default()
    };
    let mut times = Vec::new();
    for _ in 0..9 {
        times.push(bench::entry_to_main(
            paths,
            &machine,
            &image.path,
            &image.kernel,
        )?);
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    println!(
        "native, entry to the program's main (TCG, PVH): median {median:.1} ms of {} boots, {:.1} to {:.1} ms; \
         promised: at most {START_BAR_MS} ms",
        times.len(),
        times[0],
        times[times.len() - 1]
    );
    if median > START_BAR_MS {
        broken.push(format!("{median:.1} ms to main"));
    }
    Ok(())
}

/// One run: a command that prints the language model's JSON.
fn measure(command: &mut Command, speeds: &mut Speeds) -> Result<()> {
    let text = sh::output(command.stdin(Stdio::null()))?;
    let found: Value = serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?;
    let pace = |key: &str| {
        found["timings"][key]
            .as_f64()
            .with_context(|| format!("no {key}: {text}"))
    };
    speeds.prompt.push(pace("prompt_tokens_per_second")?);
    speeds.generate.push(pace("generate_tokens_per_second")?);
    speeds.texts.push(golden::ids(&found["generated_ids"])?);
    Ok(())
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Tokens per second, hosted, in turns.
fn speed(paths: &Paths, rounds: usize, broken: &mut Vec<String>) -> Result<()> {
    let image = golden::smollm2_image(paths)?;
    let model = paths.smollm2()?;
    let native = paths.scratch("native")?.join("native-smollm2.elf");
    let runtime = Artifacts::at(paths.artifacts()).path("runtime.elf")?;
    let prompt = "the ".repeat(PROMPT - 1);
    let count = GENERATED.to_string();
    let guest = [
        "--prompt",
        prompt.trim_end(),
        "-n",
        &count,
        "--temperature",
        "0",
        "--ignore-eos",
        "--json",
    ];
    for threads in ["1", "2"] {
        let (mut ahead, mut own) = (Speeds::default(), Speeds::default());
        for round in 0..rounds {
            eprintln!("{threads} thread(s), round {} of {rounds}", round + 1);
            let mut runtime = Command::new(&runtime);
            runtime
                .arg("--disk")
                .arg(&image)
                .args(["--ahead", "O3", "--quiet"]);
            runtime.args(["--threads", threads, "--"]).args(guest);
            let mut native = Command::new(&native);
            native
                .args(["--threads", threads, "--", "--model"])
                .arg(&model)
                .args(guest);
            // Whoever goes first changes from round to round.
            if round % 2 == 0 {
                measure(&mut runtime, &mut ahead)?;
                measure(&mut native, &mut own)?;
            } else {
                measure(&mut native, &mut own)?;
                measure(&mut runtime, &mut ahead)?;
            }
        }
        ensure!(
            own.texts
                .iter()
                .chain(&ahead.texts)
                .all(|t| *t == own.texts[0]),
            "the texts differ"
        );
        for (what, ours, theirs) in [
            ("prompt", &mut own.prompt, &mut ahead.prompt),
            ("generate", &mut own.generate, &mut ahead.generate),
        ] {
            let (ours, theirs) = (median(ours), median(theirs));
            let ratio = ours / theirs;
            println!(
                "native, SmolLM2 hosted, {threads} thread(s), {what:8}: {ours:7.1} tokens/s, compiled ahead at O3 \
                 {theirs:7.1}, ratio {ratio:.3}; promised: at least {SPEED_BAR} when generating"
            );
            if what == "generate" && ratio < SPEED_BAR {
                broken.push(format!("ratio {ratio:.3} on {threads} thread(s)"));
            }
        }
    }
    Ok(())
}
