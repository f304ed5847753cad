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

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::NonNull;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
    use virtio_drivers::transport::mmio::MmioTransport;

    extern crate std;

    const REGISTER_BYTES: usize = 0x200;
    const QUEUE_ENTRIES: u32 = 8;
    const SECTORS: usize = 4096;

    /// How a device behaves.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Behaviour {
        Honest,
        Fails,
        NamesNobody,
        AnswersTwice,
    }

    /// A virtio disk in memory: modern MMIO registers that a thread serves.
    struct Device {
        registers: usize,
        is_over: Arc<AtomicBool>,
        thread: Option<std::thread::JoinHandle<Vec<u8>>>,
    }

    fn word(address: usize) -> u32 {
        // SAFETY: registers and rings live as long as the process.
        unsafe { (address as *const u32).read_volatile() }
    }

    fn set(address: usize, value: u32) {
        // SAFETY: as above.
        unsafe { (address as *mut u32).write_volatile(value) }
    }

    fn index(address: usize) -> &'static AtomicU16 {
        // SAFETY: as above.
        unsafe { AtomicU16::from_ptr(address as *mut u16) }
    }

    fn half(address: usize) -> u16 {
        index(address).load(Ordering::Acquire)
    }

    fn long(address: usize) -> usize {
        word(address) as usize | (word(address + 4) as usize) << 32
    }

    impl Device {
        /// `features` are offered in both halves: bit 0 makes the device modern.
        fn start(features: u32, behaviour: Behaviour) -> (VirtioBlk, Self) {
            let registers = alloc::vec![0_u64; REGISTER_BYTES / 8].leak();
            let base = registers.as_ptr() as usize;
            set(base, u32::from_le_bytes(*b"virt"));
            set(base + 0x04, 2);
            set(base + 0x08, 2);
            set(base + 0x10, features | 1);
            set(base + 0x34, QUEUE_ENTRIES);
            set(base + 0x100, SECTORS as u32);
            set(base + 0x10C, 5);
            let header = NonNull::new(registers.as_mut_ptr()).unwrap().cast();
            // SAFETY: memory laid out like the registers of a device; it lives as long as the process.
            let transport = unsafe { MmioTransport::new(header, REGISTER_BYTES) }.unwrap();
            // Nobody has set up the queue: the register must not say so.
            let disk = VirtioBlk::new(transport.into()).unwrap();
            let is_over = Arc::new(AtomicBool::new(false));
            let until = is_over.clone();
            let thread = std::thread::spawn(move || serve(base, behaviour, &until));
            let device = Self {
                registers: base,
                is_over,
                thread: Some(thread),
            };
            (disk, device)
        }

        /// Stops serving; gives the contents.
        fn stop(&mut self) -> Vec<u8> {
            self.is_over.store(true, Ordering::Release);
            self.thread.take().unwrap().join().unwrap()
        }
    }

    fn contents() -> Vec<u8> {
        (0..SECTORS * SECTOR).map(|at| (at / 5) as u8).collect()
    }

    fn serve(base: usize, behaviour: Behaviour, is_over: &AtomicBool) -> Vec<u8> {
        let mut disk = contents();
        let (table, available, used) = (long(base + 0x80), long(base + 0x90), long(base + 0xA0));
        let entries = word(base + 0x38) as usize;
        let (mut next, mut answered) = (0_u16, 0_u16);
        while !is_over.load(Ordering::Acquire) {
            if half(available + 2) == next {
                std::thread::yield_now();
                continue;
            }
            let head = half(available + 4 + 2 * (usize::from(next) % entries));
            next = next.wrapping_add(1);
            let status = if behaviour == Behaviour::Fails { 1 } else { 0 };
            execute(table, head, &mut disk, status);
            let mut answer = |id: u32| {
                let place = used + 4 + 8 * (usize::from(answered) % entries);
                set(place, id);
                answered = answered.wrapping_add(1);
                index(used + 2).store(answered, Ordering::Release);
            };
            match behaviour {
                Behaviour::NamesNobody => answer(0xFFFF_FFF7),
                Behaviour::AnswersTwice => {
                    answer(head.into());
                    answer(head.into());
                }
                _ => answer(head.into()),
            }
        }
        disk
    }

    /// Walks a chain of descriptors and does what it asks.
    fn execute(mut table: usize, head: u16, disk: &mut [u8], status: u8) {
        const INDIRECT: u16 = 4;
        let mut at = usize::from(head);
        if half(table + 16 * at + 12) & INDIRECT != 0 {
            (table, at) = (long(table + 16 * at), 0);
        }
        let mut chain = Vec::new();
        loop {
            let entry = table + 16 * at;
            chain.push((long(entry), word(entry + 8) as usize));
            if half(entry + 12) & 1 == 0 {
                break;
            }
            at = usize::from(half(entry + 14));
        }
        let (header, status_at) = (chain[0].0, chain[chain.len() - 1].0);
        let kind = word(header);
        let mut place = long(header + 8) * SECTOR;
        for &(address, bytes) in &chain[1..chain.len() - 1] {
            // SAFETY: the driver lends this memory until the request is answered.
            let memory = unsafe { core::slice::from_raw_parts_mut(address as *mut u8, bytes) };
            match kind {
                READ => memory.copy_from_slice(&disk[place..place + bytes]),
                _ => disk[place..place + bytes].copy_from_slice(memory),
            }
            place += bytes;
        }
        // SAFETY: the status byte of the request.
        unsafe { (status_at as *mut u8).write_volatile(status) };
    }

    const INDIRECT: u32 = 1 << 28;
    const READ_ONLY: u32 = 1 << 5;
    const SEG_MAX: u32 = 1 << 2;
    const FLUSH_BIT: u32 = 1 << 9;

    #[test]
    fn everything_arrives_with_every_kind_of_queue() {
        for features in [0, INDIRECT, INDIRECT | SEG_MAX | FLUSH_BIT, SEG_MAX] {
            let (mut disk, mut device) = Device::start(features, Behaviour::Honest);
            let mut expected = contents();
            let mut buffer = alloc::vec![0; 3000 * SECTOR];
            disk.read(100, &mut buffer).unwrap();
            assert!(buffer == expected[100 * SECTOR..3100 * SECTOR]);
            buffer.reverse();
            disk.write(1000, &buffer).unwrap();
            disk.flush().unwrap();
            expected[1000 * SECTOR..4000 * SECTOR].copy_from_slice(&buffer);
            assert!(device.stop() == expected, "features {features:#x}");
        }
    }

    #[test]
    fn a_failed_request_is_an_error_and_the_disk_goes_on() {
        let (mut disk, mut device) = Device::start(INDIRECT, Behaviour::Fails);
        for lba in [7, 8] {
            let error = BlockError::Device { lba, code: 1 };
            assert_eq!(disk.read(lba, &mut [0; SECTOR]), Err(error));
        }
        device.stop();
    }

    #[test]
    fn a_device_that_breaks_the_protocol_is_reset_and_left_alone() {
        for behaviour in [Behaviour::NamesNobody, Behaviour::AnswersTwice] {
            let (mut disk, mut device) = Device::start(INDIRECT, behaviour);
            let mut errors = 0;
            // The second answer of a request is only seen while another one is waited for.
            for _ in 0..3 {
                errors += usize::from(disk.read(0, &mut [0; SECTOR]).is_err());
            }
            assert!(errors > 0);
            assert!(disk.is_dead);
            assert_eq!(word(device.registers + 0x70), 0, "reset");
            assert_eq!(disk.flush(), Ok(()), "there is no cache");
            assert_eq!(
                disk.write(3, &[0; SECTOR]),
                Err(BlockError::Timeout { lba: 3 })
            );
            device.stop();
        }
    }

    #[test]
    fn what_cannot_be_is_refused_before_the_device_sees_it() {
        let (mut disk, mut device) = Device::start(READ_ONLY, Behaviour::Honest);
        assert_eq!(disk.write(0, &[0; SECTOR]), Err(BlockError::ReadOnly));
        assert!(matches!(
            disk.read(SECTORS as u64, &mut [0; SECTOR]),
            Err(BlockError::OutOfRange { .. })
        ));
        assert_eq!(
            disk.read(0, &mut [0; 7]),
            Err(BlockError::Misaligned { bytes: 7 })
        );
        assert_eq!(disk.read(0, &mut []), Ok(()));
        assert!(device.stop() == contents());
    }
}
