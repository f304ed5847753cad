//! What program threads and the compiler share: functions, requests, what is decided when a countdown ends.
//!
//! ```text
//!  interpreter, counters in code --countdown ended--> consider: heat -> level -> request
//!                                                                           |  compiler thread (compiler.rs)
//!                     slot, stub  <--publish-- linked unit <----------------+
//! ```
//!
//! A function's state is behind a lock of its own, taken for a few words at a time. Program threads take it only when a
//! countdown ends; they never wait for a compile, except where every function is to be compiled before it runs.

use super::adopt::Adoption;
use super::config::{Config, Mode, Thresholds};
use super::function::{Function, Osr, State};
use super::hooks::{Site, Sites};
use super::loops::Loops;
use super::probes::Probes;
use super::queue::{Job, Queue};
use super::thrift::Thrift;
use super::unit::Built;
use crate::Level;
use crate::interp::{Code, FuncEntry, Image, LoopHead, Watch};
use crate::memory::{Reclaimer, Unit};
use crate::profile::branches::{BranchReport, branches};
use crate::profile::{FunctionReport, ProfileReport, Tier};
use crate::trace::{EventKind, Trace, Wait};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// Calls whose arguments are recorded one by one, when a function starts.
const SAMPLED_CALLS: u64 = 16;
/// Calls of functions that stay in the interpreter from one that is recorded to the next.
const SAMPLING: i64 = 1024;
/// Time after which what a function did counts half, when the order of requests is chosen.
const MEMORY_NS: u64 = 100_000_000;
/// Instructions of a function from which its loops have to be hotter to be left.
const LARGE: u64 = 500;
/// A countdown that only keeps the number of calls: so long that one that ended would be a mistake.
const FAR: i64 = 1 << 60;
/// Backward jumps of O0 and O1 code between two polls.
pub(crate) const POLL_INTERVAL: u32 = 4096;

/// How often what a function did lately counts where the coldest code is looked for.
const LATELY: u64 = 16;

/// Heat of which the part `lately` of `work` counts [`LATELY`] times.
fn weighed(heat: u64, lately: u64, work: u64) -> u64 {
    let work = work.max(1);
    let part = u128::from(heat) * u128::from(lately.min(work)) / u128::from(work);
    let all = u128::from(heat) + part * u128::from(LATELY - 1);
    u64::try_from(all).unwrap_or(u64::MAX)
}

/// Everything that is shared.
pub(crate) struct Shared {
    pub image: Image,
    pub config: Config,
    pub functions: Vec<Function>,
    /// By function.
    pub sites: Vec<Sites>,
    /// What became of loops, where tests force them to be left.
    pub loop_log: Loops,
    pub queue: Queue,
    pub reclaimer: Arc<Reclaimer>,
    pub trace: Trace,
    /// None while nothing is measured.
    pub probes: Option<Probes>,
    /// When [`Shared::cool`] was called last.
    pub cooled_ns: AtomicU64,
    /// Code of an earlier run that is not linked yet.
    pub adoption: Adoption,
    /// Whether the compiler's thread has a processor that the program does not need.
    pub has_spare_cpu: bool,
    /// Which requests wait because they would not pay.
    pub thrift: Thrift,
    /// Whether the processor is an emulation.
    pub is_emulated: bool,
    /// What the compiler's thread is asked for beside compiles.
    pub desk: crate::snapshot::Desk,
    /// What snapshots need.
    pub memory: crate::snapshot::Memory,
}

/// The tier of code at `level`.
pub(crate) fn tier_of(level: Option<Level>) -> Tier {
    match level {
        None => Tier::Interp,
        Some(Level::O0) => Tier::O0,
        Some(Level::O1) => Tier::O1,
        Some(Level::O2) => Tier::O2,
        Some(Level::O3) => Tier::O3,
    }
}

impl Shared {
    pub fn entry(&self, id: u32) -> &FuncEntry {
        &self.image.names().entries[id as usize]
    }

    pub fn function(&self, id: u32) -> &Function {
        &self.functions[id as usize]
    }

    /// The place of a function that calls hooks: its own if `header` is 0, else that of its loop at this block.
    pub fn site(&self, id: u32, header: u32) -> Option<&Site> {
        let sites = self.sites.get(id as usize)?;
        if header == 0 {
            return Some(&sites.own);
        }
        let entry = self.entry(id);
        entry.make();
        let headers = entry.code()?.loops().iter().map(|l| l.block);
        let mut loops = sites.loops(self, headers).iter();
        loops.find(|s| s.header == header)
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.trace.now_ns()
    }

    /// Heat of a function, for the order of requests: calls, and backward jumps at the rate of the thresholds.
    pub fn heat(&self, id: u32) -> u64 {
        let thresholds = self.function(id).thresholds();
        let rate = (thresholds.back_edges[0] / thresholds.calls[0].max(1)).max(1);
        self.entry(id).calls() + self.back_edges(id) / rate
    }

    /// Backward jumps of a function, of earlier runs too. Good code does not count them: there each call is taken to do as
    /// many as it did before, on average.
    pub fn back_edges(&self, id: u32) -> u64 {
        let f = self.function(id);
        let of_calls = self
            .entry(id)
            .calls()
            .saturating_mul(f.jumps_of_call.load(Relaxed))
            / 16;
        f.profile.back_edges.load(Relaxed).max(of_calls)
    }

    /// Learns how many backward jumps a call takes: from the executions of loop headers, if they were counted; else from
    /// the jumps that were, of which short calls of O0 code leave some out.
    fn learn_jumps(&self, id: u32) {
        let counts = self.block_counts(id);
        let (Some(calls @ 1..), Some(code)) = (counts.first(), self.entry(id).code()) else {
            let counted = u128::from(self.function(id).profile.back_edges.load(Relaxed));
            let of_call = counted * 16 / u128::from(self.entry(id).calls().max(1));
            let jumps = &self.function(id).jumps_of_call;
            jumps.fetch_max(of_call as u64, Relaxed);
            return;
        };
        let headers = code.loops().iter();
        let headers = headers.filter_map(|l| counts.get(l.block as usize));
        let jumps = u128::from(headers.sum::<u64>()) * 16 / u128::from(*calls);
        let before = self.rounds(id);
        let f = self.function(id);
        f.jumps_of_call.store(jumps as u64, Relaxed);
        f.pace.know_better(before, self.rounds(id));
    }

    /// What a function did so far, roughly in instructions of its IR. Which of them are in which loop is not known here:
    /// a loop has its share of all.
    fn work(&self, id: u32) -> u64 {
        self.rounds(id).saturating_mul(self.round(id))
    }

    /// Calls and backward jumps of a function, of earlier runs too.
    pub fn rounds(&self, id: u32) -> u64 {
        self.back_edges(id).saturating_add(self.entry(id).calls())
    }

    /// Instructions of one of them.
    pub fn round(&self, id: u32) -> u64 {
        let loops = self.entry(id).code().map_or(0, |c| c.loops().len() as u64);
        (self.function(id).survey.instructions as u64 / (loops + 1)).max(1)
    }

    /// What is to be compiled first: what did most lately for what its compile takes; what is still interpreted gains
    /// most, a loop that waits in slow code more than a function that may not be called again.
    pub fn urgency(&self, job: Job) -> u64 {
        let id = job.function();
        let f = self.function(id);
        let lately = self.work(id).saturating_sub(f.past.load(Relaxed));
        let level = f.try_state().and_then(|s| s.level);
        let (gain, least) = match level {
            None => (16, Level::O0),
            Some(Level::O0) => (4, Level::O1),
            Some(_) => (1, Level::O2),
        };
        // Roughly what the levels cost beside each other.
        let (gain, cost) = match job {
            Job::Osr(..) => (gain * 8, 8),
            Job::Function(_, wanted) => (gain, [1, 4, 8, 8][wanted.min(least) as usize]),
        };
        let cost = cost * (f.survey.instructions as u64 + 100);
        let worth = lately.saturating_mul(gain << 10) / cost;
        match job {
            Job::Function(..) if level.is_none() && self.is_costly(id) => {
                worth.saturating_add(1 << 61)
            }
            _ => worth.min(1 << 60),
        }
    }

    /// Lets what was done long ago count less and less: a program that reads its files first would otherwise have its
    /// reader compiled while what it does now waits. To be called before each compile; what was done a compile of
    /// [`MEMORY_NS`] ago counts half.
    pub fn cool(&self) {
        let now = self.now_ns();
        let passed = now.saturating_sub(self.cooled_ns.swap(now, Relaxed));
        let forgotten = passed as f64 / (passed + MEMORY_NS) as f64;
        for (id, f) in self.functions.iter().enumerate() {
            let past = f.past.load(Relaxed);
            let lately = self.work(id as u32).saturating_sub(past);
            f.past
                .store(past + (lately as f64 * forgotten) as u64, Relaxed);
        }
    }

    /// The level a function has earned.
    pub fn earned(&self, id: u32) -> Option<Level> {
        let f = self.function(id);
        match f.mode() {
            Mode::Interpret => None,
            Mode::Fixed(level) => Some(level),
            Mode::Auto => {
                let (calls, back_edges) = (self.entry(id).calls(), self.back_edges(id));
                let least = self.is_costly(id).then_some(Level::O0);
                let earned = f.thresholds().level(calls, back_edges).max(least);
                // What the interpreter cannot express has code from its first call on that is better than that of O0.
                earned.filter(|l| *l > Level::O0 || !self.entry(id).is_native_only())
            }
        }
    }

    /// Whether the interpreter expresses a function only by detours: it is compiled from its first call on.
    pub fn is_costly(&self, id: u32) -> bool {
        self.entry(id).code().is_some_and(Code::is_costly)
    }

    /// Calls until the function is to be looked at again.
    fn next_look(&self, id: u32) -> i64 {
        let f = self.function(id);
        let calls = self.entry(id).calls();
        if self.config.shuffle.is_some() {
            // Often at first, then less and less: each look may cost a compile.
            let looks = f.state().shuffled;
            return 1 + (calls % (4 << looks.min(20))) as i64;
        }
        if self.config.profile && calls < SAMPLED_CALLS && !matches!(f.mode(), Mode::Fixed(_)) {
            return 1;
        }
        match f.mode() {
            Mode::Auto if f.state().samples => return 1,
            Mode::Auto => {}
            Mode::Interpret if self.config.profile => return SAMPLING,
            Mode::Interpret | Mode::Fixed(_) => return FAR,
        }
        let thresholds = f.thresholds();
        // Calls by which its loops will have gone round so often.
        let jumps = f.jumps_of_call.load(Relaxed);
        let by_loops = thresholds.back_edges.map(|t| {
            let calls = (u128::from(t) * 16).checked_div(jumps.into());
            calls.map_or(u64::MAX, |c| u64::try_from(c + 1).unwrap_or(u64::MAX))
        });
        let looks = thresholds.calls.into_iter().chain(by_loops);
        let next = looks.filter(|t| *t > calls).min();
        next.map_or(FAR, |t| i64::try_from(t - calls).unwrap_or(FAR))
    }

    /// The first countdown of every function.
    pub fn arm_all(&self) {
        for (entry, f) in self.image.functions().zip(&self.functions) {
            let first = match f.mode() {
                Mode::Interpret if self.config.shuffle.is_none() && !self.config.profile => FAR,
                _ => 1,
            };
            entry.arm(first);
        }
    }

    /// Has every function that climbs by its heat do so at other heats, and looks at once what that means for it. What was
    /// said of a function by its name stays.
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        for (id, f) in (0..).zip(&self.functions) {
            if self.config.own_thresholds(f.profile.name()).is_some() {
                continue;
            }
            f.set_thresholds(thresholds);
            let climbs = f.mode() == Mode::Auto && self.config.shuffle.is_none();
            if climbs && self.entry(id).calls() > 0 {
                self.look(id);
            }
        }
    }

    /// Looks at a function whose countdown ended.
    pub fn look(&self, id: u32) {
        let f = self.function(id);
        self.entry(id).arm(self.next_look(id));
        if let Some(seed) = self.config.shuffle {
            return self.shuffle(id, seed);
        }
        if let Some(level) = self.seen_enough(id) {
            return self.ask(Job::Function(id, level));
        }
        let Some(level) = self.earned(id) else {
            return;
        };
        let wait = matches!(f.mode(), Mode::Fixed(_)) || self.config.compilers == 0;
        self.request(id, level, wait);
    }

    /// Whether arguments were recorded often enough to judge them.
    pub fn knows_arguments(&self, id: u32) -> bool {
        let mut arguments = self.function(id).profile.arguments().iter();
        arguments.any(|a| a.values.total() >= super::specialise::ENOUGH)
    }

    /// The level to compile anew, once code that was made before its arguments were known has recorded enough of them.
    fn seen_enough(&self, id: u32) -> Option<Level> {
        let mut state = self.function(id).state();
        if !state.samples || !self.knows_arguments(id) {
            return None;
        }
        state.samples = false;
        state.stale = true;
        state.level
    }

    /// Asks for a function at a level, unless it has it or asked for it already.
    pub fn request(&self, id: u32, level: Level, wait: bool) {
        let f = self.function(id);
        let job = Job::Function(id, level);
        let is_over = self.queue.is_stopped();
        {
            let mut state = f.state();
            state.late |= state.level.is_none() && is_over;
            let had = state.level.max(state.wanted);
            if had >= Some(level) || state.failed.is_some_and(|l| l <= level) {
                if !(wait && state.wanted.is_some()) {
                    return;
                }
            } else if state.wanted.is_some() && !wait {
                // Once is enough. The compiler looks at what was earned when it begins and when it is done.
                return;
            } else {
                state.wanted = Some(level);
                drop(state);
                self.ask(job);
            }
        }
        if wait {
            self.wait_for(job);
        }
    }

    /// Puts a job into the queue: as a request of its own, or as a part of the one of its function that is in flight.
    pub fn ask(&self, job: Job) {
        self.queue.push(job, || self.tell_request(job));
    }

    /// A job was worked on: what its function still wants is asked for again.
    pub fn is_done(&self, job: Job) {
        let left = self.queue.waiting_of(job.function()).into_iter();
        left.filter(|j| !self.is_needed(*j))
            .for_each(|j| self.queue.forget(j));
        self.queue.done(job, |next| self.tell_request(next));
    }

    /// Whether a job would give something that is not there yet.
    fn is_needed(&self, job: Job) -> bool {
        let Job::Function(id, level) = job else {
            return true;
        };
        let state = self.function(id).state();
        self.config.shuffle.is_some() || state.stale || state.level < Some(level)
    }

    fn tell_request(&self, job: Job) {
        let function = job.function();
        self.trace.record(EventKind::Request {
            function,
            tier: tier_of(Some(self.level_of(job))),
            heat: self.heat(function),
        });
    }

    /// Stands still until a job is done: for modes in which nothing runs before it is compiled.
    fn wait_for(&self, job: Job) {
        let start = self.now_ns();
        // Old code is freed only when this thread, too, tells that it is not in it.
        self.queue.wait_for(job, || self.reclaimer.poll());
        self.paused(job.function(), Wait::Compile, self.now_ns() - start);
    }

    /// This thread, which runs the program, stood still until now.
    pub(super) fn paused(&self, function: u32, why: Wait, duration_ns: u64) {
        self.trace.record_at(
            self.now_ns().saturating_sub(duration_ns),
            EventKind::Pause {
                function,
                why,
                duration_ns,
            },
        );
    }

    /// For tests: a tier at random, also a lower one, sometimes at once and sometimes later.
    fn shuffle(&self, id: u32, seed: u64) {
        let f = self.function(id);
        let dice = {
            let mut state = f.state();
            state.shuffled += 1;
            let mut x = seed ^ (u64::from(id) << 32) ^ state.shuffled;
            x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            x ^ (x >> 31)
        };
        let wanted = match dice % 8 {
            0 => None,
            n @ 1..=4 => Some(Level::ALL[n as usize - 1]),
            _ => return,
        };
        match wanted {
            None => {
                let mut state = f.state();
                if self
                    .entry(id)
                    .publish_interpreted(self.image.names().stub(id))
                {
                    state.level = None;
                    state.address = 0;
                    if let Some(old) = state.unit.take() {
                        self.reclaimer.retire(old);
                    }
                }
            }
            Some(level) => {
                let job = Job::Function(id, level);
                self.ask(job);
                if dice >> 8 & 1 == 0 {
                    self.wait_for(job);
                }
            }
        }
    }

    /// A unit is ready: calls run it from now on.
    pub fn publish(&self, id: u32, level: Level, address: usize, unit: Unit, built: &Built) {
        let (f, entry) = (self.function(id), self.entry(id));
        let mut state = f.state();
        let bytes = unit.object_bytes() as u64;
        let is_auto = f.mode() == Mode::Auto || self.config.shuffle.is_some();
        let counts = level < Level::O3 || self.config.shuffle.is_some() || built.samples;
        entry.set_counts(counts && (is_auto || self.config.profile));
        entry.publish_native(address);
        let old = state.unit.replace(unit);
        let before = state.level.replace(level);
        state.wanted = None;
        state.refusal = None;
        state.evicted = false;
        state.is_special = built.is_special;
        state.samples = built.samples;
        state.polls = built.polls;
        state.address = address;
        state.misses = entry.cell().misses.load(Relaxed);
        state.calls = entry.calls();
        drop(state);
        if let Some(old) = old {
            f.profile.set_code_bytes(tier_of(before), 0);
            self.reclaimer.retire(old);
        }
        self.learn_jumps(id);
        if f.mode() == Mode::Auto && self.config.shuffle.is_none() {
            entry.arm(self.next_look(id));
        }
        f.profile.reached(tier_of(Some(level)), self.now_ns());
        f.profile.set_code_bytes(tier_of(Some(level)), bytes);
        self.trace.record(EventKind::Swap {
            function: id,
            tier: tier_of(Some(level)),
        });
        self.trace.record(EventKind::CodeMemory {
            bytes: self.image.names().region.code_used() as u64,
        });
    }

    /// A loop went round so often that it is looked at. Gives code that takes over, if there is some.
    fn loop_is_hot(&self, id: u32, header: u32, from: Tier) -> Option<usize> {
        let f = self.function(id);
        self.reclaimer.poll();
        if self.config.force_osr {
            self.loop_log.looked(id, header);
        }
        self.wait_for_kept(id, header);
        let rounds = f.profile.back_edges.load(Relaxed);
        let calls = self.entry(id).calls().max(1);
        // The only call so far has no use for code that begins with the next one.
        let is_called_again = calls > 1 || !self.config.osr;
        if self.config.shuffle.is_none()
            && matches!(f.mode(), Mode::Auto)
            && is_called_again
            && let Some(level) = self.earned(id)
        {
            self.request(id, level, self.config.compilers == 0);
        }
        // A function that is called often gets better code at its next call, and the rest of a large one takes long.
        let large = (f.survey.instructions as u64 / LARGE).max(1);
        let enough = f.thresholds().back_edges[2].saturating_mul(large);
        let is_hot = match self.config.force_osr {
            true => self.loop_log.wants(id, header),
            false => rounds / calls >= enough,
        };
        if !self.config.osr || !is_hot || f.mode() == Mode::Interpret {
            return None;
        }
        let job = Job::Osr(id, header);
        let ready = |f: &Function| match f.state().osr.get(&header) {
            Some(Osr::Ready(address, _)) => Some(*address),
            _ => None,
        };
        let asked = {
            let mut state = f.state();
            let is_new = !state.osr.contains_key(&header);
            if is_new {
                state.osr.insert(header, Osr::Wanted);
            }
            is_new
        };
        if asked {
            self.ask(job);
            if self.config.force_osr || self.config.compilers == 0 {
                self.wait_for(job);
            }
        }
        let address = ready(f)?;
        f.profile.osr_entries.fetch_add(1, Relaxed);
        if self.config.force_osr {
            self.loop_log.entered(id, header, from);
        }
        self.trace.record(EventKind::Osr {
            function: id,
            from,
            to: tier_of(Some(self.osr_level(id, header))),
        });
        Some(address)
    }

    /// The level of code that takes over a loop.
    pub fn osr_level(&self, id: u32, header: u32) -> Level {
        match self.function(id).mode() {
            _ if self.config.force_osr => Level::ALL[(id + header) as usize % 4],
            Mode::Fixed(level) => level,
            _ => Level::O3,
        }
    }

    // --- what compiled code tells

    pub fn compiled_code_called(&self, id: u32) {
        self.reclaimer.poll();
        self.look(id);
    }

    pub fn compiled_loop_went_round(&self, id: u32, header: u32, from: Tier) -> Option<usize> {
        let f = self.function(id);
        f.profile
            .back_edges
            .fetch_add(self.poll_interval().into(), Relaxed);
        if from == Tier::O1 {
            self.reconsider_polls(id);
        }
        self.loop_is_hot(id, header, from)
    }

    /// Backward jumps between two polls of a loop.
    pub fn poll_interval(&self) -> u32 {
        match self.config.force_osr {
            true => self.config.forced_interval.max(1),
            false => POLL_INTERVAL,
        }
    }

    pub fn saw_arguments(&self, id: u32, words: impl Iterator<Item = u64>) {
        let f = self.function(id);
        let places = f.profile.arguments().iter().zip(&f.survey.words);
        for ((argument, word), value) in places.zip(words) {
            argument.values.record(value);
            if word.is_pointer {
                argument.alignment.record(value);
            }
        }
    }

    pub fn saw_target(&self, id: u32, site: usize, target: u64) {
        if let Some(values) = self.function(id).profile.indirect().get(site) {
            values.record(target);
        }
    }
}

/// What the interpreter tells; it outlives the engine only while the image is dropped.
pub(crate) struct Watcher(pub Weak<Shared>);

impl Watch for Watcher {
    fn called(&self, entry: &FuncEntry, args: Option<&[u64]>) {
        let Some(shared) = self.0.upgrade() else {
            return;
        };
        shared.reclaimer.poll();
        shared.wait_for_kept(entry.id, 0);
        let f = shared.function(entry.id);
        if args.is_none() && entry.is_native_only() && f.state().level.is_none() {
            f.profile.reached(Tier::O1, shared.now_ns());
        }
        // What it looks like decides with its heat.
        if !matches!(f.mode(), Mode::Fixed(_)) && entry.is_missing() {
            entry.make_now();
        }
        if let Some(args) = args.filter(|_| shared.config.profile) {
            let words = f.survey.words.iter();
            shared.saw_arguments(
                entry.id,
                words.map(|w| args.get(w.slot as usize).copied().unwrap_or(0)),
            );
        }
        shared.look(entry.id);
    }

    fn needed(&self, entry: &FuncEntry) {
        if let Some(shared) = self.0.upgrade() {
            shared.wait_for_kept(entry.id, 0);
        }
    }

    fn waited(&self, entry: &FuncEntry, why: Wait, ns: u64) {
        if let Some(shared) = self.0.upgrade() {
            shared.paused(entry.id, why, ns);
        }
    }

    fn took(&self, entry: &FuncEntry, cycles: u64) {
        if let Some(shared) = self.0.upgrade().filter(|s| s.config.profile) {
            shared.function(entry.id).profile.cycles.record(cycles);
        }
    }

    fn went_round(&self, entry: &FuncEntry, head: &LoopHead, steps: u32) -> Option<usize> {
        let shared = self.0.upgrade()?;
        let f = shared.function(entry.id);
        f.profile.back_edges.fetch_add(steps.into(), Relaxed);
        shared.loop_is_hot(entry.id, head.block, Tier::Interp)
    }

    fn called_through(&self, entry: &FuncEntry, site: u32, target: u64) {
        if let Some(shared) = self.0.upgrade().filter(|s| s.config.profile) {
            shared.saw_target(entry.id, site as usize, target);
        }
    }
}

impl Shared {
    /// Tells the person at the console about something that went wrong and does not stop the program.
    pub fn report(&self, message: &str) {
        eprintln!("bareflow: {message}");
    }

    /// How warm a function is that has code: its best code, and how hot it is, of which what was done lately counts
    /// [`LATELY`] times. Code above O2 and code of loops counts nothing, so it goes after all other; a thread may be in a
    /// loop's for long.
    fn warmth(&self, id: u32, state: &State) -> (Option<Level>, u64) {
        let f = self.function(id);
        let work = self.work(id).max(1);
        let lately = work.saturating_sub(f.past.load(Relaxed));
        let loops = state.osr.iter().filter(|o| matches!(o.1, Osr::Ready(..)));
        let of_loops = loops.map(|(header, _)| self.osr_level(id, *header)).max();
        (
            state.level.max(of_loops),
            weighed(self.heat(id), lately, work),
        )
    }

    /// Drops the code of the function that is coldest, but not of `but`: it is interpreted again.
    pub fn evict_coldest(&self, but: u32) {
        let coldest = (0..self.functions.len() as u32)
            .filter(|id| *id != but && !self.entry(*id).is_native_only())
            .filter_map(|id| {
                let state = self.function(id).state();
                let has_code =
                    state.unit.is_some() || state.osr.values().any(|o| matches!(o, Osr::Ready(..)));
                has_code.then(|| (self.warmth(id, &state), id, state.level))
            })
            .min();
        let Some((_, id, level)) = coldest else {
            return;
        };
        let f = self.function(id);
        let mut state = f.state();
        if !self
            .entry(id)
            .publish_interpreted(self.image.names().stub(id))
        {
            return;
        }
        state.evicted = true;
        state.kept.clear();
        state.waiting.clear();
        f.waits.store(false, Relaxed);
        state.level = None;
        state.address = 0;
        let mut old: Vec<Unit> = state.unit.take().into_iter().collect();
        // Loops that are hot ask again.
        let osr = std::mem::take(&mut state.osr);
        for (header, code) in osr {
            match code {
                Osr::Ready(_, unit) => old.push(unit),
                other => {
                    state.osr.insert(header, other);
                }
            }
        }
        drop(state);
        let bytes = old.iter().map(|u| u.bytes() as u64).sum();
        f.profile.set_code_bytes(tier_of(level), 0);
        f.profile.drop_osr_code();
        f.profile.reached(Tier::Interp, self.now_ns());
        old.into_iter().for_each(|u| self.reclaimer.retire(u));
        self.trace.record(EventKind::Evict {
            function: id,
            tier: tier_of(level),
            bytes,
        });
        // It has to earn its code anew.
        self.entry(id).arm(1_000);
    }

    /// Executions of a function's basic blocks in the interpreter and in O0 code, in earlier runs too; empty if none was
    /// counted.
    pub fn block_counts(&self, id: u32) -> Vec<u64> {
        let f = self.function(id);
        let past = f.past_blocks.get().map(|b| b.to_vec());
        let interpreted = self.entry(id).code().map(|c| c.block_counts());
        let native = f.native_counts();
        let native = native.map(|b| b.iter().map(|n| n.load(Relaxed)).collect());
        let parts = [interpreted, past, native].into_iter().flatten();
        let sum = parts.filter(|p| !p.is_empty()).reduce(|mut sum, part| {
            sum.iter_mut().zip(part).for_each(|(s, n)| *s += n);
            sum
        });
        sum.unwrap_or_default()
    }

    /// What the branches of a function did. The interpreter alone counts ways that the counts of blocks do not tell: they are
    /// known where no other code went.
    fn branches(&self, id: u32) -> Vec<BranchReport> {
        let Some(code) = self.entry(id).code() else {
            return Vec::new();
        };
        let (all, own) = (self.block_counts(id), code.block_counts());
        let is_known = |from: u32| all.get(from as usize) == own.get(from as usize);
        let ways = code.way_counts().filter(|(way, _)| is_known(way.0));
        let counted: Vec<((u32, u32), u64)> = ways.collect();
        branches(code.successors(), &all, &counted)
    }

    /// Counts a compile that went well, and keeps its object if objects are kept.
    pub fn remember(&self, id: u32, header: u32, level: Level, built: &Built, duration_ns: u64) {
        self.memory.compiles.fetch_add(1, Relaxed);
        self.memory.compile_ns.fetch_add(duration_ns, Relaxed);
        let keeps = self.memory.keeps.load(Relaxed);
        // Copied before the lock is taken: a program thread may want it.
        let kept = keeps.then(|| built.kept(level).into());
        let mut state = self.function(id).state();
        if header == 0 && state.restored.is_some_and(|had| level <= had) {
            self.memory.recompiles.fetch_add(1, Relaxed);
        }
        if let Some(kept) = kept {
            state.kept.insert(header, kept);
        }
    }

    /// The function whose code holds an address.
    pub fn locate(&self, address: usize) -> Option<(String, usize)> {
        let find = |unit: &Unit| {
            unit.functions()
                .iter()
                .find(|f| (f.address..f.address + f.size.max(1)).contains(&address))
                .map(|f| (f.name.clone(), address - f.address))
        };
        for f in &self.functions {
            let state = f.state();
            let osr = state.osr.values().filter_map(|o| match o {
                Osr::Ready(_, unit) => Some(unit),
                _ => None,
            });
            for unit in state.unit.iter().chain(osr) {
                if unit.range().contains(&address) {
                    return find(unit).or_else(|| Some((f.profile.name().to_owned(), 0)));
                }
            }
        }
        None
    }

    /// Everything that was measured, and what is known of functions that have no number.
    pub fn profile_report(&self, apart: Vec<FunctionReport>) -> ProfileReport {
        let complete = |(id, f): (u32, &Function)| {
            let mut report = f.profile.report();
            (report.calls_at_least, report.back_edges_at_least) = self.uncounted(id);
            report.branches = self.branches(id);
            report
        };
        let all = (0..).zip(&self.functions).map(complete);
        let mut report = ProfileReport::new(
            all.chain(apart).collect(),
            crate::profile::regions::reports(),
            self.now_ns(),
        );
        report.loops = self.loop_reports();
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_lately_counts_more() {
        // Of 1,000 all was long ago; of 100 all was lately.
        assert!(weighed(1_000, 0, 1_000) < weighed(100, 100, 100));
        // A little of late is not enough.
        assert!(weighed(1_000, 0, 1_000) > weighed(10, 10, 10));
        assert_eq!(weighed(64, 0, 9), 64);
        assert_eq!(weighed(64, 9, 9), 64 * LATELY);
        assert_eq!(weighed(u64::MAX, u64::MAX, 1), u64::MAX);
        assert_eq!(weighed(7, 0, 0), 7);
    }
}
