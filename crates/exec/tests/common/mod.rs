//! Runs `bareflow-exec` on small programs in a folder of their own.
#![allow(dead_code)] // each test file uses a part

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Every way of running a program that must not be told apart.
pub const WAYS: [&[&str]; 6] = [
    &["--tier=interp"],
    &["--tier=O0"],
    &["--tier=O3"],
    &["--thresholds=1,2,3,4", "--loop-thresholds=1,2,3,4"],
    &["--compilers=0", "--thresholds=1,2,3,4"],
    &["--force-osr"],
];

/// A folder with the files of a program; goes away with the test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// With one file.
    pub fn with(name: &str, text: &str) -> Self {
        let folder = Folder(tempfile::tempdir().expect("scratch folder"));
        folder.and(name, text)
    }

    /// And another one.
    pub fn and(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path(name), text).expect("file of the test");
        self
    }

    /// Path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `bareflow-exec` with these arguments, in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        // Whoever starts the tests in the background ignores Ctrl-C, and children inherit that.
        let mut command = Command::new("env");
        command
            .args(["--default-signal", env!("CARGO_BIN_EXE_bareflow-exec")])
            .args(arguments)
            .current_dir(self.0.path());
        command
    }

    /// Runs it without input.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run(self.command(arguments).stdin(Stdio::null()))
    }

    /// Runs a program in every way; all must print `expected` and exit with `code`.
    pub fn always(&self, arguments: &[&str], expected: &str, code: i32) {
        for way in WAYS {
            let got = self.run(&[arguments, way].concat());
            let said = (text(&got.stdout), got.status.code());
            assert_eq!(
                said,
                (expected, Some(code)),
                "{way:?}: {}",
                text(&got.stderr)
            );
        }
    }

    /// Runs a program that is refused; gives back what is said of it.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let got = self.run(arguments);
        let message = text(&got.stderr).to_owned();
        assert_eq!(got.status.code(), Some(63), "{message}");
        assert_eq!(text(&got.stdout), "", "{message}");
        message
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// Output as text.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// Content of a file the program or the engine wrote.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
