//! The boot slot table: what this disk can boot, in which order, and how often it was tried.
//!
//! `/bareflow/slots` holds two copies of [`COPY_BYTES`] each, written in turn: the new table goes where the older copy
//! lies, with the next generation, so that a cut write leaves the table as it was. The valid copy of the higher
//! generation is the table ([`pick`]); if there is none, only the base image is booted.
//!
//! A copy (integers are little-endian, offsets in bytes):
//!
//! 1.  0..4   magic `SLTS`
//! 2.  4..6   version, [`VERSION`]; 6 index of the slot started last (0xFF: none yet); 7 zero
//! 3.  8..16  generation, from 1 on
//! 4. 16..24  [checksum](crate::checksum) of the copy with this field zero
//! 5. 24..128 zero
//! 6. then [`MAX_SLOTS`] slots of 240 bytes:
//!     - 0 kind (0 none, 1 base, 2 evicted, 3 native), 1 state (0 on trial, 1 proved, 2 abandoned), 2 tries left,
//!       3 priority: the highest goes first
//!     - 4 reason why it was abandoned, 5..8 zero, 8..16 detail of the reason
//!     - 16..24 size of the file in bytes, 24..32 checksum of that many bytes
//!     - 32..40 hash of the program (the low half of what names it), 40..48 build of the runtime it was made by
//!     - 48..96 CPU features it needs ([`cpu`](crate::cpu))
//!     - 96..144 path of the file on the volume, zero-padded
//!     - 144..192 path of the cold file (evicted runtimes), zero-padded; 192..200 its size, 200..208 its checksum
//!     - 208..212 times it was started; 212..240 zero
//!
//! # The life of a slot
//!
//! ```text
//!   install -> on trial --start: tries - 1, then the jump--> proved itself: success --start--> no write any more
//!                  |  no tries left, refused, faulted            |  checksum wrong, file gone
//!                  v                                             v
//!              abandoned, with the reason                    abandoned
//! ```
//!
//! Missing CPU features abandon nothing: the slot is skipped on this processor and is there again on the next one. The base slot is
//! never abandoned and needs no tries: if everything fails, it is what boots.

use crate::checksum::checksum;
use crate::cpu::CpuFeatures;
use core::fmt;

/// First four bytes of a copy.
pub const MAGIC: [u8; 4] = *b"SLTS";
/// The one version this code writes and reads.
pub const VERSION: u16 = 1;
/// Size of a copy in bytes.
pub const COPY_BYTES: usize = 2048;
/// Size of the file in bytes: two copies.
pub const FILE_BYTES: usize = 2 * COPY_BYTES;
/// Most slots.
pub const MAX_SLOTS: usize = 8;
/// Tries a new slot gets unless its installer says otherwise.
pub const DEFAULT_TRIES: u8 = 3;
/// Longest path in bytes.
pub const MAX_PATH_BYTES: usize = 48;

/// The table's place on the volume.
pub const PATH: &str = "/bareflow/slots";
/// The record store.
pub const STORE_PATH: &str = "/bareflow/store";
/// The base image.
pub const BASE_PATH: &str = "/boot/runtime.elf";
/// Space for two evicted runtimes.
pub const EVICTED_PATHS: [&str; 2] = ["/bareflow/evicted.0", "/bareflow/evicted.1"];
/// Space for their cold files.
pub const COLD_PATHS: [&str; 2] = ["/bareflow/cold.0", "/bareflow/cold.1"];
/// Space for two native programs.
pub const NATIVE_PATHS: [&str; 2] = ["/bareflow/native.0", "/bareflow/native.1"];

const SLOTS: usize = 128;
const SLOT: usize = 240;

/// What a slot holds. The order is that of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The whole runtime, as the image was built with.
    Base = 1,
    /// A runtime without what never ran.
    Evicted = 2,
    /// The program alone, as machine code.
    Native = 3,
}

impl Kind {
    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Evicted => "evicted",
            Self::Native => "native",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Base, Self::Evicted, Self::Native]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// Why a slot was abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was started as often as it may be and never proved itself.
    NoTriesLeft,
    /// It did not prove itself in time, and the watchdog reset the machine.
    Hung {
        /// How long it was waited for, in seconds.
        seconds: u32,
    },
    /// It met a CPU exception.
    Faulted {
        /// Number of the exception.
        vector: u8,
    },
    /// It ended with an error before it proved itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// The file does not have its checksum.
    Checksum {
        /// Checksum of what was found.
        found: u64,
    },
    /// The file is not there, or shorter than the slot says.
    File,
    /// The loader refused the file.
    Refused,
    /// It was made from another program.
    OtherProgram {
        /// Hash of the program on the disk.
        found: u64,
    },
    /// It was made by another build of the runtime.
    OtherBuild {
        /// Build of the runtime on the disk.
        found: u64,
    },
    /// Somebody chose so.
    ByHand,
}

impl Reason {
    fn encode(self) -> (u8, u64) {
        match self {
            Self::NoTriesLeft => (1, 0),
            Self::Hung { seconds } => (2, seconds.into()),
            Self::Faulted { vector } => (3, vector.into()),
            Self::Exited { code } => (4, code as u32 as u64),
            Self::Checksum { found } => (5, found),
            Self::File => (6, 0),
            Self::Refused => (7, 0),
            Self::OtherProgram { found } => (8, found),
            Self::OtherBuild { found } => (9, found),
            Self::ByHand => (10, 0),
        }
    }

    fn decode(number: u8, detail: u64) -> Option<Self> {
        let reason = match number {
            1 => Self::NoTriesLeft,
            2 => Self::Hung {
                seconds: detail as u32,
            },
            3 => Self::Faulted {
                vector: detail as u8,
            },
            4 => Self::Exited {
                code: detail as u32 as i32,
            },
            5 => Self::Checksum { found: detail },
            6 => Self::File,
            7 => Self::Refused,
            8 => Self::OtherProgram { found: detail },
            9 => Self::OtherBuild { found: detail },
            10 => Self::ByHand,
            _ => return None,
        };
        (reason.encode() == (number, detail)).then_some(reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoTriesLeft => write!(
                f,
                "it was started as often as it may be and never proved itself"
            ),
            Self::Hung { seconds } => write!(f, "it did not prove itself within {seconds} s"),
            Self::Faulted { vector } => write!(f, "it met CPU exception {vector}"),
            Self::Exited { code } => write!(f, "it ended with code {code} before it proved itself"),
            Self::Checksum { found } => write!(f, "its file has the wrong checksum {found:016x}"),
            Self::File => write!(f, "its file is not there or too short"),
            Self::Refused => write!(f, "the loader refused its file"),
            Self::OtherProgram { found } => {
                write!(
                    f,
                    "the program on the disk is another one now ({found:016x})"
                )
            }
            Self::OtherBuild { found } => {
                write!(
                    f,
                    "the runtime on the disk is another build now ({found:016x})"
                )
            }
            Self::ByHand => write!(f, "it was given up by hand"),
        }
    }
}

/// How far a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It may be started so many times more until it proves itself.
    Trial {
        /// Starts left.
        tries: u8,
    },
    /// It proved itself.
    Success,
    /// It is not started any more.
    Abandoned(Reason),
}

/// A path on the volume, at most [`MAX_PATH_BYTES`] long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Path {
    bytes: [u8; MAX_PATH_BYTES],
    len: u8,
}

impl Path {
    /// A path: it starts with `/` and has no NUL.
    ///
    /// # Errors
    /// [`SlotError::Path`].
    pub fn new(text: &str) -> Result<Self, SlotError> {
        if !text.starts_with('/') || text.contains('\0') || text.len() > MAX_PATH_BYTES {
            return Err(SlotError::Path {
                bytes: text.len() as u64,
            });
        }
        let mut bytes = [0; MAX_PATH_BYTES];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self {
            bytes,
            len: text.len() as u8,
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Made from a `str`, so this never falls back.
        core::str::from_utf8(&self.bytes[..self.len as usize]).unwrap_or("/")
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// A file that a slot is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRef {
    /// Where it lies.
    pub path: Path,
    /// Bytes of it that count; the file itself is preallocated and longer.
    pub bytes: u64,
    /// [`checksum`] of these bytes.
    pub checksum: u64,
}

impl FileRef {
    /// The reference to a file with this content.
    ///
    /// # Errors
    /// [`SlotError::Path`].
    pub fn describe(path: &str, content: &[u8]) -> Result<Self, SlotError> {
        Ok(Self {
            path: Path::new(path)?,
            bytes: content.len() as u64,
            checksum: checksum(content),
        })
    }

    /// Compares a checksum with the one expected.
    ///
    /// # Errors
    /// [`Reason::Checksum`].
    pub fn verify(&self, found: u64) -> Result<(), Reason> {
        match found == self.checksum {
            true => Ok(()),
            false => Err(Reason::Checksum { found }),
        }
    }
}

/// Something to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What it holds.
    pub kind: Kind,
    /// How far it is.
    pub state: State,
    /// The highest goes first; among equals the preferred kind.
    pub priority: u8,
    /// What is loaded.
    pub file: FileRef,
    /// What an evicted runtime faults in.
    pub cold: Option<FileRef>,
    /// Features without which it must not be started.
    pub features: CpuFeatures,
    /// Hash of the program it was made for; 0 if it runs any.
    pub program: u64,
    /// Build of the runtime it was made by; 0 if that does not matter.
    pub build: u64,
    /// How often it was started.
    pub starts: u32,
}

impl Slot {
    /// A new slot on trial, with the priority of its kind.
    pub fn new(kind: Kind, file: FileRef) -> Self {
        Self {
            kind,
            state: match kind {
                Kind::Base => State::Success,
                _ => State::Trial {
                    tries: DEFAULT_TRIES,
                },
            },
            priority: kind as u8 * 10,
            file,
            cold: None,
            features: CpuFeatures::NONE,
            program: 0,
            build: 0,
            starts: 0,
        }
    }
}

/// Why a slot cannot be started now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It was abandoned.
    Abandoned(Reason),
    /// It has no tries left and is not proved.
    NoTriesLeft,
    /// The processor lacks these features.
    Features(CpuFeatures),
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abandoned(reason) => write!(f, "abandoned: {reason}"),
            Self::NoTriesLeft => write!(f, "no tries left"),
            Self::Features(missing) => write!(f, "this CPU lacks {missing}"),
        }
    }
}

/// Why a table was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotError {
    /// Not the size of a copy, or of the file.
    Size {
        /// Bytes found.
        found: u64,
        /// Bytes expected.
        expected: u64,
    },
    /// The first four bytes are not `SLTS`.
    Magic {
        /// Bytes found.
        found: [u8; 4],
    },
    /// The copy does not have its checksum.
    Checksum {
        /// Checksum of what was found.
        found: u64,
        /// Checksum in the copy.
        expected: u64,
    },
    /// Written by another version of BareFlow.
    Version {
        /// Version found.
        found: u16,
    },
    /// A field that no table has.
    Field {
        /// Number of the slot; [`MAX_SLOTS`] for the head.
        slot: usize,
        /// Which field.
        field: &'static str,
    },
    /// A path that is none.
    Path {
        /// Its size in bytes.
        bytes: u64,
    },
    /// Neither copy is valid.
    NoTable,
    /// There is no slot of this number.
    NoSlot {
        /// The number.
        index: usize,
    },
    /// All slots are in use.
    Full,
    /// The base slot cannot be changed.
    Base,
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Size { found, expected } => {
                write!(f, "slot table: {found} bytes found, {expected} expected")
            }
            Self::Magic { found } => {
                write!(f, "slot table: magic {found:02x?} found, \"SLTS\" expected")
            }
            Self::Checksum { found, expected } => write!(
                f,
                "slot table: checksum {found:016x} found, {expected:016x} expected; it was not written to its end"
            ),
            Self::Version { found } => write!(
                f,
                "slot table: version {found} found, {VERSION} expected; it was written by another BareFlow"
            ),
            Self::Field { slot, field } => write!(f, "slot table: {field} of slot {slot} is wrong"),
            Self::Path { bytes } => write!(
                f,
                "slot table: a path of {bytes} bytes found; expected one that starts with / and has at most {MAX_PATH_BYTES} bytes"
            ),
            Self::NoTable => write!(
                f,
                "slot table: neither copy in {PATH} is valid; only the base image can be started. Build the image again"
            ),
            Self::NoSlot { index } => write!(f, "slot table: there is no slot {index}"),
            Self::Full => write!(f, "slot table: all {MAX_SLOTS} slots are in use"),
            Self::Base => write!(f, "slot table: the base slot cannot be changed"),
        }
    }
}

impl core::error::Error for SlotError {}

/// The table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Larger than that of the table before it; 0 for one that was never written.
    pub generation: u64,
    /// Index of the slot that was started last.
    pub started: Option<u8>,
    /// The slots; an index names a slot as long as the table lives.
    pub slots: [Option<Slot>; MAX_SLOTS],
}

impl Table {
    /// A table with nothing but the base image.
    pub fn new(base: Slot) -> Self {
        let mut slots = [None; MAX_SLOTS];
        slots[0] = Some(base);
        Self {
            generation: 0,
            started: None,
            slots,
        }
    }

    /// Slots in use, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Slot)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(i, slot)| Some((i, slot.as_ref()?)))
    }

    /// A slot by its number.
    ///
    /// # Errors
    /// [`SlotError::NoSlot`].
    pub fn slot_mut(&mut self, index: usize) -> Result<&mut Slot, SlotError> {
        let slot = self.slots.get_mut(index).and_then(Option::as_mut);
        slot.ok_or(SlotError::NoSlot { index })
    }

    /// Whether a slot could be started on this processor.
    ///
    /// # Errors
    /// Why not.
    pub fn startable(slot: &Slot, found: &CpuFeatures) -> Result<(), Skip> {
        match slot.state {
            State::Abandoned(reason) if slot.kind != Kind::Base => {
                return Err(Skip::Abandoned(reason));
            }
            State::Trial { tries: 0 } if slot.kind != Kind::Base => return Err(Skip::NoTriesLeft),
            _ => {}
        }
        match slot.features.is_subset_of(found) {
            true => Ok(()),
            false => Err(Skip::Features(slot.features.missing(found))),
        }
    }

    /// The slot to start on this processor: the startable one of highest priority, and among equals the preferred kind, then the lower
    /// number. `skip` is told of each better one that cannot be started.
    ///
    /// The caller then checks the file; if it is damaged, it calls [`abandon`](Self::abandon) and chooses again. This ends: the base
    /// slot is not abandoned.
    pub fn choose(
        &self,
        found: &CpuFeatures,
        mut skip: impl FnMut(usize, &Slot, Skip),
    ) -> Option<usize> {
        let mut seen = [false; MAX_SLOTS];
        loop {
            let best = self
                .iter()
                .filter(|(i, _)| !seen[*i])
                .max_by_key(|(i, slot)| (slot.priority, slot.kind, core::cmp::Reverse(*i)));
            let (index, slot) = best?;
            match Self::startable(slot, found) {
                Ok(()) => return Some(index),
                Err(why) => skip(index, slot, why),
            }
            seen[index] = true;
        }
    }

    /// Notes that a slot is about to be started. True if the table must be written before the jump: a slot on trial pays with a try.
    ///
    /// # Errors
    /// [`SlotError::NoSlot`].
    pub fn start(&mut self, index: usize) -> Result<bool, SlotError> {
        let slot = self.slot_mut(index)?;
        let mut changed = false;
        if let State::Trial { tries } = &mut slot.state {
            *tries = tries.saturating_sub(1);
            slot.starts = slot.starts.saturating_add(1);
            changed = true;
        }
        let started = Some(index as u8);
        changed |= self.started != started;
        self.started = started;
        Ok(changed)
    }

    /// Notes that a slot proved itself. True if that is new and the table must be written.
    ///
    /// # Errors
    /// [`SlotError::NoSlot`].
    pub fn succeed(&mut self, index: usize) -> Result<bool, SlotError> {
        let slot = self.slot_mut(index)?;
        let is_new = slot.state != State::Success;
        slot.state = State::Success;
        Ok(is_new)
    }

    /// Gives a slot up.
    ///
    /// # Errors
    /// [`SlotError::NoSlot`], [`SlotError::Base`].
    pub fn abandon(&mut self, index: usize, reason: Reason) -> Result<(), SlotError> {
        let slot = self.slot_mut(index)?;
        if slot.kind == Kind::Base {
            return Err(SlotError::Base);
        }
        slot.state = State::Abandoned(reason);
        Ok(())
    }

    /// Number of the slot that uses the file at `path`, if there is one.
    pub fn find(&self, path: &str) -> Option<usize> {
        self.iter()
            .find(|(_, slot)| slot.file.path.as_str() == path)
            .map(|(i, _)| i)
    }

    /// Of the two files for a kind, the one to write a new image to: one that no slot names, else that of an abandoned slot, else the
    /// older one (never the one that was started last). `None` for the base, which is never written.
    ///
    /// Before it is written, [`forget`](Self::forget) the slot that names it and write the table: a slot must not point to a file
    /// that changes under it.
    pub fn target(&self, kind: Kind) -> Option<&'static str> {
        let paths = match kind {
            Kind::Base => return None,
            Kind::Evicted => EVICTED_PATHS,
            Kind::Native => NATIVE_PATHS,
        };
        let rank = |path: &&'static str| match self.find(path) {
            None => 0,
            Some(index) if self.started == Some(index as u8) => 4,
            Some(index) => match self.slots[index].map(|slot| slot.state) {
                Some(State::Abandoned(_)) => 1,
                Some(State::Trial { .. }) => 2,
                _ => 3,
            },
        };
        paths.into_iter().min_by_key(rank)
    }

    /// Takes a slot out of the table.
    ///
    /// # Errors
    /// [`SlotError::NoSlot`], [`SlotError::Base`].
    pub fn forget(&mut self, index: usize) -> Result<(), SlotError> {
        if self.slot_mut(index)?.kind == Kind::Base {
            return Err(SlotError::Base);
        }
        self.slots[index] = None;
        if self.started == Some(index as u8) {
            self.started = None;
        }
        Ok(())
    }

    /// Puts a slot into the table, in the place of the one that names the same file, and gives its number. Older slots of the same
    /// kind step behind it: their priority stays below its own.
    ///
    /// # Errors
    /// [`SlotError::Full`], [`SlotError::Base`].
    pub fn install(&mut self, mut slot: Slot) -> Result<usize, SlotError> {
        if slot.kind == Kind::Base {
            return Err(SlotError::Base);
        }
        let index = match self.find(slot.file.path.as_str()) {
            Some(index) => index,
            None => self
                .slots
                .iter()
                .position(Option::is_none)
                .ok_or(SlotError::Full)?,
        };
        let normal = slot.kind as u8 * 10;
        slot.priority = normal;
        self.slots[index] = None;
        for other in self.slots.iter_mut().flatten() {
            if other.kind == slot.kind {
                other.priority = other.priority.min(normal - 1);
            }
        }
        self.slots[index] = Some(slot);
        if self.started == Some(index as u8) {
            self.started = None;
        }
        Ok(index)
    }

    /// The bytes of a copy.
    pub fn encode(&self) -> [u8; COPY_BYTES] {
        let mut copy = [0; COPY_BYTES];
        copy[..4].copy_from_slice(&MAGIC);
        copy[4..6].copy_from_slice(&VERSION.to_le_bytes());
        copy[6] = self.started.unwrap_or(0xFF);
        copy[8..16].copy_from_slice(&self.generation.to_le_bytes());
        for (slot, bytes) in self.slots.iter().zip(copy[SLOTS..].chunks_exact_mut(SLOT)) {
            if let Some(slot) = slot {
                encode_slot(slot, bytes);
            }
        }
        let sum = checksum(&copy);
        copy[16..24].copy_from_slice(&sum.to_le_bytes());
        copy
    }

    /// Reads a copy.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, SlotError> {
        let Ok(mut copy) = <[u8; COPY_BYTES]>::try_from(bytes) else {
            return Err(SlotError::Size {
                found: bytes.len() as u64,
                expected: COPY_BYTES as u64,
            });
        };
        let magic = [copy[0], copy[1], copy[2], copy[3]];
        if magic != MAGIC {
            return Err(SlotError::Magic { found: magic });
        }
        let expected = word(&copy, 16);
        copy[16..24].fill(0);
        let found = checksum(&copy);
        if found != expected {
            return Err(SlotError::Checksum { found, expected });
        }
        let version = u16::from_le_bytes([copy[4], copy[5]]);
        if version != VERSION {
            return Err(SlotError::Version { found: version });
        }
        let wrong = |slot, field| SlotError::Field { slot, field };
        let generation = word(&copy, 8);
        if generation == 0 || generation == u64::MAX {
            return Err(wrong(MAX_SLOTS, "the generation"));
        }
        let mut slots = [None; MAX_SLOTS];
        for (index, slot) in slots.iter_mut().enumerate() {
            let bytes = &copy[SLOTS + index * SLOT..][..SLOT];
            *slot = parse_slot(bytes).map_err(|field| wrong(index, field))?;
        }
        let started = match copy[6] {
            0xFF => None,
            index if slots.get(index as usize).is_some_and(Option::is_some) => Some(index),
            _ => return Err(wrong(MAX_SLOTS, "the number of the slot started last")),
        };
        let table = Self {
            generation,
            started,
            slots,
        };
        if copy[7] != 0 || copy[24..SLOTS].iter().any(|&byte| byte != 0) {
            return Err(wrong(MAX_SLOTS, "a reserved field"));
        }
        Ok(table)
    }
}

/// The table of the two copies in `file`, and the number of the copy it lies in.
///
/// # Errors
/// [`SlotError::Size`]; what is wrong with the copies if neither is valid: the error of one that was written by another version, else
/// [`SlotError::NoTable`].
pub fn pick(file: &[u8]) -> Result<(Table, usize), SlotError> {
    let Some((first, second)) = file.get(..FILE_BYTES).map(|file| file.split_at(COPY_BYTES)) else {
        return Err(SlotError::Size {
            found: file.len() as u64,
            expected: FILE_BYTES as u64,
        });
    };
    match (Table::parse(first), Table::parse(second)) {
        (Ok(a), Ok(b)) if b.generation > a.generation => Ok((b, 1)),
        (Ok(a), _) => Ok((a, 0)),
        (_, Ok(b)) => Ok((b, 1)),
        (Err(e @ SlotError::Version { .. }), _) | (_, Err(e @ SlotError::Version { .. })) => Err(e),
        _ => Err(SlotError::NoTable),
    }
}

/// Counts the table's generation up and gives the copy to write, with its offset in the file: not the one `current` that the table was read
/// from. Flush after it; then `current` is the other one.
pub fn next_copy(table: &mut Table, current: usize) -> (u64, [u8; COPY_BYTES]) {
    // Far from its end: a table that has it is not accepted.
    table.generation = table.generation.saturating_add(1).min(u64::MAX - 1);
    let target = if current == 0 { COPY_BYTES } else { 0 };
    (target as u64, table.encode())
}

/// A whole file with this table in its first copy, as an image is built with.
pub fn new_file(table: &Table) -> [u8; FILE_BYTES] {
    let mut table = table.clone();
    let mut file = [0; FILE_BYTES];
    let (_, copy) = next_copy(&mut table, 1);
    file[..COPY_BYTES].copy_from_slice(&copy);
    file
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn encode_slot(slot: &Slot, out: &mut [u8]) {
    let (state, tries, (reason, detail)) = match slot.state {
        State::Trial { tries } => (0, tries, (0, 0)),
        State::Success => (1, 0, (0, 0)),
        State::Abandoned(reason) => (2, 0, reason.encode()),
    };
    out[..5].copy_from_slice(&[slot.kind as u8, state, tries, slot.priority, reason]);
    let mut put = |at: usize, word: u64| out[at..at + 8].copy_from_slice(&word.to_le_bytes());
    put(8, detail);
    put(16, slot.file.bytes);
    put(24, slot.file.checksum);
    put(32, slot.program);
    put(40, slot.build);
    if let Some(cold) = &slot.cold {
        put(192, cold.bytes);
        put(200, cold.checksum);
    }
    out[48..96].copy_from_slice(&slot.features.to_bytes());
    out[96..144].copy_from_slice(&slot.file.path.bytes);
    if let Some(cold) = &slot.cold {
        out[144..192].copy_from_slice(&cold.path.bytes);
    }
    out[208..212].copy_from_slice(&slot.starts.to_le_bytes());
}

fn parse_path(bytes: &[u8]) -> Option<Path> {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let text = core::str::from_utf8(&bytes[..end]).ok()?;
    let padded = bytes[end..].iter().all(|&b| b == 0);
    padded.then(|| Path::new(text).ok()).flatten()
}

fn parse_slot(bytes: &[u8]) -> Result<Option<Slot>, &'static str> {
    let is_zero = |range: core::ops::Range<usize>| bytes[range].iter().all(|&byte| byte == 0);
    let kind = match bytes[0] {
        0 if is_zero(0..SLOT) => return Ok(None),
        1 => Kind::Base,
        2 => Kind::Evicted,
        3 => Kind::Native,
        _ => return Err("the kind"),
    };
    let state = match (bytes[1], bytes[2], bytes[4], word(bytes, 8)) {
        (0, tries, 0, 0) => State::Trial { tries },
        (1, 0, 0, 0) => State::Success,
        (2, 0, number, detail) => {
            State::Abandoned(Reason::decode(number, detail).ok_or("the reason")?)
        }
        _ => return Err("the state"),
    };
    if !is_zero(5..8) || !is_zero(212..SLOT) {
        return Err("a reserved field");
    }
    let file = FileRef {
        path: parse_path(&bytes[96..144]).ok_or("the path")?,
        bytes: word(bytes, 16),
        checksum: word(bytes, 24),
    };
    let cold = match is_zero(144..208) {
        true => None,
        false => Some(FileRef {
            path: parse_path(&bytes[144..192]).ok_or("the path of the cold file")?,
            bytes: word(bytes, 192),
            checksum: word(bytes, 200),
        }),
    };
    let mut features = [0; 48];
    features.copy_from_slice(&bytes[48..96]);
    Ok(Some(Slot {
        kind,
        state,
        priority: bytes[3],
        file,
        cold,
        features: CpuFeatures::from_bytes(&features),
        program: word(bytes, 32),
        build: word(bytes, 40),
        starts: word(bytes, 208) as u32,
    }))
}

#[cfg(test)]
mod tests;
