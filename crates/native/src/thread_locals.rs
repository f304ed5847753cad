//! Thread-local variables of guests, in the form that libgcc calls emulated.
//!
//! ```text
//!   fs:0 -> Thread { itself, table } -> [ copy of variable 1, of variable 2, ... ]      one for each thread
//!   control block of a variable: size, alignment, number (0: not used yet), initial value
//! ```
//!
//! The engine gives variables this form (`llvm::Module::emulate_thread_locals`) in every tier; exported programs find the
//! function here. A variable's copy is made when a thread asks for it first, and given back when the thread ends.
//!
//! Source: GCC, libgcc/emutls.c, for the layout of the control block.

use crate::{gate, heap};
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// What libgcc calls `struct __emutls_object`.
#[repr(C)]
struct Control {
    size: usize,
    align: usize,
    /// From 1 on, given at the first use.
    number: AtomicUsize,
    /// Null: zeroes.
    initial: *const u8,
}

/// Numbers given so far.
static GIVEN: AtomicUsize = AtomicUsize::new(0);

/// A copy of a variable, with what is needed to give it back.
#[derive(Clone, Copy)]
struct Copy {
    at: *mut u8,
    size: usize,
    align: usize,
}

/// What the thread's pointer points to.
#[repr(C)]
pub struct Thread {
    /// Its own address, which `fs:0` reads.
    itself: *mut Thread,
    table: *mut Copy,
    len: usize,
}

impl Thread {
    /// A thread without variables.
    pub const fn new() -> Self {
        Thread {
            itself: ptr::null_mut(),
            table: ptr::null_mut(),
            len: 0,
        }
    }

    /// Makes `this` the calling thread's.
    ///
    /// # Safety
    /// It stays where it is until the thread ends, or calls [`Thread::leave`]; the thread's pointer is nobody else's.
    pub unsafe fn enter(this: *mut Thread) {
        // SAFETY: as the caller promised.
        unsafe {
            (*this).itself = this;
            gate::set_thread_pointer(this.cast());
        }
    }

    fn bytes(len: usize) -> usize {
        len * size_of::<Copy>()
    }

    /// Gives the thread's variables back: it uses none any more.
    pub fn leave(&mut self) {
        for number in 0..self.len {
            // SAFETY: the table has `len` entries, null or blocks of the heap with this size and alignment; the table is
            // one itself.
            unsafe {
                let copy = self.table.add(number).read();
                heap::free(copy.at, copy.size, copy.align);
            }
        }
        // SAFETY: as above.
        unsafe { heap::free(self.table.cast(), Self::bytes(self.len), align_of::<Copy>()) };
        (self.table, self.len) = (ptr::null_mut(), 0);
    }

    /// Makes the table long enough for variable `number`.
    fn grow(&mut self, number: usize) {
        let len = number.next_power_of_two().max(8);
        let table = heap::allocate(Self::bytes(len), align_of::<Copy>()).cast::<Copy>();
        if table.is_null() {
            out_of_memory();
        }
        let none = Copy {
            at: ptr::null_mut(),
            size: 0,
            align: 1,
        };
        for at in 0..len {
            // SAFETY: both tables have that many entries.
            unsafe {
                let copy = if at < self.len {
                    self.table.add(at).read()
                } else {
                    none
                };
                table.add(at).write(copy);
            }
        }
        // SAFETY: the old table is a block of the heap, or null.
        unsafe { heap::free(self.table.cast(), Self::bytes(self.len), align_of::<Copy>()) };
        (self.table, self.len) = (table, len);
    }

    fn address(&mut self, control: &Control) -> *mut u8 {
        let number = match control.number.load(Ordering::Relaxed) {
            0 => {
                let fresh = GIVEN.fetch_add(1, Ordering::Relaxed) + 1;
                let number = &control.number;
                match number.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => fresh,
                    Err(given) => given,
                }
            }
            number => number,
        };
        if number > self.len {
            self.grow(number);
        }
        // SAFETY: the table is that long.
        let place = unsafe { &mut *self.table.add(number - 1) };
        if place.at.is_null() {
            let (size, align) = (control.size.max(1), control.align.max(1));
            let at = heap::allocate(size, align);
            if at.is_null() {
                out_of_memory();
            }
            // SAFETY: a fresh block of that size; the initial value has as many bytes.
            unsafe {
                match control.initial.is_null() {
                    true => at.write_bytes(0, size),
                    false => at.copy_from_nonoverlapping(control.initial, control.size),
                }
            }
            *place = Copy { at, size, align };
        }
        place.at
    }
}

#[cold]
fn out_of_memory() -> ! {
    use core::fmt::Write;
    let mut out = crate::output::Stderr::new();
    let _ = writeln!(out, "\nerror: no memory for a thread-local variable");
    out.flush();
    gate::exit(crate::EXIT_REFUSED)
}

/// The address of the calling thread's copy of a variable.
#[unsafe(no_mangle)]
unsafe extern "C" fn __emutls_get_address(control: *mut c_void) -> *mut c_void {
    let this: *mut Thread;
    // SAFETY: every thread of a program has entered one before it runs the guest; its first word is its address.
    unsafe {
        core::arch::asm!("mov {}, fs:[0]", out(reg) this, options(nostack, preserves_flags, readonly));
    }
    // SAFETY: the thread's own, and nobody else's; the control block is one that the engine made.
    unsafe { (*this).address(&*control.cast::<Control>()).cast() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;

    static FIRST: u32 = 5;

    #[repr(align(64))]
    struct Aligned;

    /// Two threads have copies of their own, which start as the variable says and are kept.
    #[test]
    fn threads_have_copies_of_their_own() {
        let control = |size, align, initial| Control {
            size,
            align,
            number: AtomicUsize::new(0),
            initial,
        };
        let x = control(4, 4, (&raw const FIRST).cast());
        let y = control(100, align_of::<Aligned>(), ptr::null());
        let (mut a, mut b) = (Thread::new(), Thread::new());
        let (in_a, in_b) = (
            a.address(&x).cast::<AtomicU32>(),
            b.address(&x).cast::<AtomicU32>(),
        );
        assert_ne!(in_a, in_b);
        // SAFETY: both are variables of 4 bytes.
        let (in_a, in_b) = unsafe { (&*in_a, &*in_b) };
        assert_eq!(in_a.swap(7, Ordering::Relaxed), 5);
        assert_eq!(in_b.load(Ordering::Relaxed), 5);
        assert_eq!(
            a.address(&x).cast_const(),
            in_a.as_ptr().cast_const().cast()
        );
        let zeroes = a.address(&y);
        assert_eq!(zeroes.align_offset(64), 0);
        // SAFETY: the variable has 100 bytes.
        let zeroes = unsafe { core::slice::from_raw_parts(zeroes, 100) };
        assert!(zeroes.iter().all(|b| *b == 0));
        // More of them than the table begins with.
        let many: Vec<Control> = (0..50).map(|_| control(8, 8, ptr::null())).collect();
        let places: std::collections::HashSet<usize> =
            many.iter().map(|c| a.address(c).addr()).collect();
        assert_eq!(places.len(), 50);
        assert_eq!(in_a.load(Ordering::Relaxed), 7);
        a.leave();
        b.leave();
        assert_eq!(a.len, 0);
    }
}
