//! Engines that a running program makes for itself: modules loaded, compiled and unloaded while it runs.
//!
//! ```text
//!  Instance (limit of memory) --load--> module: Program::library --> tier::Engine, with a compiler of its own
//!     |  its exports: functions and variables that later modules may import, functions that the program finds
//!     +--find--> stub, whose address stays while the code behind it changes
//! ```
//!
//! Each module is a program of its own to `tier`: it starts in the interpreter and climbs by its heat, unless it is told which
//! level to keep. What differs is shared: the [`Reclaimer`](crate::memory::Reclaimer) is that of the program that loads it, since
//! the same threads run both, and a [`Budget`] counts what all modules of an instance hold.
//!
//! Counted are machine code, slots, cells and variables by their pages, and the bitcode and what is made of it in memory by an
//! estimate ([`estimate`]), for LLVM does not tell. Not counted is what a compile needs while it lasts.

mod error;

pub use error::Error;

use crate::interp::Resolve;
use crate::memory::{Budget, Charge, Reclaimer};
use crate::profile::CyclesReport;
use crate::profile::cycles::Cycles;
use crate::tier::{Config, Engine, FunctionNow, Shares, Thresholds};
use crate::{Context, Cpu, Level, Program, Source, SourceKind};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a module without anything in it: LLVM's contexts, the target's tables, queues.
const MODULE_BYTES: usize = 512 << 10;
/// Bytes of a function beside its instructions: declarations in LLVM's modules, entry, profile.
const FUNCTION_BYTES: usize = 4 << 10;
/// Bytes of an instruction: in the compiler's module, and decoded.
const INSTRUCTION_BYTES: usize = 400;

/// Smallest limit that an instance takes: room for one small module.
pub const LEAST_LIMIT: usize = 1 << 20;

/// The functions of the guest interface that need an engine: programs that call one cannot be exported.
pub const FUNCTIONS: [&str; 15] = [
    "jit_create",
    "jit_destroy",
    "jit_load_bitcode",
    "jit_load_file",
    "jit_unload",
    "jit_define_symbol",
    "jit_find_function",
    "jit_recompile",
    "jit_get_function_info",
    "jit_list_functions",
    "jit_record_call",
    "jit_should_reoptimize",
    "jit_auto_optimize",
    "jit_get_statistics",
    "jit_last_error",
];

/// What a module is counted as beside code and variables: `bitcode` bytes, functions with a body, and their instructions.
pub fn estimate(bitcode: usize, functions: usize, instructions: usize) -> usize {
    MODULE_BYTES
        .saturating_add(bitcode)
        .saturating_add(functions.saturating_mul(FUNCTION_BYTES))
        .saturating_add(instructions.saturating_mul(INSTRUCTION_BYTES))
}

/// What instances need of the process they are in.
#[derive(Clone)]
pub struct Host {
    /// What code is made for.
    pub cpu: Cpu,
    /// What `bf_cpu_features()` answers.
    pub features: u64,
    /// Finds what modules import and no module exports.
    pub resolve: Resolve,
    /// Of the program that calls the modules.
    pub reclaimer: Arc<Reclaimer>,
}

/// What is known of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Where it is called.
    pub address: usize,
    /// Number of its module.
    pub module: i64,
    /// Level of its code; `None` is the interpreter.
    pub level: Option<Level>,
    /// Whether it was told to keep that level.
    pub is_pinned: bool,
    /// Calls that the engine counted; O3 code counts none.
    pub calls: u64,
    /// Durations that the engine measured.
    pub cycles: Option<CyclesReport>,
    /// Calls and durations that the program recorded.
    pub recorded: Option<CyclesReport>,
    /// Bytes of its machine code.
    pub code_bytes: usize,
    /// Instructions of its IR.
    pub instructions: usize,
}

/// What an instance holds and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Modules that are loaded.
    pub modules: usize,
    /// Functions they export.
    pub functions: usize,
    /// Those of them that are interpreted, and at O0 to O3.
    pub at_level: [usize; 5],
    /// Compiles that gave code, those of modules that are gone included.
    pub compiles: u64,
    /// How long they took, in nanoseconds.
    pub compile_ns: u64,
    /// Calls that the program recorded, those of modules that are gone included.
    pub recorded_calls: u64,
    /// Bytes counted against the limit.
    pub used_bytes: usize,
    /// The most that were.
    pub most_bytes: usize,
    /// The limit.
    pub limit_bytes: usize,
    /// Bytes of pages with machine code.
    pub code_bytes: usize,
}

/// A function that a module exports.
struct Exported {
    address: usize,
    recorded: Cycles,
}

/// A symbol that a module exports.
struct Export {
    module: String,
    number: i64,
    address: usize,
}

/// A module that runs. Fields are dropped in this order.
struct Loaded {
    engine: Engine,
    number: i64,
    name: String,
    functions: BTreeMap<String, Exported>,
    /// Functions and variables that others may import.
    symbols: BTreeMap<String, usize>,
    /// Modules that it imports from, and what: they are dropped after it.
    needs: Vec<(String, Arc<Loaded>)>,
    _charge: Charge,
}

impl Loaded {
    fn now(&self, name: &str) -> Option<FunctionNow> {
        self.engine.function(name)
    }
}

/// An engine of a program's own. Dropping it unloads what it holds: nothing of it may run any more.
pub struct Instance {
    host: Host,
    thresholds: Thresholds,
    budget: Arc<Budget>,
    next: AtomicI64,
    modules: Mutex<Vec<Arc<Loaded>>>,
    /// Symbols of the program's own that modules may import.
    defined: Mutex<BTreeMap<String, usize>>,
    /// Compiles, their nanoseconds and recorded calls of modules that are gone.
    past: [AtomicU64; 3],
}

/// The bytes as a module, told by how they begin.
fn source<'a>(name: &'a str, bytes: &'a [u8]) -> Result<Source<'a>, Error> {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    let kind = if begins(&formats::llbc::MAGIC) {
        SourceKind::Llbc(bytes)
    } else if begins(b"BC\xC0\xDE") || begins(&[0xDE, 0xC0, 0x17, 0x0B]) {
        SourceKind::Bitcode(bytes)
    } else {
        let first: Vec<String> = bytes.iter().take(4).map(|b| format!("{b:02X}")).collect();
        return Err(Error::NoModule {
            module: name.to_owned(),
            bytes: bytes.len(),
            found: match first.is_empty() {
                true => "nothing".to_owned(),
                false => first.join(" "),
            },
        });
    };
    Ok(Source { name, kind })
}

impl Instance {
    /// Without modules. At most `limit` bytes will be in use; functions climb at the heat of `thresholds`.
    pub fn new(host: Host, limit: usize, thresholds: Thresholds) -> Self {
        Instance {
            host,
            thresholds,
            budget: Budget::new(limit),
            next: AtomicI64::new(1),
            modules: Mutex::new(Vec::new()),
            defined: Mutex::default(),
            past: Default::default(),
        }
    }

    fn modules(&self) -> MutexGuard<'_, Vec<Arc<Loaded>>> {
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has modules that are loaded from now on find something of the program's at this address, which stays there.
    ///
    /// # Errors
    /// [`Error::Defined`].
    pub fn define(&self, symbol: &str, address: usize) -> Result<(), Error> {
        let mut defined = self.defined.lock().unwrap_or_else(PoisonError::into_inner);
        match defined.get(symbol) {
            Some(before) if *before != address => Err(Error::Defined {
                symbol: symbol.to_owned(),
            }),
            _ => {
                defined.insert(symbol.to_owned(), address);
                Ok(())
            }
        }
    }

    /// Reads, verifies and makes ready a module; gives its number. Two loads at a time may not know of each other's symbols:
    /// callers take turns.
    ///
    /// # Errors
    /// All but [`Error::UnknownModule`], [`Error::InUse`], [`Error::UnknownFunction`]; nothing is left of the module.
    pub fn load(&self, name: &str, bytes: &[u8]) -> Result<i64, Error> {
        let full = |e| Error::of_memory(e, &format!("to read module {name}"));
        let reading = self
            .budget
            .take(bytes.len().saturating_add(MODULE_BYTES))
            .map_err(full)?;
        let source = source(name, bytes)?;
        // No reference to another module is held while LLVM works: where that never ends, it would never be freed.
        let others = self.exports();
        let exporter = |symbol: &str| others.get(symbol);
        let defined = self.defined.lock();
        let defined = defined.unwrap_or_else(PoisonError::into_inner).clone();
        let is_known = |symbol: &str| {
            exporter(symbol).is_some()
                || defined.contains_key(symbol)
                || (self.host.resolve)(symbol).is_some()
        };
        let context = Context::new();
        context.discard_value_names(true);
        let host = &self.host;
        let program = Program::library(&context, &source, &host.cpu, host.features, &is_known)
            .map_err(Error::Module)?;

        let symbols = program.module.defined_symbols();
        for symbol in symbols.iter().filter(|s| program.module.is_strong(s)) {
            if let Some(other) = exporter(symbol) {
                return Err(Error::Duplicate {
                    module: name.to_owned(),
                    symbol: symbol.clone(),
                    other: other.module.clone(),
                });
            }
        }
        let mut imports = program.module.undefined_symbols();
        imports.retain(|symbol| exporter(symbol).is_some());
        let all = program.module.functions();
        let bodies = all.iter().filter(|f| !f.is_declaration());
        let functions: Vec<String> = bodies.clone().map(llvm::Function::name).collect();
        let instructions = bodies.map(llvm::Function::instruction_count).sum();
        drop(all);
        drop(reading);
        let bytes = estimate(bytes.len(), functions.len(), instructions);
        let charge = self.budget.take(bytes);
        let charge = charge.map_err(|e| Error::of_memory(e, &format!("to load module {name}")))?;

        let mut addresses = defined;
        addresses.extend(
            imports
                .iter()
                .filter_map(|symbol| Some((symbol.clone(), exporter(symbol)?.address))),
        );
        let outer = host.resolve.clone();
        let resolve: Resolve =
            Arc::new(move |symbol| addresses.get(symbol).copied().or_else(|| outer(symbol)));
        let config = Config {
            thresholds: self.thresholds,
            trace_events: 0,
            ..Config::default()
        };
        let shares = Shares {
            reclaimer: host.reclaimer.clone(),
            budget: Some(self.budget.clone()),
        };
        let engine = Engine::start_sharing(program, &host.cpu, resolve, config, shares)
            .map_err(|e| Error::of(e, &format!("to start module {name}")))?;
        let symbols: BTreeMap<String, usize> = symbols
            .into_iter()
            .filter_map(|s| engine.address(&s).map(|at| (s, at)))
            .collect();
        let functions = functions.into_iter().filter_map(|f| {
            let address = *symbols.get(&f)?;
            let recorded = Cycles::new();
            Some((f, Exported { address, recorded }))
        });
        let number = self.next.fetch_add(1, Relaxed);
        let mut modules = self.modules();
        let mut needs = Vec::new();
        for symbol in imports {
            let by = exporter(&symbol).map(|e| e.number);
            match modules.iter().find(|m| Some(m.number) == by) {
                Some(module) => needs.push((symbol, module.clone())),
                // It was unloaded meanwhile.
                None => {
                    return Err(Error::Module(crate::Error::MissingImport {
                        module: name.to_owned(),
                        symbol,
                    }));
                }
            }
        }
        let module = Loaded {
            functions: functions.collect(),
            engine,
            number,
            name: name.to_owned(),
            symbols,
            needs,
            _charge: charge,
        };
        modules.push(Arc::new(module));
        Ok(number)
    }

    /// What modules can import from those that are there.
    fn exports(&self) -> BTreeMap<String, Export> {
        let modules = self.modules();
        let all = modules.iter().flat_map(|m| {
            m.symbols.iter().map(|(symbol, address)| {
                let export = Export {
                    module: m.name.clone(),
                    number: m.number,
                    address: *address,
                };
                (symbol.clone(), export)
            })
        });
        all.collect()
    }

    /// Takes a module away. Nothing of it may run or be called any more.
    ///
    /// # Errors
    /// [`Error::UnknownModule`], [`Error::InUse`].
    pub fn unload(&self, number: i64) -> Result<(), Error> {
        let module = {
            let mut modules = self.modules();
            let at = modules
                .iter()
                .position(|m| m.number == number)
                .ok_or(Error::UnknownModule { number })?;
            for by in modules.iter() {
                if let Some((symbol, needed)) = by.needs.iter().find(|(_, m)| m.number == number) {
                    return Err(Error::InUse {
                        module: needed.name.clone(),
                        by: by.name.clone(),
                        symbol: symbol.clone(),
                    });
                }
            }
            modules.remove(at)
        };
        for (sum, more) in self.past.iter().zip(figures(&module)) {
            sum.fetch_add(more, Relaxed);
        }
        drop(module);
        // Code that was replaced while it ran waits for the threads to say that they left it; this one says so here.
        self.host.reclaimer.poll();
        if self.host.reclaimer.waiting() > 0 {
            self.host.reclaimer.collect();
        }
        Ok(())
    }

    /// The module that exports a function.
    fn exporter(&self, name: &str) -> Result<Arc<Loaded>, Error> {
        let modules = self.modules();
        let mut with = modules.iter().filter(|m| m.functions.contains_key(name));
        with.next().cloned().ok_or_else(|| Error::UnknownFunction {
            name: name.to_owned(),
        })
    }

    /// Address of a function, which stays while its module is loaded.
    ///
    /// # Errors
    /// [`Error::UnknownFunction`].
    pub fn find(&self, name: &str) -> Result<usize, Error> {
        Ok(self.info(name)?.address)
    }

    /// What is known of a function.
    ///
    /// # Errors
    /// [`Error::UnknownFunction`].
    pub fn info(&self, name: &str) -> Result<Info, Error> {
        let module = self.exporter(name)?;
        let unknown = || Error::UnknownFunction {
            name: name.to_owned(),
        };
        let exported = module.functions.get(name).ok_or_else(unknown)?;
        let now = module.now(name);
        Ok(Info {
            address: exported.address,
            module: module.number,
            // What the interpreter cannot even call was compiled when it was loaded.
            level: now.map_or(Some(Level::O1), |f| f.level),
            is_pinned: now.is_some_and(|f| f.is_pinned),
            calls: now.map_or(0, |f| f.calls),
            cycles: now.and_then(|f| f.cycles),
            recorded: exported.recorded.report(),
            code_bytes: now.map_or(0, |f| f.code_bytes),
            instructions: now.map_or(0, |f| f.instructions),
        })
    }

    /// Names of the functions, sorted.
    pub fn names(&self) -> Vec<String> {
        let modules = self.modules();
        let all = modules.iter().flat_map(|m| m.functions.keys().cloned());
        let mut names: Vec<String> = all.collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Compiles a function at exactly this level, which it keeps from then on; `None` lets it climb by its heat again.
    ///
    /// # Errors
    /// [`Error::UnknownFunction`], [`Error::Limit`], [`Error::Compile`]: it goes on with the code it has.
    pub fn recompile(&self, name: &str, level: Option<Level>) -> Result<(), Error> {
        let module = self.exporter(name)?;
        let done = module.engine.pin(name, level);
        done.map_err(|e| not_compiled(e, name, level.unwrap_or(Level::O0)))
    }

    /// Counts a call that took so many cycles.
    ///
    /// # Errors
    /// [`Error::UnknownFunction`].
    pub fn record(&self, name: &str, cycles: u64) -> Result<(), Error> {
        let module = self.exporter(name)?;
        if let Some(exported) = module.functions.get(name) {
            exported.recorded.record(cycles);
        }
        Ok(())
    }

    /// The level that a function has earned by the calls that were counted or recorded, if it is better than its code and it was
    /// not told to keep that.
    fn deserved(&self, module: &Loaded, name: &str) -> Option<Level> {
        let now = module.now(name).filter(|f| !f.is_pinned)?;
        let recorded = module.functions.get(name)?.recorded.report();
        let calls = now.calls.max(recorded.map_or(0, |r| r.samples));
        let level = self.thresholds.level(calls, now.back_edges);
        level.filter(|_| level > now.level)
    }

    /// Whether a function has earned better code than it has.
    ///
    /// # Errors
    /// [`Error::UnknownFunction`].
    pub fn should_reoptimise(&self, name: &str) -> Result<bool, Error> {
        let module = self.exporter(name)?;
        Ok(self.deserved(&module, name).is_some())
    }

    /// Compiles every function at the level it has earned and waits for it; gives the number of functions that got there.
    ///
    /// # Errors
    /// The first function's that could not be compiled; the others were tried all the same.
    pub fn optimise(&self) -> Result<usize, Error> {
        let modules: Vec<Arc<Loaded>> = self.modules().clone();
        let (mut done, mut failed) = (0, None);
        for module in &modules {
            for name in module.functions.keys() {
                let Some(level) = self.deserved(module, name) else {
                    continue;
                };
                match module.engine.recompile(name, level) {
                    Ok(()) => done += 1,
                    Err(error) => {
                        failed.get_or_insert_with(|| not_compiled(error, name, level));
                    }
                }
            }
        }
        failed.map_or(Ok(done), Err)
    }

    /// What it holds and did.
    pub fn statistics(&self) -> Statistics {
        let mut all = Statistics {
            used_bytes: self.budget.used(),
            most_bytes: self.budget.most(),
            limit_bytes: self.budget.limit(),
            ..Statistics::default()
        };
        let mut sums = self.past.each_ref().map(|n| n.load(Relaxed));
        for module in self.modules().iter() {
            all.modules += 1;
            all.functions += module.functions.len();
            for name in module.functions.keys() {
                let level = module.now(name).map_or(Some(Level::O1), |f| f.level);
                all.at_level[level.map_or(0, |l| l as usize + 1)] += 1;
            }
            for (sum, more) in sums.iter_mut().zip(figures(module)) {
                *sum += more;
            }
            all.code_bytes += module.engine.code_bytes();
        }
        [all.compiles, all.compile_ns, all.recorded_calls] = sums;
        all
    }
}

/// Compiles, nanoseconds they took, recorded calls.
fn figures(module: &Loaded) -> [u64; 3] {
    let (compiles, ns) = module.engine.compiles();
    let recorded = module.functions.values();
    let recorded = recorded.filter_map(|f| Some(f.recorded.report()?.samples));
    [compiles, ns, recorded.sum()]
}

fn not_compiled(error: crate::Error, function: &str, level: Level) -> Error {
    match error {
        crate::Error::Memory(full) => {
            Error::of_memory(full, &format!("for code of {function} at {level}"))
        }
        other => Error::Compile {
            function: function.to_owned(),
            level: level.to_string(),
            reason: other.to_string(),
        },
    }
}
