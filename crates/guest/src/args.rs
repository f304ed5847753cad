//! Arguments of the program.

use crate::abi;

/// Number of arguments; the program's name is not among them.
#[must_use]
pub fn count() -> usize {
    // SAFETY: no arguments.
    unsafe { abi::bf_arg_count() }
}

/// Argument `index`, if there is one. It is whatever the user typed: not always UTF-8.
#[must_use]
pub fn get(index: usize) -> Option<&'static [u8]> {
    let mut len = 0;
    // SAFETY: `len` outlives the call.
    let bytes = unsafe { abi::bf_arg(index, &mut len) };
    if bytes.is_null() {
        return None;
    }
    // SAFETY: the interface promises `len` bytes that stay valid until the program ends and are
    // never written.
    Some(unsafe { core::slice::from_raw_parts(bytes, len) })
}

/// All arguments in order.
pub fn all() -> impl Iterator<Item = &'static [u8]> {
    (0..count()).filter_map(get)
}
