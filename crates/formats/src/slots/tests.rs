//! Tests of the boot slot table: its layout, and who is started when.

use super::*;
use alloc::vec::Vec;
use proptest::prelude::*;

fn slot(kind: Kind, path: &str) -> Slot {
    Slot::new(kind, FileRef::describe(path, path.as_bytes()).unwrap())
}

fn base() -> Table {
    Table::new(slot(Kind::Base, BASE_PATH))
}

fn full() -> Table {
    let mut table = base();
    let mut evicted = slot(Kind::Evicted, EVICTED_PATHS[0]);
    evicted.cold = Some(FileRef::describe(COLD_PATHS[0], b"cold").unwrap());
    evicted.build = 5;
    let mut native = slot(Kind::Native, NATIVE_PATHS[1]);
    native.features = CpuFeatures::from_llvm(["avx2", "fma"]);
    native.program = 77;
    table.install(evicted).unwrap();
    table.install(native).unwrap();
    table
}

fn haswell() -> CpuFeatures {
    CpuFeatures::from_llvm(["avx2", "fma", "bmi2"])
}

fn choose(table: &Table, found: &CpuFeatures) -> Option<usize> {
    table.choose(found, |_, _, _| {})
}

#[test]
fn a_table_survives() {
    let mut table = full();
    table.start(2).unwrap();
    table.abandon(1, Reason::Exited { code: -7 }).unwrap();
    let file = new_file(&table);
    let (found, copy) = pick(&file).unwrap();
    table.generation = 1;
    assert_eq!((found, copy), (table, 0));
}

#[test]
fn the_newer_valid_copy_is_the_table() {
    let mut file = new_file(&base());
    let (mut table, mut current) = pick(&file).unwrap();
    for generation in 2..6 {
        let (at, copy) = next_copy(&mut table, current);
        file[at as usize..][..COPY_BYTES].copy_from_slice(&copy);
        let (found, now) = pick(&file).unwrap();
        assert_eq!((found.generation, now), (generation, 1 - current));
        assert_eq!(now * COPY_BYTES, at as usize);
        current = now;
    }
    // The newer one damaged: the older one counts.
    file[current * COPY_BYTES + 700] ^= 1;
    assert_eq!(pick(&file).unwrap().0.generation, 4);
    file[(1 - current) * COPY_BYTES + 9] ^= 1;
    assert_eq!(pick(&file), Err(SlotError::NoTable));
    assert_eq!(pick(&[0; FILE_BYTES]), Err(SlotError::NoTable));
    assert!(matches!(pick(&file[1..]), Err(SlotError::Size { .. })));
}

#[test]
fn native_then_evicted_then_base() {
    let mut table = full();
    assert_eq!(choose(&table, &haswell()), Some(2));
    // Another processor skips the native one and keeps it.
    let mut told = Vec::new();
    let nehalem = CpuFeatures::from_llvm(["sse4.2"]);
    let chosen = table.choose(&nehalem, |i, _, why| {
        told.push((i, alloc::format!("{why}")))
    });
    assert_eq!(chosen, Some(1));
    assert_eq!(told, [(2, "this CPU lacks fma avx2".into())]);
    assert_eq!(choose(&table, &haswell()), Some(2));
    table.abandon(2, Reason::Checksum { found: 1 }).unwrap();
    assert_eq!(choose(&table, &haswell()), Some(1));
    table.abandon(1, Reason::ByHand).unwrap();
    assert_eq!(choose(&table, &haswell()), Some(0));
    assert_eq!(table.abandon(0, Reason::ByHand), Err(SlotError::Base));
    assert_eq!(table.forget(0), Err(SlotError::Base));
    assert_eq!(choose(&table, &CpuFeatures::NONE), Some(0));
}

#[test]
fn tries_are_used_up_unless_it_proves_itself() {
    let mut table = full();
    for left in (0..DEFAULT_TRIES).rev() {
        let chosen = choose(&table, &haswell()).unwrap();
        assert_eq!((chosen, table.start(chosen)), (2, Ok(true)));
        assert_eq!(table.slots[2].unwrap().state, State::Trial { tries: left });
    }
    assert_eq!(choose(&table, &haswell()), Some(1));
    assert_eq!(table.start(1), Ok(true));
    assert_eq!(table.succeed(1), Ok(true));
    assert_eq!(table.succeed(1), Ok(false));
    for _ in 0..300 {
        assert_eq!(choose(&table, &haswell()), Some(1));
        assert_eq!(table.start(1), Ok(false), "a proved slot costs no write");
    }
    assert_eq!(table.start(7), Err(SlotError::NoSlot { index: 7 }));
    assert_eq!(table.start(0), Ok(true));
    assert_eq!(table.start(0), Ok(false));
}

#[test]
fn a_new_image_steps_before_the_old_one() {
    let mut table = base();
    assert_eq!(table.target(Kind::Native), Some(NATIVE_PATHS[0]));
    assert_eq!(table.target(Kind::Base), None);
    let first = table.install(slot(Kind::Native, NATIVE_PATHS[0])).unwrap();
    table.start(first).unwrap();
    table.succeed(first).unwrap();
    assert_eq!(table.target(Kind::Native), Some(NATIVE_PATHS[1]));
    let second = table.install(slot(Kind::Native, NATIVE_PATHS[1])).unwrap();
    assert_ne!(first, second);
    assert_eq!(choose(&table, &haswell()), Some(second));
    // The new one fails: back to the old one, and its file is the one to write next.
    table.start(second).unwrap();
    table
        .abandon(second, Reason::Faulted { vector: 6 })
        .unwrap();
    assert_eq!(choose(&table, &haswell()), Some(first));
    table.start(first).unwrap();
    assert_eq!(table.target(Kind::Native), Some(NATIVE_PATHS[1]));
    let again = table.install(slot(Kind::Native, NATIVE_PATHS[1])).unwrap();
    assert_eq!((again, choose(&table, &haswell())), (second, Some(second)));
    // Installing for ever uses no more slots and lowers nothing below zero.
    for i in 0..100 {
        let path = table.target(Kind::Native).unwrap();
        let index = table.install(slot(Kind::Native, path)).unwrap();
        assert_eq!(choose(&table, &haswell()), Some(index), "{i}");
        table.start(index).unwrap();
        table.succeed(index).unwrap();
    }
    assert_eq!(table.iter().count(), 3);
}

#[test]
fn reasons_survive() {
    let reasons = [
        Reason::NoTriesLeft,
        Reason::Hung { seconds: 120 },
        Reason::Faulted { vector: 14 },
        Reason::Exited { code: -1 },
        Reason::Checksum { found: u64::MAX },
        Reason::File,
        Reason::Refused,
        Reason::OtherProgram { found: 3 },
        Reason::OtherBuild { found: 4 },
        Reason::ByHand,
    ];
    for (i, reason) in reasons.into_iter().enumerate() {
        let (number, detail) = reason.encode();
        assert_eq!(usize::from(number), i + 1);
        assert_eq!(Reason::decode(number, detail), Some(reason));
    }
    assert_eq!(Reason::decode(0, 0), None);
    assert_eq!(Reason::decode(1, 1), None);
}

#[test]
fn each_damage_has_its_own_error() {
    let signed = |at: usize, to: u8| {
        let mut table = full();
        table.generation = 1;
        let mut copy = table.encode();
        copy[at] = to;
        copy[16..24].fill(0);
        let sum = checksum(&copy);
        copy[16..24].copy_from_slice(&sum.to_le_bytes());
        Table::parse(&copy).unwrap_err()
    };
    let field = |slot, field| SlotError::Field { slot, field };
    assert_eq!(signed(0, b'X'), SlotError::Magic { found: *b"XLTS" });
    assert_eq!(signed(4, 2), SlotError::Version { found: 2 });
    assert_eq!(signed(8, 0), field(MAX_SLOTS, "the generation"));
    assert_eq!(
        signed(6, 7),
        field(MAX_SLOTS, "the number of the slot started last")
    );
    assert_eq!(signed(40, 7), field(MAX_SLOTS, "a reserved field"));
    let second = SLOTS + SLOT;
    assert_eq!(signed(second, 9), field(1, "the kind"));
    assert_eq!(signed(second, 0), field(1, "the kind"));
    assert_eq!(signed(second + 1, 3), field(1, "the state"));
    assert_eq!(signed(second + 1, 2), field(1, "the state"));
    assert_eq!(signed(second + 5, 3), field(1, "a reserved field"));
    assert_eq!(signed(second + 96, b'x'), field(1, "the path"));
    assert_eq!(signed(second + 97, 0), field(1, "the path"));
    assert_eq!(
        signed(second + 144, 0),
        field(1, "the path of the cold file")
    );
    let copy = full().encode();
    assert!(matches!(
        Table::parse(&copy[1..]),
        Err(SlotError::Size { .. })
    ));
    assert!(Path::new("relative").is_err() && Path::new(&"/".repeat(49)).is_err());
}

proptest! {
    #[test]
    fn any_table_is_safe(changes in proptest::collection::vec((0usize..COPY_BYTES, any::<u8>()), 0..30)) {
        let mut table = full();
        table.generation = 9;
        let mut copy = table.encode();
        for (at, to) in &changes {
            copy[*at] = *to;
        }
        let is_same = copy == table.encode();
        prop_assert_eq!(Table::parse(&copy).is_ok(), is_same);
        copy[16..24].fill(0);
        let sum = checksum(&copy);
        copy[16..24].copy_from_slice(&sum.to_le_bytes());
        if let Ok(mut table) = Table::parse(&copy) {
            prop_assert_eq!(table.encode(), copy);
            // What is accepted can be used: choosing ends, and numbers stay inside.
            while let Some(chosen) = table.choose(&CpuFeatures::NONE, |_, _, _| {}) {
                table.start(chosen).unwrap();
                if table.abandon(chosen, Reason::Refused).is_err() {
                    break;
                }
            }
            for kind in [Kind::Evicted, Kind::Native] {
                let path = table.target(kind).unwrap();
                let _ = table.install(slot(kind, path));
            }
        }
    }
}
