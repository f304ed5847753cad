//! Memory for devices: contiguous zeroed pages, registers, and physical addresses of what is mapped.

use super::{PAGE, frames, paging, phys_to_virt, window};
use core::ptr::NonNull;

/// Physically contiguous, zeroed pages of 4 KiB below the end of memory; the pointer is into the direct map.
/// `None` when there is no such run.
pub fn alloc_dma(pages: usize) -> Option<(u64, NonNull<u8>)> {
    let phys = frames::alloc_contiguous(pages)?;
    let pointer = phys_to_virt(phys);
    // SAFETY: (1) the frames were just taken from the allocator, nobody else uses them; (2) the direct map covers
    // them, writable.
    unsafe { core::ptr::write_bytes(pointer, 0, pages * PAGE) };
    NonNull::new(pointer).map(|pointer| (phys, pointer))
}

/// Gives back what [`alloc_dma`] returned.
///
/// # Safety
/// `phys` and `pages` are those of one `alloc_dma`, freed once, and neither a device nor the program uses them.
pub unsafe fn free_dma(phys: u64, pages: usize) {
    for page in 0..pages {
        frames::free(phys + (page * PAGE) as u64);
    }
}

/// Physical address behind a mapped virtual address (payload or kernel); `None` if nothing is mapped there.
pub fn virt_to_phys(v: usize) -> Option<u64> {
    paging::translate(v).map(|leaf| leaf.phys)
}

/// Maps device registers: uncached, writable, never executable. The mapping stays for ever; mapping the
/// same registers twice gives two mappings.
pub fn map_mmio(phys: u64, bytes: usize) -> NonNull<u8> {
    window::map(
        phys,
        bytes,
        paging::Flags::KERNEL_DATA | paging::Flags::UNCACHED,
    )
}
