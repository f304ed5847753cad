//! Runs a function with a jump at every poll there is, and compares memory afterwards.
//!
//! A program defines `@f`, anything, and `void @run(ptr %out)`, which calls it and writes what it returned to `out`.

use llvm::{
    CodegenLevel, Context, FileType, HostCpu, Jit, Module, PollLoop, SymbolKind, TargetMachine,
    keep,
};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

/// Bytes that `@run` may write.
pub const OUT: usize = 512;

thread_local! {
    /// Polls to come before the jump.
    static LEFT: Cell<u64> = const { Cell::new(0) };
    /// Polls seen.
    static SEEN: Cell<u64> = const { Cell::new(0) };
    /// Entries by loop.
    static ENTRIES: RefCell<HashMap<u64, usize>> = RefCell::new(HashMap::new());
}

extern "C" fn polled_here(id: u64) -> usize {
    SEEN.set(SEEN.get() + 1);
    let left = LEFT.get();
    LEFT.set(left.wrapping_sub(1));
    if left == 0 {
        ENTRIES.with_borrow(|e| e[&id])
    } else {
        0
    }
}

llvm::keeping!(hook calls polled_here, with_result);

pub fn machine(level: CodegenLevel) -> TargetMachine {
    TargetMachine::new("x86-64", &HostCpu::detect().feature_string(), level).unwrap()
}

/// How to compile.
#[derive(Debug, Clone, Copy)]
pub struct Tier {
    pub passes: Option<&'static str>,
    pub level: CodegenLevel,
}

pub const FAST: Tier = Tier {
    passes: None,
    level: CodegenLevel::None,
};
pub const LOW: Tier = Tier {
    passes: Some("default<O1>"),
    level: CodegenLevel::Less,
};
pub const HIGH: Tier = Tier {
    passes: Some("default<O3>"),
    level: CodegenLevel::Aggressive,
};

fn object(module: &mut Module<'_>, tier: Tier) -> Vec<u8> {
    module
        .verify()
        .unwrap_or_else(|e| panic!("{e}\n{}", module.to_ir()));
    let m = machine(tier.level);
    if let Some(passes) = tier.passes {
        module.run_passes(passes, Some(&m)).unwrap();
        module.verify().unwrap();
    }
    module.call_through_stubs();
    m.emit(module, FileType::Object).unwrap()
}

fn entry_name(header: u32) -> String {
    format!("f.osr.{header}")
}

/// A module with `@f` continued at each of its loops.
pub fn entries<'c>(context: &'c Context, text: &str) -> (Module<'c>, Vec<u32>) {
    let mut module = Module::from_ir(context, "osr", text).unwrap();
    module.verify().unwrap();
    let before = module.to_ir();
    let mut headers = Vec::new();
    for l in module.osr_loops("f").unwrap() {
        module
            .make_osr_entry("f", l.header, &entry_name(l.header), &l.live)
            .unwrap();
        headers.push(l.header);
    }
    module.verify().unwrap();
    let names: Vec<String> = headers.iter().map(|h| entry_name(*h)).collect();
    let part = module.extract(&names.iter().map(|n| &**n).collect(), &HashSet::new());
    // The original is untouched.
    let whole: HashSet<&str> = module_functions(&before).collect();
    for f in whole {
        let old = body_of(&before, f);
        assert_eq!(old, body_of(&module.to_ir(), f), "@{f} changed");
    }
    (part, headers)
}

fn module_functions(ir: &str) -> impl Iterator<Item = &str> {
    ir.lines()
        .filter(|l| l.starts_with("define "))
        .filter_map(|l| l.split_once('@')?.1.split_once('('))
        .map(|(name, _)| name)
}

/// Lines of a function in printed IR.
pub fn body_of(ir: &str, name: &str) -> String {
    let head = format!("@{name}(");
    ir.lines()
        .skip_while(|l| !(l.starts_with("define ") && l.contains(&head)))
        .take_while(|l| *l != "}")
        .map(|l| match l.rsplit_once(" #") {
            // Numbers of attribute groups depend on the rest of the module.
            Some((text, n)) if n.starts_with(|c: char| c.is_ascii_digit()) => {
                let rest = n.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{text}{rest}\n")
            }
            _ => format!("{l}\n"),
        })
        .collect()
}

/// A module with polls in all loops of `@f`.
pub fn polled<'c>(context: &'c Context, text: &str, interval: u32) -> Module<'c> {
    let mut module = Module::from_ir(context, "polled", text).unwrap();
    let loops: Vec<PollLoop> = module
        .osr_loops("f")
        .unwrap()
        .into_iter()
        .map(|l| PollLoop {
            header: l.header,
            id: l.header.into(),
            live: l.live,
            buffer_bytes: l.buffer_bytes,
            rounds: 1,
        })
        .collect();
    assert!(!loops.is_empty(), "no loops");
    module.add_polls("f", &loops, "hook", interval).unwrap();
    module
}

fn run(jit: &Jit, jump_after: u64) -> (Vec<u8>, u64) {
    let address = jit.lookup("run").unwrap();
    // SAFETY: compiled from text that defines it so; the JIT is alive.
    let run: extern "C" fn(*mut u8) = unsafe { std::mem::transmute(address) };
    // Whole words with an alignment for vectors.
    #[repr(align(64))]
    struct Out([u8; OUT]);
    let mut out = Out([0; OUT]);
    LEFT.set(jump_after);
    SEEN.set(0);
    run(out.0.as_mut_ptr());
    (out.0.to_vec(), SEEN.get())
}

fn jit(objects: &[Vec<u8>], symbols: &[(&str, usize)]) -> Jit {
    let jit = Jit::new(machine(CodegenLevel::Default)).unwrap();
    let mut all: Vec<_> = symbols
        .iter()
        .map(|(n, a)| (*n, *a, SymbolKind::Function))
        .collect();
    all.push(("hook", keep::address(hook), SymbolKind::Function));
    jit.define_absolute(&all).unwrap();
    for (i, o) in objects.iter().enumerate() {
        jit.add_object(&format!("unit{i}"), o).unwrap();
    }
    jit
}

/// Leaves `@f` at each poll in turn, between several pairs of tiers. Returns the number of polls of a whole run.
pub fn check_with(text: &str, symbols: &[(&str, usize)]) -> u64 {
    let context = Context::new();
    let mut plain = Module::from_ir(&context, "plain", text).unwrap();
    let plain = jit(&[object(&mut plain, FAST)], symbols);
    let (expected, none) = run(&plain, u64::MAX);
    assert_eq!(none, 0);
    let mut polls = 0;
    for (from, to) in [(FAST, FAST), (LOW, HIGH), (FAST, HIGH)] {
        let mut low = polled(&context, text, 1);
        let (mut high, headers) = entries(&context, text);
        let ir = high.to_ir();
        let jit = jit(&[object(&mut low, from), object(&mut high, to)], symbols);
        let table = headers
            .iter()
            .map(|h| (u64::from(*h), jit.lookup(&entry_name(*h)).unwrap()))
            .collect();
        ENTRIES.set(table);
        let (out, all) = run(&jit, u64::MAX);
        assert!(out == expected, "polls change the result");
        assert!(all > 0, "no poll");
        // Each of the first polls, then fewer and fewer.
        let mut at = 0;
        while at < all {
            let (out, seen) = run(&jit, at);
            assert!(
                out == expected,
                "jump at poll {at} of {all}, {from:?} to {to:?}\n{ir}"
            );
            assert!(seen > at);
            at += 1 + at / 40;
        }
        polls = all;
    }
    polls
}

pub fn check(text: &str) -> u64 {
    let layout = machine(CodegenLevel::None).data_layout();
    check_with(&format!("target datalayout = \"{layout}\"\n{text}"), &[])
}
