//! The QEMU test harness: a test is a description; this boots it, feeds it, and judges it.
//!
//! A test passes when all expected texts appear on the serial console in the given order, none of the forbidden ones
//! does, and QEMU ends with the expected exit code before the time is up. When it fails, the end of the serial log
//! and the exact command are printed. Tests do not write to their image (`snapshot=on`), so they may share one,
//! unless they ask for it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bareflow::Artifacts;
use bareflow::qemu::Machine;

/// One boot and what must come of it.
pub struct MachineTest {
    /// Unique name; `./x test NAME` runs the tests whose name contains it.
    pub name: String,
    /// The disk image.
    pub image: PathBuf,
    /// The kernel inside the image, for PVH.
    pub kernel: Arc<Vec<u8>>,
    /// The machine.
    pub machine: Machine,
    /// What to type, and after which text.
    pub input: Vec<Feed>,
    /// Texts that must appear, in this order.
    pub expect: Vec<String>,
    /// Texts that must not appear at all.
    pub forbid: Vec<String>,
    /// QEMU's exit code.
    pub exit: i32,
    /// The most it may take.
    pub timeout: Duration,
    /// What the machine writes stays in the image; otherwise tests may share one.
    pub keep_writes: bool,
}

/// Something typed on the serial console.
pub struct Feed {
    /// Typed once this text has appeared (behind the place of the feed before).
    pub after: String,
    /// The keys.
    pub keys: String,
}

/// What came of one test.
pub struct Outcome {
    /// Name of the test.
    pub name: String,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Time from start to end.
    pub seconds: f64,
}

/// How many machines run at once.
const AT_ONCE: usize = 2;

/// Runs the tests, [`AT_ONCE`] at a time, printing a line for each as it ends.
pub fn run_all(tests: Vec<MachineTest>, artifacts: &Artifacts, logs: &Path) -> Vec<Outcome> {
    let queue = Mutex::new(VecDeque::from(tests));
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(|e| e.into_inner()).pop_front();
                    let Some(test) = next else { return };
                    let outcome = run_one(&test, artifacts, logs);
                    let mark = if outcome.failure.is_some() {
                        "FAILED"
                    } else {
                        "ok"
                    };
                    println!(
                        "test {} ... {mark} ({:.1} s)",
                        outcome.name, outcome.seconds
                    );
                    if let Some(failure) = &outcome.failure {
                        println!("{failure}");
                    }
                    outcomes
                        .lock()
                        .unwrap_or_else(|e| e.into_inner())
                        .push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_else(|e| e.into_inner())
}

/// Boots and judges one test.
pub fn run_one(test: &MachineTest, artifacts: &Artifacts, logs: &Path) -> Outcome {
    let start = Instant::now();
    let failure = match boot(test, artifacts) {
        Ok((serial, ending, command)) => {
            let text = String::from_utf8_lossy(&serial).replace('\r', "");
            let log = logs.join(format!("{}.log", test.name.replace('/', "-")));
            // The log is a convenience; the end of it is printed with the failure anyway.
            let _ = std::fs::write(&log, &text);
            judge(test, &text, &ending).map(|why| {
                format!(
                    "  {why}\n  command: {command}\n  log: {}\n  its end:\n{}",
                    log.display(),
                    tail(&text)
                )
            })
        }
        Err(error) => Some(format!("  {error:#}")),
    };
    Outcome {
        name: test.name.clone(),
        failure,
        seconds: start.elapsed().as_secs_f64(),
    }
}

/// How a machine ended.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Code(i32),
    Signal,
    TimedOut,
}

/// Boots the machine and follows its serial console to the end.
fn boot(test: &MachineTest, artifacts: &Artifacts) -> Result<(Vec<u8>, Ending, String)> {
    let invocation =
        test.machine
            .invocation(&test.image, &test.kernel, artifacts, !test.keep_writes)?;
    let display = invocation.display();
    let mut child = invocation
        .command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start QEMU")?;
    let serial = follow(&mut child, &test.input, test.timeout);
    let ending = match &serial {
        Ok((_, true)) => match child.wait()?.code() {
            Some(code) => Ending::Code(code),
            None => Ending::Signal,
        },
        _ => {
            // Ended by itself in this moment is as good.
            let _ = child.kill();
            child.wait()?;
            Ending::TimedOut
        }
    };
    let (mut bytes, _) = serial?;
    if let Some(mut stderr) = child.stderr.take() {
        let mut complaint = Vec::new();
        stderr.read_to_end(&mut complaint)?;
        if !complaint.is_empty() {
            bytes.extend_from_slice(b"\n[qemu] ");
            bytes.extend_from_slice(&complaint);
        }
    }
    Ok((bytes, ending, display))
}

/// Reads the serial console until it closes (true) or the time is up (false), typing what is asked for on the way.
fn follow(child: &mut Child, input: &[Feed], timeout: Duration) -> Result<(Vec<u8>, bool)> {
    let deadline = Instant::now() + timeout;
    let mut keyboard = child.stdin.take().context("no standard input")?;
    let console = child.stdout.take().context("no standard output")?;
    let pieces = reader(console);
    let mut serial = Vec::new();
    let mut seen = 0; // behind the text that set off the last feed
    let mut feeds = input.iter().peekable();
    loop {
        while let Some(feed) = feeds.peek() {
            let Some(at) = find(&serial[seen..], feed.after.as_bytes()) else {
                break;
            };
            seen += at + feed.after.len();
            // A machine that has gone cannot be typed to; its end is judged below.
            let _ = keyboard
                .write_all(feed.keys.as_bytes())
                .and_then(|()| keyboard.flush());
            feeds.next();
        }
        match pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(piece) => serial.extend_from_slice(&piece),
            Err(RecvTimeoutError::Disconnected) => return Ok((serial, true)),
            Err(RecvTimeoutError::Timeout) => return Ok((serial, false)),
        }
    }
}

/// A thread that reads a pipe to its end.
pub fn reader(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            if send.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receive
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// Why this is a failure, if it is.
fn judge(test: &MachineTest, text: &str, ending: &Ending) -> Option<String> {
    let mut rest = text;
    for expected in &test.expect {
        match rest.find(expected.as_str()) {
            Some(at) => rest = &rest[at + expected.len()..],
            None if text.contains(expected.as_str()) => {
                return Some(format!("{expected:?} appeared, but too early"));
            }
            None => return Some(format!("{expected:?} did not appear ({ending:?})")),
        }
    }
    if let Some(forbidden) = test.forbid.iter().find(|f| text.contains(f.as_str())) {
        return Some(format!("{forbidden:?} must not appear"));
    }
    match ending {
        Ending::Code(code) if *code == test.exit => None,
        Ending::Code(code) => Some(format!("exit code {code}, expected {}", test.exit)),
        Ending::Signal => Some("QEMU was killed".into()),
        Ending::TimedOut => Some(format!("not finished after {:?}", test.timeout)),
    }
}

/// The last lines of a log, indented.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(40);
    lines[from..]
        .iter()
        .map(|l| format!("    | {l}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(expect: &[&str], forbid: &[&str]) -> MachineTest {
        MachineTest {
            name: "t".into(),
            image: PathBuf::new(),
            kernel: Arc::default(),
            machine: Machine::default(),
            input: Vec::new(),
            expect: expect.iter().map(|s| s.to_string()).collect(),
            forbid: forbid.iter().map(|s| s.to_string()).collect(),
            exit: 129,
            timeout: Duration::from_secs(1),
            keep_writes: false,
        }
    }

    #[test]
    fn order_absence_and_exit_code_are_judged() {
        let good = Ending::Code(129);
        assert_eq!(judge(&test(&["a", "b"], &[]), "xaxb", &good), None);
        assert!(
            judge(&test(&["b", "a"], &[]), "xaxb", &good)
                .unwrap()
                .contains("too early")
        );
        assert!(
            judge(&test(&["c"], &[]), "xaxb", &good)
                .unwrap()
                .contains("did not appear")
        );
        assert!(judge(&test(&["a"], &["x"]), "xaxb", &good).is_some());
        assert!(
            judge(&test(&["a"], &[]), "a", &Ending::Code(1))
                .unwrap()
                .contains("129")
        );
        assert!(judge(&test(&["a"], &[]), "a", &Ending::TimedOut).is_some());
    }

    #[test]
    fn keys_are_typed_after_their_text() {
        let script =
            "printf 'name? '; read a; echo \"<$a>\"; printf 'more? '; read b; echo \"[$b]\"";
        let mut child = std::process::Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let feed = |after: &str, keys: &str| Feed {
            after: after.into(),
            keys: keys.into(),
        };
        let input = [feed("name?", "one\n"), feed("more?", "two\n")];
        let (serial, ended) = follow(&mut child, &input, Duration::from_secs(10)).unwrap();
        child.wait().unwrap();
        assert!(ended);
        assert_eq!(
            String::from_utf8(serial).unwrap(),
            "name? <one>\nmore? [two]\n"
        );
    }
}
