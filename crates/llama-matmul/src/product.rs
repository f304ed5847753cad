//! Products: a range of rows of one matrix with all columns of activations.

use core::marker::PhantomData;
use core::ops::Range;

use guest::parallel::{self, RowParts, Rows};
use guest::simd::{LANES, Level, Simd, Task, Words, dispatch};
use llama_model::TensorFormat;

use crate::activations::{Activations, Block};
use crate::layout::GROUP_ROWS;
use crate::matrix::Matrix;

/// How far ahead of their use weights are fetched.
const AHEAD: usize = 4096;

/// `outs[m]` (columns, rows of the matrix) = `matrices[m]` times `x`, all in one parallel region.
///
/// # Panics
/// If a matrix has other columns than `x` has numbers, or an output another length.
pub fn multiply<const M: usize>(
    threads: usize,
    matrices: [&Matrix; M],
    x: &mut Activations,
    outs: [&mut [f32]; M],
) {
    for (matrix, out) in matrices.iter().zip(&outs) {
        assert_eq!(out.len(), matrix.rows() * x.columns());
        x.encode(matrix.encoding());
    }
    let x = &*x;
    let mut lens = matrices.iter().map(|m| m.rows());
    let outs = outs.map(|out| Rows::new(out, lens.next().unwrap_or(0)));
    parallel::split_rows(threads, GROUP_ROWS, outs, |parts| {
        for (matrix, (range, mut out)) in matrices.iter().zip(parts) {
            matrix.multiply_rows(range, x, &mut out);
        }
    });
}

impl Matrix {
    /// Rows `range` of the product with `x`, which is encoded for this matrix, into the same range
    /// of each row of `out` (columns, rows).
    ///
    /// # Panics
    /// If the range does not begin at a multiple of [`GROUP_ROWS`] and end at one or at the last
    /// row, or `x` has another length than the rows, or is not encoded.
    pub fn multiply_rows(&self, range: Range<usize>, x: &Activations, out: &mut RowParts<'_, f32>) {
        assert_eq!(x.len(), self.columns());
        assert!(range.start.is_multiple_of(GROUP_ROWS) && range.end <= self.rows());
        assert!(range.end.is_multiple_of(GROUP_ROWS) || range.end == self.rows());
        let product = Product {
            matrix: self,
            range,
            x,
        };
        match self.format() {
            TensorFormat::F32 => product.multiply::<Plain32>(out),
            TensorFormat::F16 => product.multiply::<Plain16>(out),
            TensorFormat::Q8_0 => product.multiply::<Blocks8>(out),
            TensorFormat::Q4_0 => product.multiply::<Blocks4<0>>(out),
            TensorFormat::Q4_1 => product.multiply::<Blocks4<1>>(out),
            TensorFormat::Q6_K => product.multiply::<Blocks6>(out),
        }
    }
}

/// A range of rows times all columns.
struct Product<'a> {
    matrix: &'a Matrix,
    range: Range<usize>,
    x: &'a Activations,
}

impl Product<'_> {
    /// Cuts the columns into tiles. Weights of a group of rows stay in the cache from one tile to the next.
    fn multiply<K: Kernel>(&self, out: &mut RowParts<'_, f32>) {
        let most = if Level::best().is_wide() { 8 } else { 4 };
        let columns = self.x.columns().min(out.rows());
        let Range { start, end } = self.range;
        // Without a second tile there is nothing to come back for.
        let step = match columns {
            1 => end - start,
            _ => GROUP_ROWS,
        };
        for first in (start..end).step_by(step.max(GROUP_ROWS)) {
            let rows = first..first.saturating_add(step).min(end);
            let mut c = 0;
            while c < columns {
                c += match (columns - c).min(most) {
                    8.. => self.tile::<K, 8>(rows.clone(), c, out),
                    4.. => self.tile::<K, 4>(rows.clone(), c, out),
                    _ => self.tile::<K, 1>(rows.clone(), c, out),
                };
            }
        }
    }

    /// `N` columns from `first` on; gives back `N`.
    fn tile<K: Kernel, const N: usize>(
        &self,
        rows: Range<usize>,
        first: usize,
        out: &mut RowParts<'_, f32>,
    ) -> usize {
        let (product, kernel) = (self, PhantomData::<K>);
        dispatch(Tile::<K, N> {
            product,
            rows,
            first,
            out,
            kernel,
        });
        N
    }
}

/// Some rows times `N` columns, in one format: compiled apart from all other formats and widths, of which a
/// program needs one or two.
struct Tile<'a, 'b, K, const N: usize> {
    product: &'a Product<'a>,
    rows: Range<usize>,
    /// The first of the columns.
    first: usize,
    out: &'a mut RowParts<'b, f32>,
    kernel: PhantomData<K>,
}

impl<K: Kernel, const N: usize> Task for Tile<'_, '_, K, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        assert!(S::WIDE || N <= 4, "there are no registers for {N} columns");
        let columns: [usize; N] = core::array::from_fn(|c| self.first + c);
        for first in self.rows.clone().step_by(GROUP_ROWS) {
            let group = Group {
                matrix: self.product.matrix,
                index: first / GROUP_ROWS,
            };
            let rows = first..(first + GROUP_ROWS).min(self.rows.end);
            let start = self.product.range.start;
            let place = rows.start - start..rows.end - start;
            for (acc, c) in K::group::<S, N>(s, &group, self.product.x, columns)
                .into_iter()
                .zip(columns)
            {
                let to = &mut self.out.row(c)[place.clone()];
                if let Ok(to) = <&mut [f32; LANES]>::try_from(&mut *to) {
                    s.store(acc, to);
                } else {
                    let mut lanes = [0.0; LANES];
                    s.store(acc, &mut lanes);
                    to.copy_from_slice(&lanes[..to.len()]);
                }
            }
        }
    }
}

/// Sixteen rows of a matrix.
struct Group<'a> {
    matrix: &'a Matrix,
    index: usize,
}

impl<'a> Group<'a> {
    /// Quants by block, then the scales and what is behind them, then everything from the start.
    #[inline(always)]
    fn parts<const Q: usize>(&self) -> (&'a [[u8; Q]], &'a [u8], &'a [u8]) {
        let (data, start) = self.matrix.group(self.index);
        let here = &data[start..];
        let (quants, scales) = here.split_at(self.matrix.blocks() * Q);
        (quants.as_chunks().0, scales, here)
    }
}

/// Part `c` of `all`, which are parts of `len` each.
#[inline(always)]
fn column<T>(all: &[T], c: usize, len: usize) -> &[T] {
    &all[c * len..(c + 1) * len]
}

/// Block `b` of each column, and its words.
#[inline(always)]
fn blocks_at<'a, const N: usize>(
    x: &[&'a [Block]; N],
    b: usize,
) -> ([&'a Block; N], [&'a Words; N]) {
    let mut blocks = [&x[0][b]; N];
    let mut words = [&x[0][b].words; N];
    for c in 1..N {
        blocks[c] = &x[c][b];
        words[c] = &x[c][b].words;
    }
    (blocks, words)
}

/// A way to multiply a group of rows; the sums of `N` columns.
trait Kernel {
    fn group<S: Simd, const N: usize>(
        s: S,
        group: &Group<'_>,
        x: &Activations,
        columns: [usize; N],
    ) -> [S::F; N];
}

/// `sum += w[k] * x[k]`, k in sequence
struct Plain32;

impl Kernel for Plain32 {
    #[inline(always)]
    fn group<S: Simd, const N: usize>(
        s: S,
        group: &Group<'_>,
        x: &Activations,
        columns: [usize; N],
    ) -> [S::F; N] {
        let (weights, _, here) = group.parts::<64>();
        let x = columns.map(|c| column(x.values(), c, weights.len()));
        let mut sums = [s.splat(0.0); N];
        for (k, w) in weights.iter().enumerate() {
            s.prefetch(here, 64 * k + AHEAD);
            let mut numbers = [0.0; LANES];
            for (number, bytes) in numbers.iter_mut().zip(w.as_chunks().0) {
                *number = f32::from_le_bytes(*bytes);
            }
            let w = s.load(&numbers);
            for c in 0..N {
                sums[c] = s.add(sums[c], s.mul(w, s.splat(x[c][k])));
            }
        }
        sums
    }
}

/// As [`Plain32`].
struct Plain16;

impl Kernel for Plain16 {
    #[inline(always)]
    fn group<S: Simd, const N: usize>(
        s: S,
        group: &Group<'_>,
        x: &Activations,
        columns: [usize; N],
    ) -> [S::F; N] {
        let (weights, _, here) = group.parts::<32>();
        let x = columns.map(|c| column(x.values(), c, weights.len()));
        let mut sums = [s.splat(0.0); N];
        for (k, w) in weights.iter().enumerate() {
            s.prefetch(here, 32 * k + AHEAD);
            let w = s.load_f16(w);
            for c in 0..N {
                sums[c] = s.add(sums[c], s.mul(w, s.splat(x[c][k])));
            }
        }
        sums
    }
}

/// `sum += (d_w * d_x) * dot`, blocks in sequence. Weights are stored plus 128, so 128 times the sum
/// of the activations is taken off.
struct Blocks8;

impl Kernel for Blocks8 {
    #[inline(always)]
    fn group<S: Simd, const N: usize>(
        s: S,
        group: &Group<'_>,
        x: &Activations,
        columns: [usize; N],
    ) -> [S::F; N] {
        let (quants, scales, here) = group.parts::<512>();
        let x = columns.map(|c| column(&x.blocks, c, quants.len()));
        let mut sums = [s.splat(0.0); N];
        for (b, (w, scale)) in quants.iter().zip(scales.as_chunks().0).enumerate() {
            for line in 0..8 {
                s.prefetch(here, 512 * b + 64 * line + AHEAD);
            }
            let (x, words) = blocks_at(&x, b);
            let dots = s.dot_u8(w, words);
            let d = s.load_f16(scale);
            for c in 0..N {
                let dot = s.add_i(dots[c], s.splat_i(-128 * x[c].count()));
                let d = s.mul(d, s.splat(x[c].scale));
                sums[c] = s.add(sums[c], s.mul(d, s.to_f32(dot)));
            }
        }
        sums
    }
}

/// `Q4_0` (`MIN` = 0): `sum += (d_w * d_x) * dot` with weights minus 8; `Q4_1` (`MIN` = 1):
/// `sum += (d_w * d_x) * dot + m_w * (d_x * sum of x)`. Blocks in sequence.
struct Blocks4<const MIN: usize>;

impl<const MIN: usize> Kernel for Blocks4<MIN> {
    #[inline(always)]
    fn group<S: Simd, const N: usize>(
        s: S,
        group: &Group<'_>,
        x: &Activations,
        columns: [usize; N],
    ) -> [S::F; N] {
        let scale_bytes = 32 * (MIN + 1);
        let (quants, scales, here) = group.parts::<256>();
        let x = columns.map(|c| column(&x.blocks, c, quants.len()));
        let mut sums = [s.splat(0.0); N];
        for (b, (w, scale)) in quants
            .iter()
            .zip(scales.chunks_exact(scale_bytes))
            .enumerate()
        {
            for line in 0..4 + MIN {
                s.prefetch(here, (256 + 64 * MIN) * b + 64 * line + AHEAD);
            }
            let (x, words) = blocks_at(&x, b);
            let dots = s.dot_u4(w, words);
            let (halves, _) = scale.as_chunks::<32>();
            let d = s.load_f16(&halves[0]);
            for c in 0..N {
                let d = s.mul(d, s.splat(x[c].scale));
                let count = x[c].count();
                let term = if MIN == 1 {
                    let min = s.splat(x[c].scale * count as f32);
                    let min = s.mul(s.load_f16(&halves[MIN]), min);
                    s.add(s.mul(d, s.to_f32(dots[c])), min)
                } else {
                    let dot = s.add_i(dots[c], s.splat_i(-8 * count));
                    s.mul(d, s.to_f32(dot))
                };
                sums[c] = s.add(sums[c], term);
            }
        }
        sums
    }
}

/// For each 32 of the 256 numbers of a block, in sequence: `sum += (d_w * d_x) * (factor_0 * dot_0 +
/// factor_1 * dot_1)` over the first and the last 16 of them. Weights are stored plus 32, so 32 times
/// the sum of the activations is taken off.
struct Blocks6;

impl Kernel for Blocks6 {
    #[inline(always)]
    fn group<S: Simd, const N: usize>(
        s: S,
        group: &Group<'_>,
        x: &Activations,
        columns: [usize; N],
    ) -> [S::F; N] {
        let (quants, scales, here) = group.parts::<3072>();
        let x = columns.map(|c| column(&x.blocks, c, 8 * quants.len()));
        let mut sums = [s.splat(0.0); N];
        for (b, (w, scale)) in quants.iter().zip(scales.as_chunks::<288>().0).enumerate() {
            let (factors, d) = scale.split_at(256);
            let Some(d) = d.first_chunk::<32>() else {
                continue;
            };
            let d = s.load_f16(d);
            let parts = w.as_chunks::<384>().0.iter();
            for (k, (w, factors)) in parts.zip(factors.as_chunks::<32>().0).enumerate() {
                for line in 0..6 {
                    s.prefetch(here, 3072 * b + 384 * k + 64 * line + AHEAD);
                }
                let (Some(low), Some(high)) = (w.first_chunk(), w.last_chunk()) else {
                    continue;
                };
                let (x, words) = blocks_at(&x, 8 * b + k);
                let pairs = s.dot_u6(low, high, words);
                let (factors, _) = factors.as_chunks::<16>();
                for c in 0..N {
                    let mut parts = [s.splat(0.0); 2];
                    for half in 0..2 {
                        let bias = s.splat_i(-32 * x[c].counts[half]);
                        let dot = s.to_f32(s.add_i(pairs[c][half], bias));
                        parts[half] = s.mul(s.to_f32(s.load_i8(&factors[half])), dot);
                    }
                    let d = s.mul(d, s.splat(x[c].scale));
                    sums[c] = s.add(sums[c], s.mul(d, s.add(parts[0], parts[1])));
                }
            }
        }
        sums
    }
}
