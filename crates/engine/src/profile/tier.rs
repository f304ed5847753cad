//! The steps a function climbs: the interpreter, then O0 to O3.

use crate::Level;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How a function runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum Tier {
    /// Not compiled yet.
    #[default]
    #[serde(rename = "interp")]
    Interp = 0,
    /// Fast code generation, no optimisation.
    O0 = 1,
    /// Cheap optimisation.
    O1 = 2,
    /// Full optimisation.
    O2 = 3,
    /// Full optimisation with the whole profile; nothing is counted any more.
    O3 = 4,
}

impl Tier {
    /// All, slowest code first.
    pub const ALL: [Tier; 5] = [Tier::Interp, Tier::O0, Tier::O1, Tier::O2, Tier::O3];

    /// 0 for the interpreter, 4 for O3.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The tier of an index.
    pub fn from_index(index: usize) -> Option<Tier> {
        Tier::ALL.get(index).copied()
    }

    /// The level of optimisation; `None` for the interpreter.
    pub fn level(self) -> Option<Level> {
        [
            None,
            Some(Level::O0),
            Some(Level::O1),
            Some(Level::O2),
            Some(Level::O3),
        ][self.index()]
    }

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        ["interp", "O0", "O1", "O2", "O3"][self.index()]
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Level> for Tier {
    fn from(level: Level) -> Tier {
        match level {
            Level::O0 => Tier::O0,
            Level::O1 => Tier::O1,
            Level::O2 => Tier::O2,
            Level::O3 => Tier::O3,
        }
    }
}

/// A word that names no tier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no tier: use interp, O0, O1, O2 or O3")]
pub struct UnknownTier(pub String);

impl FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(word: &str) -> Result<Tier, UnknownTier> {
        Tier::ALL
            .into_iter()
            .find(|tier| tier.name().eq_ignore_ascii_case(word))
            .ok_or_else(|| UnknownTier(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for tier in Tier::ALL {
            assert_eq!(tier.name().parse(), Ok(tier));
            assert_eq!(Tier::from_index(tier.index()), Some(tier));
            assert!(tier.level().is_none_or(|level| Tier::from(level) == tier));
            assert_eq!(serde_json::to_value(tier).unwrap(), tier.name());
        }
        assert_eq!("o2".parse(), Ok(Tier::O2));
        assert!("O4".parse::<Tier>().unwrap_err().to_string().contains("O4"));
        assert_eq!(Tier::from_index(5), None);
        assert!(Tier::Interp < Tier::O0 && Tier::O2 < Tier::O3);
    }
}
