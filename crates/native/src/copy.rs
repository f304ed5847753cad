//! `memcpy`, `memmove`, `memset`, `memcmp`, `bcmp`, `strlen`: generated code calls them.
//!
//! Up to 128 bytes everything is loaded before anything is stored, so short copies need not ask whether they overlap;
//! longer ones go in steps of 64 bytes, with the first or last 64 overlapping the rest. No loop over single bytes, and
//! no string instructions: an emulated processor takes those byte by byte. The compiler must not find these functions'
//! own loops to be copies: `engine::export` compiles them with `no-builtins`.

use core::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8, _mm_storeu_si128,
};

#[inline(always)]
unsafe fn load(at: *const u8) -> __m128i {
    // SAFETY: the caller's: 16 readable bytes.
    unsafe { _mm_loadu_si128(at.cast()) }
}

#[inline(always)]
unsafe fn store(at: *mut u8, value: __m128i) {
    // SAFETY: the caller's: 16 writable bytes.
    unsafe { _mm_storeu_si128(at.cast(), value) }
}

/// Copies at most 16 bytes.
#[inline(always)]
unsafe fn copy_tiny(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's; every access lies within the first or last bytes of both.
    unsafe {
        if len >= 8 {
            let (a, b) = (
                from.cast::<u64>().read_unaligned(),
                from.add(len - 8).cast::<u64>().read_unaligned(),
            );
            to.cast::<u64>().write_unaligned(a);
            to.add(len - 8).cast::<u64>().write_unaligned(b);
        } else if len >= 4 {
            let (a, b) = (
                from.cast::<u32>().read_unaligned(),
                from.add(len - 4).cast::<u32>().read_unaligned(),
            );
            to.cast::<u32>().write_unaligned(a);
            to.add(len - 4).cast::<u32>().write_unaligned(b);
        } else if len > 0 {
            let (a, b, c) = (
                from.read(),
                from.add(len / 2).read(),
                from.add(len - 1).read(),
            );
            to.write(a);
            to.add(len / 2).write(b);
            to.add(len - 1).write(c);
        }
    }
}

#[inline(always)]
unsafe fn load64(from: *const u8) -> [__m128i; 4] {
    // SAFETY: the caller's: 64 readable bytes.
    unsafe {
        [
            load(from),
            load(from.add(16)),
            load(from.add(32)),
            load(from.add(48)),
        ]
    }
}

#[inline(always)]
unsafe fn store64(to: *mut u8, v: [__m128i; 4]) {
    // SAFETY: the caller's: 64 writable bytes.
    unsafe {
        store(to, v[0]);
        store(to.add(16), v[1]);
        store(to.add(32), v[2]);
        store(to.add(48), v[3]);
    }
}

/// Copies 17 to 128 bytes, overlapping or not.
#[inline(always)]
unsafe fn copy_short(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's; all is loaded before anything is stored.
    unsafe {
        if len <= 32 {
            let (a, b) = (load(from), load(from.add(len - 16)));
            store(to, a);
            store(to.add(len - 16), b);
        } else if len <= 64 {
            let (a, b) = (load(from), load(from.add(16)));
            let (c, d) = (load(from.add(len - 32)), load(from.add(len - 16)));
            store(to, a);
            store(to.add(16), b);
            store(to.add(len - 32), c);
            store(to.add(len - 16), d);
        } else {
            let (a, b) = (load64(from), load64(from.add(len - 64)));
            store64(to, a);
            store64(to.add(len - 64), b);
        }
    }
}

/// Copies `len` bytes; the two ranges may overlap.
///
/// # Safety
/// `from` points to so many readable, `to` to so many writable bytes.
#[inline(always)]
pub unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's. Forward, a step stores below what the following ones load, for `to` is not inside the rest
    // of `from`; backward the other way round. First and last 64 bytes are loaded before anything is stored.
    unsafe {
        if len <= 16 {
            return copy_tiny(to, from, len);
        }
        if len <= 128 {
            return copy_short(to, from, len);
        }
        let (first, last) = (load64(from), load64(from.add(len - 64)));
        if (to as usize).wrapping_sub(from as usize) >= len {
            // Stores at multiples of 16.
            let mut done = 64 - (to as usize & 15);
            // The first store must not overtake the next load where the ranges overlap.
            let mut next = load64(from.add(done));
            store64(to, first);
            while done + 128 < len {
                let this = next;
                next = load64(from.add(done + 64));
                store64(to.add(done), this);
                done += 64;
            }
            if done + 64 < len {
                store64(to.add(done), next);
            }
            store64(to.add(len - 64), last);
        } else {
            let mut left = len - 64;
            while left > 64 {
                let this = load64(from.add(left - 64));
                if left == len - 64 {
                    store64(to.add(len - 64), last);
                }
                store64(to.add(left - 64), this);
                left -= 64;
            }
            store64(to, first);
        }
    }
}

/// Sets `len` bytes.
///
/// # Safety
/// `to` points to so many writable bytes.
#[inline(always)]
pub unsafe fn set(to: *mut u8, byte: u8, len: usize) {
    let word = u64::from(byte).wrapping_mul(0x0101_0101_0101_0101);
    // SAFETY: the caller's; SSE2 is part of x86-64. Every store lies within the first or last bytes.
    unsafe {
        let v = _mm_set1_epi8(byte as i8);
        if len >= 64 {
            let mut done = 0;
            while done + 64 <= len {
                store64(to.add(done), [v; 4]);
                done += 64;
            }
            store64(to.add(len - 64), [v; 4]);
        } else if len >= 16 {
            store(to, v);
            store(to.add(len - 16), v);
            if len > 32 {
                store(to.add(16), v);
                store(to.add(len - 32), v);
            }
        } else if len >= 8 {
            to.cast::<u64>().write_unaligned(word);
            to.add(len - 8).cast::<u64>().write_unaligned(word);
        } else if len >= 4 {
            to.cast::<u32>().write_unaligned(word as u32);
            to.add(len - 4).cast::<u32>().write_unaligned(word as u32);
        } else if len > 0 {
            to.write(byte);
            to.add(len / 2).write(byte);
            to.add(len - 1).write(byte);
        }
    }
}

/// Compares as `memcmp` does.
///
/// # Safety
/// Both point to `len` readable bytes.
#[inline(always)]
pub unsafe fn compare(a: *const u8, b: *const u8, len: usize) -> i32 {
    let mut at = 0;
    // SAFETY: the caller's; steps of 16 stay below `len`, and so does the byte of the first difference.
    unsafe {
        while at + 16 <= len {
            let equal = _mm_movemask_epi8(_mm_cmpeq_epi8(load(a.add(at)), load(b.add(at))));
            let unequal = !equal as u32 & 0xFFFF;
            if unequal != 0 {
                at += unequal.trailing_zeros() as usize;
                return i32::from(a.add(at).read()) - i32::from(b.add(at).read());
            }
            at += 16;
        }
        while at < len {
            let difference = i32::from(a.add(at).read()) - i32::from(b.add(at).read());
            if difference != 0 {
                return difference;
            }
            at += 1;
        }
    }
    0
}

/// The symbols. Their names are the C library's.
#[cfg(feature = "freestanding")]
mod symbols {
    use super::{compare, copy, set};

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        // SAFETY: the contract of the C function.
        unsafe { copy(to, from, len) };
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { copy(to, from, len) };
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { set(to, byte as u8, len) };
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        // SAFETY: as above.
        unsafe { compare(a, b, len) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        // SAFETY: as above.
        unsafe { compare(a, b, len) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn strlen(text: *const u8) -> usize {
        let mut len = 0;
        // SAFETY: as above: a string ends with a zero.
        while unsafe { text.add(len).read() } != 0 {
            len += 1;
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes() -> impl Iterator<Item = usize> {
        (0..=400).chain([511, 512, 513, 1000, 4096, 5001])
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    #[test]
    fn copies_are_exact_and_touch_nothing_else() {
        for len in sizes() {
            for offset in [0, 1, 7, 15] {
                let from = pattern(len);
                let mut to = vec![0xEE; len + 32];
                // SAFETY: both ranges lie in their vectors.
                unsafe { copy(to.as_mut_ptr().add(offset), from.as_ptr(), len) };
                assert_eq!(&to[offset..offset + len], from, "{len}");
                assert!(
                    to[..offset]
                        .iter()
                        .chain(&to[offset + len..])
                        .all(|b| *b == 0xEE)
                );
            }
        }
    }

    #[test]
    fn overlapping_moves_are_exact() {
        for len in sizes() {
            for shift in [1, 3, 8, 15, 16, 17, 31, 63, 64, 65, 127, 200] {
                let original = pattern(len + 200);
                for (from, to) in [(0, shift), (shift, 0)] {
                    let mut bytes = original.clone();
                    let mut expected = original.clone();
                    expected.copy_within(from..from + len, to);
                    let base = bytes.as_mut_ptr();
                    // SAFETY: both ranges lie in the vector.
                    unsafe { copy(base.add(to), base.add(from), len) };
                    assert_eq!(bytes, expected, "{len} {from} {to}");
                }
            }
        }
    }

    #[test]
    fn sets_are_exact() {
        for len in sizes() {
            let mut bytes = vec![1; len + 9];
            // SAFETY: the range lies in the vector.
            unsafe { set(bytes.as_mut_ptr().add(4), 0xA5, len) };
            assert!(bytes[4..4 + len].iter().all(|b| *b == 0xA5), "{len}");
            assert!(bytes[..4].iter().chain(&bytes[4 + len..]).all(|b| *b == 1));
        }
    }

    #[test]
    fn comparisons_order_as_bytes() {
        for len in 1..100 {
            let a = pattern(len);
            for at in 0..len {
                let mut b = a.clone();
                b[at] = b[at].wrapping_add(1);
                // SAFETY: both have `len` bytes.
                let found = unsafe { compare(a.as_ptr(), b.as_ptr(), len) };
                assert_eq!(found.signum(), a.cmp(&b) as i32);
            }
            // SAFETY: as above.
            assert_eq!(unsafe { compare(a.as_ptr(), a.clone().as_ptr(), len) }, 0);
        }
    }
}
