//! What the interpreter knows of each function of the program.

use super::code::{CallSite, Code, LoopHead};
use super::demand::Demand;
use crate::memory::{Cell, Region};
use crate::trace::Wait;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Calls after which nobody wants to be told: more than can be.
pub(crate) const NEVER: i64 = i64::MAX;
/// Calls that no run makes: one a nanosecond for nine years are fewer.
const IMPOSSIBLE: u64 = 1 << 58;

/// Who is told when functions and loops get hot.
pub(crate) trait Watch: Send + Sync {
    /// The countdown of calls ended. `args` are the parameters' slots, if the interpreter is about to run it.
    fn called(&self, entry: &FuncEntry, args: Option<&[u64]>);

    /// The function has neither a decoded form nor machine code, and is called now: whoever has code for it publishes it.
    fn needed(&self, entry: &FuncEntry);

    /// The thread stood still for so many nanoseconds, because something of the function had to be made first.
    fn waited(&self, entry: &FuncEntry, why: Wait, ns: u64);

    /// A call that was told of ended in the interpreter after so many cycles.
    fn took(&self, entry: &FuncEntry, cycles: u64);

    /// A loop of an interpreted function went round `steps` times more. Gives the address of code that takes over at its
    /// header, if there is some.
    fn went_round(&self, entry: &FuncEntry, head: &LoopHead, steps: u32) -> Option<usize>;

    /// An interpreted function is about to call through a pointer: its call site, counted in the order of the IR.
    fn called_through(&self, entry: &FuncEntry, site: u32, target: u64);
}

/// A function: its code, its machine code if there is some, and how often it was called.
///
/// Its address is fixed while the image lives; instructions and stubs hold it, and stubs know that `target` is its
/// first word.
#[repr(C)]
pub struct FuncEntry {
    /// Where the stub jumps: an adapter that enters the interpreter, or machine code.
    pub(crate) target: AtomicUsize,
    /// Decoded form that runs; null while machine code does, and before the first call.
    pub(crate) hot: AtomicPtr<Code>,
    /// Address of machine code; 0 if there is none.
    pub(crate) native: AtomicUsize,
    /// Code that calls machine code of this type; 0 for variadic functions, whose call sites have their own.
    pub(crate) thunk: AtomicUsize,
    /// Adapter that enters the interpreter.
    pub(crate) adapter: AtomicUsize,
    /// Calls left until somebody is told.
    countdown: *const Cell,
    /// What the countdown started from.
    armed: AtomicI64,
    /// Calls of countdowns that ended.
    counted: AtomicU64,
    /// Decoded form; absent before the first call, and for functions that are machine code only.
    pub(crate) code: OnceLock<Box<Code>>,
    /// Whether the interpreter cannot express it: what it runs at first is machine code.
    native_only: AtomicBool,
    /// Who decodes it, and makes the thunks of its calls. Owns the entry.
    demand: AtomicPtr<Demand>,
    pub(crate) watch: OnceLock<Arc<dyn Watch>>,
    pub(crate) name: String,
    /// Number of its stub, slot and cell.
    pub(crate) id: u32,
    /// Number of its type.
    pub(crate) signature: u32,
    /// Words of its parameters, the hidden one of variadic functions included.
    pub(crate) arg_slots: u32,
    pub(crate) variadic: bool,
    region: Arc<Region>,
    /// Whether its machine code counts its calls.
    counts: AtomicBool,
}

// SAFETY: all that changes is atomic; the cell belongs to the region, which the entry keeps alive.
#[allow(unsafe_code)]
unsafe impl Send for FuncEntry {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for FuncEntry {}

/// Calls that a countdown has counted which started from `armed`. More than anybody lives to see are none: a thread stored
/// its count of the countdown before over the start of one that only keeps the number of calls.
fn counted(armed: i64, left: i64) -> u64 {
    let calls = armed.wrapping_sub(left).max(0) as u64;
    if calls < IMPOSSIBLE { calls } else { 0 }
}

impl FuncEntry {
    pub(crate) fn new(
        name: String,
        id: u32,
        signature: u32,
        arg_slots: u32,
        variadic: bool,
        region: &Arc<Region>,
    ) -> Self {
        let cell = region.cell(id as usize);
        cell.countdown.store(NEVER, Ordering::Relaxed);
        FuncEntry {
            target: AtomicUsize::new(0),
            hot: AtomicPtr::new(null_mut()),
            native: AtomicUsize::new(0),
            thunk: AtomicUsize::new(0),
            adapter: AtomicUsize::new(0),
            countdown: &raw const *cell,
            armed: AtomicI64::new(NEVER),
            counted: AtomicU64::new(0),
            code: OnceLock::new(),
            native_only: AtomicBool::new(false),
            demand: AtomicPtr::new(null_mut()),
            watch: OnceLock::new(),
            name,
            id,
            signature,
            arg_slots,
            variadic,
            region: region.clone(),
            counts: AtomicBool::new(false),
        }
    }

    /// Its symbol.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its decoded form, if it can be interpreted.
    pub fn code(&self) -> Option<&Code> {
        self.code.get().map(|c| &**c)
    }

    /// The countdown of its calls.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn cell(&self) -> &Cell {
        // SAFETY: a cell of the region that `self` keeps alive.
        unsafe { &*self.countdown }
    }

    /// Calls so far, those of code that counts: the interpreter, O0, O1 and O2. Nobody locks: threads that call at the
    /// same time lose some, and one that stores its count over the start of the next countdown makes that look run down,
    /// by the length of it at most.
    pub fn calls(&self) -> u64 {
        let left = self.cell().countdown.load(Ordering::Relaxed);
        let armed = self.armed.load(Ordering::Relaxed);
        self.counted.load(Ordering::Relaxed) + counted(armed, left)
    }

    /// Counts one call; true when the countdown ends with it.
    #[inline(always)]
    pub(crate) fn count_call(&self) -> bool {
        let cell = &self.cell().countdown;
        let left = cell.load(Ordering::Relaxed).wrapping_sub(1);
        cell.store(left, Ordering::Relaxed);
        left == 0
    }

    /// Says whether its machine code counts its calls.
    pub(crate) fn set_counts(&self, counts: bool) {
        self.counts.store(counts, Ordering::Relaxed);
    }

    /// Takes back the call that [`FuncEntry::count_call`] counted, if it goes on in machine code that counts it again.
    #[inline(always)]
    pub(crate) fn hand_over_call(&self) {
        if self.counts.load(Ordering::Relaxed) {
            let cell = &self.cell().countdown;
            cell.store(
                cell.load(Ordering::Relaxed).wrapping_add(1),
                Ordering::Relaxed,
            );
        }
    }

    /// Starts a new countdown.
    pub(crate) fn arm(&self, calls: i64) {
        let calls = calls.max(1);
        let left = self.cell().countdown.swap(calls, Ordering::Relaxed);
        let armed = self.armed.swap(calls, Ordering::Relaxed);
        self.counted
            .fetch_add(counted(armed, left), Ordering::Relaxed);
    }

    /// Counts calls of earlier runs.
    pub(crate) fn seed_calls(&self, calls: u64) {
        self.counted.fetch_add(calls, Ordering::Relaxed);
    }

    /// Backward jumps taken in it so far while it was interpreted, in steps of [`HEAT_STEP`](super::HEAT_STEP).
    pub fn back_edges(&self) -> u64 {
        self.code()
            .map_or(0, |c| c.back_edges.load(Ordering::Relaxed))
    }

    /// The stub's address is what everybody outside calls.
    pub(crate) fn slot(&self) -> &AtomicUsize {
        self.region.slot(self.id as usize)
    }

    /// Takes the decoded form; it does not run yet.
    pub(crate) fn set_code(&self, mut code: Code) {
        code.entry = (&raw const *self).expose_provenance();
        let _ = self.code.set(Box::new(code));
    }

    /// Says who makes what is missing.
    pub(super) fn set_demand(&self, demand: *const Demand) {
        self.demand.store(demand.cast_mut(), Ordering::Release);
    }

    /// Whether both are of one image.
    #[inline(always)]
    pub(crate) fn is_beside(&self, other: &FuncEntry) -> bool {
        self.demand.load(Ordering::Relaxed) == other.demand.load(Ordering::Relaxed)
    }

    #[allow(unsafe_code)]
    fn demand(&self) -> Option<&Demand> {
        // SAFETY: set once by whoever owns the entry, to itself: it lives as long as the entry, at a fixed address.
        unsafe { self.demand.load(Ordering::Acquire).as_ref() }
    }

    /// Whether it has neither been decoded nor compiled.
    pub(crate) fn is_missing(&self) -> bool {
        self.hot.load(Ordering::Acquire).is_null() && self.native.load(Ordering::SeqCst) == 0
    }

    /// Gives it something that runs, at its first call.
    #[cold]
    #[inline(never)]
    pub(crate) fn begin(&self) {
        if let Some(watch) = self.watch.get() {
            watch.needed(self);
        }
        if self.is_missing() {
            self.make_now();
        }
    }

    /// Has it decoded while nobody waits for it.
    pub(crate) fn make_ahead(&self) {
        if self.is_missing()
            && let Some(demand) = self.demand()
        {
            demand.ahead(self);
        }
    }

    /// [`FuncEntry::make`] on a thread of the program, which stands still meanwhile.
    pub(crate) fn make_now(&self) {
        let start = Instant::now();
        self.make();
        let why = if self.is_native_only() {
            Wait::Compile
        } else {
            Wait::Decode
        };
        self.waited(why, start);
    }

    fn waited(&self, why: Wait, start: Instant) {
        if let Some(watch) = self.watch.get() {
            let ns = start.elapsed().as_nanos();
            watch.waited(self, why, u64::try_from(ns).unwrap_or(u64::MAX));
        }
    }

    /// Has it decoded, or compiled if it cannot be, unless that was done before.
    #[cold]
    #[inline(never)]
    pub(crate) fn make(&self) {
        if (self.code().is_none() && !self.is_native_only() || self.is_missing())
            && let Some(demand) = self.demand()
        {
            demand.function(self);
        }
    }

    /// The thunk of one of its call sites, made if it is missing.
    #[cold]
    #[inline(never)]
    pub(crate) fn make_thunk(&self, site: &CallSite) -> usize {
        let start = Instant::now();
        let thunk = self.demand().map_or(0, |demand| demand.thunk(site));
        self.waited(Wait::Compile, start);
        thunk
    }

    /// Whether the interpreter cannot express it.
    pub(crate) fn is_native_only(&self) -> bool {
        self.native_only.load(Ordering::Acquire)
    }

    /// Takes machine code for a function that the interpreter cannot express. What was published before stays.
    pub(super) fn set_native_only(&self, address: usize) {
        self.native_only.store(true, Ordering::Release);
        if self.native.load(Ordering::SeqCst) == 0 {
            self.set_counts(true);
            self.publish_native(address);
        }
    }

    /// From now on the function is decoded at its next call.
    pub(super) fn publish_undecoded(&self, stub: usize) {
        self.slot().store(stub, Ordering::Release);
        self.target
            .store(self.adapter.load(Ordering::Relaxed), Ordering::Release);
    }

    /// Lets the interpreter run the decoded form, unless there is machine code already.
    pub(super) fn publish_first(&self) {
        let Some(code) = self.code() else {
            return;
        };
        if self.native.load(Ordering::SeqCst) == 0 {
            self.hot
                .store((&raw const *code).cast_mut(), Ordering::SeqCst);
            // Machine code that was published meanwhile may have been told before that there is no form to take away.
            if self.native.load(Ordering::SeqCst) != 0 && self.has_thunk() {
                self.hot.store(null_mut(), Ordering::SeqCst);
            }
        }
    }

    fn has_thunk(&self) -> bool {
        self.thunk.load(Ordering::Acquire) != 0 || self.variadic
    }

    /// From now on calls are interpreted, if the function can be.
    pub(crate) fn publish_interpreted(&self, stub: usize) -> bool {
        self.make();
        let Some(code) = self.code() else {
            return false;
        };
        let adapter = self.adapter.load(Ordering::Relaxed);
        self.hot
            .store((&raw const *code).cast_mut(), Ordering::Release);
        self.slot().store(stub, Ordering::Release);
        self.target.store(adapter, Ordering::Release);
        true
    }

    /// From now on calls run the machine code at `address`. The stub passes on, also what adapters let through while the
    /// words change: an interpreted call that started before ends as one.
    pub(crate) fn publish_native(&self, address: usize) {
        self.native.store(address, Ordering::SeqCst);
        self.slot().store(address, Ordering::Release);
        self.target.store(address, Ordering::Release);
        if self.has_thunk() {
            self.hot.store(null_mut(), Ordering::SeqCst);
        }
    }
}

impl std::fmt::Debug for FuncEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FuncEntry")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_stored_over_the_start_of_the_next_countdown_is_no_calls() {
        assert_eq!(counted(10_000, 9_993), 7);
        assert_eq!(counted(NEVER, NEVER - 3), 3);
        // 9,993 were left of the countdown before.
        assert_eq!(counted(NEVER, 9_993), 0);
        assert_eq!(counted(1 << 60, 9_993), 0);
        // A call that was taken back.
        assert_eq!(counted(10_000, 10_001), 0);
    }
}
