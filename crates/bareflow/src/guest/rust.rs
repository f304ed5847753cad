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

use serde_json::Value;

use super::{ENTRY, GuestModule, tool, wrap};
use crate::Error;

/// The target with prebuilt `core` and `alloc`; named explicitly so that build scripts keep the host's flags.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Flags for the crates of a guest.
const FLAGS: &str = "--emit=llvm-bc,link -Ccodegen-units=1 -Cno-vectorize-loops -Cno-vectorize-slp \
                     -Cpanic=abort -Cembed-bitcode=no";

/// More of them where source lines are to be told.
const LINES: &str = " -Cdebuginfo=line-tables-only";

/// Name of the module that holds Rust's own libraries.
const RUST: &str = "rust-core";

/// A package to be compiled as a guest.
#[derive(Debug)]
pub struct Package<'a> {
    /// Folder in which cargo is called: that of the package, or of its workspace.
    pub folder: &'a Path,
    /// Its name.
    pub name: &'a str,
    /// Its features, as cargo takes them; empty: the default ones.
    pub features: &'a str,
    /// Build folder of its own: the flags are not those of the host's programs.
    pub target: &'a Path,
    /// Whether what tells source lines is kept.
    pub lines: bool,
}

/// The modules of the crate in `folder`, which holds its Cargo.toml; with `lines`, with what tells source lines.
///
/// # Errors
/// Cargo's refusal, or a crate that is no guest.
pub fn crate_modules(
    folder: &Path,
    scratch: &Path,
    lines: bool,
) -> Result<Vec<GuestModule>, Error> {
    let mut metadata = cargo(folder);
    metadata.args(["metadata", "--format-version=1", "--no-deps"]);
    let found: Value = serde_json::from_str(&tool(&mut metadata, folder)?).unwrap_or_default();
    let manifest = std::fs::canonicalize(folder.join("Cargo.toml"))
        .map_err(|e| Error::io("read", folder.join("Cargo.toml"), e))?;
    let packages = found["packages"].as_array().into_iter().flatten();
    let name = packages
        .filter(|p| {
            p["manifest_path"]
                .as_str()
                .is_some_and(|m| Path::new(m) == manifest)
        })
        .find_map(|p| p["name"].as_str())
        .ok_or_else(|| broken(folder, "its Cargo.toml describes no package"))?;
    let target =
        Path::new(found["target_directory"].as_str().unwrap_or("target")).join("bareflow-guest");
    modules(
        &Package {
            folder,
            name,
            features: "",
            target: &target,
            lines,
        },
        scratch,
    )
}

fn broken(path: &Path, what: impl Into<String>) -> Error {
    Error::Crate {
        path: path.into(),
        what: what.into(),
    }
}

/// A `cargo` whose flags are ours alone.
fn cargo(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    command
        .current_dir(folder)
        .stdin(std::process::Stdio::null());
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
    ] {
        command.env_remove(name);
    }
    command
}

/// Compiles a package and all it depends on. Files in between are put into `scratch`.
///
/// # Errors
/// Cargo's refusal, LLVM tools that are missing, or a program that does not define its entry once.
pub fn modules(package: &Package, scratch: &Path) -> Result<Vec<GuestModule>, Error> {
    finish(package, compile(package)?, scratch)
}

/// The second half of [`modules`]: from the bitcode files of [`compile`] to containers.
///
/// # Errors
/// As [`modules`].
pub fn finish(
    package: &Package,
    mut modules: Vec<(String, PathBuf)>,
    scratch: &Path,
) -> Result<Vec<GuestModule>, Error> {
    let rust = scratch.join("rust.bc");
    sysroot(scratch, &["core", "alloc"], &rust)?;
    let shim = scratch.join("shims.ll");
    let mut undefined = BTreeSet::new();
    for (_, file) in modules.iter().chain([&(RUST.to_owned(), rust.clone())]) {
        undefined.extend(symbols(file)?.0);
    }
    std::fs::write(&shim, shims(&undefined, &symbols(&rust)?.1))
        .map_err(|e| Error::io("write", &shim, e))?;
    let joined = scratch.join("rust-shimmed.bc");
    tool(
        Command::new("llvm-link-22")
            .arg(&rust)
            .arg(&shim)
            .arg("-o")
            .arg(&joined),
        &rust,
    )?;
    modules.push((RUST.to_owned(), joined));

    let live = live(scratch, &modules)?;
    let mut made = Vec::new();
    for (name, file) in &modules {
        let (_, exports) = symbols(file)?;
        let keep: Vec<&String> = exports.iter().filter(|e| live.contains(*e)).collect();
        if keep.is_empty() {
            continue; // nothing in it is used
        }
        let trimmed = scratch.join(format!("{name}.trimmed.bc"));
        trim(file, &keep, package.lines && name != RUST, &trimmed)?;
        made.push(GuestModule {
            file: format!("{name}.llbc"),
            container: wrap(name, &trimmed)?,
        });
    }
    match made.iter().filter(|m| has_entry(&m.container)).count() {
        1 => Ok(made),
        entries => Err(broken(
            package.folder,
            format!(
                "{entries} of the crates of {} define {ENTRY}, expected one; see guest::entry!",
                package.name
            ),
        )),
    }
}

fn has_entry(container: &[u8]) -> bool {
    formats::llbc::parse(container).is_ok_and(|m| m.entry.is_some())
}

/// Builds the package; gives back name and bitcode file of each library crate in it. Files that need no new
/// compilation keep their time.
///
/// # Errors
/// Cargo's refusal.
pub fn compile(package: &Package) -> Result<Vec<(String, PathBuf)>, Error> {
    let lines = if package.lines { LINES } else { "" };
    let flags = format!("{FLAGS}{lines}");
    let mut command = cargo(package.folder);
    command
        .args([
            "build",
            "--release",
            "--lib",
            "-p",
            package.name,
            "--target",
            TARGET,
        ])
        .args(["--message-format=json-render-diagnostics", "--target-dir"])
        .arg(package.target)
        .env("RUSTFLAGS", flags);
    if !package.features.is_empty() {
        command.args(["--features", package.features]);
    }
    let mut modules: Vec<(String, PathBuf)> = Vec::new();
    for line in tool(&mut command, package.folder)?.lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        if message["reason"] != "compiler-artifact"
            || message["target"]["kind"][0] == "custom-build"
        {
            continue;
        }
        let files = message["filenames"].as_array().into_iter().flatten();
        for file in files.filter_map(|f| f.as_str()).map(Path::new) {
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
        return Err(broken(
            package.folder,
            format!("package {} has no library", package.name),
        ));
    }
    modules.sort();
    Ok(modules)
}

/// `.../deps/NAME-HASH.bc` of `.../deps/libNAME-HASH.rlib`, or of the copy cargo puts beside `deps`.
fn bitcode_beside(rlib: &Path) -> Result<PathBuf, Error> {
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
        .map_err(|e| Error::io("list", &deps, e))?
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
    found
        .pop()
        .map(|(_, path)| path)
        .ok_or_else(|| broken(rlib, "there is no bitcode beside it"))
}

/// One bitcode file of a package, all it depends on, and some of the toolchain's libraries (`core`, `alloc`,
/// `compiler_builtins`): what the symbols in `keep` reach of them. Symbols of the package win over those of
/// `compiler_builtins`.
///
/// # Errors
/// Cargo's refusal, LLVM tools that are missing, or a symbol that is not defined.
pub fn library(
    package: &Package,
    libraries: &[&str],
    scratch: &Path,
    keep: &[&str],
) -> Result<PathBuf, Error> {
    let crates = compile(package)?;
    let rust = scratch.join("rust.bc");
    sysroot(scratch, libraries, &rust)?;
    let joined = scratch.join("joined.bc");
    let mut link = Command::new("llvm-link-22");
    link.args(crates.iter().map(|c| &c.1))
        .arg(&rust)
        .arg("-o")
        .arg(&joined);
    tool(&mut link, &joined)?;
    let defined = symbols(&joined)?.1;
    if let Some(missing) = keep.iter().find(|k| !defined.contains(**k)) {
        return Err(broken(
            package.folder,
            format!("{} does not define {missing}", package.name),
        ));
    }
    let keep: Vec<String> = keep.iter().map(|k| (*k).to_owned()).collect();
    let made = scratch.join(format!("{}.bc", package.name));
    trim(&joined, &keep.iter().collect::<Vec<_>>(), false, &made)?;
    Ok(made)
}

/// Bitcode of some of the toolchain's libraries. Members without bitcode (written in assembly) are left out.
fn sysroot(scratch: &Path, libraries: &[&str], joined: &Path) -> Result<(), Error> {
    let root = tool(
        Command::new("rustc").args(["--print", "sysroot"]),
        Path::new("rustc"),
    )?;
    let folder = Path::new(root.trim())
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib");
    let mut parts = Vec::new();
    for name in libraries {
        let prefix = format!("lib{name}-");
        let library = std::fs::read_dir(&folder)
            .map_err(|e| Error::io("list", &folder, e))?
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
            .ok_or_else(|| broken(&folder, format!("the Rust toolchain has no lib{name}")))?;
        let objects = tool(Command::new("llvm-ar-22").arg("t").arg(&library), &library)?;
        for object in objects.lines().filter(|o| o.ends_with(".o")) {
            let mut extract = Command::new("llvm-ar-22");
            extract
                .arg("x")
                .arg("--output")
                .arg(scratch)
                .arg(&library)
                .arg(object);
            tool(&mut extract, &library)?;
            let object = scratch.join(object);
            let bitcode = object.with_extension("bc");
            let mut copy = Command::new("llvm-objcopy-22");
            copy.arg(format!("--dump-section=.llvmbc={}", bitcode.display()));
            copy.arg(&object).arg("/dev/null");
            if has_bitcode(&object)? {
                tool(&mut copy, &object)?;
                parts.push(bitcode);
            }
        }
    }
    tool(
        Command::new("llvm-link-22")
            .args(&parts)
            .arg("-o")
            .arg(joined),
        joined,
    )?;
    Ok(())
}

/// Whether an object file carries its bitcode.
fn has_bitcode(object: &Path) -> Result<bool, Error> {
    let mut list = Command::new("llvm-readelf-22");
    Ok(tool(list.arg("-SW").arg(object), object)?.contains(".llvmbc"))
}

/// IR of the symbols rustc makes when it links a program: `__rust_no_alloc_shim_is_unstable` (marks that an allocator
/// is there) and `__rust_alloc_error_handler` (goes to alloc's default). Their mangled names carry the compiler's hash, so
/// they are found by their ending.
fn shims(undefined: &BTreeSet<String>, defined: &BTreeSet<String>) -> String {
    let mut ir = format!("target triple = \"{TARGET}\"\n");
    for symbol in undefined.difference(defined) {
        if symbol.contains("___rust_no_alloc_shim_is_unstable") {
            ir += &format!("define void @\"{symbol}\"() {{\n  ret void\n}}\n");
        } else if symbol.ends_with("___rust_alloc_error_handler")
            && let Some(default) = defined
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
    ir
}

/// Undefined and defined symbols of a bitcode file.
pub(super) fn symbols(file: &Path) -> Result<(BTreeSet<String>, BTreeSet<String>), Error> {
    let listing = tool(
        Command::new("llvm-nm-22")
            .args(["--format=posix", "--extern-only"])
            .arg(file),
        file,
    )?;
    let (undefined, defined) = super::symbols(&listing);
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    Ok((owned(undefined), owned(defined)))
}

/// Names of everything the entry reaches.
fn live(scratch: &Path, modules: &[(String, PathBuf)]) -> Result<BTreeSet<String>, Error> {
    let joined = scratch.join("joined.bc");
    let mut link = Command::new("llvm-link-22");
    tool(
        link.args(modules.iter().map(|m| &m.1))
            .arg("-o")
            .arg(&joined),
        &joined,
    )?;
    let reached = scratch.join("reached.bc");
    trim(&joined, &[&ENTRY.to_owned()], false, &reached)?;
    let mut nm = Command::new("llvm-nm-22");
    let listing = tool(
        nm.args(["--format=posix", "--defined-only"]).arg(&reached),
        &reached,
    )?;
    Ok(listing
        .lines()
        .filter_map(|l| l.split(' ').next())
        .map(str::to_owned)
        .collect())
}

/// Drops all that the symbols in `keep` do not reach, and debug information unless `lines` are kept.
pub(super) fn trim(
    file: &Path,
    keep: &[&String],
    lines: bool,
    trimmed: &Path,
) -> Result<(), Error> {
    let list = trimmed.with_extension("keep");
    let names: Vec<&str> = keep.iter().map(|k| k.as_str()).collect();
    std::fs::write(&list, names.join("\n") + "\n").map_err(|e| Error::io("write", &list, e))?;
    let mut opt = Command::new("opt-22");
    opt.arg("-passes=internalize,globaldce,strip-dead-prototypes");
    if !lines {
        opt.arg("--strip-debug");
    }
    opt.arg(format!("-internalize-public-api-file={}", list.display()))
        .arg(file)
        .arg("-o")
        .arg(trimmed);
    tool(&mut opt, file)?;
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

    #[test]
    fn a_crate_becomes_a_program() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello-rust");
        let scratch = tempfile::tempdir().unwrap();
        let modules = crate_modules(&folder, scratch.path(), true).unwrap();
        let main = modules
            .iter()
            .find(|m| m.file == "hello-rust.llbc")
            .unwrap();
        assert_eq!(
            formats::llbc::parse(&main.container).unwrap().entry,
            Some(ENTRY)
        );
    }
}
