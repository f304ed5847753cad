//! Names of the kernel's functions, put into its image after the link.
//!
//! The kernel reserves the section `.ksyms` and reads it when it prints a backtrace; the layout is described in
//! crates/kernel/src/symbols.rs. The section headers go afterwards: GRUB refuses files that have relocation
//! sections, and nobody else needs them.

use anyhow::{Context, Result, ensure};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

const MAGIC: &[u8; 8] = b"BFKSYMS1";
const KERNEL_BASE: u64 = 0xFFFF_FFFF_8000_0000;
const HEAD_BYTES: usize = 16;
const ENTRY_BYTES: usize = 12;
/// Section header fields of the ELF64 file header: `e_shoff`, and `e_shentsize`, `e_shnum`, `e_shstrndx`.
const SECTION_OFFSET: std::ops::Range<usize> = 40..48;
const SECTION_COUNTS: std::ops::Range<usize> = 58..64;

/// Fills `.ksyms` with the functions of the kernel and removes everything behind its last segment.
///
/// # Errors
/// Not an ELF file, no `.ksyms` section, or more functions than it has room for.
pub fn embed(elf: &mut Vec<u8>) -> Result<()> {
    let file = object::File::parse(elf.as_slice()).context("the linked kernel is no ELF file")?;
    let section = file
        .section_by_name(".ksyms")
        .context("the linked kernel has no section .ksyms (crates/kernel/src/symbols.rs)")?;
    let (offset, bytes) = section
        .file_range()
        .context("the section .ksyms holds no bytes in the file")?;
    // Functions, and the labels of assembly.
    let text = file.section_by_name(".text").map(|text| text.index());
    let is_code = |kind| {
        matches!(
            kind,
            SymbolKind::Text | SymbolKind::Unknown | SymbolKind::Label
        )
    };
    let functions = file
        .symbols()
        .filter(|symbol| is_code(symbol.kind()) && symbol.address() >= KERNEL_BASE)
        .filter(|symbol| text.is_some() && symbol.section_index() == text)
        .filter_map(|symbol| Some((symbol.address(), symbol.size(), symbol.name().ok()?)))
        .collect();
    let table = table(functions)?;
    ensure!(
        table.len() as u64 <= bytes,
        "the names of the kernel's functions take {} bytes, .ksyms has {bytes}: raise RESERVED in \
         crates/kernel/src/symbols.rs",
        table.len()
    );
    let at = offset as usize;
    elf[at..at + table.len()].copy_from_slice(&table);
    strip(elf)
}

/// Removes everything behind the kernel's last segment: section headers, names, debug information.
///
/// # Errors
/// Not an ELF file, or one without segments.
pub fn strip(elf: &mut Vec<u8>) -> Result<()> {
    let end = loaded_end(elf)?;
    elf[SECTION_OFFSET].fill(0);
    elf[SECTION_COUNTS].fill(0);
    elf.truncate(end);
    Ok(())
}

/// The table for functions given by address, size and name.
fn table(mut functions: Vec<(u64, u64, &str)>) -> Result<Vec<u8>> {
    // Of several names for one place the one with a size is the function's own.
    functions.sort_by_key(|&(address, size, name)| (address, std::cmp::Reverse(size), name));
    functions.dedup_by_key(|function| function.0);
    let mut entries = Vec::with_capacity(functions.len() * ENTRY_BYTES);
    let mut names = Vec::new();
    for (index, &(address, size, name)) in functions.iter().enumerate() {
        // Assembly has no sizes: such a function reaches to the next one.
        let next = functions.get(index + 1).map_or(address + 1, |next| next.0);
        let size = if size == 0 { next - address } else { size };
        let start = u32::try_from(address - KERNEL_BASE).context("a function above 4 GiB")?;
        entries.extend_from_slice(&start.to_le_bytes());
        entries.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        entries.extend_from_slice(&u32::try_from(names.len())?.to_le_bytes());
        names.extend_from_slice(name.as_bytes());
        names.push(0);
    }
    let mut table = Vec::with_capacity(HEAD_BYTES + entries.len() + names.len());
    table.extend_from_slice(MAGIC);
    table.extend_from_slice(&u32::try_from(functions.len())?.to_le_bytes());
    table.extend_from_slice(&u32::try_from(names.len())?.to_le_bytes());
    table.extend_from_slice(&entries);
    table.extend_from_slice(&names);
    Ok(table)
}

/// Offset behind the last byte that a loader reads.
fn loaded_end(elf: &[u8]) -> Result<usize> {
    let header = object::elf::FileHeader64::<object::Endianness>::parse(elf)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, elf)?;
    let end = segments
        .iter()
        .map(|segment| segment.p_offset(endian) + segment.p_filesz(endian));
    Ok(end.max().context("the linked kernel has no segments")? as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(table: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(table[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn functions_ascend_and_have_sizes() {
        let table = table(vec![
            (KERNEL_BASE + 0x300, 0, "asm"),
            (KERNEL_BASE + 0x100, 0x20, "first"),
            (KERNEL_BASE + 0x400, 8, "last"),
            (KERNEL_BASE + 0x100, 0, "alias"),
        ])
        .unwrap();
        assert_eq!(&table[..8], MAGIC);
        assert_eq!(word(&table, 8), 3);
        let entry = |i: usize| [0, 4, 8].map(|at| word(&table, HEAD_BYTES + i * ENTRY_BYTES + at));
        let names = &table[HEAD_BYTES + 3 * ENTRY_BYTES..];
        assert_eq!(names, b"first\0asm\0last\0");
        assert_eq!(
            [entry(0), entry(1), entry(2)],
            [[0x100, 0x20, 0], [0x300, 0x100, 6], [0x400, 8, 10]]
        );
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        assert!(embed(&mut b"hello".to_vec()).is_err());
        let mut own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let error = embed(&mut own).unwrap_err();
        assert!(error.to_string().contains(".ksyms"), "{error}");
    }
}
