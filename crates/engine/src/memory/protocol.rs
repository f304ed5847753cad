//! When something that was unpublished can be freed: rounds that every thread acknowledges.
//!
//! ```text
//!  writer:    unpublish x; retire(x)      collect: epoch e+1, round {x, ...}         collect: all acknowledged -> free
//!  thread A:  ---- inside -------------------------------- acknowledge(e+1) ---------
//!  thread B:  ---- inside ------------ leave                (outside counts)
//!  thread C:                                                        enter (reads e+1)
//! ```
//!
//! `Participant::state` is 0 outside, and inside the last epoch acknowledged, plus one. A round is over when every
//! participant is outside or has acknowledged its epoch. Whoever acknowledges says which things it still uses; these are
//! tried again in the next round.
//!
//! Why nothing is freed too early. Let x be unpublished, then retired, then in the round of epoch e.
//! 1. A thread inside that acknowledges e read e, which was stored after x was unpublished: from then on it finds x
//!    unpublished. What it still had of x it reported before.
//! 2. A thread that enters stores its state, then passes a sequentially consistent fence, then reads what is published.
//!    `collect` passes such a fence after x was unpublished, then reads the states. One of the two sees the other: either
//!    `collect` sees the thread inside and waits for it, or the thread finds x unpublished.
//! 3. Every store to a state has release order and `collect` reads with acquire order: what the thread did before it left,
//!    or acknowledged, is over.
//!
//! Every thread acknowledges when it next looks, and a round waits for nothing else, so everything is freed in the end
//! provided that threads look, or leave, and stop using what is unpublished.
//!
//! The file uses no more than `super::sync`, so that `tests/memory_loom.rs` can check it, unchanged, in every interleaving.

use super::sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, fence, lock};

/// One thread's part.
#[derive(Debug)]
pub(crate) struct Participant {
    state: AtomicU64,
}

/// Things whose users are being looked for.
#[derive(Debug)]
pub(crate) struct Round<T> {
    epoch: u64,
    things: Vec<(T, AtomicBool)>,
}

impl<T> Round<T> {
    /// The things and their numbers.
    pub(crate) fn things(&self) -> impl Iterator<Item = (usize, &T)> {
        self.things.iter().map(|(thing, _)| thing).enumerate()
    }

    /// Says that thing `number` is still used by the caller.
    pub(crate) fn keep(&self, number: usize) {
        self.things[number].1.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Inner<T> {
    participants: Vec<Arc<Participant>>,
    retired: Vec<T>,
    round: Option<Arc<Round<T>>>,
}

/// The meeting place.
#[derive(Debug)]
pub(crate) struct Rounds<T> {
    /// Of the latest round.
    epoch: AtomicU64,
    /// Whether a round waits for somebody; a hint for those who look.
    pending: AtomicBool,
    inner: Mutex<Inner<T>>,
}

/// What [`Rounds::collect`] found.
#[derive(Debug)]
pub(crate) struct Collected<T> {
    /// Nobody uses these any more.
    pub(crate) free: Vec<T>,
    /// Number of things not free yet.
    pub(crate) waiting: usize,
}

impl<T> Rounds<T> {
    pub(crate) fn new() -> Self {
        Rounds {
            epoch: AtomicU64::new(0),
            pending: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                participants: Vec::new(),
                retired: Vec::new(),
                round: None,
            }),
        }
    }

    /// Registers a thread, outside. It leaves the list when this is the only other reference to it.
    pub(crate) fn register(&self) -> Arc<Participant> {
        let participant = Arc::new(Participant {
            state: AtomicU64::new(0),
        });
        lock(&self.inner).participants.push(participant.clone());
        participant
    }

    /// The thread may use what is published from here on.
    pub(crate) fn enter(&self, me: &Participant) {
        let epoch = self.epoch.load(Ordering::Acquire);
        // Released like the 0 before it: who reads this need not have seen that one.
        me.state.store(epoch + 1, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// The thread uses nothing any more.
    pub(crate) fn leave(&self, me: &Participant) {
        me.state.store(0, Ordering::Release);
    }

    /// Whether a round waits for anybody. Costs a load; may notice late.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// Whether the latest round waits for this thread, which is inside. May notice late.
    pub(crate) fn is_waiting(&self, me: &Participant) -> bool {
        self.epoch.load(Ordering::Relaxed) >= me.state.load(Ordering::Relaxed)
    }

    /// Lets a thread that is inside report what it still uses of the round, and acknowledges it.
    pub(crate) fn acknowledge(&self, me: &Participant, report: impl FnOnce(&Round<T>)) {
        let (epoch, round) = {
            let inner = lock(&self.inner);
            // Under the lock: the epoch and the round belong together.
            (self.epoch.load(Ordering::Acquire), inner.round.clone())
        };
        if let Some(round) = round {
            report(&round);
        }
        // The reference to the round is gone before the collector can take the round apart.
        me.state.store(epoch + 1, Ordering::Release);
    }

    /// Hands over something that is published no more.
    pub(crate) fn retire(&self, thing: T) {
        lock(&self.inner).retired.push(thing);
    }

    /// Number of things retired and not given out as free.
    pub(crate) fn waiting(&self) -> usize {
        let inner = lock(&self.inner);
        inner.retired.len() + inner.round.as_ref().map_or(0, |r| r.things.len())
    }

    /// Shows what is retired and not free yet, unless somebody is at work on it: for signal handlers, which must not wait.
    pub(crate) fn try_each(&self, visit: &mut dyn FnMut(&T)) {
        let Ok(inner) = self.inner.try_lock() else {
            return;
        };
        let round = inner.round.iter().flat_map(|r| r.things());
        let in_round = round.map(|(_, thing)| thing);
        inner.retired.iter().chain(in_round).for_each(visit);
    }

    /// Ends the round if all have acknowledged it, and begins the next if anything is retired.
    pub(crate) fn collect(&self) -> Collected<T> {
        let mut inner = lock(&self.inner);
        let mut free = Vec::new();
        self.end_round(&mut inner, &mut free);
        if inner.round.is_none() && !inner.retired.is_empty() {
            let retired = std::mem::take(&mut inner.retired);
            let epoch = self.epoch.load(Ordering::Relaxed) + 1;
            let things = retired.into_iter();
            inner.round = Some(Arc::new(Round {
                epoch,
                things: things.map(|t| (t, AtomicBool::new(false))).collect(),
            }));
            self.epoch.store(epoch, Ordering::Release);
            fence(Ordering::SeqCst);
            // Nobody inside: no reason to come again.
            self.end_round(&mut inner, &mut free);
        }
        let round = inner.round.as_ref().map_or(0, |r| r.things.len());
        self.pending.store(round != 0, Ordering::Relaxed);
        Collected {
            free,
            waiting: inner.retired.len() + round,
        }
    }

    fn end_round(&self, inner: &mut Inner<T>, free: &mut Vec<T>) {
        let Some(round) = inner.round.take() else {
            return;
        };
        // Threads that ended were outside when they did; the acquiring load makes sure of what they did before.
        inner
            .participants
            .retain(|p| Arc::strong_count(p) > 1 || p.state.load(Ordering::Acquire) != 0);
        let acknowledged = inner.participants.iter().all(|p| {
            let state = p.state.load(Ordering::Acquire);
            state == 0 || state > round.epoch
        });
        if !acknowledged {
            inner.round = Some(round);
            return;
        }
        match Arc::try_unwrap(round) {
            Ok(round) => {
                for (thing, kept) in round.things {
                    if kept.load(Ordering::Relaxed) {
                        inner.retired.push(thing);
                    } else {
                        free.push(thing);
                    }
                }
            }
            // A thread looks at it although it need not.
            Err(round) => inner.round = Some(round),
        }
    }
}
