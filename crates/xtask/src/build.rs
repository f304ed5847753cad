//! Makes the artefacts: kernel, boot stages, runtimes, guest modules, boot loaders.
//!
//! Each part is compiled by cargo with flags of its own in a folder of its own, so cargo's own freshness check
//! decides what there is to do; an artefact is written only when its content changed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::boot_stages;
use crate::c_bitcode;
use crate::grub;
use crate::guest_bitcode;
use crate::ksyms;
use crate::libc_bitcode;
use crate::native_bitcode;
use crate::paths::Paths;
use crate::runtime_elf;
use crate::sh::{cargo, run, step};

/// The target with a prebuilt `core`; named explicitly so that build scripts keep the host's flags.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Flags of the kernel; crates/kernel/build.rs says what each is for.
pub const KERNEL_FLAGS: &str =
    "-C relocation-model=static -C code-model=kernel -C force-frame-pointers=yes";

/// Largest kernel promised (SPECIFICATION.md), in bytes.
const MAX_KERNEL_BYTES: usize = 1 << 20;

/// Flags of the small kernel: as [`KERNEL_FLAGS`], without what only backtraces with names need.
const SMALL_KERNEL_FLAGS: &str = "-C relocation-model=static -C code-model=kernel";

/// Largest small kernel, in bytes: it shares 1 MiB with the program inside.
const MAX_SMALL_KERNEL_BYTES: usize = 400 << 10;

/// Makes everything that is not up to date.
pub fn all(paths: &Paths, quiet: bool) -> Result<()> {
    steps(paths, quiet, None)
}

/// A step of the build: its name, and what does it.
type Step<'a> = (&'static str, &'a dyn Fn() -> Result<()>);

/// Makes what is not up to date of the steps whose names contain `only`.
pub fn steps(paths: &Paths, quiet: bool, only: Option<&str>) -> Result<()> {
    std::fs::create_dir_all(paths.artifacts())
        .with_context(|| format!("cannot create {}", paths.artifacts().display()))?;
    let steps: [Step; 11] = [
        ("native support", &|| native_bitcode::make(paths)),
        ("C support", &|| c_bitcode::make(paths)),
        ("libc", &|| libc_bitcode::make(paths)),
        ("runtime", &|| runtime_elf::make(paths, quiet)),
        ("exec", &|| exec(paths, quiet)),
        ("guest modules", &|| guest_bitcode::llama(paths)),
        ("kernel", &|| kernel(paths, quiet)),
        ("small kernel", &|| small_kernel(paths, quiet)),
        ("boot stages", &|| boot_stages::make(paths)),
        ("boot loaders", &|| grub::make(paths)),
        ("kvm probe", &|| kvm_probe(paths)),
    ];
    for (name, make) in steps {
        if only.is_none_or(|only| name.contains(only)) {
            step(name, quiet, make)?;
        }
    }
    Ok(())
}

/// Compiles one package with flags of its own; gives back the folder of the results.
pub fn compile(
    paths: &Paths,
    package: &str,
    folder: &str,
    flags: &str,
    quiet: bool,
) -> Result<PathBuf> {
    let target = paths.separate_target(folder);
    let mut command = cargo(&paths.root);
    command
        .args([
            "build",
            "--release",
            "-p",
            package,
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(&target)
        .env("RUSTFLAGS", flags);
    if quiet {
        command.arg("--quiet");
    }
    run(&mut command)?;
    Ok(target.join(TARGET).join("release"))
}

/// `kernel.elf`
fn kernel(paths: &Paths, quiet: bool) -> Result<()> {
    let folder = compile(paths, "kernel", "kernel", KERNEL_FLAGS, quiet)?;
    let mut elf = read(&folder.join("kernel"))?;
    ksyms::embed(&mut elf)?;
    ensure!(
        elf.len() <= MAX_KERNEL_BYTES,
        "the kernel has {} bytes, promised are at most {MAX_KERNEL_BYTES}",
        elf.len()
    );
    write_if_changed(&paths.artifacts().join("kernel.elf"), &elf)
}

/// `kernel-small.elf`: for the last stage, which carries its program inside (formats::embed).
fn small_kernel(paths: &Paths, quiet: bool) -> Result<()> {
    let target = paths.separate_target("kernel-small");
    let mut command = cargo(&paths.root);
    command
        .args(["build", "--release", "-p", "kernel", "--target", TARGET])
        .args(["--no-default-features", "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", SMALL_KERNEL_FLAGS)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "z")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    if quiet {
        command.arg("--quiet");
    }
    run(&mut command)?;
    let mut elf = read(&target.join(TARGET).join("release/kernel"))?;
    ksyms::strip(&mut elf)?;
    ensure!(
        elf.len() <= MAX_SMALL_KERNEL_BYTES,
        "the small kernel has {} bytes, promised are at most {MAX_SMALL_KERNEL_BYTES}",
        elf.len()
    );
    write_if_changed(&paths.artifacts().join("kernel-small.elf"), &elf)
}

/// `bareflow-exec`: dynamic, since it finds what programs call in the C library by name.
fn exec(paths: &Paths, quiet: bool) -> Result<()> {
    let folder = compile(paths, "exec", "exec", "-Cstrip=debuginfo", quiet)?;
    let program = read(&folder.join("bareflow-exec"))?;
    write_if_changed(&paths.artifacts().join("bareflow-exec"), &program)
}

/// `kvmprobe.elf`, see crates/bareflow/src/accel.rs.
fn kvm_probe(paths: &Paths) -> Result<()> {
    let source = paths.root.join("crates/bareflow/src/probe.S");
    let target = paths.artifacts().join("kvmprobe.elf");
    if is_newer(&target, &source) {
        return Ok(());
    }
    let scratch = paths.scratch("kvmprobe")?;
    let object = scratch.join("probe.o");
    run(Command::new("clang-22")
        .args(["--target=i386-none-elf", "-c"])
        .arg(&source)
        .arg("-o")
        .arg(&object))?;
    run(Command::new("ld.lld-22")
        .args([
            "-m",
            "elf_i386",
            "--image-base=0x100000",
            "-z",
            "noseparate-code",
            "-e",
            "start",
        ])
        .arg(&object)
        .arg("-o")
        .arg(&target))
}

/// Whether `made` exists and is at least as new as `source`.
pub fn is_newer(made: &Path, source: &Path) -> bool {
    let time = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    match (time(made), time(source)) {
        (Some(made), Some(source)) => made >= source,
        _ => false,
    }
}

/// Reads a file, with its path in the error.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file unless it already has this content, so that its time says when it last changed. ELF files become
/// executable.
pub fn write_if_changed(path: &Path, content: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let written = std::fs::write(path, content).and_then(|()| {
        let mode = if content.starts_with(b"\x7fELF") {
            0o755
        } else {
            0o644
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}
