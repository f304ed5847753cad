//! Programs in, results out: every level agrees, and what does not fit is refused by name.

use engine::{
    Code, Context, Cpu, Error, HostSymbol, Level, Options, Program, Source, SourceKind, SymbolKind,
};
use formats::llbc;
use llvm::Module;
use std::cell::Cell;

const MIX: &str = include_str!("guests/mix.ll");

thread_local! {
    /// Bytes that the programs of this thread, which is one test's, have written.
    static WRITTEN: Cell<usize> = const { Cell::new(0) };
}

extern "C" fn console_write(_: *const u8, len: usize) {
    WRITTEN.set(WRITTEN.get() + len);
}

fn host() -> [HostSymbol; 1] {
    [HostSymbol {
        name: "bf_console_write",
        address: console_write as *const () as usize,
        kind: SymbolKind::Function,
    }]
}

fn offered(name: &str) -> bool {
    name == "bf_console_write"
}

fn ir(text: &str) -> Source<'_> {
    Source {
        name: "test.ll",
        kind: SourceKind::Ir(text),
    }
}

fn load<'c>(context: &'c Context, sources: &[Source<'_>]) -> Result<Program<'c>, Error> {
    Program::load(context, sources, &Cpu::detect(), 5, &offered, &mut |_| {})
}

fn code(sources: &[Source<'_>], options: &Options) -> Code {
    let context = Context::new();
    let program = load(&context, sources).unwrap();
    let compiled = engine::compile(program, &Cpu::detect(), options, &mut |_| {}).unwrap();
    Code::link(compiled, &host()).unwrap()
}

fn run(code: &Code) -> i32 {
    // SAFETY: test programs define the entry as `i32 ()`; `code` is alive.
    let f: extern "C" fn() -> i32 = unsafe { std::mem::transmute(code.entry()) };
    f()
}

/// Makes a container around IR, with the lists the bitcode really has.
fn container(name: &str, entry: Option<&str>, text: &str) -> Vec<u8> {
    let context = Context::new();
    let module = Module::from_ir(&context, name, text).unwrap();
    let (imports, exports) = (module.undefined_symbols(), module.defined_symbols());
    let refs = |v: &'_ [String]| v.iter().map(|s| s.to_string()).collect::<Vec<_>>();
    let (imports, exports) = (refs(&imports), refs(&exports));
    let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
    let exports: Vec<&str> = exports.iter().map(String::as_str).collect();
    llbc::encode(name, entry, &imports, &exports, &module.to_bitcode()).unwrap()
}

fn llbc_source<'a>(name: &'a str, bytes: &'a [u8]) -> Source<'a> {
    Source {
        name,
        kind: SourceKind::Llbc(bytes),
    }
}

#[test]
fn every_level_and_split_gives_the_same_result() {
    let before = WRITTEN.get();
    let mut results = Vec::new();
    for level in Level::ALL {
        for (cold, threads) in [
            (level, 1),
            (level, 2),
            (level, 5),
            (Level::O0, 1),
            (Level::O0, 3),
        ] {
            let options = Options {
                level,
                cold,
                threads,
                dump: false,
            };
            let code = code(&[ir(MIX)], &options);
            results.push(run(&code));
            assert_eq!(code.level(), level);
            let entry = code.symbols().find(code.entry()).unwrap();
            assert_eq!((entry.function, entry.offset), ("bf_main", 0));
        }
    }
    assert!(results.windows(2).all(|w| w[0] == w[1]), "{results:?}");
    assert_eq!(WRITTEN.get() - before, 6 * results.len());
}

#[test]
fn a_function_of_the_programs_own_goes_before_the_hosts_of_the_same_name() {
    let text = "
define void @bf_console_write(ptr %text, i64 %length) noinline {
  store i32 7, ptr %text
  ret void
}
define i32 @bf_main() {
  %x = alloca i32
  call void @bf_console_write(ptr %x, i64 4)
  %y = load i32, ptr %x
  ret i32 %y
}";
    for threads in [1, 2] {
        let options = Options {
            level: Level::O0,
            cold: Level::O0,
            threads,
            dump: false,
        };
        assert_eq!(run(&code(&[ir(text)], &options)), 7);
    }
}

#[test]
fn nameless_symbols_survive_the_split() {
    let text = "
@0 = private constant [2 x i32] [i32 40, i32 1]
@1 = private constant [2 x i32] [i32 1, i32 0]
define internal i32 @2(ptr %p) noinline {
  %x = load i32, ptr %p
  ret i32 %x
}
define internal i32 @3(ptr %p) noinline {
  %x = call i32 @2(ptr %p)
  %q = getelementptr i32, ptr %p, i64 1
  %y = load i32, ptr %q
  %z = add i32 %x, %y
  ret i32 %z
}
define i32 @bf_main() {
  %a = call i32 @3(ptr @0)
  %b = call i32 @3(ptr @1)
  %c = add i32 %a, %b
  ret i32 %c
}";
    for (level, cold) in [
        (Level::O0, Level::O0),
        (Level::O1, Level::O1),
        (Level::O2, Level::O0),
    ] {
        for threads in [1, 2, 4] {
            let options = Options {
                level,
                cold,
                threads,
                dump: false,
            };
            assert_eq!(run(&code(&[ir(text)], &options)), 42);
        }
    }
}

#[test]
fn o0_keeps_functions_findable_by_address() {
    let code = code(
        &[ir(MIX)],
        &Options {
            level: Level::O0,
            cold: Level::O0,
            threads: 2,
            dump: false,
        },
    );
    let names: Vec<&str> = code.symbols().iter().map(|s| s.2).collect();
    for name in ["bf_main", "twice", "square", "dot"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for (start, end, name) in code.symbols().iter() {
        assert_eq!(code.symbols().find(end - 1).unwrap().function, name);
        assert!(end > start);
    }
}

#[test]
fn modules_find_each_other() {
    let main = container(
        "main",
        Some("bf_main"),
        "declare i32 @part(i32)
         define i32 @bf_main() { %r = call i32 @part(i32 20)
         ret i32 %r }",
    );
    let part = container(
        "part",
        None,
        "define i32 @part(i32 %x) { %r = add i32 %x, 22\nret i32 %r }",
    );
    let sources = [
        llbc_source("main.llbc", &main),
        llbc_source("part.llbc", &part),
    ];
    assert_eq!(run(&code(&sources, &Options::default())), 42);
    let context = Context::new();
    let missing = load(&context, &sources[..1]).err().unwrap();
    assert_eq!(
        missing,
        Error::MissingImport {
            module: "main".into(),
            symbol: "part".into()
        }
    );
    assert!(missing.to_string().contains("needs part"), "{missing}");
    let twice = [sources[0], sources[1], sources[1]];
    assert!(matches!(
        load(&context, &twice),
        Err(Error::Duplicate { .. })
    ));
    let no_entry = load(&context, &sources[1..]).err().unwrap();
    assert!(matches!(no_entry, Error::NoEntry { .. }), "{no_entry}");
    let two = container("other", Some("start"), "define i32 @start() { ret i32 0 }");
    let both = [sources[0], sources[1], llbc_source("two.llbc", &two)];
    assert!(matches!(
        load(&context, &both),
        Err(Error::TwoEntries { .. })
    ));
    assert_eq!(load(&context, &[]).err(), Some(Error::Empty));
}

#[test]
fn lists_must_agree_with_the_bitcode() {
    let context = Context::new();
    let module = Module::from_ir(
        &context,
        "m",
        "declare i32 @part()\ndefine i32 @bf_main() { %r = call i32 @part()\nret i32 %r }",
    )
    .unwrap();
    let bitcode = module.to_bitcode();
    for (imports, exports) in [
        (vec![], vec!["bf_main"]),
        (vec!["part", "more"], vec!["bf_main"]),
        (vec!["part"], vec!["bf_main", "more"]),
    ] {
        let c = llbc::encode("m", Some("bf_main"), &imports, &exports, &bitcode).unwrap();
        let error = load(&context, &[llbc_source("m.llbc", &c)]).err().unwrap();
        assert!(matches!(error, Error::Lists { .. }), "{error}");
    }
}

#[test]
fn damaged_modules_are_refused_with_their_name() {
    let good = container(
        "main",
        Some("bf_main"),
        "define i32 @bf_main() { ret i32 0 }",
    );
    let context = Context::new();
    for n in (0..good.len()).step_by(7) {
        let error = load(&context, &[llbc_source("cut.llbc", &good[..n])])
            .err()
            .unwrap();
        assert!(
            error.to_string().starts_with("module cut.llbc: truncated"),
            "{error}"
        );
    }
    // The container is sound, the bitcode in it is not: cut and damaged at many places.
    let bitcode = llbc::parse(&good).unwrap().bitcode.to_vec();
    for n in 0..bitcode.len() {
        let c = llbc::encode("main", Some("bf_main"), &[], &["bf_main"], &bitcode[..n]).unwrap();
        let error = load(&context, &[llbc_source("cut.llbc", &c)])
            .err()
            .unwrap();
        assert!(matches!(error, Error::Module { .. }), "{n}: {error}");
    }
    let wrong = Module::from_ir(
        &context,
        "m",
        "target triple = \"aarch64-unknown-linux-gnu\"\ndefine i32 @bf_main() { ret i32 0 }",
    )
    .unwrap()
    .to_bitcode();
    let source = Source {
        name: "arm.bc",
        kind: SourceKind::Bitcode(&wrong),
    };
    assert!(matches!(
        load(&context, &[source]),
        Err(Error::Triple { .. })
    ));
}

#[test]
fn functions_for_other_processors_trap_and_the_guest_is_told() {
    let text = "
declare i64 @bf_cpu_features()
define i32 @bf_main() {
  %f = call i64 @bf_cpu_features()
  %wide = and i64 %f, 2
  %has = icmp ne i64 %wide, 0
  br i1 %has, label %y, label %n
y:
  %a = call i32 @fancy()
  ret i32 %a
n:
  ret i32 1
}
define internal i32 @fancy() #0 { ret i32 2 }
attributes #0 = { \"target-cpu\"=\"znver5\" \"target-features\"=\"+sse4.2,+avx2\" }";
    let names = [("sse2", 1), ("avx2", 2)];
    let result = |cpu: Cpu| {
        let context = Context::new();
        let program = Program::load(
            &context,
            &[ir(text)],
            &cpu,
            cpu.bits(&names),
            &offered,
            &mut |_| {},
        )
        .unwrap();
        let trapped = program.trapped().to_vec();
        let compiled = engine::compile(program, &cpu, &Options::default(), &mut |_| {}).unwrap();
        (run(&Code::link(compiled, &host()).unwrap()), trapped)
    };
    let cpu = Cpu::detect();
    assert_eq!(
        result(cpu.clone().without(&["avx2"])),
        (1, vec![("fancy".into(), "avx2".into())])
    );
    if cpu.has("avx2") {
        assert_eq!(result(cpu), (2, vec![]));
    }
}

#[test]
fn code_is_never_writable_and_executable() {
    let code = code(
        &[ir(MIX)],
        &Options {
            threads: 2,
            ..Options::default()
        },
    );
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut found = false;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        assert!(!(rights.contains('w') && rights.contains('x')), "{line}");
        let (start, end) = range.split_once('-').unwrap();
        let hex = |s| usize::from_str_radix(s, 16).unwrap();
        if (hex(start)..hex(end)).contains(&code.entry()) {
            assert_eq!(&rights[..3], "r-x", "{line}");
            found = true;
        }
    }
    assert!(found);
    run(&code);
}

#[test]
fn dumps_show_what_was_compiled() {
    let context = Context::new();
    let program = load(&context, &[ir(MIX)]).unwrap();
    assert!(program.to_ir().contains("@square"));
    let options = Options {
        dump: true,
        ..Options::default()
    };
    let compiled = engine::compile(program, &Cpu::detect(), &options, &mut |_| {}).unwrap();
    assert!(
        compiled
            .ir
            .as_ref()
            .unwrap()
            .contains("define i32 @bf_main")
    );
    assert!(compiled.assembly.as_ref().unwrap().contains("bf_main:"));
}
