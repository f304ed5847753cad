//! A model: configuration, tensors and vocabulary that fit together.

use alloc::format;
use alloc::string::{String, ToString};

use crate::gguf::{self, Gguf};
use crate::metadata::Metadata;
use crate::{
    ModelConfig, ModelError, RopeScaling, Source, TensorFormat, TensorIndex, TensorInfo,
    Vocabulary, llama2c,
};

/// Name of the embedding; also the output matrix where the file has none of its own.
pub const TOKEN_EMBEDDING: &str = "token_embd.weight";
/// Name of the output matrix, if it is not tied to the embedding.
pub const OUTPUT: &str = "output.weight";
/// Name of the norm before the output.
pub const OUTPUT_NORM: &str = "output_norm.weight";
/// Name of the divisors of the rotary angles (Llama 3).
pub const ROPE_FACTORS: &str = "rope_freqs.weight";

/// The file formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// GGUF.
    Gguf,
    /// llama2.c; its tokenizer is a file of its own.
    Llama2c,
}

/// A Llama-architecture model. Holding one guarantees: every tensor the network needs is in
/// `tensors` with the shape `config` gives it, and no tensor is there that the network would
/// ignore; the vocabulary, if there is one, has `config.vocab_size` tokens.
#[derive(Debug, Clone)]
pub struct Model {
    /// Where it came from.
    pub format: FileFormat,
    /// `general.name`.
    pub name: Option<String>,
    /// Shape of the network.
    pub config: ModelConfig,
    /// Where the weights are.
    pub tensors: TensorIndex,
    /// Its tokens; llama2.c has them in another file.
    pub vocabulary: Option<Vocabulary>,
    /// `tokenizer.chat_template`, a Jinja program.
    pub chat_template: Option<String>,
}

impl Model {
    /// Reads and checks everything but the weights.
    ///
    /// # Errors
    /// [`ModelError`] says what is wrong, where, and what to do.
    pub fn open<S: Source + ?Sized>(source: &S) -> Result<Self, ModelError> {
        let mut magic = [0; 4];
        if source.len() >= 4 {
            source.read_at(0, &mut magic)?;
        }
        let model = if magic == gguf::MAGIC {
            Self::from_gguf(Gguf::parse(source)?)?
        } else {
            let (config, tensors) = llama2c::parse_model(source)?;
            Model {
                format: FileFormat::Llama2c,
                name: None,
                config,
                tensors,
                vocabulary: None,
                chat_template: None,
            }
        };
        model.check_tensors()?;
        Ok(model)
    }

    fn from_gguf(
        Gguf {
            mut metadata,
            tensors,
        }: Gguf,
    ) -> Result<Self, ModelError> {
        let architecture =
            metadata
                .text("general.architecture")?
                .ok_or(ModelError::MissingKey {
                    key: "general.architecture",
                })?;
        if architecture != "llama" {
            return Err(ModelError::Architecture {
                found: architecture.to_string(),
            });
        }
        let config = config_from(&metadata, &tensors)?;
        let vocabulary = Vocabulary::from_metadata(&mut metadata)?;
        if vocabulary.tokens.len() != config.vocab_size {
            return Err(ModelError::Inconsistent {
                what: "the embedding has not as many rows as there are tokens",
                left: config.vocab_size as u64,
                right: vocabulary.tokens.len() as u64,
            });
        }
        Ok(Model {
            format: FileFormat::Gguf,
            name: metadata.text("general.name")?.map(Into::into),
            config,
            tensors,
            vocabulary: Some(vocabulary),
            chat_template: metadata.text("tokenizer.chat_template")?.map(Into::into),
        })
    }

    /// The output matrix: its own, or the embedding's (tied).
    ///
    /// # Errors
    /// None on a [`Model`] from [`Model::open`].
    pub fn output(&self) -> Result<&TensorInfo, ModelError> {
        let shape = [self.config.dim, self.config.vocab_size];
        let name = if self.tensors.find(OUTPUT).is_some() {
            OUTPUT
        } else {
            TOKEN_EMBEDDING
        };
        self.tensors.get(name, &shape)
    }

    /// A tensor of layer `layer`: `layer_tensor(3, "attn_q", ..)` is `blk.3.attn_q.weight`.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`] or [`ModelError::TensorShape`].
    pub fn layer_tensor(
        &self,
        layer: usize,
        name: &str,
        shape: &[usize],
    ) -> Result<&TensorInfo, ModelError> {
        self.tensors
            .get(&format!("blk.{layer}.{name}.weight"), shape)
    }

    fn check_tensors(&self) -> Result<(), ModelError> {
        let ModelConfig {
            dim,
            hidden_dim,
            vocab_size,
            n_layers,
            rope_dims,
            ..
        } = self.config;
        let (query_dim, kv_dim) = (self.config.query_dim(), self.config.kv_dim());
        let mut used = 2;
        self.tensors.get(TOKEN_EMBEDDING, &[dim, vocab_size])?;
        self.norm(self.tensors.get(OUTPUT_NORM, &[dim])?)?;
        if self.tensors.find(OUTPUT).is_some() {
            self.tensors.get(OUTPUT, &[dim, vocab_size])?;
            used += 1;
        }
        if self.tensors.find(ROPE_FACTORS).is_some() {
            self.norm(self.tensors.get(ROPE_FACTORS, &[rope_dims / 2])?)?;
            used += 1;
        }
        for layer in 0..n_layers {
            self.norm(self.layer_tensor(layer, "attn_norm", &[dim])?)?;
            self.layer_tensor(layer, "attn_q", &[dim, query_dim])?;
            self.layer_tensor(layer, "attn_k", &[dim, kv_dim])?;
            self.layer_tensor(layer, "attn_v", &[dim, kv_dim])?;
            self.layer_tensor(layer, "attn_output", &[query_dim, dim])?;
            self.norm(self.layer_tensor(layer, "ffn_norm", &[dim])?)?;
            self.layer_tensor(layer, "ffn_gate", &[dim, hidden_dim])?;
            self.layer_tensor(layer, "ffn_up", &[dim, hidden_dim])?;
            self.layer_tensor(layer, "ffn_down", &[hidden_dim, dim])?;
            used += 9;
        }
        let angles = ["freq_cis_real", "freq_cis_imag"];
        used += angles
            .iter()
            .filter(|name| self.tensors.find(name).is_some())
            .count();
        if used == self.tensors.len() {
            return Ok(());
        }
        // A bias or an expert that is left out would give wrong text, not an error.
        let known = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output"];
        let known = known
            .into_iter()
            .chain(["ffn_norm", "ffn_gate", "ffn_up", "ffn_down"]);
        let is_known = |name: &str| {
            let mut parts = name.splitn(3, '.');
            match (parts.next(), parts.next(), parts.next()) {
                (Some("blk"), Some(layer), Some(rest)) => {
                    layer.parse::<usize>().is_ok_and(|layer| layer < n_layers)
                        && known
                            .clone()
                            .any(|known| rest.strip_suffix(".weight") == Some(known))
                }
                _ => [TOKEN_EMBEDDING, OUTPUT, OUTPUT_NORM, ROPE_FACTORS].contains(&name),
            }
        };
        let stranger = self.tensors.iter().find(|tensor| !is_known(&tensor.name));
        Err(ModelError::UnexpectedTensor {
            name: stranger.map_or_else(String::new, |tensor| tensor.name.clone()),
        })
    }

    /// Norms and factors are read as 32-bit floats.
    fn norm(&self, tensor: &TensorInfo) -> Result<(), ModelError> {
        if tensor.format == TensorFormat::F32 {
            return Ok(());
        }
        Err(ModelError::NormFormat {
            name: tensor.name.clone(),
            found: tensor.format,
        })
    }
}

/// The `llama.` keys as a configuration.
fn config_from(metadata: &Metadata, tensors: &TensorIndex) -> Result<ModelConfig, ModelError> {
    let optional = |key: &'static str| {
        let number = metadata.u64(key)?;
        number
            .map(|number| {
                usize::try_from(number).map_err(|_| ModelError::BadNumber {
                    what: key,
                    found: number,
                    min: 1,
                    max: usize::MAX as u64,
                })
            })
            .transpose()
    };
    let required = |key| optional(key)?.ok_or(ModelError::MissingKey { key });
    if optional("llama.expert_count")?.unwrap_or(0) > 0 {
        return Err(ModelError::Experts);
    }
    let dim = required("llama.embedding_length")?;
    let n_heads = required("llama.attention.head_count")?;
    let head_dim = match optional("llama.attention.key_length")? {
        Some(length) => length,
        None if n_heads > 0 && dim.is_multiple_of(n_heads) => dim / n_heads,
        None => {
            return Err(ModelError::Inconsistent {
                what: "the embedding length is not a multiple of the number of heads",
                left: dim as u64,
                right: n_heads as u64,
            });
        }
    };
    let value_dim = optional("llama.attention.value_length")?.unwrap_or(head_dim);
    if value_dim != head_dim {
        return Err(ModelError::Inconsistent {
            what: "keys and values of different length are not supported",
            left: head_dim as u64,
            right: value_dim as u64,
        });
    }
    let vocab_size = match tensors.find(TOKEN_EMBEDDING) {
        Some(embedding) => embedding.rows(),
        None => {
            return Err(ModelError::MissingTensor {
                name: TOKEN_EMBEDDING.into(),
            });
        }
    };
    ModelConfig {
        dim,
        hidden_dim: required("llama.feed_forward_length")?,
        n_layers: required("llama.block_count")?,
        n_heads,
        n_kv_heads: optional("llama.attention.head_count_kv")?.unwrap_or(n_heads),
        head_dim,
        vocab_size,
        context_length: required("llama.context_length")?,
        rms_eps: metadata
            .f32("llama.attention.layer_norm_rms_epsilon")?
            .ok_or(ModelError::MissingKey {
                key: "llama.attention.layer_norm_rms_epsilon",
            })?,
        rope_base: metadata.f32("llama.rope.freq_base")?.unwrap_or(10_000.0),
        rope_scaling: rope_scaling(metadata)?,
        rope_dims: optional("llama.rope.dimension_count")?.unwrap_or(head_dim),
        rope_interleaved: true,
    }
    .validated()
}

fn rope_scaling(metadata: &Metadata) -> Result<RopeScaling, ModelError> {
    // Files from before `scaling.type` have `scale_linear` only.
    let old = metadata.f32("llama.rope.scale_linear")?;
    let factor = metadata
        .f32("llama.rope.scaling.factor")?
        .or(old)
        .unwrap_or(1.0);
    match metadata.text("llama.rope.scaling.type")? {
        None if old.is_none() => Ok(RopeScaling::None),
        Some("none") => Ok(RopeScaling::None),
        None | Some("linear") => Ok(RopeScaling::Linear { factor }),
        Some(other) => Err(ModelError::RopeScaling {
            found: other.to_string(),
        }),
    }
}
