//! The CPU found, and the machine that makes code for it.

use crate::error::Error;
use crate::fatal;
use crate::module::{Module, take_buffer};
use crate::text::{self, c_string};
use llvm_sys::target::{LLVMCopyStringRepOfTargetData, LLVMDisposeTargetData};
use llvm_sys::target_machine::*;
use std::ptr;

unsafe extern "C" {
    fn bareflow_align_loops(machine: LLVMTargetMachineRef, bytes: u32);
}

/// The one triple code is made for.
pub const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// How hard the code generator tries; independent of the IR passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CodegenLevel {
    /// Fast instruction selection, fast register allocation.
    None,
    /// Less optimisation.
    Less,
    /// The usual.
    Default,
    /// Everything.
    Aggressive,
}

/// What comes out of [`TargetMachine::emit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// Relocatable ELF object.
    Object,
    /// Assembly text.
    Assembly,
}

/// The CPU this process runs on, as LLVM detects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCpu {
    /// LLVM's name for it. A guess: wrong on emulated processors; good for scheduling only.
    pub name: String,
    /// Every feature LLVM knows how to detect: (name, present).
    pub features: Vec<(String, bool)>,
    /// Whether the processor is an emulation (QEMU's TCG says so).
    pub emulated: bool,
}

/// Asks the hypervisor leaf of CPUID who is there.
fn is_tcg() -> bool {
    use std::arch::x86_64::__cpuid;
    if __cpuid(1).ecx & (1 << 31) == 0 {
        return false;
    }
    let id = __cpuid(0x4000_0000);
    let name = [
        id.ebx.to_le_bytes(),
        id.ecx.to_le_bytes(),
        id.edx.to_le_bytes(),
    ]
    .concat();
    name == b"TCGTCGTCGTCG"
}

impl HostCpu {
    /// Asks CPUID (and XCR0: features whose state is not enabled count as missing).
    pub fn detect() -> Self {
        fatal::init();
        // SAFETY: both messages are handed over.
        let (name, features) = unsafe {
            (
                text::taken(LLVMGetHostCPUName()),
                text::taken(LLVMGetHostCPUFeatures()),
            )
        };
        let features = features
            .split(',')
            .filter_map(|f| Some((f.get(1..)?.to_owned(), f.starts_with('+'))))
            .collect();
        HostCpu {
            name,
            features,
            emulated: is_tcg(),
        }
    }

    /// Whether the feature is there; `None` if LLVM cannot detect a feature of that name.
    pub fn has(&self, feature: &str) -> Option<bool> {
        self.features
            .iter()
            .find(|(n, _)| n == feature)
            .map(|(_, present)| *present)
    }

    /// All features, present and missing, in the form a target machine takes: `+avx2,-avx512f,...`.
    pub fn feature_string(&self) -> String {
        let list: Vec<String> = self
            .features
            .iter()
            .map(|(n, present)| format!("{}{n}", if *present { '+' } else { '-' }))
            .collect();
        list.join(",")
    }
}

/// Makes code for one CPU at one level. Belongs to one thread at a time.
pub struct TargetMachine {
    raw: LLVMTargetMachineRef,
}

// SAFETY: a target machine has no thread affinity and refers to no context; it is not `Sync`.
unsafe impl Send for TargetMachine {}

impl TargetMachine {
    /// `cpu` is a name LLVM knows (`x86-64` for generic), `features` a list such as `+avx2,-avx512f`.
    /// Code is position independent in the small code model: JITLink reaches far symbols through stubs.
    pub fn new(cpu: &str, features: &str, level: CodegenLevel) -> Result<Self, Error> {
        fatal::init();
        let (triple, cpu, c_features) = (c_string(TRIPLE), c_string(cpu), c_string(features));
        let level = match level {
            CodegenLevel::None => LLVMCodeGenOptLevel::LLVMCodeGenLevelNone,
            CodegenLevel::Less => LLVMCodeGenOptLevel::LLVMCodeGenLevelLess,
            CodegenLevel::Default => LLVMCodeGenOptLevel::LLVMCodeGenLevelDefault,
            CodegenLevel::Aggressive => LLVMCodeGenOptLevel::LLVMCodeGenLevelAggressive,
        };
        let mut target = ptr::null_mut();
        let mut message = ptr::null_mut();
        // SAFETY: strings are NUL-terminated and copied by LLVM; the message is ours on failure; options are freed.
        unsafe {
            if LLVMGetTargetFromTriple(triple.as_ptr(), &mut target, &mut message) != 0 {
                return Err(Error::Target {
                    what: TRIPLE.into(),
                    message: text::taken(message),
                });
            }
            let options = LLVMCreateTargetMachineOptions();
            LLVMTargetMachineOptionsSetCPU(options, cpu.as_ptr());
            LLVMTargetMachineOptionsSetFeatures(options, c_features.as_ptr());
            LLVMTargetMachineOptionsSetCodeGenOptLevel(options, level);
            LLVMTargetMachineOptionsSetRelocMode(options, LLVMRelocMode::LLVMRelocPIC);
            LLVMTargetMachineOptionsSetCodeModel(options, LLVMCodeModel::LLVMCodeModelSmall);
            let raw = LLVMCreateTargetMachineWithOptions(target, triple.as_ptr(), options);
            LLVMDisposeTargetMachineOptions(options);
            if raw.is_null() {
                let message = "LLVM made no target machine".into();
                return Err(Error::Target {
                    what: features.to_owned(),
                    message,
                });
            }
            Ok(TargetMachine { raw })
        }
    }

    /// Puts loops at multiples of `bytes`, a power of two, instead of what LLVM thinks right for the processor (16). Loops
    /// for which size counts are not aligned at all.
    pub fn align_loops(&mut self, bytes: u32) {
        // SAFETY: the machine is alive and borrowed for this call alone.
        unsafe { bareflow_align_loops(self.raw, bytes) }
    }

    /// The data layout code of this machine assumes.
    pub fn data_layout(&self) -> String {
        // SAFETY: layout and string are ours and freed here.
        unsafe {
            let layout = LLVMCreateTargetDataLayout(self.raw);
            let text = text::taken(LLVMCopyStringRepOfTargetData(layout));
            LLVMDisposeTargetData(layout);
            text
        }
    }

    /// Generates code for the whole module. The module is changed on the way (lowered) and of no further use.
    pub fn emit(&self, module: &mut Module<'_>, kind: FileType) -> Result<Vec<u8>, Error> {
        let kind = match kind {
            FileType::Object => LLVMCodeGenFileType::LLVMObjectFile,
            FileType::Assembly => LLVMCodeGenFileType::LLVMAssemblyFile,
        };
        module.context().take_diagnostics();
        let (mut message, mut buffer) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: machine and module are alive; on success the buffer is ours, on failure the message is.
        unsafe {
            let failed = LLVMTargetMachineEmitToMemoryBuffer(
                self.raw,
                module.raw(),
                kind,
                &mut message,
                &mut buffer,
            );
            if failed != 0 {
                return Err(Error::Codegen {
                    message: text::taken(message),
                });
            }
            let bytes = take_buffer(buffer);
            // Code generation reports some failures only as diagnostics and goes on.
            match module.context().errors_or("") {
                e if e.is_empty() => Ok(bytes),
                message => Err(Error::Codegen { message }),
            }
        }
    }

    pub(crate) fn raw(&self) -> LLVMTargetMachineRef {
        self.raw
    }
}

impl Drop for TargetMachine {
    fn drop(&mut self) {
        // SAFETY: made by LLVM, freed once.
        unsafe { LLVMDisposeTargetMachine(self.raw) }
    }
}
