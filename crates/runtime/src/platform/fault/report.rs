//! What is told of a fault: the cause, the place in the program, its callers, the registers.

use super::super::{call, memory};
use super::symbols;
use engine::interp;
use engine::memory::SourceFrame;
use engine::tier::Place;
use std::fmt::{Arguments, Result, Write};

/// A line on standard error without allocation.
pub(super) struct Stderr {
    buffer: [u8; 2048],
    len: usize,
}

impl Stderr {
    pub(super) fn new() -> Self {
        Stderr {
            buffer: [0; 2048],
            len: 0,
        }
    }

    /// Writes a line. Nobody is left to be told that it cannot be written.
    pub(super) fn line(&mut self, text: Arguments<'_>) {
        let _ = self.write_fmt(text).and_then(|()| self.write_str("\n"));
    }

    pub(super) fn flush(&mut self) {
        // SAFETY: the first `len` bytes of the buffer are initialised.
        unsafe { libc::write(2, self.buffer.as_ptr().cast(), self.len) };
        self.len = 0;
    }
}

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> Result {
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

/// A thread as it was when it faulted, or was asked.
pub(super) struct Fault<'a> {
    pub(super) signal: i32,
    /// The address accessed, for memory faults.
    pub(super) address: usize,
    /// As the system numbers them.
    pub(super) registers: &'a [usize],
    /// Words from the stack pointer upwards.
    pub(super) stack: &'a [usize],
}

impl Fault<'_> {
    fn rip(&self) -> usize {
        self.registers[libc::REG_RIP as usize]
    }

    fn rsp(&self) -> usize {
        self.registers[libc::REG_RSP as usize]
    }
}

/// Addresses below this are null pointers with an offset.
const NULL_PAGES: usize = 64 << 10;

/// Whether an access was to the end of the stack: just around the stack pointer.
pub(super) fn is_overflow(address: usize, stack_pointer: usize) -> bool {
    address >= NULL_PAGES && address.abs_diff(stack_pointer) < 64 << 10
}

/// The symbol without what the tiers add to it: `f` of `f.osr.3`.
fn guests_name(symbol: &str) -> &str {
    let cut = symbol
        .find(".osr.")
        .or_else(|| symbol.find(".bareflow."))
        .unwrap_or(symbol.len());
    &symbol[..cut]
}

fn print_place(out: &mut Stderr, place: Place<'_>) -> Result {
    let (function, offset, lines) = match place {
        Place::Compiled {
            function,
            offset,
            lines,
        } => (function, Some(offset), lines),
        Place::Interpreted { function, lines } => (function, None, lines),
        Place::Replaced => return write!(out, "code of the program that was replaced since"),
    };
    let outermost = lines.len().saturating_sub(1);
    for (n, at) in lines.iter().enumerate() {
        if n > 0 {
            write!(out, ", inlined into ")?;
        }
        // The symbol says more than the front end's name, but only of the function that is called.
        let name = match (n == outermost, at.function) {
            (false, Some(name)) => name,
            (false, None) => "a function",
            (true, _) => guests_name(function),
        };
        write!(out, "{:#} ", rustc_demangle::demangle(name))?;
        write!(out, "({}:{})", at.file, at.line)?;
    }
    match (lines.is_empty(), offset) {
        (true, Some(offset)) => {
            write!(out, "{:#}+{offset:#x}", rustc_demangle::demangle(function))
        }
        (true, None) => write!(
            out,
            "{:#} (interpreted)",
            rustc_demangle::demangle(function)
        ),
        (false, Some(offset)) => {
            write!(
                out,
                " [{:#}+{offset:#x}]",
                rustc_demangle::demangle(function)
            )
        }
        (false, None) => write!(out, " [interpreted]"),
    }
}

/// Calls `visit` if there is guest code at `address`.
fn locate(address: usize, lines: bool, visit: &mut dyn FnMut(Place<'_>)) -> bool {
    if let Some((table, at)) = symbols().and_then(|s| Some((s, s.find(address)?))) {
        let frames = |tell: &mut dyn FnMut(&[SourceFrame<'_>])| {
            if lines {
                table.source_frames(address, tell);
            }
        };
        Place::visit_code(at.function, at.offset, frames, visit);
        return true;
    }
    call::engine().is_some_and(|engine| engine.locate_code(address, lines, visit))
}

/// What the innermost guest code is found by.
enum Innermost {
    /// An address in compiled code, and whether it is a return address.
    Code(usize, bool),
    Interpreted,
    Unknown,
}

/// The guest code that runs, or that called what runs: what is nearest on the stack.
fn innermost(fault: &Fault<'_>) -> Innermost {
    let is_guests = |address: usize| locate(address, false, &mut |_| ());
    let rip = fault.rip();
    if is_guests(rip) {
        return Innermost::Code(rip, false);
    }
    if call::engine().is_none() {
        let word = fault.stack.iter().find(|w| is_guests(w.wrapping_sub(1)));
        return word.map_or(Innermost::Unknown, |w| Innermost::Code(w - 1, true));
    }
    if interp::is_loop(rip) {
        return Innermost::Interpreted;
    }
    for word in fault.stack {
        if is_guests(word.wrapping_sub(1)) {
            return Innermost::Code(word - 1, true);
        }
        if interp::is_loop(*word) {
            return Innermost::Interpreted;
        }
    }
    Innermost::Interpreted
}

/// Where the fault was: in compiled code, in the interpreter, or in a function of the host that one of them called. Gives
/// what tells the place from others.
fn print_innermost(
    out: &mut Stderr,
    fault: &Fault<'_>,
    lines: bool,
) -> std::result::Result<Key, std::fmt::Error> {
    let rip = fault.rip();
    let mut key = None;
    let mut known = false;
    let mut done = Ok(());
    let mut found = innermost(fault);
    if let (Innermost::Interpreted, Some(engine)) = (&found, call::engine()) {
        engine.locate_interpreted(fault.registers, fault.stack, &mut |place| {
            known = true;
            key = same(&place);
            done = print_place(out, place);
            false
        });
        if !known {
            let is_guests = |word: &usize| locate(word.wrapping_sub(1), false, &mut |_| ());
            let word = fault.stack.iter().copied().find(is_guests);
            found = word.map_or(Innermost::Unknown, |word| Innermost::Code(word - 1, true));
        }
    }
    if let Innermost::Code(address, is_caller) = found {
        known = locate(address, lines, &mut |place| {
            if is_caller {
                done = write!(out, "a call from ");
            }
            key = same(&place);
            done = done.and_then(|()| print_place(out, place));
        });
    }
    done?;
    match known {
        true => writeln!(out, " ({rip:#x})")?,
        false => writeln!(out, "{rip:#x} (not in the program's code)")?,
    }
    Ok(key)
}

/// Why the thread stopped, in words.
fn cause(out: &mut Stderr, fault: &Fault<'_>) -> Result {
    let what = match fault.signal {
        libc::SIGSEGV if interp::has_overflowed() => {
            "stack overflow (a recursion without end, or variables too large for the stack)"
        }
        libc::SIGSEGV if fault.rip() < NULL_PAGES => {
            "invalid memory access: call through a null pointer"
        }
        libc::SIGSEGV if is_overflow(fault.address, fault.rsp()) => {
            "stack overflow (a recursion without end, or variables too large for the stack)"
        }
        libc::SIGSEGV if fault.address < NULL_PAGES => "invalid memory access: null pointer",
        libc::SIGSEGV => "invalid memory access",
        libc::SIGBUS => "bus error",
        libc::SIGFPE => {
            "arithmetic exception: division by zero, or a quotient that does not fit its type"
        }
        libc::SIGILL => {
            "illegal instruction (a trap: unreachable code, abort, or a feature this CPU lacks)"
        }
        _ => "exception",
    };
    writeln!(out, "\nerror: the program met a CPU exception: {what}")
}

fn registers(out: &mut Stderr, fault: &Fault<'_>) -> Result {
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
            write!(out, "  {name} {:016x}", fault.registers[r as usize])?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Where the name of a place is, and its line: to tell one from the next.
type Key = Option<(usize, u32)>;

fn same(place: &Place<'_>) -> Key {
    match place {
        Place::Interpreted { function, lines }
        | Place::Compiled {
            function, lines, ..
        } => Some((
            function.as_ptr().addr(),
            lines.first().map_or(0, |at| at.line),
        )),
        Place::Replaced => None,
    }
}

/// Functions found on the stack, without that of key `last`: as there are no frame pointers a guess, but callers are among
/// them.
fn callers(out: &mut Stderr, fault: &Fault<'_>, mut last: Key, lines: bool) -> Result {
    const MOST: usize = 12;
    let mut shown = 0;
    let mut done = Ok(());
    let mut show = |out: &mut Stderr, place: Place<'_>| {
        // A recursion has the same name many times.
        let this = same(&place);
        if this.is_some() && std::mem::replace(&mut last, this) == this {
            return true;
        }
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
        locate(word.wrapping_sub(1), lines, &mut |place| {
            more = show(out, place);
        });
        if !more {
            return done;
        }
    }
    if let Some(engine) = call::engine() {
        engine.locate_interpreted(fault.registers, fault.stack, &mut |place| show(out, place));
    }
    done
}

fn try_fault(out: &mut Stderr, fault: &Fault<'_>, lines: bool) -> Result {
    cause(out, fault)?;
    write!(out, "  at ")?;
    let key = print_innermost(out, fault, lines)?;
    if matches!(fault.signal, libc::SIGSEGV | libc::SIGBUS) && !interp::has_overflowed() {
        writeln!(out, "  address {:#x}", fault.address)?;
    }
    if let Some(bytes) = memory::refused().filter(|_| fault.signal != libc::SIGFPE) {
        writeln!(
            out,
            "  memory had run out before: a request for {bytes} bytes was refused"
        )?;
    }
    registers(out, fault)?;
    callers(out, fault, key, lines)
}

/// Tells of a fault. Nobody is left to be told that it cannot be written.
pub(super) fn fault(out: &mut Stderr, fault: &Fault<'_>, lines: bool) {
    let _ = try_fault(out, fault, lines);
}

/// Tells where a thread is.
pub(super) fn place(out: &mut Stderr, fault: &Fault<'_>, lines: bool) {
    let _ = write!(out, "  at ")
        .and_then(|()| print_innermost(out, fault, lines))
        .and_then(|key| callers(out, fault, key, lines));
}
