//! A split virtqueue that keeps many scattered requests in flight.
//!
//! The queue of the `virtio-drivers` crate allocates an indirect table per request and wants every buffer as a slice
//! again when the request is done; it also trusts the device not to answer twice. Here requests live in *slots*
//! that are laid out once, take runs of physical memory, and an answer that fits no request is an error.
//!
//! ```text
//!   slot i:  table of `table_len` descriptors (its own page if the device knows indirect descriptors, else a
//!            part of the queue's own table), header (16 bytes), status byte
//!   avail ring -> head of slot -> header | data runs... | status
//! ```
//!
//! Interrupts are suppressed; the used ring is polled.
//!
//! Source: Virtual I/O Device (VIRTIO) 1.2, section 2.7 (split virtqueues), 2.7.2 (legacy layout).

use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, Ordering, fence};

use virtio_drivers::transport::{SomeTransport, Transport};

use crate::drivers::scatter::Run;
use crate::memory::PAGE;
use crate::memory::dma::alloc_dma;

const QUEUE: u16 = 0;
const DESCRIPTOR_BYTES: usize = 16;
/// Requests in flight at most.
const MAX_SLOTS: usize = 16;
/// Queue entries asked for at most; a device has its own limit as well.
const MAX_ENTRIES: u32 = 256;
/// Descriptors in a slot's own table: one page of them.
const TABLE_LEN: usize = PAGE / DESCRIPTOR_BYTES;
/// Descriptors of a slot where tables are part of the queue.
const DIRECT_TABLE_LEN: usize = 32;
const HEADER_BYTES: usize = 16;
/// Header and status of a slot.
const CONTROL_BYTES: usize = 32;
/// A status that no device writes: the request was not answered.
const UNANSWERED: u8 = 0xFF;

const NEXT: u16 = 1;
const DEVICE_WRITES: u16 = 2;
const INDIRECT: u16 = 4;
const NO_INTERRUPT: u16 = 1;
const NO_NOTIFY: u16 = 1;

/// Why a queue cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// The device offers no queue, or one too small for a request.
    TooSmall {
        /// Entries offered.
        entries: u32,
    },
    /// No contiguous memory for the rings.
    NoMemory,
    /// The device answered a request that was not asked, or twice.
    WrongAnswer {
        /// Descriptor it named.
        descriptor: u32,
    },
}

impl core::fmt::Display for QueueError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooSmall { entries } => {
                write!(f, "its queue has {entries} entries, at least 4 are needed")
            }
            Self::NoMemory => write!(f, "no contiguous memory for its queue"),
            Self::WrongAnswer { descriptor } => {
                write!(
                    f,
                    "it answered descriptor {descriptor}, which it was not given or has not finished"
                )
            }
        }
    }
}

/// Who fills the data of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The device (a read).
    FromDevice,
    /// The driver (a write).
    ToDevice,
}

/// A request's place. Valid until it is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

impl Slot {
    /// Position in tables that the user keeps, below [`Queue::slots`].
    pub fn index(self) -> usize {
        self.0
    }
}

struct SlotMemory {
    table: NonNull<[u64; 2]>,
    table_phys: u64,
    control: NonNull<u8>,
    control_phys: u64,
    is_busy: bool,
}

/// The queue.
pub struct Queue {
    entries: u16,
    descriptors: NonNull<[u64; 2]>,
    available: NonNull<u16>,
    used: NonNull<u16>,
    next_available: u16,
    next_used: u16,
    is_indirect: bool,
    table_len: usize,
    slots: Vec<SlotMemory>,
    free: Vec<usize>,
}

// SAFETY: the pointers lead to DMA memory that this value alone owns for ever.
unsafe impl Send for Queue {}

impl Queue {
    /// Sets up queue 0 of a device that has agreed on its features and is not yet running.
    ///
    /// # Errors
    /// [`QueueError::TooSmall`], [`QueueError::NoMemory`].
    pub fn new(
        transport: &mut SomeTransport<'static>,
        is_indirect: bool,
    ) -> Result<Self, QueueError> {
        let offered = transport.max_queue_size(QUEUE);
        if offered < 4 {
            return Err(QueueError::TooSmall { entries: offered });
        }
        let entries = 1_usize << offered.min(MAX_ENTRIES).ilog2();
        // Legacy layout, which modern devices take as well: table and available ring, then the used ring on a page
        // of its own.
        let available_at = entries * DESCRIPTOR_BYTES;
        let used_at = (available_at + 2 * (3 + entries)).next_multiple_of(PAGE);
        let bytes = used_at + (6 + 8 * entries).next_multiple_of(PAGE);
        let (phys, memory) = alloc_dma(bytes / PAGE).ok_or(QueueError::NoMemory)?;
        // SAFETY: the offsets are inside the `bytes` just allocated, and aligned: descriptors to a page, the available
        // ring to 16, the used ring to a page.
        let (available, used) = unsafe { (memory.add(available_at), memory.add(used_at)) };
        let (table_len, slots) = if is_indirect {
            (TABLE_LEN, MAX_SLOTS.min(entries))
        } else {
            let table_len = DIRECT_TABLE_LEN.min(entries);
            (table_len, (entries / table_len).min(MAX_SLOTS))
        };
        let mut queue = Self {
            entries: entries as u16,
            descriptors: memory.cast(),
            available: available.cast(),
            used: used.cast(),
            next_available: 0,
            next_used: 0,
            is_indirect,
            table_len,
            slots: Vec::with_capacity(slots),
            free: (0..slots).rev().collect(),
        };
        queue.lay_out_slots(slots, phys)?;
        // SAFETY: first half-word of the available ring; the device is not running.
        unsafe { queue.available.write_volatile(NO_INTERRUPT) };
        let at = |offset: usize| phys + offset as u64;
        transport.queue_set(QUEUE, entries as u32, phys, at(available_at), at(used_at));
        Ok(queue)
    }

    fn lay_out_slots(&mut self, slots: usize, descriptors_phys: u64) -> Result<(), QueueError> {
        let (control_phys, control) = alloc_dma(1).ok_or(QueueError::NoMemory)?;
        for slot in 0..slots {
            let (table_phys, table) = if self.is_indirect {
                let (phys, table) = alloc_dma(1).ok_or(QueueError::NoMemory)?;
                (phys, table.cast())
            } else {
                let first = slot * self.table_len;
                // SAFETY: `slots * table_len <= entries`.
                let table = unsafe { self.descriptors.add(first) };
                (descriptors_phys + (first * DESCRIPTOR_BYTES) as u64, table)
            };
            self.slots.push(SlotMemory {
                table,
                table_phys,
                // SAFETY: 16 slots of 32 bytes fit a page.
                control: unsafe { control.add(slot * CONTROL_BYTES) },
                control_phys: control_phys + (slot * CONTROL_BYTES) as u64,
                is_busy: false,
            });
        }
        Ok(())
    }

    /// Requests that can be in flight.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Data runs that one request can have.
    pub fn max_runs(&self) -> usize {
        self.table_len - 2
    }

    /// Whether nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    /// Whether another request can be submitted.
    pub fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Hands a request to the device: `header`, at most [`max_runs`](Self::max_runs) runs of data, a status byte.
    /// `None` if there is no room or too much data.
    ///
    /// The memory of `runs` belongs to the device until the slot comes back from [`complete`](Self::complete) or the
    /// device was reset.
    pub fn submit(
        &mut self,
        transport: &mut SomeTransport<'static>,
        header: [u8; HEADER_BYTES],
        direction: Direction,
        runs: &[Run],
    ) -> Option<Slot> {
        if runs.len() > self.max_runs() {
            return None;
        }
        let index = self.free.pop()?;
        let base = if self.is_indirect {
            0
        } else {
            index * self.table_len
        };
        let slot = &mut self.slots[index];
        slot.is_busy = true;
        let last = runs.len() + 1;
        let write = |at: usize, phys: u64, bytes: usize, flags: u16| {
            let next = if at < last { (base + at + 1) as u64 } else { 0 };
            let flags = if at < last { flags | NEXT } else { flags };
            let value = [phys, bytes as u64 | u64::from(flags) << 32 | next << 48];
            // SAFETY: `at <= max_runs + 1 < table_len`; the slot was free, so the device does not read its table.
            unsafe { slot.table.add(at).write_volatile(value) };
        };
        // SAFETY: the slot's control area of 32 bytes is aligned to 32, and the device does not use it now.
        unsafe {
            slot.control
                .cast::<[u8; HEADER_BYTES]>()
                .write_volatile(header);
            slot.control.add(HEADER_BYTES).write_volatile(UNANSWERED);
        }
        write(0, slot.control_phys, HEADER_BYTES, 0);
        let data_flags = match direction {
            Direction::FromDevice => DEVICE_WRITES,
            Direction::ToDevice => 0,
        };
        for (at, run) in runs.iter().enumerate() {
            write(at + 1, run.phys, run.bytes, data_flags);
        }
        write(
            last,
            slot.control_phys + HEADER_BYTES as u64,
            1,
            DEVICE_WRITES,
        );
        let head = if self.is_indirect {
            let bytes = ((last + 1) * DESCRIPTOR_BYTES) as u64;
            let value = [slot.table_phys, bytes | u64::from(INDIRECT) << 32];
            // SAFETY: `index < entries`; descriptor `index` belongs to this free slot.
            unsafe { self.descriptors.add(index).write_volatile(value) };
            index
        } else {
            base
        };
        let place = usize::from(self.next_available % self.entries);
        self.next_available = self.next_available.wrapping_add(1);
        // SAFETY: the ring's entries start at half-word 2 and there are `entries` of them.
        unsafe { self.available.add(2 + place).write_volatile(head as u16) };
        self.available_index()
            .store(self.next_available, Ordering::Release);
        // The index must be visible before the device's wish for a notification is read.
        fence(Ordering::SeqCst);
        // SAFETY: first half-word of the used ring.
        if unsafe { self.used.read_volatile() } & NO_NOTIFY == 0 {
            transport.notify(QUEUE);
        }
        Some(Slot(index))
    }

    /// The next request that the device has answered, and its status byte.
    ///
    /// # Errors
    /// [`QueueError::WrongAnswer`]: the device is broken and must be reset.
    pub fn complete(&mut self) -> Result<Option<(Slot, u8)>, QueueError> {
        if self.used_index().load(Ordering::Acquire) == self.next_used {
            return Ok(None);
        }
        let place = usize::from(self.next_used % self.entries);
        // SAFETY: used elements (id, length: 8 bytes) start at byte 4; `place < entries`.
        let descriptor = unsafe { self.used.add(2 + 4 * place).cast::<u32>().read_volatile() };
        self.next_used = self.next_used.wrapping_add(1);
        let wrong = QueueError::WrongAnswer { descriptor };
        let stride = if self.is_indirect { 1 } else { self.table_len };
        if !(descriptor as usize).is_multiple_of(stride) {
            return Err(wrong);
        }
        let index = descriptor as usize / stride;
        let slot = self
            .slots
            .get_mut(index)
            .filter(|slot| slot.is_busy)
            .ok_or(wrong)?;
        // SAFETY: the status byte of the slot, which the device has written.
        let status = unsafe { slot.control.add(HEADER_BYTES).read_volatile() };
        if status == UNANSWERED {
            // Answered twice, or before its time: the device may still use the request's memory.
            return Err(wrong);
        }
        slot.is_busy = false;
        self.free.push(index);
        Ok(Some((Slot(index), status)))
    }

    fn available_index(&self) -> &AtomicU16 {
        // SAFETY: half-word 1 of the available ring, written only here; memory that is never freed.
        unsafe { AtomicU16::from_ptr(self.available.as_ptr().add(1)) }
    }

    fn used_index(&self) -> &AtomicU16 {
        // SAFETY: half-word 1 of the used ring, written by the device; memory that is never freed.
        unsafe { AtomicU16::from_ptr(self.used.as_ptr().add(1)) }
    }
}
