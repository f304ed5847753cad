//! Which blocks of a store are taken, and by which record.

use alloc::vec::Vec;
use formats::record::{Extent, Layout, MAX_EXTENTS};

/// Blocks that are taken: runs in order, none touching the blocks of another.
pub struct Space {
    blocks: u32,
    taken: Vec<(Extent, u64)>,
}

impl Space {
    /// All blocks free.
    pub fn new(layout: &Layout) -> Self {
        Self {
            blocks: layout.blocks,
            taken: Vec::new(),
        }
    }

    /// Index of the first run that ends behind `block`.
    fn first_behind(&self, block: u32) -> usize {
        self.taken
            .partition_point(|(run, _)| run.end() <= block.into())
    }

    /// Generation of the record that has one of these blocks.
    pub fn owner_of(&self, extents: &[Extent]) -> Option<u64> {
        extents.iter().find_map(|extent| {
            let (run, owner) = self.taken.get(self.first_behind(extent.block))?;
            run.overlaps(extent).then_some(*owner)
        })
    }

    /// Takes blocks that nobody has.
    pub fn take(&mut self, extents: &[Extent], owner: u64) {
        for extent in extents {
            let at = self.first_behind(extent.block);
            self.taken.insert(at, (*extent, owner));
        }
    }

    /// Free blocks for a payload: in one run if there is one, the smallest that is large enough; else the largest runs first.
    /// `None` if there are too few, or they lie in more runs than a header has room for.
    pub fn allocate(&self, needed: u64) -> Option<Vec<Extent>> {
        let mut gaps: Vec<Extent> = Vec::new();
        let mut at = 0;
        let end = (self.blocks.into(), self.blocks);
        let taken = self.taken.iter().map(|(run, _)| (run.end(), run.block));
        for (next, block) in taken.chain([end]) {
            if block > at {
                let count = block - at;
                gaps.push(Extent { block: at, count });
            }
            // A run ends inside the area.
            at = next as u32;
        }
        if needed == 0 {
            return Some(Vec::new());
        }
        let enough = gaps.iter().filter(|gap| u64::from(gap.count) >= needed);
        if let Some(gap) = enough.min_by_key(|gap| (gap.count, gap.block)) {
            let count = needed as u32;
            return Some(alloc::vec![Extent {
                block: gap.block,
                count
            }]);
        }
        gaps.sort_by_key(|gap| (core::cmp::Reverse(gap.count), gap.block));
        gaps.truncate(MAX_EXTENTS);
        let mut left = needed;
        let mut chosen = Vec::new();
        for gap in gaps {
            let count = left.min(gap.count.into()) as u32;
            let block = gap.block;
            chosen.push(Extent { block, count });
            left -= u64::from(count);
            if left == 0 {
                return Some(chosen);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(block: u32, count: u32) -> Extent {
        Extent { block, count }
    }

    fn space(taken: &[Extent]) -> Space {
        // 14 blocks.
        let mut space = Space::new(&Layout::of(64 << 10).unwrap());
        for (i, extent) in taken.iter().enumerate() {
            assert_eq!(space.owner_of(&[*extent]), None);
            space.take(&[*extent], i as u64);
        }
        space
    }

    #[test]
    fn the_smallest_gap_that_is_large_enough() {
        let space = space(&[run(11, 1), run(3, 4)]);
        // Free: 0..3, 7..11, 12..14.
        assert_eq!(space.allocate(0), Some(alloc::vec![]));
        assert_eq!(space.allocate(2), Some(alloc::vec![run(12, 2)]));
        assert_eq!(space.allocate(3), Some(alloc::vec![run(0, 3)]));
        assert_eq!(space.allocate(4), Some(alloc::vec![run(7, 4)]));
        let pieces = alloc::vec![run(7, 4), run(0, 3), run(12, 1)];
        assert_eq!(space.allocate(8), Some(pieces));
        assert_eq!(space.allocate(10), None);
    }

    #[test]
    fn owners_are_told() {
        let space = space(&[run(3, 4), run(0, 1), run(10, 4)]);
        assert_eq!(space.owner_of(&[run(1, 2), run(7, 3)]), None);
        assert_eq!(space.owner_of(&[run(1, 3)]), Some(0));
        assert_eq!(space.owner_of(&[run(1, 1), run(0, 1)]), Some(1));
        assert_eq!(space.owner_of(&[run(6, 1)]), Some(0));
        assert_eq!(space.owner_of(&[run(7, 7)]), Some(2));
    }

    #[test]
    fn an_empty_and_a_full_area() {
        assert_eq!(space(&[]).allocate(14), Some(alloc::vec![run(0, 14)]));
        assert_eq!(space(&[]).allocate(15), None);
        assert_eq!(space(&[run(0, 14)]).allocate(1), None);
    }
}
