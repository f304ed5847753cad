//! Directories: 32-byte slots, read as a whole, searched, filled and emptied.
//!
//! A slot is free if its first byte is 0xE5; 0 ends the directory. A name occupies its long-name slots and
//! then the short one:
//!
//! 1. `0..11` short name; `11` attributes; `12` case flags; `14..20` created, accessed
//! 2. `20..22` first cluster, upper half (FAT32); `22..24` time, `24..26` date of the last write
//! 3. `26..28` first cluster, lower half; `28..32` size in bytes
//!
//! A name that fits is put into one sector, so that it appears and vanishes in one write.

use super::bpb::FatKind;
use super::name::{self, ShortName};
use super::table::Extent;
use super::{Damage, DosTime, FatError, Volume};
use crate::block::{BlockDevice, SECTOR};
use alloc::string::String;
use alloc::vec::Vec;

pub(super) const SLOT: usize = 32;
const SLOTS_PER_SECTOR: usize = SECTOR / SLOT;
/// Most entries of a directory, by the specification.
pub(super) const MAX_SLOTS: usize = 65_536;
const FREE: u8 = 0xE5;

pub(super) const ATTR_DIRECTORY: u8 = 0x10;
pub(super) const ATTR_ARCHIVE: u8 = 0x20;
const ATTR_VOLUME: u8 = 0x08;
const ATTR_LONG_NAME: u8 = 0x0F;

/// Where a directory's slots lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirId {
    /// The root of FAT16: a fixed place.
    Root16,
    /// A chain of clusters.
    Chain(u32),
}

/// A short entry: what its 32 bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub bytes: [u8; SLOT],
}

impl Slot {
    pub fn new(short: &ShortName, attributes: u8, cluster: u32, size: u32, time: DosTime) -> Self {
        let mut bytes = [0; SLOT];
        bytes[..11].copy_from_slice(short);
        bytes[11] = attributes;
        bytes[14..16].copy_from_slice(&time.time.to_le_bytes());
        bytes[16..18].copy_from_slice(&time.date.to_le_bytes());
        bytes[18..20].copy_from_slice(&time.date.to_le_bytes());
        let mut slot = Self { bytes };
        slot.set_contents(cluster, size, time);
        slot
    }

    pub fn short(&self) -> ShortName {
        let mut short = [0; 11];
        short.copy_from_slice(&self.bytes[..11]);
        short
    }

    pub fn is_directory(&self) -> bool {
        self.bytes[11] & ATTR_DIRECTORY != 0
    }

    pub fn size(&self) -> u32 {
        u32::from_le_bytes([
            self.bytes[28],
            self.bytes[29],
            self.bytes[30],
            self.bytes[31],
        ])
    }

    pub fn cluster(&self, kind: FatKind) -> u32 {
        let high = match kind {
            FatKind::Fat16 => 0,
            FatKind::Fat32 => u32::from(u16::from_le_bytes([self.bytes[20], self.bytes[21]])),
        };
        (high << 16) | u32::from(u16::from_le_bytes([self.bytes[26], self.bytes[27]]))
    }

    pub fn set_contents(&mut self, cluster: u32, size: u32, time: DosTime) {
        self.set_cluster(cluster);
        self.bytes[22..24].copy_from_slice(&time.time.to_le_bytes());
        self.bytes[24..26].copy_from_slice(&time.date.to_le_bytes());
        self.bytes[28..32].copy_from_slice(&size.to_le_bytes());
    }

    pub fn set_cluster(&mut self, cluster: u32) {
        self.bytes[20..22].copy_from_slice(&((cluster >> 16) as u16).to_le_bytes());
        self.bytes[26..28].copy_from_slice(&(cluster as u16).to_le_bytes());
    }
}

/// A name found in a directory.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Long name, or the short one as text.
    pub name: String,
    pub slot: Slot,
    /// Number of the first of its slots.
    pub first: usize,
    /// Number of the short slot, the last of them.
    pub last: usize,
}

/// All slots of a directory.
pub(super) struct Directory {
    pub id: DirId,
    pub bytes: Vec<u8>,
    /// First sector and number of sectors of each piece.
    pieces: Vec<(u64, u32)>,
    /// Slots before the end mark.
    used: usize,
}

impl Directory {
    fn slot(&self, index: usize) -> &[u8] {
        &self.bytes[index * SLOT..(index + 1) * SLOT]
    }

    fn slots(&self) -> usize {
        self.bytes.len() / SLOT
    }

    /// Sector and offset in it of a slot.
    pub fn place(&self, index: usize) -> (u64, usize) {
        let mut sector = (index / SLOTS_PER_SECTOR) as u64;
        for &(start, sectors) in &self.pieces {
            if sector < u64::from(sectors) {
                return (start + sector, index % SLOTS_PER_SECTOR * SLOT);
            }
            sector -= u64::from(sectors);
        }
        // Not reached: `index` is one of `bytes`, and the pieces cover it.
        (0, 0)
    }

    /// All names except `.`, `..` and the volume label.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut long = LongName::default();
        for index in 0..self.used {
            let bytes = self.slot(index);
            if bytes[0] == FREE {
                long = LongName::default();
                continue;
            }
            if bytes[11] & 0x3F == ATTR_LONG_NAME {
                long.push(index, bytes);
                continue;
            }
            let complete = core::mem::take(&mut long);
            if bytes[11] & ATTR_VOLUME != 0 || bytes[0] == b'.' {
                continue;
            }
            let mut slot = Slot { bytes: [0; SLOT] };
            slot.bytes.copy_from_slice(bytes);
            let (name, first) = match complete.finish(&slot.short()) {
                Some(found) => found,
                None => (name::short_to_text(&slot.short(), bytes[12]), index),
            };
            entries.push(Entry {
                name,
                slot,
                first,
                last: index,
            });
        }
        entries
    }

    pub fn find(&self, wanted: &str) -> Option<Entry> {
        let found = |entry: &Entry| {
            name::same(&entry.name, wanted)
                || wanted.is_ascii()
                    && name::same(&name::short_to_text(&entry.slot.short(), 0), wanted)
        };
        self.entries().into_iter().find(found)
    }

    /// The `..` entry's slot number, if the directory has one where it belongs.
    pub fn dot_dot(&self) -> Option<usize> {
        (self.slots() > 1 && self.slot(1).starts_with(b"..         ")).then_some(1)
    }

    /// First of `count` consecutive free slots, in one sector if they fit there.
    fn free_run(&self, count: usize) -> Option<usize> {
        let one_sector = count <= SLOTS_PER_SECTOR;
        let mut run = 0;
        for index in 0..self.slots() {
            if one_sector && index % SLOTS_PER_SECTOR == 0 {
                run = 0;
            }
            let free = index >= self.used || self.slot(index)[0] == FREE;
            run = if free { run + 1 } else { 0 };
            if run == count {
                return Some(index + 1 - count);
            }
        }
        None
    }
}

/// A long name while its slots are read. Slots that do not belong together make it void.
struct LongName {
    units: [u16; 260],
    first: usize,
    /// Number that the next slot must have; 0 when the name is complete.
    next: u8,
    parts: u8,
    checksum: u8,
}

impl Default for LongName {
    fn default() -> Self {
        Self {
            units: [0; 260],
            first: 0,
            next: 0,
            parts: 0,
            checksum: 0,
        }
    }
}

impl LongName {
    fn push(&mut self, index: usize, bytes: &[u8]) {
        let number = bytes[0] & 0x3F;
        if bytes[0] & 0x40 != 0 && (1..=20).contains(&number) {
            *self = Self {
                first: index,
                next: number,
                parts: number,
                ..Self::default()
            };
            self.checksum = bytes[13];
        }
        if self.parts == 0 || number != self.next || bytes[13] != self.checksum || number == 0 {
            *self = Self::default();
            return;
        }
        let at = (usize::from(number) - 1) * name::UNITS_PER_ENTRY;
        for (unit, &offset) in self.units[at..].iter_mut().zip(&LONG_OFFSETS) {
            *unit = u16::from_le_bytes([bytes[offset], bytes[offset + 1]]);
        }
        self.next -= 1;
    }

    fn finish(&self, short: &ShortName) -> Option<(String, usize)> {
        if self.parts == 0 || self.next != 0 || name::checksum(short) != self.checksum {
            return None;
        }
        let units = &self.units[..usize::from(self.parts) * name::UNITS_PER_ENTRY];
        let units = units.split(|&unit| unit == 0).next().unwrap_or_default();
        if units.is_empty() {
            return None;
        }
        let text: String = char::decode_utf16(units.iter().copied())
            .map(|unit| match unit {
                // A name is one component of a path, whatever the disk says.
                Ok('/' | '\0') | Err(_) => char::REPLACEMENT_CHARACTER,
                Ok(c) => c,
            })
            .collect();
        Some((text, self.first))
    }
}

/// Offsets of the 13 units in a long-name slot.
const LONG_OFFSETS: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// The slots of a name: long-name slots if it needs them, then the short one.
fn encode(units: &[u16], long: bool, slot: &Slot) -> Vec<u8> {
    let mut bytes = Vec::new();
    if long {
        let checksum = name::checksum(&slot.short());
        let parts = units.len().div_ceil(name::UNITS_PER_ENTRY);
        for part in (0..parts).rev() {
            let mut entry = [0u8; SLOT];
            entry[0] = (part as u8 + 1) | if part + 1 == parts { 0x40 } else { 0 };
            entry[11] = ATTR_LONG_NAME;
            entry[13] = checksum;
            for (i, &offset) in LONG_OFFSETS.iter().enumerate() {
                let at = part * name::UNITS_PER_ENTRY + i;
                let unit = match units.get(at) {
                    Some(&unit) => unit,
                    None if at == units.len() => 0,
                    None => 0xFFFF,
                };
                entry[offset..offset + 2].copy_from_slice(&unit.to_le_bytes());
            }
            bytes.extend_from_slice(&entry);
        }
    }
    bytes.extend_from_slice(&slot.bytes);
    bytes
}

impl<D: BlockDevice> Volume<D> {
    pub(super) fn root(&self) -> DirId {
        match self.geometry.kind {
            FatKind::Fat16 => DirId::Root16,
            FatKind::Fat32 => DirId::Chain(self.geometry.root_cluster),
        }
    }

    /// The directory that an entry leads to. Cluster 0 means the root (in `..` of its children).
    pub(super) fn directory_of(&self, slot: &Slot) -> DirId {
        match slot.cluster(self.geometry.kind) {
            0 => self.root(),
            cluster => DirId::Chain(cluster),
        }
    }

    pub(super) fn directory_chain(&mut self, id: DirId) -> Result<Vec<Extent>, FatError> {
        match id {
            DirId::Root16 => Ok(Vec::new()),
            DirId::Chain(first) => {
                let extents = self.table.chain(&mut self.device, first, u32::MAX)?;
                let clusters = super::table::chain_length(&extents);
                let bytes = u64::from(clusters) * u64::from(self.geometry.cluster_bytes());
                // The last cluster may be larger than what is left of the limit.
                if bytes >= (MAX_SLOTS * SLOT) as u64 + u64::from(self.geometry.cluster_bytes()) {
                    return Err(FatError::damaged(Damage::DirectoryTooLarge, first));
                }
                Ok(extents)
            }
        }
    }

    pub(super) fn read_directory(&mut self, id: DirId) -> Result<Directory, FatError> {
        let geometry = self.geometry;
        let pieces: Vec<(u64, u32)> = match id {
            DirId::Root16 => alloc::vec![(geometry.root_start, geometry.root_sectors)],
            DirId::Chain(_) => {
                let extents = self.directory_chain(id)?;
                let piece = |e: &Extent| {
                    (
                        geometry.cluster_lba(e.cluster),
                        e.count * geometry.cluster_sectors,
                    )
                };
                extents.iter().map(piece).collect()
            }
        };
        let sectors: usize = pieces.iter().map(|&(_, sectors)| sectors as usize).sum();
        let mut bytes = alloc::vec![0; sectors * SECTOR];
        let mut at = 0;
        for &(start, sectors) in &pieces {
            let end = at + sectors as usize * SECTOR;
            self.device.read(start, &mut bytes[at..end])?;
            at = end;
        }
        let slots = bytes.len() / SLOT;
        let used = (0..slots).find(|&i| bytes[i * SLOT] == 0).unwrap_or(slots);
        Ok(Directory {
            id,
            bytes,
            pieces,
            used,
        })
    }

    /// Writes the sectors that hold the slots `first..first + count`, the last of them first or last.
    fn write_slots(
        &mut self,
        directory: &Directory,
        first: usize,
        count: usize,
        last_sector_first: bool,
    ) -> Result<(), FatError> {
        let sectors = first / SLOTS_PER_SECTOR..=(first + count - 1) / SLOTS_PER_SECTOR;
        let mut order: Vec<usize> = sectors.collect();
        if last_sector_first {
            order.reverse();
        }
        for sector in order {
            let (lba, _) = directory.place(sector * SLOTS_PER_SECTOR);
            let bytes = &directory.bytes[sector * SECTOR..(sector + 1) * SECTOR];
            self.device.write(lba, bytes)?;
            self.unflushed = true;
        }
        Ok(())
    }

    /// Makes everything behind the end mark zero, so that moving the mark reveals nothing.
    fn clean_tail(&mut self, directory: &mut Directory) -> Result<(), FatError> {
        let from = directory.used * SLOT;
        if directory.bytes[from..].iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        directory.bytes[from..].fill(0);
        let count = directory.slots() - directory.used;
        self.write_slots(directory, directory.used, count, true)?;
        self.barrier()
    }

    /// Adds a cluster of zeroes to a directory.
    fn grow_directory(&mut self, directory: &mut Directory) -> Result<(), FatError> {
        let slots = directory.slots();
        let DirId::Chain(first) = directory.id else {
            return Err(FatError::DirectoryFull {
                limit: slots as u32,
            });
        };
        if slots + self.geometry.cluster_bytes() as usize / SLOT > MAX_SLOTS {
            return Err(FatError::DirectoryFull {
                limit: MAX_SLOTS as u32,
            });
        }
        let extents = self.table.chain(&mut self.device, first, u32::MAX)?;
        let tail = extents
            .last()
            .map_or(first, |last| last.cluster + last.count - 1);
        let cluster = self.allocate(1, tail + 1)?[0].cluster;
        self.zero_cluster(cluster)?;
        self.append_chain(
            Some(tail),
            &[Extent {
                in_file: 0,
                cluster,
                count: 1,
            }],
        )?;
        let sectors = self.geometry.cluster_sectors;
        directory
            .pieces
            .push((self.geometry.cluster_lba(cluster), sectors));
        directory
            .bytes
            .resize(directory.bytes.len() + sectors as usize * SECTOR, 0);
        Ok(())
    }

    /// Adds a name. `slot` holds everything but the short name. Gives sector and offset of the short entry.
    pub(super) fn insert(
        &mut self,
        directory: &mut Directory,
        wanted: &str,
        slot: Slot,
    ) -> Result<(u64, usize), FatError> {
        let units = name::validate(wanted)?;
        let mut slot = slot;
        let long = match name::exact_short(wanted) {
            Some(short) => {
                slot.bytes[..11].copy_from_slice(&short);
                false
            }
            None => {
                let entries = directory.entries();
                let mut taken: Vec<ShortName> = entries.iter().map(|e| e.slot.short()).collect();
                taken.sort_unstable();
                let short = name::derive_short(wanted, |s| taken.binary_search(s).is_ok());
                let limit = MAX_SLOTS as u32;
                slot.bytes[..11].copy_from_slice(&short.ok_or(FatError::DirectoryFull { limit })?);
                true
            }
        };
        slot.bytes[12] = 0;
        let bytes = encode(&units, long, &slot);
        let count = bytes.len() / SLOT;
        self.clean_tail(directory)?;
        let first = loop {
            match directory.free_run(count) {
                Some(first) => break first,
                None => self.grow_directory(directory)?,
            }
        };
        directory.bytes[first * SLOT..][..bytes.len()].copy_from_slice(&bytes);
        self.write_slots(directory, first, count, false)?;
        if first > directory.used {
            // Slots were skipped to stay in one sector: the end mark among them must go, last of all.
            self.barrier()?;
            let skipped = first - directory.used;
            for index in directory.used..first {
                directory.bytes[index * SLOT] = FREE;
            }
            self.write_slots(directory, directory.used, skipped, true)?;
        }
        directory.used = directory.used.max(first + count);
        Ok(directory.place(first + count - 1))
    }

    /// Removes a name. Its clusters are the caller's business.
    pub(super) fn delete(
        &mut self,
        directory: &mut Directory,
        entry: &Entry,
    ) -> Result<(), FatError> {
        for index in entry.first..=entry.last {
            directory.bytes[index * SLOT] = FREE;
        }
        self.write_slots(directory, entry.first, entry.last - entry.first + 1, true)
    }

    /// Gives an entry another name in its own slots, in one write if they lie in one sector; false if the name
    /// needs more slots than there are.
    pub(super) fn rename_in_place(
        &mut self,
        directory: &mut Directory,
        entry: &Entry,
        wanted: &str,
    ) -> Result<bool, FatError> {
        let units = name::validate(wanted)?;
        let mut slot = entry.slot;
        let long = match name::exact_short(wanted) {
            Some(short) => {
                slot.bytes[..11].copy_from_slice(&short);
                false
            }
            None => {
                let entries = directory.entries();
                let taken = |short: &ShortName| {
                    entries
                        .iter()
                        .any(|e| e.last != entry.last && e.slot.short() == *short)
                };
                let limit = MAX_SLOTS as u32;
                let short = name::derive_short(wanted, taken);
                slot.bytes[..11].copy_from_slice(&short.ok_or(FatError::DirectoryFull { limit })?);
                true
            }
        };
        slot.bytes[12] = 0;
        let bytes = encode(&units, long, &slot);
        let count = bytes.len() / SLOT;
        let available = entry.last - entry.first + 1;
        if count > available {
            return Ok(false);
        }
        let first = entry.last + 1 - count;
        for index in entry.first..first {
            directory.bytes[index * SLOT] = FREE;
        }
        directory.bytes[first * SLOT..][..bytes.len()].copy_from_slice(&bytes);
        self.write_slots(directory, entry.first, available, false)?;
        Ok(true)
    }
}
