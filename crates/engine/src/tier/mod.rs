//! Tiers: every function starts in the interpreter and climbs by its heat while the program runs.
//!
//! ```text
//!  program --prepare--> pristine bitcode --decode--> Image (interp) --run--> countdowns, loops
//!                              \                                               |  requests (queue)
//!                               \--> compiler thread: Builder (unit) --> object --> memory::link --> publish
//! ```
//!
//! - `config`: what can be set. `shared`: what program threads and the compiler share, and what is decided when.
//! - `hooks`: what compiled code calls. `unit`: one compile. `specialise`: what gets code of its own.
//! - Old code is freed by [`memory::Reclaimer`](crate::memory::Reclaimer): every thread that runs the guest does so inside
//!   [`Engine::call`].

mod adopt;
mod compiler;
pub(crate) mod config;
mod function;
mod hooks;
mod inline;
mod locate;
mod loops;
mod pipeline;
mod polls;
mod probes;
mod queue;
mod shared;
pub(crate) mod specialise;
mod thrift;
mod unit;
mod why;

/// What snapshots work on.
pub(crate) mod parts {
    pub(crate) use super::function::{Function, Survey};
    pub(crate) use super::shared::{Shared, tier_of};
    pub(crate) use super::unit::{Builder, Built};
}

pub use config::{Config, Dump, Mode, Override, Thresholds};
pub use hooks::service;
pub use locate::Place;

use crate::interp::{self, Image, Resolve, Unsupported};
use crate::memory::{Budget, Reclaimer, Unit};
use crate::profile::function::Shape;
use crate::profile::{CyclesReport, FunctionProfile, ProfileReport};
use crate::snapshot::Prepared;
use crate::trace::Trace;
use crate::{Cpu, Error, Level, Program};
use adopt::Adoption;
use function::Function;
pub(crate) use function::{Survey, survey};
use hooks::Sites;
use llvm::Module;
use llvm::ir::{self, View};
use queue::{Job, Queue};
use shared::{Shared, Watcher};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use thrift::Thrift;

/// LLVM recurses deeply over large expressions.
const COMPILER_STACK: usize = 16 << 20;

/// A function at one moment of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionNow {
    /// Times it was called. O3 code does not count.
    pub calls: u64,
    /// Level of the code that runs; `None` is the interpreter.
    pub level: Option<Level>,
    /// How long calls took that were measured.
    pub cycles: Option<CyclesReport>,
    /// Backward jumps of its loops that were counted.
    pub back_edges: u64,
    /// Whether it was told to keep its level.
    pub is_pinned: bool,
    /// Bytes of the code that runs.
    pub code_bytes: usize,
    /// Instructions of its IR.
    pub instructions: usize,
}

/// What a program shares with others of this process.
#[derive(Debug, Clone, Default)]
pub struct Shares {
    /// Decides when old code is freed. Programs whose code runs on the same threads need the same one.
    pub reclaimer: Arc<Reclaimer>,
    /// What its variables and its code are counted in, beside the limit of its own.
    pub budget: Option<Arc<Budget>>,
}

/// A program that runs and gets faster.
///
/// Dropping it frees code and variables: nothing of the program may run any more.
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    compiler: Mutex<Option<JoinHandle<()>>>,
    /// The pristine program.
    pub(crate) bitcode: Arc<Vec<u8>>,
}

impl Engine {
    /// Makes a loaded program ready to run.
    pub fn start_program(
        program: Program<'_>,
        cpu: &Cpu,
        resolve: Resolve,
        config: Config,
    ) -> Result<Engine, Error> {
        Engine::start_sharing(program, cpu, resolve, config, Shares::default())
    }

    /// As [`Engine::start_program`], beside other programs.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_sharing(
        program: Program<'_>,
        cpu: &Cpu,
        resolve: Resolve,
        config: Config,
        shares: Shares,
    ) -> Result<Engine, Error> {
        let Program { mut module, .. } = program;
        Engine::start_module(&mut module, cpu, resolve, config, shares)
    }

    /// Makes a linked and verified module ready to run. `resolve` finds what it does not define.
    ///
    /// The module is changed: attributes of other processors go, stack variables become values where they can.
    ///
    /// # Errors
    /// Code memory that cannot be had, symbols that are nowhere, what LLVM cannot compile of the functions that cannot be
    /// interpreted.
    pub fn start(
        module: &mut Module<'_>,
        cpu: &Cpu,
        resolve: Resolve,
        config: Config,
    ) -> Result<Engine, Error> {
        Engine::start_module(module, cpu, resolve, config, Shares::default())
    }

    fn start_module(
        module: &mut Module<'_>,
        cpu: &Cpu,
        resolve: Resolve,
        config: Config,
        shares: Shares,
    ) -> Result<Engine, Error> {
        prepare(module, cpu)?;
        let bitcode = module.to_bitcode();
        let surveys = survey(View::new(module));
        Engine::start_pristine(bitcode, surveys, cpu, resolve, config, shares)
    }

    /// Makes a program ready to run that an earlier run prepared, for this CPU and by this build: nothing is left to be
    /// done to it.
    ///
    /// # Errors
    /// As [`Engine::start`]; LLVM cannot read its bitcode.
    pub fn start_kept(
        prepared: Prepared<'_>,
        cpu: &Cpu,
        resolve: Resolve,
        config: Config,
    ) -> Result<Engine, Error> {
        let bitcode = prepared.bitcode.to_vec();
        let surveys = prepared.surveys.into_iter().collect();
        Engine::start_pristine(bitcode, surveys, cpu, resolve, config, Shares::default())
    }

    /// As [`Engine::start`], for the pristine program.
    fn start_pristine(
        bitcode: Vec<u8>,
        mut surveys: HashMap<String, function::Survey>,
        cpu: &Cpu,
        resolve: Resolve,
        config: Config,
        shares: Shares,
    ) -> Result<Engine, Error> {
        let outer = resolve;
        let resolve: Resolve = Arc::new(move |name| outer(name).or_else(|| service(name)));
        let options = interp::Options {
            // Code above O0 does not count them: where it is there from the first call on, they would tell of that call.
            count_blocks: config.profile
                && !matches!(config.mode, Mode::Fixed(level) if level > Level::O0),
            compile: None,
            code_limit: config.code_limit,
            heat_step: if config.force_osr {
                1
            } else {
                interp::HEAT_STEP
            },
            on_demand: true,
            budget: shares.budget,
        };
        let image = Image::of_bitcode(&bitcode, cpu, resolve, options)?;
        let functions: Vec<Function> = image
            .functions()
            .map(|entry| {
                let survey = surveys.remove(entry.name()).unwrap_or_default();
                let shape = Shape {
                    parameters: survey.words.len(),
                    blocks: survey.blocks,
                    indirect_sites: survey.indirect_sites,
                };
                let (mode, thresholds) = config.of(entry.name());
                let profile = FunctionProfile::new(entry.id, entry.name(), shape);
                Function::new(profile, survey, mode, thresholds)
            })
            .collect();
        let sites = image.functions().map(|f| Sites::new(f.id)).collect();
        let probes = if config.profile && config.shuffle.is_none() {
            let all = functions.iter().map(|f: &Function| &f.profile);
            Some(probes::Probes::new(&image.names().region, all)?)
        } else {
            None
        };
        let trace = Trace::new(config.trace_events);
        let id = |name: &str| image.function(name).map(|f| f.id);
        let loop_log = loops::Loops::new(config.forced_loops.as_deref(), id);
        let shared = Arc::new(Shared {
            image,
            config,
            functions,
            sites,
            loop_log,
            queue: Queue::default(),
            reclaimer: shares.reclaimer,
            trace,
            probes,
            cooled_ns: AtomicU64::new(0),
            adoption: Adoption::default(),
            has_spare_cpu: std::thread::available_parallelism().is_ok_and(|n| n.get() > 1),
            thrift: Thrift::default(),
            is_emulated: cpu.is_emulated(),
            desk: crate::snapshot::Desk::default(),
            memory: crate::snapshot::Memory::default(),
        });
        for sites in &shared.sites {
            sites.own.connect(&shared);
        }
        let watcher: Arc<Watcher> = Arc::new(Watcher(Arc::downgrade(&shared)));
        for entry in shared.image.functions() {
            let _ = entry.watch.set(watcher.clone());
        }
        shared.arm_all();
        let bitcode = Arc::new(bitcode);
        let (of_thread, pristine, cpu) = (shared.clone(), bitcode.clone(), cpu.clone());
        let compiler = std::thread::Builder::new()
            .name("compiler".into())
            .stack_size(COMPILER_STACK)
            .spawn(move || compiler::run(&of_thread, &pristine, &cpu))
            .map_err(|e| Error::Thread {
                message: e.to_string(),
            })?;
        Ok(Engine {
            shared,
            compiler: Mutex::new(Some(compiler)),
            bitcode,
        })
    }

    /// Address of a function or variable. A function can be called by whoever has its type, inside [`Engine::call`].
    pub fn address(&self, name: &str) -> Option<usize> {
        self.shared.image.address(name).map(|a| a as usize)
    }

    /// Runs `f`, which may call the program. Every thread that runs guest code does so inside.
    pub fn call<R>(&self, f: impl FnOnce() -> R) -> R {
        let _guard = self.shared.reclaimer.enter();
        f()
    }

    /// To be called now and then by functions of the host that guests call: tells which old code this thread is in.
    pub fn poll(&self) {
        self.shared.reclaimer.poll();
    }

    /// What decides when its old code is freed: for other programs whose code runs on the same threads.
    pub fn reclaimer(&self) -> &Arc<Reclaimer> {
        &self.shared.reclaimer
    }

    /// Compiles a function at a level and waits until it is published.
    ///
    /// # Errors
    /// No such function, or what LLVM says.
    pub fn recompile(&self, name: &str, level: Level) -> Result<(), Error> {
        let entry = self
            .shared
            .image
            .function(name)
            .ok_or_else(|| Error::Object {
                message: format!("no function {name} in the program"),
            })?;
        match self.compile(entry.id, level) {
            Some(l) if l >= level => Ok(()),
            _ => Err(self.refusal(entry.id)),
        }
    }

    /// Compiles a function at exactly this level, waits until it is published, and has it keep that level; `None` lets it
    /// climb by its heat again.
    ///
    /// # Errors
    /// No such function, or what LLVM or the limit of memory says: then it goes on as before.
    pub fn pin(&self, name: &str, level: Option<Level>) -> Result<(), Error> {
        let entry = self
            .shared
            .image
            .function(name)
            .ok_or_else(|| Error::Object {
                message: format!("no function {name} in the program"),
            })?;
        let f = self.shared.function(entry.id);
        let before = f.pin(level);
        let Some(level) = level else {
            self.shared.look(entry.id);
            return Ok(());
        };
        let reached = self.compile(entry.id, level);
        // Another thread may have asked for another level since: what was asked for last counts.
        if reached == Some(level) || f.pinned() != Some(level) {
            return Ok(());
        }
        f.pin(before);
        Err(self.refusal(entry.id))
    }

    /// Compiles function `id` and waits for it; gives the level it has then.
    fn compile(&self, id: u32, level: Level) -> Option<Level> {
        let job = Job::Function(id, level);
        {
            let mut state = self.shared.function(id).state();
            state.stale = true;
            state.refusal = None;
        }
        self.shared.ask(job);
        self.shared
            .queue
            .wait_for(job, || self.shared.reclaimer.poll());
        self.shared.function(id).state().level
    }

    /// Why function `id` did not get the code that was asked for.
    fn refusal(&self, id: u32) -> Error {
        let f = self.shared.function(id);
        let refusal = f.state().refusal.clone();
        refusal.unwrap_or_else(|| Error::Object {
            message: self.shared.why(id),
        })
    }

    /// Whether a thread of the program stands still until something is compiled.
    pub fn is_waited_for(&self) -> bool {
        self.shared.queue.is_waited_for()
    }

    /// What is known of a function now; `None` if the program has none of this name.
    pub fn function(&self, name: &str) -> Option<FunctionNow> {
        let entry = self.shared.image.function(name)?;
        self.shared.take_over(entry.id, 0);
        let f = self.shared.function(entry.id);
        let (level, code_bytes) = {
            let state = f.state();
            let bytes = state.unit.as_ref().map_or(0, Unit::object_bytes);
            (state.level, bytes)
        };
        Some(FunctionNow {
            calls: entry.calls(),
            level,
            cycles: f.profile.cycles.report(),
            back_edges: f.profile.back_edges.load(Relaxed),
            is_pinned: f.pinned().is_some(),
            code_bytes,
            instructions: f.survey.instructions,
        })
    }

    /// Compiles that gave code, and the nanoseconds they took.
    pub fn compiles(&self) -> (u64, u64) {
        let memory = &self.shared.memory;
        (
            memory.compiles.load(Relaxed),
            memory.compile_ns.load(Relaxed),
        )
    }

    /// Bytes of pages with machine code.
    pub fn code_bytes(&self) -> usize {
        self.shared.image.names().region.code_used()
    }

    /// Has functions climb at other heats from now on, all that have neither a tier nor thresholds of their own.
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.shared.set_thresholds(thresholds);
    }

    /// Compiles at O3, and waits for it, what was called as often as O2 asks for and is below O3; gives the number of
    /// functions that got there.
    pub fn optimise_hot(&self) -> usize {
        let hot: Vec<String> = self
            .shared
            .image
            .functions()
            .zip(&self.shared.functions)
            .filter(|(entry, f)| {
                f.mode() == Mode::Auto
                    && entry.calls() >= f.thresholds().calls[Level::O2 as usize]
                    && f.state().level < Some(Level::O3)
            })
            .map(|(entry, _)| entry.name().to_owned())
            .collect();
        // What cannot be compiled keeps the code it has, and the report says why.
        hot.iter()
            .filter(|name| self.recompile(name, Level::O3).is_ok())
            .count()
    }

    /// Functions that are compiled because the interpreter cannot express them, with the reason.
    pub fn unsupported(&self) -> Vec<Unsupported> {
        self.shared.image.unsupported()
    }

    /// Name of the function whose compiled code is at `address`, with the offset in it.
    pub fn locate(&self, address: usize) -> Option<(String, usize)> {
        self.shared.locate(address)
    }

    /// Whether requests are waiting or being worked on.
    pub fn is_compiling(&self) -> bool {
        self.shared.queue.is_busy()
    }

    /// Whether something is being compiled just now; requests that wait until they pay do not count.
    pub fn is_at_work(&self) -> bool {
        self.shared.queue.is_at_work()
    }

    /// What was measured so far.
    pub fn report(&self) -> ProfileReport {
        let apart = self.shared.tell_unsupported();
        for (entry, f) in self.shared.image.functions().zip(&self.shared.functions) {
            f.profile.calls.store(entry.calls(), Relaxed);
            if let Some(variant) = f.profile.variants().last() {
                let (calls, misses) = {
                    let state = f.state();
                    (state.calls, state.misses)
                };
                let misses = entry.cell().misses.load(Relaxed).saturating_sub(misses);
                variant.misses.store(misses, Relaxed);
                // Calls that were counted and not missed. O3 code counts none: what was counted below it stays.
                let hits = entry.calls().saturating_sub(calls + misses);
                variant.hits.fetch_max(hits, Relaxed);
            }
            f.profile.set_state(self.shared.why(entry.id));
            for (to, n) in f
                .profile
                .blocks()
                .iter()
                .zip(self.shared.block_counts(entry.id))
            {
                to.store(n, Relaxed);
            }
        }
        self.shared.profile_report(apart)
    }

    /// What happened so far.
    pub fn trace(&self) -> &Trace {
        &self.shared.trace
    }

    /// The trace as JSON for Chrome's trace viewer and Perfetto.
    pub fn trace_json(&self) -> String {
        let name = |id: u32| {
            let f = self.shared.functions.get(id as usize);
            f.map_or_else(String::new, |f| f.profile.name().to_owned())
        };
        self.shared.trace.to_chrome_json(&name)
    }

    /// Has everything that waits be compiled, also what does not pay in this run, and what would pay in the next one. For the
    /// end of a run whose code is kept.
    pub fn compile_the_rest(&self) {
        self.shared.end_run();
        self.shared.queue.wake();
    }

    /// Begins no compile any more; the one under way goes on, and snapshots can still be taken. For the end of a run.
    pub fn begin_no_more(&self) {
        self.shared.queue.close();
    }

    /// Ends compiling: waits for the compile that is under way.
    pub fn stop(&self) {
        self.shared.queue.stop();
        let thread = self
            .compiler
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // It panicked: it said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes a module the pristine one that everything refers to: every symbol named, nothing that holds for another
/// processor, stack variables of unoptimised code turned into values.
pub(crate) fn prepare(module: &mut Module<'_>, cpu: &Cpu) -> Result<(), Error> {
    ir::name_everything(module, "bareflow.unnamed");
    module.emulate_thread_locals()?;
    module.prepare();
    if cpu.has("fma") {
        module.fuse_products();
    }
    for f in module.functions().iter().filter(|f| !f.is_intrinsic()) {
        f.remove_string_attribute("target-features");
        f.remove_string_attribute("target-cpu");
        f.remove_string_attribute("probe-stack");
        f.remove_string_attribute("stack-protector-buffer-size");
        f.set_string_attribute("tune-cpu", cpu.tune());
        f.remove_attribute("uwtable");
        f.set_attribute("nounwind");
        f.set_string_attribute("target-features", EXPAND_GOTOS);
    }
    // Addresses of blocks would tie a function to the variables that hold them: computed gotos become switches.
    let machine = Level::O0.machine(cpu)?;
    module.run_passes("function(indirectbr-expand)", Some(&machine))?;
    for f in module.functions().iter().filter(|f| !f.is_intrinsic()) {
        f.remove_string_attribute("target-features");
    }
    module.run_passes("function(lower-invoke)", None)?;
    module
        .functions()
        .iter()
        .for_each(llvm::Function::remove_personality);
    let size: usize = module
        .functions()
        .iter()
        .map(llvm::Function::instruction_count)
        .sum();
    if size <= SMALL {
        module.run_passes(FACTS, None)?;
    }
    module.run_passes(PREPARE, None)?;
    ir::name_everything(module, "bareflow.unnamed");
    Ok(())
}

/// The feature under which LLVM turns computed gotos into switches.
const EXPAND_GOTOS: &str = "+retpoline-indirect-branches";

/// Most instructions of a program that is looked at as a whole before it starts: a few milliseconds.
const SMALL: usize = 5_000;

/// What functions learn of the arguments of their calls; units are compiled apart and do not see it.
const FACTS: &str = "function(sroa),ipsccp";

/// Cheap passes over the whole program: they pay in the interpreter, and in every compile that reads less.
const PREPARE: &str = "function(sroa,early-cse,simplifycfg,instsimplify)";
