//! The guest's files: a folder of the host, or the FAT volume of an image.

use crate::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// It is a folder.
    IsFolder = 21,
    /// A path that is none: relative parts, not UTF-8.
    Invalid = 22,
    /// Too many open files.
    TooMany = 24,
}

/// Most files open at once.
const MAX_OPEN: usize = 256;

/// Where paths lead to.
#[derive(Debug)]
enum Root {
    Folder(PathBuf),
    None,
}

/// An open file; reading needs no lock.
#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
}

/// The volume and what is open on it.
#[derive(Debug)]
pub struct Files {
    root: Root,
    open: Mutex<Vec<Option<Arc<Open>>>>,
}

fn errno_of(error: &std::io::Error) -> Errno {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Errno::NoEntry,
        std::io::ErrorKind::IsADirectory => Errno::IsFolder,
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
        Err(Error::Image {
            path: path.into(),
            message: "not built in".into(),
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
        }
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
                Open {
                    file,
                    size: about.len(),
                }
            }
        };
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
        table[free] = Some(Arc::new(open));
        Ok(free as u32)
    }

    fn get(&self, handle: i64) -> Result<Arc<Open>, Errno> {
        let table = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(handle).map_err(|_| Errno::BadHandle)?;
        table
            .get(index)
            .and_then(Clone::clone)
            .ok_or(Errno::BadHandle)
    }

    /// Size in bytes.
    pub fn size(&self, handle: i64) -> Result<u64, Errno> {
        Ok(self.get(handle)?.size)
    }

    /// Fills `buffer` from `offset` on; short only at the end of the file.
    pub fn read_at(&self, handle: i64, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let open = self.get(handle)?;
        let mut done = 0;
        while done < buffer.len() {
            match open.file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Errno::Io),
            }
        }
        Ok(done)
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
