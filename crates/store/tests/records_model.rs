//! The record store against a model: any sequence of operations, and the boots of a year.

mod common;

use common::pattern;
use proptest::prelude::*;
use std::collections::BTreeMap;
use store::records::{MemoryArea, RecordError, Records, kind};

const BLOCK: u64 = 4096;

#[derive(Clone, Debug)]
enum Op {
    Put { key: u64, bytes: usize },
    Remove { key: u64 },
    Reopen,
    Verify,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0u64..7, size()).prop_map(|(key, bytes)| Op::Put { key, bytes }),
        2 => (0u64..7).prop_map(|key| Op::Remove { key }),
        1 => Just(Op::Reopen),
        1 => Just(Op::Verify),
    ]
}

/// Sizes around whole blocks, small ones mostly.
fn size() -> impl Strategy<Value = usize> {
    let block = BLOCK as usize;
    prop_oneof![
        0usize..600,
        (0usize..12, 0usize..3)
            .prop_map(move |(blocks, more)| (blocks * block + more).saturating_sub(1)),
        0usize..14 * block,
    ]
}

fn blocks(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BLOCK)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_does_what_a_map_does(ops in proptest::collection::vec(op(), 1..60)) {
        // 16 headers, 14 blocks.
        let mut store = Records::open(MemoryArea::new(64 << 10)).unwrap();
        let mut newest: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut all: BTreeMap<u64, (u64, Vec<u8>)> = BTreeMap::new();
        for (i, op) in ops.into_iter().enumerate() {
            match op {
                Op::Put { key, bytes } => {
                    let payload = pattern(i as u64 + 1, bytes);
                    let kept: u64 = newest.values().map(|p| blocks(p.len())).sum();
                    let result = store.put(1, key, &payload);
                    // Everything fits that fits beside the newest of all keys; nothing else does.
                    if kept + blocks(bytes) > 14 {
                        let available = (14 - kept) * BLOCK;
                        let expected = RecordError::NoRoom { needed: bytes as u64, available };
                        prop_assert_eq!(result, Err(expected));
                    } else {
                        let generation = result.unwrap();
                        prop_assert!(all.keys().all(|older| *older < generation));
                        all.insert(generation, (key, payload.clone()));
                        newest.insert(key, payload);
                    }
                }
                Op::Remove { key } => {
                    prop_assert_eq!(store.remove(1, key), Ok(newest.remove(&key).is_some()));
                    // Numbers are given anew after the newest record of all is removed.
                    all.retain(|_, (k, _)| *k != key);
                }
                Op::Reopen => store = Records::open(store.into_inner()).unwrap(),
                Op::Verify => {
                    // After it, what counts as valid is valid.
                    store.verify().unwrap();
                    for info in store.list().iter().filter(|info| info.state.is_valid()) {
                        prop_assert!(store.get(info.generation).unwrap().is_some());
                    }
                }
            }
            for key in 0..7 {
                let found = store.latest(1, key).unwrap().map(|r| r.payload);
                prop_assert_eq!(found.as_ref(), newest.get(&key));
            }
            for info in store.list() {
                if let Some(record) = store.get(info.generation).unwrap() {
                    let known = all.get(&info.generation);
                    prop_assert_eq!(known, Some(&(info.key, record.payload)));
                }
            }
            let usage = store.usage();
            let kept: u64 = newest.values().map(|p| blocks(p.len()) * BLOCK).sum();
            prop_assert_eq!(usage.newest, kept);
            prop_assert!(usage.newest + usage.old <= usage.capacity);
        }
    }

    #[test]
    fn damage_costs_what_is_damaged(
        sizes in proptest::collection::vec((0u64..3, 0usize..9_000), 1..12),
        flips in proptest::collection::vec((0usize..64 << 10, 0u8..8), 1..6),
    ) {
        let mut store = Records::open(MemoryArea::new(64 << 10)).unwrap();
        let mut put = BTreeMap::new();
        for (i, (key, bytes)) in sizes.into_iter().enumerate() {
            let payload = pattern(i as u64 + 1, bytes);
            if let Ok(generation) = store.put(2, key, &payload) {
                put.insert(generation, (key, payload));
            }
        }
        let mut bytes = store.into_inner().into_bytes();
        for (at, bit) in flips {
            bytes[at] ^= 1 << bit;
        }
        let mut store = Records::open(MemoryArea::from_bytes(bytes)).unwrap();
        store.verify().unwrap();
        for info in store.list() {
            if let Some(record) = store.get(info.generation).unwrap() {
                prop_assert_eq!(put.get(&info.generation), Some(&(info.key, record.payload)));
            }
        }
        for key in 0..3 {
            let valid = store.list().into_iter().filter(|i| i.key == key && i.state.is_valid());
            let best = valid.map(|i| i.generation).max();
            prop_assert_eq!(store.latest(2, key).unwrap().map(|r| r.generation), best);
        }
        store.put(2, 0, b"goes on").unwrap();
    }
}

/// One boot of an appliance: what it reads, and what it writes.
fn boot(mut store: Records<MemoryArea>, number: u64) -> Records<MemoryArea> {
    let cpu = number / 100 % 3;
    if number > 0 {
        let before = store.latest(kind::BOOT, 0).unwrap().unwrap();
        assert_eq!(before.payload, (number - 1).to_le_bytes());
        let log = store.latest(kind::BOOT_LOG, 0).unwrap().unwrap();
        assert_eq!(log.payload.len() as u64, 120 * number);
    }
    store.put(kind::BOOT, 0, &number.to_le_bytes()).unwrap();
    let profile = 250_000 + (number * 7_919 % 50_000) as usize;
    let profile = pattern(number, profile);
    store.put(kind::PROFILE, 0, &profile).unwrap();
    let code = pattern(number, 900_000 + (number * 104_729 % 400_000) as usize);
    store.put(kind::CODE, cpu, &code).unwrap();
    store
        .put(kind::COVERAGE, 5, &pattern(number, 9_000))
        .unwrap();
    let log = vec![b'x'; 120 * (number as usize + 1)];
    store.put(kind::BOOT_LOG, 0, &log).unwrap();
    // The machine is switched off.
    let mut store = Records::open(store.into_inner()).unwrap();
    assert_eq!(
        store.latest(kind::CODE, cpu).unwrap().unwrap().payload,
        code
    );
    assert_eq!(
        store.latest(kind::PROFILE, 0).unwrap().unwrap().payload,
        profile
    );
    store
}

#[test]
fn three_hundred_boots_need_no_more_room_than_thirty() {
    let mut store = Records::open(MemoryArea::new(8 << 20)).unwrap();
    let mut after_thirty = None;
    for number in 0..300 {
        store = boot(store, number);
        let usage = store.usage();
        assert!(usage.newest + usage.old <= usage.capacity);
        assert!(usage.records <= usage.headers);
        if number == 30 {
            after_thirty = Some(usage);
        }
    }
    let (before, after) = (after_thirty.unwrap(), store.usage());
    // Full of old generations, both times: they stay while there is room.
    for usage in [before, after] {
        assert!(usage.free() < usage.capacity / 4, "{usage:?}");
    }
    // Code for three processors is kept now instead of for one.
    assert!(after.newest < before.newest + 3_000_000, "{after:?}");
    for cpu in 0..3 {
        assert!(store.latest(kind::CODE, cpu).unwrap().is_some());
    }
    assert_eq!(store.into_inner().into_bytes().len(), 8 << 20);
}
