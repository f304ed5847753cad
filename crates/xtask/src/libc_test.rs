//! The suite `libc`: the guest's C library beside this system's.
//!
//! - `libc/differential`: its functions and glibc's on random inputs, as machine code in one process.
//! - `libc/program/...`: C programs under the engine, interpreted and compiled, and as clang builds them for Linux: the same
//!   text and exit code.
//! - `libc/inline`: calls of a program that are gone after optimisation.
//!
//! Without the library (its sources could not be had) the suite has one test, which says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};

use crate::machines::bareflow;
use crate::paths::Paths;
use crate::sh::{self, run};
use crate::test::Counts;

/// Ways of running a program: name and options of `bareflow run`.
const WAYS: [(&str, &[&str]); 3] = [
    ("interpreted", &["--tier", "interp"]),
    ("compiled", &["--tier", "O2"]),
    ("climbing", &[]),
];

/// Runs the suite, or the tests of it whose names contain `filter`.
pub fn suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let library = paths.artifacts().join("libc/libc.bc");
    let mut counts = Counts::default();
    let mut judge = |name: &str, test: &dyn Fn() -> Result<()>| {
        if filter.is_some_and(|f| !name.contains(f) && !f.starts_with(name)) {
            return;
        }
        counts.run(name, test);
    };
    if !library.exists() {
        println!(
            "no C library for guests was built: its sources could not be had (./x build --only libc)"
        );
        judge("libc/fallback", &|| fallback(paths));
        return Ok(counts);
    }
    judge("libc/inline", &|| inline(paths, &library));
    let folder = paths.root.join("crates/guest-libc/tests/programs");
    let mut programs: Vec<PathBuf> = std::fs::read_dir(&folder)?
        .flatten()
        .map(|e| e.path())
        .collect();
    programs.sort();
    for source in &programs {
        let name = format!(
            "libc/program/{}",
            source.file_stem().unwrap_or_default().to_string_lossy()
        );
        judge(&name, &|| program(paths, source));
    }
    if filter.is_none_or(|f| "libc/differential".contains(f) || f.starts_with("libc/differential"))
    {
        counts.add(differential(paths, &library)?);
    }
    Ok(counts)
}

/// The library as machine code with other names, linked with the comparison; its tests are counted one by one.
fn differential(paths: &Paths, library: &Path) -> Result<Counts> {
    let scratch = paths.scratch("libc-test")?;
    let (object, renamed) = (scratch.join("libc.o"), scratch.join("guest.o"));
    run(Command::new("clang-22")
        .args(["-O2", "-c", "-ffreestanding", "-Wno-override-module"])
        .arg(library)
        .arg("-o")
        .arg(&object))?;
    run(Command::new("llvm-objcopy-22")
        .arg("--prefix-symbols=guest_")
        .arg(&object)
        .arg(&renamed))?;
    let program = scratch.join("differential");
    run(Command::new("clang-22")
        .args(["-O1", "-fno-builtin", "-w"])
        .arg(paths.root.join("crates/guest-libc/tests/differential.c"))
        .arg(&renamed)
        .args(["-lm", "-o"])
        .arg(&program))?;
    let done = Command::new(&program)
        .output()
        .context("cannot start the comparison")?;
    let text = String::from_utf8_lossy(&done.stdout);
    let mut counts = Counts::default();
    for line in text.lines() {
        if line.ends_with("... ok") {
            counts.passed += 1;
        } else {
            counts.failed += u64::from(line.ends_with("... FAILED"));
            println!("{}", line.replace("test ", "test libc/differential/"));
        }
    }
    ensure!(
        done.status.success() || counts.failed > 0,
        "the comparison ended with {} after {} tests",
        done.status,
        counts.passed
    );
    println!(
        "test libc/differential: {} functions and groups equal",
        counts.passed
    );
    Ok(counts)
}

/// Builds a program into an image without store; gives back its path.
pub fn image(paths: &Paths, source: &Path) -> Result<PathBuf> {
    let stem = source
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let image = paths.scratch("libc-test")?.join(format!("{stem}.img"));
    let mut build = bareflow(paths)?;
    build
        .arg("build")
        .arg(source)
        .args(["--store", "0", "-o"])
        .arg(&image);
    let done = build
        .output()
        .with_context(|| format!("cannot start: {}", sh::display(&build)))?;
    ensure!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(image)
}

/// Runs an image's program as a Linux process.
pub fn hosted(paths: &Paths, image: &Path, options: &[&str]) -> Result<Output> {
    let mut command = bareflow(paths)?;
    command.arg("run").arg(image).arg("--hosted").args(options);
    command
        .output()
        .with_context(|| format!("cannot start: {}", sh::display(&command)))
}

/// What clang and this system's library make of a program, and what the engine makes of it.
fn program(paths: &Paths, source: &Path) -> Result<()> {
    let native = paths.scratch("libc-test")?.join("native");
    run(Command::new("clang-22")
        .args(["-O1", "-w"])
        .arg(source)
        .args(["-lm", "-o"])
        .arg(&native))?;
    let expected = Command::new(&native).output()?;
    ensure!(!expected.stdout.is_empty(), "the program prints nothing");
    let image = image(paths, source)?;
    for (way, options) in WAYS {
        let got = hosted(paths, &image, options)?;
        let error = String::from_utf8_lossy(&got.stderr);
        ensure!(
            got.stdout == expected.stdout,
            "{way}:\n{}\nexpected:\n{}\n{error}",
            String::from_utf8_lossy(&got.stdout),
            String::from_utf8_lossy(&expected.stdout)
        );
        ensure!(
            got.status.code() == expected.status.code(),
            "{way}: {}, expected {}; {error}",
            got.status,
            expected.status
        );
    }
    Ok(())
}

/// Calls that must be gone when program and library are optimised together; one that must stay shows that calls are seen.
const INLINE: &str = "#include <ctype.h>
#include <stdlib.h>
#include <string.h>
void copy(void *to, const void *from) { memcpy(to, from, 64); }
void copy_150(void *to, const void *from) { memcpy(to, from, 150); }
void copy_384(void *to, const void *from) { memcpy(to, from, 384); }
void copy_512(void *to, const void *from) { memcpy(to, from, 512); }
int same(const void *a, const void *b) { return memcmp(a, b, 16) == 0; }
void clear(void *to) { memset(to, 0, 32); }
unsigned long length(void) { return strlen(\"constant\"); }
int digit(int c) { return isdigit(c) || toupper(c) == 'A'; }
int magnitude(int x) { return abs(x); }
void *kept(unsigned long n) { return malloc(n); }
";

fn inline(paths: &Paths, library: &Path) -> Result<()> {
    let scratch = paths.scratch("libc-test")?;
    let source = scratch.join("inline.c");
    std::fs::write(&source, INLINE)?;
    let (bitcode, linked, text) = (
        scratch.join("inline.bc"),
        scratch.join("linked.bc"),
        scratch.join("inline.ll"),
    );
    run(Command::new("clang-22")
        .args([
            "-O2",
            "-Xclang",
            "-disable-llvm-passes",
            "-emit-llvm",
            "-c",
            "-ffreestanding",
        ])
        .args(["-nostdlibinc", "-isystem"])
        .arg(paths.artifacts().join("libc/include"))
        .arg(&source)
        .arg("-o")
        .arg(&bitcode))?;
    run(Command::new("llvm-link-22")
        .arg("--only-needed")
        .arg(&bitcode)
        .arg(library)
        .arg("-o")
        .arg(&linked))?;
    run(Command::new("opt-22")
        .args(["-O3", "-S"])
        .arg(&linked)
        .arg("-o")
        .arg(&text))?;
    let ir = std::fs::read_to_string(&text)?;
    let gone = [
        "copy",
        "copy_150",
        "copy_384",
        "copy_512",
        "same",
        "clear",
        "length",
        "digit",
        "magnitude",
    ];
    for name in gone {
        let body = body(&ir, name)?;
        if let Some(call) = body
            .lines()
            .find(|l| l.contains("call ") && !l.contains("@llvm."))
        {
            bail!("{name} still calls: {}", call.trim());
        }
    }
    for (name, least) in [("copy_150", 3), ("copy_384", 6), ("copy_512", 8)] {
        let body = body(&ir, name)?;
        let moves = body.matches("store <8 x i64>").count();
        ensure!(
            moves == least && !body.contains("br "),
            "{name} is not {least} moves of 64 bytes:\n{body}"
        );
    }
    ensure!(
        body(&ir, "length")?.contains("ret i64 8"),
        "the length of a constant is not known"
    );
    ensure!(
        body(&ir, "kept")?.contains("@malloc"),
        "the call that should stay is not seen"
    );
    Ok(())
}

/// The text of one function.
fn body<'a>(ir: &'a str, name: &str) -> Result<&'a str> {
    let at = ir
        .find(&format!("@{name}("))
        .with_context(|| format!("{name} is not defined"))?;
    let rest = &ir[at..];
    Ok(&rest[..rest.find("\n}").unwrap_or(rest.len())])
}

/// Without the library a program of C is refused by name, or built from what the runtime offers.
fn fallback(paths: &Paths) -> Result<()> {
    let source = paths.scratch("libc-test")?.join("fallback.c");
    std::fs::write(
        &source,
        "int printf(const char *, ...);\nint main(void) { return printf(\"a\"); }\n",
    )?;
    let mut build = bareflow(paths)?;
    build
        .arg("build")
        .arg(&source)
        .arg("-o")
        .arg(source.with_extension("img"));
    let said = String::from_utf8_lossy(&build.output()?.stderr).into_owned();
    ensure!(
        said.contains("calls printf") && said.contains("./x build --only libc"),
        "{said}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_in_ir() {
        let ir = "define void @a() {\n  ret void\n}\ndefine void @b(i32 %x) {\n  call void @a()\n  ret void\n}\n";
        assert!(body(ir, "b").unwrap().contains("call void @a"));
        assert!(!body(ir, "a").unwrap().contains("call"));
        assert!(body(ir, "c").is_err());
    }
}
