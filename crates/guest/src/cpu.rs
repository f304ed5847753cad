//! The CPUs: how many, and what they can do.
//!
//! The engine compiles for the CPU found and folds [`features`] to a constant, so a choice by
//! feature costs nothing and the code not chosen disappears.

use crate::sys;

/// Features by LLVM's names, and the bit that tells of each. The runtime answers by the same table.
pub const FEATURES: &[(&str, u64)] = &[
    ("sse4.1", SSE4_1),
    ("avx", AVX),
    ("avx2", AVX2),
    ("fma", FMA),
    ("f16c", F16C),
    ("avx512f", AVX512F),
    ("avx512bw", AVX512BW),
    ("avx512vl", AVX512VL),
    ("avx512vnni", AVX512VNNI),
    ("avxvnni", AVXVNNI),
];

/// SSE4.1, and SSSE3 with it.
pub const SSE4_1: u64 = 1 << 0;
/// AVX.
pub const AVX: u64 = 1 << 1;
/// AVX2.
pub const AVX2: u64 = 1 << 2;
/// Fused multiply-add. Not used for sums: their result must not depend on the CPU.
pub const FMA: u64 = 1 << 3;
/// Conversion of half-precision numbers.
pub const F16C: u64 = 1 << 4;
/// AVX-512 foundation.
pub const AVX512F: u64 = 1 << 5;
/// AVX-512 bytes and words.
pub const AVX512BW: u64 = 1 << 6;
/// AVX-512 on shorter vectors.
pub const AVX512VL: u64 = 1 << 7;
/// AVX-512 byte products.
pub const AVX512VNNI: u64 = 1 << 8;
/// Byte products on AVX2 vectors.
pub const AVXVNNI: u64 = 1 << 9;

/// Bits of the features present on every CPU of the machine.
#[must_use]
#[inline(always)]
pub fn features() -> u64 {
    // SAFETY: takes nothing.
    unsafe { sys::bf_cpu_features() }
}

/// Threads worth using.
#[must_use]
pub fn count() -> usize {
    // SAFETY: takes nothing.
    (unsafe { sys::bf_cpu_count() } as usize).max(1)
}
