//! Engines that programs make for themselves (`jit_runtime.h`), from C and from Rust.
//!
//! The programs, guests/embed.c and guests/embed-rust, load what is compiled here from guests/plugin.c, check every function of the
//! header's second part, and say which check failed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use bareflow::qemu::{Boot, Chipset, Machine};
use formats::exit::Reason;

use crate::machine_test::MachineTest;
use crate::machines::{Image, bareflow};
use crate::paths::Paths;
use crate::runtime_test::judge;
use crate::sh;
use crate::test::Counts;

/// The program in both languages: name, source.
const PROGRAMS: [(&str, &str); 2] = [
    ("c", "crates/xtask/guests/embed.c"),
    ("rust", "crates/xtask/guests/embed-rust"),
];

/// The modules: file, what guests/plugin.c is compiled with.
const MODULES: [(&str, &[&str]); 3] = [
    ("plugin.bc", &[]),
    ("user.bc", &["-DUSER"]),
    ("large.bc", &["-DLARGE"]),
];

const RIGHT: &[&str] = &["jit_runtime.h is right\n"];

/// A way to run a program: test's name, language, runtime's options, arguments.
type Case = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// As Linux processes.
const HOSTED: [Case; 9] = [
    ("c/all", "c", &[], &["all"]),
    ("c/all/interp", "c", &["--tier", "interp"], &["all"]),
    ("c/all/O3", "c", &["--tier", "O3"], &["all"]),
    ("c/all/ahead", "c", &["--ahead", "O2"], &["all"]),
    ("c/memory", "c", &[], &["memory", "200"]),
    ("c/hostile", "c", &[], &["hostile", "400"]),
    ("rust/all", "rust", &[], &[]),
    ("rust/all/O1", "rust", &["--tier", "O1"], &[]),
    ("rust/all/ahead", "rust", &["--ahead", "O1"], &[]),
];

/// On the machine, where a compile costs twenty times as much.
const MACHINE: [Case; 4] = [
    ("c/all", "c", &[], &["all"]),
    ("c/memory", "c", &[], &["memory", "200"]),
    ("c/hostile", "c", &[], &["hostile", "30"]),
    ("rust/all", "rust", &[], &[]),
];

/// Compiles the modules into a folder.
fn modules(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.scratch("plugins")?;
    for (name, flags) in MODULES {
        let mut clang = Command::new("clang-22");
        clang.args(["-O1", "-emit-llvm", "-c", "crates/xtask/guests/plugin.c"]);
        sh::output(clang.args(flags).arg("-o").arg(folder.join(name)))?;
    }
    let mut wrap = bareflow(paths)?;
    let (from, to) = (folder.join("user.bc"), folder.join("user.llbc"));
    sh::output(wrap.arg("wrap").arg(from).arg("-o").arg(to))?;
    Ok(folder)
}

fn image(paths: &Paths, modules: &Path, language: &str) -> Result<PathBuf> {
    let path = paths
        .scratch("images")?
        .join(format!("embed-{language}.img"));
    let mut command = bareflow(paths)?;
    let source = PROGRAMS.iter().find(|(name, _)| *name == language);
    command.args(["build", source.map_or("", |s| s.1), "--store", "0"]);
    for name in ["plugin.bc", "user.llbc", "large.bc"] {
        let file = modules.join(name);
        command.args(["--file", &format!("{}:/plugins/{name}", file.display())]);
    }
    sh::output(command.arg("-o").arg(&path))?;
    Ok(path)
}

/// `hosted/jit/...`; a program with engines of its own cannot be exported.
pub fn hosted_suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let mut counts = Counts::default();
    if filter.is_some_and(|f| !"hosted/jit".contains(f) && !f.starts_with("hosted/jit")) {
        return Ok(counts);
    }
    let modules = modules(paths)?;
    let images = ["c", "rust"].map(|language| image(paths, &modules, language));
    let [c, rust] = images;
    let (c, rust) = (c?, rust?);
    for (name, language, options, arguments) in HOSTED {
        counts.run(&format!("hosted/jit/{name}"), || {
            let image = if language == "c" { &c } else { &rust };
            let mut run = bareflow(paths)?;
            run.arg("run").arg(image).args(["--hosted", "--cpus", "2"]);
            run.args(options).arg("--").args(arguments);
            judge(&mut run, RIGHT, 0)
        });
    }
    counts.run("hosted/jit/exported", || {
        let mut export = bareflow(paths)?;
        export.args(["export", "--kind", "program"]).arg(&c);
        let done = export
            .arg("-o")
            .arg(paths.scratch("native")?.join("embed.elf"))
            .output()?;
        let text = String::from_utf8_lossy(&done.stderr);
        ensure!(
            !done.status.success() && text.contains("jit_") && text.contains("cannot be exported"),
            "{}: {text}",
            done.status
        );
        Ok(())
    });
    Ok(counts)
}

/// On PVH with two processors: `machine/jit/...`.
pub fn machine_tests(paths: &Paths) -> Result<Vec<MachineTest>> {
    let modules = modules(paths)?;
    let mut tests = Vec::new();
    for (name, language, _, arguments) in MACHINE {
        let image = Image::open(image(paths, &modules, language)?)?;
        let mut words = vec!["--".to_owned()];
        words.extend(arguments.iter().map(|word| (*word).to_owned()));
        tests.push(MachineTest {
            name: format!("machine/jit/{name}"),
            image: image.path.clone(),
            kernel: image.kernel.clone(),
            machine: Machine {
                boot: Boot::Pvh,
                chipset: Chipset::Pc,
                cpus: 2,
                memory_mib: 256,
                arguments: words,
                ..Machine::default()
            },
            input: Vec::new(),
            expect: RIGHT.iter().map(|t| (*t).to_owned()).collect(),
            forbid: vec!["wrong in line".into(), "panic".into()],
            exit: Reason::Program(0).qemu_status(),
            timeout: Duration::from_secs(300),
            keep_writes: false,
        });
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use bareflow::guest::{JIT_RUNTIME_H, declared};

    #[test]
    fn every_function_of_engines_is_called_in_both_languages_and_refused_at_export() {
        let c = include_str!("../guests/embed.c");
        let rust = include_str!("../guests/embed-rust/src/lib.rs");
        let export = include_str!("../../engine/src/embed/mod.rs");
        let all = declared(JIT_RUNTIME_H);
        let first = all.iter().position(|name| *name == "jit_create");
        let engines = &all[first.unwrap_or(all.len())..];
        assert_eq!(engines.len(), 15, "{engines:?}");
        for name in engines {
            for (language, text) in [("C", c), ("Rust", rust)] {
                assert!(text.contains(&format!("{name}(")), "{name} in {language}");
            }
            assert!(export.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}
