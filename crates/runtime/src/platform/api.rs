//! The guest interface: the functions a guest program calls, as absolute symbols for the linker.
//!
//! Plain C calls; the contract is ARCHITECTURE.md, "Guest interface". Pointers come from the guest and are trusted as a
//! program's own: a wrong one is the guest's fault and ends in the fault handler.
//!
//! Functions that guests call often tell the engine which old code the thread still needs (`call::poll`).

use super::pool::{Pool, Work};
use super::{call, clock, devices, interrupt, machine, memory, progress, threads, watch};
use crate::files::{Errno, Files, OpenFlags};
use engine::{HostSymbol, SymbolKind};
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What the guest's calls work on.
pub struct Host {
    /// Arguments of the program.
    pub args: Vec<String>,
    /// Its files.
    pub files: Files,
    /// Answer of `bf_cpu_count`.
    pub threads: u32,
    /// Answer of `bf_cpu_features` where the call was not folded.
    pub features: u64,
}

static HOST: OnceLock<Host> = OnceLock::new();
/// [`Host::threads`]: told in a load.
static THREADS: AtomicU32 = AtomicU32::new(1);
static POOL: OnceLock<Pool> = OnceLock::new();
static INPUT: Mutex<Input> = Mutex::new(Input {
    bytes: VecDeque::new(),
    ended: false,
});

/// Bytes read from the console and not yet given to the guest.
struct Input {
    bytes: VecDeque<u8>,
    ended: bool,
}

/// Sets up what guests see; once, before the entry is called. Gives back the host if there is one already.
pub fn install(host: Host) -> Result<(), Host> {
    THREADS.store(host.threads, Ordering::Relaxed);
    HOST.set(host)
}

fn host() -> &'static Host {
    // A guest cannot run before `install`; an empty host keeps even that defined.
    HOST.get_or_init(|| Host {
        args: Vec::new(),
        files: Files::none(),
        threads: 1,
        features: 0,
    })
}

/// The program's files; using them is progress.
pub fn files() -> &'static Files {
    progress::made();
    &host().files
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
    unsafe { std::slice::from_raw_parts(ptr, len) }
}

unsafe extern "C" fn bf_console_write(ptr: *const u8, len: usize) {
    call::poll();
    // SAFETY: the guest's contract.
    let text = unsafe { bytes(ptr, len) };
    watch::output(text);
    progress::made();
    write_all(1, text);
}

/// To the serial line alone, where there is one; else as [`bf_console_write`].
unsafe extern "C" fn bf_serial_write(ptr: *const u8, len: usize) {
    call::poll();
    progress::made();
    // SAFETY: the guest's contract.
    write_all(devices::serial_line(), unsafe { bytes(ptr, len) });
}

/// Writes what somebody reads.
fn write_all(file: libc::c_int, mut rest: &[u8]) {
    while !rest.is_empty() {
        // SAFETY: writes from a valid slice.
        let n = unsafe { libc::write(file, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(n) {
            Ok(0) => break,
            Ok(n) => {
                rest = &rest[n..];
                machine::proved();
            }
            Err(_) => match std::io::Error::last_os_error().kind() {
                std::io::ErrorKind::Interrupted => {}
                std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
                // Nobody listens any more: what a filter in a pipeline does then.
                std::io::ErrorKind::BrokenPipe => call::end(0),
                _ => break,
            },
        }
    }
}

/// One line without its newline; the part that does not fit is given at the next call. -1 at the end of input, and when
/// Ctrl-C ended the wait (`bf_interrupted` tells).
unsafe extern "C" fn bf_console_read(ptr: *mut u8, cap: usize) -> isize {
    let mut input = INPUT.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let newline = input.bytes.iter().position(|b| *b == b'\n');
        if newline.is_some() || input.bytes.len() >= cap || (input.ended && !input.bytes.is_empty())
        {
            let line = newline.unwrap_or(input.bytes.len());
            let take = line.min(cap);
            for (i, byte) in input.bytes.drain(..take).enumerate() {
                // SAFETY: `i < cap`, and the guest gave `cap` writable bytes.
                unsafe { ptr.add(i).write(byte) };
            }
            if newline == Some(take) {
                input.bytes.pop_front();
            }
            return take as isize;
        }
        if input.ended {
            return -1;
        }
        let mut chunk = [0u8; 1024];
        // SAFETY: reads into a valid buffer.
        let n =
            progress::waiting(|| unsafe { libc::read(0, chunk.as_mut_ptr().cast(), chunk.len()) });
        match usize::try_from(n) {
            Ok(0) => input.ended = true,
            Ok(n) => input
                .bytes
                .extend(chunk[..n].iter().filter(|b| **b != b'\r')),
            Err(_) if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {
                if interrupt::is_pending() {
                    return -1;
                }
            }
            Err(_) => input.ended = true,
        }
    }
}

/// The next byte typed, without waiting for the end of its line: 0 to 255; -11 when `timeout_ns` went by (`u64::MAX`:
/// never), -4 when Ctrl-C ended the wait, -61 at the end of input.
unsafe extern "C" fn bf_console_key(timeout_ns: u64) -> i64 {
    call::poll();
    let mut input = INPUT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(byte) = input.bytes.pop_front() {
        return byte.into();
    }
    if input.ended {
        return devices::NO_DATA;
    }
    let key = progress::waiting(|| devices::key(timeout_ns));
    input.ended |= key == devices::NO_DATA;
    key
}

unsafe extern "C" fn bf_alloc(size: usize, align: usize) -> *mut u8 {
    call::poll();
    memory::allocate(size, align)
}

unsafe extern "C" fn bf_free(ptr: *mut u8, size: usize, align: usize) {
    // SAFETY: the guest's contract: a block of `bf_alloc` with the same size and alignment.
    unsafe { memory::free(ptr, size, align) }
}

/// A result as the guest sees it: the value, or a negated error number.
fn answer(result: Result<u64, Errno>) -> i64 {
    match result {
        Ok(value) => i64::try_from(value).unwrap_or(i64::MAX),
        Err(errno) => -(errno as i64),
    }
}

unsafe extern "C" fn bf_file_open(path: *const u8, len: usize) -> i64 {
    // SAFETY: the guest's contract.
    let path = unsafe { self::path(path, len) };
    answer(path.and_then(|p| files().open(p)).map(u64::from))
}

/// A path of the guest's.
///
/// # Safety
/// As [`bytes`].
unsafe fn path<'a>(ptr: *const u8, len: usize) -> Result<&'a str, Errno> {
    // SAFETY: as the caller promised.
    let path = std::str::from_utf8(unsafe { bytes(ptr, len) }).map_err(|_| Errno::Invalid)?;
    // Linux would read only what is before a NUL.
    if path.contains('\0') {
        return Err(Errno::Invalid);
    }
    Ok(path)
}

unsafe extern "C" fn bf_file_open_with(at: *const u8, len: usize, flags: u32) -> i64 {
    let flags = OpenFlags::from_bits(flags).ok_or(Errno::Invalid);
    // SAFETY: the guest's contract.
    let path = unsafe { path(at, len) };
    let opened = path.and_then(|path| files().open_with(path, flags?));
    answer(opened.map(u64::from))
}

unsafe extern "C" fn bf_file_write(handle: i64, offset: u64, ptr: *const u8, len: usize) -> i64 {
    call::poll();
    // SAFETY: the guest's contract.
    let bytes = unsafe { bytes(ptr, len) };
    let written = files().write_at(handle, offset, bytes);
    answer(written.map(|n| n as u64))
}

unsafe extern "C" fn bf_file_resize(handle: i64, size: u64) -> i64 {
    answer(files().resize(handle, size).map(|()| 0))
}

unsafe extern "C" fn bf_file_sync(handle: i64) -> i64 {
    answer(files().sync(handle).map(|()| 0))
}

unsafe extern "C" fn bf_file_remove(at: *const u8, len: usize) -> i64 {
    // SAFETY: the guest's contract.
    let path = unsafe { path(at, len) };
    answer(path.and_then(|p| files().remove(p)).map(|()| 0))
}

unsafe extern "C" fn bf_file_rename(
    from: *const u8,
    from_len: usize,
    to: *const u8,
    to_len: usize,
) -> i64 {
    // SAFETY: the guest's contract.
    let (from, to) = unsafe { (path(from, from_len), path(to, to_len)) };
    let renamed = from.and_then(|from| files().rename(from, to?));
    answer(renamed.map(|()| 0))
}

unsafe extern "C" fn bf_folder_create(at: *const u8, len: usize) -> i64 {
    // SAFETY: the guest's contract.
    let path = unsafe { path(at, len) };
    answer(path.and_then(|p| files().create_folder(p)).map(|()| 0))
}

/// Names in a folder, each ending with a NUL, those of folders with `/` before it: as many whole ones as fit into `cap`
/// bytes. Gives the bytes all of them need.
unsafe extern "C" fn bf_folder_list(at: *const u8, len: usize, out: *mut u8, cap: usize) -> i64 {
    // SAFETY: the guest's contract.
    let path = unsafe { path(at, len) };
    let listed = path.and_then(|p| files().names(p)).map(|names| {
        let mut needed = 0;
        for name in &names {
            let end = needed + name.len() + 1;
            if end <= cap {
                // SAFETY: the guest gave `cap` writable bytes, and the name with its NUL ends within them.
                unsafe {
                    out.add(needed)
                        .copy_from_nonoverlapping(name.as_ptr(), name.len());
                    out.add(end - 1).write(0);
                }
            }
            needed = end;
        }
        needed as u64
    });
    answer(listed)
}

unsafe extern "C" fn bf_file_size(handle: i64) -> i64 {
    answer(files().size(handle))
}

unsafe extern "C" fn bf_file_read(handle: i64, offset: u64, ptr: *mut u8, len: usize) -> i64 {
    call::poll();
    if len == 0 {
        return 0;
    }
    // SAFETY: the guest gave `len` writable bytes that are its alone during the call; `u8` has no invalid values, and the
    // bytes are only written to.
    let buffer = unsafe { std::slice::from_raw_parts_mut(ptr, len) };
    answer(files().read_at(handle, offset, buffer).map(|n| n as u64))
}

unsafe extern "C" fn bf_file_close(handle: i64) -> i64 {
    answer(files().close(handle).map(|()| 0))
}

unsafe extern "C" fn bf_arg_count() -> usize {
    host().args.len()
}

/// Null for an index that is none.
unsafe extern "C" fn bf_arg(index: usize, len: *mut usize) -> *const u8 {
    let arg = host().args.get(index);
    if !len.is_null() {
        // SAFETY: the guest gave a valid place for the length.
        unsafe { len.write(arg.map_or(0, String::len)) };
    }
    arg.map_or(std::ptr::null(), |a| a.as_ptr())
}

unsafe extern "C" fn bf_time_ns() -> u64 {
    call::poll();
    clock::monotonic().as_nanos() as u64
}

/// Nanoseconds since 1970-01-01 00:00 UTC.
unsafe extern "C" fn bf_unix_time_ns() -> u64 {
    clock::unix().as_nanos() as u64
}

/// Lets at least so much time pass; 0 lets other threads run.
unsafe extern "C" fn bf_sleep_ns(ns: u64) {
    call::poll();
    match ns {
        0 => std::thread::yield_now(),
        ns => progress::sleeping(ns, || devices::sleep(ns)),
    }
}

/// A thread that runs `work(ctx)`: its handle, or -11 when there is no memory for it or there are too many.
unsafe extern "C" fn bf_thread_start(work: threads::Work, ctx: *mut libc::c_void) -> i64 {
    call::poll();
    // SAFETY: the guest's contract: its function may run on another thread.
    answer(unsafe { threads::start(work, ctx) })
}

/// Waits for the end of a thread and forgets it: 0, or -9 for what is no thread, or one that somebody waits for already.
unsafe extern "C" fn bf_thread_join(handle: i64) -> i64 {
    call::poll();
    answer(threads::join(handle).map(|()| 0))
}

/// Different at each call; not for secrets.
unsafe extern "C" fn bf_random_seed() -> u64 {
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u128(clock::monotonic().as_nanos());
    hasher.finish()
}

unsafe extern "C" fn bf_cpu_count() -> u32 {
    THREADS.load(Ordering::Relaxed)
}

unsafe extern "C" fn bf_cpu_features() -> u64 {
    host().features
}

unsafe extern "C" fn bf_parallel(n: u32, work: Work, ctx: *mut libc::c_void) {
    call::poll();
    // SAFETY: the guest's contract: its function may run on `n` threads at once.
    unsafe { POOL.get_or_init(Pool::new).run(n, work, ctx) }
}

unsafe extern "C" fn bf_interrupted() -> i32 {
    call::poll();
    interrupt::take().into()
}

unsafe extern "C" fn bf_exit(code: i32) -> ! {
    call::end(code)
}

/// Bitcode of Rust's `core` names it for unwinding, which guests do not do.
extern "C" fn rust_eh_personality() -> ! {
    eprintln!("error: the program tried to unwind; guests are compiled with panic=abort");
    call::end(crate::EXIT_REFUSED.into())
}

/// Functions of the C library and the compiler's own that generated code may call without saying so in IR. All of them
/// are exact: their result does not depend on whose they are.
mod helpers {
    macro_rules! declare {
        ($($name:ident)*) => {
            // The types do not matter: only addresses are taken.
            unsafe extern "C" { $(pub fn $name();)* }
            pub fn table() -> Vec<(&'static str, usize)> {
                vec![$((stringify!($name), $name as *const () as usize)),*]
            }
        };
    }
    #[allow(clashing_extern_declarations, clippy::missing_safety_doc)]
    mod raw {
        declare! {
            memcpy memmove memset memcmp bcmp strlen
            fma fmaf floor floorf ceil ceilf trunc truncf rint rintf nearbyint nearbyintf round roundf fmod fmodf
            fmin fminf fmax fmaxf
            __udivti3 __umodti3 __divti3 __modti3 __multi3 __ashlti3 __lshrti3 __ashrti3
            __floattisf __floattidf __floatuntisf __floatuntidf __fixsfti __fixdfti __fixunssfti __fixunsdfti
        }
    }
    pub use raw::table;
}

/// LLVM's feature names and the bits that tell guests of them.
pub const CPU_FEATURES: &[(&str, u64)] = &[
    ("sse4.1", 1 << 0),
    ("avx", 1 << 1),
    ("avx2", 1 << 2),
    ("fma", 1 << 3),
    ("f16c", 1 << 4),
    ("avx512f", 1 << 5),
    ("avx512bw", 1 << 6),
    ("avx512vl", 1 << 7),
    ("avx512vnni", 1 << 8),
    ("avxvnni", 1 << 9),
];

/// Everything a guest's code may refer to.
pub fn symbols() -> Vec<HostSymbol> {
    macro_rules! own {
        ($($name:ident)*) => {
            vec![$(HostSymbol {
                name: stringify!($name),
                address: $name as *const () as usize,
                kind: SymbolKind::Function,
            }),*]
        };
    }
    let mut list = own! {
        bf_console_write bf_console_read bf_alloc bf_free bf_file_open bf_file_size bf_file_read bf_file_close
        bf_file_open_with bf_file_write bf_file_resize bf_file_sync bf_file_remove bf_file_rename
        bf_folder_create bf_folder_list bf_console_key bf_serial_write bf_unix_time_ns bf_sleep_ns
        bf_thread_start bf_thread_join
        bf_arg_count bf_arg bf_time_ns bf_random_seed bf_cpu_count bf_cpu_features bf_parallel bf_interrupted bf_exit
        rust_eh_personality
    };
    {
        use super::jit::*;
        list.extend(own! {
            jit_profile_begin jit_profile_end jit_get_call_count jit_get_avg_cycles jit_optimize_hot_functions
            jit_set_threshold jit_get_optimization_level
        });
    }
    {
        use super::embed::*;
        list.extend(own! {
            jit_create jit_destroy jit_load_bitcode jit_load_file jit_unload jit_define_symbol jit_find_function
            jit_recompile jit_get_function_info jit_list_functions jit_record_call jit_auto_optimize
            jit_should_reoptimize jit_get_statistics jit_last_error
        });
    }
    let helper = |(name, address)| HostSymbol {
        name,
        address,
        kind: SymbolKind::Function,
    };
    list.extend(helpers::table().into_iter().map(helper));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_distinct_and_somewhere() {
        let list = symbols();
        let mut names: Vec<_> = list.iter().map(|s| s.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), list.len());
        assert!(list.iter().all(|s| s.address != 0));
    }

    #[test]
    fn guests_read_the_bits_that_are_written() {
        assert_eq!(CPU_FEATURES, guest::cpu::FEATURES);
    }

    #[test]
    fn seeds_differ() {
        // SAFETY: takes nothing.
        assert_ne!(unsafe { bf_random_seed() }, unsafe { bf_random_seed() });
    }
}
