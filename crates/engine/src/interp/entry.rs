//! What the interpreter knows of each function of the program.

use super::code::Code;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A function: its code, its machine code if there is some, and how often it was called.
///
/// Its address is fixed while the image lives; instructions and machine code stubs hold it.
#[derive(Debug)]
pub struct FuncEntry {
    pub(crate) name: String,
    /// Decoded form; absent for functions that are machine code only.
    pub(crate) code: OnceLock<Box<Code>>,
    /// The same as a plain pointer for the loop; null if there is none.
    pub(crate) hot: std::sync::atomic::AtomicPtr<Code>,
    /// Address of machine code; 0 if there is none.
    pub(crate) native: AtomicUsize,
    /// Number of its type.
    pub(crate) signature: u32,
    /// Code that calls machine code of this type; 0 until it is made.
    pub(crate) thunk: AtomicUsize,
    /// Words of its parameters, the hidden one of variadic functions included.
    pub(crate) arg_slots: u32,
    pub(crate) calls: AtomicU64,
}

impl FuncEntry {
    pub(crate) fn new(name: String, signature: u32, arg_slots: u32) -> Self {
        FuncEntry {
            name,
            code: OnceLock::new(),
            hot: std::sync::atomic::AtomicPtr::new(null_mut()),
            native: AtomicUsize::new(0),
            signature,
            thunk: AtomicUsize::new(0),
            arg_slots,
            calls: AtomicU64::new(0),
        }
    }

    /// Its symbol.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its decoded form, if it is interpreted.
    pub fn code(&self) -> Option<&Code> {
        self.code.get().map(|c| &**c)
    }

    /// Calls so far that went through the interpreter.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Backward jumps taken in it so far, in steps of [`HEAT_STEP`](super::HEAT_STEP).
    pub fn back_edges(&self) -> u64 {
        self.code()
            .map_or(0, |c| c.back_edges.load(Ordering::Relaxed))
    }

    pub(crate) fn set_code(&self, code: Code) {
        let code = self.code.get_or_init(|| Box::new(code));
        self.hot
            .store((&raw const **code).cast_mut(), Ordering::Release);
    }
}
