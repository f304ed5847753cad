//! `bareflow export`: an appliance's program as machine code, without the runtime.
//!
//! ```text
//!   app.img --runtime.elf, hosted: [train, save profile] export--> native.elf
//!        native.elf                                                  the program, for Linux and for the kernel's slots
//!        + kernel-small.elf  --formats::embed-->  final.elf          boots by PVH and Multiboot2
//!        + boot stages, files of app.img -->      final.img          boots from a disk, BIOS or UEFI
//! ```
//!
//! The compiler is the runtime's own, in a process of its own; this command has no LLVM.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use formats::cpu::CpuFeatures;
use formats::slots::{FileRef, Kind, PATH as SLOTS, STORE_PATH, Slot};
use shrink::native::Facts;
use store::area::VolumeArea;
use store::block::FileDevice;
use store::fat::Volume;
use store::partition::open_fat;
use store::records::Records;
use store::slots::SlotFile;

use crate::cli::{ExportArgs, ExportCpu, ExportKind};
use crate::contents::Contents;
use crate::image::{ImageBuilder, progress};
use crate::{Artifacts, Error};

/// Largest program with its kernel that is promised (SPECIFICATION.md), in bytes.
pub const MAX_FINAL_BYTES: usize = 1 << 20;
/// Tokens generated when a language model is trained with a prompt.
const TRAINING_TOKENS: &str = "96";
/// Files of an image that belong to the runtime, and not to its program.
const RUNTIME_FILES: [&str; 4] = ["/boot/", "/EFI/", "/bareflow/", "/app/"];

/// Features of the levels of x86-64, by LLVM's names; each level has those before it, too (System V ABI AMD64, 3.1.1).
const LEVELS: [(ExportCpu, &str); 4] = [
    (ExportCpu::V1, "64bit cmov cx8 fxsr mmx sse sse2 x87"),
    (
        ExportCpu::V2,
        "crc32 cx16 popcnt sahf sse3 sse4.1 sse4.2 ssse3",
    ),
    (
        ExportCpu::V3,
        "avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave",
    ),
    (
        ExportCpu::V4,
        "avx512bw avx512cd avx512dq avx512f avx512vl evex512",
    ),
];
/// Names of features that LLVM has beside those CPUID tells of.
const ALIASES: [&str; 5] = ["crc32", "evex512", "avx10.1-256", "avx10.1-512", "widekl"];

/// The features that code for `cpu` must not use, of all that a host may have.
fn left_out(cpu: ExportCpu) -> Vec<&'static str> {
    let Some(level) = LEVELS.iter().position(|l| l.0 == cpu) else {
        return Vec::new();
    };
    let allowed: Vec<&str> = LEVELS[..=level]
        .iter()
        .flat_map(|l| l.1.split(' '))
        .collect();
    static ALL: CpuFeatures = CpuFeatures {
        words: [u32::MAX; formats::cpu::WORDS],
    };
    ALL.names()
        .chain(ALIASES)
        .filter(|name| !allowed.contains(name))
        .collect()
}

/// The form of the result: as asked for, else by the output's name.
fn kind_of(args: &ExportArgs, output: &Path) -> ExportKind {
    let name = output
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    match args.kind {
        Some(kind) => kind,
        None if name.ends_with(".img") => ExportKind::Disk,
        None if name.starts_with("native") => ExportKind::Program,
        None => ExportKind::Machine,
    }
}

/// Runs the runtime and waits; it has said on standard error what went wrong.
fn runtime(
    artifacts: &Artifacts,
    image: &Path,
    with: impl FnOnce(&mut Command),
) -> Result<(), Error> {
    let mut command = Command::new(artifacts.path("runtime.elf")?);
    command.arg("--disk").arg(image);
    with(&mut command);
    let status = command.status().map_err(|e| Error::MissingProgram {
        program: "runtime.elf".into(),
        package: "none: ./x build makes it",
        source: e,
    })?;
    match status.success() {
        true => Ok(()),
        false => Err(Error::Export {
            what: format!("the runtime gave up ({status}); see its message above"),
        }),
    }
}

/// The profile that the machine kept on its disk, if there is one.
fn kept_profile(image: &Path) -> Result<Option<Vec<u8>>, Error> {
    let mut contents = Contents::open(image)?;
    let is_there = contents.files()?.iter().any(|f| f.path == STORE_PATH);
    if !is_there {
        return Ok(None);
    }
    let damaged = |what: &dyn std::fmt::Display| Error::Export {
        what: format!("the record store of {}: {what}", image.display()),
    };
    let area = VolumeArea::open(contents.volume(), STORE_PATH).map_err(|e| damaged(&e))?;
    let mut records = Records::open(area).map_err(|e| damaged(&e))?;
    let record = records.latest(formats::record::kind::PROFILE, 0);
    Ok(record.map_err(|e| damaged(&e))?.map(|r| r.payload))
}

/// Finds or makes a profile; where it came from, in words.
fn profile(
    args: &ExportArgs,
    artifacts: &Artifacts,
    scratch: &Path,
) -> Result<(Option<PathBuf>, String), Error> {
    let path = scratch.join("profile");
    if let Some(given) = &args.profile {
        return Ok((Some(given.clone()), given.display().to_string()));
    }
    if args.train.is_some() || !args.arguments.is_empty() {
        let mut guest = Vec::new();
        if let Some(prompt) = &args.train {
            guest.extend(["--prompt", prompt, "-n", TRAINING_TOKENS].map(str::to_owned));
        }
        guest.extend(args.arguments.iter().cloned());
        eprintln!("bareflow: training: {}", guest.join(" "));
        runtime(artifacts, &args.image, |command| {
            command.arg("--save-profile").arg(&path);
            command.args(["--quiet", "--"]).args(&guest);
            command.stdin(Stdio::null()).stdout(Stdio::null());
        })?;
        return Ok((Some(path), "a training run".into()));
    }
    match kept_profile(&args.image)? {
        Some(bytes) => {
            std::fs::write(&path, bytes).map_err(|e| Error::io("write", &path, e))?;
            Ok((Some(path), "what the machine kept".into()))
        }
        None => Ok((None, "none: --train TEXT makes one".into())),
    }
}

/// Makes the native program of an image.
///
/// # Errors
/// What kept the runtime from running, training or compiling.
pub fn native(args: &ExportArgs, artifacts: &Artifacts) -> Result<Vec<u8>, Error> {
    let scratch = tempfile::tempdir().map_err(|e| Error::io("create", "a scratch folder", e))?;
    let (profile, source) = profile(args, artifacts, scratch.path())?;
    eprintln!("bareflow: profile: {source}");
    let output = scratch.path().join("native.elf");
    // The image's own support code may be older than the runtime.
    let support = artifacts.path("native.llbc")?;
    runtime(artifacts, &args.image, |command| {
        command.arg("--export").arg(&output);
        command.arg("--support").arg(&support);
        if let Some(profile) = &profile {
            command.arg("--profile").arg(profile);
        }
        if args.no_lines {
            command.arg("--no-lines");
        }
        let without = args.without.iter().map(String::as_str);
        for feature in without.chain(left_out(args.cpu)) {
            command.args(["--without", feature]);
        }
    })?;
    std::fs::read(&output).map_err(|e| Error::io("read", &output, e))
}

/// Writes a program that can be started.
pub(crate) fn write_program(path: &Path, content: &[u8]) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |e: std::io::Error| Error::io("write", path, e);
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    let mode = std::fs::Permissions::from_mode(0o755);
    file.as_file().set_permissions(mode).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// The small kernel with the program inside.
///
/// # Errors
/// A kernel that is missing or of another version.
pub fn machine(native: &[u8], artifacts: &Artifacts) -> Result<Vec<u8>, Error> {
    let kernel = artifacts.read("kernel-small.elf")?;
    formats::embed::embed(&kernel, native).map_err(|e| Error::Export {
        what: e.to_string(),
    })
}

/// A disk with the machine and the program's files.
fn disk(
    args: &ExportArgs,
    output: &Path,
    machine: Vec<u8>,
    artifacts: &Artifacts,
    cancelled: &AtomicBool,
) -> Result<u64, Error> {
    let scratch = tempfile::tempdir_in(
        output
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new(".")),
    )
    .map_err(|e| Error::io("create", "a scratch folder", e))?;
    let mut image = ImageBuilder::new(
        artifacts.read("stage1.bin")?,
        artifacts.read("stage2.bin")?,
        machine,
    )?;
    image.set_free_bytes(8 << 20);
    if let Some(loader) = artifacts.optional("BOOTX64.EFI") {
        image.add_file("/EFI/BOOT/BOOTX64.EFI", loader);
    }
    let mut contents = Contents::open(&args.image)?;
    let all = contents.files()?;
    let is_programs = |path: &str| {
        path == "/app/args"
            || path == "/boot/bareflow.cfg"
            || !RUNTIME_FILES.iter().any(|folder| path.starts_with(folder))
    };
    for (index, entry) in all.iter().filter(|f| is_programs(&f.path)).enumerate() {
        let copy = scratch.path().join(index.to_string());
        let failed = |e: std::io::Error| Error::io("write", &copy, e);
        let mut file = File::create(&copy).map_err(failed)?;
        let mut written = Ok(());
        contents.read_file(&entry.path, |piece| {
            if written.is_ok() {
                written = file.write_all(piece);
            }
        })?;
        written.map_err(failed)?;
        image.add_file(&entry.path, &copy);
    }
    Ok(progress::write(&image, output, cancelled)?.bytes)
}

/// Puts the program into a native slot of the image itself; gives the slot's number and file.
///
/// # Errors
/// An image without slots, or one whose slots are too small.
pub fn install(image: &Path, native: &[u8]) -> Result<(usize, &'static str), Error> {
    let failed = |what: &dyn std::fmt::Display| Error::Export {
        what: format!(
            "{} cannot take the program into a boot slot: {what}",
            image.display()
        ),
    };
    let open = || -> Result<Volume<_>, Error> {
        let device = FileDevice::open(image, true).map_err(|e| failed(&e))?;
        Volume::mount(open_fat(device).map_err(|e| failed(&e))?).map_err(|e| failed(&e))
    };
    // Table and program lie in files of their own: two views of one volume, of which no metadata changes.
    let (mut of_table, mut of_file) = (open()?, open()?);
    let area = VolumeArea::open(&mut of_table, SLOTS).map_err(|e| failed(&e))?;
    let mut slots = SlotFile::open(area).map_err(|e| failed(&e))?;
    let path = slots
        .table()
        .target(Kind::Native)
        .ok_or_else(|| failed(&"there is no place for native programs"))?;
    let facts = Facts::of(native).ok_or_else(|| failed(&"the program has no note"))?;
    let mut slot = Slot::new(Kind::Native, FileRef::describe(path, native)?);
    slot.features = facts.features;
    slot.program = facts.program;
    let mut place = VolumeArea::open(&mut of_file, path).map_err(|e| failed(&e))?;
    let index = slots
        .install(slot, &mut [(native, &mut place)])
        .map_err(|e| failed(&e))?;
    Ok((index, path))
}

/// Does what `bareflow export` asks for.
///
/// # Errors
/// What is wrong with the image, or why the result cannot be made or written.
pub fn export(
    args: &ExportArgs,
    artifacts: &Artifacts,
    cancelled: &AtomicBool,
) -> Result<(), Error> {
    let native = native(args, artifacts)?;
    if args.slot {
        let (index, path) = install(&args.image, &native)?;
        eprintln!(
            "bareflow: {}: slot {index}, {path}, {} bytes; next: bareflow run {}",
            args.image.display(),
            native.len(),
            args.image.display()
        );
    }
    let Some(output) = &args.output else {
        return Ok(());
    };
    let kind = kind_of(args, output);
    if kind == ExportKind::Program {
        write_program(output, &native)?;
        eprintln!("bareflow: {}: {} bytes", output.display(), native.len());
        return Ok(());
    }
    let machine = machine(&native, artifacts)?;
    let kernel_bytes = machine.len() - native.len();
    eprintln!(
        "bareflow: program {} bytes, kernel {kernel_bytes} bytes, together {} bytes",
        native.len(),
        machine.len()
    );
    if machine.len() > MAX_FINAL_BYTES {
        eprintln!(
            "bareflow: that is more than the {MAX_FINAL_BYTES} bytes such a machine should have; --no-lines makes it smaller \
             where the program tells source lines"
        );
    }
    if kind == ExportKind::Machine {
        write_program(output, &machine)?;
        eprintln!(
            "bareflow: {}: boots by PVH and Multiboot2: qemu-system-x86_64 -kernel {}",
            output.display(),
            output.display()
        );
        return Ok(());
    }
    let bytes = disk(args, output, machine, artifacts, cancelled)?;
    eprintln!(
        "bareflow: {}: {:.1} MB; next: bareflow run {}",
        output.display(),
        bytes as f64 / 1e6,
        output.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(kind: Option<ExportKind>) -> ExportArgs {
        ExportArgs {
            image: "app.img".into(),
            output: None,
            kind,
            slot: true,
            train: None,
            profile: None,
            no_lines: false,
            cpu: ExportCpu::Host,
            without: Vec::new(),
            arguments: Vec::new(),
        }
    }

    #[test]
    fn the_form_follows_the_name() {
        let kind = |name: &str| kind_of(&args(None), Path::new(name));
        assert_eq!(kind("a/native.elf"), ExportKind::Program);
        assert_eq!(kind("final.elf"), ExportKind::Machine);
        assert_eq!(kind("native.img"), ExportKind::Disk);
        let asked = args(Some(ExportKind::Program));
        assert_eq!(kind_of(&asked, Path::new("x.img")), ExportKind::Program);
    }

    #[test]
    fn levels_leave_out_what_came_later() {
        assert!(left_out(ExportCpu::Host).is_empty());
        let v3 = left_out(ExportCpu::V3);
        assert!(v3.contains(&"avx512f") && v3.contains(&"sha") && v3.contains(&"evex512"));
        assert!(!v3.contains(&"avx2") && !v3.contains(&"crc32"));
        assert!(left_out(ExportCpu::V1).contains(&"sse3"));
        assert!(!left_out(ExportCpu::V4).contains(&"avx512bw"));
    }

    #[test]
    fn an_image_without_slots_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no.img");
        std::fs::write(&path, vec![0; 1 << 20]).unwrap();
        let error = install(&path, b"nothing").unwrap_err().to_string();
        assert!(error.contains("no.img"), "{error}");
    }
}
