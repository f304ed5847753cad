//! Entries into the kernel: interrupts, exceptions, system calls; and the way back.
//!
//! All entries build the same [`Frame`]. What interrupted the payload (an address of the lower half) moves from the
//! IST stack to the thread's kernel stack, where the thread can be switched away from; what interrupted
//! the kernel (idle loop, or a fault of the kernel itself) stays on the IST stack.
//!
//! Kernel code uses legacy SSE instructions, which change xmm0..15 and leave the upper parts of wider
//! registers alone: the frame holds xmm0..15, and the wide state is saved only when threads are switched (`fpu.rs`).
//!
//! `syscall` in ring 0: the processor leaves the return address in rcx and the flags in r11, and stays on
//! the payload's stack. The way back must not use `sysret` (it goes to ring 3). Flags are restored with IF
//! clear while still on the kernel stack, then the stack pointer, then `sti; jmp rcx`: the
//! interrupt shadow of `sti` covers the jump.
//!
//! The gate is `syscall; ret` for a plain `call` (see `formats::gate`): it takes return address and flags to where the
//! instruction leaves them. `clone` goes by way of a real `ret`, which the new thread makes on its own stack, and so does
//! `sigreturn`, which is jumped to: no return address lies above its frame.
//! Interrupts are on until `cli`; one that comes before counts as the kernel interrupted, which is right: it
//! stays on the IST stack and comes back.

use crate::boot_manager::watchdog;
use crate::{fault, linux, sched};
use core::arch::global_asm;
use core::mem::offset_of;

/// Registers of an interrupted program, as the entries push them (lowest address first).
#[derive(Clone, Debug)]
#[repr(C, align(16))]
pub struct Frame {
    /// xmm0..15.
    pub xmm: [u128; 16],
    /// General registers.
    pub r15: u64,
    /// General register.
    pub r14: u64,
    /// General register.
    pub r13: u64,
    /// General register.
    pub r12: u64,
    /// General register.
    pub r11: u64,
    /// General register.
    pub r10: u64,
    /// General register.
    pub r9: u64,
    /// General register.
    pub r8: u64,
    /// General register.
    pub rbp: u64,
    /// General register.
    pub rdi: u64,
    /// General register.
    pub rsi: u64,
    /// General register.
    pub rdx: u64,
    /// General register.
    pub rcx: u64,
    /// General register.
    pub rbx: u64,
    /// General register.
    pub rax: u64,
    /// Vector, or [`SYSCALL`].
    pub vector: u64,
    /// Error code, 0 for vectors without one.
    pub error: u64,
    /// Interrupted instruction.
    pub rip: u64,
    /// Code segment.
    pub cs: u64,
    /// Flags.
    pub rflags: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Stack segment.
    pub ss: u64,
}

/// Vector of the non-maskable interrupt.
const NMI: u64 = 2;

/// `Frame::vector` of a system call.
pub const SYSCALL: u64 = 0x100;

const _: () = assert!(size_of::<Frame>() == 432 && offset_of!(Frame, rip) == 256 + 17 * 8);

impl Frame {
    /// All zero, with the segments and flags of running code.
    pub fn new(rip: u64, rsp: u64) -> Self {
        // SAFETY: a Frame is plain integers, for which zero is valid.
        let mut frame: Self = unsafe { core::mem::zeroed() };
        frame.rip = rip;
        frame.rsp = rsp;
        frame.cs = super::gdt::CODE.into();
        frame.ss = super::gdt::DATA.into();
        frame.rflags = 0x202;
        frame
    }

    /// True if the payload was interrupted, not the kernel.
    pub fn is_payload(&self) -> bool {
        self.rip >> 63 == 0
    }
}

// Stubs of 16 bytes for each vector: push the error code if the processor did not, push the vector, join.
global_asm!(
    ".pushsection .text.trap_stubs,\"ax\"",
    ".balign 16",
    ".globl trap_stubs",
    "trap_stubs:",
    ".set vector, 0",
    ".rept 256",
    "  .balign 16",
    "  .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)",
    "    push 0",
    "  .endif",
    "  push vector",
    "  jmp trap_common",
    "  .set vector, vector + 1",
    ".endr",
    "",
    "trap_common:",
    "  push rax",
    "  mov rax, [rsp + 24]", // rip
    "  test rax, rax",
    "  js 2f",
    // The payload: copy vector, error, rip, cs, rflags, rsp, ss to the thread's kernel stack and go on there.
    "  mov rax, gs:[0]",
    "  sub rax, 56",
    "  push rbx",
    ".irp offset, 0, 8, 16, 24, 32, 40, 48",
    "  mov rbx, [rsp + 16 + \\offset]",
    "  mov [rax + \\offset], rbx",
    ".endr",
    "  pop rbx",
    "  xchg rax, rsp",
    "  push qword ptr [rax]", // rax as it was
    "2:",
    "  push rbx",
    "  push rcx",
    "  push rdx",
    "  push rsi",
    "  push rdi",
    "  push rbp",
    "  push r8",
    "  push r9",
    "  push r10",
    "  push r11",
    "  push r12",
    "  push r13",
    "  push r14",
    "  push r15",
    "  sub rsp, 256",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "  movaps [rsp + 16 * \\i], xmm\\i",
    ".endr",
    "  cld",
    "  mov rbp, [rsp + 256 + 64]", // the interrupted rbp: backtraces walk on
    "  mov rdi, rsp",
    "  call {trap}",
    "trap_return:",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "  movaps xmm\\i, [rsp + 16 * \\i]",
    ".endr",
    "  add rsp, 256",
    "  pop r15",
    "  pop r14",
    "  pop r13",
    "  pop r12",
    "  pop r11",
    "  pop r10",
    "  pop r9",
    "  pop r8",
    "  pop rbp",
    "  pop rdi",
    "  pop rsi",
    "  pop rdx",
    "  pop rcx",
    "  pop rbx",
    "  pop rax",
    "  add rsp, 16",
    "  iretq",
    "",
    ".balign 16",
    ".globl gate_entry",
    "gate_entry:",
    "  pushfq",
    "  pop r11",
    "  cmp eax, {clone}",
    "  je 2f",
    "  cmp eax, {clone3}",
    "  je 2f",
    "  cmp eax, {sigreturn}",
    "  je 2f",
    "  pop rcx",
    "  cli",
    "  jmp syscall_entry",
    "2:",
    "  lea rcx, [rip + 3f]",
    "  cli",
    "  jmp syscall_entry",
    "3:",
    "  ret",
    "",
    ".balign 16",
    ".globl syscall_entry",
    "syscall_entry:",
    "  mov gs:[8], rsp",
    "  mov rsp, gs:[0]",
    "  push {data}",
    "  push qword ptr gs:[8]",
    "  push r11",
    "  push {code}",
    "  push rcx",
    "  push 0",
    "  push {syscall_vector}",
    "  push rax",
    "  push rbx",
    "  push rcx",
    "  push rdx",
    "  push rsi",
    "  push rdi",
    "  push rbp",
    "  push r8",
    "  push r9",
    "  push r10",
    "  push r11",
    "  push r12",
    "  push r13",
    "  push r14",
    "  push r15",
    "  sub rsp, 256",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "  movaps [rsp + 16 * \\i], xmm\\i",
    ".endr",
    "  cld",
    "  mov rdi, rsp",
    "  call {syscall}",
    "  test al, al", // the frame was replaced (signal): all registers count
    "  jnz trap_return",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "  movaps xmm\\i, [rsp + 16 * \\i]",
    ".endr",
    "  add rsp, 256",
    "  pop r15",
    "  pop r14",
    "  pop r13",
    "  pop r12",
    "  pop r11",
    "  pop r10",
    "  pop r9",
    "  pop r8",
    "  pop rbp",
    "  pop rdi",
    "  pop rsi",
    "  pop rdx",
    "  pop rcx",
    "  pop rbx",
    "  pop rax",
    "  mov rcx, [rsp + 16]", // rip
    "  mov r11, [rsp + 32]", // rflags
    "  and dword ptr [rsp + 32], 0xFFFFFDFF", // IF stays clear on this stack
    "  push qword ptr [rsp + 32]",
    "  popfq",
    "  mov rsp, [rsp + 40]",
    "  sti",
    "  jmp rcx",
    "",
    // A new thread starts here: its stack holds a Frame.
    ".globl thread_start",
    "thread_start:",
    "  call {started}",
    "  jmp trap_return",
    ".popsection",
    trap = sym trap,
    syscall = sym syscall,
    started = sym sched::started,
    clone = const linux::CLONE as i32,
    sigreturn = const linux::RT_SIGRETURN as i32,
    clone3 = const linux::CLONE3 as i32,
    data = const super::gdt::DATA as i32,
    code = const super::gdt::CODE as i32,
    syscall_vector = const SYSCALL as i32,
);

unsafe extern "C" {
    static trap_stubs: u8;
    fn syscall_entry();
    fn gate_entry();
    fn thread_start();
}

/// Address of the stub of a vector.
pub fn stub(vector: usize) -> u64 {
    (&raw const trap_stubs) as u64 + 16 * vector as u64
}

/// Address of the system call entry.
pub fn syscall_entry_address() -> u64 {
    syscall_entry as *const () as u64
}

/// Address of the gate: what payloads without `syscall` call.
pub fn gate_address() -> u64 {
    gate_entry as *const () as u64
}

/// Address where a thread that never ran starts; its stack pointer is at a [`Frame`].
pub fn thread_start_address() -> u64 {
    thread_start as *const () as u64
}

extern "C" fn trap(frame: &mut Frame) {
    // It may come in the middle of anything, and switching threads would keep the next one out: straight back.
    if frame.vector == NMI && watchdog::nmi(frame) {
        return;
    }
    super::shootdown::leave_idle();
    let vector = frame.vector as u8;
    if vector < 32 {
        fault::exception(frame);
    } else {
        super::lapic::interrupt(vector);
    }
    if frame.is_payload() {
        sched::before_return();
        linux::signal::deliver(frame);
    }
}

extern "C" fn syscall(frame: &mut Frame) -> bool {
    let whole = frame.rax == linux::RT_SIGRETURN;
    linux::dispatch(frame);
    sched::before_return();
    linux::signal::deliver(frame) | whole
}
