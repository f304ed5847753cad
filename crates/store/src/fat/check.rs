//! The check of a whole volume: every chain is followed, every cluster has one owner.

use super::dir::DirId;
use super::table::{Extent, UsedMap, chain_length};
use super::{Damage, FatError, Volume};
use crate::block::BlockDevice;
use alloc::string::String;
use alloc::vec::Vec;

/// What a check of a sound volume counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Number of files.
    pub files: u32,
    /// Number of directories, the root not counted.
    pub directories: u32,
    /// Clusters that belong to files and directories.
    pub owned_clusters: u32,
    /// Clusters marked used that belong to nobody: left by a power cut, harmless.
    pub lost_clusters: u32,
    /// Files whose chain is longer than their size: left by a power cut, harmless.
    pub overlong_chains: u32,
}

impl<D: BlockDevice> Volume<D> {
    /// Follows every chain of the volume.
    ///
    /// # Errors
    /// The first [`FatError::Damaged`] that is found, with its path; [`FatError::Block`].
    pub fn check(&mut self) -> Result<CheckReport, FatError> {
        let mut report = CheckReport::default();
        let mut owned = UsedMap::new(self.geometry.clusters);
        let mut pending: Vec<(DirId, String)> = Vec::new();
        if let DirId::Chain(first) = self.root() {
            let extents = self.chain_strict(first).map_err(|e| e.at("/"))?;
            own(&mut owned, &extents).map_err(|e| e.at("/"))?;
        }
        pending.push((self.root(), String::new()));
        while let Some((id, path)) = pending.pop() {
            let directory = self.read_directory(id).map_err(|e| e.at(&path))?;
            for entry in directory.entries() {
                let path = alloc::format!("{path}/{}", entry.name);
                let first = entry.slot.cluster(self.geometry.kind);
                if entry.slot.is_directory() {
                    report.directories += 1;
                    let extents = self.chain_strict(first).map_err(|e| e.at(&path))?;
                    own(&mut owned, &extents).map_err(|e| e.at(&path))?;
                    // Each cluster is owned once, so this ends.
                    pending.push((DirId::Chain(first), path));
                    continue;
                }
                report.files += 1;
                let size = entry.slot.size();
                let needed = size.div_ceil(self.geometry.cluster_bytes());
                if first == 0 && size == 0 {
                    continue;
                }
                let extents = self.chain_strict(first).map_err(|e| e.at(&path))?;
                own(&mut owned, &extents).map_err(|e| e.at(&path))?;
                let length = chain_length(&extents);
                if length < needed {
                    let damage = Damage::TooShort { bytes: size };
                    return Err(FatError::damaged(damage, first).at(&path));
                }
                report.overlong_chains += u32::from(length > needed);
            }
        }
        let used = self.used_map()?;
        for cluster in 2..used.clusters() + 2 {
            let is_owned = owned.is_used(cluster);
            report.owned_clusters += u32::from(is_owned);
            report.lost_clusters += u32::from(!is_owned && used.is_used(cluster));
        }
        Ok(report)
    }

    /// A chain in which nothing is wrong, not even behind the end of the file.
    fn chain_strict(&mut self, first: u32) -> Result<Vec<Extent>, FatError> {
        if !self.geometry.has_cluster(first) {
            return Err(FatError::damaged(
                Damage::OutOfRange { found: first },
                first,
            ));
        }
        self.table.chain(&mut self.device, first, u32::MAX)
    }
}

fn own(owned: &mut UsedMap, extents: &[Extent]) -> Result<(), FatError> {
    for extent in extents {
        for cluster in extent.cluster..extent.cluster + extent.count {
            if !owned.take(cluster) {
                return Err(FatError::damaged(Damage::CrossLink, cluster));
            }
        }
    }
    Ok(())
}
