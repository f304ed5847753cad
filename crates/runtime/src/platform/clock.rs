//! Time since the program's, or the machine's, first instruction.

use std::time::Duration;

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a valid out-pointer; on failure `time` stays zero.
    unsafe { libc::clock_gettime(clock, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Monotonic time from an arbitrary start.
pub fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}

/// On the machine: since the kernel's entry, where its monotonic clock starts. On Linux: CPU time of this process, which
/// at the start of `main` is what loading took.
pub fn since_start() -> Duration {
    if super::is_machine() {
        monotonic()
    } else {
        read(libc::CLOCK_PROCESS_CPUTIME_ID)
    }
}

/// Time since 1970-01-01 00:00 UTC.
pub fn unix() -> Duration {
    read(libc::CLOCK_REALTIME)
}
