//! Runs `main` of a .bc or .ll file in the interpreter.
//!
//! `exec [--dump FUNCTION] [--stats] [--compile even|odd] FILE [ARGS]`
//!
//! `--compile` has every other function compiled, by a hash of its name: calls then cross the border all the time.
//!
//! Symbols the program does not define are those of this process: its C library and its mathematics library.
#![allow(unsafe_code)]

use engine::interp::{Image, Options};
use engine::{Context, Cpu};
use llvm::Module;
use std::ffi::{CString, c_char, c_int, c_void};
use std::process::ExitCode;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn atexit(f: extern "C" fn()) -> c_int;
    fn exit(code: c_int) -> !;
}

fn resolve(name: &str) -> Option<usize> {
    // The only function of such programs that the shared C library does not export.
    if name == "atexit" {
        return Some((atexit as *const ()).expose_provenance());
    }
    let name = CString::new(name.trim_start_matches('\u{1}')).ok()?;
    // SAFETY: a null handle searches all loaded libraries; the name is NUL-terminated.
    let address = unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) };
    (!address.is_null()).then(|| address.expose_provenance())
}

struct Args {
    dump: Option<String>,
    stats: bool,
    compile: Option<fn(&str) -> bool>,
    file: String,
    rest: Vec<String>,
}

fn is_odd(name: &str) -> bool {
    name.bytes()
        .fold(0_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(16_777_619))
        >> 7
        & 1
        != 0
}

fn is_even(name: &str) -> bool {
    !is_odd(name)
}

fn arguments() -> Option<Args> {
    let mut args = Args {
        dump: None,
        stats: false,
        compile: None,
        file: String::new(),
        rest: Vec::new(),
    };
    let mut given = std::env::args().skip(1);
    loop {
        let arg = given.next()?;
        match arg.as_str() {
            "--dump" => args.dump = Some(given.next()?),
            "--stats" => args.stats = true,
            "--compile" => {
                args.compile = match given.next()?.as_str() {
                    "odd" => Some(is_odd),
                    "even" => Some(is_even),
                    _ => return None,
                }
            }
            _ => {
                args.file = arg;
                args.rest = given.collect();
                return Some(args);
            }
        }
    }
}

fn load<'c>(context: &'c Context, file: &str) -> Result<Module<'c>, String> {
    let bytes = std::fs::read(file).map_err(|e| format!("{file}: {e}"))?;
    let module = if file.ends_with(".ll") {
        let text = String::from_utf8(bytes).map_err(|e| format!("{file}: {e}"))?;
        Module::from_ir(context, file, &text)
    } else {
        Module::from_bitcode(context, file, &bytes)
    };
    let module = module.map_err(|e| format!("{file}: {e}"))?;
    module.verify().map_err(|e| format!("{file}: {e}"))?;
    Ok(module)
}

fn run(args: Args) -> Result<i32, String> {
    let start = std::time::Instant::now();
    let context = Context::new();
    let mut module = load(&context, &args.file)?;
    let options = Options {
        compile: args.compile,
        ..Options::default()
    };
    let image = Image::new(
        &mut module,
        &Cpu::detect(),
        std::sync::Arc::new(resolve),
        options,
    )
    .map_err(|e| format!("{}: {e}", args.file))?;
    if args.stats {
        let count = image.functions().count();
        eprintln!(
            "{count} functions decoded in {:.1} ms",
            start.elapsed().as_secs_f64() * 1e3
        );
        for u in image.unsupported() {
            eprintln!("compiled: {u}");
        }
    }
    if let Some(name) = &args.dump {
        let code = image
            .function(name)
            .and_then(|f| f.code())
            .ok_or(format!("no code of {name}"))?;
        print!("{}", code.dump());
        return Ok(0);
    }
    let mut argv: Vec<CString> = Vec::new();
    for a in std::iter::once(args.file).chain(args.rest) {
        argv.push(CString::new(a).map_err(|e| e.to_string())?);
    }
    let mut pointers: Vec<*const c_char> = argv.iter().map(|a| a.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let address = image.address("main").ok_or("the program has no main")?;
    type Main = extern "C" fn(c_int, *const *const c_char) -> c_int;
    // SAFETY: the address is that of the guest's main; a main with fewer parameters ignores the others.
    let main = unsafe { std::mem::transmute::<usize, Main>(address as usize) };
    let code = main(argv.len() as c_int, pointers.as_ptr());
    if args.stats {
        let mut hot: Vec<_> = image
            .functions()
            .map(|f| (f.back_edges() + f.calls(), f))
            .collect();
        hot.sort_by_key(|h| std::cmp::Reverse(h.0));
        for (_, f) in hot.iter().take(10).filter(|h| h.0 > 0) {
            eprintln!(
                "{:>12} calls {:>14} back edges  {}",
                f.calls(),
                f.back_edges(),
                f.name()
            );
        }
    }
    // SAFETY: ends the process as `main` returning would: buffers are written, exit handlers run.
    unsafe { exit(code) }
}

fn main() -> ExitCode {
    let Some(args) = arguments() else {
        eprintln!(
            "usage: exec [--dump FUNCTION] [--stats] [--compile even|odd] FILE.bc|.ll [ARGUMENTS]"
        );
        return ExitCode::from(2);
    };
    match run(args) {
        Ok(code) => ExitCode::from(code as u8),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
