//! What each CPU knows of itself, reached through GS.
//!
//! The payload uses FS only; GS belongs to the kernel at all times, so there is no `swapgs`. The offsets of the first
//! fields are known to the assembly in `trap.rs`.

use super::gdt::Tables;
use crate::sched::Thread;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use x86_64::VirtAddr;
use x86_64::registers::model_specific::GsBase;

/// Most CPUs that are used.
pub const MAX_CPUS: usize = 64;

/// State of one CPU. Fields that are not atomic are touched by their own CPU only, with interrupts off.
#[repr(C)]
pub struct PerCpu {
    /// Top of the running thread's kernel stack (`gs:[0]`).
    pub kernel_stack_top: Cell<usize>,
    /// Where the system call entry keeps the payload's stack pointer for a moment (`gs:[8]`).
    pub user_rsp: Cell<u64>,
    /// Address of this structure (`gs:[16]`).
    this: Cell<*const PerCpu>,
    /// Number of the CPU, 0 is the one that booted.
    pub index: usize,
    /// Its local APIC.
    pub apic_id: u32,
    /// Descriptor tables and IST stacks.
    pub tables: Box<Tables>,
    /// The running thread; `None` while idle.
    pub current: Cell<Option<Arc<Thread>>>,
    /// The thread whose vector state is being switched away from, kept alive over the switch.
    pub previous: Cell<Option<Arc<Thread>>>,
    /// Saved stack pointer of the idle loop.
    pub idle_rsp: Cell<u64>,
    /// Halted or about to: needs no shootdown, answers a wake-up.
    pub idle: AtomicBool,
    /// A wake-up was sent since it went idle.
    pub kicked: AtomicBool,
    /// The time slice is over.
    pub resched: Cell<bool>,
    /// Last shootdown that this CPU has done.
    pub flushed: AtomicU64,
    /// Timer interrupts seen.
    pub ticks: AtomicU32,
    /// End of the running thread's time slice, in TSC cycles.
    pub slice_end: Cell<u64>,
}

// SAFETY: the `Cell` fields are used by the owning CPU only (see the type's doc); the rest is atomic or constant.
unsafe impl Sync for PerCpu {}

static CPUS: [AtomicPtr<PerCpu>; MAX_CPUS] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CPUS];
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Makes the state of CPU `index`, on any CPU that already runs.
pub fn prepare(index: usize, apic_id: u32) -> &'static PerCpu {
    let cpu = Box::leak(Box::new(PerCpu {
        kernel_stack_top: Cell::new(0),
        user_rsp: Cell::new(0),
        this: Cell::new(core::ptr::null()),
        index,
        apic_id,
        tables: Tables::new(),
        current: Cell::new(None),
        previous: Cell::new(None),
        idle_rsp: Cell::new(0),
        idle: AtomicBool::new(false),
        kicked: AtomicBool::new(false),
        resched: Cell::new(false),
        flushed: AtomicU64::new(0),
        ticks: AtomicU32::new(0),
        slice_end: Cell::new(0),
    }));
    cpu.this.set(cpu);
    cpu
}

/// Makes the calling CPU the one that `cpu` describes. Takes no lock and no memory: GS is not set before.
///
/// # Safety
/// Called once on each CPU, interrupts off, with the final page tables active.
pub unsafe fn activate(cpu: &'static PerCpu) {
    // SAFETY: the tables live for ever; called once on this CPU.
    unsafe { cpu.tables.load() };
    // After the segments: loading GS clears its base.
    GsBase::write(VirtAddr::from_ptr(cpu));
    cpu.flushed
        .store(super::shootdown::generation(), Ordering::SeqCst);
    CPUS[cpu.index].store(core::ptr::from_ref(cpu).cast_mut(), Ordering::Release);
    COUNT.fetch_add(1, Ordering::AcqRel);
    super::paging_catch_up();
}

/// True once GS is set on the first CPU.
pub fn ready() -> bool {
    COUNT.load(Ordering::Acquire) != 0
}

/// State of the calling CPU.
pub fn this() -> &'static PerCpu {
    let this: *const PerCpu;
    // SAFETY: GS points at the leaked state of this CPU from `install` on; the kernel never moves a thread to
    // another CPU while it holds this reference, because switches happen only in `sched`.
    unsafe {
        core::arch::asm!("mov {}, gs:[16]", out(reg) this, options(nostack, preserves_flags, readonly));
        &*this
    }
}

/// All CPUs that run, in the order of their numbers.
pub fn all() -> impl Iterator<Item = &'static PerCpu> {
    CPUS.iter().filter_map(|slot| {
        let cpu = slot.load(Ordering::Acquire);
        // SAFETY: a stored pointer is a leaked box.
        (!cpu.is_null()).then(|| unsafe { &*cpu })
    })
}

/// Number of CPUs that run.
pub fn count() -> usize {
    COUNT.load(Ordering::Acquire) as usize
}

impl PerCpu {
    /// The running thread, if the CPU is not idle.
    pub fn thread(&self) -> Option<Arc<Thread>> {
        let thread = self.current.take();
        let copy = thread.clone();
        self.current.set(thread);
        copy
    }
}
