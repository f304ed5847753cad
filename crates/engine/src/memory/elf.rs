//! Reads one relocatable ELF object: sections that will be in memory, symbols.
//!
//! What comes out has passed: the machine, alignments, section contents inside the file, symbols inside their sections.
//! Relocations are checked where they are used. Sections for unwinding and notes are left out; those for debugging are
//! listed apart.
//!
//! Source: System V ABI, AMD64 supplement 1.0, chapter 4.

use super::MemoryError;
use super::pages::PAGE;
use addr2line::gimli::SectionId;
use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, Rela64, SectionHeader64, Sym64};
use object::read::elf::{FileHeader, Rela, SectionHeader, Sym, SymbolTable};
use object::{ReadRef, SectionIndex, SymbolIndex};

/// What a section's pages allow, in the order in which sections are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Code.
    Text,
    /// Read only, some of it after relocation.
    Constant,
    /// Writable.
    Data,
}

/// A section that will be in memory.
#[derive(Debug)]
pub(super) struct Section<'d> {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Contents; empty for zeroed sections.
    pub(super) data: &'d [u8],
    /// Size in memory, bytes.
    pub(super) size: usize,
    pub(super) align: usize,
    pub(super) relocations: &'d [Rela64<LE>],
}

/// A section of debug information.
#[derive(Debug)]
pub(super) struct DebugSection<'d> {
    pub(super) id: SectionId,
    pub(super) data: &'d [u8],
    pub(super) relocations: &'d [Rela64<LE>],
}

/// Where a symbol is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Offset in one of [`Object::sections`].
    Section(usize, usize),
    /// A number.
    Absolute(usize),
    /// Elsewhere; null if nobody has it.
    Weak,
    /// Elsewhere.
    Undefined,
    /// In a section that is left out.
    LeftOut,
}

/// A symbol.
#[derive(Debug)]
pub(super) struct ElfSymbol {
    /// The section's name for symbols that stand for sections.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) size: usize,
    pub(super) is_function: bool,
    /// Stands for a section.
    pub(super) is_section: bool,
    /// Visible to other objects.
    pub(super) is_global: bool,
}

/// A readable object.
#[derive(Debug)]
pub(super) struct Object<'d> {
    pub(super) sections: Vec<Section<'d>>,
    /// What tells source lines.
    pub(super) debug: Vec<DebugSection<'d>>,
    /// By number; number 0 is the null symbol.
    pub(super) symbols: Vec<ElfSymbol>,
}

fn unreadable(error: object::Error) -> MemoryError {
    MemoryError::Object {
        message: error.to_string(),
    }
}

/// Type, symbol number and so on of a relocation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relocation {
    pub(super) offset: u64,
    pub(super) kind: u32,
    pub(super) symbol: usize,
    pub(super) addend: i64,
}

impl From<&Rela64<LE>> for Relocation {
    fn from(rela: &Rela64<LE>) -> Self {
        Relocation {
            offset: rela.r_offset(LE),
            kind: rela.r_type(LE, false).0,
            symbol: rela.r_sym(LE, false) as usize,
            addend: rela.r_addend(LE),
        }
    }
}

/// Decides what becomes of a section; `None` leaves it out.
fn kind(name: &str, header: &SectionHeader64<LE>) -> Result<Option<Kind>, MemoryError> {
    let refused = |reason| MemoryError::Section {
        section: name.to_owned(),
        reason,
    };
    let flags = header.sh_flags(LE);
    let has = |flag: elf::SectionFlags| flags.0 & flag.0 != 0;
    if !has(elf::SHF_ALLOC) {
        return Ok(None);
    }
    let unused = [".eh_frame", ".note", ".gcc_except_table"];
    if unused.iter().any(|u| name.starts_with(u)) || header.sh_type(LE) == elf::SHT_NOTE {
        return Ok(None);
    }
    if has(elf::SHF_TLS) {
        return Err(refused("thread-local variables have no place in a unit"));
    }
    if has(elf::SHF_COMPRESSED) {
        return Err(refused("it is compressed"));
    }
    // The lists of older objects are plain contents.
    if [".ctors", ".dtors", ".init", ".fini"]
        .iter()
        .any(|l| name.starts_with(l))
    {
        return Err(refused("nothing would call the functions it lists"));
    }
    match header.sh_type(LE) {
        elf::SHT_PROGBITS | elf::SHT_NOBITS => {}
        _ => return Err(refused("its type is neither contents nor zeroes")),
    }
    match (has(elf::SHF_EXECINSTR), has(elf::SHF_WRITE)) {
        (true, true) => Err(refused("it is writable and executable")),
        (true, false) => Ok(Some(Kind::Text)),
        // Written by the linker only.
        (false, true) if name.starts_with(".data.rel.ro") => Ok(Some(Kind::Constant)),
        (false, true) => Ok(Some(Kind::Data)),
        (false, false) => Ok(Some(Kind::Constant)),
    }
}

/// The kind of debug information in a section that is not in memory. What is packed is not read.
fn debug_kind(name: &str, header: &SectionHeader64<LE>) -> Option<SectionId> {
    const READ: [SectionId; 12] = [
        SectionId::DebugAbbrev,
        SectionId::DebugAddr,
        SectionId::DebugAranges,
        SectionId::DebugInfo,
        SectionId::DebugLine,
        SectionId::DebugLineStr,
        SectionId::DebugLoc,
        SectionId::DebugLocLists,
        SectionId::DebugRanges,
        SectionId::DebugRngLists,
        SectionId::DebugStr,
        SectionId::DebugStrOffsets,
    ];
    let left_out = elf::SHF_ALLOC.0 | elf::SHF_COMPRESSED.0;
    if header.sh_flags(LE).0 & left_out != 0 || header.sh_type(LE) != elf::SHT_PROGBITS {
        return None;
    }
    READ.into_iter().find(|id| id.name() == name)
}

/// Size and alignment of a section as this machine's numbers.
fn extent(name: &str, header: &SectionHeader64<LE>) -> Result<(usize, usize), MemoryError> {
    let refused = |reason| MemoryError::Section {
        section: name.to_owned(),
        reason,
    };
    let align = header.sh_addralign(LE).max(1);
    if !align.is_power_of_two() || align > PAGE as u64 {
        return Err(refused("its alignment is not a power of two up to a page"));
    }
    // Far below what would overflow when sections are added up.
    let size = u32::try_from(header.sh_size(LE)).map_err(|_| refused("it has 4 GiB or more"))?;
    Ok((size as usize, align as usize))
}

/// Checks that the bytes are a relocatable x86-64 ELF object.
fn header(data: &[u8]) -> Result<&FileHeader64<LE>, MemoryError> {
    let wrong = |found: String| Err(MemoryError::Kind { found });
    match data {
        [0x7f, b'E', b'L', b'F', 2, 1, ..] => {}
        [0x7f, b'E', b'L', b'F', ..] => return wrong("an ELF file of another class".into()),
        _ => return wrong("no ELF file".into()),
    }
    let header = FileHeader64::<LE>::parse(data).map_err(unreadable)?;
    let (machine, file_type) = (header.e_machine(LE), header.e_type(LE));
    if machine != elf::EM_X86_64 {
        return wrong(format!("an ELF file for machine {}", machine.0));
    }
    if file_type != elf::ET_REL {
        return wrong(format!("an ELF file of type {}", file_type.0));
    }
    Ok(header)
}

impl<'d> Object<'d> {
    /// Reads an object. The bytes start at a multiple of 8.
    ///
    /// # Errors
    /// [`MemoryError::Kind`], [`MemoryError::Object`], [`MemoryError::Section`], [`MemoryError::Symbol`].
    pub(super) fn parse(data: &'d [u8]) -> Result<Self, MemoryError> {
        let header = header(data)?;
        let table = header.sections(LE, data).map_err(unreadable)?;
        let mut sections = Vec::new();
        let mut debug: Vec<DebugSection<'d>> = Vec::new();
        // Place in `debug` by number of the section in the file.
        let mut debug_places = vec![None; table.len()];
        // Place in `sections` by number of the section in the file.
        let mut places = vec![None; table.len()];
        for (index, section) in table.enumerate() {
            if index.0 == 0 {
                continue;
            }
            let name = table.section_name(LE, section).map_err(unreadable)?;
            let name = String::from_utf8_lossy(name).into_owned();
            if let (Some(id), Some(place)) =
                (debug_kind(&name, section), debug_places.get_mut(index.0))
            {
                *place = Some(debug.len());
                debug.push(DebugSection {
                    id,
                    data: section.data(LE, data).map_err(unreadable)?,
                    relocations: &[],
                });
            }
            let Some(kind) = kind(&name, section)? else {
                continue;
            };
            let (size, align) = extent(&name, section)?;
            if let Some(place) = places.get_mut(index.0) {
                *place = Some(sections.len());
            }
            sections.push(Section {
                name,
                kind,
                data: section.data(LE, data).map_err(unreadable)?,
                size,
                align,
                relocations: &[],
            });
        }
        for section in table.iter() {
            let about = section.sh_info(LE) as usize;
            if let Some(&Some(place)) = debug_places.get(about)
                && section.sh_type(LE) == elf::SHT_RELA
                && let Some((relocations, _)) = section.rela(LE, data).map_err(unreadable)?
            {
                debug[place].relocations = relocations;
            }
            let target = places.get(section.sh_info(LE) as usize).copied().flatten();
            let (Some(target), elf::SHT_REL | elf::SHT_RELA) = (target, section.sh_type(LE)) else {
                continue;
            };
            let target = &mut sections[target];
            let refused = |reason| MemoryError::Section {
                section: target.name.clone(),
                reason,
            };
            let Some((relocations, _)) = section.rela(LE, data).map_err(unreadable)? else {
                return Err(refused("its relocations have no addends"));
            };
            if !target.relocations.is_empty() {
                return Err(refused("it has two tables of relocations"));
            }
            target.relocations = relocations;
        }
        let symbols = table
            .symbols(LE, data, elf::SHT_SYMTAB)
            .map_err(unreadable)?;
        let symbols = symbols
            .enumerate()
            .map(|(index, symbol)| read_symbol(&symbols, index, symbol, &sections, &places))
            .collect::<Result<_, _>>()?;
        Ok(Object {
            sections,
            debug,
            symbols,
        })
    }
}

fn read_symbol<'d, R: ReadRef<'d>>(
    table: &SymbolTable<'d, FileHeader64<LE>, R>,
    index: SymbolIndex,
    symbol: &Sym64<LE>,
    sections: &[Section<'_>],
    places: &[Option<usize>],
) -> Result<ElfSymbol, MemoryError> {
    let refused = |symbol: String, reason| Err(MemoryError::Symbol { symbol, reason });
    let name = table.symbol_name(LE, symbol).map_err(unreadable)?;
    let Ok(name) = str::from_utf8(name) else {
        return refused(format!("number {}", index.0), "its name is not UTF-8");
    };
    let mut name = name.to_owned();
    let (value, size) = (symbol.st_value(LE) as usize, symbol.st_size(LE) as usize);
    let section = table
        .symbol_section(LE, symbol, index)
        .map_err(unreadable)?;
    let place = match (section, symbol.st_shndx(LE)) {
        (Some(SectionIndex(number)), _) => match places.get(number) {
            None => return refused(name, "it is in a section the object does not have"),
            Some(None) => Place::LeftOut,
            Some(&Some(place)) => {
                let bytes = sections[place].size;
                if value.checked_add(size).is_none_or(|end| end > bytes) {
                    return refused(name, "it lies outside its section");
                }
                Place::Section(place, value)
            }
        },
        (None, elf::SHN_ABS) => Place::Absolute(value),
        (None, elf::SHN_UNDEF) if index.0 == 0 => Place::Absolute(0),
        (None, elf::SHN_UNDEF) if symbol.is_weak() => Place::Weak,
        (None, elf::SHN_UNDEF) => Place::Undefined,
        (None, elf::SHN_COMMON) => {
            return refused(
                name,
                "it is a common symbol; compile with definitions of their own (-fno-common)",
            );
        }
        (None, _) => return refused(name, "it is in a reserved section"),
    };
    let is_section = symbol.st_type() == elf::STT_SECTION;
    if let (true, Place::Section(section, _)) = (is_section, place) {
        name = sections[section].name.clone();
    }
    Ok(ElfSymbol {
        name,
        place,
        size,
        is_function: symbol.st_type() == elf::STT_FUNC,
        is_section,
        is_global: !symbol.is_local(),
    })
}
