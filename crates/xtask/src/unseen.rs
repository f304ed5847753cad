//! A runtime evicted for a language model, and what it never saw: C programs, a model of another format, a chat.
//!
//! The training is a short run of stories260K as a Linux process, watched function by function; what it did not need
//! is cold. So code that only others need (files read in pieces, threads, faults, a console that is typed on, what LLVM
//! makes of other formats' products) is read from the disk when it is executed first, and the kernel counts it.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use bareflow::qemu::{Boot, Chipset, Machine};
use formats::exit::Reason;
use shrink::evict::evict_linked;
use shrink::link_data::LinkData;
use shrink::{Coverage, Options};

use crate::build::{read, write_if_changed};
use crate::gen_model::{self, Kind};
use crate::golden;
use crate::guests;
use crate::machine_test::{Feed, MachineTest};
use crate::machines::{Image, bareflow, stories_image, stories_image_by};
use crate::paths::Paths;
use crate::sh;
use crate::watch;

/// Tokens of the training.
const TOKENS: &str = "8";
/// What of the probe is asked for: each does what the model in training never did.
const CASES: [&str; 4] = ["float", "file", "parallel", "divide"];

/// What the model in training was not asked: it had a prompt of one word and no form for a chat.
const QUESTION: &str = "Why is the sea salt?";
const ANSWER: usize = 12;

/// The tests, `machine/evicted/unseen/...`.
pub fn tests(paths: &Paths) -> Result<Vec<MachineTest>> {
    let evicted = trained(paths)?;
    let image = guests::image(paths, "unseen.img", by(paths, &evicted)?)?;
    let mut tests = guests::machine_tests(&image, "evicted/unseen");
    tests.retain(|test| CASES.iter().any(|case| test.name.ends_with(case)));
    tests.push(chat(paths, &evicted)?);
    tests.push(typed(paths, &evicted)?);
    for test in &mut tests {
        test.machine.arguments.insert(0, "--timings".into());
        // Told before the program's own words; a run without a miss would show nothing.
        test.expect.insert(0, "\"cold\":{\"misses\":".into());
        test.forbid.push("\"cold\":{\"misses\":0,".into());
    }
    Ok(tests)
}

/// A machine with the evicted runtime.
fn test(name: &str, image: Image, arguments: &[&str]) -> MachineTest {
    let arguments = ["--"].iter().chain(arguments);
    MachineTest {
        name: format!("machine/evicted/unseen/{name}"),
        image: image.path,
        kernel: image.kernel,
        machine: Machine {
            boot: Boot::Pvh,
            chipset: Chipset::Pc,
            cpus: 2,
            memory_mib: 256,
            arguments: arguments.map(|a| (*a).to_owned()).collect(),
            ..Machine::default()
        },
        input: Vec::new(),
        expect: Vec::new(),
        forbid: vec!["panic".into()],
        exit: Reason::Program(0).qemu_status(),
        timeout: Duration::from_secs(240),
        keep_writes: false,
    }
}

/// A model in GGUF, of 4 bits a weight, asked in its chat form: the tokens that a whole runtime gives as a Linux process.
fn chat(paths: &Paths, evicted: &Path) -> Result<MachineTest> {
    let model = paths.scratch("images")?.join("unseen.gguf");
    let vocabulary = "crates/llama/tests/data/ggml-vocab-llama-spm.gguf";
    gen_model::write(
        Kind::TinyChat,
        "Q4_0",
        &paths.root.join(vocabulary),
        1,
        &model,
    )?;
    let image = |mut bareflow: Command, name: &str| -> Result<Image> {
        let image = paths.scratch("images")?.join(name);
        sh::output(bareflow.arg("llm").arg(&model).arg("-o").arg(&image))?;
        Image::open(image)
    };
    let chat = ["--chat", "--temperature", "0"];
    let whole = image(bareflow(paths)?, "seen-model.img")?.path;
    let found = golden::generate(paths, &whole, &golden::HOSTED, QUESTION, ANSWER, &chat)?;
    let tokens = golden::ids(&found["generated_ids"])?;
    let count = ANSWER.to_string();
    let asked = ["--prompt", QUESTION, "-n", &count, "--ignore-eos", "--json"];
    let arguments = [asked.as_slice(), &chat].concat();
    let mut test = test(
        "chat",
        image(by(paths, evicted)?, "unseen-model.img")?,
        &arguments,
    );
    test.expect.push(format!(
        "\"generated_ids\":{}",
        serde_json::to_string(&tokens)?
    ));
    Ok(test)
}

/// The model of the training, typed on instead of asked with a prompt: what it says is in the published text.
fn typed(paths: &Paths, evicted: &Path) -> Result<MachineTest> {
    let image = stories_image_by(by(paths, evicted)?, paths, "unseen-stories.img")?;
    let mut test = test("typed", image, &["--temperature", "0", "-n", "24"]);
    test.input.push(Feed {
        after: "> ".into(),
        keys: "Once upon a time\n".into(),
    });
    test.input.push(Feed {
        after: "> ".into(),
        keys: "\u{4}".into(),
    });
    test.expect
        .push(", there was a little girl named Lily. She loved".into());
    Ok(test)
}

/// What runs when a model writes a few words.
fn training(paths: &Paths, link: &LinkData) -> Result<Coverage> {
    let image = stories_image(paths)?.path;
    let disk = image.to_str().context("the image's path is not UTF-8")?;
    let model = ["--prompt", "Once", "--temperature", "0", "-n", TOKENS];
    let mut arguments = vec!["--disk", disk, "--no-persist", "--quiet", "--"];
    arguments.extend(model);
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    watch::watch(&paths.artifacts().join("runtime.elf"), link, &arguments)
}

/// `bareflow` with the artefacts of a folder.
fn by(paths: &Paths, folder: &Path) -> Result<Command> {
    let mut command = bareflow(paths)?;
    command.env("BAREFLOW_ARTIFACTS", folder);
    Ok(command)
}

/// A folder of artefacts whose runtime was evicted for the model: one file, hot and cold part.
fn trained(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.scratch("trained")?;
    for entry in std::fs::read_dir(paths.artifacts())?.flatten() {
        let link = folder.join(entry.file_name());
        if entry.file_name() != "runtime.elf" && !link.exists() {
            symlink(entry.path(), link)?;
        }
    }
    let base = read(&paths.artifacts().join("runtime.elf"))?;
    let link = LinkData::open(&read(&paths.artifacts().join("runtime.link"))?)?;
    let coverage = training(paths, &link)?;
    let evicted = evict_linked(&base, &link, &coverage, &Options::default())?;
    let runtime = [evicted.hot, evicted.cold].concat();
    write_if_changed(&folder.join("runtime.elf"), &runtime)?;
    Ok(folder)
}
