//! The network in plain 32-bit floats: slow, short, and easy to check by eye.
//!
//! Weights stay in their blocks and are decoded number by number; everything is summed in order.
//! This is what the fast crates are measured against.

use llama_model::{
    Model, ModelConfig, OUTPUT_NORM, ROPE_FACTORS, RopeScaling, Source, TOKEN_EMBEDDING,
    TensorFormat, TensorInfo,
};

/// A matrix as it is in the file.
struct Weights {
    format: TensorFormat,
    columns: usize,
    rows: usize,
    bytes: Vec<u8>,
}

fn load<S: Source>(source: &S, info: &TensorInfo) -> Result<Weights, String> {
    let length = info.bytes as usize;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length)
        .map_err(|_| format!("out of memory: tensor `{}` needs {length} bytes", info.name))?;
    bytes.resize(length, 0);
    source
        .read_at(info.offset, &mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(Weights {
        format: info.format,
        columns: info.columns(),
        rows: info.rows(),
        bytes,
    })
}

fn f16(bytes: &[u8]) -> f32 {
    let bits = u16::from_le_bytes([bytes[0], bytes[1]]);
    let sign = if bits & 0x8000 != 0 { -1.0 } else { 1.0 };
    let fraction = f32::from(bits & 0x3FF);
    match (bits >> 10) & 0x1F {
        0 => sign * fraction / 16_777_216.0,
        0x1F if fraction == 0.0 => sign * f32::INFINITY,
        0x1F => f32::NAN,
        exponent => {
            sign * f32::from_bits(
                ((u32::from(exponent) + 112) << 23) | ((bits as u32 & 0x3FF) << 13),
            )
        }
    }
}

/// Decodes one block.
fn decode(format: TensorFormat, block: &[u8], out: &mut [f32]) {
    match format {
        TensorFormat::F32 => out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]),
        TensorFormat::F16 => out[0] = f16(block),
        TensorFormat::Q8_0 => {
            let scale = f16(block);
            for (out, &byte) in out.iter_mut().zip(&block[2..]) {
                *out = scale * f32::from(byte as i8);
            }
        }
        TensorFormat::Q4_0 | TensorFormat::Q4_1 => {
            let scale = f16(block);
            let (least, nibbles) = match format {
                TensorFormat::Q4_0 => (-8.0 * scale, &block[2..]),
                _ => (f16(&block[2..]), &block[4..]),
            };
            for (index, &byte) in nibbles.iter().enumerate() {
                out[index] = scale * f32::from(byte & 15) + least;
                out[index + 16] = scale * f32::from(byte >> 4) + least;
            }
        }
        TensorFormat::Q6_K => {
            let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
            let scale = f16(&block[208..]);
            for (index, out) in out.iter_mut().enumerate() {
                let (half, rest) = (index / 128, index % 128);
                let (quarter, lane) = (rest / 32, rest % 32);
                let low = low[half * 64 + (quarter % 2) * 32 + lane] >> (quarter / 2 * 4) & 15;
                let high = high[half * 32 + lane] >> (quarter * 2) & 3;
                let number = f32::from(low | high << 4) - 32.0;
                *out = scale * f32::from(scales[index / 16] as i8) * number;
            }
        }
    }
}

impl Weights {
    fn row(&self, row: usize, out: &mut [f32]) {
        let bytes = self.bytes.len() / self.rows;
        let blocks = self.bytes[row * bytes..][..bytes].chunks_exact(self.format.block_bytes());
        for (block, out) in blocks.zip(out.chunks_exact_mut(self.format.block_len())) {
            decode(self.format, block, out);
        }
    }

    /// out = self * x
    fn multiply(&self, x: &[f32]) -> Vec<f32> {
        let mut weights = vec![0.0; self.columns];
        (0..self.rows)
            .map(|row| {
                self.row(row, &mut weights);
                weights.iter().zip(x).map(|(weight, x)| weight * x).sum()
            })
            .collect()
    }
}

fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let mean = x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
    let scale = 1.0 / libm::sqrtf(mean + eps);
    x.iter()
        .zip(weight)
        .map(|(x, weight)| x * scale * weight)
        .collect()
}

struct Layer {
    attn_norm: Vec<f32>, // (dim)
    q: Weights,          // (query_dim, dim)
    k: Weights,          // (kv_dim, dim)
    v: Weights,          // (kv_dim, dim)
    o: Weights,          // (dim, query_dim)
    ffn_norm: Vec<f32>,  // (dim)
    gate: Weights,       // (hidden_dim, dim)
    up: Weights,         // (hidden_dim, dim)
    down: Weights,       // (dim, hidden_dim)
    keys: Vec<f32>,      // (position, kv_dim)
    values: Vec<f32>,    // (position, kv_dim)
}

/// The network and what it has read.
pub struct Plain {
    config: ModelConfig,
    embedding: Weights,      // (vocab_size, dim)
    output: Option<Weights>, // (vocab_size, dim), else the embedding
    layers: Vec<Layer>,
    norm: Vec<f32>,         // (dim)
    rope_factors: Vec<f32>, // (rope_dims / 2)
    position: usize,
}

impl Plain {
    /// Loads all weights; `progress` is told how many bytes of how many.
    ///
    /// # Errors
    /// A read fails, or memory is short.
    pub fn load<S: Source>(
        source: &S,
        model: &Model,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, String> {
        let config = model.config.clone();
        let total = model.tensors.bytes();
        let mut done = 0;
        let mut get = |name: &str| -> Result<Weights, String> {
            let info = model.tensors.find(name).ok_or("a tensor is missing")?;
            let weights = load(source, info)?;
            done += info.bytes;
            progress(done, total);
            Ok(weights)
        };
        let flat = |weights: Weights| {
            let mut out = vec![0.0; weights.columns];
            weights.row(0, &mut out);
            out
        };
        let embedding = get(TOKEN_EMBEDDING)?;
        let mut layers = Vec::new();
        for layer in 0..config.n_layers {
            let mut get = |name: &str| get(&format!("blk.{layer}.{name}.weight"));
            layers.push(Layer {
                attn_norm: flat(get("attn_norm")?),
                q: get("attn_q")?,
                k: get("attn_k")?,
                v: get("attn_v")?,
                o: get("attn_output")?,
                ffn_norm: flat(get("ffn_norm")?),
                gate: get("ffn_gate")?,
                up: get("ffn_up")?,
                down: get("ffn_down")?,
                keys: Vec::new(),
                values: Vec::new(),
            });
        }
        let output = model
            .output()
            .map_err(|error| error.to_string())?
            .name
            .clone();
        let has = |name: &str| model.tensors.find(name).is_some();
        Ok(Plain {
            output: if output == TOKEN_EMBEDDING {
                None
            } else {
                Some(get(&output)?)
            },
            norm: flat(get(OUTPUT_NORM)?),
            rope_factors: if has(ROPE_FACTORS) {
                flat(get(ROPE_FACTORS)?)
            } else {
                vec![1.0; config.rope_dims / 2]
            },
            config,
            embedding,
            layers,
            position: 0,
        })
    }

    /// Positions read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Forgets all positions from `position` on.
    pub fn truncate(&mut self, position: usize) {
        let kv_dim = self.config.kv_dim();
        for layer in &mut self.layers {
            layer.keys.truncate(position * kv_dim);
            layer.values.truncate(position * kv_dim);
        }
        self.position = self.position.min(position);
    }

    /// Turns the pairs of each head of `x` by the angles of the position.
    fn rope(&self, x: &mut [f32]) {
        let config = &self.config;
        let stretch = match config.rope_scaling {
            RopeScaling::None => 1.0,
            RopeScaling::Linear { factor } => factor,
        };
        for head in x.chunks_exact_mut(config.head_dim) {
            for pair in 0..config.rope_dims / 2 {
                let exponent = -2.0 * pair as f32 / config.rope_dims as f32;
                let frequency = libm::powf(config.rope_base, exponent) / self.rope_factors[pair];
                let angle = self.position as f32 / stretch * frequency;
                let (sin, cos) = libm::sincosf(angle);
                let (a, b) = match config.rope_interleaved {
                    true => (2 * pair, 2 * pair + 1),
                    false => (pair, pair + config.rope_dims / 2),
                };
                (head[a], head[b]) = (head[a] * cos - head[b] * sin, head[a] * sin + head[b] * cos);
            }
        }
    }

    /// Reads one token; logits for the one after it.
    pub fn step(&mut self, token: u32) -> Vec<f32> {
        let config = self.config.clone();
        let (head_dim, kv_dim) = (config.head_dim, config.kv_dim());
        let mut x = vec![0.0; config.dim];
        self.embedding.row(token as usize, &mut x);
        for index in 0..config.n_layers {
            let layer = &self.layers[index];
            let h = rms_norm(&x, &layer.attn_norm, config.rms_eps);
            let (mut q, mut k, v) = (
                layer.q.multiply(&h),
                layer.k.multiply(&h),
                layer.v.multiply(&h),
            );
            self.rope(&mut q);
            self.rope(&mut k);
            let layer = &mut self.layers[index];
            layer.keys.extend(k);
            layer.values.extend(v);
            let mut mixed = vec![0.0; config.query_dim()];
            for (head, mixed) in mixed.chunks_exact_mut(head_dim).enumerate() {
                let q = &q[head * head_dim..][..head_dim];
                let at = head / (config.n_heads / config.n_kv_heads) * head_dim;
                let part = |cache: &[f32], position: usize| -> Vec<f32> {
                    cache[position * kv_dim + at..][..head_dim].to_vec()
                };
                let mut scores: Vec<f32> = (0..=self.position)
                    .map(|position| {
                        let k = part(&layer.keys, position);
                        let dot: f32 = q.iter().zip(k).map(|(q, k)| q * k).sum();
                        dot / libm::sqrtf(head_dim as f32)
                    })
                    .collect();
                let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                scores
                    .iter_mut()
                    .for_each(|score| *score = libm::expf(*score - most));
                let sum: f32 = scores.iter().sum();
                for (position, score) in scores.iter().enumerate() {
                    for (mixed, v) in mixed.iter_mut().zip(part(&layer.values, position)) {
                        *mixed += score / sum * v;
                    }
                }
            }
            x.iter_mut()
                .zip(layer.o.multiply(&mixed))
                .for_each(|(x, o)| *x += o);
            let h = rms_norm(&x, &layer.ffn_norm, config.rms_eps);
            let (mut gate, up) = (layer.gate.multiply(&h), layer.up.multiply(&h));
            for (gate, up) in gate.iter_mut().zip(up) {
                *gate = *gate / (1.0 + libm::expf(-*gate)) * up;
            }
            x.iter_mut()
                .zip(layer.down.multiply(&gate))
                .for_each(|(x, down)| *x += down);
        }
        self.position += 1;
        let h = rms_norm(&x, &self.norm, config.rms_eps);
        self.output.as_ref().unwrap_or(&self.embedding).multiply(&h)
    }
}
