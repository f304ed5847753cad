//! Assembles stage 1 and stage 2 of the BIOS boot path.
//!
//! By hand, from the root of the checkout:
//!
//! ```text
//! clang-22 --target=x86_64-none-elf -c crates/boot/stage1.S -o stage1.o
//! ld.lld-22 -m elf_x86_64 --image-base=0 --oformat binary -Ttext=0x7c00 stage1.o -o stage1.bin
//! ```
//!
//! and the same for stage 2 at 0x8000.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use formats::flud::STAGE2_MAX_SECTORS;

use crate::build::{read, write_if_changed};
use crate::paths::Paths;
use crate::sh::run;

/// Where the BIOS puts stage 1.
const STAGE1_ADDRESS: u32 = 0x7C00;
/// Where stage 1 puts stage 2.
const STAGE2_ADDRESS: u32 = 0x8000;

/// Makes `stage1.bin` and `stage2.bin`.
pub fn make(paths: &Paths) -> Result<()> {
    let scratch = paths.scratch("boot")?;
    let sources = paths.root.join("crates/boot");
    let (stage1, stage2) = assemble_both(&sources, &scratch)?;
    write_if_changed(&paths.artifacts().join("stage1.bin"), &stage1)?;
    write_if_changed(&paths.artifacts().join("stage2.bin"), &stage2)
}

/// Assembles both stages from the folder of their sources and checks their sizes.
pub fn assemble_both(sources: &Path, scratch: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    let stage1 = assemble(&sources.join("stage1.S"), STAGE1_ADDRESS, scratch)?;
    let stage2 = assemble(&sources.join("stage2.S"), STAGE2_ADDRESS, scratch)?;
    ensure!(
        stage1.len() == 512,
        "stage 1 has {} bytes, expected 512",
        stage1.len()
    );
    let table = &stage1[440..510];
    ensure!(
        table.iter().all(|&byte| byte == 0),
        "stage 1 reaches into the partition table"
    );
    let most = STAGE2_MAX_SECTORS as usize * 512;
    ensure!(
        stage2.len() <= most,
        "stage 2 has {} bytes, expected {most} at most",
        stage2.len()
    );
    Ok((stage1, stage2))
}

/// Assembles one source to a flat binary for an address.
fn assemble(source: &Path, address: u32, scratch: &Path) -> Result<Vec<u8>> {
    let stem = source.file_stem().unwrap_or_default();
    let object = scratch.join(stem).with_extension("o");
    let binary = scratch.join(stem).with_extension("bin");
    run(Command::new("clang-22")
        .args(["--target=x86_64-none-elf", "-c"])
        .arg(source)
        .arg("-o")
        .arg(&object))?;
    run(Command::new("ld.lld-22")
        .args(["-m", "elf_x86_64", "--image-base=0", "--oformat", "binary"])
        .arg(format!("-Ttext={address:#x}"))
        .arg(&object)
        .arg("-o")
        .arg(&binary))?;
    read(&binary)
}

#[cfg(test)]
mod tests;
