//! A buffer as devices see it: runs of physical memory.
//!
//! Devices read and write the caller's own pages; nothing is copied. Pages that happen to lie next to each other in
//! physical memory become one run, so a buffer on 2 MiB pages needs few of them.

use alloc::vec::Vec;

use store::block::SECTOR;

use crate::memory::{DIRECT_MAP, PAGE, paging};

const HUGE_PAGE: usize = 2 << 20;
/// End of the direct map: all that four-level paging can reach physically.
const DIRECT_MAP_END: usize = DIRECT_MAP + (1 << 46);
const WRITABLE: u64 = 1 << 1;

/// Contiguous physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First byte.
    pub phys: u64,
    /// Length, never zero.
    pub bytes: usize,
}

/// A page of the buffer is not mapped, or not writable where the device is to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotMapped;

/// What a device can take in one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Runs.
    pub runs: usize,
    /// Bytes in all.
    pub bytes: usize,
    /// Bytes of one run.
    pub run_bytes: usize,
    /// No run crosses a multiple of this physical address; [`NO_BOUNDARY`] if it may.
    pub boundary: usize,
}

/// Larger than any run.
pub const NO_BOUNDARY: usize = 1 << 62;

/// The runs of a buffer, in order; each can be taken in parts.
pub struct Runs {
    virt: usize,
    left: usize,
    must_write: bool,
    /// Where `virt` leads, if that was looked up: virtual address, physical address, bytes to the end of the page.
    looked_up: Option<(usize, u64, usize)>,
}

impl Runs {
    /// Runs of a buffer that a device fills.
    pub fn to_fill(buffer: &mut [u8]) -> Self {
        Self::new(buffer.as_mut_ptr() as usize, buffer.len(), true)
    }

    /// Runs of a buffer that a device reads.
    pub fn to_send(buffer: &[u8]) -> Self {
        Self::new(buffer.as_ptr() as usize, buffer.len(), false)
    }

    fn new(virt: usize, left: usize, must_write: bool) -> Self {
        Self {
            virt,
            left,
            must_write,
            looked_up: None,
        }
    }

    /// Bytes not yet taken.
    pub fn bytes_left(&self) -> usize {
        self.left
    }

    /// Takes the next part of the buffer, as runs in `out`: as much as `limits` allow, a whole number of sectors. Gives
    /// its length in bytes; 0 at the end of the buffer, or if not even one sector fits the limits.
    ///
    /// # Errors
    /// [`NotMapped`] if the buffer's memory is not what its owner promised.
    pub fn gather(&mut self, limits: &Limits, out: &mut Vec<Run>) -> Result<usize, NotMapped> {
        out.clear();
        let mut bytes = 0;
        while out.len() < limits.runs && bytes < limits.bytes {
            let Some(run) = self.take(limits, limits.bytes - bytes)? else {
                break;
            };
            bytes += run.bytes;
            out.push(run);
        }
        // Runs may end in the middle of a sector, requests must not.
        let mut surplus = bytes % SECTOR;
        bytes -= surplus;
        self.virt -= surplus;
        self.left += surplus;
        while surplus > 0
            && let Some(last) = out.last_mut()
        {
            let back = surplus.min(last.bytes);
            last.bytes -= back;
            surplus -= back;
            if last.bytes == 0 {
                out.pop();
            }
        }
        Ok(bytes)
    }

    /// Takes the next run, at most `bytes` of it; `None` at the end of the buffer.
    fn take(&mut self, limits: &Limits, bytes: usize) -> Result<Option<Run>, NotMapped> {
        if self.left == 0 {
            return Ok(None);
        }
        let phys = self.look_up()?.0;
        let to_boundary = limits.boundary - (phys % limits.boundary as u64) as usize;
        let limit = bytes.min(limits.run_bytes).min(to_boundary);
        let mut run = Run { phys, bytes: 0 };
        while self.left > 0 && run.bytes < limit {
            let (phys, bytes) = self.look_up()?;
            if phys != run.phys + run.bytes as u64 {
                break;
            }
            let bytes = bytes.min(self.left).min(limit - run.bytes);
            run.bytes += bytes;
            self.virt += bytes;
            self.left -= bytes;
        }
        Ok(Some(run))
    }

    /// Physical address of the next byte, and the bytes to the end of its page.
    fn look_up(&mut self) -> Result<(u64, usize), NotMapped> {
        if (DIRECT_MAP..DIRECT_MAP_END).contains(&self.virt) {
            return Ok(((self.virt - DIRECT_MAP) as u64, self.left));
        }
        if let Some((virt, phys, bytes)) = self.looked_up
            && virt == self.virt
        {
            return Ok((phys, bytes));
        }
        let leaf = paging::translate(self.virt).ok_or(NotMapped)?;
        if self.must_write && leaf.flags.bits() & WRITABLE == 0 {
            return Err(NotMapped);
        }
        let page = if leaf.flags.contains(paging::Flags::HUGE) {
            HUGE_PAGE
        } else {
            PAGE
        };
        let bytes = page - self.virt % page;
        self.looked_up = Some((self.virt, leaf.phys, bytes));
        Ok((leaf.phys, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::fake::{map, map_read_only};

    const ANY: Limits = Limits {
        runs: 100,
        bytes: 1 << 30,
        run_bytes: 1 << 30,
        boundary: NO_BOUNDARY,
    };

    fn runs(virt: usize, bytes: usize) -> Runs {
        Runs::new(virt, bytes, true)
    }

    fn run(phys: u64, bytes: usize) -> Run {
        Run { phys, bytes }
    }

    fn gather(runs: &mut Runs, limits: &Limits) -> (usize, Vec<Run>) {
        let mut out = Vec::new();
        let bytes = runs.gather(limits, &mut out).unwrap();
        assert_eq!(bytes, out.iter().map(|run| run.bytes).sum::<usize>());
        (bytes, out)
    }

    #[test]
    fn neighbours_become_one_run() {
        let base = 0x10_0000_0000;
        for (page, phys) in [0x5000, 0x6000, 0x9000, 0x8000].into_iter().enumerate() {
            map(base + page * PAGE, phys);
        }
        let mut all = runs(base + 0x800, 3 * PAGE);
        let expected = [run(0x5800, 0x1800), run(0x9000, 0x1000), run(0x8000, 0x800)];
        assert_eq!(gather(&mut all, &ANY).1, expected);
        assert_eq!((all.bytes_left(), gather(&mut all, &ANY).0), (0, 0));
    }

    #[test]
    fn requests_end_where_sectors_end() {
        let base = 0x11_0000_0000;
        for page in 0..4 {
            map(base + page * PAGE, 0x10_0000 + 0x2000 * page as u64);
        }
        // Two runs of 0xF01 + 0x1000 bytes: 15.5 sectors and a byte.
        let mut all = runs(base + 0xFF, 3 * PAGE);
        let limits = Limits { runs: 2, ..ANY };
        let (bytes, first) = gather(&mut all, &limits);
        assert_eq!(bytes, 15 * SECTOR);
        assert_eq!(first, [run(0x10_00FF, 0xF01), run(0x10_2000, 0xEFF)]);
        let (rest, second) = gather(&mut all, &ANY);
        assert_eq!(second[0], run(0x10_2EFF, 0x101), "goes on where it stopped");
        assert_eq!(bytes + rest, 3 * PAGE);
    }

    #[test]
    fn limits_of_devices_hold() {
        let mut all = runs(DIRECT_MAP + 0x1_F000, 0x4_0000);
        let limits = Limits {
            boundary: 0x1_0000,
            run_bytes: 0x8000,
            bytes: 0x1_A000,
            ..ANY
        };
        let expected = [
            run(0x1_F000, 0x1000),
            run(0x2_0000, 0x8000),
            run(0x2_8000, 0x8000),
            run(0x3_0000, 0x8000),
            run(0x3_8000, 0x1000),
        ];
        assert_eq!(gather(&mut all, &limits).1, expected);
        assert_eq!(all.bytes_left(), 0x4_0000 - 0x1_A000);
    }

    #[test]
    fn a_sector_in_too_many_pieces_gives_nothing_and_loses_nothing() {
        let base = 0x12_0000_0000;
        map(base, 0x7000);
        map(base + PAGE, 0x1000);
        let mut all = runs(base + PAGE - 10, SECTOR);
        assert_eq!(gather(&mut all, &Limits { runs: 1, ..ANY }).0, 0);
        assert_eq!(all.bytes_left(), SECTOR);
        assert_eq!(gather(&mut all, &ANY).0, SECTOR);
    }

    #[test]
    fn memory_that_is_not_there_or_not_writable_is_refused() {
        let base = 0x13_0000_0000;
        map_read_only(base, 0x3000);
        let mut out = Vec::new();
        assert_eq!(runs(base, SECTOR).gather(&ANY, &mut out), Err(NotMapped));
        assert_eq!(
            runs(base + PAGE, SECTOR).gather(&ANY, &mut out),
            Err(NotMapped)
        );
        let mut to_send = Runs::new(base, SECTOR, false);
        assert_eq!(to_send.gather(&ANY, &mut out), Ok(SECTOR));
    }
}
