//! MBR partition tables, and a partition as a block device of its own.
//!
//! The table is 64 bytes at offset 446 of sector 0, before the signature `55 AA`: four entries of
//!
//! 1. `0`: 0x80 if bootable, else 0
//! 2. `1..4`: cylinder, head, sector of the start (not used; written as LBA says so)
//! 3. `4`: type
//! 4. `5..8`: cylinder, head, sector of the end
//! 5. `8..12`: first sector, `u32`; `12..16`: number of sectors, `u32`

use crate::block::{BlockDevice, BlockError, SECTOR, check_request};
use core::fmt;

/// Type of a FAT16 partition that is addressed by LBA.
pub const TYPE_FAT16_LBA: u8 = 0x0E;
/// Type of a FAT32 partition that is addressed by LBA.
pub const TYPE_FAT32_LBA: u8 = 0x0C;

const TABLE: usize = 446;
const ENTRY: usize = 16;
const SIGNATURE: [u8; 2] = [0x55, 0xAA];

/// One entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it holds; see the `TYPE_` constants.
    pub kind: u8,
    /// True if marked as the one to boot from.
    pub bootable: bool,
    /// First sector.
    pub start: u32,
    /// Number of sectors.
    pub sectors: u32,
}

impl Partition {
    /// True for the types that FAT16 and FAT32 volumes go by, the EFI system partition included.
    pub fn is_fat(&self) -> bool {
        matches!(self.kind, 0x04 | 0x06 | 0x0B | 0x0C | 0x0E | 0xEF)
    }

    fn end(&self) -> u64 {
        u64::from(self.start) + u64::from(self.sectors)
    }
}

/// Why a partition table was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionError {
    /// The disk could not be read or written.
    Block(BlockError),
    /// Sector 0 does not end in `55 AA`.
    Signature {
        /// The last two bytes of sector 0.
        found: [u8; 2],
    },
    /// An entry lies outside the disk or covers sector 0.
    OutOfRange {
        /// Number of the entry, 0 to 3.
        index: usize,
        /// Its first sector.
        start: u32,
        /// Its number of sectors.
        sectors: u32,
        /// Sectors that the disk has.
        sector_count: u64,
    },
    /// Two entries share sectors.
    Overlap {
        /// Number of one entry.
        first: usize,
        /// Number of the other.
        second: usize,
    },
    /// A GPT disk: the table is only there to protect it.
    Gpt,
    /// No entry holds a FAT volume.
    NoFat,
}

impl fmt::Display for PartitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Block(error) => error.fmt(f),
            Self::Signature { found } => {
                write!(
                    f,
                    "partition table: signature {found:02x?} found in sector 0, [55, aa] expected"
                )
            }
            Self::OutOfRange {
                index,
                start,
                sectors,
                sector_count,
            } => write!(
                f,
                "partition {index}: {sectors} sectors from {start} on do not lie on the disk of {sector_count} sectors"
            ),
            Self::Overlap { first, second } => {
                write!(f, "partitions {first} and {second} share sectors")
            }
            Self::Gpt => {
                write!(
                    f,
                    "the disk has a GPT; expected an MBR partition table as `bareflow build` writes it"
                )
            }
            Self::NoFat => write!(f, "no partition of the disk holds a FAT volume"),
        }
    }
}

impl core::error::Error for PartitionError {}

impl From<BlockError> for PartitionError {
    fn from(error: BlockError) -> Self {
        Self::Block(error)
    }
}

/// Reads and checks the partition table of a disk. Empty entries are `None`.
///
/// # Errors
/// The first thing that is wrong with the table.
pub fn read_table<D: BlockDevice>(
    device: &mut D,
) -> Result<[Option<Partition>; 4], PartitionError> {
    let mut sector = [0; SECTOR];
    device.read(0, &mut sector)?;
    parse_table(&sector, device.sector_count())
}

/// Checks sector 0 of a disk of `sector_count` sectors.
///
/// # Errors
/// The first thing that is wrong with the table.
pub fn parse_table(
    sector: &[u8; SECTOR],
    sector_count: u64,
) -> Result<[Option<Partition>; 4], PartitionError> {
    let found = [sector[510], sector[511]];
    if found != SIGNATURE {
        return Err(PartitionError::Signature { found });
    }
    let mut table: [Option<Partition>; 4] = [None; 4];
    for index in 0..4 {
        let entry = &sector[TABLE + index * ENTRY..][..ENTRY];
        let field = |at: usize| {
            u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]])
        };
        let (kind, start, sectors) = (entry[4], field(8), field(12));
        if kind == 0 {
            continue;
        }
        if kind == 0xEE {
            return Err(PartitionError::Gpt);
        }
        let partition = Partition {
            kind,
            bootable: entry[0] == 0x80,
            start,
            sectors,
        };
        if start == 0 || sectors == 0 || partition.end() > sector_count {
            return Err(PartitionError::OutOfRange {
                index,
                start,
                sectors,
                sector_count,
            });
        }
        for (first, other) in table.iter().enumerate() {
            if let Some(other) = other
                && u64::from(start) < other.end()
                && u64::from(other.start) < partition.end()
            {
                return Err(PartitionError::Overlap {
                    first,
                    second: index,
                });
            }
        }
        table[index] = Some(partition);
    }
    Ok(table)
}

/// Writes an entry and the signature into sector 0, leaving the boot code as it is.
///
/// `index` is 0 to 3.
pub fn put_entry(sector: &mut [u8; SECTOR], index: usize, partition: &Partition) {
    let entry = &mut sector[TABLE + index * ENTRY..][..ENTRY];
    entry[0] = if partition.bootable { 0x80 } else { 0 };
    // Cylinder 1023, head 254, sector 63: "see the LBA fields".
    entry[1..4].copy_from_slice(&[0xFE, 0xFF, 0xFF]);
    entry[4] = partition.kind;
    entry[5..8].copy_from_slice(&[0xFE, 0xFF, 0xFF]);
    entry[8..12].copy_from_slice(&partition.start.to_le_bytes());
    entry[12..16].copy_from_slice(&partition.sectors.to_le_bytes());
    sector[510..].copy_from_slice(&SIGNATURE);
}

/// The first partition of a disk that holds a FAT volume.
///
/// # Errors
/// [`PartitionError::NoFat`] and those of [`read_table`].
pub fn find_fat<D: BlockDevice>(device: &mut D) -> Result<Partition, PartitionError> {
    let table = read_table(device)?;
    table
        .into_iter()
        .flatten()
        .find(Partition::is_fat)
        .ok_or(PartitionError::NoFat)
}

/// Opens the first FAT partition of a disk as a device of its own.
///
/// # Errors
/// Those of [`find_fat`].
pub fn open_fat<D: BlockDevice>(mut device: D) -> Result<Slice<D>, PartitionError> {
    let partition = find_fat(&mut device)?;
    Ok(Slice::new(
        device,
        partition.start.into(),
        partition.sectors.into(),
    )?)
}

/// Some consecutive sectors of a device as a device. No request leaves them.
#[derive(Debug)]
pub struct Slice<D> {
    device: D,
    start: u64,
    sectors: u64,
}

impl<D: BlockDevice> Slice<D> {
    /// The `sectors` sectors of `device` from `start` on.
    ///
    /// # Errors
    /// [`BlockError::OutOfRange`] if the device ends before.
    pub fn new(device: D, start: u64, sectors: u64) -> Result<Self, BlockError> {
        let sector_count = device.sector_count();
        match start.checked_add(sectors) {
            Some(end) if end <= sector_count => Ok(Self {
                device,
                start,
                sectors,
            }),
            _ => Err(BlockError::OutOfRange {
                lba: start,
                sectors,
                sector_count,
            }),
        }
    }

    /// First sector on the whole device.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The whole device.
    pub fn into_inner(self) -> D {
        self.device
    }
}

impl<D: BlockDevice> BlockDevice for Slice<D> {
    fn sector_count(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        check_request(lba, buf.len(), self.sectors)?;
        self.device.read(self.start + lba, buf)
    }

    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError> {
        check_request(lba, buf.len(), self.sectors)?;
        self.device.write(self.start + lba, buf)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.device.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::MemoryDevice;

    const FAT: Partition = Partition {
        kind: 0x0E,
        bootable: true,
        start: 8,
        sectors: 24,
    };

    fn disk(partitions: &[Partition]) -> MemoryDevice {
        let mut sector = [0; SECTOR];
        for (index, partition) in partitions.iter().enumerate() {
            put_entry(&mut sector, index, partition);
        }
        let mut disk = MemoryDevice::new(32);
        disk.write(0, &sector).unwrap();
        disk
    }

    #[test]
    fn a_table_survives_the_disk() {
        let other = Partition {
            kind: 0x83,
            bootable: false,
            start: 1,
            sectors: 7,
        };
        let mut disk = disk(&[other, FAT]);
        assert_eq!(
            read_table(&mut disk),
            Ok([Some(other), Some(FAT), None, None])
        );
        assert_eq!(find_fat(&mut disk), Ok(FAT));
    }

    #[test]
    fn bad_tables_are_refused() {
        let mut blank = MemoryDevice::new(32);
        assert_eq!(
            read_table(&mut blank),
            Err(PartitionError::Signature { found: [0, 0] })
        );
        let beyond = Partition { sectors: 25, ..FAT };
        assert!(matches!(
            read_table(&mut disk(&[beyond])),
            Err(PartitionError::OutOfRange {
                index: 0,
                sectors: 25,
                ..
            })
        ));
        let zero = Partition { start: 0, ..FAT };
        assert!(matches!(
            read_table(&mut disk(&[zero])),
            Err(PartitionError::OutOfRange { .. })
        ));
        assert_eq!(
            read_table(&mut disk(&[
                FAT,
                Partition {
                    start: 31,
                    sectors: 1,
                    ..FAT
                }
            ])),
            Err(PartitionError::Overlap {
                first: 0,
                second: 1
            })
        );
        let gpt = Partition { kind: 0xEE, ..FAT };
        assert_eq!(read_table(&mut disk(&[gpt])), Err(PartitionError::Gpt));
        assert_eq!(
            find_fat(&mut disk(&[Partition { kind: 0x83, ..FAT }])),
            Err(PartitionError::NoFat)
        );
    }

    #[test]
    fn no_request_leaves_a_slice() {
        let mut slice = open_fat(disk(&[FAT])).unwrap();
        assert_eq!(slice.sector_count(), 24);
        slice.write(23, &[1; SECTOR]).unwrap();
        assert!(slice.write(23, &[1; 2 * SECTOR]).is_err());
        assert!(slice.read(u64::MAX, &mut [0; SECTOR]).is_err());
        let bytes = slice.into_inner().into_bytes();
        assert_eq!(bytes[31 * SECTOR..], [1; SECTOR]);
    }
}
