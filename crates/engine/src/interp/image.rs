//! A program ready to be interpreted: code, variables, addresses.

use super::bridge;
use super::call;
use super::code::Unsupported;
use super::constants::Addresses;
use super::decode::{self, Env};
use super::entry::FuncEntry;
use super::memory::Block;
use super::signature::{Numbering, Signature};
use crate::{Cpu, Error, Level};
use llvm::ir::{self, Value, View};
use llvm::{FileType, Jit, Module, SymbolKind};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

/// Finds the address of a symbol that the program does not define.
pub type Resolve<'r> = &'r dyn Fn(&str) -> Option<usize>;

/// How to make an image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Count executions of basic blocks.
    pub count_blocks: bool,
    /// Functions to compile though they could be interpreted, by their names: for tests of the border.
    pub compile: Option<fn(&str) -> bool>,
}

/// A program ready to be interpreted. Dropping it frees its variables and code: nothing of it may run any more.
pub struct Image {
    /// By name.
    entries: BTreeMap<String, Box<FuncEntry>>,
    /// By stub; announced to `call`.
    by_stub: Vec<*const FuncEntry>,
    stubs: usize,
    unsupported: Vec<Unsupported>,
    addresses: BTreeMap<String, u64>,
    _variables: Block,
    _machine_code: Vec<Jit>,
}

fn code_error(what: &str) -> Error {
    Error::Object {
        message: what.to_owned(),
    }
}

/// Compiles IR text into code memory.
fn compile_text(
    text: &str,
    cpu: &Cpu,
    absolute: &[(&str, usize, SymbolKind)],
) -> Result<Jit, Error> {
    let context = llvm::Context::new();
    let mut module = Module::from_ir(&context, "bridge", text)?;
    let object = Level::O0
        .machine(cpu)?
        .emit(&mut module, FileType::Object)?;
    let jit = Jit::new(Level::O0.machine(cpu)?)?;
    jit.define_absolute(absolute)?;
    jit.add_object("bridge", &object)?;
    Ok(jit)
}

/// LLJIT has a function of this name of its own in every library, which nobody would run at exit.
const ATEXIT: &str = "atexit";
const ATEXIT_OURS: &str = "bareflow.atexit";

/// Machine code of the functions named, taken out of the program; everything else is found at its address.
fn compile_functions(
    module: &Module<'_>,
    names: &[&str],
    cpu: &Cpu,
    addresses: &BTreeMap<String, u64>,
) -> Result<Jit, Error> {
    let mut part = module.duplicate();
    part.call_through_stubs();
    ir::keep_bodies(&mut part, &names.iter().copied().collect())?;
    ir::rename_function(&mut part, ATEXIT, ATEXIT_OURS);
    // Nothing unwinds: no handler is ever reached, and nobody asks what to do.
    part.run_passes("function(lower-invoke)", None)?;
    part.functions()
        .iter()
        .for_each(llvm::Function::remove_personality);
    part.run_passes("function(simplifycfg),globaldce", None)?;
    let object = Level::O1.machine(cpu)?.emit(&mut part, FileType::Object)?;
    let jit = Jit::new(Level::O1.machine(cpu)?)?;
    let absolute: Vec<(&str, usize, SymbolKind)> = addresses
        .iter()
        .filter(|(name, _)| !names.contains(&name.as_str()))
        .map(|(name, at)| {
            let name = if name == ATEXIT {
                ATEXIT_OURS
            } else {
                name.as_str()
            };
            (name, *at as usize, SymbolKind::Function)
        })
        .collect();
    jit.define_absolute(&absolute)?;
    jit.add_object("functions", &object)?;
    Ok(jit)
}

/// The program's functions, before they have code.
struct Functions<'m> {
    /// With a body, in the order of their stubs.
    defined: Vec<Value<'m>>,
    /// Boxed: stubs and instructions hold their addresses while the list becomes a map.
    #[allow(clippy::vec_box)]
    boxes: Vec<Box<FuncEntry>>,
    unsupported: Vec<Unsupported>,
}

impl Image {
    /// Lays out and decodes a program. `module` is linked and verified; its unnamed symbols get names.
    ///
    /// Functions the interpreter cannot express are compiled here.
    pub fn new(
        module: &mut Module<'_>,
        cpu: &Cpu,
        resolve: Resolve<'_>,
        options: Options,
    ) -> Result<Self, Error> {
        ir::name_everything(module, "bareflow.unnamed");
        let module = &*module;
        let view = View::new(module);
        let layout = view.layout();
        let mut types = Numbering::new();
        let mut functions = Functions {
            defined: Vec::new(),
            boxes: Vec::new(),
            unsupported: Vec::new(),
        };
        let mut number_of = Vec::new();
        for f in view.functions().into_iter().filter(|f| !f.is_declaration()) {
            let ty = f.value_type();
            let Some(s) = Signature::of(f, ty, &ty.params(), layout) else {
                functions.unsupported.push(Unsupported {
                    function: f.name(),
                    instruction: String::new(),
                    reason: format!("parameter or result of a type that cannot be held: {ty}"),
                });
                continue;
            };
            let slots = s.callee_slots() as u32;
            let number = types.number(s.fixed_text(), || s);
            number_of.push(number);
            functions.defined.push(f);
            functions
                .boxes
                .push(Box::new(FuncEntry::new(f.name(), number, slots)));
        }

        // Addresses of functions: stubs.
        let stubs: Vec<(usize, u32)> = functions
            .boxes
            .iter()
            .map(|b| ((&raw const **b).expose_provenance(), b.signature))
            .collect();
        let enter = (call::enter as *const ()).expose_provenance();
        let bridge = compile_text(
            &bridge::adapters(&types.items, &stubs),
            cpu,
            &[(bridge::ENTER, enter, SymbolKind::Function)],
        )?;
        let first_stub = bridge.lookup(bridge::STUBS)?;
        let mut machine_code = vec![bridge];
        let mut addresses = Addresses {
            layout,
            of: HashMap::new(),
        };
        for (i, f) in functions.defined.iter().enumerate() {
            addresses
                .of
                .insert(*f, (first_stub + i * call::STUB_BYTES) as u64);
        }

        // Addresses of variables, and of what is outside.
        let mut places = Vec::new();
        let (mut end, mut most) = (0_usize, 64_usize);
        for g in view
            .variables()
            .into_iter()
            .filter(|g| !g.is_thread_local())
        {
            if g.is_declaration() {
                if let Some(at) = resolve(&g.name()) {
                    addresses.of.insert(g, at as u64);
                }
            } else if !g.name().starts_with("llvm.") {
                let ty = g.value_type();
                let align = (g.align() as usize).max(layout.align(ty) as usize).max(16);
                let at = end.next_multiple_of(align);
                let size = layout.alloc_size(ty) as usize;
                // A byte at least: no two variables at one address.
                end = at + size.max(1);
                most = most.max(align);
                places.push((g, at, size));
            }
        }
        let variables = Block::new(end, most);
        for (g, at, _) in &places {
            addresses.of.insert(*g, variables.address() + *at as u64);
        }
        for f in view
            .functions()
            .into_iter()
            .filter(|f| f.is_declaration() && !f.is_intrinsic())
        {
            if let Some(at) = resolve(&f.name()) {
                addresses.of.insert(f, at as u64);
            }
        }

        // Code.
        let mut thunks = Numbering::new();
        let mut codes = decode_all(&functions, &addresses, &mut types, &mut thunks, options);
        let mut missing: Vec<Unsupported> = codes
            .iter()
            .filter_map(|c| c.as_ref().err().cloned())
            .collect();
        missing.extend(functions.unsupported.iter().cloned());
        let mut named: BTreeMap<String, u64> =
            addresses.of.iter().map(|(v, at)| (v.name(), *at)).collect();
        for a in view.aliases() {
            if let Ok(at) = addresses.address(a) {
                named.insert(a.name(), at);
            }
        }
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|u| u.function.as_str()).collect();
            let jit = compile_functions(module, &names, cpu, &named)?;
            for f in view.functions() {
                let name = f.name();
                if names.contains(&name.as_str()) {
                    let at = jit.lookup(&name)?;
                    addresses.of.insert(f, at as u64);
                    named.insert(name, at as u64);
                }
            }
            machine_code.push(jit);
            // Their addresses are constants of other functions.
            thunks = Numbering::new();
            codes = decode_all(&functions, &addresses, &mut types, &mut thunks, options);
        }

        // Thunks: of calls, and of compiled functions that are called by their entry.
        let mut entry_thunks = Vec::new();
        for (i, code) in codes.iter().enumerate() {
            if code.is_err() {
                let s = &types.items[number_of[i] as usize];
                entry_thunks.push((i, thunks.number(s.full_text(), || s.clone())));
            }
        }
        if !thunks.items.is_empty() {
            let jit = compile_text(&bridge::thunks(&thunks.items), cpu, &[])?;
            let at: Vec<usize> = (0..thunks.items.len())
                .map(|n| jit.lookup(&bridge::thunk_name(n)))
                .collect::<Result<_, _>>()?;
            machine_code.push(jit);
            for code in codes.iter_mut().flatten() {
                for site in &mut code.sites {
                    site.thunk = *at.get(site.thunk).ok_or_else(|| code_error("thunk lost"))?;
                }
            }
            for (i, n) in entry_thunks {
                let entry = &functions.boxes[i];
                entry.thunk.store(at[n as usize], Ordering::Release);
                entry.native.store(
                    addresses.of[&functions.defined[i]] as usize,
                    Ordering::Release,
                );
            }
        }
        for (entry, code) in functions.boxes.iter().zip(codes) {
            if let Ok(code) = code {
                entry.set_code(code);
            }
        }

        // Variables.
        for (g, at, size) in places {
            let Some(value) = g.initialiser() else {
                continue;
            };
            let mut bytes = vec![0; size];
            let written = addresses.write(value, &mut bytes);
            if let Err(message) = written {
                return Err(code_error(&format!("variable {}: {message}", g.name())));
            }
            if !variables.write(at, &bytes) {
                return Err(code_error(&format!("variable {} has no room", g.name())));
            }
        }
        let by_stub: Vec<*const FuncEntry> =
            functions.boxes.iter().map(|b| &raw const **b).collect();
        announce(first_stub, &by_stub);
        Ok(Image {
            entries: functions
                .boxes
                .into_iter()
                .map(|b| (b.name.clone(), b))
                .collect(),
            by_stub,
            stubs: first_stub,
            unsupported: missing,
            addresses: named,
            _variables: variables,
            _machine_code: machine_code,
        })
    }

    /// Functions that are compiled because the interpreter cannot express them, with the reason.
    pub fn unsupported(&self) -> &[Unsupported] {
        &self.unsupported
    }

    /// All functions with a body.
    pub fn functions(&self) -> impl Iterator<Item = &FuncEntry> {
        self.entries.values().map(|b| &**b)
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<&FuncEntry> {
        self.entries.get(name).map(|b| &**b)
    }

    /// Address of a function or variable, as the guest and machine code see it.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.addresses.get(name).copied()
    }

    /// Address of machine code that calls `main`-like functions: whoever has the right type may call it.
    pub fn callable(&self, name: &str) -> Option<usize> {
        self.function(name)?;
        self.address(name).map(|a| a as usize)
    }

    /// Runs a function whose parameters and result are numbers of at most 64 bits (integers extended with zeros, floats
    /// as their bits), on this thread.
    ///
    /// # Errors
    /// No such function, or other parameters than `args`.
    pub fn run(&self, name: &str, args: &[u64]) -> Result<u64, Error> {
        let entry = self
            .function(name)
            .ok_or_else(|| code_error(&format!("no function {name}")))?;
        if entry.arg_slots as usize != args.len() {
            return Err(code_error(&format!(
                "function {name} takes {} words of arguments, not {}",
                entry.arg_slots,
                args.len()
            )));
        }
        Ok(enter(entry, args))
    }
}

fn decode_all<'m>(
    functions: &Functions<'m>,
    addresses: &Addresses<'m>,
    types: &mut Numbering<Signature>,
    thunks: &mut Numbering<Signature>,
    options: Options,
) -> Vec<Result<super::Code, Unsupported>> {
    let entries: HashMap<Value<'m>, &FuncEntry> = functions
        .defined
        .iter()
        .copied()
        .zip(functions.boxes.iter().map(|b| &**b))
        .collect();
    let mut env = Env {
        layout: addresses.layout,
        addresses,
        entries: &entries,
        types,
        thunks,
        count_blocks: options.count_blocks,
    };
    functions
        .defined
        .iter()
        .map(
            |f| match options.compile.filter(|wanted| wanted(&f.name())) {
                Some(_) => Err(Unsupported {
                    function: f.name(),
                    instruction: String::new(),
                    reason: "machine code was asked for".into(),
                }),
                None => decode::decode(&mut env, *f),
            },
        )
        .collect()
}

// SAFETY: entries are atomics and code that does not change once it is there; variables are the guest's, shared by its
// threads as it likes; pointers and linkers are only kept, and dropped by whoever owns the image, on any thread.
#[allow(unsafe_code)]
unsafe impl Send for Image {}
// SAFETY: as above: nothing behind a shared reference changes without being atomic.
#[allow(unsafe_code)]
unsafe impl Sync for Image {}

#[allow(unsafe_code)]
fn announce(first_stub: usize, by_stub: &[*const FuncEntry]) {
    // SAFETY: one entry for each stub; the image keeps the list and the entries until `drop` takes this back.
    unsafe { call::announce(first_stub, by_stub) }
}

#[allow(unsafe_code)]
fn enter(entry: &FuncEntry, args: &[u64]) -> u64 {
    // Results are at most 4096 words: see `Shape`.
    let mut result = vec![0; 4096];
    // SAFETY: as many words as the function has parameters; room for every result.
    unsafe { call::call(entry, args.as_ptr(), result.as_mut_ptr()) }
    result[0]
}

impl Drop for Image {
    fn drop(&mut self) {
        debug_assert_eq!(self.by_stub.len(), self.entries.len());
        call::forget(self.stubs);
    }
}
