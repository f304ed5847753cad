//! The interface over std: a guest as an ordinary process.
//!
//! Arguments come from [`set_args`] (a test) or from the process; file paths are those of the
//! host, below [`set_root`] if that was called.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

static ARGS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
static ROOT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Sets the program's arguments, without its name. Only the first call counts.
pub fn set_args(args: impl IntoIterator<Item = Vec<u8>>) {
    // A second call finds them set: documented.
    let _ = ARGS.set(args.into_iter().collect());
}

/// Makes `root` the folder that the program sees as `/`.
pub fn set_root(root: impl Into<PathBuf>) {
    *lock(&ROOT) = Some(root.into());
}

fn args() -> &'static [Vec<u8>] {
    use std::os::unix::ffi::OsStringExt;
    ARGS.get_or_init(|| {
        std::env::args_os()
            .skip(1)
            .map(OsStringExt::into_vec)
            .collect()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|held| held.into_inner())
}

/// The functions of `abi`.
///
/// Their safety conditions are those of the declarations in `abi`.
#[allow(clippy::missing_safety_doc)] // one condition for all, above
pub mod functions {
    use super::{ROOT, args, lock};
    use crate::abi::ParallelFn;
    use crate::cpu::features;
    use std::alloc::Layout;
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::unix::fs::FileExt;
    use std::sync::{Mutex, OnceLock};
    use std::time::{Instant, SystemTime};

    static FILES: Mutex<Vec<Option<File>>> = Mutex::new(Vec::new());

    fn errno(error: &io::Error) -> i64 {
        const EIO: i32 = 5;
        -i64::from(error.raw_os_error().unwrap_or(EIO))
    }

    /// Writes to standard output.
    pub unsafe fn bf_console_write(bytes: *const u8, len: usize) {
        // SAFETY: the caller passes a valid pointer and length.
        let bytes = unsafe { std::slice::from_raw_parts(bytes, len) };
        let mut out = io::stdout().lock();
        // A console that went away cannot be told about it.
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }

    /// Reads a line from standard input.
    pub unsafe fn bf_console_read(buf: *mut u8, cap: usize) -> isize {
        let mut line = Vec::new();
        let end = io::BufRead::read_until(&mut io::stdin().lock(), b'\n', &mut line);
        if !matches!(end, Ok(1..)) {
            return -1;
        }
        while line.pop_if(|last| matches!(last, b'\n' | b'\r')).is_some() {}
        let len = line.len().min(cap);
        // SAFETY: the caller passes room for `cap` bytes.
        unsafe { std::ptr::copy_nonoverlapping(line.as_ptr(), buf, len) };
        len as isize
    }

    /// Allocates.
    pub unsafe fn bf_alloc(size: usize, align: usize) -> *mut u8 {
        match Layout::from_size_align(size.max(1), align) {
            // SAFETY: the size is not zero.
            Ok(layout) => unsafe { std::alloc::alloc(layout) },
            Err(_) => std::ptr::null_mut(),
        }
    }

    /// Frees.
    pub unsafe fn bf_free(ptr: *mut u8, size: usize, align: usize) {
        if let Ok(layout) = Layout::from_size_align(size.max(1), align) {
            // SAFETY: the caller passes what `bf_alloc` returned for this size and alignment.
            unsafe { std::alloc::dealloc(ptr, layout) }
        }
    }

    /// Opens a file.
    pub unsafe fn bf_file_open(path: *const u8, len: usize) -> i64 {
        const EINVAL: i64 = 22;
        // SAFETY: the caller passes a valid pointer and length.
        let path = unsafe { std::slice::from_raw_parts(path, len) };
        let Ok(path) = std::str::from_utf8(path) else {
            return -EINVAL;
        };
        let path = match &*lock(&ROOT) {
            Some(root) => root.join(path.trim_start_matches('/')),
            None => path.into(),
        };
        match File::open(path) {
            Ok(file) => {
                let mut files = lock(&FILES);
                files.push(Some(file));
                files.len() as i64 - 1
            }
            Err(error) => errno(&error),
        }
    }

    fn with_file<R>(handle: i64, f: impl FnOnce(&File) -> io::Result<R>) -> Result<R, i64> {
        const EBADF: i64 = 9;
        let files = lock(&FILES);
        let file = usize::try_from(handle)
            .ok()
            .and_then(|i| files.get(i)?.as_ref())
            .ok_or(-EBADF)?;
        f(file).map_err(|error| errno(&error))
    }

    /// Length of a file.
    pub unsafe fn bf_file_size(handle: i64) -> i64 {
        with_file(handle, File::metadata).map_or_else(|e| e, |m| m.len() as i64)
    }

    /// Reads from a file.
    pub unsafe fn bf_file_read(handle: i64, offset: u64, buf: *mut u8, len: usize) -> i64 {
        // SAFETY: the caller passes room for `len` bytes; they are initialised or plain memory of
        // another program, and are only written.
        let buf = unsafe { std::slice::from_raw_parts_mut(buf, len) };
        with_file(handle, |file| file.read_at(buf, offset)).map_or_else(|e| e, |n| n as i64)
    }

    /// Closes a file.
    pub unsafe fn bf_file_close(handle: i64) {
        if let Some(file) = usize::try_from(handle)
            .ok()
            .and_then(|i| lock(&FILES).get_mut(i)?.take())
        {
            drop(file);
        }
    }

    /// Number of arguments.
    pub unsafe fn bf_arg_count() -> usize {
        args().len()
    }

    /// One argument.
    pub unsafe fn bf_arg(index: usize, len: *mut usize) -> *const u8 {
        match args().get(index) {
            Some(arg) => {
                // SAFETY: the caller passes a place for the length.
                unsafe { *len = arg.len() };
                arg.as_ptr()
            }
            None => std::ptr::null(),
        }
    }

    /// Time.
    pub unsafe fn bf_time_ns() -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }

    /// A seed.
    pub unsafe fn bf_random_seed() -> u64 {
        use std::hash::{BuildHasher, Hasher};
        let mut hasher = std::hash::RandomState::new().build_hasher();
        if let Ok(now) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            hasher.write_u128(now.as_nanos());
        }
        hasher.finish()
    }

    /// CPUs.
    pub unsafe fn bf_cpu_count() -> u32 {
        static COUNT: OnceLock<u32> = OnceLock::new();
        *COUNT.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get() as u32))
    }

    /// Features.
    pub unsafe fn bf_cpu_features() -> u64 {
        static FOUND: OnceLock<u64> = OnceLock::new();
        macro_rules! bits {
            ($($bit:ident: $name:tt;)*) => {
                0 $(| if is_x86_feature_detected!($name) { features::$bit } else { 0 })*
            };
        }
        *FOUND.get_or_init(|| {
            bits! {
                SSE4_1: "sse4.1";
                AVX: "avx";
                AVX2: "avx2";
                FMA: "fma";
                F16C: "f16c";
                AVX512F: "avx512f";
                AVX512BW: "avx512bw";
                AVX512VL: "avx512vl";
                AVX512VNNI: "avx512vnni";
                AVXVNNI: "avxvnni";
            }
        })
    }

    /// Runs a region on scoped threads: simple, not fast.
    pub unsafe fn bf_parallel(threads: u32, f: ParallelFn, context: *mut u8) {
        struct Shared(*mut u8);
        // SAFETY: the caller says that `f` may run on several threads with this context.
        unsafe impl Sync for Shared {}
        let shared = &Shared(context);
        std::thread::scope(|scope| {
            for index in 1..threads {
                // SAFETY: as the caller says.
                scope.spawn(move || unsafe { f(shared.0, index, threads) });
            }
            // SAFETY: as the caller says.
            unsafe { f(shared.0, 0, threads) };
        });
    }

    /// Ctrl-C ends an ordinary process; there is nothing to report.
    pub unsafe fn bf_interrupted() -> i32 {
        0
    }

    /// Ends the process.
    pub unsafe fn bf_exit(code: i32) -> ! {
        std::process::exit(code)
    }
}
