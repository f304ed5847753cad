//! Threads that the guest starts one by one and waits for.
//!
//! ```text
//!   one mapping:  | guard | stack ... | stack for the fault handler | Start |
//! ```
//!
//! The kernel clears `alive` when the thread has left its stack for good; then `join` gives the mapping back.

use crate::gate::{self, errno};
use crate::thread_locals::Thread;
use crate::{fault, pool, progress};
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// The guest's function and its context.
pub type Work = unsafe extern "C" fn(ctx: *mut c_void);

/// Most threads that run or wait to be joined.
const MAX_THREADS: usize = 256;
const GUARD_BYTES: usize = 4096;
/// Room for `Start`, a multiple of what a stack is aligned to.
const START_BYTES: usize = 64;
const BYTES: usize = GUARD_BYTES + pool::STACK_BYTES + fault::HANDLER_STACK + START_BYTES;

struct Place {
    /// 0 free, 1 taken; above: 2 + number of the start, the upper part of the handle.
    state: AtomicU32,
    /// 1 while the thread uses its stack.
    alive: AtomicU32,
    /// Its mapping.
    memory: AtomicUsize,
}

const FREE: u32 = 0;
const TAKEN: u32 = 1;
const FIRST: u32 = 2;

static PLACES: [Place; MAX_THREADS] = [const {
    Place {
        state: AtomicU32::new(FREE),
        alive: AtomicU32::new(0),
        memory: AtomicUsize::new(0),
    }
}; MAX_THREADS];

static STARTS: AtomicU32 = AtomicU32::new(0);

/// What a new thread is told.
struct Start {
    place: &'static Place,
    work: Work,
    ctx: *mut c_void,
    handler_stack: *mut u8,
}

/// Bytes of a thread's stack from `address` upwards; 0 if it is in none.
pub fn stack_above(address: usize) -> usize {
    let end = |place: &Place| match place.memory.load(Ordering::Relaxed) {
        0 => None,
        memory => Some(memory + GUARD_BYTES + pool::STACK_BYTES),
    };
    PLACES
        .iter()
        .filter_map(|place| end(place)?.checked_sub(address))
        .find(|room| *room <= pool::STACK_BYTES)
        .unwrap_or(0)
}

extern "C" fn thread_main(start: *const c_void) -> ! {
    // SAFETY: `start` passes a `Start` at the end of this thread's own memory, where nothing else ever writes.
    let start = unsafe { &*start.cast::<Start>() };
    // SAFETY: the memory is this thread's; its place is for ever.
    unsafe {
        gate::signal_stack(start.handler_stack, fault::HANDLER_STACK);
        gate::tell_end(&start.place.alive);
    }
    let mut own = Thread::new();
    // SAFETY: it stays on this stack until the thread ends. Threads are made without a thread pointer.
    unsafe { Thread::enter(&raw mut own) };
    // SAFETY: the guest's own function and context.
    progress::guest(|| unsafe { (start.work)(start.ctx) });
    own.leave();
    gate::exit_thread()
}

/// Starts a thread; gives its handle.
///
/// # Errors
/// EAGAIN: no memory, or too many threads.
///
/// # Safety
/// `work` may be called with `ctx` from another thread.
pub unsafe fn start(work: Work, ctx: *mut c_void) -> Result<u64, i32> {
    let taken = |place: &Place| {
        place
            .state
            .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    };
    let (index, place) = PLACES
        .iter()
        .enumerate()
        .find(|(_, place)| taken(place))
        .ok_or(errno::EAGAIN)?;
    let refuse = || {
        place.memory.store(0, Ordering::Relaxed);
        place.state.store(FREE, Ordering::Release);
        errno::EAGAIN
    };
    let memory = gate::map(BYTES).ok_or_else(refuse)?;
    place.memory.store(memory as usize, Ordering::Relaxed);
    place.alive.store(1, Ordering::Relaxed);
    // SAFETY: the mapping is fresh and the thread's alone until it is joined; `Start` fits into its end, and the stack
    // ends at a multiple of 16.
    let started = unsafe {
        gate::forbid(memory, GUARD_BYTES);
        let stack_end = memory.add(GUARD_BYTES + pool::STACK_BYTES);
        let told = stack_end.add(fault::HANDLER_STACK).cast::<Start>();
        told.write(Start {
            place,
            work,
            ctx,
            handler_stack: stack_end,
        });
        gate::spawn(stack_end, thread_main, told.cast())
    };
    if started.is_err() {
        // SAFETY: nobody uses it.
        unsafe { gate::unmap(memory, BYTES) };
        return Err(refuse());
    }
    let number = FIRST + STARTS.fetch_add(1, Ordering::Relaxed) % (u32::MAX / 2);
    place.state.store(number, Ordering::Release);
    Ok(u64::from(number) << 16 | index as u64)
}

/// Waits for the end of a thread.
///
/// # Errors
/// EBADF: there is no such thread, or somebody waits for it already.
pub fn join(handle: i64) -> Result<(), i32> {
    let handle = u64::try_from(handle).map_err(|_| errno::EBADF)?;
    let (number, index) = ((handle >> 16) as u32, (handle & 0xFFFF) as usize);
    let place = PLACES.get(index).ok_or(errno::EBADF)?;
    if number < FIRST || handle >> 48 != 0 {
        return Err(errno::EBADF);
    }
    place
        .state
        .compare_exchange(number, TAKEN, Ordering::Acquire, Ordering::Relaxed)
        .map_err(|_| errno::EBADF)?;
    gate::wait_for_end(&place.alive);
    let memory = place.memory.swap(0, Ordering::Relaxed);
    // SAFETY: the thread has left it, and nobody else knows of it.
    unsafe { gate::unmap(core::ptr::with_exposed_provenance_mut(memory), BYTES) };
    place.state.store(FREE, Ordering::Release);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses no thread-local storage: such a thread has none.
    unsafe extern "C" fn add(ctx: *mut c_void) {
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
        for handle in [handles[0] as i64, 0, -1, 0xFFFF, i64::MAX] {
            assert_eq!(join(handle), Err(errno::EBADF));
        }
    }
}
