//! What the processor can do, and how many there are.

use crate::abi;

/// Bits of `bf_cpu_features`. A bit is set only if the operating system or kernel also saves the
/// registers the feature needs.
pub mod features {
    /// SSSE3 (`pshufb`, `pmaddubsw`).
    pub const SSSE3: u64 = 1 << 0;
    /// SSE4.1 (`pmovsx`, `pmulld`).
    pub const SSE4_1: u64 = 1 << 1;
    /// AVX.
    pub const AVX: u64 = 1 << 2;
    /// AVX2.
    pub const AVX2: u64 = 1 << 3;
    /// FMA.
    pub const FMA: u64 = 1 << 4;
    /// F16C (`vcvtph2ps`).
    pub const F16C: u64 = 1 << 5;
    /// AVX-VNNI (`vpdpbusd` on 256 bits).
    pub const AVX_VNNI: u64 = 1 << 6;
    /// AVX-512 F, BW, DQ and VL together.
    pub const AVX512: u64 = 1 << 7;
    /// AVX-512 VNNI (`vpdpbusd` on 512 bits).
    pub const AVX512_VNNI: u64 = 1 << 8;
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
