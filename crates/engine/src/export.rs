//! Export: the whole program, and what it has beneath it, as relocatable objects without a runtime.
//!
//! ```text
//!  program --prepare--> pristine module --profile: !prof, promoted calls, guarded variants, hot and cold--+
//!                                                                                                        v
//!  support code (native.llbc) ----------------------------------------------------> one module, all internal
//!     \                                                                                O3 for this CPU
//!      \--helpers that generated code calls (memcpy, ...): O2, any x86-64                |
//!                                  |                                                     v
//!                               object 2                                              object 1
//! ```
//!
//! The pristine module is that of the tiers, so a profile they made fits: block counts, call sites and parameters are numbered
//! alike, and products and sums are fused where they fuse them; so the text is the same.
//!
//! Functions are laid out by heat (`.text.hot.N`, the hottest first). What never ran is optimised for size, unless it looks
//! numeric ([`heat`]): another model format than the one seen must not be slow.
//!
//! Code that runs before the CPU was checked, and the helpers, are made for any x86-64.

mod annotate;

use crate::embed::FUNCTIONS;
use crate::tier::prepare;
use crate::{Cpu, Error, Level, Program, Progress, heat};
pub use annotate::Applied;
use formats::cpu::CpuFeatures;
use formats::llbc;
use formats::profile::Profile;
use llvm::{FileType, Module};
use object::{Object, ObjectSymbol};
use std::collections::BTreeSet;

/// Where the linked program starts.
pub const ENTRY: &str = "_start";
/// The symbol of the support code that the assembly at the entry calls.
const START: &str = "bareflow_native_start";
/// The symbol by which the support code calls the program.
const MAIN: &str = crate::program::ENTRY;
/// Features of code for any x86-64, as a function attribute.
const BASELINE: &str = "+cx8,+fxsr,+mmx,+sse,+sse2,+x87";

/// Features that no code is generated for: they belong to the system, or only assembly uses them.
const OF_THE_SYSTEM: &[&str] = &[
    "cldemote",
    "clflushopt",
    "clwb",
    "clzero",
    "enqcmd",
    "fsgsbase",
    "hreset",
    "invpcid",
    "kl",
    "lwp",
    "movdir64b",
    "movdiri",
    "mwaitx",
    "pconfig",
    "pku",
    "prefetchi",
    "rdpid",
    "rdpru",
    "rdrnd",
    "rdseed",
    "rtm",
    "serialize",
    "shstk",
    "tsxldtrk",
    "uintr",
    "usermsr",
    "waitpkg",
    "wbnoinvd",
    "widekl",
    "xsave",
    "xsavec",
    "xsaveopt",
    "xsaves",
];

/// What goes into an export beside the program.
pub struct Options<'a> {
    /// What `bf_cpu_features()` returns.
    pub cpu_bits: u64,
    /// The container `native.llbc`.
    pub support: &'a [u8],
    /// What earlier runs learnt; without it everything is compiled alike.
    pub profile: Option<&'a Profile>,
    /// Keep IR text of the optimised program.
    pub dump: bool,
}

/// A program as objects, for `shrink::native`.
pub struct Exported {
    /// Relocatable objects; the first holds the program.
    pub objects: Vec<Vec<u8>>,
    /// CPU features the code needs.
    pub features: CpuFeatures,
    /// What of the profile was used.
    pub applied: Applied,
    /// Optimised IR, if asked for.
    pub ir: Option<String>,
}

fn damaged(message: String) -> Error {
    Error::Object {
        message: format!("the support code of native programs: {message}"),
    }
}

/// What the CPU has that code may be generated for.
fn needs(cpu: &Cpu) -> CpuFeatures {
    let features = cpu.feature_string();
    let used = features.split(',').filter(|f| {
        f.strip_prefix('+')
            .is_some_and(|name| !OF_THE_SYSTEM.contains(&name))
    });
    CpuFeatures::from_llvm(used)
}

/// IR of what the support code expects of an export.
fn glue(entry: &str, cpu_bits: u64, needs: &CpuFeatures) -> String {
    let words: Vec<String> = needs.words.iter().map(|w| format!("i32 {w}")).collect();
    let mut ir = format!(
        "target triple = \"{}\"\n\
         @bareflow_needs = hidden constant [{} x i32] [{}]\n\
         @{} = hidden global i64 0\n\
         define hidden i64 @bf_cpu_features() {{\n  ret i64 {cpu_bits}\n}}\n",
        llvm::TRIPLE,
        words.len(),
        words.join(", "),
        annotate::MISSES,
    );
    if entry != MAIN {
        ir += &format!(
            "declare i32 @\"{entry}\"()\n\
             define hidden i32 @{MAIN}() {{\n  %code = call i32 @\"{entry}\"()\n  ret i32 %code\n}}\n"
        );
    }
    ir
}

/// Whether a symbol of the support code is part of the interface, and not a helper of generated code.
fn is_interface(name: &str) -> bool {
    [
        "bf_",
        "bareflow_",
        "jit_",
        "profile_",
        "rust_eh_",
        "_start",
        "_R",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

/// The support code: read, verified, made for any x86-64.
fn support<'c>(
    program: &Module<'c>,
    container: &llbc::Module<'_>,
    cpu: &Cpu,
) -> Result<Module<'c>, Error> {
    let of = |error: llvm::Error| damaged(error.to_string());
    let mut module =
        Module::from_bitcode(program.context(), "native", container.bitcode).map_err(of)?;
    module.verify().map_err(of)?;
    module.set_triple(llvm::TRIPLE);
    module.call_through_stubs();
    for f in module.functions().iter().filter(|f| !f.is_intrinsic()) {
        f.remove_string_attribute("target-cpu");
        f.remove_string_attribute("probe-stack");
        f.set_string_attribute("target-features", BASELINE);
        f.set_string_attribute("tune-cpu", cpu.tune());
        f.remove_attribute("uwtable");
        f.set_attribute("nounwind");
    }
    module.run_passes("function(lower-invoke)", None)?;
    module
        .functions()
        .iter()
        .for_each(llvm::Function::remove_personality);
    Ok(module)
}

/// Symbols that objects use and none of them defines.
fn undefined(objects: &[Vec<u8>]) -> Result<BTreeSet<String>, Error> {
    let (mut used, mut defined) = (BTreeSet::new(), BTreeSet::new());
    for bytes in objects {
        let file = object::File::parse(&**bytes).map_err(|e| Error::Object {
            message: e.to_string(),
        })?;
        for symbol in file.symbols() {
            let Ok(name) = symbol.name() else { continue };
            if symbol.is_undefined() {
                used.insert(name.to_owned());
            } else if symbol.is_global() {
                defined.insert(name.to_owned());
            }
        }
    }
    Ok(used.difference(&defined).cloned().collect())
}

/// The helpers of these names as an object of their own.
fn helpers(
    program: &Module<'_>,
    container: &llbc::Module<'_>,
    names: &BTreeSet<String>,
    cpu: &Cpu,
) -> Result<Vec<u8>, Error> {
    let mut module = support(program, container, cpu)?;
    module.drop_assembly();
    let keep: Vec<&str> = names.iter().map(String::as_str).collect();
    module.internalise(&keep);
    module.run_passes("globaldce", None)?;
    for f in module.functions().iter().filter(|f| !f.is_intrinsic()) {
        // A loop that copies must not become a call of the function it is in.
        f.set_string_attribute("no-builtins", "");
    }
    let machine = Level::O2.machine(cpu)?;
    module.run_passes(Level::O2.pipeline(), Some(&machine))?;
    Ok(machine.emit(&mut module, FileType::Object)?)
}

/// Compiles the program with its support code. The program's IR is used up.
///
/// # Errors
/// Support code that is damaged or of another version, what LLVM says.
pub fn export(
    program: Program<'_>,
    cpu: &Cpu,
    options: &Options<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Exported, Error> {
    let Program {
        mut module, entry, ..
    } = program;
    let needed = module.undefined_symbols();
    if let Some(symbol) = needed.into_iter().find(|s| FUNCTIONS.contains(&s.as_str())) {
        return Err(Error::NeedsEngine { symbol });
    }
    let container = llbc::parse(options.support).map_err(|e| damaged(e.to_string()))?;
    let has = |name: &str| container.exports.binary_search(&name).is_ok();
    if !has(START) {
        return Err(damaged(format!("it does not define {START}")));
    }
    prepare(&mut module, cpu)?;
    let looks_hot: BTreeSet<String> = heat::guess(&module).hot.into_iter().map(|h| h.1).collect();
    let applied = match options.profile {
        Some(profile) => annotate::apply(&mut module, profile, &looks_hot)?,
        None => Applied::default(),
    };

    let mut own = support(&module, &container, cpu)?;
    for name in container.exports.iter().filter(|n| !is_interface(n)) {
        own.forget_body(name);
    }
    let features = needs(cpu);
    // Text cannot be read by a context that drops names.
    module.context().discard_value_names(false);
    let glue = Module::from_ir(
        module.context(),
        "glue",
        &glue(&entry, options.cpu_bits, &features),
    )?;
    let of = |error: llvm::Error| damaged(error.to_string());
    module.link(own).map_err(of)?;
    module.link(glue).map_err(of)?;
    module.internalise(&[START]);
    module.run_passes("globaldce", None)?;
    module.verify().map_err(of)?;

    let count = |module: &Module<'_>| {
        let all = module.functions();
        all.iter().filter(|f| !f.is_declaration()).count()
    };
    progress(Progress::Optimising {
        functions: count(&module),
    });
    let machine = Level::O3.machine(cpu)?;
    module.run_passes(Level::O3.pipeline(), Some(&machine))?;
    progress(Progress::Generating {
        functions: count(&module),
    });
    for (rank, name) in applied.order.iter().enumerate() {
        if let Some(f) = module.function(name).filter(|f| !f.is_declaration()) {
            f.set_section(&format!(".text.hot.{rank:05}"));
        }
    }
    let ir = options.dump.then(|| module.to_ir());
    let mut objects = vec![machine.emit(&mut module, FileType::Object)?];

    // Helpers may need helpers: until there is nothing new.
    let mut wanted = BTreeSet::new();
    loop {
        let missing = undefined(&objects)?;
        let new: Vec<&String> = missing.iter().filter(|n| has(n)).collect();
        if new.is_empty() || new.iter().all(|n| wanted.contains(*n)) {
            break;
        }
        wanted.extend(new.into_iter().cloned());
        objects.truncate(1);
        objects.push(helpers(&module, &container, &wanted, cpu)?);
    }
    Ok(Exported {
        objects,
        features,
        applied,
        ir,
    })
}
