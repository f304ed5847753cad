//! Looks into a disk image: kernel in the gap, FAT volume, files.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use formats::flud::{HEADER_BYTES, HEADER_LBA, Header, KERNEL_LBA};
use llama_model::{Model, ReadError, Source};
use store::block::{BlockDevice, FileDevice, SECTOR};
use store::fat::{File, Volume};
use store::partition::{self, Partition, Slice};

use crate::{Error, llm};

/// A FAT volume inside an image file.
pub type ImageVolume = Volume<Slice<FileDevice>>;

/// Memory that kernel, runtime and compiled program need beside model and KV cache, in MiB.
const BASE_MIB: u64 = 128;
/// Least memory a machine is given, in MiB: programs other than language models allocate too.
const LEAST_MIB: u64 = 256;
/// Memory is given in steps of so many MiB.
const STEP_MIB: u64 = 64;
/// Positions of the KV cache that memory is given for, unless the model has fewer: the program's default.
const POSITIONS: usize = 2048;

/// A file on the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path from the root, `/` first.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// An image opened for reading.
pub struct Contents {
    path: PathBuf,
    device: FileDevice,
    partition: Partition,
    volume: ImageVolume,
}

impl Contents {
    /// Opens an image; it must have a partition table and a FAT volume.
    ///
    /// # Errors
    /// The file is not there, or no BareFlow image.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let broken = |what: &dyn std::fmt::Display| Error::NotAnImage {
            path: path.into(),
            what: what.to_string(),
        };
        let open = || FileDevice::open(path, false).map_err(|e| Error::Device(e.to_string()));
        let mut device = open()?;
        let partition = partition::find_fat(&mut device).map_err(|e| broken(&e))?;
        let slice = Slice::new(open()?, partition.start.into(), partition.sectors.into())
            .map_err(|e| broken(&e))?;
        let volume = Volume::mount(slice).map_err(|e| broken(&e))?;
        Ok(Self {
            path: path.into(),
            device,
            partition,
            volume,
        })
    }

    /// The kernel behind the FLUD header, checked against its checksum.
    ///
    /// # Errors
    /// No kernel, or a damaged one.
    pub fn kernel(&mut self) -> Result<Vec<u8>, Error> {
        let mut sector = [0; HEADER_BYTES];
        self.read_sectors(HEADER_LBA, &mut sector)?;
        let header = Header::parse(&sector).map_err(|e| self.broken(&e))?;
        let mut kernel = vec![0; header.kernel_sectors() as usize * SECTOR];
        self.read_sectors(KERNEL_LBA, &mut kernel)?;
        header.verify(&kernel).map_err(|e| self.broken(&e))?;
        kernel.truncate(header.kernel_bytes as usize);
        Ok(kernel)
    }

    /// Whole sectors of the disk.
    ///
    /// # Errors
    /// The image is too short, or the host's disk fails.
    pub fn read_sectors(&mut self, lba: u64, buffer: &mut [u8]) -> Result<(), Error> {
        self.device
            .read(lba, buffer)
            .map_err(|e| Error::NotAnImage {
                path: self.path.clone(),
                what: e.to_string(),
            })
    }

    /// Size of the whole image in bytes.
    pub fn bytes(&self) -> u64 {
        self.device.sector_count() * SECTOR as u64
    }

    /// The partition of the volume.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The volume.
    pub fn volume(&mut self) -> &mut ImageVolume {
        &mut self.volume
    }

    /// All files, sorted by path.
    ///
    /// # Errors
    /// The volume is damaged.
    pub fn files(&mut self) -> Result<Vec<Entry>, Error> {
        // On a sound volume no folder contains itself, so this ends.
        self.volume.check().map_err(|e| self.broken(&e))?;
        let mut found = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let at = if folder.is_empty() { "/" } else { &folder };
            for entry in self.volume.list(at).map_err(|e| self.broken(&e))? {
                let path = format!("{folder}/{}", entry.name);
                if entry.is_directory {
                    folders.push(path);
                } else {
                    found.push(Entry {
                        path,
                        bytes: entry.bytes.into(),
                    });
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Reads a whole file, handing it to `each` piece by piece.
    ///
    /// # Errors
    /// It is not there, or the volume is damaged.
    pub fn read_file(&mut self, path: &str, mut each: impl FnMut(&[u8])) -> Result<(), Error> {
        let file = self.volume.open(path).map_err(|e| self.broken(&e))?;
        let mut buffer = vec![0; 1 << 20];
        let mut offset = 0;
        loop {
            let count = self
                .volume
                .read_at(&file, offset, &mut buffer)
                .map_err(|e| self.broken(&e))?;
            if count == 0 {
                return Ok(());
            }
            each(&buffer[..count]);
            offset += count as u64;
        }
    }

    /// Memory that this image's program needs: the model, its KV cache, and what every machine needs.
    ///
    /// # Errors
    /// The volume is damaged.
    pub fn memory_needed_mib(&mut self) -> Result<u64, Error> {
        let mut bytes = BASE_MIB << 20;
        for entry in self.files()? {
            if entry.path.starts_with("/model/") {
                bytes += entry.bytes;
                // Whatever else lies in /model is no model and has no cache.
                if let Some(Model { config, .. }) = self.model(&entry) {
                    let positions = config.context_length.min(POSITIONS);
                    bytes += llm::kv_cache_bytes(&config, positions);
                }
            }
        }
        Ok(bytes
            .div_ceil(1 << 20)
            .next_multiple_of(STEP_MIB)
            .max(LEAST_MIB))
    }

    /// The model in a file, if it is one that can be run.
    pub fn model(&mut self, entry: &Entry) -> Option<Model> {
        let file = self.volume.open(&entry.path).ok()?;
        Model::open(&FileOnVolume::new(&mut self.volume, file, entry.bytes)).ok()
    }

    fn broken(&self, what: &dyn std::fmt::Display) -> Error {
        Error::NotAnImage {
            path: self.path.clone(),
            what: what.to_string(),
        }
    }
}

/// A file on the volume as the source of a model.
struct FileOnVolume<'a> {
    volume: RefCell<&'a mut ImageVolume>,
    file: File,
    bytes: u64,
}

impl<'a> FileOnVolume<'a> {
    fn new(volume: &'a mut ImageVolume, file: File, bytes: u64) -> Self {
        Self {
            volume: RefCell::new(volume),
            file,
            bytes,
        }
    }
}

impl Source for FileOnVolume<'_> {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let wanted = buf.len() as u64;
        let read = self.volume.borrow_mut().read_at(&self.file, offset, buf);
        match read {
            Ok(count) if count == buf.len() => Ok(()),
            Ok(_) => Err(ReadError::OutOfRange {
                offset,
                wanted,
                len: self.bytes,
            }),
            Err(_) => Err(ReadError::Device {
                offset,
                wanted,
                code: 5,
            }),
        }
    }
}
