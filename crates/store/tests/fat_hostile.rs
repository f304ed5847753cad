//! Hostile volumes: every byte from the disk may be anything, and the answer is an error at worst.

mod common;

use common::{options, pattern, sectors, volume};
use proptest::prelude::*;
use store::block::{BlockDevice, MemoryDevice, SECTOR};
use store::fat::{Damage, FatError, FatKind, Volume};

/// Byte offset of the first FAT and bytes of one FAT of the test volumes.
fn fat_place(bytes: &[u8], kind: FatKind) -> (usize, usize) {
    let u16_at = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let sectors = match kind {
        FatKind::Fat16 => u16_at(22),
        FatKind::Fat32 => u16_at(36),
    };
    (u16_at(14) * SECTOR, sectors * SECTOR)
}

fn filled(kind: FatKind) -> Vec<u8> {
    let mut v = volume(kind);
    v.create_dir("/dir").unwrap();
    for (name, bytes) in [
        ("/a", 5_000),
        ("/dir/a long name for b", 3_000),
        ("/dir/c", 700),
    ] {
        let file = v.create(name).unwrap();
        v.write_at(&file, 0, &pattern(1, bytes)).unwrap();
    }
    v.unmount().unwrap().into_bytes()
}

/// Does everything that can be done with a volume; errors are fine, panics and hangs are not.
fn exercise(bytes: Vec<u8>) {
    let Ok(mut v) = Volume::mount(MemoryDevice::from_bytes(bytes)) else {
        return;
    };
    v.set_barriers(false);
    let mut buf = vec![0; 10_000];
    for path in ["/a", "/dir/a long name for b", "/dir/c", "/dir/../dir/c"] {
        if let Ok(file) = v.open(path) {
            let _ = v.read_at(&file, 0, &mut buf);
            let _ = v.read_at(&file, 4_321, &mut buf);
            let _ = v.runs(&file);
        }
    }
    for path in ["/", "/dir"] {
        for entry in v.list(path).unwrap_or_default() {
            let _ = v.metadata(&format!("{path}/{}", entry.name));
        }
    }
    let _ = v.free_bytes();
    let _ = v.check();
    if let Ok(file) = v.open("/a") {
        let _ = v.write_at(&file, 100, &buf);
        let _ = v.truncate(&file, 10);
    }
    let _ = v
        .create("/dir/new file with a long name")
        .map(|file| v.write_at(&file, 0, &buf));
    let _ = v.create_dir("/dir/new directory");
    let _ = v.rename("/dir/c", "/renamed to something else");
    let _ = v.rename("/dir", "/dir2");
    let _ = v.replace("/renamed to something else", "/a");
    let _ = v.remove("/a");
    let _ = v.remove("/dir2");
    let _ = v.sync();
}

fn set_link(bytes: &mut [u8], kind: FatKind, cluster: usize, value: u32) {
    let (start, size) = fat_place(bytes, kind);
    for copy in 0..2 {
        match kind {
            FatKind::Fat16 => {
                let at = start + copy * size + cluster * 2;
                bytes[at..at + 2].copy_from_slice(&(value as u16).to_le_bytes());
            }
            FatKind::Fat32 => {
                let at = start + copy * size + cluster * 4;
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
        }
    }
}

fn first_cluster(kind: FatKind, path: &str) -> usize {
    let mut v = Volume::mount(MemoryDevice::from_bytes(filled(kind))).unwrap();
    let file = v.open(path).unwrap();
    let run = v.runs(&file).unwrap()[0];
    let data_start = {
        // Cluster 2 is where FAT32 keeps its root and FAT16 its first directory.
        let mut fresh = Volume::mount(MemoryDevice::from_bytes(filled(kind))).unwrap();
        let all = fresh.capacity_bytes() / SECTOR as u64;
        let slack = sectors(kind) as u64 - all;
        assert!(fresh.device_mut().sector_count() > slack);
        slack
    };
    (run.lba - data_start) as usize + 2
}

#[test]
fn broken_chains_have_their_own_errors() {
    for kind in [FatKind::Fat16, FatKind::Fat32] {
        let a = first_cluster(kind, "/a");
        let b = first_cluster(kind, "/dir/a long name for b");
        let end = 0x0FFF_FFFF;
        for (cluster, link, expected) in [
            (a + 1, a as u32, Damage::Loop),
            (a + 1, (a + 1) as u32, Damage::Loop),
            (a, 0, Damage::Free),
            (a, 0x0FFF_FFF7, Damage::Bad),
            (
                a,
                60_000 + 10_000 * u32::from(kind == FatKind::Fat32),
                Damage::OutOfRange { found: 0 },
            ),
            (a, 1, Damage::OutOfRange { found: 1 }),
            (a, end, Damage::TooShort { bytes: 5_000 }),
        ] {
            let mut bytes = filled(kind);
            set_link(&mut bytes, kind, cluster, link);
            let mut v = Volume::mount(MemoryDevice::from_bytes(bytes)).unwrap();
            let file = v.open("/a").unwrap();
            let mut buf = vec![0; 5_000];
            let read = v.read_at(&file, 0, &mut buf);
            let (
                Err(FatError::Damaged {
                    damage: by_read, ..
                }),
                Err(FatError::Damaged { damage, path, .. }),
            ) = (read, v.check())
            else {
                panic!("{expected:?} was not found");
            };
            let kind_of = std::mem::discriminant::<Damage>;
            assert_eq!(kind_of(&damage), kind_of(&expected), "{damage:?}");
            assert_eq!(kind_of(&by_read), kind_of(&expected), "{by_read:?}");
            assert_eq!(path, "/a");
            // The sound part is still there, and nothing can be written.
            let file = v.open("/dir/c").unwrap();
            assert_eq!(v.read_at(&file, 0, &mut buf).unwrap(), 700);
            assert!(matches!(v.create("/x"), Err(FatError::Damaged { .. })));
        }
        let mut bytes = filled(kind);
        set_link(&mut bytes, kind, a, b as u32);
        let mut v = Volume::mount(MemoryDevice::from_bytes(bytes)).unwrap();
        let crossed = Err(Damage::CrossLink);
        let damage = |e| match e {
            FatError::Damaged { damage, .. } => damage,
            other => panic!("{other}"),
        };
        // Shorter than the file says or owned twice: either is found, depending on which name comes first.
        let found = v.check().map(drop).map_err(damage);
        assert!(
            found == crossed || found == Err(Damage::TooShort { bytes: 5_000 }),
            "{found:?}"
        );
        assert!(v.create("/x").is_err());
    }
}

#[test]
fn a_directory_that_contains_itself_is_found() {
    for kind in [FatKind::Fat16, FatKind::Fat32] {
        let mut v = volume(kind);
        v.create_dir("/dir").unwrap();
        v.create_dir("/dir/in").unwrap();
        let bytes = v.unmount().unwrap().into_bytes();
        let sector_of = |name: &[u8]| {
            let at = bytes.windows(11).position(|window| window == name).unwrap();
            (at, u16::from_le_bytes([bytes[at + 26], bytes[at + 27]]))
        };
        let (outer, cluster) = sector_of(b"DIR~1      ".as_slice());
        let _ = outer;
        let (inner, _) = sector_of(b"IN~1       ".as_slice());
        let mut hostile = bytes.clone();
        hostile[inner + 26..inner + 28].copy_from_slice(&cluster.to_le_bytes());
        let mut v = Volume::mount(MemoryDevice::from_bytes(hostile.clone())).unwrap();
        let error = v.check().unwrap_err();
        assert!(
            matches!(
                error,
                FatError::Damaged {
                    damage: Damage::CrossLink,
                    ..
                }
            ),
            "{error}"
        );
        exercise(hostile);
    }
}

#[test]
fn a_device_too_short_for_its_volume_is_refused() {
    let mut bytes = filled(FatKind::Fat16);
    bytes.truncate(bytes.len() - SECTOR);
    let error = Volume::mount(MemoryDevice::from_bytes(bytes))
        .err()
        .unwrap();
    assert!(error.to_string().contains("number of sectors"), "{error}");
    let _ = options(FatKind::Fat16);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn damaged_boot_sectors_never_panic(
        fat32: bool,
        changes in prop::collection::vec((0usize..90, any::<u8>()), 1..6),
    ) {
        let kind = if fat32 { FatKind::Fat32 } else { FatKind::Fat16 };
        thread_local! {
            static BASE: [Vec<u8>; 2] = [filled(FatKind::Fat16), filled(FatKind::Fat32)];
        }
        let mut bytes = BASE.with(|base| base[usize::from(kind == FatKind::Fat32)].clone());
        for (at, value) in changes {
            bytes[at] = value;
        }
        exercise(bytes);
    }

    #[test]
    fn damaged_tables_and_directories_never_panic(
        fat32: bool,
        table in prop::collection::vec((0usize..120, any::<u32>()), 0..8),
        small in prop::collection::vec((0usize..60, 0u32..60), 0..8),
        data in prop::collection::vec((0usize..40 * SECTOR, any::<u8>()), 0..40),
    ) {
        let kind = if fat32 { FatKind::Fat32 } else { FatKind::Fat16 };
        thread_local! {
            static BASE: [Vec<u8>; 2] = [filled(FatKind::Fat16), filled(FatKind::Fat32)];
        }
        let mut bytes = BASE.with(|base| base[usize::from(kind == FatKind::Fat32)].clone());
        for (cluster, value) in table.into_iter().chain(small) {
            set_link(&mut bytes, kind, cluster, value);
        }
        let (start, size) = fat_place(&bytes, kind);
        for (at, value) in data {
            bytes[start + 2 * size + at] = value;
        }
        exercise(bytes);
    }
}
