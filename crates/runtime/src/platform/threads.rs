//! Threads that the guest starts one by one and waits for.

use super::call;
use crate::files::Errno;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

/// The guest's function and its context.
pub type Work = unsafe extern "C" fn(ctx: *mut libc::c_void);

/// Most threads that run or wait to be joined.
const MAX_THREADS: usize = 256;

struct Threads {
    next: u64,
    running: Option<HashMap<u64, JoinHandle<()>>>,
}

static THREADS: Mutex<Threads> = Mutex::new(Threads {
    next: 1,
    running: None,
});

/// What a thread is to do.
struct Job(Work, *mut libc::c_void);

// SAFETY: the guest asked for both to be used on another thread.
unsafe impl Send for Job {}

impl Job {
    fn run(self) {
        // SAFETY: the guest's own function and context.
        call::guest(|| unsafe { (self.0)(self.1) });
    }
}

/// Starts a thread; gives its handle.
///
/// # Safety
/// `work` may be called with `ctx` from another thread.
pub unsafe fn start(work: Work, ctx: *mut libc::c_void) -> Result<u64, Errno> {
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    let handle = threads.next;
    let running = threads.running.get_or_insert_default();
    if running.len() >= MAX_THREADS {
        return Err(Errno::Again);
    }
    let job = Job(work, ctx);
    let thread = std::thread::Builder::new()
        .name(format!("thread{handle}"))
        .spawn(move || job.run())
        .map_err(|_| Errno::Again)?;
    running.insert(handle, thread);
    threads.next += 1;
    Ok(handle)
}

/// Waits for the end of a thread.
pub fn join(handle: i64) -> Result<(), Errno> {
    let thread = {
        let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = u64::try_from(handle).map_err(|_| Errno::BadHandle)?;
        let running = threads.running.get_or_insert_default();
        running.remove(&handle).ok_or(Errno::BadHandle)?
    };
    // A thread cannot panic: guest code does not unwind.
    thread.join().map_err(|_| Errno::BadHandle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    unsafe extern "C" fn add(ctx: *mut libc::c_void) {
        // SAFETY: the test passes a counter.
        unsafe { &*ctx.cast::<AtomicU32>() }.fetch_add(1, Ordering::Relaxed);
    }

    #[test]
    fn threads_run_and_are_joined_once() {
        let count = AtomicU32::new(0);
        let ctx = (&raw const count).cast_mut().cast();
        // SAFETY: the counter outlives the threads, which are joined below.
        let handles: Vec<u64> = (0..8)
            .map(|_| unsafe { start(add, ctx) }.unwrap())
            .collect();
        for handle in &handles {
            join(*handle as i64).unwrap();
        }
        assert_eq!(count.load(Ordering::Relaxed), 8);
        assert_eq!(join(handles[0] as i64), Err(Errno::BadHandle));
        assert_eq!(join(-1), Err(Errno::BadHandle));
    }
}
