//! Rotary position embedding: Su et al., "RoFormer", 2021.
//!
//! Pair `i` of each head is turned by `position / stretch * base^(-2 i / n) / factor[i]`. The angles
//! are made by repeated multiplication in f32, as llama.cpp does, and their sine and cosine by
//! `libm`, so that they are the same everywhere.

use alloc::vec::Vec;

use llama_model::{ModelConfig, RopeScaling};

/// The turns of a number of consecutive positions.
#[derive(Debug, Clone, Default)]
pub struct Rope {
    head_dim: usize,
    pairs: usize,
    interleaved: bool,
    stretch: f32,
    step: f32,
    factors: Vec<f32>,      // (pairs), empty if all are 1
    turns: Vec<(f32, f32)>, // (positions, pairs): cosine, sine
}

impl Rope {
    /// For a model; `factors` divide the angle of each pair (Llama 3) and may be empty.
    #[must_use]
    pub fn new(config: &ModelConfig, factors: Vec<f32>) -> Self {
        Rope {
            head_dim: config.head_dim,
            pairs: config.rope_dims / 2,
            interleaved: config.rope_interleaved,
            stretch: match config.rope_scaling {
                RopeScaling::None => 1.0,
                RopeScaling::Linear { factor } => factor,
            },
            step: libm::powf(config.rope_base, -2.0 / config.rope_dims as f32),
            factors,
            turns: Vec::new(),
        }
    }

    /// Computes the turns of `count` positions from `first` on: what [`rotate`](Self::rotate) uses.
    pub fn set_positions(&mut self, first: usize, count: usize) {
        self.turns.clear();
        for position in first..first + count {
            let mut angle = position as f32;
            for pair in 0..self.pairs {
                let factor = self.factors.get(pair).copied().unwrap_or(1.0);
                let turn = angle / self.stretch / factor;
                self.turns.push((libm::cosf(turn), libm::sinf(turn)));
                angle *= self.step;
            }
        }
    }

    /// Turns all heads of each row of `x` (positions, heads * head_dim) by its position's angles.
    pub fn rotate(&self, x: &mut [f32]) {
        if self.pairs == 0 || self.turns.is_empty() {
            return;
        }
        let positions = self.turns.len() / self.pairs;
        let row_len = x.len() / positions;
        if row_len == 0 {
            return;
        }
        let turns = self.turns.chunks_exact(self.pairs);
        for (row, turns) in x.chunks_exact_mut(row_len).zip(turns) {
            for head in row.chunks_exact_mut(self.head_dim) {
                let turned = &mut head[..2 * self.pairs];
                if self.interleaved {
                    for ([a, b], turn) in turned.as_chunks_mut().0.iter_mut().zip(turns) {
                        (*a, *b) = turned_by(*a, *b, *turn);
                    }
                } else {
                    let (first, last) = turned.split_at_mut(self.pairs);
                    for ((a, b), turn) in first.iter_mut().zip(last).zip(turns) {
                        (*a, *b) = turned_by(*a, *b, *turn);
                    }
                }
            }
        }
    }
}

/// The point (a, b) turned.
#[inline(always)]
fn turned_by(a: f32, b: f32, (cos, sin): (f32, f32)) -> (f32, f32) {
    (a * cos - b * sin, a * sin + b * cos)
}
