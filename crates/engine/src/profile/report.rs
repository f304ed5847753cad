//! The profile of a whole run: totals, and JSON whose names stay.
//!
//! ```text
//! { "version": 1, "run_ns": .., "totals": { .. }, "functions": [ FunctionReport, .. ], "regions": [ RegionReport, .. ],
//!   "loops": [ LoopReport, .. ] }
//! ```
//!
//! Names in JSON are the field names of these types. What is added later gets names of its own; when a meaning
//! changes, `version` does. Cycles are those of the time-stamp counter, times are nanoseconds. Numbers go up to
//! 2^64 - 1, more than a JavaScript number holds. `text` makes the form for people.

use super::function::FunctionReport;
use super::regions::RegionReport;
use super::tier::Tier;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// The version of the JSON form.
pub const VERSION: u32 = 1;

/// Everything known of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileReport {
    /// [`VERSION`].
    pub version: u32,
    /// How long the program ran, in nanoseconds.
    pub run_ns: u64,
    /// Sums over all functions.
    pub totals: Totals,
    /// All functions of the program, the most expensive first.
    pub functions: Vec<FunctionReport>,
    /// Regions the program marked.
    pub regions: Vec<RegionReport>,
    /// Loops that cannot be left; where tests force loops to be left (`--force-osr`), all that were reached.
    #[serde(default)]
    pub loops: Vec<LoopReport>,
}

/// What became of a loop where on-stack replacement is forced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopReport {
    /// Symbol of its function.
    pub function: String,
    /// The block of its header, in the order of the pristine IR.
    pub block: u32,
    /// Times it went round and was looked at: each time in the interpreter, at polls in compiled code.
    pub looks: u64,
    /// Entries into code for the rest of its function: from the interpreter, from O0 and from O1 code.
    pub entries: [u64; 3],
    /// Why it has no such code, if it cannot be had.
    pub refusal: Option<String>,
    /// Why O0 and O1 code of its function cannot be left, if it cannot.
    pub polls_refusal: Option<String>,
}

/// Sums over all functions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Functions with a body.
    pub functions: u64,
    /// Of those, never entered.
    pub never_ran: u64,
    /// Of those, compiled at their first call because the interpreter cannot express them.
    #[serde(default)]
    pub unsupported: u64,
    /// Basic blocks.
    pub blocks: u64,
    /// Of those, executed at least once.
    pub blocks_reached: u64,
    /// Calls.
    pub calls: u64,
    /// Backward jumps taken.
    pub back_edges: u64,
    /// Entries into compiled code in the middle of a loop.
    pub osr_entries: u64,
    /// Calls that fitted a guarded variant.
    pub guard_hits: u64,
    /// Calls that did not.
    pub guard_misses: u64,
    /// Compiles that ended well, of functions and of code that takes over at their loops.
    pub compiles: u64,
    /// Of those, of code that takes over at loops.
    #[serde(default)]
    pub osr_compiles: u64,
    /// Compiles that failed.
    pub failures: u64,
    /// Time of all compiles, in nanoseconds.
    pub compile_ns: u64,
    /// Machine code in memory, in bytes.
    pub code_bytes: u64,
    /// The same by tier, slowest first, all five.
    pub tiers: Vec<TierTotals>,
}

/// Sums over the functions of one tier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierTotals {
    /// The tier.
    pub tier: Tier,
    /// Functions that ran and were in this tier last.
    pub functions: u64,
    /// Compiles for it that ended well.
    pub compiles: u64,
    /// Of those, of code that takes over at loops.
    #[serde(default)]
    pub osr_compiles: u64,
    /// Compiles for it that failed.
    pub failures: u64,
    /// Time of its compiles, in nanoseconds.
    pub compile_ns: u64,
    /// Its machine code in memory, in bytes.
    pub code_bytes: u64,
}

/// A profile that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not JSON of this form; the message says where.
    #[error("the profile is not readable: {0}; make it again with --profile")]
    Json(#[from] serde_json::Error),
    /// JSON of another version.
    #[error("the profile has version {found}, this program reads {VERSION}: make it again")]
    Version {
        /// The version it says it has.
        found: u32,
    },
}

impl ProfileReport {
    /// Sums up and sorts; `run_ns` is how long the program ran.
    pub fn new(
        mut functions: Vec<FunctionReport>,
        regions: Vec<RegionReport>,
        run_ns: u64,
    ) -> ProfileReport {
        functions.sort_by(|a, b| cost(a).cmp(&cost(b)).then_with(|| a.name.cmp(&b.name)));
        ProfileReport {
            version: VERSION,
            run_ns,
            totals: totals(&functions),
            functions,
            regions,
            loops: Vec::new(),
        }
    }

    /// One line of JSON.
    pub fn to_json(&self) -> String {
        // Numbers, strings and lists: nothing in it can fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`ProfileReport::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`ReportError`]: no such JSON, or of another version.
    pub fn from_json(text: &str) -> Result<ProfileReport, ReportError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_str(text)?;
        if head.version != VERSION {
            return Err(ReportError::Version {
                found: head.version,
            });
        }
        Ok(serde_json::from_str(text)?)
    }
}

/// The most expensive first: by cycles where measured, and by calls and loops.
fn cost(f: &FunctionReport) -> Reverse<(u64, u64)> {
    Reverse((
        f.estimated_cycles().unwrap_or(0),
        f.calls.saturating_add(f.back_edges),
    ))
}

fn totals(functions: &[FunctionReport]) -> Totals {
    let mut sum = Totals::default();
    sum.tiers.extend(Tier::ALL.map(|tier| TierTotals {
        tier,
        ..TierTotals::default()
    }));
    for f in functions {
        sum.functions += 1;
        sum.never_ran += u64::from(!f.ran());
        sum.unsupported += u64::from(f.unsupported.is_some());
        sum.blocks += f.blocks.len() as u64;
        sum.blocks_reached += f.blocks_reached() as u64;
        sum.calls = sum.calls.saturating_add(f.calls);
        sum.back_edges = sum.back_edges.saturating_add(f.back_edges);
        sum.osr_entries += f.osr_entries;
        sum.guard_hits += f.variants.iter().map(|v| v.hits).sum::<u64>();
        sum.guard_misses += f.variants.iter().map(|v| v.misses).sum::<u64>();
        sum.tiers[f.tier.index()].functions += u64::from(f.ran());
        for tier in &f.tiers {
            let of = &mut sum.tiers[tier.tier.index()];
            of.compiles += tier.all_compiles();
            of.osr_compiles += u64::from(tier.osr_compiles);
            of.failures += tier.all_failures();
            of.compile_ns += tier.all_compile_ns();
            of.code_bytes += tier.all_code_bytes();
        }
    }
    sum.compiles = sum.tiers.iter().map(|t| t.compiles).sum();
    sum.osr_compiles = sum.tiers.iter().map(|t| t.osr_compiles).sum();
    sum.failures = sum.tiers.iter().map(|t| t.failures).sum();
    sum.compile_ns = sum.tiers.iter().map(|t| t.compile_ns).sum();
    sum.code_bytes = sum.tiers.iter().map(|t| t.code_bytes).sum();
    sum
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::profile::branches::BranchReport;
    use crate::profile::cycles::CyclesReport;
    use crate::profile::function::{FunctionProfile, Shape};
    use std::sync::atomic::Ordering::Relaxed;

    /// A run of four functions, one of which never ran.
    pub(in crate::profile) fn example() -> ProfileReport {
        let main = FunctionProfile::new(
            0,
            "main",
            Shape {
                parameters: 0,
                blocks: 4,
                indirect_sites: 1,
            },
        );
        main.calls.store(1, Relaxed);
        main.back_edges.store(250_000, Relaxed);
        main.osr_entries.store(2, Relaxed);
        main.blocks()[..3].iter().for_each(|b| b.store(9, Relaxed));
        (0..4).for_each(|_| main.indirect()[0].record(0x40_1000));
        main.reached(Tier::Interp, 1_000);
        main.compiled(Tier::O0, 1_500_000, 420);
        main.osr_compiled(Tier::O3, 7_000_000, 180);
        main.compile_failed(Tier::O3, Some(5), 100_000, "no such loop".to_owned());
        main.reached(Tier::O0, 2_000_000);
        main.set_state("called once: entered at a loop");

        let hot = FunctionProfile::new(
            1,
            "matmul",
            Shape {
                parameters: 2,
                blocks: 2,
                indirect_sites: 0,
            },
        );
        hot.calls.store(12_345, Relaxed);
        hot.back_edges.store(3_555_360, Relaxed);
        hot.blocks().iter().for_each(|b| b.store(1, Relaxed));
        for _ in 0..99 {
            hot.arguments()[0].values.record(288);
            hot.arguments()[1].values.record(0x1040);
            hot.arguments()[1].alignment.record(0x1040);
        }
        hot.arguments()[0].values.record(5);
        hot.arguments()[1].alignment.record(0);
        [4_000, 5_000, 6_000]
            .into_iter()
            .for_each(|c| hot.cycles.record(c));
        hot.reached(Tier::Interp, 5_000);
        for (tier, ms, bytes) in [
            (Tier::O0, 1, 0),
            (Tier::O1, 2, 0),
            (Tier::O2, 8, 700),
            (Tier::O3, 15, 1_300),
        ] {
            hot.compiled(tier, ms * 1_000_000, bytes);
            hot.reached(tier, ms * 3_000_000);
        }
        let variant = hot.add_variant("n = 288".to_owned());
        variant.hits.store(990, Relaxed);
        variant.misses.store(10, Relaxed);
        hot.set_state("O3: 10,000 calls");

        let cold = FunctionProfile::new(
            2,
            "parse",
            Shape {
                parameters: 1,
                blocks: 5,
                indirect_sites: 0,
            },
        );
        cold.calls.store(3, Relaxed);
        cold.blocks()[0].store(3, Relaxed);
        cold.reached(Tier::Interp, 9_000);
        cold.compile_failed(Tier::O0, None, 300_000, "no symbol \"puts\"".to_owned());
        cold.set_state("3 of 10 calls for O0");

        let never = FunctionProfile::new(
            3,
            "usage",
            Shape {
                parameters: 0,
                blocks: 1,
                indirect_sites: 0,
            },
        );
        let cycles = Some(CyclesReport {
            samples: 2,
            total: 900,
            min: 400,
            max: 500,
        });
        let regions = vec![
            RegionReport {
                name: "token".to_owned(),
                cycles,
                timed: 2,
            },
            RegionReport {
                name: "load".to_owned(),
                cycles: None,
                timed: 0,
            },
        ];
        let functions = [never, main, cold, hot]
            .iter()
            .map(|f| FunctionReport {
                calls_at_least: f.id() == 1,
                branches: Vec::from_iter((f.id() == 0).then(|| BranchReport {
                    block: 1,
                    to: vec![2, 3],
                    taken: Some(vec![9, 0]),
                })),
                back_edges_at_least: f.id() == 0,
                ..f.report()
            })
            .collect();
        ProfileReport::new(functions, regions, 1_234_567_890)
    }

    #[test]
    fn the_most_expensive_come_first() {
        let names: Vec<String> = example().functions.into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["matmul", "main", "parse", "usage"]);
    }

    #[test]
    fn totals_add_up() {
        let totals = example().totals;
        assert_eq!((totals.functions, totals.never_ran), (4, 1));
        assert_eq!((totals.blocks, totals.blocks_reached), (12, 6));
        assert_eq!((totals.calls, totals.back_edges), (12_349, 3_805_360));
        assert_eq!((totals.compiles, totals.osr_compiles), (6, 1));
        assert_eq!((totals.failures, totals.unsupported), (2, 0));
        assert_eq!((totals.compile_ns, totals.code_bytes), (34_900_000, 2_600));
        assert_eq!(
            (totals.guard_hits, totals.guard_misses, totals.osr_entries),
            (990, 10, 2)
        );
        let last: Vec<u64> = totals.tiers.iter().map(|t| t.functions).collect();
        assert_eq!(last, [1, 1, 0, 0, 1]);
    }

    #[test]
    fn what_cannot_be_interpreted_is_counted_and_shown_with_its_reason() {
        let f = FunctionProfile::new(0, "halves", Shape::default());
        f.cannot_be_interpreted("vectors of halves".to_owned(), 2_000_000, 96);
        f.cannot_be_interpreted("said before".to_owned(), 1, 1);
        let called = FunctionReport {
            calls: 1,
            ..f.report()
        };
        let report = ProfileReport::new(vec![called], Vec::new(), 1);
        assert_eq!(report.totals.unsupported, 1);
        assert_eq!((report.totals.compiles, report.totals.code_bytes), (1, 96));
        let text = report.to_text(crate::profile::TextOptions {
            functions: 1,
            details: true,
        });
        assert!(text.contains("cannot express 1 functions"), "{text}");
        assert!(
            text.contains("cannot be interpreted: vectors of halves"),
            "{text}"
        );
        let json = report.to_json();
        assert!(
            json.contains(r#""unsupported":"vectors of halves""#),
            "{json}"
        );
    }

    #[test]
    fn json_keeps_everything() {
        let report = example();
        assert_eq!(ProfileReport::from_json(&report.to_json()).unwrap(), report);
    }

    #[test]
    fn names_in_json_are_stable() {
        let json: serde_json::Value = serde_json::from_str(&example().to_json()).unwrap();
        let keys = |value: &serde_json::Value| {
            let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
            keys.sort();
            keys.join(" ")
        };
        assert_eq!(keys(&json), "functions loops regions run_ns totals version");
        assert_eq!(
            keys(&json["totals"]),
            "back_edges blocks blocks_reached calls code_bytes compile_ns compiles failures functions \
             guard_hits guard_misses never_ran osr_compiles osr_entries tiers unsupported"
        );
        let hot = &json["functions"][0];
        assert_eq!(
            keys(hot),
            "arguments back_edges back_edges_at_least blocks branches calls calls_at_least cycles failed id indirect_sites \
             name osr_entries state tier tiers unsupported variants"
        );
        assert_eq!(keys(&hot["cycles"]), "max min samples total");
        assert_eq!(keys(&hot["arguments"][0]), "alignments nulls values");
        assert_eq!(
            hot["arguments"][0]["values"]["top"][0],
            serde_json::json!([288, 99])
        );
        assert_eq!(
            keys(&hot["tiers"][0]),
            "code_bytes compile_ns compiles failures osr_code_bytes osr_compile_ns osr_compiles osr_failures \
             reached_ns tier"
        );
        assert_eq!(keys(&json["functions"][1]["branches"][0]), "block taken to");
        assert_eq!(keys(&json["functions"][1]["failed"][0]), "block tier why");
        assert_eq!(
            keys(&json["totals"]["tiers"][0]),
            "code_bytes compile_ns compiles failures functions osr_compiles tier"
        );
        assert_eq!(keys(&hot["variants"][0]), "assumes hits misses");
        assert_eq!(
            (&hot["tier"], &json["functions"][1]["tier"]),
            (&"O3".into(), &"O0".into())
        );
        assert_eq!(keys(&json["regions"][0]), "cycles name timed");
        assert_eq!(json["regions"][0]["name"], "token");
    }

    #[test]
    fn other_versions_are_refused() {
        let later = example()
            .to_json()
            .replacen("\"version\":1", "\"version\":2", 1);
        let error = ProfileReport::from_json(&later).unwrap_err().to_string();
        assert!(
            error.contains("version 2") && error.contains("reads 1"),
            "{error}"
        );
        assert!(matches!(
            ProfileReport::from_json("{"),
            Err(ReportError::Json(_))
        ));
        let cut = &example().to_json()[..300];
        assert!(ProfileReport::from_json(cut).is_err());
    }
}
