//! Teacher forcing: what would the model have said at each place of a given text?

use alloc::string::String;
use alloc::vec::Vec;

use llama_sampler::{greedy, log_probability};

use crate::error::Error;
use crate::json::Json;
use crate::load::Loaded;
use crate::machine::Machine;
use crate::program::timings;
use crate::session::{BATCH, Loading, Pace};

/// What the model thought of one token, given those before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The token of the text.
    pub token: u32,
    /// Its logit.
    pub logit: f32,
    /// The model's own choice.
    pub top1: u32,
    /// Its logit.
    pub top1_logit: f32,
    /// Natural logarithm of the probability of `token`.
    pub log_prob: f64,
}

/// Judges every token of `ids` but the first, which has nothing before it.
///
/// # Errors
/// The tokens do not fit the context, are not of this model, or are fewer than two.
pub fn judge(loaded: &mut Loaded, ids: &[u32]) -> Result<Vec<Judgement>, Error> {
    let size = loaded.config.vocab_size;
    if let Some(&id) = ids.iter().find(|&&id| id as usize >= size) {
        return Err(Error::UnknownToken { id, size });
    }
    let transformer = &mut loaded.transformer;
    transformer.reset();
    // The last token is judged, not read.
    let Some((_, read)) = ids.split_last().filter(|(_, read)| !read.is_empty()) else {
        return Err(Error::TooFewTokens { found: ids.len() });
    };
    if read.len() > transformer.context() {
        return Err(Error::ContextFull {
            wanted: read.len(),
            room: transformer.context(),
            max: loaded.config.context_length,
        });
    }
    let mut judgements = Vec::new();
    let mut next = ids[1..].iter();
    for batch in read.chunks(BATCH) {
        let logits = transformer.forward_all(batch)?;
        for (logits, &token) in logits.chunks_exact(size).zip(&mut next) {
            let top1 = greedy(logits);
            judgements.push(Judgement {
                token,
                logit: logits[token as usize],
                top1,
                top1_logit: logits[top1 as usize],
                log_prob: log_probability(logits, token),
            });
        }
    }
    Ok(judgements)
}

/// Judges `ids` and prints one line of JSON.
///
/// # Errors
/// As [`judge`].
pub fn run<M: Machine>(
    machine: &M,
    loaded: &mut Loaded,
    ids: &[u32],
    loading: Loading,
) -> Result<(), Error> {
    let start = machine.time_ns();
    let judgements = judge(loaded, ids)?;
    let prompt = Pace {
        tokens: judgements.len() as u64,
        ns: machine.time_ns() - start,
    };
    machine.write(&report(ids, &judgements, loading, prompt));
    Ok(())
}

/// exp of the mean negative log probability.
fn perplexity(judgements: &[Judgement]) -> f64 {
    let sum: f64 = judgements.iter().map(|judgement| judgement.log_prob).sum();
    llama_sampler::exp(-sum / judgements.len() as f64)
}

fn report(ids: &[u32], judgements: &[Judgement], loading: Loading, prompt: Pace) -> String {
    let mut json = Json::object();
    json.key("tokens").integers(ids);
    json.key("positions").array();
    for (index, judgement) in judgements.iter().enumerate() {
        json.begin();
        json.key("position").integer(index as u64 + 1);
        json.key("token").integer(judgement.token.into());
        json.key("logit").float(judgement.logit.into());
        json.key("top1").integer(judgement.top1.into());
        json.key("top1_logit").float(judgement.top1_logit.into());
        json.key("log_prob").float(judgement.log_prob);
        json.end();
    }
    json.end_array();
    json.key("perplexity").float(perplexity(judgements));
    timings(&mut json, loading, prompt, Pace::default(), &[]);
    json.line()
}
