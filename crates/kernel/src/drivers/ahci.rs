//! SATA disks behind an AHCI controller.
//!
//! One command at a time on slot 0 of each port, up to 4 MiB of scattered memory each, polled: an emulator gains
//! nothing from native queueing, and real machines boot once.
//!
//! Source: Serial ATA AHCI 1.3.1 specification.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::ptr::NonNull;

use store::block::{BlockDevice, SECTOR};
use virtio_drivers::transport::pci::bus::DeviceFunction;

use super::ata::{AtaDisk, Command, Identity, Operation, Port, PortError};
use super::pci::PciBus;
use super::scatter::{Limits, NO_BOUNDARY, Run};
use super::wait::wait_for;
use crate::memory::PAGE;
use crate::memory::dma::{alloc_dma, map_mmio};

const ABAR: u8 = 5;
const PORT_BASE: usize = 0x100;
const PORT_BYTES: usize = 0x80;
const MAX_PORTS: usize = 32;
const REGISTER_BYTES: usize = PORT_BASE + MAX_PORTS * PORT_BYTES;

// Registers of the controller.
const CAP: usize = 0x00;
const GHC: usize = 0x04;
const PI: usize = 0x0C;
const CAP2: usize = 0x24;
const BOHC: usize = 0x28;
const CAP_64_BIT: u32 = 1 << 31;
const CAP2_HANDOFF: u32 = 1 << 0;
const GHC_INTERRUPTS: u32 = 1 << 1;
const GHC_AHCI: u32 = 1 << 31;
const BOHC_BIOS_OWNS: u32 = 1 << 0;
const BOHC_OS_OWNS: u32 = 1 << 1;

// Registers of a port.
const CLB: usize = 0x00;
const FB: usize = 0x08;
const IS: usize = 0x10;
const IE: usize = 0x14;
const CMD: usize = 0x18;
const TFD: usize = 0x20;
const SIG: usize = 0x24;
const SSTS: usize = 0x28;
const SERR: usize = 0x30;
const CI: usize = 0x38;
const CMD_START: u32 = 1 << 0;
const CMD_SPIN_UP: u32 = 1 << 1;
const CMD_POWER_ON: u32 = 1 << 2;
const CMD_FIS_RECEIVE: u32 = 1 << 4;
const CMD_FIS_RUNNING: u32 = 1 << 14;
const CMD_LIST_RUNNING: u32 = 1 << 15;
const IS_TASK_FILE_ERROR: u32 = 1 << 30;
const IS_FATAL: u32 = 0x3800_0000 | IS_TASK_FILE_ERROR;
const TFD_BUSY: u32 = 0x88;
const TFD_ERROR: u32 = 0x21;
const SIGNATURE_ATA: u32 = 0x0000_0101;
/// Device present, and communication established.
const SSTS_PRESENT: u32 = 3;

const COMMAND_LIST_BYTES: usize = 1024;
const TABLE_PAGES: usize = 4;
const REGION_TABLE: usize = 0x80;
const REGION_BYTES: usize = 16;
const MAX_REGIONS: usize = (TABLE_PAGES * PAGE - REGION_TABLE) / REGION_BYTES;
const MAX_REGION_BYTES: usize = 4 << 20;
const MAX_COMMAND_BYTES: usize = 4 << 20;

const IDENTIFY: u8 = 0xEC;
const FIS_TO_DEVICE: u32 = 0x27;
const FIS_IS_COMMAND: u32 = 1 << 15;
const FIS_WORDS: u32 = 5;
const HEADER_WRITE: u32 = 1 << 6;
const DEVICE_LBA: u32 = 1 << 6;

const STOP_MS: u64 = 1_000;
const HANDOFF_MS: u64 = 2_000;
const READY_MS: u64 = 10_000;
const COMMAND_MS: u64 = 30_000;

/// A block of 32-bit registers.
#[derive(Clone, Copy)]
struct Registers(NonNull<u32>);

// SAFETY: the pointer leads to a mapping that stays for ever; accesses are volatile single words.
unsafe impl Send for Registers {}

impl Registers {
    fn read(self, at: usize) -> u32 {
        // SAFETY: `at` is one of the constants above, inside the mapping and aligned.
        unsafe { self.0.byte_add(at).read_volatile() }
    }

    fn write(self, at: usize, value: u32) {
        // SAFETY: as for `read`; addresses of memory handed to the controller are DMA memory of this driver or
        // memory that a caller lent for the command.
        unsafe { self.0.byte_add(at).write_volatile(value) }
    }

    fn write_address(self, at: usize, phys: u64) {
        self.write(at, phys as u32);
        self.write(at + 4, (phys >> 32) as u32);
    }
}

/// Finds the disks of a controller.
pub fn probe(
    bus: &mut PciBus,
    function: DeviceFunction,
    mut found: impl FnMut(String, Box<dyn BlockDevice + Send>),
) {
    bus.enable(function);
    let Some(phys) = bus.memory_bar(function, ABAR) else {
        crate::error!("AHCI at PCI {function} ignored: the firmware gave its registers no address");
        return;
    };
    let controller = Registers(map_mmio(phys, REGISTER_BYTES).cast());
    if controller.read(CAP2) & CAP2_HANDOFF != 0 {
        controller.write(BOHC, controller.read(BOHC) | BOHC_OS_OWNS);
        // A firmware that does not let go is taken over.
        wait_for(HANDOFF_MS, || controller.read(BOHC) & BOHC_BIOS_OWNS == 0);
    }
    controller.write(GHC, (controller.read(GHC) | GHC_AHCI) & !GHC_INTERRUPTS);
    let reaches_64_bit = controller.read(CAP) & CAP_64_BIT != 0;
    let implemented = controller.read(PI);
    for number in 0..MAX_PORTS {
        if implemented >> number & 1 == 0 {
            continue;
        }
        // SAFETY: the port's registers are inside the mapping.
        let registers =
            Registers(unsafe { controller.0.byte_add(PORT_BASE + number * PORT_BYTES) });
        let is_disk =
            registers.read(SSTS) & 0xF == SSTS_PRESENT && registers.read(SIG) == SIGNATURE_ATA;
        if !is_disk {
            continue;
        }
        let place = format!("PCI {function} port {number}");
        match AhciPort::start(registers, reaches_64_bit) {
            Ok((port, identity)) => {
                let place = format!("{place}, {}", identity.model);
                found(place, AtaDisk::boxed(port, identity));
            }
            Err(reason) => crate::error!("disk at {place} ignored: {reason}"),
        }
    }
}

struct AhciPort {
    registers: Registers,
    /// Command header 0; the received FISes follow the command list on the same page.
    header: NonNull<[u32; 8]>,
    table: NonNull<u8>,
    table_phys: u64,
    reaches_64_bit: bool,
}

// SAFETY: the pointers lead to DMA memory that this value alone owns for ever.
unsafe impl Send for AhciPort {}

impl AhciPort {
    fn start(registers: Registers, reaches_64_bit: bool) -> Result<(Self, Identity), &'static str> {
        const NO_MEMORY: &str = "no contiguous memory for its commands";
        const SILENT: &str = "it does not answer";
        if !stop(registers) {
            return Err("its port cannot be stopped");
        }
        let (list_phys, list) = alloc_dma(1).ok_or(NO_MEMORY)?;
        let (table_phys, table) = alloc_dma(TABLE_PAGES).ok_or(NO_MEMORY)?;
        let (buffer_phys, buffer) = alloc_dma(1).ok_or(NO_MEMORY)?;
        let highest = list_phys.max(table_phys).max(buffer_phys);
        if !reaches_64_bit && highest >= 1 << 32 {
            return Err("its memory is above 4 GiB, which the controller does not reach");
        }
        registers.write_address(CLB, list_phys);
        registers.write_address(FB, list_phys + COMMAND_LIST_BYTES as u64);
        registers.write(SERR, u32::MAX);
        registers.write(IE, 0);
        let mut port = Self {
            registers,
            header: list.cast(),
            table,
            table_phys,
            reaches_64_bit,
        };
        port.run();
        if !wait_for(READY_MS, || registers.read(TFD) & TFD_BUSY == 0) {
            return Err(SILENT);
        }
        let run = Run {
            phys: buffer_phys,
            bytes: SECTOR,
        };
        port.issue(IDENTIFY, 0, 0, false, &[run])
            .map_err(|error| match error {
                PortError::Disk(_) => "it refuses to identify itself",
                PortError::Timeout => SILENT,
            })?;
        // SAFETY: the disk has filled the page just allocated; the command is over.
        let words = unsafe { buffer.cast::<[u16; 256]>().read_volatile() };
        Ok((port, Identity::parse(&words)?))
    }

    fn run(&self) {
        let command = self.registers.read(CMD) | CMD_FIS_RECEIVE | CMD_SPIN_UP | CMD_POWER_ON;
        self.registers.write(CMD, command);
        self.registers.write(IS, u32::MAX);
        self.registers.write(CMD, command | CMD_START);
    }

    fn issue(
        &mut self,
        code: u8,
        lba: u64,
        sectors: u32,
        is_write: bool,
        runs: &[Run],
    ) -> Result<(), PortError> {
        let registers = self.registers;
        let lba_low = lba as u32;
        let fis = [
            FIS_TO_DEVICE | FIS_IS_COMMAND | u32::from(code) << 16,
            lba_low & 0xFF_FFFF | self.device_register(code, lba_low) << 24,
            (lba >> 24) as u32 & 0xFF_FFFF,
            sectors & 0xFFFF,
            0,
        ];
        // SAFETY: (1) the port runs no command, so the controller does not read header and table; (2) the FIS has 20 of
        // the table's first 64 bytes, and `runs` are at most `MAX_REGIONS` (limits), which the table has room for.
        unsafe {
            self.table.cast::<[u32; 5]>().write_volatile(fis);
            let regions = self.table.add(REGION_TABLE).cast::<[u32; 4]>();
            for (at, run) in runs.iter().enumerate() {
                let region = [
                    run.phys as u32,
                    (run.phys >> 32) as u32,
                    0,
                    run.bytes as u32 - 1,
                ];
                regions.add(at).write_volatile(region);
            }
            let flags = FIS_WORDS | if is_write { HEADER_WRITE } else { 0 };
            let (low, high) = (self.table_phys as u32, (self.table_phys >> 32) as u32);
            let header = [flags | (runs.len() as u32) << 16, 0, low, high, 0, 0, 0, 0];
            self.header.write_volatile(header);
        }
        core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
        registers.write(IS, u32::MAX);
        registers.write(CI, 1);
        let is_over = || registers.read(CI) & 1 == 0 || registers.read(IS) & IS_FATAL != 0;
        let is_answered = wait_for(COMMAND_MS, is_over);
        let status = registers.read(TFD);
        let is_failed = registers.read(IS) & IS_FATAL != 0 || status & TFD_ERROR != 0;
        if is_answered && !is_failed {
            return Ok(());
        }
        // After an error the port must be stopped before it takes commands again (6.2.2).
        let is_stopped = stop(registers);
        registers.write(SERR, u32::MAX);
        if !is_answered || !is_stopped {
            return Err(PortError::Timeout);
        }
        self.run();
        Err(PortError::Disk((status >> 8) as u8))
    }

    /// Device register: LBA mode, and address bits 27..24 for commands with 28-bit addresses.
    fn device_register(&self, code: u8, lba: u32) -> u32 {
        let is_28_bit = matches!(code, 0xC8 | 0xCA);
        DEVICE_LBA | if is_28_bit { lba >> 24 & 0xF } else { 0 }
    }
}

fn stop(registers: Registers) -> bool {
    let command = registers.read(CMD) & !CMD_START;
    registers.write(CMD, command);
    if !wait_for(STOP_MS, || registers.read(CMD) & CMD_LIST_RUNNING == 0) {
        return false;
    }
    registers.write(CMD, command & !CMD_FIS_RECEIVE);
    wait_for(STOP_MS, || registers.read(CMD) & CMD_FIS_RUNNING == 0)
}

impl Port for AhciPort {
    fn limits(&self) -> Limits {
        Limits {
            runs: MAX_REGIONS,
            bytes: MAX_COMMAND_BYTES,
            run_bytes: MAX_REGION_BYTES,
            boundary: NO_BOUNDARY,
        }
    }

    fn reaches(&self, run: &Run) -> bool {
        let is_even = run.phys.is_multiple_of(2) && run.bytes.is_multiple_of(2);
        is_even && (self.reaches_64_bit || run.phys + run.bytes as u64 <= 1 << 32)
    }

    fn execute(&mut self, command: &Command, runs: &[Run]) -> Result<(), PortError> {
        let is_write = command.operation == Operation::Write;
        self.issue(
            command.dma_code(),
            command.lba,
            command.sectors,
            is_write,
            runs,
        )
    }
}
