//! Regions that the guest marks by name: from the name to the region's number, in a few cycles.
//!
//! A program gives the same constants again and again. So each thread keeps, by their addresses, the names it saw last, and
//! compares what is there by words: the text at an address may be another one now.
//!
//! SAFETY of this file: names are strings with a NUL at their end, by the header.

use engine::profile::regions::{self, RegionId};
use std::cell::Cell;
use std::ffi::{CStr, c_char};

/// Bytes that are mapped if one of them is.
const PAGE: usize = 4096;
/// Bytes of a name that is compared by words, its NUL included; longer ones are compared in the ordinary way.
const SHORT: usize = 32;
/// Words of such a name.
const WORDS: usize = SHORT / 8;
/// Names kept; a power of two.
const KEPT: usize = 32;

/// A name that was seen.
#[derive(Clone, Copy)]
struct Known {
    /// Where it lay.
    at: usize,
    region: RegionId,
    /// Its bytes with the NUL, as words, and which bits of these count; none if it is too long.
    words: [u64; WORDS],
    masks: [u64; WORDS],
}

thread_local! {
    static KNOWN: [Cell<Option<Known>>; KEPT] = const { [const { Cell::new(None) }; KEPT] };
}

/// Whether the name is still what it was.
///
/// # Safety
/// As said at the head of the file; `known` lay at this address.
#[inline(always)]
unsafe fn is(name: *const c_char, known: &Known) -> bool {
    if known.masks[0] == 0 || name.addr() % PAGE > PAGE - SHORT {
        // SAFETY: as the caller promised.
        return unsafe { is_long(name, known.region) };
    }
    // SAFETY: the page of the first byte, which is mapped, holds all of them; they are no more than compared.
    let words = unsafe { name.cast::<[u64; WORDS]>().read_unaligned() };
    let differ = |i: usize| (words[i] ^ known.words[i]) & known.masks[i];
    (0..WORDS).fold(0, |all, i| all | differ(i)) == 0
}

/// Whether it is the name of that region, compared in the ordinary way.
///
/// # Safety
/// As said at the head of the file.
#[cold]
#[inline(never)]
unsafe fn is_long(name: *const c_char, region: RegionId) -> bool {
    // SAFETY: as the caller promised.
    let text = unsafe { CStr::from_ptr(name) };
    text.to_str() == Ok(regions::name(region))
}

/// The number of a name that this thread did not see lately at this address.
///
/// # Safety
/// As said at the head of the file.
#[cold]
#[inline(never)]
unsafe fn learn(name: *const c_char) -> Option<RegionId> {
    let text = match name.is_null() {
        true => c"",
        // SAFETY: as the caller promised.
        false => unsafe { CStr::from_ptr(name) },
    };
    let region = regions::register(text.to_str().unwrap_or(""))?;
    if name.is_null() || text.to_str().is_err() {
        return Some(region);
    }
    let bytes = text.to_bytes_with_nul();
    let (mut word, mut mask) = ([0; SHORT], [0; SHORT]);
    if let (Some(word), Some(mask)) = (word.get_mut(..bytes.len()), mask.get_mut(..bytes.len())) {
        word.copy_from_slice(bytes);
        mask.fill(0xFF);
    }
    let words = |bytes: [u8; SHORT]| {
        std::array::from_fn(|i| {
            let word = bytes[8 * i..][..8].iter().rev();
            word.fold(0, |n, b| n << 8 | u64::from(*b))
        })
    };
    let known = Known {
        at: name.addr(),
        region,
        words: words(word),
        masks: words(mask),
    };
    KNOWN.with(|all| all[place(name)].set(Some(known)));
    Some(region)
}

/// Where a name is kept.
#[inline(always)]
fn place(name: *const c_char) -> usize {
    (name.addr() ^ name.addr() >> 5) % KEPT
}

/// The region of a name; `None` if there are too many.
///
/// # Safety
/// As said at the head of the file.
#[inline(always)]
pub unsafe fn of(name: *const c_char) -> Option<RegionId> {
    let known = KNOWN.with(|all| all[place(name)].get());
    match known {
        // SAFETY: as the caller promised; what is kept is of no null pointer.
        Some(known) if known.at == name.addr() && unsafe { is(name, &known) } => Some(known.region),
        // SAFETY: as the caller promised.
        _ => unsafe { learn(name) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_wherever_they_lie() {
        // Long and short ones, on both sides of the border, and behind each other at one address.
        let texts = [
            "",
            "a",
            "ab",
            "seven77",
            "eight888",
            "fifteen-letters",
            "sixteen--letters",
            "thirty-one letters, no more one",
            "thirty-one letters, no less two",
            "thirty-two letters are just over",
            "much longer than what is compared by words",
        ];
        let mut page = vec![0_u8; 3 * PAGE];
        let start = page.as_ptr().align_offset(PAGE);
        for at in [
            start,
            start + 1,
            start + PAGE - 40,
            start + PAGE - 33,
            start + PAGE - 9,
        ] {
            for _ in 0..3 {
                for text in texts {
                    page[at..at + text.len()].copy_from_slice(text.as_bytes());
                    page[at + text.len()] = 0;
                    // What lies behind the NUL is not part of it.
                    page[at + text.len() + 1] = page[at + text.len() + 1].wrapping_add(1);
                    // SAFETY: the text with its NUL.
                    let region = unsafe { of(page[at..].as_ptr().cast()) };
                    assert_eq!(region.map(regions::name), Some(text));
                }
            }
        }
        // SAFETY: allowed.
        assert_eq!(unsafe { of(std::ptr::null()) }.map(regions::name), Some(""));
    }
}
