//! The interpreter beside clang, and IR beside what LLVM says it does.
//!
//! The programs of `tests/corpus` have one subject each. What is expected of them is asked of clang -O0 as the test runs.
//! Programs that csmith generates are compared on demand (`--ignored`): `BAREFLOW_CSMITH=N` for N of them instead of a few.

use engine::interp::{Image, Options};
use engine::{Context, Cpu};
use llvm::Module;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

/// A folder that goes away.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("interp.{name}.{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("scratch directory");
        Scratch(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The example that runs `main` in the interpreter: brought up to date first, since `cargo test --test interp` does not.
fn exec() -> PathBuf {
    static BUILD: Once = Once::new();
    let me = std::env::current_exe().expect("path of the test");
    let profile = me
        .parent()
        .and_then(Path::parent)
        .expect("target directory");
    let is_release = profile.file_name().is_some_and(|n| n == "release");
    BUILD.call_once(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "-p", "engine", "--example", "exec"]);
        if is_release {
            cargo.arg("--release");
        }
        let target = profile.parent().expect("target directory");
        cargo
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", target);
        assert!(run(&mut cargo).status.success());
    });
    profile.join("examples/exec")
}

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

fn clang(args: &[&str], source: &Path, out: &Path) {
    let flags = ["-w", "-ffp-contract=off", "-I/usr/include/csmith"];
    let done = run(Command::new("clang-22")
        .args(flags)
        .args(args)
        .arg(source)
        .arg("-o")
        .arg(out)
        .args(if args.contains(&"-c") {
            &[][..]
        } else {
            &["-lm", "-pthread"][..]
        }));
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Compares one program, compiled to bitcode at each level, with machine code at -O0.
fn compare(source: &Path, levels: &[&str], options: &[&str], scratch: &Path) {
    let name = source
        .file_stem()
        .expect("name")
        .to_string_lossy()
        .into_owned();
    let native = scratch.join(&name);
    clang(&["-O0"], source, &native);
    let expected = run(Command::new("timeout").arg("20").arg(&native));
    if expected.status.code() == Some(124) {
        return; // csmith's programs need not end
    }
    for level in levels {
        let bitcode = scratch.join(format!("{name}{level}.bc"));
        clang(&[level, "-emit-llvm", "-c"], source, &bitcode);
        let got = run(Command::new("timeout")
            .arg("300")
            .arg(exec())
            .args(options)
            .arg(&bitcode));
        assert_eq!(
            String::from_utf8_lossy(&got.stdout),
            String::from_utf8_lossy(&expected.stdout),
            "output of {name} at {level}: {}",
            String::from_utf8_lossy(&got.stderr)
        );
        assert_eq!(
            got.status.code(),
            expected.status.code(),
            "exit code of {name} at {level}"
        );
    }
}

fn corpus(names: &[&str]) {
    let scratch = Scratch::new(names[0]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for name in names {
        compare(
            &folder.join(format!("{name}.c")),
            &["-O0", "-O1", "-O2"],
            &[],
            scratch.path(),
        );
    }
}

#[test]
fn numbers() {
    corpus(&["integers", "wide", "floats"]);
}

#[test]
fn control_and_calls() {
    corpus(&["control", "recursion", "pointers", "varargs"]);
}

#[test]
fn data() {
    corpus(&["structs", "globals", "memory"]);
}

#[test]
fn vectors_and_atomics() {
    corpus(&["vectors", "atomics"]);
}

#[test]
fn every_signature_crosses_the_border_both_ways() {
    // Every other function is compiled, once the ones and once the others.
    let scratch = Scratch::new("border");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for name in [
        "structs", "varargs", "wide", "vectors", "pointers", "floats",
    ] {
        for which in ["odd", "even"] {
            let source = folder.join(format!("{name}.c"));
            compare(&source, &["-O0"], &["--compile", which], scratch.path());
        }
    }
}

#[test]
fn what_cannot_be_interpreted_is_compiled() {
    corpus(&["unsupported"]);
    let scratch = Scratch::new("log");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/unsupported.c");
    let bitcode = scratch.path().join("u.bc");
    clang(&["-O0", "-emit-llvm", "-c"], &source, &bitcode);
    let got = run(Command::new(exec()).arg("--stats").arg(&bitcode));
    let log = String::from_utf8_lossy(&got.stderr).into_owned();
    for (function, reason) in [("precise", "x86_fp80"), ("careful", "returns twice")] {
        let line = log
            .lines()
            .find(|l| l.contains(&format!("function {function} ")));
        assert!(
            line.is_some_and(|l| l.contains(reason)),
            "{function}: {log}"
        );
    }
    // Assembly that is no more than its operands is executed by a thunk.
    for function in ["apply", "rotate"] {
        assert!(!log.contains(&format!("function {function} ")), "{log}");
    }
}

#[test]
fn a_rust_program() {
    // `core` and `alloc` come along in the bitcode: formatting, collections, sorting, trait objects.
    let scratch = Scratch::new("rust");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for level in ["0", "1"] {
        let bitcode = scratch.path().join(format!("rust{level}.bc"));
        let mut rustc = Command::new("rustc");
        // It leaves what it makes on the way in its working directory.
        rustc.current_dir(scratch.path());
        rustc.args(["--edition", "2021", "--crate-type", "staticlib"]);
        rustc.args([
            "-Clto=fat",
            "-Ccodegen-units=1",
            "-Cpanic=abort",
            "-Cno-vectorize-loops",
        ]);
        // Only what is linked is optimised as a whole.
        let emit = format!("--emit=llvm-bc={0},link={0}.a", bitcode.display());
        rustc.args([&format!("-Copt-level={level}"), &emit]);
        let done = run(rustc.arg(folder.join("rust.rs")));
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let native = scratch.path().join("rust");
        clang(&["-O0", "-xir"], &bitcode, &native);
        let expected = run(&mut Command::new(&native));
        let got = run(Command::new(exec()).arg(&bitcode));
        assert!(expected.stdout.len() > 500);
        assert_eq!(
            String::from_utf8_lossy(&got.stdout),
            String::from_utf8_lossy(&expected.stdout),
            "{}",
            String::from_utf8_lossy(&got.stderr)
        );
        assert_eq!(got.status.code(), expected.status.code());
    }
}

#[test]
#[ignore = "needs Debian's csmith; run: cargo test -p engine --test interp -- --ignored"]
fn csmith_programs() {
    let count = std::env::var("BAREFLOW_CSMITH")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3);
    let scratch = Scratch::new("csmith");
    for seed in 1..=count {
        let source = scratch.path().join(format!("csmith{seed}.c"));
        // csmith leaves a file behind where it runs.
        let made = run(Command::new("csmith")
            .current_dir(scratch.path())
            .args(["--seed", &seed.to_string(), "-o"])
            .arg(&source));
        assert!(made.status.success());
        let native = scratch.path().join("probe");
        clang(&["-O0"], &source, &native);
        let probe = run(Command::new("timeout").arg("2").arg(&native));
        if probe.status.code() == Some(0) {
            compare(&source, &["-O0", "-O1"], &[], scratch.path());
        }
    }
}

/// Runs `@f` of IR text in this process.
fn evaluate(text: &str, args: &[u64]) -> u64 {
    with_image(text, Options::default(), |image| {
        assert_eq!(image.unsupported(), []);
        image.run("f", args).expect("runs")
    })
}

fn with_image<R>(text: &str, options: Options, f: impl FnOnce(&Image) -> R) -> R {
    let layout = "target datalayout = \"e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128\"";
    let context = Context::new();
    let text = format!("{layout}\ntarget triple = \"{}\"\n{text}", llvm::TRIPLE);
    let mut module = Module::from_ir(&context, "test", &text).expect("reads");
    module.verify().expect("valid");
    let image = Image::new(
        &mut module,
        &Cpu::detect(),
        std::sync::Arc::new(|_: &str| None),
        options,
    )
    .expect("loads");
    f(&image)
}

#[test]
fn odd_widths() {
    let text = "define i64 @f(i64 %a, i64 %b) {
  %x = trunc i64 %a to i13
  %y = trunc i64 %b to i13
  %m = mul i13 %x, %y
  %d = sdiv i13 %m, %y
  %s = ashr i13 %m, 3
  %c = icmp slt i13 %m, 0
  %r0 = sext i13 %d to i64
  %r1 = sext i13 %s to i64
  %r2 = zext i1 %c to i64
  %t0 = mul i64 %r0, 10000000
  %t1 = mul i64 %r1, 10
  %t2 = add i64 %t0, %t1
  %t3 = add i64 %t2, %r2
  ret i64 %t3
}";
    let expected = |a: i64, b: i64| {
        let cut = |x: i64| (x << 51) >> 51;
        let m = cut(cut(a).wrapping_mul(cut(b)));
        (cut(m / cut(b)) * 10_000_000 + (m >> 3) * 10 + i64::from(m < 0)) as u64
    };
    for (a, b) in [(5, 7), (4095, 3), (-4000, 9), (123_456, -77), (8191, 8191)] {
        assert_eq!(
            evaluate(text, &[a as u64, b as u64]),
            expected(a, b),
            "{a} {b}"
        );
    }
}

#[test]
fn undefined_values_are_zero() {
    assert_eq!(
        evaluate(
            "define i64 @f() { %x = freeze i64 undef\n ret i64 %x }",
            &[]
        ),
        0
    );
    assert_eq!(
        evaluate(
            "define i64 @f() { %x = freeze i64 poison\n ret i64 %x }",
            &[]
        ),
        0
    );
    let phi = "define i64 @f(i1 %c) {
  br i1 %c, label %a, label %b
a:
  br label %b
b:
  %x = phi i64 [ undef, %0 ], [ 7, %a ]
  ret i64 %x
}";
    assert_eq!((evaluate(phi, &[0]), evaluate(phi, &[1])), (0, 7));
}

#[test]
fn phis_are_read_before_they_are_written() {
    let text = "define i64 @f(i64 %n) {
  br label %loop
loop:
  %i = phi i64 [ 0, %0 ], [ %next, %loop ]
  %a = phi i64 [ 1, %0 ], [ %b, %loop ]
  %b = phi i64 [ 2, %0 ], [ %c, %loop ]
  %c = phi i64 [ 3, %0 ], [ %a, %loop ]
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  %x = mul i64 %a, 100
  %y = mul i64 %b, 10
  %z = add i64 %x, %y
  %r = add i64 %z, %c
  %s = mul i64 %next, 1000
  %t = add i64 %r, %s
  ret i64 %t
}";
    for (n, r) in [(1, 1123), (2, 2231), (3, 3312), (4, 4123)] {
        assert_eq!(evaluate(text, &[n]), r);
    }
}

#[test]
fn folded_addresses_keep_their_parts_alive() {
    // The address is computed from %i, and read after %i has taken its next value.
    let text = "@t = global [4 x i64] [i64 10, i64 20, i64 30, i64 40]
define i64 @f() {
  br label %loop
loop:
  %i = phi i64 [ 0, %0 ], [ %next, %loop ]
  %sum = phi i64 [ 0, %0 ], [ %more, %loop ]
  %p = getelementptr i64, ptr @t, i64 %i
  %next = add i64 %i, 1
  %v = load i64, ptr %p
  %w = mul i64 %v, %next
  %more = add i64 %sum, %w
  %end = icmp eq i64 %next, 4
  br i1 %end, label %out, label %loop
out:
  ret i64 %more
}";
    assert_eq!(evaluate(text, &[]), 10 + 40 + 90 + 160);
}

#[test]
fn intrinsics() {
    let two = |call: &str, ty: &str| {
        format!(
            "declare {ty} @llvm.{call}.{ty}({ty}, {ty})
define {ty} @f({ty} %a, {ty} %b) {{ %r = call {ty} @llvm.{call}.{ty}({ty} %a, {ty} %b)\n ret {ty} %r }}"
        )
    };
    for (call, ty, a, b, r) in [
        ("uadd.sat", "i8", 200, 100, 255),
        ("sadd.sat", "i8", 100, 100, 127),
        ("ssub.sat", "i16", 0x8000, 1, 0x8000),
        ("usub.sat", "i32", 5, 9, 0),
        ("ushl.sat", "i16", 0x0FFF, 8, 0xFFFF),
        ("smax", "i8", 0x80, 1, 1),
        ("umin", "i64", u64::MAX, 3, 3),
        ("smin", "i24", 0x80_0000, 5, 0x80_0000),
    ] {
        assert_eq!(evaluate(&two(call, ty), &[a, b]), r, "{call} {ty}");
    }
    let shift = "declare i32 @llvm.fshl.i32(i32, i32, i32)
define i32 @f(i32 %a, i32 %b, i32 %n) { %r = call i32 @llvm.fshl.i32(i32 %a, i32 %b, i32 %n)\n ret i32 %r }";
    assert_eq!(evaluate(shift, &[0x1234_5678, 0x9ABC_DEF0, 8]), 0x3456_789A);
    assert_eq!(
        evaluate(shift, &[0x1234_5678, 0x9ABC_DEF0, 32]),
        0x1234_5678
    );
    let saturated = "declare i8 @llvm.fptosi.sat.i8.f64(double)
define i8 @f(double %a) { %r = call i8 @llvm.fptosi.sat.i8.f64(double %a)\n ret i8 %r }";
    assert_eq!(evaluate(saturated, &[1e9_f64.to_bits()]), 127);
    assert_eq!(evaluate(saturated, &[f64::NAN.to_bits()]), 0);
    for (call, x, r) in [
        ("ctlz", 0b011, 10),
        ("ctlz", 0, 12),
        ("cttz", 0b1000, 3),
        ("cttz", 0, 12),
        ("bitreverse", 0b1000_0000_0101, 0b1010_0000_0001),
        ("abs", 0xFFF, 1),
        ("ctpop", 0xF0F, 8),
    ] {
        let flag = matches!(call, "ctlz" | "cttz" | "abs");
        let (ty, value) = if flag {
            (", i1", ", i1 false")
        } else {
            ("", "")
        };
        let text = format!(
            "declare i12 @llvm.{call}.i12(i12{ty})
define i12 @f(i12 %a) {{ %r = call i12 @llvm.{call}.i12(i12 %a{value})\n ret i12 %r }}"
        );
        assert_eq!(evaluate(&text, &[x]), r, "{call}");
    }
    let mask = "declare i64 @llvm.ctlz.i64(i64, i1)
define i64 @f(i64 %a) { %r = call i64 @llvm.ctlz.i64(i64 %a, i1 false)\n ret i64 %r }";
    assert_eq!((evaluate(mask, &[0]), evaluate(mask, &[255])), (64, 56));
}

#[test]
fn masks_are_packed_in_memory() {
    let text = "define i64 @f(i64 %x) {
  %m = alloca <16 x i1>
  %t = trunc i64 %x to i16
  %v = bitcast i16 %t to <16 x i1>
  %n = xor <16 x i1> %v, splat (i1 true)
  store <16 x i1> %n, ptr %m
  %r = load i16, ptr %m
  %l = load <16 x i1>, ptr %m
  %a = select <16 x i1> %l, <16 x i8> splat (i8 1), <16 x i8> zeroinitializer
  %s = call i8 @llvm.vector.reduce.add.v16i8(<16 x i8> %a)
  %u = zext i16 %r to i64
  %w = zext i8 %s to i64
  %h = shl i64 %w, 32
  %o = or i64 %u, %h
  ret i64 %o
}
declare i8 @llvm.vector.reduce.add.v16i8(<16 x i8>)";
    for x in [0_u64, 0xFFFF, 0x8001, 0x1234] {
        let flipped = !x & 0xFFFF;
        assert_eq!(
            evaluate(text, &[x]),
            flipped | u64::from(flipped.count_ones()) << 32
        );
    }
}

const LOOP: &str = "define i64 @f(i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %sum = phi i64 [ 0, %entry ], [ %more, %loop ]
  %more = add i64 %sum, %i
  %next = add i64 %i, 1
  %again = icmp ult i64 %next, %n
  br i1 %again, label %loop, label %end
end:
  ret i64 %more
}";

#[test]
fn blocks_calls_and_jumps_are_counted() {
    with_image(
        LOOP,
        Options {
            count_blocks: true,
            ..Options::default()
        },
        |image| {
            for _ in 0..3 {
                assert_eq!(image.run("f", &[1000]).expect("runs"), 499_500);
            }
            let f = image.function("f").expect("is there");
            assert_eq!(f.code().expect("decoded").block_counts(), [3, 3000, 3]);
            assert_eq!(f.calls(), 3);
            // Counted in steps; what is left of a step is not there yet.
            assert!(
                (2500..=3000).contains(&f.back_edges()),
                "{}",
                f.back_edges()
            );
        },
    );
}

#[test]
fn loop_headers_tell_what_is_alive() {
    with_image(LOOP, Options::default(), |image| {
        let code = image.function("f").and_then(|f| f.code()).expect("decoded");
        let [head] = code.loops() else {
            panic!("one loop: {:?}", code.loops())
        };
        assert_eq!(head.block, 1);
        let mut values: Vec<u32> = head.live.iter().map(|l| l.value).collect();
        values.sort_unstable();
        // The parameter, then the phis: the branch of the entry is value 1.
        assert_eq!(values, [0, 2, 3]);
        let mut slots: Vec<i16> = head.live.iter().map(|l| l.slot).collect();
        slots.dedup();
        assert_eq!(slots.len(), 3);
    });
}

#[test]
fn machine_code_calls_back() {
    // A function address is callable as machine code, on any thread.
    let text = "define double @f(double %a, i32 signext %b, float %c) {
  %x = sitofp i32 %b to double
  %y = fpext float %c to double
  %s = fadd double %a, %x
  %r = fmul double %s, %y
  ret double %r
}";
    with_image(text, Options::default(), |image| {
        let address = image.callable("f").expect("has an address");
        let sum: f64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|k| {
                    scope.spawn(move || {
                        type F = extern "C" fn(f64, i32, f32) -> f64;
                        // SAFETY: the function has this type.
                        let f = unsafe { std::mem::transmute::<usize, F>(address) };
                        (0..100).map(|i| f(f64::from(k), -i, 0.5)).sum::<f64>()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().expect("runs")).sum()
        });
        assert_eq!(
            sum,
            (0..4)
                .map(|k| (0..100).map(|i| f64::from(k - i) * 0.5).sum::<f64>())
                .sum::<f64>()
        );
    });
}

#[test]
fn wrong_calls_are_refused() {
    with_image(LOOP, Options::default(), |image| {
        assert!(image.run("g", &[]).is_err());
        assert!(image.run("f", &[]).is_err());
    });
}

#[test]
fn instructions_of_the_processor_are_executed_one_by_one() {
    // bswap in assembly, and the sum of products of pairs: (1 * 3 + 2 * 4, 0, ...).
    let text = "declare <4 x i32> @llvm.x86.sse2.pmadd.wd(<8 x i16>, <8 x i16>)
declare <4 x i32> @llvm.x86.sse2.pslli.d(<4 x i32>, i32)
declare <2 x double> @llvm.x86.sse41.round.sd(<2 x double>, <2 x double>, i32 immarg)
define i64 @f(i64 %x, double %y) {
  %swapped = call i64 asm \"bswap $0\", \"=r,0,~{dirflag},~{fpsr},~{flags}\"(i64 %x)
  %w = trunc i64 %x to i16
  %a = insertelement <8 x i16> <i16 0, i16 2, i16 0, i16 0, i16 0, i16 0, i16 0, i16 0>, i16 %w, i32 0
  %p = call <4 x i32> @llvm.x86.sse2.pmadd.wd(<8 x i16> %a, <8 x i16> <i16 3, i16 4, i16 0, i16 0, i16 0, i16 0, i16 0, i16 0>)
  %q = call <4 x i32> @llvm.x86.sse2.pslli.d(<4 x i32> %p, i32 1)
  %e = extractelement <4 x i32> %q, i32 0
  %sum = zext i32 %e to i64
  %v = insertelement <2 x double> zeroinitializer, double %y, i32 0
  %down = call <2 x double> @llvm.x86.sse41.round.sd(<2 x double> %v, <2 x double> %v, i32 1)
  %d = extractelement <2 x double> %down, i32 0
  %n = fptosi double %d to i64
  %r = add i64 %sum, %n
  %all = add i64 %r, %swapped
  ret i64 %all
}";
    let expected = 1_u64.swap_bytes() + 2 * (3 + 8) + 41;
    assert_eq!(evaluate(text, &[1, 41.75_f64.to_bits()]), expected);
}

#[test]
fn assembly_that_concerns_the_frame_is_compiled() {
    let text = "define i64 @f() {
  %top = call i64 asm sideeffect \"movq %rsp, $0\", \"=r\"()
  ret i64 %top
}";
    with_image(text, Options::default(), |image| {
        assert_eq!(image.unsupported().len(), 1);
        assert_ne!(image.run("f", &[]).expect("runs"), 0);
    });
}

/// IR of a function `i` that mixes its parameters into its result, one `n` that passes them on to it, and one that calls
/// `n` with numbers: interpreted, machine code, interpreted.
fn border(seed: u64) -> String {
    use std::fmt::Write;
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut dice = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let types = [
        "i1 zeroext",
        "i8 signext",
        "i8 zeroext",
        "i16 signext",
        "i16",
        "i32",
        "i32 signext",
        "i64",
        "i13",
        "i40",
        "float",
        "double",
        "i8",
        "i64",
        "double",
        "float",
    ];
    let results = [
        "void",
        "i64",
        "i32",
        "signext i8",
        "zeroext i16",
        "i1",
        "float",
        "double",
        "{ i64, i64 }",
        "{ i64, double }",
        "{ float, float }",
        "{ i32, i8 }",
        "{ double, i1 }",
        "i13",
        "{ i64, i64, i64 }",
    ];
    let result = results[dice(results.len() as u64) as usize];
    let plain = |t: &'static str| t.split(' ').next().unwrap_or(t);
    let params: Vec<&str> = (0..dice(20))
        .map(|_| types[dice(types.len() as u64) as usize])
        .collect();
    let list = |first: bool| {
        let name = |i: usize| {
            if first {
                format!(" %a{i}")
            } else {
                String::new()
            }
        };
        let each = params
            .iter()
            .enumerate()
            .map(|(i, p)| format!("{p}{}", name(i)));
        each.collect::<Vec<_>>().join(", ")
    };
    let bare = result
        .trim_start_matches("signext ")
        .trim_start_matches("zeroext ");
    let mut text = String::from("@seen = global i64 0\n");
    let _ = writeln!(
        text,
        "define {result} @i({}) {{\n  %h0 = load i64, ptr @seen",
        list(true)
    );
    for (i, p) in params.iter().enumerate() {
        let bits = match plain(p) {
            "float" => {
                format!("  %b{i} = bitcast float %a{i} to i32\n  %w{i} = zext i32 %b{i} to i64")
            }
            "double" => format!("  %w{i} = bitcast double %a{i} to i64"),
            "i64" => format!("  %w{i} = add i64 %a{i}, 0"),
            t => format!("  %w{i} = zext {t} %a{i} to i64"),
        };
        let next = i + 1;
        let _ = writeln!(
            text,
            "{bits}\n  %m{i} = mul i64 %h{i}, 31\n  %h{next} = add i64 %m{i}, %w{i}"
        );
    }
    let h = format!("%h{}", params.len());
    let _ = writeln!(text, "  store i64 {h}, ptr @seen");
    // A value of a type out of the mixture.
    let mut made = 0;
    let mut make = |text: &mut String, ty: &str| {
        made += 1;
        let _ = match ty {
            "float" => writeln!(text, "  %r{made} = uitofp i64 {h} to float"),
            "double" => writeln!(text, "  %r{made} = uitofp i64 {h} to double"),
            "i64" => writeln!(text, "  %r{made} = xor i64 {h}, {made}"),
            t => writeln!(text, "  %r{made} = trunc i64 {h} to {t}"),
        };
        format!("%r{made}")
    };
    if bare == "void" {
        text += "  ret void\n}\n";
    } else if let Some(fields) = bare.strip_prefix("{ ").and_then(|b| b.strip_suffix(" }")) {
        let mut value = String::from("zeroinitializer");
        for (i, field) in fields.split(", ").enumerate() {
            let part = make(&mut text, field);
            let _ = writeln!(
                text,
                "  %s{i} = insertvalue {bare} {value}, {field} {part}, {i}"
            );
            value = format!("%s{i}");
        }
        let _ = writeln!(text, "  ret {bare} {value}\n}}");
    } else {
        let value = make(&mut text, bare);
        let _ = writeln!(text, "  ret {bare} {value}\n}}");
    }
    let call = |to: &str, args: &str| match bare {
        "void" => format!("  call void @{to}({args})\n"),
        _ => format!("  %r = call {result} @{to}({args})\n"),
    };
    let back = match bare {
        "void" => "  ret void\n}\n".to_owned(),
        _ => format!("  ret {bare} %r\n}}\n"),
    };
    let _ = write!(
        text,
        "define {result} @n({}) {{\n{}{back}",
        list(true),
        call("i", &list(true))
    );
    // Numbers with all bits in use.
    let numbers: Vec<String> = params
        .iter()
        .map(|p| match plain(p) {
            "float" | "double" => format!("{p} {}.5", dice(1000)),
            t => {
                let width: u32 = t[1..].parse().expect("a width");
                let x = dice(u64::MAX) & (u64::MAX >> (64 - width));
                if width == 1 {
                    format!("{p} {}", x == 1)
                } else {
                    format!("{p} {x}")
                }
            }
        })
        .collect();
    let _ = write!(
        text,
        "define i64 @f() {{\n  store i64 7, ptr @seen\n{}",
        call("n", &numbers.join(", "))
    );
    let mut sum = String::from("%seen");
    text += "  %seen = load i64, ptr @seen\n";
    let mut add = |text: &mut String, value: String, ty: &str, n: usize| {
        let _ = match ty {
            "float" => writeln!(
                text,
                "  %c{n} = bitcast float {value} to i32\n  %z{n} = zext i32 %c{n} to i64"
            ),
            "double" => writeln!(text, "  %z{n} = bitcast double {value} to i64"),
            "i64" => writeln!(text, "  %z{n} = add i64 {value}, 0"),
            t => writeln!(text, "  %z{n} = zext {t} {value} to i64"),
        };
        let _ = writeln!(
            text,
            "  %t{n} = mul i64 {sum}, 33\n  %u{n} = add i64 %t{n}, %z{n}"
        );
        sum = format!("%u{n}");
    };
    if let Some(fields) = bare.strip_prefix("{ ").and_then(|b| b.strip_suffix(" }")) {
        for (i, field) in fields.split(", ").enumerate() {
            let _ = writeln!(text, "  %e{i} = extractvalue {bare} %r, {i}");
            add(&mut text, format!("%e{i}"), field, i);
        }
    } else if bare != "void" {
        add(&mut text, "%r".into(), bare, 0);
    }
    let _ = writeln!(text, "  ret i64 {sum}\n}}");
    text
}

#[test]
fn every_type_crosses_the_border_unchanged() {
    for seed in 1..=300 {
        let text = border(seed);
        let interpreted = evaluate(&text, &[]);
        for on_demand in [false, true] {
            let options = Options {
                on_demand,
                compile: Some(|name| name == "n"),
                ..Options::default()
            };
            let crossed = with_image(&text, options, |image| image.run("f", &[]).expect("runs"));
            assert_eq!(crossed, interpreted, "seed {seed}:\n{text}");
        }
    }
}

#[test]
fn functions_are_decoded_when_they_are_called() {
    let text = "define i64 @f(i64 %x) {
  %y = call i64 @g(i64 %x)
  ret i64 %y
}
define i64 @g(i64 %x) {
  %y = add i64 %x, 1
  ret i64 %y
}
define i64 @never(i64 %x) {
  ret i64 %x
}";
    let options = Options {
        on_demand: true,
        ..Options::default()
    };
    with_image(text, options, |image| {
        let is_decoded = |name: &str| image.function(name).is_some_and(|f| f.code().is_some());
        assert!(!is_decoded("f") && !is_decoded("g"));
        assert_eq!(image.run("f", &[41]).expect("runs"), 42);
        assert!(is_decoded("f") && is_decoded("g") && !is_decoded("never"));
    });
}

#[test]
fn programs_that_are_interrupted_are_decoded_at_once() {
    let text = "declare ptr @signal(i32, ptr) noreturn
define i64 @f(i64 %x) {
  ret i64 %x
}";
    let options = Options {
        on_demand: true,
        ..Options::default()
    };
    with_image(text, options, |image| {
        assert!(image.function("f").is_some_and(|f| f.code().is_some()));
    });
}

#[test]
fn threads_that_meet_at_a_first_call_agree() {
    let text = "define i64 @f(i64 %x) {
  %y = call i64 @g(i64 %x)
  %z = call i64 asm \"bswap $0\", \"=r,0\"(i64 %y)
  ret i64 %z
}
define i64 @g(i64 %x) {
  %y = mul i64 %x, 3
  ret i64 %y
}";
    for _ in 0..50 {
        let options = Options {
            on_demand: true,
            ..Options::default()
        };
        with_image(text, options, |image| {
            std::thread::scope(|scope| {
                for n in 0..4_u64 {
                    scope.spawn(move || {
                        assert_eq!(image.run("f", &[n]).expect("runs"), (n * 3).swap_bytes());
                    });
                }
            });
        });
    }
}
