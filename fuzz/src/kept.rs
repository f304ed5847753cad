//! What is kept on the disk from boot to boot: code sets, boot slots, records.

use formats::checksum::{Checksum, checksum};
use formats::cpu::CpuFeatures;
use formats::record::HEADER_BYTES;
use formats::slots::{self, COPY_BYTES, FILE_BYTES, FileRef, Kind, Reason, Slot};
use formats::snap;
use store::records::{MemoryArea, RecordError, Records};
use store::slots::SlotFile;

/// A profile: what is read is written again, never longer than it was.
pub fn profile(data: &[u8]) {
    let Ok(mut profile) = formats::profile::parse(data) else {
        return;
    };
    let again = formats::profile::encode(&mut profile);
    // Varints may have been longer than they need be.
    assert!(again.len() <= data.len());
    assert_eq!(formats::profile::parse(&again).as_ref(), Ok(&profile));
}

/// A code set, as it is and with the checksum of its head made right.
pub fn snap(data: &[u8]) {
    check_snap(data);
    let field =
        |at: usize| u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
    if data.len() < 64 {
        return;
    }
    let head = 64u64 + 96 * u64::from(field(40)) + u64::from(field(44));
    if head <= data.len() as u64 {
        let mut signed = data.to_vec();
        let mut sum = Checksum::new();
        sum.update(&data[..56]).update(&data[64..head as usize]);
        signed[56..64].copy_from_slice(&sum.finish().to_le_bytes());
        check_snap(&signed);
    }
}

fn check_snap(data: &[u8]) {
    let Ok(set) = snap::parse(data) else { return };
    let again = snap::encode(&set).unwrap();
    if set.functions.iter().all(|f| f.verify().is_ok()) {
        assert_eq!(again, data, "an accepted set is what encode writes");
    }
    let total: usize = set
        .functions
        .iter()
        .map(|f| f.code.len() + f.details.len())
        .sum();
    assert!(total <= data.len());
}

/// A slot table, as it is and with its checksums made right. What is accepted can be used, and always has something to boot
/// if it has a base slot that needs nothing.
pub fn slots(data: &[u8]) {
    let mut file = [0; FILE_BYTES];
    let count = data.len().min(FILE_BYTES);
    file[..count].copy_from_slice(&data[..count]);
    use_slots(&file);
    for copy in file.chunks_exact_mut(COPY_BYTES) {
        copy[16..24].fill(0);
        let sum = checksum(copy);
        copy[16..24].copy_from_slice(&sum.to_le_bytes());
    }
    use_slots(&file);
}

fn use_slots(file: &[u8; FILE_BYTES]) {
    let Ok((table, current)) = slots::pick(file) else {
        return;
    };
    assert_eq!(table.encode(), file[current * COPY_BYTES..][..COPY_BYTES]);
    let mut slots = SlotFile::open(MemoryArea::from_bytes(file.to_vec())).unwrap();
    let found = CpuFeatures::from_llvm(["sse2", "avx2"]);
    // As often as a slot can be tried: then all that do not prove themselves are given up.
    for _ in 0..slots::MAX_SLOTS * 256 {
        let chosen = slots
            .table()
            .choose(&found, |_, _, why| drop(why.to_string()));
        let Some(chosen) = chosen else { break };
        let slot = slots.table().slots[chosen].unwrap();
        assert!(slot.features.is_subset_of(&found));
        slots.update(|t| t.start(chosen)).unwrap();
        if slots
            .update(|t| t.abandon(chosen, Reason::Refused))
            .is_err()
        {
            assert_eq!(slot.kind, Kind::Base);
            break;
        }
    }
    let mut image = MemoryArea::new(512);
    for kind in [Kind::Evicted, Kind::Native] {
        let path = slots.table().target(kind).unwrap();
        let slot = Slot::new(kind, FileRef::describe(path, b"image").unwrap());
        if let Ok(index) = slots.install(slot, &mut [(b"image", &mut image)]) {
            assert_eq!(slots.table().slots[index], Some(slot));
        }
    }
    let table = slots.table().clone();
    let again = SlotFile::open(slots.into_inner()).unwrap();
    assert_eq!(again.table(), &table);
}

/// A record store, as it is and with the checksums of its headers made right. It opens, reads nothing that is damaged, and goes
/// on working.
pub fn records(data: &[u8]) {
    const AREA: usize = 64 << 10;
    const HEADERS: usize = 16;
    let mut area = data[..data.len().min(AREA)].to_vec();
    area.resize(AREA, 0);
    use_records(area.clone());
    for header in area[..HEADERS * HEADER_BYTES].chunks_exact_mut(HEADER_BYTES) {
        if header.iter().all(|&byte| byte == 0) {
            continue;
        }
        header[..4].copy_from_slice(b"BFRC");
        header[4..6].copy_from_slice(&1u16.to_le_bytes());
        header[40..48].copy_from_slice(&(AREA as u64).to_le_bytes());
        header[56..64].fill(0);
        let sum = checksum(header);
        header[56..64].copy_from_slice(&sum.to_le_bytes());
    }
    use_records(area);
}

fn use_records(area: Vec<u8>) {
    // What there is, found out by one who reads everything; the other one starts without having read anything.
    let mut reader = Records::open(MemoryArea::from_bytes(area.clone())).unwrap();
    reader.verify().unwrap();
    let mut before = Vec::new();
    for info in reader.list() {
        if let Some(record) = reader.latest(info.kind, info.key).unwrap()
            && !before.contains(&record)
        {
            assert!(record.generation >= info.generation || !info.state.is_valid());
            before.push(record);
        }
    }
    let mut records = Records::open(MemoryArea::from_bytes(area)).unwrap();
    for bytes in [0, 100, 5_000, 20_000] {
        let payload = vec![bytes as u8; bytes];
        match records.put(0xFFFF, 9, &payload) {
            Ok(generation) => {
                let found = records.latest(0xFFFF, 9).unwrap().unwrap();
                assert_eq!((found.generation, found.payload), (generation, payload));
            }
            Err(RecordError::NoRoom { .. } | RecordError::NoHeader { .. }) => {}
            // The last generation there is was on the disk.
            Err(RecordError::Failed) => return,
            Err(error) => panic!("{error}"),
        }
    }
    // Nothing of the others was lost, and the next boot sees the same.
    let mut records = Records::open(records.into_inner()).unwrap();
    for record in before.iter().filter(|r| (r.kind, r.key) != (0xFFFF, 9)) {
        let found = records.latest(record.kind, record.key).unwrap();
        assert_eq!(found.as_ref(), Some(record));
    }
    if let Some(record) = before.first() {
        assert!(records.remove(record.kind, record.key).unwrap());
        assert_eq!(records.latest(record.kind, record.key).unwrap(), None);
    }
    records.verify().unwrap();
    let usage = records.usage();
    assert!(usage.newest + usage.old <= usage.capacity);
}
