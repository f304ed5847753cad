//! A device that starts as zeroes and leaves out the writing of zeroes.

use store::block::{BlockDevice, BlockError, SECTOR};

/// Sectors of the smallest piece a host keeps apart.
const PAGE_SECTORS: u64 = 8;

/// A device whose zeroes are not written where nothing else ever was.
pub struct SparseDevice<D> {
    device: D,
    /// One bit for each page that was written.
    written: Vec<u64>,
}

impl<D: BlockDevice> SparseDevice<D> {
    /// Wraps a device that holds zeroes only.
    pub fn new(device: D) -> Self {
        let pages = device.sector_count().div_ceil(PAGE_SECTORS);
        Self {
            written: vec![0; pages.div_ceil(64) as usize],
            device,
        }
    }

    fn was_written(&self, page: u64) -> bool {
        self.written[(page / 64) as usize] >> (page % 64) & 1 != 0
    }
}

impl<D: BlockDevice> BlockDevice for SparseDevice<D> {
    fn sector_count(&self) -> u64 {
        self.device.sector_count()
    }

    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.device.read(lba, buf)
    }

    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError> {
        store::block::check_request(lba, buf.len(), self.sector_count())?;
        let end = lba + (buf.len() / SECTOR) as u64;
        // Runs of pages that must be written go out as one request each.
        let mut from = lba;
        let mut at = lba;
        while at < end {
            let page = at / PAGE_SECTORS;
            let next = ((page + 1) * PAGE_SECTORS).min(end);
            let bytes = &buf[(at - lba) as usize * SECTOR..(next - lba) as usize * SECTOR];
            if !self.was_written(page) && bytes.iter().all(|&byte| byte == 0) {
                if from < at {
                    let run = (from - lba) as usize * SECTOR..(at - lba) as usize * SECTOR;
                    self.device.write(from, &buf[run])?;
                }
                from = next;
            } else {
                self.written[(page / 64) as usize] |= 1 << (page % 64);
            }
            at = next;
        }
        if from < end {
            self.device
                .write(from, &buf[(from - lba) as usize * SECTOR..])?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        // The image gets its name only when it is complete, and is synced then.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::block::MemoryDevice;

    #[test]
    fn reads_back_what_was_written_zeroes_included() {
        let mut device = SparseDevice::new(MemoryDevice::new(64));
        device.write(3, &[1; 20 * SECTOR]).unwrap();
        device.write(5, &[0; 6 * SECTOR]).unwrap();
        device.write(30, &[0; 30 * SECTOR]).unwrap();
        let mut all = vec![9; 64 * SECTOR];
        device.read(0, &mut all).unwrap();
        for sector in 0..64 {
            let expected = u8::from((3..23).contains(&sector) && !(5..11).contains(&sector));
            assert!(
                all[sector * SECTOR..][..SECTOR]
                    .iter()
                    .all(|&byte| byte == expected)
            );
        }
        assert!(device.write(63, &[0; 2 * SECTOR]).is_err());
    }
}
