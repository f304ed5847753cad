//! The command line: which programs, in which modes.
//!
//! By hand, since this is a test: what `cargo test` passes to tests (`--nocapture`, a part of a name) must be understood.

use crate::modes::{self, Mode};
use crate::programs::{Language, Program};
use std::path::PathBuf;

/// Programs of a full run, and how many of them csmith makes at least.
const PROGRAMS: usize = 300;
const GENERATED: usize = 170;
/// The same in the part that `cargo test` runs.
const GENERATED_IN_PART: usize = 15;
const RUST_IN_PART: usize = 5;
/// Runs of a program in which loops are left, in each mode that does so: each leaves one loop of every function.
const TURNS: usize = 12;
const TURNS_IN_PART: usize = 3;
/// The same of a Rust program, which brings a library of functions with few loops along and compiles for a second.
const RUST_TURNS: usize = 2;

const HELP: &str = "\
usage: ./x differential [OPTIONS]

  --programs N   so many programs: those of the corpus, then csmith's [default: at least 300]
  --modes A,B    only these: interp O0 O1 O2 O3 random osr osr-O0 osr-O1 random+osr auto sync [default: all]
  --filter TEXT  only programs with this in their name, such as loops/ or csmith/17
  --exec FILE    this bareflow-exec, instead of one that is built now
  --round N      other bitcode and other random points than in round 0
  --jobs N       programs at once [default: one per processor]
  --part         what `cargo test` runs: each program of the corpus in two modes, a few of the others";

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Everything, instead of a part that is done in minutes.
    pub full: bool,
    pub programs: Option<usize>,
    pub modes: Vec<Mode>,
    pub filter: Option<String>,
    pub round: u32,
    pub jobs: usize,
    /// The `bareflow-exec` to test; built where none is given.
    pub exec: Option<PathBuf>,
}

/// Reads the command line; `None`: nothing is to be run.
///
/// # Errors
/// Says which argument is not understood.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options {
        full: false,
        programs: None,
        modes: modes::ALL.to_vec(),
        filter: None,
        round: 0,
        jobs,
        exec: None,
    };
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let (name, given) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let mut value = || {
            given
                .clone()
                .or_else(|| arguments.next())
                .ok_or(format!("{name} needs a value"))
        };
        let number = |text: String| {
            text.parse()
                .map_err(|_| format!("{name}: {text:?} is not a number"))
        };
        match name {
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(None);
            }
            "--round" => options.round = number(value()?)? as u32,
            "--exec" => options.exec = Some(value()?.into()),
            "--full" => options.full = true,
            "--part" => options.full = false,
            "--programs" => options.programs = Some(number(value()?)?),
            "--jobs" => options.jobs = number(value()?)?.max(1),
            "--filter" => options.filter = Some(value()?),
            "--modes" => options.modes = value()?.split(',').map(mode).collect::<Result<_, _>>()?,
            // Of `cargo test`.
            "--nocapture" | "--exact" | "--quiet" | "-q" | "--include-ignored" => {}
            "--list" | "--ignored" => return Ok(None),
            "--test-threads" => options.jobs = number(value()?)?.max(1),
            _ if !name.starts_with('-') => options.filter = Some(argument),
            _ => return Err(format!("no such option: {argument}\n\n{HELP}")),
        }
    }
    Ok(Some(options))
}

fn mode(name: &str) -> Result<Mode, String> {
    let found = modes::ALL
        .iter()
        .find(|m| m.name.eq_ignore_ascii_case(name));
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = modes::ALL.iter().map(|m| m.name).collect();
        format!("no mode {name}; there are: {}", names.join(" "))
    })
}

impl Options {
    /// The programs of the corpus that are wanted.
    pub fn choose(&self, corpus: Vec<Program>) -> Vec<Program> {
        let is_wanted = |p: &Program| {
            self.filter
                .as_ref()
                .is_none_or(|f| p.name.contains(f.as_str()))
        };
        let mut chosen: Vec<Program> = corpus.into_iter().filter(is_wanted).collect();
        if !self.full && self.filter.is_none() {
            // rustc takes most of the time.
            let rust = chosen
                .iter()
                .filter(|p| p.language == Language::Rust)
                .count();
            let step = rust.div_ceil(RUST_IN_PART).max(1);
            let mut nth = 0;
            chosen.retain(|p| {
                nth += usize::from(p.language == Language::Rust);
                p.language != Language::Rust || nth % step == 1 % step
            });
        }
        if let Some(most) = self.programs.filter(|n| *n < chosen.len()) {
            // Some of everything.
            let all = chosen.len();
            let mut nth = 0;
            chosen.retain(|_| {
                nth += 1;
                nth * most / all != (nth - 1) * most / all
            });
        }
        chosen
    }

    /// How many programs csmith makes, beside so many of the corpus.
    pub fn generated(&self, corpus: usize) -> usize {
        if let Some(filter) = &self.filter {
            let names_one = self.seed().is_some();
            let names_all = !filter.is_empty() && "csmith/".contains(filter.as_str());
            return match (names_one, names_all) {
                (true, _) => 1,
                (_, true) => self.programs.unwrap_or(GENERATED),
                _ => 0,
            };
        }
        match self.programs {
            Some(all) => all.saturating_sub(corpus),
            None if self.full => GENERATED.max(PROGRAMS.saturating_sub(corpus)),
            None => GENERATED_IN_PART,
        }
    }

    /// Most runs of a program in which loops are left, in a mode.
    pub fn turns(&self, language: Language) -> usize {
        let is_full = self.full || self.filter.is_some();
        let turns = if is_full { TURNS } else { TURNS_IN_PART };
        match language {
            Language::Rust => turns.min(RUST_TURNS),
            Language::C | Language::Csmith => turns,
        }
    }

    /// The seed, when the filter names one program of csmith's.
    pub fn seed(&self) -> Option<u64> {
        self.filter.as_ref()?.strip_prefix("csmith/")?.parse().ok()
    }

    /// The modes this program is run in.
    pub fn modes_of(&self, program: &Program) -> Vec<Mode> {
        let n = self.modes.len();
        if self.full || program.language == Language::Csmith || self.filter.is_some() || n <= 2 {
            return self.modes.clone();
        }
        // Two of them, by the name: over the corpus, all of them alike.
        let first = modes::hash(&program.name) as usize;
        let second = first + 1 + (first / n) % (n - 1);
        [first % n, second % n].map(|i| self.modes[i]).to_vec()
    }
}
