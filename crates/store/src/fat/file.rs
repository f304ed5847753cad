//! Open files: reading and writing through cached runs of clusters.
//!
//! All handles of one file share one node, so they agree on size and chain. A node lives as long as a handle.

use super::dir::{ATTR_ARCHIVE, Slot};
use super::table::{Extent, Link, chain_length, push_extent};
use super::{Damage, FatError, Volume};
use crate::block::{BlockDevice, SECTOR};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A handle of an open file. Dropping it closes the file.
#[derive(Clone, Debug)]
pub struct File {
    token: Arc<()>,
}

/// Consecutive sectors of the volume that hold consecutive bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// First sector of the volume.
    pub lba: u64,
    /// Number of sectors.
    pub sectors: u64,
}

pub(super) struct Node {
    token: Arc<()>,
    /// Sector and offset of the short entry.
    pub place: (u64, usize),
    first: u32,
    size: u32,
    /// Read when first needed: as far as the size goes for reading, the whole chain for writing.
    extents: Option<Vec<Extent>>,
    whole: bool,
}

impl<D: BlockDevice> Volume<D> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`FatError::NotFound`], [`FatError::IsADirectory`], [`FatError::Damaged`], [`FatError::Block`].
    pub fn open(&mut self, path: &str) -> Result<File, FatError> {
        let directory = || FatError::IsADirectory { path: path.into() };
        let (id, entry) = self.resolve(path)?.ok_or_else(directory)?;
        if entry.slot.is_directory() {
            return Err(directory());
        }
        let place = self.read_directory(id)?.place(entry.last);
        Ok(self.handle(place, &entry.slot))
    }

    /// Creates an empty file and opens it.
    ///
    /// # Errors
    /// [`FatError::AlreadyExists`], [`FatError::NotFound`] (of its directory), [`FatError::InvalidName`],
    /// [`FatError::Full`], [`FatError::DirectoryFull`], [`FatError::Damaged`], [`FatError::Block`].
    pub fn create(&mut self, path: &str) -> Result<File, FatError> {
        let (parent, name) = self.prepare_name(path)?;
        let mut directory = self.read_directory(parent)?;
        let slot = Slot::new(&[b' '; 11], ATTR_ARCHIVE, 0, 0, self.time);
        let place = self.insert(&mut directory, &name, slot)?;
        Ok(self.handle(place, &slot))
    }

    /// Creates a file of `bytes` zeroes in one piece. Writing inside it then changes nothing but its data, which
    /// is what crash-safe records are made of.
    ///
    /// # Errors
    /// [`FatError::NoContiguousRoom`] and those of [`create`](Self::create).
    pub fn create_contiguous(&mut self, path: &str, bytes: u32) -> Result<File, FatError> {
        self.prepare_name(path)?;
        let needed = bytes.div_ceil(self.geometry.cluster_bytes());
        let near = self.next_free;
        // Looked for before the name exists, and given back: nothing else allocates in between except the directory.
        let map = self.used_map()?;
        if needed > map.free_clusters() {
            return Err(FatError::Full {
                needed,
                free: map.free_clusters(),
            });
        }
        let run = |first| Extent {
            in_file: 0,
            cluster: first,
            count: needed,
        };
        let extents = match needed {
            0 => Vec::new(),
            _ => {
                let found = map.allocate_run(needed, near);
                let first =
                    found.map_err(|longest| FatError::NoContiguousRoom { needed, longest })?;
                alloc::vec![run(first)]
            }
        };
        let file = match self.create(path) {
            Ok(file) => file,
            Err(error) => {
                for extent in &extents {
                    for cluster in extent.cluster..extent.cluster + extent.count {
                        self.used_map()?.release(cluster);
                    }
                }
                return Err(error);
            }
        };
        self.write_span(&extents, 0, 0, &Data::Zeroes(bytes.into()))?;
        self.commit_growth(&file, extents, 0, bytes)?;
        Ok(file)
    }

    /// Size of an open file in bytes.
    ///
    /// # Errors
    /// [`FatError::StaleHandle`].
    pub fn file_bytes(&self, file: &File) -> Result<u32, FatError> {
        Ok(self.node(file)?.size)
    }

    /// Reads from `offset` on until `buf` is full or the file ends; gives the number of bytes read. Whole sectors go
    /// from the device into `buf` without a copy, one request for each contiguous run.
    ///
    /// # Errors
    /// [`FatError::Damaged`], [`FatError::Block`], [`FatError::StaleHandle`].
    pub fn read_at(&mut self, file: &File, offset: u64, buf: &mut [u8]) -> Result<usize, FatError> {
        let size = u64::from(self.node(file)?.size);
        let wanted = size.saturating_sub(offset).min(buf.len() as u64) as usize;
        if wanted == 0 {
            return Ok(0);
        }
        self.load_extents(file)?;
        let mut done = 0;
        while done < wanted {
            let position = offset + done as u64;
            let (lba, inside, contiguous) = self.locate(&self.node(file)?.extents, position)?;
            let left = wanted - done;
            let whole = left.min(contiguous) / SECTOR * SECTOR;
            if inside == 0 && whole > 0 {
                self.device.read(lba, &mut buf[done..done + whole])?;
                done += whole;
                continue;
            }
            let mut sector = [0; SECTOR];
            self.device.read(lba, &mut sector)?;
            let part = left.min(SECTOR - inside);
            buf[done..done + part].copy_from_slice(&sector[inside..inside + part]);
            done += part;
        }
        Ok(wanted)
    }

    /// Writes all of `buf` at `offset`; the file grows as needed, a gap reads as zeroes.
    ///
    /// # Errors
    /// [`FatError::Full`] (nothing is changed then), [`FatError::FileTooLarge`], [`FatError::Damaged`],
    /// [`FatError::Block`], [`FatError::StaleHandle`].
    pub fn write_at(&mut self, file: &File, offset: u64, buf: &[u8]) -> Result<(), FatError> {
        self.write_data(file, offset, &Data::Bytes(buf))
    }

    /// Cuts the file to `bytes`, or extends it with zeroes.
    ///
    /// # Errors
    /// Those of [`write_at`](Self::write_at).
    pub fn truncate(&mut self, file: &File, bytes: u64) -> Result<(), FatError> {
        let new = u32::try_from(bytes).map_err(|_| FatError::FileTooLarge { bytes })?;
        let size = self.node(file)?.size;
        if new >= size {
            return match new - size {
                0 => Ok(()),
                more => self.write_data(file, size.into(), &Data::Zeroes(more.into())),
            };
        }
        self.prepare_writing()?;
        self.load_whole(file)?;
        let keep = new.div_ceil(self.geometry.cluster_bytes());
        let mut kept = Vec::new();
        let mut freed = Vec::new();
        for extent in self.node(file)?.extents.iter().flatten() {
            let inside = keep.saturating_sub(extent.in_file).min(extent.count);
            if inside > 0 {
                push_extent(&mut kept, extent.cluster, inside);
            }
            if inside < extent.count {
                push_extent(&mut freed, extent.cluster + inside, extent.count - inside);
            }
        }
        let first = kept.first().map_or(0, |extent| extent.cluster);
        let place = self.node(file)?.place;
        let time = self.time;
        self.change_slot(place, |slot| slot.set_contents(first, new, time))?;
        self.barrier()?;
        if let Some(last) = kept.last()
            && !freed.is_empty()
        {
            let tail = last.cluster + last.count - 1;
            self.table.set(&mut self.device, tail, Link::End)?;
            self.table.flush(&mut self.device)?;
            self.unflushed = true;
            self.barrier()?;
        }
        let node = self.node_mut(file)?;
        node.first = first;
        node.size = new;
        node.extents = Some(kept);
        self.free_chain(&freed)
    }

    /// Where the file lies, run by run, up to its size rounded up to whole sectors.
    ///
    /// # Errors
    /// [`FatError::Damaged`], [`FatError::Block`], [`FatError::StaleHandle`].
    pub fn runs(&mut self, file: &File) -> Result<Vec<Run>, FatError> {
        self.load_extents(file)?;
        let node = self.node(file)?;
        let mut left = u64::from(node.size).div_ceil(SECTOR as u64);
        let mut runs = Vec::new();
        for extent in node.extents.iter().flatten() {
            let sectors = u64::from(extent.count) * u64::from(self.geometry.cluster_sectors);
            let sectors = sectors.min(left);
            if sectors == 0 {
                break;
            }
            runs.push(Run {
                offset: u64::from(extent.in_file) * u64::from(self.geometry.cluster_bytes()),
                lba: self.geometry.cluster_lba(extent.cluster),
                sectors,
            });
            left -= sectors;
        }
        Ok(runs)
    }

    // --- nodes

    fn handle(&mut self, place: (u64, usize), slot: &Slot) -> File {
        if let Some(node) = self.node_at(place) {
            return File {
                token: Arc::clone(&self.nodes[node].token),
            };
        }
        let token = Arc::new(());
        self.nodes.push(Node {
            token: Arc::clone(&token),
            place,
            first: slot.cluster(self.geometry.kind),
            size: slot.size(),
            extents: None,
            whole: false,
        });
        File { token }
    }

    /// Index of the node of an open file, after forgetting those without handles.
    pub(super) fn node_at(&mut self, place: (u64, usize)) -> Option<usize> {
        self.nodes.retain(|node| Arc::strong_count(&node.token) > 1);
        self.nodes.iter().position(|node| node.place == place)
    }

    fn node(&self, file: &File) -> Result<&Node, FatError> {
        let found = self
            .nodes
            .iter()
            .find(|node| Arc::ptr_eq(&node.token, &file.token));
        found.ok_or(FatError::StaleHandle)
    }

    fn node_mut(&mut self, file: &File) -> Result<&mut Node, FatError> {
        let found = self
            .nodes
            .iter_mut()
            .find(|node| Arc::ptr_eq(&node.token, &file.token));
        found.ok_or(FatError::StaleHandle)
    }

    /// The chain of a file of `size` bytes, up to its size.
    fn file_chain(&mut self, first: u32, size: u32) -> Result<Vec<Extent>, FatError> {
        let needed = size.div_ceil(self.geometry.cluster_bytes());
        if needed == 0 {
            return Ok(Vec::new());
        }
        let extents = self.table.chain(&mut self.device, first, needed)?;
        if chain_length(&extents) < needed {
            return Err(FatError::damaged(Damage::TooShort { bytes: size }, first));
        }
        Ok(extents)
    }

    /// The whole chain of a file, also what a power cut left behind its size.
    pub(super) fn whole_chain(&mut self, first: u32) -> Result<Vec<Extent>, FatError> {
        match first {
            0 => Ok(Vec::new()),
            _ => self.table.chain(&mut self.device, first, u32::MAX),
        }
    }

    fn load_extents(&mut self, file: &File) -> Result<(), FatError> {
        let node = self.node(file)?;
        if node.extents.is_none() {
            let (first, size) = (node.first, node.size);
            let extents = self.file_chain(first, size)?;
            self.node_mut(file)?.extents = Some(extents);
        }
        Ok(())
    }

    fn load_whole(&mut self, file: &File) -> Result<(), FatError> {
        let node = self.node(file)?;
        if !node.whole {
            let first = node.first;
            let extents = self.whole_chain(first)?;
            let node = self.node_mut(file)?;
            node.extents = Some(extents);
            node.whole = true;
        }
        Ok(())
    }

    /// Sector that holds a byte, offset in the sector, and bytes of the file that follow without a gap.
    fn locate(
        &self,
        extents: &Option<Vec<Extent>>,
        position: u64,
    ) -> Result<(u64, usize, usize), FatError> {
        let extents = extents.as_deref().unwrap_or_default();
        self.locate_in(extents, position)
    }

    fn locate_in(
        &self,
        extents: &[Extent],
        position: u64,
    ) -> Result<(u64, usize, usize), FatError> {
        let cluster_bytes = u64::from(self.geometry.cluster_bytes());
        let cluster = position / cluster_bytes;
        let index = extents.partition_point(|extent| u64::from(extent.in_file) <= cluster);
        let found = index.checked_sub(1).and_then(|index| extents.get(index));
        let extent = found.ok_or(FatError::damaged(Damage::TooShort { bytes: 0 }, 0))?;
        let within = position - u64::from(extent.in_file) * cluster_bytes;
        let bytes = u64::from(extent.count) * cluster_bytes;
        if within >= bytes {
            return Err(FatError::damaged(
                Damage::TooShort { bytes: 0 },
                extent.cluster,
            ));
        }
        let lba = self.geometry.cluster_lba(extent.cluster) + within / SECTOR as u64;
        Ok((
            lba,
            (within % SECTOR as u64) as usize,
            (bytes - within) as usize,
        ))
    }

    // --- writing

    fn write_data(&mut self, file: &File, offset: u64, data: &Data) -> Result<(), FatError> {
        if data.bytes() == 0 {
            return Ok(());
        }
        let too_large = |bytes| FatError::FileTooLarge { bytes };
        let end = offset
            .checked_add(data.bytes())
            .ok_or(too_large(u64::MAX))?;
        let end = u32::try_from(end).map_err(|_| too_large(end))?;
        self.prepare_data()?;
        self.load_whole(file)?;
        let node = self.node(file)?;
        let size = node.size;
        // Inside the file nothing but its data changes, not even the count of free clusters.
        if end > size {
            self.prepare_writing()?;
        }
        let node = self.node(file)?;
        let mut extents = node.extents.clone().unwrap_or_default();
        let had = chain_length(&extents);
        let needed = end.div_ceil(self.geometry.cluster_bytes());
        if needed > had {
            let near = match extents.last() {
                Some(last) => last.cluster + last.count,
                None => self.next_free,
            };
            for new in self.allocate(needed - had, near)? {
                push_extent(&mut extents, new.cluster, new.count);
            }
        }
        let gap = offset.saturating_sub(size.into());
        if gap > 0 {
            self.write_span(&extents, size.into(), size.into(), &Data::Zeroes(gap))?;
        }
        self.write_span(&extents, offset.max(size.into()), offset, data)?;
        if end > size {
            self.commit_growth(file, extents, had, end)?;
        }
        Ok(())
    }

    /// Makes clusters beyond the first `had` of `extents` and the size `end` part of a file.
    fn commit_growth(
        &mut self,
        file: &File,
        extents: Vec<Extent>,
        had: u32,
        end: u32,
    ) -> Result<(), FatError> {
        let mut new = Vec::new();
        let mut tail = None;
        for extent in &extents {
            let old = had.saturating_sub(extent.in_file).min(extent.count);
            if old > 0 {
                tail = Some(extent.cluster + old - 1);
            }
            if old < extent.count {
                push_extent(&mut new, extent.cluster + old, extent.count - old);
            }
        }
        if !new.is_empty() {
            self.append_chain(tail, &new)?;
        }
        let first = extents.first().map_or(0, |extent| extent.cluster);
        let place = self.node(file)?.place;
        let time = self.time;
        self.change_slot(place, |slot| slot.set_contents(first, end, time))?;
        let node = self.node_mut(file)?;
        node.first = first;
        node.size = end;
        node.extents = Some(extents);
        node.whole = true;
        Ok(())
    }

    /// Writes data into clusters that are there. Of a sector that is written in part, what lies below `valid`
    /// (bytes of the file that mean something) is kept and the rest becomes zero.
    fn write_span(
        &mut self,
        extents: &[Extent],
        valid: u64,
        offset: u64,
        data: &Data,
    ) -> Result<(), FatError> {
        let total = data.bytes();
        let mut done = 0;
        while done < total {
            let position = offset + done;
            let (lba, inside, contiguous) = self.locate_in(extents, position)?;
            let left = total - done;
            let whole = left.min(contiguous as u64) as usize / SECTOR * SECTOR;
            self.unflushed = true;
            if inside == 0 && whole > 0 {
                done += match data {
                    Data::Bytes(bytes) => {
                        let from = done as usize;
                        self.device.write(lba, &bytes[from..from + whole])?;
                        whole as u64
                    }
                    Data::Zeroes(_) => {
                        let whole = whole.min(ZEROES.len());
                        self.device.write(lba, &ZEROES[..whole])?;
                        whole as u64
                    }
                };
                continue;
            }
            let part = left.min((SECTOR - inside) as u64) as usize;
            let mut sector = [0; SECTOR];
            let start = position - inside as u64;
            if start < valid {
                self.device.read(lba, &mut sector)?;
                let meant = (valid - start).min(SECTOR as u64) as usize;
                sector[meant..].fill(0);
            }
            match data {
                Data::Bytes(bytes) => {
                    let from = done as usize;
                    sector[inside..inside + part].copy_from_slice(&bytes[from..from + part]);
                }
                Data::Zeroes(_) => sector[inside..inside + part].fill(0),
            }
            self.device.write(lba, &sector)?;
            done += part as u64;
        }
        Ok(())
    }
}

/// Small, because it is part of the kernel's file.
static ZEROES: [u8; 8 * 1024] = [0; 8 * 1024];

/// What is written: bytes of the caller, or zeroes.
enum Data<'a> {
    Bytes(&'a [u8]),
    Zeroes(u64),
}

impl Data<'_> {
    fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeroes(bytes) => *bytes,
        }
    }
}
