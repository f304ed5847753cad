//! Power cuts: at every write of a scenario, with writes cut in half, lost or reordered since the last flush.
//!
//! After each cut the volume must be sound (lost clusters are allowed, nothing else), every file that the interrupted
//! operation did not touch must be whole, and the one it did touch must be as it was or as it was to be.

mod common;

use common::{pattern, read_all, sectors, volume};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use store::block::{BlockDevice, BlockError, MemoryDevice, SECTOR};
use store::fat::{FatError, FatKind, Volume};

#[derive(Clone)]
enum Event {
    Write(u64, Vec<u8>),
    Flush,
}

/// Memory that remembers what happened to it.
struct Recorder {
    inner: MemoryDevice,
    log: Rc<RefCell<Vec<Event>>>,
}

impl BlockDevice for Recorder {
    fn sector_count(&self) -> u64 {
        self.inner.sector_count()
    }
    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.inner.read(lba, buf)
    }
    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError> {
        self.log.borrow_mut().push(Event::Write(lba, buf.to_vec()));
        self.inner.write(lba, buf)
    }
    fn flush(&mut self) -> Result<(), BlockError> {
        self.log.borrow_mut().push(Event::Flush);
        self.inner.flush()
    }
}

type Files = BTreeMap<String, Vec<u8>>;
type Operation = fn(&mut Volume<Recorder>) -> Result<(), FatError>;

/// Name, what is done, and the paths that it may change.
const SCENARIO: &[(&str, Operation, &[&str])] = &[
    (
        "create",
        |v| v.create("/a new file with a long name").map(drop),
        &["/a new file with a long name"],
    ),
    (
        "grow",
        |v| {
            let file = v.open("/grows")?;
            v.write_at(&file, 700, &pattern(20, 9_000))
        },
        &["/grows"],
    ),
    (
        "grow with a gap",
        |v| {
            let file = v.open("/grows")?;
            v.write_at(&file, 20_000, &pattern(21, 100))
        },
        &["/grows"],
    ),
    (
        "shrink",
        |v| {
            let file = v.open("/shrinks")?;
            v.truncate(&file, 1_000)
        },
        &["/shrinks"],
    ),
    (
        "empty",
        |v| {
            let file = v.open("/shrinks")?;
            v.truncate(&file, 0)
        },
        &["/shrinks"],
    ),
    (
        "remove",
        |v| v.remove("/dir/goes with a long name"),
        &["/dir/goes with a long name"],
    ),
    (
        "take what was freed",
        |v| {
            let file = v.create("/takes")?;
            v.write_at(&file, 0, &pattern(22, 12_000))
        },
        &["/takes"],
    ),
    (
        "rename in place",
        |v| v.rename("/dir/old", "/dir/NEW"),
        &["/dir/old", "/dir/NEW"],
    ),
    (
        "rename to a longer name",
        |v| {
            v.rename(
                "/dir/NEW",
                "/dir/a very much longer name than it had before",
            )
        },
        &[
            "/dir/NEW",
            "/dir/a very much longer name than it had before",
        ],
    ),
    (
        "move",
        |v| v.rename("/dir/moves", "/sub/moved"),
        &["/dir/moves", "/sub/moved"],
    ),
    (
        "replace",
        |v| v.replace("/next", "/current"),
        &["/next", "/current"],
    ),
    (
        "create a directory",
        |v| v.create_dir("/sub/another directory"),
        &[],
    ),
    (
        "fill a directory",
        |v| {
            for i in 0..20 {
                v.create(&format!("/sub/another directory/file with a long name {i}"))?;
            }
            Ok(())
        },
        &["/sub/another directory"],
    ),
    (
        "contiguous",
        |v| v.create_contiguous("/record", 30_000).map(drop),
        &["/record"],
    ),
];

fn prepared(kind: FatKind) -> MemoryDevice {
    let mut v = volume(kind);
    v.create_dir("/dir").unwrap();
    v.create_dir("/sub").unwrap();
    for (i, name) in [
        "/grows",
        "/shrinks",
        "/dir/goes with a long name",
        "/dir/old",
        "/dir/moves",
        "/next",
        "/current",
        "/bystander",
        "/dir/bystander with a long name",
    ]
    .iter()
    .enumerate()
    {
        let file = v.create(name).unwrap();
        // Interleaved, so that chains are not in one piece.
        v.write_at(&file, 0, &pattern(i as u64, 2_000)).unwrap();
    }
    for name in ["/grows", "/shrinks", "/current", "/bystander"] {
        let file = v.open(name).unwrap();
        v.write_at(&file, 2_000, &pattern(9, 3_333)).unwrap();
    }
    v.unmount().unwrap()
}

fn all_files<D: BlockDevice>(v: &mut Volume<D>) -> Files {
    let mut files = Files::new();
    let mut pending = vec![String::new()];
    while let Some(folder) = pending.pop() {
        for entry in v.list(&format!("{folder}/")).unwrap() {
            let path = format!("{folder}/{}", entry.name);
            if entry.is_directory {
                pending.push(path);
            } else {
                let bytes = read_all(v, &path);
                files.insert(path, bytes);
            }
        }
    }
    files
}

/// What is on the disk after a cut: `base`, and of `events` those that `kept` says (as a number of sectors).
fn after_cut(base: &[u8], events: &[Event], kept: impl Fn(usize, usize) -> usize) -> MemoryDevice {
    let mut bytes = base.to_vec();
    for (i, event) in events.iter().enumerate() {
        if let Event::Write(lba, data) = event {
            let count = kept(i, data.len() / SECTOR) * SECTOR;
            let at = *lba as usize * SECTOR;
            bytes[at..at + count].copy_from_slice(&data[..count]);
        }
    }
    MemoryDevice::from_bytes(bytes)
}

fn judge(what: &str, disk: MemoryDevice, before: &Files, after: &Files, touched: &[&str]) {
    let mut v = Volume::mount(disk).unwrap_or_else(|e| panic!("{what}: {e}"));
    v.check().unwrap_or_else(|e| panic!("{what}: {e}"));
    let found = all_files(&mut v);
    let is_touched = |path: &str| touched.iter().any(|t| path.starts_with(t));
    for (path, bytes) in before {
        if !is_touched(path) {
            assert!(found.get(path) == Some(bytes), "{what}: {path} was damaged");
        }
    }
    for (path, bytes) in &found {
        if before.get(path) == Some(bytes) || after.get(path) == Some(bytes) {
            continue;
        }
        assert!(is_touched(path), "{what}: {path} came out of nowhere");
        // In between there may be an empty file by the new name, and a growing file has its old size with new
        // data in its old part.
        let old = before.get(path).map_or(0, Vec::len);
        let new = after.get(path).map_or(0, Vec::len);
        let size = bytes.len();
        assert!(
            size == 0 || size == old || size == new,
            "{what}: {path} has {size} bytes"
        );
    }
    // A file that was there before and is not touched by name is there; a replaced one is old or new.
    if touched.contains(&"/current") {
        let current = found.get("/current");
        let whole = current == before.get("/current") || current == after.get("/current");
        assert!(whole, "{what}: the replaced file is neither old nor new");
    }
}

fn cuts(kind: FatKind, random_orders: usize) {
    let mut base = prepared(kind).into_bytes();
    for (name, operation, touched) in SCENARIO {
        let log = Rc::new(RefCell::new(Vec::new()));
        let device = Recorder {
            inner: MemoryDevice::from_bytes(base.clone()),
            log: Rc::clone(&log),
        };
        let mut v = Volume::mount(device).unwrap();
        let before = all_files(&mut v);
        operation(&mut v).unwrap_or_else(|e| panic!("{name}: {e}"));
        let after = all_files(&mut v);
        v.sync().unwrap();
        let events = log.borrow().clone();
        assert!(events.iter().any(|e| matches!(e, Event::Flush)), "{name}");
        for cut in 0..=events.len() {
            let what = format!("{kind:?}: {name}, cut at {cut} of {}", events.len());
            // Stopped between two writes.
            let disk = after_cut(&base, &events[..cut], |_, sectors| sectors);
            judge(&what, disk, &before, &after, touched);
            // The last write cut in half.
            if let Some(Event::Write(_, data)) = events[..cut].last()
                && data.len() > SECTOR
            {
                let torn = |i, sectors| if i + 1 == cut { sectors / 2 } else { sectors };
                judge(
                    &what,
                    after_cut(&base, &events[..cut], torn),
                    &before,
                    &after,
                    touched,
                );
            }
            // Any of the writes since the last flush may be missing.
            let flushed = events[..cut]
                .iter()
                .rposition(|e| matches!(e, Event::Flush))
                .unwrap_or(0);
            for seed in 0..random_orders {
                let coins = pattern((cut * 31 + seed) as u64, events.len());
                let some = |i: usize, sectors| match i < flushed || coins[i] & 1 == 1 {
                    true => sectors,
                    false => 0,
                };
                let what = format!("{what}, seed {seed}");
                judge(
                    &what,
                    after_cut(&base, &events[..cut], some),
                    &before,
                    &after,
                    touched,
                );
            }
        }
        base = v.unmount().unwrap().inner.into_bytes();
        assert_eq!(base.len(), sectors(kind) * SECTOR);
    }
}

#[test]
fn fat16_survives_every_cut() {
    cuts(FatKind::Fat16, 3);
}

#[test]
fn fat32_survives_every_cut() {
    cuts(FatKind::Fat32, 1);
}
