//! A program that faults: which function, where in it, the registers, then a distinct exit code.
//!
//! The handler runs on a stack of its own (the fault may be an overflowing one), allocates nothing and takes no lock. The
//! text is that of the runtime (`runtime/src/platform/fault.rs`).

use crate::output::Stderr;
use crate::{gate, names, pool, threads};
use core::fmt::Write;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Exit code of a program that met a CPU exception; the kernel and the host command know it too.
const EXIT_FAULT: i32 = formats::exit::FAULT_CODE as i32;

const SIGILL: i32 = 4;
const SIGBUS: i32 = 7;
const SIGFPE: i32 = 8;
const SIGSEGV: i32 = 11;
const SA_SIGINFO: u64 = 4;
const SA_ONSTACK: u64 = 0x0800_0000;
const SA_RESETHAND: u64 = 0x8000_0000;

/// Bytes of a handler's stack: vector registers of 2.5 KiB are saved there, and more on processors to come.
pub const HANDLER_STACK: usize = 64 << 10;
/// Largest main stack, by Linux's usual limit and the kernel's.
const MAIN_STACK: usize = 8 << 20;
const PAGE: usize = 4096;

/// `gregs` of x86-64's `ucontext_t` starts at byte 40: r8..r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
const GREGS_WORD: usize = 5;
const GREGS: usize = 17;
const RSP: usize = 15;
const RIP: usize = 16;
/// For printing: four a line.
const ROWS: [[(&str, usize); 4]; 4] = [
    [("rax", 13), ("rbx", 11), ("rcx", 14), ("rdx", 12)],
    [("rsi", 9), ("rdi", 8), ("rbp", 10), ("rsp", RSP)],
    [("r8 ", 0), ("r9 ", 1), ("r10", 2), ("r11", 3)],
    [("r12", 4), ("r13", 5), ("r14", 6), ("r15", 7)],
];

/// First address above the main thread's stack.
static STACK_TOP: AtomicUsize = AtomicUsize::new(0);

/// Gives the calling thread a stack for the handler. Without memory for it, an overflow of the stack ends without words.
pub fn prepare_thread() {
    if let Some(stack) = gate::map(HANDLER_STACK) {
        // SAFETY: fresh pages that nobody else uses, for ever.
        unsafe { gate::signal_stack(stack, HANDLER_STACK) }
    }
}

/// Takes faults over. `stack_top` is above all that the main thread puts on its stack.
pub fn install(stack_top: usize) {
    STACK_TOP.store(stack_top, Ordering::Relaxed);
    prepare_thread();
    for signal in [SIGSEGV, SIGBUS, SIGILL, SIGFPE] {
        let flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND;
        // SAFETY: the handler only reads and never returns.
        unsafe { gate::handle_signal(signal, on_fault as *const () as usize, flags) }
    }
}

/// The words of the faulting thread's stack that can be read, from its stack pointer upwards. A stack that overflowed is
/// read from the second page above its end.
fn stack_words(stack_pointer: usize, fault_address: usize) -> &'static [usize] {
    const MOST: usize = 512;
    let overflowed = fault_address.abs_diff(stack_pointer) < 2 * PAGE;
    let from = match overflowed {
        true => stack_pointer.next_multiple_of(PAGE) + PAGE,
        false => stack_pointer,
    };
    let top = STACK_TOP.load(Ordering::Relaxed);
    let room = match top.checked_sub(from) {
        Some(room) if room <= MAIN_STACK => room,
        _ => pool::stack_above(from).max(threads::stack_above(from)),
    };
    if !from.is_multiple_of(size_of::<usize>()) {
        return &[];
    }
    let count = (room / size_of::<usize>()).min(MOST);
    if count == 0 {
        return &[];
    }
    // SAFETY: between the stack pointer and the end of the thread's stack, all of which is mapped; the thread stands
    // still.
    unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance::<usize>(from), count) }
}

fn describe(
    out: &mut Stderr,
    signal: i32,
    address: usize,
    registers: &[usize; GREGS],
) -> core::fmt::Result {
    let what = match signal {
        SIGSEGV => "invalid memory access",
        SIGBUS => "bus error",
        SIGFPE => "arithmetic exception",
        SIGILL => {
            "illegal instruction (a trap: unreachable code, abort, or a feature this CPU lacks)"
        }
        _ => "exception",
    };
    writeln!(out, "\nerror: the program met a CPU exception: {what}")?;
    let rip = registers[RIP];
    match names::locate(rip) {
        Some((name, offset)) => writeln!(out, "  at {name}+{offset:#x} ({rip:#x})")?,
        None => writeln!(out, "  at {rip:#x} (not in the program's code)")?,
    }
    if matches!(signal, SIGSEGV | SIGBUS) {
        writeln!(out, "  address {address:#x}")?;
    }
    for row in ROWS {
        for (name, r) in row {
            write!(out, "  {name} {:016x}", registers[r])?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Functions found on the stack: without frame pointers a guess, but callers are among them.
fn print_callers(out: &mut Stderr, stack: &[usize]) -> core::fmt::Result {
    const MOST: usize = 12;
    let mut shown = 0;
    for word in stack {
        let Some((name, offset)) = names::locate(word.wrapping_sub(1)) else {
            continue;
        };
        if shown == 0 {
            writeln!(out, "  possible callers:")?;
        }
        writeln!(out, "    {name}+{offset:#x}")?;
        shown += 1;
        if shown == MOST {
            break;
        }
    }
    Ok(())
}

extern "C" fn on_fault(signal: i32, info: *const u8, context: *const usize) {
    let mut out = Stderr::new();
    // SAFETY: the kernel passes valid structures: si_addr is at byte 16 of siginfo_t, the registers as said above.
    let (address, registers) = unsafe {
        (
            info.add(16).cast::<usize>().read(),
            &*context.add(GREGS_WORD).cast::<[usize; GREGS]>(),
        )
    };
    // Nobody is left to be told that it cannot be written.
    let _ = describe(&mut out, signal, address, registers)
        .and_then(|()| print_callers(&mut out, stack_words(registers[RSP], address)));
    out.flush();
    gate::exit(EXIT_FAULT);
}
