//! Why a function runs in the tier it has, and what is missing for the next one.
//!
//! Said in words when a report is made, from what decides at that moment: nothing is kept for it while the program runs.
//!
//! ```text
//!   hot: O1 for its calls (100); 340 calls of 1,000, 12,000 backward jumps of 100,000 for O2; its loop at block 3 ...
//!   what it has, and why         what is missing for the next step, or what is against it     code inside of it
//! ```

use super::config::Mode;
use super::function::{Function, Osr};
use super::queue::Job;
use super::shared::{Shared, tier_of};
use crate::Level;
use crate::profile::function::Shape;
use crate::profile::{FunctionProfile, FunctionReport, Tier};
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

/// What is known of a function's code at one moment.
struct Now {
    level: Option<Level>,
    wanted: Option<Level>,
    is_evicted: bool,
    is_special: bool,
    is_generic: bool,
    /// Whether code of an earlier run is not linked yet.
    waits: bool,
    restored: Option<Level>,
    samples: bool,
    /// Loop headers with code, those that wait for some, in their order.
    ready: Vec<u32>,
    asked: Vec<u32>,
}

impl Now {
    fn of(f: &Function) -> Now {
        let state = f.state();
        let headers = |wanted: fn(&Osr) -> bool| {
            let mut all: Vec<u32> = state
                .osr
                .iter()
                .filter(|o| wanted(o.1))
                .map(|o| *o.0)
                .collect();
            all.sort_unstable();
            all
        };
        Now {
            level: state.level,
            wanted: state.wanted,
            is_evicted: state.evicted,
            is_special: state.is_special,
            is_generic: state.generic,
            waits: state.waiting.contains_key(&0),
            restored: state.restored,
            samples: state.samples,
            ready: headers(|o| matches!(o, Osr::Ready(..))),
            asked: headers(|o| matches!(o, Osr::Wanted)),
        }
    }
}

impl Shared {
    /// Why a function runs in the tier it has, and what is missing for the next one.
    pub fn why(&self, id: u32) -> String {
        let f = self.function(id);
        // Copied: what is asked below takes the state by itself.
        let now = Now::of(f);
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.what_it_has(id, f, &now));
        if now.is_special {
            parts.push("with code for the arguments it is called with".to_owned());
        } else if now.is_generic {
            parts.push("its arguments changed: back to code for all of them".to_owned());
        }
        let has_run = self.rounds(id) > 0 || now.level.is_some();
        if f.mode() == Mode::Auto && self.config.shuffle.is_none() && has_run {
            parts.push(self.next_step(id, f, &now));
        }
        parts.extend(self.loops(id, f, &now));
        parts.join("; ")
    }

    fn what_it_has(&self, id: u32, f: &Function, now: &Now) -> Option<String> {
        let (calls, rounds) = (self.entry(id).calls(), self.back_edges(id));
        let Some(level) = now.level else {
            let text = if now.waits {
                "hot: its code of an earlier run waits for the first call"
            } else if self.entry(id).is_native_only() {
                "cannot be interpreted: compiled at its first call"
            } else if now.is_evicted {
                "its code was dropped to stay within the limit of code memory"
            } else if calls == 0 && rounds == 0 {
                "never called"
            } else if f.mode() == Mode::Interpret {
                "interpreted, as was asked for"
            } else if f.state().late {
                "first called when the program was ending: nothing was compiled any more"
            } else {
                return None;
            };
            return Some(text.to_owned());
        };
        let thresholds = f.thresholds();
        let (by_calls, by_loops) = (
            thresholds.calls[level as usize],
            thresholds.back_edges[level as usize],
        );
        let is_made_here = f.profile.has_compiled(tier_of(Some(level)));
        let text = if let Mode::Fixed(_) = f.mode() {
            format!("{level}, as was asked for")
        } else if self.config.shuffle.is_some() {
            format!("{level} by chance, as was asked for")
        } else if now.restored == Some(level) && !is_made_here {
            format!("hot: its code of an earlier run goes on at {level}")
        } else if calls >= by_calls {
            format!("hot: {level} for its calls ({})", grouped(by_calls))
        } else if rounds >= by_loops {
            format!(
                "hot: {level} for its backward jumps ({})",
                grouped(by_loops)
            )
        } else if self.is_costly(id) {
            format!("{level} at once: the interpreter is slow at it")
        } else {
            format!("{level} before it was due")
        };
        Some(text)
    }

    /// What is missing for the next tier, or what is against it.
    fn next_step(&self, id: u32, f: &Function, now: &Now) -> String {
        if now.level == Some(Level::O3) {
            return "there is no higher tier".to_owned();
        }
        if let Some(wanted) = now.wanted {
            return match self.is_due(Job::Function(id, wanted)) {
                true => format!("waits to be compiled at {wanted}"),
                false => format!("{wanted} is held back: it does not pay yet"),
            };
        }
        let refused = f.profile.failures().into_iter().rev();
        let mut refused = refused.filter(|r| r.block.is_none() && r.tier > tier_of(now.level));
        if let Some(refused) = refused.next() {
            return format!("not promoted to {}: {}", refused.tier, refused.why);
        }
        let next = match now.level {
            None if self.entry(id).is_native_only() => Level::O1,
            None => Level::O0,
            Some(level) => Level::ALL[level as usize + 1],
        };
        let thresholds = f.thresholds();
        let is_only_call = self.config.osr && self.entry(id).calls() <= 1;
        let against = match self.earned(id) >= Some(next) && is_only_call {
            true => ": its only call so far has no use for it",
            false => "",
        };
        format!(
            "{} calls of {}, {} backward jumps of {} for {next}{against}",
            grouped(self.entry(id).calls()),
            grouped(thresholds.calls[next as usize]),
            grouped(self.back_edges(id)),
            grouped(thresholds.back_edges[next as usize]),
        )
    }

    /// What became of its loops.
    fn loops(&self, id: u32, f: &Function, now: &Now) -> Option<String> {
        let mut text = String::new();
        if let Some(first) = now.ready.first() {
            let entries = f.profile.osr_entries.load(Relaxed);
            let level = self.osr_level(id, *first);
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "{} compiled at {level}, entered {} times",
                places(&now.ready, "runs", "run"),
                grouped(entries)
            );
        }
        if !now.asked.is_empty() {
            let gap = if text.is_empty() { "" } else { "; " };
            let _ = write!(
                text,
                "{gap}{} to be compiled",
                places(&now.asked, "waits", "wait")
            );
        }
        for failed in f.profile.failures() {
            if let Some(block) = failed.block {
                let gap = if text.is_empty() { "" } else { "; " };
                let _ = write!(
                    text,
                    "{gap}its loop at block {block} stays where it is: {}",
                    failed.why
                );
            }
        }
        (!text.is_empty()).then_some(text)
    }

    /// Whether code of a function ran that does not count its calls, and its backward jumps: what is counted is the least
    /// then.
    pub fn uncounted(&self, id: u32) -> (bool, bool) {
        let f = self.function(id);
        let now = Now::of(f);
        let is_auto = f.mode() == Mode::Auto && self.config.shuffle.is_none();
        let counts_calls = match now.level {
            Some(level) => (is_auto || self.config.profile) && (level < Level::O3 || now.samples),
            None => true,
        };
        // Compiled code counts rounds in thousands, and those of short calls not at all.
        let counts_rounds = now.level.is_none();
        // Before it was decoded, whether it has loops is not known.
        let has_loops = self.entry(id).code().is_none_or(|c| !c.loops().is_empty());
        let is_native_only = self.entry(id).is_native_only();
        let is_left = f.profile.osr_entries.load(Relaxed) > 0;
        (
            !counts_calls,
            has_loops && (!counts_rounds || is_native_only || is_left),
        )
    }

    /// Tells the profiles which functions the interpreter cannot express. Gives those that it cannot even call: they have
    /// no number and no counters.
    pub fn tell_unsupported(&self) -> Vec<FunctionReport> {
        let mut apart = Vec::new();
        for makeshift in self.image.makeshifts() {
            let mut why = makeshift.why.reason.clone();
            if !makeshift.why.instruction.is_empty() {
                let _ = write!(why, ": {}", makeshift.why.instruction.trim());
            }
            let (cpu_ns, bytes) = (makeshift.cpu_ns, makeshift.bytes);
            match self.image.function(&makeshift.why.function) {
                Some(entry) => {
                    let profile = &self.function(entry.id).profile;
                    profile.cannot_be_interpreted(why, cpu_ns, bytes);
                }
                None => {
                    let id = (self.functions.len() + apart.len()) as u32;
                    let name = &makeshift.why.function;
                    let profile = FunctionProfile::new(id, name, Shape::default());
                    profile.cannot_be_interpreted(why, cpu_ns, bytes);
                    profile.reached(Tier::O1, 0);
                    profile.set_state(
                        "cannot be interpreted: compiled at the start, and never counted",
                    );
                    apart.push(FunctionReport {
                        calls_at_least: true,
                        back_edges_at_least: true,
                        ..profile.report()
                    });
                }
            }
        }
        apart
    }
}

/// Loops by their blocks, with the form of a verb that fits.
fn places(blocks: &[u32], one: &str, more: &str) -> String {
    match blocks {
        [block] => format!("its loop at block {block} {one}"),
        _ => {
            let all: Vec<String> = blocks.iter().map(u32::to_string).collect();
            format!("its loops at blocks {} {more}", all.join(", "))
        }
    }
}

/// A number with a comma after each thousand.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        let shown = [0, 999, 1_000, 12_345, 1_000_000].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "12,345", "1,000,000"]);
    }
}
