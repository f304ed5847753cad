//! Atoms: input sections as they lie in the linked file, merged sections cut into their pieces.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use formats::relink::{Atom, Kind};
use object::{Object, ObjectSection};

use super::Elf;
use super::map::Piece;

/// What becomes of an output section.
enum Plan {
    /// Each input section is an atom.
    Inputs(Kind),
    /// It is one atom.
    Whole(Kind),
    /// Nothing refers to it.
    Ignore,
}

/// Sections that are one atom are made by the linker, are found by their bounds (`__start_...`), or are pieces of one
/// function from several files.
fn plan(name: &str) -> Plan {
    match name {
        ".text" | "__libc_freeres_fn" => Plan::Inputs(Kind::Text),
        ".rodata" => Plan::Inputs(Kind::Rodata),
        ".data.rel.ro" => Plan::Inputs(Kind::Relro),
        ".data" => Plan::Inputs(Kind::Data),
        ".bss" => Plan::Inputs(Kind::Bss),
        ".init" | ".fini" | ".iplt" => Plan::Whole(Kind::Glue),
        ".gcc_except_table" | ".eh_frame" => Plan::Whole(Kind::Unwind),
        ".eh_frame_hdr" => Plan::Whole(Kind::UnwindIndex),
        ".tdata" => Plan::Whole(Kind::Tls),
        ".tbss" | ".relro_padding" => Plan::Ignore,
        ".init_array" | ".fini_array" => Plan::Whole(Kind::Relro),
        ".note.ABI-tag" | ".note.gnu.build-id" | ".rela.dyn" | ".got" | ".got.plt" => {
            Plan::Whole(Kind::Fixed)
        }
        _ => Plan::Whole(Kind::Data),
    }
}

/// Number of the atom that contains an address.
pub fn containing(atoms: &[Atom], address: u64) -> Option<usize> {
    let index = atoms
        .partition_point(|atom| atom.address <= address)
        .checked_sub(1)?;
    (address < atoms[index].end()).then_some(index)
}

/// All atoms, ascending; and their sources' names.
pub fn collect(elf: &Elf, map: &[Piece]) -> Result<(Vec<Atom>, Vec<Vec<u8>>)> {
    let mut sources = Sources::default();
    let mut atoms = Vec::new();
    let mut by_output: HashMap<&str, Vec<&Piece>> = HashMap::new();
    for piece in map.iter().filter(|piece| piece.bytes > 0) {
        by_output.entry(&piece.output).or_default().push(piece);
    }
    let mut first = u64::MAX;
    for section in elf.sections() {
        let (name, address, bytes) = (section.name()?, section.address(), section.size());
        if address == 0 || bytes == 0 {
            continue;
        }
        first = first.min(address);
        let atom = |address, bytes: u64, align: u64, kind, source| -> Result<Atom> {
            Ok(Atom {
                address,
                bytes: u32::try_from(bytes)?,
                kind,
                align_log2: align.max(1).trailing_zeros().min(15) as u8,
                source,
            })
        };
        match plan(name) {
            Plan::Ignore => {}
            Plan::Whole(kind) => {
                let source = sources.number("<internal>");
                atoms.push(atom(address, bytes, section.align(), kind, source)?);
            }
            Plan::Inputs(kind) => {
                for piece in by_output.get(name).into_iter().flatten() {
                    let source = sources.number(&piece.file);
                    let Some(unit) = merged_unit(piece) else {
                        atoms.push(atom(piece.address, piece.bytes, piece.align, kind, source)?);
                        continue;
                    };
                    let content = section
                        .data_range(piece.address, piece.bytes)?
                        .context("a merged section has no content")?;
                    for range in unit.cut(content, piece.align as usize) {
                        atoms.push(atom(
                            piece.address + range.start as u64,
                            range.len() as u64,
                            piece.align,
                            Kind::Merged,
                            source,
                        )?);
                    }
                }
            }
        }
    }
    // ELF and program headers, which `__ehdr_start` points to.
    let base = first & !0xFFFF;
    atoms.push(Atom {
        address: base,
        bytes: (first - base) as u32,
        kind: Kind::Fixed,
        align_log2: 12,
        source: sources.number("<internal>"),
    });
    atoms.sort_unstable_by_key(|atom| atom.address);
    for pair in atoms.windows(2) {
        ensure!(
            pair[0].end() <= pair[1].address,
            "atoms overlap: {:x?} and {:x?}",
            pair[0],
            pair[1]
        );
        ensure!(
            pair[1].address % (1 << pair[1].align_log2) == 0,
            "an atom is not aligned as the map says: {:x?}",
            pair[1]
        );
    }
    Ok((atoms, sources.names))
}

/// How a merged section is made up.
enum Unit {
    /// Strings of units of so many bytes, each ended by a zero unit.
    Strings(usize),
    /// Constants of so many bytes.
    Constants(usize),
}

/// Merged sections are made by the linker and are called `.rodata.str<unit>.<align>` or `.rodata.cst<bytes>`.
fn merged_unit(piece: &Piece) -> Option<Unit> {
    if piece.file != "<internal>" {
        return None;
    }
    let name = piece.section.strip_prefix(".rodata.")?;
    if let Some(digits) = name.strip_prefix("cst") {
        return digits.parse().ok().filter(|&n| n > 0).map(Unit::Constants);
    }
    let (unit, _) = name.strip_prefix("str")?.split_once('.')?;
    unit.parse().ok().filter(|&n| n > 0).map(Unit::Strings)
}

impl Unit {
    /// Ranges of pieces that may part. Strings end behind their zeroes, at a place that is aligned.
    fn cut(&self, content: &[u8], align: usize) -> Vec<std::ops::Range<usize>> {
        let mut cuts = vec![0];
        match *self {
            Self::Constants(bytes) => {
                let step = bytes.next_multiple_of(align);
                cuts.extend((step..content.len()).step_by(step));
            }
            Self::Strings(unit) => {
                let is_zero = |at: usize| {
                    let end = (at + unit).min(content.len());
                    content[at..end].iter().all(|&byte| byte == 0)
                };
                for at in (unit..content.len()).step_by(unit) {
                    if at % align == 0 && is_zero(at - unit) && !is_zero(at) {
                        cuts.push(at);
                    }
                }
            }
        }
        cuts.push(content.len());
        cuts.windows(2).map(|pair| pair[0]..pair[1]).collect()
    }
}

/// Numbers of the files that atoms came from.
#[derive(Default)]
struct Sources {
    numbers: HashMap<String, u32>,
    names: Vec<Vec<u8>>,
}

impl Sources {
    fn number(&mut self, file: &str) -> u32 {
        let name = source_name(file);
        if let Some(&number) = self.numbers.get(&name) {
            return number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.clone().into_bytes());
        self.numbers.insert(name, number);
        number
    }
}

/// `library<TAB>object` of a path in the map, without folders and hashes, so that equal builds give equal files.
fn source_name(file: &str) -> String {
    let (path, member) = match file.strip_suffix(')').and_then(|f| f.rsplit_once('(')) {
        Some((path, member)) => (path, member),
        None => (file, ""),
    };
    let base = path.rsplit('/').next().unwrap_or(path);
    let library = base.strip_prefix("lib").unwrap_or(base);
    let library = library
        .trim_end_matches(".a")
        .trim_end_matches(".rlib")
        .trim_end_matches(".o");
    let is_hash = |text: &str| text.len() >= 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    // Objects of the program itself: `runtime-HASH.runtime.HASH-cgu.00.rcgu`.
    let (library, unit) = match library.split_once(".rcgu") {
        Some((name, _)) => {
            let unit = name.find("cgu.").map_or("rust", |at| &name[at..]);
            (name.split('.').next().unwrap_or(name), unit)
        }
        None => (library, ""),
    };
    let library = match library.rsplit_once('-') {
        Some((name, hash)) if is_hash(hash) => name,
        _ => library,
    };
    let member = match member.split_once(".rcgu") {
        Some((name, _)) => name.find("cgu.").map_or("rust", |at| &name[at..]),
        None => member.trim_end_matches(".o"),
    };
    let member = if member.is_empty() { unit } else { member };
    format!("{library}\t{member}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_named_without_folders_and_hashes() {
        for (file, name) in [
            ("/l/libLLVMCore.a(Value.cpp.o)", "LLVMCore\tValue.cpp"),
            (
                "/d/libengine-7efad0aed4d0f42f.rlib(engine-7efad0aed4d0f42f.engine.1af8-cgu.3.rcgu.o)",
                "engine\tcgu.3",
            ),
            (
                "/d/runtime-c6d976a31df03943.runtime.f0ce-cgu.00.rcgu.o",
                "runtime\tcgu.00",
            ),
            ("/usr/lib/crt1.o", "crt1\t"),
            ("<internal>", "<internal>\t"),
        ] {
            assert_eq!(source_name(file), name);
        }
    }

    #[test]
    fn strings_are_cut_behind_their_end() {
        let cut = |content: &[u8], unit, align| -> Vec<(usize, usize)> {
            let ranges = Unit::Strings(unit).cut(content, align);
            ranges.into_iter().map(|r| (r.start, r.end)).collect()
        };
        assert_eq!(cut(b"ab\0c\0\0d\0", 1, 1), [(0, 3), (3, 6), (6, 8)]);
        assert_eq!(cut(b"a\0\0\0b\0\0\0", 2, 2), [(0, 4), (4, 8)]);
        // What is not aligned stays with what is before it.
        assert_eq!(cut(b"a\0b\0c\0", 1, 4), [(0, 4), (4, 6)]);
        let constants = Unit::Constants(8).cut(&[0; 24], 8);
        assert_eq!(constants, [0..8, 8..16, 16..24]);
    }
}
