//! LLVM's start-up, and its last words when it cannot go on.

use std::ffi::{CStr, c_char};
use std::io::Write;
use std::sync::{Once, OnceLock};

/// Exit code of a process that LLVM ended: the runtime's code for a program it cannot run.
pub(crate) const EXIT_FATAL: i32 = 63;

/// Told before the process ends.
static TOLD: OnceLock<fn(&CStr)> = OnceLock::new();

/// Has `tell` called, on the thread it happens on, when LLVM cannot go on: it may end the thread, so that the process need not end.
/// The first call counts.
pub fn on_fatal(tell: fn(&CStr)) {
    let _ = TOLD.set(tell);
}

/// LLVM calls this instead of aborting (`report_fatal_error`: an intrinsic it cannot select, memory exhausted, ...).
/// There is no way back into LLVM from here; what is left is a clear message and a distinct exit code.
extern "C" fn fatal(reason: *const c_char) {
    let reason = if reason.is_null() {
        c"(no reason given)"
    } else {
        // SAFETY: LLVM passes a NUL-terminated string that lives during the call.
        unsafe { CStr::from_ptr(reason) }
    };
    if let Some(tell) = TOLD.get() {
        tell(reason);
    }
    let reason = reason.to_string_lossy();
    let _ = writeln!(
        std::io::stderr(),
        "error: LLVM cannot go on: {reason}\n  This is a limit or a bug of the compiler, met in this program's code; \
         a lower optimisation level (--opt O0) may avoid it."
    );
    std::process::exit(EXIT_FATAL);
}

/// Registers the X86 target and the fatal-error handler. Called by everything that needs it; cheap when repeated.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: plain registration functions, called once, before any other use of LLVM by this crate.
        unsafe {
            llvm_sys::error_handling::LLVMInstallFatalErrorHandler(Some(fatal));
            llvm_sys::target::LLVMInitializeX86TargetInfo();
            llvm_sys::target::LLVMInitializeX86Target();
            llvm_sys::target::LLVMInitializeX86TargetMC();
            llvm_sys::target::LLVMInitializeX86AsmPrinter();
            llvm_sys::target::LLVMInitializeX86AsmParser();
        }
    });
}
