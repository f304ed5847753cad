//! Page tables: one set for everything, walked through the direct map.
//!
//! Entries as in the Intel manual, volume 3, 4.5 (4-level paging). Two of the bits that the processor ignores are ours:
//!
//! - [`Flags::KEPT`]: not accessible (PROT_NONE), but the frame holds data.
//! - [`Flags::DEAD`]: unmapped, but some TLB may still know it; the frame is freed after the shootdown.
//!
//! A leaf of 2 MiB carries bit 7 also while it is not present. Zero means: nothing there.
//!
//! Changes to the lower half happen under the lock of the address space, to a slot of the upper half under the lock of
//! its owner (window, stack); the top-level entries of the two halves are never shared.

use super::{DIRECT_MAP, HUGE, IMAGE_BASE, PAGE, frames, image, phys_to_virt};
use bitflags::bitflags;
use core::sync::atomic::{AtomicU64, Ordering};
use formats::boot::{BootInfo, MemoryKind};
use x86_64::registers::control::{Cr3, Cr3Flags, Cr4, Cr4Flags};
use x86_64::structures::paging::PhysFrame;
use x86_64::{PhysAddr, VirtAddr};

bitflags! {
    /// Bits of a page table entry.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u64 {
        /// Mapped.
        const PRESENT = 1;
        /// Writable.
        const WRITE = 1 << 1;
        /// Write-through and cache-disable: device registers.
        const UNCACHED = 1 << 3 | 1 << 4;
        /// Used since it was mapped, or since somebody cleared this.
        const ACCESSED = 1 << 5;
        /// Written to since it was mapped.
        const DIRTY = 1 << 6;
        /// A leaf of 2 MiB.
        const HUGE = 1 << 7;
        /// Survives a reload of CR3.
        const GLOBAL = 1 << 8;
        /// Not present, frame kept.
        const KEPT = 1 << 9;
        /// Not present, frame to be freed.
        const DEAD = 1 << 10;
        /// Not executable.
        const NX = 1 << 63;

        /// Data of the kernel.
        const KERNEL_DATA = 1 | 1 << 1 | 1 << 8 | 1 << 63;
        /// Constants of the kernel.
        const KERNEL_RODATA = 1 | 1 << 8 | 1 << 63;
        /// Code of the kernel.
        const KERNEL_TEXT = 1 | 1 << 8;
    }
}

const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;
/// Flags of an entry that points to a table: the leaf decides.
const TABLE: u64 = 3;

/// Physical address of the top-level table; 0 before there is one.
pub static ROOT: AtomicU64 = AtomicU64::new(0);

/// No frame was left for a page table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

/// What a virtual address leads to.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    /// Physical address behind the virtual one.
    pub phys: u64,
    /// Bits of the entry.
    pub flags: Flags,
}

type Table = [u64; 512];

fn table_at(phys: u64) -> *mut Table {
    phys_to_virt(phys & ADDRESS).cast()
}

fn index(virt: usize, level: u32) -> usize {
    virt >> (12 + 9 * level) & 511
}

/// The table that `entry` points to; created if asked for.
///
/// # Safety
/// `entry` is an entry of a live table above the last level and not a leaf.
unsafe fn next_table(entry: *mut u64, create: bool) -> Result<Option<*mut Table>, NoMemory> {
    // SAFETY: the entry is live; 8-byte aligned reads and writes of it are atomic on x86.
    unsafe {
        if *entry & 1 == 0 {
            if !create {
                return Ok(None);
            }
            *entry = frames::alloc_for_table().ok_or(NoMemory)? | TABLE;
        }
        Ok(Some(table_at(*entry)))
    }
}

/// The entry of the page directory (2 MiB) for `virt`.
fn directory_entry(virt: usize, create: bool) -> Result<Option<*mut u64>, NoMemory> {
    let mut table = table_at(ROOT.load(Ordering::Relaxed));
    for level in [3, 2] {
        // SAFETY: `table` is a live table of this level; levels 3 and 2 hold no leaves (we map no 1 GiB pages).
        let next = unsafe { next_table(&raw mut (*table)[index(virt, level)], create)? };
        match next {
            Some(next) => table = next,
            None => return Ok(None),
        }
    }
    // SAFETY: `table` is a live page directory.
    Ok(Some(unsafe { &raw mut (*table)[index(virt, 1)] }))
}

/// Replaces a leaf of 2 MiB by 512 leaves of 4 KiB with the same flags.
///
/// # Safety
/// `entry` is a live directory entry that is a leaf.
unsafe fn split(entry: *mut u64) -> Result<(), NoMemory> {
    let frame = frames::alloc_for_table().ok_or(NoMemory)?;
    let table = table_at(frame);
    // SAFETY: the new table is ours until the one store that publishes it; both forms translate alike.
    unsafe {
        let leaf = *entry & !Flags::HUGE.bits();
        for page in 0..512 {
            (*table)[page] = leaf + (page * PAGE) as u64;
        }
        entry.write_volatile(frame | TABLE);
    }
    Ok(())
}

/// Maps one 4 KiB page. What was mapped there before is replaced; a 2 MiB leaf there is split.
///
/// # Errors
/// [`NoMemory`]
pub fn map(virt: usize, phys: u64, flags: Flags) -> Result<(), NoMemory> {
    let Some(directory) = directory_entry(virt, true)? else {
        return Err(NoMemory);
    };
    // SAFETY: the entry is live; splitting and creating tables keeps every other translation.
    unsafe {
        if *directory & Flags::HUGE.bits() != 0 {
            split(directory)?;
        }
        let Some(table) = next_table(directory, true)? else {
            return Err(NoMemory);
        };
        (&raw mut (*table)[index(virt, 0)]).write_volatile(phys | flags.bits());
    }
    Ok(())
}

/// Maps one 2 MiB page where nothing is mapped.
///
/// # Errors
/// `Ok(false)`: a table of 4 KiB pages is there already. [`NoMemory`]
pub fn map_huge(virt: usize, phys: u64, flags: Flags) -> Result<bool, NoMemory> {
    let Some(directory) = directory_entry(virt, true)? else {
        return Err(NoMemory);
    };
    // SAFETY: the entry is live and, when zero, free to use.
    unsafe {
        if *directory != 0 {
            return Ok(false);
        }
        directory.write_volatile(phys | (flags | Flags::HUGE).bits());
    }
    Ok(true)
}

/// Makes sure that the tables for a range exist, so that [`map`] cannot fail there.
fn prepare(start: usize, end: usize) -> Result<(), NoMemory> {
    for virt in (start & !(HUGE - 1)..end).step_by(HUGE) {
        let Some(directory) = directory_entry(virt, true)? else {
            return Err(NoMemory);
        };
        // SAFETY: the entry is live.
        unsafe {
            if *directory & Flags::HUGE.bits() == 0 {
                next_table(directory, true)?;
            }
        }
    }
    Ok(())
}

/// Makes sure that leaves can move from `old` to `new` without needing memory on the way.
///
/// # Errors
/// [`NoMemory`]
pub fn prepare_moved(old: usize, new: usize, bytes: usize) -> Result<(), NoMemory> {
    if old.is_multiple_of(HUGE) && new.is_multiple_of(HUGE) {
        // Large leaves stay whole; tables of small ones are made where the source has one.
        let tail = bytes & !(HUGE - 1);
        for at in (0..tail).step_by(HUGE) {
            match directory_entry(old + at, false)? {
                // SAFETY: the entry is live.
                Some(entry) if unsafe { *entry & 1 != 0 && *entry & Flags::HUGE.bits() == 0 } => {
                    prepare(new + at, new + at + HUGE)?;
                }
                _ => {
                    directory_entry(new + at, true)?;
                }
            }
        }
        if tail < bytes {
            prepare(new + tail, new + bytes)?;
        }
        return Ok(());
    }
    for at in (old & !(HUGE - 1)..old + bytes).step_by(HUGE) {
        if let Some(entry) = directory_entry(at, false)? {
            // SAFETY: the entry is live; splitting keeps the translation.
            unsafe {
                if *entry & Flags::HUGE.bits() != 0 {
                    split(entry)?;
                }
            }
        }
    }
    prepare(new, new + bytes)
}

/// Calls `visit(address, entry, size)` for every leaf of the range, present or not. A 2 MiB leaf
/// that the range covers only in part is split.
///
/// # Errors
/// [`NoMemory`]: a leaf could not be split; those before were visited.
pub fn for_each_leaf(
    start: usize,
    end: usize,
    mut visit: impl FnMut(usize, &mut u64, usize),
) -> Result<(), NoMemory> {
    let mut at = start;
    while at < end {
        let Some(directory) = directory_entry(at, false)? else {
            // Nothing in this 1 GiB.
            at = (at | ((1 << 30) - 1)) + 1;
            continue;
        };
        let next = (at | (HUGE - 1)) + 1;
        // SAFETY: the entries are live, and the caller holds the lock of this half.
        unsafe {
            if *directory == 0 {
                at = next;
                continue;
            }
            if *directory & Flags::HUGE.bits() != 0 {
                if at.is_multiple_of(HUGE) && next <= end {
                    visit(at, &mut *directory, HUGE);
                    at = next;
                    continue;
                }
                split(directory)?;
            }
            let table = table_at(*directory);
            while at < next.min(end) {
                let entry = &mut (*table)[index(at, 0)];
                if *entry != 0 {
                    visit(at, entry, PAGE);
                }
                at += PAGE;
            }
        }
    }
    Ok(())
}

/// Calls `visit` for every directory entry of the range that is wholly in it and not a leaf.
fn for_each_table(start: usize, end: usize, mut visit: impl FnMut(&mut u64)) {
    let mut at = start.next_multiple_of(HUGE);
    while at + HUGE <= end {
        let Ok(Some(directory)) = directory_entry(at, false) else {
            at = (at | ((1 << 30) - 1)) + 1;
            continue;
        };
        // SAFETY: the entry is live, and the caller holds the lock of this half.
        let entry = unsafe { &mut *directory };
        if *entry != 0 && *entry & Flags::HUGE.bits() == 0 {
            visit(entry);
        }
        at += HUGE;
    }
}

/// Frees the tables of 4 KiB pages that lie wholly in the range and are empty. `flush` makes every CPU
/// forget the range: processors cache entries that point to tables, too.
pub fn free_empty_tables(start: usize, end: usize, flush: impl FnOnce()) {
    let mut dead = false;
    for_each_table(start, end, |entry| {
        // SAFETY: a present entry that is no leaf points to a live table.
        if unsafe { (*table_at(*entry)).iter().all(|&leaf| leaf == 0) } {
            *entry = *entry & !Flags::PRESENT.bits() | Flags::DEAD.bits();
            dead = true;
        }
    });
    if !dead {
        return;
    }
    flush();
    for_each_table(start, end, |entry| {
        if *entry & Flags::DEAD.bits() != 0 {
            let frame = *entry & ADDRESS;
            *entry = 0;
            frames::free(frame);
        }
    });
}

/// Where a virtual address leads, if it is mapped and accessible.
pub fn translate(virt: usize) -> Option<Leaf> {
    let leaf = entry_of(virt)?;
    leaf.flags.contains(Flags::PRESENT).then_some(leaf)
}

/// The leaf of an address, also one that is not present.
pub fn entry_of(virt: usize) -> Option<Leaf> {
    if ROOT.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let directory = directory_entry(virt, false).ok()??;
    // SAFETY: the entry is live; a concurrent change is seen before or after.
    unsafe {
        let entry = directory.read_volatile();
        if entry & Flags::HUGE.bits() != 0 {
            let base = entry & ADDRESS & !(HUGE as u64 - 1);
            let flags = Flags::from_bits_truncate(entry);
            return Some(Leaf {
                phys: base + (virt % HUGE) as u64,
                flags,
            });
        }
        if entry & 1 == 0 {
            return None;
        }
        let entry = (*table_at(entry))[index(virt, 0)];
        let flags = Flags::from_bits_truncate(entry);
        (entry != 0).then_some(Leaf {
            phys: (entry & ADDRESS) + (virt % PAGE) as u64,
            flags,
        })
    }
}

/// Physical address in an entry.
pub fn address(entry: u64) -> u64 {
    entry & ADDRESS
}

/// Forgets one page on this CPU.
pub fn flush_page(virt: usize) {
    x86_64::instructions::tlb::flush(VirtAddr::new_truncate(virt as u64));
}

/// Forgets the lower half on this CPU.
pub fn flush_all() {
    x86_64::instructions::tlb::flush_all();
}

/// Switches this CPU to the kernel's page tables.
///
/// # Safety
/// The caller runs in the kernel's image or the direct map, on a stack that both old and new tables map.
pub unsafe fn activate() {
    let root = PhysFrame::containing_address(PhysAddr::new_truncate(ROOT.load(Ordering::Acquire)));
    // SAFETY: the tables map the image, and our caller vouches for its stack.
    unsafe {
        Cr3::write(root, Cr3Flags::empty());
        Cr4::update(|cr4| cr4.insert(Cr4Flags::PAGE_GLOBAL));
    }
}

/// Maps a span of the direct map: large pages where both ends allow.
fn map_direct(start: u64, end: u64) -> Result<(), NoMemory> {
    let mut at = start;
    while at < end {
        let virt = DIRECT_MAP + at as usize;
        if at.is_multiple_of(HUGE as u64)
            && at + HUGE as u64 <= end
            && map_huge(virt, at, Flags::KERNEL_DATA)?
        {
            at += HUGE as u64;
            continue;
        }
        if entry_of(virt).is_none() {
            map(virt, at, Flags::KERNEL_DATA)?;
        }
        at += PAGE as u64;
    }
    Ok(())
}

/// Builds and activates the final tables: direct map, image, nothing else.
///
/// # Safety
/// Once, at boot, with the boot tables active and the frames below 4 GiB in the allocator.
pub(super) unsafe fn init(info: &BootInfo) -> Result<(), &'static str> {
    let none = "no memory for page tables";
    ROOT.store(frames::alloc_zeroed().ok_or(none)?, Ordering::Release);
    let ram = |kind| {
        matches!(
            kind,
            MemoryKind::Usable | MemoryKind::AcpiReclaimable | MemoryKind::AcpiNvs
        )
    };
    for region in info.regions().iter().filter(|region| ram(region.kind)) {
        let start = region.base & !(PAGE as u64 - 1);
        map_direct(start, region.end().next_multiple_of(PAGE as u64)).map_err(|_| none)?;
    }
    let [start, text_end, rodata_end, end] = image();
    let parts = [
        (start, text_end, Flags::KERNEL_TEXT),
        (text_end, rodata_end, Flags::KERNEL_RODATA),
        (rodata_end, end, Flags::KERNEL_DATA),
    ];
    for (from, to, flags) in parts {
        for virt in (from..to).step_by(PAGE) {
            let phys = (virt - IMAGE_BASE) as u64;
            map(virt, phys, flags).map_err(|_| none)?;
            // The direct map is no way around the protection of the image.
            let alias = if flags == Flags::KERNEL_DATA {
                flags
            } else {
                Flags::KERNEL_RODATA
            };
            map(DIRECT_MAP + phys as usize, phys, alias).map_err(|_| none)?;
        }
    }
    // SAFETY: we run in the image, on the boot stack inside it.
    unsafe { activate() };
    Ok(())
}
