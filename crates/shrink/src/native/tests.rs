//! Small objects made by `object`'s writer, linked, read back by the kernel's own parser, and damaged.

use super::*;
use object::write::{Object, Relocation, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope, elf,
};
use proptest::prelude::*;

fn facts() -> Facts {
    Facts {
        program: 0x1234,
        build: 0x5678,
        features: CpuFeatures::from_llvm(["sse2", "avx2"]),
    }
}

fn symbol(name: &str, value: u64, section: SymbolSection, scope: SymbolScope) -> Symbol {
    Symbol {
        name: name.into(),
        value,
        size: 1,
        kind: SymbolKind::Text,
        scope,
        weak: false,
        section,
        flags: SymbolFlags::None,
    }
}

/// `name` in a section of its own, which calls `callees`; through the table of addresses where the name starts with `*`.
fn add_function(object: &mut Object<'_>, section: &str, name: &str, callees: &[&str]) {
    let section = object.add_section(Vec::new(), section.as_bytes().to_vec(), SectionKind::Text);
    let mut code = Vec::new();
    let mut places = Vec::new();
    for callee in callees {
        let (opcode, r_type) = match callee.starts_with('*') {
            true => (&[0xFF, 0x15][..], elf::R_X86_64_GOTPCRELX),
            false => (&[0xE8][..], elf::R_X86_64_PLT32),
        };
        code.extend(opcode);
        places.push((code.len() as u64, callee.trim_start_matches('*'), r_type));
        code.extend([0; 4]);
    }
    code.push(0xC3);
    object.append_section_data(section, &code, 16);
    object.add_symbol(symbol(
        name,
        0,
        SymbolSection::Section(section),
        SymbolScope::Linkage,
    ));
    for (offset, callee, r_type) in places {
        let id = object.symbol_id(callee.as_bytes()).unwrap_or_else(|| {
            object.add_symbol(symbol(
                callee,
                0,
                SymbolSection::Undefined,
                SymbolScope::Unknown,
            ))
        });
        let relocation = Relocation {
            offset,
            symbol: id,
            addend: -4,
            flags: RelocationFlags::Elf { r_type },
        };
        object.add_relocation(section, relocation).unwrap();
    }
}

fn new_object() -> Object<'static> {
    Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little)
}

fn program() -> Vec<u8> {
    let mut object = new_object();
    add_function(&mut object, ".text.unlikely.cold", "cold", &[]);
    add_function(
        &mut object,
        ".text",
        "start",
        &["hot", "*cold", "hot2", "outside"],
    );
    add_function(&mut object, ".text.hot.2", "hot2", &[]);
    add_function(&mut object, ".text.hot.1", "hot", &[]);
    add_function(&mut object, ".text.unused", "unused", &["nowhere"]);
    object.write().unwrap()
}

fn support() -> Vec<u8> {
    let mut object = new_object();
    add_function(&mut object, ".text", "outside", &[]);
    let data = object.add_section(Vec::new(), b".data".to_vec(), SectionKind::Data);
    object.append_section_data(data, &[1, 2, 3, 4], 4);
    let zeroed = object.add_section(Vec::new(), b".bss".to_vec(), SectionKind::UninitializedData);
    object.append_section_bss(zeroed, 100_000, 64);
    object.write().unwrap()
}

fn parsed(elf: &[u8]) -> formats::elf::Executable {
    formats::elf::Executable::parse(
        &elf[..elf.len().min(formats::elf::HEAD_BYTES)],
        elf.len() as u64,
    )
    .unwrap()
}

#[test]
fn the_kernel_takes_what_is_linked() {
    let (program, support) = (program(), support());
    let linked = link(&[&program, &support], "start", &facts(), SourceLines::Kept).unwrap();
    let executable = parsed(&linked.elf);
    assert_eq!(executable.headers_address, Some(IMAGE_BASE + 64));
    let code = executable
        .segments
        .iter()
        .find(|s| s.protection.execute)
        .unwrap();
    assert!(!code.protection.write && (code.address..code.end()).contains(&executable.entry));
    assert_eq!(linked.functions, 5);
    assert_eq!(Facts::of(&linked.elf), Some(facts()));
    assert_eq!(Facts::of(&program), None);
}

#[test]
fn zeroes_may_start_behind_the_end_of_the_file() {
    let mut object = new_object();
    let data = object.add_section(Vec::new(), b".data".to_vec(), SectionKind::Data);
    object.append_section_data(data, &[1, 2, 3, 4], 4);
    let place = SymbolSection::Section(data);
    object.add_symbol(symbol("datum", 0, place, SymbolScope::Linkage));
    let zeroed = object.add_section(Vec::new(), b".bss".to_vec(), SectionKind::UninitializedData);
    object.append_section_bss(zeroed, 64, 4096);
    let place = SymbolSection::Section(zeroed);
    object.add_symbol(symbol("zeroed", 0, place, SymbolScope::Linkage));
    add_function(&mut object, ".text", "start", &["datum", "zeroed"]);
    let linked = link(
        &[&object.write().unwrap()],
        "start",
        &facts(),
        SourceLines::Kept,
    )
    .unwrap();
    let executable = parsed(&linked.elf);
    let zeroes = executable.segments.iter().find(|s| s.protection.write);
    assert_eq!(zeroes.map(|s| s.memory_bytes >= 64), Some(true));
}

#[test]
fn hot_code_comes_first_and_calls_arrive() {
    let (program, support) = (program(), support());
    let linked = link(&[&program, &support], "start", &facts(), SourceLines::Kept).unwrap();
    let executable = parsed(&linked.elf);
    let code = executable
        .segments
        .iter()
        .find(|s| s.protection.execute)
        .unwrap();
    let at = |address: u64| (address - IMAGE_BASE) as usize;
    // In order: hot (.1), hot2 (.2), start, outside, cold; each at a multiple of 16.
    let start = code.address + 32;
    assert_eq!(executable.entry, start);
    let number = |address: u64| {
        let bytes = linked.elf[at(address)..at(address) + 4].try_into().unwrap();
        i64::from(i32::from_le_bytes(bytes))
    };
    let target = |address: u64| (address as i64 + 4 + number(address)) as u64;
    assert_eq!(target(start + 1), code.address);
    assert_eq!(target(start + 12), code.address + 16);
    let entry = at(target(start + 7));
    let through = u64::from_le_bytes(linked.elf[entry..entry + 8].try_into().unwrap());
    // `start` has 21 bytes, so `outside` comes 32 later.
    assert_eq!(target(start + 17), start + 32);
    assert_eq!(through, start + 48);
}

#[test]
fn errors_name_what_is_wrong() {
    let (program, support) = (program(), support());
    let link = |objects: &[&[u8]], entry| {
        link(objects, entry, &facts(), SourceLines::Kept)
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(
        link(&[&program], "start"),
        Error::Undefined {
            symbol: "outside".into(),
            section: ".text".into()
        }
    );
    assert!(matches!(link(&[&program], "main"), Error::NoEntry { .. }));
    assert!(matches!(
        link(&[&program, &support, &support], "start"),
        Error::Duplicate {
            first: 1,
            second: 2,
            ..
        }
    ));
    assert!(matches!(
        link(&[b"no ELF"], "start"),
        Error::Object { object: 0, .. }
    ));
    // Nobody needs what only unused code refers to.
    assert_eq!(undefined(&[&program]).unwrap(), ["nowhere", "outside"]);
}

#[test]
fn the_same_objects_give_the_same_file() {
    let (program, support) = (program(), support());
    let once = link(&[&program, &support], "start", &facts(), SourceLines::Kept)
        .unwrap()
        .elf;
    let again = link(&[&program, &support], "start", &facts(), SourceLines::Kept)
        .unwrap()
        .elf;
    assert_eq!(once, again);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// Whatever is damaged: an error, or a file that the kernel's parser can look at.
    #[test]
    fn damaged_objects_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let (mut program, support) = (program(), support());
        for (at, byte) in changes {
            let at = at.index(program.len());
            program[at] = byte;
        }
        if cuts {
            program.truncate(cut.index(program.len()));
        }
        let _ = undefined(&[&program]);
        if let Ok(linked) = link(&[&program, &support], "start", &facts(), SourceLines::Kept) {
            prop_assert!(linked.elf.len() < 1 << 20);
            let _ = parsed(&linked.elf);
        }
    }
}
