//! The functions of the machine, as C declares them; the runtime resolves them.

use core::ffi::{c_char, c_int, c_void};

/// A job of [`bf_parallel`]: context, index of the thread, number of threads.
pub type Work = unsafe extern "C" fn(ctx: *mut c_void, index: u32, n: u32);
/// A job of [`bf_thread_start`]: its context.
pub type ThreadWork = unsafe extern "C" fn(ctx: *mut c_void);

unsafe extern "C" {
    /// Writes `len` bytes to the console.
    pub fn bf_console_write(ptr: *const u8, len: usize);
    /// One edited line without its newline, at most `cap` bytes of it (the rest comes with the
    /// next call); -1 at the end of input and when Ctrl-C ended the wait.
    pub fn bf_console_read(ptr: *mut u8, cap: usize) -> isize;
    /// `size` bytes of memory at a multiple of `align` (a power of two), or null.
    pub fn bf_alloc(size: usize, align: usize) -> *mut u8;
    /// Gives back a block with the size and alignment it was asked for with.
    pub fn bf_free(ptr: *mut u8, size: usize, align: usize);
    /// A handle, or a negated error number.
    pub fn bf_file_open(path: *const u8, len: usize) -> i64;
    /// Length in bytes, or a negated error number.
    pub fn bf_file_size(handle: i64) -> i64;
    /// Bytes read (less than `len` only at the end of the file), or a negated error number.
    pub fn bf_file_read(handle: i64, offset: u64, ptr: *mut u8, len: usize) -> i64;
    /// 0, or a negated error number.
    pub fn bf_file_close(handle: i64) -> i64;
    /// A handle for reading, and by the bits of `flags`: 1 writing, 2 made where it is not there, 4 emptied, 8 only where
    /// it is not there; or a negated error number. Bits beyond 1 need 1.
    pub fn bf_file_open_with(path: *const u8, len: usize, flags: u32) -> i64;
    /// `len`, or a negated error number. What lies between the end of the file and `offset` becomes zeroes.
    pub fn bf_file_write(handle: i64, offset: u64, ptr: *const u8, len: usize) -> i64;
    /// Makes a file `size` bytes long: 0, or a negated error number.
    pub fn bf_file_resize(handle: i64, size: u64) -> i64;
    /// Has what was written on the disk: 0, or a negated error number.
    pub fn bf_file_sync(handle: i64) -> i64;
    /// Takes a file or an empty folder away: 0, or a negated error number.
    pub fn bf_file_remove(path: *const u8, len: usize) -> i64;
    /// Gives a file or folder another name, replacing a file of that name: 0, or a negated error number.
    pub fn bf_file_rename(from: *const u8, from_len: usize, to: *const u8, to_len: usize) -> i64;
    /// Makes a folder: 0, or a negated error number.
    pub fn bf_folder_create(path: *const u8, len: usize) -> i64;
    /// Names in a folder, in any order, each ending with a NUL, those of folders with `/` before it: as many whole ones
    /// as fit into `cap` bytes. The bytes all of them need, or a negated error number.
    pub fn bf_folder_list(path: *const u8, len: usize, out: *mut u8, cap: usize) -> i64;
    /// The next byte typed, without echo and without waiting for the end of its line: 0 to 255; -11 when `timeout_ns` went
    /// by (`u64::MAX`: never), -4 when Ctrl-C ended the wait, -61 at the end of input.
    pub fn bf_console_key(timeout_ns: u64) -> i64;
    /// Writes `len` bytes to the serial line alone, where there is one; else to the console.
    pub fn bf_serial_write(ptr: *const u8, len: usize);
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub fn bf_unix_time_ns() -> u64;
    /// Lets at least so much time pass, unless Ctrl-C comes; 0 lets other threads run.
    pub fn bf_sleep_ns(ns: u64);
    /// A thread that runs `work(ctx)`: its handle, or -11 when there is no memory for it or there are too many.
    pub fn bf_thread_start(work: ThreadWork, ctx: *mut c_void) -> i64;
    /// Waits for the end of a thread and forgets it: 0, or -9 for what is no thread.
    pub fn bf_thread_join(handle: i64) -> i64;
    /// Number of arguments.
    pub fn bf_arg_count() -> usize;
    /// Argument `index` and its length in bytes; null if there is none.
    pub fn bf_arg(index: usize, len: *mut usize) -> *const u8;
    /// Nanoseconds since some moment before the program started.
    pub fn bf_time_ns() -> u64;
    /// A number that differs at each call; not for secrets.
    pub fn bf_random_seed() -> u64;
    /// Threads worth using.
    pub fn bf_cpu_count() -> u32;
    /// Features of the CPU; the bits are in [`crate::cpu`].
    pub fn bf_cpu_features() -> u64;
    /// Runs `work(ctx, index, n)` for every `index` below `n`, each on a thread of its own, the
    /// caller being one of them; returns when all are done.
    pub fn bf_parallel(n: u32, work: Work, ctx: *mut c_void);
    /// 1 if Ctrl-C was pressed since the last call.
    pub fn bf_interrupted() -> i32;
    /// Ends the program.
    pub fn bf_exit(code: i32) -> !;

    /// Begins a region of this name on the thread.
    pub fn jit_profile_begin(region: *const c_char);
    /// Ends it.
    pub fn jit_profile_end(region: *const c_char);
    /// Calls of a function or runs of a region; 0 for other names.
    pub fn jit_get_call_count(name: *const c_char) -> u64;
    /// Mean cycles of a function or region; 0 where nothing was measured.
    pub fn jit_get_avg_cycles(name: *const c_char) -> u64;
    /// Compiles what is hot at O3 and waits; the number of functions that got there.
    pub fn jit_optimize_hot_functions() -> c_int;
    /// Calls for O1, O2 and O3: 0, or -22 where they are not in order.
    pub fn jit_set_threshold(warm: u64, hot: u64, very_hot: u64) -> c_int;
    /// 0 to 3, -1 interpreted, -2 no such function.
    pub fn jit_get_optimization_level(name: *const c_char) -> c_int;

    /// An engine whose modules hold at most so many bytes: its number, or a negative error as all that follow.
    pub fn jit_create(memory_limit: usize) -> i64;
    /// Unloads everything and forgets the engine.
    pub fn jit_destroy(engine: i64) -> c_int;
    /// Loads a module from memory: its number.
    pub fn jit_load_bitcode(
        engine: i64,
        name: *const c_char,
        bytes: *const u8,
        length: usize,
    ) -> i64;
    /// Loads a module from a file: its number.
    pub fn jit_load_file(engine: i64, path: *const c_char) -> i64;
    /// Takes a module away.
    pub fn jit_unload(engine: i64, module: i64) -> c_int;
    /// Has modules find something of the program's.
    pub fn jit_define_symbol(engine: i64, symbol: *const c_char, address: *const c_void) -> c_int;
    /// Address of a function; null if there is none.
    pub fn jit_find_function(engine: i64, name: *const c_char) -> *mut c_void;
    /// Compiles at 0 to 3, which it keeps; -3: by heat.
    pub fn jit_recompile(engine: i64, name: *const c_char, level: c_int) -> c_int;
    /// What is known of a function.
    pub fn jit_get_function_info(
        engine: i64,
        name: *const c_char,
        info: *mut crate::jit::FunctionInfo,
    ) -> c_int;
    /// Names with NUL, as many whole ones as fit; the bytes all of them need.
    pub fn jit_list_functions(engine: i64, names: *mut c_char, size: usize) -> i64;
    /// Tells of a call that took so many cycles.
    pub fn jit_record_call(engine: i64, name: *const c_char, cycles: u64) -> c_int;
    /// 1 if a function has earned a better level.
    pub fn jit_should_reoptimize(engine: i64, name: *const c_char) -> c_int;
    /// Compiles what has; the number of functions that got there.
    pub fn jit_auto_optimize(engine: i64) -> c_int;
    /// What an engine holds and did.
    pub fn jit_get_statistics(engine: i64, statistics: *mut crate::jit::Statistics) -> c_int;
    /// Why the last call failed on this thread; never null.
    pub fn jit_last_error() -> *const c_char;
}
