//! Processor cycles: the time-stamp counter, and statistics of durations.
#![allow(unsafe_code)]

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The time-stamp counter, in its own cycles (constant rate on every processor since about 2008, whatever the core's
/// frequency). Not serialising: the processor may read it some instructions early or late.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: every x86-64 processor has RDTSC, and neither Linux nor our kernel forbids it (CR4.TSD is clear).
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Processor time of this thread in nanoseconds. The machine's kernel answers with the time since it started.
pub(crate) fn cpu_now_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Statistics of durations, updated from any thread without losing one.
///
/// The layout is what `probe`'s machine code writes to.
#[derive(Debug)]
#[repr(C)]
pub struct Cycles {
    samples: AtomicU64,
    total: AtomicU64,
    /// `u64::MAX` before the first sample.
    min: AtomicU64,
    max: AtomicU64,
}

impl Default for Cycles {
    fn default() -> Cycles {
        Cycles::new()
    }
}

impl Cycles {
    /// Nothing measured yet.
    pub const fn new() -> Cycles {
        Cycles {
            samples: AtomicU64::new(0),
            total: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
        }
    }

    /// Adds one duration.
    pub fn record(&self, cycles: u64) {
        self.samples.fetch_add(1, Relaxed);
        self.total.fetch_add(cycles, Relaxed);
        self.min.fetch_min(cycles, Relaxed);
        self.max.fetch_max(cycles, Relaxed);
    }

    /// Adds what another run or thread measured.
    pub fn add(&self, other: &CyclesReport) {
        if other.samples > 0 {
            self.samples.fetch_add(other.samples, Relaxed);
            self.total.fetch_add(other.total, Relaxed);
            self.min.fetch_min(other.min, Relaxed);
            self.max.fetch_max(other.max, Relaxed);
        }
    }

    /// A copy; `None` before the first sample.
    pub fn report(&self) -> Option<CyclesReport> {
        let samples = self.samples.load(Relaxed);
        (samples > 0).then(|| CyclesReport {
            samples,
            total: self.total.load(Relaxed),
            min: self.min.load(Relaxed),
            max: self.max.load(Relaxed),
        })
    }
}

/// Durations measured, in cycles of the time-stamp counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CyclesReport {
    /// How many were measured, at least 1.
    pub samples: u64,
    /// Their sum.
    pub total: u64,
    /// The shortest.
    pub min: u64,
    /// The longest.
    pub max: u64,
}

impl CyclesReport {
    /// The mean, rounded down.
    pub fn average(&self) -> u64 {
        self.total / self.samples.max(1)
    }

    /// Both together.
    pub fn and(self, other: CyclesReport) -> CyclesReport {
        CyclesReport {
            samples: self.samples + other.samples,
            total: self.total.saturating_add(other.total),
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_summed_up() {
        let cycles = Cycles::new();
        assert_eq!(cycles.report(), None);
        [30, 10, 20].into_iter().for_each(|c| cycles.record(c));
        let report = cycles.report().unwrap();
        assert_eq!(
            report,
            CyclesReport {
                samples: 3,
                total: 60,
                min: 10,
                max: 30
            }
        );
        assert_eq!(report.average(), 20);
        cycles.add(&CyclesReport {
            samples: 1,
            total: 5,
            min: 5,
            max: 5,
        });
        let sum = CyclesReport {
            samples: 4,
            total: 65,
            min: 5,
            max: 30,
        };
        assert_eq!(cycles.report(), Some(sum));
        assert_eq!(
            report.and(CyclesReport {
                samples: 1,
                total: 5,
                min: 5,
                max: 5
            }),
            sum
        );
    }

    #[test]
    fn the_counter_goes_on() {
        let first = now();
        assert!((0..1000).map(|_| now()).max() > Some(first));
    }
}
