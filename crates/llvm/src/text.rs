//! Strings across the border: LLVM's C strings to Rust and back.

use std::ffi::{CStr, CString, c_char};

/// A C string for LLVM; an interior NUL ends it, as it would for LLVM.
pub(crate) fn c_string(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

/// Copies a C string that LLVM owns.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string that lives during the call.
pub(crate) unsafe fn copied(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null; the caller vouches for the rest.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// Copies and frees a message that LLVM handed over.
///
/// # Safety
/// `text` is null or a message made by LLVM that nobody else frees.
pub(crate) unsafe fn taken(text: *mut c_char) -> String {
    // SAFETY: as the caller promised; freed exactly once, after the copy.
    unsafe {
        let copy = copied(text);
        if !text.is_null() {
            llvm_sys::core::LLVMDisposeMessage(text);
        }
        copy
    }
}

/// Copies `len` bytes at `text` as a string.
///
/// # Safety
/// `text` points to `len` readable bytes, or `len` is 0.
pub(crate) unsafe fn sized(text: *const c_char, len: usize) -> String {
    if text.is_null() || len == 0 {
        return String::new();
    }
    // SAFETY: the caller promises `len` readable bytes.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
    String::from_utf8_lossy(bytes).into_owned()
}
