//! Links the parts of LLVM 22 that a JIT for X86 needs, statically.
//!
//! The list is not everything LLVM offers: only these components end up in `runtime.elf`, and `--gc-sections` drops
//! what nobody calls. libz3 and libxml2 are named by `llvm-config --system-libs` but are not needed by them.

use std::env;
use std::process::{Command, exit};

/// What is linked, in llvm-config's terms. IR text can be read too: tests and `exec` of `.ll` files use it.
const COMPONENTS: &[&str] = &[
    "bitreader",
    "bitwriter",
    "irreader",
    "linker",
    "passes",
    "orcjit",
    "x86codegen",
    "x86asmparser",
    "x86desc",
    "x86info",
];

fn run(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).output().ok()?;
    out.status
        .success()
        .then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

fn fail(message: &str) -> ! {
    eprintln!("error: {message}");
    exit(1)
}

/// The C++ of `shim/`: what LLVM offers to C++ only. Built as LLVM itself was: no exceptions, no RTTI.
fn compile_shim(include: &str) {
    let mut files: Vec<_> = std::fs::read_dir("shim")
        .map(|dir| dir.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    files.retain(|f: &std::path::PathBuf| f.extension().is_some_and(|e| e == "cpp"));
    files.sort();
    println!("cargo:rerun-if-changed=shim");
    cc::Build::new()
        .cpp(true)
        .cpp_link_stdlib(None)
        .std("c++17")
        .flag("-isystem")
        .flag(include)
        .flag("-fno-exceptions")
        .flag("-fno-rtti")
        .flag("-fno-plt")
        .define("NDEBUG", None)
        .warnings_into_errors(true)
        .extra_warnings(true)
        .opt_level(2)
        .files(&files)
        .compile("bareflow_llvm_shim");
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LLVM_CONFIG");
    let from_env = env::var("LLVM_CONFIG").ok();
    let candidates = from_env
        .as_deref()
        .into_iter()
        .chain(["llvm-config-22", "llvm-config"]);
    let config = candidates
        .into_iter()
        .find(|c| run(c, &["--version"]).is_some_and(|v| v.starts_with("22.")))
        .unwrap_or_else(|| {
            fail(
                "LLVM 22 not found: install the package llvm-22-dev, or set LLVM_CONFIG to the \
                 path of llvm-config of an LLVM 22",
            )
        });
    let ask = |args: &[&str]| {
        run(config, args).unwrap_or_else(|| fail(&format!("{config} {} failed", args.join(" "))))
    };
    compile_shim(&ask(&["--includedir"]));
    println!("cargo:rustc-link-search=native={}", ask(&["--libdir"]));
    let args: Vec<&str> = ["--link-static", "--libs"]
        .into_iter()
        .chain(COMPONENTS.iter().copied())
        .collect();
    for lib in ask(&args)
        .split_whitespace()
        .filter_map(|l| l.strip_prefix("-l"))
    {
        println!("cargo:rustc-link-lib=static:-bundle={lib}");
    }
    for lib in ["stdc++", "z", "zstd"] {
        let file = format!("lib{lib}.a");
        let path = run("c++", &[&format!("-print-file-name={file}")])
            .filter(|p| p.contains('/'))
            .unwrap_or_else(|| {
                fail(&format!(
                    "{file} not found: install g++, zlib1g-dev and libzstd-dev"
                ))
            });
        if let Some((dir, _)) = path.rsplit_once('/') {
            println!("cargo:rustc-link-search=native={dir}");
        }
        println!("cargo:rustc-link-lib=static:-bundle={lib}");
    }
    println!("cargo:version={}", ask(&["--version"]));
}
