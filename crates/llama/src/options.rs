//! The command line: one table for parsing, help and suggestions.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use llama_sampler::SamplerOptions;

use crate::error::Error;

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Say what the options are.
    Help,
    /// Continue a text.
    Complete(String),
    /// Answer one question, in the model's chat form.
    Answer(String),
    /// Read lines from the console until the input ends; chat if asked for or if the model can.
    Interactive {
        /// `--chat` was given: refuse a model without a template.
        chat: bool,
    },
    /// Feed these tokens and report what the model would have said.
    EvalTokens(Vec<u32>),
    /// The same for the tokens of a text.
    EvalText(String),
}

impl Task {
    /// Whether what is generated is an answer rather than the rest of a text.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        matches!(self, Task::Answer(_))
    }
}

/// The command line, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What to do.
    pub task: Task,
    /// Model file.
    pub model: Option<String>,
    /// Tokenizer file of a llama2.c model.
    pub tokenizer: Option<String>,
    /// The system's words in a chat.
    pub system: Option<String>,
    /// Tokens to generate at most; `None`: until the end.
    pub tokens: Option<usize>,
    /// How to choose tokens.
    pub sampling: SamplerOptions,
    /// Whether a seed was given; otherwise every run has another one.
    pub seeded: bool,
    /// Positions of the context, if not the default.
    pub context: Option<usize>,
    /// Threads, if not one per processor.
    pub threads: Option<usize>,
    /// Report as one line of JSON, and nothing else.
    pub json: bool,
    /// Tell more about the model and the speed.
    pub stats: bool,
    /// Go on after the end-of-text token.
    pub ignore_eos: bool,
}

/// An option as the help shows it.
struct Spec {
    name: &'static str,
    aliases: &'static [&'static str],
    /// What stands for the value; empty for a switch.
    value: &'static str,
    help: &'static str,
}

const fn spec(
    name: &'static str,
    aliases: &'static [&'static str],
    value: &'static str,
    help: &'static str,
) -> Spec {
    Spec {
        name,
        aliases,
        value,
        help,
    }
}

/// Every option there is.
const SPECS: [Spec; 21] = [
    spec(
        "--prompt",
        &["-p"],
        "TEXT",
        "continue this text; without it, read from the console",
    ),
    spec(
        "--chat",
        &[],
        "",
        "answer the prompt in the model's chat form; interactive: refuse a model without one",
    ),
    spec(
        "--system",
        &[],
        "TEXT",
        "instructions for the chat [what the model's template says]",
    ),
    spec(
        "--tokens",
        &["-n"],
        "N",
        "generate at most N tokens; 0: until the end of the text [256]",
    ),
    spec(
        "--temperature",
        &["--temp"],
        "T",
        "0 always takes the most likely token; higher is wilder [0.8]",
    ),
    spec(
        "--top-k",
        &[],
        "K",
        "only the K most likely tokens; 0: all [40]",
    ),
    spec(
        "--top-p",
        &[],
        "P",
        "only the most likely tokens that together reach P; 1: all [0.95]",
    ),
    spec(
        "--min-p",
        &[],
        "P",
        "only tokens at least P times as likely as the best; 0: all [0.05]",
    ),
    spec(
        "--repeat-penalty",
        &[],
        "X",
        "make recent tokens less likely; 1: off [1]",
    ),
    spec(
        "--repeat-window",
        &[],
        "N",
        "how many tokens are recent [64]",
    ),
    spec(
        "--seed",
        &[],
        "N",
        "same seed, same text, on every machine [another one each time]",
    ),
    spec(
        "--context",
        &["-c"],
        "N",
        "positions to keep [what the model has, at most 2048]",
    ),
    spec(
        "--threads",
        &["-t"],
        "N",
        "threads to compute on, at most one per processor [as many]",
    ),
    spec(
        "--model",
        &["-m"],
        "PATH",
        "model file: GGUF or llama2.c [/model/model.gguf]",
    ),
    spec(
        "--tokenizer",
        &[],
        "PATH",
        "tokenizer of a llama2.c model [tokenizer.bin beside the model]",
    ),
    spec("--ignore-eos", &[], "", "go on after the end-of-text token"),
    spec(
        "--json",
        &[],
        "",
        "print one line of JSON: token ids, text, timings",
    ),
    spec(
        "--eval",
        &[],
        "IDS",
        "feed tokens (1,2,3) and print, as JSON, what the model thought of each",
    ),
    spec(
        "--eval-text",
        &[],
        "TEXT",
        "the same for the tokens of a text",
    ),
    spec(
        "--stats",
        &[],
        "",
        "tell more about the model, the memory and the speed",
    ),
    spec("--help", &["-h"], "", "this text"),
];

/// Tokens generated if nothing else is said.
const DEFAULT_TOKENS: usize = 256;

/// What `--help` prints.
#[must_use]
pub fn help() -> String {
    let mut text = String::from(
        "llama: runs a language model of the Llama family.\n\n\
         Examples:\n\
         \x20 --prompt 'Once upon a time' -n 64              continue a text\n\
         \x20 --chat --prompt 'Why is the sky blue?'         answer a question\n\
         \x20 --prompt '1, 2, 3,' --temperature 0 --json     greedy, for programs\n\
         \x20 (nothing)                                      talk\n\n\
         Options:\n",
    );
    for option in &SPECS {
        let mut names = option
            .aliases
            .first()
            .map_or(String::new(), |alias| format!("{alias}, "));
        names.push_str(option.name);
        if !option.value.is_empty() {
            names.push(' ');
            names.push_str(option.value);
        }
        text.push_str(&format!("  {names:<24} {}\n", option.help));
    }
    text.push_str(
        "\nWhile it talks: Ctrl-C stops the answer, /new forgets the conversation, /exit ends.\n",
    );
    text
}

impl Options {
    /// Parses arguments: `--name value`, `--name=value` or `-n value`.
    ///
    /// # Errors
    /// [`Error`] that names the argument, and the option it may have been meant to be.
    pub fn parse(arguments: &[String]) -> Result<Self, Error> {
        let mut options = Options {
            task: Task::Interactive { chat: false },
            model: None,
            tokenizer: None,
            system: None,
            tokens: Some(DEFAULT_TOKENS),
            sampling: SamplerOptions::default(),
            seeded: false,
            context: None,
            threads: None,
            json: false,
            stats: false,
            ignore_eos: false,
        };
        let (mut prompt, mut chat, mut eval) = (None, false, None);
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, attached) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ => (argument.as_str(), None),
            };
            let spec = find(name).ok_or_else(|| Error::UnknownOption {
                found: name.into(),
                nearest: nearest(name),
            })?;
            let value = match (spec.value.is_empty(), attached) {
                (true, None) => "",
                (true, Some(_)) => return Err(Error::NoValue { option: spec.name }),
                (false, Some(value)) => value,
                (false, None) => rest.next().ok_or(Error::MissingValue {
                    option: spec.name,
                    value: spec.value,
                })?,
            };
            let sampling = &mut options.sampling;
            match spec.name {
                "--prompt" => prompt = Some(value.to_string()),
                "--chat" => chat = true,
                "--system" => options.system = Some(value.into()),
                "--tokens" => options.tokens = Some(number(spec, value)?).filter(|&n| n > 0),
                "--temperature" => sampling.temperature = number(spec, value)?,
                "--top-k" => sampling.top_k = number(spec, value)?,
                "--top-p" => sampling.top_p = number(spec, value)?,
                "--min-p" => sampling.min_p = number(spec, value)?,
                "--repeat-penalty" => sampling.repeat_penalty = number(spec, value)?,
                "--repeat-window" => sampling.repeat_window = number(spec, value)?,
                "--seed" => {
                    sampling.seed = number(spec, value)?;
                    options.seeded = true;
                }
                "--context" => options.context = Some(number(spec, value)?),
                "--threads" => options.threads = Some(number(spec, value)?),
                "--model" => options.model = Some(value.into()),
                "--tokenizer" => options.tokenizer = Some(value.into()),
                "--ignore-eos" => options.ignore_eos = true,
                "--json" => options.json = true,
                "--eval" => eval = Some(Task::EvalTokens(ids(spec, value)?)),
                "--eval-text" => eval = Some(Task::EvalText(value.into())),
                "--stats" => options.stats = true,
                _ => {
                    options.task = Task::Help;
                    return Ok(options);
                }
            }
        }
        options.sampling.validate()?;
        options.task = match (eval, prompt) {
            // An appliance may have a prompt among its default arguments.
            (Some(eval), _) => eval,
            (None, Some(prompt)) if chat => Task::Answer(prompt),
            (None, Some(prompt)) => Task::Complete(prompt),
            (None, None) if options.json => return Err(Error::JsonNeedsPrompt),
            (None, None) => Task::Interactive { chat },
        };
        Ok(options)
    }
}

fn find(name: &str) -> Option<&'static Spec> {
    SPECS
        .iter()
        .find(|spec| spec.name == name || spec.aliases.contains(&name))
}

fn number<T: core::str::FromStr>(spec: &Spec, value: &str) -> Result<T, Error> {
    value.trim().parse().map_err(|_| Error::BadValue {
        option: spec.name,
        found: value.into(),
    })
}

/// Token ids separated by commas or spaces, brackets allowed.
fn ids(spec: &Spec, value: &str) -> Result<Vec<u32>, Error> {
    value
        .trim_matches(['[', ']', ' '])
        .split([',', ' '])
        .filter(|part| !part.is_empty())
        .map(|part| number(spec, part))
        .collect()
}

/// The option that differs least from `name`, if it is near.
fn nearest(name: &str) -> Option<&'static str> {
    let names = SPECS
        .iter()
        .flat_map(|spec| spec.aliases.iter().chain([&spec.name]));
    names
        .filter(|known| known.starts_with("--"))
        .map(|known| (distance(name, known), *known))
        .min()
        .filter(|&(distance, known)| distance <= known.len() / 3)
        .map(|(_, known)| known)
}

/// Edits that make one name of the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, &to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Options, Error> {
        Options::parse(&line.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn values_are_read_in_every_form() {
        let options = parse(&[
            "--prompt=a=b",
            "-n",
            "5",
            "--temp",
            "0",
            "--seed",
            "7",
            "--json",
        ])
        .unwrap();
        assert_eq!(options.task, Task::Complete("a=b".into()));
        assert_eq!(options.tokens, Some(5));
        assert_eq!(options.sampling.temperature, 0.0);
        assert_eq!(
            (options.sampling.seed, options.seeded, options.json),
            (7, true, true)
        );
        assert_eq!(parse(&["-n", "0", "-p", "x"]).unwrap().tokens, None);
        assert_eq!(
            parse(&["-p", "--x", "--chat"]).unwrap().task,
            Task::Answer("--x".into())
        );
        assert_eq!(
            parse(&["--eval", "[1, 2,3]"]).unwrap().task,
            Task::EvalTokens([1, 2, 3].into())
        );
        let both = parse(&["-p", "x", "--eval", "1,2"]).unwrap().task;
        assert_eq!(both, Task::EvalTokens([1, 2].into()));
        assert_eq!(
            parse(&["--chat"]).unwrap().task,
            Task::Interactive { chat: true }
        );
        assert_eq!(parse(&["--help", "--nonsense"]).unwrap().task, Task::Help);
    }

    #[test]
    fn mistakes_are_explained() {
        let error = |line: &[&str]| parse(line).unwrap_err().to_string();
        assert!(error(&["--temprature", "1"]).contains("did you mean --temperature"));
        assert!(error(&["--promt=x"]).contains("did you mean --prompt"));
        assert!(error(&["--zzzzzzzz"]).contains("--help"));
        assert!(error(&["hello"]).contains("--prompt 'hello'"));
        assert!(error(&["--tokens"]).contains("needs a value"));
        assert!(error(&["--tokens", "many"]).contains("many"));
        assert!(error(&["--json=1", "-p", "x"]).contains("takes no value"));
        assert!(error(&["--top-p", "2", "-p", "x"]).contains("top-p is 2"));
        assert!(error(&["--json"]).contains("--prompt"));
        assert!(error(&["--eval", "1,x"]).contains('x'));
    }

    #[test]
    fn help_knows_every_option() {
        let help = help();
        assert!(SPECS.iter().all(|spec| help.contains(spec.name)));
        assert!(help.lines().all(|line| line.len() <= 120), "{help}");
    }

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("--seed", "--seed"), 0);
    }
}
