//! `bareflow shrink`: evicts from an image's runtime what was measured never to run.
//!
//! Reads runtime, link data and coverage from the image, writes the evicted runtime, its cold file and its function
//! table into the next evicted slot. The base runtime is not touched.

use std::path::Path;

use ::shrink::evict::{MAX_RESIDENT, cold_file, evict_linked};
use ::shrink::link_data::LinkData;
use ::shrink::{Coverage, Evicted, Options, report, treemap};
use formats::checksum::checksum;
use formats::link;
use formats::slots::{
    BASE_PATH, COLD_PATHS, EVICTED_PATHS, FileRef, Kind, PATH as SLOTS, STORE_PATH, Slot,
};
use store::area::VolumeArea;
use store::block::FileDevice;
use store::fat::Volume;
use store::partition::open_fat;
use store::records::Records;
use store::slots::SlotFile;

use crate::Error;
use crate::cli::ShrinkArgs;
use crate::contents::Contents;

/// How hard the hot part is compressed: what fits the disk's promise and unpacks fast.
const ZSTD_LEVEL: i32 = 19;

/// Does what `bareflow shrink` asks for.
///
/// # Errors
/// What is missing in the image, or why nothing could be evicted or written.
pub fn shrink(args: &ShrinkArgs) -> Result<(), Error> {
    let failed = |what: &dyn std::fmt::Display| Error::Shrink {
        what: format!("{}: {what}", args.image.display()),
    };
    let mut contents = Contents::open(&args.image)?;
    let base = read(&mut contents, BASE_PATH)?;
    let file = read(&mut contents, link::PATH)
        .map_err(|e| failed(&format!("no link data ({e}); make the image anew")))?;
    let link = LinkData::open(&file).map_err(|e| failed(&e))?;
    let record = match &args.coverage {
        Some(path) => std::fs::read(path).map_err(|e| Error::io("read", path, e))?,
        None => kept_coverage(&mut contents).map_err(|e| failed(&e))?,
    };
    let coverage = Coverage::decode(&record, &link).map_err(|e| failed(&e))?;
    if let Some(folder) = &args.report {
        write_report(folder, &report::report(&link, &coverage))?;
    }
    let options = Options {
        max_resident: args.resident.unwrap_or(MAX_RESIDENT),
        ..Options::default()
    };
    let evicted = evict_linked(&base, &link, &coverage, &options).map_err(|e| failed(&e))?;
    let hot = zstd::encode_all(evicted.hot.as_slice(), ZSTD_LEVEL)
        .map_err(|e| Error::io("pack", &args.image, e))?;
    let cold = cold_file(&evicted, &link.build_id).map_err(|e| failed(&e))?;
    let stats = &evicted.stats;
    let used = report::report(&link, &coverage);
    eprintln!(
        "bareflow: {} of {} functions ran in {} boots; of LLVM {:.1} % of functions and {:.1} % of bytes never did\n\
         bareflow: hot: {} bytes of code, {} of constants, {} of variables: {} on disk; cold: {} bytes, {} on disk",
        stats.functions_run,
        stats.functions,
        coverage.boots,
        100.0 * used.llvm.dead_functions(),
        100.0 * used.llvm.dead_bytes(),
        stats.hot_code,
        stats.hot_constants,
        stats.data,
        hot.len(),
        evicted.cold.len(),
        cold.len(),
    );
    if let Some(path) = &args.output {
        let whole = [evicted.hot.as_slice(), &evicted.cold].concat();
        crate::export::write_program(path, &whole)?;
    }
    if args.dry_run {
        return Ok(());
    }
    drop(contents);
    let (slot, path) =
        install(&args.image, &evicted, &hot, &cold, &link.build_id).map_err(|e| failed(&e))?;
    eprintln!(
        "bareflow: {}: slot {slot}, {path}; next: bareflow run {}",
        args.image.display(),
        args.image.display()
    );
    Ok(())
}

/// What of the runtime ran in all boots of an image, by the coverage on its disk.
///
/// # Errors
/// What is missing in the image, or does not belong together.
pub fn kept_report(image: &Path) -> Result<report::Report, Error> {
    let failed = |what: &dyn std::fmt::Display| Error::Shrink {
        what: format!("{}: {what}", image.display()),
    };
    let mut contents = Contents::open(image)?;
    let link = LinkData::open(&read(&mut contents, link::PATH)?).map_err(|e| failed(&e))?;
    let record = kept_coverage(&mut contents).map_err(|e| failed(&e))?;
    let coverage = Coverage::decode(&record, &link).map_err(|e| failed(&e))?;
    Ok(report::report(&link, &coverage))
}

/// A whole file of the image.
fn read(contents: &mut Contents, path: &str) -> Result<Vec<u8>, Error> {
    let mut file = Vec::new();
    contents.read_file(path, |part| file.extend_from_slice(part))?;
    // The base runtime may be compressed on the disk.
    if file.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        file = zstd::decode_all(file.as_slice()).map_err(|e| Error::io("unpack", path, e))?;
    }
    Ok(file)
}

/// The coverage that the machine kept on its disk.
fn kept_coverage(contents: &mut Contents) -> Result<Vec<u8>, String> {
    let area = VolumeArea::open(contents.volume(), STORE_PATH).map_err(|e| e.to_string())?;
    let mut records = Records::open(area).map_err(|e| e.to_string())?;
    let kind = formats::record::kind::COVERAGE;
    let keys = records.list().into_iter().filter(|info| info.kind == kind);
    let newest = keys.max_by_key(|info| info.generation);
    let newest = newest.ok_or(
        "no coverage is kept on the disk: run it with coverage, or name a file with --coverage",
    )?;
    let record = records
        .latest(kind, newest.key)
        .map_err(|e| e.to_string())?;
    Ok(record.ok_or("the record of coverage is gone")?.payload)
}

/// Writes text, JSON and picture into a folder.
fn write_report(folder: &Path, report: &report::Report) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    for (name, content) in [
        ("coverage.txt", report.text()),
        ("coverage.json", report.json()),
        (
            "coverage.html",
            treemap::html(report, "What of the runtime ran"),
        ),
        ("coverage.svg", treemap::svg(report)),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, content).map_err(|e| Error::io("write", &path, e))?;
    }
    Ok(())
}

/// Puts an evicted runtime into a slot; gives the slot's number and file.
fn install(
    image: &Path,
    evicted: &Evicted,
    hot: &[u8],
    cold: &[u8],
    build_id: &[u8],
) -> Result<(usize, &'static str), String> {
    let open = || -> Result<Volume<_>, String> {
        let device = FileDevice::open(image, true).map_err(|e| e.to_string())?;
        Volume::mount(open_fat(device).map_err(|e| e.to_string())?).map_err(|e| e.to_string())
    };
    let text = |error: &dyn std::fmt::Display| error.to_string();
    // Each file through a view of the volume of its own: no metadata changes.
    let (mut of_table, mut of_hot, mut of_cold, mut of_link) = (open()?, open()?, open()?, open()?);
    let area = VolumeArea::open(&mut of_table, SLOTS).map_err(|e| text(&e))?;
    let mut slots = SlotFile::open(area).map_err(|e| text(&e))?;
    let path = slots
        .table()
        .target(Kind::Evicted)
        .ok_or("there is no place for evicted runtimes")?;
    let place = EVICTED_PATHS.iter().position(|evicted| *evicted == path);
    let cold_path = COLD_PATHS[place.unwrap_or(0)];
    let mut slot = Slot::new(
        Kind::Evicted,
        FileRef::describe(path, hot).map_err(|e| text(&e))?,
    );
    slot.cold = Some(FileRef::describe(cold_path, cold).map_err(|e| text(&e))?);
    slot.build = checksum(build_id);
    let link_path = link::path_for(path);
    let mut hot_area = VolumeArea::open(&mut of_hot, path).map_err(|e| text(&e))?;
    let mut cold_area = VolumeArea::open(&mut of_cold, cold_path).map_err(|e| text(&e))?;
    let mut link_area = VolumeArea::open(&mut of_link, &link_path).map_err(|e| text(&e))?;
    let index = slots
        .install(
            slot,
            &mut [
                (cold, &mut cold_area),
                (&evicted.link, &mut link_area),
                (hot, &mut hot_area),
            ],
        )
        .map_err(|e| text(&e))?;
    Ok((index, path))
}
