//! Lays a program out anew: atoms get new addresses, and every field that refers to them is corrected.
//!
//! ```text
//! base    | fixed | .rodata, unwinding |      .text       |  relro, data, bss |
//! after   | fixed | hot constants | hot code |    ...     |  relro, data, bss | cold constants | cold code |
//!           ^ address unchanged                             ^ address unchanged
//! ```
//!
//! Only code and constants move. Within an atom nothing changes but such fields, so a reference is corrected by how
//! far its atom and its target moved, whatever place in the target it means:
//!
//! - address: `+ moved(target)`
//! - distance: `+ moved(target) - moved(own atom)`
//!
//! Atoms are input sections of the linker. What assembly has inside of one may refer to itself without relocations;
//! that is why they move as a whole.

use formats::relink::{Atom, Field, Kind};

use crate::link_data::LinkData;

/// Where an atom goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Constants that are needed.
    HotConstants,
    /// Code that ran.
    HotCode,
    /// It does not move.
    Fixed,
    /// Constants that were needed, but not lately: in front of the cold ones, close together.
    WarmConstants,
    /// Code that ran, but not lately.
    WarmCode,
    /// Constants that nobody needed.
    ColdConstants,
    /// Code that never ran.
    ColdCode,
}

/// Why a program cannot be laid out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RelinkError {
    /// The new layout does not fit between what stays.
    #[error("the hot part ends at {end:#x}, behind the data at {limit:#x}: less may be hot")]
    HotTooLarge {
        /// Where it would end.
        end: u64,
        /// Where data starts.
        limit: u64,
    },
    /// A field would not hold its new value.
    #[error("the field at {site:#x} cannot hold {value:#x}")]
    Overflow {
        /// Address in the base image.
        site: u64,
        /// The value.
        value: i64,
    },
    /// A field, or an atom, has no content in the base image.
    #[error("{bytes} bytes at {address:#x} are not in the base image (another build?)")]
    Content {
        /// Address in the base image.
        address: u64,
        /// Size.
        bytes: usize,
    },
    /// A relocation lies outside of all atoms, or on the border of one.
    #[error("the relocation at {site:#x} lies in no atom")]
    Stray {
        /// Address in the base image.
        site: u64,
    },
    /// The table of `.eh_frame_hdr` has an unknown form.
    #[error("the table of unwinding entries at {address:#x} has an unknown form")]
    UnwindIndex {
        /// Address in the base image.
        address: u64,
    },
}

/// A range of the new program: `address..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// First address.
    pub address: u64,
    /// Behind the last.
    pub end: u64,
}

impl Extent {
    /// Size in bytes.
    pub fn bytes(self) -> usize {
        (self.end - self.address) as usize
    }
}

const PAGE: u64 = 4096;
/// Cold segments start at such an address, so that the pages of variables are not mixed with theirs.
const COLD_ALIGN: u64 = 2 << 20;

/// New addresses.
#[derive(Debug, Clone)]
pub struct Layout {
    /// By atom: how far it moves.
    pub moved: Vec<i64>,
    /// From the start of the image to the end of hot constants; what is fixed there is in it.
    pub hot_constants: Extent,
    /// Hot code.
    pub hot_code: Extent,
    /// Cold constants, then cold code, in one.
    pub cold: Extent,
    /// Where cold code starts in it.
    pub cold_code: u64,
}

impl Layout {
    /// Places atoms: `part` says where, in the order of `order` (all atoms; the base's order if it is empty).
    ///
    /// # Errors
    /// [`RelinkError::HotTooLarge`]
    pub fn new(atoms: &[Atom], part: &[Part], order: &[u32]) -> Result<Self, RelinkError> {
        let mut moved = vec![0i64; atoms.len()];
        let mut place = |from: u64, wanted: Part| -> u64 {
            let mut at = from;
            let mut put = |index: usize| {
                if part[index] == wanted {
                    let atom = &atoms[index];
                    at = at.next_multiple_of(1 << atom.align_log2);
                    moved[index] = at as i64 - atom.address as i64;
                    at += u64::from(atom.bytes);
                }
            };
            match order.is_empty() {
                true => (0..atoms.len()).for_each(&mut put),
                false => order.iter().for_each(|&index| put(index as usize)),
            }
            at
        };
        let fixed = |index: &usize| part[*index] == Part::Fixed;
        // What is fixed in front: headers, notes, the table of functions that choose.
        let first = atoms.first().map_or(0, |atom| atom.address);
        let front = (0..atoms.len()).take_while(fixed).last();
        let front_end = front.map_or(first, |index| atoms[index].end());
        let behind = (0..atoms.len())
            .filter(fixed)
            .filter(|&index| atoms[index].address >= front_end && atoms[index].bytes > 0);
        let limit = behind.clone().map(|index| atoms[index].address).min();
        let last = behind.map(|index| atoms[index].end()).max();
        let hot_constants = Extent {
            address: first,
            end: place(front_end, Part::HotConstants),
        };
        let code = hot_constants.end.next_multiple_of(PAGE);
        let hot_code = Extent {
            address: code,
            end: place(code, Part::HotCode),
        };
        let limit = limit.unwrap_or(u64::MAX) & !(PAGE - 1);
        if hot_code.end > limit {
            return Err(RelinkError::HotTooLarge {
                end: hot_code.end,
                limit,
            });
        }
        let cold = last
            .unwrap_or(hot_code.end)
            .max(hot_code.end)
            .next_multiple_of(COLD_ALIGN);
        let warm = place(cold, Part::WarmConstants);
        let constants = place(warm, Part::ColdConstants);
        let cold_code = constants.next_multiple_of(PAGE);
        let warm = place(cold_code, Part::WarmCode);
        let end = place(warm, Part::ColdCode).next_multiple_of(PAGE);
        Ok(Self {
            moved,
            hot_constants,
            hot_code,
            cold: Extent { address: cold, end },
            cold_code,
        })
    }

    /// New address of an atom.
    pub fn address(&self, atoms: &[Atom], index: usize) -> u64 {
        atoms[index].address.wrapping_add_signed(self.moved[index])
    }
}

/// Memory of a program by address: its base image to read, or the new one to write.
pub trait Memory {
    /// `bytes` bytes at `address`, if there are.
    fn at(&self, address: u64, bytes: usize) -> Option<&[u8]>;
}

/// A new image that is written.
pub trait MemoryMut: Memory {
    /// `bytes` bytes at `address`, if there are.
    fn at_mut(&mut self, address: u64, bytes: usize) -> Option<&mut [u8]>;
}

/// Copies all atoms that have content and corrects every field.
///
/// # Errors
/// [`RelinkError`]
pub fn write(
    link: &LinkData,
    layout: &Layout,
    base: &impl Memory,
    new: &mut impl MemoryMut,
) -> Result<(), RelinkError> {
    let atoms = &link.atoms;
    for (index, atom) in atoms.iter().enumerate() {
        let bytes = atom.bytes as usize;
        if atom.kind == Kind::Bss || !atom.kind.moves() {
            continue; // segments of what stays are copied as a whole
        }
        let missing = |address| RelinkError::Content { address, bytes };
        let content = base.at(atom.address, bytes).ok_or(missing(atom.address))?;
        let to = layout.address(atoms, index);
        new.at_mut(to, bytes)
            .ok_or(missing(to))?
            .copy_from_slice(content);
    }
    let mut own = 0;
    for relocation in link.relocations() {
        let (site, bytes) = (relocation.site, relocation.field.bytes());
        while own < atoms.len() && atoms[own].end() <= site {
            own += 1;
        }
        let inside = atoms
            .get(own)
            .is_some_and(|atom| atom.address <= site && site + bytes as u64 <= atom.end());
        if !inside {
            return Err(RelinkError::Stray { site });
        }
        let target = layout.moved[relocation.target as usize];
        let to = site.wrapping_add_signed(layout.moved[own]);
        let field = new
            .at_mut(to, bytes)
            .ok_or(RelinkError::Content { address: to, bytes })?;
        correct(field, relocation.field, target, layout.moved[own])
            .map_err(|value| RelinkError::Overflow { site, value })?;
    }
    for (index, atom) in atoms.iter().enumerate() {
        if atom.kind == Kind::UnwindIndex {
            sort_unwind_index(link, layout, index, base, new)?;
        }
    }
    Ok(())
}

/// Corrects one field; gives the value that does not fit if it does not.
fn correct(field: &mut [u8], kind: Field, target: i64, own: i64) -> Result<(), i64> {
    match kind {
        Field::Absolute64 => {
            let mut word = [0; 8];
            word.copy_from_slice(field);
            let value = i64::from_le_bytes(word).wrapping_add(target);
            field.copy_from_slice(&value.to_le_bytes());
        }
        Field::Absolute32 | Field::Relative32 => {
            let mut word = [0; 4];
            word.copy_from_slice(field);
            let relative = kind == Field::Relative32;
            let old = i64::from(i32::from_le_bytes(word));
            let value = old + target - if relative { own } else { 0 };
            let fits = match relative {
                true => i32::try_from(value).is_ok(),
                false => (0..1 << 31).contains(&value),
            };
            if !fits {
                return Err(value);
            }
            field.copy_from_slice(&(value as i32).to_le_bytes());
        }
    }
    Ok(())
}

/// Makes the table of `.eh_frame_hdr` anew: pairs (function, entry), as distances from its start, sorted.
fn sort_unwind_index(
    link: &LinkData,
    layout: &Layout,
    index: usize,
    base: &impl Memory,
    new: &mut impl MemoryMut,
) -> Result<(), RelinkError> {
    const HEAD: usize = 12;
    const FORM: [u8; 4] = [1, 0x1B, 0x03, 0x3B];
    let atom = &link.atoms[index];
    let unknown = RelinkError::UnwindIndex {
        address: atom.address,
    };
    let bytes = atom.bytes as usize;
    let table = base.at(atom.address, bytes);
    let Some(table) = table.filter(|table| bytes >= HEAD && table[..4] == FORM) else {
        return Err(unknown);
    };
    let word = |at: usize| -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&table[at..at + 4]);
        u32::from_le_bytes(word)
    };
    let count = word(8) as usize;
    if count.checked_mul(8).is_none_or(|size| HEAD + size > bytes) {
        return Err(unknown);
    }
    let to = layout.address(&link.atoms, index);
    let moved = |distance: u32| -> i32 {
        let address = atom.address.wrapping_add_signed(i64::from(distance as i32));
        let shift = link.atom_at(address).map_or(0, |atom| layout.moved[atom]);
        address.wrapping_add_signed(shift).wrapping_sub(to) as i32
    };
    let mut entries: Vec<(i32, i32)> = (0..count)
        .map(|entry| {
            (
                moved(word(HEAD + 8 * entry)),
                moved(word(HEAD + 8 * entry + 4)),
            )
        })
        .collect();
    entries.sort_unstable();
    let out = new.at_mut(to, bytes).ok_or(unknown)?;
    for (out, (function, entry)) in out[HEAD..].chunks_exact_mut(8).zip(entries) {
        out[..4].copy_from_slice(&function.to_le_bytes());
        out[4..].copy_from_slice(&entry.to_le_bytes());
    }
    Ok(())
}
