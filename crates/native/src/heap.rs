//! Memory of the guest: small blocks from talc, large ones straight from the system.

use crate::gate;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use talc::TalcLock;
use talc::base::{Talc, binning::Binning};
use talc::source::Source;

/// From this size on a block gets pages of its own, aligned for 2 MiB pages.
const LARGE: usize = 4 << 20;
const HUGE_PAGE: usize = 2 << 20;
/// The heap takes at least so much at once.
const GROW: usize = 1 << 20;
const PAGE: usize = 4096;

/// A thread that waits for the heap lets others run: its owner may have been interrupted on the same CPU.
struct Yield;

impl spin::RelaxStrategy for Yield {
    fn relax() {
        gate::yield_now();
    }
}

#[derive(Debug)]
struct Pages;

// SAFETY: `acquire` only maps pages, which allocates nothing from the heap, and claims what it got.
unsafe impl Source for Pages {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        // Room for the allocator's own tags and for the alignment asked for.
        let needed = layout
            .size()
            .checked_add(layout.align())
            .and_then(|n| n.checked_add(PAGE))
            .and_then(|n| n.checked_next_multiple_of(PAGE))
            .ok_or(())?;
        // The last of the memory may still hold what is asked for, if not a whole step.
        let wanted = [needed.max(GROW), needed];
        let (at, bytes) = wanted
            .into_iter()
            .find_map(|bytes| Some((gate::map(bytes)?, bytes)))
            .ok_or(())?;
        // SAFETY: the pages are ours, fresh, and never given back.
        unsafe { talc.claim(at, bytes) }.map(|_| ()).ok_or(())
    }
}

static HEAP: TalcLock<spin::mutex::SpinMutex<(), Yield>, Pages> = TalcLock::new(Pages);

fn layout(size: usize, align: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1), align.max(1)).ok()
}

/// Length of the mapping for a large block.
fn mapped(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(HUGE_PAGE)
}

/// Bytes of the request that was refused last; 0 if none was.
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// Bytes of the last request that was refused, if one was.
pub fn refused() -> Option<usize> {
    Some(REFUSED.load(Relaxed)).filter(|bytes| *bytes != 0)
}

/// A block of `size` bytes at a multiple of `align` (a power of two); null if there is none.
pub fn allocate(size: usize, align: usize) -> *mut u8 {
    let block = take(size, align);
    if block.is_null() {
        REFUSED.store(size.max(1), Relaxed);
    }
    block
}

fn take(size: usize, align: usize) -> *mut u8 {
    let Some(layout) = layout(size, align) else {
        return ptr::null_mut();
    };
    if size < LARGE || align > HUGE_PAGE {
        // SAFETY: the layout's size is not zero.
        return unsafe { HEAP.alloc(layout) };
    }
    let Some((len, room)) = mapped(size).and_then(|n| Some((n, n.checked_add(HUGE_PAGE)?))) else {
        return ptr::null_mut();
    };
    let Some(start) = gate::map(room) else {
        return ptr::null_mut();
    };
    let before = start.align_offset(HUGE_PAGE).min(HUGE_PAGE);
    // SAFETY: a fresh mapping; what stands over its aligned middle is given back, the rest is the caller's.
    unsafe {
        let block = start.add(before);
        if before > 0 {
            gate::unmap(start, before);
        }
        if before < HUGE_PAGE {
            gate::unmap(block.add(len), HUGE_PAGE - before);
        }
        gate::advise_huge(block, len);
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
            HEAP.dealloc(block, layout);
        } else if let Some(len) = mapped(size) {
            gate::unmap(block, len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_usable() {
        for size in [0, 1, 100, GROW, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE] {
            for align in [1, 16, 64, 4096, HUGE_PAGE, 2 * HUGE_PAGE] {
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
        for (size, align) in [
            (usize::MAX, 1),
            (1 << 60, 64),
            (8, 3),
            (isize::MAX as usize, 1),
            (16, 1 << 62),
        ] {
            assert!(allocate(size, align).is_null(), "{size} {align}");
            assert!(refused().is_some());
        }
        // SAFETY: null is allowed.
        unsafe { free(ptr::null_mut(), 8, 8) };
    }

    #[test]
    fn threads_share_the_heap() {
        let work = |seed: u64| {
            let mut blocks: Vec<(*mut u8, usize)> = Vec::new();
            let mut x = seed;
            for _ in 0..20_000 {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let size = 1 + (x >> 40) as usize % 3000;
                let p = allocate(size, 8);
                // SAFETY: fresh blocks of that size; freed once, after their mark was read.
                unsafe {
                    p.write(seed as u8);
                    p.add(size - 1).write(seed as u8);
                    blocks.push((p, size));
                    if blocks.len() > 50 {
                        let (p, size) = blocks.swap_remove((x >> 33) as usize % 50);
                        assert_eq!((p.read(), p.add(size - 1).read()), (seed as u8, seed as u8));
                        free(p, size, 8);
                    }
                }
            }
            for (p, size) in blocks {
                // SAFETY: as above.
                unsafe { free(p, size, 8) };
            }
        };
        std::thread::scope(|scope| {
            for seed in 1..4 {
                scope.spawn(move || work(seed));
            }
        });
    }
}
