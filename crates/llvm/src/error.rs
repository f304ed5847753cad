//! What can go wrong inside LLVM, each with LLVM's own words.

use crate::text;
use llvm_sys::error::{LLVMDisposeErrorMessage, LLVMErrorRef, LLVMGetErrorMessage};

/// An operation that LLVM refused. `message` is LLVM's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no readable bitcode or IR text.
    #[error("not readable as LLVM IR: {message}")]
    Read {
        /// LLVM's text.
        message: String,
    },
    /// The verifier found the module broken.
    #[error("rejected by the LLVM verifier: {message}")]
    Verify {
        /// LLVM's text; one line per finding.
        message: String,
    },
    /// Two modules do not fit together.
    #[error("cannot link the modules: {message}")]
    Link {
        /// LLVM's text.
        message: String,
    },
    /// A pass pipeline is misspelt or failed.
    #[error("optimisation pipeline {pipeline:?} failed: {message}")]
    Passes {
        /// The pipeline asked for.
        pipeline: String,
        /// LLVM's text.
        message: String,
    },
    /// No target machine for these parameters.
    #[error("no code generator for {what}: {message}")]
    Target {
        /// Triple or feature string.
        what: String,
        /// LLVM's text.
        message: String,
    },
    /// Code generation failed.
    #[error("code generation failed: {message}")]
    Codegen {
        /// LLVM's text.
        message: String,
    },
    /// The JIT linker failed: symbols missing, a relocation out of reach, no memory.
    #[error("cannot link the compiled code: {message}")]
    Jit {
        /// LLVM's text.
        message: String,
    },
    /// A change to a function is not possible; the module is as it was.
    #[error("cannot {change} function {function:?}: {message}")]
    Transform {
        /// What was asked for, as a verb.
        change: &'static str,
        /// The function's name.
        function: String,
        /// What is in the way.
        message: String,
    },
    /// No function of that name.
    #[error("no function named {name:?} in the module")]
    NoFunction {
        /// The name asked for.
        name: String,
    },
}

/// Takes an LLVM error apart; `None` is success.
///
/// # Safety
/// `error` is null or an error that nobody else consumes.
pub(crate) unsafe fn message_of(error: LLVMErrorRef) -> Option<String> {
    if error.is_null() {
        return None;
    }
    // SAFETY: LLVMGetErrorMessage consumes the error; its message is freed once, after the copy.
    unsafe {
        let raw = LLVMGetErrorMessage(error);
        let message = text::copied(raw);
        LLVMDisposeErrorMessage(raw);
        Some(message)
    }
}
