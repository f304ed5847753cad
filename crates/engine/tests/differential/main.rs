//! Every program of the corpus in every way the engine runs it, beside machine code.
//!
//! ```text
//!  corpus/*/*.c ---+                     +-- clang -O0, rustc ---------> machine code --> what is expected
//!  corpus/rust/*.rs+--> one program -----+                                                   |
//!  csmith, seed n -+                     +-- bitcode, level by turns --> bareflow-exec --> the same bytes,
//!                                            in each mode (`modes.rs`)                     the same end
//! ```
//!
//! `cargo test -p engine --test differential` runs a part that is done in minutes: every C program in two modes, some
//! Rust ones, a few of csmith's in all modes. `./x differential` runs everything (`--help` tells its options). What fails
//! is left under the build folder, and the command that runs it alone is printed.

mod loops;
mod modes;
mod options;
mod programs;
mod report;
mod run;

use options::Options;
use programs::Program;
use report::{Failure, Report};
use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Mutex;

/// What is still to be run. csmith's seeds are handed out in order, one more for each that does not end in time: the set
/// of programs does not depend on which worker is quicker.
struct Queue {
    corpus: VecDeque<Program>,
    next_seed: u64,
    /// csmith's programs that were run, or are being tried.
    taken: usize,
    wanted: usize,
}

impl Queue {
    fn next(&mut self) -> Option<Program> {
        if let Some(program) = self.corpus.pop_front() {
            return Some(program);
        }
        if self.taken >= self.wanted {
            return None;
        }
        self.taken += 1;
        self.next_seed += 1;
        Some(Program::csmith(self.next_seed - 1))
    }

    /// A program of csmith's that does not end: another one takes its place, unless just this one was asked for.
    fn replace(&mut self, options: &Options) {
        if options.seed().is_none() {
            self.taken -= 1;
        }
    }
}

fn work(options: &Options, runner: &run::Runner, queue: &Mutex<Queue>, report: &Mutex<Report>) {
    let lock = || queue.lock().expect("no worker panics");
    let next = || lock().next();
    while let Some(program) = next() {
        let outcome = runner.program(&program, &options.modes_of(&program));
        match outcome {
            Ok(Some(results)) => report
                .lock()
                .expect("no worker panics")
                .add(&program, results),
            Ok(None) => lock().replace(options),
            Err(message) => report
                .lock()
                .expect("no worker panics")
                .refuse(Failure::not_run(&program, message)),
        }
    }
}

fn everything(options: &Options) -> Result<bool, String> {
    let corpus = options.choose(programs::corpus()?);
    let wanted = options.generated(corpus.len());
    if !options.full && corpus.len() + wanted == 0 {
        // `cargo test NAME` means a test of another binary.
        return Ok(true);
    }
    if wanted > 0 && !programs::has_csmith() {
        return Err("csmith is not installed: `./x setup` installs it".to_owned());
    }
    let runner = run::Runner::new(options)?;
    let report = Report::new(options, corpus.len() + wanted);
    report.start();
    let queue = Mutex::new(Queue {
        corpus: corpus.into(),
        next_seed: options.seed().unwrap_or(1),
        taken: 0,
        wanted,
    });
    let report = Mutex::new(report);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| work(options, &runner, &queue, &report));
        }
    });
    let report = report.into_inner().expect("no worker panics");
    Ok(report.end())
}

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match everything(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            println!("{message}");
            ExitCode::FAILURE
        }
    }
}
