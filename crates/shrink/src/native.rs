//! A static linker: relocatable x86-64 objects of one program become `native.elf`.
//!
//! ```text
//!   objects --read--> sections, symbols, relocations      (read)
//!        what the entry reaches                           (reach)
//!        hot code, code, cold code | constants | data     (place)
//!        relocations applied, headers written             (write)
//! ```
//!
//! It links what LLVM makes of a whole program at once: a handful of sections, few kinds of relocation, nothing dynamic, no
//! thread-local storage (the engine lowers that). The result is what the kernel's loader wants (`formats::elf`) and
//! Linux runs: ELF64, ET_EXEC, no page writable and executable:
//!
//! ```text
//!   0x1000_0000   R    ELF header, program headers, note, constants, addresses (GOT), names of functions, source lines
//!   next page     R E  code: what the profile calls hot, everything else, what it calls cold
//!   next page     R W  data, then memory that starts as zero
//! ```
//!
//! The linker defines `bareflow_code`, `bareflow_names` (see `native/src/names.rs`), `bareflow_lines` (`formats::lines`; no
//! bytes without debug information), and the ends of these, `bareflow_code_end` and so on. Section order is that of names: `.text.hot.*` sorted, `.text*`, `.text.unlikely*`.
//!
//! Objects are not trusted: every offset, size and alignment is checked, and an error says which object and section.
//! Source: System V ABI, generic part, chapter 4; AMD64 supplement, 4.4 (relocation types).

mod error;
mod lines;
mod names;
mod place;
mod reach;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use error::Error;

use formats::cpu::CpuFeatures;

/// Address of the first byte: that of `runtime.elf`.
pub const IMAGE_BASE: u64 = 0x1000_0000;
/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;
/// Type of the note that [`Facts`] are written to; its owner is [`NOTE_OWNER`].
pub const NOTE_TYPE: u32 = 1;
/// Owner of the note, without the NUL that ends it.
pub const NOTE_OWNER: &[u8] = b"BareFlow";

/// What the note of a native program says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Hash of the program it was made from.
    pub program: u64,
    /// Build of the runtime that made it.
    pub build: u64,
    /// CPU features without which it must not be started.
    pub features: CpuFeatures,
}

/// Bytes of the note's content: version `u32`, zero `u32`, program `u64`, build `u64`, then the words of
/// `formats::cpu`; little endian.
pub const NOTE_BYTES: usize = 24 + formats::cpu::WORDS * 4;
/// The one version of the note.
pub const NOTE_VERSION: u32 = 1;

impl Facts {
    /// The content of the note.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(NOTE_BYTES);
        out.extend(NOTE_VERSION.to_le_bytes());
        out.extend(0u32.to_le_bytes());
        out.extend(self.program.to_le_bytes());
        out.extend(self.build.to_le_bytes());
        out.extend(self.features.to_bytes());
        out
    }

    /// From the content of a note; `None` if it is no such note or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        if bytes.len() != NOTE_BYTES || number(0)? != u64::from(NOTE_VERSION) {
            return None;
        }
        Some(Facts {
            program: number(8)?,
            build: number(16)?,
            features: CpuFeatures::from_bytes(bytes.get(24..)?.try_into().ok()?),
        })
    }

    /// The facts of a native program, from its file; `None` for other files.
    pub fn of(elf: &[u8]) -> Option<Self> {
        use object::read::elf::{ElfFile64, ProgramHeader};
        let file = ElfFile64::<object::LittleEndian>::parse(elf).ok()?;
        let endian = object::LittleEndian;
        for header in file.elf_program_headers() {
            let Ok(Some(mut notes)) = header.notes(endian, elf) else {
                continue;
            };
            while let Ok(Some(note)) = notes.next() {
                if note.name() == NOTE_OWNER && note.n_type(endian).0 == NOTE_TYPE {
                    return Facts::from_bytes(note.desc());
                }
            }
        }
        None
    }
}

/// A linked program.
#[derive(Debug, Clone)]
pub struct Linked {
    /// The file.
    pub elf: Vec<u8>,
    /// Bytes of code, of constants, and of data with a content.
    pub bytes: [u64; 3],
    /// Bytes of memory that starts as zero.
    pub zeroed_bytes: u64,
    /// Functions with a name.
    pub functions: usize,
    /// Bytes of the table of source lines, which are constants.
    pub line_bytes: usize,
}

/// Whether a program tells source lines when it faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceLines {
    /// As far as the objects have debug information.
    Kept,
    /// Function names are all it tells.
    LeftOut,
}

/// Links the objects to a program that starts at `entry`.
///
/// # Errors
/// What is wrong with an object, or which symbol nobody defines.
pub fn link(
    objects: &[&[u8]],
    entry: &str,
    facts: &Facts,
    lines: SourceLines,
) -> Result<Linked, Error> {
    let input = read::read(objects)?;
    let reached = reach::from(&input, entry)?;
    let layout = place::place(&input, &reached, facts, lines)?;
    write::write(&input, &layout, entry)
}

/// The symbols that the objects use and none of them defines, sorted; what the linker itself defines is left out.
///
/// # Errors
/// What is wrong with an object.
pub fn undefined(objects: &[&[u8]]) -> Result<Vec<String>, Error> {
    Ok(read::read(objects)?.undefined())
}
