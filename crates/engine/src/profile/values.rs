//! Which values a stream of words repeats: the top few, and pointer alignments.
//!
//! A function that always gets the same matrix shape deserves a variant for it; one that gets another value in each
//! call does not. Four entries tell the two apart without keeping the stream:
//!
//! ```text
//!   value in an entry          its credit and count go up
//!   an entry is free           it takes the value: credit 1, count 1
//!   neither                    every entry loses one credit; at 0 it is free      (Misra and Gries, 1982)
//! ```
//!
//! - A value that makes up more than a fifth of the stream has an entry in the end, whatever the rest is.
//! - `count` is what was seen since the value got its entry: never more than the truth. So a share computed from it can
//!   miss a chance but never invents one (space-saving counts, which overestimate, would).
//! - Several program threads record at once with plain loads and stores. Updates may be lost; a value is one atomic
//!   word and never torn. A count may land on the value that took its entry in the same moment; it is off by a
//!   race, decides only about speed, and the next values take the credit away again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Values followed at once.
pub const ENTRIES: usize = 4;

#[derive(Debug, Default)]
struct Entry {
    value: AtomicU64,
    /// Seen since the value got this entry; 0: free.
    count: AtomicU64,
    /// Misra-Gries counter: falls with values that have no entry.
    credit: AtomicU32,
}

/// The most frequent values of a stream.
#[derive(Debug, Default)]
pub struct TopValues {
    entries: [Entry; ENTRIES],
    total: AtomicU64,
}

fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

impl TopValues {
    /// Nothing seen yet.
    pub fn new() -> TopValues {
        TopValues::default()
    }

    /// Sees one value.
    #[inline]
    pub fn record(&self, value: u64) {
        bump(&self.total);
        let mut free = None;
        for entry in &self.entries {
            if entry.count.load(Relaxed) == 0 {
                free = free.or(Some(entry));
            } else if entry.value.load(Relaxed) == value {
                bump(&entry.count);
                entry
                    .credit
                    .store(entry.credit.load(Relaxed).saturating_add(1), Relaxed);
                return;
            }
        }
        match free {
            Some(entry) => {
                entry.value.store(value, Relaxed);
                entry.credit.store(1, Relaxed);
                entry.count.store(1, Relaxed);
            }
            None => self.miss(),
        }
    }

    #[cold]
    fn miss(&self) {
        for entry in &self.entries {
            let credit = entry.credit.load(Relaxed).saturating_sub(1);
            entry.credit.store(credit, Relaxed);
            if credit == 0 {
                entry.count.store(0, Relaxed);
            }
        }
    }

    /// How many values were seen.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// Values with how often each was seen at least, most frequent first (equal counts by value).
    pub fn top(&self) -> Vec<(u64, u64)> {
        let mut top: Vec<(u64, u64)> = Vec::with_capacity(ENTRIES);
        for entry in &self.entries {
            let (value, count) = (entry.value.load(Relaxed), entry.count.load(Relaxed));
            // Two threads may have given one value two entries.
            match top.iter_mut().find(|seen| seen.0 == value) {
                _ if count == 0 => {}
                Some(seen) => seen.1 = seen.1.saturating_add(count),
                None => top.push((value, count)),
            }
        }
        top.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        top
    }

    /// The most frequent value with its share of the stream, 0 to 1, when that is at least `share`.
    pub fn dominant(&self, share: f64) -> Option<(u64, f64)> {
        let (value, count) = self.top().into_iter().next()?;
        let found = (count as f64 / self.total().max(1) as f64).min(1.0);
        (found >= share).then_some((value, found))
    }

    /// Forgets everything: a new phase of the program is judged by itself.
    pub fn clear(&self) {
        for entry in &self.entries {
            entry.count.store(0, Relaxed);
            entry.credit.store(0, Relaxed);
        }
        self.total.store(0, Relaxed);
    }

    /// Takes over what an earlier run saw; for streams that have seen nothing yet.
    pub fn restore(&self, total: u64, top: &[(u64, u64)]) {
        self.clear();
        self.total.store(total, Relaxed);
        for (entry, &(value, count)) in self.entries.iter().zip(top) {
            entry.value.store(value, Relaxed);
            entry
                .credit
                .store(u32::try_from(count).unwrap_or(u32::MAX), Relaxed);
            entry.count.store(count, Relaxed);
        }
    }
}

/// Largest alignment told apart, in bytes: a cache line, and a vector of AVX-512.
pub const MAX_ALIGNMENT: u64 = 64;
/// Alignments 1, 2, 4 .. 64.
pub const ALIGNMENTS: usize = MAX_ALIGNMENT.trailing_zeros() as usize + 1;

/// How the pointers of a stream are aligned.
#[derive(Debug, Default)]
pub struct Alignment {
    /// Pointers by trailing zero bits, the last for that many and more.
    counts: [AtomicU64; ALIGNMENTS],
    /// Null pointers: aligned to anything, which says nothing.
    nulls: AtomicU64,
}

impl Alignment {
    /// Nothing seen yet.
    pub fn new() -> Alignment {
        Alignment::default()
    }

    /// Sees one pointer.
    #[inline]
    pub fn record(&self, pointer: u64) {
        match pointer {
            0 => bump(&self.nulls),
            _ => bump(&self.counts[(pointer.trailing_zeros() as usize).min(ALIGNMENTS - 1)]),
        }
    }

    /// Pointers seen whose alignment is exactly 1, 2, 4 .. bytes, the last for that much and more.
    pub fn counts(&self) -> [u64; ALIGNMENTS] {
        std::array::from_fn(|i| self.counts[i].load(Relaxed))
    }

    /// Null pointers seen.
    pub fn nulls(&self) -> u64 {
        self.nulls.load(Relaxed)
    }

    /// The alignment in bytes that all pointers but nulls had; `None` when there was none.
    pub fn always(&self) -> Option<u64> {
        self.counts()
            .iter()
            .position(|&n| n > 0)
            .map(|bits| 1 << bits)
    }

    /// The largest alignment in bytes that at least `share` (0 to 1) of the pointers had, nulls not counted.
    pub fn at_least(&self, share: f64) -> Option<u64> {
        let counts = self.counts();
        let all: u64 = counts.iter().sum();
        let mut above = 0;
        (all > 0).then_some(())?;
        for bits in (0..ALIGNMENTS).rev() {
            above += counts[bits];
            if above as f64 >= share * all as f64 {
                return Some(1 << bits);
            }
        }
        Some(1)
    }

    /// Takes over what an earlier run saw.
    pub fn restore(&self, counts: &[u64], nulls: u64) {
        for (counter, &n) in self.counts.iter().zip(counts) {
            counter.store(n, Relaxed);
        }
        self.nulls.store(nulls, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_constant_stream_has_one_value() {
        let values = TopValues::new();
        assert_eq!(values.top(), []);
        assert_eq!(values.dominant(0.0), None);
        (0..1000).for_each(|_| values.record(288));
        assert_eq!(values.top(), [(288, 1000)]);
        assert_eq!(values.total(), 1000);
        assert_eq!(values.dominant(1.0), Some((288, 1.0)));
    }

    #[test]
    fn zero_is_a_value() {
        let values = TopValues::new();
        values.record(0);
        values.record(u64::MAX);
        values.record(0);
        assert_eq!(values.top(), [(0, 2), (u64::MAX, 1)]);
    }

    #[test]
    fn up_to_four_values_are_counted_exactly() {
        let values = TopValues::new();
        for i in 0..1000u64 {
            values.record([7, 8, 7, 9, 7, 8, 7, 10][i as usize % 8]);
        }
        assert_eq!(values.top(), [(7, 500), (8, 250), (9, 125), (10, 125)]);
        assert_eq!(values.dominant(0.51), None);
    }

    #[test]
    fn a_frequent_value_survives_noise_and_is_never_overestimated() {
        // 40 % one value, the rest all different, the frequent one late and in bursts.
        let values = TopValues::new();
        (0..1000).for_each(|i| values.record(1_000_000 + i));
        for round in 0..1000u64 {
            (0..4).for_each(|_| values.record(64));
            (0..6).for_each(|i| values.record(2_000_000 + 6 * round + i));
        }
        let (value, count) = values.top()[0];
        assert_eq!(value, 64);
        assert!((3000..=4000).contains(&count), "{count}");
        assert_eq!(values.total(), 11_000);
    }

    #[test]
    fn noise_has_no_dominant_value() {
        let values = TopValues::new();
        (0..100_000u64).for_each(|i| values.record(i.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        assert_eq!(values.dominant(0.01), None);
    }

    #[test]
    fn threads_tear_nothing() {
        let values = TopValues::new();
        let (a, b) = (0x1111_1111_1111_1111, 0xEEEE_EEEE_EEEE_EEEE);
        thread::scope(|scope| {
            for value in [a, b] {
                let values = &values;
                scope.spawn(move || (0..200_000).for_each(|_| values.record(value)));
            }
        });
        let top = values.top();
        assert!(
            top.iter().all(|&(value, _)| value == a || value == b),
            "{top:x?}"
        );
        assert_eq!(top.len(), 2);
        assert!(values.total() <= 400_000);
    }

    #[test]
    fn restored_values_go_on() {
        let values = TopValues::new();
        values.restore(10, &[(5, 8), (6, 2)]);
        values.record(5);
        assert_eq!((values.total(), values.top()), (11, vec![(5, 9), (6, 2)]));
        values.clear();
        assert_eq!((values.total(), values.top()), (0, vec![]));
    }

    #[test]
    fn alignments() {
        let align = Alignment::new();
        assert_eq!((align.always(), align.at_least(0.5)), (None, None));
        align.record(0);
        assert_eq!((align.always(), align.nulls()), (None, 1));
        (0..99).for_each(|i| align.record(0x1000 + 64 * i));
        assert_eq!(align.always(), Some(64));
        align.record(0x1004);
        assert_eq!(align.always(), Some(4));
        assert_eq!(align.at_least(0.99), Some(64));
        assert_eq!(align.at_least(1.0), Some(4));
        assert_eq!(align.counts(), [0, 0, 1, 0, 0, 0, 99]);
    }
}
