//! Which compiles pay while a program runs that already has good code.
//!
//! On the first run nothing is compiled, and what is compiled is kept for all later ones: requests are served as they come,
//! but for the last step, from O2 to O3, which costs most and gains least. Later runs begin with the code of the first.
//! What is requested then reached its threshold by the sum of all runs; its compile would take processor time from the
//! program in just those moments in which it should be fast at once. So it waits until
//!
//! ```text
//!   it pays: the run lasts as long again, the function does in that time what it did lately, and its slow code
//!            loses by that what the compile takes, or
//!   compiles that do not pay took less than a tenth of the run (a quarter of the first), this one included, or
//!   the program ended, or a thread waits for the compile
//! ```
//!
//! Both sides of the first comparison are rough guesses in one unit: the median compiles of `./x bench engine compile-time`
//! for an assumed 150 instructions, and an interpreter twenty times slower than clang. On a slower machine both grow alike.

use super::queue::Job;
use super::shared::Shared;
use crate::Level;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Nanoseconds that a compile takes for each instruction of the function's IR, by level.
const COMPILE_NS: [u64; 4] = [12_000, 24_000, 72_000, 84_000];
/// Instructions that every compile costs beside those of its function.
const SETUP: u64 = 100;
/// Nanoseconds that reading the program takes before the first compile, for each byte of its bitcode: 80 ms were seen for the
/// 1.2 MB of the `llama` guest.
const READ_NS: u64 = 65;
/// Picoseconds lost with each instruction of IR that runs in the interpreter, in O0, O1 and O2 code.
const LOST_PS: [u64; 4] = [5_000, 1_000, 100, 20];
/// Compiles that do not pay get one part of the run in so many: of the first run, and of a later one.
const FIRST_SHARE: u64 = 4;
const SHARE: u64 = 10;
/// A longer compile is not begun at the end of a run, unless one more run like it pays it back.
const LONG_NS: u64 = 100_000_000;
/// Worth of a compile that one more run like this pays back.
const PAID: u64 = 1 << 10;
/// Time between two looks at what functions do, and the one after which what they did counts half.
const LOOK_NS: u64 = 50_000_000;
const MEMORY_NS: u64 = 250_000_000;
/// How much slower than assumed a compile is on an emulated processor, until one was seen.
const EMULATED: u64 = 15;

/// How often a function goes round these days: calls and backward jumps.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Rounds of earlier runs.
    before: AtomicU64,
    /// All rounds at the last look, of earlier runs too.
    seen: AtomicU64,
    /// Rounds per second; those of [`MEMORY_NS`] ago count half.
    per_second: AtomicU64,
}

impl Pace {
    /// So many rounds were those of earlier runs.
    pub fn begin(&self, rounds: u64) {
        self.before.store(rounds, Relaxed);
        self.seen.store(rounds, Relaxed);
    }

    /// What was taken for `before` rounds is taken for `now` from here on.
    pub fn know_better(&self, before: u64, now: u64) {
        for rounds in [&self.before, &self.seen] {
            let corrected =
                (rounds.load(Relaxed) as f64 * now as f64 / before.max(1) as f64) as u64;
            rounds.store(corrected.min(now), Relaxed);
        }
    }

    /// There were `rounds` in all, `since_ns` after the last look.
    fn look(&self, rounds: u64, since_ns: u64) {
        let new = rounds.saturating_sub(self.seen.swap(rounds, Relaxed));
        let (since, memory) = (since_ns.max(1) as f64, MEMORY_NS as f64);
        let forgotten = since / (since + memory);
        let old = self.per_second.load(Relaxed) as f64;
        let pace = old * (1.0 - forgotten) + forgotten * new as f64 * 1e9 / since;
        self.per_second.store(pace as u64, Relaxed);
    }

    /// Rounds in so much time, at this pace.
    fn rounds_in(&self, ns: u64) -> u64 {
        (self.per_second.load(Relaxed) as f64 * ns as f64 / 1e9) as u64
    }
}

/// What was spent on compiles that had not paid.
#[derive(Debug, Default)]
pub(crate) struct Thrift {
    /// Whether code of an earlier run goes on in this one.
    is_warm: AtomicBool,
    /// Whether the program ended: what waits may be compiled.
    is_over: AtomicBool,
    /// Bytes of bitcode that the compiler has to read before its first compile.
    unread: AtomicU64,
    spent_ns: AtomicU64,
    /// When paces were looked at last.
    looked_ns: AtomicU64,
    /// All compiles so far: what they took, and what was guessed.
    took_ns: AtomicU64,
    guessed_ns: AtomicU64,
}

impl Thrift {
    /// Code of an earlier run was taken over.
    pub fn begin(&self) {
        self.is_warm.store(true, Relaxed);
    }

    /// The compiler will have to read a program of so many bytes.
    pub fn will_read(&self, bytes: usize) {
        self.unread.store(bytes as u64, Relaxed);
    }

    /// The compiler read the program, which took so long.
    pub fn has_read(&self, took_ns: u64) {
        self.unread.store(0, Relaxed);
        self.spent_ns.fetch_add(took_ns, Relaxed);
    }

    /// What has to be read before anything can be compiled.
    fn reading_ns(&self) -> u64 {
        self.unread.load(Relaxed).saturating_mul(READ_NS)
    }

    /// A compile that paid or not took so long.
    fn count(&self, guess: u64, took_ns: u64, paid: bool) {
        self.guessed_ns.fetch_add(guess, Relaxed);
        self.took_ns.fetch_add(took_ns, Relaxed);
        if !paid {
            self.spent_ns.fetch_add(took_ns, Relaxed);
        }
    }

    /// What a compile will take here that is guessed to take `guess`.
    fn expected_ns(&self, guess: u64, is_emulated: bool) -> u64 {
        let (took, guessed) = (self.took_ns.load(Relaxed), self.guessed_ns.load(Relaxed));
        if guessed == 0 {
            return guess.saturating_mul(if is_emulated { EMULATED } else { 1 });
        }
        (guess as f64 * took as f64 / guessed as f64) as u64
    }

    /// Whether the share of compiles that do not pay has room for one more, `elapsed_ns` after the start.
    fn affords(&self, guess: u64, is_emulated: bool, elapsed_ns: u64) -> bool {
        let expected = self.expected_ns(guess, is_emulated);
        let spent = self.spent_ns.load(Relaxed).saturating_add(expected);
        let share = match self.is_warm.load(Relaxed) {
            false => FIRST_SHARE,
            true => SHARE,
        };
        spent.saturating_mul(share) <= elapsed_ns
    }
}

/// What compiling `instructions` instructions at `level` takes.
fn guess_ns(instructions: u64, level: Level) -> u64 {
    (instructions + SETUP).saturating_mul(COMPILE_NS[level as usize])
}

/// What was lost by running `instructions` instructions at `level`.
fn lost_ns(instructions: u64, level: Option<Level>) -> u64 {
    let each = level.map_or(LOST_PS[0], |l| {
        LOST_PS.get(1 + l as usize).copied().unwrap_or(0)
    });
    (u128::from(instructions) * u128::from(each) / 1_000).min(u128::from(u64::MAX)) as u64
}

impl Shared {
    /// The level a job asks for.
    pub fn level_of(&self, job: Job) -> Level {
        match job {
            Job::Function(_, level) => level,
            Job::Osr(id, header) => self.osr_level(id, header),
        }
    }

    /// What a job will take, if the processor is none that is emulated.
    fn guess_of(&self, job: Job) -> u64 {
        let instructions = self.function(job.function()).survey.instructions as u64;
        guess_ns(instructions, self.level_of(job))
    }

    /// Whether a job makes O3 of O2 code that has nothing else against it.
    fn is_last_step(&self, job: Job) -> bool {
        let state = self.function(job.function()).try_state();
        state.is_some_and(|s| s.level == Some(Level::O2) && !s.stale)
    }

    /// Whether a compile saves what it takes, if the run goes on as it did lately for as long as it lasted.
    fn pays(&self, job: Job) -> bool {
        let id = job.function();
        let f = self.function(id);
        // Somebody else decides about it just now.
        let Some(level) = f.try_state().map(|state| state.level) else {
            return false;
        };
        let rounds = f.pace.rounds_in(self.now_ns());
        let lost = lost_ns(rounds.saturating_mul(self.round(id)), level);
        lost >= self.guess_of(job) + self.thrift.reading_ns()
    }

    /// What the run lost in the code that a function has, if all of it ran there.
    fn lost_in_all(&self, id: u32, level: Option<Level>) -> u64 {
        let before = self.function(id).pace.before.load(Relaxed);
        let rounds = self.rounds(id).saturating_sub(before);
        lost_ns(rounds.saturating_mul(self.round(id)), level)
    }

    /// How much of its compile a job pays back in a run like this one, in 1024ths: the order when the run is over.
    fn worth_next_time(&self, job: Job) -> u64 {
        let id = job.function();
        let level = self.function(id).try_state().and_then(|state| state.level);
        if self.is_makeshift(id, level) {
            return 1 << 60;
        }
        let lost = self.lost_in_all(id, level);
        (u128::from(lost) << PAID.ilog2())
            .checked_div(self.guess_of(job).into())
            .map_or(0, |worth| worth.min(1 << 60) as u64)
    }

    /// What is to be compiled before others; `None` if it is not to be compiled now.
    pub fn order(&self, job: Job) -> Option<u64> {
        match self.thrift.is_over.load(Relaxed) {
            true => {
                let worth = self.worth_next_time(job);
                (worth >= PAID || self.guess_of(job) <= LONG_NS).then_some(worth)
            }
            false => self.is_due(job).then(|| self.urgency(job)),
        }
    }

    /// Whether calls run code that was made because the interpreter cannot express the function. It is not kept: a program
    /// waits for it in each run, at the first call.
    fn is_makeshift(&self, id: u32, level: Option<Level>) -> bool {
        level.is_none() && self.entry(id).is_native_only()
    }

    /// The program ended: what waits may be compiled, and what is called but once in each run, if a run like this one loses
    /// more in it than the compile takes.
    pub fn end_run(&self) {
        if self.thrift.is_over.swap(true, Relaxed) {
            return;
        }
        for (id, f) in (0..).zip(&self.functions) {
            let (level, is_asked) = {
                let state = f.state();
                (state.level, state.wanted.is_some())
            };
            let is_makeshift = self.is_makeshift(id, level);
            let least = is_makeshift.then_some(Level::O1);
            let earned = self.earned(id).max(least);
            let Some(earned) = earned.filter(|earned| Some(*earned) > level) else {
                continue;
            };
            let next = if level.is_none() { Level::O0 } else { earned };
            let guess = guess_ns(f.survey.instructions as u64, next);
            if !is_asked && (is_makeshift || self.lost_in_all(id, level) >= guess) {
                self.request(id, earned, false);
            }
        }
    }

    /// Looks at what every function did since the last time. To be called now and then.
    pub fn take_paces(&self) {
        let now = self.now_ns();
        let since = now.saturating_sub(self.thrift.looked_ns.load(Relaxed));
        if since < LOOK_NS {
            return;
        }
        self.thrift.looked_ns.store(now, Relaxed);
        for (id, f) in (0..).zip(&self.functions) {
            f.pace.look(self.rounds(id), since);
        }
    }

    /// Whether a job may be begun now.
    pub fn is_due(&self, job: Job) -> bool {
        let thrift = &self.thrift;
        if thrift.is_over.load(Relaxed) || self.config.shuffle.is_some() {
            return true;
        }
        if !thrift.is_warm.load(Relaxed) && !self.is_last_step(job) {
            return true;
        }
        let guess = self.guess_of(job) + thrift.reading_ns();
        self.pays(job) || thrift.affords(guess, self.is_emulated, self.now_ns())
    }

    /// Compiles, and counts what that took.
    pub fn compile_counted(&self, job: Job, compile: impl FnOnce()) {
        let paid = self.pays(job);
        let guess = self.guess_of(job);
        let start = self.now_ns();
        compile();
        self.thrift.count(guess, self.now_ns() - start, paid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn what_costs_more_takes_longer_to_pay() {
        // 100 instructions: 2.4 ms at O0, after as much loss in the interpreter.
        assert_eq!(guess_ns(100, Level::O0), 2_400_000);
        assert_eq!(lost_ns(480_000, None), guess_ns(100, Level::O0));
        // The faster the code that runs, the less there is to win.
        let lost: Vec<u64> = [
            None,
            Some(Level::O0),
            Some(Level::O1),
            Some(Level::O2),
            Some(Level::O3),
        ]
        .map(|level| lost_ns(1_000_000, level))
        .to_vec();
        assert!(lost.windows(2).all(|w| w[0] > w[1]), "{lost:?}");
        assert_eq!(lost[4], 0);
        assert_eq!(lost_ns(u64::MAX, None), u64::MAX);
    }

    #[test]
    fn what_a_function_did_is_forgotten_when_it_stops() {
        let pace = Pace::default();
        pace.begin(1_000_000);
        let mut rounds = 1_000_000;
        for _ in 0..100 {
            rounds += 5_000;
            pace.look(rounds, 50 * MS);
        }
        // 100,000 a second: those of earlier runs are not of today.
        let busy = pace.rounds_in(1_000 * MS);
        assert!((99_000..=100_000).contains(&busy), "{busy}");
        pace.look(rounds, MEMORY_NS);
        assert!(pace.rounds_in(1_000 * MS).abs_diff(busy / 2) < 100);
        for _ in 0..40 {
            pace.look(rounds, 50 * MS);
        }
        assert!(pace.rounds_in(1_000 * MS) < 100);
    }

    #[test]
    fn the_first_compile_bears_the_reading() {
        let thrift = Thrift::default();
        thrift.begin();
        assert_eq!(thrift.reading_ns(), 0);
        thrift.will_read(1_000_000);
        assert_eq!(thrift.reading_ns(), 65 * MS);
        thrift.has_read(70 * MS);
        assert_eq!(thrift.reading_ns(), 0);
        assert!(!thrift.affords(MS, false, 709 * MS));
        assert!(thrift.affords(MS, false, 710 * MS));
    }

    #[test]
    fn compiles_that_do_not_pay_get_a_part_of_the_run() {
        let thrift = Thrift::default();
        assert!(!thrift.affords(MS, false, 3 * MS));
        assert!(thrift.affords(MS, false, 4 * MS), "a quarter at first");
        thrift.begin();
        assert!(!thrift.affords(MS, false, 9 * MS));
        assert!(thrift.affords(MS, false, 10 * MS));
        // An emulated processor is known to be slow before anything was compiled on it.
        assert!(!thrift.affords(MS, true, 149 * MS));
        assert!(thrift.affords(MS, true, 150 * MS));
        // Then experience counts: they take three times the guess.
        thrift.count(MS, 3 * MS, false);
        assert!(!thrift.affords(MS, false, 59 * MS));
        assert!(thrift.affords(MS, false, 60 * MS));
        // What paid takes nothing of the share.
        thrift.count(MS, 3 * MS, true);
        assert!(thrift.affords(MS, false, 60 * MS));
    }
}
