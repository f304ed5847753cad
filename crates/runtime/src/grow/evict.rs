//! The eviction that a machine performs on its own runtime, and the coverage it is based on.

use super::state::State;
use super::{Refusal, open};
use crate::files::Files;
use crate::platform::{build, machine};
use crate::report::Reporter;
use formats::cold;
use formats::link::{PATH as LINK, path_for};
use formats::record::kind;
use formats::slots::{BASE_PATH, COLD_PATHS, EVICTED_PATHS, FileRef, Kind, Slot};
use shrink::evict::Moves;
use shrink::link_data::LinkData;
use shrink::{Coverage, Options};
use store::area::{Area, FileArea};
use store::slots::SlotFile;

/// How hard the hot part is packed: 3.9 MB of 10.5 in a fifth of a second of this computer's time, and so in a few seconds under
/// emulation. Level 19 saves 0.6 MB more and takes fifty times as long.
const ZSTD_LEVEL: u8 = 6;

/// What a boot added to the coverage of the runtime.
pub struct Covered {
    /// Functions and constants that were used for the first time.
    pub new_code: u64,
    /// All that ever were.
    pub all_code: u64,
    /// Whether an eviction could be based on it.
    pub can_evict: bool,
}

impl Covered {
    /// Nothing was measured.
    pub const NOTHING: Self = Self {
        new_code: 0,
        all_code: 0,
        can_evict: false,
    };
}

/// Merges what the kernel measured in this boot into the store. Nothing is measured hosted, and without `coverage=on`.
pub fn cover(files: &Files, state: &mut State, started: Option<Slot>) -> Result<Covered, Refusal> {
    let Some((info, functions)) = machine::functions_run() else {
        return Ok(Covered::NOTHING);
    };
    let Some(link) = read(files, LINK)? else {
        return Ok(Covered::NOTHING);
    };
    let link = LinkData::open(&link).map_err(|e| e.to_string())?;
    let moves = match started {
        Some(slot) if slot.kind == Kind::Evicted => {
            let path = path_for(slot.file.path.as_str());
            let moved = read(files, &path)?.ok_or_else(|| format!("there is no {path}"))?;
            Some(Moves::open(&moved, &link).map_err(|e| e.to_string())?)
        }
        _ => None,
    };
    let mut coverage = kept(state, &link)?;
    let before = (coverage.functions_run(), coverage.atoms_wanted());
    let misses = machine::cold_misses().map_or_else(Vec::new, |m| m.pages);
    coverage
        .add_boot(&link, &info, &functions, &misses, moves.as_ref())
        .map_err(|e| e.to_string())?;
    let after = (coverage.functions_run(), coverage.atoms_wanted());
    state.write(kind::COVERAGE, build::id(), &coverage.encode())?;
    Ok(Covered {
        new_code: (after.0 - before.0 + after.1 - before.1) as u64,
        all_code: (after.0 + after.1) as u64,
        can_evict: true,
    })
}

/// The coverage in the store; that of another build counts for nothing.
fn kept(state: &mut State, link: &LinkData) -> Result<Coverage, Refusal> {
    let record = state.read(kind::COVERAGE, build::id())?;
    let kept = record.and_then(|record| Coverage::decode(&record, link).ok());
    Ok(kept.unwrap_or_else(|| Coverage::new(link)))
}

/// Writes a runtime without what never ran; says what was written.
pub fn run(
    files: &Files,
    state: &mut State,
    slots: &mut SlotFile<FileArea>,
    reporter: &Reporter,
) -> Result<String, Refusal> {
    let path = slots.table().target(Kind::Evicted);
    let path = path.ok_or("there is no place for evicted runtimes")?;
    let number = EVICTED_PATHS.iter().position(|p| *p == path);
    let cold_path = COLD_PATHS[number.unwrap_or(0)];
    let base = read(files, BASE_PATH)?.ok_or_else(|| format!("there is no {BASE_PATH}"))?;
    let link = read(files, LINK)?.ok_or_else(|| format!("there is no {LINK}"))?;
    reporter.step("linking what ran, and apart from it what did not");
    let (evicted, build_id) = {
        let link = LinkData::open(&link).map_err(|e| e.to_string())?;
        let coverage = kept(state, &link)?;
        let evicted = shrink::evict::evict_linked(&base, &link, &coverage, &Options::default());
        (evicted.map_err(|e| e.to_string())?, link.build_id)
    };
    drop((base, link));
    reporter.step("compressing");
    let cold = cold::encode(&evicted.cold, &build_id, cold::BLOCK_BYTES, |block| {
        Some(lz4_flex::block::compress(block))
    });
    let cold = cold.map_err(|e| e.to_string())?;
    let hot = llvm::zstd(&evicted.hot, ZSTD_LEVEL).ok_or("LLVM was built without Zstandard")?;
    let describe =
        |path: &str, content: &[u8]| FileRef::describe(path, content).map_err(|e| e.to_string());
    let mut slot = Slot::new(Kind::Evicted, describe(path, &hot)?);
    slot.cold = Some(describe(cold_path, &cold)?);
    slot.build = build::id();
    let place = |path: &str| open(files, path)?.ok_or_else(|| format!("there is no {path}"));
    reporter.step("writing");
    let (mut hot_area, mut cold_area) = (place(path)?, place(cold_path)?);
    let mut link_area = place(&path_for(path))?;
    let mut parts: [(&[u8], &mut dyn Area); 3] = [
        (&hot, &mut hot_area),
        (&cold, &mut cold_area),
        (&evicted.link, &mut link_area),
    ];
    let index = slots.install(slot, &mut parts).map_err(|e| e.to_string())?;
    let stats = evicted.stats;
    Ok(format!(
        "evicted what never ran into slot {index}: {} of {} functions stay; {} bytes of code and constants are resident, \
         {} on the disk, {} cold",
        stats.functions_run,
        stats.functions,
        stats.resident(),
        hot.len(),
        cold.len()
    ))
}

fn read(files: &Files, path: &str) -> Result<Option<Vec<u8>>, Refusal> {
    files.read(path).map_err(|e| e.to_string())
}
