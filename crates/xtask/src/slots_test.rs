//! QEMU tests of the boot manager: disks with slots that fail in every way, booted until one of them comes up.
//!
//! A scenario is a disk (slots and what each of them does), a row of boots on it, each with writes kept, and the
//! state each slot must have afterwards. The machine resets by itself inside a boot: QEMU is started once for each.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bareflow::Artifacts;
use bareflow::contents::Contents;
use bareflow::image::ImageBuilder;
use bareflow::qemu::{Boot, Chipset, DiskInterface, Machine};
use formats::checksum::checksum;
use formats::cpu::CpuFeatures;
use formats::elf::{self, Executable};
use formats::exit::Reason as Exit;
use formats::program::ProgramHash;
use formats::slots::{
    BASE_PATH, COLD_PATHS, EVICTED_PATHS, FileRef, Kind, NATIVE_PATHS, PATH, Reason, Slot, State,
    Table, new_file, pick,
};

use crate::build::read;
use crate::machine_test::{Feed, MachineTest, Outcome, run_one};
use crate::paths::Paths;
use crate::payloads;

/// What a slot's program does; its name in crates/kernel/tests/slots/slot.c.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Works,
    Hangs,
    HangsDeaf,
    Faults,
    NeedsAvx2,
    Distress,
    Aborts,
    TripleFaults,
    BreaksKernel,
    TakesItsTime,
    Restarts,
    Overwrites,
    Waits,
    /// A file that is no program.
    Garbage,
    /// A file whose bytes are not those of the slot.
    Damaged,
    /// Made from the program and the runtime on the disk.
    OwnOrigin,
    /// Made from a program that was on the disk before.
    OtherProgram,
    /// Cut from a runtime that was on the disk before.
    OtherBuild,
}

impl Mode {
    fn constant(self) -> &'static str {
        match self {
            Self::Works
            | Self::Garbage
            | Self::Damaged
            | Self::OwnOrigin
            | Self::OtherProgram
            | Self::OtherBuild => "WORKS",
            Self::Hangs => "HANGS",
            Self::HangsDeaf => "HANGS_DEAF",
            Self::Faults => "FAULTS",
            Self::NeedsAvx2 => "NEEDS_AVX2",
            Self::Distress => "DISTRESS",
            Self::Aborts => "ABORTS",
            Self::TripleFaults => "TRIPLE_FAULTS",
            Self::BreaksKernel => "BREAKS_KERNEL",
            Self::TakesItsTime => "TAKES_ITS_TIME",
            Self::Restarts => "RESTARTS",
            Self::Overwrites => "OVERWRITES",
            Self::Waits => "WAITS",
        }
    }
}

/// Size of the space that a program overwrites.
const SPACE_BYTES: u64 = 1 << 20;

/// One boot of a scenario.
struct Run {
    cpu: &'static str,
    options: &'static str,
    keys: &'static str,
    way: (Boot, Chipset, DiskInterface),
    expect: &'static [&'static str],
    forbid: &'static [&'static str],
}

const PVH: (Boot, Chipset, DiskInterface) = (Boot::Pvh, Chipset::Pc, DiskInterface::Virtio);

const RUN: Run = Run {
    cpu: "max",
    options: "log=info watchdog=2",
    keys: "",
    way: PVH,
    expect: &["base is done"],
    forbid: &[],
};

struct Scenario {
    name: &'static str,
    /// Slots 1 and 2: kind, what it does, tries.
    slots: Vec<(Kind, Mode, u8)>,
    runs: Vec<Run>,
    /// States of slots 1 and 2 afterwards.
    after: Vec<State>,
    /// Both copies of the table are overwritten first.
    no_table: bool,
}

/// One native slot that is on trial, and what becomes of it on the usual machine.
fn one(name: &'static str, mode: Mode, expect: &'static [&'static str], after: State) -> Scenario {
    Scenario {
        name,
        slots: vec![(Kind::Native, mode, 1)],
        runs: vec![Run { expect, ..RUN }],
        after: vec![after],
        no_table: false,
    }
}

fn scenarios() -> Vec<Scenario> {
    let left = State::Abandoned;
    let mut all = vec![
        one(
            "works",
            Mode::Works,
            &[
                "on trial, 0 tries left",
                "native runs from slot 1",
                "native is done",
            ],
            State::Success,
        ),
        one(
            "faults",
            Mode::Faults,
            &[
                "native runs",
                "starts again",
                "abandoned: it met CPU exception 6",
                "base is done",
            ],
            left(Reason::Faulted { vector: 6 }),
        ),
        one(
            "distress",
            Mode::Distress,
            &["native runs", "starts again", "abandoned", "base is done"],
            left(Reason::Exited { code: 63 }),
        ),
        one(
            "aborts",
            Mode::Aborts,
            &["native runs", "SIGABRT", "abandoned", "base is done"],
            left(Reason::Exited { code: 134 }),
        ),
        one(
            "triple-fault",
            Mode::TripleFaults,
            &["native runs", "no tries left", "base is done"],
            State::Trial { tries: 0 },
        ),
        one(
            "breaks-kernel",
            Mode::BreaksKernel,
            &[
                "native runs",
                "in the kernel",
                "no tries left",
                "base is done",
            ],
            State::Trial { tries: 0 },
        ),
        one(
            "garbage",
            Mode::Garbage,
            &["is given up: the loader refused", "base is done"],
            left(Reason::Refused),
        ),
        one(
            "own-origin",
            Mode::OwnOrigin,
            &["native is done"],
            State::Success,
        ),
        one(
            "other-program",
            Mode::OtherProgram,
            &["the program on the disk is another one now", "base is done"],
            left(Reason::OtherProgram { found: 0 }),
        ),
        one(
            "other-build",
            Mode::OtherBuild,
            &[
                "the runtime on the disk is another build now",
                "base is done",
            ],
            left(Reason::OtherBuild { found: 0 }),
        ),
        one(
            "takes-its-time",
            Mode::TakesItsTime,
            &["native runs", "native is done"],
            State::Success,
        ),
        one(
            "waits-for-a-person",
            Mode::Waits,
            &["native runs", "native is done"],
            State::Success,
        ),
        one(
            "restarts",
            Mode::Restarts,
            &[
                "on trial",
                "native runs",
                "starts again",
                "native runs",
                "native is done",
            ],
            State::Success,
        ),
    ];
    all.push(Scenario {
        name: "hangs-twice",
        slots: vec![(Kind::Native, Mode::Hangs, 2)],
        runs: vec![Run {
            expect: &[
                "on trial, 1 tries left",
                "native runs",
                "did not prove itself within 2 s",
                "on trial, 0 tries left",
                "native runs",
                "base is done",
            ],
            ..RUN
        }],
        after: vec![left(Reason::Hung { seconds: 2 })],
        no_table: false,
    });
    for (name, way) in [
        ("hangs/disk", (Boot::Disk, Chipset::Pc, DiskInterface::Ide)),
        ("hangs/q35", (Boot::Disk, Chipset::Q35, DiskInterface::Ahci)),
        (
            "hangs/microvm",
            (Boot::Pvh, Chipset::Microvm, DiskInterface::Virtio),
        ),
    ] {
        all.push(Scenario {
            runs: vec![Run {
                way,
                expect: &["native runs", "base is done"],
                ..RUN
            }],
            ..one(name, Mode::Hangs, &[], left(Reason::Hung { seconds: 2 }))
        });
    }
    for (name, way) in [
        ("hangs-deaf/pc", PVH),
        (
            "hangs-deaf/q35",
            (Boot::Pvh, Chipset::Q35, DiskInterface::Virtio),
        ),
    ] {
        all.push(Scenario {
            runs: vec![Run {
                way,
                expect: &["native runs", "did not prove itself", "base is done"],
                ..RUN
            }],
            ..one(
                name,
                Mode::HangsDeaf,
                &[],
                left(Reason::Hung { seconds: 2 }),
            )
        });
    }
    all.push(Scenario {
        name: "native-evicted-base",
        slots: vec![
            (Kind::Native, Mode::Faults, 1),
            (Kind::Evicted, Mode::Works, 1),
        ],
        runs: vec![
            Run {
                expect: &["native runs", "starts again", "evicted is done"],
                ..RUN
            },
            Run {
                expect: &["evicted runs from slot 2", "evicted is done"],
                forbid: &["native runs", "on trial"],
                ..RUN
            },
        ],
        after: vec![left(Reason::Faulted { vector: 6 }), State::Success],
        no_table: false,
    });
    all.push(Scenario {
        name: "all-fail",
        slots: vec![
            (Kind::Native, Mode::Damaged, 3),
            (Kind::Evicted, Mode::Hangs, 1),
        ],
        runs: vec![Run {
            expect: &["native", "wrong checksum", "evicted runs", "base is done"],
            forbid: &["native runs"],
            ..RUN
        }],
        // What the checksum is depends on the program: compared without it.
        after: vec![
            left(Reason::Checksum { found: 0 }),
            left(Reason::Hung { seconds: 2 }),
        ],
        no_table: false,
    });
    all.push(one(
        OVERWRITES,
        Mode::Overwrites,
        &["native runs", "native is done"],
        State::Success,
    ));
    // Never an illegal instruction, and the slot is there again.
    let native: &[&str] = &["native is done"];
    let with = |cpu, expect, forbid| Run {
        cpu,
        expect,
        forbid,
        ..RUN
    };
    all.push(Scenario {
        runs: vec![
            with("max", native, &["EXCEPTION"]),
            with("Haswell", native, &["EXCEPTION"]),
            with(
                "Nehalem",
                &["passed over: this CPU lacks avx2", "base is done"],
                &["EXCEPTION", "native runs"],
            ),
            with("EPYC", native, &["EXCEPTION"]),
            with("max", native, &["EXCEPTION"]),
        ],
        ..one("processors", Mode::NeedsAvx2, &[], State::Success)
    });
    let by_hand = |options, keys, expect, forbid| Run {
        options,
        keys,
        expect,
        forbid,
        ..RUN
    };
    all.push(Scenario {
        runs: vec![
            by_hand(
                "log=info slot=base",
                "",
                &["base is done"],
                &["native runs"],
            ),
            by_hand("log=info slot=0", "", &["base is done"], &["native runs"]),
            by_hand(
                "log=info slot=evicted",
                "",
                &["no slot \"evicted\" can be started", "native is done"],
                &[],
            ),
            by_hand(
                "log=info",
                "\x02",
                &["Ctrl-B asks for the slot \"base\"", "base is done"],
                &["native runs"],
            ),
            by_hand("log=info slot=native", "", native, &[]),
            by_hand("log=info", "b", native, &["asks for"]),
        ],
        ..one("by-hand", Mode::Works, &[], State::Success)
    });
    all.push(Scenario {
        runs: vec![Run {
            expect: &["neither copy", "base runs from slot -1"],
            ..RUN
        }],
        after: Vec::new(),
        no_table: true,
        ..one("no-table", Mode::Works, &[], State::Success)
    });
    all
}

/// Name of the scenario whose disk is compared with what it was.
const OVERWRITES: &str = "overwrites";

/// Looks whether nothing but the contents of preallocated files changed: neither tables nor directories of the volume.
fn only_contents_changed(before: &[u8], image: &Path) -> Result<()> {
    let after = read(image)?;
    ensure!(before.len() == after.len(), "the image changed its size");
    let mut contents = Contents::open(image)?;
    let first = u64::from(contents.partition().start);
    let mut allowed = Vec::new();
    for path in [COLD_PATHS[0], PATH] {
        let file = contents.volume().open(path)?;
        allowed.extend(contents.volume().runs(&file)?);
    }
    let mut changed = 0;
    for (lba, (old, new)) in before.chunks(512).zip(after.chunks(512)).enumerate() {
        if old != new {
            let at = (lba as u64).wrapping_sub(first);
            let inside = allowed
                .iter()
                .any(|run| (run.lba..run.lba + run.sectors).contains(&at));
            ensure!(
                inside,
                "sector {lba} changed, which belongs to no such file"
            );
            changed += 1;
        }
    }
    ensure!(changed > 500, "only {changed} sectors were written");
    Ok(())
}

/// Compiles a program of the given kind and mode; gives its path.
fn program(paths: &Paths, kind: Kind, mode: Mode) -> Result<PathBuf> {
    let source = paths.root.join("crates/kernel/tests/slots/slot.c");
    let name = format!("slot-{}-{}", kind.name(), mode.constant().to_lowercase());
    let flags = [
        format!("-DNAME=\"{}\"", kind.name()),
        format!("-DMODE={}", mode.constant()),
        format!("-DSPACE={SPACE_BYTES}"),
    ];
    payloads::compile(paths, &name, &source, &flags)
}

/// Puts modules on the disk; gives the program's number and that of the base image's build.
fn origin(builder: &mut ImageBuilder, base: &[u8]) -> Result<(u64, u64)> {
    let mut hash = ProgramHash::default();
    for name in ["main.llbc", "a module with a long name.llbc"] {
        let content = [b"LLBC", name.as_bytes(), &[7; 300]].concat();
        hash.add(name, &content);
        builder.add_bytes(format!("/app/{name}"), content);
    }
    builder.add_bytes("/app/args", b"not a module\n".to_vec());
    let head = &base[..elf::HEAD_BYTES.min(base.len())];
    let base = Executable::parse(head, base.len() as u64).map_err(|e| anyhow::anyhow!("{e}"))?;
    let build = base.build_id.context("the base image has no build id")?;
    Ok((hash.finish(), checksum(&build)))
}

/// The disk of a scenario.
fn disk(paths: &Paths, scenario: &Scenario) -> Result<PathBuf> {
    let folder = paths
        .scratch("slots")?
        .join(scenario.name.replace('/', "-"));
    std::fs::create_dir_all(&folder)?;
    let part = |name: &str| read(&paths.artifacts().join(name));
    let mut builder = ImageBuilder::new(
        part("stage1.bin")?,
        part("stage2.bin")?,
        part("kernel.elf")?,
    )?;
    let base = program(paths, Kind::Base, Mode::Works)?;
    builder.add_file(BASE_PATH, &base);
    let (program_hash, build) = origin(&mut builder, &read(&base)?)?;
    let base = FileRef::describe(BASE_PATH, &read(&base)?)?;
    let mut table = Table::new(Slot::new(Kind::Base, base));
    for &(kind, mode, tries) in &scenario.slots {
        let path = match kind {
            Kind::Native => NATIVE_PATHS[0],
            _ => EVICTED_PATHS[0],
        };
        let mut content = match mode {
            Mode::Garbage => b"not a program".repeat(1000),
            mode => read(&program(paths, kind, mode)?)?,
        };
        let mut slot = Slot::new(kind, FileRef::describe(path, &content)?);
        slot.state = State::Trial { tries };
        if mode == Mode::NeedsAvx2 {
            slot.features = CpuFeatures::from_llvm(["avx2"]);
        }
        if [Mode::OwnOrigin, Mode::OtherProgram, Mode::OtherBuild].contains(&mode) {
            slot.program = program_hash ^ u64::from(mode == Mode::OtherProgram);
            slot.build = build ^ u64::from(mode == Mode::OtherBuild);
        }
        if mode == Mode::Damaged {
            let middle = content.len() / 2;
            content[middle] ^= 1;
        }
        // As on a real disk: the file is longer than what counts.
        content.resize(content.len() + 5000, 0xCC);
        let file = folder.join(kind.name());
        std::fs::write(&file, content)?;
        builder.add_file(path, &file);
        table.install(slot)?;
    }
    builder.add_space(COLD_PATHS[0], SPACE_BYTES);
    let mut slots = new_file(&table);
    if scenario.no_table {
        slots[100] ^= 1;
    }
    let file = folder.join("table");
    std::fs::write(&file, slots)?;
    builder.add_file(PATH, &file);
    let path = folder.join("disk.img");
    builder.write(&path, &mut |_| {}, &AtomicBool::new(false))?;
    Ok(path)
}

/// A file of an image.
fn content(image: &Path, path: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Contents::open(image)?.read_file(path, |piece| bytes.extend_from_slice(piece))?;
    Ok(bytes)
}

/// The table of an image.
fn table(image: &Path) -> Result<Table> {
    Ok(pick(&content(image, PATH)?)?.0)
}

/// What is wrong with the slots after the last boot.
fn check(scenario: &Scenario, image: &Path) -> Result<()> {
    if scenario.after.is_empty() {
        return Ok(());
    }
    let table = table(image)?;
    for (index, expected) in scenario.after.iter().enumerate() {
        let slot = table.slots[index + 1].context("a slot is gone")?;
        let state = match slot.state {
            State::Abandoned(Reason::Checksum { found }) if found != slot.file.checksum => {
                State::Abandoned(Reason::Checksum { found: 0 })
            }
            State::Abandoned(Reason::OtherProgram { found }) if found == slot.program ^ 1 => {
                State::Abandoned(Reason::OtherProgram { found: 0 })
            }
            State::Abandoned(Reason::OtherBuild { found }) if found == slot.build ^ 1 => {
                State::Abandoned(Reason::OtherBuild { found: 0 })
            }
            state => state,
        };
        ensure!(
            state == *expected,
            "slot {} is {state:?}, expected {expected:?}",
            index + 1
        );
    }
    let base = table.slots[0].context("the base slot is gone")?;
    ensure!(
        FileRef::describe(BASE_PATH, &content(image, BASE_PATH)?)? == base.file,
        "the base image was changed"
    );
    Ok(())
}

/// Runs the scenarios whose name contains `filter`.
pub fn run(
    paths: &Paths,
    artifacts: &Artifacts,
    logs: &Path,
    filter: Option<&str>,
) -> Result<Vec<Outcome>> {
    let kernel = Arc::new(read(&paths.artifacts().join("kernel.elf"))?);
    let mut outcomes = Vec::new();
    for scenario in scenarios() {
        let name = format!("machine/slots/{}", scenario.name);
        if filter.is_some_and(|f| !name.contains(f)) {
            continue;
        }
        let image = disk(paths, &scenario)?;
        let before = match scenario.name {
            OVERWRITES => read(&image)?,
            _ => Vec::new(),
        };
        let mut seconds = 0.0;
        let mut failure = None;
        for (number, run) in scenario.runs.iter().enumerate() {
            let (boot, chipset, disk) = run.way;
            let test = MachineTest {
                name: format!("{name}/{}", number + 1),
                image: image.clone(),
                kernel: kernel.clone(),
                machine: Machine {
                    boot,
                    chipset,
                    disk,
                    cpu: Some(run.cpu.into()),
                    memory_mib: 128,
                    reboots: true,
                    kernel_options: run.options.into(),
                    ..Machine::default()
                },
                input: vec![Feed {
                    after: String::new(),
                    keys: run.keys.into(),
                }],
                expect: run.expect.iter().map(|&text| text.into()).collect(),
                forbid: run.forbid.iter().map(|&text| text.into()).collect(),
                exit: Exit::Program(0).qemu_status(),
                timeout: Duration::from_secs(90),
                keep_writes: true,
            };
            let outcome = run_one(&test, artifacts, logs);
            seconds += outcome.seconds;
            failure = outcome
                .failure
                .map(|why| format!("  boot {}:\n{why}", number + 1));
            if failure.is_some() {
                break;
            }
        }
        if failure.is_none() {
            let mut checked = check(&scenario, &image);
            if checked.is_ok() && !before.is_empty() {
                checked = only_contents_changed(&before, &image);
            }
            failure = checked.err().map(|e| format!("  {e:#}"));
        }
        let mark = if failure.is_some() { "FAILED" } else { "ok" };
        println!("test {name} ... {mark} ({seconds:.1} s)");
        if let Some(failure) = &failure {
            println!("{failure}");
        }
        outcomes.push(Outcome {
            name,
            failure,
            seconds,
        });
    }
    Ok(outcomes)
}
