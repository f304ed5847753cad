//! Boots QEMU from disks with a kernel that prints what it was given, and from damaged disks.

use super::*;
use bareflow::image::ImageBuilder;
use formats::flud::{HEADER_LBA, KERNEL_LBA};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// QEMU's exit code for `formats::exit` "program exit code 0".
const EXIT_GOOD: i32 = 0x40 << 1 | 1;
/// QEMU's exit code for a boot loader that gave up.
const EXIT_BOOT_LOADER: i32 = 0x15 << 1 | 1;

struct Parts {
    stage1: Vec<u8>,
    stage2: Vec<u8>,
    kernel: Vec<u8>,
}

fn parts() -> &'static Parts {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    PARTS.get_or_init(|| {
        let scratch = tempfile::tempdir().unwrap();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boot");
        let (stage1, stage2) = assemble_both(&sources, scratch.path()).unwrap();
        let object = scratch.path().join("handoff.o");
        let kernel = scratch.path().join("handoff.elf");
        run(Command::new("clang-22")
            .args(["--target=x86_64-none-elf", "-c"])
            .arg(sources.join("tests/handoff.S"))
            .arg("-o")
            .arg(&object))
        .unwrap();
        run(Command::new("ld.lld-22")
            .args([
                "-m",
                "elf_x86_64",
                "--image-base=0x100000",
                "-z",
                "separate-code",
            ])
            .arg(&object)
            .arg("-o")
            .arg(&kernel))
        .unwrap();
        Parts {
            stage1,
            stage2,
            kernel: read(&kernel).unwrap(),
        }
    })
}

fn image(dir: &TempDir) -> PathBuf {
    let p = parts();
    let mut builder =
        ImageBuilder::new(p.stage1.clone(), p.stage2.clone(), p.kernel.clone()).unwrap();
    builder.set_free_bytes(0);
    let path = dir.path().join("disk.img");
    builder
        .write(&path, &mut |_| {}, &AtomicBool::new(false))
        .unwrap();
    path
}

/// Boots a disk; gives the serial output and QEMU's exit code.
fn boot(image: &Path, machine: &str, drive: &str, more: &[&str]) -> (String, Option<i32>) {
    let output = Command::new("timeout")
        .args([
            "60",
            "qemu-system-x86_64",
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-m",
            "128",
        ])
        .args([
            "-display",
            "none",
            "-serial",
            "stdio",
            "-monitor",
            "none",
            "-no-reboot",
        ])
        .args([
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=4",
            "-machine",
            machine,
            "-drive",
        ])
        .arg(format!(
            "file={},format=raw,snapshot=on,{drive}",
            image.display()
        ))
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("qemu: {e}; ./x setup installs it"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (
        text + &String::from_utf8_lossy(&output.stderr),
        output.status.code(),
    )
}

/// The values of all lines "name value".
fn values(text: &str, name: &str) -> Vec<u64> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines
        .map(|value| u64::from_str_radix(value, 16).unwrap())
        .collect()
}

fn assert_handoff(text: &str, memory: u64) {
    assert!(text.contains("handoff") && text.contains("done"), "{text}");
    let one = |name| match values(text, name)[..] {
        [value] => value,
        ref other => panic!("{name}: {other:?}\n{text}"),
    };
    assert_eq!(one("rdi"), u64::from(formats::flud::HANDOFF_MAGIC));
    assert_eq!(one("flags") & 0x200, 0, "interrupts are off");
    assert_eq!(one("magic"), u64::from(formats::boot::START_INFO_MAGIC));
    assert_eq!(one("version"), 1);
    assert!((0x8_0000..0x10_0000).contains(&one("rsdp")), "{text}");
    assert_eq!(one("signature"), u64::from_le_bytes(*b"RSD PTR "));
    assert_eq!(one("data"), 0x1122_3344_5566_7788);
    assert_eq!(one("zeroes"), 1);
    let (bases, sizes, types) = (
        values(text, "base"),
        values(text, "size"),
        values(text, "type"),
    );
    assert!(bases.len() == sizes.len() && bases.len() == types.len() && bases[0] == 0);
    let usable: u64 = (0..bases.len())
        .filter(|&i| types[i] == 1)
        .map(|i| sizes[i])
        .sum();
    assert!(
        usable <= memory && usable > memory - (2 << 20),
        "{usable} of {memory}"
    );
}

#[test]
fn boots_on_both_chipsets_and_from_both_kinds_of_disk() {
    let dir = tempfile::tempdir().unwrap();
    let image = image(&dir);
    for machine in ["pc", "q35"] {
        for drive in ["if=ide", "if=virtio"] {
            let (text, code) = boot(&image, machine, drive, &[]);
            assert_handoff(&text, 128 << 20);
            assert_eq!(code, Some(EXIT_GOOD), "{machine} {drive}");
        }
    }
}

#[test]
fn boots_with_more_than_4_gib_and_on_an_old_processor() {
    let dir = tempfile::tempdir().unwrap();
    let image = image(&dir);
    let (text, code) = boot(&image, "pc", "if=virtio", &["-m", "5G", "-cpu", "Nehalem"]);
    assert_handoff(&text, 5 << 30);
    assert_eq!(code, Some(EXIT_GOOD));
}

/// Boots a disk after `damage` and expects a message.
fn refused(damage: impl FnOnce(&mut Vec<u8>), more: &[&str], message: &str) {
    let dir = tempfile::tempdir().unwrap();
    let image = image(&dir);
    let mut bytes = std::fs::read(&image).unwrap();
    damage(&mut bytes);
    std::fs::write(&image, bytes).unwrap();
    let (text, code) = boot(&image, "pc", "if=ide", more);
    assert!(text.contains(message), "expected {message:?}: {text}");
    assert!(!text.contains("handoff"), "{text}");
    assert_eq!(code, Some(EXIT_BOOT_LOADER), "{text}");
}

const HEADER: usize = HEADER_LBA as usize * 512;
const KERNEL: usize = KERNEL_LBA as usize * 512;

#[test]
fn a_damaged_header_is_named() {
    refused(
        |disk| disk[HEADER] = b'X',
        &[],
        "no FLUD header at sector 64",
    );
    refused(|disk| disk[HEADER + 4] = 2, &[], "version is not 1");
    refused(
        |disk| disk[HEADER + 8..HEADER + 12].fill(0),
        &[],
        "impossible size",
    );
    refused(|disk| disk[HEADER + 11] = 0x7F, &[], "impossible size");
    refused(|disk| disk[HEADER + 12] ^= 1, &[], "CRC-32");
}

#[test]
fn a_damaged_or_truncated_kernel_is_named() {
    refused(|disk| disk[KERNEL + 300_000] ^= 0x10, &[], "CRC-32");
    refused(
        |disk| disk.truncate(KERNEL + 200_000),
        &[],
        "the disk cannot be read",
    );
    refused(
        |disk| disk[512..64 * 512].fill(0),
        &[],
        "no stage 2 on the disk",
    );
}

#[test]
fn an_entry_given_as_a_virtual_address_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let image = image(&dir);
    let mut bytes = std::fs::read(&image).unwrap();
    // The upper halves of the entry and of every segment's virtual address.
    let base = [0xFF; 4];
    bytes[KERNEL + 28..KERNEL + 32].copy_from_slice(&base);
    for header in 0..usize::from(bytes[KERNEL + 56]) {
        let at = KERNEL + 64 + header * 56 + 20;
        bytes[at..at + 4].copy_from_slice(&base);
    }
    reseal(&mut bytes);
    std::fs::write(&image, bytes).unwrap();
    let (text, code) = boot(&image, "pc", "if=ide", &[]);
    assert_handoff(&text, 128 << 20);
    assert_eq!(code, Some(EXIT_GOOD));
}

/// Puts the right checksum on a changed kernel, so that its ELF headers are looked at.
fn reseal(disk: &mut [u8]) {
    let bytes = parts().kernel.len();
    let header = formats::flud::Header::describe(&disk[KERNEL..KERNEL + bytes]).unwrap();
    disk[HEADER..HEADER + 512].copy_from_slice(&header.encode());
}

#[test]
fn hostile_elf_headers_are_named() {
    let put = |at: usize, value: &'static [u8], message| {
        let damage = |disk: &mut Vec<u8>| {
            disk[KERNEL + at..KERNEL + at + value.len()].copy_from_slice(value);
            reseal(disk);
        };
        refused(damage, &[], message);
    };
    put(0, b"\x7fELG", "no ELF file");
    put(18, &[0x03], "no ELF file");
    put(54, &[57], "no ELF file");
    put(32, &[0xFF; 4], "program headers lie outside");
    put(36, &[1], "program headers lie outside");
    put(56, &[0xFF, 0xFF], "program headers lie outside");
    put(56, &[0, 0], "program headers lie outside");
    put(24, &[0, 0, 0, 0x10], "entry point lies in none");
    put(28, &[1], "entry point lies in none");
    // The first loadable segment, whichever program header that is.
    let kernel = &parts().kernel;
    let table = 64;
    let first = (0..8)
        .map(|i| table + i * 56)
        .find(|&at| kernel[at] == 1)
        .unwrap();
    put(
        first + 8,
        &[0xFF, 0xFF, 0xFF, 0x7F],
        "a segment of the kernel lies outside",
    );
    put(first + 12, &[1], "a segment of the kernel lies outside");
    put(
        first + 24,
        &[0, 0, 0, 0, 0, 0, 0, 0],
        "a segment of the kernel lies outside",
    );
    put(
        first + 24,
        &[0, 0, 0, 0xF0, 0, 0, 0, 0],
        "a segment of the kernel lies outside",
    );
    put(
        first + 32,
        &[0xFF, 0xFF, 0xFF, 0xFF],
        "a segment of the kernel lies outside",
    );
    put(
        first + 40,
        &[0xFF, 0xFF, 0xFF, 0xFF],
        "a segment of the kernel lies outside",
    );
}

#[test]
fn too_little_memory_and_old_processors_are_named() {
    refused(|_| {}, &["-m", "16"], "at least 32 MiB");
    refused(|_| {}, &["-cpu", "qemu32"], "no 64-bit mode");
}

#[test]
fn a_disk_that_is_no_hard_disk_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let image = image(&dir);
    let bytes = std::fs::read(&image).unwrap();
    std::fs::write(&image, &bytes[..1_474_560]).unwrap();
    let (text, code) = boot(&image, "pc", "if=floppy", &[]);
    assert!(text.contains("cannot read this disk by LBA"), "{text}");
    assert_eq!(code, Some(EXIT_BOOT_LOADER));
}
