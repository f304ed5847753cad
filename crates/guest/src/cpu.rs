//! What the processor can do, and how many there are.

use crate::abi;

/// Bits of `bf_cpu_features`, named as LLVM names the features. A bit is set only if the operating
/// system or kernel also saves the registers that the feature needs.
pub mod features {
    /// SSE4.1.
    pub const SSE4_1: u64 = 1 << 0;
    /// AVX.
    pub const AVX: u64 = 1 << 1;
    /// AVX2.
    pub const AVX2: u64 = 1 << 2;
    /// FMA.
    pub const FMA: u64 = 1 << 3;
    /// F16C (`vcvtph2ps`).
    pub const F16C: u64 = 1 << 4;
    /// AVX-512 foundation.
    pub const AVX512F: u64 = 1 << 5;
    /// AVX-512 on bytes and words.
    pub const AVX512BW: u64 = 1 << 6;
    /// AVX-512 on 128 and 256 bits.
    pub const AVX512VL: u64 = 1 << 7;
    /// AVX-512 VNNI (`vpdpbusd` on 512 bits).
    pub const AVX512VNNI: u64 = 1 << 8;
    /// AVX-VNNI (`vpdpbusd` on 256 bits without AVX-512).
    pub const AVXVNNI: u64 = 1 << 9;
}

/// Features of the processor the program runs on: bits of [`features`].
#[must_use]
#[inline]
pub fn found() -> u64 {
    // SAFETY: no arguments, no state.
    unsafe { abi::bf_cpu_features() }
}

/// CPUs the program may use, at least 1.
#[must_use]
pub fn count() -> usize {
    // SAFETY: no arguments, no state.
    (unsafe { abi::bf_cpu_count() } as usize).max(1)
}
