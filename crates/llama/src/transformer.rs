//! The network on one screen: what happens to tokens on their way to logits.
//!
//! Shapes are (rows, columns) with the columns next to each other in memory; `n` is the number of
//! tokens of a batch. A token's numbers do not depend on the batch it comes in, nor on the number
//! of threads: see `llama-matmul`.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use guest::buffer::OutOfMemory;
use llama_attention::{KvCache, Rope, Shape, attend};
use llama_feedforward::gate_up;
use llama_matmul::{Activations, Matrix, multiply};
use llama_model::{
    Model, ModelConfig, OUTPUT_NORM, ROPE_FACTORS, Source, TOKEN_EMBEDDING, TensorInfo,
};
use llama_norm::rms_norm;

struct Layer {
    attention_norm: Vec<f32>, // (dim)
    query: Matrix,            // (query_dim, dim)
    key: Matrix,              // (kv_dim, dim)
    value: Matrix,            // (kv_dim, dim)
    mix: Matrix,              // (dim, query_dim)
    forward_norm: Vec<f32>,   // (dim)
    gate: Matrix,             // (hidden_dim, dim)
    up: Matrix,               // (hidden_dim, dim)
    down: Matrix,             // (dim, hidden_dim)
}

/// Memory of a pass, kept from one to the next.
#[derive(Default)]
struct Scratch {
    stream: Vec<f32>,    // (n, dim): the residual stream
    input: Activations,  // (n, dim) or (n, query_dim)
    query: Vec<f32>,     // (n, query_dim)
    key: Vec<f32>,       // (n, kv_dim)
    value: Vec<f32>,     // (n, kv_dim)
    hidden: Activations, // (n, hidden_dim)
    up: Vec<f32>,        // (n, hidden_dim)
    change: Vec<f32>,    // (n, dim): what half a layer adds to the stream
    logits: Vec<f32>,    // (1 or n, vocab_size)
}

/// The network and what it has read.
pub struct Transformer {
    config: ModelConfig,
    threads: usize,
    context: usize,         // positions there may be
    position: usize,        // positions read
    embedding: Matrix,      // (vocab_size, dim)
    layers: Vec<Layer>,     // n_layers
    norm: Vec<f32>,         // (dim)
    output: Option<Matrix>, // (vocab_size, dim); without it, the embedding
    rope: Rope,
    cache: KvCache,
    scratch: Scratch,
}

/// After which tokens of a batch logits are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Last,
    Each,
}

impl Transformer {
    /// Reads a batch of tokens; the caller sees to it that each is below `vocab_size`, that there
    /// is at least one, and that there is room.
    fn pass(&mut self, tokens: &[u32], wanted: Wanted) -> Result<&[f32], OutOfMemory> {
        let ModelConfig {
            dim,
            hidden_dim,
            vocab_size,
            rms_eps: eps,
            ..
        } = self.config;
        let (query_dim, kv_dim) = (self.config.query_dim(), self.config.kv_dim());
        let (threads, n, first) = (self.threads, tokens.len(), self.position);
        self.cache.reserve(first + n)?;
        self.rope.set_positions(first, n);
        let s = &mut self.scratch;
        s.stream.resize(n * dim, 0.0);
        s.query.resize(n * query_dim, 0.0);
        s.key.resize(n * kv_dim, 0.0);
        s.value.resize(n * kv_dim, 0.0);
        s.up.resize(n * hidden_dim, 0.0);
        s.change.resize(n * dim, 0.0);

        for (x, &token) in s.stream.chunks_exact_mut(dim).zip(tokens) {
            self.embedding.row(token as usize, x);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            // Attention: each token looks back at what it and those before it wrote down.
            norm_rows(&s.stream, &layer.attention_norm, eps, s.input.fill(dim, n));
            let matrices = [&layer.query, &layer.key, &layer.value];
            multiply(
                threads,
                matrices,
                &mut s.input,
                [&mut s.query, &mut s.key, &mut s.value],
            );
            self.rope.rotate(&mut s.query);
            self.rope.rotate(&mut s.key);
            self.cache.write(index, first, &s.key, &s.value);
            attend(
                threads,
                &self.cache,
                index,
                first,
                &s.query,
                s.input.fill(query_dim, n),
            );
            multiply(threads, [&layer.mix], &mut s.input, [&mut s.change]);
            add(&mut s.stream, &s.change);

            // Feed-forward: each token by itself.
            norm_rows(&s.stream, &layer.forward_norm, eps, s.input.fill(dim, n));
            let hidden = s.hidden.fill(hidden_dim, n);
            gate_up(
                threads,
                &layer.gate,
                &layer.up,
                &mut s.input,
                hidden,
                &mut s.up,
            );
            multiply(threads, [&layer.down], &mut s.hidden, [&mut s.change]);
            add(&mut s.stream, &s.change);
        }
        self.position = first + n;

        let skipped = if wanted == Wanted::Each { 0 } else { n - 1 };
        let last = &s.stream[skipped * dim..];
        norm_rows(last, &self.norm, eps, s.input.fill(dim, n - skipped));
        s.logits.resize((n - skipped) * vocab_size, 0.0);
        let output = self.output.as_ref().unwrap_or(&self.embedding);
        multiply(threads, [output], &mut s.input, [&mut s.logits]);
        Ok(&s.logits)
    }
}

impl Transformer {
    /// Loads all weights, each straight into the layout it is multiplied in; `progress` is told
    /// how many bytes of how many.
    ///
    /// # Errors
    /// A read fails or memory is short; the text says which tensor and what to do.
    pub fn load<S: Source>(
        source: &S,
        model: &Model,
        context: usize,
        threads: usize,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, String> {
        let config = model.config.clone();
        let ModelConfig {
            dim,
            hidden_dim,
            n_layers,
            vocab_size,
            rope_dims,
            ..
        } = config;
        let (query_dim, kv_dim) = (config.query_dim(), config.kv_dim());
        let total = model.tensors.bytes();
        let mut done = 0;
        let mut scratch = Vec::new();
        let mut matrix = |info: &TensorInfo| {
            let matrix = Matrix::load(source, info, threads, &mut scratch)
                .map_err(|error| error.to_string())?;
            done += info.bytes;
            progress(done, total);
            Ok::<_, String>(matrix)
        };
        let mut layers = Vec::new();
        let find = |name: &str, shape: &[usize]| {
            model
                .tensors
                .get(name, shape)
                .map_err(|error| error.to_string())
        };
        let embedding = matrix(find(TOKEN_EMBEDDING, &[dim, vocab_size])?)?;
        for layer in 0..n_layers {
            let find = |name: &str, shape: &[usize]| {
                model
                    .layer_tensor(layer, name, shape)
                    .map_err(|error| error.to_string())
            };
            layers.push(Layer {
                attention_norm: vector(&matrix(find("attn_norm", &[dim])?)?),
                query: matrix(find("attn_q", &[dim, query_dim])?)?,
                key: matrix(find("attn_k", &[dim, kv_dim])?)?,
                value: matrix(find("attn_v", &[dim, kv_dim])?)?,
                mix: matrix(find("attn_output", &[query_dim, dim])?)?,
                forward_norm: vector(&matrix(find("ffn_norm", &[dim])?)?),
                gate: matrix(find("ffn_gate", &[dim, hidden_dim])?)?,
                up: matrix(find("ffn_up", &[dim, hidden_dim])?)?,
                down: matrix(find("ffn_down", &[hidden_dim, dim])?)?,
            });
        }
        let norm = vector(&matrix(find(OUTPUT_NORM, &[dim])?)?);
        let output = model.output().map_err(|error| error.to_string())?;
        let output = if output.name == TOKEN_EMBEDDING {
            None
        } else {
            Some(matrix(output)?)
        };
        let factors = match model.tensors.find(ROPE_FACTORS) {
            Some(_) => vector(&matrix(find(ROPE_FACTORS, &[rope_dims / 2])?)?),
            None => Vec::new(),
        };
        progress(total, total);
        Ok(Transformer {
            rope: Rope::new(&config, factors),
            cache: KvCache::new(Shape::from(&config)),
            threads,
            context,
            position: 0,
            embedding,
            layers,
            norm,
            output,
            config,
            scratch: Scratch::default(),
        })
    }

    /// Positions there may be.
    #[must_use]
    pub fn context(&self) -> usize {
        self.context
    }

    /// Positions read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Threads it computes on.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes of the weights.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        let layers = self.layers.iter().flat_map(|layer| {
            let Layer {
                query,
                key,
                value,
                mix,
                gate,
                up,
                down,
                ..
            } = layer;
            [query, key, value, mix, gate, up, down]
        });
        let all = layers.chain([&self.embedding]).chain(&self.output);
        all.map(|matrix| matrix.bytes() as u64).sum()
    }

    /// Bytes of the KV cache now; it grows with the text.
    #[must_use]
    pub fn cache_bytes(&self) -> u64 {
        self.cache.bytes() as u64
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.truncate(0);
    }

    /// Forgets all positions from `position` on.
    pub fn truncate(&mut self, position: usize) {
        self.position = self.position.min(position);
        self.cache.shrink(self.position);
    }

    /// Reads tokens; the logits for the one after the last.
    ///
    /// # Errors
    /// [`OutOfMemory`] if the KV cache cannot grow; nothing was read then.
    pub fn forward(&mut self, tokens: &[u32]) -> Result<&[f32], OutOfMemory> {
        self.pass(tokens, Wanted::Last)
    }

    /// Reads tokens; the logits after each of them, one after the other.
    ///
    /// # Errors
    /// [`OutOfMemory`] if the KV cache cannot grow; nothing was read then.
    pub fn forward_all(&mut self, tokens: &[u32]) -> Result<&[f32], OutOfMemory> {
        self.pass(tokens, Wanted::Each)
    }
}

/// A tensor of one row.
fn vector(matrix: &Matrix) -> Vec<f32> {
    let mut out = vec![0.0; matrix.columns()];
    matrix.row(0, &mut out);
    out
}

/// Each row of `out` (n, dim) = RMSNorm of that of `x`.
fn norm_rows(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    for (x, out) in x
        .chunks_exact(weight.len())
        .zip(out.chunks_exact_mut(weight.len()))
    {
        rms_norm(x, weight, eps, out);
    }
}

fn add(stream: &mut [f32], change: &[f32]) {
    for (x, change) in stream.iter_mut().zip(change) {
        *x += change;
    }
}
