//! One run: find the program, make it ready, call it.
//!
//! There are two ways to make it ready: in tiers, where it starts in the interpreter at once, or ahead, where all of it is
//! compiled first. They share everything before (files, verified modules) and after (the guest interface).

use crate::cli::Options;
use crate::error::Error;
use crate::export;
use crate::files::Files;
use crate::grow::{self, Policy};
use crate::persist::{self, Identity, Keeper, Remembering};
use crate::platform::{self, api, call, clock, embed, fault, interrupt, memory, pool, progress};
use crate::report::{self, Reporter};
use engine::interp::Resolve;
use engine::profile::TextOptions;
use engine::snapshot::{Imported, Prepared};
use engine::tier::{Config, Engine};
use engine::{Code, Compiled, Context, Cpu, HostSymbol, Level, Program, Source, SourceKind};
use engine_options::{Content, Outputs};
use formats::program;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A module file as it was read.
pub struct ModuleFile {
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

/// Where the program and its files come from.
///
/// # Errors
/// The image cannot be read, or nothing was named.
pub fn volume(options: &Options) -> Result<Files, Error> {
    match (&options.disk, &options.root) {
        (Some(image), _) => Files::image(image),
        (None, Some(folder)) => Ok(Files::folder(folder.clone())),
        (None, None) if platform::is_machine() => Ok(Files::folder("/".into())),
        (None, None) if !options.modules.is_empty() => Ok(Files::none()),
        (None, None) => Err(Error::NoProgram),
    }
}

/// Names of the modules on the volume.
fn app_modules(files: &Files) -> Result<Vec<String>, Error> {
    let mut names = files.list(program::FOLDER)?;
    names.retain(|name| program::is_module(name));
    Ok(names)
}

/// The memory of earlier runs, if this run is to have one.
fn keeper(options: &Options, files: &Files, host: &Host) -> Result<Option<Keeper>, Error> {
    if !persist::is_wanted(options) {
        return Ok(None);
    }
    let mut modules = Vec::new();
    for name in app_modules(files)? {
        if let Some(head) = files.head(&format!("/app/{name}"), program::HEAD_BYTES)? {
            modules.push((name.to_ascii_lowercase(), head));
        }
    }
    let identity = Identity {
        modules: &modules,
        cpu: &host.cpu,
        features: host.features,
    };
    Ok(Keeper::open(files, &identity, options.forget))
}

/// The program's modules.
///
/// # Errors
/// They cannot be read, or there are none.
pub fn module_files(options: &Options, files: &Files) -> Result<Vec<ModuleFile>, Error> {
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
    for name in app_modules(files)? {
        if let Some(content) = files.read(&format!("/app/{name}"))? {
            list.push(ModuleFile {
                name: name.to_ascii_lowercase(),
                content,
            });
        }
    }
    if list.is_empty() {
        Err(Error::NoModules)
    } else {
        Ok(list)
    }
}

/// The processor, and what the runtime offers to programs.
pub struct Host {
    /// What code is made for.
    pub cpu: Cpu,
    /// What `bf_cpu_features()` answers.
    pub features: u64,
    symbols: Vec<HostSymbol>,
}

impl Host {
    /// The processor found, without what `--without` names.
    pub fn new(options: &Options) -> Self {
        let without: Vec<&str> = options.without.iter().map(String::as_str).collect();
        let cpu = Cpu::detect().without(&without);
        let features = cpu.bits(api::CPU_FEATURES);
        Host {
            cpu,
            features,
            symbols: api::symbols(),
        }
    }

    /// Reads, verifies and links the modules.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn load<'c>(
        &self,
        context: &'c Context,
        sources: &[Source<'_>],
        keep_names: bool,
        reporter: &Reporter,
    ) -> Result<Program<'c>, Error> {
        let text = sources.iter().any(|s| matches!(s.kind, SourceKind::Ir(_)));
        context.discard_value_names(!keep_names && !text);
        let offered = |name: &str| {
            self.symbols.iter().any(|s| s.name == name) || engine::tier::service(name).is_some()
        };
        let mut progress = |p: engine::Progress<'_>| reporter.stage(p);
        Ok(Program::load(
            context,
            sources,
            &self.cpu,
            self.features,
            &offered,
            &mut progress,
        )?)
    }
}

/// An engine for the program as an earlier run prepared it, with the entry's name; `None` if there is none, or it cannot be
/// read.
fn kept(
    keeper: &mut Option<Keeper>,
    cpu: &Cpu,
    resolve: &Resolve,
    config: &Config,
) -> Option<(Engine, String)> {
    let bytes = keeper.as_mut()?.program()?;
    let started = Prepared::parse(&bytes)
        .map_err(|e| e.to_string())
        .and_then(|p| {
            let entry = p.entry.to_owned();
            let engine = Engine::start_kept(p, cpu, resolve.clone(), config.clone());
            Ok((engine.map_err(|e| e.to_string())?, entry))
        });
    started
        .inspect_err(|error| eprintln!("bareflow: kept program: {error}"))
        .ok()
}

/// A program that can be called.
struct Ready {
    /// Address of its entry.
    entry: usize,
    /// How it runs, in a word.
    how: String,
    /// What was done to make it ready, and how long that took.
    stages: Vec<(&'static str, Duration)>,
    /// Bytes of code and number of functions, if all of it was compiled.
    code: Option<(usize, usize)>,
    /// The engine, if it runs in tiers, and the memory of its runs.
    engine: Option<(&'static Engine, Option<Keeper>)>,
}

/// Stages of every program.
fn loaded(timings: &engine::Timings) -> Vec<(&'static str, Duration)> {
    vec![
        ("read", timings.read),
        ("verify", timings.verify),
        ("link", timings.link),
    ]
}

/// The modules as the engine takes them.
pub fn sources(modules: &[ModuleFile]) -> Result<Vec<Source<'_>>, Error> {
    modules.iter().map(ModuleFile::source).collect()
}

/// Has the program interpreted, and compiled while it runs.
fn in_tiers(
    files: &Files,
    host: &Host,
    options: &Options,
    reporter: &Reporter,
) -> Result<Ready, Error> {
    let config = options.engine.config()?;
    memory::limit_interpreter_stacks();
    let addresses: HashMap<&str, usize> =
        host.symbols.iter().map(|s| (s.name, s.address)).collect();
    let resolve: Resolve = Arc::new(move |name: &str| addresses.get(name).copied());
    let how = config.mode.to_string();
    let start = clock::monotonic();
    let mut keeper = keeper(options, files, host)?;
    let mut stages = vec![("store", clock::monotonic() - start)];
    let start = clock::monotonic();
    let (engine, entry) = match kept(&mut keeper, &host.cpu, &resolve, &config) {
        Some(started) => {
            stages.push(("start", clock::monotonic() - start));
            started
        }
        None => {
            let modules = module_files(options, files)?;
            stages.push(("files", clock::monotonic() - start));
            let context = Context::new();
            let sources = sources(&modules)?;
            let program = host.load(&context, &sources, config.dump.is_some(), reporter)?;
            stages.extend(loaded(&program.timings()));
            let entry = program.entry().to_owned();
            if let Some(keeper) = &mut keeper {
                keeper.keep_program(&entry);
            }
            let start = clock::monotonic();
            let engine = Engine::start_program(program, &host.cpu, resolve, config)?;
            stages.push(("decode", clock::monotonic() - start));
            (engine, entry)
        }
    };
    let engine: &'static Engine = Box::leak(Box::new(engine));
    call::set_engine(engine);
    let address = engine.address(&entry);
    if let Some(keeper) = &mut keeper {
        keeper.restore(engine);
        stages.push(("restore", keeper.imported().duration));
    }
    Ok(Ready {
        entry: address.ok_or(Error::EntryLost { entry })?,
        how,
        stages,
        code: None,
        engine: Some((engine, keeper)),
    })
}

/// What was asked for about the run.
fn write_outputs(engine: &Engine, imported: &Imported, outputs: &Outputs) {
    // The compile under way still belongs to the run.
    engine.stop();
    let written = outputs.write(|content| match content {
        Content::Report => {
            let text = engine.report().to_text(TextOptions {
                details: true,
                ..TextOptions::default()
            });
            text + &report::kept_text(imported)
        }
        Content::ReportJson => report::with_kept(&engine.report().to_json(), imported),
        Content::Trace => engine.trace_json(),
    });
    if let Err(error) = written {
        eprintln!("error: {error}");
    }
}

fn write(path: &Path, content: &str) -> Result<(), Error> {
    std::fs::write(path, content).map_err(|error| Error::File {
        action: "write",
        path: path.into(),
        error,
    })
}

/// Compiles the whole program; LLVM's contexts are gone when it returns.
fn compile(
    sources: &[Source<'_>],
    host: &Host,
    level: Level,
    options: &Options,
    reporter: &Reporter,
) -> Result<Compiled, Error> {
    let cpus = pool::allowed_cpus().len();
    let threads = options.ahead_threads.map_or(cpus.min(4), |n| n as usize);
    let dump = options.dump_ir.is_some() || options.dump_asm.is_some();
    let context = Context::new();
    let program = host.load(&context, sources, dump, reporter)?;
    let how = engine::Options {
        level,
        cold: options.ahead_cold.unwrap_or(if host.cpu.is_emulated() {
            Level::O0.min(level)
        } else {
            level
        }),
        threads,
        dump,
    };
    let compiled = engine::compile(program, &host.cpu, &how, &mut |p| reporter.stage(p))?;
    if let (Some(path), Some(text)) = (&options.dump_ir, &compiled.ir) {
        write(path, text)?;
    }
    if let (Some(path), Some(text)) = (&options.dump_asm, &compiled.assembly) {
        write(path, text)?;
    }
    Ok(compiled)
}

/// Has all of the program compiled before it starts.
fn ahead(
    sources: &[Source<'_>],
    host: &Host,
    level: Level,
    options: &Options,
    reporter: &Reporter,
) -> Result<Ready, Error> {
    let compiled = compile(sources, host, level, options, reporter)?;
    let code: &'static Code = Box::leak(Box::new(Code::link(compiled, &host.symbols)?));
    fault::set_symbols(code.symbols());
    let timings = code.timings();
    let mut stages = loaded(timings);
    stages.extend([
        ("optimise", timings.optimise),
        ("codegen", timings.codegen),
        ("load", timings.load),
    ]);
    Ok(Ready {
        entry: code.entry(),
        how: format!("ahead {}", code.level()),
        stages,
        code: Some((code.code_bytes(), code.symbols().len())),
        engine: None,
    })
}

/// The defaults of the volume that were not replaced, then the arguments given.
fn guest_arguments(defaults: &str, given: &[String]) -> Vec<String> {
    let given: Vec<&[u8]> = given.iter().map(String::as_bytes).collect();
    let mut all = Vec::new();
    formats::arguments::merge(defaults.as_bytes(), &given, |word| {
        all.push(String::from_utf8_lossy(word).into_owned());
    });
    all
}

/// Runs the program and gives its exit code; the code is the program's own. `started` is the time from the start of the
/// process, or of the machine, to `main`.
pub fn run(options: &Options, started: Duration) -> Result<i32, Error> {
    let main = clock::monotonic();
    fault::install(std::ptr::from_ref(&main) as usize);
    let reporter = Reporter::new(options.quiet);
    let files = volume(options)?;
    let defaults = files.read("/app/args")?.unwrap_or_default();
    let defaults = String::from_utf8(defaults).map_err(|_| Error::Arguments)?;
    let outputs = options.engine.outputs()?;
    let volume = clock::monotonic() - main;

    let host = Host::new(options);
    if let Some(output) = &options.export {
        let modules = module_files(options, &files)?;
        let sources = sources(&modules)?;
        let context = Context::new();
        let dump = options.dump_ir.is_some();
        let load = || host.load(&context, &sources, dump, &reporter);
        let cpu = (&host.cpu, host.features);
        export::run(options, output, &files, &sources, cpu, load, &reporter)?;
        return Ok(0);
    }
    let ready = match options.ahead {
        Some(level) => {
            let start = clock::monotonic();
            module_files(options, &files).and_then(|modules| {
                let content = clock::monotonic() - start;
                let mut ready = ahead(&sources(&modules)?, &host, level, options, &reporter)?;
                ready.stages.insert(0, ("files", content));
                Ok(ready)
            })
        }
        None => in_tiers(&files, &host, options, &reporter),
    };
    reporter.done();
    let ready = ready?;
    memory::trim();

    interrupt::install();
    let threads = options.threads.unwrap_or(pool::allowed_cpus().len() as u32);
    let guest = api::Host {
        args: guest_arguments(&defaults, &options.guest),
        files,
        threads,
        features: host.features,
    };
    // The only call: a second host cannot be there.
    let _ = api::install(guest);
    embed::install(host.cpu.clone(), host.features);
    if options.timings {
        let mut stages = vec![("start_to_main", started), ("volume", volume)];
        stages.extend(&ready.stages);
        stages.push(("main_to_entry", clock::monotonic() - main));
        eprintln!("{}", report::timings_line(&ready.how, &stages, ready.code));
    }
    if let Some((engine, keeper)) = ready.engine {
        let start = persist::Start {
            to_main: started,
            to_entry: clock::monotonic() - main,
        };
        let imported = keeper.as_ref().map(|k| k.imported().clone());
        let remembering = keeper.map(|k| k.spawn(engine, start, options.grow != Policy::Off));
        let profile = options.save_profile.clone();
        let grower = (options.grow != Policy::Off).then(|| options.clone());
        call::at_end(move || {
            if let Some(path) = &profile
                && let Err(error) = export::save_profile(engine, path)
            {
                eprintln!("error: {error}");
            }
            remembering.iter().for_each(Remembering::finish);
            if !outputs.is_empty() {
                write_outputs(engine, &imported.clone().unwrap_or_default(), &outputs);
            }
            if let Some(options) = &grower
                && let Err(why) = grow::end_of_boot(options, engine)
            {
                eprintln!("bareflow: the machine stays as it is: {why}");
            }
        });
    }
    memory::limit(options.memory.map(|mib| (mib as usize) << 20));
    if let Some(seconds) = options.watchdog {
        progress::watch(seconds);
    }
    let result = call::entry(ready.entry);
    // Exit codes are eight bits; more would be cut silently by the system.
    Ok(u8::try_from(result).unwrap_or(u8::MAX).into())
}
