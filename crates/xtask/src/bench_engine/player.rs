//! A kernel as a process that works when it is its turn.
//!
//! The kernel (`crates/engine/bench/bench.h`) reads a time from its standard input, works that long and answers with the
//! units of work it did. All that are compared live side by side, warm, and take turns of a few milliseconds.
//!
//! All turns of a round are on the same processor; once each went first, it is the next processor's. Left to itself, a
//! process stays on one; where somebody else is busy on the same core (a thread of another virtual machine), a tight loop
//! was seen to take 1.5 times as long for seconds, and with it one side of the comparison.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::table::median;
use crate::sh;

/// Longest answer time, in seconds: then the program hangs.
const PATIENCE_S: u64 = 60;
/// A turn while warming up, in milliseconds.
const WARM_TURN_MS: u64 = 250;
/// Speeds that differ by less are the same.
const STEADY: f64 = 0.02;

/// A live kernel.
pub struct Player {
    what: String,
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
    times: Vec<f64>,
}

impl Player {
    /// Starts it; it waits for its first turn.
    pub fn start(mut command: Command) -> Result<Self> {
        let what = sh::display(&command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start: {what}"))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("no standard output")?;
        let (send, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            what,
            child,
            input,
            answers,
            times: Vec::new(),
        })
    }

    /// Lets it work; gives back nanoseconds for each unit.
    pub fn turn(&mut self, milliseconds: u64) -> Result<f64> {
        self.ask(milliseconds)
            .with_context(|| format!("no answer from: {}", self.what))
    }

    fn ask(&mut self, milliseconds: u64) -> Result<f64> {
        let input = self.input.as_mut().context("it has ended")?;
        writeln!(input, "{}", milliseconds * 1_000_000)?;
        let patience = Duration::from_secs(PATIENCE_S);
        let line = self.answers.recv_timeout(patience);
        let line = line.map_err(|e| anyhow!("{e}; it ended with {:?}", self.child.try_wait()))?;
        let mut words = line.split_whitespace().map(str::parse::<f64>);
        match (words.next(), words.next()) {
            (Some(Ok(units)), Some(Ok(spent))) if units > 0.0 => Ok(spent / units),
            _ => Err(anyhow!("it said {line:?} instead of UNITS NANOSECONDS")),
        }
    }

    /// Lets it work until its speed no longer changes, at least `least` and at most `most` milliseconds.
    pub fn warm_up(&mut self, least: u64, most: u64) -> Result<()> {
        let mut times = Vec::new();
        let mut spent = 0;
        loop {
            let turn = WARM_TURN_MS.min(least);
            times.push(self.turn(turn)?);
            spent += turn;
            let last = &times[times.len().saturating_sub(4)..];
            let (low, high) = last
                .iter()
                .fold((f64::MAX, 0.0_f64), |(l, h), t| (l.min(*t), h.max(*t)));
            let steady = last.len() == 4 && high <= low * (1.0 + STEADY);
            if spent >= least && (steady || spent >= most) {
                return Ok(());
            }
        }
    }

    /// All its threads work on this processor from now on.
    fn stay_on(&self, processor: usize) -> Result<()> {
        let mut only = CpuSet::new();
        only.set(processor)?;
        let threads = format!("/proc/{}/task", self.child.id());
        for thread in
            std::fs::read_dir(&threads).with_context(|| format!("cannot read {threads}"))?
        {
            let name = thread?.file_name();
            let id = name.to_string_lossy().parse()?;
            match sched_setaffinity(Pid::from_raw(id), &only) {
                // It ended just now.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => bail!("cannot move thread {id} to processor {processor}: {error}"),
            }
        }
        Ok(())
    }

    /// Lets it work and keeps the time.
    pub fn measure(&mut self, milliseconds: u64) -> Result<()> {
        let time = self.turn(milliseconds)?;
        self.times.push(time);
        Ok(())
    }

    /// Nanoseconds for each unit: the median of what was measured.
    pub fn time(&self) -> f64 {
        median(&self.times)
    }

    /// What was measured, in the order of the turns.
    pub fn times(&self) -> &[f64] {
        &self.times
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // The end of its input ends the program, with its reports written; one that hangs is stopped.
        self.input = None;
        for _ in 0..100 {
            match self.child.try_wait() {
                Ok(Some(_)) => return,
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processors that this process may use.
fn processors() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("cannot ask for the processors")?;
    Ok((0..CpuSet::count())
        .filter(|n| allowed.is_set(*n).unwrap_or(false))
        .collect())
}

/// Lets all take turns: `rounds` turns each, of so many milliseconds. All turns of a round are on one processor.
pub fn rounds(players: &mut [Player], rounds: usize, milliseconds: u64) -> Result<()> {
    let processors = processors()?;
    for round in 0..rounds {
        // Nobody is always the one that follows the same neighbour.
        let count = players.len();
        for i in 0..count {
            let player = &mut players[(i + round) % count];
            player.stay_on(processors[round / count % processors.len()])?;
            player.measure(milliseconds)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Player {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Player::start(command).unwrap()
    }

    #[test]
    fn a_turn_is_a_time_for_a_unit() {
        let mut p = shell("while read n; do echo 4 1000; done");
        assert_eq!(p.turn(1).unwrap(), 250.0);
        rounds(std::slice::from_mut(&mut p), 3, 1).unwrap();
        assert_eq!(p.time(), 250.0);
        assert_eq!(p.times().len(), 3);
    }

    #[test]
    fn a_round_is_on_one_processor_and_all_have_their_turn() {
        let script = "while read n; do \
            while read key value; do [ $key = Cpus_allowed_list: ] && echo 1 $value; done < /proc/$$/status; done";
        let mut players = [shell(script), shell(script)];
        rounds(&mut players, 8, 1).unwrap();
        let all = processors().unwrap();
        let expected: Vec<f64> = (0..8).map(|n| all[n / 2 % all.len()] as f64).collect();
        assert_eq!(players[0].times(), expected);
        assert_eq!(players[1].times(), expected);
    }

    #[test]
    fn a_program_that_ends_or_talks_nonsense_is_an_error() {
        assert!(shell("read n; exit 3").turn(1).is_err());
        assert!(shell("read n; echo hello").turn(1).is_err());
    }

    #[test]
    fn warming_up_ends_when_the_speed_does_not_change() {
        let mut p = shell("i=9; while read n; do [ $i -gt 1 ] && i=$((i-1)); echo 1 ${i}000; done");
        p.warm_up(10, 100_000).unwrap();
        assert_eq!(p.turn(1).unwrap(), 1000.0);
    }
}
