//! Names of the kernel's functions, for backtraces.
//!
//! The linker reserves the section `.ksyms`; `xtask`'s `ksyms::embed` fills it after the link. Layout, little endian:
//!
//! 1. `0..8`: magic "BFKSYMS1"
//! 2. `8..12`: number of functions n; `12..16`: bytes of names m
//! 3. n entries of 12 bytes, ascending: offset of the function from the kernel's base `u32`, its size in bytes `u32`,
//!    offset of its name `u32`
//! 4. m bytes of names (mangled, UTF-8), each ended by NUL
//!
//! An image that was not filled has zeroes there, and backtraces show addresses only.

use crate::memory::IMAGE_BASE;
use core::ptr::addr_of;
#[cfg(feature = "symbols")]
use rustc_demangle::demangle;

/// Bytes reserved; a kernel without the feature `symbols` has none.
pub const RESERVED: usize = if cfg!(feature = "symbols") {
    160 << 10
} else {
    0
};

#[repr(C, align(16))]
struct Section([u8; RESERVED]);

#[used]
#[unsafe(link_section = ".ksyms")]
static SECTION: Section = Section([0; RESERVED]);

fn bytes() -> &'static [u8] {
    let start = addr_of!(SECTION).cast::<u8>();
    // SAFETY: a static of this size. Read through a volatile look at its first byte, so that the compiler does not
    // take the zeroes it compiled for the contents: `core::hint::black_box` hides the origin of the pointer.
    unsafe { core::slice::from_raw_parts(core::hint::black_box(start), RESERVED) }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at + 4)?
        .try_into()
        .ok()
        .map(u32::from_le_bytes)
}

/// A mangled name for people.
pub fn readable(name: &str) -> impl core::fmt::Display + '_ {
    #[cfg(feature = "symbols")]
    return demangle(name);
    #[cfg(not(feature = "symbols"))]
    name
}

/// Function at an address of the kernel: its mangled name and the offset into it.
pub fn find(address: usize) -> Option<(&'static str, usize)> {
    let table = bytes();
    if table.get(..8)? != b"BFKSYMS1" {
        return None;
    }
    let (count, offset) = (u32_at(table, 8)? as usize, address.checked_sub(IMAGE_BASE)?);
    let entry = |index: usize, field: usize| u32_at(table, 16 + index * 12 + field * 4);
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        if entry(middle, 0)? as usize <= offset {
            low = middle + 1
        } else {
            high = middle
        }
    }
    let index = low.checked_sub(1)?;
    let inside = offset - entry(index, 0)? as usize;
    if inside >= entry(index, 1)? as usize {
        return None;
    }
    let names = table
        .get(16 + count * 12..)?
        .get(entry(index, 2)? as usize..)?;
    let end = names.iter().position(|&byte| byte == 0)?;
    Some((core::str::from_utf8(&names[..end]).ok()?, inside))
}
