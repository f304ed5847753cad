//! Regions: stretches of the program that it marks itself, measured in cycles.
//!
//! ```text
//!   name --register, once--> number --begin/end, per thread--> this thread's counts --sum over threads--> report
//! ```
//!
//! - A pair of `begin` and `end` costs a few cycles beyond two readings of the clock: a thread has its own counts and
//!   its own stack of open regions, so nothing is locked or shared, and a number needs no search.
//! - Regions nest; times include inner regions and their cost. The time of an empty region is what one reading of the
//!   clock takes.
//! - `end` of a region that is not innermost closes what was opened in it without counting it (the program left it by
//!   `longjmp` or by mistake); `end` of a region that is not open does nothing. Both are counted as unbalanced.
//! - Counts of a thread that ended are kept, and its memory serves the next thread.

use super::cycles::{CyclesReport, now};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names that can be registered.
pub const MAX_REGIONS: usize = 256;
/// Regions open at once on a thread; deeper ones are not measured.
pub const MAX_NESTING: usize = 64;

/// A registered region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionId(u8);

/// What one thread measured of one region.
#[derive(Debug, Default)]
struct Count {
    samples: AtomicU64,
    total: AtomicU64,
    /// The complement of the minimum, so that zeros are a fresh start.
    min: AtomicU64,
    max: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    region: AtomicU32,
    start: AtomicU64,
}

/// What belongs to one thread at a time. Only that thread writes.
#[derive(Debug)]
struct Shard {
    depth: AtomicUsize,
    unbalanced: AtomicU64,
    open: [Open; MAX_NESTING],
    counts: [Count; MAX_REGIONS],
}

#[derive(Default)]
struct Registry {
    names: Vec<&'static str>,
    shards: Vec<&'static Shard>,
    /// Of threads that ended.
    idle: Vec<&'static Shard>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    names: Vec::new(),
    shards: Vec::new(),
    idle: Vec::new(),
});

/// The registry is whole after every statement.
fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static SHARD: Cell<Option<&'static Shard>> = const { Cell::new(None) };
    /// The latest names used on this thread, at their hash.
    static NAMES: [Cell<Option<(&'static str, RegionId)>>; 32] = const { [const { Cell::new(None) }; 32] };
    static RETURN: Return = const { Return };
}

/// Gives the thread's shard back when the thread ends.
struct Return;

impl Drop for Return {
    fn drop(&mut self) {
        if let Some(shard) = SHARD.take() {
            shard.depth.store(0, Relaxed);
            registry().idle.push(shard);
        }
    }
}

#[cold]
fn new_shard() -> Option<&'static Shard> {
    // Fails when the thread is ending already: then nothing more is measured on it.
    RETURN.try_with(|_| ()).ok()?;
    let mut registry = registry();
    let shard = registry.idle.pop().unwrap_or_else(|| {
        let shard: &'static Shard = Box::leak(Box::new(Shard {
            depth: AtomicUsize::new(0),
            unbalanced: AtomicU64::new(0),
            open: std::array::from_fn(|_| Open::default()),
            counts: std::array::from_fn(|_| Count::default()),
        }));
        registry.shards.push(shard);
        shard
    });
    SHARD.set(Some(shard));
    Some(shard)
}

#[inline]
fn shard() -> Option<&'static Shard> {
    match SHARD.get() {
        Some(shard) => Some(shard),
        None => new_shard(),
    }
}

/// The number of a region's name, given on first sight; `None` when [`MAX_REGIONS`] names are taken.
pub fn register(name: &str) -> Option<RegionId> {
    registry().register(name)
}

/// The name of a region.
pub fn name(region: RegionId) -> &'static str {
    registry().names[usize::from(region.0)]
}

impl Registry {
    fn register(&mut self, name: &str) -> Option<RegionId> {
        let index = match self.names.iter().position(|&known| known == name) {
            Some(index) => index,
            None if self.names.len() == MAX_REGIONS => return None,
            None => {
                self.names.push(Box::leak(name.into()));
                self.names.len() - 1
            }
        };
        u8::try_from(index).ok().map(RegionId)
    }
}

/// Opens a region on this thread.
#[inline]
pub fn begin(region: RegionId) {
    let Some(shard) = shard() else { return };
    let depth = shard.depth.load(Relaxed);
    // First, so that a signal handler on this thread opens its regions above ours.
    shard.depth.store(depth + 1, Relaxed);
    if let Some(open) = shard.open.get(depth) {
        open.region.store(region.0.into(), Relaxed);
        open.start.store(now(), Relaxed);
    }
}

/// Closes a region on this thread.
#[inline]
pub fn end(region: RegionId) {
    end_at(region, now());
}

/// Closes a region on this thread that ended at `time`, by [`now`]: what was done since is not part of it.
#[inline]
pub fn end_at(region: RegionId, time: u64) {
    let Some(shard) = shard() else { return };
    let top = shard.depth.load(Relaxed).wrapping_sub(1);
    match shard.open.get(top) {
        Some(open) if open.region.load(Relaxed) == u32::from(region.0) => {
            let elapsed = time.wrapping_sub(open.start.load(Relaxed));
            shard.depth.store(top, Relaxed);
            shard.counts[usize::from(region.0)].record(elapsed);
        }
        _ => shard.end_below(region, time),
    }
}

impl Count {
    #[inline]
    fn record(&self, elapsed: u64) {
        self.samples.store(self.samples.load(Relaxed) + 1, Relaxed);
        self.total
            .store(self.total.load(Relaxed).wrapping_add(elapsed), Relaxed);
        if !elapsed > self.min.load(Relaxed) {
            self.min.store(!elapsed, Relaxed);
        }
        if elapsed > self.max.load(Relaxed) {
            self.max.store(elapsed, Relaxed);
        }
    }

    fn report(&self) -> Option<CyclesReport> {
        let samples = self.samples.load(Relaxed);
        (samples > 0).then(|| CyclesReport {
            samples,
            total: self.total.load(Relaxed),
            min: !self.min.load(Relaxed),
            max: self.max.load(Relaxed),
        })
    }
}

impl Shard {
    /// `end` of a region that is not on top of the stack.
    #[cold]
    fn end_below(&self, region: RegionId, time: u64) {
        let depth = self.depth.load(Relaxed);
        if depth > MAX_NESTING {
            // The innermost was too deep to be noted.
            self.depth.store(depth - 1, Relaxed);
            return;
        }
        let same = |open: &Open| open.region.load(Relaxed) == u32::from(region.0);
        let found = self.open[..depth].iter().rposition(same);
        let left = found.map_or(1, |at| depth - 1 - at);
        self.unbalanced
            .store(self.unbalanced.load(Relaxed) + left as u64, Relaxed);
        if let Some(at) = found {
            let elapsed = time.wrapping_sub(self.open[at].start.load(Relaxed));
            self.depth.store(at, Relaxed);
            self.counts[usize::from(region.0)].record(elapsed);
        }
    }
}

/// The number of a name by this thread's memory of names: no lock for a name it used lately.
fn lookup(name: &str) -> Option<RegionId> {
    let bytes = name.as_bytes();
    let ends =
        bytes.first().copied().unwrap_or(0) ^ bytes.last().copied().unwrap_or(0).rotate_left(3);
    NAMES.with(|names| {
        let slot = &names[(usize::from(ends) ^ name.len()) % names.len()];
        match slot.get() {
            Some((known, region)) if known == name => Some(region),
            _ => {
                let region = register(name)?;
                let known = registry().names[usize::from(region.0)];
                slot.set(Some((known, region)));
                Some(region)
            }
        }
    })
}

/// Opens the region of that name; a name too many is ignored.
pub fn region_begin(name: &str) {
    if let Some(region) = lookup(name) {
        begin(region)
    }
}

/// Closes the region of that name.
pub fn region_end(name: &str) {
    if let Some(region) = lookup(name) {
        end(region)
    }
}

/// What was measured of a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionReport {
    /// Its name.
    pub name: String,
    /// Times it was run through and how long it took, over all threads; null when it was never closed.
    pub cycles: Option<CyclesReport>,
}

/// All regions in the order in which they were registered.
pub fn reports() -> Vec<RegionReport> {
    let registry = registry();
    let report = |(index, name): (usize, &&str)| {
        let counts = registry
            .shards
            .iter()
            .filter_map(|shard| shard.counts[index].report());
        RegionReport {
            name: name.to_string(),
            cycles: counts.reduce(CyclesReport::and),
        }
    };
    registry.names.iter().enumerate().map(report).collect()
}

/// Regions that were closed out of order, or closed without being open, on all threads.
pub fn unbalanced() -> u64 {
    registry()
        .shards
        .iter()
        .map(|shard| shard.unbalanced.load(Relaxed))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn report(name: &str) -> Option<CyclesReport> {
        reports()
            .into_iter()
            .find(|r| r.name == name)
            .expect("registered")
            .cycles
    }

    #[test]
    fn regions_nest_and_contain_each_other() {
        for _ in 0..100 {
            region_begin("outer");
            for _ in 0..3 {
                region_begin("inner");
                std::hint::black_box(now());
                region_end("inner");
            }
            region_end("outer");
        }
        let (outer, inner) = (report("outer").unwrap(), report("inner").unwrap());
        assert_eq!((outer.samples, inner.samples), (100, 300));
        assert!(outer.total > inner.total && outer.min > inner.min && outer.max >= inner.max);
        assert!(inner.min <= inner.average() && inner.average() <= inner.max);
    }

    #[test]
    fn a_region_can_be_in_itself() {
        let region = register("recursive").unwrap();
        assert_eq!(register("recursive"), Some(region));
        (0..10).for_each(|_| begin(region));
        (0..10).for_each(|_| end(region));
        assert_eq!(report("recursive").unwrap().samples, 10);
    }

    #[test]
    fn too_deep_nesting_is_left_out() {
        let region = register("deep").unwrap();
        (0..MAX_NESTING + 5).for_each(|_| begin(region));
        (0..MAX_NESTING + 5).for_each(|_| end(region));
        assert_eq!(report("deep").unwrap().samples, MAX_NESTING as u64);
        begin(region);
        end(region);
        assert_eq!(report("deep").unwrap().samples, MAX_NESTING as u64 + 1);
    }

    #[test]
    fn regions_left_open_are_closed_by_their_outer_one() {
        let [a, b, c] = ["left a", "left b", "left c"].map(|name| register(name).unwrap());
        let before = unbalanced();
        end(a);
        begin(a);
        begin(b);
        begin(c);
        end(a);
        end(b);
        assert_eq!(report("left a").unwrap().samples, 1);
        assert_eq!((report("left b"), report("left c")), (None, None));
        // Without one, b and c open in a, b closed again.
        assert_eq!(unbalanced() - before, 4);
    }

    #[test]
    fn threads_are_summed_up_and_leave_their_memory() {
        let region = register("threads").unwrap();
        for _ in 0..50 {
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        begin(region);
                        end(region);
                        // Left open: the next thread must not see it.
                        begin(region);
                    });
                }
            });
        }
        assert_eq!(report("threads").unwrap().samples, 100);
        // Tests run side by side, so a few more than these two threads have shards.
        assert!(registry().shards.len() < 40, "{}", registry().shards.len());
    }

    #[test]
    fn the_registry_is_finite() {
        let mut registry = Registry::default();
        for i in 0..MAX_REGIONS {
            assert_eq!(registry.register(&format!("r{i}")), Some(RegionId(i as u8)));
        }
        assert_eq!(registry.register("one too many"), None);
        assert_eq!(registry.register("r255"), Some(RegionId(255)));
    }

    #[test]
    fn names_that_share_a_place_are_told_apart() {
        // Same length, same first and last byte: one place in the thread's memory of names.
        for _ in 0..10 {
            for name in ["abcd", "axyd"] {
                region_begin(name);
                region_end(name);
            }
        }
        assert_eq!(report("abcd").unwrap().samples, 10);
        assert_eq!(report("axyd").unwrap().samples, 10);
    }
}
