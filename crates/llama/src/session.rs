//! A text under way: tokens read, tokens chosen, time taken.

use alloc::string::String;
use alloc::vec::Vec;

use llama_sampler::{Sampler, SamplerOptions};
use llama_tokenizer::{Tokenizer, Utf8Stream};

use crate::error::Error;
use crate::load::Loaded;
use crate::machine::Machine;

/// Tokens read at once: large enough that each weight is used often, small enough that Ctrl-C and
/// progress are not far.
pub const BATCH: usize = 64;

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The model ended the text or its turn.
    EndOfText,
    /// The number of tokens asked for is reached.
    Limit,
    /// No position is left.
    ContextFull,
    /// Ctrl-C.
    Interrupted,
}

impl Stop {
    /// A short name, for JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stop::EndOfText => "end of text",
            Stop::Limit => "limit",
            Stop::ContextFull => "context full",
            Stop::Interrupted => "interrupted",
        }
    }
}

/// Tokens and the time they took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// Tokens that went through the network.
    pub tokens: u64,
    /// Nanoseconds.
    pub ns: u64,
}

impl Pace {
    /// Tokens per second; 0 if nothing was measured.
    #[must_use]
    pub fn per_second(self) -> f64 {
        if self.ns == 0 {
            0.0
        } else {
            self.tokens as f64 * 1e9 / self.ns as f64
        }
    }

    /// Milliseconds.
    #[must_use]
    pub fn ms(self) -> f64 {
        self.ns as f64 / 1e6
    }
}

/// When the program began, and how long it took to load its model.
#[derive(Debug, Clone, Copy)]
pub struct Loading {
    /// The machine's clock at the program's first instruction, in nanoseconds.
    pub began_ns: u64,
    /// Nanoseconds until the model could be used.
    pub ns: u64,
}

/// How far and how to generate.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Tokens at most.
    pub tokens: Option<usize>,
    /// Go on after the end of text.
    pub ignore_eos: bool,
}

/// What came of a generation.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The tokens, without the one that ended the text.
    pub ids: Vec<u32>,
    /// Their text.
    pub text: String,
    /// Why it ended.
    pub stop: Stop,
    /// The machine's clock when each was chosen, in nanoseconds.
    pub chosen_ns: Vec<u64>,
}

impl Generated {
    /// Nothing, because Ctrl-C came first.
    #[must_use]
    pub fn interrupted() -> Self {
        Generated {
            ids: Vec::new(),
            text: String::new(),
            stop: Stop::Interrupted,
            chosen_ns: Vec::new(),
        }
    }
}

/// A text under way. The network has read every token but, between two calls, the one that was
/// chosen last.
pub struct Session<'m, M: Machine> {
    machine: &'m M,
    loaded: &'m mut Loaded,
    sampler: Sampler,
    /// For the token after the last one fed; empty before the first.
    logits: Vec<f32>,
    /// A token chosen but not read yet.
    pending: Option<u32>,
    /// Reading prompts.
    pub prompt: Pace,
    /// Passes through the network during generation, sampling and printing included.
    pub generation: Pace,
}

impl<'m, M: Machine> Session<'m, M> {
    /// A session at the beginning of a text.
    ///
    /// # Errors
    /// A sampling option out of range.
    pub fn new(
        machine: &'m M,
        loaded: &'m mut Loaded,
        sampling: SamplerOptions,
    ) -> Result<Self, Error> {
        loaded.transformer.reset();
        Ok(Session {
            machine,
            loaded,
            sampler: Sampler::new(sampling)?,
            logits: Vec::new(),
            pending: None,
            prompt: Pace::default(),
            generation: Pace::default(),
        })
    }

    /// The model's tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.loaded.tokenizer
    }

    /// Positions left.
    #[must_use]
    pub fn room(&self) -> usize {
        let transformer = &self.loaded.transformer;
        let taken = transformer.position() + usize::from(self.pending.is_some());
        transformer.context().saturating_sub(taken)
    }

    /// Whether nothing was read yet.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.loaded.transformer.position() == 0
    }

    /// Forgets everything that was read.
    pub fn restart(&mut self) {
        self.loaded.transformer.reset();
        self.logits.clear();
        self.pending = None;
    }

    /// Reads tokens; false, with nothing read, if Ctrl-C stopped it in between.
    ///
    /// # Errors
    /// [`Error::ContextFull`], with nothing read, if they do not fit; [`Error::UnknownToken`].
    pub fn feed(&mut self, ids: &[u32]) -> Result<bool, Error> {
        let size = self.loaded.config.vocab_size;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= size) {
            return Err(Error::UnknownToken { id, size });
        }
        if ids.len() > self.room() {
            return Err(Error::ContextFull {
                wanted: ids.len(),
                room: self.room(),
                max: self.loaded.config.context_length,
            });
        }
        let start = self.machine.time_ns();
        let before = self.loaded.transformer.position();
        let all: Vec<u32> = self
            .pending
            .into_iter()
            .chain(ids.iter().copied())
            .collect();
        for batch in all.chunks(BATCH) {
            if self.machine.interrupted() {
                self.loaded.transformer.truncate(before);
                return Ok(false);
            }
            let logits = self.loaded.transformer.forward(batch)?;
            self.logits.clear();
            self.logits.extend_from_slice(logits);
            self.prompt.tokens += batch.len() as u64;
        }
        self.pending = None;
        for &id in ids {
            self.sampler.accept(id);
        }
        self.prompt.ns += self.machine.time_ns() - start;
        Ok(true)
    }

    /// Chooses and reads tokens until something stops it; `show` gets the text as it comes.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`] if nothing was read before.
    pub fn generate(
        &mut self,
        limits: Limits,
        show: &mut dyn FnMut(&str),
    ) -> Result<Generated, Error> {
        if self.logits.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let start = self.machine.time_ns();
        let mut stream = Utf8Stream::new();
        let mut out = Generated {
            ids: Vec::new(),
            text: String::new(),
            stop: Stop::Limit,
            chosen_ns: Vec::new(),
        };
        let mut bytes = Vec::new();
        out.stop = loop {
            if limits.tokens.is_some_and(|most| out.ids.len() >= most) {
                break Stop::Limit;
            }
            if self.machine.interrupted() {
                break Stop::Interrupted;
            }
            if let Some(id) = self.pending {
                if self.loaded.transformer.position() == self.loaded.transformer.context() {
                    break Stop::ContextFull;
                }
                let logits = self.loaded.transformer.forward(&[id])?;
                self.logits.clear();
                self.logits.extend_from_slice(logits);
                self.pending = None;
                self.generation.tokens += 1;
            }
            let id = self.sampler.sample(&mut self.logits);
            if self.loaded.tokenizer.is_end(id) && !limits.ignore_eos {
                break Stop::EndOfText;
            }
            self.sampler.accept(id);
            self.pending = Some(id);
            out.ids.push(id);
            out.chosen_ns.push(self.machine.time_ns());
            bytes.clear();
            self.loaded.tokenizer.decode(id, &mut bytes);
            let text = stream.push(&bytes);
            if !text.is_empty() {
                show(&text);
                out.text.push_str(&text);
            }
        };
        let rest = stream.finish();
        if !rest.is_empty() {
            show(&rest);
            out.text.push_str(&rest);
        }
        self.generation.ns += self.machine.time_ns() - start;
        Ok(out)
    }
}
