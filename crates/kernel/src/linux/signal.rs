//! Signals: actions, masks, delivery on the payload's stack, return.
//!
//! A signal for the process goes to any thread that does not block it. Faults go to their thread, at once.
//! The frame on the payload's stack is that of Linux: return address, `ucontext`, `siginfo`; the
//! vector state lies above it. Source: `arch/x86/include/asm/sigframe.h`, `uapi/asm/sigcontext.h` (layouts).

use super::errno::Errno;
use super::thread::current;
use super::{Answer, Args};
use crate::cpu::trap::Frame;
use crate::cpu::{fpu, percpu};
use crate::fault;
use crate::memory::space::FaultError;
use crate::memory::user;
use crate::sched::{self, Thread};
use crate::sync::Mutex;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

const SIGINT: i32 = 2;
const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGBUS: i32 = 7;
const SIGFPE: i32 = 8;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGSTOP: i32 = 19;
/// Ignored by default: SIGCHLD, SIGCONT, SIGURG, SIGWINCH.
const IGNORED: u64 = bit(17) | bit(18) | bit(23) | bit(28);
/// Cannot be blocked or handled.
const UNBLOCKABLE: u64 = bit(SIGKILL) | bit(SIGSTOP);

const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;
const SA_SIGINFO_RESTORER: u64 = 0x0400_0000;
const SA_ONSTACK: u64 = 0x0800_0000;
const SA_NODEFER: u64 = 0x4000_0000;
const SA_RESETHAND: u64 = 0x8000_0000;

const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// `struct sigaction` of the kernel: handler, flags, restorer, mask.
#[derive(Clone, Copy)]
struct Action {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

const DEFAULT: Action = Action {
    handler: SIG_DFL,
    flags: 0,
    restorer: 0,
    mask: 0,
};
static ACTIONS: Mutex<[Action; 64]> = Mutex::new([DEFAULT; 64]);
static PENDING: AtomicU64 = AtomicU64::new(0);

/// The alternate stack of a thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct AltStack {
    start: usize,
    bytes: usize,
}

impl AltStack {
    fn holds(&self, rsp: u64) -> bool {
        self.bytes != 0 && (rsp as usize).wrapping_sub(self.start) <= self.bytes
    }
}

/// Signals sent to the process and not delivered yet.
pub fn process_pending() -> u64 {
    PENDING.load(Ordering::SeqCst)
}

fn valid(signal: i32) -> Result<usize, Errno> {
    if (1..=64).contains(&signal) {
        Ok(signal as usize - 1)
    } else {
        Err(Errno::INVAL)
    }
}

pub fn sigaction(a: &Args) -> Answer {
    let signal = a.int(0);
    let index = valid(signal)?;
    let (new, old) = (a.get(1), a.get(2));
    let wanted = if new == 0 {
        None
    } else {
        let [handler, flags, restorer, mask] = user::read::<[u64; 4]>(new)?;
        if bit(signal) & UNBLOCKABLE != 0 {
            return Err(Errno::INVAL);
        }
        Some(Action {
            handler: handler as usize,
            flags,
            restorer: restorer as usize,
            mask: mask & !UNBLOCKABLE,
        })
    };
    let mut actions = ACTIONS.lock();
    let before = actions[index];
    if let Some(action) = wanted {
        actions[index] = action;
    }
    drop(actions);
    if old != 0 {
        user::write(
            old,
            [
                before.handler as u64,
                before.flags,
                before.restorer as u64,
                before.mask,
            ],
        )?;
    }
    Ok(0)
}

pub fn sigprocmask(a: &Args) -> Answer {
    let thread = current()?;
    let before = thread.signal_mask.load(Ordering::SeqCst);
    if a.get(1) != 0 {
        let set = user::read::<u64>(a.get(1))?;
        let after = match a.int(0) {
            0 => before | set,
            1 => before & !set,
            2 => set,
            _ => return Err(Errno::INVAL),
        };
        thread
            .signal_mask
            .store(after & !UNBLOCKABLE, Ordering::SeqCst);
    }
    if a.get(2) != 0 {
        user::write(a.get(2), before)?;
    }
    Ok(0)
}

pub fn sigpending(a: &Args) -> Answer {
    let thread = current()?;
    let pending = thread.signals_pending.load(Ordering::SeqCst) | process_pending();
    user::write(
        a.get(0),
        pending & thread.signal_mask.load(Ordering::SeqCst),
    )
    .map(|()| 0)
}

/// Waits with another mask until a signal comes. The old mask comes back when its handler returns.
pub fn sigsuspend(a: &Args) -> Answer {
    let thread = current()?;
    let set = user::read::<u64>(a.get(0))?;
    let before = thread
        .signal_mask
        .swap(set & !UNBLOCKABLE, Ordering::SeqCst);
    thread.suspended_mask.set(Some(before));
    while !thread.has_signal() {
        sched::sleep_until(sched::NEVER);
    }
    Err(Errno::INTR)
}

pub fn sigaltstack(a: &Args) -> Answer {
    const SS_DISABLE: u64 = 2;
    const SMALLEST: u64 = 2048;
    let thread = current()?;
    let before = thread.alt_stack.get();
    if a.get(0) != 0 {
        let [start, flags, bytes] = user::read::<[u64; 3]>(a.get(0))?;
        let new = match flags & 0xFFFF_FFFF {
            flags if flags & SS_DISABLE != 0 => AltStack::default(),
            _ if bytes < SMALLEST => return Err(Errno::NOMEM),
            _ => AltStack {
                start: start as usize,
                bytes: bytes as usize,
            },
        };
        thread.alt_stack.set(new);
    }
    if a.get(1) != 0 {
        let flags = if before.bytes == 0 { SS_DISABLE } else { 0 };
        user::write(a.get(1), [before.start as u64, flags, before.bytes as u64])?;
    }
    Ok(0)
}

fn find(tid: u32) -> Option<Arc<Thread>> {
    sched::lock()
        .threads()
        .iter()
        .find(|thread| thread.tid == tid)
        .cloned()
}

pub fn tgkill(tid: i32, signal: i32) -> Answer {
    let thread = u32::try_from(tid).ok().and_then(find).ok_or(Errno::SRCH)?;
    if signal == 0 {
        return Ok(0);
    }
    valid(signal)?;
    thread
        .signals_pending
        .fetch_or(bit(signal), Ordering::SeqCst);
    sched::interrupt(&thread);
    Ok(0)
}

pub fn kill(pid: i32, signal: i32) -> Answer {
    if !matches!(pid, -1..=1) {
        return Err(Errno::SRCH);
    }
    if signal == 0 {
        return Ok(0);
    }
    valid(signal)?;
    post(signal);
    Ok(0)
}

/// Sends a signal to the process.
fn post(signal: i32) {
    PENDING.fetch_or(bit(signal), Ordering::SeqCst);
    let open = |thread: &&Arc<Thread>| thread.signal_mask.load(Ordering::SeqCst) & bit(signal) == 0;
    let thread = sched::lock().threads().iter().find(open).cloned();
    if let Some(thread) = thread {
        sched::interrupt(&thread);
    }
}

/// Ctrl-C on the console.
pub fn interrupt_from_console() {
    post(SIGINT);
}

/// Takes the lowest signal that waits for this thread and is not blocked.
fn take(thread: &Thread) -> Option<i32> {
    let open = !thread.signal_mask.load(Ordering::SeqCst);
    for source in [&thread.signals_pending, &PENDING] {
        let waiting = source.load(Ordering::SeqCst) & open;
        if waiting != 0 {
            let lowest = waiting & waiting.wrapping_neg();
            // Another thread may have taken a process signal in between.
            if source.fetch_and(!lowest, Ordering::SeqCst) & lowest != 0 {
                return Some(lowest.trailing_zeros() as i32 + 1);
            }
        }
    }
    None
}

/// Delivers what waits for the running thread. True if the frame was changed: all its registers count then.
pub fn deliver(frame: &mut Frame) -> bool {
    let Some(thread) = percpu::this().thread() else {
        return false;
    };
    if !thread.has_signal() {
        return false;
    }
    let mut changed = false;
    while let Some(signal) = take(&thread) {
        let action = ACTIONS.lock()[signal as usize - 1];
        match action.handler {
            SIG_IGN => {}
            SIG_DFL if bit(signal) & IGNORED != 0 => {}
            SIG_DFL => die(frame, signal),
            _ => {
                if !enter_handler(frame, &thread, signal, &action, &SignalInfo::sent(signal)) {
                    fault::report_killed(frame, "SIGSEGV: no stack for a signal handler");
                    crate::exit::program(128 + SIGSEGV);
                }
                changed = true;
            }
        }
    }
    // Only signals that nobody handles ended the wait.
    if let Some(mask) = thread.suspended_mask.take() {
        thread.signal_mask.store(mask, Ordering::SeqCst);
    }
    changed
}

/// The default action of most signals: the program ends.
fn die(frame: &Frame, signal: i32) -> ! {
    let name = match signal {
        SIGINT => crate::exit::program(128 + SIGINT),
        1 => "SIGHUP",
        3 => "SIGQUIT",
        6 => "SIGABRT",
        SIGKILL => "SIGKILL",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => "a signal",
    };
    fault::report_killed(frame, name);
    crate::exit::program(128 + signal)
}

/// What a handler learns: `siginfo_t`.
struct SignalInfo {
    signal: i32,
    code: i32,
    address: u64,
    trap: u64,
    error: u64,
}

impl SignalInfo {
    fn sent(signal: i32) -> Self {
        const SI_TKILL: i32 = -6;
        Self {
            signal,
            code: SI_TKILL,
            address: 0,
            trap: 0,
            error: 0,
        }
    }
}

/// Turns an exception of the payload into a signal for its handler. False if it has none.
pub fn raise_fault(frame: &mut Frame, address: usize, why: Option<FaultError>) -> bool {
    let (signal, code) = match frame.vector {
        0 => (SIGFPE, 1),
        1 | 3 => (SIGTRAP, 1),
        6 => (SIGILL, 2),
        16 | 19 => (SIGFPE, 3),
        17 => (SIGBUS, 1),
        14 if why == Some(FaultError::Protection) => (SIGSEGV, 2),
        14 => (SIGSEGV, 1),
        13 | 12 => (SIGSEGV, 0x80),
        _ => return false,
    };
    let Some(thread) = percpu::this().thread() else {
        return false;
    };
    let action = ACTIONS.lock()[signal as usize - 1];
    let blocked = thread.signal_mask.load(Ordering::SeqCst) & bit(signal) != 0;
    if matches!(action.handler, SIG_DFL | SIG_IGN) || blocked {
        return false;
    }
    let address = if frame.vector == 14 {
        address as u64
    } else {
        frame.rip
    };
    let info = SignalInfo {
        signal,
        code,
        address,
        trap: frame.vector,
        error: frame.error,
    };
    enter_handler(frame, &thread, signal, &action, &info)
}

/// Words of the frame on the stack: return address, 38 words of `ucontext`, 16 of `siginfo`.
const UCONTEXT: usize = 1;
const MCONTEXT: usize = UCONTEXT + 5;
const FPSTATE: usize = MCONTEXT + 23;
const SIGMASK: usize = MCONTEXT + 32;
const SIGINFO: usize = UCONTEXT + 38;
const WORDS: usize = SIGINFO + 16;
const RED_ZONE: u64 = 128;
/// Offset of xmm0 in the vector state.
const XMM: usize = 160;

fn enter_handler(
    frame: &mut Frame,
    thread: &Thread,
    signal: i32,
    action: &Action,
    info: &SignalInfo,
) -> bool {
    let alt = thread.alt_stack.get();
    let on_alt = action.flags & SA_ONSTACK != 0 && alt.bytes != 0 && !alt.holds(frame.rsp);
    let top = if on_alt {
        (alt.start + alt.bytes) as u64
    } else {
        frame.rsp.wrapping_sub(RED_ZONE)
    };
    let vector_bytes = fpu::bytes();
    let vector_at = top.wrapping_sub(vector_bytes as u64) & !63;
    let at = (vector_at.wrapping_sub(8 * WORDS as u64) & !15).wrapping_sub(8);
    let Ok(vectors) = user::bytes_mut(vector_at as usize, vector_bytes) else {
        return false;
    };
    fpu::save_to(vectors);
    for (out, xmm) in vectors[XMM..].chunks_exact_mut(16).zip(frame.xmm) {
        out.copy_from_slice(&xmm.to_le_bytes());
    }
    fpu::mark_sse(vectors);
    let now = thread.signal_mask.load(Ordering::SeqCst);
    let mask = thread.suspended_mask.get().unwrap_or(now);
    let mut words = [0u64; WORDS];
    words[0] = action.restorer as u64;
    words[UCONTEXT + 2] = alt.start as u64;
    words[UCONTEXT + 3] = if alt.bytes == 0 {
        2
    } else {
        u64::from(alt.holds(frame.rsp))
    };
    words[UCONTEXT + 4] = alt.bytes as u64;
    words[MCONTEXT..FPSTATE].copy_from_slice(&[
        frame.r8,
        frame.r9,
        frame.r10,
        frame.r11,
        frame.r12,
        frame.r13,
        frame.r14,
        frame.r15,
        frame.rdi,
        frame.rsi,
        frame.rbp,
        frame.rbx,
        frame.rdx,
        frame.rax,
        frame.rcx,
        frame.rsp,
        frame.rip,
        frame.rflags,
        frame.cs,
        info.error,
        info.trap,
        mask,
        info.address,
    ]);
    words[FPSTATE] = vector_at;
    words[SIGMASK] = mask;
    words[SIGINFO] = info.signal as u64;
    words[SIGINFO + 1] = u64::from(info.code as u32);
    words[SIGINFO + 2] = info.address;
    if action.flags & SA_SIGINFO_RESTORER == 0 || user::write(at as usize, words).is_err() {
        return false;
    }
    thread.suspended_mask.set(None);
    let mut blocked = now | action.mask;
    if action.flags & SA_NODEFER == 0 {
        blocked |= bit(signal);
    }
    thread
        .signal_mask
        .store(blocked & !UNBLOCKABLE, Ordering::SeqCst);
    if action.flags & SA_RESETHAND != 0 {
        ACTIONS.lock()[signal as usize - 1] = DEFAULT;
    }
    frame.rip = action.handler as u64;
    frame.rsp = at;
    frame.rdi = signal as u64;
    frame.rsi = at + 8 * SIGINFO as u64;
    frame.rdx = at + 8 * UCONTEXT as u64;
    frame.rax = 0;
    frame.rflags &= !0x500; // trap and direction flags
    true
}

/// Returns from a handler: everything is as the frame on the stack says.
pub fn sigreturn(frame: &mut Frame) {
    // The handler's `ret` took the return address.
    let at = (frame.rsp as usize).wrapping_sub(8);
    let restored = user::read::<[u64; WORDS]>(at).and_then(|words| {
        let bytes = fpu::bytes();
        let state = user::bytes(words[FPSTATE] as usize, bytes)?;
        Ok((words, state))
    });
    let Ok((words, state)) = restored else {
        fault::report_killed(frame, "SIGSEGV: the signal frame is gone");
        crate::exit::program(128 + SIGSEGV);
    };
    let registers = &words[MCONTEXT..FPSTATE];
    let [
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rdi,
        rsi,
        rbp,
        rbx,
        rdx,
        rax,
        rcx,
        rsp,
        rip,
        rflags,
        ..,
    ] = *registers
    else {
        unreachable!("the slice has 23 words");
    };
    *frame = Frame {
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rdi,
        rsi,
        rbp,
        rbx,
        rdx,
        rax,
        rcx,
        rsp,
        rip,
        ..frame.clone()
    };
    const CHANGEABLE: u64 = 0x0CD5; // arithmetic flags, direction, overflow
    frame.rflags = rflags & CHANGEABLE | 0x202;
    for (xmm, bytes) in frame.xmm.iter_mut().zip(state[XMM..].chunks_exact(16)) {
        *xmm = u128::from_le_bytes(bytes.try_into().unwrap_or_default());
    }
    fpu::load_from(state);
    if let Ok(thread) = current() {
        thread
            .signal_mask
            .store(words[SIGMASK] & !UNBLOCKABLE, Ordering::SeqCst);
    }
    // A return address in the kernel's half would be taken for kernel code.
    if rip >> 47 != 0 {
        fault::report_killed(frame, "SIGSEGV: the signal frame returns to nowhere");
        crate::exit::program(128 + SIGSEGV);
    }
}
