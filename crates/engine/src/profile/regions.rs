//! Regions: stretches of the program that it marks itself, measured in cycles.
//!
//! ```text
//!   name --register, once--> number --begin/end, per thread--> this thread's counts --sum over threads--> report
//! ```
//!
//! - A pair of `begin` and `end` costs some 20 cycles: a thread has its own counts and its own stack of open regions, so
//!   nothing is locked or shared, a number needs no search, and of short passes only some are timed ([`passes`]).
//! - Regions nest; times include inner regions and their cost. The time of an empty region is what one reading of the
//!   clock takes.
//! - `end` of a region that is not innermost closes what was opened in it without counting it (the program left it by
//!   `longjmp` or by mistake); `end` of a region that is not open does nothing. Both are counted as unbalanced.
//! - Counts of a thread that ended are kept, and its memory serves the next thread.

mod passes;

use super::cycles::{CyclesReport, now};
use passes::{Passes, Random};
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

#[derive(Debug, Default)]
struct Open {
    region: AtomicU32,
    /// For how many passes it stands if it is timed, else 0: then it has no start.
    covered: AtomicU32,
    start: AtomicU64,
}

/// What belongs to one thread at a time. Only that thread writes.
#[derive(Debug)]
struct Shard {
    depth: AtomicUsize,
    unbalanced: AtomicU64,
    random: Random,
    open: [Open; MAX_NESTING],
    passes: [Passes; MAX_REGIONS],
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
        let shard: &'static Shard = Box::leak(Box::new(Shard::new()));
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
    if let Some(shard) = shard() {
        shard.begin(region, now);
    }
}

/// Closes a region on this thread.
#[inline]
pub fn end(region: RegionId) {
    end_at(region, None);
}

/// The time, by [`now`], if the innermost region open on this thread is timed.
#[inline]
pub fn end_time() -> Option<u64> {
    let shard = shard()?;
    let top = shard.depth.load(Relaxed).wrapping_sub(1);
    (shard.open.get(top)?.covered.load(Relaxed) > 0).then(now)
}

/// Closes a region on this thread that ended at a time taken by [`end_time`]: what was done since is not part of it.
#[inline]
pub fn end_at(region: RegionId, time: Option<u64>) {
    if let Some(shard) = shard() {
        shard.end(region, || time.unwrap_or_else(now));
    }
}

impl Shard {
    fn new() -> Shard {
        Shard {
            depth: AtomicUsize::new(0),
            unbalanced: AtomicU64::new(0),
            random: Random::default(),
            open: std::array::from_fn(|_| Open::default()),
            passes: std::array::from_fn(|_| Passes::default()),
        }
    }

    #[inline(always)]
    fn begin(&self, region: RegionId, clock: impl FnOnce() -> u64) {
        let depth = self.depth.load(Relaxed);
        // First, so that a signal handler on this thread opens its regions above ours.
        self.depth.store(depth + 1, Relaxed);
        if let Some(open) = self.open.get(depth) {
            let covered = self.passes[usize::from(region.0)].begin();
            open.region.store(region.0.into(), Relaxed);
            open.covered.store(covered, Relaxed);
            if covered > 0 {
                open.start.store(clock(), Relaxed);
            }
        }
    }

    #[inline(always)]
    fn end(&self, region: RegionId, clock: impl FnOnce() -> u64) {
        let top = self.depth.load(Relaxed).wrapping_sub(1);
        match self.open.get(top) {
            Some(open) if open.region.load(Relaxed) == u32::from(region.0) => {
                self.close(top, region, clock)
            }
            _ => self.end_below(region, clock),
        }
    }

    /// Ends the pass that is open at this depth, and gives up those above.
    #[inline(always)]
    fn close(&self, at: usize, region: RegionId, clock: impl FnOnce() -> u64) {
        let passes = &self.passes[usize::from(region.0)];
        let open = &self.open[at];
        let covered = open.covered.load(Relaxed);
        if covered == 0 {
            self.depth.store(at, Relaxed);
            passes.end();
            return;
        }
        let elapsed = clock().wrapping_sub(open.start.load(Relaxed));
        self.depth.store(at, Relaxed);
        passes.end();
        passes.time(covered, elapsed, &self.random);
    }

    /// `end` of a region that is not on top of the stack.
    #[cold]
    fn end_below(&self, region: RegionId, clock: impl FnOnce() -> u64) {
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
            self.close(at, region, clock);
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
    /// Times it was run through and how long that took, over all threads; null when it was never closed. The number is exact. Of
    /// the time of short regions the total is an estimate, and `min` and `max` are those of the passes that were timed.
    pub cycles: Option<CyclesReport>,
    /// How many of the times it was run through were timed.
    pub timed: u64,
}

/// All regions in the order in which they were registered.
pub fn reports() -> Vec<RegionReport> {
    let registry = registry();
    let report = |(index, name): (usize, &&str)| {
        let threads = registry.shards.iter();
        let threads = threads.filter_map(|shard| shard.passes[index].report());
        let all = threads.reduce(|(a, timed), (b, more)| (a.and(b), timed + more));
        RegionReport {
            name: name.to_string(),
            cycles: all.map(|(cycles, _)| cycles),
            timed: all.map_or(0, |(_, timed)| timed),
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
        // So few that each is timed.
        for _ in 0..20 {
            region_begin("outer");
            for _ in 0..3 {
                region_begin("inner");
                std::hint::black_box(now());
                region_end("inner");
            }
            region_end("outer");
        }
        let (outer, inner) = (report("outer").unwrap(), report("inner").unwrap());
        assert_eq!((outer.samples, inner.samples), (20, 60));
        assert!(outer.total > inner.total && outer.min > inner.min && outer.max >= inner.max);
        assert!(inner.min <= inner.average() && inner.average() <= inner.max);
    }

    /// A thread of its own with a clock that is set by hand.
    struct Model {
        shard: Shard,
        time: Cell<u64>,
        readings: Cell<u64>,
    }

    impl Model {
        fn new() -> Model {
            Model {
                shard: Shard::new(),
                time: Cell::new(0),
                readings: Cell::new(0),
            }
        }

        fn clock(&self) -> u64 {
            self.readings.set(self.readings.get() + 1);
            self.time.get()
        }

        /// Goes through a region in which `inner` is done.
        fn pass(&self, region: u8, inner: impl FnOnce()) {
            self.shard.begin(RegionId(region), || self.clock());
            inner();
            self.shard.end(RegionId(region), || self.clock());
        }

        fn work(&self, cycles: u64) {
            self.time.set(self.time.get() + cycles);
        }

        fn report(&self, region: usize) -> (CyclesReport, u64) {
            self.shard.passes[region].report().unwrap()
        }
    }

    #[test]
    fn short_regions_in_long_ones_are_sampled_alone() {
        let model = Model::new();
        for n in 0..3000 {
            model.pass(0, || {
                model.work(2_000);
                for inner in 0..4 {
                    model.pass(1, || model.work(100 + inner + n % 2 * 50));
                }
            });
        }
        let ((outer, timed), (inner, few)) = (model.report(0), model.report(1));
        assert_eq!((outer.samples, timed), (3000, 3000));
        assert_eq!(outer.total, model.time.get());
        assert_eq!(inner.samples, 12_000);
        assert!((64 + 744..64 + 750).contains(&few), "{few}");
        // The clock is read for nothing else.
        assert_eq!(model.readings.get(), 2 * (timed + few));
        let total = outer.total - 3000 * 2_000;
        assert!(
            inner.total.abs_diff(total) < total / 50,
            "{inner:?} {total}"
        );
        assert_eq!((inner.min, inner.max), (100, 153));
    }

    #[test]
    fn a_region_left_open_does_not_lend_its_start() {
        // The inner one is given up each time, timed or not, and the outer one keeps its own figures.
        let model = Model::new();
        for _ in 0..2000 {
            model.pass(0, || {
                model.work(30);
                model.shard.begin(RegionId(1), || model.clock());
                model.work(20);
            });
        }
        let (cycles, timed) = model.report(0);
        assert_eq!((cycles.samples, cycles.total), (2000, 100_000));
        assert_eq!((cycles.min, cycles.max), (50, 50));
        assert!(timed < 64 + 125, "{timed}");
        assert_eq!(model.shard.passes[1].report(), None);
        assert_eq!(model.shard.unbalanced.load(Relaxed), 2000);
        assert_eq!(model.shard.depth.load(Relaxed), 0);
    }

    #[test]
    fn recursion_is_counted_exactly() {
        let model = Model::new();
        fn down(model: &Model, left: u32) {
            if left > 0 {
                model.pass(0, || {
                    model.work(10);
                    down(model, left - 1);
                });
            }
        }
        for _ in 0..4000 {
            down(&model, 5);
        }
        let (cycles, timed) = model.report(0);
        assert_eq!((cycles.samples, cycles.min, cycles.max), (20_000, 10, 50));
        // Each level's time is in those above: 10 + 20 + .. 50.
        let total = 4000 * 150;
        assert!(cycles.total.abs_diff(total) < total / 25, "{cycles:?}");
        // A stratum can be over before the pass is that stands for it: then some are timed for themselves.
        assert!(timed < 64 + 20_000 / 10, "{timed}");
    }

    #[test]
    fn a_time_is_taken_only_where_a_pass_is_timed() {
        let region = register("end time").unwrap();
        assert_eq!(end_time(), None);
        let mut taken = 0;
        for _ in 0..64 + 320 {
            begin(region);
            let time = end_time();
            taken += u64::from(time.is_some());
            end_at(region, time);
        }
        let all = reports();
        let ended = all.iter().find(|r| r.name == "end time").unwrap();
        assert_eq!(ended.timed, taken);
        assert_eq!(ended.cycles.unwrap().samples, 64 + 320);
        // Unless it was interrupted for long.
        assert!(taken >= 64 + 20, "{taken}");
        // What follows the time is not in it.
        let late = register("late").unwrap();
        begin(late);
        let time = end_time();
        let start = now();
        while now() - start < 1_000_000_000 {}
        end_at(late, time);
        assert!(report("late").unwrap().max < 1_000_000_000);
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
