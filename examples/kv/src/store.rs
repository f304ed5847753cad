//! The store: all pairs in memory, each change at the end of a log before it is acknowledged.
//!
//! When most of the log is what was overwritten since, a new one is written beside it and put in its place:
//!
//! ```text
//!   write /kv.new -> on the disk -> /kv.new takes the name /kv.log
//! ```
//!
//! A power cut before the last step leaves the old log, and a new one that is thrown away; a cut within it, when the old log has
//! lost its name already, leaves the new one alone, which is whole then and takes the name at the next start.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use guest::file::FileError;
use guest::runtime::{
    FILE_CREATE, FILE_READ, FILE_TRUNCATE, FILE_WRITE, Seek, file_close, file_open, file_read,
    file_remove, file_rename, file_resize, file_seek, file_size, file_sync, file_write, random_u64,
};

use crate::log::{self, Contents, KEY_MAX, Pairs, VALUE_MAX};

const LOG: &str = "/kv.log";
const NEW: &str = "/kv.new";
const NO_SUCH_FILE: i64 = 2;
/// A log below this size is left as it is, in bytes.
const SMALL: usize = 64 << 10;

/// Why something was not stored.
#[derive(Debug)]
pub enum StoreError {
    /// The volume refused.
    File {
        doing: &'static str,
        error: FileError,
    },
    /// `/kv.log` is something else.
    NoLog,
    /// More bytes than a key or a value may have.
    TooLong {
        what: &'static str,
        bytes: usize,
        most: usize,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::File { doing, error } => write!(f, "{doing}: error {}", error.errno),
            StoreError::NoLog => write!(f, "{LOG} is no log of this program: move it away"),
            StoreError::TooLong { what, bytes, most } => {
                write!(
                    f,
                    "the {what} has {bytes} bytes, at most {most} are allowed"
                )
            }
        }
    }
}

impl core::error::Error for StoreError {}

fn doing(doing: &'static str) -> impl Fn(FileError) -> StoreError {
    move |error| StoreError::File { doing, error }
}

/// The pairs and the open log.
pub struct Store {
    pairs: Pairs,
    file: i32,
    id: u32,
    /// Where the next record goes, in bytes.
    end: usize,
    /// Bytes behind the last whole record that the start found and threw away.
    pub discarded: usize,
}

impl Store {
    /// Opens the log, or begins one.
    ///
    /// # Errors
    /// What the volume refused, or that the file is no log.
    pub fn open() -> Result<Store, StoreError> {
        let bytes = match whole_file(LOG) {
            // The cut was while the new log took the old one's name.
            Err(error) if error.errno == NO_SUCH_FILE => match file_rename(NEW, LOG) {
                Ok(()) => whole_file(LOG).map_err(doing("reading the log"))?,
                Err(_) => Vec::new(),
            },
            result => result.map_err(doing("reading the log"))?,
        };
        // A new log that never got its name; usually there is none.
        let _ = file_remove(NEW);
        match log::read(&bytes) {
            Some(Contents { id, pairs, end }) => {
                let file = file_open(LOG, FILE_WRITE).map_err(doing("opening the log"))?;
                let discarded = bytes.len() - end;
                if discarded > 0 {
                    let cut = file_resize(file, end as u64).and_then(|()| file_sync(file));
                    cut.map_err(doing("cutting the log"))?;
                }
                file_seek(file, 0, Seek::End).map_err(doing("finding the log's end"))?;
                Ok(Store {
                    pairs,
                    file,
                    id,
                    end,
                    discarded,
                })
            }
            // A cut before the head of the first log was on the disk leaves its beginning or zeroes.
            None if bytes.len() <= 8 => Self::begin(Pairs::new(), LOG),
            None => Err(StoreError::NoLog),
        }
    }

    /// Writes a log that says just this.
    fn begin(pairs: Pairs, path: &str) -> Result<Store, StoreError> {
        let file = file_open(path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE)
            .map_err(doing("making a log"))?;
        let id = random_u64() as u32;
        let mut bytes = log::head(id);
        for (key, value) in &pairs {
            bytes.extend(log::record(id, bytes.len(), key, Some(value)));
        }
        let written = file_write(file, &bytes).and_then(|_| file_sync(file));
        written.map_err(doing("writing a log"))?;
        Ok(Store {
            pairs,
            file,
            id,
            end: bytes.len(),
            discarded: 0,
        })
    }

    /// Everything that is stored, by key.
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// Bytes of the log.
    pub fn log_bytes(&self) -> usize {
        self.end
    }

    /// Stores a value, or deletes a key with `None`. When this returns it is on the disk.
    ///
    /// # Errors
    /// The store says what it said before, now and after a power cut.
    pub fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        let limits = [
            ("key", key.len(), KEY_MAX),
            ("value", value.map_or(0, <[u8]>::len), VALUE_MAX),
        ];
        if let Some((what, bytes, most)) = limits.into_iter().find(|(_, bytes, most)| bytes > most)
        {
            return Err(StoreError::TooLong { what, bytes, most });
        }
        let record = log::record(self.id, self.end, key, value);
        if let Err(error) = file_write(self.file, &record).and_then(|_| file_sync(self.file)) {
            // What was written of it must not stay before the next record.
            let _ = file_resize(self.file, self.end as u64);
            let _ = file_seek(self.file, self.end as i64, Seek::Start);
            return Err(doing("writing")(error));
        }
        self.end += record.len();
        match value {
            Some(value) => self.pairs.insert(key.to_vec(), value.to_vec()),
            None => self.pairs.remove(key),
        };
        let live: usize = self
            .pairs
            .iter()
            .map(|(key, value)| key.len() + value.len() + 10)
            .sum();
        if self.end > SMALL.max(4 * live) {
            self.compact()?;
        }
        Ok(())
    }

    /// Replaces the log by one without what was overwritten.
    fn compact(&mut self) -> Result<(), StoreError> {
        let new = Self::begin(self.pairs.clone(), NEW)?;
        // A file that is open keeps its name.
        for file in [new.file, self.file] {
            file_close(file).map_err(doing("closing a log"))?;
        }
        file_rename(NEW, LOG).map_err(doing("replacing the log"))?;
        *self = Self::open()?;
        Ok(())
    }
}

fn whole_file(path: &str) -> Result<Vec<u8>, FileError> {
    let file = file_open(path, FILE_READ)?;
    let mut bytes = vec![0; file_size(file)? as usize];
    let length = file_read(file, &mut bytes)?;
    bytes.truncate(length);
    file_close(file)?;
    Ok(bytes)
}
