//! The programs: where they lie, how csmith makes more, and how they become machine code and bitcode.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    C,
    Rust,
    /// C that csmith generates from a seed.
    Csmith,
}

/// One program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Folder and name, such as `loops/duff`, or `csmith/17`.
    pub name: String,
    pub language: Language,
    /// Where it lies; csmith's are made when they are needed.
    source: PathBuf,
    /// 0 where there is none.
    seed: u64,
}

const C_FLAGS: [&str; 4] = [
    "-w",
    "-Wno-incompatible-pointer-types",
    "-ffp-contract=off",
    "-I/usr/include/csmith",
];
/// Every level gives other IR: memory everywhere, the front end's for an optimiser, small and clean, inlined and vectorised.
const C_LEVELS: [&[&str]; 4] = [
    &["-O0"],
    &["-O2", "-Xclang", "-disable-llvm-passes"],
    &["-O1"],
    &["-O2"],
];
// Overflow is checked at all levels, so that they do the same.
const RUST_FLAGS: [&str; 8] = [
    "--edition=2021",
    "-Cpanic=abort",
    "-Coverflow-checks=on",
    "-Cdebug-assertions=off",
    "-Ccodegen-units=1",
    "-Cno-vectorize-loops",
    "-Cno-vectorize-slp",
    "-Awarnings",
];
const RUST_LEVELS: [&str; 3] = ["0", "1", "2"];
/// Small programs, of three kinds by turns.
const CSMITH: [&str; 8] = [
    "--concise",
    "--no-packed-struct",
    "--max-block-depth",
    "3",
    "--max-block-size",
    "3",
    "--max-expr-complexity",
    "6",
];
const CSMITH_KINDS: [&[&str]; 3] = [
    &["--max-funcs", "4"],
    &["--max-funcs", "4", "--float"],
    &[
        "--max-funcs",
        "8",
        "--max-array-dim",
        "2",
        "--max-pointer-depth",
        "3",
    ],
];

/// All files of `tests/corpus`, in the order of their names.
///
/// # Errors
/// The folder cannot be read.
pub fn corpus() -> Result<Vec<Program>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        for entry in entries.flatten() {
            let source = entry.path();
            let language = match source.extension().and_then(|e| e.to_str()) {
                Some("c") => Language::C,
                // What the other Rust programs include is none.
                Some("rs") if !source.ends_with("support.rs") => Language::Rust,
                _ if source.is_dir() => {
                    folders.push(source);
                    continue;
                }
                _ => continue,
            };
            let relative = source
                .strip_prefix(&root)
                .unwrap_or(&source)
                .with_extension("");
            let mut name = relative.to_string_lossy().into_owned();
            if !name.contains('/') {
                name.insert_str(0, "basics/");
            }
            found.push(Program {
                name,
                language,
                source,
                seed: 0,
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

pub fn has_csmith() -> bool {
    Path::new("/usr/include/csmith/csmith.h").exists()
        && Command::new("csmith")
            .arg("--version")
            // It leaves a file behind where it runs, even now.
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
}

impl Program {
    /// The program of this seed.
    pub fn csmith(seed: u64) -> Self {
        Program {
            name: format!("csmith/{seed}"),
            language: Language::Csmith,
            source: PathBuf::new(),
            seed,
        }
    }

    /// The first part of its name.
    pub fn group(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// How many forms of bitcode there are of it.
    pub fn levels(&self) -> usize {
        match self.language {
            Language::Rust => RUST_LEVELS.len(),
            Language::C | Language::Csmith => C_LEVELS.len(),
        }
    }

    /// What a level is called.
    pub fn level(&self, level: usize) -> String {
        match self.language {
            Language::Rust => format!("opt-level={}", RUST_LEVELS[level]),
            Language::C | Language::Csmith => C_LEVELS[level].join(" "),
        }
    }

    /// Makes what has no source yet.
    ///
    /// # Errors
    /// csmith cannot be run or fails.
    pub fn generate(&self, folder: &Path) -> Result<(), String> {
        if self.language != Language::Csmith {
            return Ok(());
        }
        let kind = CSMITH_KINDS[(self.seed % 3) as usize];
        let seed = self.seed.to_string();
        // csmith leaves a file behind where it runs.
        let mut csmith = Command::new("csmith");
        csmith
            .args(["--seed", &seed])
            .args(CSMITH)
            .args(kind)
            .arg("-o")
            .arg(self.source(folder));
        done(csmith.current_dir(folder))
    }

    fn source(&self, folder: &Path) -> PathBuf {
        match self.language {
            Language::Csmith => folder.join("program.c"),
            Language::C | Language::Rust => self.source.clone(),
        }
    }

    /// Machine code without optimisation, as an executable file.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn native(&self, folder: &Path) -> Result<PathBuf, String> {
        let out = folder.join("native");
        let source = self.source(folder);
        match self.language {
            Language::Rust => {
                let mut rustc = Command::new("rustc");
                rustc
                    .args(RUST_FLAGS)
                    .args(["--crate-type=bin", "-Copt-level=0"]);
                for library in ["c", "gcc_s", "m", "pthread"] {
                    rustc.arg(format!("-Clink-arg=-l{library}"));
                }
                done(rustc.arg(source).arg("-o").arg(&out))?;
            }
            Language::C | Language::Csmith => {
                let mut clang = Command::new("clang-22");
                clang
                    .args(C_FLAGS)
                    .arg("-O0")
                    .arg(source)
                    .arg("-o")
                    .arg(&out);
                done(clang.args(["-lm", "-pthread"]))?;
            }
        }
        Ok(out)
    }

    /// Bitcode of a level; what is there already is not made again.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn bitcode(&self, level: usize, folder: &Path) -> Result<PathBuf, String> {
        let out = folder.join(format!("level{level}.bc"));
        if out.exists() {
            return Ok(out);
        }
        let source = self.source(folder);
        match self.language {
            Language::Rust => {
                // Only what is linked is optimised as a whole.
                let archive = folder.join("archive.a");
                let mut rustc = Command::new("rustc");
                rustc
                    .args(RUST_FLAGS)
                    .args(["--crate-type=staticlib", "-Clto=fat"]);
                rustc.arg(format!("-Copt-level={}", RUST_LEVELS[level]));
                rustc.arg(format!(
                    "--emit=llvm-bc={},link={}",
                    out.display(),
                    archive.display()
                ));
                done(rustc.arg(source))?;
                let _ = std::fs::remove_file(archive);
            }
            Language::C | Language::Csmith => {
                let mut clang = Command::new("clang-22");
                clang
                    .args(C_FLAGS)
                    .args(C_LEVELS[level])
                    .args(["-emit-llvm", "-c"]);
                done(clang.arg(source).arg("-o").arg(&out))?;
            }
        }
        Ok(out)
    }
}

/// Runs a command that must succeed, in silence.
pub fn done(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot start {}: {e}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{command:?}: {}\n{}",
        output.status,
        said.trim_end()
    ))
}
