//! Volumes against mtools, mkfs.fat and fsck.fat: each side reads what the other wrote.

mod common;

use common::{file_volume, fsck, pattern, read_all, tool};
use std::path::Path;
use store::block::FileDevice;
use store::fat::{FatKind, Volume};

const BOTH: [FatKind; 2] = [FatKind::Fat16, FatKind::Fat32];
const NAMES: [&str; 7] = [
    "KERNEL.ELF",
    "kernel.cfg",
    "a name with blanks and.several.dots.txt",
    ".hidden",
    "exactly13char",
    "ümlaut und €.txt",
    "n2345678901234567890123456789012345678901234567890123456789012345678901234567890.x",
];

fn mtools(name: &str, image: &Path, args: &[&str]) -> String {
    let mut all = vec!["-i", image.to_str().unwrap()];
    all.extend(args);
    let (good, text) = tool(name, &all);
    assert!(good, "{name} {args:?}: {text}");
    text
}

#[test]
fn fsck_accepts_a_fresh_volume() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk.img");
        file_volume(kind, &image).unmount().unwrap();
        fsck(&image);
        let text = mtools("minfo", &image, &["::"]);
        assert!(text.contains("BAREFLOW"), "{text}");
    }
}

#[test]
fn mtools_reads_what_we_wrote() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk.img");
        let mut v = file_volume(kind, &image);
        v.create_dir("/deep").unwrap();
        v.create_dir("/deep/deeper").unwrap();
        for (i, name) in NAMES.iter().enumerate() {
            let file = v.create(&format!("/deep/deeper/{name}")).unwrap();
            v.write_at(&file, 0, &pattern(i as u64, i * 7_001)).unwrap();
        }
        v.rename(
            "/deep/deeper/kernel.cfg",
            "/deep/deeper/renamed to something long.cfg",
        )
        .unwrap();
        v.rename("/deep/deeper/.hidden", "/moved").unwrap();
        v.remove("/deep/deeper/exactly13char").unwrap();
        v.unmount().unwrap();
        fsck(&image);
        let out = dir.path().join("out");
        for (i, path) in [
            (0, "deep/deeper/KERNEL.ELF"),
            (1, "deep/deeper/renamed to something long.cfg"),
            (2, "deep/deeper/a name with blanks and.several.dots.txt"),
            (3, "moved"),
            (
                6,
                "deep/deeper/n2345678901234567890123456789012345678901234567890123456789012345678901234567890.x",
            ),
        ] {
            mtools(
                "mcopy",
                &image,
                &["-n", "-o", &format!("::{path}"), out.to_str().unwrap()],
            );
            assert!(
                std::fs::read(&out).unwrap() == pattern(i, i as usize * 7_001),
                "{path}"
            );
        }
        let listing = mtools("mdir", &image, &["-b", "-/", "::"]);
        assert!(!listing.contains("exactly13char"), "{listing}");
    }
}

#[test]
fn we_read_and_extend_what_mkfs_and_mtools_wrote() {
    for (bits, kib, clusters) in [
        ("16", "20000", "4"),
        ("16", "3000", "1"),
        ("32", "40000", "1"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk.img");
        let path = image.to_str().unwrap();
        let (good, text) = tool(
            "mkfs.fat",
            &["-C", "-F", bits, "-s", clusters, "-S", "512", path, kib],
        );
        assert!(good, "{text}");
        mtools("mmd", &image, &["::Some Directory"]);
        let host = dir.path().join("host");
        for (i, name) in NAMES.iter().enumerate() {
            std::fs::write(&host, pattern(i as u64, i * 5_003)).unwrap();
            let target = format!("::Some Directory/{name}");
            if name.is_ascii() {
                mtools("mcopy", &image, &[host.to_str().unwrap(), &target]);
            }
        }
        let mut v = Volume::mount(FileDevice::open(&image, true).unwrap()).unwrap();
        for (i, name) in NAMES.iter().enumerate().filter(|(_, name)| name.is_ascii()) {
            let path = format!("/some directory/{name}");
            assert!(
                read_all(&mut v, &path) == pattern(i as u64, i * 5_003),
                "{name}"
            );
            assert!(
                v.list("/Some Directory")
                    .unwrap()
                    .iter()
                    .any(|entry| entry.name == *name)
            );
            let file = v.open(&path).unwrap();
            v.write_at(&file, i as u64 * 5_003, &pattern(9, 10_000))
                .unwrap();
        }
        v.remove("/Some Directory/kernel.cfg").unwrap();
        v.unmount().unwrap();
        fsck(&image);
        let out = dir.path().join("out");
        mtools(
            "mcopy",
            &image,
            &["-n", "::Some Directory/KERNEL.ELF", out.to_str().unwrap()],
        );
        assert!(std::fs::read(&out).unwrap() == pattern(9, 10_000));
    }
}
