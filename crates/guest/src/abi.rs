//! The C functions behind the interface, as the runtime defines them.
//!
//! Conventions: a negative result is a Linux error number with its sign changed; pointers are
//! valid for the length that stands beside them; nothing here unwinds.

/// What [`bf_parallel`] runs: context, index of this thread, number of threads.
pub type ParallelFn = unsafe extern "C" fn(context: *mut u8, index: u32, threads: u32);

#[cfg(not(feature = "host"))]
unsafe extern "C" {
    /// Writes `len` bytes to the console.
    pub fn bf_console_write(bytes: *const u8, len: usize);
    /// Reads one edited line without its end into `buf`; its length (at most `cap`, the rest is
    /// dropped), or -1 at the end of input, or -EINTR after Ctrl-C.
    pub fn bf_console_read(buf: *mut u8, cap: usize) -> isize;
    /// `size` bytes, aligned to `align` (a power of two), or null. Not zeroed.
    pub fn bf_alloc(size: usize, align: usize) -> *mut u8;
    /// Gives back what [`bf_alloc`] returned for the same `size` and `align`.
    pub fn bf_free(ptr: *mut u8, size: usize, align: usize);
    /// Opens a file of the machine's volume for reading; a handle of 0 or more.
    pub fn bf_file_open(path: *const u8, len: usize) -> i64;
    /// Length of an open file in bytes.
    pub fn bf_file_size(handle: i64) -> i64;
    /// Reads up to `len` bytes at `offset`; how many, 0 at the end of the file.
    pub fn bf_file_read(handle: i64, offset: u64, buf: *mut u8, len: usize) -> i64;
    /// Closes a file.
    pub fn bf_file_close(handle: i64);
    /// Number of arguments; the program's name is not among them.
    pub fn bf_arg_count() -> usize;
    /// Argument `index`: its bytes, and their number in `*len`; null if there is none. They stay
    /// valid until the program ends.
    pub fn bf_arg(index: usize, len: *mut usize) -> *const u8;
    /// Nanoseconds since some point before the program started; never goes back.
    pub fn bf_time_ns() -> u64;
    /// A number that differs at each call.
    pub fn bf_random_seed() -> u64;
    /// CPUs the program may use, at least 1.
    pub fn bf_cpu_count() -> u32;
    /// What the CPU can do: bits of `cpu::Features`. Folded to a constant when compiled.
    pub fn bf_cpu_features() -> u64;
    /// Runs `f` on `threads` threads at once (the caller is number 0) and returns when all have
    /// returned. Not reentrant. `threads` is at least 1 and at most [`bf_cpu_count`].
    pub fn bf_parallel(threads: u32, f: ParallelFn, context: *mut u8);
    /// 1 if Ctrl-C was pressed since the last call, else 0.
    pub fn bf_interrupted() -> i32;
    /// Ends the program.
    pub fn bf_exit(code: i32) -> !;
}

#[cfg(feature = "host")]
pub use crate::host::functions::*;
