//! LLVM-libc's sources, out of the source package of Debian's LLVM.
//!
//! `apt-get source` fetches the archive (164 MB) through the package lists of this system's own servers; these are asked for
//! sources in lists of our own, so nothing of the system's configuration changes. Of the archive only `libc` is kept.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::paths::Paths;
use crate::sh::{self, run};

const PACKAGE: &str = "llvm-toolchain-19";
const ARCHIVE: &str = "llvm-toolchain-19_19.1.7.orig.tar.xz";
const SHA256: &str = "ae498f3bc58ae2d9f64ef5f0c035c4240152bf015a5b7738b15c22e93bdc97ce";
/// What is kept of it.
const KEEP: [&str; 4] = [
    "*/libc/src/*",
    "*/libc/hdr/*",
    "*/libc/include/*",
    "*/libc/LICENSE.TXT",
];

/// The folder `libc` of LLVM's sources, fetched if it is not there.
///
/// # Errors
/// What failed: no `apt-get`, no network, another archive than the one expected.
pub fn fetch(paths: &Paths) -> Result<PathBuf> {
    let home = paths.target.join("libc-sources");
    // The archive's hash names the folder, which is put in place when it is whole.
    let done = home.join(&SHA256[..16]);
    let libc = done.join("libc");
    if libc.exists() {
        return Ok(libc);
    }
    let work = home.join("download");
    if work.exists() {
        std::fs::remove_dir_all(&work)?;
    }
    for folder in [
        "parts",
        "lists/partial",
        "cache/archives/partial",
        "unpacked",
    ] {
        std::fs::create_dir_all(work.join(folder))?;
    }
    let sources = source_lists(Path::new("/etc/apt"))?;
    ensure!(
        !sources.is_empty(),
        "no package server of Debian's is configured below /etc/apt"
    );
    for (i, (text, extension)) in sources.iter().enumerate() {
        std::fs::write(work.join("parts").join(format!("{i}.{extension}")), text)?;
    }
    eprintln!("fetching LLVM-libc's sources (source package {PACKAGE}, 164 MB)");
    apt(&work, &["-qq", "update"])?;
    apt(
        &work,
        &["-qq", "source", "--download-only", "--tar-only", PACKAGE],
    )?;
    let archive = work.join(ARCHIVE);
    ensure!(
        archive.exists(),
        "the source package {PACKAGE} has no {ARCHIVE} any more"
    );
    let sum = sh::output(Command::new("sha256sum").arg(&archive))?;
    ensure!(
        sum.starts_with(SHA256),
        "{ARCHIVE} has the SHA-256 {}, expected {SHA256}",
        sum.split(' ').next().unwrap_or_default()
    );
    run(Command::new("tar")
        .args(["--strip-components=1", "--wildcards", "-xJf"])
        .arg(&archive)
        .arg("-C")
        .arg(work.join("unpacked"))
        .args(KEEP))?;
    std::fs::rename(work.join("unpacked"), &done)?;
    std::fs::remove_dir_all(&work)?;
    Ok(libc)
}

fn apt(work: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    for (name, value) in [
        ("Dir::Etc::sourcelist", PathBuf::from("/dev/null")),
        ("Dir::Etc::sourceparts", work.join("parts")),
        ("Dir::State::lists", work.join("lists")),
        ("Dir::Cache", work.join("cache")),
        ("APT::Sandbox::User", "root".into()),
        ("Acquire::http::Timeout", "20".into()),
        ("Acquire::Retries", "1".into()),
    ] {
        command.arg("-o").arg(format!("{name}={}", value.display()));
    }
    let done = command
        .args(arguments)
        .current_dir(work)
        .output()
        .context("cannot start apt-get")?;
    if !done.status.success() {
        let message = String::from_utf8_lossy(&done.stderr);
        bail!("apt-get {}: {}", arguments.join(" "), message.trim());
    }
    Ok(())
}

/// The lists of this system's own distribution, asking for sources: text and file extension.
fn source_lists(apt: &Path) -> Result<Vec<(String, &'static str)>> {
    let mut files = vec![apt.join("sources.list")];
    if let Ok(entries) = std::fs::read_dir(apt.join("sources.list.d")) {
        files.extend(entries.flatten().map(|e| e.path()));
    }
    files.sort();
    let mut lists = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        let asked = match file.extension().and_then(|e| e.to_str()) {
            Some("sources") => (stanzas(&text), "sources"),
            Some("list") => (lines(&text), "list"),
            _ => continue,
        };
        if !asked.0.is_empty() {
            lists.push(asked);
        }
    }
    Ok(lists)
}

/// Stanzas that are signed by the distribution's own key, which those of others are not.
fn stanzas(text: &str) -> String {
    let ours =
        |s: &&str| s.contains("archive-keyring") && s.lines().any(|l| l.starts_with("Types:"));
    let asking = |stanza: &str| {
        stanza
            .lines()
            .filter(|l| !l.starts_with('#'))
            .map(|l| {
                if l.starts_with("Types:") {
                    "Types: deb-src\n".to_owned()
                } else {
                    format!("{l}\n")
                }
            })
            .collect::<String>()
    };
    text.split("\n\n")
        .filter(ours)
        .map(|s| asking(s) + "\n")
        .collect()
}

/// Lines without options that name `main`: those of a distribution.
fn lines(text: &str) -> String {
    text.lines()
        .filter(|l| {
            l.starts_with("deb ")
                && !l.contains('[')
                && l.split_whitespace().skip(3).any(|c| c == "main")
        })
        .filter(|l| l.contains("debian") || l.contains("ubuntu"))
        .map(|l| format!("deb-src {}\n", &l["deb ".len()..]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_distribution_are_asked_for_sources() {
        let text = "Types: deb\nURIs: http://example.invalid/debian\nSuites: a\nComponents: main\n\
                    Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
                    Types: deb\nURIs: http://example.invalid/other\nSigned-By: /usr/share/keyrings/other.gpg\n";
        let asked = stanzas(text);
        assert!(
            asked.contains("Types: deb-src\n") && !asked.contains("Types: deb\n"),
            "{asked}"
        );
        assert!(!asked.contains("other"), "{asked}");
        let asked = lines(
            "deb http://example.invalid/debian a main\ndeb http://example.invalid/x b main\n# deb\n",
        );
        assert_eq!(asked, "deb-src http://example.invalid/debian a main\n");
    }

    #[test]
    fn a_system_without_lists_is_told_from_one_with_them() {
        assert!(source_lists(Path::new("/nowhere")).unwrap().is_empty());
    }
}
