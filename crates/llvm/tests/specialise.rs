//! Functions specialised for what they are called with: what the optimiser makes of them, and what they return.

use llvm::{
    CodegenLevel, Context, Error, FileType, HostCpu, Jit, Known, Module, TargetMachine, Variant,
};

fn machine(level: CodegenLevel) -> TargetMachine {
    TargetMachine::new("x86-64", &HostCpu::detect().feature_string(), level).unwrap()
}

/// A unit linked with counters, compiled at a level.
struct Unit {
    jit: Jit,
    /// IR before code generation.
    ir: String,
}

impl Unit {
    fn new<'c>(mut module: Module<'c>, context: &'c Context, pipeline: &str) -> Unit {
        module.verify().unwrap();
        let counters = "@misses = global i64 0\n@hits = global [4 x i64] zeroinitializer";
        let m = machine(CodegenLevel::Default);
        if !pipeline.is_empty() {
            module.run_passes(pipeline, Some(&m)).unwrap();
        }
        let ir = module.to_ir();
        let counters = Module::from_ir(context, "counters", counters).unwrap();
        // An array of another length has another type: only its address is linked.
        module.link(counters).unwrap();
        module.verify().unwrap();
        let object = m.emit(&mut module, FileType::Object).unwrap();
        let jit = Jit::new(machine(CodegenLevel::Default)).unwrap();
        jit.add_object("unit", &object).unwrap();
        Unit { jit, ir }
    }

    fn address(&self, name: &str) -> usize {
        self.jit.lookup(name).unwrap()
    }

    fn misses(&self) -> u64 {
        // SAFETY: the address of an `i64` of the unit.
        unsafe { (self.address("misses") as *const u64).read_volatile() }
    }

    fn hits(&self) -> [u64; 4] {
        // SAFETY: the address of a `[4 x i64]` of the unit.
        unsafe { (self.address("hits") as *const [u64; 4]).read_volatile() }
    }
}

/// The text of a function's definition; empty if there is none.
fn definition<'t>(ir: &'t str, name: &str) -> &'t str {
    let wanted = format!("@{name}(");
    let mut at = 0;
    for line in ir.split_inclusive('\n') {
        if line.starts_with("define ") && line.contains(&wanted) {
            let rest = &ir[at..];
            return &rest[..rest.find("\n}").unwrap()];
        }
        at += line.len();
    }
    ""
}

fn one(known: Vec<(u32, Known)>) -> Vec<Variant> {
    vec![Variant { known, count: 9 }]
}

/// `out[i][j] += a[i][k] * b[k][j]` over n x n matrices of float.
const MATMUL: &str = "
define void @matmul(ptr noalias noundef %out, ptr noundef %a, ptr noundef %b, i64 noundef %n) {
entry:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %exit, label %rows
rows:
  %i = phi i64 [ 0, %entry ], [ %i.next, %rows.end ]
  %row = mul i64 %i, %n
  br label %mids
mids:
  %k = phi i64 [ 0, %rows ], [ %k.next, %mids.end ]
  %ak = add i64 %row, %k
  %ap = getelementptr float, ptr %a, i64 %ak
  %av = load float, ptr %ap, align 4
  %brow = mul i64 %k, %n
  br label %cols
cols:
  %j = phi i64 [ 0, %mids ], [ %j.next, %cols ]
  %bj = add i64 %brow, %j
  %bp = getelementptr float, ptr %b, i64 %bj
  %bv = load float, ptr %bp, align 4
  %oj = add i64 %row, %j
  %op = getelementptr float, ptr %out, i64 %oj
  %ov = load float, ptr %op, align 4
  %m = fmul float %av, %bv
  %s = fadd float %ov, %m
  store float %s, ptr %op, align 4
  %j.next = add nuw i64 %j, 1
  %j.end = icmp eq i64 %j.next, %n
  br i1 %j.end, label %mids.end, label %cols
mids.end:
  %k.next = add nuw i64 %k, 1
  %k.end = icmp eq i64 %k.next, %n
  br i1 %k.end, label %rows.end, label %mids
rows.end:
  %i.next = add nuw i64 %i, 1
  %i.end = icmp eq i64 %i.next, %n
  br i1 %i.end, label %exit, label %rows
exit:
  ret void
}
";

#[test]
fn a_matrix_product_of_constant_size_loses_its_checks() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", MATMUL).unwrap();
    let known = vec![
        (3, Known::Int(16)),
        (0, Known::Align(32)),
        (1, Known::Align(32)),
        (2, Known::Align(32)),
    ];
    module
        .specialise("matmul", &one(known), 10, "misses", None)
        .unwrap();
    let unit = Unit::new(module, &context, "default<O3>");
    let fast = definition(&unit.ir, "matmul");
    // The variant has become part of the function; all its loads are vectors that are known to be aligned.
    assert_eq!(definition(&unit.ir, "matmul.spec.0"), "");
    assert!(
        !fast.contains("vector.memcheck") && !fast.contains("scalar.ph"),
        "{fast}"
    );
    let aligned = |line: &str| line.contains("align 32");
    let mut vectors = fast.lines().filter(|l| l.contains("= load <"));
    assert!(
        vectors.clone().count() > 0 && vectors.all(aligned),
        "{fast}"
    );
    // Only the guard looks at n.
    let compares = fast.matches("%n").count();
    assert!(compares <= 3, "{compares} uses of the size\n{fast}");
    // The general body is there, out of line.
    assert!(definition(&unit.ir, "matmul.generic").contains("%n"));

    // SAFETY: compiled with this signature; the JIT is alive.
    let matmul: extern "C" fn(*mut f32, *const f32, *const f32, u64) =
        unsafe { std::mem::transmute(unit.address("matmul")) };
    #[repr(align(64))]
    struct Matrix([f32; 400]);
    for (n, shift, misses) in [
        (16, 0, 0),
        (16, 1, 1),
        (0, 0, 2),
        (7, 0, 3),
        (17, 3, 4),
        (16, 0, 4),
    ] {
        let (mut a, mut b, mut out) = (Matrix([0.0; 400]), Matrix([0.0; 400]), Matrix([0.5; 400]));
        for i in 0..400 {
            a.0[i] = (i % 13) as f32;
            b.0[i] = (i % 7) as f32;
        }
        let mut expected = out.0;
        for i in 0..n {
            for k in 0..n {
                for j in 0..n {
                    expected[shift + i * n + j] += a.0[shift + i * n + k] * b.0[shift + k * n + j];
                }
            }
        }
        matmul(
            out.0[shift..].as_mut_ptr(),
            a.0[shift..].as_ptr(),
            b.0[shift..].as_ptr(),
            n as u64,
        );
        assert_eq!(out.0, expected, "{n} {shift}");
        assert_eq!(unit.misses(), misses, "{n} {shift}");
    }
}

const COPY: &str = "
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define ptr @copy(ptr returned %to, ptr %from, i64 %n) {
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %n, i1 false)
  ret ptr %to
}
";

#[test]
fn copies_of_constant_size_need_no_call() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", COPY).unwrap();
    let variants: Vec<Variant> = [(64, 5), (8, 90), (256, 3)]
        .into_iter()
        .map(|(n, count)| Variant {
            known: vec![(2, Known::Int(n))],
            count,
        })
        .collect();
    module
        .specialise("copy", &variants, 100, "misses", Some("hits"))
        .unwrap();
    module.verify().unwrap();
    let ir = module.to_ir();
    // The most frequent size is asked for first.
    let dispatcher = definition(&ir, "copy");
    let at = |text: &str| {
        dispatcher
            .find(text)
            .unwrap_or_else(|| panic!("{text}\n{dispatcher}"))
    };
    assert!(at(", 8\n") < at(", 64\n") && at(", 64\n") < at(", 256\n"));
    assert!(
        ir.contains("!{!\"branch_weights\", i32 90, i32 10}"),
        "{ir}"
    );
    assert!(ir.contains("!{!\"branch_weights\", i32 5, i32 5}"), "{ir}");
    assert!(ir.contains("!{!\"branch_weights\", i32 3, i32 2}"), "{ir}");
    let ir = ir.replace("[3 x i64]", "[4 x i64]");
    let module = Module::from_ir(&context, "m", &ir).unwrap();
    let unit = Unit::new(module, &context, "default<O3>");
    // SAFETY: compiled with this signature; the JIT is alive.
    let copy: extern "C" fn(*mut u8, *const u8, u64) -> *mut u8 =
        unsafe { std::mem::transmute(unit.address("copy")) };
    let from: Vec<u8> = (0..=255).cycle().skip(1).take(300).collect();
    for n in [0_usize, 1, 8, 64, 65, 256, 300, 8, 8] {
        let mut to = vec![0; 300];
        let start = to.as_mut_ptr();
        assert_eq!(copy(start, from.as_ptr(), n as u64), start);
        assert_eq!(to[..n], from[..n]);
        assert!(to[n..].iter().all(|b| *b == 0));
    }
    assert_eq!(unit.misses(), 4);
    assert_eq!(unit.hits(), [1, 3, 1, 0]);
    // Only the general copy calls memcpy with a size that varies.
    for line in unit
        .ir
        .lines()
        .filter(|l| l.contains("@llvm.memcpy") && l.contains("i64 %"))
    {
        assert!(
            definition(&unit.ir, "copy.generic").contains(line),
            "{line}\n{}",
            unit.ir
        );
    }
}

/// Insertion sort of i32 with a comparator, as qsort has it.
const SORT: &str = "
define i32 @ascending(ptr %a, ptr %b) {
  %x = load i32, ptr %a, align 4
  %y = load i32, ptr %b, align 4
  %lt = icmp slt i32 %x, %y
  %gt = icmp sgt i32 %x, %y
  %l = sext i1 %lt to i32
  %g = zext i1 %gt to i32
  %r = or i32 %l, %g
  ret i32 %r
}
define i32 @descending(ptr %a, ptr %b) {
  %r = call i32 @ascending(ptr %b, ptr %a)
  ret i32 %r
}
define ptr @comparator(i32 %k) {
  %c = icmp eq i32 %k, 0
  %f = select i1 %c, ptr @ascending, ptr @descending
  ret ptr %f
}
define void @sort(ptr %v, i64 %n, ptr %less) {
entry:
  %slot = alloca i32
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %placed ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %take, label %exit
take:
  %p = getelementptr i32, ptr %v, i64 %i
  %x = load i32, ptr %p, align 4
  store i32 %x, ptr %slot, align 4
  br label %inner
inner:
  %j = phi i64 [ %i, %take ], [ %j.prev, %shift ]
  %left = icmp ugt i64 %j, 0
  br i1 %left, label %compare, label %placed
compare:
  %j.prev = add i64 %j, -1
  %q = getelementptr i32, ptr %v, i64 %j.prev
  %c = call i32 %less(ptr %slot, ptr %q)
  %smaller = icmp slt i32 %c, 0
  br i1 %smaller, label %shift, label %placed
shift:
  %y = load i32, ptr %q, align 4
  %d = getelementptr i32, ptr %v, i64 %j
  store i32 %y, ptr %d, align 4
  br label %inner
placed:
  %at = phi i64 [ %j, %inner ], [ %j, %compare ]
  %e = getelementptr i32, ptr %v, i64 %at
  store i32 %x, ptr %e, align 4
  %i.next = add i64 %i, 1
  br label %outer
exit:
  ret void
}
";

#[test]
fn a_constant_comparator_is_inlined() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", SORT).unwrap();
    let known = vec![(2, Known::Function("ascending".into()))];
    module
        .specialise("sort", &one(known), 10, "misses", None)
        .unwrap();
    let unit = Unit::new(module, &context, "default<O3>");
    let fast = definition(&unit.ir, "sort");
    assert!(!fast.contains("call i32"), "{fast}");
    assert!(definition(&unit.ir, "sort.generic").contains("call i32 %less("));
    // SAFETY: compiled with these signatures; the JIT is alive.
    let sort: extern "C" fn(*mut i32, u64, usize) =
        unsafe { std::mem::transmute(unit.address("sort")) };
    // SAFETY: as above.
    let comparator: extern "C" fn(i32) -> usize =
        unsafe { std::mem::transmute(unit.address("comparator")) };
    for k in [0, 1, 0] {
        let mut v: Vec<i32> = (0..100).map(|i| (i * 37) % 101 - 50).collect();
        let mut expected = v.clone();
        expected.sort_unstable();
        if k == 1 {
            expected.reverse();
        }
        sort(v.as_mut_ptr(), 100, comparator(k));
        assert_eq!(v, expected);
    }
    assert_eq!(unit.misses(), 1);
}

#[test]
fn absent_functions_are_declared_as_they_are_called() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", SORT).unwrap();
    let known = vec![(2, Known::Function("far".into()))];
    module
        .specialise("sort", &one(known), 10, "misses", None)
        .unwrap();
    module.verify().unwrap();
    let ir = module.to_ir();
    assert!(ir.contains("declare i32 @far(ptr, ptr)"), "{ir}");
    assert!(ir.contains("nonlazybind"));
    assert!(
        definition(&ir, "sort.spec.0").contains("call i32 @far("),
        "{ir}"
    );
}

/// Recursion in tail position and otherwise, and a parameter that is on the stack.
const DEEP: &str = "
define i64 @sum(i64 %n, i64 %acc, i64 %a, i64 %b, i64 %c, i64 %step) {
entry:
  %done = icmp eq i64 %n, 0
  br i1 %done, label %exit, label %more
more:
  %m = sub i64 %n, %step
  %t = add i64 %acc, %c
  %r = tail call i64 @sum(i64 %m, i64 %t, i64 %b, i64 %c, i64 %a, i64 %step)
  ret i64 %r
exit:
  ret i64 %acc
}
define i64 @eight(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h) {
entry:
  %done = icmp eq i64 %a, 0
  br i1 %done, label %exit, label %more
more:
  %m = sub i64 %a, %h
  %r = call i64 @eight(i64 %m, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %b, i64 %h)
  ret i64 %r
exit:
  %s = mul i64 %b, 10
  %t = add i64 %s, %g
  ret i64 %t
}
define i64 @fib(i64 %n, i64 %one) {
entry:
  %small = icmp ule i64 %n, %one
  br i1 %small, label %leaf, label %inner
leaf:
  ret i64 %n
inner:
  %x = sub i64 %n, %one
  %fx = call i64 @fib(i64 %x, i64 %one)
  %y = sub i64 %x, %one
  %fy = call i64 @fib(i64 %y, i64 %one)
  %f = add i64 %fx, %fy
  ret i64 %f
}
";

#[test]
fn recursion_goes_through_the_dispatcher() {
    for pipeline in ["", "default<O1>", "default<O3>"] {
        let context = Context::new();
        let mut module = Module::from_ir(&context, "m", DEEP).unwrap();
        let variants = vec![
            Variant {
                known: vec![(5, Known::Int(1)), (4, Known::Int(3))],
                count: 2,
            },
            Variant {
                known: vec![(4, Known::Int(5))],
                count: 7,
            },
        ];
        module
            .specialise("sum", &variants, 10, "misses", None)
            .unwrap();
        let known = vec![(7, Known::Int(1)), (3, Known::Int(4))];
        module
            .specialise("eight", &one(known), 10, "misses", None)
            .unwrap();
        module
            .specialise("fib", &one(vec![(1, Known::Int(1))]), 10, "misses", None)
            .unwrap();
        let unit = Unit::new(module, &context, pipeline);
        type Sum = extern "C" fn(u64, u64, u64, u64, u64, u64) -> u64;
        type Eight = extern "C" fn(u64, u64, u64, u64, u64, u64, u64, u64) -> u64;
        // SAFETY: compiled with this signature; the JIT is alive.
        let sum: Sum = unsafe { std::mem::transmute(unit.address("sum")) };
        // SAFETY: as above.
        let eight: Eight = unsafe { std::mem::transmute(unit.address("eight")) };
        // SAFETY: as above.
        let fib: extern "C" fn(u64, u64) -> u64 =
            unsafe { std::mem::transmute(unit.address("fib")) };
        // Nine million calls deep: only jumps can do that.
        assert_eq!(sum(9_000_000, 0, 1, 3, 5, 1), 27_000_000, "{pipeline}");
        assert_eq!(sum(18, 7, 1, 3, 5, 3), 25, "{pipeline}");
        assert_eq!(eight(1000, 1, 2, 3, 4, 5, 6, 1), 54, "{pipeline}");
        assert_eq!(eight(60, 1, 2, 3, 4, 5, 6, 6), 54, "{pipeline}");
        assert_eq!(fib(20, 1), 6765, "{pipeline}");
        let misses = unit.misses();
        assert_eq!(fib(20, 2), plain_fib(20, 2), "{pipeline}");
        assert!(unit.misses() > misses, "{pipeline}");
    }
}

fn plain_fib(n: u64, one: u64) -> u64 {
    if n <= one {
        n
    } else {
        let x = n - one;
        plain_fib(x, one) + plain_fib(x.wrapping_sub(one), one)
    }
}

#[test]
fn values_in_memory_and_wide_ones_pass_unharmed() {
    let context = Context::new();
    let text = "
%big = type { i64, i64, i64, i64 }
define void @f(ptr sret(%big) align 8 %out, ptr byval(%big) align 8 %in, i32 signext %n, double %d, i128 %w, <4 x float> %v, ptr %p) {
  %a = load i64, ptr %in
  store i64 1, ptr %in
  %x = sext i32 %n to i64
  %s = add i64 %a, %x
  store i64 %s, ptr %out
  %o1 = getelementptr i8, ptr %out, i64 8
  store double %d, ptr %o1
  %o2 = getelementptr i8, ptr %out, i64 16
  %t = trunc i128 %w to i64
  store i64 %t, ptr %o2
  %o3 = getelementptr i8, ptr %out, i64 24
  %e = extractelement <4 x float> %v, i32 2
  store float %e, ptr %o3
  %null = icmp eq ptr %p, null
  %z = select i1 %null, i32 1, i32 0
  %o4 = getelementptr i8, ptr %out, i64 28
  store i32 %z, ptr %o4
  ret void
}
define i64 @main(i32 %n, ptr %p, ptr %r) {
  %in = alloca %big
  store i64 100, ptr %in
  call void @f(ptr sret(%big) align 8 %r, ptr byval(%big) align 8 %in, i32 signext %n, double 2.5, i128 77, <4 x float> <float 0.0, float 1.0, float 2.0, float 3.0>, ptr %p)
  %same = load i64, ptr %in
  ret i64 %same
}";
    for pipeline in ["", "default<O3>"] {
        let mut module = Module::from_ir(&context, "m", text).unwrap();
        let variants = vec![
            Variant {
                known: vec![(2, Known::Int(0xffff_fffe))],
                count: 7,
            },
            Variant {
                known: vec![(6, Known::Int(0)), (0, Known::Align(16))],
                count: 3,
            },
        ];
        module
            .specialise("f", &variants, 10, "misses", None)
            .unwrap();
        // The function's own callers would see through it.
        let unit = Unit::new(module, &context, pipeline);
        // SAFETY: compiled with this signature; the JIT is alive.
        let main: extern "C" fn(i32, usize, *mut u64) -> u64 =
            unsafe { std::mem::transmute(unit.address("main")) };
        #[repr(align(16))]
        struct Out([u64; 4]);
        for (n, p) in [(-2, 0), (5, 0), (-2, 8), (6, 16)] {
            let mut out = Out([0; 4]);
            assert_eq!(main(n, p, out.0.as_mut_ptr()), 100);
            let last = u64::from(2.0_f32.to_bits()) | u64::from(p == 0) << 32;
            assert_eq!(
                out.0,
                [(100 + n) as u64, 2.5_f64.to_bits(), 77, last],
                "{n} {p}"
            );
        }
        assert_eq!(unit.misses(), 1);
    }
}

#[test]
fn an_address_stays_the_callers() {
    // If the variant took the number for the address, LLVM would see a store to another object.
    let context = Context::new();
    let text = "
define void @set(ptr %p) {
  store i64 42, ptr %p
  ret void
}";
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    module
        .specialise(
            "set",
            &one(vec![(0, Known::Int(0x7fff_1230))]),
            1,
            "misses",
            None,
        )
        .unwrap();
    module.verify().unwrap();
    let ir = module.to_ir();
    let spec = definition(&ir, "set.spec.0");
    assert!(
        spec.contains("nonnull align 16 %p") && spec.contains("ptr %p"),
        "{spec}"
    );
    assert!(!spec.contains("inttoptr"), "{spec}");
}

#[test]
fn guards_never_branch_on_poison() {
    let context = Context::new();
    let text = "
define i32 @f(i32 %x, i32 noundef %y) {
  %r = add i32 %x, %y
  ret i32 %r
}";
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    let known = vec![(0, Known::Int(3)), (1, Known::Int(4))];
    module
        .specialise("f", &one(known), 1, "misses", None)
        .unwrap();
    let ir = module.to_ir();
    let f = definition(&ir, "f");
    assert_eq!(f.matches("freeze").count(), 1, "{f}");
    assert!(f.contains("freeze i32 %x"), "{f}");
}

#[test]
fn a_function_that_counts_is_not_pure_any_more() {
    let context = Context::new();
    let text = "
define i32 @f(i32 %x) memory(none) speculatable noinline {
  %r = add i32 %x, 1
  ret i32 %r
}
define void @main() {
  %a = call i32 @f(i32 1)
  ret void
}";
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    module
        .specialise("f", &one(vec![(0, Known::Int(3))]), 1, "misses", None)
        .unwrap();
    let unit = Unit::new(module, &context, "default<O2>");
    // SAFETY: compiled with this signature; the JIT is alive.
    let main: extern "C" fn() = unsafe { std::mem::transmute(unit.address("main")) };
    main();
    assert_eq!(unit.misses(), 1);
}

#[test]
fn debug_information_and_profiles_stay_valid() {
    let context = Context::new();
    let text = "
define i32 @f(i32 %x) !dbg !4 {
entry:
    #dbg_value(i32 %x, !7, !DIExpression(), !8)
  %c = icmp eq i32 %x, 3, !dbg !8
  br i1 %c, label %a, label %b, !dbg !8
a:
  ret i32 1, !dbg !8
b:
  %r = add i32 %x, 1, !dbg !8
  ret i32 %r, !dbg !8
}
!llvm.dbg.cu = !{!0}
!llvm.module.flags = !{!2}
!0 = distinct !DICompileUnit(language: DW_LANG_C99, file: !1, emissionKind: FullDebug)
!1 = !DIFile(filename: \"f.c\", directory: \"/\")
!2 = !{i32 2, !\"Debug Info Version\", i32 3}
!3 = !DISubroutineType(types: !{!5, !5})
!4 = distinct !DISubprogram(name: \"f\", scope: !1, file: !1, line: 3, type: !3, scopeLine: 3, spFlags: DISPFlagDefinition, unit: !0)
!5 = !DIBasicType(name: \"int\", size: 32, encoding: DW_ATE_signed)
!7 = !DILocalVariable(name: \"x\", arg: 1, scope: !4, file: !1, line: 3, type: !5)
!8 = !DILocation(line: 4, scope: !4)
";
    for several in [false, true] {
        let mut module = Module::from_ir(&context, "m", text).unwrap();
        module.annotate_profile("f", 100, &[100, 30, 70]).unwrap();
        let mut variants = vec![Variant {
            known: vec![(0, Known::Int(3))],
            count: 30,
        }];
        if several {
            variants.push(Variant {
                known: vec![(0, Known::Int(4))],
                count: 60,
            });
        }
        module
            .specialise("f", &variants, 100, "misses", None)
            .unwrap();
        module.verify().unwrap();
        let ir = module.to_ir();
        let calls = |n: u64| ir.contains(&format!("function_entry_count\", i64 {n}}}"));
        assert!(calls(100) && calls(30), "{ir}");
        assert!(
            if several {
                calls(60) && calls(10)
            } else {
                calls(70)
            },
            "{ir}"
        );
        // Not `default<O2>`: it adds a list of calls to profiled code, which JITLink cannot read.
        let passes = "always-inline,function(sroa,instcombine,simplifycfg),cgscc(inline)";
        let unit = Unit::new(module, &context, passes);
        // SAFETY: compiled with this signature; the JIT is alive.
        let f: extern "C" fn(i32) -> i32 = unsafe { std::mem::transmute(unit.address("f")) };
        assert_eq!([f(3), f(4), f(5)], [1, 5, 6]);
    }
}

#[test]
fn what_cannot_be_specialised_stays_as_it_is() {
    let context = Context::new();
    let text = "
%big = type { i64, i64, i64, i64 }
@table = constant [2 x ptr] [ptr blockaddress(@jumps, %a), ptr blockaddress(@jumps, %b)]
@other = global i32 0
declare void @nobody(i32)
define void @many(i32 %n, ...) { ret void }
define i32 @chain(i32 %n) {
  %r = musttail call i32 @chain(i32 %n)
  ret i32 %r
}
define i32 @jumps(i64 %n) {
  %p = getelementptr ptr, ptr @table, i64 %n
  %t = load ptr, ptr %p
  indirectbr ptr %t, [label %a, label %b]
a:
  ret i32 1
b:
  ret i32 2
}
define void @f(i32 %n, float %x, ptr byval(%big) %m, i128 %w, ptr %p) { ret void }
";
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    let before = module.to_ir();
    let function = |name: &str| Known::Function(name.into());
    for (name, param, known) in [
        ("many", 0, Known::Int(1)),
        ("jumps", 0, Known::Int(1)),
        ("chain", 0, Known::Int(1)),
        ("f", 0, Known::Int(1 << 32)),
        ("f", 0, Known::Align(8)),
        ("f", 0, function("many")),
        ("f", 1, Known::Int(1)),
        ("f", 2, Known::Int(8)),
        ("f", 2, Known::Align(8)),
        ("f", 3, Known::Int(1)),
        ("f", 4, Known::Align(3)),
        ("f", 4, Known::Align(0)),
        ("f", 4, Known::Align(1 << 20)),
        ("f", 4, function("other")),
        ("f", 4, function("llvm.trap")),
        ("f", 4, function("")),
        ("f", 5, Known::Int(1)),
    ] {
        let result = module.specialise(name, &one(vec![(param, known.clone())]), 1, "misses", None);
        assert!(
            matches!(result, Err(Error::Transform { .. })),
            "{name} {param} {known:?}: {result:?}"
        );
    }
    let good = one(vec![(0, Known::Int(1))]);
    for (variants, misses, hits) in [
        (one(vec![]), "misses", None),
        (vec![], "misses", None),
        (good.clone(), "other", None),
        (good.clone(), "", None),
        (good.clone(), "misses", Some("other")),
    ] {
        let result = module.specialise("f", &variants, 1, misses, hits);
        assert!(matches!(result, Err(Error::Transform { .. })), "{result:?}");
    }
    assert!(matches!(
        module.specialise("nobody", &good, 1, "misses", None),
        Err(Error::NoFunction { .. })
    ));
    assert_eq!(module.to_ir(), before);
}

#[test]
fn an_alignment_can_be_promised() {
    let context = Context::new();
    let text = "
define <8 x float> @f(ptr align 8 %p) {
  %v = load <8 x float>, ptr %p, align 4
  ret <8 x float> %v
}";
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    module.set_param_align("f", 0, 32).unwrap();
    module.run_passes("default<O2>", None).unwrap();
    assert!(
        module
            .to_ir()
            .contains("load <8 x float>, ptr %p, align 32")
    );
    // A promise is never weakened.
    module.set_param_align("f", 0, 4).unwrap();
    let ir = module.to_ir();
    assert!(
        definition(&ir, "f")
            .lines()
            .next()
            .unwrap()
            .contains("align 32"),
        "{ir}"
    );
    assert!(module.set_param_align("f", 1, 32).is_err());
    assert!(module.set_param_align("f", 0, 33).is_err());
}
