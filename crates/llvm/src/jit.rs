//! ORC's LLJIT over JITLink: objects in, addresses out.
//!
//! JITLink's in-process memory manager writes a unit into fresh read-write pages, and gives each segment its final
//! protection before any of it may run: code is never writable and executable at once.

use crate::error::{Error, message_of};
use crate::fatal;
use crate::target::TargetMachine;
use crate::text::c_string;
use llvm_sys::core::LLVMCreateMemoryBufferWithMemoryRangeCopy;
use llvm_sys::error::LLVMErrorRef;
use llvm_sys::orc2::ee::LLVMOrcCreateObjectLinkingLayerWithInProcessMemoryManager;
use llvm_sys::orc2::lljit::*;
use llvm_sys::orc2::*;
use std::cell::RefCell;
use std::ffi::{c_char, c_void};
use std::ptr;

/// What stands at an absolute address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolKind {
    /// Code.
    Function,
    /// Data.
    Data,
}

/// A linker and owner of code memory. Dropping it frees all code: nothing of it may run or be pointed to any more.
pub struct Jit {
    raw: LLVMOrcLLJITRef,
    /// What the session reported beside the error of the call, in order. Boxed: LLVM keeps its address.
    reports: Box<RefCell<Vec<String>>>,
}

extern "C" fn linking_layer(
    context: *mut c_void,
    session: LLVMOrcExecutionSessionRef,
    _triple: *const c_char,
) -> LLVMOrcObjectLayerRef {
    let mut layer = ptr::null_mut();
    // SAFETY: the session is being built into the LLJIT and alive; `context` is the `Option<String>` of `Jit::new`.
    unsafe {
        let error = LLVMOrcCreateObjectLinkingLayerWithInProcessMemoryManager(&mut layer, session);
        *context.cast::<Option<String>>() = message_of(error);
    }
    layer
}

extern "C" fn report(context: *mut c_void, error: LLVMErrorRef) {
    // SAFETY: `context` is the box of the `Jit`, alive as long as its session; the error is ours to consume.
    unsafe {
        let sink = &*context.cast::<RefCell<Vec<String>>>();
        if let (Some(message), Ok(mut list)) = (message_of(error), sink.try_borrow_mut()) {
            list.push(message);
        }
    }
}

impl Jit {
    /// An empty linker. `machine` is consumed: it only tells triple and layout.
    pub fn new(machine: TargetMachine) -> Result<Self, Error> {
        fatal::init();
        let failed = |message| Error::Jit { message };
        let mut layer_error: Option<String> = None;
        let mut raw = ptr::null_mut();
        let machine = std::mem::ManuallyDrop::new(machine);
        // SAFETY: the builder takes over the target machine builder, which takes over the machine; LLVMOrcCreateLLJIT
        // consumes the builder. `layer_error` lives during the call, the only time the creator runs.
        unsafe {
            let builder = LLVMOrcCreateLLJITBuilder();
            let target = LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(machine.raw());
            LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(builder, target);
            let context: *mut Option<String> = &mut layer_error;
            LLVMOrcLLJITBuilderSetObjectLinkingLayerCreator(builder, linking_layer, context.cast());
            if let Some(message) = message_of(LLVMOrcCreateLLJIT(&mut raw, builder)) {
                return Err(failed(message));
            }
        }
        let reports = Box::new(RefCell::new(Vec::new()));
        // SAFETY: the box outlives the session: `drop` disposes of the JIT before the field goes.
        unsafe {
            let sink: *const RefCell<Vec<String>> = &*reports;
            LLVMOrcExecutionSessionSetErrorReporter(
                LLVMOrcLLJITGetExecutionSession(raw),
                report,
                sink.cast_mut().cast(),
            );
        }
        match layer_error {
            Some(message) => Err(failed(message)),
            None => Ok(Jit { raw, reports }),
        }
    }

    fn check(&self, error: LLVMErrorRef) -> Result<(), Error> {
        // SAFETY: the caller got the error from LLVM just now and does not use it again.
        let message = unsafe { message_of(error) };
        let mut all = self.reports.take();
        match message {
            None => Ok(()),
            Some(last) => {
                all.push(last);
                Err(Error::Jit {
                    message: all.join("; "),
                })
            }
        }
    }

    /// Defines symbols that live outside: addresses of the runtime's functions and data.
    pub fn define_absolute(&self, symbols: &[(&str, usize, SymbolKind)]) -> Result<(), Error> {
        if symbols.is_empty() {
            return Ok(());
        }
        // SAFETY: each interned name is handed over to LLVMOrcAbsoluteSymbols, which copies the pairs.
        let error = unsafe {
            let mut pairs: Vec<LLVMOrcCSymbolMapPair> = symbols
                .iter()
                .map(|(name, address, kind)| {
                    let name = c_string(name);
                    let callable = match kind {
                        SymbolKind::Function => {
                            LLVMJITSymbolGenericFlags::LLVMJITSymbolGenericFlagsCallable as u8
                        }
                        SymbolKind::Data => 0,
                    };
                    LLVMOrcCSymbolMapPair {
                        Name: LLVMOrcLLJITMangleAndIntern(self.raw, name.as_ptr()),
                        Sym: LLVMJITEvaluatedSymbol {
                            Address: *address as u64,
                            Flags: LLVMJITSymbolFlags {
                                GenericFlags:
                                    LLVMJITSymbolGenericFlags::LLVMJITSymbolGenericFlagsExported
                                        as u8
                                        | callable,
                                TargetFlags: 0,
                            },
                        },
                    }
                })
                .collect();
            let unit = LLVMOrcAbsoluteSymbols(pairs.as_mut_ptr(), pairs.len());
            let dylib = LLVMOrcLLJITGetMainJITDylib(self.raw);
            let error = LLVMOrcJITDylibDefine(dylib, unit);
            if !error.is_null() {
                LLVMOrcDisposeMaterializationUnit(unit);
            }
            error
        };
        self.check(error)
    }

    /// Adds a relocatable object. It is linked when one of its symbols is looked up.
    pub fn add_object(&self, name: &str, object: &[u8]) -> Result<(), Error> {
        let name = c_string(name);
        // SAFETY: the buffer is a copy that the JIT takes over, also on failure.
        let error = unsafe {
            let buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(
                object.as_ptr().cast(),
                object.len(),
                name.as_ptr(),
            );
            LLVMOrcLLJITAddObjectFile(self.raw, LLVMOrcLLJITGetMainJITDylib(self.raw), buffer)
        };
        self.check(error)
    }

    /// Address of a symbol; links what it needs first.
    pub fn lookup(&self, name: &str) -> Result<usize, Error> {
        let c_name = c_string(name);
        let mut address = 0;
        // SAFETY: the string is NUL-terminated; `address` is written on success.
        let error = unsafe { LLVMOrcLLJITLookup(self.raw, &mut address, c_name.as_ptr()) };
        self.check(error)?;
        Ok(address as usize)
    }
}

impl Drop for Jit {
    fn drop(&mut self) {
        // SAFETY: made by LLVM, disposed of once; a failure on the way out has no one to hear it.
        unsafe {
            let _ = message_of(LLVMOrcDisposeLLJIT(self.raw));
        }
    }
}
