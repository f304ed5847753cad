//! The numbers that define a Llama network, validated against each other.

use crate::ModelError;

/// How positions are stretched for contexts longer than the model was trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Every position is divided by `factor`.
    Linear {
        /// At least 1 in practice; always finite and above 0.
        factor: f32,
    },
}

/// The shape of a Llama-architecture network. Holding one guarantees: no length is zero;
/// `n_kv_heads` divides `n_heads`; `rope_dims` is even and at most `head_dim`; `dim`,
/// `n_heads * head_dim` and `hidden_dim` are below 2^24 and `context_length` below 2^31, so that
/// products of two fit in a `usize`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Width of the residual stream.
    pub dim: usize,
    /// Width of the feed-forward network's inside.
    pub hidden_dim: usize,
    /// Transformer layers.
    pub n_layers: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads; each serves `n_heads / n_kv_heads` query heads.
    pub n_kv_heads: usize,
    /// Numbers per head.
    pub head_dim: usize,
    /// Tokens.
    pub vocab_size: usize,
    /// Positions the model was trained on.
    pub context_length: usize,
    /// Added to the mean square in RMSNorm.
    pub rms_eps: f32,
    /// Base of the rotary angles: pair `i` turns by `position * rope_base^(-2 i / rope_dims)`.
    pub rope_base: f32,
    /// Stretching of positions. A tensor `rope_freqs.weight` (F32, `rope_dims / 2` numbers), if
    /// the file has one, further divides the angle of pair `i` by its entry `i` (Llama 3).
    pub rope_scaling: RopeScaling,
    /// How many numbers of each head are turned; the rest stay.
    pub rope_dims: usize,
    /// True: pairs are neighbours `(2 i, 2 i + 1)`, as in GGUF's `llama` and in llama2.c. False:
    /// pairs are `(i, i + rope_dims / 2)`.
    pub rope_interleaved: bool,
}

/// Widths beyond this are damage, not models.
const MAX_WIDTH: usize = 1 << 24;
/// Layers beyond this are damage, not models.
const MAX_LAYERS: usize = 1 << 12;

impl ModelConfig {
    /// Width of the queries: all heads together.
    #[must_use]
    pub fn query_dim(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Width of the keys, and of the values: all key/value heads together.
    #[must_use]
    pub fn kv_dim(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }

    /// Checks every guarantee of the type.
    pub(crate) fn validated(self) -> Result<Self, ModelError> {
        let within = |what, found: usize, max: usize| {
            if (1..=max).contains(&found) {
                Ok(())
            } else {
                Err(ModelError::BadNumber {
                    what,
                    found: found as u64,
                    min: 1,
                    max: max as u64,
                })
            }
        };
        within("embedding length", self.dim, MAX_WIDTH)?;
        within("feed-forward length", self.hidden_dim, MAX_WIDTH)?;
        within("number of layers", self.n_layers, MAX_LAYERS)?;
        within("number of heads", self.n_heads, MAX_WIDTH)?;
        within("number of key/value heads", self.n_kv_heads, self.n_heads)?;
        within("head length", self.head_dim, MAX_WIDTH / self.n_heads)?;
        within("vocabulary size", self.vocab_size, MAX_WIDTH)?;
        within("context length", self.context_length, (1 << 31) - 1)?;
        within("rope dimension count", self.rope_dims, self.head_dim)?;
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            return Err(ModelError::Inconsistent {
                what: "the number of heads is not a multiple of the number of key/value heads",
                left: self.n_heads as u64,
                right: self.n_kv_heads as u64,
            });
        }
        if !self.rope_dims.is_multiple_of(2) {
            return Err(ModelError::Inconsistent {
                what: "RoPE turns pairs, but the rope dimension count is odd",
                left: self.rope_dims as u64,
                right: 2,
            });
        }
        let positive = |what, found: f32| {
            if found.is_finite() && found > 0.0 {
                Ok(())
            } else {
                Err(ModelError::BadFloat { what, found })
            }
        };
        positive("RMSNorm epsilon", self.rms_eps)?;
        positive("rope frequency base", self.rope_base)?;
        if let RopeScaling::Linear { factor } = self.rope_scaling {
            positive("rope scaling factor", factor)?;
        }
        Ok(self)
    }
}
