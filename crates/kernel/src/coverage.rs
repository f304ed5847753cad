//! Coverage of the payload: which of its functions ran, which of its pages were touched.
//!
//! Kernel option `coverage=on`. The function table comes from the payload's link data (`formats::link`).
//!
//! **Functions.** The first byte of every function in executable segments becomes `int3` before the page is seen by the
//! program. The first call traps: the byte is put back through the direct map, the function's bit is set, and the
//! program goes on at that byte. A function costs one trap in its life, and then nothing.
//!
//! - Two CPUs may trap on one function at once. Byte and bit change together under the lock of the address space, so the
//!   second finds the bit set and the byte restored, and just goes on. A CPU that still fetches the old byte traps
//!   and goes on, too; writing one byte is atomic for fetches (Intel manual, volume 3, 9.1.3), and `iret` serialises.
//! - An `int3` that is not ours stays SIGTRAP: elsewhere than at a planted function, or where the function ran already
//!   and the byte is `int3` all the same. A function that starts with an `int3` of its own is not planted.
//! - A page that is read again (cold segments) is planted again, without the functions that ran.
//!
//! **Pages.** The image is mapped in pages of 4 KiB, whose accessed bits are cleared once before the start and never
//! again. The kernel plants through the direct map, which leaves them alone.

use crate::cpu::trap::Frame;
use crate::linux::errno::Errno;
use crate::linux::{Answer, Args};
use crate::loader::{LoadError, cold};
use crate::memory::{PAGE, paging, space, user};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use formats::calls::{self, CoverageInfo};
use formats::elf::Executable;
use formats::link::Functions;
use spin::Once;

const INT3: u8 = 0xCC;

struct Watch {
    functions: Functions,
    /// Build id of the payload that the functions belong to.
    build_id: [u8; calls::BUILD_ID_BYTES],
    /// First byte of each function; [`INT3`] while none was planted.
    originals: Vec<AtomicU8>,
    /// One bit for each function.
    run: Vec<AtomicU64>,
    runs: AtomicU64,
}

/// The payload's image, once it is loaded.
struct Image {
    start: usize,
    end: usize,
    build_id: [u8; calls::BUILD_ID_BYTES],
}

static WATCH: Once<Watch> = Once::new();
static IMAGE: Once<Image> = Once::new();
/// The functions turned out to belong to another payload.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Watches these functions of the payload with this build id: pages are planted as they are filled.
pub fn watch(functions: Functions, build_id: [u8; calls::BUILD_ID_BYTES]) {
    let count = functions.len();
    WATCH.call_once(|| Watch {
        functions,
        build_id,
        originals: (0..count).map(|_| AtomicU8::new(INT3)).collect(),
        run: (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
        runs: AtomicU64::new(0),
    });
}

/// True if functions are watched.
pub fn is_on() -> bool {
    watched().is_some()
}

fn watched() -> Option<&'static Watch> {
    WATCH.get().filter(|_| !REFUSED.load(Ordering::Relaxed))
}

impl Watch {
    fn has_run(&self, index: usize) -> bool {
        self.run[index / 64].load(Ordering::Relaxed) & 1 << (index % 64) != 0
    }

    fn set_run(&self, index: usize) {
        let bit = 1 << (index % 64);
        if self.run[index / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.runs.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Plants the functions that start in a page of code that nobody can execute yet. `bytes` is the page through the
/// direct map, `at` its address for the program.
pub fn plant(at: usize, bytes: &mut [u8]) {
    let Some(watch) = watched() else { return };
    let page = at as u64;
    for index in watch.functions.starting_in(page, page + bytes.len() as u64) {
        let Some((address, _)) = watch.functions.get(index) else {
            continue;
        };
        let byte = &mut bytes[(address - page) as usize];
        if *byte != INT3 && !watch.has_run(index) {
            watch.originals[index].store(*byte, Ordering::Relaxed);
            *byte = INT3;
        }
    }
}

/// The payload is in memory and did not run yet: plants what is there and forgets which pages were touched.
///
/// # Errors
/// [`LoadError::Segment`]: no memory to split a large page.
pub fn start(executable: &Executable) -> Result<(), LoadError> {
    let start = executable
        .segments
        .first()
        .map_or(0, |segment| segment.address as usize)
        & !(PAGE - 1);
    let end = (executable.end() as usize).next_multiple_of(PAGE);
    IMAGE.call_once(|| Image {
        start,
        end,
        build_id: executable.build_id.unwrap_or_default(),
    });
    let Some(watch) = WATCH.get() else {
        return Ok(());
    };
    if executable.build_id != Some(watch.build_id) {
        crate::error!(
            "coverage is off: the link data belongs to another payload (build ids differ)"
        );
        REFUSED.store(true, Ordering::Relaxed);
        return Ok(());
    }
    let mut planted = 0;
    let code = executable.segments.iter();
    for segment in code.filter(|segment| segment.protection.execute) {
        let first = segment.address as usize & !(PAGE - 1);
        for at in (first..segment.end() as usize).step_by(PAGE) {
            space::with_page(at, |bytes| plant(at, bytes));
        }
        planted += watch
            .functions
            .starting_in(segment.address, segment.end())
            .len();
    }
    crate::debug!(
        "coverage: {planted} of {} functions lie in executable segments",
        watch.functions.len()
    );
    space::clear_accessed(start, end).map_err(|_| LoadError::Segment {
        address: start as u64,
        bytes: (end - start) as u64,
        error: Errno::NOMEM,
    })
}

/// Answers a breakpoint of the payload. True if it was one of ours and the program can go on.
pub fn breakpoint(frame: &mut Frame) -> bool {
    let Some(watch) = watched() else {
        return false;
    };
    let at = frame.rip - 1;
    let Some(index) = watch.functions.starting_at(at) else {
        return false;
    };
    let original = watch.originals[index].load(Ordering::Relaxed);
    let ours = space::with_byte(at as usize, |byte| {
        let found = byte.load(Ordering::Relaxed);
        let is_int3 = found == INT3;
        let ours = original != INT3 && !(is_int3 && watch.has_run(index));
        // Also where another CPU has put it back: QEMU may have translated the old byte while that happened, and drops
        // the translation only when the byte is written again. Both CPUs then trapped here for ever.
        if ours && (is_int3 || found == original) {
            byte.store(original, Ordering::Release);
        }
        watch.set_run(index);
        ours
    });
    // A page that is gone by now is for the page fault to answer.
    if ours.unwrap_or(original != INT3) {
        frame.rip = at;
        return true;
    }
    false
}

/// `COVERAGE_INFO`
pub fn info(a: &Args) -> Answer {
    let Some(image) = IMAGE.get() else {
        return Err(Errno::NODATA);
    };
    let mut info = CoverageInfo {
        image_start: image.start as u64,
        build_id: image.build_id,
        ..CoverageInfo::default()
    };
    if let Some(watch) = watched() {
        info.flags |= calls::FLAG_FUNCTIONS | calls::FLAG_PAGES;
        info.functions = watch.functions.len() as u64;
        info.functions_run = watch.runs.load(Ordering::Relaxed);
        info.pages = ((image.end - image.start) / PAGE) as u64;
    }
    cold::add_to(&mut info);
    let bytes = info.encode();
    let out = user::bytes_mut(a.get(0), a.get(1).min(bytes.len()))?;
    out.copy_from_slice(&bytes[..out.len()]);
    Ok(out.len())
}

/// Copies what `byte(index)` gives for `first..first + bytes there`, up to `size`.
fn copy_out(a: &Args, size: usize, byte: impl Fn(usize) -> u8) -> Answer {
    let first = a.get(2).min(size);
    let out = user::bytes_mut(a.get(0), a.get(1).min(size - first))?;
    for (index, out) in out.iter_mut().enumerate() {
        *out = byte(first + index);
    }
    Ok(out.len())
}

/// `COVERAGE_FUNCTIONS`
pub fn functions(a: &Args) -> Answer {
    let watch = watched().ok_or(Errno::NODATA)?;
    copy_out(a, watch.functions.len().div_ceil(8), |index| {
        (watch.run[index / 8].load(Ordering::Relaxed) >> (index % 8 * 8)) as u8
    })
}

/// `COVERAGE_PAGES`
pub fn pages(a: &Args) -> Answer {
    let (Some(image), true) = (IMAGE.get(), is_on()) else {
        return Err(Errno::NODATA);
    };
    let count = (image.end - image.start) / PAGE;
    copy_out(a, count.div_ceil(8), |index| {
        (0..8).fold(0, |byte, bit| {
            let at = image.start + (8 * index + bit) * PAGE;
            let touched = at < image.end
                && paging::translate(at)
                    .is_some_and(|leaf| leaf.flags.contains(paging::Flags::ACCESSED));
            byte | u8::from(touched) << bit
        })
    })
}
