//! Memory of the guest: small blocks from the C allocator, large ones straight from the system.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr;

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

/// A block of `size` bytes at a multiple of `align` (a power of two, at most 2 MiB for large blocks); null if there is none.
pub fn allocate(size: usize, align: usize) -> *mut u8 {
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
