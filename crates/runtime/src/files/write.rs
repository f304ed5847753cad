//! Files that the guest writes, and the names of a volume.
//!
//! Below a folder the host's own calls do it; on the machine these are the kernel's. The volume of an image is opened for
//! writing when the guest first wants to, and locked from then on, so that one process writes at a time. Then the volume
//! is one object behind one lock; it writes in the order that `store::fat` promises, so a cut leaves it whole.

use super::{Errno, Files, Handle, Image, ImageVolume, Root, errno_of, errno_of_fat, inside, lock};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use store::block::FileDevice;
use store::fat::{DosTime, FatError, Volume};
use store::partition::open_fat;

/// How a file is opened: bits of `bf_file_open_with`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenFlags {
    /// It may be written to.
    pub write: bool,
    /// It is made if it is not there.
    pub create: bool,
    /// What is in it goes.
    pub truncate: bool,
    /// It must not be there.
    pub exclusive: bool,
}

impl OpenFlags {
    /// From the guest's bits: 1 write, 2 create, 4 truncate, 8 exclusive. `None`: unknown bits, or bits that need 1.
    pub fn from_bits(bits: u32) -> Option<Self> {
        let flags = OpenFlags {
            write: bits & 1 != 0,
            create: bits & 2 != 0,
            truncate: bits & 4 != 0,
            exclusive: bits & 8 != 0,
        };
        (bits < 16 && (flags.write || bits == 0)).then_some(flags)
    }
}

/// Reads until the buffer is full or the file ends.
pub fn read_host(file: &File, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(errno_of(&e)),
        }
    }
    Ok(done)
}

impl Image {
    /// The volume, for changing it.
    fn writable(&self) -> Result<std::sync::MutexGuard<'_, ImageVolume>, Errno> {
        let mut volume = self.volume();
        if !self.writable.load(Ordering::Relaxed) {
            lock(&self.path).map_err(|_| Errno::ReadOnly)?;
            let device = FileDevice::open(&self.path, true).map_err(|_| Errno::ReadOnly)?;
            let slice = open_fat(device).map_err(|_| Errno::Io)?;
            *volume = Volume::mount(slice).map_err(|e| errno_of_fat(&e))?;
            self.writable.store(true, Ordering::Relaxed);
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        volume.set_time(DosTime::from_unix(now.map_or(0, |n| n.as_secs())));
        Ok(volume)
    }

    fn change<R>(
        &self,
        change: impl FnOnce(&mut ImageVolume) -> Result<R, FatError>,
    ) -> Result<R, Errno> {
        change(&mut *self.writable()?).map_err(|e| errno_of_fat(&e))
    }
}

impl Files {
    /// Uses the volume of the image.
    pub(super) fn on_volume<R>(
        &self,
        use_it: impl FnOnce(&mut ImageVolume) -> Result<R, FatError>,
    ) -> Result<R, Errno> {
        match &self.root {
            Root::Image(image) => use_it(&mut image.volume()).map_err(|e| errno_of_fat(&e)),
            _ => Err(Errno::BadHandle),
        }
    }

    /// Opens a file as the flags say; gives back its handle.
    pub fn open_with(&self, path: &str, flags: OpenFlags) -> Result<u32, Errno> {
        if !flags.write {
            return self.open(path);
        }
        match &self.root {
            Root::None => Err(Errno::NoEntry),
            Root::Folder(folder) => {
                let path = inside(folder, path)?;
                let file = File::options()
                    .read(true)
                    .write(true)
                    .create(flags.create)
                    .create_new(flags.create && flags.exclusive)
                    .truncate(flags.truncate)
                    .open(path)
                    .map_err(|e| errno_of(&e))?;
                self.install(Handle::Host(file))
            }
            Root::Image(image) => {
                let file = image.change(|volume| {
                    let file = match volume.open(path) {
                        Ok(_) if flags.create && flags.exclusive => {
                            return Err(FatError::AlreadyExists { path: path.into() });
                        }
                        Err(FatError::NotFound { .. }) if flags.create => volume.create(path)?,
                        found => found?,
                    };
                    if flags.truncate {
                        volume.truncate(&file, 0)?;
                    }
                    Ok(file)
                })?;
                self.install(Handle::Volume(file))
            }
        }
    }

    /// Writes all bytes at `offset`; what lies between the end of the file and `offset` becomes zeroes.
    pub fn write_at(&self, handle: i64, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
        match &*self.get(handle)? {
            Handle::Read(_) => return Err(Errno::Denied),
            Handle::Host(file) => file.write_all_at(bytes, offset).map_err(|e| errno_of(&e))?,
            Handle::Volume(file) => self.on_volume(|v| v.write_at(file, offset, bytes))?,
        }
        Ok(bytes.len())
    }

    /// Makes a file so many bytes long.
    pub fn resize(&self, handle: i64, bytes: u64) -> Result<(), Errno> {
        match &*self.get(handle)? {
            Handle::Read(_) => Err(Errno::Denied),
            Handle::Host(file) => file.set_len(bytes).map_err(|e| errno_of(&e)),
            Handle::Volume(file) => self.on_volume(|v| v.truncate(file, bytes)),
        }
    }

    /// Has everything that was written to a file on the medium.
    pub fn sync(&self, handle: i64) -> Result<(), Errno> {
        match &*self.get(handle)? {
            Handle::Read(_) => Ok(()),
            Handle::Host(file) => file.sync_all().map_err(|e| errno_of(&e)),
            Handle::Volume(_) => self.on_volume(Volume::sync),
        }
    }

    /// Takes a file or an empty folder away.
    pub fn remove(&self, path: &str) -> Result<(), Errno> {
        match &self.root {
            Root::None => Err(Errno::NoEntry),
            Root::Folder(folder) => {
                let path = inside(folder, path)?;
                let removed = match path.metadata() {
                    Ok(about) if about.is_dir() => std::fs::remove_dir(path),
                    _ => std::fs::remove_file(path),
                };
                removed.map_err(|e| errno_of(&e))
            }
            Root::Image(image) => image.change(|volume| volume.remove(path)),
        }
    }

    /// Gives a file or folder another name; a file of the new name is replaced.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), Errno> {
        match &self.root {
            Root::None => Err(Errno::NoEntry),
            Root::Folder(folder) => std::fs::rename(inside(folder, from)?, inside(folder, to)?)
                .map_err(|e| errno_of(&e)),
            Root::Image(image) => image.change(|volume| match volume.metadata(to) {
                Ok(_) => volume.replace(from, to),
                Err(_) => volume.rename(from, to),
            }),
        }
    }

    /// Makes a folder.
    pub fn create_folder(&self, path: &str) -> Result<(), Errno> {
        match &self.root {
            Root::None => Err(Errno::NoEntry),
            Root::Folder(folder) => {
                std::fs::create_dir(inside(folder, path)?).map_err(|e| errno_of(&e))
            }
            Root::Image(image) => image.change(|volume| volume.create_dir(path)),
        }
    }

    /// Names in a folder, sorted; those of folders end with `/`.
    pub fn names(&self, path: &str) -> Result<Vec<String>, Errno> {
        let name = |name: String, is_folder: bool| if is_folder { name + "/" } else { name };
        let mut names = Vec::new();
        match &self.root {
            Root::None => return Err(Errno::NoEntry),
            Root::Folder(folder) => {
                let path = inside(folder, path)?;
                if path.is_file() {
                    return Err(Errno::NotFolder);
                }
                for entry in std::fs::read_dir(path).map_err(|e| errno_of(&e))? {
                    let entry = entry.map_err(|e| errno_of(&e))?;
                    let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
                    if let Ok(text) = entry.file_name().into_string() {
                        names.push(name(text, is_folder));
                    }
                }
            }
            Root::Image(image) => {
                let mut volume = image.volume();
                let list = volume.list(path).map_err(|e| match e {
                    FatError::NotADirectory { .. } => Errno::NotFolder,
                    e => errno_of_fat(&e),
                })?;
                names.extend(list.into_iter().map(|m| name(m.name, m.is_directory)));
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: OpenFlags = OpenFlags {
        write: true,
        create: true,
        truncate: true,
        exclusive: false,
    };

    /// What must hold of every kind of volume.
    fn behaves(files: &Files) {
        let h = i64::from(files.open_with("/new.txt", NEW).unwrap());
        assert_eq!(files.write_at(h, 0, b"hello world"), Ok(11));
        assert_eq!(files.write_at(h, 6, b"there"), Ok(5));
        assert_eq!(files.size(h), Ok(11));
        let mut buffer = [0; 32];
        assert_eq!(files.read_at(h, 0, &mut buffer), Ok(11));
        assert_eq!(&buffer[..11], b"hello there");
        assert_eq!(files.write_at(h, 15, b"x"), Ok(1));
        assert_eq!(files.read_at(h, 10, &mut buffer), Ok(6));
        assert_eq!(&buffer[..6], b"e\0\0\0\0x");
        files.resize(h, 5).unwrap();
        files.sync(h).unwrap();
        files.close(h).unwrap();
        // What was written is found by those who only read.
        assert_eq!(files.read("/new.txt").unwrap().unwrap(), b"hello");
        let r = i64::from(files.open("/new.txt").unwrap());
        assert_eq!(files.write_at(r, 0, b"x"), Err(Errno::Denied));
        assert_eq!(files.resize(r, 0), Err(Errno::Denied));
        files.close(r).unwrap();
        let exclusive = OpenFlags {
            exclusive: true,
            ..NEW
        };
        assert_eq!(files.open_with("/new.txt", exclusive), Err(Errno::Exists));
        let old = OpenFlags {
            create: false,
            ..NEW
        };
        assert_eq!(files.open_with("/none", old), Err(Errno::NoEntry));

        files.create_folder("/sub").unwrap();
        assert_eq!(files.create_folder("/sub"), Err(Errno::Exists));
        assert_eq!(files.open_with("/sub", NEW), Err(Errno::IsFolder));
        files.rename("/new.txt", "/sub/moved.txt").unwrap();
        assert_eq!(files.open("/new.txt"), Err(Errno::NoEntry));
        assert_eq!(files.names("/sub").unwrap(), ["moved.txt"]);
        assert!(files.names("/").unwrap().contains(&"sub/".to_owned()));
        assert_eq!(files.names("/sub/moved.txt"), Err(Errno::NotFolder));
        assert_eq!(files.names("/none"), Err(Errno::NoEntry));
        assert_eq!(files.remove("/sub"), Err(Errno::NotEmpty));
        let h = i64::from(files.open_with("/other", NEW).unwrap());
        files.write_at(h, 0, b"2").unwrap();
        files.close(h).unwrap();
        files.rename("/other", "/sub/moved.txt").unwrap();
        assert_eq!(files.read("/sub/moved.txt").unwrap().unwrap(), b"2");
        files.remove("/sub/moved.txt").unwrap();
        files.remove("/sub").unwrap();
        assert_eq!(files.remove("/sub"), Err(Errno::NoEntry));
    }

    #[test]
    fn a_folder_can_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::folder(dir.path().into());
        behaves(&files);
        assert_eq!(files.open_with("/../x", NEW), Err(Errno::Invalid));
        assert_eq!(files.remove("/../x"), Err(Errno::Invalid));
    }

    /// An image of 8 MiB with an empty volume.
    fn image(folder: &std::path::Path) -> std::path::PathBuf {
        let path = folder.join("app.img");
        let sectors = 8 << 11;
        let mut device = FileDevice::create(&path, sectors).unwrap();
        let mut boot = [0; store::block::SECTOR];
        let partition = store::partition::Partition {
            kind: 0x0E,
            bootable: true,
            start: 2048,
            sectors: sectors as u32 - 2048,
        };
        store::partition::put_entry(&mut boot, 0, &partition);
        store::block::BlockDevice::write(&mut device, 0, &boot).unwrap();
        let slice = open_fat(device).unwrap();
        let options = store::fat::FormatOptions::default();
        Volume::format(slice, &options).unwrap().unmount().unwrap();
        path
    }

    #[test]
    fn an_image_can_be_written_and_is_whole_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = image(dir.path());
        behaves(&Files::image(&path).unwrap());
        // A volume that is full says so, and what was there stays.
        let files = Files::image(&path).unwrap();
        let h = i64::from(files.open_with("/big", NEW).unwrap());
        let block = vec![7; 1 << 20];
        let full = (0..16).find_map(|i| files.write_at(h, i << 20, &block).err());
        assert_eq!(full, Some(Errno::NoSpace));
        files.close(h).unwrap();
        drop(files);
        let device = FileDevice::open(&path, false).unwrap();
        let mut volume = Volume::mount(open_fat(device).unwrap()).unwrap();
        let report = volume.check().unwrap();
        assert_eq!(report.lost_clusters, 0, "{report:?}");
    }

    #[test]
    fn flags_are_checked() {
        assert_eq!(OpenFlags::from_bits(0), Some(OpenFlags::default()));
        assert_eq!(OpenFlags::from_bits(7), Some(NEW));
        for wrong in [2, 4, 8, 16, u32::MAX] {
            assert_eq!(OpenFlags::from_bits(wrong), None, "{wrong}");
        }
    }
}
