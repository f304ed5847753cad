//! Which pages of the code space are free.
//!
//! Address space costs nothing, memory does: the space may be larger than the limit of pages in use, so that holes
//! between units of different sizes do not make it full before the limit is reached. The lowest hole that is large
//! enough is taken, which keeps the units close together.

use std::collections::BTreeMap;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// Free runs of pages, none touching another.
#[derive(Debug)]
pub(crate) struct FreePages {
    /// First page of each run, and how many it has.
    holes: BTreeMap<usize, usize>,
    used: usize,
    limit: usize,
}

impl FreePages {
    /// Pages `0..space`, all free; at most `limit` of them are given out at a time.
    pub(crate) fn new(space: usize, limit: usize) -> Self {
        let holes = (space > 0).then_some((0, space)).into_iter().collect();
        FreePages {
            holes,
            used: 0,
            limit,
        }
    }

    /// Takes `count` pages in a row and gives the first; `None` if the limit or the space does not allow it.
    pub(crate) fn take(&mut self, count: usize) -> Option<usize> {
        if count == 0 || count > self.limit - self.used {
            return None;
        }
        let (&first, &free) = self.holes.iter().find(|(_, free)| **free >= count)?;
        self.holes.remove(&first);
        if free > count {
            self.holes.insert(first + count, free - count);
        }
        self.used += count;
        Some(first)
    }

    /// Takes back pages that [`FreePages::take`] gave out.
    pub(crate) fn give(&mut self, first: usize, count: usize) {
        let (mut from, mut free) = (first, count);
        if let Some((&before, &pages)) = self.holes.range(..first).next_back()
            && before + pages == first
        {
            self.holes.remove(&before);
            from = before;
            free += pages;
        }
        if let Some(after) = self.holes.remove(&(first + count)) {
            free += after;
        }
        self.holes.insert(from, free);
        self.used -= count;
    }

    /// Pages given out.
    pub(crate) fn used(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_run() {
        let mut pages = FreePages::new(10, 10);
        let runs: Vec<_> = (0..5).map(|_| pages.take(2).unwrap()).collect();
        assert_eq!(runs, [0, 2, 4, 6, 8]);
        assert_eq!(pages.take(1), None);
        // Given back in an order in which runs meet from below, from above and from both sides.
        for first in [2, 6, 8, 0, 4] {
            pages.give(first, 2);
        }
        assert_eq!((pages.holes.len(), pages.used()), (1, 0));
        assert_eq!(pages.take(10), Some(0));
    }

    #[test]
    fn the_lowest_hole_that_fits_is_taken() {
        let mut pages = FreePages::new(20, 20);
        let a = pages.take(2).unwrap();
        let b = pages.take(1).unwrap();
        let c = pages.take(3).unwrap();
        let _d = pages.take(1).unwrap();
        pages.give(a, 2);
        pages.give(c, 3);
        assert_eq!(pages.take(3), Some(c));
        assert_eq!(pages.take(2), Some(a));
        assert_eq!(b, 2);
    }

    #[test]
    fn the_limit_counts_pages_in_use_not_addresses() {
        let mut pages = FreePages::new(100, 3);
        let first = pages.take(2).unwrap();
        assert_eq!(pages.take(2), None);
        assert_eq!(pages.take(1), Some(2));
        pages.give(first, 2);
        assert_eq!(pages.take(3), None);
        assert_eq!(pages.take(2), Some(0));
        assert_eq!(pages.take(0), None);
    }
}
