//! Why a program cannot be run.

use std::path::PathBuf;

/// Each says what to do, where it can.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the host cannot be read or written.
    #[error("cannot {action} {path}: {error}")]
    File {
        /// `read`, `write`, `open`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The image's volume cannot be read.
    #[error("{path}: {message}; `bareflow inspect` shows what is on an image")]
    Image {
        /// Which image.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A file of the volume cannot be read.
    #[error("cannot read {path} on the volume: {message}")]
    Volume {
        /// Which.
        path: String,
        /// Why.
        message: String,
    },
    /// No program was named.
    #[error("no program: give --disk IMAGE, --root DIR or --module FILE (see --help)")]
    NoProgram,
    /// The volume has no modules.
    #[error("the volume has no modules: /app holds no file that ends in .llbc")]
    NoModules,
    /// A module file has an unknown ending.
    #[error("{path} is no module: its name must end in .llbc, .bc or .ll")]
    UnknownModule {
        /// Which.
        path: PathBuf,
    },
    /// `/app/args` is not text.
    #[error("/app/args is not UTF-8 text")]
    Arguments,
    /// The entry has no address.
    #[error("the program's entry {entry} cannot be called; this is a bug of the engine")]
    EntryLost {
        /// Its symbol.
        entry: String,
    },
    /// A file that an option of the engine names cannot be made.
    #[error("{0}")]
    EngineOptions(#[from] engine_options::Error),
    /// The engine refused the program.
    #[error("{0}")]
    Engine(#[from] engine::Error),
    /// A profile that is none.
    #[error("{path} is no profile: {message}; --save-profile makes one")]
    Profile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// There is no support code.
    #[error("the volume has no {path}: name the support code of native programs by --support")]
    NoSupport {
        /// Where it was looked for.
        path: &'static str,
    },
    /// What the engine learnt cannot be taken.
    #[error("{0}")]
    Snapshot(#[from] engine::snapshot::Error),
    /// The native program cannot be linked.
    #[error("the native program cannot be linked: {0}")]
    Link(#[from] shrink::native::Error),
}
