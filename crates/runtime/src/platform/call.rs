//! The step from the runtime into compiled code.

use engine::Code;

/// Calls the program's entry, `i32 ()`, and gives back what it returned.
pub fn entry(code: &Code) -> i32 {
    // SAFETY:
    // 1. `entry` is the address of the entry function, linked and executable while `code` lives.
    // 2. A program's entry has the signature `i32 ()` by the guest interface; a C `i32 (void)` is the same call.
    // 3. The code may do anything a program may: it was verified as IR, and is trusted as any program is.
    let f: extern "C" fn() -> i32 = unsafe { std::mem::transmute(code.entry()) };
    f()
}
