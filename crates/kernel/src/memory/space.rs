//! The payload's address space: areas, demand-zero pages, and what mmap and its kin do.
//!
//! An area is a range with one protection. Pages come on the first touch: 2 MiB at once where an area covers an aligned
//! 2 MiB, else up to 64 KiB around the touch. They are zeroed, unless the kernel is about to fill them from a file.
//!
//! Memory is accounted when it is promised, not when it is touched: `mmap`, `brk` and `mprotect` answer ENOMEM, and a
//! touch of what was promised succeeds. Reservations (PROT_NONE) and stacks are not accounted;
//! when a stack finds no frame the program ends with a message.
//!
//! Cold areas ([`Use::Cold`]) are filled page by page from a file (`loader::cold`): never under the lock of the address
//! space, so that a page is read while others fault. They are not accounted either.
//!
//! W^X: a mapping that would be writable and executable is refused with EACCES.
//!
//! Unmapping: leaves are marked dead, every CPU forgets them, then the frames are freed.

use super::paging::{self, Flags, NoMemory};
use super::{HUGE, PAGE, USER_END, frames, phys_to_virt};
use crate::cpu::shootdown;
use crate::linux::errno::Errno;
use crate::loader::cold;
use crate::sync::Mutex;
use crate::trace;
use alloc::collections::BTreeMap;
use bitflags::bitflags;
use core::ops::Range;
use core::sync::atomic::AtomicU8;

bitflags! {
    /// Protection, with the numbers of `PROT_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Prot: u8 {
        /// Readable.
        const READ = 1;
        /// Writable.
        const WRITE = 2;
        /// Executable.
        const EXEC = 4;
    }
}

impl Prot {
    /// Bits of a leaf with this protection.
    fn leaf(self) -> Flags {
        let mut flags = Flags::PRESENT | Flags::NX;
        if self.is_empty() {
            return Flags::KEPT;
        }
        flags.set(Flags::WRITE, self.contains(Self::WRITE));
        flags.set(Flags::NX, !self.contains(Self::EXEC));
        flags
    }

    /// True if an access of this kind is allowed. Whatever is mapped can be read, as on every x86.
    fn allows(self, access: Access) -> bool {
        match access {
            Access::Read => !self.is_empty(),
            Access::Write => self.contains(Self::WRITE),
            Access::Execute => self.contains(Self::EXEC),
        }
    }
}

/// Kind of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// What an area is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Data or code.
    Plain,
    /// Data or code in small pages only: their accessed bits are looked at.
    Small,
    /// A stack: small pages only, not accounted.
    Stack,
    /// A cold segment of the payload: pages are read when they are touched. Not accounted while it is constant.
    Cold,
}

impl Use {
    /// True if neighbours of this use become one area.
    fn joins(self) -> bool {
        matches!(self, Self::Plain | Self::Small)
    }
}

#[derive(Clone, Copy, Debug)]
struct Area {
    end: usize,
    prot: Prot,
    usage: Use,
    /// Counted in `committed`: was writable at some time.
    accounted: bool,
}

/// Where a new mapping goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Anywhere; the address is a wish (0: none).
    Anywhere(usize),
    /// Exactly here, replacing what is there.
    Fixed(usize),
    /// Exactly here, if nothing is there.
    FixedIfFree(usize),
}

/// Why a page could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// No area there.
    NotMapped,
    /// The area forbids this access.
    Protection,
    /// No frame left.
    OutOfMemory,
    /// The content has to be read first, and this is not the place to do it.
    NotRead,
    /// The content cannot be read; said on the console.
    Unreadable,
}

impl From<NoMemory> for FaultError {
    fn from(_: NoMemory) -> Self {
        Self::OutOfMemory
    }
}

impl From<NoMemory> for Errno {
    fn from(_: NoMemory) -> Self {
        Errno::NOMEM
    }
}

struct Space {
    areas: BTreeMap<usize, Area>,
    brk_start: usize,
    brk: usize,
    committed: usize, // bytes
    limit: usize,     // bytes
}

static SPACE: Mutex<Space> = Mutex::new(Space {
    areas: BTreeMap::new(),
    brk_start: 0,
    brk: 0,
    committed: 0,
    limit: 0,
});

/// Lowest address that can be mapped: a null pointer with an offset stays a fault.
const USER_START: usize = 0x1_0000;
/// Mappings without a wish go below this address.
const MMAP_TOP: usize = 0x0000_7FF0_0000_0000;
const AROUND: usize = 64 << 10;
/// Frames that promises leave for stacks and page tables (8 MiB).
const SLACK: usize = 2048;

/// Fixes how much memory the program may be promised: what is free now.
pub fn start(brk: usize) {
    let mut space = SPACE.lock();
    let free = frames::counts().0.saturating_sub(frames::RESERVE + SLACK);
    space.limit = space.committed + free * PAGE;
    space.brk_start = brk;
    space.brk = brk;
}

fn round_up(bytes: usize) -> Result<usize, Errno> {
    bytes.checked_next_multiple_of(PAGE).ok_or(Errno::NOMEM)
}

/// Checks an aligned user range and gives its end.
fn range(start: usize, bytes: usize) -> Result<usize, Errno> {
    let end = start.checked_add(round_up(bytes)?).ok_or(Errno::NOMEM)?;
    if !start.is_multiple_of(PAGE) {
        return Err(Errno::INVAL);
    }
    if start < USER_START || end > USER_END {
        return Err(Errno::NOMEM);
    }
    Ok(end)
}

/// Zeroes pages through the direct map.
fn zero(phys: u64, bytes: usize) {
    // SAFETY: (1) the frames are fresh, nobody else knows them; (2) the direct map covers them, writable; (3) `bytes` is
    // a multiple of 64 and the address is page aligned.
    unsafe {
        core::arch::asm!(
            "xorps {x}, {x}",
            "2:",
            "movaps [{p}], {x}",
            "movaps [{p} + 16], {x}",
            "movaps [{p} + 32], {x}",
            "movaps [{p} + 48], {x}",
            "add {p}, 64",
            "cmp {p}, {end}",
            "jb 2b",
            x = out(xmm_reg) _,
            p = inout(reg) phys_to_virt(phys) => _,
            end = in(reg) phys_to_virt(phys).wrapping_add(bytes),
            options(nostack),
        );
    }
}

impl Space {
    fn find(&self, at: usize) -> Option<(usize, Area)> {
        let (&start, &area) = self.areas.range(..=at).next_back()?;
        (at < area.end).then_some((start, area))
    }

    fn is_free(&self, start: usize, end: usize) -> bool {
        self.find(start).is_none() && self.areas.range(start..end).next().is_none()
    }

    /// Highest free range of this size below [`MMAP_TOP`].
    fn find_gap(&self, bytes: usize, align: usize) -> Result<usize, Errno> {
        let mut top = MMAP_TOP;
        let below = self.areas.range(..MMAP_TOP).rev();
        for (&start, area) in below {
            let at = top.checked_sub(bytes).ok_or(Errno::NOMEM)? & !(align - 1);
            if at >= area.end {
                return Ok(at);
            }
            top = top.min(start);
        }
        let at = top.checked_sub(bytes).ok_or(Errno::NOMEM)? & !(align - 1);
        if at < USER_START {
            Err(Errno::NOMEM)
        } else {
            Ok(at)
        }
    }

    /// Splits areas so that none crosses `at`.
    fn cut(&mut self, at: usize) {
        if let Some((start, area)) = self.find(at)
            && start < at
        {
            if let Some(first) = self.areas.get_mut(&start) {
                first.end = at;
            }
            self.areas.insert(at, area);
        }
    }

    fn commit(&mut self, bytes: usize) -> Result<(), Errno> {
        if self.committed + bytes > self.limit && self.limit != 0 {
            return Err(Errno::NOMEM);
        }
        self.committed += bytes;
        Ok(())
    }

    fn insert(&mut self, start: usize, end: usize, prot: Prot, usage: Use) -> Result<(), Errno> {
        let accounted = prot.contains(Prot::WRITE) && usage != Use::Stack;
        if accounted {
            self.commit(end - start)?;
        }
        let area = Area {
            end,
            prot,
            usage,
            accounted,
        };
        // Neighbours that are alike become one: large pages need large areas.
        let mut from = start;
        let mut area = area;
        if let Some((before, previous)) = self.find(start.wrapping_sub(1))
            && previous.end == start
            && alike(previous, area)
            && usage.joins()
        {
            from = before;
        }
        if let Some(&next) = self.areas.get(&end)
            && alike(next, area)
            && usage.joins()
        {
            self.areas.remove(&end);
            area.end = next.end;
        }
        self.areas.insert(from, area);
        Ok(())
    }

    /// Takes the range out: areas, pages, accounting. All or nothing.
    fn remove(&mut self, start: usize, end: usize) -> Result<(), Errno> {
        self.drop_pages(start, end)?;
        self.cut(start);
        self.cut(end);
        while let Some((&at, &area)) = self.areas.range(start..end).next() {
            self.areas.remove(&at);
            if area.accounted {
                self.committed -= area.end - at;
            }
        }
        Ok(())
    }

    /// Frees the pages of a range.
    fn drop_pages(&mut self, start: usize, end: usize) -> Result<(), Errno> {
        let mut dead = 0;
        paging::for_each_leaf(start, end, |_, entry, _| {
            *entry = *entry & !Flags::PRESENT.bits() | Flags::DEAD.bits();
            dead += 1;
        })
        .inspect_err(|_| {
            // Undo: nothing was freed and no TLB was flushed.
            let mut revived = 0;
            let _ = paging::for_each_leaf(start, end, |_, entry, _| {
                if revived < dead {
                    let kept = *entry & Flags::KEPT.bits() != 0;
                    *entry = *entry & !Flags::DEAD.bits() | u64::from(!kept);
                    revived += 1;
                }
            });
        })?;
        if dead == 0 {
            return Ok(());
        }
        shootdown::flush(start, end);
        let _ = paging::for_each_leaf(start, end, |_, entry, size| {
            let phys = paging::address(*entry);
            *entry = 0;
            if size == HUGE {
                frames::free_huge(phys & !(HUGE as u64 - 1));
            } else {
                frames::free(phys);
            }
        });
        paging::free_empty_tables(start, end, || shootdown::flush(start, end));
        Ok(())
    }

    /// Gives the page at `at` a frame. Pages wholly inside `fill` are overwritten by the kernel at once and need
    /// not be zeroed. Returns the end of what is there now.
    fn populate(
        &mut self,
        start: usize,
        area: Area,
        at: usize,
        fill: &Range<usize>,
    ) -> Result<usize, FaultError> {
        let must_zero = |at: usize, bytes: usize| at < fill.start || at + bytes > fill.end;
        let huge = at & !(HUGE - 1);
        if area.usage == Use::Plain
            && start <= huge
            && huge + HUGE <= area.end
            && let Some(phys) = frames::alloc_huge_for_program()
        {
            if must_zero(huge, HUGE) {
                zero(phys, HUGE);
            }
            match paging::map_huge(huge, phys, area.prot.leaf()) {
                Ok(true) => return Ok(huge + HUGE),
                _ => frames::free_huge(phys),
            }
        }
        let around = at & !(AROUND - 1);
        let (from, to) = (around.max(start), (around + AROUND).min(area.end));
        let at = at & !(PAGE - 1);
        let rest = (from..at)
            .step_by(PAGE)
            .chain((at + PAGE..to).step_by(PAGE));
        for page in core::iter::once(at).chain(rest) {
            if paging::entry_of(page).is_some() {
                continue;
            }
            let Some(phys) = frames::alloc_for_program() else {
                return if page == at {
                    Err(FaultError::OutOfMemory)
                } else {
                    Ok(at + PAGE)
                };
            };
            if must_zero(page, PAGE) {
                zero(phys, PAGE);
            }
            if paging::map(page, phys, area.prot.leaf()).is_err() {
                frames::free(phys);
                return if page == at {
                    Err(FaultError::OutOfMemory)
                } else {
                    Ok(at + PAGE)
                };
            }
        }
        Ok(at + PAGE)
    }

    fn touch(
        &mut self,
        at: usize,
        access: Access,
        fill: &Range<usize>,
    ) -> Result<usize, FaultError> {
        let (start, area) = self.find(at).ok_or(FaultError::NotMapped)?;
        if !area.prot.allows(access) {
            return Err(FaultError::Protection);
        }
        if let Some(leaf) = paging::entry_of(at)
            && leaf.flags.contains(Flags::PRESENT)
        {
            let size = if leaf.flags.contains(Flags::HUGE) {
                HUGE
            } else {
                PAGE
            };
            return Ok((at & !(size - 1)) + size);
        }
        if area.usage == Use::Cold {
            return Err(FaultError::NotRead);
        }
        self.populate(start, area, at, fill)
    }

    fn protect(&mut self, start: usize, end: usize, prot: Prot) -> Result<(), Errno> {
        let mut covered = start;
        let mut promised = 0;
        while covered < end {
            let (from, area) = self.find(covered).ok_or(Errno::NOMEM)?;
            let to = area.end.min(end);
            if prot.contains(Prot::WRITE) && !area.accounted && area.usage != Use::Stack {
                promised += to - covered.max(from);
            }
            covered = to;
        }
        self.commit(promised)?;
        let flags = prot.leaf().bits();
        let bits = (Flags::PRESENT | Flags::WRITE | Flags::NX | Flags::KEPT).bits();
        let mut reduced = false;
        let changed = paging::for_each_leaf(start, end, |_, entry, _| {
            let present = *entry & Flags::PRESENT.bits() != 0;
            let lost = *entry & Flags::WRITE.bits() & !flags != 0
                || *entry & Flags::NX.bits() == 0 && flags & Flags::NX.bits() != 0
                || flags & Flags::PRESENT.bits() == 0;
            reduced |= present && lost;
            *entry = *entry & !bits | flags;
        });
        if reduced {
            shootdown::flush(start, end);
        }
        if changed.is_err() {
            self.committed -= promised;
            return Err(Errno::NOMEM);
        }
        self.cut(start);
        self.cut(end);
        for (_, area) in self.areas.range_mut(start..end) {
            area.prot = prot;
            area.accounted |= prot.contains(Prot::WRITE) && area.usage != Use::Stack;
        }
        self.merge_around(start, end);
        Ok(())
    }

    /// Joins alike neighbours in and at the edges of a range.
    fn merge_around(&mut self, start: usize, end: usize) {
        let mut at = self
            .find(start.wrapping_sub(1))
            .map_or(start, |(from, _)| from);
        while let Some((from, area)) = self.find(at) {
            if from > end {
                break;
            }
            match self.areas.get(&area.end).copied() {
                Some(next) if alike(area, next) && area.usage.joins() => {
                    self.areas.remove(&area.end);
                    if let Some(area) = self.areas.get_mut(&from) {
                        area.end = next.end;
                    }
                }
                _ => at = area.end,
            }
        }
    }
}

fn alike(a: Area, b: Area) -> bool {
    a.prot == b.prot && a.usage == b.usage && a.accounted == b.accounted
}

fn check_wx(prot: Prot) -> Result<(), Errno> {
    if prot.contains(Prot::WRITE | Prot::EXEC) {
        crate::debug!("refused a mapping that is writable and executable");
        return Err(Errno::ACCES);
    }
    Ok(())
}

/// Maps zeroed memory (`mmap` with MAP_ANONYMOUS) and gives its address.
///
/// # Errors
/// INVAL (no bytes, not aligned), NOMEM (no room, not enough memory), EXIST (`FixedIfFree`), ACCES (W^X).
pub fn map(place: Place, bytes: usize, prot: Prot, usage: Use) -> Result<usize, Errno> {
    check_wx(prot)?;
    if bytes == 0 {
        return Err(Errno::INVAL);
    }
    let bytes = round_up(bytes)?;
    let align = if bytes >= HUGE && usage == Use::Plain {
        HUGE
    } else {
        PAGE
    };
    let mut space = SPACE.lock();
    let start = match place {
        Place::Anywhere(wish) => {
            let wish = wish & !(PAGE - 1);
            match range(wish, bytes) {
                Ok(end) if wish != 0 && space.is_free(wish, end) => wish,
                _ => space.find_gap(bytes, align)?,
            }
        }
        Place::Fixed(at) => {
            let end = range(at, bytes)?;
            space.remove(at, end)?;
            at
        }
        Place::FixedIfFree(at) => {
            let end = range(at, bytes)?;
            if !space.is_free(at, end) {
                return Err(Errno::EXIST);
            }
            at
        }
    };
    space.insert(start, start + bytes, prot, usage)?;
    Ok(start)
}

/// Unmaps (`munmap`). Parts of the range where nothing is mapped are fine.
///
/// # Errors
/// INVAL, NOMEM (a large page could not be split; nothing changed).
pub fn unmap(start: usize, bytes: usize) -> Result<(), Errno> {
    if bytes == 0 {
        return Err(Errno::INVAL);
    }
    let end = range(start, bytes).map_err(|_| Errno::INVAL)?;
    SPACE.lock().remove(start, end)
}

/// Changes protection (`mprotect`).
///
/// # Errors
/// INVAL, NOMEM (a part is not mapped, or not enough memory), ACCES (W^X).
pub fn protect(start: usize, bytes: usize, prot: Prot) -> Result<(), Errno> {
    check_wx(prot)?;
    let end = range(start, bytes)?;
    if start == end {
        return Ok(());
    }
    SPACE.lock().protect(start, end, prot)
}

/// Moves the end of the heap (`brk`) and gives where it is now.
pub fn brk(wanted: usize) -> usize {
    let mut space = SPACE.lock();
    let (old, low) = (space.brk.next_multiple_of(PAGE), space.brk_start);
    if wanted < low || wanted > MMAP_TOP {
        return space.brk;
    }
    let new = wanted.next_multiple_of(PAGE);
    let done = if new > old {
        if !space.is_free(old, new) {
            return space.brk;
        }
        space.insert(old, new, Prot::READ | Prot::WRITE, Use::Plain)
    } else if new < old {
        space.remove(new, old)
    } else {
        Ok(())
    };
    if done.is_ok() {
        space.brk = wanted;
    }
    space.brk
}

/// Forgets the contents of pages (`madvise` with MADV_DONTNEED): the next touch finds zeroes.
///
/// # Errors
/// INVAL, NOMEM.
pub fn discard(start: usize, bytes: usize) -> Result<(), Errno> {
    let end = range(start, bytes)?;
    SPACE.lock().drop_pages(start, end)
}

/// Resizes or moves a mapping (`mremap`) and gives its address.
///
/// # Errors
/// FAULT (not one mapping), NOMEM, INVAL.
pub fn remap(
    old: usize,
    old_bytes: usize,
    new_bytes: usize,
    may_move: bool,
    to: Option<usize>,
) -> Result<usize, Errno> {
    let old_end = range(old, old_bytes)?;
    let new_bytes = round_up(new_bytes)?;
    if new_bytes == 0 || old == old_end || (to.is_some() && !may_move) {
        return Err(Errno::INVAL);
    }
    let mut space = SPACE.lock();
    let (_, area) = space.find(old).ok_or(Errno::FAULT)?;
    if area.end < old_end {
        return Err(Errno::FAULT);
    }
    if area.usage == Use::Cold {
        return Err(Errno::INVAL); // its content is known by its address
    }
    let old_bytes = old_end - old;
    if to.is_none() {
        if new_bytes <= old_bytes {
            if new_bytes < old_bytes {
                space.remove(old + new_bytes, old_end)?;
            }
            return Ok(old);
        }
        let new_end = old.checked_add(new_bytes).ok_or(Errno::NOMEM)?;
        if area.end == old_end && new_end <= MMAP_TOP && space.is_free(old_end, new_end) {
            space.insert(old_end, new_end, area.prot, area.usage)?;
            return Ok(old);
        }
        if !may_move {
            return Err(Errno::NOMEM);
        }
    }
    let align = if new_bytes >= HUGE { HUGE } else { PAGE };
    let new = match to {
        Some(to) => {
            let end = range(to, new_bytes)?;
            if to < old_end && old < end {
                return Err(Errno::INVAL);
            }
            space.remove(to, end)?;
            to
        }
        None => space.find_gap(new_bytes, align)?,
    };
    let moved = old_bytes.min(new_bytes);
    paging::prepare_moved(old, new, moved)?;
    // Promised once, not twice, while it moves.
    let promised = if area.accounted { old_bytes } else { 0 };
    space.committed -= promised;
    let inserted = space.insert(new, new + new_bytes, area.prot, area.usage);
    space.committed += promised;
    inserted?;
    // Same address modulo 2 MiB moves large pages as they are; otherwise they are split.
    let whole = old.is_multiple_of(HUGE) && new.is_multiple_of(HUGE);
    let done = paging::for_each_leaf(old, old + moved, |at, entry, size| {
        let leaf = Flags::from_bits_retain(*entry & !paging::address(*entry));
        let phys = paging::address(*entry);
        let target = new + (at - old);
        if size == HUGE && whole {
            if paging::map_huge(target, phys, leaf) == Ok(true) {
                *entry = 0;
            }
        } else if size == PAGE && paging::map(target, phys, leaf).is_ok() {
            *entry = 0;
        }
    });
    shootdown::flush(old, old + moved);
    done?;
    space.remove(old, old_end)?;
    Ok(new)
}

/// Makes a page present, reading it if it is a cold one. Returns the end of what is there now.
fn touch_or_read(at: usize, access: Access, fill: &Range<usize>) -> Result<usize, FaultError> {
    loop {
        // A statement of its own: the lock must not be held while a page is read.
        let touched = SPACE.lock().touch(at, access, fill);
        match touched {
            Err(FaultError::NotRead) if crate::ALL_STAGES => cold::read(at)?,
            other => return other,
        }
    }
}

/// Answers a page fault at `at`. `by_program`: not the kernel, which may hold locks that reading a page needs; it
/// makes cold pages present by [`touch`] before.
///
/// # Errors
/// Why the access is not allowed.
pub fn fault(at: usize, access: Access, by_program: bool) -> Result<(), FaultError> {
    if !(USER_START..USER_END).contains(&at) {
        return Err(FaultError::NotMapped);
    }
    if by_program {
        touch_or_read(at, access, &(0..0))?;
    } else {
        SPACE.lock().touch(at, access, &(0..0))?;
    }
    trace::count(&trace::COUNTERS.faults, 1);
    // The entry may have been widened by another CPU: forget what this one knew.
    paging::flush_page(at);
    Ok(())
}

/// Makes every page of a user range present. `fill`: all of it is overwritten by the kernel right after.
///
/// # Errors
/// Why an access to some page is not allowed.
pub fn touch(start: usize, bytes: usize, access: Access, fill: bool) -> Result<(), FaultError> {
    let end = start.checked_add(bytes).ok_or(FaultError::NotMapped)?;
    if bytes != 0 && (start < USER_START || end > USER_END) {
        return Err(FaultError::NotMapped);
    }
    let filled = start..end;
    let mut at = start;
    while at < end {
        let needed = if access == Access::Write {
            Flags::PRESENT | Flags::WRITE
        } else {
            Flags::PRESENT
        };
        if let Some(leaf) = paging::entry_of(at)
            && leaf.flags.contains(needed)
        {
            let size = if leaf.flags.contains(Flags::HUGE) {
                HUGE
            } else {
                PAGE
            };
            at = (at & !(size - 1)) + size;
            continue;
        }
        at = touch_or_read(at, access, if fill { &filled } else { &(0..0) })?;
    }
    Ok(())
}

/// Gives a page of a cold area its frame, filled. False if the area is gone or the page is there already: then the frame
/// is still the caller's.
///
/// # Errors
/// [`FaultError::OutOfMemory`]: no page table; the frame is still the caller's.
pub fn install(at: usize, phys: u64) -> Result<bool, FaultError> {
    let space = SPACE.lock();
    match space.find(at) {
        Some((_, area)) if area.usage == Use::Cold && paging::entry_of(at).is_none() => {
            paging::map(at, phys, area.prot.leaf())?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Changes a page that is there by way of the direct map. `None` if it is not there.
pub fn with_page<R>(at: usize, change: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
    let _space = SPACE.lock();
    let leaf = paging::translate(at & !(PAGE - 1))?;
    // SAFETY: (1) the frame stays while the space is locked; (2) the direct map covers it; (3) the caller changes pages
    // that the program does not run yet.
    let bytes = unsafe { core::slice::from_raw_parts_mut(phys_to_virt(leaf.phys), PAGE) };
    Some(change(bytes))
}

/// Changes one byte that other CPUs may be using, by way of the direct map. `None` if its page is not there.
pub fn with_byte<R>(at: usize, change: impl FnOnce(&AtomicU8) -> R) -> Option<R> {
    let _space = SPACE.lock();
    let leaf = paging::translate(at)?;
    // SAFETY: (1) the frame stays while the space is locked; (2) the direct map covers it; (3) one byte, used atomically.
    let byte = unsafe { AtomicU8::from_ptr(phys_to_virt(leaf.phys)) };
    Some(change(byte))
}

/// Forgets which pages of a range were touched.
///
/// # Errors
/// [`NoMemory`]: a large page could not be split.
pub fn clear_accessed(start: usize, end: usize) -> Result<(), NoMemory> {
    let _space = SPACE.lock();
    paging::for_each_leaf(start, end, |_, entry, _| *entry &= !Flags::ACCESSED.bits())?;
    shootdown::flush(start, end);
    Ok(())
}

/// Bytes promised to the program, and the most that can be.
pub fn committed() -> (usize, usize) {
    let space = SPACE.lock();
    (space.committed, space.limit)
}

/// Calls `visit(start, end, protection)` for every area, in order.
pub fn for_each_area(mut visit: impl FnMut(usize, usize, Prot, Use)) {
    for (&start, area) in &SPACE.lock().areas {
        visit(start, area.end, area.prot, area.usage);
    }
}
