//! Choosing the next token from the logits.
//!
//! ```text
//! logits -> repeat penalty -> [temperature 0: the best]
//!        -> top-k -> top-p -> min-p -> temperature -> one at random
//! ```
//!
//! The order is llama.cpp's. The same seed gives the same tokens on every platform: candidates
//! have one order (higher logit, then smaller id), sums run in that order, `exp` is libm's code,
//! and the random numbers are our own.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod rng;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cmp::Ordering;
use thiserror::Error;

pub use rng::Rng;

/// How to choose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplerOptions {
    /// Logits are divided by it; 0 always takes the best token.
    pub temperature: f32,
    /// Only the best so many tokens; 0: all.
    pub top_k: usize,
    /// Only the best tokens that together have this probability; 1: all.
    pub top_p: f32,
    /// Only tokens at least so probable relative to the best; 0: all.
    pub min_p: f32,
    /// Tokens seen lately have their logit divided (if positive) or multiplied by it; 1: off.
    pub repeat_penalty: f32,
    /// How many of the last tokens are "lately".
    pub repeat_window: usize,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for SamplerOptions {
    /// llama.cpp's defaults.
    fn default() -> Self {
        SamplerOptions {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.0,
            repeat_window: 64,
            seed: 0,
        }
    }
}

/// An option outside of its range.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("{name} is {found}, expected {expected}")]
pub struct OptionError {
    /// The option.
    pub name: &'static str,
    /// Its value.
    pub found: f32,
    /// What it may be.
    pub expected: &'static str,
}

impl SamplerOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The first option that is out of its range.
    pub fn validate(&self) -> Result<(), OptionError> {
        let check = |name, found: f32, fits: bool, expected| {
            if fits {
                Ok(())
            } else {
                Err(OptionError {
                    name,
                    found,
                    expected,
                })
            }
        };
        let Self {
            temperature,
            top_p,
            min_p,
            repeat_penalty,
            ..
        } = *self;
        let temperature_fits = (0.0..=100.0).contains(&temperature);
        check(
            "temperature",
            temperature,
            temperature_fits,
            "0 (greedy) to 100",
        )?;
        check(
            "top-p",
            top_p,
            top_p > 0.0 && top_p <= 1.0,
            "above 0, at most 1 (off)",
        )?;
        check("min-p", min_p, (0.0..=1.0).contains(&min_p), "0 (off) to 1")?;
        let penalty_fits = repeat_penalty > 0.0 && repeat_penalty <= 100.0;
        check(
            "repeat-penalty",
            repeat_penalty,
            penalty_fits,
            "above 0, at most 100 (1 is off)",
        )
    }
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: u32,
    logit: f32,
}

impl Candidate {
    /// The one order of candidates: higher logit first, then smaller id.
    fn order(&self, other: &Self) -> Ordering {
        other
            .logit
            .total_cmp(&self.logit)
            .then(self.id.cmp(&other.id))
    }
}

/// The token with the highest logit; of equals the smallest id. NaN never wins.
#[must_use]
pub fn greedy(logits: &[f32]) -> u32 {
    // Lanes first, the place after: this becomes vector code.
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = logits.as_chunks::<LANES>();
    for chunk in chunks {
        for (best, &logit) in lanes.iter_mut().zip(chunk) {
            *best = if logit > *best { logit } else { *best };
        }
    }
    let all = lanes.iter().chain(rest);
    let best = all.fold(
        f32::NEG_INFINITY,
        |best, &logit| if logit > best { logit } else { best },
    );
    logits.iter().position(|&logit| logit == best).unwrap_or(0) as u32
}

/// Logits looked at together.
const LANES: usize = 16;

/// e to the power of `x`, the same on every platform.
#[must_use]
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// Natural logarithm of the probability of token `id` under `logits`.
#[must_use]
pub fn log_probability(logits: &[f32], id: u32) -> f64 {
    let best = logits[greedy(logits) as usize];
    let total: f64 = logits
        .iter()
        .map(|&logit| libm::exp(f64::from(logit - best)))
        .sum();
    match logits.get(id as usize) {
        Some(&logit) => f64::from(logit - best) - libm::log(total),
        None => f64::NEG_INFINITY,
    }
}

/// Chooses tokens; remembers which ones it saw, and where its random numbers are.
#[derive(Debug, Clone)]
pub struct Sampler {
    options: SamplerOptions,
    rng: Rng,
    recent: VecDeque<u32>,
    candidates: Vec<Candidate>,
    seen: Vec<u32>,
}

impl Sampler {
    /// A sampler that has seen nothing.
    ///
    /// # Errors
    /// [`OptionError`] if an option is out of range.
    pub fn new(options: SamplerOptions) -> Result<Self, OptionError> {
        options.validate()?;
        Ok(Sampler {
            rng: Rng::new(options.seed),
            options,
            recent: VecDeque::new(),
            candidates: Vec::new(),
            seen: Vec::new(),
        })
    }

    /// Takes note of a token of the text, prompt or generated.
    pub fn accept(&mut self, id: u32) {
        if self.options.repeat_window == 0 {
            return;
        }
        if self.recent.len() == self.options.repeat_window {
            self.recent.pop_front();
        }
        self.recent.push_back(id);
    }

    /// Chooses a token; the logits (one per token, at least one) are used up.
    pub fn sample(&mut self, logits: &mut [f32]) -> u32 {
        self.penalise(logits);
        let SamplerOptions {
            temperature,
            top_k,
            top_p,
            min_p,
            ..
        } = self.options;
        if temperature == 0.0 || top_k == 1 {
            return greedy(logits);
        }
        self.collect(logits, if top_k == 0 { usize::MAX } else { top_k });
        let Some(&Candidate { id, logit: best }) = self.candidates.first() else {
            return greedy(logits);
        };
        if best.is_infinite() {
            return id;
        }
        if top_p < 1.0 {
            let weight = |candidate: &Candidate| libm::expf(candidate.logit - best);
            let total: f64 = self.candidates.iter().map(|c| f64::from(weight(c))).sum();
            let mut sum = 0.0;
            let keep = self.candidates.iter().position(|candidate| {
                sum += f64::from(weight(candidate));
                sum >= total * f64::from(top_p)
            });
            self.candidates
                .truncate(keep.map_or(usize::MAX, |last| last + 1));
        }
        if min_p > 0.0 {
            let least = best + libm::logf(min_p);
            let keep = self
                .candidates
                .partition_point(|candidate| candidate.logit >= least);
            self.candidates.truncate(keep.max(1));
        }
        let weight =
            |candidate: &Candidate| f64::from(libm::expf((candidate.logit - best) / temperature));
        let total: f64 = self.candidates.iter().map(weight).sum();
        let mut left = self.rng.next_f64() * total;
        let mut chosen = self.candidates[0].id;
        for candidate in &self.candidates {
            // Rounding may leave a remainder: then the last candidate with any weight is it.
            let weight = weight(candidate);
            if weight > 0.0 {
                chosen = candidate.id;
            }
            if left < weight {
                break;
            }
            left -= weight;
        }
        chosen
    }

    /// Makes `candidates` the best `most` tokens in order; NaN and minus infinity are none.
    #[inline(never)] // goes over the whole vocabulary: hot where the rest of `sample` is not
    fn collect(&mut self, logits: &[f32], most: usize) {
        let Sampler { candidates, .. } = self;
        candidates.clear();
        // What is not better than the last of the best so far is passed over; ids rise, so an equal
        // logit comes behind.
        let mut least = f32::NEG_INFINITY;
        for (id, &logit) in logits.iter().enumerate() {
            if logit > least {
                candidates.push(Candidate {
                    id: id as u32,
                    logit,
                });
                if candidates.len() / 4 == most {
                    keep_best(candidates, most);
                    least = candidates[most - 1].logit;
                }
            }
        }
        if candidates.len() > most {
            keep_best(candidates, most);
        }
        candidates.sort_unstable_by(Candidate::order);
    }

    #[inline(never)]
    fn penalise(&mut self, logits: &mut [f32]) {
        let penalty = self.options.repeat_penalty;
        if penalty == 1.0 {
            return;
        }
        self.seen.clear();
        self.seen.extend(&self.recent);
        self.seen.sort_unstable();
        self.seen.dedup();
        for &id in &self.seen {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit = if *logit > 0.0 {
                    *logit / penalty
                } else {
                    *logit * penalty
                };
            }
        }
    }
}

/// Leaves the best `most` (at least 1) of more candidates; the last of them stands at the end.
fn keep_best(candidates: &mut Vec<Candidate>, most: usize) {
    candidates.select_nth_unstable_by(most - 1, Candidate::order);
    candidates.truncate(most);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    const ALL: SamplerOptions = SamplerOptions {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repeat_penalty: 1.0,
        repeat_window: 64,
        seed: 1,
    };

    fn draw(options: SamplerOptions, logits: &[f32], count: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(options).unwrap();
        (0..count)
            .map(|_| sampler.sample(&mut logits.to_vec()))
            .collect()
    }

    fn share(ids: &[u32], id: u32) -> f64 {
        ids.iter().filter(|&&found| found == id).count() as f64 / ids.len() as f64
    }

    #[test]
    fn greedy_takes_the_first_best() {
        assert_eq!(greedy(&[1.0, 3.0, 3.0, 2.0]), 1);
        assert_eq!(greedy(&[f32::NAN, -1.0, f32::NAN]), 1);
        assert_eq!(greedy(&[f32::NAN]), 0);
        let options = SamplerOptions {
            temperature: 0.0,
            ..ALL
        };
        assert_eq!(draw(options, &[0.0, 5.0, 4.9], 20), [1; 20]);
    }

    #[test]
    fn frequencies_follow_the_probabilities() {
        // 1/8, 5/8, 2/8
        let logits = [1.0f32, 5.0, 2.0].map(libm::logf);
        let ids = draw(ALL, &logits, 20_000);
        assert!((share(&ids, 1) - 0.625).abs() < 0.01);
        assert!((share(&ids, 0) - 0.125).abs() < 0.01);
        let hot = draw(
            SamplerOptions {
                temperature: 100.0,
                ..ALL
            },
            &logits,
            20_000,
        );
        assert!((share(&hot, 1) - 1.0 / 3.0).abs() < 0.02);
        let cold = draw(
            SamplerOptions {
                temperature: 0.05,
                ..ALL
            },
            &logits,
            1000,
        );
        assert_eq!(share(&cold, 1), 1.0);
    }

    #[test]
    fn filters_keep_what_they_promise() {
        let logits = [8.0f32, 4.0, 2.0, 1.0, 1.0].map(libm::logf);
        let only = |options| {
            let mut ids = draw(options, &logits, 3000);
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        assert_eq!(only(ALL), [0, 1, 2, 3, 4]);
        assert_eq!(only(SamplerOptions { top_k: 2, ..ALL }), [0, 1]);
        // Equal logits: the smaller id stays.
        assert_eq!(only(SamplerOptions { top_k: 4, ..ALL }), [0, 1, 2, 3]);
        assert_eq!(only(SamplerOptions { top_k: 9, ..ALL }), [0, 1, 2, 3, 4]);
        assert_eq!(only(SamplerOptions { top_p: 0.5, ..ALL }), [0]);
        assert_eq!(only(SamplerOptions { top_p: 0.6, ..ALL }), [0, 1]);
        assert_eq!(only(SamplerOptions { min_p: 0.2, ..ALL }), [0, 1, 2]);
        assert_eq!(only(SamplerOptions { min_p: 1.0, ..ALL }), [0]);
    }

    #[test]
    fn repetition_costs() {
        let options = SamplerOptions {
            temperature: 0.0,
            repeat_penalty: 2.0,
            repeat_window: 2,
            ..ALL
        };
        let mut sampler = Sampler::new(options).unwrap();
        let mut next = |accept: u32| {
            sampler.accept(accept);
            sampler.sample(&mut [4.0, 3.0, -1.0])
        };
        assert_eq!(next(2), 0);
        assert_eq!(next(0), 1);
        assert_eq!(next(0), 1); // counted once, though seen twice: 2.0 against 3.0
        assert_eq!(next(1), 0); // both halved
        assert_eq!(next(1), 0); // 0 has left the window
        let mut negative = Sampler::new(options).unwrap();
        negative.accept(0);
        assert_eq!(negative.sample(&mut [-1.0, -1.5]), 1);
    }

    #[test]
    fn the_seed_decides() {
        let logits: Vec<f32> = (0..1000).map(|id| libm::sinf(id as f32) * 3.0).collect();
        let options = SamplerOptions {
            seed: 42,
            ..SamplerOptions::default()
        };
        let ids = draw(options, &logits, 8);
        assert_eq!(ids, draw(options, &logits, 8));
        assert_ne!(
            ids,
            draw(
                SamplerOptions {
                    seed: 43,
                    ..options
                },
                &logits,
                8
            )
        );
    }

    #[test]
    fn ranges_are_checked() {
        let refused = |options: SamplerOptions| options.validate().unwrap_err().name;
        assert_eq!(
            refused(SamplerOptions {
                temperature: -0.1,
                ..ALL
            }),
            "temperature"
        );
        assert_eq!(
            refused(SamplerOptions {
                temperature: f32::NAN,
                ..ALL
            }),
            "temperature"
        );
        assert_eq!(refused(SamplerOptions { top_p: 0.0, ..ALL }), "top-p");
        assert_eq!(refused(SamplerOptions { min_p: 1.1, ..ALL }), "min-p");
        assert_eq!(
            refused(SamplerOptions {
                repeat_penalty: 0.0,
                ..ALL
            }),
            "repeat-penalty"
        );
        assert!(ALL.validate().is_ok());
    }

    #[test]
    fn log_probabilities_sum_to_one() {
        let logits = [0.5, 80.0, 79.0, -1e9];
        let total: f64 = (0..4)
            .map(|id| libm::exp(log_probability(&logits, id)))
            .sum();
        assert!((total - 1.0).abs() < 1e-12);
        assert!((log_probability(&logits, 1) + 0.313_261_7).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn the_best_are_collected(
            // Few values, so that there are ties.
            logits in prop::collection::vec((-8i8..8).prop_map(f32::from), 1..400),
            most in 1usize..30,
        ) {
            let mut sampler = Sampler::new(ALL).unwrap();
            sampler.collect(&logits, most);
            let mut expected: Vec<u32> = (0..logits.len() as u32).collect();
            // Stable: equal logits stay in the order of their ids.
            expected.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
            expected.truncate(most);
            let found: Vec<u32> = sampler.candidates.iter().map(|c| c.id).collect();
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(greedy(&logits), expected[0]);
        }

        #[test]
        fn any_logits_give_a_token(
            logits in prop::collection::vec(any::<f32>(), 1..50),
            top_k in 0usize..60, top_p in 0.01f32..=1.0, min_p in 0.0f32..=1.0, seed: u64,
        ) {
            let options = SamplerOptions { top_k, top_p, min_p, seed, ..SamplerOptions::default() };
            let mut sampler = Sampler::new(options).unwrap();
            let id = sampler.sample(&mut logits.clone());
            prop_assert!((id as usize) < logits.len());
            let _ = vec![log_probability(&logits, id)];
        }
    }
}
