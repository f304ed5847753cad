//! One compile: a function at a level, or the rest of a function from a loop header on, from IR to an object.
//!
//! ```text
//!  pristine program --extract--> the function + copies of what it may inline
//!     O2, O3: counts as !prof, calls through pointers promoted, variants for arguments that repeat
//!     O0, O1: polls in loops      O0: values recorded, blocks counted      O0..O2: countdown of calls, own calls by slot
//!  --passes of the level--> --code generation--> object
//! ```
//!
//! Numbers of values, blocks and call sites are those of the pristine IR. So what refers to them comes in this order:
//! annotations change nothing, promoted sites keep their numbers, polls append their blocks at the end. Blocks that are
//! counted are numbered before the polls and get their counters after all that.

use super::function::Function;
use super::hooks::{ARGUMENTS, CALLED, POLL_O0, POLL_O1, SITE, TARGET};
use super::inline::CallGraph;
use super::pipeline;
use super::polls::{self, Weights};
use super::shared::Shared;
use super::specialise;
use crate::interp::CELL;
use crate::{Cpu, Error, Level};
use llvm::ir::View;
use llvm::{Context, FileType, Module, OsrValue, PollLoop, TargetMachine};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of which optimised loops begin at a multiple. Processors fetch decoded instructions by lines of 32 or 64 bytes,
/// so a tight loop across two lines runs at half its speed. With LLVM's 16 bytes that hits loops of more than 16 bytes by
/// chance: a sieve's inner loop has 17.
const LOOP_ALIGNMENT: u32 = 32;

/// The symbol of a function's block counters is this and its name.
pub(crate) const BLOCKS: &str = "bareflow.blocks.";

/// What a compile gives.
pub(crate) struct Built {
    /// A relocatable object.
    pub object: Vec<u8>,
    /// The symbol of the code wanted.
    pub symbol: String,
    /// Functions it was built from: its own, and those that came along.
    pub members: Vec<String>,
    /// Whether it has guarded variants.
    pub is_special: bool,
    /// What its variants assume, in words.
    pub assumes: String,
    /// Whether it records arguments, because too few calls were seen.
    pub samples: bool,
    /// Calls so far, if loops of it poll.
    pub polls: Option<u64>,
    /// Optimised IR and assembly, if they were asked for.
    pub dump: Option<(String, String)>,
}

/// The compiler's own copy of the program.
pub(crate) struct Builder<'c> {
    program: Module<'c>,
    cpu: Cpu,
    machines: HashMap<Level, TargetMachine>,
    graph: CallGraph,
}

impl<'c> Builder<'c> {
    /// Reads the program's bitcode into a context of the compiler's own.
    pub fn new(context: &'c Context, bitcode: &[u8], cpu: &Cpu) -> Result<Self, Error> {
        let program = Module::from_bitcode(context, "program", bitcode)?;
        let graph = CallGraph::new(View::new(&program));
        Ok(Builder {
            program,
            cpu: cpu.clone(),
            machines: HashMap::new(),
            graph,
        })
    }

    /// The pristine program.
    pub fn program(&self) -> &Module<'c> {
        &self.program
    }

    fn machine(&mut self, level: Level) -> Result<&TargetMachine, Error> {
        if !self.machines.contains_key(&level) {
            let mut machine = level.machine(&self.cpu)?;
            if level >= Level::O2 {
                machine.align_loops(LOOP_ALIGNMENT);
            }
            self.machines.insert(level, machine);
        }
        self.machines.get(&level).ok_or(Error::Thread {
            message: "no target machine".into(),
        })
    }

    /// Compiles function `id` at a level.
    pub fn function(&mut self, shared: &Shared, id: u32, level: Level) -> Result<Built, Error> {
        let f = shared.function(id);
        let name = f.profile.name().to_owned();
        let config = &shared.config;
        let optimises = level >= Level::O2;
        let targets = if optimises && config.specialise {
            specialise::targets(shared, f)
        } else {
            Vec::new()
        };
        let wanted: Vec<String> = targets
            .iter()
            .flat_map(|t| t.callees.iter().map(|c| c.0.clone()))
            .collect();
        let size = self.graph.size(&name);
        let (variants, seen) = if optimises && config.specialise && !f.state().generic {
            specialise::variants(shared, f, size)
        } else {
            (Vec::new(), 0)
        };
        let wanted: Vec<String> = wanted
            .into_iter()
            .chain(variants.iter().flat_map(specialise::functions))
            .collect();
        let copies = self
            .graph
            .copies(&|f| counts(shared, f), &name, level, &wanted);
        // What is called through pointers, or is an argument, may be called by its name.
        let beside = wanted.iter().map(String::as_str).collect();
        let mut module = self
            .program
            .extract_beside(&HashSet::from([&*name]), &copies, &beside);
        let names: Vec<String> = copies.into_iter().map(str::to_owned).collect();
        if optimises && config.profile {
            annotate(&mut module, shared, &name, &names);
        }
        for t in &targets {
            let callees: Vec<(&str, u64)> =
                t.callees.iter().map(|(c, n)| (c.as_str(), *n)).collect();
            // What cannot be promoted stays a call through its pointer.
            let _ = module.promote_call(&name, t.site, &callees, t.total);
        }
        let climbs = config.shuffle.is_some() || f.mode() == super::config::Mode::Auto;
        let counts_blocks = level == Level::O0 && config.profile;
        if counts_blocks {
            module.number_blocks(&name)?;
        }
        // Without on-stack replacement they still tell how hot the loops are.
        let polls = if level <= Level::O1 && climbs {
            self.polls(shared, id, &name, &mut module, level)?
        } else {
            None
        };
        // Loops may have made it hot before its arguments were seen often enough.
        let is_unknown = config.specialise
            && f.mode() == super::config::Mode::Auto
            && !shared.knows_arguments(id)
            && specialise::could_pay(shared, f, size);
        let samples = optimises && config.profile && is_unknown;
        if config.profile && climbs && (level == Level::O0 || is_unknown) {
            module.hook_values(&name, 0, ARGUMENTS, TARGET)?;
        }
        if counts_blocks {
            // A naked function has no room for them.
            let _ = module.count_blocks(&name, &format!("{BLOCKS}{name}"));
        }
        let mut is_special = false;
        if !variants.is_empty() {
            let misses = format!("{}{name}", crate::interp::MISSES);
            is_special = module
                .specialise(&name, &variants, seen, &misses, None)
                .is_ok();
        }
        let counts = level < Level::O3 || config.shuffle.is_some() || samples;
        if counts
            && climbs
            && let Some(f) = module.function(&name)
        {
            // Calls of itself go through its slot, too: a recursion that began in this code goes on in better code.
            f.set_attribute("nonlazybind");
        }
        if counts && (climbs || config.profile) {
            module.add_entry_counter(&name, &format!("{CELL}{name}"), CALLED, 0)?;
        }
        for hook in [CALLED, POLL_O0, POLL_O1, ARGUMENTS, TARGET] {
            module.name_hook_ids(hook, SITE, &format!(".{name}"));
        }
        let members = members(&name, names);
        let mut built = self.finish(module, name, members, level, config)?;
        built.is_special = is_special;
        if is_special {
            built.assumes = specialise::describe(&variants);
        }
        built.samples = samples;
        built.polls = polls;
        Ok(built)
    }

    /// Lets the loops ask now and then whether faster code is there. Gives the calls so far if there are such loops.
    fn polls(
        &self,
        shared: &Shared,
        id: u32,
        name: &str,
        module: &mut Module<'_>,
        level: Level,
    ) -> Result<Option<u64>, Error> {
        let hook = if level == Level::O0 { POLL_O0 } else { POLL_O1 };
        shared.entry(id).make();
        let Some(code) = shared.entry(id).code() else {
            return Ok(None);
        };
        let calls = shared.entry(id).calls();
        let is_forced = shared.config.force_osr || shared.config.shuffle.is_some();
        let stands_for = if level == Level::O0 || is_forced {
            Weights::default()
        } else {
            polls::weights(
                &module.loop_nest(name)?,
                code.loops().len(),
                &shared.block_counts(id),
                calls,
                shared.back_edges(id),
            )
        };
        let loops: Vec<PollLoop> = code
            .loops()
            .iter()
            .filter(|head| !shared.config.force_osr || shared.loop_log.wants(id, head.block))
            .filter_map(|head| {
                Some(PollLoop {
                    header: head.block,
                    id: head.block.into(),
                    live: live(head),
                    buffer_bytes: head.buffer_words() as u32 * 8,
                    rounds: stands_for.of(head.block)?,
                })
            })
            .collect();
        // A function that cannot be left in its middle runs on as it is.
        if let Err(error) = module.add_polls(name, &loops, hook, shared.poll_interval()) {
            shared.loop_log.fixed(id, error.to_string());
            return Ok(None);
        }
        Ok((!loops.is_empty()).then_some(calls))
    }

    /// Compiles the rest of function `id` from a loop header on.
    pub fn osr(&mut self, shared: &Shared, id: u32, header: u32) -> Result<Built, Error> {
        let f = shared.function(id);
        let level = shared.osr_level(id, header);
        let name = f.profile.name().to_owned();
        let head = shared
            .entry(id)
            .code()
            .and_then(|c| c.loops().iter().find(|l| l.block == header))
            .ok_or_else(|| Error::Object {
                message: format!("{name} has no loop at block {header}"),
            })?;
        let copies = self.graph.copies(&|f| counts(shared, f), &name, level, &[]);
        let mut module = self.program.extract(&HashSet::from([&*name]), &copies);
        let names: Vec<String> = copies.into_iter().map(str::to_owned).collect();
        // No counts: what comes after the loops that ran so far, and may run for ever, would be taken for cold.
        let symbol = format!("{name}.osr.{header}");
        module.make_osr_entry(&name, header, &symbol, &live(head))?;
        // The function itself is here only to be inlined, if it calls itself.
        module.keep_only(&[&symbol], false);
        self.finish(module, symbol, members(&name, names), level, &shared.config)
    }

    fn finish(
        &mut self,
        mut module: Module<'_>,
        symbol: String,
        members: Vec<String>,
        level: Level,
        config: &super::config::Config,
    ) -> Result<Built, Error> {
        let size = size_of(&module);
        let (effort, passes) = pipeline::of(level, size);
        let machine = self.machine(effort)?;
        if pipeline::unrolls(size) {
            module.run_passes(passes, Some(machine))?;
        } else {
            module.run_passes_in_place(passes, Some(machine))?;
        }
        module.run_passes("elim-avail-extern,globaldce", None)?;
        let wanted = config
            .dump
            .as_ref()
            .is_some_and(|d| super::config::matches(&d.pattern, &symbol));
        let dump = if wanted {
            let ir = module.to_ir();
            let assembly = machine.emit(&mut module.duplicate(), FileType::Assembly)?;
            Some((ir, String::from_utf8_lossy(&assembly).into_owned()))
        } else {
            None
        };
        let object = machine.emit(&mut module, FileType::Object)?;
        Ok(Built {
            object,
            symbol,
            members,
            is_special: false,
            assumes: String::new(),
            samples: false,
            polls: None,
            dump,
        })
    }
}

/// Instructions of a unit.
fn size_of(module: &Module<'_>) -> usize {
    let functions = module.functions();
    functions.iter().map(|f| f.instruction_count()).sum()
}

/// What a unit is built from, in an order of its own.
fn members(name: &str, mut copies: Vec<String>) -> Vec<String> {
    copies.sort_unstable();
    copies.insert(0, name.to_owned());
    copies
}

fn live(head: &crate::interp::LoopHead) -> Vec<OsrValue> {
    head.buffer_layout()
        .into_iter()
        .map(|(value, offset)| OsrValue { value, offset })
        .collect()
}

/// Calls of a function and executions of its blocks, as far as they are known: the interpreter and O0 code count blocks,
/// and calls that other code counted make it as much more of each.
fn counts(shared: &Shared, name: &str) -> Option<(u64, Vec<u64>)> {
    let entry = shared.image.function(name)?;
    let mut counts = shared.block_counts(entry.id);
    let (counted, calls) = (*counts.first()?, entry.calls());
    if counted > 0 && calls > counted {
        let more = calls as f64 / counted as f64;
        for count in &mut counts {
            *count = (*count as f64 * more) as u64;
        }
    }
    let calls = *counts.first()?;
    (counts.iter().any(|n| *n > 0)).then_some((calls, counts))
}

/// Gives LLVM the counts of a function and of the copies beside it.
fn annotate(module: &mut Module<'_>, shared: &Shared, name: &str, copies: &[String]) {
    let (mut entries, mut blocks) = (Vec::new(), Vec::new());
    for f in std::iter::once(name).chain(copies.iter().map(String::as_str)) {
        if let Some((calls, counts)) = counts(shared, f)
            && module.annotate_profile(f, calls, &counts).is_ok()
            && module.spare_expensive_unrolling(f).is_ok()
        {
            entries.push(calls);
            blocks.extend(counts.into_iter().skip(1));
        }
    }
    if !entries.is_empty() {
        module.summarise_profile(&entries, &blocks);
    }
}

/// Guard misses of a function so far.
pub(crate) fn misses(shared: &Shared, id: u32) -> u64 {
    shared.entry(id).cell().misses.load(Relaxed)
}

/// Whether a function's guards fail so often that its variants do more harm than good.
pub(crate) fn guards_fail(shared: &Shared, id: u32, f: &Function) -> bool {
    let state = f.state();
    state.is_special && misses(shared, id) - state.misses.min(misses(shared, id)) > 100_000
}
