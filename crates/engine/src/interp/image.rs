//! A program ready to be interpreted: code, variables, addresses.

use super::bridge;
use super::call;
use super::code::{Makeshift, Unsupported};
use super::constants::Addresses;
use super::demand::{Demand, Ir};
use super::entry::FuncEntry;
use super::signature::Signature;
use crate::memory::{self, Budget, Region, RegionConfig, Symbol, Symbols, Unit};
use crate::profile::cycles::cpu_now_ns;
use crate::{Cpu, Error};
use llvm::Module;
use llvm::ir::{self, Value, View};
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::sync::Arc;

/// Finds the address of a symbol that the program does not define.
pub type Resolve = Arc<dyn Fn(&str) -> Option<usize> + Send + Sync>;

/// How to make an image.
#[derive(Debug, Clone)]
pub struct Options {
    /// Count executions of basic blocks.
    pub count_blocks: bool,
    /// Functions to compile though they could be interpreted, by their names: for tests of the border.
    pub compile: Option<fn(&str) -> bool>,
    /// Bytes of code memory.
    pub code_limit: usize,
    /// Backward jumps until they are looked at, at least 1.
    pub heat_step: u32,
    /// Decode functions at their first call instead of all at once.
    pub on_demand: bool,
    /// What variables and code are counted in, if they are.
    pub budget: Option<Arc<Budget>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            count_blocks: false,
            compile: None,
            code_limit: 64 << 20,
            heat_step: super::HEAT_STEP,
            on_demand: false,
            budget: None,
        }
    }
}

/// A program ready to be interpreted. Dropping it frees its variables and code: nothing of it may run any more.
pub struct Image {
    /// Boxed: functions hold its address.
    demand: Box<Demand>,
    /// By stub; announced to `call`.
    by_stub: Vec<*const FuncEntry>,
}

/// What symbols mean.
pub(crate) struct Names {
    /// Boxed: stubs and instructions hold their addresses.
    #[allow(clippy::vec_box)]
    pub entries: Vec<Box<FuncEntry>>,
    numbers: HashMap<String, u32>,
    /// Variables, aliases, functions without an entry, and what is outside as far as the program names it.
    addresses: BTreeMap<String, u64>,
    pub stubs: usize,
    pub region: Arc<Region>,
    resolve: Resolve,
}

/// Symbols of the engine's own that code may refer to: the countdown of a function's calls, and of its guard misses.
pub(crate) const CELL: &str = "bareflow.cell.";
pub(crate) const MISSES: &str = "bareflow.misses.";
/// Offset of the misses in a cell.
const MISSES_OFFSET: usize = 8;

impl Names {
    /// Address of the stub of function `id`.
    pub fn stub(&self, id: u32) -> usize {
        self.stubs + id as usize * bridge::STUB_BYTES
    }

    /// Where adapters enter the interpreter.
    pub(super) fn enter(&self) -> usize {
        (call::enter as *const ()).expose_provenance()
    }

    /// The function of that name, if the interpreter can call it.
    pub(super) fn entry(&self, function: &str) -> Option<&FuncEntry> {
        let id = *self.numbers.get(function)?;
        self.entries.get(id as usize).map(|b| &**b)
    }

    fn cell(&self, function: &str) -> Option<usize> {
        let id = *self.numbers.get(function)?;
        Some(self.region.cell_address(id as usize))
    }
}

impl Symbols for Names {
    fn find(&self, name: &str) -> Option<Symbol> {
        if let Some(id) = self.numbers.get(name) {
            return Some(Symbol::Function {
                address: self.stub(*id),
                slot: Some(self.region.slot_address(*id as usize)),
            });
        }
        if let Some(at) = self.addresses.get(name) {
            return Some(Symbol::Data(*at as usize));
        }
        if let Some(function) = name.strip_prefix(CELL) {
            return Some(Symbol::Data(self.cell(function)?));
        }
        if let Some(function) = name.strip_prefix(MISSES) {
            return Some(Symbol::Data(self.cell(function)? + MISSES_OFFSET));
        }
        if name == bridge::ENTER {
            return Some(Symbol::Function {
                address: self.enter(),
                slot: None,
            });
        }
        (self.resolve)(name).map(|address| Symbol::Function {
            address,
            slot: None,
        })
    }
}

#[allow(unsafe_code)]
unsafe extern "C" {
    /// Libgcc's: a thread's own copy of a variable (see `Module::emulate_thread_locals`).
    fn __emutls_get_address(control: *mut c_void) -> *mut c_void;
}

/// Finds what generated code needs where the host does not know it.
fn with_thread_locals(resolve: Resolve) -> Resolve {
    let own =
        |name: &str| (name == "__emutls_get_address").then_some(__emutls_get_address as *const ());
    Arc::new(move |name| resolve(name).or_else(|| own(name).map(|f| f.expose_provenance())))
}

fn code_error(what: &str) -> Error {
    Error::Object {
        message: what.to_owned(),
    }
}

/// A function's type in numbers: that of its signature, the words of its parameters, whether there may be more.
type FunctionType = (u32, u32, bool);

/// A variable's place among all.
struct Place<'m> {
    variable: Value<'m>,
    at: usize,
    size: usize,
}

/// Lays out the variables the program defines; gives bytes and alignment of all.
fn place_variables(view: View<'static>) -> (Vec<Place<'static>>, usize, usize) {
    let layout = view.layout();
    let mut places = Vec::new();
    let (mut end, mut most) = (0_usize, 64_usize);
    let defined = |g: &Value<'static>| {
        !g.is_thread_local() && !g.is_declaration() && !g.name().starts_with("llvm.")
    };
    for variable in view.variables().into_iter().filter(defined) {
        let ty = variable.value_type();
        let align = (variable.align() as usize)
            .max(layout.align(ty) as usize)
            .max(16);
        let at = end.next_multiple_of(align);
        let size = layout.alloc_size(ty) as usize;
        // A byte at least: no two variables at one address.
        end = at + size.max(1);
        most = most.max(align);
        places.push(Place { variable, at, size });
    }
    (places, end, most)
}

/// Functions after whose call others run on stacks that may be small, or between any two instructions: decoding takes
/// stack and memory, so everything is decoded before such a program starts.
const INTERRUPTING: [&str; 8] = [
    "signal",
    "bsd_signal",
    "sysv_signal",
    "sigset",
    "sigaction",
    "pthread_attr_setstack",
    "pthread_attr_setstacksize",
    "clone",
];

fn is_interrupted(view: View<'_>) -> bool {
    let mut declared = view.functions().into_iter().filter(|f| f.is_declaration());
    declared.any(|f| INTERRUPTING.contains(&f.name().as_str()))
}

/// Numbers the functions with a body. Gives the types of those the interpreter can call, and the others.
fn number_functions(ir: &mut Ir) -> (Vec<FunctionType>, Vec<Unsupported>) {
    let (mut types, mut unsupported) = (Vec::new(), Vec::new());
    let layout = ir.addresses.layout;
    for f in ir.view().functions() {
        if f.is_declaration() {
            continue;
        }
        let ty = f.value_type();
        let Some(s) = Signature::of(f, ty, &ty.params(), layout) else {
            unsupported.push(Unsupported {
                function: f.name(),
                instruction: String::new(),
                reason: format!("parameter or result of a type that cannot be held: {ty}"),
            });
            continue;
        };
        let (slots, variadic) = (s.callee_slots() as u32, s.variadic);
        let number = ir.types.number(s.fixed_text(), || s);
        ir.add(f);
        types.push((number, slots, variadic));
    }
    (types, unsupported)
}

/// Finds the addresses of functions, variables and what is outside, for constants and by name. False if something is
/// nowhere: then it matters who refers to it.
fn find_addresses(ir: &mut Ir, places: &[Place<'static>], names: &mut Names) -> bool {
    let view = ir.view();
    let addresses = &mut ir.addresses;
    for (i, f) in ir.functions.iter().enumerate() {
        addresses.of.insert(*f, names.stub(i as u32) as u64);
    }
    let (first_variable, _) = names.region.variables();
    for p in places {
        addresses
            .of
            .insert(p.variable, (first_variable + p.at) as u64);
    }
    let outside = view
        .functions()
        .into_iter()
        .filter(|f| !f.is_intrinsic())
        .chain(view.variables())
        .filter(|v| v.is_declaration() && !v.is_thread_local());
    let mut is_complete = true;
    for v in outside {
        match (names.resolve)(&v.name()) {
            Some(at) => {
                addresses.of.insert(v, at as u64);
            }
            None if v.is_extern_weak() => {
                addresses.of.insert(v, 0);
            }
            None => is_complete = false,
        }
    }
    names.addresses = addresses
        .of
        .iter()
        .map(|(v, at)| (v.name(), *at))
        .filter(|(name, _)| !names.numbers.contains_key(name))
        .collect();
    for a in view.aliases() {
        if let Ok(at) = addresses.address(a) {
            names.addresses.insert(a.name(), at);
        }
    }
    is_complete
}

impl Image {
    /// Lays out and decodes a program. `module` is linked and verified; its unnamed symbols get names.
    ///
    /// # Errors
    /// As [`Image::of_bitcode`].
    pub fn new(
        module: &mut Module<'_>,
        cpu: &Cpu,
        resolve: Resolve,
        options: Options,
    ) -> Result<Self, Error> {
        ir::name_everything(module, "bareflow.unnamed");
        Image::of_bitcode(&module.to_bitcode(), cpu, resolve, options)
    }

    /// The same from the bitcode of a program in which everything has a name.
    ///
    /// # Errors
    /// Memory that cannot be had, symbols that are nowhere, what LLVM cannot compile of what is needed at once.
    pub fn of_bitcode(
        bitcode: &[u8],
        cpu: &Cpu,
        resolve: Resolve,
        options: Options,
    ) -> Result<Self, Error> {
        let mut ir = Ir::read(bitcode)?;
        let (types, unsupported) = number_functions(&mut ir);
        let (places, bytes, align) = place_variables(ir.view());
        let config = RegionConfig {
            slots: ir.functions.len(),
            cells: ir.functions.len(),
            variable_bytes: bytes,
            variable_align: align,
            code_limit: options.code_limit,
        };
        let region = Region::within(config, options.budget.clone())?;
        let entries: Vec<Box<FuncEntry>> = (ir.functions.iter().zip(&types))
            .enumerate()
            .map(|(id, (f, (number, slots, variadic)))| {
                let (name, id) = (f.name(), id as u32);
                Box::new(FuncEntry::new(
                    name, id, *number, *slots, *variadic, &region,
                ))
            })
            .collect();

        // Addresses of functions: stubs.
        let stubs = memory::install_at(
            &region,
            entries.len().max(1) * bridge::STUB_BYTES,
            |_, code| {
                for (code, entry) in code.chunks_exact_mut(bridge::STUB_BYTES).zip(&entries) {
                    let at = (&raw const **entry).expose_provenance();
                    code.copy_from_slice(&bridge::stub(at as u64));
                }
            },
        )?;
        let mut names = Names {
            numbers: entries.iter().map(|e| (e.name.clone(), e.id)).collect(),
            entries,
            addresses: BTreeMap::new(),
            stubs: stubs.range().start,
            region: region.clone(),
            resolve: with_thread_locals(resolve),
        };
        let mut units = vec![stubs];
        let is_complete = find_addresses(&mut ir, &places, &mut names);

        // Functions that cannot even be called by the interpreter: their addresses are constants of the others.
        let mut makeshifts = Vec::new();
        if !unsupported.is_empty() {
            let wanted: Vec<String> = unsupported.iter().map(|u| u.function.clone()).collect();
            let start = cpu_now_ns();
            let unit = ir.compile(&wanted, cpu, &names)?;
            let (count, cpu_ns) = (unsupported.len(), cpu_now_ns() - start);
            // Each has its part of what they cost together.
            makeshifts.extend(unsupported.into_iter().map(|why| Makeshift {
                why,
                cpu_ns: cpu_ns / count as u64,
                bytes: (unit.object_bytes() / count) as u64,
            }));
            for f in ir.view().functions() {
                let name = f.name();
                if let Some(at) = unit.address(&name).filter(|_| wanted.contains(&name)) {
                    ir.addresses.of.insert(f, at as u64);
                    names.addresses.insert(name, at as u64);
                }
            }
            units.push(unit);
        }
        let (first_variable, _) = region.variables();
        for p in places {
            initialise(&ir.addresses, &p, first_variable)?;
        }
        // What is counted is there from the start: what a limit refuses later must not be needed to go on.
        let is_counted = options.budget.is_some();
        let on_demand =
            options.on_demand && !is_counted && is_complete && !is_interrupted(ir.view());

        let by_stub: Vec<*const FuncEntry> = names.entries.iter().map(|b| &raw const **b).collect();
        let demand = Box::new(Demand::new(ir, names, cpu, options, makeshifts, units));
        for entry in &demand.names.entries {
            entry.set_demand(&raw const *demand);
        }
        demand.make_borders()?;
        announce(demand.names.stubs, &by_stub);
        let image = Image { demand, by_stub };
        if !on_demand {
            image.demand.all()?;
        }
        if is_counted {
            image.demand.all_thunks()?;
        }
        Ok(image)
    }

    /// Functions that are compiled because the interpreter cannot express them, with the reason.
    pub fn unsupported(&self) -> Vec<Unsupported> {
        let all = self.demand.makeshifts().into_iter();
        all.map(|m| m.why).collect()
    }

    /// What runs instead of them.
    pub(crate) fn makeshifts(&self) -> Vec<Makeshift> {
        self.demand.makeshifts()
    }

    /// All functions with a body, in the order of their numbers.
    pub fn functions(&self) -> impl Iterator<Item = &FuncEntry> {
        self.names().entries.iter().map(|b| &**b)
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<&FuncEntry> {
        let id = *self.names().numbers.get(name)?;
        self.names().entries.get(id as usize).map(|b| &**b)
    }

    /// Address of a function or variable, as the guest and machine code see it.
    pub fn address(&self, name: &str) -> Option<u64> {
        match self.names().numbers.get(name) {
            Some(id) => Some(self.names().stub(*id) as u64),
            None => self.names().addresses.get(name).copied(),
        }
    }

    /// The function whose stub is at `address`.
    pub(crate) fn function_at(&self, address: usize) -> Option<&FuncEntry> {
        let offset = address.checked_sub(self.names().stubs)?;
        let entry = self.names().entries.get(offset / bridge::STUB_BYTES)?;
        (offset % bridge::STUB_BYTES == 0).then_some(&**entry)
    }

    /// The unit at an address, among those that stay as long as the image: stubs, adapters, thunks, functions that the
    /// interpreter cannot express.
    pub(crate) fn unit_at(&self, address: usize) -> Option<&Unit> {
        self.demand.unit_at(address)
    }

    /// What symbols mean, for the linker.
    pub(crate) fn names(&self) -> &Names {
        &self.demand.names
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

// SAFETY: entries are atomics and code that does not change once it is there; variables are the guest's, shared by its
// threads as it likes; pointers and linkers are only kept, and dropped by whoever owns the image, on any thread.
#[allow(unsafe_code)]
unsafe impl Send for Image {}
// SAFETY: as above: nothing behind a shared reference changes without being atomic.
#[allow(unsafe_code)]
unsafe impl Sync for Image {}

/// Writes a variable's first value.
#[allow(unsafe_code)]
fn initialise(addresses: &Addresses<'_>, p: &Place<'_>, first: usize) -> Result<(), Error> {
    let Some(value) = p.variable.initialiser() else {
        return Ok(());
    };
    let mut bytes = vec![0; p.size];
    addresses
        .write(value, &mut bytes)
        .map_err(|message| code_error(&format!("variable {}: {message}", p.variable.name())))?;
    let to = std::ptr::with_exposed_provenance_mut::<u8>(first + p.at);
    // SAFETY: the variable's place in the region, `size` bytes long; the guest does not run yet.
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    Ok(())
}

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
        debug_assert_eq!(self.by_stub.len(), self.names().entries.len());
        call::forget(self.names().stubs);
    }
}
