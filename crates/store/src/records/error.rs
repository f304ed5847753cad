//! What can go wrong in the record store.

use crate::area::AreaError;
use core::fmt;
use formats::record::HeaderError;

/// Why a record could not be kept or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The area could not be read or written.
    Area(AreaError),
    /// The area cannot hold a store.
    Layout(HeaderError),
    /// Not enough room besides the newest records of all keys. Nothing was changed.
    NoRoom {
        /// Size of the payload in bytes.
        needed: u64,
        /// Bytes that are not held by the newest records.
        available: u64,
    },
    /// As many keys as there are headers. Nothing was changed.
    NoHeader {
        /// Number of headers.
        records: u32,
    },
    /// A write failed before; what is on the disk is known only after it was opened again.
    Failed,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Area(error) => write!(f, "record store: {error}"),
            Self::Layout(error) => error.fmt(f),
            Self::NoRoom { needed, available } => write!(
                f,
                "record store: no room for {needed} bytes, {available} available besides the newest records; nothing was lost. Build the image with a larger --store"
            ),
            Self::NoHeader { records } => write!(
                f,
                "record store: all {records} places hold the newest record of a key; nothing was lost. Build the image with a larger --store"
            ),
            Self::Failed => write!(
                f,
                "record store: a write failed before, so nothing is written until the store is opened again"
            ),
        }
    }
}

impl core::error::Error for RecordError {}

impl From<AreaError> for RecordError {
    fn from(error: AreaError) -> Self {
        Self::Area(error)
    }
}

impl From<HeaderError> for RecordError {
    fn from(error: HeaderError) -> Self {
        Self::Layout(error)
    }
}
