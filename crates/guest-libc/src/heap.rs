//! `malloc` and its kin: blocks with a header over talc, which grows by what `bf_alloc` gives.
//!
//! ```text
//!   | ... alignment ... | size, canary, shift | the program's bytes | canary (checked heap) |
//!   ^ talc's block                            ^ what malloc gives
//! ```
//!
//! - Small blocks are talc's; from [`LARGE`] on a block is `bf_alloc`'s own and goes back at once, so that a program
//!   which once needed much does not keep it.
//! - The header says how to give a block back, as `free` is told nothing but its address. Its canary depends on the
//!   block's place: a pointer that is none of the heap's, or was freed before, is told from a block.
//! - A checked heap also writes canaries behind each block, fills what is fresh or freed with patterns, and keeps the
//!   last [`QUARANTINE`] freed blocks from being used again, so that a second `free` finds what the first one left.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use talc::TalcLock;
use talc::base::{Talc, binning::Binning};
use talc::source::Source;

/// From this size on a block is memory of its own.
pub const LARGE: usize = 1 << 20;
/// The heap takes at least so much at once.
const GROW: usize = 1 << 20;
/// What is taken from the guest interface is aligned for this.
const PAGE: usize = 4096;
/// Alignment of every block (`max_align_t`).
const ALIGN: usize = 16;
/// Size of a header.
const HEADER: usize = 16;
/// Bytes behind a block of a checked heap.
const FENCE: usize = 16;
/// Freed blocks that a checked heap holds back.
const QUARANTINE: usize = 64;

const FRESH: u8 = 0xa5;
const FREED: u8 = 0xdb;
const FENCE_BYTE: u8 = 0xfd;
const LIVE: u32 = 0x6c69_7665;
const DEAD: u32 = 0x6465_6164;

/// Where the heap's memory comes from.
///
/// # Safety
/// `take` gives null or `size` bytes at a multiple of `align` that are nobody else's until `give` gets them back.
pub unsafe trait Memory {
    /// Fresh memory, or null.
    fn take(size: usize, align: usize) -> *mut u8;
    /// Gives it back.
    ///
    /// # Safety
    /// What `take` gave for the same size and alignment, not used any more.
    unsafe fn give(memory: *mut u8, size: usize, align: usize);
}

/// What a checked heap finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `free` or `realloc` of a block that was freed already.
    DoubleFree,
    /// Of a pointer that is no block.
    NoBlock,
    /// Bytes behind the block were written.
    Overflow,
    /// Bytes of a block were written after it was freed.
    UseAfterFree,
}

/// What stands before each block.
#[repr(C)]
struct Header {
    /// As the program asked for it.
    size: usize,
    /// [`LIVE`] or [`DEAD`], mixed with the block's address.
    canary: u32,
    /// Binary logarithm of the block's alignment.
    shift: u32,
}

const _: () = assert!(size_of::<Header>() == HEADER);

#[derive(Debug)]
struct Pages<M>(core::marker::PhantomData<M>);

// SAFETY: `acquire` only takes memory, which allocates nothing from the heap, and claims what it got.
unsafe impl<M: Memory + core::fmt::Debug> Source for Pages<M> {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        // Room for the allocator's own tags and for the alignment asked for.
        let needed = layout
            .size()
            .checked_add(layout.align())
            .and_then(|n| n.checked_add(PAGE))
            .and_then(|n| n.checked_next_multiple_of(PAGE))
            .ok_or(())?;
        // The last of the memory may still hold what is asked for, if not a whole step.
        for bytes in [needed.max(GROW), needed] {
            let at = M::take(bytes, PAGE);
            if !at.is_null() {
                // SAFETY: fresh memory, never given back.
                return unsafe { talc.claim(at, bytes) }.map(|_| ()).ok_or(());
            }
        }
        Err(())
    }
}

struct Quarantine {
    blocks: [*mut u8; QUARANTINE],
    next: usize,
}

// SAFETY: the addresses are of blocks the heap owns.
unsafe impl Send for Quarantine {}

/// A heap; `checked` ones report what programs do wrong.
pub struct Heap<M: Memory + core::fmt::Debug> {
    small: TalcLock<spin::Mutex<()>, Pages<M>>,
    quarantine: spin::Mutex<Quarantine>,
}

fn canary(block: *mut u8, state: u32) -> u32 {
    let address = block.addr();
    state ^ (address as u32) ^ (address >> 32) as u32
}

impl<M: Memory + core::fmt::Debug> Default for Heap<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Memory + core::fmt::Debug> Heap<M> {
    /// An empty heap.
    pub const fn new() -> Self {
        Heap {
            small: TalcLock::new(Pages(core::marker::PhantomData)),
            quarantine: spin::Mutex::new(Quarantine {
                blocks: [ptr::null_mut(); QUARANTINE],
                next: 0,
            }),
        }
    }

    /// Size and alignment of what is behind a block, and how far the block is into it.
    fn outer(size: usize, shift: u32, checked: bool) -> Option<(Layout, usize)> {
        let align = 1usize.checked_shl(shift)?.max(ALIGN);
        let before = HEADER.max(align);
        let fence = if checked { FENCE } else { 0 };
        let whole = size.checked_add(before)?.checked_add(fence)?;
        Some((Layout::from_size_align(whole, align).ok()?, before))
    }

    /// A block of `size` bytes at a multiple of `align` (a power of two); null if there is none.
    pub fn allocate(&self, size: usize, align: usize, checked: bool) -> *mut u8 {
        if !align.is_power_of_two() {
            return ptr::null_mut();
        }
        let shift = align.max(ALIGN).trailing_zeros();
        let Some((layout, before)) = Self::outer(size, shift, checked) else {
            return ptr::null_mut();
        };
        let start = if layout.size() < LARGE {
            // SAFETY: the layout's size is not zero.
            unsafe { self.small.alloc(layout) }
        } else {
            M::take(layout.size(), layout.align())
        };
        if start.is_null() {
            return start;
        }
        // SAFETY: `before` bytes of header and padding, `size` of the program's, and the fence lie in what was taken.
        unsafe {
            let block = start.add(before);
            block.sub(HEADER).cast::<Header>().write(Header {
                size,
                canary: canary(block, LIVE),
                shift,
            });
            if checked {
                block.write_bytes(FRESH, size);
                block.add(size).write_bytes(FENCE_BYTE, FENCE);
            }
            block
        }
    }

    /// The header of a live block.
    ///
    /// # Safety
    /// 16 bytes before `block` are readable.
    unsafe fn header(block: *mut u8) -> Result<Header, Fault> {
        if !block.addr().is_multiple_of(ALIGN) {
            return Err(Fault::NoBlock);
        }
        // SAFETY: as the caller promised; blocks are multiples of 16, and so is what is before them.
        let header = unsafe { block.sub(HEADER).cast::<Header>().read() };
        if header.canary == canary(block, LIVE) {
            Ok(header)
        } else if header.canary == canary(block, DEAD) {
            Err(Fault::DoubleFree)
        } else {
            Err(Fault::NoBlock)
        }
    }

    /// Size of a live block as it was asked for.
    ///
    /// # Errors
    /// What is wrong with the pointer.
    ///
    /// # Safety
    /// 16 bytes before `block` are readable.
    pub unsafe fn size(block: *mut u8, checked: bool) -> Result<usize, Fault> {
        // SAFETY: as the caller promised.
        let header = unsafe { Self::header(block)? };
        // SAFETY: a live block of a checked heap has its fence.
        if checked && !unsafe { filled(block.add(header.size), FENCE, FENCE_BYTE) } {
            return Err(Fault::Overflow);
        }
        Ok(header.size)
    }

    /// Gives a block back. A mistake leaves the heap as it was.
    ///
    /// # Errors
    /// What is wrong with the pointer, or with the block that leaves the quarantine.
    ///
    /// # Safety
    /// 16 bytes before `block` are readable; if it is a live block, nobody uses it any more.
    pub unsafe fn free(&self, block: *mut u8, checked: bool) -> Result<(), Fault> {
        // SAFETY: as the caller promised.
        let header = unsafe { Self::header(block)? };
        if !checked {
            // SAFETY: a live block, and this is its end.
            unsafe { self.release(block, &header, false) };
            return Ok(());
        }
        // SAFETY: a live block of a checked heap: its bytes and its fence are ours now.
        unsafe {
            if !filled(block.add(header.size), FENCE, FENCE_BYTE) {
                return Err(Fault::Overflow);
            }
            block.write_bytes(FREED, header.size);
            (*block.sub(HEADER).cast::<Header>()).canary = canary(block, DEAD);
        }
        let mut quarantine = self.quarantine.lock();
        let at = quarantine.next;
        quarantine.next = (at + 1) % QUARANTINE;
        let oldest = core::mem::replace(&mut quarantine.blocks[at], block);
        drop(quarantine);
        if oldest.is_null() {
            return Ok(());
        }
        // SAFETY: blocks in quarantine are the heap's, with header and fence.
        unsafe {
            let header = oldest.sub(HEADER).cast::<Header>().read();
            if header.canary != canary(oldest, DEAD) || !filled(oldest, header.size, FREED) {
                return Err(Fault::UseAfterFree);
            }
            self.release(oldest, &header, true);
        }
        Ok(())
    }

    /// # Safety
    /// A block of this heap with its header; it is not used any more.
    unsafe fn release(&self, block: *mut u8, header: &Header, checked: bool) {
        let Some((layout, before)) = Self::outer(header.size, header.shift, checked) else {
            return;
        };
        // SAFETY: the rule of `allocate`, applied to the same numbers.
        unsafe {
            (*block.sub(HEADER).cast::<Header>()).canary = canary(block, DEAD);
            let start = block.sub(before);
            if layout.size() < LARGE {
                self.small.dealloc(start, layout);
            } else {
                M::give(start, layout.size(), layout.align());
            }
        }
    }

    /// A block of another size with the same first bytes; null, and the block as it was, if there is none.
    ///
    /// # Errors
    /// As [`Heap::free`].
    ///
    /// # Safety
    /// As [`Heap::free`].
    pub unsafe fn resize(
        &self,
        block: *mut u8,
        size: usize,
        checked: bool,
    ) -> Result<*mut u8, Fault> {
        // SAFETY: as the caller promised.
        let old = unsafe { Self::size(block, checked)? };
        // SAFETY: as above.
        let shift = unsafe { Self::header(block)? }.shift;
        if !checked && shift == ALIGN.trailing_zeros() {
            let (from, to) = (
                Self::outer(old, shift, false),
                Self::outer(size, shift, false),
            );
            if let (Some((from, before)), Some((to, _))) = (from, to)
                && from.size() < LARGE
                && to.size() < LARGE
            {
                // SAFETY: a live block of talc's with the layout it was made with.
                unsafe {
                    let start = self.small.realloc(block.sub(before), from, to.size());
                    if start.is_null() {
                        return Ok(start);
                    }
                    let block = start.add(before);
                    block.sub(HEADER).cast::<Header>().write(Header {
                        size,
                        canary: canary(block, LIVE),
                        shift,
                    });
                    return Ok(block);
                }
            }
        }
        let fresh = self.allocate(size, ALIGN, checked);
        if !fresh.is_null() {
            // SAFETY: two live blocks, each at least so long.
            unsafe {
                ptr::copy_nonoverlapping(block, fresh, old.min(size));
                self.free(block, checked)?;
            }
        }
        Ok(fresh)
    }
}

/// # Safety
/// `n` bytes are readable.
unsafe fn filled(at: *const u8, n: usize, with: u8) -> bool {
    // SAFETY: as the caller promised.
    (0..n).all(|i| unsafe { at.add(i).read() } == with)
}

#[cfg(test)]
mod tests;
