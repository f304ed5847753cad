//! PCI configuration space: by ports where they work, else by memory (ECAM).
//!
//! Enumeration and BAR decoding come from `virtio-drivers`' bus module; here are the accesses and the walk over
//! bridges.
//!
//! Source: PCI Local Bus Specification 3.0, section 3.2.2.3.2; PCI Firmware Specification 3.2, section 4.1 (MCFG).

use alloc::vec::Vec;
use core::ptr::NonNull;

use virtio_drivers::transport::pci::bus::{
    BarInfo, Command, ConfigurationAccess, DeviceFunction, DeviceFunctionInfo, HeaderType, PciRoot,
};
use x86_64::instructions::port::Port;

use crate::memory::dma::map_mmio;

const CONFIG_ADDRESS: u16 = 0xCF8;
const CONFIG_DATA: u16 = 0xCFC;
const ENABLE: u32 = 1 << 31;
/// Buses mapped of an ECAM window, 1 MiB of address space each: no machine this kernel is for has more in use.
const MAX_ECAM_BUSES: u8 = 8;
const BUS_BYTES: usize = 1 << 20;
const NO_DEVICE: u32 = 0xFFFF_FFFF;
const BUS_NUMBERS: u8 = 0x18;

/// A memory window onto configuration space, from the ACPI table MCFG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcamWindow {
    /// Physical address of bus 0's configuration space.
    pub phys: u64,
    /// First bus in the window.
    pub first_bus: u8,
    /// Last bus in the window.
    pub last_bus: u8,
}

/// One of the ways to configuration space.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// Ports 0xCF8 and 0xCFC.
    Ports,
    /// Mapped memory from bus 0 on, and the number of buses mapped.
    Memory(NonNull<u32>, u8),
}

// SAFETY: the pointer leads to a mapping that stays for ever; accesses are volatile single words.
unsafe impl Send for Access {}

impl Access {
    fn ports() -> Option<Self> {
        let mut address = Port::<u32>::new(CONFIG_ADDRESS);
        // SAFETY: the address register of configuration mechanism 1; it only selects.
        let found = unsafe {
            let before = address.read();
            address.write(ENABLE);
            let found = address.read();
            address.write(before);
            found
        };
        (found == ENABLE).then_some(Self::Ports)
    }

    fn memory(window: EcamWindow) -> Option<Self> {
        if window.first_bus != 0 {
            return None;
        }
        let buses = window.last_bus.saturating_add(1).min(MAX_ECAM_BUSES);
        let memory = map_mmio(window.phys, usize::from(buses) * BUS_BYTES);
        Some(Self::Memory(memory.cast(), buses))
    }

    fn pointer(&self, function: DeviceFunction, register: u8) -> Option<NonNull<u32>> {
        let &Self::Memory(memory, buses) = self else {
            return None;
        };
        let index = usize::from(function.bus) << 20
            | usize::from(function.device) << 15
            | usize::from(function.function) << 12
            | usize::from(register);
        // SAFETY: `bus < buses`, so the offset is inside the mapping.
        (function.bus < buses).then(|| unsafe { memory.byte_add(index) })
    }
}

fn select(function: DeviceFunction, register: u8) {
    let address = ENABLE
        | u32::from(function.bus) << 16
        | u32::from(function.device) << 11
        | u32::from(function.function) << 8
        | u32::from(register & 0xFC);
    // SAFETY: only selects a register of configuration space.
    unsafe { Port::new(CONFIG_ADDRESS).write(address) }
}

impl ConfigurationAccess for Access {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        match self {
            Self::Ports => {
                select(function, register);
                // SAFETY: reading configuration space has no side effects on memory.
                unsafe { Port::new(CONFIG_DATA).read() }
            }
            Self::Memory(..) => self
                .pointer(function, register & 0xFC)
                // SAFETY: a word of mapped configuration space.
                .map_or(NO_DEVICE, |word| unsafe { word.read_volatile() }),
        }
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, value: u32) {
        match self {
            Self::Ports => {
                select(function, register);
                // SAFETY: only BARs being sized and command bits are written: by the drivers of the devices concerned.
                unsafe { Port::new(CONFIG_DATA).write(value) }
            }
            Self::Memory(..) => {
                if let Some(word) = self.pointer(function, register & 0xFC) {
                    // SAFETY: as above, a word of mapped configuration space.
                    unsafe { word.write_volatile(value) }
                }
            }
        }
    }

    unsafe fn unsafe_clone(&self) -> Self {
        *self
    }
}

/// The PCI buses of the machine.
pub struct PciBus {
    root: PciRoot<Access>,
    access: Access,
}

impl PciBus {
    /// The buses, if the machine has any.
    pub fn probe(ecam: Option<EcamWindow>) -> Option<Self> {
        let access = Access::ports().or_else(|| Access::memory(ecam?))?;
        Some(Self {
            root: PciRoot::new(access),
            access,
        })
    }

    /// Whether this is a machine with the ports of a PC.
    pub fn is_by_ports(&self) -> bool {
        matches!(self.access, Access::Ports)
    }

    /// The root complex, for drivers that walk capabilities.
    pub fn root(&mut self) -> &mut PciRoot<Access> {
        &mut self.root
    }

    /// All functions of all buses, those behind bridges included.
    pub fn functions(&self) -> Vec<(DeviceFunction, DeviceFunctionInfo)> {
        let mut functions = Vec::new();
        let mut seen = [false; 256];
        let mut buses = alloc::vec![0_u8];
        while let Some(bus) = buses.pop() {
            if core::mem::replace(&mut seen[usize::from(bus)], true) {
                continue;
            }
            for (function, info) in self.root.enumerate_bus(bus) {
                if info.header_type == HeaderType::PciPciBridge {
                    let [_, secondary, ..] =
                        self.access.read_word(function, BUS_NUMBERS).to_le_bytes();
                    buses.push(secondary);
                }
                functions.push((function, info));
            }
        }
        functions
    }

    /// Lets a function answer and access memory by itself; its interrupt pin stays off.
    pub fn enable(&mut self, function: DeviceFunction) {
        let (_, command) = self.root.get_status_command(function);
        let wanted = command
            | Command::IO_SPACE
            | Command::MEMORY_SPACE
            | Command::BUS_MASTER
            | Command::INTERRUPT_DISABLE;
        self.root.set_command(function, wanted);
    }

    /// Physical address and size of a memory BAR that the firmware has placed.
    pub fn memory_bar(&mut self, function: DeviceFunction, bar: u8) -> Option<(u64, u64)> {
        let bar = self.root.bar_info(function, bar).ok()??;
        bar.memory_address_size().filter(|&(phys, _)| phys != 0)
    }

    /// First port and number of ports of an I/O BAR that the firmware has placed.
    pub fn port_bar(&mut self, function: DeviceFunction, bar: u8) -> Option<(u16, u32)> {
        match self.root.bar_info(function, bar).ok()?? {
            BarInfo::IO { address, size } if address != 0 => {
                Some((u16::try_from(address).ok()?, size))
            }
            _ => None,
        }
    }
}
