//! The boot manager: which slot is started, what it must prove, and what follows when it does not.
//!
//! ```text
//! table absent, or payload=PATH ----> that file, as a machine without slots
//! table   choose: slot= or a key, else priority          passed over: features missing, no tries, abandoned
//!           |  origin, checksum, loader                   abandoned: made from another program or runtime (`origin`),
//!           |                                             file short, checksum wrong, refused
//!           v
//!         write tries - 1, flush, jump                    on trial until the first of
//!           slot_success(), normal exit                   -> success, no write in later boots
//!           exception, signal, exit in distress,          -> machine resets; out of tries: abandoned
//!           kernel panic, watchdog
//! ```
//!
//! The table (`formats::slots`) is read anew for each change: the program may have written it, too. Whoever resets has
//! paid with a try before, so a slot that fails whatever it does (even a triple fault, which nobody sees) is left
//! after its tries. The base slot is never on trial: what ends it ends the machine, as without slots.

mod origin;
pub mod watchdog;

use crate::cpu::fpu;
use crate::linux::Answer;
use crate::linux::errno::Errno;
use crate::linux::file::{self, Disk};
use crate::loader::{self, LoadError, Origin, Start};
use crate::{console, power};
use alloc::string::String;
use core::arch::x86_64::__cpuid_count;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use formats::checksum::Checksum;
use formats::cpu::CpuFeatures;
use formats::exit::{FAULT_CODE, STUCK_CODE};
use formats::options::{DEFAULT_PAYLOAD, KernelOptions, SlotChoice};
use formats::slots::{FileRef, Kind, PATH, Reason, Slot, SlotError, State, Table};
use store::area::{AreaError, VolumeArea};
use store::fat::FatError;
use store::slots::{SlotFile, SlotFileError};

/// Bytes of a file that are read at once.
const CHUNK: usize = 256 << 10;
/// Exit code of a runtime that refused or could not compile its program.
const REFUSED_CODE: i32 = 63;
/// Exit codes from here on tell of a signal; this one of Ctrl-C.
const SIGNALS: i32 = 128;
const INTERRUPTED: i32 = 130;
const NONE: usize = usize::MAX;
/// How long a failing machine waits for whoever uses the disk.
const DISK_WAIT_MS: u64 = 500;

/// Keys that choose: nobody types these ahead for a program.
const KEYS: [(u8, &str, Kind); 3] = [
    (0x02, "Ctrl-B", Kind::Base),
    (0x05, "Ctrl-E", Kind::Evicted),
    (0x0E, "Ctrl-N", Kind::Native),
];

static STARTED: AtomicUsize = AtomicUsize::new(NONE);
static ON_TRIAL: AtomicBool = AtomicBool::new(false);

/// A slot for people.
struct Named<'a>(usize, &'a Slot);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(index, slot) = self;
        write!(
            f,
            "slot {index} ({}, {})",
            slot.kind.name(),
            slot.file.path.as_str()
        )
    }
}

/// Features of this processor whose registers the kernel saves.
fn features() -> CpuFeatures {
    let ask = |leaf, subleaf| {
        let answer = __cpuid_count(leaf, subleaf);
        [answer.eax, answer.ebx, answer.ecx, answer.edx]
    };
    CpuFeatures::detect(ask, fpu::mask())
}

fn open(volume: &mut Disk) -> Result<SlotFile<VolumeArea<'_, DiskDevice>>, SlotFileError> {
    SlotFile::open(VolumeArea::open(volume, PATH)?)
}

type DiskDevice = alloc::boxed::Box<dyn store::block::BlockDevice + Send>;

/// The table; `None` where there is none, which is told unless it is simply not there.
fn read_table() -> Option<Table> {
    match file::with_disk(|volume| open(volume).map(|slots| slots.table().clone()))? {
        Ok(table) => Some(table),
        Err(SlotFileError::Area(AreaError::Volume(FatError::NotFound { .. }))) => None,
        Err(error) => {
            crate::error!("boot: {error}");
            None
        }
    }
}

/// Changes the table on the disk.
fn update<R>(change: impl FnOnce(&mut Table) -> Result<R, SlotError>) -> Option<R> {
    let result = file::with_disk(|volume| open(volume)?.update(change))?;
    result
        .inspect_err(|error| crate::error!("boot: {error}"))
        .ok()
}

/// Loads the payload that is to be started: by `options.payload` if it names one, else by the table.
///
/// # Errors
/// Those of the loader for the payload that nothing else can replace.
pub fn load(options: &KernelOptions, args: &[String]) -> Result<Start, LoadError> {
    let table = match options.payload == DEFAULT_PAYLOAD {
        true => read_table(),
        false => None,
    };
    match table {
        Some(table) => load_slot(table, options, args),
        None => loader::load(Origin::File(&options.payload), args, options.coverage),
    }
}

fn load_slot(
    mut table: Table,
    options: &KernelOptions,
    args: &[String],
) -> Result<Start, LoadError> {
    let found = features();
    let mut by_hand = options.slot.or_else(|| key(&table));
    loop {
        let Some(index) = choose(&table, by_hand, &found) else {
            return loader::load(Origin::File(&options.payload), args, options.coverage);
        };
        let Some(slot) = table.slots[index] else {
            return loader::load(Origin::File(&options.payload), args, options.coverage);
        };
        let is_base = slot.kind == Kind::Base;
        let loaded = match is_base {
            true => Ok(()),
            false => origin::verify(&slot).and_then(|()| verify(&slot.file)),
        };
        // A slot on trial that cannot pay for it is not started: it might come back for ever.
        let paid = loaded.is_ok() && pay(&mut table, index);
        let loaded = match loaded {
            Ok(()) if paid || is_base => loader::load(
                Origin::File(slot.file.path.as_str()),
                args,
                options.coverage,
            )
            .map_err(Some),
            Ok(()) => Err(None),
            Err(reason) => {
                give_up(&mut table, index, &slot, reason);
                by_hand = None;
                continue;
            }
        };
        match loaded {
            Ok(start) => {
                begin(index, &table, options);
                return Ok(start);
            }
            Err(Some(error)) if is_base => return Err(error),
            Err(error) => {
                if let Some(error) = &error {
                    crate::error!("boot: {}: {error}", Named(index, &slot));
                }
                give_up(&mut table, index, &slot, Reason::Refused);
                by_hand = None;
                // A file that was refused as a whole has left nothing behind. Otherwise memory is half full of it.
                if error.is_some_and(|error| !matches!(error, LoadError::Elf(_))) {
                    crate::error!("boot: the machine starts again");
                    power::reset();
                }
            }
        }
    }
}

/// The slot that is chosen by hand, else the best; says which others were passed over.
fn choose(table: &Table, by_hand: Option<SlotChoice>, found: &CpuFeatures) -> Option<usize> {
    if let Some(choice) = by_hand {
        let mut only = table.clone();
        for (index, slot) in only.slots.iter_mut().enumerate() {
            let is_meant = slot.is_some_and(|slot| match choice {
                SlotChoice::Kind(kind) => slot.kind == kind,
                SlotChoice::Number(number) => index == usize::from(number),
            });
            if !is_meant {
                *slot = None;
            }
        }
        if let Some(index) = only.choose(found, told) {
            return Some(index);
        }
        crate::error!("boot: no slot \"{choice}\" can be started; choosing by priority");
    }
    table.choose(found, told)
}

fn told(index: usize, slot: &Slot, why: formats::slots::Skip) {
    crate::info!("boot: {} passed over: {why}", Named(index, slot));
}

/// Looks whether the bytes of a file are those the slot was made with.
fn verify(wanted: &FileRef) -> Result<(), Reason> {
    let found = file::with_disk(|volume| {
        let file = volume
            .open(wanted.path.as_str())
            .map_err(|_| Reason::File)?;
        let mut buffer = alloc::vec![0; CHUNK.min(wanted.bytes as usize)];
        let mut sum = Checksum::new();
        let mut done = 0;
        while done < wanted.bytes {
            let most = buffer.len().min((wanted.bytes - done) as usize);
            let read = volume.read_at(&file, done, &mut buffer[..most]);
            match read {
                Ok(count @ 1..) => {
                    sum.update(&buffer[..count]);
                    done += count as u64;
                }
                _ => return Err(Reason::File),
            }
        }
        Ok(sum.finish())
    });
    wanted.verify(found.unwrap_or(Err(Reason::File))?)
}

/// Writes that a slot is about to be started, if that is news; false if it could not be written.
fn pay(table: &mut Table, index: usize) -> bool {
    let mut copy = table.clone();
    if !copy.start(index).unwrap_or(true) {
        return true;
    }
    match update(|table| table.start(index)) {
        Some(_) => {
            *table = copy;
            true
        }
        None => false,
    }
}

fn give_up(table: &mut Table, index: usize, slot: &Slot, reason: Reason) {
    crate::error!("boot: {} is given up: {reason}", Named(index, slot));
    update(|table| table.abandon(index, reason));
    // Also where the disk could not be written.
    let _ = table.abandon(index, reason);
}

/// Says what was chosen; from now on a slot on trial is watched.
fn begin(index: usize, table: &Table, options: &KernelOptions) {
    let Some(slot) = &table.slots[index] else {
        return;
    };
    STARTED.store(index, Ordering::SeqCst);
    let named = Named(index, slot);
    match slot.state {
        State::Trial { tries } if slot.kind != Kind::Base => {
            crate::info!("boot: {named}, on trial, {tries} tries left after this one");
            ON_TRIAL.store(true, Ordering::SeqCst);
            watchdog::start(options.watchdog_seconds);
        }
        _ => crate::info!("boot: {named}"),
    }
}

fn is_on_trial() -> bool {
    crate::ALL_STAGES && ON_TRIAL.load(Ordering::SeqCst)
}

/// A choice by key, if one was pressed since power-on and there is something to choose.
fn key(table: &Table) -> Option<SlotChoice> {
    if table.iter().count() < 2 {
        return None;
    }
    let pressed = console::take_key(|key| KEYS.iter().any(|&(byte, ..)| byte == key))?;
    let &(_, name, kind) = KEYS.iter().find(|&&(byte, ..)| byte == pressed)?;
    crate::info!("boot: {name} asks for the slot \"{}\"", kind.name());
    Some(SlotChoice::Kind(kind))
}

/// Call `slot_success`: the program proved itself.
///
/// # Errors
/// IO: the table could not be written; the slot stays on trial.
pub fn succeed() -> Answer {
    if !ON_TRIAL.load(Ordering::SeqCst) {
        return Ok(0);
    }
    let index = STARTED.load(Ordering::SeqCst);
    update(|table| table.succeed(index)).ok_or(Errno::IO)?;
    ON_TRIAL.store(false, Ordering::SeqCst);
    watchdog::stop();
    crate::debug!("boot: slot {index} proved itself");
    Ok(0)
}

/// Call `slot_current`: number of the slot that was started.
///
/// # Errors
/// NOENT: the machine has no slots.
pub fn current() -> Answer {
    match STARTED.load(Ordering::SeqCst) {
        NONE => Err(Errno::NOENT),
        index => Ok(index),
    }
}

/// The program ends with `code`. Comes back unless that is a failed trial, which resets the machine.
pub fn program_ends(code: i32) {
    if !is_on_trial() {
        return;
    }
    match code {
        INTERRUPTED => {}
        SIGNALS.. | REFUSED_CODE => fail(Reason::Exited { code }),
        code if [FAULT_CODE, STUCK_CODE].map(i32::from).contains(&code) => {
            fail(Reason::Exited { code })
        }
        _ => {
            // The machine ends: what could not be written cannot be written later either.
            let _ = succeed();
        }
    }
    ON_TRIAL.store(false, Ordering::SeqCst);
}

/// Notes why a slot on trial fails. Called where the payload was interrupted, when this CPU holds no lock.
pub fn note_failure(reason: Reason) {
    if !is_on_trial() {
        return;
    }
    let index = STARTED.load(Ordering::SeqCst);
    crate::error!("boot: slot {index} failed: {reason}");
    let noted = file::try_with_disk(DISK_WAIT_MS, |volume| {
        open(volume)?.update(|table| match table.slot_mut(index)?.state {
            State::Trial { tries: 0 } => table.abandon(index, reason),
            // It may try again; the table is written by the next start.
            _ => Err(SlotError::NoSlot { index }),
        })
    });
    if let Some(Err(SlotFileError::Area(error))) = noted {
        crate::error!("boot: {error}");
    }
}

/// Resets the machine if a slot is on trial; the next boot goes on with what is left.
pub fn reset_on_trial() {
    if is_on_trial() {
        crate::error!("boot: the machine starts again");
        power::reset();
    }
}

fn fail(reason: Reason) -> ! {
    note_failure(reason);
    crate::exit::stop_others();
    crate::error!("boot: the machine starts again");
    power::reset()
}
