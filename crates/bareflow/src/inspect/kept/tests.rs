//! Tests of what is told about a machine's memory, on an image that has lived.

use super::*;
use crate::image::{ImageBuilder, memory};
use formats::slots::{BASE_PATH, EVICTED_PATHS, Kind, Reason};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use store::area::{FileArea, locate};

fn image(path: &Path) {
    let mut image = ImageBuilder::new(vec![0; 512], vec![2; 5_000], vec![3; 1_000]).unwrap();
    image.add_bytes(BASE_PATH, "runtime");
    image.set_free_bytes(0);
    let base = FileRef::describe(BASE_PATH, b"runtime").unwrap();
    memory::add_files(&mut image, 1 << 20, base, 1_000_000);
    image
        .write(path, &mut |_| {}, &AtomicBool::new(false))
        .unwrap();
}

/// A file of the image as an area: what a hosted runtime does.
fn area(path: &Path, name: &str) -> FileArea {
    let mut contents = Contents::open(path).unwrap();
    let start = u64::from(contents.partition().start) * 512;
    let (at, bytes) = locate(contents.volume(), name).unwrap();
    FileArea::range(path, start + at, bytes, true).unwrap()
}

fn live(path: &Path) {
    let mut records = Records::open(area(path, STORE_PATH)).unwrap();
    records.put(kind::BOOT, 0, b"1").unwrap();
    records.put(kind::BOOT, 0, b"2").unwrap();
    let mut fast = snap::Function::new("matmul", 4, [1; 32], &[0x90; 3000]);
    fast.variant = 2;
    let slow = snap::Function::new("parse", 1, [1; 32], &[0xC3; 10]);
    let set = snap::Snap {
        boot_count: 2,
        cpu_key: 0xABC,
        build: 7,
        functions: vec![slow, fast],
    };
    let code = snap::encode(&set).unwrap();
    records.put(kind::CODE, 0xABC, &code).unwrap();
    records.put(77, 1, b"of a later version").unwrap();
    let mut slots = SlotFile::open(area(path, PATH)).unwrap();
    let content = b"evicted runtime";
    let mut slot = Slot::new(
        Kind::Evicted,
        FileRef::describe(EVICTED_PATHS[0], content).unwrap(),
    );
    slot.features.add("avx2");
    let mut file = area(path, EVICTED_PATHS[0]);
    let index = slots.install(slot, &mut [(content, &mut file)]).unwrap();
    slots.update(|t| t.start(index)).unwrap();
    let hung = Reason::Hung { seconds: 120 };
    slots.update(|t| t.abandon(index, hung)).unwrap();
}

#[test]
fn what_was_kept_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.img");
    image(&path);
    live(&path);
    let mut contents = Contents::open(&path).unwrap();
    let report = kept(&mut contents).unwrap().unwrap();
    let text = text(&report);
    for expected in [
        "slots      generation 4",
        "  0 base     priority 10  success",
        " *1 evicted  priority 20  abandoned: it did not prove itself within 120 s",
        "/bareflow/evicted.0 15 B",
        "needs avx2",
        "  boot     0                generation     2        1 B  newest",
        "  boot     0                generation     1        1 B  old",
        "  77       1 ",
        "code       abc: 2 functions, 3010 B, boot 2, build 0000000000000007",
        "  O3           1 functions     3000 B",
        "    O3       3000 B  matmul variant 2",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["slots"]["slots"][1]["state"], "abandoned");
    assert_eq!(json["store"]["records"][0]["generation"], 2);
    assert_eq!(json["code"][0]["functions"][0]["name"], "matmul");
    assert_eq!(json["code"][0]["tiers"][1]["tier"], "O0");

    let name = |text: &str| text.parse::<RecordName>().unwrap();
    assert_eq!(payload(&mut contents, &name("boot:0")).unwrap(), b"2");
    assert_eq!(payload(&mut contents, &name("boot:0@1")).unwrap(), b"1");
    let code = payload(&mut contents, &name("code:abc")).unwrap();
    assert_eq!(snap::parse(&code).unwrap().functions.len(), 2);
    for missing in ["boot:1", "boot:0@3", "profile:0"] {
        let error = payload(&mut contents, &name(missing)).unwrap_err();
        assert!(error.to_string().contains(missing), "{error}");
    }
}

#[test]
fn damage_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.img");
    image(&path);
    live(&path);
    let damage = |name: &str, at: u64| {
        let mut area = area(&path, name);
        let mut sector = [0; 512];
        store::area::Area::read_at(&mut area, at, &mut sector).unwrap();
        sector[3] ^= 1;
        store::area::Area::write_at(&mut area, at, &sector).unwrap();
    };
    damage(EVICTED_PATHS[0], 0);
    // The first header, and the payload of the third record.
    damage(STORE_PATH, 0);
    damage(STORE_PATH, 16 * 512 + 2 * 4096);
    let report = kept(&mut Contents::open(&path).unwrap()).unwrap().unwrap();
    let text = text(&report);
    for expected in [
        "(checksum ",
        "damaged: checksum",
        "header 0: record header: ",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    damage(PATH, 0);
    damage(PATH, 2048);
    let report = kept(&mut Contents::open(&path).unwrap()).unwrap().unwrap();
    assert!(report.slots.state.contains("neither copy"));
}

#[test]
fn a_lived_image_is_clean_for_fsck() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.img");
    image(&path);
    for _ in 0..3 {
        live(&path);
    }
    let bytes = std::fs::read(&path).unwrap();
    let volume = folder.path().join("volume");
    std::fs::write(&volume, &bytes[4 << 20..]).unwrap();
    let search = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new("fsck.fat")
        .args(["-n", "-v"])
        .arg(&volume)
        .env("PATH", search)
        .output()
        .unwrap_or_else(|e| panic!("fsck.fat: {e}; install dosfstools (./x does)"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn records_have_names() {
    let parse = |text: &str| text.parse::<RecordName>();
    let name = parse("code:0xab@7").unwrap();
    assert_eq!((name.kind, name.key), (kind::CODE, 0xAB));
    assert_eq!(name.generation, Some(7));
    assert_eq!(parse("99:0").unwrap().kind, 99);
    for wrong in [
        "code",
        "code:",
        "code:x",
        "nothing:0",
        "code:1@x",
        "70000:0",
    ] {
        assert!(parse(wrong).unwrap_err().contains("profile"), "{wrong}");
    }
}

#[test]
fn an_image_without_memory_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.img");
    let mut image = ImageBuilder::new(vec![0; 512], vec![2; 5_000], vec![3; 1_000]).unwrap();
    image.set_free_bytes(0);
    image
        .write(&path, &mut |_| {}, &AtomicBool::new(false))
        .unwrap();
    let report = kept(&mut Contents::open(&path).unwrap()).unwrap();
    assert!(report.is_none());
}
