//! The heap under threads, and what a checked one reports.

use super::*;
use std::alloc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
struct Host;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the host's allocator.
unsafe impl Memory for Host {
    fn take(size: usize, align: usize) -> *mut u8 {
        if size > 1 << 40 {
            return ptr::null_mut();
        }
        TAKEN.fetch_add(size, Ordering::Relaxed);
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the size is not zero.
        unsafe { alloc::alloc(layout) }
    }

    unsafe fn give(memory: *mut u8, size: usize, align: usize) {
        TAKEN.fetch_sub(size, Ordering::Relaxed);
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: as the caller promised.
        unsafe { alloc::dealloc(memory, layout) }
    }
}

/// xorshift
fn next(x: &mut u64) -> u64 {
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    *x
}

/// 1 byte to 1 MB, each magnitude as often as the others.
fn size(x: u64) -> usize {
    let bits = x % 21;
    ((1u64 << bits) + (x >> 32) % (1 << bits)).min(1 << 20) as usize
}

/// Random calls by one thread: every block keeps the mark of its owner at its ends.
fn work(heap: &Heap<Host>, seed: u64, calls: usize, checked: bool) {
    let mut x = seed;
    let mut blocks: Vec<(*mut u8, usize, u8)> = Vec::new();
    let mark = |p: *mut u8, n: usize, m: u8| {
        // SAFETY: a live block of `n` bytes, n > 0.
        unsafe {
            p.write(m);
            p.add(n / 2).write(m);
            p.add(n - 1).write(m);
        }
    };
    let is_marked = |p: *mut u8, n: usize, m: u8| {
        // SAFETY: as above.
        unsafe { p.read() == m && p.add(n / 2).read() == m && p.add(n - 1).read() == m }
    };
    for _ in 0..calls {
        let r = next(&mut x);
        let n = size(next(&mut x));
        let m = (r >> 24) as u8;
        match r % 4 {
            0 | 1 if blocks.len() < 64 => {
                let align = 1 << ((r >> 8) % 8);
                let p = heap.allocate(n, align, checked);
                assert!(!p.is_null() && p.addr().is_multiple_of(align.max(ALIGN)));
                mark(p, n, m);
                blocks.push((p, n, m));
            }
            2 if !blocks.is_empty() => {
                let at = (r >> 16) as usize % blocks.len();
                let (p, old, was) = blocks[at];
                assert!(is_marked(p, old, was));
                // SAFETY: a live block.
                let p = unsafe { heap.resize(p, n, checked) }.unwrap();
                // SAFETY: a live block of `n` bytes.
                assert_eq!(unsafe { p.read() }, was);
                mark(p, n, m);
                blocks[at] = (p, n, m);
            }
            _ if !blocks.is_empty() => {
                let (p, n, m) = blocks.swap_remove((r >> 16) as usize % blocks.len());
                assert!(is_marked(p, n, m));
                // SAFETY: a live block.
                unsafe { heap.free(p, checked) }.unwrap();
            }
            _ => {}
        }
    }
    for (p, n, m) in blocks {
        assert!(is_marked(p, n, m));
        // SAFETY: a live block.
        unsafe { heap.free(p, checked) }.unwrap();
    }
}

/// A million random calls of two threads; twice, so that what the second round needs more would be a leak.
#[test]
fn two_threads_share_the_heap_without_loss() {
    let heap = Heap::<Host>::new();
    let round = |seed: u64| {
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let heap = &heap;
                scope.spawn(move || work(heap, seed + thread, 250_000, false));
            }
        });
        TAKEN.load(Ordering::Relaxed)
    };
    let first = round(0x1234_5678_9abc_def1);
    let second = round(0x0fed_cba9_8765_4321);
    // At most 2 x 64 blocks of 70 kB on average live at once; all memory of large ones went back.
    assert!(
        first < 128 << 20,
        "{first} bytes after the first million calls"
    );
    assert!(
        second <= first + first / 2,
        "{first} bytes, then {second}: the heap grows without bound"
    );
}

#[test]
fn a_checked_heap_is_a_heap() {
    work(&Heap::<Host>::new(), 0x5555_1234_9876_aaaa, 30_000, true);
}

#[test]
fn the_impossible_is_null() {
    let heap = Heap::<Host>::new();
    for (size, align) in [
        (usize::MAX, 1),
        (1 << 60, 64),
        (8, 3),
        (isize::MAX as usize, 1),
        (16, 1 << 62),
        (8, 0),
    ] {
        assert!(
            heap.allocate(size, align, false).is_null(),
            "{size} {align}"
        );
    }
    let p = heap.allocate(10, 1, false);
    // SAFETY: a live block, which a refusal leaves alone.
    unsafe {
        assert!(heap.resize(p, usize::MAX - 8, false).unwrap().is_null());
        assert_eq!(Heap::<Host>::size(p, false), Ok(10));
        heap.free(p, false).unwrap();
    }
}

#[test]
fn mistakes_are_named() {
    let heap = Heap::<Host>::new();
    let p = heap.allocate(24, 1, true);
    // SAFETY: the fence and what is around blocks are the heap's memory; nothing else is touched.
    unsafe {
        assert_eq!(heap.free(p.add(8), true), Err(Fault::NoBlock));
        assert_eq!(heap.free(p.add(16), true), Err(Fault::NoBlock));
        p.add(24).write(0);
        assert_eq!(heap.free(p, true), Err(Fault::Overflow));
        assert_eq!(heap.resize(p, 100, true), Err(Fault::Overflow));
        p.add(24).write(FENCE_BYTE);
        heap.free(p, true).unwrap();
        assert_eq!(heap.free(p, true), Err(Fault::DoubleFree));
        assert_eq!(heap.resize(p, 8, true), Err(Fault::DoubleFree));
        p.add(3).write(1);
        let found = (0..QUARANTINE).find_map(|_| heap.free(heap.allocate(24, 1, true), true).err());
        assert_eq!(found, Some(Fault::UseAfterFree));
    }
}

#[test]
fn an_unchecked_heap_knows_a_block_that_was_freed() {
    let heap = Heap::<Host>::new();
    let p = heap.allocate(100, 1, false);
    // SAFETY: the header stays readable: talc keeps the memory.
    unsafe {
        heap.free(p, false).unwrap();
        assert!(heap.free(p, false).is_err());
    }
}
