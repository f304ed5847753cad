//! The export that a machine makes of its own program, into a native slot.

use super::state::State;
use super::{Refusal, open};
use crate::cli::Options;
use crate::export::{Parts, make, source_hash, support};
use crate::files::Files;
use crate::platform::build;
use crate::report::Reporter;
use crate::run::{Host, module_files, sources};
use engine::Context;
use formats::record::kind;
use formats::slots::{FileRef, Kind, Slot, Table};
use shrink::native::{Facts, SourceLines};
use store::area::FileArea;
use store::slots::SlotFile;

/// Exports the program for the CPU found, with the profile kept; says what was written.
pub fn run(
    options: &Options,
    files: &Files,
    state: &mut State,
    slots: &mut SlotFile<FileArea>,
    reporter: &Reporter,
) -> Result<String, Refusal> {
    let profile = state.read(kind::PROFILE, 0)?;
    let profile = profile
        .map(|bytes| formats::profile::parse(&bytes).map_err(|e| e.to_string()))
        .transpose()?;
    let support = support(options, files).map_err(|e| e.to_string())?;
    let modules = module_files(options, files).map_err(|e| e.to_string())?;
    let sources = sources(&modules).map_err(|e| e.to_string())?;
    let host = Host::new(options);
    let context = Context::new();
    let program = host
        .load(&context, &sources, false, reporter)
        .map_err(|e| e.to_string())?;
    let parts = Parts {
        cpu: &host.cpu,
        cpu_bits: host.features,
        support: &support,
        profile: profile.as_ref(),
        source: source_hash(&sources),
        build: build::id(),
        lines: SourceLines::Kept,
    };
    let (_, linked) = make(program, &parts, false, reporter).map_err(|e| e.to_string())?;
    reporter.step("writing");
    install(files, slots, &linked.elf)
}

/// Writes a native program into its place and names it in the table.
fn install(
    files: &Files,
    slots: &mut SlotFile<FileArea>,
    native: &[u8],
) -> Result<String, Refusal> {
    let facts = Facts::of(native).ok_or("the exported program has no note")?;
    let path = target(slots.table(), &facts).ok_or("there is no place for native programs")?;
    let mut slot = Slot::new(
        Kind::Native,
        FileRef::describe(path, native).map_err(|e| e.to_string())?,
    );
    slot.features = facts.features;
    slot.program = facts.program;
    slot.build = facts.build;
    let mut place = open(files, path)?.ok_or_else(|| format!("there is no {path}"))?;
    let index = slots
        .install(slot, &mut [(native, &mut place)])
        .map_err(|e| e.to_string())?;
    Ok(format!(
        "exported the program into slot {index}: {path}, {} bytes",
        native.len()
    ))
}

/// Where a program goes: over the one for the same CPU, so that one for another CPU is there when that comes back.
fn target(table: &Table, facts: &Facts) -> Option<&'static str> {
    let same = |slot: &Slot| slot.kind == Kind::Native && slot.features == facts.features;
    let started = table.started.map(usize::from);
    let known = table
        .iter()
        .find(|(index, slot)| same(slot) && Some(*index) != started);
    match known {
        Some((_, slot)) => formats::slots::NATIVE_PATHS
            .into_iter()
            .find(|path| *path == slot.file.path.as_str()),
        None => table.target(Kind::Native),
    }
}
