//! Joins this terminal to the machine's serial port.
//!
//! The machine edits lines itself, so a terminal is switched to pass every key on, Ctrl-C too; two Ctrl-C within
//! one second end the machine. Input that is not a terminal is copied as it is and closed with Ctrl-D, which the
//! machine's line editor takes as the end of input. Carriage returns are dropped where the output is not a terminal.

use std::io::{self, IsTerminal, Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
/// Two Ctrl-C this close together end the machine.
const TWICE: Duration = Duration::from_secs(1);

/// How an attached machine came to its end.
#[derive(Debug)]
pub enum End {
    /// It ended by itself.
    Exited(ExitStatus),
    /// Ctrl-C was pressed twice, or a signal asked for the end.
    Interrupted,
    /// The time limit passed.
    TimedOut,
}

/// A terminal without line discipline, put back when dropped.
struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// `None` if standard input is no terminal.
    fn enter() -> Option<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        // Output processing stays on: a line feed alone still starts a new line in column one.
        raw.local_modes -=
            LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        raw.input_modes -= rustix::termios::InputModes::ICRNL | rustix::termios::InputModes::IXON;
        tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing better to do than to leave the terminal as it is if this fails.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Runs a machine whose standard input and output are pipes until it ends.
///
/// Its output goes to `out` as it comes. It is fed this process's standard input if `feed_stdin` says so, and ended when
/// `stop` becomes true or the time limit passes.
///
/// # Errors
/// The machine's output cannot be read, or `out` not be written.
pub fn attach(
    mut child: Child,
    out: &mut dyn Write,
    feed_stdin: bool,
    timeout: Option<Duration>,
    stop: &'static AtomicBool,
) -> io::Result<End> {
    let raw = if feed_stdin {
        RawTerminal::enter()
    } else {
        None
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    let timed_out = Arc::new(AtomicBool::new(false));
    let machine_in = child.stdin.take();
    let machine_out = child.stdout.take();
    let child = Arc::new(Mutex::new(child));

    if let Some(pipe) = machine_in.filter(|_| feed_stdin) {
        let (child, interrupted, terminal) = (child.clone(), interrupted.clone(), raw.is_some());
        // Not joined: it sleeps in a read of the terminal when the machine ends, and goes with the process.
        std::thread::spawn(move || {
            if copy_input(pipe, terminal) {
                interrupted.store(true, Ordering::SeqCst);
                kill(&child);
            }
        });
    }
    let done = Arc::new(AtomicBool::new(false));
    let watchdog = {
        let (child, done) = (child.clone(), done.clone());
        let (interrupted, timed_out) = (interrupted.clone(), timed_out.clone());
        std::thread::spawn(move || {
            let start = Instant::now();
            while !done.load(Ordering::SeqCst) {
                if stop.load(Ordering::SeqCst) {
                    interrupted.store(true, Ordering::SeqCst);
                    return kill(&child);
                }
                if timeout.is_some_and(|limit| start.elapsed() >= limit) {
                    timed_out.store(true, Ordering::SeqCst);
                    return kill(&child);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        })
    };
    let copied = machine_out.map_or(Ok(()), |pipe| copy_output(pipe, out));
    if copied.is_err() {
        kill(&child);
    }
    let status = loop {
        let ended = child.lock().unwrap_or_else(|e| e.into_inner()).try_wait()?;
        if let Some(status) = ended {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    done.store(true, Ordering::SeqCst);
    let _ = watchdog.join();
    copied?;
    // Ctrl-C reaches QEMU too, which may end before it is ended here.
    Ok(
        if interrupted.load(Ordering::SeqCst) || stop.load(Ordering::SeqCst) {
            End::Interrupted
        } else if timed_out.load(Ordering::SeqCst) {
            End::TimedOut
        } else {
            End::Exited(status)
        },
    )
}

fn kill(child: &Mutex<Child>) {
    // It may have ended in this moment, which is as good.
    let _ = child.lock().unwrap_or_else(|e| e.into_inner()).kill();
}

/// Copies standard input to the machine; true when Ctrl-C came twice.
fn copy_input(mut pipe: impl Write, terminal: bool) -> bool {
    let mut buffer = [0; 1024];
    let mut last_interrupt: Option<Instant> = None;
    loop {
        let count = match io::stdin().lock().read(&mut buffer) {
            Ok(0) | Err(_) => {
                let _ = pipe.write_all(&[CTRL_D]).and_then(|()| pipe.flush());
                return false;
            }
            Ok(count) => count,
        };
        if terminal && buffer[..count].contains(&CTRL_C) {
            let now = Instant::now();
            if last_interrupt.is_some_and(|before| now - before < TWICE) {
                return true;
            }
            last_interrupt = Some(now);
        }
        if pipe
            .write_all(&buffer[..count])
            .and_then(|()| pipe.flush())
            .is_err()
        {
            return false; // the machine has ended
        }
    }
}

fn copy_output(mut pipe: impl Read, out: &mut dyn Write) -> io::Result<()> {
    let keep_returns = io::stdout().is_terminal();
    let mut buffer = [0; 4096];
    loop {
        let count = match pipe.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if keep_returns {
            out.write_all(&buffer[..count])?;
        } else {
            let kept: Vec<u8> = buffer[..count]
                .iter()
                .copied()
                .filter(|b| *b != b'\r')
                .collect();
            out.write_all(&kept)?;
        }
        out.flush()?;
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn spawn(script: &str) -> Child {
        Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    static NEVER: AtomicBool = AtomicBool::new(false);
    static AT_ONCE: AtomicBool = AtomicBool::new(true);

    #[test]
    fn output_arrives_and_the_status_is_given_back() {
        let mut out = Vec::new();
        let child = spawn("printf 'a\\r\\nb'; exit 3");
        let end = attach(child, &mut out, false, None, &NEVER).unwrap();
        assert!(matches!(end, End::Exited(s) if s.code() == Some(3)));
        assert_eq!(out, b"a\nb");
    }

    #[test]
    fn a_machine_that_hangs_is_ended() {
        let mut out = Vec::new();
        let limit = Some(Duration::from_millis(100));
        let start = Instant::now();
        let end = attach(spawn("exec sleep 60"), &mut out, false, limit, &NEVER).unwrap();
        assert!(matches!(end, End::TimedOut));
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_machine_is_ended_when_asked_to() {
        let mut out = Vec::new();
        let start = Instant::now();
        let end = attach(spawn("exec sleep 60"), &mut out, false, None, &AT_ONCE).unwrap();
        assert!(matches!(end, End::Interrupted));
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
