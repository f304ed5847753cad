//! `bareflow inspect`: what is on an image, as a table or as JSON.

pub mod kept;

use std::fmt::Write as _;
use std::path::Path;

use formats::flud::{HEADER_LBA, Header, KERNEL_LBA, STAGE2_LBA, STAGE2_MAX_SECTORS};
use formats::llbc;
use llama_model::Model;
use serde::Serialize;
use store::block::SECTOR;

use crate::Error;
use crate::contents::Contents;

/// Everything `inspect` found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The image file.
    pub image: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The boot sector.
    pub stage1: Stage,
    /// The second stage.
    pub stage2: Stage,
    /// The kernel in the gap before the partition.
    pub kernel: Kernel,
    /// The partition with the volume.
    pub partition: PartitionReport,
    /// The files, sorted by path.
    pub files: Vec<FileReport>,
    /// Memory the image is given by default, in MiB.
    pub memory_mib: u64,
    /// What the machine has kept: boot slots, records, code. None where the image has no place for it.
    pub kept: Option<kept::Kept>,
}

/// Code of the BIOS boot path.
#[derive(Debug, Serialize)]
pub struct Stage {
    /// First sector.
    pub lba: u64,
    /// Bytes up to the last one that is not zero.
    pub bytes: u64,
    /// BLAKE3 of these.
    pub blake3: String,
}

/// The kernel.
#[derive(Debug, Serialize)]
pub struct Kernel {
    /// First sector.
    pub lba: u64,
    /// Version of the FLUD header.
    pub header_version: u32,
    /// Size in bytes.
    pub bytes: u64,
    /// Checksum of the header.
    pub crc32: String,
    /// `good`, or what is wrong.
    pub state: String,
}

/// The partition.
#[derive(Debug, Serialize)]
pub struct PartitionReport {
    /// First sector.
    pub lba: u64,
    /// Number of sectors.
    pub sectors: u64,
    /// Type byte in the table.
    pub kind: String,
    /// `FAT16` or `FAT32`.
    pub file_system: String,
    /// Bytes in a cluster.
    pub cluster_bytes: u32,
    /// Bytes left.
    pub free_bytes: u64,
}

/// A file.
#[derive(Debug, Serialize)]
pub struct FileReport {
    /// Path from the root.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// BLAKE3 of its content.
    pub blake3: String,
    /// What kind of file it is, with its versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// For modules: what they need from others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
    /// For modules: what they give to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<String>,
}

/// Looks at an image.
///
/// # Errors
/// It is no image, or so damaged that it cannot be listed. A damaged kernel or module is a finding, not an error.
pub fn inspect(path: &Path) -> Result<Report, Error> {
    let mut image = Contents::open(path)?;
    let stage1 = stage(&mut image, 0, 1)?;
    let stage2 = stage(&mut image, STAGE2_LBA, STAGE2_MAX_SECTORS)?;
    let kernel = kernel(&mut image)?;
    let partition = *image.partition();
    let volume = image.volume();
    let partition = PartitionReport {
        lba: partition.start.into(),
        sectors: partition.sectors.into(),
        kind: format!("{:#04x}", partition.kind),
        file_system: format!("{:?}", volume.kind()).to_uppercase(),
        cluster_bytes: volume.cluster_bytes(),
        free_bytes: volume.free_bytes().map_err(|e| Error::NotAnImage {
            path: path.into(),
            what: e.to_string(),
        })?,
    };
    let mut files = Vec::new();
    for entry in image.files()? {
        let mut hasher = blake3::Hasher::new();
        let mut content = Vec::new();
        image.read_file(&entry.path, |piece| {
            hasher.update(piece);
            // Modules are looked into as a whole, of others the first bytes say what they are.
            if content.is_empty() || content.starts_with(&llbc::MAGIC) {
                content.extend_from_slice(piece);
            }
        })?;
        let mut file = describe(&entry.path, entry.bytes, hasher.finalize(), &content);
        if entry.path.starts_with("/model/")
            && let Some(model) = image.model(&entry)
        {
            file.what = Some(model_line(&model));
        }
        files.push(file);
    }
    Ok(Report {
        image: path.display().to_string(),
        bytes: image.bytes(),
        stage1,
        stage2,
        kernel,
        partition,
        files,
        memory_mib: image.memory_needed_mib()?,
        kept: kept::kept(&mut image)?,
    })
}

fn stage(image: &mut Contents, lba: u64, sectors: u64) -> Result<Stage, Error> {
    let mut content = vec![0; sectors as usize * SECTOR];
    image.read_sectors(lba, &mut content)?;
    let end = content
        .iter()
        .rposition(|b| *b != 0)
        .map_or(0, |last| last + 1);
    let blake3 = blake3::hash(&content[..end]).to_hex().to_string();
    Ok(Stage {
        lba,
        bytes: end as u64,
        blake3,
    })
}

fn kernel(image: &mut Contents) -> Result<Kernel, Error> {
    let mut sector = [0; SECTOR];
    image.read_sectors(HEADER_LBA, &mut sector)?;
    Ok(match Header::parse(&sector) {
        Ok(header) => Kernel {
            lba: KERNEL_LBA,
            header_version: formats::flud::VERSION,
            bytes: header.kernel_bytes.into(),
            crc32: format!("{:08x}", header.crc32),
            state: image
                .kernel()
                .map_or_else(|e| e.to_string(), |_| "good".into()),
        },
        Err(e) => Kernel {
            lba: KERNEL_LBA,
            header_version: 0,
            bytes: 0,
            crc32: String::new(),
            state: e.to_string(),
        },
    })
}

fn describe(path: &str, bytes: u64, hash: blake3::Hash, content: &[u8]) -> FileReport {
    let mut report = FileReport {
        path: path.into(),
        bytes,
        blake3: hash.to_hex().to_string(),
        what: None,
        imports: Vec::new(),
        exports: Vec::new(),
    };
    let starts = |magic: &[u8]| content.starts_with(magic);
    report.what = if starts(&llbc::MAGIC) {
        match llbc::parse(content) {
            Ok(module) => {
                let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
                report.imports = owned(&module.imports);
                report.exports = owned(&module.exports);
                let entry = module
                    .entry
                    .map(|e| format!(", starts at {e}"))
                    .unwrap_or_default();
                Some(format!(
                    "LLBC {}, module {}, {} imports, {} exports{entry}",
                    llbc::VERSION,
                    module.name,
                    module.imports.len(),
                    module.exports.len()
                ))
            }
            Err(e) => Some(format!("broken LLBC module: {e}")),
        }
    } else if starts(b"\x7fELF") {
        Some("ELF".into())
    } else if starts(&[0x04, 0x22, 0x4D, 0x18]) {
        Some("LZ4 frame".into())
    } else if starts(&[0x28, 0xB5, 0x2F, 0xFD]) {
        Some("zstd frame".into())
    } else if let (true, Some(version)) = (starts(b"GGUF"), content.get(4..8)) {
        let version = u32::from_le_bytes([version[0], version[1], version[2], version[3]]);
        Some(format!("GGUF {version}"))
    } else {
        None
    };
    report
}

/// One line about a model.
fn model_line(model: &Model) -> String {
    let c = &model.config;
    format!(
        "{:?} model {}: {} layers, dim {}, {} tokens, context {}",
        model.format,
        model.name.as_deref().unwrap_or("without a name"),
        c.n_layers,
        c.dim,
        c.vocab_size,
        c.context_length
    )
}

/// Writes the payload of a record to a file.
///
/// # Errors
/// There is no such record, or the file cannot be written.
pub fn extract(image: &Path, record: &kept::RecordName, output: &Path) -> Result<(), Error> {
    let payload = kept::payload(&mut Contents::open(image)?, record)?;
    std::fs::write(output, payload).map_err(|e| Error::io("write", output, e))
}

/// The report for a person.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |label: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{label:<10} {value}");
    };
    line(
        "image",
        format!("{} ({})", report.image, size(report.bytes)),
    );
    for (label, stage) in [("stage 1", &report.stage1), ("stage 2", &report.stage2)] {
        let hash = &stage.blake3[..16];
        line(
            label,
            format!("LBA {}, {} bytes, blake3 {hash}", stage.lba, stage.bytes),
        );
    }
    let k = &report.kernel;
    line(
        "kernel",
        format!(
            "LBA {}, FLUD {}, {}, CRC-32 {}: {}",
            k.lba,
            k.header_version,
            size(k.bytes),
            k.crc32,
            k.state
        ),
    );
    let p = &report.partition;
    line(
        "partition",
        format!(
            "LBA {}, {}, type {}, {}, clusters of {} bytes, {} free",
            p.lba,
            size(p.sectors * SECTOR as u64),
            p.kind,
            p.file_system,
            p.cluster_bytes,
            size(p.free_bytes)
        ),
    );
    line("memory", format!("{} MiB by default", report.memory_mib));
    line("files", String::new());
    let width = report.files.iter().map(|f| f.path.len()).max().unwrap_or(0);
    for file in &report.files {
        let _ = writeln!(
            out,
            "  {:<width$} {:>10}  blake3 {}  {}",
            file.path,
            size(file.bytes),
            &file.blake3[..16],
            file.what.as_deref().unwrap_or("")
        );
        // Names between the program's own modules are for --json; what it asks of the machine is for everyone.
        let asked = file.imports.iter().filter(|n| n.starts_with("bf_"));
        let asked: Vec<_> = asked.map(String::as_str).collect();
        if !asked.is_empty() {
            let _ = writeln!(
                out,
                "  {:width$}             asks for {}",
                "",
                asked.join(" ")
            );
        }
    }
    match &report.kept {
        Some(kept) => out.push_str(&kept::text(kept)),
        None => out.push_str("store      none: this machine keeps nothing from boot to boot\n"),
    }
    out
}

/// The report as JSON.
pub fn json(report: &Report) -> String {
    // Strings and numbers only: nothing here can fail to be written.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}

/// A size for a person.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_content() {
        let what = |content: &[u8]| {
            describe("/x", content.len() as u64, blake3::hash(content), content).what
        };
        let module = llbc::encode("m", None, &["a"], &["b"], b"code").unwrap();
        assert!(what(&module).unwrap().contains("1 imports, 1 exports"));
        assert!(
            what(&module[..20])
                .unwrap()
                .starts_with("broken LLBC module: ")
        );
        assert_eq!(what(b"\x7fELF....").as_deref(), Some("ELF"));
        assert_eq!(what(b"GGUF\x03\0\0\0").as_deref(), Some("GGUF 3"));
        assert_eq!(what(b"text"), None);
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(size(512), "512 B");
        assert_eq!(size(20_480), "20.0 KiB");
        assert_eq!(size(64 << 20), "64.0 MiB");
    }
}
