//! What is printed: failures as they happen, how far it is, and a table at the end.

use crate::loops::Loops;
use crate::modes::{Mode, Promise};
use crate::options::Options;
use crate::programs::Program;
use crate::run::Outcome;
use std::collections::BTreeMap;
use std::time::Instant;

/// A program that did not do in a mode what machine code does.
#[derive(Debug, Clone)]
pub struct Failure {
    pub program: String,
    /// `None`: there was nothing to compare, see `difference`.
    pub mode: Option<Mode>,
    /// Level of the bitcode.
    pub bitcode: String,
    pub difference: String,
    pub stderr: Vec<String>,
    /// Of `--round`.
    pub round: u32,
    /// The command that failed.
    pub command: String,
}

impl Failure {
    /// A program that could not be compiled or does not end.
    pub fn not_run(program: &Program, message: String) -> Self {
        Failure {
            program: program.name.clone(),
            mode: None,
            bitcode: String::new(),
            difference: message,
            stderr: Vec::new(),
            round: 0,
            command: String::new(),
        }
    }

    fn print(&self) {
        let Some(mode) = self.mode else {
            println!("FAILED {}: {}", self.program, self.difference);
            return;
        };
        println!(
            "FAILED {} in {} (bitcode of {}): {}",
            self.program, mode.name, self.bitcode, self.difference
        );
        for line in &self.stderr {
            println!("    {line}");
        }
        let round = match self.round {
            0 => String::new(),
            n => format!(" --round {n}"),
        };
        println!(
            "    again:   ./x differential --filter {} --modes {}{round}",
            self.program, mode.name
        );
        println!("    command: {}", self.command);
    }
}

/// Runs and failures of a group in a mode.
#[derive(Debug, Default, Clone, Copy)]
struct Cell {
    runs: usize,
    failures: usize,
}

/// One loop of so many may be left by code of another tier than that of the mode.
const RARE: usize = 20;

/// What the engine told of the runs of a mode.
#[derive(Debug, Default, Clone)]
struct Told {
    runs: usize,
    compiles: u64,
    osr_entries: u64,
    unsupported: u64,
    silent: usize,
    loops: Loops,
}

/// Collects results.
pub struct Report {
    modes: Vec<Mode>,
    expected: usize,
    jobs: usize,
    start: Instant,
    /// By group, in the order of the modes.
    table: BTreeMap<String, (usize, Vec<Cell>)>,
    /// By mode.
    told: Vec<Told>,
    done: usize,
    failed: usize,
    failures: Vec<Failure>,
}

impl Report {
    /// For so many programs.
    pub fn new(options: &Options, expected: usize) -> Self {
        Report {
            modes: options.modes.clone(),
            expected,
            jobs: options.jobs,
            start: Instant::now(),
            table: BTreeMap::new(),
            told: vec![Told::default(); options.modes.len()],
            done: 0,
            failed: 0,
            failures: Vec::new(),
        }
    }

    pub fn start(&self) {
        let names: Vec<&str> = self.modes.iter().map(|m| m.name).collect();
        println!(
            "{} programs, {} at once, modes: {}",
            self.expected,
            self.jobs,
            names.join(" ")
        );
    }

    pub fn add(&mut self, program: &Program, outcomes: Vec<Outcome>) {
        let empty = || (0, vec![Cell::default(); self.modes.len()]);
        let row = self
            .table
            .entry(program.group().to_owned())
            .or_insert_with(empty);
        row.0 += 1;
        let mut has_failed = false;
        for outcome in outcomes {
            if let Some(i) = self.modes.iter().position(|m| *m == outcome.mode) {
                row.1[i].runs += 1;
                row.1[i].failures += usize::from(outcome.failure.is_some());
                let told = &mut self.told[i];
                told.runs += outcome.runs;
                told.compiles += outcome.compiles;
                told.osr_entries += outcome.osr_entries;
                told.unsupported += outcome.unsupported;
                told.silent += outcome.silent;
                outcome.loops.iter().for_each(|l| told.loops.add(l));
            }
            if let Some(failure) = outcome.failure {
                has_failed = true;
                failure.print();
                self.failures.push(failure);
            }
        }
        self.failed += usize::from(has_failed);
        self.progress();
    }

    /// A program that could not be run at all.
    pub fn refuse(&mut self, failure: Failure) {
        failure.print();
        self.failures.push(failure);
        self.failed += 1;
        self.progress();
    }

    fn progress(&mut self) {
        self.done += 1;
        let tenth = |n: usize| n * 10 / self.expected.max(1);
        if tenth(self.done) != tenth(self.done - 1) {
            let seconds = self.start.elapsed().as_secs();
            println!(
                "{} of {} programs after {seconds} s, {} failed",
                self.done, self.expected, self.failed
            );
        }
    }

    /// Prints the table; true if nothing failed.
    pub fn end(&self) -> bool {
        if self.done == 0 {
            println!("nothing was run: no program has this name, or it does not end");
            return false;
        }
        let mut header = format!("{:12}{:>9}", "", "programs");
        for mode in &self.modes {
            header += &format!("{:>12}", mode.name);
        }
        println!("\n{header}");
        let mut total = (0, vec![Cell::default(); self.modes.len()]);
        for (group, row) in &self.table {
            print_row(group, row.0, &row.1);
            total.0 += row.0;
            for (sum, cell) in total.1.iter_mut().zip(&row.1) {
                sum.runs += cell.runs;
                sum.failures += cell.failures;
            }
        }
        print_row("all", total.0, &total.1);
        if !self.failures.is_empty() {
            println!("\nfailures:");
            for failure in &self.failures {
                let mode = failure.mode.map_or("-", |m| m.name);
                let first = failure.difference.lines().next().unwrap_or_default();
                println!("    {:28}{mode:12}{first}", failure.program);
            }
        }
        let idle = self.print_told();
        let runs: usize = self.told.iter().map(|t| t.runs).sum();
        println!(
            "\n{runs} runs of {} programs in {} s",
            self.done,
            self.start.elapsed().as_secs()
        );
        let is_good = self.failed == 0 && idle == 0;
        let verdict = if is_good { "ok" } else { "FAILED" };
        // The form that `./x test` adds up.
        println!(
            "test result: {verdict}. {} passed; {} failed; 0 ignored",
            self.done - self.failed,
            self.failed + idle
        );
        is_good
    }

    /// Prints what the engine told of its runs; gives the number of modes in which nothing happened that they are for.
    fn print_told(&self) -> usize {
        println!(
            "\n{:12}{:>9}{:>12}{:>12}",
            "", "runs", "compiles", "into loops"
        );
        let mut idle = 0;
        for (mode, told) in self.modes.iter().zip(&self.told) {
            println!(
                "{:12}{:>9}{:>12}{:>12}",
                mode.name, told.runs, told.compiles, told.osr_entries
            );
            if mode.promise == Promise::Interpreted && told.unsupported > 0 {
                println!(
                    "    {} functions cannot be interpreted and were compiled",
                    told.unsupported
                );
            }
            if told.silent > 0 {
                println!(
                    "    {} runs told nothing: a signal or _exit ended the program",
                    told.silent
                );
            }
            // A single program may be over too soon.
            let is_idle = match mode.promise {
                Promise::Compiles => told.compiles == 0,
                Promise::Replaces => told.osr_entries == 0,
                _ => false,
            };
            if is_idle && self.done >= self.modes.len() {
                println!("    FAILED: the engine did nothing in this mode");
                idle += 1;
            }
        }
        for (mode, told) in self.modes.iter().zip(&self.told) {
            let Promise::Leaves(tier) = mode.promise else {
                continue;
            };
            let loops = &told.loops;
            println!(
                "{}: {} of {} reached loop headers entered from {tier}, {} only from elsewhere, {} by chance, {} never, {} left out",
                mode.name,
                loops.entered,
                loops.reached,
                loops.elsewhere,
                loops.by_chance,
                loops.missed.len(),
                loops.left_out
            );
            for (reason, n) in &loops.refused {
                println!("    {n} cannot be: {reason}");
            }
            let is_rare = loops.elsewhere * RARE <= loops.entered + RARE;
            if self.done >= self.modes.len() && (!is_rare || loops.entered == 0) {
                println!("    FAILED: these loops are hardly in code of {tier}");
                idle += 1;
            }
        }
        idle
    }
}

/// `36` where all were right, `34/36` where some were not.
fn print_row(name: &str, programs: usize, cells: &[Cell]) {
    let mut line = format!("{name:12}{programs:>9}");
    for cell in cells {
        let text = match cell.failures {
            0 => cell.runs.to_string(),
            n => format!("{}/{}", cell.runs - n, cell.runs),
        };
        line += &format!("{text:>12}");
    }
    println!("{line}");
}
