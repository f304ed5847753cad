//! The gated feed-forward network: `silu(gate x) * (up x)` in one parallel region.
//!
//! Shazeer, "GLU Variants Improve Transformer", 2020. Each thread computes its rows of both matrices
//! and joins them at once, so that nobody waits in between.

#![no_std]
#![forbid(unsafe_code)]

use guest::parallel::{self, Rows};
use guest::simd::{LANES, Simd, Task, dispatch};
use llama_matmul::{Activations, GROUP_ROWS, Matrix};

/// `out = silu(gate x) * (up x)`, all (columns, hidden_dim); `scratch` is of the same length.
///
/// # Panics
/// If the shapes do not fit together.
pub fn gate_up(
    threads: usize,
    gate: &Matrix,
    up: &Matrix,
    x: &mut Activations,
    out: &mut [f32],
    scratch: &mut [f32],
) {
    let rows = gate.rows();
    assert!(rows == up.rows() && out.len() == rows * x.columns() && scratch.len() == out.len());
    x.encode(gate.encoding());
    x.encode(up.encoding());
    let x = &*x;
    let outs = [Rows::new(out, rows), Rows::new(scratch, rows)];
    parallel::split_rows(threads, GROUP_ROWS, outs, |parts| {
        let [(range, mut gates), (_, mut ups)] = parts;
        gate.multiply_rows(range.clone(), x, &mut gates);
        up.multiply_rows(range, x, &mut ups);
        for column in 0..x.columns() {
            join(gates.row(column), ups.row(column));
        }
    });
}

/// `gate[i] = silu(gate[i]) * up[i]`, with `silu(x) = x / (1 + e^-x)`.
pub fn join(gate: &mut [f32], up: &[f32]) {
    dispatch(Join { gate, up });
}

struct Join<'a> {
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl Task for Join<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (gates, gates_rest) = self.gate.as_chunks_mut::<LANES>();
        let (ups, ups_rest) = self.up.as_chunks::<LANES>();
        for (gate, up) in gates.iter_mut().zip(ups) {
            s.store(swiglu(s, s.load(gate), s.load(up)), gate);
        }
        if !gates_rest.is_empty() {
            let (mut gate, mut up) = ([0.0; LANES], [0.0; LANES]);
            gate[..gates_rest.len()].copy_from_slice(gates_rest);
            up[..ups_rest.len()].copy_from_slice(ups_rest);
            let mut lanes = [0.0; LANES];
            s.store(swiglu(s, s.load(&gate), s.load(&up)), &mut lanes);
            gates_rest.copy_from_slice(&lanes[..gates_rest.len()]);
        }
    }
}

#[inline(always)]
fn swiglu<S: Simd>(s: S, gate: S::F, up: S::F) -> S::F {
    let e = s.exp(s.sub(s.splat(0.0), gate));
    s.mul(s.div(gate, s.add(s.splat(1.0), e)), up)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use llama_model::{SliceSource, TensorFormat, TensorInfo};
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn silu_is_the_formula_for_all_lengths() {
        for len in [1, 16, 37, 64] {
            let up: Vec<f32> = (0..len).map(|i| i as f32 - 7.0).collect();
            let gate: Vec<f32> = (0..len).map(|i| i as f32 * 3.0 - 60.0).collect();
            let mut out = gate.clone();
            join(&mut out, &up);
            for i in 0..len {
                let g = f64::from(gate[i]);
                let expected = g / (1.0 + (-g).exp()) * f64::from(up[i]);
                let error = (f64::from(out[i]) - expected).abs();
                assert!(
                    error <= 1e-6 * expected.abs().max(1e-3),
                    "{} {expected}",
                    out[i]
                );
            }
        }
    }

    #[test]
    fn threads_and_batches_do_not_change_a_bit() {
        let (rows, columns) = (70, 48);
        let bytes: Vec<u8> = (0..2 * rows * columns)
            .flat_map(|i| ((i * 37 % 101) as f32 / 50.0 - 1.0).to_le_bytes())
            .collect();
        let load = |which: u64| {
            let info = TensorInfo {
                name: "w".into(),
                shape: vec![columns, rows],
                format: TensorFormat::F32,
                offset: which * (rows * columns * 4) as u64,
                bytes: (rows * columns * 4) as u64,
            };
            Matrix::load(&SliceSource(&bytes), &info, 1, &mut Vec::new()).unwrap()
        };
        let (gate, up) = (load(0), load(1));
        let value = |i: usize| (i as f32 * 0.7).fract() - 0.4;
        let run = |threads, first: usize, n: usize| {
            let mut x = Activations::new();
            let to = x.fill(columns, n).iter_mut().enumerate();
            to.for_each(|(i, x)| *x = value(first * columns + i));
            let (mut out, mut scratch) = (vec![0.0; rows * n], vec![0.0; rows * n]);
            gate_up(threads, &gate, &up, &mut x, &mut out, &mut scratch);
            out
        };
        let single: Vec<f32> = (0..9).flat_map(|c| run(1, c, 1)).collect();
        for threads in 1..5 {
            assert_eq!(run(threads, 0, 9), single);
        }
    }
}
