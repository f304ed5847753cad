//! The table of source lines that the fault handler reads (`formats::lines`), made of the objects' debug information.
//!
//! Source: DWARF 5, chapters 6.2 and 7.

use super::names::readable;
use super::read::{DebugSection, Input};
use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, Error, LittleEndian};
use formats::lines::{Frame, Writer};
use object::elf;
use std::collections::BTreeSet;
use std::ops::Range;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// The content of a section with addresses put in. Other sections of debug information stay apart, each from 0 on; so does
/// code that is not in the program, in front of all that is.
fn relocated(section: &DebugSection<'_>, addresses: &[Option<u64>]) -> Vec<u8> {
    let mut bytes = section.content.to_vec();
    for (offset, kind, place, addend) in &section.relocations {
        let base = match place {
            Some(place) => addresses[place.section].map_or(0, |start| start + place.offset),
            None => 0,
        };
        let value = base.wrapping_add_signed(*addend).to_le_bytes();
        let width = match elf::RelocationType(*kind) {
            elf::R_X86_64_64 => 8,
            elf::R_X86_64_32 => 4,
            _ => continue,
        };
        let range = usize::try_from(*offset)
            .ok()
            .and_then(|start| Some(start..start.checked_add(width)?));
        if let Some(to) = range.and_then(|range| bytes.get_mut(range)) {
            to.copy_from_slice(&value[..width]);
        }
    }
    bytes
}

/// What is known of the code from an address on.
enum Known {
    /// Functions, files and lines, what was inlined first.
    Frames(Vec<(String, String, u32)>),
    /// The optimiser merged or moved it: it belongs to what stands before it.
    AsBefore,
    Nothing,
}

fn known(context: &Context<Bytes<'_>>, address: u64) -> Result<Known, Error> {
    let mut found = context.find_frames(address).skip_all_loads()?;
    let mut frames = Vec::new();
    let mut has_place = false;
    while let Some(frame) = found.next()? {
        let Some(location) = frame.location else {
            continue;
        };
        has_place = true;
        let (Some(file), Some(line)) = (location.file, location.line) else {
            if frames.is_empty() {
                return Ok(Known::AsBefore);
            }
            continue;
        };
        let name = frame.function.and_then(|f| f.name.to_string().ok());
        let file = file.trim_start_matches("./").to_owned();
        frames.push((name.map_or_else(String::new, readable), file, line));
    }
    if frames.first().is_some_and(|f| f.2 == 0) || (frames.is_empty() && has_place) {
        return Ok(Known::AsBefore);
    }
    // The symbol says more, and of the function that is called it is at hand.
    if let Some(outermost) = frames.last_mut() {
        outermost.0.clear();
    }
    match frames.is_empty() {
        true => Ok(Known::Nothing),
        false => Ok(Known::Frames(frames)),
    }
}

/// Adds what is known of the code of one object: frames by address.
fn add(
    sections: &[DebugSection<'_>],
    addresses: &[Option<u64>],
    code: &Range<u64>,
    all: &mut Vec<(u64, Known)>,
) -> Result<(), Error> {
    let contents: Vec<(&str, Vec<u8>)> = sections
        .iter()
        .map(|s| (s.name.as_str(), relocated(s, addresses)))
        .collect();
    let dwarf = Dwarf::load(|id| {
        let section = contents.iter().find(|(name, _)| *name == id.name());
        let bytes = section.map_or(&[][..], |(_, bytes)| bytes);
        Ok::<_, Error>(EndianSlice::new(bytes, LittleEndian))
    })?;
    let context = Context::from_dwarf(dwarf)?;
    let mut borders = BTreeSet::new();
    for (start, length, _) in context.find_location_range(code.start, code.end)? {
        borders.extend([start, start.saturating_add(length)]);
    }
    for address in borders.into_iter().filter(|a| code.contains(a)) {
        all.push((address, known(&context, address)?));
    }
    Ok(())
}

/// The table for code at these addresses, by section; `code` is the range of all of it. Debug information that cannot be
/// read tells nothing.
pub fn table(input: &Input<'_>, addresses: &[Option<u64>], code: Range<u64>) -> Vec<u8> {
    let mut all = Vec::new();
    for sections in &input.debug {
        // Lines found before the mistake are right.
        let _ = add(sections, addresses, &code, &mut all);
    }
    // Where the code of one object ends, that of another may begin.
    all.sort_by_key(|(address, known)| (*address, !matches!(known, Known::Nothing)));
    let mut writer = Writer::new();
    for (address, known) in &all {
        let frames: Vec<Frame<'_>> = match known {
            Known::AsBefore => continue,
            Known::Nothing => Vec::new(),
            Known::Frames(list) => list
                .iter()
                .map(|(function, file, line)| Frame {
                    function,
                    file,
                    line: *line,
                })
                .collect(),
        };
        writer.row(address - code.start, &frames);
    }
    writer.finish()
}
