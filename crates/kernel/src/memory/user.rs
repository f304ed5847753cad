//! Memory of the payload as the kernel sees it: checked, made present, then used in place.
//!
//! There is one address space, so a checked range is used through ordinary references. A program that unmaps a
//! buffer while a call works on it gets a page fault in the kernel, which ends the machine with a message.

use super::space::{self, Access, FaultError};
use super::{PAGE, USER_END};
use crate::linux::errno::Errno;
use alloc::string::String;
use alloc::vec::Vec;

/// Makes a range present for this access.
///
/// # Errors
/// FAULT: not mapped or not allowed; NOMEM.
pub fn check(start: usize, bytes: usize, access: Access) -> Result<(), Errno> {
    space::touch(start, bytes, access, false).map_err(errno)
}

fn errno(error: FaultError) -> Errno {
    match error {
        FaultError::OutOfMemory => Errno::NOMEM,
        FaultError::Unreadable => Errno::IO,
        FaultError::NotMapped | FaultError::Protection | FaultError::NotRead => Errno::FAULT,
    }
}

/// Bytes to read.
///
/// # Errors
/// FAULT, NOMEM.
pub fn bytes(start: usize, count: usize) -> Result<&'static [u8], Errno> {
    if count == 0 {
        return Ok(&[]);
    }
    check(start, count, Access::Read)?;
    // SAFETY: mapped and readable; the program shares it only as its own system call says.
    Ok(unsafe { core::slice::from_raw_parts(start as *const u8, count) })
}

/// Bytes to write.
///
/// # Errors
/// FAULT, NOMEM.
pub fn bytes_mut(start: usize, count: usize) -> Result<&'static mut [u8], Errno> {
    if count == 0 {
        return Ok(&mut []);
    }
    check(start, count, Access::Write)?;
    // SAFETY: as in `bytes`, and writable.
    Ok(unsafe { core::slice::from_raw_parts_mut(start as *mut u8, count) })
}

/// Bytes that the kernel overwrites whole, right now: fresh pages are not zeroed first.
///
/// # Errors
/// FAULT, NOMEM.
pub fn bytes_to_fill(start: usize, count: usize) -> Result<&'static mut [u8], Errno> {
    space::touch(start, count, Access::Write, true).map_err(errno)?;
    bytes_mut(start, count)
}

/// Values that may be copied from and to the program: plain data, every bit pattern valid.
pub trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for i32 {}
impl Plain for u64 {}
impl Plain for i64 {}
impl Plain for usize {}
impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Copies a value in.
///
/// # Errors
/// FAULT, NOMEM.
pub fn read<T: Plain>(at: usize) -> Result<T, Errno> {
    check(at, size_of::<T>(), Access::Read)?;
    // SAFETY: mapped, and every bit pattern is a T.
    Ok(unsafe { (at as *const T).read_unaligned() })
}

/// Copies a value out.
///
/// # Errors
/// FAULT, NOMEM.
pub fn write<T: Plain>(at: usize, value: T) -> Result<(), Errno> {
    check(at, size_of::<T>(), Access::Write)?;
    // SAFETY: mapped and writable.
    unsafe { (at as *mut T).write_unaligned(value) };
    Ok(())
}

/// A NUL-terminated text of at most `most` bytes.
///
/// # Errors
/// FAULT, NAMETOOLONG (no NUL in time), INVAL (not UTF-8).
pub fn text(at: usize, most: usize) -> Result<String, Errno> {
    let mut found = Vec::new();
    let mut at = at;
    while at < USER_END {
        let page_end = (at | (PAGE - 1)) + 1;
        let part = bytes(at, page_end - at)?;
        if let Some(end) = part.iter().position(|&byte| byte == 0) {
            found.extend_from_slice(&part[..end]);
            if found.len() > most {
                break;
            }
            return String::from_utf8(found).map_err(|_| Errno::INVAL);
        }
        found.extend_from_slice(part);
        if found.len() > most {
            break;
        }
        at = page_end;
    }
    Err(if at < USER_END {
        Errno::NAMETOOLONG
    } else {
        Errno::FAULT
    })
}
