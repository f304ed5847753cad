//! Sixteen lanes as one AVX-512, two AVX2 or four SSE registers.
//!
//! SAFETY, for every block in this file: values of the level types are made only by the `run_*`
//! functions, whose callers found the features; an operation gets `self`, so the features are
//! there. Pointers are of arrays of the length that is read or written; unaligned access is used
//! throughout.
//!
//! Vectors never pass through closures given to `core` (`array::map`): those are compiled without the
//! features, and a vector would go through memory to a function of one instruction.

#![allow(clippy::undocumented_unsafe_blocks)] // said once above: the argument is the same for all
#![allow(clippy::needless_range_loop)] // registers are arrays; every loop has a constant length

use core::arch::x86_64::*;

use super::portable::Portable;
use super::{Simd, Task, Words};

/// Witness of AVX-512 F, BW, VL, VNNI.
#[derive(Clone, Copy)]
pub struct Avx512Vnni(());
/// Witness of AVX2 and F16C.
#[derive(Clone, Copy)]
pub struct Avx2(());
/// Witness of SSE4.1 and SSSE3.
#[derive(Clone, Copy)]
pub struct Sse41(());

#[target_feature(enable = "avx2,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
pub fn run_avx512<T: Task>(task: T) -> T::Output {
    task.run(Avx512Vnni(()))
}

#[target_feature(enable = "avx2,f16c")]
pub fn run_avx2<T: Task>(task: T) -> T::Output {
    task.run(Avx2(()))
}

#[target_feature(enable = "sse4.1,ssse3")]
pub fn run_sse41<T: Task>(task: T) -> T::Output {
    task.run(Sse41(()))
}

#[inline(always)]
fn fetch(bytes: &[u8], index: usize) {
    // A prefetch never faults, wherever it points.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(index).cast()) }
}

#[inline(always)]
fn line512(bytes: &[u8], g: usize) -> __m512i {
    let line = &bytes[64 * g..64 * g + 64];
    unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
}

/// `sum` plus four byte products in each lane, with the same word of activations in all.
#[inline(always)]
fn dpbusd(sum: __m512i, w: __m512i, x: i32) -> __m512i {
    unsafe { _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(x)) }
}

/// `256 high + low`
#[inline(always)]
fn joined512([high, low]: [__m512i; 2]) -> __m512i {
    unsafe { _mm512_add_epi32(_mm512_slli_epi32::<8>(high), low) }
}

impl Simd for Avx512Vnni {
    type F = __m512;
    type I = __m512i;
    const WIDE: bool = true;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> __m512 {
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn load_f16(self, from: &[u8; 32]) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) }
    }
    #[inline(always)]
    fn store(self, x: __m512, to: &mut [f32; 16]) {
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) }
    }
    #[inline(always)]
    fn store_f16(self, x: __m512, to: &mut [u8; 32]) {
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtps_ph::<0>(x)) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn pow2(self, x: __m512) -> __m512 {
        unsafe {
            let n = _mm512_add_epi32(_mm512_cvttps_epi32(x), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(n))
        }
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    fn load_i8(self, from: &[u8; 16]) -> __m512i {
        unsafe { _mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast())) }
    }
    #[inline(always)]
    fn add_i(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn mul_i(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_mullo_epi32(a, b) }
    }
    #[inline(always)]
    fn to_f32(self, x: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(x) }
    }
    #[inline(always)]
    fn dot_u4<const N: usize>(self, w: &[u8; 256], x: [&Words; N]) -> [__m512i; N] {
        let mask = self.splat_i(0x0f0f_0f0f);
        let mut sums = [[self.splat_i(0); 2]; N];
        for g in 0..4 {
            let q = line512(w, g);
            let (lo, hi) = unsafe {
                let hi = _mm512_srli_epi16::<4>(q);
                (_mm512_and_si512(q, mask), _mm512_and_si512(hi, mask))
            };
            for c in 0..N {
                for byte in 0..2 {
                    let sum = dpbusd(sums[c][byte], lo, x[c][byte][g]);
                    sums[c][byte] = dpbusd(sum, hi, x[c][byte][g + 4]);
                }
            }
        }
        let mut out = [self.splat_i(0); N];
        for c in 0..N {
            out[c] = joined512(sums[c]);
        }
        out
    }
    #[inline(always)]
    fn dot_u8<const N: usize>(self, w: &[u8; 512], x: [&Words; N]) -> [__m512i; N] {
        let mut sums = [[self.splat_i(0); 2]; N];
        for g in 0..8 {
            let w = line512(w, g);
            for c in 0..N {
                for byte in 0..2 {
                    sums[c][byte] = dpbusd(sums[c][byte], w, x[c][byte][g]);
                }
            }
        }
        let mut out = [self.splat_i(0); N];
        for c in 0..N {
            out[c] = joined512(sums[c]);
        }
        out
    }
    #[inline(always)]
    fn dot_u6<const N: usize>(
        self,
        lo: &[u8; 256],
        hi: &[u8; 128],
        x: [&Words; N],
    ) -> [[__m512i; 2]; N] {
        let (m4, m2) = (self.splat_i(0x0f0f_0f0f), self.splat_i(0x3030_3030));
        let mut sums = [[[self.splat_i(0); 2]; 2]; N];
        for g in 0..4 {
            let (q, h) = (line512(lo, g), line512(hi, g / 2));
            let (first, last) = unsafe {
                // Bits 4 and 5 of the number come from bits 0 and 1, or 2 and 3, of `h`.
                let h = if g % 2 == 0 {
                    _mm512_slli_epi16::<4>(h)
                } else {
                    h
                };
                let (q4, h2) = (_mm512_srli_epi16::<4>(q), _mm512_srli_epi16::<2>(h));
                (
                    _mm512_or_si512(_mm512_and_si512(q, m4), _mm512_and_si512(h, m2)),
                    _mm512_or_si512(_mm512_and_si512(q4, m4), _mm512_and_si512(h2, m2)),
                )
            };
            for c in 0..N {
                for byte in 0..2 {
                    let [a, b] = &mut sums[c];
                    a[byte] = dpbusd(a[byte], first, x[c][byte][g]);
                    b[byte] = dpbusd(b[byte], last, x[c][byte][g + 4]);
                }
            }
        }
        let mut out = [[self.splat_i(0); 2]; N];
        for c in 0..N {
            out[c] = [joined512(sums[c][0]), joined512(sums[c][1])];
        }
        out
    }
    #[inline(always)]
    fn prefetch(self, bytes: &[u8], index: usize) {
        fetch(bytes, index);
    }
}

/// Implements [`Simd`] for registers that hold a part of the sixteen lanes.
///
/// Products of unsigned and signed bytes come as sums of two in 16 bits (`maddubs`). Nibbles times
/// -128..=127 give at most 3,840 in size, so eight sums fit; bytes are cut into two nibbles.
macro_rules! parts {
    (
        $level:ty, $f:ty, $i:ty, $n:literal, [$($p:literal)*],
        load $load:ident, store $store:ident, set1 $set1:ident, add $add:ident, sub $sub:ident,
        mul $mul:ident, div $div:ident, max $max:ident, min $min:ident,
        loadi $loadi:ident, set1i $set1i:ident, set16 $set16:ident, addi $addi:ident, muli $muli:ident, cvt $cvt:ident,
        cvtt $cvtt:ident, cast $cast:ident, slli32 $slli32:ident, srli16 $srli16:ident, slli16 $slli16:ident,
        and $and:ident, or $or:ident, maddubs $maddubs:ident, madd $madd:ident, add16 $add16:ident,
        i8 |$s1:ident, $from1:ident| $i8:expr, f16 |$s2:ident, $from2:ident| $f16:expr,
        to_f16 |$s3:ident, $x3:ident, $to3:ident| $to_f16:expr
    ) => {
        impl Simd for $level {
            type F = [$f; $n];
            type I = [$i; $n];
            const WIDE: bool = false;

            #[inline(always)]
            fn splat(self, x: f32) -> Self::F {
                unsafe { [$set1(x); $n] }
            }
            #[inline(always)]
            fn load(self, from: &[f32; 16]) -> Self::F {
                unsafe { [$($load(from.as_ptr().add(16 / $n * $p))),*] }
            }
            #[inline(always)]
            fn load_f16(self, from: &[u8; 32]) -> Self::F {
                let ($s2, $from2) = (self, from);
                $f16
            }
            #[inline(always)]
            fn store(self, x: Self::F, to: &mut [f32; 16]) {
                unsafe { $($store(to.as_mut_ptr().add(16 / $n * $p), x[$p]);)* }
            }
            #[inline(always)]
            fn store_f16(self, x: Self::F, to: &mut [u8; 32]) {
                let ($s3, $x3, $to3) = (self, x, to);
                $to_f16
            }
            #[inline(always)]
            fn add(self, a: Self::F, b: Self::F) -> Self::F {
                unsafe { [$($add(a[$p], b[$p])),*] }
            }
            #[inline(always)]
            fn sub(self, a: Self::F, b: Self::F) -> Self::F {
                unsafe { [$($sub(a[$p], b[$p])),*] }
            }
            #[inline(always)]
            fn mul(self, a: Self::F, b: Self::F) -> Self::F {
                unsafe { [$($mul(a[$p], b[$p])),*] }
            }
            #[inline(always)]
            fn div(self, a: Self::F, b: Self::F) -> Self::F {
                unsafe { [$($div(a[$p], b[$p])),*] }
            }
            #[inline(always)]
            fn max(self, a: Self::F, b: Self::F) -> Self::F {
                unsafe { [$($max(a[$p], b[$p])),*] }
            }
            #[inline(always)]
            fn min(self, a: Self::F, b: Self::F) -> Self::F {
                unsafe { [$($min(a[$p], b[$p])),*] }
            }
            #[inline(always)]
            fn pow2(self, x: Self::F) -> Self::F {
                unsafe {
                    let bias = $set1i(127);
                    [$($cast($slli32::<23>($addi($cvtt(x[$p]), bias)))),*]
                }
            }
            #[inline(always)]
            fn splat_i(self, x: i32) -> Self::I {
                unsafe { [$set1i(x); $n] }
            }
            #[inline(always)]
            fn load_i8(self, from: &[u8; 16]) -> Self::I {
                let ($s1, $from1) = (self, from);
                $i8
            }
            #[inline(always)]
            fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
                unsafe { [$($addi(a[$p], b[$p])),*] }
            }
            #[inline(always)]
            fn mul_i(self, a: Self::I, b: Self::I) -> Self::I {
                unsafe { [$($muli(a[$p], b[$p])),*] }
            }
            #[inline(always)]
            fn to_f32(self, x: Self::I) -> Self::F {
                unsafe { [$($cvt(x[$p])),*] }
            }
            #[inline(always)]
            fn dot_u4<const N: usize>(self, w: &[u8; 256], x: [&Words; N]) -> [Self::I; N] {
                unsafe {
                    let mask = $set1i(0x0f0f_0f0f);
                    let ones = $set16(1);
                    let mut out = [[$set1i(0); $n]; N];
                    $({
                        let mut sums = [[$set1i(0); 2]; N];
                        for g in 0..4 {
                            let line = &w[64 * g..64 * g + 64];
                            let q = $loadi(line.as_ptr().add(64 / $n * $p).cast());
                            let (lo, hi) = ($and(q, mask), $and($srli16::<4>(q), mask));
                            for c in 0..N {
                                for byte in 0..2 {
                                    let a = $maddubs(lo, $set1i(x[c][byte][g]));
                                    let b = $maddubs(hi, $set1i(x[c][byte][g + 4]));
                                    sums[c][byte] = $add16(sums[c][byte], $add16(a, b));
                                }
                            }
                        }
                        for c in 0..N {
                            let [high, low] = sums[c];
                            let high = $slli32::<8>($madd(high, ones));
                            out[c][$p] = $addi(high, $madd(low, ones));
                        }
                    })*
                    out
                }
            }
            #[inline(always)]
            fn dot_u8<const N: usize>(self, w: &[u8; 512], x: [&Words; N]) -> [Self::I; N] {
                unsafe {
                    let mask = $set1i(0x0f0f_0f0f);
                    let (ones, sixteens) = ($set16(1), $set16(16));
                    let mut out = [[$set1i(0); $n]; N];
                    for byte in 0..2 {
                        $({
                            let mut sums = [[$set1i(0); 2]; N];
                            for g in 0..8 {
                                let line = &w[64 * g..64 * g + 64];
                                let q = $loadi(line.as_ptr().add(64 / $n * $p).cast());
                                let (lo, hi) = ($and(q, mask), $and($srli16::<4>(q), mask));
                                for c in 0..N {
                                    let word = $set1i(x[c][byte][g]);
                                    sums[c][0] = $add16(sums[c][0], $maddubs(lo, word));
                                    sums[c][1] = $add16(sums[c][1], $maddubs(hi, word));
                                }
                            }
                            for c in 0..N {
                                let [lo, hi] = sums[c];
                                let sum = $addi($madd(lo, ones), $madd(hi, sixteens));
                                out[c][$p] = $addi($slli32::<8>(out[c][$p]), sum);
                            }
                        })*
                    }
                    out
                }
            }
            #[inline(always)]
            fn dot_u6<const N: usize>(
                self,
                lo: &[u8; 256],
                hi: &[u8; 128],
                x: [&Words; N],
            ) -> [[Self::I; 2]; N] {
                unsafe {
                    let (m4, m2) = ($set1i(0x0f0f_0f0f), $set1i(0x3030_3030));
                    let ones = $set16(1);
                    let mut out = [[[$set1i(0); $n]; 2]; N];
                    for byte in 0..2 {
                        $({
                            let mut sums = [[$set1i(0); 2]; N];
                            for g in 0..4 {
                                let line = &lo[64 * g..64 * g + 64];
                                let bits = &hi[64 * (g / 2)..64 * (g / 2) + 64];
                                let q = $loadi(line.as_ptr().add(64 / $n * $p).cast());
                                let h = $loadi(bits.as_ptr().add(64 / $n * $p).cast());
                                let h = if g % 2 == 0 { $slli16::<4>(h) } else { h };
                                let (q4, h2) = ($srli16::<4>(q), $srli16::<2>(h));
                                let first = $or($and(q, m4), $and(h, m2));
                                let last = $or($and(q4, m4), $and(h2, m2));
                                for c in 0..N {
                                    // Six bits: only two products fit in 16 bits with room to spare.
                                    let a = $maddubs(first, $set1i(x[c][byte][g]));
                                    let b = $maddubs(last, $set1i(x[c][byte][g + 4]));
                                    sums[c][0] = $addi(sums[c][0], $madd(a, ones));
                                    sums[c][1] = $addi(sums[c][1], $madd(b, ones));
                                }
                            }
                            for c in 0..N {
                                for half in 0..2 {
                                    let high = $slli32::<8>(out[c][half][$p]);
                                    out[c][half][$p] = $addi(high, sums[c][half]);
                                }
                            }
                        })*
                    }
                    out
                }
            }
            #[inline(always)]
            fn prefetch(self, bytes: &[u8], index: usize) {
                fetch(bytes, index);
            }
        }
    };
}

parts! {
    Avx2, __m256, __m256i, 2, [0 1],
    load _mm256_loadu_ps, store _mm256_storeu_ps, set1 _mm256_set1_ps, add _mm256_add_ps, sub _mm256_sub_ps,
    mul _mm256_mul_ps, div _mm256_div_ps, max _mm256_max_ps, min _mm256_min_ps,
    loadi _mm256_loadu_si256, set1i _mm256_set1_epi32, set16 _mm256_set1_epi16, addi _mm256_add_epi32,
    muli _mm256_mullo_epi32, cvt _mm256_cvtepi32_ps, cvtt _mm256_cvttps_epi32, cast _mm256_castsi256_ps,
    slli32 _mm256_slli_epi32, srli16 _mm256_srli_epi16, slli16 _mm256_slli_epi16,
    and _mm256_and_si256, or _mm256_or_si256, maddubs _mm256_maddubs_epi16, madd _mm256_madd_epi16, add16 _mm256_add_epi16,
    i8 |_simd, from| unsafe {
        let bytes = _mm_loadu_si128(from.as_ptr().cast());
        [_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(bytes))]
    },
    f16 |_simd, from| unsafe {
        [
            _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast())),
            _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().add(16).cast())),
        ]
    },
    to_f16 |_simd, x, to| unsafe {
        _mm_storeu_si128(to.as_mut_ptr().cast(), _mm256_cvtps_ph::<0>(x[0]));
        _mm_storeu_si128(to.as_mut_ptr().add(16).cast(), _mm256_cvtps_ph::<0>(x[1]));
    }
}

parts! {
    Sse41, __m128, __m128i, 4, [0 1 2 3],
    load _mm_loadu_ps, store _mm_storeu_ps, set1 _mm_set1_ps, add _mm_add_ps, sub _mm_sub_ps,
    mul _mm_mul_ps, div _mm_div_ps, max _mm_max_ps, min _mm_min_ps,
    loadi _mm_loadu_si128, set1i _mm_set1_epi32, set16 _mm_set1_epi16, addi _mm_add_epi32,
    muli _mm_mullo_epi32, cvt _mm_cvtepi32_ps, cvtt _mm_cvttps_epi32, cast _mm_castsi128_ps,
    slli32 _mm_slli_epi32, srli16 _mm_srli_epi16, slli16 _mm_slli_epi16,
    and _mm_and_si128, or _mm_or_si128, maddubs _mm_maddubs_epi16, madd _mm_madd_epi16, add16 _mm_add_epi16,
    i8 |_simd, from| unsafe {
        let bytes = _mm_loadu_si128(from.as_ptr().cast());
        [
            _mm_cvtepi8_epi32(bytes),
            _mm_cvtepi8_epi32(_mm_srli_si128::<4>(bytes)),
            _mm_cvtepi8_epi32(_mm_srli_si128::<8>(bytes)),
            _mm_cvtepi8_epi32(_mm_srli_si128::<12>(bytes)),
        ]
    },
    f16 |simd, from| simd.load(&Portable.load_f16(from)),
    to_f16 |simd, x, to| {
        let mut lanes = [0.0; 16];
        simd.store(x, &mut lanes);
        Portable.store_f16(lanes, to);
    }
}
