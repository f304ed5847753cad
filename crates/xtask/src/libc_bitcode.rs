//! Makes `libc/`: the guest's C library as one bitcode file, and its headers.
//!
//! ```text
//!   crates/guest-libc: entrypoints.txt -- LLVM-libc's sources --clang++-22--+
//!                      core-math.txt -- CORE-MATH's sources -----clang-22---+
//!                      glue/*.cpp ------------------------------clang++-22--+- llvm-link-22, opt-22 -- libc/libc.bc
//!                      src/*.rs (heap, mathematics) ------------rustc-------+
//!                      include/*.h -------------------------------------------------------------------- libc/include/
//! ```
//!
//! Everything is compiled for baseline x86-64 and optimised once without vectorising: what depends on the processor is left
//! to the engine. Only C's names stay exported, and what they do not reach is dropped.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use bareflow::guest::rust::{Package, library};

use crate::build::{is_newer, read, write_if_changed};
use crate::core_math;
use crate::libc_sources;
use crate::paths::Paths;
use crate::sh::{self, run};

/// Where the flags stand: what they made is old when this file changed.
const MYSELF: [&str; 2] = [
    "crates/xtask/src/libc_bitcode.rs",
    "crates/xtask/src/core_math.rs",
];

/// What the Rust crate defines of the library.
const RUST: &[&str] = &[
    "acos",
    "aligned_alloc",
    "asin",
    "atan",
    "atan2",
    "calloc",
    "erf",
    "fma",
    "fmaf",
    "free",
    "malloc",
    "pow",
    "powf",
    "realloc",
    "scalbln",
    "scalblnf",
];

/// Nothing is a builtin, in the library as in the programs (`bareflow::guest`): a loop in `memcpy` stays one, LLVM never calls
/// what was not linked, and functions of equal attributes inline into each other.
const CLANG: &[&str] = &[
    "--target=x86_64-unknown-linux-gnu",
    "-std=c++20",
    "-O2",
    "-Xclang",
    "-disable-llvm-passes",
    "-emit-llvm",
    "-c",
    "-ffreestanding",
    "-fno-builtin",
    "-nostdlibinc",
    "-nostdinc++",
    "-DLIBC_NAMESPACE=__llvm_libc",
    "-DLIBC_COPT_PUBLIC_PACKAGING",
    // The fast path of long double is a conversion from 128 bits, for which machines have no helper function.
    "-DLIBC_COPT_STRTOFLOAT_DISABLE_CLINGER_FAST_PATH",
    // One for all threads, as errno is: exported programs have no thread-local storage.
    "-Dthread_local=",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-stack-protector",
    "-fno-threadsafe-statics",
    "-fno-asynchronous-unwind-tables",
    "-ffp-contract=off",
    "-w",
];

const OPT: &[&str] = &[
    "-passes=internalize,globaldce,default<O2>,globaldce,strip-dead-prototypes",
    "-vectorize-loops=false",
    "-vectorize-slp=false",
    "--strip-debug",
];

/// Makes the artefact if it is not up to date. Without LLVM-libc's sources there is none: a warning says why.
pub fn make(paths: &Paths) -> Result<()> {
    let home = paths.root.join("crates/guest-libc");
    let folder = paths.artifacts().join("libc");
    let mut inputs = files_below(&home)?;
    inputs.extend(MYSELF.map(|file| paths.root.join(file)));
    let made = folder.join("libc.bc");
    if inputs.iter().all(|input| is_newer(&made, input)) {
        return Ok(());
    }
    let sources = match libc_sources::fetch(paths) {
        Ok(sources) => sources,
        Err(error) => {
            eprintln!(
                "warning: no C library for guests: {error:#}\n  \
                 C programs may call what the runtime offers; `bareflow exec` uses this system's C library."
            );
            return Ok(());
        }
    };
    for header in files_below(&home.join("include"))? {
        let name = header.strip_prefix(home.join("include"))?;
        write_if_changed(&folder.join("include").join(name), &read(&header)?)?;
    }
    let scratch = paths.scratch("libc")?;
    // Other flags, other objects.
    let mut flags = DefaultHasher::new();
    CLANG.hash(&mut flags);
    core_math::flags("").hash(&mut flags);
    let objects = paths.scratch(&format!("libc/{:016x}", flags.finish()))?;
    let list = std::fs::read_to_string(home.join("core-math.txt"))?;
    let functions = match core_math::fetch(paths, &list) {
        Ok(functions) => functions,
        Err(error) => {
            eprintln!("warning: no C library for guests: CORE-MATH's sources: {error:#}");
            return Ok(());
        }
    };
    let mut jobs = listed_jobs(&home, &sources, &objects)?;
    jobs.extend(functions.into_iter().map(|function| Job {
        object: objects.join(format!("core_math_{}.bc", function.name)),
        source: function.source,
        flags: core_math::flags(&function.name).to_vec(),
    }));
    let mut parts = compile_all(&home, &sources, jobs)?;
    parts.push(rust_part(paths)?);
    let joined = scratch.join("joined.bc");
    run(Command::new("llvm-link-22")
        .args(&parts)
        .arg("-o")
        .arg(&joined))?;
    let names = public_names(&joined)?;
    let list = scratch.join("public");
    std::fs::write(&list, names.join("\n") + "\n")?;
    let done = scratch.join("libc.bc");
    run(Command::new("opt-22")
        .args(OPT)
        .arg(format!("-internalize-public-api-file={}", list.display()))
        .arg(&joined)
        .arg("-o")
        .arg(&done))?;
    check_imports(&done)?;
    // Written even if it is the same: its time says that it was looked at.
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(&done, &made)?;
    Ok(())
}

/// Files of LLVM-libc that the list names, relative to its `src`.
fn listed(text: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (folder, names) = line
            .split_once(':')
            .with_context(|| format!("entrypoints.txt: no `folder: files`: {line}"))?;
        files.extend(
            names
                .split_whitespace()
                .map(|n| format!("{folder}/{n}.cpp")),
        );
    }
    Ok(files)
}

/// A file to be compiled.
struct Job {
    source: PathBuf,
    object: PathBuf,
    /// Flags of this file alone, behind those of all.
    flags: Vec<String>,
}

/// LLVM-libc's files and the glue.
fn listed_jobs(home: &Path, sources: &Path, scratch: &Path) -> Result<Vec<Job>> {
    let list = std::fs::read_to_string(home.join("entrypoints.txt"))?;
    let mut jobs: Vec<Job> = Vec::new();
    for file in listed(&list)? {
        let source = sources.join("src").join(&file);
        ensure!(source.exists(), "{} is not in LLVM-libc", source.display());
        let object = scratch.join(format!("{}.bc", file.replace('/', "_")));
        let flags = Vec::new();
        jobs.push(Job {
            source,
            object,
            flags,
        });
    }
    for source in files_below(&home.join("glue"))? {
        if source.extension() == Some(OsStr::new("cpp")) {
            let stem = source.file_stem().unwrap_or_default().to_string_lossy();
            let object = scratch.join(format!("glue_{stem}.bc"));
            let flags = Vec::new();
            jobs.push(Job {
                source,
                object,
                flags,
            });
        }
    }
    Ok(jobs)
}

/// Compiles on all processors; what is up to date stays.
fn compile_all(home: &Path, sources: &Path, jobs: Vec<Job>) -> Result<Vec<PathBuf>> {
    let mut shared = files_below(&home.join("include"))?;
    shared.extend(files_below(&home.join("override"))?);
    shared.extend(
        files_below(&home.join("glue"))?
            .into_iter()
            .filter(|f| f.extension() == Some(OsStr::new("h"))),
    );
    let next = AtomicUsize::new(0);
    let failed: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Job { source, object, .. } = job;
                    let fresh =
                        is_newer(object, source) && shared.iter().all(|s| is_newer(object, s));
                    if fresh {
                        continue;
                    }
                    if let Err(error) = compile(home, sources, job) {
                        // A poisoned lock holds messages all the same.
                        failed
                            .lock()
                            .unwrap_or_else(|e| e.into_inner())
                            .push(format!("{error:#}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(|e| e.into_inner());
    if !failed.is_empty() {
        bail!(
            "{} files of the C library do not compile:\n{}",
            failed.len(),
            failed.join("\n")
        );
    }
    Ok(jobs.into_iter().map(|job| job.object).collect())
}

fn compile(home: &Path, sources: &Path, job: &Job) -> Result<()> {
    let Job {
        source,
        object,
        flags,
    } = job;
    let mut clang = Command::new("clang++-22");
    clang.args(CLANG).arg("-isystem").arg(home.join("include"));
    clang
        .arg("-I")
        .arg(home.join("override"))
        .arg("-I")
        .arg(sources);
    // Bytes above 127 index the sets of characters of strtok, scanf and their kin.
    let with_sets = ["src/string", "src/stdio/scanf_core"].map(|folder| sources.join(folder));
    if with_sets.iter().any(|folder| source.starts_with(folder)) {
        clang.arg("-funsigned-char");
    }
    clang.args(flags).arg(source).arg("-o").arg(object);
    let done = clang
        .output()
        .with_context(|| format!("cannot start: {}", sh::display(&clang)))?;
    if !done.status.success() {
        let message = String::from_utf8_lossy(&done.stderr);
        let first: Vec<&str> = message
            .lines()
            .filter(|l| l.contains("error:"))
            .take(3)
            .collect();
        bail!("{}: {}", source.display(), first.join("; "));
    }
    Ok(())
}

fn rust_part(paths: &Paths) -> Result<PathBuf> {
    let target = paths.separate_target("guest-libc");
    let package = Package {
        folder: &paths.root,
        name: "guest-libc",
        features: "freestanding",
        target: &target,
        lines: false,
    };
    let scratch = paths.scratch("libc-rust")?;
    Ok(library(&package, &["core"], &scratch, RUST)?)
}

/// C's names among what a bitcode file defines: those that C++ and Rust did not mangle.
fn public_names(file: &Path) -> Result<Vec<String>> {
    let names = symbols(file, "--defined-only")?;
    Ok(names
        .into_iter()
        .filter(|n| !n.starts_with("_Z") && !n.starts_with("_R"))
        .collect())
}

fn symbols(file: &Path, which: &str) -> Result<BTreeSet<String>> {
    let mut nm = Command::new("llvm-nm-22");
    nm.args(["--format=posix", "--extern-only", which])
        .arg(file);
    let listing = sh::output(&mut nm)?;
    Ok(listing
        .lines()
        .filter_map(|l| l.split(' ').next())
        .filter(|n| !n.starts_with("llvm."))
        .map(str::to_owned)
        .collect())
}

/// The library may ask for the guest interface, the program's `main`, and what code generation makes of arithmetic.
fn check_imports(file: &Path) -> Result<()> {
    let unexpected: Vec<String> = symbols(file, "--undefined-only")?
        .into_iter()
        .filter(|n| !n.starts_with("bf_") && n != "main" && n != "rust_eh_personality")
        .collect();
    ensure!(
        unexpected.is_empty(),
        "the C library calls what nobody defines: {}",
        unexpected.join(", ")
    );
    Ok(())
}

/// All files of a folder and those below it, in order.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_files() {
        let files = listed("# remark\n\nctype: isalnum isalpha\nmath/generic: sin\n").unwrap();
        assert_eq!(
            files,
            [
                "ctype/isalnum.cpp",
                "ctype/isalpha.cpp",
                "math/generic/sin.cpp"
            ]
        );
        assert!(listed("ctype isalnum").is_err());
    }

    #[test]
    fn no_file_is_listed_twice() {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-libc");
        let mut files =
            listed(&std::fs::read_to_string(home.join("entrypoints.txt")).unwrap()).unwrap();
        let all = files.len();
        files.sort();
        files.dedup();
        assert_eq!(files.len(), all);
        // What the crate's C names are made of is no source of LLVM-libc.
        for name in RUST {
            assert!(
                !files.iter().any(|f| f.ends_with(&format!("/{name}.cpp"))),
                "{name}"
            );
        }
    }
}
