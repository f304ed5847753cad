//! FLUD: the one-sector header in front of the kernel in the gap of a BIOS disk.
//!
//! Stage 2 of the boot code reads it, so its layout is fixed: 512 bytes, little endian.
//!
//! 1. `0..4`: magic, the bytes `FLUD`
//! 2. `4..8`: version, `u32`, [`VERSION`]
//! 3. `8..12`: size of the kernel in bytes, `u32`, 1 to [`MAX_KERNEL_BYTES`]
//! 4. `12..16`: CRC-32 (IEEE 802.3, as zip and PNG use it) of the kernel's bytes, `u32`
//! 5. `16..512`: zero
//!
//! The header lies at LBA [`HEADER_LBA`], the kernel follows at [`KERNEL_LBA`], as it is; the rest of its
//! last sector is zero and not part of the checksum.

use core::fmt;

/// First four bytes of the header.
pub const MAGIC: [u8; 4] = *b"FLUD";
/// Value that the boot loader leaves in `rdi` for the kernel: the magic read as a little-endian `u32`.
pub const HANDOFF_MAGIC: u32 = u32::from_le_bytes(MAGIC);
/// The only version there is.
pub const VERSION: u32 = 1;
/// Size of the header in bytes: one sector.
pub const HEADER_BYTES: usize = 512;
/// Sector of the second stage.
pub const STAGE2_LBA: u64 = 1;
/// Most sectors the second stage may have.
pub const STAGE2_MAX_SECTORS: u64 = 63;
/// Sector of the header.
pub const HEADER_LBA: u64 = 64;
/// First sector of the kernel.
pub const KERNEL_LBA: u64 = 65;
/// First sector of the first partition: the kernel must end before it.
pub const PARTITION_LBA: u64 = 8192;
/// Largest kernel in bytes that fits between [`KERNEL_LBA`] and [`PARTITION_LBA`].
pub const MAX_KERNEL_BYTES: u32 = ((PARTITION_LBA - KERNEL_LBA) * 512) as u32;

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// What the header says about the kernel behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Size of the kernel in bytes.
    pub kernel_bytes: u32,
    /// CRC-32 of the kernel.
    pub crc32: u32,
}

/// Why a header or the kernel behind it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FludError {
    /// Fewer than 512 bytes were given.
    Truncated {
        /// Bytes given.
        found: usize,
    },
    /// The first four bytes are not `FLUD`.
    Magic {
        /// Bytes found.
        found: [u8; 4],
    },
    /// A version other than [`VERSION`].
    Version {
        /// Version found.
        found: u32,
    },
    /// A size of zero or above [`MAX_KERNEL_BYTES`].
    Size {
        /// Size found or given, in bytes.
        found: u64,
    },
    /// A byte behind the checksum is not zero.
    Reserved {
        /// Offset of the first such byte in the header.
        offset: usize,
    },
    /// Fewer bytes than the header promises.
    KernelTruncated {
        /// Bytes given.
        found: usize,
        /// Bytes promised.
        expected: u32,
    },
    /// The kernel's bytes do not have the checksum the header promises.
    Checksum {
        /// CRC-32 of the bytes found.
        found: u32,
        /// CRC-32 in the header.
        expected: u32,
    },
}

impl fmt::Display for FludError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { found } => {
                write!(
                    f,
                    "FLUD header: {found} bytes found, {HEADER_BYTES} expected"
                )
            }
            Self::Magic { found } => {
                write!(
                    f,
                    "FLUD header: magic {found:02x?} found at offset 0, \"FLUD\" expected; this disk holds no BareFlow kernel"
                )
            }
            Self::Version { found } => {
                write!(
                    f,
                    "FLUD header: version {found} found at offset 4, {VERSION} expected; rebuild the image"
                )
            }
            Self::Size { found } => {
                write!(
                    f,
                    "FLUD header: kernel of {found} bytes, 1 to {MAX_KERNEL_BYTES} expected"
                )
            }
            Self::Reserved { offset } => {
                write!(
                    f,
                    "FLUD header: byte {offset} is not zero; the header is damaged, rebuild the image"
                )
            }
            Self::KernelTruncated { found, expected } => {
                write!(
                    f,
                    "kernel behind the FLUD header: {found} bytes found, {expected} expected"
                )
            }
            Self::Checksum { found, expected } => write!(
                f,
                "kernel behind the FLUD header: CRC-32 {found:08x} found, {expected:08x} expected; the kernel is damaged, rebuild the image"
            ),
        }
    }
}

impl core::error::Error for FludError {}

impl Header {
    /// The header that describes `kernel`.
    ///
    /// # Errors
    /// [`FludError::Size`] if the kernel is empty or does not fit into the gap.
    pub fn describe(kernel: &[u8]) -> Result<Self, FludError> {
        match u32::try_from(kernel.len()) {
            Ok(kernel_bytes @ 1..=MAX_KERNEL_BYTES) => Ok(Self {
                kernel_bytes,
                crc32: CRC.checksum(kernel),
            }),
            _ => Err(FludError::Size {
                found: kernel.len() as u64,
            }),
        }
    }

    /// The sector to write at [`HEADER_LBA`].
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut sector = [0; HEADER_BYTES];
        sector[0..4].copy_from_slice(&MAGIC);
        sector[4..8].copy_from_slice(&VERSION.to_le_bytes());
        sector[8..12].copy_from_slice(&self.kernel_bytes.to_le_bytes());
        sector[12..16].copy_from_slice(&self.crc32.to_le_bytes());
        sector
    }

    /// Reads the sector found at [`HEADER_LBA`].
    ///
    /// # Errors
    /// The first field that is wrong, in the order of the layout.
    pub fn parse(sector: &[u8]) -> Result<Self, FludError> {
        let Some(sector) = sector.first_chunk::<HEADER_BYTES>() else {
            return Err(FludError::Truncated {
                found: sector.len(),
            });
        };
        let field = |at: usize| [sector[at], sector[at + 1], sector[at + 2], sector[at + 3]];
        if field(0) != MAGIC {
            return Err(FludError::Magic { found: field(0) });
        }
        let version = u32::from_le_bytes(field(4));
        if version != VERSION {
            return Err(FludError::Version { found: version });
        }
        let kernel_bytes = u32::from_le_bytes(field(8));
        if !(1..=MAX_KERNEL_BYTES).contains(&kernel_bytes) {
            return Err(FludError::Size {
                found: kernel_bytes.into(),
            });
        }
        if let Some(at) = sector[16..].iter().position(|&byte| byte != 0) {
            return Err(FludError::Reserved { offset: 16 + at });
        }
        Ok(Self {
            kernel_bytes,
            crc32: u32::from_le_bytes(field(12)),
        })
    }

    /// Sectors that the kernel occupies from [`KERNEL_LBA`] on.
    pub fn kernel_sectors(&self) -> u64 {
        u64::from(self.kernel_bytes).div_ceil(512)
    }

    /// The kernel at the front of `bytes`, checked against this header.
    ///
    /// # Errors
    /// [`FludError::KernelTruncated`] or [`FludError::Checksum`].
    pub fn verify<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], FludError> {
        let kernel = bytes
            .get(..self.kernel_bytes as usize)
            .ok_or(FludError::KernelTruncated {
                found: bytes.len(),
                expected: self.kernel_bytes,
            })?;
        let found = CRC.checksum(kernel);
        if found != self.crc32 {
            return Err(FludError::Checksum {
                found,
                expected: self.crc32,
            });
        }
        Ok(kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_disk() {
        let kernel = [7u8; 1000];
        let header = Header::describe(&kernel).unwrap();
        assert_eq!(Header::parse(&header.encode()), Ok(header));
        assert_eq!(header.kernel_sectors(), 2);
        assert_eq!(header.verify(&kernel), Ok(&kernel[..]));
        assert_eq!(HANDOFF_MAGIC, 0x4455_4C46);
    }

    #[test]
    fn the_checksum_is_the_one_of_zip() {
        assert_eq!(Header::describe(b"123456789").unwrap().crc32, 0xCBF4_3926);
    }

    #[test]
    fn each_damage_has_its_own_error() {
        let kernel = [1u8, 2, 3];
        let header = Header::describe(&kernel).unwrap();
        let damaged = |at: usize, value: u8| {
            let mut sector = header.encode();
            sector[at] = value;
            Header::parse(&sector)
        };
        assert_eq!(damaged(0, b'X'), Err(FludError::Magic { found: *b"XLUD" }));
        assert_eq!(damaged(4, 9), Err(FludError::Version { found: 9 }));
        assert_eq!(damaged(8, 0), Err(FludError::Size { found: 0 }));
        assert_eq!(
            damaged(11, 0xFF),
            Err(FludError::Size { found: 0xFF00_0003 })
        );
        assert_eq!(damaged(511, 1), Err(FludError::Reserved { offset: 511 }));
        assert_eq!(
            Header::parse(&[0; 511]),
            Err(FludError::Truncated { found: 511 })
        );
        assert_eq!(
            header.verify(&kernel[..2]),
            Err(FludError::KernelTruncated {
                found: 2,
                expected: 3
            })
        );
        assert!(matches!(
            header.verify(&[1, 2, 4]),
            Err(FludError::Checksum { .. })
        ));
        assert_eq!(Header::describe(&[]), Err(FludError::Size { found: 0 }));
    }
}
