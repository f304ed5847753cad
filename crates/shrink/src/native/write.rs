//! Contents with their relocations applied, and the headers.

use super::place::{HEADERS, Layout, Range, SEGMENTS, key, wants_got};
use super::read::{Input, Relocation, Section, Target};
use super::{Error, IMAGE_BASE, Linked};
use object::elf;

/// The bytes of the file, and where they are in memory.
struct Image {
    bytes: Vec<u8>,
}

impl Image {
    /// The bytes of `address..address + len`, if the file has them.
    fn at(&mut self, address: u64, len: usize) -> Option<&mut [u8]> {
        let start = usize::try_from(address.checked_sub(IMAGE_BASE)?).ok()?;
        self.bytes.get_mut(start..start.checked_add(len)?)
    }

    fn put(&mut self, address: u64, content: &[u8]) -> Option<()> {
        self.at(address, content.len())?.copy_from_slice(content);
        Some(())
    }
}

struct Linker<'l, 'a> {
    input: &'l Input<'a>,
    layout: &'l Layout,
}

impl Linker<'_, '_> {
    fn unsupported(&self, section: &Section<'_>, what: String) -> Error {
        Error::Unsupported {
            object: section.object,
            section: section.name.clone(),
            what,
        }
    }

    /// The address of what is meant; `section` is where it is meant.
    fn address(&self, section: &Section<'_>, target: &Target) -> Result<u64, Error> {
        if let Some(place) = self.input.target(target) {
            let start = self.layout.addresses[place.section].ok_or_else(|| {
                self.unsupported(section, "it refers to a section that was left out".into())
            })?;
            return Ok(start + place.offset);
        }
        let Target::Symbol(name) = target else {
            return Err(self.unsupported(section, "a place that does not exist".into()));
        };
        let code = &self.layout.ranges[1];
        let (names, table) = (self.layout.names.0, self.layout.names.1.len() as u64);
        let (lines, line_table) = (self.layout.lines.0, self.layout.lines.1.len() as u64);
        match name.as_str() {
            "bareflow_code" => Ok(code.address),
            "bareflow_code_end" => Ok(code.address + code.memory_bytes),
            "bareflow_lines" => Ok(lines),
            "bareflow_lines_end" => Ok(lines + line_table),
            "bareflow_names" => Ok(names),
            "bareflow_names_end" => Ok(names + table),
            _ => Err(Error::Undefined {
                symbol: name.clone(),
                section: section.name.clone(),
            }),
        }
    }

    /// The entry of the table of addresses for what is meant, and what goes there.
    fn entry(&self, section: &Section<'_>, target: &Target) -> Result<(u64, u64), Error> {
        let address = self.address(section, target)?;
        let (table, entries) = &self.layout.got;
        let index = entries.get(&key(self.input, target)).ok_or_else(|| {
            self.unsupported(section, "an address is missing in the table".into())
        })?;
        Ok((table + index * 8, address))
    }

    fn relocate(
        &self,
        image: &mut Image,
        section: &Section<'_>,
        start: u64,
        relocation: &Relocation,
    ) -> Result<(), Error> {
        let kind = elf::RelocationType(relocation.kind);
        let is_relative = wants_got(relocation.kind)
            || [elf::R_X86_64_PC32, elf::R_X86_64_PLT32, elf::R_X86_64_PC64].contains(&kind);
        let width = match kind {
            elf::R_X86_64_NONE => return Ok(()),
            elf::R_X86_64_64 | elf::R_X86_64_PC64 => 8,
            elf::R_X86_64_32 | elf::R_X86_64_32S => 4,
            _ if is_relative => 4,
            _ => {
                return Err(
                    self.unsupported(section, format!("relocation of type {}", relocation.kind))
                );
            }
        };
        if relocation
            .offset
            .checked_add(width)
            .is_none_or(|end| end > section.content.len() as u64)
        {
            return Err(self.unsupported(
                section,
                format!("a relocation outside of it, at {:#x}", relocation.offset),
            ));
        }
        let place = start + relocation.offset;
        let outside = || self.unsupported(section, "it lies outside of the file".into());
        let target = match wants_got(relocation.kind) {
            true => {
                let (entry, content) = self.entry(section, &relocation.target)?;
                image
                    .put(entry, &content.to_le_bytes())
                    .ok_or_else(outside)?;
                entry
            }
            false => self.address(section, &relocation.target)?,
        };
        let value = (target as i64).wrapping_add(relocation.addend);
        let value = match is_relative {
            true => value.wrapping_sub(place as i64),
            false => value,
        };
        let fits = match (width, kind) {
            (8, _) => true,
            (_, elf::R_X86_64_32) => u32::try_from(value).is_ok(),
            _ => i32::try_from(value).is_ok(),
        };
        if !fits {
            return Err(Error::Overflow {
                object: section.object,
                section: section.name.clone(),
                offset: relocation.offset,
                kind: relocation.kind,
                value,
            });
        }
        let bytes = value.to_le_bytes();
        image
            .put(place, &bytes[..width as usize])
            .ok_or_else(outside)
    }
}

/// The five program headers.
fn program_headers(layout: &Layout) -> Vec<u8> {
    const LOAD: u32 = elf::PT_LOAD.0;
    const READ: u32 = elf::PF_R.0;
    let mut out = Vec::new();
    let mut header = |kind: u32, flags: u32, range: &Range, align: u64| {
        let offset = range.address.saturating_sub(IMAGE_BASE);
        out.extend(kind.to_le_bytes());
        out.extend(flags.to_le_bytes());
        for word in [
            offset,
            range.address,
            range.address,
            range.file_bytes,
            range.memory_bytes,
            align,
        ] {
            out.extend(word.to_le_bytes());
        }
    };
    let [constants, code, data] = &layout.ranges;
    header(LOAD, READ, constants, super::PAGE);
    header(LOAD, READ | elf::PF_X.0, code, super::PAGE);
    // A segment of nothing is none.
    let kind = if data.memory_bytes == 0 {
        elf::PT_NULL.0
    } else {
        LOAD
    };
    header(kind, READ | elf::PF_W.0, data, super::PAGE);
    let bytes = layout.note.1.len() as u64;
    let note = Range {
        address: layout.note.0,
        file_bytes: bytes,
        memory_bytes: bytes,
    };
    header(elf::PT_NOTE.0, READ, &note, 4);
    header(
        elf::PT_GNU_STACK.0,
        READ | elf::PF_W.0,
        &Range::default(),
        16,
    );
    out
}

fn file_header(entry: u64) -> Vec<u8> {
    let mut out = vec![0x7F, b'E', b'L', b'F', 2, 1, 1, 0];
    out.resize(16, 0);
    out.extend(elf::ET_EXEC.0.to_le_bytes());
    out.extend(elf::EM_X86_64.0.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    for word in [entry, 64, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    for half in [64u16, 56, SEGMENTS as u16, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    out
}

/// Writes the program.
///
/// # Errors
/// A symbol that is nowhere, a relocation that is unknown or does not fit.
pub fn write(input: &Input<'_>, layout: &Layout, entry: &str) -> Result<Linked, Error> {
    let linker = Linker { input, layout };
    let end = layout
        .ranges
        .iter()
        .map(|r| r.address + r.file_bytes)
        .max()
        .unwrap_or(IMAGE_BASE);
    let mut image = Image {
        bytes: vec![0; (end - IMAGE_BASE) as usize],
    };
    let outside =
        |section: &Section<'_>| linker.unsupported(section, "it lies outside of the file".into());
    for (section, address) in input.sections.iter().zip(&layout.addresses) {
        let Some(start) = *address else { continue };
        // Zeroes have no place in the file: they may start behind its end.
        if !section.content.is_empty() {
            image
                .put(start, section.content)
                .ok_or_else(|| outside(section))?;
        }
        for relocation in &section.relocations {
            linker.relocate(&mut image, section, start, relocation)?;
        }
    }
    let no_entry = || Error::NoEntry {
        entry: entry.to_owned(),
    };
    let place = input.symbol(entry).ok_or_else(no_entry)?;
    let entry_at = layout.addresses[place.section].ok_or_else(no_entry)? + place.offset;
    let parts = [
        (IMAGE_BASE, file_header(entry_at)),
        (IMAGE_BASE + 64, program_headers(layout)),
        (layout.note.0, layout.note.1.clone()),
        (layout.names.0, layout.names.1.clone()),
        (layout.lines.0, layout.lines.1.clone()),
    ];
    debug_assert_eq!(parts[0].1.len() as u64 + parts[1].1.len() as u64, HEADERS);
    for (address, content) in parts {
        image.put(address, &content).ok_or_else(no_entry)?;
    }
    Ok(Linked {
        elf: image.bytes,
        bytes: layout.ranges.map(|r| r.file_bytes),
        zeroed_bytes: layout.ranges[2].memory_bytes - layout.ranges[2].file_bytes,
        functions: layout.functions,
        line_bytes: layout.lines.1.len(),
    })
}
