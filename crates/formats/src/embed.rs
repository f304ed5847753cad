//! A payload inside the kernel's file: how the last stage becomes one file that every loader boots.
//!
//! The kernel's file lies in it as it lies in memory: text, constants, data, each at `load address + file offset`;
//! `.bss` follows in memory only. A payload is appended at the offset where `.bss` begins, so that a loader that reads ELF
//! segments and one that copies the file in one piece (Multiboot2's address tag) put it to the same place. The
//! kernel's first instructions move it behind `.bss`.
//!
//! ```text
//! file     text | constants | data | payload
//! memory   text | constants | data | .bss    | payload     (after the move)
//! ```
//!
//! What is changed in the kernel's file, little endian:
//!
//! 1. the embedding header, 16 bytes at a multiple of 8 in the first 32 KiB: magic `BFEMBED1`, bytes of the payload
//!    `u64`, a multiple of 8 (0: nothing embedded)
//! 2. `p_filesz` and `p_memsz` of the last segment that is loaded
//! 3. `load_end_addr` and `bss_end_addr` of the Multiboot2 header's address tag (Multiboot2 specification, 3.1.5)

use alloc::vec::Vec;
use core::fmt;

/// Magic of the embedding header.
pub const MAGIC: [u8; 8] = *b"BFEMBED1";
/// Both headers lie in this part of the file.
const HEAD_BYTES: usize = 32 << 10;
const MULTIBOOT2_MAGIC: u32 = 0xE852_50D6;
/// Fields of the ELF64 file header and of program headers.
const E_PHOFF: usize = 32;
const E_PHNUM: usize = 56;
const PROGRAM_HEADER_BYTES: usize = 56;
const P_OFFSET: usize = 8;
const P_PADDR: usize = 24;
const P_FILESZ: usize = 32;
const P_MEMSZ: usize = 40;
const PT_LOAD: u32 = 1;
/// Largest payload, and largest place in memory: all of it lies below 2 GiB.
const LARGEST: u64 = 1 << 30;

/// Why a payload cannot be put into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedError {
    /// The file has no such part: it is no kernel of this project.
    Missing {
        /// What was looked for.
        what: &'static str,
    },
    /// Something lies where it cannot be.
    Place {
        /// What is misplaced.
        what: &'static str,
        /// Its offset or address.
        found: u64,
    },
    /// A payload is in it already.
    Occupied {
        /// Its size in bytes.
        bytes: u64,
    },
    /// The payload is empty or too large.
    Size {
        /// Its size in bytes.
        bytes: u64,
    },
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { what } => write!(
                f,
                "embed: the kernel's file has no {what}; expected a kernel.elf made by this version"
            ),
            Self::Place { what, found } => {
                write!(f, "embed: {what} at {found:#x} does not fit the file")
            }
            Self::Occupied { bytes } => write!(
                f,
                "embed: the kernel's file already holds a payload of {bytes} bytes; take one without"
            ),
            Self::Size { bytes } => write!(
                f,
                "embed: a payload of {bytes} bytes; expected 1 to {LARGEST}"
            ),
        }
    }
}

impl core::error::Error for EmbedError {}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Where in the file's head a word stands, at multiples of 8.
fn find(kernel: &[u8], word: &[u8]) -> Option<usize> {
    let head = &kernel[..kernel.len().min(HEAD_BYTES)];
    (0..head.len())
        .step_by(8)
        .find(|&at| head[at..].starts_with(word))
}

/// Places of the fields that change.
struct Places {
    header: usize,
    /// Program header of the last segment.
    segment: usize,
    /// Address tag of the Multiboot2 header.
    tag: usize,
}

impl Places {
    fn find(kernel: &[u8]) -> Result<Self, EmbedError> {
        let missing = |what| EmbedError::Missing { what };
        let header = find(kernel, &MAGIC)
            .filter(|&at| at + 16 <= kernel.len())
            .ok_or(missing("embedding header"))?;
        let multiboot = find(kernel, &MULTIBOOT2_MAGIC.to_le_bytes());
        let tag = multiboot.ok_or(missing("Multiboot2 header"))? + 16;
        if u16_at(kernel, tag) != Some(2) || tag + 24 > kernel.len() {
            return Err(missing("Multiboot2 address tag"));
        }
        if !kernel.starts_with(b"\x7fELF\x02\x01") {
            return Err(missing("64-bit ELF header"));
        }
        let first = u64_at(kernel, E_PHOFF).ok_or(missing("program header"))? as usize;
        let count = usize::from(u16_at(kernel, E_PHNUM).ok_or(missing("program header"))?);
        let segment = (0..count)
            .filter_map(|i| first.checked_add(i * PROGRAM_HEADER_BYTES))
            .filter(|&at| {
                at.checked_add(PROGRAM_HEADER_BYTES)
                    .is_some_and(|end| end <= kernel.len())
            })
            .filter(|&at| u32_at(kernel, at) == Some(PT_LOAD))
            .max_by_key(|&at| u64_at(kernel, at + P_PADDR))
            .ok_or(missing("program header of a segment that is loaded"))?;
        Ok(Self {
            header,
            segment,
            tag,
        })
    }
}

/// Size of the payload inside a kernel's file, without padding being known; `None` if there is none.
pub fn embedded_bytes(kernel: &[u8]) -> Option<u64> {
    let bytes = u64_at(kernel, find(kernel, &MAGIC)? + 8)?;
    (bytes != 0).then_some(bytes)
}

/// The kernel's file with a payload inside.
///
/// # Errors
/// See [`EmbedError`].
pub fn embed(kernel: &[u8], payload: &[u8]) -> Result<Vec<u8>, EmbedError> {
    let places = Places::find(kernel)?;
    if let Some(bytes) = embedded_bytes(kernel) {
        return Err(EmbedError::Occupied { bytes });
    }
    let bytes = payload.len() as u64;
    if bytes == 0 || bytes > LARGEST {
        return Err(EmbedError::Size { bytes });
    }
    let padded = bytes.next_multiple_of(8);
    let field = |at| u64_at(kernel, at).unwrap_or(0);
    let tag = |at| u64::from(u32_at(kernel, places.tag + at).unwrap_or(0));
    let (load, bss, bss_end) = (tag(12), tag(16), tag(20));
    let (offset, start) = (
        field(places.segment + P_OFFSET),
        field(places.segment + P_PADDR),
    );
    let file_end = offset.checked_add(field(places.segment + P_FILESZ));
    let fits = load <= start
        && start <= bss
        && bss <= bss_end
        && bss_end <= LARGEST
        && bss.is_multiple_of(8)
        && file_end.is_some_and(|end| end <= kernel.len() as u64 && end <= offset + (bss - start));
    if !fits {
        return Err(EmbedError::Place {
            what: ".bss",
            found: bss,
        });
    }
    // The part of the file behind the last segment (if any) is nobody's.
    let mut out = kernel[..file_end.unwrap_or(0) as usize].to_vec();
    out.resize((offset + (bss - start)) as usize, 0);
    out.extend_from_slice(payload);
    out.resize((offset + (bss - start) + padded) as usize, 0);
    put64(&mut out, places.header + 8, padded);
    put64(&mut out, places.segment + P_FILESZ, bss - start + padded);
    put64(&mut out, places.segment + P_MEMSZ, bss_end - start + padded);
    put32(&mut out, places.tag + 16, (bss + padded) as u32);
    put32(&mut out, places.tag + 20, (bss_end + padded) as u32);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// A kernel's file: headers, 4 KiB of text with the two headers, 100 bytes of data, `.bss` from the next page on.
    fn kernel() -> Vec<u8> {
        let mut file = vec![0; 0x2000 + 100];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        put64(&mut file, E_PHOFF, 64);
        file[E_PHNUM] = 2;
        for (i, (offset, phys, filesz, memsz)) in [
            (0x1000, 0x10_0000, 0x1000, 0x1000),
            (0x2000, 0x10_1000, 100, 0x3000),
        ]
        .into_iter()
        .enumerate()
        {
            let at = 64 + i * PROGRAM_HEADER_BYTES;
            put32(&mut file, at, PT_LOAD);
            put64(&mut file, at + P_OFFSET, offset);
            put64(&mut file, at + P_PADDR, phys);
            put64(&mut file, at + P_FILESZ, filesz);
            put64(&mut file, at + P_MEMSZ, memsz);
        }
        put32(&mut file, 0x1000, MULTIBOOT2_MAGIC);
        file[0x1010] = 2;
        for (i, value) in [24, 0x10_0000, 0x10_0000, 0x10_2000, 0x10_4000]
            .into_iter()
            .enumerate()
        {
            put32(&mut file, 0x1014 + 4 * i, value);
        }
        file[0x1040..0x1048].copy_from_slice(&MAGIC);
        file
    }

    #[test]
    fn a_payload_lies_where_every_loader_puts_it() {
        let whole = embed(&kernel(), b"payload!?").unwrap();
        assert_eq!(embedded_bytes(&whole), Some(16));
        assert_eq!(whole.len(), 0x3000 + 16);
        assert_eq!(&whole[0x3000..0x3009], b"payload!?");
        let segment = 64 + PROGRAM_HEADER_BYTES;
        assert_eq!(u64_at(&whole, segment + P_FILESZ), Some(0x1000 + 16));
        assert_eq!(u64_at(&whole, segment + P_MEMSZ), Some(0x3000 + 16));
        // One piece from the load address on: the file from the first segment's offset.
        assert_eq!(u32_at(&whole, 0x1020), Some(0x10_2000 + 16));
        assert_eq!(u32_at(&whole, 0x1024), Some(0x10_4000 + 16));
        assert_eq!(embed(&whole, b"x"), Err(EmbedError::Occupied { bytes: 16 }));
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        assert!(matches!(embed(b"", b"x"), Err(EmbedError::Missing { .. })));
        assert_eq!(embed(&kernel(), b""), Err(EmbedError::Size { bytes: 0 }));
        let kernel = kernel();
        for cut in 0..kernel.len() {
            assert!(embed(&kernel[..cut], b"x").is_err(), "{cut}");
        }
        let mut moved = kernel.clone();
        put32(&mut moved, 0x1020, 0x10_0000);
        assert!(matches!(embed(&moved, b"x"), Err(EmbedError::Place { .. })));
    }
}
