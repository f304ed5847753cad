//! Local APIC: timer, messages between CPUs, x2APIC where the CPU has it.
//!
//! Registers by their offset in the xAPIC page; x2APIC has the same registers as MSRs from 0x800 on (offset / 16).
//! Source: Intel manual volume 3, chapter 12.

use super::{cpuid, idt, percpu, rdtsc, shootdown};
use crate::memory::dma::map_mmio;
use crate::sched;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use x86_64::instructions::port::Port;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags, Msr};

const ID: u32 = 0x20;
const EOI: u32 = 0xB0;
const SPURIOUS: u32 = 0xF0;
const ICR_LOW: u32 = 0x300;
const ICR_HIGH: u32 = 0x310;
const LVT_TIMER: u32 = 0x320;
const LVT_LINT0: u32 = 0x350;
const LVT_LINT1: u32 = 0x360;
const LVT_ERROR: u32 = 0x370;
const TIMER_INITIAL: u32 = 0x380;
const TIMER_CURRENT: u32 = 0x390;
const TIMER_DIVIDE: u32 = 0x3E0;

const MASKED: u32 = 1 << 16;
const TSC_DEADLINE: u32 = 2 << 17;
const TSC_DEADLINE_MSR: u32 = 0x6E0;

static BASE: AtomicUsize = AtomicUsize::new(0);
static X2APIC: AtomicBool = AtomicBool::new(false);
static DEADLINE_MODE: AtomicBool = AtomicBool::new(false);
/// Timer counts per TSC cycle, as a fraction of 2^32.
static COUNTS_PER_CYCLE: AtomicU64 = AtomicU64::new(0);

fn read(register: u32) -> u32 {
    // SAFETY: the register exists in every local APIC, and reading those we use has no effect.
    unsafe {
        if X2APIC.load(Ordering::Relaxed) {
            Msr::new(0x800 + register / 16).read() as u32
        } else {
            ((BASE.load(Ordering::Relaxed) + register as usize) as *const u32).read_volatile()
        }
    }
}

fn write(register: u32, value: u32) {
    // SAFETY: callers write values that the manual defines; none changes memory.
    unsafe {
        if X2APIC.load(Ordering::Relaxed) {
            Msr::new(0x800 + register / 16).write(value.into());
        } else {
            ((BASE.load(Ordering::Relaxed) + register as usize) as *mut u32).write_volatile(value);
        }
    }
}

/// Switches on the local APIC of this CPU; on the first one also finds out which kind it is and masks the old PIC.
pub fn init(first: bool) {
    let (frame, flags) = ApicBase::read();
    if first {
        X2APIC.store(cpuid(1, 0).ecx & 1 << 21 != 0, Ordering::Relaxed);
        if !X2APIC.load(Ordering::Relaxed) {
            let base = map_mmio(frame.start_address().as_u64(), 4096);
            BASE.store(base.as_ptr() as usize, Ordering::Relaxed);
        }
        mask_pic();
    }
    let mut flags = flags | ApicBaseFlags::LAPIC_ENABLE;
    flags.set(ApicBaseFlags::X2APIC_ENABLE, X2APIC.load(Ordering::Relaxed));
    // SAFETY: same base, enable bits only; from xAPIC to x2APIC is an allowed change.
    unsafe { ApicBase::write(frame, flags) };
    write(SPURIOUS, 0x100 | u32::from(idt::SPURIOUS));
    for lvt in [LVT_LINT0, LVT_LINT1, LVT_ERROR] {
        write(lvt, MASKED);
    }
    write(TIMER_DIVIDE, 0b1011); // by 1
    write(LVT_TIMER, MASKED);
    if !first {
        start_timer();
    }
}

/// Masks all lines of the two 8259 controllers, after moving them away from the exception vectors.
fn mask_pic() {
    // SAFETY: the standard initialisation sequence; machines without the chips ignore the writes.
    unsafe {
        for (port, value) in [
            (0x20, 0x11),
            (0xA0, 0x11),
            (0x21, 0xE0),
            (0xA1, 0xE8),
            (0x21, 4),
            (0xA1, 2),
            (0x21, 1),
            (0xA1, 1),
            (0x21, 0xFF),
            (0xA1, 0xFF),
        ] {
            Port::<u8>::new(port).write(value);
        }
    }
}

/// APIC id of this CPU.
pub fn id() -> u32 {
    let id = read(ID);
    if X2APIC.load(Ordering::Relaxed) {
        id
    } else {
        id >> 24
    }
}

/// Starts the timer's counter for [`calibrate`].
pub fn begin_calibration() {
    write(TIMER_INITIAL, u32::MAX);
}

/// Ends the calibration that ran over `cycles` TSC cycles, and starts the timer on this CPU.
pub fn end_calibration(cycles: u64) {
    let counts = u64::from(u32::MAX - read(TIMER_CURRENT));
    write(TIMER_INITIAL, 0);
    COUNTS_PER_CYCLE.store(((counts << 32) / cycles.max(1)).max(1), Ordering::Relaxed);
    DEADLINE_MODE.store(cpuid(1, 0).ecx & 1 << 24 != 0, Ordering::Relaxed);
    start_timer();
}

fn start_timer() {
    let mode = if DEADLINE_MODE.load(Ordering::Relaxed) {
        TSC_DEADLINE
    } else {
        0
    };
    write(LVT_TIMER, u32::from(idt::TIMER) | mode);
    // A store to the register page does not order the MSR write that arms (Intel manual volume 3, 12.5.4.1).
    fence(Ordering::SeqCst);
}

/// Lets the timer interrupt when the TSC reaches `deadline`.
pub fn arm(deadline: u64) {
    if DEADLINE_MODE.load(Ordering::Relaxed) {
        // SAFETY: the CPU has the mode, by CPUID; 0 would disarm, 1 has long passed.
        unsafe { Msr::new(TSC_DEADLINE_MSR).write(deadline.max(1)) };
        return;
    }
    let cycles = deadline.saturating_sub(rdtsc());
    let scale = u128::from(COUNTS_PER_CYCLE.load(Ordering::Relaxed));
    let counts = (u128::from(cycles) * scale) >> 32;
    write(TIMER_INITIAL, counts.clamp(1, u32::MAX.into()) as u32);
}

fn send_command(destination: u32, command: u32) {
    if X2APIC.load(Ordering::Relaxed) {
        let value = u64::from(destination) << 32 | u64::from(command);
        // SAFETY: one 64-bit write sends; callers give defined commands.
        unsafe { Msr::new(0x830).write(value) };
        return;
    }
    write(ICR_HIGH, destination << 24);
    write(ICR_LOW, command);
    while read(ICR_LOW) & 1 << 12 != 0 {
        core::hint::spin_loop();
    }
}

/// Interrupts another CPU.
pub fn send(apic_id: u32, vector: u8) {
    send_command(apic_id, 0x4000 | u32::from(vector));
}

/// Interrupts all other CPUs.
pub fn send_to_others(vector: u8) {
    send_command(0, 0xC_4000 | u32::from(vector));
}

/// Resets another CPU: it waits for [`send_startup`].
pub fn send_init(apic_id: u32) {
    send_command(apic_id, 0x4500);
}

/// Starts another CPU at physical address `page << 12` in real mode.
pub fn send_startup(apic_id: u32, page: u8) {
    send_command(apic_id, 0x4600 | u32::from(page));
}

/// Handles a vector from 32 on.
pub fn interrupt(vector: u8) {
    match vector {
        idt::SPURIOUS => return,
        idt::STOP => super::halt_forever(),
        _ => write(EOI, 0),
    }
    match vector {
        idt::TIMER => {
            let this = percpu::this();
            this.ticks.fetch_add(1, Ordering::Relaxed);
            sched::tick();
        }
        idt::SHOOTDOWN => shootdown::answer(),
        idt::WAKE => {}
        other => crate::trace::event("interrupt nobody asked for", other.into()),
    }
}
