//! Compile requests, hottest first, one at a time for a function.
//!
//! A function may want several things at once: better code for its next call, and code that takes over a loop that runs
//! now. These are jobs of *one* request: it is in flight from the first of them until one was worked on, the most urgent
//! when it is taken. What is left then is asked for again, as the function's next request. So nothing is lost, no two jobs of
//! a function are worked on side by side, and requests and compiles of a function take turns.

use crate::Level;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a thread that waits for a job does nothing else.
const GLANCE: Duration = Duration::from_micros(500);

/// What is to be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Job {
    /// A function, at least at this level.
    Function(u32, Level),
    /// The rest of a function from a loop header (block) on.
    Osr(u32, u32),
}

impl Job {
    pub fn function(self) -> u32 {
        match self {
            Job::Function(id, _) | Job::Osr(id, _) => id,
        }
    }
}

#[derive(Default)]
struct Jobs {
    waiting: Vec<Job>,
    /// Taken and not done.
    running: HashSet<Job>,
    /// Those that threads wait for, once for each thread.
    awaited: Vec<Job>,
    /// No new jobs come in.
    closed: bool,
    stopped: bool,
}

impl Jobs {
    fn runs(&self, function: u32) -> bool {
        self.running.iter().any(|j| j.function() == function)
    }

    fn is_in_flight(&self, function: u32) -> bool {
        self.runs(function) || self.waiting.iter().any(|j| j.function() == function)
    }
}

/// The requests in flight. A job waits at most once.
#[derive(Default)]
pub(crate) struct Queue {
    jobs: Mutex<Jobs>,
    /// Told when a job comes, one is done, or all ends.
    changed: Condvar,
    /// Threads that wait for a job to be done.
    waiters: AtomicU32,
}

/// What the compiler does next.
pub(crate) enum Next {
    Job(Job),
    /// Nothing came for a while.
    Idle,
    Stop,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job among those that wait. Calls `requested` if that is a request of its own: none of the function was in
    /// flight.
    pub fn push(&self, job: Job, requested: impl FnOnce()) {
        let mut jobs = self.lock();
        if !jobs.closed && !jobs.stopped && !jobs.waiting.contains(&job) {
            if !jobs.is_in_flight(job.function()) {
                requested();
            }
            jobs.waiting.push(job);
            self.changed.notify_all();
        }
    }

    /// The jobs of a function that wait.
    pub fn waiting_of(&self, function: u32) -> Vec<Job> {
        let jobs = self.lock();
        let waiting = jobs.waiting.iter().copied();
        waiting.filter(|j| j.function() == function).collect()
    }

    /// Forgets a job that waits and is needed no more; who waits for it goes on.
    pub fn forget(&self, job: Job) {
        self.lock().waiting.retain(|j| *j != job);
        self.changed.notify_all();
    }

    /// Whether a thread waits for a job.
    pub fn is_waited_for(&self) -> bool {
        self.waiters.load(Relaxed) > 0
    }

    /// Waits until `job` is neither waiting nor being worked on; calls `meanwhile` now and then.
    pub fn wait_for(&self, job: Job, meanwhile: impl Fn()) {
        let is_open = |jobs: &Jobs| {
            !jobs.stopped && (jobs.waiting.contains(&job) || jobs.running.contains(&job))
        };
        let mut jobs = self.lock();
        jobs.awaited.push(job);
        self.changed.notify_all();
        self.waiters.fetch_add(1, Relaxed);
        while is_open(&jobs) {
            jobs = self
                .changed
                .wait_timeout(jobs, GLANCE)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if is_open(&jobs) {
                drop(jobs);
                meanwhile();
                jobs = self.lock();
            }
        }
        if let Some(at) = jobs.awaited.iter().position(|j| *j == job) {
            jobs.awaited.swap_remove(at);
        }
        self.waiters.fetch_sub(1, Relaxed);
    }

    /// Takes the job of the greatest `heat` among those that have some and those that a thread waits for, but none of a
    /// function that has one under way; waits at most `patience` for one.
    pub fn take(&self, heat: impl Fn(Job) -> Option<u64>, patience: Duration) -> Next {
        let hottest = |jobs: &Jobs| {
            let heats = jobs.waiting.iter().enumerate();
            let heats = heats.filter(|(_, job)| !jobs.runs(job.function()));
            let heats = heats.filter_map(|(i, job)| match jobs.awaited.contains(job) {
                true => Some((u64::MAX, i)),
                false => Some((heat(*job)?, i)),
            });
            heats.max()
        };
        let mut jobs = self.lock();
        let mut found = hottest(&jobs);
        if found.is_none() && !jobs.stopped {
            jobs = self
                .changed
                .wait_timeout(jobs, patience)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            found = hottest(&jobs);
        }
        if jobs.stopped {
            return Next::Stop;
        }
        match found {
            Some((_, i)) => {
                let job = jobs.waiting.swap_remove(i);
                jobs.running.insert(job);
                Next::Job(job)
            }
            None => Next::Idle,
        }
    }

    /// Whether a job waits that `is_due` or that a thread waits for; if not, looks again after `patience`, or earlier if
    /// something happens.
    pub fn has_work(&self, is_due: impl Fn(Job) -> bool, patience: Duration) -> bool {
        let has = |jobs: &Jobs| {
            let mut waiting = jobs.waiting.iter();
            waiting.any(|job| jobs.awaited.contains(job) || is_due(*job))
        };
        let jobs = self.lock();
        if has(&jobs) || jobs.stopped {
            return has(&jobs);
        }
        let waited = self.changed.wait_timeout(jobs, patience);
        has(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Lets whoever waits for a job look around.
    pub fn wake(&self) {
        let _jobs = self.lock();
        self.changed.notify_all();
    }

    /// Says that a job taken is done, and the request with it. Calls `requested` with a job that the function still wants:
    /// its next request.
    pub fn done(&self, job: Job, requested: impl FnOnce(Job)) {
        let mut jobs = self.lock();
        jobs.running.remove(&job);
        let mut left = jobs.waiting.iter();
        if let Some(next) = left.find(|j| j.function() == job.function()) {
            requested(*next);
        }
        self.changed.notify_all();
    }

    /// Number of jobs that wait.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether anything waits or is worked on.
    pub fn is_busy(&self) -> bool {
        let jobs = self.lock();
        !jobs.waiting.is_empty() || !jobs.running.is_empty()
    }

    /// Whether anything is worked on.
    pub fn is_at_work(&self) -> bool {
        !self.lock().running.is_empty()
    }

    /// Whether [`Queue::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Forgets what waits and takes no new jobs. What is worked on goes on, and who asks for IR is still served.
    pub fn close(&self) {
        let mut jobs = self.lock();
        jobs.closed = true;
        jobs.waiting.clear();
        self.changed.notify_all();
    }

    /// No job is taken any more; whoever waits goes on.
    pub fn stop(&self) {
        let mut jobs = self.lock();
        jobs.stopped = true;
        jobs.waiting.clear();
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn the_hottest_comes_first_and_only_once() {
        let queue = Queue::default();
        for id in [1, 3, 2, 3] {
            queue.push(Job::Function(id, Level::O1), || ());
        }
        let heat = |j: Job| Some(u64::from(j.function()));
        let mut order = Vec::new();
        while let Next::Job(job) = queue.take(heat, Duration::from_millis(1)) {
            order.push(job.function());
            queue.done(job, |_| ());
        }
        assert_eq!(order, [3, 2, 1]);
        assert!(!queue.is_busy());
        queue.stop();
        queue.push(Job::Osr(1, 1), || ());
        assert!(matches!(queue.take(heat, Duration::ZERO), Next::Stop));
    }

    #[test]
    fn a_closed_queue_finishes_what_runs_and_begins_nothing() {
        let queue = Queue::default();
        let (under_way, waiting) = (Job::Osr(1, 1), Job::Osr(2, 2));
        queue.push(under_way, || ());
        let Next::Job(taken) = queue.take(|_| Some(0), Duration::ZERO) else {
            panic!("no job")
        };
        queue.push(waiting, || ());
        queue.close();
        queue.push(Job::Osr(3, 3), || ());
        assert!(matches!(
            queue.take(|_| Some(0), Duration::ZERO),
            Next::Idle
        ));
        assert!(queue.is_busy());
        // Nobody waits for what was forgotten.
        queue.wait_for(waiting, || panic!("it is not open"));
        queue.done(taken, |_| ());
        assert!(!queue.is_busy());
    }

    #[test]
    fn what_is_not_due_waits_until_a_thread_waits_for_it() {
        let queue = Queue::default();
        let job = Job::Function(5, Level::O2);
        queue.push(job, || ());
        let never = |_| None;
        assert!(matches!(queue.take(never, Duration::ZERO), Next::Idle));
        assert!(!queue.has_work(|_| false, Duration::ZERO));
        assert!(queue.has_work(|_| true, Duration::ZERO));
        assert!(queue.is_busy() && !queue.is_at_work());
        std::thread::scope(|s| {
            let waiter = s.spawn(|| queue.wait_for(job, || ()));
            while !queue.has_work(|_| false, Duration::from_millis(1)) {
                assert!(!waiter.is_finished());
            }
            let Next::Job(taken) = queue.take(never, Duration::ZERO) else {
                panic!("no job")
            };
            assert!(queue.is_at_work());
            queue.done(taken, |_| ());
        });
        assert!(!queue.is_at_work());
        assert!(queue.lock().awaited.is_empty());
    }

    #[test]
    fn a_function_has_one_request_in_flight() {
        let queue = Queue::default();
        let requests = AtomicU32::new(0);
        let count = || _ = requests.fetch_add(1, Ordering::Relaxed);
        let heat = |j: Job| Some(u64::from(matches!(j, Job::Osr(..))));
        let (code, header, other) = (
            Job::Function(1, Level::O2),
            Job::Osr(1, 4),
            Job::Function(2, Level::O0),
        );
        queue.push(code, count);
        queue.push(header, count);
        queue.push(code, count);
        assert_eq!(requests.load(Ordering::Relaxed), 1);
        let Next::Job(first) = queue.take(heat, Duration::ZERO) else {
            panic!("no job")
        };
        assert_eq!(first, header);
        // The same job again, while it is worked on: what is known may be new.
        queue.push(header, count);
        assert_eq!(requests.load(Ordering::Relaxed), 1);
        // A second compiler finds nothing of it.
        assert!(matches!(queue.take(heat, Duration::ZERO), Next::Idle));
        queue.push(other, count);
        assert_eq!(requests.load(Ordering::Relaxed), 2);
        let Next::Job(second) = queue.take(heat, Duration::ZERO) else {
            panic!("no job")
        };
        assert_eq!(second, other);
        queue.done(second, |_| panic!("it wants no more"));
        // What is left is the next request.
        let mut next = Vec::new();
        queue.done(first, |j| next.push(j));
        assert_eq!(next, [code]);
        assert_eq!(queue.waiting_of(1), [code, header]);
        queue.forget(code);
        let Next::Job(third) = queue.take(heat, Duration::ZERO) else {
            panic!("no job")
        };
        assert_eq!(third, header);
        queue.done(third, |_| panic!("it wants no more"));
        assert!(!queue.is_busy());
    }

    #[test]
    fn waiting_ends_when_the_job_is_done() {
        let queue = Queue::default();
        let job = Job::Osr(7, 2);
        queue.push(job, || ());
        let looks = AtomicU32::new(0);
        std::thread::scope(|s| {
            let waiter = s.spawn(|| {
                queue.wait_for(job, || _ = looks.fetch_add(1, Ordering::Relaxed));
            });
            let Next::Job(taken) = queue.take(|_| Some(0), Duration::ZERO) else {
                panic!("no job")
            };
            while looks.load(Ordering::Relaxed) < 3 {
                std::thread::yield_now();
            }
            assert!(!waiter.is_finished());
            queue.done(taken, |_| ());
            waiter.join().unwrap();
        });
    }
}
