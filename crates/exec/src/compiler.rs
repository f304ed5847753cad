//! From C and C++ to bitcode, by clang.

use crate::cli::Options;
use crate::error::Error;
use crate::jit;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A language clang compiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `.c`
    C,
    /// `.cpp`, `.cc`, `.cxx`
    Cpp,
}

impl Language {
    /// By a file's ending.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "c" => Some(Language::C),
            "cpp" | "cc" | "cxx" => Some(Language::Cpp),
            _ => None,
        }
    }

    fn compiler(self) -> &'static str {
        match self {
            Language::C => "clang-22",
            Language::Cpp => "clang++-22",
        }
    }
}

/// Bitcode of a source, as the front end makes it.
///
/// LLVM's passes are the engine's: what they did here could be neither profiled nor undone. Products and sums stay apart
/// (`-ffp-contract=off`), so that every tier and every processor computes the same.
///
/// The compiler's messages go to standard error, and standard input is left to the program.
pub fn compile(source: &Path, language: Language, options: &Options) -> Result<Vec<u8>, Error> {
    let compiler = language.compiler();
    let mut command = Command::new(compiler);
    command
        .args(["-c", "-emit-llvm", "-Xclang", "-disable-llvm-passes"])
        .arg("-ffp-contract=off")
        .arg(format!("-O{}", options.level));
    if language == Language::Cpp {
        command.arg("-fno-exceptions");
    }
    for folder in &options.include {
        command.arg("-I").arg(folder);
    }
    for macro_ in &options.define {
        command.arg("-D").arg(macro_);
    }
    // There for programs that ask the engine that runs them; gone when clang is done.
    let headers = headers().map_err(|error| Error::Header {
        path: std::env::temp_dir(),
        source: error,
    })?;
    command.arg("-idirafter").arg(headers.path());
    // A name that begins with a dash is a file all the same.
    command
        .args(&options.cflags)
        .args(["-o", "-", "--"])
        .arg(source)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command.output().map_err(|error| Error::NoCompiler {
        path: source.into(),
        compiler,
        source: error,
    })?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::Compiler {
            path: source.into(),
            compiler,
        })
    }
}

/// A folder with `jit_runtime.h`.
fn headers() -> std::io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("jit_runtime.h"), jit::HEADER)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_by_the_ending() {
        assert_eq!(Language::of(Path::new("a/b.c")), Some(Language::C));
        assert_eq!(Language::of(Path::new("b.x.cc")), Some(Language::Cpp));
        for other in ["c", "a.h", "a.bc", "a.ll", ""] {
            assert_eq!(Language::of(Path::new(other)), None, "{other}");
        }
    }
}
