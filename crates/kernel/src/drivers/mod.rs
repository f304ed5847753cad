//! Drivers: what the machine is made of, found once at boot.
//!
//! [`init`] finds the disks: virtio over PCI and MMIO, AHCI, IDE, in this order. Every driver polls; no interrupt is
//! needed or enabled. Every wait has an end: a device that does not answer gives an error.
//!
//! Reads and writes go straight to the caller's pages, so the buffer of [`BlockDevice::read`] must be mapped
//! (present, and writable) before the call; it may be kernel or payload memory, on pages of any size. Large calls are
//! what makes it fast: a request is split into pieces of 1 MiB of which many are in flight.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use store::block::{BlockDevice, SECTOR};
use virtio_drivers::transport::SomeTransport;
use virtio_drivers::transport::pci::bus::{DeviceFunction, DeviceFunctionInfo};
use virtio_drivers::transport::pci::virtio_device_type;

use virtio::blk::VirtioBlk;

mod ahci;
mod ata;
pub mod fw_cfg;
mod ide;
pub mod pci;
pub mod rtc;
mod scatter;
mod virtio;
pub mod wait;

/// Code in [`BlockError::Device`](store::block::BlockError::Device): the device broke its own protocol.
pub const CODE_BROKEN: u32 = 0xFFFF_0001;
/// Code in [`BlockError::Device`](store::block::BlockError::Device): the caller's buffer is not mapped, or not
/// writable where the disk is to fill it.
pub const CODE_NOT_MAPPED: u32 = 0xFFFF_0002;

/// What others know about the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine<'a> {
    /// Memory window of PCI configuration space, if ACPI names one.
    pub ecam: Option<pci::EcamWindow>,
    /// The boot loader's command line, which may announce virtio MMIO devices.
    pub command_line: &'a str,
}

/// A disk that answered.
pub struct Disk {
    /// Short name: driver and number.
    pub name: String,
    /// The device.
    pub device: Box<dyn BlockDevice + Send>,
}

const CLASS_STORAGE: u8 = 0x01;
const SUBCLASS_IDE: u8 = 0x01;
const SUBCLASS_SATA: u8 = 0x06;
const PROG_IF_AHCI: u8 = 0x01;

/// Finds all disks and says what it found. None is no error here.
pub fn init(machine: &Machine<'_>) -> Vec<Disk> {
    let mut disks = Disks::default();
    let mut bus = pci::PciBus::probe(machine.ecam);
    let functions = bus.as_ref().map_or_else(Vec::new, pci::PciBus::functions);
    for (function, info) in &functions {
        crate::debug!("pci {function}: {info}");
    }
    if let Some(bus) = &mut bus {
        for &(function, ref info) in &functions {
            virtio_pci(bus, function, info, &mut disks);
        }
        for &(function, ref info) in &functions {
            match (info.class, info.subclass, info.prog_if) {
                (CLASS_STORAGE, SUBCLASS_SATA, PROG_IF_AHCI) => {
                    ahci::probe(bus, function, |place, disk| disks.add("ahci", &place, disk));
                }
                (CLASS_STORAGE, SUBCLASS_IDE, modes) => {
                    ide::probe(bus, function, modes, |place, disk| {
                        disks.add("ide", &place, disk)
                    });
                }
                _ => {}
            }
        }
    }
    virtio::announced_transports(machine.command_line, |phys, transport| {
        disks.virtio(transport, &format!("MMIO {phys:#x}"));
    });
    let is_microvm = bus.as_ref().is_none_or(|bus| !bus.is_by_ports()) && fw_cfg::is_present();
    if is_microvm && disks.found.is_empty() {
        virtio::microvm_transports(|phys, transport| {
            disks.virtio(transport, &format!("MMIO {phys:#x}"));
        });
    }
    if disks.found.is_empty() {
        crate::info!("no disk found");
    }
    disks.found
}

fn virtio_pci(
    bus: &mut pci::PciBus,
    function: DeviceFunction,
    info: &DeviceFunctionInfo,
    disks: &mut Disks,
) {
    if virtio_device_type(info) != Some(virtio_drivers::transport::DeviceType::Block) {
        return;
    }
    match virtio::pci_transport(bus, function) {
        Ok(transport) => disks.virtio(transport, &format!("PCI {function}")),
        Err(error) => crate::error!("virtio-blk at PCI {function} ignored: {error}"),
    }
}

#[derive(Default)]
struct Disks {
    found: Vec<Disk>,
}

impl Disks {
    fn add(&mut self, driver: &str, place: &str, device: Box<dyn BlockDevice + Send>) {
        let prefix_count = self
            .found
            .iter()
            .filter(|disk| disk.name.starts_with(driver));
        let name = format!("{driver}{}", prefix_count.count());
        let bytes = device.sector_count().saturating_mul(SECTOR as u64);
        crate::info!("{name}: {} at {place}", Size(bytes));
        self.found.push(Disk { name, device });
    }

    fn virtio(&mut self, transport: SomeTransport<'static>, place: &str) {
        match VirtioBlk::new(transport) {
            Ok(disk) => {
                crate::debug!(
                    "virtio-blk at {place}: {:?}, {} runs a request",
                    disk.features(),
                    disk.max_runs()
                );
                self.add("virtio", place, Box::new(disk));
            }
            Err(error) => crate::error!("virtio-blk at {place} ignored: {error}"),
        }
    }
}

/// A number of bytes for people.
struct Size(u64);

impl core::fmt::Display for Size {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            0..0x10_0000 => write!(f, "{} KiB", self.0 >> 10),
            0x10_0000..0x4000_0000 => write!(f, "{} MiB", self.0 >> 20),
            bytes => write!(
                f,
                "{}.{} GiB",
                bytes >> 30,
                (bytes >> 20) % 1024 * 10 / 1024
            ),
        }
    }
}
