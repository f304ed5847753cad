//! LLBC: the container that carries one bitcode module of a guest program.
//!
//! A guest program is a set of such modules. The container says what is inside before LLVM reads a byte of it, so
//! that a wrong version, a truncated file or a flipped bit ends in one clear message.
//!
//! Layout (integers are little-endian, offsets in bytes):
//!
//! 1.   0..4    magic `LLBC`
//! 2.   4..8    version, [`VERSION`]
//! 3.   8..16   size of the whole container
//! 4.  16..24   size of the bitcode
//! 5.  24..28   size of the strings section
//! 6.  28..32   number of imports
//! 7.  32..36   number of exports
//! 8.  36..40   reserved, zero
//! 9.  40..72   BLAKE3 hash of the bitcode
//! 10. 72..104  BLAKE3 hash of bytes 0..72 followed by the strings section
//! 11. 104..    strings: name, entry symbol (empty: none), imports, exports; each a `u16` length and UTF-8 bytes;
//!     then zero bytes up to a multiple of [`ALIGN`]
//! 12. then the bitcode, to the end of the container
//!
//! A [`Module`] holds what [`parse`] proved: sizes agree with the file, both hashes match, strings are UTF-8 without
//! NUL, names are not empty, imports and exports are sorted without duplicates and do not overlap, and the entry is
//! an export. It does not say that the bitcode is valid: LLVM's reader and verifier decide that.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// First four bytes of a container.
pub const MAGIC: [u8; 4] = *b"LLBC";
/// The one version this code writes and reads.
pub const VERSION: u32 = 1;
/// The bitcode starts at a multiple of this many bytes.
pub const ALIGN: usize = 16;
/// Largest container accepted, in bytes.
pub const MAX_SIZE: u64 = 256 << 20;

const HEADER: usize = 104;

/// A validated module; borrows from the container's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module<'a> {
    /// Name shown in messages and profiles.
    pub name: &'a str,
    /// Symbol that starts the program, in the one module that has it.
    pub entry: Option<&'a str>,
    /// Symbols this module needs from other modules or from the runtime; sorted.
    pub imports: Vec<&'a str>,
    /// Symbols this module defines for others; sorted.
    pub exports: Vec<&'a str>,
    /// LLVM bitcode, not looked into.
    pub bitcode: &'a [u8],
    /// BLAKE3 hash of `bitcode`; identifies the program's code.
    pub hash: [u8; 32],
}

/// Why a container was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The file ends before the fixed header does.
    ShortHeader {
        /// Bytes in the file.
        found: usize,
    },
    /// The first four bytes are not [`MAGIC`].
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// Written by another version of BareFlow.
    Version {
        /// Version in the file.
        found: u32,
    },
    /// The header's size and the file's size differ.
    Size {
        /// Size according to the header.
        declared: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// A size or count in the header cannot be true.
    Absurd {
        /// Field name.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The most it could be.
        limit: u64,
    },
    /// Reserved or padding bytes are not zero.
    NotZero {
        /// Offset of the first such byte.
        offset: usize,
    },
    /// Header or strings do not match their hash.
    HeaderHash,
    /// The bitcode does not match its hash.
    BitcodeHash,
    /// A string runs over the end of the strings section, or the section has bytes left over.
    Strings {
        /// Offset in the container.
        offset: usize,
    },
    /// A string is not a name: not UTF-8, empty where it must not be, or with a NUL inside.
    BadName {
        /// Offset in the container.
        offset: usize,
    },
    /// Imports or exports are not sorted, repeat a name, or share one.
    Order {
        /// The name that is out of place.
        name: String,
    },
    /// The entry symbol is not among the exports.
    EntryNotExported {
        /// The entry symbol.
        entry: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::ShortHeader { found } => {
                write!(
                    f,
                    "truncated: {found} bytes, the LLBC header alone has {HEADER}"
                )
            }
            Error::Magic { found } => write!(
                f,
                "not an LLBC module: starts with {found:02x?}, expected {MAGIC:02x?} (\"LLBC\")"
            ),
            Error::Version { found } => write!(
                f,
                "LLBC version {found}, this runtime reads version {VERSION}: rebuild the image with the same BareFlow"
            ),
            Error::Size { declared, found } if found < declared => {
                write!(f, "truncated: {found} bytes of {declared}")
            }
            Error::Size { declared, found } => {
                write!(f, "{found} bytes, but the header says {declared}")
            }
            Error::Absurd {
                field,
                value,
                limit,
            } => {
                write!(
                    f,
                    "impossible header: {field} is {value}, at most {limit} can be true"
                )
            }
            Error::NotZero { offset } => write!(f, "byte {offset} must be zero"),
            Error::HeaderHash => write!(f, "damaged: header or names do not match their hash"),
            Error::BitcodeHash => write!(f, "damaged: the bitcode does not match its hash"),
            Error::Strings { offset } => {
                write!(f, "string table broken at byte {offset}")
            }
            Error::BadName { offset } => write!(f, "no valid symbol name at byte {offset}"),
            Error::Order { name } => {
                write!(
                    f,
                    "imports and exports must be sorted and distinct; {name:?} is not"
                )
            }
            Error::EntryNotExported { entry } => {
                write!(
                    f,
                    "entry symbol {entry:?} is not among the module's exports"
                )
            }
        }
    }
}

impl core::error::Error for Error {}

fn u32_at(b: &[u8], at: usize) -> u32 {
    let mut v = [0; 4];
    v.copy_from_slice(&b[at..at + 4]);
    u32::from_le_bytes(v)
}

fn u64_at(b: &[u8], at: usize) -> u64 {
    let mut v = [0; 8];
    v.copy_from_slice(&b[at..at + 8]);
    u64::from_le_bytes(v)
}

fn header_hash(header: &[u8], strings: &[u8]) -> [u8; 32] {
    let mut h = blake3::Hasher::new();
    h.update(&header[..72]);
    h.update(strings);
    *h.finalize().as_bytes()
}

/// Reads the strings section front to back.
struct Strings<'a> {
    container: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Strings<'a> {
    fn next(&mut self, may_be_empty: bool) -> Result<&'a str, Error> {
        let offset = self.at;
        let broken = Error::Strings { offset };
        let body = offset + 2;
        if body > self.end {
            return Err(broken);
        }
        let len =
            usize::from(self.container[offset]) | usize::from(self.container[offset + 1]) << 8;
        if body + len > self.end {
            return Err(broken);
        }
        self.at = body + len;
        let text = core::str::from_utf8(&self.container[body..body + len])
            .map_err(|_| Error::BadName { offset })?;
        if text.contains('\0') || (text.is_empty() && !may_be_empty) {
            return Err(Error::BadName { offset });
        }
        Ok(text)
    }
}

/// Checks that `names` is strictly ascending.
fn check_order(names: &[&str]) -> Result<(), Error> {
    match names.windows(2).find(|w| w[0] >= w[1]) {
        Some(w) => Err(Error::Order { name: w[1].into() }),
        None => Ok(()),
    }
}

/// Validates a container and gives access to its parts without copying them.
pub fn parse(container: &[u8]) -> Result<Module<'_>, Error> {
    let found = container.len();
    if found >= 4 && container[..4] != MAGIC {
        let mut first = [0; 4];
        first.copy_from_slice(&container[..4]);
        return Err(Error::Magic { found: first });
    }
    if found >= 8 && u32_at(container, 4) != VERSION {
        return Err(Error::Version {
            found: u32_at(container, 4),
        });
    }
    if found < HEADER {
        return Err(Error::ShortHeader { found });
    }
    let size = u64_at(container, 8);
    if size > MAX_SIZE {
        return Err(Error::Absurd {
            field: "container size",
            value: size,
            limit: MAX_SIZE,
        });
    }
    if size != found as u64 {
        return Err(Error::Size {
            declared: size,
            found: found as u64,
        });
    }
    // From here on every sum fits: `size` is the real length of a slice and at most MAX_SIZE.
    let body = size - HEADER as u64;
    let limited = |field, value: u64, limit: u64| {
        if value > limit {
            Err(Error::Absurd {
                field,
                value,
                limit,
            })
        } else {
            Ok(value as usize)
        }
    };
    let bitcode_len = limited("bitcode size", u64_at(container, 16), body)?;
    let strings_len = limited(
        "strings size",
        u32_at(container, 24).into(),
        body - bitcode_len as u64,
    )?;
    // Each name takes at least its length and one byte.
    let names = strings_len as u64 / 3;
    let imports_len = limited("number of imports", u32_at(container, 28).into(), names)?;
    let exports_len = limited("number of exports", u32_at(container, 32).into(), names)?;
    if let Some(i) = container[36..40].iter().position(|b| *b != 0) {
        return Err(Error::NotZero { offset: 36 + i });
    }
    let strings_end = HEADER + strings_len;
    let bitcode_at = strings_end.next_multiple_of(ALIGN);
    if bitcode_at + bitcode_len != found {
        return Err(Error::Absurd {
            field: "bitcode size",
            value: bitcode_len as u64,
            limit: found.saturating_sub(bitcode_at) as u64,
        });
    }
    if header_hash(container, &container[HEADER..strings_end]) != container[72..104] {
        return Err(Error::HeaderHash);
    }
    if let Some(i) = container[strings_end..bitcode_at]
        .iter()
        .position(|b| *b != 0)
    {
        return Err(Error::NotZero {
            offset: strings_end + i,
        });
    }
    let bitcode = &container[bitcode_at..];
    let hash = *blake3::hash(bitcode).as_bytes();
    if hash != container[40..72] {
        return Err(Error::BitcodeHash);
    }

    let mut strings = Strings {
        container,
        at: HEADER,
        end: strings_end,
    };
    let name = strings.next(false)?;
    let entry = Some(strings.next(true)?).filter(|e| !e.is_empty());
    let mut list = |n| {
        (0..n)
            .map(|_| strings.next(false))
            .collect::<Result<Vec<_>, _>>()
    };
    let imports = list(imports_len)?;
    let exports = list(exports_len)?;
    if strings.at != strings_end {
        return Err(Error::Strings { offset: strings.at });
    }
    check_order(&imports)?;
    check_order(&exports)?;
    if let Some(both) = imports.iter().find(|i| exports.binary_search(i).is_ok()) {
        return Err(Error::Order {
            name: (*both).into(),
        });
    }
    if let Some(entry) = entry.filter(|e| exports.binary_search(e).is_err()) {
        return Err(Error::EntryNotExported {
            entry: entry.into(),
        });
    }
    Ok(Module {
        name,
        entry,
        imports,
        exports,
        bitcode,
        hash,
    })
}

/// Writes a container. Imports and exports are sorted and made distinct; the same input gives the same bytes.
///
/// Errors are those [`parse`] would find in the result: names that are no names, an entry that is not exported, a
/// symbol that is both imported and exported, a module larger than [`MAX_SIZE`].
pub fn encode(
    name: &str,
    entry: Option<&str>,
    imports: &[&str],
    exports: &[&str],
    bitcode: &[u8],
) -> Result<Vec<u8>, Error> {
    let sorted = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().map(|n| (*n).into()).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let (imports, exports) = (sorted(imports), sorted(exports));
    let mut strings = Vec::new();
    let all = [name, entry.unwrap_or("")];
    for s in all
        .into_iter()
        .chain(imports.iter().chain(&exports).map(String::as_str))
    {
        let len = u16::try_from(s.len()).map_err(|_| Error::Absurd {
            field: "length of a name",
            value: s.len() as u64,
            limit: u16::MAX.into(),
        })?;
        strings.extend_from_slice(&len.to_le_bytes());
        strings.extend_from_slice(s.as_bytes());
    }
    let bitcode_at = (HEADER + strings.len()).next_multiple_of(ALIGN);
    let size = (bitcode_at + bitcode.len()) as u64;
    if size > MAX_SIZE {
        return Err(Error::Absurd {
            field: "container size",
            value: size,
            limit: MAX_SIZE,
        });
    }
    let mut out = Vec::with_capacity(size as usize);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&(bitcode.len() as u64).to_le_bytes());
    // The sum above is at most MAX_SIZE, so these counts fit 32 bits.
    for n in [strings.len(), imports.len(), exports.len(), 0] {
        out.extend_from_slice(&(n as u32).to_le_bytes());
    }
    out.extend_from_slice(blake3::hash(bitcode).as_bytes());
    let hash = header_hash(&out, &strings);
    out.extend_from_slice(&hash);
    out.extend_from_slice(&strings);
    out.resize(bitcode_at, 0);
    out.extend_from_slice(bitcode);
    parse(&out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        encode(
            "main",
            Some("bf_main"),
            &["bf_console_write", "memcpy"],
            &["bf_main", "a"],
            b"BC\xC0\xDE1234",
        )
        .unwrap()
    }

    /// Recomputes the header hash, so that a test reaches the checks behind it.
    fn resign(mut c: Vec<u8>) -> Vec<u8> {
        let end = HEADER + u32_at(&c, 24) as usize;
        let hash = header_hash(&c, &c[HEADER..end]);
        c[72..104].copy_from_slice(&hash);
        c
    }

    #[test]
    fn round_trip() {
        let c = sample();
        let m = parse(&c).unwrap();
        assert_eq!(m.name, "main");
        assert_eq!(m.entry, Some("bf_main"));
        assert_eq!(m.imports, ["bf_console_write", "memcpy"]);
        assert_eq!(m.exports, ["a", "bf_main"]);
        assert_eq!(m.bitcode, b"BC\xC0\xDE1234");
        assert_eq!(
            m.bitcode.as_ptr() as usize % ALIGN,
            c.as_ptr() as usize % ALIGN
        );
        assert_eq!(sample(), c);
    }

    #[test]
    fn no_entry_is_none() {
        let c = encode("lib", None, &[], &[], b"").unwrap();
        assert_eq!(parse(&c).unwrap().entry, None);
    }

    #[test]
    fn truncation_at_every_byte_is_told_as_such() {
        let c = sample();
        for n in 0..c.len() {
            let e = parse(&c[..n]).unwrap_err();
            match e {
                Error::ShortHeader { found } => assert!(n < HEADER && found == n),
                Error::Size { declared, found } => {
                    assert_eq!((declared, found), (c.len() as u64, n as u64));
                }
                other => panic!("{n}: {other}"),
            }
        }
        let mut longer = c.clone();
        longer.push(0);
        assert!(matches!(parse(&longer), Err(Error::Size { .. })));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let c = sample();
        for bit in 0..c.len() * 8 {
            let mut bad = c.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&bad).is_err(), "bit {bit} went unnoticed");
        }
    }

    #[test]
    fn each_damage_has_its_own_message() {
        let c = sample();
        let with = |at: usize, v: &[u8]| {
            let mut b = c.clone();
            b[at..at + v.len()].copy_from_slice(v);
            b
        };
        assert!(matches!(parse(&with(0, b"ELF")), Err(Error::Magic { .. })));
        assert_eq!(parse(&with(4, &[2])), Err(Error::Version { found: 2 }));
        let last = c.len() - 1;
        assert_eq!(parse(&with(last, &[0xFF])), Err(Error::BitcodeHash));
        assert_eq!(parse(&with(HEADER + 2, b"M")), Err(Error::HeaderHash));
        assert_eq!(parse(&with(39, &[1])), Err(Error::NotZero { offset: 39 }));
        assert!(matches!(parse(b"BC\xC0\xDE"), Err(Error::Magic { .. })));
        assert_eq!(parse(b""), Err(Error::ShortHeader { found: 0 }));
    }

    #[test]
    fn absurd_sizes_are_refused_before_they_are_used() {
        for at in [8, 16, 24, 28, 32] {
            for v in [u32::MAX, 0x7FFF_FFFF, 1 << 20] {
                let mut b = sample();
                b[at..at + 4].copy_from_slice(&v.to_le_bytes());
                assert!(
                    matches!(parse(&b), Err(Error::Absurd { .. } | Error::Size { .. })),
                    "field at {at} = {v}"
                );
            }
        }
        let mut b = sample();
        b[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(parse(&b), Err(Error::Absurd { .. })));
        let mut b = sample();
        b[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(parse(&b), Err(Error::Absurd { .. })));
    }

    #[test]
    fn names_are_checked_behind_a_valid_hash() {
        let mut b = sample();
        b[HEADER] = 0xFF; // the name's length runs over the section
        b[HEADER + 1] = 0xFF;
        assert_eq!(parse(&resign(b)), Err(Error::Strings { offset: HEADER }));
        let mut b = sample();
        b[HEADER + 2] = 0xFF;
        assert_eq!(parse(&resign(b)), Err(Error::BadName { offset: HEADER }));
        let mut b = sample();
        b[HEADER + 2] = 0;
        assert_eq!(parse(&resign(b)), Err(Error::BadName { offset: HEADER }));
        let mut b = sample();
        b[28] = 1; // one import fewer: the second becomes an export, one string is left over
        assert!(parse(&resign(b)).is_err());
    }

    #[test]
    fn encode_refuses_what_parse_would() {
        assert!(matches!(
            encode("m", Some("f"), &[], &["g"], b""),
            Err(Error::EntryNotExported { .. })
        ));
        assert!(matches!(
            encode("", None, &[], &[], b""),
            Err(Error::BadName { .. })
        ));
        assert!(matches!(
            encode("m", None, &["f"], &["f"], b""),
            Err(Error::Order { .. })
        ));
        let long = "x".repeat(70_000);
        assert!(matches!(
            encode(&long, None, &[], &[], b""),
            Err(Error::Absurd { .. })
        ));
        assert_eq!(
            encode("m", None, &["b", "a", "b"], &[], b""),
            encode("m", None, &["a", "b"], &[], b"")
        );
    }
}
