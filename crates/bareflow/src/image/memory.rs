//! The files in which a machine keeps what it learns: made with the image, never resized.
//!
//! | file | holds | size |
//! |---|---|---|
//! | `/bareflow/store` | records (`store::records`) | as asked for |
//! | `/bareflow/slots` | the boot slot table (`formats::slots`), with the base image in it | 4 KiB |
//! | `/bareflow/evicted.0`, `.1` | runtimes without what never ran | [`EVICTED_BYTES`] each |
//! | `/bareflow/link.0`, `.1` | the function tables of these | [`LINK_BYTES`] each |
//! | `/bareflow/cold.0`, `.1` | what was taken out of them | 5/8 of the runtime each: it is compressed |
//! | `/bareflow/native.0`, `.1` | the program as machine code | [`NATIVE_BYTES`] each |
//! | `/boot/runtime.link` | link data of the base image (`formats::link`) | as it was built |
//!
//! Each of them lies in one piece, so that writing inside it changes nothing else on the volume. They are holes in the
//! image file until something is written to them.

use formats::slots::{
    COLD_PATHS, EVICTED_PATHS, FileRef, Kind, NATIVE_PATHS, PATH, STORE_PATH, Slot, Table, new_file,
};

use crate::image::ImageBuilder;
use crate::{Artifacts, Error};

/// Room for the hot part of an evicted runtime, in bytes.
pub const EVICTED_BYTES: u64 = 6 << 20;
/// Room for its function table, in bytes.
pub const LINK_BYTES: u64 = 1 << 20;
/// Room for a native program, in bytes.
pub const NATIVE_BYTES: u64 = 2 << 20;

/// Adds the files to an image whose base runtime is `base`; none of them if `store_bytes` is 0.
///
/// # Errors
/// An artefact cannot be read.
pub fn add(
    image: &mut ImageBuilder,
    store_bytes: u64,
    base: FileRef,
    artifacts: &Artifacts,
) -> Result<(), Error> {
    if let Some(link) = artifacts.optional("runtime.link") {
        image.add_file(formats::link::PATH, link);
    }
    if store_bytes == 0 {
        return Ok(());
    }
    let runtime = artifacts.path("runtime.elf")?;
    let runtime_bytes = std::fs::metadata(&runtime)
        .map_err(|e| Error::io("read", &runtime, e))?
        .len();
    add_files(image, store_bytes, base, runtime_bytes);
    Ok(())
}

/// The same for a runtime of a given size, without link data.
pub fn add_files(image: &mut ImageBuilder, store_bytes: u64, base: FileRef, runtime_bytes: u64) {
    image.add_space(STORE_PATH, store_bytes);
    image.add_bytes(PATH, new_file(&Table::new(Slot::new(Kind::Base, base))));
    let cold_bytes = (runtime_bytes * 5 / 8).next_multiple_of(1 << 20);
    for (evicted, cold) in EVICTED_PATHS.into_iter().zip(COLD_PATHS) {
        image.add_space(evicted, EVICTED_BYTES);
        image.add_space(formats::link::path_for(evicted), LINK_BYTES);
        image.add_space(cold, cold_bytes);
    }
    for native in NATIVE_PATHS {
        image.add_space(native, NATIVE_BYTES);
    }
}

#[cfg(test)]
mod tests;
