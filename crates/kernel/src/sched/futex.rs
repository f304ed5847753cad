//! Futexes: sleeping on a word of memory until it changes (`futex(2)`).
//!
//! The word is compared under the scheduler's lock, so a wake-up between compare and sleep is not lost.
//! Words are keyed by their virtual address: there is one address space.

use super::{Key, NEVER, Wake, block, lock};
use crate::linux::errno::Errno;
use crate::memory::space::Access;
use crate::memory::user;
use core::sync::atomic::{AtomicU32, Ordering};

/// All bits: wakes and waits for everything.
pub const ANY: u32 = u32::MAX;

/// The word at a user address.
fn word(at: usize, access: Access) -> Result<&'static AtomicU32, Errno> {
    if !at.is_multiple_of(4) {
        return Err(Errno::INVAL);
    }
    user::check(at, 4, access)?;
    // SAFETY: aligned, mapped, and shared with the program by atomic accesses only.
    Ok(unsafe { &*(at as *const AtomicU32) })
}

/// Sleeps while the word holds `expected`.
///
/// # Errors
/// AGAIN (the word differs), TIMEDOUT, INTR, FAULT, INVAL.
pub fn wait(at: usize, expected: u32, bitset: u32, deadline: u64) -> Result<(), Errno> {
    if bitset == 0 {
        return Err(Errno::INVAL);
    }
    let word = word(at, Access::Read)?;
    let sched = lock();
    if word.load(Ordering::SeqCst) != expected {
        return Err(Errno::AGAIN);
    }
    if deadline != NEVER && deadline <= crate::cpu::rdtsc() {
        return Err(Errno::TIMEDOUT);
    }
    match block(sched, Key::Futex(at), bitset, deadline) {
        Wake::Woken => Ok(()),
        Wake::Timeout => Err(Errno::TIMEDOUT),
        Wake::Signal => Err(Errno::INTR),
    }
}

/// Wakes up to `most` sleepers. Gives their number.
pub fn wake(at: usize, bitset: u32, most: usize) -> usize {
    lock().wake(Key::Futex(at), bitset, most)
}

/// Wakes up to `most` sleepers and lets up to `move_most` others wait at `to`. With `expected`, only
/// if the word holds it. Gives the number woken and the number moved.
///
/// # Errors
/// AGAIN (the word differs), FAULT, INVAL.
pub fn requeue(
    at: usize,
    to: usize,
    most: usize,
    move_most: usize,
    expected: Option<u32>,
) -> Result<(usize, usize), Errno> {
    let word = word(at, Access::Read)?;
    let mut sched = lock();
    if expected.is_some_and(|expected| word.load(Ordering::SeqCst) != expected) {
        return Err(Errno::AGAIN);
    }
    let woken = sched.wake(Key::Futex(at), ANY, most);
    Ok((
        woken,
        sched.requeue(Key::Futex(at), Key::Futex(to), move_most),
    ))
}

/// FUTEX_WAKE_OP: changes the word at `second` by the encoded operation, wakes at `first`, and at
/// `second` if the old value passes the encoded comparison.
///
/// # Errors
/// FAULT, INVAL, NOSYS (unknown operation).
pub fn wake_op(
    first: usize,
    second: usize,
    most: usize,
    most_second: usize,
    op: u32,
) -> Result<usize, Errno> {
    let word = word(second, Access::Write)?;
    // Encoding: 4 bits operation (8: shift), 4 bits comparison, 12 bits operand, 12 bits comparand, both signed.
    let sign_extend = |value: u32| ((value << 20) as i32) >> 20;
    let (kind, compare) = (op >> 28 & 7, op >> 24 & 15);
    let operand = sign_extend(op >> 12 & 0xFFF);
    let comparand = sign_extend(op & 0xFFF);
    let operand = if op >> 31 != 0 {
        1u32 << (operand & 31)
    } else {
        operand as u32
    };
    let change = |value: u32| match kind {
        0 => Some(operand),
        1 => Some(value.wrapping_add(operand)),
        2 => Some(value | operand),
        3 => Some(value & !operand),
        4 => Some(value ^ operand),
        _ => None,
    };
    let mut sched = lock();
    let old = word
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change)
        .map_err(|_| Errno::NOSYS)?;
    let old = old as i32;
    let passes = match compare {
        0 => old == comparand,
        1 => old != comparand,
        2 => old < comparand,
        3 => old <= comparand,
        4 => old > comparand,
        5 => old >= comparand,
        _ => return Err(Errno::NOSYS),
    };
    let mut woken = sched.wake(Key::Futex(first), ANY, most);
    if passes {
        woken += sched.wake(Key::Futex(second), ANY, most_second);
    }
    Ok(woken)
}
