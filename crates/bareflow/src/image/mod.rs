//! Disk images: boot stages, kernel and a FAT volume with the files of an appliance.
//!
//! ```text
//!   LBA 0        stage 1 and partition table       LBA 64   FLUD header        LBA 8192  FAT16 or FAT32
//!   LBA 1..=63   stage 2                           LBA 65   kernel.elf                   (to the end)
//! ```
//!
//! The same input gives the same bytes: time stamps are fixed and the volume number is a hash of the contents. What is
//! zero is not written, so an image takes as much room on the host as it holds.
//!
//! An image appears under its name when it is complete, in one step, or not at all: until then it is a file
//! without a name that the system removes by itself, however the program ends.

pub mod memory;
mod output;
pub mod progress;
mod sparse;

use formats::flud::{self, FludError, Header};
use output::Output;
use sparse::SparseDevice;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use store::block::{BlockDevice, BlockError, FileDevice, SECTOR};
use store::fat::{FatError, FatKind, FormatOptions, Volume};
use store::partition::{self, Partition, Slice};

/// Room left free on the volume unless the caller says otherwise, in bytes.
pub const DEFAULT_FREE_BYTES: u64 = 64 << 20;
/// Largest cluster that is used: files are counted in units of it when the volume is sized.
const CLUSTER_BYTES: u64 = 32 << 10;
/// Pieces in which files are copied.
const PIECE_BYTES: usize = 4 << 20;
const MIB: u64 = 1 << 20;

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A boot stage that does not fit its place.
    #[error("{stage} has {bytes} bytes, expected {expected}; build it again with `./x build`")]
    Stage {
        /// Which one.
        stage: &'static str,
        /// Its size.
        bytes: usize,
        /// What it must have.
        expected: &'static str,
    },
    /// A kernel that does not fit the gap before the partition.
    #[error("kernel: {0}")]
    Kernel(#[from] FludError),
    /// Two files of the same name, or a file where a directory must be.
    #[error("two files of the image would both be {path}")]
    SameName {
        /// The path on the volume.
        path: String,
    },
    /// A file that FAT cannot hold.
    #[error("{} has {bytes} bytes: a file on the image ends at 4 GiB - 1 byte", path.display())]
    FileTooLarge {
        /// The file on the host.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A file that changed while it was copied.
    #[error("{} changed while it was copied: {expected} bytes before, {found} then", path.display())]
    FileChanged {
        /// The file on the host.
        path: PathBuf,
        /// Its size at first.
        expected: u64,
        /// What was read.
        found: u64,
    },
    /// The volume refused something.
    #[error("{path}: {source}")]
    Volume {
        /// The path on the volume.
        path: String,
        /// What it said.
        source: FatError,
    },
    /// The image file could not be written.
    #[error("image: {0}")]
    Disk(#[from] BlockError),
    /// The caller asked to stop.
    #[error("stopped; nothing was written")]
    Cancelled,
}

enum Content {
    Bytes(Vec<u8>),
    Host(PathBuf),
    /// So many zeroes in one piece.
    Space(u64),
}

struct Entry {
    path: String,
    content: Content,
}

/// How far the making of an image is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file on the volume that is being written.
    pub path: &'a str,
    /// Bytes of all files written so far.
    pub done: u64,
    /// Bytes of all files.
    pub total: u64,
}

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Size of the image in bytes.
    pub bytes: u64,
    /// FAT16 or FAT32.
    pub kind: FatKind,
    /// Number of files on the volume.
    pub files: usize,
    /// Volume number: a hash of kernel, files and their names.
    pub volume_id: u32,
}

/// Collects what an image holds, then writes it.
pub struct ImageBuilder {
    stage1: Vec<u8>,
    stage2: Vec<u8>,
    kernel: Vec<u8>,
    entries: Vec<Entry>,
    free_bytes: u64,
}

impl ImageBuilder {
    /// An image that boots `kernel`, which becomes `/boot/kernel.elf` too.
    ///
    /// # Errors
    /// [`ImageError::Stage`] and [`ImageError::Kernel`] if a part does not fit its place.
    pub fn new(stage1: Vec<u8>, stage2: Vec<u8>, kernel: Vec<u8>) -> Result<Self, ImageError> {
        let table_free = stage1.len() == SECTOR && stage1[446..510].iter().all(|&byte| byte == 0);
        if !table_free {
            let expected = "512, those of the partition table zero";
            return Err(ImageError::Stage {
                stage: "stage1.bin",
                bytes: stage1.len(),
                expected,
            });
        }
        if stage2.is_empty() || stage2.len() as u64 > flud::STAGE2_MAX_SECTORS * SECTOR as u64 {
            let expected = "1 to 32256";
            return Err(ImageError::Stage {
                stage: "stage2.bin",
                bytes: stage2.len(),
                expected,
            });
        }
        Header::describe(&kernel)?;
        let entries = vec![Entry {
            path: "/boot/kernel.elf".into(),
            content: Content::Bytes(kernel.clone()),
        }];
        Ok(Self {
            stage1,
            stage2,
            kernel,
            entries,
            free_bytes: DEFAULT_FREE_BYTES,
        })
    }

    /// Sets the room to be left free on the volume, in bytes.
    pub fn set_free_bytes(&mut self, bytes: u64) {
        self.free_bytes = bytes;
    }

    /// Adds a file with these contents. Directories on the way are made.
    pub fn add_bytes(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.entries.push(Entry {
            path: path.into(),
            content: Content::Bytes(bytes.into()),
        });
    }

    /// Adds a file of the host. It is read when the image is written, piece by piece.
    pub fn add_file(&mut self, path: impl Into<String>, host: impl Into<PathBuf>) {
        self.entries.push(Entry {
            path: path.into(),
            content: Content::Host(host.into()),
        });
    }

    /// Adds a file of `bytes` zeroes in one piece, for the machine to write in. On the host it takes no room.
    pub fn add_space(&mut self, path: impl Into<String>, bytes: u64) {
        self.entries.push(Entry {
            path: path.into(),
            content: Content::Space(bytes),
        });
    }

    /// Writes the image, in place of what was at `output`.
    ///
    /// `progress` is called at least once for each file and after each few MiB. Setting `cancelled` (from a signal
    /// handler, say) stops the work soon. On any error `output` is as it was.
    ///
    /// # Errors
    /// What is wrong, with the file it is about.
    pub fn write(
        &self,
        output: &Path,
        progress: &mut dyn FnMut(Progress),
        cancelled: &AtomicBool,
    ) -> Result<Summary, ImageError> {
        let sizes = self.sizes()?;
        let directories = self.directories()?;
        let written = self.entries.iter().zip(&sizes);
        let written = written.filter(|(entry, _)| !matches!(entry.content, Content::Space(_)));
        let total: u64 = written.map(|(_, size)| size).sum();
        let clusters = |bytes: &u64| bytes.next_multiple_of(CLUSTER_BYTES);
        let data: u64 = sizes.iter().map(clusters).sum::<u64>()
            + directories.len() as u64 * CLUSTER_BYTES
            + self.free_bytes.next_multiple_of(CLUSTER_BYTES);
        // Tables: two of 2 bytes for each 4 KiB (FAT16), or of 4 bytes for each 16 KiB and more (FAT32).
        let volume = (data + data / 1024 + MIB)
            .next_multiple_of(MIB)
            .max(8 * MIB);
        let sectors = flud::PARTITION_LBA + volume / SECTOR as u64;

        let io = |action, source| ImageError::Io {
            action,
            path: output.into(),
            source,
        };
        let out = Output::create(output).map_err(|e| io("create", e))?;
        let file = out.file().try_clone().map_err(|e| io("create", e))?;
        let device = FileDevice::from_file(file, sectors).map_err(|e| io("extend", e))?;
        let device = SparseDevice::new(device);
        let (device, mut summary) = self.write_volume(
            device,
            sectors,
            &sizes,
            &directories,
            total,
            progress,
            cancelled,
        )?;
        let mut device = self.write_gap(device, sectors, &mut summary)?;
        device.flush()?;
        out.persist(output).map_err(|e| io("write", e))?;
        Ok(summary)
    }

    /// Sizes of all files, in bytes.
    fn sizes(&self) -> Result<Vec<u64>, ImageError> {
        let size = |entry: &Entry| match &entry.content {
            Content::Bytes(bytes) => Ok(bytes.len() as u64),
            Content::Space(bytes) => match u32::try_from(*bytes) {
                Ok(bytes) => Ok(bytes.into()),
                Err(_) => Err(ImageError::FileTooLarge {
                    path: entry.path.clone().into(),
                    bytes: *bytes,
                }),
            },
            Content::Host(path) => {
                let io = |source| ImageError::Io {
                    action: "read",
                    path: path.clone(),
                    source,
                };
                let metadata = std::fs::metadata(path).map_err(io)?;
                if !metadata.is_file() {
                    return Err(io(std::io::Error::other("not a regular file")));
                }
                if metadata.len() > u64::from(u32::MAX) {
                    let bytes = metadata.len();
                    return Err(ImageError::FileTooLarge {
                        path: path.clone(),
                        bytes,
                    });
                }
                Ok(metadata.len())
            }
        };
        self.entries.iter().map(size).collect()
    }

    /// All directories, each before those in it.
    fn directories(&self) -> Result<Vec<String>, ImageError> {
        let mut files = BTreeSet::new();
        let mut directories: Vec<String> = Vec::new();
        for entry in &self.entries {
            if !files.insert(entry.path.to_uppercase()) {
                return Err(ImageError::SameName {
                    path: entry.path.clone(),
                });
            }
            let mut at = 1;
            while let Some(slash) = entry.path[at..].find('/') {
                let directory = &entry.path[..at + slash];
                if !directories
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(directory))
                {
                    directories.push(directory.into());
                }
                at += slash + 1;
            }
        }
        match directories
            .iter()
            .find(|directory| files.contains(&directory.to_uppercase()))
        {
            Some(path) => Err(ImageError::SameName { path: path.clone() }),
            None => Ok(directories),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of `write`, cut out for reading"
    )]
    fn write_volume(
        &self,
        device: SparseDevice<FileDevice>,
        sectors: u64,
        sizes: &[u64],
        directories: &[String],
        total: u64,
        progress: &mut dyn FnMut(Progress),
        cancelled: &AtomicBool,
    ) -> Result<(SparseDevice<FileDevice>, Summary), ImageError> {
        let at = |path: &str| {
            let path = path.to_owned();
            move |source| ImageError::Volume { path, source }
        };
        let slice = Slice::new(device, flud::PARTITION_LBA, sectors - flud::PARTITION_LBA)?;
        let options = FormatOptions {
            hidden_sectors: flud::PARTITION_LBA as u32,
            zeroed: true,
            ..FormatOptions::default()
        };
        let mut volume = Volume::format(slice, &options).map_err(at("image"))?;
        // A power cut leaves no image at all, so the order of its writes does not matter.
        volume.set_barriers(false);
        for directory in directories {
            volume.create_dir(directory).map_err(at(directory))?;
        }
        let mut hash = blake3::Hasher::new();
        hash.update(&self.stage1).update(&self.stage2);
        let mut piece = vec![0; PIECE_BYTES];
        let mut done = 0;
        for (entry, &size) in self.entries.iter().zip(sizes) {
            let path = &entry.path;
            if let Content::Space(bytes) = &entry.content {
                hash.update(path.as_bytes()).update(&size.to_le_bytes());
                // `sizes` has checked it.
                let bytes = u32::try_from(*bytes).unwrap_or(u32::MAX);
                volume.create_contiguous(path, bytes).map_err(at(path))?;
                continue;
            }
            let file = volume.create(path).map_err(at(path))?;
            hash.update(path.as_bytes()).update(&size.to_le_bytes());
            // All clusters at once: in one piece, and the table is written once.
            volume.truncate(&file, size).map_err(at(path))?;
            let mut source = Source::open(&entry.content)?;
            let mut offset = 0;
            progress(Progress { path, done, total });
            loop {
                if cancelled.load(Ordering::Relaxed) {
                    return Err(ImageError::Cancelled);
                }
                let count = source.read(&mut piece)?;
                if count == 0 {
                    break;
                }
                hash.update(&piece[..count]);
                if offset + count as u64 <= size {
                    volume
                        .write_at(&file, offset, &piece[..count])
                        .map_err(at(path))?;
                }
                offset += count as u64;
                done += count as u64;
                progress(Progress { path, done, total });
            }
            if let (Content::Host(path), true) = (&entry.content, offset != size) {
                let path = path.clone();
                return Err(ImageError::FileChanged {
                    path,
                    expected: size,
                    found: offset,
                });
            }
        }
        let first = *hash.finalize().as_bytes();
        let volume_id = u32::from_le_bytes([first[0], first[1], first[2], first[3]]);
        let kind = volume.kind();
        let device = volume.unmount().map_err(at("image"))?.into_inner();
        let bytes = sectors * SECTOR as u64;
        Ok((
            device,
            Summary {
                bytes,
                kind,
                files: self.entries.len(),
                volume_id,
            },
        ))
    }

    /// Writes everything before the partition, and the volume number that is known only now.
    fn write_gap(
        &self,
        mut device: SparseDevice<FileDevice>,
        sectors: u64,
        summary: &mut Summary,
    ) -> Result<SparseDevice<FileDevice>, ImageError> {
        let (kind, offset, copies): (u8, usize, &[u64]) = match summary.kind {
            FatKind::Fat16 => (partition::TYPE_FAT16_LBA, 39, &[0]),
            FatKind::Fat32 => (partition::TYPE_FAT32_LBA, 67, &[0, 6]),
        };
        let mut sector = [0; SECTOR];
        for copy in copies {
            device.read(flud::PARTITION_LBA + copy, &mut sector)?;
            sector[offset..offset + 4].copy_from_slice(&summary.volume_id.to_le_bytes());
            device.write(flud::PARTITION_LBA + copy, &sector)?;
        }
        let mut padded = |lba: u64, bytes: &[u8]| {
            let mut whole = bytes.to_vec();
            whole.resize(bytes.len().next_multiple_of(SECTOR), 0);
            device.write(lba, &whole)
        };
        padded(flud::STAGE2_LBA, &self.stage2)?;
        padded(flud::HEADER_LBA, &Header::describe(&self.kernel)?.encode())?;
        padded(flud::KERNEL_LBA, &self.kernel)?;
        let mut boot = [0; SECTOR];
        boot.copy_from_slice(&self.stage1);
        let entry = Partition {
            kind,
            bootable: true,
            start: flud::PARTITION_LBA as u32,
            sectors: (sectors - flud::PARTITION_LBA) as u32,
        };
        // Some BIOSes boot only disks with a signature; Windows keeps its disk number there.
        boot[440..444].copy_from_slice(&summary.volume_id.to_le_bytes());
        partition::put_entry(&mut boot, 0, &entry);
        device.write(0, &boot)?;
        Ok(device)
    }
}

/// Where the bytes of a file come from.
enum Source<'a> {
    Bytes(&'a [u8]),
    Host(File, &'a Path),
}

impl<'a> Source<'a> {
    fn open(content: &'a Content) -> Result<Self, ImageError> {
        match content {
            Content::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            Content::Space(_) => Ok(Self::Bytes(&[])),
            Content::Host(path) => {
                File::open(path)
                    .map(|file| Self::Host(file, path))
                    .map_err(|source| ImageError::Io {
                        action: "open",
                        path: path.clone(),
                        source,
                    })
            }
        }
    }

    /// Fills `piece` as far as the file goes.
    fn read(&mut self, piece: &mut [u8]) -> Result<usize, ImageError> {
        match self {
            Self::Bytes(bytes) => {
                let count = bytes.len().min(piece.len());
                piece[..count].copy_from_slice(&bytes[..count]);
                *bytes = &bytes[count..];
                Ok(count)
            }
            Self::Host(file, path) => {
                let io = |source| ImageError::Io {
                    action: "read",
                    path: path.to_path_buf(),
                    source,
                };
                let mut count = 0;
                while count < piece.len() {
                    match file.read(&mut piece[count..]) {
                        Ok(0) => break,
                        Ok(more) => count += more,
                        Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(io(e)),
                    }
                }
                Ok(count)
            }
        }
    }
}

#[cfg(test)]
mod tests;
