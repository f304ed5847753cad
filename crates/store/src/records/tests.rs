//! Tests of the record store on memory that never fails.

use super::*;
use alloc::vec;
use formats::record::BLOCK_BYTES;

const BLOCK: usize = BLOCK_BYTES as usize;

/// 16 headers, 14 blocks.
fn small() -> Records<MemoryArea> {
    Records::open(MemoryArea::new(64 << 10)).unwrap()
}

fn again(records: Records<MemoryArea>) -> Records<MemoryArea> {
    Records::open(records.into_inner()).unwrap()
}

fn payload(records: &mut Records<MemoryArea>, kind: u16, key: u64) -> Option<Vec<u8>> {
    records.latest(kind, key).unwrap().map(|r| r.payload)
}

/// Changes one byte on the disk.
fn damage(records: Records<MemoryArea>, at: usize) -> Records<MemoryArea> {
    let mut bytes = records.into_inner().into_bytes();
    bytes[at] ^= 0x40;
    Records::open(MemoryArea::from_bytes(bytes)).unwrap()
}

#[test]
fn what_is_put_is_there_next_time() {
    let mut records = small();
    assert_eq!(records.latest(1, 0).unwrap(), None);
    assert_eq!(records.put(1, 0, b"first"), Ok(1));
    assert_eq!(records.put(2, 7, &[5; 3 * BLOCK + 1]), Ok(2));
    assert_eq!(records.put(1, 0, b"second"), Ok(3));
    assert_eq!(records.put(3, 0, b""), Ok(4));
    for _ in 0..2 {
        assert_eq!(payload(&mut records, 1, 0), Some(b"second".to_vec()));
        assert_eq!(payload(&mut records, 2, 7), Some(vec![5; 3 * BLOCK + 1]));
        assert_eq!(payload(&mut records, 3, 0), Some(vec![]));
        assert_eq!(payload(&mut records, 2, 0), None);
        assert_eq!(records.get(1).unwrap().unwrap().payload, b"first");
        records = again(records);
    }
    let states: Vec<_> = records
        .list()
        .iter()
        .map(|i| (i.generation, i.state))
        .collect();
    let newest = State::Newest;
    assert_eq!(
        states,
        [(3, newest), (1, State::Old), (2, newest), (4, newest)]
    );
    let usage = records.usage();
    assert_eq!((usage.newest, usage.old), (5 * BLOCK as u64, BLOCK as u64));
    assert_eq!((usage.records, usage.free()), (4, 8 * BLOCK as u64));
}

#[test]
fn the_oldest_goes_first_and_the_newest_never() {
    let mut records = small();
    records.put(1, 0, b"kept").unwrap();
    records.put(2, 0, &[1; 4 * BLOCK]).unwrap();
    records.put(3, 0, &[2; 4 * BLOCK]).unwrap();
    records.put(3, 0, &[3; 4 * BLOCK]).unwrap();
    records.put(2, 0, b"small").unwrap();
    // 14 blocks are taken. One more: the old record of key 2 is the oldest.
    records.put(1, 0, b"new").unwrap();
    assert_eq!(records.get(2).unwrap(), None);
    assert!(records.get(3).unwrap().is_some() && records.get(1).unwrap().is_some());
    let mut records = again(records);
    assert_eq!(payload(&mut records, 3, 0), Some(vec![3; 4 * BLOCK]));
    // The rest of what key 2 had, then the old record of key 1, then that of key 3.
    records.put(4, 0, &[4; 3 * BLOCK]).unwrap();
    records.put(5, 0, &[4; BLOCK]).unwrap();
    assert_eq!(records.get(1).unwrap(), None);
    assert!(records.get(3).unwrap().is_some());
    records.put(6, 0, b"x").unwrap();
    assert_eq!(records.get(3).unwrap(), None);
    let mut records = again(records);
    for (kind, expected) in [(1, &b"new"[..]), (2, b"small"), (6, b"x")] {
        assert_eq!(payload(&mut records, kind, 0).as_deref(), Some(expected));
    }
}

#[test]
fn a_full_store_says_so_and_loses_nothing() {
    let mut records = small();
    records.put(1, 0, &[1; 6 * BLOCK]).unwrap();
    records.put(1, 0, &[2; 6 * BLOCK]).unwrap();
    let before = records.list();
    let error = records.put(1, 0, &[3; 9 * BLOCK]).unwrap_err();
    let room = 8 * BLOCK as u64;
    assert_eq!(
        error,
        RecordError::NoRoom {
            needed: 9 * BLOCK as u64,
            available: room
        }
    );
    assert_eq!(records.list(), before, "no record was given up for nothing");
    assert!(records.put(1, 0, &vec![0; 1 << 20]).is_err());
    // Twelve of them fit in the end: the old one goes.
    records.put(1, 0, &[3; 8 * BLOCK]).unwrap();
    let mut records = again(records);
    assert_eq!(payload(&mut records, 1, 0), Some(vec![3; 8 * BLOCK]));
}

#[test]
fn headers_run_out_only_for_keys() {
    let mut records = small();
    for i in 0..100u8 {
        records.put(1, u64::from(i) % 3, &[i]).unwrap();
    }
    assert_eq!(records.usage().records, 14, "a record takes a block");
    let mut records = small();
    for key in 0..16 {
        records.put(1, key, b"").unwrap();
    }
    let full = RecordError::NoHeader { records: 16 };
    assert_eq!(records.put(1, 16, b""), Err(full.clone()));
    // Replacing needs a header until the new one is there.
    assert_eq!(records.put(1, 0, b""), Err(full));
    records.remove(1, 3).unwrap();
    assert_eq!(records.put(1, 0, b"").unwrap(), 17);
    assert_eq!(again(records).usage().records, 16);
}

#[test]
fn removed_is_removed() {
    let mut records = small();
    assert_eq!(records.remove(1, 0), Ok(false));
    for i in 0..5 {
        records.put(1, 0, &[i]).unwrap();
        records.put(1, 1, &[i]).unwrap();
    }
    assert_eq!(records.remove(1, 0), Ok(true));
    assert_eq!(records.remove(1, 0), Ok(false));
    let mut records = again(records);
    assert_eq!(payload(&mut records, 1, 0), None);
    assert_eq!(payload(&mut records, 1, 1), Some(vec![4]));
    records.put(1, 0, b"back").unwrap();
    assert_eq!(payload(&mut records, 1, 0), Some(b"back".to_vec()));
}

#[test]
fn a_damaged_record_gives_way_to_the_one_before() {
    let mut records = small();
    records.put(1, 0, b"old").unwrap();
    records.put(1, 0, b"new").unwrap();
    let second_block = Layout::of(64 << 10).unwrap().block_at(1) as usize;
    let mut records = damage(records, second_block);
    // Known only when it is read.
    assert_eq!(records.list()[0].state, State::Newest);
    assert_eq!(payload(&mut records, 1, 0), Some(b"old".to_vec()));
    let states: Vec<_> = records.list().iter().map(|i| i.state).collect();
    assert!(matches!(states[0], State::Damaged { .. }) && states[1] == State::Newest);
    // Its room is used, and its generation is not used again.
    assert_eq!(records.put(2, 0, &[9; 13 * BLOCK]), Ok(3));
    assert_eq!(payload(&mut again(records), 1, 0), Some(b"old".to_vec()));
}

#[test]
fn the_last_whole_one_is_not_given_up_for_a_damaged_one() {
    let mut records = small();
    records.put(1, 0, b"old").unwrap();
    records.put(1, 0, b"new").unwrap();
    let second_block = Layout::of(64 << 10).unwrap().block_at(1) as usize;
    let mut records = damage(records, second_block);
    // Takes all that can be had without a look at the newest one first.
    records.put(2, 0, &[9; 13 * BLOCK]).unwrap();
    assert_eq!(payload(&mut records, 1, 0), Some(b"old".to_vec()));
    assert!(records.put(2, 0, b"no").is_err());
}

#[test]
fn damaged_headers_are_free_and_told() {
    let mut records = small();
    records.put(1, 0, b"a").unwrap();
    records.put(1, 0, b"b").unwrap();
    let mut records = damage(records, HEADER_BYTES + 70);
    assert_eq!(payload(&mut records, 1, 0), Some(b"a".to_vec()));
    let bad: Vec<_> = records.bad_headers().map(|(i, _)| i).collect();
    assert_eq!(bad, [1]);
    for i in 0..20 {
        records.put(1, 0, &[i]).unwrap();
    }
    assert_eq!(records.bad_headers().count(), 0);
    assert_eq!(payload(&mut again(records), 1, 0), Some(vec![19]));
}

#[test]
fn a_copied_header_is_none() {
    let mut records = small();
    records.put(1, 0, b"a").unwrap();
    let mut bytes = records.into_inner().into_bytes();
    bytes.copy_within(..HEADER_BYTES, 5 * HEADER_BYTES);
    let mut records = Records::open(MemoryArea::from_bytes(bytes)).unwrap();
    assert_eq!(payload(&mut records, 1, 0), Some(b"a".to_vec()));
    assert_eq!(
        (records.list().len(), records.bad_headers().count()),
        (1, 1)
    );
}

#[test]
fn what_cannot_be_a_store_is_told() {
    let error = Records::open(MemoryArea::new(4096)).err().unwrap();
    assert!(alloc::format!("{error}").contains("4096 bytes"), "{error}");
}

/// An area whose writes fail from some moment on.
struct Failing {
    inner: MemoryArea,
    writes_left: u32,
}

impl Area for Failing {
    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), AreaError> {
        self.inner.read_at(offset, buf)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), AreaError> {
        let left = self.writes_left.checked_sub(1);
        self.writes_left = left.ok_or(AreaError::System { code: 5 })?;
        self.inner.write_at(offset, data)
    }
    fn flush(&mut self) -> Result<(), AreaError> {
        Ok(())
    }
}

#[test]
fn after_a_failed_write_nothing_is_written() {
    for writes_left in 2..8 {
        let inner = MemoryArea::new(64 << 10);
        let mut records = Records::open(Failing { inner, writes_left }).unwrap();
        records.put(1, 0, b"first").unwrap();
        let mut last = b"first".to_vec();
        let error = (0..).find_map(|i| match records.put(1, 0, &[i; 700]) {
            Ok(_) => {
                last = vec![i; 700];
                None
            }
            Err(error) => Some(error),
        });
        let disk = AreaError::System { code: 5 };
        assert_eq!(error, Some(RecordError::Area(disk)));
        records.area.writes_left = 100;
        assert_eq!(records.put(1, 0, b"x"), Err(RecordError::Failed));
        assert_eq!(records.remove(1, 0), Err(RecordError::Failed));
        assert_eq!(records.latest(1, 0).unwrap().unwrap().payload, last);
        let mut records = Records::open(records.into_inner()).unwrap();
        assert_eq!(records.latest(1, 0).unwrap().unwrap().payload, last);
        records.put(1, 0, b"x").unwrap();
    }
}
