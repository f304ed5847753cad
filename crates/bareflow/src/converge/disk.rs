//! What a boot left on the disk: the slot that was started, and the runtime's own figures.

use std::path::Path;

use formats::record::kind;
use formats::slots::{self, Kind, State, Table};
use serde_json::Value;
use store::area::VolumeArea;
use store::records::Records;
use store::slots::SlotFile;

use super::boot::{Boot, TIERS, size};
use crate::Error;
use crate::contents::Contents;

/// What the disk holds after a boot.
#[derive(Debug)]
pub struct Left {
    /// The slot table.
    pub table: Table,
    /// The runtime's log: an array with an object for each boot in which it ran; null if there is none.
    pub log: Value,
}

impl Left {
    /// Reads an image.
    ///
    /// # Errors
    /// It is no image, or one without slots: made by an older BareFlow, or with `--store 0`.
    pub fn read(image: &Path) -> Result<Self, Error> {
        let cannot = |what: &dyn std::fmt::Display| Error::CannotGrow {
            path: image.into(),
            what: what.to_string(),
        };
        let mut contents = Contents::open(image)?;
        let area = VolumeArea::open(contents.volume(), slots::PATH).map_err(|e| cannot(&e))?;
        let table = SlotFile::open(area)
            .map_err(|e| cannot(&e))?
            .table()
            .clone();
        let area =
            VolumeArea::open(contents.volume(), slots::STORE_PATH).map_err(|e| cannot(&e))?;
        let mut records = Records::open(area).map_err(|e| cannot(&e))?;
        let log = records
            .latest(kind::BOOT_LOG, 0)
            .map_err(|e| cannot(&e))?
            .and_then(|record| serde_json::from_slice(&record.payload).ok())
            .unwrap_or(Value::Null);
        Ok(Self { table, log })
    }

    /// The slot that was started last; the base where nothing else was.
    pub fn started(&self) -> Option<&slots::Slot> {
        let index = self.table.started.map_or(0, usize::from);
        self.table.slots.get(index)?.as_ref()
    }

    /// Whether the last boot was native and has proved itself.
    pub fn is_native(&self) -> bool {
        self.started()
            .is_some_and(|s| s.kind == Kind::Native && s.state == State::Success)
    }

    /// Takes over what the disk knows of the boot; `before` is what it held before it.
    pub fn describe(&self, boot: &mut Boot, before: &Self) {
        if let Some(slot) = self.started() {
            boot.slot = slot.kind.name().into();
            boot.image_bytes = slot.file.bytes;
        }
        // Native programs keep no log: what is there belongs to an earlier boot.
        if self.log != before.log {
            let last = self.log.as_array().and_then(|boots| boots.last());
            let log = last.unwrap_or(&Value::Null);
            let number = |name: &str| log[name].as_u64().unwrap_or(0);
            boot.compiles = number("compiles");
            boot.compile_ms = log["compile_ms"].as_f64().unwrap_or(0.0);
            boot.cold_misses = number("cold_misses");
            let counts = log["tiers"].as_array().into_iter().flatten();
            for (tier, count) in TIERS.into_iter().zip(counts) {
                let count = count.as_u64().unwrap_or(0);
                boot.tiers.insert(tier.to_owned(), count);
            }
        }
        boot.events = self.events(before);
    }

    /// How the slots changed.
    fn events(&self, before: &Self) -> Vec<String> {
        let mut events = Vec::new();
        for (index, slot) in self.table.iter() {
            let old = before.table.slots[index];
            let (name, bytes) = (slot.kind.name(), size(slot.file.bytes));
            if old.is_none_or(|old| old.file != slot.file) {
                events.push(format!("wrote slot {index}: {name}, {bytes}"));
            }
            let was = old.map(|old| old.state);
            match slot.state {
                State::Success if was.is_some_and(|s| s != State::Success) => {
                    events.push(format!("slot {index} ({name}) proved itself"));
                }
                State::Abandoned(reason) if was != Some(slot.state) => {
                    events.push(format!("gave up slot {index} ({name}): {reason}"));
                }
                _ => {}
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use formats::slots::{FileRef, NATIVE_PATHS, Reason, Slot};

    use super::*;

    fn left(change: impl FnOnce(&mut Table)) -> Left {
        let base = FileRef::describe(slots::BASE_PATH, &[1; 3000]).unwrap();
        let mut table = Table::new(Slot::new(Kind::Base, base));
        change(&mut table);
        Left {
            table,
            log: Value::Null,
        }
    }

    fn install(table: &mut Table) {
        let file = FileRef::describe(NATIVE_PATHS[0], &[2; 700]).unwrap();
        let index = table.install(Slot::new(Kind::Native, file)).unwrap();
        assert_eq!(index, 1);
    }

    #[test]
    fn a_boot_is_described_by_what_changed() {
        let (fresh, grown) = (left(|_| ()), left(install));
        let mut boot = Boot::default();
        grown.describe(&mut boot, &fresh);
        assert_eq!((boot.slot.as_str(), boot.image_bytes), ("base", 3000));
        assert_eq!(boot.events, ["wrote slot 1: native, 1 KB"]);

        let proved = left(|table| {
            install(table);
            table.start(1).unwrap();
            table.succeed(1).unwrap();
        });
        proved.describe(&mut boot, &grown);
        assert!(proved.is_native() && !grown.is_native());
        assert_eq!(boot.events, ["slot 1 (native) proved itself"]);

        let failed = left(|table| {
            install(table);
            table.abandon(1, Reason::Faulted { vector: 6 }).unwrap();
        });
        failed.describe(&mut boot, &grown);
        assert!(
            boot.events[0].contains("CPU exception 6"),
            "{:?}",
            boot.events
        );
    }

    #[test]
    fn a_log_of_an_earlier_boot_is_not_taken_for_this_ones() {
        let mut before = left(|_| ());
        before.log = serde_json::json!([
            { "compiles": 90 },
            { "compiles": 7, "compile_ms": 12.5, "tiers": [9, 0, 0, 1, 4] },
        ]);
        let mut boot = Boot::default();
        let mut after = left(|_| ());
        after.log = before.log.clone();
        after.describe(&mut boot, &before);
        assert_eq!(boot.compiles, 0);
        before.log = Value::Null;
        after.describe(&mut boot, &before);
        assert_eq!((boot.compiles, boot.tiers["O3"]), (7, 4));
    }
}
