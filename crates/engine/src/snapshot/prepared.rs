//! The prepared program: modules read, verified, linked, adapted and cleaned, as they are before anything is compiled.
//!
//! Reading it is all that is left of these steps at the next start. It is postcard's form of [`Stored`], its fields in
//! their order.

use super::Error;
use serde::{Deserialize, Serialize};

/// The one version this code writes and reads.
const VERSION: u32 = 1;
/// First bytes: `BFPP`.
const MAGIC: u32 = u32::from_le_bytes(*b"BFPP");

/// A prepared program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// The symbol that starts it.
    pub entry: &'a str,
    /// Its pristine bitcode.
    pub bitcode: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    magic: u32,
    version: u32,
    entry: &'a str,
    bitcode: &'a [u8],
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
            postcard::from_bytes(bytes).map_err(|e| wrong(e, "an entry and bitcode"))?;
        Ok(Prepared {
            entry: stored.entry,
            bitcode: stored.bitcode,
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
        let later = postcard::to_allocvec(&(MAGIC, 2u32, "", "")).unwrap();
        let error = Prepared::parse(&later).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }
}
