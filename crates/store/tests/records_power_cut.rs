//! Power cuts under the record store: every write of every scenario stopped, torn, lost or out of order.
//!
//! After each of them the store opens, every acknowledged record is there, the one that was being written is the old or the new
//! one, no generation ever reads as anything but what was put under it, and the store goes on working.

mod common;
#[path = "common/cut.rs"]
mod cut;

use common::pattern;
use cut::{Recorder, each_cut};
use std::collections::{BTreeMap, BTreeSet};
use store::block::{MemoryDevice, SECTOR};
use store::records::{BlockArea, RecordError, Records};

/// 16 headers and 14 blocks.
const AREA: usize = 64 << 10;
const BLOCK: usize = 4096;

#[derive(Clone, Copy, Debug)]
enum Op {
    Put(u16, usize),
    Remove(u16),
    /// The program ends and starts again.
    Reopen,
    /// A put that must be refused.
    Refused(u16, usize),
}
use Op::{Put, Refused, Remove, Reopen};

const SCENARIOS: &[(&str, &[Op])] = &[
    ("put", &[Put(1, 700)]),
    (
        "put, put",
        &[Put(1, 700), Put(1, 5_000), Put(2, 0), Put(1, 1)],
    ),
    (
        "overwrite a full ring",
        &[
            Put(1, BLOCK),
            Put(2, 3 * BLOCK),
            Put(2, 3 * BLOCK),
            Put(1, 2 * BLOCK),
            Put(2, 3 * BLOCK),
            Put(1, BLOCK),
            Put(2, 3 * BLOCK + 1),
            Put(1, 2 * BLOCK),
            Put(2, 3 * BLOCK),
            Put(2, 4 * BLOCK),
        ],
    ),
    (
        "many small ones use up the headers",
        &[
            Put(1, 0),
            Put(2, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(1, 0),
            Put(2, 9),
            Put(1, 0),
        ],
    ),
    (
        "remove",
        &[
            Put(1, 100),
            Put(2, 100),
            Put(1, 200),
            Put(1, 300),
            Remove(1),
            Put(2, 5_000),
            Put(1, 400),
            Remove(2),
            Remove(1),
        ],
    ),
    (
        "full",
        &[
            Put(1, 7 * BLOCK),
            Refused(1, 8 * BLOCK),
            Put(1, 7 * BLOCK),
            Put(1, 6 * BLOCK),
            Refused(2, 10 * BLOCK),
            Put(2, 8 * BLOCK),
            Refused(2, BLOCK),
            Remove(1),
            Put(2, 6 * BLOCK),
        ],
    ),
    (
        "in pieces",
        &[
            Put(1, 3 * BLOCK),
            Put(2, 2 * BLOCK),
            Put(3, 2 * BLOCK),
            Put(4, 2 * BLOCK),
            Put(5, 2 * BLOCK),
            Remove(2),
            Remove(4),
            Put(6, 5 * BLOCK),
            Put(1, 2 * BLOCK),
        ],
    ),
    (
        "boots",
        &[
            Put(1, 60),
            Reopen,
            Put(1, 61),
            Put(2, 9_000),
            Put(3, 12_000),
            Reopen,
            Put(1, 62),
            Put(2, 9_100),
            Put(3, 12_100),
            Reopen,
            Put(1, 63),
            Put(2, 9_200),
            Remove(3),
            Reopen,
            Put(1, 64),
            Put(3, 12_200),
        ],
    ),
];

type State = BTreeMap<u16, Vec<u8>>;
type Store = Records<BlockArea<Recorder>>;

fn open(device: Recorder) -> Store {
    Records::open(BlockArea::new(device, 0, AREA as u64).unwrap()).unwrap()
}

/// Runs a scenario; gives all events, and for each moment from which on an operation was under way or done, the state it leads to.
struct Run {
    events: Vec<cut::Event>,
    /// Number of events when the operation had returned, and the state then.
    acknowledged: Vec<(usize, State)>,
    /// All payloads by generation.
    put: BTreeMap<u64, BTreeSet<Vec<u8>>>,
}

fn run(base: &[u8], ops: &[Op], before: State) -> Run {
    let device = Recorder::new(base.to_vec());
    let log = device.log.clone();
    let mut store = open(device);
    let mut state = before;
    let mut acknowledged = vec![(0, state.clone())];
    let mut put: BTreeMap<u64, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for (i, op) in ops.iter().enumerate() {
        match *op {
            Put(kind, bytes) => {
                let payload = pattern(i as u64 * 7 + 1, bytes);
                let generation = store.put(kind, 0, &payload).unwrap();
                put.entry(generation).or_default().insert(payload.clone());
                state.insert(kind, payload);
            }
            Refused(kind, bytes) => {
                let written = log.borrow().len();
                let error = store.put(kind, 0, &pattern(1, bytes)).unwrap_err();
                assert!(matches!(error, RecordError::NoRoom { .. }), "{error}");
                assert_eq!(log.borrow().len(), written);
            }
            Remove(kind) => {
                assert!(store.remove(kind, 0).unwrap());
                state.remove(&kind);
            }
            Reopen => store = open(store.into_inner().into_inner()),
        }
        acknowledged.push((log.borrow().len(), state.clone()));
    }
    let events = log.borrow().clone();
    Run {
        events,
        acknowledged,
        put,
    }
}

/// Opens what a cut left and compares it with what was acknowledged and what was under way. Gives the state found.
fn judge(what: &str, run: &Run, cut: usize, disk: &[u8]) -> State {
    let device = MemoryDevice::from_bytes(disk.to_vec());
    let area = BlockArea::new(device, 0, AREA as u64).unwrap();
    let mut store = Records::open(area).unwrap_or_else(|e| panic!("{what}: {e}"));
    let done = run.acknowledged.iter().rposition(|(at, _)| *at <= cut);
    let done = done.unwrap();
    let (_, old) = &run.acknowledged[done];
    let new = run.acknowledged.get(done + 1).map(|(_, state)| state);
    let mut found = State::new();
    // A header comes after its payload: the last one that was written is believed without a look at it.
    if let Some(last) = store.list().iter().map(|info| info.generation).max() {
        assert!(
            store.get(last).unwrap().is_some(),
            "{what}: {last} is not whole"
        );
    }
    for kind in 1..=6 {
        let record = store
            .latest(kind, 0)
            .unwrap_or_else(|e| panic!("{what}: {e}"));
        let payload = record.map(|r| r.payload);
        let expected = [old.get(&kind), new.unwrap_or(old).get(&kind)];
        assert!(
            expected.contains(&payload.as_ref()),
            "{what}: kind {kind} has {:?} bytes, expected {:?}",
            payload.map(|p| p.len()),
            expected.map(|e| e.map(Vec::len))
        );
        if let Some(payload) = payload {
            found.insert(kind, payload);
        }
    }
    for info in store.list() {
        if let Some(record) = store.get(info.generation).unwrap() {
            let known = run.put.get(&info.generation);
            let known = known.is_some_and(|payloads| payloads.contains(&record.payload));
            assert!(known, "{what}: generation {} is invented", info.generation);
        }
    }
    // The next boot writes as if nothing had happened.
    match store.put(7, 0, b"goes on") {
        Ok(_) | Err(RecordError::NoRoom { .. } | RecordError::NoHeader { .. }) => {}
        Err(error) => panic!("{what}: {error}"),
    }
    let mut store = Records::open(store.into_inner()).unwrap();
    for kind in 1..=6 {
        let payload = store.latest(kind, 0).unwrap().map(|r| r.payload);
        assert_eq!(
            payload.as_ref(),
            found.get(&kind),
            "{what}: kind {kind} later"
        );
    }
    found
}

#[test]
fn every_cut_of_every_scenario() {
    let mut disks = 0;
    for (name, ops) in SCENARIOS {
        let base = vec![0; AREA];
        let run = run(&base, ops, State::new());
        disks += each_cut(&base, &run.events, 4, |cut, how, disk| {
            let what = format!("{name}, cut at {cut} of {}, {how}", run.events.len());
            judge(&what, &run, cut, &disk);
        });
    }
    println!("{disks} disks judged");
    assert!(disks > 4_000, "{disks}");
}

#[test]
fn a_cut_after_a_cut() {
    // What a first cut left is the disk on which the second one happens.
    let first: &[Op] = &[
        Put(1, 5_000),
        Put(2, 5_000),
        Put(1, 9_000),
        Put(2, 9_000),
        Put(1, 3 * BLOCK),
        Remove(2),
    ];
    let second: &[Op] = &[Put(2, 2 * BLOCK), Put(1, 5_000), Put(1, 100), Put(2, 0)];
    let base = vec![0; AREA];
    let one = run(&base, first, State::new());
    let mut disks = 0;
    each_cut(&base, &one.events, 1, |cut, how, disk| {
        // One in five: they differ little.
        disks += 1;
        if disks % 5 != 0 {
            return;
        }
        let what = format!("first cut at {cut}, {how}");
        let found = judge(&what, &one, cut, &disk);
        let mut two = run(&disk, second, found);
        for (generation, payloads) in &one.put {
            let known = two.put.entry(*generation).or_default();
            known.extend(payloads.iter().cloned());
        }
        each_cut(&disk, &two.events, 0, |cut, how, disk| {
            judge(&format!("{what}; second at {cut}, {how}"), &two, cut, &disk);
        });
    });
}

#[test]
fn the_judge_notices_a_store_without_flushes() {
    // Without its flushes the same protocol loses acknowledged data: a test that cannot fail says nothing.
    let base = vec![0; AREA];
    let mut run = run(&base, SCENARIOS[2].1, State::new());
    let is_write = |event: &&cut::Event| matches!(event, cut::Event::Write(..));
    for (at, _) in &mut run.acknowledged {
        *at = run.events[..*at].iter().filter(is_write).count();
    }
    run.events.retain(|event| is_write(&event));
    let noticed = std::panic::catch_unwind(|| {
        each_cut(&base, &run.events, 4, |cut, how, disk| {
            judge(&format!("{cut}, {how}"), &run, cut, &disk);
        });
    });
    assert!(noticed.is_err());
}

#[test]
fn sectors_are_the_unit_of_writes() {
    let run = run(&vec![0; AREA], SCENARIOS[7].1, State::new());
    for event in &run.events {
        if let cut::Event::Write(lba, data) = event {
            let end = (*lba as usize) * SECTOR + data.len();
            assert!(end <= AREA && data.len().is_multiple_of(SECTOR));
        }
    }
}
