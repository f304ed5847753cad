//! Hooks that keep registers: what compiled code calls once in thousands of rounds or calls must not cost it anything else.
//!
//! A call as the C ABI has it changes nine general registers and every vector register. A loop with such a call in it keeps
//! its constants in memory, or saves six registers at the function's entry for what it does once in 4,096 rounds. So
//! these hooks are called by LLVM's `preserve_allcc`, which changes r11, the result's register and nothing else but what
//! AVX-512 has beyond AVX: the loop stays as it is without the call.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether vector registers have 32 bytes here; else they have 16.
#[doc(hidden)]
pub static HAS_AVX: AtomicBool = AtomicBool::new(false);

/// The address of a hook made by [`keeping!`](crate::keeping), ready to be called.
pub fn address(hook: unsafe extern "C" fn()) -> usize {
    HAS_AVX.store(is_x86_feature_detected!("avx"), Relaxed);
    (hook as *const ()).expose_provenance()
}

/// Makes a hook, as [`Module::add_polls`](crate::Module::add_polls) and
/// [`Module::add_entry_counter`](crate::Module::add_entry_counter) call it, of a function of the C ABI that takes a number:
/// all registers are kept but r11, and rax if the function's result is in it.
///
/// ```
/// extern "C" fn ask(_id: u64) -> usize {
///     0
/// }
/// llvm::keeping!(hook calls ask, with_result);
/// let address = llvm::keep::address(hook);
/// ```
#[macro_export]
macro_rules! keeping {
    ($name:ident calls $function:path, with_result) => {
        $crate::keeping!(@ $name, $function, "mov [rbp - 64], rax");
    };
    ($name:ident calls $function:path, without_result) => {
        $crate::keeping!(@ $name, $function, "");
    };
    (@ $name:ident, $function:path, $result:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name() {
            std::arch::naked_asm!(
                "push rbp",
                "mov rbp, rsp",
                "push rcx",
                "push rdx",
                "push rsi",
                "push rdi",
                "push r8",
                "push r9",
                "push r10",
                "push rax",
                "sub rsp, 512",
                "and rsp, -32",
                "cmp byte ptr [rip + {has_avx}], 0",
                "je 2f",
                ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "vmovaps [rsp + 32 * \\n], ymm\\n",
                ".endr",
                "call {function}",
                ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "vmovaps ymm\\n, [rsp + 32 * \\n]",
                ".endr",
                "jmp 3f",
                "2: .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "movaps [rsp + 16 * \\n], xmm\\n",
                ".endr",
                "call {function}",
                ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "movaps xmm\\n, [rsp + 16 * \\n]",
                ".endr",
                "3:",
                $result,
                "lea rsp, [rbp - 64]",
                "pop rax",
                "pop r10",
                "pop r9",
                "pop r8",
                "pop rdi",
                "pop rsi",
                "pop rdx",
                "pop rcx",
                "pop rbp",
                "ret",
                has_avx = sym $crate::keep::HAS_AVX,
                function = sym $function,
            )
        }
    };
}
