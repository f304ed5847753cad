//! Makes `runtime.link` of what the linker knew of `runtime.elf`.
//!
//! ```text
//! runtime (linked with --emit-relocs)  --> symbols, relocations with output addresses
//! its map                              --> where each input section went: the atoms
//! its inputs (--reproduce)             --> relocations as the compiler wrote them
//! ```
//!
//! The linker's relocations alone do not tell which atom is meant: it replaces local symbols by `output section + offset`,
//! and an address at the end of a table (where a loop stops) is the start of the next one. So such relocations are
//! looked up in the input they came from, which names the input section. Every relocation is then checked against
//! the bytes that the linker wrote; what cannot be explained is an error of the build, not of the machine.

mod atoms;
mod inputs;
mod map;
mod relocations;
mod unwind;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use formats::{link, relink};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSymbol, SymbolKind};

use crate::build;
use crate::paths::Paths;

/// An ELF file as it was linked.
type Elf<'a> = ElfFile64<'a, LittleEndian>;

/// How hard sections are compressed.
const ZSTD_LEVEL: i32 = 19;
/// Largest relink data promised, in bytes.
const MAX_BYTES: usize = 6 << 20;

/// Where the linker writes down what it does.
pub struct Records {
    /// Its map.
    pub map: PathBuf,
    /// All files it read, as a tar archive.
    pub inputs: PathBuf,
}

impl Records {
    /// Beside the build of the runtime.
    pub fn new(paths: &Paths) -> Result<Self> {
        let folder = paths.separate_target("runtime").join("link");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self {
            map: folder.join("runtime.map"),
            inputs: folder.join("inputs.tar"),
        })
    }
}

/// What is loaded of a linked file: everything behind the last segment goes, section headers too.
pub fn strip(full: &[u8]) -> Result<Vec<u8>> {
    let header = object::elf::FileHeader64::<LittleEndian>::parse(full)?;
    let segments = header.program_headers(LittleEndian, full)?;
    let ends = segments
        .iter()
        .map(|segment| segment.p_offset(LittleEndian) + segment.p_filesz(LittleEndian));
    let end = ends.max().context("runtime.elf has no segments")? as usize;
    let mut stripped = full.get(..end).context("a segment is cut off")?.to_vec();
    stripped[40..48].fill(0); // e_shoff
    stripped[58..64].fill(0); // e_shentsize, e_shnum, e_shstrndx
    Ok(stripped)
}

/// The relink data of a linked file.
pub fn make(full: &[u8], records: &Records) -> Result<Vec<u8>> {
    let elf = Elf::parse(full).context("the linked runtime is no ELF file")?;
    let map = map::parse(&String::from_utf8_lossy(&build::read(&records.map)?))?;
    let tar = build::read(&records.inputs)?;
    let inputs = inputs::Inputs::open(&tar)?;
    let (atoms, sources) = atoms::collect(&elf, &map)?;
    let relocations = relocations::collect(&elf, &map, &inputs, &atoms)?;
    let (functions, names) = functions(&elf, &atoms)?;
    let build_id = relink::build_id(full).context("the linked runtime has no build id")?;
    let contents = [
        (link::FUNCTIONS, functions.encode()),
        (relink::ATOMS, relink::encode_atoms(&atoms, sources.len())),
        (
            relink::RELOCATIONS,
            relink::encode_relocations(&relocations),
        ),
        (relink::SOURCES, relink::encode_names(&sources)),
        (relink::NAMES, relink::encode_names(&names)),
    ];
    let mut sections = Vec::new();
    for (kind, content) in &contents {
        let packed = zstd::encode_all(content.as_slice(), ZSTD_LEVEL)?;
        sections.push(link::NewSection {
            kind: *kind,
            content,
            packed: Some(packed),
        });
    }
    let file = link::encode(&build_id, &sections).map_err(|error| anyhow::anyhow!("{error}"))?;
    ensure!(
        file.len() <= MAX_BYTES,
        "runtime.link has {} bytes, promised are at most {MAX_BYTES}",
        file.len()
    );
    Ok(file)
}

/// All functions with their names: what the symbol table calls one, in code that is known as an atom.
fn functions(elf: &Elf, atoms: &[relink::Atom]) -> Result<(link::Functions, Vec<Vec<u8>>)> {
    let mut found = Vec::new();
    for symbol in elf.symbols() {
        let is_function = symbol.kind() == SymbolKind::Text
            || symbol.elf_symbol().st_info.0 & 15 == object::elf::STT_GNU_IFUNC.0;
        let atom = atoms::containing(atoms, symbol.address());
        if is_function && atom.is_some_and(|index| atoms[index].kind.is_code()) {
            let name = symbol.name_bytes().unwrap_or_default();
            found.push((symbol.address(), symbol.size(), name));
        }
    }
    let table = link::Functions::new(found.iter().map(|f| (f.0, f.1)).collect())
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut names = vec![Vec::new(); table.len()];
    // Folded functions have several names: the first in order of the alphabet, so that builds agree.
    found.sort_unstable_by_key(|&(address, _, name)| (address, name));
    for (address, _, name) in found.into_iter().rev() {
        if let Some(index) = table.starting_at(address) {
            names[index] = name.to_vec();
        }
    }
    Ok((table, names))
}
