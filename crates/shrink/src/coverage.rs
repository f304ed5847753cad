//! What of the runtime was used: functions that ran, atoms of constants that were needed.
//!
//! Numbers are those of the base image's link data, whichever image ran. As a record (`formats::record`, kind
//! COVERAGE), little endian:
//!
//! 1. magic `COVR`, version `u32`, build id of the base image (20 bytes), boots that are in it `u32`
//! 2. number of functions `u32`, number of atoms `u32`
//! 3. for each function the last boot in which it ran (from 1 on; 0: never), `u16`; the same for each atom that is
//!    wanted besides what functions refer to

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
    functions: Vec<u16>,
    atoms: Vec<u16>,
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
            functions: vec![0; link.functions.len()],
            atoms: vec![0; link.atoms.len()],
        }
    }

    /// Whether function `index` ran.
    pub fn ran(&self, index: usize) -> bool {
        self.last_run(index) > 0
    }

    /// The last boot in which function `index` ran, from 1 on; 0 if it never did.
    pub fn last_run(&self, index: usize) -> u16 {
        self.functions.get(index).copied().unwrap_or(0)
    }

    /// How many functions ran.
    pub fn functions_run(&self) -> usize {
        self.functions.iter().filter(|&&boot| boot > 0).count()
    }

    /// How many atoms are wanted whoever refers to them.
    pub fn atoms_wanted(&self) -> usize {
        self.atoms.iter().filter(|&&boot| boot > 0).count()
    }

    /// The last boot in which atom `index` was wanted, whoever refers to it; 0 if it never was.
    pub fn last_wanted(&self, index: usize) -> u16 {
        self.atoms.get(index).copied().unwrap_or(0)
    }

    /// The number of a boot that is being added.
    fn now(&self) -> u16 {
        u16::try_from(self.boots).unwrap_or(u16::MAX).max(1)
    }

    /// Another boot begins: what is noted from now on ran in it.
    pub fn begin_boot(&mut self) {
        self.boots = self.boots.saturating_add(1);
    }

    /// Notes that a function ran in the last boot.
    pub fn note_function(&mut self, index: usize) {
        let now = self.now();
        if let Some(last) = self.functions.get_mut(index) {
            *last = now;
        }
    }

    /// Notes that an atom was needed in the last boot.
    pub fn note_atom(&mut self, index: usize) {
        let now = self.now();
        if let Some(last) = self.atoms.get_mut(index) {
            *last = now;
        }
    }

    /// Adds what another record says, as if its boots came after those of this one.
    ///
    /// # Errors
    /// [`CoverageError::Build`]
    pub fn merge(&mut self, other: &Self) -> Result<(), CoverageError> {
        check_build(&other.build_id, &self.build_id)?;
        let before = u16::try_from(self.boots).unwrap_or(u16::MAX);
        let add = |mine: &mut [u16], theirs: &[u16]| {
            for (mine, &last) in mine.iter_mut().zip(theirs).filter(|(_, last)| **last > 0) {
                *mine = before.saturating_add(last);
            }
        };
        add(&mut self.functions, &other.functions);
        add(&mut self.atoms, &other.atoms);
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
        self.begin_boot();
        for index in 0..link.functions.len().min(bitmap.len() * 8) {
            if bitmap[index / 8] >> (index % 8) & 1 == 1 {
                self.note_function(moves.map_or(index, |moves| moves.base_function(index)));
            }
        }
        let Some(moves) = moves else {
            return Ok(());
        };
        let watched = info.flags & FLAG_FUNCTIONS != 0;
        for &address in misses {
            let page = address & !(PAGE - 1);
            for atom in moves.atoms_in(page, page + PAGE) {
                if link.atoms[atom].kind != Kind::Text {
                    self.note_atom(atom);
                } else if !watched {
                    let atom = &link.atoms[atom];
                    for function in link.functions.starting_in(atom.address, atom.end()) {
                        self.note_function(function);
                    }
                }
            }
        }
        Ok(())
    }

    /// As a record.
    pub fn encode(&self) -> Vec<u8> {
        let mut record = Vec::new();
        record.extend(MAGIC);
        record.extend(VERSION.to_le_bytes());
        record.extend(self.build_id);
        record.extend(self.boots.to_le_bytes());
        record.extend((self.functions.len() as u32).to_le_bytes());
        record.extend((self.atoms.len() as u32).to_le_bytes());
        for last in self.functions.iter().chain(&self.atoms) {
            record.extend(last.to_le_bytes());
        }
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
        let numbers = record[HEAD..].chunks_exact(2);
        let fields = coverage.functions.iter_mut().chain(&mut coverage.atoms);
        for (field, number) in fields.zip(numbers) {
            *field = u16::from_le_bytes([number[0], number[1]]);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evict::tests::tiny;

    #[test]
    fn records_are_read_as_written_and_only_for_their_build() {
        let (_, link) = tiny();
        let mut coverage = Coverage::new(&link);
        coverage.begin_boot();
        coverage.note_function(1);
        coverage.note_atom(2);
        let record = coverage.encode();
        assert_eq!(Coverage::decode(&record, &link).unwrap(), coverage);
        for end in 0..record.len() {
            assert!(Coverage::decode(&record[..end], &link).is_err());
        }
        let mut other = link.clone();
        other.build_id[0] ^= 1;
        let error = Coverage::decode(&record, &other).unwrap_err();
        assert!(matches!(error, CoverageError::Build { .. }));
    }

    #[test]
    fn later_boots_count_as_later() {
        let (_, link) = tiny();
        let mut first = Coverage::new(&link);
        first.begin_boot();
        first.note_function(0);
        first.note_function(1);
        let mut second = Coverage::new(&link);
        second.begin_boot();
        second.note_function(1);
        first.merge(&second).unwrap();
        assert_eq!(
            (first.boots, first.last_run(0), first.last_run(1)),
            (2, 1, 2)
        );
        assert_eq!(first.functions_run(), 2);
    }

    #[test]
    fn missed_pages_name_what_lies_on_them() {
        let (base, link) = tiny();
        let evicted = crate::evict::evict_linked(
            &base,
            &link,
            &Coverage::new(&link),
            &crate::evict::Options::default(),
        )
        .unwrap();
        let moves = Moves::open(&evicted.link, &link).unwrap();
        let mut coverage = Coverage::new(&link);
        let info = CoverageInfo {
            build_id: link.build_id,
            ..CoverageInfo::default()
        };
        let f = (0..3)
            .find(|&index| moves.base_function(index) == 1)
            .unwrap();
        let (address, _) = moves.functions.get(f).unwrap();
        coverage
            .add_boot(&link, &info, &[], &[address], Some(&moves))
            .unwrap();
        assert!(coverage.ran(1));
        let mut foreign = info;
        foreign.build_id[3] ^= 1;
        assert!(coverage.add_boot(&link, &foreign, &[], &[], None).is_err());
    }
}
