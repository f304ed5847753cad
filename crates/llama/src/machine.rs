//! What the program needs of the machine it runs on.
//!
//! The program speaks to this trait only: on the bare machine and under the runtime `guest` stands
//! behind it, in tests a console made of strings.

use alloc::string::String;
use llama_model::Source;

/// What a request for a line gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A line without its end.
    Line(String),
    /// Ctrl-C was pressed instead.
    Interrupted,
    /// There is no more input.
    End,
}

/// Console, files, clock.
pub trait Machine {
    /// An open file.
    type File: Source;

    /// Shows text.
    fn write(&self, text: &str);

    /// Waits for a line of input.
    fn read_line(&self) -> Input;

    /// Opens a file, or says with which errno it failed.
    fn open(&self, path: &str) -> Result<Self::File, i64>;

    /// Nanoseconds since some moment.
    fn time_ns(&self) -> u64;

    /// A number that is another one in every run.
    fn random_seed(&self) -> u64;

    /// Processors.
    fn cpu_count(&self) -> usize;

    /// Whether Ctrl-C was pressed since the last question.
    fn interrupted(&self) -> bool;
}
