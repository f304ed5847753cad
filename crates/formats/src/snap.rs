//! SNAP: a code set, that is compiled functions as they are kept from boot to boot.
//!
//! It is the payload of a record of kind [`record::kind::CODE`](crate::record::kind::CODE), and of a file that
//! `bareflow inspect --record` writes. Integers are little-endian, offsets in bytes:
//!
//! 1.  0..4    magic `SNAP`
//! 2.  4..8    version, [`VERSION`]
//! 3.  8..16   size of the whole
//! 4. 16..24   boot count: boots of this disk up to the one that wrote it
//! 5. 24..32   key of the CPU features the code was compiled for ([`CpuFeatures::key`](crate::cpu::CpuFeatures::key))
//! 6. 32..40   build of LLVM and runtime that compiled it: their own number, only compared
//! 7. 40..44   number of functions; 44..48 size of the names
//! 8. 48..56   size of the code section
//! 9. 56..64   [checksum](crate::checksum) of bytes 0..56, the function table and the names
//! 10. then the function table, 96 bytes a function:
//!     - 0..4 offset of its name in the names, 4..8 size of the name
//!     - 8..16 offset of its code in the code section, 16..24 size of the code
//!     - 24..32 offset of its details in the code section, 32..40 size of the details
//!     - 40..44 variant: 0 the generic body, others as the engine numbers them; 44 tier, 45..48 zero
//!     - 48..80 hash of the IR the code was made from, what was inlined included
//!     - 80..88 checksum of the code; 88..96 checksum of the details
//! 11. then the names: UTF-8, one after the other; zero up to a multiple of 16
//! 12. then the code section: code and details of each function in turn, each zero-padded to a multiple of 16
//!
//! There is one encoding of each set: offsets must be those that [`encode`] gives. So ranges never overlap, and what
//! [`parse`] accepts `encode` writes again. The checksum of the head says that the table can be believed; the code's own
//! are compared when it is wanted ([`Function::verify`]), so that one damaged function costs one function.
//!
//! What the bytes of a function's code are (an object file) and what its details say (guards, entries in mid-function)
//! is the engine's matter.

use crate::checksum::{Checksum, checksum};
use alloc::vec::Vec;
use core::fmt;

/// First four bytes.
pub const MAGIC: [u8; 4] = *b"SNAP";
/// The one version this code writes and reads.
pub const VERSION: u32 = 1;
/// Code and details start at multiples of this many bytes.
pub const ALIGN: usize = 16;
/// Largest set accepted, in bytes.
pub const MAX_BYTES: usize = 1 << 30;

const HEADER: usize = 64;
const ENTRY: usize = 96;

/// One compiled function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its symbol.
    pub name: &'a str,
    /// Tier it was compiled at: 1 to 4 for O0 to O3; 0 for none.
    pub tier: u8,
    /// 0 for the generic body; others as the engine numbers them.
    pub variant: u32,
    /// Hash of the IR it was made from, what was inlined included.
    pub ir_hash: [u8; 32],
    /// The code, as the engine's linker takes it.
    pub code: &'a [u8],
    /// What the engine needs to know beside it.
    pub details: &'a [u8],
    /// Checksums of `code` and `details` as they should be; [`encode`] ignores them.
    pub checksums: [u64; 2],
}

impl<'a> Function<'a> {
    /// A function to be encoded.
    pub fn new(name: &'a str, tier: u8, ir_hash: [u8; 32], code: &'a [u8]) -> Self {
        Self {
            name,
            tier,
            variant: 0,
            ir_hash,
            code,
            details: &[],
            checksums: [0; 2],
        }
    }

    /// Compares code and details with their checksums.
    ///
    /// # Errors
    /// [`SnapError::Function`].
    pub fn verify(&self) -> Result<(), SnapError> {
        for (bytes, expected) in [self.code, self.details].into_iter().zip(self.checksums) {
            let found = checksum(bytes);
            if found != expected {
                return Err(SnapError::Function { found, expected });
            }
        }
        Ok(())
    }
}

/// A code set whose head was found whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snap<'a> {
    /// Boots of this disk up to the one that wrote it.
    pub boot_count: u64,
    /// Key of the CPU features the code was compiled for.
    pub cpu_key: u64,
    /// Build of LLVM and runtime that compiled it.
    pub build: u64,
    /// The functions, in the order they were written.
    pub functions: Vec<Function<'a>>,
}

/// Why a code set, or one function of it, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapError {
    /// It ends before its fixed header does.
    Short {
        /// Bytes given.
        found: usize,
    },
    /// The first four bytes are not `SNAP`.
    Magic {
        /// Bytes found.
        found: [u8; 4],
    },
    /// Written by another version of BareFlow.
    Version {
        /// Version found.
        found: u32,
    },
    /// Sizes in the header do not add up to what is there.
    Size {
        /// The size they give, in bytes; the largest number if they overflow.
        declared: u64,
        /// Bytes given.
        found: u64,
    },
    /// Header, table or names are damaged.
    Head {
        /// Checksum of what was found.
        found: u64,
        /// Checksum in the header.
        expected: u64,
    },
    /// An entry of the table does not say what `encode` would have said.
    Entry {
        /// Number of the function.
        index: usize,
        /// What is wrong with it.
        field: &'static str,
    },
    /// The bytes between two things are not zero.
    Padding {
        /// Offset of the first such byte.
        offset: usize,
    },
    /// Code or details of a function are damaged.
    Function {
        /// Checksum of what was found.
        found: u64,
        /// Checksum in the table.
        expected: u64,
    },
    /// Too much to be encoded.
    TooLarge {
        /// Size it would have, in bytes.
        bytes: u64,
    },
}

impl fmt::Display for SnapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short { found } => {
                write!(
                    f,
                    "code set: {found} bytes found, at least {HEADER} expected"
                )
            }
            Self::Magic { found } => write!(
                f,
                "code set: magic {found:02x?} found at offset 0, \"SNAP\" expected"
            ),
            Self::Version { found } => write!(
                f,
                "code set: version {found} found at offset 4, {VERSION} expected; it was written by another BareFlow"
            ),
            Self::Size { declared, found } => {
                write!(
                    f,
                    "code set: {found} bytes found, {declared} expected by its header"
                )
            }
            Self::Head { found, expected } => write!(
                f,
                "code set: checksum {found:016x} of header and table found, {expected:016x} expected; it is damaged"
            ),
            Self::Entry { index, field } => {
                write!(f, "code set: {field} of function {index} is wrong")
            }
            Self::Padding { offset } => {
                write!(f, "code set: byte {offset} is not zero, padding expected")
            }
            Self::Function { found, expected } => write!(
                f,
                "checksum {found:016x} found, {expected:016x} expected: the code is damaged"
            ),
            Self::TooLarge { bytes } => write!(
                f,
                "a code set of {bytes} bytes is too large, at most {MAX_BYTES} expected"
            ),
        }
    }
}

impl core::error::Error for SnapError {}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
}

/// The bytes of a code set.
///
/// # Errors
/// [`SnapError::TooLarge`].
pub fn encode(set: &Snap) -> Result<Vec<u8>, SnapError> {
    let names: usize = set.functions.iter().map(|f| f.name.len()).sum();
    let padded = |bytes: &[u8]| bytes.len().next_multiple_of(ALIGN);
    let code: usize = set
        .functions
        .iter()
        .map(|f| padded(f.code) + padded(f.details))
        .sum();
    let head = HEADER + ENTRY * set.functions.len() + names;
    let total = head.next_multiple_of(ALIGN) + code;
    if total > MAX_BYTES {
        return Err(SnapError::TooLarge {
            bytes: total as u64,
        });
    }
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    for word in [total as u64, set.boot_count, set.cpu_key, set.build] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    // All sizes are below MAX_BYTES, which fits 32 bits.
    out.extend_from_slice(&(set.functions.len() as u32).to_le_bytes());
    out.extend_from_slice(&(names as u32).to_le_bytes());
    out.extend_from_slice(&(code as u64).to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    let (mut name_at, mut code_at) = (0u32, 0u64);
    for function in &set.functions {
        out.extend_from_slice(&name_at.to_le_bytes());
        out.extend_from_slice(&(function.name.len() as u32).to_le_bytes());
        name_at += function.name.len() as u32;
        for bytes in [function.code, function.details] {
            out.extend_from_slice(&code_at.to_le_bytes());
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            code_at += padded(bytes) as u64;
        }
        out.extend_from_slice(&function.variant.to_le_bytes());
        out.extend_from_slice(&[function.tier, 0, 0, 0]);
        out.extend_from_slice(&function.ir_hash);
        out.extend_from_slice(&checksum(function.code).to_le_bytes());
        out.extend_from_slice(&checksum(function.details).to_le_bytes());
    }
    for function in &set.functions {
        out.extend_from_slice(function.name.as_bytes());
    }
    let sum = head_checksum(&out);
    out[56..64].copy_from_slice(&sum.to_le_bytes());
    pad(&mut out);
    for function in &set.functions {
        for bytes in [function.code, function.details] {
            out.extend_from_slice(bytes);
            pad(&mut out);
        }
    }
    Ok(out)
}

/// Checksum of header, table and names: `head` is all of them.
fn head_checksum(head: &[u8]) -> u64 {
    let mut sum = Checksum::new();
    sum.update(&head[..56]).update(&head[HEADER..]);
    sum.finish()
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from(half(bytes, at)) | u64::from(half(bytes, at + 4)) << 32
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Reads a code set. The code itself is not looked at: see [`Function::verify`].
///
/// # Errors
/// The first thing that is wrong, in the order of the layout.
pub fn parse(bytes: &[u8]) -> Result<Snap<'_>, SnapError> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Err(SnapError::Short { found: bytes.len() });
    };
    let magic = [header[0], header[1], header[2], header[3]];
    if magic != MAGIC {
        return Err(SnapError::Magic { found: magic });
    }
    let version = half(header, 4);
    if version != VERSION {
        return Err(SnapError::Version { found: version });
    }
    let total = word(header, 8);
    let (count, names_size) = (half(header, 40), half(header, 44));
    let code_size = word(header, 48);
    let found = bytes.len() as u64;
    if total != found || found > MAX_BYTES as u64 {
        return Err(SnapError::Size {
            declared: total,
            found,
        });
    }
    // At most 2^32 * 96 + 2^32: no overflow before the code is added.
    let table_end = HEADER as u64 + ENTRY as u64 * u64::from(count);
    let head_end = table_end + u64::from(names_size);
    let code_start = head_end.next_multiple_of(ALIGN as u64);
    let declared = code_start.saturating_add(code_size);
    if declared != found {
        return Err(SnapError::Size { declared, found });
    }
    // From here on all sizes are below that of `bytes`.
    let (table_end, head_end) = (table_end as usize, head_end as usize);
    let code_start = code_start as usize;
    let expected = word(header, 56);
    let sum = head_checksum(&bytes[..head_end]);
    if sum != expected {
        return Err(SnapError::Head {
            found: sum,
            expected,
        });
    }
    no_padding(bytes, head_end, code_start)?;
    let (mut name_at, mut code_at) = (0usize, 0usize);
    let mut functions = Vec::with_capacity(count as usize);
    for index in 0..count as usize {
        let wrong = |field| SnapError::Entry { index, field };
        let entry = &bytes[HEADER + index * ENTRY..][..ENTRY];
        let name_size = half(entry, 4) as usize;
        if half(entry, 0) as usize != name_at || name_size > names_size as usize - name_at {
            return Err(wrong("the place of the name"));
        }
        let name = &bytes[table_end + name_at..][..name_size];
        name_at += name_size;
        let mut piece = |at: usize, field| {
            let (offset, size) = (word(entry, at), word(entry, at + 8));
            let room = bytes.len() - code_start - code_at;
            if offset != code_at as u64 || size > room as u64 {
                return Err(wrong(field));
            }
            let start = code_start + code_at;
            let end = start + size as usize;
            // Sections are made of padded pieces, so the padded one fits if the sizes are right.
            let padded = end.next_multiple_of(ALIGN);
            if padded > bytes.len() {
                return Err(wrong(field));
            }
            no_padding(bytes, end, padded)?;
            code_at = padded - code_start;
            Ok(&bytes[start..end])
        };
        let code = piece(8, "the place of the code")?;
        let details = piece(24, "the place of the details")?;
        if entry[45..48] != [0; 3] {
            return Err(wrong("the zero field"));
        }
        let mut ir_hash = [0; 32];
        ir_hash.copy_from_slice(&entry[48..80]);
        functions.push(Function {
            name: core::str::from_utf8(name).map_err(|_| wrong("the name"))?,
            tier: entry[44],
            variant: half(entry, 40),
            ir_hash,
            code,
            details,
            checksums: [word(entry, 80), word(entry, 88)],
        });
    }
    if name_at != names_size as usize || code_start + code_at != bytes.len() {
        return Err(SnapError::Size {
            declared: (code_start + code_at) as u64,
            found,
        });
    }
    Ok(Snap {
        boot_count: word(header, 16),
        cpu_key: word(header, 24),
        build: word(header, 32),
        functions,
    })
}

/// Checks that `bytes[from..to]` is zero.
fn no_padding(bytes: &[u8], from: usize, to: usize) -> Result<(), SnapError> {
    match bytes[from..to].iter().position(|&byte| byte != 0) {
        Some(at) => Err(SnapError::Padding { offset: from + at }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let mut matmul = Function::new("matmul", 4, [7; 32], b"machine code of it");
        matmul.variant = 2;
        matmul.details = b"n = 288";
        let main = Function::new("bf_main", 1, [8; 32], b"0123456789abcdef");
        encode(&Snap {
            boot_count: 12,
            cpu_key: 34,
            build: 56,
            functions: vec![matmul, main],
        })
        .unwrap()
    }

    /// Makes the head's checksum right again.
    fn sign(bytes: &mut [u8]) {
        let head = HEADER + ENTRY * half(bytes, 40) as usize + half(bytes, 44) as usize;
        let sum = head_checksum(&bytes[..head]);
        bytes[56..64].copy_from_slice(&sum.to_le_bytes());
    }

    #[test]
    fn a_set_survives() {
        let bytes = sample();
        let set = parse(&bytes).unwrap();
        assert_eq!((set.boot_count, set.cpu_key, set.build), (12, 34, 56));
        let [matmul, main] = set.functions[..] else {
            panic!("two functions");
        };
        assert_eq!((matmul.name, matmul.tier, matmul.variant), ("matmul", 4, 2));
        assert_eq!(matmul.code, b"machine code of it");
        assert_eq!((matmul.details, matmul.ir_hash), (&b"n = 288"[..], [7; 32]));
        assert_eq!((main.name, main.details.len()), ("bf_main", 0));
        assert_eq!((matmul.verify(), main.verify()), (Ok(()), Ok(())));
        assert_eq!(encode(&set).unwrap(), bytes);
        let none = Snap {
            functions: vec![],
            ..set
        };
        assert_eq!(encode(&none).unwrap().len(), HEADER);
        assert_eq!(parse(&encode(&none).unwrap()), Ok(none));
    }

    #[test]
    fn damaged_code_costs_one_function() {
        let mut bytes = sample();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let set = parse(&bytes).unwrap();
        assert_eq!(set.functions[0].verify(), Ok(()));
        assert!(matches!(
            set.functions[1].verify(),
            Err(SnapError::Function { .. })
        ));
    }

    #[test]
    fn each_damage_has_its_own_error() {
        let good = sample();
        let damaged = |at: usize, to: u8, signed: bool| {
            let mut bytes = good.clone();
            bytes[at] = to;
            if signed {
                sign(&mut bytes);
            }
            parse(&bytes).map(|_| ()).unwrap_err()
        };
        assert_eq!(
            damaged(0, b'X', false),
            SnapError::Magic { found: *b"XNAP" }
        );
        assert_eq!(damaged(4, 2, false), SnapError::Version { found: 2 });
        assert!(matches!(damaged(9, 9, false), SnapError::Size { .. }));
        assert!(matches!(damaged(48, 0, false), SnapError::Size { .. }));
        assert!(matches!(damaged(16, 9, false), SnapError::Head { .. }));
        let entry = |field| SnapError::Entry { index: 1, field };
        let second = HEADER + ENTRY;
        assert_eq!(damaged(second, 1, true), entry("the place of the name"));
        assert_eq!(damaged(second + 7, 1, true), entry("the place of the name"));
        assert_eq!(damaged(second + 8, 0, true), entry("the place of the code"));
        assert_eq!(
            damaged(second + 23, 1, true),
            entry("the place of the code")
        );
        assert_eq!(
            damaged(second + 32, 1, true),
            entry("the place of the details")
        );
        assert_eq!(damaged(second + 45, 1, true), entry("the zero field"));
        assert_eq!(
            damaged(HEADER + 2 * ENTRY + 7, 0xFF, true),
            entry("the name")
        );
        let padding = good.len() - ALIGN - 1;
        let error = SnapError::Padding { offset: padding };
        assert_eq!(damaged(padding, 1, false), error);
        assert_eq!(parse(&good[..63]), Err(SnapError::Short { found: 63 }));
        // A count that would take 400 GB of memory.
        assert!(matches!(damaged(43, 0xFF, false), SnapError::Size { .. }));
    }

    proptest! {
        #[test]
        fn any_set_survives(
            count in 0usize..6,
            name in "[a-z$._é]{0,12}",
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
            numbers in any::<[u64; 3]>(),
        ) {
            let names: Vec<String> = (0..count).map(|i| alloc::format!("{name}{i}")).collect();
            let functions = names.iter().enumerate().map(|(i, name)| {
                let cut = (i * 13).min(bytes.len());
                let mut f = Function::new(name, i as u8, [i as u8; 32], &bytes[..cut]);
                f.details = &bytes[cut..];
                f.checksums = [checksum(f.code), checksum(f.details)];
                f
            }).collect();
            let [boot_count, cpu_key, build] = numbers;
            let set = Snap { boot_count, cpu_key, build, functions };
            let encoded = encode(&set).unwrap();
            prop_assert_eq!(parse(&encoded), Ok(set));
        }

        #[test]
        fn any_flip_is_noticed(at in 0usize..380, bit in 0u8..8) {
            let mut bytes = sample();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let whole = parse(&bytes).is_ok_and(|s| s.functions.iter().all(|f| f.verify().is_ok()));
            prop_assert!(!whole);
        }

        #[test]
        fn any_bytes_are_safe(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
            if bytes.len() >= 8 {
                bytes[..4].copy_from_slice(&MAGIC);
                bytes[4..8].copy_from_slice(&1u32.to_le_bytes());
                let _ = parse(&bytes);
            }
        }
    }
}
