//! The profile as it is kept from boot to boot: what was learnt of each guest function, whatever the CPU.
//!
//! The payload of a record of kind 2 is [`Profile`] in postcard's form (postcard.jamesmunro.de/wire-format): the fields
//! below in their order, integers of more than 8 bits as LEB128 varints, options as a byte and the value, lists and
//! strings as a varint length and the elements, arrays as they are. The first two fields are [`MAGIC`] and [`VERSION`].
//!
//! Counters are sums over all boots. Names, not addresses or numbers, say which function is meant: both differ from boot
//! to boot. Any bytes can be parsed: sizes are checked against what is there before memory is taken.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// First field: `PROF`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"PROF");
/// The one version this code writes and reads.
pub const VERSION: u32 = 1;
/// Largest profile accepted, in bytes.
pub const MAX_BYTES: usize = 64 << 20;

/// Hash of IR; zeros where it was never computed.
pub type IrHash = [u8; 32];

/// Everything learnt of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`VERSION`].
    pub version: u32,
    /// Hash of the program's modules: while it is the same, so is every function, but for what the CPU decides.
    pub source: IrHash,
    /// The functions that ever ran.
    pub functions: Vec<Function>,
}

/// What was learnt of one function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its symbol.
    pub name: String,
    /// Hash of its own IR, without what is inlined into it.
    pub hash: IrHash,
    /// The tier it had reached: 0 the interpreter, 1 to 4 for O0 to O3.
    pub tier: u8,
    /// Times it was entered, as far as that was counted.
    pub calls: u64,
    /// Backward jumps taken, as far as they were counted.
    pub back_edges: u64,
    /// Entries into compiled code in the middle of a loop.
    pub osr_entries: u64,
    /// Measured calls, in cycles: how many, their sum, the shortest, the longest.
    pub cycles: Option<(u64, u64, u64, u64)>,
    /// Executions of each basic block while it was interpreted.
    pub blocks: Vec<u64>,
    /// Its parameters of one word.
    pub arguments: Vec<Argument>,
    /// Its calls through pointers.
    pub sites: Vec<Site>,
    /// Whether code for particular arguments was given up, because they changed.
    pub is_generic: bool,
}

/// What was learnt of one parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argument {
    /// Values seen.
    pub total: u64,
    /// The most frequent, with how often each was seen at least. Addresses are not among them.
    pub top: Vec<(u64, u64)>,
    /// Pointers by alignment: 1, 2, 4 .. bytes.
    pub alignments: Vec<u64>,
    /// Null pointers.
    pub nulls: u64,
    /// Functions among the values, by name, with how often each was seen at least.
    pub functions: Vec<(String, u64)>,
}

/// What was learnt of one call through a pointer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Calls seen.
    pub total: u64,
    /// The most frequent targets among the program's functions, with how often each was seen at least.
    pub top: Vec<(String, u64)>,
}

/// Why a profile cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileError {
    /// Other first bytes.
    Magic {
        /// What was found.
        found: u32,
    },
    /// Written by another version of BareFlow.
    Version {
        /// What was found.
        found: u32,
    },
    /// Too large to be one.
    Size {
        /// Bytes given.
        found: usize,
    },
    /// It ends too early, or a field is none.
    Damaged,
    /// There is something behind it.
    Rest {
        /// Bytes behind its end.
        bytes: usize,
    },
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic { found } => write!(
                f,
                "profile: first bytes {found:#010x} found, {MAGIC:#010x} (\"PROF\") expected"
            ),
            Self::Version { found } => {
                write!(f, "profile: version {found} found, {VERSION} expected")
            }
            Self::Size { found } => write!(
                f,
                "profile: {found} bytes found, at most {MAX_BYTES} expected"
            ),
            Self::Damaged => write!(f, "profile: it is cut off or damaged"),
            Self::Rest { bytes } => write!(f, "profile: {bytes} bytes found behind its end"),
        }
    }
}

impl core::error::Error for ProfileError {}

/// The bytes of a profile; its magic and version are set.
pub fn encode(profile: &mut Profile) -> Vec<u8> {
    profile.magic = MAGIC;
    profile.version = VERSION;
    // Writing to memory that grows does not fail.
    postcard::to_allocvec(profile).unwrap_or_default()
}

/// Reads a profile.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(bytes: &[u8]) -> Result<Profile, ProfileError> {
    if bytes.len() > MAX_BYTES {
        return Err(ProfileError::Size { found: bytes.len() });
    }
    let damaged = |_| ProfileError::Damaged;
    let (magic, rest): (u32, _) = postcard::take_from_bytes(bytes).map_err(damaged)?;
    if magic != MAGIC {
        return Err(ProfileError::Magic { found: magic });
    }
    let (version, _): (u32, _) = postcard::take_from_bytes(rest).map_err(damaged)?;
    if version != VERSION {
        return Err(ProfileError::Version { found: version });
    }
    let (profile, rest) = postcard::take_from_bytes(bytes).map_err(damaged)?;
    match rest.len() {
        0 => Ok(profile),
        bytes => Err(ProfileError::Rest { bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use proptest::prelude::*;

    fn sample() -> Profile {
        let matmul = Function {
            name: "matmul".into(),
            hash: [7; 32],
            tier: 4,
            calls: 123_456_789_012,
            back_edges: 9,
            cycles: Some((1, 2, 3, u64::MAX)),
            blocks: vec![1, 1 << 40, 0],
            arguments: vec![Argument {
                total: 100,
                top: vec![(288, 99)],
                alignments: vec![0, 0, 1],
                ..Argument::default()
            }],
            sites: vec![Site {
                total: 5,
                top: vec![("compare".into(), 5)],
            }],
            ..Function::default()
        };
        Profile {
            source: [1; 32],
            functions: vec![matmul, Function::default()],
            ..Profile::default()
        }
    }

    #[test]
    fn it_comes_back() {
        let mut profile = sample();
        let bytes = encode(&mut profile);
        assert_eq!(parse(&bytes).unwrap(), profile);
        assert!(bytes.len() < 250, "{}", bytes.len());
    }

    #[test]
    fn refusals_say_what_was_found() {
        let bytes = encode(&mut sample());
        for n in 0..bytes.len() {
            assert_eq!(parse(&bytes[..n]), Err(ProfileError::Damaged), "{n}");
        }
        let mut more = bytes.clone();
        more.push(0);
        assert_eq!(parse(&more), Err(ProfileError::Rest { bytes: 1 }));
        let other = postcard::to_allocvec(&(MAGIC, 9u32, 0u64)).unwrap();
        let error = parse(&other).unwrap_err().to_string();
        assert!(error.contains("version 9"), "{error}");
        let other = postcard::to_allocvec(&(5u32, 9u32)).unwrap();
        assert_eq!(parse(&other), Err(ProfileError::Magic { found: 5 }));
        let large = vec![0; MAX_BYTES + 1];
        assert!(matches!(parse(&large), Err(ProfileError::Size { .. })));
    }

    proptest! {
        #[test]
        fn any_change_is_survived(at in 0usize..200, bit in 0u8..8) {
            let mut bytes = encode(&mut sample());
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            // Counters may change unnoticed: the record around it has a checksum.
            if let Ok(mut profile) = parse(&bytes) {
                prop_assert!(encode(&mut profile).len() <= bytes.len());
            }
        }

        #[test]
        fn anything_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
            let mut front = postcard::to_allocvec(&(MAGIC, VERSION, [0u8; 32])).unwrap();
            front.extend_from_slice(&bytes);
            let _ = parse(&front);
        }
    }
}
