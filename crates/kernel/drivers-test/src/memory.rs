//! What drivers use of the kernel's memory module, as simple as can be.
//!
//! A bump allocator and page tables that map all memory at one offset.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};

/// Start of the direct map.
pub const DIRECT_MAP: usize = 0xFFFF_8000_0000_0000;
/// Size of a page in bytes.
pub const PAGE: usize = 4096;

/// Behind the image; memory is never given back.
static NEXT: AtomicUsize = AtomicUsize::new(32 << 20);

/// Physical address of fresh memory.
pub fn take(bytes: usize, align: usize) -> usize {
    let take = |next: usize| Some(next.next_multiple_of(align) + bytes);
    let before = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
    before.unwrap_or_else(|next| next).next_multiple_of(align)
}

/// The direct map's address of physical memory.
pub fn phys_to_virt(phys: u64) -> *mut u8 {
    (DIRECT_MAP + phys as usize) as *mut u8
}

struct Heap;

// SAFETY: every allocation is memory of its own.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        phys_to_virt(take(layout.size(), layout.align()) as u64)
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Heap = Heap;

/// Page tables.
pub mod paging {
    use super::{PAGE, phys_to_virt, take};

    bitflags::bitflags! {
        /// Bits of an entry.
        #[derive(Clone, Copy, Debug)]
        pub struct Flags: u64 {
            /// A leaf above the last level.
            const HUGE = 1 << 7;
            /// All others.
            const _ = !0;
        }
    }

    /// What a virtual address leads to.
    pub struct Leaf {
        /// Physical address.
        pub phys: u64,
        /// Bits of the entry.
        pub flags: Flags,
    }

    unsafe extern "C" {
        static page_tables: [u64; 512];
    }

    const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

    fn entry(table: u64, virt: usize, shift: u32) -> *mut u64 {
        phys_to_virt(table + (virt >> shift & 511) as u64 * 8).cast()
    }

    /// Where a virtual address leads.
    pub fn translate(virt: usize) -> Option<Leaf> {
        let mut table = &raw const page_tables as u64;
        for shift in [39, 30, 21, 12] {
            // SAFETY: an entry of a live table, in the direct map.
            let value = unsafe { *entry(table, virt, shift) };
            if value & 1 == 0 {
                return None;
            }
            let flags = Flags::from_bits_retain(value);
            if shift == 12 || flags.contains(Flags::HUGE) {
                let offset = virt & ((1 << shift) - 1);
                let phys = (value & ADDRESS) + offset as u64;
                return Some(Leaf { phys, flags });
            }
            table = value & ADDRESS;
        }
        None
    }

    /// Maps one page, writable if asked for.
    pub fn map(virt: usize, phys: u64, is_writable: bool) {
        let mut table = &raw const page_tables as u64;
        for shift in [39, 30, 21] {
            let entry = entry(table, virt, shift);
            // SAFETY: a live entry; the new table is fresh memory.
            unsafe {
                if *entry & 1 == 0 {
                    let fresh = take(PAGE, PAGE) as u64;
                    phys_to_virt(fresh).write_bytes(0, PAGE);
                    *entry = fresh | 3;
                }
                table = *entry & ADDRESS;
            }
        }
        let bits = 1 | u64::from(is_writable) << 1;
        // SAFETY: a live entry; nothing uses the address yet.
        unsafe { *entry(table, virt, 12) = phys | bits };
    }
}

/// Memory for devices.
pub mod dma {
    use super::{PAGE, paging, phys_to_virt, take};
    use core::ptr::NonNull;

    /// Contiguous zeroed pages.
    pub fn alloc_dma(pages: usize) -> Option<(u64, NonNull<u8>)> {
        let phys = take(pages * PAGE, PAGE) as u64;
        let memory = phys_to_virt(phys);
        // SAFETY: fresh memory.
        unsafe { memory.write_bytes(0, pages * PAGE) };
        Some((phys, NonNull::new(memory)?))
    }

    /// Memory is never given back.
    ///
    /// # Safety
    /// None is needed.
    pub unsafe fn free_dma(_: u64, _: usize) {}

    /// Physical address behind a virtual one.
    pub fn virt_to_phys(virt: usize) -> Option<u64> {
        paging::translate(virt).map(|leaf| leaf.phys)
    }

    /// Registers are in the direct map like everything else.
    pub fn map_mmio(phys: u64, _: usize) -> NonNull<u8> {
        NonNull::new(phys_to_virt(phys)).unwrap_or(NonNull::dangling())
    }
}
