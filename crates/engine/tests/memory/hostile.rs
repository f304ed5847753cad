//! Objects that are broken, strange or not for us: an error, no panic, nothing left behind.

use super::support::{LEVELS, host, names, object, region, unit};
use engine::memory::{MemoryError, Region, Symbol, link};
use object::elf;
use object::read::elf::{FileHeader, SectionHeader};
use std::sync::Arc;

extern "C" fn nothing() {}

const IR: &str = "
@v = external dso_local global i64
@t = private constant [3 x ptr] [ptr @h, ptr @f, ptr @v]
@n = internal global i64 3
declare i64 @g(i64) nonlazybind
define i64 @h(i64 %x) noinline {
  %a = load i64, ptr @v
  store volatile i64 %a, ptr @n
  %p = getelementptr [3 x ptr], ptr @t, i64 0, i64 %x
  %q = load i64, ptr %p
  ret i64 %q
}
define i64 @f(i64 %x) {
  %a = call i64 @g(i64 %x)
  %b = call i64 @h(i64 %a)
  ret i64 %b
}";

fn symbols(region: &Arc<Region>) -> impl Fn(&str) -> Option<Symbol> + use<> {
    names(&[
        ("v", Symbol::Data(region.variables().0)),
        (
            "g",
            Symbol::Function {
                address: nothing as *const () as usize,
                slot: Some(region.slot_address(1)),
            },
        ),
    ])
}

/// Links bytes that may be anything; true if they were taken. Nothing may stay behind.
fn try_link(region: &Arc<Region>, bytes: &[u8]) -> Result<(), MemoryError> {
    let result = link(region, bytes, &symbols(region)).map(drop);
    assert_eq!(region.code_used(), 0, "pages are lost");
    result
}

#[test]
fn truncated_objects() {
    let region = region(1 << 20);
    let whole = object(IR, 2);
    assert_eq!(try_link(&region, &whole), Ok(()));
    // The section headers are at the end: every prefix lacks some.
    for length in 0..whole.len() {
        let error = try_link(&region, &whole[..length]).unwrap_err();
        assert!(
            matches!(error, MemoryError::Kind { .. } | MemoryError::Object { .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn bytes_changed_at_random() {
    let region = region(1 << 20);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for level in LEVELS {
        let whole = object(IR, level);
        for _ in 0..5000 {
            let mut changed = whole.clone();
            for _ in 0..=random(4) {
                let at = random(changed.len());
                changed[at] = [0, 1, 0x7f, 0x80, 0xff, random(256) as u8][random(6)];
            }
            // Code is not run; pages are not lost. What it says must be printable.
            if let Err(error) = try_link(&region, &changed) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}

#[test]
fn other_kinds_of_files() {
    let region = region(1 << 20);
    let whole = object(IR, 1);
    let changed = |at: usize, value: u8| {
        let mut object = whole.clone();
        object[at] = value;
        try_link(&region, &object).unwrap_err().to_string()
    };
    assert!(changed(0, 0).contains("no ELF file"));
    assert!(changed(4, 1).contains("another class"), "32 bits");
    assert!(changed(5, 2).contains("another class"), "big endian");
    // e_type, e_machine
    assert!(changed(16, 3).contains("ELF file of type 3"));
    assert!(changed(18, 183).contains("machine 183"));
    for bytes in [&b""[..], b"\x7fELF", b"BC\xc0\xde"] {
        assert!(matches!(
            try_link(&region, bytes),
            Err(MemoryError::Kind { .. })
        ));
    }
}

/// File offset of the first relocation of a section: 24 bytes, `r_offset`, `r_info`, `r_addend`.
fn relocation(bytes: &[u8], section: &str) -> usize {
    type Header = elf::FileHeader64<object::LittleEndian>;
    let endian = object::LittleEndian;
    let header = Header::parse(bytes).unwrap();
    let sections = header.sections(endian, bytes).unwrap();
    let (_, found) = sections
        .section_by_name(endian, format!(".rela{section}").as_bytes())
        .unwrap();
    found.file_range(endian).unwrap().0 as usize
}

/// Calls `@x`, which is far; the code's only relocation is the call's.
fn with_call() -> (Vec<u8>, usize) {
    let object = object(
        "declare void @x()
define i64 @f(i64 %a) {
  call void @x()
  ret i64 0
}",
        2,
    );
    let at = relocation(&object, ".text");
    (object, at)
}

#[test]
fn relocations_out_of_range_or_unknown() {
    let region = region(1 << 20);
    let far = names(&[("x", host(nothing as *const () as usize))]);
    let (whole, at) = with_call();
    let try_type = |kind: u32| {
        let mut object = whole.clone();
        object[at + 8..at + 12].copy_from_slice(&kind.to_le_bytes());
        let result = link(&region, &object, &far).map(drop);
        assert_eq!(region.code_used(), 0);
        result
    };
    assert_eq!(try_type(elf::R_X86_64_PLT32.0), Ok(()));
    assert_eq!(
        try_type(elf::R_X86_64_PC32.0),
        Ok(()),
        "a call all the same"
    );
    for kind in [elf::R_X86_64_32, elf::R_X86_64_32S] {
        match try_type(kind.0) {
            Err(MemoryError::Range { symbol, bits, .. }) => assert_eq!((&*symbol, bits), ("x", 32)),
            other => panic!("{other:?}"),
        }
    }
    for kind in [elf::R_X86_64_GOT32, elf::R_X86_64_TPOFF32, elf::R_X86_64_16] {
        match try_type(kind.0) {
            Err(MemoryError::Relocation {
                kind: found,
                section,
                symbol,
                ..
            }) => assert_eq!((found, &*section, &*symbol), (kind.0, ".text", "x")),
            other => panic!("{other:?}"),
        }
    }
    assert!(try_type(999).unwrap_err().to_string().contains("type 999"));
}

#[test]
fn relocations_outside_their_section_or_to_no_symbol() {
    let region = region(1 << 20);
    let far = names(&[("x", host(nothing as *const () as usize))]);
    let (whole, at) = with_call();
    for offset in [u64::MAX, u64::MAX - 3, 1 << 40, 4096, 60] {
        let mut object = whole.clone();
        object[at..at + 8].copy_from_slice(&offset.to_le_bytes());
        match link(&region, &object, &far).map(drop) {
            Err(MemoryError::Outside { offset: found, .. }) => assert_eq!(found, offset),
            other => panic!("{offset}: {other:?}"),
        }
    }
    let mut object = whole.clone();
    object[at + 12..at + 16].copy_from_slice(&1000_u32.to_le_bytes());
    let error = link(&region, &object, &far).unwrap_err();
    assert!(error.to_string().contains("number 1000"), "{error}");
    assert_eq!(region.code_used(), 0);
}

#[test]
fn all_missing_symbols_are_named() {
    let region = region(1 << 20);
    let ir = "
@zeta = external global i64
declare i64 @beta(i64)
declare i64 @alpha(i64) nonlazybind
define i64 @f(i64 %x) {
  %a = call i64 @alpha(i64 %x)
  %b = call i64 @beta(i64 %a)
  %c = load i64, ptr @zeta
  %d = add i64 %b, %c
  ret i64 %d
}";
    for level in LEVELS {
        let error = link(&region, &object(ir, level), &names(&[])).unwrap_err();
        assert_eq!(
            error,
            MemoryError::Undefined {
                symbols: vec!["alpha".into(), "beta".into(), "zeta".into()]
            }
        );
        assert!(error.to_string().contains("alpha, beta, zeta"));
    }
}

#[test]
fn far_data_that_code_takes_for_near() {
    let region = region(1 << 20);
    let ir = "
@far = external dso_local global i64
define i64 @f(i64 %x) {
  %a = load i64, ptr @far
  ret i64 %a
}";
    static FAR: i64 = 5;
    let at = &raw const FAR as usize;
    for level in LEVELS {
        match link(
            &region,
            &object(ir, level),
            &names(&[("far", Symbol::Data(at))]),
        ) {
            Err(MemoryError::Range {
                symbol,
                section,
                bits: 32,
                ..
            }) => assert_eq!((&*symbol, &*section), ("far", ".text")),
            other => panic!("{other:?}"),
        }
        assert_eq!(region.code_used(), 0);
        // Through the table it is reached.
        let ir = ir.replace("dso_local ", "");
        let unit = unit(&region, &ir, level, &[("far", Symbol::Data(at))]);
        assert_eq!(super::support::call(&unit, "f", 0), 5);
    }
}

#[test]
fn sections_that_have_no_place() {
    let region = region(1 << 20);
    let refused = |ir: &str| match link(&region, &object(ir, 0), &names(&[])) {
        Err(MemoryError::Section { section, .. }) => section,
        other => panic!("{other:?}"),
    };
    let tls = "@t = thread_local global i64 7
define i64 @f(i64 %x) { ret i64 0 }";
    assert_eq!(refused(tls), ".tdata");
    let constructor = "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }]
  [{ i32, ptr, ptr } { i32 1, ptr @c, ptr null }]
define void @c() { ret void }";
    assert!(
        [".init_array", ".ctors"]
            .iter()
            .any(|l| refused(constructor).starts_with(l))
    );
    let aligned = "@a = global i64 7, align 8192";
    assert_eq!(refused(aligned), ".data");
    match link(&region, &object("@c = common global i64 0", 0), &names(&[])) {
        Err(MemoryError::Symbol { symbol, .. }) => assert_eq!(symbol, "c"),
        other => panic!("{other:?}"),
    }
    assert_eq!(region.code_used(), 0);
}

#[test]
fn an_object_larger_than_the_limit() {
    let region = region(1 << 16);
    let ir = "@z = global [100000 x i8] zeroinitializer
define i64 @f(i64 %x) { ret i64 0 }";
    match link(&region, &object(ir, 0), &names(&[])) {
        Err(MemoryError::Full {
            needed, used: 0, ..
        }) => assert!(needed > 100_000),
        other => panic!("{other:?}"),
    }
    assert_eq!(region.code_used(), 0);
}
