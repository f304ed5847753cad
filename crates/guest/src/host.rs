//! The machine's functions on `std`: guests as ordinary programs and in tests.
//!
//! Arguments are the process's own unless [`set_args`] gave others.

use std::string::String;
use std::sync::Mutex;
use std::vec::Vec;

/// Arguments a test gave; leaked, because a guest may keep what `bf_arg` returns.
static ARGS: Mutex<Option<&'static [String]>> = Mutex::new(None);

/// Gives the program these arguments.
pub fn set_args(args: Vec<String>) {
    *ARGS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(args.leak());
}

fn args() -> &'static [String] {
    ARGS.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .get_or_insert_with(|| std::env::args().skip(1).collect::<Vec<_>>().leak())
}

/// The raw functions of the machine, by the names and types of the contract.
#[allow(clippy::missing_safety_doc, missing_docs)] // the contract is the same as in `sys.rs`
pub mod sys {
    use core::ffi::{c_char, c_int, c_void};
    use std::collections::HashMap;
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::string::String;
    use std::sync::{LazyLock, Mutex, PoisonError};
    use std::time::Instant;
    use std::vec::Vec;

    /// A job of [`bf_parallel`]: context, index of the thread, number of threads.
    pub type Work = unsafe extern "C" fn(ctx: *mut c_void, index: u32, n: u32);
    /// A job of [`bf_thread_start`]: its context.
    pub type ThreadWork = unsafe extern "C" fn(ctx: *mut c_void);

    static FILES: LazyLock<Mutex<HashMap<i64, File>>> = LazyLock::new(Mutex::default);
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    /// What is left of a line that was longer than the reader's buffer.
    static LINE: Mutex<String> = Mutex::new(String::new());

    fn errno(error: &std::io::Error) -> i64 {
        -i64::from(error.raw_os_error().unwrap_or(5))
    }

    pub unsafe fn bf_console_write(ptr: *const u8, len: usize) {
        // SAFETY: the guest's contract.
        let bytes = unsafe { core::slice::from_raw_parts(ptr, len) };
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }

    pub unsafe fn bf_console_read(ptr: *mut u8, cap: usize) -> isize {
        let mut line = LINE.lock().unwrap_or_else(PoisonError::into_inner);
        if line.is_empty() {
            match std::io::stdin().read_line(&mut line) {
                Ok(1..) => {}
                _ => return -1,
            }
        }
        let text = line.trim_end_matches(['\n', '\r']).len();
        let n = text.min(cap);
        // SAFETY: the guest gave `cap` writable bytes.
        unsafe { core::ptr::copy_nonoverlapping(line.as_ptr(), ptr, n) };
        if n == text && n < cap {
            line.clear();
        } else {
            let rest = String::from_utf8_lossy(&line.as_bytes()[n..]).into_owned();
            *line = rest;
        }
        n as isize
    }

    pub unsafe fn bf_file_open(path: *const u8, len: usize) -> i64 {
        // SAFETY: as this function's.
        unsafe { bf_file_open_with(path, len, 0) }
    }

    /// The guest's path.
    unsafe fn path(path: *const u8, len: usize) -> String {
        // SAFETY: the guest's contract.
        let path = unsafe { core::slice::from_raw_parts(path, len) };
        String::from_utf8_lossy(path).into_owned()
    }

    fn answer(result: std::io::Result<i64>) -> i64 {
        result.unwrap_or_else(|e| errno(&e))
    }

    pub unsafe fn bf_file_open_with(at: *const u8, len: usize, flags: u32) -> i64 {
        let has = |bit: u32| flags & bit != 0;
        if flags > 15 || (flags != 0 && !has(1)) {
            return -22;
        }
        let file = File::options()
            .read(true)
            .write(has(1))
            .create(has(2))
            .create_new(has(2) && has(8))
            .truncate(has(4))
            // SAFETY: as this function's.
            .open(unsafe { path(at, len) });
        match file {
            Ok(file) if file.metadata().is_ok_and(|m| m.is_dir()) => -21,
            Ok(file) => {
                let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
                let handle = files.keys().max().map_or(3, |h| h + 1);
                files.insert(handle, file);
                handle
            }
            Err(e) => errno(&e),
        }
    }

    fn with_file(handle: i64, f: impl FnOnce(&File) -> std::io::Result<i64>) -> i64 {
        let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(&handle).map_or(-9, |file| answer(f(file)))
    }

    pub unsafe fn bf_file_write(handle: i64, offset: u64, ptr: *const u8, len: usize) -> i64 {
        // SAFETY: the guest's contract.
        let bytes = unsafe { core::slice::from_raw_parts(ptr, len) };
        with_file(handle, |mut file| {
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(bytes)?;
            Ok(len as i64)
        })
    }

    pub unsafe fn bf_file_resize(handle: i64, size: u64) -> i64 {
        with_file(handle, |file| file.set_len(size).map(|()| 0))
    }

    pub unsafe fn bf_file_sync(handle: i64) -> i64 {
        with_file(handle, |file| file.sync_all().map(|()| 0))
    }

    pub unsafe fn bf_file_remove(at: *const u8, len: usize) -> i64 {
        // SAFETY: as this function's.
        let path = unsafe { path(at, len) };
        answer(match std::fs::metadata(&path) {
            Ok(about) if about.is_dir() => std::fs::remove_dir(path).map(|()| 0),
            _ => std::fs::remove_file(path).map(|()| 0),
        })
    }

    pub unsafe fn bf_file_rename(
        from: *const u8,
        from_len: usize,
        to: *const u8,
        to_len: usize,
    ) -> i64 {
        // SAFETY: as this function's.
        let (from, to) = unsafe { (path(from, from_len), path(to, to_len)) };
        answer(std::fs::rename(from, to).map(|()| 0))
    }

    pub unsafe fn bf_folder_create(at: *const u8, len: usize) -> i64 {
        // SAFETY: as this function's.
        answer(std::fs::create_dir(unsafe { path(at, len) }).map(|()| 0))
    }

    pub unsafe fn bf_folder_list(at: *const u8, len: usize, out: *mut u8, cap: usize) -> i64 {
        // SAFETY: as this function's.
        let list = std::fs::read_dir(unsafe { path(at, len) }).and_then(|entries| {
            let mut names = Vec::new();
            for entry in entries {
                let entry = entry?;
                names.extend_from_slice(entry.file_name().as_encoded_bytes());
                if entry.file_type()?.is_dir() {
                    names.push(b'/');
                }
                names.push(0);
            }
            Ok(names)
        });
        let names = match list {
            Ok(names) => names,
            Err(e) => return errno(&e),
        };
        let fits = names.get(..cap.min(names.len())).unwrap_or(&[]);
        let whole = fits.iter().rposition(|b| *b == 0).map_or(0, |at| at + 1);
        // SAFETY: the guest gave `cap` writable bytes.
        unsafe { out.copy_from_nonoverlapping(names.as_ptr(), whole) };
        names.len() as i64
    }

    /// Input is not read key by key here: a program's tests give it lines.
    pub unsafe fn bf_console_key(_timeout_ns: u64) -> i64 {
        let mut byte = [0];
        match std::io::stdin().read(&mut byte) {
            Ok(1) => byte[0].into(),
            _ => -61,
        }
    }

    pub unsafe fn bf_serial_write(ptr: *const u8, len: usize) {
        // SAFETY: as this function's.
        unsafe { bf_console_write(ptr, len) }
    }

    pub unsafe fn bf_unix_time_ns() -> u64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as u64)
    }

    pub unsafe fn bf_sleep_ns(ns: u64) {
        std::thread::sleep(std::time::Duration::from_nanos(ns));
    }

    static THREADS: LazyLock<Mutex<HashMap<i64, std::thread::JoinHandle<()>>>> =
        LazyLock::new(Mutex::default);

    pub unsafe fn bf_thread_start(work: ThreadWork, ctx: *mut c_void) -> i64 {
        let ctx = ctx as usize;
        // SAFETY: the guest's contract: its function may run on another thread.
        let run = move || unsafe { work(ctx as *mut c_void) };
        match std::thread::Builder::new().spawn(run) {
            Ok(thread) => {
                let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
                let handle = threads.keys().max().map_or(1, |h| h + 1);
                threads.insert(handle, thread);
                handle
            }
            Err(_) => -11,
        }
    }

    pub unsafe fn bf_thread_join(handle: i64) -> i64 {
        let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = threads.remove(&handle);
        drop(threads);
        match thread.map(std::thread::JoinHandle::join) {
            Some(Ok(())) => 0,
            _ => -9,
        }
    }

    pub unsafe fn bf_file_size(handle: i64) -> i64 {
        let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        match files.get(&handle).map(File::metadata) {
            Some(Ok(m)) => m.len() as i64,
            Some(Err(e)) => errno(&e),
            None => -9,
        }
    }

    pub unsafe fn bf_file_read(handle: i64, offset: u64, ptr: *mut u8, len: usize) -> i64 {
        let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut file) = files.get(&handle) else {
            return -9;
        };
        // SAFETY: the guest gave `len` writable bytes.
        let buffer = unsafe { core::slice::from_raw_parts_mut(ptr, len) };
        let read = file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| file.read(buffer));
        match read {
            Ok(n) => n as i64,
            Err(e) => errno(&e),
        }
    }

    pub unsafe fn bf_file_close(handle: i64) -> i64 {
        let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        files.remove(&handle).map_or(-9, |_| 0)
    }

    pub unsafe fn jit_profile_begin(_region: *const c_char) {}

    pub unsafe fn jit_profile_end(_region: *const c_char) {}

    pub unsafe fn jit_get_call_count(_name: *const c_char) -> u64 {
        0
    }

    pub unsafe fn jit_get_avg_cycles(_name: *const c_char) -> u64 {
        0
    }

    pub unsafe fn jit_optimize_hot_functions() -> c_int {
        0
    }

    pub unsafe fn jit_set_threshold(warm: u64, hot: u64, very_hot: u64) -> c_int {
        if warm != 0 && warm <= hot && hot <= very_hot {
            0
        } else {
            -22
        }
    }

    pub unsafe fn jit_get_optimization_level(_name: *const c_char) -> c_int {
        3
    }

    // The program is machine code: there is nothing to load modules with.
    const NO_ENGINE: c_int = -38;
    static WHY: &core::ffi::CStr =
        c"there is no engine: the program is ordinary machine code (feature `host`)";

    pub unsafe fn jit_create(_memory_limit: usize) -> i64 {
        NO_ENGINE.into()
    }

    pub unsafe fn jit_load_bitcode(
        _engine: i64,
        _name: *const c_char,
        _bytes: *const u8,
        _length: usize,
    ) -> i64 {
        NO_ENGINE.into()
    }

    pub unsafe fn jit_load_file(_engine: i64, _path: *const c_char) -> i64 {
        NO_ENGINE.into()
    }

    pub unsafe fn jit_define_symbol(
        _engine: i64,
        _symbol: *const c_char,
        _address: *const c_void,
    ) -> c_int {
        NO_ENGINE
    }

    pub unsafe fn jit_find_function(_engine: i64, _name: *const c_char) -> *mut c_void {
        core::ptr::null_mut()
    }

    pub unsafe fn jit_recompile(_engine: i64, _name: *const c_char, _level: c_int) -> c_int {
        NO_ENGINE
    }

    pub unsafe fn jit_get_function_info(
        _engine: i64,
        _name: *const c_char,
        _info: *mut crate::jit::FunctionInfo,
    ) -> c_int {
        NO_ENGINE
    }

    pub unsafe fn jit_list_functions(_engine: i64, _names: *mut c_char, _size: usize) -> i64 {
        NO_ENGINE.into()
    }

    pub unsafe fn jit_record_call(_engine: i64, _name: *const c_char, _cycles: u64) -> c_int {
        NO_ENGINE
    }

    pub unsafe fn jit_should_reoptimize(_engine: i64, _name: *const c_char) -> c_int {
        NO_ENGINE
    }

    pub unsafe fn jit_get_statistics(
        _engine: i64,
        _statistics: *mut crate::jit::Statistics,
    ) -> c_int {
        NO_ENGINE
    }

    pub unsafe fn jit_destroy(_engine: i64) -> c_int {
        NO_ENGINE
    }

    pub unsafe fn jit_unload(_engine: i64, _module: i64) -> c_int {
        NO_ENGINE
    }

    pub unsafe fn jit_auto_optimize(_engine: i64) -> c_int {
        NO_ENGINE
    }

    pub unsafe fn jit_last_error() -> *const c_char {
        WHY.as_ptr()
    }

    pub unsafe fn bf_arg_count() -> usize {
        super::args().len()
    }

    pub unsafe fn bf_arg(index: usize, len: *mut usize) -> *const u8 {
        let Some(arg) = super::args().get(index) else {
            return core::ptr::null();
        };
        // SAFETY: the guest gave a valid place for the length.
        unsafe { len.write(arg.len()) };
        arg.as_ptr()
    }

    pub unsafe fn bf_time_ns() -> u64 {
        START.elapsed().as_nanos() as u64
    }

    pub unsafe fn bf_random_seed() -> u64 {
        use std::hash::{BuildHasher, Hasher};
        let mut hasher = std::hash::RandomState::new().build_hasher();
        hasher.write_u128(START.elapsed().as_nanos());
        hasher.finish()
    }

    pub unsafe fn bf_cpu_count() -> u32 {
        std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
    }

    pub unsafe fn bf_cpu_features() -> u64 {
        static BITS: LazyLock<u64> = LazyLock::new(detect);
        *BITS
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> u64 {
        use crate::cpu;
        macro_rules! bits {
            ($($name:tt $bit:ident)*) => {
                0 $(| if std::is_x86_feature_detected!($name) { cpu::$bit } else { 0 })*
            };
        }
        bits! {
            "sse4.1" SSE4_1 "avx" AVX "avx2" AVX2 "fma" FMA "f16c" F16C "avx512f" AVX512F
            "avx512bw" AVX512BW "avx512vl" AVX512VL "avx512vnni" AVX512VNNI "avxvnni" AVXVNNI
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detect() -> u64 {
        0
    }

    pub unsafe fn bf_parallel(n: u32, work: Work, ctx: *mut c_void) {
        super::pool::run(n, work, ctx);
    }

    pub unsafe fn bf_interrupted() -> i32 {
        0
    }

    pub unsafe fn bf_exit(code: i32) -> ! {
        std::process::exit(code)
    }
}

/// Threads that wait for jobs, spinning for a moment, because jobs are microseconds long.
mod pool {
    use core::ffi::c_void;
    use std::hint::spin_loop;
    use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};
    use std::vec::Vec;

    use super::sys::Work;

    /// The job being done. Written by the holder of `LOCK` while no worker is busy.
    static WORK: AtomicUsize = AtomicUsize::new(0);
    static CTX: AtomicUsize = AtomicUsize::new(0);
    static N: AtomicU32 = AtomicU32::new(0);
    static GENERATION: AtomicU64 = AtomicU64::new(0);
    static BUSY: AtomicU32 = AtomicU32::new(0);
    static LOCK: Mutex<Vec<std::thread::Thread>> = Mutex::new(Vec::new());

    /// Rounds of spinning before a waiting thread sleeps.
    const SPINS: u32 = 20_000;

    fn job(index: u32) {
        let work = WORK.load(Ordering::Relaxed);
        let ctx = CTX.load(Ordering::Relaxed) as *mut c_void;
        // SAFETY: `WORK` holds a `Work` whenever a generation has begun.
        let work = unsafe { core::mem::transmute::<usize, Work>(work) };
        // SAFETY: the guest's contract: its function may run on `n` threads at once.
        unsafe { work(ctx, index, N.load(Ordering::Relaxed)) }
    }

    fn worker(index: u32, mut seen: u64) {
        loop {
            let mut spins = 0;
            while GENERATION.load(Ordering::Acquire) == seen {
                spins += 1;
                if spins > SPINS {
                    std::thread::park();
                } else {
                    spin_loop();
                }
            }
            seen += 1;
            if index < N.load(Ordering::Relaxed) {
                job(index);
            }
            BUSY.fetch_sub(1, Ordering::Release);
        }
    }

    pub fn run(n: u32, work: Work, ctx: *mut c_void) {
        let mut workers = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        while workers.len() + 1 < n as usize {
            let index = workers.len() as u32 + 1;
            let seen = GENERATION.load(Ordering::Relaxed);
            workers.push(
                std::thread::spawn(move || worker(index, seen))
                    .thread()
                    .clone(),
            );
        }
        WORK.store(work as usize, Ordering::Relaxed);
        CTX.store(ctx as usize, Ordering::Relaxed);
        N.store(n, Ordering::Relaxed);
        BUSY.store(workers.len() as u32, Ordering::Relaxed);
        GENERATION.fetch_add(1, Ordering::Release);
        for worker in workers.iter() {
            worker.unpark();
        }
        job(0);
        let mut spins = 0;
        while BUSY.load(Ordering::Acquire) != 0 {
            spins += 1;
            if spins > SPINS {
                std::thread::yield_now(); // the worker may need this CPU
            } else {
                spin_loop();
            }
        }
    }
}
