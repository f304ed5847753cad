//! Block counts become branch weights, and indirect calls direct ones: IR in, IR and results out.

use llvm::{CodegenLevel, Context, Error, FileType, HostCpu, Jit, Module, PollLoop, TargetMachine};

fn machine(level: CodegenLevel) -> TargetMachine {
    TargetMachine::new("x86-64", &HostCpu::detect().feature_string(), level).unwrap()
}

/// Compiles a module and looks a function up in it.
fn run(module: &mut Module<'_>, name: &str, level: CodegenLevel) -> (Jit, usize) {
    module.verify().unwrap();
    let object = machine(level).emit(module, FileType::Object).unwrap();
    let jit = Jit::new(machine(level)).unwrap();
    jit.add_object("test", &object).unwrap();
    let address = jit.lookup(name).unwrap();
    (jit, address)
}

/// Asserts that the lines of `parts` occur in `text` in this order.
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let Some(at) = rest.find(part) else {
            panic!("{part:?} is missing or out of order in\n{text}")
        };
        rest = &rest[at + part.len()..];
    }
}

/// The weights of the branch that ends the block `label`.
fn weights(ir: &str, label: &str) -> Option<Vec<u32>> {
    let start = ir.find(&format!("\n{label}:")).unwrap();
    let block = &ir[start..];
    let lines = block.lines().skip(2);
    let mut end = String::new();
    for line in lines {
        if line.is_empty() || line == "}" {
            break;
        }
        end = format!("{end}{line} ");
    }
    let node = end.split("!prof !").nth(1)?.split([' ', ',']).next()?;
    let line = ir.lines().find(|l| l.starts_with(&format!("!{node} = ")))?;
    Some(
        line.split("i32 ")
            .skip(1)
            .map(|w| w.split([',', '}']).next().unwrap().parse::<i32>().unwrap() as u32)
            .collect(),
    )
}

const LOOP: &str = "
define i64 @f(i64 %n) {
entry:
  %a = alloca i64
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %latch ]
  %odd = and i64 %i, 1
  %c = icmp eq i64 %odd, 0
  br i1 %c, label %even, label %latch
even:
  store i64 %i, ptr %a
  br label %latch
latch:
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, %n
  br i1 %done, label %exit, label %head
exit:
  ret i64 %next
}
";

#[test]
fn weights_follow_from_the_counts_of_blocks() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", LOOP).unwrap();
    // Ten calls of 1001 rounds each.
    module
        .annotate_profile("f", 10, &[10, 10_010, 5_010, 10_010, 10])
        .unwrap();
    module.verify().unwrap();
    let ir = module.to_ir();
    assert_eq!(weights(&ir, "head").unwrap(), [5_010, 5_000]);
    assert_eq!(weights(&ir, "latch").unwrap(), [10, 10_000]);
    in_order(
        &ir,
        &["define i64 @f", "!prof", "function_entry_count\", i64 10"],
    );
}

#[test]
fn what_never_ran_has_weight_zero_and_large_counts_are_scaled() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", LOOP).unwrap();
    let big = 1 << 40;
    module
        .annotate_profile("f", 1, &[1, big, 0, big, 1])
        .unwrap();
    let ir = module.to_ir();
    let head = weights(&ir, "head").unwrap();
    assert_eq!(head[0], 0);
    assert!(head[1] > 1 << 20, "{head:?}");
    // One exit in 2^40 rounds is rare, not impossible.
    let latch = weights(&ir, "latch").unwrap();
    assert_eq!(latch[0], 1);
    // Nothing ran: no weights, and never called.
    let mut module = Module::from_ir(&context, "m", LOOP).unwrap();
    module.annotate_profile("f", 0, &[0; 5]).unwrap();
    let ir = module.to_ir();
    assert_eq!(weights(&ir, "head"), None);
    in_order(&ir, &["function_entry_count\", i64 0"]);
    // Entered in the middle of the loop only.
    let mut module = Module::from_ir(&context, "m", LOOP).unwrap();
    module
        .annotate_profile("f", 0, &[0, 100, 7, 100, 1])
        .unwrap();
    in_order(&module.to_ir(), &["function_entry_count\", i64 1"]);
}

#[test]
fn switches_and_parallel_edges_get_weights() {
    let context = Context::new();
    let text = "
define i32 @f(i32 %x) {
entry:
  switch i32 %x, label %other [ i32 0, label %zero
                                i32 1, label %few
                                i32 2, label %few ]
zero:
  br label %end
few:
  br label %end
other:
  unreachable
end:
  ret i32 %x
}";
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    module
        .annotate_profile("f", 110, &[110, 10, 100, 0, 110])
        .unwrap();
    module.verify().unwrap();
    assert_eq!(weights(&module.to_ir(), "entry").unwrap(), [0, 10, 50, 50]);
}

#[test]
fn what_the_counts_leave_open_gets_no_weights() {
    let context = Context::new();
    // a and b may both go to x and y: 10 of 20 each is all that is known.
    let text = "
define i32 @f(i1 %p, i1 %q) {
entry:
  br i1 %p, label %a, label %b
a:
  br i1 %q, label %x, label %y
b:
  br i1 %q, label %y, label %x
x:
  ret i32 1
y:
  ret i32 2
}";
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    module
        .annotate_profile("f", 20, &[20, 10, 10, 10, 10])
        .unwrap();
    let ir = module.to_ir();
    assert_eq!(weights(&ir, "entry").unwrap(), [10, 10]);
    assert_eq!(weights(&ir, "a"), None);
    // Where y never ran, everything went to x.
    module
        .annotate_profile("f", 20, &[20, 10, 10, 20, 0])
        .unwrap();
    let ir = module.to_ir();
    assert_eq!(weights(&ir, "a").unwrap(), [10, 0]);
    assert_eq!(weights(&ir, "b").unwrap(), [0, 10]);
}

#[test]
fn counts_for_another_function_are_refused() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", LOOP).unwrap();
    let Err(Error::Transform { message, .. }) = module.annotate_profile("f", 1, &[1, 2]) else {
        panic!("took 2 counts for 5 blocks")
    };
    assert!(
        message.contains("2 blocks") && message.contains('5'),
        "{message}"
    );
    assert!(matches!(
        module.annotate_profile("g", 1, &[]),
        Err(Error::NoFunction { .. })
    ));
}

#[test]
fn blocks_count_themselves() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", LOOP).unwrap();
    module.count_blocks("f", "counters.f").unwrap();
    let definition = "@counters.f = global [5 x i64] zeroinitializer";
    module
        .link(Module::from_ir(&context, "c", definition).unwrap())
        .unwrap();
    let (jit, f) = run(&mut module, "f", CodegenLevel::None);
    // SAFETY: compiled with this signature; the JIT is alive.
    let f: extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(f) };
    assert_eq!(f(1001), 1001);
    assert_eq!(f(5), 5);
    let counters = jit.lookup("counters.f").unwrap() as *const [u64; 5];
    // SAFETY: an array of that size, written by the calls above only.
    assert_eq!(unsafe { counters.read() }, [2, 1006, 504, 1006, 2]);
}

#[test]
fn blocks_that_were_split_count_as_before() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", LOOP).unwrap();
    module.number_blocks("f").unwrap();
    let loops: Vec<PollLoop> = module
        .osr_loops("f")
        .unwrap()
        .into_iter()
        .map(|l| PollLoop {
            header: l.header,
            id: 0,
            live: l.live,
            buffer_bytes: l.buffer_bytes,
            rounds: 1,
        })
        .collect();
    assert!(!loops.is_empty());
    module.add_polls("f", &loops, "hook", 1 << 30).unwrap();
    module.count_blocks("f", "counters.f").unwrap();
    let ir = module.to_ir();
    assert!(!ir.contains("bareflow.block"), "{ir}");
    let others = "@counters.f = global [5 x i64] zeroinitializer
define preserve_allcc ptr @hook(i64 %id) {\n ret ptr null\n}";
    let others = Module::from_ir(&context, "c", others).unwrap();
    module.link(others).unwrap();
    let (jit, f) = run(&mut module, "f", CodegenLevel::None);
    // SAFETY: compiled with this signature; the JIT is alive.
    let f: extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(f) };
    assert_eq!((f(1001), f(5)), (1001, 5));
    let counters = jit.lookup("counters.f").unwrap() as *const [u64; 5];
    // SAFETY: an array of that size, written by the calls above only.
    assert_eq!(unsafe { counters.read() }, [2, 1006, 504, 1006, 2]);
}

#[test]
fn counters_do_not_replace_other_symbols() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", LOOP).unwrap();
    let before = module.to_ir();
    assert!(matches!(
        module.count_blocks("f", "f"),
        Err(Error::Transform { .. })
    ));
    assert_eq!(module.to_ir(), before);
}

#[test]
fn a_summary_makes_cold_blocks_cold() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", LOOP).unwrap();
    let counts = [10, 1_000_000, 0, 1_000_000, 10];
    module.annotate_profile("f", 10, &counts).unwrap();
    module.summarise_profile(&[10], &counts[1..]);
    module.verify().unwrap();
    in_order(
        &module.to_ir(),
        &["ProfileSummary", "InstrProf", "MaxCount", "1000000"],
    );
    module.mark_cold("f");
    assert!(module.function("f").unwrap().has_attribute("cold"));
}

const CALLS: &str = "
define i32 @twice(i32 %x) {
  %r = mul i32 %x, 2
  ret i32 %r
}
define i32 @square(i32 %x) {
  %r = mul i32 %x, %x
  ret i32 %r
}
define i32 @minus(i32 %x) {
  %r = sub i32 0, %x
  ret i32 %r
}
define i64 @other(i64 %x, i64 %y) {
  ret i64 %x
}
define fastcc i32 @fast(i32 %x) {
  ret i32 %x
}
define i32 @apply(ptr %g, ptr %h, i32 %x) {
entry:
  %d = call i32 @twice(i32 %x)
  %a = call i32 %g(i32 %d)
  %b = call i32 %h(i32 %a)
  ret i32 %b
}
define i32 @tail(ptr %g, i32 %x, i32 %y) {
entry:
  %r = musttail call i32 %g(ptr %g, i32 %x, i32 %y)
  ret i32 %r
}
define ptr @address(i32 %k) {
  %s = icmp eq i32 %k, 0
  %t = icmp eq i32 %k, 1
  %u = select i1 %t, ptr @square, ptr @minus
  %v = select i1 %s, ptr @twice, ptr %u
  ret ptr %v
}
";

#[test]
fn likely_targets_are_called_directly() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", CALLS).unwrap();
    let targets = [("twice", 70), ("other", 20), ("square", 5), ("fast", 1)];
    // `other` has another type, `fast` another calling convention.
    assert_eq!(module.promote_call("apply", 1, &targets, 100).unwrap(), 2);
    // Sites keep their numbers.
    assert_eq!(
        module.promote_call("apply", 0, &[("minus", 9)], 9).unwrap(),
        1
    );
    module.verify().unwrap();
    let ir = module.to_ir();
    let apply = &ir[ir.find("@apply").unwrap()..];
    in_order(
        apply,
        &[
            "call i32 @twice",
            "icmp eq ptr %g, @minus",
            "call i32 @minus",
            "call i32 %g(",
            "icmp eq ptr %h, @twice",
            "call i32 @twice",
            "icmp eq ptr %h, @square",
            "call i32 @square",
            "call i32 %h(",
            "!{!\"branch_weights\", i32 9, i32 0}",
            "!{!\"branch_weights\", i32 70, i32 30}",
            "!{!\"branch_weights\", i32 5, i32 25}",
        ],
    );
    module.run_passes("default<O2>", None).unwrap();
    let (jit, apply) = run(&mut module, "apply", CodegenLevel::Default);
    // SAFETY: compiled with this signature; the JIT is alive.
    let apply: extern "C" fn(usize, usize, i32) -> i32 = unsafe { std::mem::transmute(apply) };
    let address = jit.lookup("address").unwrap();
    // SAFETY: as above.
    let address: extern "C" fn(i32) -> usize = unsafe { std::mem::transmute(address) };
    let plain: [fn(i32) -> i32; 3] = [|x| x * 2, |x| x * x, |x| -x];
    for (g, first) in plain.iter().enumerate() {
        for (h, second) in plain.iter().enumerate() {
            let got = apply(address(g as i32), address(h as i32), 7);
            assert_eq!(got, second(first(14)), "{g} {h}");
        }
    }
}

#[test]
fn absent_callees_are_declared_and_tail_calls_stay() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", CALLS).unwrap();
    assert_eq!(module.promote_call("tail", 0, &[("far", 3)], 4).unwrap(), 1);
    module.verify().unwrap();
    let ir = module.to_ir();
    in_order(
        &ir,
        &["@tail", "musttail call i32 @far(", "musttail call i32 %g("],
    );
    let far = ir
        .lines()
        .find(|l| l.starts_with("declare i32 @far"))
        .unwrap();
    assert!(far.contains("(ptr, i32, i32)"), "{far}");
    assert!(ir.contains("nonlazybind"));
    // Nothing is declared for a target that cannot be called.
    let before = module.to_ir();
    assert_eq!(module.promote_call("apply", 0, &[("", 3)], 4).unwrap(), 0);
    assert_eq!(module.to_ir(), before);
    assert!(matches!(
        module.promote_call("apply", 2, &[("twice", 1)], 1),
        Err(Error::Transform { .. })
    ));
}
