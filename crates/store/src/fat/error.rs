//! What can go wrong on a FAT volume.

use crate::block::BlockError;
use alloc::string::String;
use core::fmt;

/// Why an operation on a volume failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FatError {
    /// The device failed.
    Block(BlockError),
    /// The boot sector describes no volume that can be used.
    BootSector {
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// What it must be.
        expected: &'static str,
    },
    /// The volume contradicts itself. It can be read further where it is sound, but not written to.
    Damaged {
        /// What is wrong.
        damage: Damage,
        /// The cluster where it shows.
        cluster: u32,
        /// File or directory that was looked at; empty where it is not known.
        path: String,
    },
    /// No such file or directory.
    NotFound {
        /// The path.
        path: String,
    },
    /// There is something by this name.
    AlreadyExists {
        /// The path.
        path: String,
    },
    /// A directory was needed.
    NotADirectory {
        /// The path.
        path: String,
    },
    /// A file was needed.
    IsADirectory {
        /// The path.
        path: String,
    },
    /// A directory that is not empty cannot be removed.
    DirectoryNotEmpty {
        /// The path.
        path: String,
    },
    /// A directory cannot be moved into itself, and the root not at all.
    InvalidMove {
        /// The path.
        path: String,
    },
    /// FAT cannot hold such a name.
    InvalidName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file is open and therefore cannot be removed.
    Open {
        /// The path.
        path: String,
    },
    /// The volume is full. Nothing was changed.
    Full {
        /// Clusters that were needed.
        needed: u32,
        /// Clusters that are free.
        free: u32,
    },
    /// The volume has room, but not in one piece. Nothing was changed.
    NoContiguousRoom {
        /// Clusters that were needed.
        needed: u32,
        /// The longest free run, in clusters.
        longest: u32,
    },
    /// The directory cannot take more entries. Nothing was changed.
    DirectoryFull {
        /// Most entries it can have.
        limit: u32,
    },
    /// FAT files end at 4 GiB - 1 byte.
    FileTooLarge {
        /// Size asked for, in bytes.
        bytes: u64,
    },
    /// A contiguous file can only be made of an empty one.
    NotEmpty {
        /// Size found, in bytes.
        bytes: u32,
    },
    /// The handle belongs to another volume, or its file is gone.
    StaleHandle,
    /// The device is too small or too large for the volume asked for.
    FormatSize {
        /// Sectors of the device.
        sectors: u64,
        /// What was asked for and what it takes.
        expected: &'static str,
    },
}

/// How a volume contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A chain leads to a cluster that the volume does not have.
    OutOfRange {
        /// The number found.
        found: u32,
    },
    /// A chain leads to a cluster marked free.
    Free,
    /// A chain leads to a cluster marked bad.
    Bad,
    /// A chain runs in a circle.
    Loop,
    /// A cluster belongs to two chains.
    CrossLink,
    /// The chain ends before the file does.
    TooShort {
        /// Size of the file in bytes.
        bytes: u32,
    },
    /// A directory has more than 65,536 entries.
    DirectoryTooLarge,
    /// A directory of size 0, or one that is not started by `.` and `..`.
    NotADirectory,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutOfRange { found } => {
                write!(
                    f,
                    "the chain leads to cluster {found}, which the volume does not have"
                )
            }
            Self::Free => write!(f, "the chain leads to a free cluster"),
            Self::Bad => write!(f, "the chain leads to a cluster marked bad"),
            Self::Loop => write!(f, "the chain runs in a circle"),
            Self::CrossLink => write!(f, "the cluster belongs to two files"),
            Self::TooShort { bytes } => {
                write!(f, "the chain ends before the file's {bytes} bytes do")
            }
            Self::DirectoryTooLarge => write!(f, "the directory has more than 65,536 entries"),
            Self::NotADirectory => write!(f, "the clusters of the directory hold no directory"),
        }
    }
}

impl fmt::Display for FatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(error) => error.fmt(f),
            Self::BootSector {
                field,
                found,
                expected,
            } => {
                write!(
                    f,
                    "FAT boot sector: {field} is {found}, expected {expected}"
                )
            }
            Self::Damaged {
                damage,
                cluster,
                path,
            } => {
                let place = if path.is_empty() { "FAT volume" } else { path };
                write!(
                    f,
                    "{place}: damaged at cluster {cluster}: {damage}; repair it with fsck.fat or rebuild the image"
                )
            }
            Self::NotFound { path } => write!(f, "{path}: no such file or directory"),
            Self::AlreadyExists { path } => write!(f, "{path}: exists already"),
            Self::NotADirectory { path } => write!(f, "{path}: is not a directory"),
            Self::IsADirectory { path } => write!(f, "{path}: is a directory"),
            Self::DirectoryNotEmpty { path } => write!(f, "{path}: the directory is not empty"),
            Self::InvalidMove { path } => write!(f, "{path}: cannot be moved there"),
            Self::InvalidName { name, reason } => {
                write!(f, "\"{name}\" cannot be a file name on FAT: {reason}")
            }
            Self::Open { path } => write!(f, "{path}: is open; close it first"),
            Self::Full { needed, free } => {
                write!(
                    f,
                    "the volume is full: {needed} clusters needed, {free} free"
                )
            }
            Self::NoContiguousRoom { needed, longest } => write!(
                f,
                "the volume has no {needed} free clusters in one piece; the longest run has {longest}"
            ),
            Self::DirectoryFull { limit } => {
                write!(f, "the directory is full: it can have {limit} entries")
            }
            Self::FileTooLarge { bytes } => {
                write!(
                    f,
                    "a file of {bytes} bytes is too large for FAT (4 GiB - 1 byte at most)"
                )
            }
            Self::NotEmpty { bytes } => {
                write!(
                    f,
                    "the file has {bytes} bytes; only an empty one can be made contiguous"
                )
            }
            Self::StaleHandle => write!(f, "the file handle is not one of this volume"),
            Self::FormatSize { sectors, expected } => {
                write!(f, "cannot format {sectors} sectors: expected {expected}")
            }
        }
    }
}

impl core::error::Error for FatError {}

impl From<BlockError> for FatError {
    fn from(error: BlockError) -> Self {
        Self::Block(error)
    }
}

impl FatError {
    /// Puts the path into an error about damage that does not know it yet.
    pub(super) fn at(mut self, of: &str) -> Self {
        if let Self::Damaged { path, .. } = &mut self
            && path.is_empty()
        {
            *path = of.into();
        }
        self
    }

    pub(super) fn damaged(damage: Damage, cluster: u32) -> Self {
        Self::Damaged {
            damage,
            cluster,
            path: String::new(),
        }
    }
}
