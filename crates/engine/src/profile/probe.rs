//! Probes: the cycles of calls of machine code, whatever its signature.
//!
//! ```text
//!   caller --call--> probe (24 bytes per function)        notes { place of the return address, it, the function, clock }
//!                      |  puts probe_return in its place, jumps
//!                      v
//!                    the function: sees its arguments as they were, on the stack and in every register
//!                      |  ret
//!                      v
//!                    probe_return                           clock, counts, frees the note, jumps back to the caller
//! ```
//!
//! A function's slot points at its probe for as long as it is to be measured, then back at its code.
//!
//! - **Registers.** A probe changes r11 and the flags, which no calling convention passes anything in. It saves the few
//!   general registers it needs and executes no vector, mask or x87 instruction (the counting is in assembly, too), so
//!   ymm and zmm arguments survive in full width without being saved, and so do results.
//! - **Stack.** Only the return address is exchanged, in place: arguments on the stack and alignment are what they were.
//!   What is below the stack pointer on entry and after a return belongs to nobody (the red zone is for leaves).
//! - **Notes** are kept per thread in a table of 256, found by the address of the place. Whatever happens, the note of a
//!   call that is still running is never given up: notes left behind by `longjmp` are used anew when a call comes to
//!   the same place, or when their place no longer holds our address, and both prove that the call is over. So
//!   alternate stacks, coroutines and signal handlers are safe. A call that finds no free note is not measured.
//! - **Tail calls.** Where a measured function ends by jumping to another, its time ends there.
//! - **Cost.** What a probe adds to the time it measures, and to the time of the calls around it, is calibrated once
//!   and subtracted. Times include callees, and interrupts; of a recursive function every level counts by itself.
//! - **Not for** functions that return twice (`setjmp`, `vfork`), whose second return finds no note.
//!
//! Whoever looks for return addresses on a stack, to print it or to free code that none leads to, asks
//! [`original_return`] what was there where it meets [`return_address`].
#![allow(unsafe_code)]

use super::cycles::{Cycles, now};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, Once};

/// Where a probe goes on to, and where it counts; code.s knows the first two fields by their place.
#[derive(Debug)]
#[repr(C)]
struct Record {
    target: AtomicUsize,
    cycles: &'static Cycles,
}

const _: () = {
    assert!(offset_of!(Record, target) == 0 && offset_of!(Record, cycles) == 8);
    assert!(size_of::<Cycles>() == 32);
};

/// Cycles that a probe adds to what it measures.
static INNER: AtomicU64 = AtomicU64::new(0);
/// Cycles that a probed call takes more than a plain one.
static FULL: AtomicU64 = AtomicU64::new(0);

core::arch::global_asm!(include_str!("probe/code.s"), inner = sym INNER, full = sym FULL);

unsafe extern "C" {
    fn bareflow_probe_enter();
    fn bareflow_probe_return();
    fn bareflow_probe_calibrate(record: *const ());
    fn bareflow_probe_nothing();
    safe fn bareflow_probe_block() -> *mut Block;
}

/// Entries of a thread's table.
const ENTRIES: usize = 256;

/// A call that is being measured.
#[repr(C)]
struct Note {
    sp: AtomicUsize,
    return_address: AtomicUsize,
    record: AtomicUsize,
    start: AtomicU64,
}

/// A thread's block: see code.s.
#[repr(C)]
struct Block {
    notes: [Note; ENTRIES],
    skew: AtomicU64,
    unmeasured: AtomicU64,
}

const _: () = assert!(size_of::<Block>() == 8208 && offset_of!(Block, unmeasured) == 8200);

/// The calling thread's block.
fn with_block<T>(f: impl FnOnce(&Block) -> T) -> T {
    // SAFETY: the block is thread-local storage of this size, zero at first, which is valid for these types, and
    // lives as long as the thread; the reference does not leave it. It is only changed by probes on this thread
    // between instructions of `f`, if a signal handler calls one, and all fields are atomic.
    f(unsafe { &*bareflow_probe_block() })
}

/// Measures one function.
///
/// The probe lives for ever, for machine code may be in it at any time: make one per function, not one per period of
/// measuring, and point it at new code with [`Probe::set_target`].
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    record: &'static Record,
}

impl Probe {
    /// Size of [`Probe::code`].
    pub const CODE_BYTES: usize = 24;

    /// Measures calls of the code at `target` into `cycles`, of which one reference is kept for ever.
    pub fn new(cycles: Arc<Cycles>, target: usize) -> Probe {
        static CALIBRATED: Once = Once::new();
        CALIBRATED.call_once(calibrate);
        // SAFETY: the reference that `into_raw` keeps is never given back, so the value stays where it is.
        let cycles = unsafe { &*Arc::into_raw(cycles) };
        let target = AtomicUsize::new(target);
        Probe {
            record: Box::leak(Box::new(Record { target, cycles })),
        }
    }

    /// Machine code to be called in place of the target, to be put anywhere at a multiple of 8: position-independent,
    /// and good for as long as this process.
    pub fn code(&self) -> [u8; Probe::CODE_BYTES] {
        let mut code = [0; Probe::CODE_BYTES];
        // movabs $record, %r11; jmp *after(%rip)
        code[..2].copy_from_slice(&[0x49, 0xBB]);
        code[2..10].copy_from_slice(&(std::ptr::from_ref(self.record) as u64).to_le_bytes());
        code[10..16].copy_from_slice(&[0xFF, 0x25, 0, 0, 0, 0]);
        code[16..].copy_from_slice(&(bareflow_probe_enter as *const () as u64).to_le_bytes());
        code
    }

    /// Goes on to other code from now on. The code there must be complete: this is a release store.
    pub fn set_target(&self, target: usize) {
        self.record.target.store(target, Release);
    }

    /// The code it goes on to.
    pub fn target(&self) -> usize {
        self.record.target.load(Relaxed)
    }

    /// What it counts in.
    pub fn cycles(&self) -> &'static Cycles {
        self.record.cycles
    }
}

/// Calls in a calibration measurement: enough to see past the clock's grain, too few to be interrupted often.
const BATCH: u64 = 64;

/// Measures what measuring costs: the best of many short batches, for interruptions only ever add. Probed and plain calls
/// have their own best: a difference gets too small when the plain ones are interrupted.
fn calibrate() {
    static NOTHING: Cycles = Cycles::new();
    let target = AtomicUsize::new(bareflow_probe_nothing as *const () as usize);
    let cycles = &NOTHING;
    let record = Record { target, cycles };
    let [mut inner, mut probed, mut plain] = [u64::MAX; 3];
    for _ in 0..100 {
        let measured = NOTHING.report().map_or(0, |r| r.total);
        let start = now();
        // SAFETY: the function takes a record and calls its target, which does nothing; when it has returned,
        // nobody knows of the record any more.
        (0..BATCH).for_each(|_| unsafe { bareflow_probe_calibrate((&raw const record).cast()) });
        probed = probed.min(now() - start);
        let start = now();
        // SAFETY: it does nothing.
        (0..BATCH).for_each(|_| unsafe { bareflow_probe_nothing() });
        plain = plain.min(now() - start);
        let sum = NOTHING.report().map_or(0, |r| r.total) - measured;
        inner = inner.min(sum);
    }
    INNER.store(inner / BATCH, Relaxed);
    FULL.store(probed.saturating_sub(plain) / BATCH, Relaxed);
}

/// Cycles that probes add, as calibrated: to the time a probe measures, and to a call as seen from outside. Zeros
/// before the first probe was made.
pub fn overhead() -> (u64, u64) {
    (INNER.load(Relaxed), FULL.load(Relaxed))
}

/// The address that stands in stacks in place of hidden return addresses.
pub fn return_address() -> usize {
    bareflow_probe_return as *const () as usize
}

/// The return address hidden at the stack address `place` of the calling thread. Safe in signal handlers.
pub fn original_return(place: usize) -> Option<usize> {
    with_block(|block| {
        let note = block
            .notes
            .iter()
            .find(|note| note.sp.load(Relaxed) == place);
        note.filter(|_| place != 0)
            .map(|note| note.return_address.load(Relaxed))
    })
}

/// Calls on the calling thread that were not measured because too many others were going on.
pub fn unmeasured() -> u64 {
    with_block(|block| block.unmeasured.load(Relaxed))
}

#[cfg(test)]
pub(crate) mod registers;
#[cfg(test)]
mod tests;
