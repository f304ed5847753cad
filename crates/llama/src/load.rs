//! From a file to a model that is ready to speak.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};

use llama_chat::Template;
use llama_model::{Model, ModelConfig, ModelError, Vocabulary, llama2c};
use llama_tokenizer::Tokenizer;

use crate::error::Error;
use crate::machine::Machine;
use crate::options::Options;
use crate::transformer::Transformer;

/// Where a model is looked for if none is named.
const DEFAULT_MODEL: &str = "/model/model.gguf";

/// Positions kept if nothing else is said: more costs memory that few conversations need.
const DEFAULT_CONTEXT: usize = 2048;

/// Everything about a model.
pub struct Loaded {
    /// What the file calls it, or the file's name.
    pub name: String,
    /// Shape of the network.
    pub config: ModelConfig,
    /// Text to tokens and back.
    pub tokenizer: Tokenizer,
    /// Its chat form, if it has one we know.
    pub template: Option<Template>,
    /// The network.
    pub transformer: Transformer,
}

impl Loaded {
    /// Opens, checks and loads what the options name; `progress` is told percent.
    ///
    /// # Errors
    /// [`Error`] with the file and what to do.
    pub fn load<M: Machine>(
        machine: &M,
        options: &Options,
        progress: &mut dyn FnMut(&str, u32),
    ) -> Result<Self, Error> {
        let path = options.model.as_deref().unwrap_or(DEFAULT_MODEL);
        let file = open(machine, path)?;
        let in_file = |source: ModelError| Error::Model {
            path: path.into(),
            source: Box::new(source),
        };
        let mut model = Model::open(&file).map_err(in_file)?;
        let name = model
            .name
            .clone()
            .unwrap_or_else(|| file_name(path).to_string());
        progress(&name, 0);

        let max = model.config.context_length;
        let context = options.context.unwrap_or(max.min(DEFAULT_CONTEXT));
        if context == 0 {
            return Err(Error::Zero {
                option: "--context",
            });
        }
        if context > max {
            return Err(Error::ContextTooLarge {
                wanted: context,
                max,
            });
        }
        // More threads than processors only wait for each other.
        let processors = machine.cpu_count();
        let threads = options
            .threads
            .map_or(processors, |threads| threads.min(processors));
        if threads == 0 {
            return Err(Error::Zero {
                option: "--threads",
            });
        }

        let (vocabulary, vocabulary_path) = match model.vocabulary.take() {
            Some(vocabulary) => (vocabulary, path.to_string()),
            None => separate_vocabulary(machine, options, path, model.config.vocab_size)?,
        };
        let tokenizer = Tokenizer::new(vocabulary).map_err(|source| Error::Tokenizer {
            path: vocabulary_path,
            source,
        })?;
        let eos = tokenizer.vocabulary().eos;
        let eos = eos.map_or("", |id| tokenizer.vocabulary().tokens.get(id as usize));
        let template = model
            .chat_template
            .as_deref()
            .and_then(|jinja| Template::detect(jinja, eos));

        let mut told = 0;
        let mut report = |done: u64, total: u64| {
            let percent = (done * 100 / total.max(1)) as u32;
            if percent >= told + 10 || (percent == 100 && told < 100) {
                told = percent - percent % 10;
                progress(&name, told);
            }
        };
        let transformer =
            Transformer::load(&file, &model, context, threads, &mut report).map_err(|reason| {
                Error::Weights {
                    path: path.into(),
                    reason: reason.to_string(),
                }
            })?;
        Ok(Loaded {
            config: model.config,
            name,
            tokenizer,
            template,
            transformer,
        })
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn open<M: Machine>(machine: &M, path: &str) -> Result<M::File, Error> {
    machine.open(path).map_err(|errno| Error::Open {
        path: path.into(),
        errno,
        advice: match errno {
            2 => "there is no such file on the disk; name one with --model PATH",
            5 => "the disk could not be read",
            12 => "there is not enough memory",
            _ => "is it a file that may be read?",
        },
    })
}

/// The tokenizer file of a llama2.c model: the one named, or one beside the model.
fn separate_vocabulary<M: Machine>(
    machine: &M,
    options: &Options,
    model: &str,
    vocab_size: usize,
) -> Result<(Vocabulary, String), Error> {
    let folder = model.strip_suffix(file_name(model)).unwrap_or_default();
    let beside = [
        format!("{folder}tok{vocab_size}.bin"),
        format!("{folder}tokenizer.bin"),
    ];
    let path = match &options.tokenizer {
        Some(path) => path.clone(),
        None => beside
            .into_iter()
            .find(|path| machine.open(path).is_ok())
            .ok_or_else(|| Error::Open {
                path: format!("{folder}tokenizer.bin"),
                errno: 2,
                advice: "a llama2.c model needs its tokenizer: name it with --tokenizer PATH",
            })?,
    };
    let file = open(machine, &path)?;
    match llama2c::parse_tokenizer(&file, vocab_size) {
        Ok(vocabulary) => Ok((vocabulary, path)),
        Err(source) => Err(Error::Model {
            path,
            source: Box::new(source),
        }),
    }
}
