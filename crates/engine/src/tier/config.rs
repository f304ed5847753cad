//! How a program climbs the tiers: modes, thresholds, limits, and what tests ask for.

use crate::Level;
use std::path::PathBuf;
use std::str::FromStr;

/// Which tiers a function may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// From the interpreter upwards, by heat.
    #[default]
    Auto,
    /// The interpreter only; what it cannot express is compiled all the same.
    Interpret,
    /// Every function is compiled at this level before its first call ends.
    Fixed(Level),
}

impl FromStr for Mode {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, crate::Error> {
        match text {
            "auto" => Ok(Mode::Auto),
            "interp" => Ok(Mode::Interpret),
            _ => text.parse().map(Mode::Fixed),
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mode::Auto => f.write_str("auto"),
            Mode::Interpret => f.write_str("interp"),
            Mode::Fixed(level) => level.fmt(f),
        }
    }
}

/// Heat at which a function is compiled at O0, O1, O2 and O3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// In calls.
    pub calls: [u64; 4],
    /// In backward jumps of its loops.
    pub back_edges: [u64; 4],
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            calls: [10, 100, 1_000, 10_000],
            back_edges: [1_000, 10_000, 100_000, 1_000_000],
        }
    }
}

impl Thresholds {
    /// The level that so many calls and backward jumps justify; `None` is the interpreter.
    pub fn level(&self, calls: u64, back_edges: u64) -> Option<Level> {
        Level::ALL.into_iter().rev().find(|l| {
            calls >= self.calls[*l as usize] || back_edges >= self.back_edges[*l as usize]
        })
    }
}

/// What is said of some functions only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// A function's name; `*` stands for any text.
    pub pattern: String,
    /// Its mode, if not that of all.
    pub mode: Option<Mode>,
    /// Its thresholds, if not those of all.
    pub thresholds: Option<Thresholds>,
}

/// IR and assembly to be written for each compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    /// Folder for files `FUNCTION.TIER.ll` and `FUNCTION.TIER.s`; it is there.
    pub folder: PathBuf,
    /// Names of the functions; `*` stands for any text.
    pub pattern: String,
}

/// How to run a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Tiers of all functions.
    pub mode: Mode,
    /// Heat of all functions.
    pub thresholds: Thresholds,
    /// Exceptions; the first that matches a function counts.
    pub overrides: Vec<Override>,
    /// Whether loops move into compiled code while they run.
    pub osr: bool,
    /// Whether arguments and targets that were seen often get code of their own.
    pub specialise: bool,
    /// Whether values, blocks and cycles are recorded. Calls and loops are counted in any case while tiers need it.
    pub profile: bool,
    /// Code memory in bytes; the coldest code goes when it is full.
    pub code_limit: usize,
    /// Events kept for the trace; 0 keeps none.
    pub trace_events: usize,
    /// 1: a thread compiles beside the program, and never more than one does. 0: who asks waits for the code, which makes
    /// runs repeatable.
    pub compilers: usize,
    /// Files to write of what is compiled.
    pub dump: Option<Dump>,
    /// File that names compiled code for `perf`.
    pub perf_map: Option<PathBuf>,
    /// For tests: each loop leaves the interpreter at its first backward jump, and O0 and O1 code at every few.
    pub force_osr: bool,
    /// With `force_osr`: so many passes of loop headers in O0 and O1 code are a few, at least 1.
    pub forced_interval: u32,
    /// With `force_osr`: only these loops do, by function and block of the header; the others are left by nobody.
    pub forced_loops: Option<Vec<(String, u32)>>,
    /// For tests: functions change tiers at random points, from this seed.
    pub shuffle: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            mode: Mode::Auto,
            thresholds: Thresholds::default(),
            overrides: Vec::new(),
            osr: true,
            specialise: true,
            profile: true,
            code_limit: 64 << 20,
            trace_events: 16 << 10,
            compilers: 1,
            dump: None,
            perf_map: None,
            force_osr: false,
            forced_interval: 3,
            forced_loops: None,
            shuffle: None,
        }
    }
}

impl Config {
    /// What is said of the function of that name.
    pub(crate) fn of(&self, name: &str) -> (Mode, Thresholds) {
        let special = self.override_of(name);
        (
            special.and_then(|o| o.mode).unwrap_or(self.mode),
            self.own_thresholds(name).unwrap_or(self.thresholds),
        )
    }

    /// The thresholds that the function of that name has for itself.
    pub(crate) fn own_thresholds(&self, name: &str) -> Option<Thresholds> {
        self.override_of(name).and_then(|o| o.thresholds)
    }

    fn override_of(&self, name: &str) -> Option<&Override> {
        self.overrides.iter().find(|o| matches(&o.pattern, name))
    }
}

/// Whether `name` is described by `pattern`, in which `*` stands for any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|i| rest.is_char_boundary(*i))
                .any(|i| matches(tail, &rest[i..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(matches("main", "main") && !matches("main", "main2"));
        assert!(matches("*", "") && matches("a*c", "abbc") && matches("a*b*c", "a-b-b-c"));
        assert!(!matches("a*c", "abcd") && !matches("", "x"));
    }

    #[test]
    fn heat_of_calls_or_loops_decides() {
        let t = Thresholds::default();
        assert_eq!(t.level(9, 999), None);
        assert_eq!(t.level(10, 0), Some(Level::O0));
        assert_eq!(t.level(1, 150_000), Some(Level::O2));
        assert_eq!(t.level(10_000, 0), Some(Level::O3));
    }

    #[test]
    fn the_first_override_that_matches_counts() {
        let config = Config {
            overrides: vec![
                Override {
                    pattern: "k*".into(),
                    mode: Some(Mode::Fixed(Level::O3)),
                    thresholds: None,
                },
                Override {
                    pattern: "*".into(),
                    mode: Some(Mode::Interpret),
                    thresholds: None,
                },
            ],
            ..Config::default()
        };
        assert_eq!(config.of("kernel").0, Mode::Fixed(Level::O3));
        assert_eq!(config.of("main").0, Mode::Interpret);
    }
}
