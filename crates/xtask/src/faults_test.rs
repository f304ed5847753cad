//! What is said of programs that go wrong: the cause, the guest function and its source line, in every tier, compiled ahead
//! and exported.
//!
//! guests/faults.c goes wrong by request, guests/faults-rust the same from Rust. Lines are looked for by the comments at
//! their ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bareflow::qemu::{Boot, Machine};
use formats::exit::{FAULT_CODE, Reason, STUCK_CODE};

use crate::machine_test::MachineTest;
use crate::machines::{Image, bareflow};
use crate::native_test::{FOR_QEMU, export};
use crate::paths::Paths;
use crate::sh;
use crate::test::Counts;

const SOURCE: &str = "crates/xtask/guests/faults.c";
const CRATE: &str = "crates/xtask/guests/faults-rust";

/// One way to go wrong.
struct Case {
    /// What is asked of the program.
    name: &'static str,
    /// Words of the message.
    cause: &'static [&'static str],
    /// The function that is named, and the comment at the end of its line: the line itself, or `None` for any of it.
    place: (&'static str, Option<&'static str>),
    /// How it ends.
    code: u8,
    /// The tier it has on the machine, where one has to do.
    tier: &'static str,
}

const CASES: [Case; 8] = [
    Case {
        name: "main",
        cause: &["CPU exception", "division by zero"],
        place: ("main", Some("main")),
        code: FAULT_CODE,
        tier: "auto",
    },
    Case {
        name: "divide",
        cause: &["CPU exception", "division by zero"],
        place: ("quotient", Some("divide")),
        code: FAULT_CODE,
        tier: "O1",
    },
    Case {
        name: "null",
        cause: &["CPU exception", "null pointer"],
        place: ("put", Some("null")),
        code: FAULT_CODE,
        tier: "auto",
    },
    Case {
        name: "null-call",
        cause: &["CPU exception", "call through a null pointer"],
        place: ("through", Some("null-call")),
        code: FAULT_CODE,
        tier: "O2",
    },
    Case {
        name: "recurse",
        cause: &["CPU exception", "stack overflow"],
        place: ("deeper", None),
        code: FAULT_CODE,
        tier: "O0",
    },
    Case {
        name: "memory",
        cause: &["CPU exception", "null pointer"],
        place: ("fill", Some("memory")),
        code: FAULT_CODE,
        tier: "interp",
    },
    Case {
        name: "spin",
        cause: &["no progress for 1 s"],
        place: ("spin", None),
        code: STUCK_CODE,
        tier: "auto",
    },
    Case {
        name: "join",
        cause: &["no progress for 1 s"],
        place: ("spin", None),
        code: STUCK_CODE,
        tier: "O3",
    },
];

/// Seconds of `--watchdog` for a program that ends with `code`: 1 where the watchdog is what ends it, and time enough for
/// a slow host where it is not.
fn patience(code: u8) -> &'static str {
    if code == STUCK_CODE { "1" } else { "30" }
}

const HEAP: &str = "crates/xtask/guests/heap.c";

/// What guests/heap.c does wrong, and what a checked heap says of it.
const HEAP_FAULTS: [(&str, &str); 2] = [
    ("twice", "heap: a block is freed a second time"),
    (
        "beyond",
        "heap: bytes behind the end of a block were written",
    ),
];

/// An export that is a Linux program.
const PROGRAM: [&str; 2] = ["--kind", "program"];

/// What is said of a mistake that `free` finds.
fn heap_texts(paths: &Paths, message: &str) -> Result<Vec<String>> {
    let source = std::fs::read_to_string(paths.root.join(HEAP))?;
    let place = format!("give ({HEAP}:{})", line(&source, "free")?);
    Ok(vec![message.into(), "CPU exception".into(), place])
}

const TIERS: [&str; 6] = ["interp", "O0", "O1", "O2", "O3", "auto"];

/// What `run` is told of a tier, or of `ahead`.
fn how(tier: &'static str) -> [&'static str; 2] {
    match tier {
        "ahead" => ["--ahead", "O2"],
        tier => ["--tier", tier],
    }
}

/// Number of the line that ends in the comment `/* mark */`.
fn line(source: &str, mark: &str) -> Result<usize> {
    let comment = format!("/* {mark} */");
    let at = source
        .lines()
        .position(|l| l.trim_end().ends_with(&comment));
    Ok(at.with_context(|| format!("no line ends in {comment}"))? + 1)
}

/// Texts that must appear, in this order.
fn expected(case: &Case, source: &str) -> Result<Vec<String>> {
    let (function, mark) = case.place;
    let place = match mark {
        Some(mark) => format!("{function} ({SOURCE}:{})", line(source, mark)?),
        None => format!("{function} ({SOURCE}:"),
    };
    let mut texts: Vec<String> = case.cause.iter().map(|t| (*t).into()).collect();
    texts.push(place);
    if case.name == "memory" {
        texts.push("memory had run out before".into());
    }
    Ok(texts)
}

fn build(paths: &Paths, source: &str, name: &str, options: &[&str]) -> Result<PathBuf> {
    let image = paths.scratch("images")?.join(name);
    let mut command = bareflow(paths)?;
    command.args(["build", source, "-o"]).arg(&image);
    sh::output(command.args(options))?;
    Ok(image)
}

/// What a process said that was to end with `code`.
fn said(done: Output, code: u8) -> Result<String> {
    let text = [done.stdout, done.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    ensure!(
        done.status.code() == Some(code.into()),
        "{}, expected {code}; it said:\n{text}",
        done.status
    );
    Ok(text)
}

/// Runs a program as a Linux process; gives back what it said.
fn run(paths: &Paths, image: &Path, options: &[&str], what: &str, code: u8) -> Result<String> {
    let done = bareflow(paths)?
        .arg("run")
        .arg(image)
        .args([
            "--hosted",
            "--cpus",
            "2",
            "--memory",
            "64",
            "--timeout",
            "60",
        ])
        .args(options)
        .args(["--", what])
        .stdin(Stdio::null())
        .output()?;
    said(done, code)
}

/// Runs an exported program as a Linux process; gives back what it said.
fn run_native(program: &Path, options: &[&str], what: &str, code: u8) -> Result<String> {
    // Linux promises more memory than it has, unless it is told otherwise.
    let done = Command::new("sh")
        .args(["-c", "ulimit -v 262144; exec timeout 60 \"$@\"", "sh"])
        .arg(program)
        .args(options)
        .args(["--", what])
        .stdin(Stdio::null())
        .output()?;
    said(done, code)
}

fn check(text: &str, expected: &[String]) -> Result<()> {
    let mut rest = text;
    for wanted in expected {
        let Some(at) = rest.find(wanted.as_str()) else {
            bail!("{wanted:?} did not appear (in this order) in:\n{text}");
        };
        rest = &rest[at..];
    }
    Ok(())
}

/// The tests as Linux processes: `hosted/faults/...`.
///
/// # Errors
/// The programs cannot be built.
pub fn hosted_suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut test = |name: String, run: &dyn Fn() -> Result<()>| {
        if filter.is_none_or(|f| name.contains(f) || f.is_empty()) {
            counts.run(&name, run);
        }
    };
    let source = std::fs::read_to_string(paths.root.join(SOURCE))?;
    let image = build(paths, SOURCE, "faults.img", &[])?;
    let native = export(paths, &image, "faults.elf", &PROGRAM)?;
    for case in &CASES {
        let texts = expected(case, &source)?;
        // What waits a second is tried where it differs.
        let tiers = match case.name {
            "join" => &["interp", "auto"],
            _ => &TIERS[..],
        };
        let watchdog = ["--watchdog", patience(case.code)];
        for tier in tiers.iter().chain(&["ahead"]) {
            test(format!("hosted/faults/{}/{tier}", case.name), &|| {
                let options = [how(tier), watchdog].concat();
                check(&run(paths, &image, &options, case.name, case.code)?, &texts)
            });
        }
        test(format!("hosted/faults/{}/native", case.name), &|| {
            let text = run_native(&native, &watchdog, case.name, case.code)?;
            check(&text, &texts)
        });
    }
    test("hosted/faults/busy".into(), &|| {
        let text = run(paths, &image, &["--watchdog", "1"], "busy", 0)?;
        check(&text, &["busy".into()])?;
        let text = run_native(&native, &["--watchdog", "1"], "busy", 0)?;
        check(&text, &["busy".into()])
    });
    test("hosted/faults/callers".into(), &|| {
        let functions = ["put", "store", "walk", "walk", "main"];
        let marks = ["null", "null-inlined", "walk-end", "walk-on", "walk-begin"];
        let texts = functions
            .iter()
            .zip(marks)
            .map(|(function, mark)| Ok(format!("{function} ({SOURCE}:{})", line(&source, mark)?)))
            .collect::<Result<Vec<_>>>()?;
        for tier in ["interp", "auto"] {
            let text = run(paths, &image, &["--tier", tier], "walk", FAULT_CODE)?;
            check(&text, &texts).with_context(|| format!("at {tier}"))?;
        }
        Ok(())
    });
    test("hosted/faults/no-lines".into(), &|| {
        let without = build(paths, SOURCE, "faults-no-lines.img", &["--no-lines"])?;
        let text = run(paths, &without, &["--tier", "O3"], "null", FAULT_CODE)?;
        ensure!(!text.contains("faults.c"), "lines in:\n{text}");
        check(&text, &["null pointer".into(), "store+0x".into()])?;
        let how = [&PROGRAM[..], &["--no-lines"]].concat();
        let program = export(paths, &image, "faults-no-lines.elf", &how)?;
        let text = run_native(&program, &[], "null", FAULT_CODE)?;
        ensure!(!text.contains("faults.c"), "lines in:\n{text}");
        check(&text, &["null pointer".into(), "store+0x".into()])
    });
    let heap = build(paths, HEAP, "faults-heap.img", &["--checked-heap"])?;
    for (what, message) in HEAP_FAULTS {
        let texts = heap_texts(paths, message)?;
        for tier in ["interp", "O0", "O3"] {
            test(format!("hosted/faults/heap-{what}/{tier}"), &|| {
                check(
                    &run(paths, &heap, &["--tier", tier], what, FAULT_CODE)?,
                    &texts,
                )
            });
        }
    }
    test("hosted/faults/heap-random".into(), &|| {
        let text = run(paths, &heap, &[], "random", 0)?;
        check(&text, &["wrong 0\n".into()])?;
        let plain = build(paths, HEAP, "faults-heap-plain.img", &[])?;
        // Unchecked, a write behind the end is nobody's affair.
        run(paths, &plain, &[], "beyond", 0).map(|_| ())
    });
    test("hosted/faults/rust".into(), &|| {
        let image = build(paths, CRATE, "faults-rust.img", &[])?;
        let native = export(paths, &image, "faults-rust.elf", &PROGRAM)?;
        let source = std::fs::read_to_string(paths.root.join(CRATE).join("src/lib.rs"))?;
        for (what, function) in [("null", "write"), ("spin", "spin")] {
            let code = if what == "spin" {
                STUCK_CODE
            } else {
                FAULT_CODE
            };
            let place = format!("lib.rs:{}", line(&source, what)?);
            let watchdog = ["--watchdog", patience(code)];
            for tier in ["interp", "O3", "ahead"] {
                let options = [how(tier), watchdog].concat();
                let text = run(paths, &image, &options, what, code)?;
                check(&text, &[function.into(), place.clone()])
                    .with_context(|| format!("{what} at {tier}"))?;
            }
            let text = run_native(&native, &watchdog, what, code)?;
            check(&text, &[function.into(), place]).with_context(|| format!("{what}, exported"))?;
        }
        Ok(())
    });
    Ok(counts)
}

/// The tests of the machine: `machine/faults/...`, each in one tier and exported, some compiled ahead.
///
/// # Errors
/// The program cannot be built.
pub fn machine_tests(paths: &Paths) -> Result<Vec<MachineTest>> {
    let source = std::fs::read_to_string(paths.root.join(SOURCE))?;
    let built = build(paths, SOURCE, "faults-machine.img", &[])?;
    let native = export(paths, &built, "faults-final.img", FOR_QEMU)?;
    let (image, native) = (Image::open(built)?, Image::open(native)?);
    let heap = build(paths, HEAP, "faults-heap-machine.img", &["--checked-heap"])?;
    let heap = Image::open(heap)?;
    let mut tests = Vec::new();
    for case in &CASES {
        let texts = expected(case, &source)?;
        let mut add = |name: String, image, how: &[&'static str]| {
            tests.push((
                name,
                case.name,
                image,
                how.to_vec(),
                texts.clone(),
                case.code,
            ));
        };
        add(case.name.into(), &image, &how(case.tier));
        add(format!("{}/native", case.name), &native, &[]);
        // Compiling all of it takes its time under emulation: one fault and the watchdog.
        if ["null", "join"].contains(&case.name) {
            add(format!("{}/ahead", case.name), &image, &how("ahead"));
        }
    }
    for (what, message) in HEAP_FAULTS {
        let (texts, how) = (heap_texts(paths, message)?, how("O0").to_vec());
        tests.push((what.into(), what, &heap, how, texts, FAULT_CODE));
    }
    tests
        .into_iter()
        .map(|(name, what, image, how, expect, code)| {
            let words = ["--watchdog", patience(code), "--", what];
            Ok(MachineTest {
                name: format!("machine/faults/{name}"),
                image: image.path.clone(),
                kernel: image.kernel.clone(),
                machine: Machine {
                    boot: Boot::Pvh,
                    cpus: 2,
                    memory_mib: 256,
                    arguments: how.into_iter().chain(words).map(str::to_owned).collect(),
                    ..Machine::default()
                },
                input: Vec::new(),
                expect,
                forbid: vec!["panic".into()],
                exit: Reason::of_payload(code).qemu_status(),
                timeout: Duration::from_secs(240),
                keep_writes: false,
            })
        })
        .collect()
}
