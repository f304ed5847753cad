//! Frame allocator: which 4 KiB frames of physical memory are free.
//!
//! Memory is divided into groups of 2 MiB, each with a bitmap (1 = free) and a count. Single frames are taken from
//! groups that are already broken, so that whole groups stay for large pages. Frames are not zeroed here.
//!
//! The last [`RESERVE`] frames are for the kernel: the program is told that memory is out before the
//! kernel itself could run out.

use super::{HUGE, PAGE, phys_to_virt};
use crate::sync::Mutex;

const GROUP_FRAMES: usize = HUGE / PAGE;
/// Frames that the program cannot have (4 MiB).
pub const RESERVE: usize = 1024;

struct Group {
    free_bits: [u64; GROUP_FRAMES / 64],
    free: u16,
}

struct Frames {
    groups: &'static mut [Group],
    free: usize,
    /// Fewest frames that were free since [`seal`].
    lowest_free: usize,
    total: usize,
    /// Group where the last single frame was found.
    hint: usize,
    /// Group where the last whole group was found.
    huge_hint: usize,
}

static FRAMES: Mutex<Frames> = Mutex::new(Frames {
    groups: &mut [],
    free: 0,
    lowest_free: 0,
    total: 0,
    hint: 0,
    huge_hint: 0,
});

/// Places the allocator's own table into the first range with room for it.
///
/// # Safety
/// Ranges are free memory; those that end at or below `mapped_end` are in the direct map. Called once.
pub(super) unsafe fn init(
    usable: impl Iterator<Item = (u64, u64)> + Clone,
    mapped_end: u64,
) -> Result<(), &'static str> {
    let end = usable.clone().map(|(_, end)| end).max().unwrap_or(0);
    let groups = (end as usize).div_ceil(HUGE);
    let bytes = (groups * size_of::<Group>()).next_multiple_of(PAGE) as u64;
    let place = usable
        .clone()
        .find(|&(start, end)| start < end && start + bytes <= end.min(mapped_end))
        .ok_or("no memory for the table of frames")?;
    let table = phys_to_virt(place.0);
    // SAFETY: (1) the range is free and mapped; (2) zero is a valid Group (nothing free); (3) `add` never hands
    // out the table because `TABLE` excludes it.
    let groups = unsafe {
        core::ptr::write_bytes(table, 0, bytes as usize);
        core::slice::from_raw_parts_mut(table.cast::<Group>(), groups)
    };
    *TABLE.lock() = (place.0, place.0 + bytes);
    FRAMES.lock().groups = groups;
    Ok(())
}

static TABLE: Mutex<(u64, u64)> = Mutex::new((0, 0));

/// Adds the free memory from `start` to `end`, without what `reserved` overlaps and without the table.
///
/// # Safety
/// The range is free memory, in the direct map.
pub(super) unsafe fn add(start: u64, end: u64, reserved: impl Iterator<Item = (u64, u64)> + Clone) {
    let table = *TABLE.lock();
    let holes = || reserved.clone().chain(core::iter::once(table));
    let mut at = start;
    while at < end {
        // Jump over every hole that covers `at`, then run to the next hole.
        if let Some(hole) = holes().find(|&(from, to)| from <= at && at < to) {
            at = hole.1;
            continue;
        }
        let next = holes()
            .map(|(from, _)| from)
            .filter(|&from| from > at)
            .min();
        let stop = next.unwrap_or(u64::MAX).min(end);
        let mut frames = FRAMES.lock();
        while at < stop {
            let step = frames.set_free_up_to(at, stop);
            frames.total += step;
            at += (step * PAGE) as u64;
        }
    }
}

/// Says that all memory was added.
pub(super) fn seal() {
    let mut frames = FRAMES.lock();
    frames.lowest_free = frames.free;
    crate::debug!(
        "memory: {} MiB free in {} groups of 2 MiB",
        frames.free / 256,
        frames.groups.len()
    );
}

impl Frames {
    fn set_free(&mut self, phys: u64) {
        let frame = phys as usize / PAGE;
        let Some(group) = self.groups.get_mut(frame / GROUP_FRAMES) else {
            return;
        };
        let (word, bit) = (frame % GROUP_FRAMES / 64, 1u64 << (frame % 64));
        debug_assert!(group.free_bits[word] & bit == 0);
        if group.free_bits[word] & bit == 0 {
            group.free_bits[word] |= bit;
            group.free += 1;
            self.free += 1;
        }
    }

    /// Frees the group at `phys` if it is whole, unused and below `stop`, else one frame. Gives the number of frames.
    fn set_free_up_to(&mut self, phys: u64, stop: u64) -> usize {
        if phys.is_multiple_of(HUGE as u64)
            && phys + HUGE as u64 <= stop
            && let Some(group) = self.groups.get_mut(phys as usize / HUGE)
            && group.free == 0
        {
            group.free_bits = [u64::MAX; GROUP_FRAMES / 64];
            group.free = GROUP_FRAMES as u16;
            self.free += GROUP_FRAMES;
            return GROUP_FRAMES;
        }
        self.set_free(phys);
        1
    }

    fn took(&mut self, count: usize) {
        self.free -= count;
        self.lowest_free = self.lowest_free.min(self.free);
    }

    fn find_group(&self, from: usize, wanted: impl Fn(u16) -> bool) -> Option<usize> {
        let count = self.groups.len();
        (0..count)
            .map(|i| {
                if from + i < count {
                    from + i
                } else {
                    from + i - count
                }
            })
            .find(|&i| wanted(self.groups[i].free))
    }

    fn take_one(&mut self) -> Option<u64> {
        if self
            .groups
            .get(self.hint)
            .is_none_or(|group| group.free == 0)
        {
            let partial = |free| free != 0 && usize::from(free) < GROUP_FRAMES;
            self.hint = self
                .find_group(self.hint, partial)
                .or_else(|| self.find_group(self.hint, |free| free != 0))?;
        }
        let group = &mut self.groups[self.hint];
        let word = group.free_bits.iter().position(|&bits| bits != 0)?;
        let bit = group.free_bits[word].trailing_zeros();
        group.free_bits[word] &= !(1 << bit);
        group.free -= 1;
        self.took(1);
        Some(((self.hint * GROUP_FRAMES + word * 64) as u64 + u64::from(bit)) * PAGE as u64)
    }

    fn take_group(&mut self) -> Option<u64> {
        let whole = |free| usize::from(free) == GROUP_FRAMES;
        let index = self.find_group(self.huge_hint, whole)?;
        self.huge_hint = index;
        let group = &mut self.groups[index];
        group.free_bits = [0; GROUP_FRAMES / 64];
        group.free = 0;
        self.took(GROUP_FRAMES);
        Some((index * HUGE) as u64)
    }

    fn is_free(&self, frame: usize) -> bool {
        let bits = self.groups[frame / GROUP_FRAMES].free_bits[frame % GROUP_FRAMES / 64];
        bits & (1 << (frame % 64)) != 0
    }

    fn take_run(&mut self, count: usize) -> Option<u64> {
        let limit = self.groups.len() * GROUP_FRAMES;
        let (mut start, mut length) = (0, 0);
        let mut frame = 0;
        while frame < limit {
            if frame.is_multiple_of(GROUP_FRAMES) && self.groups[frame / GROUP_FRAMES].free == 0 {
                length = 0;
                frame += GROUP_FRAMES;
                continue;
            }
            if self.is_free(frame) {
                if length == 0 {
                    start = frame;
                }
                length += 1;
                if length == count {
                    for taken in start..start + count {
                        let group = &mut self.groups[taken / GROUP_FRAMES];
                        group.free_bits[taken % GROUP_FRAMES / 64] &= !(1 << (taken % 64));
                        group.free -= 1;
                    }
                    self.took(count);
                    return Some((start * PAGE) as u64);
                }
            } else {
                length = 0;
            }
            frame += 1;
        }
        None
    }
}

/// One frame for the kernel, contents undefined.
pub fn alloc() -> Option<u64> {
    FRAMES.lock().take_one()
}

/// One frame for the kernel, zeroed.
pub fn alloc_zeroed() -> Option<u64> {
    let phys = alloc()?;
    // SAFETY: the frame is ours alone and in the direct map.
    unsafe { core::ptr::write_bytes(phys_to_virt(phys), 0, PAGE) };
    Some(phys)
}

/// One zeroed frame for a page table. `None` when half of the kernel's reserve is used: the program then hears of
/// it while the kernel can still work.
pub fn alloc_for_table() -> Option<u64> {
    let phys = {
        let mut frames = FRAMES.lock();
        (frames.free > RESERVE / 2).then(|| frames.take_one())??
    };
    // SAFETY: the frame is ours alone and in the direct map.
    unsafe { core::ptr::write_bytes(phys_to_virt(phys), 0, PAGE) };
    Some(phys)
}

/// One frame for the program, contents undefined. `None` when only the kernel's reserve is left.
pub fn alloc_for_program() -> Option<u64> {
    let mut frames = FRAMES.lock();
    (frames.free > RESERVE).then(|| frames.take_one())?
}

/// A 2 MiB aligned run of 512 frames for the program, contents undefined.
pub fn alloc_huge_for_program() -> Option<u64> {
    let mut frames = FRAMES.lock();
    (frames.free > RESERVE + GROUP_FRAMES).then(|| frames.take_group())?
}

/// A run of frames, contents undefined.
pub fn alloc_contiguous(count: usize) -> Option<u64> {
    match count {
        0 => None,
        1 => alloc(),
        count => FRAMES.lock().take_run(count),
    }
}

/// Gives a frame back. The frame must come from this allocator and be mapped nowhere.
pub fn free(phys: u64) {
    FRAMES.lock().set_free(phys);
}

/// Gives 512 frames from a 2 MiB boundary on back.
pub fn free_huge(phys: u64) {
    let mut frames = FRAMES.lock();
    let end = phys + HUGE as u64;
    let mut at = phys;
    while at < end {
        at += (frames.set_free_up_to(at, end) * PAGE) as u64;
    }
    // The same memory again rather than memory never used: caches know it, and so does a host that pages us.
    frames.huge_hint = frames.huge_hint.min(phys as usize / HUGE);
}

/// Free frames and all frames.
pub fn counts() -> (usize, usize) {
    let frames = FRAMES.lock();
    (frames.free, frames.total)
}

/// Most frames that were in use at one time.
pub fn peak() -> usize {
    let frames = FRAMES.lock();
    frames.total - frames.lowest_free
}
