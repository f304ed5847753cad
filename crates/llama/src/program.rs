//! The tasks: continue a text, answer, talk.

use alloc::format;
use alloc::string::String;

use llama_chat::{Template, Turn};
use llama_tokenizer::{Ends, Marks, Tokenizer};

use crate::error::Error;
use crate::evaluate;
use crate::json::Json;
use crate::load::Loaded;
use crate::machine::{Input, Machine};
use crate::options::{self, Options, Task};
use crate::session::{Generated, Limits, Loading, Pace, Session, Stop};

/// Exit code when something could not be done.
const FAILED: i32 = 1;
/// Exit code when the arguments make no sense.
const MISUSED: i32 = 2;

/// Runs the program with these arguments; returns its exit code.
pub fn run<M: Machine>(machine: &M, arguments: &[String]) -> i32 {
    let explain = |error: &Error| machine.write(&format!("llama: {error}\n"));
    let mut options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => {
            explain(&error);
            return MISUSED;
        }
    };
    if !options.seeded {
        // Short enough to be typed again.
        options.sampling.seed = machine.random_seed() >> 32;
    }
    match perform(machine, &options) {
        Ok(()) => 0,
        Err(error) => {
            explain(&error);
            FAILED
        }
    }
}

fn perform<M: Machine>(machine: &M, options: &Options) -> Result<(), Error> {
    if options.task == Task::Help {
        machine.write(&options::help());
        return Ok(());
    }
    let evaluation = matches!(options.task, Task::EvalTokens(_) | Task::EvalText(_));
    let quiet = options.json || evaluation;
    let start = machine.time_ns();
    let mut loaded = Loaded::load(machine, options, &mut |name, percent| {
        if !quiet {
            machine.write(&match percent {
                0 => format!("Loading {name}:"),
                100 => String::from(" 100 %\n"),
                _ => format!(" {percent}"),
            });
        }
    })?;
    let loading = Loading {
        began_ns: start,
        ns: machine.time_ns() - start,
    };
    if options.stats && !quiet {
        machine.write(&describe(&loaded, loading, options));
    }
    match &options.task {
        Task::Help => Ok(()),
        Task::EvalTokens(ids) => evaluate::run(machine, &mut loaded, ids, loading),
        Task::EvalText(text) => {
            let ids = loaded
                .tokenizer
                .encode(text, Marks::AsText, Ends::AsModelWants);
            evaluate::run(machine, &mut loaded, &ids, loading)
        }
        Task::Complete(prompt) => {
            let ids = loaded
                .tokenizer
                .encode(prompt, Marks::Parse, Ends::AsModelWants);
            if !quiet {
                machine.write(prompt);
            }
            once(machine, options, &mut loaded, &ids, loading)
        }
        Task::Answer(prompt) => {
            let template = loaded.template.clone().ok_or(Error::NoTemplate)?;
            let turns = [
                template.open(options.system.as_deref()),
                template.ask(prompt),
            ];
            let ids = encode_turns(&loaded.tokenizer, &turns, Ends::AsModelWants);
            once(machine, options, &mut loaded, &ids, loading)
        }
        Task::Interactive { chat } => match loaded.template.clone() {
            Some(template) => talk(machine, options, &mut loaded, Some(&template)),
            None if *chat => Err(Error::NoTemplate),
            None => talk(machine, options, &mut loaded, None),
        },
    }
}

fn encode_turns(tokenizer: &Tokenizer, turns: &[Turn], ends: Ends) -> alloc::vec::Vec<u32> {
    let parts = turns
        .iter()
        .flatten()
        .map(|(text, marks)| (text.as_str(), *marks));
    tokenizer.encode_parts(parts, ends)
}

fn limits(options: &Options) -> Limits {
    Limits {
        tokens: options.tokens,
        ignore_eos: options.ignore_eos,
    }
}

/// Reads a prompt, continues it, reports.
fn once<M: Machine>(
    machine: &M,
    options: &Options,
    loaded: &mut Loaded,
    ids: &[u32],
    loading: Loading,
) -> Result<(), Error> {
    let mut session = Session::new(machine, loaded, options.sampling)?;
    let mut first = true;
    let generated = if session.feed(ids)? {
        session.generate(limits(options), &mut |text| {
            if !options.json {
                let begins = core::mem::take(&mut first) && options.task.is_answer();
                machine.write(visible(text, begins));
            }
        })?
    } else {
        Generated::interrupted()
    };
    let (prompt, generation) = (session.prompt, session.generation);
    if options.json {
        machine.write(&report_json(
            options,
            ids,
            &generated,
            loading,
            [prompt, generation],
        ));
    } else {
        machine.write(&report(&generated, prompt, generation, session.room()));
    }
    Ok(())
}

/// An answer begins without the space that SentencePiece puts before its first word.
fn visible(text: &str, begins_answer: bool) -> &str {
    if begins_answer {
        text.strip_prefix(' ').unwrap_or(text)
    } else {
        text
    }
}

/// Talks until the input ends: as a chat with a template, else continuing what is typed.
fn talk<M: Machine>(
    machine: &M,
    options: &Options,
    loaded: &mut Loaded,
    template: Option<&Template>,
) -> Result<(), Error> {
    machine.write(match template {
        Some(_) => "Say something; /help tells more.\n",
        None => "Begin a text and the model continues it; /help tells more.\n",
    });
    let mut session = Session::new(machine, loaded, options.sampling)?;
    loop {
        machine.write("\n> ");
        let line = match machine.read_line() {
            Input::Line(line) => line,
            Input::Interrupted => continue,
            Input::End => {
                machine.write("\n");
                return Ok(());
            }
        };
        match line.trim() {
            "" => continue,
            "/exit" | "/quit" => return Ok(()),
            "/new" => {
                session.restart();
                machine.write("[a new conversation]\n");
                continue;
            }
            "/help" => {
                machine
                    .write("Ctrl-C stops the answer, /new forgets the conversation, /exit ends.\n");
                continue;
            }
            _ => {}
        }
        (session.prompt, session.generation) = (Pace::default(), Pace::default());
        let ids = next_turn(&session, options, template, &line);
        match session.feed(&ids) {
            Ok(true) => {}
            Ok(false) => {
                machine.write("[interrupted]\n");
                continue;
            }
            Err(Error::ContextFull { wanted, room, .. }) if !session.is_fresh() => {
                machine.write(&format!(
                    "[the conversation is full: {wanted} tokens to read, room for {room}. /new \
                     begins another one; --context makes more room]\n"
                ));
                continue;
            }
            Err(error @ Error::ContextFull { .. }) => {
                machine.write(&format!("[{error}]\n"));
                continue;
            }
            Err(error) => return Err(error),
        }
        let mut first = true;
        let generated = session.generate(limits(options), &mut |text| {
            machine.write(visible(text, core::mem::take(&mut first)));
        })?;
        let (prompt, generation) = (session.prompt, session.generation);
        machine.write(&report(&generated, prompt, generation, session.room()));
        if template.is_none() {
            session.restart();
        }
    }
}

/// The tokens of what was typed, with what the template puts around it.
fn next_turn<M: Machine>(
    session: &Session<'_, M>,
    options: &Options,
    template: Option<&Template>,
    line: &str,
) -> alloc::vec::Vec<u32> {
    match template {
        None => session
            .tokenizer()
            .encode(line, Marks::AsText, Ends::AsModelWants),
        Some(template) if session.is_fresh() => {
            let turns = [template.open(options.system.as_deref()), template.ask(line)];
            encode_turns(session.tokenizer(), &turns, Ends::AsModelWants)
        }
        Some(template) => {
            let turns = [template.close(), template.ask(line)];
            encode_turns(session.tokenizer(), &turns, Ends::Bare)
        }
    }
}

/// The line after a generation: why it ended if not by itself, and how fast it went.
fn report(generated: &Generated, prompt: Pace, generation: Pace, room: usize) -> String {
    let why = match generated.stop {
        Stop::EndOfText | Stop::Limit => String::new(),
        Stop::Interrupted => String::from("interrupted; "),
        Stop::ContextFull => format!(
            "the context is full ({} tokens generated): --context makes more room; ",
            generated.ids.len()
        ),
    };
    let left = if room < 64 {
        format!("; room for {room} more tokens")
    } else {
        String::new()
    };
    format!(
        "\n[{why}prompt: {} tokens, {:.1} tokens/s; generated: {} tokens, {:.1} tokens/s{left}]\n",
        prompt.tokens,
        prompt.per_second(),
        generated.ids.len(),
        generation.per_second(),
    )
}

/// Writes `timings` into a report; `chosen_ns` is [`Generated::chosen_ns`].
///
/// `main_at_ms` and `first_token_at_ms` are the machine's clock, which on the bare machine runs since the kernel's first instruction;
/// `token_ms` is the time from each token to the next.
pub fn timings(
    json: &mut Json,
    loading: Loading,
    prompt: Pace,
    generation: Pace,
    chosen_ns: &[u64],
) {
    let generated = chosen_ns.len();
    json.key("timings").begin();
    json.key("main_at_ms").float(loading.began_ns as f64 / 1e6);
    json.key("load_ms").float(loading.ns as f64 / 1e6);
    json.key("prompt_tokens").integer(prompt.tokens);
    json.key("prompt_ms").float(prompt.ms());
    json.key("prompt_tokens_per_second")
        .float(prompt.per_second());
    json.key("generated").integer(generated as u64);
    json.key("generate_steps").integer(generation.tokens);
    json.key("generate_ms").float(generation.ms());
    json.key("generate_tokens_per_second")
        .float(generation.per_second());
    if let Some(&first) = chosen_ns.first() {
        json.key("first_token_at_ms").float(first as f64 / 1e6);
    }
    json.key("token_ms").array();
    for pair in chosen_ns.windows(2) {
        json.float(pair[1].saturating_sub(pair[0]) as f64 / 1e6);
    }
    json.end_array();
    json.end();
}

fn report_json(
    options: &Options,
    prompt_ids: &[u32],
    generated: &Generated,
    loading: Loading,
    [prompt, generation]: [Pace; 2],
) -> String {
    let mut json = Json::object();
    json.key("prompt_ids").integers(prompt_ids);
    json.key("generated_ids").integers(&generated.ids);
    json.key("text").string(&generated.text);
    json.key("stop").string(generated.stop.name());
    json.key("seed").integer(options.sampling.seed);
    timings(&mut json, loading, prompt, generation, &generated.chosen_ns);
    json.line()
}

fn describe(loaded: &Loaded, loading: Loading, options: &Options) -> String {
    let config = &loaded.config;
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    format!(
        "{}: {} layers, width {}, feed-forward {}, {} heads ({} for keys and values), {} tokens\n\
         weights {:.1} MiB, {} positions (of {}), {} threads, loaded in {:.0} ms\nseed {}\n",
        loaded.name,
        config.n_layers,
        config.dim,
        config.hidden_dim,
        config.n_heads,
        config.n_kv_heads,
        config.vocab_size,
        mib(loaded.transformer.weight_bytes()),
        loaded.transformer.context(),
        config.context_length,
        loaded.transformer.threads(),
        loading.ns as f64 / 1e6,
        options.sampling.seed,
    )
}
