//! When a machine changes itself: what it needs to have seen before it evicts, and before it exports.
//!
//! ```text
//!   base ----next to nothing new ran for QUIET boots----> evicted ----next to nothing was compiled for SETTLED boots----> native
//! ```
//!
//! Both conditions are about boots in a row, so that one odd boot starts the wait again. A machine that cannot evict
//! (no relink data, no room) goes to native from the base image by the second condition.

use std::fmt;
use std::str::FromStr;

use formats::slots::Kind;
use serde::{Deserialize, Serialize};

/// Boots in a row that ran next to no code of the runtime for the first time, before the rest is evicted.
const QUIET: u32 = 2;
/// Next to none: at most one in so many of all that ever ran. Two threads never meet in quite the same places.
const QUIET_SHARE: u64 = 200;
/// Boots in a row that compiled next to nothing, before the program is exported.
const SETTLED: u32 = 2;
/// Next to nothing: at most one in so many of the functions that have code. Calls are counted over all boots, so that some
/// function always reaches its next threshold.
const SETTLED_SHARE: u64 = 10;

/// By what a machine decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// It stays as it is.
    Off,
    /// By stability of coverage and tiers.
    Stable,
    /// By number of boots: coverage is collected from the first on, eviction at the second, export at the third.
    Boots([u64; 3]),
}

/// What one boot showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What was started.
    pub slot: Kind,
    /// Functions and constants of the runtime that were used for the first time.
    pub new_code: u64,
    /// All that ever were.
    pub all_code: u64,
    /// Compiles that ended in this boot.
    pub compiles: u64,
    /// Functions that have compiled code.
    pub compiled: u64,
    /// Whether this disk and image allow to evict.
    pub can_evict: bool,
}

/// What is remembered from boot to boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// Boots in which the runtime ran, this one included.
    pub boots: u64,
    /// The last boots in a row that ran nothing new of the runtime.
    pub quiet: u32,
    /// The last boots in a row that compiled nothing.
    pub settled: u32,
}

/// What is to be done at the end of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// Write a runtime without what never ran.
    Evict,
    /// Write the program as machine code.
    Export,
}

impl Growth {
    /// Counts a boot and says what follows from it.
    pub fn after(&mut self, seen: Seen, policy: Policy) -> Step {
        self.boots += 1;
        let count = |so_far: u32, nothing_happened: bool| match nothing_happened {
            true => so_far.saturating_add(1),
            false => 0,
        };
        self.quiet = count(self.quiet, seen.new_code <= seen.all_code / QUIET_SHARE);
        self.settled = count(self.settled, seen.compiles <= seen.compiled / SETTLED_SHARE);
        let from_base = seen.slot == Kind::Base && seen.can_evict;
        let (evict, export) = match policy {
            Policy::Off => (false, false),
            Policy::Stable => (self.quiet >= QUIET, self.settled >= SETTLED),
            Policy::Boots([_, evict, export]) => (self.boots >= evict, self.boots >= export),
        };
        if from_base && evict {
            // The evicted runtime has to show that it settles by itself.
            (self.quiet, self.settled) = (0, 0);
            return Step::Evict;
        }
        if !from_base && seen.slot != Kind::Native && export {
            self.settled = 0;
            return Step::Export;
        }
        Step::Stay
    }

    /// Whether coverage of the runtime counts in this boot.
    pub fn wants_coverage(&self, policy: Policy) -> bool {
        match policy {
            Policy::Off => false,
            Policy::Stable => true,
            Policy::Boots([profile, ..]) => self.boots + 1 >= profile,
        }
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no policy: expected off, stable, or three rising numbers of boots as in 10/100/500"
            )
        };
        match text {
            "off" => Ok(Self::Off),
            "stable" => Ok(Self::Stable),
            _ => {
                let numbers: Result<Vec<u64>, _> = text.split('/').map(str::parse).collect();
                match numbers.as_deref() {
                    Ok(&[a, b, c]) if 0 < a && a < b && b < c => Ok(Self::Boots([a, b, c])),
                    _ => Err(wrong()),
                }
            }
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Stable => f.write_str("stable"),
            Self::Boots([profile, evict, export]) => write!(f, "{profile}/{evict}/{export}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(slot: Kind, new_code: u64, compiles: u64) -> Seen {
        Seen {
            slot,
            new_code,
            all_code: 9000,
            compiles,
            compiled: 90,
            can_evict: true,
        }
    }

    /// The life of a machine: each boot with what follows from it.
    fn live(policy: Policy, boots: &[Seen]) -> Vec<Step> {
        let mut growth = Growth::default();
        boots.iter().map(|b| growth.after(*b, policy)).collect()
    }

    #[test]
    fn a_machine_that_settles_evicts_and_then_exports() {
        use Step::{Evict, Export, Stay};
        let steps = live(
            Policy::Stable,
            &[
                seen(Kind::Base, 9000, 80),
                seen(Kind::Base, 60, 13),
                seen(Kind::Base, 5, 0),
                seen(Kind::Base, 0, 0),
                seen(Kind::Evicted, 4, 9),
                seen(Kind::Evicted, 0, 10),
                seen(Kind::Evicted, 0, 9),
                seen(Kind::Evicted, 0, 0),
                seen(Kind::Native, 0, 0),
            ],
        );
        assert_eq!(
            steps,
            [Stay, Stay, Stay, Evict, Stay, Stay, Stay, Export, Stay]
        );
    }

    #[test]
    fn one_odd_boot_starts_the_wait_again() {
        let steps = live(
            Policy::Stable,
            &[
                seen(Kind::Base, 0, 0),
                seen(Kind::Base, 46, 0),
                seen(Kind::Base, 0, 0),
                seen(Kind::Base, 0, 1),
            ],
        );
        assert_eq!(steps[..3], [Step::Stay; 3]);
        assert_eq!(steps[3], Step::Evict);
    }

    #[test]
    fn who_cannot_evict_exports_from_the_base_image() {
        let mut boot = seen(Kind::Base, 0, 0);
        boot.can_evict = false;
        assert_eq!(
            live(Policy::Stable, &[boot, boot]),
            [Step::Stay, Step::Export]
        );
    }

    #[test]
    fn counts_of_boots_decide_where_they_are_asked_for() {
        let policy: Policy = "2/3/5".parse().unwrap();
        let busy = |slot| seen(slot, 7, 7);
        let steps = live(
            policy,
            &[
                busy(Kind::Base),
                busy(Kind::Base),
                busy(Kind::Base),
                busy(Kind::Evicted),
                busy(Kind::Evicted),
            ],
        );
        assert_eq!(steps[2], Step::Evict);
        assert_eq!(steps[4], Step::Export);
        assert!(!Growth::default().wants_coverage(policy));
        assert_eq!(live(Policy::Off, &[busy(Kind::Base); 9]), [Step::Stay; 9]);
    }

    #[test]
    fn policies_are_read_as_they_are_written() {
        for text in ["off", "stable", "10/100/500"] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
        for wrong in [
            "", "on", "1/2", "3/2/1", "0/1/2", "1/1/2", "1/2/3/4", "-1/2/3",
        ] {
            assert!(wrong.parse::<Policy>().is_err(), "{wrong}");
        }
    }
}
