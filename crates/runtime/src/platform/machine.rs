//! What the kernel of the bare machine measured of this program: coverage, cold pages.
//!
//! The calls are those of `formats::calls`. A Linux kernel has nothing to tell: hosted, everything here is `None`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use formats::calls::{self, COVERAGE_INFO_BYTES, CoverageInfo};

/// Which functions of the runtime ran and which pages of its image were touched since the boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// GNU build id of the running image.
    pub build_id: [u8; calls::BUILD_ID_BYTES],
    /// Number of functions in the image's function table (`formats::link`).
    pub function_count: usize,
    /// Bit `i % 8` of byte `i / 8`: function `i` ran.
    pub functions: Vec<u8>,
    /// Address of the first page of the image.
    pub image_start: u64,
    /// Number of pages of 4 KiB from there on.
    pub page_count: usize,
    /// Bit `i % 8` of byte `i / 8`: page `i` was touched.
    pub pages: Vec<u8>,
}

/// Ones in a bitmap.
pub fn count(bits: &[u8]) -> usize {
    bits.iter().map(|byte| byte.count_ones() as usize).sum()
}

/// Pages of cold segments that had to be read since the boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColdMisses {
    /// How often a page had to be read.
    pub misses: u64,
    /// Addresses of the pages, each once, in the order of their first use.
    pub pages: Vec<u64>,
    /// Time spent on reading.
    pub time: Duration,
}

/// Makes a private call with a buffer; gives the bytes written. `None`: this kernel does not know it, or did not measure.
fn call(number: u64, buffer: &mut [u8], first: usize) -> Option<usize> {
    if !super::is_machine() {
        return None;
    }
    let (at, bytes) = (buffer.as_mut_ptr(), buffer.len());
    // SAFETY: all private calls used here write at most `bytes` bytes at `at`, which is ours alone, and nothing else.
    let written = unsafe { libc::syscall(number as libc::c_long, at, bytes, first) };
    usize::try_from(written)
        .ok()
        .filter(|&written| written <= bytes)
}

/// The program proved itself: the boot slot it was started from is no longer on trial. Costs nothing after the first time.
pub fn proved() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if !DONE.load(Ordering::Relaxed) && !DONE.swap(true, Ordering::Relaxed) {
        // A machine without slots, or with a disk that cannot be written: nothing to be done about it here.
        let _ = call(calls::SLOT_SUCCESS, &mut [], 0);
    }
}

fn info() -> Option<CoverageInfo> {
    let mut bytes = [0; COVERAGE_INFO_BYTES];
    let written = call(calls::COVERAGE_INFO, &mut bytes, 0)?;
    (written == bytes.len()).then(|| CoverageInfo::decode(&bytes))
}

/// Reads a bitmap of `bits` bits.
fn bitmap(number: u64, bits: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(bits).ok()?.div_ceil(8)];
    let written = call(number, &mut bytes, 0)?;
    (written == bytes.len()).then_some(bytes)
}

/// What ran until now. `None` hosted, and where the kernel was not booted with `coverage=on`.
pub fn coverage() -> Option<Coverage> {
    let info = info()?;
    if info.flags & (calls::FLAG_FUNCTIONS | calls::FLAG_PAGES)
        != calls::FLAG_FUNCTIONS | calls::FLAG_PAGES
    {
        return None;
    }
    Some(Coverage {
        build_id: info.build_id,
        function_count: info.functions as usize,
        functions: bitmap(calls::COVERAGE_FUNCTIONS, info.functions)?,
        image_start: info.image_start,
        page_count: info.pages as usize,
        pages: bitmap(calls::COVERAGE_PAGES, info.pages)?,
    })
}

/// Which functions of the running image ran until now, with what was measured. `None` hosted, and without `coverage=on`.
pub fn functions_run() -> Option<(CoverageInfo, Vec<u8>)> {
    let info = info()?;
    if info.flags & calls::FLAG_FUNCTIONS == 0 {
        return None;
    }
    let functions = bitmap(calls::COVERAGE_FUNCTIONS, info.functions)?;
    Some((info, functions))
}

/// Number of the boot slot that was started. `None` hosted, and on a machine without slots.
pub fn current_slot() -> Option<usize> {
    if !super::is_machine() {
        return None;
    }
    // SAFETY: the call takes nothing and writes nothing.
    usize::try_from(unsafe { libc::syscall(calls::SLOT_CURRENT as libc::c_long) }).ok()
}

/// Which cold pages were missed until now. `None` hosted, and where the image has no cold segments.
pub fn cold_misses() -> Option<ColdMisses> {
    let info = info()?;
    if info.flags & calls::FLAG_COLD == 0 {
        return None;
    }
    // Reading the list may itself miss pages; those are for the next time.
    let mut bytes = vec![0; 8 * usize::try_from(info.cold_pages).ok()?];
    let written = call(calls::COLD_MISSES, &mut bytes, 0)?;
    let (words, _) = bytes[..written].as_chunks();
    Some(ColdMisses {
        misses: info.cold_misses,
        pages: words.iter().map(|word| u64::from_le_bytes(*word)).collect(),
        time: Duration::from_nanos(info.cold_ns),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_measures_nothing() {
        assert_eq!(coverage(), None);
        assert_eq!(cold_misses(), None);
    }

    #[test]
    fn linux_does_not_know_the_private_calls() {
        let mut bytes = [0u8; COVERAGE_INFO_BYTES];
        // SAFETY: the number is no system call of Linux, which then touches no memory; on the machine it writes there.
        let answer =
            unsafe { libc::syscall(calls::COVERAGE_INFO as i64, bytes.as_mut_ptr(), bytes.len()) };
        assert_eq!(answer, -1);
        assert_eq!(
            std::io::Error::last_os_error().raw_os_error(),
            Some(libc::ENOSYS)
        );
    }
}
