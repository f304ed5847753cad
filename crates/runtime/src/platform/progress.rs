//! The watchdog: a program that makes no progress is ended with a message that names where it is.
//!
//! Progress is what can be seen from outside: output on the console or the serial line, input asked for, any use of a file
//! or folder, the end of a sleep longer than the watchdog's time. Time in which a thread waits for input does not count, nor
//! that in which one waits for the compiler. Computing, taking memory, asking for the time, starting threads and waiting for
//! them is not progress: a loop without end may do all of it.

use super::{call, fault};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

static MADE: AtomicU64 = AtomicU64::new(0);
static WAITING: AtomicU32 = AtomicU32::new(0);
/// The watchdog's time in nanoseconds; 0 without one.
static TIME_NS: AtomicU64 = AtomicU64::new(0);

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Ends the watch: what the runtime does after the program takes the time it takes.
pub fn stop() {
    STOPPED.store(true, Relaxed);
}

/// To be called with each step of progress.
pub fn made() {
    MADE.fetch_add(1, Relaxed);
}

/// Runs `wait`, which waits for something from outside.
pub fn waiting<R>(wait: impl FnOnce() -> R) -> R {
    WAITING.fetch_add(1, Relaxed);
    let result = wait();
    made();
    WAITING.fetch_sub(1, Relaxed);
    result
}

/// Runs `sleep`, which takes `ns`.
pub fn sleeping(ns: u64, sleep: impl FnOnce()) {
    match TIME_NS.load(Relaxed) {
        time if time > 0 && ns >= time => waiting(sleep),
        _ => sleep(),
    }
}

/// Starts to watch, just before the program does.
pub fn watch(seconds: u64) {
    let time = Duration::from_secs(seconds);
    TIME_NS.store(time.as_nanos() as u64, Relaxed);
    let look = (time / 20).clamp(Duration::from_millis(10), Duration::from_millis(250));
    let thread = std::thread::Builder::new().name("watchdog".into());
    let started = thread.spawn(move || {
        let mut seen = MADE.load(Relaxed);
        let mut since = Instant::now();
        while !STOPPED.load(Relaxed) {
            std::thread::sleep(look);
            let now = MADE.load(Relaxed);
            let is_excused = WAITING.load(Relaxed) > 0
                || call::engine().is_some_and(engine::tier::Engine::is_waited_for);
            if now != seen || is_excused {
                seen = now;
                since = Instant::now();
            } else if since.elapsed() >= time {
                fault::stuck(seconds);
            }
        }
    });
    if let Err(error) = started {
        eprintln!("bareflow: no watchdog: its thread cannot be started: {error}");
    }
}
