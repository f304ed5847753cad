//! Makes GRUB boot media: `BOOTX64.EFI` for UEFI firmware, and a CD for BIOSes that boots any of our disks.
//!
//! Both are one GRUB core image with a configuration inside that loads `/boot/kernel.elf` by Multiboot2. The
//! configuration runs in GRUB's rescue parser, which knows commands and variables but no `if`: it is a straight line whose
//! last steps are reached only when the kernel was not found.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::build::{is_newer, read, write_if_changed};
use crate::paths::Paths;
use crate::sh::{output, run};

/// Folder of GRUB's platforms on Debian.
const PLATFORMS: &str = "/usr/lib/grub";

/// What both need: partitions, FAT, finding a file, loading, and saying what is wrong.
const MODULES: [&str; 10] = [
    "part_msdos",
    "fat",
    "search",
    "search_fs_file",
    "multiboot2",
    "boot",
    "echo",
    "sleep",
    "halt",
    "minicmd",
];

/// Behind the kernel's `boot`: reached only if it failed.
const FAILED: &str = "\
echo BareFlow: no disk holds /boot/kernel.elf, or it cannot be loaded. Build the image again.
sleep 10
halt
";

/// The volume that the firmware loaded us from has the kernel; others are asked only if it has not.
fn efi_configuration() -> String {
    let find = "regexp --set=1:root '^\\(([^)]*)\\)' $cmdpath\n\
                search --no-floppy --file --set=root --hint=$root /boot/kernel.elf\n";
    format!("{find}multiboot2 /boot/kernel.elf\nboot\n{FAILED}")
}

/// The first disk that holds a kernel is booted.
fn bios_configuration() -> String {
    let find = "search --no-floppy --file --set=root /boot/kernel.elf\n";
    format!("{find}multiboot2 /boot/kernel.elf\nboot\n{FAILED}")
}

/// Makes `BOOTX64.EFI` and `grub-bios.iso`, each where GRUB's files for it are installed; otherwise says so.
pub fn make(paths: &Paths) -> Result<()> {
    let scratch = paths.scratch("grub")?;
    let source = paths.root.join("crates/xtask/src/grub.rs");
    for (platform, name, package, work) in [
        (
            "x86_64-efi",
            "BOOTX64.EFI",
            "grub-efi-amd64-bin",
            efi as Work,
        ),
        (
            "i386-pc",
            "grub-bios.iso",
            "grub-pc-bin xorriso",
            bios as Work,
        ),
    ] {
        let target = paths.artifacts().join(name);
        if !Path::new(PLATFORMS).join(platform).exists() {
            eprintln!("xtask: {name} is left out: to have it, install {package}");
            continue;
        }
        if !is_newer(&target, &source) {
            let made = work(&scratch).with_context(|| format!("making {name}"))?;
            write_if_changed(&target, &made)?;
        }
    }
    Ok(())
}

/// Makes one medium in a scratch folder.
type Work = fn(&Path) -> Result<Vec<u8>>;

fn efi(scratch: &Path) -> Result<Vec<u8>> {
    let image = scratch.join("BOOTX64.EFI");
    core_image(
        "x86_64-efi",
        &efi_configuration(),
        &["regexp"],
        scratch,
        &image,
    )?;
    read(&image)
}

fn bios(scratch: &Path) -> Result<Vec<u8>> {
    let files = scratch.join("iso");
    std::fs::create_dir_all(&files)
        .with_context(|| format!("cannot create {}", files.display()))?;
    let image = files.join("grub.img");
    core_image(
        "i386-pc-eltorito",
        &bios_configuration(),
        &["biosdisk"],
        scratch,
        &image,
    )?;
    // 1980-01-01, as everywhere on our disks.
    let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(315_532_800);
    let stamp = |path: &Path| File::open(path).and_then(|file| file.set_modified(epoch));
    stamp(&image)
        .and_then(|()| stamp(&files))
        .context("cannot set file times")?;
    let iso = scratch.join("grub-bios.iso");
    // Fixed times and an own boot catalogue: the same input gives the same bytes.
    output(
        Command::new("xorriso")
            .env("SOURCE_DATE_EPOCH", "315532800")
            .args([
                "-as",
                "mkisofs",
                "-quiet",
                "-V",
                "BAREFLOW_GRUB",
                "-b",
                "grub.img",
            ])
            .args([
                "-no-emul-boot",
                "-boot-load-size",
                "4",
                "-boot-info-table",
                "-o",
            ])
            .arg(&iso)
            .arg(&files),
    )?;
    read(&iso)
}

/// One GRUB with its configuration and modules inside.
fn core_image(
    format: &str,
    configuration: &str,
    more: &[&str],
    scratch: &Path,
    image: &Path,
) -> Result<()> {
    let file = scratch.join(format!("{format}.cfg"));
    std::fs::write(&file, configuration)
        .with_context(|| format!("cannot write {}", file.display()))?;
    run(Command::new("grub-mkimage")
        .args(["-O", format, "-p", "/boot/grub", "-c"])
        .arg(&file)
        .arg("-o")
        .arg(image)
        .args(MODULES)
        .args(more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_media_are_small_and_reproducible() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (efi(dir.path()).unwrap(), efi(dir.path()).unwrap());
        assert!(
            one.starts_with(b"MZ") && one.len() < 1 << 20,
            "{} bytes",
            one.len()
        );
        assert!(one == two);
        let (one, two) = (bios(dir.path()).unwrap(), bios(dir.path()).unwrap());
        assert!(
            one[0x8001..].starts_with(b"CD001") && one.len() < 2 << 20,
            "{}",
            one.len()
        );
        assert!(one == two);
    }
}
