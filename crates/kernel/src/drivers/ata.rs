//! ATA disks: identification, splitting of transfers, bounce buffer.
//!
//! AHCI and IDE differ in how a command reaches the disk; that is a [`Port`]. Data moves between the disk and the
//! caller's pages. Pages that the controller cannot reach (odd addresses, above 4 GiB where it knows 32 bits) go
//! through a bounce buffer.
//!
//! Source: ATA/ATAPI Command Set - 3 (ACS-3), commands and IDENTIFY DEVICE data.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ptr::NonNull;

use store::block::{BlockDevice, BlockError, SECTOR, check_request};

use super::scatter::{Limits, NotMapped, Run, Runs};
use super::{CODE_BROKEN, CODE_NOT_MAPPED};
use crate::memory::PAGE;
use crate::memory::dma::alloc_dma;

/// In word 0 of the identification.
const NOT_ATA: u16 = 1 << 15;
const BOUNCE_PAGES: usize = 32;
const BOUNCE_BYTES: usize = BOUNCE_PAGES * PAGE;

/// What a disk is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Disk to memory.
    Read,
    /// Memory to disk.
    Write,
    /// Cache to medium.
    Flush,
}

/// A command for a disk.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// What to do.
    pub operation: Operation,
    /// First sector.
    pub lba: u64,
    /// Number of sectors, at most [`Port::max_sectors`].
    pub sectors: u32,
    /// 48-bit addresses are used.
    pub is_48_bit: bool,
}

impl Command {
    /// Command code for transfers by DMA.
    pub fn dma_code(&self) -> u8 {
        match (self.operation, self.is_48_bit) {
            (Operation::Read, false) => 0xC8,
            (Operation::Read, true) => 0x25,
            (Operation::Write, false) => 0xCA,
            (Operation::Write, true) => 0x35,
            (Operation::Flush, false) => 0xE7,
            (Operation::Flush, true) => 0xEA,
        }
    }
}

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortError {
    /// The disk said so: its error register.
    Disk(u8),
    /// It did not answer.
    Timeout,
}

/// The way to one disk.
pub trait Port {
    /// What one command can carry.
    fn limits(&self) -> Limits;

    /// Whether the controller can move data to and from this memory.
    fn reaches(&self, run: &Run) -> bool;

    /// Executes a command, with the runs of its data.
    ///
    /// # Errors
    /// [`PortError`]; the port is ready for the next command, or refuses it at once.
    fn execute(&mut self, command: &Command, runs: &[Run]) -> Result<(), PortError>;
}

/// What IDENTIFY DEVICE tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Model name.
    pub model: String,
    /// Sectors of 512 bytes.
    pub sectors: u64,
    /// 48-bit addresses are understood.
    pub is_48_bit: bool,
}

impl Identity {
    /// Reads the 256 words; the reason in words if this is no disk to use.
    pub fn parse(words: &[u16; 256]) -> Result<Self, &'static str> {
        if words[0] & NOT_ATA != 0 {
            return Err("it does not identify itself as an ATA disk");
        }
        let has_lba = words[49] & 1 << 9 != 0;
        let has_dma = words[49] & 1 << 8 != 0;
        if !has_lba || !has_dma {
            return Err("it knows no LBA or no DMA");
        }
        // Words 83 and 106 are valid if bits 15..14 are 01.
        let is_valid = |word: u16| word >> 14 == 1;
        if is_valid(words[106]) && words[106] & 1 << 12 != 0 {
            let logical_words = u32::from(words[117]) | u32::from(words[118]) << 16;
            if logical_words != (SECTOR / 2) as u32 {
                return Err("its sectors are not of 512 bytes");
            }
        }
        let is_48_bit = is_valid(words[83]) && words[83] & 1 << 10 != 0;
        let number = |words: &[u16]| words.iter().rev().fold(0, |n, &w| n << 16 | u64::from(w));
        let sectors = match is_48_bit {
            true => number(&words[100..104]) & ((1 << 48) - 1),
            false => number(&words[60..62]) & ((1 << 28) - 1),
        };
        let model: String = words[27..47]
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .map(|byte| {
                if byte.is_ascii_graphic() {
                    char::from(byte)
                } else {
                    ' '
                }
            })
            .collect();
        let model = String::from(model.trim());
        Ok(Self {
            model,
            sectors,
            is_48_bit,
        })
    }
}

/// Memory that every controller reaches.
struct Bounce {
    phys: u64,
    memory: NonNull<[u8; BOUNCE_BYTES]>,
}

// SAFETY: DMA memory that this value alone owns for ever.
unsafe impl Send for Bounce {}

/// A disk behind a port.
pub struct AtaDisk<P> {
    port: P,
    identity: Identity,
    bounce: Option<Bounce>,
    runs: Vec<Run>,
    /// A command was not answered: the disk is not asked again.
    is_dead: bool,
}

impl<P: Port + Send + 'static> AtaDisk<P> {
    /// A disk that was identified, as a block device.
    pub fn boxed(port: P, identity: Identity) -> Box<dyn BlockDevice + Send> {
        Box::new(Self {
            port,
            identity,
            bounce: None,
            runs: Vec::new(),
            is_dead: false,
        })
    }

    fn execute(&mut self, operation: Operation, lba: u64, bytes: usize) -> Result<(), BlockError> {
        if self.is_dead {
            return Err(BlockError::Timeout { lba });
        }
        let command = Command {
            operation,
            lba,
            sectors: (bytes / SECTOR) as u32,
            is_48_bit: self.identity.is_48_bit,
        };
        self.port
            .execute(&command, &self.runs)
            .map_err(|error| match error {
                PortError::Disk(code) => BlockError::Device {
                    lba,
                    code: u32::from(code),
                },
                PortError::Timeout => {
                    self.is_dead = true;
                    BlockError::Timeout { lba }
                }
            })
    }

    /// Collects the runs of the next command; 0 if it must go through the bounce buffer.
    fn gather(&mut self, lba: u64, mut runs: Runs) -> Result<usize, BlockError> {
        let mut limits = self.port.limits();
        if !self.identity.is_48_bit {
            limits.bytes = limits.bytes.min(256 * SECTOR);
        }
        let bytes =
            runs.gather(&limits, &mut self.runs)
                .map_err(|NotMapped| BlockError::Device {
                    lba,
                    code: CODE_NOT_MAPPED,
                })?;
        let is_reached = self.runs.iter().all(|run| self.port.reaches(run));
        Ok(if is_reached { bytes } else { 0 })
    }

    /// Makes the bounce buffer the only run of the next command.
    fn use_bounce(
        &mut self,
        lba: u64,
        bytes_left: usize,
    ) -> Result<(NonNull<u8>, usize), BlockError> {
        let broken = BlockError::Device {
            lba,
            code: CODE_BROKEN,
        };
        if self.bounce.is_none() {
            let (phys, memory) = alloc_dma(BOUNCE_PAGES).ok_or(broken)?;
            let memory = memory.cast();
            self.bounce = Some(Bounce { phys, memory });
        }
        let bounce = self.bounce.as_ref().ok_or(broken)?;
        let limits = self.port.limits();
        let to_boundary = limits.boundary - (bounce.phys % limits.boundary as u64) as usize;
        let bytes = bytes_left
            .min(BOUNCE_BYTES)
            .min(limits.run_bytes)
            .min(to_boundary);
        let run = Run {
            phys: bounce.phys,
            bytes,
        };
        if !self.port.reaches(&run) {
            return Err(broken);
        }
        self.runs.clear();
        self.runs.push(run);
        Ok((bounce.memory.cast(), bytes))
    }
}

impl<P: Port + Send + 'static> BlockDevice for AtaDisk<P> {
    fn sector_count(&self) -> u64 {
        self.identity.sectors
    }

    fn read(&mut self, lba: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        check_request(lba, buf.len(), self.identity.sectors)?;
        let mut done = 0;
        while done < buf.len() {
            let rest = &mut buf[done..];
            let at = lba + (done / SECTOR) as u64;
            let mut bytes = self.gather(at, Runs::to_fill(rest))?;
            if bytes > 0 {
                self.execute(Operation::Read, at, bytes)?;
            } else {
                let (bounce, bounced) = self.use_bounce(at, rest.len())?;
                self.execute(Operation::Read, at, bounced)?;
                bytes = bounced;
                // SAFETY: (1) `bytes` is within the bounce buffer and within `rest`; (2) the command is over, nobody
                // writes to the buffer.
                unsafe {
                    rest.as_mut_ptr()
                        .copy_from_nonoverlapping(bounce.as_ptr(), bytes)
                };
            }
            done += bytes;
        }
        Ok(())
    }

    fn write(&mut self, lba: u64, buf: &[u8]) -> Result<(), BlockError> {
        check_request(lba, buf.len(), self.identity.sectors)?;
        let mut done = 0;
        while done < buf.len() {
            let rest = &buf[done..];
            let at = lba + (done / SECTOR) as u64;
            let mut bytes = self.gather(at, Runs::to_send(rest))?;
            if bytes == 0 {
                let (bounce, bounced) = self.use_bounce(at, rest.len())?;
                bytes = bounced;
                // SAFETY: (1) `bytes` is within the bounce buffer and within `rest`; (2) no command runs.
                unsafe {
                    bounce
                        .as_ptr()
                        .copy_from_nonoverlapping(rest.as_ptr(), bytes)
                };
            }
            self.execute(Operation::Write, at, bytes)?;
            done += bytes;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.runs.clear();
        self.execute(Operation::Flush, 0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::scatter::NO_BOUNDARY;
    use alloc::sync::Arc;
    use store::block::MemoryDevice;

    fn words() -> [u16; 256] {
        let mut words = [0; 256];
        words[49] = 0x0300;
        words[60..62].copy_from_slice(&[0x5678, 0x1234]);
        words[83] = 0x4400;
        words[100..104].copy_from_slice(&[0x1111, 0x2222, 0x0003, 0]);
        for (word, text) in words[27..47].iter_mut().zip(b"QEMU HARDDISK   ".chunks(2)) {
            *word = u16::from_be_bytes([text[0], text[1]]);
        }
        words
    }

    #[test]
    fn identities() {
        let found = Identity::parse(&words()).unwrap();
        assert_eq!(found.model, "QEMU HARDDISK");
        assert_eq!((found.sectors, found.is_48_bit), (0x3_2222_1111, true));
        let mut small = words();
        small[83] = 0;
        let found = Identity::parse(&small).unwrap();
        assert_eq!((found.sectors, found.is_48_bit), (0x0234_5678, false));
        let mut large_sectors = words();
        large_sectors[106] = 0x5000;
        large_sectors[117] = 2048;
        assert!(Identity::parse(&large_sectors).is_err());
        large_sectors[117] = 256;
        assert!(Identity::parse(&large_sectors).is_ok());
        assert!(Identity::parse(&[0; 256]).is_err());
        assert!(Identity::parse(&[0xFFFF; 256]).is_err());
    }

    /// A disk in memory; physical addresses are those of the test's own memory.
    struct FakePort {
        disk: MemoryDevice,
        seen: Arc<crate::sync::Mutex<Vec<(Operation, u64, u32)>>>,
        reach: u64,
        answer: Result<(), PortError>,
    }

    impl Port for FakePort {
        fn limits(&self) -> Limits {
            Limits {
                runs: 4,
                bytes: 8 * SECTOR,
                run_bytes: 4 * SECTOR,
                boundary: NO_BOUNDARY,
            }
        }

        fn reaches(&self, run: &Run) -> bool {
            run.phys.is_multiple_of(2) && run.phys < self.reach
        }

        fn execute(&mut self, command: &Command, runs: &[Run]) -> Result<(), PortError> {
            self.seen
                .lock()
                .push((command.operation, command.lba, command.sectors));
            self.answer?;
            let bytes: usize = runs.iter().map(|run| run.bytes).sum();
            assert_eq!(bytes, command.sectors as usize * SECTOR);
            let mut lba_bytes = command.lba as usize * SECTOR;
            for run in runs {
                // SAFETY: the addresses are those of live buffers of the test.
                let memory =
                    unsafe { core::slice::from_raw_parts_mut(run.phys as *mut u8, run.bytes) };
                let disk = &mut self.disk.bytes_mut()[lba_bytes..lba_bytes + run.bytes];
                match command.operation {
                    Operation::Read => memory.copy_from_slice(disk),
                    _ => disk.copy_from_slice(memory),
                }
                lba_bytes += run.bytes;
            }
            Ok(())
        }
    }

    type Seen = Arc<crate::sync::Mutex<Vec<(Operation, u64, u32)>>>;

    fn disk(reach: u64, answer: Result<(), PortError>) -> (Box<dyn BlockDevice + Send>, Seen) {
        let seen = Seen::default();
        let contents = (0..64 * SECTOR).map(|at| (at / 7) as u8).collect();
        let port = FakePort {
            disk: MemoryDevice::from_bytes(contents),
            seen: seen.clone(),
            reach,
            answer,
        };
        let identity = Identity {
            model: String::new(),
            sectors: 64,
            is_48_bit: true,
        };
        (AtaDisk::boxed(port, identity), seen)
    }

    fn expected(lba: usize, sectors: usize) -> Vec<u8> {
        let bytes = lba * SECTOR..(lba + sectors) * SECTOR;
        bytes.map(|at| (at / 7) as u8).collect()
    }

    #[test]
    fn transfers_are_cut_into_what_the_port_takes() {
        let (mut disk, seen) = disk(u64::MAX, Ok(()));
        let mut buffer = alloc::vec![0; 20 * SECTOR];
        disk.read(5, &mut buffer).unwrap();
        assert!(buffer == expected(5, 20));
        let commands = [
            (Operation::Read, 5, 8),
            (Operation::Read, 13, 8),
            (Operation::Read, 21, 4),
        ];
        assert_eq!(*seen.lock(), commands);
    }

    #[test]
    fn memory_out_of_reach_goes_through_the_bounce_buffer() {
        let (mut disk, _) = disk(u64::MAX, Ok(()));
        let mut buffer = alloc::vec![0; 20 * SECTOR + 1];
        let start = 1 - buffer.as_ptr() as usize % 2;
        let odd = &mut buffer[start..start + 20 * SECTOR];
        disk.read(3, odd).unwrap();
        assert!(odd == expected(3, 20));
        odd.reverse();
        disk.write(30, odd).unwrap();
        let mut back = alloc::vec![0; 20 * SECTOR];
        disk.read(30, &mut back).unwrap();
        assert!(back == odd);
    }

    #[test]
    fn where_not_even_the_bounce_buffer_is_reached_there_is_an_error() {
        let (mut disk, seen) = disk(0, Ok(()));
        let code = CODE_BROKEN;
        let error = BlockError::Device { lba: 0, code };
        assert_eq!(disk.read(0, &mut [0; SECTOR]), Err(error));
        assert!(seen.lock().is_empty());
    }

    #[test]
    fn a_silent_disk_is_asked_once() {
        let (mut disk, seen) = disk(u64::MAX, Err(PortError::Timeout));
        for lba in [1, 2] {
            assert_eq!(
                disk.read(lba, &mut [0; SECTOR]),
                Err(BlockError::Timeout { lba })
            );
        }
        assert_eq!(disk.flush(), Err(BlockError::Timeout { lba: 0 }));
        assert_eq!(seen.lock().len(), 1);
    }

    #[test]
    fn errors_name_the_sector_and_the_register() {
        let (mut disk, _) = disk(u64::MAX, Err(PortError::Disk(0x40)));
        let error = BlockError::Device { lba: 9, code: 0x40 };
        assert_eq!(disk.write(9, &[0; SECTOR]), Err(error));
        assert_eq!(disk.write(9, &[0; SECTOR]), Err(error), "asked again");
    }
}
