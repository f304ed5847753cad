//! The processor: tables, traps, vector state, local APIC, other CPUs.

pub mod fpu;
pub mod gdt;
pub mod heartbeat;
pub mod idt;
pub mod lapic;
pub mod percpu;
pub mod shootdown;
pub mod smp;
pub mod syscall;
pub mod trap;

use core::arch::x86_64::{__cpuid_count, CpuidResult};

/// `cpuid`, or zeroes for a leaf that the CPU does not have.
pub fn cpuid(leaf: u32, subleaf: u32) -> CpuidResult {
    let highest = __cpuid_count(leaf & 0xC000_0000, 0).eax;
    if leaf > highest {
        return CpuidResult {
            eax: 0,
            ebx: 0,
            ecx: 0,
            edx: 0,
        };
    }
    __cpuid_count(leaf, subleaf)
}

/// Time stamp counter.
#[inline]
pub fn rdtsc() -> u64 {
    // SAFETY: every x86-64 has the counter, and ring 0 may read it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Stops this CPU for good.
pub fn halt_forever() -> ! {
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}

/// Drops what the TLB knows: a CPU that just became known may have missed a shootdown.
fn paging_catch_up() {
    crate::memory::paging::flush_all();
}

/// Name and vector state of the processor, for people.
pub fn describe() -> alloc::string::String {
    let mut name = alloc::vec::Vec::new();
    for leaf in 0x8000_0002..=0x8000_0004 {
        let part = cpuid(leaf, 0);
        for register in [part.eax, part.ebx, part.ecx, part.edx] {
            name.extend_from_slice(&register.to_le_bytes());
        }
    }
    let name = alloc::string::String::from_utf8_lossy(&name);
    let mask = fpu::mask();
    let vectors = match mask {
        0 => "SSE (FXSAVE)",
        mask if mask & 0xE0 != 0 => "AVX-512",
        mask if mask & 4 != 0 => "AVX",
        _ => "SSE",
    };
    alloc::format!("{} ({vectors})", name.trim_matches(['\0', ' ']))
}
