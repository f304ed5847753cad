//! Running a program, as machine code and under the engine, and comparing what came out.

use crate::modes::{self, Mode};
use crate::options::Options;
use crate::programs::{Language, Program, done};
use crate::report::Failure;
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
/// What `timeout` ends with when the time is over.
const TIMED_OUT: i32 = 124;

/// What came of a program in a mode.
pub type Results = Vec<(Mode, Option<Failure>)>;

/// Knows where everything is.
pub struct Runner {
    exec: PathBuf,
    folder: PathBuf,
    input: PathBuf,
    round: u32,
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
            round: options.round,
        })
    }

    /// Runs a program in some modes. `None`: csmith made one that does not end.
    ///
    /// # Errors
    /// The program cannot be compiled, or its machine code does not end.
    pub fn program(&self, program: &Program, in_modes: &[Mode]) -> Result<Option<Results>, String> {
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
        let mut results = Vec::new();
        for mode in in_modes {
            // Other bitcode in each mode, and in each program.
            let turn = modes::hash(&program.name) as usize + mode.number() + self.round as usize;
            let level = turn % program.levels();
            let bitcode = program.bitcode(level, &folder)?;
            let failure = self.compare(program, *mode, level, &bitcode, &expected, &folder)?;
            results.push((*mode, failure));
        }
        if results.iter().all(|r| r.1.is_none()) {
            let _ = std::fs::remove_dir_all(&folder);
        }
        Ok(Some(results))
    }

    fn compare(
        &self,
        program: &Program,
        mode: Mode,
        level: usize,
        bitcode: &Path,
        expected: &Output,
        folder: &Path,
    ) -> Result<Option<Failure>, String> {
        let mut arguments = mode.arguments(&program.name, self.round);
        arguments.extend([bitcode.display().to_string(), "--".to_owned()]);
        let start = Instant::now();
        let got = self.run(LIMIT, &self.exec, &arguments, folder)?;
        let Some(difference) = difference(expected, &got, start) else {
            return Ok(None);
        };
        let _ = std::fs::write(folder.join("expected.txt"), &expected.stdout);
        let _ = std::fs::write(folder.join(format!("got.{}.txt", mode.name)), &got.stdout);
        let stderr = String::from_utf8_lossy(&got.stderr)
            .lines()
            .take(3)
            .map(str::to_owned)
            .collect();
        let command = format!(
            "{} {} {} < {}",
            self.exec.display(),
            arguments.join(" "),
            ARGUMENTS.join(" "),
            self.input.display()
        );
        Ok(Some(Failure {
            program: program.name.clone(),
            mode: Some(mode),
            bitcode: program.level(level),
            difference,
            stderr,
            round: self.round,
            command,
        }))
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
    (end(expected.status) != end(got.status))
        .then(|| format!("{} instead of {}", end(got.status), end(expected.status)))
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
