//! Ctrl-C: the first asks the guest to stop what it is doing, the second ends the process.

use crate::gate;
use core::sync::atomic::{AtomicBool, Ordering};

static PENDING: AtomicBool = AtomicBool::new(false);

const SIGINT: i32 = 2;
/// Exit code of a process ended by a second Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;

extern "C" fn on_interrupt() {
    if PENDING.swap(true, Ordering::Relaxed) {
        gate::exit(EXIT_INTERRUPTED);
    }
}

/// Takes Ctrl-C over. Without SA_RESTART: a read of the console ends early, so that the guest can look.
pub fn install() {
    // SAFETY: the handler only touches an atomic and may end the process.
    unsafe { gate::handle_signal(SIGINT, on_interrupt as *const () as usize, 0) }
}

/// Whether Ctrl-C was pressed since the last call that said so.
pub fn take() -> bool {
    PENDING.swap(false, Ordering::Relaxed)
}

/// Whether Ctrl-C was pressed and the guest has not taken notice.
pub fn is_pending() -> bool {
    PENDING.load(Ordering::Relaxed)
}
