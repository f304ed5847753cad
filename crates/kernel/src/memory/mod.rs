//! Physical frames, page tables, the kernel's heap and stacks, and the payload's address space.
//!
//! ```text
//! 0x0000_0000_0001_0000 ..  the payload (address space: space.rs)
//! 0xFFFF_8000_0000_0000 ..  direct map: all of physical memory, writable, not executable
//! 0xFFFF_D000_0000_0000 ..  windows: device registers and firmware tables
//! 0xFFFF_E000_0000_0000 ..  kernel stacks, each with an unmapped page below
//! 0xFFFF_FFFF_8010_0000 ..  the kernel's image, each section with its own protection
//! ```
//!
//! There is one set of page tables. No mapping is writable and executable at once unless the program asks for it.

mod builtins;
pub mod dma;
pub mod frames;
pub mod heap;
pub mod paging;
pub mod space;
pub mod stack;
pub mod user;
pub mod window;

use formats::boot::{BootInfo, MemoryKind};

/// Size of a page in bytes.
pub const PAGE: usize = 4096;
/// Size of a large page in bytes.
pub const HUGE: usize = 2 << 20;
/// Start of the direct map.
pub const DIRECT_MAP: usize = 0xFFFF_8000_0000_0000;
/// What is added to a physical address to get where the kernel's image is linked.
pub const IMAGE_BASE: usize = 0xFFFF_FFFF_8000_0000;
/// End of what the payload may map.
pub const USER_END: usize = 0x0000_7FFF_FFFF_F000;

/// The direct map's address of physical memory. The address is only valid for memory in the loader's map.
pub fn phys_to_virt(phys: u64) -> *mut u8 {
    (DIRECT_MAP + phys as usize) as *mut u8
}

unsafe extern "C" {
    static __image_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __image_end: u8;
}

/// Addresses of the parts of the image: start, end of text, end of read-only data, end.
pub fn image() -> [usize; 4] {
    [
        &raw const __image_start as usize,
        &raw const __text_end as usize,
        &raw const __rodata_end as usize,
        &raw const __image_end as usize,
    ]
}

/// Physical end of the kernel's image.
pub fn image_phys_end() -> u64 {
    (image()[3] - IMAGE_BASE) as u64
}

/// Builds the frame allocator, the final page tables and the heap from the loader's memory map.
///
/// # Errors
/// `&str`: what is missing, when there is not enough memory.
///
/// # Safety
/// Called once, at boot, on the first CPU, while the boot page tables (direct map of 4 GiB) are active.
pub unsafe fn init(info: &BootInfo) -> Result<(), &'static str> {
    let image_end = image_phys_end() + crate::boot::embedded_bytes() as u64;
    let low_end = image_end.next_multiple_of(PAGE as u64);
    // Everything below 1 MiB stays out: firmware data, AP trampoline.
    let usable = || {
        let regions = info.regions().iter();
        regions
            .filter(|r| r.kind == MemoryKind::Usable)
            .map(move |r| {
                let start = r.base.max(low_end).next_multiple_of(PAGE as u64);
                (start, r.end() & !(PAGE as u64 - 1))
            })
    };
    let reserved = || {
        let regions = info.regions().iter();
        regions.filter(|r| r.kind != MemoryKind::Usable).map(|r| {
            (
                r.base & !(PAGE as u64 - 1),
                r.end().next_multiple_of(PAGE as u64),
            )
        })
    };
    const BOOT_MAP_END: u64 = 4 << 30;
    // SAFETY: the ranges are free memory by the loader's map, behind the image, and inside the boot direct map.
    unsafe {
        frames::init(usable(), BOOT_MAP_END)?;
        for (start, end) in usable() {
            frames::add(start, end.min(BOOT_MAP_END), reserved());
        }
    }
    // SAFETY: called once with the boot tables active, as our caller guarantees.
    unsafe { paging::init(info)? };
    for (start, end) in usable() {
        // SAFETY: as above; the direct map now covers all of it.
        unsafe { frames::add(start.max(BOOT_MAP_END), end, reserved()) };
    }
    frames::seal();
    Ok(())
}
