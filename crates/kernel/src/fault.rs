//! Exceptions and panics: handled, turned into a signal, or reported with all that is known.

use crate::cpu::trap::Frame;
use crate::cpu::{halt_forever, percpu};
use crate::linux::signal;
use crate::memory::space::{self, Access, FaultError};
use crate::memory::{PAGE, USER_END, paging, stack};
use crate::{boot_manager, console, coverage, error, exit, symbols, trace};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};
use formats::exit::Reason;
use formats::slots;
use x86_64::registers::control::{Cr2, Cr3};

const NAMES: [&str; 32] = [
    "divide error",
    "debug",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "reserved",
    "x87 floating point",
    "alignment check",
    "machine check",
    "SIMD floating point",
    "virtualization",
    "control protection",
    "reserved",
    "reserved",
    "reserved",
    "reserved",
    "reserved",
    "reserved",
    "hypervisor injection",
    "VMM communication",
    "security",
    "reserved",
];
const BREAKPOINT: u64 = 3;
const PAGE_FAULT: u64 = 14;
const FRAMES_SHOWN: usize = 32;

/// Handles a vector below 32.
pub fn exception(frame: &mut Frame) {
    let address = Cr2::read_raw() as usize;
    let mut why = None;
    if frame.vector == PAGE_FAULT {
        let access = match frame.error {
            code if code & 16 != 0 => Access::Execute,
            code if code & 2 != 0 => Access::Write,
            _ => Access::Read,
        };
        // The kernel itself may touch what the program was promised, too.
        match space::fault(address, access, frame.is_payload()) {
            Ok(()) => return,
            Err(error) => why = Some(error),
        }
    }
    if !frame.is_payload() {
        report(frame, address, why);
        exit::failure(Reason::KernelException);
    }
    if crate::ALL_STAGES && frame.vector == BREAKPOINT && coverage::breakpoint(frame) {
        return;
    }
    let is_hopeless = matches!(why, Some(FaultError::OutOfMemory | FaultError::Unreadable));
    if !is_hopeless && signal::raise_fault(frame, address, why) {
        return;
    }
    boot_manager::note_failure(slots::Reason::Faulted {
        vector: frame.vector as u8,
    });
    report(frame, address, why);
    exit::failure(Reason::PayloadException);
}

/// Lets the first CPU that fails speak; others stop. A CPU that fails while it speaks ends the machine.
fn first_to_fail() {
    const NOBODY: usize = usize::MAX;
    static SPEAKER: AtomicUsize = AtomicUsize::new(NOBODY);
    console::begin_panic();
    let this = if percpu::ready() {
        percpu::this().index
    } else {
        0
    };
    match SPEAKER.compare_exchange(NOBODY, this, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => exit::stop_others(),
        Err(speaker) if speaker == this => exit::failure(Reason::KernelPanic),
        Err(_) => halt_forever(),
    }
}

fn report(frame: &Frame, address: usize, why: Option<FaultError>) {
    first_to_fail();
    let who = if frame.is_payload() {
        "the payload"
    } else {
        "the kernel"
    };
    let cpu = percpu::this();
    let thread = cpu.thread().map_or(0, |thread| thread.tid);
    let name = NAMES
        .get(frame.vector as usize)
        .copied()
        .unwrap_or("interrupt");
    error!(
        "\nEXCEPTION {} ({name}) in {who}, CPU {}, thread {thread}, error code {:#x}",
        frame.vector, cpu.index, frame.error
    );
    if frame.vector == PAGE_FAULT {
        describe_page_fault(frame, address, why);
    } else if frame.error != 0 {
        let table = ["GDT", "IDT", "LDT", "IDT"][(frame.error >> 1 & 3) as usize];
        error!("  selector {:#x} of the {table}", frame.error & 0xFFF8);
    }
    error!(
        "  rip {:016x}  rsp {:016x}  rflags {:08x}",
        frame.rip, frame.rsp, frame.rflags
    );
    error!(
        "  rax {:016x}  rbx {:016x}  rcx {:016x}  rdx {:016x}",
        frame.rax, frame.rbx, frame.rcx, frame.rdx
    );
    error!(
        "  rsi {:016x}  rdi {:016x}  rbp {:016x}  r8  {:016x}",
        frame.rsi, frame.rdi, frame.rbp, frame.r8
    );
    error!(
        "  r9  {:016x}  r10 {:016x}  r11 {:016x}  r12 {:016x}",
        frame.r9, frame.r10, frame.r11, frame.r12
    );
    let cr3 = Cr3::read().0.start_address().as_u64();
    error!(
        "  r13 {:016x}  r14 {:016x}  r15 {:016x}  cr3 {cr3:016x}",
        frame.r13, frame.r14, frame.r15
    );
    error!("backtrace:");
    show_address(0, frame.rip as usize);
    backtrace(frame.rbp as usize, 1);
    error!("last events:");
    trace::print(16);
}

fn describe_page_fault(frame: &Frame, address: usize, why: Option<FaultError>) {
    let code = frame.error;
    let access = match code {
        code if code & 16 != 0 => "executing",
        code if code & 2 != 0 => "writing",
        _ => "reading",
    };
    let state = if code & 1 != 0 {
        "the page forbids it"
    } else {
        "no page is there"
    };
    let reason = match why {
        Some(FaultError::OutOfMemory) => "; the machine is out of memory",
        Some(FaultError::Protection) => "; the mapping forbids it",
        Some(FaultError::Unreadable) => "; a cold page that cannot be read",
        Some(FaultError::NotRead) => "; a cold page, which the kernel must ask for first",
        _ if stack::is_guard(address) => "; a kernel stack ran over",
        _ if address < 0x1_0000 => "; a null pointer",
        _ => "",
    };
    error!("  {access} address {address:#x}: {state}{reason}");
}

/// Walks frame pointers, printing return addresses.
fn backtrace(mut rbp: usize, first: usize) {
    for number in first..FRAMES_SHOWN {
        let readable =
            |at: usize| paging::translate(at).is_some() && paging::translate(at + 15).is_some();
        if rbp == 0 || !rbp.is_multiple_of(8) || rbp > usize::MAX - PAGE || !readable(rbp) {
            return;
        }
        // SAFETY: both words are mapped; stacks are plain memory.
        let [next, address] = unsafe { (rbp as *const [usize; 2]).read() };
        if address == 0 {
            return;
        }
        show_address(number, address);
        // Stacks grow down: callers live above. A change of stack (payload to kernel) may go anywhere.
        if next <= rbp && (next < USER_END) == (rbp < USER_END) {
            return;
        }
        rbp = next;
    }
}

fn show_address(number: usize, address: usize) {
    // Return addresses point behind the call, which may be the last instruction of its function.
    let looked_up = if number == 0 { address } else { address - 1 };
    match symbols::find(looked_up) {
        Some((name, offset)) => error!(
            "  #{number:<2} {address:016x} {:#}+{offset:#x}",
            symbols::readable(name)
        ),
        None if address < USER_END => match crate::loader::locate(address) {
            Some(offset) => error!("  #{number:<2} {address:016x} payload+{offset:#x}"),
            None => error!("  #{number:<2} {address:016x} (mapped by the payload)"),
        },
        None => error!("  #{number:<2} {address:016x}"),
    }
}

/// Prints the registers and backtrace of a payload that a signal kills.
pub fn report_killed(frame: &Frame, name: &str) {
    first_to_fail();
    error!("\nthe payload was killed by {name}");
    error!(
        "  rip {:016x}  rsp {:016x}  rbp {:016x}",
        frame.rip, frame.rsp, frame.rbp
    );
    error!("backtrace:");
    show_address(0, frame.rip as usize);
    backtrace(frame.rbp as usize, 1);
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    x86_64::instructions::interrupts::disable();
    first_to_fail();
    error!("\nKERNEL PANIC: {}", info.message());
    if let Some(at) = info.location() {
        error!("  at {}:{}", at.file(), at.line());
    }
    error!("backtrace:");
    let rbp: usize;
    // SAFETY: copies a register.
    unsafe {
        core::arch::asm!("mov {}, rbp", out(reg) rbp, options(nomem, nostack, preserves_flags))
    };
    backtrace(rbp, 1);
    error!("last events:");
    trace::print(16);
    exit::failure(Reason::KernelPanic)
}

/// The prebuilt `alloc` names it; with `panic=abort` nothing ever calls it.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    panic!("unwinding was started in a kernel that cannot unwind")
}

/// As [`_Unwind_Resume`]: the unwinder's callback, without an unwinder.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
