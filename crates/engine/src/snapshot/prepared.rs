//! The prepared program: modules read, verified, linked, adapted and cleaned, as they are before anything is compiled.
//!
//! Reading it is all that is left of these steps at the next start. It is postcard's form of [`Stored`], its fields in
//! their order.

use super::Error;
use crate::tier::parts::Survey;
use serde::{Deserialize, Serialize};

/// The one version this code writes and reads.
const VERSION: u32 = 2;
/// First bytes: `BFPP`.
const MAGIC: u32 = u32::from_le_bytes(*b"BFPP");

/// A prepared program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// The symbol that starts it.
    pub entry: &'a str,
    /// Its pristine bitcode.
    pub bitcode: &'a [u8],
    /// The shapes of its functions, so that their bodies need not be read for them.
    pub(crate) surveys: Vec<(String, Survey)>,
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    magic: u32,
    version: u32,
    entry: &'a str,
    bitcode: &'a [u8],
    surveys: Vec<(String, Survey)>,
}

fn wrong(found: impl ToString, expected: impl ToString) -> Error {
    Error::Format {
        what: "prepared program",
        found: found.to_string(),
        expected: expected.to_string(),
    }
}

impl<'a> Prepared<'a> {
    /// Its bytes.
    ///
    /// # Errors
    /// Not enough memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let stored = Stored {
            magic: MAGIC,
            version: VERSION,
            entry: self.entry,
            bitcode: self.bitcode,
            surveys: self.surveys.clone(),
        };
        postcard::to_allocvec(&stored).map_err(|e| wrong(e, "memory for it"))
    }

    /// Reads what [`Prepared::to_bytes`] gave. That the bitcode is whole is its keeper's matter.
    ///
    /// # Errors
    /// [`Error::Format`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (head, _): ((u32, u32), _) =
            postcard::take_from_bytes(bytes).map_err(|e| wrong(e, "a magic and a version"))?;
        if head.0 != MAGIC {
            return Err(wrong(format!("magic {:#x}", head.0), format!("{MAGIC:#x}")));
        }
        if head.1 != VERSION {
            return Err(wrong(format!("version {}", head.1), VERSION));
        }
        let stored: Stored<'a> =
            postcard::from_bytes(bytes).map_err(|e| wrong(e, "an entry, bitcode and shapes"))?;
        Ok(Prepared {
            entry: stored.entry,
            bitcode: stored.bitcode,
            surveys: stored.surveys,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_comes_back_and_damage_is_named() {
        let program = Prepared {
            entry: "bf_main",
            bitcode: b"BC and much more",
            surveys: vec![("f".into(), Survey::default())],
        };
        let bytes = program.to_bytes().unwrap();
        assert_eq!(Prepared::parse(&bytes).unwrap(), program);
        for n in 0..bytes.len() {
            assert!(Prepared::parse(&bytes[..n]).is_err(), "{n}");
        }
        let mut other = bytes.clone();
        other[0] ^= 1;
        let error = Prepared::parse(&other).unwrap_err().to_string();
        assert!(error.contains("magic"), "{error}");
        let later = postcard::to_allocvec(&(MAGIC, VERSION + 1, "", "")).unwrap();
        let error = Prepared::parse(&later).unwrap_err().to_string();
        assert!(error.contains("version 3"), "{error}");
    }
}
