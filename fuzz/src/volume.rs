//! FAT volumes of hostile bytes: everything that can be done with one is done.

use std::collections::BTreeMap;

use store::block::{BlockDevice, BlockError, SECTOR, check_request};
use store::fat::Volume;
use store::partition;

/// Sectors of the disk: enough for a small FAT16 volume.
const SECTORS: u64 = 8192;

/// A disk whose first bytes are the input and whose others are zero until they are written.
struct Disk<'a> {
    start: &'a [u8],
    written: BTreeMap<u64, [u8; SECTOR]>,
}

impl BlockDevice for Disk<'_> {
    fn sector_count(&self) -> u64 {
        SECTORS
    }

    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        check_request(lba, buf.len(), SECTORS)?;
        for (i, sector) in buf.chunks_exact_mut(SECTOR).enumerate() {
            let lba = lba + i as u64;
            sector.fill(0);
            match self.written.get(&lba) {
                Some(bytes) => sector.copy_from_slice(bytes),
                None => {
                    let from = (lba as usize * SECTOR).min(self.start.len());
                    let to = (from + SECTOR).min(self.start.len());
                    sector[..to - from].copy_from_slice(&self.start[from..to]);
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError> {
        check_request(lba, buf.len(), SECTORS)?;
        for (i, sector) in buf.as_chunks::<SECTOR>().0.iter().enumerate() {
            self.written.insert(lba + i as u64, *sector);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}

/// A partition table and a volume. What was sound before it was used is sound afterwards.
pub fn fat(data: &[u8]) {
    let disk = || Disk {
        start: data,
        written: BTreeMap::new(),
    };
    // The error is a fine answer; a panic is not.
    let _ = partition::read_table(&mut disk());
    let Ok(mut v) = Volume::mount(disk()) else {
        return;
    };
    let mut buf = vec![0; 3_000];
    let mut names = Vec::new();
    for folder in ["/", "/DIR"] {
        for entry in v.list(folder).unwrap_or_default() {
            let path = format!("{folder}/{}", entry.name);
            if let Ok(file) = v.open(&path) {
                let _ = v.read_at(&file, 0, &mut buf);
                let _ = v.read_at(&file, 1_111, &mut buf);
                let _ = v.runs(&file);
            }
            names.push(path);
        }
    }
    let sound = v.check().is_ok();
    let _ = v.free_bytes();
    for (i, path) in names.iter().take(6).enumerate() {
        match i % 4 {
            0 => {
                if let Ok(file) = v.open(path) {
                    let _ = v.write_at(&file, 600, &buf);
                    let _ = v.truncate(&file, 10);
                }
            }
            1 => _ = v.rename(path, &format!("/renamed to a long name {i}")),
            2 => _ = v.remove(path),
            _ => _ = v.rename(path, &format!("/DIR/{i}")),
        }
    }
    let _ = v.create_dir("/DIR/another directory");
    if let Ok(file) = v.create("/DIR/a new file") {
        let _ = v.write_at(&file, 0, &buf);
    }
    let _ = v.create_contiguous("/contiguous", 5_000);
    let _ = v.replace("/contiguous", "/DIR/a new file");
    let _ = v.sync();
    if sound {
        let after = v.check();
        assert!(after.is_ok(), "a sound volume was damaged: {after:?}");
    }
}
