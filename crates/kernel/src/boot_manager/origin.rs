//! Whether a slot was made from what lies on the disk now: its program, and the runtime it was cut from.
//!
//! A native program is machine code of the modules in `/app`, an evicted runtime the hot part of `/boot/runtime.elf`. Whoever
//! replaces those has not replaced the slots, which would go on running what was there before. So a slot says what it was made
//! from (0: that does not matter), and what cannot be told from the disk is not held against it.

use crate::linux::file;
use alloc::vec;
use formats::checksum::checksum;
use formats::elf::{Executable, HEAD_BYTES};
use formats::program::{self, ProgramHash};
use formats::slots::{BASE_PATH, Reason, Slot};
use store::fat::FatError;

/// Compares a slot with the program and the runtime on the disk.
///
/// # Errors
/// [`Reason::OtherProgram`], [`Reason::OtherBuild`].
pub fn verify(slot: &Slot) -> Result<(), Reason> {
    if slot.program != 0
        && let Some(found) = program()
        && found != slot.program
    {
        return Err(Reason::OtherProgram { found });
    }
    if slot.build != 0
        && let Some(found) = base_build()
        && found != slot.build
    {
        return Err(Reason::OtherBuild { found });
    }
    Ok(())
}

/// The program in `/app`; `None` if it cannot be read.
fn program() -> Option<u64> {
    let hash = file::with_disk(|volume| {
        let mut hash = ProgramHash::default();
        let mut path = alloc::string::String::new();
        let mut head = [0; program::HEAD_BYTES];
        for entry in volume.list(program::FOLDER)? {
            if entry.is_directory || !program::is_module(&entry.name) {
                continue;
            }
            path.clear();
            path.push_str(program::FOLDER);
            path.push('/');
            path.push_str(&entry.name);
            let module = volume.open(&path)?;
            let count = volume.read_at(&module, 0, &mut head)?;
            hash.add(&entry.name, &head[..count]);
        }
        Ok::<_, FatError>(hash.finish())
    })?;
    hash.inspect_err(|error| crate::error!("boot: {}: {error}", program::FOLDER))
        .ok()
}

/// The build of the base image: `None` if it is compressed, or says none.
fn base_build() -> Option<u64> {
    let id = file::with_disk(|volume| {
        let base = volume.open(BASE_PATH).ok()?;
        let bytes = u64::from(volume.file_bytes(&base).ok()?);
        let mut head = vec![0; HEAD_BYTES.min(bytes as usize)];
        let count = volume.read_at(&base, 0, &mut head).ok()?;
        Executable::parse(&head[..count], bytes).ok()?.build_id
    })??;
    Some(checksum(&id))
}
