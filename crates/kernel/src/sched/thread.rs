//! A thread of the payload: kernel stack, saved state, and what Linux keeps per thread.

use super::{Wake, prepare_stack};
use crate::cpu::{fpu::FpuArea, trap::Frame};
use crate::linux::signal::AltStack;
use crate::memory::frames;
use crate::memory::stack::KernelStack;
use alloc::sync::Arc;
use core::cell::{Cell, UnsafeCell};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

static NEXT_TID: AtomicU32 = AtomicU32::new(1);

/// One thread.
pub struct Thread {
    /// Number of the thread; the first is 1 and is also the process.
    pub tid: u32,
    stack: KernelStack,
    /// Stack pointer while not running. Scheduler's lock.
    pub saved_rsp: Cell<u64>,
    fpu: UnsafeCell<FpuArea>,
    /// Base of FS: thread-local storage.
    pub fs_base: AtomicU64,
    /// Word to clear and wake when the thread ends, or 0.
    pub clear_tid: AtomicUsize,
    /// Head of the robust futex list, or 0.
    pub robust_list: AtomicUsize,
    /// Why it was woken last. Scheduler's lock.
    pub wake: Cell<Wake>,
    /// Blocked signals, bit n-1 for signal n.
    pub signal_mask: AtomicU64,
    /// Mask to come back after a `rt_sigsuspend`.
    pub suspended_mask: Cell<Option<u64>>,
    /// Signals sent to this thread and not delivered yet.
    pub signals_pending: AtomicU64,
    /// Where handlers with SA_ONSTACK run.
    pub alt_stack: Cell<AltStack>,
}

// SAFETY: the `Cell`s and the vector state are used by the thread itself or under the scheduler's lock while the
// thread does not run; everything else is atomic.
unsafe impl Sync for Thread {}
// SAFETY: as above.
unsafe impl Send for Thread {}

impl Thread {
    /// A thread that will start with these registers; `None` without memory.
    pub fn new(frame: Frame, fs_base: u64) -> Option<Arc<Self>> {
        // Threads are the program's; the reserve is not.
        if frames::counts().0 < frames::RESERVE {
            return None;
        }
        let stack = KernelStack::new()?;
        let saved_rsp = prepare_stack(stack.top(), frame);
        Some(Arc::new(Self {
            tid: NEXT_TID.fetch_add(1, Ordering::Relaxed),
            saved_rsp: Cell::new(saved_rsp),
            stack,
            fpu: UnsafeCell::new(FpuArea::new()?),
            fs_base: AtomicU64::new(fs_base),
            clear_tid: AtomicUsize::new(0),
            robust_list: AtomicUsize::new(0),
            wake: Cell::new(Wake::Woken),
            signal_mask: AtomicU64::new(0),
            suspended_mask: Cell::new(None),
            signals_pending: AtomicU64::new(0),
            alt_stack: Cell::new(AltStack::default()),
        }))
    }

    /// Top of the kernel stack.
    pub fn stack_top(&self) -> usize {
        self.stack.top()
    }

    /// Uses the saved vector state: of a thread that is being switched or does not run yet.
    pub(crate) fn with_fpu<R>(&self, use_it: impl FnOnce(&mut FpuArea) -> R) -> R {
        // SAFETY: the scheduler's lock is held over switches, and a new thread is known to its maker only.
        use_it(unsafe { &mut *self.fpu.get() })
    }

    /// True if a signal waits that is not blocked.
    pub fn has_signal(&self) -> bool {
        let pending =
            self.signals_pending.load(Ordering::SeqCst) | crate::linux::signal::process_pending();
        pending & !self.signal_mask.load(Ordering::SeqCst) != 0
    }
}
