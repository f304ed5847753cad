//! The boot sector: what it says about the volume, checked before anything believes it.
//!
//! 1. `11..13` bytes per sector (512); `13` sectors per cluster (power of two); `14..16` reserved sectors
//! 2. `16` number of FATs; `17..19` entries of the root directory (0 on FAT32)
//! 3. `19..21` total sectors or 0; `22..24` sectors per FAT or 0 (FAT32); `32..36` total sectors if above is 0
//! 4. FAT32: `36..40` sectors per FAT; `40..42` flags; `42..44` version (0); `44..48` root cluster;
//!    `48..50` FSInfo sector; `50..52` backup boot sector
//! 5. `510..512` signature `55 AA`
//!
//! Source: Microsoft FAT specification (fatgen103). Which FAT it is follows from the count of clusters, except
//! that a volume without 16-bit FAT size is FAT32 whatever its count, as Linux and fsck.fat see it.

use super::FatError;
use crate::block::SECTOR;

/// FAT16 or FAT32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FatKind {
    /// 16-bit entries, root directory of fixed size.
    Fat16,
    /// 32-bit entries (28 used), root directory a chain.
    Fat32,
}

/// Fewest clusters of a FAT16 volume.
pub const MIN_FAT16_CLUSTERS: u32 = 4085;
/// Fewest clusters of a FAT32 volume.
pub const MIN_FAT32_CLUSTERS: u32 = 65_525;
/// Most clusters of a FAT32 volume: numbers from 0x0FFF_FFF7 on have a meaning.
pub const MAX_FAT32_CLUSTERS: u32 = 0x0FFF_FFF5;

/// A checked boot sector: where everything lies, in sectors of the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// FAT16 or FAT32.
    pub kind: FatKind,
    /// Sectors of the volume; at most those of the device.
    pub sectors: u64,
    /// Sectors per cluster, a power of two up to 128.
    pub cluster_sectors: u32,
    /// First sector of the first FAT.
    pub fat_start: u64,
    /// Sectors of one FAT.
    pub fat_sectors: u32,
    /// Number of FATs, 1 or 2.
    pub fats: u32,
    /// The FAT to read from.
    pub active_fat: u32,
    /// True if all FATs are kept the same.
    pub mirrored: bool,
    /// First sector of the root directory (FAT16).
    pub root_start: u64,
    /// Sectors of the root directory (FAT16; 0 on FAT32).
    pub root_sectors: u32,
    /// First cluster of the root directory (FAT32; 0 on FAT16).
    pub root_cluster: u32,
    /// First sector of cluster 2.
    pub data_start: u64,
    /// Number of clusters; they are numbered from 2 on.
    pub clusters: u32,
    /// Sector of FSInfo (FAT32), if there is one.
    pub fs_info: Option<u64>,
    /// Volume number.
    pub volume_id: u32,
}

impl Geometry {
    /// Reads and checks a boot sector of a device of `device_sectors` sectors.
    pub fn parse(sector: &[u8; SECTOR], device_sectors: u64) -> Result<Self, FatError> {
        let u16_at = |at: usize| u32::from(u16::from_le_bytes([sector[at], sector[at + 1]]));
        let u32_at = |at: usize| u16_at(at) | (u16_at(at + 2) << 16);
        let wrong = |field, found: u32, expected| {
            Err(FatError::BootSector {
                field,
                found: found.into(),
                expected,
            })
        };

        if u16_at(510) != 0xAA55 {
            return wrong("the signature", u16_at(510), "43605 (55 AA)");
        }
        if u16_at(11) as usize != SECTOR {
            return wrong("the number of bytes per sector", u16_at(11), "512");
        }
        let cluster_sectors = u32::from(sector[13]);
        if !cluster_sectors.is_power_of_two() {
            return wrong(
                "the number of sectors per cluster",
                cluster_sectors,
                "a power of two",
            );
        }
        let reserved = u16_at(14);
        if reserved == 0 {
            return wrong("the number of reserved sectors", 0, "at least 1");
        }
        let fats = u32::from(sector[16]);
        if !(1..=2).contains(&fats) {
            return wrong("the number of FATs", fats, "1 or 2");
        }
        let sectors = match u16_at(19) {
            0 => u32_at(32),
            small => small,
        };
        if sectors == 0 || u64::from(sectors) > device_sectors {
            return wrong(
                "the number of sectors",
                sectors,
                "1 to the sectors of the partition",
            );
        }
        let fat32 = u16_at(22) == 0;
        let fat_sectors = if fat32 { u32_at(36) } else { u16_at(22) };
        if fat_sectors == 0 {
            return wrong("the number of sectors per FAT", 0, "at least 1");
        }
        let root_entries = u16_at(17);
        if fat32 && root_entries != 0 {
            return wrong("the number of root entries of FAT32", root_entries, "0");
        }
        if !fat32 && root_entries == 0 {
            return wrong("the number of root entries", 0, "at least 1");
        }
        let root_sectors = root_entries.div_ceil(16);
        let root_start = u64::from(reserved) + u64::from(fats) * u64::from(fat_sectors);
        let data_start = root_start + u64::from(root_sectors);
        let Some(data_sectors) = u64::from(sectors).checked_sub(data_start) else {
            return wrong(
                "the number of sectors",
                sectors,
                "more than its FATs and root take",
            );
        };
        let clusters = (data_sectors / u64::from(cluster_sectors)) as u32;
        let kind = match clusters {
            0 => return wrong("the number of clusters", 0, "at least 1"),
            _ if fat32 && clusters > MAX_FAT32_CLUSTERS => {
                return wrong(
                    "the number of clusters",
                    clusters,
                    "268435445 at most (FAT32)",
                );
            }
            _ if fat32 => FatKind::Fat32,
            1..MIN_FAT16_CLUSTERS => {
                return wrong(
                    "the number of clusters",
                    clusters,
                    "at least 4085 (FAT12 is not supported)",
                );
            }
            MIN_FAT32_CLUSTERS.. => {
                return wrong("the number of clusters", clusters, "65524 at most (FAT16)");
            }
            _ => FatKind::Fat16,
        };
        let entry_bytes: u64 = if fat32 { 4 } else { 2 };
        if u64::from(fat_sectors) * (SECTOR as u64) < (u64::from(clusters) + 2) * entry_bytes {
            return wrong(
                "the number of sectors per FAT",
                fat_sectors,
                "enough for all clusters",
            );
        }

        let mut geometry = Self {
            kind,
            sectors: sectors.into(),
            cluster_sectors,
            fat_start: reserved.into(),
            fat_sectors,
            fats,
            active_fat: 0,
            mirrored: true,
            root_start,
            root_sectors,
            root_cluster: 0,
            data_start,
            clusters,
            fs_info: None,
            volume_id: if fat32 { u32_at(67) } else { u32_at(39) },
        };
        if fat32 {
            if u16_at(42) != 0 {
                return wrong("the version of FAT32", u16_at(42), "0");
            }
            let flags = u16_at(40);
            geometry.mirrored = flags & 0x80 == 0;
            if !geometry.mirrored {
                geometry.active_fat = flags & 0x0F;
                if geometry.active_fat >= fats {
                    return wrong(
                        "the number of the active FAT",
                        geometry.active_fat,
                        "0 or 1",
                    );
                }
            }
            geometry.root_cluster = u32_at(44);
            if !geometry.has_cluster(geometry.root_cluster) {
                return wrong(
                    "the root cluster",
                    geometry.root_cluster,
                    "a cluster of the volume",
                );
            }
            let fs_info = u16_at(48);
            geometry.fs_info =
                (fs_info != 0 && fs_info < reserved && fs_info != 0xFFFF).then_some(fs_info.into());
        }
        Ok(geometry)
    }

    /// True if there is a cluster of this number.
    pub fn has_cluster(&self, cluster: u32) -> bool {
        (2..self.clusters + 2).contains(&cluster)
    }

    /// First sector of a cluster, which must be one of the volume.
    pub fn cluster_lba(&self, cluster: u32) -> u64 {
        self.data_start + u64::from(cluster - 2) * u64::from(self.cluster_sectors)
    }

    /// Size of a cluster in bytes.
    pub fn cluster_bytes(&self) -> u32 {
        self.cluster_sectors * SECTOR as u32
    }
}
