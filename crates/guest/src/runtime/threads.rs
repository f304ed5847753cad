//! Threads, loops over all processors, locks.

use alloc::boxed::Box;
use core::ffi::c_void;
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::sys;

/// A thread that was not joined yet. One that is dropped runs on, and its end is never waited for.
#[derive(Debug)]
pub struct Thread(i64);

/// Why a thread could not be started or joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadError {
    /// No memory for its stack, or 256 threads run or were not joined.
    Again,
    /// No such thread.
    Unknown,
}

impl fmt::Display for ThreadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ThreadError::Again => "no memory for another thread, or too many threads",
            ThreadError::Unknown => "no such thread",
        })
    }
}

impl core::error::Error for ThreadError {}

/// Runs `work` on a thread of its own.
///
/// # Errors
/// [`ThreadError::Again`]; `work` did not run.
pub fn thread_create<F: FnOnce() + Send + 'static>(work: F) -> Result<Thread, ThreadError> {
    unsafe extern "C" fn run<F: FnOnce()>(ctx: *mut c_void) {
        // SAFETY: the box made below, given to this thread alone.
        let work = unsafe { Box::from_raw(ctx.cast::<F>()) };
        work();
    }
    let ctx = Box::into_raw(Box::new(work));
    // SAFETY: `run` takes the box, whose content may go to another thread (`Send`).
    let handle = unsafe { sys::bf_thread_start(run::<F>, ctx.cast()) };
    if handle < 0 {
        // SAFETY: no thread took it.
        drop(unsafe { Box::from_raw(ctx) });
        return Err(ThreadError::Again);
    }
    Ok(Thread(handle))
}

/// Waits until a thread has ended.
///
/// # Errors
/// [`ThreadError::Unknown`], which would be a bug of the machine.
pub fn thread_join(thread: Thread) -> Result<(), ThreadError> {
    // SAFETY: takes any handle.
    match unsafe { sys::bf_thread_join(thread.0) } {
        0 => Ok(()),
        _ => Err(ThreadError::Unknown),
    }
}

/// Lets other threads run.
pub fn thread_yield() {
    // SAFETY: takes any number.
    unsafe { sys::bf_sleep_ns(0) }
}

/// Calls `body(i)` for every `i` of the range, on all processors at once; returns when all calls have. In no order. A loop inside
/// a loop runs on the one thread it is in.
pub fn parallel_for<F: Fn(u64) + Sync>(range: Range<u64>, body: F) {
    /// Parts for each thread, so that a slow one leaves some to the others.
    const PARTS: u64 = 8;
    let len = range.end.saturating_sub(range.start);
    let threads = crate::cpu::count().min(usize::try_from(len).unwrap_or(usize::MAX));
    if threads <= 1 {
        return range.for_each(body);
    }
    let part = (len / (threads as u64 * PARTS)).max(1);
    let taken = AtomicU64::new(0);
    crate::parallel::run(threads, |_| {
        loop {
            let from = taken.fetch_add(part, Ordering::Relaxed);
            if from >= len {
                return;
            }
            let to = (from + part).min(len);
            (range.start + from..range.start + to).for_each(&body);
        }
    });
}

/// Takes a lock, a word that is 0 while it is free; waits for it. Taking it twice on one thread waits for ever.
pub fn mutex_lock(lock: &AtomicU32) {
    const SPINS: u32 = 100;
    let mut rounds = 0;
    while lock.swap(1, Ordering::Acquire) != 0 {
        while lock.load(Ordering::Relaxed) != 0 {
            rounds += 1;
            if rounds > SPINS {
                thread_yield();
            } else {
                core::hint::spin_loop();
            }
        }
    }
}

/// Gives a lock back.
pub fn mutex_unlock(lock: &AtomicU32) {
    lock.store(0, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    #[test]
    fn every_index_is_called_once() {
        for range in [0..0, 5..5, 7..8, 3..1000] {
            let calls: Vec<AtomicU32> = (0..1000).map(|_| AtomicU32::new(0)).collect();
            parallel_for(range.clone(), |i| {
                calls[i as usize].fetch_add(1, Ordering::Relaxed);
            });
            for (i, n) in calls.iter().enumerate() {
                let expected = u32::from(range.contains(&(i as u64)));
                assert_eq!(n.load(Ordering::Relaxed), expected, "{range:?} {i}");
            }
        }
    }

    #[test]
    fn threads_share_what_a_lock_protects() {
        let shared = Arc::new((AtomicU32::new(0), AtomicU64::new(0)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let shared = shared.clone();
                thread_create(move || {
                    for _ in 0..1000 {
                        mutex_lock(&shared.0);
                        let value = shared.1.load(Ordering::Relaxed);
                        shared.1.store(value + 1, Ordering::Relaxed);
                        mutex_unlock(&shared.0);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.and_then(thread_join).unwrap();
        }
        assert_eq!(shared.1.load(Ordering::Relaxed), 4000);
    }
}
