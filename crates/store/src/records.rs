//! The record store: versions of things that are kept from boot to boot, safe from power cuts.
//!
//! A record is a payload of bytes under a kind and a key ([`formats::record`] defines the layout on the disk). Writing one never touches
//! the newest one of any key:
//!
//! ```text
//!   put: payload to free blocks -> flush -> header into a free sector -> flush -> acknowledged
//! ```
//!
//! Until the header is there, nothing refers to the payload; a header is one sector with a checksum, so it is there or not. Older
//! generations of a key stay as long as there is room. When there is none, the oldest of them goes, whichever key it is of: its
//! blocks and its header sector are free from then on, without a write of their own. So a header may outlive its payload; it is
//! told from a valid one because a header of a higher generation claims the same blocks, or because the payload's
//! checksum is wrong.
//!
//! # Invariants
//!
//! 1. The newest whole record of each key is never written over: not its blocks, not its header.
//! 2. Before an older generation goes, the newest of its key is known to be whole: written by this program, or read and compared.
//! 3. A removed key stays removed: its older headers are gone from the disk before the newest one is cleared.
//! 4. After a failed write or flush nothing is written any more until the store is opened again.
//!
//! The number of keys must be bounded by those who use the store: records that nobody replaces are never given up. Payloads are
//! held in memory whole.

mod error;
mod space;
#[cfg(test)]
mod tests;

pub use crate::area::{Area, AreaError, BlockArea, MemoryArea, VolumeArea};
#[cfg(feature = "std")]
pub use crate::area::{FileArea, OpenError};
pub use error::RecordError;
pub use formats::record::kind;

use crate::block::SECTOR;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;
use formats::checksum::checksum;
use formats::record::{Extent, HEADER_BYTES, Header, HeaderError, Layout};
use space::Space;

/// A record that was read and found whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is about: see [`kind`].
    pub kind: u16,
    /// Which one of its kind.
    pub key: u64,
    /// Larger than that of any record before it.
    pub generation: u64,
    /// What was put.
    pub payload: Vec<u8>,
}

/// What a header says, and whether it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// What it is about: see [`kind`].
    pub kind: u16,
    /// Which one of its kind.
    pub key: u64,
    /// Larger than that of any record before it.
    pub generation: u64,
    /// Size of the payload in bytes.
    pub bytes: u64,
    /// Checksum of the payload.
    pub checksum: u64,
    /// Whether it can be read.
    pub state: State,
}

/// Whether a record can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The newest one of its key.
    Newest,
    /// There is a newer one; this one goes when room is needed.
    Old,
    /// Its room was given to the record of this generation.
    Overwritten {
        /// That record.
        by: u64,
    },
    /// The payload does not have its checksum.
    Damaged {
        /// Checksum of what was found.
        found: u64,
    },
}

impl State {
    /// True if nothing speaks against the payload.
    pub fn is_valid(self) -> bool {
        matches!(self, Self::Newest | Self::Old)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => write!(f, "newest"),
            Self::Old => write!(f, "old"),
            Self::Overwritten { by } => write!(f, "its room went to generation {by}"),
            Self::Damaged { found } => write!(f, "damaged: checksum {found:016x} found"),
        }
    }
}

/// Room of a store, in bytes of payload blocks and in headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// All there is for payloads.
    pub capacity: u64,
    /// Held by the newest records of all keys.
    pub newest: u64,
    /// Held by older generations, and given up when room is needed.
    pub old: u64,
    /// Most records there can be.
    pub headers: u32,
    /// Records there are, old ones included.
    pub records: u32,
}

impl Usage {
    /// Bytes that no record holds.
    pub fn free(&self) -> u64 {
        self.capacity - self.newest - self.old
    }
}

/// A header on the disk.
struct Entry {
    header: Header,
    state: State,
    /// The payload was compared with its checksum, or was written by this program.
    verified: bool,
    /// Given up for the record that is being put.
    dropped: bool,
}

/// What a header sector holds.
enum Place {
    Free,
    /// Something that is no header; it is as good as free.
    Bad(HeaderError),
    Record(Entry),
}

/// An open store.
pub struct Records<A> {
    area: A,
    layout: Layout,
    places: Vec<Place>,
    failed: bool,
}

impl<A: Area> Records<A> {
    /// Opens the store in `area`; an area of zeroes is an empty one. Reads the headers, writes nothing.
    ///
    /// # Errors
    /// [`RecordError::Layout`] for an area that is too small, [`RecordError::Area`]. A header or record that is damaged is no
    /// error: it is not there.
    pub fn open(mut area: A) -> Result<Self, RecordError> {
        let layout = Layout::of(area.bytes())?;
        let mut bytes = alloc::vec![0; layout.headers as usize * HEADER_BYTES];
        area.read_at(0, &mut bytes)?;
        let mut generations = BTreeSet::new();
        let mut places = Vec::with_capacity(layout.headers as usize);
        for sector in bytes.as_chunks::<HEADER_BYTES>().0 {
            places.push(match Header::parse(sector, &layout) {
                Ok(header) if generations.insert(header.generation) => Place::Record(Entry {
                    header,
                    state: State::Newest,
                    verified: false,
                    dropped: false,
                }),
                // Generations are given out once: a copy of a header is none.
                Ok(_) => Place::Bad(HeaderError::Field {
                    field: "the generation, which another record has,",
                }),
                Err(HeaderError::Free) => Place::Free,
                Err(error) => Place::Bad(error),
            });
        }
        let mut records = Self {
            area,
            layout,
            places,
            failed: false,
        };
        records.judge();
        Ok(records)
    }

    /// The newest whole record of a key. Damaged ones are skipped, and are told of by [`list`](Self::list) from then on.
    ///
    /// # Errors
    /// [`RecordError::Area`] if the disk fails.
    pub fn latest(&mut self, kind: u16, key: u64) -> Result<Option<Record>, RecordError> {
        while let Some(place) = self.newest(kind, key) {
            if let Some(record) = self.read_place(place)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The record of a generation, old ones too; `None` if there is none or it is damaged.
    ///
    /// # Errors
    /// [`RecordError::Area`] if the disk fails.
    pub fn get(&mut self, generation: u64) -> Result<Option<Record>, RecordError> {
        let found = self
            .entries()
            .find(|(_, e)| e.header.generation == generation && e.state.is_valid());
        match found.map(|(place, _)| place) {
            Some(place) => self.read_place(place),
            None => Ok(None),
        }
    }

    /// Keeps `payload` as the newest record of a key, and gives its generation. When this returns, the record is safe from
    /// a power cut. Older generations, of any key, go if room is needed.
    ///
    /// # Errors
    /// [`RecordError::NoRoom`] and [`RecordError::NoHeader`] if there is not enough besides the newest records of all keys (that of this
    /// key included: it is needed until the new one is there), and nothing is changed then; [`RecordError::Area`] if
    /// the disk fails, [`RecordError::Failed`] if it failed before.
    pub fn put(&mut self, kind: u16, key: u64, payload: &[u8]) -> Result<u64, RecordError> {
        self.check_alive()?;
        let chosen = self.make_room(payload.len() as u64);
        // What was dropped and is not written over stays what it is.
        for place in &mut self.places {
            if let Place::Record(entry) = place {
                entry.dropped = false;
            }
        }
        let (place, extents) = chosen?;
        let generation = self.next_generation()?;
        // Until the new header is there, memory and disk may differ.
        self.failed = true;
        let header = Header {
            kind,
            key,
            generation,
            bytes: payload.len() as u64,
            checksum: checksum(payload),
            extents,
        };
        let mut rest = payload;
        for extent in &header.extents {
            let bytes = extent.count as usize * formats::record::BLOCK_BYTES as usize;
            let (now, later) = rest.split_at(rest.len().min(bytes));
            self.write_padded(self.layout.block_at(extent.block), now)?;
            rest = later;
        }
        if !payload.is_empty() {
            self.area.flush()?;
        }
        let sector = header.encode(&self.layout);
        self.area
            .write_at(self.layout.header_at(place as u32), &sector)?;
        self.area.flush()?;
        self.failed = false;
        self.places[place] = Place::Record(Entry {
            header,
            state: State::Newest,
            verified: true,
            dropped: false,
        });
        self.judge();
        Ok(generation)
    }

    /// Forgets all generations of a key; false if there were none. When this returns, that is safe from a power cut.
    ///
    /// # Errors
    /// [`RecordError::Area`] if the disk fails, [`RecordError::Failed`] if it failed before.
    pub fn remove(&mut self, kind: u16, key: u64) -> Result<bool, RecordError> {
        self.check_alive()?;
        let mut headers: Vec<(u64, usize)> = self
            .entries()
            .filter(|(_, e)| (e.header.kind, e.header.key) == (kind, key))
            .map(|(place, e)| (e.header.generation, place))
            .collect();
        headers.sort_unstable();
        let Some((newest, older)) = headers.split_last() else {
            return Ok(false);
        };
        self.failed = true;
        // The newest one last: without it, an older one would be it.
        for group in [older, core::slice::from_ref(newest)] {
            for (_, place) in group {
                let at = self.layout.header_at(*place as u32);
                self.area.write_at(at, &[0; HEADER_BYTES])?;
            }
            if !group.is_empty() {
                self.area.flush()?;
            }
        }
        self.failed = false;
        for (_, place) in headers {
            self.places[place] = Place::Free;
        }
        self.judge();
        Ok(true)
    }

    /// What the headers say, by kind, key and generation, the newest first. Payloads are compared with their checksums only after
    /// [`verify`](Self::verify).
    pub fn list(&self) -> Vec<Info> {
        let mut list: Vec<Info> = self
            .entries()
            .map(|(_, entry)| Info {
                kind: entry.header.kind,
                key: entry.header.key,
                generation: entry.header.generation,
                bytes: entry.header.bytes,
                checksum: entry.header.checksum,
                state: entry.state,
            })
            .collect();
        list.sort_by_key(|i| (i.kind, i.key, core::cmp::Reverse(i.generation)));
        list
    }

    /// Header sectors that hold something which is no header, with their numbers.
    pub fn bad_headers(&self) -> impl Iterator<Item = (usize, &HeaderError)> {
        self.places
            .iter()
            .enumerate()
            .filter_map(|(i, place)| match place {
                Place::Bad(error) => Some((i, error)),
                _ => None,
            })
    }

    /// Compares all payloads with their checksums.
    ///
    /// # Errors
    /// [`RecordError::Area`] if the disk fails.
    pub fn verify(&mut self) -> Result<(), RecordError> {
        loop {
            let open = self
                .entries()
                .find(|(_, e)| e.state.is_valid() && !e.verified);
            match open.map(|(place, _)| place) {
                Some(place) => _ = self.read_place(place)?,
                None => return Ok(()),
            }
        }
    }

    /// How much room there is and who holds it.
    pub fn usage(&self) -> Usage {
        let block = formats::record::BLOCK_BYTES;
        let mut usage = Usage {
            capacity: u64::from(self.layout.blocks) * block,
            newest: 0,
            old: 0,
            headers: self.layout.headers,
            records: 0,
        };
        for (_, entry) in self.entries().filter(|(_, e)| e.state.is_valid()) {
            let bytes = entry.header.bytes.next_multiple_of(block);
            match entry.state {
                State::Newest => usage.newest += bytes,
                _ => usage.old += bytes,
            }
            usage.records += 1;
        }
        usage
    }

    /// The area, for its next user.
    pub fn into_inner(self) -> A {
        self.area
    }

    fn check_alive(&self) -> Result<(), RecordError> {
        match self.failed {
            true => Err(RecordError::Failed),
            false => Ok(()),
        }
    }

    fn entries(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.places
            .iter()
            .enumerate()
            .filter_map(|(i, place)| match place {
                Place::Record(entry) => Some((i, entry)),
                _ => None,
            })
    }

    fn next_generation(&self) -> Result<u64, RecordError> {
        let last = self.entries().map(|(_, e)| e.header.generation).max();
        match last.unwrap_or(0).checked_add(1) {
            Some(next) if next < u64::MAX => Ok(next),
            _ => Err(RecordError::Failed),
        }
    }

    fn newest(&self, kind: u16, key: u64) -> Option<usize> {
        let is_it =
            |e: &Entry| (e.header.kind, e.header.key) == (kind, key) && e.state == State::Newest;
        self.entries()
            .find(|(_, e)| is_it(e))
            .map(|(place, _)| place)
    }

    /// Decides anew which records there are: from the highest generation down, each takes its blocks unless one of them is taken.
    fn judge(&mut self) {
        let mut order: Vec<(u64, usize)> = self
            .entries()
            .map(|(i, e)| (e.header.generation, i))
            .collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        let mut space = Space::new(&self.layout);
        let mut keys = BTreeSet::new();
        for (generation, index) in order {
            let Place::Record(entry) = &mut self.places[index] else {
                continue;
            };
            let owner = space.owner_of(&entry.header.extents);
            if matches!(entry.state, State::Damaged { .. }) {
                // What it was written over is gone all the same: that does not depend on what has been read so far.
                if owner.is_none() {
                    space.take(&entry.header.extents, generation);
                }
                continue;
            }
            entry.state = match owner {
                Some(by) => {
                    entry.verified = false;
                    State::Overwritten { by }
                }
                None => {
                    space.take(&entry.header.extents, generation);
                    match keys.insert((entry.header.kind, entry.header.key)) {
                        true => State::Newest,
                        false => State::Old,
                    }
                }
            };
        }
    }

    /// Reads a payload. If it is damaged, the record is marked and those of its key move up.
    fn read_place(&mut self, place: usize) -> Result<Option<Record>, RecordError> {
        let Place::Record(entry) = &mut self.places[place] else {
            return Ok(None);
        };
        let header = &entry.header;
        // Bounded by the area: the header was checked.
        let mut payload = alloc::vec![0; header.bytes as usize];
        let mut rest = payload.as_mut_slice();
        for extent in &header.extents {
            let bytes = extent.count as usize * formats::record::BLOCK_BYTES as usize;
            let (now, later) = rest.split_at_mut(rest.len().min(bytes));
            self.area.read_at(self.layout.block_at(extent.block), now)?;
            rest = later;
        }
        let found = checksum(&payload);
        if found != header.checksum {
            entry.state = State::Damaged { found };
            self.judge();
            return Ok(None);
        }
        entry.verified = true;
        Ok(Some(Record {
            kind: header.kind,
            key: header.key,
            generation: header.generation,
            payload,
        }))
    }

    /// Writes bytes, and zeroes to the end of their last sector.
    fn write_padded(&mut self, offset: u64, bytes: &[u8]) -> Result<(), AreaError> {
        let (whole, rest) = bytes.split_at(bytes.len() / SECTOR * SECTOR);
        if !whole.is_empty() {
            self.area.write_at(offset, whole)?;
        }
        if !rest.is_empty() {
            let mut sector = [0; SECTOR];
            sector[..rest.len()].copy_from_slice(rest);
            self.area.write_at(offset + whole.len() as u64, &sector)?;
        }
        Ok(())
    }

    /// Finds a header sector and blocks for `bytes`, dropping the oldest old records until there are enough. Writes nothing.
    fn make_room(&mut self, bytes: u64) -> Result<(usize, Vec<Extent>), RecordError> {
        let needed = bytes.div_ceil(formats::record::BLOCK_BYTES);
        loop {
            let mut space = Space::new(&self.layout);
            let mut newest_blocks = 0;
            for (_, e) in self.entries().filter(|(_, e)| e.is_kept()) {
                space.take(&e.header.extents, e.header.generation);
                if e.state == State::Newest {
                    newest_blocks += e.header.bytes.div_ceil(formats::record::BLOCK_BYTES);
                }
            }
            let no_room = RecordError::NoRoom {
                needed: bytes,
                available: (u64::from(self.layout.blocks) - newest_blocks)
                    * formats::record::BLOCK_BYTES,
            };
            if needed > u64::from(self.layout.blocks) - newest_blocks {
                return Err(no_room);
            }
            let place = self.free_place();
            let extents = space.allocate(needed);
            match (place, extents) {
                (Some(place), Some(extents)) => return Ok((place, extents)),
                (place, _) => {
                    if !self.drop_oldest()? {
                        return Err(match place {
                            None => RecordError::NoHeader {
                                records: self.layout.headers,
                            },
                            Some(_) => no_room,
                        });
                    }
                }
            }
        }
    }

    /// A header sector that may be written: free, bad, or of a record that is gone; in this order.
    fn free_place(&self) -> Option<usize> {
        let rank = |place: &Place| match place {
            Place::Free => Some(0),
            Place::Bad(_) => Some(1),
            Place::Record(entry) if !entry.is_kept() => Some(2),
            Place::Record(_) => None,
        };
        let ranked = self.places.iter().enumerate();
        let ranked = ranked.filter_map(|(i, place)| Some((rank(place)?, i)));
        ranked.min().map(|(_, i)| i)
    }

    /// Makes some room: drops the oldest old record, once the newest of its key is known to be whole; if it is not, its own room
    /// is free. False if there is no old record.
    fn drop_oldest(&mut self) -> Result<bool, RecordError> {
        let old = self
            .entries()
            .filter(|(_, e)| e.state == State::Old && !e.dropped)
            .min_by_key(|(_, e)| e.header.generation);
        let Some((place, entry)) = old else {
            return Ok(false);
        };
        let (kind, key) = (entry.header.kind, entry.header.key);
        // There is one: an old record is older than it.
        let Some(newest) = self.newest(kind, key) else {
            return Ok(false);
        };
        let is_verified = matches!(&self.places[newest], Place::Record(e) if e.verified);
        if !is_verified && self.read_place(newest)?.is_none() {
            return Ok(true);
        }
        if let Place::Record(entry) = &mut self.places[place] {
            entry.dropped = true;
        }
        Ok(true)
    }
}

impl Entry {
    /// True if its blocks and its header sector must not be written.
    fn is_kept(&self) -> bool {
        self.state.is_valid() && !self.dropped
    }
}
