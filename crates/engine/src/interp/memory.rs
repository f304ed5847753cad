//! Raw memory: stacks, atomic access, and the ends of a program.
//!
//! Each thread that interprets has a stack of its own, made at its first call and kept until the thread ends. It holds
//! frames and the guest's stack variables:
//!
//! ```text
//!  base (16-aligned) -> saved fp, return address, code, sp | constants | slots (fp points here) | stack variables | next base
//! ```
#![allow(unsafe_code)]

use super::code::{AtomicIns, AtomicKind};
use super::lanes;
use super::shape::Lane;
use llvm::ir::{AtomicOp, Opcode};
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst, fence,
};

/// Bytes of a thread's stack: reserved at once, but the system gives pages only when they are touched.
static STACK_BYTES: AtomicUsize = AtomicUsize::new(256 << 20);

/// Sets the size in bytes of the stacks of threads that have not interpreted anything yet (default 256 MiB).
pub fn set_stack_size(bytes: usize) {
    STACK_BYTES.store(bytes.max(64 << 10).next_multiple_of(4096), SeqCst);
}

/// A block of memory that is zero at first.
pub(crate) struct Block {
    start: *mut u8,
    layout: Layout,
}

impl Block {
    /// `bytes` of memory at a multiple of `align`, which is rounded up to a power of two.
    pub fn new(bytes: usize, align: usize) -> Self {
        let align = align.next_power_of_two().clamp(16, 1 << 20);
        let Ok(layout) = Layout::from_size_align(bytes.max(16), align) else {
            handle_alloc_error(Layout::new::<u8>())
        };
        // SAFETY: the layout's size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Block { start, layout }
    }

    pub fn start(&self) -> *mut u8 {
        self.start
    }

    pub fn len(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed once.
        unsafe { dealloc(self.start, self.layout) }
    }
}

/// A thread's stack.
pub(crate) struct Stack {
    block: Block,
    /// First free byte, while the interpreter is not running on it; 16-aligned.
    pub top: Cell<*mut u8>,
    /// Backward jumps until the next step is counted.
    pub heat: Cell<u32>,
    /// Frames must end below.
    pub limit: *mut u8,
}

impl Stack {
    fn new() -> Self {
        let block = Block::new(STACK_BYTES.load(SeqCst), 16);
        // SAFETY: one past the last byte at most: room for arguments of one call is left free above the limit.
        let limit = unsafe { block.start().add(block.len() - (32 << 10)) };
        Stack {
            top: Cell::new(block.start()),
            heat: Cell::new(super::HEAT_STEP),
            limit,
            block,
        }
    }
}

thread_local! {
    /// This thread's stack; null before its first call. Has no destructor, so that exit handlers can still use it.
    static STACK: Cell<*const Stack> = const { Cell::new(std::ptr::null()) };
    static OWNER: Owner = const { Owner };
}

/// Frees the stack when its thread ends.
struct Owner;

impl Drop for Owner {
    fn drop(&mut self) {
        let stack = STACK.get();
        // SAFETY: set by `with_stack` from a box and freed only here.
        let idle = !stack.is_null() && unsafe { (*stack).top.get() == (*stack).block.start() };
        // A stack in use belongs to a guest that called `exit`: its handlers may look at variables there.
        if idle {
            STACK.set(std::ptr::null());
            // SAFETY: made by `Box::into_raw`; nobody else refers to it.
            drop(unsafe { Box::from_raw(stack.cast_mut()) });
        }
    }
}

/// Runs `f` with this thread's stack.
pub(crate) fn with_stack<R>(f: impl FnOnce(&Stack) -> R) -> R {
    let mut stack = STACK.get();
    if stack.is_null() {
        stack = Box::into_raw(Box::new(Stack::new()));
        STACK.set(stack);
        // Fails while the thread ends: then the stack is left to the end of the process.
        let _ = OWNER.try_with(|_| ());
    }
    // SAFETY: made above or by an earlier call of this thread, and alive until the thread ends.
    f(unsafe { &*stack })
}

/// Most words of frames that [`frame_words`] looks at.
const FRAME_WORDS: usize = 64 << 10;

/// Calls `visit` with the words of this thread's frames, from the innermost frame outwards, until it answers that it
/// has enough. The frames begin below the highest address among `registers` that is in the stack: the loop holds its
/// frame pointer in one of them. Allocates nothing.
pub(crate) fn frame_words(registers: &[usize], visit: &mut dyn FnMut(usize) -> bool) {
    let stack = STACK.get();
    // SAFETY: set by `with_stack` from a box that lives until the thread ends, or null.
    let Some(stack) = (unsafe { stack.as_ref() }) else {
        return;
    };
    let start = stack.block.start();
    let inside = start.addr()..start.addr() + stack.block.len();
    let frame = registers.iter().filter(|r| inside.contains(*r)).max();
    let Some(words) = frame.map(|at| (at - inside.start) / size_of::<u64>()) else {
        return;
    };
    for index in (0..words).rev().take(FRAME_WORDS) {
        // SAFETY: an aligned word of the block, which was zeroed when it was made; volatile, since the thread was
        // interrupted while it wrote there.
        let word = unsafe { start.cast::<usize>().add(index).read_volatile() };
        if !visit(word) {
            return;
        }
    }
}

static OVERFLOWED: AtomicBool = AtomicBool::new(false);

/// Whether a thread used up its interpreter's stack: the fault that came of it is not what it looks like.
pub fn has_overflowed() -> bool {
    OVERFLOWED.load(SeqCst)
}

/// Ends the program as the processor does when a stack is used up: by an access to memory that is not there. The addresses
/// of instruction and frame are kept in registers, for whoever tells where that was.
#[cold]
pub(crate) fn overflow(function: &str, ip: usize, fp: usize) -> ! {
    OVERFLOWED.store(true, SeqCst);
    eprintln!(
        "error: stack overflow in interpreted function {function} ({} MiB)",
        STACK_BYTES.load(SeqCst) >> 20
    );
    // SAFETY: faults: nothing is mapped at address 0. Whoever goes on behind it gets an invalid instruction.
    unsafe {
        std::arch::asm!(
            "mov byte ptr [{zero}], 0",
            "ud2",
            zero = in(reg) 0usize,
            in("r12") ip,
            in("r13") fp,
            options(noreturn)
        )
    }
}

/// Ends the program as the processor does at an instruction that must not be reached; `ip` and `fp` as in [`overflow`].
#[cold]
pub(crate) fn trap_at(ip: usize, fp: usize) -> ! {
    // SAFETY: raises an invalid-opcode fault and touches nothing.
    unsafe { std::arch::asm!("ud2", in("r12") ip, in("r13") fp, options(noreturn, nomem, nostack)) }
}

/// The same where nobody knows the instruction.
#[cold]
pub(crate) fn trap() -> ! {
    // SAFETY: raises an invalid-opcode fault and touches nothing.
    unsafe { std::arch::asm!("ud2", options(noreturn, nomem, nostack)) }
}

/// Ends the program as the processor does at a division by zero.
#[cold]
pub(crate) fn divide_error() -> ! {
    // SAFETY: raises a divide fault; the registers named are all it touches.
    unsafe {
        std::arch::asm!("xor ecx, ecx", "div ecx", out("eax") _, out("ecx") _, out("edx") _, options(nomem, nostack));
    }
    trap()
}

/// The same as a lane operation, for read-modify-write.
fn combine(op: AtomicOp, lane: Lane, old: u64, x: u64) -> u64 {
    let int = |o| lanes::int_op(o, lane.bits()).map_or(old, |f| f(old, x));
    let named = |n| lanes::intrinsic2(n, lane).map_or(old, |f| f(old, x));
    let float = |o| lanes::float_op(o, lane).map_or(old, |f| f(old, x));
    let mask = super::shape::mask(lane.bits());
    match op {
        AtomicOp::Xchg | AtomicOp::Other => x,
        AtomicOp::Add => int(Opcode::Add),
        AtomicOp::Sub => int(Opcode::Sub),
        AtomicOp::And => old & x,
        AtomicOp::Nand => !(old & x) & mask,
        AtomicOp::Or => old | x,
        AtomicOp::Xor => old ^ x,
        AtomicOp::Max => named("smax"),
        AtomicOp::Min => named("smin"),
        AtomicOp::UMax => old.max(x),
        AtomicOp::UMin => old.min(x),
        AtomicOp::FAdd => float(Opcode::FAdd),
        AtomicOp::FSub => float(Opcode::FSub),
        AtomicOp::FMax => named("maxnum"),
        AtomicOp::FMin => named("minnum"),
        AtomicOp::UIncWrap => {
            if old >= x {
                0
            } else {
                old + 1
            }
        }
        AtomicOp::UDecWrap => {
            if old == 0 || old > x {
                x
            } else {
                old - 1
            }
        }
    }
}

/// What an atomic operation gives: the old value, and whether a compare-exchange succeeded.
///
/// # Safety
/// `address` is one the guest may access with `op.bytes` bytes, aligned to them; `op.bytes` is 1, 2, 4 or 8.
pub(crate) unsafe fn atomic(op: &AtomicIns, address: u64, x: u64, new: u64) -> (u64, bool) {
    macro_rules! sized {
        ($atomic:ident, $int:ident) => {{
            let p = std::ptr::with_exposed_provenance_mut::<$int>(address as usize);
            // SAFETY: as the caller promised.
            let cell = unsafe { $atomic::from_ptr(p) };
            match op.kind {
                AtomicKind::Load => (cell.load(SeqCst) as u64, true),
                AtomicKind::Store => {
                    cell.store(x as $int, SeqCst);
                    (0, true)
                }
                AtomicKind::Rmw(rmw) => {
                    let mut old = cell.load(SeqCst);
                    loop {
                        let wanted = combine(rmw, op.lane, old as u64, x) as $int;
                        match cell.compare_exchange_weak(old, wanted, SeqCst, SeqCst) {
                            Ok(_) => break (old as u64, true),
                            Err(found) => old = found,
                        }
                    }
                }
                AtomicKind::CmpXchg { .. } => {
                    match cell.compare_exchange(x as $int, new as $int, SeqCst, SeqCst) {
                        Ok(old) => (old as u64, true),
                        Err(found) => (found as u64, false),
                    }
                }
                AtomicKind::Fence => {
                    fence(SeqCst);
                    (0, true)
                }
            }
        }};
    }
    match op.bytes {
        1 => sized!(AtomicU8, u8),
        2 => sized!(AtomicU16, u16),
        4 => sized!(AtomicU32, u32),
        _ => sized!(AtomicU64, u64),
    }
}

/// Reads `bytes` (1, 2, 4 or 8) bytes as a number.
///
/// # Safety
/// They may be read.
pub(crate) unsafe fn read(p: *const u8, bytes: u8) -> u64 {
    // SAFETY: as the caller promised.
    unsafe {
        match bytes {
            1 => p.read().into(),
            2 => p.cast::<u16>().read_unaligned().into(),
            4 => p.cast::<u32>().read_unaligned().into(),
            _ => p.cast::<u64>().read_unaligned(),
        }
    }
}

/// Writes the low `bytes` (1, 2, 4 or 8) bytes of a number.
///
/// # Safety
/// They may be written.
pub(crate) unsafe fn write(p: *mut u8, bytes: u8, x: u64) {
    // SAFETY: as the caller promised.
    unsafe {
        match bytes {
            1 => p.write(x as u8),
            2 => p.cast::<u16>().write_unaligned(x as u16),
            4 => p.cast::<u32>().write_unaligned(x as u32),
            _ => p.cast::<u64>().write_unaligned(x),
        }
    }
}
