//! Power cuts at a block device: what may be on the disk when the power goes.
#![allow(dead_code, reason = "each test binary uses its part")]

use super::pattern;
use std::cell::RefCell;
use std::rc::Rc;
use store::block::{BlockDevice, BlockError, MemoryDevice, SECTOR};

/// What a device was asked to do.
#[derive(Clone)]
pub enum Event {
    Write(u64, Vec<u8>),
    Flush,
}

/// What happened to a device, in order.
pub type Log = Rc<RefCell<Vec<Event>>>;

/// Memory that remembers what happened to it.
pub struct Recorder {
    pub inner: MemoryDevice,
    pub log: Log,
}

impl Recorder {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            inner: MemoryDevice::from_bytes(bytes),
            log: Log::default(),
        }
    }
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

/// Most sets of whole writes that are tried all: 2 to this power.
const ALL_SUBSETS: usize = 6;

/// Calls `judge` with every disk that a cut behind the first `cut` events can leave, as far as they can be counted:
///
/// - stopped there: all writes before are on the disk;
/// - the last write torn behind each of its sectors;
/// - of the writes since the last flush any may be missing, which is the same as any order: all subsets while they are few;
/// - and of their sectors: each alone missing, each alone there, and `random` subsets.
///
/// `flushed` is the disk as it was at the last flush before `cut`. Gives the number of disks.
pub fn each_disk(
    flushed: &[u8],
    pending: &[(u64, Vec<u8>)],
    seed: u64,
    random: usize,
    mut judge: impl FnMut(&str, Vec<u8>),
) -> usize {
    let mut count = 0;
    let mut disk = |what: &str, keep: &mut dyn FnMut(usize, usize) -> bool| {
        let mut bytes = flushed.to_vec();
        for (i, (lba, data)) in pending.iter().enumerate() {
            for (sector, content) in data.chunks_exact(SECTOR).enumerate() {
                if keep(i, sector) {
                    let at = (*lba as usize + sector) * SECTOR;
                    bytes[at..at + SECTOR].copy_from_slice(content);
                }
            }
        }
        count += 1;
        judge(what, bytes);
    };
    disk("stopped", &mut |_, _| true);
    let Some(((_, last_data), before)) = pending.split_last() else {
        return count;
    };
    let last = before.len();
    for kept in 0..last_data.len() / SECTOR {
        disk(&format!("torn behind {kept} sectors"), &mut |i, s| {
            i < last || s < kept
        });
    }
    if pending.len() <= ALL_SUBSETS {
        for set in 0..1usize << pending.len() {
            disk(&format!("writes {set:b}"), &mut |i, _| set >> i & 1 != 0);
        }
    }
    for (i, (_, data)) in pending.iter().enumerate() {
        for s in 0..data.len() / SECTOR {
            disk(&format!("without {i}.{s}"), &mut |a, b| (a, b) != (i, s));
            disk(&format!("only {i}.{s}"), &mut |a, b| (a, b) == (i, s));
        }
    }
    let sectors: usize = pending.iter().map(|(_, data)| data.len() / SECTOR).sum();
    for n in 0..random {
        let coins = pattern(seed * 1000 + n as u64, sectors);
        let mut at = 0;
        disk(&format!("coins {n}"), &mut |_, _| {
            at += 1;
            coins[at - 1] & 1 == 1
        });
    }
    count
}

/// Goes through all moments of a log: calls `judge` with the moment (number of events before it), a word on what is missing, and the
/// disk. Gives the number of disks.
pub fn each_cut(
    base: &[u8],
    events: &[Event],
    random: usize,
    mut judge: impl FnMut(usize, &str, Vec<u8>),
) -> usize {
    let mut flushed = base.to_vec();
    let mut pending: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut count = 0;
    for cut in 0..=events.len() {
        match cut.checked_sub(1).map(|last| &events[last]) {
            Some(Event::Write(lba, data)) => pending.push((*lba, data.clone())),
            Some(Event::Flush) => {
                for (lba, data) in pending.drain(..) {
                    let at = lba as usize * SECTOR;
                    flushed[at..at + data.len()].copy_from_slice(&data);
                }
            }
            None => {}
        }
        count += each_disk(&flushed, &pending, cut as u64, random, |what, disk| {
            judge(cut, what, disk);
        });
    }
    count
}
