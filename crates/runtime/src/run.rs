//! One run: find the program, compile it, call it.

use crate::arguments;
use crate::cli::Options;
use crate::error::Error;
use crate::files::Files;
use crate::platform::{self, api, call, clock, fault, interrupt, memory, pool};
use crate::report::{self, Reporter};
use engine::{Code, Compiled, Context, Cpu, Level, Program, Source, SourceKind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// A module file as it was read.
struct ModuleFile {
    name: String,
    content: Vec<u8>,
}

impl ModuleFile {
    fn source(&self) -> Result<Source<'_>, Error> {
        let kind = match Path::new(&self.name).extension().and_then(|e| e.to_str()) {
            Some("llbc") => SourceKind::Llbc(&self.content),
            Some("bc") => SourceKind::Bitcode(&self.content),
            Some("ll") => match std::str::from_utf8(&self.content) {
                Ok(text) => SourceKind::Ir(text),
                Err(_) => {
                    return Err(Error::UnknownModule {
                        path: self.name.clone().into(),
                    });
                }
            },
            _ => {
                return Err(Error::UnknownModule {
                    path: self.name.clone().into(),
                });
            }
        };
        Ok(Source {
            name: &self.name,
            kind,
        })
    }
}

fn volume(options: &Options) -> Result<Files, Error> {
    match (&options.disk, &options.root) {
        (Some(image), _) => Files::image(image),
        (None, Some(folder)) => Ok(Files::folder(folder.clone())),
        (None, None) if platform::is_machine() => Ok(Files::folder("/".into())),
        (None, None) if !options.modules.is_empty() => Ok(Files::none()),
        (None, None) => Err(Error::NoProgram),
    }
}

fn module_files(options: &Options, files: &Files) -> Result<Vec<ModuleFile>, Error> {
    if !options.modules.is_empty() {
        return options
            .modules
            .iter()
            .map(|path| {
                let content = std::fs::read(path).map_err(|error| Error::File {
                    action: "read",
                    path: path.clone(),
                    error,
                })?;
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                Ok(ModuleFile { name, content })
            })
            .collect();
    }
    let mut list = Vec::new();
    for name in files.list("/app")? {
        // FAT keeps case or not, depending on who wrote it.
        if name.to_ascii_lowercase().ends_with(".llbc") {
            let path = format!("/app/{name}");
            if let Some(content) = files.read(&path)? {
                list.push(ModuleFile {
                    name: name.to_ascii_lowercase(),
                    content,
                });
            }
        }
    }
    if list.is_empty() {
        Err(Error::NoModules)
    } else {
        Ok(list)
    }
}

fn write(path: &Path, content: &str) -> Result<(), Error> {
    std::fs::write(path, content).map_err(|error| Error::File {
        action: "write",
        path: path.into(),
        error,
    })
}

/// Compiles the modules; LLVM's contexts are gone when it returns.
fn compile(
    sources: &[Source<'_>],
    cpu: &Cpu,
    features: u64,
    host: &[engine::HostSymbol],
    options: &Options,
    reporter: &Reporter,
) -> Result<Compiled, Error> {
    let cpus = pool::allowed_cpus().len();
    let threads = options.compile_threads.map_or(cpus.min(4), |n| n as usize);
    let offered = |name: &str| host.iter().any(|s| s.name == name);
    let mut progress = |p: engine::Progress<'_>| reporter.stage(p);
    let context = Context::new();
    let dump = options.dump_ir.is_some() || options.dump_asm.is_some();
    let text = sources.iter().any(|s| matches!(s.kind, SourceKind::Ir(_)));
    context.discard_value_names(!dump && !text);
    let program = Program::load(&context, sources, cpu, features, &offered, &mut progress)?;
    let how = engine::Options {
        level: options.opt,
        cold: options.opt_cold.unwrap_or(if cpu.is_emulated() {
            Level::O0.min(options.opt)
        } else {
            options.opt
        }),
        threads,
        dump,
    };
    let compiled = engine::compile(program, cpu, &how, &mut progress)?;
    if let (Some(path), Some(text)) = (&options.dump_ir, &compiled.ir) {
        write(path, text)?;
    }
    if let (Some(path), Some(text)) = (&options.dump_asm, &compiled.assembly) {
        write(path, text)?;
    }
    Ok(compiled)
}

/// Runs the program; the code is the program's own. `started` is the time from the start of the process, or of the
/// machine, to `main`.
pub fn run(options: &Options, started: Duration) -> Result<ExitCode, Error> {
    let main = clock::monotonic();
    fault::install(std::ptr::from_ref(&main) as usize);
    let reporter = Reporter::new(options.quiet);
    let files = volume(options)?;
    let modules = module_files(options, &files)?;
    let defaults = match files.read("/app/args")? {
        Some(text) => {
            arguments::parse_defaults(&String::from_utf8(text).map_err(|_| Error::Arguments)?)
        }
        None => Vec::new(),
    };
    let read = clock::monotonic() - main;

    let without: Vec<&str> = options.without.iter().map(String::as_str).collect();
    let cpu = Cpu::detect().without(&without);
    let features = cpu.bits(platform::api::CPU_FEATURES);
    let host = api::symbols();
    let sources = modules
        .iter()
        .map(ModuleFile::source)
        .collect::<Result<Vec<_>, _>>()?;
    let compiled = compile(&sources, &cpu, features, &host, options, &reporter);
    reporter.done();
    let code: &'static Code = Box::leak(Box::new(Code::link(compiled?, &host)?));
    drop(modules);
    memory::trim();

    fault::set_symbols(code.symbols());
    interrupt::install();
    let threads = options.threads.unwrap_or(pool::allowed_cpus().len() as u32);
    let guest = api::Host {
        args: arguments::merge(&defaults, &options.guest),
        files,
        threads,
        features,
    };
    // The only call: a second host cannot be there.
    let _ = api::install(guest);
    let before_entry = clock::monotonic() - main;
    if options.timings {
        let count = code.symbols().len();
        eprintln!(
            "{}",
            report::timings_line(
                code.level(),
                started,
                read,
                code.timings(),
                before_entry,
                code.code_bytes(),
                count
            )
        );
    }
    let result = call::entry(code);
    // Exit codes are eight bits; more would be cut silently by the system.
    Ok(ExitCode::from(u8::try_from(result).unwrap_or(u8::MAX)))
}
