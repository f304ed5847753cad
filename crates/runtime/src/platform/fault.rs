//! A guest that faults: which function, where in it, the registers, then a distinct exit code.
//!
//! In other threads, and before the guest runs, a fault is the compiler's: LLVM reads bitcode that passed the container's
//! checks as it is, and bitcode made to harm can make it fail. That ends in one message, too, and in the exit code of a
//! refused program.
//!
//! The handler runs on a stack of its own (the fault may be an overflowing one), allocates nothing and takes no lock.

use super::call;
use engine::SymbolTable;
use engine::tier::Place;
use std::fmt::Write;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// Exit code of a program that met a CPU exception; the kernel and the host command know it too.
pub const EXIT_FAULT: i32 = formats::exit::FAULT_CODE as i32;

/// Names of code compiled ahead. Set once, never freed: a fault can come at any time.
static SYMBOLS: AtomicPtr<SymbolTable> = AtomicPtr::new(ptr::null_mut());
/// Asked once: the environment is not for signal handlers.
static ON_MACHINE: AtomicBool = AtomicBool::new(false);

/// A line on standard error without allocation.
struct Stderr {
    buffer: [u8; 2048],
    len: usize,
}

impl Stderr {
    fn flush(&mut self) {
        // SAFETY: the first `len` bytes of the buffer are initialised.
        unsafe { libc::write(2, self.buffer.as_ptr().cast(), self.len) };
        self.len = 0;
    }
}

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            if self.len == self.buffer.len() {
                self.flush();
            }
            self.buffer[self.len] = byte;
            self.len += 1;
        }
        Ok(())
    }
}

fn symbols() -> Option<&'static SymbolTable> {
    // SAFETY: null, or a leaked box.
    unsafe { SYMBOLS.load(Ordering::Acquire).as_ref() }
}

/// The thread as it was when it faulted.
struct Fault<'a> {
    signal: i32,
    /// The address accessed, for memory faults.
    address: usize,
    /// As the system numbers them.
    registers: &'a [usize],
    /// Words from the stack pointer upwards.
    stack: &'a [usize],
}

fn print_place(out: &mut Stderr, place: Place<'_>) -> std::fmt::Result {
    match place {
        Place::Compiled { function, offset } => {
            write!(out, "{:#}+{offset:#x}", rustc_demangle::demangle(function))
        }
        Place::Interpreted { function } => {
            write!(
                out,
                "{:#} (interpreted)",
                rustc_demangle::demangle(function)
            )
        }
        Place::Replaced => write!(out, "code of the program that was replaced since"),
    }
}

/// Calls `visit` if there is guest code at `address`.
fn locate(address: usize, visit: &mut dyn FnMut(Place<'_>)) -> bool {
    if let Some(at) = symbols().and_then(|s| s.find(address)) {
        let (function, offset) = (at.function, at.offset);
        visit(Place::Compiled { function, offset });
        return true;
    }
    call::engine().is_some_and(|engine| engine.locate_code(address, visit))
}

/// Where the fault was: in compiled code, in the interpreter, or in a function of the host.
fn print_innermost(out: &mut Stderr, fault: &Fault<'_>) -> std::fmt::Result {
    let rip = fault.registers[libc::REG_RIP as usize];
    let mut done = Ok(());
    let mut known = locate(rip, &mut |place| done = print_place(out, place));
    if let (false, Some(engine)) = (known, call::engine()) {
        engine.locate_interpreted(fault.registers, fault.stack, &mut |place| {
            known = true;
            done = print_place(out, place);
            false
        });
    }
    done?;
    match known {
        true => writeln!(out, " ({rip:#x})"),
        false => writeln!(out, "{rip:#x} (not in the program's code)"),
    }
}

fn describe(out: &mut Stderr, fault: &Fault<'_>) -> std::fmt::Result {
    let (signal, address) = (fault.signal, fault.address);
    let reg = |r: i32| fault.registers[r as usize];
    let what = match signal {
        libc::SIGSEGV => "invalid memory access",
        libc::SIGBUS => "bus error",
        libc::SIGFPE => "arithmetic exception",
        libc::SIGILL => {
            "illegal instruction (a trap: unreachable code, abort, or a feature this CPU lacks)"
        }
        _ => "exception",
    };
    writeln!(out, "\nerror: the program met a CPU exception: {what}")?;
    write!(out, "  at ")?;
    print_innermost(out, fault)?;
    if matches!(signal, libc::SIGSEGV | libc::SIGBUS) {
        writeln!(out, "  address {address:#x}")?;
    }
    let rows = [
        [
            ("rax", libc::REG_RAX),
            ("rbx", libc::REG_RBX),
            ("rcx", libc::REG_RCX),
            ("rdx", libc::REG_RDX),
        ],
        [
            ("rsi", libc::REG_RSI),
            ("rdi", libc::REG_RDI),
            ("rbp", libc::REG_RBP),
            ("rsp", libc::REG_RSP),
        ],
        [
            ("r8 ", libc::REG_R8),
            ("r9 ", libc::REG_R9),
            ("r10", libc::REG_R10),
            ("r11", libc::REG_R11),
        ],
        [
            ("r12", libc::REG_R12),
            ("r13", libc::REG_R13),
            ("r14", libc::REG_R14),
            ("r15", libc::REG_R15),
        ],
    ];
    for row in rows {
        for (name, r) in row {
            write!(out, "  {name} {:016x}", reg(r))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// An address of the main thread's stack above everything the guest puts there; 0 before [`install`].
static STACK_TOP: AtomicUsize = AtomicUsize::new(0);

/// Largest distance from there at which an address still counts as stack.
const STACK_SIZE: usize = 8 << 20;
const PAGE: usize = 4096;

/// Copies stack memory that may not be there: through Linux, which checks the addresses.
fn read_checked(from: usize, words: &mut [usize]) -> usize {
    let local = libc::iovec {
        iov_base: words.as_mut_ptr().cast(),
        iov_len: size_of_val(words),
    };
    let remote = libc::iovec {
        iov_base: from as *mut libc::c_void,
        iov_len: size_of_val(words),
    };
    // SAFETY: writes into `words` only; a remote range that is not mapped ends the copy.
    let read = unsafe { libc::process_vm_readv(libc::getpid(), &local, 1, &remote, 1, 0) };
    usize::try_from(read).unwrap_or(0) / size_of::<usize>()
}

/// Copies memory of the main thread's stack; on the machine, whose kernel has no call for it. A stack that overflowed is
/// read from the second page above its end.
fn read_main_stack(stack_pointer: usize, fault_address: usize, words: &mut [usize]) -> usize {
    let top = STACK_TOP.load(Ordering::Relaxed);
    let overflowed = fault_address.abs_diff(stack_pointer) < 2 * PAGE;
    let from = if overflowed {
        stack_pointer.next_multiple_of(PAGE) + PAGE
    } else {
        stack_pointer
    };
    if from >= top || top - from > STACK_SIZE || !from.is_multiple_of(size_of::<usize>()) {
        return 0;
    }
    let count = words.len().min((top - from) / size_of::<usize>());
    for (i, word) in words[..count].iter_mut().enumerate() {
        // SAFETY: between the stack pointer and a frame that still lives, all of which is mapped stack.
        *word = unsafe { (from as *const usize).add(i).read_volatile() };
    }
    count
}

/// Functions found on the stack: without frame pointers a guess, but callers are among them.
fn print_callers(out: &mut Stderr, fault: &Fault<'_>) -> std::fmt::Result {
    const MOST: usize = 12;
    let mut shown = 0;
    let mut done = Ok(());
    let mut show = |out: &mut Stderr, place: Place<'_>| {
        let head = if shown == 0 {
            writeln!(out, "  possible callers:")
        } else {
            Ok(())
        };
        let line = head
            .and_then(|()| write!(out, "    "))
            .and_then(|()| print_place(out, place))
            .and_then(|()| writeln!(out));
        if let Err(error) = line {
            done = Err(error);
        }
        shown += 1;
        shown < MOST
    };
    for word in fault.stack {
        let mut more = true;
        locate(word.wrapping_sub(1), &mut |place| more = show(out, place));
        if !more {
            return done;
        }
    }
    if let Some(engine) = call::engine() {
        let mut last = None;
        engine.locate_interpreted(fault.registers, fault.stack, &mut |place| {
            // A recursion has the same name many times.
            let hash = match place {
                Place::Interpreted { function } => Some(function.as_ptr().addr()),
                _ => None,
            };
            if std::mem::replace(&mut last, hash) == hash {
                return true;
            }
            show(out, place)
        });
    }
    done
}

/// Ends the process for a fault before the guest ran.
fn compiler_failed() -> ! {
    let mut out = Stderr {
        buffer: [0; 2048],
        len: 0,
    };
    let _ = writeln!(
        out,
        "error: the compiler failed on this program: its bitcode is damaged or was made by another LLVM, memory ran \
         out, or this is a bug of LLVM; another tier (--tier interp, --tier O0) may avoid it"
    );
    out.flush();
    // SAFETY: async-signal-safe.
    unsafe { libc::_exit(crate::EXIT_REFUSED.into()) };
}

/// Whether a guest runs, and on this thread.
fn is_guests() -> bool {
    !SYMBOLS.load(Ordering::Acquire).is_null() || call::runs_guest()
}

extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    super::embed::end_if_loading(signal, on_fault);
    if !is_guests() {
        compiler_failed();
    }
    if signal == libc::SIGABRT {
        return; // a panic of the runtime: it has said why, and aborts now that the handler is gone
    }
    let mut out = Stderr {
        buffer: [0; 2048],
        len: 0,
    };
    // SAFETY: the kernel passes valid pointers to a handler installed with SA_SIGINFO.
    let (address, saved) = unsafe {
        (
            (*info).si_addr() as usize,
            &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs,
        )
    };
    let registers = saved.map(|r| r as usize);
    let mut words = [0usize; 512];
    let stack_pointer = registers[libc::REG_RSP as usize];
    let count = if ON_MACHINE.load(Ordering::Relaxed) {
        read_main_stack(stack_pointer, address, &mut words)
    } else {
        read_checked(stack_pointer, &mut words)
    };
    let fault = Fault {
        signal,
        address,
        registers: &registers,
        stack: &words[..count],
    };
    // Nobody is left to be told that it cannot be written.
    let _ = describe(&mut out, &fault).and_then(|()| print_callers(&mut out, &fault));
    out.flush();
    // SAFETY: async-signal-safe.
    unsafe { libc::_exit(EXIT_FAULT) };
}

/// Installs the handler for this thread's stack and the whole process's signals. `stack_top` is the address of something
/// on this thread's stack that outlives the guest: frames of the guest lie below it.
pub fn install(stack_top: usize) {
    const STACK: usize = 64 << 10;
    STACK_TOP.store(stack_top, Ordering::Relaxed);
    ON_MACHINE.store(super::is_machine(), Ordering::Relaxed);
    // SAFETY: the alternate stack is leaked on purpose; zeroed sigactions are valid; the handler never returns.
    unsafe {
        let stack = libc::stack_t {
            ss_sp: Box::leak(vec![0u8; STACK].into_boxed_slice())
                .as_mut_ptr()
                .cast(),
            ss_flags: 0,
            ss_size: STACK,
        };
        libc::sigaltstack(&stack, ptr::null_mut());
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        for signal in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGILL,
            libc::SIGFPE,
            libc::SIGTRAP,
            libc::SIGABRT,
        ] {
            libc::sigaction(signal, &action, ptr::null_mut());
        }
    }
}

/// Lends the handler the names of code compiled ahead, for good.
pub fn set_symbols(table: &'static SymbolTable) {
    SYMBOLS.store(ptr::from_ref(table).cast_mut(), Ordering::Release);
}
