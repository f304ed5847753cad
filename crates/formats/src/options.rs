//! Kernel options and payload arguments, as text and as NUL-separated words.
//!
//! A command line is `kernel options -- payload arguments`. Words are split as a shell does it:
//! blanks separate, `'...'` keeps everything, `"..."` keeps everything but `\"` and `\\`, a backslash outside quotes
//! takes the next character as it is. In `/boot/bareflow.cfg` a word that starts with `#` opens a comment to
//! the end of the line.
//!
//! The QEMU `fw_cfg` file `opt/bareflow/args` holds arguments separated by NUL bytes: nothing to quote.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::slots::{Kind, MAX_SLOTS};

/// Payload that is loaded when no option names one.
pub const DEFAULT_PAYLOAD: &str = "/boot/runtime.elf";
/// Name of the `fw_cfg` file with kernel options (text).
pub const FW_CFG_KERNEL: &str = "opt/bareflow/kernel";
/// Name of the `fw_cfg` file with payload arguments (NUL-separated).
pub const FW_CFG_ARGS: &str = "opt/bareflow/args";
/// Path of the options file on the volume.
pub const CONFIG_PATH: &str = "/boot/bareflow.cfg";

/// How much the kernel says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Errors only: the console belongs to the program.
    Quiet,
    /// What was found and what was started.
    #[default]
    Info,
    /// Everything.
    Debug,
}

/// Time a slot on trial has to prove itself: emulated machines are slow.
pub const DEFAULT_WATCHDOG_SECONDS: u32 = 120;

/// A boot slot chosen by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotChoice {
    /// The best one of a kind.
    Kind(Kind),
    /// The one of this number.
    Number(u8),
}

impl SlotChoice {
    /// What a choice can be.
    pub const EXPECTED: &'static str = "base, evicted, native or a slot's number";

    /// Reads `base`, `evicted`, `native` or a number.
    pub fn parse(text: &str) -> Option<Self> {
        Kind::from_name(text).map(Self::Kind).or_else(|| {
            let number = text.parse().ok()?;
            (usize::from(number) < MAX_SLOTS).then_some(Self::Number(number))
        })
    }
}

impl fmt::Display for SlotChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => f.write_str(kind.name()),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Options of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelOptions {
    /// `log=quiet|info|debug`
    pub log: LogLevel,
    /// `payload=PATH`: ELF file on the volume to start.
    pub payload: String,
    /// `slot=base|evicted|native|N`: the boot slot to start, if it can be started.
    pub slot: Option<SlotChoice>,
    /// `watchdog=SECONDS`: how long a slot on trial may take to prove itself; 0: as long as it likes.
    pub watchdog_seconds: u32,
    /// `cpus=N`: processors to start at most; all if absent.
    pub cpus: Option<u32>,
    /// `coverage=on`: watch which functions of the payload run and which of its pages are touched.
    pub coverage: bool,
}

impl Default for KernelOptions {
    fn default() -> Self {
        Self {
            log: LogLevel::default(),
            payload: DEFAULT_PAYLOAD.into(),
            slot: None,
            watchdog_seconds: DEFAULT_WATCHDOG_SECONDS,
            cpus: None,
            coverage: false,
        }
    }
}

/// Kernel options and, if there was a `--`, payload arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Options before `--`; defaults where none was given.
    pub kernel: KernelOptions,
    /// Arguments behind `--`, or `None` if there is no `--`.
    pub args: Option<Vec<String>>,
    /// Options that were not understood. They change nothing; the kernel prints them and goes on.
    pub problems: Vec<OptionsError>,
}

/// What is wrong with an option text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionsError {
    /// A quote without its end.
    OpenQuote {
        /// The quote character.
        quote: char,
        /// Offset of the quote in bytes.
        offset: usize,
    },
    /// A backslash at the end of the text.
    DanglingBackslash,
    /// An option with a name that is not known.
    Unknown {
        /// The word found.
        word: String,
    },
    /// An option with a value it cannot have.
    Value {
        /// Name of the option.
        name: &'static str,
        /// Value found.
        found: String,
        /// Values that it can have.
        expected: &'static str,
    },
    /// Bytes that are not UTF-8.
    NotText {
        /// Offset of the first wrong byte.
        offset: usize,
    },
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenQuote { quote, offset } => {
                write!(
                    f,
                    "options: {quote} opened at byte {offset} is never closed"
                )
            }
            Self::DanglingBackslash => write!(f, "options: a backslash ends the text"),
            Self::Unknown { word } => {
                write!(
                    f,
                    "options: \"{word}\" is not known; expected log=, payload=, slot=, watchdog=, cpus= or coverage="
                )
            }
            Self::Value {
                name,
                found,
                expected,
            } => {
                write!(f, "options: {name}={found}: expected {expected}")
            }
            Self::NotText { offset } => write!(f, "options: byte {offset} is not UTF-8 text"),
        }
    }
}

impl core::error::Error for OptionsError {}

/// Splits a text into words like a shell.
///
/// # Errors
/// [`OptionsError::OpenQuote`] and [`OptionsError::DanglingBackslash`].
pub fn split_words(text: &str) -> Result<Vec<String>, OptionsError> {
    split(text, false)
}

fn split(text: &str, comments: bool) -> Result<Vec<String>, OptionsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.char_indices();
    while let Some((offset, c)) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '#' if comments && word.is_none() => {
                chars.by_ref().find(|&(_, c)| c == '\n');
            }
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(OptionsError::OpenQuote { quote: c, offset }),
                        Some((_, end)) if end == c => break,
                        Some((_, '\\')) if c == '"' => match chars.next() {
                            None => return Err(OptionsError::OpenQuote { quote: c, offset }),
                            Some((_, kept @ ('"' | '\\'))) => word.push(kept),
                            Some((_, other)) => word.extend(['\\', other]),
                        },
                        Some((_, inside)) => word.push(inside),
                    }
                }
            }
            '\\' => match chars.next() {
                None => return Err(OptionsError::DanglingBackslash),
                Some((_, kept)) => word.get_or_insert_default().push(kept),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// One word quoted so that [`split_words`] gives it back.
pub fn quote_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    let mut quoted = String::from("\"");
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Reads a boot loader's command line: `kernel options -- payload arguments`.
///
/// # Errors
/// Those of [`split_words`]. Options that are not understood are [`CommandLine::problems`] instead.
pub fn parse_command_line(text: &str) -> Result<CommandLine, OptionsError> {
    Ok(from_words(split(text, false)?))
}

/// Reads the text of `/boot/bareflow.cfg`: as a command line, with `#` comments.
///
/// # Errors
/// Those of [`split_words`], and [`OptionsError::NotText`].
pub fn parse_config(bytes: &[u8]) -> Result<CommandLine, OptionsError> {
    Ok(from_words(split(text_of(bytes)?, true)?))
}

fn from_words(words: Vec<String>) -> CommandLine {
    let mut line = CommandLine::default();
    let mut words = words.into_iter();
    for word in words.by_ref() {
        if word == "--" {
            line.args = Some(words.collect());
            break;
        }
        if let Err(problem) = line.kernel.set(&word) {
            line.problems.push(problem);
        }
    }
    line
}

impl KernelOptions {
    /// Takes one `name=value` word.
    ///
    /// # Errors
    /// [`OptionsError::Unknown`] and [`OptionsError::Value`]; nothing is changed then.
    pub fn set(&mut self, word: &str) -> Result<(), OptionsError> {
        let unknown = || OptionsError::Unknown { word: word.into() };
        let (name, value) = word.split_once('=').ok_or_else(unknown)?;
        let wrong = |name, expected| OptionsError::Value {
            name,
            found: value.into(),
            expected,
        };
        match name {
            "log" => {
                self.log = match value {
                    "quiet" => LogLevel::Quiet,
                    "info" => LogLevel::Info,
                    "debug" => LogLevel::Debug,
                    _ => return Err(wrong("log", "quiet, info or debug")),
                }
            }
            "payload" if value.starts_with('/') && value.len() > 1 => self.payload = value.into(),
            "payload" => return Err(wrong("payload", "a path that starts with /")),
            "slot" => match SlotChoice::parse(value) {
                Some(choice) => self.slot = Some(choice),
                None => return Err(wrong("slot", SlotChoice::EXPECTED)),
            },
            "watchdog" => match value.parse() {
                Ok(seconds) => self.watchdog_seconds = seconds,
                Err(_) => return Err(wrong("watchdog", "a number of seconds")),
            },
            "cpus" => match value.parse() {
                Ok(count @ 1..=u32::MAX) => self.cpus = Some(count),
                _ => return Err(wrong("cpus", "a number from 1 on")),
            },
            "coverage" => {
                self.coverage = match value {
                    "on" => true,
                    "off" => false,
                    _ => return Err(wrong("coverage", "on or off")),
                }
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

/// Reads NUL-separated arguments; a NUL behind the last one is optional.
///
/// # Errors
/// [`OptionsError::NotText`].
pub fn parse_nul_args(bytes: &[u8]) -> Result<Vec<String>, OptionsError> {
    let text = text_of(bytes)?;
    let text = text.strip_suffix('\0').unwrap_or(text);
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(text.split('\0').map(String::from).collect())
}

/// Arguments as [`parse_nul_args`] reads them: a NUL behind each. An argument ends at a NUL inside it.
pub fn encode_nul_args<S: AsRef<str>>(args: &[S]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for arg in args {
        bytes.extend(arg.as_ref().bytes().take_while(|&byte| byte != 0));
        bytes.push(0);
    }
    bytes
}

fn text_of(bytes: &[u8]) -> Result<&str, OptionsError> {
    core::str::from_utf8(bytes).map_err(|e| OptionsError::NotText {
        offset: e.valid_up_to(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn words_split_like_in_a_shell() {
        let words = split_words(r#"a  'b c' "d \"e\" \n" f\ g '' h"i"j"#).unwrap();
        assert_eq!(words, ["a", "b c", r#"d "e" \n"#, "f g", "", "hij"]);
        assert_eq!(
            split_words("x 'open"),
            Err(OptionsError::OpenQuote {
                quote: '\'',
                offset: 2
            })
        );
        assert_eq!(split_words("x\\"), Err(OptionsError::DanglingBackslash));
        assert_eq!(split_words(" \t\n"), Ok(vec![]));
    }

    #[test]
    fn quoting_is_undone_by_splitting() {
        for word in [
            "",
            "plain",
            "two words",
            "q\"u\\o'te",
            "new\nline",
            "#x",
            "é ü",
        ] {
            assert_eq!(
                split_words(&quote_word(word)),
                Ok(vec![word.into()]),
                "{word:?}"
            );
        }
    }

    #[test]
    fn a_command_line_has_two_parts() {
        let line = parse_command_line(
            "log=debug coverage=on cpus=2 payload=/a/b -- --prompt 'Hi there' --",
        )
        .unwrap();
        assert_eq!(line.kernel.log, LogLevel::Debug);
        assert_eq!(line.kernel.cpus, Some(2));
        assert!(line.kernel.coverage && !KernelOptions::default().coverage);
        assert_eq!(line.kernel.payload, "/a/b");
        assert_eq!(line.args.unwrap(), ["--prompt", "Hi there", "--"]);
        assert_eq!(parse_command_line("").unwrap(), CommandLine::default());
    }

    #[test]
    fn unknown_options_are_named_and_change_nothing() {
        let line = parse_command_line("quiet cpus=0 log=loud payload=x coverage=1 cpus=3").unwrap();
        assert_eq!(line.problems.len(), 5);
        assert_eq!(
            line.kernel,
            KernelOptions {
                cpus: Some(3),
                ..KernelOptions::default()
            }
        );
    }

    #[test]
    fn slots_are_chosen_by_kind_or_number() {
        let options = |text| parse_command_line(text).unwrap();
        let chosen = |text| options(text).kernel.slot;
        assert_eq!(chosen("slot=native"), Some(SlotChoice::Kind(Kind::Native)));
        assert_eq!(chosen("slot=7"), Some(SlotChoice::Number(7)));
        assert_eq!(chosen("slot=8"), None);
        assert_eq!(options("slot=best watchdog=x").problems.len(), 2);
        let line = options("watchdog=5");
        assert_eq!(line.kernel.watchdog_seconds, 5);
        assert_eq!(line.kernel.slot, None);
        assert_eq!(SlotChoice::Number(3).to_string(), "3");
    }

    #[test]
    fn a_config_file_has_comments() {
        let line = parse_config(b"# all quiet\nlog=quiet # really\n-- a#b\n").unwrap();
        assert_eq!(line.kernel.log, LogLevel::Quiet);
        assert_eq!(line.args.unwrap(), ["a#b"]);
        assert_eq!(
            parse_config(b"ab\xFF"),
            Err(OptionsError::NotText { offset: 2 })
        );
    }

    #[test]
    fn nul_separated_arguments_need_no_quotes() {
        let args = ["--prompt", "", "a 'b'\n"];
        assert_eq!(parse_nul_args(&encode_nul_args(&args)).unwrap(), args);
        assert_eq!(parse_nul_args(b"a\0b").unwrap(), ["a", "b"]);
        assert_eq!(parse_nul_args(b"").unwrap(), Vec::<String>::new());
        assert_eq!(parse_nul_args(b"\0").unwrap(), [""]);
    }
}
