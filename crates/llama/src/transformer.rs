//! The network, and what it has read.

use alloc::string::String;
use alloc::vec::Vec;
use llama_model::{Model, Source};

use crate::plain::Plain;

/// The network and its KV cache.
pub struct Transformer {
    plain: Plain,
    context: usize,
    threads: usize,
    weight_bytes: u64,
    logits: Vec<f32>,
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
        let plain = Plain::load(source, model, progress)?;
        let weight_bytes = model.tensors.bytes();
        Ok(Transformer {
            plain,
            context,
            threads,
            weight_bytes,
            logits: Vec::new(),
        })
    }

    /// Positions there are.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Positions read.
    pub fn position(&self) -> usize {
        self.plain.position()
    }

    /// Threads it computes on.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes of the weights.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Bytes of the KV cache.
    pub fn cache_bytes(&self) -> u64 {
        0
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.truncate(0);
    }

    /// Forgets all positions from `position` on.
    pub fn truncate(&mut self, position: usize) {
        self.plain.truncate(position);
    }

    /// Reads tokens; the logits for the one after the last.
    pub fn forward(&mut self, tokens: &[u32]) -> &[f32] {
        for &token in tokens {
            self.logits = self.plain.step(token);
        }
        &self.logits
    }

    /// Reads tokens; the logits after each of them, one after the other.
    pub fn forward_all(&mut self, tokens: &[u32]) -> &[f32] {
        self.logits.clear();
        for &token in tokens {
            self.logits.extend(self.plain.step(token));
        }
        &self.logits
    }
}
