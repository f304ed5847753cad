//! The border between interpreted functions and machine code, both ways.
//!
//! Outwards, a thunk made by LLVM for the call's type takes the arguments' slots apart and puts them where the System V
//! ABI wants them (see `bridge.rs`). Inwards, each function has an address of its own for machine code: a stub of 16
//! bytes that loads the function's entry and jumps to an adapter, made by LLVM for the function's type, which lays the
//! arguments into slots and calls [`enter`].
#![allow(unsafe_code)]

use super::bridge::STUB_BYTES;
use super::code::{AtomicIns, AtomicKind, CallSite, Code, LoopHead};
use super::entry::FuncEntry;
use super::memory::{self, Stack, with_stack};
use super::op::Ins;
use super::run;
use std::ptr::with_exposed_provenance;
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Stubs of the image that runs: first address, end, address of a table of entries by stub.
///
/// One image runs in a process at a time; images that came later are found through [`OTHERS`].
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);
static TABLE: AtomicUsize = AtomicUsize::new(0);

/// Stub ranges of all images but the first.
static OTHERS: RwLock<Vec<[usize; 3]>> = RwLock::new(Vec::new());

/// Makes the functions behind the stubs from `start` on known.
///
/// # Safety
/// `entries` holds an entry for each stub and lives until [`forget`] is called.
pub(crate) unsafe fn announce(start: usize, entries: &[*const FuncEntry]) {
    let end = start + entries.len() * STUB_BYTES;
    let table = entries.as_ptr().expose_provenance();
    if START
        .compare_exchange(0, start, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
    {
        TABLE.store(table, Ordering::SeqCst);
        END.store(end, Ordering::SeqCst);
    } else if let Ok(mut others) = OTHERS.write() {
        others.push([start, end, table]);
    }
}

/// Takes back what [`announce`] made known.
pub(crate) fn forget(start: usize) {
    if START.load(Ordering::SeqCst) == start {
        END.store(0, Ordering::SeqCst);
        TABLE.store(0, Ordering::SeqCst);
        START.store(0, Ordering::SeqCst);
    } else if let Ok(mut others) = OTHERS.write() {
        others.retain(|o| o[0] != start);
    }
}

/// The function whose stub is at `address`.
pub(crate) fn interpreted<'a>(address: usize) -> Option<&'a FuncEntry> {
    let start = START.load(Ordering::Relaxed);
    let (start, table) = if address >= start && address < END.load(Ordering::Relaxed) {
        (start, TABLE.load(Ordering::Relaxed))
    } else {
        in_others(address)?
    };
    let index = (address - start) / STUB_BYTES;
    // SAFETY: `announce` promised an entry for each stub of the range.
    unsafe { Some(&**with_exposed_provenance::<*const FuncEntry>(table).add(index)) }
}

#[cold]
fn in_others(address: usize) -> Option<(usize, usize)> {
    let others = OTHERS.read().ok()?;
    others
        .iter()
        .find(|o| (o[0]..o[1]).contains(&address))
        .map(|o| (o[0], o[2]))
}

/// Whether a function is of the image that `code` is of: only then do numbers of types mean the same.
#[inline(always)]
pub(crate) fn is_beside(code: &Code, entry: &FuncEntry) -> bool {
    entry_of(code).is_some_and(|own| own.is_beside(entry))
}

/// Calls machine code through a thunk.
///
/// # Safety
/// `thunk` was made for the type `function` has; `args` are the arguments' slots, `ret` is room for the result.
pub(crate) unsafe fn native(thunk: usize, function: usize, args: *const u64, ret: *mut u64) {
    type Thunk = unsafe extern "C" fn(usize, *const u64, *mut u64);
    // SAFETY: as the caller promised; thunks have this type.
    unsafe { std::mem::transmute::<usize, Thunk>(thunk)(function, args, ret) }
}

/// Adapters call this: runs an interpreted function.
///
/// # Safety
/// `entry` is what the stub loaded; `args` are its parameters' slots, `ret` is room for the result.
pub(crate) unsafe extern "C" fn enter(entry: *const FuncEntry, args: *const u64, ret: *mut u64) {
    // SAFETY: stubs hold addresses of entries that live as long as the stubs.
    let entry = unsafe { &*entry };
    // SAFETY: as the caller promised.
    unsafe { call(entry, args, ret) }
}

/// Runs a function, interpreted or not.
///
/// # Safety
/// `args` are its parameters' slots, `ret` is room for the result.
pub(crate) unsafe fn call(entry: &FuncEntry, args: *const u64, ret: *mut u64) {
    if entry.count_call() {
        // SAFETY: the caller promised so many words, and room.
        let done = with_stack(|stack| unsafe {
            counted(entry, args, entry.arg_slots as usize, ret, stack)
        });
        if done {
            return;
        }
    }
    if entry.is_missing() {
        entry.begin();
    }
    let hot = entry.hot.load(Ordering::Acquire);
    // A variadic function that became machine code just now: its arguments are laid out for the interpreter already.
    let code = if hot.is_null() && entry.variadic {
        entry.make_now();
        entry.code()
    } else {
        // SAFETY: the form an entry was given, which lives as long as the entry.
        unsafe { hot.as_ref() }
    };
    match code {
        // SAFETY: the code is the decoder's; the rest as the caller promised.
        Some(code) => with_stack(|stack| unsafe {
            run::run(code, args, entry.arg_slots as usize, ret, stack);
        }),
        None => {
            entry.hand_over_call();
            let (thunk, function) = (
                entry.thunk.load(Ordering::Acquire),
                entry.native.load(Ordering::Acquire),
            );
            // SAFETY: an entry without code has machine code and a thunk for its type.
            unsafe { native(thunk, function, args, ret) }
        }
    }
}

/// Tells whoever watches that the countdown of calls ended, and makes the call if it is interpreted, taking its time.
/// False if the call is still to be made.
///
/// # Safety
/// As [`run::run`]: `count` argument slots at `args`, room for the result at `ret`, the stack's top above what is in use.
#[cold]
pub(crate) unsafe fn counted(
    entry: &FuncEntry,
    args: *const u64,
    count: usize,
    ret: *mut u64,
    stack: &Stack,
) -> bool {
    let Some(watch) = entry.watch.get() else {
        return false;
    };
    // SAFETY: the caller promised so many words.
    watch.called(
        entry,
        Some(unsafe { std::slice::from_raw_parts(args, count) }),
    );
    if entry.is_missing() {
        entry.begin();
    }
    // SAFETY: the form an entry was given, which lives as long as the entry.
    let Some(code) = (unsafe { entry.hot.load(Ordering::Acquire).as_ref() }) else {
        return false;
    };
    let start = crate::profile::cycles::now();
    // SAFETY: the code is the decoder's; the rest as the caller promised.
    unsafe { run::run(code, args, entry.arg_slots as usize, ret, stack) };
    watch.took(entry, crate::profile::cycles::now().saturating_sub(start));
    true
}

/// The entry a form was given to.
fn entry_of(code: &Code) -> Option<&FuncEntry> {
    let entry = with_exposed_provenance::<FuncEntry>(code.entry);
    // SAFETY: set by the entry that owns the code and has a fixed address; 0 before.
    unsafe { entry.as_ref() }
}

/// The thunk of a call site of `code`.
#[inline(always)]
pub(crate) fn thunk_of(code: &Code, site: &CallSite) -> usize {
    match site.thunk.load(Ordering::Acquire) {
        0 => entry_of(code).map_or(0, |entry| entry.make_thunk(site)),
        thunk => thunk,
    }
}

/// Tells whoever watches about a call through a pointer.
pub(crate) fn called_through(code: &Code, site: u32, target: usize) {
    if let Some(entry) = entry_of(code)
        && let Some(watch) = entry.watch.get()
    {
        watch.called_through(entry, site, target as u64);
    }
}

/// Tells whoever watches about a step of backward jumps to the instruction `at`. Gives the loop and the code that takes
/// over, if there is some.
#[cold]
pub(crate) fn went_round(code: &Code, at: u32, step: u32) -> Option<(&LoopHead, usize)> {
    let entry = entry_of(code)?;
    let head = code.loops.iter().find(|l| l.at == at)?;
    let osr = entry.watch.get()?.went_round(entry, head, step)?;
    Some((head, osr))
}

/// Continues a loop in compiled code, up to the end of its function.
///
/// # Safety
/// `osr` was compiled for the loop whose live values are in `buffer`; `result` has room for the function's result.
pub(crate) unsafe fn on_stack_replacement(osr: usize, buffer: *mut u64, result: *mut u64) {
    type Entry = unsafe extern "C" fn(*mut u64, *mut u64);
    // SAFETY: as the caller promised; on-stack replacement entries have this type.
    unsafe { std::mem::transmute::<usize, Entry>(osr)(buffer, result) }
}

/// Executes an atomic operation.
///
/// # Safety
/// The decoder made `op` and `ins` for the frame at `fp`; addresses are the guest's.
pub(crate) unsafe fn atomic(op: &AtomicIns, fp: *mut u64, ins: &Ins) {
    // SAFETY: slots lie in the frame; addresses are the guest's.
    unsafe {
        let slot = |s: i16| fp.offset(s.into());
        let (a, b, c) = (slot(ins.a), slot(ins.b), slot(ins.c));
        match op.kind {
            AtomicKind::Load => a.write(memory::atomic(op, b.read(), 0, 0).0),
            AtomicKind::Store => {
                memory::atomic(op, a.read(), b.read(), 0);
            }
            AtomicKind::Rmw(_) => a.write(memory::atomic(op, b.read(), c.read(), 0).0),
            AtomicKind::CmpXchg { new, flag } => {
                let (old, success) = memory::atomic(op, b.read(), c.read(), slot(new).read());
                memory::write(a.cast(), op.bytes as u8, old);
                a.cast::<u8>().add(flag as usize).write(success.into());
            }
            AtomicKind::Fence => std::sync::atomic::fence(Ordering::SeqCst),
        }
    }
}

/// Takes the next argument of at most 8 bytes from a `va_list` (System V ABI, figure 3.34).
///
/// # Safety
/// `list` is a `va_list` that has such an argument left.
pub(crate) unsafe fn next_argument(list: *mut u32, float: bool) -> u64 {
    // SAFETY: the layout is { gp_offset, fp_offset, overflow_arg_area, reg_save_area }; the areas are the guest's.
    unsafe {
        let (index, end, step) = if float { (1, 176, 16) } else { (0, 48, 8) };
        let offset = list.add(index).read();
        let areas = list.add(2).cast::<*mut u8>();
        if offset < end {
            list.add(index).write(offset + step);
            let saved = areas.add(1).read().add(offset as usize);
            saved.cast::<u64>().read()
        } else {
            let at = areas.read();
            areas.write(at.add(8));
            at.cast::<u64>().read()
        }
    }
}
