//! What polls and counters look like in IR and in machine code.

use crate::harness::{HIGH, LOW, body_of, machine};
use llvm::{CodegenLevel, Context, FileType, Jit, Module, PollLoop};

const SUM: &str = "
define i64 @f(i64 %n) {
entry:
  %z = icmp eq i64 %n, 0
  br i1 %z, label %exit, label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %head ]
  %s = phi i64 [ 0, %entry ], [ %t, %head ]
  %x = xor i64 %s, %i
  %t = mul i64 %x, 3
  %j = add i64 %i, 1
  %c = icmp ult i64 %j, %n
  br i1 %c, label %head, label %exit
exit:
  %r = phi i64 [ 0, %entry ], [ %t, %head ]
  ret i64 %r
}";

fn polled(module: &mut Module<'_>) {
    let loops: Vec<PollLoop> = module
        .osr_loops("f")
        .unwrap()
        .into_iter()
        .map(|l| PollLoop {
            header: l.header,
            id: 77,
            live: l.live,
            buffer_bytes: l.buffer_bytes,
            rounds: 1,
        })
        .collect();
    module.add_polls("f", &loops, "hook", 1000).unwrap();
    module.verify().unwrap();
}

/// Asserts that the parts stand in this order.
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => panic!("{part:?} is missing or out of place in\n{text}"),
        }
    }
}

#[test]
fn a_poll_costs_one_count() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", SUM).unwrap();
    polled(&mut module);
    let ir = module.to_ir();
    in_order(
        &ir,
        &[
            "%poll.countdown = alloca i32",
            "%poll.buffer = alloca [24 x i8], align 16",
            "%poll.result = alloca [8 x i8], align 16",
            "store i32 999, ptr %poll.countdown",
            "head:",
            "phi",
            "phi",
            "head.latch:",
            "load i32, ptr %poll.countdown",
            "!prof",
            "poll:",
            "call preserve_allcc ptr @hook(i64 77)",
            "store i32 999, ptr %poll.countdown",
            "poll.leave:",
            "store i64 %j, ptr",
            "store i64 %t, ptr",
            "(ptr %poll.buffer, ptr %poll.result)",
            "ret i64 %poll.value",
            "declare preserve_allcc ptr @hook(i64)",
            "cold nounwind",
            "!\"branch_weights\", i32 1, i32 2000",
        ],
    );
    // Optimised, the countdown is a register.
    module
        .run_passes("default<O1>", Some(&machine(LOW.level)))
        .unwrap();
    let ir = body_of(&module.to_ir(), "f");
    assert!(!ir.contains("countdown = alloca"), "{ir}");
    let m = machine(LOW.level);
    let assembly = String::from_utf8(m.emit(&mut module, FileType::Assembly).unwrap()).unwrap();
    assert!(
        assembly.contains("call") && assembly.contains("hook@PLT"),
        "{assembly}"
    );
}

#[test]
fn a_polled_loop_is_optimised_as_any_other() {
    let text = "
define void @f(ptr %out, ptr %limit, i64 %n) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %body ], [ %k, %skip ]
  %c = icmp ult i64 %i, %n
  br i1 %c, label %body, label %exit
body:
  %most = load i64, ptr %limit
  %j = add i64 %i, 1
  %d = icmp ult i64 %i, %most
  br i1 %d, label %skip, label %head
skip:
  %s = call i64 @pure(i64 %i)
  %k = add i64 %j, %s
  br label %head
exit:
  ret void
}
declare i64 @pure(i64) memory(none) nounwind willreturn";
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    polled(&mut module);
    module
        .run_passes(
            "function(sroa,instcombine,simplifycfg),function(loop-mssa(loop-rotate,licm))",
            None,
        )
        .unwrap();
    module.verify().unwrap();
    let ir = body_of(&module.to_ir(), "f");
    // What does not change in the loop is read before it, although the hook is called in it.
    let (before, after) = ir.split_once(" = phi ").unwrap();
    assert!(before.contains("load i64, ptr %limit"), "{ir}");
    assert!(!after.contains("load i64, ptr %limit"), "{ir}");
    // One test at its end beside the one before it, and one poll for both ways round.
    assert_eq!(ir.matches(", %n").count(), 2, "{ir}");
    assert_eq!(
        ir.matches("call preserve_allcc ptr @hook").count(),
        1,
        "{ir}"
    );
}

#[test]
fn rounds_count_as_many_as_they_stand_for() {
    for (rounds, polls) in [(1, 9), (7, 66), (1000, 999), (5000, 999)] {
        let context = Context::new();
        let mut module = Module::from_ir(&context, "m", SUM).unwrap();
        let l = module.osr_loops("f").unwrap().remove(0);
        let poll = PollLoop {
            header: l.header,
            id: 0,
            live: l.live,
            buffer_bytes: l.buffer_bytes,
            rounds,
        };
        module.add_polls("f", &[poll], "hook", 100).unwrap();
        let others = "@polls = global i64 0
define preserve_allcc ptr @hook(i64 %id) {
  %n = load i64, ptr @polls
  %m = add i64 %n, 1
  store i64 %m, ptr @polls
  ret ptr null
}";
        module
            .link(Module::from_ir(&context, "c", others).unwrap())
            .unwrap();
        let object = machine(LOW.level)
            .emit(&mut module, FileType::Object)
            .unwrap();
        let jit = Jit::new(machine(LOW.level)).unwrap();
        jit.add_object("test", &object).unwrap();
        let f = jit.lookup("f").unwrap();
        // SAFETY: compiled with this signature; the JIT is alive.
        let f: extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(f) };
        f(1000);
        let seen = jit.lookup("polls").unwrap() as *const u64;
        // SAFETY: a word, written by the call above only.
        let seen = unsafe { seen.read() };
        // It goes round 999 times, and polls every 100, 15, 1 and 1.
        assert_eq!(seen, polls);
    }
}

#[test]
fn debug_information_stays_valid() {
    let text = "
define i64 @f(i64 %n) !dbg !5 {
entry:
  %a = alloca i64
    #dbg_declare(ptr %a, !9, !DIExpression(), !10)
  store i64 0, ptr %a, !dbg !10
  br label %head, !dbg !10
head:
  %i = phi i64 [ 0, %entry ], [ %j, %head ]
    #dbg_value(i64 %i, !9, !DIExpression(), !10)
  %v = load i64, ptr %a, !dbg !10
  %w = add i64 %v, %i, !dbg !10
  store i64 %w, ptr %a, !dbg !10
  %j = add i64 %i, 1, !dbg !11
  %c = icmp ult i64 %j, %n, !dbg !11
  br i1 %c, label %head, label %exit, !dbg !11, !llvm.loop !12
exit:
  %r = load i64, ptr %a, !dbg !11
  ret i64 %r, !dbg !11
}
!llvm.dbg.cu = !{!0}
!llvm.module.flags = !{!3, !4}
!0 = distinct !DICompileUnit(language: DW_LANG_C99, file: !1, producer: \"x\", isOptimized: false, runtimeVersion: 0, emissionKind: FullDebug)
!1 = !DIFile(filename: \"a.c\", directory: \"/\")
!3 = !{i32 7, !\"Dwarf Version\", i32 4}
!4 = !{i32 2, !\"Debug Info Version\", i32 3}
!5 = distinct !DISubprogram(name: \"f\", scope: !1, file: !1, line: 1, type: !6, unit: !0, spFlags: DISPFlagDefinition)
!6 = !DISubroutineType(types: !7)
!7 = !{!8, !8}
!8 = !DIBasicType(name: \"long\", size: 64, encoding: DW_ATE_signed)
!9 = !DILocalVariable(name: \"a\", scope: !5, file: !1, line: 2, type: !8)
!10 = !DILocation(line: 2, column: 1, scope: !5)
!11 = !DILocation(line: 3, column: 1, scope: !5)
!12 = distinct !{!12, !10, !11}
";
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    let l = module.osr_loops("f").unwrap().remove(0);
    module.make_osr_entry("f", l.header, "g", &l.live).unwrap();
    polled(&mut module);
    module.add_entry_counter("f", "cell", "enough", 3).unwrap();
    module.verify().unwrap();
    let ir = module.to_ir();
    let f = body_of(&ir, "f");
    in_order(&f, &["#dbg_declare(ptr %a", "#dbg_value(i64 %i", "ret i64"]);
    assert!(
        f.lines()
            .filter(|l| l.contains("call "))
            .all(|l| l.contains("!dbg")),
        "{f}"
    );
    // The entry tells its lines, too, as a function of its own.
    let g = body_of(&ir, "g");
    let at = "!dbg !";
    let subprogram = |body: &str| body.split(at).nth(1)?.split(' ').next().map(str::to_owned);
    assert!(g.contains("ret void, !dbg !"), "{g}");
    assert_ne!(subprogram(&f), subprogram(&g), "{ir}");
    module
        .run_passes("default<O2>", Some(&machine(CodegenLevel::Default)))
        .unwrap();
    module.verify().unwrap();
    machine(CodegenLevel::Default)
        .emit(&mut module, FileType::Object)
        .unwrap();
}

#[test]
fn a_counter_is_one_instruction_and_a_jump() {
    let text = "
declare void @use(ptr)
define i64 @f(i64 %n) {
entry:
  %a = alloca i64
  store i64 %n, ptr %a
  %b = alloca [4 x i64]
  call void @use(ptr %a)
  call void @use(ptr %b)
  %r = load i64, ptr %a
  ret i64 %r
}";
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    module.add_entry_counter("f", "cell", "enough", 42).unwrap();
    module.verify().unwrap();
    let ir = module.to_ir();
    in_order(
        &ir,
        &[
            "@cell = external dso_local global i64, align 8",
            "%a = alloca",
            "%b = alloca",
            "load i64, ptr @cell",
            "store i64",
            "!prof",
            "call preserve_allcc void @enough(i64 42)",
            "call void @use(ptr %a)",
            "cold nounwind",
        ],
    );
    for tier in [LOW, HIGH] {
        let mut copy = module.duplicate();
        let m = machine(tier.level);
        copy.run_passes(tier.passes.unwrap(), Some(&m)).unwrap();
        let assembly = String::from_utf8(m.emit(&mut copy, FileType::Assembly).unwrap()).unwrap();
        in_order(&assembly, &["decq\tcell(%rip)", "je\t"]);
        assert_eq!(assembly.matches("cell(%rip)").count(), 1, "{assembly}");
        assert!(assembly.contains("enough@PLT"), "{assembly}");
    }
    // A second function shares the symbols.
    assert!(module.add_entry_counter("f", "cell", "enough", 43).is_ok());
    assert!(module.add_entry_counter("f", "use", "enough", 43).is_err());
    assert!(module.add_entry_counter("f", "cell", "use", 43).is_err());
    assert!(
        module
            .add_entry_counter("use", "cell", "enough", 43)
            .is_err()
    );
    module.verify().unwrap();
}

#[test]
fn preparing_frees_what_o0_ties() {
    let text = "
define i32 @a() noinline optnone nounwind { ret i32 1 }
define i32 @b() noinline { ret i32 2 }
define i32 @c() alwaysinline { ret i32 3 }";
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    module.prepare();
    let has = |f: &str, a: &str| module.function(f).unwrap().has_attribute(a);
    assert!(!has("a", "optnone") && !has("a", "noinline") && has("a", "nounwind"));
    assert!(has("b", "noinline"));
    assert!(has("c", "alwaysinline"));
}
