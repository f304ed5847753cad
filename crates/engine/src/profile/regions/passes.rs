//! Passes through a region on one thread: every one is counted, of short ones some are timed.
//!
//! Two readings of the clock cost several times what else there is to a pass (50 cycles on a Zen 5 core, beside some 15). So
//! the passes are cut into *strata*, of which one pass is timed, and stands for all of its stratum:
//!
//! ```text
//!   pass      0 .. 63    64 ............ 79    80 ............ 95
//!   timed     each one   ----------*-----      --*-------------      * counts 16 times in the total
//! ```
//!
//! - A stratum is a single pass for the first [`TIMED_AT_FIRST`], and while passes are [`LONG`]: the last timed one, or their
//!   average. It is [`STRATUM`] passes otherwise.
//! - Which of its passes is timed is drawn at random, so a program that does something else every few passes is not seen in
//!   one of its phases only, as it would be with every 16th pass. The draw depends on nothing that the program does, and the
//!   size of a stratum is known before it begins: so the expected total is the true one, however durations vary (stratified
//!   sampling: Cochran, Sampling Techniques, chapter 5). What is long and rare among short passes is seen by chance only.
//! - A short region that becomes long is noticed at the next timed pass, and timed throughout from the next stratum on:
//!   within 31 passes.

use crate::profile::cycles::CyclesReport;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Passes that are timed before any is left out.
pub const TIMED_AT_FIRST: u64 = 64;
/// Short passes of which one is timed; a power of two.
pub const STRATUM: u32 = 16;
/// Cycles from which on a pass is long: the clock is 2.5 % of them.
pub const LONG: u64 = 2_000;

/// Random numbers of one thread: a linear congruential generator (Numerical Recipes' constants), of which only high bits are good.
#[derive(Debug, Default)]
pub struct Random(AtomicU32);

impl Random {
    /// A number below [`STRATUM`].
    fn draw(&self) -> u32 {
        let next = self.0.load(Relaxed).wrapping_mul(1_664_525);
        let next = next.wrapping_add(1_013_904_223);
        self.0.store(next, Relaxed);
        next >> (u32::BITS - STRATUM.ilog2())
    }
}

/// What is known of the passes. Only one thread writes; zeros are a fresh start.
#[derive(Debug, Default)]
#[repr(align(64))] // one line of the cache
pub struct Passes {
    /// Passes to begin before the next that is timed.
    skip: AtomicU32,
    /// Passes of its stratum from that one on; 0 if it stands for itself alone.
    due: AtomicU32,
    timed: AtomicU64,
    ended: AtomicU64,
    /// Passes for which those that were timed stand, and their cycles.
    covered: AtomicU64,
    cycles: AtomicU64,
    /// The complement of the minimum.
    min: AtomicU64,
    max: AtomicU64,
}

impl Passes {
    /// Begins a pass: for how many it stands if it is to be timed, else 0.
    #[inline(always)]
    pub fn begin(&self) -> u32 {
        match self.skip.load(Relaxed) {
            0 => self.turn(),
            left => {
                self.skip.store(left - 1, Relaxed);
                0
            }
        }
    }

    /// [`Passes::begin`] of a pass that is timed.
    fn turn(&self) -> u32 {
        match self.due.load(Relaxed).checked_sub(1) {
            None => 1,
            Some(behind) => {
                self.due.store(0, Relaxed);
                self.skip.store(behind, Relaxed);
                STRATUM
            }
        }
    }

    /// Counts a pass that ended.
    #[inline(always)]
    pub fn end(&self) {
        self.ended.store(self.ended.load(Relaxed) + 1, Relaxed);
    }

    /// Adds what a pass took that stands for `covered`.
    pub fn time(&self, covered: u32, elapsed: u64, random: &Random) {
        let covered = u64::from(covered);
        let passes = self.covered.load(Relaxed) + covered;
        let cycles = elapsed.saturating_mul(covered);
        let cycles = self.cycles.load(Relaxed).saturating_add(cycles);
        let timed = self.timed.load(Relaxed) + 1;
        self.timed.store(timed, Relaxed);
        self.covered.store(passes, Relaxed);
        self.cycles.store(cycles, Relaxed);
        if !elapsed > self.min.load(Relaxed) {
            self.min.store(!elapsed, Relaxed);
        }
        if elapsed > self.max.load(Relaxed) {
            self.max.store(elapsed, Relaxed);
        }
        let long = elapsed >= LONG || cycles >= passes.saturating_mul(LONG);
        // In a recursion the next pass may be drawn already.
        if timed >= TIMED_AT_FIRST && !long && self.due.load(Relaxed) == 0 {
            let before = random.draw();
            self.skip.store(self.skip.load(Relaxed) + before, Relaxed);
            self.due.store(STRATUM - before, Relaxed);
        }
    }

    /// The passes that ended, and how many of them were timed. Their total is an estimate where not all were.
    pub fn report(&self) -> Option<(CyclesReport, u64)> {
        let (ended, covered) = (self.ended.load(Relaxed), self.covered.load(Relaxed));
        // Neither is a multiple of a stratum: passes are given up, and the last stratum is not over.
        let total = u128::from(self.cycles.load(Relaxed)) * u128::from(ended);
        let total = total.checked_div(covered.into()).unwrap_or(0);
        let cycles = CyclesReport {
            samples: ended,
            total: u64::try_from(total).unwrap_or(u64::MAX),
            min: !self.min.load(Relaxed),
            max: self.max.load(Relaxed),
        };
        (ended > 0).then_some((cycles, self.timed.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes through a region with passes of these durations: what is reported, and which passes were timed.
    fn run(durations: impl IntoIterator<Item = u64>) -> (CyclesReport, Vec<usize>) {
        let (passes, random) = (Passes::default(), Random::default());
        let mut timed = Vec::new();
        for (at, duration) in durations.into_iter().enumerate() {
            let covered = passes.begin();
            passes.end();
            if covered > 0 {
                timed.push(at);
                passes.time(covered, duration, &random);
            }
        }
        let (cycles, count) = passes.report().unwrap();
        assert_eq!(count, timed.len() as u64);
        (cycles, timed)
    }

    fn assert_near(cycles: CyclesReport, total: u64, percent: f64) {
        let off = 100.0 * (cycles.total as f64 / total as f64 - 1.0);
        assert!(off.abs() < percent, "{cycles:?} for {total}: {off:.2} %");
    }

    #[test]
    fn the_first_passes_are_timed_and_then_one_of_each_stratum() {
        let (cycles, timed) = run([100; 64 + 1600]);
        assert_eq!((cycles.samples, cycles.total), (1664, 166_400));
        assert_eq!(timed[..64], Vec::from_iter(0..64));
        let strata = Vec::from_iter(timed[64..].iter().map(|at| (at - 64) / 16));
        assert_eq!(strata, Vec::from_iter(0..100));
        let places = timed[64..].iter().map(|at| at % 16);
        let times = places.fold([0; 16], |mut times, at| {
            times[at] += 1;
            times
        });
        assert!(times.iter().all(|n| (1..=16).contains(n)), "{times:?}");
    }

    #[test]
    fn long_passes_are_all_timed() {
        let durations = (0..5000).map(|n| LONG + n);
        let (cycles, timed) = run(durations.clone());
        assert_eq!((cycles.samples, timed.len()), (5000, 5000));
        assert_eq!(cycles.total, durations.sum::<u64>());
        assert_eq!((cycles.min, cycles.max), (LONG, LONG + 4999));
        // Short ones between long ones, as long as they are long on average.
        let durations = (0..5000).map(|n| if n % 10 == 0 { 10 * LONG } else { 1 });
        assert_eq!(run(durations.clone()).1.len(), 5000);
        assert_eq!(run(durations.clone()).0.total, durations.sum::<u64>());
    }

    #[test]
    fn periods_of_the_program_do_not_show() {
        // Each 2nd, 3rd, .. pass takes ten times as long.
        for period in [2, 3, 7, 8, 15, 16, 17, 31, 32, 48, 64] {
            let durations = (0..600_000).map(|n| if n % period == 5 % period { 1000 } else { 100 });
            assert_near(run(durations.clone()).0, durations.sum(), 3.0);
        }
    }

    #[test]
    fn mixed_durations_add_up() {
        let random = Random::default();
        let mixed =
            (0..60_000).map(|_| [20, 40, 80, 300, 1500, 60, 90][random.draw() as usize % 7]);
        let durations = Vec::from_iter(mixed);
        let (cycles, timed) = run(durations.clone());
        assert_eq!(cycles.samples, 60_000);
        assert!(timed.len() < 60_000 / 15, "{}", timed.len());
        assert_near(cycles, durations.iter().sum(), 4.0);
        assert_eq!((cycles.min, cycles.max), (20, 1500));
        // A slow start weighs no more than it was.
        let mut durations = vec![1800; 64];
        durations.extend(std::iter::repeat_n(50, 20_000));
        assert_near(run(durations.clone()).0, durations.iter().sum(), 0.1);
    }

    #[test]
    fn a_short_region_that_gets_long_is_noticed() {
        for at in 1000..1032 {
            let mut durations = vec![50; at];
            durations.extend(std::iter::repeat_n(1_000_000, 200));
            let (cycles, timed) = run(durations.clone());
            let noticed = timed.iter().find(|n| **n >= at).unwrap();
            assert!(noticed - at < 31, "{noticed} {at}");
            // All are timed from the next stratum on.
            let from = at + 31;
            let left = timed.iter().filter(|n| **n >= from).count();
            assert_eq!(left, at + 200 - from);
            assert_near(cycles, durations.iter().sum(), 8.0);
            // And short again, once they are short on average.
            durations.extend(std::iter::repeat_n(50, 300_000));
            let (_, timed) = run(durations);
            assert!(timed.len() < 140_000, "{}", timed.len());
        }
    }

    #[test]
    fn the_expected_total_is_the_true_one() {
        // Long ones come in pairs, so that what is timed depends on what was.
        let passes =
            |shift: usize| (shift..shift + 200).map(|n| [1500, 2500, 10, 10, 10, 10, 10][n % 7]);
        let random = Random::default();
        let (mut estimate, mut truth) = (0, 0);
        for _ in 0..40_000 {
            let one = Passes::default();
            let shift = random.draw() as usize;
            // Each stands for itself: the start must not hide the strata.
            one.timed.store(TIMED_AT_FIRST, Relaxed);
            for duration in passes(shift) {
                let covered = one.begin();
                one.end();
                if covered > 0 {
                    one.time(covered, duration, &random);
                }
            }
            estimate += one.report().unwrap().0.total;
            truth += passes(shift).sum::<u64>();
        }
        let off = estimate as f64 / truth as f64;
        assert!((off - 1.0).abs() < 0.01, "{off}");
    }

    #[test]
    fn passes_given_up_are_in_no_figure() {
        let (passes, random) = (Passes::default(), Random::default());
        for n in 0..32_000 {
            let covered = passes.begin();
            if n % 2 == 0 {
                continue;
            }
            passes.end();
            if covered > 0 {
                passes.time(covered, 300, &random);
            }
        }
        let (cycles, _) = passes.report().unwrap();
        assert_eq!((cycles.samples, cycles.total), (16_000, 4_800_000));
        assert_eq!(Passes::default().report(), None);
    }
}
