//! `bench sqlite`: SQLite under the engine beside `clang -O3 -march=native` of the same sources.
//!
//! Both run guests/sqlite.sql again and again within one process (`--turns` of examples/sqlite), each time in a new database
//! in memory. The engine warms up until its compiler has nothing more to do; then both take turns. Processor time counts, so
//! that others on the machine disturb little; what both said is compared by checksum.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bareflow::Artifacts;

use crate::bench_engine::median;
use crate::paths::Paths;
use crate::sh;
use crate::{sqlite_sources, sqlite_test};

/// Least speed against clang's build (SPECIFICATION.md).
const BAR: f64 = 0.9;
/// Rounds whose medians are compared, unless the caller says otherwise.
const ROUNDS: usize = 15;
/// A turn while warming up, and one that is measured, in milliseconds.
const WARM_TURN_MS: u64 = 1_000;
const TURN_MS: u64 = 300;
/// Warming up ends after so many turns in a row of which the compiler took less than this share, or after this time.
const QUIET_TURNS: usize = 3;
const QUIET: f64 = 0.02;
const PATIENCE: Duration = Duration::from_secs(420);

/// A live program.
struct Player {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What came of a turn.
struct Turn {
    /// Processor time of one run of the script, in milliseconds.
    run_ms: f64,
    /// Share of the processor time that other threads than the busiest one had.
    others: f64,
    checksum: String,
}

impl Player {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start: {}", sh::display(&command)))?;
        let output = child.stdout.take().context("no standard output")?;
        Ok(Self {
            input: child.stdin.take(),
            output: BufReader::new(output),
            child,
        })
    }

    fn turn(&mut self, milliseconds: u64) -> Result<Turn> {
        let before = thread_times(self.child.id())?;
        let input = self.input.as_mut().context("it has ended")?;
        writeln!(input, "{}", milliseconds * 1_000_000)?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let after = thread_times(self.child.id())?;
        let spent: Vec<u64> = after
            .iter()
            .map(|(id, ns)| {
                let old = before.iter().find(|(old, _)| old == id);
                ns - old.map_or(0, |(_, ns)| *ns).min(*ns)
            })
            .collect();
        let all: u64 = spent.iter().sum();
        let busiest = spent.iter().copied().max().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [runs, _, checksum] = words[..] else {
            anyhow::bail!("it said {line:?} instead of RUNS NANOSECONDS CHECKSUM");
        };
        let runs: u64 = runs.parse()?;
        ensure!(runs > 0 && all > 0, "it did nothing: {line:?}");
        Ok(Turn {
            run_ms: all as f64 / runs as f64 / 1e6,
            others: (all - busiest) as f64 / all as f64,
            checksum: checksum.to_owned(),
        })
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // What it would still keep or report is of no use to anyone.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of each thread of a process, in nanoseconds.
fn thread_times(process: u32) -> Result<Vec<(String, u64)>> {
    let mut times = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))?.flatten() {
        // A thread may end between the two.
        if let Ok(text) = std::fs::read_to_string(thread.path().join("schedstat")) {
            let ns = text.split(' ').next().unwrap_or_default().parse()?;
            times.push((thread.file_name().to_string_lossy().into_owned(), ns));
        }
    }
    Ok(times)
}

/// Measures and judges.
///
/// # Errors
/// SQLite cannot be had, the answers differ, or it is slower than promised.
pub fn bench(paths: &Paths, rounds: Option<usize>) -> Result<()> {
    let sources = sqlite_sources::fetch(paths)?;
    let builds = sqlite_test::builds(paths, &sources, &["-O3", "-march=native"])?;
    let mut native = Command::new(&builds.native);
    native.arg("--turns").arg(&builds.script);
    let mut engine = Command::new(Artifacts::at(paths.artifacts()).path("runtime.elf")?);
    engine.arg("--disk").arg(&builds.image);
    engine.args(["--quiet", "--", "--turns", "/script.sql"]);
    let (mut native, mut engine) = (Player::start(native)?, Player::start(engine)?);
    warm_up(&mut engine)?;
    native.turn(WARM_TURN_MS)?;
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds.unwrap_or(ROUNDS) {
        let (a, b) = (engine.turn(TURN_MS)?, native.turn(TURN_MS)?);
        ensure!(a.checksum == b.checksum, "the answers differ");
        ratios.push(b.run_ms / a.run_ms);
        ours.push(a.run_ms);
        theirs.push(b.run_ms);
    }
    let speed = median(&ratios);
    println!(
        "sqlite, steady state: {:.2} ms of processor time for the script, clang -O3 -march=native {:.2} ms: speed {speed:.3}; \
         promised: at least {BAR}",
        median(&ours),
        median(&theirs)
    );
    ensure!(speed >= BAR, "slower than promised");
    Ok(())
}

/// Lets the engine work until its compiler is done.
fn warm_up(engine: &mut Player) -> Result<()> {
    let start = Instant::now();
    let (mut quiet, mut shown) = (0, start);
    while quiet < QUIET_TURNS {
        let turn = engine.turn(WARM_TURN_MS)?;
        quiet = if turn.others < QUIET { quiet + 1 } else { 0 };
        if shown.elapsed() > Duration::from_secs(10) {
            shown = Instant::now();
            eprintln!(
                "sqlite: after {:.0} s: {:.1} ms a run, {:.0} % of it other threads'",
                start.elapsed().as_secs_f64(),
                turn.run_ms,
                turn.others * 100.0
            );
        }
        if start.elapsed() > PATIENCE {
            println!(
                "sqlite: still compiling after {} s; measured as it is",
                PATIENCE.as_secs()
            );
            break;
        }
    }
    println!("sqlite: warm after {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
