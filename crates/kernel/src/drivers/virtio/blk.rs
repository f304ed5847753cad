//! The virtio block device: large scattered requests, many in flight.
//!
//! A read or write of any size is cut into requests of at most [`REQUEST_BYTES`]; as many as the queue takes are in
//! flight, so the device always has the next one before it finishes the last. Nothing outlives the call: either all
//! requests have been answered, or the device was reset and is not used again.
//!
//! Source: VIRTIO 1.2, section 5.2 (block device).

use alloc::vec::Vec;

use bitflags::bitflags;
use store::block::{BlockDevice, BlockError, SECTOR, check_request};
use virtio_drivers::transport::{DeviceStatus, SomeTransport, Transport};

use super::queue::{Direction, Queue, QueueError, Slot};
use crate::drivers::scatter::{Limits, NO_BOUNDARY, NotMapped, Run, Runs};
use crate::drivers::wait::{Deadline, relax};
use crate::drivers::{CODE_BROKEN, CODE_NOT_MAPPED};

/// Bytes in one request. Larger ones keep a device busy without giving it anything to overlap.
const REQUEST_BYTES: usize = 1 << 20;
/// A device that has answered nothing for so long is given up.
const TIMEOUT_MS: u64 = 30_000;

const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;
const STATUS_OK: u8 = 0;

bitflags! {
    /// Feature bits that matter here.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u64 {
        /// Runs have a maximal size.
        const SIZE_MAX = 1 << 1;
        /// Requests have a maximal number of runs.
        const SEG_MAX = 1 << 2;
        /// Writes fail.
        const READ_ONLY = 1 << 5;
        /// There is a cache to flush.
        const FLUSH = 1 << 9;
        /// Tables of descriptors outside the queue.
        const INDIRECT = 1 << 28;
        /// Not a legacy device.
        const VERSION_1 = 1 << 32;
    }
}

/// Why a device cannot be used.
#[derive(Debug)]
pub enum InitError {
    /// It refused the features it offered.
    Features,
    /// Its configuration cannot be read.
    Configuration,
    /// Its queue.
    Queue(QueueError),
}

impl core::fmt::Display for InitError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Features => write!(f, "it refused the features that it offers"),
            Self::Configuration => write!(f, "its configuration cannot be read"),
            Self::Queue(error) => error.fmt(f),
        }
    }
}

/// A disk.
pub struct VirtioBlk {
    transport: SomeTransport<'static>,
    queue: Queue,
    features: Features,
    sectors: u64,
    limits: Limits,
    /// Set when the device was reset for not answering.
    is_dead: bool,
    /// First sector of the request in each slot.
    in_flight: Vec<u64>,
    runs: Vec<Run>,
}

impl VirtioBlk {
    /// Starts a block device.
    ///
    /// # Errors
    /// [`InitError`]; the device is left reset.
    pub fn new(mut transport: SomeTransport<'static>) -> Result<Self, InitError> {
        let features = transport.begin_init(Features::all());
        let is_modern = features.contains(Features::VERSION_1);
        if is_modern && !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
            return Err(InitError::Features);
        }
        let word = |at: usize| {
            transport
                .read_config_space::<u32>(at)
                .map_err(|_| InitError::Configuration)
        };
        let sectors = u64::from(word(0)?) | u64::from(word(4)?) << 32;
        let limit = |bit: Features, at: usize| {
            Ok(if features.contains(bit) {
                (word(at)? as usize).max(1)
            } else {
                usize::MAX
            })
        };
        let max_run_bytes = limit(Features::SIZE_MAX, 8)?.min(REQUEST_BYTES);
        let max_runs = limit(Features::SEG_MAX, 12)?;
        let queue = Queue::new(&mut transport, features.contains(Features::INDIRECT))
            .map_err(InitError::Queue)?;
        transport.finish_init();
        Ok(Self {
            limits: Limits {
                runs: max_runs.min(queue.max_runs()),
                bytes: REQUEST_BYTES,
                run_bytes: max_run_bytes,
                boundary: NO_BOUNDARY,
            },
            in_flight: alloc::vec![0; queue.slots()],
            runs: Vec::with_capacity(queue.max_runs()),
            transport,
            queue,
            features,
            sectors,
            is_dead: false,
        })
    }

    /// Features in use.
    pub fn features(&self) -> Features {
        self.features
    }

    /// Data runs in one request.
    pub fn max_runs(&self) -> usize {
        self.limits.runs
    }

    fn transfer(
        &mut self,
        lba: u64,
        direction: Direction,
        mut runs: Runs,
    ) -> Result<(), BlockError> {
        if self.is_dead {
            return Err(BlockError::Timeout { lba });
        }
        let mut next = lba;
        let mut failed: Option<BlockError> = None;
        let mut deadline = Deadline::after_ms(TIMEOUT_MS);
        loop {
            while failed.is_none() && runs.bytes_left() > 0 && self.queue.has_room() {
                match self.submit(next, direction, &mut runs) {
                    Ok(sectors) => next += sectors,
                    Err(error) => failed = Some(error),
                }
            }
            if self.queue.is_idle() {
                return failed.map_or(Ok(()), Err);
            }
            if let Some(error) = self.await_answer(lba, &mut deadline)? {
                failed = failed.or(Some(error));
            }
        }
    }

    /// One turn of waiting: the error of a request that failed, if one was answered just now.
    ///
    /// # Errors
    /// The device is lost; it was reset, and nothing is in flight any more.
    fn await_answer(
        &mut self,
        lba: u64,
        deadline: &mut Deadline,
    ) -> Result<Option<BlockError>, BlockError> {
        match self.queue.complete() {
            Ok(Some((slot, status))) => {
                *deadline = Deadline::after_ms(TIMEOUT_MS);
                Ok(self.outcome(slot, status))
            }
            Ok(None) if deadline.is_over() => {
                self.give_up();
                Err(BlockError::Timeout { lba })
            }
            Ok(None) => {
                relax();
                Ok(None)
            }
            Err(error) => {
                crate::error!("virtio-blk: given up: {error}");
                self.give_up();
                let code = CODE_BROKEN;
                Err(BlockError::Device { lba, code })
            }
        }
    }

    fn outcome(&self, slot: Slot, status: u8) -> Option<BlockError> {
        (status != STATUS_OK).then(|| BlockError::Device {
            lba: self.in_flight[slot.index()],
            code: u32::from(status),
        })
    }

    /// Submits the next request of a transfer; gives its number of sectors.
    fn submit(
        &mut self,
        lba: u64,
        direction: Direction,
        runs: &mut Runs,
    ) -> Result<u64, BlockError> {
        let bytes = runs
            .gather(&self.limits, &mut self.runs)
            .map_err(|NotMapped| BlockError::Device {
                lba,
                code: CODE_NOT_MAPPED,
            })?;
        // A sector in more pieces than a request can have: no sane buffer is like that.
        if bytes == 0 {
            let code = CODE_NOT_MAPPED;
            return Err(BlockError::Device { lba, code });
        }
        let kind = match direction {
            Direction::FromDevice => READ,
            Direction::ToDevice => WRITE,
        };
        let header = header(kind, lba);
        let slot = self.submit_to_queue(header, direction, lba)?;
        self.in_flight[slot.index()] = lba;
        Ok((bytes / SECTOR) as u64)
    }

    fn submit_to_queue(
        &mut self,
        header: [u8; 16],
        direction: Direction,
        lba: u64,
    ) -> Result<Slot, BlockError> {
        self.queue
            .submit(&mut self.transport, header, direction, &self.runs)
            .ok_or(BlockError::Device {
                lba,
                code: CODE_BROKEN,
            })
    }

    /// Resets the device, so that it no longer writes to memory, and marks it as unusable.
    fn give_up(&mut self) {
        self.transport.set_status(DeviceStatus::empty());
        self.is_dead = true;
    }
}

fn header(kind: u32, sector: u64) -> [u8; 16] {
    let mut header = [0; 16];
    header[..4].copy_from_slice(&kind.to_le_bytes());
    header[8..].copy_from_slice(&sector.to_le_bytes());
    header
}

impl BlockDevice for VirtioBlk {
    fn sector_count(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        check_request(lba, buf.len(), self.sectors)?;
        self.transfer(lba, Direction::FromDevice, Runs::to_fill(buf))
    }

    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError> {
        check_request(lba, buf.len(), self.sectors)?;
        if self.features.contains(Features::READ_ONLY) {
            return Err(BlockError::ReadOnly);
        }
        self.transfer(lba, Direction::ToDevice, Runs::to_send(buf))
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        if !self.features.contains(Features::FLUSH) {
            return Ok(());
        }
        if self.is_dead {
            return Err(BlockError::Timeout { lba: 0 });
        }
        self.runs.clear();
        let slot = self.submit_to_queue(header(FLUSH, 0), Direction::ToDevice, 0)?;
        self.in_flight[slot.index()] = 0;
        let mut deadline = Deadline::after_ms(TIMEOUT_MS);
        let mut failed = None;
        while !self.queue.is_idle() {
            failed = failed.or(self.await_answer(0, &mut deadline)?);
        }
        failed.map_or(Ok(()), Err)
    }
}
