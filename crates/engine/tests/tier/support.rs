//! Engines for small programs, guest functions called from Rust, and a gate that holds the compiler back.

use engine::profile::FunctionReport;
use engine::tier::{Config, Engine, Place, Thresholds};
use engine::trace::{EventKind, Outcome};
use engine::{Context, Cpu};
use llvm::Module;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Adds 7: a function that any tier runs in no time.
pub const ADD: &str = "define i64 @f(i64 %x) {\n %r = add i64 %x, 7\n ret i64 %r\n}\n";

/// Goes round `n` times: x = x * 5 + i, from 1 on.
pub const SPIN: &str = "
define i64 @spin(i64 %n) {
start:
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %i2, %loop ]
  %x = phi i64 [ 1, %start ], [ %x3, %loop ]
  %x2 = mul i64 %x, 5
  %x3 = add i64 %x2, %i
  %i2 = add i64 %i, 1
  %more = icmp slt i64 %i2, %n
  br i1 %more, label %loop, label %end
end:
  ret i64 %x3
}
";

/// What `spin` gives.
pub fn spun(n: i64) -> i64 {
    (0..n.max(1)).fold(1, |x: i64, i| x.wrapping_mul(5).wrapping_add(i))
}

/// A host function that tells its caller where it will return to.
#[unsafe(naked)]
pub extern "C" fn caller() -> usize {
    core::arch::naked_asm!("mov rax, [rsp]", "ret")
}

/// What unoptimised and optimised code calls for the division of 128-bit integers; the interpreter does not.
pub extern "C" fn divide(a: i128, b: i128) -> i128 {
    a.wrapping_div(b)
}

/// Host functions by name.
pub type Hosts<'h> = &'h [(&'h str, usize)];

/// Everything in the thread that asks.
pub fn at_once() -> Config {
    Config {
        compilers: 0,
        ..Config::default()
    }
}

/// A number that is never reached.
pub const NEVER: u64 = u64::MAX;

/// Thresholds of calls; loops count nothing.
pub fn calls(calls: [u64; 4]) -> Thresholds {
    Thresholds {
        calls,
        back_edges: [NEVER; 4],
    }
}

/// An engine for IR text whose outside symbols `find` gives.
pub fn start_with(
    ir: &str,
    config: Config,
    find: impl Fn(&str) -> Option<usize> + Send + Sync + 'static,
) -> Result<Engine, engine::Error> {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "test", ir).unwrap();
    module.verify().unwrap();
    Engine::start(&mut module, &Cpu::detect(), Arc::new(find), config)
}

/// An engine for IR text; the program also finds `memset` and `memcpy`.
pub fn start(ir: &str, config: Config, hosts: Hosts<'_>) -> Engine {
    let mut map: HashMap<String, usize> = HashMap::new();
    map.insert("memset".into(), libc::memset as *const () as usize);
    map.insert("memcpy".into(), libc::memcpy as *const () as usize);
    map.extend(hosts.iter().map(|(n, at)| ((*n).to_owned(), *at)));
    start_with(ir, config, move |name| map.get(name).copied()).unwrap()
}

/// IR of a C program, unoptimised.
pub fn c(source: &str) -> String {
    let mut clang = Command::new("clang-22")
        .args("-O0 -w -S -emit-llvm -ffp-contract=off -x c - -o -".split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("clang-22");
    let mut to = clang.stdin.take().unwrap();
    to.write_all(source.as_bytes()).unwrap();
    drop(to);
    let done = clang.wait_with_output().unwrap();
    assert!(done.status.success());
    String::from_utf8(done.stdout).unwrap()
}

/// Calls `name(i64) -> i64`.
pub fn call(engine: &Engine, name: &str, x: i64) -> i64 {
    let at = engine.address(name).unwrap();
    // SAFETY: tests name functions of this type.
    let f = unsafe { std::mem::transmute::<usize, extern "C" fn(i64) -> i64>(at) };
    engine.call(|| f(x))
}

/// What is known of a function.
pub fn report(engine: &Engine, name: &str) -> FunctionReport {
    let all = engine.report().functions;
    all.into_iter().find(|f| f.name == name).unwrap()
}

/// What happened to a function, in the order in which it was recorded.
pub fn events(engine: &Engine, name: &str) -> Vec<EventKind> {
    let id = report(engine, name).id;
    let all = engine.trace().events().into_iter().map(|e| e.kind);
    all.filter(|k| k.function() == Some(id)).collect()
}

/// Compiles of a function that were published.
pub fn compiles(engine: &Engine, name: &str) -> usize {
    let is = |k: &EventKind| {
        matches!(
            k,
            EventKind::Compile {
                outcome: Outcome::Published,
                ..
            }
        )
    };
    events(engine, name).iter().filter(|k| is(k)).count()
}

/// Symbol of the compiled code at an address; none if it is not the guest's.
pub fn place(engine: &Engine, address: usize) -> Option<String> {
    let mut found = None;
    engine.locate_code(address, false, &mut |place| {
        found = match place {
            Place::Compiled { function, .. } => Some(function.to_owned()),
            Place::Interpreted { .. } => None,
            Place::Replaced => Some("replaced".to_owned()),
        }
    });
    found
}

/// Waits until `done`; fails after so long that only a thing that never happens takes it.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until nothing is to be compiled.
pub fn settle(engine: &Engine) {
    until("the compiler is done", || !engine.is_compiling());
}

/// Code memory in use when it was last told.
pub fn code_memory(engine: &Engine) -> u64 {
    let bytes = |e: &engine::trace::Event| match e.kind {
        EventKind::CodeMemory { bytes } => Some(bytes),
        _ => None,
    };
    let events = engine.trace().events();
    events.iter().rev().find_map(bytes).unwrap()
}

/// A folder that goes away.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tier.{}.{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Names of the files.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let name = |e: std::io::Result<std::fs::DirEntry>| e.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|e| name(e).into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Text of a file.
    pub fn read(&self, file: &str) -> String {
        let path = self.0.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}: {:?}", self.files()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A door in the compiler's way: linking a unit that divides 128-bit integers waits until it is open.
#[derive(Default)]
pub struct Gate {
    /// Whether the compiler has come; whether it may pass.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

/// An engine whose compiler stands still at `held` until the gate is open.
pub struct Held {
    gate: Arc<Gate>,
    pub engine: Engine,
}

/// The function whose first compile stands at the gate: `held(x)` is x / 3.
pub const HELD: &str = "
@three = global i128 3
define i64 @held(i64 %x) {
  %wide = sext i64 %x to i128
  %three = load i128, ptr @three
  %q = sdiv i128 %wide, %three
  %r = trunc i128 %q to i64
  ret i64 %r
}
";

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        while !state.1 {
            state = self.changed.wait(state).unwrap();
        }
    }
}

impl Held {
    /// Starts, makes `held` hot, and waits until the compiler stands at the gate.
    pub fn start(ir: &str, config: Config) -> Held {
        let gate = Arc::new(Gate::default());
        let other = gate.clone();
        let engine = start_with(&format!("{ir}{HELD}"), config, move |name| {
            (name == "__divti3").then(|| {
                other.pass();
                divide as *const () as usize
            })
        });
        let held = Held {
            gate,
            engine: engine.unwrap(),
        };
        for x in 0..10 {
            assert_eq!(call(&held.engine, "held", x), x / 3);
        }
        until("the compiler stands at the gate", || {
            held.gate.state.lock().unwrap().0
        });
        held
    }

    /// Lets the compiler go on.
    pub fn open(&self) {
        self.gate.state.lock().unwrap().1 = true;
        self.gate.changed.notify_all();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open();
    }
}
