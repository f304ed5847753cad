//! Files and folders of the volume.
//!
//! A path begins at the root of the volume (`/folder/name`). An open file has a number and a position, which reading and
//! writing move; the position is kept here, by number. Errors are Linux's numbers.

use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::file::FileError;
use crate::sys;

/// For reading.
pub const FILE_READ: u32 = 0;
/// For reading and writing.
pub const FILE_WRITE: u32 = 1;
/// Made where it is not there; with [`FILE_WRITE`].
pub const FILE_CREATE: u32 = 2;
/// Emptied; with [`FILE_WRITE`].
pub const FILE_TRUNCATE: u32 = 4;
/// Only where it is not there; with [`FILE_CREATE`].
pub const FILE_EXCLUSIVE: u32 = 8;

/// From where [`file_seek`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// The beginning of the file.
    Start,
    /// The position.
    Current,
    /// The end of the file.
    End,
}

/// Most files open at once.
const MAX_OPEN: usize = 256;
const EBADF: i64 = 9;
const EINVAL: i64 = 22;

static POSITIONS: [AtomicU64; MAX_OPEN] = [const { AtomicU64::new(0) }; MAX_OPEN];

fn error<T>(errno: i64) -> Result<T, FileError> {
    Err(FileError { errno })
}

pub(super) fn check(value: i64) -> Result<u64, FileError> {
    u64::try_from(value).or_else(|_| error(value.saturating_neg()))
}

fn position(file: i32) -> Result<&'static AtomicU64, FileError> {
    let place = usize::try_from(file).ok().and_then(|i| POSITIONS.get(i));
    place.map_or_else(|| error(EBADF), Ok)
}

/// Opens a file; `flags` are `FILE_*`. Its position is at its beginning.
///
/// # Errors
/// 2 no such file or folder, 13 in use or protected, 17 it is there (exclusive), 21 it is a folder, 22 no path or flags that
/// make no sense, 24 too many open files, 28 no room, 30 the volume cannot be written to, 5 the disk failed.
pub fn file_open(path: &str, flags: u32) -> Result<i32, FileError> {
    open(path.as_bytes(), flags)
}

pub(super) fn open(path: &[u8], flags: u32) -> Result<i32, FileError> {
    // SAFETY: the pointer and length are of one slice.
    let handle = check(unsafe { sys::bf_file_open_with(path.as_ptr(), path.len(), flags) })?;
    let file = i32::try_from(handle).or_else(|_| error(EBADF))?;
    position(file)?.store(0, Ordering::Relaxed);
    Ok(file)
}

/// Closes a file.
///
/// # Errors
/// 9: it is not open.
pub fn file_close(file: i32) -> Result<(), FileError> {
    // SAFETY: takes any handle.
    check(unsafe { sys::bf_file_close(file.into()) }).map(|_| ())
}

/// Reads from the position on and moves it: as many bytes as fit, fewer only at the end of the file.
///
/// # Errors
/// 9 not open, 5 the disk failed. The position stays.
pub fn file_read(file: i32, buffer: &mut [u8]) -> Result<usize, FileError> {
    // SAFETY: the pointer and length are of one writable slice.
    unsafe { read(file, buffer.as_mut_ptr(), buffer.len()) }
}

/// # Safety
/// `at` points to `len` writable bytes.
pub(super) unsafe fn read(file: i32, at: *mut u8, len: usize) -> Result<usize, FileError> {
    let position = position(file)?;
    let from = position.load(Ordering::Relaxed);
    // SAFETY: as the caller promised; takes any handle.
    let n = check(unsafe { sys::bf_file_read(file.into(), from, at, len) })?;
    position.store(from.saturating_add(n), Ordering::Relaxed);
    Ok(n as usize)
}

/// Writes all bytes at the position and moves it. What lies between the end of the file and the position becomes zeroes.
///
/// # Errors
/// 9 not open, 13 open for reading, 27 larger than 4 GiB, 28 no room, 30 the volume cannot be written to, 5 the disk failed.
/// The position stays.
pub fn file_write(file: i32, bytes: &[u8]) -> Result<usize, FileError> {
    let position = position(file)?;
    let from = position.load(Ordering::Relaxed);
    // SAFETY: the pointer and length are of one slice; takes any handle.
    let n = check(unsafe { sys::bf_file_write(file.into(), from, bytes.as_ptr(), bytes.len()) })?;
    position.store(from.saturating_add(n), Ordering::Relaxed);
    Ok(n as usize)
}

/// Moves the position and gives it, in bytes from the beginning. It may lie behind the end of the file.
///
/// # Errors
/// 9 not open, 22 before the beginning. The position stays.
pub fn file_seek(file: i32, offset: i64, from: Seek) -> Result<u64, FileError> {
    let position = position(file)?;
    let size = file_size(file)?;
    let base = match from {
        Seek::Start => 0,
        Seek::Current => position.load(Ordering::Relaxed),
        Seek::End => size,
    };
    let place = base
        .checked_add_signed(offset)
        .filter(|p| i64::try_from(*p).is_ok());
    let place = place.map_or_else(|| error(EINVAL), Ok)?;
    position.store(place, Ordering::Relaxed);
    Ok(place)
}

/// Length in bytes.
///
/// # Errors
/// 9: it is not open.
pub fn file_size(file: i32) -> Result<u64, FileError> {
    // SAFETY: takes any handle.
    check(unsafe { sys::bf_file_size(file.into()) })
}

/// Makes a file so many bytes long; what is new are zeroes.
///
/// # Errors
/// As [`file_write`].
pub fn file_resize(file: i32, bytes: u64) -> Result<(), FileError> {
    // SAFETY: takes any numbers.
    check(unsafe { sys::bf_file_resize(file.into(), bytes) }).map(|_| ())
}

/// Returns when what was written is on the disk.
///
/// # Errors
/// 9 not open, 5 the disk failed.
pub fn file_sync(file: i32) -> Result<(), FileError> {
    // SAFETY: takes any handle.
    check(unsafe { sys::bf_file_sync(file.into()) }).map(|_| ())
}

/// Takes a file or an empty folder away.
///
/// # Errors
/// 2 no such file, 13 it is open, 39 the folder is not empty, 30 the volume cannot be written to, 5 the disk failed.
pub fn file_remove(path: &str) -> Result<(), FileError> {
    // SAFETY: the pointer and length are of one slice.
    check(unsafe { sys::bf_file_remove(path.as_ptr(), path.len()) }).map(|_| ())
}

/// Gives a file or folder another name or place; a file of that name is replaced.
///
/// # Errors
/// 2 no such file or folder, 13 a file is open, 22 a folder into itself, 28 no room, 30 the volume cannot be written to, 5
/// the disk failed.
pub fn file_rename(from: &str, to: &str) -> Result<(), FileError> {
    let (a, b) = (from.as_bytes(), to.as_bytes());
    // SAFETY: pointers and lengths are of one slice each.
    let renamed = unsafe { sys::bf_file_rename(a.as_ptr(), a.len(), b.as_ptr(), b.len()) };
    check(renamed).map(|_| ())
}

/// Makes a folder.
///
/// # Errors
/// 2 its own folder is not there, 17 there is something by this name, 28 no room, 30 the volume cannot be written to.
pub fn folder_create(path: &str) -> Result<(), FileError> {
    // SAFETY: the pointer and length are of one slice.
    check(unsafe { sys::bf_folder_create(path.as_ptr(), path.len()) }).map(|_| ())
}

/// Names in a folder, sorted; those of folders end with `/`.
///
/// # Errors
/// 2 no such folder, 20 it is a file, 5 the disk failed.
pub fn file_list(path: &str) -> Result<Vec<String>, FileError> {
    let mut names = Vec::new();
    loop {
        let room = names.len();
        // SAFETY: pointers and lengths are of one slice each.
        let needed = check(unsafe {
            sys::bf_folder_list(path.as_ptr(), path.len(), names.as_mut_ptr(), room)
        })? as usize;
        if needed <= room {
            names.truncate(needed);
            break;
        }
        // Files may be added in between: look again.
        names.resize(needed, 0);
    }
    let mut list: Vec<String> = names
        .split(|b| *b == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    list.sort();
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    fn errno<T>(result: Result<T, FileError>) -> i64 {
        result.map_or_else(|e| e.errno, |_| 0)
    }

    #[test]
    fn positions_move_and_errors_are_numbers() {
        let folder = std::env::temp_dir().join(std::format!("guest-files-{}", std::process::id()));
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let folder_path = folder.to_str().unwrap();
        folder_create(folder_path).unwrap();
        assert_eq!(errno(folder_create(folder_path)), 17);
        let file = file_open(&path("a"), FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE).unwrap();
        assert_eq!(file_write(file, b"hello"), Ok(5));
        assert_eq!(file_seek(file, -2, Seek::Current), Ok(3));
        assert_eq!(
            file_seek(file, -1, Seek::Start).map_err(|e| e.errno),
            Err(22)
        );
        assert_eq!(
            file_seek(file, i64::MAX, Seek::End).map_err(|e| e.errno),
            Err(22)
        );
        let mut buffer = [0; 8];
        assert_eq!(file_read(file, &mut buffer), Ok(2));
        assert_eq!(&buffer[..2], b"lo");
        file_resize(file, 1).unwrap();
        assert_eq!(
            (file_size(file), file_read(file, &mut buffer)),
            (Ok(1), Ok(0))
        );
        file_sync(file).unwrap();
        file_close(file).unwrap();
        assert_eq!(errno(file_close(file)), 9);
        assert_eq!(errno(file_read(-1, &mut buffer)), 9);
        assert_eq!(errno(file_read(1 << 20, &mut buffer)), 9);
        folder_create(&path("b")).unwrap();
        assert_eq!(file_list(folder_path).unwrap(), ["a", "b/"]);
        assert_eq!(errno(file_open(&path("a"), FILE_CREATE)), 22);
        assert_eq!(errno(file_open(&path("b"), FILE_READ)), 21);
        file_rename(&path("a"), &path("c")).unwrap();
        assert_eq!(errno(file_remove(&path("a"))), 2);
        file_remove(&path("c")).unwrap();
        file_remove(&path("b")).unwrap();
        file_remove(folder_path).unwrap();
        assert_eq!(errno(file_list(folder_path)), 2);
    }
}
