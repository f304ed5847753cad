//! `cargo test` with its results added up, also those of a test program that ended in the middle.
//!
//! A test program says how many tests passed when it ends. One that a signal ends says nothing; cargo names it on
//! standard error. Such a program counts as one failed test, the tests it had finished count as they came out, and
//! those it had begun or not begun are named: among them is the one to look at.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};

use crate::sh;
use crate::test::Counts;

/// Names printed of tests that had not finished.
const MOST_NAMED: usize = 40;

/// Runs `cargo test` or another command that prints what libtest prints, and adds the results up.
pub fn counted(command: &mut Command) -> Result<Counts> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start: {}", sh::display(command)))?;
    let stdout = child.stdout.take().context("no standard output")?;
    let ended = child.stderr.take().context("no standard error")?;
    let ended = watch(ended);
    let mut counts = Counts::default();
    let mut unfinished: Vec<Program> = Vec::new();
    let mut running: Option<Program> = None;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if starts(&line) {
            unfinished.extend(running.replace(Program::default()));
        } else if let Some(result) = result_line(&line) {
            counts.add(result);
            running = None;
        } else if let Some((name, passed)) = test_line(&line)
            && let Some(program) = &mut running
        {
            program.finish(name, passed);
        }
        // Empty results and passed tests would hide the rest.
        let noise = line.ends_with("... ok") || line.starts_with("running 0") || line.is_empty();
        if !noise && !line.starts_with("test result: ok. 0 passed") {
            println!("{line}");
        }
    }
    unfinished.extend(running);
    let status = child.wait()?;
    let ended = ended.join().unwrap_or_default();
    for (number, line) in ended.iter().enumerate() {
        let program = unfinished.get(number);
        report(line, program);
        counts.add(program.map(|p| p.counts).unwrap_or_default());
        counts.failed += 1;
    }
    if !status.success() && counts.failed == 0 {
        bail!("{status}: {}", sh::display(command));
    }
    Ok(counts)
}

/// A test program that has not said its result yet.
#[derive(Debug, Default)]
struct Program {
    counts: Counts,
    finished: BTreeSet<String>,
}

impl Program {
    fn finish(&mut self, name: &str, passed: bool) {
        self.counts.add(Counts {
            passed: passed.into(),
            failed: (!passed).into(),
        });
        self.finished.insert(name.to_owned());
    }
}

/// Says which program ended badly, how, and with which tests not finished.
fn report(line: &str, program: Option<&Program>) {
    let path = line.split('`').nth(1).unwrap_or_default();
    let path = path.split_whitespace().next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
    println!("test {name} (the whole program) ... FAILED\n  {line}");
    let Ok(list) = sh::output(Command::new(path).arg("--list")) else {
        return;
    };
    let missing: Vec<&str> = list
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|name| program.is_none_or(|p| !p.finished.contains(*name)))
        .collect();
    println!("  {} of its tests had not finished:", missing.len());
    for name in missing.iter().take(MOST_NAMED) {
        println!("    {name}");
    }
}

/// Passes cargo's standard error on; gives the lines about programs that ended otherwise than tests do.
fn watch(stderr: impl Read + Send + 'static) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut ended = Vec::new();
        let mut lines = BufReader::new(stderr);
        let mut line = Vec::new();
        while let Ok(1..) = lines.read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line);
            eprint!("{text}");
            ended.extend(bad_end(&text));
            line.clear();
        }
        ended
    })
}

/// What cargo says of a program that was ended by a signal or left by itself. Failed tests end it with 101.
fn bad_end(line: &str) -> Option<String> {
    let line = line.trim();
    let is_bad = line.starts_with("process didn't exit successfully: `")
        && !line.ends_with("(exit status: 101)");
    is_bad.then(|| line.to_owned())
}

/// `running 5 tests`.
fn starts(line: &str) -> bool {
    line.strip_prefix("running ")
        .and_then(|rest| rest.split_once(" test"))
        .is_some_and(|(number, _)| number.parse::<u64>().is_ok())
}

/// Reads `test NAME ... ok`, also with a time or a reason behind it.
fn test_line(line: &str) -> Option<(&str, bool)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    match result.split([' ', ',']).next()? {
        "ok" => Some((name, true)),
        "FAILED" => Some((name, false)),
        _ => None,
    }
}

/// Reads `test result: ok. 3 passed; 1 failed; ...`.
fn result_line(line: &str) -> Option<Counts> {
    let rest = line.strip_prefix("test result: ")?;
    let number_before = |word: &str| {
        let at = rest.find(word)?;
        rest[..at].split_whitespace().last()?.parse().ok()
    };
    Some(Counts {
        passed: number_before("passed")?,
        failed: number_before("failed;")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> Result<Counts> {
        counted(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn results_are_read() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        let counts = Counts {
            passed: 12,
            failed: 3,
        };
        assert_eq!(result_line(line), Some(counts));
        assert_eq!(result_line("running 5 tests"), None);
        assert!(starts("running 5 tests") && starts("running 1 test"));
        assert!(!starts("running away"));
        assert_eq!(test_line("test a::b ... ok"), Some(("a::b", true)));
        assert_eq!(test_line("test c ... FAILED"), Some(("c", false)));
        assert_eq!(test_line("test d ... ignored, why"), None);
    }

    #[test]
    fn a_command_that_fails_without_a_failed_test_is_an_error() {
        let result = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'";
        let counts = Counts {
            passed: 2,
            failed: 0,
        };
        assert_eq!(run(&format!("{result}; exit 0")).unwrap(), counts);
        assert!(run(&format!("{result}; exit 101")).is_err());
    }

    /// The program in the middle is ended by a signal behind its first test; those beside it count as ever.
    #[test]
    fn a_program_that_a_signal_ends_is_one_failure_and_hides_no_other() {
        let script = "
            echo 'running 2 tests'; echo 'test a ... ok'; echo 'test b ... ok'
            echo 'test result: ok. 2 passed; 0 failed; 0 ignored'
            echo 'running 3 tests'; echo 'test c ... ok'
            echo '  process didn'\"'\"'t exit successfully: `/nowhere/tier-0123` (signal: 11, SIGSEGV)' >&2
            echo 'running 2 tests'; echo 'test d ... FAILED'; echo 'test e ... ok'
            echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored'
            echo '  process didn'\"'\"'t exit successfully: `/nowhere/osr-0123` (exit status: 101)' >&2
            exit 101";
        let counts = Counts {
            passed: 4,
            failed: 2,
        };
        assert_eq!(run(script).unwrap(), counts);
    }
}
