//! Locks of the kernel: spin locks that answer TLB shootdowns while they wait.
//!
//! The kernel runs with interrupts off, so a holder is never interrupted on its own CPU. A CPU that waits for a lock
//! whose holder waits for this CPU to flush its TLB would wait for ever; therefore waiting itself answers.
//!
//! Order of locks, outermost first: files, address space, scheduler, kernel windows, heap, frames.
//! The console lock is a leaf.

use spin::relax::RelaxStrategy;

/// Waits like the processor wants it, and answers a pending TLB shootdown.
pub struct Answer;

impl RelaxStrategy for Answer {
    #[inline]
    fn relax() {
        crate::cpu::shootdown::answer();
        core::hint::spin_loop();
    }
}

/// A spin lock of the kernel.
pub type Mutex<T> = spin::mutex::SpinMutex<T, Answer>;
