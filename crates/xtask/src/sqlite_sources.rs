//! SQLite's amalgamation, out of the package `libsqlite3-sys` of crates.io, by cargo's own client.
//!
//! SQLite (https://sqlite.org, in the public domain) is a C program of a quarter million lines from outside, built and run
//! as a guest. Nothing of it is in this repository. The package's checksum is pinned as in any `Cargo.lock`; what was
//! fetched stays in `cache/`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::paths::Paths;
use crate::sh;

const VERSION: &str = "0.35.0";
const CHECKSUM: &str = "133c182a6a2c87864fe97778797e46c7e999672690dc9fa3ee8e241aa4a9c13f";

/// The folder with `sqlite3.c` and `sqlite3.h`, fetched if it is not there.
///
/// # Errors
/// Why cargo cannot fetch it: no network, or a package with another checksum.
pub fn fetch(paths: &Paths) -> Result<PathBuf> {
    let done = paths.root.join(format!("cache/libsqlite3-sys-{VERSION}"));
    let sources = done.join("sqlite3");
    if sources.exists() {
        return Ok(sources);
    }
    let work = paths.root.join("cache/.sqlite-download");
    if work.exists() {
        std::fs::remove_dir_all(&work)?;
    }
    std::fs::create_dir_all(work.join("src"))?;
    for (file, text) in [
        ("Cargo.toml", manifest()),
        ("Cargo.lock", lock()),
        ("src/lib.rs", String::new()),
    ] {
        std::fs::write(work.join(file), text)?;
    }
    eprintln!("fetching SQLite (crates.io package libsqlite3-sys {VERSION}, 5 MB)");
    let mut vendor = sh::cargo(&work);
    vendor
        .args(["vendor", "--locked", "--quiet", "--versioned-dirs"])
        .arg(work.join("packages"))
        .envs([("CARGO_NET_RETRY", "1"), ("CARGO_HTTP_TIMEOUT", "20")]);
    sh::output(&mut vendor).context("cargo cannot fetch libsqlite3-sys")?;
    let package = work
        .join("packages")
        .join(format!("libsqlite3-sys-{VERSION}"));
    ensure!(
        package.join("sqlite3/sqlite3.c").exists(),
        "libsqlite3-sys {VERSION} holds no sqlite3/sqlite3.c"
    );
    // Put in place when it is whole.
    std::fs::rename(package, &done)?;
    std::fs::remove_dir_all(&work)?;
    Ok(sources)
}

/// A package of its own, that needs nothing but SQLite's.
fn manifest() -> String {
    format!(
        "[package]\nname = \"sqlite-sources\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\nlibsqlite3-sys = {{ version = \"={VERSION}\", default-features = false }}\n"
    )
}

fn lock() -> String {
    format!(
        "version = 4\n\n[[package]]\nname = \"libsqlite3-sys\"\nversion = \"{VERSION}\"\n\
         source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{CHECKSUM}\"\n\n\
         [[package]]\nname = \"sqlite-sources\"\nversion = \"0.0.0\"\ndependencies = [\n \"libsqlite3-sys\",\n]\n"
    )
}
