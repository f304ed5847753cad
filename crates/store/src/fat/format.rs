//! Making an empty volume.

use super::bpb::{FatKind, MAX_FAT32_CLUSTERS, MIN_FAT16_CLUSTERS, MIN_FAT32_CLUSTERS};
use super::dir::SLOT;
use super::{DosTime, FatError};
use crate::block::{BlockDevice, SECTOR};

/// How to format a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatOptions {
    /// FAT16 or FAT32; if `None`, FAT16 up to 2 GiB and FAT32 above.
    pub kind: Option<FatKind>,
    /// Sectors per cluster, a power of two up to 64; if `None`, what suits the size.
    pub cluster_sectors: Option<u32>,
    /// Volume number.
    pub volume_id: u32,
    /// Label, 11 characters in upper case, blank-filled.
    pub label: [u8; 11],
    /// First sector of the volume on its disk.
    pub hidden_sectors: u32,
    /// True if the device is known to hold zeroes: only what is not zero is written then.
    pub zeroed: bool,
}

impl Default for FormatOptions {
    fn default() -> Self {
        Self {
            kind: None,
            cluster_sectors: None,
            volume_id: 0,
            label: *b"BAREFLOW   ",
            hidden_sectors: 0,
            zeroed: false,
        }
    }
}

/// Most sectors for which FAT16 is chosen: 2 GiB less one cluster.
const FAT16_LIMIT: u64 = 65_524 * 64;
const ROOT_ENTRIES: u32 = 512;
/// Data starts at a multiple of this many sectors of the volume, so that clusters are whole host pages.
const ALIGNMENT: u32 = 8;

struct Layout {
    kind: FatKind,
    cluster_sectors: u32,
    reserved: u32,
    fat_sectors: u32,
    clusters: u32,
}

fn layout(sectors: u32, kind: FatKind, cluster_sectors: u32) -> Layout {
    let (entry_bytes, root_sectors, base): (u64, u32, u32) = match kind {
        FatKind::Fat16 => (2, ROOT_ENTRIES * SLOT as u32 / SECTOR as u32, 1),
        FatKind::Fat32 => (4, 0, 32),
    };
    // As many FAT sectors as all clusters would need if the FATs themselves took no room: a little generous.
    let most = u64::from(sectors / cluster_sectors) + 2;
    let fat_sectors = (most * entry_bytes).div_ceil(SECTOR as u64) as u32;
    let fixed = base + 2 * fat_sectors + root_sectors;
    let reserved = base + (fixed.next_multiple_of(ALIGNMENT) - fixed);
    let data = sectors.saturating_sub(reserved + 2 * fat_sectors + root_sectors);
    Layout {
        kind,
        cluster_sectors,
        reserved,
        fat_sectors,
        clusters: data / cluster_sectors,
    }
}

fn choose(sectors: u64, options: &FormatOptions) -> Result<Layout, FatError> {
    let wrong = |expected| FatError::FormatSize { sectors, expected };
    let kind = options.kind.unwrap_or(match sectors {
        ..=FAT16_LIMIT => FatKind::Fat16,
        _ => FatKind::Fat32,
    });
    let count = u32::try_from(sectors).map_err(|_| wrong("less than 2 TiB"))?;
    let (fewest, most) = match kind {
        FatKind::Fat16 => (MIN_FAT16_CLUSTERS, MIN_FAT32_CLUSTERS - 1),
        FatKind::Fat32 => (MIN_FAT32_CLUSTERS, MAX_FAT32_CLUSTERS),
    };
    let fits = |layout: &Layout| (fewest..=most).contains(&layout.clusters);
    if let Some(size) = options.cluster_sectors {
        if !size.is_power_of_two() || size > 64 {
            return Err(wrong("a power of two up to 64 as sectors per cluster"));
        }
        let layout = layout(count, kind, size);
        return fits(&layout).then_some(layout).ok_or(wrong(match kind {
            FatKind::Fat16 => "4085 to 65524 clusters for FAT16",
            FatKind::Fat32 => "at least 65525 clusters for FAT32",
        }));
    }
    // The larger the cluster, the shorter the table, but files waste half a cluster each.
    let preferred = if sectors < 0x8_0000 {
        8 // below 256 MiB
    } else if sectors < 0x40_0000 {
        32 // below 2 GiB
    } else {
        64
    };
    let sizes = [preferred, 64, 32, 16, 8, 4, 2, 1];
    let mut layouts = sizes.into_iter().map(|size| layout(count, kind, size));
    layouts.find(fits).ok_or(wrong(match kind {
        FatKind::Fat16 => "2 MiB to 2 GiB for FAT16",
        FatKind::Fat32 => "33 MiB to 2 TiB for FAT32",
    }))
}

/// True if a sector carries the marks of FSInfo.
pub(super) fn is_fs_info(sector: &[u8; SECTOR]) -> bool {
    sector.starts_with(b"RRaA") && sector[484..488] == *b"rrAa" && sector[510..] == [0x55, 0xAA]
}

pub(super) fn format<D: BlockDevice>(
    device: &mut D,
    options: &FormatOptions,
) -> Result<(), FatError> {
    let layout = choose(device.sector_count(), options)?;
    // At most 2 TiB: `choose` saw to it.
    let sectors = device.sector_count() as u32;
    let fat32 = layout.kind == FatKind::Fat32;
    let mut boot = [0u8; SECTOR];
    let mut put = |at: usize, bytes: &[u8]| boot[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0xEB, if fat32 { 0x58 } else { 0x3C }, 0x90]);
    put(3, b"BAREFLOW");
    put(11, &(SECTOR as u16).to_le_bytes());
    put(13, &[layout.cluster_sectors as u8]);
    put(14, &(layout.reserved as u16).to_le_bytes());
    put(16, &[2]);
    if !fat32 {
        put(17, &(ROOT_ENTRIES as u16).to_le_bytes());
    }
    match u16::try_from(sectors) {
        Ok(small) if !fat32 => put(19, &small.to_le_bytes()),
        _ => put(32, &sectors.to_le_bytes()),
    }
    put(21, &[0xF8]); // media: fixed disk
    put(24, &63u16.to_le_bytes()); // sectors per track
    put(26, &255u16.to_le_bytes()); // heads
    put(28, &options.hidden_sectors.to_le_bytes());
    let tail = if fat32 {
        put(36, &layout.fat_sectors.to_le_bytes());
        put(44, &2u32.to_le_bytes());
        put(48, &1u16.to_le_bytes());
        put(50, &6u16.to_le_bytes());
        64
    } else {
        put(22, &(layout.fat_sectors as u16).to_le_bytes());
        36
    };
    put(tail, &[0x80, 0, 0x29]);
    put(tail + 3, &options.volume_id.to_le_bytes());
    put(tail + 7, &options.label);
    put(tail + 18, if fat32 { b"FAT32   " } else { b"FAT16   " });
    put(tail + 26, &[0xEB, 0xFE]); // not bootable: jump to itself
    if fat32 {
        put(1, &[0x58]);
    }
    put(510, &[0x55, 0xAA]);

    let fat_end = u64::from(layout.reserved) + 2 * u64::from(layout.fat_sectors);
    let root_sectors = if fat32 {
        layout.cluster_sectors
    } else {
        ROOT_ENTRIES / 16
    };
    if !options.zeroed {
        let zeroes = alloc::vec![0; 128 * SECTOR];
        let mut lba = 0;
        let end = fat_end + u64::from(root_sectors);
        while lba < end {
            let count = (end - lba).min(128) as usize;
            device.write(lba, &zeroes[..count * SECTOR])?;
            lba += count as u64;
        }
    }
    let mut fat = [0u8; SECTOR];
    if fat32 {
        fat[..12].copy_from_slice(&[
            0xF8, 0xFF, 0xFF, 0x0F, 0xFF, 0xFF, 0xFF, 0x0F, 0xFF, 0xFF, 0xFF, 0x0F,
        ]);
    } else {
        fat[..4].copy_from_slice(&[0xF8, 0xFF, 0xFF, 0xFF]);
    }
    for copy in 0..2 {
        device.write(u64::from(layout.reserved + copy * layout.fat_sectors), &fat)?;
    }
    let mut root = [0u8; SECTOR];
    root[..11].copy_from_slice(&options.label);
    root[11] = 0x08;
    root[24..26].copy_from_slice(&DosTime::default().date.to_le_bytes());
    device.write(fat_end, &root)?;
    if fat32 {
        let mut info = [0u8; SECTOR];
        info[..4].copy_from_slice(b"RRaA");
        info[484..488].copy_from_slice(b"rrAa");
        info[488..492].copy_from_slice(&(layout.clusters - 1).to_le_bytes());
        info[492..496].copy_from_slice(&3u32.to_le_bytes());
        info[510..].copy_from_slice(&[0x55, 0xAA]);
        for backup in [0, 6] {
            device.write(backup + 1, &info)?;
            device.write(backup, &boot)?;
        }
    }
    // Last: until here the device holds no volume.
    device.flush()?;
    device.write(0, &boot)?;
    device.flush()?;
    Ok(())
}
