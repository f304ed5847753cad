//! Ctrl-C: the first asks the guest to stop what it is doing, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};

static PENDING: AtomicBool = AtomicBool::new(false);
/// Whether Ctrl-C was ever pressed.
static PRESSED: AtomicBool = AtomicBool::new(false);

/// Exit code of a process ended by a second Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;

extern "C" fn on_interrupt(_signal: libc::c_int) {
    PRESSED.store(true, Ordering::Relaxed);
    if PENDING.swap(true, Ordering::Relaxed) {
        // SAFETY: async-signal-safe; ends the process at once.
        unsafe { libc::_exit(EXIT_INTERRUPTED) };
    }
}

/// Takes Ctrl-C over. Without SA_RESTART: a read of the console ends early, so that the guest can look.
pub fn install() {
    // SAFETY: a zeroed sigaction is valid; the handler only touches an atomic and calls `_exit`.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_interrupt as *const () as usize;
        libc::sigaction(libc::SIGINT, &action, std::ptr::null_mut());
    }
}

/// Whether Ctrl-C was pressed since the last call that said so.
pub fn take() -> bool {
    PENDING.swap(false, Ordering::Relaxed)
}

/// Whether Ctrl-C was ever pressed.
pub fn was_pressed() -> bool {
    PRESSED.load(Ordering::Relaxed)
}

/// Whether Ctrl-C was pressed and the guest has not taken notice.
pub fn is_pending() -> bool {
    PENDING.load(Ordering::Relaxed)
}
