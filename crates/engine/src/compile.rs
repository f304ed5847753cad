//! From the linked program to relocatable objects.
//!
//! The IR passes run over the whole program at once: the entry reaches everything, all else is internal, so inlining
//! crosses module borders and dead code goes first. Code generation takes more than half of the time and works
//! function by function: with several CPUs the optimised program is split into units of about equal size, each generated
//! on a thread with a context of its own. The split changes no code, only where functions lie.

use crate::{Cpu, Error, Program, Progress, Timings};
use llvm::{CodegenLevel, Context, FileType, Linkage, Module, TargetMachine};
use std::str::FromStr;
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
    fn pipeline(self) -> &'static str {
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
    /// Level for the whole program.
    pub level: Level,
    /// Threads for code generation, at least 1.
    pub threads: usize,
    /// Keep IR text and assembly of what was compiled.
    pub dump: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            level: Level::O2,
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
    let machine = options.level.machine(cpu)?;

    progress(Progress::Optimising {
        functions: bodies(&module),
    });
    let start = Instant::now();
    module.run_passes(options.level.pipeline(), Some(&machine))?;
    // Hidden instead of internal: units can refer to each other, and addresses of functions can be asked for.
    module.externalise("");
    timings.optimise = start.elapsed();

    let ir = options.dump.then(|| module.to_ir());
    let assembly = if options.dump {
        let text = machine.emit(&mut module.duplicate(), FileType::Assembly)?;
        Some(String::from_utf8_lossy(&text).into_owned())
    } else {
        None
    };

    progress(Progress::Generating {
        functions: bodies(&module),
    });
    let start = Instant::now();
    let objects = if options.threads > 1 && module.can_split() {
        in_units(module, options.level, cpu, options.threads)?
    } else {
        vec![machine.emit(&mut module, FileType::Object)?]
    };
    timings.codegen = start.elapsed();
    Ok(Compiled {
        objects,
        entry,
        level: options.level,
        cpu: cpu.clone(),
        timings,
        ir,
        assembly,
    })
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

/// Splits the program into units and generates code for them side by side. Variables live in the first unit.
fn in_units(
    module: Module<'_>,
    level: Level,
    cpu: &Cpu,
    units: usize,
) -> Result<Vec<Vec<u8>>, Error> {
    let sizes = module
        .functions()
        .iter()
        .filter(|f| !f.is_declaration() && f.linkage() != Linkage::AvailableExternally)
        .map(|f| (f.instruction_count(), f.name()))
        .collect();
    let units = distribute(sizes, units);
    if units.len() < 2 {
        let mut module = module;
        return Ok(vec![
            level.machine(cpu)?.emit(&mut module, FileType::Object)?,
        ]);
    }
    let bitcode = module.to_bitcode();
    let generate =
        |module: &mut Module<'_>, index: usize, keep: &[String]| -> Result<Vec<u8>, Error> {
            let keep: Vec<&str> = keep.iter().map(String::as_str).collect();
            module.keep_only(&keep, index == 0);
            module.run_passes("elim-avail-extern,globaldce", None)?;
            Ok(level.machine(cpu)?.emit(module, FileType::Object)?)
        };
    std::thread::scope(|scope| {
        let others: Vec<_> = units[1..]
            .iter()
            .enumerate()
            .map(|(i, keep)| {
                let (bitcode, generate) = (&bitcode, &generate);
                scope.spawn(move || {
                    let context = Context::new();
                    let mut module =
                        Module::from_bitcode(&context, &format!("unit{}", i + 1), bitcode)?;
                    generate(&mut module, i + 1, keep)
                })
            })
            .collect();
        let mut module = module;
        let mut objects = vec![generate(&mut module, 0, &units[0])?];
        drop(module);
        for other in others {
            objects.push(other.join().map_err(|_| Error::Thread {
                message: "code generation panicked".into(),
            })??);
        }
        Ok(objects)
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
