//! The machine as C sees it: the functions of `runtime.h`, with the same names.
//!
//! Screen, serial line, keyboard, processors, time, files, threads, random numbers, the end. Everything is done by the calls
//! of [`sys`](crate::sys), so it works alike hosted, on the machine and in an exported program; hosted, the terminal stands
//! for screen, keyboard and serial line. Memory is Rust's own (`alloc`): this crate is the allocator.
//!
//! C programs get the same code: `c` (feature `c`) gives it the names and types of the header, and `./x build` makes the
//! module `guest-c.llbc` of it, which `bareflow build` adds to programs that use it. As bitcode it is inlined like the
//! program's own.

#[cfg(feature = "c")]
#[allow(clippy::missing_safety_doc)] // the contract is include/runtime.h
mod c;
mod cpu;
mod file;
mod input;
mod random;
mod screen;
mod threads;
mod time;

pub use cpu::{cpu_count, cpu_cpuid, cpu_features, cpu_rdtsc};
pub use file::{
    FILE_CREATE, FILE_EXCLUSIVE, FILE_READ, FILE_TRUNCATE, FILE_WRITE, Seek, file_close, file_list,
    file_open, file_read, file_remove, file_rename, file_resize, file_seek, file_size, file_sync,
    file_write, folder_create,
};
pub use input::{InputError, keyboard_getchar, keyboard_poll, serial_getchar};
pub use random::{random_below, random_seed, random_u64};
pub use screen::{
    Color, VGA_COLUMNS, VGA_ROWS, serial_init, serial_putc, serial_puts, vga_clear, vga_init,
    vga_putc, vga_puts, vga_set_color, vga_set_cursor, vga_show_cursor,
};
pub use threads::{
    Thread, ThreadError, mutex_lock, mutex_unlock, parallel_for, thread_create, thread_join,
    thread_yield,
};
pub use time::{time_ns, time_sleep_ns, time_unix_ns};

pub use crate::exit as runtime_exit;
pub use crate::interrupted as runtime_interrupted;
