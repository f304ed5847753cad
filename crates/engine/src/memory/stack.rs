//! The calling thread's own stack: where it ends, and every word on it.
//!
//! Looked at conservatively: a word that happens to equal an address counts as one. Words are read from the stack
//! pointer up to the stack's end, and the registers that a callee must preserve, since a caller may still need them.

#![allow(unsafe_code)]

use crate::profile::probe;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Where the calling thread's stack is; `None` if nobody knows.
pub(super) fn bounds() -> Option<Range<usize>> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut low, mut bytes) = (std::ptr::null_mut(), 0);
    // SAFETY: (1) the attributes are written by the first call before the others use them, and destroyed once; (2) both
    // results are plain numbers.
    let known = unsafe {
        let mut known =
            libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) == 0;
        if known {
            known = libc::pthread_attr_getstack(attributes.as_ptr(), &mut low, &mut bytes) == 0;
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
        }
        known
    };
    let low = low as usize;
    match known {
        true => Some(low..low.checked_add(bytes)?),
        // The main thread's bounds are in /proc, which our kernel does not have.
        false => first_thread(),
    }
}

/// The main thread's stack, from what the C library noted at the start.
fn first_thread() -> Option<Range<usize>> {
    unsafe extern "C" {
        static __libc_stack_end: *const libc::c_void;
    }
    const USUAL: usize = 8 << 20;
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: (1) the C library sets the variable before `main` and never again; (2) the limit is ours to write.
    let (end, limited) = unsafe {
        if libc::getpid() != libc::gettid() {
            return None;
        }
        let limited = libc::getrlimit(libc::RLIMIT_STACK, &mut limit) == 0;
        (__libc_stack_end as usize, limited)
    };
    let bytes = match usize::try_from(limit.rlim_cur) {
        Ok(bytes) if limited && limit.rlim_cur != libc::RLIM_INFINITY => bytes,
        _ => USUAL,
    };
    let end = end & !7;
    Some(end.saturating_sub(bytes)..end)
}

/// What the callers of a function have on the stack and in registers, while that function runs.
#[derive(Debug)]
pub(super) struct Here {
    /// rbx, rbp, r12 to r15.
    registers: [usize; 6],
    pointer: usize,
}

impl Here {
    /// In the function this is called from. Callees that are not inlined into that function lie below the place noted, so
    /// that what they hold is not taken for the callers'.
    #[inline(always)]
    pub(super) fn new() -> Self {
        let mut registers = [0; 6];
        let pointer: usize;
        // SAFETY: writes the six words of the array and reads registers only.
        unsafe {
            std::arch::asm!(
                "mov [{to}], rbx",
                "mov [{to} + 8], rbp",
                "mov [{to} + 16], r12",
                "mov [{to} + 24], r13",
                "mov [{to} + 32], r14",
                "mov [{to} + 40], r15",
                "mov {pointer}, rsp",
                to = in(reg) registers.as_mut_ptr(),
                pointer = lateout(reg) pointer,
                options(nostack, preserves_flags),
            );
        }
        Here { registers, pointer }
    }

    /// Calls `visit` with every word from here to the stack's end. False, and no call, if this is not on that stack.
    ///
    /// To be called while the function that made `self` runs, on the same thread.
    pub(super) fn words(&self, stack: &Range<usize>, mut visit: impl FnMut(usize)) -> bool {
        if !stack.contains(&self.pointer) {
            return false;
        }
        self.registers.into_iter().for_each(&mut visit);
        // SAFETY: the thread's own stack is mapped from its pointer to its end, and nobody else writes there.
        unsafe { words(&(self.pointer..stack.end), visit) };
        true
    }
}

/// Calls `visit` with every aligned word of a range.
///
/// # Safety
/// The range is readable, and nobody writes there meanwhile.
pub(super) unsafe fn words(range: &Range<usize>, mut visit: impl FnMut(usize)) {
    for at in (range.start.next_multiple_of(8)..range.end & !7).step_by(8) {
        // SAFETY: the caller's promise; the word is aligned; volatile, since no object of ours is read.
        let word = unsafe { std::ptr::with_exposed_provenance::<usize>(at).read_volatile() };
        visit(word);
        // Where a call is measured, another address stands in the place of the return address.
        if word == probe::return_address()
            && let Some(hidden) = probe::original_return(at)
        {
            visit(hidden);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks for a word that only a caller's frame holds.
    #[inline(never)]
    fn finds(wanted: usize) -> bool {
        let mut found = false;
        let stack = bounds().unwrap();
        // The complement, so that this frame does not hold the word itself.
        assert!(Here::new().words(&stack, |word| found |= !word == wanted));
        found
    }

    #[test]
    fn words_of_callers_are_seen_and_others_are_not() {
        let secret = std::hint::black_box(0x5eed_0bad_cafe_1234_usize);
        assert!(!finds(secret ^ 0xff00));
        let held = [!secret; 3];
        std::hint::black_box(&held);
        assert!(finds(secret));
        std::hint::black_box(&held);
    }

    #[test]
    fn another_stack_is_not_looked_at() {
        let other = std::thread::spawn(bounds).join().unwrap().unwrap();
        assert!(!Here::new().words(&other, |_| panic!("visited")));
    }
}
