//! Makes the guest modules of `llama`: `bareflow::guest::rust` does the work.

use anyhow::Result;
use bareflow::guest::rust::{Package, compile, finish};

use crate::build::{is_newer, write_if_changed};
use crate::paths::Paths;

/// Makes `llama/*.llbc`.
pub fn llama(paths: &Paths) -> Result<()> {
    let target = paths.separate_target("guest");
    let package = Package {
        folder: &paths.root,
        name: "llama",
        features: "",
        target: &target,
        lines: false,
    };
    let bitcode = compile(&package)?;
    let folder = paths.artifacts().join("llama");
    // Made by this program from these files: nothing to do while none of them is newer.
    let stamp = folder.join("made-from");
    let made_from = bitcode
        .iter()
        .map(|(_, file)| format!("{}\n", file.display()))
        .collect::<String>();
    let program = std::env::current_exe()?;
    let fresh = |stamp: &std::path::Path| {
        bitcode
            .iter()
            .map(|(_, file)| file)
            .chain([&program])
            .all(|input| is_newer(stamp, input))
    };
    if std::fs::read_to_string(&stamp).is_ok_and(|old| old == made_from) && fresh(&stamp) {
        return Ok(());
    }
    let modules = finish(&package, bitcode, &paths.scratch("guest-bitcode")?)?;
    for module in &modules {
        write_if_changed(&folder.join(&module.file), &module.container)?;
    }
    // A module that is gone must not stay on the image.
    for entry in std::fs::read_dir(&folder)?.flatten() {
        let name = entry.file_name();
        if !modules.iter().any(|m| name == m.file.as_str()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    std::fs::write(stamp, made_from)?;
    Ok(())
}
