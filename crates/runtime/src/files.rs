//! The guest's files: a folder of the host, or the FAT volume of an image.
//!
//! Files that are only read need no lock: where their bytes lie is known when they are opened. `write` has the others.

mod write;

pub use write::OpenFlags;

use crate::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use store::area::FileArea;
use store::block::{FileDevice, SECTOR};
use store::fat::{FatError, Volume};
use store::partition::{Slice, open_fat};

/// What went wrong with a file, as the guest sees it: Linux's error numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Errno {
    /// No such file.
    NoEntry = 2,
    /// The medium failed, or the volume is damaged.
    Io = 5,
    /// Not an open handle.
    BadHandle = 9,
    /// No memory, or too many of a kind.
    Again = 11,
    /// The file was opened for reading only, or is in use.
    Denied = 13,
    /// There is something by this name.
    Exists = 17,
    /// A part of the path is no folder.
    NotFolder = 20,
    /// It is a folder.
    IsFolder = 21,
    /// A path that is none: relative parts, not UTF-8.
    Invalid = 22,
    /// Too many open files.
    TooMany = 24,
    /// A FAT volume has no files of 4 GiB and more.
    TooLarge = 27,
    /// The volume is full.
    NoSpace = 28,
    /// The volume cannot be written to: another process uses it, or it is damaged.
    ReadOnly = 30,
    /// The folder is not empty.
    NotEmpty = 39,
}

/// Most files open at once.
const MAX_OPEN: usize = 256;

type ImageVolume = Volume<Slice<FileDevice>>;

/// Where paths lead to.
enum Root {
    Folder(PathBuf),
    Image(Box<Image>),
    None,
}

/// An image's volume, and the image itself for reading file contents without a lock.
struct Image {
    volume: Mutex<ImageVolume>,
    /// Whether `volume` may be written to: from the first file on that is opened for writing.
    writable: AtomicBool,
    file: Arc<File>,
    path: PathBuf,
    /// First byte of the volume in the image.
    start: u64,
}

/// Consecutive bytes of an open file.
struct Extent {
    /// Offset in the file.
    offset: u64,
    /// Offset in the host's file.
    at: u64,
    bytes: u64,
}

/// An open file. Where its bytes lie is known, so reading needs no lock.
struct Open {
    file: Arc<File>,
    size: u64,
    extents: Vec<Extent>,
}

/// What a handle stands for.
enum Handle {
    /// A file that is only read.
    Read(Open),
    /// A file of a folder that is written, too.
    Host(File),
    /// A file of the image's volume that is written, too.
    Volume(store::fat::File),
}

/// The volume and what is open on it.
pub struct Files {
    root: Root,
    open: Mutex<Vec<Option<Arc<Handle>>>>,
}

impl Open {
    /// Fills `buffer` from `offset` on; short only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() && offset + (done as u64) < self.size {
            let at = offset + done as u64;
            let next = self.extents.partition_point(|e| e.offset <= at);
            let Some(extent) = next.checked_sub(1).map(|i| &self.extents[i]) else {
                break;
            };
            let skip = at - extent.offset;
            let left = extent.bytes.saturating_sub(skip).min(self.size - at);
            let want = left.min((buffer.len() - done) as u64) as usize;
            if want == 0 {
                break;
            }
            match self
                .file
                .read_at(&mut buffer[done..done + want], extent.at + skip)
            {
                Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => done += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

impl Image {
    fn volume(&self) -> std::sync::MutexGuard<'_, ImageVolume> {
        self.volume.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, path: &str) -> Result<Open, FatError> {
        let mut volume = self.volume();
        let file = volume.open(path)?;
        let size = u64::from(volume.file_bytes(&file)?);
        let extents = volume
            .runs(&file)?
            .into_iter()
            .map(|r| Extent {
                offset: r.offset,
                at: self.start + r.lba * SECTOR as u64,
                bytes: r.sectors * SECTOR as u64,
            })
            .collect();
        Ok(Open {
            file: self.file.clone(),
            size,
            extents,
        })
    }
}

fn errno_of_fat(error: &FatError) -> Errno {
    match error {
        FatError::NotFound { .. } | FatError::NotADirectory { .. } => Errno::NoEntry,
        FatError::IsADirectory { .. } => Errno::IsFolder,
        FatError::InvalidName { .. } | FatError::InvalidMove { .. } => Errno::Invalid,
        FatError::AlreadyExists { .. } => Errno::Exists,
        FatError::DirectoryNotEmpty { .. } => Errno::NotEmpty,
        FatError::Open { .. } => Errno::Denied,
        FatError::FileTooLarge { .. } => Errno::TooLarge,
        FatError::Full { .. } | FatError::DirectoryFull { .. } => Errno::NoSpace,
        FatError::Damaged { .. } => Errno::ReadOnly,
        _ => Errno::Io,
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Errno::NoEntry,
        std::io::ErrorKind::IsADirectory => Errno::IsFolder,
        std::io::ErrorKind::AlreadyExists => Errno::Exists,
        std::io::ErrorKind::DirectoryNotEmpty => Errno::NotEmpty,
        std::io::ErrorKind::PermissionDenied => Errno::Denied,
        std::io::ErrorKind::StorageFull => Errno::NoSpace,
        std::io::ErrorKind::FileTooLarge => Errno::TooLarge,
        std::io::ErrorKind::ReadOnlyFilesystem => Errno::ReadOnly,
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidFilename => Errno::Invalid,
        _ => Errno::Io,
    }
}

/// Joins a guest path to a folder; nothing outside of it can be reached by name.
fn inside(folder: &Path, path: &str) -> Result<PathBuf, Errno> {
    let mut joined = folder.to_path_buf();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => joined.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(Errno::Invalid),
        }
    }
    Ok(joined)
}

/// An error of the system with its reason.
fn explain(error: &store::area::OpenError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Keeps other processes from writing to the same store, until this one ends. On the machine there are none.
fn lock(path: &Path) -> Result<(), String> {
    /// What this process has locked: a second lock of its own would be refused.
    static LOCKED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    if crate::platform::is_machine() {
        return Ok(());
    }
    let mut locked = LOCKED.lock().unwrap_or_else(PoisonError::into_inner);
    if locked.iter().any(|l| l == path) {
        return Ok(());
    }
    let file = File::open(path).map_err(|e| format!("cannot open {}: {e}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {
            // Closing it would give the lock back.
            std::mem::forget(file);
            locked.push(path.to_owned());
            Ok(())
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(format!("{} is in use by another process", path.display()))
        }
        // File systems without locks: nothing can be known.
        Err(std::fs::TryLockError::Error(_)) => Ok(()),
    }
}

impl Files {
    /// No files at all.
    pub fn none() -> Self {
        Files {
            root: Root::None,
            open: Mutex::default(),
        }
    }

    /// Files below a folder.
    pub fn folder(path: PathBuf) -> Self {
        Files {
            root: Root::Folder(path),
            open: Mutex::default(),
        }
    }

    /// The volume of an image file.
    pub fn image(path: &Path) -> Result<Self, Error> {
        let failed = |e: &dyn std::fmt::Display| Error::Image {
            path: path.into(),
            message: e.to_string(),
        };
        let file = File::open(path).map_err(|error| Error::File {
            action: "open",
            path: path.into(),
            error,
        })?;
        let device = FileDevice::open(path, false).map_err(|e| failed(&e))?;
        let slice = open_fat(device).map_err(|e| failed(&e))?;
        let start = slice.start() * SECTOR as u64;
        let volume = Mutex::new(Volume::mount(slice).map_err(|e| failed(&e))?);
        let root = Root::Image(Box::new(Image {
            volume,
            writable: AtomicBool::new(false),
            file: Arc::new(file),
            path: path.into(),
            start,
        }));
        Ok(Files {
            root,
            open: Mutex::default(),
        })
    }

    /// Whole content of a file; `None` if it does not exist.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let failed = |e: &dyn std::fmt::Display| Error::Volume {
            path: path.into(),
            message: e.to_string(),
        };
        match &self.root {
            Root::None => Ok(None),
            Root::Folder(folder) => {
                let path = inside(folder, path).map_err(|e| failed(&format!("{e:?}")))?;
                match std::fs::read(path) {
                    Ok(content) => Ok(Some(content)),
                    Err(e) if errno_of(&e) == Errno::NoEntry => Ok(None),
                    Err(e) => Err(failed(&e)),
                }
            }
            Root::Image(image) => {
                let open = match image.open(path) {
                    Ok(open) => open,
                    Err(e) if errno_of_fat(&e) == Errno::NoEntry => return Ok(None),
                    Err(e) => return Err(failed(&e)),
                };
                let mut content = vec![0; usize::try_from(open.size).map_err(|e| failed(&e))?];
                let n = open.read_at(0, &mut content).map_err(|e| failed(&e))?;
                content.truncate(n);
                Ok(Some(content))
            }
        }
    }

    /// A file that is written in place, for this process alone; `None` if it does not exist.
    ///
    /// # Errors
    /// In words: it cannot be written, another process has it, or it does not lie in one piece.
    pub fn area(&self, path: &str) -> Result<Option<FileArea>, String> {
        match &self.root {
            Root::None => Ok(None),
            Root::Folder(folder) => {
                let host = inside(folder, path).map_err(|e| format!("{path}: {e:?}"))?;
                if !host.exists() {
                    return Ok(None);
                }
                lock(&host)?;
                FileArea::open(&host, true)
                    .map(Some)
                    .map_err(|e| explain(&e))
            }
            Root::Image(image) => {
                let open = match image.open(path) {
                    Ok(open) => open,
                    Err(e) if errno_of_fat(&e) == Errno::NoEntry => return Ok(None),
                    Err(e) => return Err(format!("{path}: {e}")),
                };
                let [extent] = open.extents.as_slice() else {
                    let pieces = open.extents.len();
                    return Err(format!("{path} lies in {pieces} pieces, 1 expected"));
                };
                lock(&image.path)?;
                let bytes = extent.bytes.min(open.size);
                FileArea::range(&image.path, extent.at, bytes, true)
                    .map(Some)
                    .map_err(|e| explain(&e))
            }
        }
    }

    /// The first `most` bytes of a file; `None` if it does not exist.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn head(&self, path: &str, most: usize) -> Result<Option<Vec<u8>>, Error> {
        let failed = |errno: Errno| Error::Volume {
            path: path.into(),
            message: format!("{errno:?}"),
        };
        let handle = match self.open(path) {
            Ok(handle) => i64::from(handle),
            Err(Errno::NoEntry) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        let mut content = vec![0; most];
        let read = self.read_at(handle, 0, &mut content);
        let _ = self.close(handle);
        content.truncate(read.map_err(failed)?);
        Ok(Some(content))
    }

    /// Names of the files in a folder, sorted; empty if there is no such folder.
    pub fn list(&self, path: &str) -> Result<Vec<String>, Error> {
        let failed = |e: &dyn std::fmt::Display| Error::Volume {
            path: path.into(),
            message: e.to_string(),
        };
        let mut names = Vec::new();
        match &self.root {
            Root::None => {}
            Root::Folder(folder) => {
                let path = inside(folder, path).map_err(|e| failed(&format!("{e:?}")))?;
                let entries = match std::fs::read_dir(path) {
                    Ok(entries) => entries,
                    Err(e) if errno_of(&e) == Errno::NoEntry => return Ok(names),
                    Err(e) => return Err(failed(&e)),
                };
                for entry in entries {
                    let entry = entry.map_err(|e| failed(&e))?;
                    if let Ok(name) = entry.file_name().into_string() {
                        names.push(name);
                    }
                }
            }
            Root::Image(image) => match image.volume().list(path) {
                Ok(list) => {
                    names.extend(list.into_iter().filter(|m| !m.is_directory).map(|m| m.name))
                }
                Err(e) if errno_of_fat(&e) == Errno::NoEntry => {}
                Err(e) => return Err(failed(&e)),
            },
        }
        names.sort();
        Ok(names)
    }

    /// Opens a file for reading; gives back its handle.
    pub fn open(&self, path: &str) -> Result<u32, Errno> {
        let open = match &self.root {
            Root::None => return Err(Errno::NoEntry),
            Root::Folder(folder) => {
                let file = File::open(inside(folder, path)?).map_err(|e| errno_of(&e))?;
                let about = file.metadata().map_err(|e| errno_of(&e))?;
                if about.is_dir() {
                    return Err(Errno::IsFolder);
                }
                let extents = vec![Extent {
                    offset: 0,
                    at: 0,
                    bytes: about.len(),
                }];
                Open {
                    file: Arc::new(file),
                    size: about.len(),
                    extents,
                }
            }
            Root::Image(image) => image.open(path).map_err(|e| errno_of_fat(&e))?,
        };
        self.install(Handle::Read(open))
    }

    /// Gives what was opened a number.
    fn install(&self, handle: Handle) -> Result<u32, Errno> {
        let mut table = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let free = table
            .iter()
            .position(Option::is_none)
            .unwrap_or(table.len());
        if free >= MAX_OPEN {
            return Err(Errno::TooMany);
        }
        if free == table.len() {
            table.push(None);
        }
        table[free] = Some(Arc::new(handle));
        Ok(free as u32)
    }

    fn get(&self, handle: i64) -> Result<Arc<Handle>, Errno> {
        let table = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(handle).map_err(|_| Errno::BadHandle)?;
        table
            .get(index)
            .and_then(Clone::clone)
            .ok_or(Errno::BadHandle)
    }

    /// Size in bytes.
    pub fn size(&self, handle: i64) -> Result<u64, Errno> {
        match &*self.get(handle)? {
            Handle::Read(open) => Ok(open.size),
            Handle::Host(file) => file.metadata().map(|m| m.len()).map_err(|e| errno_of(&e)),
            Handle::Volume(file) => self.on_volume(|v| v.file_bytes(file)).map(u64::from),
        }
    }

    /// Fills `buffer` from `offset` on; short only at the end of the file.
    pub fn read_at(&self, handle: i64, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        match &*self.get(handle)? {
            Handle::Read(open) => open.read_at(offset, buffer).map_err(|_| Errno::Io),
            Handle::Host(file) => write::read_host(file, offset, buffer),
            Handle::Volume(file) => self.on_volume(|v| v.read_at(file, offset, buffer)),
        }
    }

    /// Closes a handle.
    pub fn close(&self, handle: i64) -> Result<(), Errno> {
        let mut table = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = usize::try_from(handle)
            .ok()
            .and_then(|i| table.get_mut(i))
            .ok_or(Errno::BadHandle)?;
        slot.take().map(|_| ()).ok_or(Errno::BadHandle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_volume() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("app")).unwrap();
        std::fs::write(dir.path().join("app/b.llbc"), b"two").unwrap();
        std::fs::write(dir.path().join("app/a.llbc"), b"one").unwrap();
        let files = Files::folder(dir.path().into());
        assert_eq!(files.list("/app").unwrap(), ["a.llbc", "b.llbc"]);
        assert!(files.list("/none").unwrap().is_empty());
        assert_eq!(files.read("/app/b.llbc").unwrap().unwrap(), b"two");
        assert_eq!(files.read("/app/c.llbc").unwrap(), None);
        let h = i64::from(files.open("/app/a.llbc").unwrap());
        assert_eq!(files.size(h), Ok(3));
        let mut buffer = [0; 8];
        assert_eq!(files.read_at(h, 1, &mut buffer), Ok(2));
        assert_eq!(&buffer[..2], b"ne");
        assert_eq!(files.read_at(h, 9, &mut buffer), Ok(0));
        assert_eq!(files.close(h), Ok(()));
        assert_eq!(files.close(h), Err(Errno::BadHandle));
        assert_eq!(files.size(-1), Err(Errno::BadHandle));
        assert_eq!(files.open("/app"), Err(Errno::IsFolder));
        assert_eq!(files.open("/app/../../etc/passwd"), Err(Errno::Invalid));
        assert_eq!(files.open("/app/x"), Err(Errno::NoEntry));
    }

    #[test]
    fn an_image_is_a_volume() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.img");
        let sectors = 16 << 11; // 16 MiB
        let mut device = FileDevice::create(&path, sectors).unwrap();
        let mut boot = [0; SECTOR];
        let start = 2048;
        let partition = store::partition::Partition {
            kind: 0x0E,
            bootable: true,
            start,
            sectors: sectors as u32 - start,
        };
        store::partition::put_entry(&mut boot, 0, &partition);
        store::block::BlockDevice::write(&mut device, 0, &boot).unwrap();
        let slice = open_fat(device).unwrap();
        let mut volume = Volume::format(slice, &store::fat::FormatOptions::default()).unwrap();
        volume.create_dir("/app").unwrap();
        let content: Vec<u8> = (0..100_000u32).map(|i| (i * 7 % 251) as u8).collect();
        // Two files written in turns: neither lies in one piece.
        let a = volume.create("/app/a.llbc").unwrap();
        let b = volume.create("/app/b.llbc").unwrap();
        for (i, part) in content.chunks(9000).enumerate() {
            volume.write_at(&a, i as u64 * 9000, part).unwrap();
            volume.write_at(&b, i as u64 * 9000, part).unwrap();
        }
        volume.unmount().unwrap();

        let files = Files::image(&path).unwrap();
        assert_eq!(files.list("/app").unwrap(), ["a.llbc", "b.llbc"]);
        assert_eq!(files.read("/app/b.llbc").unwrap().unwrap(), content);
        assert_eq!(files.read("/none/x").unwrap(), None);
        let h = i64::from(files.open("/app/a.llbc").unwrap());
        assert_eq!(files.size(h), Ok(100_000));
        for (offset, len) in [
            (0, 1),
            (511, 2),
            (8999, 3),
            (12345, 50_000),
            (99_990, 100),
            (100_000, 5),
        ] {
            let mut buffer = vec![0; len];
            let n = files.read_at(h, offset as u64, &mut buffer).unwrap();
            assert_eq!(&buffer[..n], &content[offset..(offset + len).min(100_000)]);
        }
        assert_eq!(files.open("/app"), Err(Errno::IsFolder));
        assert_eq!(files.open("/app/c"), Err(Errno::NoEntry));
    }

    #[test]
    fn handles_do_not_leak_without_bound() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), b"").unwrap();
        let files = Files::folder(dir.path().into());
        for _ in 0..MAX_OPEN {
            files.open("/f").unwrap();
        }
        assert_eq!(files.open("/f"), Err(Errno::TooMany));
        files.close(3).unwrap();
        assert_eq!(files.open("/f"), Ok(3));
    }
}
