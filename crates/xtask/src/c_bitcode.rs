//! Makes `guest-c.llbc`: the functions of `runtime.h` as one bitcode module.
//!
//! The crate `guest` with the feature `c`, and what it needs of Rust's `core`. `bareflow build` adds it to programs that call
//! one of its functions. What the header declares and what the module defines is the same list, read from the header.

use anyhow::{Context, Result};
use bareflow::guest::rust::{Package, library};
use bareflow::guest::{C_LIBRARY, runtime_functions, wrap};

use crate::build::write_if_changed;
use crate::paths::Paths;

/// Makes the artefact if it is not up to date.
pub fn make(paths: &Paths) -> Result<()> {
    let target = paths.separate_target("guest-c");
    let package = Package {
        folder: &paths.root,
        name: "guest",
        features: "c",
        target: &target,
        lines: false,
    };
    let scratch = paths.scratch("c-bitcode")?;
    let bitcode = library(&package, &["core"], &scratch, &runtime_functions())
        .context("runtime.h and crates/guest/src/runtime/c.rs differ")?;
    write_if_changed(
        &paths.artifacts().join(C_LIBRARY),
        &wrap("guest-c", &bitcode)?,
    )
}
