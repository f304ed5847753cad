//! Language models against what others computed: the same tokens as the golden files, hosted and on the machine.
//!
//! stories260K's 256 greedy tokens are exact everywhere. SmolLM2's are exact for the one prompt without near ties;
//! the other prompts are judged by teacher forcing (crates/llama/tests/data/ORIGIN.md says why).

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::build::read;
use crate::gen_model::{self, Kind};
use crate::machines::{self, bareflow};
use crate::paths::Paths;
use crate::sh;
use crate::test::Counts;

/// Where an image's program runs, as options of `bareflow run`.
pub struct Place {
    /// Part of a test's name.
    pub name: &'static str,
    /// The options.
    pub options: &'static [&'static str],
}

/// As a Linux process.
pub const HOSTED: Place = Place {
    name: "hosted",
    options: &["--hosted"],
};
/// A place on the machine where the program runs in one tier.
macro_rules! tier {
    ($name:literal, $cpus:literal, $how:literal, $tier:literal) => {
        Place {
            name: $name,
            options: &[
                "--boot", "pvh", "--accel", "tcg", "--cpus", $cpus, $how, $tier,
            ],
        }
    };
}
const PLACES: [Place; 15] = [
    HOSTED,
    Place {
        name: "hosted-2",
        options: &["--hosted", "--cpus", "2"],
    },
    Place {
        name: "disk-max-2",
        options: &["--accel", "tcg", "--cpus", "2"],
    },
    Place {
        name: "pvh-haswell",
        options: &["--boot", "pvh", "--cpu", "Haswell"],
    },
    Place {
        name: "pvh-nehalem",
        options: &["--boot", "pvh", "--cpu", "Nehalem"],
    },
    Place {
        name: "microvm-2",
        options: &[
            "--boot",
            "pvh",
            "--machine",
            "microvm",
            "--cpus",
            "2",
            "--accel",
            "tcg",
        ],
    },
    tier!("interp-1", "1", "--tier", "interp"),
    tier!("interp-2", "2", "--tier", "interp"),
    tier!("O0-1", "1", "--tier", "O0"),
    tier!("O0-2", "2", "--tier", "O0"),
    tier!("O3-1", "1", "--tier", "O3"),
    tier!("O3-2", "2", "--tier", "O3"),
    tier!("auto-1", "1", "--tier", "auto"),
    tier!("auto-2", "2", "--tier", "auto"),
    tier!("ahead-O2", "1", "--ahead", "O2"),
];
const DISK: Place = Place {
    name: "disk",
    options: &["--accel", "tcg", "--cpus", "2"],
};

/// Largest distance of llama.cpp's choice from ours, in logits.
const MAX_LOGITS: f64 = 0.25;
/// Least share of positions at which both choose the same token.
const MIN_AGREEMENT: f64 = 0.97;

/// A test: its name and what it does; the string is worth knowing.
type Test<'a> = (String, Box<dyn Fn() -> Result<String> + 'a>);

/// Runs the tests whose name contains `filter`.
pub fn suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let stories = machines::stories_image(paths)?.path;
    let cold = machines::bareflow_with_cold_code(paths)?;
    let cold = &machines::stories_image_by(cold, paths, "cold-stories.img")?.path;
    let smollm2 = smollm2_image(paths)?;
    let (stories, smollm2) = (&stories, &smollm2);
    let mut tests: Vec<Test> = Vec::new();
    for place in &PLACES {
        let name = format!("golden/stories260K/{}", place.name);
        tests.push((name, Box::new(|| stories_exact(paths, stories, place))));
    }
    // All code of the runtime is read from the disk when it is executed first, also while the guest reads its model.
    for place in PLACES
        .iter()
        .filter(|place| place.name.starts_with("auto-"))
    {
        let name = format!("golden/stories260K/cold-code-{}", place.name);
        tests.push((name, Box::new(|| stories_exact(paths, cold, place))));
    }
    tests.push((
        "golden/smollm2/counting/hosted".into(),
        Box::new(|| counting(paths, smollm2, &HOSTED, 64)),
    ));
    tests.push((
        "golden/smollm2/teacher-forcing".into(),
        Box::new(|| teacher_forcing(paths, smollm2)),
    ));
    tests.push((
        "golden/smollm2/counting/disk".into(),
        Box::new(|| counting(paths, smollm2, &DISK, 32)),
    ));
    tests.push((
        "golden/smollm2/same-seed-same-text".into(),
        Box::new(|| same_seed(paths, smollm2)),
    ));
    let mut counts = Counts::default();
    for (name, test) in tests
        .iter()
        .filter(|(n, _)| filter.is_none_or(|f| n.contains(f)))
    {
        counts.run_noted(name, test);
    }
    Ok(counts)
}

/// The appliance of the demo.
pub fn smollm2_image(paths: &Paths) -> Result<PathBuf> {
    let path = paths.scratch("images")?.join("smollm2.img");
    let model = paths.smollm2()?;
    sh::output(bareflow(paths)?.arg("llm").arg(&model).arg("-o").arg(&path))?;
    Ok(path)
}

/// TinyLlama-1.1B's shapes with random weights: loads and generates, the same hosted and on a machine of 2 GiB.
pub fn tinyllama(paths: &Paths) -> Result<()> {
    let model = paths.root.join("cache/model/tinyllama-shape.Q4_0.gguf");
    if !model.exists() {
        let part = model.with_extension("part");
        let vocabulary = "crates/llama/tests/data/ggml-vocab-llama-spm.gguf";
        let vocabulary = paths.root.join(vocabulary);
        gen_model::write(Kind::TinyLlama, "Q4_0", &vocabulary, 1, &part)?;
        std::fs::rename(&part, &model).context("cannot rename the generated model")?;
    }
    let image = paths.scratch("images")?.join("tinyllama.img");
    sh::output(
        bareflow(paths)?
            .arg("llm")
            .arg(&model)
            .arg("-o")
            .arg(&image),
    )?;
    const MACHINE: Place = Place {
        name: "machine",
        options: &["--memory", "2048M", "--cpus", "2", "--accel", "tcg"],
    };
    const CONTEXT: [&str; 4] = ["--temperature", "0", "--context", "256"];
    let mut tokens = Vec::new();
    for place in [&HOSTED, &MACHINE] {
        let found = generate(paths, &image, place, "The sea", 4, &CONTEXT)?;
        println!("tinyllama shapes, {}: {}", place.name, pace(&found));
        tokens.push(ids(&found["generated_ids"])?);
    }
    std::fs::remove_file(&image).context("cannot remove the image")?;
    ensure!(
        tokens[0].len() == 4 && tokens[0] == tokens[1],
        "hosted {:?}, machine {:?}",
        tokens[0],
        tokens[1]
    );
    println!("the same tokens hosted and on a machine of 2 GiB, as promised");
    Ok(())
}

/// Generates `count` tokens; gives back the program's JSON.
///
/// # Errors
/// The command failed, or it printed no JSON.
pub fn generate(
    paths: &Paths,
    image: &Path,
    place: &Place,
    prompt: &str,
    count: usize,
    more: &[&str],
) -> Result<Value> {
    let mut command = bareflow(paths)?;
    command.arg("run").arg(image).args(place.options).args([
        "--json",
        "--prompt",
        prompt,
        "-n",
        &count.to_string(),
    ]);
    if !place.options.contains(&"--hosted") {
        command.args(["--timeout", "600", "--discard-writes"]);
    }
    command
        .args(["--", "--ignore-eos"])
        .args(more)
        .stdin(Stdio::null());
    let text = sh::output(&mut command)?;
    serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))
}

/// Token ids of a JSON array.
///
/// # Errors
/// It is none.
pub fn ids(value: &Value) -> Result<Vec<u64>> {
    let array = value.as_array().context("token ids are missing")?;
    array
        .iter()
        .map(|id| id.as_u64().context("a token id is no number"))
        .collect()
}

/// A golden file.
///
/// # Errors
/// It is not there, or no JSON.
pub fn golden(paths: &Paths, file: &str) -> Result<Value> {
    let path = paths.root.join("crates/llama/tests/data").join(file);
    serde_json::from_slice(&read(&path)?).with_context(|| format!("{}", path.display()))
}

/// Whether the generated tokens are those expected.
///
/// # Errors
/// The first difference.
pub fn compare(found: &Value, expected: &[u64]) -> Result<()> {
    let found = ids(&found["generated_ids"])?;
    ensure!(
        found.len() == expected.len(),
        "{} tokens, expected {}",
        found.len(),
        expected.len()
    );
    if let Some(at) = (0..found.len()).find(|&i| found[i] != expected[i]) {
        bail!("token {at} is {}, expected {}", found[at], expected[at]);
    }
    Ok(())
}

/// Tokens per second, for the log.
fn pace(found: &Value) -> String {
    let t = &found["timings"];
    format!(
        "[prompt {}, generation {} tokens/s]",
        t["prompt_tokens_per_second"], t["generate_tokens_per_second"]
    )
}

/// The greedy tokens of stories260K, by llama2.c.
///
/// # Errors
/// The golden file is not there or not whole.
pub fn stories_tokens(paths: &Paths) -> Result<Vec<u64>> {
    ids(&golden(paths, "stories260K_golden.json")?["completion_tokens"])
}

/// The 256 greedy tokens of stories260K, exactly.
///
/// # Errors
/// The first difference, or a run that failed.
pub fn stories_exact(paths: &Paths, image: &Path, place: &Place) -> Result<String> {
    let expected = stories_tokens(paths)?;
    let found = generate(
        paths,
        image,
        place,
        "",
        expected.len(),
        &["--temperature", "0"],
    )?;
    compare(&found, &expected)?;
    Ok(pace(&found))
}

fn counting(paths: &Paths, image: &Path, place: &Place, count: usize) -> Result<String> {
    let prompt = "1, 2, 3, 4,";
    let golden = golden(paths, "smollm2-135m-q4_1.json")?;
    let entries = golden.as_array().context("the golden file is no array")?;
    let entry = entries
        .iter()
        .find(|e| e["prompt"] == prompt)
        .context("prompt is missing")?;
    let expected = ids(&entry["completion_tokens"])?;
    let found = generate(paths, image, place, prompt, count, &["--temperature", "0"])?;
    compare(&found, &expected[..count])?;
    Ok(pace(&found))
}

fn same_seed(paths: &Paths, image: &Path) -> Result<String> {
    let sampling = ["--temperature", "0.9", "--seed", "7"];
    let mut texts = Vec::new();
    for place in [&HOSTED, &DISK] {
        let found = generate(paths, image, place, "The sea", 16, &sampling)?;
        texts.push((ids(&found["generated_ids"])?, found["text"].clone()));
    }
    ensure!(
        texts[0] == texts[1],
        "hosted {:?}, machine {:?}",
        texts[0],
        texts[1]
    );
    Ok(format!("{}", texts[0].1))
}

/// Feeds llama.cpp's own completions: its choices must be ours, or nearly.
fn teacher_forcing(paths: &Paths, image: &Path) -> Result<String> {
    let golden = golden(paths, "smollm2-135m-q4_1.json")?;
    let scratch = paths.scratch("eval")?;
    let (mut agree, mut positions, mut worst) = (0, 0, 0f64);
    for (index, entry) in golden
        .as_array()
        .context("the golden file is no array")?
        .iter()
        .enumerate()
    {
        let prompt = ids(&entry["prompt_tokens"])?;
        let mut all = prompt.clone();
        all.extend(ids(&entry["completion_tokens"])?);
        let file = scratch.join(format!("{index}.json"));
        std::fs::write(&file, serde_json::to_string(&all)?)?;
        let text = sh::output(
            bareflow(paths)?
                .arg("eval")
                .arg(image)
                .arg("--tokens")
                .arg(&file),
        )?;
        let found: Value =
            serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?;
        let judged = found["positions"].as_array().context("no positions")?;
        ensure!(
            judged.len() == all.len() - 1,
            "{} positions of {}",
            judged.len(),
            all.len() - 1
        );
        // The first judged position is the second token; completions start behind the prompt.
        for position in &judged[prompt.len() - 1..] {
            let number = |key: &str| position[key].as_f64().with_context(|| format!("no {key}"));
            let distance = number("top1_logit")? - number("logit")?;
            worst = worst.max(distance);
            ensure!(
                distance <= MAX_LOGITS,
                "prompt {}: llama.cpp's token {} is {distance:.3} logits below token {}",
                entry["prompt"],
                position["token"],
                position["top1"]
            );
            agree += u64::from(position["top1"] == position["token"]);
            positions += 1;
        }
    }
    let share = agree as f64 / positions as f64;
    ensure!(
        share >= MIN_AGREEMENT,
        "the same choice at {:.1} % of positions",
        share * 100.0
    );
    Ok(format!(
        "[{:.1} % of {positions} the same, at most {worst:.3} logits apart]",
        share * 100.0
    ))
}
