//! The processor itself.

/// The time-stamp counter: cycles of a constant rate since the processor started. Not ordered with the instructions around it.
#[must_use]
#[inline(always)]
pub fn cpu_rdtsc() -> u64 {
    // SAFETY: every x86-64 has it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// `cpuid`: eax, ebx, ecx, edx of a leaf and subleaf. A leaf the processor does not have gives what the processor makes of it:
/// ask leaf 0 (0x8000_0000) for the largest one first.
#[must_use]
#[inline]
pub fn cpu_cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let found = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    [found.eax, found.ebx, found.ecx, found.edx]
}

/// What all processors of the machine can do: the bits of [`crate::cpu`]. The engine knows the answer when it compiles.
#[must_use]
#[inline(always)]
pub fn cpu_features() -> u64 {
    crate::cpu::features()
}

/// Threads worth using at once.
#[must_use]
pub fn cpu_count() -> usize {
    crate::cpu::count()
}
