//! The network, and what it has read: Llama on one screen.
//!
//! ```text
//!   x = embedding[token]
//!   for each layer:
//!       h = norm(x);  q, k, v = Wq h, Wk h, Wv h;  turn q and k;  keep k and v
//!       x += Wo attention(q, all keys, all values)
//!       h = norm(x);  x += Wdown (silu(Wgate h) * (Wup h))
//!   logits = Wout norm(x)
//! ```
//!
//! Tokens are read in batches; a batch gives the same bits as its tokens one by one.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use llama_attention::{KvCache, Rope, Shape, attend};
use llama_feedforward::gate_up;
use llama_matmul::{Activations, Matrix, multiply};
use llama_model::{
    Model, ModelConfig, OUTPUT_NORM, ROPE_FACTORS, Source, TOKEN_EMBEDDING, TensorInfo,
};
use llama_norm::rms_norm;

/// Weights of one layer.
struct Layer {
    attn_norm: Vec<f32>, // (dim)
    q: Matrix,           // (query_dim, dim)
    k: Matrix,           // (kv_dim, dim)
    v: Matrix,           // (kv_dim, dim)
    o: Matrix,           // (dim, query_dim)
    ffn_norm: Vec<f32>,  // (dim)
    gate: Matrix,        // (hidden_dim, dim)
    up: Matrix,          // (hidden_dim, dim)
    down: Matrix,        // (dim, hidden_dim)
}

/// What a batch is computed in; kept so that a token needs no memory.
#[derive(Default)]
struct Scratch {
    x: Vec<f32>,       // (tokens, dim)
    h: Activations,    // (tokens, the input of the product at hand)
    q: Vec<f32>,       // (tokens, query_dim)
    k: Vec<f32>,       // (tokens, kv_dim)
    v: Vec<f32>,       // (tokens, kv_dim)
    delta: Vec<f32>,   // (tokens, dim)
    hidden: Vec<f32>,  // (tokens, hidden_dim)
    hidden2: Vec<f32>, // (tokens, hidden_dim)
    logits: Vec<f32>,  // (tokens or 1, vocab_size)
}

/// The network and its KV cache.
pub struct Transformer {
    config: ModelConfig,
    embedding: Matrix, // (vocab_size, dim)
    layers: Vec<Layer>,
    norm: Vec<f32>,         // (dim)
    output: Option<Matrix>, // (vocab_size, dim); else the embedding
    rope: Rope,
    cache: KvCache,
    scratch: Scratch,
    context: usize,
    position: usize,
    threads: usize,
}

/// Reads a vector.
fn load_vector<S: Source>(source: &S, info: &TensorInfo) -> Result<Vec<f32>, String> {
    let matrix = Matrix::load(source, info).map_err(|error| error.to_string())?;
    let mut out = vec![0.0; matrix.columns()];
    matrix.row(0, &mut out);
    Ok(out)
}

impl Transformer {
    /// Loads all weights; `progress` is told how many bytes of how many.
    ///
    /// # Errors
    /// A read fails, or memory is short.
    pub fn load<S: Source>(
        source: &S,
        model: &Model,
        context: usize,
        threads: usize,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, String> {
        let config = model.config.clone();
        let total = model.tensors.bytes();
        let mut done = 0;
        let mut matrix = |name: &str| -> Result<Matrix, String> {
            let info = model.tensors.find(name).ok_or("a tensor is missing")?;
            let matrix = Matrix::load(source, info).map_err(|error| error.to_string())?;
            done += info.bytes;
            progress(done, total);
            Ok(matrix)
        };
        let vector = |name: &str| -> Result<Vec<f32>, String> {
            load_vector(
                source,
                model.tensors.find(name).ok_or("a tensor is missing")?,
            )
        };
        let embedding = matrix(TOKEN_EMBEDDING)?;
        let mut layers = Vec::new();
        for layer in 0..config.n_layers {
            let name = |part: &str| alloc::format!("blk.{layer}.{part}.weight");
            layers.push(Layer {
                attn_norm: vector(&name("attn_norm"))?,
                q: matrix(&name("attn_q"))?,
                k: matrix(&name("attn_k"))?,
                v: matrix(&name("attn_v"))?,
                o: matrix(&name("attn_output"))?,
                ffn_norm: vector(&name("ffn_norm"))?,
                gate: matrix(&name("ffn_gate"))?,
                up: matrix(&name("ffn_up"))?,
                down: matrix(&name("ffn_down"))?,
            });
        }
        let output = &model.output().map_err(|error| error.to_string())?.name;
        let output = match output.as_str() {
            TOKEN_EMBEDDING => None,
            name => Some(matrix(name)?),
        };
        let factors = match model.tensors.find(ROPE_FACTORS) {
            Some(_) => vector(ROPE_FACTORS)?,
            None => Vec::new(),
        };
        let mut cache = KvCache::new(Shape::from(&config));
        cache
            .reserve(context)
            .map_err(|error| alloc::format!("{error}, or take a smaller --context"))?;
        Ok(Transformer {
            embedding,
            layers,
            norm: vector(OUTPUT_NORM)?,
            output,
            rope: Rope::new(&config, factors),
            cache,
            scratch: Scratch::default(),
            context,
            position: 0,
            threads,
            config,
        })
    }

    /// Positions there are.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Positions read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Threads it computes on.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes of the weights.
    pub fn weight_bytes(&self) -> u64 {
        let in_layer = |l: &Layer| -> usize {
            let all = [&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down];
            all.iter().map(|m| m.bytes()).sum()
        };
        let layers: usize = self.layers.iter().map(in_layer).sum();
        let output = self.output.as_ref().map_or(0, Matrix::bytes);
        (self.embedding.bytes() + layers + output) as u64
    }

    /// Bytes of the KV cache.
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
    }

    /// Reads tokens; the logits for the one after the last.
    pub fn forward(&mut self, tokens: &[u32]) -> &[f32] {
        self.read(tokens);
        self.judge(tokens.len().saturating_sub(1)..tokens.len())
    }

    /// Reads tokens; the logits after each of them, one after the other.
    pub fn forward_all(&mut self, tokens: &[u32]) -> &[f32] {
        self.read(tokens);
        self.judge(0..tokens.len())
    }

    /// All layers over a batch: leaves `scratch.x`.
    fn read(&mut self, tokens: &[u32]) {
        let (config, s, threads) = (&self.config, &mut self.scratch, self.threads);
        let (n, dim) = (tokens.len(), config.dim);
        s.x.resize(n * dim, 0.0);
        s.q.resize(n * config.query_dim(), 0.0);
        s.k.resize(n * config.kv_dim(), 0.0);
        s.v.resize(n * config.kv_dim(), 0.0);
        s.delta.resize(n * dim, 0.0);
        s.hidden.resize(n * config.hidden_dim, 0.0);
        s.hidden2.resize(n * config.hidden_dim, 0.0);
        for (token, x) in tokens.iter().zip(s.x.chunks_exact_mut(dim)) {
            self.embedding.row(*token as usize, x);
        }
        self.rope.set_positions(self.position, n);
        for (index, layer) in self.layers.iter().enumerate() {
            norm_rows(&s.x, &layer.attn_norm, config.rms_eps, &mut s.h);
            let outs = [&mut s.q[..], &mut s.k[..], &mut s.v[..]];
            multiply(threads, [&layer.q, &layer.k, &layer.v], &mut s.h, outs);
            self.rope.rotate(&mut s.q);
            self.rope.rotate(&mut s.k);
            self.cache.write(index, self.position, &s.k, &s.v);
            let mixed = s.h.fill(config.query_dim(), n);
            attend(threads, &self.cache, index, self.position, &s.q, mixed);
            multiply(threads, [&layer.o], &mut s.h, [&mut s.delta]);
            add(&mut s.x, &s.delta);

            norm_rows(&s.x, &layer.ffn_norm, config.rms_eps, &mut s.h);
            let (gate, up) = (&layer.gate, &layer.up);
            gate_up(threads, gate, up, &mut s.h, &mut s.hidden, &mut s.hidden2);
            s.h.fill(config.hidden_dim, n).copy_from_slice(&s.hidden);
            multiply(threads, [&layer.down], &mut s.h, [&mut s.delta]);
            add(&mut s.x, &s.delta);
        }
        self.position += n;
    }

    /// Logits after the tokens of the batch in `which`.
    fn judge(&mut self, which: core::ops::Range<usize>) -> &[f32] {
        let (config, s) = (&self.config, &mut self.scratch);
        s.logits.resize(which.len() * config.vocab_size, 0.0);
        let x = &s.x[which.start * config.dim..which.end * config.dim];
        norm_rows(x, &self.norm, config.rms_eps, &mut s.h);
        let output = self.output.as_ref().unwrap_or(&self.embedding);
        multiply(self.threads, [output], &mut s.h, [&mut s.logits]);
        &s.logits
    }
}

/// `out` = the norm of each row of `x` (rows, weight.len()).
fn norm_rows(x: &[f32], weight: &[f32], eps: f32, out: &mut Activations) {
    let dim = weight.len();
    let rows = out.fill(dim, x.len() / dim).chunks_exact_mut(dim);
    for (x, out) in x.chunks_exact(dim).zip(rows) {
        rms_norm(x, weight, eps, out);
    }
}

/// `x += delta`
fn add(x: &mut [f32], delta: &[f32]) {
    for (x, delta) in x.iter_mut().zip(delta) {
        *x += delta;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::Plain;
    use llama_model::SliceSource;

    const STORIES: &[u8] = include_bytes!("../tests/data/stories260K.bin");

    #[test]
    fn logits_are_those_of_the_plain_network_in_every_batch() {
        let source = SliceSource(STORIES);
        let model = Model::open(&source).unwrap();
        let mut plain = Plain::load(&source, &model, &mut |_, _| {}).unwrap();
        let tokens: Vec<u32> = (0..50).map(|i| i * 97 % 500 + 3).collect();
        let expected: Vec<f32> = tokens.iter().flat_map(|t| plain.step(*t)).collect();
        let load = |threads| Transformer::load(&source, &model, 64, threads, &mut |_, _| {});
        let mut single = load(1).unwrap();
        let found: Vec<f32> = tokens
            .iter()
            .flat_map(|t| single.forward(&[*t]).to_vec())
            .collect();
        // The cache holds halves.
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 0.1,
                "{found} instead of {expected}"
            );
        }
        for (threads, batch) in [(1, 50), (2, 7), (3, 16)] {
            let mut other = load(threads).unwrap();
            let all = tokens
                .chunks(batch)
                .flat_map(|b| other.forward_all(b).to_vec());
            assert!(
                all.eq(found.iter().copied()),
                "{threads} threads, batches of {batch}"
            );
            other.truncate(10);
            let again = other.forward(&tokens[10..]);
            assert_eq!(again, &found[found.len() - again.len()..]);
        }
    }
}
