//! Windows: device registers and firmware tables mapped into the kernel's half.

use super::{PAGE, paging};
use crate::sync::Mutex;
use core::ptr::NonNull;

const BASE: usize = 0xFFFF_D000_0000_0000;
const END: usize = 0xFFFF_D100_0000_0000;

static NEXT: Mutex<usize> = Mutex::new(BASE);

/// Maps `bytes` bytes of physical memory from any address on, for ever.
pub(super) fn map(phys: u64, bytes: usize, flags: paging::Flags) -> NonNull<u8> {
    let offset = phys as usize % PAGE;
    let length = (offset + bytes).next_multiple_of(PAGE).max(PAGE);
    let mut next = NEXT.lock();
    let virt = *next;
    assert!(virt + length < END, "windows of the kernel are used up");
    *next += length + PAGE; // an unmapped page between windows
    let first = phys & !(PAGE as u64 - 1);
    for page in (0..length).step_by(PAGE) {
        let mapped = paging::map(virt + page, first + page as u64, flags);
        assert!(
            mapped.is_ok(),
            "no memory for page tables of a kernel window"
        );
    }
    NonNull::new((virt + offset) as *mut u8).unwrap_or(NonNull::dangling())
}

/// Maps firmware tables read-only.
pub fn map_firmware(phys: u64, bytes: usize) -> &'static [u8] {
    let start = map(phys, bytes, paging::Flags::KERNEL_RODATA);
    // SAFETY: (1) the window covers `bytes` bytes and is never unmapped; (2) firmware tables do not change.
    unsafe { core::slice::from_raw_parts(start.as_ptr(), bytes) }
}
