//! The code set: units as relocatable objects, in the layout of `formats::snap`.
//!
//! - An entry of tier 1 to 4 is a unit. Its variant is 0 for the function itself, else the loop header (a block number,
//!   never 0) at which it is entered in mid-function. Its code is the object; its details are [`Details`].
//! - One entry of tier 0 without a name or code comes first. Its details are [`Table`]: the hashes that units were built
//!   from. Both are in postcard's form.
//! - The IR hash of a unit is [`of_unit`] of its members.

use super::hash::{Hash, of_unit};
use super::{Error, Origin};
use crate::Level;
use crate::profile::Tier;
use crate::tier::parts::tier_of;
use formats::snap::{self, Snap};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// The one version of details and table this code writes and reads.
const VERSION: u32 = 1;

/// A unit as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The object LLVM made.
    pub object: Arc<[u8]>,
    /// The symbol of the code wanted.
    pub symbol: String,
    /// Its level.
    pub level: Level,
    /// Functions it was built from: its own, and copies that may have been inlined.
    pub members: Vec<String>,
    /// Whether it has guarded variants.
    pub is_special: bool,
    /// Whether it records arguments, because too few calls were seen.
    pub samples: bool,
    /// What its variants assume, in words.
    pub assumes: String,
}

/// What is known of a unit beside its object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Details {
    symbol: String,
    /// Numbers in the table's list.
    members: Vec<u32>,
    is_special: bool,
    samples: bool,
    assumes: String,
}

/// What units were built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Table {
    version: u32,
    /// [`Origin::program`].
    program: Hash,
    /// Functions by name; the hash is zeros where it was not computed.
    functions: Vec<(String, Hash)>,
}

/// A unit read from a code set, not yet believed.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// The function it belongs to.
    pub name: &'a str,
    /// 0, or the loop header where it is entered.
    pub header: u32,
    /// The unit, or why it cannot be used whatever the program is.
    pub kept: Result<Kept, String>,
    /// Hash it claims to have been built from.
    pub ir_hash: Hash,
}

/// A code set whose head is whole.
#[derive(Debug)]
pub(crate) struct CodeSet<'a> {
    /// Key of the CPU features.
    pub cpu: u64,
    /// Build of LLVM and runtime.
    pub build: u64,
    /// [`Origin::program`] of the run that made it.
    pub program: Hash,
    /// Hash of each function when the code was made; zeros where it was not computed.
    pub hashes: HashMap<String, Hash>,
    /// The units.
    pub units: Vec<Found<'a>>,
}

/// A unit with the function and the header it belongs to.
pub(crate) type Owned = (String, u32, Arc<Kept>);

/// Bytes of a code set. `hashes` knows every member whose hash was computed.
pub(crate) fn encode(
    origin: &Origin,
    boots: u64,
    units: &[Owned],
    hashes: &HashMap<String, Hash>,
) -> Result<Vec<u8>, Error> {
    let hash = |name: &str| hashes.get(name).copied().unwrap_or_default();
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut functions = Vec::new();
    let mut details = Vec::new();
    for (_, _, kept) in units {
        let members = kept.members.iter().map(|name| {
            *numbers.entry(name).or_insert_with(|| {
                functions.push((name.clone(), hash(name)));
                functions.len() as u32 - 1
            })
        });
        let of_unit = Details {
            members: members.collect(),
            symbol: kept.symbol.clone(),
            is_special: kept.is_special,
            samples: kept.samples,
            assumes: kept.assumes.clone(),
        };
        details.push(bytes_of(&of_unit)?);
    }
    // The others too: who goes on from here need not compute them again.
    let mut others: Vec<_> = hashes
        .iter()
        .filter(|(n, _)| !numbers.contains_key(n.as_str()))
        .collect();
    others.sort_unstable();
    functions.extend(others.into_iter().map(|(n, h)| (n.clone(), *h)));
    let table = bytes_of(&Table {
        version: VERSION,
        program: origin.program,
        functions,
    })?;
    let mut all = vec![snap::Function::new("", 0, [0; 32], &[])];
    all[0].details = &table;
    for ((name, header, kept), details) in units.iter().zip(&details) {
        let members = kept.members.iter().map(|m| (m.as_str(), hash(m)));
        let tier = tier_of(Some(kept.level)) as u8;
        let mut f = snap::Function::new(name, tier, of_unit(members).0, &kept.object);
        f.variant = *header;
        f.details = details;
        all.push(f);
    }
    snap::encode(&Snap {
        boot_count: boots,
        cpu_key: origin.cpu,
        build: origin.build,
        functions: all,
    })
    .map_err(Error::Snap)
}

fn bytes_of(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(value).map_err(|e| wrong(e, "memory for it"))
}

fn wrong(found: impl ToString, expected: &str) -> Error {
    Error::Format {
        what: "code set",
        found: found.to_string(),
        expected: expected.to_owned(),
    }
}

/// Reads a code set. What is wrong with one unit is said by that unit.
///
/// # Errors
/// What is wrong with the set as a whole.
pub(crate) fn parse(bytes: &[u8]) -> Result<CodeSet<'_>, Error> {
    let set = snap::parse(bytes).map_err(Error::Snap)?;
    let (first, units) = set
        .functions
        .split_first()
        .filter(|(first, _)| first.tier == 0)
        .ok_or_else(|| wrong("no table of hashes", "one in the first entry"))?;
    first.verify().map_err(Error::Snap)?;
    let (version, _): (u32, _) =
        postcard::take_from_bytes(first.details).map_err(|e| wrong(e, "a version"))?;
    if version != VERSION {
        return Err(wrong(
            format!("version {version} of its table"),
            "version 1",
        ));
    }
    let table: Table =
        postcard::from_bytes(first.details).map_err(|e| wrong(e, "a table of hashes"))?;
    let units = units.iter().map(|f| Found {
        name: f.name,
        header: f.variant,
        kept: unit(f, &table),
        ir_hash: Hash(f.ir_hash),
    });
    Ok(CodeSet {
        cpu: set.cpu_key,
        build: set.build,
        program: table.program,
        units: units.collect(),
        hashes: table.functions.into_iter().collect(),
    })
}

fn unit(f: &snap::Function<'_>, table: &Table) -> Result<Kept, String> {
    f.verify().map_err(|e| e.to_string())?;
    let level = Tier::from_index(f.tier.into())
        .and_then(Tier::level)
        .ok_or_else(|| format!("tier {} found, 1 to 4 expected", f.tier))?;
    let details: Details =
        postcard::from_bytes(f.details).map_err(|e| format!("its details are damaged: {e}"))?;
    let member = |n: &u32| {
        table
            .functions
            .get(*n as usize)
            .map(|(name, _)| name.clone())
    };
    let members: Option<Vec<String>> = details.members.iter().map(member).collect();
    Ok(Kept {
        object: f.code.into(),
        symbol: details.symbol,
        level,
        members: members.ok_or("it names a function that its table does not have")?,
        is_special: details.is_special,
        samples: details.samples,
        assumes: details.assumes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            source: Hash::of(b"source"),
            program: Hash::of(b"program"),
            cpu: 3,
            build: 4,
        }
    }

    fn sample() -> (Vec<Owned>, HashMap<String, Hash>) {
        let kept = |symbol: &str, level, members: &[&str]| {
            Arc::new(Kept {
                object: symbol.as_bytes().into(),
                symbol: symbol.into(),
                level,
                members: members.iter().map(|m| (*m).to_owned()).collect(),
                is_special: level == Level::O3,
                samples: false,
                assumes: "0 = 288".into(),
            })
        };
        let units = vec![
            ("f".to_owned(), 0, kept("f", Level::O3, &["f", "g"])),
            ("f".to_owned(), 7, kept("f.osr.7", Level::O3, &["f"])),
            ("g".to_owned(), 0, kept("g", Level::O0, &["g"])),
        ];
        let hashes = ["f", "g"].map(|n| (n.to_owned(), Hash::of(n.as_bytes())));
        (units, hashes.into())
    }

    #[test]
    fn a_set_comes_back() {
        let (units, hashes) = sample();
        let bytes = encode(&origin(), 12, &units, &hashes).unwrap();
        let set = parse(&bytes).unwrap();
        assert_eq!((set.cpu, set.build, set.program), (3, 4, origin().program));
        assert_eq!(set.hashes, hashes);
        for (found, (name, header, kept)) in set.units.iter().zip(&units) {
            assert_eq!((found.name, found.header), (name.as_str(), *header));
            assert_eq!(found.kept.as_ref().unwrap(), &**kept);
            let members = kept.members.iter().map(|m| (m.as_str(), hashes[m]));
            assert_eq!(found.ir_hash, of_unit(members));
        }
        assert_eq!(set.units.len(), 3);
    }

    #[test]
    fn any_damage_costs_the_set_or_a_unit_and_never_changes_one() {
        let (units, hashes) = sample();
        let bytes = encode(&origin(), 12, &units, &hashes).unwrap();
        let (mut sets, mut single) = (0, 0);
        for at in 0..bytes.len() {
            for bit in [0, 7] {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                let Ok(set) = parse(&other) else {
                    sets += 1;
                    continue;
                };
                let whole = set.units.iter().zip(&units).filter(|(found, unit)| {
                    found.kept.as_ref().is_ok_and(|kept| {
                        assert_eq!(kept, &*unit.2, "byte {at} changed a unit");
                        true
                    })
                });
                assert_eq!(whole.count(), units.len() - 1, "byte {at}");
                single += 1;
            }
        }
        assert!(sets > 0 && single > 0);
        for n in 0..bytes.len() {
            assert!(parse(&bytes[..n]).is_err(), "{n}");
        }
    }

    #[test]
    fn a_set_without_a_table_is_refused() {
        let empty = snap::encode(&Snap {
            boot_count: 1,
            cpu_key: 3,
            build: 4,
            functions: vec![snap::Function::new("f", 4, [0; 32], b"code")],
        });
        let error = parse(&empty.unwrap()).unwrap_err().to_string();
        assert!(error.contains("no table"), "{error}");
    }
}
