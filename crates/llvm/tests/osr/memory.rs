//! Stack variables and other memory: what moves into the new frame, what is shared, what LLVM is told about it.

use crate::harness::{HIGH, body_of, check, entries, machine};
use llvm::{CodegenLevel, Context, Module, OsrValue};
use std::collections::HashSet;

/// A loop of `@f` that uses `%a`, a `[{words} x i64]`, and runs `more` on each trip.
fn with_variable(words: u32, head: &str, more: &str) -> String {
    format!(
        "
@cell = global ptr null
declare void @free(ptr)
declare noalias ptr @malloc(i64)
define void @look(ptr captures(none) %p) noinline {{
  %v = load i64, ptr %p
  %w = add i64 %v, 1
  store i64 %w, ptr %p
  ret void
}}
define i64 @f(i64 %n, ptr %q, ptr noalias nonnull align 8 dereferenceable(16) %r) noinline {{
entry:
  %a = alloca [{words} x i64], align 16
  store i64 1, ptr %a
  {head}
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %head ]
  %p = phi ptr [ %q, %entry ], [ %p1, %head ]
  %v = load i64, ptr %a
  {more}
  %x = load i64, ptr %p
  %s = add i64 %v, %x
  %t = mul i64 %s, 3
  store i64 %t, ptr %a
  %w = load i64, ptr %r
  store i64 %w, ptr %p
  %w1 = add i64 %w, %i
  store i64 %w1, ptr %r
  %p1 = getelementptr i64, ptr %p, i64 1
  %j = add i64 %i, 1
  %c = icmp ult i64 %j, %n
  br i1 %c, label %head, label %exit
exit:
  %l = load i64, ptr %a
  ret i64 %l
}}
define void @run(ptr %out) {{
  %other = getelementptr i8, ptr %out, i64 256
  store i64 6, ptr %other
  %r = call i64 @f(i64 9, ptr %out, ptr %other)
  %o = getelementptr i8, ptr %out, i64 128
  store i64 %r, ptr %o
  ret void
}}"
    )
}

/// IR of the only entry.
fn entry(text: &str) -> String {
    let context = Context::new();
    let layout = machine(CodegenLevel::None).data_layout();
    let (part, headers) = entries(
        &context,
        &format!("target datalayout = \"{layout}\"\n{text}"),
    );
    assert_eq!(headers.len(), 1);
    body_of(&part.to_ir(), &format!("f.osr.{}", headers[0]))
}

#[test]
fn small_variables_nobody_knows_move() {
    let text = with_variable(2, "", "call void @look(ptr %a)");
    let ir = entry(&text);
    assert!(ir.contains("alloca [2 x i64], align 16"), "{ir}");
    assert!(
        ir.contains("llvm.memcpy.p0.p0.i64(ptr align 16 %a, ptr align 1"),
        "{ir}"
    );
    check(&text);
}

#[test]
fn moved_variables_become_registers() {
    let context = Context::new();
    let layout = machine(CodegenLevel::None).data_layout();
    let text = with_variable(2, "", "");
    let (mut part, _) = entries(
        &context,
        &format!("target datalayout = \"{layout}\"\n{text}"),
    );
    part.run_passes(HIGH.passes.unwrap(), Some(&machine(HIGH.level)))
        .unwrap();
    let ir = body_of(&part.to_ir(), "f.osr.1");
    assert!(!ir.contains("alloca"), "{ir}");
    check(&text);
}

#[test]
fn what_others_know_stays() {
    for (head, more) in [
        // Its address is in memory.
        ("store ptr %a, ptr @cell", ""),
        // A pointer into it lives across the header.
        (
            "%inner = getelementptr i64, ptr %a, i64 1\n  %k = load i64, ptr %q\n  %z = icmp eq i64 %k, 5\n  %pick = select i1 %z, ptr %inner, ptr %q",
            "store i64 %i, ptr %pick",
        ),
        // How it compares with another is known.
        (
            "%before = icmp ult ptr %a, %q",
            "%after = icmp ult ptr %a, %p\n  %same = icmp eq i1 %before, %after\n  %w9 = zext i1 %same to i64\n  store i64 %w9, ptr %a",
        ),
        // As a number.
        (
            "%address = ptrtoint ptr %a to i64\n  store i64 %address, ptr @cell",
            "",
        ),
    ] {
        let text = with_variable(2, head, more);
        let ir = entry(&text);
        assert!(!ir.contains("alloca"), "{ir}");
        assert!(ir.contains("%a = load ptr, ptr"), "{ir}");
        assert!(ir.contains("!dereferenceable"), "{ir}");
        check(&text);
    }
}

#[test]
fn large_variables_stay_apart() {
    let text = with_variable(10_000, "", "call void @look(ptr %a)");
    let ir = entry(&text);
    assert!(!ir.contains("alloca"), "{ir}");
    let line = |what: &str| {
        let all: Vec<&str> = ir.lines().filter(|l| l.contains(what)).collect();
        assert_eq!(all.len(), 1, "{what}: {ir}");
        all[0].to_owned()
    };
    // %a and %r are apart from each other and from %p.
    assert!(line("store i64 %t, ptr %a").contains("!alias.scope"));
    assert!(line("store i64 %t, ptr %a").contains("!noalias"));
    assert!(line("%x = load i64, ptr %p").contains("!noalias"));
    assert!(!line("%x = load i64, ptr %p").contains("!alias.scope"));
    assert!(line("call void @look").contains("!noalias"));
    check(&text);
}

#[test]
fn memory_from_an_allocator_is_apart() {
    let text = with_variable(
        2,
        "%m = call noalias ptr @malloc(i64 64)\n  store i64 4, ptr %m",
        "%h = getelementptr i64, ptr %m, i64 0\n  %hv = load i64, ptr %h\n  %h1 = add i64 %hv, %i\n  store i64 %h1, ptr %h\n  store i64 %h1, ptr %a",
    )
    .replace("  ret i64 %l", "  call void @free(ptr %m)\n  ret i64 %l");
    let ir = entry(&text);
    assert!(
        ir.lines()
            .any(|l| l.contains("store i64 %h1, ptr %h,") && l.contains("!alias.scope")),
        "{ir}"
    );
    let extra = "
@heap = global [64 x i8] zeroinitializer, align 16
define noalias ptr @malloc(i64 %n) noinline { ret ptr @heap }
define void @free(ptr %p) noinline { ret void }";
    let text = text.replace(
        "declare void @free(ptr)\ndeclare noalias ptr @malloc(i64)",
        extra,
    );
    check(&text);
}

#[test]
fn promises_about_parameters_hold_on() {
    let ir = entry(&with_variable(2, "", ""));
    let line = ir.lines().find(|l| l.contains("%r = load ptr")).unwrap();
    for promise in ["!noundef", "!nonnull", "!align", "!dereferenceable"] {
        assert!(line.contains(promise), "{line}");
    }
}

#[test]
fn a_parameter_by_value_moves() {
    let context = Context::new();
    let text = "
%pair = type { i64, i64 }
define i64 @f(ptr byval(%pair) align 8 %p, i64 %n) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %head ]
  %a = load i64, ptr %p
  %b = add i64 %a, %i
  store i64 %b, ptr %p
  %j = add i64 %i, 1
  %c = icmp ult i64 %j, %n
  br i1 %c, label %head, label %exit
exit:
  ret i64 %b
}";
    let (part, _) = entries(&context, text);
    let ir = part.to_ir();
    assert!(ir.contains("alloca %pair, align 8"), "{ir}");
}

#[test]
fn what_the_list_leaves_out_is_computed() {
    let context = Context::new();
    let text = "
define i64 @f(ptr %p, i64 %k) {
entry:
  %q = getelementptr [4 x i64], ptr %p, i64 %k, i64 2
  %k2 = shl i64 %k, 3
  %big = icmp ugt i64 %k2, 100
  %d = udiv i64 %k2, %k
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %head ]
  %v = load i64, ptr %q
  %w = add i64 %v, %d
  store i64 %w, ptr %q
  %j = add i64 %i, 1
  %c = icmp ult i64 %j, %k2
  br i1 %c, label %head, label %exit
exit:
  %z = zext i1 %big to i64
  ret i64 %z
}";
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    // The parameters and the phi.
    let few = [(0, 0), (1, 8), (7, 16)].map(|(value, offset)| OsrValue { value, offset });
    module.make_osr_entry("f", 1, "g", &few).unwrap();
    module.verify().unwrap();
    let ir = body_of(&module.to_ir(), "g");
    for made in [
        "getelementptr [4 x i64], ptr %p",
        "shl i64 %k, 3",
        "icmp ugt",
        "udiv",
    ] {
        assert!(ir.contains(made), "{made}: {ir}");
    }
    let part = module.extract(&HashSet::from(["g"]), &HashSet::new());
    part.verify().unwrap();
}

/// A table that is read in a loop; `more` runs before it.
fn with_table(more: &str) -> String {
    format!(
        "
@table = constant [4 x i32] [i32 3, i32 1, i32 4, i32 1], align 16
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define i32 @f(i32 %n) noinline {{
entry:
  %t = alloca [4 x i32], align 16
  call void @llvm.memcpy.p0.p0.i64(ptr align 16 %t, ptr align 16 @table, i64 16, i1 false)
  {more}
  br label %head
head:
  %i = phi i32 [ 0, %entry ], [ %j, %head ]
  %s = phi i32 [ 7, %entry ], [ %s1, %head ]
  %k = and i32 %i, 3
  %p = getelementptr [4 x i32], ptr %t, i64 0, i32 %k
  %v = load i32, ptr %p
  %m = mul i32 %s, 10
  %s1 = add i32 %m, %v
  %j = add i32 %i, 1
  %c = icmp ult i32 %j, %n
  br i1 %c, label %head, label %exit
exit:
  ret i32 %s1
}}
define void @run(ptr %out) {{
  %r = call i32 @f(i32 9)
  store i32 %r, ptr %out
  ret void
}}"
    )
}

#[test]
fn a_table_nobody_changes_is_the_constant_itself() {
    let text = with_table("");
    let ir = entry(&text);
    assert!(ir.contains("ptr @table, i64 0, i32 %k"), "{ir}");
    assert!(!ir.contains("memcpy"), "{ir}");
    check(&text);
    for changed in [
        "%q = getelementptr i32, ptr %t, i64 2\n  store i32 9, ptr %q",
        "call void @llvm.memcpy.p0.p0.i64(ptr align 16 %t, ptr align 16 @table, i64 16, i1 false)",
        "%q = getelementptr i32, ptr %t, i64 1\n  call void @llvm.memcpy.p0.p0.i64(ptr %q, ptr @table, i64 8, i1 false)",
    ] {
        let text = with_table(changed);
        let ir = entry(&text);
        assert!(!ir.contains("ptr @table, i64 0, i32 %k"), "{ir}");
        check(&text);
    }
}
