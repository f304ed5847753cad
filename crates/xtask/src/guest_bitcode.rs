//! Rust crates as guest bitcode: one module for each crate, and one for what they use of Rust's `core` and `alloc`.
//!
//! ```text
//!   cargo build --emit=llvm-bc ──> llama.bc, llama_model.bc, libm.bc, ... ──┐
//!   sysroot: libcore.rlib, liballoc.rlib ─ .llvmbc ─ llvm-link ─────────────┤
//!                                                                           v
//!          all linked once, internalised, globaldce: what the entry reaches ("live")
//!                                                                           v
//!          each module: only its live symbols stay exported, the rest goes ──> LLBC
//! ```
//!
//! rustc optimises each crate for baseline x86-64 without vectorising: that work is done once, here, and not at every
//! start. What depends on the processor is left to the engine. The prebuilt `core` and `alloc` carry their bitcode in
//! the section `.llvmbc`. They name a few symbols that rustc itself makes when it links a program (the allocator's
//! shims); as nothing is linked here, [`shims`] makes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use bareflow::guest::{ENTRY, wrap};

use crate::build::{TARGET, write_if_changed};
use crate::paths::Paths;
use crate::sh::{cargo, output};

/// Flags for the crates of a guest.
const FLAGS: &str = "--emit=llvm-bc,link -Ccodegen-units=1 -Cno-vectorize-loops -Cno-vectorize-slp \
                     -Cpanic=abort -Cembed-bitcode=no";

/// Name of the module that holds Rust's own libraries.
const RUST: &str = "rust-core";

/// Makes `llama/*.llbc`.
pub fn llama(paths: &Paths, quiet: bool) -> Result<()> {
    let _ = quiet; // cargo speaks only when it fails
    let modules = crates(paths, &paths.root, "llama")?;
    let folder = paths.artifacts().join("llama");
    for (file, container) in &modules {
        write_if_changed(&folder.join(file), container)?;
    }
    // A module that is gone must not stay on the image.
    for entry in std::fs::read_dir(&folder)?.flatten() {
        let name = entry.file_name();
        if !modules.iter().any(|(file, _)| name == file.as_str()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Compiles a package and all it depends on; gives back file names and containers.
pub fn crates(paths: &Paths, workspace: &Path, package: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let mut modules = compile(paths, workspace, package)?;
    let scratch = paths.scratch("guest-bitcode")?.join(package);
    std::fs::create_dir_all(&scratch)?;
    let rust = scratch.join("rust.bc");
    sysroot(&scratch, &rust)?;
    let shim = scratch.join("shims.ll");
    let mut undefined = BTreeSet::new();
    for (_, file) in modules.iter().chain([&(RUST.to_owned(), rust.clone())]) {
        undefined.extend(symbols(file)?.0);
    }
    std::fs::write(&shim, shims(&undefined, &symbols(&rust)?.1))?;
    let joined = scratch.join("rust-shimmed.bc");
    output(
        Command::new("llvm-link-22")
            .arg(&rust)
            .arg(&shim)
            .arg("-o")
            .arg(&joined),
    )?;
    modules.push((RUST.to_owned(), joined));

    let live = live(&scratch, &modules)?;
    let mut made = Vec::new();
    for (name, file) in &modules {
        let (_, exports) = symbols(file)?;
        let keep: Vec<&String> = exports.iter().filter(|e| live.contains(*e)).collect();
        if keep.is_empty() {
            continue; // nothing in it is used
        }
        let trimmed = scratch.join(format!("{name}.trimmed.bc"));
        trim(file, &keep, &trimmed)?;
        let container = wrap(name, &trimmed)?;
        made.push((format!("{name}.llbc"), container));
    }
    let entries = made.iter().filter(|(_, c)| has_entry(c)).count();
    ensure!(
        entries == 1,
        "{package}: {entries} of its crates define {ENTRY}, expected one"
    );
    Ok(made)
}

fn has_entry(container: &[u8]) -> bool {
    formats::llbc::parse(container).is_ok_and(|m| m.entry.is_some())
}

/// Builds the package; gives back name and bitcode file of each library crate in it.
fn compile(paths: &Paths, workspace: &Path, package: &str) -> Result<Vec<(String, PathBuf)>> {
    let mut command = cargo(workspace);
    command
        .args([
            "build",
            "--release",
            "--lib",
            "-p",
            package,
            "--target",
            TARGET,
        ])
        .args(["--message-format=json-render-diagnostics", "--target-dir"])
        .arg(paths.separate_target("guest"))
        .env("RUSTFLAGS", FLAGS);
    let mut modules: Vec<(String, PathBuf)> = Vec::new();
    for line in output(&mut command)?.lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        if message["reason"] != "compiler-artifact"
            || message["target"]["kind"][0] == "custom-build"
        {
            continue;
        }
        for file in message["filenames"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|f| f.as_str())
        {
            let file = Path::new(file);
            // Only what was made for the guest: procedural macros are the host's.
            if file.extension().is_some_and(|e| e == "rlib")
                && file.components().any(|c| c.as_os_str() == TARGET)
            {
                let name = message["target"]["name"].as_str().unwrap_or_default();
                modules.push((name.replace('_', "-"), bitcode_beside(file)?));
            }
        }
    }
    if modules.is_empty() {
        bail!("cargo named no library for package {package}");
    }
    modules.sort();
    Ok(modules)
}

/// `.../deps/NAME-HASH.bc` of `.../deps/libNAME-HASH.rlib`, or of the copy cargo puts beside `deps`.
fn bitcode_beside(rlib: &Path) -> Result<PathBuf> {
    let stem = rlib.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.strip_prefix("lib").unwrap_or(&stem);
    let file = rlib.with_file_name(format!("{stem}.bc"));
    if file.exists() {
        return Ok(file);
    }
    // The copy has no hash in its name: the newest of that name is the one just made or found fresh.
    let deps = rlib.parent().unwrap_or(rlib).join("deps");
    let prefix = format!("{stem}-");
    let mut found: Vec<(std::time::SystemTime, PathBuf)> = std::fs::read_dir(&deps)
        .with_context(|| format!("cannot read {}", deps.display()))?
        .flatten()
        .filter(|e| {
            let name = e.file_name().to_string_lossy().into_owned();
            // NAME-HASH.bc, and not NAME-MORE-HASH.bc: a hash has no dash.
            name.strip_prefix(&prefix)
                .and_then(|r| r.strip_suffix(".bc"))
                .is_some_and(|h| !h.contains('-'))
        })
        .filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path())))
        .collect();
    found.sort();
    match found.pop() {
        Some((_, path)) => Ok(path),
        None => bail!("no bitcode beside {}", rlib.display()),
    }
}

/// Bitcode of `core` and `alloc`, from the libraries of the toolchain.
fn sysroot(scratch: &Path, joined: &Path) -> Result<()> {
    let root = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let folder = Path::new(root.trim())
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib");
    let mut parts = Vec::new();
    for name in ["core", "alloc"] {
        let prefix = format!("lib{name}-");
        let library = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .flatten()
            .map(|e| e.path())
            .find(|p| {
                let file = p
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                file.starts_with(&prefix) && file.ends_with(".rlib")
            })
            .with_context(|| format!("{} has no lib{name}", folder.display()))?;
        let objects = output(Command::new("llvm-ar-22").arg("t").arg(&library))?;
        for object in objects.lines().filter(|o| o.ends_with(".o")) {
            output(
                Command::new("llvm-ar-22")
                    .arg("x")
                    .arg("--output")
                    .arg(scratch)
                    .arg(&library)
                    .arg(object),
            )?;
            let object = scratch.join(object);
            let bitcode = object.with_extension("bc");
            output(
                Command::new("llvm-objcopy-22")
                    .arg(format!("--dump-section=.llvmbc={}", bitcode.display()))
                    .arg(&object)
                    .arg("/dev/null"),
            )?;
            parts.push(bitcode);
        }
    }
    output(
        Command::new("llvm-link-22")
            .args(&parts)
            .arg("-o")
            .arg(joined),
    )?;
    Ok(())
}

/// IR of the symbols rustc makes when it links a program: `__rust_no_alloc_shim_is_unstable` (marks that an allocator
/// is there) and `__rust_alloc_error_handler` (goes to alloc's default). Their mangled names carry the compiler's hash, so
/// they are found by their ending.
fn shims(undefined: &BTreeSet<String>, defined: &BTreeSet<String>) -> String {
    let mut ir = format!("target triple = \"{TARGET}\"\n");
    for symbol in undefined.difference(defined) {
        if symbol.contains("___rust_no_alloc_shim_is_unstable") {
            ir += &format!("define void @\"{symbol}\"() {{\n  ret void\n}}\n");
        } else if symbol.ends_with("___rust_alloc_error_handler") {
            if let Some(default) = defined
                .iter()
                .find(|d| d.ends_with("___rdl_alloc_error_handler"))
            {
                ir += &format!(
                    "declare void @\"{default}\"(i64, i64)\n\
                     define void @\"{symbol}\"(i64 %size, i64 %align) {{\n  \
                     call void @\"{default}\"(i64 %size, i64 %align)\n  unreachable\n}}\n"
                );
            }
        }
    }
    ir
}

/// Undefined and defined symbols of a bitcode file.
fn symbols(file: &Path) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let listing = output(
        Command::new("llvm-nm-22")
            .args(["--format=posix", "--extern-only"])
            .arg(file),
    )?;
    let (mut undefined, mut defined) = (BTreeSet::new(), BTreeSet::new());
    for line in listing.lines() {
        let mut words = line.split(' ');
        if let (Some(name), Some(kind)) = (words.next(), words.next()) {
            let list = if matches!(kind, "U" | "w" | "v") {
                &mut undefined
            } else {
                &mut defined
            };
            list.insert(name.to_owned());
        }
    }
    Ok((undefined, defined))
}

/// Names of everything the entry reaches.
fn live(scratch: &Path, modules: &[(String, PathBuf)]) -> Result<BTreeSet<String>> {
    let joined = scratch.join("joined.bc");
    output(
        Command::new("llvm-link-22")
            .args(modules.iter().map(|m| &m.1))
            .arg("-o")
            .arg(&joined),
    )?;
    let reached = scratch.join("reached.bc");
    trim(&joined, &[&ENTRY.to_owned()], &reached)?;
    let listing = output(
        Command::new("llvm-nm-22")
            .args(["--format=posix", "--defined-only"])
            .arg(&reached),
    )?;
    Ok(listing
        .lines()
        .filter_map(|l| l.split(' ').next())
        .map(str::to_owned)
        .collect())
}

/// Drops all that the symbols in `keep` do not reach.
fn trim(file: &Path, keep: &[&String], trimmed: &Path) -> Result<()> {
    let list = trimmed.with_extension("keep");
    let names: Vec<&str> = keep.iter().map(|k| k.as_str()).collect();
    std::fs::write(&list, names.join("\n") + "\n")?;
    output(
        Command::new("opt-22")
            .args([
                "-passes=internalize,globaldce,strip-dead-prototypes",
                "--strip-debug",
            ])
            .arg(format!("-internalize-public-api-file={}", list.display()))
            .arg(file)
            .arg("-o")
            .arg(trimmed),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn shims_are_made_for_what_is_missing() {
        let handler = "_RNvCsX_7___rustc26___rust_alloc_error_handler";
        let marker = "_RNvCsX_7___rustc35___rust_no_alloc_shim_is_unstable_v2";
        let default = "_RNvCsX_5alloc25___rdl_alloc_error_handler";
        let ir = shims(&set(&[handler, marker, "other"]), &set(&[default]));
        assert!(ir.contains(&format!("define void @\"{handler}\"(i64")));
        assert!(ir.contains(&format!("define void @\"{marker}\"()")));
        assert!(!ir.contains("other"));
        assert!(!shims(&set(&[marker]), &set(&[marker])).contains("define"));
    }
}
