//! What hooked code tells of its arguments and of the targets of its calls.

use llvm::{
    CodegenLevel, Context, Error, FileType, HostCpu, Jit, Module, SymbolKind, TargetMachine,
};
use std::cell::RefCell;

const TEXT: &str = "
define i64 @f(i8 %a, double %x, ptr %p, i64 %b, i128 %w, ptr %g) {
entry:
  %big = alloca [32 x i8], align 32
  %slot = alloca i64
  store i64 %b, ptr %slot
  %z = icmp eq i64 %b, 0
  br i1 %z, label %none, label %some
none:
  ret i64 0
some:
  %r = call i64 %g(i64 %b)
  %d = call i64 @double(i64 %r)
  %h = load ptr, ptr %p
  %t = tail call i64 %h(i64 %d)
  ret i64 %t
}
define i64 @double(i64 %x) {
  %r = mul i64 %x, 2
  ret i64 %r
}
define i64 @next(i64 %x) {
  %r = add i64 %x, 1
  ret i64 %r
}
define double @plain(double %x) {
  ret double %x
}
";

#[derive(Debug, Clone, PartialEq)]
enum Told {
    Args(u64, Vec<u64>),
    Call(u64, u64, usize),
}

thread_local! {
    static TOLD: RefCell<Vec<Told>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn args_hook(id: u64, words: *const u64, n: u64) {
    // SAFETY: hooked code passes an array of n words.
    let words = unsafe { std::slice::from_raw_parts(words, n as usize) }.to_vec();
    TOLD.with_borrow_mut(|t| t.push(Told::Args(id, words)));
}

extern "C" fn call_hook(id: u64, site: u64, target: usize) {
    TOLD.with_borrow_mut(|t| t.push(Told::Call(id, site, target)));
}

#[test]
fn code_tells_arguments_and_targets() {
    for level in [CodegenLevel::None, CodegenLevel::Default] {
        let context = Context::new();
        let mut module = Module::from_ir(&context, "m", TEXT).unwrap();
        for (id, name) in [(7, "f"), (1 << 40, "double"), (9, "plain")] {
            module
                .hook_values(name, id, "hook.args", "hook.call")
                .unwrap();
        }
        module.verify().unwrap();
        let machine = || TargetMachine::new("x86-64", &HostCpu::detect().feature_string(), level);
        // JITLink wants calls of far functions through its stubs.
        module.call_through_stubs();
        let object = machine()
            .unwrap()
            .emit(&mut module, FileType::Object)
            .unwrap();
        let jit = Jit::new(machine().unwrap()).unwrap();
        jit.define_absolute(&[
            (
                "hook.args",
                args_hook as *const () as usize,
                SymbolKind::Function,
            ),
            (
                "hook.call",
                call_hook as *const () as usize,
                SymbolKind::Function,
            ),
        ])
        .unwrap();
        jit.add_object("m", &object).unwrap();
        let [f, next, plain] = ["f", "next", "plain"].map(|n| jit.lookup(n).unwrap());
        let double = jit.lookup("double").unwrap();
        type F = extern "C" fn(u8, f64, *const usize, u64, u128, usize) -> u64;
        // SAFETY: compiled with this signature; the JIT is alive.
        let run: F = unsafe { std::mem::transmute(f) };
        let table = [double];
        assert_eq!(run(200, 1.5, table.as_ptr(), 5, 1 << 100, next), 24);
        let p = table.as_ptr() as u64;
        let told = TOLD.take();
        assert_eq!(
            told,
            [
                Told::Args(7, vec![200, p, 5, next as u64]),
                Told::Call(7, 0, next),
                Told::Args(1 << 40, vec![6]),
                Told::Call(7, 1, double),
                Told::Args(1 << 40, vec![12]),
            ]
        );
        assert_eq!(run(0, 0.0, table.as_ptr(), 0, 0, 0), 0);
        assert_eq!(TOLD.take(), [Told::Args(7, vec![0, p, 0, 0])]);
        // SAFETY: as above.
        let plain: extern "C" fn(f64) -> f64 = unsafe { std::mem::transmute(plain) };
        assert_eq!(plain(2.5), 2.5);
        assert_eq!(TOLD.take(), []);
    }
}

#[test]
fn hooks_are_called_through_the_table() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", TEXT).unwrap();
    module
        .hook_values("f", 7, "hook.args", "hook.call")
        .unwrap();
    let machine = TargetMachine::new("x86-64", "", CodegenLevel::None).unwrap();
    let text = machine.emit(&mut module, FileType::Assembly).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("*hook.args@GOTPCREL").count(), 1, "{text}");
    assert_eq!(text.matches("*hook.call@GOTPCREL").count(), 2, "{text}");
}

#[test]
fn names_that_are_taken_are_refused() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "m", TEXT).unwrap();
    let result = module.hook_values("f", 7, "double", "hook.call");
    assert!(matches!(result, Err(Error::Transform { .. })), "{result:?}");
    let result = module.hook_values("g", 7, "hook.args", "hook.call");
    assert!(
        matches!(result, Err(Error::NoFunction { .. })),
        "{result:?}"
    );
}
