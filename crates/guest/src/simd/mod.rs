//! Vectors of sixteen lanes, with the same results on every processor.
//!
//! ```text
//!   dispatch(task) --by cpu::features()--> Avx512Vnni | Avx2 | Sse41 | Portable
//!                                            task.run(simd), compiled for that level
//! ```
//!
//! A [`Task`] is written once against [`Simd`]; every operation is either exact (integers,
//! conversions) or one rounded IEEE operation per lane (no fused multiply-add, no estimates), and
//! sums over lanes ([`Simd::sum`]) have one order. So the level changes the speed and nothing else.
//!
//! A value of a level's type exists only where [`dispatch`] or [`dispatch_at`] found its features:
//! that is the argument for every intrinsic called here. Operations and tasks are
//! `#[inline(always)]`: they must end up inside the function that carries the features.
//!
//! Weights are blocks of sixteen rows, one row a lane; a vector of 64 bytes holds four consecutive
//! numbers of each row. Activations are signed 16-bit numbers, cut into two signed bytes each, so
//! that byte products multiply them: `x = 256 high + low`.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use portable::{Portable, f16_from_f32, f16_to_f32};

use crate::cpu;

/// Lanes of a vector.
pub const LANES: usize = 16;

/// 32 activations in -32,512..=32,512: their high bytes, then their low ones, all signed; four
/// bytes to a word, the first in the lowest place.
pub type Words = [[i32; 8]; 2];

/// Cuts 32 numbers, which must be in -32,512..=32,512, into bytes.
#[must_use]
#[inline(always)]
pub fn cut(x: &[i16; 32]) -> Words {
    let (mut high, mut low) = ([0; 32], [0; 32]);
    for i in 0..32 {
        // The low byte is signed: what it lacks the high one has more.
        high[i] = (x[i].wrapping_add(128) >> 8) as u8;
        low[i] = x[i] as u8;
    }
    [words(&high), words(&low)]
}

/// Four bytes to a word.
#[inline(always)]
fn words(bytes: &[u8; 32]) -> [i32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = i32::from_le_bytes(*bytes);
    }
    words
}

/// Work that can run at any level.
pub trait Task {
    /// What it gives back.
    type Output;
    /// Does the work; implement it `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Operations on sixteen lanes.
pub trait Simd: Copy {
    /// Sixteen `f32`.
    type F: Copy;
    /// Sixteen `i32`.
    type I: Copy;

    /// Whether there are registers for tiles of eight columns (else four).
    const WIDE: bool;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::F;
    /// Lanes from memory.
    fn load(self, from: &[f32; 16]) -> Self::F;
    /// Lanes from sixteen half-precision numbers; exact.
    fn load_f16(self, from: &[u8; 32]) -> Self::F;
    /// Lanes to memory.
    fn store(self, x: Self::F, to: &mut [f32; 16]);
    /// Lanes to memory as half-precision numbers, rounded to nearest even.
    fn store_f16(self, x: Self::F, to: &mut [u8; 32]);
    /// `a + b`
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b`
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `if a > b { a } else { b }`
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `if a < b { a } else { b }`
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// 2 to the power of lanes that are whole numbers in -126..=127.
    fn pow2(self, x: Self::F) -> Self::F;

    /// All lanes `x`.
    fn splat_i(self, x: i32) -> Self::I;
    /// Lanes from sixteen signed bytes.
    fn load_i8(self, from: &[u8; 16]) -> Self::I;
    /// `a + b`, wrapping
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// `a * b`, wrapping
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// Conversion, rounded to nearest even.
    fn to_f32(self, x: Self::I) -> Self::F;

    /// `w * x[c]` over 32 numbers: unsigned nibbles; vector `g` of four holds numbers `4 g..` in its
    /// low nibbles and `16 + 4 g..` in its high ones.
    fn dot_u4<const N: usize>(self, w: &[u8; 256], x: [&Words; N]) -> [Self::I; N];

    /// `w * x[c]` over 32 numbers: unsigned bytes; vector `g` of eight holds numbers `4 g..`.
    fn dot_u8<const N: usize>(self, w: &[u8; 512], x: [&Words; N]) -> [Self::I; N];

    /// `w * x[c]` over the first and the last 16 of 32 numbers: unsigned, six bits. `lo` is laid
    /// out as for [`Simd::dot_u4`]; bits 4 and 5 of numbers `4 g..` are bits `4 (g % 2)..` of the
    /// bytes of vector `g / 2` of `hi`, those of numbers `16 + 4 g..` the two bits above.
    fn dot_u6<const N: usize>(
        self,
        lo: &[u8; 256],
        hi: &[u8; 128],
        x: [&Words; N],
    ) -> [[Self::I; 2]; N];

    /// Asks for the cache line at `bytes[index]` ahead of its use; it may lie behind the end.
    fn prefetch(self, bytes: &[u8], index: usize);

    /// The sum of all lanes, in one order: halves are added lane by lane until one is left.
    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        let mut lanes = [0.0; 16];
        self.store(x, &mut lanes);
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = lanes;
        let [a, b, c, d, e, f, g, h] = [a + i, b + j, c + k, d + l, e + m, f + n, g + o, h + p];
        let [a, b, c, d] = [a + e, b + f, c + g, d + h];
        (a + c) + (b + d)
    }

    /// The largest of all lanes; lanes must not be NaN.
    #[inline(always)]
    fn largest(self, x: Self::F) -> f32 {
        let mut lanes = [0.0; 16];
        self.store(x, &mut lanes);
        lanes
            .iter()
            .fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a })
    }

    /// e to the power of each lane, within 2 units in the last place; 0 below -87.3 and never more
    /// than e^88.
    ///
    /// x = n ln 2 + r with |r| <= ln 2 / 2; the polynomial is that of Cephes' `expf`.
    #[inline(always)]
    fn exp(self, x: Self::F) -> Self::F {
        let c = |x| self.splat(x);
        let x = self.min(x, c(88.0));
        let x = self.max(x, c(-87.3));
        // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
        let magic = c(12_582_912.0);
        let n = self.mul(x, c(core::f32::consts::LOG2_E));
        let n = self.sub(self.add(n, magic), magic);
        let r = self.sub(x, self.mul(n, c(0.693_359_4)));
        let r = self.sub(r, self.mul(n, c(-2.121_944_4e-4)));
        let mut p = c(1.987_569_1e-4);
        for k in [
            1.398_199_9e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            1.666_666_5e-1,
            0.5,
        ] {
            p = self.add(self.mul(p, r), c(k));
        }
        let p = self.add(self.mul(self.mul(p, r), r), self.add(r, c(1.0)));
        self.mul(p, self.pow2(n))
    }
}

/// The kinds of vector code there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Plain loops.
    Portable,
    /// SSE4.1 and SSSE3.
    Sse41,
    /// AVX2 and F16C.
    Avx2,
    /// AVX-512 with byte products.
    Avx512Vnni,
}

impl Level {
    /// Every level, slowest first.
    pub const ALL: [Level; 4] = [Self::Portable, Self::Sse41, Self::Avx2, Self::Avx512Vnni];

    const fn needs(self) -> u64 {
        match self {
            Self::Portable => 0,
            Self::Sse41 => cpu::SSE4_1,
            Self::Avx2 => cpu::AVX | cpu::AVX2 | cpu::F16C,
            Self::Avx512Vnni => {
                cpu::AVX2
                    | cpu::F16C
                    | cpu::AVX512F
                    | cpu::AVX512BW
                    | cpu::AVX512VL
                    | cpu::AVX512VNNI
            }
        }
    }

    /// Whether this machine can run it.
    #[must_use]
    #[inline(always)]
    pub fn is_supported(self) -> bool {
        cfg!(target_arch = "x86_64") && cpu::features() & self.needs() == self.needs()
            || matches!(self, Self::Portable)
    }

    /// Whether it has registers for tiles of eight columns: [`Simd::WIDE`].
    #[must_use]
    #[inline(always)]
    pub fn is_wide(self) -> bool {
        matches!(self, Self::Avx512Vnni)
    }

    /// The fastest this machine can run.
    #[must_use]
    #[inline(always)]
    pub fn best() -> Level {
        if Self::Avx512Vnni.is_supported() {
            Self::Avx512Vnni
        } else if Self::Avx2.is_supported() {
            Self::Avx2
        } else if Self::Sse41.is_supported() {
            Self::Sse41
        } else {
            Self::Portable
        }
    }
}

/// Runs a task at the best level of this machine.
#[inline(always)]
pub fn dispatch<T: Task>(task: T) -> T::Output {
    dispatch_at(Level::best(), task)
}

/// Runs a task at `level`, or at [`Level::Portable`] if this machine cannot.
#[inline(always)]
pub fn dispatch_at<T: Task>(level: Level, task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    if level.is_supported() {
        // SAFETY: the features each function is compiled for were found.
        unsafe {
            match level {
                Level::Avx512Vnni => return x86::run_avx512(task),
                Level::Avx2 => return x86::run_avx2(task),
                Level::Sse41 => return x86::run_sse41(task),
                Level::Portable => {}
            }
        }
    }
    let _ = level;
    task.run(Portable)
}

#[cfg(test)]
mod tests;
