//! A program that faults, or stands still: which function, which line of its source, then a distinct exit code.
//!
//! The handler runs on a stack of its own (the fault may be an overflowing one), allocates nothing and takes no lock. The
//! text is that of the runtime (`runtime/src/platform/fault.rs`).

use crate::names::Place;
use crate::output::Stderr;
use crate::{gate, heap, pool, progress, threads};
use core::fmt::{Result, Write};
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
    let from = match is_overflow(fault_address, stack_pointer) {
        true => fault_address.max(stack_pointer).next_multiple_of(PAGE) + PAGE,
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

/// A thread as it was when it faulted, or was asked.
struct Fault<'a> {
    signal: i32,
    /// The address accessed, for memory faults.
    address: usize,
    registers: &'a [usize; GREGS],
    /// Words from the stack pointer upwards.
    stack: &'a [usize],
}

/// Addresses below this are null pointers with an offset.
const NULL_PAGES: usize = 64 << 10;
/// Largest distance from the stack pointer at which an access was to the end of the stack.
const NEAR_STACK: usize = 64 << 10;

/// Whether an access was to the end of the stack.
fn is_overflow(address: usize, stack_pointer: usize) -> bool {
    address >= NULL_PAGES && address.abs_diff(stack_pointer) < NEAR_STACK
}

impl Fault<'_> {
    /// Why the thread stopped, in words.
    fn cause(&self) -> &'static str {
        match self.signal {
            SIGSEGV if self.registers[RIP] < NULL_PAGES => {
                "invalid memory access: call through a null pointer"
            }
            SIGSEGV if is_overflow(self.address, self.registers[RSP]) => {
                "stack overflow (a recursion without end, or variables too large for the stack)"
            }
            SIGSEGV if self.address < NULL_PAGES => "invalid memory access: null pointer",
            SIGSEGV => "invalid memory access",
            SIGBUS => "bus error",
            SIGFPE => {
                "arithmetic exception: division by zero, or a quotient that does not fit its type"
            }
            SIGILL => {
                "illegal instruction (a trap: unreachable code, abort, or a feature this CPU lacks)"
            }
            _ => "exception",
        }
    }

    /// The code of the program that runs, or that called what runs: what is nearest on the stack. With it, whether it is a
    /// caller.
    fn innermost(&self) -> Option<(Place, bool)> {
        let here = Place::at(self.registers[RIP]).map(|place| (place, false));
        let mut words = self.stack.iter();
        here.or_else(|| words.find_map(|word| Some((Place::at(word.wrapping_sub(1))?, true))))
    }

    fn describe(&self, out: &mut Stderr) -> Result {
        writeln!(
            out,
            "\nerror: the program met a CPU exception: {}",
            self.cause()
        )?;
        let shown = self.place(out)?;
        if matches!(self.signal, SIGSEGV | SIGBUS) {
            writeln!(out, "  address {:#x}", self.address)?;
        }
        if let Some(bytes) = heap::refused().filter(|_| self.signal != SIGFPE) {
            writeln!(
                out,
                "  memory had run out before: a request for {bytes} bytes was refused"
            )?;
        }
        for row in ROWS {
            for (name, r) in row {
                write!(out, "  {name} {:016x}", self.registers[r])?;
            }
            writeln!(out)?;
        }
        self.callers(out, shown)
    }

    /// Says where the thread is; gives what tells the place from others.
    fn place(&self, out: &mut Stderr) -> core::result::Result<Key, core::fmt::Error> {
        let rip = self.registers[RIP];
        let found = self.innermost();
        write!(out, "  at ")?;
        match &found {
            Some((place, is_caller)) => {
                if *is_caller {
                    write!(out, "a call from ")?;
                }
                print_place(out, place)?;
                writeln!(out, " ({rip:#x})")?;
            }
            None => writeln!(out, "{rip:#x} (not in the program's code)")?,
        }
        Ok(found.map(|(place, _)| key(&place)))
    }

    /// Functions found on the stack, without that of `last`: without frame pointers a guess, but callers are among them.
    fn callers(&self, out: &mut Stderr, mut last: Key) -> Result {
        const MOST: usize = 12;
        let mut shown = 0;
        for word in self.stack {
            let Some(place) = Place::at(word.wrapping_sub(1)) else {
                continue;
            };
            // A recursion has the same place many times.
            let this = Some(key(&place));
            if core::mem::replace(&mut last, this) == this {
                continue;
            }
            if shown == 0 {
                writeln!(out, "  possible callers:")?;
            }
            write!(out, "    ")?;
            print_place(out, &place)?;
            writeln!(out)?;
            shown += 1;
            if shown == MOST {
                break;
            }
        }
        Ok(())
    }
}

/// Where the name of a place is, and its line: to tell one from the next.
type Key = Option<(usize, u32)>;

fn key(place: &Place) -> (usize, u32) {
    let line = place.frames().next().map_or(0, |frame| frame.line);
    (place.function.as_ptr().addr(), line)
}

fn print_place(out: &mut Stderr, place: &Place) -> Result {
    let (function, offset) = (place.function, place.offset);
    let mut is_known = false;
    for frame in place.frames() {
        if core::mem::replace(&mut is_known, true) {
            write!(out, ", inlined into ")?;
        }
        let name = match frame.function {
            "" => function,
            name => name,
        };
        write!(out, "{name} ({}:{})", frame.file, frame.line)?;
    }
    match is_known {
        true => write!(out, " [{function}+{offset:#x}]"),
        false => write!(out, "{function}+{offset:#x}"),
    }
}

/// The registers that a handler was given.
///
/// # Safety
/// `context` is what the kernel passed to a handler installed with `SA_SIGINFO`, which has not returned.
unsafe fn registers_of<'a>(context: *const usize) -> &'a [usize; GREGS] {
    // SAFETY: a valid structure, as the caller promised; the registers are where [`GREGS_WORD`] says.
    unsafe { &*context.add(GREGS_WORD).cast::<[usize; GREGS]>() }
}

extern "C" fn on_fault(signal: i32, info: *const u8, context: *const usize) {
    if progress::is_stuck() {
        progress::wait_for_the_end();
    }
    // SAFETY: the kernel passes valid structures: si_addr is at byte 16 of siginfo_t.
    let (address, registers) =
        unsafe { (info.add(16).cast::<usize>().read(), registers_of(context)) };
    let fault = Fault {
        signal,
        address,
        registers,
        stack: stack_words(registers[RSP], address),
    };
    let mut out = Stderr::new();
    // Nobody is left to be told that it cannot be written.
    let _ = fault.describe(&mut out);
    out.flush();
    gate::exit(EXIT_FAULT);
}

extern "C" fn on_question(signal: i32, _info: *const u8, context: *const usize) {
    // SAFETY: the kernel passes a valid structure.
    let registers = unsafe { registers_of(context) };
    let fault = Fault {
        signal,
        address: 0,
        registers,
        stack: stack_words(registers[RSP], 0),
    };
    let mut out = Stderr::new();
    // As above.
    let _ = fault
        .place(&mut out)
        .and_then(|shown| fault.callers(&mut out, shown));
    out.flush();
    progress::answered();
}

/// Has threads that get `signal` say where they are.
pub fn answer_questions(signal: i32) {
    let flags = SA_SIGINFO | SA_ONSTACK;
    // SAFETY: the handler only reads and never returns.
    unsafe { gate::handle_signal(signal, on_question as *const () as usize, flags) }
}
