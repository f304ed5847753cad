//! The boot slot table in its file: read once, written copy by copy.
//!
//! `formats::slots` defines the layout and what a table can do; this keeps track of which copy is the older one, so that a cut
//! write leaves the table as it was.

use crate::area::{Area, AreaError, check_range};
use crate::block::SECTOR;
use core::fmt;
use formats::slots::{FILE_BYTES, Slot, SlotError, Table, next_copy, pick};

/// Why the table cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotFileError {
    /// The area could not be read or written.
    Area(AreaError),
    /// There is no table in it.
    Table(SlotError),
}

impl fmt::Display for SlotFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Area(error) => write!(f, "slot table: {error}"),
            Self::Table(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SlotFileError {}

impl From<AreaError> for SlotFileError {
    fn from(error: AreaError) -> Self {
        Self::Area(error)
    }
}

impl From<SlotError> for SlotFileError {
    fn from(error: SlotError) -> Self {
        Self::Table(error)
    }
}

/// A slot table and where it lies.
pub struct SlotFile<A> {
    area: A,
    table: Table,
    /// The copy that holds the table as it was last read or written.
    current: usize,
}

impl<A: Area> SlotFile<A> {
    /// Reads the table.
    ///
    /// # Errors
    /// [`SlotFileError`]; then only the base image can be started.
    pub fn open(mut area: A) -> Result<Self, SlotFileError> {
        let mut file = [0; FILE_BYTES];
        let bytes = area.bytes();
        if bytes < FILE_BYTES as u64 {
            return Err(SlotFileError::Table(SlotError::Size {
                found: bytes,
                expected: FILE_BYTES as u64,
            }));
        }
        area.read_at(0, &mut file)?;
        let (table, current) = pick(&file)?;
        Ok(Self {
            area,
            table,
            current,
        })
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Changes the table and writes it: when this returns, the change is safe from a power cut. Nothing is written, and the table is
    /// as before, if `change` gives an error.
    ///
    /// # Errors
    /// That of `change`; [`SlotFileError::Area`], and then the table on the disk is the old or the new one.
    pub fn update<R>(
        &mut self,
        change: impl FnOnce(&mut Table) -> Result<R, SlotError>,
    ) -> Result<R, SlotFileError> {
        let mut table = self.table.clone();
        let result = change(&mut table)?;
        let (offset, copy) = next_copy(&mut table, self.current);
        self.area.write_at(offset, &copy)?;
        self.area.flush()?;
        self.current = 1 - self.current;
        self.table = table;
        Ok(result)
    }

    /// Writes the files of a new slot and then puts it into the table; gives its number. `parts` are contents and where they go: all
    /// files that the slot names, and those that belong to them. A table never names a file that is being written: a slot that had
    /// these files is taken out first.
    ///
    /// # Errors
    /// [`AreaError::OutOfRange`] if a content is too large, and nothing is changed then; [`SlotError::Full`]; [`SlotFileError::Area`],
    /// and then the slot is not in the table.
    pub fn install(
        &mut self,
        slot: Slot,
        parts: &mut [(&[u8], &mut dyn Area)],
    ) -> Result<usize, SlotFileError> {
        for (content, area) in parts.iter() {
            let padded = content.len().next_multiple_of(SECTOR);
            check_range(0, padded, area.bytes())?;
        }
        // Full or not is known before anything is written.
        self.table.clone().install(slot)?;
        if let Some(old) = self.table.find(slot.file.path.as_str()) {
            self.update(|table| table.forget(old))?;
        }
        for (content, area) in parts.iter_mut() {
            let (whole, rest) = content.split_at(content.len() / SECTOR * SECTOR);
            if !whole.is_empty() {
                area.write_at(0, whole)?;
            }
            if !rest.is_empty() {
                let mut sector = [0; SECTOR];
                sector[..rest.len()].copy_from_slice(rest);
                area.write_at(whole.len() as u64, &sector)?;
            }
            area.flush()?;
        }
        self.update(|table| table.install(slot))
    }

    /// The area, for its next user.
    pub fn into_inner(self) -> A {
        self.area
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::MemoryArea;
    use formats::slots::{FileRef, Kind, NATIVE_PATHS, Slot, State, new_file};

    fn file() -> MemoryArea {
        let base = FileRef::describe("/boot/runtime.elf", b"runtime").unwrap();
        let table = Table::new(Slot::new(Kind::Base, base));
        MemoryArea::from_bytes(new_file(&table).to_vec())
    }

    #[test]
    fn a_change_is_there_next_time() {
        let mut slots = SlotFile::open(file()).unwrap();
        let native = Slot::new(
            Kind::Native,
            FileRef::describe(NATIVE_PATHS[0], b"native").unwrap(),
        );
        let index = slots.update(|t| t.install(native)).unwrap();
        for tries in [2, 1] {
            slots.update(|t| t.start(index)).unwrap();
            slots = SlotFile::open(slots.into_inner()).unwrap();
            let state = slots.table().slots[index].unwrap().state;
            assert_eq!(state, State::Trial { tries });
        }
        assert_eq!(slots.table().generation, 4);
    }

    #[test]
    fn a_refused_change_writes_nothing() {
        let mut slots = SlotFile::open(file()).unwrap();
        let before = slots.table().clone();
        let error = slots.update(|t| {
            t.slots[0] = None;
            t.forget(5)
        });
        assert_eq!(
            error,
            Err(SlotFileError::Table(SlotError::NoSlot { index: 5 }))
        );
        assert_eq!(slots.table(), &before);
        assert_eq!(slots.into_inner().as_bytes(), file().as_bytes());
    }

    #[test]
    fn an_image_and_its_slot_come_together() {
        let mut slots = SlotFile::open(file()).unwrap();
        let mut native = MemoryArea::new(4096);
        for content in [&b"first"[..], &[7; 1030]] {
            let slot = Slot::new(
                Kind::Native,
                FileRef::describe(NATIVE_PATHS[0], content).unwrap(),
            );
            let index = slots.install(slot, &mut [(content, &mut native)]).unwrap();
            assert_eq!(slots.table().slots[index], Some(slot));
            assert_eq!(&native.as_bytes()[..content.len()], content);
        }
        let before = slots.table().clone();
        let large = [1; 4097];
        let slot = Slot::new(
            Kind::Native,
            FileRef::describe(NATIVE_PATHS[0], &large).unwrap(),
        );
        let error = slots.install(slot, &mut [(&large, &mut native)]);
        assert!(matches!(
            error,
            Err(SlotFileError::Area(AreaError::OutOfRange { .. }))
        ));
        assert_eq!(slots.table(), &before);
        assert_eq!(native.as_bytes()[0], 7);
    }

    #[test]
    fn what_is_no_table_is_told() {
        let error = |area| SlotFile::open(area).err().unwrap();
        assert_eq!(
            error(MemoryArea::new(FILE_BYTES)),
            SlotFileError::Table(SlotError::NoTable)
        );
        assert!(matches!(
            error(MemoryArea::new(512)),
            SlotFileError::Table(SlotError::Size { .. })
        ));
    }
}
