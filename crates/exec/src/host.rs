//! Functions of the C library that have to know of the engine: the program is given these in their place.
//!
//! - Threads run the program's code inside [`Engine::call`](engine::tier::Engine::call), so that no code they are in is
//!   freed.
//! - `exit` first stops the compiler: destructors of LLVM's own variables run while the process ends, and nobody may be
//!   using these then.
//! - A library's thread-local variable is looked up by its name on the thread that asks.
//!
//! SAFETY of this file:
//! 1. The functions are called by the program under the names of those they stand for: with their arguments.
//! 2. What a new thread is given is a leaked box, taken by that thread alone.
#![allow(unsafe_code)]

use crate::process;
use std::ffi::{c_char, c_int, c_void};

type Start = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
type StartC11 = unsafe extern "C" fn(*mut c_void) -> c_int;

/// What a new thread is to call.
enum Entry {
    Posix(Start),
    C11(StartC11),
}

struct Thread {
    entry: Entry,
    argument: *mut c_void,
}

/// Address of the function that stands for the C library's of that name.
pub fn address(name: &str) -> Option<usize> {
    let function = match name {
        "exit" => exit as *const (),
        "pthread_create" => pthread_create as *const (),
        "thrd_create" => thrd_create as *const (),
        llvm::Module::THREAD_LOCAL => thread_local as *const (),
        _ => return None,
    };
    Some(function.expose_provenance())
}

unsafe extern "C" fn exit(code: c_int) -> ! {
    process::exit(code)
}

/// The dynamic linker gives the calling thread's copy.
unsafe extern "C" fn thread_local(name: *const c_char) -> *mut c_void {
    // SAFETY: the compiler passes a constant string.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name) }
}

extern "C" fn run_thread(thread: *mut c_void) -> *mut c_void {
    // SAFETY: rule 2.
    let thread = unsafe { Box::from_raw(thread.cast::<Thread>()) };
    let Thread { entry, argument } = *thread;
    process::in_program(|| match entry {
        // SAFETY: rule 1: a function of this type and its argument.
        Entry::Posix(start) => unsafe { start(argument) },
        Entry::C11(start) => {
            // SAFETY: as above.
            let result = unsafe { start(argument) };
            // `thrd_join` reads it out of the pointer.
            std::ptr::without_provenance_mut(result as isize as usize)
        }
    })
}

/// # Safety
/// As `pthread_create`.
unsafe fn create(
    id: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    thread: Thread,
) -> c_int {
    let thread = Box::into_raw(Box::new(thread));
    // SAFETY: by the caller; `run_thread` takes the box.
    let error = unsafe { libc::pthread_create(id, attributes, run_thread, thread.cast()) };
    if error != 0 {
        // SAFETY: no thread has taken it.
        drop(unsafe { Box::from_raw(thread) });
    }
    error
}

unsafe extern "C" fn pthread_create(
    id: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    let entry = Entry::Posix(start);
    // SAFETY: rule 1.
    unsafe { create(id, attributes, Thread { entry, argument }) }
}

unsafe extern "C" fn thrd_create(
    id: *mut libc::pthread_t,
    start: StartC11,
    argument: *mut c_void,
) -> c_int {
    const SUCCESS: c_int = 0;
    const ERROR: c_int = 2;
    const NO_MEMORY: c_int = 3;
    let entry = Entry::C11(start);
    // SAFETY: rule 1; in glibc `thrd_t` is `pthread_t`.
    match unsafe { create(id, std::ptr::null(), Thread { entry, argument }) } {
        0 => SUCCESS,
        libc::ENOMEM => NO_MEMORY,
        _ => ERROR,
    }
}
