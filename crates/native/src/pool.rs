//! Threads of the guest: one job on all of them at once, and back together in well under a microsecond.
//!
//! The protocol is that of the runtime's pool (`runtime/src/platform/pool.rs`), on futexes instead of `std`:
//!
//! ```text
//!   caller                         worker i
//!   job = (f, ctx, n)              spin on generation, then sleep on `parked`
//!   remaining = workers
//!   generation += 1  ------------> sees the new generation, reads the job
//!   wakes those that sleep
//!   f(ctx, 0, n)                   f(ctx, i, n) if i < n
//!   spin until remaining == 0 <--- remaining -= 1
//! ```
//!
//! Every worker answers every generation, also when the job is not for it: so the job is never written while a late
//! worker still reads it. Workers spin for a while after each job, because a language model gives the next one within
//! microseconds; then they sleep. With more threads than CPUs nobody spins for long.

use crate::gate::{self, CpuSet};
use crate::thread_locals::Thread;
use crate::{clock, fault, progress};
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// The guest's function: context, index of the thread, number of threads.
pub type Work = unsafe extern "C" fn(ctx: *mut c_void, index: u32, n: u32);

/// Most threads a job can ask for.
pub const MAX_THREADS: u32 = 256;

/// How long a worker spins before it sleeps, in nanoseconds.
const SPIN_NS: u64 = 300_000;
/// Stack of a worker, as `std` gives it, and the guard below.
pub const STACK_BYTES: usize = 2 << 20;
const GUARD_BYTES: usize = 4096;

#[derive(Clone, Copy)]
struct Job {
    work: Work,
    ctx: *mut c_void,
    n: u32,
}

/// A value in cache lines of its own.
#[repr(align(128))]
struct Line<T>(T);

/// Threads that wait for work. There is one for the program.
pub struct Pool {
    /// Whether somebody runs a job.
    busy: AtomicBool,
    workers: AtomicUsize,
    generation: Line<AtomicU32>,
    remaining: Line<AtomicU32>,
    job: Line<UnsafeCell<Option<Job>>>,
    /// By worker: 1 while it sleeps.
    parked: [AtomicU32; MAX_THREADS as usize],
    /// Whether spinning for long is of use: every thread has a CPU.
    spin: AtomicBool,
    /// CPUs the process could run on when its first thread was started.
    cpus: [AtomicU64; 16],
}

// SAFETY: `job` is written by the one caller (who holds `busy`) while no worker reads: all have answered the generation
// before. Workers read it after they saw (acquire) the generation stored (release) after the write. The pointers inside
// are the guest's, which asked for them to be used on other threads.
unsafe impl Sync for Pool {}

/// Number of CPUs in a set.
fn count(set: &CpuSet) -> u32 {
    set.iter().map(|w| w.count_ones()).sum()
}

/// How many CPUs this process may run on.
pub fn cpus() -> u32 {
    gate::allowed_cpus().map_or(1, |set| count(&set)).max(1)
}

/// The set of CPU number `index` (of those in `set`) alone; all of them if it has not so many.
fn one_of(set: &CpuSet, index: u32) -> CpuSet {
    let mut left = index;
    let mut one = [0; 16];
    for (word, out) in set.iter().zip(one.iter_mut()) {
        for bit in (0..64).filter(|b| word & 1 << b != 0) {
            if left == 0 {
                *out = 1 << bit;
                return one;
            }
            left -= 1;
        }
    }
    *set
}

/// By worker: the end of its stack; for the fault handler.
static STACKS: [AtomicUsize; MAX_THREADS as usize] =
    [const { AtomicUsize::new(0) }; MAX_THREADS as usize];

/// Bytes of a worker's stack from `address` upwards; 0 if it is in none.
pub fn stack_above(address: usize) -> usize {
    STACKS
        .iter()
        .filter_map(|end| end.load(Ordering::Relaxed).checked_sub(address))
        .filter(|room| *room <= STACK_BYTES)
        .min()
        .unwrap_or(0)
}

/// What a new thread is told.
struct Start {
    pool: &'static Pool,
    index: u32,
    seen: u32,
    cpus: CpuSet,
}

extern "C" fn thread_main(start: *const c_void) -> ! {
    // SAFETY: `grow` passes a `Start` at the end of this thread's own stack memory, where nothing else ever writes.
    let start = unsafe { &*start.cast::<Start>() };
    fault::prepare_thread();
    let mut own = Thread::new();
    // SAFETY: workers never end, and with them this stack; they are made without a thread pointer.
    unsafe { Thread::enter(&raw mut own) };
    gate::run_on(&start.cpus);
    start.pool.work_forever(start.index, start.seen)
}

impl Pool {
    /// An empty pool; threads start with the first job that needs them.
    pub const fn new() -> Self {
        Pool {
            busy: AtomicBool::new(false),
            workers: AtomicUsize::new(0),
            generation: Line(AtomicU32::new(0)),
            remaining: Line(AtomicU32::new(0)),
            job: Line(UnsafeCell::new(None)),
            parked: [const { AtomicU32::new(0) }; MAX_THREADS as usize],
            spin: AtomicBool::new(true),
            cpus: [const { AtomicU64::new(0) }; 16],
        }
    }

    fn wait_for_job(&self, parked: &AtomicU32, seen: u32) -> u32 {
        let mut until = None;
        let mut rounds = 0u32;
        loop {
            let generation = self.generation.0.load(Ordering::Acquire);
            if generation != seen {
                return generation;
            }
            spin_loop();
            rounds = rounds.wrapping_add(1);
            if !rounds.is_multiple_of(256) {
                continue;
            }
            let now = clock::monotonic_ns();
            let end = *until.get_or_insert(now + SPIN_NS);
            if !self.spin.load(Ordering::Relaxed) || now > end {
                // SeqCst on both sides: either we see the new generation here, or the caller sees that we sleep.
                parked.store(1, Ordering::SeqCst);
                while self.generation.0.load(Ordering::SeqCst) == seen
                    && parked.load(Ordering::SeqCst) == 1
                {
                    gate::futex_wait(parked, 1);
                }
                parked.store(0, Ordering::SeqCst);
            }
        }
    }

    fn work_forever(&self, index: u32, mut seen: u32) -> ! {
        let parked = &self.parked[index as usize % MAX_THREADS as usize];
        loop {
            seen = self.wait_for_job(parked, seen);
            // SAFETY: the acquire above pairs with the caller's release; the caller does not write before we answer.
            let job = unsafe { *self.job.0.get() };
            if let Some(job) = job.filter(|j| index < j.n) {
                // SAFETY: the guest's own function and context.
                progress::guest(|| unsafe { (job.work)(job.ctx, index, job.n) });
            }
            self.remaining.0.fetch_sub(1, Ordering::Release);
        }
    }

    /// Starts threads until there are enough for `n`. Says which could not be started.
    fn grow(&'static self, n: u32) -> Result<(), u32> {
        let mut workers = self.workers.load(Ordering::Relaxed) as u32;
        if workers == 0 {
            // Later the caller itself may run on one of them only.
            let all = gate::allowed_cpus().unwrap_or([1; 16]);
            for (to, word) in self.cpus.iter().zip(all) {
                to.store(word, Ordering::Relaxed);
            }
        }
        let set: CpuSet = core::array::from_fn(|i| self.cpus[i].load(Ordering::Relaxed));
        let cpus = count(&set);
        self.spin.store(n <= cpus, Ordering::Relaxed);
        if n <= cpus && workers == 0 {
            gate::run_on(&one_of(&set, 0));
        }
        while workers + 1 < n {
            let index = workers + 1;
            let bytes = STACK_BYTES + GUARD_BYTES;
            let stack = gate::map(bytes).ok_or(index)?;
            let start = Start {
                pool: self,
                index,
                // No job is under way: the generation stands still until this thread is counted.
                seen: self.generation.0.load(Ordering::Acquire),
                // With more threads than CPUs: undo the pinning inherited from the caller.
                cpus: if index < cpus {
                    one_of(&set, index)
                } else {
                    set
                },
            };
            // SAFETY: the mapping is fresh and the thread's alone, for ever; `Start` fits into its last page, and the
            // stack begins below, at a multiple of 16.
            let started = unsafe {
                gate::forbid(stack, GUARD_BYTES);
                let place = stack.add(bytes - size_of::<Start>().next_multiple_of(64));
                place.cast::<Start>().write(start);
                STACKS[index as usize].store(place as usize, Ordering::Relaxed);
                gate::spawn(place, thread_main, place.cast())
            };
            started.map_err(|_| index)?;
            workers += 1;
            self.workers.store(workers as usize, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Runs `work(ctx, i, n)` for every `i` below `n` at once and returns when all are done. A job inside a job, or from
    /// another thread meanwhile, runs one index after the other.
    ///
    /// # Errors
    /// The number of the thread that could not be started; nothing ran.
    ///
    /// # Safety
    /// `work` may be called with `ctx` from `n` threads at once.
    pub unsafe fn run(&'static self, n: u32, work: Work, ctx: *mut c_void) -> Result<(), u32> {
        let n = n.min(MAX_THREADS);
        if n <= 1 || self.busy.swap(true, Ordering::Acquire) {
            for index in 0..n {
                // SAFETY: as the caller promised.
                unsafe { work(ctx, index, n) };
            }
            return Ok(());
        }
        if self.workers.load(Ordering::Relaxed) + 1 < n as usize {
            self.grow(n)?;
        }
        let workers = self.workers.load(Ordering::Relaxed);
        // SAFETY: all workers have answered the last generation, so none reads now.
        unsafe { *self.job.0.get() = Some(Job { work, ctx, n }) };
        self.remaining.0.store(workers as u32, Ordering::Relaxed);
        self.generation.0.fetch_add(1, Ordering::SeqCst);
        for parked in self.parked.iter().skip(1).take(workers) {
            if parked.load(Ordering::SeqCst) == 1 && parked.swap(0, Ordering::SeqCst) == 1 {
                gate::futex_wake(parked);
            }
        }
        // SAFETY: as the caller promised.
        unsafe { work(ctx, 0, n) };
        let mut rounds = 0u32;
        while self.remaining.0.load(Ordering::Acquire) != 0 {
            spin_loop();
            rounds = rounds.wrapping_add(1);
            if rounds.is_multiple_of(4096) || !self.spin.load(Ordering::Relaxed) {
                gate::yield_now();
            }
        }
        self.busy.store(false, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count {
        calls: [AtomicU64; 8],
        together: AtomicU32,
    }

    unsafe extern "C" fn add_one(ctx: *mut c_void, index: u32, _n: u32) {
        // SAFETY: the tests pass a `Count`.
        let c = unsafe { &*ctx.cast::<Count>() };
        c.calls[index as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns only when all n are inside at once.
    unsafe extern "C" fn meet(ctx: *mut c_void, _index: u32, n: u32) {
        // SAFETY: the tests pass a `Count`.
        let c = unsafe { &*ctx.cast::<Count>() };
        c.together.fetch_add(1, Ordering::SeqCst);
        while c.together.load(Ordering::SeqCst) < n {
            gate::yield_now();
        }
    }

    fn counter() -> Count {
        Count {
            calls: Default::default(),
            together: AtomicU32::new(0),
        }
    }

    fn pool() -> &'static Pool {
        Box::leak(Box::new(Pool::new()))
    }

    fn ctx(c: &Count) -> *mut c_void {
        std::ptr::from_ref(c).cast_mut().cast()
    }

    #[test]
    fn every_index_runs_once_for_each_job() {
        let pool = pool();
        let c = counter();
        let jobs = [2, 5, 1, 8, 3, 2, 8];
        for _ in 0..200 {
            for n in jobs {
                // SAFETY: the function is made for this context.
                unsafe { pool.run(n, add_one, ctx(&c)).unwrap() };
            }
        }
        for (i, calls) in c.calls.iter().enumerate() {
            let expected = 200 * jobs.iter().filter(|n| **n as usize > i).count() as u64;
            assert_eq!(calls.load(Ordering::Relaxed), expected, "index {i}");
        }
    }

    #[test]
    fn all_threads_run_at_once() {
        let c = counter();
        // SAFETY: the function is made for this context.
        unsafe { pool().run(6, meet, ctx(&c)).unwrap() };
        assert_eq!(c.together.load(Ordering::SeqCst), 6);
    }

    #[test]
    fn sleeping_workers_wake() {
        let pool = pool();
        let c = counter();
        for _ in 0..5 {
            // SAFETY: the function is made for this context.
            unsafe { pool.run(2, add_one, ctx(&c)).unwrap() };
            std::thread::sleep(std::time::Duration::from_nanos(10 * SPIN_NS));
        }
        assert_eq!(c.calls[1].load(Ordering::Relaxed), 5);
    }

    #[test]
    fn cpus_are_picked_one_by_one() {
        let mut set = [0; 16];
        set[0] = 0b1010;
        set[2] = 1 << 63;
        assert_eq!(count(&set), 3);
        assert_eq!(one_of(&set, 0)[0], 2);
        assert_eq!(one_of(&set, 1)[0], 8);
        assert_eq!(one_of(&set, 2)[2], 1 << 63);
        assert_eq!(one_of(&set, 3), set);
    }
}
