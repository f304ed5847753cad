//! The program: its files as one module, checked for what a start needs.

use crate::cli::Options;
use crate::compiler::{self, Language};
use crate::error::Error;
use llvm::ir::{self, Constant, Value, View};
use llvm::{CodegenLevel, Context, Module, TargetMachine};
use std::path::{Path, PathBuf};

/// What runs besides `main`.
///
/// Holding one guarantees: the module defines `main`, everything these lists name, and everything it refers to is
/// defined in it or can be resolved.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Functions to run before `main`, in order.
    pub constructors: Vec<String>,
    /// Functions to run when the program ends, in order.
    pub destructors: Vec<String>,
}

/// Whether a file is C++, which wants its own library.
pub fn needs_cpp(files: &[PathBuf]) -> bool {
    files.iter().any(|f| Language::of(f) == Some(Language::Cpp))
}

/// Reads, verifies and links the program's files.
pub fn load<'c>(context: &'c Context, options: &Options) -> Result<Module<'c>, Error> {
    let mut program: Option<Module<'c>> = None;
    for path in &options.files {
        let module = read(context, path, options)?;
        match &mut program {
            None => program = Some(module),
            Some(first) => first.link(module).map_err(|error| Error::Module {
                path: path.clone(),
                error,
            })?,
        }
    }
    program.ok_or(Error::NoMain)
}

fn read<'c>(context: &'c Context, path: &Path, options: &Options) -> Result<Module<'c>, Error> {
    let of = |error| Error::Module {
        path: path.into(),
        error,
    };
    let name = path.to_string_lossy();
    let content = || {
        std::fs::read(path).map_err(|source| Error::Read {
            path: path.into(),
            source,
        })
    };
    let mut text = None;
    let mut module = match (
        Language::of(path),
        path.extension().and_then(|e| e.to_str()),
    ) {
        (Some(language), _) => {
            // Clang would say the same in more words.
            content()?;
            let bitcode = compiler::compile(path, language, options)?;
            Module::from_bitcode(context, &name, &bitcode)
        }
        (None, Some("bc")) => Module::from_bitcode(context, &name, &content()?),
        (None, Some("ll")) => {
            let text = text.insert(String::from_utf8_lossy(&content()?).into_owned());
            Module::from_ir(context, &name, text)
        }
        _ => return Err(Error::Kind { path: path.into() }),
    }
    .map_err(of)?;
    if module.data_layout().is_empty() {
        let text = text.unwrap_or_else(|| module.to_ir());
        module = Module::from_ir(context, &name, &laid_out(&text).map_err(of)?).map_err(of)?;
    }
    module.verify().map_err(of)?;
    let triple = module.triple();
    if !(triple.is_empty() || triple.starts_with("x86_64-") && triple.contains("linux")) {
        return Err(Error::Triple {
            path: path.into(),
            triple,
        });
    }
    // Front ends spell the same machine differently.
    module.set_triple(llvm::TRIPLE);
    Ok(module)
}

/// IR text that says nothing of its data layout means the machine's, as everywhere; LLVM would take a layout of no
/// machine at all, with other offsets than those of the C library.
fn laid_out(text: &str) -> Result<String, llvm::Error> {
    let machine = TargetMachine::new("x86-64", "", CodegenLevel::None)?;
    let layout = machine.data_layout();
    Ok(format!("target datalayout = \"{layout}\"\n{text}"))
}

/// Checks that the program can start; finds what runs before and after `main`. Functions without a name get one, and
/// thread-local variables become calls.
pub fn check(
    module: &mut Module<'_>,
    resolve: &dyn Fn(&str) -> Option<usize>,
) -> Result<Plan, Error> {
    ir::name_everything(module, "bareflow.unnamed");
    let view = View::new(module);
    let defined = |name: &str| module.function(name).is_some_and(|f| !f.is_declaration());
    if !defined("main") {
        return Err(Error::NoMain);
    }
    let mut symbols: Vec<String> = view
        .functions()
        .into_iter()
        .chain(view.variables())
        .filter(|v| v.is_declaration() && !v.is_extern_weak() && !v.is_intrinsic())
        .filter(|v| !v.users().is_empty())
        .map(Value::name)
        .filter(|name| !name.starts_with("llvm.") && resolve(name).is_none())
        .collect();
    if !symbols.is_empty() {
        symbols.sort_unstable();
        return Err(Error::Unresolved { symbols });
    }
    let mut plan = Plan {
        constructors: listed(view, "llvm.global_ctors"),
        destructors: listed(view, "llvm.global_dtors"),
    };
    for (list, functions) in [
        ("llvm.global_ctors", &plan.constructors),
        ("llvm.global_dtors", &plan.destructors),
    ] {
        if let Some(function) = functions.iter().find(|f| !defined(f)) {
            return Err(Error::Constructor {
                list,
                function: function.clone(),
            });
        }
    }
    // As the dynamic linker has it: the last of `.fini_array` first.
    plan.destructors.reverse();
    // After the check, which is about the names people know.
    module
        .emulate_thread_locals()
        .map_err(|error| Error::Module {
            path: PathBuf::from("the program"),
            error,
        })?;
    Ok(plan)
}

/// Functions of `llvm.global_ctors` or `llvm.global_dtors`, by priority, the smallest first.
fn listed(view: View<'_>, list: &str) -> Vec<String> {
    let variable = view.variables().into_iter().find(|v| v.name() == list);
    let Some(entries) = variable.and_then(Value::initialiser) else {
        return Vec::new();
    };
    let mut all: Vec<(u128, String)> = (0..)
        .map_while(|i| entries.element(i))
        .filter_map(|entry| {
            let Some(Constant::Int(priority)) = entry.element(0)?.constant() else {
                return None;
            };
            // A null pointer ended such lists once; it stands for nothing.
            let function = entry.element(1)?;
            function
                .constant()
                .is_none()
                .then(|| (priority, function.name()))
        })
        .collect();
    all.sort_by_key(|(priority, _)| *priority);
    all.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<Plan, String> {
        let context = Context::new();
        let mut module = Module::from_ir(&context, "t", text).unwrap();
        let known = |name: &str| (name == "puts").then_some(1);
        check(&mut module, &known).map_err(|e| e.to_string())
    }

    const MAIN: &str = "define i32 @main() { ret i32 0 }\n";

    #[test]
    fn all_unresolved_symbols_are_named_at_once() {
        let text = format!(
            "{MAIN}declare i32 @puts(ptr)
declare void @zz()
declare void @unused()
declare extern_weak void @weak()
@aa = external global i32
define void @f() {{
  call i32 @puts(ptr @aa)
  call void @zz()
  call void @weak()
  ret void
}}"
        );
        let error = checked(&text).unwrap_err();
        assert!(error.contains("defines aa, zz;"), "{error}");
    }

    #[test]
    fn main_must_be_there() {
        let error = checked("define void @f() { ret void }").unwrap_err();
        assert!(error.contains("no main"), "{error}");
        let error = checked("declare i32 @main()").unwrap_err();
        assert!(error.contains("no main"), "{error}");
    }

    #[test]
    fn constructors_run_by_priority_and_destructors_the_other_way_round() {
        let list = |name: &str| {
            format!(
                "@{name} = appending global [3 x {{ i32, ptr, ptr }}] [
  {{ i32, ptr, ptr }} {{ i32 65535, ptr @a, ptr null }},
  {{ i32, ptr, ptr }} {{ i32 200, ptr @b, ptr null }},
  {{ i32, ptr, ptr }} {{ i32 65535, ptr @c, ptr null }}]\n"
            )
        };
        let functions: String = ["a", "b", "c"]
            .map(|f| format!("define internal void @{f}() {{ ret void }}\n"))
            .concat();
        let (ctors, dtors) = (list("llvm.global_ctors"), list("llvm.global_dtors"));
        let plan = checked(&format!("{MAIN}{functions}{ctors}{dtors}")).unwrap();
        assert_eq!(plan.constructors, ["b", "a", "c"]);
        assert_eq!(plan.destructors, ["c", "a", "b"]);
        assert_eq!(checked(MAIN), Ok(Plan::default()));
    }
}
