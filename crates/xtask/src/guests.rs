//! What a guest program can do and what happens when it does wrong, hosted and on the machine alike.
//!
//! One program, guests/probe.c, does one thing by request. The same text and exit code are expected of both places.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use bareflow::qemu::{Boot, Chipset, Machine};
use formats::exit::Reason;

use crate::machine_test::{Feed, MachineTest};
use crate::machines::{Image, bareflow};
use crate::paths::Paths;
use crate::sh;

/// Exit code of `bareflow run` after a CPU exception in the program.
const FAULT: u8 = formats::exit::FAULT_CODE;

/// One request and what must come of it.
struct Case {
    name: &'static str,
    arguments: &'static [&'static str],
    /// What is typed, and after which text.
    input: &'static [(&'static str, &'static str)],
    expect: &'static [&'static str],
    /// Exit code of `bareflow run`.
    code: u8,
}

const fn case(
    name: &'static str,
    arguments: &'static [&'static str],
    expect: &'static [&'static str],
    code: u8,
) -> Case {
    Case {
        name,
        arguments,
        input: &[],
        expect,
        code,
    }
}

/// The sum that probe.c makes of [`data`], as text.
fn data_sum() -> String {
    let sum = data().iter().fold(0u64, |sum, b| {
        sum.wrapping_mul(31).wrapping_add((*b).into())
    });
    format!("bytes 3000000\nsum {sum}\n")
}

/// A file that is no multiple of anything and looks random.
pub fn data() -> Vec<u8> {
    (0..3_000_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

const CASES: [Case; 14] = [
    case("exit-code", &["exit", "7"], &[], 7),
    case("exit-code-largest", &["exit", "62"], &[], 62),
    case("return-code", &["return", "3"], &[], 3),
    case("clock", &["clock"], &["time passes\n"], 0),
    case("float", &["float"], &["pi in millionths 3141592\n"], 0),
    case(
        "file",
        &["file", "/some folder/data with a long name.bin"],
        &[],
        0,
    ),
    case("no-file", &["file", "/not there"], &["error 2\n"], 1),
    case(
        "null",
        &["null"],
        &["CPU exception", "main", "address 0x0"],
        FAULT,
    ),
    case(
        "write-code",
        &["write-code"],
        &["CPU exception", "main"],
        FAULT,
    ),
    case("divide", &["divide"], &["CPU exception", "main"], FAULT),
    case(
        "recurse",
        &["recurse"],
        &["CPU exception", "recurse"],
        FAULT,
    ),
    Case {
        name: "echo",
        arguments: &["echo"],
        input: &[
            ("ready", "one\r"),
            ("<one>", "twx\x7fo\r"),
            ("<two>", "\x04"),
        ],
        expect: &["ready\n", "<one>\n", "<two>\n", "end of input\n"],
        code: 0,
    },
    case(
        "thread-local",
        &["thread-local"],
        &["wrong 0\n", "first 3005\n"],
        0,
    ),
    case(
        "parallel",
        &["parallel"],
        &["threads 2\n", "sum is right\n"],
        0,
    ),
];

/// Makes the image with the probe and its file by the given `bareflow`.
pub fn image(paths: &Paths, name: &str, mut command: Command) -> Result<Image> {
    let folder = paths.scratch("images")?;
    let file = folder.join("data.bin");
    std::fs::write(&file, data())?;
    let path = folder.join(name);
    command.args(["build", "crates/xtask/guests/probe.c", "--file"]);
    command.arg(format!(
        "{}:/some folder/data with a long name.bin",
        file.display()
    ));
    sh::output(command.arg("-o").arg(&path))?;
    Image::open(path)
}

/// The tests of the machine, on PVH with two processors: `machine/GROUP/...`.
pub fn machine_tests(image: &Image, group: &str) -> Vec<MachineTest> {
    let test = |case: &Case, machine: Machine| MachineTest {
        name: format!("machine/{group}/{}", case.name),
        image: image.path.clone(),
        kernel: image.kernel.clone(),
        machine,
        input: case
            .input
            .iter()
            .map(|(after, keys)| Feed {
                after: (*after).into(),
                keys: (*keys).into(),
            })
            .collect(),
        expect: expected(case),
        forbid: vec!["panic".into()],
        exit: match case.code {
            FAULT => Reason::PayloadException,
            code => Reason::Program(code),
        }
        .qemu_status(),
        timeout: Duration::from_secs(240),
        keep_writes: false,
    };
    let machine = |case: &Case, memory_mib| {
        let guest = case.arguments.iter().map(|a| (*a).to_owned());
        Machine {
            boot: Boot::Pvh,
            chipset: Chipset::Pc,
            cpus: 2,
            memory_mib,
            arguments: std::iter::once("--".to_owned()).chain(guest).collect(),
            ..Machine::default()
        }
    };
    let mut tests: Vec<MachineTest> = CASES.iter().map(|c| test(c, machine(c, 256))).collect();
    // On the machine only: a Linux process would take all of the host's memory first.
    let memory = case(
        "memory",
        &["memory"],
        &["refused, given back, taken again\n"],
        0,
    );
    tests.push(test(&memory, machine(&memory, 256)));
    tests
}

/// A request to an exported program that runs as a Linux process.
pub struct NativeCase {
    /// What is asked for.
    pub name: &'static str,
    /// Arguments of the program.
    pub arguments: &'static [&'static str],
    /// Its standard input.
    pub input: String,
    /// Texts that must appear.
    pub expect: Vec<String>,
    /// Its exit code.
    pub code: i32,
}

/// All requests, for exported programs. A pipe has no line editor: keys that edit are left out.
pub fn native_cases() -> Vec<NativeCase> {
    let one = |case: &Case| NativeCase {
        name: case.name,
        arguments: case.arguments,
        input: match case.name {
            "echo" => "one\r\ntwo\n".into(),
            _ => String::new(),
        },
        expect: expected(case),
        code: case.code.into(),
    };
    CASES.iter().map(one).collect()
}

/// The hosted tests as commands: name, arguments for `bareflow run`, texts, exit code.
pub fn hosted_tests(image: &Path) -> Vec<HostedTest> {
    // Its input is typed at the right moments only on the machine.
    let cases = CASES.iter().filter(|case| case.input.is_empty());
    cases
        .map(|case| HostedTest {
            name: format!("hosted/guest/{}", case.name),
            image: image.into(),
            arguments: case.arguments,
            expect: expected(case),
            code: case.code.into(),
        })
        .collect()
}

fn expected(case: &Case) -> Vec<String> {
    let mut texts: Vec<String> = case.expect.iter().map(|t| (*t).into()).collect();
    if case.name == "file" {
        texts.push(data_sum());
    }
    texts
}

/// A run as a Linux process.
pub struct HostedTest {
    /// Unique name.
    pub name: String,
    image: PathBuf,
    arguments: &'static [&'static str],
    expect: Vec<String>,
    code: i32,
}

impl HostedTest {
    /// Runs it.
    ///
    /// # Errors
    /// What was different from what is expected.
    pub fn run(&self, paths: &Paths) -> Result<()> {
        let done = bareflow(paths)?
            .arg("run")
            .arg(&self.image)
            .args(["--hosted", "--cpus", "2", "--"])
            .args(self.arguments)
            .stdin(std::process::Stdio::null())
            .output()?;
        let text = [done.stdout, done.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        if let Some(missing) = self.expect.iter().find(|e| !text.contains(e.as_str())) {
            bail!("{missing:?} did not appear in:\n{text}");
        }
        ensure!(
            done.status.code() == Some(self.code),
            "{}, expected {}; it said:\n{text}",
            done.status,
            self.code
        );
        Ok(())
    }
}
