//! Arguments of the program.

use crate::sys;

/// Number of arguments; the program's own name is not among them.
#[must_use]
pub fn count() -> usize {
    // SAFETY: takes nothing.
    unsafe { sys::bf_arg_count() }
}

/// Argument `index`, if there is one. It is whatever the user typed: not always UTF-8.
#[must_use]
pub fn get(index: usize) -> Option<&'static [u8]> {
    let mut len = 0;
    // SAFETY: the length is written to a valid place.
    let ptr = unsafe { sys::bf_arg(index, &mut len) };
    if ptr.is_null() {
        return None;
    }
    // SAFETY: a pointer that is not null comes with that many bytes, which live as long as the
    // program and are never written.
    Some(unsafe { core::slice::from_raw_parts(ptr, len) })
}

/// All arguments in order.
pub fn all() -> impl Iterator<Item = &'static [u8]> {
    (0..count()).filter_map(get)
}
