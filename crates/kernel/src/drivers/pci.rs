//! PCI configuration space: by ports where they work, else by memory (ECAM).
//!
//! Enumeration comes from `virtio-drivers`' bus module; here are the accesses, the walk over bridges, and BARs.
//!
//! BARs are never sized: that moves them and turns decoding off and on, for each of which an emulator rebuilds its
//! memory map (4 to 20 ms per device under TCG, the price of a whole boot). Where the bus module sizes a BAR
//! nevertheless, [`Access`] answers with [`PRETENDED_BYTES`] and leaves the device alone; what drivers need is bounded
//! by their specifications.
//!
//! Source: PCI Local Bus Specification 3.0, section 3.2.2.3.2; PCI Firmware Specification 3.2, section 4.1 (MCFG).

use alloc::vec::Vec;
use core::ptr::NonNull;

use virtio_drivers::transport::pci::bus::{
    Command, ConfigurationAccess, DeviceFunction, DeviceFunctionInfo, HeaderType, PciRoot,
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
const COMMAND: u8 = 0x04;
const DECODE: u32 = 0b11;
const BARS: core::ops::Range<u8> = 0x10..0x28;
const BUS_NUMBERS: u8 = 0x18;
const BAR_IS_PORTS: u32 = 1 << 0;
const BAR_64_BIT: u32 = 0b100;
/// Size that every memory BAR seems to have.
const PRETENDED_BYTES: u32 = 1 << 20;
/// Number of ports that every I/O BAR seems to have.
const PRETENDED_PORTS: u32 = 16;

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

/// Configuration space, as the bus module sees it.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    way: Way,
    /// The BAR register that is being sized.
    sizing: Option<(DeviceFunction, u8)>,
}

/// One of the ways to configuration space.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Ports 0xCF8 and 0xCFC.
    Ports,
    /// Mapped memory from bus 0 on, and the number of buses mapped.
    Memory(NonNull<u32>, u8),
}

// SAFETY: the pointer leads to a mapping that stays for ever; accesses are volatile single words.
unsafe impl Send for Way {}

impl Way {
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

impl Way {
    fn read(&self, function: DeviceFunction, register: u8) -> u32 {
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

    fn write(&self, function: DeviceFunction, register: u8, value: u32) {
        match self {
            Self::Ports => {
                select(function, register);
                // SAFETY: only command bits are written, by the drivers of the devices concerned.
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
}

impl ConfigurationAccess for Access {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        let value = self.way.read(function, register);
        if self.sizing != Some((function, register)) {
            return value;
        }
        // The upper half of a 64-bit BAR has no flags; the bus module asks for it right after the lower half.
        let lower = register.wrapping_sub(4);
        let is_upper =
            BARS.contains(&lower) && self.way.read(function, lower) & 0b111 == BAR_64_BIT;
        match (is_upper, value & BAR_IS_PORTS != 0) {
            (true, _) => u32::MAX,
            (false, true) => !(PRETENDED_PORTS - 1) | value & 0b11,
            (false, false) => !(PRETENDED_BYTES - 1) | value & 0b1111,
        }
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, value: u32) {
        if BARS.contains(&register) {
            self.sizing = (value == u32::MAX).then_some((function, register));
            return;
        }
        let is_decoding_off = register == COMMAND && value & DECODE == 0;
        if !is_decoding_off && self.way.read(function, register) != value {
            self.way.write(function, register, value);
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
        let way = Way::ports().or_else(|| Way::memory(ecam?))?;
        let access = Access { way, sizing: None };
        Some(Self {
            root: PciRoot::new(access),
            access,
        })
    }

    /// Whether this is a machine with the ports of a PC.
    pub fn is_by_ports(&self) -> bool {
        matches!(self.access.way, Way::Ports)
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

    /// Physical address of a memory BAR that the firmware has placed.
    pub fn memory_bar(&self, function: DeviceFunction, bar: u8) -> Option<u64> {
        let register = BARS.start + 4 * bar;
        let low = self.access.read_word(function, register);
        if low & BAR_IS_PORTS != 0 {
            return None;
        }
        let high = if low & 0b110 == BAR_64_BIT && BARS.contains(&(register + 4)) {
            self.access.read_word(function, register + 4)
        } else {
            0
        };
        let phys = u64::from(high) << 32 | u64::from(low & !0b1111);
        (phys != 0).then_some(phys)
    }

    /// First port of an I/O BAR that the firmware has placed.
    pub fn port_bar(&self, function: DeviceFunction, bar: u8) -> Option<u16> {
        let value = self.access.read_word(function, BARS.start + 4 * bar);
        let port = u16::try_from(value & !0b11).ok()?;
        (value & BAR_IS_PORTS != 0 && port != 0).then_some(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtio_drivers::transport::pci::bus::BarInfo;

    const DEVICE: DeviceFunction = DeviceFunction {
        bus: 0,
        device: 3,
        function: 0,
    };
    const BRIDGE: DeviceFunction = DeviceFunction {
        bus: 0,
        device: 1,
        function: 0,
    };
    const BEHIND: DeviceFunction = DeviceFunction {
        bus: 1,
        device: 0,
        function: 0,
    };

    /// Two buses of configuration space in plain memory, without any device.
    fn bus() -> PciBus {
        let words = alloc::vec![NO_DEVICE; 2 * BUS_BYTES / 4].leak();
        let way = Way::Memory(NonNull::from(&mut words[0]), 2);
        let access = Access { way, sizing: None };
        PciBus {
            root: PciRoot::new(access),
            access,
        }
    }

    fn fill(bus: &PciBus, function: DeviceFunction, words: &[(u8, u32)]) {
        for register in (0..0x40).step_by(4) {
            bus.access.way.write(function, register, 0);
        }
        for &(register, value) in words {
            bus.access.way.write(function, register, value);
        }
    }

    #[test]
    fn bars_are_decoded() {
        let bus = bus();
        let bars = [
            (0x10, 0xFEB0_000C),
            (0x14, 0x0000_0002),
            (0x18, 0x0000_C041),
            (0x1C, 0xFEA0_0008),
            (0x24, 0xF000_0004),
        ];
        fill(&bus, DEVICE, &bars);
        assert_eq!(bus.memory_bar(DEVICE, 0), Some(0x2_FEB0_0000));
        assert_eq!(bus.memory_bar(DEVICE, 2), None, "ports");
        assert_eq!(bus.memory_bar(DEVICE, 3), Some(0xFEA0_0000));
        assert_eq!(bus.memory_bar(DEVICE, 4), None, "never placed");
        assert_eq!(
            bus.memory_bar(DEVICE, 5),
            Some(0xF000_0000),
            "no room for an upper half"
        );
        assert_eq!(bus.port_bar(DEVICE, 2), Some(0xC040));
        assert_eq!(bus.port_bar(DEVICE, 3), None, "memory");
        assert_eq!(bus.port_bar(DEVICE, 4), None, "never placed");
    }

    #[test]
    fn sizing_leaves_the_device_alone() {
        let mut bus = bus();
        let words = [
            (0x00, 0x1042_1AF4),
            (0x04, 0x0000_0007),
            (0x10, 0xFEB0_000C),
            (0x14, 0x0000_0002),
            (0x18, 0x0000_C041),
        ];
        fill(&bus, DEVICE, &words);
        let info = bus.root().bar_info(DEVICE, 0).unwrap().unwrap();
        assert_eq!(
            info.memory_address_size(),
            Some((0x2_FEB0_0000, u64::from(PRETENDED_BYTES)))
        );
        let info = bus.root().bar_info(DEVICE, 2).unwrap().unwrap();
        let expected = BarInfo::IO {
            address: 0xC040,
            size: PRETENDED_PORTS,
        };
        assert_eq!(info, expected);
        for (register, value) in words {
            assert_eq!(
                bus.access.way.read(DEVICE, register),
                value,
                "register {register:#x}"
            );
        }
    }

    #[test]
    fn enabling_reaches_the_device() {
        let mut bus = bus();
        fill(&bus, DEVICE, &[(0x00, 0x1042_1AF4), (0x04, 0x0010_0000)]);
        bus.enable(DEVICE);
        assert_eq!(bus.access.way.read(DEVICE, 4) & 0xFFFF, 0x0407);
    }

    #[test]
    fn bridges_are_followed_once() {
        let bus = bus();
        fill(&bus, DEVICE, &[(0x00, 0x1042_1AF4)]);
        let bridge = [
            (0x00, 0x000C_1B36),
            (0x08, 0x0604_0000),
            (0x0C, 0x0001_0000),
        ];
        fill(&bus, BRIDGE, &bridge);
        // Secondary bus 1, whose bridge leads back to bus 1.
        bus.access.way.write(BRIDGE, BUS_NUMBERS, 0x0001_0100);
        fill(&bus, BEHIND, &bridge);
        bus.access.way.write(BEHIND, BUS_NUMBERS, 0x0001_0101);
        let found: Vec<_> = bus
            .functions()
            .into_iter()
            .map(|(function, _)| function)
            .collect();
        assert_eq!(found, [BRIDGE, DEVICE, BEHIND]);
    }
}
