//! The watchdog: a program that makes no progress is ended with a message that names where it is.
//!
//! What counts is what the runtime counts (`runtime/src/platform/progress.rs`): output, input asked for, any use of a file
//! or folder, the end of a sleep longer than the watchdog's time. Time in which a thread waits for input does not count.
//!
//! ```text
//!   watchdog's thread: looks at the count -- it stands still --> says so, asks each thread of the guest by a signal
//!   thread of the guest, in the handler:                          says where it is, and stays there
//! ```

use crate::output::Stderr;
use crate::{clock, fault, gate};
use core::ffi::c_void;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

/// Exit code of a program that made no progress; the kernel and the host command know it too.
const EXIT_STUCK: i32 = formats::exit::STUCK_CODE as i32;

static MADE: AtomicU64 = AtomicU64::new(0);
static WAITING: AtomicU32 = AtomicU32::new(0);
/// The watchdog's time in nanoseconds; 0 without one.
static TIME_NS: AtomicU64 = AtomicU64::new(0);

/// To be called with each step of progress.
pub fn made() {
    MADE.fetch_add(1, Ordering::Relaxed);
}

/// Runs `wait`, which waits for something from outside.
pub fn waiting<R>(wait: impl FnOnce() -> R) -> R {
    WAITING.fetch_add(1, Ordering::Relaxed);
    let result = wait();
    made();
    WAITING.fetch_sub(1, Ordering::Relaxed);
    result
}

/// Runs `sleep`, which takes `ns`.
pub fn sleeping(ns: u64, sleep: impl FnOnce()) {
    match TIME_NS.load(Ordering::Relaxed) {
        time if time > 0 && ns >= time => waiting(sleep),
        _ => sleep(),
    }
}

/// Numbers of the threads that run guest code, 0 where there is none. More than these are not asked.
static THREADS: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];

/// Runs `work`, which runs guest code, on a thread that the watchdog asks; without a watchdog this is one load more.
pub fn guest<R>(work: impl FnOnce() -> R) -> R {
    if TIME_NS.load(Ordering::Relaxed) == 0 {
        return work();
    }
    let thread = gate::thread_id();
    let free = |place: &&AtomicI32| {
        place
            .compare_exchange(0, thread, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    };
    let place = THREADS.iter().find(free);
    let result = work();
    if let Some(place) = place {
        place.store(0, Ordering::SeqCst);
    }
    result
}

/// Bytes of the stack of the watchdog's thread.
const STACK_BYTES: usize = 64 << 10;

/// Starts to watch, just before the program does; false if there is no memory for it.
pub fn watch(seconds: u64) -> bool {
    TIME_NS.store(seconds.saturating_mul(1_000_000_000), Ordering::SeqCst);
    let Some(stack) = gate::map(STACK_BYTES) else {
        return false;
    };
    // SAFETY: fresh memory, the thread's alone for ever, which ends at a page; the thread takes no argument.
    unsafe { gate::spawn(stack.add(STACK_BYTES), watch_forever, core::ptr::null()) }.is_ok()
}

extern "C" fn watch_forever(_nothing: *const c_void) -> ! {
    let time = TIME_NS.load(Ordering::Relaxed);
    let mut seen = MADE.load(Ordering::Relaxed);
    let mut since = clock::monotonic_ns();
    loop {
        gate::sleep((time / 20).clamp(10_000_000, 250_000_000));
        let (made, now) = (MADE.load(Ordering::Relaxed), clock::monotonic_ns());
        if made != seen || WAITING.load(Ordering::Relaxed) > 0 {
            (seen, since) = (made, now);
        } else if now.saturating_sub(since) >= time {
            stuck(time / 1_000_000_000);
        }
    }
}

/// The signal that asks a thread where it is: SIGUSR2.
const ASK: i32 = 12;
/// How often, ten milliseconds apart, a thread's answer is looked for.
const LOOKS: u32 = 500;

/// Whether threads are asked where they are, before the process ends.
static STUCK: AtomicBool = AtomicBool::new(false);
/// Whether the thread that was asked last has answered.
static ANSWERED: AtomicBool = AtomicBool::new(false);

/// Whether the process ends because it made no progress: a fault that comes now has nothing to add.
pub fn is_stuck() -> bool {
    STUCK.load(Ordering::SeqCst)
}

/// Says that the calling thread has told where it is, and leaves it to the others to end the process.
pub fn answered() -> ! {
    ANSWERED.store(true, Ordering::SeqCst);
    wait_for_the_end()
}

/// Stays here while another thread ends the process.
pub fn wait_for_the_end() -> ! {
    loop {
        gate::sleep(1_000_000_000);
    }
}

/// Ends the process after each thread of the guest has said where it is.
fn stuck(seconds: u64) -> ! {
    STUCK.store(true, Ordering::SeqCst);
    let mut out = Stderr::new();
    // Nobody is left to be told that it cannot be written.
    let _ = writeln!(
        out,
        "\nerror: the program made no progress for {seconds} s (--watchdog): no output, no input, no file used"
    );
    out.flush();
    fault::answer_questions(ASK);
    for thread in THREADS.iter().map(|t| t.load(Ordering::SeqCst)) {
        ANSWERED.store(false, Ordering::SeqCst);
        if thread == 0 || gate::signal(thread, ASK).is_err() {
            continue;
        }
        for _ in 0..LOOKS {
            if ANSWERED.load(Ordering::SeqCst) {
                break;
            }
            gate::sleep(10_000_000);
        }
    }
    gate::exit(EXIT_STUCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_excuses_and_is_progress() {
        let before = MADE.load(Ordering::Relaxed);
        assert!(waiting(|| WAITING.load(Ordering::Relaxed) > 0));
        assert!(MADE.load(Ordering::Relaxed) > before);
    }

    #[test]
    fn without_a_watchdog_no_thread_is_listed() {
        let listed = || THREADS.iter().any(|t| t.load(Ordering::SeqCst) != 0);
        assert!(!guest(listed));
    }
}
