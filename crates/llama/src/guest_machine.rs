//! The real machine behind [`Machine`]: the functions of `guest`.

use alloc::string::String;
use guest::console::Line;
use llama_model::{ReadError, Source};

use crate::machine::{Input, Machine};

/// The machine the program was started on.
#[derive(Debug, Clone, Copy)]
pub struct Guest;

/// A file of the machine's disk.
#[derive(Debug)]
pub struct GuestFile(guest::file::File);

impl Source for GuestFile {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let wanted = buf.len() as u64;
        match self.0.read_at(offset, buf) {
            Ok(read) if read as u64 == wanted => Ok(()),
            Ok(_) => Err(ReadError::OutOfRange {
                offset,
                wanted,
                len: self.len(),
            }),
            Err(error) => Err(ReadError::Device {
                offset,
                wanted,
                code: error.errno,
            }),
        }
    }
}

impl Machine for Guest {
    type File = GuestFile;

    fn write(&self, text: &str) {
        guest::console::write(text.as_bytes());
    }

    fn read_line(&self) -> Input {
        match guest::console::read_line() {
            Line::Text(bytes) => Input::Line(String::from_utf8_lossy(&bytes).into_owned()),
            Line::Interrupted => Input::Interrupted,
            Line::End => Input::End,
        }
    }

    fn open(&self, path: &str) -> Result<GuestFile, i64> {
        guest::file::File::open(path)
            .map(GuestFile)
            .map_err(|error| error.errno)
    }

    fn time_ns(&self) -> u64 {
        guest::time::now_ns()
    }

    fn random_seed(&self) -> u64 {
        guest::random_seed()
    }

    fn cpu_count(&self) -> usize {
        guest::cpu::count()
    }

    fn interrupted(&self) -> bool {
        guest::interrupted()
    }
}
