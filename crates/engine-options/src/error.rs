//! What cannot be done of what the options ask for.

use std::path::PathBuf;

/// Every variant names the path and the option it comes from.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder for IR and assembly is not there and cannot be made.
    #[error("--dump {}: cannot make the folder: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A report or trace cannot be written.
    #[error("{option} {}: cannot write: {source}", path.display())]
    Write {
        /// `--report`, `--report-json` or `--trace`.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}
