//! Engines of the program's own: modules loaded, compiled and unloaded while it runs.
//!
//! An engine holds modules: LLVM bitcode (`rustc --emit=llvm-bc`, `clang -emit-llvm -c`) or LLBC containers (`bareflow wrap`). What a
//! module exports can be found and called, and imported by modules loaded after it; what it imports is looked for among those, the
//! symbols that [`jit_define_symbol`] named, and the runtime's functions. Code starts in the interpreter and climbs while it runs, as
//! the program's own does, unless it is told which level to keep.
//!
//! Numbers of engines and modules that are gone are refused, and so is damaged bitcode. Modules are trusted as the program is: a
//! fault in their code ends it. A program that calls one of these functions cannot be exported.

use alloc::borrow::ToOwned;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::{CStr, c_int, c_void};
use core::fmt;
use core::ptr::NonNull;

use crate::sys;

/// No function, or no file, of this name.
pub const JIT_ERROR_NOT_FOUND: i32 = -2;
/// LLVM could not compile a function; or the disk failed.
pub const JIT_ERROR_COMPILE: i32 = -5;
/// Not a module, damaged, for another machine, or what it imports is nowhere.
pub const JIT_ERROR_MODULE: i32 = -8;
/// No such engine, or no such module in it.
pub const JIT_ERROR_HANDLE: i32 = -9;
/// The engine's limit of memory is reached.
pub const JIT_ERROR_LIMIT: i32 = -12;
/// Another module imports from it.
pub const JIT_ERROR_IN_USE: i32 = -16;
/// Another module exports this symbol, or it was defined before.
pub const JIT_ERROR_EXISTS: i32 = -17;
/// A level that is none, a limit that is too small, a name that is not UTF-8.
pub const JIT_ERROR_ARGUMENT: i32 = -22;
/// The program is machine code, and LLVM is not there.
pub const JIT_ERROR_NO_ENGINE: i32 = -38;

/// For [`jit_recompile`]: no level to keep; the function climbs by its heat.
pub const JIT_BY_HEAT: i32 = -3;
/// In [`FunctionInfo::level`]: no machine code yet.
pub const JIT_INTERPRETED: i32 = -1;
/// Smallest limit of an engine, in bytes.
pub const JIT_LEAST_MEMORY: usize = 1 << 20;

/// Number of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Engine(i64);

/// Number of a module in an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Module(i64);

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JitError {
    /// One of the `JIT_ERROR_*`, or an error number of the files.
    pub code: i32,
    /// The reason in words.
    pub message: String,
}

impl fmt::Display for JitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for JitError {}

/// What is known of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FunctionInfo {
    /// Where it is called.
    pub address: *mut c_void,
    /// The module that exports it.
    pub module: Module,
    /// Level of its code: 0 to 3, or [`JIT_INTERPRETED`].
    pub level: i32,
    /// 1: [`jit_recompile`] told it to keep that level.
    pub keeps_level: i32,
    /// Calls that the engine counted; code of O3 does not count its calls.
    pub calls: u64,
    /// Mean cycles of the calls that it measured; 0: none.
    pub avg_cycles: u64,
    /// Calls that [`jit_record_call`] told of.
    pub recorded_calls: u64,
    /// Cycles of all of these.
    pub recorded_cycles: u64,
    /// Bytes of its machine code; 0 while it is interpreted.
    pub code_bytes: u64,
    /// Instructions of its IR.
    pub instructions: u64,
}

/// What an engine holds and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Statistics {
    /// Modules that are loaded.
    pub modules: u64,
    /// Functions that they export.
    pub functions: u64,
    /// Those of them without machine code.
    pub interpreted: u64,
    /// Those at O0, O1, O2, O3.
    pub at_level: [u64; 4],
    /// Compiles that gave code, for modules that are gone, too.
    pub compiles: u64,
    /// Nanoseconds they took.
    pub compile_ns: u64,
    /// Calls that [`jit_record_call`] told of, for modules that are gone, too.
    pub recorded_calls: u64,
    /// Bytes counted against the limit.
    pub used_bytes: u64,
    /// The most that were at a time.
    pub most_bytes: u64,
    /// The limit.
    pub limit_bytes: u64,
    /// Pages of machine code, stubs included; part of `used_bytes`.
    pub code_bytes: u64,
}

/// A number, or the failure it stands for.
fn answer(number: i64) -> Result<u64, JitError> {
    u64::try_from(number).map_err(|_| JitError {
        code: number as i32,
        message: jit_last_error(),
    })
}

fn done(code: c_int) -> Result<(), JitError> {
    answer(code.into()).map(|_| ())
}

/// Makes an engine whose modules hold at most so many bytes of memory: pages of machine code and of variables, and bitcode and what is
/// made of it, by an estimate of half a megabyte a module, 4 KiB a function and 400 bytes an instruction. Not counted: what a
/// compile needs while it lasts, and the stack of the compiler, a thread for each module.
///
/// # Errors
/// [`JIT_ERROR_ARGUMENT`] below [`JIT_LEAST_MEMORY`].
pub fn jit_create(memory_limit: usize) -> Result<Engine, JitError> {
    // SAFETY: takes any number.
    let engine = unsafe { sys::jit_create(memory_limit) };
    answer(engine).map(|_| Engine(engine))
}

/// Unloads everything and forgets the engine.
///
/// # Safety
/// No code of it runs or is called any more.
///
/// # Errors
/// [`JIT_ERROR_HANDLE`], as all functions of engines.
pub unsafe fn jit_destroy(engine: Engine) -> Result<(), JitError> {
    // SAFETY: as the caller promised.
    done(unsafe { sys::jit_destroy(engine.0) })
}

/// Loads a module from memory; `name` is for messages.
///
/// # Errors
/// [`JIT_ERROR_MODULE`], [`JIT_ERROR_LIMIT`], [`JIT_ERROR_EXISTS`]: then nothing of it is left.
pub fn jit_load_bitcode(engine: Engine, name: &CStr, bytes: &[u8]) -> Result<Module, JitError> {
    // SAFETY: a string with its NUL, a slice.
    let module =
        unsafe { sys::jit_load_bitcode(engine.0, name.as_ptr(), bytes.as_ptr(), bytes.len()) };
    answer(module).map(|_| Module(module))
}

/// Loads a module from a file of the volume.
///
/// # Errors
/// As [`jit_load_bitcode`]; [`JIT_ERROR_NOT_FOUND`]; the error numbers of files.
pub fn jit_load_file(engine: Engine, path: &CStr) -> Result<Module, JitError> {
    // SAFETY: a string with its NUL.
    let module = unsafe { sys::jit_load_file(engine.0, path.as_ptr()) };
    answer(module).map(|_| Module(module))
}

/// Takes a module away and frees its memory.
///
/// # Safety
/// No code of it runs or is called any more.
///
/// # Errors
/// [`JIT_ERROR_HANDLE`]; [`JIT_ERROR_IN_USE`] while a module is there that imports from it.
pub unsafe fn jit_unload(engine: Engine, module: Module) -> Result<(), JitError> {
    // SAFETY: as the caller promised.
    done(unsafe { sys::jit_unload(engine.0, module.0) })
}

/// Has modules that are loaded from now on find a function or variable of the program's under this name.
///
/// # Safety
/// What is at `address` is what the modules take it for, and stays there.
///
/// # Errors
/// [`JIT_ERROR_EXISTS`] where it was defined with another address.
pub unsafe fn jit_define_symbol(
    engine: Engine,
    symbol: &CStr,
    address: *const c_void,
) -> Result<(), JitError> {
    // SAFETY: as the caller promised.
    done(unsafe { sys::jit_define_symbol(engine.0, symbol.as_ptr(), address) })
}

/// Where a function is called, by whoever knows its type. The address stays the same, whatever code is behind it, while its module
/// is loaded.
///
/// # Errors
/// [`JIT_ERROR_NOT_FOUND`] where no module exports it; [`JIT_ERROR_HANDLE`].
pub fn jit_find_function(engine: Engine, name: &CStr) -> Result<NonNull<c_void>, JitError> {
    // SAFETY: a string with its NUL.
    let address = unsafe { sys::jit_find_function(engine.0, name.as_ptr()) };
    match NonNull::new(address) {
        Some(address) => Ok(address),
        // The C function cannot tell which error it was; another one of the same engine can.
        None => Err(jit_get_function_info(engine, name)
            .err()
            .unwrap_or(JitError {
                code: JIT_ERROR_NOT_FOUND,
                message: jit_last_error(),
            })),
    }
}

/// Compiles a function at exactly this level (0 to 3), waits for it, and has it keep that; with [`JIT_BY_HEAT`] it climbs by itself
/// again.
///
/// # Errors
/// [`JIT_ERROR_NOT_FOUND`], [`JIT_ERROR_ARGUMENT`] (no such level), [`JIT_ERROR_LIMIT`], [`JIT_ERROR_COMPILE`]: then it goes on
/// with the code it has.
pub fn jit_recompile(engine: Engine, name: &CStr, level: i32) -> Result<(), JitError> {
    // SAFETY: a string with its NUL.
    done(unsafe { sys::jit_recompile(engine.0, name.as_ptr(), level) })
}

/// What is known of a function.
///
/// # Errors
/// [`JIT_ERROR_NOT_FOUND`].
pub fn jit_get_function_info(engine: Engine, name: &CStr) -> Result<FunctionInfo, JitError> {
    let mut info = FunctionInfo {
        address: core::ptr::null_mut(),
        module: Module(0),
        level: JIT_INTERPRETED,
        keeps_level: 0,
        calls: 0,
        avg_cycles: 0,
        recorded_calls: 0,
        recorded_cycles: 0,
        code_bytes: 0,
        instructions: 0,
    };
    // SAFETY: a string with its NUL, a place of the right type.
    done(unsafe { sys::jit_get_function_info(engine.0, name.as_ptr(), &raw mut info) })?;
    Ok(info)
}

/// The names of all functions, sorted.
///
/// # Errors
/// [`JIT_ERROR_HANDLE`].
pub fn jit_list_functions(engine: Engine) -> Result<Vec<CString>, JitError> {
    let mut names: Vec<u8> = Vec::new();
    loop {
        // SAFETY: as many bytes as are said.
        let needed =
            unsafe { sys::jit_list_functions(engine.0, names.as_mut_ptr().cast(), names.len()) };
        let needed = answer(needed)? as usize;
        if needed <= names.len() {
            names.truncate(needed);
            break;
        }
        names.resize(needed, 0);
    }
    let whole = names.split_inclusive(|byte| *byte == 0);
    Ok(whole
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(ToOwned::to_owned)
        .collect())
}

/// Tells of a call of a function that took so many cycles, as the program measured it.
///
/// # Errors
/// [`JIT_ERROR_NOT_FOUND`].
pub fn jit_record_call(engine: Engine, name: &CStr, cycles: u64) -> Result<(), JitError> {
    // SAFETY: a string with its NUL.
    done(unsafe { sys::jit_record_call(engine.0, name.as_ptr(), cycles) })
}

/// Whether the calls of a function, those that were counted or those that were recorded, have earned it a better level than it has;
/// not if it keeps its level.
///
/// # Errors
/// [`JIT_ERROR_NOT_FOUND`].
pub fn jit_should_reoptimize(engine: Engine, name: &CStr) -> Result<bool, JitError> {
    // SAFETY: a string with its NUL.
    answer(unsafe { sys::jit_should_reoptimize(engine.0, name.as_ptr()) }.into()).map(|n| n != 0)
}

/// Compiles every function of which [`jit_should_reoptimize`] says so, at the level it has earned, and waits for it; gives the
/// number of functions that got there.
///
/// # Errors
/// [`JIT_ERROR_LIMIT`], [`JIT_ERROR_COMPILE`] if there was one that did not.
pub fn jit_auto_optimize(engine: Engine) -> Result<usize, JitError> {
    // SAFETY: takes any number.
    answer(unsafe { sys::jit_auto_optimize(engine.0) }.into()).map(|n| n as usize)
}

/// What an engine holds and did.
///
/// # Errors
/// [`JIT_ERROR_HANDLE`].
pub fn jit_get_statistics(engine: Engine) -> Result<Statistics, JitError> {
    let mut statistics = Statistics::default();
    // SAFETY: a place of the right type.
    done(unsafe { sys::jit_get_statistics(engine.0, &raw mut statistics) })?;
    Ok(statistics)
}

/// Why the last of these functions that failed on this thread did so; empty before.
#[must_use]
pub fn jit_last_error() -> String {
    // SAFETY: a string with its NUL, which stays until the next failure on this thread.
    let text = unsafe { CStr::from_ptr(sys::jit_last_error()) };
    text.to_string_lossy().into_owned()
}
