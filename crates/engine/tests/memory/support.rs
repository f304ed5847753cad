//! IR text to objects, regions, and names of host functions.

use engine::memory::{Region, RegionConfig, Symbol, Unit, link};
use llvm::{CodegenLevel, Context, FileType, HostCpu, Module, TargetMachine};
use std::collections::HashMap;
use std::sync::Arc;

/// Optimisation levels 0 to 3.
#[allow(dead_code)]
pub const LEVELS: [u32; 4] = [0, 1, 2, 3];

/// Compiles IR text to an object.
pub fn object(ir: &str, level: u32) -> Vec<u8> {
    let codegen = match level {
        0 => CodegenLevel::None,
        1 => CodegenLevel::Less,
        2 => CodegenLevel::Default,
        _ => CodegenLevel::Aggressive,
    };
    let machine =
        TargetMachine::new("x86-64", &HostCpu::detect().feature_string(), codegen).unwrap();
    let context = Context::new();
    let mut module = Module::from_ir(&context, "test", ir).unwrap();
    module.verify().unwrap();
    module.set_triple(llvm::TRIPLE);
    module
        .run_passes(&format!("default<O{level}>"), Some(&machine))
        .unwrap();
    machine.emit(&mut module, FileType::Object).unwrap()
}

/// A region with 16 slots, 16 cells, 64 KiB of variables and this much code. Made on another thread: its start is that of the
/// first unit, and what this thread's stack held of it would count as a call that is under way.
pub fn region(code_limit: usize) -> Arc<Region> {
    let make = move || {
        let region = Region::new(RegionConfig {
            slots: 16,
            cells: 16,
            variable_bytes: 1 << 16,
            variable_align: 64,
            code_limit,
        });
        region.unwrap()
    };
    std::thread::spawn(make).join().unwrap()
}

/// Symbols from a list.
pub fn names(list: &[(&str, Symbol)]) -> impl Fn(&str) -> Option<Symbol> + use<> {
    let map: HashMap<String, Symbol> = list.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect();
    move |name: &str| map.get(name).copied()
}

/// A host function.
pub fn host(address: usize) -> Symbol {
    Symbol::Function {
        address,
        slot: None,
    }
}

/// Compiles and links.
pub fn unit(region: &Arc<Region>, ir: &str, level: u32, list: &[(&str, Symbol)]) -> Unit {
    link(region, &object(ir, level), &names(list)).unwrap()
}

/// Calls `name(i64) -> i64`.
pub fn call(unit: &Unit, name: &str, argument: i64) -> i64 {
    call_at(unit.address(name).unwrap(), argument)
}

/// Calls the code at an address as `fn(i64) -> i64`.
pub fn call_at(address: usize, argument: i64) -> i64 {
    // SAFETY: tests pass addresses of functions of this type.
    let f: extern "C" fn(i64) -> i64 = unsafe { std::mem::transmute(address) };
    f(argument)
}
