//! Which loops of O1 code poll, and how many rounds each poll counts.
//!
//! A poll costs an innermost loop of few instructions half its speed, so loops poll only where nothing else would soon:
//!
//! ```text
//!   function called again and again, calls soon over  ->  none polls: better code begins with the next call
//!   loop soon over, in a loop that goes round again   ->  it does not: the one around it polls, and counts its rounds, too
//!   all others                                        ->  poll
//! ```
//!
//! What is soon over is known from the counts of the interpreter and of O0 code. Where they are missing, all loops poll.
//! A loop that goes round far longer than it used to is left only when the one around it goes round, and a call that lasts
//! far longer only at its end.
//!
//! Hot code is compiled in one of its first calls, when nobody knows whether they will be over soon. Most of it is O2 code
//! before that matters. Where it is not, because thresholds say so or O2 failed, it is made once more.

use super::queue::Job;
use super::shared::{POLL_INTERVAL, Shared};
use crate::Level;
use llvm::Nested;
use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;

/// Calls of a function, or rounds of a loop, from which the next one is certain enough.
const CERTAIN: u64 = 10;
/// Instructions of IR in a call that is over soon: about a millisecond.
const SHORT: u64 = 4_000_000;
/// Instructions that a call is taken for: what is called has loops of its own.
const CALL: u64 = 400;
/// Backward jumps, ten times what O2 takes by default, after which polls are asked for what they are good for.
const LASTING: u64 = 1_000_000;

/// The loops that are not as all loops are without counts: polling, a round for a round.
#[derive(Debug, Default)]
pub(super) struct Weights {
    nothing_polls: bool,
    /// By header; `None` does not poll.
    known: HashMap<u32, Option<u32>>,
}

impl Weights {
    /// Rounds that one of the loop with this header stands for, if it polls.
    pub fn of(&self, header: u32) -> Option<u32> {
        match self.nothing_polls {
            true => None,
            false => self.known.get(&header).copied().unwrap_or(Some(1)),
        }
    }
}

/// Instructions in a round of an average loop, those of calls included. Of the longest where no rounds were counted; a
/// guess where there are loops that `nest` does not have.
fn round(nest: &[Nested], loops: usize, counts: &[u64]) -> u64 {
    if nest.len() < loops {
        return CALL;
    }
    let (mut rounds, mut all, mut longest) = (0, 0, 1);
    for l in nest {
        let own = u64::from(l.instructions) + CALL * u64::from(l.calls);
        let executions = counts.get(l.header as usize).copied().unwrap_or(0);
        rounds += u128::from(executions);
        all += u128::from(executions) * u128::from(own);
        longest = longest.max(own);
    }
    all.checked_div(rounds).map_or(longest, |n| n as u64)
}

/// Weighs the `loops` loops of a function. `nest`: those of them with one way in, each before those in it. `counts`:
/// executions of its blocks, may be empty. `calls` and `back_edges`: of the whole function.
pub(super) fn weights(
    nest: &[Nested],
    loops: usize,
    counts: &[u64],
    calls: u64,
    back_edges: u64,
) -> Weights {
    let is_short = |rounds: u64| rounds.saturating_mul(round(nest, loops, counts)) < SHORT;
    if calls >= CERTAIN && is_short(back_edges / calls) {
        return Weights {
            nothing_polls: true,
            ..Weights::default()
        };
    }
    let executions = |header: u32| counts.get(header as usize).copied().unwrap_or(0);
    // By header: rounds of loops in it that do not poll.
    let mut silent: HashMap<u32, u64> = HashMap::new();
    let mut known = HashMap::new();
    for l in nest.iter().rev() {
        let (own, inner) = (executions(l.header), silent.remove(&l.header).unwrap_or(0));
        let all = own.saturating_add(inner);
        let is_soon_over = |around: u32| {
            let rounds = executions(around);
            rounds >= CERTAIN && all / rounds < POLL_INTERVAL.into()
        };
        match l.around.filter(|a| is_soon_over(*a)) {
            Some(around) => {
                *silent.entry(around).or_default() += all;
                known.insert(l.header, None);
            }
            None => {
                let stands_for = all / own.max(1);
                let stands_for = stands_for.clamp(1, POLL_INTERVAL.into()) as u32;
                known.insert(l.header, Some(stands_for));
            }
        }
    }
    Weights {
        nothing_polls: false,
        known,
    }
}

impl Shared {
    /// A loop of O1 code polled. Where that code stays, it is made anew once, if its calls turned out to be over soon.
    pub(super) fn reconsider_polls(&self, id: u32) {
        let f = self.function(id);
        if f.profile.back_edges.load(Relaxed) < LASTING || self.config.shuffle.is_some() {
            return;
        }
        let is_more_earned = self.earned(id) > Some(Level::O1);
        let mut state = f.state();
        let stays = state.level == Some(Level::O1) && (!is_more_earned || state.failed.is_some());
        let was_young = state.polls.is_some_and(|calls| calls < CERTAIN);
        if stays && was_young && self.entry(id).calls() >= CERTAIN {
            state.polls = None;
            state.stale = true;
            drop(state);
            self.ask(Job::Function(id, Level::O1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn nested(header: u32, around: Option<u32>, instructions: u32) -> Nested {
        Nested {
            header,
            around,
            instructions,
            calls: 0,
        }
    }

    /// Three loops in one another, then one beside them.
    const NEST: [Nested; 4] = [
        nested(1, None, 4),
        nested(2, Some(1), 4),
        nested(3, Some(2), 4),
        nested(4, None, 40),
    ];

    fn of_each(counts: &[u64], calls: u64, back_edges: u64) -> Vec<Option<u32>> {
        let weights = weights(&NEST, NEST.len(), counts, calls, back_edges);
        NEST.iter().map(|l| weights.of(l.header)).collect()
    }

    #[test]
    fn the_outermost_loop_counts_for_all_in_it() {
        let counts = [1, 100, 1_000, 8_000, 20];
        let seen = of_each(&counts, 1, 10_000);
        assert_eq!(seen, [Some(91), None, None, Some(1)]);
    }

    #[test]
    fn a_loop_that_lasts_polls_itself() {
        // The innermost: 50,000 rounds each time.
        let counts = [1, 10, 20, 1_000_000, 0];
        let seen = of_each(&counts, 1, 1_000_000);
        assert_eq!(seen, [Some(3), None, Some(1), Some(1)]);
        // Together they last, one in the other they do not.
        let counts = [1, 10, 10_000, 10_000_000, 0];
        let seen = of_each(&counts, 1, 10_000_000);
        assert_eq!(seen, [Some(1), Some(1_001), None, Some(1)]);
    }

    #[test]
    fn what_was_seen_too_rarely_says_nothing() {
        let all = [Some(1); 4];
        assert_eq!(of_each(&[], 1, 100_000), all);
        assert_eq!(of_each(&[1, 9, 9, 9, 9], 1, 100_000), all);
        // A jump of the header alone counts no rounds of those in it.
        assert_eq!(weights(&NEST, NEST.len(), &[], 1, 0).of(99), Some(1));
    }

    #[test]
    fn short_calls_need_none() {
        let counts = [10, 100, 1_000, 8_000, 0];
        assert_eq!(of_each(&counts, 10, 9_999_999), [None; 4]);
        assert_eq!(of_each(&counts, 9, 9), [Some(91), None, None, Some(1)]);
        assert_eq!(of_each(&counts, 10, 10_000_000)[0], Some(91));
        // Most rounds are those of the long loop.
        let counts = [10, 0, 0, 0, 8_000];
        assert_eq!(of_each(&counts, 10, 999_999), [None; 4]);
        assert_eq!(of_each(&counts, 10, 1_000_000), [Some(1); 4]);
        // It may be so where nothing was counted.
        assert_eq!(of_each(&[], 10, 999_999), [None; 4]);
        assert_eq!(of_each(&[], 10, 1_000_000), [Some(1); 4]);
    }

    #[test]
    fn calls_and_loops_with_several_ways_in_may_last() {
        let polls = |nest: &[Nested], loops, back_edges| {
            let weights = weights(nest, loops, &[], 10, back_edges);
            weights.of(1).is_some()
        };
        let calling = [Nested {
            calls: 1,
            ..nested(1, None, 0)
        }];
        assert!(!polls(&calling, 1, 99_999));
        assert!(polls(&calling, 1, 100_000));
        let short = [nested(1, None, 4)];
        assert!(!polls(&short, 1, 100_000));
        assert!(!polls(&short, 2, 99_999));
        assert!(polls(&short, 2, 100_000));
        assert!(polls(&short, 1, u64::MAX));
    }
}
