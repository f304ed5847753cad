//! Interrupt descriptor table: every vector has a stub and an IST stack.

use super::gdt::{
    CODE, IST_DOUBLE_FAULT, IST_EXCEPTION, IST_INTERRUPT, IST_MACHINE_CHECK, IST_NMI,
};
use super::trap;
use crate::sync::Mutex;
use core::cell::UnsafeCell;
use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;

/// Vector of the local APIC timer.
pub const TIMER: u8 = 0xF0;
/// Vector of "there is work": wakes an idle CPU.
pub const WAKE: u8 = 0xF1;
/// Vector of "forget what your TLB knows".
pub const SHOOTDOWN: u8 = 0xF2;
/// Vector of "stop, the machine ends".
pub const STOP: u8 = 0xF3;
/// Vector of spurious interrupts of the local APIC.
pub const SPURIOUS: u8 = 0xFF;

/// A gate, Intel manual volume 3, 7.14.1.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Gate {
    low: u64,
    high: u64,
}

impl Gate {
    const fn empty() -> Self {
        Self { low: 0, high: 0 }
    }

    /// Interrupt gate (clears IF), present, ring 0. `ist` counts from 1 as in the TSS.
    fn interrupt(handler: u64, ist: u16) -> Self {
        const PRESENT_INTERRUPT: u64 = 0x8E00 << 32;
        Self {
            low: handler & 0xFFFF
                | u64::from(CODE) << 16
                | u64::from(ist) << 32
                | PRESENT_INTERRUPT
                | (handler >> 16 & 0xFFFF) << 48,
            high: handler >> 32,
        }
    }
}

struct Idt(UnsafeCell<[Gate; 256]>);
// SAFETY: written once under `BUILT` before the first load, read only by processors after that.
unsafe impl Sync for Idt {}

static IDT: Idt = Idt(UnsafeCell::new([Gate::empty(); 256]));
static BUILT: Mutex<bool> = Mutex::new(false);

/// Loads the table on this CPU; builds it the first time.
pub fn load() {
    let mut built = BUILT.lock();
    if !*built {
        for vector in 0..256usize {
            let ist = match vector {
                8 => IST_DOUBLE_FAULT,
                2 => IST_NMI,
                18 => IST_MACHINE_CHECK,
                0..32 => IST_EXCEPTION,
                _ => IST_INTERRUPT,
            };
            let gate = Gate::interrupt(trap::stub(vector), ist + 1);
            // SAFETY: not loaded yet on any CPU, and we hold the lock.
            unsafe { (*IDT.0.get())[vector] = gate };
        }
        *built = true;
    }
    let pointer = DescriptorTablePointer {
        limit: (size_of::<[Gate; 256]>() - 1) as u16,
        base: VirtAddr::from_ptr(IDT.0.get()),
    };
    // SAFETY: every gate leads to a stub on an IST stack; the table is static.
    unsafe { lidt(&pointer) };
}
