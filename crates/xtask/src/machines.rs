//! The QEMU tests: which images are booted on which machines, and what must appear.
//!
//! A tiny C program covers the matrix of boot paths, processors and disk controllers; stories260K is the language
//! model that must say the same everywhere; SmolLM2 boots once. Images are made by the `bareflow` command itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bareflow::Artifacts;
use bareflow::contents::Contents;
use bareflow::qemu::{Boot, Chipset, DiskInterface, Machine};
use formats::exit::Reason;

use crate::build::{read, write_if_changed};
use crate::embedded_test;
use crate::examples_test;
use crate::faults_test;
use crate::guests;
use crate::jit_test;
use crate::machine_test::{MachineTest, Outcome, run_all};
use crate::native_test;
use crate::paths::Paths;
use crate::payload_files;
use crate::payloads;
use crate::runtime_test;
use crate::sh;
use crate::slots_test;
use crate::test::Counts;
use crate::unseen;

/// An image made for tests, and the kernel inside it.
#[derive(Clone)]
pub struct Image {
    /// The file.
    pub path: PathBuf,
    /// What PVH boots.
    pub kernel: Arc<Vec<u8>>,
}

impl Image {
    /// Opens an image that has just been made.
    pub fn open(path: PathBuf) -> Result<Self> {
        let kernel = Contents::open(&path)?.kernel()?;
        Ok(Self {
            path,
            kernel: Arc::new(kernel),
        })
    }
}

/// The `bareflow` command that was built with this program.
pub fn bareflow(paths: &Paths) -> Result<Command> {
    let program = std::env::current_exe()?.with_file_name("bareflow");
    ensure!(
        program.exists(),
        "{} is not there: cargo build --release -p bareflow",
        program.display()
    );
    let mut command = Command::new(program);
    command
        .current_dir(&paths.root)
        .env("BAREFLOW_ARTIFACTS", paths.artifacts());
    Ok(command)
}

/// The greeting program of examples/hello.c.
pub fn hello_image(paths: &Paths) -> Result<Image> {
    let path = paths.scratch("images")?.join("hello.img");
    sh::output(
        bareflow(paths)?
            .args(["build", "examples/hello.c", "--arg", "world", "-o"])
            .arg(&path),
    )?;
    Image::open(path)
}

/// The same command with artefacts whose runtime has all its code marked as cold: the kernel reads each page of it when
/// it is executed first.
pub fn bareflow_with_cold_code(paths: &Paths) -> Result<Command> {
    let folder = paths.scratch("cold-code")?;
    for entry in std::fs::read_dir(paths.artifacts())?.flatten() {
        let link = folder.join(entry.file_name());
        if entry.file_name() != "runtime.elf" && !link.exists() {
            std::os::unix::fs::symlink(entry.path(), link)?;
        }
    }
    let mut runtime = read(&paths.artifacts().join("runtime.elf"))?;
    payload_files::mark_code_cold(&mut runtime)?;
    write_if_changed(&folder.join("runtime.elf"), &runtime)?;
    let mut command = bareflow(paths)?;
    command.env("BAREFLOW_ARTIFACTS", folder);
    Ok(command)
}

/// The smallest real language model.
pub fn stories_image(paths: &Paths) -> Result<Image> {
    stories_image_by(bareflow(paths)?, paths, "stories.img")
}

/// The same, made by [`bareflow_with_cold_code`] for instance, in an image of this name.
pub fn stories_image_by(mut bareflow: Command, paths: &Paths, name: &str) -> Result<Image> {
    let path = paths.scratch("images")?.join(name);
    let data = Path::new("crates/llama/tests/data");
    sh::output(
        bareflow
            .arg("llm")
            .arg(data.join("stories260K.bin"))
            .arg("--tokenizer")
            .arg(data.join("tok512.bin"))
            .arg("-o")
            .arg(&path),
    )?;
    Image::open(path)
}

/// Runs the machine tests whose name contains `filter`.
pub fn suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    // A filter that names a group spares the images of the others.
    let wanted = |group: &str| filter.is_none_or(|f| f.starts_with(group) || !is_group(f));
    let mut tests = Vec::new();
    if wanted("machine/boot/") {
        tests.extend(matrix(&hello_image(paths)?));
    }
    if wanted("machine/guest/") {
        let image = guests::image(paths, "probe.img", bareflow(paths)?)?;
        tests.extend(guests::machine_tests(&image, "guest"));
    }
    if wanted("machine/runtime/") {
        tests.extend(runtime_test::machine_tests(paths)?);
    }
    if wanted("machine/examples/") {
        tests.extend(examples_test::machine_tests(paths)?);
    }
    if wanted("machine/jit/") {
        tests.extend(jit_test::machine_tests(paths)?);
    }
    if wanted("machine/faults/") {
        tests.extend(faults_test::machine_tests(paths)?);
    }
    if wanted("machine/cold-code/") {
        let image = guests::image(paths, "cold-probe.img", bareflow_with_cold_code(paths)?)?;
        tests.extend(guests::machine_tests(&image, "cold-code"));
    }
    if wanted("machine/payload/") || wanted("machine/evicted/") {
        tests.extend(payloads::tests(paths, filter)?);
    }
    if wanted("machine/evicted/") {
        tests.extend(unseen::tests(paths)?);
    }
    if wanted("machine/embedded/") {
        tests.extend(embedded_test::tests(paths)?);
    }
    if wanted("machine/native/") {
        tests.extend(native_test::machine_tests(paths)?);
    }
    if let Some(filter) = filter {
        tests.retain(|t| t.name.contains(filter));
    }
    let artifacts = Artifacts::at(paths.artifacts());
    let logs = paths.scratch("logs")?;
    let mut outcomes = run_all(tests, &artifacts, &logs);
    if wanted("machine/examples/") && filter.is_none_or(|f| "machine/examples/kv/plug".contains(f))
    {
        outcomes.push(examples_test::plug(paths, &artifacts));
    }
    if wanted("machine/slots/") {
        outcomes.extend(slots_test::run(paths, &artifacts, &logs, filter)?);
    }
    Ok(count(&outcomes))
}

/// Groups of machine tests.
const GROUPS: [&str; 12] = [
    "machine/native/",
    "machine/boot/",
    "machine/guest/",
    "machine/runtime/",
    "machine/faults/",
    "machine/cold-code/",
    "machine/payload/",
    "machine/evicted/",
    "machine/embedded/",
    "machine/examples/",
    "machine/jit/",
    "machine/slots/",
];

/// Whether a filter starts with the name of a group of machine tests.
fn is_group(filter: &str) -> bool {
    GROUPS.iter().any(|group| filter.starts_with(group))
}

/// Runs the tests of guests as Linux processes.
pub fn hosted_suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let mut counts = runtime_test::hosted_suite(paths, filter)?;
    counts.add(jit_test::hosted_suite(paths, filter)?);
    let is_theirs = |f: &str| f.starts_with("hosted/runtime") || f.starts_with("hosted/jit");
    if filter.is_some_and(is_theirs) {
        return Ok(counts);
    }
    counts.add(examples_test::hosted_suite(paths, filter)?);
    if filter.is_some_and(|f| f.starts_with("hosted/examples")) {
        return Ok(counts);
    }
    counts.add(faults_test::hosted_suite(paths, filter)?);
    if filter.is_some_and(|f| f.starts_with("hosted/faults")) {
        return Ok(counts);
    }
    let image = guests::image(paths, "probe.img", bareflow(paths)?)?;
    for test in guests::hosted_tests(&image.path) {
        if filter.is_some_and(|f| !test.name.contains(f)) {
            continue;
        }
        counts.run(&test.name, || test.run(paths));
    }
    Ok(counts)
}

fn count(outcomes: &[Outcome]) -> Counts {
    let failed = outcomes.iter().filter(|o| o.failure.is_some()).count() as u64;
    Counts {
        passed: outcomes.len() as u64 - failed,
        failed,
    }
}

/// Ways of booting: name, path, chipset, disk, what the kernel calls the path.
const WAYS: [(&str, Boot, Chipset, DiskInterface, &str); 10] = [
    (
        "disk",
        Boot::Disk,
        Chipset::Pc,
        DiskInterface::Virtio,
        "bios-disk",
    ),
    (
        "disk-ahci",
        Boot::Disk,
        Chipset::Pc,
        DiskInterface::Ahci,
        "bios-disk",
    ),
    (
        "disk-ide",
        Boot::Disk,
        Chipset::Pc,
        DiskInterface::Ide,
        "bios-disk",
    ),
    (
        "disk-q35",
        Boot::Disk,
        Chipset::Q35,
        DiskInterface::Ahci,
        "bios-disk",
    ),
    ("pvh", Boot::Pvh, Chipset::Pc, DiskInterface::Virtio, "pvh"),
    (
        "pvh-q35",
        Boot::Pvh,
        Chipset::Q35,
        DiskInterface::Virtio,
        "pvh",
    ),
    (
        "pvh-microvm",
        Boot::Pvh,
        Chipset::Microvm,
        DiskInterface::Virtio,
        "pvh",
    ),
    (
        "grub",
        Boot::Grub,
        Chipset::Pc,
        DiskInterface::Virtio,
        "multiboot2",
    ),
    (
        "uefi",
        Boot::Uefi,
        Chipset::Q35,
        DiskInterface::Virtio,
        "multiboot2",
    ),
    (
        "uefi-ahci",
        Boot::Uefi,
        Chipset::Q35,
        DiskInterface::Ahci,
        "multiboot2",
    ),
];

/// Every way of booting, with one and two processors, of three generations.
fn matrix(hello: &Image) -> Vec<MachineTest> {
    let mut tests = Vec::new();
    for (name, boot, chipset, disk, path) in WAYS {
        for cpu in ["max", "Haswell", "Nehalem"] {
            for cpus in [1, 2] {
                // Other controllers are tested on one machine each, the four paths on all.
                let variant = name.contains('-') && name != "pvh-microvm" && name != "pvh-q35";
                if variant && (cpu != "max" || cpus != 2) {
                    continue;
                }
                let machine = Machine {
                    boot,
                    chipset,
                    disk,
                    cpu: Some(cpu.into()),
                    cpus,
                    memory_mib: 256,
                    kernel_options: "log=info".into(),
                    ..Machine::default()
                };
                tests.push(MachineTest {
                    name: format!("machine/boot/{name}/{cpu}/{cpus}"),
                    image: hello.path.clone(),
                    kernel: hello.kernel.clone(),
                    machine,
                    input: Vec::new(),
                    expect: vec![path.into(), format!("hello world from {cpus} CPU(s)\n")],
                    forbid: vec!["panic".into(), "exception".into()],
                    exit: Reason::Program(0).qemu_status(),
                    timeout: Duration::from_secs(240),
                    keep_writes: false,
                });
            }
        }
    }
    tests
}
