//! Every loop of a program left once: which ones to leave in which run, and what came of it.
//!
//! ```text
//!  --tier=interp --force-osr --> which loops go round
//!        turn n: of each function the first loop that was not left yet --> --force-osr-at --> which were left
//!        alone:  a loop that was not reached in its turn               -->       (the same, without the others)
//! ```
//!
//! What takes over a loop runs to the end of its function, and it, like O1 code, may hold copies of what is called there,
//! whose loops are then never seen. Alone, no other function is compiled. Compiled code is left when a header is passed for
//! the second time, as the interpreter is; alone at the first: some blocks behind a backward jump are passed once only.

use engine::profile::{LoopReport, ProfileReport, Tier};
use std::collections::{BTreeMap, BTreeSet};

/// A loop: its function, and the block of its header.
pub type Place = (String, u32);

/// What came of the loops of a program that are to be left by code of one tier.
#[derive(Debug, Clone, Default)]
pub struct Loops {
    from: Tier,
    /// To be left in a turn, with others.
    waiting: BTreeSet<Place>,
    /// To be left alone.
    alone: BTreeSet<Place>,
    pub entered: usize,
    /// Left by code of another tier only, even alone: the first call of a variadic function is interpreted, and what the
    /// interpreter expresses by detours is compiled before its first call.
    pub elsewhere: usize,
    /// Reasons, and how often.
    pub refused: BTreeMap<String, usize>,
    pub missed: Vec<Place>,
    /// Not left, and loops that go round by chance: where threads wait for one another.
    pub by_chance: usize,
    pub left_out: usize,
    pub reached: usize,
}

impl Loops {
    /// For the loops that went round in a run of the interpreter.
    pub fn new(from: Tier, seen: &[LoopReport]) -> Self {
        let went_round = seen.iter().filter(|l| l.looks > 0);
        let waiting: BTreeSet<Place> = went_round.map(|l| (l.function.clone(), l.block)).collect();
        Loops {
            from,
            reached: waiting.len(),
            waiting,
            ..Loops::default()
        }
    }

    /// The loops to be left in the next run, and whether that is one alone; none when it is over.
    pub fn next(&self) -> (Vec<Place>, bool) {
        let mut chosen: Vec<Place> = Vec::new();
        for place in &self.waiting {
            if chosen.last().is_none_or(|last| last.0 != place.0) {
                chosen.push(place.clone());
            }
        }
        let is_alone = chosen.is_empty();
        if is_alone {
            chosen.extend(self.alone.first().cloned());
        }
        (chosen, is_alone)
    }

    /// Learns what came of a run in which these were to be left.
    pub fn learn(&mut self, chosen: &[Place], report: &ProfileReport) {
        for place in chosen {
            let found = report
                .loops
                .iter()
                .find(|l| l.function == place.0 && l.block == place.1);
            let entries = found.map_or(0, |l| l.entries[self.from.index()]);
            let all: u64 = found.map_or(0, |l| l.entries.iter().sum());
            let polls = found.and_then(|l| l.polls_refusal.as_ref());
            let polls = polls.filter(|_| self.from != Tier::Interp);
            let refusal = found.and_then(|l| l.refusal.as_ref()).or(polls);
            let was_alone = self.alone.remove(place);
            self.waiting.remove(place);
            match refusal {
                _ if entries > 0 => self.entered += 1,
                Some(reason) => *self.refused.entry(kind(reason)).or_default() += 1,
                None if was_alone && all > 0 => self.elsewhere += 1,
                None if was_alone => self.missed.push(place.clone()),
                None => {
                    self.alone.insert(place.clone());
                }
            }
        }
    }

    /// Another run of the interpreter: loops that do not go round in every one need not be left.
    pub fn compare(&mut self, seen: &[LoopReport]) {
        let goes_round = |(function, block): &Place| {
            let is_it =
                |l: &LoopReport| l.looks > 0 && l.function == *function && l.block == *block;
            seen.iter().any(is_it)
        };
        let all = self.missed.len();
        self.missed.retain(goes_round);
        self.by_chance += all - self.missed.len();
    }

    /// No more runs.
    pub fn give_up(&mut self) {
        self.left_out += self.waiting.len() + self.alone.len();
        self.waiting.clear();
        self.alone.clear();
    }

    /// Adds another program's.
    pub fn add(&mut self, other: &Loops) {
        self.reached += other.reached;
        self.entered += other.entered;
        self.elsewhere += other.elsewhere;
        self.by_chance += other.by_chance;
        self.left_out += other.left_out;
        self.missed.extend(other.missed.iter().cloned());
        for (reason, n) in &other.refused {
            *self.refused.entry(reason.clone()).or_default() += n;
        }
    }
}

/// A reason without the names in it.
fn kind(reason: &str) -> String {
    let quiet = reason.split_once(": ").map_or(reason, |(_, rest)| rest);
    quiet.split(": ").next().unwrap_or(quiet).to_owned()
}

/// The options that have these loops left by code of a tier.
pub fn options(chosen: &[Place], from: Tier, is_alone: bool) -> Vec<String> {
    let list: Vec<String> = chosen.iter().map(|(f, b)| format!("{f}:{b}")).collect();
    let mut options = vec![format!("--force-osr-at={}", list.join(","))];
    let passes = if is_alone { 1 } else { 2 };
    options.push(format!("--force-osr-every={passes}"));
    if is_alone && from != Tier::Interp {
        // Rules of which the first counts that fits a function.
        options.extend(
            chosen
                .iter()
                .map(|(f, _)| format!("--function={f}=tier:auto")),
        );
        options.push("--function=*=tier:interp".to_owned());
    }
    options
}
