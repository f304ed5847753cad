//! What is said of programs that go wrong: the cause, the guest function and its source line, in every tier.
//!
//! guests/faults.c goes wrong by request, guests/faults-rust the same from Rust. Lines are looked for by the comments at
//! their ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bareflow::qemu::{Boot, Machine};
use formats::exit::{FAULT_CODE, Reason, STUCK_CODE};

use crate::machine_test::MachineTest;
use crate::machines::{Image, bareflow};
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

const CASES: [Case; 7] = [
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

/// What is said of a mistake that `free` finds.
fn heap_texts(paths: &Paths, message: &str) -> Result<Vec<String>> {
    let source = std::fs::read_to_string(paths.root.join(HEAP))?;
    let place = format!("give ({HEAP}:{})", line(&source, "free")?);
    Ok(vec![message.into(), "CPU exception".into(), place])
}

const TIERS: [&str; 6] = ["interp", "O0", "O1", "O2", "O3", "auto"];

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
        .stdin(std::process::Stdio::null())
        .output()?;
    let text = [done.stdout, done.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    ensure!(
        done.status.code() == Some(code.into()),
        "{}, expected {code}; it said:\n{text}",
        done.status
    );
    Ok(text)
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
    for case in &CASES {
        let texts = expected(case, &source)?;
        // What waits a second is tried where it differs.
        let tiers = match case.name {
            "join" => &["interp", "auto"],
            _ => &TIERS[..],
        };
        for tier in tiers {
            test(format!("hosted/faults/{}/{tier}", case.name), &|| {
                let options = ["--tier", tier, "--watchdog", patience(case.code)];
                check(&run(paths, &image, &options, case.name, case.code)?, &texts)
            });
        }
    }
    test("hosted/faults/busy".into(), &|| {
        let text = run(paths, &image, &["--watchdog", "1"], "busy", 0)?;
        check(&text, &["busy".into()])
    });
    test("hosted/faults/no-lines".into(), &|| {
        let image = build(paths, SOURCE, "faults-no-lines.img", &["--no-lines"])?;
        let text = run(paths, &image, &["--tier", "O3"], "null", FAULT_CODE)?;
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
        let source = std::fs::read_to_string(paths.root.join(CRATE).join("src/lib.rs"))?;
        for (what, function) in [("null", "write"), ("spin", "spin")] {
            let code = if what == "spin" {
                STUCK_CODE
            } else {
                FAULT_CODE
            };
            let place = format!("lib.rs:{}", line(&source, what)?);
            for tier in ["interp", "O3"] {
                let options = ["--tier", tier, "--watchdog", patience(code)];
                let text = run(paths, &image, &options, what, code)?;
                check(&text, &[function.into(), place.clone()])
                    .with_context(|| format!("{what} at {tier}"))?;
            }
        }
        Ok(())
    });
    Ok(counts)
}

/// The tests of the machine: `machine/faults/...`, each in one tier.
///
/// # Errors
/// The program cannot be built.
pub fn machine_tests(paths: &Paths) -> Result<Vec<MachineTest>> {
    let source = std::fs::read_to_string(paths.root.join(SOURCE))?;
    let image = Image::open(build(paths, SOURCE, "faults-machine.img", &[])?)?;
    let heap = build(paths, HEAP, "faults-heap-machine.img", &["--checked-heap"])?;
    let heap = Image::open(heap)?;
    let mut tests = Vec::new();
    for case in &CASES {
        tests.push((
            case.name,
            case.tier,
            &image,
            expected(case, &source)?,
            case.code,
        ));
    }
    for (what, message) in HEAP_FAULTS {
        tests.push((what, "O0", &heap, heap_texts(paths, message)?, FAULT_CODE));
    }
    tests
        .into_iter()
        .map(|(name, tier, image, expect, code)| {
            let words = ["--tier", tier, "--watchdog", patience(code), "--", name];
            Ok(MachineTest {
                name: format!("machine/faults/{name}"),
                image: image.path.clone(),
                kernel: image.kernel.clone(),
                machine: Machine {
                    boot: Boot::Pvh,
                    cpus: 2,
                    memory_mib: 256,
                    arguments: words.map(str::to_owned).to_vec(),
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
