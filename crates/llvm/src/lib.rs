//! Safe wrapper over what is used of LLVM's C API.
//!
//! ```text
//!  bitcode --> Module ---link---> Module ---run_passes---> Module ---TargetMachine::emit---> object bytes
//!                 \__ verify                                                                     |
//!                                                                                  Jit::add_object --> lookup
//! ```
//!
//! Rules that make it safe:
//!
//! 1. A [`Module`] borrows its [`Context`]; a [`Function`] borrows its module. Nothing outlives its owner.
//! 2. A context is used by one thread at a time (`Send`, not `Sync`). Parallel compilation takes one context per
//!    thread and moves modules between them as bitcode.
//! 3. LLVM's diagnostics are collected in the context and come back as messages of [`Error`]; nothing is printed and
//!    LLVM never ends the process, except where it would abort: then the handler of [`init`] says so and where.
//! 4. Only the X86 target exists. CPU name and features are always passed explicitly: LLVM's guess of the CPU's name is
//!    wrong on emulated processors.

mod compress;
mod context;
mod error;
mod fatal;
pub mod ir;
mod jit;
pub mod keep;
mod module;
mod shape;
mod target;
mod text;
mod transform;

pub use compress::zstd;
pub use context::{Context, Diagnostic, Severity};
pub use error::Error;
pub use fatal::{init, on_fatal};
pub use jit::{Jit, SymbolKind};
pub use module::{Function, Linkage, Module};
pub use shape::Shape;
pub use target::{CodegenLevel, FileType, HostCpu, TRIPLE, TargetMachine};
pub use transform::{Known, Nested, OsrLoop, OsrValue, PollLoop, Variant};

/// Version of the LLVM this was built against, `major.minor.patch`.
pub fn version() -> (u32, u32, u32) {
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: three valid out-pointers; the function only writes them.
    unsafe { llvm_sys::core::LLVMGetVersion(&mut major, &mut minor, &mut patch) };
    (major, minor, patch)
}
