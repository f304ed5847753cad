//! Running a program, as machine code and under the engine, and comparing what came out.

use crate::loops::{self, Loops};
use crate::modes::{Mode, Promise};
use crate::options::Options;
use crate::programs::{Language, Program, done};
use crate::report::Failure;
use engine::profile::{LoopReport, ProfileReport, Tier};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Instant;

/// What every program gets. The last line does not end.
const INPUT: &str = "The quick brown fox jumps over the lazy dog.
12 -7 3.25 0x1f 1e3
alpha beta gamma delta

{\"name\": \"x\", \"list\": [1, 2, 3]}
last line without end";
const ARGUMENTS: [&str; 3] = ["alpha", "42", "-7"];

/// A program of csmith's that runs longer than this as machine code may never end, in seconds.
const NATIVE_LIMIT: u32 = 2;
/// Under the engine, in seconds: the interpreter is slow where bitcode was not optimised, and tests share processors.
const LIMIT: u32 = 120;
/// Runs in which a loop that was not left must go round each time, to be one that should have been.
const CHANCES: usize = 10;
/// What `timeout` ends with when the time is over.
const TIMED_OUT: i32 = 124;

/// What came of a program in a mode.
#[derive(Debug)]
pub struct Outcome {
    pub mode: Mode,
    pub failure: Option<Failure>,
    pub runs: usize,
    pub compiles: u64,
    pub osr_entries: u64,
    /// Functions that were compiled because the interpreter cannot express them.
    pub unsupported: u64,
    /// Runs that told nothing of themselves: the program was ended by a signal or by `_exit`.
    pub silent: usize,
    pub loops: Option<Loops>,
}

impl Outcome {
    fn new(mode: Mode) -> Self {
        Outcome {
            mode,
            failure: None,
            runs: 0,
            compiles: 0,
            osr_entries: 0,
            unsupported: 0,
            silent: 0,
            loops: None,
        }
    }
}

/// A program, and what machine code does.
struct Case<'a> {
    program: &'a Program,
    native: PathBuf,
    expected: Output,
    folder: &'a Path,
}

/// Knows where everything is.
pub struct Runner {
    exec: PathBuf,
    folder: PathBuf,
    input: PathBuf,
    options: Options,
}

impl Runner {
    /// Brings `bareflow-exec` up to date, and makes a folder to work in.
    ///
    /// # Errors
    /// `bareflow-exec` cannot be built, or the folder cannot be written.
    pub fn new(options: &Options) -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential");
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let input = folder.join("input.txt");
        std::fs::write(&input, INPUT).map_err(|e| format!("{}: {e}", input.display()))?;
        Ok(Runner {
            exec: match &options.exec {
                Some(file) => file.clone(),
                None => built()?,
            },
            folder,
            input,
            options: options.clone(),
        })
    }

    /// Runs a program in some modes. `None`: csmith made one that does not end.
    ///
    /// # Errors
    /// The program cannot be compiled, or its machine code does not end.
    pub fn program(
        &self,
        program: &Program,
        in_modes: &[Mode],
    ) -> Result<Option<Vec<Outcome>>, String> {
        let folder = self.folder.join(program.name.replace('/', "-"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        program.generate(&folder)?;
        let native = program.native(&folder)?;
        let (is_csmith, limit) = match program.language {
            Language::Csmith => (true, NATIVE_LIMIT),
            Language::C | Language::Rust => (false, LIMIT),
        };
        let expected = self.run(limit, &native, &[], &folder)?;
        if expected.status.code() == Some(TIMED_OUT) {
            let _ = std::fs::remove_dir_all(&folder);
            return if is_csmith {
                Ok(None)
            } else {
                Err("machine code does not end".to_owned())
            };
        }
        let case = Case {
            program,
            native,
            expected,
            folder: &folder,
        };
        let mut outcomes = Vec::new();
        let mut reached = HashMap::new();
        for mode in in_modes {
            let mut outcome = Outcome::new(*mode);
            for level in mode.levels(&program.name, self.options.round, program.levels()) {
                match mode.promise {
                    Promise::Leaves(from) => {
                        self.leave_loops(&case, from, level, &mut reached, &mut outcome)?;
                    }
                    _ => {
                        self.compare(&case, level, &[], &mut outcome)?;
                    }
                }
            }
            outcomes.push(outcome);
        }
        if outcomes.iter().all(|o| o.failure.is_none()) {
            let _ = std::fs::remove_dir_all(&folder);
        }
        Ok(Some(outcomes))
    }

    /// Runs a program until each of its loops was left.
    fn leave_loops(
        &self,
        case: &Case<'_>,
        from: Tier,
        level: usize,
        reached: &mut HashMap<usize, Vec<LoopReport>>,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let reached = match reached.entry(level) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let interpreted = ["--tier=interp".to_owned()];
                let report = self.compare(case, level, &interpreted, outcome)?;
                unknown.insert(report.map_or(Vec::new(), |r| r.loops))
            }
        };
        let mut loops = Loops::new(from, reached.as_slice());
        for _ in 0..self.options.turns(case.program.language) {
            let (chosen, is_alone) = loops.next();
            if chosen.is_empty() || outcome.failure.is_some() {
                break;
            }
            let options = loops::options(&chosen, from, is_alone);
            let Some(report) = self.compare(case, level, &options, outcome)? else {
                break;
            };
            loops.learn(&chosen, &report);
        }
        loops.give_up();
        for _ in 0..CHANCES {
            if loops.missed.is_empty() || outcome.failure.is_some() {
                break;
            }
            let interpreted = ["--tier=interp".to_owned()];
            let report = self.compare(case, level, &interpreted, outcome)?;
            loops.compare(&report.map_or(Vec::new(), |r| r.loops));
        }
        if let (Some((function, block)), None) = (loops.missed.first(), &outcome.failure) {
            let place = [(function.clone(), *block)];
            let options = loops::options(&place, from, true);
            let arguments = self.arguments(case, level, outcome.mode, &options)?;
            let difference = format!(
                "{} of {} loops that go round were not left, the first: {function} at block {block}",
                loops.missed.len(),
                loops.reached
            );
            outcome.failure =
                Some(self.failure(case, outcome.mode, level, difference, &arguments, &[]));
        }
        outcome.loops = Some(loops);
        Ok(())
    }

    fn arguments(
        &self,
        case: &Case<'_>,
        level: usize,
        mode: Mode,
        more: &[String],
    ) -> Result<Vec<String>, String> {
        let bitcode = case.program.bitcode(level, case.folder)?;
        let mut arguments = mode.arguments(&case.program.name, self.options.round);
        arguments.extend_from_slice(more);
        arguments.extend([
            format!("--argv0={}", case.native.display()),
            bitcode.display().to_string(),
            "--".to_owned(),
        ]);
        Ok(arguments)
    }

    /// Runs a program once, and adds what came of it. Gives the engine's report, if there is one.
    fn compare(
        &self,
        case: &Case<'_>,
        level: usize,
        more: &[String],
        outcome: &mut Outcome,
    ) -> Result<Option<ProfileReport>, String> {
        let mode = outcome.mode;
        let arguments = self.arguments(case, level, mode, more)?;
        let file = case.folder.join("report.json");
        let _ = std::fs::remove_file(&file);
        let mut with_report = vec![format!("--report-json={}", file.display())];
        with_report.extend_from_slice(&arguments);
        let start = Instant::now();
        let got = self.run(LIMIT, &self.exec, &with_report, case.folder)?;
        outcome.runs += 1;
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let report = match text.as_str() {
            "" => None,
            text => Some(ProfileReport::from_json(text).map_err(|e| e.to_string())?),
        };
        match &report {
            Some(report) => {
                outcome.unsupported += report.totals.unsupported;
                outcome.compiles += report.totals.compiles;
                outcome.osr_entries += report.totals.osr_entries;
            }
            None => outcome.silent += 1,
        }
        let difference = difference(&case.expected, &got, start)
            .or_else(|| broken(mode.promise, report.as_ref()));
        if let (Some(difference), None) = (difference, &outcome.failure) {
            let _ = std::fs::write(case.folder.join("expected.txt"), &case.expected.stdout);
            let _ = std::fs::write(
                case.folder.join(format!("got.{}.txt", mode.name)),
                &got.stdout,
            );
            outcome.failure =
                Some(self.failure(case, mode, level, difference, &arguments, &got.stderr));
        }
        Ok(report)
    }

    fn failure(
        &self,
        case: &Case<'_>,
        mode: Mode,
        level: usize,
        difference: String,
        arguments: &[String],
        stderr: &[u8],
    ) -> Failure {
        let stderr = String::from_utf8_lossy(stderr);
        Failure {
            program: case.program.name.clone(),
            mode: Some(mode),
            bitcode: case.program.level(level),
            difference,
            stderr: stderr.lines().take(3).map(str::to_owned).collect(),
            round: self.options.round,
            command: format!(
                "{} {} {} < {}",
                self.exec.display(),
                arguments.join(" "),
                ARGUMENTS.join(" "),
                self.input.display()
            ),
        }
    }

    /// Runs a file under `timeout`, which ends with the same signal if the file does.
    fn run(
        &self,
        seconds: u32,
        file: &Path,
        arguments: &[String],
        folder: &Path,
    ) -> Result<Output, String> {
        let input =
            File::open(&self.input).map_err(|e| format!("{}: {e}", self.input.display()))?;
        Command::new("timeout")
            .args(["--kill-after=5", &seconds.to_string()])
            .arg(file)
            .args(arguments)
            .args(ARGUMENTS)
            .env("LC_ALL", "C")
            .current_dir(folder)
            .stdin(input)
            .output()
            .map_err(|e| format!("cannot start timeout (package coreutils): {e}"))
    }
}

/// Builds `bareflow-exec` like this test was built.
fn built() -> Result<PathBuf, String> {
    let me = std::env::current_exe().map_err(|e| format!("path of the test: {e}"))?;
    let profile = me
        .parent()
        .and_then(Path::parent)
        .ok_or("the test is not in a build folder")?;
    let target = profile
        .parent()
        .ok_or("the test is not in a build folder")?;
    let name = if profile.ends_with("release") {
        "release"
    } else {
        "test"
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--quiet",
        "-p",
        "exec",
        "--bin",
        "bareflow-exec",
        "--profile",
        name,
    ]);
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target);
    done(&mut cargo)?;
    Ok(profile.join("bareflow-exec"))
}

/// What the report says of handlers of the end: the compiler stops before they run.
const LATE: &str = "first called when the program was ending";

/// What a run was to show and did not, in words. A program that is ended by a signal or by `_exit` tells nothing.
fn broken(promise: Promise, report: Option<&ProfileReport>) -> Option<String> {
    let report = report?;
    let totals = &report.totals;
    if totals.failures > 0 {
        let failed = |f: &&engine::profile::FunctionReport| f.tiers.iter().any(|t| t.failures > 0);
        let states = report.functions.iter().filter(failed);
        let states: Vec<String> = states.map(|f| format!("{}: {}", f.name, f.state)).collect();
        let (n, states) = (totals.failures, states.join("; "));
        return Some(format!("{n} compiles failed: {states}"));
    }
    let mut ran = report.functions.iter().filter(|f| f.ran());
    match promise {
        Promise::Interpreted => ran
            .find(|f| f.unsupported.is_none() && (f.tier != Tier::Interp || f.osr_entries > 0))
            .map(|f| {
                format!(
                    "{} is at {} where all is interpreted: {}",
                    f.name, f.tier, f.state
                )
            }),
        Promise::Reaches(tier) => {
            let main = report.functions.iter().find(|f| f.name == "main");
            if !main.is_some_and(|f| f.ran()) {
                return Some("main was not counted".to_owned());
            }
            ran.find(|f| f.tier != tier && f.unsupported.is_none() && !f.state.contains(LATE))
                .map(|f| format!("{} is at {}, not at {tier}: {}", f.name, f.tier, f.state))
        }
        _ => None,
    }
}

/// The first difference, in words.
fn difference(expected: &Output, got: &Output, start: Instant) -> Option<String> {
    if got.status.code() == Some(TIMED_OUT) && expected.status.code() != Some(TIMED_OUT) {
        return Some(format!(
            "not done after {:.0} s",
            start.elapsed().as_secs_f64()
        ));
    }
    if expected.stdout != got.stdout {
        let lines = |bytes: &[u8]| -> Vec<String> {
            bytes
                .split(|b| *b == b'\n')
                .map(|l| String::from_utf8_lossy(l).into_owned())
                .collect()
        };
        let (want, have) = (lines(&expected.stdout), lines(&got.stdout));
        let at = want.iter().zip(&have).take_while(|(a, b)| a == b).count();
        let show = |v: &[String]| {
            v.get(at)
                .map_or("the end".to_owned(), |l| format!("{:?}", shorten(l)))
        };
        let status = if end(expected.status) == end(got.status) {
            String::new()
        } else {
            format!("; {}", end(got.status))
        };
        return Some(format!(
            "line {}: {} instead of {}{status}",
            at + 1,
            show(&have),
            show(&want)
        ));
    }
    if end(expected.status) != end(got.status) {
        return Some(format!(
            "{} instead of {}",
            end(got.status),
            end(expected.status)
        ));
    }
    (expected.stderr != got.stderr).then(|| "other standard error".to_owned())
}

fn end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn shorten(line: &str) -> String {
    line.chars().take(100).collect()
}
