//! What of the runtime was used: functions that ran, atoms of constants that were needed.
//!
//! Numbers are those of the base image's link data, whichever image ran. As a record (`formats::record`, kind
//! COVERAGE), little endian:
//!
//! 1. magic `COVR`, version `u32`, build id of the base image (20 bytes), boots that are in it `u32`
//! 2. number of functions `u32`, number of atoms `u32`
//! 3. bitmap of functions that ran, bitmap of atoms that are wanted besides (bit `i % 8` of byte `i / 8`)

use formats::calls::{BUILD_ID_BYTES, CoverageInfo, FLAG_FUNCTIONS};
use formats::relink::Kind;

use crate::evict::Moves;
use crate::link_data::LinkData;

const MAGIC: [u8; 4] = *b"COVR";
const VERSION: u32 = 1;
const HEAD: usize = 40;
const PAGE: u64 = 4096;

/// Why a record of coverage cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CoverageError {
    /// Not such a record, or one that is cut off.
    #[error("coverage: {found} bytes are not a record of coverage (expected {expected})")]
    Form {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// Of another image.
    #[error(
        "coverage: measured on another build of the runtime ({found}, this is {expected}): run the machine again"
    )]
    Build {
        /// Build id found.
        found: String,
        /// Build id expected.
        expected: String,
    },
}

/// Coverage of a base image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Build id of the base image.
    pub build_id: [u8; BUILD_ID_BYTES],
    /// Boots that were measured.
    pub boots: u32,
    functions: Bits,
    atoms: Bits,
}

/// A bitmap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bits {
    count: usize,
    bytes: Vec<u8>,
}

impl Bits {
    /// `count` zeroes.
    pub fn new(count: usize) -> Self {
        Self {
            count,
            bytes: vec![0; count.div_ceil(8)],
        }
    }

    /// Bit `index`; false behind the end.
    pub fn get(&self, index: usize) -> bool {
        index < self.count && self.bytes[index / 8] >> (index % 8) & 1 == 1
    }

    /// Sets bit `index`; nothing behind the end.
    pub fn set(&mut self, index: usize) {
        if index < self.count {
            self.bytes[index / 8] |= 1 << (index % 8);
        }
    }

    /// How many are set.
    pub fn ones(&self) -> usize {
        (0..self.count).filter(|&index| self.get(index)).count()
    }

    fn merge(&mut self, other: &Self) {
        for index in (0..self.count).filter(|&index| other.get(index)) {
            self.set(index);
        }
    }
}

/// Hexadecimal digits of a build id.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Coverage {
    /// Nothing has run yet.
    pub fn new(link: &LinkData) -> Self {
        Self {
            build_id: link.build_id,
            boots: 0,
            functions: Bits::new(link.functions.len()),
            atoms: Bits::new(link.atoms.len()),
        }
    }

    /// Whether function `index` ran.
    pub fn ran(&self, index: usize) -> bool {
        self.functions.get(index)
    }

    /// How many functions ran.
    pub fn functions_run(&self) -> usize {
        self.functions.ones()
    }

    /// How many atoms are wanted whoever refers to them.
    pub fn atoms_wanted(&self) -> usize {
        self.atoms.ones()
    }

    /// Whether atom `index` is wanted whoever refers to it.
    pub fn wants(&self, index: usize) -> bool {
        self.atoms.get(index)
    }

    /// Notes that a function ran.
    pub fn note_function(&mut self, index: usize) {
        self.functions.set(index);
    }

    /// Notes that an atom was needed.
    pub fn note_atom(&mut self, index: usize) {
        self.atoms.set(index);
    }

    /// Adds what another record says.
    ///
    /// # Errors
    /// [`CoverageError::Build`]
    pub fn merge(&mut self, other: &Self) -> Result<(), CoverageError> {
        check_build(&other.build_id, &self.build_id)?;
        self.functions.merge(&other.functions);
        self.atoms.merge(&other.atoms);
        self.boots = self.boots.saturating_add(other.boots);
        Ok(())
    }

    /// Adds what the kernel measured: `bitmap` of functions by the numbers of the image that ran, `misses`, the addresses of
    /// cold pages that were read. `moves` tells where an evicted image has what; `None` for the base image.
    ///
    /// Cold pages count by function where functions were watched, and as a whole where not; constants on them always do.
    ///
    /// # Errors
    /// [`CoverageError::Build`]: another image ran.
    pub fn add_boot(
        &mut self,
        link: &LinkData,
        info: &CoverageInfo,
        bitmap: &[u8],
        misses: &[u64],
        moves: Option<&Moves>,
    ) -> Result<(), CoverageError> {
        check_build(&info.build_id, &self.build_id)?;
        for index in 0..link.functions.len().min(bitmap.len() * 8) {
            if bitmap[index / 8] >> (index % 8) & 1 == 1 {
                self.functions
                    .set(moves.map_or(index, |moves| moves.base_function(index)));
            }
        }
        let Some(moves) = moves else {
            self.boots = self.boots.saturating_add(1);
            return Ok(());
        };
        let watched = info.flags & FLAG_FUNCTIONS != 0;
        for &address in misses {
            let page = address & !(PAGE - 1);
            for atom in moves.atoms_in(page, page + PAGE) {
                if link.atoms[atom].kind != Kind::Text {
                    self.atoms.set(atom);
                } else if !watched {
                    let atom = &link.atoms[atom];
                    for function in link.functions.starting_in(atom.address, atom.end()) {
                        self.functions.set(function);
                    }
                }
            }
        }
        self.boots = self.boots.saturating_add(1);
        Ok(())
    }

    /// As a record.
    pub fn encode(&self) -> Vec<u8> {
        let mut record = Vec::new();
        record.extend(MAGIC);
        record.extend(VERSION.to_le_bytes());
        record.extend(self.build_id);
        record.extend(self.boots.to_le_bytes());
        record.extend((self.functions.count as u32).to_le_bytes());
        record.extend((self.atoms.count as u32).to_le_bytes());
        record.extend(&self.functions.bytes);
        record.extend(&self.atoms.bytes);
        record
    }

    /// From a record, for the image that `link` belongs to.
    ///
    /// # Errors
    /// [`CoverageError`]
    pub fn decode(record: &[u8], link: &LinkData) -> Result<Self, CoverageError> {
        let mut coverage = Self::new(link);
        let expected = coverage.encode();
        let form = CoverageError::Form {
            found: record.len(),
            expected: expected.len(),
        };
        if record.len() < HEAD || record[..8] != expected[..8] {
            return Err(form);
        }
        let mut found = [0; BUILD_ID_BYTES];
        found.copy_from_slice(&record[8..28]);
        check_build(&found, &coverage.build_id)?;
        if record.len() != expected.len() || record[32..HEAD] != expected[32..HEAD] {
            return Err(form);
        }
        let mut boots = [0; 4];
        boots.copy_from_slice(&record[28..32]);
        coverage.boots = u32::from_le_bytes(boots);
        let (functions, atoms) = record[HEAD..].split_at(coverage.functions.bytes.len());
        coverage.functions.bytes.copy_from_slice(functions);
        coverage.atoms.bytes.copy_from_slice(atoms);
        Ok(coverage)
    }
}

fn check_build(found: &[u8], expected: &[u8]) -> Result<(), CoverageError> {
    if found != expected {
        return Err(CoverageError::Build {
            found: hex(found),
            expected: hex(expected),
        });
    }
    Ok(())
}
