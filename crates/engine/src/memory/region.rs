//! One reservation of address space: slots, cells, guest variables and code.
//!
//! ```text
//!  | slots  | cells | guest variables | unmapped page | code space ...                        |
//!  | 8 each | 16    | zeroed          |               | units: RX pages, then RW if needed    |
//!  +-------- read-write ---------------+               +-- no access where no unit is ---------+
//!  <----------------------------------- less than 2 GiB ------------------------------------->
//! ```
//!
//! Everything is reserved at once so that code reaches all of it with 32-bit relative addresses. A reservation without
//! access is not counted as memory, neither by Linux (MAP_NORESERVE) nor by our kernel, which accounts what becomes
//! writable. Pages become read-write when a unit is to be written and read-execute before it may be called; never both,
//! which our kernel refuses. A freed unit's pages are mapped anew without access: the memory goes back, and so does what
//! was accounted for it; `madvise` would give back the first only.
//!
//! Instruction caches need no care on x86: when a page is unmapped every processor that runs this process is interrupted,
//! which serialises it, and the next unit at that address comes in fresh pages (Intel SDM volume 3A, 9.1.3 and 12.6).

#![allow(unsafe_code)]

use super::MemoryError;
use super::budget::{Budget, Charge};
use super::pages::{FreePages, PAGE};
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most bytes a region can have: relative addresses reach 2 GiB, less a little for addends.
const MOST: usize = (1 << 31) - (1 << 20);
/// Address space for code, as a multiple of the limit: what is left between units is not what makes it full.
const SPACE_PER_LIMIT: usize = 4;

/// Counters of one function that compiled code changes in place.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Cell {
    /// Calls left until the hook runs.
    pub countdown: AtomicI64,
    /// Guards of specialised code that failed.
    pub misses: AtomicU64,
}

/// What a [`Region`] has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionConfig {
    /// Number of slots.
    pub slots: usize,
    /// Number of cells.
    pub cells: usize,
    /// Bytes of guest variables.
    pub variable_bytes: usize,
    /// Alignment of the first guest variable; a power of two.
    pub variable_align: usize,
    /// Most bytes of code at a time, rounded up to whole pages.
    pub code_limit: usize,
}

/// The reservation. Dropping it unmaps everything; units keep it alive.
#[derive(Debug)]
pub struct Region {
    base: usize,
    bytes: usize,
    slots: usize,
    cells: usize,
    cells_at: usize,
    variables: (usize, usize),
    code: Range<usize>,
    code_limit: usize,
    free: Mutex<FreePages>,
    /// What code is counted in, beside the limit.
    budget: Option<Arc<Budget>>,
    /// What lies before the code.
    _data: Option<Charge>,
}

fn system(what: &'static str, address: usize, bytes: usize) -> MemoryError {
    let reason = std::io::Error::last_os_error().to_string();
    MemoryError::System {
        what,
        address,
        bytes,
        reason,
    }
}

/// Changes the protection of pages of a region.
///
/// # Safety
/// The range is part of a region's mapping, and nobody accesses it in a way the protection forbids.
unsafe fn protect(
    address: usize,
    bytes: usize,
    protection: libc::c_int,
    what: &'static str,
) -> Result<(), MemoryError> {
    if bytes == 0 {
        return Ok(());
    }
    // SAFETY: the caller's promise; the address is not dereferenced here.
    match unsafe { libc::mprotect(address as *mut libc::c_void, bytes, protection) } {
        0 => Ok(()),
        _ => Err(system(what, address, bytes)),
    }
}

/// Maps pages without access, replacing what a region has there if `at` is not 0.
///
/// # Safety
/// `at` is 0, or the range is part of a region's mapping that nobody uses.
unsafe fn map_nothing(at: usize, bytes: usize) -> Result<usize, MemoryError> {
    let fixed = if at == 0 { 0 } else { libc::MAP_FIXED };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | fixed;
    // SAFETY: a new mapping, or the replacement of one nobody uses.
    let found = unsafe { libc::mmap(at as *mut _, bytes, libc::PROT_NONE, flags, -1, 0) };
    if found == libc::MAP_FAILED {
        return Err(system("a reservation", at, bytes));
    }
    Ok(found as usize)
}

impl Region {
    /// Reserves the address space and makes the part before the code writable.
    ///
    /// # Errors
    /// [`MemoryError::TooLarge`], [`MemoryError::System`].
    pub fn new(config: RegionConfig) -> Result<Arc<Self>, MemoryError> {
        Region::within(config, None)
    }

    /// As [`Region::new`], counting slots, cells, variables and code in a budget, which may refuse them.
    ///
    /// # Errors
    /// [`MemoryError::Full`] beside those of [`Region::new`].
    pub fn within(
        config: RegionConfig,
        budget: Option<Arc<Budget>>,
    ) -> Result<Arc<Self>, MemoryError> {
        let too_large = |needed: usize| MemoryError::TooLarge { needed, most: MOST };
        let align = config.variable_align.max(16).next_power_of_two();
        // Offsets from a base of which only the alignment of a page is known: large alignments get room to spare.
        let layout = || {
            let code_limit = config.code_limit.checked_next_multiple_of(PAGE)?;
            let cells_at = config.slots.checked_mul(8)?.checked_next_multiple_of(16)?;
            let cells_end = config.cells.checked_mul(16)?.checked_add(cells_at)?;
            let data = cells_end
                .checked_add(align)?
                .checked_add(config.variable_bytes)?
                .checked_next_multiple_of(PAGE)?;
            let least = data.checked_add(PAGE)?.checked_add(code_limit)?;
            Some((code_limit, cells_at, cells_end, data, least))
        };
        let (code_limit, cells_at, cells_end, data, least) =
            layout().ok_or_else(|| too_large(usize::MAX))?;
        if least > MOST {
            return Err(too_large(least));
        }
        let space = code_limit
            .saturating_mul(SPACE_PER_LIMIT)
            .min((MOST - data - PAGE) & !(PAGE - 1));
        let bytes = data + PAGE + space;
        let charge = budget.as_ref().map(|b| b.take(data)).transpose()?;
        // SAFETY: a new mapping.
        let base = unsafe { map_nothing(0, bytes)? };
        let variables = (base + cells_end).next_multiple_of(align);
        let code = base + data + PAGE;
        let region = Region {
            base,
            bytes,
            slots: config.slots,
            cells: config.cells,
            cells_at: base + cells_at,
            variables: (variables, config.variable_bytes),
            code: code..code + space,
            code_limit,
            free: Mutex::new(FreePages::new(space / PAGE, code_limit / PAGE)),
            budget,
            _data: charge,
        };
        // SAFETY: the fresh mapping's first part; nobody knows it yet.
        unsafe {
            protect(
                base,
                data,
                libc::PROT_READ | libc::PROT_WRITE,
                "memory for slots, cells and guest variables",
            )?;
        }
        Ok(Arc::new(region))
    }

    /// Where slot `index` is. Zero until something is stored there.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn slot_address(&self, index: usize) -> usize {
        assert!(index < self.slots, "slot {index} of {}", self.slots);
        self.base + index * 8
    }

    /// Slot `index`: publish with a release store.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn slot(&self, index: usize) -> &AtomicUsize {
        // SAFETY: (1) the address is in the read-write part, 8-byte aligned, for as long as `self` lives; (2) Rust and
        // compiled code access it atomically only; (3) all bit patterns are valid.
        unsafe { &*ptr::with_exposed_provenance(self.slot_address(index)) }
    }

    /// Where cell `index` is.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn cell_address(&self, index: usize) -> usize {
        assert!(index < self.cells, "cell {index} of {}", self.cells);
        self.cells_at + index * size_of::<Cell>()
    }

    /// Cell `index`.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn cell(&self, index: usize) -> &Cell {
        // SAFETY: as for slots; compiled code may change a countdown by plain instructions, each of which is a whole
        // aligned word, as a relaxed access is.
        unsafe { &*ptr::with_exposed_provenance(self.cell_address(index)) }
    }

    /// Address and bytes of the guest variables.
    pub fn variables(&self) -> (usize, usize) {
        self.variables
    }

    /// Bytes of code memory in use, whole pages.
    pub fn code_used(&self) -> usize {
        self.free().used() * PAGE
    }

    /// Most bytes of code memory that can be in use.
    pub fn code_limit(&self) -> usize {
        self.code_limit
    }

    /// Addresses at which code can be. Larger than the limit: see [`Region::code_limit`].
    pub fn code_range(&self) -> Range<usize> {
        self.code.clone()
    }

    /// Whether code anywhere in the code space reaches `address` with a 32-bit relative address.
    pub fn reaches(&self, address: usize) -> bool {
        const SLACK: i128 = 1 << 16;
        let fits = |from: usize| {
            let distance = address as i128 - from as i128;
            (i128::from(i32::MIN) + SLACK..=i128::from(i32::MAX) - SLACK).contains(&distance)
        };
        fits(self.code.start) && fits(self.code.end)
    }

    fn free(&self) -> MutexGuard<'_, FreePages> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the whole mapping is ours, and nothing that refers to it is left: units hold the region.
        unsafe { libc::munmap(self.base as *mut libc::c_void, self.bytes) };
    }
}

/// Whole pages of the code space. Dropping them gives them back.
#[derive(Debug)]
pub(super) struct Taken {
    region: Arc<Region>,
    address: usize,
    bytes: usize,
    charge: Option<Charge>,
}

impl Taken {
    pub(super) fn region(&self) -> &Arc<Region> {
        &self.region
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.address..self.address + self.bytes
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // SAFETY: the pages are ours alone; whoever freed the unit knows that no processor is inside.
        let gone = unsafe { map_nothing(self.address, self.bytes) };
        // Pages that could not be unmapped stay taken: they may still be executable.
        if gone.is_ok() {
            let first = (self.address - self.region.code.start) / PAGE;
            self.region.free().give(first, self.bytes / PAGE);
        } else if let Some(charge) = self.charge.take() {
            charge.keep();
        }
    }
}

/// Pages that are being written: readable, writable, zeroed.
#[derive(Debug)]
pub(super) struct Writing(Taken);

impl Writing {
    /// Takes pages for `bytes` bytes, at least one.
    pub(super) fn new(region: &Arc<Region>, bytes: usize) -> Result<Self, MemoryError> {
        let full = |needed: usize| MemoryError::Full {
            needed,
            used: region.code_used(),
            limit: region.code_limit,
        };
        let bytes = bytes
            .max(1)
            .checked_next_multiple_of(PAGE)
            .ok_or_else(|| full(bytes))?;
        let charge = region.budget.as_ref().map(|b| b.take(bytes)).transpose()?;
        let first = region.free().take(bytes / PAGE);
        let first = first.ok_or_else(|| full(bytes))?;
        let address = region.code.start + first * PAGE;
        let taken = Taken {
            region: region.clone(),
            address,
            bytes,
            charge,
        };
        // SAFETY: the pages are ours alone and nothing refers to them.
        unsafe {
            protect(
                address,
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                "memory for code",
            )?;
        }
        Ok(Writing(taken))
    }

    pub(super) fn address(&self) -> usize {
        self.0.address
    }

    pub(super) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: (1) the pages are mapped read-write and zeroed; (2) they are ours alone, borrowed with `self`.
        unsafe {
            std::slice::from_raw_parts_mut(
                ptr::with_exposed_provenance_mut(self.0.address),
                self.0.bytes,
            )
        }
    }

    /// Makes the first `executable` bytes (whole pages) executable and read-only; the rest stays writable.
    pub(super) fn seal(self, executable: usize) -> Result<Taken, MemoryError> {
        let executable = executable.next_multiple_of(PAGE).min(self.0.bytes);
        // SAFETY: no reference to the bytes is left: `bytes` borrowed `self`, which is moved here.
        unsafe {
            protect(
                self.0.address,
                executable,
                libc::PROT_READ | libc::PROT_EXEC,
                "mprotect to read and execute",
            )?;
        }
        Ok(self.0)
    }
}
