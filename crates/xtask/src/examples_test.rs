//! The programs of examples/: built by the host command, run hosted and on the machine, with something typed.
//!
//! The key-value store is killed, too: hosted as an exported program many times, whose files are then looked at, and
//! once as a machine. What it had acknowledged must be there at the next start.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bareflow::Artifacts;
use bareflow::qemu::{Boot, Chipset, Machine};
use formats::exit::Reason;

use crate::machine_test::{Feed, MachineTest, Outcome, reader};
use crate::machines::{Image, bareflow};
use crate::paths::Paths;
use crate::sh;
use crate::test::Counts;

/// A program, what is typed and what it must say, in this order.
struct Example {
    name: &'static str,
    /// Below examples/.
    source: &'static str,
    arguments: &'static [&'static str],
    /// What is typed, and after which text.
    input: &'static [(&'static str, &'static str)],
    expect: &'static [&'static str],
}

const EXAMPLES: [Example; 7] = [
    Example {
        name: "hello",
        source: "hello.c",
        arguments: &["world"],
        input: &[],
        expect: &["hello world from 2 CPU(s)\n"],
    },
    Example {
        name: "hello-rust",
        source: "hello-rust",
        arguments: &["you", "me"],
        input: &[],
        expect: &["hello me and you from Rust\n"],
    },
    Example {
        name: "primes",
        source: "primes.c",
        arguments: &["100000"],
        input: &[],
        expect: &["9592 primes up to 100000\n"],
    },
    Example {
        name: "profile",
        source: "profile.c",
        arguments: &[],
        input: &[],
        expect: &[
            "Before:\n",
            "fibonacci(16), before",
            "interpreted\n",
            "sum of 20000, before",
            "interpreted\n",
            "primes below 3000, before",
            "interpreted\n",
            "functions compiled at O3\n",
            "fibonacci(16), after",
            "O3\n",
            "sum of 20000, after",
            "O3\n",
            "primes below 3000, after",
            "O3\n",
            "fibonacci ",
            "times faster\n",
            "primes ",
            "times faster\n",
        ],
    },
    Example {
        name: "matmul",
        source: "matmul.c",
        arguments: &[],
        input: &[],
        expect: &[
            "GFLOP/s  level\n       1 ",
            "  interpreted\n",
            "  O3\n",
            "  O3\n",
            "  O3\n",
        ],
    },
    Example {
        name: "kv",
        source: "kv",
        arguments: &[],
        input: &[
            ("> ", "put colour dark blu\x7fue\r"),
            ("ok", "put size 3\r"),
            ("ok", "get colour\r"),
            ("dark blue", "del size\r"),
            ("ok", "get size\r"),
            ("none", "list\r"),
            ("colour = dark blue", "quit\r"),
        ],
        expect: &["0 keys in a log of 8 bytes", "bye\n"],
    },
    Example {
        name: "chess",
        source: "chess",
        arguments: &[],
        // The rules by counting games, a move by cursor keys, a mate in two that must be found and played.
        input: &[
            ("White: ", "perft 3\r"),
            ("8902 games of 3 moves", "depth 2\r"),
            ("Looking 2 moves ahead", "\r\x1b[A\x1b[A\r"),
            (
                "Black plays ",
                "fen r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq -\r",
            ),
            ("Set up", "perft 2\r"),
            ("2039 games of 2 moves", "e1g1\r"),
            ("Black plays ", "fen 7k/8/8/8/8/8/R7/1R5K w - -\r"),
            ("Set up", "depth 3\r"),
            ("Looking 3 moves ahead", "go\r"),
            ("(mate in 2)", "h8g8\r"),
            ("checkmate", "quit\r"),
        ],
        expect: &["8902 games", "2039 games", "checkmate", "Good bye\n"],
    },
];

impl Example {
    fn build(&self, paths: &Paths) -> Result<PathBuf> {
        let image = paths
            .scratch("images")?
            .join(format!("example-{}.img", self.name));
        let mut command = bareflow(paths)?;
        command.current_dir(paths.root.join("examples"));
        command.args(["build", self.source, "--store", "0", "-o"]);
        sh::output(command.arg(&image))?;
        Ok(image)
    }

    /// As a Linux process that has read all it is told before it begins.
    fn hosted(&self, paths: &Paths, image: &Path) -> Result<()> {
        let mut command = bareflow(paths)?;
        command
            .arg("run")
            .arg(image)
            .args(["--hosted", "--cpus", "2", "--"]);
        command.args(self.arguments);
        let input: String = self.input.iter().map(|(_, keys)| *keys).collect();
        let (text, code) = typed_to(&mut command, &input)?;
        ensure!(code == Some(0), "exit code {code:?}; it said:\n{text}");
        let mut rest = text.as_str();
        // The text that each input waits for on the machine appears here, too.
        let answers = self.input.iter().map(|(after, _)| *after);
        for expected in answers {
            let at = rest.find(expected);
            let at = at.with_context(|| format!("{expected:?} did not appear in:\n{text}"))?;
            rest = &rest[at + expected.len()..];
        }
        rest = &text;
        for expected in self.expect {
            let at = rest.find(expected);
            let at = at.with_context(|| format!("{expected:?} did not appear in:\n{text}"))?;
            rest = &rest[at + expected.len()..];
        }
        Ok(())
    }
}

/// Runs a program with all its input at once; gives what it said, errors last, and its exit code.
fn typed_to(command: &mut Command, input: &str) -> Result<(String, Option<i32>)> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start: {}", sh::display(command)))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read to the end is judged by what it says.
        let _ = stdin.write_all(input.as_bytes());
    }
    let done = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).replace('\r', "");
    Ok((text, done.status.code()))
}

/// The tests as Linux processes: `hosted/examples/...`.
pub fn hosted_suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let mut counts = Counts::default();
    let wanted = |name: &str| filter.is_none_or(|f| name.contains(f) || f.starts_with(name));
    for example in &EXAMPLES {
        let name = format!("hosted/examples/{}", example.name);
        if wanted(&name) {
            counts.run(&name, || example.hosted(paths, &example.build(paths)?));
        }
    }
    if wanted("hosted/examples/kv/log") {
        counts.run("hosted/examples/kv/log", || {
            let mut test = sh::cargo(&paths.root.join("examples/kv"));
            test.args(["test", "--quiet", "--locked"]);
            sh::output(test.env("CARGO_TARGET_DIR", paths.separate_target("examples")))?;
            Ok(())
        });
    }
    if wanted("hosted/examples/kv/cuts") || wanted("hosted/examples/kv/kills") {
        let program = paths.scratch("native")?.join("example-kv.elf");
        let mut export = bareflow(paths)?;
        export.arg("export").arg(kv().build(paths)?);
        sh::output(export.args(["--kind", "program", "-o"]).arg(&program))?;
        counts.run("hosted/examples/kv/cuts", || cuts(&program));
        counts.run_noted("hosted/examples/kv/kills", || kills(&program));
    }
    Ok(counts)
}

/// The tests on PVH with two processors: `machine/examples/...`. The smallest programs are in other suites.
pub fn machine_tests(paths: &Paths) -> Result<Vec<MachineTest>> {
    let mut tests = Vec::new();
    let larger = |e: &&Example| !["hello", "hello-rust", "primes"].contains(&e.name);
    for example in EXAMPLES.iter().filter(larger) {
        let image = Image::open(example.build(paths)?)?;
        tests.push(MachineTest {
            name: format!("machine/examples/{}", example.name),
            image: image.path,
            kernel: image.kernel,
            machine: machine(example.arguments),
            input: example
                .input
                .iter()
                .map(|(after, keys)| Feed {
                    after: (*after).into(),
                    keys: (*keys).into(),
                })
                .collect(),
            expect: example.expect.iter().map(|t| (*t).to_owned()).collect(),
            forbid: vec!["panic".into(), "exception".into()],
            exit: Reason::Program(0).qemu_status(),
            timeout: Duration::from_secs(240),
            keep_writes: false,
        });
    }
    Ok(tests)
}

fn machine(arguments: &[&str]) -> Machine {
    let guest = arguments.iter().map(|a| (*a).to_owned());
    Machine {
        boot: Boot::Pvh,
        chipset: Chipset::Pc,
        cpus: 2,
        memory_mib: 256,
        arguments: std::iter::once("--".to_owned()).chain(guest).collect(),
        ..Machine::default()
    }
}

// --- The key-value store, whose power is cut.

fn kv() -> &'static Example {
    &EXAMPLES[5]
}

/// Keys that are written in turns; the values are long enough that logs are replaced within a few hundred.
const KEYS: usize = 7;

fn value(i: usize) -> String {
    format!("{i}-{}", "x".repeat(900 + i % 50))
}

/// What `list` must say after so many acknowledged writes: the last value of each key, and of one key perhaps the next.
fn judge(list: &str, acknowledged: usize) -> Result<()> {
    let line = |key: usize, i: usize| format!("key{key} = {}\n", value(i));
    for key in 0..KEYS {
        // The last write of this key that was acknowledged, and the one that may have been under way.
        let last = (0..acknowledged).rev().find(|i| i % KEYS == key);
        let under_way = (acknowledged % KEYS == key).then_some(acknowledged);
        let holds = |i: usize| list.contains(&line(key, i));
        ensure!(
            last.into_iter().chain(under_way).any(holds) || last.is_none(),
            "after {acknowledged} acknowledged writes key{key} has neither the value of write {last:?} nor {under_way:?}:\n{}",
            list.lines()
                .map(|l| &l[..l.len().min(40)])
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
    Ok(())
}

/// A store that runs, hosted or as a machine, and what it has said.
struct Session {
    child: Child,
    received: Receiver<Vec<u8>>,
    said: Vec<u8>,
}

impl Session {
    /// Starts it and waits for its prompt: a machine does not hear what is typed before.
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start: {}", sh::display(command)))?;
        let received = reader(child.stdout.take().context("no standard output")?);
        let said = Vec::new();
        let mut session = Session {
            child,
            received,
            said,
        };
        session.until(|text| text.ends_with("> "));
        Ok(session)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.said).replace('\r', "")
    }

    /// Reads until the text is as wanted, the end or two minutes.
    fn until(&mut self, wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !wanted(&self.text()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.received.recv_timeout(left) {
                Ok(bytes) => self.said.extend(bytes),
                Err(_) => return,
            }
        }
    }

    /// Writes to the store, from write `first` on, until so many writes are acknowledged and some time more, then kills it.
    /// Gives the first write that is not acknowledged.
    fn killed(mut self, first: usize, least: usize, more: Duration) -> Result<usize> {
        let mut keyboard = self.child.stdin.take().context("no standard input")?;
        let writer = std::thread::spawn(move || {
            (first..).all(|i| {
                let line = format!("put key{} {}\r", i % KEYS, value(i));
                keyboard.write_all(line.as_bytes()).is_ok()
            })
        });
        let acknowledged = |text: &str| text.matches("\nok\n").count();
        self.until(|text| acknowledged(text) >= least);
        std::thread::sleep(more);
        // One that has ended is judged by what it acknowledged.
        let _ = self.child.kill();
        self.child.wait()?;
        self.said.extend(self.received.iter().flatten());
        let count = acknowledged(&self.text());
        ensure!(
            writer.join().is_ok() && count >= least,
            "{count} writes were acknowledged, not {least}; it said:\n{}",
            abridged(&self.text())
        );
        Ok(first + count)
    }

    /// What it says when it lists everything, and its exit code.
    fn list(mut self) -> Result<(String, Option<i32>)> {
        let mut keyboard = self.child.stdin.take().context("no standard input")?;
        keyboard.write_all(b"list\rquit\r")?;
        self.until(|_| false);
        Ok((self.text(), self.child.wait()?.code()))
    }
}

/// The beginnings of the last lines.
fn abridged(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|l| l.chars().take(60).collect()).collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Kills the exported program again and again on one folder, at moments that differ.
fn kills(program: &Path) -> Result<String> {
    let root = tempfile::tempdir()?;
    let start = || {
        let mut command = Command::new(program);
        command.arg("--root").arg(root.path()).arg("--");
        command
    };
    let mut written = 0;
    for round in 0..20 {
        let more = Duration::from_micros(round * 137);
        written = Session::start(&mut start())?
            .killed(written, 30, more)
            .with_context(|| format!("round {round}"))?;
        let (list, code) = Session::start(&mut start())?.list()?;
        ensure!(
            code == Some(0),
            "exit code {code:?} after round {round}:\n{list}"
        );
        judge(&list, written).with_context(|| format!("after round {round}"))?;
    }
    Ok(format!("{written} writes"))
}

/// What a power cut leaves of the files: each of them is a start that says what was acknowledged.
fn cuts(program: &Path) -> Result<()> {
    let root = tempfile::tempdir()?;
    let (log, new) = (root.path().join("kv.log"), root.path().join("kv.new"));
    let run = |input: &str| -> Result<String> {
        let mut command = Command::new(program);
        command.arg("--root").arg(root.path()).arg("--");
        let (text, code) = typed_to(&mut command, input)?;
        ensure!(code == Some(0), "exit code {code:?}:\n{text}");
        Ok(text)
    };
    run("put a first\rput b second\rquit\r")?;
    let whole = std::fs::read(&log)?;
    let expect = |what: &str, texts: &[&str]| -> Result<()> {
        let text = run("list\rquit\r")?;
        for expected in texts {
            ensure!(
                text.contains(expected),
                "{what}: {expected:?} is missing in:\n{text}"
            );
        }
        Ok(())
    };
    let both = ["a = first\n", "b = second\n"];
    // The last record torn, and another program's bytes behind it.
    std::fs::write(&log, &whole[..whole.len() - 3])?;
    expect("torn", &["1 keys", "a = first\n"])?;
    std::fs::write(&log, [&whole[..], &[0xA5; 700]].concat())?;
    expect("garbage", &["2 keys", "700 bytes", both[0], both[1]])?;
    ensure!(std::fs::read(&log)? == whole, "the garbage was not cut off");
    // Before, within and after the moment at which a new log takes the name of the old one.
    std::fs::write(&new, &whole[..9])?;
    expect("a new log that is not whole", &both)?;
    ensure!(!new.exists(), "the new log was left");
    std::fs::rename(&log, &new)?;
    expect("a new log without a name", &both)?;
    ensure!(
        log.exists() && !new.exists(),
        "the new log has not got its name"
    );
    // The very first start, cut.
    std::fs::write(&log, [])?;
    expect("nothing written", &["0 keys"])?;
    std::fs::write(&log, b"a text file of somebody's")?;
    let mut command = Command::new(program);
    let (text, code) = typed_to(command.arg("--root").arg(root.path()).arg("--"), "quit\r")?;
    ensure!(
        code == Some(1) && text.contains("no log of this program"),
        "{code:?}: {text}"
    );
    Ok(())
}

/// A machine whose plug is pulled while it writes, and booted again: `machine/examples/kv/plug`.
pub fn plug(paths: &Paths, artifacts: &Artifacts) -> Outcome {
    let start = Instant::now();
    let result = pulled(paths, artifacts);
    let outcome = Outcome {
        name: "machine/examples/kv/plug".into(),
        failure: result.err().map(|error| format!("  {error:#}")),
        seconds: start.elapsed().as_secs_f64(),
    };
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
    outcome
}

fn pulled(paths: &Paths, artifacts: &Artifacts) -> Result<()> {
    let path = paths.scratch("images")?.join("example-kv-plug.img");
    std::fs::copy(kv().build(paths)?, &path)?;
    let image = Image::open(path)?;
    let invocation = machine(&[]).invocation(&image.path, &image.kernel, artifacts, false)?;
    let mut written = 0;
    for round in 0..2 {
        let more = Duration::from_millis(7 + 11 * round);
        written = Session::start(&mut invocation.command())?.killed(written, 60, more)?;
    }
    let (list, code) = Session::start(&mut invocation.command())?.list()?;
    ensure!(
        code == Some(Reason::Program(0).qemu_status()),
        "exit code {code:?}:\n{list}"
    );
    judge(&list, written)?;
    // Nothing of the image is of use to anybody.
    std::fs::remove_file(&image.path)?;
    Ok(())
}
