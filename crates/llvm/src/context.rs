//! An LLVM context, and the diagnostics raised inside it.

use crate::{fatal, text};
use llvm_sys::LLVMDiagnosticSeverity;
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use std::cell::RefCell;
use std::ffi::c_void;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// What an optimisation did or missed.
    Remark,
    /// Additional information.
    Note,
    /// Suspicious.
    Warning,
    /// The operation failed.
    Error,
}

/// One diagnostic LLVM raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// LLVM's text.
    pub message: String,
}

/// Owns types and constants of the modules made in it. One thread at a time may use it.
pub struct Context {
    raw: LLVMContextRef,
    /// Boxed: LLVM keeps its address.
    diagnostics: Box<RefCell<Vec<Diagnostic>>>,
}

// SAFETY: a context may be used from any thread, by one at a time. `Context` is not `Sync`, and everything made from it
// borrows it without being `Send`, so it moves only when nothing else refers to it.
unsafe impl Send for Context {}

extern "C" fn collect(info: LLVMDiagnosticInfoRef, sink: *mut c_void) {
    // SAFETY: `sink` is the box of the context that LLVM is working for: alive, and used by this thread only.
    let sink = unsafe { &*sink.cast::<RefCell<Vec<Diagnostic>>>() };
    // SAFETY: `info` lives during the call; the description is handed over to us.
    let (severity, message) = unsafe {
        (
            LLVMGetDiagInfoSeverity(info),
            text::taken(LLVMGetDiagInfoDescription(info)),
        )
    };
    let severity = match severity {
        LLVMDiagnosticSeverity::LLVMDSError => Severity::Error,
        LLVMDiagnosticSeverity::LLVMDSWarning => Severity::Warning,
        LLVMDiagnosticSeverity::LLVMDSNote => Severity::Note,
        LLVMDiagnosticSeverity::LLVMDSRemark => Severity::Remark,
    };
    if let Ok(mut list) = sink.try_borrow_mut() {
        list.push(Diagnostic { severity, message });
    }
}

impl Context {
    /// A fresh context.
    pub fn new() -> Self {
        fatal::init();
        let diagnostics = Box::new(RefCell::new(Vec::new()));
        // SAFETY: the box's address stays valid until `drop` disposes of the context first.
        let raw = unsafe {
            let raw = LLVMContextCreate();
            let sink: *const RefCell<Vec<Diagnostic>> = &*diagnostics;
            LLVMContextSetDiagnosticHandler(raw, Some(collect), sink.cast_mut().cast());
            raw
        };
        Context { raw, diagnostics }
    }

    /// Drops the names of local values as IR is read: smaller and faster, less readable dumps.
    /// IR text cannot be read then.
    pub fn discard_value_names(&self, discard: bool) {
        // SAFETY: the context is alive.
        unsafe { LLVMContextSetDiscardValueNames(self.raw, discard.into()) }
    }

    /// Takes the diagnostics collected since the last call.
    pub fn take_diagnostics(&self) -> Vec<Diagnostic> {
        self.diagnostics.take()
    }

    /// Takes the diagnostics and joins the errors among them; `fallback` when there are none.
    pub(crate) fn errors_or(&self, fallback: &str) -> String {
        let all = self.take_diagnostics();
        let errors: Vec<_> = all
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .map(|d| d.message.as_str())
            .collect();
        if errors.is_empty() {
            fallback.to_owned()
        } else {
            errors.join("; ")
        }
    }

    pub(crate) fn raw(&self) -> LLVMContextRef {
        self.raw
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: every module borrowed `self`, so none is left; the diagnostics box is dropped afterwards.
        unsafe { LLVMContextDispose(self.raw) }
    }
}
