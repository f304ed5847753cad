//! Tests of the image writer, with the standard tools as witnesses.

use super::*;
use std::process::Command;

fn builder() -> ImageBuilder {
    let mut stage1 = vec![0x90; SECTOR];
    stage1[440..510].fill(0);
    ImageBuilder::new(stage1, vec![2; 5_000], vec![3; 100_001]).unwrap()
}

fn write(builder: &ImageBuilder, path: &Path) -> Summary {
    builder
        .write(path, &mut |_| {}, &AtomicBool::new(false))
        .unwrap()
}

fn run(program: &str, args: &[&str]) -> (bool, String) {
    let path = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new(program)
        .args(args)
        .env("PATH", path)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}; install mtools and dosfstools (./x does)"));
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn standard_tools_read_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let host = dir.path().join("model.gguf");
    let model: Vec<u8> = (0..9_000_000u32).map(|i| ((i * 7) >> 3) as u8).collect();
    std::fs::write(&host, &model).unwrap();
    let mut b = builder();
    b.add_file("/model/Some Model.gguf", &host);
    b.add_bytes("/app/args", "--prompt\nHello\n");
    b.add_bytes("/app/empty", "");
    let image = dir.path().join("app.img");
    let mut last = (0, 0);
    let mut progress = |p: Progress| last = (p.done, p.total);
    let summary = b
        .write(&image, &mut progress, &AtomicBool::new(false))
        .unwrap();
    assert_eq!(last, (9_100_016, 9_100_016));
    assert_eq!((summary.kind, summary.files), (FatKind::Fat16, 4));
    assert_eq!(image.metadata().unwrap().len(), summary.bytes);

    let at = format!("{}@@4M", image.display());
    let out = dir.path().join("out");
    for (path, expected) in [
        ("boot/kernel.elf", vec![3; 100_001]),
        ("model/Some Model.gguf", model),
    ] {
        let from = format!("::{path}");
        let (good, text) = run(
            "mcopy",
            &["-n", "-o", "-i", &at, &from, out.to_str().unwrap()],
        );
        assert!(good, "{text}");
        assert!(std::fs::read(&out).unwrap() == expected, "{path}");
    }
    let bytes = std::fs::read(&image).unwrap();
    std::fs::write(&out, &bytes[4 << 20..]).unwrap();
    let (clean, text) = run("fsck.fat", &["-n", "-v", out.to_str().unwrap()]);
    assert!(clean, "{text}");
    let table = partition::parse_table(bytes[..512].try_into().unwrap(), summary.bytes / 512);
    assert_eq!(table.unwrap()[0].unwrap().kind, partition::TYPE_FAT16_LBA);
    assert_eq!(bytes[512..5_512], [2; 5_000]);
    let header = Header::parse(&bytes[64 * 512..65 * 512]).unwrap();
    assert_eq!(header.verify(&bytes[65 * 512..]).unwrap(), [3; 100_001]);
}

#[test]
fn the_same_input_gives_the_same_bytes_and_zeroes_take_no_room() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one.img"), dir.path().join("two.img"));
    let mut b = builder();
    b.add_bytes("/a/zeroes", vec![0; 20 << 20]);
    let first = write(&b, &one);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(first, write(&b, &two));
    assert!(std::fs::read(&one).unwrap() == std::fs::read(&two).unwrap());
    assert!(one.metadata().unwrap().blocks() * 512 < 2 << 20);
    b.add_bytes("/a/other", "x");
    assert_ne!(write(&b, &two).volume_id, first.volume_id);
}

#[test]
fn free_room_is_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("app.img");
    let mut b = builder();
    b.add_bytes("/x", vec![1; 3 << 20]);
    for (free, kind) in [
        (0, FatKind::Fat16),
        (100 << 20, FatKind::Fat16),
        (3 << 30, FatKind::Fat32),
    ] {
        b.set_free_bytes(free);
        assert_eq!(write(&b, &image).kind, kind);
        let slice = partition::open_fat(FileDevice::open(&image, false).unwrap()).unwrap();
        let mut volume = Volume::mount(slice).unwrap();
        let found = volume.free_bytes().unwrap();
        assert!(
            found >= free && found <= free + free / 50 + (8 << 20),
            "{free}: {found}"
        );
    }
}

#[test]
fn nothing_is_left_of_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("app.img");
    std::fs::write(&image, "old").unwrap();
    let mut b = builder();
    let cancelled = b.write(&image, &mut |_| {}, &AtomicBool::new(true));
    assert!(matches!(cancelled, Err(ImageError::Cancelled)));
    b.add_file("/model/m", dir.path().join("missing"));
    let error = b
        .write(&image, &mut |_| {}, &AtomicBool::new(false))
        .unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    assert_eq!(std::fs::read_to_string(&image).unwrap(), "old");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let stage1 = vec![0; SECTOR];
    let new =
        |s1: &[u8], s2: usize, k: usize| ImageBuilder::new(s1.to_vec(), vec![1; s2], vec![1; k]);
    assert!(new(&stage1, 32_256, 1).is_ok());
    assert!(matches!(
        new(&stage1[1..], 1, 1),
        Err(ImageError::Stage { .. })
    ));
    assert!(matches!(
        new(&[1; 512], 1, 1),
        Err(ImageError::Stage { .. })
    ));
    assert!(matches!(
        new(&stage1, 32_257, 1),
        Err(ImageError::Stage { .. })
    ));
    assert!(matches!(
        new(&stage1, 1, 5 << 20),
        Err(ImageError::Kernel(_))
    ));
    let mut b = builder();
    b.add_bytes("/BOOT/Kernel.elf", "x");
    let dir = tempfile::tempdir().unwrap();
    let same = b.write(&dir.path().join("i"), &mut |_| {}, &AtomicBool::new(false));
    assert!(matches!(same, Err(ImageError::SameName { .. })));
}
