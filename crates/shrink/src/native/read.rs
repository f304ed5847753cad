//! Reading objects: sections that are loaded, symbols, relocations.

use super::Error;
use object::read::elf::{ElfFile64, FileHeader};
use object::{
    LittleEndian, Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget,
    SectionFlags, SymbolKind, SymbolSection, elf,
};
use std::collections::HashMap;

/// Largest alignment of a section: sections are placed in pages.
const MAX_ALIGN: u64 = super::PAGE;
/// Largest section without content.
const MAX_ZEROED: u64 = 1 << 32;

/// Symbols the linker defines.
pub const DEFINED: [&str; 6] = [
    "bareflow_code",
    "bareflow_code_end",
    "bareflow_lines",
    "bareflow_lines_end",
    "bareflow_names",
    "bareflow_names_end",
];

/// What a section becomes part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Read only.
    Constant,
    /// Read and execute.
    Code,
    /// Read and write.
    Data,
    /// Read and write, zero at first.
    Zeroed,
}

/// A section that is loaded.
pub struct Section<'a> {
    /// Which object it is from.
    pub object: usize,
    /// Its name.
    pub name: String,
    /// What it becomes.
    pub kind: Kind,
    /// Its content; empty where `kind` is zeroed.
    pub content: &'a [u8],
    /// Bytes in memory.
    pub size: u64,
    /// Alignment in bytes: a power of two, at most a page.
    pub align: u64,
    /// Where its content refers to something.
    pub relocations: Vec<Relocation>,
    /// Functions in it: offset and name, in ascending order.
    pub functions: Vec<(u64, String)>,
}

/// A section of debug information.
pub struct DebugSection<'a> {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: &'a [u8],
    /// Where its content refers to something: a place in the program, or in a section of debug information, whose address
    /// is 0.
    pub relocations: Vec<(u64, u32, Option<Place>, i64)>,
}

/// A reference.
pub struct Relocation {
    /// Where, from the start of the section.
    pub offset: u64,
    /// ELF's type.
    pub kind: u32,
    /// To what.
    pub target: Target,
    /// Added to the target's address.
    pub addend: i64,
}

/// What a relocation refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A place in a section of [`Input`].
    Place(Place),
    /// A symbol, by name.
    Symbol(String),
}

/// An address before there are addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Index of the section.
    pub section: usize,
    /// Offset in it.
    pub offset: u64,
}

/// A definition that other objects can see.
#[derive(Clone, Copy)]
struct Definition {
    place: Place,
    object: usize,
    is_weak: bool,
}

/// All objects.
pub struct Input<'a> {
    /// Sections of all of them.
    pub sections: Vec<Section<'a>>,
    /// By object: what tells source lines.
    pub debug: Vec<Vec<DebugSection<'a>>>,
    symbols: HashMap<String, Definition>,
}

impl Input<'_> {
    /// Where a symbol is defined.
    pub fn symbol(&self, name: &str) -> Option<Place> {
        self.symbols.get(name).map(|d| d.place)
    }

    /// Where a relocation points; `None` for symbols that the linker defines or nobody does.
    pub fn target(&self, target: &Target) -> Option<Place> {
        match target {
            Target::Place(place) => Some(*place),
            Target::Symbol(name) => self.symbol(name),
        }
    }

    /// Symbols that are used and not defined.
    pub fn undefined(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .sections
            .iter()
            .flat_map(|s| &s.relocations)
            .filter_map(|r| match &r.target {
                Target::Symbol(name) if !self.symbols.contains_key(name) => Some(name.clone()),
                _ => None,
            })
            .filter(|name| !DEFINED.contains(&name.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Sections that nobody needs at run time, though they are marked as loaded.
fn is_dropped(name: &str) -> bool {
    name.starts_with(".eh_frame")
        || name.starts_with(".note")
        || name.starts_with(".gcc_except_table")
}

fn kind_of(
    object: usize,
    name: &str,
    flags: elf::SectionFlags,
    section_type: elf::SectionType,
) -> Result<Kind, Error> {
    let unsupported = |what: &str| Error::Unsupported {
        object,
        section: name.to_owned(),
        what: what.to_owned(),
    };
    if flags.contains(elf::SHF_TLS) {
        return Err(unsupported("thread-local storage is not supported"));
    }
    let (write, execute) = (
        flags.contains(elf::SHF_WRITE),
        flags.contains(elf::SHF_EXECINSTR),
    );
    match (write, execute) {
        (true, true) => Err(unsupported("it is writable and executable")),
        (false, true) => Ok(Kind::Code),
        (false, false) => Ok(Kind::Constant),
        // Addresses are known when it is linked: nothing is left to be written.
        (true, false) if name.starts_with(".data.rel.ro") => Ok(Kind::Constant),
        (true, false) if section_type == elf::SHT_NOBITS => Ok(Kind::Zeroed),
        (true, false) => Ok(Kind::Data),
    }
}

/// Reads one object, whose sections go to the end of `input`.
fn read_object<'a>(input: &mut Input<'a>, object: usize, bytes: &'a [u8]) -> Result<(), Error> {
    let failed = |e: &dyn std::fmt::Display| Error::Object {
        object,
        message: e.to_string(),
    };
    let file = ElfFile64::<LittleEndian>::parse(bytes).map_err(|e| failed(&e))?;
    let endian = LittleEndian;
    let header = file.elf_header();
    if header.e_type(endian) != elf::ET_REL || header.e_machine(endian) != elf::EM_X86_64 {
        return Err(failed(&"it is no relocatable object for x86-64"));
    }
    // Sections first: symbols and relocations refer to them.
    let mut index_of = HashMap::new();
    for section in file.sections() {
        let SectionFlags::Elf { sh_type, sh_flags } = section.flags() else {
            continue;
        };
        let name = section.name().map_err(|e| failed(&e))?.to_owned();
        if !sh_flags.contains(elf::SHF_ALLOC) || is_dropped(&name) {
            continue;
        }
        let kind = kind_of(object, &name, sh_flags, sh_type)?;
        let unsupported = |what: String| Error::Unsupported {
            object,
            section: name.clone(),
            what,
        };
        let align = section.align().max(1);
        if !align.is_power_of_two() || align > MAX_ALIGN {
            return Err(unsupported(format!(
                "alignment {align}, expected a power of two of at most {MAX_ALIGN}"
            )));
        }
        let content = match sh_type == elf::SHT_NOBITS {
            true => &[][..],
            false => section.data().map_err(|e| failed(&e))?,
        };
        let size = section.size();
        if kind == Kind::Zeroed && size > MAX_ZEROED {
            return Err(unsupported(format!("{size} bytes, at most {MAX_ZEROED}")));
        }
        if kind != Kind::Zeroed && content.len() as u64 != size {
            return Err(unsupported(format!(
                "{} bytes of content, its header says {size}",
                content.len()
            )));
        }
        index_of.insert(section.index(), input.sections.len());
        input.sections.push(Section {
            object,
            name,
            kind,
            content,
            size,
            align,
            relocations: Vec::new(),
            functions: Vec::new(),
        });
    }
    read_symbols(input, object, &file, &index_of)?;
    read_relocations(input, object, &file, &index_of)?;
    input.debug.push(read_debug(&file, &index_of));
    Ok(())
}

/// The debug information of an object. What of it cannot be read is left out: lines are then missing or wrong, and nothing
/// else.
fn read_debug<'a>(
    file: &ElfFile64<'a, LittleEndian>,
    index_of: &Sections,
) -> Vec<DebugSection<'a>> {
    let mut debug = Vec::new();
    for section in file.sections() {
        let (Ok(name), Ok(content)) = (section.name(), section.data()) else {
            continue;
        };
        if !name.starts_with(".debug_") || index_of.contains_key(&section.index()) {
            continue;
        }
        let mut relocations = Vec::new();
        for (offset, relocation) in section.relocations() {
            let (RelocationFlags::Elf { r_type }, RelocationTarget::Symbol(index)) =
                (relocation.flags(), relocation.target())
            else {
                continue;
            };
            let Ok(symbol) = file.symbol_by_index(index) else {
                continue;
            };
            let place = symbol
                .section_index()
                .and_then(|i| index_of.get(&i))
                .map(|section| Place {
                    section: *section,
                    offset: symbol.address(),
                });
            relocations.push((offset, r_type.0, place, relocation.addend()));
        }
        debug.push(DebugSection {
            name: name.to_owned(),
            content,
            relocations,
        });
    }
    debug
}

type Sections = HashMap<object::SectionIndex, usize>;

fn read_symbols(
    input: &mut Input<'_>,
    object: usize,
    file: &ElfFile64<'_, LittleEndian>,
    index_of: &Sections,
) -> Result<(), Error> {
    for symbol in file.symbols() {
        let Some(section) = symbol
            .section_index()
            .and_then(|i| index_of.get(&i).copied())
        else {
            if symbol.section() == SymbolSection::Common {
                return Err(Error::Unsupported {
                    object,
                    section: "COMMON".into(),
                    what: "common symbols are not supported; compile with -fno-common".into(),
                });
            }
            continue;
        };
        let name = symbol.name().map_err(|e| Error::Object {
            object,
            message: e.to_string(),
        })?;
        let offset = symbol.address();
        // A symbol at the very end is allowed: it stands for a limit.
        if offset > input.sections[section].size {
            return Err(Error::Unsupported {
                object,
                section: input.sections[section].name.clone(),
                what: format!("symbol {name} lies outside, at {offset:#x}"),
            });
        }
        if symbol.kind() == SymbolKind::Text && !name.is_empty() {
            let functions = &mut input.sections[section].functions;
            functions.push((offset, name.to_owned()));
        }
        if !symbol.is_global() || name.is_empty() {
            continue;
        }
        let new = Definition {
            place: Place { section, offset },
            object,
            is_weak: symbol.is_weak(),
        };
        match input.symbols.get(name) {
            Some(old) if !old.is_weak && !new.is_weak => {
                return Err(Error::Duplicate {
                    symbol: name.to_owned(),
                    first: old.object,
                    second: object,
                });
            }
            Some(old) if !old.is_weak || new.is_weak => {}
            _ => {
                input.symbols.insert(name.to_owned(), new);
            }
        }
    }
    for section in index_of.values() {
        input.sections[*section].functions.sort();
    }
    Ok(())
}

fn read_relocations(
    input: &mut Input<'_>,
    object: usize,
    file: &ElfFile64<'_, LittleEndian>,
    index_of: &Sections,
) -> Result<(), Error> {
    for section in file.sections() {
        let Some(&from) = index_of.get(&section.index()) else {
            continue;
        };
        let name = input.sections[from].name.clone();
        let unsupported = |what: String| Error::Unsupported {
            object,
            section: name.clone(),
            what,
        };
        for (offset, relocation) in section.relocations() {
            let RelocationFlags::Elf { r_type } = relocation.flags() else {
                return Err(unsupported("a relocation that is not ELF's".into()));
            };
            let target = match relocation.target() {
                RelocationTarget::Symbol(index) => {
                    let symbol = file.symbol_by_index(index).map_err(|e| Error::Object {
                        object,
                        message: e.to_string(),
                    })?;
                    let local = symbol.section_index().filter(|_| !symbol.is_global());
                    match local {
                        Some(index) => Target::Place(Place {
                            section: *index_of.get(&index).ok_or_else(|| {
                                unsupported("it refers to a section that is not loaded".into())
                            })?,
                            offset: symbol.address(),
                        }),
                        None => Target::Symbol(
                            symbol
                                .name()
                                .map_err(|e| Error::Object {
                                    object,
                                    message: e.to_string(),
                                })?
                                .to_owned(),
                        ),
                    }
                }
                _ => return Err(unsupported("a relocation without a symbol".into())),
            };
            input.sections[from].relocations.push(Relocation {
                offset,
                kind: r_type.0,
                target,
                addend: relocation.addend(),
            });
        }
    }
    Ok(())
}

/// Reads all objects.
pub fn read<'a>(objects: &[&'a [u8]]) -> Result<Input<'a>, Error> {
    let mut input = Input {
        sections: Vec::new(),
        debug: Vec::new(),
        symbols: HashMap::new(),
    };
    for (index, bytes) in objects.iter().enumerate() {
        read_object(&mut input, index, bytes)?;
    }
    Ok(input)
}
