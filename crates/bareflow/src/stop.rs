//! The request to stop: Ctrl-C, `SIGTERM` or `SIGHUP`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// From now on these signals do not end the process; gives what they set instead.
///
/// For work that has something to put away first: a half-written image, a machine, the terminal's state.
pub fn on_signals() -> &'static AtomicBool {
    static REQUESTED: AtomicBool = AtomicBool::new(false);
    static HANDLER: OnceLock<()> = OnceLock::new();
    HANDLER.get_or_init(|| {
        // Where this fails the process ends at once: an unnamed image goes with it, a machine does not.
        let _ = ctrlc::set_handler(|| REQUESTED.store(true, Ordering::Relaxed));
    });
    &REQUESTED
}
