//! The border between interpreted functions and machine code, both ways.
//!
//! Outwards, a thunk made by LLVM for the call's type takes the arguments' slots apart and puts them where the System V
//! ABI wants them (see `bridge.rs`). Inwards, each function has an address of its own for machine code: a stub of 16
//! bytes that loads the function's entry and jumps to an adapter, made by LLVM for the function's type, which lays the
//! arguments into slots and calls [`enter`].
#![allow(unsafe_code)]

use super::code::{AtomicIns, AtomicKind};
use super::entry::FuncEntry;
use super::memory::{self, with_stack};
use super::op::Ins;
use super::run;
use std::ptr::with_exposed_provenance;
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes from one stub to the next.
pub(crate) const STUB_BYTES: usize = 16;

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
    entry
        .calls
        .store(entry.calls.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    match entry.code() {
        // SAFETY: the code is the decoder's; the rest as the caller promised.
        Some(code) => with_stack(|stack| unsafe {
            run::run(code, args, entry.arg_slots as usize, ret, stack);
        }),
        None => {
            let (thunk, function) = (
                entry.thunk.load(Ordering::Acquire),
                entry.native.load(Ordering::Acquire),
            );
            // SAFETY: an entry without code has machine code and a thunk for its type.
            unsafe { native(thunk, function, args, ret) }
        }
    }
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
