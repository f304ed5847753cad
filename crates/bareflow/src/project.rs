//! `bareflow new` and `bareflow wrap`: a project to start from, bitcode as a module.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::{Language, NewArgs, WrapArgs};
use crate::{Error, guest};

const MAIN_C: &str = include_str!("project/main.c");
const LIB_RS: &str = include_str!("project/lib.rs");

/// Where the crate `guest` lies: in the checkout this command was built from.
const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest");

/// Makes a folder with a program that builds and boots.
///
/// # Errors
/// The folder is there already or cannot be made, its name makes no crate's name, or the crate `guest` is not found.
pub fn new(args: &NewArgs) -> Result<(), Error> {
    let name = args
        .folder
        .file_name()
        .and_then(|n| n.to_str())
        .filter(|name| is_name(name))
        .ok_or_else(|| Error::ProjectName {
            path: args.folder.clone(),
        })?;
    let files = match args.language {
        Language::C => vec![("main.c", MAIN_C.replace("NAME", name))],
        Language::Rust => vec![
            ("Cargo.toml", manifest(name, args.guest.as_deref())?),
            ("src/lib.rs", LIB_RS.replace("NAME", name)),
            (".gitignore", "/target\n/Cargo.lock\n".to_owned()),
        ],
    };
    std::fs::create_dir(&args.folder).map_err(|e| Error::io("create", &args.folder, e))?;
    for (file, text) in files {
        let path = args.folder.join(file);
        let folder = path.parent().unwrap_or(&args.folder);
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        std::fs::write(&path, text).map_err(|e| Error::io("write", &path, e))?;
    }
    let folder = args.folder.display();
    eprintln!(
        "bareflow: {folder} is ready; next:\n  bareflow build {folder} -o {name}.img\n  bareflow run {name}.img"
    );
    Ok(())
}

/// What cargo takes as the name of a package, and any shell as a word.
fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        && !["guest", "core", "alloc", "std", "test"].contains(&name)
}

fn manifest(name: &str, guest: Option<&Path>) -> Result<String, Error> {
    let guest = guest.unwrap_or(Path::new(GUEST));
    let guest = std::fs::canonicalize(guest.join("Cargo.toml"))
        .map_err(|e| Error::io("find the crate `guest` (--guest) at", guest, e))?;
    let guest = guest.parent().unwrap_or(&guest).display().to_string();
    // A TOML literal string: nothing in it is special but its own end.
    if guest.contains('\'') {
        return Err(Error::ProjectName { path: guest.into() });
    }
    Ok(format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n# Not part of a workspace around it.\n[workspace]\n\n\
         [dependencies]\nguest = {{ path = '{guest}' }}\n"
    ))
}

/// Makes an LLBC module of LLVM bitcode or assembly.
///
/// # Errors
/// The file is neither, tools are missing, or the module cannot be written.
pub fn wrap(args: &WrapArgs) -> Result<(), Error> {
    let scratch = tempfile::tempdir().map_err(|e| Error::io("create", "a scratch folder", e))?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => guest::stem(&args.input),
    };
    let container = match guest::extension(&args.input).as_str() {
        "bc" => guest::wrap(&name, &args.input)?,
        "ll" => {
            let bitcode = scratch.path().join("module.bc");
            let mut assemble = Command::new("llvm-as-22");
            guest::tool(
                assemble.arg(&args.input).arg("-o").arg(&bitcode),
                &args.input,
            )?;
            guest::wrap(&name, &bitcode)?
        }
        _ => {
            return Err(Error::UnknownSource {
                path: args.input.clone(),
            });
        }
    };
    let output = match &args.output {
        Some(output) => output.clone(),
        None => args.input.with_extension("llbc"),
    };
    std::fs::write(&output, &container).map_err(|e| Error::io("write", &output, e))?;
    let module = formats::llbc::parse(&container).map_err(|e| Error::Module {
        path: output.clone(),
        source: e,
    })?;
    eprintln!(
        "bareflow: {}: {} bytes, {} imports, {} exports{}",
        output.display(),
        container.len(),
        module.imports.len(),
        module.exports.len(),
        if module.entry.is_some() {
            ", with the entry"
        } else {
            ""
        }
    );
    Ok(())
}

/// Sources of a folder that is no crate: its C files, sorted.
pub fn c_sources(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io("list", folder, e))? {
        let path = entry.map_err(|e| Error::io("list", folder, e))?.path();
        if path.extension().is_some_and(|e| e == "c") {
            sources.push(path);
        }
    }
    if sources.is_empty() {
        return Err(Error::UnknownSource {
            path: folder.into(),
        });
    }
    sources.sort();
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(folder: PathBuf, language: Language) -> Result<(), Error> {
        new(&NewArgs {
            folder,
            language,
            guest: None,
        })
    }

    #[test]
    fn names_are_words() {
        for good in ["hello", "a-b_1", "X"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "a b", "-x", "a/b", "é", "guest", "a.b"] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_new_c_project_is_a_program() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("hello");
        make(folder.clone(), Language::C).unwrap();
        let modules = guest::modules(std::slice::from_ref(&folder), &[]).unwrap();
        assert!(modules.iter().any(|m| m.file == "main.llbc"));
        assert!(make(folder, Language::C).is_err(), "it is there already");
    }

    #[test]
    fn a_new_rust_project_is_a_program() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("my-program");
        make(folder.clone(), Language::Rust).unwrap();
        let modules = guest::modules(std::slice::from_ref(&folder), &[]).unwrap();
        assert!(modules.iter().any(|m| m.file == "my-program.llbc"));
    }

    #[test]
    fn what_is_wrapped_is_a_module() {
        let scratch = tempfile::tempdir().unwrap();
        let input = scratch.path().join("two.ll");
        std::fs::write(
            &input,
            "define i32 @bf_main() { %r = call i32 @two()  ret i32 %r }\ndeclare i32 @two()",
        )
        .unwrap();
        let mut args = WrapArgs {
            input: input.clone(),
            output: None,
            name: None,
        };
        wrap(&args).unwrap();
        let container = std::fs::read(scratch.path().join("two.llbc")).unwrap();
        let module = formats::llbc::parse(&container).unwrap();
        assert_eq!((module.name, module.entry), ("two", Some("bf_main")));
        assert_eq!(module.imports, ["two"]);
        args.name = Some("other".into());
        args.output = Some(scratch.path().join("x.llbc"));
        wrap(&args).unwrap();
        let container = std::fs::read(scratch.path().join("x.llbc")).unwrap();
        assert_eq!(formats::llbc::parse(&container).unwrap().name, "other");
        // No bitcode, no module.
        let broken = scratch.path().join("broken.bc");
        std::fs::write(&broken, "nothing").unwrap();
        args.input = broken;
        assert!(wrap(&args).is_err());
        args.input = scratch.path().join("x.llbc");
        assert!(matches!(wrap(&args), Err(Error::UnknownSource { .. })));
    }
}
