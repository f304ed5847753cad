//! Makes `runtime.elf`: Rust, LLVM and glibc in one static program.
//!
//! The kernel is its dynamic linker, so there is nothing to link dynamically: static, not position independent, at an
//! address of its own (ARCHITECTURE.md, "Artefacts"). Every segment starts in a 2 MiB page of its own, so that the kernel
//! can map it with large pages and its own protection.

use anyhow::{Result, ensure};

use crate::build;
use crate::link_data;
use crate::paths::Paths;

/// Address of the first byte; the kernel's loader expects payloads below its own half and above 1 MiB.
pub const IMAGE_BASE: u64 = 0x1000_0000;

/// Largest size promised (SPECIFICATION.md), in bytes.
pub const MAX_SIZE: u64 = 60 << 20;

/// Flags for rustc. `--icf=all` folds equal functions of LLVM: 4 MB; addresses of functions are not compared there.
///
/// Relocations, symbols, the linker's map and its inputs become the relink data ([`crate::link_data`]); what they add
/// to the file is cut off again.
fn flags(records: &link_data::Records) -> String {
    let link = [
        format!("--image-base={IMAGE_BASE:#x}"),
        "-zmax-page-size=0x200000".into(),
        "--gc-sections".into(),
        "--icf=all".into(),
        "-O2".into(),
        "--build-id=sha1".into(),
        "--emit-relocs".into(),
        "--strip-debug".into(),
        format!("-Map={}", records.map.display()),
        format!("--reproduce={}", records.inputs.display()),
    ];
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Crelocation-model=static".to_owned(),
        "-Cstrip=none".to_owned(),
    ];
    flags.extend(link.iter().map(|l| format!("-Clink-arg=-Wl,{l}")));
    flags.join(" ")
}

/// Builds the runtime and puts it among the artefacts, if it changed.
pub fn make(paths: &Paths, quiet: bool) -> Result<()> {
    let records = link_data::Records::new(paths)?;
    let folder = build::compile(paths, "runtime", "runtime", &flags(&records), quiet)?;
    let linked = folder.join("runtime");
    let (runtime, link) = (
        paths.artifacts().join("runtime.elf"),
        paths.artifacts().join("runtime.link"),
    );
    if build::is_newer(&runtime, &linked) && build::is_newer(&link, &linked) {
        return Ok(());
    }
    let full = build::read(&linked)?;
    let stripped = link_data::strip(&full)?;
    check(&stripped)?;
    build::write_if_changed(&link, &link_data::make(&full, &records)?)?;
    build::write_if_changed(&runtime, &stripped)
}

/// What the kernel relies on: static (no interpreter), at its address, not larger than promised.
fn check(content: &[u8]) -> Result<()> {
    let size = content.len() as u64;
    ensure!(
        size <= MAX_SIZE,
        "runtime.elf has {size} bytes, promised are at most {MAX_SIZE}"
    );
    let (loads, interpreter) = segments(content);
    ensure!(
        !interpreter,
        "runtime.elf is not static: it names a dynamic linker"
    );
    ensure!(
        loads.iter().min() == Some(&IMAGE_BASE),
        "runtime.elf is linked at {loads:x?}, expected {IMAGE_BASE:#x}"
    );
    Ok(())
}

/// Addresses of the loadable segments of a 64-bit ELF file, and whether it names an interpreter.
fn segments(elf: &[u8]) -> (Vec<u64>, bool) {
    let number = |at: usize, len: usize| {
        let bytes = elf.get(at..at + len).unwrap_or(&[]);
        bytes.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b))
    };
    let (table, entry_size, count) = (
        number(32, 8) as usize,
        number(54, 2) as usize,
        number(56, 2) as usize,
    );
    let mut loads = Vec::new();
    let mut interpreter = false;
    for header in (0..count).map(|i| table + i * entry_size) {
        match number(header, 4) {
            1 => loads.push(number(header + 16, 8)),
            3 => interpreter = true,
            _ => {}
        }
    }
    (loads, interpreter)
}
