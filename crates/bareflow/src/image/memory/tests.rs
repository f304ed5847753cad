//! Tests of the preallocated files.

use super::*;
use crate::contents::Contents;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::AtomicBool;
use store::area::locate;
use store::records::{FileArea, Records, kind};
use store::slots::SlotFile;

#[test]
fn the_files_lie_in_one_piece_and_take_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.img");
    let mut image = ImageBuilder::new(vec![0; 512], vec![2; 5_000], vec![3; 1_000]).unwrap();
    let base = FileRef::describe("/boot/runtime.elf", b"runtime").unwrap();
    image.add_bytes("/boot/runtime.elf", "runtime");
    image.set_free_bytes(0);
    add_files(&mut image, 32 << 20, base, 45_000_000);
    image
        .write(&path, &mut |_| {}, &AtomicBool::new(false))
        .unwrap();
    let metadata = path.metadata().unwrap();
    assert!(metadata.len() > 100 << 20);
    assert!(metadata.blocks() * 512 < 1 << 20, "the image is sparse");

    let mut contents = Contents::open(&path).unwrap();
    let start = u64::from(contents.partition().start) * 512;
    let mut place = |path| {
        let (at, bytes) = locate(contents.volume(), path).unwrap();
        (start + at, bytes)
    };
    for (name, bytes) in [
        ("/bareflow/evicted.0", EVICTED_BYTES),
        ("/bareflow/evicted.1", EVICTED_BYTES),
        ("/bareflow/link.0", LINK_BYTES),
        ("/bareflow/link.1", LINK_BYTES),
        ("/bareflow/cold.0", 27 << 20),
        ("/bareflow/cold.1", 27 << 20),
        ("/bareflow/native.0", NATIVE_BYTES),
        ("/bareflow/native.1", NATIVE_BYTES),
    ] {
        assert_eq!(place(name).1, bytes, "{name}");
    }
    let (at, bytes) = place(STORE_PATH);
    assert_eq!(bytes, 32 << 20);
    let mut records = Records::open(FileArea::range(&path, at, bytes, true).unwrap()).unwrap();
    records.put(kind::PROFILE, 0, &[7; 100_000]).unwrap();
    let (at, bytes) = place(PATH);
    let slots = SlotFile::open(FileArea::range(&path, at, bytes, false).unwrap()).unwrap();
    assert_eq!(slots.table().slots[0].unwrap().file, base);
    assert_eq!(slots.table().iter().count(), 1);
}
