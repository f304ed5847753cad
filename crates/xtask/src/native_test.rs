//! Exported programs do what the runtime makes of them: as Linux processes and as machines of their own.
//!
//! The guest program of `guests.rs` is exported without a profile and with one; the language model with one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::golden;
use crate::guests;
use crate::machine_test::MachineTest;
use crate::machines::{self, Image, bareflow};
use crate::paths::Paths;
use crate::sh;
use crate::test::Counts;

/// QEMU's processors have no AVX-512.
pub const FOR_QEMU: &[&str] = &["--cpu", "x86-64-v3"];

/// Exports an image's program as `name`; `how` are further arguments of `bareflow export`.
pub fn export(paths: &Paths, image: &Path, name: &str, how: &[&str]) -> Result<PathBuf> {
    let output = paths.scratch("native")?.join(name);
    let mut command = bareflow(paths)?;
    command.arg("export").arg(image).arg("-o").arg(&output);
    sh::output(command.args(how))?;
    Ok(output)
}

/// A folder that stands for the volume of the guest tests.
fn guest_volume(paths: &Paths) -> Result<PathBuf> {
    let root = paths.scratch("native")?.join("volume");
    let folder = root.join("some folder");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("data with a long name.bin"), guests::data())?;
    Ok(root)
}

/// A program that runs, with what it said and its exit code.
fn output(program: &Path, arguments: &[&str], input: &str) -> Result<(String, Option<i32>)> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read has ended by itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let done = child.wait_with_output()?;
    let text = [done.stdout, done.stderr].concat();
    Ok((
        String::from_utf8_lossy(&text).into_owned(),
        done.status.code(),
    ))
}

/// The hosted tests: every request of the guest tests, and the tokens of stories260K.
pub fn hosted_suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let mut counts = Counts::default();
    let wanted = |name: &str| filter.is_none_or(|f| name.contains(f) || f.contains(name));
    if wanted("native/guest") {
        let image = guests::image(paths, "native-probe.img", bareflow(paths)?)?;
        let volume = guest_volume(paths)?;
        let programs = [
            (
                "plain",
                export(paths, &image.path, "native-probe.elf", &[])?,
            ),
            (
                "trained",
                export(
                    paths,
                    &image.path,
                    "native-probe-trained.elf",
                    &["--", "parallel"],
                )?,
            ),
        ];
        for (how, program) in &programs {
            for case in guests::native_cases() {
                let name = format!("native/guest/{how}/{}", case.name);
                counts.run(&name, || guest_case(program, &volume, &case));
            }
        }
    }
    if wanted("native/stories260K") {
        let image = machines::stories_image_by(bareflow(paths)?, paths, "native-stories.img")?;
        let program = export(
            paths,
            &image.path,
            "native-stories.elf",
            &["--train", "Once"],
        )?;
        for threads in [1, 2] {
            let name = format!("native/stories260K/{threads}");
            counts.run(&name, || stories(paths, &program, threads));
        }
        counts.run("native/refusals", || refusals(&program));
    }
    Ok(counts)
}

fn guest_case(program: &Path, volume: &Path, case: &guests::NativeCase) -> Result<()> {
    let root = volume.to_string_lossy();
    let mut arguments = vec!["--root", &root, "--threads", "2", "--"];
    arguments.extend(case.arguments);
    let (text, code) = output(program, &arguments, &case.input)?;
    for expected in &case.expect {
        ensure!(
            text.contains(expected),
            "{expected:?} did not appear in:\n{text}"
        );
    }
    ensure!(
        code == Some(case.code),
        "exit code {code:?}, expected {}; it said:\n{text}",
        case.code
    );
    Ok(())
}

/// Arguments that give stories260K's golden tokens.
fn stories_arguments(paths: &Paths, count: usize) -> Vec<String> {
    let data = paths.root.join("crates/llama/tests/data");
    let mut arguments: Vec<String> = Vec::new();
    for (option, file) in [
        ("--model", "stories260K.bin"),
        ("--tokenizer", "tok512.bin"),
    ] {
        arguments.extend([option.into(), data.join(file).display().to_string()]);
    }
    let rest = [
        "--prompt",
        "",
        "--temperature",
        "0",
        "--ignore-eos",
        "--json",
        "-n",
    ];
    arguments.extend(rest.map(String::from));
    arguments.push(count.to_string());
    arguments
}

fn stories(paths: &Paths, program: &Path, threads: u32) -> Result<()> {
    let golden = golden::golden(paths, "stories260K_golden.json")?;
    let expected = golden::ids(&golden["completion_tokens"])?;
    let threads = threads.to_string();
    let own = stories_arguments(paths, expected.len());
    let mut arguments = vec!["--threads", &threads, "--"];
    arguments.extend(own.iter().map(String::as_str));
    let (text, _) = output(program, &arguments, "")?;
    let found: Value = serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?;
    golden::compare(&found, &expected)
}

/// What cannot be done ends in a message and not in a crash.
fn refusals(program: &Path) -> Result<()> {
    let (text, code) = output(program, &["--model", "/not/there"], "")?;
    ensure!(
        code.is_some_and(|c| c != 0 && c != 114) && text.contains("/not/there"),
        "{code:?}: {text}"
    );
    let (text, code) = output(program, &["--no-such-option"], "")?;
    ensure!(code.is_some_and(|c| c != 0 && c != 114), "{code:?}: {text}");
    Ok(())
}

/// The guest tests on a machine that is nothing but small kernel and program.
pub fn machine_tests(paths: &Paths) -> Result<Vec<MachineTest>> {
    let image = guests::image(paths, "native-probe.img", bareflow(paths)?)?;
    let disk = export(
        paths,
        &image.path,
        "probe-final.img",
        &[FOR_QEMU, &["--", "parallel"]].concat(),
    )?;
    Ok(guests::machine_tests(&Image::open(disk)?, "native"))
}

/// A disk with stories260K as a machine of its own.
pub fn stories_disk(paths: &Paths) -> Result<PathBuf> {
    let image = machines::stories_image_by(bareflow(paths)?, paths, "native-stories.img")?;
    export(
        paths,
        &image.path,
        "stories-final.img",
        &[FOR_QEMU, &["--train", "Once"]].concat(),
    )
}
