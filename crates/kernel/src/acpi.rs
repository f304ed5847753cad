//! The few facts taken from ACPI tables: processors, timers, how to switch the machine off.
//!
//! Only static tables are read (RSDP, RSDT/XSDT, MADT, FADT, HPET, and one package of the DSDT), each bounded by
//! its own length. Source: ACPI specification 6.5, chapter 5.

use crate::cpu::heartbeat::Route;
use crate::drivers::pci::EcamWindow;
use crate::memory::window::map_firmware;
use crate::power::{Register, Registers, find_s5};
use alloc::vec::Vec;

/// What was found.
#[derive(Debug, Default)]
pub struct Acpi {
    /// APIC ids of usable processors, in the order of the MADT.
    pub processors: Vec<u32>,
    /// Port of the PM timer.
    pub pm_timer: Option<u16>,
    /// Physical address of the HPET.
    pub hpet: Option<u64>,
    /// Where the PIT arrives.
    pub pit: Option<Route>,
    /// Registers to switch the machine off.
    pub power: Registers,
    /// Where PCI configuration space is mapped.
    pub ecam: Option<EcamWindow>,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

const HEADER: usize = 36;
/// Flags of the FADT (5.2.9).
const RESET_SUPPORTED: u32 = 1 << 10;
const HARDWARE_REDUCED: u32 = 1 << 20;
const MAX_TABLE: usize = 4 << 20;

/// Maps one table whole; `None` if its length or checksum is wrong.
fn table(phys: u64) -> Option<&'static [u8]> {
    let length = u32_at(map_firmware(phys, HEADER), 4)? as usize;
    if !(HEADER..=MAX_TABLE).contains(&length) {
        return None;
    }
    let bytes = map_firmware(phys, length);
    let sum = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    (sum == 0).then_some(bytes)
}

/// Searches the root pointer where a BIOS leaves it (5.2.5.1).
fn search_root() -> Option<&'static [u8]> {
    let area = map_firmware(0xE_0000, 0x2_0000);
    let at = (0..area.len() - HEADER)
        .step_by(16)
        .find(|&at| valid_root(&area[at..]))?;
    Some(&area[at..])
}

fn valid_root(bytes: &[u8]) -> bool {
    bytes.len() >= 20
        && &bytes[..8] == b"RSD PTR "
        && bytes[..20]
            .iter()
            .fold(0u8, |sum, &byte| sum.wrapping_add(byte))
            == 0
}

impl Acpi {
    /// Reads the tables; without any the result is empty.
    pub fn read(root: Option<u64>) -> Self {
        let mut acpi = Self::default();
        let given = root
            .map(|phys| map_firmware(phys, HEADER))
            .filter(|bytes| valid_root(bytes));
        let Some(root) = given.or_else(search_root) else {
            return acpi;
        };
        for phys in acpi_tables(root).unwrap_or_default() {
            let Some(bytes) = table(phys) else {
                continue;
            };
            match &bytes[..4] {
                b"APIC" => acpi.read_madt(bytes),
                b"FACP" => {
                    acpi.read_fadt(bytes);
                }
                // Base address structure at 40, its address at 44 (HPET specification 3.2.4).
                b"HPET" => acpi.hpet = u64_at(bytes, 44),
                b"MCFG" => {
                    acpi.read_mcfg(bytes);
                }
                _ => {}
            }
        }
        acpi
    }

    fn read_madt(&mut self, bytes: &[u8]) {
        let mut at = 44;
        let mut io_apics = Vec::new();
        let mut pit_line = 0;
        while let Some(&[kind, length]) = bytes.get(at..at + 2) {
            let entry = bytes.get(at..at + usize::from(length)).unwrap_or_default();
            match kind {
                // I/O APIC: registers, first of its interrupts.
                1 => io_apics.extend(u32_at(entry, 4).zip(u32_at(entry, 8))),
                // Override of an ISA interrupt: the PIT's is 0.
                2 if entry.get(3) == Some(&0) => pit_line = u32_at(entry, 4).unwrap_or(0),
                _ => {}
            }
            let (id, flags) = match kind {
                0 => (entry.get(3).map(|&id| u32::from(id)), u32_at(entry, 4)),
                9 => (u32_at(entry, 4), u32_at(entry, 8)),
                _ => (None, None),
            };
            if let (Some(id), Some(flags)) = (id, flags)
                && flags & 1 != 0
                && !self.processors.contains(&id)
            {
                self.processors.push(id);
            }
            if length < 2 {
                break;
            }
            at += usize::from(length);
        }
        // The one with the nearest first interrupt below has it among its inputs.
        io_apics.retain(|&(_, first)| first <= pit_line);
        let route = io_apics.into_iter().max_by_key(|&(_, first)| first);
        self.pit = route.map(|(registers, first)| Route {
            io_apic: registers.into(),
            input: pit_line - first,
        });
    }

    fn read_fadt(&mut self, bytes: &[u8]) -> Option<()> {
        let sleep_types = || {
            let extended = u64_at(bytes, 140).filter(|&phys| phys != 0);
            let dsdt = extended.or_else(|| u32_at(bytes, 40).map(u64::from))?;
            find_s5(table(dsdt)?)
        };
        (self.power.sleep_type_a, self.power.sleep_type_b) = sleep_types().unwrap_or((5, 5));
        let flags = u32_at(bytes, 112)?;
        let generic = |at: usize| {
            let address = u64_at(bytes, at + 4).filter(|&address| address != 0)?;
            match *bytes.get(at)? {
                0 => Some(Register::Memory(address)),
                1 => Some(Register::Port(u16::try_from(address).ok()?)),
                _ => None,
            }
        };
        if flags & RESET_SUPPORTED != 0 {
            self.power.reset = generic(116).zip(bytes.get(128).copied());
        }
        if flags & HARDWARE_REDUCED != 0 {
            self.power.sleep_control = generic(244);
            return Some(());
        }
        let port = |at: usize| {
            u16::try_from(u32_at(bytes, at)?)
                .ok()
                .filter(|&port| port != 0)
        };
        if *bytes.get(91)? == 4 {
            self.pm_timer = port(76);
        }
        self.power.pm1a_control = port(64).map(Register::Port);
        self.power.pm1b_control = port(68).map(Register::Port);
        Some(())
    }

    /// First window of the MCFG: base at 44, segment at 52, buses at 54 and 55 (PCI Firmware Specification 3.2, 4.1.2).
    fn read_mcfg(&mut self, bytes: &[u8]) -> Option<()> {
        self.ecam = Some(EcamWindow {
            phys: u64_at(bytes, 44)?,
            first_bus: *bytes.get(54)?,
            last_bus: *bytes.get(55)?,
        });
        Some(())
    }
}

/// Addresses of the tables in the XSDT, or in the RSDT of old firmware.
fn acpi_tables(root: &[u8]) -> Option<Vec<u64>> {
    let xsdt = u64_at(root, 24)
        .filter(|&phys| phys != 0 && root[15] >= 2)
        .and_then(table);
    if let Some(xsdt) = xsdt {
        let entries = xsdt[HEADER..].chunks_exact(8);
        return Some(entries.filter_map(|entry| u64_at(entry, 0)).collect());
    }
    let rsdt = table(u32_at(root, 16)?.into())?;
    let entries = rsdt[HEADER..].chunks_exact(4);
    Some(
        entries
            .filter_map(|entry| u32_at(entry, 0))
            .map(u64::from)
            .collect(),
    )
}
