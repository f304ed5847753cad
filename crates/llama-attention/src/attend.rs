//! Scores, softmax, and the sum of values: one task per head and position.

use alloc::vec;
use core::ops::Range;

use guest::parallel;
use guest::simd::{LANES, Simd, Task, dispatch};

use crate::cache::{CHUNK_POSITIONS, KvCache};

/// Blocks of sixteen positions in a chunk.
const CHUNK_BLOCKS: usize = CHUNK_POSITIONS / LANES;

/// `out` = attention of the queries `q` of consecutive positions from `first` on, each to all
/// positions up to its own, whose keys and values are in the cache. `q` and `out` are (positions,
/// heads * head_dim).
///
/// # Panics
/// If the slices differ in length or the cache has no such positions.
pub fn attend(
    threads: usize,
    cache: &KvCache,
    layer: usize,
    first: usize,
    q: &[f32],
    out: &mut [f32],
) {
    assert_eq!(q.len(), out.len());
    let shape = cache.shape();
    let items = q.len() / shape.head_dim;
    let last = first + items / shape.heads;
    parallel::split(threads, shape.head_dim, out, |range, out| {
        // Scores of one item at a time; one thread's own.
        let mut scores = vec![0.0; last.next_multiple_of(LANES)];
        let items = range.start / shape.head_dim..range.end / shape.head_dim;
        for (item, out) in items.zip(out.chunks_exact_mut(shape.head_dim)) {
            let (position, head) = (first + item / shape.heads, item % shape.heads);
            dispatch(Head {
                cache,
                layer,
                kv_head: head / (shape.heads / shape.kv_heads),
                positions: position + 1,
                q: &q[item * shape.head_dim..][..shape.head_dim],
                scores: &mut scores,
                out,
            });
        }
    });
}

/// One query head of one position.
struct Head<'a> {
    cache: &'a KvCache,
    layer: usize,
    kv_head: usize,
    /// Positions seen.
    positions: usize,
    q: &'a [f32],          // (head_dim)
    scores: &'a mut [f32], // (positions, rounded up to 16)
    out: &'a mut [f32],    // (head_dim)
}

impl Task for Head<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let head_dim = self.q.len();
        let blocks = self.positions.div_ceil(LANES);
        let scores = &mut self.scores.as_chunks_mut::<LANES>().0[..blocks];
        let scale = s.splat(1.0 / libm::sqrtf(head_dim as f32));

        for chunk in 0..blocks.div_ceil(CHUNK_BLOCKS) {
            let keys = self.cache.keys(self.layer, self.kv_head, chunk);
            let first = chunk * CHUNK_BLOCKS;
            let count = CHUNK_BLOCKS.min(blocks - first);
            let scores = &mut scores[first..first + count];
            let mut b = 0;
            while b < count {
                let keys = &keys[b * head_dim..];
                b += if count - b >= 4 {
                    dots::<S, 4>(s, self.q, keys, scale, &mut scores[b..])
                } else {
                    dots::<S, 1>(s, self.q, keys, scale, &mut scores[b..])
                };
            }
        }

        // Lanes behind the last position are no positions.
        let flat = scores.as_flattened_mut();
        flat[self.positions..].fill(f32::NEG_INFINITY);
        let mut largest = s.splat(f32::NEG_INFINITY);
        for block in scores.iter() {
            largest = s.max(s.load(block), largest);
        }
        let largest = s.splat(s.largest(largest));
        for block in scores.iter_mut() {
            s.store(s.exp(s.sub(s.load(block), largest)), block);
        }
        scores.as_flattened_mut()[self.positions..].fill(0.0);
        let mut sum = s.splat(0.0);
        for block in scores.iter() {
            sum = s.add(sum, s.load(block));
        }
        let share = s.splat(1.0 / s.sum(sum));

        let weights = &scores.as_flattened()[..self.positions];
        let vectors = head_dim.div_ceil(LANES);
        let mut v = 0;
        while v < vectors {
            let out = &mut self.out[v * LANES..];
            let part = Values {
                cache: self.cache,
                layer: self.layer,
                kv_head: self.kv_head,
                vectors,
            };
            v += if vectors - v >= 4 {
                part.sum::<S, 4>(s, weights, share, v..v + 4, out)
            } else {
                part.sum::<S, 1>(s, weights, share, v..v + 1, out)
            };
        }
    }
}

/// Scores of `N` blocks of positions: `q[d] * k[d]` summed over d in sequence, times `scale`.
#[inline(always)]
fn dots<S: Simd, const N: usize>(
    s: S,
    q: &[f32],
    keys: &[[u8; 32]],
    scale: S::F,
    scores: &mut [[f32; LANES]],
) -> usize {
    let head_dim = q.len();
    let keys: [&[[u8; 32]]; N] = core::array::from_fn(|b| &keys[b * head_dim..(b + 1) * head_dim]);
    let mut sums = [s.splat(0.0); N];
    for (d, q) in q.iter().enumerate() {
        let q = s.splat(*q);
        for b in 0..N {
            sums[b] = s.add(sums[b], s.mul(q, s.load_f16(&keys[b][d])));
        }
    }
    for b in 0..N {
        s.store(s.mul(sums[b], scale), &mut scores[b]);
    }
    N
}

/// The values of one layer and head.
struct Values<'a> {
    cache: &'a KvCache,
    layer: usize,
    kv_head: usize,
    /// Vectors per position.
    vectors: usize,
}

impl Values<'_> {
    /// `N` vectors of dimensions (`which`): values times weights, summed over the positions in
    /// sequence, times `share`, to the front of `out`.
    #[inline(always)]
    fn sum<S: Simd, const N: usize>(
        &self,
        s: S,
        weights: &[f32],
        share: S::F,
        which: Range<usize>,
        out: &mut [f32],
    ) -> usize {
        let mut sums = [s.splat(0.0); N];
        for (chunk, weights) in weights.chunks(CHUNK_POSITIONS).enumerate() {
            let values = self.cache.values(self.layer, self.kv_head, chunk);
            let values = values.chunks_exact(self.vectors);
            for (weight, values) in weights.iter().zip(values) {
                let weight = s.splat(*weight);
                let values = &values[which.start..which.start + N];
                for v in 0..N {
                    sums[v] = s.add(sums[v], s.mul(weight, s.load_f16(&values[v])));
                }
            }
        }
        for (v, out) in out.chunks_mut(LANES).take(N).enumerate() {
            let mut lanes = [0.0; LANES];
            s.store(s.mul(sums[v], share), &mut lanes);
            out.copy_from_slice(&lanes[..out.len()]);
        }
        N
    }
}
