//! All registers through a probe, in both directions, at their full width.

use super::tests::Installed;
use std::arch::{global_asm, is_x86_feature_detected};
use std::sync::{Mutex, PoisonError};

/// All registers that can carry something.
#[repr(C, align(64))]
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Registers {
    /// In the order rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r12 r13 r14 r15, and two that are nothing.
    pub general: [u64; 16],
    pub vector: [[u64; 8]; 32],
}

impl Registers {
    /// Random numbers, in so many vector registers of so many words.
    pub fn numbered(seed: u64, vectors: usize, words: usize) -> Registers {
        let mut next = seed;
        let mut random = || {
            next = next
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            next
        };
        let mut all = Registers::zero();
        all.general[..14].fill_with(&mut random);
        all.vector[..vectors]
            .iter_mut()
            .for_each(|v| v[..words].fill_with(&mut random));
        all
    }

    const fn zero() -> Registers {
        Registers {
            general: [0; 16],
            vector: [[0; 8]; 32],
        }
    }

    /// What registers hold after a call of `f`, before which they held these.
    ///
    /// # Safety
    /// `f` is a function that keeps the stack.
    pub unsafe fn through(&self, f: usize) -> Registers {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut written = Registers::zero();
        // SAFETY: as the caller promised; nobody else looks at the width meanwhile.
        unsafe {
            WIDTH = 8 * vectors_here().1 as u64;
            bareflow_test_call(f, self, &mut written);
        }
        written
    }
}

/// Vector registers of this processor, and words of each.
pub(crate) fn vectors_here() -> (usize, usize) {
    match () {
        () if is_x86_feature_detected!("avx512f") => (32, 8),
        () if is_x86_feature_detected!("avx") => (16, 4),
        () => (16, 2),
    }
}

/// Held by the test that uses the statics.
static ONE: Mutex<()> = Mutex::new(());

static mut SEEN: Registers = Registers::zero();
static mut GIVEN: Registers = Registers::zero();
/// Bytes of a vector register: 16, 32 or 64.
static mut WIDTH: u64 = 16;

// `bareflow_test_call(f, in, out)` fills all registers from `in`, calls f, and writes them to `out`; as f,
// `bareflow_test_callee` writes them to SEEN and fills them from GIVEN.
global_asm!(
    ".macro bareflow_test_vectors store",
    "cmp qword ptr [rip + {width}], 32",
    "jb 81f",
    "je 82f",
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    ".if \\store",
    "vmovdqu64 [rax + 128 + 64 * \\n], zmm\\n",
    ".else",
    "vmovdqu64 zmm\\n, [rax + 128 + 64 * \\n]",
    ".endif",
    ".endr",
    "jmp 83f",
    "82: .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    ".if \\store",
    "vmovdqu [rax + 128 + 64 * \\n], ymm\\n",
    ".else",
    "vmovdqu ymm\\n, [rax + 128 + 64 * \\n]",
    ".endif",
    ".endr",
    "jmp 83f",
    "81: .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    ".if \\store",
    "movdqu [rax + 128 + 64 * \\n], xmm\\n",
    ".else",
    "movdqu xmm\\n, [rax + 128 + 64 * \\n]",
    ".endif",
    ".endr",
    "83:",
    ".endm",
    // From the block at rax, rax itself last.
    ".macro bareflow_test_fill",
    "bareflow_test_vectors 0",
    "mov rbx, [rax + 8]",
    "mov rcx, [rax + 16]",
    "mov rdx, [rax + 24]",
    "mov rsi, [rax + 32]",
    "mov rdi, [rax + 40]",
    "mov rbp, [rax + 48]",
    "mov r8, [rax + 56]",
    "mov r9, [rax + 64]",
    "mov r10, [rax + 72]",
    "mov r12, [rax + 80]",
    "mov r13, [rax + 88]",
    "mov r14, [rax + 96]",
    "mov r15, [rax + 104]",
    "mov rax, [rax]",
    ".endm",
    // To the block at rax, but rax.
    ".macro bareflow_test_write",
    "mov [rax + 8], rbx",
    "mov [rax + 16], rcx",
    "mov [rax + 24], rdx",
    "mov [rax + 32], rsi",
    "mov [rax + 40], rdi",
    "mov [rax + 48], rbp",
    "mov [rax + 56], r8",
    "mov [rax + 64], r9",
    "mov [rax + 72], r10",
    "mov [rax + 80], r12",
    "mov [rax + 88], r13",
    "mov [rax + 96], r14",
    "mov [rax + 104], r15",
    "bareflow_test_vectors 1",
    ".endm",
    ".text",
    "bareflow_test_call:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "push rdx",
    "push rdi",
    "push rdi",
    "mov rax, rsi",
    "bareflow_test_fill",
    "call [rsp]",
    "push rax",
    "mov rax, [rsp + 24]",
    "bareflow_test_write",
    "pop rcx",
    "mov [rax], rcx",
    "add rsp, 24",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    "bareflow_test_callee:",
    "push rax",
    "lea rax, [rip + {seen}]",
    "bareflow_test_write",
    "pop rcx",
    "mov [rax], rcx",
    "lea rax, [rip + {given}]",
    "bareflow_test_fill",
    "ret",
    width = sym WIDTH,
    seen = sym SEEN,
    given = sym GIVEN,
);

unsafe extern "C" {
    fn bareflow_test_call(f: usize, fill: *const Registers, written: *mut Registers);
    fn bareflow_test_callee();
}

#[test]
fn every_register_arrives_in_both_directions() {
    let (vectors, words) = vectors_here();
    let installed = Installed::new(bareflow_test_callee as *const () as usize);
    let fill = Registers::numbered(1, vectors, words);
    let given = Registers::numbered(2, vectors, words);
    // SAFETY: only this test touches these statics; the assembly keeps what the ABI says must be kept.
    let (written, seen) = unsafe {
        GIVEN = given;
        (fill.through(installed.address), (&raw const SEEN).read())
    };
    for (found, expected) in [(seen, fill), (written, given)] {
        assert_eq!(found.general, expected.general);
        for (n, (found, expected)) in found.vector.iter().zip(&expected.vector).enumerate() {
            assert_eq!(found, expected, "vector register {n}");
        }
    }
    assert_eq!(installed.samples(), 1);
}
