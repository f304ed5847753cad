//! Calls every function of `guest::runtime` and `guest::jit`: runtime_test.rs.

#![no_std]

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use guest::jit::*;
use guest::runtime::*;

guest::entry!(main);

static FAILED: AtomicBool = AtomicBool::new(false);

macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            FAILED.store(true, Relaxed);
            guest::println!("wrong in line {}: {}", line!(), stringify!($condition));
        }
    };
}

fn screen() {
    vga_init();
    vga_set_color(Color::LightRed, Color::Blue);
    vga_puts("red on blue");
    vga_set_color(Color::LightGrey, Color::Black);
    vga_clear();
    vga_set_cursor(4, 9);
    vga_show_cursor(false);
    vga_putc('*');
    vga_show_cursor(true);
    vga_set_cursor(1000, 1000);
    vga_putc('\n');
    serial_init();
    serial_puts("serial line\n");
    serial_putc(b'!');
    serial_putc(b'\n');
}

fn processors() {
    let before = cpu_rdtsc();
    check!(cpu_cpuid(0, 0)[0] >= 1);
    let leaf = cpu_cpuid(1, 0);
    check!(leaf[3] & 1 << 26 != 0);
    check!((cpu_features() & guest::cpu::SSE4_1 != 0) == (leaf[2] >> 19 & 1 != 0));
    check!(cpu_rdtsc() > before);
    check!((1..=256).contains(&cpu_count()));
}

fn clocks() {
    let start = time_ns();
    time_sleep_ns(2_000_000);
    check!(time_ns() - start >= 2_000_000);
    check!(time_unix_ns() > 1_577_836_800_000_000_000);
}

fn errno<T>(result: Result<T, guest::file::FileError>) -> i64 {
    result.map_or_else(|e| e.errno, |_| 0)
}

fn files() {
    const NEW: u32 = FILE_WRITE | FILE_CREATE;
    let mut buffer = [0; 64];
    check!(errno(folder_create("/test")) == 0);
    check!(errno(folder_create("/test")) == 17);
    let Ok(file) = file_open("/test/data.txt", NEW | FILE_EXCLUSIVE) else {
        check!(false);
        return;
    };
    check!(file_write(file, b"hello world") == Ok(11));
    check!(file_seek(file, -5, Seek::End) == Ok(6));
    check!(file_write(file, b"there") == Ok(5));
    check!(file_seek(file, 0, Seek::Start) == Ok(0));
    check!(file_read(file, &mut buffer) == Ok(11));
    check!(&buffer[..11] == b"hello there");
    check!(file_seek(file, -4, Seek::Current) == Ok(7));
    check!(errno(file_seek(file, -1, Seek::Start)) == 22);
    check!(errno(file_resize(file, 5)) == 0 && file_size(file) == Ok(5));
    check!(errno(file_sync(file)) == 0);
    check!(errno(file_close(file)) == 0 && errno(file_close(file)) == 9);
    check!(errno(file_open("/test/data.txt", NEW | FILE_EXCLUSIVE)) == 17);
    check!(errno(file_open("/test", FILE_READ)) == 21);
    let file = file_open("/test/data.txt", FILE_READ).unwrap_or(-1);
    check!(file_read(file, &mut buffer) == Ok(5));
    check!(errno(file_write(file, b"x")) == 13);
    check!(errno(file_close(file)) == 0);
    let file = file_open("/test/other.txt", NEW | FILE_TRUNCATE).unwrap_or(-1);
    check!(errno(file_close(file)) == 0);
    check!(errno(file_rename("/test/other.txt", "/test/data.txt")) == 0);
    check!(errno(folder_create("/test/sub")) == 0);
    let names = file_list("/test").unwrap_or_default();
    check!(names == ["data.txt", "sub/"]);
    check!(errno(file_list("/none")) == 2 && errno(file_list("/test/data.txt")) == 20);
    check!(errno(file_remove("/test")) == 39);
    check!(errno(file_remove("/test/sub")) == 0 && errno(file_remove("/test/data.txt")) == 0);
    check!(errno(file_remove("/test")) == 0 && errno(file_remove("/test")) == 2);
}

fn threads() {
    let squares: Vec<AtomicU64> = (0..1000).map(|_| AtomicU64::new(0)).collect();
    parallel_for(10..1000, |i| squares[i as usize].store(i * i, Relaxed));
    let sum: u64 = squares.iter().map(|s| s.load(Relaxed)).sum();
    check!(sum == 332_833_500 - 285);
    let shared = Arc::new((AtomicU32::new(0), AtomicU64::new(0)));
    let started: Vec<_> = (0..4)
        .map(|_| {
            let shared = shared.clone();
            thread_create(move || {
                for i in 0..1000 {
                    mutex_lock(&shared.0);
                    // Not one operation: only the lock makes it right.
                    shared.1.store(shared.1.load(Relaxed) + 3, Relaxed);
                    mutex_unlock(&shared.0);
                    if i % 100 == 0 {
                        thread_yield();
                    }
                }
            })
        })
        .collect();
    for thread in started {
        check!(thread.is_ok_and(|t| thread_join(t).is_ok()));
    }
    check!(shared.1.load(Relaxed) == 12_000);
}

fn randoms() {
    random_seed(42);
    check!(random_u64() == 13_679_457_532_755_275_413);
    check!(random_u64() == 2_949_826_092_126_892_291);
    let mut seen = [0; 6];
    (0..600).for_each(|_| seen[random_below(6) as usize] += 1);
    check!(seen.iter().all(|n| *n > 50));
    check!(random_below(0) == 0);
}

/// Known to the engine by this name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn fibonacci(n: u32) -> u32 {
    if n < 2 { n } else { fibonacci(n - 1) + fibonacci(n - 2) }
}

fn engine() {
    for _ in 0..3 {
        jit_profile_begin(c"region");
        check!(fibonacci(16) == 987);
        jit_profile_end(c"region");
    }
    check!(jit_set_threshold(10, 20, 30).is_ok());
    check!(jit_set_threshold(0, 1, 2).is_err() && jit_set_threshold(3, 2, 9).is_err());
    check!(fibonacci(10) == 55);
    let optimized = jit_optimize_hot_functions();
    check!(jit_get_optimization_level(c"fibonacci") == Some(OptimizationLevel::Compiled(3)));
    check!(fibonacci(10) == 55);
    if jit_get_call_count(c"fibonacci") == 0 {
        // Exported: there is no engine.
        check!(jit_get_call_count(c"region") == 0 && jit_get_avg_cycles(c"region") == 0);
        check!(optimized == 0);
        return;
    }
    check!(jit_get_call_count(c"fibonacci") > 100);
    check!(jit_get_call_count(c"region") == 3 && jit_get_avg_cycles(c"region") > 100);
    check!(jit_get_call_count(c"nothing") == 0 && jit_get_avg_cycles(c"nothing") == 0);
    check!(jit_get_optimization_level(c"nothing").is_none());
}

fn keys() -> i32 {
    guest::println!("press");
    guest::println!("{} pressed", keyboard_getchar().unwrap_or(0));
    guest::println!("{} received", serial_getchar().unwrap_or(0));
    i32::from(keyboard_poll(1_000_000) != Err(InputError::Nothing))
}

fn main() -> i32 {
    let what = guest::args::get(0).unwrap_or(b"");
    match what {
        b"exit" => runtime_exit(5),
        b"keys" => return keys(),
        b"no-keys" => {
            let ended = [keyboard_getchar(), serial_getchar(), keyboard_poll(0)];
            return i32::from(ended != [Err(InputError::Ended); 3]);
        }
        _ => {}
    }
    screen();
    processors();
    clocks();
    files();
    threads();
    randoms();
    engine();
    check!(!runtime_interrupted());
    let failed = FAILED.load(Relaxed);
    vga_puts(if failed { "runtime.h is wrong\n" } else { "runtime.h is right\n" });
    i32::from(failed)
}
