//! The functions of `include/runtime.h`, for C.
//!
//! Names, types and answers are the header's; the work is done by the files beside this one.
//!
//! SAFETY of this file: strings have a NUL at their end, pointers come with as many bytes as the header says, functions have
//! the types it says. A program that passes others breaks its own memory, as with any C library.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::AtomicU32;

use super::{InputError, Seek, cpu, file, input, random, screen, threads, time};
use crate::file::FileError;
use crate::sys;

/// `RUNTIME_END`, `RUNTIME_INTERRUPTED`, `RUNTIME_NOTHING`
fn key(result: Result<u8, InputError>) -> c_int {
    match result {
        Ok(key) => key.into(),
        Err(InputError::Ended) => -1,
        Err(InputError::Interrupted) => -2,
        Err(InputError::Nothing) => -3,
    }
}

fn number<T: TryInto<i64>>(result: Result<T, FileError>) -> i64 {
    match result {
        Ok(value) => value.try_into().unwrap_or(i64::MAX),
        Err(error) => -error.errno,
    }
}

fn code(result: Result<(), FileError>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => -(error.errno as c_int),
    }
}

/// # Safety
/// As said at the head of the file.
unsafe fn bytes<'a>(text: *const c_char) -> &'a [u8] {
    // SAFETY: as the caller promised.
    unsafe { CStr::from_ptr(text) }.to_bytes()
}

#[unsafe(no_mangle)]
extern "C" fn vga_init() {
    screen::vga_init();
}

#[unsafe(no_mangle)]
extern "C" fn vga_clear() {
    screen::vga_clear();
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vga_puts(text: *const c_char) {
    // SAFETY: see the head of the file.
    crate::console::write(unsafe { bytes(text) });
}

#[unsafe(no_mangle)]
extern "C" fn vga_putc(byte: c_char) {
    crate::console::write(&[byte as u8]);
}

#[unsafe(no_mangle)]
extern "C" fn vga_set_color(foreground: c_int, background: c_int) {
    screen::set_color(foreground as u8, background as u8);
}

#[unsafe(no_mangle)]
extern "C" fn vga_set_cursor(row: c_int, column: c_int) {
    let place = |n: c_int| usize::try_from(n).unwrap_or(0);
    screen::vga_set_cursor(place(row), place(column));
}

#[unsafe(no_mangle)]
extern "C" fn vga_show_cursor(shown: c_int) {
    screen::vga_show_cursor(shown != 0);
}

#[unsafe(no_mangle)]
extern "C" fn serial_init() {
    screen::serial_init();
}

#[unsafe(no_mangle)]
unsafe extern "C" fn serial_puts(text: *const c_char) {
    // SAFETY: see the head of the file.
    screen::serial_write(unsafe { bytes(text) });
}

#[unsafe(no_mangle)]
extern "C" fn serial_putc(byte: c_char) {
    screen::serial_putc(byte as u8);
}

#[unsafe(no_mangle)]
extern "C" fn serial_getchar() -> c_int {
    key(input::serial_getchar())
}

#[unsafe(no_mangle)]
extern "C" fn keyboard_getchar() -> c_int {
    key(input::keyboard_getchar())
}

#[unsafe(no_mangle)]
extern "C" fn keyboard_poll(timeout_ns: u64) -> c_int {
    key(input::keyboard_poll(timeout_ns))
}

#[unsafe(no_mangle)]
extern "C" fn cpu_rdtsc() -> u64 {
    cpu::cpu_rdtsc()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cpu_cpuid(leaf: u32, subleaf: u32, out: *mut [u32; 4]) {
    // SAFETY: see the head of the file.
    unsafe { out.write(cpu::cpu_cpuid(leaf, subleaf)) }
}

#[unsafe(no_mangle)]
extern "C" fn cpu_features() -> u64 {
    cpu::cpu_features()
}

#[unsafe(no_mangle)]
extern "C" fn cpu_count() -> u32 {
    cpu::cpu_count() as u32
}

#[unsafe(no_mangle)]
extern "C" fn time_ns() -> u64 {
    time::time_ns()
}

#[unsafe(no_mangle)]
extern "C" fn time_unix_ns() -> u64 {
    time::time_unix_ns()
}

#[unsafe(no_mangle)]
extern "C" fn time_sleep_ns(ns: u64) {
    time::time_sleep_ns(ns);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn file_open(path: *const c_char, flags: u32) -> c_int {
    // SAFETY: see the head of the file.
    number(file::open(unsafe { bytes(path) }, flags)) as c_int
}

#[unsafe(no_mangle)]
extern "C" fn file_close(file: c_int) -> c_int {
    code(file::file_close(file))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn file_read(file: c_int, at: *mut c_void, len: usize) -> i64 {
    // SAFETY: see the head of the file.
    number(unsafe { file::read(file, at.cast(), len) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn file_write(file: c_int, at: *const c_void, len: usize) -> i64 {
    if len == 0 {
        return number(file::file_write(file, &[]));
    }
    // SAFETY: see the head of the file.
    let bytes = unsafe { core::slice::from_raw_parts(at.cast(), len) };
    number(file::file_write(file, bytes))
}

#[unsafe(no_mangle)]
extern "C" fn file_seek(file: c_int, offset: i64, from: c_int) -> i64 {
    const EINVAL: i64 = 22;
    let from = match from {
        0 => Seek::Start,
        1 => Seek::Current,
        2 => Seek::End,
        _ => return -EINVAL,
    };
    number(file::file_seek(file, offset, from))
}

#[unsafe(no_mangle)]
extern "C" fn file_size(file: c_int) -> i64 {
    number(file::file_size(file))
}

#[unsafe(no_mangle)]
extern "C" fn file_resize(file: c_int, bytes: u64) -> c_int {
    code(file::file_resize(file, bytes))
}

#[unsafe(no_mangle)]
extern "C" fn file_sync(file: c_int) -> c_int {
    code(file::file_sync(file))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn file_remove(path: *const c_char) -> c_int {
    // SAFETY: see the head of the file.
    let path = unsafe { bytes(path) };
    // SAFETY: the pointer and length are of one slice.
    code(file::check(unsafe { sys::bf_file_remove(path.as_ptr(), path.len()) }).map(|_| ()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn file_rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: see the head of the file.
    let (from, to) = unsafe { (bytes(from), bytes(to)) };
    // SAFETY: pointers and lengths are of one slice each.
    let renamed = unsafe { sys::bf_file_rename(from.as_ptr(), from.len(), to.as_ptr(), to.len()) };
    code(file::check(renamed).map(|_| ()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn folder_create(path: *const c_char) -> c_int {
    // SAFETY: see the head of the file.
    let path = unsafe { bytes(path) };
    // SAFETY: the pointer and length are of one slice.
    code(file::check(unsafe { sys::bf_folder_create(path.as_ptr(), path.len()) }).map(|_| ()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn file_list(path: *const c_char, names: *mut c_char, size: usize) -> i64 {
    // SAFETY: see the head of the file.
    let path = unsafe { bytes(path) };
    // SAFETY: the pointer and length are of one slice, and `names` has `size` bytes.
    unsafe { sys::bf_folder_list(path.as_ptr(), path.len(), names.cast(), size) }
}

/// The function and context of a loop.
struct Body(unsafe extern "C" fn(*mut c_void, u64), *mut c_void);

// SAFETY: the program asked for its function to be called on all processors.
unsafe impl Sync for Body {}

#[unsafe(no_mangle)]
unsafe extern "C" fn parallel_for(
    begin: u64,
    end: u64,
    body: unsafe extern "C" fn(*mut c_void, u64),
    ctx: *mut c_void,
) {
    let body = Body(body, ctx);
    threads::parallel_for(begin..end, |i| {
        let Body(body, ctx) = &body;
        // SAFETY: see the head of the file.
        unsafe { body(*ctx, i) }
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn thread_create(work: sys::ThreadWork, ctx: *mut c_void) -> i64 {
    // SAFETY: see the head of the file.
    unsafe { sys::bf_thread_start(work, ctx) }
}

#[unsafe(no_mangle)]
extern "C" fn thread_join(thread: i64) -> c_int {
    // SAFETY: takes any handle.
    unsafe { sys::bf_thread_join(thread) as c_int }
}

#[unsafe(no_mangle)]
extern "C" fn thread_yield() {
    threads::thread_yield();
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mutex_lock(lock: *mut u32) {
    // SAFETY: see the head of the file.
    threads::mutex_lock(unsafe { AtomicU32::from_ptr(lock) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mutex_unlock(lock: *mut u32) {
    // SAFETY: see the head of the file.
    threads::mutex_unlock(unsafe { AtomicU32::from_ptr(lock) });
}

#[unsafe(no_mangle)]
extern "C" fn random_seed(seed: u64) {
    random::random_seed(seed);
}

#[unsafe(no_mangle)]
extern "C" fn random_u64() -> u64 {
    random::random_u64()
}

#[unsafe(no_mangle)]
extern "C" fn random_below(bound: u64) -> u64 {
    random::random_below(bound)
}

#[unsafe(no_mangle)]
extern "C" fn runtime_interrupted() -> c_int {
    crate::interrupted().into()
}

#[unsafe(no_mangle)]
extern "C" fn runtime_exit(status: c_int) -> ! {
    crate::exit(status)
}
