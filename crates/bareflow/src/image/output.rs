//! A file that appears under its name when it is complete, or never.
//!
//! On Linux file systems that can, it has no name until then (`O_TMPFILE`) and vanishes with the program, whatever ends
//! it; elsewhere it is a hidden file beside the target that is removed on every way out but a kill.

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

pub enum Output {
    Nameless(File),
    Hidden(NamedTempFile),
}

/// The folder a path lies in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

impl Output {
    /// A file in the folder of `target`, open for reading and writing.
    pub fn create(target: &Path) -> io::Result<Self> {
        let folder = folder(target);
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(folder, flags, Mode::from_raw_mode(0o666)) {
            Ok(fd) => Ok(Self::Nameless(File::from(fd))),
            // What a file system says that cannot do it differs; a real problem shows again here.
            Err(_) => NamedTempFile::new_in(folder).map(Self::Hidden),
        }
    }

    /// The file.
    pub fn file(&self) -> &File {
        match self {
            Self::Nameless(file) => file,
            Self::Hidden(file) => file.as_file(),
        }
    }

    /// Syncs the file and puts it in the place of what is at `target`, in one step.
    pub fn persist(self, target: &Path) -> io::Result<()> {
        self.file().sync_all()?;
        match self {
            Self::Hidden(file) => {
                file.persist(target).map_err(|e| e.error)?;
            }
            Self::Nameless(file) => {
                // A link cannot replace a file, a rename can: two steps, of which the second is the one that counts.
                let temporary = hidden_name(target);
                let by_number = format!("/proc/self/fd/{}", file.as_raw_fd());
                rustix::fs::linkat(CWD, by_number, CWD, &temporary, AtFlags::SYMLINK_FOLLOW)?;
                std::fs::rename(&temporary, target).inspect_err(|_| {
                    // The error of the rename is the one to report.
                    let _ = std::fs::remove_file(&temporary);
                })?;
            }
        }
        Ok(())
    }
}

/// A name beside `target` that nothing else has.
fn hidden_name(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    (0..)
        .map(|i| folder(target).join(format!(".{name}.{}.{i}", std::process::id())))
        .find(|path| !path.exists())
        .unwrap_or_else(|| target.with_extension("partial"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn nothing_is_left_unless_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("app.img");
        std::fs::write(&target, "old").unwrap();
        let mut output = Output::create(&target).unwrap();
        write!(output.file(), "half").unwrap();
        drop(output);
        assert_eq!(names(dir.path()), ["app.img"]);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "old");
        output = Output::create(&target).unwrap();
        write!(output.file(), "whole").unwrap();
        output.persist(&target).unwrap();
        assert_eq!(names(dir.path()), ["app.img"]);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "whole");
        let hidden = Output::Hidden(NamedTempFile::new_in(dir.path()).unwrap());
        write!(hidden.file(), "other").unwrap();
        hidden.persist(&target).unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "other");
        assert_eq!(names(dir.path()), ["app.img"]);
    }
}
