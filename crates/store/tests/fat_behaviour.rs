//! What a FAT volume does, seen from outside.

mod common;

use common::{options, pattern, read_all, sectors, volume};
use std::cell::RefCell;
use std::rc::Rc;
use store::block::{BlockDevice, BlockError, MemoryDevice};
use store::fat::{DosTime, FatError, FatKind, FormatOptions, Volume};

const BOTH: [FatKind; 2] = [FatKind::Fat16, FatKind::Fat32];

#[test]
fn files_keep_what_was_written_across_mounts() {
    for kind in BOTH {
        let mut v = volume(kind);
        v.create_dir("/boot").unwrap();
        v.create_dir("/boot/a long directory name").unwrap();
        let data = pattern(1, 100_000);
        let file = v
            .create("/boot/a long directory name/Läng€r.tar.gz")
            .unwrap();
        v.write_at(&file, 0, &data).unwrap();
        let mut v = Volume::mount(v.unmount().unwrap()).unwrap();
        assert_eq!(v.kind(), kind);
        assert_eq!(
            read_all(&mut v, "boot/A LONG directory name/läng€R.TAR.gz"),
            data
        );
        let listed = v.list("/boot/a long directory name").unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].name, "Läng€r.tar.gz");
        assert_eq!(listed[0].bytes, 100_000);
        assert_eq!(v.check().unwrap().lost_clusters, 0);
    }
}

#[test]
fn writing_inside_a_file_changes_nothing_else_on_the_disk() {
    for kind in BOTH {
        let mut v = volume(kind);
        v.create_contiguous("/record", 20_000).unwrap();
        let before = v.unmount().unwrap().into_bytes();
        let mut v = Volume::mount(MemoryDevice::from_bytes(before.clone())).unwrap();
        let (start, bytes) = store::area::locate(&mut v, "/record").unwrap();
        let file = v.open("/record").unwrap();
        v.write_at(&file, 512, &[7; 700]).unwrap();
        v.write_at(&file, bytes - 10, &[8; 10]).unwrap();
        // No unmount: the power goes.
        let after = v.device_mut().bytes_mut().to_vec();
        let inside = start as usize..(start + bytes) as usize;
        for (at, (old, new)) in before.iter().zip(&after).enumerate() {
            assert!(old == new || inside.contains(&at), "{kind:?}: byte {at}");
        }
        assert_eq!(after[inside][512..1212], [7; 700]);
    }
}

#[test]
fn reads_at_any_offset_and_stops_at_the_end() {
    let mut v = volume(FatKind::Fat16);
    let data = pattern(2, 5_000);
    let file = v.create("/f").unwrap();
    v.write_at(&file, 0, &data).unwrap();
    for (offset, length) in [
        (0, 5_000),
        (1, 511),
        (511, 2),
        (512, 1024),
        (700, 4_300),
        (4_999, 10),
    ] {
        let mut buf = vec![0; length];
        let got = v.read_at(&file, offset as u64, &mut buf).unwrap();
        let end = data.len().min(offset + length);
        assert_eq!(&buf[..got], &data[offset..end]);
    }
    assert_eq!(v.read_at(&file, 5_000, &mut [0; 4]).unwrap(), 0);
    assert_eq!(v.read_at(&file, u64::MAX, &mut [0; 4]).unwrap(), 0);
}

#[test]
fn gaps_and_regrown_tails_read_as_zeroes() {
    let mut v = volume(FatKind::Fat16);
    let file = v.create("/f").unwrap();
    v.write_at(&file, 0, &[7; 1_300]).unwrap();
    v.truncate(&file, 700).unwrap();
    v.write_at(&file, 2_000, b"x").unwrap();
    let mut expected = vec![7; 700];
    expected.resize(2_000, 0);
    expected.push(b'x');
    assert_eq!(read_all(&mut v, "/f"), expected);
    v.truncate(&file, 600).unwrap();
    v.truncate(&file, 1_500).unwrap();
    let mut expected = vec![7; 600];
    expected.resize(1_500, 0);
    assert_eq!(read_all(&mut v, "/f"), expected);
}

#[test]
fn handles_of_one_file_agree() {
    let mut v = volume(FatKind::Fat16);
    let one = v.create("/f").unwrap();
    let two = v.open("/F").unwrap();
    v.write_at(&one, 0, &[1; 3_000]).unwrap();
    assert_eq!(v.file_bytes(&two).unwrap(), 3_000);
    let mut buf = [0; 10];
    assert_eq!(v.read_at(&two, 2_995, &mut buf).unwrap(), 5);
    assert_eq!(v.remove("/f"), Err(FatError::Open { path: "/f".into() }));
    v.rename("/f", "/a much longer name than before").unwrap();
    v.write_at(&one, 3_000, b"more").unwrap();
    drop((one, two));
    assert_eq!(
        read_all(&mut v, "/a much longer name than before").len(),
        3_004
    );
    v.remove("/a much longer name than before").unwrap();
    let mut other = volume(FatKind::Fat16);
    let foreign = other.create("/g").unwrap();
    assert_eq!(v.file_bytes(&foreign), Err(FatError::StaleHandle));
}

#[test]
fn a_full_disk_is_an_error_and_changes_nothing() {
    for kind in BOTH {
        let mut v = volume(kind);
        let file = v.create("/big").unwrap();
        let free = v.free_bytes().unwrap();
        assert!(matches!(
            v.write_at(&file, free, b"x"),
            Err(FatError::Full { .. })
        ));
        assert_eq!(v.free_bytes().unwrap(), free);
        v.truncate(&file, free).unwrap();
        assert_eq!(v.free_bytes().unwrap(), 0);
        assert!(matches!(v.create_dir("/d"), Err(FatError::Full { .. })));
        assert!(matches!(
            v.write_at(&file, free, b"x"),
            Err(FatError::Full { .. })
        ));
        assert_eq!(u64::from(v.file_bytes(&file).unwrap()), free);
        assert_eq!(v.check().unwrap().lost_clusters, 0);
        v.truncate(&file, 0).unwrap();
        assert_eq!(v.free_bytes().unwrap(), free);
    }
}

#[test]
fn directories_grow_and_the_fixed_root_fills() {
    for kind in BOTH {
        let mut v = volume(kind);
        v.create_dir("/d").unwrap();
        for i in 0..200 {
            v.create(&format!("/d/file with a long name {i}")).unwrap();
        }
        assert_eq!(v.list("/d").unwrap().len(), 200);
        assert_eq!(
            v.remove("/d"),
            Err(FatError::DirectoryNotEmpty { path: "/d".into() })
        );
        for i in 0..200 {
            v.remove(&format!("/d/FILE with a long name {i}")).unwrap();
        }
        v.remove("/d").unwrap();
        let full = (0..600).find_map(|i| v.create(&format!("/F{i}")).err());
        match kind {
            FatKind::Fat16 => assert_eq!(full, Some(FatError::DirectoryFull { limit: 512 })),
            FatKind::Fat32 => assert_eq!(full, None),
        }
        assert_eq!(v.check().unwrap().lost_clusters, 0);
    }
}

#[test]
fn rename_moves_and_refuses() {
    for kind in BOTH {
        let mut v = volume(kind);
        v.create_dir("/a").unwrap();
        v.create_dir("/a/b").unwrap();
        let file = v.create("/a/b/f").unwrap();
        v.write_at(&file, 0, b"hello").unwrap();
        v.rename("/a/b", "/moved directory").unwrap();
        assert_eq!(read_all(&mut v, "/moved directory/f"), b"hello");
        v.rename("/moved directory/f", "/moved directory/F")
            .unwrap();
        assert_eq!(v.list("/moved directory").unwrap()[0].name, "F");
        v.rename("/moved directory", "/a/again").unwrap();
        assert_eq!(read_all(&mut v, "/a/again/../again/f"), b"hello");
        let refused = [
            v.rename("/a", "/a/again/x"),
            v.rename("/a", "/a/a"),
            v.rename("/a/again", "/a"),
            v.rename("/none", "/x"),
            v.rename("/", "/x"),
        ];
        assert!(
            matches!(refused[0], Err(FatError::InvalidMove { .. })),
            "{refused:?}"
        );
        assert!(matches!(refused[1], Err(FatError::InvalidMove { .. })));
        assert!(matches!(refused[2], Err(FatError::AlreadyExists { .. })));
        assert!(matches!(refused[3], Err(FatError::NotFound { .. })));
        assert!(matches!(refused[4], Err(FatError::InvalidMove { .. })));
        let report = v.check().unwrap();
        assert_eq!(
            (report.files, report.directories, report.lost_clusters),
            (1, 2, 0)
        );
    }
}

#[test]
fn replace_puts_one_file_in_the_place_of_another() {
    let mut v = volume(FatKind::Fat32);
    for (name, text) in [
        ("/old file", &pattern(3, 3_000)),
        ("/new", &pattern(4, 2_000)),
    ] {
        let file = v.create(name).unwrap();
        v.write_at(&file, 0, text).unwrap();
    }
    let free = v.free_bytes().unwrap();
    v.replace("/new", "/old file").unwrap();
    assert_eq!(read_all(&mut v, "/old file"), pattern(4, 2_000));
    assert!(matches!(v.open("/new"), Err(FatError::NotFound { .. })));
    assert_eq!(v.free_bytes().unwrap(), free + 6 * 512);
    v.replace("/old file", "/fresh").unwrap();
    assert_eq!(v.list("/").unwrap().len(), 1);
}

#[test]
fn contiguous_files_are_one_run_of_zeroes() {
    let mut v = volume(FatKind::Fat16);
    let a = v.create("/a").unwrap();
    v.write_at(&a, 0, &[1; 40_000]).unwrap();
    let b = v.create("/b").unwrap();
    v.write_at(&b, 0, &[2; 512]).unwrap();
    drop(a);
    v.remove("/a").unwrap();
    let record = v.create_contiguous("/record", 1_000_001).unwrap();
    assert_eq!(v.runs(&record).unwrap().len(), 1);
    assert!(read_all(&mut v, "/record").iter().all(|&byte| byte == 0));
    let free = v.free_bytes().unwrap() as u32;
    let error = v.create_contiguous("/too large", free).unwrap_err();
    assert!(
        matches!(error, FatError::NoContiguousRoom { .. }),
        "{error}"
    );
    assert!(v.open("/too large").is_err());
    assert_eq!(v.free_bytes().unwrap() as u32, free);
    // Fragmented by the record: written all the same, and read back in order.
    let data = pattern(5, free as usize - 512);
    let c = v.create("/c").unwrap();
    v.write_at(&c, 0, &data).unwrap();
    assert!(v.runs(&c).unwrap().len() > 1);
    assert_eq!(read_all(&mut v, "/c"), data);
}

/// Counts requests on their way to memory.
struct Counting {
    inner: MemoryDevice,
    log: Rc<RefCell<Vec<(char, u64, usize)>>>,
}

impl BlockDevice for Counting {
    fn sector_count(&self) -> u64 {
        self.inner.sector_count()
    }
    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.log.borrow_mut().push(('r', lba, buf.len()));
        self.inner.read(lba, buf)
    }
    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError> {
        self.log.borrow_mut().push(('w', lba, buf.len()));
        self.inner.write(lba, buf)
    }
    fn flush(&mut self) -> Result<(), BlockError> {
        self.log.borrow_mut().push(('f', 0, 0));
        self.inner.flush()
    }
}

#[test]
fn a_contiguous_file_is_read_in_one_request() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let device = Counting {
        inner: MemoryDevice::new(20_000),
        log: Rc::clone(&log),
    };
    let format = FormatOptions {
        cluster_sectors: Some(4),
        ..FormatOptions::default()
    };
    let mut v = Volume::format(device, &format).unwrap();
    let data = pattern(6, 5_000_000);
    let file = v.create("/model").unwrap();
    v.write_at(&file, 0, &data).unwrap();
    let mut buf = vec![0; data.len()];
    v.read_at(&file, 0, &mut buf).unwrap();
    log.borrow_mut().clear();
    v.read_at(&file, 0, &mut buf).unwrap();
    assert_eq!(buf, data);
    // One request for all whole sectors, one for the rest of the last.
    assert_eq!(log.borrow().len(), 2, "{:?}", log.borrow());
    // Overwriting in place touches data only.
    log.borrow_mut().clear();
    v.write_at(&file, 4_096, &data[..8_192]).unwrap();
    assert_eq!(log.borrow().len(), 1);
}

#[test]
fn names_are_checked() {
    let mut v = volume(FatKind::Fat16);
    for bad in ["/a:b", "/dot.", "/a?"] {
        assert!(
            matches!(v.create(bad), Err(FatError::InvalidName { .. })),
            "{bad}"
        );
    }
    let longest = format!("/{}", "n".repeat(255));
    v.create(&longest).unwrap();
    assert!(v.open(&longest).is_ok());
    assert!(v.create(&format!("{longest}n")).is_err());
    assert!(matches!(
        v.create(&longest),
        Err(FatError::AlreadyExists { .. })
    ));
    assert!(matches!(
        v.create("/no/dir"),
        Err(FatError::NotFound { .. })
    ));
    assert!(matches!(
        v.list(&longest),
        Err(FatError::NotADirectory { .. })
    ));
    assert!(matches!(v.open("/"), Err(FatError::IsADirectory { .. })));
    assert!(matches!(v.create("/"), Err(FatError::AlreadyExists { .. })));
    assert!(matches!(v.remove("/"), Err(FatError::InvalidMove { .. })));
}

#[test]
fn a_file_ends_at_4_gib() {
    let mut v = volume(FatKind::Fat16);
    let file = v.create("/f").unwrap();
    let error = v.write_at(&file, u64::from(u32::MAX), b"x").unwrap_err();
    assert_eq!(error, FatError::FileTooLarge { bytes: 1 << 32 });
}

#[test]
fn formatting_the_same_gives_the_same_bytes() {
    let make = || {
        let mut v = volume(FatKind::Fat32);
        v.set_time(DosTime::default());
        v.create_dir("/d").unwrap();
        let file = v.create("/d/f").unwrap();
        v.write_at(&file, 0, &pattern(7, 9_999)).unwrap();
        drop(file);
        v.unmount().unwrap().into_bytes()
    };
    assert!(make() == make());
}

#[test]
fn kinds_are_chosen_by_size() {
    let format = |sectors: usize| {
        let options = FormatOptions {
            zeroed: true,
            ..FormatOptions::default()
        };
        Volume::format(MemoryDevice::new(sectors), &options).map(|v| (v.kind(), v.cluster_bytes()))
    };
    assert!(matches!(
        format(4_000),
        Err(FatError::FormatSize { sectors: 4_000, .. })
    ));
    assert_eq!(format(5_000).unwrap().0, FatKind::Fat16);
    assert_eq!(format(100 << 11).unwrap(), (FatKind::Fat16, 4_096));
    assert_eq!(format(sectors(FatKind::Fat32)).unwrap().0, FatKind::Fat16);
    let fat32 = FormatOptions {
        kind: Some(FatKind::Fat32),
        ..options(FatKind::Fat32)
    };
    assert!(Volume::format(MemoryDevice::new(5_000), &fat32).is_err());
}

#[test]
fn time_stamps_are_calendar_days() {
    assert_eq!(DosTime::from_unix(0), DosTime::default());
    // 2024-02-29 13:45:58 UTC
    let leap = DosTime::from_unix(1_709_214_358);
    assert_eq!(leap.date, (44 << 9) | (2 << 5) | 29);
    assert_eq!(leap.time, (13 << 11) | (45 << 5) | 29);
    assert_eq!(DosTime::from_unix(u64::MAX / 4).date >> 9, 127);
}
