//! The engine's command-line options, shared by every program that runs it.
//!
//! ```text
//!  command line --clap, parse--> EngineArgs --config()--> engine::tier::Config --> the engine
//!                                          \--outputs()-> Outputs --write(), at the end of the run--> files
//! ```
//!
//! What clap accepts is right: a threshold that is no number or a tier that does not exist is refused while the command
//! line is read, with the option's name. What depends on the disk is refused by [`EngineArgs::config`] and
//! [`EngineArgs::outputs`], before the program starts.

#![forbid(unsafe_code)]

mod error;
mod outputs;
mod parse;

pub use error::Error;
pub use outputs::{Content, Outputs};
pub use parse::{Four, Rule};

use engine::tier::{Config, Dump, Mode, Override, Thresholds};
use std::path::PathBuf;

/// For the end of a program's `--help`: what the options are about.
pub const EXPLANATION: &str = "\
How the engine runs a program:
  Every function starts in the interpreter. Calls and backward jumps of loops heat it up; at each threshold it is
  compiled at the next tier, O0 to O3, by a thread of its own while the program goes on. A loop that is running moves
  into the new code at its head (on-stack replacement), so a main that is called once becomes fast, too. What was seen on
  the way, such as constant arguments, targets of indirect calls and branches taken, shapes the code of O2 and O3.

Patterns of functions: `*` stands for any text, e.g. `mul*`. The first --function that matches a function counts.";

/// Options that choose tiers, limits, and what is written about the run.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// Tiers of all functions: auto (by heat), interp (never compile), or everything at O0, O1, O2 or O3
    #[arg(long, value_name = "TIER", default_value = "auto", value_parser = parse::tier)]
    pub tier: Mode,
    /// Calls after which a function is compiled at O0, O1, O2 and O3
    #[arg(long, value_name = "N,N,N,N", default_value_t = Four(Thresholds::default().calls), value_parser = parse::four)]
    pub thresholds: Four,
    /// The same in backward jumps of its loops
    #[arg(long, value_name = "N,N,N,N", default_value_t = Four(Thresholds::default().back_edges), value_parser = parse::four)]
    pub loop_thresholds: Four,
    /// Say otherwise for some functions: PATTERN=tier:TIER, PATTERN=thresholds:N,N,N,N or
    /// PATTERN=loop-thresholds:N,N,N,N (repeatable)
    #[arg(long = "function", value_name = "PATTERN=...", value_parser = parse::rule)]
    pub functions: Vec<Rule>,
    /// Leave running loops where they are: faster code begins with the next call
    #[arg(long)]
    pub no_osr: bool,
    /// Make no variants for arguments and call targets that were seen often
    #[arg(long)]
    pub no_specialise: bool,
    /// Record nothing but calls and loops; code of O2 and O3 is then made without knowledge of the run
    #[arg(long)]
    pub no_profile: bool,
    /// Memory for compiled code, in MiB; when it is full, the coldest code goes
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub code_limit: u16,
    /// 1: compile beside the program, on one thread; 0: who asks for code waits for it, which makes runs repeatable
    #[arg(long, value_name = "0|1", default_value_t = 1, value_parser = parse::compilers)]
    pub compilers: u8,
    /// Write IR and assembly of each compile into this folder: FUNCTION.TIER.ll and FUNCTION.TIER.s
    #[arg(long, value_name = "DIR", help_heading = REPORTS)]
    pub dump: Option<PathBuf>,
    /// Only of these functions
    #[arg(long, value_name = "PATTERN", default_value = "*", requires = "dump", help_heading = REPORTS)]
    pub dump_function: String,
    /// At the end, write what each function cost, and why it was or was not promoted; `-` is standard error
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub report: Option<PathBuf>,
    /// The same as JSON
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub report_json: Option<PathBuf>,
    /// Write when compiles, swaps, loop entries and evictions happened: Chrome trace JSON, for ui.perfetto.dev
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub trace: Option<PathBuf>,
    /// Events kept for the trace; when there are more, the oldest go
    #[arg(long, value_name = "N", default_value_t = 65_536, requires = "trace", help_heading = REPORTS)]
    pub trace_events: u32,
    /// Name compiled code for Linux's `perf report` as it is made: /tmp/perf-PID.map, which stays
    #[arg(long, help_heading = REPORTS)]
    pub perf_map: bool,
    /// Make every loop leave the interpreter at its first backward jump, and O0 and O1 code at every few
    #[arg(long, help_heading = TESTS)]
    pub force_osr: bool,
    /// With --force-osr: passes of loop headers between two polls of O0 and O1 code
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..), requires = "force_osr", help_heading = TESTS)]
    pub force_osr_every: u32,
    /// Only these loops, the others never: function and number of the header's block, as the report has them (repeatable)
    #[arg(long, value_name = "FUNCTION:BLOCK", value_delimiter = ',', value_parser = parse::place, requires = "force_osr", help_heading = TESTS)]
    pub force_osr_at: Vec<(String, u32)>,
    /// Let functions change tiers at random points, from this seed
    #[arg(long, value_name = "SEED", help_heading = TESTS)]
    pub shuffle: Option<u64>,
}

const REPORTS: &str = "Reports";
const TESTS: &str = "Tests of the engine";

impl EngineArgs {
    /// What the engine is told; makes the folder of `--dump`.
    ///
    /// # Errors
    /// The folder can neither be found nor made.
    pub fn config(&self) -> Result<Config, Error> {
        let dump = match &self.dump {
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(|source| Error::Folder {
                    folder: folder.clone(),
                    source,
                })?;
                // The program may change its working directory.
                let folder = std::path::absolute(folder).map_err(|source| Error::Folder {
                    folder: folder.clone(),
                    source,
                })?;
                Some(Dump {
                    folder,
                    pattern: self.dump_function.clone(),
                })
            }
            None => None,
        };
        let thresholds = Thresholds {
            calls: self.thresholds.0,
            back_edges: self.loop_thresholds.0,
        };
        Ok(Config {
            mode: self.tier,
            thresholds,
            overrides: overrides(&self.functions, thresholds),
            osr: !self.no_osr,
            specialise: !self.no_specialise,
            profile: !self.no_profile,
            code_limit: usize::from(self.code_limit) << 20,
            trace_events: match &self.trace {
                Some(_) => self.trace_events as usize,
                None => 0,
            },
            compilers: self.compilers.into(),
            dump,
            perf_map: self.perf_map.then(|| {
                let map = perf_map();
                // It may be there of another process that had the number.
                let _ = std::fs::remove_file(&map);
                map
            }),
            force_osr: self.force_osr,
            forced_interval: self.force_osr_every,
            forced_loops: (!self.force_osr_at.is_empty()).then(|| self.force_osr_at.clone()),
            shuffle: self.shuffle,
        })
    }

    /// Files to be written at the end of the run. They are made now, empty: a path that cannot be written is found out
    /// before the program runs for an hour.
    ///
    /// # Errors
    /// One of the files cannot be made.
    pub fn outputs(&self) -> Result<Outputs, Error> {
        Outputs::prepare([
            (Content::Report, self.report.as_deref()),
            (Content::ReportJson, self.report_json.as_deref()),
            (Content::Trace, self.trace.as_deref()),
        ])
    }
}

/// Where `perf` looks for the names of this process's code.
fn perf_map() -> PathBuf {
    PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()))
}

/// One override for each pattern, in the order in which the patterns came. What is said of a pattern twice: the later
/// counts.
fn overrides(rules: &[Rule], all: Thresholds) -> Vec<Override> {
    let mut list: Vec<Override> = Vec::new();
    for rule in rules {
        let known = list.iter().position(|o| o.pattern == rule.pattern);
        let at = known.unwrap_or_else(|| {
            list.push(Override {
                pattern: rule.pattern.clone(),
                mode: None,
                thresholds: None,
            });
            list.len() - 1
        });
        let thresholds = &mut list[at].thresholds;
        match rule.what {
            parse::What::Tier(mode) => list[at].mode = Some(mode),
            parse::What::Calls(calls) => thresholds.get_or_insert(all).calls = calls.0,
            parse::What::Loops(jumps) => thresholds.get_or_insert(all).back_edges = jumps.0,
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};
    use engine::Level;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        engine: EngineArgs,
    }

    fn parse(words: &[&str]) -> Result<EngineArgs, String> {
        Cli::try_parse_from(["x"].iter().chain(words))
            .map(|c| c.engine)
            .map_err(|e| e.to_string())
    }

    fn config(words: &[&str]) -> Config {
        parse(words).unwrap().config().unwrap()
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_options_the_engine_has_its_defaults_and_keeps_no_trace() {
        let expected = Config {
            trace_events: 0,
            ..Config::default()
        };
        assert_eq!(config(&[]), expected);
    }

    #[test]
    fn every_option_reaches_the_engine() {
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("a/b");
        let trace = folder.path().join("t.json");
        let got = config(&[
            "--tier=O1",
            "--thresholds=1,2,3,4",
            "--loop-thresholds=5,6,7,8",
            "--no-osr",
            "--no-specialise",
            "--no-profile",
            "--code-limit=2",
            "--compilers=0",
            "--dump",
            dump.to_str().unwrap(),
            "--dump-function=m*",
            "--trace",
            trace.to_str().unwrap(),
            "--trace-events=99",
            "--perf-map",
            "--force-osr",
            "--force-osr-every=9",
            "--force-osr-at=main:3,a::b:12",
            "--shuffle=7",
        ]);
        let expected = Config {
            mode: Mode::Fixed(Level::O1),
            thresholds: Thresholds {
                calls: [1, 2, 3, 4],
                back_edges: [5, 6, 7, 8],
            },
            overrides: vec![],
            osr: false,
            specialise: false,
            profile: false,
            code_limit: 2 << 20,
            trace_events: 99,
            compilers: 0,
            dump: Some(Dump {
                folder: dump.clone(),
                pattern: "m*".into(),
            }),
            perf_map: Some(perf_map()),
            force_osr: true,
            forced_interval: 9,
            forced_loops: Some(vec![("main".into(), 3), ("a::b".into(), 12)]),
            shuffle: Some(7),
        };
        assert_eq!(got, expected);
        assert!(dump.is_dir());
    }

    #[test]
    fn rules_of_one_pattern_are_one_override() {
        let got = config(&[
            "--thresholds=1,2,3,4",
            "--function=k*=tier:O3",
            "--function=main=tier:interp",
            "--function=k*=loop-thresholds:10,20,30,40",
            "--function=k*=tier:auto",
        ]);
        let expected = vec![
            Override {
                pattern: "k*".into(),
                mode: Some(Mode::Auto),
                thresholds: Some(Thresholds {
                    calls: [1, 2, 3, 4],
                    back_edges: [10, 20, 30, 40],
                }),
            },
            Override {
                pattern: "main".into(),
                mode: Some(Mode::Interpret),
                thresholds: None,
            },
        ];
        assert_eq!(got.overrides, expected);
    }

    #[test]
    fn a_refusal_names_the_option_and_what_it_wants() {
        for (word, parts) in [
            ("--tier=O4", ["--tier", "interp"]),
            ("--tier=fast", ["--tier", "auto"]),
            ("--thresholds=1,2,3", ["--thresholds", "four"]),
            ("--thresholds=1,2,x,4", ["--thresholds", "\"x\""]),
            ("--loop-thresholds=9,8,7,6", ["--loop-thresholds", "9,8"]),
            ("--function=main", ["--function", "PATTERN=tier:"]),
            ("--function=main=speed:9", ["--function", "speed"]),
            ("--function==tier:O1", ["--function", "pattern"]),
            ("--compilers=2", ["--compilers", "one thread"]),
            ("--compilers=many", ["--compilers", "0 or 1"]),
            ("--code-limit=0", ["--code-limit", "1..=1024"]),
            ("--dump-function=x", ["--dump", "required"]),
            ("--force-osr-at=main:1", ["--force-osr", "required"]),
            ("--force-osr-at=main", ["--force-osr-at", "FUNCTION:BLOCK"]),
        ] {
            let error = parse(&[word]).unwrap_err();
            assert!(parts.iter().all(|p| error.contains(p)), "{word}: {error}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let inside = file.path().join("dump");
        let args = parse(&["--dump", inside.to_str().unwrap()]).unwrap();
        let error = args.config().unwrap_err().to_string();
        assert!(error.contains(inside.to_str().unwrap()), "{error}");
    }
}
