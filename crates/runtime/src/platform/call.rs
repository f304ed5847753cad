//! The step from the runtime into the guest's code, and out of the process.
//!
//! With tiers, old code is freed when no thread can be in it; so every thread runs guest code inside [`guest`], and
//! functions of the guest interface [`poll`]. Engines that the program makes itself ([`super::embed`]) share what decides that. A
//! program compiled ahead has no engine of its own: then it is about theirs only.

use super::{fault, progress};
use engine::memory::Reclaimer;
use engine::tier::Engine;
use std::cell::Cell;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

static ENGINE: OnceLock<&'static Engine> = OnceLock::new();
static RECLAIMER: OnceLock<Arc<Reclaimer>> = OnceLock::new();
static AT_END: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

thread_local! {
    /// Whether this thread runs guest code.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Names the engine whose code runs; once, before the entry is called.
pub fn set_engine(engine: &'static Engine) {
    // The only call: there is one program.
    let _ = ENGINE.set(engine);
    let _ = RECLAIMER.set(engine.reclaimer().clone());
}

/// The engine whose code runs, if there is one.
pub fn engine() -> Option<&'static Engine> {
    ENGINE.get().copied()
}

/// What decides when old code of the program, and of engines it makes, is freed.
pub fn reclaimer() -> &'static Arc<Reclaimer> {
    RECLAIMER.get_or_init(Arc::default)
}

/// Runs `f`, which calls guest code.
pub fn guest<R>(f: impl FnOnce() -> R) -> R {
    let before = INSIDE.replace(true);
    let listed = (!before).then(enter);
    let result = {
        let _inside = reclaimer().enter();
        f()
    };
    INSIDE.set(before);
    if let Some(place) = listed.flatten() {
        place.store(0, SeqCst);
    }
    result
}

/// Numbers of the threads that run guest code, 0 where there is none. More than these are not listed.
static THREADS: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];

/// Lists this thread.
fn enter() -> Option<&'static AtomicI32> {
    fault::own_stack();
    // SAFETY: no preconditions.
    let thread = unsafe { libc::gettid() };
    THREADS
        .iter()
        .find(|t| t.compare_exchange(0, thread, SeqCst, SeqCst).is_ok())
}

/// Threads that run guest code, or wait in a call of theirs, for the watchdog.
pub fn guest_threads() -> impl Iterator<Item = i32> {
    THREADS.iter().map(|t| t.load(SeqCst)).filter(|t| *t != 0)
}

/// Whether this thread runs guest code. May be asked in a signal handler.
pub fn runs_guest() -> bool {
    INSIDE.get()
}

/// Lets the engine know which old code this thread still needs; a load and a branch if nobody asks.
#[inline]
pub fn poll() {
    if let Some(reclaimer) = RECLAIMER.get() {
        reclaimer.poll();
    }
}

/// Calls the program's entry, `i32 ()`, at `address` and gives back what it returned.
pub fn entry(address: usize) -> i32 {
    // SAFETY:
    // 1. `address` is that of the entry function, linked and executable while the program's code lives.
    // 2. A program's entry has the signature `i32 ()` by the guest interface; a C `i32 (void)` is the same call.
    // 3. The code may do anything a program may: it was verified as IR, and is trusted as any program is.
    let f: extern "C" fn() -> i32 =
        unsafe { std::mem::transmute(std::ptr::with_exposed_provenance::<()>(address)) };
    guest(|| f())
}

/// Has `what` done when the program ends in its own way.
pub fn at_end(what: impl Fn() + Send + Sync + 'static) {
    // The only call: there is one program.
    let _ = AT_END.set(Box::new(what));
}

/// Ends the process. Not by `exit`: its handlers would take LLVM apart under the compiler's thread, which may be at work.
pub fn end(code: i32) -> ! {
    progress::stop();
    if let Some(what) = AT_END.get() {
        what();
    }
    // SAFETY: ends the process; nothing of ours is buffered.
    unsafe { libc::_exit(code) }
}
