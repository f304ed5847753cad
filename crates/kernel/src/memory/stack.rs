//! Kernel stacks with a guard page below each.

use super::{PAGE, frames, paging};
use crate::sync::Mutex;
use alloc::vec::Vec;

const BASE: usize = 0xFFFF_E000_0000_0000;
/// Pages of a stack.
const PAGES: usize = 8;
const SLOT: usize = (PAGES + 1) * PAGE;

struct Slots {
    used: usize,
    /// Stacks that stay mapped and wait to be used again.
    free: Vec<usize>,
}

static SLOTS: Mutex<Slots> = Mutex::new(Slots {
    used: 0,
    free: Vec::new(),
});

/// A stack of 32 KiB. Below it lies an unmapped page: running over the end is a page fault.
#[derive(Debug)]
pub struct KernelStack {
    bottom: usize,
}

impl KernelStack {
    /// A new stack, or `None` without memory for it.
    pub fn new() -> Option<Self> {
        let mut slots = SLOTS.lock();
        if let Some(bottom) = slots.free.pop() {
            return Some(Self { bottom });
        }
        // Room for all of them: giving a stack back must not need memory.
        let all = slots.used + 1;
        slots.free.try_reserve(all).ok()?;
        let bottom = BASE + slots.used * SLOT + PAGE;
        for page in 0..PAGES {
            let phys = frames::alloc_zeroed()?;
            paging::map(bottom + page * PAGE, phys, paging::Flags::KERNEL_DATA).ok()?;
        }
        slots.used += 1;
        Some(Self { bottom })
    }

    /// First address behind the stack, 16-byte aligned.
    pub fn top(&self) -> usize {
        self.bottom + PAGES * PAGE
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        SLOTS.lock().free.push(self.bottom);
    }
}

/// True if `address` is in the guard page of some stack.
pub fn is_guard(address: usize) -> bool {
    let used = SLOTS
        .try_lock()
        .map_or(usize::MAX / SLOT, |slots| slots.used);
    address >= BASE && (address - BASE) / SLOT < used && (address - BASE) % SLOT < PAGE
}
