//! Private calls of the kernel: numbers and layouts beyond those of Linux.
//!
//! A payload makes them like any system call: number in rax, arguments in rdi, rsi, rdx, r10, r8, r9, result in rax,
//! `-errno` when it failed. Linux knows none of these numbers and answers ENOSYS (38): so a program that runs on
//! both asks, and finds out where it is.
//!
//! | number | name | arguments | result |
//! |---|---|---|---|
//! | `0xBF00` | [`COVERAGE_INFO`] | `*mut CoverageInfo`, bytes there | bytes written: at most [`COVERAGE_INFO_BYTES`] |
//! | `0xBF01` | [`COVERAGE_FUNCTIONS`] | `*mut u8`, bytes there, first byte | bytes written of the bitmap of functions |
//! | `0xBF02` | [`COVERAGE_PAGES`] | `*mut u8`, bytes there, first byte | bytes written of the bitmap of pages |
//! | `0xBF03` | [`COLD_MISSES`] | `*mut u64`, bytes there, first entry | bytes written: addresses of cold pages that were missed |
//! | `0xBF10` | [`SLOT_SUCCESS`] | | 0: the boot slot is no longer on trial (also if it was not); EIO: not written |
//! | `0xBF11` | [`SLOT_CURRENT`] | | number of the boot slot that was started; ENOENT: the machine has no slots |
//!
//! Bitmaps: bit `i % 8` of byte `i / 8`. Function `i` is number `i` of the function table (`formats::link`); page `i`
//! starts at `image_start + 4096 * i`. A first byte or entry behind the end gives 0 bytes. Errors: EFAULT (the buffer
//! is not writable), EINVAL (`COLD_MISSES`: length not a multiple of 8), ENODATA (61: coverage is off).
//! Numbers up to [`LAST`] that are not named here are kept for the project.

/// First private number.
pub const FIRST: u64 = 0xBF00;
/// Last private number.
pub const LAST: u64 = 0xBFFF;
/// What was measured: [`CoverageInfo`]. Works also when coverage is off.
pub const COVERAGE_INFO: u64 = 0xBF00;
/// Bitmap of functions that ran.
pub const COVERAGE_FUNCTIONS: u64 = 0xBF01;
/// Bitmap of pages of the payload's image that were touched.
pub const COVERAGE_PAGES: u64 = 0xBF02;
/// Cold pages that had to be read, in order of their first use.
pub const COLD_MISSES: u64 = 0xBF03;

/// The program proved itself: the boot slot it was started from is no longer on trial. Writes the slot table once.
pub const SLOT_SUCCESS: u64 = 0xBF10;
/// Number of the boot slot that was started.
pub const SLOT_CURRENT: u64 = 0xBF11;

/// Largest build id that is kept, in bytes: the linker's SHA-1.
pub const BUILD_ID_BYTES: usize = 20;
/// Size of [`CoverageInfo`] in memory.
pub const COVERAGE_INFO_BYTES: usize = 88;

/// Functions were watched ([`CoverageInfo::flags`]).
pub const FLAG_FUNCTIONS: u64 = 1;
/// Pages were watched.
pub const FLAG_PAGES: u64 = 2;
/// The image has cold segments.
pub const FLAG_COLD: u64 = 4;

/// What [`COVERAGE_INFO`] tells.
///
/// In memory, little endian: `u64` each in the order of the fields here, then the build id (20 bytes, zero where it is
/// shorter), then 4 zero bytes. 88 bytes in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoverageInfo {
    /// [`FLAG_FUNCTIONS`], [`FLAG_PAGES`], [`FLAG_COLD`].
    pub flags: u64,
    /// Functions of the table: bits of the first bitmap.
    pub functions: u64,
    /// How many of them ran.
    pub functions_run: u64,
    /// Address of the first page of the payload's image.
    pub image_start: u64,
    /// Pages from there on: bits of the second bitmap.
    pub pages: u64,
    /// Times that a page of a cold segment had to be read.
    pub cold_misses: u64,
    /// Pages among them, each counted once: entries of [`COLD_MISSES`].
    pub cold_pages: u64,
    /// Nanoseconds spent on reading cold pages.
    pub cold_ns: u64,
    /// GNU build id of the payload, zeroes if it has none.
    pub build_id: [u8; BUILD_ID_BYTES],
}

impl CoverageInfo {
    /// As it lies in memory.
    pub fn encode(&self) -> [u8; COVERAGE_INFO_BYTES] {
        let mut bytes = [0; COVERAGE_INFO_BYTES];
        let words = [
            self.flags,
            self.functions,
            self.functions_run,
            self.image_start,
            self.pages,
            self.cold_misses,
            self.cold_pages,
            self.cold_ns,
        ];
        for (out, word) in bytes.chunks_exact_mut(8).zip(words) {
            out.copy_from_slice(&word.to_le_bytes());
        }
        bytes[64..64 + BUILD_ID_BYTES].copy_from_slice(&self.build_id);
        bytes
    }

    /// From memory.
    pub fn decode(bytes: &[u8; COVERAGE_INFO_BYTES]) -> Self {
        let word = |index: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[8 * index..8 * index + 8]);
            u64::from_le_bytes(word)
        };
        let mut build_id = [0; BUILD_ID_BYTES];
        build_id.copy_from_slice(&bytes[64..64 + BUILD_ID_BYTES]);
        Self {
            flags: word(0),
            functions: word(1),
            functions_run: word(2),
            image_start: word(3),
            pages: word(4),
            cold_misses: word(5),
            cold_pages: word(6),
            cold_ns: word(7),
            build_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut info = CoverageInfo {
            flags: FLAG_FUNCTIONS | FLAG_PAGES,
            functions: 65_600,
            functions_run: 13_500,
            image_start: 0x1000_0000,
            pages: 11_000,
            cold_misses: 3,
            cold_pages: 2,
            cold_ns: u64::MAX,
            build_id: [7; BUILD_ID_BYTES],
        };
        info.build_id[19] = 0xFE;
        assert_eq!(CoverageInfo::decode(&info.encode()), info);
        assert_eq!(info.encode()[..8], 3u64.to_le_bytes());
        assert_eq!(info.encode()[8..12], 65_600u32.to_le_bytes());
    }

    #[test]
    fn numbers_are_private_and_differ() {
        let mut numbers = [
            COVERAGE_INFO,
            COVERAGE_FUNCTIONS,
            COVERAGE_PAGES,
            COLD_MISSES,
            SLOT_SUCCESS,
            SLOT_CURRENT,
        ];
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(numbers.iter().all(|n| (FIRST..=LAST).contains(n)));
    }
}
