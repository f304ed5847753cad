//! A machine that changes itself: what a boot showed is counted, and followed by an eviction or an export.
//!
//! ```text
//!   end of the program --> coverage merged into the store --> policy --> evict:  shrink::evict  --> slot evicted
//!                                                                   \--> export: engine::export --> slot native
//! ```
//!
//! It happens when the program has ended and everything it learnt is kept, so that nothing waits for it but the power
//! switch. A cut at any moment leaves the slots as they were: a slot is named only after its files are whole
//! (`store::slots`). What fails is said, and tried again at the end of the next boot.

mod evict;
mod export;
mod policy;
mod state;

pub use policy::Policy;

use crate::cli::Options;
use crate::files::Files;
use crate::platform::machine;
use crate::report::Reporter;
use crate::run::volume;
use engine::tier::Engine;
use evict::Covered;
use formats::slots::{self, Kind, Slot};
use policy::{Seen, Step};
use state::State;
use std::time::Instant;
use store::area::FileArea;
use store::slots::SlotFile;

/// Why a machine stays as it is, in words: it is said and not acted on.
type Refusal = String;

/// Counts this boot, and does what follows from it. `options` are those of this run.
///
/// # Errors
/// What could not be read, made or written. The machine then boots as before.
pub fn end_of_boot(options: &Options, engine: &Engine) -> Result<(), Refusal> {
    let files = volume(options).map_err(|e| e.to_string())?;
    let Some(table) = open(&files, slots::PATH)? else {
        return Err(format!("there is no {}: make the image again", slots::PATH));
    };
    let mut slots = SlotFile::open(table).map_err(|e| e.to_string())?;
    let started = started(&slots);
    let kind = started.map_or(Kind::Base, |slot| slot.kind);
    let mut state = State::open(&files)?;
    let covered = match state.growth.wants_coverage(options.grow) {
        true => evict::cover(&files, &mut state, started)?,
        false => Covered::NOTHING,
    };
    let figures = engine.figures();
    let seen = Seen {
        slot: kind,
        new_code: covered.new_code,
        all_code: covered.all_code,
        compiles: figures.compiles,
        compiled: figures.tiers.iter().skip(1).sum(),
        can_evict: covered.can_evict,
    };
    let step = state.growth.after(seen, options.grow);
    // Before the step: one that fails or is cut off is not tried at every boot.
    state.save()?;
    let what = match step {
        Step::Stay => return Ok(()),
        Step::Evict => "evicting",
        Step::Export => "exporting",
    };
    // The processors are needed now. What the compiler has under way is kept no more.
    engine.stop();
    let reporter = Reporter::log(options.quiet, what);
    let (start, missed) = (Instant::now(), machine::cold_misses());
    let done = match step {
        Step::Evict => evict::run(&files, &mut state, &mut slots, &reporter)?,
        _ => export::run(options, &files, &mut state, &mut slots, &reporter)?,
    };
    if !options.quiet {
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("bareflow: {done} ({seconds:.1} s{})", missing(missed));
    }
    Ok(())
}

/// What the step cost in cold pages, where there are any.
fn missing(before: Option<machine::ColdMisses>) -> String {
    let (Some(before), Some(now)) = (before, machine::cold_misses()) else {
        return String::new();
    };
    let pages = now.misses.saturating_sub(before.misses);
    let time = now.time.saturating_sub(before.time);
    format!(", {:.1} s of it for {pages} cold pages", time.as_secs_f64())
}

/// A file of the volume that is written in place; `None` without it.
fn open(files: &Files, path: &str) -> Result<Option<FileArea>, Refusal> {
    files.area(path)
}

/// What was booted. Hosted it is the runtime as it was built, whatever the slots say.
fn started(slots: &SlotFile<FileArea>) -> Option<Slot> {
    let index = machine::current_slot()?;
    slots.table().slots.get(index).copied().flatten()
}
