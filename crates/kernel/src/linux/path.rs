//! Paths: absolute, without `.` and `..`, from what the program says.

use super::errno::Errno;
use super::{Answer, file};
use crate::memory::user;
use crate::sync::Mutex;
use alloc::string::String;
use alloc::vec::Vec;

/// Longest path in bytes (PATH_MAX).
const LONGEST: usize = 4096;

/// Working directory; empty means `/`.
static WORKING: Mutex<String> = Mutex::new(String::new());

/// Joins a path to a directory and resolves `.` and `..`. The result starts with `/`.
fn normalise(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let from = if path.starts_with('/') { "" } else { directory };
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut whole = String::from("/");
    whole.push_str(&parts.join("/"));
    whole
}

/// The absolute path for a text at a user address, relative to an open directory or the working directory.
///
/// # Errors
/// FAULT, NAMETOOLONG, INVAL (not UTF-8), NOENT (empty), BADF, NOTDIR.
pub fn resolve(directory: i32, at: usize) -> Result<String, Errno> {
    let path = user::text(at, LONGEST)?;
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    resolve_text(directory, &path)
}

/// As [`resolve`], for a text of the kernel's.
pub fn resolve_text(directory: i32, path: &str) -> Result<String, Errno> {
    if path.starts_with('/') || directory == file::AT_FDCWD {
        return Ok(normalise(&WORKING.lock(), path));
    }
    let base = file::get(directory)?
        .directory_path()
        .ok_or(Errno::NOTDIR)?;
    Ok(normalise(&base, path))
}

pub fn getcwd(at: usize, bytes: usize) -> Answer {
    let working = WORKING.lock().clone();
    let working = if working.is_empty() { "/" } else { &working };
    if working.len() + 1 > bytes {
        return Err(Errno::RANGE);
    }
    let out = user::bytes_mut(at, working.len() + 1)?;
    out[..working.len()].copy_from_slice(working.as_bytes());
    out[working.len()] = 0;
    Ok(working.len() + 1)
}

pub fn chdir(at: usize) -> Answer {
    let path = resolve(file::AT_FDCWD, at)?;
    if !file::with_volume(|volume| Ok(volume.metadata(&path)?.is_directory))? {
        return Err(Errno::NOTDIR);
    }
    *WORKING.lock() = path;
    Ok(0)
}
