//! Starting the other CPUs, one after the other, each by its own APIC id.
//!
//! INIT, 10 ms, then STARTUP twice (Intel manual volume 3, 9.4.4). The CPU runs a few instructions from a page below
//! 1 MiB, comes up on the boot tables, and continues on a stack and state that were made for it before.

use super::percpu::{self, PerCpu};
use super::{fpu, lapic, rdtsc, syscall};
use crate::memory::stack::KernelStack;
use crate::memory::{paging, phys_to_virt};
use crate::{sched, time};
use alloc::boxed::Box;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use formats::boot::{BootInfo, MemoryKind};

/// Top of the stack of the CPU that is being started.
pub static STACK: AtomicU64 = AtomicU64::new(0);
static STARTING: AtomicPtr<PerCpu> = AtomicPtr::new(core::ptr::null_mut());

unsafe extern "C" {
    static trampoline: u8;
    static trampoline_end: u8;
}

/// A page of usable memory between 4 KiB and 640 KiB, for the real-mode code.
fn trampoline_page(info: &BootInfo) -> Option<u64> {
    let kinds = info.regions().iter();
    let usable = kinds.filter(|region| region.kind == MemoryKind::Usable);
    let mut pages = usable.flat_map(|region| {
        let first = region.base.max(0x1000).next_multiple_of(0x1000);
        (first..region.end().min(0xA_0000).saturating_sub(0xFFF)).step_by(0x1000)
    });
    let page = pages
        .clone()
        .find(|&page| page >= 0x8000)
        .or_else(|| pages.next())?;
    let clash = |region: &&formats::boot::MemoryRegion| {
        region.kind != MemoryKind::Usable && region.base < page + 0x1000 && page < region.end()
    };
    info.regions().iter().find(clash).is_none().then_some(page)
}

fn wait_ns(ns: u64) {
    let end = rdtsc() + time::ns_to_cycles(ns);
    while rdtsc() < end {
        core::hint::spin_loop();
    }
}

/// Starts CPUs from `apic_ids` until `limit` run. Those that do not answer within 100 ms are left out.
pub fn start(info: &BootInfo, apic_ids: &[u32], limit: usize) {
    let this = lapic::id();
    if limit <= 1 || apic_ids.iter().all(|&id| id == this) {
        return;
    }
    let Some(page) = trampoline_page(info) else {
        crate::error!("cpu: no memory below 1 MiB to start other CPUs from; using one");
        return;
    };
    let code = &raw const trampoline;
    let bytes = &raw const trampoline_end as usize - code as usize;
    // SAFETY: (1) the page is usable memory that the allocator never hands out (it starts above 1 MiB); (2) the code
    // is position independent and smaller than a page.
    unsafe { core::ptr::copy_nonoverlapping(code, phys_to_virt(page), bytes) };
    for &apic_id in apic_ids.iter().filter(|&&id| id != this) {
        let index = percpu::count();
        if index >= limit.min(percpu::MAX_CPUS) {
            break;
        }
        let Some(stack) = KernelStack::new() else {
            break;
        };
        STACK.store(stack.top() as u64, Ordering::SeqCst);
        Box::leak(Box::new(stack));
        let cpu = percpu::prepare(index, apic_id);
        STARTING.store(core::ptr::from_ref(cpu).cast_mut(), Ordering::SeqCst);
        lapic::send_init(apic_id);
        // QEMU and every processor since the P6 take STARTUP at once; old boards want 10 ms after INIT.
        wait_ns(200_000);
        let mut came = false;
        for (attempt, patience_ns) in [(0, 10_000_000), (1, 100_000_000)] {
            lapic::send_startup(apic_id, (page >> 12) as u8);
            let end = rdtsc() + time::ns_to_cycles(patience_ns);
            while !came && rdtsc() < end {
                came = percpu::count() > index;
                core::hint::spin_loop();
            }
            if came || attempt == 1 {
                break;
            }
        }
        if !came {
            crate::error!(
                "cpu: processor with APIC id {apic_id} does not answer; going on without it"
            );
            // It may come later and would take the next one's stack: stop it for good.
            lapic::send_init(apic_id);
            wait_ns(10_000_000);
        }
    }
}

/// A CPU arrives, on the boot tables, with its own stack.
pub extern "C" fn enter() -> ! {
    // SAFETY: (1) the stack is a kernel stack, which the final tables map; (2) `STARTING` is the leaked state of
    // this CPU; (3) no lock and no heap is used before GS is set.
    unsafe {
        paging::activate();
        let cpu = &*STARTING.load(Ordering::SeqCst);
        fpu::init();
        syscall::init();
        lapic::init(false);
        percpu::activate(cpu);
    }
    sched::idle_loop()
}
