//! A guest that faults, or stands still: which function, which line of its source, then a distinct exit code.
//!
//! In other threads, and before the guest runs, a fault is the compiler's: LLVM reads bitcode that passed the container's
//! checks as it is, and bitcode made to harm can make it fail. That ends in one message, too, and in the exit code of a
//! refused program.
//!
//! The handler runs on a stack of its own (the fault may be an overflowing one) and takes no lock. Source lines are read
//! from debug information with memory of its own ([`spare`]); should even that fail, the message comes without them.

mod report;
pub mod spare;

use super::call;
use engine::SymbolTable;
use report::{Fault, Stderr};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// Exit code of a program that met a CPU exception; the kernel and the host command know it too.
pub const EXIT_FAULT: i32 = formats::exit::FAULT_CODE as i32;

/// Exit code of a program that the watchdog ended.
pub const EXIT_STUCK: i32 = formats::exit::STUCK_CODE as i32;

/// Names of code compiled ahead. Set once, never freed: a fault can come at any time.
static SYMBOLS: AtomicPtr<SymbolTable> = AtomicPtr::new(ptr::null_mut());
/// Asked once: the environment is not for signal handlers.
static ON_MACHINE: AtomicBool = AtomicBool::new(false);

fn symbols() -> Option<&'static SymbolTable> {
    // SAFETY: null, or a leaked box.
    unsafe { SYMBOLS.load(Ordering::Acquire).as_ref() }
}

/// An address of the main thread's stack above everything the guest puts there; 0 before [`install`].
static STACK_TOP: AtomicUsize = AtomicUsize::new(0);

/// Largest distance from there at which an address still counts as stack.
const STACK_SIZE: usize = 8 << 20;
const PAGE: usize = 4096;

/// Words of the stack that are looked at.
const WORDS: usize = 1024;

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
    let overflowed = report::is_overflow(fault_address, stack_pointer);
    let from = if overflowed {
        fault_address.max(stack_pointer).next_multiple_of(PAGE) + PAGE
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

/// Ends the process for a fault before the guest ran.
fn compiler_failed() -> ! {
    let mut out = Stderr::new();
    out.line(format_args!(
        "error: the compiler failed on this program: its bitcode is damaged or was made by another LLVM, memory ran \
         out, or this is a bug of LLVM; another tier (--tier interp, --tier O0) may avoid it"
    ));
    out.flush();
    // SAFETY: async-signal-safe.
    unsafe { libc::_exit(crate::EXIT_REFUSED.into()) };
}

/// Whether a guest runs, and on this thread.
fn is_guests() -> bool {
    !SYMBOLS.load(Ordering::Acquire).is_null() || call::runs_guest()
}

/// The thread that tells of its fault; 0 if none does. The first one is told of, others wait for the end.
static TELLING: AtomicI32 = AtomicI32::new(0);
/// How often the handler was entered by that thread: again, if telling failed.
static ENTERED: AtomicU32 = AtomicU32::new(0);

fn wait_for_the_end() -> ! {
    let long = libc::timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    loop {
        // SAFETY: async-signal-safe; the time is read, and what is left of it is not asked for.
        unsafe { libc::nanosleep(&long, ptr::null_mut()) };
    }
}

/// What a handler was given.
///
/// # Safety
/// `info` and `context` are what the kernel passed to a handler installed with `SA_SIGINFO`; `words` lives as long as what
/// is made.
unsafe fn fault_of<'a>(
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    registers: &'a mut [usize; 23],
    words: &'a mut [usize; WORDS],
) -> Fault<'a> {
    // SAFETY: as the caller promised.
    let (address, saved) = unsafe {
        (
            (*info).si_addr() as usize,
            &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs,
        )
    };
    for (to, from) in registers.iter_mut().zip(saved) {
        *to = *from as usize;
    }
    let stack_pointer = registers[libc::REG_RSP as usize];
    let count = if ON_MACHINE.load(Ordering::Relaxed) {
        read_main_stack(stack_pointer, address, words)
    } else {
        read_checked(stack_pointer, words)
    };
    Fault {
        signal,
        address,
        registers,
        stack: &words[..count],
    }
}

extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    super::embed::end_if_loading(signal, on_fault);
    // SAFETY: async-signal-safe.
    let thread = unsafe { libc::gettid() };
    if STUCK.load(Ordering::SeqCst) {
        // The end is near, and a thread that failed to say where it is has nothing to add.
        wait_for_the_end();
    }
    let told = TELLING.load(Ordering::SeqCst);
    if told != thread {
        if !is_guests() {
            compiler_failed();
        }
        if signal == libc::SIGABRT {
            // A panic of the runtime: it has said why, and aborts now.
            // SAFETY: async-signal-safe; a zeroed sigaction is valid and is the default action.
            unsafe {
                libc::sigaction(libc::SIGABRT, &std::mem::zeroed(), ptr::null_mut());
            }
            return;
        }
        let first = TELLING.compare_exchange(0, thread, Ordering::SeqCst, Ordering::SeqCst);
        if first.is_err() {
            wait_for_the_end();
        }
    }
    // Reading source lines failed: then without them. That failed too: then without a word.
    let attempt = ENTERED.fetch_add(1, Ordering::SeqCst);
    if attempt < 2 {
        static mut REGISTERS: [usize; 23] = [0; 23];
        static mut WORDS_READ: [usize; WORDS] = [0; WORDS];
        let (registers, words) = (&raw mut REGISTERS, &raw mut WORDS_READ);
        // SAFETY: one thread comes here. What the first entry wrote is read by the second, which interrupted it for good.
        let (registers, words) = unsafe { (&mut *registers, &mut *words) };
        static mut FIRST: (i32, usize, usize) = (0, 0, 0);
        let fault = if attempt == 0 {
            // SAFETY: the kernel's arguments; both places are static.
            let fault = unsafe { fault_of(signal, info, context, registers, words) };
            // SAFETY: as above.
            unsafe { FIRST = (signal, fault.address, fault.stack.len()) };
            fault
        } else {
            // SAFETY: as above.
            let (signal, address, count) = unsafe { FIRST };
            Fault {
                signal,
                address,
                registers,
                stack: &words[..count],
            }
        };
        let lines = attempt == 0 && spare::begin(thread);
        let mut out = Stderr::new();
        report::fault(&mut out, &fault, lines);
        out.flush();
    }
    // SAFETY: async-signal-safe.
    unsafe { libc::_exit(EXIT_FAULT) };
}

/// Whether threads are asked where they are, before the process ends.
static STUCK: AtomicBool = AtomicBool::new(false);

/// Whether the thread that was asked last where it is has answered.
static ANSWERED: AtomicBool = AtomicBool::new(false);

/// The signal that asks a thread where it is.
const ASK: libc::c_int = libc::SIGUSR2;

extern "C" fn on_question(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let (mut registers, mut words) = ([0; 23], [0; WORDS]);
    // SAFETY: the kernel's arguments; both places outlive what is made of them.
    let fault = unsafe { fault_of(signal, info, context, &mut registers, &mut words) };
    let fault = Fault {
        address: 0,
        ..fault
    };
    // SAFETY: async-signal-safe.
    let lines = spare::begin(unsafe { libc::gettid() });
    let mut out = Stderr::new();
    report::place(&mut out, &fault, lines);
    out.flush();
    ANSWERED.store(true, Ordering::SeqCst);
    wait_for_the_end();
}

/// Ends the process because the program makes no progress, after each of its threads has said where it is.
pub fn stuck(seconds: u64) -> ! {
    STUCK.store(true, Ordering::SeqCst);
    let mut out = Stderr::new();
    out.line(format_args!(
        "\nerror: the program made no progress for {seconds} s (--watchdog): no output, no input, no file used"
    ));
    out.flush();
    // SAFETY: a zeroed sigaction is valid; the handler never returns.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_question as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(ASK, &action, ptr::null_mut());
    }
    for thread in call::guest_threads() {
        ANSWERED.store(false, Ordering::SeqCst);
        // SAFETY: a signal to a thread of this process, which has a handler.
        if unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, ASK) } != 0 {
            continue;
        }
        // Under emulation reading debug information takes a while. A thread that is in no state to answer is left out.
        for _ in 0..500 {
            if ANSWERED.load(Ordering::SeqCst) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        if !ANSWERED.load(Ordering::SeqCst) {
            break;
        }
        spare::end(thread);
    }
    // SAFETY: async-signal-safe.
    unsafe { libc::_exit(EXIT_STUCK) };
}

/// Bytes of the stack of a handler.
const HANDLER_STACK: usize = 256 << 10;

thread_local! {
    static HAS_STACK: Cell<bool> = const { Cell::new(false) };
}

/// Gives this thread a stack for handlers, unless it has one. Never freed: threads of guests are few.
pub fn own_stack() {
    if HAS_STACK.replace(true) {
        return;
    }
    // SAFETY: a fresh mapping, which stays for good, becomes the thread's alternate stack.
    unsafe {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let start = libc::mmap(ptr::null_mut(), HANDLER_STACK, rights, flags, -1, 0);
        if start == libc::MAP_FAILED {
            return; // the one that the standard library gave the thread has to do
        }
        let stack = libc::stack_t {
            ss_sp: start,
            ss_flags: 0,
            ss_size: HANDLER_STACK,
        };
        libc::sigaltstack(&stack, ptr::null_mut());
    }
}

/// Installs the handler for this thread's stack and the whole process's signals. `stack_top` is the address of something
/// on this thread's stack that outlives the guest: frames of the guest lie below it.
pub fn install(stack_top: usize) {
    STACK_TOP.store(stack_top, Ordering::Relaxed);
    ON_MACHINE.store(super::is_machine(), Ordering::Relaxed);
    own_stack();
    if super::is_machine() {
        spare::reserve();
    }
    // SAFETY: a zeroed sigaction is valid; the handler never returns, but for an abort that is the runtime's own.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_fault as *const () as usize;
        // Not blocked while it runs: a fault of the handler's own comes here again.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
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
