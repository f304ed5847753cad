//! The functions of the machine, as C declares them; the runtime resolves them.

use core::ffi::c_void;

/// A job of [`bf_parallel`]: context, index of the thread, number of threads.
pub type Work = unsafe extern "C" fn(ctx: *mut c_void, index: u32, n: u32);

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
}
