//! A guest program: modules checked one by one, then linked into one.

use crate::{Cpu, Error, Progress, Timings};
use formats::llbc;
use llvm::{Context, Module};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Entry symbol of a program that does not name one.
pub const ENTRY: &str = "bf_main";
/// The call that is folded to a constant.
const CPU_FEATURES: &str = "bf_cpu_features";

/// One file of a program.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// File name, for messages.
    pub name: &'a str,
    /// What is in it.
    pub kind: SourceKind<'a>,
}

/// How a module is stored.
#[derive(Debug, Clone, Copy)]
pub enum SourceKind<'a> {
    /// An LLBC container.
    Llbc(&'a [u8]),
    /// Bare bitcode (`.bc`).
    Bitcode(&'a [u8]),
    /// IR text (`.ll`).
    Ir(&'a str),
}

/// All modules of a program, verified and linked into one.
///
/// Holding one guarantees: the verifier accepted every module and the result; every undefined symbol was declared
/// available by the host; the entry is defined; no function needs features beyond what [`Program::load`] was given.
pub struct Program<'c> {
    pub(crate) module: Module<'c>,
    pub(crate) entry: String,
    pub(crate) timings: Timings,
    trapped: Vec<(String, String)>,
}

/// A module that passed its own checks.
struct Checked<'c> {
    name: String,
    module: Module<'c>,
    entry: Option<String>,
    imports: Vec<String>,
    exports: Vec<String>,
}

fn read<'c>(
    context: &'c Context,
    source: &Source<'_>,
    timings: &mut Timings,
) -> Result<Checked<'c>, Error> {
    let start = Instant::now();
    let of = |error| Error::Module {
        module: source.name.to_owned(),
        error,
    };
    let (name, module, listed) = match source.kind {
        SourceKind::Llbc(bytes) => {
            let container = llbc::parse(bytes).map_err(|error| Error::Container {
                module: source.name.to_owned(),
                error,
            })?;
            let name = container.name.to_owned();
            let module = Module::from_bitcode(context, &name, container.bitcode).map_err(of)?;
            (name, module, Some(container))
        }
        SourceKind::Bitcode(bytes) => (
            source.name.to_owned(),
            Module::from_bitcode(context, source.name, bytes).map_err(of)?,
            None,
        ),
        SourceKind::Ir(text) => (
            source.name.to_owned(),
            Module::from_ir(context, source.name, text).map_err(of)?,
            None,
        ),
    };
    timings.read += start.elapsed();

    let triple = module.triple();
    if !(triple.is_empty() || triple.starts_with("x86_64-") && triple.contains("linux")) {
        return Err(Error::Triple {
            module: name,
            triple,
        });
    }
    let start = Instant::now();
    module.verify().map_err(of)?;
    timings.verify += start.elapsed();
    module.set_triple(llvm::TRIPLE);

    let imports = module.undefined_symbols();
    let exports = module.defined_symbols();
    let mut entry = None;
    if let Some(container) = listed {
        entry = container.entry.map(str::to_owned);
        let absent = |listed: &[&str], real: &[String]| {
            listed
                .iter()
                .find(|s| real.binary_search_by(|r| r.as_str().cmp(s)).is_err())
                .map(|s| (*s).to_owned())
        };
        let unlisted = |listed: &[&str], real: &[String]| {
            real.iter()
                .find(|s| listed.binary_search(&s.as_str()).is_err())
                .cloned()
        };
        let wrong = |symbol, listed| Error::Lists {
            module: name.clone(),
            symbol,
            listed,
        };
        if let Some(symbol) = absent(&container.exports, &exports) {
            return Err(wrong(symbol, "an export"));
        }
        if let Some(symbol) = absent(&container.imports, &imports) {
            return Err(wrong(symbol, "an import"));
        }
        if let Some(symbol) = unlisted(&container.imports, &imports) {
            return Err(wrong(symbol, "no import"));
        }
    } else if exports.binary_search_by(|e| e.as_str().cmp(ENTRY)).is_ok() {
        entry = Some(ENTRY.to_owned());
    }
    Ok(Checked {
        name,
        module,
        entry,
        imports,
        exports,
    })
}

/// Every import is defined by a module or the host, and no strong definition is there twice.
fn check_symbols(modules: &[Checked<'_>], host: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    let mut exported: BTreeSet<&str> = BTreeSet::new();
    let mut strong: BTreeMap<&str, &str> = BTreeMap::new();
    for m in modules {
        exported.extend(m.exports.iter().map(String::as_str));
        for symbol in m.exports.iter().filter(|s| m.module.is_strong(s)) {
            if let Some(first) = strong.insert(symbol, &m.name) {
                return Err(Error::Duplicate {
                    symbol: symbol.clone(),
                    first: first.to_owned(),
                    second: m.name.clone(),
                });
            }
        }
    }
    for m in modules {
        if let Some(symbol) = m
            .imports
            .iter()
            .find(|s| !exported.contains(s.as_str()) && s.as_str() != CPU_FEATURES && !host(s))
        {
            return Err(Error::MissingImport {
                module: m.name.clone(),
                symbol: symbol.clone(),
            });
        }
    }
    Ok(())
}

impl<'c> Program<'c> {
    /// Reads, verifies and links the modules; adapts them to the CPU.
    ///
    /// `host` tells which symbols the runtime will define. `cpu_features` is what `bf_cpu_features()` returns.
    pub fn load(
        context: &'c Context,
        sources: &[Source<'_>],
        cpu: &Cpu,
        cpu_features: u64,
        host: &dyn Fn(&str) -> bool,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, Error> {
        let mut timings = Timings::default();
        let mut modules = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            progress(Progress::Reading {
                module: source.name,
                index,
                total: sources.len(),
            });
            modules.push(read(context, source, &mut timings)?);
        }
        check_symbols(&modules, host)?;
        let mut entry: Option<(String, String)> = None;
        for m in &modules {
            if let Some(symbol) = &m.entry {
                if let Some((_, first)) = entry {
                    return Err(Error::TwoEntries {
                        first,
                        second: m.name.clone(),
                    });
                }
                entry = Some((symbol.clone(), m.name.clone()));
            }
        }
        if modules.is_empty() {
            return Err(Error::Empty);
        }
        let (entry, _) = entry.ok_or(Error::NoEntry { expected: ENTRY })?;

        progress(Progress::Linking);
        let start = Instant::now();
        let mut module = Module::new(context, "program");
        for m in modules {
            let name = m.name;
            module.link(m.module).map_err(|error| Error::Module {
                module: name,
                error,
            })?;
        }
        if module.has_debug_information() {
            // Lines are for messages; where values are and what types they have would only cost compile time.
            module.run_passes("strip-nonlinetable-debuginfo", None)?;
        }
        let trapped = adapt(&mut module, cpu, cpu_features)?;
        module.internalise(&[&entry]);
        tidy(&mut module)?;
        timings.link = start.elapsed();
        Ok(Program {
            module,
            entry,
            timings,
            trapped,
        })
    }

    /// Reads and verifies one module that others call: all it exports stays, and no entry is needed.
    ///
    /// `host` tells which symbols will be there.
    ///
    /// # Errors
    /// As [`Program::load`].
    pub fn library(
        context: &'c Context,
        source: &Source<'_>,
        cpu: &Cpu,
        cpu_features: u64,
        host: &dyn Fn(&str) -> bool,
    ) -> Result<Self, Error> {
        let mut timings = Timings::default();
        let checked = read(context, source, &mut timings)?;
        check_symbols(std::slice::from_ref(&checked), host)?;
        let start = Instant::now();
        let Checked {
            mut module,
            exports,
            ..
        } = checked;
        let trapped = adapt(&mut module, cpu, cpu_features)?;
        let exports: Vec<&str> = exports.iter().map(String::as_str).collect();
        module.internalise(&exports);
        tidy(&mut module)?;
        timings.link = start.elapsed();
        Ok(Program {
            module,
            entry: String::new(),
            timings,
            trapped,
        })
    }

    /// How long each stage took so far.
    pub fn timings(&self) -> Timings {
        self.timings
    }

    /// The symbol that starts the program; empty for a library.
    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// Functions that lost their body, each with the first feature the CPU lacks.
    pub fn trapped(&self) -> &[(String, String)] {
        &self.trapped
    }

    /// IR text of the linked program.
    pub fn to_ir(&self) -> String {
        self.module.to_ir()
    }
}

/// Takes away what no guest needs.
fn tidy(module: &mut Module<'_>) -> Result<(), Error> {
    // Nothing unwinds: no landing pad is ever reached, and none of them needs code.
    module.run_passes("function(lower-invoke),globaldce", None)?;
    module
        .functions()
        .iter()
        .for_each(llvm::Function::remove_personality);
    module.run_passes("function(simplifycfg),globaldce", None)?;
    Ok(())
}

/// Front-end CPU attributes go: the tier chooses for the CPU found. What a function asks for beyond this CPU is a
/// requirement it was written with: its body could not run here and becomes a trap.
fn adapt(
    module: &mut Module<'_>,
    cpu: &Cpu,
    cpu_features: u64,
) -> Result<Vec<(String, String)>, Error> {
    let folded = module.fold_calls(CPU_FEATURES, cpu_features);
    module.call_through_stubs();
    let mut trapped = Vec::new();
    for f in module.functions().iter().filter(|f| !f.is_intrinsic()) {
        if let Some(features) = f.string_attribute("target-features") {
            if let Some(lacking) = cpu.lacks(&features).filter(|_| !f.is_declaration()) {
                trapped.push((f.name(), lacking.to_owned()));
            }
            f.remove_string_attribute("target-features");
        }
        f.remove_string_attribute("target-cpu");
        f.remove_string_attribute("probe-stack");
        f.set_string_attribute("tune-cpu", cpu.tune());
        // Guests do not unwind; tables for it would only take memory.
        f.remove_attribute("uwtable");
        f.set_attribute("nounwind");
    }
    for (name, _) in &trapped {
        module.replace_with_trap(name)?;
    }
    // The code for other processors goes before any time is spent on it.
    for name in folded {
        module.run_passes_on(&name, "sccp,simplifycfg")?;
    }
    Ok(trapped)
}
