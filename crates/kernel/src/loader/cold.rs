//! Cold segments: pages that are read from a file when the program touches them.
//!
//! ```text
//! page fault, or the kernel about to use a page --space: area is Use::Cold, nothing there--> read()
//!     block of the file, checked, unpacked (one block is kept) -> fresh frame -> planted -> space::install
//! ```
//!
//! The content comes from the cold file that belongs to the payload (`formats::cold`), or, if there is none, from the
//! payload itself. Every page that had to be read is counted and written down; the next eviction keeps it.
//! A block that is damaged or cannot be read ends the program with a message that names file and page.
//!
//! No lock is held while the address space is locked: a miss takes the block, then the volume, then the address space.
//! So no page of a cold segment may be missing while the kernel holds one of these: system calls make their buffers
//! present before they take locks (`memory::user`). Nothing is allocated on the heap after the start.

use super::{LoadError, unpack};
use crate::coverage;
use crate::linux::errno::Errno;
use crate::linux::file::{Disk, with_volume};
use crate::linux::{Answer, Args};
use crate::memory::space::{self, FaultError};
use crate::memory::{PAGE, frames, paging, phys_to_virt, user};
use crate::sync::Mutex;
use crate::time;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use formats::calls::{CoverageInfo, FLAG_COLD};
use formats::cold::{self, ColdError, Index};
use formats::elf::{Executable, Segment};
use spin::Once;
use store::fat::{FatError, File};

/// Why the content of a page cannot be had.
#[derive(Debug)]
pub enum ReadError {
    /// The disk or the volume says no.
    Disk(Errno),
    /// The file ends too early.
    Short {
        /// Offset in the file where a block was to be.
        offset: u64,
        /// Bytes wanted there.
        wanted: usize,
        /// Bytes found.
        found: usize,
    },
    /// The file is not a cold file, belongs to another image, or is damaged.
    Cold(ColdError),
    /// The cold file was made for another payload.
    OtherImage,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(Errno(number)) => write!(f, "cannot be read (error {number})"),
            Self::Short {
                offset,
                wanted,
                found,
            } => write!(
                f,
                "{found} of {wanted} bytes at offset {offset:#x} (file cut off?)"
            ),
            Self::Cold(error) => write!(f, "{error}"),
            Self::OtherImage => write!(
                f,
                "was made for another image (its build id is not that of the payload)"
            ),
        }
    }
}

impl From<ColdError> for ReadError {
    fn from(error: ColdError) -> Self {
        Self::Cold(error)
    }
}

/// Where the content is.
enum Store {
    /// In a cold file.
    Blocks(Index),
    /// In the payload itself, from this offset on.
    Payload(u64),
}

struct Cold {
    segments: Vec<Segment>,
    /// Lowest offset of a cold segment in the payload.
    base: u64,
    path: String,
    file: File,
    store: Store,
}

/// Content of one block, and what was missed until now.
struct State {
    block: Option<usize>,
    /// Size of the block's content; `content` is as large as any block.
    bytes: usize,
    content: Vec<u8>,
    stored: Vec<u8>,
    misses: u64,
    ns: u64,
    /// Pages that were missed, in order; room for all of them.
    missed: Vec<u64>,
    /// One bit for each page from the first cold segment on.
    seen: Vec<u64>,
}

static COLD: Once<Cold> = Once::new();
static STATE: Mutex<State> = Mutex::new(State {
    block: None,
    bytes: 0,
    content: Vec::new(),
    stored: Vec::new(),
    misses: 0,
    ns: 0,
    missed: Vec::new(),
    seen: Vec::new(),
});

/// Opens the cold file that belongs to a payload, if there is one.
pub fn find(volume: &mut Disk, payload: &str) -> Option<(String, File)> {
    let path = cold::path_for(payload);
    let file = volume.open(&path).ok()?;
    Some((path, file))
}

/// Makes the cold segments of a payload ready. They are mapped already.
///
/// # Errors
/// [`LoadError::Cold`], [`LoadError::Elf`]
pub fn start(
    volume: &mut Disk,
    executable: &Executable,
    path: String,
    file: File,
    is_payload: bool,
) -> Result<(), LoadError> {
    let Some(base) = executable.cold_offset() else {
        return Ok(());
    };
    let store = if is_payload {
        let bytes = volume.file_bytes(&file).map_err(disk);
        let bytes = bytes.map_err(|error| LoadError::Cold(path.clone(), error))?;
        executable.check_cold(u64::from(bytes).saturating_sub(base))?;
        Store::Payload(base)
    } else {
        let index = read_index(volume, &file, executable)
            .map_err(|error| LoadError::Cold(path.clone(), error))?;
        executable.check_cold(index.content_bytes())?;
        Store::Blocks(index)
    };
    let segments = executable.segments.iter();
    let segments: Vec<Segment> = segments.filter(|segment| segment.cold).copied().collect();
    let block_bytes = match &store {
        Store::Blocks(index) => index.block_bytes(),
        Store::Payload(_) => cold::BLOCK_BYTES,
    };
    let span = |segment: &Segment| (segment.end() - segment.address).div_ceil(PAGE as u64) as usize;
    let pages = segments.iter().map(span).sum();
    let (first, end) = match segments[..] {
        [first, .., last] => (first.address, last.end()),
        [only] => (only.address, only.end()),
        [] => (0, 0),
    };
    let mut state = STATE.lock();
    state.content.resize(block_bytes, 0);
    state.stored.resize(block_bytes, 0);
    state.missed.reserve(pages);
    let bits = (end - first).div_ceil(PAGE as u64) as usize;
    state.seen.resize(bits.div_ceil(64), 0);
    drop(state);
    crate::debug!("{path}: {pages} cold pages");
    COLD.call_once(|| Cold {
        segments,
        base,
        path,
        file,
        store,
    });
    Ok(())
}

fn disk(error: FatError) -> ReadError {
    ReadError::Disk(error.into())
}

fn read_index(volume: &mut Disk, file: &File, executable: &Executable) -> Result<Index, ReadError> {
    let file_bytes = u64::from(volume.file_bytes(file).map_err(disk)?);
    let mut read = |offset: usize, out: &mut [u8]| {
        let found = volume.read_at(file, offset as u64, out).map_err(disk)?;
        if found == out.len() {
            return Ok(());
        }
        Err(ReadError::Short {
            offset: offset as u64,
            wanted: out.len(),
            found,
        })
    };
    let mut head = [0; cold::HEAD_BYTES];
    read(0, &mut head)?;
    let mut bytes = alloc::vec![0; cold::index_bytes(&head)?];
    read(0, &mut bytes)?;
    let index = Index::parse(&bytes, file_bytes)?;
    if Some(index.build_id()) != executable.build_id.as_ref() {
        return Err(ReadError::OtherImage);
    }
    Ok(index)
}

impl Cold {
    fn segment(&self, at: u64) -> Option<&Segment> {
        let page = PAGE as u64;
        let mut segments = self.segments.iter();
        segments.find(|s| (s.address..s.end().next_multiple_of(page)).contains(&at))
    }

    /// Makes `state.content` the content of a block.
    fn load(&self, number: usize, state: &mut State) -> Result<(), ReadError> {
        if state.block == Some(number) {
            return Ok(());
        }
        state.block = None;
        let read = |offset: u64, out: &mut [u8]| {
            let read = |volume: &mut Disk| volume.read_at(&self.file, offset, out);
            with_volume(read).map_err(ReadError::Disk)
        };
        match &self.store {
            Store::Payload(base) => {
                // The last block may be shorter: segments were checked to lie in the file.
                let offset = base + (number * cold::BLOCK_BYTES) as u64;
                state.bytes = read(offset, &mut state.content)?;
            }
            Store::Blocks(index) => {
                let entry = index.entry(number).ok_or(ColdError::Head {
                    field: "number of a block",
                    found: number as u64,
                })?;
                let offset = entry.offset.into();
                let stored = &mut state.stored[..entry.stored_bytes as usize];
                let found = read(offset, stored)?;
                if found < stored.len() {
                    return Err(ReadError::Short {
                        offset,
                        wanted: stored.len(),
                        found,
                    });
                }
                state.bytes = index.block(number).len();
                if stored.len() == state.bytes {
                    index.open(number, stored, &mut [], unpack::lz4)?;
                    state.content[..state.bytes].copy_from_slice(stored);
                } else {
                    index.open(number, stored, &mut state.content, unpack::lz4)?;
                }
            }
        }
        state.block = Some(number);
        Ok(())
    }

    /// Fills a page with the file's part of a segment and zeroes.
    fn fill(
        &self,
        segment: &Segment,
        page: u64,
        out: &mut [u8],
        state: &mut State,
    ) -> Result<(), ReadError> {
        let inside = page - segment.address;
        let from_file = segment.file_bytes.saturating_sub(inside).min(PAGE as u64) as usize;
        let (head, rest) = out.split_at_mut(from_file);
        rest.fill(0);
        if from_file > 0 {
            // Pages of the content never cross a block: both are aligned powers of two.
            let offset = (segment.file_offset - self.base + inside) as usize;
            let block_bytes = state.content.len();
            self.load(offset / block_bytes, state)?;
            let at = offset % block_bytes;
            let content = state.content[..state.bytes].get(at..at + from_file);
            head.copy_from_slice(content.ok_or(ReadError::Short {
                offset: offset as u64,
                wanted: from_file,
                found: state.bytes.saturating_sub(at),
            })?);
        }
        Ok(())
    }
}

/// Reads the page at `at` of a cold segment.
///
/// # Errors
/// [`FaultError::OutOfMemory`], [`FaultError::Unreadable`] (said on the console), [`FaultError::NotMapped`].
pub fn read(at: usize) -> Result<(), FaultError> {
    let cold = COLD.get().ok_or(FaultError::NotMapped)?;
    let page = at & !(PAGE - 1);
    let segment = cold.segment(page as u64).ok_or(FaultError::NotMapped)?;
    let mut state = STATE.lock();
    if paging::entry_of(page).is_some() {
        return Ok(()); // another thread was faster
    }
    let start = time::now_ns();
    let phys = frames::alloc_for_program().ok_or(FaultError::OutOfMemory)?;
    // SAFETY: the frame is fresh, nobody else knows it, and the direct map covers it.
    let bytes = unsafe { core::slice::from_raw_parts_mut(phys_to_virt(phys), PAGE) };
    if let Err(error) = cold.fill(segment, page as u64, bytes, &mut state) {
        frames::free(phys);
        drop(state);
        crate::error!("{}: page at {page:#x}: {error}", cold.path);
        return Err(FaultError::Unreadable);
    }
    if segment.protection.execute {
        coverage::plant(page, bytes);
    }
    if !space::install(page, phys).inspect_err(|_| frames::free(phys))? {
        frames::free(phys);
        return Ok(());
    }
    state.misses += 1;
    state.ns += time::now_ns() - start;
    let first = cold
        .segments
        .first()
        .map_or(0, |first| first.address as usize);
    let number = (page - first) / PAGE;
    let bit = 1 << (number % 64);
    if let Some(word) = state.seen.get_mut(number / 64)
        && *word & bit == 0
    {
        *word |= bit;
        state.missed.push(page as u64);
    }
    Ok(())
}

/// Adds what is known of cold pages.
pub fn add_to(info: &mut CoverageInfo) {
    if COLD.get().is_none() {
        return;
    }
    let state = STATE.lock();
    info.flags |= FLAG_COLD;
    info.cold_misses = state.misses;
    info.cold_pages = state.missed.len() as u64;
    info.cold_ns = state.ns;
}

/// Says at the end of the machine what cold pages cost. Other CPUs are stopped, wherever they were.
pub fn print_summary() {
    let (Some(cold), Some(state)) = (COLD.get(), STATE.try_lock()) else {
        return;
    };
    crate::debug!(
        "{}: {} cold pages missed, {} different ones, in {} us",
        cold.path,
        state.misses,
        state.missed.len(),
        state.ns / 1000
    );
}

/// `COLD_MISSES`
pub fn misses(a: &Args) -> Answer {
    let bytes = a.get(1);
    if !bytes.is_multiple_of(8) {
        return Err(Errno::INVAL);
    }
    let first = a.get(2);
    let count = STATE
        .lock()
        .missed
        .len()
        .saturating_sub(first)
        .min(bytes / 8);
    // Making the buffer present may itself read a cold page: not under the lock.
    let out = user::bytes_mut(a.get(0), 8 * count)?;
    let state = STATE.lock();
    let missed = state.missed.iter().skip(first);
    for (out, page) in out.chunks_exact_mut(8).zip(missed) {
        out.copy_from_slice(&page.to_le_bytes());
    }
    Ok(8 * count)
}
