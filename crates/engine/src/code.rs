//! Code memory: compiled units linked to the host's symbols, ready to be called.
//!
//! JITLink writes each unit into fresh read-write pages and gives every segment its final protection before an address
//! is given out: code becomes read-execute, constants read-only. No page is ever writable and executable.

use crate::memory::Debug;
use crate::symbols::Function;
use crate::{Compiled, Error, Level, SymbolTable, Timings};
use llvm::{Jit, SymbolKind};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind as ObjectKind};
use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

/// A function or variable of the runtime that guests may use.
#[derive(Debug, Clone, Copy)]
pub struct HostSymbol {
    /// Name in the guest's bitcode.
    pub name: &'static str,
    /// Where it is.
    pub address: usize,
    /// Code or data.
    pub kind: SymbolKind,
}

/// A program in memory. Dropping it frees the code.
pub struct Code {
    entry: usize,
    entry_name: String,
    symbols: SymbolTable,
    level: Level,
    timings: Timings,
    bytes: usize,
    _jit: Jit,
}

/// Functions of one object: section, offset in it, size, name.
type Functions = BTreeMap<usize, Vec<(u64, u64, String)>>;

fn parse(bytes: &[u8]) -> Result<object::File<'_>, Error> {
    object::File::parse(bytes).map_err(|e| Error::Object {
        message: e.to_string(),
    })
}

/// Names that the objects define for each other.
fn definitions(objects: &[Vec<u8>]) -> Result<HashSet<String>, Error> {
    let mut names = HashSet::new();
    for bytes in objects {
        let file = parse(bytes)?;
        let global = file
            .symbols()
            .filter(|s| s.is_global() && s.is_definition());
        names.extend(global.filter_map(|s| s.name().ok().map(str::to_owned)));
    }
    Ok(names)
}

fn functions_of(bytes: &[u8]) -> Result<(Functions, usize), Error> {
    let file = parse(bytes)?;
    let mut functions = Functions::new();
    for symbol in file
        .symbols()
        .filter(|s| s.kind() == ObjectKind::Text && s.is_definition())
    {
        if let (Some(section), Ok(name)) = (symbol.section_index(), symbol.name()) {
            let entry = (symbol.address(), symbol.size(), name.to_owned());
            functions.entry(section.0).or_default().push(entry);
        }
    }
    let size = file
        .sections()
        .filter(|s| s.kind() == object::SectionKind::Text)
        .map(|s| s.size())
        .sum::<u64>();
    Ok((functions, size as usize))
}

impl Code {
    /// Links the units with the host's symbols.
    pub fn link(compiled: Compiled, host: &[HostSymbol]) -> Result<Self, Error> {
        let start = Instant::now();
        let Compiled {
            objects,
            entry: entry_name,
            level,
            cpu,
            mut timings,
            ..
        } = compiled;
        let jit = Jit::new(level.machine(&cpu)?)?;
        // A program with a C library of its own defines some of what the host offers, such as `memmove`.
        let own = definitions(&objects)?;
        let absolute: Vec<_> = host
            .iter()
            .filter(|s| !own.contains(s.name))
            .map(|s| (s.name, s.address, s.kind))
            .collect();
        jit.define_absolute(&absolute)?;
        for (i, object) in objects.iter().enumerate() {
            jit.add_object(&format!("unit{i}"), object)?;
        }
        let entry = jit.lookup(&entry_name)?;

        // One lookup for each text section tells where all its functions are.
        let mut located = Vec::new();
        let mut debug = Vec::new();
        let mut bytes = 0;
        for (number, object) in objects.iter().enumerate() {
            let (sections, size) = functions_of(object)?;
            bytes += size;
            for functions in sections.into_values() {
                let Some((offset, _, name)) = functions.first() else {
                    continue;
                };
                let base = jit.lookup(name)?.wrapping_sub(*offset as usize);
                located.extend(functions.into_iter().map(|(offset, size, name)| {
                    let start = base.wrapping_add(offset as usize);
                    Function {
                        start,
                        end: start + size as usize,
                        name,
                        object: number,
                    }
                }));
            }
            debug.push(Debug::of_object(object, &|name| jit.lookup(name).ok()));
        }
        timings.load = start.elapsed();
        let symbols = SymbolTable::new(located).with_debug(debug);
        Ok(Code {
            entry,
            entry_name,
            symbols,
            level,
            timings,
            bytes,
            _jit: jit,
        })
    }

    /// Address of the entry function. Valid while `self` lives.
    pub fn entry(&self) -> usize {
        self.entry
    }

    /// Symbol of the entry function.
    pub fn entry_name(&self) -> &str {
        &self.entry_name
    }

    /// Names of addresses.
    pub fn symbols(&self) -> &SymbolTable {
        &self.symbols
    }

    /// Level everything was compiled at.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What it took.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Bytes of machine code.
    pub fn code_bytes(&self) -> usize {
        self.bytes
    }
}
