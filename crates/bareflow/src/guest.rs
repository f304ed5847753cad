//! From sources to guest modules: C, Rust, LLVM assembly, bitcode and ready LLBC modules.
//!
//! ```text
//!   .c ──clang-22──┐
//!   .ll ─llvm-as-22┤
//!   .bc ───────────┴─ llvm-nm-22: imports, exports ── formats::llbc::encode ──┐
//!   .llbc ── formats::llbc::parse ────────────────────────────────────────────┤
//!   a Rust crate ── rust.rs: one module for each crate in it ─────────────────┤
//!   guest-c.llbc, where one of them calls a function of `runtime.h` ──────────┤
//!   libc.llbc: what they use of the C library, see c_library.rs ──────────────┴── modules of the image
//! ```
//!
//! C is compiled without running LLVM's passes: the machine's own engine optimises for the processor it finds. What tells
//! source lines comes along, so that a fault can be told by line.

pub mod c_library;
pub mod rust;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use formats::llbc;

use crate::project::c_sources;
use crate::{Artifacts, Error};

/// The symbol a program starts at.
pub const ENTRY: &str = "bf_main";

/// The header of the machine's functions, which C sources find without being told where it is.
pub const RUNTIME_H: &str = include_str!("../../guest/include/runtime.h");

/// The header of the engine's functions, which the runtime defines.
pub const JIT_RUNTIME_H: &str = include_str!("../../guest/include/jit_runtime.h");

/// The artefact that defines the machine's functions.
pub const C_LIBRARY: &str = "guest-c.llbc";

/// The option of clang that leaves debug information out. Given, crates are compiled without it, too.
pub const NO_LINES: &str = "-g0";

/// Flags for C, before the user's own: bitcode as the front end makes it, for a machine without libc.
const CLANG: [&str; 13] = [
    "-c",
    "-emit-llvm",
    "-O2",
    "-Xclang",
    "-disable-llvm-passes",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-exceptions",
    "-fno-asynchronous-unwind-tables",
    "-gline-tables-only",
    "-ffile-compilation-dir=.",
    "-Wall",
    "-x",
];

/// A module as it goes onto the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestModule {
    /// File name on the image, ending in `.llbc`.
    pub file: String,
    /// The container.
    pub container: Vec<u8>,
}

/// Makes the modules of a program from its sources; `cflags` are for clang.
///
/// # Errors
/// A source of unknown kind, a compiler's refusal (its own messages have gone to the terminal), two modules of one
/// name, or a program without an entry or with two.
pub fn modules(sources: &[PathBuf], cflags: &[String]) -> Result<Vec<GuestModule>, Error> {
    let scratch = tempfile::tempdir().map_err(|e| Error::io("create", "a scratch folder", e))?;
    let mut modules = Vec::new();
    for source in &expand(sources)? {
        if !source.exists() {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(Error::io("read", source, missing));
        }
        if source.join("Cargo.toml").exists() {
            let folder = scratch.path().join(format!("crate-{}", modules.len()));
            std::fs::create_dir(&folder).map_err(|e| Error::io("create", &folder, e))?;
            let lines = !cflags.iter().any(|flag| flag == NO_LINES);
            for module in rust::crate_modules(source, &folder, lines)? {
                let name = module.file.trim_end_matches(".llbc").to_owned();
                add(&mut modules, source, name, module.container)?;
            }
            continue;
        }
        let name = stem(source);
        let bitcode = scratch.path().join(format!("{name}.bc"));
        let container = match extension(source).as_str() {
            "llbc" => read(source)?,
            "bc" => wrap(&name, source)?,
            "ll" => {
                tool(
                    Command::new("llvm-as-22")
                        .arg(source)
                        .arg("-o")
                        .arg(&bitcode),
                    source,
                )?;
                wrap(&name, &bitcode)?
            }
            "c" => {
                compile_c(source, cflags, &bitcode)?;
                wrap(&name, &bitcode)?
            }
            _ => {
                return Err(Error::UnknownSource {
                    path: source.clone(),
                });
            }
        };
        add(&mut modules, source, name, container)?;
    }
    finish(modules, scratch.path())
}

/// Puts the C files of a folder that is no crate in its place.
fn expand(sources: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut all = Vec::new();
    for source in sources {
        if source.is_dir() && !source.join("Cargo.toml").exists() {
            all.extend(c_sources(source)?);
        } else {
            all.push(source.clone());
        }
    }
    Ok(all)
}

/// Checks that the modules make one program; joins the start code of C where only `main` is defined.
fn finish(mut modules: Vec<GuestModule>, scratch: &Path) -> Result<Vec<GuestModule>, Error> {
    let defines = |modules: &[GuestModule], symbol: &str| {
        let has = |m: &&GuestModule| {
            llbc::parse(&m.container).is_ok_and(|m| m.exports.binary_search(&symbol).is_ok())
        };
        modules
            .iter()
            .filter(has)
            .map(|m| m.file.clone())
            .collect::<Vec<_>>()
    };
    let entries = defines(&modules, ENTRY);
    match entries.len() {
        1 => Ok(modules),
        0 if !defines(&modules, "main").is_empty() => {
            let source = scratch.join("start.c");
            let bitcode = scratch.join("start.bc");
            std::fs::write(&source, include_str!("start.c"))
                .map_err(|e| Error::io("write", &source, e))?;
            compile_c(&source, &[NO_LINES.into()], &bitcode)?;
            let container = wrap("start", &bitcode)?;
            add(&mut modules, &source, "start".into(), container)?;
            Ok(modules)
        }
        0 => Err(Error::NoEntry),
        _ => Err(Error::ManyEntries { files: entries }),
    }
}

fn add(
    modules: &mut Vec<GuestModule>,
    source: &Path,
    name: String,
    container: Vec<u8>,
) -> Result<(), Error> {
    llbc::parse(&container).map_err(|e| Error::Module {
        path: source.into(),
        source: e,
    })?;
    let file = format!("{name}.llbc");
    if modules.iter().any(|m| m.file == file) {
        return Err(Error::SameName { file });
    }
    modules.push(GuestModule { file, container });
    Ok(())
}

/// Puts a bitcode file into a container, with the imports and exports `llvm-nm-22` finds.
///
/// # Errors
/// The tool is missing or takes the file for no bitcode.
pub fn wrap(name: &str, bitcode: &Path) -> Result<Vec<u8>, Error> {
    let content = read(bitcode)?;
    let mut nm = Command::new("llvm-nm-22");
    nm.args(["--format=posix", "--extern-only"]).arg(bitcode);
    let listing = tool(&mut nm, bitcode)?;
    let (imports, exports) = symbols(&listing);
    let entry = exports.contains(&ENTRY).then_some(ENTRY);
    llbc::encode(name, entry, &imports, &exports, &content).map_err(|e| Error::Module {
        path: bitcode.into(),
        source: e,
    })
}

/// Splits a POSIX listing (`name letter ...`) into undefined and defined symbols.
fn symbols(listing: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for line in listing.lines() {
        let mut words = line.split(' ');
        let (Some(name), Some(letter)) = (words.next(), words.next()) else {
            continue;
        };
        if name.starts_with("llvm.") {
            continue; // intrinsics are the compiler's own
        }
        match letter {
            "U" | "w" | "v" => imports.push(name),
            _ => exports.push(name),
        }
    }
    // What assembly in the module defines is listed twice: as that, and as undefined.
    for list in [&mut imports, &mut exports] {
        list.sort_unstable();
        list.dedup();
    }
    imports.retain(|name| exports.binary_search(name).is_err());
    (imports, exports)
}

/// Adds the code behind `runtime.h` to a program that calls some of it.
///
/// # Errors
/// The artefact was not built.
pub fn add_c_library(modules: &mut Vec<GuestModule>, artifacts: &Artifacts) -> Result<(), Error> {
    let open = open_imports(modules);
    if !runtime_functions().iter().any(|name| open.contains(*name)) {
        return Ok(());
    }
    let path = artifacts.path(C_LIBRARY)?;
    let container = artifacts.read(C_LIBRARY)?;
    add(modules, &path, "guest-c".into(), container)
}

/// Functions of `runtime.h`, without those of its section on memory, which a C library defines.
#[must_use]
pub fn runtime_functions() -> Vec<&'static str> {
    let memory = |name: &str| {
        name.ends_with("alloc")
            || name.starts_with("mem")
            || name.starts_with("str")
            || name == "free"
    };
    let mut names = declared(RUNTIME_H);
    names.retain(|name| !memory(name));
    names
}

/// Names of the functions that a header declares, a declaration a line: `TYPE name(...);`.
#[must_use]
pub fn declared(header: &str) -> Vec<&str> {
    header
        .lines()
        .filter(|line| line.ends_with(';') && line.starts_with(|c: char| c.is_ascii_alphabetic()))
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .filter(|name| !name.is_empty())
        .collect()
}

/// What the modules import and none of them defines.
fn open_imports(modules: &[GuestModule]) -> BTreeSet<String> {
    let parsed: Vec<_> = modules
        .iter()
        .filter_map(|m| llbc::parse(&m.container).ok())
        .collect();
    let is_defined = |name: &str| {
        parsed
            .iter()
            .any(|m| m.exports.binary_search(&name).is_ok())
    };
    let imports = parsed.iter().flat_map(|m| &m.imports);
    imports
        .filter(|name| !is_defined(name))
        .map(|name| (*name).to_owned())
        .collect()
}

/// The folder of the headers that come with the command.
fn headers(scratch: &Path) -> Result<PathBuf, Error> {
    let folder = scratch.join("include");
    std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
    for (name, text) in [("runtime.h", RUNTIME_H), ("jit_runtime.h", JIT_RUNTIME_H)] {
        let header = folder.join(name);
        std::fs::write(&header, text).map_err(|e| Error::io("write", &header, e))?;
    }
    Ok(folder)
}

fn compile_c(source: &Path, cflags: &[String], bitcode: &Path) -> Result<(), Error> {
    let scratch = bitcode.parent().unwrap_or(Path::new("."));
    let mut clang = Command::new("clang-22");
    clang
        .args(CLANG)
        .arg("c")
        .args(cflags)
        // After the user's own folders.
        .arg("-idirafter")
        .arg(headers(scratch)?)
        .arg(source)
        .arg("-o")
        .arg(bitcode);
    let status = clang.status().map_err(|e| Error::MissingProgram {
        program: "clang-22".into(),
        package: "clang-22",
        source: e,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Compiler {
            path: source.into(),
        })
    }
}

/// Runs one of LLVM's tools; gives back what it printed.
pub(crate) fn tool(command: &mut Command, about: &Path) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|e| Error::MissingProgram {
        program: program.clone(),
        package: "llvm-22",
        source: e,
    })?;
    if !done.status.success() {
        let message = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        return Err(Error::Tool {
            program,
            path: about.into(),
            message,
        });
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|e| Error::io("read", path, e))
}

/// What the file's name ends in, without the dot.
pub(crate) fn extension(path: &Path) -> String {
    path.extension()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The file's name without what it ends in.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn symbols_are_split_and_intrinsics_left_out() {
        let listing = "bf_main T 0 0\nbf_console_write U \nllvm.memcpy U \ntable D 0 0\nmaybe w \n";
        let (imports, exports) = symbols(listing);
        assert_eq!(imports, ["bf_console_write", "maybe"]);
        assert_eq!(exports, ["bf_main", "table"]);
    }

    #[test]
    fn declarations_are_found() {
        let header = "int a(void);\nvoid *b(int x);\n/* int c(void); */\nenum { X };\nNORETURN void d(int);\n";
        assert_eq!(declared(header), ["a", "b", "d"]);
        let all = runtime_functions();
        for name in [
            "vga_puts",
            "cpu_rdtsc",
            "file_list",
            "runtime_exit",
            "mutex_lock",
        ] {
            assert!(all.contains(&name), "{name} in {all:?}");
        }
        for name in ["malloc", "memcpy", "strlen", "free"] {
            assert!(!all.contains(&name), "{name}");
        }
    }

    #[test]
    fn programs_that_use_the_header_get_what_is_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::at(folder.path());
        let text = "#include <runtime.h>\nint main(void) { vga_puts(\"x\"); return 0; }";
        let uses = write(folder.path(), "a.c", text);
        let mut program = modules(&[uses], &[]).unwrap();
        let error = add_c_library(&mut program, &artifacts).unwrap_err();
        assert!(matches!(error, Error::MissingArtifact { .. }), "{error}");
        let library = write(
            folder.path(),
            "l.ll",
            "define void @vga_puts(ptr) { ret void }",
        );
        let bitcode = folder.path().join("l.bc");
        let mut assemble = Command::new("llvm-as-22");
        tool(assemble.arg(&library).arg("-o").arg(&bitcode), &library).unwrap();
        let container = wrap("guest-c", &bitcode).unwrap();
        std::fs::write(folder.path().join(C_LIBRARY), container).unwrap();
        add_c_library(&mut program, &artifacts).unwrap();
        assert_eq!(program.last().unwrap().file, C_LIBRARY);
        // Who defines all that it calls gets nothing more.
        let own = "void vga_puts(const char *t) {} int main(void) { vga_puts(\"x\"); return 0; }";
        let own = write(folder.path(), "b.c", own);
        let mut program = modules(&[own], &[]).unwrap();
        let before = program.len();
        add_c_library(&mut program, &artifacts).unwrap();
        assert_eq!(program.len(), before);
    }

    #[test]
    fn c_and_assembly_become_one_program() {
        let folder = tempfile::tempdir().unwrap();
        let main = write(
            folder.path(),
            "a.c",
            "int two(void); int bf_main(void) { return two(); }",
        );
        let two = write(folder.path(), "b.ll", "define i32 @two() { ret i32 2 }");
        let modules = modules(&[main, two], &[]).unwrap();
        let parsed: Vec<_> = modules
            .iter()
            .map(|m| llbc::parse(&m.container).unwrap())
            .collect();
        assert_eq!(parsed[0].entry, Some(ENTRY));
        assert_eq!(parsed[0].imports, ["two"]);
        assert_eq!(parsed[1].exports, ["two"]);
    }

    #[test]
    fn a_program_with_main_gets_start_code() {
        let folder = tempfile::tempdir().unwrap();
        let main = write(
            folder.path(),
            "a.c",
            "int main(int c, char **v) { return c + !v[0]; }",
        );
        let modules = modules(&[main], &[]).unwrap();
        assert_eq!(modules[1].file, "start.llbc");
        assert_eq!(
            llbc::parse(&modules[1].container).unwrap().entry,
            Some(ENTRY)
        );
    }

    #[test]
    fn each_mistake_has_its_message() {
        let folder = tempfile::tempdir().unwrap();
        let none = write(folder.path(), "a.c", "int f(void) { return 1; }");
        assert!(matches!(
            modules(std::slice::from_ref(&none), &[]),
            Err(Error::NoEntry)
        ));
        let entry = write(folder.path(), "b.c", "int bf_main(void) { return 1; }");
        let again = write(folder.path(), "c.c", "int bf_main(void) { return 1; }");
        let both = modules(&[entry.clone(), again], &[]);
        assert!(matches!(both, Err(Error::ManyEntries { files }) if files.len() == 2));
        let text = write(folder.path(), "a.txt", "");
        assert!(matches!(
            modules(&[text], &[]),
            Err(Error::UnknownSource { .. })
        ));
        let broken = write(folder.path(), "d.ll", "define nonsense");
        let error = modules(&[broken], &[]).unwrap_err().to_string();
        assert!(
            error.contains("llvm-as-22") && error.contains("d.ll"),
            "{error}"
        );
        let fake = write(folder.path(), "e.bc", "no bitcode");
        assert!(modules(&[fake], &[]).is_err());
        let fake = write(folder.path(), "f.llbc", "no module");
        assert!(matches!(modules(&[fake], &[]), Err(Error::Module { .. })));
        assert!(matches!(
            modules(&[none, entry.clone(), entry], &[]),
            Err(Error::SameName { .. })
        ));
    }
}
