//! Relocations: which field refers to which atom.
//!
//! A field's bytes tell the address it refers to; which atom is meant is told by the symbol, or by the input's section if
//! there is none. Fields that refer to nothing that could move (thread-local offsets, places in their own atom) are left
//! out. What the linker made itself (`.got`, `.iplt`, `.rela.dyn`) has no relocations in the file; they follow from its form.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use formats::relink::{Atom, Field, Kind, Relocation};
use object::elf;
use object::read::RelocationFlags;
use object::{
    Object, ObjectSection, ObjectSymbol, RelocationTarget, SymbolFlags, SymbolKind, SymbolSection,
};

use super::Elf;
use super::atoms::containing;
use super::inputs::{Inputs, Local};
use super::map::Piece;
use super::unwind;

/// The loaded bytes of the linked file, by address.
pub struct Image<'a> {
    sections: Vec<(u64, &'a [u8])>,
}

impl<'a> Image<'a> {
    fn new(elf: &Elf<'a>) -> Result<Self> {
        let mut sections = Vec::new();
        for section in elf.sections().filter(|section| section.address() != 0) {
            sections.push((section.address(), section.data()?));
        }
        sections.retain(|(_, content)| !content.is_empty());
        sections.sort_unstable_by_key(|(address, _)| *address);
        Ok(Self { sections })
    }

    /// `bytes` bytes at `address`.
    pub fn at(&self, address: u64, bytes: usize) -> Result<&'a [u8]> {
        let index = self
            .sections
            .partition_point(|(start, _)| *start <= address);
        let found = index.checked_sub(1).and_then(|index| {
            let (start, content) = self.sections[index];
            let offset = (address - start) as usize;
            content.get(offset..offset.checked_add(bytes)?)
        });
        found.with_context(|| format!("no content at {address:#x}"))
    }

    /// The number in `bytes` bytes at `address`, not signed.
    pub fn number(&self, address: u64, bytes: usize) -> Result<u64> {
        let field = self.at(address, bytes)?;
        Ok(field.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    /// The signed 32-bit number at `address`.
    pub fn distance(&self, address: u64) -> Result<i64> {
        Ok(i64::from(self.number(address, 4)? as u32 as i32))
    }
}

/// What is collected.
struct Collector<'a> {
    image: Image<'a>,
    atoms: &'a [Atom],
    relocations: Vec<Relocation>,
}

impl Collector<'_> {
    /// The atom an address lies in.
    fn atom(&self, address: u64) -> Result<usize> {
        containing(self.atoms, address)
            .with_context(|| format!("the linker refers to {address:#x}, where nothing is"))
    }

    /// Adds a reference, unless it is one that never changes.
    fn add(&mut self, site: u64, field: Field, target: usize) -> Result<()> {
        let own = self.atom(site)?;
        let relative = field == Field::Relative32;
        let moves = |atom: usize| self.atoms[atom].kind.moves();
        let changes = match relative {
            true => own != target && (moves(own) || moves(target)),
            false => moves(target),
        };
        if changes {
            self.relocations.push(Relocation {
                site,
                field,
                target: u32::try_from(target)?,
            });
        }
        Ok(())
    }
}

/// All relocations, ascending by site.
pub fn collect(
    elf: &Elf,
    map: &[Piece],
    inputs: &Inputs,
    atoms: &[Atom],
) -> Result<Vec<Relocation>> {
    let mut collector = Collector {
        image: Image::new(elf)?,
        atoms,
        relocations: Vec::new(),
    };
    let locals = inputs.locals(map)?;
    let mut unexplained = Unexplained::default();
    for section in elf.sections().filter(|section| section.address() != 0) {
        for (site, relocation) in section.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else {
                continue;
            };
            let symbol = elf.symbol_by_index(index)?;
            let RelocationFlags::Elf { r_type } = relocation.flags() else {
                bail!("a relocation that is not of ELF at {site:#x}");
            };
            let reference = Reference {
                site,
                r_type,
                address: symbol.address(),
                addend: relocation.addend(),
                what: what(&symbol),
                is_end: symbol
                    .section_index()
                    .and_then(|index| elf.section_by_index(index).ok())
                    .is_some_and(|section| symbol.address() == section.address() + section.size()),
            };
            if let Err(error) = collector.linked(&reference, &locals) {
                let name = String::from_utf8_lossy(symbol.name_bytes().unwrap_or_default());
                unexplained.note(format!(
                    "at {site:#x}, type {:?}, symbol {name:?} {:+#x}: {error:#}",
                    reference.r_type, reference.addend
                ));
            }
        }
    }
    unexplained.check()?;
    collector.linkers_own(elf)?;
    let mut relocations = collector.relocations;
    relocations.sort_unstable_by_key(|relocation| relocation.site);
    for pair in relocations.windows(2) {
        ensure!(
            pair[0].site + pair[0].field.bytes() as u64 <= pair[1].site,
            "two relocations share bytes: {:x?} and {:x?}",
            pair[0],
            pair[1]
        );
    }
    Ok(relocations)
}

/// What a relocation names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// A symbol with an address of its own.
    Symbol,
    /// A place in an output section.
    Section,
    /// A function that is chosen when the program starts: reached through `.iplt`.
    Indirect,
    /// A weak symbol that nobody defines, or a number.
    Number,
}

fn what<'a>(symbol: &impl ObjectSymbol<'a>) -> What {
    let SymbolFlags::Elf { st_info, .. } = symbol.flags() else {
        return What::Symbol;
    };
    match () {
        () if symbol.kind() == SymbolKind::Section => What::Section,
        () if symbol.is_undefined() || symbol.section() == SymbolSection::Absolute => What::Number,
        () if st_info.0 & 15 == elf::STT_GNU_IFUNC.0 => What::Indirect,
        () => What::Symbol,
    }
}

/// A relocation as the linker wrote it.
struct Reference {
    site: u64,
    r_type: elf::RelocationType,
    address: u64,
    addend: i64,
    what: What,
    /// The symbol marks the end of its output section (`__rela_iplt_end`), not what comes behind.
    is_end: bool,
}

impl Collector<'_> {
    /// One relocation of the file.
    fn linked(&mut self, reference: &Reference, locals: &HashMap<u64, Local>) -> Result<()> {
        let site = reference.site;
        let named = reference.address.wrapping_add_signed(reference.addend);
        let (site, field) = match reference.r_type {
            elf::R_X86_64_NONE
            | elf::R_X86_64_TPOFF32
            | elf::R_X86_64_DTPOFF32
            | elf::R_X86_64_TLSGD
            | elf::R_X86_64_TLSLD => return Ok(()),
            elf::R_X86_64_GOTTPOFF => {
                // In a static program the offset itself is put into the instruction.
                let opcode = self.image.number(site - 2, 1)?;
                let offset = self.image.distance(site)?;
                ensure!(
                    matches!(opcode, 0xC7 | 0x81 | 0x8D) && (-0x10_0000..0).contains(&offset),
                    "a thread-local variable is reached through the table (opcode {opcode:#x})"
                );
                return Ok(());
            }
            elf::R_X86_64_64 => (site, Field::Absolute64),
            elf::R_X86_64_32 | elf::R_X86_64_32S => (site, Field::Absolute32),
            elf::R_X86_64_PC32 | elf::R_X86_64_PLT32 => (site, Field::Relative32),
            elf::R_X86_64_GOTPCREL | elf::R_X86_64_GOTPCRELX | elf::R_X86_64_REX_GOTPCRELX => {
                return self.through_table(reference, named.wrapping_add(4));
            }
            other => bail!("type {other:?} is not known here"),
        };
        // The address that the field's content stands for, where the linker took it for `named`.
        let written = match field {
            Field::Absolute64 => self.image.number(site, 8)?,
            Field::Absolute32 => self.image.distance(site)? as u64,
            Field::Relative32 => site.wrapping_add_signed(self.image.distance(site)?),
        };
        if reference.what != What::Indirect {
            ensure!(
                written == named,
                "the field says {written:#x}, the relocation {named:#x}"
            );
        }
        let target = match reference.what {
            What::Number => 0, // the first atom stays, as numbers do
            What::Indirect => {
                let bias = if field == Field::Relative32 { 4 } else { 0 };
                self.atom(written.wrapping_add(bias))?
            }
            What::Symbol => self.symbol(reference)?,
            What::Section => {
                let bias = if field == Field::Relative32 { 4 } else { 0 };
                match locals.get(&site) {
                    Some(local) if local.merged => self.atom(named.wrapping_add(bias))?,
                    // The section's start is where an atom starts, unless the linker made one atom of several.
                    Some(local) => {
                        let start = named.wrapping_add_signed(-local.addend);
                        let target = self.atom(start)?;
                        ensure!(
                            self.atoms[target].address == start || !self.is_cut(target),
                            "the input's section is at {start:#x}, inside of an atom"
                        );
                        target
                    }
                    // A global function that was folded into another one: its start is meant.
                    None => {
                        let start = named.wrapping_add(bias);
                        let target = self.atom(start)?;
                        ensure!(
                            self.atoms[target].address == start,
                            "no input has a relocation for this place"
                        );
                        target
                    }
                }
            }
        };
        self.add(site, field, target)
    }

    /// Whether an atom is one input section.
    fn is_cut(&self, atom: usize) -> bool {
        matches!(self.atoms[atom].kind, Kind::Text | Kind::Rodata | Kind::Bss)
    }

    /// The atom of a symbol.
    fn symbol(&self, reference: &Reference) -> Result<usize> {
        match (reference.is_end, reference.address.checked_sub(1)) {
            // An empty section has no atom; it lies among variables, which stay.
            (true, Some(before)) => self.atom(before).or(Ok(0)),
            _ => self.atom(reference.address),
        }
    }

    /// A reference to an entry of `.got`, which the linker may have turned into one to the symbol itself (psABI,
    /// "Optimize GOTPCRELX relocations").
    fn through_table(&mut self, reference: &Reference, symbol: u64) -> Result<()> {
        let site = reference.site;
        let before = self.image.at(site - 2, 2)?;
        let (site, field) = match before {
            // `jmp *f@GOTPCREL(%rip)` became `jmp f; nop`, one byte earlier.
            [0xE9, _] if self.image.number(site + 3, 1)? == 0x90 => (site - 1, Field::Relative32),
            // `mov`, `test` and arithmetic with the address as an immediate.
            [0xC7 | 0x81 | 0xF7, _] => (site, Field::Absolute32),
            _ => (site, Field::Relative32),
        };
        let written = match field {
            Field::Relative32 => (site + 4).wrapping_add_signed(self.image.distance(site)?),
            _ => self.image.distance(site)? as u64,
        };
        let target = match (written == symbol, reference.what) {
            (true, What::Number) => 0,
            (true, _) => self.symbol(reference)?,
            (false, _) => {
                // An entry of the table, or the stub of a function that is chosen at the start.
                let target = self.atom(written)?;
                ensure!(
                    matches!(self.atoms[target].kind, Kind::Fixed | Kind::Glue),
                    "the field says {written:#x}, neither the symbol {symbol:#x} nor a table"
                );
                target
            }
        };
        self.add(site, field, target)
    }

    /// What the linker made itself.
    fn linkers_own(&mut self, elf: &Elf) -> Result<()> {
        let section = |name: &str| {
            let section = elf.section_by_name(name);
            section.map_or((0, 0), |section| (section.address(), section.size()))
        };
        // Stubs: `jmp *entry(%rip)`, 16 bytes each.
        let (start, bytes) = section(".iplt");
        for stub in (start..start + bytes).step_by(16) {
            ensure!(
                self.image.at(stub, 2)? == [0xFF, 0x25],
                "the stub at {stub:#x} has an unknown form"
            );
            let entry = (stub + 6).wrapping_add_signed(self.image.distance(stub + 2)?);
            let target = self.atom(entry)?;
            self.add(stub + 2, Field::Relative32, target)?;
        }
        // Tables of addresses; entries that are none (thread-local offsets, zero) lie outside of the image.
        for name in [".got", ".got.plt"] {
            let (start, bytes) = section(name);
            for entry in (start..start + bytes).step_by(8) {
                let address = self.image.number(entry, 8)?;
                if let Ok(target) = self.atom(address) {
                    self.add(entry, Field::Absolute64, target)?;
                }
            }
        }
        // Functions that choose: `.rela.dyn` holds R_X86_64_IRELATIVE only.
        let (start, bytes) = section(".rela.dyn");
        for entry in (start..start + bytes).step_by(24) {
            let kind = self.image.number(entry + 8, 8)?;
            ensure!(
                kind == 37,
                "{start:#x} has a relocation of type {kind}, 37 (IRELATIVE) expected"
            );
            let target = self.atom(self.image.number(entry + 16, 8)?)?;
            self.add(entry + 16, Field::Absolute64, target)?;
        }
        let (start, bytes) = section(".eh_frame");
        for (site, field, address) in unwind::fields(&self.image, start, bytes)? {
            let target = self.atom(address)?;
            self.add(site, field, target)?;
        }
        // Where .eh_frame_hdr points to; its table is made anew by whoever moves it.
        let (start, _) = section(".eh_frame_hdr");
        if start != 0 {
            let frames = (start + 4).wrapping_add_signed(self.image.distance(start + 4)?);
            let target = self.atom(frames)?;
            self.add(start + 4, Field::Relative32, target)?;
        }
        Ok(())
    }
}

/// References that could not be understood.
#[derive(Default)]
struct Unexplained {
    count: usize,
    first: Vec<String>,
}

impl Unexplained {
    fn note(&mut self, text: String) {
        self.count += 1;
        if self.first.len() < 20 {
            self.first.push(text);
        }
    }

    fn check(&self) -> Result<()> {
        ensure!(
            self.count == 0,
            "{} relocations of the linked runtime are not understood:\n{}",
            self.count,
            self.first.join("\n")
        );
        Ok(())
    }
}
