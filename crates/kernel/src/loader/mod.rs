//! Loads the payload and builds what Linux gives a program at its start.
//!
//! A raw ELF file is read segment by segment straight into its pages; a compressed one (LZ4 frame, Zstandard; told by
//! its first bytes) is unpacked as a stream, so that the unpacked file never exists as a whole.
//! A segment is written while it is mapped writable, then gets its own protection. Cold segments are only mapped
//! (`cold.rs`). Everything else is read before the start, into pages of 2 MiB: reading it on demand was measured to be no
//! faster (ARCHITECTURE.md, "Coverage and cold pages").
//!
//! Stack at the start (System V ABI AMD64, 3.4.1), from low to high: argc, argv, 0, envp, 0, auxv, strings.

pub mod cold;
#[cfg(feature = "stages")]
mod source;
mod unpack;

use crate::ALL_STAGES;
use crate::coverage;
use crate::cpu::cpuid;
use crate::cpu::fpu;
use crate::cpu::trap::gate_address;
use crate::linux::errno::Errno;
use crate::linux::file::{Disk, with_volume};
use crate::linux::misc;
use crate::memory::space::{self, Place, Prot, Use};
use crate::memory::{PAGE, user};
use crate::sync::Mutex;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use formats::elf::{self, ElfError, Executable, Segment};
use formats::gate::AT_BAREFLOW_GATE;
use formats::link::{self, Functions, LinkError};
#[cfg(feature = "stages")]
use source::Source;
use store::fat::File;

/// First address behind the main stack.
pub const STACK_TOP: usize = 0x7FFF_F000_0000;
/// Size of the main stack.
pub const STACK_BYTES: usize = 8 << 20;

static PATH: Mutex<&'static str> = Mutex::new("");
static RANGE: Mutex<(usize, usize)> = Mutex::new((0, 0));

/// Path of the payload on the volume.
pub fn payload_path() -> &'static str {
    *PATH.lock()
}

/// The address itself if it lies in the payload's image: what `addr2line` wants.
pub fn locate(address: usize) -> Option<usize> {
    let (start, end) = RANGE.try_lock().map(|range| *range)?;
    (start..end).contains(&address).then_some(address)
}

/// Why there is no program to start.
#[derive(Debug)]
pub enum LoadError {
    /// The file cannot be opened or read.
    File(Errno),
    /// The ELF file is refused.
    Elf(ElfError),
    /// The compressed file is damaged.
    Damaged {
        /// What the decompressor says.
        reason: &'static str,
        /// Bytes unpacked before that.
        offset: u64,
    },
    /// Segments of a compressed file must follow each other in the file.
    #[cfg(feature = "stages")]
    Order {
        /// Where the segment starts in the unpacked file.
        offset: u64,
        /// How far the stream is already.
        position: u64,
    },
    /// Not enough memory for a segment, or its place is taken.
    Segment {
        /// Its address.
        address: u64,
        /// Its size in bytes.
        bytes: u64,
        /// What the address space says.
        error: Errno,
    },
    /// Arguments and environment do not fit on the stack.
    Arguments {
        /// Bytes needed.
        bytes: usize,
    },
    /// The file with the content of the cold segments is refused.
    Cold(String, cold::ReadError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(Errno::NOENT) => write!(f, "no such file"),
            Self::File(Errno::NODEV) => write!(f, "no disk with a FAT volume was found"),
            Self::File(Errno(number)) => write!(f, "cannot be read (error {number})"),
            Self::Elf(error) => write!(f, "{error}"),
            Self::Damaged { reason, offset } => {
                write!(
                    f,
                    "the compressed file is damaged after {offset} unpacked bytes: {reason}"
                )
            }
            #[cfg(feature = "stages")]
            Self::Order { offset, position } => write!(
                f,
                "compressed ELF: a segment starts at {offset:#x}, but the stream is at {position:#x} (store it raw)"
            ),
            Self::Segment {
                address,
                bytes,
                error: Errno::NOMEM,
            } => {
                write!(
                    f,
                    "not enough memory for the segment of {bytes} bytes at {address:#x} (give the machine more)"
                )
            }
            Self::Segment {
                address,
                bytes,
                error: Errno(number),
            } => {
                write!(
                    f,
                    "the segment of {bytes} bytes at {address:#x} cannot be mapped (error {number})"
                )
            }
            Self::Arguments { bytes } => {
                write!(
                    f,
                    "arguments of {bytes} bytes do not fit on the stack of {STACK_BYTES} bytes"
                )
            }
            Self::Cold(path, error) => write!(f, "{path}: {error}"),
        }
    }
}

impl From<ElfError> for LoadError {
    fn from(error: ElfError) -> Self {
        Self::Elf(error)
    }
}

/// A program that is ready to run.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// First instruction.
    pub entry: u64,
    /// Stack pointer.
    pub rsp: u64,
}

fn round_out(segment: &Segment) -> (usize, usize) {
    let start = segment.address as usize & !(PAGE - 1);
    (
        start,
        (segment.end() as usize).next_multiple_of(PAGE) - start,
    )
}

/// Maps a segment writable, lets `fill` write the file's part, and gives it its protection. `lead`: so many bytes
/// before the segment, in its first page, are filled, too.
fn load_segment(
    segment: &Segment,
    lead: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let (start, bytes) = round_out(segment);
    let refused = |error| LoadError::Segment {
        address: segment.address,
        bytes: segment.memory_bytes,
        error,
    };
    let writable = Prot::READ | Prot::WRITE;
    let usage = if coverage::is_on() {
        Use::Small
    } else {
        Use::Plain
    };
    space::map(Place::FixedIfFree(start), bytes, writable, usage).map_err(refused)?;
    let file_start = segment.address as usize - lead;
    let file_part =
        user::bytes_to_fill(file_start, segment.file_bytes as usize + lead).map_err(refused)?;
    fill(file_part)?;
    space::protect(start, bytes, prot_of(segment)).map_err(refused)
}

fn prot_of(segment: &Segment) -> Prot {
    let mut prot = Prot::empty();
    prot.set(Prot::READ, segment.protection.read);
    prot.set(Prot::WRITE, segment.protection.write);
    prot.set(Prot::EXEC, segment.protection.execute);
    prot
}

/// Promises the pages of a cold segment.
fn map_cold(segment: &Segment) -> Result<(), LoadError> {
    let (start, bytes) = round_out(segment);
    let place = Place::FixedIfFree(start);
    let mapped = space::map(place, bytes, prot_of(segment), Use::Cold);
    mapped.map(|_| ()).map_err(|error| LoadError::Segment {
        address: segment.address,
        bytes: segment.memory_bytes,
        error,
    })
}

fn load_raw(
    volume: &mut Disk,
    path: &str,
    head: &[u8],
    file_bytes: u64,
) -> Result<Executable, LoadError> {
    let executable = Executable::parse(head, file_bytes)?;
    let file = volume
        .open(path)
        .map_err(|error| LoadError::File(error.into()))?;
    for segment in &executable.segments {
        if segment.cold && ALL_STAGES {
            map_cold(segment)?;
            continue;
        }
        // Whole pages of the file, like mmap gives them: the disk then writes to the pages directly.
        let page = PAGE as u64;
        let lead = if segment.file_offset % page == segment.address % page {
            segment.address % page
        } else {
            0
        };
        load_segment(segment, lead as usize, |out| {
            let read = volume.read_at(&file, segment.file_offset - lead, out);
            let count = read.map_err(|error| LoadError::File(error.into()))?;
            if count < out.len() {
                Err(LoadError::File(Errno::IO))
            } else {
                Ok(())
            }
        })?;
    }
    Ok(executable)
}

/// A payload that lies in memory already.
fn load_embedded(bytes: &[u8]) -> Result<Executable, LoadError> {
    let executable = Executable::parse(bytes, bytes.len() as u64)?;
    for segment in &executable.segments {
        load_segment(segment, 0, |out| {
            let start = segment.file_offset as usize;
            let file = bytes.get(start..start.saturating_add(out.len()));
            out.copy_from_slice(file.ok_or(LoadError::Damaged {
                reason: "a segment ends behind it",
                offset: bytes.len() as u64,
            })?);
            Ok(())
        })?;
    }
    Ok(executable)
}

/// `has_cold_file`: cold segments are not in the stream.
#[cfg(feature = "stages")]
fn load_compressed(source: &mut dyn Source, has_cold_file: bool) -> Result<Executable, LoadError> {
    let mut head = alloc::vec![0; elf::HEAD_BYTES];
    let mut read = 0;
    while read < head.len() {
        match source.read(&mut head[read..])? {
            0 => break,
            count => read += count,
        }
    }
    head.truncate(read);
    // The size of the unpacked file is not known; a segment behind its end is noticed while reading.
    let executable = Executable::parse(&head, u64::MAX >> 1)?;
    let mut position = read as u64;
    for segment in &executable.segments {
        if segment.cold && has_cold_file {
            map_cold(segment)?;
            continue;
        }
        load_segment(segment, 0, |out| {
            let mut done = 0;
            if segment.file_offset < position {
                // Only the part in `head` can be read again.
                let rest = head
                    .get(segment.file_offset as usize..)
                    .filter(|_| position == read as u64);
                let rest = rest.ok_or(LoadError::Order {
                    offset: segment.file_offset,
                    position,
                })?;
                done = rest.len().min(out.len());
                out[..done].copy_from_slice(&rest[..done]);
            }
            let wanted = segment.file_offset + done as u64;
            position += source.skip(wanted.saturating_sub(position))?;
            while done < out.len() {
                let count = source.read(&mut out[done..])?;
                if count == 0 {
                    return Err(LoadError::Damaged {
                        reason: "it ends too early",
                        offset: position,
                    });
                }
                done += count;
                position += count as u64;
            }
            Ok(())
        })?;
    }
    Ok(executable)
}

/// Where a payload comes from.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A file of the volume.
    File(&'a str),
    /// The kernel's own file.
    Embedded(&'a [u8]),
}

/// Loads the payload and its first stack. `with_coverage`: watches which of its functions run.
///
/// # Errors
/// See [`LoadError`].
pub fn load(origin: Origin<'_>, args: &[String], with_coverage: bool) -> Result<Start, LoadError> {
    let path = match origin {
        Origin::File(path) => path,
        Origin::Embedded(_) => "/boot/kernel.elf",
    };
    // At most a few for each boot.
    *PATH.lock() = String::leak(path.into());
    let executable = match origin {
        Origin::File(path) => {
            let loaded = with_volume(|volume| {
                let file = volume.open(path)?;
                if with_coverage && ALL_STAGES {
                    watch_functions(volume, path);
                }
                Ok(load_file(volume, path, file))
            });
            loaded.map_err(LoadError::File)??
        }
        Origin::Embedded(bytes) => load_embedded(bytes)?,
    };
    coverage::start(&executable)?;
    let start = executable
        .segments
        .first()
        .map_or(0, |segment| segment.address as usize);
    let end = (executable.end() as usize).next_multiple_of(PAGE);
    *RANGE.lock() = (start, end);
    let rsp = build_stack(&executable, args)?;
    space::start(end);
    Ok(Start {
        entry: executable.entry,
        rsp,
    })
}

/// Loads the segments of the file, and prepares the cold ones.
fn load_file(volume: &mut Disk, path: &str, file: File) -> Result<Executable, LoadError> {
    let no_file = |error: store::fat::FatError| LoadError::File(error.into());
    let file_bytes = u64::from(volume.file_bytes(&file).map_err(no_file)?);
    let mut head = alloc::vec![0; elf::HEAD_BYTES.min(file_bytes as usize)];
    let count = volume.read_at(&file, 0, &mut head).map_err(no_file)?;
    head.truncate(count);
    if !ALL_STAGES {
        return load_raw(volume, path, &head, file_bytes);
    }
    let cold_file = cold::find(volume, path);
    #[cfg(feature = "stages")]
    let has_cold_file = cold_file.is_some();
    #[cfg(feature = "stages")]
    let packed = match source::kind(&head) {
        source::Kind::Raw => None,
        source::Kind::Lz4 => {
            let mut source = source::Lz4::new(volume, &file)?;
            Some(load_compressed(&mut source, has_cold_file)?)
        }
        source::Kind::Zstd => {
            let mut source = source::Zstd::new(volume, &file)?;
            Some(load_compressed(&mut source, has_cold_file)?)
        }
    };
    #[cfg(not(feature = "stages"))]
    let packed: Option<Executable> = None;
    let is_raw = packed.is_none();
    let executable = match packed {
        Some(executable) => executable,
        None => load_raw(volume, path, &head, file_bytes)?,
    };
    match cold_file {
        Some((cold_path, cold_file)) => {
            cold::start(volume, &executable, cold_path, cold_file, false)?;
        }
        None if is_raw => cold::start(volume, &executable, path.into(), file, true)?,
        None => {}
    }
    Ok(executable)
}

/// The function table in the payload's link data.
fn read_functions(volume: &mut Disk, path: &str) -> Result<(Functions, BuildId), FunctionsError> {
    let file = volume
        .open(path)
        .map_err(|error| FunctionsError::File(error.into()))?;
    let file_bytes = volume
        .file_bytes(&file)
        .map_err(|error| FunctionsError::File(error.into()))?;
    let mut read = |offset: u64, bytes: usize| {
        let mut out = alloc::vec![0; bytes];
        let count = volume.read_at(&file, offset, &mut out);
        out.truncate(count.map_err(|error| FunctionsError::File(error.into()))?);
        Ok::<_, FunctionsError>(out)
    };
    let head = read(0, link::INDEX_BYTES.min(file_bytes as usize))?;
    let index = link::Index::parse(&head, file_bytes.into())?;
    let section = index.section(link::FUNCTIONS)?;
    if section.bytes.max(section.stored_bytes) > MOST_FUNCTION_BYTES {
        return Err(FunctionsError::Link(LinkError::Field {
            field: "size of the function table",
            found: section.bytes,
        }));
    }
    let stored = read(section.offset, section.stored_bytes as usize)?;
    let functions = Functions::parse(&section.open(stored, unpack::zstd)?)?;
    Ok((functions, index.build_id))
}

/// Largest function table that is read: two million functions.
const MOST_FUNCTION_BYTES: u64 = 16 << 20;

type BuildId = [u8; formats::calls::BUILD_ID_BYTES];

/// Why coverage cannot be measured.
enum FunctionsError {
    File(Errno),
    Link(LinkError),
}

impl From<LinkError> for FunctionsError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

/// Starts to watch the payload's functions, if its function table can be had; else says why not.
fn watch_functions(volume: &mut Disk, payload: &str) {
    let path = link::path_for(payload);
    match read_functions(volume, &path) {
        Ok((functions, build_id)) => coverage::watch(functions, build_id),
        Err(FunctionsError::File(Errno::NOENT)) => {
            crate::error!("coverage is off: {path}: no such file");
        }
        Err(FunctionsError::File(Errno(number))) => {
            crate::error!("coverage is off: {path}: cannot be read (error {number})");
        }
        Err(FunctionsError::Link(error)) => crate::error!("coverage is off: {path}: {error}"),
    }
}

/// Builds the stack and gives the stack pointer.
fn build_stack(executable: &Executable, args: &[String]) -> Result<u64, LoadError> {
    const ENVIRONMENT: [&str; 5] = [
        "BAREFLOW_MACHINE=1",
        "GLIBC_TUNABLES=glibc.malloc.arena_max=1",
        "PATH=/",
        "HOME=/",
        "TERM=vt100",
    ];
    let refused = |error| LoadError::Segment {
        address: (STACK_TOP - STACK_BYTES) as u64,
        bytes: STACK_BYTES as u64,
        error,
    };
    let place = Place::FixedIfFree(STACK_TOP - STACK_BYTES);
    space::map(place, STACK_BYTES, Prot::READ | Prot::WRITE, Use::Stack).map_err(refused)?;
    // Strings first, to know their addresses.
    let mut strings: Vec<u8> = Vec::new();
    let mut put = |bytes: &[u8]| {
        let offset = strings.len();
        strings.extend_from_slice(bytes);
        strings.push(0);
        offset as u64
    };
    let argv: Vec<u64> = args.iter().map(|arg| put(arg.as_bytes())).collect();
    let envp = ENVIRONMENT.map(|text| put(text.as_bytes()));
    let platform = put(b"x86_64");
    let name = put(payload_path().as_bytes());
    let mut random = [0; 16];
    random[..8].copy_from_slice(&misc::random().to_le_bytes());
    random[8..].copy_from_slice(&misc::random().to_le_bytes());
    let random = put(&random);
    let words = 1 + argv.len() + 1 + envp.len() + 1 + 2 * 21;
    let needed = strings.len() + 8 * words + 64;
    if needed > STACK_BYTES / 2 {
        return Err(LoadError::Arguments { bytes: needed });
    }
    let base = (STACK_TOP - strings.len()) as u64 & !15;
    let at = |offset: u64| base + offset;
    let auxiliary = [
        (3, executable.headers_address.unwrap_or(0)), // AT_PHDR
        (4, elf::PROGRAM_HEADER_BYTES as u64),        // AT_PHENT
        (5, executable.header_count.into()),          // AT_PHNUM
        (6, PAGE as u64),                             // AT_PAGESZ
        (7, 0),                                       // AT_BASE
        (8, 0),                                       // AT_FLAGS
        (9, executable.entry),                        // AT_ENTRY
        (11, 0),                                      // AT_UID
        (12, 0),                                      // AT_EUID
        (13, 0),                                      // AT_GID
        (14, 0),                                      // AT_EGID
        (15, at(platform)),                           // AT_PLATFORM
        (16, cpuid(1, 0).edx.into()),                 // AT_HWCAP
        (17, 100),                                    // AT_CLKTCK
        (23, 0),                                      // AT_SECURE
        (25, at(random)),                             // AT_RANDOM
        (26, 0),                                      // AT_HWCAP2
        (31, at(name)),                               // AT_EXECFN
        (51, fpu::bytes() as u64 + 1536),             // AT_MINSIGSTKSZ
        (AT_BAREFLOW_GATE, gate_address()),
        (0, 0), // AT_NULL
    ];
    let mut stack = alloc::vec![argv.len() as u64];
    stack.extend(argv.iter().map(|&offset| at(offset)));
    stack.push(0);
    stack.extend(envp.map(at));
    stack.push(0);
    stack.extend(auxiliary.iter().flat_map(|&(key, value)| [key, value]));
    let rsp = (base - 8 * stack.len() as u64) & !15;
    let copied = user::bytes_mut(rsp as usize, STACK_TOP - rsp as usize).map_err(refused)?;
    for (out, word) in copied.chunks_exact_mut(8).zip(&stack) {
        out.copy_from_slice(&word.to_le_bytes());
    }
    let strings_at = (base - rsp) as usize;
    copied[strings_at..strings_at + strings.len()].copy_from_slice(&strings);
    Ok(rsp)
}
