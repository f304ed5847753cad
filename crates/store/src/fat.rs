//! FAT16 and FAT32 volumes: read, written, formatted and checked.
//!
//! A FAT volume is a boot sector, a table with one link for each cluster, and clusters. A file is a name in a
//! directory that points to the first cluster of a chain; a directory is a file of 32-byte slots.
//!
//! ```text
//!   | boot sector, FSInfo | FAT | FAT (copy) | root (FAT16) | cluster 2 | cluster 3 | ...
//! ```
//!
//! # What holds at every moment
//!
//! FAT is not a journal, but writes are ordered (with a flush between those whose order matters, see
//! [`Volume::set_barriers`]), so that a power cut at any write leaves a volume on which every file is whole or as it was
//! before, and at worst clusters are lost (marked used, owned by nobody):
//!
//! - a file grows: data, links of the new clusters, link to them, and only then the size in the directory;
//! - a file shrinks or goes: directory first, then its clusters are freed;
//! - a name changes: in its own slots where it fits there. A move to another place takes the old name away before it
//!   writes the new one: a cut between the two loses the clusters, it never gives them two owners.
//! - data written inside a file ([`Volume::write_at`] below its size) changes neither table nor directory.
//!
//! Before the first change the whole volume is checked ([`Volume::check`]): one whose chains
//! cross is only read, because any change could destroy a file that shares the clusters.
//!
//! # Hostile volumes
//!
//! Every number from the disk is checked before it is used: chains are bounded by the number of clusters, directories by
//! 65,536 slots, recursion does not exist. The result of hostile bytes is an error, never a panic or an endless loop.
//!
//! Source: Microsoft FAT specification (fatgen103), and the behaviour of Linux and fsck.fat where that is silent.

mod bpb;
mod check;
mod dir;
mod error;
mod file;
mod format;
mod name;
mod table;

pub use bpb::FatKind;
pub use check::CheckReport;
pub use error::{Damage, FatError};
pub use file::{File, Run};
pub use format::FormatOptions;

use crate::block::{BlockDevice, SECTOR};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bpb::Geometry;
use dir::{ATTR_ARCHIVE, ATTR_DIRECTORY, DirId, Entry, SLOT, Slot};
use file::Node;
use table::{Extent, Link, Table, UsedMap};

/// A moment as FAT writes it: local time, two seconds fine, from 1980 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DosTime {
    /// Bits 0..5 day, 5..9 month, 9..16 years since 1980.
    pub date: u16,
    /// Bits 0..5 seconds / 2, 5..11 minutes, 11..16 hours.
    pub time: u16,
}

impl Default for DosTime {
    /// The first moment there is: 1980-01-01 00:00.
    fn default() -> Self {
        Self {
            date: (1 << 5) | 1,
            time: 0,
        }
    }
}

impl DosTime {
    /// From seconds since 1970-01-01 00:00 UTC; clamped to 1980 to 2107.
    pub fn from_unix(seconds: u64) -> Self {
        const EPOCH_1980: u64 = 315_532_800;
        let seconds = seconds.max(EPOCH_1980);
        let (days, of_day) = (seconds / 86_400, seconds % 86_400);
        // Civil date from days since 1970-03-01-based eras (Howard Hinnant, "chrono-compatible low-level date algorithms").
        let z = days + 719_468;
        let day_of_era = z % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year_of_era + z / 146_097 * 400 + u64::from(month <= 2);
        if year > 2107 {
            return Self {
                date: 127 << 9 | 12 << 5 | 31,
                time: 23 << 11 | 59 << 5 | 29,
            };
        }
        Self {
            date: (((year - 1980) << 9) | (month << 5) | day) as u16,
            time: (((of_day / 3600) << 11) | ((of_day / 60 % 60) << 5) | (of_day % 60 / 2)) as u16,
        }
    }
}

/// What a directory says about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The name, without its directory.
    pub name: String,
    /// True for directories.
    pub is_directory: bool,
    /// Size in bytes; 0 for directories.
    pub bytes: u32,
}

/// A mounted volume.
pub struct Volume<D> {
    device: D,
    geometry: Geometry,
    table: Table,
    /// Clusters in use; read when first needed.
    used: Option<UsedMap>,
    /// True once the volume was found sound, which writing requires.
    checked: bool,
    barriers: bool,
    /// True if something was written since the last flush.
    unflushed: bool,
    /// True while FSInfo on the disk says "unknown".
    fs_info_open: bool,
    next_free: u32,
    time: DosTime,
    nodes: Vec<Node>,
}

impl<D: BlockDevice> Volume<D> {
    /// Mounts the volume that fills `device`.
    ///
    /// # Errors
    /// [`FatError::BootSector`] if it holds no FAT16 or FAT32 volume, [`FatError::Block`].
    pub fn mount(mut device: D) -> Result<Self, FatError> {
        let mut sector = [0; SECTOR];
        device.read(0, &mut sector)?;
        let geometry = Geometry::parse(&sector, device.sector_count())?;
        Ok(Self {
            device,
            geometry,
            table: Table::new(geometry),
            used: None,
            checked: false,
            barriers: true,
            unflushed: false,
            fs_info_open: false,
            next_free: 2,
            time: DosTime::default(),
            nodes: Vec::new(),
        })
    }

    /// Formats `device` and mounts the empty volume.
    ///
    /// # Errors
    /// [`FatError::FormatSize`] if the device is too small or too large for it, [`FatError::Block`].
    pub fn format(mut device: D, options: &FormatOptions) -> Result<Self, FatError> {
        format::format(&mut device, options)?;
        Self::mount(device)
    }

    /// Whether writes are separated by flushes where their order matters (they are, unless this says
    /// otherwise). Without them a power cut can leave anything; right for an image that is
    /// thrown away if its making is interrupted.
    pub fn set_barriers(&mut self, barriers: bool) {
        self.barriers = barriers;
    }

    /// The moment that names written from now on carry.
    pub fn set_time(&mut self, time: DosTime) {
        self.time = time;
    }

    /// FAT16 or FAT32.
    pub fn kind(&self) -> FatKind {
        self.geometry.kind
    }

    /// Volume number.
    pub fn volume_id(&self) -> u32 {
        self.geometry.volume_id
    }

    /// Size of a cluster in bytes.
    pub fn cluster_bytes(&self) -> u32 {
        self.geometry.cluster_bytes()
    }

    /// Room for data on the volume, used or not, in bytes.
    pub fn capacity_bytes(&self) -> u64 {
        u64::from(self.geometry.clusters) * u64::from(self.geometry.cluster_bytes())
    }

    /// Room that is left, in bytes. Reads the whole table the first time.
    ///
    /// # Errors
    /// [`FatError::Block`].
    pub fn free_bytes(&mut self) -> Result<u64, FatError> {
        let free = self.used_map()?.free_clusters();
        Ok(u64::from(free) * u64::from(self.geometry.cluster_bytes()))
    }

    /// What there is at `path`; `/` is the root.
    ///
    /// # Errors
    /// [`FatError::NotFound`], [`FatError::NotADirectory`], [`FatError::Damaged`], [`FatError::Block`].
    pub fn metadata(&mut self, path: &str) -> Result<Metadata, FatError> {
        let Some((_, entry)) = self.resolve(path)? else {
            return Ok(Metadata {
                name: "/".into(),
                is_directory: true,
                bytes: 0,
            });
        };
        Ok(self.describe(&entry))
    }

    /// The names in a directory, in the order of the disk.
    ///
    /// # Errors
    /// [`FatError::NotFound`], [`FatError::NotADirectory`], [`FatError::Damaged`], [`FatError::Block`].
    pub fn list(&mut self, path: &str) -> Result<Vec<Metadata>, FatError> {
        let id = self.resolve_directory(path)?;
        let directory = self.read_directory(id).map_err(|e| e.at(path))?;
        Ok(directory
            .entries()
            .iter()
            .map(|entry| self.describe(entry))
            .collect())
    }

    /// Creates an empty directory.
    ///
    /// # Errors
    /// [`FatError::AlreadyExists`], [`FatError::Full`], and those of [`create`](Self::create).
    pub fn create_dir(&mut self, path: &str) -> Result<(), FatError> {
        let (parent, name) = self.prepare_name(path)?;
        let mut directory = self.read_directory(parent)?;
        let cluster = self.allocate(1, self.next_free)?[0].cluster;
        let dot_dot = match parent {
            DirId::Chain(first) if parent != self.root() => first,
            _ => 0,
        };
        let mut dots = alloc::vec![0; self.geometry.cluster_bytes() as usize];
        let dot = |name: &[u8; 11], cluster| Slot::new(name, ATTR_DIRECTORY, cluster, 0, self.time);
        dots[..SLOT].copy_from_slice(&dot(b".          ", cluster).bytes);
        dots[SLOT..2 * SLOT].copy_from_slice(&dot(b"..         ", dot_dot).bytes);
        self.device
            .write(self.geometry.cluster_lba(cluster), &dots)?;
        self.append_chain(
            None,
            &[Extent {
                in_file: 0,
                cluster,
                count: 1,
            }],
        )?;
        let slot = Slot::new(&[b' '; 11], ATTR_DIRECTORY, cluster, 0, self.time);
        let inserted = self.insert(&mut directory, &name, slot);
        if inserted.is_err() {
            // Nothing points to the new cluster.
            self.free_chain(&[Extent {
                in_file: 0,
                cluster,
                count: 1,
            }])?;
        }
        inserted.map(drop)
    }

    /// Removes a file that is not open, or an empty directory.
    ///
    /// # Errors
    /// [`FatError::NotFound`], [`FatError::Open`], [`FatError::DirectoryNotEmpty`], [`FatError::Damaged`].
    pub fn remove(&mut self, path: &str) -> Result<(), FatError> {
        self.prepare_writing()?;
        let (id, entry) = self.resolve(path)?.ok_or_else(|| invalid_move(path))?;
        let mut directory = self.read_directory(id)?;
        let first = entry.slot.cluster(self.geometry.kind);
        let extents = if entry.slot.is_directory() {
            let inner = self.read_directory(DirId::Chain(first))?;
            if !inner.entries().is_empty() {
                return Err(FatError::DirectoryNotEmpty { path: path.into() });
            }
            self.directory_chain(DirId::Chain(first))?
        } else {
            if self.node_at(directory.place(entry.last)).is_some() {
                return Err(FatError::Open { path: path.into() });
            }
            self.whole_chain(first).map_err(|e| e.at(path))?
        };
        self.delete(&mut directory, &entry)?;
        self.barrier()?;
        self.free_chain(&extents)
    }

    /// Gives a file or directory another name, in the same directory or another one. There must be nothing by the
    /// new name, except that the case of letters may change.
    ///
    /// # Errors
    /// [`FatError::NotFound`], [`FatError::AlreadyExists`], [`FatError::InvalidMove`],
    /// [`FatError::DirectoryFull`], [`FatError::Full`].
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), FatError> {
        self.prepare_writing()?;
        let (source, entry) = self.resolve(from)?.ok_or_else(|| invalid_move(from))?;
        let (parent, name) = self.resolve_parent(to)?;
        let mut old_directory = self.read_directory(source)?;
        let old_place = old_directory.place(entry.last);
        let mut new_directory = self.read_directory(parent)?;
        if let Some(found) = new_directory.find(&name)
            && new_directory.place(found.last) != old_place
        {
            return Err(FatError::AlreadyExists { path: to.into() });
        }
        if entry.slot.is_directory() && self.lies_in(parent, self.directory_of(&entry.slot))? {
            return Err(invalid_move(to));
        }
        if source == parent && self.rename_in_place(&mut old_directory, &entry, &name)? {
            return Ok(());
        }
        // Room for the new name first, so that a full disk changes nothing: a trial entry of an empty file.
        let trial = Slot::new(&[b' '; 11], ATTR_ARCHIVE, 0, 0, self.time);
        let new_place = self.insert(&mut new_directory, &name, trial)?;
        self.barrier()?;
        // The source's slots may have moved in memory only if both directories are the same one.
        let mut old_directory = self.read_directory(source)?;
        self.delete(&mut old_directory, &entry)?;
        self.barrier()?;
        let kept = entry.slot;
        self.change_slot(new_place, |slot| {
            slot.bytes[11] = kept.bytes[11];
            slot.bytes[13..].copy_from_slice(&kept.bytes[13..]);
        })?;
        for node in &mut self.nodes {
            if node.place == old_place {
                node.place = new_place;
            }
        }
        if entry.slot.is_directory() && source != parent {
            let moved = self.read_directory(self.directory_of(&kept))?;
            if let Some(index) = moved.dot_dot() {
                let cluster = match parent {
                    DirId::Chain(first) if parent != self.root() => first,
                    _ => 0,
                };
                self.change_slot(moved.place(index), |slot| slot.set_cluster(cluster))?;
            }
        }
        Ok(())
    }

    /// Puts a file in the place of another: afterwards `to` holds what `from` held, and `from` is gone. A power cut
    /// leaves `to` with its old or its new contents. If there is nothing at `to`, this is
    /// [`rename`](Self::rename).
    ///
    /// # Errors
    /// Those of [`rename`](Self::rename) and [`remove`](Self::remove).
    pub fn replace(&mut self, from: &str, to: &str) -> Result<(), FatError> {
        self.prepare_writing()?;
        let (source, entry) = self.resolve(from)?.ok_or_else(|| invalid_move(from))?;
        let (target, old) = match self.resolve(to) {
            Ok(found) => found.ok_or_else(|| invalid_move(to))?,
            Err(FatError::NotFound { .. }) => return self.rename(from, to),
            Err(error) => return Err(error),
        };
        for (path, found) in [(from, &entry), (to, &old)] {
            if found.slot.is_directory() {
                return Err(FatError::IsADirectory { path: path.into() });
            }
        }
        let mut directory = self.read_directory(source)?;
        let old_place = directory.place(entry.last);
        let new_place = self.read_directory(target)?.place(old.last);
        if old_place == new_place {
            return self.rename(from, to);
        }
        if self.node_at(new_place).is_some() {
            return Err(FatError::Open { path: to.into() });
        }
        let kind = self.geometry.kind;
        let freed = self.whole_chain(old.slot.cluster(kind))?;
        self.delete(&mut directory, &entry)?;
        self.barrier()?;
        let (cluster, size, time) = (entry.slot.cluster(kind), entry.slot.size(), self.time);
        self.change_slot(new_place, |slot| slot.set_contents(cluster, size, time))?;
        for node in &mut self.nodes {
            if node.place == old_place {
                node.place = new_place;
            }
        }
        self.barrier()?;
        self.free_chain(&freed)
    }

    /// Writes what is still in memory (the count of free clusters on FAT32) and flushes the device.
    ///
    /// # Errors
    /// [`FatError::Block`].
    pub fn sync(&mut self) -> Result<(), FatError> {
        self.table.flush(&mut self.device)?;
        if self.fs_info_open {
            let free = self.used_map()?.free_clusters();
            self.write_fs_info(free)?;
            self.fs_info_open = false;
        }
        self.device.flush()?;
        self.unflushed = false;
        Ok(())
    }

    /// Syncs and gives the device back.
    ///
    /// # Errors
    /// Those of [`sync`](Self::sync).
    pub fn unmount(mut self) -> Result<D, FatError> {
        self.sync()?;
        Ok(self.device)
    }

    /// The device below. Writing to it behind the volume's back damages the volume.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    // --- paths

    fn describe(&self, entry: &Entry) -> Metadata {
        let is_directory = entry.slot.is_directory();
        let bytes = if is_directory { 0 } else { entry.slot.size() };
        Metadata {
            name: entry.name.clone(),
            is_directory,
            bytes,
        }
    }

    /// Follows a path. `None` is the root.
    fn resolve(&mut self, path: &str) -> Result<Option<(DirId, Entry)>, FatError> {
        let mut found: Option<(DirId, Entry)> = None;
        for part in components(path) {
            let id = match &found {
                None => self.root(),
                Some((_, entry)) if entry.slot.is_directory() => self.directory_of(&entry.slot),
                Some(_) => return Err(FatError::NotADirectory { path: path.into() }),
            };
            let directory = self.read_directory(id).map_err(|e| e.at(path))?;
            match directory.find(&part) {
                Some(entry) => found = Some((id, entry)),
                None => return Err(FatError::NotFound { path: path.into() }),
            }
        }
        Ok(found)
    }

    fn resolve_directory(&mut self, path: &str) -> Result<DirId, FatError> {
        match self.resolve(path)? {
            None => Ok(self.root()),
            Some((_, entry)) if entry.slot.is_directory() => Ok(self.directory_of(&entry.slot)),
            Some(_) => Err(FatError::NotADirectory { path: path.into() }),
        }
    }

    /// The directory that holds `path`, and the last name in it.
    fn resolve_parent(&mut self, path: &str) -> Result<(DirId, String), FatError> {
        let mut parts = components(path);
        let name = parts
            .pop()
            .ok_or(FatError::AlreadyExists { path: "/".into() })?;
        name::validate(&name)?;
        Ok((self.resolve_directory(&parts.join("/"))?, name))
    }

    /// As [`resolve_parent`](Self::resolve_parent) for a name that must be new, ready for writing.
    fn prepare_name(&mut self, path: &str) -> Result<(DirId, String), FatError> {
        self.prepare_writing()?;
        let (parent, name) = self.resolve_parent(path)?;
        if self.read_directory(parent)?.find(&name).is_some() {
            return Err(FatError::AlreadyExists { path: path.into() });
        }
        Ok((parent, name))
    }

    /// True if `inner` is `outer` or lies below it.
    fn lies_in(&mut self, inner: DirId, outer: DirId) -> Result<bool, FatError> {
        let mut current = inner;
        for _ in 0..=self.geometry.clusters {
            if current == outer {
                return Ok(true);
            }
            if current == self.root() {
                return Ok(false);
            }
            let directory = self.read_directory(current)?;
            let Some(index) = directory.dot_dot() else {
                break;
            };
            let mut slot = Slot { bytes: [0; SLOT] };
            slot.bytes
                .copy_from_slice(&directory.bytes[index * SLOT..][..SLOT]);
            current = self.directory_of(&slot);
        }
        let at = if let DirId::Chain(first) = inner {
            first
        } else {
            0
        };
        Err(FatError::damaged(Damage::NotADirectory, at))
    }

    // --- what all changes share

    fn used_map(&mut self) -> Result<&mut UsedMap, FatError> {
        if self.used.is_none() {
            self.used = Some(UsedMap::read(&mut self.table, &mut self.device)?);
        }
        // Present: it was there or was put there above.
        self.used.as_mut().ok_or(FatError::StaleHandle)
    }

    /// Makes sure that the volume is sound.
    fn prepare_data(&mut self) -> Result<(), FatError> {
        if !self.checked {
            self.check()?;
            self.checked = true;
        }
        Ok(())
    }

    /// Makes sure that the volume is sound and that what is free stays free if the power goes.
    fn prepare_writing(&mut self) -> Result<(), FatError> {
        self.prepare_data()?;
        if !self.fs_info_open && self.geometry.fs_info.is_some() {
            self.write_fs_info(u32::MAX)?;
            self.fs_info_open = true;
        }
        Ok(())
    }

    fn write_fs_info(&mut self, free: u32) -> Result<(), FatError> {
        let Some(lba) = self.geometry.fs_info else {
            return Ok(());
        };
        let mut sector = [0; SECTOR];
        self.device.read(lba, &mut sector)?;
        if !format::is_fs_info(&sector) {
            return Ok(());
        }
        sector[488..492].copy_from_slice(&free.to_le_bytes());
        let next = if free == u32::MAX {
            u32::MAX
        } else {
            self.next_free
        };
        sector[492..496].copy_from_slice(&next.to_le_bytes());
        self.device.write(lba, &sector)?;
        self.unflushed = true;
        Ok(())
    }

    /// What was written before is on the disk before what comes after.
    fn barrier(&mut self) -> Result<(), FatError> {
        if self.barriers && self.unflushed {
            self.device.flush()?;
            self.unflushed = false;
        }
        Ok(())
    }

    fn allocate(&mut self, count: u32, near: u32) -> Result<Vec<Extent>, FatError> {
        let extents = self.used_map()?.allocate(count, near)?;
        if let Some(last) = extents.last() {
            self.next_free = last.cluster + last.count;
        }
        Ok(extents)
    }

    /// Links new clusters to a chain and the chain to `tail`, if there is one.
    fn append_chain(&mut self, tail: Option<u32>, extents: &[Extent]) -> Result<(), FatError> {
        self.table.link(&mut self.device, extents)?;
        self.table.flush(&mut self.device)?;
        self.unflushed = true;
        self.barrier()?;
        if let (Some(tail), Some(first)) = (tail, extents.first()) {
            self.table
                .set(&mut self.device, tail, Link::Next(first.cluster))?;
            self.table.flush(&mut self.device)?;
            self.unflushed = true;
            self.barrier()?;
        }
        Ok(())
    }

    /// Frees clusters that nothing on the disk leads to any more.
    fn free_chain(&mut self, extents: &[Extent]) -> Result<(), FatError> {
        for extent in extents {
            for cluster in extent.cluster..extent.cluster + extent.count {
                self.table.set(&mut self.device, cluster, Link::Free)?;
                self.used_map()?.release(cluster);
            }
        }
        self.table.flush(&mut self.device)?;
        self.unflushed = true;
        // Before anybody can use them again.
        self.barrier()
    }

    fn zero_cluster(&mut self, cluster: u32) -> Result<(), FatError> {
        let zeroes = alloc::vec![0; self.geometry.cluster_bytes() as usize];
        self.device
            .write(self.geometry.cluster_lba(cluster), &zeroes)?;
        self.unflushed = true;
        Ok(())
    }

    /// Changes the short entry at a place (sector and offset) in one write.
    fn change_slot(
        &mut self,
        (lba, offset): (u64, usize),
        change: impl FnOnce(&mut Slot),
    ) -> Result<(), FatError> {
        let mut sector = [0; SECTOR];
        self.device.read(lba, &mut sector)?;
        let mut slot = Slot { bytes: [0; SLOT] };
        slot.bytes.copy_from_slice(&sector[offset..offset + SLOT]);
        change(&mut slot);
        sector[offset..offset + SLOT].copy_from_slice(&slot.bytes);
        self.device.write(lba, &sector)?;
        self.unflushed = true;
        Ok(())
    }
}

fn invalid_move(path: &str) -> FatError {
    FatError::InvalidMove { path: path.into() }
}

/// The names of a path; `.` and `..` are resolved by text, and `..` of the root is the root.
fn components(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            name => parts.push(name.to_string()),
        }
    }
    parts
}
