//! Disks behind a PCI IDE controller (PIIX and its kin), by DMA or PIO.
//!
//! Bus-master DMA moves the data; programmed I/O takes over where that fails.
//!
//! A channel carries two disks, one command at a time: they share it behind a lock. The device's interrupt is off;
//! status is polled.
//!
//! Source: ATA/ATAPI-6; Programming Interface for Bus Master IDE Controller 1.0; Intel 82371SB (PIIX3) data sheet.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::ptr::NonNull;

use store::block::{BlockDevice, SECTOR};
use virtio_drivers::transport::pci::bus::DeviceFunction;
use x86_64::instructions::port::Port as IoPort;

use super::ata::{AtaDisk, Command, Identity, Operation, Port, PortError};
use super::pci::PciBus;
use super::scatter::{Limits, Run};
use super::wait::{Deadline, relax, wait_for};
use crate::memory::dma::alloc_dma;
use crate::memory::{PAGE, phys_to_virt};
use crate::sync::Mutex;

/// Command block and control port of the two channels in compatibility mode.
const COMPATIBLE: [(u16, u16); 2] = [(0x1F0, 0x3F6), (0x170, 0x376)];
/// Bits of the programming interface: the channel is in native mode, its ports are in BARs.
const NATIVE: [u8; 2] = [1 << 0, 1 << 2];
const BUS_MASTER_BAR: u8 = 4;
const BUS_MASTER_BYTES: u16 = 8;

// Registers of the command block.
const DATA: u16 = 0;
const ERROR: u16 = 1;
const SECTOR_COUNT: u16 = 2;
const LBA_LOW: u16 = 3;
const LBA_MIDDLE: u16 = 4;
const LBA_HIGH: u16 = 5;
const DEVICE: u16 = 6;
const STATUS: u16 = 7;
const COMMAND: u16 = 7;
const STATUS_ERROR: u8 = 1 << 0;
const STATUS_DATA_REQUEST: u8 = 1 << 3;
const STATUS_FAULT: u8 = 1 << 5;
const STATUS_BUSY: u8 = 1 << 7;
const DEVICE_LBA: u8 = 0xE0;
const CONTROL_NO_INTERRUPT: u8 = 1 << 1;
const CONTROL_RESET: u8 = 1 << 2;

// Registers of the bus master.
const MASTER_COMMAND: u16 = 0;
const MASTER_STATUS: u16 = 2;
const MASTER_TABLE: u16 = 4;
const MASTER_START: u8 = 1 << 0;
const MASTER_TO_MEMORY: u8 = 1 << 3;
const MASTER_ACTIVE: u8 = 1 << 0;
const MASTER_ERROR: u8 = 1 << 1;
const MASTER_INTERRUPT: u8 = 1 << 2;

const IDENTIFY: u8 = 0xEC;
const LAST_REGION: u32 = 1 << 31;
const MAX_REGIONS: usize = PAGE / 8;
/// Neither a region nor the table of regions may cross a multiple of this.
const REGION_BOUNDARY: usize = 64 << 10;
const MAX_COMMAND_BYTES: usize = 2 << 20;
const WORDS_IN_SECTOR: usize = SECTOR / 2;

const READY_MS: u64 = 5_000;
const COMMAND_MS: u64 = 30_000;

/// Finds the disks of a controller.
pub fn probe(
    bus: &mut PciBus,
    function: DeviceFunction,
    modes: u8,
    mut found: impl FnMut(String, Box<dyn BlockDevice + Send>),
) {
    bus.enable(function);
    let bus_master = bus.port_bar(function, BUS_MASTER_BAR);
    for channel in 0..2 {
        let number = channel as u8;
        let ports = if modes & NATIVE[channel] == 0 {
            Some(COMPATIBLE[channel])
        } else {
            let command = bus.port_bar(function, 2 * number);
            let control = bus.port_bar(function, 2 * number + 1);
            command
                .zip(control)
                .map(|(command, control)| (command, control + 2))
        };
        let Some((command, control)) = ports else {
            continue;
        };
        let master = bus_master.map(|port| port + u16::from(number) * BUS_MASTER_BYTES);
        let Some(channel) = Channel::probe(command, control, master) else {
            continue;
        };
        let channel = Arc::new(Mutex::new(channel));
        for device in 0..2_u8 {
            let place = format!("PCI {function} channel {number} device {device}");
            let identity = channel.lock().identify(device);
            match identity {
                None => {}
                Some(Ok(identity)) => {
                    let by = if channel.lock().master.is_some() {
                        "DMA"
                    } else {
                        "PIO"
                    };
                    let place = format!("{place}, {}, {by}", identity.model);
                    let port = IdePort {
                        channel: channel.clone(),
                        device,
                    };
                    found(place, AtaDisk::boxed(port, identity));
                }
                Some(Err(reason)) => crate::error!("disk at {place} ignored: {reason}"),
            }
        }
    }
}

/// The bus master of a channel and its table of regions.
struct Master {
    port: u16,
    table: NonNull<[u32; 2]>,
    table_phys: u32,
}

struct Channel {
    command: u16,
    control: u16,
    master: Option<Master>,
}

// SAFETY: the table is DMA memory that this value alone owns for ever.
unsafe impl Send for Channel {}

fn read_port(port: u16) -> u8 {
    // SAFETY: a register of the IDE controller; reading it moves no memory.
    unsafe { IoPort::new(port).read() }
}

fn write_port(port: u16, value: u8) {
    // SAFETY: a register of the IDE controller. Commands that move memory are given only by `Channel::by_dma`.
    unsafe { IoPort::new(port).write(value) }
}

impl Channel {
    fn probe(command: u16, control: u16, master: Option<u16>) -> Option<Self> {
        // Nothing pulls the lines of a channel without disks down: all bits read as one.
        if read_port(command + STATUS) == 0xFF {
            return None;
        }
        write_port(control, CONTROL_NO_INTERRUPT);
        let table = alloc_dma(1);
        let master = master.zip(table).and_then(|(port, (phys, table))| {
            Some(Master {
                port,
                table: table.cast(),
                table_phys: u32::try_from(phys).ok()?,
            })
        });
        Some(Self {
            command,
            control,
            master,
        })
    }

    fn read(&self, register: u16) -> u8 {
        read_port(self.command + register)
    }

    fn write(&self, register: u16, value: u8) {
        write_port(self.command + register, value);
    }

    /// The status, without acknowledging an interrupt.
    fn status(&self) -> u8 {
        read_port(self.control)
    }

    fn select(&self, value: u8) {
        self.write(DEVICE, value);
        // The selected device needs 400 ns before its status counts; a port access takes at least 100.
        for _ in 0..5 {
            self.status();
        }
    }

    /// `None` if no disk is there; the reason if there is one that cannot be used.
    fn identify(&mut self, device: u8) -> Option<Result<Identity, &'static str>> {
        self.select(0xA0 | device << 4);
        for (register, value) in [(SECTOR_COUNT, 0x55), (LBA_LOW, 0xAA)] {
            self.write(register, value);
            if self.read(register) != value {
                return None;
            }
        }
        for register in [SECTOR_COUNT, LBA_LOW, LBA_MIDDLE, LBA_HIGH] {
            self.write(register, 0);
        }
        self.write(COMMAND, IDENTIFY);
        if matches!(self.status(), 0 | 0xFF) {
            return None;
        }
        if !wait_for(READY_MS, || self.status() & STATUS_BUSY == 0) {
            return Some(Err("it does not answer"));
        }
        // CD drives and SATA bridges leave their signature here.
        if self.read(LBA_MIDDLE) != 0 || self.read(LBA_HIGH) != 0 {
            return None;
        }
        match self.wait_for_data(READY_MS) {
            Ok(()) => {}
            Err(PortError::Disk(_)) => return None,
            Err(PortError::Timeout) => return Some(Err("it does not answer")),
        }
        let mut words = [0; WORDS_IN_SECTOR];
        let mut port = IoPort::<u16>::new(self.command + DATA);
        for word in &mut words {
            // SAFETY: the device offers 256 words.
            *word = unsafe { port.read() };
        }
        Some(Identity::parse(&words))
    }

    fn wait_for_data(&self, ms: u64) -> Result<(), PortError> {
        let deadline = Deadline::after_ms(ms);
        loop {
            let status = self.status();
            if status & STATUS_BUSY == 0 {
                if status & (STATUS_ERROR | STATUS_FAULT) != 0 {
                    return Err(PortError::Disk(self.read(ERROR)));
                }
                if status & STATUS_DATA_REQUEST != 0 {
                    return Ok(());
                }
            }
            if deadline.is_over() {
                return Err(PortError::Timeout);
            }
            relax();
        }
    }

    /// Waits for the end of a command and gives its outcome.
    fn finish(&self) -> Result<(), PortError> {
        if !wait_for(COMMAND_MS, || self.status() & STATUS_BUSY == 0) {
            return Err(PortError::Timeout);
        }
        // Reading the status itself acknowledges.
        match self.read(STATUS) & (STATUS_ERROR | STATUS_FAULT) {
            0 => Ok(()),
            _ => Err(PortError::Disk(self.read(ERROR))),
        }
    }

    /// Writes address, count and code of a command.
    fn send(&self, device: u8, command: &Command, code: u8) -> Result<(), PortError> {
        if !wait_for(READY_MS, || {
            self.status() & (STATUS_BUSY | STATUS_DATA_REQUEST) == 0
        }) {
            return Err(PortError::Timeout);
        }
        let [b0, b1, b2, b3, b4, b5, ..] = command.lba.to_le_bytes();
        let [count_low, count_high, ..] = command.sectors.to_le_bytes();
        let top = if command.is_48_bit { 0 } else { b3 & 0xF };
        self.select(DEVICE_LBA | device << 4 | top);
        if command.is_48_bit {
            self.write(SECTOR_COUNT, count_high);
            self.write(LBA_LOW, b3);
            self.write(LBA_MIDDLE, b4);
            self.write(LBA_HIGH, b5);
        }
        self.write(SECTOR_COUNT, count_low);
        self.write(LBA_LOW, b0);
        self.write(LBA_MIDDLE, b1);
        self.write(LBA_HIGH, b2);
        self.write(COMMAND, code);
        Ok(())
    }

    fn by_dma(
        &self,
        device: u8,
        command: &Command,
        master: &Master,
        runs: &[Run],
    ) -> Result<(), PortError> {
        for (at, run) in runs.iter().enumerate() {
            let last = if at + 1 == runs.len() { LAST_REGION } else { 0 };
            // A length of 0 means 64 KiB.
            let region = [run.phys as u32, run.bytes as u32 & 0xFFFF | last];
            // SAFETY: `runs` are at most `MAX_REGIONS` (limits), which the table has room for; no transfer runs.
            unsafe { master.table.add(at).write_volatile(region) };
        }
        core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
        let direction = match command.operation {
            Operation::Read => MASTER_TO_MEMORY,
            Operation::Write | Operation::Flush => 0,
        };
        // SAFETY: the address is that of the table.
        unsafe { IoPort::new(master.port + MASTER_TABLE).write(master.table_phys) };
        write_port(master.port + MASTER_COMMAND, direction);
        let status = read_port(master.port + MASTER_STATUS);
        write_port(
            master.port + MASTER_STATUS,
            status | MASTER_ERROR | MASTER_INTERRUPT,
        );
        self.send(device, command, command.dma_code())?;
        write_port(master.port + MASTER_COMMAND, direction | MASTER_START);
        let is_over = || {
            let is_active = read_port(master.port + MASTER_STATUS) & MASTER_ACTIVE != 0;
            let status = self.status();
            status & STATUS_BUSY == 0 && (!is_active || status & STATUS_ERROR != 0)
        };
        let is_answered = wait_for(COMMAND_MS, is_over);
        write_port(master.port + MASTER_COMMAND, direction);
        let has_bus_error = read_port(master.port + MASTER_STATUS) & MASTER_ERROR != 0;
        if !is_answered {
            self.reset();
            return Err(PortError::Timeout);
        }
        self.finish()?;
        // The disk is content, but the bus master was not: the data cannot be trusted.
        if has_bus_error {
            Err(PortError::Disk(0))
        } else {
            Ok(())
        }
    }

    fn by_pio(&self, device: u8, command: &Command, runs: &[Run]) -> Result<(), PortError> {
        let code = match (command.operation, command.is_48_bit) {
            (Operation::Read, false) => 0x20,
            (Operation::Read, true) => 0x24,
            (Operation::Write, false) => 0x30,
            (Operation::Write, true) => 0x34,
            (Operation::Flush, _) => command.dma_code(),
        };
        self.send(device, command, code)?;
        let mut port = IoPort::<u16>::new(self.command + DATA);
        let mut words = 0;
        for run in runs {
            for offset in (0..run.bytes).step_by(2) {
                if words % WORDS_IN_SECTOR == 0 {
                    self.wait_for_data(COMMAND_MS)?;
                }
                words += 1;
                let memory = phys_to_virt(run.phys + offset as u64).cast::<[u8; 2]>();
                // SAFETY: (1) the run is memory that the caller of the command lent, in the direct map, and even in
                // length; (2) the device has asked for the 256 words of a sector.
                unsafe {
                    if command.operation == Operation::Read {
                        memory.write_volatile(port.read().to_le_bytes());
                    } else {
                        port.write(u16::from_le_bytes(memory.read_volatile()));
                    }
                }
            }
        }
        self.finish()
    }

    /// Resets both disks of the channel: a transfer that hangs must not write to memory later.
    fn reset(&self) {
        write_port(self.control, CONTROL_NO_INTERRUPT | CONTROL_RESET);
        wait_for(1, || false);
        write_port(self.control, CONTROL_NO_INTERRUPT);
        wait_for(READY_MS, || self.status() & STATUS_BUSY == 0);
    }
}

/// One disk of a channel.
struct IdePort {
    channel: Arc<Mutex<Channel>>,
    device: u8,
}

impl Port for IdePort {
    fn limits(&self) -> Limits {
        Limits {
            runs: MAX_REGIONS,
            bytes: MAX_COMMAND_BYTES,
            run_bytes: REGION_BOUNDARY,
            boundary: REGION_BOUNDARY,
        }
    }

    fn reaches(&self, run: &Run) -> bool {
        run.phys.is_multiple_of(2)
            && run.bytes.is_multiple_of(2)
            && run.phys + run.bytes as u64 <= 1 << 32
    }

    fn execute(&mut self, command: &Command, runs: &[Run]) -> Result<(), PortError> {
        let mut channel = self.channel.lock();
        let outcome = match &channel.master {
            Some(master) if command.operation != Operation::Flush => {
                channel.by_dma(self.device, command, master, runs)
            }
            _ => return channel.by_pio(self.device, command, runs),
        };
        if outcome != Err(PortError::Timeout) {
            return outcome;
        }
        // A bus master that hangs may sit before a disk that works.
        crate::error!("ide: DMA does not end; going on with programmed I/O");
        channel.master = None;
        channel.by_pio(self.device, command, runs)
    }
}
