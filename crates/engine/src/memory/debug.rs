//! Source lines of a unit: its object's debug information, kept beside the code and read when somebody asks.
//!
//! Nothing is parsed when a unit is linked: the sections are copied, and the addresses in them made those of the unit. A
//! unit of a program that was built without debug information has none and costs nothing.
//!
//! Source: DWARF 5, chapter 7.

use super::elf::{DebugSection, Object, Place, Relocation};
use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use object::elf;

/// One of the functions whose code is at an address: the innermost is what was inlined into the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFrame<'n> {
    /// Its name as the front end gave it: mangled where that says more.
    pub function: Option<&'n str>,
    /// Path of the source file.
    pub file: &'n str,
    /// Line in it, from 1 on.
    pub line: u32,
}

/// Sections of debug information with final addresses.
#[derive(Debug, Default)]
pub(crate) struct Debug {
    sections: Vec<(SectionId, Box<[u8]>)>,
}

/// Bytes before an address among which a line is looked for, where the code at the address itself has none.
const NEAR: u64 = 256;

impl Debug {
    /// Copies an object's debug information; `address` tells where a place in one of its sections came to lie.
    pub(super) fn new(object: &Object<'_>, address: impl Fn(usize, usize) -> usize) -> Self {
        let relocated = |section: &DebugSection<'_>| {
            let mut bytes: Box<[u8]> = section.data.into();
            for relocation in section.relocations {
                let relocation = Relocation::from(relocation);
                let Some(symbol) = object.symbols.get(relocation.symbol) else {
                    continue;
                };
                let value = match symbol.place {
                    Place::Section(section, offset) => address(section, offset) as u64,
                    // Another section of debug information: they stay apart, each from its own start.
                    Place::LeftOut => 0,
                    _ => continue,
                };
                let value = value.wrapping_add_signed(relocation.addend).to_le_bytes();
                let size = match relocation.kind {
                    kind if kind == elf::R_X86_64_64.0 => 8,
                    kind if kind == elf::R_X86_64_32.0 => 4,
                    _ => continue,
                };
                // What lies outside is the object's mistake; its lines are then wrong, and nothing else.
                let end = relocation.offset.saturating_add(size as u64) as usize;
                if let Some(place) = bytes.get_mut(relocation.offset as usize..end) {
                    place.copy_from_slice(&value[..size]);
                }
            }
            (section.id, bytes)
        };
        Debug {
            sections: object.debug.iter().map(relocated).collect(),
        }
    }

    /// The debug information of an object that another linker puts into memory; `address` tells where it put a function.
    /// The bytes start at a multiple of 8. What cannot be read tells no lines.
    pub(crate) fn of_object(object: &[u8], address: &dyn Fn(&str) -> Option<usize>) -> Self {
        let object = match Object::parse(object) {
            Ok(object) if !object.debug.is_empty() => object,
            _ => return Debug::default(),
        };
        // One function tells where its section is.
        let start = |section: usize| {
            let symbols = object.symbols.iter();
            let functions = symbols.filter(|s| s.is_function && s.is_global);
            functions
                .filter_map(|f| match f.place {
                    Place::Section(own, offset) if own == section => {
                        Some(address(&f.name)?.wrapping_sub(offset))
                    }
                    _ => None,
                })
                .next()
                .unwrap_or(0)
        };
        let starts: Vec<usize> = (0..object.sections.len()).map(start).collect();
        Debug::new(&object, |section, offset| {
            starts[section].wrapping_add(offset)
        })
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.sections.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Calls `visit` with the functions and lines of the code at `address`, innermost first; not at all if they are not
    /// known.
    pub(crate) fn frames(&self, address: usize, visit: &mut dyn FnMut(&[SourceFrame<'_>])) {
        if self.sections.is_empty() {
            return;
        }
        let find = |id: SectionId| {
            let section = self.sections.iter().find(|(known, _)| *known == id);
            let bytes = section.map_or(&[][..], |(_, bytes)| bytes);
            Ok::<_, addr2line::gimli::Error>(EndianSlice::new(bytes, LittleEndian))
        };
        let Ok(context) = Dwarf::load(find).and_then(Context::from_dwarf) else {
            return;
        };
        let address = address as u64;
        // Code that was merged or moved by the optimiser has no line: what stands before it is close.
        for near in 0..NEAR {
            let Ok(mut found) = context
                .find_frames(address.saturating_sub(near))
                .skip_all_loads()
            else {
                return;
            };
            let mut frames = Vec::new();
            while let Ok(Some(frame)) = found.next() {
                let (Some(file), line) = (
                    frame.location.as_ref().and_then(|l| l.file),
                    frame.location.as_ref().and_then(|l| l.line).unwrap_or(0),
                ) else {
                    continue;
                };
                let name = frame.function.and_then(|f| f.name.to_string().ok());
                frames.push(SourceFrame {
                    function: name,
                    file: file.trim_start_matches("./"),
                    line,
                });
            }
            if frames.first().is_some_and(|f| f.line != 0) {
                return visit(&frames);
            }
        }
    }
}
