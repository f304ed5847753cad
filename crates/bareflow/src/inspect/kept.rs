//! What a machine has kept on its disk: boot slots, records, compiled functions.
//!
//! Everything is compared with its checksums; what is damaged is a finding, not an error.

use std::collections::BTreeMap;

use formats::checksum::checksum;
use formats::elf::{Executable, HEAD_BYTES};
use formats::record::kind;
use formats::slots::{FileRef, PATH, STORE_PATH, Slot, State};
use formats::snap;
use serde::Serialize;
use store::area::VolumeArea;
use store::fat::FatError;
use store::records::{Records, State as RecordState};
use store::slots::SlotFile;

use super::size;
use crate::Error;
use crate::contents::{Contents, ImageVolume};

/// What the machine has kept.
#[derive(Debug, Serialize)]
pub struct Kept {
    /// The boot slots, or why they cannot be read.
    pub slots: Slots,
    /// The record store, or why it cannot be read.
    pub store: Store,
    /// The newest code set of each kind of processor, the newest first.
    pub code: Vec<CodeSet>,
}

/// The boot slot table.
#[derive(Debug, Serialize)]
pub struct Slots {
    /// `good`, or what is wrong.
    pub state: String,
    /// Counts the changes of the table.
    pub generation: u64,
    /// Number of the slot that was started last.
    pub started: Option<u8>,
    /// The slots.
    pub slots: Vec<SlotReport>,
}

/// A slot.
#[derive(Debug, Serialize)]
pub struct SlotReport {
    /// Its number.
    pub number: usize,
    /// `base`, `evicted` or `native`.
    pub kind: &'static str,
    /// Its file.
    pub file: SlotPart,
    /// Bytes of code and constants that are in memory from the start on.
    pub resident_bytes: Option<u64>,
    /// Bytes of all segments that are in memory from the start on, writable ones included.
    pub memory_bytes: Option<u64>,
    /// The file of what is read only when it is needed.
    pub cold: Option<SlotPart>,
    /// `trial`, `success` or `abandoned`.
    pub state: &'static str,
    /// Starts left while it is on trial.
    pub tries: Option<u8>,
    /// Why it was abandoned.
    pub reason: Option<String>,
    /// The highest goes first.
    pub priority: u8,
    /// CPU features it needs, by LLVM's names.
    pub features: Vec<&'static str>,
    /// Hash of the program it was made for.
    pub program: String,
    /// Build of the runtime it was made by.
    pub build: String,
    /// How often it was started on trial.
    pub starts: u32,
}

/// A file of a slot.
#[derive(Debug, Serialize)]
pub struct SlotPart {
    /// Where it lies.
    pub path: String,
    /// Bytes of it that count.
    pub bytes: u64,
    /// `good`, or what is wrong.
    pub state: String,
}

/// The record store.
#[derive(Debug, Serialize)]
pub struct Store {
    /// `good`, or what is wrong.
    pub state: String,
    /// Room for payloads in bytes.
    pub capacity: u64,
    /// Held by the newest records of all keys.
    pub newest: u64,
    /// Held by older generations.
    pub old: u64,
    /// Not held by anybody.
    pub free: u64,
    /// Most records there can be.
    pub headers: u32,
    /// The records, by kind, key and generation.
    pub records: Vec<RecordReport>,
    /// Headers that are none.
    pub bad_headers: Vec<String>,
}

/// A record.
#[derive(Debug, Serialize)]
pub struct RecordReport {
    /// Name of its kind, or the number of one that has no name.
    pub kind: String,
    /// Its key, hexadecimal.
    pub key: String,
    /// Larger than that of any record before it.
    pub generation: u64,
    /// Size of the payload.
    pub bytes: u64,
    /// True if it can be read.
    pub valid: bool,
    /// `newest` or `old`, or why it is not valid.
    pub state: String,
}

/// Compiled functions for one kind of processor.
#[derive(Debug, Serialize)]
pub struct CodeSet {
    /// Key of the CPU features.
    pub key: String,
    /// Generation of the record.
    pub generation: u64,
    /// Boots up to the one that wrote it.
    pub boot_count: u64,
    /// Build that compiled it.
    pub build: String,
    /// `good`, or what is wrong.
    pub state: String,
    /// Sums by tier.
    pub tiers: Vec<TierSum>,
    /// The functions, by tier, the largest first.
    pub functions: Vec<FunctionReport>,
}

/// The functions of one tier.
#[derive(Debug, Serialize)]
pub struct TierSum {
    /// Name of the tier.
    pub tier: String,
    /// How many.
    pub functions: usize,
    /// Size of their code.
    pub bytes: u64,
}

/// A compiled function.
#[derive(Debug, Serialize)]
pub struct FunctionReport {
    /// Its symbol.
    pub name: String,
    /// Name of its tier.
    pub tier: String,
    /// 0 for the generic body.
    pub variant: u32,
    /// Size of its code.
    pub bytes: u64,
    /// Size of what is known beside it.
    pub details: u64,
    /// `good`, or what is wrong.
    pub state: String,
}

/// Looks at what is kept; `None` if the image has no place for it.
///
/// # Errors
/// The volume is damaged.
pub fn kept(image: &mut Contents) -> Result<Option<Kept>, Error> {
    let volume = image.volume();
    if !exists(volume, STORE_PATH)? && !exists(volume, PATH)? {
        return Ok(None);
    }
    let slots = slots(volume);
    let (store, code) = match records(volume) {
        Ok(found) => found,
        Err(state) => (empty_store(state), Vec::new()),
    };
    Ok(Some(Kept { slots, store, code }))
}

fn exists(volume: &mut ImageVolume, path: &str) -> Result<bool, Error> {
    match volume.metadata(path) {
        Ok(_) => Ok(true),
        Err(FatError::NotFound { .. } | FatError::NotADirectory { .. }) => Ok(false),
        Err(error) => Err(Error::Device(error.to_string())),
    }
}

fn slots(volume: &mut ImageVolume) -> Slots {
    let table = VolumeArea::open(volume, PATH)
        .map_err(|e| e.to_string())
        .and_then(|area| SlotFile::open(area).map_err(|e| e.to_string()))
        .map(|file| file.table().clone());
    match table {
        Ok(table) => Slots {
            state: "good".into(),
            generation: table.generation,
            started: table.started,
            slots: table.iter().map(|(i, s)| slot(volume, i, s)).collect(),
        },
        Err(state) => Slots {
            state,
            generation: 0,
            started: None,
            slots: Vec::new(),
        },
    }
}

fn slot(volume: &mut ImageVolume, number: usize, slot: &Slot) -> SlotReport {
    let (file, content) = part(volume, &slot.file);
    let sizes = content.and_then(|content| memory_sizes(&content));
    let (state, tries, reason) = match slot.state {
        State::Trial { tries } => ("trial", Some(tries), None),
        State::Success => ("success", None, None),
        State::Abandoned(reason) => ("abandoned", None, Some(reason.to_string())),
    };
    SlotReport {
        number,
        kind: slot.kind.name(),
        file,
        resident_bytes: sizes.map(|s| s.0),
        memory_bytes: sizes.map(|s| s.1),
        cold: slot.cold.map(|cold| part(volume, &cold).0),
        state,
        tries,
        reason,
        priority: slot.priority,
        features: slot.features.names().collect(),
        program: format!("{:016x}", slot.program),
        build: format!("{:016x}", slot.build),
        starts: slot.starts,
    }
}

/// A file of a slot, compared with what the slot says of it; its content if it is whole.
fn part(volume: &mut ImageVolume, file: &FileRef) -> (SlotPart, Option<Vec<u8>>) {
    let path = file.path.as_str();
    let read = || -> Result<Vec<u8>, String> {
        let open = volume.open(path).map_err(|e| e.to_string())?;
        let there = volume.file_bytes(&open).map_err(|e| e.to_string())?;
        if u64::from(there) < file.bytes {
            return Err(format!("{there} bytes found, {} expected", file.bytes));
        }
        let mut content = vec![0; file.bytes as usize];
        volume
            .read_at(&open, 0, &mut content)
            .map_err(|e| e.to_string())?;
        match checksum(&content) {
            found if found == file.checksum => Ok(content),
            found => Err(format!(
                "checksum {found:016x} found, {:016x} expected",
                file.checksum
            )),
        }
    };
    let (state, content) = match { read }() {
        Ok(content) => ("good".into(), Some(content)),
        Err(why) => (why, None),
    };
    let report = SlotPart {
        path: path.into(),
        bytes: file.bytes,
        state,
    };
    (report, content)
}

/// Bytes of code and constants, and of all segments, that an ELF file has in memory from the start on. The file may be compressed.
fn memory_sizes(content: &[u8]) -> Option<(u64, u64)> {
    let unpacked = match content.get(..4)? {
        [0x28, 0xB5, 0x2F, 0xFD] => zstd::decode_all(content).ok()?,
        [0x04, 0x22, 0x4D, 0x18] => {
            let mut unpacked = Vec::new();
            let mut frame = lz4_flex::frame::FrameDecoder::new(content);
            std::io::Read::read_to_end(&mut frame, &mut unpacked).ok()?;
            unpacked
        }
        _ => content.to_vec(),
    };
    let head = &unpacked[..unpacked.len().min(HEAD_BYTES)];
    let executable = Executable::parse(head, unpacked.len() as u64).ok()?;
    let hot = executable.segments.iter().filter(|s| !s.cold);
    let (mut resident, mut memory) = (0, 0);
    for segment in hot {
        memory += segment.memory_bytes;
        if !segment.protection.write {
            resident += segment.memory_bytes;
        }
    }
    Some((resident, memory))
}

fn empty_store(state: String) -> Store {
    Store {
        state,
        capacity: 0,
        newest: 0,
        old: 0,
        free: 0,
        headers: 0,
        records: Vec::new(),
        bad_headers: Vec::new(),
    }
}

fn records(volume: &mut ImageVolume) -> Result<(Store, Vec<CodeSet>), String> {
    let area = VolumeArea::open(volume, STORE_PATH).map_err(|e| e.to_string())?;
    let mut records = Records::open(area).map_err(|e| e.to_string())?;
    records.verify().map_err(|e| e.to_string())?;
    let list = records.list();
    let mut code = Vec::new();
    let is_code = |kind, state| kind == kind::CODE && state == RecordState::Newest;
    for info in list.iter().filter(|i| is_code(i.kind, i.state)) {
        if let Some(record) = records.get(info.generation).map_err(|e| e.to_string())? {
            code.push(code_set(info.key, info.generation, &record.payload));
        }
    }
    code.sort_by_key(|set| std::cmp::Reverse(set.generation));
    let usage = records.usage();
    let store = Store {
        state: "good".into(),
        capacity: usage.capacity,
        newest: usage.newest,
        old: usage.old,
        free: usage.free(),
        headers: usage.headers,
        records: list
            .iter()
            .map(|info| RecordReport {
                kind: kind_name(info.kind),
                key: format!("{:x}", info.key),
                generation: info.generation,
                bytes: info.bytes,
                valid: info.state.is_valid(),
                state: info.state.to_string(),
            })
            .collect(),
        bad_headers: records
            .bad_headers()
            .map(|(number, error)| format!("header {number}: {error}"))
            .collect(),
    };
    Ok((store, code))
}

fn kind_name(number: u16) -> String {
    kind::name(number).map_or_else(|| number.to_string(), Into::into)
}

/// Tiers as code sets number them.
fn tier_name(tier: u8) -> String {
    match tier {
        1..=4 => format!("O{}", tier - 1),
        other => format!("tier {other}"),
    }
}

fn code_set(key: u64, generation: u64, payload: &[u8]) -> CodeSet {
    let mut report = CodeSet {
        key: format!("{key:x}"),
        generation,
        boot_count: 0,
        build: String::new(),
        state: "good".into(),
        tiers: Vec::new(),
        functions: Vec::new(),
    };
    let set = match snap::parse(payload) {
        Ok(set) => set,
        Err(error) => {
            report.state = error.to_string();
            return report;
        }
    };
    report.boot_count = set.boot_count;
    report.build = format!("{:016x}", set.build);
    let mut sums: BTreeMap<u8, (usize, u64)> = BTreeMap::new();
    let mut functions = set.functions;
    functions.sort_by_key(|f| (std::cmp::Reverse((f.tier, f.code.len())), f.name));
    for function in &functions {
        let bytes = function.code.len() as u64;
        let sum = sums.entry(function.tier).or_default();
        *sum = (sum.0 + 1, sum.1 + bytes);
        report.functions.push(FunctionReport {
            name: function.name.into(),
            tier: tier_name(function.tier),
            variant: function.variant,
            bytes,
            details: function.details.len() as u64,
            state: function
                .verify()
                .map_or_else(|e| e.to_string(), |()| "good".into()),
        });
    }
    let tier = |(tier, (functions, bytes))| TierSum {
        tier: tier_name(tier),
        functions,
        bytes,
    };
    report.tiers = sums.into_iter().rev().map(tier).collect();
    report
}

/// Most functions of a code set that are listed for a person; `--json` has them all.
const LISTED: usize = 20;

/// The same for a person.
pub fn text(kept: &Kept) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let mut line = |text: String| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    let slots = &kept.slots;
    match slots.state.as_str() {
        "good" => line(format!("slots      generation {}", slots.generation)),
        why => line(format!("slots      {why}")),
    }
    for slot in &slots.slots {
        let state = match (slot.tries, &slot.reason) {
            (Some(tries), _) => format!("on trial, {tries} tries left, {} starts", slot.starts),
            (_, Some(reason)) => format!("abandoned: {reason}"),
            _ => slot.state.to_owned(),
        };
        let started = slots.started == Some(slot.number as u8);
        let mark = if started { '*' } else { ' ' };
        let mut parts = format!("{} {}", slot.file.path, size(slot.file.bytes));
        if let Some(bytes) = slot.resident_bytes {
            parts += &format!(", {} resident code and constants", size(bytes));
        }
        if slot.file.state != "good" {
            parts += &format!(" ({})", slot.file.state);
        }
        if let Some(cold) = &slot.cold {
            parts += &format!("; {} {}", cold.path, size(cold.bytes));
            if cold.state != "good" {
                parts += &format!(" ({})", cold.state);
            }
        }
        line(format!(
            " {mark}{} {:<8} priority {:>2}  {state}",
            slot.number, slot.kind, slot.priority
        ));
        line(format!("             {parts}"));
        if !slot.features.is_empty() {
            line(format!("             needs {}", slot.features.join(" ")));
        }
    }
    let store = &kept.store;
    match store.state.as_str() {
        "good" => line(format!(
            "store      {}: newest {}, old {}, free {}; {} of {} headers",
            size(store.capacity),
            size(store.newest),
            size(store.old),
            size(store.free),
            store.records.iter().filter(|r| r.valid).count(),
            store.headers
        )),
        why => line(format!("store      {why}")),
    }
    for record in &store.records {
        line(format!(
            "  {:<8} {:<16} generation {:>5} {:>10}  {}",
            record.kind,
            record.key,
            record.generation,
            size(record.bytes),
            record.state
        ));
    }
    for bad in &store.bad_headers {
        line(format!("  {bad}"));
    }
    for (i, set) in kept.code.iter().enumerate() {
        let count = set.functions.len();
        let bytes: u64 = set.functions.iter().map(|f| f.bytes).sum();
        line(format!(
            "code       {}: {count} functions, {}, boot {}, build {}{}",
            set.key,
            size(bytes),
            set.boot_count,
            set.build,
            if set.state == "good" {
                String::new()
            } else {
                format!(": {}", set.state)
            }
        ));
        for sum in &set.tiers {
            line(format!(
                "  {:<8} {:>5} functions {:>10}",
                sum.tier,
                sum.functions,
                size(sum.bytes)
            ));
        }
        // Of the newest one only: the others are for processors that it did not run on last.
        for function in set.functions.iter().take(if i == 0 { LISTED } else { 0 }) {
            let variant = match function.variant {
                0 => String::new(),
                number => format!(" variant {number}"),
            };
            let wrong = match function.state.as_str() {
                "good" => "",
                why => why,
            };
            line(format!(
                "    {:<4} {:>10}  {}{variant}  {wrong}",
                function.tier,
                size(function.bytes),
                function.name
            ));
        }
        if i == 0 && count > LISTED {
            line(format!("    and {} more (--json)", count - LISTED));
        }
    }
    out
}

/// A record to be taken out: `KIND:KEY`, or `KIND:KEY@GENERATION` for an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordName {
    /// Its kind.
    pub kind: u16,
    /// Its key.
    pub key: u64,
    /// Its generation; the newest if not given.
    pub generation: Option<u64>,
}

impl std::str::FromStr for RecordName {
    type Err = String;

    /// Kinds by name or number, keys as `inspect` prints them (hexadecimal), generations decimal.
    fn from_str(text: &str) -> Result<Self, String> {
        let names = kind::NAMES.map(|(_, name)| name).join(", ");
        let expected = || format!("expected KIND:KEY or KIND:KEY@GENERATION; kinds: {names}");
        let (name, rest) = text.split_once(':').ok_or_else(expected)?;
        let (key, generation) = match rest.split_once('@') {
            Some((key, generation)) => {
                let generation = generation.parse().map_err(|_| expected())?;
                (key, Some(generation))
            }
            None => (rest, None),
        };
        let number = || name.parse().ok();
        let kind = kind::from_name(name).or_else(number).ok_or_else(expected)?;
        let key = key.strip_prefix("0x").unwrap_or(key);
        let key = u64::from_str_radix(key, 16).map_err(|_| expected())?;
        Ok(Self {
            kind,
            key,
            generation,
        })
    }
}

impl std::fmt::Display for RecordName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{:x}", kind_name(self.kind), self.key)?;
        match self.generation {
            Some(generation) => write!(f, "@{generation}"),
            None => Ok(()),
        }
    }
}

/// The payload of a record.
///
/// # Errors
/// It is not there, or damaged.
pub fn payload(image: &mut Contents, name: &RecordName) -> Result<Vec<u8>, Error> {
    let failed = |what: String| Error::Record {
        name: name.to_string(),
        what,
    };
    let read = |e: &dyn std::fmt::Display| failed(e.to_string());
    let area = VolumeArea::open(image.volume(), STORE_PATH).map_err(|e| read(&e))?;
    let mut records = Records::open(area).map_err(|e| read(&e))?;
    let found = match name.generation {
        None => records.latest(name.kind, name.key),
        Some(generation) => records.get(generation),
    };
    let is_it = |r: &store::records::Record| (r.kind, r.key) == (name.kind, name.key);
    let found = found.map_err(|e| read(&e))?.filter(is_it);
    found
        .map(|record| record.payload)
        .ok_or_else(|| failed("there is no such record, or it is damaged".into()))
}

#[cfg(test)]
mod tests;
