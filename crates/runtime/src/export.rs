//! `--export` and `--save-profile`: from what a run learnt to a program that needs no runtime.
//!
//! ```text
//!   modules + profile + native.llbc --engine::export--> objects --shrink::native--> native.elf
//! ```
//!
//! The support code comes from the volume (`/boot/native.llbc`), so that the machine can export by itself, or from a file.

use crate::cli::Options;
use crate::error::Error;
use crate::files::Files;
use crate::report::Reporter;
use engine::snapshot::{Hash, Origin};
use engine::tier::Engine;
use engine::{Cpu, Program, Source, SourceKind, export};
use formats::profile::Profile;
use formats::program::ProgramHash;
use shrink::native;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The support code's place on the volume.
const SUPPORT: &str = "/boot/native.llbc";

/// The number of the program that these modules are; on a disk the kernel finds the same.
pub fn source_hash(sources: &[Source<'_>]) -> u64 {
    let mut hash = ProgramHash::default();
    for source in sources {
        let content = match source.kind {
            SourceKind::Llbc(bytes) | SourceKind::Bitcode(bytes) => bytes,
            SourceKind::Ir(text) => text.as_bytes(),
        };
        hash.add(source.name, content);
    }
    hash.finish()
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |error| Error::File {
        action,
        path,
        error,
    }
}

/// Writes a file that is there as a whole or not at all.
fn write_whole(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let part = path.with_file_name(name);
    std::fs::write(&part, content)
        .and_then(|()| std::fs::set_permissions(&part, Permissions::from_mode(mode)))
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|error| {
            let _ = std::fs::remove_file(&part);
            io("write", path)(error)
        })
}

/// Writes what the engine learnt, for `--profile` of a later export.
pub fn save_profile(engine: &Engine, path: &Path) -> Result<(), Error> {
    // An export matches functions by name and shape: it does not ask where a profile comes from.
    let origin = Origin {
        source: Hash::default(),
        program: Hash::default(),
        cpu: 0,
        build: 0,
    };
    let snapshot = engine.snapshot(&origin, 0, Duration::ZERO)?;
    write_whole(path, &snapshot.profile, 0o644)
}

fn read_profile(path: &Path) -> Result<Profile, Error> {
    let bytes = std::fs::read(path).map_err(io("read", path))?;
    formats::profile::parse(&bytes).map_err(|error| Error::Profile {
        path: path.into(),
        message: error.to_string(),
    })
}

/// What an export is made of beside the program.
pub struct Parts<'a> {
    /// The processor code is made for.
    pub cpu: &'a Cpu,
    /// What `bf_cpu_features` returns.
    pub cpu_bits: u64,
    /// The container `native.llbc`.
    pub support: &'a [u8],
    /// What was learnt.
    pub profile: Option<&'a Profile>,
    /// Names the program in the file's note.
    pub source: u64,
    /// Names the runtime in the file's note.
    pub build: u64,
    /// Whether it tells source lines.
    pub lines: native::SourceLines,
}

/// Makes the native program: compiled objects and the linked file.
pub fn make(
    program: Program<'_>,
    parts: &Parts<'_>,
    dump: bool,
    reporter: &Reporter,
) -> Result<(export::Exported, native::Linked), Error> {
    let options = export::Options {
        cpu_bits: parts.cpu_bits,
        support: parts.support,
        profile: parts.profile,
        dump,
    };
    let exported = export::export(program, parts.cpu, &options, &mut |p| reporter.stage(p))?;
    let objects: Vec<&[u8]> = exported.objects.iter().map(Vec::as_slice).collect();
    let facts = native::Facts {
        program: parts.source,
        build: parts.build,
        features: exported.features,
    };
    let linked = native::link(&objects, export::ENTRY, &facts, parts.lines)?;
    Ok((exported, linked))
}

/// The support code: from the file that was named, else from the volume.
pub fn support(options: &Options, files: &Files) -> Result<Vec<u8>, Error> {
    match &options.support {
        Some(path) => std::fs::read(path).map_err(io("read", path)),
        None => files
            .read(SUPPORT)?
            .ok_or(Error::NoSupport { path: SUPPORT }),
    }
}

/// Does what `--export` asks for; `load` gives the program.
pub fn run<'c>(
    options: &Options,
    output: &Path,
    files: &Files,
    sources: &[Source<'_>],
    (cpu, cpu_bits): (&Cpu, u64),
    load: impl FnOnce() -> Result<Program<'c>, Error>,
    reporter: &Reporter,
) -> Result<(), Error> {
    let start = Instant::now();
    let profile = options.profile.as_deref().map(read_profile).transpose()?;
    let support = support(options, files)?;
    let program = load()?;
    let parts = Parts {
        cpu,
        cpu_bits,
        support: &support,
        profile: profile.as_ref(),
        source: source_hash(sources),
        build: crate::platform::build::id(),
        lines: match options.no_lines {
            true => native::SourceLines::LeftOut,
            false => native::SourceLines::Kept,
        },
    };
    let made = make(program, &parts, options.dump_ir.is_some(), reporter);
    reporter.done();
    let (exported, linked) = made?;
    if let (Some(path), Some(ir)) = (&options.dump_ir, &exported.ir) {
        write_whole(path, ir.as_bytes(), 0o644)?;
    }
    write_whole(output, &linked.elf, 0o755)?;
    if !options.quiet {
        let [constants, code, data] = linked.bytes;
        let applied = &exported.applied;
        eprintln!(
            "{}: {} bytes: code {code}, constants {constants} (source lines {}), data {data} (and {} zeroed), {} functions; \
             profile: {} functions, {} with variants, {} calls promoted, {} cold, {} that did not fit; {:.1} s",
            output.display(),
            linked.elf.len(),
            linked.line_bytes,
            linked.zeroed_bytes,
            linked.functions,
            applied.functions,
            applied.specialised,
            applied.promoted,
            applied.cold,
            applied.misfits,
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
