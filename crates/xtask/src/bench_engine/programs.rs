//! The measured programs: C compiled to bitcode and natively, and the runner.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::paths::Paths;
use crate::sh;

/// What clang makes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Bitcode that no pass has touched: the engine's input.
    Bitcode,
    /// `-O3 -march=native`.
    Native,
    /// `-O3` for x86-64 without extensions.
    Baseline,
    /// `-O2 -march=native`.
    NativeO2,
}

/// Sources, a folder for what is made of them, and the runner.
pub struct Programs {
    sources: PathBuf,
    made: PathBuf,
    exec: PathBuf,
    filter: Option<String>,
}

impl Programs {
    /// Builds the runner; `filter` is a part of the names of the kernels that are wanted.
    pub fn new(paths: &Paths, filter: Option<&str>) -> Result<Self> {
        let given = std::env::var_os("BAREFLOW_EXEC").map(PathBuf::from);
        let exec = match given {
            Some(exec) => exec,
            None => {
                let mut cargo = sh::cargo(&paths.root);
                cargo.args(["build", "--release", "--quiet", "-p", "exec"]);
                sh::run(&mut cargo)?;
                paths.target.join("release/bareflow-exec")
            }
        };
        ensure!(exec.exists(), "{} is not there", exec.display());
        Ok(Self {
            sources: paths.root.join("crates/engine/bench"),
            made: paths.scratch("bench-engine")?,
            exec,
            filter: filter.map(str::to_owned),
        })
    }

    /// Names of the sources in a folder of the benches, sorted, without `.c`; those that the filter leaves.
    pub fn names(&self, folder: &str) -> Result<Vec<String>> {
        let folder = self.sources.join(folder);
        let mut names = Vec::new();
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let (Some(name), Some("c")) =
                (path.file_stem(), path.extension().and_then(OsStr::to_str))
            else {
                continue;
            };
            let name = name.to_string_lossy().into_owned();
            if self
                .filter
                .as_ref()
                .is_none_or(|f| name.contains(f.as_str()))
            {
                names.push(name);
            }
        }
        names.sort();
        ensure!(
            !names.is_empty(),
            "no kernel of {} has such a name",
            folder.display()
        );
        Ok(names)
    }

    /// Compiles `NAME.c`, relative to the benches' folder; gives back the file made.
    pub fn make(&self, name: &str, build: Build) -> Result<PathBuf> {
        let source = self.sources.join(format!("{name}.c"));
        let flags: &[&str] = match build {
            Build::Bitcode => &["-O2", "-Xclang", "-disable-llvm-passes", "-emit-llvm", "-c"],
            Build::Native => &["-O3", "-march=native"],
            Build::Baseline => &["-O3"],
            Build::NativeO2 => &["-O2", "-march=native"],
        };
        let suffix = match build {
            Build::Bitcode => ".bc",
            Build::Native => ".native",
            Build::Baseline => ".baseline",
            Build::NativeO2 => ".o2",
        };
        self.clang(
            &source,
            flags,
            &format!("{}{suffix}", name.replace('/', "-")),
        )
    }

    /// Compiles with flags of one's own.
    pub fn clang(&self, source: &Path, flags: &[&str], name: &str) -> Result<PathBuf> {
        let made = self.made.join(name);
        let mut clang = Command::new("clang-22");
        clang.args(flags).arg(source).arg("-o").arg(&made);
        if !flags.contains(&"-c") {
            clang.arg("-lm");
        }
        sh::run(&mut clang)?;
        Ok(made)
    }

    /// The file of that name in the scratch folder.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.made.join(name)
    }

    /// The runner with a program; arguments of the program go after `--`.
    pub fn exec(&self, bitcode: &Path, options: &[&str]) -> Command {
        let mut command = Command::new(&self.exec);
        command.arg(bitcode).args(options).stdin(Stdio::null());
        command
    }
}
