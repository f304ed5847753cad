//! Memory of the guest: small blocks from the C allocator, large ones straight from the system.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// From this size on a block gets pages of its own, aligned for 2 MiB pages.
const LARGE: usize = 4 << 20;
const HUGE_PAGE: usize = 2 << 20;

fn layout(size: usize, align: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1), align.max(1)).ok()
}

/// Length of the mapping for a large block.
fn mapped(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(HUGE_PAGE)
}

/// Bytes the guest has; counted only while there is a limit.
static TAKEN: AtomicUsize = AtomicUsize::new(0);
/// Most bytes it may have; 0: what the system gives.
static LIMIT: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the request that was refused last; 0 if none was.
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// Limits what the guest can have, before it runs. On Linux, which promises more than it has and ends whoever takes it at
/// its word: without `bytes` seven eighths of what is available now. The machine keeps its promises and needs no limit.
pub fn limit(bytes: Option<usize>) {
    let available = || {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
        let kib: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib / 8 * 7 * 1024)
    };
    if !super::is_machine()
        && let Some(bytes) = bytes.or_else(available)
    {
        LIMIT.store(bytes.max(1), Relaxed);
    }
}

/// Bytes of the last request that was refused, if one was.
pub fn refused() -> Option<usize> {
    Some(REFUSED.load(Relaxed)).filter(|bytes| *bytes != 0)
}

/// A block of `size` bytes as [`take`] gives it, within the limit.
pub fn allocate(size: usize, align: usize) -> *mut u8 {
    let limit = LIMIT.load(Relaxed);
    let is_within = limit == 0 || {
        let before = TAKEN.fetch_add(size, Relaxed);
        before.checked_add(size).is_some_and(|all| all <= limit)
    };
    let block = if is_within {
        take(size, align)
    } else {
        ptr::null_mut()
    };
    if block.is_null() {
        REFUSED.store(size.max(1), Relaxed);
        if limit != 0 {
            TAKEN.fetch_sub(size, Relaxed);
        }
    }
    block
}

/// A block of `size` bytes at a multiple of `align` (a power of two, at most 2 MiB for large blocks); null if there is none.
fn take(size: usize, align: usize) -> *mut u8 {
    let Some(layout) = layout(size, align) else {
        return ptr::null_mut();
    };
    if size < LARGE || align > HUGE_PAGE {
        // SAFETY: the layout's size is not zero.
        return unsafe { alloc(layout) };
    }
    let Some(len) = mapped(size) else {
        return ptr::null_mut();
    };
    let Some(room) = len.checked_add(HUGE_PAGE) else {
        return ptr::null_mut();
    };
    // SAFETY: a fresh private mapping; what stands over its aligned middle is given back, the rest is the caller's.
    unsafe {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let start = libc::mmap(ptr::null_mut(), room, rights, flags, -1, 0);
        if start == libc::MAP_FAILED {
            return ptr::null_mut();
        }
        let start = start.cast::<u8>();
        let before = start.align_offset(HUGE_PAGE);
        let block = start.add(before);
        if before > 0 {
            libc::munmap(start.cast(), before);
        }
        if before < HUGE_PAGE {
            libc::munmap(block.add(len).cast(), HUGE_PAGE - before);
        }
        // Fewer TLB misses on large matrices; a wish, not a need.
        libc::madvise(block.cast(), len, libc::MADV_HUGEPAGE);
        block
    }
}

/// Gives a block back.
///
/// # Safety
/// `block` came from [`allocate`] with the same size and alignment and is not used any more, or is null.
pub unsafe fn free(block: *mut u8, size: usize, align: usize) {
    let Some(layout) = layout(size, align).filter(|_| !block.is_null()) else {
        return;
    };
    if LIMIT.load(Relaxed) != 0 {
        TAKEN.fetch_sub(size, Relaxed);
    }
    // SAFETY: as the caller promised; the same rule as in `allocate` tells where the block came from.
    unsafe {
        if size < LARGE || align > HUGE_PAGE {
            dealloc(block, layout);
        } else if let Some(len) = mapped(size) {
            libc::munmap(block.cast(), len);
        }
    }
}

/// Sets how large the interpreter's stacks are, one for each thread that runs the guest. They are promised memory; on the
/// machine promises are kept, so that one may not take what the program needs.
pub fn limit_interpreter_stacks() {
    const MACHINE: usize = 8 << 20;
    const LINUX: usize = 64 << 20;
    let bytes = if super::is_machine() { MACHINE } else { LINUX };
    engine::interp::set_stack_size(bytes);
}

/// Gives memory that the C allocator holds but nobody uses back to the system.
pub fn trim() {
    // SAFETY: no preconditions.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_usable() {
        for size in [0, 1, 100, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE] {
            for align in [1, 16, 64, 4096, HUGE_PAGE] {
                let p = allocate(size, align);
                assert!(!p.is_null());
                assert_eq!(p as usize % align, 0, "{size} {align}");
                // SAFETY: the block has `size` bytes and is freed once.
                unsafe {
                    if size > 0 {
                        p.write(1);
                        p.add(size - 1).write(2);
                    }
                    free(p, size, align);
                }
            }
        }
    }

    #[test]
    fn the_impossible_is_null() {
        assert!(allocate(usize::MAX, 1).is_null());
        assert!(allocate(1 << 60, 64).is_null());
        assert!(allocate(8, 3).is_null());
        assert!(allocate(isize::MAX as usize, 1).is_null());
        // SAFETY: null is allowed.
        unsafe { free(ptr::null_mut(), 8, 8) };
    }
}
