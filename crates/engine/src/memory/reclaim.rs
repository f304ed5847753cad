//! Frees units when no processor can be in them.
//!
//! A unit may be retired when nothing leads to it any more: its slots hold other addresses. Threads may still be in it:
//! running its code, or about to return to it. So threads that run guest code hold a [`Guard`], and call
//! [`Reclaimer::poll`] now and then from functions the guest calls. There the thread looks at its own stack for words that
//! point into retired units, and acknowledges what it did not find. `collect` frees what every thread has acknowledged;
//! what is still on a stack is looked for again in the next round. When this may happen is `protocol`'s business.
//!
//! Why only stacks have to be looked at:
//! 1. A target that is loaded from a slot is used at once, by the same instruction (`call *slot`, `jmp *slot`): no thread
//!    that is in a call to `poll` holds one.
//! 2. Function pointers that guests see are stubs, which are never freed; the linker sees to it (see `link`).
//! 3. What a unit's code points to inside the unit (constants, jump tables) is used by frames of that unit only, and
//!    while there is one, there is a return address above the frame of `poll`. Guest variables are outside units.
//! 4. So only return addresses lead into a unit. All lie in the thread's own stack, between the stack pointer in `poll` and
//!    the stack's end. Behind the last call of a unit there is always another byte of it.
//!
//! 5. A constant that LLVM made up in a unit (the text of a `puts` that was a `printf`) may outlive the frame that passed it
//!    on by a tail call. Any word into a unit counts, whatever it points to; where guest values live outside the native
//!    stack, [`Reclaimer::with_stacks`] says so.
//!
//! Guests have no means to switch stacks. A thread that is on another stack than its own, as in a signal handler, keeps
//! everything.

#![allow(unsafe_code)]

use super::protocol::{Participant, Round, Rounds};
use super::stack::{self, Here};
use super::sync;
use super::unit::Unit;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A thread's part in one reclaimer.
#[derive(Debug)]
struct Record {
    reclaimer: u64,
    participant: sync::Arc<Participant>,
    /// Guards of the thread.
    depth: Cell<usize>,
    stack: Option<Range<usize>>,
}

thread_local! {
    /// Usually one.
    static RECORDS: RefCell<Vec<Rc<Record>>> = const { RefCell::new(Vec::new()) };
}

/// Decides when retired units are freed. One for a program.
#[derive(Debug)]
pub struct Reclaimer {
    id: u64,
    rounds: Rounds<Unit>,
    /// More memory of the calling thread to look at.
    more: Option<fn() -> Range<usize>>,
}

/// What [`Reclaimer::collect`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// Units freed.
    pub units: usize,
    /// Bytes of their pages.
    pub bytes: usize,
    /// Units retired but not free yet.
    pub waiting: usize,
}

/// While it lives, the thread may run guest code. Belongs to its thread.
#[derive(Debug)]
pub struct Guard<'r> {
    reclaimer: &'r Reclaimer,
    record: Rc<Record>,
    _thread: PhantomData<*const ()>,
}

impl Default for Reclaimer {
    fn default() -> Self {
        Self::new()
    }
}

impl Reclaimer {
    /// Without threads and without retired units.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Reclaimer {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            rounds: Rounds::new(),
            more: None,
        }
    }

    /// As [`Reclaimer::new`]; threads that poll also look at the memory `more` names, such as the part in use of the
    /// calling thread's stack of interpreted frames.
    ///
    /// # Safety
    /// What `more` returns is readable and changed by the calling thread only, until that thread goes on.
    pub unsafe fn with_stacks(more: fn() -> Range<usize>) -> Self {
        Reclaimer {
            more: Some(more),
            ..Self::new()
        }
    }

    fn record(&self) -> Option<Rc<Record>> {
        RECORDS
            .try_with(|records| {
                let records = records.borrow();
                records.iter().find(|r| r.reclaimer == self.id).cloned()
            })
            .ok()
            .flatten()
    }

    /// To be held while guest code runs on this thread. Guards of one thread may nest; the outermost counts.
    pub fn enter(&self) -> Guard<'_> {
        let record = self.record().unwrap_or_else(|| {
            let record = Rc::new(Record {
                reclaimer: self.id,
                participant: self.rounds.register(),
                depth: Cell::new(0),
                stack: stack::bounds(),
            });
            // A thread that is ending has no list any more: the record then lives as long as its guard.
            let _ = RECORDS.try_with(|records| {
                let mut records = records.borrow_mut();
                // Records of reclaimers that are gone are referred to by nobody else.
                records.retain(|r| sync::Arc::strong_count(&r.participant) > 1);
                records.push(record.clone());
            });
            record
        });
        if record.depth.get() == 0 {
            self.rounds.enter(&record.participant);
        }
        record.depth.set(record.depth.get() + 1);
        Guard {
            reclaimer: self,
            record,
            _thread: PhantomData,
        }
    }

    /// Acknowledges a round if one waits. To be called often, by functions that guest code calls, on the thread's own
    /// stack; a load and a branch if nothing waits.
    #[inline]
    pub fn poll(&self) {
        if self.rounds.is_pending() {
            self.look();
        }
    }

    /// Only notes where the callers' frames begin: the frames of what runs below hold addresses of units.
    #[cold]
    #[inline(never)]
    fn look(&self) {
        self.acknowledge(&Here::new());
    }

    #[inline(never)]
    fn acknowledge(&self, here: &Here) {
        let Some(record) = self.record().filter(|r| r.depth.get() > 0) else {
            return;
        };
        let Some(bounds) = &record.stack else {
            return;
        };
        if self.rounds.is_waiting(&record.participant) {
            self.rounds.acknowledge(&record.participant, |round| {
                report(round, here, bounds, self.more.map(|more| more()));
            });
        }
    }

    /// Hands over a unit to which nothing leads any more. Slots and stubs that held addresses in it have been changed
    /// before, by this thread or by one that this thread has synchronised with.
    pub fn retire(&self, unit: Unit) {
        self.rounds.retire(unit);
    }

    /// Frees what nobody can be in, and asks the threads about the rest. For the compiler's thread, now and then: each
    /// call makes every thread look at its stack once, at its next poll, as long as units wait.
    pub fn collect(&self) -> Freed {
        self.collect_each(|_| ())
    }

    /// As [`Reclaimer::collect`]; `goes` is told of each unit before it is freed.
    pub fn collect_each(&self, goes: impl FnMut(&Unit)) -> Freed {
        let collected = self.rounds.collect();
        collected.free.iter().for_each(goes);
        Freed {
            units: collected.free.len(),
            bytes: collected.free.iter().map(Unit::bytes).sum(),
            waiting: collected.waiting,
        }
    }

    /// Shows `visit` the retired unit that holds an address, if it can be found without waiting: for signal handlers.
    pub fn try_find(&self, address: usize, visit: &mut dyn FnMut(&Unit)) {
        self.rounds.try_each(&mut |unit| {
            if unit.range().contains(&address) {
                visit(unit);
            }
        });
    }

    /// Units retired but not free yet.
    pub fn waiting(&self) -> usize {
        self.rounds.waiting()
    }
}

/// Tells which units of a round the thread's memory leads to.
fn report(round: &Round<Unit>, here: &Here, bounds: &Range<usize>, more: Option<Range<usize>>) {
    let mut units: Vec<_> = round
        .things()
        .map(|(number, unit)| (unit.range(), number))
        .collect();
    units.sort_unstable_by_key(|(range, _)| range.start);
    let (Some((first, _)), Some((last, _))) = (units.first(), units.last()) else {
        return;
    };
    let (low, span) = (first.start, last.end - first.start);
    let mut visit = |word: usize| {
        if word.wrapping_sub(low) >= span {
            return;
        }
        let after = units.partition_point(|(range, _)| range.start <= word);
        if let Some((range, number)) = after.checked_sub(1).and_then(|at| units.get(at))
            && word < range.end
        {
            round.keep(*number);
        }
    };
    if !here.words(bounds, &mut visit) {
        units.iter().for_each(|(_, number)| round.keep(*number));
        return;
    }
    if let Some(more) = more {
        // SAFETY: `with_stacks`' caller promised that it may be read.
        unsafe { stack::words(&more, visit) };
    }
}

impl Guard<'_> {
    /// As [`Reclaimer::poll`].
    #[inline]
    pub fn poll(&self) {
        self.reclaimer.poll();
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let depth = self.record.depth.get() - 1;
        self.record.depth.set(depth);
        if depth == 0 {
            self.reclaimer.rounds.leave(&self.record.participant);
        }
    }
}
