//! From the linked program to relocatable objects.
//!
//! The program is compiled in units, side by side on the CPUs there are, each thread with an LLVM context of its own.
//! There are two ways to split it:
//!
//! - *One level for all.* The IR passes run over the whole program at once: only the entry is visible, so inlining
//!   crosses module borders and dead code goes first. The optimised program is then split for code generation, which
//!   takes half of the time. The split changes no code, only where functions lie.
//! - *Hot and cold.* Where compiling is slow (an emulated CPU), functions that look hot get the level asked for and all
//!   others a lower one: see [`mod@crate::heat`]. The split comes first; small functions are copied into the hot units, so
//!   that they can be inlined there.

use crate::heat;
use crate::{Cpu, Error, Program, Progress, Timings};
use llvm::{CodegenLevel, Context, FileType, Module, TargetMachine};
use std::collections::HashSet;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Optimisation level of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No optimisation, fast instruction selection.
    O0,
    /// Little.
    O1,
    /// The usual; vectorises.
    O2,
    /// Everything.
    O3,
}

impl Level {
    /// All levels, ascending.
    pub const ALL: [Level; 4] = [Level::O0, Level::O1, Level::O2, Level::O3];

    /// Effort of the code generator. `None` would choose fast instruction selection, which O1 does not want.
    fn codegen(self) -> CodegenLevel {
        match self {
            Level::O0 => CodegenLevel::None,
            Level::O1 => CodegenLevel::Less,
            Level::O2 => CodegenLevel::Default,
            Level::O3 => CodegenLevel::Aggressive,
        }
    }

    /// Pipeline in `opt`'s notation.
    pub(crate) fn pipeline(self) -> &'static str {
        match self {
            Level::O0 => "default<O0>,globaldce",
            Level::O1 => "default<O1>",
            Level::O2 => "default<O2>",
            Level::O3 => "default<O3>",
        }
    }

    /// A target machine for this level and CPU.
    pub(crate) fn machine(self, cpu: &Cpu) -> Result<TargetMachine, Error> {
        Ok(TargetMachine::new(
            "x86-64",
            &cpu.feature_string(),
            self.codegen(),
        )?)
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim_start_matches(['O', 'o', '-']) {
            "0" => Ok(Level::O0),
            "1" => Ok(Level::O1),
            "2" => Ok(Level::O2),
            "3" => Ok(Level::O3),
            _ => Err(Error::Level {
                found: text.to_owned(),
            }),
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// How to compile.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Level of the program; with `cold`, of its hot functions.
    pub level: Level,
    /// Level of the functions that do not look hot; the same as `level` compiles the program as a whole.
    pub cold: Level,
    /// Threads for code generation, at least 1.
    pub threads: usize,
    /// Keep IR text and assembly of what was compiled.
    pub dump: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            level: Level::O2,
            cold: Level::O2,
            threads: 1,
            dump: false,
        }
    }
}

/// Objects of a whole program, ready to be linked.
pub struct Compiled {
    pub(crate) objects: Vec<Vec<u8>>,
    pub(crate) entry: String,
    pub(crate) level: Level,
    pub(crate) cpu: Cpu,
    /// What it took so far.
    pub timings: Timings,
    /// Optimised IR, if asked for.
    pub ir: Option<String>,
    /// Assembly, if asked for.
    pub assembly: Option<String>,
}

impl Compiled {
    /// Bytes of all objects together.
    pub fn object_bytes(&self) -> usize {
        self.objects.iter().map(Vec::len).sum()
    }
}

fn bodies(module: &Module<'_>) -> usize {
    module
        .functions()
        .iter()
        .filter(|f| !f.is_declaration())
        .count()
}

/// Compiles the program for the CPU. The program's IR is used up.
pub fn compile(
    program: Program<'_>,
    cpu: &Cpu,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Compiled, Error> {
    let Program {
        mut module,
        entry,
        mut timings,
        ..
    } = program;
    let level = options.level;
    progress(Progress::Optimising {
        functions: bodies(&module),
    });
    let start = Instant::now();
    let split_first = options.cold != level && module.can_split();
    if !split_first {
        module.run_passes(level.pipeline(), Some(&level.machine(cpu)?))?;
    }
    // Hidden instead of internal: units can refer to each other, and addresses of functions can be asked for.
    module.externalise("");
    timings.optimise = start.elapsed();

    let ir = options.dump.then(|| module.to_ir());
    let assembly = if options.dump {
        let text = level
            .machine(cpu)?
            .emit(&mut module.duplicate(), FileType::Assembly)?;
        Some(String::from_utf8_lossy(&text).into_owned())
    } else {
        None
    };

    progress(Progress::Generating {
        functions: bodies(&module),
    });
    let start = Instant::now();
    let units = if split_first {
        hot_and_cold(&module, level, options.cold, options.threads)
    } else if options.threads > 1 && module.can_split() {
        balanced(&module, level, options.threads)
    } else {
        Vec::new()
    };
    let objects = if units.len() > 1 {
        in_units(module, &units, cpu, options.threads)?
    } else {
        if split_first {
            module.run_passes(level.pipeline(), Some(&level.machine(cpu)?))?;
        }
        vec![level.machine(cpu)?.emit(&mut module, FileType::Object)?]
    };
    timings.codegen = start.elapsed();
    Ok(Compiled {
        objects,
        entry,
        level,
        cpu: cpu.clone(),
        timings,
        ir,
        assembly,
    })
}

/// What one thread compiles at a time.
struct Unit {
    /// Functions this unit defines.
    functions: Vec<String>,
    /// Functions copied into it for inlining.
    copies: Vec<String>,
    level: Level,
    /// Whether the IR passes of the level are still to be run.
    optimise: bool,
    /// Whether the program's variables are defined here; true for exactly one unit.
    variables: bool,
}

/// Which functions go into which unit: the largest first, each into the unit that is smallest so far.
fn distribute(mut functions: Vec<(usize, String)>, units: usize) -> Vec<Vec<String>> {
    functions.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut bins = vec![(0, Vec::new()); units];
    for (size, name) in functions {
        if let Some(bin) = bins.iter_mut().min_by_key(|b| b.0) {
            bin.0 += size + 10; // what a function costs beside its instructions
            bin.1.push(name);
        }
    }
    bins.into_iter()
        .map(|b| b.1)
        .filter(|b| !b.is_empty())
        .collect()
}

/// An optimised program in units of about equal size.
fn balanced(module: &Module<'_>, level: Level, units: usize) -> Vec<Unit> {
    let sizes = module
        .functions()
        .iter()
        .filter(|f| !f.is_declaration())
        .map(|f| (f.instruction_count(), f.name()))
        .collect();
    let unit = |(i, functions)| Unit {
        functions,
        copies: Vec::new(),
        level,
        optimise: false,
        variables: i == 0,
    };
    distribute(sizes, units)
        .into_iter()
        .enumerate()
        .map(unit)
        .collect()
}

/// A program that is not yet optimised: hot functions in units of about equal size, the cold ones in one.
fn hot_and_cold(module: &Module<'_>, hot: Level, cold: Level, threads: usize) -> Vec<Unit> {
    let heat = heat::guess(module);
    let cold_unit = Unit {
        functions: heat.cold,
        copies: Vec::new(),
        level: cold,
        optimise: true,
        variables: true,
    };
    let hot_unit = |functions| Unit {
        functions,
        copies: heat.small.clone(),
        level: hot,
        optimise: true,
        variables: false,
    };
    // The hot ones first: they take longest.
    distribute(heat.hot, threads)
        .into_iter()
        .map(hot_unit)
        .chain([cold_unit])
        .collect()
}

fn set(names: &[String]) -> HashSet<&str> {
    names.iter().map(String::as_str).collect()
}

/// Compiles one unit of the program in `module`.
fn generate(mut module: Module<'_>, unit: &Unit, cpu: &Cpu) -> Result<Vec<u8>, Error> {
    module.keep_with_copies(&set(&unit.functions), &set(&unit.copies), unit.variables);
    let machine = unit.level.machine(cpu)?;
    if unit.optimise {
        module.run_passes("globaldce", None)?;
        module.run_passes(unit.level.pipeline(), Some(&machine))?;
    }
    module.run_passes("elim-avail-extern,globaldce", None)?;
    // Copies that were not inlined everywhere left internal helpers behind only if a pass made some; none may clash.
    Ok(machine.emit(&mut module, FileType::Object)?)
}

/// LLVM recurses deeply over large expressions; the usual 2 MiB are not enough for it.
fn compiler_thread() -> std::thread::Builder {
    std::thread::Builder::new()
        .name("compiler".into())
        .stack_size(8 << 20)
}

/// Compiles the units on several threads, each taking the next one that is left.
fn in_units(
    module: Module<'_>,
    units: &[Unit],
    cpu: &Cpu,
    threads: usize,
) -> Result<Vec<Vec<u8>>, Error> {
    let bitcode = module.to_bitcode();
    drop(module);
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Vec<u8>)>, Error> {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(unit) = units.get(index) else {
                return Ok(done);
            };
            let context = Context::new();
            let module = Module::from_bitcode(&context, &format!("unit{index}"), &bitcode)?;
            done.push((index, generate(module, unit, cpu)?));
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(units.len()))
            // Without a thread its units are done by the others.
            .filter_map(|_| compiler_thread().spawn_scoped(scope, work).ok())
            .collect();
        let mut objects = work()?;
        for other in others {
            let failed = || Error::Thread {
                message: "code generation panicked".into(),
            };
            objects.extend(other.join().map_err(|_| failed())??);
        }
        objects.sort_by_key(|(index, _)| *index);
        Ok(objects.into_iter().map(|(_, object)| object).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_balanced_and_complete() {
        let functions: Vec<_> = (0..50).map(|i| (i * i, format!("f{i}"))).collect();
        let total: usize = functions.iter().map(|f| f.0).sum();
        let units = distribute(functions, 2);
        assert_eq!(units.iter().map(Vec::len).sum::<usize>(), 50);
        let first: usize = units[0]
            .iter()
            .map(|n| n[1..].parse::<usize>().unwrap())
            .map(|i| i * i)
            .sum();
        assert!(first.abs_diff(total / 2) < total / 10);
        assert_eq!(distribute(vec![(1, "f".into())], 4).len(), 1);
    }

    #[test]
    fn levels_are_read_as_people_write_them() {
        assert_eq!("O2".parse(), Ok(Level::O2));
        assert_eq!("-O3".parse(), Ok(Level::O3));
        assert_eq!("0".parse(), Ok(Level::O0));
        assert!("O4".parse::<Level>().is_err());
        assert!("".parse::<Level>().is_err());
    }
}
