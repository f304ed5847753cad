//! The guest interface: `bf_*`, as ARCHITECTURE.md ("Guest interface") says and the runtime does it.
//!
//! Pointers come from the guest and are trusted as a program's own: a wrong one is the guest's fault and ends in the
//! fault handler.

use crate::gate::{self, errno};
use crate::output::{Stderr, write_all};
use crate::pool::{Pool, Work};
use crate::{clock, devices, files, heap, interrupt, progress, threads};
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
    /// Whether this is the bare machine.
    pub is_machine: bool,
}

struct HostCell(UnsafeCell<Host>);
// SAFETY: written once by `install`, before there is a second thread; read only after.
unsafe impl Sync for HostCell {}

static HOST: HostCell = HostCell(UnsafeCell::new(Host {
    args: &[],
    root: None,
    threads: 1,
    is_machine: false,
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
    progress::made();
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

/// To the serial line alone, where there is one; else as [`bf_console_write`].
#[unsafe(no_mangle)]
unsafe extern "C" fn bf_serial_write(ptr: *const u8, len: usize) {
    progress::made();
    let line = devices::serial_line(host().is_machine);
    // SAFETY: the guest's contract. Nobody may be listening.
    let _ = write_all(line, unsafe { bytes(ptr, len) });
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

/// The next byte typed, without waiting for the end of its line: 0 to 255; -11 when `timeout_ns` went by (`u64::MAX`:
/// never), -4 when Ctrl-C ended the wait, -61 at the end of input.
#[unsafe(no_mangle)]
unsafe extern "C" fn bf_console_key(timeout_ns: u64) -> i64 {
    while INPUT.busy.swap(true, Ordering::Acquire) {
        gate::yield_now();
    }
    let start = INPUT.start.load(Ordering::Relaxed);
    let key = if start < INPUT.end.load(Ordering::Relaxed) {
        INPUT.start.store(start + 1, Ordering::Relaxed);
        // SAFETY: `busy` is ours.
        i64::from(unsafe { (*INPUT.buffer.get())[start % CHUNK] })
    } else if INPUT.ended.load(Ordering::Relaxed) {
        -i64::from(errno::ENODATA)
    } else {
        let key = progress::waiting(|| devices::key(timeout_ns));
        if key == Err(errno::ENODATA) {
            INPUT.ended.store(true, Ordering::Relaxed);
        }
        key.map_or_else(|error| -i64::from(error), i64::from)
    };
    INPUT.busy.store(false, Ordering::Release);
    key
}

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
        match progress::waiting(|| gate::read(0, buffer)) {
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

/// The answer of what uses a file or folder, which is progress.
fn using_files(result: impl FnOnce() -> Result<u64, i32>) -> i64 {
    progress::made();
    answer(result())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_open(path: *const u8, len: usize) -> i64 {
    // SAFETY: the guest's contract.
    let path = unsafe { bytes(path, len) };
    using_files(|| files::open(host().root, path).map(|h| h as u64))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_open_with(path: *const u8, len: usize, flags: u32) -> i64 {
    // SAFETY: the guest's contract.
    let path = unsafe { bytes(path, len) };
    using_files(|| files::open_with(host().root, path, flags).map(|h| h as u64))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_write(handle: i64, offset: u64, ptr: *const u8, len: usize) -> i64 {
    // SAFETY: the guest's contract.
    let bytes = unsafe { bytes(ptr, len) };
    using_files(|| files::write_at(handle, offset, bytes).map(|n| n as u64))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_resize(handle: i64, size: u64) -> i64 {
    using_files(|| files::resize(handle, size).map(|()| 0))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_sync(handle: i64) -> i64 {
    using_files(|| files::sync(handle).map(|()| 0))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_remove(path: *const u8, len: usize) -> i64 {
    // SAFETY: the guest's contract.
    let path = unsafe { bytes(path, len) };
    using_files(|| files::remove(host().root, path).map(|()| 0))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_rename(
    from: *const u8,
    from_len: usize,
    to: *const u8,
    to_len: usize,
) -> i64 {
    // SAFETY: the guest's contract.
    let (from, to) = unsafe { (bytes(from, from_len), bytes(to, to_len)) };
    using_files(|| files::rename(host().root, from, to).map(|()| 0))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_folder_create(path: *const u8, len: usize) -> i64 {
    // SAFETY: the guest's contract.
    let path = unsafe { bytes(path, len) };
    using_files(|| files::create_folder(host().root, path).map(|()| 0))
}

/// Names in a folder, each ending with a NUL, those of folders with `/` before it: as many whole ones as fit into `cap`
/// bytes. Gives the bytes all of them need.
#[unsafe(no_mangle)]
unsafe extern "C" fn bf_folder_list(path: *const u8, len: usize, out: *mut u8, cap: usize) -> i64 {
    // SAFETY: the guest's contract.
    let path = unsafe { bytes(path, len) };
    let mut needed = 0;
    progress::made();
    let listed = files::list(host().root, path, |name, is_folder| {
        let end = needed + name.len() + usize::from(is_folder) + 1;
        if end <= cap {
            // SAFETY: the guest gave `cap` writable bytes, and the name with its mark and NUL ends within them.
            unsafe {
                out.add(needed)
                    .copy_from_nonoverlapping(name.as_ptr(), name.len());
                if is_folder {
                    out.add(end - 2).write(b'/');
                }
                out.add(end - 1).write(0);
            }
        }
        needed = end;
    });
    answer(listed.map(|()| needed as u64))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_size(handle: i64) -> i64 {
    using_files(|| files::size(handle))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_read(handle: i64, offset: u64, ptr: *mut u8, len: usize) -> i64 {
    if len == 0 {
        return 0;
    }
    // SAFETY: the guest gave `len` writable bytes that are its alone during the call.
    using_files(|| unsafe { files::read_at(handle, offset, ptr, len) }.map(|n| n as u64))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bf_file_close(handle: i64) -> i64 {
    using_files(|| files::close(handle).map(|()| 0))
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

/// Nanoseconds since 1970-01-01 00:00 UTC.
#[unsafe(no_mangle)]
unsafe extern "C" fn bf_unix_time_ns() -> u64 {
    clock::unix_ns()
}

/// Lets at least so much time pass; 0 lets other threads run.
#[unsafe(no_mangle)]
unsafe extern "C" fn bf_sleep_ns(ns: u64) {
    match ns {
        0 => gate::yield_now(),
        ns => progress::sleeping(ns, || devices::sleep(ns)),
    }
}

/// A thread that runs `work(ctx)`: its handle, or -11 when there is no memory for it or there are too many.
#[unsafe(no_mangle)]
unsafe extern "C" fn bf_thread_start(work: threads::Work, ctx: *mut c_void) -> i64 {
    // SAFETY: the guest's contract: its function may run on another thread.
    answer(unsafe { threads::start(work, ctx) })
}

/// Waits for the end of a thread and forgets it: 0, or -9 for what is no thread, or one that somebody waits for already.
#[unsafe(no_mangle)]
unsafe extern "C" fn bf_thread_join(handle: i64) -> i64 {
    answer(threads::join(handle).map(|()| 0))
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

/// The engine's functions (`jit_runtime.h`): there is none, nothing is measured, and everything is compiled at O3.
#[unsafe(no_mangle)]
unsafe extern "C" fn jit_profile_begin(_region: *const u8) {}

/// See [`jit_profile_begin`].
#[unsafe(no_mangle)]
unsafe extern "C" fn jit_profile_end(_region: *const u8) {}

/// See [`jit_profile_begin`].
#[unsafe(no_mangle)]
unsafe extern "C" fn jit_get_call_count(_name: *const u8) -> u64 {
    0
}

/// See [`jit_profile_begin`].
#[unsafe(no_mangle)]
unsafe extern "C" fn jit_get_avg_cycles(_name: *const u8) -> u64 {
    0
}

/// See [`jit_profile_begin`].
#[unsafe(no_mangle)]
unsafe extern "C" fn jit_optimize_hot_functions() -> i32 {
    0
}

/// See [`jit_profile_begin`].
#[unsafe(no_mangle)]
unsafe extern "C" fn jit_set_threshold(warm: u64, hot: u64, very_hot: u64) -> i32 {
    match warm != 0 && warm <= hot && hot <= very_hot {
        true => 0,
        false => -errno::EINVAL,
    }
}

/// See [`jit_profile_begin`].
#[unsafe(no_mangle)]
unsafe extern "C" fn jit_get_optimization_level(_name: *const u8) -> i32 {
    3
}

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
