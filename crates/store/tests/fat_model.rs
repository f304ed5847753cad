//! Random operations on a volume and on a map in memory: both must always agree.

mod common;

use common::{file_volume, fsck, pattern, volume};
use proptest::prelude::*;
use std::collections::BTreeMap;
use store::block::BlockDevice;
use store::fat::{FatError, FatKind, Volume};

#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    Contiguous(u8, u32),
    Write(u8, u32, u32),
    Truncate(u8, u32),
    Remove(u8),
    Rename(u8, u8),
    Replace(u8, u8),
    Remount,
}

fn path(number: u8) -> String {
    let name = match number % 4 {
        0 => format!("F{number}"),
        1 => format!("a rather long name with number {number}"),
        2 => format!("lower{number}.txt"),
        _ => format!("{}{number}", "very ".repeat(number as usize % 40)),
    };
    match number % 3 {
        0 => format!("/{name}"),
        1 => format!("/one/{name}"),
        _ => format!("/one/two words/{name}"),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let file = 0u8..12;
    let offset = prop_oneof![0u32..3_000, 0u32..60_000];
    let size = prop_oneof![1u32..2_000, 1u32..50_000];
    prop_oneof![
        3 => file.clone().prop_map(Step::Create),
        1 => (file.clone(), 0u32..100_000).prop_map(|(f, s)| Step::Contiguous(f, s)),
        8 => (file.clone(), offset.clone(), size).prop_map(|(f, o, s)| Step::Write(f, o, s)),
        3 => (file.clone(), offset).prop_map(|(f, s)| Step::Truncate(f, s)),
        2 => file.clone().prop_map(Step::Remove),
        3 => (file.clone(), 0u8..12).prop_map(|(f, t)| Step::Rename(f, t)),
        1 => (file, 0u8..12).prop_map(|(f, t)| Step::Replace(f, t)),
        1 => Just(Step::Remount),
    ]
}

type Model = BTreeMap<u8, Vec<u8>>;

fn apply<D: BlockDevice>(v: &mut Volume<D>, model: &mut Model, seed: u64, step: &Step) {
    match *step {
        Step::Create(f) => match v.create(&path(f)) {
            Ok(_) => assert!(model.insert(f, Vec::new()).is_none()),
            Err(FatError::AlreadyExists { .. }) => assert!(model.contains_key(&f)),
            Err(error) => panic!("{error}"),
        },
        Step::Contiguous(f, bytes) => match v.create_contiguous(&path(f), bytes) {
            Ok(file) => {
                assert!(v.runs(&file).unwrap().len() <= 1);
                assert!(model.insert(f, vec![0; bytes as usize]).is_none());
            }
            Err(FatError::AlreadyExists { .. }) => assert!(model.contains_key(&f)),
            Err(FatError::NoContiguousRoom { .. } | FatError::Full { .. }) => {}
            Err(error) => panic!("{error}"),
        },
        Step::Write(f, offset, size) => {
            let Ok(file) = v.open(&path(f)) else {
                return assert!(!model.contains_key(&f));
            };
            let data = pattern(seed, size as usize);
            match v.write_at(&file, offset.into(), &data) {
                Ok(()) => {
                    let bytes = model.get_mut(&f).unwrap();
                    let end = offset as usize + data.len();
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[offset as usize..end].copy_from_slice(&data);
                }
                Err(FatError::Full { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        Step::Truncate(f, size) => {
            let Ok(file) = v.open(&path(f)) else { return };
            match v.truncate(&file, size.into()) {
                Ok(()) => model.get_mut(&f).unwrap().resize(size as usize, 0),
                Err(FatError::Full { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        Step::Remove(f) => assert_eq!(v.remove(&path(f)).is_ok(), model.remove(&f).is_some()),
        Step::Rename(f, to) => match v.rename(&path(f), &path(to)) {
            Ok(()) => {
                let bytes = model.remove(&f).unwrap();
                assert!(model.insert(to, bytes).is_none());
            }
            Err(FatError::NotFound { .. }) => assert!(!model.contains_key(&f)),
            Err(FatError::AlreadyExists { .. }) => assert!(model.contains_key(&to)),
            Err(error) => panic!("{error}"),
        },
        Step::Replace(f, to) => match v.replace(&path(f), &path(to)) {
            Ok(()) => {
                let bytes = model.remove(&f).unwrap();
                model.insert(to, bytes);
            }
            Err(FatError::NotFound { .. }) => assert!(!model.contains_key(&f)),
            Err(error) => panic!("{error}"),
        },
        Step::Remount => {}
    }
}

fn compare<D: BlockDevice>(v: &mut Volume<D>, model: &Model) {
    let report = v.check().unwrap();
    assert_eq!(report.files as usize, model.len());
    assert_eq!((report.lost_clusters, report.overlong_chains), (0, 0));
    for (&f, bytes) in model {
        assert!(common::read_all(v, &path(f)) == *bytes, "{}", path(f));
    }
}

fn prepare<D: BlockDevice>(v: &mut Volume<D>) {
    v.create_dir("/one").unwrap();
    v.create_dir("/one/two words").unwrap();
    // Most of the volume is taken, so that it gets full now and then.
    let ballast = v.create("/one/two words/ballast").unwrap();
    let free = v.free_bytes().unwrap();
    v.truncate(&ballast, free - 300_000).unwrap();
    drop(ballast);
    v.rename("/one/two words/ballast", "/ballast").unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_volume_is_a_map(fat32: bool, steps in prop::collection::vec(step(), 1..60)) {
        let kind = if fat32 { FatKind::Fat32 } else { FatKind::Fat16 };
        let mut v = volume(kind);
        v.create_dir("/one").unwrap();
        v.create_dir("/one/two words").unwrap();
        let mut model = Model::new();
        for (seed, step) in steps.iter().enumerate() {
            apply(&mut v, &mut model, seed as u64, step);
            if matches!(step, Step::Remount) {
                v = Volume::mount(v.unmount().unwrap()).unwrap();
            }
        }
        compare(&mut v, &model);
        let mut v = Volume::mount(v.unmount().unwrap()).unwrap();
        compare(&mut v, &model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn fsck_agrees_even_when_the_volume_gets_full(
        fat32: bool,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let kind = if fat32 { FatKind::Fat32 } else { FatKind::Fat16 };
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk.img");
        let mut v = file_volume(kind, &image);
        prepare(&mut v);
        let mut model = Model::new();
        for (seed, step) in steps.iter().enumerate() {
            apply(&mut v, &mut model, seed as u64, step);
        }
        v.sync().unwrap();
        assert_eq!(v.check().unwrap().lost_clusters, 0);
        fsck(&image);
    }
}
