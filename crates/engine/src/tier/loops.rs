//! Forced on-stack replacement: which loops are to be left, and which were.
//!
//! Code that takes over a loop runs to the end of its function, so an activation is left at one header at most: where every
//! loop is left at once, only the first that is reached is ever an entry. Tests name the loops that are to be left instead,
//! one of each function and run, and find in the report what was reached, what was entered, and what was refused and why.

use super::shared::Shared;
use crate::profile::{LoopReport, Tier};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A loop: its function, and the block of its header.
type Place = (u32, u32);

/// What became of a loop.
#[derive(Debug, Clone, Default)]
struct Seen {
    looks: u64,
    /// Entries from the interpreter, from O0 and from O1 code.
    entries: [u64; 3],
    refusal: Option<String>,
}

/// The loops of a program whose on-stack replacement is forced.
#[derive(Debug, Default)]
pub(crate) struct Loops {
    /// Those that are to be left; `None`: all.
    wanted: Option<HashSet<Place>>,
    seen: Mutex<BTreeMap<Place, Seen>>,
    /// Functions whose code cannot be left, with the reason.
    fixed: Mutex<BTreeMap<u32, String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Loops {
    /// `wanted`: the loops to be left, by name of the function; `id` finds a function. What the program does not have is
    /// never reached.
    pub fn new(wanted: Option<&[(String, u32)]>, id: impl Fn(&str) -> Option<u32>) -> Self {
        let place = |(name, header): &(String, u32)| Some((id(name)?, *header));
        Loops {
            wanted: wanted.map(|list| list.iter().filter_map(place).collect()),
            ..Loops::default()
        }
    }

    /// Whether a loop is to be left.
    pub fn wants(&self, id: u32, header: u32) -> bool {
        self.wanted
            .as_ref()
            .is_none_or(|wanted| wanted.contains(&(id, header)))
    }

    /// A loop went round.
    pub fn looked(&self, id: u32, header: u32) {
        locked(&self.seen).entry((id, header)).or_default().looks += 1;
    }

    /// A loop was left by code of this tier.
    pub fn entered(&self, id: u32, header: u32, from: Tier) {
        let mut seen = locked(&self.seen);
        let entries = &mut seen.entry((id, header)).or_default().entries;
        if let Some(count) = entries.get_mut(from.index()) {
            *count += 1;
        }
    }

    /// No code can take over a loop.
    pub fn refused(&self, id: u32, header: u32, reason: String) {
        locked(&self.seen).entry((id, header)).or_default().refusal = Some(reason);
    }

    /// Compiled code of a function cannot be left.
    pub fn fixed(&self, id: u32, reason: String) {
        locked(&self.fixed).insert(id, reason);
    }
}

impl Shared {
    /// What became of the loops that were reached, where on-stack replacement is forced; else of those that were refused.
    pub fn loop_reports(&self) -> Vec<LoopReport> {
        let fixed = locked(&self.loop_log.fixed);
        let report = |(&(id, block), seen): (&Place, &Seen)| LoopReport {
            function: self.function(id).profile.name().to_owned(),
            block,
            looks: seen.looks,
            entries: seen.entries,
            refusal: seen.refusal.clone(),
            polls_refusal: fixed.get(&id).cloned(),
        };
        locked(&self.loop_log.seen).iter().map(report).collect()
    }
}
