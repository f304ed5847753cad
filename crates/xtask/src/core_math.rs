//! CORE-MATH's sources, for the guest's C library: correctly rounded functions in C, out of the crate core-math-sys.
//!
//! The crate is an optional dependency that nothing switches on: Cargo.lock pins it, cargo fetches it, and its licence is checked
//! like any other's, but it is not compiled for the host. The C files are compiled as the rest of the library is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::build::write_if_changed;
use crate::paths::Paths;
use crate::sh;

const CRATE: &str = "core-math-sys";
/// Makes constrained operations of all arithmetic, which cannot be optimised. Programs that change the rounding mode get
/// results that are right to the last place but one.
const PRAGMA: &str = "#pragma STDC FENV_ACCESS ON";

/// One function's source.
pub struct Function {
    /// The C file, ready to be compiled.
    pub source: PathBuf,
    /// Its name in C; in the file it begins with `cr_`.
    pub name: String,
}

/// The functions that core-math.txt lists, their files put into a folder of `paths`.
///
/// # Errors
/// The crate cannot be had, or has no such function.
pub fn fetch(paths: &Paths, list: &str) -> Result<Vec<Function>> {
    let vendor = crate_folder(paths)?.join("vendor/src");
    let folder = paths.scratch("libc/core-math")?;
    listed(list)?
        .into_iter()
        .map(|(width, name)| {
            // Functions of float end with f, their folders do not.
            let stem = match width {
                "binary32" => name.strip_suffix('f').unwrap_or(name),
                _ => name,
            };
            let original = vendor.join(width).join(stem).join(format!("{name}.c"));
            let text = std::fs::read_to_string(&original)
                .with_context(|| format!("cannot read {}", original.display()))?;
            let source = folder.join(format!("{name}.c"));
            write_if_changed(&source, text.replace(PRAGMA, "").as_bytes())?;
            let name = name.to_owned();
            Ok(Function { source, name })
        })
        .collect()
}

/// Flags that these sources need besides the library's own.
pub fn flags(name: &str) -> [String; 8] {
    [
        "-std=gnu17".into(),
        // The plain code instead of intrinsics of the processor, which the interpreter is slow at.
        "-U__x86_64__".into(),
        // Square roots are an instruction; ldexp, an intrinsic else, stays the library's function.
        "-fno-math-errno".into(),
        "-include".into(),
        "math.h".into(),
        "-D__builtin_ldexp=ldexp".into(),
        "-xc".into(),
        format!("-Dcr_{name}={name}"),
    ]
}

/// Where cargo keeps the crate.
fn crate_folder(paths: &Paths) -> Result<PathBuf> {
    let mut command = sh::cargo(&paths.root);
    command.args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--features",
    ]);
    let text = sh::output(command.arg(format!("xtask/{CRATE}")))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata printed no JSON")?;
    let packages = metadata["packages"].as_array().map_or(&[][..], |p| p);
    let package = packages.iter().find(|p| p["name"] == CRATE);
    let manifest = package.and_then(|p| p["manifest_path"].as_str());
    let manifest = manifest.with_context(|| format!("cargo metadata does not list {CRATE}"))?;
    let folder = Path::new(manifest)
        .parent()
        .context("a manifest lies in no folder")?;
    ensure!(folder.exists(), "{} is not there", folder.display());
    Ok(folder.into())
}

/// Lines `binary64: sinh cosh`.
fn listed(text: &str) -> Result<Vec<(&str, &str)>> {
    let mut functions = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(':') {
            Some((width @ ("binary32" | "binary64"), names)) => {
                functions.extend(names.split_whitespace().map(|name| (width, name)));
            }
            _ => bail!("core-math.txt: no `binary64: functions`: {line}"),
        }
    }
    Ok(functions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_listed_by_width() {
        let all = listed("# remark\n\nbinary64: sinh tanh\nbinary32: erfcf\n").unwrap();
        assert_eq!(
            all,
            [
                ("binary64", "sinh"),
                ("binary64", "tanh"),
                ("binary32", "erfcf")
            ]
        );
        assert!(listed("sinh").is_err());
        assert!(listed("binary16: sinhf16").is_err());
    }
}
