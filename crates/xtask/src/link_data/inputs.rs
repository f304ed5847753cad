//! The linker's inputs: relocations as compilers and assemblers wrote them.
//!
//! lld's `--reproduce` puts every file that it read into a tar archive, objects that rustc deletes after the link too.

use std::collections::HashMap;

use anyhow::{Context, Result};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget};

use super::Elf;
use super::map::Piece;

/// What a relocation of an input refers to, if that is a place in a section without a name of its own.
#[derive(Debug, Clone, Copy)]
pub struct Local {
    /// Offset from the start of the section referred to that was written down, in bytes.
    pub addend: i64,
    /// Whether the section was merged with others: its pieces went different ways.
    pub merged: bool,
}

/// Objects by the names that the map gives them. Archives may hold several members of one name.
pub struct Inputs<'a> {
    objects: HashMap<String, Vec<&'a [u8]>>,
}

impl<'a> Inputs<'a> {
    /// Opens the tar archive and the archives in it.
    pub fn open(tar: &'a [u8]) -> Result<Self> {
        let mut objects: HashMap<String, Vec<&[u8]>> = HashMap::new();
        for (path, content) in files(tar)? {
            // `inputs/usr/lib/x.a` is what was read from `/usr/lib/x.a`.
            let path = path.split_once('/').map_or("", |(_, path)| path);
            if content.starts_with(b"\x7fELF") {
                objects.entry(format!("/{path}")).or_default().push(content);
            } else if let Ok(archive) = ArchiveFile::parse(content) {
                for member in archive.members() {
                    let member = member.with_context(|| format!("in {path}"))?;
                    let name = String::from_utf8_lossy(member.name());
                    let data = member.data(content)?;
                    if data.starts_with(b"\x7fELF") {
                        objects
                            .entry(format!("/{path}({name})"))
                            .or_default()
                            .push(data);
                    }
                }
            }
        }
        Ok(Self { objects })
    }

    /// For each field that refers to a place in a section: what is meant. Keys are addresses of fields in the linked
    /// file.
    pub fn locals(&self, map: &[Piece]) -> Result<HashMap<u64, Local>> {
        let mut by_file: HashMap<&str, Vec<&Piece>> = HashMap::new();
        for piece in map.iter().filter(|piece| piece.address != 0) {
            by_file.entry(&piece.file).or_default().push(piece);
        }
        let mut locals = HashMap::new();
        for (file, pieces) in by_file {
            let normal = normalised(file);
            for object in self.objects.get(&normal).into_iter().flatten() {
                let elf = Elf::parse(*object).with_context(|| format!("in {file}"))?;
                locals_of(&elf, &pieces, &mut locals).with_context(|| format!("in {file}"))?;
            }
        }
        Ok(locals)
    }
}

/// Adds the references of one object's sections.
fn locals_of(elf: &Elf, pieces: &[&Piece], locals: &mut HashMap<u64, Local>) -> Result<()> {
    // Which section went where, by name and size; of several equal ones the first that is left.
    let mut places: HashMap<(&str, u64), Vec<u64>> = HashMap::new();
    for piece in pieces.iter().rev() {
        places
            .entry((&piece.section, piece.bytes))
            .or_default()
            .push(piece.address);
    }
    let mut addresses = HashMap::new();
    for section in elf.sections() {
        let key = (section.name()?, section.size());
        if let Some(address) = places.get_mut(&key).and_then(Vec::pop) {
            addresses.insert(section.index(), address);
        }
    }
    for section in elf.sections() {
        let Some(&address) = addresses.get(&section.index()) else {
            continue;
        };
        for (offset, relocation) in section.relocations() {
            let RelocationTarget::Symbol(symbol) = relocation.target() else {
                continue;
            };
            let symbol = elf.symbol_by_index(symbol)?;
            // Names of folded functions and of labels are lost in the link.
            if !symbol.is_local() {
                continue;
            }
            let Some(index) = symbol.section_index() else {
                continue;
            };
            let target = elf.section_by_index(index)?;
            let flags = target
                .elf_section_header()
                .sh_flags
                .get(object::LittleEndian);
            let merged = flags.0 & object::elf::SHF_MERGE.0 != 0;
            locals.insert(
                address + offset,
                Local {
                    addend: relocation.addend().wrapping_add_unsigned(symbol.address()),
                    merged,
                },
            );
        }
    }
    Ok(())
}

/// A path without `..`.
fn normalised(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The files of a tar archive (POSIX.1-2001: long paths are in a `path` record before the file).
fn files(tar: &[u8]) -> Result<Vec<(String, &[u8])>> {
    const BLOCK: usize = 512;
    let mut files = Vec::new();
    let mut at = 0;
    let mut long_path = None;
    while let Some(header) = tar.get(at..at + BLOCK) {
        if header[0] == 0 {
            break;
        }
        let text = |range: std::ops::Range<usize>| {
            let field = &header[range];
            let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).into_owned()
        };
        let bytes = usize::from_str_radix(text(124..136).trim(), 8)
            .with_context(|| format!("the size of a file in the tar archive at {at}"))?;
        let content = tar
            .get(at + BLOCK..at + BLOCK + bytes)
            .context("the tar archive of the linker's inputs is cut off")?;
        match header[156] {
            b'x' => {
                let records = String::from_utf8_lossy(content);
                let path = records.lines().find_map(|line| line.split_once(" path="));
                long_path = path.map(|(_, path)| path.to_owned());
            }
            _ => {
                let (prefix, name) = (text(345..500), text(0..100));
                let short = match prefix.is_empty() {
                    true => name,
                    false => format!("{prefix}/{name}"),
                };
                files.push((long_path.take().unwrap_or(short), content));
            }
        }
        at += BLOCK + bytes.next_multiple_of(BLOCK);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_detours() {
        assert_eq!(
            normalised("/usr/lib/gcc/12/../../x.a(y.o)"),
            "/usr/lib/x.a(y.o)"
        );
        assert_eq!(normalised("/a/b.o"), "/a/b.o");
    }

    #[test]
    fn files_are_found_with_short_and_long_paths() {
        let entry = |name: &str, kind: u8, content: &[u8]| {
            let mut block = vec![0; 512];
            block[..name.len()].copy_from_slice(name.as_bytes());
            let size = format!("{:011o}", content.len());
            block[124..135].copy_from_slice(size.as_bytes());
            block[156] = kind;
            block.extend_from_slice(content);
            block.resize(block.len().next_multiple_of(512), 0);
            block
        };
        let mut tar = entry("in/short", b'0', b"one");
        tar.extend(entry("pax", b'x', b"16 path=in/long\n"));
        tar.extend(entry("cut", b'0', b"two"));
        tar.resize(tar.len() + 1024, 0);
        let found = files(&tar).unwrap();
        assert_eq!(found[0], ("in/short".to_owned(), b"one".as_slice()));
        assert_eq!(found[1], ("in/long".to_owned(), b"two".as_slice()));
        assert!(files(&tar[..513]).is_err());
    }
}
