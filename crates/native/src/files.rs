//! The guest's files and folders, by the system's own calls.
//!
//! A handle is a place in a table of at most [`MAX_OPEN`] files; a place is one word, so no lock is needed:
//! 0 free, 1 being taken, else the system's number plus 2.

use crate::gate::{self, errno};
use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Most files open at once.
const MAX_OPEN: usize = 256;
/// Longest path, its end included.
const MAX_PATH: usize = 4096;
const FREE: u32 = 0;
const TAKEN: u32 = 1;
const FIRST: u32 = 2;

struct Place {
    state: AtomicU32,
    /// When it was opened; [`CHANGES`] for a file that may be written to.
    size: AtomicU64,
}

/// The size must be asked for.
const CHANGES: u64 = u64::MAX;

static TABLE: [Place; MAX_OPEN] = [const {
    Place {
        state: AtomicU32::new(FREE),
        size: AtomicU64::new(0),
    }
}; MAX_OPEN];

/// A path for the system: below `root` if there is one, where nothing outside of it can be reached by name.
struct Path {
    bytes: [u8; MAX_PATH],
    len: usize,
}

impl Path {
    fn new(root: Option<&[u8]>, path: &[u8]) -> Result<Self, i32> {
        let mut full = Path {
            bytes: [0; MAX_PATH],
            len: 0,
        };
        if path.contains(&0) || core::str::from_utf8(path).is_err() {
            return Err(errno::EINVAL);
        }
        let Some(root) = root else {
            full.push(path)?;
            return Ok(full);
        };
        full.push(root)?;
        for part in path.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err(errno::EINVAL),
                part => {
                    if full.len == 0 || full.bytes.get(full.len - 1) != Some(&b'/') {
                        full.push(b"/")?;
                    }
                    full.push(part)?;
                }
            }
        }
        Ok(full)
    }

    fn push(&mut self, part: &[u8]) -> Result<(), i32> {
        let end = self.len + part.len();
        // One byte is left for the NUL.
        if end >= MAX_PATH {
            return Err(errno::EINVAL);
        }
        self.bytes
            .get_mut(self.len..end)
            .ok_or(errno::EINVAL)?
            .copy_from_slice(part);
        self.len = end;
        Ok(())
    }

    fn as_c_str(&self) -> Result<&CStr, i32> {
        CStr::from_bytes_until_nul(&self.bytes).map_err(|_| errno::EINVAL)
    }
}

/// Error numbers as the runtime gives them.
fn simple(error: i32) -> i32 {
    match error {
        errno::ENOENT | errno::ENOTDIR => errno::ENOENT,
        errno::EISDIR | errno::EINVAL | errno::EMFILE | errno::EACCES | errno::EEXIST => error,
        errno::EFBIG | errno::ENOSPC | errno::EROFS | errno::ENOTEMPTY => error,
        _ => errno::EIO,
    }
}

/// Opens a file for reading; gives back its handle.
pub fn open(root: Option<&[u8]>, path: &[u8]) -> Result<usize, i32> {
    open_with(root, path, 0)
}

/// Opens a file by the bits of `bf_file_open_with`: 1 write, 2 create, 4 truncate, 8 exclusive.
pub fn open_with(root: Option<&[u8]>, path: &[u8], bits: u32) -> Result<usize, i32> {
    use gate::flags;
    let writes = bits & 1 != 0;
    if bits > 15 || (bits != 0 && !writes) {
        return Err(errno::EINVAL);
    }
    let of = |bit: u32, flag: usize| if bits & bit != 0 { flag } else { 0 };
    let exclusive = if bits & 2 != 0 {
        of(8, flags::EXCLUSIVE)
    } else {
        0
    };
    let how = of(1, flags::READ_WRITE) | of(2, flags::CREATE) | of(4, flags::TRUNCATE) | exclusive;
    let path = Path::new(root, path)?;
    let (handle, place) = TABLE
        .iter()
        .enumerate()
        .find(|(_, p)| {
            let taken = p
                .state
                .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed);
            taken.is_ok()
        })
        .ok_or(errno::EMFILE)?;
    let opened = || {
        let file = gate::open(path.as_c_str()?, how)? as i32;
        match gate::about(file) {
            Ok(about) if !about.is_folder => Ok((file, about.size)),
            other => {
                // Nothing was written that closing could lose.
                let _ = gate::close(file);
                Err(other.map_or_else(|e| e, |_| errno::EISDIR))
            }
        }
    };
    match opened() {
        Ok((file, size)) => {
            let size = if writes { CHANGES } else { size };
            place.size.store(size, Ordering::Relaxed);
            place.state.store(file as u32 + FIRST, Ordering::Release);
            Ok(handle)
        }
        Err(error) => {
            place.state.store(FREE, Ordering::Release);
            Err(simple(error))
        }
    }
}

fn place(handle: i64) -> Result<(&'static Place, i32), i32> {
    let place = usize::try_from(handle)
        .ok()
        .and_then(|h| TABLE.get(h))
        .ok_or(errno::EBADF)?;
    match place.state.load(Ordering::Acquire) {
        FREE | TAKEN => Err(errno::EBADF),
        state => Ok((place, (state - FIRST) as i32)),
    }
}

/// Length in bytes: of a file that is only read, when it was opened.
pub fn size(handle: i64) -> Result<u64, i32> {
    let (place, file) = place(handle)?;
    size_of(place, file)
}

fn size_of(place: &Place, file: i32) -> Result<u64, i32> {
    match place.size.load(Ordering::Relaxed) {
        CHANGES => gate::about(file).map(|a| a.size).map_err(simple),
        size => Ok(size),
    }
}

/// The system's number of a file that may be written to.
fn writable(handle: i64) -> Result<i32, i32> {
    let (place, file) = place(handle)?;
    match place.size.load(Ordering::Relaxed) {
        CHANGES => Ok(file),
        _ => Err(errno::EACCES),
    }
}

/// Writes all bytes at `offset`.
pub fn write_at(handle: i64, offset: u64, bytes: &[u8]) -> Result<usize, i32> {
    let file = writable(handle)?;
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|r| !r.is_empty()) {
        match gate::pwrite(file, rest, offset.wrapping_add(done as u64)) {
            Ok(0) => return Err(errno::EIO),
            Ok(n) => done += n,
            Err(errno::EINTR) => {}
            Err(error) => return Err(simple(error)),
        }
    }
    Ok(done)
}

/// Makes a file so many bytes long.
pub fn resize(handle: i64, bytes: u64) -> Result<(), i32> {
    gate::resize(writable(handle)?, bytes)
        .map(|_| ())
        .map_err(simple)
}

/// Has what was written on the medium.
pub fn sync(handle: i64) -> Result<(), i32> {
    match writable(handle) {
        Ok(file) => gate::sync(file).map(|_| ()).map_err(simple),
        Err(errno::EACCES) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes a file or an empty folder away.
pub fn remove(root: Option<&[u8]>, path: &[u8]) -> Result<(), i32> {
    let path = Path::new(root, path)?;
    let path = path.as_c_str()?;
    match gate::unlink(path) {
        // Linux and POSIX differ in what they say of a folder.
        Err(errno::EISDIR | errno::EPERM) => gate::rmdir(path),
        removed => removed,
    }
    .map(|_| ())
    .map_err(simple)
}

/// Gives a file or folder another name.
pub fn rename(root: Option<&[u8]>, from: &[u8], to: &[u8]) -> Result<(), i32> {
    let (from, to) = (Path::new(root, from)?, Path::new(root, to)?);
    gate::rename(from.as_c_str()?, to.as_c_str()?)
        .map(|_| ())
        .map_err(simple)
}

/// Makes a folder.
pub fn create_folder(root: Option<&[u8]>, path: &[u8]) -> Result<(), i32> {
    let path = Path::new(root, path)?;
    gate::mkdir(path.as_c_str()?).map(|_| ()).map_err(simple)
}

/// Gives the names in a folder to `each`, with whether it is one of a folder.
pub fn list(
    root: Option<&[u8]>,
    path: &[u8],
    mut each: impl FnMut(&[u8], bool),
) -> Result<(), i32> {
    /// `d_reclen`, `d_type` and `d_name` in `struct linux_dirent64`.
    const LENGTH: usize = 16;
    const KIND: usize = 18;
    const NAME: usize = 19;
    const FOLDER: u8 = 4;
    let path = Path::new(root, path)?;
    let folder = match gate::open(path.as_c_str()?, gate::flags::DIRECTORY) {
        Ok(folder) => folder as i32,
        Err(errno::ENOTDIR) => return Err(errno::ENOTDIR),
        Err(error) => return Err(simple(error)),
    };
    let mut buffer = [0; 4096];
    let result = loop {
        let bytes = match gate::entries(folder, &mut buffer) {
            Ok(0) => break Ok(()),
            Ok(bytes) => bytes,
            Err(error) => break Err(simple(error)),
        };
        let mut rest = buffer.get(..bytes).unwrap_or(&[]);
        while let (Some(&low), Some(&high)) = (rest.get(LENGTH), rest.get(LENGTH + 1)) {
            let length = usize::from(u16::from_le_bytes([low, high]));
            let Some((entry, more)) = rest.split_at_checked(length).filter(|_| length > NAME)
            else {
                break;
            };
            let name = entry.get(NAME..).unwrap_or(&[]);
            let name = name.split(|b| *b == 0).next().unwrap_or(&[]);
            if name != b"." && name != b".." {
                each(name, entry.get(KIND) == Some(&FOLDER));
            }
            rest = more;
        }
    };
    // Only read.
    let _ = gate::close(folder);
    result
}

/// Closes a file.
pub fn close(handle: i64) -> Result<(), i32> {
    let (place, file) = place(handle)?;
    place.state.store(FREE, Ordering::Release);
    // The handle is gone in any case.
    let _ = gate::close(file);
    Ok(())
}

/// Fills memory from `offset` on: fewer bytes only at the end of the file, as long as it was when it was opened.
///
/// # Safety
/// `at` points to `len` writable bytes.
pub unsafe fn read_at(handle: i64, offset: u64, at: *mut u8, len: usize) -> Result<usize, i32> {
    let (place, file) = place(handle)?;
    let left = size_of(place, file)?.saturating_sub(offset);
    let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(len);
    let mut done = 0;
    while done < wanted {
        // SAFETY: within the bytes of the caller.
        let read = unsafe { gate::pread(file, at.add(done), wanted - done, offset + done as u64) };
        match read {
            // It is shorter than it was.
            Ok(0) => return Err(errno::EIO),
            Ok(n) => done += n,
            Err(errno::EINTR) => {}
            Err(error) => return Err(simple(error)),
        }
    }
    Ok(done)
}

/// Whole content of a small file in memory that is never given back; `None` if it cannot be read.
pub fn read_whole(root: Option<&[u8]>, path: &[u8]) -> Option<&'static [u8]> {
    let handle = open(root, path).ok()? as i64;
    let len = usize::try_from(size(handle).ok()?).ok()?;
    let block = crate::heap::allocate(len, 1);
    let read = match block.is_null() {
        true => None,
        // SAFETY: a fresh block of that length.
        false => unsafe { read_at(handle, 0, block, len) }.ok(),
    };
    // It was just opened.
    let _ = close(handle);
    // SAFETY: so many bytes were read into the block, which nobody frees or writes any more.
    read.map(|n| unsafe { core::slice::from_raw_parts(block, n) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    fn path(root: Option<&str>, path: &str) -> Result<String, i32> {
        let path = Path::new(root.map(str::as_bytes), path.as_bytes())?;
        Ok(path.as_c_str().unwrap().to_str().unwrap().to_owned())
    }

    #[test]
    fn paths_stay_below_the_root() {
        assert_eq!(path(Some("/"), "/a/./b//c").unwrap(), "/a/b/c");
        assert_eq!(path(Some("/r"), "a").unwrap(), "/r/a");
        assert_eq!(path(Some("/"), "").unwrap(), "/");
        assert_eq!(path(None, "../x").unwrap(), "../x");
        assert_eq!(path(Some("/r"), "../x"), Err(errno::EINVAL));
        assert_eq!(path(None, "a\0b"), Err(errno::EINVAL));
        assert_eq!(path(None, &"x".repeat(MAX_PATH)), Err(errno::EINVAL));
        assert!(Path::new(None, b"\xff").is_err());
    }

    #[test]
    fn files_are_read_and_errors_are_those_of_the_runtime() {
        let folder = std::env::temp_dir().join(format!("native-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("data"), b"0123456789").unwrap();
        let root = Some(folder.as_os_str().as_bytes());
        let handle = open(root, b"/data").unwrap() as i64;
        assert_eq!(size(handle), Ok(10));
        let mut buffer = [0; 8];
        // SAFETY: the buffer has eight bytes.
        unsafe {
            assert_eq!(read_at(handle, 4, buffer.as_mut_ptr(), 8), Ok(6));
            assert_eq!(read_at(handle, 99, buffer.as_mut_ptr(), 8), Ok(0));
        }
        assert_eq!(&buffer[..6], b"456789");
        assert_eq!(close(handle), Ok(()));
        assert_eq!(close(handle), Err(errno::EBADF));
        assert_eq!(size(-1), Err(errno::EBADF));
        assert_eq!(size(1 << 40), Err(errno::EBADF));
        assert_eq!(open(root, b"/none"), Err(errno::ENOENT));
        assert_eq!(open(root, b"/data/x"), Err(errno::ENOENT));
        assert_eq!(open(root, b"/"), Err(errno::EISDIR));
        assert_eq!(read_whole(root, b"data"), Some(&b"0123456789"[..]));
        let handle = open_with(root, b"/new", 7).unwrap() as i64;
        assert_eq!(write_at(handle, 2, b"abc"), Ok(3));
        assert_eq!(size(handle), Ok(5));
        resize(handle, 4).unwrap();
        sync(handle).unwrap();
        // SAFETY: the buffer has eight bytes.
        assert_eq!(unsafe { read_at(handle, 0, buffer.as_mut_ptr(), 8) }, Ok(4));
        assert_eq!(&buffer[..4], b"\0\0ab");
        close(handle).unwrap();
        assert_eq!(open_with(root, b"/new", 15), Err(errno::EEXIST));
        assert_eq!(open_with(root, b"/new", 2), Err(errno::EINVAL));
        assert_eq!(open_with(root, b"/none", 1), Err(errno::ENOENT));
        let handle = open(root, b"data").unwrap() as i64;
        assert_eq!(write_at(handle, 0, b"x"), Err(errno::EACCES));
        close(handle).unwrap();
        create_folder(root, b"/sub").unwrap();
        assert_eq!(create_folder(root, b"/sub"), Err(errno::EEXIST));
        rename(root, b"/new", b"/sub/moved").unwrap();
        let mut names = Vec::new();
        list(root, b"/sub", |name, _| names.push(name.to_vec())).unwrap();
        assert_eq!(names, [b"moved"]);
        let mut folders = Vec::new();
        list(root, b"/", |name, folder| {
            folders.extend(folder.then(|| name.to_vec()))
        })
        .unwrap();
        assert_eq!(folders, [b"sub"]);
        assert_eq!(list(root, b"/data", |_, _| {}), Err(errno::ENOTDIR));
        assert_eq!(remove(root, b"/sub"), Err(errno::ENOTEMPTY));
        remove(root, b"/sub/moved").unwrap();
        remove(root, b"/sub").unwrap();
        assert_eq!(remove(root, b"/sub"), Err(errno::ENOENT));
        let all: Vec<i64> = (0..MAX_OPEN)
            .map(|_| open(root, b"data").unwrap() as i64)
            .collect();
        assert_eq!(open(root, b"data"), Err(errno::EMFILE));
        all.into_iter().for_each(|h| close(h).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
