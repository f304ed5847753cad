//! Against the formulas in double precision, and against itself in other batches.

use alloc::vec;
use alloc::vec::Vec;

use guest::simd::{f16_from_f32, f16_to_f32};
use llama_model::{ModelConfig, RopeScaling};

use crate::{CHUNK_POSITIONS, KvCache, Rope, Shape, attend};

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn config(head_dim: usize, rope_dims: usize, rope_interleaved: bool) -> ModelConfig {
    ModelConfig {
        dim: 64,
        hidden_dim: 64,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 2,
        head_dim,
        vocab_size: 10,
        context_length: 1024,
        rms_eps: 1e-5,
        rope_base: 10_000.0,
        rope_scaling: RopeScaling::None,
        rope_dims,
        rope_interleaved,
    }
}

#[test]
fn rope_turns_pairs() {
    for (rope_dims, interleaved) in [(16, true), (16, false), (12, true), (12, false)] {
        let config = config(16, rope_dims, interleaved);
        let mut rope = Rope::new(&config, Vec::new());
        rope.set_positions(5, 3);
        let x = numbers(3 * 32, 9);
        let mut turned = x.clone();
        rope.rotate(&mut turned);
        for row in 0..3 {
            for head in 0..2 {
                let at = |d: usize| row * 32 + head * 16 + d;
                for pair in 0..rope_dims / 2 {
                    let (a, b) = match interleaved {
                        true => (at(2 * pair), at(2 * pair + 1)),
                        false => (at(pair), at(pair + rope_dims / 2)),
                    };
                    let exponent = -2.0 * pair as f64 / rope_dims as f64;
                    let angle = (5 + row) as f64 * libm::pow(10_000.0, exponent);
                    let (sin, cos) = libm::sincos(angle);
                    let (xa, xb) = (f64::from(x[a]), f64::from(x[b]));
                    assert!((f64::from(turned[a]) - (xa * cos - xb * sin)).abs() < 1e-5);
                    assert!((f64::from(turned[b]) - (xa * sin + xb * cos)).abs() < 1e-5);
                }
                for d in rope_dims..16 {
                    assert_eq!(turned[at(d)], x[at(d)]);
                }
            }
        }
    }
}

#[test]
fn rope_scaling_and_factors_slow_the_turns() {
    let mut slow = config(16, 16, true);
    slow.rope_scaling = RopeScaling::Linear { factor: 4.0 };
    let mut rope = Rope::new(&slow, vec![2.0; 8]);
    rope.set_positions(8, 1);
    let mut plain = Rope::new(&config(16, 16, true), Vec::new());
    plain.set_positions(1, 1);
    let (mut a, mut b) = (numbers(32, 3), numbers(32, 3));
    rope.rotate(&mut a);
    plain.rotate(&mut b);
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() < 1e-6);
    }
}

/// Attention of one head in double precision over keys and values rounded to halves.
fn reference(q: &[f32], keys: &[Vec<f32>], values: &[Vec<f32>]) -> Vec<f64> {
    let round = |x: f32| f64::from(f16_to_f32(f16_from_f32(x)));
    let dot = |k: &Vec<f32>| -> f64 {
        let terms = q.iter().zip(k).map(|(q, k)| f64::from(*q) * round(*k));
        terms.sum::<f64>() / libm::sqrt(q.len() as f64)
    };
    let scores: Vec<f64> = keys.iter().map(dot).collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|s| libm::exp(s - most)).collect();
    let sum: f64 = weights.iter().sum();
    (0..q.len())
        .map(|d| {
            let terms = weights.iter().zip(values).map(|(w, v)| w * round(v[d]));
            terms.sum::<f64>() / sum
        })
        .collect()
}

#[test]
fn attention_is_the_formula_in_every_batch_and_on_all_threads() {
    for head_dim in [8, 16, 48, 64, 80] {
        let shape = Shape {
            layers: 2,
            heads: 6,
            kv_heads: 2,
            head_dim,
        };
        let total = CHUNK_POSITIONS + 37;
        let (q_len, kv_len) = (6 * head_dim, 2 * head_dim);
        let q = numbers(total * q_len, 1);
        let k = numbers(total * kv_len, 2);
        let v = numbers(total * kv_len, 3);
        let mut cache = KvCache::new(shape);
        cache.reserve(total).unwrap();
        // One position at a time.
        let mut single = vec![0.0; total * q_len];
        for p in 0..total {
            cache.write(1, p, &k[p * kv_len..][..kv_len], &v[p * kv_len..][..kv_len]);
            let out = &mut single[p * q_len..][..q_len];
            attend(1, &cache, 1, p, &q[p * q_len..][..q_len], out);
        }
        // In batches, over a cache that held something else before.
        for (batch, threads) in [(7, 2), (64, 3), (total, 4)] {
            cache.write(
                1,
                0,
                &numbers(total * kv_len, 8),
                &numbers(total * kv_len, 9),
            );
            let mut out = vec![0.0; total * q_len];
            for p in (0..total).step_by(batch) {
                let n = batch.min(total - p);
                cache.write(
                    1,
                    p,
                    &k[p * kv_len..][..n * kv_len],
                    &v[p * kv_len..][..n * kv_len],
                );
                let out = &mut out[p * q_len..][..n * q_len];
                attend(threads, &cache, 1, p, &q[p * q_len..][..n * q_len], out);
            }
            assert!(out == single, "head_dim {head_dim}, batch {batch}");
        }
        for p in [0, 1, 15, 16, 40, total - 1] {
            for head in [0, 2, 3, 5] {
                let part = |x: &[f32], p: usize| {
                    x[p * kv_len + head / 3 * head_dim..][..head_dim].to_vec()
                };
                let keys: Vec<_> = (0..=p).map(|p| part(&k, p)).collect();
                let values: Vec<_> = (0..=p).map(|p| part(&v, p)).collect();
                let at = p * q_len + head * head_dim;
                let expected = reference(&q[at..][..head_dim], &keys, &values);
                for (found, expected) in single[at..].iter().zip(expected) {
                    assert!((f64::from(*found) - expected).abs() < 1e-5);
                }
            }
        }
    }
}

#[test]
fn the_cache_grows_and_shrinks_by_chunks() {
    let shape = Shape {
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 8,
    };
    let mut cache = KvCache::new(shape);
    assert_eq!(cache.capacity(), 0);
    cache.reserve(1).unwrap();
    assert_eq!(cache.capacity(), CHUNK_POSITIONS);
    let one = cache.bytes();
    cache.reserve(CHUNK_POSITIONS + 1).unwrap();
    assert_eq!(cache.bytes(), 2 * one);
    cache.shrink(CHUNK_POSITIONS);
    assert_eq!(cache.bytes(), one);
    let absurd = Shape {
        layers: 1 << 30,
        ..shape
    };
    assert!(KvCache::new(absurd).reserve(1 << 40).is_err());
}
