//! Power cuts in the life of an appliance: its volume, record store, boot slots and images on one disk.
//!
//! After every cut of every step the volume is sound, what was acknowledged is there, and each slot that can be started
//! names a file that is whole: the next boot comes up on something that works.

mod common;
#[path = "common/cut.rs"]
mod cut;

use common::{pattern, read_all};
use cut::{Recorder, each_cut};
use formats::checksum::checksum;
use formats::cpu::CpuFeatures;
use formats::slots::{
    BASE_PATH, COLD_PATHS, FILE_BYTES, FileRef, Kind, PATH, Reason, STORE_PATH, Slot, Table,
    new_file,
};
use std::collections::BTreeMap;
use store::area::{BlockArea, VolumeArea, locate};
use store::block::{BlockDevice, MemoryDevice, SECTOR};
use store::fat::{FormatOptions, Volume};
use store::records::Records;
use store::slots::SlotFile;

const RUNTIME: &[u8] = b"the whole runtime";
const STORE_BYTES: u32 = 96 << 10;

/// A volume as the image builder makes it, only smaller.
fn image() -> Vec<u8> {
    let device = MemoryDevice::new(6_000);
    let options = FormatOptions {
        cluster_sectors: Some(1),
        ..FormatOptions::default()
    };
    let mut volume = Volume::format(device, &options).unwrap();
    for folder in ["/boot", "/bareflow"] {
        volume.create_dir(folder).unwrap();
    }
    let runtime = volume.create(BASE_PATH).unwrap();
    volume.write_at(&runtime, 0, RUNTIME).unwrap();
    volume.create_contiguous(STORE_PATH, STORE_BYTES).unwrap();
    let base = Slot::new(Kind::Base, FileRef::describe(BASE_PATH, RUNTIME).unwrap());
    let slots = volume.create_contiguous(PATH, FILE_BYTES as u32).unwrap();
    volume
        .write_at(&slots, 0, &new_file(&Table::new(base)))
        .unwrap();
    for kind in [Kind::Evicted, Kind::Native] {
        for n in 0..2 {
            let path = format!("/bareflow/{}.{n}", kind.name());
            volume.create_contiguous(&path, 4_096).unwrap();
        }
    }
    for path in COLD_PATHS {
        volume.create_contiguous(path, 8_192).unwrap();
    }
    volume.unmount().unwrap().into_bytes()
}

/// What is known of the machine from outside.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    records: BTreeMap<u16, Vec<u8>>,
    /// Without its generation.
    table: Option<Table>,
}

struct Machine {
    volume: Volume<Recorder>,
    state: State,
    /// Events so far and the state then.
    acknowledged: Vec<(usize, State)>,
    log: cut::Log,
}

impl Machine {
    fn new(base: &[u8]) -> Self {
        let device = Recorder::new(base.to_vec());
        let log = device.log.clone();
        let mut volume = Volume::mount(device).unwrap();
        let table = slots(&mut volume).table().clone();
        let mut machine = Self {
            volume,
            state: State::default(),
            acknowledged: Vec::new(),
            log,
        };
        machine.state.table = Some(plain(&table));
        machine.acknowledge();
        machine
    }

    fn acknowledge(&mut self) {
        let events = self.log.borrow().len();
        self.acknowledged.push((events, self.state.clone()));
    }

    fn persist(&mut self, kind: u16, bytes: usize) {
        let payload = pattern(self.log.borrow().len() as u64, bytes);
        let area = VolumeArea::open(&mut self.volume, STORE_PATH).unwrap();
        let mut records = Records::open(area).unwrap();
        records.put(kind, 0, &payload).unwrap();
        self.state.records.insert(kind, payload);
        self.acknowledge();
    }

    fn update(&mut self, change: impl FnOnce(&mut Table)) {
        let mut slots = slots(&mut self.volume);
        slots
            .update(|table| {
                change(table);
                Ok(())
            })
            .unwrap();
        self.state.table = Some(plain(slots.table()));
        self.acknowledge();
    }

    /// Chooses and starts, as the kernel does. Gives the kind that came up.
    fn boot(&mut self) -> Kind {
        let table = slots(&mut self.volume).table().clone();
        let chosen = table.choose(&CpuFeatures::NONE, |_, _, _| {}).unwrap();
        if table.clone().start(chosen).unwrap() {
            self.update(|table| _ = table.start(chosen).unwrap());
        }
        table.slots[chosen].unwrap().kind
    }

    fn succeed(&mut self) {
        self.update(|table| {
            let started = table.started.unwrap();
            table.succeed(started.into()).unwrap();
        });
    }

    /// Writes an image into a slot, in the areas where its files lie.
    fn install(&mut self, kind: Kind, seed: u64) {
        let target = slots(&mut self.volume).table().target(kind).unwrap();
        let content = pattern(seed, 3_000);
        let mut slot = Slot::new(kind, FileRef::describe(target, &content).unwrap());
        let cold_content = pattern(seed + 1, 5_000);
        let cold_path = formats::cold::path_for(target);
        let mut places = vec![(content, target.to_string())];
        if kind == Kind::Evicted {
            slot.cold = Some(FileRef::describe(&cold_path, &cold_content).unwrap());
            places.push((cold_content, cold_path));
        }
        // The state in between: the older slot of the same file is taken out.
        let before = self.state.clone();
        let table = self.state.table.as_mut().unwrap();
        if let Some(old) = table.find(target) {
            table.forget(old).unwrap();
        }
        let between = self.state.clone();
        // All of it goes through one device: the files are parts of it.
        let lbas: Vec<_> = places
            .iter()
            .map(|(_, path)| locate(&mut self.volume, path).unwrap())
            .collect();
        let slots_at = locate(&mut self.volume, PATH).unwrap();
        let recorder = self.volume.device_mut();
        let shared = std::cell::RefCell::new(recorder);
        let part = |(at, bytes): (u64, u64)| {
            BlockArea::new(Shared(&shared), at / SECTOR as u64, bytes).unwrap()
        };
        let mut areas: Vec<_> = lbas.into_iter().map(part).collect();
        let mut parts: Vec<(&[u8], &mut dyn store::area::Area)> = Vec::new();
        for ((content, _), area) in places.iter().zip(&mut areas) {
            parts.push((content, area));
        }
        let mut file = SlotFile::open(part(slots_at)).unwrap();
        let first = self.log.borrow().len();
        file.install(slot, &mut parts).unwrap();
        let table = plain(file.table());
        // Forgetting is acknowledged by the first flush, if there was something to forget.
        if before != between {
            let log = self.log.borrow();
            let flush = log[first..]
                .iter()
                .position(|e| matches!(e, cut::Event::Flush));
            let at = first + flush.unwrap() + 1;
            drop(log);
            self.acknowledged.push((at, between));
        }
        self.state.table = Some(table);
        self.acknowledge();
    }
}

/// One device for several areas.
struct Shared<'a, 'b>(&'a std::cell::RefCell<&'b mut Recorder>);

impl BlockDevice for Shared<'_, '_> {
    fn sector_count(&self) -> u64 {
        self.0.borrow().sector_count()
    }
    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), store::block::BlockError> {
        self.0.borrow_mut().read(lba, buf)
    }
    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), store::block::BlockError> {
        self.0.borrow_mut().write(lba, buf)
    }
    fn flush(&mut self) -> Result<(), store::block::BlockError> {
        self.0.borrow_mut().flush()
    }
}

fn slots<D: BlockDevice>(volume: &mut Volume<D>) -> SlotFile<VolumeArea<'_, D>> {
    SlotFile::open(VolumeArea::open(volume, PATH).unwrap()).unwrap()
}

/// A table without the number of its writing.
fn plain(table: &Table) -> Table {
    let mut table = table.clone();
    table.generation = 0;
    table
}

/// Finds out what a cut left and compares it with what it may have left.
fn judge(what: &str, machine: &Machine, cut: usize, disk: Vec<u8>) {
    let mut volume = Volume::mount(MemoryDevice::from_bytes(disk)).unwrap();
    volume.check().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(read_all(&mut volume, BASE_PATH), RUNTIME, "{what}");
    let acknowledged = &machine.acknowledged;
    let done = acknowledged.iter().rposition(|(at, _)| *at <= cut).unwrap();
    let old = &acknowledged[done].1;
    let new = &acknowledged[(done + 1).min(acknowledged.len() - 1)].1;

    let table = plain(slots(&mut volume).table());
    let found = Some(table.clone());
    assert!(
        found == old.table || found == new.table,
        "{what}: {found:#?} is neither {:#?} nor {:#?}",
        old.table,
        new.table
    );
    let area = VolumeArea::open(&mut volume, STORE_PATH).unwrap();
    let mut records = Records::open(area).unwrap();
    for kind in 1..=6 {
        let payload = records.latest(kind, 0).unwrap().map(|r| r.payload);
        let expected = [old.records.get(&kind), new.records.get(&kind)];
        assert!(
            expected.contains(&payload.as_ref()),
            "{what}: record {kind}"
        );
    }
    for (i, slot) in table.iter() {
        for file in [Some(slot.file), slot.cold].into_iter().flatten() {
            let content = read_all(&mut volume, file.path.as_str());
            let sum = checksum(&content[..file.bytes as usize]);
            assert_eq!(
                file.verify(sum),
                Ok(()),
                "{what}: slot {i}, {:?}",
                file.path
            );
        }
    }
    assert!(table.choose(&CpuFeatures::NONE, |_, _, _| {}).is_some());
}

#[test]
fn every_write_in_the_life_of_an_appliance() {
    let base = image();
    let mut m = Machine::new(&base);
    // First boots: learn.
    assert_eq!(m.boot(), Kind::Base);
    m.persist(1, 60);
    m.persist(2, 6_000);
    m.persist(3, 20_000);
    // Evict, try it, and it proves itself.
    m.install(Kind::Evicted, 100);
    assert_eq!(m.boot(), Kind::Evicted);
    m.succeed();
    m.persist(3, 21_000);
    m.persist(1, 61);
    // Export: the first one hangs and is given up, the second one works.
    m.install(Kind::Native, 200);
    for _ in 0..3 {
        assert_eq!(m.boot(), Kind::Native);
    }
    assert_eq!(m.boot(), Kind::Evicted);
    m.update(|t| t.abandon(2, Reason::NoTriesLeft).unwrap());
    m.install(Kind::Native, 300);
    m.boot();
    m.succeed();
    // Evict twice more: the older file is written over.
    m.install(Kind::Evicted, 400);
    m.install(Kind::Evicted, 500);
    m.install(Kind::Native, 600);
    m.persist(3, 30_000);
    m.persist(2, 6_100);
    assert_eq!(m.boot(), Kind::Native);
    let events = m.log.borrow().clone();
    let disks = each_cut(&base, &events, 2, |cut, how, disk| {
        let what = format!("cut at {cut} of {}, {how}", events.len());
        judge(&what, &m, cut, disk);
    });
    println!("{} writes and flushes, {disks} disks", events.len());
    assert!(disks > 1_000, "{disks}");
}
