//! x87, SSE, AVX and AVX-512 state: switched on as far as the CPU has it, saved when threads are switched.
//!
//! XSAVE where it exists, FXSAVE otherwise. XCR0 gets x87, SSE, AVX and the three AVX-512 parts, each only if the CPU
//! offers it; glibc and LLVM read XCR0 and use no more than that. Source: Intel manual volume 1, chapter 13.

use super::cpuid;
use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use core::arch::x86_64::{_fxrstor64, _fxsave64, _xgetbv, _xrstor64, _xsave64, _xsetbv};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};

/// Components in use; 0 means FXSAVE.
static MASK: AtomicU64 = AtomicU64::new(0);
static SIZE: AtomicUsize = AtomicUsize::new(512);

const X87_SSE: u64 = 0b11;
const AVX: u64 = 1 << 2;
const AVX512: u64 = 0b111 << 5;
const MXCSR_OFFSET: usize = 24;
const MXCSR_DEFAULT: u32 = 0x1F80;

/// Switches on what this CPU has.
pub fn init() {
    // SAFETY: (1) the bits only allow instructions the CPU has, by CPUID; (2) XCR0 gets supported bits only.
    unsafe {
        Cr0::update(|cr0| {
            cr0.remove(Cr0Flags::EMULATE_COPROCESSOR | Cr0Flags::TASK_SWITCHED);
            cr0.insert(
                Cr0Flags::MONITOR_COPROCESSOR | Cr0Flags::NUMERIC_ERROR | Cr0Flags::WRITE_PROTECT,
            );
        });
        Cr4::update(|cr4| cr4.insert(Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE));
        core::arch::asm!("fninit", options(nostack, nomem));
        if cpuid(1, 0).ecx & 1 << 26 != 0 {
            enable_xsave();
        }
    }
}

#[target_feature(enable = "xsave")]
fn enable_xsave() {
    let leaf = cpuid(0xD, 0);
    let offered = u64::from(leaf.eax) | u64::from(leaf.edx) << 32;
    let mut mask = offered & (X87_SSE | AVX);
    if mask & AVX != 0 && offered & AVX512 == AVX512 {
        mask |= AVX512;
    }
    // SAFETY: OSXSAVE is set before XCR0 is touched, and the mask holds supported bits with their dependencies.
    unsafe {
        Cr4::update(|cr4| cr4.insert(Cr4Flags::OSXSAVE));
        _xsetbv(0, mask);
        debug_assert!(_xgetbv(0) == mask);
    }
    MASK.store(mask, Ordering::Relaxed);
    SIZE.store(cpuid(0xD, 0).ebx as usize, Ordering::Relaxed);
}

/// Vector state of a thread that is not running.
pub struct FpuArea {
    area: NonNull<u8>,
    layout: Layout,
}

// SAFETY: plain memory, used by whoever switches the thread, under the scheduler's lock.
unsafe impl Send for FpuArea {}

impl FpuArea {
    /// The state of a fresh program, or `None` without memory.
    pub fn new() -> Option<Self> {
        let layout = Layout::from_size_align(SIZE.load(Ordering::Relaxed), 64).ok()?;
        // SAFETY: the size is not zero.
        let area = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        // A zero header makes XRSTOR initialise everything but MXCSR, which it reads from here.
        // SAFETY: both fields are inside the first 512 bytes; FCW (offset 0) matters to FXRSTOR.
        unsafe {
            area.add(MXCSR_OFFSET).cast::<u32>().write(MXCSR_DEFAULT);
            area.cast::<u16>().write(0x37F);
        }
        Some(Self { area, layout })
    }

    /// Saves this CPU's state here.
    pub fn save(&mut self) {
        let mask = MASK.load(Ordering::Relaxed);
        // SAFETY: the area has the size that CPUID gives for the mask, is 64-byte aligned, with a clean header.
        unsafe {
            if mask == 0 {
                _fxsave64(self.area.as_ptr());
            } else {
                xsave(self.area.as_ptr(), mask);
            }
        }
    }

    /// Loads this CPU's state from here.
    pub fn restore(&self) {
        let mask = MASK.load(Ordering::Relaxed);
        // SAFETY: the area was zeroed with a valid MXCSR, or written by `save`.
        unsafe {
            if mask == 0 {
                _fxrstor64(self.area.as_ptr());
            } else {
                xrstor(self.area.as_ptr(), mask);
            }
        }
    }
}

impl Drop for FpuArea {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.area.as_ptr(), self.layout) };
    }
}

#[target_feature(enable = "xsave")]
unsafe fn xsave(area: *mut u8, mask: u64) {
    // SAFETY: as our caller says.
    unsafe { _xsave64(area, mask) };
}

#[target_feature(enable = "xsave")]
unsafe fn xrstor(area: *const u8, mask: u64) {
    // SAFETY: as our caller says.
    unsafe { _xrstor64(area, mask) };
}

/// Components in XCR0, 0 without XSAVE.
pub fn mask() -> u64 {
    MASK.load(Ordering::Relaxed)
}

/// Bytes of a saved state.
pub fn bytes() -> usize {
    SIZE.load(Ordering::Relaxed)
}

/// Offset of the bitmap of components in the saved state.
const XSTATE_BV: usize = 512;
const HEADER_END: usize = XSTATE_BV + 64;

/// Saves this CPU's state into the program's memory. `area` is 64-byte aligned and [`bytes`] long.
pub fn save_to(area: &mut [u8]) {
    assert!(area.len() >= bytes() && area.as_ptr().addr().is_multiple_of(64));
    let mask = mask();
    if let Some(header) = area.get_mut(XSTATE_BV..HEADER_END) {
        header.fill(0);
    }
    // SAFETY: size and alignment were checked, the header is clean.
    unsafe {
        if mask == 0 {
            _fxsave64(area.as_mut_ptr());
        } else {
            xsave(area.as_mut_ptr(), mask);
        }
    }
}

/// Says that the SSE part of a saved state holds values.
pub fn mark_sse(area: &mut [u8]) {
    if mask() != 0 {
        area[XSTATE_BV] |= 0b10;
    }
}

/// Loads this CPU's state from bytes that the program may have changed: what would fault is made harmless first.
pub fn load_from(area: &[u8]) {
    let mask = mask();
    let Some(copy) = FpuArea::new() else {
        return;
    };
    let length = copy.layout.size().min(area.len());
    // SAFETY: the copy is `length` bytes or more; both lie apart.
    let clean = unsafe {
        core::ptr::copy_nonoverlapping(area.as_ptr(), copy.area.as_ptr(), length);
        core::slice::from_raw_parts_mut(copy.area.as_ptr(), copy.layout.size())
    };
    let mxcsr = u32::from_le_bytes([clean[24], clean[25], clean[26], clean[27]]) & 0xFFFF;
    clean[MXCSR_OFFSET..MXCSR_OFFSET + 4].copy_from_slice(&mxcsr.to_le_bytes());
    if mask != 0 {
        let mut components = [0; 8];
        components.copy_from_slice(&clean[XSTATE_BV..XSTATE_BV + 8]);
        let components = u64::from_le_bytes(components) & mask;
        clean[XSTATE_BV..HEADER_END].fill(0);
        clean[XSTATE_BV..XSTATE_BV + 8].copy_from_slice(&components.to_le_bytes());
    }
    copy.restore();
}
