//! The gate: one address by which a native program calls its kernel.
//!
//! A native program (`native.elf`) makes its system calls by a plain call of one address. On the bare machine the kernel
//! names it in the auxiliary vector, entry [`AT_BAREFLOW_GATE`]; where that entry is missing, in a Linux process, the
//! program calls a stub of its own. Both do exactly what these two instructions do:
//!
//! ```text
//!   gate:  syscall        number in rax; arguments in rdi, rsi, rdx, r10, r8, r9; result in rax
//!          ret            rcx and r11 are destroyed, all other registers stay
//! ```
//!
//! So the call pushes a return address (a caller has no red zone there), and a child of `clone` returns through
//! the word at the top of its new stack, as it would after the `ret` above.

/// Key of the auxiliary vector's entry that holds the gate's address. Linux uses keys up to 51; this one is far away.
pub const AT_BAREFLOW_GATE: u64 = 0xBF00;
