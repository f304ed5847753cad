//! Bench: reading the disk, beside Linux on the same virtio-blk disk under the same TCG.
//!
//! Linux is Debian's cloud kernel, fetched with `apt-get download` and unpacked, with an initramfs that holds one
//! program: the very one that is the payload on our side (`bench_disk/read.c`). Both read the same sectors of the same
//! image, in pieces of 4 MiB, five passes for each boot; boots alternate. On our side the bytes go through the FAT volume
//! and the `pread` system call; Linux reads the raw disk, past its page cache and through it, and the faster counts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};
use bareflow::image::ImageBuilder;
use store::block::{FileDevice, SECTOR};
use store::fat::Volume;
use store::partition;

use crate::build::read;
use crate::paths::Paths;
use crate::sh::{output, run};

/// Least share of Linux's speed that is promised.
const BAR: f64 = 0.6;
/// Bytes read in a pass.
const DATA_BYTES: usize = 256 << 20;
/// Boots of each side.
const ROUNDS: usize = 5;
/// Debian's package of the kernel, and of what it depends on the first is the kernel itself.
const KERNEL_PACKAGE: &str = "linux-image-cloud-amd64";
/// Drivers that Linux needs to see the disk, in order.
const DRIVERS: [&str; 6] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
];

/// Runs the bench and prints the ratio.
pub fn bench(paths: &Paths) -> Result<()> {
    let scratch = paths.scratch("bench-disk")?;
    let linux = fetch_linux(paths)?;
    let program = scratch.join("read.elf");
    run(Command::new("clang-22")
        .args(["-O2", "-static", "-Wl,-Ttext-segment=0x10000000"])
        .arg(paths.root.join("crates/xtask/src/bench_disk/read.c"))
        .arg("-o")
        .arg(&program))?;
    let initramfs = scratch.join("initramfs.cpio");
    let archive = initramfs_of(&program, &linux)?;
    std::fs::write(&initramfs, archive)
        .with_context(|| format!("cannot write {}", initramfs.display()))?;
    let disk = make_disk(paths, &program, &scratch)?;

    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let bare = boot(
            &disk.path,
            &["-kernel".into(), paths.artifacts().join("kernel.elf")],
        )?;
        let append = format!(
            "console=ttyS0 quiet panic=-1 disk_offset={} disk_bytes={DATA_BYTES}",
            disk.offset
        );
        let arguments = [
            "-kernel".into(),
            linux.kernel.clone(),
            "-initrd".into(),
            initramfs.clone(),
            "-append".into(),
            append.into(),
        ];
        let linux = boot(&disk.path, &arguments)?;
        let (a, b) = (passes(&bare, "bareflow")?, {
            let direct = passes(&linux, "linux-direct")?;
            let cached = passes(&linux, "linux-cached")?;
            if direct.speed > cached.speed {
                direct
            } else {
                cached
            }
        });
        ensure!(
            a.sum == b.sum,
            "the two read different bytes: {} and {}",
            a.sum,
            b.sum
        );
        println!(
            "disk, round {}: bareflow {:.0} MB/s, {} {:.0} MB/s: {:.2}",
            round + 1,
            a.speed,
            b.how,
            b.speed,
            a.speed / b.speed
        );
        ratios.push(a.speed / b.speed);
        ours.push(a.speed);
        theirs.push(b.speed);
    }
    let ratio = median(&mut ratios);
    println!(
        "disk (virtio-blk, TCG): bareflow {:.0} MB/s, Linux {:.0} MB/s, median ratio {ratio:.2} of {ROUNDS} \
         interleaved rounds; promised: at least {BAR}",
        median(&mut ours),
        median(&mut theirs),
    );
    ensure!(ratio >= BAR, "slower than promised");
    Ok(())
}

/// A kernel and its modules.
struct Linux {
    kernel: PathBuf,
    modules: PathBuf,
}

/// Fetches and unpacks Debian's kernel once; nothing is installed.
fn fetch_linux(paths: &Paths) -> Result<Linux> {
    let folder = paths.root.join("cache/linux");
    if find(&folder.join("boot"), "vmlinuz-").is_none() {
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let depends = output(Command::new("apt-cache").args(["depends", KERNEL_PACKAGE]))?;
        let package = depends
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: "))
            .with_context(|| format!("apt knows no {KERNEL_PACKAGE}: run apt-get update"))?;
        run(Command::new("apt-get")
            .args(["-qq", "download", package])
            .current_dir(&folder))?;
        let archive = find(&folder, package).context("apt-get downloaded nothing")?;
        run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&folder))?;
    }
    let kernel = find(&folder.join("boot"), "vmlinuz-")
        .with_context(|| format!("no kernel in {}; remove it and try again", folder.display()))?;
    let modules = folder.join("lib/modules");
    let modules = find(&modules, "").context("the package holds no modules")?;
    Ok(Linux { kernel, modules })
}

/// The first entry of a folder whose name starts like this.
fn find(folder: &Path, start: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.into_iter().next()
}

/// An initramfs: the program as /init, the drivers, a console.
fn initramfs_of(program: &Path, linux: &Linux) -> Result<Vec<u8>> {
    let mut archive = Cpio::default();
    archive.add("init", 0o100_755, (0, 0), &read(program)?);
    archive.add("dev", 0o040_755, (0, 0), &[]);
    archive.add("dev/console", 0o020_600, (5, 1), &[]);
    for name in DRIVERS {
        let folder = if name == "virtio_blk" {
            "block"
        } else {
            "virtio"
        };
        let path = linux
            .modules
            .join(format!("kernel/drivers/{folder}/{name}.ko"));
        archive.add(&format!("{name}.ko"), 0o100_644, (0, 0), &read(&path)?);
    }
    Ok(archive.finish())
}

/// A cpio archive in the "newc" form (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
#[derive(Default)]
struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
}

impl Cpio {
    /// Adds a file, folder or device, whichever `mode` says.
    fn add(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        let size = content.len() as u32;
        let name_bytes = name.len() as u32 + 1;
        // ino, mode, uid, gid, nlink, mtime, size, device of the file system, device, length of the name, check
        let header = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            device.0,
            device.1,
            name_bytes,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in header {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }
}

/// The image both read from.
struct Disk {
    path: PathBuf,
    /// Where the data starts on the disk, in bytes.
    offset: u64,
}

fn make_disk(paths: &Paths, program: &Path, scratch: &Path) -> Result<Disk> {
    let artifact = |name: &str| read(&paths.artifacts().join(name));
    let mut image = ImageBuilder::new(
        artifact("stage1.bin")?,
        artifact("stage2.bin")?,
        artifact("kernel.elf")?,
    )?;
    image.set_free_bytes(0);
    image.add_file("/boot/runtime.elf", program);
    // Bytes that are neither zero nor alike.
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let data: Vec<u8> = words.take(DATA_BYTES / 8).flatten().collect();
    image.add_bytes("/data", data);
    let path = scratch.join("disk.img");
    image.write(&path, &mut |_| {}, &AtomicBool::new(false))?;

    let slice = partition::open_fat(FileDevice::open(&path, false)?)?;
    let start = slice.start();
    let mut volume = Volume::mount(slice)?;
    let file = volume.open("/data")?;
    let runs = volume.runs(&file)?;
    ensure!(
        runs.len() == 1,
        "the data lies in {} pieces, expected 1",
        runs.len()
    );
    Ok(Disk {
        path,
        offset: (start + runs[0].lba) * SECTOR as u64,
    })
}

/// Boots a kernel with the disk; gives what it printed.
fn boot(disk: &Path, arguments: &[PathBuf]) -> Result<String> {
    let mut command = Command::new("timeout");
    command
        .args([
            "120",
            "qemu-system-x86_64",
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-m",
            "1024",
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
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-drive"])
        .arg(format!(
            "file={},format=raw,if=virtio,snapshot=on",
            disk.display()
        ))
        .args(arguments);
    let done = command
        .stdin(Stdio::null())
        .output()
        .context("cannot start QEMU")?;
    let said = [done.stdout, done.stderr].concat();
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// What the passes of one kind came to.
struct Passes {
    how: &'static str,
    /// Median, in 10^6 bytes a second.
    speed: f64,
    /// Sum over the bytes of a pass.
    sum: String,
}

/// Reads the lines `disk-read HOW BYTES SECONDS SUM`.
fn passes(text: &str, how: &'static str) -> Result<Passes> {
    let mut speeds = Vec::new();
    let mut sums = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["disk-read", found, bytes, seconds, sum] = words[..]
            && found == how
        {
            let (bytes, seconds): (f64, f64) = (bytes.parse()?, seconds.parse()?);
            ensure!(
                bytes == DATA_BYTES as f64,
                "a pass read {bytes} bytes: {line}"
            );
            speeds.push(bytes / seconds / 1e6);
            sums.push(sum.to_owned());
        }
    }
    let sum = sums
        .first()
        .with_context(|| format!("no pass of {how}; it said:\n{text}"))?;
    ensure!(
        sums.iter().all(|other| other == sum),
        "passes of {how} read different bytes"
    );
    Ok(Passes {
        how,
        speed: median(&mut speeds),
        sum: sum.clone(),
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_read_and_judged() {
        let line = |seconds: f64, sum: &str| format!("disk-read x {DATA_BYTES} {seconds} {sum}\n");
        let text = format!(
            "boot\n{}{}{}",
            line(1.0, "a"),
            line(0.5, "a"),
            line(2.0, "a")
        );
        let found = passes(&text, "x").unwrap();
        assert_eq!(found.speed, DATA_BYTES as f64 / 1e6);
        assert!(passes(&text, "y").is_err());
        assert!(passes(&(text + &line(1.0, "b")), "x").is_err());
    }

    #[test]
    fn an_archive_is_aligned_and_ends() {
        let mut archive = Cpio::default();
        archive.add("init", 0o100_755, (0, 0), b"12345");
        let bytes = archive.finish();
        assert_eq!(&bytes[..14], b"07070100000001");
        assert_eq!(&bytes[110..115], b"init\0");
        assert_eq!(&bytes[116..124], b"12345\0\0\0");
        assert_eq!(&bytes[124..130], b"070701");
        assert!(bytes.len() % 4 == 0 && bytes.ends_with(b"TRAILER!!!\0\0\0\0"));
    }
}
