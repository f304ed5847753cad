//! System calls about time.

use super::Answer;
use super::errno::Errno;
use crate::memory::user;
use crate::sched::{self, NEVER, Wake};
use crate::time::{deadline, now_ns, wall_at_entry_ns, wall_ns};

const NS: u64 = 1_000_000_000;
const CLOCK_REALTIME: i32 = 0;
const CLOCK_REALTIME_COARSE: i32 = 5;

/// Nanoseconds of a `struct timespec` at a user address.
///
/// # Errors
/// FAULT, INVAL (negative, or a second or more in the nanoseconds).
pub fn read_timespec(at: usize) -> Result<u64, Errno> {
    let [seconds, ns] = user::read::<[i64; 2]>(at)?;
    let seconds = u64::try_from(seconds).map_err(|_| Errno::INVAL)?;
    let ns = u64::try_from(ns)
        .ok()
        .filter(|&ns| ns < NS)
        .ok_or(Errno::INVAL)?;
    Ok(seconds.saturating_mul(NS).saturating_add(ns))
}

fn write_timespec(at: usize, ns: u64) -> Result<(), Errno> {
    user::write(at, [ns / NS, ns % NS])
}

/// TSC deadline for a point in time on a clock.
///
/// # Errors
/// INVAL for a clock that does not exist.
pub fn absolute(clock: i32, ns: u64) -> Result<u64, Errno> {
    match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE | 11 => {
            Ok(deadline(ns.saturating_sub(wall_at_entry_ns())))
        }
        1..=9 => Ok(deadline(ns)),
        _ => Err(Errno::INVAL),
    }
}

/// TSC deadline a number of milliseconds from now; negative: never.
pub fn timeout_ms(ms: i32) -> u64 {
    u64::try_from(ms).map_or(NEVER, |ms| deadline(now_ns() + ms * 1_000_000))
}

/// TSC deadline for the relative `timespec` at a user address; 0: never.
///
/// # Errors
/// FAULT, INVAL.
pub fn timeout_at(at: usize) -> Result<u64, Errno> {
    if at == 0 {
        return Ok(NEVER);
    }
    Ok(deadline(now_ns().saturating_add(read_timespec(at)?)))
}

pub fn clock_gettime(clock: i32, at: usize) -> Answer {
    let ns = match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE | 11 => wall_ns(),
        // Monotonic, process and thread time, raw, coarse, boot time: since the kernel's entry.
        1..=9 => now_ns(),
        // CPU clocks of a process or thread, encoded in negative numbers.
        ..0 => now_ns(),
        _ => return Err(Errno::INVAL),
    };
    write_timespec(at, ns).map(|()| 0)
}

pub fn clock_getres(clock: i32, at: usize) -> Answer {
    if clock > 11 {
        return Err(Errno::INVAL);
    }
    if at != 0 {
        write_timespec(at, 1)?;
    }
    Ok(0)
}

pub fn gettimeofday(at: usize) -> Answer {
    if at != 0 {
        let ns = wall_ns();
        user::write(at, [ns / NS, ns % NS / 1000])?;
    }
    Ok(0)
}

pub fn time(at: usize) -> Answer {
    let seconds = wall_ns() / NS;
    if at != 0 {
        user::write(at, seconds)?;
    }
    Ok(seconds as usize)
}

pub fn nanosleep(wanted: usize, left: usize) -> Answer {
    let end = now_ns().saturating_add(read_timespec(wanted)?);
    sleep(deadline(end), end, left)
}

pub fn clock_nanosleep(clock: i32, flags: i32, wanted: usize, left: usize) -> Answer {
    const ABSOLUTE: i32 = 1;
    let ns = read_timespec(wanted)?;
    if flags & ABSOLUTE != 0 {
        return sleep(absolute(clock, ns)?, 0, 0);
    }
    let end = now_ns().saturating_add(ns);
    sleep(deadline(end), end, left)
}

/// Sleeps; when a signal ends it, writes what is left to `left`.
fn sleep(until: u64, end_ns: u64, left: usize) -> Answer {
    match sched::sleep_until(until) {
        Wake::Signal => {
            if left != 0 {
                write_timespec(left, end_ns.saturating_sub(now_ns()))?;
            }
            Err(Errno::INTR)
        }
        Wake::Woken | Wake::Timeout => Ok(0),
    }
}
