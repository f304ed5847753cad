//! What LLVM is told: counts as `!prof` and what its passes do with them, and the features of the processor.

use super::support::*;
use engine::profile::Tier;
use engine::tier::{Config, Dump, Engine};
use engine::{Context, Cpu, Level};
use llvm::Module;
use std::sync::Arc;

fn dumping(scratch: &Scratch) -> Config {
    Config {
        dump: Some(Dump {
            folder: scratch.path().into(),
            pattern: "*".into(),
        }),
        ..at_once()
    }
}

/// One of its sides runs: which one, the arguments decide. Neither can be executed ahead, nor both be made one.
const SIDES: &str = "
@left = global i64 0
@right = global i64 0
define i64 @side(i64 %x) {
  %r = and i64 %x, 15
  %c = icmp eq i64 %r, 5
  br i1 %c, label %l, label %r1
l:
  store volatile i64 %x, ptr @left
  br label %end
r1:
  %b = load volatile i64, ptr @right
  br label %end
end:
  ret i64 %x
}
";

/// Text of the dump of `side` at O2 and its assembly, after 1,000 calls with `x`.
fn side(config: impl Fn(&Scratch) -> Config, x: impl Fn(i64) -> i64) -> (String, String) {
    let scratch = Scratch::new();
    let engine = start(SIDES, config(&scratch), &[]);
    (0..1_000).for_each(|i| assert_eq!(call(&engine, "side", x(i)), x(i)));
    assert_eq!(report(&engine, "side").tier, Tier::O2);
    (scratch.read("side.O2.ll"), scratch.read("side.O2.s"))
}

/// A node of metadata.
fn node<'t>(ir: &'t str, number: &str) -> &'t str {
    let start = format!("!{number} = ");
    let line = ir.lines().find_map(|l| l.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("no !{number} in {ir}"))
}

/// The number behind `!prof !` in a line.
fn prof(line: &str) -> Option<&str> {
    let rest = line.split("!prof !").nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()
}

/// The weights of the branch of `side` to its two sides: of the way to `left`, then of that to `right`.
fn weights(ir: &str) -> Option<[u64; 2]> {
    let block = |label: &str| {
        let block = &ir[ir.find(&format!("\n{label}:")).unwrap()..];
        &block[..block.find("\n\n").unwrap_or(block.len())]
    };
    // Another branch looks whether the countdown of calls ended.
    let mut branches = ir.lines().filter(|l| l.contains("br i1 "));
    let (line, is_left) = branches
        .find_map(|line| {
            let mut labels = line.split("label %").skip(1);
            let mut side = || block(labels.next().unwrap().split(',').next().unwrap());
            let (a, b) = (side(), side());
            let is = |a: &str, b: &str| a.contains("@left") && b.contains("@right");
            (is(a, b) || is(b, a)).then(|| (line, is(a, b)))
        })
        .unwrap_or_else(|| panic!("no branch to both sides in {ir}"));
    let text = node(ir, prof(line)?);
    assert!(text.contains("branch_weights"), "{text}");
    let number = |t: &str| t.split([',', '}']).next().unwrap().parse().unwrap();
    let all: Vec<u64> = text.split("i32 ").skip(1).map(number).collect();
    match is_left {
        true => Some([all[0], all[1]]),
        false => Some([all[1], all[0]]),
    }
}

fn entry_count(ir: &str) -> Option<u64> {
    let line = ir.lines().find(|l| l.contains("define ")).unwrap();
    let text = node(ir, prof(line)?);
    let count = text.split("function_entry_count\", i64 ").nth(1)?;
    count.trim_end_matches('}').parse().ok()
}

#[test]
fn code_of_o2_is_made_with_the_counts_of_the_tiers_below() {
    // One call in 16 goes left.
    let (ir, _) = side(dumping, |i| i);
    let [left, right] = weights(&ir).expect("weights");
    let share = left as f64 / (left + right) as f64;
    assert!((0.04..0.09).contains(&share), "{left} to {right}");
    let calls = entry_count(&ir).expect("an entry count");
    assert!((900..=1_100).contains(&calls), "{calls}");
    assert!(ir.contains("\"ProfileSummary\"") || ir.contains("ProfileFormat"));
    // All of them do.
    let (ir, _) = side(dumping, |i| i * 16 + 5);
    let [left, right] = weights(&ir).expect("weights");
    assert!(left > 100 && right == 0, "{left} to {right}");
    // Nothing was counted.
    let silent = |scratch: &Scratch| Config {
        profile: false,
        ..dumping(scratch)
    };
    let (ir, _) = side(silent, |i| i);
    assert_eq!((weights(&ir), entry_count(&ir)), (None, None));
}

#[test]
fn what_runs_comes_first_in_the_code() {
    for (goes_left, bias) in [(true, 5), (false, 6)] {
        let (_, assembly) = side(dumping, |i| i * 16 + bias);
        let start = assembly.find("\nside:").unwrap();
        let at = |variable: &str| assembly[start..].find(variable).unwrap();
        assert_eq!(at("left") < at("right"), goes_left, "{assembly}");
    }
}

/// y[i] = 3 * x[i] + y[i]
const AXPY: &str = "
float x[1024], y[1024];
long axpy(long n) {
    for (long i = 0; i < n; i++) y[i] = 3 * x[i] + y[i];
    return n;
}";

fn start_on(cpu: &Cpu, ir: &str, config: Config) -> Engine {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "test", ir).unwrap();
    let find = |name: &str| (name == "memset").then_some(libc::memset as *const () as usize);
    Engine::start(&mut module, cpu, Arc::new(find), config).unwrap()
}

/// The widest vectors of floats in text.
fn widest(ir: &str) -> Option<u32> {
    let all = [64, 32, 16, 8, 4, 2].into_iter();
    let mut found = all.filter(|n| ir.contains(&format!("<{n} x float>")));
    found.next()
}

/// Processors for which LLVM takes 256 bits though there are 512.
const PREFER_256: [&str; 8] = [
    "skylake-avx512",
    "cascadelake",
    "cooperlake",
    "cannonlake",
    "icelake",
    "rocketlake",
    "tigerlake",
    "rapids",
];

#[test]
fn loops_become_vectors_as_wide_as_the_processor_has_them() {
    let found = Cpu::detect();
    let string = found.feature_string();
    let all: Vec<&str> = string.split(',').map(|f| &f[1..]).collect();
    let names = |parts: &[&str]| -> Vec<&str> {
        let is = |f: &&str| parts.iter().any(|p| f.starts_with(p));
        all.iter().copied().filter(is).collect()
    };
    let beyond_256 = names(&["avx512", "avx10"]);
    let beyond_128 = names(&[
        "avx", "fma", "f16c", "xop", "vaes", "vpclmul", "sha512", "sm3", "sm4",
    ]);
    let prefers_256 = PREFER_256.iter().any(|p| found.tune().contains(p));
    let mut expected = vec![(found.clone().without(&beyond_128), 4, "xmm")];
    if found.has("avx2") {
        expected.push((found.clone().without(&beyond_256), 8, "ymm"));
    }
    if found.has("avx512vl") {
        let (width, register) = if prefers_256 { (8, "ymm") } else { (16, "zmm") };
        expected.push((found, width, register));
    }
    for (cpu, width, register) in expected {
        let scratch = Scratch::new();
        let engine = start_on(&cpu, &c(AXPY), dumping(&scratch));
        engine.recompile("axpy", Level::O3).unwrap();
        assert_eq!(call(&engine, "axpy", 1000), 1000);
        let ir = scratch.read("axpy.O3.ll");
        assert_eq!(widest(&ir), Some(width), "{ir}");
        let assembly = scratch.read("axpy.O3.s");
        assert!(assembly.contains(&format!("%{register}")), "{assembly}");
    }
}
