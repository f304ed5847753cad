//! Loops of every form, with values of every type.

use crate::harness::{body_of, check, entries, machine};
use llvm::{CodegenLevel, Context};

/// A loop that carries a value `%s` of the type, updated by `step` (from `%s` to `%t`, with the counter `%i` of type i64),
/// beside a value of the type that is only read after the loop.
fn carried(ty: &str, first: &str, step: &str) {
    check(&format!(
        "
define {ty} @f(i64 %n, {ty} %first, ptr %other) noinline {{
entry:
  %late = load {ty}, ptr %other, align 1
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %head ]
  %s = phi {ty} [ %first, %entry ], [ %t, %head ]
  {step}
  %j = add i64 %i, 1
  %c = icmp ult i64 %j, %n
  br i1 %c, label %head, label %exit
exit:
  store {ty} %late, ptr %other, align 1
  ret {ty} %t
}}
define void @run(ptr %out) {{
  %other = getelementptr i8, ptr %out, i64 64
  store {ty} {first}, ptr %other, align 1
  %r = call {ty} @f(i64 7, {ty} {first}, ptr %other)
  store {ty} %r, ptr %out, align 1
  ret void
}}"
    ));
}

#[test]
fn integers_of_every_width() {
    for w in [1, 2, 8, 16, 32, 37, 63, 64, 65, 100, 127, 128] {
        let ty = format!("i{w}");
        let odd = if w == 1 { "1" } else { "-3" };
        carried(
            &ty,
            odd,
            &format!("%m = mul {ty} %s, {odd}\n  %t = xor {ty} %m, 1"),
        );
    }
}

#[test]
fn floats() {
    for ty in ["half", "float", "double"] {
        carried(ty, "1.5", &format!("%t = fadd {ty} %s, 2.0"));
    }
    carried(
        "bfloat",
        "1.5",
        "%b = bitcast bfloat %s to i16\n  %k = add i16 %b, 3\n  %t = bitcast i16 %k to bfloat",
    );
}

#[test]
fn vectors() {
    carried(
        "<4 x i32>",
        "<i32 1, i32 -2, i32 3, i32 4>",
        "%t = mul <4 x i32> %s, <i32 3, i32 5, i32 7, i32 9>",
    );
    carried(
        "<8 x i1>",
        "<i1 1, i1 0, i1 1, i1 1, i1 0, i1 0, i1 1, i1 0>",
        "%r = shufflevector <8 x i1> %s, <8 x i1> %s, <8 x i32> <i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 0>
  %t = xor <8 x i1> %r, <i1 1, i1 0, i1 0, i1 0, i1 0, i1 0, i1 0, i1 0>",
    );
    carried(
        "<3 x float>",
        "<float 1.0, float 2.0, float 3.0>",
        "%t = fadd <3 x float> %s, <float 0.5, float 0.25, float 4.0>",
    );
    carried(
        "<3 x i8>",
        "<i8 1, i8 2, i8 3>",
        "%t = mul <3 x i8> %s, <i8 3, i8 5, i8 7>",
    );
    carried(
        "<16 x i16>",
        "splat (i16 77)",
        "%t = mul <16 x i16> %s, splat (i16 3)",
    );
    carried(
        "<2 x double>",
        "<double 1.0, double 2.0>",
        "%t = fadd <2 x double> %s, <double 0.5, double 0.25>",
    );
    carried(
        "<2 x i128>",
        "<i128 1, i128 -2>",
        "%t = mul <2 x i128> %s, <i128 3, i128 -5>",
    );
    carried("<1 x i64>", "<i64 5>", "%t = mul <1 x i64> %s, <i64 3>");
}

#[test]
fn aggregates() {
    carried(
        "{ i8, i64, float }",
        "{ i8 1, i64 2, float 3.0 }",
        "%a = extractvalue { i8, i64, float } %s, 0
  %b = extractvalue { i8, i64, float } %s, 1
  %d = add i64 %b, 11
  %e = add i8 %a, 3
  %u = insertvalue { i8, i64, float } %s, i64 %d, 1
  %t = insertvalue { i8, i64, float } %u, i8 %e, 0",
    );
    carried(
        "[3 x i16]",
        "[i16 1, i16 2, i16 3]",
        "%a = extractvalue [3 x i16] %s, 2
  %b = mul i16 %a, 5
  %t = insertvalue [3 x i16] %s, i16 %b, 2",
    );
}

#[test]
fn pointers_into_stack_variables() {
    // One variable that is only indexed, one to which a pointer is carried, one that escapes.
    check(
        "
@cell = global ptr null
define i64 @f(i64 %n) noinline {
entry:
  %a = alloca [16 x i32], align 16
  %b = alloca [16 x i64]
  %e = alloca i64
  %z = alloca i8, i64 5
  store ptr %e, ptr @cell
  store i64 1, ptr %e
  store i64 0, ptr %b
  store i8 9, ptr %z
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  %p = phi ptr [ %b, %entry ], [ %q, %body ]
  %c = icmp ult i64 %i, %n
  br i1 %c, label %body, label %exit
body:
  %slot = getelementptr [16 x i32], ptr %a, i64 0, i64 %i
  %k = trunc i64 %i to i32
  %k3 = mul i32 %k, 3
  store i32 %k3, ptr %slot
  %v = load i64, ptr %p
  %v1 = add i64 %v, %i
  %q = getelementptr i64, ptr %p, i64 1
  store i64 %v1, ptr %q
  %same = load ptr, ptr @cell
  %x = load i64, ptr %same
  %y = mul i64 %x, 3
  store i64 %y, ptr %same
  %zv = load i8, ptr %z
  %zw = add i8 %zv, 7
  store i8 %zw, ptr %z
  %j = add i64 %i, 1
  br label %head
exit:
  %l = getelementptr i32, ptr %a, i64 5
  %l5 = load i32, ptr %l
  %w = zext i32 %l5 to i64
  %last = load i64, ptr %p
  %ev = load i64, ptr %e
  %zz = load i8, ptr %z
  %zx = zext i8 %zz to i64
  %s1 = add i64 %w, %last
  %s2 = mul i64 %s1, %ev
  %s3 = add i64 %s2, %zx
  ret i64 %s3
}
define void @run(ptr %out) {
  %r = call i64 @f(i64 12)
  store i64 %r, ptr %out
  ret void
}",
    );
}

#[test]
fn nests_of_three() {
    // Values defined before, in, and after each loop, read everywhere.
    let polls = check(
        "
define i64 @f(i64 %n, i64 %seed) noinline {
entry:
  %k = mul i64 %seed, 31
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i1, %outer.end ]
  %s = phi i64 [ %seed, %entry ], [ %s3, %outer.end ]
  %a = mul i64 %i, %k
  %ci = icmp ult i64 %i, %n
  br i1 %ci, label %middle, label %exit
middle:
  %j = phi i64 [ 0, %outer ], [ %j1, %middle.end ]
  %t = phi i64 [ %s, %outer ], [ %t3, %middle.end ]
  %b = xor i64 %a, %j
  br label %inner
inner:
  %l = phi i64 [ 0, %middle ], [ %l1, %inner.body ]
  %u = phi i64 [ %t, %middle ], [ %u2, %inner.body ]
  %cl = icmp ult i64 %l, 5
  br i1 %cl, label %inner.body, label %middle.end
inner.body:
  %u1 = add i64 %u, %b
  %u2 = xor i64 %u1, %l
  %l1 = add i64 %l, 1
  br label %inner
middle.end:
  %t3 = add i64 %u, %a
  %j1 = add i64 %j, 1
  %cj = icmp ult i64 %j1, 4
  br i1 %cj, label %middle, label %outer.end
outer.end:
  %s2 = mul i64 %t3, 7
  %s3 = add i64 %s2, %b
  %i1 = add i64 %i, 1
  br label %outer
exit:
  %r = add i64 %s, %k
  ret i64 %r
}
define void @run(ptr %out) {
  %r = call i64 @f(i64 3, i64 12345)
  store i64 %r, ptr %out
  ret void
}",
    );
    assert_eq!(polls, 3 + 3 * 3 + 3 * 4 * 5);
}

#[test]
fn several_exits() {
    check(
        "
define i32 @f(i32 %n, i32 %stop) noinline {
entry:
  br label %outer
outer:
  %o = phi i32 [ 0, %entry ], [ %o1, %next ], [ %o2, %skip ]
  %sum = phi i32 [ 0, %entry ], [ %sum1, %next ], [ %sum2, %skip ]
  %co = icmp ult i32 %o, %n
  br i1 %co, label %head, label %done
head:
  %i = phi i32 [ 0, %outer ], [ %i1, %tail ]
  %x = phi i32 [ %sum, %outer ], [ %x1, %tail ]
  %c = icmp ult i32 %i, 10
  br i1 %c, label %body, label %next
body:
  %x1 = add i32 %x, %i
  %m = urem i32 %x1, 7
  %z = icmp eq i32 %m, 3
  br i1 %z, label %skip, label %more
more:
  %y = icmp eq i32 %x1, %stop
  br i1 %y, label %found, label %tail
tail:
  %i1 = add i32 %i, 1
  br label %head
next:
  %sum1 = add i32 %x, 1000
  %o1 = add i32 %o, 1
  br label %outer
skip:
  %sum2 = add i32 %x1, %i
  %o2 = add i32 %o, 2
  br label %outer
found:
  %f = mul i32 %o, 100
  %g = add i32 %f, %i
  ret i32 %g
done:
  ret i32 %sum
}
define void @run(ptr %out) {
  %a = call i32 @f(i32 20, i32 100000)
  store i32 %a, ptr %out
  %p = getelementptr i32, ptr %out, i64 1
  %b = call i32 @f(i32 20, i32 38)
  store i32 %b, ptr %p
  ret void
}",
    );
}

#[test]
fn two_ways_into_a_loop() {
    // Neither %a nor %b dominates the other: not a natural loop.
    check(
        "
define i32 @f(i32 %n, i1 %way) noinline {
entry:
  br i1 %way, label %a, label %b
a:
  %x = phi i32 [ 0, %entry ], [ %y2, %b.end ]
  %x1 = add i32 %x, 3
  br label %b
b:
  %y = phi i32 [ 1, %entry ], [ %x1, %a ], [ %y1, %b.end ]
  %turn = phi i32 [ 0, %entry ], [ %n, %a ], [ %t1, %b.end ]
  %y1 = mul i32 %y, 5
  %t1 = add i32 %turn, 1
  br label %b.end
b.end:
  %y2 = xor i32 %y1, 9
  %long = icmp ugt i32 %t1, 40
  %bits = and i32 %y1, 3
  %m = select i1 %long, i32 2, i32 %bits
  switch i32 %m, label %a [ i32 1, label %b
                            i32 2, label %exit ]
exit:
  %r = add i32 %y2, %t1
  ret i32 %r
}
define void @run(ptr %out) {
  %a = call i32 @f(i32 20, i1 true)
  store i32 %a, ptr %out
  %p = getelementptr i32, ptr %out, i64 1
  %b = call i32 @f(i32 20, i1 false)
  store i32 %b, ptr %p
  ret void
}",
    );
}

#[test]
fn a_switch_machine() {
    // Several cases with the same target: one edge each.
    check(
        "
@code = constant [12 x i8] c\"\\00\\01\\02\\03\\01\\04\\00\\05\\02\\01\\03\\06\"
define i64 @f(i64 %x) noinline {
entry:
  br label %fetch
fetch:
  %pc = phi i64 [ 0, %entry ], [ %pc1, %add ], [ %pc1, %mul ], [ %pc1, %mul ], [ %pc1, %neg ], [ %pc1, %fetch ]
  %acc = phi i64 [ %x, %entry ], [ %acc1, %add ], [ %acc2, %mul ], [ %acc2, %mul ], [ %acc3, %neg ], [ %acc, %fetch ]
  %p = getelementptr [12 x i8], ptr @code, i64 0, i64 %pc
  %op = load i8, ptr %p
  %pc1 = add i64 %pc, 1
  switch i8 %op, label %fetch [ i8 0, label %add
                                i8 1, label %mul
                                i8 2, label %neg
                                i8 3, label %mul
                                i8 6, label %halt ]
add:
  %acc1 = add i64 %acc, %x
  br label %fetch
mul:
  %acc2 = mul i64 %acc, 3
  %odd = and i64 %acc2, 1
  %is = icmp eq i64 %odd, 0
  br i1 %is, label %fetch, label %fetch
neg:
  %acc3 = sub i64 0, %acc
  br label %fetch
halt:
  %r = add i64 %acc, %pc1
  ret i64 %r
}
define void @run(ptr %out) {
  %r = call i64 @f(i64 11)
  store i64 %r, ptr %out
  ret void
}",
    );
}

#[test]
fn values_only_read_after_the_loop() {
    check(
        "
define { i64, double } @f(i64 %n, ptr %p, double %d) noinline {
entry:
  %before = load i64, ptr %p
  %root = fmul double %d, %d
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %head ]
  %x = mul i64 %i, %i
  %y = add i64 %x, 5
  store i64 %y, ptr %p
  %j = add i64 %i, 1
  %c = icmp eq i64 %j, %n
  br i1 %c, label %exit, label %head
exit:
  %s = add i64 %before, %x
  %a = insertvalue { i64, double } poison, i64 %s, 0
  %b = insertvalue { i64, double } %a, double %root, 1
  ret { i64, double } %b
}
define void @run(ptr %out) {
  %p = getelementptr i8, ptr %out, i64 64
  store i64 77, ptr %p
  %r = call { i64, double } @f(i64 9, ptr %p, double 2.5)
  store { i64, double } %r, ptr %out
  ret void
}",
    );
}

#[test]
fn recursion_goes_through_the_function_itself() {
    // The inner activations poll too, and leave before or after the outer one.
    check(
        "
define void @f(ptr %p, i32 %depth) noinline {
entry:
  br label %head
head:
  %i = phi i32 [ 0, %entry ], [ %j, %next ]
  %v = load i32, ptr %p
  %w = mul i32 %v, 3
  %x = add i32 %w, %i
  store i32 %x, ptr %p
  %more = icmp ugt i32 %depth, 0
  br i1 %more, label %call, label %next
call:
  %d = sub i32 %depth, 1
  call void @f(ptr %p, i32 %d)
  br label %next
next:
  %j = add i32 %i, 1
  %c = icmp ult i32 %j, 3
  br i1 %c, label %head, label %exit
exit:
  ret void
}
define void @run(ptr %out) {
  store i32 1, ptr %out
  call void @f(ptr %out, i32 3)
  ret void
}",
    );
}

#[test]
fn parameters_by_value_and_results_by_reference() {
    check(
        "
%pair = type { i64, i64, i64 }
define void @f(ptr sret(%pair) align 8 %r, ptr byval(%pair) align 8 %p, i64 %n) noinline {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %head ]
  %a = load i64, ptr %p
  %b = add i64 %a, %i
  store i64 %b, ptr %p
  store i64 %b, ptr %r
  %j = add i64 %i, 1
  %c = icmp ult i64 %j, %n
  br i1 %c, label %head, label %exit
exit:
  %q = getelementptr i64, ptr %r, i64 1
  store i64 %n, ptr %q
  ret void
}
define void @run(ptr %out) {
  %p = alloca %pair
  store i64 5, ptr %p
  call void @f(ptr sret(%pair) align 8 %out, ptr byval(%pair) align 8 %p, i64 6)
  %same = load i64, ptr %p
  %o = getelementptr i64, ptr %out, i64 4
  store i64 %same, ptr %o
  ret void
}",
    );
}

#[test]
fn stack_that_grows_in_the_loop() {
    check(
        "
declare ptr @llvm.stacksave.p0()
declare void @llvm.stackrestore.p0(ptr)
define i64 @f(i64 %n) noinline {
entry:
  %size = add i64 %n, 1
  %vla = alloca i64, i64 %size
  store i64 3, ptr %vla
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %head ]
  %saved = call ptr @llvm.stacksave.p0()
  %inner = alloca i64, i64 %size
  store i64 %i, ptr %inner
  %x = load i64, ptr %vla
  %k = load i64, ptr %inner
  %y = mul i64 %x, 3
  %z = add i64 %y, %k
  store i64 %z, ptr %vla
  call void @llvm.stackrestore.p0(ptr %saved)
  %j = add i64 %i, 1
  %c = icmp ult i64 %j, %n
  br i1 %c, label %head, label %exit
exit:
  %r = load i64, ptr %vla
  ret i64 %r
}
define void @run(ptr %out) {
  %r = call i64 @f(i64 9)
  store i64 %r, ptr %out
  ret void
}",
    );
}

#[test]
fn variables_with_lifetimes() {
    check(
        "
declare void @llvm.lifetime.start.p0(ptr)
declare void @llvm.lifetime.end.p0(ptr)
declare void @llvm.assume(i1)
define void @keep(ptr %p) noinline {
  %v = load i64, ptr %p
  %w = add i64 %v, 1
  store i64 %w, ptr %p
  ret void
}
define i64 @f(i64 %n, ptr %q) noinline {
entry:
  %a = alloca i64
  %b = alloca i64
  call void @llvm.lifetime.start.p0(ptr %a)
  store i64 5, ptr %a
  %first = load i64, ptr %q
  %pos = icmp ugt i64 %first, 0
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %j, %head ]
  call void @llvm.assume(i1 %pos)
  call void @llvm.lifetime.start.p0(ptr %b)
  %av = load i64, ptr %a
  %s = add i64 %av, %i
  store i64 %s, ptr %b
  call void @keep(ptr %b)
  %bv = load i64, ptr %b
  call void @llvm.lifetime.end.p0(ptr %b)
  store i64 %bv, ptr %a
  %j = add i64 %i, 1
  %c = icmp ult i64 %j, %n
  br i1 %c, label %head, label %exit
exit:
  %r = load i64, ptr %a
  call void @llvm.lifetime.end.p0(ptr %a)
  ret i64 %r
}
define void @run(ptr %out) {
  store i64 1, ptr %out
  %r = call i64 @f(i64 9, ptr %out)
  store i64 %r, ptr %out
  ret void
}",
    );
}

#[test]
fn values_made_in_one_trip_and_read_in_the_next() {
    // %u of the middle loop is read only after it, in the rest of the outer trip, where the innermost loop was entered.
    check(
        "
define i64 @f(i64 %n, i64 %x) noinline {
entry:
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i1, %outer.end ]
  %s = phi i64 [ %x, %entry ], [ %s1, %outer.end ]
  %ci = icmp ult i64 %i, 3
  br i1 %ci, label %middle, label %exit
middle:
  %j = phi i64 [ 0, %outer ], [ %j1, %middle.end ]
  %u = phi i64 [ %s, %outer ], [ %v, %middle.end ]
  %cj = icmp ult i64 %j, 3
  br i1 %cj, label %inner, label %outer.end
inner:
  %k = phi i64 [ 0, %middle ], [ %k1, %inner.body ]
  %v = phi i64 [ 5, %middle ], [ %w, %inner.body ]
  %ck = icmp ult i64 %k, %n
  br i1 %ck, label %inner.body, label %middle.end
inner.body:
  %w0 = mul i64 %v, 3
  %w = xor i64 %w0, %i
  %k1 = add i64 %k, 1
  br label %inner
middle.end:
  %j1 = add i64 %j, 1
  br label %middle
outer.end:
  %s1 = add i64 %u, %s
  %i1 = add i64 %i, 1
  br label %outer
exit:
  ret i64 %s
}
define void @run(ptr %out) {
  %r = call i64 @f(i64 4, i64 9)
  store i64 %r, ptr %out
  ret void
}",
    );
}

#[test]
fn stack_that_is_given_back_after_the_loop() {
    // Saved before the outer loop and on each of its trips; the header of the inner loop is between save and restore.
    check(
        "
declare ptr @llvm.stacksave.p0()
declare void @llvm.stackrestore.p0(ptr)
define void @keep(ptr %p) noinline {
  store i64 7, ptr %p
  ret void
}
define i64 @f(i64 %n) noinline {
entry:
  %first = call ptr @llvm.stacksave.p0()
  %vla = alloca i64, i64 %n
  store i64 3, ptr %vla
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i1, %outer.end ]
  %saved = call ptr @llvm.stacksave.p0()
  %words = add i64 %n, 100
  %mine = alloca i64, i64 %words
  call void @keep(ptr %mine)
  br label %inner
inner:
  %k = phi i64 [ 0, %outer ], [ %k1, %inner ]
  %x = load i64, ptr %mine
  %y = load i64, ptr %vla
  %z = mul i64 %x, %y
  %z1 = xor i64 %z, %k
  store i64 %z1, ptr %vla
  %more = alloca i64, i64 %words
  call void @keep(ptr %more)
  %k1 = add i64 %k, 1
  %ck = icmp ult i64 %k1, 5
  br i1 %ck, label %inner, label %outer.end
outer.end:
  call void @llvm.stackrestore.p0(ptr %saved)
  %i1 = add i64 %i, 1
  %ci = icmp ult i64 %i1, 4
  br i1 %ci, label %outer, label %exit
exit:
  %r = load i64, ptr %vla
  call void @llvm.stackrestore.p0(ptr %first)
  ret i64 %r
}
define void @run(ptr %out) {
  %r = call i64 @f(i64 9)
  store i64 %r, ptr %out
  ret void
}",
    );
}

#[test]
fn loops_keep_one_way_in_whichever_is_entered() {
    // The first of two loops in a third, then one in two. A loop with two ways in is neither unrolled nor widened.
    let text = "
define i64 @f(i64 %n) noinline {
entry:
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i1, %outer.end ]
  %s = phi i64 [ 1, %entry ], [ %w, %outer.end ]
  br label %first
first:
  %j = phi i64 [ 0, %outer ], [ %j1, %first ]
  %t = phi i64 [ %s, %outer ], [ %t1, %first ]
  %t1 = mul i64 %t, 3
  %j1 = add i64 %j, 1
  %cj = icmp ult i64 %j1, 4
  br i1 %cj, label %first, label %second
second:
  %k = phi i64 [ 0, %first ], [ %k1, %second.end ]
  %u = phi i64 [ %t1, %first ], [ %w, %second.end ]
  br label %inner
inner:
  %l = phi i64 [ %k, %second ], [ %l1, %inner ]
  %v = phi i64 [ %u, %second ], [ %w, %inner ]
  %w = xor i64 %v, %l
  %l1 = add i64 %l, 1
  %cl = icmp ult i64 %l1, 6
  br i1 %cl, label %inner, label %second.end
second.end:
  %k1 = add i64 %k, 1
  %ck = icmp ult i64 %k1, 3
  br i1 %ck, label %second, label %outer.end
outer.end:
  %i1 = add i64 %i, 1
  %ci = icmp ult i64 %i1, %n
  br i1 %ci, label %outer, label %exit
exit:
  ret i64 %w
}
define void @run(ptr %out) {
  %r = call i64 @f(i64 4)
  store i64 %r, ptr %out
  ret void
}";
    check(text);
    let context = Context::new();
    let layout = machine(CodegenLevel::None).data_layout();
    let text = format!("target datalayout = \"{layout}\"\n{text}");
    let (module, headers) = entries(&context, &text);
    assert_eq!(headers.len(), 4);
    let ir = module.to_ir();
    for header in headers {
        let body = body_of(&ir, &format!("f.osr.{header}"));
        let ways: Vec<usize> = body
            .lines()
            .filter_map(|l| Some(l.split_once(" = phi ")?.1.matches('[').count()))
            .collect();
        assert!(!ways.is_empty() && ways.iter().all(|n| *n == 2), "{body}");
    }
}
