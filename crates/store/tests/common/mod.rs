//! What the tests of the store share: small volumes, and the standard tools that judge them.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::Path;
use std::process::Command;
use store::block::{FileDevice, MemoryDevice};
use store::fat::{FatKind, FormatOptions, Volume};

/// Sectors of the smallest comfortable volume of a kind.
pub fn sectors(kind: FatKind) -> usize {
    match kind {
        FatKind::Fat16 => 5_000,
        FatKind::Fat32 => 68_000,
    }
}

/// One-sector clusters: chains are long where files are short.
pub fn options(kind: FatKind) -> FormatOptions {
    FormatOptions {
        kind: Some(kind),
        cluster_sectors: Some(1),
        volume_id: 0x1234_5678,
        ..FormatOptions::default()
    }
}

/// A small empty volume in memory.
pub fn volume(kind: FatKind) -> Volume<MemoryDevice> {
    Volume::format(MemoryDevice::new(sectors(kind)), &options(kind)).unwrap()
}

/// A small empty volume in a file.
pub fn file_volume(kind: FatKind, path: &Path) -> Volume<FileDevice> {
    let device = FileDevice::create(path, sectors(kind) as u64).unwrap();
    let mut volume = Volume::format(device, &options(kind)).unwrap();
    volume.set_barriers(false);
    volume
}

/// Runs a standard tool; a missing tool fails the test, because `./x` installs it.
pub fn tool(name: &str, args: &[&str]) -> (bool, String) {
    let path = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new(name)
        .args(args)
        .env("PATH", path)
        .env("MTOOLS_SKIP_CHECK", "1")
        .output()
        .unwrap_or_else(|e| panic!("{name}: {e}; install mtools and dosfstools (./x does)"));
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// Fails unless fsck.fat finds nothing at all.
pub fn fsck(image: &Path) {
    let (clean, text) = tool("fsck.fat", &["-n", "-v", image.to_str().unwrap()]);
    let noise = [
        "Dirty bit",
        "differ",
        "wrong",
        "orphan",
        "Orphan",
        "Reclaim",
        "bad",
        "Bad ",
    ];
    assert!(
        clean && !noise.iter().any(|word| text.contains(word)),
        "fsck.fat: {text}"
    );
}

/// Bytes that differ from place to place.
pub fn pattern(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// The whole file at `path`.
pub fn read_all<D: store::block::BlockDevice>(volume: &mut Volume<D>, path: &str) -> Vec<u8> {
    let file = volume.open(path).unwrap();
    let mut bytes = vec![0; volume.file_bytes(&file).unwrap() as usize];
    assert_eq!(volume.read_at(&file, 0, &mut bytes).unwrap(), bytes.len());
    bytes
}
