//! Threads of the guest: one job on all of them at once, and back together in well under a microsecond.
//!
//! ```text
//!   caller                         worker i
//!   job = (f, ctx, n)              spin on generation, then park
//!   remaining = workers
//!   generation += 1  ------------> sees the new generation, reads the job
//!   unpark the parked
//!   f(ctx, 0, n)                   f(ctx, i, n) if i < n
//!   spin until remaining == 0 <--- remaining -= 1
//! ```
//!
//! Every worker answers every generation, also when the job is not for it: so the job is never written while a late
//! worker still reads it. Workers spin for a while after each job, because a language model gives the next one within
//! microseconds; then they park and cost nothing. With more threads than CPUs nobody spins for long.
//!
//! Workers run guest code inside [`call::guest`] and wait outside of it: the engine asks no waiting worker about old code.

use super::call;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// The guest's function: context, index of the thread, number of threads.
pub type Work = unsafe extern "C" fn(ctx: *mut libc::c_void, index: u32, n: u32);

/// Most threads a job can ask for.
pub const MAX_THREADS: u32 = 256;

/// How long a worker spins before it parks.
const SPIN: Duration = Duration::from_micros(300);

#[derive(Clone, Copy)]
struct Job {
    work: Work,
    ctx: *mut libc::c_void,
    n: u32,
}

/// A value in a cache line of its own.
#[repr(align(128))]
struct Line<T>(T);

struct Shared {
    generation: Line<AtomicU32>,
    remaining: Line<AtomicU32>,
    job: Line<UnsafeCell<Option<Job>>>,
    /// Whether spinning for long is of use: every thread has a CPU.
    spin: AtomicBool,
}

// SAFETY: `job` is written by the one caller (who holds the pool's lock) while no worker reads: all have answered the
// generation before. Workers read it after they saw (acquire) the generation stored (release) after the write. The
// pointers inside are the guest's, which asked for them to be used on other threads.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

struct Worker {
    thread: Thread,
    parked: Arc<AtomicBool>,
}

struct Inner {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

/// A pool that grows to the largest job asked for.
pub struct Pool {
    inner: Mutex<Inner>,
    cpus: Vec<usize>,
}

/// CPUs this process may run on, ascending.
pub fn allowed_cpus() -> Vec<usize> {
    // SAFETY: a zeroed set is valid; the kernel fills at most its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of_val(&set), &mut set) == 0 {
            let list: Vec<usize> = (0..libc::CPU_SETSIZE as usize)
                .filter(|c| libc::CPU_ISSET(*c, &set))
                .collect();
            if !list.is_empty() {
                return list;
            }
        }
    }
    let count = std::thread::available_parallelism().map_or(1, |n| n.get());
    (0..count).collect()
}

/// Keeps the calling thread on one CPU; a wish, failure is ignored.
fn pin(cpu: usize) {
    // SAFETY: a zeroed set is valid; the kernel reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}

fn wait_for_job(shared: &Shared, parked: &AtomicBool, seen: u32) -> u32 {
    let started = Instant::now();
    let mut rounds = 0u32;
    loop {
        let generation = shared.generation.0.load(Ordering::Acquire);
        if generation != seen {
            return generation;
        }
        spin_loop();
        rounds = rounds.wrapping_add(1);
        let look = rounds.is_multiple_of(256);
        if look && (!shared.spin.load(Ordering::Relaxed) || started.elapsed() > SPIN) {
            // SeqCst on both sides: either we see the new generation here, or the caller sees that we are parked.
            parked.store(true, Ordering::SeqCst);
            while shared.generation.0.load(Ordering::SeqCst) == seen {
                std::thread::park();
            }
            parked.store(false, Ordering::SeqCst);
        }
    }
}

fn work_forever(shared: &Shared, parked: &AtomicBool, index: u32, mut seen: u32) {
    loop {
        seen = wait_for_job(shared, parked, seen);
        // SAFETY: the acquire above pairs with the caller's release; the caller does not write before we answer.
        let job = unsafe { *shared.job.0.get() };
        if let Some(job) = job.filter(|j| index < j.n) {
            // SAFETY: the guest's own function and context.
            call::guest(|| unsafe { (job.work)(job.ctx, index, job.n) });
        }
        shared.remaining.0.fetch_sub(1, Ordering::Release);
    }
}

impl Pool {
    /// An empty pool; threads start with the first job that needs them.
    pub fn new() -> Self {
        let shared = Arc::new(Shared {
            generation: Line(AtomicU32::new(0)),
            remaining: Line(AtomicU32::new(0)),
            job: Line(UnsafeCell::new(None)),
            spin: AtomicBool::new(true),
        });
        Pool {
            inner: Mutex::new(Inner {
                shared,
                workers: Vec::new(),
            }),
            cpus: allowed_cpus(),
        }
    }

    fn grow(&self, inner: &mut Inner, n: u32) {
        let cpus = self.cpus.len();
        inner
            .shared
            .spin
            .store(n as usize <= cpus, Ordering::Relaxed);
        if n as usize <= cpus && inner.workers.is_empty() {
            pin(self.cpus[0]);
        }
        while inner.workers.len() + 1 < n as usize {
            let index = inner.workers.len() as u32 + 1;
            let shared = inner.shared.clone();
            let parked = Arc::new(AtomicBool::new(false));
            let mine = parked.clone();
            // No job is under way: the generation stands still until this thread is on the list.
            let seen = shared.generation.0.load(Ordering::Acquire);
            let cpu = self.cpus.get(index as usize).copied();
            let all: Vec<usize> = self.cpus.clone();
            let spawned = std::thread::Builder::new()
                .name(format!("guest{index}"))
                .spawn(move || {
                    match cpu {
                        Some(cpu) => pin(cpu),
                        // More threads than CPUs: undo the pinning inherited from the caller.
                        None => unpin(&all),
                    }
                    work_forever(&shared, &mine, index, seen);
                });
            match spawned {
                Ok(handle) => inner.workers.push(Worker {
                    thread: handle.thread().clone(),
                    parked,
                }),
                Err(error) => {
                    eprintln!("error: cannot start thread {index} of the program: {error}");
                    call::end(crate::EXIT_REFUSED.into());
                }
            }
        }
    }

    /// Runs `work(ctx, i, n)` for every `i` below `n` at once and returns when all are done. A job inside a job, or from
    /// another thread meanwhile, runs one index after the other.
    ///
    /// # Safety
    /// `work` may be called with `ctx` from `n` threads at once.
    pub unsafe fn run(&self, n: u32, work: Work, ctx: *mut libc::c_void) {
        let n = n.min(MAX_THREADS);
        let alone = || {
            for index in 0..n {
                // SAFETY: as the caller promised.
                unsafe { work(ctx, index, n) };
            }
        };
        if n <= 1 {
            return alone();
        }
        let mut inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(std::sync::TryLockError::WouldBlock) => return alone(),
        };
        if inner.workers.len() + 1 < n as usize {
            self.grow(&mut inner, n);
        }
        let shared = &*inner.shared;
        // SAFETY: all workers have answered the last generation, so none reads now.
        unsafe { *shared.job.0.get() = Some(Job { work, ctx, n }) };
        shared
            .remaining
            .0
            .store(inner.workers.len() as u32, Ordering::Relaxed);
        shared.generation.0.fetch_add(1, Ordering::SeqCst);
        for worker in inner
            .workers
            .iter()
            .filter(|w| w.parked.load(Ordering::SeqCst))
        {
            worker.thread.unpark();
        }
        // SAFETY: as the caller promised.
        unsafe { work(ctx, 0, n) };
        let mut rounds = 0u32;
        while shared.remaining.0.load(Ordering::Acquire) != 0 {
            spin_loop();
            rounds = rounds.wrapping_add(1);
            if rounds.is_multiple_of(4096) || !shared.spin.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        }
    }
}

/// Lets the calling thread run on any of these CPUs.
fn unpin(cpus: &[usize]) {
    // SAFETY: a zeroed set is valid; the kernel reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for cpu in cpus {
            libc::CPU_SET(*cpu, &mut set);
        }
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    struct Count {
        calls: [AtomicU64; 8],
        together: AtomicU32,
    }

    unsafe extern "C" fn count(ctx: *mut libc::c_void, index: u32, _n: u32) {
        // SAFETY: the tests pass a `Count`.
        let c = unsafe { &*ctx.cast::<Count>() };
        c.calls[index as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns only when all n are inside at once.
    unsafe extern "C" fn meet(ctx: *mut libc::c_void, _index: u32, n: u32) {
        // SAFETY: the tests pass a `Count`.
        let c = unsafe { &*ctx.cast::<Count>() };
        c.together.fetch_add(1, Ordering::SeqCst);
        while c.together.load(Ordering::SeqCst) < n {
            std::thread::yield_now();
        }
    }

    fn counter() -> Count {
        Count {
            calls: Default::default(),
            together: AtomicU32::new(0),
        }
    }

    fn ctx(c: &Count) -> *mut libc::c_void {
        ptr_of(c)
    }

    fn ptr_of<T>(t: &T) -> *mut libc::c_void {
        std::ptr::from_ref(t).cast_mut().cast()
    }

    #[test]
    fn every_index_runs_once_for_each_job() {
        let pool = Pool::new();
        let c = counter();
        let jobs = [2, 5, 1, 8, 3, 2, 8];
        for _ in 0..200 {
            for n in jobs {
                // SAFETY: `count` is made for this context.
                unsafe { pool.run(n, count, ctx(&c)) };
            }
        }
        for (i, calls) in c.calls.iter().enumerate() {
            let expected = 200 * jobs.iter().filter(|n| **n as usize > i).count() as u64;
            assert_eq!(calls.load(Ordering::Relaxed), expected, "index {i}");
        }
    }

    #[test]
    fn all_threads_run_at_once() {
        let pool = Pool::new();
        let c = counter();
        // SAFETY: `meet` is made for this context.
        unsafe { pool.run(6, meet, ctx(&c)) };
        assert_eq!(c.together.load(Ordering::SeqCst), 6);
    }

    #[test]
    fn parked_workers_wake() {
        let pool = Pool::new();
        let c = counter();
        for _ in 0..5 {
            // SAFETY: `count` is made for this context.
            unsafe { pool.run(2, count, ctx(&c)) };
            std::thread::sleep(SPIN * 10);
        }
        assert_eq!(c.calls[1].load(Ordering::Relaxed), 5);
    }

    struct Nest<'a> {
        pool: &'a Pool,
        count: &'a Count,
    }

    unsafe extern "C" fn nested(c: *mut libc::c_void, _index: u32, _n: u32) {
        // SAFETY: the test passes a `Nest`.
        let nest = unsafe { &*c.cast::<Nest<'_>>() };
        // SAFETY: `count` is made for this context.
        unsafe { nest.pool.run(3, count, ctx(nest.count)) };
    }

    #[test]
    fn a_job_inside_a_job_runs_in_line() {
        let pool = Pool::new();
        let c = counter();
        let nest = Nest {
            pool: &pool,
            count: &c,
        };
        // SAFETY: `nested` is made for this context.
        unsafe { pool.run(2, nested, ptr_of(&nest)) };
        assert_eq!(c.calls[2].load(Ordering::Relaxed), 2);
    }
}
