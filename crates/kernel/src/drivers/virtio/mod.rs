//! Virtio devices: where they are found, and the block device.
//!
//! The `virtio-drivers` crate gives the transports (PCI capabilities, MMIO registers, both versions); the queue and
//! the disk are our own, for speed and for hostile devices.

pub mod blk;
mod queue;

use core::ptr::NonNull;

use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::pci::bus::DeviceFunction;
use virtio_drivers::transport::{DeviceType, SomeTransport};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use super::pci::PciBus;
use crate::memory::dma::{alloc_dma, free_dma, map_mmio, virt_to_phys};

/// First of the slots of QEMU's microvm machine, one device each.
const MICROVM_SLOTS: u64 = 0xFEB0_0000;
const MICROVM_SLOT_BYTES: usize = 512;
/// Slots with a second IO APIC; without it there are 8, the rest reads as no device.
const MICROVM_SLOT_COUNT: usize = 24;
const MAGIC: u32 = u32::from_le_bytes(*b"virt");

/// The kernel's services for the transports of `virtio-drivers`.
struct KernelHal;

// SAFETY: (1) `dma_alloc` gives zeroed pages that nobody else uses, or reports failure by address 0, which the crate
// checks; (2) `mmio_phys_to_virt` maps what it is asked for; (3) `share` translates: memory is coherent with
// devices on x86, so nothing is copied and `unshare` has nothing to do.
unsafe impl Hal for KernelHal {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        alloc_dma(pages).unwrap_or((0, NonNull::dangling()))
    }

    unsafe fn dma_dealloc(phys: PhysAddr, _: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller gives back what `dma_alloc` returned.
        unsafe { free_dma(phys, pages) };
        0
    }

    unsafe fn mmio_phys_to_virt(phys: PhysAddr, bytes: usize) -> NonNull<u8> {
        map_mmio(phys, bytes)
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        virt_to_phys(buffer.cast::<u8>().as_ptr() as usize).unwrap_or(0)
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// Transport of a virtio device on the PCI bus.
///
/// # Errors
/// A sentence that says what is wrong with the device.
pub fn pci_transport(
    bus: &mut PciBus,
    function: DeviceFunction,
) -> Result<SomeTransport<'static>, alloc::string::String> {
    bus.enable(function);
    match PciTransport::new::<KernelHal, _>(bus.root(), function) {
        Ok(transport) => Ok(transport.into()),
        Err(error) => Err(alloc::format!(
            "{error} (legacy-only devices are not supported: leave disable-modern off)"
        )),
    }
}

/// Block devices in the slots of QEMU's microvm machine. Only for a machine known to be QEMU without PCI: on others
/// something else may live at these addresses.
pub fn microvm_transports(mut found: impl FnMut(u64, SomeTransport<'static>)) {
    let slots = map_mmio(MICROVM_SLOTS, MICROVM_SLOT_COUNT * MICROVM_SLOT_BYTES);
    for slot in 0..MICROVM_SLOT_COUNT {
        let offset = slot * MICROVM_SLOT_BYTES;
        // SAFETY: inside the mapping just made.
        let registers = unsafe { slots.add(offset) };
        if let Some(transport) = block_at(registers, MICROVM_SLOT_BYTES) {
            found(MICROVM_SLOTS + offset as u64, transport);
        }
    }
}

/// Block devices that the command line announces in the form of Linux, `virtio_mmio.device=SIZE@ADDRESS:IRQ`.
pub fn announced_transports(
    command_line: &str,
    mut found: impl FnMut(u64, SomeTransport<'static>),
) {
    let words = command_line.split_ascii_whitespace();
    for device in words.filter_map(|word| word.strip_prefix("virtio_mmio.device=")) {
        let Some((bytes, phys)) = parse_announcement(device) else {
            crate::error!(
                "virtio: cannot read virtio_mmio.device={device}; the form is SIZE@ADDRESS:IRQ"
            );
            continue;
        };
        if let Some(transport) = block_at(map_mmio(phys, bytes), bytes) {
            found(phys, transport);
        }
    }
}

fn parse_announcement(text: &str) -> Option<(usize, u64)> {
    let (bytes, rest) = text.split_once('@')?;
    let address = rest.split(':').next()?;
    let (digits, unit) = match bytes.as_bytes().last()? {
        b'K' | b'k' => (&bytes[..bytes.len() - 1], 1024),
        _ => (bytes, 1),
    };
    let bytes = (parse_number(digits)? as usize).checked_mul(unit)?;
    let phys = parse_number(address)?;
    ((0x100..=1 << 20).contains(&bytes) && phys.is_multiple_of(4)).then_some((bytes, phys))
}

fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn block_at(registers: NonNull<u8>, bytes: usize) -> Option<SomeTransport<'static>> {
    const DEVICE_ID: usize = 8;
    let word = |at: usize| {
        // SAFETY: the register is inside the mapping, aligned; reading the identification has no side effect.
        unsafe { registers.add(at).cast::<u32>().read_volatile() }
    };
    if word(0) != MAGIC || word(DEVICE_ID) != DeviceType::Block as u32 {
        return None;
    }
    // SAFETY: (1) the magic says that these are virtio registers; (2) the mapping stays for ever; (3) each place is
    // visited once, so nobody else uses them.
    match unsafe { MmioTransport::new(registers.cast::<VirtIOHeader>(), bytes) } {
        Ok(transport) => Some(transport.into()),
        Err(error) => {
            crate::error!("virtio: MMIO device ignored: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements() {
        let fixed = Some((512, 0xFEB0_2E00));
        assert_eq!(parse_announcement("512@0xfeb02e00:12"), fixed);
        assert_eq!(
            parse_announcement("4K@0xd0000000:5"),
            Some((4096, 0xD000_0000))
        );
        assert_eq!(parse_announcement("0x200@4272958976:12:0"), fixed);
        for wrong in [
            "",
            "@",
            "512",
            "512@",
            "K@0x1000",
            "512@0x1001:1",
            "16@0x1000:1",
            "99999999M@0:1",
            "-1@0:1",
        ] {
            assert_eq!(parse_announcement(wrong), None, "{wrong}");
        }
        assert_eq!(parse_announcement("18446744073709551615K@0:1"), None);
    }
}
