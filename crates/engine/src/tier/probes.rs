//! Takes the time of calls of compiled functions: a few functions at a time, for a moment, now and then.
//!
//! A probe stands in for a function's code in its slot and behind its stub. It costs some 60 cycles a call, so it stays
//! there for a moment only, and comes back rarely once enough calls were measured. What is published meanwhile
//! simply takes the place again.

use super::shared::Shared;
use crate::Error;
use crate::memory::{self, Region, Unit};
use crate::profile::FunctionProfile;
use crate::profile::probe::Probe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// How long a group of functions is measured.
const MOMENT: Duration = Duration::from_micros(200);
/// Functions measured at a time.
const GROUP: usize = 8;
/// Calls after which a function is measured rarely.
const ENOUGH: u64 = 256;
/// Rounds a function sits out then.
const REST: u64 = 64;

/// A probe for each function.
pub(crate) struct Probes {
    probes: Vec<Probe>,
    code: Unit,
    /// The function that is next.
    next: AtomicUsize,
    round: AtomicUsize,
}

impl Probes {
    /// Makes the probes of all functions; none is in place.
    pub fn new<'f>(
        region: &Arc<Region>,
        functions: impl Iterator<Item = &'f FunctionProfile>,
    ) -> Result<Self, Error> {
        let probes: Vec<Probe> = functions.map(|f| Probe::new(f.cycles.clone(), 0)).collect();
        let bytes = probes.len().max(1) * Probe::CODE_BYTES;
        let code = memory::install_at(region, bytes, |_, code| {
            for (to, probe) in code.chunks_exact_mut(Probe::CODE_BYTES).zip(&probes) {
                to.copy_from_slice(&probe.code());
            }
        })?;
        Ok(Probes {
            probes,
            code,
            next: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
        })
    }

    fn address(&self, id: u32) -> usize {
        self.code.range().start + id as usize * Probe::CODE_BYTES
    }

    /// Measures the next few functions for a moment. For the compiler's thread, while it has nothing to compile.
    pub fn measure(&self, shared: &Shared) {
        let count = self.probes.len();
        let round = self.round.fetch_add(1, Relaxed) as u64;
        let first = self.next.load(Relaxed);
        let mut group = Vec::new();
        let mut looked = 0;
        while looked < count && group.len() < GROUP {
            let id = ((first + looked) % count) as u32;
            looked += 1;
            if self.put_in(shared, id, round) {
                group.push(id);
            }
        }
        self.next.store((first + looked) % count.max(1), Relaxed);
        if group.is_empty() {
            return;
        }
        std::thread::sleep(MOMENT);
        for id in group {
            let address = self.address(id);
            let state = shared.function(id).state();
            // Something newer may be there already.
            if shared.entry(id).slot().load(Relaxed) == address && state.address != 0 {
                shared.entry(id).publish_native(state.address);
            }
        }
    }

    fn put_in(&self, shared: &Shared, id: u32, round: u64) -> bool {
        let f = shared.function(id);
        let mut state = f.state();
        let measured = f.profile.cycles.report().map_or(0, |c| c.samples);
        let rests = measured >= ENOUGH && round < state.probed + REST;
        if state.address == 0 || rests {
            return false;
        }
        state.probed = round;
        self.probes[id as usize].set_target(state.address);
        shared.entry(id).publish_native(self.address(id));
        true
    }
}
