//! Code of an earlier run, linked when it is first needed.
//!
//! ```text
//!   restore:   adopt ........... it is known and believed, and counts as the function's tier
//!   then:      the function's first call, a hot loop, a compile of it,
//!              or the compiler's thread while it has nothing else to do, if there is a processor for it
//!              ---- take_over --> linked and published
//!
//!   expect:    functions without code that the earlier run called are decoded by that thread, too
//! ```
//!
//! Linking everything before the program starts would cost time when the program should start, and a run may never call
//! most of it.

use super::config::Mode;
use super::function::Osr;
use super::shared::{Shared, tier_of};
use super::unit::Built;
use crate::snapshot::Kept;
use crate::trace::Wait;
use std::collections::VecDeque;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is not linked yet.
#[derive(Default)]
pub(crate) struct Adoption {
    /// Functions and loop headers (0 for the function itself), what is needed first in front.
    order: Mutex<VecDeque<(u32, u32)>>,
    /// Functions that an earlier run called and that have no code, the largest last.
    called: Mutex<Vec<u32>>,
    /// Held while something is linked: who needs the same waits for it.
    linking: Mutex<()>,
    /// Threads that need something now.
    needing: AtomicU32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Believes code of an earlier run: it runs from the first time on that it is needed.
    pub fn adopt(&self, id: u32, header: u32, kept: Kept) {
        self.thrift.begin();
        let f = self.function(id);
        let kept = Arc::new(kept);
        {
            let mut state = f.state();
            state.kept.insert(header, kept.clone());
            if header == 0 {
                state.restored = Some(kept.level);
            }
            state.waiting.insert(header, kept.clone());
            f.waits.store(true, Release);
        }
        if header == 0 {
            f.profile.reached(tier_of(Some(kept.level)), self.now_ns());
            if kept.is_special {
                f.profile.add_variant(kept.assumes.clone());
            }
        }
        lock(&self.adoption.order).push_back((id, header));
    }

    /// Has functions decoded before they are called, while there is a processor for it: an earlier run called them.
    pub fn expect(&self, functions: impl Iterator<Item = u32>) {
        let is_open = |id: &u32| {
            let f = self.function(*id);
            let has_code = f.state().waiting.contains_key(&0);
            f.mode() == Mode::Auto && !has_code && self.entry(*id).is_missing()
        };
        let mut called: Vec<u32> = functions.filter(is_open).collect();
        // The bodies of programs are large, and called early.
        called.sort_by_key(|id| self.function(*id).survey.instructions);
        *lock(&self.adoption.called) = called;
    }

    /// Links code of an earlier run, if a function or one of its loops has some that is not linked yet.
    pub fn take_over(&self, id: u32, header: u32) {
        let f = self.function(id);
        if !f.waits.load(Acquire) {
            return;
        }
        self.adoption.needing.fetch_add(1, Relaxed);
        self.link_waiting(id, header);
        self.adoption.needing.fetch_sub(1, Relaxed);
    }

    /// [`Shared::take_over`] on a thread of the program, which stands still meanwhile.
    pub fn wait_for_kept(&self, id: u32, header: u32) {
        if self.function(id).waits.load(Acquire) {
            let start = self.now_ns();
            self.take_over(id, header);
            self.paused(id, Wait::Link, self.now_ns() - start);
        }
    }

    fn link_waiting(&self, id: u32, header: u32) {
        if header != 0 {
            // A loop's code needs the function's decoded form, which would run then.
            self.link_waiting(id, 0);
        }
        let f = self.function(id);
        let _alone = lock(&self.adoption.linking);
        let kept = {
            let state = f.state();
            state.waiting.get(&header).cloned()
        };
        let Some(kept) = kept else {
            return;
        };
        let result = self.link_kept(id, header, &kept);
        let mut state = f.state();
        // Only now: whoever finds nothing waiting finds it published.
        state.waiting.remove(&header);
        f.waits.store(!state.waiting.is_empty(), Release);
        let Err(reason) = result else {
            return;
        };
        state.kept.remove(&header);
        if header == 0 {
            state.restored = None;
            drop(state);
            f.profile.reached(tier_of(None), self.now_ns());
        } else {
            drop(state);
        }
        let name = f.profile.name();
        self.report(&format!("kept code of {name} cannot be used: {reason}"));
    }

    fn link_kept(&self, id: u32, header: u32, kept: &Kept) -> Result<(), String> {
        let level = kept.level;
        let built = Built {
            object: kept.object.to_vec(),
            symbol: kept.symbol.clone(),
            members: Vec::new(),
            is_special: kept.is_special,
            assumes: kept.assumes.clone(),
            samples: kept.samples,
            polls: None,
            // Not kept: at worst its loops get code that nobody enters.
            dump: None,
        };
        if self.site(id, header).is_none() {
            return Err(format!("the function has no loop at block {header}"));
        }
        let linked = super::compiler::link(self, &built, id, tier_of(Some(level)));
        let (unit, at) = linked.map_err(|e| e.to_string())?;
        let f = self.function(id);
        if header == 0 {
            self.publish(id, level, at, unit, &built);
        } else {
            f.state().osr.insert(header, Osr::Ready(at, unit));
        }
        Ok(())
    }

    /// Whether something waits that can be linked, or decoded, at no cost for the program.
    pub fn can_take_over(&self) -> bool {
        let adoption = &self.adoption;
        self.has_spare_cpu
            && !(lock(&adoption.order).is_empty() && lock(&adoption.called).is_empty())
    }

    /// Links one thing that waits and decodes one function, if this costs the program nothing; false if there is nothing to
    /// do.
    pub fn take_over_one(&self) -> bool {
        if !self.has_spare_cpu {
            return false;
        }
        if self.adoption.needing.load(Relaxed) > 0 {
            // The lock would go to this thread again, which runs already.
            std::thread::yield_now();
            return true;
        }
        let called = lock(&self.adoption.called).pop();
        if let Some(id) = called {
            self.entry(id).make_ahead();
        }
        let next = lock(&self.adoption.order).pop_front();
        if let Some((id, header)) = next {
            self.link_waiting(id, header);
        }
        next.is_some() || called.is_some()
    }
}
