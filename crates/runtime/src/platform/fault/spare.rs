//! Memory for handlers of faults: what they allocate comes from a mapping of its own, and no lock is taken.
//!
//! The thread may have been interrupted anywhere, also in the allocator. While one thread is named by [`begin`], its
//! allocations are cut off a mapping of its own one after another and never given back; the process ends soon after. Everybody
//! else gets memory as ever: all this costs them is one load and a branch.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

/// Bytes of the mapping: debug information of one unit of code takes a part of it.
const BYTES: usize = 8 << 20;
/// The same on the machine, where what is promised is kept.
const LEAST: usize = 512 << 10;

/// Whether any thread uses it.
static ACTIVE: AtomicBool = AtomicBool::new(false);
/// That thread.
static OWNER: AtomicI32 = AtomicI32::new(0);
static START: AtomicUsize = AtomicUsize::new(0);
static USED: AtomicUsize = AtomicUsize::new(0);
static SIZE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread is the owner. Without a destructor: may be asked at any time.
    static IS_OWNER: Cell<bool> = const { Cell::new(false) };
}

fn map(bytes: usize) -> bool {
    // SAFETY: a fresh private mapping.
    let start = unsafe {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(ptr::null_mut(), bytes, rights, flags, -1, 0)
    };
    if start == libc::MAP_FAILED {
        return false;
    }
    SIZE.store(bytes, Ordering::SeqCst);
    START.store(start as usize, Ordering::SeqCst);
    true
}

/// Has the machine promise the memory now: there may be none when it is needed. Linux always has some.
pub fn reserve() {
    let _ = map(LEAST);
}

/// From now on this thread, `thread`, allocates here. False, and nothing changes, if there is no memory or another thread
/// does.
pub fn begin(thread: i32) -> bool {
    if OWNER
        .compare_exchange(0, thread, Ordering::SeqCst, Ordering::SeqCst)
        .is_err()
    {
        return false;
    }
    // What was reserved does where there is no more.
    let has_all = SIZE.load(Ordering::SeqCst) == BYTES || map(BYTES);
    if !has_all && START.load(Ordering::SeqCst) == 0 && !map(LEAST) {
        OWNER.store(0, Ordering::SeqCst);
        return false;
    }
    IS_OWNER.set(true);
    ACTIVE.store(true, Ordering::SeqCst);
    true
}

/// Lets another thread begin, with all of the memory: `thread` stays where it is, and uses nothing of it any more.
pub fn end(thread: i32) {
    USED.store(0, Ordering::SeqCst);
    let _ = OWNER.compare_exchange(thread, 0, Ordering::SeqCst, Ordering::SeqCst);
}

fn cut(layout: Layout) -> *mut u8 {
    let start = START.load(Ordering::Relaxed);
    let from = (start + USED.load(Ordering::Relaxed)).next_multiple_of(layout.align());
    let end = from.saturating_add(layout.size());
    if end > start + SIZE.load(Ordering::Relaxed) {
        return ptr::null_mut();
    }
    USED.store(end - start, Ordering::Relaxed);
    ptr::with_exposed_provenance_mut(from)
}

fn is_here(block: *mut u8) -> bool {
    let start = START.load(Ordering::Relaxed);
    start != 0 && (start..start + SIZE.load(Ordering::Relaxed)).contains(&block.addr())
}

/// The process's allocator.
pub struct Allocator {
    /// Gives it an address of its own: the relinker knows nothing of things without a size.
    _place: u8,
}

impl Allocator {
    /// For the one static.
    pub const fn new() -> Self {
        Allocator { _place: 0 }
    }
}

// SAFETY: blocks are the system's, or pieces of the mapping that do not overlap and live for good; which of the two a
// block is its address tells.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if ACTIVE.load(Ordering::Relaxed) && IS_OWNER.get() {
            return cut(layout);
        }
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if ACTIVE.load(Ordering::Relaxed) && IS_OWNER.get() {
            let block = cut(layout);
            if !block.is_null() {
                // SAFETY: a fresh block of that size.
                unsafe { block.write_bytes(0, layout.size()) };
            }
            return block;
        }
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if ACTIVE.load(Ordering::Relaxed) && (is_here(block) || IS_OWNER.get()) {
            return;
        }
        // SAFETY: as the caller promised; the block is the system's.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if ACTIVE.load(Ordering::Relaxed) && IS_OWNER.get() {
            let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
                return ptr::null_mut();
            };
            let new = cut(wanted);
            if !new.is_null() {
                // SAFETY: both blocks have so many bytes, and the new one is nobody else's.
                unsafe { new.copy_from_nonoverlapping(block, layout.size().min(size)) };
            }
            return new;
        }
        // SAFETY: as the caller promised.
        unsafe { System.realloc(block, layout, size) }
    }
}
