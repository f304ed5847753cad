//! Code on demand: functions are decoded at their first call, thunks are made at their first use.
//!
//! ```text
//!  bitcode --read, bodies left out--> types, variables, addresses, stubs      before the program starts
//!      body of f --read--> decode --> Code --> hot                            first call of f
//!                             \__ Unsupported --LLVM--> machine code --> native
//!      thunk of a call site: 0 --abi, else LLVM--> address                    first call from there
//! ```
//!
//! Most programs run a part of what they bring along, and how much of the rest there is should not delay the first
//! instruction. The IR lives in a context of its own behind a lock, which only threads that come to a function for the
//! first time wait for; a body is dropped when it has been decoded.
#![allow(unsafe_code)]

use super::abi;
use super::bridge;
use super::code::{CallSite, Code, Makeshift, Unsupported};
use super::constants::Addresses;
use super::decode::{self, Env};
use super::entry::FuncEntry;
use super::image::{CELL, Names, Options};
use super::signature::{Numbering, Signature, Thunk};
use crate::briefly;
use crate::memory::{self, Symbol, Symbols, Unit};
use crate::profile::cycles::cpu_now_ns;
use crate::{Cpu, Error, Level};
use llvm::ir::{Value, View};
use llvm::{Context, FileType, Module};
use rustc_hash::FxHashMap;
use std::collections::HashSet;
use std::ptr::with_exposed_provenance;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What machine code calls that the interpreter cannot express, when its countdown of calls ends.
const CALLED: &str = "bareflow.hook.entry";

/// Tells whoever watches a function that its countdown ended in machine code.
unsafe extern "C" fn called(entry: u64) {
    // SAFETY: code passes the address of the entry it was compiled for, which lives as long as the code.
    let entry = unsafe { &*with_exposed_provenance::<FuncEntry>(entry as usize) };
    if let Some(watch) = entry.watch.get() {
        watch.called(entry, None);
    }
}

llvm::keeping!(called_keeping calls called, without_result);

/// Symbols of the program, and that hook.
struct WithHook<'n>(&'n Names);

impl Symbols for WithHook<'_> {
    fn find(&self, name: &str) -> Option<Symbol> {
        if name != CALLED {
            return self.0.find(name);
        }
        Some(Symbol::Function {
            address: llvm::keep::address(called_keeping),
            slot: None,
        })
    }
}

/// A program of which only the outlines were read.
///
/// Fields are dropped in this order: handles, the module they belong to, the context of all.
pub(super) struct Ir {
    pub addresses: Addresses<'static>,
    /// Functions that can be called by the interpreter, in the order of their numbers.
    pub functions: Vec<Value<'static>>,
    pub numbers: FxHashMap<Value<'static>, u32>,
    pub types: Numbering<Signature>,
    thunks: Numbering<Thunk>,
    /// By number of the thunk.
    thunk_at: Vec<usize>,
    module: Module<'static>,
    _context: Box<Context>,
}

// SAFETY: LLVM lets any thread use a context and what belongs to it, one at a time. All of it is in here, nothing in here
// is given away, and `Demand` keeps it behind a lock.
unsafe impl Send for Ir {}

impl Ir {
    /// Reads the outlines of a program.
    pub fn read(bitcode: &[u8]) -> Result<Self, Error> {
        let context = Box::new(Context::new());
        context.discard_value_names(true);
        // SAFETY: the box is kept in the same value as the module, which is dropped before it, and is never moved out of.
        let forever: &'static Context = unsafe { &*std::ptr::from_ref(&*context) };
        let module = Module::outline_of_bitcode(forever, "program", bitcode)?;
        let view = Self::view_of(&module);
        Ok(Ir {
            addresses: Addresses {
                layout: view.layout(),
                of: FxHashMap::default(),
            },
            functions: Vec::new(),
            numbers: FxHashMap::default(),
            types: Numbering::new(),
            thunks: Numbering::new(),
            thunk_at: Vec::new(),
            module,
            _context: context,
        })
    }

    fn view_of(module: &Module<'static>) -> View<'static> {
        // SAFETY: handles are kept in `Ir` only, and dropped before the module. What LLVM has on the heap does not move
        // with the `Module` that owns it.
        unsafe { std::mem::transmute::<View<'_>, View<'static>>(View::new(module)) }
    }

    pub fn view(&self) -> View<'static> {
        Self::view_of(&self.module)
    }

    /// Takes a function in: it gets the next number.
    pub fn add(&mut self, f: Value<'static>) {
        self.numbers.insert(f, self.functions.len() as u32);
        self.functions.push(f);
    }

    /// Machine code of functions, taken out of the program; everything else is found at its address. Those that have an entry
    /// count their calls, so that they can climb like others.
    pub fn compile(&self, wanted: &[String], cpu: &Cpu, names: &Names) -> Result<Unit, Error> {
        for name in wanted {
            self.module.read_body(name)?;
        }
        let set: HashSet<&str> = wanted.iter().map(String::as_str).collect();
        let mut part = self.module.extract(&set, &HashSet::new());
        // Nothing unwinds: no handler is ever reached, and nobody asks what to do.
        part.run_passes("function(lower-invoke)", None)?;
        part.functions()
            .iter()
            .for_each(llvm::Function::remove_personality);
        part.run_passes("function(simplifycfg),elim-avail-extern,globaldce", None)?;
        for name in wanted {
            if let Some(entry) = names.entry(name) {
                let id = (&raw const *entry).expose_provenance() as u64;
                // A naked function has no room for a counter: it stays what it is.
                let _ = part.add_entry_counter(name, &format!("{CELL}{name}"), CALLED, id);
            }
        }
        let object = Level::O1.machine(cpu)?.emit(&mut part, FileType::Object)?;
        Ok(memory::link(&names.region, &object, &WithHook(names))?)
    }

    fn decode(&mut self, id: usize, names: &Names, options: &Options) -> Result<Code, Unsupported> {
        let function = self.functions[id];
        let name = &names.entries[id].name;
        let failed = |reason: String| Unsupported {
            function: name.clone(),
            instruction: String::new(),
            reason,
        };
        if options.compile.is_some_and(|wanted| wanted(name)) {
            return Err(failed("machine code was asked for".into()));
        }
        self.module
            .read_body(name)
            .map_err(|error| failed(error.to_string()))?;
        let mut env = Env {
            layout: self.addresses.layout,
            addresses: &self.addresses,
            numbers: &self.numbers,
            entries: &names.entries,
            types: &mut self.types,
            thunks: &mut self.thunks,
            count_blocks: options.count_blocks,
            lines: self.module.has_debug_information(),
        };
        let mut code = decode::decode(&mut env, function)?;
        code.heat_step = options.heat_step.max(1);
        self.module.unread_body(name);
        Ok(code)
    }
}

/// Makes what is missing, when it is missed.
pub(super) struct Demand {
    ir: Mutex<Ir>,
    /// Threads of the program that wait for `ir`.
    waiting: AtomicU32,
    pub names: Names,
    cpu: Cpu,
    options: Options,
    unsupported: Mutex<Vec<Makeshift>>,
    /// Boxed, and only added to: kept as long as this is.
    #[allow(clippy::vec_box)]
    units: Mutex<Vec<Box<Unit>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing(what: &str) -> Error {
    Error::Object {
        message: format!("{what} was not compiled"),
    }
}

impl Demand {
    pub fn new(
        ir: Ir,
        names: Names,
        cpu: &Cpu,
        options: Options,
        unsupported: Vec<Makeshift>,
        units: Vec<Unit>,
    ) -> Self {
        Demand {
            ir: Mutex::new(ir),
            waiting: AtomicU32::new(0),
            names,
            cpu: cpu.clone(),
            options,
            unsupported: Mutex::new(unsupported),
            units: Mutex::new(units.into_iter().map(Box::new).collect()),
        }
    }

    pub fn makeshifts(&self) -> Vec<Makeshift> {
        locked(&self.unsupported).clone()
    }

    /// The unit at an address, of those that stay. Waits for no lock for long: made for handlers of faults.
    pub fn unit_at(&self, address: usize) -> Option<&Unit> {
        let units = briefly::lock(&self.units)?;
        let unit = units.iter().find(|u| u.range().contains(&address))?;
        // SAFETY: units are boxed, and dropped with `self` only.
        Some(unsafe { &*std::ptr::from_ref(&**unit) })
    }

    fn keep(&self, unit: Unit) {
        locked(&self.units).push(Box::new(unit));
    }

    /// Adapters and thunks for the types of all functions. Those that `abi` does not know are left to LLVM.
    pub fn make_borders(&self) -> Result<(), Error> {
        let mut ir = locked(&self.ir);
        let types = ir.types.items.len();
        let own: Vec<Option<u32>> = (0..types)
            .map(|n| {
                let s = ir.types.items[n].clone();
                (!s.variadic).then(|| ir.thunks.number(s.full_text(), || Thunk::of_call(&s)))
            })
            .collect();
        let enter = self.names.enter() as u64;
        let mut plain = Vec::new();
        let mut adapters: Vec<Option<usize>> = Vec::new();
        for s in &ir.types.items {
            adapters.push(abi::adapter(s, enter).map(|code| place(&mut plain, &code)));
        }
        let thunks: Vec<Option<usize>> = (ir.thunks.items.iter())
            .map(|t| abi::thunk(t).map(|code| place(&mut plain, &code)))
            .collect();
        let unit = memory::install_at(&self.names.region, plain.len(), |_, bytes| {
            bytes.copy_from_slice(&plain);
        })?;
        let start = unit.range().start;
        self.keep(unit);

        let mut text = bridge::Text::new();
        for (n, _) in adapters.iter().enumerate().filter(|(_, a)| a.is_none()) {
            text.adapter(n, &ir.types.items[n]);
        }
        for (n, _) in thunks.iter().enumerate().filter(|(_, t)| t.is_none()) {
            text.thunk(n, &ir.thunks.items[n]);
        }
        let compiled = self.bridge(text)?;
        let address = |at: Option<usize>, name: String| match (at, &compiled) {
            (Some(offset), _) => Ok(start + offset),
            (None, Some(unit)) => unit.address(&name).ok_or_else(|| missing(&name)),
            (None, None) => Err(missing(&name)),
        };
        let thunk_at = (thunks.iter().enumerate())
            .map(|(n, at)| address(*at, bridge::thunk_name(n)))
            .collect::<Result<Vec<_>, _>>()?;
        for entry in &self.names.entries {
            let n = entry.signature as usize;
            let adapter = address(adapters[n], bridge::adapter_name(n))?;
            entry.adapter.store(adapter, Relaxed);
            if let Some(thunk) = own[n] {
                entry.thunk.store(thunk_at[thunk as usize], Relaxed);
            }
            entry.publish_undecoded(self.names.stub(entry.id));
        }
        ir.thunk_at = thunk_at;
        drop(ir);
        if let Some(unit) = compiled {
            self.keep(unit);
        }
        // Whether a variadic function can be interpreted has to be known before an adapter lays its arguments out.
        (self.names.entries.iter())
            .filter(|entry| entry.variadic)
            .try_for_each(|entry| self.try_function(entry))
    }

    /// Compiles a text of adapters and thunks, if there is something in it.
    fn bridge(&self, text: bridge::Text) -> Result<Option<Unit>, Error> {
        let Some(text) = text.finish() else {
            return Ok(None);
        };
        let context = Context::new();
        let mut module = Module::from_ir(&context, "bridge", &text)?;
        let object = Level::O0
            .machine(&self.cpu)?
            .emit(&mut module, FileType::Object)?;
        Ok(Some(memory::link(
            &self.names.region,
            &object,
            &self.names,
        )?))
    }

    /// Decodes a function, or compiles it if that cannot be; publishes it unless better code came first. Ends the process if
    /// neither can be done: the function is being called.
    pub fn function(&self, entry: &FuncEntry) {
        if let Err(error) = self.try_function(entry) {
            fail(&format!("function {} cannot run: {error}", entry.name));
        }
    }

    /// Decodes a function before it is called, while no thread of the program wants another.
    pub fn ahead(&self, entry: &FuncEntry) {
        while self.waiting.load(Relaxed) > 0 {
            // The lock would go to this thread again, which runs already.
            std::thread::yield_now();
        }
        let mut ir = locked(&self.ir);
        // What cannot be decoded is compiled when it is called.
        if entry.code().is_none()
            && !entry.is_native_only()
            && let Ok(code) = ir.decode(entry.id as usize, &self.names, &self.options)
        {
            entry.set_code(code);
            drop(ir);
            entry.publish_first();
        }
    }

    fn try_function(&self, entry: &FuncEntry) -> Result<(), Error> {
        self.waiting.fetch_add(1, Relaxed);
        let mut ir = locked(&self.ir);
        self.waiting.fetch_sub(1, Relaxed);
        if entry.code().is_none() && !entry.is_native_only() {
            match ir.decode(entry.id as usize, &self.names, &self.options) {
                Ok(code) => entry.set_code(code),
                Err(reason) => {
                    let name = entry.name.clone();
                    let start = cpu_now_ns();
                    let unit = ir.compile(std::slice::from_ref(&name), &self.cpu, &self.names)?;
                    let at = unit.address(&name).ok_or_else(|| missing(&name))?;
                    locked(&self.unsupported).push(Makeshift {
                        why: reason,
                        cpu_ns: cpu_now_ns() - start,
                        bytes: unit.object_bytes() as u64,
                    });
                    self.keep(unit);
                    entry.set_native_only(at);
                }
            }
        }
        drop(ir);
        entry.publish_first();
        Ok(())
    }

    /// The thunk of a call site, made when it is used first.
    pub fn thunk(&self, site: &CallSite) -> usize {
        let mut ir = locked(&self.ir);
        let n = site.number as usize;
        if ir.thunk_at.len() <= n {
            let all = ir.thunks.items.len();
            ir.thunk_at.resize(all, 0);
        }
        if ir.thunk_at[n] == 0 {
            match self.make_thunk(n, &ir.thunks.items[n]) {
                Ok(at) => ir.thunk_at[n] = at,
                Err(error) => fail(&format!("a call cannot be made: {error}")),
            }
        }
        site.thunk.store(ir.thunk_at[n], Release);
        ir.thunk_at[n]
    }

    fn make_thunk(&self, n: usize, thunk: &Thunk) -> Result<usize, Error> {
        if let Some(code) = abi::thunk(thunk) {
            let unit = memory::install(&self.names.region, &code)?;
            let at = unit.range().start;
            self.keep(unit);
            return Ok(at);
        }
        let mut text = bridge::Text::new();
        text.thunk(n, thunk);
        let name = bridge::thunk_name(n);
        let unit = self.bridge(text)?.ok_or_else(|| missing(&name))?;
        let at = unit.address(&name).ok_or_else(|| missing(&name))?;
        self.keep(unit);
        Ok(at)
    }

    /// Makes the thunks of all call sites that were decoded.
    pub fn all_thunks(&self) -> Result<(), Error> {
        let mut ir = locked(&self.ir);
        for n in ir.thunk_at.len()..ir.thunks.items.len() {
            let at = self.make_thunk(n, &ir.thunks.items[n])?;
            ir.thunk_at.push(at);
        }
        Ok(())
    }

    /// Decodes all that is left.
    pub fn all(&self) -> Result<(), Error> {
        self.names
            .entries
            .iter()
            .filter(|entry| entry.is_missing())
            .try_for_each(|entry| self.try_function(entry))
    }
}

/// Puts code behind what is there, aligned; gives its offset.
fn place(all: &mut Vec<u8>, code: &[u8]) -> usize {
    all.resize(all.len().next_multiple_of(16), 0xCC);
    let at = all.len();
    all.extend_from_slice(code);
    at
}

/// Ends the process: the program came to a place from which nothing leads on.
#[cold]
fn fail(message: &str) -> ! {
    eprintln!("error: {message}");
    std::process::abort()
}
