//! The licence check: every dependency may be used under `MIT OR Apache-2.0` terms, and comes from crates.io.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::paths::Paths;
use crate::sh;

/// Licences whose terms this project can meet: permissive, no copyleft.
const ALLOWED: [&str; 12] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "0BSD",
];

/// Checks every package in the lock file; prints how many were looked at.
pub fn check(paths: &Paths) -> Result<()> {
    // All features: what is fetched for its sources alone counts, too.
    let text = sh::output(sh::cargo(&paths.root).args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--all-features",
    ]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata printed no JSON")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or("?");
        let licence = package["license"].as_str().unwrap_or("");
        match allowed(licence) {
            Ok(true) => {}
            Ok(false) => problems.push(format!("{name}: licence \"{licence}\" is not allowed")),
            Err(e) => problems.push(format!("{name}: licence \"{licence}\": {e}")),
        }
        // Packages of the workspace have no source.
        let source = package["source"].as_str().unwrap_or("registry+");
        if !source.starts_with("registry+") {
            problems.push(format!("{name}: comes from {source}, not from a registry"));
        }
    }
    ensure!(
        problems.is_empty(),
        "dependencies:\n  {}",
        problems.join("\n  ")
    );
    println!("licences: {} packages, all allowed", packages.len());
    Ok(())
}

/// Whether an SPDX expression can be met with the allowed licences. `/` is the old way to write `OR`.
fn allowed(expression: &str) -> Result<bool> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let result = any(&words, &mut at)?;
    ensure!(at == words.len(), "unexpected \"{}\"", words[at]);
    Ok(result)
}

fn any(words: &[&str], at: &mut usize) -> Result<bool> {
    let mut result = all(words, at)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        result |= all(words, at)?;
    }
    Ok(result)
}

fn all(words: &[&str], at: &mut usize) -> Result<bool> {
    let mut result = one(words, at)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        result &= one(words, at)?;
    }
    Ok(result)
}

fn one(words: &[&str], at: &mut usize) -> Result<bool> {
    let Some(&word) = words.get(*at) else {
        bail!("a licence name is missing")
    };
    *at += 1;
    if word == "(" {
        let result = any(words, at)?;
        ensure!(words.get(*at) == Some(&")"), "\")\" is missing");
        *at += 1;
        return Ok(result);
    }
    ensure!(
        !["OR", "AND", "WITH", ")"].contains(&word),
        "unexpected \"{word}\""
    );
    let mut name = word.to_owned();
    if words.get(*at) == Some(&"WITH") {
        let exception = words
            .get(*at + 1)
            .context("an exception's name is missing")?;
        name = format!("{word} WITH {exception}");
        *at += 2;
    }
    Ok(ALLOWED.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_evaluated() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(allowed(good).unwrap(), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MPL-2.0",
            "Apache-2.0 WITH Other-exception",
        ] {
            assert!(!allowed(bad).unwrap(), "{bad}");
        }
        for broken in ["", "MIT OR", "(MIT", "MIT MIT", "OR MIT", "MIT WITH"] {
            assert!(allowed(broken).is_err(), "{broken}");
        }
    }
}
