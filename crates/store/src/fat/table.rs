//! The file allocation table: links of clusters, cached in pieces, and the map of free clusters.
//!
//! Changes stay in the cache until [`Table::flush`]; an operation flushes where its order of writes demands it.
//! All copies of the table receive the same sectors.

use super::bpb::{FatKind, Geometry};
use super::{Damage, FatError};
use crate::block::{BlockDevice, SECTOR};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What the entry of a cluster says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Free,
    Next(u32),
    End,
    Bad,
}

/// Consecutive clusters that hold consecutive parts of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Number of the first of them in the file, from 0 on.
    pub in_file: u32,
    /// First cluster.
    pub cluster: u32,
    /// Number of clusters, at least 1.
    pub count: u32,
}

/// Appends clusters to a list of extents, joining what is contiguous.
pub(super) fn push_extent(extents: &mut Vec<Extent>, cluster: u32, count: u32) {
    let in_file = chain_length(extents);
    match extents.last_mut() {
        Some(last) if last.cluster + last.count == cluster => last.count += count,
        _ => extents.push(Extent {
            in_file,
            cluster,
            count,
        }),
    }
}

/// Number of clusters in a list of extents.
pub(super) fn chain_length(extents: &[Extent]) -> u32 {
    extents.last().map_or(0, |last| last.in_file + last.count)
}

/// Sectors of the table that are read at once and kept together.
const CHUNK_SECTORS: u32 = 16;
/// Chunks that are kept: 512 KiB.
const MAX_CHUNKS: usize = 64;

struct Chunk {
    bytes: Vec<u8>,
    /// Bit n: sector n differs from the disk.
    dirty: u16,
}

pub(super) struct Table {
    geometry: Geometry,
    chunks: BTreeMap<u32, Chunk>,
}

impl Table {
    pub fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            chunks: BTreeMap::new(),
        }
    }

    fn position(&self, cluster: u32) -> (u32, usize) {
        let entry_bytes = match self.geometry.kind {
            FatKind::Fat16 => 2,
            FatKind::Fat32 => 4,
        };
        let chunk_entries = CHUNK_SECTORS * SECTOR as u32 / entry_bytes;
        (
            cluster / chunk_entries,
            (cluster % chunk_entries * entry_bytes) as usize,
        )
    }

    fn chunk<D: BlockDevice>(
        &mut self,
        device: &mut D,
        index: u32,
    ) -> Result<&mut Chunk, FatError> {
        if !self.chunks.contains_key(&index) {
            if self.chunks.len() >= MAX_CHUNKS {
                // The farthest chunk goes: chains run upwards, so it is the last that comes back.
                let far = |&&k: &&u32| k.abs_diff(index);
                if let Some(&victim) = self.chunks.keys().max_by_key(far)
                    && let Some(chunk) = self.chunks.remove(&victim)
                {
                    Self::write_chunk(&self.geometry, device, victim, &chunk)?;
                }
            }
            let first = index * CHUNK_SECTORS;
            let sectors = CHUNK_SECTORS.min(self.geometry.fat_sectors.saturating_sub(first));
            let mut bytes = alloc::vec![0; sectors as usize * SECTOR];
            let copy = u64::from(self.geometry.active_fat) * u64::from(self.geometry.fat_sectors);
            device.read(
                self.geometry.fat_start + copy + u64::from(first),
                &mut bytes,
            )?;
            self.chunks.insert(index, Chunk { bytes, dirty: 0 });
        }
        // Present: it was found or inserted above.
        self.chunks
            .get_mut(&index)
            .ok_or(FatError::damaged(Damage::Bad, 0))
    }

    fn write_chunk<D: BlockDevice>(
        geometry: &Geometry,
        device: &mut D,
        index: u32,
        chunk: &Chunk,
    ) -> Result<(), FatError> {
        for copy in 0..geometry.fats {
            if !geometry.mirrored && copy != geometry.active_fat {
                continue;
            }
            let start = geometry.fat_start
                + u64::from(copy) * u64::from(geometry.fat_sectors)
                + u64::from(index * CHUNK_SECTORS);
            let mut sector = 0;
            while sector < CHUNK_SECTORS as usize {
                // One request for each run of changed sectors.
                let run = (chunk.dirty >> sector).trailing_ones() as usize;
                if run > 0 {
                    let bytes = &chunk.bytes[sector * SECTOR..(sector + run) * SECTOR];
                    device.write(start + sector as u64, bytes)?;
                }
                sector += run + 1;
            }
        }
        Ok(())
    }

    /// Writes what was changed to all copies.
    pub fn flush<D: BlockDevice>(&mut self, device: &mut D) -> Result<(), FatError> {
        for (&index, chunk) in &mut self.chunks {
            if chunk.dirty != 0 {
                Self::write_chunk(&self.geometry, device, index, chunk)?;
                chunk.dirty = 0;
            }
        }
        Ok(())
    }

    /// Reads the entry of a cluster of the volume.
    pub fn get<D: BlockDevice>(&mut self, device: &mut D, cluster: u32) -> Result<Link, FatError> {
        let geometry = self.geometry;
        if !geometry.has_cluster(cluster) {
            return Err(FatError::damaged(
                Damage::OutOfRange { found: cluster },
                cluster,
            ));
        }
        let (index, at) = self.position(cluster);
        let bytes = &self.chunk(device, index)?.bytes;
        let value = match geometry.kind {
            FatKind::Fat16 => match u32::from(u16::from_le_bytes([bytes[at], bytes[at + 1]])) {
                special @ 0xFFF7.. => special | 0x0FFF_0000,
                next => next,
            },
            FatKind::Fat32 => {
                let entry = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
                u32::from_le_bytes(entry) & 0x0FFF_FFFF
            }
        };
        match value {
            0 => Ok(Link::Free),
            0x0FFF_FFF7 => Ok(Link::Bad),
            0x0FFF_FFF8.. => Ok(Link::End),
            next if geometry.has_cluster(next) => Ok(Link::Next(next)),
            found => Err(FatError::damaged(Damage::OutOfRange { found }, cluster)),
        }
    }

    /// Changes the entry of a cluster of the volume in the cache.
    pub fn set<D: BlockDevice>(
        &mut self,
        device: &mut D,
        cluster: u32,
        link: Link,
    ) -> Result<(), FatError> {
        let value: u32 = match link {
            Link::Free => 0,
            Link::Next(next) => next,
            Link::End => 0x0FFF_FFFF,
            Link::Bad => 0x0FFF_FFF7,
        };
        let kind = self.geometry.kind;
        let (index, at) = self.position(cluster);
        let chunk = self.chunk(device, index)?;
        match kind {
            FatKind::Fat16 => chunk.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes()[..2]),
            FatKind::Fat32 => {
                // The upper four bits belong to nobody and are kept.
                let kept = chunk.bytes[at + 3] & 0xF0;
                chunk.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
                chunk.bytes[at + 3] |= kept;
            }
        }
        chunk.dirty |= 1 << (at / SECTOR);
        Ok(())
    }

    /// The first `limit` clusters of a chain, or all if it is shorter.
    ///
    /// # Errors
    /// [`FatError::Damaged`] with the cluster whose link is wrong. A circle is found after at most three
    /// times its length (Brent's algorithm), whatever the limit.
    pub fn chain<D: BlockDevice>(
        &mut self,
        device: &mut D,
        first: u32,
        limit: u32,
    ) -> Result<Vec<Extent>, FatError> {
        let mut extents = Vec::new();
        let mut cluster = first;
        let mut previous = first;
        let (mut marked, mut steps, mut power) = (first, 0u32, 1u32);
        for _ in 0..limit {
            let link = self.get(device, cluster)?;
            match link {
                Link::Free => return Err(FatError::damaged(Damage::Free, previous)),
                Link::Bad => return Err(FatError::damaged(Damage::Bad, previous)),
                Link::End | Link::Next(_) => push_extent(&mut extents, cluster, 1),
            }
            let Link::Next(next) = link else { break };
            if next == marked {
                return Err(FatError::damaged(Damage::Loop, cluster));
            }
            steps += 1;
            if steps == power {
                (marked, steps, power) = (next, 0, power.saturating_mul(2));
            }
            previous = cluster;
            cluster = next;
        }
        Ok(extents)
    }

    /// Links the clusters of `extents` to one chain that ends behind the last of them.
    pub fn link<D: BlockDevice>(
        &mut self,
        device: &mut D,
        extents: &[Extent],
    ) -> Result<(), FatError> {
        for (i, extent) in extents.iter().enumerate() {
            let last = extent.cluster + extent.count - 1;
            for cluster in extent.cluster..last {
                self.set(device, cluster, Link::Next(cluster + 1))?;
            }
            let link = extents
                .get(i + 1)
                .map_or(Link::End, |next| Link::Next(next.cluster));
            self.set(device, last, link)?;
        }
        Ok(())
    }
}

/// Which clusters are in use: one bit each, the first for cluster 2.
#[derive(Clone)]
pub(super) struct UsedMap {
    words: Vec<u64>,
    clusters: u32,
    free: u32,
}

impl UsedMap {
    pub fn new(clusters: u32) -> Self {
        Self {
            words: alloc::vec![0; (clusters as usize).div_ceil(64)],
            clusters,
            free: clusters,
        }
    }

    /// Reads the whole table of a volume.
    pub fn read<D: BlockDevice>(table: &mut Table, device: &mut D) -> Result<Self, FatError> {
        let mut map = Self::new(table.geometry.clusters);
        for cluster in 2..table.geometry.clusters + 2 {
            match table.get(device, cluster) {
                Ok(Link::Free) => {}
                // A link to nowhere is a used cluster all the same.
                Ok(_) | Err(FatError::Damaged { .. }) => _ = map.take(cluster),
                Err(error) => return Err(error),
            }
        }
        Ok(map)
    }

    pub fn clusters(&self) -> u32 {
        self.clusters
    }

    pub fn free_clusters(&self) -> u32 {
        self.free
    }

    pub fn is_used(&self, cluster: u32) -> bool {
        let bit = cluster - 2;
        self.words[bit as usize / 64] >> (bit % 64) & 1 != 0
    }

    /// Marks a cluster used; false if it was already.
    pub fn take(&mut self, cluster: u32) -> bool {
        let bit = cluster - 2;
        let word = &mut self.words[bit as usize / 64];
        let mask = 1 << (bit % 64);
        let fresh = *word & mask == 0;
        *word |= mask;
        self.free -= u32::from(fresh);
        fresh
    }

    pub fn release(&mut self, cluster: u32) {
        let bit = cluster - 2;
        let word = &mut self.words[bit as usize / 64];
        let mask = 1 << (bit % 64);
        self.free += u32::from(*word & mask != 0);
        *word &= !mask;
    }

    /// The first free run at or behind `from`: first cluster and length, at most `limit`.
    fn next_run(&self, from: u32, limit: u32) -> Option<(u32, u32)> {
        let end = self.clusters + 2;
        let mut cluster = from.max(2);
        while cluster < end && self.is_used(cluster) {
            let bit = cluster - 2;
            let full = bit.is_multiple_of(64) && self.words[bit as usize / 64] == u64::MAX;
            cluster += if full { 64 } else { 1 };
        }
        if cluster >= end {
            return None;
        }
        let mut count = 1;
        while count < limit && cluster + count < end && !self.is_used(cluster + count) {
            count += 1;
        }
        Some((cluster, count))
    }

    /// Takes `count` clusters in one piece, from `near` on and then from the start of the volume.
    /// Otherwise gives the length of the longest run.
    pub fn allocate_run(&mut self, count: u32, near: u32) -> Result<u32, u32> {
        let mut longest = 0;
        for start in [near, 2] {
            let mut from = start;
            while let Some((first, found)) = self.next_run(from, count) {
                if found == count {
                    for cluster in first..first + count {
                        self.take(cluster);
                    }
                    return Ok(first);
                }
                longest = longest.max(found);
                from = first + found;
            }
        }
        Err(longest)
    }

    /// Takes `count` clusters: directly at `near` if they are free there, else in one piece, else in several.
    pub fn allocate(&mut self, count: u32, near: u32) -> Result<Vec<Extent>, FatError> {
        if count > self.free {
            return Err(FatError::Full {
                needed: count,
                free: self.free,
            });
        }
        let mut extents = Vec::new();
        let mut missing = count;
        let mut take = |map: &mut Self, first: u32, count: u32| {
            for cluster in first..first + count {
                map.take(cluster);
            }
            push_extent(&mut extents, first, count);
        };
        // What continues the file without a gap comes first.
        if let Some((first, found)) = self.next_run(near, missing)
            && first == near
        {
            take(self, first, found);
            missing -= found;
        }
        if missing > 0
            && let Ok(first) = self.allocate_run(missing, near)
        {
            take(self, first, missing);
            missing = 0;
        }
        let mut from = 2;
        while missing > 0 {
            let Some((first, found)) = self.next_run(from, missing) else {
                return Err(FatError::Full {
                    needed: count,
                    free: self.free,
                });
            };
            take(self, first, found);
            missing -= found;
            from = first + found;
        }
        Ok(extents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocation_prefers_one_piece_and_takes_what_there_is() {
        let mut map = UsedMap::new(200);
        assert_eq!(map.allocate_run(10, 50), Ok(50));
        assert_eq!(
            map.allocate(5, 60).unwrap(),
            [Extent {
                in_file: 0,
                cluster: 60,
                count: 5
            }]
        );
        // Behind 65 there are 137 in one piece, before 50 there are 48: all need three pieces at most.
        assert_eq!(map.allocate_run(150, 2), Err(137));
        let all = map.allocate(185, 65).unwrap();
        assert_eq!(chain_length(&all), 185);
        assert_eq!(map.free_clusters(), 0);
        assert_eq!(
            map.allocate(1, 2),
            Err(FatError::Full { needed: 1, free: 0 })
        );
        map.release(100);
        assert_eq!(map.allocate(1, 150).unwrap()[0].cluster, 100);
    }

    #[test]
    fn extents_join() {
        let mut extents = Vec::new();
        push_extent(&mut extents, 5, 1);
        push_extent(&mut extents, 6, 2);
        push_extent(&mut extents, 10, 1);
        assert_eq!(extents.len(), 2);
        assert_eq!(extents[1].in_file, 3);
        assert_eq!(chain_length(&extents), 4);
    }
}
