//! The C library of guests: headers for the compiler, and of its bitcode what a program refers to.
//!
//! The artefact `libc/` (crates/guest-libc) holds `libc.bc` and `include/`. A program's undefined symbols that the library
//! defines are the roots; they and what they reach become the module `libc.llbc`, which the engine optimises together with
//! the program. Without the artefact sources see this system's headers, and only what the runtime itself offers is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{GuestModule, compile_c, open_imports, rust, tool, wrap};
use crate::{Artifacts, Error};

/// The library among the artefacts.
const LIBRARY: &str = "libc/libc.bc";
/// Its headers.
const HEADERS: &str = "libc/include";
/// Calls `main` and ends the program as C has it: the library's own start.
const START: &str = "bareflow_libc_start";

/// The constant of the library that says whether its heap is checked.
const CHECKED: &str = "bareflow_heap_checked";

/// Functions of the library that the runtime and exported programs offer by themselves, since generated code may call them
/// without saying so in IR. A program that needs no others, and no start, is left as it is.
pub const OFFERED: [&str; 26] = [
    "memcpy",
    "memmove",
    "memset",
    "memcmp",
    "bcmp",
    "strlen",
    "fma",
    "fmaf",
    "floor",
    "floorf",
    "ceil",
    "ceilf",
    "trunc",
    "truncf",
    "rint",
    "rintf",
    "nearbyint",
    "nearbyintf",
    "round",
    "roundf",
    "fmod",
    "fmodf",
    "fmin",
    "fminf",
    "fmax",
    "fmaxf",
];

/// Options for clang that make sources see the library's headers and no others of this system; none without the library.
#[must_use]
pub fn flags(artifacts: &Artifacts) -> Vec<String> {
    match (artifacts.optional(LIBRARY), artifacts.optional(HEADERS)) {
        (Some(_), Some(headers)) => vec![
            "-nostdlibinc".into(),
            "-isystem".into(),
            headers.to_string_lossy().into_owned(),
        ],
        _ => Vec::new(),
    }
}

/// Adds what the modules use of the library, and its start where the program has `main`. With `checked_heap` the heap looks
/// for what programs do wrong.
///
/// # Errors
/// LLVM's tools are missing, or a module of the program is called `libc`.
pub fn add(
    modules: &mut Vec<GuestModule>,
    artifacts: &Artifacts,
    checked_heap: bool,
) -> Result<(), Error> {
    let open = open_imports(modules);
    let Some(library) = artifacts.optional(LIBRARY) else {
        explain_absence(&open);
        return Ok(());
    };
    let (_, offered) = rust::symbols(&library)?;
    let mut keep: BTreeSet<&String> = open.intersection(&offered).collect();
    let is_start = |name: &str| name == "main" || name == START;
    if keep
        .iter()
        .all(|name| OFFERED.contains(&name.as_str()) || is_start(name))
    {
        return Ok(());
    }
    let scratch = tempfile::tempdir().map_err(|e| Error::io("create", "a scratch folder", e))?;
    let start = START.to_owned();
    if let Some(module) = modules.iter_mut().find(|m| m.file == "start.llbc") {
        let source = write(scratch.path(), "start.c", include_str!("../start.c"))?;
        let bitcode = scratch.path().join("start.bc");
        compile_c(
            &source,
            &["-DBAREFLOW_LIBC".to_owned(), super::NO_LINES.into()],
            &bitcode,
        )?;
        module.container = wrap("start", &bitcode)?;
        keep.insert(&start);
    }
    let needed = scratch.path().join("libc.bc");
    let library = if checked_heap {
        with_checked_heap(&library, scratch.path())?
    } else {
        library
    };
    rust::trim(
        &library,
        &keep.into_iter().collect::<Vec<_>>(),
        false,
        &needed,
    )?;
    let container = wrap("libc", &needed)?;
    super::add(modules, &library, "libc".into(), container)
}

/// Functions that only a C library has; a program that names one of them needs it.
const TELLTALE: [&str; 10] = [
    "printf", "puts", "malloc", "fopen", "strtol", "qsort", "exit", "fprintf", "snprintf", "strcmp",
];

/// The library with a strong definition of the constant that it defines weakly as 0.
fn with_checked_heap(library: &Path, scratch: &Path) -> Result<PathBuf, Error> {
    let text =
        format!("target triple = \"x86_64-unknown-linux-gnu\"\n@{CHECKED} = constant i32 1\n");
    let switch = write(scratch, "checked.ll", &text)?;
    let checked = scratch.join("checked.bc");
    let mut link = Command::new("llvm-link-22");
    link.arg(library).arg(&switch).arg("-o").arg(&checked);
    tool(&mut link, library)?;
    Ok(checked)
}

fn explain_absence(open: &BTreeSet<String>) {
    if let Some(name) = TELLTALE.iter().find(|name| open.contains(**name)) {
        eprintln!(
            "bareflow: the program calls {name}, but the C library for guests was not built: `./x build --only libc` \
             makes it, and says what it lacks"
        );
    }
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(|e| Error::io("write", &path, e))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    use formats::llbc;

    use crate::guest::modules;

    /// Artefacts with a library of a few functions, two of which belong together.
    fn library(folder: &Path) -> Artifacts {
        std::fs::create_dir_all(folder.join("libc/include")).unwrap();
        let ir = "declare i32 @main(i32, ptr)\n\
                  define void @bareflow_libc_start(i32 %c, ptr %v) { call i32 @main(i32 %c, ptr %v)\n ret void }\n\
                  define i32 @puts(ptr %t) { %r = call i32 @put()\n ret i32 %r }\n\
                  define i32 @put() { ret i32 7 }\n\
                  define ptr @memset(ptr %m, i32 %c, i64 %n) { ret ptr %m }\n\
                  define i32 @unused() { ret i32 8 }\n";
        let text = write(folder, "libc.ll", ir).unwrap();
        let mut assemble = Command::new("llvm-as-22");
        assemble.arg(&text).arg("-o").arg(folder.join(LIBRARY));
        tool(&mut assemble, &text).unwrap();
        std::fs::write(
            folder.join("libc/include/only.h"),
            "int puts(const char *);\n",
        )
        .unwrap();
        Artifacts::at(folder)
    }

    fn program(
        folder: &Path,
        artifacts: &Artifacts,
        text: &str,
    ) -> Result<Vec<GuestModule>, Error> {
        let source = write(folder, "a.c", text)?;
        let mut made = modules(&[source], &flags(artifacts))?;
        add(&mut made, artifacts, false)?;
        Ok(made)
    }

    #[test]
    fn a_program_gets_what_it_calls_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = library(folder.path());
        let text = "#include <only.h>\nint main(void) { return puts(\"a\"); }";
        let made = program(folder.path(), &artifacts, text).unwrap();
        let files: Vec<_> = made.iter().map(|m| m.file.as_str()).collect();
        assert_eq!(files, ["a.llbc", "start.llbc", "libc.llbc"]);
        let libc = llbc::parse(&made[2].container).unwrap();
        assert_eq!(libc.exports, ["bareflow_libc_start", "puts"]);
        assert_eq!(libc.imports, ["main"]);
        let start = llbc::parse(&made[1].container).unwrap();
        assert!(start.imports.contains(&START) && !start.imports.contains(&"main"));
    }

    #[test]
    fn a_program_that_calls_nothing_of_it_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = library(folder.path());
        let made = program(folder.path(), &artifacts, "int main(void) { return 0; }").unwrap();
        assert_eq!(made.len(), 2);
        let machine = "void *memset(void *, int, unsigned long); char a[9];\n\
                       int main(void) { return memset(a, 0, 9) == 0; }";
        assert_eq!(
            program(folder.path(), &artifacts, machine).unwrap().len(),
            2
        );
        let own = "int puts(const char *t) { return !t; } int main(void) { return puts(0); }";
        assert_eq!(program(folder.path(), &artifacts, own).unwrap().len(), 2);
    }

    #[test]
    fn headers_of_this_system_are_out_of_sight() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = library(folder.path());
        let text = "#include <stdio.h>\nint main(void) { return 0; }";
        assert!(matches!(
            program(folder.path(), &artifacts, text),
            Err(Error::Compiler { .. })
        ));
        // The compiler's own are there.
        let text =
            "#include <stdint.h>\n#include <stdarg.h>\nint main(void) { return (int32_t)0; }";
        assert!(program(folder.path(), &artifacts, text).is_ok());
    }

    #[test]
    fn without_the_library_programs_are_built_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::at(folder.path());
        assert!(flags(&artifacts).is_empty());
        let text = "int puts(const char *); int main(void) { return puts(0); }";
        let made = program(folder.path(), &artifacts, text).unwrap();
        assert_eq!(made.len(), 2);
    }
}
