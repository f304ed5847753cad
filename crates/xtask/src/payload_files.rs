//! Files beside a test payload: its function table, and its evicted form with everything cold.
//!
//! [`evict_all`] moves every constant segment but the one with the headers into a cold file: nothing of the program is in
//! memory when it starts, not even its first instruction. What runs like that needs no training.

use anyhow::{Context, Result, ensure};
use formats::calls::BUILD_ID_BYTES;
use formats::cold::{self, PF_COLD};
use formats::elf::{self, Executable};
use formats::link::{self, Functions, NewSection};
use object::{Object, ObjectSymbol, SymbolKind};

const PAGE: usize = 4096;
const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;
const PF_W: u32 = 2;

/// Link data with the functions that the symbol table of `program` names.
pub fn link_data(program: &[u8]) -> Result<Vec<u8>> {
    let file = object::File::parse(program).context("the program is no ELF file")?;
    let functions = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
        .map(|symbol| (symbol.address(), symbol.size()))
        .collect();
    let content = Functions::new(functions)?.encode();
    let section = NewSection {
        kind: link::FUNCTIONS,
        content: &content,
        packed: None,
    };
    Ok(link::encode(&build_id(program)?, &[section])?)
}

/// An empty function table.
pub fn no_functions() -> NewSection<'static> {
    NewSection {
        kind: link::FUNCTIONS,
        content: &[0; 16],
        packed: None,
    }
}

/// A program in two files.
pub struct Evicted {
    /// The ELF file without what is cold.
    pub hot: Vec<u8>,
    /// The cold file.
    pub cold: Vec<u8>,
}

/// Cuts a program into its writable segments and a cold file with all the rest.
pub fn evict_all(program: &[u8]) -> Result<Evicted> {
    let id = build_id(program)?;
    let word = |at: usize, bytes: usize| {
        let field = program.get(at..at + bytes).unwrap_or(&[]);
        field.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b)) as usize
    };
    let table = word(32, 8);
    let loads: Vec<usize> = (0..word(56, 2))
        .map(|index| table + index * elf::PROGRAM_HEADER_BYTES)
        .filter(|&header| word(header, 4) as u32 == PT_LOAD)
        .collect();
    let end_of = |header: usize| word(header + 8, 8) + word(header + 32, 8);
    let is_cold =
        |header: usize| word(header + 4, 4) as u32 & PF_W == 0 && word(header + 8, 8) != 0;
    let hot = loads.iter().filter(|&&header| !is_cold(header));
    let hot_end = hot.map(|&header| end_of(header)).max().unwrap_or(0);
    let base = hot_end.next_multiple_of(PAGE);
    let mut elf = program.get(..hot_end).context("cut off")?.to_vec();
    let mut content: Vec<u8> = Vec::new();
    for &header in loads.iter().filter(|&&header| is_cold(header)) {
        content.resize(content.len().next_multiple_of(PAGE), 0);
        let offset = word(header + 8, 8);
        ensure!(
            offset.is_multiple_of(PAGE),
            "a segment that is not page aligned"
        );
        let flags = word(header + 4, 4) as u32 | PF_COLD;
        elf[header + 4..header + 8].copy_from_slice(&flags.to_le_bytes());
        let place = (base + content.len()) as u64;
        elf[header + 8..header + 16].copy_from_slice(&place.to_le_bytes());
        content.extend_from_slice(program.get(offset..end_of(header)).context("cut off")?);
        // Whatever is read from the old place is wrong.
        let old = offset.min(hot_end)..end_of(header).min(hot_end);
        elf[old].fill(0xEE);
    }
    let executable = Executable::parse(&elf[..elf.len().min(elf::HEAD_BYTES)], elf.len() as u64)?;
    executable.check_cold(content.len() as u64)?;
    let pack = |block: &[u8]| Some(lz4_flex::block::compress(block));
    let cold = cold::encode(&content, &id, cold::BLOCK_BYTES, pack)?;
    Ok(Evicted { hot: elf, cold })
}

/// Marks the code of a program as cold, where it is: it is read from the program's own file.
pub fn mark_code_cold(program: &mut [u8]) -> Result<()> {
    let word = |program: &[u8], at: usize, bytes: usize| {
        let field = program.get(at..at + bytes).unwrap_or(&[]);
        field.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b))
    };
    let table = word(program, 32, 8) as usize;
    let count = word(program, 56, 2) as usize;
    for header in (0..count).map(|index| table + index * elf::PROGRAM_HEADER_BYTES) {
        let flags = word(program, header + 4, 4) as u32;
        if word(program, header, 4) as u32 != PT_LOAD || flags & PF_X == 0 {
            continue;
        }
        // Cold segments start at a page, as every mapping of a file does.
        let lead = word(program, header + 16, 8) % PAGE as u64;
        program[header + 4..header + 8].copy_from_slice(&(flags | PF_COLD).to_le_bytes());
        for (field, sign) in [(8, -1), (16, -1), (24, -1), (32, 1), (40, 1)] {
            let at = header + field;
            let value = word(program, at, 8).wrapping_add_signed(sign * lead as i64);
            program[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
    }
    let head = &program[..program.len().min(elf::HEAD_BYTES)];
    let executable = Executable::parse(head, program.len() as u64)?;
    ensure!(
        executable.cold_offset().is_some(),
        "the program has no code"
    );
    Ok(())
}

fn build_id(program: &[u8]) -> Result<[u8; BUILD_ID_BYTES]> {
    let head = &program[..program.len().min(elf::HEAD_BYTES)];
    let executable = Executable::parse(head, program.len() as u64)?;
    executable
        .build_id
        .context("the program has no build id (link it with --build-id)")
}
