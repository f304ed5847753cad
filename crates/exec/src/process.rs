//! The process: signals, the program's `main`, and the end.
//!
//! ```text
//!  start --> engine, its threads take no signals --> constructors --> main --> exit
//!                                    exit, by whomever: the program's handlers, its destructors, report and trace
//! ```
//!
//! SAFETY of this file:
//! 1. `main`, constructors and destructors are called at addresses the engine gives for functions of the program; more
//!    arguments than they take do no harm in the C calling convention.
//! 2. `argv` and its strings are leaked: they live as long as the process, and the program may write to them.
//! 3. Signal sets are filled by the C library before they are used.
#![allow(unsafe_code)]

use crate::error::Error;
use crate::session::Session;
use crate::symbols;
use std::convert::Infallible;
use std::ffi::{CString, OsString, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

type Function = extern "C" fn(c_int, *mut *mut c_char, *mut *mut c_char) -> c_int;

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// Name of the engine's thread.
const COMPILER: &str = "compiler";

/// The process that started the run.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// The run, for the functions the C library calls at its end.
static SESSION: OnceLock<Session> = OnceLock::new();

/// Runs `f` so that threads it starts never handle a signal: signals are the program's, and so are their handlers.
pub fn without_signals<R>(f: impl FnOnce() -> R) -> R {
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: rule 3; `before` is filled by the first call and only read.
    unsafe {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let result = f();
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    result
}

/// Runs the program, and ends the process with its exit code.
pub fn hand_over(session: Session, arguments: Vec<OsString>) -> Result<Infallible, Error> {
    let count = arguments.len() as c_int;
    let mut pointers = Vec::new();
    for argument in arguments {
        let text = CString::new(argument.into_vec()).map_err(|e| Error::Argument {
            argument: String::from_utf8_lossy(&e.into_vec()).into_owned(),
        })?;
        pointers.push(text.into_raw());
    }
    pointers.push(std::ptr::null_mut());
    let argv = pointers.leak().as_mut_ptr();
    name_program(argv);
    OWNER.store(std::process::id(), Ordering::Relaxed);
    session.engine.trace().name_thread("main");
    let session = SESSION.get_or_init(|| session);
    // SAFETY: rules 1 and 2; functions given to `atexit` and `pthread_atfork` have their types. What is given last is
    // called first: handlers of the program, then its destructors, then ours.
    let code = unsafe {
        libc::pthread_atfork(Some(before_fork), None, None);
        libc::atexit(finish);
        libc::atexit(destroy);
        session.engine.call(|| {
            for address in &session.constructors {
                function(*address)(count, argv, environ);
            }
            function(session.main)(count, argv, environ)
        })
    };
    exit(code)
}

/// The engine, once the program runs.
pub fn engine() -> Option<&'static engine::tier::Engine> {
    SESSION.get().map(|session| &session.engine)
}

/// Runs `f`, which calls the program, on a thread the program started.
pub fn in_program<R>(f: impl FnOnce() -> R) -> R {
    match SESSION.get() {
        Some(session) => session.engine.call(f),
        None => f(),
    }
}

/// Ends the process as `exit` does.
pub fn exit(code: c_int) -> ! {
    stop();
    // SAFETY: runs the functions given to `atexit`.
    unsafe { libc::exit(code) }
}

/// Stops the compiler; code that is there stays and runs.
fn stop() {
    // LLVM may end the process on the compiler's thread, which cannot wait for itself.
    if std::thread::current().name() != Some(COMPILER)
        && let Some(session) = SESSION.get()
    {
        session.engine.stop();
    }
}

/// A new process has only the thread that called `fork`: no compiler. What both have compiled so far stays.
unsafe extern "C" fn before_fork() {
    stop();
}

/// The C library puts the program's name in front of some messages, such as those of `assert`.
fn name_program(argv: *mut *mut c_char) {
    // SAFETY: the C library's variables of these names are pointers to strings; rule 2 for the string, which is not
    // null: it is the first of at least one.
    unsafe {
        let name = *argv;
        if let Some(long) = symbols::variable(c"program_invocation_name") {
            *long = name;
        }
        if let Some(short) = symbols::variable(c"program_invocation_short_name") {
            let slash = libc::strrchr(name, c_int::from(b'/'));
            *short = if slash.is_null() { name } else { slash.add(1) };
        }
    }
}

/// # Safety
/// `address` is that of a function of the program, which may be called with the parameters of `main`.
unsafe fn function(address: usize) -> Function {
    // SAFETY: by the caller.
    unsafe { std::mem::transmute::<usize, Function>(address) }
}

extern "C" fn destroy() {
    for address in SESSION.get().iter().flat_map(|s| &s.destructors) {
        // SAFETY: rule 1; destructors take nothing.
        in_program(|| unsafe { function(*address)(0, std::ptr::null_mut(), std::ptr::null_mut()) });
    }
}

extern "C" fn finish() {
    // Who ends by other ways than `exit` comes here with the compiler at work.
    stop();
    // A process the program forked has nothing to say about the run.
    if OWNER.load(Ordering::Relaxed) == std::process::id()
        && let Some(session) = SESSION.get()
        && let Err(error) = session.write_outputs()
    {
        eprintln!("bareflow exec: {error}");
    }
}
