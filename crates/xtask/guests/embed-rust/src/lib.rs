//! Drives engines of its own: calls every function of `guest::jit` that is about them: jit_test.rs.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::ffi::{CStr, c_void};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use guest::jit::*;
use guest::runtime::*;

guest::entry!(main);

static FAILED: AtomicBool = AtomicBool::new(false);

macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            FAILED.store(true, Relaxed);
            guest::println!("wrong in line {}: {}; {}", line!(), stringify!($condition), jit_last_error());
        }
    };
}

const PLUGIN: &CStr = c"/plugins/plugin.bc";
const USER: &CStr = c"/plugins/user.llbc";
const LARGE: &CStr = c"/plugins/large.bc";
const LIMIT: usize = 8 << 20;

#[inline(never)]
extern "C" fn host_twice(x: i32) -> i32 {
    2 * x
}

fn twice() -> *const c_void {
    host_twice as extern "C" fn(i32) -> i32 as *const c_void
}

fn code<T>(result: Result<T, JitError>) -> i32 {
    result.map_or_else(|error| error.code, |_| 0)
}

fn says(word: &str) -> bool {
    jit_last_error().contains(word)
}

fn read(path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = file_open(path, FILE_READ) {
        bytes.resize(file_size(file).unwrap_or(0) as usize, 0);
        check!(file_read(file, &mut bytes) == Ok(bytes.len()));
        check!(file_close(file).is_ok());
    }
    bytes
}

fn start() -> Result<Engine, JitError> {
    let engine = jit_create(LIMIT)?;
    // SAFETY: the function has the type the plug-in expects, and stays.
    unsafe { jit_define_symbol(engine, c"host_twice", twice())? };
    Ok(engine)
}

/// The function of that name as one of this type.
macro_rules! function {
    ($engine:expr, $name:expr, $ty:ty) => {
        // SAFETY: the plug-in's functions have these types.
        unsafe { core::mem::transmute::<*mut c_void, $ty>(jit_find_function($engine, $name)?.as_ptr()) }
    };
}

fn loads() -> Result<(), JitError> {
    check!(jit_last_error().is_empty());
    check!(code(jit_create(JIT_LEAST_MEMORY - 1)) == JIT_ERROR_ARGUMENT);
    let engine = jit_create(LIMIT)?;
    let bytes = read("/plugins/plugin.bc");
    check!(code(jit_load_bitcode(engine, c"plugin", &bytes)) == JIT_ERROR_MODULE && says("host_twice"));
    // SAFETY: as in `start`; the second is refused.
    unsafe {
        check!(code(jit_define_symbol(engine, c"host_twice", twice())) == 0);
        check!(code(jit_define_symbol(engine, c"host_twice", bytes.as_ptr().cast())) == JIT_ERROR_EXISTS);
    }
    let plugin = jit_load_bitcode(engine, c"plugin", &bytes)?;
    let add = function!(engine, c"plugin_add", extern "C" fn(i32, i32) -> i32);
    check!(add(40, 2) == 42);
    check!(function!(engine, c"plugin_four_times", extern "C" fn(i32) -> i32)(5) == 20);
    check!(function!(engine, c"plugin_scale", extern "C" fn(f64, f32) -> f64)(1.5, 4.0) == 6.0);
    check!(code(jit_find_function(engine, c"nothing")) == JIT_ERROR_NOT_FOUND && says("nothing"));
    check!(code(jit_load_file(engine, c"/plugins/none.bc")) == JIT_ERROR_NOT_FOUND);
    let user = jit_load_file(engine, USER)?;
    check!(function!(engine, c"user_sum", extern "C" fn(i32) -> i32)(100) == 5950);
    let names = jit_list_functions(engine)?;
    check!(names.len() == 7 && names[0].as_c_str() == c"plugin_add" && names[6].as_c_str() == c"user_sum");
    let all = jit_get_statistics(engine)?;
    check!(all.modules == 2 && all.functions == 7 && all.limit_bytes == LIMIT as u64);
    // SAFETY: nothing of them is called any more.
    unsafe {
        check!(code(jit_unload(engine, plugin)) == JIT_ERROR_IN_USE);
        jit_unload(engine, user)?;
        check!(code(jit_unload(engine, user)) == JIT_ERROR_HANDLE);
        jit_unload(engine, plugin)?;
    }
    check!(jit_get_statistics(engine)?.used_bytes == 0);
    check!(code(jit_load_file(engine, LARGE)) == JIT_ERROR_LIMIT && says("limit"));
    for cut in 1..8 {
        check!(code(jit_load_bitcode(engine, c"cut", &bytes[..bytes.len() * cut / 8])) == JIT_ERROR_MODULE);
    }
    // SAFETY: nothing of it is called any more.
    unsafe { jit_destroy(engine) }
}

fn levels() -> Result<(), JitError> {
    let engine = start()?;
    let module = jit_load_file(engine, PLUGIN)?;
    let name = c"plugin_fibonacci";
    let fibonacci = function!(engine, name, extern "C" fn(u32) -> u32);
    check!(fibonacci(1) == 1);
    let info = jit_get_function_info(engine, name)?;
    check!(info.calls == 1 && info.level == JIT_INTERPRETED && info.module == module && info.instructions > 3);
    for level in [2, 0, 3] {
        jit_recompile(engine, name, level)?;
        let info = jit_get_function_info(engine, name)?;
        check!(info.level == level && info.keeps_level == 1 && info.code_bytes > 0);
        check!(fibonacci(20) == 6765);
    }
    check!(code(jit_recompile(engine, name, 4)) == JIT_ERROR_ARGUMENT);
    check!(code(jit_recompile(engine, c"nothing", 1)) == JIT_ERROR_NOT_FOUND);
    for _ in 0..1500 {
        jit_record_call(engine, c"plugin_add", 5)?;
    }
    check!(jit_should_reoptimize(engine, c"plugin_add") == Ok(true));
    check!(jit_should_reoptimize(engine, name) == Ok(false));
    check!(jit_auto_optimize(engine) == Ok(1));
    let info = jit_get_function_info(engine, c"plugin_add")?;
    check!(info.level == 2 && info.recorded_calls == 1500 && info.recorded_cycles == 7500);
    jit_recompile(engine, name, JIT_BY_HEAT)?;
    check!(jit_get_function_info(engine, name)?.keeps_level == 0);
    let all = jit_get_statistics(engine)?;
    check!(all.at_level == [0, 0, 1, 1] && all.interpreted == 4 && all.recorded_calls == 1500 && all.compiles >= 4);
    // SAFETY: nothing of it is called any more.
    unsafe {
        jit_destroy(engine)?;
        check!(code(jit_destroy(engine)) == JIT_ERROR_HANDLE && says("destroyed"));
    }
    check!(code(jit_find_function(engine, name)) == JIT_ERROR_HANDLE);
    check!(code(jit_list_functions(engine)) == JIT_ERROR_HANDLE);
    check!(code(jit_auto_optimize(engine)) == JIT_ERROR_HANDLE);
    Ok(())
}

fn main() -> i32 {
    for result in [loads(), levels()] {
        if let Err(error) = result {
            FAILED.store(true, Relaxed);
            guest::println!("refused: {error}");
        }
    }
    let failed = FAILED.load(Relaxed);
    vga_puts(if failed { "jit_runtime.h is wrong\n" } else { "jit_runtime.h is right\n" });
    i32::from(failed)
}
