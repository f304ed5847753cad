//! A module of IR: read, verify, link, inspect, change, optimise, write.

use crate::context::Context;
use crate::error::{Error, message_of};
use crate::target::TargetMachine;
use crate::text::{self, c_string};
use llvm_sys::analysis::{LLVMVerifierFailureAction, LLVMVerifyModule};
use llvm_sys::bit_reader::LLVMParseBitcodeInContext2;
use llvm_sys::bit_writer::LLVMWriteBitcodeToMemoryBuffer;
use llvm_sys::core::*;
use llvm_sys::ir_reader::LLVMParseIRInContext2;
use llvm_sys::linker::LLVMLinkModules2;
use llvm_sys::prelude::*;
use llvm_sys::target_machine::LLVMTargetMachineRef;
use llvm_sys::transforms::pass_builder::*;
use llvm_sys::{LLVMAttributeFunctionIndex, LLVMLinkage, LLVMVisibility};
use std::collections::HashSet;
use std::ffi::c_char;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr;

unsafe extern "C" {
    fn bareflow_run_passes(
        module: LLVMModuleRef,
        pipeline: *const c_char,
        length: usize,
        machine: LLVMTargetMachineRef,
        unrolls: bool,
    ) -> *mut c_char;
}

/// Who can see a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linkage {
    /// This module only.
    Internal,
    /// Everyone.
    External,
    /// One of several equal definitions, or a definition another may replace (weak, linkonce, common).
    Shared,
    /// A copy for inlining; the real one is elsewhere.
    AvailableExternally,
}

/// A module that borrows its context.
pub struct Module<'c> {
    raw: LLVMModuleRef,
    context: &'c Context,
}

/// Copies a buffer that LLVM made, and frees it.
///
/// # Safety
/// `buffer` is a buffer made by LLVM that nobody else frees.
pub(crate) unsafe fn take_buffer(buffer: LLVMMemoryBufferRef) -> Vec<u8> {
    // SAFETY: start and size describe the buffer's memory, alive until it is disposed of after the copy.
    unsafe {
        let start = LLVMGetBufferStart(buffer).cast::<u8>();
        let bytes = std::slice::from_raw_parts(start, LLVMGetBufferSize(buffer)).to_vec();
        LLVMDisposeMemoryBuffer(buffer);
        bytes
    }
}

impl<'c> Module<'c> {
    /// An empty module for [`TRIPLE`](crate::TRIPLE).
    pub fn new(context: &'c Context, name: &str) -> Self {
        let (name, triple) = (c_string(name), c_string(crate::TRIPLE));
        // SAFETY: the context is alive; strings are NUL-terminated.
        let raw = unsafe {
            let raw = LLVMModuleCreateWithNameInContext(name.as_ptr(), context.raw());
            LLVMSetTarget(raw, triple.as_ptr());
            raw
        };
        Module { raw, context }
    }

    /// Reads bitcode. The bytes are not needed afterwards. Valid bitcode is not yet valid IR: see [`Module::verify`].
    pub fn from_bitcode(context: &'c Context, name: &str, bitcode: &[u8]) -> Result<Self, Error> {
        Self::check_signature(bitcode)?;
        context.take_diagnostics();
        let name = c_string(name);
        let mut raw = ptr::null_mut();
        // SAFETY: the buffer refers to `bitcode`, alive during the call, and is freed right after it: the eager reader
        // keeps nothing of it. `raw` is written only on success.
        let failed = unsafe {
            let buffer = LLVMCreateMemoryBufferWithMemoryRange(
                bitcode.as_ptr().cast(),
                bitcode.len(),
                name.as_ptr(),
                0,
            );
            let failed = LLVMParseBitcodeInContext2(context.raw(), buffer, &mut raw);
            LLVMDisposeMemoryBuffer(buffer);
            failed
        };
        if failed != 0 || raw.is_null() {
            return Err(Error::Read {
                message: context.errors_or("no reason given"),
            });
        }
        let module = Module { raw, context };
        module.set_name(&name.to_string_lossy());
        Ok(module)
    }

    /// LLVM's reader asserts nothing in a release build, but reads a word before it looks at the size.
    pub(crate) fn check_signature(bitcode: &[u8]) -> Result<(), Error> {
        if bitcode.len() >= 8
            && (bitcode.starts_with(b"BC\xC0\xDE")
                || bitcode.starts_with(&[0xDE, 0xC0, 0x17, 0x0B]))
        {
            return Ok(());
        }
        Err(Error::Read {
            message: format!(
                "{} bytes that do not start with the bitcode signature",
                bitcode.len()
            ),
        })
    }

    /// Reads IR text (`.ll`) or bitcode.
    pub fn from_ir(context: &'c Context, name: &str, text: &str) -> Result<Self, Error> {
        context.take_diagnostics();
        let name = c_string(name);
        let (mut raw, mut message) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the buffer is a copy (the parser wants a NUL at its end), freed by us; `message` is ours on failure.
        let failed = unsafe {
            let buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(
                text.as_ptr().cast(),
                text.len(),
                name.as_ptr(),
            );
            let failed = LLVMParseIRInContext2(context.raw(), buffer, &mut raw, &mut message);
            LLVMDisposeMemoryBuffer(buffer);
            failed
        };
        if failed != 0 {
            // SAFETY: on failure LLVM hands the message over.
            let message = unsafe { text::taken(message) };
            return Err(Error::Read { message });
        }
        Ok(Module { raw, context })
    }

    /// Names the module in messages and dumps.
    pub fn set_name(&self, name: &str) {
        // SAFETY: pointer and length describe `name`.
        unsafe { LLVMSetModuleIdentifier(self.raw, name.as_ptr().cast(), name.len()) }
    }

    /// The module's target triple as it was read.
    pub fn triple(&self) -> String {
        // SAFETY: LLVM owns the string, which lives as long as the module.
        unsafe { text::copied(LLVMGetTarget(self.raw)) }
    }

    /// Sets the triple: modules of different front-ends spell the same one differently.
    pub fn set_triple(&self, triple: &str) {
        let triple = c_string(triple);
        // SAFETY: NUL-terminated; LLVM copies it.
        unsafe { LLVMSetTarget(self.raw, triple.as_ptr()) }
    }

    /// The module's data layout string; empty if it has none.
    pub fn data_layout(&self) -> String {
        // SAFETY: LLVM owns the string, which lives as long as the module.
        unsafe { text::copied(LLVMGetDataLayoutStr(self.raw)) }
    }

    /// Runs the verifier; every finding is in the error's text.
    pub fn verify(&self) -> Result<(), Error> {
        let mut message = ptr::null_mut();
        let action = LLVMVerifierFailureAction::LLVMReturnStatusAction;
        // SAFETY: the module is alive; the message is handed over whatever the outcome.
        let (broken, message) = unsafe {
            let broken = LLVMVerifyModule(self.raw, action, &mut message);
            (broken, text::taken(message))
        };
        if broken != 0 {
            Err(Error::Verify {
                message: message.trim_end().to_owned(),
            })
        } else {
            Ok(())
        }
    }

    /// Links `other` into this module and consumes it. Both must be of one context.
    pub fn link(&mut self, other: Module<'c>) -> Result<(), Error> {
        if !ptr::eq(self.context, other.context) {
            return Err(Error::Link {
                message: "the modules belong to different contexts".into(),
            });
        }
        self.context.take_diagnostics();
        let other = ManuallyDrop::new(other);
        // SAFETY: same context; LLVMLinkModules2 destroys the source, so it is not dropped by us.
        let failed = unsafe { LLVMLinkModules2(self.raw, other.raw) };
        if failed != 0 {
            return Err(Error::Link {
                message: self.context.errors_or("no reason given"),
            });
        }
        Ok(())
    }

    /// A deep copy in the same context.
    pub fn duplicate(&self) -> Module<'c> {
        // SAFETY: the module is alive.
        let raw = unsafe { LLVMCloneModule(self.raw) };
        Module {
            raw,
            context: self.context,
        }
    }

    /// Writes bitcode.
    pub fn to_bitcode(&self) -> Vec<u8> {
        // SAFETY: the module is alive; the buffer is ours.
        unsafe { take_buffer(LLVMWriteBitcodeToMemoryBuffer(self.raw)) }
    }

    /// Prints IR text.
    pub fn to_ir(&self) -> String {
        // SAFETY: the message is ours.
        unsafe { text::taken(LLVMPrintModuleToString(self.raw)) }
    }

    /// Forgets source files, lines, and the names and types of variables. True if there was something to forget.
    pub fn strip_debug_info(&mut self) -> bool {
        // SAFETY: the module is alive, and nobody else looks at it.
        unsafe { llvm_sys::debuginfo::LLVMStripModuleDebugInfo(self.raw) != 0 }
    }

    /// Runs a pass pipeline in `opt`'s notation, such as `default<O2>` or `globaldce`. LLVM's passes, but one that compares
    /// all accesses of a loop with one another leaves functions with very long blocks alone.
    pub fn run_passes(
        &mut self,
        pipeline: &str,
        machine: Option<&TargetMachine>,
    ) -> Result<(), Error> {
        self.run(pipeline, machine, true)
    }

    /// The same, but loops are not unrolled: for code that is large already.
    pub fn run_passes_in_place(
        &mut self,
        pipeline: &str,
        machine: Option<&TargetMachine>,
    ) -> Result<(), Error> {
        self.run(pipeline, machine, false)
    }

    fn run(
        &mut self,
        pipeline: &str,
        machine: Option<&TargetMachine>,
        unrolls: bool,
    ) -> Result<(), Error> {
        self.context.take_diagnostics();
        let machine = machine.map_or(ptr::null_mut(), TargetMachine::raw);
        // SAFETY: module, string and machine are alive; the message is ours.
        let message = unsafe {
            let message = bareflow_run_passes(
                self.raw,
                pipeline.as_ptr().cast(),
                pipeline.len(),
                machine,
                unrolls,
            );
            (!message.is_null()).then(|| text::taken(message))
        };
        match message {
            Some(message) => Err(Error::Passes {
                pipeline: pipeline.to_owned(),
                message,
            }),
            None => Ok(()),
        }
    }

    /// Runs a function pass pipeline, such as `sccp,simplifycfg`, over one function.
    pub fn run_passes_on(&mut self, function: &str, pipeline: &str) -> Result<(), Error> {
        let raw = self
            .function(function)
            .filter(|f| !f.is_declaration())
            .ok_or_else(|| Error::NoFunction {
                name: function.to_owned(),
            })?
            .raw;
        let text = c_string(pipeline);
        // SAFETY: function and string are alive; options are freed after the run.
        let error = unsafe {
            let options = LLVMCreatePassBuilderOptions();
            let error = LLVMRunPassesOnFunction(raw, text.as_ptr(), ptr::null_mut(), options);
            LLVMDisposePassBuilderOptions(options);
            message_of(error)
        };
        match error {
            Some(message) => Err(Error::Passes {
                pipeline: pipeline.to_owned(),
                message,
            }),
            None => Ok(()),
        }
    }

    /// All functions, declarations and intrinsics included.
    pub fn functions(&self) -> Vec<Function<'_>> {
        let mut list = Vec::new();
        // SAFETY: walks LLVM's list of a module that is not changed meanwhile.
        unsafe {
            let mut f = LLVMGetFirstFunction(self.raw);
            while !f.is_null() {
                list.push(Function {
                    raw: f,
                    module: PhantomData,
                });
                f = LLVMGetNextFunction(f);
            }
        }
        list
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<Function<'_>> {
        // SAFETY: pointer and length describe `name`.
        let raw =
            unsafe { LLVMGetNamedFunctionWithLength(self.raw, name.as_ptr().cast(), name.len()) };
        (!raw.is_null()).then_some(Function {
            raw,
            module: PhantomData,
        })
    }

    /// Every global value: functions, variables, aliases.
    fn globals(&self) -> Vec<LLVMValueRef> {
        let mut list: Vec<LLVMValueRef> = self.functions().iter().map(|f| f.raw).collect();
        // SAFETY: walks LLVM's lists of a module that is not changed meanwhile.
        unsafe {
            let mut g = LLVMGetFirstGlobal(self.raw);
            while !g.is_null() {
                list.push(g);
                g = LLVMGetNextGlobal(g);
            }
            let mut a = LLVMGetFirstGlobalAlias(self.raw);
            while !a.is_null() {
                list.push(a);
                a = LLVMGetNextGlobalAlias(a);
            }
        }
        list
    }

    /// Symbols this module declares but does not define, intrinsics left out; sorted.
    pub fn undefined_symbols(&self) -> Vec<String> {
        self.symbols(|g| {
            // SAFETY: `g` is a global value of this module.
            unsafe { LLVMIsDeclaration(g) != 0 }
        })
    }

    /// Symbols this module defines for others; sorted.
    pub fn defined_symbols(&self) -> Vec<String> {
        self.symbols(|g| {
            // SAFETY: `g` is a global value of this module.
            let (declaration, linkage) = unsafe { (LLVMIsDeclaration(g) != 0, LLVMGetLinkage(g)) };
            !declaration && matches!(of_llvm(linkage), Linkage::External | Linkage::Shared)
        })
    }

    fn symbols(&self, wanted: impl Fn(LLVMValueRef) -> bool) -> Vec<String> {
        let mut names: Vec<String> = self
            .globals()
            .into_iter()
            .filter(|g| wanted(*g))
            .map(name_of)
            .filter(|n| !n.is_empty() && !n.starts_with("llvm."))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Makes every definition internal except those named: what nobody uses can then be removed (`globaldce`).
    pub fn internalise(&self, keep: &[&str]) {
        for g in self.globals() {
            let name = name_of(g);
            // SAFETY: `g` is a global value of this module.
            unsafe {
                let appending = LLVMGetLinkage(g) == LLVMLinkage::LLVMAppendingLinkage;
                if LLVMIsDeclaration(g) == 0
                    && !appending
                    && !name.starts_with("llvm.")
                    && !keep.contains(&&*name)
                {
                    LLVMSetLinkage(g, LLVMLinkage::LLVMInternalLinkage);
                    LLVMSetVisibility(g, LLVMVisibility::LLVMDefaultVisibility);
                    if LLVMIsAGlobalObject(g) == g {
                        llvm_sys::comdat::LLVMSetComdat(g, ptr::null_mut());
                    }
                }
            }
        }
    }

    /// Makes internal symbols visible to other units of one program (hidden), with `suffix` appended to their names
    /// so that units do not clash. The addresses of functions can then be looked up.
    pub fn externalise(&self, suffix: &str) {
        for g in self.globals() {
            let name = name_of(g);
            // SAFETY: `g` is a global value of this module; the new name is copied.
            unsafe {
                let internal = matches!(of_llvm(LLVMGetLinkage(g)), Linkage::Internal);
                if LLVMIsDeclaration(g) == 0 && internal && !name.starts_with("llvm.") {
                    // LLVM numbers nameless symbols in each unit anew; equal names it tells apart by itself.
                    let name = if name.is_empty() { "nameless" } else { &name };
                    let new = format!("{name}{suffix}");
                    LLVMSetValueName2(g, new.as_ptr().cast(), new.len());
                    LLVMSetLinkage(g, LLVMLinkage::LLVMExternalLinkage);
                    LLVMSetVisibility(g, LLVMVisibility::LLVMHiddenVisibility);
                }
            }
        }
    }

    /// Whether `name` is a definition that no other may replace.
    pub fn is_strong(&self, name: &str) -> bool {
        let c_name = c_string(name);
        // SAFETY: strings describe `name`; found values belong to this module.
        unsafe {
            let mut g = LLVMGetNamedFunctionWithLength(self.raw, name.as_ptr().cast(), name.len());
            if g.is_null() {
                g = LLVMGetNamedGlobal(self.raw, c_name.as_ptr());
            }
            !g.is_null()
                && LLVMIsDeclaration(g) == 0
                && of_llvm(LLVMGetLinkage(g)) == Linkage::External
        }
    }

    /// Whether [`Module::keep_only`] can cut the module: no aliases, whose target would have to come along, and nothing
    /// shared, which each unit would define again.
    pub fn can_split(&self) -> bool {
        self.globals().into_iter().all(|g| {
            // SAFETY: `g` is a global value of this module.
            unsafe {
                LLVMIsAGlobalAlias(g).is_null()
                    && (LLVMIsDeclaration(g) != 0
                        || matches!(
                            of_llvm(LLVMGetLinkage(g)),
                            Linkage::External | Linkage::Internal
                        ))
            }
        })
    }

    /// Marks every definition that is not among `functions` (and, without `variables`, every variable) as available
    /// elsewhere: good for inlining, then dropped by the pass `elim-avail-extern`. Nothing may be internal: see
    /// [`Module::externalise`].
    pub fn keep_only(&mut self, functions: &[&str], variables: bool) {
        let functions = functions.iter().copied().collect();
        self.cut(&functions, None, variables);
    }

    /// Like [`Module::keep_only`], but functions that are not among `copies` lose their body at once.
    pub fn keep_with_copies(
        &mut self,
        functions: &HashSet<&str>,
        copies: &HashSet<&str>,
        variables: bool,
    ) {
        self.cut(functions, Some(copies), variables);
    }

    fn cut(&mut self, functions: &HashSet<&str>, copies: Option<&HashSet<&str>>, variables: bool) {
        for g in self.globals() {
            let name = name_of(g);
            // SAFETY: `g` is a global value of this module; linkage changes, and a body is replaced by nothing.
            unsafe {
                if LLVMIsDeclaration(g) != 0 || name.starts_with("llvm.") {
                    continue;
                }
                let is_function = !LLVMIsAFunction(g).is_null();
                let kept = if is_function {
                    functions.contains(name.as_str())
                } else {
                    variables
                };
                if !kept {
                    LLVMSetLinkage(g, LLVMLinkage::LLVMAvailableExternallyLinkage);
                    if is_function && copies.is_some_and(|c| !c.contains(name.as_str())) {
                        self.drop_body(g);
                    }
                }
            }
        }
    }

    /// Turns a function into a declaration.
    ///
    /// # Safety
    /// `function` is a function of this module; no handle to anything inside it is alive.
    unsafe fn drop_body(&self, function: LLVMValueRef) {
        // SAFETY: as the caller promised. Uses go over to a declaration of the same type, name and calling convention.
        unsafe {
            let name = name_of(function);
            let new = LLVMAddFunction(self.raw, c"".as_ptr(), LLVMGlobalGetValueType(function));
            LLVMSetFunctionCallConv(new, LLVMGetFunctionCallConv(function));
            LLVMSetVisibility(new, LLVMGetVisibility(function));
            copy_attributes(function, new);
            LLVMReplaceAllUsesWith(function, new);
            LLVMDeleteFunction(function);
            LLVMSetValueName2(new, name.as_ptr().cast(), name.len());
        }
    }

    /// Makes the function of that name a declaration, if it is there with a body or as another name of a function. Other
    /// names that this one has must be forgotten, too: they would stand for a declaration.
    pub fn forget_body(&mut self, name: &str) {
        self.forget_alias(name);
        if let Some(raw) = self
            .function(name)
            .filter(|f| !f.is_declaration())
            .map(|f| f.raw)
        {
            // SAFETY: no handle into the function is alive, because `self` is borrowed mutably.
            unsafe { self.drop_body(raw) }
        }
    }

    /// Drops the assembly that stands outside of functions.
    pub fn drop_assembly(&mut self) {
        // SAFETY: the module is alive; nothing is read of an empty text.
        unsafe { LLVMSetModuleInlineAsm2(self.raw, c"".as_ptr(), 0) }
    }

    /// Gives the function of that name a body that traps, whatever it was before. Its address and type stay.
    pub fn replace_with_trap(&mut self, name: &str) -> Result<(), Error> {
        let old = self
            .function(name)
            .ok_or_else(|| Error::NoFunction {
                name: name.to_owned(),
            })?
            .raw;
        let trap = "llvm.trap";
        // SAFETY: a new function of the same type takes over name and uses of the old one, which is then deleted; no
        // `Function` handle is alive, because `self` is borrowed mutably.
        unsafe {
            let ty = LLVMGlobalGetValueType(old);
            let new = LLVMAddFunction(self.raw, c"".as_ptr(), ty);
            LLVMSetLinkage(new, LLVMGetLinkage(old));
            LLVMSetVisibility(new, LLVMGetVisibility(old));
            LLVMSetFunctionCallConv(new, LLVMGetFunctionCallConv(old));
            let id = LLVMLookupIntrinsicID(trap.as_ptr().cast(), trap.len());
            let callee = LLVMGetIntrinsicDeclaration(self.raw, id, ptr::null_mut(), 0);
            let callee_ty = LLVMIntrinsicGetType(self.context.raw(), id, ptr::null_mut(), 0);
            let block = LLVMAppendBasicBlockInContext(self.context.raw(), new, c"".as_ptr());
            let builder = LLVMCreateBuilderInContext(self.context.raw());
            LLVMPositionBuilderAtEnd(builder, block);
            LLVMBuildCall2(builder, callee_ty, callee, ptr::null_mut(), 0, c"".as_ptr());
            LLVMBuildUnreachable(builder);
            LLVMDisposeBuilder(builder);
            LLVMReplaceAllUsesWith(old, new);
            LLVMDeleteFunction(old);
            LLVMSetValueName2(new, name.as_ptr().cast(), name.len());
        }
        Ok(())
    }

    /// Replaces the results of all direct calls of the integer function `name` by a constant and removes the calls.
    /// Returns the names of the functions that had any.
    pub fn fold_calls(&mut self, name: &str, value: u64) -> Vec<String> {
        let Some(function) = self.function(name).map(|f| f.raw) else {
            return Vec::new();
        };
        let mut calls = Vec::new();
        let mut callers = Vec::new();
        // SAFETY: walks the use list first and changes it afterwards; only calls whose callee is the function and whose
        // result is an integer are replaced.
        unsafe {
            let ty = LLVMGetReturnType(LLVMGlobalGetValueType(function));
            if LLVMGetTypeKind(ty) != llvm_sys::LLVMTypeKind::LLVMIntegerTypeKind {
                return Vec::new();
            }
            let mut u = LLVMGetFirstUse(function);
            while !u.is_null() {
                let user = LLVMGetUser(u);
                if !LLVMIsACallInst(user).is_null() && LLVMGetCalledValue(user) == function {
                    calls.push(user);
                }
                u = LLVMGetNextUse(u);
            }
            for call in &calls {
                callers.push(name_of(LLVMGetBasicBlockParent(LLVMGetInstructionParent(
                    *call,
                ))));
                LLVMReplaceAllUsesWith(*call, LLVMConstInt(ty, value, 0));
                LLVMInstructionEraseFromParent(*call);
            }
        }
        callers.sort_unstable();
        callers.dedup();
        callers
    }

    /// Makes calls of outside functions go through the linker's stubs instead of a load from its table (what rustc
    /// asks for with `nonlazybind` and the module flag `RtLibUseGOT`).
    ///
    /// JITLink must not see such loads: it rewrites `call *f@GOTPCREL(%rip)` into a relative call whenever `f` lies below
    /// 4 GiB, also when the call cannot reach it, and all of a static program lies there.
    pub fn call_through_stubs(&self) {
        for f in self.functions() {
            f.remove_attribute("nonlazybind");
        }
        let flags = c"llvm.module.flags";
        // SAFETY: operands of the module's own flags; each is a node of three operands: behaviour, name, value. The vector
        // has room for all of them. Replacing an operand of a uniqued node is allowed.
        unsafe {
            let count = LLVMGetNamedMetadataNumOperands(self.raw, flags.as_ptr());
            let mut nodes = vec![ptr::null_mut(); count as usize];
            LLVMGetNamedMetadataOperands(self.raw, flags.as_ptr(), nodes.as_mut_ptr());
            for node in nodes {
                let count = LLVMGetMDNodeNumOperands(node);
                let mut operands = vec![ptr::null_mut(); count as usize];
                LLVMGetMDNodeOperands(node, operands.as_mut_ptr());
                let Some(name) = operands.get(1).filter(|n| !n.is_null()) else {
                    continue;
                };
                let mut len = 0;
                let text = LLVMGetMDString(*name, &mut len);
                if text::sized(text, len as usize) == "RtLibUseGOT" {
                    let zero = LLVMConstInt(LLVMInt32TypeInContext(self.context.raw()), 0, 0);
                    LLVMReplaceMDNodeOperandWith(node, 2, LLVMValueAsMetadata(zero));
                }
            }
        }
    }

    /// Takes over a module that was made in `context`.
    pub(crate) fn from_raw(raw: LLVMModuleRef, context: &'c Context) -> Self {
        Module { raw, context }
    }

    pub(crate) fn raw(&self) -> LLVMModuleRef {
        self.raw
    }

    /// The context it was made in.
    pub fn context(&self) -> &'c Context {
        self.context
    }
}

impl Drop for Module<'_> {
    fn drop(&mut self) {
        // SAFETY: the context outlives `self`; no function handle is left.
        unsafe { LLVMDisposeModule(self.raw) }
    }
}

fn of_llvm(linkage: LLVMLinkage) -> Linkage {
    match linkage {
        LLVMLinkage::LLVMInternalLinkage | LLVMLinkage::LLVMPrivateLinkage => Linkage::Internal,
        LLVMLinkage::LLVMAvailableExternallyLinkage => Linkage::AvailableExternally,
        LLVMLinkage::LLVMExternalLinkage => Linkage::External,
        _ => Linkage::Shared,
    }
}

/// Gives `to` the attributes of `from`, also those of parameters and result: they are part of the calling convention.
///
/// # Safety
/// Both are functions of the same type and context.
unsafe fn copy_attributes(from: LLVMValueRef, to: LLVMValueRef) {
    // SAFETY: as the caller promised; each vector has room for the number of attributes LLVM named.
    unsafe {
        let places = (0..=LLVMCountParams(from)).chain([LLVMAttributeFunctionIndex]);
        for place in places {
            let count = LLVMGetAttributeCountAtIndex(from, place) as usize;
            let mut list = vec![ptr::null_mut(); count];
            LLVMGetAttributesAtIndex(from, place, list.as_mut_ptr());
            for attribute in list {
                LLVMAddAttributeAtIndex(to, place, attribute);
            }
        }
    }
}

fn name_of(value: LLVMValueRef) -> String {
    let mut len = 0;
    // SAFETY: `value` is alive; pointer and length describe its name.
    unsafe { text::sized(LLVMGetValueName2(value, &mut len), len) }
}

/// A function of a module.
#[derive(Clone, Copy)]
pub struct Function<'m> {
    raw: LLVMValueRef,
    module: PhantomData<&'m Module<'m>>,
}

impl Function<'_> {
    pub(crate) fn raw(&self) -> LLVMValueRef {
        self.raw
    }

    /// Whether it carries an attribute that has no value, such as `hot`.
    pub fn has_attribute(&self, name: &str) -> bool {
        // SAFETY: pointer and length describe `name`.
        unsafe {
            let kind = LLVMGetEnumAttributeKindForName(name.as_ptr().cast(), name.len());
            !LLVMGetEnumAttributeAtIndex(self.raw, LLVMAttributeFunctionIndex, kind).is_null()
        }
    }

    /// Symbol name.
    pub fn name(&self) -> String {
        name_of(self.raw)
    }

    /// Whether it has no body here.
    pub fn is_declaration(&self) -> bool {
        // SAFETY: the function is alive.
        unsafe { LLVMIsDeclaration(self.raw) != 0 }
    }

    /// Whether it is one of LLVM's intrinsics.
    pub fn is_intrinsic(&self) -> bool {
        // SAFETY: the function is alive.
        unsafe { LLVMGetIntrinsicID(self.raw) != 0 }
    }

    /// Who can see it.
    pub fn linkage(&self) -> Linkage {
        // SAFETY: the function is alive.
        of_llvm(unsafe { LLVMGetLinkage(self.raw) })
    }

    /// Number of IR instructions in its body.
    pub fn instruction_count(&self) -> usize {
        let mut count = 0;
        // SAFETY: walks LLVM's lists of a function that is not changed meanwhile.
        unsafe {
            let mut block = LLVMGetFirstBasicBlock(self.raw);
            while !block.is_null() {
                let mut i = LLVMGetFirstInstruction(block);
                while !i.is_null() {
                    count += 1;
                    i = LLVMGetNextInstruction(i);
                }
                block = LLVMGetNextBasicBlock(block);
            }
        }
        count
    }

    /// Value of a string attribute such as `target-features`.
    pub fn string_attribute(&self, key: &str) -> Option<String> {
        // SAFETY: pointers and lengths describe the strings; LLVM owns the attribute.
        unsafe {
            let a = LLVMGetStringAttributeAtIndex(
                self.raw,
                LLVMAttributeFunctionIndex,
                key.as_ptr().cast::<c_char>(),
                key.len() as u32,
            );
            if a.is_null() {
                return None;
            }
            let mut len = 0;
            let value = LLVMGetStringAttributeValue(a, &mut len);
            Some(text::sized(value, len as usize))
        }
    }

    /// Removes a string attribute; nothing happens if there is none.
    pub fn remove_string_attribute(&self, key: &str) {
        // SAFETY: pointer and length describe `key`.
        unsafe {
            LLVMRemoveStringAttributeAtIndex(
                self.raw,
                LLVMAttributeFunctionIndex,
                key.as_ptr().cast::<c_char>(),
                key.len() as u32,
            );
        }
    }

    /// Sets a string attribute.
    pub fn set_string_attribute(&self, key: &str, value: &str) {
        // SAFETY: pointers and lengths describe the strings; LLVM copies them.
        unsafe {
            let context = LLVMGetTypeContext(LLVMTypeOf(self.raw));
            let a = LLVMCreateStringAttribute(
                context,
                key.as_ptr().cast::<c_char>(),
                key.len() as u32,
                value.as_ptr().cast::<c_char>(),
                value.len() as u32,
            );
            LLVMAddAttributeAtIndex(self.raw, LLVMAttributeFunctionIndex, a);
        }
    }

    /// Sets an attribute that has no value, such as `nounwind`. Unknown names are ignored.
    pub fn set_attribute(&self, name: &str) {
        // SAFETY: pointer and length describe `name`.
        unsafe {
            let kind = LLVMGetEnumAttributeKindForName(name.as_ptr().cast(), name.len());
            if kind != 0 {
                let context = LLVMGetTypeContext(LLVMTypeOf(self.raw));
                let a = LLVMCreateEnumAttribute(context, kind, 0);
                LLVMAddAttributeAtIndex(self.raw, LLVMAttributeFunctionIndex, a);
            }
        }
    }

    /// Puts its code into a section of this name.
    pub fn set_section(&self, name: &str) {
        let name = c_string(name);
        // SAFETY: the function is alive; LLVM copies the name.
        unsafe { LLVMSetSection(self.raw, name.as_ptr()) }
    }

    /// Forgets the function that unwinding would ask. Nothing in the body may refer to it: no landing pads that can be
    /// reached.
    pub fn remove_personality(&self) {
        // SAFETY: the function is alive.
        unsafe {
            if LLVMIsDeclaration(self.raw) == 0 && LLVMHasPersonalityFn(self.raw) != 0 {
                LLVMSetPersonalityFn(self.raw, ptr::null_mut());
            }
        }
    }

    /// Removes an attribute such as `uwtable`.
    pub fn remove_attribute(&self, name: &str) {
        // SAFETY: pointer and length describe `name`.
        unsafe {
            let kind = LLVMGetEnumAttributeKindForName(name.as_ptr().cast(), name.len());
            LLVMRemoveEnumAttributeAtIndex(self.raw, LLVMAttributeFunctionIndex, kind);
        }
    }
}
