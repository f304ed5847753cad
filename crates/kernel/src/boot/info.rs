//! From what a loader left in memory to one `BootInfo`.

use crate::memory::phys_to_virt;
use formats::boot::{
    BootInfo, BootPath, MEMORY_MAP_ENTRY_BYTES, MemoryKind, MemoryRegion, START_INFO_BYTES,
    StartInfo, StartInfoError,
};

/// Most entries of a memory map that are looked at.
const MAX_ENTRIES: usize = 1024;
/// End of what the boot tables map.
const MAPPED: u64 = 4 << 30;

/// Bytes that a loader left below 4 GiB; empty if they do not lie there.
///
/// # Safety
/// The boot tables are active and nobody writes the bytes.
unsafe fn loader_bytes(phys: u64, bytes: usize) -> &'static [u8] {
    if phys == 0 || phys >= MAPPED || phys + bytes as u64 > MAPPED {
        return &[];
    }
    // SAFETY: mapped by the boot tables; our caller vouches for the rest.
    unsafe { core::slice::from_raw_parts(phys_to_virt(phys), bytes) }
}

/// Reads an `hvm_start_info` with memory map and command line.
///
/// # Errors
/// Those of [`StartInfo::parse`].
///
/// # Safety
/// The boot tables are active and nothing was allocated yet.
pub unsafe fn from_start_info(path: BootPath, phys: u64) -> Result<BootInfo, StartInfoError> {
    let mut info = BootInfo::new(path);
    // SAFETY: as our caller guarantees; the structure and what it points to were written by the loader.
    let bytes = |phys, count| unsafe { loader_bytes(phys, count) };
    let start = StartInfo::parse(bytes(phys, START_INFO_BYTES))?;
    let entries = (start.memory_map_entries as usize).min(MAX_ENTRIES);
    let map = bytes(start.memory_map, entries * MEMORY_MAP_ENTRY_BYTES);
    let (entries, _) = map.as_chunks::<MEMORY_MAP_ENTRY_BYTES>();
    for entry in entries {
        let region = MemoryRegion::parse_hvm_entry(entry);
        info.push_region(region.base, region.bytes, region.kind);
    }
    if info.regions().is_empty() {
        return Err(StartInfoError::NoMemoryMap);
    }
    info.set_rsdp(start.rsdp);
    info.set_command_line(bytes(
        start.command_line,
        formats::boot::MAX_COMMAND_LINE_BYTES + 1,
    ));
    Ok(info)
}

/// Reads a Multiboot2 information structure (specification 3.6): total size, then tags of type, size, contents,
/// each 8-byte aligned.
///
/// # Safety
/// As for [`from_start_info`].
pub unsafe fn from_multiboot2(phys: u64) -> BootInfo {
    const COMMAND_LINE: u32 = 1;
    const MEMORY_MAP: u32 = 6;
    const OLD_RSDP: u32 = 14;
    const NEW_RSDP: u32 = 15;
    let mut info = BootInfo::new(BootPath::Multiboot2);
    // SAFETY: as our caller guarantees.
    let head = unsafe { loader_bytes(phys, 8) };
    let Some(total) = u32_at(head, 0) else {
        return info;
    };
    // SAFETY: the loader says that the structure has this size.
    let bytes = unsafe { loader_bytes(phys, total as usize) };
    let mut at = 8;
    while let (Some(kind), Some(size)) = (u32_at(bytes, at), u32_at(bytes, at + 4)) {
        let size = size as usize;
        let Some(tag) = bytes.get(at..at + size) else {
            break;
        };
        match kind {
            0 => break,
            COMMAND_LINE => info.set_command_line(tag.get(8..).unwrap_or_default()),
            MEMORY_MAP => {
                let entry_size = u32_at(tag, 8).unwrap_or(0).max(24) as usize;
                for entry in tag.get(16..).unwrap_or_default().chunks_exact(entry_size) {
                    let (low, high) = (u32_at(entry, 0), u32_at(entry, 4));
                    let (size_low, size_high) = (u32_at(entry, 8), u32_at(entry, 12));
                    let join = |low: Option<u32>, high: Option<u32>| {
                        u64::from(low.unwrap_or(0)) | u64::from(high.unwrap_or(0)) << 32
                    };
                    let kind = MemoryKind::from_e820(u32_at(entry, 16).unwrap_or(2));
                    info.push_region(join(low, high), join(size_low, size_high), kind);
                }
            }
            // The tag holds a copy of the root pointer itself.
            NEW_RSDP => info.set_rsdp(phys + at as u64 + 8),
            OLD_RSDP if info.rsdp().is_none() => info.set_rsdp(phys + at as u64 + 8),
            _ => {}
        }
        at += size.max(8).next_multiple_of(8);
    }
    info
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at + 4)?
        .try_into()
        .ok()
        .map(u32::from_le_bytes)
}
