//! What can go wrong, and what to do about it.

use alloc::boxed::Box;
use alloc::string::String;
use guest::buffer::OutOfMemory;
use llama_model::ModelError;
use llama_sampler::OptionError;
use llama_tokenizer::TokenizerError;
use thiserror::Error;

/// Why the program ends without having done what was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// An argument that is no option.
    #[error("{}", unknown(found, *nearest))]
    UnknownOption {
        /// The argument.
        found: String,
        /// An option with a similar name.
        nearest: Option<&'static str>,
    },
    /// An option at the end that needs a value.
    #[error("{option} needs a value: {option} {value}")]
    MissingValue {
        /// The option.
        option: &'static str,
        /// What its value is.
        value: &'static str,
    },
    /// A value for a switch.
    #[error("{option} takes no value")]
    NoValue {
        /// The option.
        option: &'static str,
    },
    /// A value that is not a number, or too large.
    #[error("{option}: `{found}` is not a number that fits; --help shows examples")]
    BadValue {
        /// The option.
        option: &'static str,
        /// The value.
        found: String,
    },
    /// A sampling option out of its range.
    #[error("--{0}")]
    Sampling(#[from] OptionError),
    /// JSON of a conversation makes no sense.
    #[error("--json needs something to do: add --prompt TEXT, --eval IDS or --eval-text TEXT")]
    JsonNeedsPrompt,
    /// A file cannot be opened.
    #[error("cannot open {path} (error {errno}): {advice}")]
    Open {
        /// The file.
        path: String,
        /// The platform's error number.
        errno: i64,
        /// What to do.
        advice: &'static str,
    },
    /// A file is not a model, or not one we can run.
    #[error("{path}: {source}")]
    Model {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: Box<ModelError>,
    },
    /// Its vocabulary cannot be used.
    #[error("{path}: {source}")]
    Tokenizer {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: TokenizerError,
    },
    /// The weights cannot be loaded.
    #[error("{path}: {reason}")]
    Weights {
        /// The file.
        path: String,
        /// What went wrong.
        reason: String,
    },
    /// `--context` is larger than what the model was made for.
    #[error("--context {wanted}: this model was trained on {max} positions; use at most that")]
    ContextTooLarge {
        /// The value.
        wanted: usize,
        /// What the model has.
        max: usize,
    },
    /// A value of 0 that must be at least 1.
    #[error("{option} must be at least 1")]
    Zero {
        /// The option.
        option: &'static str,
    },
    /// A prompt that does not fit.
    #[error(
        "the text has {wanted} tokens but the context has room for {room}: shorten it, or use a \
         larger --context (this model: at most {max})"
    )]
    ContextFull {
        /// Tokens to be read.
        wanted: usize,
        /// Positions left.
        room: usize,
        /// Positions the model could have.
        max: usize,
    },
    /// No tokens to begin with.
    #[error("there is nothing to continue: the prompt is empty and this model has no begin token")]
    EmptyPrompt,
    /// The KV cache cannot grow.
    #[error("{0}, or use a smaller --context")]
    Memory(#[from] OutOfMemory),
    /// Nothing to judge.
    #[error("there is nothing to evaluate: {found} tokens were given, at least 2 are needed")]
    TooFewTokens {
        /// Tokens given.
        found: usize,
    },
    /// A token id behind the end of the vocabulary.
    #[error(
        "token {id} is not in the vocabulary of {size}: were these ids made for another model?"
    )]
    UnknownToken {
        /// The id.
        id: u32,
        /// Tokens there are.
        size: usize,
    },
    /// Chat with a model that has no template we know.
    #[error(
        "this model has no chat template that is known here (ChatML, Zephyr): leave --chat out \
         to continue text"
    )]
    NoTemplate,
}

fn unknown(found: &str, nearest: Option<&'static str>) -> String {
    match nearest {
        Some(nearest) => alloc::format!("there is no option {found}: did you mean {nearest}?"),
        None if found.starts_with('-') => {
            alloc::format!("there is no option {found}: --help lists them")
        }
        None => alloc::format!(
            "what is `{found}`? A text to continue is given as --prompt '{found}'; --help lists \
             all options"
        ),
    }
}
