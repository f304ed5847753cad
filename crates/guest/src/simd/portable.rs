//! Sixteen lanes as plain loops: the definition of every operation.

use super::{Simd, Words};

/// Half to single precision; exact. (NaN stays NaN.)
#[must_use]
#[inline(always)]
pub fn f16_to_f32(half: u16) -> f32 {
    // The exponent is moved to where f32 has it and rescaled by a multiplication, which is exact
    // and also right for subnormal numbers; infinity and NaN need their exponent filled up.
    let magnitude = u32::from(half & 0x7fff) << 13;
    let scaled = f32::from_bits(magnitude) * f32::from_bits(0x7780_0000); // 2^112
    let special = if half & 0x7c00 == 0x7c00 {
        0x7f80_0000
    } else {
        0
    };
    f32::from_bits(scaled.to_bits() | special | (u32::from(half & 0x8000) << 16))
}

/// Single to half precision, rounded to nearest even; too large becomes infinity.
#[must_use]
#[inline(always)]
pub fn f16_from_f32(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    let half = if magnitude > 0x7f80_0000 {
        0x7e00 // NaN
    } else if magnitude >= 0x477f_f000 {
        0x7c00 // rounds to 2^16 or more
    } else if magnitude < 0x3880_0000 {
        // Below 2^-14: adding 0.5 leaves the 10 bits of a subnormal half, rounded, at the end.
        ((f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits()) as u16
    } else {
        let odd = (magnitude >> 13) & 1;
        ((magnitude - (112 << 23) + 0xfff + odd) >> 13) as u16
    };
    half | sign
}

/// The level that every machine has.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

#[inline(always)]
fn map2<T: Copy>(a: [T; 16], b: [T; 16], f: impl Fn(T, T) -> T) -> [T; 16] {
    let mut out = a;
    for i in 0..16 {
        out[i] = f(a[i], b[i]);
    }
    out
}

/// Activation `i`, put together again.
#[inline(always)]
fn number([high, low]: &Words, i: usize) -> i32 {
    let byte = |word: i32| i32::from((word >> (8 * (i % 4))) as i8);
    256 * byte(high[i / 4]) + byte(low[i / 4])
}

impl Simd for Portable {
    type F = [f32; 16];
    type I = [i32; 16];
    const WIDE: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; 16]
    }
    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> Self::F {
        *from
    }
    #[inline(always)]
    fn load_f16(self, from: &[u8; 32]) -> Self::F {
        let mut out = [0.0; 16];
        for i in 0..16 {
            out[i] = f16_to_f32(u16::from_le_bytes([from[2 * i], from[2 * i + 1]]));
        }
        out
    }
    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; 16]) {
        *to = x;
    }
    #[inline(always)]
    fn store_f16(self, x: Self::F, to: &mut [u8; 32]) {
        for i in 0..16 {
            [to[2 * i], to[2 * i + 1]] = f16_from_f32(x[i]).to_le_bytes();
        }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn pow2(self, x: Self::F) -> Self::F {
        let mut out = x;
        for lane in &mut out {
            *lane = f32::from_bits(((*lane as i32 + 127) as u32) << 23);
        }
        out
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> Self::I {
        [x; 16]
    }
    #[inline(always)]
    fn load_i8(self, from: &[u8; 16]) -> Self::I {
        let mut out = [0; 16];
        for i in 0..16 {
            out[i] = i32::from(from[i] as i8);
        }
        out
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        map2(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I {
        map2(a, b, i32::wrapping_mul)
    }
    #[inline(always)]
    fn to_f32(self, x: Self::I) -> Self::F {
        let mut out = [0.0; 16];
        for i in 0..16 {
            out[i] = x[i] as f32;
        }
        out
    }
    #[inline(always)]
    fn dot_u4<const N: usize>(self, w: &[u8; 256], x: [&Words; N]) -> [Self::I; N] {
        let mut acc = [[0; 16]; N];
        for c in 0..N {
            for g in 0..4 {
                for i in 0..64 {
                    let q = w[64 * g + i];
                    acc[c][i / 4] += i32::from(q & 15) * number(x[c], 4 * g + i % 4)
                        + i32::from(q >> 4) * number(x[c], 16 + 4 * g + i % 4);
                }
            }
        }
        acc
    }
    #[inline(always)]
    fn dot_u8<const N: usize>(self, w: &[u8; 512], x: [&Words; N]) -> [Self::I; N] {
        let mut acc = [[0; 16]; N];
        for c in 0..N {
            for g in 0..8 {
                for i in 0..64 {
                    acc[c][i / 4] += i32::from(w[64 * g + i]) * number(x[c], 4 * g + i % 4);
                }
            }
        }
        acc
    }
    #[inline(always)]
    fn dot_u6<const N: usize>(
        self,
        lo: &[u8; 256],
        hi: &[u8; 128],
        x: [&Words; N],
    ) -> [[Self::I; 2]; N] {
        let mut acc = [[[0; 16]; 2]; N];
        for c in 0..N {
            for g in 0..4 {
                for i in 0..64 {
                    let (q, h) = (lo[64 * g + i], hi[64 * (g / 2) + i] >> (4 * (g % 2)));
                    let first = (q & 15) | ((h & 3) << 4);
                    let last = (q >> 4) | ((h & 12) << 2);
                    acc[c][0][i / 4] += i32::from(first) * number(x[c], 4 * g + i % 4);
                    acc[c][1][i / 4] += i32::from(last) * number(x[c], 16 + 4 * g + i % 4);
                }
            }
        }
        acc
    }
    #[inline(always)]
    fn prefetch(self, _bytes: &[u8], _index: usize) {}
}
