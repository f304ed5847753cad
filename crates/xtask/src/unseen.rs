//! A runtime evicted for a language model, and C programs that it never saw: they must run, out of the cold file.
//!
//! The training is a short run of stories260K as a Linux process, watched function by function; what it did not need
//! is cold. So code that only other programs need (files read in pieces, threads, faults, a console that is typed on)
//! is read from the disk when it is executed first, and the kernel counts it.

use std::os::unix::fs::symlink;
use std::process::Command;

use anyhow::{Context, Result};
use shrink::evict::evict_linked;
use shrink::link_data::LinkData;
use shrink::{Coverage, Options};

use crate::build::{read, write_if_changed};
use crate::guests;
use crate::machine_test::MachineTest;
use crate::machines::{bareflow, stories_image};
use crate::paths::Paths;
use crate::watch;

/// Tokens of the training.
const TOKENS: &str = "8";
/// What of the probe is asked for: each does what the model in training never did.
const CASES: [&str; 4] = ["float", "file", "parallel", "divide"];

/// The tests, `machine/evicted/unseen/...`.
pub fn tests(paths: &Paths) -> Result<Vec<MachineTest>> {
    let image = guests::image(paths, "unseen.img", trained(paths)?)?;
    let mut tests = guests::machine_tests(&image, "evicted/unseen");
    tests.retain(|test| CASES.iter().any(|case| test.name.ends_with(case)));
    for test in &mut tests {
        test.machine.arguments.insert(0, "--timings".into());
        // Told before the program's own words; a run without a miss would show nothing.
        test.expect.insert(0, "\"cold\":{\"misses\":".into());
        test.forbid.push("\"cold\":{\"misses\":0,".into());
    }
    Ok(tests)
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

/// `bareflow` with artefacts whose runtime was evicted for the model: one file, hot and cold part.
fn trained(paths: &Paths) -> Result<Command> {
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
    let mut command = bareflow(paths)?;
    command.env("BAREFLOW_ARTIFACTS", folder);
    Ok(command)
}
