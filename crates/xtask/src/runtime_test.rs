//! Every function of `runtime.h` and of the first part of `jit_runtime.h`, from C and from Rust (the second: `jit_test.rs`).
//!
//! The programs, guests/runtime.c and guests/runtime-rust, check what each function does and say which check failed.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use bareflow::qemu::{Boot, Chipset, Machine};
use formats::exit::Reason;

use crate::machine_test::{Feed, MachineTest};
use crate::machines::{Image, bareflow};
use crate::paths::Paths;
use crate::sh;
use crate::test::Counts;

/// The program in both languages: name, source.
const PROGRAMS: [(&str, &str); 2] = [
    ("c", "crates/xtask/guests/runtime.c"),
    ("rust", "crates/xtask/guests/runtime-rust"),
];

/// What is asked for, what must be said, and the exit code: where nothing is typed.
const CASES: [(&str, &[&str], u8); 3] = [
    ("all", &["serial line\n", "!\n", "runtime.h is right\n"], 0),
    ("exit", &[], 5),
    ("no-keys", &[], 0),
];

fn image(paths: &Paths, language: &str, source: &str) -> Result<PathBuf> {
    let path = paths
        .scratch("images")?
        .join(format!("runtime-{language}.img"));
    let mut command = bareflow(paths)?;
    command.args(["build", source, "--store", "0", "-o"]);
    sh::output(command.arg(&path))?;
    Ok(path)
}

/// Runs a command and holds what it says and its exit code against what is expected.
pub(crate) fn judge(command: &mut Command, expect: &[&str], code: u8) -> Result<()> {
    let done = command.stdin(Stdio::null()).output()?;
    let text = [done.stdout, done.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    for expected in expect {
        ensure!(
            text.contains(expected),
            "{expected:?} did not appear in:\n{text}"
        );
    }
    ensure!(
        done.status.code() == Some(code.into()),
        "{}, expected {code}; it said:\n{text}",
        done.status
    );
    Ok(())
}

/// As Linux processes: `hosted/runtime/...` under the runtime, `hosted/runtime/exported/...` as machine code.
pub fn hosted_suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let mut counts = Counts::default();
    if filter.is_some_and(|f| !"hosted/runtime".contains(f) && !f.starts_with("hosted/runtime")) {
        return Ok(counts);
    }
    for (language, source) in PROGRAMS {
        let image = image(paths, language, source)?;
        let exported = paths
            .scratch("native")?
            .join(format!("runtime-{language}.elf"));
        let mut export = bareflow(paths)?;
        sh::output(
            export
                .args(["export", "--kind", "program"])
                .arg(&image)
                .arg("-o")
                .arg(&exported),
        )?;
        for (what, expect, code) in CASES {
            counts.run(&format!("hosted/runtime/{language}/{what}"), || {
                let mut run = bareflow(paths)?;
                run.arg("run").arg(&image).args(["--hosted", "--cpus", "2"]);
                judge(run.args(["--", what]), expect, code)
            });
            counts.run(
                &format!("hosted/runtime/exported/{language}/{what}"),
                || {
                    let root = tempfile::tempdir()?;
                    let mut run = Command::new(&exported);
                    run.arg("--root").arg(root.path());
                    judge(run.args(["--threads", "2", "--", what]), expect, code)
                },
            );
        }
    }
    Ok(counts)
}

/// On PVH with two processors: `machine/runtime/...`.
pub fn machine_tests(paths: &Paths) -> Result<Vec<MachineTest>> {
    let mut tests = Vec::new();
    for (language, source) in PROGRAMS {
        let image = Image::open(image(paths, language, source)?)?;
        let test = |what: &str, expect: &[&str], code: u8, input: Vec<Feed>| MachineTest {
            name: format!("machine/runtime/{language}/{what}"),
            image: image.path.clone(),
            kernel: image.kernel.clone(),
            machine: Machine {
                boot: Boot::Pvh,
                chipset: Chipset::Pc,
                cpus: 2,
                memory_mib: 256,
                arguments: vec!["--".into(), what.into()],
                ..Machine::default()
            },
            input,
            expect: expect.iter().map(|t| (*t).to_owned()).collect(),
            forbid: vec!["wrong in line".into(), "panic".into()],
            exit: Reason::Program(code).qemu_status(),
            timeout: Duration::from_secs(240),
            keep_writes: false,
        };
        tests.push(test("all", CASES[0].1, 0, Vec::new()));
        tests.push(test("exit", &[], 5, Vec::new()));
        let typed = |after: &str, keys: &str| Feed {
            after: after.into(),
            keys: keys.into(),
        };
        // Each key counts at once, without Enter.
        tests.push(test(
            "keys",
            &["press\n", "97 pressed\n", "98 received\n"],
            0,
            vec![typed("press", "a"), typed("97 pressed", "b")],
        ));
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use bareflow::guest::{JIT_RUNTIME_H, declared, runtime_functions};

    #[test]
    fn every_function_of_the_headers_is_called_in_both_languages() {
        let mut engine = declared(JIT_RUNTIME_H);
        engine.truncate(engine.iter().position(|n| *n == "jit_create").unwrap());
        assert!(engine.contains(&"jit_set_threshold"), "{engine:?}");
        let c = include_str!("../guests/runtime.c");
        let rust = include_str!("../guests/runtime-rust/src/lib.rs");
        for name in runtime_functions().into_iter().chain(engine) {
            for (language, text) in [("C", c), ("Rust", rust)] {
                assert!(text.contains(&format!("{name}(")), "{name} in {language}");
            }
        }
    }
}
