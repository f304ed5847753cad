//! From IR text to running code, and every way in which input can be refused.

use llvm::{
    CodegenLevel, Context, Error, FileType, HostCpu, Jit, Module, SymbolKind, TargetMachine,
};

const ADD: &str = "
define i32 @add(i32 %a, i32 %b) {
  %c = add i32 %a, %b
  %d = call i32 @offset()
  %e = add i32 %c, %d
  ret i32 %e
}
declare i32 @offset()
";

fn machine(level: CodegenLevel) -> TargetMachine {
    TargetMachine::new("x86-64", &HostCpu::detect().feature_string(), level).unwrap()
}

extern "C" fn offset() -> i32 {
    100
}

#[test]
fn ir_becomes_code_that_calls_back() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "add", ADD).unwrap();
    module.verify().unwrap();
    let m = machine(CodegenLevel::Default);
    module.run_passes("default<O2>", Some(&m)).unwrap();
    let object = m.emit(&mut module, FileType::Object).unwrap();
    assert_eq!(&object[..4], b"\x7fELF");
    let jit = Jit::new(machine(CodegenLevel::Default)).unwrap();
    jit.define_absolute(&[("offset", offset as *const () as usize, SymbolKind::Function)])
        .unwrap();
    jit.add_object("add", &object).unwrap();
    let address = jit.lookup("add").unwrap();
    // SAFETY: the symbol was compiled with this signature and the JIT is alive.
    let add: extern "C" fn(i32, i32) -> i32 = unsafe { std::mem::transmute(address) };
    assert_eq!(add(2, 3), 105);
}

#[test]
fn missing_symbols_are_named() {
    let context = Context::new();
    let mut module = Module::from_ir(&context, "add", ADD).unwrap();
    let object = machine(CodegenLevel::None)
        .emit(&mut module, FileType::Object)
        .unwrap();
    let jit = Jit::new(machine(CodegenLevel::None)).unwrap();
    jit.add_object("add", &object).unwrap();
    let Err(Error::Jit { message }) = jit.lookup("add") else {
        panic!("linked without @offset")
    };
    assert!(message.contains("offset"), "{message}");
    assert!(jit.lookup("nothing").is_err());
}

#[test]
fn bitcode_round_trip_and_symbols() {
    let context = Context::new();
    let module = Module::from_ir(&context, "add", ADD).unwrap();
    assert_eq!(module.undefined_symbols(), ["offset"]);
    assert_eq!(module.defined_symbols(), ["add"]);
    let bitcode = module.to_bitcode();
    let other = Context::new();
    let again = Module::from_bitcode(&other, "again", &bitcode).unwrap();
    again.verify().unwrap();
    assert_eq!(again.undefined_symbols(), ["offset"]);
    assert!(again.to_ir().contains("define i32 @add"));
}

#[test]
fn broken_input_is_an_error_not_an_abort() {
    let context = Context::new();
    assert!(matches!(
        Module::from_bitcode(&context, "x", b""),
        Err(Error::Read { .. })
    ));
    assert!(matches!(
        Module::from_bitcode(&context, "x", b"BC\xC0\xDE"),
        Err(Error::Read { .. })
    ));
    assert!(matches!(
        Module::from_ir(&context, "x", "define nonsense"),
        Err(Error::Read { .. })
    ));
    let bitcode = Module::from_ir(&context, "add", ADD).unwrap().to_bitcode();
    for n in 0..bitcode.len() {
        let context = Context::new();
        assert!(
            Module::from_bitcode(&context, "cut", &bitcode[..n]).is_err(),
            "{n} of {} bytes",
            bitcode.len()
        );
    }
    let mut module = Module::from_bitcode(&context, "add", &bitcode).unwrap();
    let Err(Error::Passes { message, .. }) = module.run_passes("no-such-pass", None) else {
        panic!()
    };
    assert!(message.contains("no-such-pass"), "{message}");
}

#[test]
fn the_verifier_speaks() {
    let context = Context::new();
    // Readable, but an instruction does not dominate its use.
    let text = "define i32 @f(i1 %c) {
entry:
  br i1 %c, label %a, label %b
a:
  %x = add i32 1, 2
  br label %b
b:
  ret i32 %x
}";
    let module = Module::from_ir(&context, "bad", text);
    let message = match module {
        Ok(m) => m.verify().unwrap_err().to_string(),
        Err(e) => e.to_string(),
    };
    assert!(message.contains("dominate"), "{message}");
}

#[test]
fn linking_joins_and_refuses_duplicates() {
    let context = Context::new();
    let mut a = Module::from_ir(&context, "add", ADD).unwrap();
    let b = Module::from_ir(&context, "off", "define i32 @offset() { ret i32 7 }").unwrap();
    a.link(b).unwrap();
    a.verify().unwrap();
    assert!(a.undefined_symbols().is_empty());
    let twice = Module::from_ir(&context, "off2", "define i32 @offset() { ret i32 8 }").unwrap();
    let Err(Error::Link { message }) = a.link(twice) else {
        panic!("linked a symbol twice")
    };
    assert!(message.contains("offset"), "{message}");
}

#[test]
fn internal_code_goes_and_calls_fold() {
    let context = Context::new();
    let text = "
declare i64 @features()
define i64 @main() {
  %f = call i64 @features()
  %c = icmp eq i64 %f, 5
  br i1 %c, label %y, label %n
y:
  ret i64 1
n:
  %r = call i64 @unused()
  ret i64 %r
}
define i64 @unused() { ret i64 3 }";
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    assert_eq!(module.fold_calls("features", 5), ["main"]);
    module.run_passes_on("main", "sccp,simplifycfg").unwrap();
    assert_eq!(module.function("main").unwrap().instruction_count(), 1);
    assert!(module.run_passes_on("features", "sccp").is_err());
    module.internalise(&["main"]);
    module.run_passes("default<O1>", None).unwrap();
    assert_eq!(module.defined_symbols(), ["main"]);
    assert!(module.function("unused").is_none());
    assert!(module.to_ir().contains("ret i64 1"), "{}", module.to_ir());
}

#[test]
fn a_trap_takes_the_place_of_a_body() {
    let context = Context::new();
    let text = "
define i32 @f(<16 x i32> %v) #0 { %r = extractelement <16 x i32> %v, i32 0
  ret i32 %r }
define i32 @main() { %r = call i32 @f(<16 x i32> zeroinitializer)
  ret i32 %r }
attributes #0 = { \"target-features\"=\"+avx512f\" }";
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    assert_eq!(
        module
            .function("f")
            .unwrap()
            .string_attribute("target-features")
            .as_deref(),
        Some("+avx512f")
    );
    module.replace_with_trap("f").unwrap();
    module.verify().unwrap();
    let f = module.function("f").unwrap();
    assert_eq!(f.string_attribute("target-features"), None);
    assert_eq!(f.instruction_count(), 2);
    assert!(module.to_ir().contains("llvm.trap"));
    assert!(matches!(
        module.replace_with_trap("g"),
        Err(Error::NoFunction { .. })
    ));
}

#[test]
fn contexts_move_between_threads() {
    let bitcode = {
        let context = Context::new();
        Module::from_ir(&context, "add", ADD).unwrap().to_bitcode()
    };
    let objects: Vec<Vec<u8>> = std::thread::scope(|s| {
        let jobs: Vec<_> = (0..4)
            .map(|_| {
                s.spawn(|| {
                    let context = Context::new();
                    let mut m = Module::from_bitcode(&context, "add", &bitcode).unwrap();
                    machine(CodegenLevel::Aggressive)
                        .emit(&mut m, FileType::Object)
                        .unwrap()
                })
            })
            .collect();
        jobs.into_iter().map(|j| j.join().unwrap()).collect()
    });
    assert!(objects.windows(2).all(|w| w[0] == w[1]));
}

#[test]
fn outside_calls_use_stubs() {
    let context = Context::new();
    let text = "
declare void @far() nonlazybind
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define void @f(ptr %a, ptr %b, i64 %n) {
  call void @far()
  call void @llvm.memcpy.p0.p0.i64(ptr %a, ptr %b, i64 %n, i1 false)
  ret void
}
!llvm.module.flags = !{!0, !1}
!0 = !{i32 8, !\"PIC Level\", i32 2}
!1 = !{i32 2, !\"RtLibUseGOT\", i32 1}";
    let assembly = |module: &mut Module<'_>| {
        let text = machine(CodegenLevel::Default)
            .emit(module, FileType::Assembly)
            .unwrap();
        String::from_utf8(text).unwrap()
    };
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    assert!(assembly(&mut module).contains("*far@GOTPCREL"));
    let mut module = Module::from_ir(&context, "m", text).unwrap();
    module.call_through_stubs();
    module.verify().unwrap();
    let text = assembly(&mut module);
    assert!(!text.contains("GOTPCREL"), "{text}");
}

/// LLVM compares all accesses of such a loop with each other: seconds for some thousand.
#[test]
fn long_loops_are_not_searched_for_loads_to_eliminate() {
    let optimised = |more: usize| {
        let stores: String = (0..more)
            .map(|k| format!("  store i64 %i, ptr @other{k}\n"))
            .collect();
        let others: String = (0..more)
            .map(|k| format!("@other{k} = global i64 0\n"))
            .collect();
        let text = format!(
            "{others}
define void @f(ptr noalias %a, i64 %n) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %p = getelementptr inbounds i64, ptr %a, i64 %i
  %x = load i64, ptr %p
  %y = add i64 %x, 3
  %j = add nuw nsw i64 %i, 1
  %q = getelementptr inbounds i64, ptr %a, i64 %j
  store i64 %y, ptr %q
{stores}  %c = icmp ult i64 %j, %n
  br i1 %c, label %loop, label %exit
exit:
  ret void
}}"
        );
        let context = Context::new();
        let mut module = Module::from_ir(&context, "m", &text).unwrap();
        module.run_passes("function(loop-load-elim)", None).unwrap();
        module.verify().unwrap();
        module.to_ir().contains("store_forwarded")
    };
    assert!(optimised(0));
    assert!(!optimised(100));
}

#[test]
fn large_code_can_be_optimised_without_unrolling() {
    let text = "
define void @f(ptr %a) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %p = getelementptr i64, ptr %a, i64 %i
  store volatile i64 %i, ptr %p
  %j = add i64 %i, 1
  %c = icmp ult i64 %j, 6
  br i1 %c, label %loop, label %exit
exit:
  ret void
}";
    let context = Context::new();
    let stores = |unrolls: bool| {
        let mut module = Module::from_ir(&context, "m", text).unwrap();
        match unrolls {
            true => module.run_passes("default<O2>", None).unwrap(),
            false => module.run_passes_in_place("default<O2>", None).unwrap(),
        }
        module.to_ir().matches("store volatile").count()
    };
    assert_eq!((stores(true), stores(false)), (6, 1));
}
