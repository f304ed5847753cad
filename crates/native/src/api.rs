//! The guest interface: `bf_*`, as ARCHITECTURE.md ("Guest interface") says and the runtime does it.
//!
//! Pointers come from the guest and are trusted as a program's own: a wrong one is the guest's fault and ends in the
//! fault handler.

use crate::gate::{self, errno};
use crate::output::{Stderr, write_all};
use crate::pool::{Pool, Work};
use crate::{clock, files, heap, interrupt};
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes read from the console at once.
const CHUNK: usize = 1024;

/// What the guest's calls work on; set before it starts.
pub struct Host {
    /// Arguments of the program.
    pub args: &'static [&'static [u8]],
    /// Folder that is the volume; none: paths are Linux's.
    pub root: Option<&'static [u8]>,
    /// Answer of `bf_cpu_count`.
    pub threads: u32,
}

struct HostCell(UnsafeCell<Host>);
// SAFETY: written once by `install`, before there is a second thread; read only after.
unsafe impl Sync for HostCell {}

static HOST: HostCell = HostCell(UnsafeCell::new(Host {
    args: &[],
    root: None,
    threads: 1,
}));
static POOL: Pool = Pool::new();

/// Sets up what the guest sees.
///
/// # Safety
/// No other thread runs, and no function of this file ran before.
pub unsafe fn install(host: Host) {
    // SAFETY: as the caller promised.
    unsafe { *HOST.0.get() = host };
}

fn host() -> &'static Host {
    // SAFETY: nobody writes any more.
    unsafe { &*HOST.0.get() }
}

/// The guest's bytes as a slice.
///
/// # Safety
/// `ptr` points to `len` readable bytes that nobody writes during the call, or `len` is 0.
unsafe fn bytes<'a>(ptr: *const u8, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: as the caller promised.
    unsafe { core::slice::from_raw_parts(ptr, len) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_console_write(ptr: *const u8, len: usize) {
    // SAFETY: the guest's contract.
    let written = write_all(1, unsafe { bytes(ptr, len) });
    if written == Err(errno::EPIPE) {
        // Nobody listens any more: what a filter in a pipeline does then.
        gate::exit(0);
    }
    if len != 0 && written.is_ok() && !PROVED.load(Ordering::Relaxed) {
        PROVED.store(true, Ordering::Relaxed);
        gate::slot_success();
    }
}

/// The program has written something: what it was started from works. Said to the kernel once, or twice by two threads.
static PROVED: AtomicBool = AtomicBool::new(false);

/// Bytes read from the console and not yet given to the guest: `buffer[start..end]`.
struct Input {
    busy: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
    ended: AtomicBool,
    buffer: UnsafeCell<[u8; CHUNK]>,
}

// SAFETY: `buffer` is touched only by the thread that took `busy`.
unsafe impl Sync for Input {}

static INPUT: Input = Input {
    busy: AtomicBool::new(false),
    start: AtomicUsize::new(0),
    end: AtomicUsize::new(0),
    ended: AtomicBool::new(false),
    buffer: UnsafeCell::new([0; CHUNK]),
};

/// One line without its newline; the part that does not fit is given at the next call. -1 at the end of input, and when
/// Ctrl-C ended the wait (`bf_interrupted` tells).
#[unsafe(no_mangle)]
unsafe extern "C" fn bf_console_read(ptr: *mut u8, cap: usize) -> isize {
    while INPUT.busy.swap(true, Ordering::Acquire) {
        gate::yield_now();
    }
    // SAFETY: `busy` is ours; the guest gave `cap` writable bytes.
    let taken = unsafe { read_line(&mut *INPUT.buffer.get(), ptr, cap) };
    INPUT.busy.store(false, Ordering::Release);
    taken
}

/// # Safety
/// `ptr` points to `cap` writable bytes.
unsafe fn read_line(buffer: &mut [u8; CHUNK], ptr: *mut u8, cap: usize) -> isize {
    let mut taken = 0;
    loop {
        let (mut start, end) = (
            INPUT.start.load(Ordering::Relaxed),
            INPUT.end.load(Ordering::Relaxed),
        );
        while start < end {
            let byte = buffer[start % CHUNK];
            if byte != b'\n' && taken == cap {
                break;
            }
            start += 1;
            match byte {
                b'\n' => {
                    INPUT.start.store(start, Ordering::Relaxed);
                    return taken as isize;
                }
                b'\r' => {}
                byte => {
                    // SAFETY: `taken < cap`, as the caller promised.
                    unsafe { ptr.add(taken).write(byte) };
                    taken += 1;
                }
            }
        }
        INPUT.start.store(start, Ordering::Relaxed);
        if taken == cap {
            return taken as isize;
        }
        if INPUT.ended.load(Ordering::Relaxed) {
            return if taken > 0 { taken as isize } else { -1 };
        }
        INPUT.start.store(0, Ordering::Relaxed);
        INPUT.end.store(0, Ordering::Relaxed);
        match gate::read(0, buffer) {
            Ok(n) if n > 0 => INPUT.end.store(n.min(CHUNK), Ordering::Relaxed),
            Err(errno::EINTR) if !interrupt::is_pending() => {}
            Err(errno::EINTR) => return -1,
            _ => INPUT.ended.store(true, Ordering::Relaxed),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_alloc(size: usize, align: usize) -> *mut u8 {
    heap::allocate(size, align)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_free(ptr: *mut u8, size: usize, align: usize) {
    // SAFETY: the guest's contract: a block of `bf_alloc` with the same size and alignment.
    unsafe { heap::free(ptr, size, align) }
}

/// A result as the guest sees it: the value, or a negated error number.
fn answer(result: Result<u64, i32>) -> i64 {
    match result {
        Ok(value) => i64::try_from(value).unwrap_or(i64::MAX),
        Err(error) => -i64::from(error),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_open(path: *const u8, len: usize) -> i64 {
    // SAFETY: the guest's contract.
    let path = unsafe { bytes(path, len) };
    answer(files::open(host().root, path).map(|h| h as u64))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_size(handle: i64) -> i64 {
    answer(files::size(handle))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_read(handle: i64, offset: u64, ptr: *mut u8, len: usize) -> i64 {
    if len == 0 {
        return 0;
    }
    // SAFETY: the guest gave `len` writable bytes that are its alone during the call.
    answer(unsafe { files::read_at(handle, offset, ptr, len) }.map(|n| n as u64))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_close(handle: i64) -> i64 {
    answer(files::close(handle).map(|()| 0))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_arg_count() -> usize {
    host().args.len()
}

/// Null for an index that is none.
#[unsafe(no_mangle)]
unsafe extern "C" fn bf_arg(index: usize, len: *mut usize) -> *const u8 {
    let arg = host().args.get(index);
    if !len.is_null() {
        // SAFETY: the guest gave a valid place for the length.
        unsafe { len.write(arg.map_or(0, |a| a.len())) };
    }
    arg.map_or(core::ptr::null(), |a| a.as_ptr())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_time_ns() -> u64 {
    clock::monotonic_ns()
}

/// Different at each call; not for secrets.
#[unsafe(no_mangle)]
unsafe extern "C" fn bf_random_seed() -> u64 {
    clock::seed()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_cpu_count() -> u32 {
    host().threads
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_parallel(n: u32, work: Work, ctx: *mut c_void) {
    // SAFETY: the guest's contract: its function may run on `n` threads at once.
    if let Err(index) = unsafe { POOL.run(n, work, ctx) } {
        let mut out = Stderr::new();
        let _ = writeln!(
            out,
            "error: cannot start thread {index} of the program: no memory for its stack; give the machine more, or \
             fewer threads (--threads)"
        );
        out.flush();
        gate::exit(crate::EXIT_REFUSED);
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_interrupted() -> i32 {
    interrupt::take().into()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_exit(code: i32) -> ! {
    gate::exit(code)
}

/// Regions of the profiler: an exported program measures nothing.
#[unsafe(no_mangle)]
unsafe extern "C" fn profile_begin(_name: *const u8) {}

/// See [`profile_begin`].
#[unsafe(no_mangle)]
unsafe extern "C" fn profile_end(_name: *const u8) {}

/// Bitcode of Rust's `core` names it for unwinding, which guests do not do.
#[cfg(feature = "freestanding")]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() -> ! {
    let mut out = Stderr::new();
    let _ = writeln!(
        out,
        "error: the program tried to unwind; guests are compiled with panic=abort"
    );
    out.flush();
    gate::exit(crate::EXIT_REFUSED)
}
